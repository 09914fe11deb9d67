//! One iterative lookup: asks ever nearer nodes until the nearest ones have answered.
//!
//! A node that is slow does not hold the others up: another is asked in its place, and its answer counts when it comes.
//! Nodes whose id does not fit their address (BEP 42) are asked as well, a few of them, but the lookup is not over
//! because of them: anybody can claim to be near.
//!
//! Who owns many addresses can still be nearer than honest nodes. But how far the nearest eight should be follows from
//! the size of the DHT, which the table tells: all that is known within that distance is asked, and announced to, so
//! that a crowd in there hides nobody.

use std::net::SocketAddr;

use super::table::{K, Place};
use crate::base::{InfoHash, NodeId};
use crate::wire::dht::{Contact, node_id};

/// Questions at once: at first, and at most, while nodes are slow.
const BREADTH: usize = 4;
const BREADTH_MAX: usize = 8;
/// Nodes kept in mind.
const CANDIDATES_MAX: usize = 100;
/// Nodes asked whose id does not fit.
const UNFIT_MAX: usize = K;
/// Nodes that count as the nearest, at most, when there is a crowd.
const CROWD_MAX: usize = 64;
/// Nodes believed of one answer.
const PER_ANSWER: usize = 16;

/// What a lookup is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Aim {
    /// Nodes for the table.
    Nodes,
    /// Peers; and we are one of them with `announce`.
    Peers { info_hash: InfoHash, announce: bool },
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Fresh,
    Asked,
    /// Asked a while ago.
    Slow,
    Answered,
    Failed,
}

#[derive(Clone, Debug)]
struct Candidate {
    address: SocketAddr,
    place: Place,
    /// None for routers and the like, before they answered.
    id: Option<NodeId>,
    distance: [u8; 20],
    fits: bool,
    state: State,
    token: Option<Box<[u8]>>,
}

/// A lookup in the DHT of one family.
#[derive(Debug)]
pub struct Lookup {
    /// Never reused.
    pub number: u32,
    pub is_v6: bool,
    pub target: NodeId,
    pub aim: Aim,
    /// The nearest first.
    candidates: Vec<Candidate>,
    breadth: usize,
    /// Within this distance (its first 64 bits) there should be [`K`] nodes; 0 while nobody knows.
    region: u64,
    /// Peers told to whoever looks.
    pub found: usize,
}

impl Lookup {
    pub fn new(number: u32, is_v6: bool, target: NodeId, aim: Aim) -> Lookup {
        Lookup { number, is_v6, target, aim, candidates: Vec::new(), breadth: BREADTH, region: 0, found: 0 }
    }

    /// The same in a DHT where [`K`] nodes are within this distance, as a rule.
    pub fn within(mut self, region: u64) -> Lookup {
        self.region = region;
        self
    }

    /// How many of the nearest have to answer.
    fn wanted(&self) -> usize {
        let is_there = |known: &&Candidate| known.fits && known.state != State::Failed;
        let within = |region: u64| {
            let is_near = |known: &&Candidate| high(&known.distance) < region;
            self.candidates.iter().take_while(is_near).filter(is_there).count()
        };
        match within(self.region) {
            // Twice as far, and some behind the crowd in any case.
            crowd if crowd > 2 * K => within(self.region.saturating_mul(2)).max(crowd + 2 * K).min(CROWD_MAX),
            count => count.max(K),
        }
    }

    /// A node that may be asked.
    pub fn add(&mut self, contact: Contact) {
        self.insert(contact.address, Some(contact.id));
    }

    /// An address where a node may be; asked when nothing better is known.
    pub fn add_address(&mut self, address: SocketAddr) {
        self.insert(address, None);
    }

    fn insert(&mut self, address: SocketAddr, id: Option<NodeId>) {
        if address.is_ipv6() != self.is_v6 {
            return;
        }
        let place = Place::of(address);
        // Another one of a place only where the first does not answer.
        if let Some(at) = self.candidates.iter().position(|known| known.place == place) {
            if self.candidates[at].state != State::Failed || self.candidates[at].address == address {
                return;
            }
            self.candidates.remove(at);
        }
        let distance = id.map_or([0xff; 20], |id| self.target.distance(&id));
        let fits = id.is_none_or(|id| node_id::is_valid(&id, address.ip()));
        self.place(Candidate { address, place, id, distance, fits, state: State::Fresh, token: None });
        if self.candidates.len() > CANDIDATES_MAX
            && let Some(last) = self.candidates.iter().rposition(|known| known.state == State::Fresh)
        {
            self.candidates.remove(last);
        }
    }

    fn place(&mut self, candidate: Candidate) {
        let at = self.candidates.partition_point(|known| known.distance <= candidate.distance);
        self.candidates.insert(at, candidate);
    }

    /// Peers to believe of one answer: fewer where there is a crowd, or it would be heard alone.
    pub fn values_max(&self) -> usize {
        if self.wanted() > 2 * K { K } else { PER_ANSWER * 4 }
    }

