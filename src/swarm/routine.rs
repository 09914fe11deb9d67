//! What a swarm does because time passed: dialling, time-outs, keep-alives, choking rounds, retries, checkpoints.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use super::Swarm;
use super::choker::Choker;
use super::known::Session;
use super::peer::{Fault, Peer, Stage};
use super::torrent::{Later, Phase, Torrent};
use crate::base::limits::{
    CONNECT_TIMEOUT, FULL_TIMEOUT, HANDSHAKE_TIMEOUT, IDLE_TIMEOUT, KEEP_ALIVE, USELESS_TIMEOUT,
};
use crate::base::{ConnId, Span, Time};
use crate::machine::{Command, Outbox};
use crate::wire::peer::Message;

/// Between two routine rounds while there are peers.
pub const TICK: Span = Span::secs(1);

/// A peer without anything for us, for whom we do nothing, gives its place to somebody new after this time.
const USELESS_FULL_TIMEOUT: Span = Span::secs(20);
/// Fewer peers than this and nobody left to dial: trackers are asked as early as they allow.
const PEERS_FEW: usize = 10;
/// With so many peers that give blocks, nobody is in a hurry for others.
const GIVERS_FEW: usize = 4;
/// How long a peer has for its first block, once asked, and for letting us ask (an optimistic choice comes round every
/// 30 s), while few give anything and others wait.
const IDLE_OWING: Span = Span::secs(5);
const IDLE_CHOKING: Span = Span::secs(40);
/// Peers replaced in a round.
const REPLACED_AT_ONCE: usize = 4;

impl Swarm {
    /// When something is due.
    pub(super) fn deadline(&self) -> Option<Time> {
        let flush = self.torrent.store.next_flush();
        let retry = match self.torrent.phase {
            Phase::Paused { until, .. } => Some(until),
            _ => None,
        };
        let look = self.contacts.next_look(self.is_short_of_peers());
        let announce = self.contacts.announcer.next_deadline();
        let web = self.next_web_look();
        [self.next_tick, flush, retry, self.torrent.throttled_until, announce, look, web].into_iter().flatten().min()
    }

    /// Something is missing, there are few peers and nobody left to dial.
    pub(super) fn is_short_of_peers(&self) -> bool {
        self.peers.len() < PEERS_FEW && self.contacts.known.idle_count() == 0 && self.torrent.may_request()
    }

    pub(super) fn on_deadline(&mut self, now: Time, out: &mut Outbox) {
        self.torrent.store.flush_old(now, out);
        if matches!(self.torrent.phase, Phase::Paused { until, .. } if until <= now) {
            self.torrent.try_again(now, out);
        }
        if self.torrent.throttled_until.is_some_and(|due| due <= now) {
            self.torrent.throttled_until = None;
            self.torrent.later.push(Later::TopUpAll);
        }
        if self.next_tick.is_some_and(|due| due <= now) {
            self.next_tick = None;
            self.tick(now, out);
        }
    }

    fn may_dial(&self) -> bool {
        self.torrent.phase == Phase::Active && self.peers.len() < self.peers_max
    }

    /// The dial it would like to make next, and when.
    pub fn next_dial(&self) -> Option<(Time, SocketAddr)> {
        let dials = [self.contacts.known.next_due(), self.next_web_dial()];
        dials.into_iter().flatten().min_by_key(|(due, _)| *due).filter(|_| self.may_dial())
    }

