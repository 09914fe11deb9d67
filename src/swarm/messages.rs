//! What a peer's messages mean: handshake, the four bits, pieces, extensions.

use std::net::SocketAddr;

use super::farewell::welcome;
use super::peer::{Fault, Has, Peer, Stage};
use super::talk::price;
use super::torrent::{Later, Torrent};
use crate::base::encryption::Encryption;
use crate::base::limits::WANTED_MAX;
use crate::base::{Bitfield, PeerId, Piece, Time};
use crate::machine::{Note, Outbox};
use crate::wire::decoder::{Decoder, Event};
use crate::wire::extension::{self, Ours, Theirs};
use crate::wire::handshake::Handshake;
use crate::wire::peer::Message;
use crate::wire::pex::Pex;
use crate::wire::ut_metadata;

/// Our name and version (extension handshake, user agent).
pub const CLIENT: &str = concat!("peerlink ", env!("CARGO_PKG_VERSION"));

/// Keep-alives in a row: a day and a half of honest ones.
const KEEP_ALIVES_MAX: u32 = 1000;

impl Torrent {
    /// What we say first.
    pub fn handshake(&self, our_id: PeerId) -> Handshake {
        Handshake::new(self.metainfo.info_hash, our_id).with_dht(self.has_dht)
    }

    /// Their handshake is complete; ours was sent by whoever dialled, so the answer goes out if they did.
    pub fn on_handshake(
        &mut self,
        peer: &mut Peer,
        theirs: Handshake,
        us: (PeerId, u16),
        now: Time,
        out: &mut Outbox,
    ) -> Result<(), Fault> {
        let (our_id, port) = us;
        if theirs.info_hash != self.metainfo.info_hash {
            return Err(Fault::WrongTorrent);
        }
        if theirs.peer_id == our_id {
            if peer.dialled.is_none() {
                // So that our other end sees whom it dialled, and never does again.
                out.send(peer.conn, self.handshake(our_id).to_bytes().to_vec());
            }
            return Err(Fault::Ourselves);
        }
        peer.peer_id = theirs.peer_id;
        welcome(&out.bans, now, peer.suspect())?;
        peer.has_fast = theirs.has_fast();
        peer.has_extensions = theirs.has_extensions();
        peer.sender = self.blame.enrol(peer.suspect());
        peer.stage = Stage::Open;
        peer.last_received = now;
        peer.since = now;
        let mut bytes = Vec::new();
        if peer.dialled.is_none() && !peer.was_greeted {
            bytes.extend_from_slice(&self.handshake(our_id).to_bytes());
        }
        self.greet(peer, port, out.encryption, &mut bytes);
        peer.told_upload_only = self.picker.is_complete();
        if self.has_dht && theirs.has_dht() && port != 0 && !peer.was_greeted {
            Message::Port(port).write(&mut bytes);
        }
        peer.last_sent = now;
        if !bytes.is_empty() {
            out.send(peer.conn, bytes);
        }
        Ok(())
    }

    /// What we have, then what we can. BEP 6: the pieces are the first message.
    fn greet(&self, peer: &Peer, port: u16, encryption: Encryption, bytes: &mut Vec<u8>) {
        let have = self.picker.verified();
        match (peer.has_fast, have.count()) {
            // Its first word of us was that we have nothing.
            _ if peer.was_greeted => have.ones().for_each(|index| Message::Have(index).write(bytes)),
            (true, 0) => Message::HaveNone.write(bytes),
            (true, _) if have.is_full() => Message::HaveAll.write(bytes),
            (false, 0) => {}
            _ => Message::Bitfield(have.as_bytes()).write(bytes),
        }
        if peer.has_extensions {
            self.introduce(port, encryption, bytes);
        }
    }

    /// Our handshake of the extension protocol.
    fn introduce(&self, port: u16, encryption: Encryption, bytes: &mut Vec<u8>) {
        let ours = Ours {
            client: CLIENT,
            port,
            metadata_len: Some(self.metainfo.info.len()),
            has_pex: self.has_pex,
            prefers_encryption: encryption.is_first(),
            reqq: WANTED_MAX,
            upload_only: self.picker.is_complete(),
        };
        Message::Extended(extension::HANDSHAKE, &ours.to_bytes()).write(bytes);
    }

    /// Tells a peer that we want nothing more (BEP 21), in its own way: clients that have no message for it hear our
    /// handshake once more, as BEP 10 allows.
    pub fn tell_upload_only(&self, peer: &mut Peer, port: u16, now: Time, out: &mut Outbox) {
        if !peer.is_open() || !peer.has_extensions || std::mem::replace(&mut peer.told_upload_only, true) {
            return;
        }
        let mut bytes = Vec::new();
        match peer.upload_only_number {
            0 => self.introduce(port, out.encryption, &mut bytes),
            number => Message::Extended(number, &[1]).write(&mut bytes),
        }
        peer.last_sent = now;
        out.send(peer.conn, bytes);
    }

