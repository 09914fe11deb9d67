//! Who may run: downloads and seeds in the order of the queue, as many of each as the settings say.

use super::Remote;
use super::life::wants_to_run;
use super::torrent::Run;
use crate::base::{Span, Time};
use crate::machine::Outbox;

impl Remote {
    /// Thinks over who may run, ends those that may not, and lists those that shall begin.
    pub(super) fn plan(&mut self, now: Time, out: &mut Outbox) {
        let room = |enabled: &str, size: &str| match self.session.switch(enabled) {
            true => usize::try_from(self.session.count(size)).unwrap_or(usize::MAX),
            false => usize::MAX,
        };
        let mut downloads = room("download-queue-enabled", "download-queue-size");
        let mut seeds = room("seed-queue-enabled", "seed-queue-size");
        if self.is_low {
            downloads = 0;
        }
        let stalled = self.session.switch("queue-stalled-enabled");
        let patience = Span::secs(60).times(self.session.count("queue-stalled-minutes"));
        // Those that are to wake stay.
        let wakes = |id: &u32| self.list.get(*id).is_some_and(|torrent| matches!(torrent.run, Run::Asleep(_)));
        self.to_begin.retain(wakes);
        for id in self.list.queue() {
            let Some(torrent) = self.list.get_mut(id) else { continue };
            let is_candidate = torrent.is_started && torrent.plans.removal.is_none() && !torrent.is_new;
            let room = if torrent.is_done() { &mut seeds } else { &mut downloads };
            let is_held_up = self.is_low && !torrent.is_done();
            torrent.has_turn = is_candidate && !is_held_up && (*room > 0 || torrent.is_forced);
            // Who does not get on takes nobody's place.
            let is_stalled = stalled && torrent.is_awake() && now.since(torrent.idle_since) >= patience;
            if torrent.has_turn && !is_stalled && !torrent.is_forced {
                *room -= 1;
            }
            match torrent.run {
                Run::Rest if torrent.plans.removal.is_some() || torrent.plans.changes_files() => {
                    self.remove_if_doomed(id, out)
                }
                Run::Rest if wants_to_run(torrent) => self.to_begin.push_back(id),
                Run::Rest if torrent.plans.restart => torrent.plans.restart = false,
                Run::On(_) | Run::Asleep(_) if !wants_to_run(torrent) => self.end(id, out),
                _ => {}
            }
        }
    }
}