    /// The next to ask; it counts as asked. None: wait for answers, or it is over.
    pub fn take_next(&mut self) -> Option<SocketAddr> {
        let asked = self.candidates.iter().filter(|known| known.state == State::Asked).count();
        if asked >= self.breadth {
            return None;
        }
        let at = self.fresh()?;
        self.candidates[at].state = State::Asked;
        Some(self.candidates[at].address)
    }

    /// The nearest that should be asked still.
    fn fresh(&self) -> Option<usize> {
        let is_unfit = |known: &&Candidate| !known.fits && known.state != State::Fresh;
        let may_be_unfit = self.candidates.iter().filter(is_unfit).count() < UNFIT_MAX;
        let wanted = self.wanted();
        let mut near = 0;
        for (at, known) in self.candidates.iter().enumerate() {
            match known.state {
                State::Fresh if known.fits || may_be_unfit => return Some(at),
                State::Asked | State::Answered if known.fits => near += 1,
                _ => {}
            }
            if near >= wanted {
                return None;
            }
        }
        None
    }

    /// The nearest have answered, or nobody is left.
    pub fn is_over(&self) -> bool {
        let wanted = self.wanted();
        let mut near = 0;
        let mut is_waiting = false;
        for known in &self.candidates {
            match known.state {
                State::Asked => return false,
                State::Slow => is_waiting = true,
                State::Answered if known.fits => near += 1,
                _ => {}
            }
            if near >= wanted {
                return self.fresh().is_none();
            }
        }
        !is_waiting && self.fresh().is_none()
    }

    /// Whether anybody answered.
    pub fn has_answers(&self) -> bool {
        self.candidates.iter().any(|known| known.state == State::Answered)
    }

    /// A node answered. False where the lookup does not wait for it.
    pub fn answered(&mut self, contact: Contact, token: Option<&[u8]>, nodes: impl Iterator<Item = Contact>) -> bool {
        let is_it =
            |known: &Candidate| known.address == contact.address && matches!(known.state, State::Asked | State::Slow);
        let Some(at) = self.candidates.iter().position(is_it) else { return false };
        let mut known = self.candidates.remove(at);
        let delta = if known.state == State::Slow { self.breadth.saturating_sub(1) } else { self.breadth };
        self.breadth = delta.max(BREADTH);
        // Whoever named it may have lied about its id.
        if known.id != Some(contact.id) {
            known.id = Some(contact.id);
            known.distance = self.target.distance(&contact.id);
            known.fits = node_id::is_valid(&contact.id, contact.address.ip());
        }
        known.state = State::Answered;
        known.token = token.map(Box::from);
        self.place(known);
        for node in nodes.take(PER_ANSWER) {
            self.add(node);
        }
        true
    }

    /// A node takes its time.
    pub fn slow(&mut self, address: SocketAddr) {
        if let Some(known) = self.asked(address) {
            known.state = State::Slow;
            self.breadth = (self.breadth + 1).min(BREADTH_MAX);
        }
    }

    /// A node refused, or did not answer at all.
    pub fn failed(&mut self, address: SocketAddr) {
        if let Some(known) = self.asked(address) {
            known.state = State::Failed;
        }
    }

    fn asked(&mut self, address: SocketAddr) -> Option<&mut Candidate> {
        let is_it =
            |known: &&mut Candidate| known.address == address && matches!(known.state, State::Asked | State::Slow);
        self.candidates.iter_mut().find(is_it)
    }

    /// The nearest nodes that answered with a token, those with fitting ids first.
    pub fn nearest(&self) -> Vec<(SocketAddr, Box<[u8]>)> {
        let with = |fits| {
            let answered = move |known: &&Candidate| known.state == State::Answered && known.fits == fits;
            let named = |known: &Candidate| Some((known.address, known.token.clone()?));
            self.candidates.iter().filter(answered).filter_map(named)
        };
        with(true).chain(with(false)).take(self.wanted()).collect()
    }

    /// Panics where an invariant is broken.
    pub fn check(&self) {
        assert!(self.candidates.len() <= CANDIDATES_MAX, "too many candidates");
        assert!(self.candidates.is_sorted_by_key(|known| known.distance), "candidates out of order");
        let asked = self.candidates.iter().filter(|known| known.state == State::Asked).count();
        assert!(asked <= BREADTH_MAX, "too many questions at once");
    }
}

