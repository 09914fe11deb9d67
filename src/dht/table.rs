//! The routing table: nodes that answered, in buckets by how many bits they share with us (BEP 5).
//!
//! A bucket holds up to `size` nodes and keeps `SPARES` heard-of ones for when one of them fails. Only an answer to
//! a question of ours makes a node one of the table. One node per address and per /24 (v6: /64), so that a
//! hundred addresses of one owner are one voice.

use std::net::{IpAddr, SocketAddr};

use crate::base::address::{Reach, reach};
use crate::base::{NodeId, Span, Time};
use crate::wire::dht::{Contact, node_id};

/// Nodes of a bucket (BEP 5's K), and of an answer.
pub const K: usize = 8;
/// Spares of a bucket.
const SPARES: usize = 8;
/// An entry that has not answered for so long is asked.
pub const STALE: Span = Span::secs(15 * 60);
/// Questions in a row that it may leave unanswered.
const FAILS_MAX: u8 = 3;

/// The first buckets cover half, a quarter, an eighth of all ids: more nodes there shorten every lookup.
fn size(bucket: usize) -> usize {
    [32, 24, 16].get(bucket).copied().unwrap_or(K)
}

/// What counts as one owner: /24 of v4, /64 of v6. On loopback every port is somebody else.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Place(u64, u16);

impl Place {
    pub fn of(address: SocketAddr) -> Place {
        let port = if reach(address.ip()) == Reach::Loopback { address.port() } else { 0 };
        match address.ip() {
            IpAddr::V4(ip) if port != 0 => Place(u32::from(ip).into(), port),
            IpAddr::V4(ip) => Place((u32::from(ip) >> 8).into(), port),
            IpAddr::V6(ip) => Place((u128::from(ip) >> 64) as u64, port),
        }
    }
}

/// A node that answered.
#[derive(Clone, Copy, Debug)]
struct Entry {
    contact: Contact,
    place: Place,
    /// Its last answer.
    heard: Time,
    /// Questions it left unanswered since.
    fails: u8,
    /// Its id fits its address (BEP 42).
    fits: bool,
}

#[derive(Debug, Default)]
struct Bucket {
    entries: Vec<Entry>,
    /// Heard of and not asked yet, the latest last.
    spares: Vec<Contact>,
}

#[derive(Debug)]
pub struct Table {
    id: NodeId,
    /// The last one holds all that share more bits with us.
    buckets: Vec<Bucket>,
}

impl Table {
    pub fn new(id: NodeId) -> Table {
        Table { id, buckets: vec![Bucket::default()] }
    }

    /// The same nodes around another id of ours.
    pub fn around(&self, id: NodeId) -> Table {
        let mut table = Table::new(id);
        for entry in self.buckets.iter().flat_map(|bucket| &bucket.entries) {
            table.insert(*entry);
        }
        table
    }

    pub fn len(&self) -> usize {
        self.buckets.iter().map(|bucket| bucket.entries.len()).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.buckets.iter().flat_map(|bucket| &bucket.entries)
    }

    fn bucket_of(&self, id: &NodeId) -> usize {
        self.id.shared_bits(id).min(self.buckets.len() - 1)
    }

    /// Whether this address belongs to a node of the table that answers.
    pub fn knows(&self, address: SocketAddr) -> bool {
        self.entries().any(|entry| entry.contact.address == address && entry.fails == 0)
    }

    /// A node answered a question of ours.
    pub fn answered(&mut self, contact: Contact, now: Time) {
        if contact.id == self.id {
            return;
        }
        let place = Place::of(contact.address);
        let fits = node_id::is_valid(&contact.id, contact.address.ip());
        let new = Entry { contact, place, heard: now, fails: 0, fits };
        self.forget_spare(contact.address);
        let mut is_taken = false;
        for bucket in &mut self.buckets {
            bucket.entries.retain_mut(|entry| {
                let same_address = entry.contact.address == contact.address;
                if same_address && entry.contact.id == contact.id {
                    (entry.heard, entry.fails) = (now, 0);
                    is_taken = true;
                } else if same_address {
                    // Who changes its name starts over.
                    is_taken = true;
                    return false;
                } else if entry.contact.id == contact.id || entry.place == place {
                    is_taken |= entry.fails == 0;
                    return entry.fails == 0;
                }
                true
            });
        }
        if !is_taken {
            self.insert(new);
        }
    }

