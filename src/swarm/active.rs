//! A piece that was begun: the life of each of its blocks, and who may be asked for them.

use crate::base::{Bitfield, Block, ConnId, Geometry, Piece};

/// A number for whoever sent a block, given out by `blame`. 0 is nobody.
pub type Sender = u32;
/// Nobody sent this block: it is zeros of a pad file, and cannot be wrong.
pub const ZEROS: Sender = Sender::MAX;

/// Life of a block of an active piece: requested → received → stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// Nobody was asked, or all that were have lost it.
    Free,
    /// This many connections owe it.
    Requested(u8),
    /// In memory: gathered or on its way to the disk.
    Received,
    /// On disk.
    Stored,
    /// On its way to the disk, and worth nothing: its sender lied elsewhere. Free when it is there.
    Doomed,
}

/// Where an active piece is as a whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    Filling,
    /// All blocks arrived; its digest is awaited. Nothing of it is asked for.
    Hashing,
}

/// A piece that was begun.
#[derive(Clone, Debug)]
pub struct Active {
    pub blocks: Vec<State>,
    /// Who sent each block that was received in this run: 0 for nobody.
    pub senders: Vec<Sender>,
    pub free_count: u32,
    /// Blocks neither received nor stored, or worth nothing.
    pub open_count: u32,
    pub stage: Stage,
    /// The connection that began it: others join only when there is nothing better to do.
    pub owner: Option<ConnId>,
    /// Its owner is on trial: others join only when there is nothing better to do, also where pieces are common.
    pub is_trial: bool,
    /// Only this connection may be asked: a piece that failed is fetched from one peer, so that blame is certain.
    pub only: Option<ConnId>,
    /// It failed before and waits for a peer to be the only one.
    pub wants_only: bool,
}

impl Active {
    /// A piece of `count` blocks, some of which may be stored already.
    pub fn new(count: u32, owner: Option<ConnId>, is_stored: impl Fn(u32) -> bool) -> Active {
        let state = |number| if is_stored(number) { State::Stored } else { State::Free };
        let blocks: Vec<State> = (0..count).map(state).collect();
        let free_count = blocks.iter().filter(|state| **state == State::Free).count() as u32;
        let stage = if free_count == 0 { Stage::Hashing } else { Stage::Filling };
        Active {
            senders: vec![0; blocks.len()],
            blocks,
            free_count,
            open_count: free_count,
            stage,
            owner,
            is_trial: false,
            only: None,
            wants_only: false,
        }
    }

    /// Nothing of it was asked for or stored, and nothing is known of it.
    pub fn is_untouched(&self) -> bool {
        !self.wants_only && self.free_count as usize == self.blocks.len()
    }

    /// The stored blocks.
    pub fn stored(&self) -> Bitfield {
        let mut field = Bitfield::new(self.blocks.len() as u32);
        for (number, state) in self.blocks.iter().enumerate() {
            if *state == State::Stored {
                field.set_index(number as u32);
            }
        }
        field
    }

    /// Who asks for a piece that nobody owns does from now on.
    pub fn own(&mut self, conn: ConnId, is_trial: bool) {
        if self.owner.is_none() {
            self.owner = Some(conn);
            self.is_trial = is_trial;
        }
    }

    /// The connection is not the one to wait for any more.
    pub fn disown(&mut self, conn: ConnId) {
        if self.owner == Some(conn) {
            self.is_trial = false;
            self.owner = None;
        }
        if self.only == Some(conn) {
            self.only = None;
        }
    }

    /// What this sender gave is worth nothing, unless the piece is whole already and its digest will tell. Gives how
    /// many blocks are free at once and how many when they are home; None when there was nothing of it.
    pub fn discard(&mut self, sender: Sender) -> Option<(u32, u32)> {
        if self.stage != Stage::Filling {
            return None;
        }
        let (mut freed, mut doomed) = (0, 0);
        for (state, _) in self.blocks.iter_mut().zip(&self.senders).filter(|(_, of)| **of == sender) {
            match *state {
                State::Stored => (*state, freed) = (State::Free, freed + 1),
                State::Received => (*state, doomed) = (State::Doomed, doomed + 1),
                State::Free | State::Requested(_) | State::Doomed => {}
            }
        }
        self.free_count += freed;
        self.open_count += freed + doomed;
        (freed + doomed > 0).then_some((freed, doomed))
    }

    /// Blocks that are worth nothing and not yet home.
    pub fn doomed(&self) -> u32 {
        self.blocks.iter().filter(|state| **state == State::Doomed).count() as u32
    }

    /// The counters equal their recomputed sums.
    pub fn check(&self, piece: Piece) {
        let free = self.blocks.iter().filter(|s| **s == State::Free).count() as u32;
        let asked = self.blocks.iter().filter(|s| matches!(s, State::Requested(_))).count() as u32;
        assert_eq!(free, self.free_count, "free blocks of {piece:?}");
        assert_eq!(free + asked + self.doomed(), self.open_count, "open blocks of {piece:?}");
        assert_eq!(self.stage == Stage::Hashing, self.open_count == 0, "stage of {piece:?}");
    }

    /// A piece that failed belongs to one connection: the first that asks and `may_alone`.
    pub fn may_ask(&self, conn: ConnId, may_alone: bool) -> bool {
        let is_mine = self.only.map_or(may_alone || !self.wants_only, |only| only == conn);
        self.stage == Stage::Filling && is_mine
    }

    pub fn take_free(
        &mut self,
        piece: Piece,
        geometry: &Geometry,
        conn: ConnId,
        max: usize,
        picked: &mut Vec<Block>,
    ) {
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