/// The first 64 bits.
fn high(distance: &[u8; 20]) -> u64 {
    distance.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contact(n: u8) -> Contact {
        // Private addresses: any id fits.
        let mut id = [0; 20];
        id[0] = n;
        Contact { id: NodeId(id), address: SocketAddr::from(([10, 0, n, 1], 6881)) }
    }

    fn lookup() -> Lookup {
        Lookup::new(1, false, NodeId([0; 20]), Aim::Nodes)
    }

    fn none() -> impl Iterator<Item = Contact> {
        std::iter::empty()
    }

    #[test]
    fn ever_nearer_nodes_are_asked_until_the_nearest_have_answered() {
        let mut lookup = lookup();
        lookup.add(contact(200));
        let mut asked = Vec::new();
        while let Some(address) = lookup.take_next() {
            let n = address.to_string().split('.').nth(2).unwrap().parse::<u8>().unwrap();
            asked.push(n);
            let nodes = (0..8).map(|bit| contact((n >> 1) ^ (1 << bit) & 0x7f));
            assert!(!lookup.is_over());
            assert!(lookup.answered(contact(n), Some(b"t"), nodes));
            lookup.check();
        }
        assert!(lookup.is_over() && lookup.has_answers());
        let nearest: Vec<SocketAddr> = lookup.nearest().into_iter().map(|(address, _)| address).collect();
        assert_eq!(nearest, [0, 1, 2, 3, 4, 5, 6, 7].map(|n| contact(n).address));
        assert!(asked.len() < 60, "{asked:?}");
    }

    #[test]
    fn slow_nodes_hold_nobody_up() {
        let mut lookup = lookup();
        (1..=20).for_each(|n| lookup.add(contact(n)));
        let first: Vec<SocketAddr> = std::iter::from_fn(|| lookup.take_next()).collect();
        assert_eq!(first, [1, 2, 3, 4].map(|n| contact(n).address));
        lookup.slow(first[0]);
        assert_eq!(lookup.take_next(), Some(contact(5).address));
        assert_eq!(lookup.take_next(), Some(contact(6).address), "one more at once while somebody is slow");
        for n in 2..=6 {
            lookup.answered(contact(n), None, none());
        }
        lookup.failed(first[0]);
        while let Some(address) = lookup.take_next() {
            let n = (7..=20).find(|n| contact(*n).address == address).unwrap();
            lookup.answered(contact(n), None, none());
        }
        assert!(lookup.is_over());
        assert!(!lookup.answered(contact(1), None, none()), "nobody waits for it any more");
    }

    #[test]
    fn false_ids_are_put_right_and_places_are_taken_once() {
        let mut lookup = lookup();
        let liar = Contact { id: NodeId([0; 20]), ..contact(9) };
        lookup.add(liar);
        lookup.add(Contact { address: "10.0.9.7:5".parse().unwrap(), ..contact(1) });
        assert_eq!(lookup.candidates.len(), 1);
        assert_eq!(lookup.take_next(), Some(liar.address));
        assert!(lookup.answered(contact(9), None, [contact(3)].into_iter()));
        assert_eq!(lookup.candidates[0].id, Some(contact(3).id));
        assert_eq!(lookup.take_next(), Some(contact(3).address));
        lookup.failed(contact(3).address);
        let other = Contact { address: "10.0.3.7:5".parse().unwrap(), ..contact(1) };
        lookup.add(other);
        assert_eq!(lookup.take_next(), Some(other.address), "its neighbour did not answer");
    }

    /// In a DHT of a hundred nodes there are not thirty within the distance of eight.
    #[test]
    fn a_crowd_hides_nobody() {
        let region = u64::MAX / 100 * 8;
        let mut lookup = lookup().within(region);
        let near = |n: u8, step: u8| {
            let mut id = [0; 20];
            (id[0], id[1]) = (step, n);
            Contact { id: NodeId(id), address: SocketAddr::from(([10, step, n, 1], 6881)) }
        };
        (0..30).for_each(|n| lookup.add(near(n, 0)));
        (0..30).for_each(|n| lookup.add(near(n, 20)));
        (0..30).for_each(|n| lookup.add(near(n, 100)));
        let mut asked = Vec::new();
        while let Some(address) = lookup.take_next() {
            let step = address.to_string().split('.').nth(1).unwrap().parse().unwrap();
            asked.push(step);
            let n = address.to_string().split('.').nth(2).unwrap().parse().unwrap();
            lookup.answered(near(n, step), Some(b"t"), none());
        }
        let honest = asked.iter().filter(|step| **step == 20).count();
        assert_eq!((honest, asked.len()), (30, CROWD_MAX), "all that are near enough: {asked:?}");
        assert_eq!(lookup.nearest().len(), CROWD_MAX);
    }

    /// Claims of the nearest ids, at addresses that have no right to them, do not end a lookup.
    #[test]
    fn unfit_ids_are_asked_a_few_times_only() {
        let mut lookup = lookup();
        for n in 1..=30 {
            lookup.add(Contact { id: NodeId([0; 20]), address: SocketAddr::from(([9, 9, n, 1], 1)) });
            lookup.add(contact(n));
        }
        let mut unfit = 0;
        while let Some(address) = lookup.take_next() {
            unfit += usize::from(address.ip().to_string().starts_with("9."));
            let id = match address.ip().to_string().starts_with("9.") {
                true => NodeId([0; 20]),
                false => contact(address.ip().to_string().split('.').nth(2).unwrap().parse().unwrap()).id,
            };
            lookup.answered(Contact { id, address }, Some(b"t"), none());
        }
        assert_eq!(unfit, UNFIT_MAX);
        let nearest = lookup.nearest();
        assert!(nearest.iter().all(|(address, _)| address.ip().to_string().starts_with("10.")), "{nearest:?}");
    }
}
