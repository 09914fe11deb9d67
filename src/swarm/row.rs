//! A torrent's state for people and scripts.

use super::Swarm;
use super::torrent::Phase;
use crate::base::Time;
use crate::machine::{Activity, Note, Outbox, Row};

impl Swarm {
    /// The torrent's state for people.
    pub fn row(&mut self, now: Time) -> Row {
        let open = self.peers.values().filter(|peer| peer.is_open() && peer.web.is_none());
        let (peers, seeds) = open.fold((0, 0), |(p, s), peer| (p + 1, s + u32::from(peer.is_seed())));
        let (mut giving, mut taking, mut web_seeds, mut web_giving) = (0, 0, 0, 0);
        for peer in self.peers.values_mut().filter(|peer| peer.is_open()) {
            let gives = u32::from(peer.down.rate.per_s(now) > 0);
            if peer.web.is_some() {
                (web_seeds, web_giving) = (web_seeds + 1, web_giving + gives);
                continue;
            }
            giving += gives;
            taking += u32::from(peer.up.rate.per_s(now) > 0);
        }
        let has_all = seeds > 0 || self.peers.values().any(|peer| peer.is_open() && peer.is_seed());
        let unreachable = if has_all { 0 } else { self.torrent.picker.unreachable_len() };
        let torrent = &mut self.torrent;
        let (have_bytes, wanted_bytes) = torrent.picker.progress();
        let activity = match &torrent.phase {
            Phase::Opening => Activity::Opening,
            Phase::Reserving { done, total } => Activity::Reserving { done: *done, total: *total },
            Phase::Checking => {
                let (done, total) = torrent.store.check_progress();
                Activity::Checking { done, total }
            }
            Phase::Active if torrent.picker.is_complete() => Activity::Seeding,
            Phase::Active => Activity::Downloading,
            Phase::Paused { error, .. } => Activity::Paused(error.clone()),
            Phase::Stopping | Phase::Stopped => Activity::Stopped,
        };
        Row {
            torrent: torrent.id,
            activity,
            have_bytes,
            wanted_bytes,
            downloaded: torrent.stats.down.total(),
            uploaded: torrent.stats.up.total(),
            downloaded_ever: torrent.stats.down_before + torrent.stats.down.total(),
            uploaded_ever: torrent.stats.up_before + torrent.stats.up.total(),
            down_per_s: torrent.stats.down.per_s(now),
            up_per_s: torrent.stats.up.per_s(now),
            peers,
            seeds,
            giving,
            taking,
            web_seeds,
            web_giving,
            unreachable,
            known: self.contacts.known.idle_count() as u32,
            wasted: torrent.stats.wasted,
            hash_fails: torrent.stats.hash_fails,
            banned: torrent.stats.banned,
            faults: torrent.stats.faults,
            tracker_trouble: self.contacts.announcer.trouble().map(str::to_owned),
            dht_nodes: None,
            have: None,
        }
    }

    /// A note for the application about this torrent.
    pub fn tell_row(&mut self, now: Time, out: &mut Outbox) {
        let row = self.row(now);
        out.tell(Note::Row(Box::new(row)));
    }
}
