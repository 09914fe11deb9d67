//! Blocks that come home from the disk, written or not; and those of liars, asked for again before the pieces they are
//! part of fail too.

use super::Picker;
use crate::base::{Block, ConnId, Piece};
use crate::swarm::active::{Sender, Stage, State};

impl Picker {
    /// A received block is on disk. True when it is worth nothing: it is asked for again, and the digest that runs
    /// over its piece is to be forgotten.
    pub fn store(&mut self, block: Block) -> bool {
        if let Some(active) = self.active.get_mut(&block.piece())
            && let Some(state) = active.blocks.get_mut(block.number() as usize)
            && *state == State::Received
        {
            *state = State::Stored;
            return false;
        }
        self.release_doomed(block)
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
        self.release_doomed(block);
        self.drop_if_untouched(block.piece());
    }

    /// Blocks of this sender in pieces that are not whole are worth nothing: those on disk are free at once, those on
    /// their way there when they arrive. Gives the pieces whose running digests are to be forgotten.
    pub fn discard(&mut self, sender: Sender) -> Vec<Piece> {
        let mut touched = Vec::new();
        for (&piece, active) in &mut self.active {
            if let Some((freed, doomed)) = active.discard(sender) {
                self.free_total += freed;
                self.doomed_total += doomed;
                touched.push(piece);
            }
        }
        touched.iter().for_each(|piece| self.drop_if_untouched(*piece));
        touched
    }

    /// The block came home, on disk or not: if it was worth nothing, it may be asked for now.
    fn release_doomed(&mut self, block: Block) -> bool {
        let Some(active) = self.active.get_mut(&block.piece()) else {
            return false;
        };
        let Some(state) = active.blocks.get_mut(block.number() as usize).filter(|state| **state == State::Doomed)
        else {
            return false;
        };
        *state = State::Free;
        active.free_count += 1;
        self.free_total += 1;
        self.doomed_total -= 1;
        self.drop_if_untouched(block.piece());
        true
    }

    /// Whether a piece that failed waits for this connection alone.
    pub fn waits_for(&self, conn: ConnId) -> bool {
        self.active.values().any(|active| active.only == Some(conn))
    }
}
