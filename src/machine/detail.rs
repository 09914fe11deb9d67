//! What a person may want to know of a torrent besides its row: its peers and its trackers, one by one.

use std::net::SocketAddr;

use super::Source;
use crate::base::{PeerId, Time};

/// A connected peer. Rates in bytes per second.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PeerRow {
    pub address: SocketAddr,
    pub peer_id: PeerId,
    /// It dialled us.
    pub is_inbound: bool,
    /// Pieces it has.
    pub have_count: u32,
    pub down_per_s: u64,
    pub up_per_s: u64,
    pub am_choking: bool,
    pub am_interested: bool,
    pub peer_choking: bool,
    pub peer_interested: bool,
    /// All that is said is encrypted, not the handshake alone.
    pub is_encrypted: bool,
    /// Who named it; None where nobody did.
    pub source: Option<Source>,
}

/// How an announce ended.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct AnnounceState {
    pub at: Time,
    pub has_worked: bool,
    /// Peers that were told.
    pub peer_count: u32,
    /// Peers with everything and without, as the tracker counts.
    pub seeds: Option<u32>,
    pub leechers: Option<u32>,
}

/// A tracker of a torrent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TrackerRow {
    pub url: String,
    /// Counted from 0.
    pub tier: u32,
    /// It is the one of its tier that is in use.
    pub is_in_use: bool,
    /// An announce is under way.
    pub is_asked: bool,
    /// The next announce, where one is planned.
    pub due: Option<Time>,
    pub last: Option<AnnounceState>,
    /// What is wrong with it, for people.
    pub trouble: Option<String>,
}
