//! One torrent's swarm: its peers, what is asked of them and given to them, and its place on disk.
//!
//! The door: every input is routed to one peer or to the torrent here; what follows for other peers
//! (`torrent::Later`) is done before the input is over.

mod active;
pub mod announcer;
mod asking;
pub mod blame;
pub mod choker;
mod contacts;
mod detail;
mod downloads;
mod farewell;
mod gossip;
mod idle;
mod jobs_out;
pub mod known;
mod later;
mod messages;
mod met;
mod metadata;
mod peer;
mod phases;
pub mod picker;
pub mod rarity;
mod rates;
mod rest;
mod routine;
mod row;
mod seek;
mod sleeper;
mod store;
mod talk;
mod torrent;
mod tracked;
mod uploads;
mod verify;
pub mod web;
mod web_peer;
mod web_seeds;
mod zeros;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use self::announcer::Announcer;
use self::choker::Choker;
use self::contacts::Contacts;
use self::farewell::{Ending, newer_stays};
use self::gossip::Gossip;
pub use self::metadata::{Handover, Seeker};
use self::peer::{Fault, Has, Peer, Stage};
use self::rates::Rates;
pub use self::sleeper::Sleeper;
use self::torrent::{Phase, Setup, Torrent, piece_ranks};
use self::web_seeds::{End, WebSeeds};
use crate::base::limits::{READ_BLOCKS, READ_LEN};
use crate::base::{ConnId, InfoHash, PeerId, Pool, Time, TorrentId};
use crate::machine::{AddTorrent, Closed, Completion, Input, Machine, Note, Outbox, RateLimits, StoreSpec, Ways};
use crate::storage::Layout;

/// Who we are to peers and trackers.
#[derive(Clone, Copy, Debug)]
pub struct Us {
    pub peer_id: PeerId,
    /// TCP port others reach us at.
    pub port: u16,
    /// Tells a tracker that we are the same after our address changed (BEP 3 `key`).
    pub key: u32,
    /// This process has a DHT node, at the UDP port of the same number.
    pub has_dht: bool,
    /// It is known to the server of a group, which is told of swarms.
    pub has_server: bool,
    /// Everything goes by a proxy, which carries no UDP.
    pub has_proxy: bool,
}

pub struct Swarm {
    us: Us,
    torrent: Torrent,
    peers: BTreeMap<ConnId, Peer>,
    contacts: Contacts,
    web_seeds: WebSeeds,
    /// Ways to peers in use; none for a private torrent.
    ways: Ways,
    gossip: Gossip,
    choker: Choker,
    peers_max: usize,
    /// Callers sent away since the last round because all places were taken.
    turned_away: u32,
    /// Jobs the disk thread owes an answer to, checks of existing data aside: the end waits for none of those.
    jobs_out: u32,
    /// The next routine round, while there is anything to look after.
    next_tick: Option<Time>,
    /// The peer whose turn is first when little is dealt out.
    next_turn: ConnId,
}

impl Swarm {
    /// Begins by looking at the files, with whoever was met while the metainfo was sought.
    pub fn new(add: AddTorrent, us: Us, met: Option<Handover>, now: Time, out: &mut Outbox) -> Swarm {
        let tiers = if add.trackers.is_empty() { add.metainfo.trackers.clone() } else { add.trackers };
        let ways = if add.metainfo.private { Ways::default() } else { add.ways };
        let layout = Layout::new(&add.metainfo, &add.wanted);
        let spec = StoreSpec { info_hash: add.metainfo.info_hash, dir: add.dir, layout };
        let has_dht = us.has_dht && !add.metainfo.private;
        let mut contacts =
            Contacts::new(add.torrent, Announcer::new(tiers, add.announce_all, &mut out.rng).with_udp(!us.has_proxy));
        if has_dht {
            contacts = contacts.with_dht(add.metainfo.info_hash);
        }
        if ways.lsd {
            contacts = contacts.with_lsd(add.metainfo.info_hash);
        }
        if us.has_server {
            contacts = contacts.with_server(add.metainfo.info_hash);
        }
        let web_seeds = WebSeeds::new(add.torrent, &add.metainfo, add.web_seeds_by);
        let setup = Setup {
            id: add.torrent,
            has_dht,
            has_pex: ways.pex,
            metainfo: add.metainfo,
            spec: Arc::new(spec),
            sequential: add.sequential,
            priorities: add.priorities,
            recheck: add.recheck,
            had: add.had,
            prealloc: add.prealloc,
            limits: add.limits,
        };
        let mut swarm = Swarm {
            us,
            torrent: Torrent::new(setup, now, &mut out.rng),
            peers: BTreeMap::new(),
            turned_away: 0,
            jobs_out: 0,
            contacts,
            web_seeds,
            ways,
            gossip: Gossip::default(),
            choker: Choker::default(),
            peers_max: add.peers_max,
            next_tick: None,
            next_turn: ConnId(0),
        };
        let before = out.commands.len();
        swarm.torrent.open(now, out);
        swarm.count_jobs(before, out);
        match met {
            Some(met) => swarm.take_over(met, now, out),
            None => swarm.contacts.name_peers(add.peers, now, out),
        }
        swarm
    }

