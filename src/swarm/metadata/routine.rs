//! What a search does because time passed: dialling, time-outs, keep-alives, who is late.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use super::Seeker;
use super::peer::{Peer, Stage};
use crate::base::limits::{CONNECT_TIMEOUT, HANDSHAKE_TIMEOUT, IDLE_TIMEOUT, KEEP_ALIVE};
use crate::base::{ConnId, Span, Time};
use crate::machine::{Command, Outbox};
use crate::swarm::peer::Fault;
use crate::swarm::routine::TICK;
use crate::wire::peer::Message;

/// A peer that was late with metadata is asked again after this.
const LATE_REST: Span = Span::secs(10);
/// What was found and is not wanted within this is let go.
const UNWANTED: Span = Span::secs(10);

impl Seeker {
    fn may_dial(&self) -> bool {
        !self.is_stopped && self.peers.len() < self.peers_max
    }

    /// The dial it would like to make next, and when.
    pub fn next_dial(&self) -> Option<(Time, SocketAddr)> {
        self.contacts.known.next_due().filter(|_| self.may_dial())
    }

    /// Its turn to dial, once; what another torrent is dialling (`is_greeted`) comes later.
    pub fn dial(&mut self, now: Time, is_greeted: impl Fn(SocketAddr) -> bool, out: &mut Outbox) {
        while self.may_dial()
            && let Some(address) = self.contacts.known.take_due(now, &is_greeted)
        {
            if let Some(until) = out.bans.refused_until(now, address) {
                self.contacts.known.postpone(address, until);
                continue;
            }
            let conn = out.new_conn();
            self.peers.insert(conn, Peer::new(conn, address, true, now));
            out.push(Command::Connect { conn, to: address });
            if self.contacts.known.is_encrypted(address, out.encryption) {
                out.push(Command::Encrypt { conn, info_hash: self.info_hash });
            }
            self.next_tick.get_or_insert(now + TICK);
            return;
        }
    }

    /// The process needs a place: one of these connections leaves, one that knows no metadata if there is one; where
    /// this torrent has more than its share (`is_large`), any.
    pub fn give_way(&mut self, leavers: &BTreeSet<ConnId>, is_large: bool, now: Time, out: &mut Outbox) {
        let knows = |peer: &Peer| peer.open().is_some_and(|open| open.ut_metadata != 0 && open.claim.is_some());
        let may_go = |peer: &&Peer| leavers.contains(&peer.conn) && (is_large || !knows(peer));
        let least = self.peers.values().filter(may_go).min_by_key(|peer| (knows(peer), peer.last_received));
        if let Some(conn) = least.map(|peer| peer.conn) {
            self.hang_up(conn, &Fault::NotNeeded("others need its place"), now, out);
        }
    }

    /// Once in a second: time-outs, keep-alives, who is late.
    pub(super) fn tick(&mut self, now: Time, out: &mut Outbox) {
        let mut faults = Vec::new();
        for peer in self.peers.values_mut() {
            let age = now.since(peer.since);
            let fault = match peer.stage {
                Stage::Dialling => (age >= CONNECT_TIMEOUT).then_some("dialling"),
                Stage::Handshaking(_) => (age >= HANDSHAKE_TIMEOUT).then_some("handshake"),
                Stage::Open(_) => (now.since(peer.last_received) >= IDLE_TIMEOUT).then_some("it said nothing"),
            };
            if let Some(what) = fault {
                faults.push((peer.conn, Fault::Timeout(what)));
            } else if peer.open().is_some() && now.since(peer.last_sent) >= KEEP_ALIVE {
                peer.last_sent = now;
                out.send(peer.conn, Message::KeepAlive.to_bytes());
            }
        }
        if self.found.is_some_and(|found| now.since(found) >= UNWANTED) {
            self.stop(now);
            faults.extend(self.peers.keys().map(|conn| (*conn, Fault::NotNeeded("nobody wants this torrent"))));
        }
        for (conn, fault) in faults {
            self.hang_up(conn, &fault, now, out);
        }
        let late = self.assembly.as_mut().map(|assembly| assembly.late(now)).unwrap_or_default();
        for conn in late {
            if let Some(open) = self.peers.get_mut(&conn).and_then(Peer::open_mut) {
                open.rests_until = now + LATE_REST;
            }
        }
        if self.is_short_of_peers() {
            self.contacts.announcer.want_more(now);
        }
    }
}
