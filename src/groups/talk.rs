//! Messages: PRIVMSG, NOTICE, TAGMSG, to groups, to their operators, and to people.

use super::Groups;
use super::caps::Caps;
use super::event::Event;
use super::isupport::TARGETS_MAX;
use super::numerics::*;
use super::table::{GroupKey, Key};
use super::turn::Turn;
use crate::wire::irc::{LINE_LEN, Line};

/// What kind of message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Privmsg,
    /// Never answered by programs, so errors are not told either.
    Notice,
    /// Tags alone.
    Tagmsg,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Privmsg => "PRIVMSG",
            Kind::Notice => "NOTICE",
            Kind::Tagmsg => "TAGMSG",
        }
    }
}

impl Groups {
    pub(super) fn privmsg(&mut self, me: Key, line: &Line<'_>, turn: &mut Turn<'_>) {
        self.message(me, line, Kind::Privmsg, turn);
    }

    pub(super) fn notice(&mut self, me: Key, line: &Line<'_>, turn: &mut Turn<'_>) {
        self.message(me, line, Kind::Notice, turn);
    }

    pub(super) fn tagmsg(&mut self, me: Key, line: &Line<'_>, turn: &mut Turn<'_>) {
        self.message(me, line, Kind::Tagmsg, turn);
    }

    fn message(&mut self, me: Key, line: &Line<'_>, kind: Kind, turn: &mut Turn<'_>) {
        let nick = self.members[me].nick();
        let Some(targets) = line.param(0) else {
            if kind != Kind::Notice {
                let text = format!("No recipient given ({})", kind.name());
                turn.numeric(ERR_NORECIPIENT, nick).last(&text).end();
            }
            return;
        };
        let text = line.param(1);
        if kind != Kind::Tagmsg && text.is_none() {
            if kind == Kind::Privmsg {
                turn.numeric(ERR_NOTEXTTOSEND, nick).last("No text to send").end();
            }
            return;
        }
        // Without the capability nobody means such a line, and nobody else could have written tags.
        if kind == Kind::Tagmsg && !self.members[me].caps.has(Caps::MESSAGE_TAGS) {
            return turn.numeric(ERR_UNKNOWNCOMMAND, nick).param("TAGMSG").last("Unknown command").end();
        }
        self.members[me].spoke_at = turn.now;
        for (at, target) in targets.split(',').filter(|target| !target.is_empty()).enumerate() {
            if at == TARGETS_MAX {
                let nick = self.members[me].nick();
                return turn.numeric(ERR_TOOMANYTARGETS, nick).param(target).last("Too many targets").end();
            }
            self.message_to(me, target, text, line, kind, turn);
        }
    }

