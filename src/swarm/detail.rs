//! A torrent's peers and trackers, one by one, for people who look closer.

use super::Swarm;
use super::metadata::Seeker;
use crate::base::encryption::Crypto;
use crate::base::{Bitfield, Time};
use crate::machine::{PeerRow, TrackerRow};

impl Swarm {
    /// The connected peers.
    pub fn peer_rows(&mut self, now: Time) -> Vec<PeerRow> {
        let piece_count = self.torrent.metainfo.geometry.piece_count();
        let known = &self.contacts.known;
        let rows = self.peers.values_mut().filter(|peer| peer.is_open() && peer.web.is_none()).map(|peer| PeerRow {
            address: peer.remote,
            peer_id: peer.peer_id,
            is_inbound: peer.dialled != Some(peer.remote),
            have_count: peer.has.count(piece_count),
            down_per_s: peer.down.rate.per_s(now),
            up_per_s: peer.up.rate.per_s(now),
            am_choking: peer.am_choking,
            am_interested: peer.am_interested,
            peer_choking: peer.peer_choking,
            peer_interested: peer.peer_interested,
            is_encrypted: peer.crypto == Some(Crypto::Rc4),
            source: peer.dialled.and_then(|address| known.source(address)),
        });
        rows.collect()
    }

    /// The trackers, tier by tier.
    pub fn tracker_rows(&self) -> Vec<TrackerRow> {
        self.contacts.announcer.rows()
    }

    /// Pieces that are verified.
    pub fn have(&self) -> &Bitfield {
        self.torrent.picker.verified()
    }

    /// Its trackers are asked for peers as early as they allow.
    pub fn reannounce(&mut self, now: Time) {
        self.contacts.announcer.want_more(now);
    }
}

impl Seeker {
    /// The trackers, tier by tier.
    pub fn tracker_rows(&self) -> Vec<TrackerRow> {
        self.contacts.announcer.rows()
    }

    /// Its trackers are asked for peers as early as they allow.
    pub fn reannounce(&mut self, now: Time) {
        self.contacts.announcer.want_more(now);
    }
}
