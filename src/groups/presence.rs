//! Who is there: AWAY, ISON, USERHOST, SETNAME.

use super::Groups;
use super::caps::Caps;
use super::event::Event;
use super::isupport::AWAY_LEN;
use super::numerics::*;
use super::registration::{REAL_LEN, cut};
use super::table::Key;
use super::turn::Turn;
use crate::wire::irc::Line;

/// Nicks in one question.
const ASKED_MAX: usize = 5;

impl Groups {
    /// AWAY.
    pub(super) fn away(&mut self, me: Key, line: &Line<'_>, turn: &mut Turn<'_>) {
        let text = line.param(0).map(|text| cut(text, AWAY_LEN));
        let was = self.members[me].away.take();
        self.members[me].away = text.map(Into::into);
        let nick = self.members[me].nick();
        match text {
            Some(_) => turn.numeric(RPL_NOWAWAY, nick).last("You have been marked as being away").end(),
            None => turn.numeric(RPL_UNAWAY, nick).last("You are no longer marked as being away").end(),
        }
        if was.as_deref() == text {
            return;
        }
        let event = Event::plain(turn.wall_ms, |line| {
            let line = line.source(self.members[me].mask()).command("AWAY");
            match text {
                Some(text) => line.last(text).end(),
                None => line.end(),
            }
        });
        self.tell_neighbours(me, &event, Caps::AWAY_NOTIFY, turn);
    }

    /// SETNAME (IRCv3 setname).
    pub(super) fn setname(&mut self, me: Key, line: &Line<'_>, turn: &mut Turn<'_>) {
        let real = line.param(0).unwrap_or_default();
        if real.is_empty() || real.len() > REAL_LEN {
            let text = format!("A real name has 1 to {REAL_LEN} bytes");
            return self.fail(me, "SETNAME", "INVALID_REALNAME", &[], &text, turn);
        }
        self.members[me].real = real.into();
        let event = Event::plain(turn.wall_ms, |line| {
            line.source(self.members[me].mask()).command("SETNAME").last(real).end();
        });
        self.tell_neighbours(me, &event, Caps::SETNAME, turn);
        if self.members[me].caps.has(Caps::SETNAME) {
            self.tell(me, me, &event, turn);
        }
    }

    /// ISON.
    pub(super) fn ison(&mut self, me: Key, line: &Line<'_>, turn: &mut Turn<'_>) {
        let asked = line.params().iter().flat_map(|param| param.split(' '));
        let here = asked.filter_map(|nick| self.members.by_nick(nick)).map(|key| self.members[key].nick());
        let text = here.take(32).collect::<Vec<_>>().join(" ");
        turn.numeric(RPL_ISON, self.members[me].nick()).last(&text).end();
    }

    /// USERHOST.
    pub(super) fn userhost(&mut self, me: Key, line: &Line<'_>, turn: &mut Turn<'_>) {
        let asked = line.params().iter().take(ASKED_MAX);
        let told = asked.filter_map(|nick| self.members.by_nick(nick)).map(|key| {
            let member = &self.members[key];
            let star = if member.modes.is_oper { "*" } else { "" };
            let sign = if member.away.is_some() { '-' } else { '+' };
            format!("{}{star}={sign}{}@{}", member.nick(), member.user(), member.host())
        });
        let text = told.collect::<Vec<_>>().join(" ");
        turn.numeric(RPL_USERHOST, self.members[me].nick()).last(&text).end();
    }
}
