//! A swarm before its metainfo is known: finds peers, fetches the info dictionary from them (BEP 9), and hands them
//! over to the swarm that follows, so that nobody is dialled twice.
//!
//! Peers differ in how long they say the metadata is: the length that most of them name is fetched, from several at
//! once. A whole that is wrong convicts who sent it alone; otherwise it is fetched again from one peer at a time, so
//! that the next wrong one does.

mod assembly;
mod choose;
mod messages;
mod peer;
mod routine;

use std::collections::BTreeMap;
use std::net::SocketAddr;

use self::assembly::{Assembly, Verdict};
use self::peer::{Open, Peer, Stage};
use super::Us;
use super::announcer::{Announcer, Facts};
use super::blame::Blame;
use super::contacts::Contacts;
use super::farewell::Ending;
use super::known::Session;
use super::peer::Fault;
use super::routine::TICK;
use crate::base::encryption::Crypto;
use crate::base::limits::READ_LEN;
use crate::base::{ConnId, InfoHash, Pool, Time, TorrentId};
use crate::machine::{Activity, Completion, Input, Machine, Note, Outbox, Row, SeekTorrent, Ways};
use crate::wire::decoder::Decoder;
use crate::wire::handshake::Handshake;
use crate::wire::peer::Message;
use crate::wire::ut_metadata;

/// What trackers are told is left while nobody knows: not nothing, for we are no seed.
const LEFT_UNKNOWN: u64 = 16 * 1024;

/// The search for one torrent's metadata.
pub struct Seeker {
    us: Us,
    id: TorrentId,
    info_hash: InfoHash,
    pub(super) contacts: Contacts,
    blame: Blame,
    banned_count: u32,
    fault_count: u32,
    peers: BTreeMap<ConnId, Peer>,
    peers_max: usize,
    ways: Ways,
    assembly: Option<Assembly>,
    /// Lengths and peers that led nowhere, until all were tried.
    tried_lens: Vec<u32>,
    tried_peers: Vec<ConnId>,
    /// Some of several senders lied: one peer at a time from now on.
    seeks_blame: bool,
    /// It is here, since this moment.
    found: Option<Time>,
    is_stopped: bool,
    next_tick: Option<Time>,
}

/// What goes over to the swarm that knows its metainfo.
pub struct Handover {
    pub contacts: Contacts,
    pub met: Vec<Met>,
}

/// A peer that was met: the connection goes on.
pub struct Met {
    pub conn: ConnId,
    pub remote: SocketAddr,
    pub dialled: Option<SocketAddr>,
    /// What both sides agreed on, if anything.
    pub crypto: Option<Crypto>,
    /// Its handshake and messages so far.
    pub said: Vec<u8>,
    /// It heard our handshake already, and that we have nothing.
    pub was_greeted: bool,
    /// Goes on with the bytes that come next.
    pub decoder: Decoder,
}

impl Seeker {
    /// Begins at once.
    pub fn new(seek: SeekTorrent, us: Us, now: Time, out: &mut Outbox) -> Seeker {
        let announcer = Announcer::new(seek.trackers, seek.announce_all, &mut out.rng).with_udp(!us.has_proxy);
        let mut contacts = Contacts::new(seek.torrent, announcer);
        if us.has_dht {
            contacts = contacts.with_dht(seek.info_hash);
        }
        if seek.ways.lsd {
            contacts = contacts.with_lsd(seek.info_hash);
        }
        if us.has_server {
            contacts = contacts.with_server(seek.info_hash);
        }
        contacts.name_peers(seek.peers, now, out);
        contacts.begin(now, LEFT_UNKNOWN);
        let mut seeker = Seeker {
            us,
            id: seek.torrent,
            info_hash: seek.info_hash,
            contacts,
            blame: Blame::default(),
            banned_count: 0,
            fault_count: 0,
            peers: BTreeMap::new(),
            peers_max: seek.peers_max,
            ways: seek.ways,
            assembly: None,
            tried_lens: Vec::new(),
            tried_peers: Vec::new(),
            seeks_blame: false,
            found: None,
            is_stopped: false,
            next_tick: None,
        };
        seeker.go_on(now, out);
        seeker
    }