    pub fn id(&self) -> TorrentId {
        self.torrent.id
    }

    pub fn info_hash(&self) -> InfoHash {
        self.torrent.metainfo.info_hash
    }

    /// BEP 27: only its trackers may name peers.
    pub fn is_private(&self) -> bool {
        self.torrent.metainfo.private
    }

    /// Our port is known, or another.
    pub fn set_port(&mut self, port: u16) {
        self.us.port = port;
    }

    /// Other limits from now on.
    pub fn set_limits(&mut self, limits: RateLimits) {
        self.torrent.rates = Rates::new(limits);
    }

    /// Other files come first from now on; what was asked for stays asked for.
    pub fn prioritize(&mut self, priorities: &[i8]) {
        self.torrent.ranks = piece_ranks(&self.torrent.spec, priorities);
        self.torrent.picker.set_ranks(self.torrent.ranks.clone());
    }

    /// Its turn to take from what torrents share.
    pub fn take_turn(&mut self, now: Time, out: &mut Outbox) {
        let before = out.commands.len();
        self.top_up_all(now, out);
        self.settle(before, now, out);
    }

    /// Everything is saved and told.
    pub fn is_stopped(&self) -> bool {
        self.torrent.phase == Phase::Stopped && self.jobs_out == 0 && self.contacts.announcer.is_quiet()
    }

    fn accept(&mut self, conn: ConnId, remote: SocketAddr, now: Time, out: &mut Outbox) {
        if self.may_wait() && out.bans.refused_until(now, remote).is_none() {
            return self.let_wait(conn, remote, now);
        }
        if !self.torrent.may_serve() || out.bans.refused_until(now, remote).is_some() {
            return out.close(conn);
        }
        if self.peers.len() >= self.peers_max {
            // Who is here is worth more than who may be somewhere.
            let dials = self.peers.values().filter(|peer| matches!(peer.stage, Stage::Dialling));
            let Some(dial) = dials.min_by_key(|peer| peer.since).map(|peer| peer.conn) else {
                self.turned_away += 1;
                return out.close(conn);
            };
            self.hang_up(dial, Fault::NotNeeded("gives its place to somebody who came"), now, out);
        }
        self.peers.insert(conn, Peer::new(conn, remote, false, self.torrent.metainfo.geometry.piece_count(), now));
    }

    /// Our dial succeeded: we speak first.
    fn connected(&mut self, conn: ConnId, now: Time, out: &mut Outbox) {
        let Some(peer) = self.peers.get_mut(&conn) else {
            return out.close(conn);
        };
        (peer.since, peer.last_received, peer.last_sent) = (now, now, now);
        if peer.web.is_some() {
            return self.web_connected(conn, now, out);
        }
        peer.stage = Stage::Handshaking(Default::default());
        out.send(conn, self.torrent.handshake(self.us.peer_id).to_bytes().to_vec());
    }

