//! A rate limit over all torrents of a process: those that want more wait, and get a helping each in turn.

use super::ids::TorrentId;
use super::limiter::Limiter;
use super::time::{Span, Time};
use super::turns::Turns;

/// Bytes per second of all torrents together, in one direction.
#[derive(Clone, Debug, Default)]
pub struct SharedLimit {
    bucket: Limiter,
    turns: Turns,
    /// When somebody's turn comes, while anybody waits.
    due: Time,
}

/// A helping: two blocks, so that peers get some of every rate that people set …
const HELPING: u64 = 2 * super::geometry::BLOCK_LEN as u64;
/// … or what the rate gives in this time, so that fast lines are not dealt out in crumbs.
const HELPING_SPAN: Span = Span::millis(5);

impl SharedLimit {
    /// `rate_per_s` bytes per second; 0 means no limit.
    pub fn new(rate_per_s: u64) -> SharedLimit {
        SharedLimit { bucket: Limiter::new(rate_per_s), turns: Turns::default(), due: Time::ZERO }
    }

    /// Another rate from now on; who waits goes on waiting.
    pub fn set_rate(&mut self, rate_per_s: u64, now: Time) {
        self.bucket = Limiter::new(rate_per_s);
        self.due = now;
    }

    pub fn is_limited(&self) -> bool {
        self.bucket.is_limited()
    }

    /// Bytes that this torrent may move at `now`; 0: it should [`Self::wait`].
    pub fn allowance(&mut self, id: TorrentId, now: Time) -> u64 {
        if !self.is_limited() {
            return u64::MAX;
        }
        self.bucket.allowance(now).min(self.turns.share(id))
    }

    /// This torrent wants to move more.
    pub fn wait(&mut self, id: TorrentId, now: Time) {
        if !self.turns.are_wanted() {
            // Where a helping ended before the bucket was empty, the next turn follows at once.
            self.due = if self.bucket.allowance(now) > 0 { now } else { self.bucket.ready_at(now) };
        }
        self.turns.wait(id);
    }

    /// These bytes are moved.
    pub fn spend(&mut self, id: TorrentId, bytes: u64) {
        self.bucket.spend(bytes);
        self.turns.took(id, bytes);
    }

    /// These bytes were spent and will not move.
    pub fn refund(&mut self, bytes: u64) {
        self.bucket.refund(bytes);
    }

    /// Who takes its turn now.
    pub fn next_turn(&mut self, now: Time) -> Option<TorrentId> {
        if !self.turns.are_wanted() || now < self.due {
            return None;
        }
        if self.bucket.allowance(now) == 0 {
            self.due = self.bucket.ready_at(now);
            return None;
        }
        self.turns.call_next()
    }

    /// A turn of this torrent begins.
    pub fn begin_turn(&mut self, id: TorrentId) {
        self.turns.begin(id, HELPING.max(self.bucket.bytes_in(HELPING_SPAN)));
    }

    pub fn end_turn(&mut self) {
        self.turns.end();
    }

    /// When a turn comes, if anybody waits.
    pub fn next_deadline(&self) -> Option<Time> {
        self.turns.are_wanted().then_some(self.due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// Torrents that always want more, for a minute.
    #[test]
    fn torrents_share_the_rate_evenly() {
        for (rate, torrents) in [(20_480, 5), (1 << 20, 1), (1 << 20, 50), (100 << 20, 50)] {
            let mut limit = SharedLimit::new(rate);
            let (mut now, end) = (Time(9), Time(9) + Span::secs(60));
            let mut moved = BTreeMap::new();
            (0..torrents).for_each(|id| limit.wait(TorrentId(id), now));
            while now < end {
                while let Some(id) = limit.next_turn(now) {
                    limit.begin_turn(id);
                    while limit.allowance(id, now) > 0 {
                        limit.spend(id, 16_384);
                        *moved.entry(id).or_insert(0_u64) += 16_384;
                    }
                    limit.wait(id, now);
                    limit.end_turn();
                }
                let due = limit.next_deadline().expect("they wait");
                assert!(due > now, "a busy loop");
                now = due;
            }
            let sum: u64 = moved.values().sum();
            assert!(sum.abs_diff(rate * 60) <= rate * 3 / 10 + 100_000, "{sum} of {}", rate * 60);
            let (least, most) = (moved.values().min().expect("some"), moved.values().max().expect("some"));
            assert_eq!(moved.len(), torrents as usize);
            assert!(most - least <= 2 * HELPING.max(rate / 200), "{least} to {most} at {rate}");
        }
    }
}
