//! Memory of one kind that several share: each takes what it needs, and gives all of it back.

/// How much of it is left.
#[derive(Debug)]
pub struct Room {
    left: usize,
    max: usize,
}

impl Room {
    /// So many bytes for all together.
    pub fn new(max: usize) -> Room {
        Room { left: max, max }
    }

    /// Takes so many bytes; false, and nothing is taken, where there are not as many.
    #[must_use]
    pub fn take(&mut self, len: usize) -> bool {
        let left = self.left.checked_sub(len);
        self.left = left.unwrap_or(self.left);
        left.is_some()
    }

    /// Gives bytes back that were taken.
    pub fn give(&mut self, len: usize) {
        self.left += len;
        debug_assert!(self.left <= self.max, "more came back than was taken");
    }

    /// Bytes that are taken.
    pub fn taken(&self) -> usize {
        self.max - self.left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_comes_back() {
        let mut room = Room::new(10);
        assert!(room.take(7) && !room.take(4) && room.take(3) && !room.take(1) && room.take(0));
        room.give(7);
        assert_eq!(room.taken(), 3);
        assert!(room.take(7));
    }
}
