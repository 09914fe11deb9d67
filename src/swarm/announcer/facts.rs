//! What every announce of a torrent says, whatever the tracker.

use crate::base::{InfoHash, PeerId, limits};
use crate::wire::announce::{Event, Request};

/// Peers asked for.
const NUMWANT: u32 = limits::PEERS_MAX as u32;

/// What an announce says of the torrent and of us.
#[derive(Clone, Debug)]
pub struct Facts {
    pub info_hash: InfoHash,
    pub peer_id: PeerId,
    /// Random, the same for the life of the process.
    pub key: u32,
    /// Where peers reach us.
    pub port: u16,
    /// Payload since the start, in bytes.
    pub uploaded: u64,
    pub downloaded: u64,
    /// Bytes still to get of the whole torrent.
    pub left: u64,
    pub want_peers: bool,
}

impl Facts {
    pub(super) fn request<'a>(&self, event: Event, tracker_id: Option<&'a [u8]>) -> Request<'a> {
        Request {
            info_hash: self.info_hash,
            peer_id: self.peer_id,
            port: self.port,
            uploaded: self.uploaded,
            downloaded: self.downloaded,
            left: self.left,
            numwant: if self.want_peers && event != Event::Stopped { NUMWANT } else { 0 },
            key: self.key,
            event,
            tracker_id,
        }
    }
}
