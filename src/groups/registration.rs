//! From a connection to a member: PASS, NICK, USER, and the welcome; QUIT at the other end.

use super::event::Event;
use super::numerics::*;
use super::table::Key;
use super::turn::Turn;
use super::{Groups, caps::Caps, isupport};
use crate::wire::irc::{Line, is_nick};

/// Characters of a user name that are kept.
pub const USER_LEN: usize = 16;
/// Bytes of a real name (token `NAMELEN`).
pub const REAL_LEN: usize = 128;
/// Bytes of a reason for leaving.
pub const REASON_LEN: usize = 255;

impl Groups {
    /// PASS.
    pub(super) fn pass(&mut self, me: Key, line: &Line<'_>, turn: &mut Turn<'_>) {
        let member = &mut self.members[me];
        if member.steps.is_in || member.steps.has_user {
            return turn.numeric(ERR_ALREADYREGISTERED, member.nick()).last("You may not reregister").end();
        }
        member.steps.has_password = self.passwords.opens(line.param(0).unwrap_or_default());
    }

    /// NICK, at the beginning and later.
    pub(super) fn nick(&mut self, me: Key, line: &Line<'_>, turn: &mut Turn<'_>) {
        match line.param(0) {
            Some(nick) => self.take_nick(me, nick, turn),
            None => turn.numeric(ERR_NONICKNAMEGIVEN, self.members[me].nick()).last("No nickname given").end(),
        }
    }

    /// A member is called so from now on, if that can be.
    pub(super) fn take_nick(&mut self, me: Key, nick: &str, turn: &mut Turn<'_>) {
        let now = self.members[me].nick();
        if !is_nick(nick) {
            return turn.numeric(ERR_ERRONEUSNICKNAME, now).param(nick).last("Erroneous nickname").end();
        }
        if !self.may_have(me, nick, turn) {
            return;
        }
        let now = self.members[me].nick();
        if self.members.holder(nick).is_some_and(|holder| holder != me) {
            return turn.numeric(ERR_NICKNAMEINUSE, now).param(nick).last("Nickname is already in use").end();
        }
        if now == nick {
            return;
        }
        if !self.members[me].steps.is_in {
            self.members.rename(me, nick);
            self.members[me].steps.has_nick = true;
            return self.try_register(me, turn);
        }
        let event = Event::plain(turn.wall_ms, |line| {
            line.source(self.members[me].mask()).command("NICK").param(nick).end();
        });
        self.tell_neighbours(me, &event, Caps::default(), turn);
        self.tell(me, me, &event, turn);
        let old = self.members[me].nick().to_string();
        self.members.rename(me, nick);
        self.renamed(me, &old, turn);
    }

    /// USER.
    pub(super) fn user(&mut self, me: Key, line: &Line<'_>, turn: &mut Turn<'_>) {
        let member = &mut self.members[me];
        if member.steps.is_in || member.steps.has_user {
            return turn.numeric(ERR_ALREADYREGISTERED, member.nick()).last("You may not reregister").end();
        }
        let (Some(user), Some(real)) = (line.param(0), line.last()) else {
            return self.needs_more(me, "USER", turn);
        };
        let is_plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let user: String = user.chars().filter(is_plain).take(USER_LEN).collect();
        member.set_user(if user.is_empty() { "user" } else { &user });
        member.real = cut(real, REAL_LEN).into();
        member.steps.has_user = true;
        self.try_register(me, turn);
    }

    /// Lets somebody in who has said all that is needed.
    pub(super) fn try_register(&mut self, me: Key, turn: &mut Turn<'_>) {
        let steps = self.members[me].steps;
        if !steps.is_negotiating
            && let Some(claimed) = self.members[me].claimed.take()
        {
            // Its key was not shown: now it is said that it cannot be had.
            return self.take_nick(me, &claimed, turn);
        }
        if steps.is_in || steps.is_negotiating || !steps.has_nick || !steps.has_user {
            return;
        }
        if self.passwords.is_closed() && !steps.has_password {
            turn.numeric(ERR_PASSWDMISMATCH, self.members[me].nick()).last("Password incorrect").end();
            return self.end(me, "Bad password", turn);
        }
        if !self.may_enter(me, turn) {
            return;
        }
        self.members[me].steps.is_in = true;
        self.count_in(me);
        self.welcome(me, turn);
        self.came(me, turn);
    }

    fn welcome(&self, me: Key, turn: &mut Turn<'_>) {
        let member = &self.members[me];
        let nick = member.nick();
        let (network, name) = (&self.options.network, &self.name);
        turn.numeric(RPL_WELCOME, nick).last(&format!("Welcome to {network}, {}", member.mask())).end();
        let host = format!("Your host is {name}, running {}", isupport::VERSION);
        turn.numeric(RPL_YOURHOST, nick).last(&host).end();
        let made = format!("It has run since {}", super::about::date(self.began_ms));
        turn.numeric(RPL_CREATED, nick).last(&made).end();
        let info = turn.numeric(RPL_MYINFO, nick).param(name).param(isupport::VERSION);
        info.param(isupport::USER_MODES).param(isupport::GROUP_MODES).param(isupport::VALUE_MODES).end();
        self.say_isupport(me, turn);
        self.say_lusers(me, turn);
        self.say_motd(me, turn);
    }

    /// PING of a member.
    pub(super) fn ping(&mut self, me: Key, line: &Line<'_>, turn: &mut Turn<'_>) {
        match line.params().first() {
            Some(token) => turn.server("PONG").param(&self.name).last(token).end(),
            None => self.needs_more(me, "PING", turn),
        }
    }

    /// PONG: that something was heard is all there is to it, unless it answers a certain PING.
    pub(super) fn pong(&mut self, me: Key, line: &Line<'_>, turn: &mut Turn<'_>) {
        self.read_waiting(me, line, turn);
    }

    /// QUIT.
    pub(super) fn quit(&mut self, me: Key, line: &Line<'_>, turn: &mut Turn<'_>) {
        let reason = match line.param(0) {
            Some(reason) => format!("Quit: {}", cut(reason, REASON_LEN)),
            None => "Quit".into(),
        };
        self.let_go(me, &reason, turn);
    }
}

/// A text's beginning, whole characters.
pub fn cut(text: &str, len_max: usize) -> &str {
    let mut len = len_max.min(text.len());
    while !text.is_char_boundary(len) {
        len -= 1;
    }
    &text[..len]
}
