//! Which blocks to ask for: rarest pieces first, pieces begun before new ones, endgame at last.
//!
//! A wanted piece is in exactly one state at any time:
//! missing (in `order`) → active (some block asked for or stored) → verified; or back to missing.

use std::collections::BTreeMap;

use super::rarity::Rarity;
use crate::base::{Bitfield, Block, ConnId, Geometry, Piece};

/// Life of a block of an active piece: requested → received → stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// Nobody was asked, or all that were have lost it.
    Free,
    /// This many connections owe it.
    Requested(u8),
    /// In memory: gathered or on its way to the disk.
    Received,
    /// On disk.
    Stored,
}

/// Where an active piece is as a whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    Filling,
    /// All blocks arrived; its digest is awaited. Nothing of it is asked for.
    Hashing,
}

/// A piece that was begun.
#[derive(Clone, Debug)]
struct Active {
    blocks: Vec<State>,
    /// Who sent each block that was received in this run: [`Sender`] numbers, 0 for nobody.
    senders: Vec<Sender>,
    free_count: u32,
    /// Blocks neither received nor stored.
    open_count: u32,
    stage: Stage,
    /// The connection that began it: others join only when there is nothing better to do.
    owner: Option<ConnId>,
    /// Only this connection may be asked: a piece that failed is fetched from one peer, so that blame is certain.
    only: Option<ConnId>,
    /// It failed before and waits for a peer to be the only one.
    wants_only: bool,
}

/// A number for whoever sent a block, given out by `blame`. 0 is nobody.
pub type Sender = u32;

