//! What was said in groups is kept: taken into a ring and written, found again when it is resent, bounded all together.

use std::collections::VecDeque;

use super::Groups;
use super::event::Event;
use super::record::{self, OWN_ID};
use super::ring::Said;
use super::table::GroupKey;
use super::turn::Turn;
use crate::base::Time;
use crate::machine::Outbox;
use crate::wire::irc::{Line, fold};

/// Bytes of all rings together.
const TOTAL_LEN: usize = 16 * 1024 * 1024;
/// How much is dropped at once of the longest ring, where there is too much.
const STEP_LEN: usize = 64 * 1024;
/// The file may be so much longer than what is still kept, and twice as long besides.
const SLACK_LEN: usize = 256 * 1024;
/// Bytes of the file that are read at the start: all that the bounds allow, and as much waste.
pub const FILE_MAX: usize = 4 * TOTAL_LEN;
/// Private messages whose ids are remembered.
const RECENT_MAX: usize = 256;
/// Milliseconds between two looks for what has grown old.
const AGING_MS: u64 = 600_000;

/// Private messages that may be resent: what their sender called them, and how they were passed on.
#[derive(Default, Debug)]
pub struct Recent(VecDeque<(u64, Event)>);

impl Groups {
    /// What a sender's own name for a message is known by; the same to another target is another message.
    pub(super) fn own_id(&self, target: &str, own: &str) -> u64 {
        self.options.secret.spread(format!("{} {own}", fold(target)).as_bytes())
    }

    /// What the sender of this line calls it.
    pub(super) fn named(&self, target: &str, line: &Line<'_>) -> Option<u64> {
        let own = line.tags.raw(OWN_ID).filter(|own| !own.is_empty())?;
        Some(self.own_id(target, own))
    }

    /// A message that was said before by the same name: its sender did not hear that it arrived.
    pub(super) fn said_before(&self, group: Option<GroupKey>, own_id: Option<u64>) -> Option<Event> {
        let own_id = own_id?;
        match group {
            Some(group) => self.rooms[group].ring.by_own_id(own_id).map(|said| said.event.clone()),
            None => self.recent.0.iter().find(|(own, _)| *own == own_id).map(|(_, event)| event.clone()),
        }
    }

    /// A private message was passed on.
    pub(super) fn remember_private(&mut self, own_id: Option<u64>, event: &Event) {
        let Some(own_id) = own_id else { return };
        if self.recent.0.len() >= RECENT_MAX {
            self.recent.0.pop_front();
        }
        self.recent.0.push_back((own_id, event.clone()));
    }

    /// Keeps a message of a group: in its ring, and on disk before anybody hears of it.
    pub(super) fn keep(&mut self, group: GroupKey, own_id: Option<u64>, event: &Event, turn: &Turn<'_>) {
        let Some(kept) = self.options.history else { return };
        let Some(records) = self.gate.records(turn.now) else { return };
        let room = &mut self.rooms[group];
        if !std::mem::replace(&mut room.is_recorded, true) {
            record::write_group(room, records);
        }
        record::write(event.full(), records);
        let before = room.ring.len();
        let said = Said { id: self.last_id, at_ms: turn.wall_ms, event: event.clone(), own_id };
        room.ring.push(said, kept);
        self.history_len = self.history_len + room.ring.len() - before;
        if self.history_len > TOTAL_LEN {
            self.shorten();
        }
    }

    /// Drops the oldest of the longest ring.
    fn shorten(&mut self) {
        let longest = self.rooms.iter().max_by_key(|(_, group)| group.ring.len()).map(|(key, _)| key);
        let Some(key) = longest else { return };
        let ring = &mut self.rooms[key].ring;
        let before = ring.len();
        while !ring.is_empty() && before - ring.len() < STEP_LEN {
            ring.drop_oldest();
        }
        self.history_len -= before - self.rooms[key].ring.len();
    }

