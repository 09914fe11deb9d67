//! Between a server's groups and its tracker: members are peers of the one table, and hear who comes to it.

use super::server::Server;
use crate::base::Time;
use crate::machine::{Command, Input, Machine, Note, Outbox};

impl Server {
    /// Takes the notes between the two out of what was said since `before`, and hands them over until none is left.
    pub(super) fn carry_notes(&mut self, before: usize, now: Time, out: &mut Outbox) {
        while out.commands[before..].iter().any(is_between) {
            let said = out.commands.split_off(before);
            let (between, others): (Vec<Command>, Vec<Command>) = said.into_iter().partition(is_between);
            out.commands.extend(others);
            for command in between {
                let Command::Tell(note) = command else { continue };
                match note {
                    Note::Swarm { .. } | Note::SwarmWatch { .. } => self.sites.tell(note, now, out),
                    _ => self.groups.handle(now, Input::Note(note), out),
                }
            }
        }
    }
}

fn is_between(command: &Command) -> bool {
    let Command::Tell(note) = command else { return false };
    matches!(note, Note::Swarm { .. } | Note::SwarmWatch { .. } | Note::SwarmTold { .. } | Note::SwarmJoined { .. })
}
