//! Capabilities (IRCv3 capability negotiation, version 302): which there are, and CAP. To add one: a bit, and a row in
//! [`OFFERED`].

use super::Groups;
use super::numerics::ERR_INVALIDCAPCMD;
use super::table::Key;
use super::turn::Turn;
use crate::wire::irc::Line;

/// A set of capabilities.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Caps(u32);

impl Caps {
    pub const MESSAGE_TAGS: Caps = Caps(1);
    pub const SERVER_TIME: Caps = Caps(1 << 1);
    pub const BATCH: Caps = Caps(1 << 2);
    pub const ECHO_MESSAGE: Caps = Caps(1 << 3);
    pub const LABELED_RESPONSE: Caps = Caps(1 << 4);
    pub const STANDARD_REPLIES: Caps = Caps(1 << 5);
    pub const MULTI_PREFIX: Caps = Caps(1 << 6);
    pub const EXTENDED_JOIN: Caps = Caps(1 << 7);
    pub const AWAY_NOTIFY: Caps = Caps(1 << 8);
    pub const INVITE_NOTIFY: Caps = Caps(1 << 9);
    pub const SETNAME: Caps = Caps(1 << 10);
    pub const CAP_NOTIFY: Caps = Caps(1 << 11);
    pub const CHATHISTORY: Caps = Caps(1 << 12);
    pub const NO_IMPLICIT_NAMES: Caps = Caps(1 << 13);
    pub const USERHOST_IN_NAMES: Caps = Caps(1 << 14);
    pub const PEERLINK_ID: Caps = Caps(1 << 15);
    pub const PEERLINK_PEERS: Caps = Caps(1 << 16);

    pub const fn has(self, other: Caps) -> bool {
        self.0 & other.0 == other.0
    }

    pub const fn with(self, other: Caps) -> Caps {
        Caps(self.0 | other.0)
    }

    pub const fn without(self, other: Caps) -> Caps {
        Caps(self.0 & !other.0)
    }

    /// Which of the four ways to write a message's tags it takes: bit 0 for its time, bit 1 for the others.
    pub const fn variant(self) -> usize {
        (self.has(Caps::SERVER_TIME) as usize) | (self.has(Caps::MESSAGE_TAGS) as usize) << 1
    }
}

/// What a server offers: the capability, its name, and its value for those who said 302.
pub const OFFERED: [(Caps, &str, &str); 18] = [
    (Caps::AWAY_NOTIFY, "away-notify", ""),
    (Caps::BATCH, "batch", ""),
    (Caps::CAP_NOTIFY, "cap-notify", ""),
    (Caps::CHATHISTORY, "draft/chathistory", ""),
    (Caps::NO_IMPLICIT_NAMES, "draft/no-implicit-names", ""),
    (Caps::ECHO_MESSAGE, "echo-message", ""),
    (Caps::EXTENDED_JOIN, "extended-join", ""),
    (Caps::INVITE_NOTIFY, "invite-notify", ""),
    (Caps::LABELED_RESPONSE, "labeled-response", ""),
    (Caps::MESSAGE_TAGS, "message-tags", ""),
    (Caps::MULTI_PREFIX, "multi-prefix", ""),
    (Caps::NO_IMPLICIT_NAMES, "no-implicit-names", ""),
    (Caps::PEERLINK_ID, "peerlink/id", ""),
    (Caps::PEERLINK_PEERS, "peerlink/peers", ""),
    (Caps::SERVER_TIME, "server-time", ""),
    (Caps::SETNAME, "setname", ""),
    (Caps::STANDARD_REPLIES, "standard-replies", ""),
    (Caps::USERHOST_IN_NAMES, "userhost-in-names", ""),
];

/// Bytes of names on one line of a list.
const LIST_LEN: usize = 400;

