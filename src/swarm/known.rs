//! Addresses of peers we could dial: who named them, when each may be tried, how often it failed, and when it is
//! forgotten.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::base::encryption::Encryption;
use crate::base::limits::{DIAL_FAILURES, KNOWN_MAX, REDIAL};
use crate::base::priority::priority;
use crate::base::{Span, Time};

pub use crate::machine::Source;

/// How a dial or a session went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Session {
    /// Something worth coming back for was exchanged.
    Useful,
    /// It did not come about, or nothing came of it.
    Useless,
    /// The peer broke the rules or kept us waiting: nobody's word brings us back soon.
    Bad,
}

#[derive(Clone, Debug)]
struct Entry {
    source: Source,
    failures: u32,
    /// None while dialled or connected.
    due: Option<Time>,
    /// BEP 40: higher is dialled first and forgotten last.
    rank: u32,
    /// It did not take what we try first, encryption or plain (MSE): the other is next.
    takes_second: bool,
}

impl Entry {
    /// Of those that are due at the same moment: a person's first, then by rank.
    fn turn(&self) -> u64 {
        (u64::from(self.source != Source::Person) << 32) + u64::from(!self.rank)
    }
}

/// First wait before an address from the command line is dialled again; doubles up to [`REDIAL`].
const REDIAL_PERSON: Span = Span::secs(1);
/// Wait after a session that was of use, before the same address is dialled again.
const REDIAL_USEFUL: Span = Span::secs(5);
/// Addresses kept of a source that anybody can feed.
const GOSSIP_MAX: usize = KNOWN_MAX / 2;
/// Wait before an address is dialled again that hung up on us at once, the first time.
const REDIAL_SHUT_OUT: Span = Span::secs(2);
/// Wait before an address is dialled that another torrent is dialling: a handshake and its answer, in a network nearby.
/// Fifty torrents of one seed wait for each other so; with half a second, the last of them came seconds later.
const REDIAL_GREETED: Span = Span::millis(50);

#[derive(Debug)]
pub struct Known {
    entries: BTreeMap<SocketAddr, Entry>,
    /// Waiting to be dialled, in the order of [`Entry::turn`].
    due: BTreeSet<(Time, u64, SocketAddr)>,
    /// Addresses by source.
    counts: [usize; Source::ALL],
    /// Our address as others see it, as far as that is known.
    us: SocketAddr,
}

impl Default for Known {
    fn default() -> Known {
        let us = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0);
        Known { entries: BTreeMap::new(), due: BTreeSet::new(), counts: [0; Source::ALL], us }
    }
}

impl Known {
    /// Somebody told how others see us: ranks follow from it.
    pub fn set_us(&mut self, ip: IpAddr, port: u16) {
        let us = SocketAddr::new(ip, port);
        if us != self.us {
            self.us = us;
            self.due.clear();
            for (address, entry) in &mut self.entries {
                entry.rank = priority(us, *address);
                self.due.extend(entry.due.map(|due| (due, entry.turn(), *address)));
            }
        }
    }

    /// Somebody named this address. True if it is new.
    pub fn add(&mut self, now: Time, address: SocketAddr, source: Source) -> bool {
        if let Some(entry) = self.entries.get_mut(&address) {
            if source > entry.source {
                self.counts[entry.source as usize] -= 1;
                self.counts[source as usize] += 1;
                let due = entry.due.map(|due| (due, entry.turn(), address));
                entry.source = source;
                if let Some(key) = due.filter(|key| self.due.remove(key)) {
                    self.due.insert((key.0, entry.turn(), address));
                }
            }
            return false;
        }
        let is_flood =
            matches!(source, Source::Pex | Source::Dht | Source::Local) && self.counts[source as usize] >= GOSSIP_MAX;
        let rank = priority(self.us, address);
        if is_flood || (self.entries.len() >= KNOWN_MAX && !self.make_room(source, rank)) {
            return false;
        }
        self.counts[source as usize] += 1;
        self.entries.insert(address, Entry { source, failures: 0, due: None, rank, takes_second: false });
        self.wait(now, address);
        true
    }

