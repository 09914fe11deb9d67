//! Missing pieces ordered by how many connected peers have them, kept in buckets: every change is O(1) swaps.
//!
//! `order` holds the missing pieces, rarest first. Bucket `n` (pieces that `n` peers have) is
//! `order[starts[n]..starts[n + 1]]`, the last bucket ends with `order`.

/// Not in `order`.
const ABSENT: u32 = u32::MAX;

#[derive(Clone, Debug)]
pub struct Rarity {
    counts: Vec<u16>,
    order: Vec<u32>,
    /// Where each piece stands in `order`.
    place: Vec<u32>,
    starts: Vec<u32>,
}

impl Rarity {
    /// `missing` in the order in which equals are taken (shuffled by the caller).
    pub fn new(piece_count: u32, missing: &[u32]) -> Rarity {
        let mut place = vec![ABSENT; piece_count as usize];
        for (at, &index) in missing.iter().enumerate() {
            place[index as usize] = at as u32;
        }
        Rarity { counts: vec![0; piece_count as usize], order: missing.to_vec(), place, starts: vec![0] }
    }

    /// Nothing is missing.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Peers that have the piece.
    pub fn of(&self, index: u32) -> u32 {
        u32::from(self.counts[index as usize])
    }

    /// Whether the piece is missing.
    pub fn holds(&self, index: u32) -> bool {
        self.place[index as usize] != ABSENT
    }

    /// One more peer has it.
    pub fn inc(&mut self, index: u32) {
        let count = self.counts[index as usize];
        self.counts[index as usize] = count + 1;
        self.open(usize::from(count) + 1);
        if self.holds(index) {
            // To the end of its bucket, which then ends one earlier.
            let next = usize::from(count) + 1;
            let last = self.start(next) - 1;
            self.swap(index, last);
            self.starts[next] -= 1;
        }
    }

    /// One peer less has it.
    pub fn dec(&mut self, index: u32) {
        let count = self.counts[index as usize];
        assert!(count > 0, "a peer that had piece {index} left twice");
        self.counts[index as usize] = count - 1;
        if self.holds(index) {
            let bucket = usize::from(count);
            let first = self.start(bucket);
            self.swap(index, first);
            self.starts[bucket] += 1;
        }
    }

    /// The piece is not missing any more.
    pub fn remove(&mut self, index: u32) {
        if !self.holds(index) {
            return;
        }
        // The hole moves to the end of each later bucket.
        for bucket in usize::from(self.counts[index as usize])..self.starts.len() {
            let last = self.end(bucket) - 1;
            self.swap(index, last);
            if let Some(start) = self.starts.get_mut(bucket + 1) {
                *start -= 1;
            }
        }
        self.order.pop();
        self.place[index as usize] = ABSENT;
    }

    /// The piece is missing again.
    pub fn insert(&mut self, index: u32) {
        if self.holds(index) {
            return;
        }
        let count = usize::from(self.counts[index as usize]);
        self.open(count);
        self.place[index as usize] = self.order.len() as u32;
        self.order.push(index);
        for bucket in (count + 1..self.starts.len()).rev() {
            let first = self.starts[bucket];
            self.swap(index, first);
            self.starts[bucket] += 1;
        }
    }

    /// The rarest piece that `may` be had, equals in random order.
    pub fn rarest(&self, rng: &mut fastrand::Rng, may: impl Fn(u32) -> bool) -> Option<u32> {
        (0..self.starts.len()).find_map(|bucket| {
            let pieces = &self.order[self.start(bucket) as usize..self.end(bucket) as usize];
            let from = if pieces.is_empty() { 0 } else { rng.usize(..pieces.len()) };
            pieces[from..].iter().chain(&pieces[..from]).copied().find(|&index| may(index))
        })
    }

    /// Any piece that `may` be had.
    pub fn random(&self, rng: &mut fastrand::Rng, may: impl Fn(u32) -> bool) -> Option<u32> {
        let from = if self.order.is_empty() { 0 } else { rng.usize(..self.order.len()) };
        self.order[from..].iter().chain(&self.order[..from]).copied().find(|&index| may(index))
    }

    /// The first piece in the torrent's order that `may` be had.
    pub fn lowest(&self, may: impl Fn(u32) -> bool) -> Option<u32> {
        (0..self.place.len() as u32).find(|&index| self.holds(index) && may(index))
    }

    /// Makes sure that bucket `bucket` exists.
    fn open(&mut self, bucket: usize) {
        let end = self.order.len() as u32;
        if self.starts.len() <= bucket {
            self.starts.resize(bucket + 1, end);
        }
    }

    fn start(&self, bucket: usize) -> u32 {
        self.starts[bucket]
    }

    fn end(&self, bucket: usize) -> u32 {
        self.starts.get(bucket + 1).copied().unwrap_or(self.order.len() as u32)
    }

    /// Brings `index` to place `to`, and what stood there to its place.
    fn swap(&mut self, index: u32, to: u32) {
        let from = self.place[index as usize];
        let other = self.order[to as usize];
        self.order.swap(from as usize, to as usize);
        self.place[index as usize] = to;
        self.place[other as usize] = from;
    }

    /// Every missing piece stands in its bucket.
    pub fn check(&self) {
        for (at, &index) in self.order.iter().enumerate() {
            assert_eq!(self.place[index as usize], at as u32, "place of piece {index}");
            let bucket = usize::from(self.counts[index as usize]);
            let range = self.start(bucket)..self.end(bucket);
            assert!(range.contains(&(at as u32)), "piece {index} is not in bucket {bucket}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_changes_keep_the_buckets() {
        let mut rng = fastrand::Rng::with_seed(1);
        let mut rarity = Rarity::new(50, &(0..50).step_by(2).collect::<Vec<_>>());
        for _ in 0..20_000 {
            let index = rng.u32(..50);
            match rng.u8(..4) {
                0 if rarity.of(index) < 9 => rarity.inc(index),
                1 if rarity.of(index) > 0 => rarity.dec(index),
                2 => rarity.remove(index),
                3 => rarity.insert(index),
                _ => {}
            }
            rarity.check();
            let found = rarity.rarest(&mut rng, |_| true);
            let least = rarity.order.iter().map(|&i| rarity.of(i)).min();
            assert_eq!(found.map(|i| rarity.of(i)), least);
        }
    }

    #[test]
    fn lowest_follows_the_torrent() {
        let mut rarity = Rarity::new(10, &[5, 3, 9]);
        assert_eq!(rarity.lowest(|_| true), Some(3));
        assert_eq!(rarity.lowest(|index| index > 3), Some(5));
        rarity.remove(3);
        assert_eq!(rarity.lowest(|_| true), Some(5));
        assert_eq!(rarity.random(&mut fastrand::Rng::with_seed(1), |index| index == 9), Some(9));
    }
}
