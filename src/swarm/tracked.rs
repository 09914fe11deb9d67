//! Between a swarm and its announcer: what trackers are told, and what they bring.

use std::net::SocketAddr;

use super::announcer::{Facts, News};
use super::known::Source;
use super::{NAMES_PER_REPLY, Swarm};
use crate::base::{JobId, Time};
use crate::machine::{Fetched, Outbox};

impl Swarm {
    /// A tracker answered, or did not.
    pub(super) fn announced(&mut self, id: JobId, result: Result<Fetched, String>, now: Time, out: &mut Outbox) {
        let news = self.announcer.on_fetched(now, id, result, &mut out.rng);
        self.take_news(news, now, out);
    }

    /// The look-up of a tracker's name ended.
    pub(super) fn tracker_resolved(
        &mut self,
        id: JobId,
        result: Result<Vec<SocketAddr>, String>,
        now: Time,
        out: &mut Outbox,
    ) {
        let facts = self.facts();
        let news = self.announcer.on_resolved(now, id, result, &facts, out);
        self.take_news(news, now, out);
    }

    /// A datagram from a tracker, perhaps.
    pub(super) fn tracker_said(&mut self, from: SocketAddr, bytes: &[u8], now: Time, out: &mut Outbox) {
        let facts = self.facts();
        let news = self.announcer.on_datagram(now, from, bytes, &facts, out);
        self.take_news(news, now, out);
    }

    /// What an announce brought.
    fn take_news(&mut self, news: impl IntoIterator<Item = News>, now: Time, out: &mut Outbox) {
        for news in news {
            for address in news.peers {
                self.known.add(now, address, Source::Tracker);
            }
            for (host, port) in news.hosts.into_iter().take(NAMES_PER_REPLY) {
                self.name_peer(&host, port, (Source::Tracker, news.reach), now, out);
            }
            if let Some((level, text)) = news.said {
                self.say(level, text, out);
            }
        }
    }

    /// Announces whatever is due.
    pub(super) fn announce(&mut self, now: Time, out: &mut Outbox) {
        if self.announcer.next_deadline().is_none_or(|due| due > now) {
            return;
        }
        let facts = self.facts();
        let news = self.announcer.poll(now, &facts, out);
        self.take_news(news, now, out);
    }

    /// What trackers are told.
    fn facts(&self) -> Facts {
        Facts {
            info_hash: self.torrent.metainfo.info_hash,
            peer_id: self.us.peer_id,
            key: self.us.key,
            port: self.us.port,
            uploaded: self.torrent.stats.up.total(),
            downloaded: self.torrent.stats.down.total(),
            left: self.torrent.picker.missing_len(),
            want_peers: self.peers.len() < self.peers_max,
        }
    }
}