    fn received(&mut self, conn: ConnId, mut bytes: &[u8], now: Time, out: &mut Outbox) {
        let Some(peer) = self.peers.get_mut(&conn) else {
            return out.close(conn);
        };
        if peer.web.is_some() {
            return self.web_said(conn, bytes, now, out);
        }
        if let Stage::Waiting(waiting) = &mut peer.stage {
            if !waiting.hear(bytes) {
                self.hang_up(conn, Fault::NotNeeded("says more than is kept of it"), now, out);
            }
            return;
        }
        if let Stage::Handshaking(gather) = &mut peer.stage {
            let us = (self.us.peer_id, self.us.port);
            let result = match gather.feed(&mut bytes) {
                Ok(None) => return,
                Err(_) => Err(Fault::NotBitTorrent),
                Ok(Some(theirs)) => self.torrent.on_handshake(peer, theirs, us, now, out),
            };
            let result = result.and_then(|()| self.settle_duplicate(conn, now, out));
            if let Err(fault) = result {
                return self.hang_up(conn, fault, now, out);
            }
        }
        let Some(peer) = self.peers.get_mut(&conn) else {
            return;
        };
        if let Err(fault) = self.torrent.read_messages(peer, bytes, now, out) {
            self.hang_up(conn, fault, now, out);
        }
    }

    /// One connection per peer.
    fn settle_duplicate(&mut self, conn: ConnId, now: Time, out: &mut Outbox) -> Result<(), Fault> {
        let Some(peer) = self.peers.get(&conn) else {
            return Ok(());
        };
        let is_same = |other: &&Peer| other.conn != conn && other.is_open() && other.peer_id == peer.peer_id;
        let Some(other) = self.peers.values().find(is_same) else {
            return Ok(());
        };
        let (newer, older) = (peer.dialled.is_some(), other.dialled.is_some());
        if !newer_stays(self.us.peer_id, peer.peer_id, newer, older) {
            return Err(Fault::Duplicate);
        }
        let other = other.conn;
        self.hang_up(other, Fault::Duplicate, now, out);
        Ok(())
    }

    /// What follows for others is done, and taken note of, before an input is over.
    fn settle(&mut self, before: usize, now: Time, out: &mut Outbox) {
        self.do_later(now, out);
        self.count_jobs(before, out);
    }

    fn completed(&mut self, completion: Completion, now: Time, out: &mut Outbox) {
        let is_counted = !matches!(
            completion,
            Completion::Hashed { .. }
                | Completion::Fetched { .. }
                | Completion::Resolved { .. }
                | Completion::FileSaved { .. }
                | Completion::Appended { .. }
                | Completion::FileLoaded { .. }
                | Completion::Shelved { .. }
                | Completion::Recalled { .. }
                | Completion::Space { .. }
                | Completion::Done { .. }
                | Completion::Network { .. }
        );
        self.jobs_out -= u32::from(is_counted);
        let torrent = &mut self.torrent;
        let ours = torrent.store.id;
        match completion {
            Completion::Home { store, blocks } => torrent.on_home(store, blocks, out),
            Completion::WriteFailed { store, blocks, error } => {
                torrent.on_write_failed(store, blocks, error, now, out)
            }
            Completion::Read { conn, block, run, .. } => {
                let peer = self.peers.get_mut(&conn);
                if let Err(error) = torrent.on_read(peer, block, run, now, out) {
                    torrent.pause(error, true, now, out);
                }
            }
            Completion::Opened { store, result } if store == ours => torrent.on_opened(result, now, out),
            Completion::Reserved { store, result } if store == ours => torrent.on_reserved(result, now, out),
            Completion::Hashed { store, piece, digest } if store == ours => {
                torrent.on_hashed(piece, digest, now, out)
            }
            Completion::Digests { store, piece, digests } if store == ours => {
                torrent.on_digests(piece, digests, now, out)
            }
            Completion::Saved { store, result } if store == ours => torrent.on_saved(result, now, out),
            // Of an earlier opening: nothing of it counts any more.
            Completion::Opened { .. }
            | Completion::Reserved { .. }
            | Completion::Hashed { .. }
            | Completion::Digests { .. }
            | Completion::Saved { .. } => {}
            // Swarms keep nothing on shelves.
            Completion::Shelved { .. } | Completion::Recalled { .. } => {}
            Completion::Space { .. } | Completion::Done { .. } | Completion::Network { .. } => {}
            Completion::Fetched { id, result } => self.contacts.fetched(id, result, now, out),
            Completion::Resolved { id, result } => self.resolved(id, result, now, out),
            // Others'.
            Completion::FileSaved { .. } | Completion::Appended { .. } | Completion::FileLoaded { .. } => {}
        }
        self.torrent.go_on_stopping(now, out);
    }