    /// Puts a node in where there is room, splitting our own bucket where that helps.
    fn insert(&mut self, new: Entry) {
        loop {
            let at = self.bucket_of(&new.contact.id);
            let may_split = at + 1 == self.buckets.len() && at < 159;
            let bucket = &mut self.buckets[at];
            if bucket.entries.len() < size(at) {
                return bucket.entries.push(new);
            }
            if may_split {
                self.split();
                continue;
            }
            // Who fails goes first, then who claims a place that its address has no right to.
            let worse = |entry: &&mut Entry| entry.fails > 0 || (new.fits && !entry.fits);
            match bucket.entries.iter_mut().filter(worse).max_by_key(|entry| (entry.fails, !entry.fits)) {
                Some(worst) => *worst = new,
                None => keep_spare(bucket, new.contact),
            }
            return;
        }
    }

    /// The last bucket's nodes that share one more bit with us move to a new one.
    fn split(&mut self) {
        let bits = self.buckets.len();
        let id = self.id;
        let Some(last) = self.buckets.last_mut() else { return };
        let is_nearer = |contact: &Contact| id.shared_bits(&contact.id) >= bits;
        let (near, far) = last.entries.drain(..).partition(|entry| is_nearer(&entry.contact));
        let (near_spares, far_spares) = last.spares.drain(..).partition(|contact| is_nearer(contact));
        (last.entries, last.spares) = (far, far_spares);
        let mut nearer = Bucket { entries: near, spares: near_spares };
        // It may hold fewer than the one they came from.
        while nearer.entries.len() > size(bits)
            && let Some(entry) = nearer.entries.pop()
        {
            keep_spare(&mut nearer, entry.contact);
        }
        self.buckets.push(nearer);
    }

    /// Somebody named this node, or it asked us something.
    pub fn heard_of(&mut self, contact: Contact) {
        let place = Place::of(contact.address);
        let is_known = |entry: &Entry| entry.place == place || entry.contact.id == contact.id;
        if contact.id == self.id || self.entries().any(is_known) {
            return;
        }
        let at = self.bucket_of(&contact.id);
        let bucket = &mut self.buckets[at];
        if bucket.spares.iter().all(|spare| Place::of(spare.address) != place) {
            keep_spare(bucket, contact);
        }
    }

    fn forget_spare(&mut self, address: SocketAddr) {
        for bucket in &mut self.buckets {
            bucket.spares.retain(|spare| spare.address != address);
        }
    }

    /// A question stayed without answer.
    pub fn failed(&mut self, address: SocketAddr) {
        for bucket in &mut self.buckets {
            // With somebody to take its place, the second failure is the last.
            let fails_max = FAILS_MAX - u8::from(!bucket.spares.is_empty());
            bucket.entries.retain_mut(|entry| {
                let is_it = entry.contact.address == address;
                entry.fails += u8::from(is_it);
                !is_it || entry.fails < fails_max
            });
        }
    }

    /// A spare of a bucket that has room, to be asked whether it is there.
    pub fn take_spare(&mut self) -> Option<Contact> {
        let bucket = self.buckets.iter_mut().enumerate();
        let (_, bucket) = bucket.rev().find(|(at, bucket)| has_use_for_spares(*at, bucket))?;
        bucket.spares.pop()
    }

    /// Whether [`Table::take_spare`] has one.
    pub fn has_spare(&self) -> bool {
        self.buckets.iter().enumerate().any(|(at, bucket)| has_use_for_spares(at, bucket))
    }

    /// The node that was silent for longest, and since when.
    pub fn stalest(&self) -> Option<(Contact, Time)> {
        self.entries().min_by_key(|entry| entry.heard).map(|entry| (entry.contact, entry.heard))
    }

    /// Answering nodes near `target`, the nearest first.
    pub fn nearest<const N: usize>(&self, target: &NodeId) -> Vec<Contact> {
        let mut best: [(u64, Option<&Entry>); N] = [(u64::MAX, None); N];
        for entry in self.entries().filter(|entry| entry.fails == 0) {
            let distance = target.distance_high(&entry.contact.id);
            if best[N - 1].1.is_some() && distance >= best[N - 1].0 {
                continue;
            }
            let mut at = N - 1;
            while at > 0 && (best[at - 1].1.is_none() || best[at - 1].0 > distance) {
                best[at] = best[at - 1];
                at -= 1;
            }
            best[at] = (distance, Some(entry));
        }
        best.iter().filter_map(|(_, entry)| entry.map(|entry| entry.contact)).collect()
    }

