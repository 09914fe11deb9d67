//! Who asks how much: sources that ask too often are not heard for a while.
//!
//! A table of fixed size, whatever the number of sources: it forgets those first that asked least of late, so that
//! thousands of polite sources do not make a flooder forgotten.

use std::net::{IpAddr, SocketAddr};

use crate::base::{Span, Time};

/// How long a flooder is ignored.
const IGNORED: Span = Span::secs(300);
/// Questions in a row, in seconds of the rate.
const BURST_S: u32 = 10;
/// Places of the table: sets by a keyed hash of the source, of a few slots each. 32 KiB.
const SETS: usize = 256;
const SLOTS: usize = 4;

/// What a source has left, in thousandths of a question, and when that was.
#[derive(Clone, Copy, Debug)]
struct Slot {
    source: u64,
    left: u32,
    at: Time,
    /// Ignored until then.
    until: Time,
}

const EMPTY: Slot = Slot { source: 0, left: u32::MAX, at: Time::ZERO, until: Time::ZERO };

#[derive(Debug)]
pub struct Sources {
    /// Questions per second of one source; 0: any number.
    rate: u32,
    key: u64,
    sets: Vec<[Slot; SLOTS]>,
}

impl Sources {
    /// `key` keeps strangers from choosing their places in the table.
    pub fn new(rate: u32, key: u64) -> Sources {
        let sets = if rate == 0 { 0 } else { SETS };
        Sources { rate: rate.min(100_000), key, sets: vec![[EMPTY; SLOTS]; sets] }
    }

    /// A question came. False: it is not to be looked at.
    pub fn may_ask(&mut self, from: SocketAddr, now: Time) -> bool {
        if self.rate == 0 {
            return true;
        }
        let full = self.rate * BURST_S * 1000;
        let rate = u64::from(self.rate);
        let refilled = |slot: &Slot| {
            // A thousandth of a question per millisecond and unit of rate.
            let earned = now.since(slot.at).0 / 1000 * rate;
            u64::from(slot.left).saturating_add(earned).min(full.into()) as u32
        };
        let (source, set) = self.place(from);
        let set = &mut self.sets[set];
        let slot = match set.iter_mut().position(|slot| slot.source == source) {
            Some(at) => &mut set[at],
            None => {
                // Whoever is not ignored and has most left is missed least; else whose time is up first.
                let loss = |slot: &Slot| (slot.until.since(now), std::cmp::Reverse(refilled(slot)));
                let Some(slot) = set.iter_mut().min_by_key(|slot| loss(slot)) else { return true };
                *slot = Slot { source, left: full, at: now, until: Time::ZERO };
                slot
            }
        };
        if slot.until > now {
            return false;
        }
        let left = refilled(slot);
        (slot.left, slot.at) = (left.saturating_sub(1000), now);
        if left < 1000 {
            slot.until = now + IGNORED;
        }
        left >= 1000
    }

    /// Whether this source is being ignored.
    pub fn is_ignored(&self, from: SocketAddr, now: Time) -> bool {
        if self.rate == 0 {
            return false;
        }
        let (source, set) = self.place(from);
        self.sets[set].iter().any(|slot| slot.source == source && slot.until > now)
    }

    /// A source's name, an address or a /64 of v6, and its set.
    fn place(&self, from: SocketAddr) -> (u64, usize) {
        let plain = match from.ip() {
            IpAddr::V4(ip) => u64::from(u32::from(ip)) | 1 << 63,
            IpAddr::V6(ip) => (u128::from(ip) >> 64) as u64,
        };
        let mut mixed = (plain ^ self.key).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 29) ^ self.key.rotate_left(32)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (plain, (mixed >> 40) as usize % SETS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(n: u32) -> SocketAddr {
        let [_, a, b, c] = n.to_be_bytes();
        SocketAddr::from(([10, a, b, c], 6881))
    }

    /// As libtorrent's test of its dos_blocker: a flooder among a thousand others.
    #[test]
    fn a_flooder_is_ignored_and_others_are_not() {
        let mut sources = Sources::new(5, 77);
        let mut now = Time(9);
        let (mut heard, mut others) = (0, 0);
        for turn in 0..5000_u32 {
            now += Span::millis(1);
            heard += u32::from(sources.may_ask(source(1), now));
            others += u32::from(sources.may_ask(source(100 + turn % 1000), now));
        }
        assert!((50..=75).contains(&heard), "{heard}");
        assert_eq!(others, 5000, "each asks once a second");
        assert!(sources.is_ignored(source(1), now));
        now += Span::secs(290);
        assert!(!sources.may_ask(source(1), now));
        now += Span::secs(11);
        assert!(sources.may_ask(source(1), now) && !sources.is_ignored(source(1), now));
    }

    #[test]
    fn polite_sources_are_heard_for_ever_and_a_limit_of_0_is_none() {
        let mut sources = Sources::new(5, 1);
        let mut now = Time::ZERO;
        for _ in 0..10_000 {
            now += Span::millis(200);
            assert!(sources.may_ask(source(3), now));
        }
        let mut any = Sources::new(0, 1);
        assert!((0..10_000).all(|_| any.may_ask(source(3), now)));
    }
}
