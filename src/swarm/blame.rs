//! Who sent what: the sender of a bad piece is found, and nobody else.
//!
//! A failed piece that one peer sent alone convicts it. Otherwise the digests of its blocks are kept; when the piece
//! passes later, whoever sent a block that differs from the right one is convicted.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use super::active::{Sender, ZEROS};
use crate::base::Piece;
use crate::storage::Suspect;
use crate::storage::bans::Name;

/// Failed pieces whose digests are kept.
const CASES_MAX: usize = 64;
/// Attempts kept per failed piece.
const ATTEMPTS_MAX: usize = 4;
/// Names kept for senders; older ones that are not connected cannot be convicted any more.
const SENDERS_MAX: usize = 4096;

/// Who sent which block of a failed attempt, and what: numbers and digests by block.
#[derive(Clone, Debug)]
struct Attempt {
    senders: Vec<Sender>,
    digests: Vec<[u8; 8]>,
}

#[derive(Clone, Debug)]
struct Enrolled {
    suspect: Suspect,
    name: Name,
    /// It is this one of the torrent's web seeds.
    web_seed: Option<usize>,
    conn_count: u32,
    /// A piece with blocks of it was right, and none that it shared has failed since.
    is_proven: bool,
}

#[derive(Debug, Default)]
pub struct Blame {
    senders: BTreeMap<Sender, Enrolled>,
    /// Another port or peer id does not make another sender where the address answers for all of them.
    by_name: BTreeMap<Name, Sender>,
    next_sender: Sender,
    cases: BTreeMap<Piece, Vec<Attempt>>,
    /// Waiting for the digests of a failed piece.
    awaited: BTreeMap<Piece, Vec<Sender>>,
}

impl Blame {
    /// A number for a peer whose handshake is complete; given back with [`Self::left`].
    pub fn enrol(&mut self, suspect: Suspect) -> Sender {
        self.enrol_as(suspect.name(), suspect, None)
    }

    /// The same for a web seed, which answers for itself: not for peers at its address, nor they for it.
    pub fn enrol_web(&mut self, suspect: Suspect, seed: usize) -> Sender {
        let name = Name::Peer(Ipv4Addr::UNSPECIFIED.into(), suspect.peer_id);
        self.enrol_as(name, suspect, Some(seed))
    }

    fn enrol_as(&mut self, name: Name, suspect: Suspect, web_seed: Option<usize>) -> Sender {
        if let Some(sender) = self.by_name.get(&name)
            && let Some(enrolled) = self.senders.get_mut(sender)
        {
            enrolled.conn_count += 1;
            if suspect.dialled || !enrolled.suspect.dialled {
                enrolled.suspect = suspect;
            }
            return *sender;
        }
        self.next_sender += 1;
        self.by_name.insert(name, self.next_sender);
        let enrolled = Enrolled { suspect, name, web_seed, conn_count: 1, is_proven: false };
        self.senders.insert(self.next_sender, enrolled);
        if self.senders.len() > SENDERS_MAX {
            // Connections are few, so this is soon found.
            let oldest =
                self.senders.iter().find(|(_, enrolled)| enrolled.conn_count == 0).map(|(sender, _)| *sender);
            if let Some(enrolled) = oldest.and_then(|oldest| self.senders.remove(&oldest)) {
                self.by_name.remove(&enrolled.name);
            }
        }
        self.next_sender
    }

    /// A connection of this sender ended.
    pub fn left(&mut self, sender: Sender) {
        if let Some(enrolled) = self.senders.get_mut(&sender) {
            enrolled.conn_count = enrolled.conn_count.saturating_sub(1);
        }
    }

    /// Who that is, if it is remembered.
    pub fn suspect(&self, sender: Sender) -> Option<Suspect> {
        self.senders.get(&sender).map(|enrolled| enrolled.suspect)
    }

    /// Which web seed that is, if it is one.
    pub fn web_seed(&self, sender: Sender) -> Option<usize> {
        self.senders.get(&sender).and_then(|enrolled| enrolled.web_seed)
    }

    /// Whether it gave good data and is under no suspicion.
    pub fn is_proven(&self, sender: Sender) -> bool {
        self.senders.get(&sender).is_some_and(|enrolled| enrolled.is_proven)
    }

    /// A piece of these senders' blocks passed. True when somebody is proven by it.
    pub fn passed(&mut self, senders: &[Sender]) -> bool {
        self.judge(senders, true)
    }

