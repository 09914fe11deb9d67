//! Credits: one is taken when a `request` is sent and comes back when its block is on disk, its payload ended
//! otherwise, or its connection died. They bound what is in flight on the network for all torrents together.

/// The purse that all torrents of a process share.
#[derive(Clone, Debug)]
pub struct Credits {
    free_count: u32,
    total_count: u32,
}

impl Credits {
    /// A purse of `total_count` credits.
    pub fn new(total_count: u32) -> Credits {
        Credits { free_count: total_count, total_count }
    }

    /// Takes one if there is one.
    pub fn take(&mut self) -> bool {
        if self.free_count == 0 {
            return false;
        }
        self.free_count -= 1;
        true
    }

    /// `count` credits come back.
    ///
    /// # Panics
    /// When more come back than were taken: a bug of ours.
    pub fn give_back(&mut self, count: u32) {
        self.free_count += count;
        assert!(self.free_count <= self.total_count, "more credits came back than were taken");
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
