//! Peers of one kind of one swarm, packed: address, port and a coarse time, nothing else, in one block of memory.
//!
//! An open-addressing table with Robin Hood order: an entry stays close to the slot its keyed hash names, so looking
//! one up or choosing some at random costs the same in a swarm of ten and of a million. Small tables are filled to the
//! last slot, large ones to 29/32; they grow by an eighth. An entry with port 0 is an empty slot.

use crate::base::keyed::Secret;

/// Bytes of a coarse time behind the address.
const STAMP_LEN: usize = 2;
/// An entry of IPv4 and of IPv6: address, port, time.
pub const V4: usize = 4 + 2 + STAMP_LEN;
pub const V6: usize = 16 + 2 + STAMP_LEN;

/// A moment in units of 4 s since the driver's start; wraps after 72 hours, far beyond any expiry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stamp(pub u16);

impl Stamp {
    /// Seconds of one unit.
    pub const UNIT_S: u64 = 4;

    pub fn of(now: crate::base::Time) -> Stamp {
        Stamp((now.0 / 1_000_000 / Stamp::UNIT_S) as u16)
    }

    /// Units passed since.
    pub fn age(self, since: Stamp) -> u16 {
        self.0.wrapping_sub(since.0)
    }
}

/// Tables up to this size may be full.
const SMALL: usize = 16;

/// The table. `E` is [`V4`] or [`V6`].
#[derive(Clone, Debug)]
pub struct Peers<const E: usize> {
    slots: Box<[[u8; E]]>,
    len: u32,
}

impl<const E: usize> Default for Peers<E> {
    fn default() -> Peers<E> {
        Peers { slots: Box::default(), len: 0 }
    }
}

/// Address and port of an entry.
pub fn address<const E: usize>(entry: &[u8; E]) -> &[u8] {
    &entry[..E - STAMP_LEN]
}

fn is_free<const E: usize>(entry: &[u8; E]) -> bool {
    entry[E - 4] == 0 && entry[E - 3] == 0
}

/// When an entry was last heard of.
pub fn stamp<const E: usize>(entry: &[u8; E]) -> Stamp {
    Stamp(u16::from_le_bytes([entry[E - 2], entry[E - 1]]))
}

/// The entry of a peer; `address` are its address and port, `E - 2` bytes.
pub fn entry<const E: usize>(address: &[u8], stamp: Stamp) -> [u8; E] {
    let mut entry = [0; E];
    entry[..E - STAMP_LEN].copy_from_slice(address);
    entry[E - STAMP_LEN..].copy_from_slice(&stamp.0.to_le_bytes());
    entry
}

impl<const E: usize> Peers<E> {
    pub fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether an entry from outside may be stored.
    pub fn is_peer(entry: &[u8; E]) -> bool {
        !is_free(entry)
    }

    /// Bytes of memory beside the table itself.
    pub fn heap_len(&self) -> usize {
        self.slots.len() * E
    }

    /// Where the entry's search begins.
    fn home(&self, secret: &Secret, entry: &[u8; E]) -> usize {
        // A fold of the product spreads well, costs two multiplications, and nobody outside knows the factors.
        let mut hash = secret.0;
        for word in address(entry).chunks(8) {
            let mut bytes = [0; 8];
            bytes[..word.len()].copy_from_slice(word);
            let product = u128::from(u64::from_le_bytes(bytes) ^ hash) * u128::from(secret.1 | 1);
            hash = product as u64 ^ (product >> 64) as u64;
        }
        ((u128::from(hash) * self.slots.len() as u128) >> 64) as usize
    }

    fn next(&self, at: usize) -> usize {
        if at + 1 == self.slots.len() { 0 } else { at + 1 }
    }

    /// How far an entry in slot `at` is from its home.
    fn distance(&self, secret: &Secret, at: usize) -> usize {
        let home = self.home(secret, &self.slots[at]);
        if at >= home { at - home } else { at + self.slots.len() - home }
    }

    /// The slot of this address, or the one where it belongs and whether that is within the table's room.
    fn find(&self, secret: &Secret, wanted: &[u8; E]) -> Result<usize, usize> {
        let mut at = if self.slots.is_empty() { 0 } else { self.home(secret, wanted) };
        for distance in 0..self.slots.len() {
            let found = &self.slots[at];
            if is_free(found) {
                break;
            }
            if address(found) == address(wanted) {
                return Ok(at);
            }
            if self.distance(secret, at) < distance {
                break;
            }
            at = self.next(at);
        }
        Err(at)
    }

