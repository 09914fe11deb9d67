//! The hallway: one process's machines. Routes connections, deadlines and notes between them; the only machine
//! that `io` drives.

pub mod bans;
mod begin;
mod blocklist;
mod by_hash;
mod callers;
mod control;
mod datagrams;
mod deal;
mod dht;
mod end;
mod front;
mod greetings;
mod hand;
mod lobby;
mod lsd;
mod meeting;
mod member;
mod notes;
mod numbers;
mod places;
mod portmap;
mod questions;
mod server;
mod sites;
mod work;

use std::collections::{BTreeMap, BTreeSet};

use self::bans::BanKeeper;
use self::blocklist::Blocklist;
use self::by_hash::ByHash;
pub use self::front::FrontOptions;
use self::greetings::Greetings;
use self::lobby::Lobby;
use self::places::Places;
use self::questions::Questions;
pub use self::server::Server;
use self::work::Work;
use crate::base::limits::READ_LEN;
use crate::base::{ConnId, InfoHash, JobId, PeerId, Pool, Span, StoreId, Time, TorrentId};
use crate::dht::Dht;
use crate::lsd::Lsd;
use crate::machine::{Completion, Input, Machine, Note, Outbox};
use crate::member::Member;
use crate::portmap::PortMap;
use crate::storage::Bans;
use crate::swarm::Us;

/// Who has a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Owner {
    /// It has not said yet what it wants.
    Lobby,
    Swarm(TorrentId),
    Server,
    /// The server whose groups we are in.
    Member,
    Groups,
}

pub struct Node {
    us: Us,
    torrents: BTreeMap<TorrentId, Work>,
    by_hash: ByHash,
    owners: BTreeMap<ConnId, Owner>,
    lobby: Lobby,
    places: Places,
    /// When somebody's turn comes to move payload under a rate limit.
    next_turn_at: Option<Time>,
    greetings: Greetings,
    server: Option<Box<Server>>,
    /// Who asked for a fetch or a look-up.
    jobs: BTreeMap<JobId, TorrentId>,
    /// Who asked UDP trackers.
    questions: Questions,
    dht: Option<Dht>,
    lsd: Option<Lsd>,
    port_map: Option<Box<PortMap>>,
    member: Option<Box<Member>>,
    /// Torrents of which the member's server is a tracker.
    server_tracks: BTreeSet<InfoHash>,
    /// The heap of deadlines, refreshed only for the machine just handled.
    deadlines: BTreeSet<(Time, TorrentId)>,
    deadline_of: BTreeMap<TorrentId, Time>,
    /// What earlier runs left, until the driver lends the list.
    remembered: Option<Bans>,
    bans: BanKeeper,
    blocklist: Blocklist,
    watch: Option<(Span, Time)>,
    /// Torrents that were told to end, and when they are looked at again.
    leaving: BTreeMap<TorrentId, Time>,
    /// Torrents that were told to rest.
    resting: BTreeSet<TorrentId>,
    /// Set by `Stop`: the end at the latest.
    stop_by: Option<Time>,
    is_stopped: bool,
}

impl Node {
    /// `peer_id` as BEP 20 describes; `key` for trackers, random.
    pub fn new(peer_id: PeerId, key: u32) -> Node {
        Node {
            us: Us { peer_id, port: 0, key, has_dht: false, has_server: false, has_proxy: false },
            torrents: BTreeMap::new(),
            by_hash: ByHash::default(),
            owners: BTreeMap::new(),
            lobby: Lobby::default(),
            places: Places::default(),
            next_turn_at: None,
            greetings: Greetings::default(),
            server: None,
            jobs: BTreeMap::new(),
            questions: Questions::default(),
            dht: None,
            lsd: None,
            port_map: None,
            member: None,
            server_tracks: BTreeSet::new(),
            deadlines: BTreeSet::new(),
            deadline_of: BTreeMap::new(),
            remembered: None,
            bans: BanKeeper::default(),
            blocklist: Blocklist::default(),
            watch: None,
            leaving: BTreeMap::new(),
            resting: BTreeSet::new(),
            stop_by: None,
            is_stopped: false,
        }
    }

    /// Most peers of all torrents together; fewer where descriptors are few.
    pub fn allow_connections(&mut self, max: usize) {
        self.places.allow(max);
    }

    /// The same, with what earlier runs know of liars.
    pub fn remember_bans(mut self, bans: Bans) -> Node {
        self.remembered = Some(bans);
        self
    }

    fn received(&mut self, conn: ConnId, bytes: &[u8], now: Time, out: &mut Outbox) {
        match self.owners.get(&conn) {
            Some(&Owner::Swarm(id)) => {
                self.greetings.end(conn);
                self.hand(id, now, Input::Received { conn, bytes }, out);
            }
            Some(Owner::Lobby) => self.received_in_lobby(conn, bytes, now, out),
            Some(Owner::Server) => self.received_by_server(conn, bytes, now, out),
            Some(Owner::Member) => self.hand_member(now, Input::Received { conn, bytes }, out),
            Some(Owner::Groups) => self.hand_groups(now, Input::Received { conn, bytes }, out),
            None => out.close(conn),
        }
    }

