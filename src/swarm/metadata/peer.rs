//! A peer met before the metainfo is known: what it said is kept for the swarm that comes after.

use std::net::SocketAddr;

use crate::base::encryption::Crypto;
use crate::base::limits::SAID_FREE;
use crate::base::room::Room;
use crate::base::{ConnId, PeerId, Time, limits};
use crate::storage::Suspect;
use crate::swarm::active::Sender;
use crate::swarm::gossip::Heard;
use crate::wire::decoder::Decoder;
use crate::wire::handshake::{Gather, Handshake};
use crate::wire::peer::Message;

/// Bytes kept of what one peer said: the longest bitfield, and as much again for what follows.
const SAID_LEN: usize = limits::PIECES as usize / 4;

/// How far the connection is.
pub enum Stage {
    Dialling,
    Handshaking(Gather),
    Open(Box<Open>),
}

/// A peer whose handshake came.
pub struct Open {
    pub handshake: Handshake,
    pub decoder: Decoder,
    /// Its messages so far, without those about metadata and peers.
    pub said: Vec<u8>,
    /// Bytes that it holds of the room that all share.
    pub held: usize,
    pub sender: Sender,
    /// Its number for `ut_metadata`; 0: none.
    pub ut_metadata: u8,
    /// Bytes of metadata it says there are.
    pub claim: Option<u32>,
    pub heard: Heard,
    /// It refused or was late: not asked before this.
    pub rests_until: Time,
}

pub struct Peer {
    pub conn: ConnId,
    pub remote: SocketAddr,
    /// The address of `known` that was dialled.
    pub dialled: Option<SocketAddr>,
    /// What both sides agreed on, if anything.
    pub crypto: Option<Crypto>,
    pub stage: Stage,
    /// When the stage began.
    pub since: Time,
    pub last_received: Time,
    pub last_sent: Time,
}

impl Peer {
    pub fn new(conn: ConnId, remote: SocketAddr, dialled: bool, now: Time) -> Peer {
        let stage = if dialled { Stage::Dialling } else { Stage::Handshaking(Gather::default()) };
        let dialled = dialled.then_some(remote);
        Peer { conn, remote, dialled, crypto: None, stage, since: now, last_received: now, last_sent: now }
    }

    /// What it would be known by if it misbehaved.
    pub fn suspect(&self, open: &Open) -> Suspect {
        Suspect { address: self.remote, dialled: self.dialled.is_some(), peer_id: open.peer_id() }
    }

    pub fn open(&self) -> Option<&Open> {
        if let Stage::Open(open) = &self.stage { Some(open) } else { None }
    }

    pub fn open_mut(&mut self) -> Option<&mut Open> {
        if let Stage::Open(open) = &mut self.stage { Some(open) } else { None }
    }
}

impl Open {
    pub fn new(handshake: Handshake, sender: Sender) -> Open {
        Open {
            handshake,
            // The longest bitfield there may be: how many pieces there are is not known.
            decoder: Decoder::new(limits::PIECES),
            said: Vec::new(),
            held: 0,
            sender,
            ut_metadata: 0,
            claim: None,
            heard: Heard::default(),
            rests_until: Time::ZERO,
        }
    }

    pub fn peer_id(&self) -> PeerId {
        self.handshake.peer_id
    }

    /// Remembers a message. False when it says more than is kept.
    pub fn keep(&mut self, message: Message<'_>) -> bool {
        message.write(&mut self.said);
        self.said.len() <= SAID_LEN
    }

    /// Takes room for what it said, half messages included, or gives room back. False where all of it is taken.
    pub fn settle(&mut self, room: &mut Room) -> bool {
        let len = (self.said.len() + self.decoder.held()).saturating_sub(SAID_FREE);
        let is_kept = room.take(len.saturating_sub(self.held));
        if is_kept {
            room.give(self.held.saturating_sub(len));
            self.held = len;
        }
        is_kept
    }

    /// Whether it can be asked for metadata now.
    pub fn may_ask(&self, now: Time) -> bool {
        self.ut_metadata != 0 && self.claim.is_some() && self.rests_until <= now
    }
}
