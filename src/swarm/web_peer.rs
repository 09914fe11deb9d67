//! Web seeds among the peers of a swarm: dialled in turn with them, asked, measured and blamed like them.

use std::net::SocketAddr;

use super::Swarm;
use super::peer::{Fault, Has, Peer, Stage};
use super::torrent::Torrent;
use super::web::Event;
use super::web_seeds::{End, WebSeeds};
use crate::base::limits::REQUEST_TIMEOUT;
use crate::base::{BLOCK_LEN, Bitfield, ConnId, Span, Time};
use crate::machine::{Command, Outbox};

/// A web seed that nothing is asked of for this long is hung up on: servers do the same, some of them without a word.
const UNUSED: Span = Span::secs(30);

/// What a fault means for a web seed.
pub(super) fn end_of(fault: &Fault) -> End<'_> {
    match fault {
        Fault::Web(refusal) => End::Refused(refusal),
        Fault::Timeout(_) | Fault::NoAnswer | Fault::Unread | Fault::Unexpected(_) => End::Failed,
        _ => End::NotNeeded,
    }
}

impl Swarm {
    /// Something is missing that web seeds can be asked for.
    fn wants_web_seeds(&self) -> bool {
        self.torrent.may_request() && !self.torrent.picker.is_complete()
    }

    /// When the next web seed is looked at.
    pub(super) fn next_web_look(&self) -> Option<Time> {
        self.web_seeds.next_look().filter(|_| self.wants_web_seeds())
    }

    pub(super) fn look_for_web_seeds(&mut self, now: Time, out: &mut Outbox) {
        if self.next_web_look().is_some_and(|due| due <= now) {
            self.web_seeds.look(now, out);
        }
    }

    /// The web seed to dial next, and since when it waits.
    pub(super) fn next_web_dial(&self) -> Option<(Time, SocketAddr)> {
        self.web_seeds.next_dial().filter(|_| self.wants_web_seeds())
    }

    pub(super) fn dial_web(&mut self, now: Time, out: &mut Outbox) {
        let geometry = self.torrent.metainfo.geometry;
        let Some((to, name, web)) = self.web_seeds.dial(geometry, now, out) else { return };
        let conn = out.new_conn();
        let mut peer = Peer::new(conn, to, true, geometry.piece_count(), now);
        // Its address is a server's, and nobody's in the swarm.
        peer.dialled = None;
        peer.peer_id = WebSeeds::peer_id(web.seed);
        (peer.is_upload_only, peer.said_pieces) = (true, true);
        peer.web = Some(Box::new(web));
        self.peers.insert(conn, peer);
        out.push(Command::ConnectWeb { conn, to, name });
    }

    /// There is nothing to say first: it has all its files, and lets us ask.
    pub(super) fn web_connected(&mut self, conn: ConnId, now: Time, out: &mut Outbox) {
        let Swarm { torrent, peers, web_seeds, .. } = self;
        let Some(peer) = peers.get_mut(&conn) else { return };
        let Some(seed) = peer.web.as_ref().map(|web| web.seed) else { return };
        peer.stage = Stage::Open;
        peer.peer_choking = false;
        peer.sender = torrent.blame.enrol_web(peer.suspect(), seed);
        peer.down.want_pieces(torrent.metainfo.geometry.piece_len().div_ceil(BLOCK_LEN));
        peer.has = torrent.what_is_at(seed, web_seeds);
        if let Has::Some(field) = &peer.has {
            for piece in field.ones().filter_map(|index| torrent.metainfo.geometry.piece(index)) {
                torrent.picker.gained(piece);
            }
        }
        torrent.review_interest(peer, now, out);
        if peer.useful_count == 0 {
            self.hang_up(conn, Fault::NotNeeded("has nothing that is missing"), now, out);
        }
    }

    /// Bytes of a web seed.
    pub(super) fn web_said(&mut self, conn: ConnId, bytes: &[u8], now: Time, out: &mut Outbox) {
        let Some(peer) = self.peers.get_mut(&conn) else { return };
        if let Err(fault) = self.torrent.on_web_bytes(peer, bytes, now, out) {
            self.hang_up(conn, fault, now, out);
        }
    }

