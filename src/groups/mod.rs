//! Groups: members of a server, what they say to each other, and where. IRC, as the "Modern IRC client protocol"
//! describes it, with IRCv3; one sans-IO machine for all connections of the group protocol.
//!
//! A member ([`member`]) sits in groups ([`group`]). Its bytes are cut into lines and paced ([`pace`]), each line finds
//! its handler ([`verbs`]), the answers to the one who spoke are gathered and labelled ([`turn`]), and what others
//! hear is encoded once for each way of writing its tags ([`event`]).
//!
//! **To add a command**: a row in [`verbs`], and a handler `fn(&mut self, me: Key, line: &Line, turn: &mut Turn)` in a
//! file of its duty. It answers with [`Turn::numeric`], [`Turn::server`] or [`Groups::fail`], and tells others by
//! [`Groups::tell`], [`Groups::tell_group`] and [`Groups::tell_neighbours`]. **To add a capability**: a bit and a row
//! in [`caps`]; ask `member.caps.has(…)`, or in a group `seat.caps.has(…)`. **To hear of members**: the hooks
//! [`Groups::came`], [`Groups::renamed`] and [`Groups::went`] in [`hooks`] are called at the end of a login, after a
//! change of nick, and before a member is forgotten.

// Until all commands are there.
#![allow(dead_code)]

mod about;
mod caps;
mod discovery;
mod event;
mod group;
mod hooks;
mod identity;
mod idle;
mod ids;
mod isupport;
mod joining;
mod kept_file;
mod leaving;
mod lists;
mod member;
mod modes;
mod names;
mod numerics;
mod options;
mod owners;
mod pace;
mod passwords;
mod registration;
mod table;
mod talk;
mod topic;
mod turn;
mod user_modes;
mod verbs;
mod waiting;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

use self::discovery::Swarms;
use self::hooks::Counts;
use self::identity::Identities;
use self::ids::MsgId;
use self::member::Member;
pub use self::options::{Kept, Options};
use self::passwords::Passwords;
use self::table::{Key, Members, Rooms};
use self::turn::Turn;
use crate::base::address::unmapped;
use crate::base::{ConnId, Pool, Time};
use crate::machine::{Closed, Completion, Input, Machine, Note, Outbox};

/// Groups at once, those that live on in their history included.
const GROUPS_MAX: usize = 10_000;
/// Bytes read of a member at once: a few lines.
const READ_LEN: usize = 8 * 1024;

/// All members and groups of a server.
#[derive(Debug)]
pub struct Groups {
    options: Options,
    name: Arc<str>,
    passwords: Passwords,
    /// Milliseconds since 1970.
    began_ms: u64,
    members: Members,
    rooms: Rooms,
    counts: Counts,
    /// Connections that have been told why they end, and when they are closed at the latest.
    leaving: BTreeMap<ConnId, Time>,
    /// Who is not read until this moment.
    throttled: BTreeSet<(Time, Key, ConnId)>,
    swept_at: Time,
    last_id: MsgId,
    ids: Identities,
    swarms: Swarms,
    is_stopped: bool,
}

impl Groups {
    pub fn new(options: Options) -> Groups {
        Groups {
            name: options.name.as_str().into(),
            passwords: Passwords::new(options.password.as_deref(), &options.opers),
            began_ms: 0,
            members: Members::new(options.secret),
            rooms: Rooms::default(),
            counts: Counts::default(),
            leaving: BTreeMap::new(),
            throttled: BTreeSet::new(),
            swept_at: Time::ZERO,
            last_id: MsgId::default(),
            ids: Identities::default(),
            swarms: Swarms::default(),
            is_stopped: false,
            options,
        }
    }

    /// Members now, connections that are none yet, and groups.
    pub fn numbers(&self) -> (usize, usize, usize) {
        let members = self.counts.members;
        (members, self.members.len() - members, self.rooms.len())
    }

    /// Whether it asked for what this job has brought.
    pub fn waits_for(&self, completion: &Completion) -> bool {
        completion.id().is_some_and(|id| self.ids.waits_for(id))
    }

    /// Nothing is left to save.
    pub fn is_stopped(&self) -> bool {
        self.is_stopped && self.ids.is_quiet()
    }

    fn enter(&mut self, conn: ConnId, remote: SocketAddr, now: Time, out: &mut Outbox) {
        if self.is_stopped {
            return out.close(conn);
        }
        if self.began_ms == 0 {
            self.began_ms = out.wall_ms;
        }
        self.members.insert(Member::new(conn, unmapped(remote.ip()), now, out.wall_ms));
    }

