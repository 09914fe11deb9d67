//! Coming into groups and leaving them: JOIN, PART.

use super::caps::Caps;
use super::event::Event;
use super::group::{Group, Rank, Seat};
use super::isupport::GROUPS_PER_MEMBER;
use super::numerics::*;
use super::registration::{REASON_LEN, cut};
use super::table::{GroupKey, Key};
use super::turn::Turn;
use super::{GROUPS_MAX, Groups};
use crate::wire::irc::{Line, is_group};

impl Groups {
    /// JOIN.
    pub(super) fn join(&mut self, me: Key, line: &Line<'_>, turn: &mut Turn<'_>) {
        let Some(names) = line.param(0) else { return self.needs_more(me, "JOIN", turn) };
        if names == "0" {
            for group in self.members[me].groups.clone() {
                self.leave(me, group, None, turn);
            }
            return;
        }
        let mut keys = line.param(1).unwrap_or_default().split(',');
        for name in names.split(',').filter(|name| !name.is_empty()) {
            let key = keys.next().filter(|key| !key.is_empty());
            self.join_one(me, name, key, turn);
        }
    }

    fn join_one(&mut self, me: Key, name: &str, key: Option<&str>, turn: &mut Turn<'_>) {
        let nick = self.members[me].nick();
        if !is_group(name) {
            return turn.numeric(ERR_NOSUCHCHANNEL, nick).param(name).last("No such channel").end();
        }
        let found = self.rooms.find(name);
        if found.is_some_and(|group| self.rooms[group].has(me)) {
            return;
        }
        if found.is_none() && self.rooms.len() >= GROUPS_MAX {
            self.make_room(turn.now);
        }
        let nick = self.members[me].nick();
        let is_full = found.is_none() && self.rooms.len() >= GROUPS_MAX;
        if self.members[me].groups.len() >= GROUPS_PER_MEMBER || is_full {
            let text =
                if is_full { "This server has no room for more groups" } else { "You have joined too many channels" };
            return turn.numeric(ERR_TOOMANYCHANNELS, nick).param(name).last(text).end();
        }
        let group = match found {
            Some(group) => {
                if let Some((code, text)) = self.keeps_out(me, group, key) {
                    return turn.numeric(code, nick).param(&self.rooms[group].name).last(text).end();
                }
                group
            }
            None => self.rooms.insert(Group::new(name, turn.wall_ms / 1000)),
        };
        self.seat(me, group, turn);
    }

    /// Why a member may not come in, if so.
    fn keeps_out(&self, me: Key, group: GroupKey, key: Option<&str>) -> Option<(u16, &'static str)> {
        let group = &self.rooms[group];
        let (modes, lists) = (&group.modes, &group.lists);
        if modes.key.as_deref().is_some_and(|right| key != Some(right)) {
            return Some((ERR_BADCHANNELKEY, "Cannot join channel (+k)"));
        }
        // Who was invited by an operator of the group may pass what else keeps people out.
        if group.invited.contains(&self.members[me].conn) || self.members[me].modes.is_oper {
            return None;
        }
        let mask = self.members[me].mask();
        if lists.keep_out(mask) {
            return Some((ERR_BANNEDFROMCHAN, "Cannot join channel (+b)"));
        }
        if modes.invite_only && !lists.lets_in(mask) {
            return Some((ERR_INVITEONLYCHAN, "Cannot join channel (+i)"));
        }
        if modes.limit.is_some_and(|limit| group.seats().len() >= limit as usize) {
            return Some((ERR_CHANNELISFULL, "Cannot join channel (+l)"));
        }
        None
    }

    /// Gives a member a seat and tells everybody.
    fn seat(&mut self, me: Key, key: GroupKey, turn: &mut Turn<'_>) {
        let member = &mut self.members[me];
        member.groups.push(key);
        let group = &mut self.rooms[key];
        let rank = if group.seats().is_empty() { Rank::OP } else { Rank::default() };
        group.sit(Seat { member: me, conn: member.conn, caps: member.caps, rank });
        let (member, group) = (&self.members[me], &self.rooms[key]);
        let plain = Event::plain(turn.wall_ms, |line| {
            line.source(member.mask()).command("JOIN").param(&group.name).end();
        });
        let extended = Event::plain(turn.wall_ms, |line| {
            line.source(member.mask()).command("JOIN").param(&group.name).param("*").last(&member.real).end();
        });
        let is_extended = |caps: Caps| caps.has(Caps::EXTENDED_JOIN);
        self.tell_group(key, &plain, me, |seat| !is_extended(seat.caps), turn);
        self.tell_group(key, &extended, me, |seat| is_extended(seat.caps), turn);
        if let Some(text) = &member.away {
            let away = Event::plain(turn.wall_ms, |line| line.source(member.mask()).command("AWAY").last(text).end());
            self.tell_group(key, &away, me, |seat| seat.caps.has(Caps::AWAY_NOTIFY), turn);
        }
        self.tell(me, me, if is_extended(member.caps) { &extended } else { &plain }, turn);
        if group.topic.is_some() {
            self.say_topic(me, key, turn);
        }
        if !member.caps.has(Caps::NO_IMPLICIT_NAMES) {
            self.say_names(me, key, turn);
        }
    }

    /// PART.
    pub(super) fn part(&mut self, me: Key, line: &Line<'_>, turn: &mut Turn<'_>) {
        let Some(names) = line.param(0) else { return self.needs_more(me, "PART", turn) };
        let reason = line.param(1).map(|reason| cut(reason, REASON_LEN));
        for name in names.split(',').filter(|name| !name.is_empty()) {
            if let Some(group) = self.my_group(me, name, turn) {
                self.leave(me, group, reason, turn);
            }
        }
    }

    /// The group of this name, where the member sits in it; else it is told why not.
    pub(super) fn my_group(&self, me: Key, name: &str, turn: &mut Turn<'_>) -> Option<GroupKey> {
        let group = self.known_group(me, name, turn)?;
        if !self.rooms[group].has(me) {
            let nick = self.members[me].nick();
            turn.numeric(ERR_NOTONCHANNEL, nick).param(name).last("You're not on that channel").end();
            return None;
        }
        Some(group)
    }

    /// The group of this name; where there is none the member is told.
    pub(super) fn known_group(&self, me: Key, name: &str, turn: &mut Turn<'_>) -> Option<GroupKey> {
        let found = self.rooms.find(name);
        if found.is_none() {
            turn.numeric(ERR_NOSUCHCHANNEL, self.members[me].nick()).param(name).last("No such channel").end();
        }
        found
    }

    fn leave(&mut self, me: Key, group: GroupKey, reason: Option<&str>, turn: &mut Turn<'_>) {
        let event = Event::plain(turn.wall_ms, |line| {
            let line = line.source(self.members[me].mask()).command("PART").param(&self.rooms[group].name);
            match reason {
                Some(reason) => line.last(reason).end(),
                None => line.end(),
            }
        });
        self.tell_group(group, &event, me, |_| true, turn);
        self.tell(me, me, &event, turn);
        self.unseat(me, group, turn);
    }

    /// Takes a seat away without a word; a group that nobody sits in any more ends.
    pub(super) fn unseat(&mut self, who: Key, group: GroupKey, turn: &mut Turn<'_>) {
        self.members[who].groups.retain(|key| *key != group);
        self.rooms[group].leave(who);
        self.end_if_empty(group, turn);
    }
}
