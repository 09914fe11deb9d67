//! Questions about the server itself: VERSION, TIME, INFO, HELP.

use super::Groups;
use super::about::date;
use super::isupport::VERSION;
use super::numerics::*;
use super::table::Key;
use super::turn::Turn;
use crate::wire::irc::Line;

/// What HELP says of each topic, the first of all.
const TOPICS: &[(&str, &[&str])] = &[
    (
        "",
        &[
            "This is a peerlink server: groups of people who talk and share.",
            "JOIN #group, PRIVMSG #group :text, PART #group, LIST, NAMES #group, TOPIC #group.",
            "HELP JOIN, HELP MODE, HELP HISTORY and HELP OPER tell more.",
        ],
    ),
    (
        "JOIN",
        &[
            "JOIN #group [key]: enters a group, or makes it. Who makes it is its operator.",
            "A group in which something was said keeps its name, key and topic when all have left.",
            "One where only the invited may come in (+i) ends with its last member.",
        ],
    ),
    (
        "MODE",
        &[
            "MODE #group +o nick, +v nick: operator, voice. +m: only they may speak. +n: only members may.",
            "+t: only operators set the topic. +k key, +l number, +i: who may come in. +s: not listed.",
            "+b mask: bans. +e mask: exceptions from bans. +I mask: exceptions from +i.",
            "MODE nick +i: not listed. MODE nick +B: a program.",
        ],
    ),
    (
        "HISTORY",
        &[
            "CHATHISTORY LATEST #group * 50: the last messages. BEFORE, AFTER and AROUND take msgid=... or timestamp=...",
            "CHATHISTORY TARGETS timestamp=... timestamp=... 50: groups in which something was said.",
        ],
    ),
    ("OPER", &["OPER name password, then KILL nick :why, WALLOPS :text, and all that operators of groups may."]),
];

impl Groups {
    /// VERSION.
    pub(super) fn version(&mut self, me: Key, line: &Line<'_>, turn: &mut Turn<'_>) {
        if self.is_for_other(me, line.param(0), turn) {
            return;
        }
        let nick = self.members[me].nick();
        turn.numeric(RPL_VERSION, nick).param(VERSION).param(&self.name).last("a meeting point for groups").end();
        self.say_isupport(me, turn);
    }

    /// TIME.
    pub(super) fn time(&mut self, me: Key, line: &Line<'_>, turn: &mut Turn<'_>) {
        if self.is_for_other(me, line.param(0), turn) {
            return;
        }
        let now_s = (turn.wall_ms / 1000).to_string();
        let text = date(turn.wall_ms);
        let line = turn.numeric(RPL_TIME, self.members[me].nick()).param(&self.name).param(&now_s).param("0");
        line.last(&text).end();
    }

    /// INFO.
    pub(super) fn info(&mut self, me: Key, line: &Line<'_>, turn: &mut Turn<'_>) {
        if self.is_for_other(me, line.param(0), turn) {
            return;
        }
        let nick = self.members[me].nick();
        let began = format!("It has run since {}.", date(self.began_ms));
        for text in [VERSION, "The meeting point of a group: tracker, discovery, chat, index of torrents.", &began] {
            turn.numeric(RPL_INFO, nick).last(text).end();
        }
        turn.numeric(RPL_ENDOFINFO, nick).last("End of INFO list").end();
    }

    /// HELP.
    pub(super) fn help(&mut self, me: Key, line: &Line<'_>, turn: &mut Turn<'_>) {
        let nick = self.members[me].nick();
        let asked = line.param(0).unwrap_or_default();
        let shown = if asked.is_empty() { "*" } else { asked };
        let Some((_, texts)) = TOPICS.iter().find(|(topic, _)| topic.eq_ignore_ascii_case(asked)) else {
            return turn.numeric(ERR_HELPNOTFOUND, nick).param(shown).last("No help available on this topic").end();
        };
        for (at, text) in texts.iter().enumerate() {
            let code = if at == 0 { RPL_HELPSTART } else { RPL_HELPTXT };
            turn.numeric(code, nick).param(shown).last(text).end();
        }
        turn.numeric(RPL_ENDOFHELP, nick).param(shown).last("End of help").end();
    }
}
