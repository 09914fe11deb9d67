//! Between the member of groups and the rest: its connection, its look-ups, what it is asked and what it tells.

use super::{Node, Owner};
use crate::base::{InfoHash, Time};
use crate::machine::{Command, Input, Machine, Note, Outbox};
use crate::member::Member;
use crate::wire::url::Url;

impl Node {
    /// The same with a place in groups.
    pub fn with_member(mut self, member: Member) -> Node {
        self.us.has_server = true;
        self.member = Some(Box::new(member));
        self
    }

    /// Hands an input to the member, and takes note of whose the new connections are.
    pub(super) fn hand_member(&mut self, now: Time, input: Input<'_>, out: &mut Outbox) {
        let before = out.commands.len();
        let Some(member) = &mut self.member else { return };
        member.handle(now, input, out);
        self.note_member(before, out);
        self.carry_notes(before, now, out);
    }

    fn note_member(&mut self, before: usize, out: &Outbox) {
        for command in &out.commands[before..] {
            match command {
                Command::Connect { conn, .. } => _ = self.owners.insert(*conn, Owner::Member),
                Command::Close { conn } => _ = self.owners.remove(conn),
                _ => {}
            }
        }
    }

    /// A swarm begins to be told to the server, or ends.
    pub(super) fn swarming(&mut self, info_hash: InfoHash, is_seed: Option<bool>, now: Time, out: &mut Outbox) {
        if is_seed.is_none() || self.may_use_server(&info_hash) {
            self.hand_member(now, Input::Note(Note::Swarming { info_hash, is_seed }), out);
        }
    }

    /// Whether the server may know that we have this torrent: a private one (BEP 27) only where it is its tracker.
    pub(super) fn may_use_server(&self, info_hash: &InfoHash) -> bool {
        !self.is_private(info_hash) || self.server_tracks.contains(info_hash)
    }

    /// A torrent comes whose trackers are these. What was sought by its hash alone may turn out to be private.
    pub(super) fn note_trackers(
        &mut self,
        info_hash: InfoHash,
        is_private: bool,
        trackers: &[Vec<String>],
        now: Time,
        out: &mut Outbox,
    ) {
        let Some(member) = &self.member else { return };
        let is_its =
            |text: &String| Url::parse(text).is_ok_and(|url| member.is_server(&url.host, url.port_or_default()));
        if trackers.iter().flatten().any(is_its) {
            self.server_tracks.insert(info_hash);
            return;
        }
        self.server_tracks.remove(&info_hash);
        if is_private {
            self.hand_member(now, Input::Note(Note::Swarming { info_hash, is_seed: None }), out);
        }
    }

    /// When the member has something to do.
    pub(super) fn member_deadline(&self) -> Option<Time> {
        self.member.as_ref().and_then(|member| member.next_deadline())
    }
}