    /// It may be dialled from then on.
    fn wait(&mut self, until: Time, address: SocketAddr) {
        if let Some(entry) = self.entries.get_mut(&address) {
            entry.due = Some(until);
            self.due.insert((until, entry.turn(), address));
        }
    }

    /// Forgets the failing idle address that is due last; where none fails, the idle one of least worth, if it is
    /// worth less than the newcomer.
    fn make_room(&mut self, source: Source, rank: u32) -> bool {
        let entry = |address: &SocketAddr| {
            self.entries.get(address).filter(|entry| entry.source != Source::Person).map(|entry| (*address, entry))
        };
        let mut idle = self.due.iter().rev().filter_map(|(.., address)| entry(address));
        let failing = idle.clone().find(|(_, entry)| entry.failures > 0);
        let least = || idle.by_ref().min_by_key(|(_, entry)| (entry.source, entry.rank));
        let is_less = |entry: &Entry| (entry.source, entry.rank) < (source, rank);
        let out = failing.or_else(least).filter(|(_, entry)| entry.failures > 0 || is_less(entry));
        let Some((address, _)) = out else { return false };
        self.forget(address);
        true
    }

    fn forget(&mut self, address: SocketAddr) {
        if let Some(entry) = self.entries.remove(&address) {
            self.counts[entry.source as usize] -= 1;
            if let Some(due) = entry.due {
                self.due.remove(&(due, entry.turn(), address));
            }
        }
    }

    /// Forgets whatever only gossip named: nobody may use that for a private torrent.
    pub fn forget_gossip(&mut self) {
        let is_gossip = |entry: &Entry| matches!(entry.source, Source::Pex | Source::Dht | Source::Local);
        let gone: Vec<SocketAddr> =
            self.entries.iter().filter(|(_, entry)| is_gossip(entry)).map(|(address, _)| *address).collect();
        gone.into_iter().for_each(|address| self.forget(address));
    }

    /// The next address to dial, and when it may be.
    pub fn next_due(&self) -> Option<(Time, SocketAddr)> {
        self.due.first().map(|(due, _, address)| (*due, *address))
    }

    /// An address to dial now; it counts as dialled. What another torrent is dialling (`is_greeted`) comes later.
    pub fn take_due(&mut self, now: Time, is_greeted: impl Fn(SocketAddr) -> bool) -> Option<SocketAddr> {
        while let Some(address) = self.pop_due(now) {
            if !is_greeted(address) {
                return Some(address);
            }
            self.wait(now + REDIAL_GREETED, address);
        }
        None
    }

    fn pop_due(&mut self, now: Time) -> Option<SocketAddr> {
        let (_, _, address) = *self.due.first().filter(|(due, ..)| *due <= now)?;
        self.due.pop_first();
        if let Some(entry) = self.entries.get_mut(&address) {
            entry.due = None;
        }
        Some(address)
    }

    /// A dial or a session with this address ended.
    pub fn ended(&mut self, now: Time, address: SocketAddr, session: Session) {
        let Some(entry) = self.entries.get_mut(&address) else {
            return;
        };
        if entry.due.is_some() {
            return;
        }
        if session == Session::Useful {
            entry.failures = 0;
        } else {
            entry.failures += 1;
        }
        let wait = match (entry.source, session) {
            (_, Session::Useful) => REDIAL_USEFUL,
            (Source::Person, Session::Useless) => REDIAL_PERSON.times(1 << (entry.failures - 1).min(6)).min(REDIAL),
            (Source::Person, Session::Bad) => REDIAL.times(u64::from(entry.failures.min(DIAL_FAILURES))),
            _ if entry.failures >= DIAL_FAILURES => return self.forget(address),
            _ => REDIAL.times(u64::from(entry.failures)),
        };
        self.wait(now + wait, address);
    }

    /// A dial did not come about, for reasons of ours: nothing is held against the address.
    pub fn put_back(&mut self, now: Time, address: SocketAddr) {
        self.wait_idle(now + REDIAL_USEFUL, address);
    }

    /// The same, where nothing is in the way of the next try.
    pub fn try_again(&mut self, now: Time, address: SocketAddr) {
        self.wait_idle(now, address);
    }

