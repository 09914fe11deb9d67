//! Which blocks a peer is asked for: what is known of it decides how much may depend on it.

use super::peer::{Has, Peer};
use super::picker::Asker;
use super::torrent::Torrent;
use crate::base::limits::ALONE_TIMEOUT;
use crate::base::{Block, Piece, Span, Time};
use crate::machine::Outbox;

/// A peer whose first piece is not judged this long after its last block is asked for more all the same.
const TRIAL_PATIENCE: Span = Span::secs(2);

impl Torrent {
    /// Blocks to ask this peer for. Until a piece of its is right, it is asked for one piece at a time: who sends wrong
    /// data spoils no more than that.
    pub(super) fn pick_for(&mut self, peer: &mut Peer, max: usize, now: Time, out: &mut Outbox) -> Vec<Block> {
        if self.blame.is_proven(peer.sender) {
            peer.down.trial = None;
        }
        let trial = peer.down.trial.filter(|piece| self.picker.is_active(*piece));
        // The verdict may be long in coming, and depend on others.
        let has_waited = now.since(peer.down.last_progress) >= TRIAL_PATIENCE;
        if self.blame.is_proven(peer.sender) || (trial.is_some() && has_waited) {
            return self.pick_among(peer, None, &[], max, now, out);
        }
        if trial.is_some() {
            return self.pick_among(peer, trial, &[], max, now, out);
        }
        let mut blocks = self.pick_among(peer, None, &[], max.min(1), now, out);
        peer.down.trial = blocks.first().map(|block| block.piece());
        if peer.down.trial.is_some() && max > 1 {
            blocks.extend(self.pick_among(peer, peer.down.trial, &blocks, max - 1, now, out));
        }
        blocks
    }

    /// Blocks of one piece or of any, as far as the peer lets us ask; `picked` were picked before.
    fn pick_among(
        &mut self,
        peer: &mut Peer,
        piece: Option<Piece>,
        picked: &[Block],
        max: usize,
        now: Time,
        out: &mut Outbox,
    ) -> Vec<Block> {
        let may_alone = self.may_alone(peer, now);
        let is_on_trial = !self.blame.is_proven(peer.sender);
        let down = &peer.down;
        // Copies of what it owes itself are worth nothing; only endgame has copies.
        let is_endgame = self.picker.is_endgame();
        if is_endgame && down.requested_count() >= self.picker.open_count() {
            return Vec::new();
        }
        let owed = if is_endgame { down.owed() } else { Vec::new() };
        let asked = |block: Block| {
            owed.binary_search(&block).is_ok() || down.cancelled.contains(&block) || picked.contains(&block)
        };
        let has = match &peer.has {
            Has::Nothing => return Vec::new(),
            Has::Some(field) => Some(field),
            Has::All => None,
        };
        let allowed = peer.peer_choking.then_some(down.allowed.as_slice());
        let one = piece.filter(|piece| allowed.is_none_or(|allowed| allowed.contains(piece)));
        let allowed = if piece.is_some() { Some(one.as_slice()) } else { allowed };
        let asker = Asker { conn: peer.conn, has, allowed, is_on_trial, may_alone, asked: &asked };
        self.picker.pick(&asker, max, &mut out.rng)
    }

    /// Whether a piece that failed may wait for this peer alone: one of the fast ones, unless none of them wants it.
    fn may_alone(&self, peer: &mut Peer, now: Time) -> bool {
        let is_fast = peer.down.block_count > 0 && peer.down.rate.per_s(now) >= self.best_rate / 4;
        let has_waited = now.since(self.alone_since) >= ALONE_TIMEOUT;
        !peer.down.is_snubbed && (is_fast || has_waited)
    }
}