    pub fn info_hash(&self) -> InfoHash {
        self.info_hash
    }

    pub fn set_port(&mut self, port: u16) {
        self.us.port = port;
    }

    pub fn is_stopped(&self) -> bool {
        self.is_stopped && self.contacts.announcer.is_quiet()
    }

    /// Ends the search: what it knows goes over. Dials and handshakes under way end here.
    pub fn hand_over(mut self, now: Time, out: &mut Outbox) -> Handover {
        self.end_assembly(out);
        let Seeker { mut contacts, peers, info_hash, .. } = self;
        let mut met = Vec::new();
        for peer in peers.into_values() {
            let Peer { conn, remote, dialled, crypto, stage, .. } = peer;
            let Stage::Open(open) = stage else {
                out.close(conn);
                if let Some(address) = dialled {
                    contacts.known.try_again(now, address);
                }
                continue;
            };
            debug_assert_eq!(open.handshake.info_hash, info_hash);
            out.said_room.give(open.held);
            let Open { handshake, decoder, said, .. } = *open;
            let said = [&handshake.to_bytes()[..], &said].concat();
            met.push(Met { conn, remote, dialled, crypto, said, was_greeted: true, decoder });
        }
        Handover { contacts, met }
    }

    /// A note for the application about this torrent.
    pub fn tell_row(&self, out: &mut Outbox) {
        out.tell(Note::Row(Box::new(self.row())));
    }

    /// The search's state for people.
    pub fn row(&self) -> Row {
        let (done, total) = self.assembly.as_ref().map_or((0, 0), Assembly::progress);
        Row {
            peers: self.peers.values().filter(|peer| peer.open().is_some()).count() as u32,
            known: self.contacts.known.idle_count() as u32,
            banned: self.banned_count,
            faults: self.fault_count,
            tracker_trouble: self.contacts.announcer.trouble().map(str::to_owned),
            ..Row::nothing(self.id, Activity::Metadata { done, total })
        }
    }

    fn facts(&self) -> Facts {
        Facts {
            info_hash: self.info_hash,
            peer_id: self.us.peer_id,
            key: self.us.key,
            port: self.us.port,
            uploaded: 0,
            downloaded: 0,
            left: LEFT_UNKNOWN,
            want_peers: self.peers.len() < self.peers_max,
        }
    }

    fn accept(&mut self, conn: ConnId, remote: SocketAddr, now: Time, out: &mut Outbox) {
        let is_refused = out.bans.refused_until(now, remote).is_some();
        if self.is_stopped || self.peers.len() >= self.peers_max || is_refused {
            return out.close(conn);
        }
        self.peers.insert(conn, Peer::new(conn, remote, false, now));
    }

    fn connected(&mut self, conn: ConnId, now: Time, out: &mut Outbox) {
        let Some(peer) = self.peers.get_mut(&conn) else {
            return out.close(conn);
        };
        peer.stage = Stage::Handshaking(Default::default());
        (peer.since, peer.last_received, peer.last_sent) = (now, now, now);
        out.send(conn, self.handshake().to_bytes().to_vec());
    }

    fn received(&mut self, conn: ConnId, mut bytes: &[u8], now: Time, out: &mut Outbox) {
        let Some(peer) = self.peers.get_mut(&conn) else {
            return out.close(conn);
        };
        peer.last_received = now;
        if let Stage::Handshaking(gather) = &mut peer.stage {
            let result = match gather.feed(&mut bytes) {
                Ok(None) => return,
                Ok(Some(theirs)) => self.shake_hands(conn, theirs, now, out),
                Err(_) => Err(Fault::NotBitTorrent),
            };
            if let Err(fault) = result {
                return self.hang_up(conn, &fault, now, out);
            }
        }
        if let Err(fault) = self.read_messages(conn, bytes, now, out) {
            self.hang_up(conn, &fault, now, out);
        }
    }

