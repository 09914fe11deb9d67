//! The last messages of a group, bounded in bytes and in age.

use std::collections::{BTreeMap, VecDeque};

use super::event::Event;
use super::ids::MsgId;
use super::options::Kept;
use crate::base::Span;

/// What a message takes besides its line.
const EXTRA_LEN: usize = 96;

/// A message that was said.
#[derive(Clone, Debug)]
pub struct Said {
    pub id: MsgId,
    /// Milliseconds since 1970.
    pub at_ms: u64,
    pub event: Event,
    /// What its sender called it (`+peerlink/id`), as a keyed hash.
    pub own_id: Option<u64>,
}

impl Said {
    fn len(&self) -> usize {
        self.event.full().len() + EXTRA_LEN
    }
}

/// Messages by id, the oldest first.
#[derive(Default, Debug)]
pub struct Ring {
    said: VecDeque<Said>,
    len: usize,
    by_own_id: BTreeMap<u64, MsgId>,
}

impl Ring {
    pub fn is_empty(&self) -> bool {
        self.said.is_empty()
    }

    /// Bytes held.
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Said> {
        self.said.iter()
    }

    pub fn last(&self) -> Option<&Said> {
        self.said.back()
    }

    /// Adds a message, whose id is the highest; what there is too much of goes.
    pub fn push(&mut self, said: Said, kept: Kept) {
        self.len += said.len();
        if let Some(own) = said.own_id {
            self.by_own_id.insert(own, said.id);
        }
        let now_ms = said.at_ms;
        self.said.push_back(said);
        self.trim(kept, now_ms);
    }

    /// Drops what is too old or too much.
    pub fn trim(&mut self, kept: Kept, now_ms: u64) {
        let oldest_ms = now_ms.saturating_sub(age_ms(kept.age));
        while self.len > kept.len || self.said.front().is_some_and(|said| said.at_ms < oldest_ms) {
            self.drop_oldest();
        }
        if self.said.is_empty() {
            *self = Ring::default();
        }
    }

    pub fn drop_oldest(&mut self) {
        let Some(said) = self.said.pop_front() else { return };
        self.len -= said.len();
        if let Some(own) = said.own_id
            && self.by_own_id.get(&own) == Some(&said.id)
        {
            self.by_own_id.remove(&own);
        }
    }

    /// The message that its sender called so.
    pub fn by_own_id(&self, own: u64) -> Option<&Said> {
        let id = self.by_own_id.get(&own)?;
        self.said.get(self.after(*id).checked_sub(1)?)
    }

    /// How many messages have this id or a lower one.
    pub fn after(&self, id: MsgId) -> usize {
        self.said.partition_point(|said| said.id <= id)
    }

    /// How many messages have a lower id.
    pub fn before(&self, id: MsgId) -> usize {
        self.said.partition_point(|said| said.id < id)
    }

    /// How many were said before this moment, or up to it.
    pub fn until(&self, at_ms: u64, inclusive: bool) -> usize {
        self.said.partition_point(|said| said.at_ms < at_ms || (inclusive && said.at_ms == at_ms))
    }

    /// The messages at these places.
    pub fn range(&self, from: usize, to: usize) -> impl Iterator<Item = &Said> {
        self.said.range(from.min(to)..to.min(self.said.len()))
    }

    pub fn count(&self) -> usize {
        self.said.len()
    }

    pub fn check(&self) {
        assert_eq!(self.len, self.said.iter().map(Said::len).sum::<usize>(), "bytes of a ring");
        assert!(self.said.iter().zip(self.said.iter().skip(1)).all(|(one, next)| one.id < next.id), "ids grow");
        assert!(self.by_own_id.len() <= self.said.len(), "no own id without its message");
    }
}

fn age_ms(age: Span) -> u64 {
    if age == Span::ZERO { u64::MAX } else { age.0 / 1000 }
}
