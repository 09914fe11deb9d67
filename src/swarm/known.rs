//! Addresses of peers we could dial: when each may be tried, how often it failed, and when it is forgotten.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use crate::base::limits::{DIAL_FAILURES, KNOWN_MAX, REDIAL};
use crate::base::{Span, Time};

pub use crate::machine::Source;

#[derive(Clone, Debug)]
struct Entry {
    source: Source,
    failures: u32,
    /// None while dialled or connected.
    due: Option<Time>,
}

/// First wait before an address from the command line is dialled again; doubles up to [`REDIAL`].
const REDIAL_PERSON: Span = Span::secs(1);
/// Wait after a session that was of use, before the same address is dialled again.
const REDIAL_USEFUL: Span = Span::secs(5);

#[derive(Debug, Default)]
pub struct Known {
    entries: BTreeMap<SocketAddr, Entry>,
    due: BTreeSet<(Time, SocketAddr)>,
}

impl Known {
    /// Somebody named this address. True if it is new.
    pub fn add(&mut self, now: Time, address: SocketAddr, source: Source) -> bool {
        if let Some(entry) = self.entries.get_mut(&address) {
            entry.source = entry.source.max(source);
            return false;
        }
        if self.entries.len() >= KNOWN_MAX && !self.make_room() {
            return false;
        }
        self.entries.insert(address, Entry { source, failures: 0, due: Some(now) });
        self.due.insert((now, address));
        true
    }

    /// Forgets the failing idle address that is due last.
    fn make_room(&mut self) -> bool {
        let is_failing = |address: &SocketAddr| {
            self.entries.get(address).is_some_and(|entry| entry.failures > 0 && entry.source != Source::Person)
        };
        let Some(&(due, address)) = self.due.iter().rev().find(|(_, address)| is_failing(address)) else {
            return false;
        };
        self.due.remove(&(due, address));
        self.entries.remove(&address);
        true
    }

    /// The next address to dial, and when it may be.
    pub fn next_due(&self) -> Option<(Time, SocketAddr)> {
        self.due.first().copied()
    }

    /// An address to dial now; it counts as dialled.
    pub fn take_due(&mut self, now: Time) -> Option<SocketAddr> {
        let &(due, address) = self.due.first()?;
        if due > now {
            return None;
        }
        self.due.pop_first();
        if let Some(entry) = self.entries.get_mut(&address) {
            entry.due = None;
        }
        Some(address)
    }

    /// A dial or a session with this address ended. `was_useful`: something worth coming back for was exchanged.
    pub fn ended(&mut self, now: Time, address: SocketAddr, was_useful: bool) {
        let Some(entry) = self.entries.get_mut(&address) else {
            return;
        };
        if entry.due.is_some() {
            return;
        }
        if was_useful {
            entry.failures = 0;
        } else {
            entry.failures += 1;
        }
        let wait = match (entry.source, was_useful) {
            (_, true) => REDIAL_USEFUL,
            (Source::Person, false) => REDIAL_PERSON.times(1 << (entry.failures - 1).min(6)).min(REDIAL),
            (_, false) if entry.failures >= DIAL_FAILURES => {
                self.entries.remove(&address);
                return;
            }
            (_, false) => REDIAL.times(u64::from(entry.failures)),
        };
        entry.due = Some(now + wait);
        self.due.insert((now + wait, address));
    }

    /// A dial did not come about, for reasons of ours: nothing is held against the address.
    pub fn put_back(&mut self, now: Time, address: SocketAddr) {
        if let Some(entry) = self.entries.get_mut(&address)
            && entry.due.is_none()
        {
            entry.due = Some(now + REDIAL_USEFUL);
            self.due.insert((now + REDIAL_USEFUL, address));
        }
    }

    /// Never dial this address again: it is ourselves, banned, or of no use.
    pub fn retire(&mut self, address: SocketAddr) {
        if let Some(entry) = self.entries.get_mut(&address)
            && let Some(due) = entry.due.take()
        {
            self.due.remove(&(due, address));
        }
    }

    /// Addresses waiting to be dialled.
    pub fn idle_count(&self) -> usize {
        self.due.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(n: u16) -> SocketAddr {
        SocketAddr::from(([10, 0, (n >> 8) as u8, n as u8], 6881))
    }

    #[test]
    fn failing_addresses_wait_longer_and_are_forgotten() {
        let mut known = Known::default();
        let mut now = Time(5);
        assert!(known.add(now, address(1), Source::Tracker));
        assert!(!known.add(now, address(1), Source::Tracker));
        for failure in 1..DIAL_FAILURES {
            assert_eq!(known.take_due(now), Some(address(1)));
            assert_eq!(known.take_due(now), None);
            known.ended(now, address(1), false);
            now += REDIAL.times(u64::from(failure));
            assert_eq!(known.next_due(), Some((now, address(1))));
        }
        known.take_due(now);
        known.ended(now, address(1), false);
        assert_eq!(known.next_due(), None);
        assert!(known.add(now, address(1), Source::Tracker));
    }

    #[test]
    fn a_persons_address_is_never_forgotten() {
        let mut known = Known::default();
        let mut now = Time::ZERO;
        known.add(now, address(1), Source::Person);
        for _ in 0..100 {
            assert!(known.take_due(now).is_some());
            known.ended(now, address(1), false);
            let (due, _) = known.next_due().unwrap();
            assert!(due.since(now) <= REDIAL);
            now = due;
        }
    }

    #[test]
    fn the_table_is_bounded() {
        let mut known = Known::default();
        for n in 0..2 * KNOWN_MAX as u16 {
            known.add(Time::ZERO, address(n), Source::Tracker);
        }
        assert_eq!(known.entries.len(), KNOWN_MAX);
        let failing = known.take_due(Time::ZERO).unwrap();
        known.ended(Time::ZERO, failing, false);
        assert!(known.add(Time::ZERO, address(9_999), Source::Tracker));
        assert_eq!(known.entries.len(), KNOWN_MAX);
    }
}
