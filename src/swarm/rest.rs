//! Going to rest: a torrent that nobody wants anything of ends quietly, to be a small record until somebody calls.

use super::Swarm;
use super::torrent::Phase;
use crate::base::Time;
use crate::machine::Outbox;

impl Swarm {
    /// Begins to end without goodbyes: everything is here and nobody wants anything. False where that is not so.
    pub fn rest(&mut self, now: Time, out: &mut Outbox) -> bool {
        let may_rest = self.torrent.is_complete && self.peers.is_empty() && self.torrent.phase == Phase::Active;
        if may_rest {
            let before = out.commands.len();
            self.torrent.stop(now, out);
            self.settle(before, now, out);
        }
        may_rest
    }

    /// After [`Self::rest`]: all of it is saved.
    pub fn is_at_rest(&self) -> bool {
        self.torrent.phase == Phase::Stopped && self.jobs_out == 0
    }
}
