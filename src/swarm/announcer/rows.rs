//! The trackers one by one, for people.

use super::Announcer;
use crate::machine::TrackerRow;

impl Announcer {
    /// The trackers, tier by tier, with the one in use first.
    pub fn rows(&self) -> Vec<TrackerRow> {
        let mut rows = Vec::new();
        for (index, tier) in self.tiers.iter().enumerate() {
            let asked = self.flights.iter().find(|flight| flight.tier == index).map(|flight| flight.tracker);
            for (at, tracker) in tier.trackers.iter().enumerate() {
                rows.push(TrackerRow {
                    url: format!("{}{}", tracker.url.origin(), tracker.url.target()),
                    tier: index as u32,
                    is_in_use: at == 0,
                    is_asked: asked == Some(tracker.number),
                    due: (!tracker.given_up).then(|| tier.due.max(tracker.retry)),
                    last: tracker.last,
                    trouble: tracker.trouble().map(str::to_string),
                });
            }
        }
        rows
    }
}
