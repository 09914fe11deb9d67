//! Peer exchange (BEP 11): every peer is told once a minute who came and who went, and is listened to no more often.
//!
//! Comings and goings are numbered, so that a peer is remembered with one number: up to where it was told.

use std::collections::VecDeque;
use std::net::SocketAddr;

use super::Swarm;
use super::peer::{Fault, Peer};
use crate::base::address::{may_dial, reach};
use crate::base::{Span, Time};
use crate::machine::Outbox;
use crate::wire::peer::Message;
use crate::wire::pex::{ADDRESSES_MAX, Pex, flag};

/// Between two messages to a peer.
const EVERY: Span = Span::secs(60);
/// Between two messages of a peer that count: a little less, for clocks and roads differ.
const HEED_EVERY: Span = Span::secs(50);
/// So many of them within [`EVERY`], and the next, are a fault (libtorrent).
const HEARD_MAX: usize = 6;
/// Goings remembered; who is not told of an older one only dials in vain.
const LEFT_MAX: usize = 100;

/// A swarm's comings and goings.
#[derive(Debug, Default)]
pub struct Gossip {
    last: u64,
    left: VecDeque<Left>,
}

/// Somebody who was here from the number `came` to the number `went`.
#[derive(Debug)]
struct Left {
    address: SocketAddr,
    came: u64,
    went: u64,
}

/// One peer's part in it.
#[derive(Debug, Default)]
pub struct Exchange {
    /// Its number for `ut_pex`; 0: none.
    pub number: u8,
    /// When it came; 0: nobody knows yet where it can be reached.
    came: u64,
    /// Up to where it was told.
    told: u64,
    /// When it may be told more.
    next: Time,
    pub heard: Heard,
}

/// The last messages of a peer.
#[derive(Debug, Default)]
pub struct Heard {
    times: VecDeque<Time>,
    heeded: Option<Time>,
}

impl Heard {
    /// A message came. True if it counts.
    ///
    /// # Errors
    /// It is one too many within a minute.
    pub fn hear(&mut self, now: Time) -> Result<bool, Fault> {
        let oldest = if self.times.len() == HEARD_MAX { self.times.pop_front() } else { None };
        if oldest.is_some_and(|oldest| now.since(oldest) < EVERY) {
            return Err(Fault::Unexpected("so many messages about other peers"));
        }
        self.times.push_back(now);
        let counts = self.heeded.is_none_or(|last| now.since(last) >= HEED_EVERY);
        if counts {
            self.heeded = Some(now);
        }
        Ok(counts)
    }
}

impl Gossip {
    /// Numbers whoever came lately and can be reached.
    fn note_newcomers<'a>(&mut self, peers: impl Iterator<Item = &'a mut Peer>) {
        for peer in peers.filter(|peer| peer.is_open() && peer.exchange.came == 0) {
            if peer.reachable_at().is_some() {
                self.last += 1;
                peer.exchange.came = self.last;
            }
        }
    }

    /// A peer is no more.
    pub fn note_gone(&mut self, peer: &Peer) {
        let (came, Some(address)) = (peer.exchange.came, peer.reachable_at()) else { return };
        if came != 0 {
            self.last += 1;
            self.left.push_back(Left { address, came, went: self.last });
            if self.left.len() > LEFT_MAX {
                self.left.pop_front();
            }
        }
    }

    /// What a peer that was told up to `told` should hear, and up to where that goes.
    fn news<'a>(&self, of: &Peer, others: impl Iterator<Item = &'a Peer>) -> (Pex, u64) {
        let told = of.exchange.told;
        // Number, address, and flags of who came.
        let mut events: Vec<(u64, SocketAddr, Option<u8>)> = Vec::new();
        for peer in others.filter(|peer| peer.conn != of.conn && peer.exchange.came > told) {
            events.extend(peer.reachable_at().map(|address| (peer.exchange.came, address, Some(flags(peer)))));
        }
        let gone = self.left.iter().filter(|left| left.came <= told && left.went > told);
        events.extend(gone.map(|left| (left.went, left.address, None)));
        events.sort_unstable_by_key(|(number, ..)| *number);
        let (mut pex, mut up_to) = (Pex::default(), self.last);
        for (number, address, flags) in events {
            let is_full = pex.added.len() >= ADDRESSES_MAX || pex.dropped.len() >= ADDRESSES_MAX;
            if is_full {
                up_to = number - 1;
                break;
            }
            // Addresses of the local network are nothing for others.
            if !may_dial(address, reach(of.remote.ip())) || address == of.remote {
                continue;
            }
            match flags {
                Some(flags) => pex.added.push((address, flags)),
                None => pex.dropped.push(address),
            }
        }
        (pex, up_to)
    }
}

