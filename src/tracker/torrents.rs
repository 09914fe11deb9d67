//! The only peer table of a server: every torrent anybody announced, by info hash, in one dense list with an index of
//! its own. Strangers choose info hashes, so the index is keyed.

use super::peers::{Peers, Stamp, V4, V6, address};
use crate::base::InfoHash;
use crate::base::keyed::Secret;

/// A torrent without peers is remembered this long for its count of downloads, in [`Stamp`] units: a day.
const EMPTY_AGE: u16 = (86_400 / Stamp::UNIT_S) as u16;

/// The two kinds of peers of one address family.
#[derive(Clone, Debug, Default)]
pub struct Sides<const E: usize> {
    pub leechers: Peers<E>,
    pub seeds: Peers<E>,
}

impl<const E: usize> Sides<E> {
    pub fn len(&self) -> usize {
        self.leechers.len() + self.seeds.len()
    }

    fn heap_len(&self) -> usize {
        self.leechers.heap_len() + self.seeds.heap_len()
    }

    /// Stores a peer on its side, and takes it from the other one. What it was before comes back.
    pub fn put(&mut self, secret: &Secret, entry: [u8; E], is_seed: bool) -> Was {
        let (own, other) = self.own_and_other(is_seed);
        if !own.insert(secret, entry) {
            return Was::Same;
        }
        if other.remove(secret, &entry) { Was::Other } else { Was::Nobody }
    }

    /// Whether a peer is on either side.
    pub fn contains(&self, secret: &Secret, entry: &[u8; E]) -> bool {
        self.leechers.contains(secret, entry) || self.seeds.contains(secret, entry)
    }

    /// Forgets a peer. True when it was known.
    pub fn remove(&mut self, secret: &Secret, entry: &[u8; E], is_seed: bool) -> bool {
        let (own, other) = self.own_and_other(is_seed);
        own.remove(secret, entry) || other.remove(secret, entry)
    }

    fn own_and_other(&mut self, is_seed: bool) -> (&mut Peers<E>, &mut Peers<E>) {
        if is_seed { (&mut self.seeds, &mut self.leechers) } else { (&mut self.leechers, &mut self.seeds) }
    }
}

/// What somebody was who announced.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Was {
    Nobody,
    Same,
    /// A leecher that is a seed now, or the reverse.
    Other,
}

/// How many there are.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Counts {
    pub seeds: usize,
    pub leechers: usize,
    /// Told completed since the torrent is known.
    pub downloaded: u32,
}

/// One torrent.
#[derive(Clone, Debug)]
pub struct Torrent {
    pub info_hash: InfoHash,
    pub downloaded: u32,
    pub v4: Sides<V4>,
    /// Most swarms have none of these.
    pub v6: Option<Box<Sides<V6>>>,
    /// When somebody announced last.
    pub touched: Stamp,
}

impl Torrent {
    fn new(info_hash: InfoHash, now: Stamp) -> Torrent {
        Torrent { info_hash, downloaded: 0, v4: Sides::default(), v6: None, touched: now }
    }

    pub fn counts(&self) -> Counts {
        let v6 = self.v6.as_ref().map_or((0, 0), |v6| (v6.seeds.len(), v6.leechers.len()));
        Counts {
            seeds: self.v4.seeds.len() + v6.0,
            leechers: self.v4.leechers.len() + v6.1,
            downloaded: self.downloaded,
        }
    }

    /// Bytes of memory beside the list itself.
    pub fn heap_len(&self) -> usize {
        let v6 = self.v6.as_ref().map_or(0, |v6| size_of::<Sides<V6>>() + v6.heap_len());
        self.v4.heap_len() + v6
    }

    fn len(&self) -> usize {
        self.v4.len() + self.v6.as_ref().map_or(0, |v6| v6.len())
    }
}

/// Sums over all torrents.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Sums {
    pub seeds: usize,
    pub leechers: usize,
    /// Of these, over IPv6.
    pub v6: usize,
    /// Bytes of memory of all peers and torrents, about.
    pub bytes: usize,
}

/// The table.
#[derive(Debug)]
pub struct Torrents {
    pub secret: Secret,
    list: Vec<Torrent>,
    /// Per slot the upper half of the hash, and one more than the place in the list; 0 is free. A power of two.
    index: Vec<u64>,
    sums: Sums,
    /// Where the next sweep goes on.
    sweep_at: usize,
}

/// Bytes of memory that a torrent without peers takes, with its share of the index.
const TORRENT_LEN: usize = size_of::<Torrent>() + 16;
const PLACE: u64 = u32::MAX as u64;

impl Torrents {
    pub fn new(secret: Secret) -> Torrents {
        Torrents { secret, list: Vec::new(), index: Vec::new(), sums: Sums::default(), sweep_at: 0 }
    }

    pub fn len(&self) -> usize {
        self.list.len()
    }

    pub fn sums(&self) -> Sums {
        Sums { bytes: self.sums.bytes + self.list.len() * TORRENT_LEN, ..self.sums }
    }

