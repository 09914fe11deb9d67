//! The arithmetic of pieces and blocks. Only [`Geometry`] turns foreign numbers into a [`Piece`] or [`Block`],
//! so whoever holds one holds a checked one.

/// Bytes of a full block, the transfer unit every client uses (BEP 3).
pub const BLOCK_LEN: u32 = 16 * 1024;

/// A piece that exists in its torrent: the hashed unit, by its zero-based index.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Piece(u32);

/// A range within one piece, at most [`BLOCK_LEN`] bytes when we ask, up to [`Geometry::REQUEST_MAX`] when
/// others do. `begin` and `len` are bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Block {
    piece: Piece,
    begin: u32,
    len: u32,
}

impl Piece {
    /// Zero-based index, as on the wire.
    pub fn index(self) -> u32 {
        self.0
    }

    /// The same as a place in a table.
    pub fn at(self) -> usize {
        self.0 as usize
    }
}

impl Block {
    pub fn piece(self) -> Piece {
        self.piece
    }

    /// First byte within the piece.
    pub fn begin(self) -> u32 {
        self.begin
    }

    /// Bytes, never zero.
    pub fn len(self) -> u32 {
        self.len
    }

    /// One past the last byte within the piece.
    pub fn end(self) -> u32 {
        self.begin + self.len
    }

    /// Never: a block has at least one byte.
    pub fn is_empty(self) -> bool {
        false
    }

    /// Which of the piece's 16 KiB blocks this is (rounded down for odd requests of others).
    pub fn number(self) -> u32 {
        self.begin / BLOCK_LEN
    }
}

/// A torrent's numbers: total length and piece length.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Geometry {
    total_len: u64,
    piece_len: u32,
    piece_count: u32,
}

impl Geometry {
    /// Longest request of others that is answered; libtorrent asks for at most this.
    pub const REQUEST_MAX: u32 = 128 * 1024;

    /// None when a number is zero or the pieces do not fit 32 bits.
    pub fn new(total_len: u64, piece_len: u32) -> Option<Geometry> {
        if total_len == 0 || piece_len == 0 || piece_len > i32::MAX as u32 {
            return None;
        }
        let piece_count = u32::try_from(total_len.div_ceil(u64::from(piece_len))).ok()?;
        Some(Geometry { total_len, piece_len, piece_count })
    }

    /// Bytes of all files, pad files included.
    pub fn total_len(&self) -> u64 {
        self.total_len
    }

    /// Bytes of every piece but possibly the last.
    pub fn piece_len(&self) -> u32 {
        self.piece_len
    }

    pub fn piece_count(&self) -> u32 {
        self.piece_count
    }

    /// All pieces in order.
    pub fn pieces(&self) -> impl DoubleEndedIterator<Item = Piece> + use<> {
        (0..self.piece_count).map(Piece)
    }

    /// A wire index, checked.
    pub fn piece(&self, index: u32) -> Option<Piece> {
        (index < self.piece_count).then_some(Piece(index))
    }

    /// The piece holding byte `offset` of the torrent.
    pub fn piece_at(&self, offset: u64) -> Option<Piece> {
        (offset < self.total_len).then(|| Piece((offset / u64::from(self.piece_len)) as u32))
    }

    /// Bytes of this piece: the last one may be shorter.
    pub fn len_of(&self, piece: Piece) -> u32 {
        let start = self.start_of(piece);
        (self.total_len - start).min(u64::from(self.piece_len)) as u32
    }

    /// First byte of the piece within the torrent.
    pub fn start_of(&self, piece: Piece) -> u64 {
        u64::from(piece.0) * u64::from(self.piece_len)
    }

    /// A request from the wire, checked: within its piece, not empty, not longer than [`Self::REQUEST_MAX`].
    pub fn block(&self, index: u32, begin: u32, len: u32) -> Option<Block> {
        let piece = self.piece(index)?;
        let end = begin.checked_add(len)?;
        let fits = len > 0 && len <= Self::REQUEST_MAX && end <= self.len_of(piece);
        fits.then_some(Block { piece, begin, len })
    }

    /// Blocks of 16 KiB in this piece, the last possibly shorter.
    pub fn block_count(&self, piece: Piece) -> u32 {
        self.len_of(piece).div_ceil(BLOCK_LEN)
    }

    /// Block `number` of the piece, as we request it.
    pub fn block_number(&self, piece: Piece, number: u32) -> Option<Block> {
        let begin = number.checked_mul(BLOCK_LEN)?;
        let len = self.len_of(piece).checked_sub(begin)?.min(BLOCK_LEN);
        (len > 0).then_some(Block { piece, begin, len })
    }

    /// Whether the block is one of ours: on the 16 KiB grid, with that grid's length.
    pub fn is_on_grid(&self, block: Block) -> bool {
        block.begin.is_multiple_of(BLOCK_LEN) && self.block_number(block.piece, block.number()) == Some(block)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_piece_and_block_are_shorter() {
        let g = Geometry::new(100_000, 32_768).unwrap();
        assert_eq!(g.piece_count(), 4);
        let last = g.piece(3).unwrap();
        assert_eq!(g.len_of(last), 100_000 - 3 * 32_768);
        assert_eq!(g.block_count(last), 1);
        assert_eq!(g.block_number(last, 0).unwrap().len(), 1_696);
        assert_eq!(g.block_number(last, 1), None);
        assert_eq!(g.piece(4), None);
    }

    #[test]
    fn requests_outside_a_piece_are_refused() {
        let g = Geometry::new(100_000, 32_768).unwrap();
        assert!(g.block(0, 0, 16_384).is_some());
        assert!(g.block(0, 16_384, 16_385).is_none());
        assert!(g.block(0, u32::MAX, 16_384).is_none());
        assert!(g.block(0, 0, 0).is_none());
        assert!(g.block(4, 0, 1).is_none());
        assert!(g.block(3, 1_695, 2).is_none());
    }

    #[test]
    fn nothing_is_no_torrent() {
        assert!(Geometry::new(0, 16_384).is_none());
        assert!(Geometry::new(1, 0).is_none());
        assert!(Geometry::new(u64::MAX, 1).is_none());
    }

    #[test]
    fn tiny_pieces_have_one_block() {
        let g = Geometry::new(300, 128).unwrap();
        assert_eq!(g.piece_count(), 3);
        let p = g.piece(0).unwrap();
        assert_eq!(g.block_count(p), 1);
        assert!(g.is_on_grid(g.block_number(p, 0).unwrap()));
        assert!(!g.is_on_grid(g.block(0, 0, 127).unwrap()));
    }
}
