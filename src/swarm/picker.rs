//! Which blocks to ask for: rarest pieces first, pieces begun before new ones, endgame at last.
//!
//! A wanted piece is in exactly one state at any time:
//! missing (in `order`) → active (some block asked for or stored) → verified; or back to missing.

mod home;

use std::collections::BTreeMap;

use super::active::{Active, Sender, Stage, State, ZEROS};
use super::rarity::Rarity;
use crate::base::{Bitfield, Block, ConnId, Geometry, Piece};

/// What one connection may be asked for.
pub struct Asker<'a> {
    pub conn: ConnId,
    /// Pieces the peer has; None for all.
    pub has: Option<&'a Bitfield>,
    /// While choked: only these pieces. None when unchoked.
    pub allowed: Option<&'a [Piece]>,
    /// Nothing good is known of it: better nobody shares a piece with it.
    pub is_on_trial: bool,
    /// It may be the only one asked for a piece that failed: others would wait for it.
    pub may_alone: bool,
    /// In endgame, blocks this connection was already asked for.
    pub asked: &'a dyn Fn(Block) -> bool,
}

/// Most copies of a block asked for in endgame.
const ENDGAME_COPIES: u8 = 3;
/// Pieces chosen at random before rarest first begins: something to trade soon.
const RANDOM_FIRST: u32 = 4;

pub struct Picker {
    geometry: Geometry,
    rarity: Rarity,
    active: BTreeMap<Piece, Active>,
    verified: Bitfield,
    wanted: Bitfield,
    sequential: bool,
    /// Ranges of the torrent that are zeros (BEP 47): nobody is asked for blocks within.
    pads: Vec<(u64, u64)>,
    /// Most pieces begun at once.
    active_max: usize,
    /// Sum of `free_count` over active pieces.
    free_total: u32,
    /// Blocks that are worth nothing and not yet home.
    doomed_total: u32,
}

impl Picker {
    /// All pieces of `wanted` are missing.
    pub fn new(geometry: Geometry, wanted: Bitfield, sequential: bool, rng: &mut fastrand::Rng) -> Picker {
        let mut missing: Vec<u32> = wanted.ones().collect();
        rng.shuffle(&mut missing);
        Picker {
            geometry,
            rarity: Rarity::new(geometry.piece_count(), &missing),
            active: BTreeMap::new(),
            verified: Bitfield::new(geometry.piece_count()),
            wanted,
            sequential,
            pads: Vec::new(),
            active_max: 64,
            free_total: 0,
            doomed_total: 0,
        }
    }

    /// Blocks within these ranges of the torrent count as stored. In order, not overlapping.
    pub fn set_pads(&mut self, pads: Vec<(u64, u64)>) {
        self.pads = pads;
    }

    fn is_pad(&self, block: Block) -> bool {
        let start = self.geometry.start_of(block.piece()) + u64::from(block.begin());
        let at = self.pads.partition_point(|(_, end)| *end <= start);
        self.pads.get(at).is_some_and(|(from, end)| *from <= start && start + u64::from(block.len()) <= *end)
    }

    /// Bounds the pieces begun: at least 64, and enough that `credits` requests find blocks.
    pub fn bound_active(&mut self, credits: u32) {
        let blocks_per_piece = self.geometry.piece_len().div_ceil(crate::base::BLOCK_LEN).max(1);
        self.active_max = 64 + credits.div_ceil(blocks_per_piece) as usize;
    }

    pub fn verified(&self) -> &Bitfield {
        &self.verified
    }

    pub fn wanted(&self) -> &Bitfield {
        &self.wanted
    }

    /// Whether the piece is wanted and not verified.
    pub fn needs(&self, piece: Piece) -> bool {
        self.wanted.has(piece) && !self.verified.has(piece)
    }

    /// Everything wanted is verified.
    pub fn is_complete(&self) -> bool {
        self.wanted.count_missing_in(&self.verified) == 0
    }

    /// Every wanted block was asked for or arrived: copies may be asked for.
    pub fn is_endgame(&self) -> bool {
        self.rarity.is_empty() && self.free_total == 0 && self.doomed_total == 0
    }

    /// A connected peer has the piece now.
    pub fn gained(&mut self, piece: Piece) {
        self.rarity.inc(piece.index());
    }

    /// A peer that has the piece left.
    pub fn lost(&mut self, piece: Piece) {
        self.rarity.dec(piece.index());
    }

