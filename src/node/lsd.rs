//! Between local discovery and the torrents: which of them it names on the local network. Private ones (BEP 27) never.

use super::Node;
use crate::base::{InfoHash, Time};
use crate::lsd::Lsd;
use crate::machine::{Input, Machine, Note, Outbox};

impl Node {
    /// The same with local discovery.
    pub fn with_lsd(mut self, lsd: Lsd) -> Node {
        self.lsd = Some(lsd);
        self
    }

    /// A torrent begins to be named, or ends.
    pub(super) fn meet(&mut self, info_hash: InfoHash, is_on: bool, now: Time, out: &mut Outbox) {
        if !is_on || !self.is_private(&info_hash) {
            self.hand_lsd(now, Input::Note(Note::Meet { info_hash, is_on }), out);
        }
    }

    /// Hands an input to local discovery and carries what it says.
    pub(super) fn hand_lsd(&mut self, now: Time, input: Input<'_>, out: &mut Outbox) {
        let before = out.commands.len();
        if let Some(lsd) = &mut self.lsd {
            lsd.handle(now, input, out);
            self.carry_notes(before, now, out);
        }
    }

    /// When local discovery has something to do.
    pub(super) fn lsd_deadline(&self) -> Option<Time> {
        self.lsd.as_ref().and_then(Lsd::next_deadline)
    }
}
