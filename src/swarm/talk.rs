//! How much a peer may say that leads nowhere. Honest peers say little of it; a flood ends at once.

use super::peer::{Fault, Peer};
use crate::base::{Span, Time};
use crate::wire::peer::Message;

/// A word costs 1. An honest peer may say thousands at once: requests that cross a choke, cancels in endgame.
const PURSE: u32 = 4000;
/// Words that are forgotten per second.
const FORGIVEN_PER_S: u64 = 100;
/// Choking and interest change every 10 s or so; each change makes work for both sides.
const FLIP: u32 = 20;
/// A request for no block: a mistake or two are forgiven, no more than ten at once.
pub const NO_BLOCK: u32 = PURSE / 10;
/// Bytes that cost as much as a word.
const WORD_LEN: usize = 256;

/// What was said lately.
#[derive(Clone, Copy, Default, Debug)]
pub struct Talk {
    spent: u32,
    forgiven_at: Time,
}

impl Talk {
    /// The peer said something of this price.
    ///
    /// # Errors
    /// It says too much.
    pub fn spend(&mut self, now: Time, price: u32) -> Result<(), Fault> {
        let earned = now.since(self.forgiven_at).0.saturating_mul(FORGIVEN_PER_S) / Span::secs(1).0;
        if earned > 0 {
            self.spent = self.spent.saturating_sub(u32::try_from(earned).unwrap_or(u32::MAX));
            self.forgiven_at = now;
        }
        self.spent = self.spent.saturating_add(price);
        if self.spent > PURSE { Err(Fault::Unexpected("so much that leads nowhere")) } else { Ok(()) }
    }
}

/// What a message costs before anything is done about it. Requests and rejects cost when they come to nothing.
pub fn price(peer: &Peer, message: &Message<'_>) -> u32 {
    let flip = |changes: bool| if changes { FLIP } else { 1 };
    let body = |len: usize| 1 + u32::try_from(len / WORD_LEN).unwrap_or(u32::MAX);
    match message {
        Message::Request(_) | Message::Reject(_) => 0,
        Message::Choke => flip(!peer.peer_choking),
        Message::Unchoke => flip(peer.peer_choking),
        Message::Interested => flip(!peer.peer_interested),
        Message::NotInterested => flip(peer.peer_interested),
        // Nobody can say a piece twice for free; once is bounded by their number.
        Message::Have(index) => u32::from(peer.has.has_index(*index)),
        Message::Bitfield(bits) if peer.said_pieces => body(bits.len()),
        Message::Bitfield(_) => 1,
        Message::Extended(_, bytes) => body(bytes.len()),
        Message::KeepAlive
        | Message::Cancel(_)
        | Message::Port(_)
        | Message::Suggest(_)
        | Message::HaveAll
        | Message::HaveNone
        | Message::AllowedFast(_) => 1,
        // Of any length, and nobody has told us what it is for.
        Message::Unknown(_) => 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_forgiven_and_a_flood_is_not() {
        let mut talk = Talk::default();
        let mut now = Time(9);
        for _ in 0..PURSE {
            assert_eq!(talk.spend(now, 1), Ok(()));
        }
        assert!(talk.spend(now, 1).is_err());
        // What is said slowly is forgotten as fast, also in small steps.
        let mut talk = Talk::default();
        for _ in 0..100_000 {
            now += Span::millis(11);
            assert_eq!(talk.spend(now, 1), Ok(()));
        }
        let mut talk = Talk::default();
        let said = (0..100_000).take_while(|_| {
            now += Span::millis(5);
            talk.spend(now, 1).is_ok()
        });
        assert!((PURSE as usize..3 * PURSE as usize).contains(&said.count()));
    }
}