    /// Number of connected peers known to have the piece, those with all pieces not counted.
    pub fn availability(&self, piece: Piece) -> u32 {
        self.rarity.of(piece.index())
    }

    /// The piece is right: by resume, by check or by download.
    pub fn verify(&mut self, piece: Piece) {
        if let Some(active) = self.active.remove(&piece) {
            self.free_total -= active.free_count;
        }
        self.rarity.remove(piece.index());
        self.verified.set(piece);
    }

    /// Begins a piece with some blocks already stored. True when all of them are: it should be checked.
    pub fn restore(&mut self, piece: Piece, is_stored: impl Fn(u32) -> bool) -> bool {
        if !self.needs(piece) || self.active.contains_key(&piece) {
            return false;
        }
        self.begin(piece, None, is_stored) == 0
    }

    /// The stored blocks of active pieces, for the resume state. Pieces with none are left out.
    pub fn stored(&self) -> impl Iterator<Item = (Piece, Bitfield)> + '_ {
        let stored = self.active.iter().map(|(piece, active)| (*piece, active.stored()));
        stored.filter(|(_, field)| field.count() > 0)
    }

    /// Makes a missing piece active; gives the number of its free blocks.
    fn begin(&mut self, piece: Piece, owner: Option<ConnId>, is_stored: impl Fn(u32) -> bool) -> u32 {
        let is_pad = |number| {
            !self.pads.is_empty() && self.geometry.block_number(piece, number).is_some_and(|block| self.is_pad(block))
        };
        let count = self.geometry.block_count(piece);
        let mut active = Active::new(count, owner, |number| is_stored(number) || is_pad(number));
        for number in (0..count).filter(|number| is_pad(*number)) {
            active.senders[number as usize] = ZEROS;
        }
        let free_count = active.free_count;
        self.rarity.remove(piece.index());
        self.free_total += free_count;
        self.active.insert(piece, active);
        free_count
    }

    /// Up to `max` blocks to ask this peer for, marked as requested. In endgame these may be copies.
    pub fn pick(&mut self, asker: &Asker<'_>, max: usize, rng: &mut fastrand::Rng) -> Vec<Block> {
        let mut picked = Vec::new();
        if max == 0 {
            return picked;
        }
        self.pick_active(asker, max, Join::Mine, &mut picked);
        while picked.len() < max && self.active.len() < self.active_max && self.pick_new(asker, max, rng, &mut picked)
        {
        }
        if picked.len() < max {
            self.pick_active(asker, max, Join::Others, &mut picked);
        }
        if picked.is_empty() && self.is_endgame() {
            self.pick_copies(asker, max, &mut picked);
        }
        picked
    }

    /// Free blocks of pieces already begun.
    fn pick_active(&mut self, asker: &Asker<'_>, max: usize, join: Join, picked: &mut Vec<Block>) {
        if self.free_total == 0 {
            return;
        }
        for (&piece, active) in &mut self.active {
            if picked.len() >= max {
                return;
            }
            let is_common = self.sequential && !asker.is_on_trial && !active.is_trial;
            let is_mine = active.owner.is_none_or(|owner| owner == asker.conn) || is_common;
            let may_join = join == Join::Others || is_mine;
            if active.free_count == 0
                || !may_join
                || !asker.may(piece)
                || !active.may_ask(asker.conn, asker.may_alone)
            {
                continue;
            }
            active.own(asker.conn, asker.is_on_trial);
            let before = picked.len();
            active.take_free(piece, &self.geometry, asker.conn, max, picked);
            self.free_total -= (picked.len() - before) as u32;
        }
    }

    /// Begins one new piece. False when there is none for this peer.
    fn pick_new(&mut self, asker: &Asker<'_>, max: usize, rng: &mut fastrand::Rng, picked: &mut Vec<Block>) -> bool {
        let may = |index: u32| self.geometry.piece(index).is_some_and(|piece| asker.may(piece));
        let index = if self.sequential {
            self.rarity.lowest(may)
        } else if self.verified.count() + (self.active.len() as u32) < RANDOM_FIRST {
            self.rarity.random(rng, may)
        } else {
            self.rarity.rarest(rng, may)
        };
        let Some(piece) = index.and_then(|index| self.geometry.piece(index)) else {
            return false;
        };
        self.begin(piece, Some(asker.conn), |_| false);
        let active = self.active.get_mut(&piece).expect("it was begun in the line above");
        active.is_trial = asker.is_on_trial;
        let before = picked.len();
        active.take_free(piece, &self.geometry, asker.conn, max, picked);
        self.free_total -= (picked.len() - before) as u32;
        true
    }

    /// Endgame: blocks others owe.
    fn pick_copies(&mut self, asker: &Asker<'_>, max: usize, picked: &mut Vec<Block>) {
        // Whoever gave nothing yet may be mute: the last copy is for others.
        let most = if asker.is_on_trial { ENDGAME_COPIES - 1 } else { ENDGAME_COPIES };
        for copies in 1..most {
            for (&piece, active) in &mut self.active {
                if !asker.may(piece) || !active.may_ask(asker.conn, asker.may_alone) {
                    continue;
                }
                for (number, state) in active.blocks.iter_mut().enumerate() {
                    if picked.len() >= max {
                        return;
                    }
                    if *state != State::Requested(copies) {
                        continue;
                    }
                    if let Some(block) = self.geometry.block_number(piece, number as u32)
                        && !(asker.asked)(block)
                        && !picked.contains(&block)
                    {
                        *state = State::Requested(copies + 1);
                        picked.push(block);
                    }
                }
            }
        }
    }

    /// A request came to nothing: rejected, choked, released or its connection died.
    pub fn give_up(&mut self, block: Block, conn: ConnId) {
        let Some(active) = self.active.get_mut(&block.piece()) else {
            return;
        };
        let state = &mut active.blocks[block.number() as usize];
        match *state {
            State::Requested(1) => {
                *state = State::Free;
                active.free_count += 1;
                self.free_total += 1;
            }
            State::Requested(copies) => *state = State::Requested(copies - 1),
            State::Free | State::Received | State::Stored | State::Doomed => {}
        }
        active.disown(conn);
        self.drop_if_untouched(block.piece());
    }

    /// An active piece of which nothing was asked or stored is missing again.
    fn drop_if_untouched(&mut self, piece: Piece) {
        let is_untouched = self.active.get(&piece).is_some_and(Active::is_untouched);
        if is_untouched {
            self.active.remove(&piece);
            self.free_total -= self.geometry.block_count(piece);
            self.rarity.insert(piece.index());
        }
    }

    /// Whether the block is one of ours and still to come.
    pub fn is_open(&self, block: Block) -> bool {
        let is_missing = || self.needs(block.piece());
        let is_awaited = |active: &Active| {
            matches!(active.blocks.get(block.number() as usize), Some(State::Free | State::Requested(_)))
        };
        self.geometry.is_on_grid(block) && self.active.get(&block.piece()).map_or_else(is_missing, is_awaited)
    }

    /// A block arrived from `sender`, who `was_asked` for it (and had not been told otherwise). What it was worth.
    pub fn receive(&mut self, block: Block, sender: Sender, was_asked: bool) -> Received {
        if self.needs(block.piece()) && !self.active.contains_key(&block.piece()) {
            // Of a piece that was given up meanwhile: it is begun again with what came.
            self.begin(block.piece(), None, |_| false);
        }
        let Some(active) = self.active.get_mut(&block.piece()) else {
            return Received::Useless;
        };
        let number = block.number() as usize;
        let copies = match active.blocks[number] {
            State::Requested(copies) => copies,
            // Released to others, who have not been asked yet.
            State::Free => {
                active.free_count -= 1;
                self.free_total -= 1;
                0
            }
            State::Received | State::Stored | State::Doomed => return Received::Useless,
        };
        active.blocks[number] = State::Received;
        active.senders[number] = sender;
        active.open_count -= 1;
        let is_last = active.open_count == 0;
        if is_last {
            active.stage = Stage::Hashing;
        }
        Received::Fresh { is_last, has_copies: copies > u8::from(was_asked) }
    }

    /// The piece's hash is wrong (or it could not be read): everything is asked for again, from one peer only if
    /// `only_one`. Gives who had sent its blocks.
    pub fn fail(&mut self, piece: Piece, only_one: bool) -> Vec<Sender> {
        let Some(active) = self.active.remove(&piece) else {
            if self.verified.clear(piece) && self.wanted.has(piece) {
                self.rarity.insert(piece.index());
            }
            return Vec::new();
        };
        self.free_total -= active.free_count;
        if only_one {
            self.begin(piece, None, |_| false);
            if let Some(fresh) = self.active.get_mut(&piece) {
                fresh.wants_only = true;
            }
        } else {
            self.rarity.insert(piece.index());
        }
        active.senders
    }

    /// Who sent the blocks of an active piece.
    pub fn senders(&self, piece: Piece) -> &[Sender] {
        self.active.get(&piece).map_or(&[], |active| &active.senders)
    }

    /// Whether all its blocks arrived and its digest is awaited.
    pub fn is_hashing(&self, piece: Piece) -> bool {
        self.active.get(&piece).is_some_and(|active| active.stage == Stage::Hashing)
    }

    /// A connection is gone or may not be relied on: the pieces it began are anyone's.
    pub fn disown(&mut self, conn: ConnId) {
        for active in self.active.values_mut() {
            active.disown(conn);
        }
    }

    /// The piece was begun and is not verified.
    pub fn is_active(&self, piece: Piece) -> bool {
        self.active.contains_key(&piece)
    }

    /// Pieces begun and not verified.
    pub fn active_count(&self) -> usize {
        self.active.len()
    }

    /// Verified and wanted bytes of wanted pieces.
    pub fn progress(&self) -> (u64, u64) {
        let sum = |field: &dyn Fn(Piece) -> bool| {
            self.geometry.pieces().filter(|&p| field(p)).map(|p| u64::from(self.geometry.len_of(p))).sum()
        };
        (sum(&|p| self.wanted.has(p) && self.verified.has(p)), sum(&|p| self.wanted.has(p)))
    }

    /// Bytes of all pieces that are not verified, wanted or not: what trackers call `left`.
    pub fn missing_len(&self) -> u64 {
        let missing = self.geometry.pieces().filter(|piece| !self.verified.has(*piece));
        missing.map(|piece| u64::from(self.geometry.len_of(piece))).sum()
    }

    /// Bytes of wanted pieces that are missing and that no connected peer has.
    pub fn unreachable_len(&self) -> u64 {
        let is_missing = |piece: &Piece| self.wanted.has(*piece) && !self.verified.has(*piece);
        let pieces = self.geometry.pieces().filter(is_missing).filter(|piece| self.availability(*piece) == 0);
        pieces.map(|piece| u64::from(self.geometry.len_of(piece))).sum()
    }

    /// Invariants: the counters equal their recomputed sums; every wanted piece is in exactly one state.
    pub fn check(&self, availability: impl Fn(Piece) -> u32) {
        self.rarity.check();
        let mut free_total = 0;
        for (piece, active) in &self.active {
            active.check(*piece);
            free_total += active.free_count;
        }
        assert_eq!(free_total, self.free_total, "free blocks in all");
        let doomed = self.active.values().map(|active| active.doomed()).sum::<u32>();
        assert_eq!(doomed, self.doomed_total, "doomed blocks in all");
        for piece in self.geometry.pieces() {
            let states =
                [self.verified.has(piece), self.active.contains_key(&piece), self.rarity.holds(piece.index())];
            let count = states.iter().filter(|is| **is).count();
            let expected = usize::from(self.wanted.has(piece) || self.verified.has(piece));
            assert_eq!(count, expected, "{piece:?}: verified, active, missing = {states:?}");
            assert_eq!(self.rarity.of(piece.index()), availability(piece), "availability of {piece:?}");
        }
    }

    /// For the simulator's proof of itself only: makes one availability counter wrong.
    #[doc(hidden)]
    pub fn plant_wrong_availability(&mut self) {
        self.rarity.inc(0);
    }
}

