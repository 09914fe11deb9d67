//! Peers that announced themselves to us: bounded, and forgotten when they do not come again.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::table::Place;
use crate::base::address::{may_dial, reach};
use crate::base::{InfoHash, NodeId, Span, Time};

/// Info hashes kept.
const HASHES_MAX: usize = 500;
/// Peers kept of one hash.
const PEERS_MAX: usize = 100;
/// Peers kept in all: 120 KiB.
const TOTAL_MAX: usize = 2500;
/// Peers that one place (/24, /64) may have in here.
const PER_PLACE: usize = 100;
/// Clients announce every quarter to half an hour.
const AGE: Span = Span::secs(45 * 60);

#[derive(Clone, Copy, Debug)]
struct Stored {
    peer: SocketAddr,
    at: Time,
}

#[derive(Debug, Default)]
pub struct Store {
    hashes: BTreeMap<InfoHash, Vec<Stored>>,
    count: usize,
}

impl Store {
    /// A peer announced itself. Hashes near `id` are what others look for here, so the farthest ones make room.
    pub fn add(&mut self, info_hash: InfoHash, peer: SocketAddr, id: &NodeId, now: Time) {
        let place = Place::of(peer);
        if let Some(known) = self.hashes.get_mut(&info_hash)
            && let Some(stored) = known.iter_mut().find(|stored| stored.peer == peer)
        {
            stored.at = now;
            return;
        }
        if self.count >= TOTAL_MAX / 2 || self.hashes.len() >= HASHES_MAX / 2 {
            self.expire(now);
            let of_place = |stored: &&Stored| Place::of(stored.peer) == place;
            if self.hashes.values().flatten().filter(of_place).count() >= PER_PLACE {
                return;
            }
        }
        let is_new = !self.hashes.contains_key(&info_hash);
        while self.count >= TOTAL_MAX || (is_new && self.hashes.len() >= HASHES_MAX) {
            let distance = |hash: &InfoHash| id.distance(&NodeId::from(*hash));
            let Some(farthest) = self.hashes.keys().copied().max_by_key(distance) else { return };
            if distance(&farthest) <= distance(&info_hash) {
                return;
            }
            self.count -= self.hashes.remove(&farthest).map_or(0, |peers| peers.len());
        }
        let peers = self.hashes.entry(info_hash).or_default();
        if peers.len() >= PEERS_MAX {
            // The longest silent one.
            if let Some(oldest) = peers.iter_mut().min_by_key(|stored| stored.at) {
                *oldest = Stored { peer, at: now };
            }
            return;
        }
        peers.push(Stored { peer, at: now });
        self.count += 1;
    }

    /// Up to `count` peers of the asker's family that it may be told, others each time.
    pub fn peers(
        &self,
        info_hash: &InfoHash,
        asker: SocketAddr,
        count: usize,
        now: Time,
        rng: &mut fastrand::Rng,
    ) -> Vec<SocketAddr> {
        let Some(stored) = self.hashes.get(info_hash) else { return Vec::new() };
        let from = reach(asker.ip());
        let is_for = |stored: &&Stored| {
            now.since(stored.at) < AGE && stored.peer.is_ipv4() == asker.is_ipv4() && may_dial(stored.peer, from)
        };
        let mut peers: Vec<SocketAddr> = stored.iter().filter(is_for).map(|stored| stored.peer).collect();
        let take = count.min(peers.len());
        for at in 0..take {
            let other = rng.usize(at..peers.len());
            peers.swap(at, other);
        }
        peers.truncate(take);
        peers
    }

    fn expire(&mut self, now: Time) {
        self.hashes.retain(|_, peers| {
            peers.retain(|stored| now.since(stored.at) < AGE);
            !peers.is_empty()
        });
        self.count = self.hashes.values().map(Vec::len).sum();
    }

    /// Panics where an invariant is broken.
    pub fn check(&self) {
        assert_eq!(self.count, self.hashes.values().map(Vec::len).sum::<usize>(), "the count of stored peers");
        assert!(self.count <= TOTAL_MAX && self.hashes.len() <= HASHES_MAX, "too many stored peers");
        assert!(self.hashes.values().all(|peers| peers.len() <= PEERS_MAX), "too many peers of one hash");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: NodeId = NodeId([0; 20]);

    fn peer(n: u32) -> SocketAddr {
        let [_, a, b, c] = n.to_be_bytes();
        SocketAddr::from(([20 + a, b, c, 1], 6881))
    }

    fn told(store: &Store, hash: u8, count: usize, now: Time) -> Vec<SocketAddr> {
        let mut rng = fastrand::Rng::with_seed(1);
        store.peers(&InfoHash([hash; 20]), peer(0), count, now, &mut rng)
    }

    #[test]
    fn peers_are_told_once_each_and_forgotten_in_time() {
        let mut store = Store::default();
        for n in 0..10 {
            store.add(InfoHash([1; 20]), peer(n), &ID, Time(5));
            store.add(InfoHash([1; 20]), peer(n), &ID, Time(6));
        }
        store.add(InfoHash([1; 20]), "[2001:db8::1]:5".parse().unwrap(), &ID, Time(5));
        let mut all = told(&store, 1, 50, Time(7));
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 10);
        assert_eq!(told(&store, 1, 3, Time(7)).len(), 3);
        assert!(told(&store, 2, 3, Time(7)).is_empty());
        store.add(InfoHash([1; 20]), peer(3), &ID, Time(6) + AGE);
        assert_eq!(told(&store, 1, 50, Time(6) + AGE), [peer(3)]);
        store.check();
    }

    #[test]
    fn private_peers_are_told_to_private_askers_only() {
        let mut store = Store::default();
        let private: SocketAddr = "192.168.0.7:1".parse().unwrap();
        store.add(InfoHash([1; 20]), private, &ID, Time(5));
        assert!(told(&store, 1, 5, Time(5)).is_empty());
        let mut rng = fastrand::Rng::with_seed(1);
        let near = store.peers(&InfoHash([1; 20]), "192.168.0.8:2".parse().unwrap(), 5, Time(5), &mut rng);
        assert_eq!(near, [private]);
    }

    #[test]
    fn everything_is_bounded_and_near_hashes_stay() {
        let mut store = Store::default();
        let mut rng = fastrand::Rng::with_seed(5);
        for n in 0..20_000 {
            let mut hash = [0; 20];
            rng.fill(&mut hash);
            store.add(InfoHash(hash), peer(n * 7), &ID, Time(u64::from(n)));
        }
        store.check();
        let farthest = store.hashes.keys().last().unwrap().0[0];
        assert!(farthest < 20, "{farthest}");
        for n in 0..2 * TOTAL_MAX as u32 {
            store.add(InfoHash([0; 20]), peer(n * 256), &ID, Time(30_000));
        }
        store.check();
        let before = store.count;
        for n in 0..1000 {
            let mut hash = [0; 20];
            hash[19] = n as u8;
            hash[18] = 1 + (n / 256) as u8;
            store.add(InfoHash(hash), SocketAddr::from(([9, 9, 9, n as u8], 1)), &ID, Time(30_000));
        }
        store.check();
        let of_one =
            store.hashes.values().flatten().filter(|s| s.peer.ip().to_string().starts_with("9.9.9.")).count();
        assert!(of_one <= PER_PLACE && store.count <= before + PER_PLACE, "{of_one}");
    }
}