    /// Whoever listens there hung up at once. The first time it may just not have noticed that our last session is over
    /// (transmission 3 keeps one per address, and looks every half second), or have met us twice; after that it is a
    /// failure.
    pub fn shut_out(&mut self, now: Time, address: SocketAddr) {
        if let Some(entry) = self.entries.get_mut(&address)
            && entry.source != Source::Person
            && entry.failures == 0
            && entry.due.is_none()
        {
            entry.failures = 1;
            self.wait(now + REDIAL_SHUT_OUT, address);
        }
    }

    fn wait_idle(&mut self, until: Time, address: SocketAddr) {
        if self.entries.get(&address).is_some_and(|entry| entry.due.is_none()) {
            self.wait(until, address);
        }
    }

    /// An address taken to be dialled waits until then.
    pub fn postpone(&mut self, address: SocketAddr, until: Time) {
        if self.entries.get(&address).is_some_and(|entry| entry.due.is_none()) {
            self.wait(until, address);
        }
    }

    /// Whether it is dialled encrypted.
    pub fn is_encrypted(&self, address: SocketAddr, encryption: Encryption) -> bool {
        let takes_second = self.entries.get(&address).is_some_and(|entry| entry.takes_second);
        encryption != Encryption::Off && encryption.is_first() != (takes_second && encryption.has_second())
    }

    /// Whoever listens there does not take what we tried first, encryption or plain, or takes neither. The other is
    /// tried at once; where that was it, the first comes next, in its time.
    pub fn not_understood(&mut self, now: Time, address: SocketAddr) {
        if let Some(entry) = self.entries.get_mut(&address)
            && entry.due.is_none()
        {
            entry.takes_second = !entry.takes_second;
            if entry.takes_second {
                self.wait(now, address);
            }
        }
    }

    /// Never dial this address again: it is ourselves, banned, or of no use.
    pub fn retire(&mut self, address: SocketAddr) {
        if let Some(entry) = self.entries.get_mut(&address)
            && let Some(due) = entry.due.take()
        {
            self.due.remove(&(due, entry.turn(), address));
        }
    }

    /// Whether somebody named it.
    pub fn has(&self, address: SocketAddr) -> bool {
        self.entries.contains_key(&address)
    }

