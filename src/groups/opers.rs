//! Operators of the server: OPER, KILL, WALLOPS.

use super::Groups;
use super::event::{Audience, Event};
use super::numerics::*;
use super::registration::{REASON_LEN, cut};
use super::table::Key;
use super::turn::Turn;
use crate::base::{Span, Time};
use crate::wire::irc::{Line, Writer};

/// Wrong passwords of one connection until it is ended; the pace of lines bounds tries over many.
const TRIES_MAX: u8 = 3;
/// What a wrong password costs, in time before the next line is read.
const WRONG_COSTS: Span = Span::secs(15);

impl Groups {
    /// OPER.
    pub(super) fn oper(&mut self, me: Key, line: &Line<'_>, turn: &mut Turn<'_>) {
        let (Some(name), Some(password)) = (line.param(0), line.param(1)) else {
            return self.needs_more(me, "OPER", turn);
        };
        let is_right = self.passwords.is_oper(name, password);
        let member = &mut self.members[me];
        if !is_right {
            member.wrong_tries += 1;
            member.paced_at = Time(member.paced_at.0.max(turn.now.0)) + WRONG_COSTS;
            turn.numeric(ERR_PASSWDMISMATCH, member.nick()).last("Password incorrect").end();
            log::info!("{} tried to become an operator with a wrong password", member.mask());
            if member.wrong_tries >= TRIES_MAX {
                self.end(me, "Too many wrong passwords", turn);
            }
            return;
        }
        if !std::mem::replace(&mut member.modes.is_oper, true) {
            self.counts.opers += 1;
        }
        turn.numeric(RPL_YOUREOPER, member.nick()).last("You are now an IRC operator").end();
        let line = Writer::new(turn.replies()).source(member.mask()).command("MODE");
        line.param(member.nick()).last("+o").end();
    }

    /// Whether a member is an operator of the server; else it is told that it has to be.
    fn is_oper(&self, me: Key, turn: &mut Turn<'_>) -> bool {
        let member = &self.members[me];
        if !member.modes.is_oper {
            let text = "Permission Denied- You're not an IRC operator";
            turn.numeric(ERR_NOPRIVILEGES, member.nick()).last(text).end();
        }
        member.modes.is_oper
    }

    /// KILL.
    pub(super) fn kill(&mut self, me: Key, line: &Line<'_>, turn: &mut Turn<'_>) {
        let Some(who) = line.param(0) else { return self.needs_more(me, "KILL", turn) };
        if !self.is_oper(me, turn) {
            return;
        }
        let Some(other) = self.members.by_nick(who) else {
            let nick = self.members[me].nick();
            return turn.numeric(ERR_NOSUCHNICK, nick).param(who).last("No such nick/channel").end();
        };
        let why = cut(line.param(1).unwrap_or("no reason"), REASON_LEN);
        let reason = format!("Killed ({} ({why}))", self.members[me].nick());
        let event = Event::plain(turn.wall_ms, |line| {
            line.source(self.members[me].mask()).command("KILL").param(self.members[other].nick()).last(why).end();
        });
        self.tell(other, me, &event, turn);
        self.end(other, &reason, turn);
    }

    /// WALLOPS: to all operators.
    pub(super) fn wallops(&mut self, me: Key, line: &Line<'_>, turn: &mut Turn<'_>) {
        let Some(text) = line.param(0) else { return self.needs_more(me, "WALLOPS", turn) };
        if !self.is_oper(me, turn) {
            return;
        }
        let event = Event::plain(turn.wall_ms, |line| {
            line.source(self.members[me].mask()).command("WALLOPS").last(text).end();
        });
        let mut audience = Audience::default();
        for (key, member) in self.members.iter() {
            if member.modes.is_oper && key != me {
                audience.add(member.conn, member.caps);
            }
        }
        audience.tell(&event, turn);
        self.tell(me, me, &event, turn);
    }
}
