//! Who sent what: the sender of a bad piece is found and banned, and nobody else.
//!
//! A failed piece that one peer sent alone convicts it. Otherwise the digests of its blocks are kept; when the piece
//! passes later, whoever sent a block that differs from the right one is convicted.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use super::active::{Sender, ZEROS};
use crate::base::address::{Reach, reach};
use crate::base::{PeerId, Piece};

/// Failed pieces whose digests are kept.
const CASES_MAX: usize = 64;
/// Attempts kept per failed piece.
const ATTEMPTS_MAX: usize = 4;
/// Names kept for senders; older ones cannot be convicted any more.
const SENDERS_MAX: usize = 4096;

/// Enough of a peer to know it again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Suspect {
    pub address: SocketAddr,
    pub peer_id: PeerId,
}

/// Who sent which block of a failed attempt, and what: numbers and digests by block.
#[derive(Clone, Debug)]
struct Attempt {
    senders: Vec<Sender>,
    digests: Vec<[u8; 8]>,
}

#[derive(Debug, Default)]
pub struct Blame {
    senders: BTreeMap<Sender, Suspect>,
    next_sender: Sender,
    cases: BTreeMap<Piece, Vec<Attempt>>,
    /// Waiting for the digests of a failed piece.
    awaited: BTreeMap<Piece, Vec<Sender>>,
    banned_ips: BTreeSet<IpAddr>,
    banned_peers: BTreeSet<(IpAddr, PeerId)>,
    banned_addresses: BTreeSet<SocketAddr>,
    banned_count: u32,
}

impl Blame {
    /// A number for a peer whose handshake is complete.
    pub fn enrol(&mut self, suspect: Suspect) -> Sender {
        if let Some((&sender, _)) = self.senders.iter().rev().take(256).find(|(_, known)| **known == suspect) {
            return sender;
        }
        self.next_sender += 1;
        self.senders.insert(self.next_sender, suspect);
        if self.senders.len() > SENDERS_MAX {
            self.senders.pop_first();
        }
        self.next_sender
    }

    /// A piece failed; `senders` of its blocks. Gives the one who sent it alone; otherwise, with `true`, the
    /// digests of its blocks should be asked for and given to [`Self::digests`].
    pub fn failed(&mut self, piece: Piece, senders: &[Sender]) -> (Option<Suspect>, bool) {
        let sent = || senders.iter().copied().filter(|sender| *sender != ZEROS);
        let first = sent().next().unwrap_or(0);
        let is_alone = first != 0 && sent().all(|sender| sender == first);
        if is_alone {
            return (self.senders.get(&first).copied(), false);
        }
        let wants_digests =
            sent().any(|sender| sender != 0) && (self.cases.contains_key(&piece) || self.cases.len() < CASES_MAX);
        if wants_digests {
            self.awaited.insert(piece, senders.to_vec());
        }
        (None, wants_digests)
    }

    /// Whether an earlier attempt at this piece failed, so that its right digests convict someone.
    pub fn has_case(&self, piece: Piece) -> bool {
        self.cases.contains_key(&piece)
    }

    /// The digests of a failed piece, or with `passed` of the same piece when it was right. Gives the liars.
    pub fn digests(&mut self, piece: Piece, digests: &[[u8; 8]], passed: bool) -> Vec<Suspect> {
        if let Some(senders) = self.awaited.remove(&piece) {
            let attempts = self.cases.entry(piece).or_default();
            if attempts.len() < ATTEMPTS_MAX {
                attempts.push(Attempt { senders, digests: digests.to_vec() });
            }
            return Vec::new();
        }
        if !passed {
            return Vec::new();
        }
        let attempts = self.cases.remove(&piece).unwrap_or_default();
        let mut liars = BTreeSet::new();
        for attempt in attempts {
            let blocks = attempt.senders.iter().zip(&attempt.digests).zip(digests);
            liars.extend(blocks.filter(|((_, sent), right)| sent != right).map(|((sender, _), _)| *sender));
        }
        liars.iter().filter_map(|sender| self.senders.get(sender).copied()).collect()
    }

    /// The digests could not be had.
    pub fn no_digests(&mut self, piece: Piece) {
        self.awaited.remove(&piece);
    }

    /// Bans a peer: its whole address where that is one household's, else just this peer.
    pub fn ban(&mut self, suspect: Suspect) {
        let is_new = !self.is_banned(suspect);
        if reach(suspect.address.ip()) == Reach::Loopback {
            // Many peers of one machine share the address: tests, and several programs side by side.
            self.banned_peers.insert((suspect.address.ip(), suspect.peer_id));
            self.banned_addresses.insert(suspect.address);
        } else {
            self.banned_ips.insert(suspect.address.ip());
        }
        self.banned_count += u32::from(is_new);
    }

    /// Whether this address may be dialled or accepted.
    pub fn is_banned_address(&self, address: SocketAddr) -> bool {
        self.banned_ips.contains(&address.ip()) || self.banned_addresses.contains(&address)
    }

    /// Whether this peer may stay.
    pub fn is_banned(&self, suspect: Suspect) -> bool {
        self.is_banned_address(suspect.address)
            || self.banned_peers.contains(&(suspect.address.ip(), suspect.peer_id))
    }

    /// Peers banned in this run.
    pub fn banned_count(&self) -> u32 {
        self.banned_count
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Geometry;

    fn suspect(n: u8) -> Suspect {
        Suspect { address: SocketAddr::from(([10, 0, 0, n], 1000)), peer_id: PeerId([n; 20]) }
    }

    #[test]
    fn a_lone_sender_is_convicted_at_once() {
        let mut blame = Blame::default();
        let piece = Geometry::new(100, 50).unwrap().piece(0).unwrap();
        let liar = blame.enrol(suspect(1));
        assert_eq!(blame.enrol(suspect(1)), liar);
        assert_eq!(blame.failed(piece, &[liar, liar]), (Some(suspect(1)), false));
        // A block from an earlier run may have been the bad one.
        assert_eq!(blame.failed(piece, &[liar, 0]), (None, true));
        // Zeros of a pad file have no sender and no fault.
        assert_eq!(blame.failed(piece, &[ZEROS, liar]), (Some(suspect(1)), false));
    }

    #[test]
    fn of_several_senders_only_the_liar_is_convicted() {
        let mut blame = Blame::default();
        let piece = Geometry::new(100, 50).unwrap().piece(0).unwrap();
        let (honest, liar) = (blame.enrol(suspect(1)), blame.enrol(suspect(2)));
        assert_eq!(blame.failed(piece, &[honest, liar, honest]), (None, true));
        assert!(blame.digests(piece, &[[1; 8], [9; 8], [3; 8]], false).is_empty());
        assert!(blame.has_case(piece));
        let liars = blame.digests(piece, &[[1; 8], [2; 8], [3; 8]], true);
        assert_eq!(liars, [suspect(2)]);
        assert!(!blame.has_case(piece));
        blame.ban(liars[0]);
        assert!(blame.is_banned(suspect(2)) && !blame.is_banned(suspect(1)));
        assert_eq!(blame.banned_count(), 1);
    }
}