    /// What a peer said, message by message.
    ///
    /// # Errors
    /// With the first that breaks the rules.
    pub fn read_messages(
        &mut self,
        peer: &mut Peer,
        mut bytes: &[u8],
        now: Time,
        out: &mut Outbox,
    ) -> Result<(), Fault> {
        let mut decoder = std::mem::replace(&mut peer.decoder, Decoder::new(0));
        let result = loop {
            match decoder.next(&mut bytes) {
                Ok(Some(event)) => {
                    peer.last_received = now;
                    if let Err(fault) = self.on_event(peer, event, now, out) {
                        break Err(fault);
                    }
                }
                Ok(None) => break Ok(()),
                Err(error) => break Err(Fault::Decode(error)),
            }
        };
        peer.decoder = decoder;
        result
    }

    pub fn on_event(&mut self, peer: &mut Peer, event: Event<'_>, now: Time, out: &mut Outbox) -> Result<(), Fault> {
        match event {
            Event::Head(raw) => self.on_head(peer, raw, now, out),
            Event::Payload { bytes, last } => {
                self.on_payload(peer, bytes, last, now, out);
                Ok(())
            }
            Event::Message(message) => self.on_message(peer, message, now, out),
        }
    }

    fn on_message(
        &mut self,
        peer: &mut Peer,
        message: Message<'_>,
        now: Time,
        out: &mut Outbox,
    ) -> Result<(), Fault> {
        let is_fast_only = matches!(
            message,
            Message::Suggest(_) | Message::HaveAll | Message::HaveNone | Message::Reject(_) | Message::AllowedFast(_)
        );
        if is_fast_only && !peer.has_fast {
            return Err(Fault::Unexpected("messages of the fast extension, which it does not speak"));
        }
        peer.talk.spend(now, price(peer, &message))?;
        match message {
            Message::KeepAlive => {
                peer.keep_alive_count += 1;
                if peer.keep_alive_count > KEEP_ALIVES_MAX {
                    return Err(Fault::Unexpected("nothing but keep-alives"));
                }
                return Ok(());
            }
            Message::Port(port) if self.has_dht => {
                let address = SocketAddr::new(peer.remote.ip(), port);
                out.tell(Note::DhtNode { address });
            }
            Message::Port(_) | Message::Suggest(_) | Message::Unknown(_) => {}
            Message::Choke => self.on_choke(peer, out),
            Message::Unchoke => {
                peer.peer_choking = false;
                self.top_up(peer, now, out);
            }
            Message::Interested => self.on_interested(peer, now, out),
            Message::NotInterested => peer.peer_interested = false,
            Message::Have(index) => {
                let piece = self.metainfo.geometry.piece(index).ok_or(Fault::Unexpected("a have of no piece"))?;
                self.on_have(peer, piece, now, out);
            }
            Message::Bitfield(bits) => self.on_bitfield(peer, bits, now, out)?,
            Message::HaveAll => self.on_pieces(peer, Has::All, now, out),
            Message::HaveNone => self.on_pieces(peer, Has::Nothing, now, out),
            Message::Request(raw) => self.on_request(peer, raw, now, out)?,
            Message::Cancel(raw) => self.on_cancel(peer, raw, out),
            Message::Reject(raw) => {
                self.on_reject(peer, raw, now, out)?;
                self.top_up(peer, now, out);
            }
            Message::AllowedFast(index) => self.on_allowed_fast(peer, index, now, out),
            Message::Extended(number, body) => self.on_extended(peer, number, body, now, out)?,
        }
        peer.keep_alive_count = 0;
        Ok(())
    }

    fn on_interested(&mut self, peer: &mut Peer, now: Time, out: &mut Outbox) {
        peer.peer_interested = true;
        if self.free_slots > 0 && peer.am_choking && self.may_serve() && !peer.wants_nothing() {
            self.free_slots -= 1;
            self.unchoke(peer, now, out);
        }
    }

    fn on_bitfield(&mut self, peer: &mut Peer, bits: &[u8], now: Time, out: &mut Outbox) -> Result<(), Fault> {
        let field = Bitfield::from_bytes(bits, self.metainfo.geometry.piece_count())
            .ok_or(Fault::Unexpected("a bitfield of another length or with spare bits set"))?;
        let has = if field.is_full() { Has::All } else { Has::Some(field) };
        self.on_pieces(peer, has, now, out);
        Ok(())
    }

