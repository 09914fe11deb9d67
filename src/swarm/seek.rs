//! When a swarm's peers are looked for in the DHT, and we are announced there.

use crate::base::{InfoHash, Span, Time};
use crate::machine::{Note, Outbox};

/// Between two looks, at least and at most: other clients forget peers after half an hour.
const REST: (u64, u64) = (15 * 60, 25 * 60);
/// While there are too few peers: first, and doubling up to the last.
const REST_SHORT: (Span, Span) = (Span::secs(60), Span::secs(480));

/// At rest until [`Seek::begin`].
#[derive(Debug)]
pub struct Seek {
    info_hash: InfoHash,
    /// The next regular look.
    due: Option<Time>,
    looked: Time,
    /// Looks in a row that were made because peers were few.
    short: u32,
}

impl Seek {
    pub fn new(info_hash: InfoHash) -> Seek {
        Seek { info_hash, due: None, looked: Time::ZERO, short: 0 }
    }

    /// The torrent begins to work.
    pub fn begin(&mut self, now: Time) {
        self.due.get_or_insert(now);
    }

    /// The torrent ends.
    pub fn stop(&mut self) {
        self.due = None;
    }

    /// When to look next. `is_short`: peers are few.
    pub fn next(&self, is_short: bool) -> Option<Time> {
        let (first, last) = REST_SHORT;
        let soon = self.looked + first.times(1 << self.short.min(8)).min(last);
        self.due.map(|due| if is_short { due.min(soon) } else { due })
    }

    /// Looks if it is time.
    pub fn look(&mut self, is_short: bool, now: Time, out: &mut Outbox) {
        if self.next(is_short).is_none_or(|due| due > now) {
            return;
        }
        let is_first = self.looked == Time::ZERO;
        self.short = if is_short && !is_first { self.short + 1 } else { 0 };
        self.looked = now;
        self.due = Some(now + Span::secs(out.rng.u64(REST.0..=REST.1)));
        out.tell(Note::FindPeers { info_hash: self.info_hash, announce: true });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_are_rare_and_less_so_while_peers_are_few() {
        let mut out = Outbox::new(1, 0, 0, 0);
        let mut seek = Seek::new(InfoHash([1; 20]));
        assert_eq!(seek.next(true), None);
        seek.begin(Time(7));
        let mut times = Vec::new();
        for is_short in [true, true, true, true, true, true, false, false, true] {
            let now = seek.next(is_short).unwrap();
            times.push(now.0 / 1_000_000);
            seek.look(is_short, now, &mut out);
        }
        let rests: Vec<u64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert_eq!(rests[..5], [60, 120, 240, 480, 480]);
        assert!(rests[5..7].iter().all(|rest| (15 * 60..=25 * 60).contains(rest)), "{rests:?}");
        assert_eq!(rests[7], 60);
        assert_eq!(out.commands.len(), 9);
        seek.stop();
        assert_eq!(seek.next(true), None);
    }
}