    /// For the simulator's proof of itself only.
    #[doc(hidden)]
    pub fn plant_wrong_availability(&mut self) {
        self.torrent.picker.plant_wrong_availability();
    }
}

impl Machine for Swarm {
    fn handle(&mut self, now: Time, input: Input<'_>, out: &mut Outbox) {
        let before = out.commands.len();
        match input {
            Input::Accepted { conn, remote } => self.accept(conn, remote, now, out),
            Input::Connected { conn } => self.connected(conn, now, out),
            Input::Received { conn, bytes } => self.received(conn, bytes, now, out),
            Input::Encrypted { conn, crypto } => {
                self.peers.get_mut(&conn).into_iter().for_each(|peer| peer.crypto = Some(crypto));
            }
            Input::Sent { conn, blocks, bytes, .. } => {
                if let Some(peer) = self.peers.get_mut(&conn) {
                    self.torrent.on_sent(peer, blocks, bytes, now, out);
                }
            }
            Input::Closed { conn, reason } => {
                if reason == Closed::Overflow {
                    self.hang_up(conn, Fault::Unread, now, out);
                } else if let Some(peer) = self.peers.remove(&conn) {
                    log::debug!("{}: {} closed: {reason:?}", self.torrent.metainfo.name, peer.remote);
                    let has_answered = !matches!(peer.stage, Stage::Dialling | Stage::Handshaking(_));
                    self.web_ended(&peer, End::of(reason), now, out);
                    self.contacts.lost(now, peer.dialled, reason, has_answered.then_some(peer.since), out.encryption);
                    self.gone(peer, Ending::OfItself, now, out);
                }
            }
            Input::Completed(completion) => self.completed(completion, now, out),
            Input::Starving => self.torrent.store.flush_all(out),
            Input::Deadline => self.on_deadline(now, out),
            Input::Stop => {
                self.hang_up_all("we stop", now, out);
                self.contacts.stop(now);
                self.torrent.stop(now, out);
            }
            Input::Datagram { from, bytes } => self.tracker_said(from, bytes, now, out),
            Input::Note(Note::Peers { source, reach, peers, .. }) if self.ways.allow(source) => {
                self.contacts.hear(&peers, source, reach, now);
            }
            Input::Note(Note::Banned) => self.cast_out(now, out),
            Input::Note(_)
            | Input::Spoke { .. }
            | Input::Request { .. }
            | Input::Local { .. }
            | Input::Piled { .. }
            | Input::Called { .. } => {}
        }
        self.settle(before, now, out);
    }

    fn next_deadline(&self) -> Option<Time> {
        self.deadline()
    }

    fn appetite(&self, conn: ConnId, pool: &Pool) -> usize {
        let Some(peer) = self.peers.get(&conn) else {
            return READ_LEN;
        };
        if !peer.down.expects_blocks() || pool.available() >= READ_BLOCKS.min(pool.max()) {
            return READ_LEN;
        }
        peer.web.as_ref().map_or(peer.decoder.payload_left(), |web| web.payload_left()) as usize
    }

    fn check(&self) {
        let availability = |piece| {
            let has = |peer: &&Peer| matches!(&peer.has, Has::Some(field) if field.has(piece));
            self.peers.values().filter(has).count() as u32
        };
        self.torrent.picker.check(availability);
        for peer in self.peers.values() {
            let needed = |piece: &crate::base::Piece| self.torrent.picker.needs(*piece) && peer.has.has(*piece);
            let useful = self.torrent.metainfo.geometry.pieces().filter(needed).count() as u32;
            assert_eq!(peer.useful_count, useful, "useful pieces of {}", peer.remote);
        }
        assert!(self.peers.len() <= self.peers_max, "more peers than allowed");
        assert!(self.torrent.later.is_empty(), "something was left for later");
    }
}

impl Swarm {
    /// Download credits, upload credits and pool buffers this swarm holds.
    pub fn holdings(&self) -> (u32, u32, usize) {
        let down: u32 = self.peers.values().map(|peer| peer.down.credits()).sum();
        let up = self.peers.values().map(|peer| peer.up.credits()).sum();
        let buffers: usize = self.peers.values().map(|peer| peer.down.buffers()).sum();
        let stored = self.torrent.store.block_count();
        (down + stored, up, buffers + stored as usize)
    }
}
