//! What one peer is asked for: blocks of pieces begun, then of new ones, in endgame copies of what others owe.

use super::Picker;
use crate::base::{Bitfield, Block, ConnId, Piece};
use crate::swarm::active::State;

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

impl Picker {
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
}

/// Which active pieces a pick looks at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Join {
    /// Those this connection began, and orphans.
    Mine,
    Others,
}

impl Asker<'_> {
    fn may(&self, piece: Piece) -> bool {
        self.has.is_none_or(|has| has.has(piece)) && self.allowed.is_none_or(|allowed| allowed.contains(&piece))
    }
}