    fn judge(&mut self, senders: &[Sender], is_proven: bool) -> bool {
        let mut has_news = false;
        let mut before = 0;
        // Blocks of a sender mostly follow each other.
        for sender in senders.iter().filter(|sender| **sender != std::mem::replace(&mut before, **sender)) {
            if let Some(enrolled) = self.senders.get_mut(sender) {
                has_news |= std::mem::replace(&mut enrolled.is_proven, is_proven) != is_proven;
            }
        }
        has_news
    }

    /// A piece failed; `senders` of its blocks. Gives the one who sent it alone; otherwise, with `true`, the
    /// digests of its blocks should be asked for and given to [`Self::digests`].
    pub fn failed(&mut self, piece: Piece, senders: &[Sender]) -> (Option<Sender>, bool) {
        let sent = || senders.iter().copied().filter(|sender| *sender != ZEROS);
        self.judge(senders, false);
        let first = sent().next().unwrap_or(0);
        let is_alone = first != 0 && sent().all(|sender| sender == first);
        if is_alone {
            return (Some(first), false);
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
    pub fn digests(&mut self, piece: Piece, digests: &[[u8; 8]], passed: bool) -> Vec<Sender> {
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
        liars.into_iter().filter(|sender| self.senders.contains_key(sender)).collect()
    }

    /// The digests could not be had.
    pub fn no_digests(&mut self, piece: Piece) {
        self.awaited.remove(&piece);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Geometry, PeerId};

    fn suspect(n: u8) -> Suspect {
        Suspect { address: ([10, 0, 0, n], 1000).into(), dialled: true, peer_id: PeerId([n; 20]) }
    }

    fn piece() -> Piece {
        Geometry::new(100, 50).unwrap().piece(0).unwrap()
    }

    #[test]
    fn a_lone_sender_is_convicted_at_once() {
        let mut blame = Blame::default();
        let liar = blame.enrol(suspect(1));
        assert_eq!(blame.failed(piece(), &[liar, liar]), (Some(liar), false));
        assert_eq!(blame.suspect(liar), Some(suspect(1)));
        // A block from an earlier run may have been the bad one.
        assert_eq!(blame.failed(piece(), &[liar, 0]), (None, true));
        // Zeros of a pad file have no sender and no fault.
        assert_eq!(blame.failed(piece(), &[ZEROS, liar]), (Some(liar), false));
    }

    #[test]
    fn another_port_or_peer_id_does_not_make_another_sender() {
        let mut blame = Blame::default();
        let first = blame.enrol(suspect(1));
        let again = Suspect { address: ([10, 0, 0, 1], 7).into(), dialled: false, peer_id: PeerId([9; 20]) };
        assert_eq!(blame.enrol(again), first);
        assert_ne!(blame.enrol(suspect(2)), first);
        // On loopback many peers share an address.
        let local = |n| Suspect { address: ([127, 0, 0, 1], 7).into(), dialled: false, peer_id: PeerId([n; 20]) };
        assert_ne!(blame.enrol(local(1)), blame.enrol(local(2)));
    }

    #[test]
    fn of_several_senders_only_the_liar_is_convicted() {
        let mut blame = Blame::default();
        let (honest, liar) = (blame.enrol(suspect(1)), blame.enrol(suspect(2)));
        assert_eq!(blame.failed(piece(), &[honest, liar, honest]), (None, true));
        assert!(blame.digests(piece(), &[[1; 8], [9; 8], [3; 8]], false).is_empty());
        assert!(blame.has_case(piece()));
        assert!(!blame.is_proven(honest));
        assert!(blame.passed(&[honest, honest]) && !blame.passed(&[honest]));
        assert!(blame.is_proven(honest) && !blame.is_proven(liar));
        assert_eq!(blame.digests(piece(), &[[1; 8], [2; 8], [3; 8]], true), [liar]);
        assert!(!blame.has_case(piece()));
    }

    #[test]
    fn a_crowd_of_strangers_does_not_hide_who_is_connected() {
        let mut blame = Blame::default();
        let (stays, leaves) = (blame.enrol(suspect(1)), blame.enrol(suspect(2)));
        blame.left(leaves);
        for n in 0..2 * SENDERS_MAX {
            let address = ([10, 1, (n >> 8) as u8, n as u8], 1).into();
            let stranger = blame.enrol(Suspect { address, dialled: false, peer_id: PeerId([0; 20]) });
            blame.left(stranger);
        }
        assert_eq!((blame.suspect(stays), blame.suspect(leaves)), (Some(suspect(1)), None));
        assert_eq!((blame.senders.len(), blame.by_name.len()), (SENDERS_MAX, SENDERS_MAX));
    }
}