    fn received(&mut self, conn: ConnId, bytes: &[u8], now: Time, out: &mut Outbox) {
        // Of one that is leaving nothing counts any more.
        let Some(me) = self.members.by_conn(conn) else { return };
        let member = &mut self.members[me];
        member.heard_at = now;
        member.is_pinged = false;
        self.with_turn(conn, now, out, |groups, turn| groups.read(me, bytes, turn));
    }

    /// Does something for the member with this connection; what it is told is sent at the end.
    fn with_turn(&mut self, conn: ConnId, now: Time, out: &mut Outbox, act: impl FnOnce(&mut Groups, &mut Turn<'_>)) {
        let name = Arc::clone(&self.name);
        let mut turn = Turn::new(now, &name, conn, out);
        act(self, &mut turn);
        turn.send();
    }

    fn sent(&mut self, conn: ConnId, now: Time, out: &mut Outbox) {
        if self.leaving.remove(&conn).is_some() {
            // The last words have left; the other side's end comes when it has read them.
            self.leaving.insert(conn, now + leaving::LEAVE_TIMEOUT);
        } else if let Some(me) = self.members.by_conn(conn) {
            self.paid(me, now, out);
        }
    }

    fn closed(&mut self, conn: ConnId, reason: Closed, now: Time, out: &mut Outbox) {
        self.leaving.remove(&conn);
        let Some(who) = self.members.by_conn(conn) else { return };
        let text = match reason {
            Closed::ByPeer => "Connection closed",
            Closed::Overflow => "It did not read what it was sent",
            Closed::Unreachable | Closed::Error | Closed::NoDescriptor => "Connection lost",
        };
        self.with_turn(conn, now, out, |groups, turn| groups.vanish(who, text, turn));
    }

    fn stop(&mut self, now: Time, out: &mut Outbox) {
        self.is_stopped = true;
        self.ids.finish(now, out);
        let all: Vec<ConnId> = self.members.iter().map(|(_, member)| member.conn).collect();
        for conn in all {
            let line = b"ERROR :Closing link: the server is going down\r\n";
            out.send(conn, line.to_vec());
            out.close(conn);
        }
        self.leaving.keys().for_each(|conn| out.close(*conn));
        self.leaving.clear();
        self.throttled.clear();
        self.swarms = Swarms::default();
        self.members = Members::new(self.options.secret);
        self.rooms = Rooms::default();
        self.counts = Counts::default();
    }
}

impl Machine for Groups {
    fn handle(&mut self, now: Time, input: Input<'_>, out: &mut Outbox) {
        match input {
            Input::Accepted { conn, remote } => self.enter(conn, remote, now, out),
            Input::Received { conn, bytes } => self.received(conn, bytes, now, out),
            Input::Sent { conn, .. } => self.sent(conn, now, out),
            Input::Piled { conn, queued } => {
                if let Some(who) = self.members.by_conn(conn) {
                    self.with_turn(conn, now, out, |groups, turn| groups.stalled(who, queued, turn));
                }
            }
            Input::Closed { conn, reason } => self.closed(conn, reason, now, out),
            Input::Deadline => {
                self.release(now, out);
                self.close_late(now, out);
                self.sweep(now, out);
                self.ids.on_deadline(now, out);
                self.swarms_deadline(now, out);
            }
            Input::Note(Note::Listening { .. }) => self.ids.load(out),
            Input::Completed(completion) => self.file_ended(completion, now, out),
            Input::Note(Note::SwarmTold { conn, info_hash, peers }) => {
                self.swarm_told(conn, info_hash, peers, now, out);
            }
            Input::Note(Note::SwarmJoined { info_hash, peer, is_seed }) => {
                self.swarm_joined(info_hash, peer, is_seed, now, out);
            }
            Input::Stop => self.stop(now, out),
            _ => {}
        }
    }

    fn next_deadline(&self) -> Option<Time> {
        let throttled = self.throttled.first().map(|(due, ..)| *due);
        [throttled, self.next_sweep(), self.next_leave(), self.ids.next_deadline(), self.swarms.next_deadline()]
            .into_iter()
            .flatten()
            .min()
    }

    fn appetite(&self, _: ConnId, _: &Pool) -> usize {
        READ_LEN
    }

    fn check(&self) {
        self.members.check();
        self.ids.check();
        self.swarms.check();
        self.rooms.check();
        for (key, group) in self.rooms.iter() {
            for seat in group.seats() {
                let member = &self.members[seat.member];
                assert!(member.groups.contains(&key), "who sits in a group knows of it");
                assert_eq!((seat.conn, seat.caps), (member.conn, member.caps), "a seat knows its member");
            }
        }
        for (key, member) in self.members.iter() {
            assert!(member.groups.iter().all(|group| self.rooms[*group].has(key)), "who knows of a group sits in it");
        }
        self.counts.check(&self.members);
    }
}

#[cfg(test)]
mod tests;
