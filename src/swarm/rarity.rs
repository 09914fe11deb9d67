//! Missing pieces ordered by rank, then by how many connected peers have them, kept in buckets: every change is a few
//! swaps.
//!
//! `order` holds the missing pieces, highest rank first, and within a rank rarest first. Each rank has `width` buckets:
//! bucket `rank * width + n` (pieces of this rank that `n` peers have) is `order[starts[bucket]..starts[bucket + 1]]`,
//! the last bucket ends with `order`.

/// Not in `order`.
const ABSENT: u32 = u32::MAX;
/// How many ranks there are.
const RANKS: usize = 3;

/// Which pieces come first, whatever else is known of them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub enum Rank {
    High,
    #[default]
    Normal,
    Low,
}

#[derive(Clone, Debug)]
pub struct Rarity {
    counts: Vec<u16>,
    order: Vec<u32>,
    /// Where each piece stands in `order`.
    place: Vec<u32>,
    starts: Vec<u32>,
    /// Buckets of each rank.
    width: usize,
    /// Of each piece; empty while all are normal.
    ranks: Vec<Rank>,
}

impl Rarity {
    /// `missing` in the order in which equals are taken (shuffled by the caller).
    pub fn new(piece_count: u32, missing: &[u32]) -> Rarity {
        let mut place = vec![ABSENT; piece_count as usize];
        for (at, &index) in missing.iter().enumerate() {
            place[index as usize] = at as u32;
        }
        let counts = vec![0; piece_count as usize];
        // None are high, all are normal, none are low.
        let starts = vec![0, 0, missing.len() as u32];
        Rarity { counts, order: missing.to_vec(), place, starts, width: 1, ranks: Vec::new() }
    }

    /// The ranks of all pieces; normal where `ranks` is empty.
    pub fn set_ranks(&mut self, ranks: Vec<Rank>) {
        let missing = self.order.clone();
        // Without those that move, everybody else keeps the place.
        let of = |ranks: &[Rank], index: u32| ranks.get(index as usize).copied().unwrap_or_default();
        let moved: Vec<u32> =
            missing.into_iter().filter(|index| of(&ranks, *index) != of(&self.ranks, *index)).collect();
        moved.iter().for_each(|index| self.remove(*index));
        self.ranks = ranks;
        moved.iter().for_each(|index| self.insert(*index));
    }

    fn bucket(&self, index: u32) -> usize {
        let rank = self.ranks.get(index as usize).copied().unwrap_or_default();
        rank as usize * self.width + usize::from(self.counts[index as usize])
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
            let next = self.bucket(index);
            let last = self.start(next) - 1;
            self.swap(index, last);
            self.starts[next] -= 1;
        }
    }

    /// One peer less has it.
    pub fn dec(&mut self, index: u32) {
        let count = self.counts[index as usize];
        assert!(count > 0, "a peer that had piece {index} left twice");
        let bucket = self.bucket(index);
        self.counts[index as usize] = count - 1;
        if self.holds(index) {
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
        for bucket in self.bucket(index)..self.starts.len() {
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
        self.open(usize::from(self.counts[index as usize]));
        self.place[index as usize] = self.order.len() as u32;
        self.order.push(index);
        for bucket in (self.bucket(index) + 1..self.starts.len()).rev() {
            let first = self.starts[bucket];
            self.swap(index, first);
            self.starts[bucket] += 1;
        }
    }

    /// The rarest piece of the highest rank that `may` be had, equals in random order.
    pub fn rarest(&self, rng: &mut fastrand::Rng, may: impl Fn(u32) -> bool) -> Option<u32> {
        (0..self.starts.len()).find_map(|bucket| {
            let pieces = &self.order[self.start(bucket) as usize..self.end(bucket) as usize];
            let from = if pieces.is_empty() { 0 } else { rng.usize(..pieces.len()) };
            pieces[from..].iter().chain(&pieces[..from]).copied().find(|&index| may(index))
        })
    }

    /// Any piece of the highest rank that `may` be had.
    pub fn random(&self, rng: &mut fastrand::Rng, may: impl Fn(u32) -> bool) -> Option<u32> {
        (0..RANKS).find_map(|rank| {
            let pieces = self.of_rank(rank);
            let from = if pieces.is_empty() { 0 } else { rng.usize(..pieces.len()) };
            pieces[from..].iter().chain(&pieces[..from]).copied().find(|&index| may(index))
        })
    }

    /// The first piece in the torrent's order of the highest rank that `may` be had.
    pub fn lowest(&self, may: impl Fn(u32) -> bool) -> Option<u32> {
        let is_next = |index: &u32| self.holds(*index) && may(*index);
        if self.ranks.is_empty() {
            return (0..self.place.len() as u32).find(is_next);
        }
        let indexes = || 0..self.place.len() as u32;
        let ranks =
            [Rank::High, Rank::Normal, Rank::Low].into_iter().filter(|rank| !self.of_rank(*rank as usize).is_empty());
        ranks
            .into_iter()
            .find_map(|rank| indexes().filter(|index| self.ranks.get(*index as usize) == Some(&rank)).find(is_next))
    }

    /// Missing pieces of a rank.
    fn of_rank(&self, rank: usize) -> &[u32] {
        let (first, last) = (rank * self.width, (rank + 1) * self.width - 1);
        &self.order[self.start(first) as usize..self.end(last) as usize]
    }

    /// Makes sure that every rank has a bucket for this count.
    fn open(&mut self, count: usize) {
        while self.width <= count {
            // Each rank gets an empty bucket behind its last one.
            for rank in (0..RANKS).rev() {
                let end = self.end((rank + 1) * self.width - 1);
                self.starts.insert((rank + 1) * self.width, end);
            }
            self.width += 1;
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
            let bucket = self.bucket(index);
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
            match rng.u8(..5) {
                4 if rng.u8(..20) == 0 => {
                    let ranks = [Rank::High, Rank::Normal, Rank::Low];
                    rarity.set_ranks((0..rng.usize(..2) * 50).map(|_| ranks[rng.usize(..3)]).collect());
                }
                0 if rarity.of(index) < 9 => rarity.inc(index),
                1 if rarity.of(index) > 0 => rarity.dec(index),
                2 => rarity.remove(index),
                3 => rarity.insert(index),
                _ => {}
            }
            rarity.check();
            let found = rarity.rarest(&mut rng, |_| true);
            let key = |i: u32| (rarity.ranks.get(i as usize).copied().unwrap_or_default(), rarity.of(i));
            let least = rarity.order.iter().map(|&i| key(i)).min();
            assert_eq!(found.map(key), least);
            let any = rarity.random(&mut rng, |_| true);
            assert_eq!(any.map(|i| key(i).0), least.map(|(rank, _)| rank));
        }
    }

    #[test]
    fn ranks_come_before_the_torrents_order() {
        let mut rarity = Rarity::new(6, &[0, 1, 2, 3, 4, 5]);
        use Rank::{High, Low, Normal};
        rarity.set_ranks(vec![Low, Normal, High, Normal, High, Low]);
        let mut order = Vec::new();
        while let Some(index) = rarity.lowest(|_| true) {
            order.push(index);
            rarity.remove(index);
        }
        assert_eq!(order, [2, 4, 1, 3, 0, 5]);
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