    pub fn iter(&self) -> impl Iterator<Item = &Torrent> {
        self.list.iter()
    }

    pub fn get(&self, info_hash: &InfoHash) -> Option<&Torrent> {
        let at = self.find(info_hash).ok()?;
        self.list.get(self.place(at))
    }

    /// Lets `act` work on a torrent, which is made where it is not known, and keeps the sums.
    pub fn with<R>(&mut self, info_hash: &InfoHash, now: Stamp, act: impl FnOnce(&mut Torrent, &Secret) -> R) -> R {
        let place = match self.find(info_hash) {
            Ok(at) => self.place(at),
            Err(_) => self.add(Torrent::new(*info_hash, now)),
        };
        let torrent = &mut self.list[place];
        let before = measure(torrent);
        let result = act(torrent, &self.secret);
        let after = measure(torrent);
        for (sum, (before, after)) in [
            (&mut self.sums.seeds, (before.seeds, after.seeds)),
            (&mut self.sums.leechers, (before.leechers, after.leechers)),
            (&mut self.sums.v6, (before.v6, after.v6)),
            (&mut self.sums.bytes, (before.bytes, after.bytes)),
        ] {
            *sum = *sum + after - before;
        }
        result
    }

    fn hash(&self, info_hash: &InfoHash) -> u64 {
        // Never 0 in the upper half is not needed: a taken slot has a place.
        self.secret.spread(&info_hash.0)
    }

    fn place(&self, at: usize) -> usize {
        (self.index[at] & PLACE) as usize - 1
    }

    /// The slot of a torrent, or the free one where it belongs.
    fn find(&self, info_hash: &InfoHash) -> Result<usize, usize> {
        if self.index.is_empty() {
            return Err(0);
        }
        let hash = self.hash(info_hash);
        let mask = self.index.len() - 1;
        let mut at = hash as usize & mask;
        while self.index[at] != 0 {
            if self.index[at] & !PLACE == hash & !PLACE && self.list[self.place(at)].info_hash == *info_hash {
                return Ok(at);
            }
            at = (at + 1) & mask;
        }
        Err(at)
    }

    fn add(&mut self, torrent: Torrent) -> usize {
        if self.list.len() == self.list.capacity() {
            // An eighth more: doubling would waste what peers could use.
            self.list.reserve_exact((self.list.len() / 8).max(16));
        }
        if (self.list.len() + 1) * 4 > self.index.len() * 3 {
            self.index = vec![0; (self.index.len() * 2).max(64)];
            for place in 0..self.list.len() {
                self.enter(place);
            }
        }
        self.list.push(torrent);
        self.enter(self.list.len() - 1);
        self.list.len() - 1
    }

    /// Puts a place of the list into the index.
    fn enter(&mut self, place: usize) {
        let info_hash = self.list[place].info_hash;
        if let Err(at) = self.find(&info_hash) {
            self.index[at] = self.hash(&info_hash) & !PLACE | (place as u64 + 1);
        }
    }

    /// Takes a torrent without peers out; the last one of the list takes its place.
    fn remove(&mut self, place: usize) {
        self.leave(place);
        let last = self.list.len() - 1;
        if place != last {
            self.leave(last);
        }
        self.list.swap_remove(place);
        if place != last {
            self.enter(place);
        }
    }

    /// Takes a place out of the index; those that had to go further on move back.
    fn leave(&mut self, place: usize) {
        let Ok(mut hole) = self.find(&self.list[place].info_hash) else { return };
        let mask = self.index.len() - 1;
        let mut at = hole;
        loop {
            at = (at + 1) & mask;
            if self.index[at] == 0 {
                break;
            }
            let home = self.hash(&self.list[self.place(at)].info_hash) as usize & mask;
            // It may move into the hole unless its home lies behind the hole.
            if (at.wrapping_sub(home) & mask) >= (at.wrapping_sub(hole) & mask) {
                self.index[hole] = self.index[at];
                hole = at;
            }
        }
        self.index[hole] = 0;
    }

    /// Looks at `count` torrents further on: forgets peers older than `age_max` units, and torrents that are empty
    /// for a day, or at once where `is_tight`.
    pub fn sweep(&mut self, count: usize, now: Stamp, age_max: u16, is_tight: bool) {
        for _ in 0..count.min(self.list.len()) {
            if self.sweep_at >= self.list.len() {
                self.sweep_at = 0;
            }
            let Some(torrent) = self.list.get(self.sweep_at) else { return };
            let info_hash = torrent.info_hash;
            self.with(&info_hash, now, |torrent, secret| {
                torrent.v4.leechers.expire(secret, now, age_max);
                torrent.v4.seeds.expire(secret, now, age_max);
                if let Some(v6) = &mut torrent.v6 {
                    v6.leechers.expire(secret, now, age_max);
                    v6.seeds.expire(secret, now, age_max);
                    if v6.len() == 0 {
                        torrent.v6 = None;
                    }
                }
            });
            let torrent = &self.list[self.sweep_at];
            let age_max = if torrent.downloaded == 0 || is_tight { 0 } else { EMPTY_AGE };
            if torrent.len() == 0 && now.age(torrent.touched) >= age_max {
                self.remove(self.sweep_at);
            } else {
                self.sweep_at += 1;
            }
        }
    }

