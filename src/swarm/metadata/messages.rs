//! What peers say before the metainfo is known: handshakes, metadata, other peers; the rest is kept for later.

use super::Seeker;
use std::net::SocketAddr;

use super::peer::{Open, Peer, Stage};
use crate::base::limits::{METADATA_LEN, WANTED_MAX};
use crate::base::{ConnId, Span, Time, address};
use crate::machine::{Note, Outbox, Source};
use crate::storage::Suspect;
use crate::swarm::farewell::{newer_stays, welcome};
use crate::swarm::messages::CLIENT;
use crate::swarm::peer::Fault;
use crate::wire::decoder::{Decoder, Event};
use crate::wire::extension::{self, Ours, Theirs};
use crate::wire::handshake::Handshake;
use crate::wire::peer::Message;
use crate::wire::pex::Pex;
use crate::wire::ut_metadata;

/// A peer that refused a piece of metadata is asked again after this.
const REFUSED_REST: Span = Span::secs(30);

impl Seeker {
    /// Their handshake came: we say what we can, that we have nothing, and that we will want what they have.
    pub(super) fn shake_hands(
        &mut self,
        conn: ConnId,
        theirs: Handshake,
        now: Time,
        out: &mut Outbox,
    ) -> Result<(), Fault> {
        let (ours, ours_id) = (self.handshake(), self.us.peer_id);
        let is_same = |other: &&Peer| other.open().is_some_and(|open| open.peer_id() == theirs.peer_id);
        let double = self.peers.values().find(is_same).map(|other| (other.conn, other.dialled.is_some()));
        let Some(peer) = self.peers.get_mut(&conn) else { return Ok(()) };
        if theirs.info_hash != self.info_hash {
            return Err(Fault::WrongTorrent);
        }
        let mut bytes = if peer.dialled.is_none() { ours.to_bytes().to_vec() } else { Vec::new() };
        if theirs.peer_id == self.us.peer_id {
            // So that our other end sees whom it dialled, and never does again.
            out.send(conn, bytes);
            return Err(Fault::Ourselves);
        }
        let suspect = Suspect { address: peer.remote, dialled: peer.dialled.is_some(), peer_id: theirs.peer_id };
        welcome(&out.bans, now, suspect)?;
        if double.is_some_and(|(_, older)| !newer_stays(ours_id, theirs.peer_id, peer.dialled.is_some(), older)) {
            return Err(Fault::Duplicate);
        }
        if theirs.has_fast() {
            Message::HaveNone.write(&mut bytes);
        }
        if theirs.has_extensions() {
            let ours = Ours {
                client: CLIENT,
                port: self.us.port,
                metadata_len: None,
                has_pex: self.ways.pex,
                prefers_encryption: out.encryption.is_first(),
                reqq: WANTED_MAX,
                upload_only: false,
            };
            Message::Extended(extension::HANDSHAKE, &ours.to_bytes()).write(&mut bytes);
        }
        if self.us.has_dht && theirs.has_dht() && self.us.port != 0 {
            Message::Port(self.us.port).write(&mut bytes);
        }
        Message::Interested.write(&mut bytes);
        peer.stage = Stage::Open(Box::new(Open::new(theirs, self.blame.enrol(suspect))));
        (peer.since, peer.last_sent) = (now, now);
        out.send(conn, bytes);
        if let Some((older, _)) = double {
            self.hang_up(older, &Fault::Duplicate, now, out);
        }
        Ok(())
    }

    pub(super) fn read_messages(
        &mut self,
        conn: ConnId,
        mut bytes: &[u8],
        now: Time,
        out: &mut Outbox,
    ) -> Result<(), Fault> {
        let Some(open) = self.peers.get_mut(&conn).and_then(Peer::open_mut) else { return Ok(()) };
        let mut decoder = std::mem::replace(&mut open.decoder, Decoder::new(0));
        let result = loop {
            match decoder.next(&mut bytes) {
                Ok(Some(Event::Message(message))) => {
                    if let Err(fault) = self.on_message(conn, message, now, out) {
                        break Err(fault);
                    }
                }
                Ok(Some(_)) => break Err(Fault::Unexpected("blocks that nobody asked for")),
                Ok(None) => break Ok(()),
                Err(error) => break Err(Fault::Decode(error)),
            }
        };
        if let Some(open) = self.peers.get_mut(&conn).and_then(Peer::open_mut) {
            open.decoder = decoder;
            if !open.settle(&mut out.said_room) {
                return Err(Fault::NotNeeded("says more than there is room for"));
            }
        }
        result
    }

    fn on_message(&mut self, conn: ConnId, message: Message<'_>, now: Time, out: &mut Outbox) -> Result<(), Fault> {
        let Some(peer) = self.peers.get_mut(&conn) else { return Ok(()) };
        let (remote, has_pex) = (peer.remote, self.ways.pex);
        let Some(open) = peer.open_mut() else { return Ok(()) };
        match message {
            Message::KeepAlive => return Ok(()),
            Message::Port(port) => {
                if self.us.has_dht {
                    out.tell(Note::DhtNode { address: SocketAddr::new(remote.ip(), port) });
                }
                return Ok(());
            }
            Message::Extended(extension::UT_METADATA, body) if open.ut_metadata != 0 => {
                if let Some(answer) = ut_metadata::answer(body, None) {
                    let answer = Message::Extended(open.ut_metadata, &answer).to_bytes();
                    peer.last_sent = now;
                    out.send(conn, answer);
                    return Ok(());
                }
                return self.on_metadata(conn, body, now);
            }
            Message::Extended(extension::UT_PEX, body) if has_pex => {
                if !open.heard.hear(now)? {
                    return Ok(());
                }
                let told = Pex::from_bytes(body).unwrap_or_default().added;
                let told: Vec<SocketAddr> = told.into_iter().map(|(address, _)| address).collect();
                self.contacts.hear(&told, Source::Pex, address::reach(remote.ip()), now);
                return Ok(());
            }
            Message::Extended(extension::HANDSHAKE, body) => {
                let theirs = Theirs::from_bytes(body).ok_or(Fault::Unexpected("an extension handshake like this"))?;
                open.ut_metadata = theirs.ut_metadata;
                open.claim = theirs.metadata_len.filter(|len| *len as usize <= METADATA_LEN);
            }
            _ => {}
        }
        if open.keep(message) { Ok(()) } else { Err(Fault::NotNeeded("says more than is kept of it")) }
    }

    /// A piece of metadata, or a refusal.
    fn on_metadata(&mut self, conn: ConnId, body: &[u8], now: Time) -> Result<(), Fault> {
        let open = self.peers.get_mut(&conn).and_then(Peer::open_mut);
        let (Some(assembly), Some(open)) = (&mut self.assembly, open) else { return Ok(()) };
        match ut_metadata::Message::from_bytes(body) {
            Some(ut_metadata::Message::Data { piece, total_len, block }) => {
                if total_len.is_some_and(|len| Some(len) != open.claim) {
                    return Err(Fault::Unexpected("metadata of another length than it said"));
                }
                if !assembly.take(conn, open.sender, piece, block, now) {
                    log::debug!("{}: a piece of metadata that nobody waits for", self.info_hash);
                }
            }
            Some(ut_metadata::Message::Reject(_)) => {
                assembly.release(conn);
                open.rests_until = now + REFUSED_REST;
            }
            _ => {}
        }
        Ok(())
    }
}
