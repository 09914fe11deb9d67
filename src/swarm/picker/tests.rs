//! What a picker asks for, tried peer by peer.

use super::*;

struct Scene {
    geometry: Geometry,
    picker: Picker,
    rng: fastrand::Rng,
}

/// `pieces` pieces of two blocks each.
fn scene(pieces: u32, sequential: bool) -> Scene {
    let geometry = Geometry::new(u64::from(pieces) * 32_768, 32_768).unwrap();
    let mut rng = fastrand::Rng::with_seed(7);
    let picker = Picker::new(geometry, Bitfield::full(pieces), sequential, &mut rng);
    Scene { geometry, picker, rng }
}

impl Scene {
    fn pick(&mut self, conn: u64, has: Option<&Bitfield>, max: usize) -> Vec<(u32, u32)> {
        let asker =
            Asker { conn: ConnId(conn), has, allowed: None, may_alone: true, is_on_trial: false, asked: &|_| false };
        let picked = self.picker.pick(&asker, max, &mut self.rng);
        self.picker.check(|piece| self.picker.availability(piece));
        picked.iter().map(|block| (block.piece().index(), block.number())).collect()
    }

    fn block(&self, at: (u32, u32)) -> Block {
        self.geometry.block_number(self.geometry.piece(at.0).unwrap(), at.1).unwrap()
    }
}

#[test]
fn sequential_goes_in_order() {
    let mut s = scene(4, true);
    assert_eq!(s.pick(1, None, 3), [(0, 0), (0, 1), (1, 0)]);
    assert_eq!(s.pick(2, None, 3), [(1, 1), (2, 0), (2, 1)]);
}

#[test]
fn rarest_first_after_the_first_pieces() {
    let mut s = scene(20, false);
    for piece in s.geometry.pieces() {
        if piece.index() < 4 {
            s.picker.verify(piece);
        } else if piece.index() != 11 {
            s.picker.gained(piece);
        }
    }
    assert_eq!(s.pick(1, None, 2), [(11, 0), (11, 1)]);
}

#[test]
fn a_block_is_asked_once_until_endgame() {
    let mut s = scene(2, true);
    assert_eq!(s.pick(1, None, 4).len(), 4);
    assert!(s.picker.is_endgame());
    let copies = s.pick(2, None, 10);
    assert_eq!(copies.len(), 4, "in endgame every block may be asked of another");
    let block = s.block((0, 0));
    assert_eq!(s.picker.receive(block, 1, true), Received::Fresh { is_last: false, has_copies: true });
    assert_eq!(s.picker.receive(block, 2, true), Received::Useless);
}

#[test]
fn given_up_blocks_are_free_again_and_untouched_pieces_missing() {
    let mut s = scene(2, true);
    let picked = s.pick(1, None, 2);
    for at in picked {
        let block = s.block(at);
        s.picker.give_up(block, ConnId(1));
    }
    assert_eq!(s.picker.active_count(), 0);
    assert_eq!(s.pick(2, None, 2), [(0, 0), (0, 1)]);
}

#[test]
fn a_failed_piece_is_fetched_from_one_peer_only() {
    let mut s = scene(1, true);
    s.pick(1, None, 2);
    let piece = s.geometry.piece(0).unwrap();
    for number in 0..2 {
        let block = s.block((0, number));
        s.picker.receive(block, 5, true);
        s.picker.store(block);
    }
    assert!(s.picker.is_hashing(piece));
    assert_eq!(s.picker.fail(piece, true), [5, 5]);
    assert_eq!(s.pick(2, None, 1), [(0, 0)]);
    assert!(s.pick(3, None, 9).is_empty(), "it belongs to the first that asked");
    s.picker.disown(ConnId(2));
    assert_eq!(s.pick(3, None, 9), [(0, 1)]);
}

#[test]
fn a_peer_is_asked_only_for_what_it_has() {
    let mut s = scene(10, false);
    let mut has = Bitfield::new(10);
    has.set_index(6);
    assert_eq!(s.pick(1, Some(&has), 9), [(6, 0), (6, 1)]);
    assert!(s.pick(2, Some(&has), 9).is_empty());
}

#[test]
fn zeros_are_not_asked_for() {
    let mut s = scene(2, true);
    s.picker.set_pads(vec![(16_000, 40_000)]);
    assert_eq!(s.pick(1, None, 9), [(0, 0), (1, 0), (1, 1)]);
    assert_eq!(s.picker.senders(s.geometry.piece(0).unwrap()), [0, ZEROS], "nobody is blamed for zeros");
}

#[test]
fn stored_blocks_survive_and_are_not_asked_again() {
    let mut s = scene(2, true);
    let piece = s.geometry.piece(0).unwrap();
    assert!(!s.picker.restore(piece, |number| number == 0));
    assert_eq!(s.pick(1, None, 1), [(0, 1)]);
    let stored: Vec<_> = s.picker.stored().map(|(p, f)| (p.index(), f.ones().collect::<Vec<_>>())).collect();
    assert_eq!(stored, [(0, vec![0])]);
    let second = s.geometry.piece(1).unwrap();
    assert!(s.picker.restore(second, |_| true), "all stored: to be checked");
    assert!(s.picker.is_hashing(second));
}

#[test]
fn what_comes_first_may_change_while_pieces_are_fetched() {
    let mut s = scene(6, true);
    use crate::swarm::rarity::Rank::{High, Low, Normal};
    s.picker.set_ranks(vec![Low, Low, Normal, Normal, High, High]);
    assert_eq!(s.pick(1, None, 3), [(4, 0), (4, 1), (5, 0)]);
    s.picker.set_ranks(vec![High, Low, Normal, Normal, Low, Low]);
    assert_eq!(s.pick(1, None, 4), [(5, 1), (0, 0), (0, 1), (2, 0)], "what was begun is ended");
    s.picker.set_ranks(Vec::new());
    assert_eq!(s.pick(1, None, 9).len(), 5);
}