/// What one connection may be asked for.
pub struct Asker<'a> {
    pub conn: ConnId,
    /// Pieces the peer has; None for all.
    pub has: Option<&'a Bitfield>,
    /// While choked: only these pieces. None when unchoked.
    pub allowed: Option<&'a [Piece]>,
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
    /// Most pieces begun at once.
    active_max: usize,
    /// Sum of `free_count` over active pieces.
    free_total: u32,
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
            active_max: 64,
            free_total: 0,
        }
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
        self.rarity.is_empty() && self.free_total == 0
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
        self.active.iter().filter_map(|(piece, active)| {
            let mut field = Bitfield::new(active.blocks.len() as u32);
            for (number, state) in active.blocks.iter().enumerate() {
                if *state == State::Stored {
                    field.set_index(number as u32);
                }
            }
            (field.count() > 0).then_some((*piece, field))
        })
    }

    /// Makes a missing piece active; gives the number of its free blocks.
    fn begin(&mut self, piece: Piece, owner: Option<ConnId>, is_stored: impl Fn(u32) -> bool) -> u32 {
        let count = self.geometry.block_count(piece);
        let state = |number| if is_stored(number) { State::Stored } else { State::Free };
        let blocks: Vec<State> = (0..count).map(state).collect();
        let free_count = blocks.iter().filter(|state| **state == State::Free).count() as u32;
        let stage = if free_count == 0 { Stage::Hashing } else { Stage::Filling };
        self.rarity.remove(piece.index());
        self.free_total += free_count;
        self.active.insert(
            piece,
            Active {
                senders: vec![0; blocks.len()],
                blocks,
                free_count,
                open_count: free_count,
                stage,
                owner,
                only: None,
                wants_only: false,
            },
        );
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
            let is_mine = active.owner.is_none_or(|owner| owner == asker.conn) || self.sequential;
            let may_join = join == Join::Others || is_mine;
            if active.free_count == 0 || !may_join || !asker.may(piece) || !active.may_ask(asker.conn) {
                continue;
            }
            active.owner.get_or_insert(asker.conn);
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
        let before = picked.len();
        active.take_free(piece, &self.geometry, asker.conn, max, picked);
        self.free_total -= (picked.len() - before) as u32;
        true
    }

    /// Endgame: blocks others owe.
    fn pick_copies(&mut self, asker: &Asker<'_>, max: usize, picked: &mut Vec<Block>) {
        for copies in 1..ENDGAME_COPIES {
            for (&piece, active) in &mut self.active {
                if !asker.may(piece) || !active.may_ask(asker.conn) {
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
            State::Free | State::Received | State::Stored => {}
        }
        if active.only == Some(conn) || active.owner == Some(conn) {
            active.owner = None;
        }
        if active.only == Some(conn) {
            active.only = None;
        }
        self.drop_if_untouched(block.piece());
    }

    /// An active piece of which nothing was asked or stored is missing again.
    fn drop_if_untouched(&mut self, piece: Piece) {
        let is_untouched = self
            .active
            .get(&piece)
            .is_some_and(|active| !active.wants_only && active.free_count as usize == active.blocks.len());
        if is_untouched {
            self.active.remove(&piece);
            self.free_total -= self.geometry.block_count(piece);
            self.rarity.insert(piece.index());
        }
    }

    /// Whether the block is one of ours and still to come.
    pub fn is_open(&self, block: Block) -> bool {
        let state = self.active.get(&block.piece()).and_then(|active| active.blocks.get(block.number() as usize));
        self.geometry.is_on_grid(block) && matches!(state, Some(State::Free | State::Requested(_)))
    }

    /// A block arrived from `sender`, who `was_asked` for it (and had not been told otherwise). What it was worth.
    pub fn receive(&mut self, block: Block, sender: Sender, was_asked: bool) -> Received {
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
            State::Received | State::Stored => return Received::Useless,
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

    /// A received block is on disk.
    pub fn store(&mut self, block: Block) {
        if let Some(active) = self.active.get_mut(&block.piece())
            && let Some(state) = active.blocks.get_mut(block.number() as usize)
            && *state == State::Received
        {
            *state = State::Stored;
        }
    }

    /// A received block could not be written: it is asked for again.
    pub fn unreceive(&mut self, block: Block) {
        if let Some(active) = self.active.get_mut(&block.piece())
            && let Some(state) = active.blocks.get_mut(block.number() as usize)
            && *state == State::Received
        {
            *state = State::Free;
            active.free_count += 1;
            active.open_count += 1;
            active.stage = Stage::Filling;
            self.free_total += 1;
        }
        self.drop_if_untouched(block.piece());
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
            if active.owner == Some(conn) {
                active.owner = None;
            }
            if active.only == Some(conn) {
                active.only = None;
            }
        }
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

    /// Invariants: the counters equal their recomputed sums; every wanted piece is in exactly one state.
    pub fn check(&self, availability: impl Fn(Piece) -> u32) {
        self.rarity.check();
        let mut free_total = 0;
        for (piece, active) in &self.active {
            let free = active.blocks.iter().filter(|s| **s == State::Free).count() as u32;
            let asked = active.blocks.iter().filter(|s| matches!(s, State::Requested(_))).count() as u32;
            assert_eq!(free, active.free_count, "free blocks of {piece:?}");
            assert_eq!(free + asked, active.open_count, "open blocks of {piece:?}");
            assert_eq!(active.stage == Stage::Hashing, active.open_count == 0, "stage of {piece:?}");
            free_total += free;
        }
        assert_eq!(free_total, self.free_total, "free blocks in all");
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

impl Active {
    /// A piece that failed belongs to one connection: the first that asks.
    fn may_ask(&self, conn: ConnId) -> bool {
        self.stage == Stage::Filling && self.only.is_none_or(|only| only == conn)
    }

    fn take_free(&mut self, piece: Piece, geometry: &Geometry, conn: ConnId, max: usize, picked: &mut Vec<Block>) {
        if self.wants_only {
            self.only.get_or_insert(conn);
        }
        for (number, state) in self.blocks.iter_mut().enumerate() {
            if picked.len() >= max || self.free_count == 0 {
                return;
            }
            if *state == State::Free
                && let Some(block) = geometry.block_number(piece, number as u32)
            {
                *state = State::Requested(1);
                self.free_count -= 1;
                picked.push(block);
            }
        }
    }
}
