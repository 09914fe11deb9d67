//! Who is asked in and who is put out: INVITE, KICK.

use super::Groups;
use super::caps::Caps;
use super::event::Event;
use super::group::Seat;
use super::numerics::*;
use super::registration::{REASON_LEN, cut};
use super::table::{GroupKey, Key};
use super::turn::Turn;
use crate::wire::irc::Line;

/// Invitations that a group remembers.
const INVITED_MAX: usize = 64;

impl Groups {
    /// INVITE; without parameters the groups one is invited to.
    pub(super) fn invite(&mut self, me: Key, line: &Line<'_>, turn: &mut Turn<'_>) {
        let nick = self.members[me].nick();
        let Some(who) = line.param(0) else {
            let conn = self.members[me].conn;
            for (_, group) in self.rooms.iter().filter(|(_, group)| group.invited.contains(&conn)) {
                turn.numeric(RPL_INVITELIST, nick).param(&group.name).end();
            }
            return turn.numeric(RPL_ENDOFINVITELIST, nick).last("End of /INVITE list").end();
        };
        let Some(name) = line.param(1) else { return self.needs_more(me, "INVITE", turn) };
        let Some(group) = self.my_group(me, name, turn) else { return };
        let Some(other) = self.members.by_nick(who) else {
            return turn.numeric(ERR_NOSUCHNICK, nick).param(who).last("No such nick/channel").end();
        };
        let name = self.rooms[group].name.clone();
        if self.rooms[group].has(other) {
            return turn.numeric(ERR_USERONCHANNEL, nick).param(who).param(&name).last("is already on channel").end();
        }
        if self.rooms[group].modes.invite_only && !self.is_allowed(me, group, turn) {
            return;
        }
        // Only an operator's invitation opens what keeps others out.
        let conn = self.members[other].conn;
        let is_op = self.rooms[group].is_op(me);
        let invited = &mut self.rooms[group].invited;
        if is_op && !invited.contains(&conn) {
            if invited.len() >= INVITED_MAX {
                invited.remove(0);
            }
            invited.push(conn);
        }
        let other_nick = self.members[other].nick();
        turn.numeric(RPL_INVITING, nick).param(other_nick).param(&name).end();
        if let Some(away) = &self.members[other].away {
            turn.numeric(RPL_AWAY, nick).param(other_nick).last(away).end();
        }
        let event = Event::plain(turn.wall_ms, |line| {
            line.source(self.members[me].mask()).command("INVITE").param(other_nick).param(&name).end();
        });
        self.tell(other, me, &event, turn);
        let wants = |seat: &Seat| seat.caps.has(Caps::INVITE_NOTIFY) && (seat.rank.is_op || seat.rank.has_voice);
        self.tell_group(group, &event, me, wants, turn);
    }

    /// KICK.
    pub(super) fn kick(&mut self, me: Key, line: &Line<'_>, turn: &mut Turn<'_>) {
        let (Some(name), Some(who)) = (line.param(0), line.param(1)) else {
            return self.needs_more(me, "KICK", turn);
        };
        let Some(group) = self.known_group(me, name, turn) else { return };
        if !self.members[me].modes.is_oper && self.my_group(me, name, turn).is_none() {
            return;
        }
        if !self.is_allowed(me, group, turn) {
            return;
        }
        let reason = cut(line.param(2).unwrap_or(self.members[me].nick()), REASON_LEN).to_string();
        for who in who.split(',').filter(|who| !who.is_empty()) {
            self.kick_one(me, group, who, &reason, turn);
        }
    }

    fn kick_one(&mut self, me: Key, group: GroupKey, who: &str, reason: &str, turn: &mut Turn<'_>) {
        // A group ends with its last member, who may be the one just kicked.
        if !self.members[me].modes.is_oper && !self.rooms.contains(group) {
            return;
        }
        let nick = self.members[me].nick();
        let other =
            self.members.by_nick(who).filter(|other| self.rooms.contains(group) && self.rooms[group].has(*other));
        let Some(other) = other else {
            let (code, text) = match self.members.by_nick(who) {
                Some(_) => (ERR_USERNOTINCHANNEL, "They aren't on that channel"),
                None => return turn.numeric(ERR_NOSUCHNICK, nick).param(who).last("No such nick/channel").end(),
            };
            if !self.rooms.contains(group) {
                return;
            }
            return turn.numeric(code, nick).param(who).param(&self.rooms[group].name).last(text).end();
        };
        let event = Event::plain(turn.wall_ms, |line| {
            let line = line.source(self.members[me].mask()).command("KICK").param(&self.rooms[group].name);
            line.param(self.members[other].nick()).last(reason).end();
        });
        self.tell_group(group, &event, me, |_| true, turn);
        if self.rooms[group].has(me) {
            self.tell(me, me, &event, turn);
        }
        self.unseat(other, group, turn);
    }
}