    /// Its first word on pieces counts; later ones are ignored, so that counters never run backwards.
    fn on_pieces(&mut self, peer: &mut Peer, has: Has, now: Time, out: &mut Outbox) {
        if std::mem::replace(&mut peer.said_pieces, true) {
            return;
        }
        self.forget_pieces(peer);
        peer.has = has;
        if let Has::Some(field) = &peer.has {
            for piece in field.ones().filter_map(|index| self.metainfo.geometry.piece(index)) {
                self.picker.gained(piece);
            }
        }
        self.allow_fast(peer, out);
        self.review_interest(peer, now, out);
    }

    fn on_have(&mut self, peer: &mut Peer, piece: Piece, now: Time, out: &mut Outbox) {
        peer.said_pieces = true;
        let piece_count = self.metainfo.geometry.piece_count();
        if matches!(peer.has, Has::Nothing) {
            peer.has = Has::Some(Bitfield::new(piece_count));
        }
        let Has::Some(field) = &mut peer.has else {
            return;
        };
        if !field.set(piece) {
            return;
        }
        let is_full = field.is_full();
        self.picker.gained(piece);
        if is_full {
            self.forget_pieces(peer);
            peer.has = Has::All;
        }
        if self.picker.needs(piece) {
            peer.useful_count += 1;
            self.set_interest(peer, now, out);
            self.top_up(peer, now, out);
        }
    }

    fn on_allowed_fast(&mut self, peer: &mut Peer, index: u32, now: Time, out: &mut Outbox) {
        if let Some(piece) = self.metainfo.geometry.piece(index).filter(|piece| self.picker.needs(*piece)) {
            peer.down.allow(piece);
            self.top_up(peer, now, out);
        }
    }

    fn on_extended(
        &mut self,
        peer: &mut Peer,
        number: u8,
        body: &[u8],
        now: Time,
        out: &mut Outbox,
    ) -> Result<(), Fault> {
        if !peer.has_extensions {
            return Err(Fault::Unexpected("messages of the extension protocol, which it does not speak"));
        }
        match number {
            extension::HANDSHAKE => {
                let theirs = Theirs::from_bytes(body).ok_or(Fault::Unexpected("an extension handshake like this"))?;
                if let Some(reqq) = theirs.reqq {
                    peer.down.bound(reqq);
                }
                peer.ut_metadata = theirs.ut_metadata;
                peer.exchange.number = theirs.ut_pex;
                peer.upload_only_number = theirs.upload_only_number;
                peer.is_upload_only = theirs.upload_only;
                peer.listen_port = theirs.port;
                peer.prefers_encryption = theirs.prefers_encryption;
                if let Some(client) = theirs.client {
                    log::debug!("{} is {}", peer.remote, client.escape_debug());
                }
            }
            extension::UPLOAD_ONLY => {
                if let [told] = body {
                    peer.is_upload_only = *told != 0;
                }
            }
            extension::UT_PEX if self.has_pex => {
                let counts = peer.exchange.heard.hear(now)?;
                let added = Pex::from_bytes(body).filter(|_| counts).unwrap_or_default().added;
                let peers = added.into_iter().map(|(address, _)| address).collect();
                self.later.push(Later::Heard { from: peer.remote, peers });
            }
            extension::UT_METADATA if peer.ut_metadata != 0 => {
                if let Some(answer) = ut_metadata::answer(body, Some(&self.metainfo.info)) {
                    (peer.last_sent, peer.has_metadata_of_us) = (now, true);
                    out.send(peer.conn, Message::Extended(peer.ut_metadata, &answer).to_bytes());
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// The peer's pieces are counted no more.
    pub fn forget_pieces(&mut self, peer: &Peer) {
        if let Has::Some(field) = &peer.has {
            for piece in field.ones().filter_map(|index| self.metainfo.geometry.piece(index)) {
                self.picker.lost(piece);
            }
        }
    }

    /// Recounts what the peer has that we need, and says so.
    pub fn review_interest(&mut self, peer: &mut Peer, now: Time, out: &mut Outbox) {
        let needed = self.metainfo.geometry.pieces().filter(|piece| self.picker.needs(*piece));
        peer.useful_count = match &peer.has {
            Has::Nothing => 0,
            has => needed.filter(|piece| has.has(*piece)).count() as u32,
        };
        self.set_interest(peer, now, out);
        self.top_up(peer, now, out);
    }

    /// Tells the peer when our interest changed.
    pub fn set_interest(&mut self, peer: &mut Peer, now: Time, out: &mut Outbox) {
        let is_interested = peer.useful_count > 0;
        if peer.am_interested == is_interested || !peer.is_open() {
            return;
        }
        peer.am_interested = is_interested;
        if peer.web.is_some() {
            return;
        }
        peer.last_sent = now;
        let message = if is_interested { Message::Interested } else { Message::NotInterested };
        out.send(peer.conn, message.to_bytes());
    }
}