fn flags(peer: &Peer) -> u8 {
    let seed = if peer.is_seed() || peer.is_upload_only { flag::SEED } else { 0 };
    let encryption = if peer.prefers_encryption { flag::ENCRYPTION } else { 0 };
    seed | encryption | if peer.dialled.is_some() { flag::REACHABLE } else { 0 }
}

impl Swarm {
    /// Tells whoever has not been told for a minute who came and who went.
    pub(super) fn gossip(&mut self, now: Time, out: &mut Outbox) {
        if !self.ways.pex {
            return;
        }
        self.gossip.note_newcomers(self.peers.values_mut());
        let is_due = |peer: &&Peer| peer.is_open() && peer.exchange.number != 0 && peer.exchange.next <= now;
        let due: Vec<_> = self.peers.values().filter(is_due).map(|peer| peer.conn).collect();
        for conn in due {
            let Some(peer) = self.peers.get(&conn) else { continue };
            let (pex, up_to) = self.gossip.news(peer, self.peers.values());
            let Some(peer) = self.peers.get_mut(&conn) else { continue };
            peer.exchange.told = up_to;
            if pex != Pex::default() {
                peer.exchange.next = now + EVERY;
                peer.last_sent = now;
                out.send(conn, Message::Extended(peer.exchange.number, &pex.to_bytes()).to_bytes());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ConnId;
    use crate::swarm::peer::{Has, Stage};

    fn peer(number: u64) -> Peer {
        let address = SocketAddr::from(([8, 8, (number >> 8) as u8, number as u8], 6881));
        let mut peer = Peer::new(ConnId(number), address, true, 10, Time::ZERO);
        peer.stage = Stage::Open;
        peer.exchange.number = 1;
        peer
    }

    #[test]
    fn everybody_hears_of_everybody_else_once_and_in_portions() {
        let mut gossip = Gossip::default();
        let mut peers: Vec<Peer> = (0..120).map(peer).collect();
        peers[3].has = Has::All;
        gossip.note_newcomers(peers.iter_mut());
        let mut heard = Vec::new();
        for expected in [50, 50, 19, 0] {
            let (pex, up_to) = gossip.news(&peers[7], peers.iter());
            assert_eq!((pex.added.len(), pex.dropped.len()), (expected, 0));
            heard.extend(pex.added);
            peers[7].exchange.told = up_to;
        }
        assert_eq!(heard.iter().filter(|(_, flags)| *flags == flag::SEED | flag::REACHABLE).count(), 1);
        heard.sort_unstable();
        heard.dedup();
        assert!(heard.len() == 119 && heard.iter().all(|(address, _)| *address != peers[7].remote));
        // Of goings hears who heard of the coming.
        let gone = peers.remove(0);
        gossip.note_gone(&gone);
        let (pex, _) = gossip.news(&peers[6], peers.iter());
        assert_eq!((pex.added.len(), &pex.dropped[..]), (0, &[gone.remote][..]));
        assert!(gossip.news(&peers[0], peers.iter()).0.dropped.is_empty());
    }

    #[test]
    fn who_cannot_be_reached_is_not_told_and_local_addresses_stay_local() {
        let mut gossip = Gossip::default();
        let mut peers: Vec<Peer> = (0..3).map(peer).collect();
        peers[0].dialled = None;
        peers[1].remote = SocketAddr::from(([192, 168, 0, 1], 1));
        peers[1].dialled = Some(peers[1].remote);
        gossip.note_newcomers(peers.iter_mut());
        assert!(gossip.news(&peers[2], peers.iter()).0.added.is_empty());
        peers[0].listen_port = Some(7);
        gossip.note_newcomers(peers.iter_mut());
        let at = SocketAddr::new(peers[0].remote.ip(), 7);
        assert_eq!(gossip.news(&peers[2], peers.iter()).0.added, [(at, 0)]);
        assert_eq!(gossip.news(&peers[1], peers.iter()).0.added.len(), 2);
    }

    #[test]
    fn one_message_a_minute_counts_and_the_seventh_is_a_fault() {
        let mut heard = Heard::default();
        let at = |seconds| Time::ZERO + Span::secs(seconds);
        let counted: Vec<bool> = [0, 1, 2, 55, 56, 57].map(|s| heard.hear(at(s)).unwrap()).into();
        assert_eq!(counted, [true, false, false, true, false, false]);
        assert!(heard.hear(at(59)).is_err());
        let mut heard = Heard::default();
        assert!((0..100).all(|minute| heard.hear(at(60 * minute)).unwrap()));
    }
}