    /// Asks for what is missing, judges what is whole, announces, dials.
    fn go_on(&mut self, now: Time, out: &mut Outbox) {
        if self.found.is_none() && !self.is_stopped {
            self.choose(now, out);
            self.ask(now, out);
            let verdict = self.assembly.as_mut().map_or(Verdict::Missing, Assembly::judge);
            match verdict {
                Verdict::Missing | Verdict::Hashing => {}
                Verdict::Right(info) => {
                    self.found = Some(now);
                    self.end_assembly(out);
                    out.tell(Note::Metadata { torrent: self.id, info: info.into() });
                }
                Verdict::Wrong(senders) => {
                    self.on_wrong(&senders, now, out);
                    self.choose(now, out);
                    self.ask(now, out);
                }
            }
        }
        if self.contacts.is_due(now) {
            let facts = self.facts();
            self.contacts.announce(&facts, now, out);
        }
        self.contacts.look(self.is_short_of_peers(), now, out);
        if self.next_tick.is_none() && !self.peers.is_empty() {
            self.next_tick = Some(now + TICK);
        }
    }

    fn ask(&mut self, now: Time, out: &mut Outbox) {
        let Some(assembly) = &mut self.assembly else { return };
        for peer in self.peers.values_mut() {
            let conn = peer.conn;
            let Some(open) = peer.open().filter(|open| open.may_ask(now) && open.claim == Some(assembly.len()))
            else {
                continue;
            };
            let mut bytes = Vec::new();
            for piece in assembly.pick(conn, now) {
                Message::Extended(open.ut_metadata, &ut_metadata::request(piece)).write(&mut bytes);
            }
            if !bytes.is_empty() {
                peer.last_sent = now;
                out.send(conn, bytes);
            }
        }
    }

    /// The whole was wrong. Who sent it alone is a liar.
    fn on_wrong(&mut self, senders: &[u32], now: Time, out: &mut Outbox) {
        self.end_assembly(out);
        let sent = |peer: &&Peer| peer.open().is_some_and(|open| senders.contains(&open.sender));
        let suspects: Vec<ConnId> = self.peers.values().filter(sent).map(|peer| peer.conn).collect();
        if senders.len() > 1 {
            log::debug!("{}: wrong metadata from {} peers: asking one at a time", self.info_hash, senders.len());
            self.seeks_blame = true;
            return;
        }
        for conn in suspects {
            let Some(peer) = self.peers.get(&conn) else { continue };
            if let Some(open) = peer.open() {
                log::info!("{}: banned {}: it sent wrong metadata", self.info_hash, peer.remote);
                self.banned_count += u32::from(out.bans.ban(now, peer.suspect(open)));
            }
            self.hang_up(conn, &Fault::Banned, now, out);
        }
    }

    fn hang_up(&mut self, conn: ConnId, fault: &Fault, now: Time, out: &mut Outbox) {
        if let Some(peer) = self.peers.remove(&conn) {
            log::debug!("{}: {} {fault}", self.info_hash, peer.remote);
            out.close(conn);
            if matches!((&peer.stage, fault), (Stage::Handshaking(_), Fault::Timeout(_))) {
                self.contacts.not_answered(now, peer.dialled, out.encryption);
            }
            self.gone(peer, fault.ending(), now, out);
        }
    }

    fn gone(&mut self, peer: Peer, ending: Ending, now: Time, out: &mut Outbox) {
        if let Some(assembly) = &mut self.assembly {
            assembly.release(peer.conn);
        }
        self.fault_count += u32::from(ending.is_fault());
        if let Some(open) = peer.open() {
            out.said_room.give(open.held);
            self.blame.left(open.sender);
            if ending == Ending::Rude {
                out.bans.offend(now, peer.suspect(open));
            }
        }
        match peer.dialled {
            Some(address) if ending == Ending::ForGood => self.contacts.known.retire(address),
            Some(address) if ending == Ending::Double => self.contacts.known.put_back(now, address),
            Some(address) if ending.is_fault() => self.contacts.known.ended(now, address, Session::Bad),
            Some(address) => self.contacts.known.ended(now, address, Session::Useless),
            None => {}
        }
    }

