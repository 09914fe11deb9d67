//! Turns: which torrents wait for a share of something that all torrents of a process share, and whose turn is next.

use std::collections::BTreeSet;

use super::ids::TorrentId;

/// Those who wait, and the turn that is on.
#[derive(Clone, Debug, Default)]
pub struct Turns {
    waiting: BTreeSet<TorrentId>,
    last: Option<TorrentId>,
    /// Whose turn it is, and how much of its helping is left.
    current: Option<(TorrentId, u64)>,
    /// Whose turn ended before its helping did, with what is left of it: it comes first when there is more.
    cut_short: Option<(TorrentId, u64)>,
}

impl Turns {
    /// This torrent found nothing, or too little. False if it waits already.
    pub fn wait(&mut self, id: TorrentId) -> bool {
        self.waiting.insert(id)
    }

    /// Whether anybody waits.
    pub fn are_wanted(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// How many wait.
    pub fn waiting_count(&self) -> usize {
        self.waiting.len()
    }

    /// How much this torrent may take as far as turns go: what is left of its helping, everything where nobody waits,
    /// nothing while others wait or it waits itself.
    pub fn share(&self, id: TorrentId) -> u64 {
        match self.current {
            Some((current, left)) if current == id => left,
            None if self.waiting.is_empty() => u64::MAX,
            _ => 0,
        }
    }

    /// The next in turn waits no more.
    pub fn call_next(&mut self) -> Option<TorrentId> {
        if let Some((id, _)) = self.cut_short
            && self.waiting.remove(&id)
        {
            return Some(id);
        }
        let after = self.last.and_then(|last| self.waiting.range(last..).find(|id| **id != last));
        let id = *after.or_else(|| self.waiting.first())?;
        self.waiting.remove(&id);
        self.last = Some(id);
        Some(id)
    }

    /// This torrent's turn begins: a helping of so much.
    pub fn begin(&mut self, id: TorrentId, helping: u64) {
        let left = self.cut_short.filter(|(cut, _)| *cut == id).map_or(helping, |(_, left)| left);
        self.current = Some((id, left));
    }

    /// So much of the helping was taken.
    pub fn took(&mut self, id: TorrentId, amount: u64) {
        if let Some((current, left)) = &mut self.current
            && *current == id
        {
            *left = left.saturating_sub(amount);
        }
    }

    /// The turn is over.
    pub fn end(&mut self) {
        if let Some((id, left)) = self.current.take() {
            if left > 0 && self.waiting.contains(&id) {
                self.cut_short = Some((id, left));
            } else if self.cut_short.is_some_and(|(cut, _)| cut == id) {
                self.cut_short = None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_who_wait_come_in_turn() {
        let mut turns = Turns::default();
        assert_eq!((turns.call_next(), turns.share(TorrentId(1))), (None, u64::MAX));
        [3, 1, 2].iter().for_each(|id| _ = turns.wait(TorrentId(*id)));
        assert_eq!(turns.share(TorrentId(1)), 0, "it waits for its turn like others");
        assert_eq!([turns.call_next(), turns.call_next()], [Some(TorrentId(1)), Some(TorrentId(2))]);
        turns.wait(TorrentId(1));
        assert_eq!(
            [turns.call_next(), turns.call_next(), turns.call_next()],
            [Some(TorrentId(3)), Some(TorrentId(1)), None]
        );
    }

    #[test]
    fn a_turn_is_a_helping_for_one() {
        let mut turns = Turns::default();
        turns.begin(TorrentId(1), 10);
        turns.took(TorrentId(1), 4);
        turns.took(TorrentId(2), 5);
        assert_eq!((turns.share(TorrentId(1)), turns.share(TorrentId(2))), (6, 0));
        turns.took(TorrentId(1), 7);
        assert_eq!(turns.share(TorrentId(1)), 0);
        turns.end();
        assert_eq!(turns.share(TorrentId(2)), u64::MAX);
    }

    #[test]
    fn a_turn_that_was_cut_short_goes_on() {
        let mut turns = Turns::default();
        for id in [1, 2] {
            turns.wait(TorrentId(id));
        }
        assert_eq!(turns.call_next(), Some(TorrentId(1)));
        turns.begin(TorrentId(1), 10);
        turns.took(TorrentId(1), 4);
        turns.wait(TorrentId(1));
        turns.end();
        assert_eq!(turns.call_next(), Some(TorrentId(1)));
        turns.begin(TorrentId(1), 10);
        assert_eq!(turns.share(TorrentId(1)), 6);
        turns.took(TorrentId(1), 6);
        turns.wait(TorrentId(1));
        turns.end();
        assert_eq!(turns.call_next(), Some(TorrentId(2)));
    }
}
