//! Which blocks to ask for: rarest pieces first, pieces begun before new ones, endgame at last.
//!
//! A wanted piece is in exactly one state at any time:
//! missing (in `order`) → active (some block asked for or stored) → verified; or back to missing.

mod home;
mod pick;
mod receive;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use self::pick::Asker;
pub use self::receive::Received;
use super::active::{Active, Sender, Stage, ZEROS};
use super::rarity::{Rank, Rarity};
use crate::base::{Bitfield, Block, ConnId, Geometry, Piece};

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

    /// What comes first: the ranks of all pieces; empty where all are normal.
    pub fn set_ranks(&mut self, ranks: Vec<Rank>) {
        self.rarity.set_ranks(ranks);
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

    /// Blocks of pieces begun that have not arrived.
    pub fn open_count(&self) -> usize {
        self.active.values().map(|active| active.open_count as usize).sum()
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
