//! One peer of a swarm: the connection's stage, the four bits, what it has. What we ask of it is in `downloads`,
//! what it asks of us in `uploads`.

use std::net::SocketAddr;

use super::active::Sender;
use super::downloads::Down;
use super::gossip::Exchange;
use super::met::Waiting;
use super::talk::Talk;
use super::uploads::Up;
use super::web::{Refusal, Web};
use crate::base::encryption::Crypto;
use crate::base::{Bitfield, ConnId, PeerId, Piece, Time};
use crate::storage::Suspect;
use crate::wire::decoder::Decoder;
use crate::wire::handshake;

/// How far the connection is.
#[derive(Debug)]
pub enum Stage {
    /// We dialled.
    Dialling,
    /// Connected; their handshake is not complete.
    Handshaking(handshake::Gather),
    /// Messages flow.
    Open,
    /// Met before the metainfo was known: heard as soon as the files were looked at.
    Waiting(Box<Waiting>),
}

/// The pieces a peer has.
#[derive(Clone, Debug)]
pub enum Has {
    /// Nothing was said yet, or `have none`.
    Nothing,
    Some(Bitfield),
    /// Everything: it is a seed.
    All,
}

impl Has {
    pub fn has(&self, piece: Piece) -> bool {
        match self {
            Has::Nothing => false,
            Has::Some(field) => field.has(piece),
            Has::All => true,
        }
    }

    /// The same for a number that may be none of a piece.
    pub fn has_index(&self, index: u32) -> bool {
        match self {
            Has::Nothing => false,
            Has::Some(field) => index < field.len() && field.has_index(index),
            Has::All => true,
        }
    }

    pub fn count(&self, piece_count: u32) -> u32 {
        match self {
            Has::Nothing => 0,
            Has::Some(field) => field.count(),
            Has::All => piece_count,
        }
    }
}

#[derive(Debug)]
pub struct Peer {
    pub conn: ConnId,
    pub remote: SocketAddr,
    /// The address in `known` that this session belongs to: the one dialled, or what the peer said it listens on.
    pub dialled: Option<SocketAddr>,
    pub stage: Stage,
    /// When the stage began.
    pub since: Time,
    pub peer_id: PeerId,
    /// What both sides agreed on (MSE), if anything.
    pub crypto: Option<Crypto>,
    /// It would rather be dialled encrypted.
    pub prefers_encryption: bool,
    /// Both sides speak the fast extension (BEP 6).
    pub has_fast: bool,
    pub has_extensions: bool,
    /// It had our handshake before the metainfo was known, and knows of no pieces.
    pub was_greeted: bool,
    /// Their number for `ut_metadata`; 0: none.
    pub ut_metadata: u8,
    /// It was given some of the metadata: some clients hang up then, and want blocks when they come again.
    pub has_metadata_of_us: bool,
    /// Their number for `upload_only`; 0: none.
    pub upload_only_number: u8,
    /// It wants nothing more (BEP 21), though it may not have everything.
    pub is_upload_only: bool,
    /// It was told that we want nothing more.
    pub told_upload_only: bool,
    /// Its part in peer exchange.
    pub exchange: Exchange,
    /// The TCP port it says others reach it at.
    pub listen_port: Option<u16>,
    /// Its number in `blame`.
    pub sender: Sender,
    pub decoder: Decoder,
    pub has: Has,
    /// The first message after the handshake may be a bitfield, later ones are ignored.
    pub said_pieces: bool,
    /// Pieces it has that we still need.
    pub useful_count: u32,
    pub am_choking: bool,
    pub am_interested: bool,
    pub peer_choking: bool,
    pub peer_interested: bool,
    pub down: Down,
    pub up: Up,
    /// What it says that leads nowhere.
    pub talk: Talk,
    /// Last whole message or part of a block: a message that does not end is no sign of life.
    pub last_received: Time,
    /// Keep-alives in a row: they prove nothing but that somebody is there.
    pub keep_alive_count: u32,
    /// Since when neither side wants anything of the other.
    pub useless_since: Time,
    pub last_sent: Time,
    /// Last block in either direction, for hanging up on the useless when full.
    pub last_block: Time,
    /// It is a web seed, and speaks HTTP.
    pub web: Option<Box<Web>>,
}