    /// Who named this address.
    pub fn source(&self, address: SocketAddr) -> Option<Source> {
        self.entries.get(&address).map(|entry| entry.source)
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
            assert_eq!(known.pop_due(now), Some(address(1)));
            assert_eq!(known.pop_due(now), None);
            known.ended(now, address(1), Session::Useless);
            now += REDIAL.times(u64::from(failure));
            assert_eq!(known.next_due(), Some((now, address(1))));
        }
        known.pop_due(now);
        known.ended(now, address(1), Session::Useless);
        assert_eq!(known.next_due(), None);
        assert!(known.add(now, address(1), Source::Tracker));
    }

    #[test]
    fn who_hangs_up_at_once_is_dialled_again_soon_but_once() {
        let mut known = Known::default();
        known.add(Time::ZERO, address(1), Source::Tracker);
        let mut now = Time::ZERO;
        for wait in [REDIAL_SHUT_OUT, REDIAL.times(2)] {
            known.pop_due(now);
            known.shut_out(now, address(1));
            known.ended(now, address(1), Session::Useless);
            assert_eq!(known.next_due(), Some((now + wait, address(1))));
            now += wait;
        }
    }

    #[test]
    fn what_a_peer_does_not_understand_is_not_tried_again_at_once() {
        use Encryption::{Off, Prefer, Require, Tolerate};
        let mut known = Known::default();
        let (at, now) = (address(1), Time(7));
        known.add(now, at, Source::Tracker);
        let encrypted = |known: &Known| [Off, Tolerate, Prefer, Require].map(|one| known.is_encrypted(at, one));
        assert_eq!(encrypted(&known), [false, false, true, true]);
        known.pop_due(now);
        known.not_understood(now, at);
        known.ended(now, at, Session::Bad);
        assert_eq!((known.next_due(), encrypted(&known)), (Some((now, at)), [false, true, false, true]));
        // It is remembered after a session of that kind.
        known.pop_due(now);
        known.ended(now, at, Session::Useful);
        assert_eq!(encrypted(&known), [false, true, false, true]);
        // Neither is understood: a failure like others, and the first is next.
        let (due, _) = known.next_due().unwrap();
        known.pop_due(due);
        known.not_understood(due, at);
        known.ended(due, at, Session::Bad);
        assert_eq!((known.next_due(), encrypted(&known)), (Some((due + REDIAL, at)), [false, false, true, true]));
        assert!(known.is_encrypted(address(2), Prefer), "a stranger");
    }

    #[test]
    fn a_persons_address_is_never_forgotten() {
        let mut known = Known::default();
        let mut now = Time::ZERO;
        known.add(now, address(1), Source::Person);
        for _ in 0..100 {
            assert!(known.pop_due(now).is_some());
            known.ended(now, address(1), Session::Useless);
            let (due, _) = known.next_due().unwrap();
            assert!(due.since(now) <= REDIAL);
            now = due;
        }
    }

    #[test]
    fn who_misbehaved_waits_whoever_named_it() {
        let later = Time::ZERO + REDIAL.times(9);
        for source in [Source::Tracker, Source::Person] {
            let mut known = Known::default();
            known.add(Time::ZERO, address(1), source);
            known.pop_due(Time::ZERO);
            known.ended(Time::ZERO, address(1), Session::Bad);
            assert_eq!(known.next_due(), Some((Time::ZERO + REDIAL, address(1))));
            assert_eq!(known.pop_due(Time::ZERO + REDIAL), Some(address(1)));
            known.postpone(address(1), later);
            assert_eq!((known.next_due(), known.idle_count()), (Some((later, address(1))), 1));
        }
    }

    #[test]
    fn the_table_is_bounded() {
        let mut known = Known::default();
        for n in 0..2 * KNOWN_MAX as u16 {
            known.add(Time::ZERO, address(n), Source::Tracker);
        }
        assert_eq!(known.entries.len(), KNOWN_MAX);
        let failing = known.pop_due(Time::ZERO).unwrap();
        known.ended(Time::ZERO, failing, Session::Useless);
        assert!(known.add(Time::ZERO, address(9_999), Source::Tracker));
        assert_eq!(known.entries.len(), KNOWN_MAX);
    }

    #[test]
    fn gossip_fills_half_and_gives_way_to_trackers() {
        let mut known = Known::default();
        for n in 0..2000 {
            known.add(Time::ZERO, address(n), Source::Pex);
        }
        assert_eq!(known.entries.len(), GOSSIP_MAX);
        for n in 2000..5000 {
            known.add(Time::ZERO, address(n), Source::Tracker);
        }
        assert_eq!((known.entries.len(), known.counts), (KNOWN_MAX, [0, 0, 0, 0, KNOWN_MAX, 0]));
        let mut ranks: Vec<u32> = (2000..5000).map(|n| priority(known.us, address(n))).collect();
        ranks.sort_unstable();
        assert!(known.entries.values().all(|entry| entry.rank >= ranks[1500]), "the better ones stay");
        assert!(!known.add(Time::ZERO, address(6000), Source::Dht));
        assert!(known.add(Time::ZERO, address(6001), Source::Person));
        known.add(Time::ZERO, address(6001), Source::Pex);
        assert_eq!(known.pop_due(Time::ZERO), Some(address(6001)), "a person's comes first");
        known.forget_gossip();
        assert_eq!(known.entries.len(), KNOWN_MAX);
    }

    #[test]
    fn the_best_is_dialled_first_and_what_was_broken_off_again() {
        let mut known = Known::default();
        known.set_us("198.51.100.1".parse().unwrap(), 1);
        for n in 0..10 {
            known.add(Time::ZERO, address(n), Source::Dht);
        }
        let best = known.pop_due(Time::ZERO).unwrap();
        assert!(known.entries.values().all(|entry| entry.rank <= known.entries[&best].rank));
        known.try_again(Time::ZERO, best);
        assert_eq!(known.pop_due(Time::ZERO), Some(best));
        known.ended(Time::ZERO, best, Session::Useless);
        known.forget_gossip();
        assert!(known.entries.is_empty() && known.due.is_empty() && known.counts == [0; Source::ALL]);
    }
}