    /// A connection to a web seed ends.
    pub(super) fn web_ended(&mut self, peer: &Peer, end: End<'_>, now: Time, out: &mut Outbox) {
        if let Some(web) = &peer.web {
            self.web_seeds.carry(web.seed, peer.down.half_a_block().or_else(|| web.carried()));
            self.web_seeds.ended(web, peer.remote, end, now, out);
        }
    }

    /// Nothing may be asked for: a web server knows no other way to cancel.
    pub(super) fn hang_up_web_seeds(&mut self, now: Time, out: &mut Outbox) {
        let conns: Vec<ConnId> =
            self.peers.values().filter(|peer| peer.web.is_some()).map(|peer| peer.conn).collect();
        for conn in conns {
            self.hang_up(conn, Fault::NotNeeded("nothing can be stored now"), now, out);
        }
    }

    /// It sent wrong data.
    pub(super) fn drop_web_seed(&mut self, seed: usize, now: Time, out: &mut Outbox) {
        self.web_seeds.convict(seed, out);
        let is_it = |peer: &&Peer| peer.web.as_ref().is_some_and(|web| web.seed == seed);
        if let Some(conn) = self.peers.values().find(is_it).map(|peer| peer.conn) {
            self.hang_up(conn, Fault::Banned, now, out);
        }
    }
}

impl Torrent {
    /// The pieces of which a web seed has all files.
    fn what_is_at(&self, seed: usize, web_seeds: &WebSeeds) -> Has {
        let Some(missing) = web_seeds.missing(seed) else { return Has::All };
        let geometry = self.metainfo.geometry;
        let mut field = Bitfield::new(geometry.piece_count());
        for piece in geometry.pieces() {
            field.set(piece);
        }
        let gone =
            missing.iter().filter_map(|file| self.metainfo.files.get(*file as usize)).filter(|file| file.len > 0);
        for file in gone {
            let (first, last) = (geometry.piece_at(file.offset), geometry.piece_at(file.offset + file.len - 1));
            let (Some(first), Some(last)) = (first, last) else { continue };
            for piece in (first.index()..=last.index()).filter_map(|index| geometry.piece(index)) {
                field.clear(piece);
            }
        }
        Has::Some(field)
    }

    /// Bytes of a web seed.
    ///
    /// # Errors
    /// They are of no use.
    pub fn on_web_bytes(
        &mut self,
        peer: &mut Peer,
        mut bytes: &[u8],
        now: Time,
        out: &mut Outbox,
    ) -> Result<(), Fault> {
        peer.last_received = now;
        while let Some(web) = &mut peer.web
            && let Some(event) = web.next(&mut bytes).map_err(Fault::Web)?
        {
            match event {
                Event::Begins(block) => self.on_head(peer, block.into(), now, out)?,
                Event::Payload { bytes, last } => self.on_payload(peer, bytes, last, now, out),
                Event::Carried { bytes, last } => self.fill(peer, &bytes, last, now, out),
                Event::Zeros { bytes, last } => self.fill(peer, bytes, last, now, out),
            }
        }
        self.ask_web(peer, out);
        Ok(())
    }

    /// Sends the requests whose turn has come.
    pub(super) fn ask_web(&mut self, peer: &mut Peer, out: &mut Outbox) {
        let Some(web) = &mut peer.web else { return };
        let bytes = web.requests();
        if !bytes.is_empty() {
            out.send(peer.conn, bytes);
        }
    }

    /// A web seed's second.
    ///
    /// # Errors
    /// It keeps us waiting, or nothing is wanted of it.
    pub(super) fn look_after_web(&mut self, peer: &mut Peer, now: Time, out: &mut Outbox) -> Result<(), Fault> {
        let is_asked = peer.web.as_ref().is_some_and(|web| web.asked_count() > 0);
        let is_unused = !is_asked && now.since(peer.last_block.max(peer.since)) >= UNUSED;
        if self.is_complete || peer.useful_count == 0 || is_unused {
            return Err(Fault::NotNeeded("is not asked for anything"));
        }
        if is_asked && now.since(peer.last_received) >= REQUEST_TIMEOUT {
            return Err(Fault::Timeout("it said nothing"));
        }
        self.check_owed(peer, now, out)?;
        peer.down.measure(now);
        self.top_up(peer, now, out);
        Ok(())
    }
}
