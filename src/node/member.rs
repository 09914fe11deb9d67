//! Between the member of groups and the rest: its connection, its look-ups, what it is asked and what it tells.

use super::{Node, Owner};
use crate::base::Time;
use crate::machine::{Command, Input, Machine, Outbox};
use crate::member::Member;

impl Node {
    /// The same with a place in groups.
    pub fn with_member(mut self, member: Member) -> Node {
        self.member = Some(Box::new(member));
        self
    }

    /// Hands an input to the member, and takes note of whose the new connections are.
    pub(super) fn hand_member(&mut self, now: Time, input: Input<'_>, out: &mut Outbox) {
        let before = out.commands.len();
        let Some(member) = &mut self.member else { return };
        member.handle(now, input, out);
        for command in &out.commands[before..] {
            match command {
                Command::Connect { conn, .. } => _ = self.owners.insert(*conn, Owner::Member),
                Command::Close { conn } => _ = self.owners.remove(conn),
                _ => {}
            }
        }
    }

    /// When the member has something to do.
    pub(super) fn member_deadline(&self) -> Option<Time> {
        self.member.as_ref().and_then(|member| member.next_deadline())
    }
}
