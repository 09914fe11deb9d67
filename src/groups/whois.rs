//! WHOIS, and WHOWAS for those who have gone.

use std::collections::VecDeque;

use super::Groups;
use super::about::date;
use super::caps::Caps;
use super::numerics::*;
use super::table::Key;
use super::turn::Turn;
use crate::wire::irc::{Line, same};

/// Who has gone, of the last so many.
const GONE_MAX: usize = 256;

/// Somebody who has gone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Gone {
    nick: Box<str>,
    user: Box<str>,
    host: Box<str>,
    real: Box<str>,
    at_ms: u64,
}

/// The last who have gone, the latest first.
#[derive(Default, Debug)]
pub struct Past(VecDeque<Gone>);

impl Groups {
    /// WHOIS.
    pub(super) fn whois(&mut self, me: Key, line: &Line<'_>, turn: &mut Turn<'_>) {
        let nick = self.members[me].nick();
        // With two parameters the first is a server to ask.
        let (server, asked) = match line.param(1) {
            Some(asked) => (line.param(0), asked),
            None => match line.param(0) {
                Some(asked) => (None, asked),
                None => return turn.numeric(ERR_NONICKNAMEGIVEN, nick).last("No nickname given").end(),
            },
        };
        if self.is_for_other(me, server, turn) {
            return;
        }
        let asked = asked.split(',').next().unwrap_or(asked);
        match self.members.by_nick(asked) {
            Some(other) => self.say_whois(me, other, turn),
            None => turn.numeric(ERR_NOSUCHNICK, nick).param(asked).last("No such nick/channel").end(),
        }
        turn.numeric(RPL_ENDOFWHOIS, nick).param(asked).last("End of /WHOIS list").end();
    }

    fn say_whois(&self, me: Key, other: Key, turn: &mut Turn<'_>) {
        let (asker, member) = (&self.members[me], &self.members[other]);
        let (nick, theirs) = (asker.nick(), member.nick());
        let line = turn.numeric(RPL_WHOISUSER, nick).param(theirs).param(member.user()).param(member.host());
        line.param("*").last(&member.real).end();
        let all = asker.caps.has(Caps::MULTI_PREFIX);
        let seen = member.groups.iter().filter_map(|key| {
            let group = &self.rooms[*key];
            let is_shared = group.has(me) || asker.modes.is_oper;
            let is_shown = is_shared || !(group.modes.secret || member.modes.is_invisible);
            let rank = group.seat(other)?.rank;
            is_shown.then(|| format!("{}{}", rank.signs(all), group.name))
        });
        let seen: Vec<String> = seen.collect();
        turn.numeric_words(RPL_WHOISCHANNELS, nick, &[theirs], seen.iter().map(String::as_str));
        turn.numeric(RPL_WHOISSERVER, nick).param(theirs).param(&self.name).last(&self.options.network).end();
        if member.modes.is_oper {
            turn.numeric(RPL_WHOISOPERATOR, nick).param(theirs).last("is an IRC operator").end();
        }
        if member.modes.is_bot {
            turn.numeric(RPL_WHOISBOT, nick).param(theirs).last("is a program").end();
        }
        if let Some(away) = &member.away {
            turn.numeric(RPL_AWAY, nick).param(theirs).last(away).end();
        }
        if asker.modes.is_oper || me == other {
            let text = format!("is connecting from {}@{}", member.user(), member.remote);
            turn.numeric(RPL_WHOISHOST, nick).param(theirs).last(&text).end();
        }
        let idle_s = turn.now.since(member.spoke_at).0 / 1_000_000;
        let line = turn.numeric(RPL_WHOISIDLE, nick).param(theirs).param(&idle_s.to_string());
        line.param(&member.since_s.to_string()).last("seconds idle, signon time").end();
    }

    /// WHOWAS.
    pub(super) fn whowas(&mut self, me: Key, line: &Line<'_>, turn: &mut Turn<'_>) {
        let nick = self.members[me].nick();
        let Some(asked) = line.param(0) else {
            return turn.numeric(ERR_NONICKNAMEGIVEN, nick).last("No nickname given").end();
        };
        let count = line.param(1).and_then(|count| count.parse().ok()).filter(|count| *count > 0).unwrap_or(GONE_MAX);
        let mut is_known = false;
        for gone in self.past.0.iter().filter(|gone| same(&gone.nick, asked)).take(count) {
            is_known = true;
            let line = turn.numeric(RPL_WHOWASUSER, nick).param(&gone.nick).param(&gone.user).param(&gone.host);
            line.param("*").last(&gone.real).end();
            let line = turn.numeric(RPL_WHOISSERVER, nick).param(&gone.nick).param(&self.name);
            line.last(&date(gone.at_ms)).end();
        }
        if !is_known {
            turn.numeric(ERR_WASNOSUCHNICK, nick).param(asked).last("There was no such nickname").end();
        }
        turn.numeric(RPL_ENDOFWHOWAS, nick).param(asked).last("End of WHOWAS").end();
    }

    /// Remembers somebody who goes, or who has another nick now.
    pub(super) fn remember(&mut self, who: Key, nick: &str, at_ms: u64) {
        let member = &self.members[who];
        let gone = Gone {
            nick: nick.into(),
            user: member.user().into(),
            host: member.host().into(),
            real: member.real.clone(),
            at_ms,
        };
        self.past.0.truncate(GONE_MAX - 1);
        self.past.0.push_front(gone);
    }
}