    /// Its turn to dial, once: torrents take turns, since the process may only do so many. What another torrent is
    /// dialling (`is_greeted`) comes later.
    pub fn dial(&mut self, now: Time, is_greeted: impl Fn(SocketAddr) -> bool, out: &mut Outbox) {
        if self.may_dial() && self.next_web_dial().is_some_and(|(due, _)| due <= now) {
            return self.dial_web(now, out);
        }
        while self.may_dial()
            && let Some(address) = self.contacts.known.take_due(now, &is_greeted)
        {
            if let Some(until) = out.bans.refused_until(now, address) {
                self.contacts.known.postpone(address, until);
                continue;
            }
            let is_here = |peer: &Peer| {
                peer.dialled == Some(address)
                    || (peer.remote.ip() == address.ip() && peer.listen_port == Some(address.port()))
            };
            if self.peers.values().any(is_here) {
                self.contacts.known.ended(now, address, Session::Useless);
                continue;
            }
            let conn = out.new_conn();
            let piece_count = self.torrent.metainfo.geometry.piece_count();
            self.peers.insert(conn, Peer::new(conn, address, true, piece_count, now));
            out.push(Command::Connect { conn, to: address });
            if self.contacts.known.is_encrypted(address, out.encryption) {
                out.push(Command::Encrypt { conn, info_hash: self.torrent.metainfo.info_hash });
            }
            self.next_tick.get_or_insert(now + TICK);
            return;
        }
    }

    fn tick(&mut self, now: Time, out: &mut Outbox) {
        let mut faults: Vec<(ConnId, Fault)> = Vec::new();
        let rates = self.peers.values_mut().map(|peer| peer.down.rate.per_s(now));
        self.torrent.best_rate = rates.max().unwrap_or(0);
        for peer in self.peers.values_mut() {
            if let Err(fault) = look_after(&mut self.torrent, peer, now, out) {
                faults.push((peer.conn, fault));
            }
        }
        for (conn, fault) in faults {
            self.hang_up(conn, fault, now, out);
        }
        self.gossip(now, out);
        self.watch_idle(now, out);
        self.make_room(now, out);
        if self.choker.next_round() <= now && self.torrent.may_serve() {
            self.choke_round(now, out);
        }
        if self.is_short_of_peers() {
            self.contacts.announcer.want_more(now);
        }
        self.torrent.free_slots = Choker::free_slots(self.peers.values());
        if self.torrent.phase == Phase::Active && self.torrent.store.wants_save(now) {
            let resume = self.torrent.resume(self.torrent.is_complete || self.torrent.was_told_complete);
            self.torrent.store.save(resume, now, out);
        }
    }

    /// The process needs a place: one of these connections leaves, the one that was of no use for longest. Where this
    /// torrent has more than its share (`is_large`), one leaves in any case.
    pub fn give_way(&mut self, leavers: &BTreeSet<ConnId>, is_large: bool, now: Time, out: &mut Outbox) {
        let is_complete = self.torrent.picker.is_complete();
        let patience = |peer: &Peer| match is_large {
            true => Span::ZERO,
            // It has nothing for us and gets nothing of us: one is as good as another.
            false if !is_complete && peer.useful_count == 0 && peer.am_choking => USELESS_FULL_TIMEOUT,
            false => FULL_TIMEOUT,
        };
        let may_go = |peer: &&Peer| {
            let waits_for_us = self.torrent.holds_back(peer, out);
            peer.is_open()
                && leavers.contains(&peer.conn)
                && !waits_for_us
                && now.since(peer.last_block) >= patience(peer)
        };
        let idlest = self.peers.values().filter(may_go).min_by_key(|peer| peer.last_block);
        if let Some(conn) = idlest.map(|peer| peer.conn) {
            let before = out.commands.len();
            self.hang_up(conn, Fault::NotNeeded("others need its place"), now, out);
            self.settle(before, now, out);
        }
    }

    /// When all places are taken, who was of no use for longest leaves, one in a round.
    fn make_room(&mut self, now: Time, out: &mut Outbox) {
        let turned_away = std::mem::take(&mut self.turned_away);
        if self.peers.len() < self.peers_max {
            return;
        }
        let others_wait = turned_away > 0 || self.contacts.known.next_due().is_some_and(|(due, _)| due <= now);
        if others_wait && self.torrent.may_request() {
            self.replace_idlers(now, out);
        }
        let is_idle =
            |peer: &&Peer| now.since(peer.last_block) >= FULL_TIMEOUT && !self.torrent.holds_back(peer, out);
        let idle = self.peers.values().filter(is_idle);
        if let Some(conn) = idle.min_by_key(|peer| peer.last_block).map(|peer| peer.conn) {
            self.hang_up(conn, Fault::NotNeeded("exchanges nothing and others wait"), now, out);
        }
    }

