//! Credits: one is taken when a `request` is sent and comes back when its block is on disk, its payload ended
//! otherwise, or its connection died. They bound what is in flight on the network for all torrents together.
//!
//! Torrents share them fairly. Where there are not enough, whoever wants more waits for its turn; meanwhile only those
//! below their guaranteed share may take any, so that nobody starves. At most half of all may sit with idle peers.

use std::collections::BTreeMap;

use super::ids::TorrentId;
use super::limits::CREDITS_GUARANTEED;
use super::turns::Turns;

/// Credits of one turn: a run of blocks.
const HELPING: u32 = 16;

/// The purse that all torrents of a process share.
#[derive(Clone, Debug)]
pub struct Credits {
    free_count: u32,
    total_count: u32,
    /// Torrents that hold any, and how many.
    held: BTreeMap<TorrentId, u32>,
    /// Of those, what sits with idle peers, as of each torrent's last look.
    idle: BTreeMap<TorrentId, u32>,
    idle_count: u32,
    turns: Turns,
}

impl Credits {
    /// A purse of `total_count` credits.
    pub fn new(total_count: u32) -> Credits {
        Credits {
            free_count: total_count,
            total_count,
            held: BTreeMap::new(),
            idle: BTreeMap::new(),
            idle_count: 0,
            turns: Turns::default(),
        }
    }

    /// How many this torrent may take now without taking them from others.
    pub fn room(&self, id: TorrentId) -> u32 {
        let share = u32::try_from(self.turns.share(id)).unwrap_or(u32::MAX);
        share.max(self.missing(id)).min(self.free_count)
    }

    /// What this torrent lacks of its guaranteed share.
    fn missing(&self, id: TorrentId) -> u32 {
        let held = self.held.get(&id).copied().unwrap_or(0);
        let sharers = self.held.len().max(self.turns.waiting_count()) as u32;
        let guaranteed = CREDITS_GUARANTEED.min(self.total_count / sharers.max(1)).max(1);
        guaranteed.saturating_sub(held)
    }

    /// Takes one if there is one; [`Self::room`] says whether that is fair.
    pub fn take(&mut self, id: TorrentId) -> bool {
        if self.free_count == 0 {
            return false;
        }
        self.free_count -= 1;
        *self.held.entry(id).or_default() += 1;
        self.turns.took(id, 1);
        true
    }

    /// `count` credits come back.
    ///
    /// # Panics
    /// When more come back than were taken: a bug of ours.
    pub fn give_back(&mut self, id: TorrentId, count: u32) {
        if count == 0 {
            return;
        }
        let held = self.held.get_mut(&id).expect("only who took credits gives some back");
        *held = held.checked_sub(count).expect("no more credits come back than were taken");
        if *held == 0 {
            self.held.remove(&id);
        }
        self.free_count += count;
    }

    /// This torrent could use more than there was for it.
    pub fn wait(&mut self, id: TorrentId) {
        self.turns.wait(id);
    }

    /// Who takes its turn now, where enough came back to make it worth while.
    pub fn next_turn(&mut self) -> Option<TorrentId> {
        let enough = (self.total_count / 8).clamp(1, HELPING / 2);
        if self.free_count >= enough { self.turns.call_next() } else { None }
    }

    /// A turn of this torrent begins.
    pub fn begin_turn(&mut self, id: TorrentId) {
        self.turns.begin(id, u64::from(HELPING));
    }

    pub fn end_turn(&mut self) {
        self.turns.end();
    }

    /// So many of this torrent's credits sit with idle peers.
    pub fn set_idle(&mut self, id: TorrentId, count: u32) {
        let before = if count == 0 { self.idle.remove(&id) } else { self.idle.insert(id, count) };
        self.idle_count = self.idle_count - before.unwrap_or(0) + count;
    }

    /// One more of this torrent's was taken for an idle peer.
    pub fn add_idle(&mut self, id: TorrentId) {
        *self.idle.entry(id).or_default() += 1;
        self.idle_count += 1;
    }

    /// How many more may sit with idle peers: half of all at most.
    pub fn idle_room(&self) -> u32 {
        (self.total_count / 2).saturating_sub(self.idle_count)
    }

    /// How many of this torrent's must come back from idle peers.
    pub fn idle_excess(&self) -> u32 {
        self.idle_count.saturating_sub(self.total_count / 2)
    }

    /// Credits not taken.
    pub fn free(&self) -> u32 {
        self.free_count
    }

    /// The bound.
    pub fn total(&self) -> u32 {
        self.total_count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: TorrentId = TorrentId(1);
    const B: TorrentId = TorrentId(2);

    fn take(credits: &mut Credits, id: TorrentId, max: u32) -> u32 {
        let count = credits.room(id).min(max);
        assert!((0..count).all(|_| credits.take(id)));
        if count < max {
            credits.wait(id);
        }
        count
    }

    #[test]
    fn one_torrent_gets_all_and_two_take_turns() {
        let mut credits = Credits::new(100);
        assert_eq!(take(&mut credits, A, 1000), 100);
        assert_eq!(take(&mut credits, B, 1000), 0);
        // What comes back goes to the one below its share, then to both in turn.
        credits.give_back(A, 10);
        assert_eq!(take(&mut credits, A, 10), 0, "others wait");
        assert_eq!(take(&mut credits, B, 10), 10);
        let mut got = BTreeMap::new();
        for _ in 0..100 {
            let giver = if credits.held[&A] > 50 { A } else { B };
            credits.give_back(giver, 10);
            while let Some(id) = credits.next_turn() {
                credits.begin_turn(id);
                *got.entry(id).or_insert(0) += take(&mut credits, id, 1000);
                credits.end_turn();
            }
        }
        assert!(got[&A].abs_diff(got[&B]) <= 16, "{got:?}");
    }

    #[test]
    fn many_torrents_share_what_there_is() {
        let mut credits = Credits::new(1024);
        take(&mut credits, A, 1024);
        for id in 2..=50 {
            take(&mut credits, TorrentId(id), 100);
        }
        // Whatever comes back reaches everybody before anybody gets twice its share.
        while credits.held[&A] >= 32 {
            credits.give_back(A, 16);
            while let Some(id) = credits.next_turn() {
                credits.begin_turn(id);
                take(&mut credits, id, 100);
                credits.end_turn();
            }
        }
        let others: Vec<u32> = credits.held.iter().filter(|(id, _)| **id != A).map(|(_, held)| *held).collect();
        assert_eq!(others.len(), 49);
        assert!(others.iter().all(|held| (16..=36).contains(held)), "{others:?}");
    }

    #[test]
    fn half_of_all_may_be_idle() {
        let mut credits = Credits::new(100);
        credits.set_idle(A, 30);
        assert_eq!((credits.idle_room(), credits.idle_excess()), (20, 0));
        credits.set_idle(B, 40);
        assert_eq!((credits.idle_room(), credits.idle_excess()), (0, 20));
        credits.set_idle(A, 0);
        assert_eq!((credits.idle_room(), credits.idle_excess()), (10, 0));
    }
}