    /// Nodes by how many bits they share with us.
    fn levels(&self) -> [u16; 160] {
        let mut levels = [0; 160];
        for entry in self.entries() {
            levels[self.id.shared_bits(&entry.contact.id).min(159)] += 1;
        }
        levels
    }

    /// Within this distance (its first 64 bits) of any id there should be [`K`] nodes. It follows from the first
    /// level that is not full of them: half of all nodes share no bit with us, a quarter one.
    pub fn region(&self) -> u64 {
        let levels = self.levels();
        let first = levels.iter().enumerate().find(|(_, count)| usize::from(**count) < K);
        let (bits, count) = first.map_or((159, 1), |(bits, count)| (bits, (*count).max(1)));
        // K out of count * 2^(bits + 1), as a part of 2^64.
        let share = ((K as u64) << 32) / u64::from(count);
        u64::try_from((u128::from(share) << 31) >> bits).unwrap_or(u64::MAX)
    }

    /// From `level` on, the first with fewer than [`K`] nodes that is farther than our K nearest, and an id in it.
    pub fn lacking(&self, level: usize, chance: [u8; 20]) -> Option<(usize, NodeId)> {
        let levels = self.levels();
        let mut nearer: usize = levels.iter().skip(level).map(|count| usize::from(*count)).sum();
        for (bits, count) in levels.iter().enumerate().skip(level) {
            nearer -= usize::from(*count);
            if nearer < K {
                return None;
            }
            if usize::from(*count) < K {
                let mut id = chance;
                (0..=bits).for_each(|bit| copy_bit(&mut id, &self.id.0, bit));
                id[bits / 8] ^= 0x80 >> (bits % 8);
                return Some((bits, NodeId(id)));
            }
        }
        None
    }

    /// An id in the bucket of this one, for a question that brings nodes for it.
    pub fn id_beside(&self, id: &NodeId, chance: [u8; 20]) -> NodeId {
        let shared = self.bucket_of(id);
        let mut beside = chance;
        for bit in 0..shared.min(159) {
            copy_bit(&mut beside, &self.id.0, bit);
        }
        NodeId(beside)
    }

    /// All nodes, those that answer first.
    pub fn contacts(&self) -> Vec<Contact> {
        let mut entries: Vec<&Entry> = self.entries().collect();
        entries.sort_by_key(|entry| entry.fails);
        entries.into_iter().map(|entry| entry.contact).collect()
    }

    /// Panics where an invariant is broken.
    pub fn check(&self) {
        for (at, bucket) in self.buckets.iter().enumerate() {
            assert!(bucket.entries.len() <= size(at) && bucket.spares.len() <= SPARES, "bucket {at} is overfull");
            for entry in &bucket.entries {
                assert_eq!(self.bucket_of(&entry.contact.id), at, "a node in the wrong bucket");
                assert!(entry.fails < FAILS_MAX, "a node that failed too often");
            }
        }
        let mut places: Vec<Place> = self.entries().map(|entry| entry.place).collect();
        places.sort();
        assert!(places.windows(2).all(|pair| pair[0] != pair[1]), "two nodes of one place");
    }
}

fn has_use_for_spares(at: usize, bucket: &Bucket) -> bool {
    !bucket.spares.is_empty() && bucket.entries.len() < size(at)
}

/// The latest spares are the likeliest to be there.
fn keep_spare(bucket: &mut Bucket, contact: Contact) {
    if bucket.spares.len() >= SPARES {
        bucket.spares.remove(0);
    }
    bucket.spares.push(contact);
}

