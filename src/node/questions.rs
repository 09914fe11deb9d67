//! Who asked which UDP tracker what: an answer is known by the tracker's address and the transaction id.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use crate::base::{Span, Time, TorrentId};

/// Longer than any answer is waited for.
const AGE: Span = Span::secs(60);
/// Questions remembered: 32 of each of 500 torrents.
const QUESTIONS_MAX: usize = 16_000;

type Key = (SocketAddr, u32);

/// The questions of the last minute.
#[derive(Debug, Default)]
pub struct Questions {
    askers: BTreeMap<Key, (TorrentId, Time)>,
    /// Oldest first. What was asked again is in here twice.
    order: VecDeque<(Time, Key)>,
}

impl Questions {
    /// A question left.
    pub fn asked(&mut self, to: SocketAddr, transaction: u32, by: TorrentId, now: Time) {
        let is_over = |(at, _): &(Time, Key), len: usize| now.since(*at) > AGE || len >= QUESTIONS_MAX;
        while self.order.front().is_some_and(|oldest| is_over(oldest, self.order.len())) {
            let Some((at, key)) = self.order.pop_front() else { break };
            if self.askers.get(&key).is_some_and(|(_, latest)| *latest == at) {
                self.askers.remove(&key);
            }
        }
        let key = (to, transaction);
        self.askers.insert(key, (by, now));
        self.order.push_back((now, key));
    }

    /// Who waits for this answer.
    pub fn asker(&self, from: SocketAddr, transaction: u32) -> Option<TorrentId> {
        self.askers.get(&(from, transaction)).map(|(by, _)| *by)
    }

    /// Panics where an invariant is broken.
    pub fn check(&self) {
        assert!(self.order.len() <= QUESTIONS_MAX, "more questions than allowed");
        assert!(self.askers.len() <= self.order.len(), "a question that is never forgotten");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tracker(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    #[test]
    fn answers_find_who_asked_for_a_minute() {
        let mut questions = Questions::default();
        questions.asked(tracker(1), 7, TorrentId(1), Time::ZERO);
        questions.asked(tracker(2), 7, TorrentId(2), Time::ZERO);
        assert_eq!(questions.asker(tracker(1), 7), Some(TorrentId(1)));
        assert_eq!(questions.asker(tracker(2), 7), Some(TorrentId(2)));
        assert_eq!(questions.asker(tracker(1), 8), None);
        questions.asked(tracker(1), 7, TorrentId(1), Time::ZERO + Span::secs(30));
        questions.asked(tracker(3), 9, TorrentId(3), Time::ZERO + Span::secs(61));
        assert_eq!(questions.asker(tracker(1), 7), Some(TorrentId(1)), "it was asked again");
        assert_eq!(questions.asker(tracker(2), 7), None);
        questions.check();
    }

    #[test]
    fn questions_are_bounded() {
        let mut questions = Questions::default();
        for transaction in 0..20_000 {
            questions.asked(tracker(1), transaction, TorrentId(1), Time::ZERO);
        }
        assert_eq!(questions.askers.len(), QUESTIONS_MAX);
        assert_eq!(
            (questions.asker(tracker(1), 3_999), questions.asker(tracker(1), 19_999)),
            (None, Some(TorrentId(1)))
        );
        questions.check();
    }
}