    /// Stores or refreshes a peer. True when it is new.
    pub fn insert(&mut self, secret: &Secret, new: [u8; E]) -> bool {
        debug_assert!(!is_free(&new), "port 0 is nobody");
        match self.find(secret, &new) {
            Ok(at) => {
                self.slots[at] = new;
                false
            }
            Err(_) if !self.has_room() => {
                self.resize(secret, grown(self.slots.len()));
                let (Ok(at) | Err(at)) = self.find(secret, &new);
                self.shift_in(at, new);
                true
            }
            Err(at) => {
                self.shift_in(at, new);
                true
            }
        }
    }

    fn has_room(&self) -> bool {
        let slots = self.slots.len();
        if slots <= SMALL { self.len() < slots } else { self.len() < slots * 29 / 32 }
    }

    /// Puts an entry into a slot; whoever is there and behind moves on by one, up to the first free slot.
    fn shift_in(&mut self, at: usize, new: [u8; E]) {
        let mut carried = new;
        let mut at = at;
        loop {
            std::mem::swap(&mut carried, &mut self.slots[at]);
            if is_free(&carried) {
                break;
            }
            at = self.next(at);
        }
        self.len += 1;
    }

    /// Takes a peer out. True when it was there.
    pub fn remove(&mut self, secret: &Secret, gone: &[u8; E]) -> bool {
        let Ok(mut at) = self.find(secret, gone) else { return false };
        self.len -= 1;
        // Those behind move back by one, up to the first that is at home or free.
        loop {
            let next = self.next(at);
            if next == at || is_free(&self.slots[next]) || self.distance(secret, next) == 0 {
                break;
            }
            self.slots[at] = self.slots[next];
            at = next;
        }
        self.slots[at] = [0; E];
        self.shrink(secret);
        true
    }

    /// Gives memory back when less than half of it is used.
    fn shrink(&mut self, secret: &Secret) {
        let len = self.len();
        if len == 0 {
            self.slots = Box::default();
        } else if len < self.slots.len() / 2 && self.slots.len() > 4 {
            self.resize(secret, grown(len));
        }
    }

    /// Forgets peers that were last heard of more than `age_max` units ago; how many.
    pub fn expire(&mut self, secret: &Secret, now: Stamp, age_max: u16) -> usize {
        let is_old = |entry: &[u8; E]| !is_free(entry) && now.age(stamp(entry)) > age_max;
        let old = self.slots.iter().filter(|entry| is_old(entry)).count();
        if old > 0 {
            self.slots.iter_mut().filter(|entry| is_old(entry)).for_each(|entry| *entry = [0; E]);
            self.len -= old as u32;
            let slots = if self.len == 0 { 0 } else { self.slots.len().min(grown(self.len())) };
            self.resize(secret, slots);
        }
        old
    }

    /// Moves everybody to a table of this size.
    fn resize(&mut self, secret: &Secret, slots: usize) {
        let old = std::mem::replace(&mut self.slots, vec![[0; E]; slots].into_boxed_slice());
        self.len = 0;
        for entry in old.into_iter().filter(|entry| !is_free(entry)) {
            if let Err(at) = self.find(secret, &entry) {
                self.shift_in(at, entry);
            }
        }
    }

    /// Everybody, in no order that means anything.
    pub fn iter(&self) -> impl Iterator<Item = &[u8; E]> {
        self.slots.iter().filter(|entry| !is_free(entry))
    }

    /// Hands peers to `take`, chosen by `rng`, until that has taken `count` (it says whether it took one) or all were
    /// offered; costs about as much as are taken. How many were.
    pub fn choose(&self, count: usize, rng: &mut fastrand::Rng, mut take: impl FnMut(&[u8; E]) -> bool) -> usize {
        let slots = self.slots.len();
        if self.len == 0 || count == 0 {
            return 0;
        }
        // Hash order means nothing to anybody, so neighbours are as good as any; of a large swarm some from each
        // quarter, so that who gets one does not get the same others each time.
        let parts = if self.len() >= 8 * count { 4.min(count) } else { 1 };
        let mut taken = 0;
        for part in 0..parts {
            let range = part * slots / parts..(part + 1) * slots / parts;
            let enough = (part + 1) * count / parts;
            let start = rng.usize(range.clone());
            for entry in self.slots[start..range.end].iter().chain(&self.slots[range.start..start]) {
                if taken >= enough {
                    break;
                }
                taken += usize::from(!is_free(entry) && take(entry));
            }
        }
        taken
    }

    /// Whether this address is here.
    pub fn contains(&self, secret: &Secret, wanted: &[u8; E]) -> bool {
        self.find(secret, wanted).is_ok()
    }