    fn completed(&mut self, completion: Completion, now: Time, out: &mut Outbox) {
        let is_members = |job| self.member.as_ref().is_some_and(|member| member.waits_for(job));
        if completion.id().is_some_and(is_members) {
            return self.hand_member(now, Input::Completed(completion), out);
        }
        if completion.id().is_some_and(|job| self.waits_for_gateway(job)) {
            return self.hand_port_map(now, Input::Completed(completion), out);
        }
        let id = match &completion {
            Completion::Fetched { id, .. } | Completion::Resolved { id, .. } => self.jobs.remove(id),
            Completion::Opened { store, .. }
            | Completion::Home { store, .. }
            | Completion::WriteFailed { store, .. }
            | Completion::Hashed { store, .. }
            | Completion::Digests { store, .. }
            | Completion::Read { store, .. }
            | Completion::Reserved { store, .. }
            | Completion::Saved { store, .. } => Some(store_owner(*store)),
            Completion::FileSaved { id, result } => {
                self.bans.saved(*id, result);
                None
            }
            Completion::Shelved { .. }
            | Completion::Recalled { .. }
            | Completion::FileLoaded { .. }
            | Completion::Space { .. }
            | Completion::Done { .. }
            | Completion::Network { .. }
            | Completion::Appended { .. } => None,
        };
        if let Some(id) = id {
            self.hand(id, now, Input::Completed(completion), out);
        } else if self.server.as_ref().is_some_and(|server| server.groups.waits_for(&completion)) {
            self.hand_groups(now, Input::Completed(completion), out);
        } else if self.server.as_ref().is_some_and(|server| server.sites.waits_for(&completion)) {
            self.with_server(now, out, |server, out| server.sites.completed(completion, now, out));
        } else {
            self.hand_dht(now, Input::Completed(completion), out);
        }
    }

    fn on_deadline(&mut self, now: Time, out: &mut Outbox) {
        while let Some(&(due, id)) = self.deadlines.first() {
            if due > now {
                break;
            }
            self.hand(id, now, Input::Deadline, out);
            if self.deadline_of.get(&id).is_some_and(|next| *next <= now) {
                break; // It asks for another turn at once; the loop gives others theirs first.
            }
        }
        if self.lsd_deadline().is_some_and(|due| due <= now) {
            self.hand_lsd(now, Input::Deadline, out);
        }
        if self.port_map_deadline().is_some_and(|due| due <= now) {
            self.hand_port_map(now, Input::Deadline, out);
        }
        if self.dht_deadline().is_some_and(|due| due <= now) {
            self.hand_dht(now, Input::Deadline, out);
        }
        if self.member_deadline().is_some_and(|due| due <= now) {
            self.hand_member(now, Input::Deadline, out);
        }
        self.bans.save_if_due(now, out);
        for conn in self.lobby.expire(now) {
            self.turn_away(conn, out);
        }
        self.with_server(now, out, |server, out| server.on_deadline(now, out));
        if let Some((interval, due)) = self.watch
            && due <= now
        {
            self.watch = Some((interval, now + interval));
            self.tell_rows(now, out);
        }
    }

    fn tell_rows(&mut self, now: Time, out: &mut Outbox) {
        let before = out.commands.len();
        for swarm in self.torrents.values_mut() {
            swarm.tell_row(now, out);
        }
        self.fill_rows(before, out);
    }

    /// For the simulator's proof of itself only: breaks something on purpose.
    #[doc(hidden)]
    pub fn plant(&mut self, bug: &str) {
        assert_eq!(bug, "availability", "no such bug to plant");
        for swarm in self.torrents.values_mut() {
            swarm.plant_wrong_availability();
        }
    }

    /// Download credits, upload credits and pool buffers that all swarms hold: with the free ones they make the
    /// totals.
    pub fn holdings(&self) -> (u32, u32, usize) {
        let sum = |a: (u32, u32, usize), b: (u32, u32, usize)| (a.0 + b.0, a.1 + b.1, a.2 + b.2);
        self.torrents.values().map(Work::holdings).fold((0, 0, 0), sum)
    }
}

/// Whose a store is.
fn store_owner(store: StoreId) -> TorrentId {
    store.torrent
}