    fn message_to(
        &mut self,
        me: Key,
        target: &str,
        text: Option<&str>,
        line: &Line<'_>,
        kind: Kind,
        turn: &mut Turn<'_>,
    ) {
        let name = target.trim_start_matches(['@', '+']);
        if name.starts_with('#') {
            let Some(group) = self.rooms.find(name) else {
                return self.refuse(me, kind, ERR_NOSUCHCHANNEL, target, "No such channel", turn);
            };
            if let Some(why) = self.silences(me, group) {
                return self.refuse(me, kind, ERR_CANNOTSENDTOCHAN, target, why, turn);
            }
            let signs = &target[..target.len() - name.len()];
            let shown = format!("{signs}{}", self.rooms[group].name);
            let own_id = if kind == Kind::Tagmsg { None } else { self.named(&shown, line) };
            if let Some(event) = self.said_before(Some(group), own_id) {
                return self.echo(me, &event, kind, turn);
            }
            let Some(event) = self.write_message(me, &shown, text, line, kind, turn) else { return };
            let (to_voices, to_ops) = (signs.contains('+'), signs.contains('@'));
            let tags_only = kind == Kind::Tagmsg;
            let wants = |seat: &super::group::Seat| {
                let is_meant = signs.is_empty() || seat.rank.is_op || (to_voices && !to_ops && seat.rank.has_voice);
                is_meant && (!tags_only || seat.caps.has(Caps::MESSAGE_TAGS))
            };
            if kind != Kind::Tagmsg && signs.is_empty() {
                self.keep(group, own_id, &event, turn);
            }
            self.tell_group(group, &event, me, wants, turn);
            self.echo(me, &event, kind, turn);
            return;
        }
        let Some(other) = self.members.by_nick(target) else {
            let event =
                |groups: &mut Groups, turn: &mut Turn<'_>| groups.write_message(me, target, text, line, kind, turn);
            if kind == Kind::Privmsg && self.leave_message(me, target, event, line, turn) {
                return;
            }
            return self.refuse(me, kind, ERR_NOSUCHNICK, target, "No such nick/channel", turn);
        };
        let shown = self.members[other].nick().to_string();
        let own_id = if kind == Kind::Tagmsg { None } else { self.named(&shown, line) };
        if let Some(event) = self.said_before(None, own_id) {
            return self.echo(me, &event, kind, turn);
        }
        let Some(event) = self.write_message(me, &shown, text, line, kind, turn) else { return };
        if kind != Kind::Tagmsg || self.members[other].caps.has(Caps::MESSAGE_TAGS) {
            self.tell(other, me, &event, turn);
        }
        self.remember_private(own_id, &event);
        self.echo(me, &event, kind, turn);
        if kind == Kind::Privmsg
            && let Some(away) = &self.members[other].away
        {
            turn.numeric(RPL_AWAY, self.members[me].nick()).param(&shown).last(away).end();
        }
    }

    /// The line that others get; None where it would be longer than lines may be, which the member is told.
    fn write_message(
        &mut self,
        me: Key,
        target: &str,
        text: Option<&str>,
        line: &Line<'_>,
        kind: Kind,
        turn: &mut Turn<'_>,
    ) -> Option<Event> {
        let member = &self.members[me];
        let client_tags = line.tags.written().filter(|tag| tag.starts_with('+'));
        self.last_id = self.last_id.next(turn.wall_ms);
        let event = Event::message(turn.wall_ms, self.last_id, member.modes.is_bot, client_tags, |line| {
            let line = line.source(member.mask()).command(kind.name()).param(target);
            match text {
                Some(text) => line.last(text).end(),
                None => line.end(),
            }
        });
        if event.body_len() > LINE_LEN {
            let more = event.body_len() - LINE_LEN;
            let text = format!("The message is {more} bytes longer than can be passed on; it was not sent");
            turn.numeric(ERR_INPUTTOOLONG, member.nick()).last(&text).end();
            return None;
        }
        Some(event)
    }

    /// Who asked for it gets its own message back, as others get it.
    fn echo(&self, me: Key, event: &Event, kind: Kind, turn: &mut Turn<'_>) {
        let caps = self.members[me].caps;
        if caps.has(Caps::ECHO_MESSAGE) && (kind != Kind::Tagmsg || caps.has(Caps::MESSAGE_TAGS)) {
            event.write(caps, "", turn.replies());
        }
    }

    /// Why a member may not speak in a group, if so.
    fn silences(&self, me: Key, group: GroupKey) -> Option<&'static str> {
        let group = &self.rooms[group];
        let seat = group.seat(me);
        if seat.is_none() && group.modes.no_outside {
            return Some("Cannot send to channel (+n): you are not in it");
        }
        if seat.is_some_and(|seat| seat.rank.is_op || seat.rank.has_voice) {
            return None;
        }
        if group.modes.moderated {
            return Some("Cannot send to channel (+m)");
        }
        let is_banned = !group.lists.bans.is_empty() && group.lists.keep_out(self.members[me].mask());
        is_banned.then_some("Cannot send to channel (+b)")
    }

    fn refuse(&self, me: Key, kind: Kind, code: u16, target: &str, text: &str, turn: &mut Turn<'_>) {
        if kind != Kind::Notice {
            turn.numeric(code, self.members[me].nick()).param(target).last(text).end();
        }
    }
}
