//! Peers met before the metainfo was known: they wait until the files were looked at; then what they said is heard.

use super::metadata::{Handover, Met};
use super::peer::{Fault, Peer, Stage};
use super::torrent::Phase;
use super::{ConnId, Swarm};
use crate::base::Time;
use crate::machine::Outbox;
use crate::wire::decoder::Decoder;

/// Callers that wait until the files were looked at for the first time.
const WAITING_MAX: usize = 16;
/// Bytes kept of what a peer says while it waits.
const LATER_LEN: usize = 64 * 1024;
/// `have` messages with which a peer that was told we have nothing hears what we have; above, it is dialled anew.
const HAVES_MAX: u32 = 4096;

/// What a waiting peer said.
#[derive(Debug)]
pub struct Waiting {
    /// Its handshake and whole messages.
    said: Vec<u8>,
    /// Goes on with what came after that.
    decoder: Decoder,
    later: Vec<u8>,
    /// It heard our handshake already.
    was_greeted: bool,
}

impl Waiting {
    /// More bytes came. False when they are more than is kept.
    pub fn hear(&mut self, bytes: &[u8]) -> bool {
        self.later.extend_from_slice(bytes);
        self.later.len() <= LATER_LEN
    }
}

impl Swarm {
    /// Whether callers are kept until the files were looked at for the first time.
    pub(super) fn may_wait(&self) -> bool {
        let is_opening = self.torrent.phase == Phase::Opening && self.torrent.store.id.epoch == 1;
        is_opening && self.peers.len() < WAITING_MAX.min(self.peers_max)
    }

    /// Somebody dialled us while the files are looked at.
    pub(super) fn let_wait(&mut self, conn: ConnId, remote: std::net::SocketAddr, now: Time) {
        let piece_count = self.torrent.metainfo.geometry.piece_count();
        let mut peer = Peer::new(conn, remote, false, piece_count, now);
        let (said, later, decoder) = (Vec::new(), Vec::new(), Decoder::new(0));
        peer.stage = Stage::Waiting(Box::new(Waiting { said, decoder, later, was_greeted: false }));
        self.peers.insert(conn, peer);
    }

    /// Takes over who was met. A private torrent knows nobody by gossip, and nobody who may have come by it.
    pub(super) fn take_over(&mut self, handover: Handover, now: Time, out: &mut Outbox) {
        self.contacts = handover.contacts;
        let is_private = self.torrent.metainfo.private;
        if is_private {
            self.contacts.keep_private();
        }
        let piece_count = self.torrent.metainfo.geometry.piece_count();
        for Met { conn, remote, dialled, crypto, said, was_greeted, decoder } in handover.met {
            if is_private && was_greeted && !dialled.is_some_and(|address| self.contacts.known.has(address)) {
                out.close(conn);
                continue;
            }
            let mut peer = Peer::new(conn, remote, dialled.is_some(), piece_count, now);
            peer.crypto = crypto;
            peer.stage = Stage::Waiting(Box::new(Waiting { said, decoder, later: Vec::new(), was_greeted }));
            self.peers.insert(conn, peer);
        }
    }

    /// Who waited is a peer like others now.
    pub(super) fn meet(&mut self, now: Time, out: &mut Outbox) {
        let is_waiting = |peer: &&Peer| matches!(peer.stage, Stage::Waiting(_));
        let conns: Vec<ConnId> = self.peers.values().filter(is_waiting).map(|peer| peer.conn).collect();
        let is_too_much = self.torrent.picker.verified().count() > HAVES_MAX;
        for conn in conns {
            let Some(peer) = self.peers.get_mut(&conn) else { continue };
            let dialled = peer.dialled;
            let stage = std::mem::replace(&mut peer.stage, Stage::Handshaking(Default::default()));
            let Stage::Waiting(waiting) = stage else { continue };
            peer.since = now;
            if !waiting.was_greeted {
                // A caller like any other, who waited a moment.
                let Waiting { said, later, .. } = *waiting;
                self.received(conn, &said, now, out);
                self.received(conn, &later, now, out);
                continue;
            }
            (peer.was_greeted, peer.am_interested) = (true, true);
            if is_too_much {
                self.hang_up(conn, Fault::NotNeeded("is greeted anew, with what we have"), now, out);
                dialled.map(|address| self.contacts.known.try_again(now, address)).unwrap_or_default();
                continue;
            }
            let Waiting { said, decoder, later, .. } = *waiting;
            self.received(conn, &said, now, out);
            if let Some(peer) = self.peers.get_mut(&conn) {
                peer.decoder = decoder;
                self.received(conn, &later, now, out);
            }
            if let Some(peer) = self.peers.get_mut(&conn) {
                // It was told that we are interested, whatever it has.
                self.torrent.set_interest(peer, now, out);
            }
        }
    }
}
