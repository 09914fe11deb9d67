//! Groups: members of a server, what they say to each other, and where. IRC, as the "Modern IRC client protocol"
//! describes it, with IRCv3; one sans-IO machine for all connections of the group protocol.
//!
//! A member (`member`) sits in groups (`group`). Its bytes are cut into lines and paced (`pace`), each line finds
//! its handler (`verbs`), the answers to the one who spoke are gathered and labelled (`turn`), and what others
//! hear is encoded once for each way of writing its tags (`event`).
//!
//! **To add a command**: a row in `verbs`, and a handler `fn(&mut self, me: Key, line: &Line, turn: &mut Turn)` in a
//! file of its duty. It answers with `Turn::numeric`, `Turn::server` or `Groups::fail`, and tells others by
//! `Groups::tell`, `Groups::tell_group` and `Groups::tell_neighbours`. **To add a capability**: a bit and a row
//! in `caps`; ask `member.caps.has(…)`, or in a group `seat.caps.has(…)`. **To hear of members**: the hooks
//! `Groups::came`, `Groups::renamed` and `Groups::went` in `hooks` are called at the end of a login, after a
//! change of nick, and before a member is forgotten.

mod about;
mod caps;
mod chathistory;
mod discovery;
mod event;
mod gate;
mod group;
mod help;
mod history;
mod hooks;
mod identity;
mod idle;
mod ids;
mod inviting;
mod isupport;
mod joining;
mod kept_file;
mod leaving;
mod list;
mod lists;
mod member;
mod modes;
mod monitor;
mod names;
mod numerics;
mod opers;
mod options;
mod owners;
mod pace;
mod passwords;
mod presence;
mod record;
mod registration;
mod ring;
mod table;
mod talk;
mod topic;
mod turn;
mod user_modes;
mod verbs;
mod waiting;
mod who;
mod whois;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

use self::discovery::Swarms;
pub use self::gate::FILE;
use self::gate::Gate;
pub use self::history::FILE_MAX;
use self::history::Recent;
use self::hooks::Counts;
use self::identity::Identities;
use self::ids::MsgId;
use self::member::Member;
use self::monitor::Watches;
pub use self::options::{Kept, Options};
use self::passwords::Passwords;
use self::table::{Key, Members, Rooms};
use self::turn::Turn;
use self::whois::Past;
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
    /// Bytes of members that are not lines yet, or may not be said yet.
    kept_len: usize,
    swept_at: Time,
    last_id: MsgId,
    ids: Identities,
    swarms: Swarms,
    gate: Gate,
    /// Bytes of all rings.
    history_len: usize,
    /// When it was last looked for what has grown old; milliseconds since 1970.
    aged_ms: u64,
    recent: Recent,
    watches: Watches,
    past: Past,
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
            kept_len: 0,
            swept_at: Time::ZERO,
            last_id: MsgId::default(),
            ids: Identities::default(),
            swarms: Swarms::default(),
            gate: Gate::new(options.history.is_some()),
            history_len: 0,
            aged_ms: 0,
            recent: Recent::default(),
            watches: Watches::default(),
            past: Past::default(),
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
        completion.id().is_some_and(|id| self.gate.waits_for(id) || self.ids.waits_for(id))
    }

    /// Nothing is left to save.
    pub fn is_stopped(&self) -> bool {
        self.is_stopped && self.gate.is_quiet() && self.ids.is_quiet()
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
            Closed::Unreachable | Closed::Error | Closed::NoDescriptor | Closed::Untrusted => "Connection lost",
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
        self.kept_len = 0;
        self.members = Members::new(self.options.secret);
        self.rooms = Rooms::default();
        self.counts = Counts::default();
        self.watches = Watches::default();
        self.history_len = 0;
        self.gate.flush(None, now, out);
    }

    /// Whether a job was that of the history; then what it held is let go.
    fn written(&mut self, completion: &Completion, now: Time, out: &mut Outbox) -> bool {
        let (Completion::Appended { id, result } | Completion::FileSaved { id, result }) = completion else {
            return false;
        };
        let is_ours = self.gate.written(*id, result, out);
        if is_ours {
            self.append(now, out);
        }
        is_ours
    }
}

impl Machine for Groups {
    fn handle(&mut self, now: Time, input: Input<'_>, out: &mut Outbox) {
        if let Input::Completed(completion) = &input
            && self.written(completion, now, out)
        {
            // What is let go now was held long enough.
            return;
        }
        let before = out.commands.len();
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
                self.append(now, out);
                self.age(now, out.wall_ms);
                self.release(now, out);
                self.close_late(now, out);
                self.sweep(now, out);
                self.ids.on_deadline(now, out);
                self.swarms_deadline(now, out);
            }
            Input::Note(Note::Listening { .. }) => {
                self.ids.load(out);
                self.settle(now, out);
            }
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
        self.gate.hold(before, out);
    }

    fn next_deadline(&self) -> Option<Time> {
        let throttled = self.throttled.first().map(|(due, ..)| *due);
        let files = [self.gate.next_deadline(), self.ids.next_deadline(), self.swarms.next_deadline()];
        let own = [throttled, self.next_sweep(), self.next_leave()];
        own.into_iter().chain(files).flatten().min()
    }

    fn appetite(&self, _: ConnId, _: &Pool) -> usize {
        if self.gate.is_full() { 0 } else { READ_LEN }
    }

    fn check(&self) {
        self.members.check();
        let kept: usize = self.members.iter().map(|(_, member)| member.stream.kept()).sum();
        assert_eq!(self.kept_len, kept, "bytes that are no lines yet");
        self.ids.check();
        self.swarms.check();
        self.rooms.check();
        for (key, group) in self.rooms.iter() {
            group.ring.check();
            assert!(!group.seats().is_empty() || group.is_recorded, "a group that nobody needs");
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
        self.gate.check();
        self.watches.check();
        assert_eq!(
            self.history_len,
            self.rooms.iter().map(|(_, group)| group.ring.len()).sum::<usize>(),
            "bytes kept"
        );
    }
}

#[cfg(test)]
mod tests;