    /// While few peers give anything and others wait for a place, those leave that keep us waiting for their first
    /// block, and later those that do not let us ask: it may be that all places were taken on purpose.
    fn replace_idlers(&mut self, now: Time, out: &mut Outbox) {
        let gives = |peer: &&Peer| peer.down.block_count > 0 && !peer.down.is_snubbed;
        if self.peers.values().filter(gives).count() >= GIVERS_FEW {
            return;
        }
        let is_idle = |peer: &&Peer| {
            let patience = if peer.down.expects_blocks() { IDLE_OWING } else { IDLE_CHOKING };
            let is_of_use = peer.down.block_count > 0 || peer.up.rate.total() > 0;
            peer.is_open() && !is_of_use && now.since(peer.since) >= patience
        };
        let mut idle: Vec<(bool, Time, ConnId)> = self
            .peers
            .values()
            .filter(is_idle)
            .map(|peer| (!peer.down.expects_blocks(), peer.since, peer.conn))
            .collect();
        idle.sort_unstable();
        for (_, _, conn) in idle.into_iter().take(REPLACED_AT_ONCE) {
            self.hang_up(conn, Fault::NotNeeded("gives nothing and others wait"), now, out);
        }
    }

    fn choke_round(&mut self, now: Time, out: &mut Outbox) {
        let is_complete = self.torrent.picker.is_complete();
        let chosen = self.choker.choose(self.peers.values_mut(), is_complete, now, &mut out.rng);
        for peer in self.peers.values_mut().filter(|peer| peer.is_open()) {
            if chosen.contains(&peer.conn) {
                self.torrent.unchoke(peer, now, out);
            } else {
                self.torrent.choke(peer, now, out);
            }
        }
    }
}

/// One peer's second: time-outs, keep-alive, pipeline.
fn look_after(torrent: &mut Torrent, peer: &mut Peer, now: Time, out: &mut Outbox) -> Result<(), Fault> {
    let age = now.since(peer.since);
    match peer.stage {
        Stage::Dialling if age >= CONNECT_TIMEOUT => return Err(Fault::NoAnswer),
        Stage::Handshaking(_) if age >= HANDSHAKE_TIMEOUT => return Err(Fault::Timeout("handshake")),
        Stage::Waiting(_) if age >= IDLE_TIMEOUT => return Err(Fault::Timeout("our files are checked for too long")),
        Stage::Dialling | Stage::Handshaking(_) | Stage::Waiting(_) => return Ok(()),
        Stage::Open if peer.web.is_some() => return torrent.look_after_web(peer, now, out),
        Stage::Open => {}
    }
    if now.since(peer.last_received) >= IDLE_TIMEOUT {
        return Err(Fault::Timeout("it said nothing"));
    }
    if peer.am_interested || peer.peer_interested {
        peer.useless_since = now;
    } else if now.since(peer.useless_since) >= USELESS_TIMEOUT {
        return Err(Fault::NotNeeded("neither side wants anything"));
    }
    if torrent.is_complete && peer.wants_nothing() {
        return Err(if peer.is_seed() { Fault::BothSeeds } else { Fault::BothSated });
    }
    if now.since(peer.last_sent) >= KEEP_ALIVE {
        peer.last_sent = now;
        out.send(peer.conn, Message::KeepAlive.to_bytes());
    }
    torrent.check_owed(peer, now, out)?;
    torrent.check_unread(peer, now)?;
    peer.down.measure(now);
    torrent.top_up(peer, now, out);
    torrent.serve(peer, now, out);
    Ok(())
}
