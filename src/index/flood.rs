//! How much one address may publish where anyone may: a handful at once, then one now and then.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::gate::subscriber;
use crate::base::{Span, Time};

/// Torrents that an address may publish at once: somebody's whole shelf.
const BURST: u64 = 120;
/// It may publish one more after each of these.
const EACH: Span = Span::secs(30);
/// Addresses that are counted; the one that may soonest do as it likes again makes room.
const COUNTED_MAX: usize = 1000;

/// Who published how much lately.
#[derive(Debug, Default)]
pub struct Flood {
    /// When an address may publish a whole burst again.
    free_at: BTreeMap<IpAddr, Time>,
}

impl Flood {
    /// Counts one more.
    ///
    /// # Errors
    /// It has published too much; seconds until it may again.
    pub fn count(&mut self, from: IpAddr, now: Time) -> Result<(), u64> {
        let from = subscriber(from);
        let free_at = self.free_at.get(&from).map_or(now, |at| (*at).max(now));
        let room = EACH.times(BURST - 1);
        let ahead = free_at.since(now);
        if ahead > room {
            return Err(Span(ahead.0 - room.0).0.div_ceil(Span::secs(1).0));
        }
        if self.free_at.len() >= COUNTED_MAX && !self.free_at.contains_key(&from) {
            self.free_at.retain(|_, at| *at > now);
            let soonest = self.free_at.iter().min_by_key(|(_, at)| **at).map(|(ip, _)| *ip);
            soonest.filter(|_| self.free_at.len() >= COUNTED_MAX).and_then(|ip| self.free_at.remove(&ip));
        }
        self.free_at.insert(from, free_at + EACH);
        Ok(())
    }

    pub fn check(&self) {
        assert!(self.free_at.len() <= COUNTED_MAX, "too many publishers are counted");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_one_now_and_then_for_each_address() {
        let mut flood = Flood::default();
        let (one, other) = ([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
        for _ in 0..BURST {
            assert_eq!(flood.count(one, Time::ZERO), Ok(()));
        }
        assert_eq!(flood.count(one, Time::ZERO), Err(30));
        assert_eq!(flood.count(other, Time::ZERO), Ok(()));
        assert_eq!(flood.count(one, Time::ZERO + Span::secs(29)), Err(1));
        assert_eq!(flood.count(one, Time::ZERO + Span::secs(30)), Ok(()));
        assert_eq!(flood.count(one, Time::ZERO + Span::secs(30)), Err(30));
        let later = Time::ZERO + EACH.times(BURST + 1);
        for _ in 0..BURST {
            assert_eq!(flood.count(one, later), Ok(()));
        }
        assert_eq!(flood.count(one, later), Err(30));
    }

    #[test]
    fn the_table_is_bounded_and_a_network_of_v6_is_one() {
        let mut flood = Flood::default();
        for n in 0..3 * COUNTED_MAX as u32 {
            assert_eq!(flood.count(IpAddr::V4(n.into()), Time(u64::from(n))), Ok(()));
            flood.check();
        }
        let from = |last: u16| IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, last]);
        (0..BURST as u16).for_each(|last| assert_eq!(flood.count(from(last), Time::ZERO), Ok(())));
        assert!(flood.count(from(999), Time::ZERO).is_err());
    }
}
