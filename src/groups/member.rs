//! A member: one connection and the person behind it. Small, since most are idle.

use std::net::IpAddr;

use super::caps::Caps;
use super::discovery::Sharing;
use super::identity::Login;
use super::table::GroupKey;
use crate::base::{ConnId, Time};
use crate::wire::irc::Stream;

/// What is still missing before somebody is a member; what of it is here.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Steps {
    pub has_nick: bool,
    pub has_user: bool,
    /// CAP negotiation is under way.
    pub is_negotiating: bool,
    /// The server's password was given.
    pub has_password: bool,
    /// Nothing is missing: the welcome was said.
    pub is_in: bool,
}

/// Modes of a person.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct UserModes {
    /// `i`: not named to those who share no group.
    pub is_invisible: bool,
    /// `o`
    pub is_oper: bool,
    /// `B`
    pub is_bot: bool,
}

/// A connection of the group protocol.
#[derive(Debug)]
pub struct Member {
    pub conn: ConnId,
    pub remote: IpAddr,
    /// `nick!user@host`; what is not known yet is `*`.
    mask: Box<str>,
    nick_len: u8,
    pub real: Box<str>,
    pub away: Option<Box<str>>,
    /// Of those with the capability `peerlink/id`.
    pub login: Option<Box<Login>>,
    /// Of those that are peers (`peerlink/peers`).
    pub sharing: Option<Box<Sharing>>,
    /// A nick that belongs to a key that was not shown yet, while capabilities are negotiated.
    pub claimed: Option<Box<str>>,
    pub steps: Steps,
    pub modes: UserModes,
    /// `CAP LS 302` was said: new capabilities may be told with values.
    pub is_cap_302: bool,
    /// A PING was sent since anything was heard.
    pub is_pinged: bool,
    /// It said too much: not read until its rate allows.
    pub is_throttled: bool,
    /// It was sent much: not read until that has left.
    pub is_owing: bool,
    pub caps: Caps,
    pub groups: Vec<GroupKey>,
    pub stream: Stream,
    /// When the long-run rate of its lines would allow the next one; behind now while it is quiet.
    pub paced_at: Time,
    pub heard_at: Time,
    /// When it last spoke to others.
    pub spoke_at: Time,
    /// Seconds since 1970.
    pub since_s: u64,
    /// Wrong passwords of an operator that it tried.
    pub wrong_tries: u8,
}

impl Member {
    /// Somebody who has said nothing yet.
    pub fn new(conn: ConnId, remote: IpAddr, now: Time, wall_ms: u64) -> Member {
        Member {
            conn,
            remote,
            mask: "*!*@*".into(),
            nick_len: 1,
            real: "".into(),
            away: None,
            login: None,
            sharing: None,
            claimed: None,
            steps: Steps::default(),
            modes: UserModes::default(),
            is_cap_302: false,
            is_pinged: false,
            is_throttled: false,
            is_owing: false,
            caps: Caps::default(),
            groups: Vec::new(),
            stream: Stream::of_client(),
            paced_at: now,
            heard_at: now,
            spoke_at: now,
            since_s: wall_ms / 1000,
            wrong_tries: 0,
        }
    }

    /// The nick, or `*` before there is one.
    pub fn nick(&self) -> &str {
        &self.mask[..usize::from(self.nick_len)]
    }

    /// `nick!user@host`.
    pub fn mask(&self) -> &str {
        &self.mask
    }

    pub fn user(&self) -> &str {
        let rest = &self.mask[usize::from(self.nick_len) + 1..];
        rest.split_once('@').map_or(rest, |(user, _)| user)
    }

    pub fn host(&self) -> &str {
        self.mask.rsplit_once('@').map_or("", |(_, host)| host)
    }

    pub fn set_nick(&mut self, nick: &str) {
        self.mask = names(nick, self.user(), self.remote);
        // Nicks are at most 32 bytes long.
        self.nick_len = u8::try_from(nick.len()).unwrap_or(0);
    }

    pub fn set_user(&mut self, user: &str) {
        self.mask = names(self.nick(), user, self.remote);
    }
}

/// The shown host is the address: who shares with BitTorrent shows it anyway.
fn names(nick: &str, user: &str, remote: IpAddr) -> Box<str> {
    let address = remote.to_string();
    // A parameter cannot begin with a colon.
    let zero = if address.starts_with(':') { "0" } else { "" };
    format!("{nick}!{user}@{zero}{address}").into()
}
