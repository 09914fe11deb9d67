//! Tracker events as one process sends them: each is repeated until it is answered once, and never after.
//!
//! Over UDP it cannot be known from outside whether an answer came before the one who asked gave up: only those count
//! that came at once, to what was asked at once.

use std::collections::BTreeMap;

use std::net::SocketAddr;

use peerlink::base::{JobId, Span, Time};
use peerlink::machine::Fetched;

/// Torrent and tracker.
pub type Key = (usize, usize);

#[derive(Default)]
pub struct Events {
    under_way: BTreeMap<JobId, (Key, String)>,
    /// Announces over UDP, by tracker and transaction id.
    asked: BTreeMap<(SocketAddr, u32), Asked>,
    /// Connects to a tracker since its last answer: the first, and how many.
    connects: BTreeMap<SocketAddr, (Time, u32)>,
    /// Events answered since the last `stopped`.
    answered: BTreeMap<Key, Vec<String>>,
}

struct Asked {
    key: Key,
    event: String,
    at: Time,
}

/// Time for an announce over UDP, and before it for its connect, that nobody gives up within.
const AT_ONCE: Span = Span::secs(1);
const CONNECTED_SOON: Span = Span::secs(5);
/// No announce over UDP is waited for longer.
const WAITED: Span = Span::secs(46);

impl Events {
    /// A connect over UDP.
    pub fn connects(&mut self, now: Time, to: SocketAddr) {
        self.connects.entry(to).or_insert((now, 0)).1 += 1;
    }

    /// Whether this announce over UDP was seen before.
    pub fn is_repeated(&self, to: SocketAddr, transaction: u32) -> bool {
        self.asked.contains_key(&(to, transaction))
    }

    /// The first of an announce over UDP.
    pub fn asks(&mut self, now: Time, key: Key, (to, transaction): (SocketAddr, u32), event: String) {
        self.must_be_news(key, &event);
        self.asked.insert((to, transaction), Asked { key, event, at: now });
    }

    /// A datagram came.
    pub fn told(&mut self, now: Time, from: SocketAddr, bytes: &[u8]) {
        let number = |at: usize| bytes.get(at..at + 4).map(|four| u32::from_be_bytes(four.try_into().expect("four")));
        let (Some(1), Some(transaction), true) = (number(0), number(4), bytes.len() >= 20) else { return };
        let Some(asked) = self.asked.remove(&(from, transaction)) else { return };
        let connect = self.connects.remove(&from);
        let is_soon = connect.is_none_or(|(first, count)| count == 1 && asked.at.since(first) <= CONNECTED_SOON);
        if is_soon && now.since(asked.at) <= AT_ONCE && !asked.event.is_empty() {
            self.answered.entry(asked.key).or_default().push(asked.event);
        }
    }

    fn must_be_news(&mut self, key: Key, event: &str) {
        let answered = self.answered.entry(key).or_default();
        if event == "started" && answered.iter().any(|event| event == "stopped") {
            answered.clear();
        }
        assert!(
            event.is_empty() || !answered.iter().any(|told| told == event),
            "[events] {event:?} after it was answered"
        );
    }

    pub fn sent(&mut self, id: JobId, torrent: usize, tracker: usize, event: String) {
        let key = (torrent, tracker);
        let twice = self.under_way.values().any(|(other, same)| *other == key && *same == event);
        assert!(!twice, "[events] two announces {event:?} to tracker {tracker} at once");
        self.must_be_news(key, &event);
        self.under_way.insert(id, (key, event));
    }

    /// Torrents and trackers that were told `started`, answered it, were not told `stopped` since, and do not owe an
    /// answer.
    pub fn open(&self, now: Time) -> impl Iterator<Item = Key> + '_ {
        let says = |events: &[String], event: &str| events.iter().any(|told| told == event);
        let open = move |(_, events): &(&Key, &Vec<String>)| says(events, "started") && !says(events, "stopped");
        let waits = move |asked: &Asked, key: &Key| asked.key == *key && now.since(asked.at) <= WAITED;
        let idle = move |key: &Key| {
            self.under_way.values().all(|(other, _)| other != key)
                && !self.asked.values().any(|asked| waits(asked, key))
        };
        self.answered.iter().filter(open).map(|(key, _)| *key).filter(idle)
    }

    pub fn answered(&mut self, id: JobId, result: &Result<Fetched, String>) {
        let Some((key, event)) = self.under_way.remove(&id) else { return };
        let good = |fetched: &Fetched| {
            let told = fetched.body.starts_with(b"d") && !fetched.body.windows(14).any(|w| w == b"failure reason");
            fetched.status == 200 && told
        };
        if result.as_ref().is_ok_and(good) && !event.is_empty() {
            self.answered.entry(key).or_default().push(event);
        }
    }
}