impl Groups {
    /// CAP, before and after registration.
    pub(super) fn cap(&mut self, me: Key, line: &Line<'_>, turn: &mut Turn<'_>) {
        let sub = line.param(0).unwrap_or_default().to_ascii_uppercase();
        match sub.as_str() {
            "LS" => {
                let member = &mut self.members[me];
                member.steps.is_negotiating |= !member.steps.is_in;
                if line.param(1).and_then(|version| version.parse::<u32>().ok()).is_some_and(|version| version >= 302)
                {
                    member.is_cap_302 = true;
                    member.caps = member.caps.with(Caps::CAP_NOTIFY);
                }
                let has_values = member.is_cap_302;
                let written = self.offered().map(|(_, name, value)| match value {
                    value if has_values && !value.is_empty() => format!("{name}={value}"),
                    _ => name.to_string(),
                });
                let written: Vec<String> = written.collect();
                self.list_caps(me, "LS", &written, turn);
            }
            "LIST" => {
                let caps = self.members[me].caps;
                let have = self.offered().filter(|(cap, ..)| caps.has(*cap)).map(|(_, name, _)| name.to_string());
                let have: Vec<String> = have.collect();
                self.list_caps(me, "LIST", &have, turn);
            }
            "REQ" => self.request_caps(me, line.param(1).unwrap_or_default(), turn),
            "END" => {
                self.members[me].steps.is_negotiating = false;
                self.try_register(me, turn);
            }
            _ => {
                let shown = line.param(0).unwrap_or("*");
                let reply = turn.numeric(ERR_INVALIDCAPCMD, self.members[me].nick());
                reply.param(shown).last("Invalid CAP command").end();
            }
        }
    }

    /// What this server offers, as it is set up.
    fn offered(&self) -> impl Iterator<Item = (Caps, &'static str, String)> {
        let has_history = self.options.history.is_some();
        let rows = OFFERED.into_iter().filter(move |(cap, ..)| has_history || *cap != Caps::CHATHISTORY);
        rows.map(|(cap, name, value)| (cap, name, value.to_string()))
    }

    /// A list in as many lines as it needs; all but the last have a star, for those who know of it.
    fn list_caps(&mut self, me: Key, sub: &str, names: &[String], turn: &mut Turn<'_>) {
        let member = &self.members[me];
        let mut text = String::new();
        for name in names {
            if text.len() + name.len() > LIST_LEN && member.is_cap_302 {
                turn.server("CAP").param(member.nick()).param(sub).param("*").last(&text).end();
                text.clear();
            }
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(name);
        }
        turn.server("CAP").param(member.nick()).param(sub).last(&text).end();
    }

    /// All of a request is done, or nothing.
    fn request_caps(&mut self, me: Key, wanted: &str, turn: &mut Turn<'_>) {
        let member = &self.members[me];
        let mut caps = member.caps;
        let mut is_known = true;
        for word in wanted.split(' ').filter(|word| !word.is_empty()) {
            let (name, is_on) = word.strip_prefix('-').map_or((word, true), |name| (name, false));
            match self.offered().find(|(_, offered, _)| *offered == name) {
                Some((cap, ..)) if is_on => caps = caps.with(cap),
                // It belongs to version 302 and cannot be had without.
                Some((cap, ..)) if !(cap == Caps::CAP_NOTIFY && member.is_cap_302) => caps = caps.without(cap),
                _ => is_known = false,
            }
        }
        let word = if is_known { "ACK" } else { "NAK" };
        turn.server("CAP").param(member.nick()).param(word).last(wanted).end();
        let member = &mut self.members[me];
        member.steps.is_negotiating |= !member.steps.is_in;
        if is_known {
            self.set_caps(me, caps);
            if caps.has(Caps::PEERLINK_ID) {
                self.greet_key(me, turn);
            }
        }
    }

    /// Seats know what their member takes.
    fn set_caps(&mut self, me: Key, caps: Caps) {
        let member = &mut self.members[me];
        member.caps = caps;
        for group in &member.groups {
            if let Some(seat) = self.rooms[*group].seat_mut(me) {
                seat.caps = caps;
            }
        }
    }
}