    /// Panics where an invariant is broken.
    pub fn check(&self) {
        let mut sums = Sums::default();
        for (place, torrent) in self.list.iter().enumerate() {
            assert_eq!(self.find(&torrent.info_hash).map(|at| self.place(at)), Ok(place), "a torrent is lost");
            let of = measure(torrent);
            sums.seeds += of.seeds;
            sums.leechers += of.leechers;
            sums.v6 += of.v6;
            sums.bytes += of.bytes;
            check_sides(&torrent.v4, &self.secret);
            torrent.v6.iter().for_each(|v6| check_sides(v6, &self.secret));
        }
        assert_eq!(sums, self.sums, "the sums are wrong");
        assert_eq!(self.index.iter().filter(|slot| **slot != 0).count(), self.list.len(), "the index is wrong");
    }
}

fn check_sides<const E: usize>(sides: &Sides<E>, secret: &Secret) {
    sides.leechers.check(secret);
    sides.seeds.check(secret);
    let addresses = |peers: &Peers<E>| peers.iter().map(|entry| address(entry).to_vec()).collect::<Vec<_>>();
    let both = addresses(&sides.leechers);
    assert!(addresses(&sides.seeds).iter().all(|seed| !both.contains(seed)), "somebody is on both sides");
}

fn measure(torrent: &Torrent) -> Sums {
    let counts = torrent.counts();
    let v6 = torrent.v6.as_ref().map_or(0, |v6| v6.len());
    Sums { seeds: counts.seeds, leechers: counts.leechers, v6, bytes: torrent.heap_len() }
}

#[cfg(test)]
mod tests {
    use super::super::peers::entry;
    use super::*;

    fn hash(number: u32) -> InfoHash {
        let mut bytes = [7; 20];
        bytes[16..].copy_from_slice(&number.to_be_bytes());
        InfoHash(bytes)
    }

    fn peer(number: u8, at: u16) -> [u8; V4] {
        entry(&[10, 0, 0, number, 1, 1], Stamp(at))
    }

    #[test]
    fn peers_change_sides_and_go() {
        let mut torrents = Torrents::new(Secret(1, 2));
        torrents.with(&hash(1), Stamp(0), |torrent, secret| {
            assert_eq!(torrent.v4.put(secret, peer(1, 0), false), Was::Nobody);
            assert_eq!(torrent.v4.put(secret, peer(2, 0), true), Was::Nobody);
            assert_eq!(torrent.v4.put(secret, peer(1, 5), false), Was::Same);
        });
        torrents.check();
        assert_eq!(torrents.get(&hash(1)).unwrap().counts(), Counts { seeds: 1, leechers: 1, downloaded: 0 });
        torrents.with(&hash(1), Stamp(0), |torrent, secret| {
            assert_eq!(torrent.v4.put(secret, peer(1, 6), true), Was::Other);
            assert!(torrent.v4.remove(secret, &peer(2, 0), false));
            assert!(!torrent.v4.remove(secret, &peer(2, 0), false));
        });
        torrents.check();
        assert_eq!(torrents.get(&hash(1)).unwrap().counts(), Counts { seeds: 1, leechers: 0, downloaded: 0 });
        assert!(torrents.get(&hash(2)).is_none());
    }

    #[test]
    fn sweeps_forget_peers_then_torrents() {
        let mut torrents = Torrents::new(Secret(3, 4));
        for number in 0..1000 {
            torrents.with(&hash(number), Stamp(0), |torrent, secret| {
                torrent.downloaded = u32::from(number % 2 == 0);
                torrent.v4.put(secret, peer(1, (number % 100) as u16), number % 3 == 0);
                let v6 = torrent.v6.get_or_insert_default();
                v6.put(secret, entry(&[9; 18], Stamp(0)), false);
            });
        }
        torrents.check();
        let before = torrents.sums();
        assert_eq!((before.seeds + before.leechers, before.v6), (2000, 1000));
        torrents.sweep(1000, Stamp(100), 50, false);
        torrents.check();
        let sums = torrents.sums();
        // Those heard of at 50 to 99 stay; of the others the torrent does where somebody completed it.
        assert_eq!((sums.seeds + sums.leechers, sums.v6), (500, 0));
        assert_eq!(torrents.len(), 1000 - 250);
        torrents.sweep(1000, Stamp(200), 50, false);
        assert_eq!((torrents.len(), torrents.sums().leechers), (500, 0));
        torrents.sweep(500, Stamp(EMPTY_AGE), 50, false);
        torrents.check();
        assert_eq!(torrents.len(), 0);
        assert_eq!(torrents.sums(), Sums::default());
    }
}
