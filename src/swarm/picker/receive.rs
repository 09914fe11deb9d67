//! What became of requests: blocks that arrive, requests that came to nothing, pieces that are wrong.

use super::Picker;
use crate::base::{Block, ConnId, Piece};
use crate::swarm::active::{Active, Sender, Stage, State};

/// What a block that arrived was worth.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Received {
    /// It was missing. `has_copies`: others were asked for it too and should be told.
    Fresh { is_last: bool, has_copies: bool },
    /// We have it already, or nobody wants it.
    Useless,
}

impl Picker {
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
    pub(super) fn drop_if_untouched(&mut self, piece: Piece) {
        let is_untouched = self.active.get(&piece).is_some_and(Active::is_untouched);
        if is_untouched {
            self.active.remove(&piece);
            self.free_total -= self.geometry.block_count(piece);
            self.rarity.insert(piece.index());
        }
    }
}
