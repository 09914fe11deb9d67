//! Between a swarm and its trackers: what they are told, and who hears their answers.

use std::net::SocketAddr;

use super::Swarm;
use super::announcer::Facts;
use crate::base::{JobId, Time};
use crate::machine::Outbox;

impl Swarm {
    /// The look-up of a peer's or a tracker's name ended.
    pub(super) fn resolved(
        &mut self,
        id: JobId,
        result: Result<Vec<SocketAddr>, String>,
        now: Time,
        out: &mut Outbox,
    ) {
        if self.web_seeds.resolved(id, &result, now, out) {
            return;
        }
        let facts = self.facts();
        self.contacts.resolved(id, result, &facts, now, out);
    }

    /// A datagram from a tracker, perhaps.
    pub(super) fn tracker_said(&mut self, from: SocketAddr, bytes: &[u8], now: Time, out: &mut Outbox) {
        let facts = self.facts();
        self.contacts.datagram(from, bytes, &facts, now, out);
    }

    /// Announces whatever is due.
    pub(super) fn announce(&mut self, now: Time, out: &mut Outbox) {
        if self.contacts.is_due(now) {
            let facts = self.facts();
            self.contacts.announce(&facts, now, out);
        }
    }

    /// What trackers are told.
    fn facts(&self) -> Facts {
        let (up_before, down_before) = self.contacts.moved_before();
        Facts {
            info_hash: self.torrent.metainfo.info_hash,
            peer_id: self.us.peer_id,
            key: self.us.key,
            port: self.us.port,
            uploaded: up_before + self.torrent.stats.up.total(),
            downloaded: down_before + self.torrent.stats.down.total(),
            left: self.torrent.picker.missing_len(),
            want_peers: self.peers.len() < self.peers_max,
        }
    }
}
