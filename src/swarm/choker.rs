//! Who may download from us: every 10 s the peers that give us most (or, when we are complete, take most) and one
//! chosen at random, so that new peers get a chance (BEP 3).

use super::peer::Peer;
use crate::base::{ConnId, Span, Time};

/// Between two rounds.
pub const ROUND: Span = Span::secs(10);
/// Rounds that an optimistic choice stays.
const OPTIMISTIC_ROUNDS: u32 = 3;
/// Peers unchoked for their rate.
const SLOTS: usize = 7;

#[derive(Debug, Default)]
pub struct Choker {
    next_round: Time,
    round_count: u32,
    optimistic: Option<ConnId>,
}

impl Choker {
    /// When the next round is due.
    pub fn next_round(&self) -> Time {
        self.next_round
    }

    /// Slots that nobody uses: an interested peer may be unchoked at once.
    pub fn free_slots<'a>(peers: impl Iterator<Item = &'a Peer>) -> usize {
        let used = peers.filter(|peer| peer.is_open() && !peer.am_choking && peer.peer_interested).count();
        (SLOTS + 1).saturating_sub(used)
    }

    /// The peers to be unchoked; all others are choked. `rate` is what they are judged by.
    pub fn choose<'a>(
        &mut self,
        peers: impl Iterator<Item = &'a mut Peer>,
        is_complete: bool,
        now: Time,
        rng: &mut fastrand::Rng,
    ) -> Vec<ConnId> {
        self.next_round = now + ROUND;
        let mut candidates: Vec<(bool, u64, bool, ConnId)> = peers
            .filter(|peer| peer.is_open() && peer.peer_interested)
            .map(|peer| {
                let rate = if is_complete { peer.up.rate.per_s(now) } else { peer.down.rate.per_s(now) };
                // Anti-snubbing: who owes us blocks gets none by rate.
                let rate = if peer.down.is_snubbed { 0 } else { rate };
                // Who says that it wants nothing and is interested all the same comes last.
                (!peer.wants_nothing(), rate, !peer.am_choking, peer.conn)
            })
            .collect();
        // Equals keep their slot, so that nobody is choked for nothing.
        candidates.sort_unstable_by_key(|candidate| std::cmp::Reverse(*candidate));
        let mut chosen: Vec<ConnId> = candidates.iter().take(SLOTS).map(|candidate| candidate.3).collect();
        let others: Vec<ConnId> = candidates.iter().skip(SLOTS).map(|candidate| candidate.3).collect();
        let is_still_there = self.optimistic.is_some_and(|conn| others.contains(&conn));
        if self.round_count.is_multiple_of(OPTIMISTIC_ROUNDS) || !is_still_there {
            self.optimistic = (!others.is_empty()).then(|| others[rng.usize(..others.len())]);
        }
        self.round_count += 1;
        chosen.extend(self.optimistic);
        chosen
    }
}