    /// Topic, modes or lists of a group have changed: so they are after a restart, where the group lasts.
    pub(super) fn changed(&mut self, group: GroupKey, turn: &mut Turn<'_>) {
        let room = &self.rooms[group];
        if room.is_recorded
            && let Some(records) = self.gate.records(turn.now)
        {
            record::write_group(room, records);
        }
    }

    /// Nobody may sit in this group any more. One in which something was said goes on with its key and its topic,
    /// so that nobody else can take its name and read; but where only the invited may come in, it ends, since nobody
    /// could come back.
    pub(super) fn end_if_empty(&mut self, group: GroupKey, turn: &mut Turn<'_>) {
        let room = &mut self.rooms[group];
        if !room.seats().is_empty() {
            return;
        }
        room.invited.clear();
        if room.ring.is_empty() || room.modes.invite_only {
            self.end_group(group, turn.now);
        }
    }

    /// A group ends, on disk too.
    pub(super) fn end_group(&mut self, group: GroupKey, now: Time) {
        let room = &self.rooms[group];
        if room.is_recorded
            && let Some(records) = self.gate.records(now)
        {
            record::write_end(&room.name, records);
        }
        self.drop_group(group);
    }

    pub(super) fn drop_group(&mut self, group: GroupKey) {
        if let Some(room) = self.rooms.remove(group) {
            self.history_len -= room.ring.len();
        }
    }

    /// Makes room for a new group: the one ends in which nobody sits and nothing was said for the longest time.
    pub(super) fn make_room(&mut self, now: Time) {
        let empty = self.rooms.iter().filter(|(_, group)| group.seats().is_empty());
        let oldest = empty.min_by_key(|(_, group)| group.ring.last().map_or(0, |said| said.at_ms));
        if let Some((key, _)) = oldest {
            self.end_group(key, now);
        }
    }

    /// A group of the file, made where it is the first that is heard of it.
    pub(super) fn restored(&mut self, name: &str) -> Option<GroupKey> {
        if !crate::wire::irc::is_group(name) {
            return None;
        }
        if let Some(key) = self.rooms.find(name) {
            return Some(key);
        }
        if self.rooms.len() >= super::GROUPS_MAX {
            return None;
        }
        let key = self.rooms.insert(super::group::Group::new(name, 0));
        self.rooms[key].is_recorded = true;
        Some(key)
    }

    /// After all was restored: what is too old or was torn goes, and the file is made anew where much of it is waste.
    pub(super) fn settle(&mut self, now: Time, out: &mut Outbox) {
        for key in self.rooms.keys() {
            if self.rooms[key].modes.invite_only {
                self.end_group(key, now);
            }
        }
        self.age(now, out.wall_ms);
        self.append(now, out);
    }

    /// Drops what has grown old, now and then.
    pub(super) fn age(&mut self, now: Time, wall_ms: u64) {
        let Some(kept) = self.options.history else { return };
        if wall_ms < self.aged_ms + AGING_MS && wall_ms >= self.aged_ms {
            return;
        }
        self.aged_ms = wall_ms;
        for key in self.rooms.keys() {
            let room = &mut self.rooms[key];
            let before = room.ring.len();
            room.ring.trim(kept, wall_ms);
            self.history_len -= before - room.ring.len();
            if self.rooms[key].ring.is_empty() && self.rooms[key].seats().is_empty() {
                self.end_group(key, now);
            }
        }
    }

    /// Hands over what is to be written: added to the file, or as a new one where much of the old is waste.
    pub(super) fn append(&mut self, now: Time, out: &mut Outbox) {
        let is_waste = self.gate.file_len > 2 * self.history_len + SLACK_LEN || self.gate.is_torn;
        let snapshot = (is_waste && self.gate.is_idle()).then(|| self.snapshot());
        if snapshot.is_some() || self.gate.is_due(now) {
            self.gate.flush(snapshot, now, out);
        }
    }

    /// The whole file anew.
    fn snapshot(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.history_len);
        for (_, group) in self.rooms.iter().filter(|(_, group)| group.is_recorded) {
            record::write_group(group, &mut bytes);
            for said in group.ring.iter() {
                record::write(said.event.full(), &mut bytes);
            }
        }
        bytes
    }
}