impl Peer {
    pub fn new(conn: ConnId, remote: SocketAddr, dialled: bool, piece_count: u32, now: Time) -> Peer {
        Peer {
            conn,
            remote,
            dialled: dialled.then_some(remote),
            stage: if dialled { Stage::Dialling } else { Stage::Handshaking(handshake::Gather::default()) },
            since: now,
            peer_id: PeerId([0; 20]),
            crypto: None,
            prefers_encryption: false,
            has_fast: false,
            has_extensions: false,
            was_greeted: false,
            ut_metadata: 0,
            has_metadata_of_us: false,
            upload_only_number: 0,
            is_upload_only: false,
            told_upload_only: false,
            exchange: Exchange::default(),
            listen_port: None,
            sender: 0,
            decoder: Decoder::new(piece_count),
            has: Has::Nothing,
            said_pieces: false,
            useful_count: 0,
            am_choking: true,
            am_interested: false,
            peer_choking: true,
            peer_interested: false,
            down: Down::new(now),
            up: Up::default(),
            talk: Talk::default(),
            last_received: now,
            keep_alive_count: 0,
            useless_since: now,
            last_sent: now,
            last_block: now,
            web: None,
        }
    }

    pub fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Open)
    }

    /// Where others can reach it, as far as is known.
    pub fn reachable_at(&self) -> Option<SocketAddr> {
        self.dialled.or_else(|| self.listen_port.map(|port| SocketAddr::new(self.remote.ip(), port)))
    }

    pub fn is_seed(&self) -> bool {
        matches!(self.has, Has::All)
    }

    /// It has all it wants: nothing, or only a part, of the torrent is missing there.
    pub fn wants_nothing(&self) -> bool {
        self.is_seed() || self.is_upload_only
    }

    /// What it would be known by if it misbehaved.
    pub fn suspect(&self) -> Suspect {
        Suspect { address: self.remote, dialled: self.dialled.is_some(), peer_id: self.peer_id }
    }
}

/// The peer's fault (error family 1): hang up, count, log at debug.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fault {
    NotBitTorrent,
    WrongTorrent,
    /// We reached ourselves.
    Ourselves,
    /// This peer is connected already.
    Duplicate,
    Banned,
    Decode(crate::wire::decoder::DecodeError),
    /// A message that its state does not allow, named.
    Unexpected(&'static str),
    /// It took too long for this.
    Timeout(&'static str),
    /// It does not read what it asks for.
    Unread,
    /// Nobody took our call.
    NoAnswer,
    /// We are both complete.
    BothSeeds,
    /// Both sides have all they want, which may change.
    BothSated,
    /// A web seed's answer is of no use.
    Web(Refusal),
    /// Our side ended it for its own reasons.
    NotNeeded(&'static str),
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Fault::NotBitTorrent => f.write_str("does not speak BitTorrent"),
            Fault::WrongTorrent => f.write_str("is in another swarm"),
            Fault::Ourselves => f.write_str("is ourselves"),
            Fault::Duplicate => f.write_str("is connected already"),
            Fault::Banned => f.write_str("is banned"),
            Fault::Decode(error) => write!(f, "sent nonsense: {error}"),
            Fault::Unexpected(what) => write!(f, "must not send {what}"),
            Fault::Timeout(what) => write!(f, "timed out: {what}"),
            Fault::Unread => f.write_str("does not read what it asks for"),
            Fault::NoAnswer => f.write_str("does not answer"),
            Fault::BothSeeds => f.write_str("is complete, like us"),
            Fault::BothSated => f.write_str("has all it wants, like us"),
            Fault::Web(refusal) => refusal.fmt(f),
            Fault::NotNeeded(why) => f.write_str(why),
        }
    }
}