    fn is_short_of_peers(&self) -> bool {
        !self.is_stopped && self.found.is_none() && self.contacts.known.idle_count() == 0
    }

    /// What we say first.
    fn handshake(&self) -> Handshake {
        Handshake::new(self.info_hash, self.us.peer_id).with_dht(self.us.has_dht)
    }

    fn stop(&mut self, now: Time) {
        self.is_stopped = true;
        self.contacts.stop(now);
    }
}

impl Machine for Seeker {
    fn handle(&mut self, now: Time, input: Input<'_>, out: &mut Outbox) {
        match input {
            Input::Accepted { conn, remote } => self.accept(conn, remote, now, out),
            Input::Connected { conn } => self.connected(conn, now, out),
            Input::Received { conn, bytes } => self.received(conn, bytes, now, out),
            Input::Closed { conn, reason } => {
                if let Some(peer) = self.peers.remove(&conn) {
                    log::debug!("{}: {} closed: {reason:?}", self.info_hash, peer.remote);
                    let has_answered = matches!(peer.stage, Stage::Open(_));
                    self.contacts.lost(now, peer.dialled, reason, has_answered.then_some(peer.since), out.encryption);
                    self.gone(peer, Ending::OfItself, now, out);
                }
            }
            Input::Completed(Completion::Fetched { id, result }) => self.contacts.fetched(id, result, now, out),
            Input::Completed(Completion::Resolved { id, result }) => {
                let facts = self.facts();
                self.contacts.resolved(id, result, &facts, now, out);
            }
            Input::Datagram { from, bytes } => {
                let facts = self.facts();
                self.contacts.datagram(from, bytes, &facts, now, out);
            }
            Input::Deadline => {
                if self.next_tick.is_some_and(|due| due <= now) {
                    self.next_tick = None;
                    self.tick(now, out);
                }
            }
            Input::Stop => {
                self.stop(now);
                self.end_assembly(out);
                for conn in self.peers.keys().copied().collect::<Vec<_>>() {
                    self.hang_up(conn, &Fault::NotNeeded("we stop"), now, out);
                }
            }
            Input::Note(Note::Peers { source, reach, peers, .. }) if self.ways.allow(source) => {
                self.contacts.hear(&peers, source, reach, now);
            }
            Input::Encrypted { conn, crypto } => {
                self.peers.get_mut(&conn).into_iter().for_each(|peer| peer.crypto = Some(crypto));
            }
            Input::Note(_)
            | Input::Spoke { .. }
            | Input::Completed(_)
            | Input::Sent { .. }
            | Input::Starving
            | Input::Local { .. }
            | Input::Piled { .. }
            | Input::Called { .. }
            | Input::Request { .. } => {}
        }
        self.go_on(now, out);
    }

    fn next_deadline(&self) -> Option<Time> {
        let hashing = self.assembly.as_ref().filter(|assembly| assembly.progress().0 == assembly.progress().1);
        let hashing = hashing.map(|_| Time::ZERO);
        let look = self.contacts.next_look(self.is_short_of_peers());
        [self.next_tick, hashing, self.contacts.announcer.next_deadline(), look].into_iter().flatten().min()
    }

    fn appetite(&self, _: ConnId, _: &Pool) -> usize {
        READ_LEN
    }

    fn check(&self) {
        assert!(self.peers.len() <= self.peers_max, "more peers than allowed");
        if let Some(assembly) = &self.assembly {
            assembly.check();
        }
    }
}

#[cfg(test)]
mod tests;
