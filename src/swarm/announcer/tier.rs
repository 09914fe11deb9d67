//! One tier of trackers (BEP 12): whose turn it is, and what it has to be told.

use super::tracker::Tracker;
use crate::base::Time;
use crate::wire::announce::Event;

#[derive(Debug)]
pub(super) struct Tier {
    /// The one in use first.
    pub trackers: Vec<Tracker>,
    /// The next announce.
    pub due: Time,
    /// A `completed` was answered.
    pub told_complete: bool,
}

impl Tier {
    /// `trackers` in the order in which they are tried.
    pub fn new(trackers: Vec<Tracker>) -> Tier {
        Tier { trackers, due: Time::ZERO, told_complete: false }
    }

    /// What the tracker at `at` has to be told next.
    pub fn event(&self, at: usize, completed: bool) -> Event {
        match self.trackers[at].knows_us {
            false => Event::Started,
            true if completed && !self.told_complete => Event::Completed,
            true => Event::None,
        }
    }

    /// When it has something to do. None once all its trackers want to be left alone or have to wait for room.
    pub fn next_time(&self, has_room: impl Fn(&Tracker) -> bool) -> Option<Time> {
        let may = |tracker: &&Tracker| !tracker.given_up && has_room(tracker);
        let retry = self.trackers.iter().filter(may).map(|tracker| tracker.retry).min()?;
        Some(self.due.max(retry))
    }
}