fn copy_bit(to: &mut [u8; 20], from: &[u8; 20], bit: usize) {
    let mask = 0x80 >> (bit % 8);
    to[bit / 8] = to[bit / 8] & !mask | from[bit / 8] & mask;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contact(rng: &mut fastrand::Rng, n: u32) -> Contact {
        let mut id = [0; 20];
        rng.fill(&mut id);
        let [_, a, b, c] = n.to_be_bytes();
        Contact { id: NodeId(id), address: SocketAddr::from(([10 + a, b, c, 1], 6881)) }
    }

    fn filled(count: u32) -> (Table, fastrand::Rng) {
        let mut rng = fastrand::Rng::with_seed(7);
        let mut table = Table::new(NodeId([0x55; 20]));
        for n in 0..count {
            table.answered(contact(&mut rng, n), Time(u64::from(n)));
            table.check();
        }
        (table, rng)
    }

    #[test]
    fn the_nearest_are_found_whatever_the_target() {
        let (table, mut rng) = filled(400);
        assert!((60..200).contains(&table.len()), "{}", table.len());
        for _ in 0..100 {
            let target = contact(&mut rng, 0).id;
            let mut all = table.contacts();
            all.sort_by_key(|contact| target.distance(&contact.id));
            assert_eq!(table.nearest::<8>(&target), all[..8]);
        }
        assert_eq!(table.nearest::<400>(&NodeId([0; 20])).len(), table.len());
    }

    #[test]
    fn one_node_per_place_and_who_changes_its_name_goes() {
        let mut table = Table::new(NodeId([0; 20]));
        let at = |n: u8, address: &str| Contact { id: NodeId([n; 20]), address: address.parse().unwrap() };
        table.answered(at(1, "10.0.0.1:1"), Time(1));
        table.answered(at(2, "10.0.0.2:1"), Time(2));
        table.answered(at(1, "10.0.1.2:1"), Time(2));
        table.heard_of(at(3, "10.0.0.3:1"));
        assert_eq!((table.len(), table.has_spare()), (1, false));
        table.answered(at(4, "10.0.0.1:1"), Time(3));
        assert_eq!(table.len(), 0);
        table.answered(at(4, "10.0.0.1:1"), Time(3));
        table.failed("10.0.0.1:1".parse().unwrap());
        assert!(table.nearest::<8>(&NodeId([0; 20])).is_empty());
        table.answered(at(2, "10.0.0.2:1"), Time(2));
        assert!(table.knows("10.0.0.2:1".parse().unwrap()) && table.len() == 1);
        table.answered(at(5, "127.0.0.1:1"), Time(3));
        table.answered(at(6, "127.0.0.1:2"), Time(3));
        table.answered(at(0, "10.9.9.9:9"), Time(3));
        assert_eq!(table.len(), 3, "on loopback ports differ, and we are no node of our own");
        table.check();
    }

    #[test]
    fn who_fails_makes_room_for_spares() {
        let (mut table, _) = filled(400);
        let (gone, since) = table.stalest().unwrap();
        assert_eq!(since, Time(0));
        assert!(!table.has_spare(), "every bucket that has spares is full");
        let count = table.len();
        table.failed(gone.address);
        table.failed(gone.address);
        assert_eq!(table.len(), count - 1);
        let spare = table.take_spare().unwrap();
        assert_eq!(table.bucket_of(&spare.id), table.bucket_of(&gone.id));
        table.answered(spare, Time(500));
        assert_eq!(table.len(), count);
        let id = table.id_beside(&spare.id, [0xaa; 20]);
        assert_eq!(table.bucket_of(&id), table.bucket_of(&spare.id));
        let moved = table.around(NodeId([0xaa; 20]));
        moved.check();
        assert!(moved.len() > count / 2);
    }

    #[test]
    fn the_size_of_the_dht_is_estimated() {
        for count in [100, 400, 3000] {
            let (table, mut rng) = filled(count);
            let all: Vec<NodeId> = (0..count).map(|_| contact(&mut rng, 0).id).collect();
            let region = table.region();
            let near = all.iter().filter(|id| id.distance_high(&NodeId([0; 20])) < region).count();
            assert!((3..=24).contains(&near), "{near} of {count}");
            let lacking = table.lacking(0, [0xaa; 20]);
            assert!(lacking.is_none_or(|(bits, id)| table.id.shared_bits(&id) == bits));
        }
    }

    #[test]
    fn ids_that_fit_their_address_come_first() {
        let mut table = Table::new(NodeId([0; 20]));
        let mut rng = fastrand::Rng::with_seed(3);
        for n in 0..100 {
            let id = contact(&mut rng, 0).id;
            table.answered(Contact { id, address: SocketAddr::from(([9, 9, n, 1], 1)) }, Time(1));
        }
        for n in 0..200 {
            let address = SocketAddr::from(([8, n, 9, 1], 1));
            let id = node_id::choose(address.ip(), contact(&mut rng, 0).id.0);
            table.answered(Contact { id, address }, Time(2));
        }
        table.check();
        let first = table.buckets[0].entries.iter().filter(|entry| entry.fits).count();
        assert_eq!(first, size(0));
    }
}
