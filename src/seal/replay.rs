//! Which messages were opened before, as ranges of counters per sender and session, in bounded memory.

use std::collections::BTreeMap;

use super::identity::PublicKey;

/// Senders remembered; the one heard of longest ago goes. All of it is at most about 2 MB.
const SENDERS_MAX: usize = 256;
/// Sessions remembered of each: so many starts of its program, or conversations. Nobody can push out another's.
const SESSIONS_MAX: usize = 32;
/// Ranges of counters of each. Where there are more, what was missing between the two lowest counts as seen.
const RANGES_MAX: usize = 16;

/// Messages opened before.
#[derive(Debug, Default)]
pub struct Replay {
    senders: BTreeMap<PublicKey, Sender>,
    /// Grows with every message.
    turn: u64,
}

#[derive(Debug, Default)]
struct Sender {
    sessions: BTreeMap<[u8; 16], Session>,
    heard: u64,
}

#[derive(Debug, Default)]
struct Session {
    /// First and last counter of each, ascending, not touching.
    seen: Vec<(u64, u64)>,
    heard: u64,
}

impl Replay {
    /// Remembers a message that is genuine; false if it was seen before.
    pub fn is_new(&mut self, sender: &PublicKey, session: &[u8; 16], counter: u64) -> bool {
        self.turn += 1;
        make_room(&mut self.senders, sender, SENDERS_MAX, |sender| sender.heard);
        let of_sender = self.senders.entry(*sender).or_default();
        of_sender.heard = self.turn;
        make_room(&mut of_sender.sessions, session, SESSIONS_MAX, |session| session.heard);
        let of_session = of_sender.sessions.entry(*session).or_default();
        of_session.heard = self.turn;
        of_session.add(counter)
    }
}

impl Session {
    fn add(&mut self, counter: u64) -> bool {
        // The first range that does not end before this counter.
        let at = self.seen.partition_point(|(_, last)| *last < counter);
        if self.seen.get(at).is_some_and(|(first, _)| *first <= counter) {
            return false;
        }
        let touches_left = at > 0 && self.seen[at - 1].1 + 1 == counter;
        let touches_right = self.seen.get(at).is_some_and(|(first, _)| *first - 1 == counter);
        match (touches_left, touches_right) {
            (true, true) => {
                self.seen[at - 1].1 = self.seen[at].1;
                self.seen.remove(at);
            }
            (true, false) => self.seen[at - 1].1 = counter,
            (false, true) => self.seen[at].0 = counter,
            (false, false) => self.seen.insert(at, (counter, counter)),
        }
        if self.seen.len() > RANGES_MAX {
            self.seen[0].1 = self.seen[1].1;
            self.seen.remove(1);
        }
        true
    }
}

/// Takes the entry out that was heard of longest ago, where a new one would be too many.
fn make_room<K: Copy + Ord, V>(entries: &mut BTreeMap<K, V>, key: &K, len_max: usize, heard: impl Fn(&V) -> u64) {
    if entries.len() < len_max || entries.contains_key(key) {
        return;
    }
    let oldest = entries.iter().min_by_key(|(_, entry)| heard(entry)).map(|(key, _)| *key);
    oldest.and_then(|key| entries.remove(&key));
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANNA: PublicKey = PublicKey([1; 32]);

    #[test]
    fn every_order_is_new_once() {
        let mut rng = fastrand::Rng::with_seed(7);
        for round in 0..50 {
            let mut replay = Replay::default();
            let mut counters: Vec<u64> = (0..RANGES_MAX as u64 * 2).collect();
            rng.shuffle(&mut counters);
            for counter in &counters {
                assert!(replay.is_new(&ANNA, &[0; 16], *counter), "{round}: {counter}");
                assert!(!replay.is_new(&ANNA, &[0; 16], *counter), "{round}: {counter} again");
            }
            assert_eq!(replay.senders[&ANNA].sessions[&[0; 16]].seen, [(0, RANGES_MAX as u64 * 2 - 1)]);
        }
    }

    #[test]
    fn the_ends_of_the_counters_are_counters() {
        let mut session = Session::default();
        assert!(session.add(u64::MAX) && session.add(0) && session.add(u64::MAX - 1));
        assert!(!session.add(u64::MAX) && !session.add(0) && !session.add(u64::MAX - 1));
    }

    #[test]
    fn history_before_what_came_live_is_new() {
        let mut replay = Replay::default();
        assert!((100..200).all(|counter| replay.is_new(&ANNA, &[0; 16], counter)));
        assert!((0..100).all(|counter| replay.is_new(&ANNA, &[0; 16], counter)));
        assert!((0..200).all(|counter| !replay.is_new(&ANNA, &[0; 16], counter)));
    }

    #[test]
    fn memory_is_bounded_and_forgets_the_safe_way() {
        let mut replay = Replay::default();
        for counter in 0..1000 {
            assert!(replay.is_new(&ANNA, &[0; 16], counter * 2));
        }
        assert_eq!(replay.senders[&ANNA].sessions[&[0; 16]].seen.len(), RANGES_MAX);
        assert!((0..1000).all(|counter| !replay.is_new(&ANNA, &[0; 16], counter * 2)), "nothing seen is new again");
        // Others with many sessions push out their own.
        for number in 0..1000_u32 {
            let mut session = [0; 16];
            session[..4].copy_from_slice(&number.to_be_bytes());
            replay.is_new(&PublicKey([2; 32]), &session, 0);
        }
        assert!(!replay.is_new(&ANNA, &[0; 16], 0));
        assert_eq!(replay.senders[&PublicKey([2; 32])].sessions.len(), SESSIONS_MAX);
        for number in 0..1000_u32 {
            let mut key = [3; 32];
            key[..4].copy_from_slice(&number.to_be_bytes());
            replay.is_new(&PublicKey(key), &[0; 16], 0);
        }
        assert_eq!(replay.senders.len(), SENDERS_MAX);
    }
}