    /// Panics where an invariant is broken.
    pub fn check(&self, secret: &Secret) {
        assert_eq!(self.iter().count(), self.len(), "peers are miscounted");
        for entry in self.iter() {
            assert!(self.find(secret, entry).is_ok(), "a peer cannot be found");
        }
    }
}

/// The next larger size.
fn grown(slots: usize) -> usize {
    slots + (slots / 8).max(2)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const SECRET: Secret = Secret(0x1234_5678_9abc_def0, 0x0fed_cba9_8765_4321);

    fn peer(number: u32, stamp: u16) -> [u8; V4] {
        let [a, b, c, d] = number.to_be_bytes();
        entry(&[a, b, c, d, 0x1a, 0xe1], Stamp(stamp))
    }

    #[test]
    fn it_holds_what_a_map_would() {
        let mut rng = fastrand::Rng::with_seed(7);
        for universe in [3u32, 20, 500, 20_000] {
            let mut peers = Peers::<V4>::default();
            let mut model = BTreeMap::new();
            for step in 0..30_000 {
                let number = rng.u32(..universe);
                if rng.u32(..5) < 3 {
                    let stamp = rng.u16(..);
                    assert_eq!(peers.insert(&SECRET, peer(number, stamp)), model.insert(number, stamp).is_none());
                } else {
                    assert_eq!(peers.remove(&SECRET, &peer(number, 0)), model.remove(&number).is_some());
                }
                assert_eq!(peers.len(), model.len());
                if step % 5000 == 0 {
                    peers.check(&SECRET);
                }
            }
            peers.check(&SECRET);
            let mut held: Vec<_> = peers.iter().copied().collect();
            let mut expected: Vec<_> = model.iter().map(|(number, stamp)| peer(*number, *stamp)).collect();
            held.sort_unstable();
            expected.sort_unstable();
            assert_eq!(held, expected);
            model.keys().for_each(|number| assert!(peers.remove(&SECRET, &peer(*number, 0))));
            assert_eq!((peers.len(), peers.heap_len()), (0, 0));
        }
    }

    #[test]
    fn a_peer_costs_less_than_ten_bytes() {
        let mut peers = Peers::<V4>::default();
        let mut worst: f64 = 0.0;
        for number in 0..100_000 {
            peers.insert(&SECRET, peer(number, 0));
            if number > 50 {
                worst = worst.max(peers.heap_len() as f64 / peers.len() as f64);
            }
        }
        assert!(worst < 10.4, "{worst} bytes at worst");
        let mean = peers.heap_len() as f64 / peers.len() as f64;
        assert!(mean < 10.0, "{mean}");
    }

    #[test]
    fn everybody_is_chosen_as_often() {
        let mut rng = fastrand::Rng::with_seed(3);
        for (len, count) in [(10u32, 50), (60, 50), (1000, 50), (1000, 3)] {
            let mut peers = Peers::<V4>::default();
            (0..len).for_each(|number| _ = peers.insert(&SECRET, peer(number, 0)));
            let mut times = BTreeMap::new();
            for _ in 0..4000 {
                let mut chosen = Vec::new();
                peers.choose(count, &mut rng, |entry| {
                    chosen.push(*entry);
                    true
                });
                assert_eq!(chosen.len(), count.min(len as usize));
                chosen.sort_unstable();
                chosen.dedup();
                assert_eq!(chosen.len(), count.min(len as usize), "somebody twice");
                chosen.into_iter().for_each(|entry| *times.entry(entry).or_insert(0u32) += 1);
            }
            let mean = 4000.0 * f64::min(1.0, count as f64 / f64::from(len));
            let (least, most) = (times.values().min().unwrap(), times.values().max().unwrap());
            assert_eq!(times.len(), len as usize, "somebody never");
            assert!(f64::from(*least) > mean / 20.0 && f64::from(*most) < mean * 20.0, "{least} to {most} of {mean}");
        }
    }

    #[test]
    fn old_ones_are_forgotten_across_the_wrap_of_time() {
        let mut peers = Peers::<V6>::default();
        let address = |number: u8| [[number; 16].as_slice(), &[1, 1]].concat();
        for number in 1..=200 {
            peers.insert(&SECRET, entry(&address(number), Stamp(65_500u16.wrapping_add(number.into()))));
        }
        let now = Stamp(65_500u16.wrapping_add(200));
        assert_eq!(peers.expire(&SECRET, now, 300), 0);
        assert_eq!(peers.expire(&SECRET, now, 99), 100);
        peers.check(&SECRET);
        assert!(peers.iter().all(|entry| now.age(stamp(entry)) <= 99));
        assert_eq!(peers.expire(&SECRET, now, 0), 99);
        assert_eq!(peers.len(), 1);
    }
}