impl Machine for Node {
    fn handle(&mut self, now: Time, input: Input<'_>, out: &mut Outbox) {
        let before = out.commands.len();
        match input {
            Input::Accepted { conn, remote } => {
                if self.stop_by.is_some() {
                    out.close(conn);
                } else if !self.enter_server(conn, remote, now, out) {
                    self.enter_lobby(conn, remote, now, out);
                }
            }
            Input::Received { conn, bytes } => self.received(conn, bytes, now, out),
            Input::Connected { conn } | Input::Sent { conn, .. } => match self.owners.get(&conn) {
                Some(&Owner::Swarm(id)) => {
                    self.places.connected(conn);
                    self.hand(id, now, input, out);
                }
                Some(Owner::Server) => self.sent_by_server(conn, now, out),
                Some(Owner::Member) => self.hand_member(now, input, out),
                Some(Owner::Groups) => self.hand_groups(now, input, out),
                Some(Owner::Lobby) => {}
                None => out.close(conn),
            },
            Input::Closed { conn, .. } => match self.owners.remove(&conn) {
                Some(Owner::Swarm(id)) => {
                    self.places.gone(conn);
                    self.greetings.end(conn);
                    self.hand(id, now, input, out);
                }
                Some(Owner::Lobby) => self.lobby.remove(conn),
                Some(Owner::Server) => self.with_server(now, out, |server, _| server.front.remove(conn)),
                Some(Owner::Member) => self.hand_member(now, input, out),
                Some(Owner::Groups) => self.member_closed(input, conn, now, out),
                None => {}
            },
            Input::Spoke { conn } => self.lobby.spoke(conn),
            Input::Encrypted { conn, crypto } => self.encrypted(conn, crypto, now, out),
            Input::Piled { conn, .. } => {
                if self.owners.get(&conn) == Some(&Owner::Groups) {
                    self.hand_groups(now, input, out);
                }
            }
            Input::Called { conn, remote } if self.stop_by.is_none() => self.enter_control(conn, remote, now, out),
            Input::Called { conn, .. } => out.close(conn),
            // Between machines, never from the driver.
            Input::Request { .. } => {}
            Input::Datagram { from, bytes } => self.datagram(from, bytes, now, out),
            Input::Local { .. } => self.hand_lsd(now, input, out),
            Input::Completed(completion) => self.completed(completion, now, out),
            Input::Note(note) => self.note(note, now, out),
            Input::Starving => self.hand_all(|| Input::Starving, now, out),
            Input::Deadline => self.on_deadline(now, out),
            Input::Stop => self.stop(now, out),
        }
        if self.bans.has_news(now, out) {
            self.hand_all(|| Input::Note(Note::Banned), now, out);
        }
        self.deal(now, out);
        self.put_to_sleep(now, out);
        self.see_leavers_off(now, out);
        self.tell_control(before, now, out);
        self.end_if_stopped(now, out);
    }

    fn next_deadline(&self) -> Option<Time> {
        if self.is_stopped {
            return None;
        }
        let swarms = self.deadlines.first().map(|(due, _)| *due);
        let watch = self.watch.map(|(_, due)| due);
        let server = self.server.as_ref().and_then(|server| server.next_deadline());
        let own =
            [self.lobby.next_deadline(), self.places.next_deadline(), self.next_turn_at, self.port_map_deadline()];
        let leaving = self.leaving.values().min().copied();
        let machines = [self.bans.next_deadline(), self.dht_deadline(), self.lsd_deadline(), self.member_deadline()];
        let waits = own.into_iter().chain(machines).chain([leaving, self.stop_by]);
        [swarms, watch, server].into_iter().chain(waits).flatten().min()
    }

    fn accepts(&self, now: Time) -> bool {
        // A server's callers want other things than places with torrents.
        self.server.as_ref().is_some_and(|server| !server.is_control())
            || (self.places.may_call(now) && self.lobby.accepts(now))
    }

    fn appetite(&self, conn: ConnId, pool: &Pool) -> usize {
        let swarm = match self.owners.get(&conn) {
            Some(Owner::Swarm(id)) => self.torrents.get(id),
            Some(Owner::Server) => {
                return self.server.as_ref().map_or(READ_LEN, |server| server.front.appetite(conn));
            }
            Some(Owner::Groups) => {
                return self.server.as_ref().map_or(READ_LEN, |server| server.groups.appetite(conn, pool));
            }
            Some(Owner::Lobby | Owner::Member) | None => None,
        };
        swarm.map_or(READ_LEN, |swarm| swarm.appetite(conn, pool))
    }

    fn torrent_named(&self, name: &[u8; 20]) -> Option<InfoHash> {
        self.by_hash.named(name)
    }

    fn check(&self) {
        for swarm in self.torrents.values() {
            swarm.check();
        }
        for (id, due) in &self.deadline_of {
            assert!(self.deadlines.contains(&(*due, *id)), "a deadline is missing in the heap");
        }
        assert_eq!(self.deadlines.len(), self.deadline_of.len(), "a stale deadline is in the heap");
        self.by_hash.check();
        self.lobby.check();
        self.places.check();
        self.dht.iter().for_each(Dht::check);
        self.member.iter().for_each(|member| member.check());
        self.greetings.check();
        self.questions.check();
        self.server.iter().for_each(|server| server.check());
    }
}
