//! Pieces that lie in pad files altogether (BEP 47). Nobody is asked for them, and others may ask us: clients that do
//! not know pad files complete only with somebody who has these pieces too.

use super::torrent::Torrent;
use crate::base::Piece;

impl Torrent {
    /// One missing piece of zeros per length: its digest speaks for all others, however many there are.
    pub(super) fn zeros_to_check(&self) -> Vec<Piece> {
        let mut lens = Vec::new();
        let mut chosen = Vec::new();
        for piece in self.zeros().filter(|piece| !self.picker.verified().has(*piece)) {
            let len = self.metainfo.geometry.len_of(piece);
            if !lens.contains(&len) {
                lens.push(len);
                chosen.push(piece);
            }
        }
        chosen
    }

    /// The digest of so many zeros came: every piece that should be just that is right. They are not recorded; a
    /// later run finds out as cheaply.
    pub(super) fn take_zeros(&mut self, checked: Piece, digest: &[u8; 20]) {
        let len = self.metainfo.geometry.len_of(checked);
        let is_right = |piece: &Piece| {
            self.metainfo.geometry.len_of(*piece) == len && self.metainfo.hash_of(*piece) == digest.as_slice()
        };
        let right: Vec<Piece> = self.zeros().filter(is_right).collect();
        right.into_iter().for_each(|piece| self.picker.verify(piece));
    }

    fn zeros(&self) -> impl Iterator<Item = Piece> + '_ {
        let geometry = &self.metainfo.geometry;
        let piece_len = u64::from(geometry.piece_len());
        self.spec.layout.pads().into_iter().flat_map(move |(from, to)| {
            // The last piece may be shorter.
            let end = if to == geometry.total_len() { geometry.piece_count().into() } else { to / piece_len };
            (from.div_ceil(piece_len)..end).filter_map(|index| geometry.piece(u32::try_from(index).ok()?))
        })
    }
}
