//! Whom nobody here deals with: the list as it was last read, and whether it is minded.

use std::sync::Arc;

use super::Node;
use crate::base::Time;
use crate::base::blocked::Blocked;
use crate::machine::{Input, Note, Outbox};

#[derive(Debug, Default)]
pub struct Blocklist {
    read: Option<Arc<Blocked>>,
    is_off: bool,
}

impl Node {
    /// The list was read, or cannot be: then the one before still counts.
    pub(super) fn take_blocklist(&mut self, read: Result<Arc<Blocked>, String>, now: Time, out: &mut Outbox) {
        if let Ok(blocked) = &read {
            self.blocklist.read = Some(blocked.clone());
            self.mind_blocklist(now, out);
        }
        self.tell_remote(&Note::Blocklist(read), now, out);
    }

    /// Somebody switches it on or off.
    pub(super) fn use_blocklist(&mut self, is_on: bool, now: Time, out: &mut Outbox) {
        self.blocklist.is_off = !is_on;
        self.mind_blocklist(now, out);
    }

    /// Who is on it and connected has to go.
    fn mind_blocklist(&mut self, now: Time, out: &mut Outbox) {
        let Blocklist { read, is_off } = &self.blocklist;
        out.bans.block(read.clone().filter(|_| !*is_off));
        self.hand_all(|| Input::Note(Note::Banned), now, out);
    }
}