/// Which active pieces a pick looks at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Join {
    /// Those this connection began, and orphans.
    Mine,
    Others,
}

/// What a block that arrived was worth.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Received {
    /// It was missing. `has_copies`: others were asked for it too and should be told.
    Fresh { is_last: bool, has_copies: bool },
    /// We have it already, or nobody wants it.
    Useless,
}

impl Asker<'_> {
    fn may(&self, piece: Piece) -> bool {
        self.has.is_none_or(|has| has.has(piece)) && self.allowed.is_none_or(|allowed| allowed.contains(&piece))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Scene {
        geometry: Geometry,
        picker: Picker,
        rng: fastrand::Rng,
    }

    /// `pieces` pieces of two blocks each.
    fn scene(pieces: u32, sequential: bool) -> Scene {
        let geometry = Geometry::new(u64::from(pieces) * 32_768, 32_768).unwrap();
        let mut rng = fastrand::Rng::with_seed(7);
        let picker = Picker::new(geometry, Bitfield::full(pieces), sequential, &mut rng);
        Scene { geometry, picker, rng }
    }

    impl Scene {
        fn pick(&mut self, conn: u64, has: Option<&Bitfield>, max: usize) -> Vec<(u32, u32)> {
            let asker = Asker {
                conn: ConnId(conn),
                has,
                allowed: None,
                may_alone: true,
                is_on_trial: false,
                asked: &|_| false,
            };
            let picked = self.picker.pick(&asker, max, &mut self.rng);
            self.picker.check(|piece| self.picker.availability(piece));
            picked.iter().map(|block| (block.piece().index(), block.number())).collect()
        }

        fn block(&self, at: (u32, u32)) -> Block {
            self.geometry.block_number(self.geometry.piece(at.0).unwrap(), at.1).unwrap()
        }
    }

    #[test]
    fn sequential_goes_in_order() {
        let mut s = scene(4, true);
        assert_eq!(s.pick(1, None, 3), [(0, 0), (0, 1), (1, 0)]);
        assert_eq!(s.pick(2, None, 3), [(1, 1), (2, 0), (2, 1)]);
    }

    #[test]
    fn rarest_first_after_the_first_pieces() {
        let mut s = scene(20, false);
        for piece in s.geometry.pieces() {
            if piece.index() < 4 {
                s.picker.verify(piece);
            } else if piece.index() != 11 {
                s.picker.gained(piece);
            }
        }
        assert_eq!(s.pick(1, None, 2), [(11, 0), (11, 1)]);
    }

    #[test]
    fn a_block_is_asked_once_until_endgame() {
        let mut s = scene(2, true);
        assert_eq!(s.pick(1, None, 4).len(), 4);
        assert!(s.picker.is_endgame());
        let copies = s.pick(2, None, 10);
        assert_eq!(copies.len(), 4, "in endgame every block may be asked of another");
        let block = s.block((0, 0));
        assert_eq!(s.picker.receive(block, 1, true), Received::Fresh { is_last: false, has_copies: true });
        assert_eq!(s.picker.receive(block, 2, true), Received::Useless);
    }

    #[test]
    fn given_up_blocks_are_free_again_and_untouched_pieces_missing() {
        let mut s = scene(2, true);
        let picked = s.pick(1, None, 2);
        for at in picked {
            let block = s.block(at);
            s.picker.give_up(block, ConnId(1));
        }
        assert_eq!(s.picker.active_count(), 0);
        assert_eq!(s.pick(2, None, 2), [(0, 0), (0, 1)]);
    }

    #[test]
    fn a_failed_piece_is_fetched_from_one_peer_only() {
        let mut s = scene(1, true);
        s.pick(1, None, 2);
        let piece = s.geometry.piece(0).unwrap();
        for number in 0..2 {
            let block = s.block((0, number));
            s.picker.receive(block, 5, true);
            s.picker.store(block);
        }
        assert!(s.picker.is_hashing(piece));
        assert_eq!(s.picker.fail(piece, true), [5, 5]);
        assert_eq!(s.pick(2, None, 1), [(0, 0)]);
        assert!(s.pick(3, None, 9).is_empty(), "it belongs to the first that asked");
        s.picker.disown(ConnId(2));
        assert_eq!(s.pick(3, None, 9), [(0, 1)]);
    }

    #[test]
    fn a_peer_is_asked_only_for_what_it_has() {
        let mut s = scene(10, false);
        let mut has = Bitfield::new(10);
        has.set_index(6);
        assert_eq!(s.pick(1, Some(&has), 9), [(6, 0), (6, 1)]);
        assert!(s.pick(2, Some(&has), 9).is_empty());
    }

    #[test]
    fn zeros_are_not_asked_for() {
        let mut s = scene(2, true);
        s.picker.set_pads(vec![(16_000, 40_000)]);
        assert_eq!(s.pick(1, None, 9), [(0, 0), (1, 0), (1, 1)]);
        assert_eq!(s.picker.senders(s.geometry.piece(0).unwrap()), [0, ZEROS], "nobody is blamed for zeros");
    }

    #[test]
    fn stored_blocks_survive_and_are_not_asked_again() {
        let mut s = scene(2, true);
        let piece = s.geometry.piece(0).unwrap();
        assert!(!s.picker.restore(piece, |number| number == 0));
        assert_eq!(s.pick(1, None, 1), [(0, 1)]);
        let stored: Vec<_> = s.picker.stored().map(|(p, f)| (p.index(), f.ones().collect::<Vec<_>>())).collect();
        assert_eq!(stored, [(0, vec![0])]);
        let second = s.geometry.piece(1).unwrap();
        assert!(s.picker.restore(second, |_| true), "all stored: to be checked");
        assert!(s.picker.is_hashing(second));
    }
}
