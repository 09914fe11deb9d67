//! Tracker events as one process sends them: each is repeated until it is answered once, and never after.

use std::collections::BTreeMap;

use peerlink::base::JobId;
use peerlink::machine::Fetched;

/// Torrent and tracker.
pub type Key = (usize, usize);

#[derive(Default)]
pub struct Events {
    under_way: BTreeMap<JobId, (Key, String)>,
    /// Events answered since the last `stopped`.
    answered: BTreeMap<Key, Vec<String>>,
}

impl Events {
    pub fn sent(&mut self, id: JobId, torrent: usize, tracker: usize, event: String) {
        let key = (torrent, tracker);
        let twice = self.under_way.values().any(|(other, same)| *other == key && *same == event);
        assert!(!twice, "[events] two announces {event:?} to tracker {tracker} at once");
        let answered = self.answered.entry(key).or_default();
        if event == "started" && answered.iter().any(|event| event == "stopped") {
            answered.clear();
        }
        assert!(event.is_empty() || !answered.contains(&event), "[events] {event:?} after it was answered");
        self.under_way.insert(id, (key, event));
    }

    /// Torrents and trackers that were told `started`, answered it, were not told `stopped` since, and do not owe an
    /// answer.
    pub fn open(&self) -> impl Iterator<Item = Key> + '_ {
        let says = |events: &[String], event: &str| events.iter().any(|told| told == event);
        let open = move |(_, events): &(&Key, &Vec<String>)| says(events, "started") && !says(events, "stopped");
        let idle = |key: &Key| self.under_way.values().all(|(other, _)| other != key);
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
