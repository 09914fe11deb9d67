//! Effects on other peers than the one that was handled, done before the input is over.

use std::sync::Arc;

use super::choker::Choker;
use super::torrent::Later;
use super::{Swarm, routine};
use crate::base::address::reach;
use crate::base::{ConnId, Time};
use crate::machine::{Command, Job, Note, Outbox, Source};
use crate::wire::peer::Message;

impl Swarm {
    /// Does what follows for other peers, until nothing more follows.
    pub(super) fn do_later(&mut self, now: Time, out: &mut Outbox) {
        while !self.torrent.later.is_empty() {
            for later in std::mem::take(&mut self.torrent.later) {
                self.do_one(later, now, out);
            }
        }
        self.announce(now, out);
        self.look_for_web_seeds(now, out);
        self.contacts.look(self.is_short_of_peers(), now, out);
        if self.next_tick.is_none() && !self.peers.is_empty() {
            self.next_tick = Some(now + routine::TICK);
        }
    }

    fn do_one(&mut self, later: Later, now: Time, out: &mut Outbox) {
        match later {
            Later::CancelElsewhere { block, conn } => {
                for peer in self.peers.values_mut().filter(|peer| peer.conn != conn) {
                    self.torrent.cancel(peer, block, now, out);
                    self.torrent.top_up(peer, now, out);
                }
            }
            Later::Verified(piece) => {
                let message: Arc<[u8]> = Message::Have(piece.index()).to_bytes().into();
                let others =
                    self.peers.values().filter(|peer| peer.is_open() && !peer.is_seed() && peer.web.is_none());
                let conns: Vec<ConnId> = others.map(|peer| peer.conn).collect();
                if !conns.is_empty() {
                    out.push(Command::SendMany { conns, bytes: message });
                }
                for peer in self.peers.values_mut().filter(|peer| peer.has.has(piece)) {
                    peer.useful_count = peer.useful_count.saturating_sub(1);
                    self.torrent.set_interest(peer, now, out);
                }
            }
            Later::Completed => {
                for peer in self.peers.values_mut() {
                    self.torrent.tell_upload_only(peer, self.us.port, now, out);
                }
                // The numbers first, so that the application has the last ones when it hears the news.
                if self.torrent.was_incomplete && !self.torrent.was_told_complete {
                    self.contacts.complete(now);
                }
                self.tell_row(now, out);
                out.tell(Note::Complete { torrent: self.torrent.id });
            }
            Later::Banned => self.cast_out(now, out),
            Later::WebLied { seed } => self.drop_web_seed(seed, now, out),
            Later::Heard { from, peers } => self.contacts.hear(&peers, Source::Pex, reach(from.ip()), now),
            Later::CancelAll => {
                self.hang_up_web_seeds(now, out);
                for peer in self.peers.values_mut() {
                    self.torrent.cancel_all(peer, now, out);
                }
            }
            Later::Serve { conn } => {
                if let Some(peer) = self.peers.get_mut(&conn) {
                    self.torrent.serve(peer, now, out);
                }
            }
            Later::TopUpAll => self.top_up_all(now, out),
            Later::Began => {
                self.torrent.free_slots = Choker::free_slots(self.peers.values());
                self.contacts.begin(now, self.torrent.picker.missing_len());
                self.meet(now, out);
                self.tell_row(now, out);
            }
            Later::Reopen => {
                self.hang_up_all("starting over from the files", now, out);
                out.job(Job::Close { store: self.torrent.store.id });
                self.torrent.open(now, out);
            }
        }
    }

    /// Requests and reads that waited for credits or a rate limit. Whoever was first last time is last now, so that
    /// all get their share of little.
    pub(super) fn top_up_all(&mut self, now: Time, out: &mut Outbox) {
        let Swarm { torrent, peers, next_turn, .. } = self;
        let from = *next_turn;
        let next = peers.range(ConnId(from.0 + 1)..).next().or_else(|| peers.first_key_value());
        *next_turn = next.map_or(from, |(conn, _)| *conn);
        let turns = peers.range(from..).map(|(conn, _)| *conn).chain(peers.range(..from).map(|(conn, _)| *conn));
        for conn in turns.collect::<Vec<ConnId>>() {
            if let Some(peer) = peers.get_mut(&conn) {
                torrent.top_up(peer, now, out);
                if peer.up.is_starved {
                    torrent.serve(peer, now, out);
                }
            }
        }
    }
}
