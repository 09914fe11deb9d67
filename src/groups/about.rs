//! What the server says of itself: LUSERS, MOTD.

use super::Groups;
use super::numerics::*;
use super::table::Key;
use super::turn::Turn;
use crate::wire::irc::{Line, write_time};

impl Groups {
    /// LUSERS.
    pub(super) fn lusers(&mut self, me: Key, _: &Line<'_>, turn: &mut Turn<'_>) {
        self.say_lusers(me, turn);
    }

    pub(super) fn say_lusers(&self, me: Key, turn: &mut Turn<'_>) {
        let nick = self.members[me].nick();
        let counts = &self.counts;
        let (all, unknown) = (counts.members, self.members.len() - counts.members);
        let seen = all - counts.invisible;
        let text = format!("There are {seen} users and {} invisible on 1 servers", counts.invisible);
        turn.numeric(RPL_LUSERCLIENT, nick).last(&text).end();
        for (code, count, text) in [
            (RPL_LUSEROP, counts.opers, "operator(s) online"),
            (RPL_LUSERUNKNOWN, unknown, "unknown connection(s)"),
            (RPL_LUSERCHANNELS, self.rooms.len(), "channels formed"),
        ] {
            if count > 0 {
                turn.numeric(code, nick).param(&count.to_string()).last(text).end();
            }
        }
        turn.numeric(RPL_LUSERME, nick).last(&format!("I have {all} clients and 0 servers")).end();
        let (now, most) = (all.to_string(), counts.most.to_string());
        for (code, what) in [(RPL_LOCALUSERS, "local"), (RPL_GLOBALUSERS, "global")] {
            let text = format!("Current {what} users {now}, max {most}");
            turn.numeric(code, nick).param(&now).param(&most).last(&text).end();
        }
    }

    /// MOTD.
    pub(super) fn motd(&mut self, me: Key, line: &Line<'_>, turn: &mut Turn<'_>) {
        if self.is_for_other(me, line.param(0), turn) {
            return;
        }
        self.say_motd(me, turn);
    }

    pub(super) fn say_motd(&self, me: Key, turn: &mut Turn<'_>) {
        let nick = self.members[me].nick();
        if self.options.motd.is_empty() {
            return turn.numeric(ERR_NOMOTD, nick).last("MOTD File is missing").end();
        }
        let head = format!("- {} Message of the day - ", self.name);
        turn.numeric(RPL_MOTDSTART, nick).last(&head).end();
        for text in &self.options.motd {
            turn.numeric(RPL_MOTD, nick).last(&format!("- {text}")).end();
        }
        turn.numeric(RPL_ENDOFMOTD, nick).last("End of /MOTD command.").end();
    }

    /// Whether a question is for another server than this one, which does not exist.
    pub(super) fn is_for_other(&self, me: Key, server: Option<&str>, turn: &mut Turn<'_>) -> bool {
        let Some(server) = server else { return false };
        let is_here = crate::wire::irc::matches(server, &self.name) || self.members.by_nick(server).is_some();
        if !is_here {
            turn.numeric(ERR_NOSUCHSERVER, self.members[me].nick()).param(server).last("No such server").end();
        }
        !is_here
    }
}

/// A moment as people read it, `2026-11-20 11:42:22 UTC`; milliseconds since 1970.
pub fn date(ms: u64) -> String {
    let mut bytes = Vec::new();
    write_time(ms, &mut bytes);
    let text = String::from_utf8(bytes).unwrap_or_default();
    text.replace('T', " ").split('.').next().map(|text| format!("{text} UTC")).unwrap_or_default()
}
