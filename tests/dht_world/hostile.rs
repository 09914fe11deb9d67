//! Ten thousand addresses of one owner, in a few /24s: whoever asks there for a key is told of others of them that are
//! as near as their addresses allow, and nothing that is announced there is found again.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use peerlink::base::NodeId;
use peerlink::wire::dht::{Answer, Ask, Asked, Body, Contact, node_id, parse};

/// How the owner plays.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Play {
    /// Ids that fit their addresses (BEP 42), the nearest to whatever is looked for.
    Fitting,
    /// Ids that are nearer than any, whatever the address.
    Claims,
    /// Ids like everybody's, chosen once; they only lie about peers and nodes.
    Plain,
    /// They are named by others and say nothing.
    Silent,
}

pub struct Hostile {
    play: Play,
    /// By place: addresses, each with the ids that it may have.
    places: Vec<Vec<SocketAddr>>,
    /// What was named for a key before.
    near: BTreeMap<NodeId, Vec<Contact>>,
    pub asked: u64,
}

impl Hostile {
    pub fn new(play: Play, place_count: u8, per_place: u8) -> Hostile {
        let place = |n: u8| (0..per_place).map(|m| SocketAddr::from(([200, 3 * n, 7, m], 6881))).collect();
        Hostile { play, places: (0..place_count).map(place).collect(), near: BTreeMap::new(), asked: 0 }
    }

    /// One of them, by chance.
    pub fn one(&self, rng: &mut fastrand::Rng) -> SocketAddr {
        let place = &self.places[rng.usize(..self.places.len())];
        place[rng.usize(..place.len())]
    }

    /// A question that makes somebody known to `to`.
    pub fn greeting(&self, at: SocketAddr, to: NodeId, rng: &mut fastrand::Rng) -> Vec<u8> {
        let id = self.id(at, &to);
        let target = NodeId(std::array::from_fn(|_| rng.u8(..)));
        let asked = Asked::FindNode { target };
        Ask { id, transaction: b"hi", read_only: false, want: None, asked }.to_bytes()
    }

    /// What somebody who asks about `target` is to believe this address is called.
    fn id(&self, at: SocketAddr, target: &NodeId) -> NodeId {
        match self.play {
            Play::Claims => {
                let mut id = *target;
                let IpAddr::V4(ip) = at.ip() else { return id };
                id.0[18] ^= ip.octets()[1];
                id.0[19] ^= ip.octets()[3];
                id
            }
            Play::Fitting => {
                let with = |r: u8| {
                    let mut chance = target.0;
                    chance[19] = chance[19] & 0xf8 | r;
                    node_id::choose(at.ip(), chance)
                };
                (0..8).map(with).min_by_key(|id| target.distance(id)).expect("eight of them")
            }
            Play::Plain | Play::Silent => {
                let IpAddr::V4(ip) = at.ip() else { return *target };
                let [a, b, c, d] = ip.octets();
                let mix = |n: u8| (u32::from(n) * 151 + u32::from(b) * 57 + u32::from(d) * 101 + 13) as u8;
                node_id::choose(at.ip(), std::array::from_fn(|n| mix(n as u8) ^ a ^ c))
            }
        }
    }

    /// The nearest of every place.
    fn nearest(&mut self, target: NodeId) -> Vec<Contact> {
        if let Some(known) = self.near.get(&target) {
            return known.clone();
        }
        let contact = |at: &SocketAddr| Contact { id: self.id(*at, &target), address: *at };
        let best = |place: &Vec<SocketAddr>| {
            place.iter().map(contact).min_by_key(|contact| target.distance(&contact.id)).expect("not empty")
        };
        let mut all: Vec<Contact> = self.places.iter().map(best).collect();
        all.sort_by_key(|contact| target.distance(&contact.id));
        self.near.insert(target, all.clone());
        all
    }

    /// What comes back from `to`.
    pub fn answer(&mut self, to: SocketAddr, bytes: &[u8], rng: &mut fastrand::Rng) -> Option<Vec<u8>> {
        let Body::Query(query) = parse(bytes).ok()?.body else { return None };
        let transaction = parse(bytes).ok()?.transaction;
        self.asked += 1;
        if self.play == Play::Silent {
            return None;
        }
        let (target, values) = match query.asked {
            Asked::Ping | Asked::AnnouncePeer { .. } => (query.id, Vec::new()),
            Asked::FindNode { target } => (target, Vec::new()),
            Asked::GetPeers { info_hash } => (NodeId::from(info_hash), lies(rng)),
        };
        let near = self.nearest(target);
        // Others of them each time, so that all come to be known.
        let from_at = if self.play == Play::Plain { rng.usize(..near.len()) } else { rng.usize(..3) * 8 };
        let nodes: Vec<Contact> = near.iter().cycle().skip(from_at).take(16.min(near.len())).copied().collect();
        let answer = Answer {
            id: self.id(to, &target),
            transaction,
            to: SocketAddr::from(([1, 2, 3, 4], 5)),
            token: Some(b"tokn"),
            nodes: &nodes,
            nodes6: &[],
            values: &values,
        };
        Some(answer.to_bytes())
    }
}

/// Peers that are none.
fn lies(rng: &mut fastrand::Rng) -> Vec<SocketAddr> {
    (0..20).map(|_| SocketAddr::from(([201, rng.u8(..), rng.u8(..), rng.u8(1..)], rng.u16(1..)))).collect()
}
