//! Requests of a node, against everything known of the torrent.

use peerlink::base::{BLOCK_LEN, ConnId, Piece, Time};
use peerlink::storage::Place;

use super::Safety;
use crate::codec::Range;
use crate::tap::Tap;

impl Safety {
    /// A request, against everything known of the torrent.
    pub(super) fn asks(&mut self, now: Time, conn: ConnId, torrent: usize, range: Range) {
        let ledger = self.ledgers.get_mut(&torrent).expect("the caller looked it up");
        let key = (range.index, range.begin);
        ledger.troubled = false;
        assert!(ledger.wanted[range.index as usize], "[requests] {range:?} which nobody wants");
        assert!(!ledger.verified[range.index as usize], "[requests] {range:?} which is verified");
        assert!(!ledger.got.contains(&key) || !self.one_by_one, "[requests] {range:?} which has arrived");
        let others = ledger.asked.entry(key).or_default();
        let before: Vec<ConnId> = others.clone();
        others.push(conn);
        let firm = before.iter().find(|other| self.taps.get(other).is_some_and(|tap| !tap.is_slack(now, &range)));
        if let Some(other) = firm
            && self.one_by_one
        {
            ledger.doubles += 1;
            if let Some(free) = self.unasked(torrent) {
                panic!("[requests] {range:?} on {conn:?} while {other:?} has it, and {free:?} is asked of nobody");
            }
        }
    }

    /// A wanted block that a peer would give and that nobody was asked for: then it is not endgame.
    fn unasked(&self, torrent: usize) -> Option<(u32, u32)> {
        let ledger = &self.ledgers[&torrent];
        let geometry = ledger.layout.geometry();
        let missing = |piece: &Piece| {
            ledger.wanted[piece.at()] && !ledger.verified[piece.at()] && !ledger.judged.contains(&piece.index())
        };
        for piece in geometry.pieces().filter(missing) {
            let gives =
                |tap: &Tap| tap.torrent == Some(torrent) && tap.peer_has(piece.index()) && !tap.peer_choking.0;
            for number in 0..geometry.block_count(piece) {
                let key = (piece.index(), number * BLOCK_LEN);
                let open =
                    !ledger.got.contains(&key) && !ledger.maybe.contains(&key) && !ledger.asked.contains_key(&key);
                let block = geometry.block_number(piece, number).expect("within the piece");
                let is_zeros = ledger.layout.slices_of(block).all(|slice| slice.place == Place::Pad);
                if open && !is_zeros && self.taps.values().any(gives) {
                    return Some(key);
                }
            }
        }
        None
    }
}
