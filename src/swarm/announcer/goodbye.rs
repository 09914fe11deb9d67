//! The end: every tracker that knows us hears `stopped`, as far as that is possible within [`limits::STOP_TIMEOUT`].
//!
//! What the tracker has to hear first, a `completed` or a `started` that may have made us known, gets half of that
//! time. A goodbye that fails at once, since nobody listens, is said once more; a tracker that did not answer the last
//! announce gets half of the time and no second chance. So only a tracker that fell silent since its last answer, and
//! cannot be told from a slow one, makes the end take all of its two seconds.

use super::exchange::Patience;
use super::facts::Facts;
use super::tracker::Tracker;
use super::{Announcer, Phase};
use crate::base::{Span, Time, limits};
use crate::machine::Outbox;
use crate::wire::announce::Event;

/// Between two tries of a `stopped`.
pub(super) const STOP_RETRY: Span = Span::millis(500);
/// What goes before a `stopped`, and goodbyes to who may be gone, have this long.
const HALF: Span = Span::secs(1);

impl Announcer {
    /// The torrent stops: every tracker that knows of us is told, as far as that is quickly possible.
    pub fn stop(&mut self, now: Time) {
        let Phase::Running { completed, .. } = self.phase else { return };
        self.phase = Phase::Stopping { since: now, completed };
        self.flights.retain_mut(|flight| {
            let goes_on = flight.goes_before_goodbye();
            if let Some(exchange) = flight.exchange_mut().filter(|_| goes_on) {
                exchange.hurry(now, now + HALF);
            }
            goes_on
        });
        // Waits for failures are for regular announces; a goodbye gets its chance now.
        self.tiers.iter_mut().flat_map(|tier| &mut tier.trackers).for_each(|tracker| tracker.retry = now);
    }

    /// One word to each tracker that knows us and is not being talked to.
    pub(super) fn poll_stopping(&mut self, now: Time, since: Time, completed: bool, facts: &Facts, out: &mut Outbox) {
        let until = since + limits::STOP_TIMEOUT;
        if now >= until || !self.has_goodbyes(until) {
            // Late replies find nobody who waits for them.
            self.flights.clear();
            self.phase = Phase::Resting;
            return;
        }
        for index in 0..self.tiers.len() {
            for at in 0..self.tiers[index].trackers.len() {
                let tier = &self.tiers[index];
                let tracker = &tier.trackers[at];
                let is_due = tracker.knows_us && tracker.retry.max(self.busy_until(tracker, since)) <= now;
                if !is_due || !self.has_room(tracker) {
                    continue;
                }
                // Only the front of a tier is told of completion.
                let owes =
                    completed && at == 0 && now < since + HALF && tier.event(at, completed) == Event::Completed;
                let event = if owes { Event::Completed } else { Event::Stopped };
                let end = if owes { since + HALF } else { until };
                let given = if tracker.is_silent { (end - now).min(HALF) } else { end - now };
                let number = tracker.number;
                // What it goes before is not waited for any more.
                self.flights.retain(|flight| flight.tracker != number);
                self.announce(index, at, event, Patience::Goodbye(given), now, facts, out);
            }
        }
    }

    /// How long what is under way keeps a goodbye waiting; the end of time for another goodbye.
    fn busy_until(&self, tracker: &Tracker, since: Time) -> Time {
        let flights = self.flights.iter().filter(|flight| flight.tracker == tracker.number);
        let end = |event| if event == Event::Stopped { since + limits::STOP_TIMEOUT } else { since + HALF };
        flights.map(|flight| end(flight.event)).max().unwrap_or(Time::ZERO)
    }

    /// When something can be said, or all is given up.
    pub(super) fn next_goodbye(&self, since: Time) -> Option<Time> {
        let until = since + limits::STOP_TIMEOUT;
        let trackers = self.tiers.iter().flat_map(|tier| &tier.trackers);
        let may = |tracker: &&Tracker| tracker.knows_us && self.has_room(tracker);
        let due = |tracker: &Tracker| tracker.retry.max(self.busy_until(tracker, since));
        trackers.filter(may).map(due).chain([until]).min()
    }

    /// A tracker that still has to be told goodbye, or may turn out to be one.
    pub(super) fn has_goodbyes(&self, until: Time) -> bool {
        let started = self.flights.iter().any(|flight| flight.event == Event::Started);
        let mut trackers = self.tiers.iter().flat_map(|tier| &tier.trackers);
        started || trackers.any(|tracker| tracker.knows_us && tracker.retry < until)
    }
}
