//! Addresses that nobody here deals with: ranges in order, none of which touch.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::address::unmapped;

/// Ranges of IPv4, at 8 bytes each: twice the largest list that people use.
const V4_MAX: usize = 500_000;
/// Ranges of IPv6, at 32 bytes each.
const V6_MAX: usize = 50_000;

/// The ranges, first and last address of each.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Blocked {
    v4: Box<[(u32, u32)]>,
    v6: Box<[(u128, u128)]>,
}

impl Blocked {
    /// Whether the address is in one of them; one of IPv4 also where it is written as one of IPv6.
    pub fn holds(&self, ip: IpAddr) -> bool {
        match unmapped(ip) {
            IpAddr::V4(v4) => holds(&self.v4, u32::from(v4)),
            IpAddr::V6(v6) => holds(&self.v6, u128::from(v6)),
        }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.v4.len() + self.v6.len()
    }
}

fn holds<T: Ord + Copy>(ranges: &[(T, T)], address: T) -> bool {
    let at = ranges.partition_point(|(_, last)| *last < address);
    ranges.get(at).is_some_and(|(first, _)| *first <= address)
}

/// There are more ranges than memory is meant for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TooMany;

/// Ranges as they come, in any order.
#[derive(Debug, Default)]
pub struct Gather {
    v4: Vec<(u32, u32)>,
    v6: Vec<(u128, u128)>,
}

impl Gather {
    /// One more, from its first to its last address. False where it is none.
    ///
    /// # Errors
    /// Where there are too many.
    pub fn add(&mut self, first: IpAddr, last: IpAddr) -> Result<bool, TooMany> {
        match (unmapped(first), unmapped(last)) {
            (IpAddr::V4(first), IpAddr::V4(last)) if first <= last => {
                self.v4.push((first.into(), last.into()));
                bound(&mut self.v4, V4_MAX, |address| address.checked_add(1))?;
            }
            (IpAddr::V6(first), IpAddr::V6(last)) if first <= last => {
                self.v6.push((first.into(), last.into()));
                bound(&mut self.v6, V6_MAX, |address| address.checked_add(1))?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The network of this many bits. False where there is none such.
    ///
    /// # Errors
    /// Where there are too many.
    pub fn add_network(&mut self, ip: IpAddr, bits: u32) -> Result<bool, TooMany> {
        match ip {
            IpAddr::V4(v4) if bits <= 32 => {
                let rest = u32::MAX.checked_shr(bits).unwrap_or(0);
                let v4 = u32::from(v4);
                self.add(Ipv4Addr::from(v4 & !rest).into(), Ipv4Addr::from(v4 | rest).into())
            }
            IpAddr::V6(v6) if bits <= 128 => {
                let rest = u128::MAX.checked_shr(bits).unwrap_or(0);
                let v6 = u128::from(v6);
                self.add(Ipv6Addr::from(v6 & !rest).into(), Ipv6Addr::from(v6 | rest).into())
            }
            _ => Ok(false),
        }
    }

    /// All of them, in order.
    pub fn finish(mut self) -> Blocked {
        merge(&mut self.v4, |address| address.checked_add(1));
        merge(&mut self.v6, |address| address.checked_add(1));
        Blocked { v4: self.v4.into(), v6: self.v6.into() }
    }
}

/// Merges when there are twice as many as there may be in the end: lists repeat themselves.
fn bound<T: Ord + Copy>(ranges: &mut Vec<(T, T)>, max: usize, next: impl Fn(T) -> Option<T>) -> Result<(), TooMany> {
    if ranges.len() < 2 * max {
        return Ok(());
    }
    merge(ranges, next);
    if ranges.len() > max { Err(TooMany) } else { Ok(()) }
}

/// In order, and those that overlap or touch become one.
fn merge<T: Ord + Copy>(ranges: &mut Vec<(T, T)>, next: impl Fn(T) -> Option<T>) {
    ranges.sort_unstable();
    ranges.dedup_by(|(first, last), (_, before)| {
        let touches = next(*before).is_none_or(|next| *first <= next);
        if touches {
            *before = (*before).max(*last);
        }
        touches
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn ranges_are_merged_and_found() {
        let mut gather = Gather::default();
        for (first, last) in [
            ("10.0.0.5", "10.0.0.9"),
            ("10.0.0.0", "10.0.0.4"),
            ("10.0.1.0", "10.0.1.7"),
            ("10.0.0.7", "10.0.0.8"),
            ("255.255.255.255", "255.255.255.255"),
            ("2001:db8::", "2001:db8::f"),
        ] {
            assert_eq!(gather.add(ip(first), ip(last)), Ok(true));
        }
        assert_eq!(gather.add(ip("10.0.0.2"), ip("10.0.0.1")), Ok(false));
        assert_eq!(gather.add(ip("10.0.0.2"), ip("::1")), Ok(false));
        assert_eq!(gather.add_network(ip("192.0.2.77"), 24), Ok(true));
        assert_eq!(gather.add_network(ip("192.0.2.77"), 33), Ok(false));
        let blocked = gather.finish();
        assert_eq!(blocked.count(), 5);
        for inside in
            ["10.0.0.0", "10.0.0.9", "10.0.1.7", "255.255.255.255", "2001:db8::5", "192.0.2.0", "::ffff:10.0.0.1"]
        {
            assert!(blocked.holds(ip(inside)), "{inside}");
        }
        for outside in
            ["9.255.255.255", "10.0.0.10", "10.0.1.8", "255.255.255.254", "2001:db8::10", "192.0.3.0", "::1"]
        {
            assert!(!blocked.holds(ip(outside)), "{outside}");
        }
        let mut all = Gather::default();
        assert_eq!(all.add_network(ip("1.2.3.4"), 0), Ok(true));
        assert_eq!(all.add_network(ip("::"), 0), Ok(true));
        assert!(all.finish().holds(ip("255.255.255.255")));
        assert!(!Blocked::default().holds(ip("10.0.0.1")));
    }

    #[test]
    fn memory_is_bounded() {
        let mut gather = Gather::default();
        let refused = (0..3_000_000_u32).find(|n| {
            let ip = IpAddr::V4(Ipv4Addr::from(n * 2));
            gather.add(ip, ip).is_err()
        });
        assert_eq!(refused, Some(2 * V4_MAX as u32 - 1));
        let mut same = Gather::default();
        assert!((0..3_000_000).all(|_| same.add(ip("10.0.0.1"), ip("10.0.0.1")).is_ok()));
        assert_eq!(same.finish().count(), 1);
    }
}
