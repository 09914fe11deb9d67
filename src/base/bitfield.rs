//! A fixed number of bits, in the wire's order: the first piece is the highest bit of the first byte (BEP 3).

use super::geometry::Piece;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bitfield {
    bytes: Vec<u8>,
    bit_count: u32,
    set_count: u32,
}

impl Bitfield {
    /// `bit_count` bits, none set.
    pub fn new(bit_count: u32) -> Bitfield {
        Bitfield { bytes: vec![0; bit_count.div_ceil(8) as usize], bit_count, set_count: 0 }
    }

    /// `bit_count` bits, all set.
    pub fn full(bit_count: u32) -> Bitfield {
        let mut field =
            Bitfield { bytes: vec![0xff; bit_count.div_ceil(8) as usize], bit_count, set_count: bit_count };
        field.clear_spare();
        field
    }

    /// A bitfield message's body. None when its length is wrong or a spare bit is set (BEP 3).
    pub fn from_bytes(bytes: &[u8], bit_count: u32) -> Option<Bitfield> {
        if bytes.len() != bit_count.div_ceil(8) as usize {
            return None;
        }
        let mut field = Bitfield { bytes: bytes.to_vec(), bit_count, set_count: 0 };
        field.clear_spare();
        if field.bytes != bytes {
            return None;
        }
        field.set_count = field.bytes.iter().map(|byte| byte.count_ones()).sum();
        Some(field)
    }

    fn clear_spare(&mut self) {
        let spare = self.bytes.len() as u32 * 8 - self.bit_count;
        if let Some(last) = self.bytes.last_mut() {
            *last &= 0xff_u8.checked_shl(spare).unwrap_or(0);
        }
    }

    /// The body of a bitfield message.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Number of bits.
    pub fn len(&self) -> u32 {
        self.bit_count
    }

    /// No bits at all.
    pub fn is_empty(&self) -> bool {
        self.bit_count == 0
    }

    /// Number of bits set.
    pub fn count(&self) -> u32 {
        self.set_count
    }

    /// Every bit is set.
    pub fn is_full(&self) -> bool {
        self.set_count == self.bit_count
    }

    /// Whether the piece's bit is set; bits beyond the end are not.
    pub fn has(&self, piece: Piece) -> bool {
        self.has_index(piece.index())
    }

    /// The same for a number that need not be a piece.
    pub fn has_index(&self, index: u32) -> bool {
        index < self.bit_count && self.bytes[(index / 8) as usize] & (0x80 >> (index % 8)) != 0
    }

    /// Sets the piece's bit; true if it was not set before.
    pub fn set(&mut self, piece: Piece) -> bool {
        self.set_index(piece.index())
    }

    /// Sets a bit by number; true if it was not set before. Numbers beyond the end are ignored.
    pub fn set_index(&mut self, index: u32) -> bool {
        if index >= self.bit_count || self.has_index(index) {
            return false;
        }
        self.bytes[(index / 8) as usize] |= 0x80 >> (index % 8);
        self.set_count += 1;
        true
    }

    /// Clears the piece's bit; true if it was set before.
    pub fn clear(&mut self, piece: Piece) -> bool {
        let index = piece.index();
        if !self.has_index(index) {
            return false;
        }
        self.bytes[(index / 8) as usize] &= !(0x80 >> (index % 8));
        self.set_count -= 1;
        true
    }

    /// Numbers of the bits set, in order.
    pub fn ones(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.bit_count).filter(|&index| self.has_index(index))
    }

    /// How many bits are set here that `other` lacks.
    pub fn count_missing_in(&self, other: &Bitfield) -> u32 {
        self.bytes.iter().zip(&other.bytes).map(|(mine, theirs)| (mine & !theirs).count_ones()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_piece_is_the_highest_bit() {
        let mut field = Bitfield::new(10);
        assert!(field.set_index(0));
        assert!(!field.set_index(0));
        assert!(field.set_index(9));
        assert_eq!(field.as_bytes(), [0x80, 0x40]);
        assert_eq!(field.count(), 2);
        assert!(!field.set_index(10));
        assert_eq!(field.ones().collect::<Vec<_>>(), [0, 9]);
    }

    #[test]
    fn spare_bits_and_wrong_lengths_are_refused() {
        assert!(Bitfield::from_bytes(&[0xff, 0xc0], 10).is_some_and(|f| f.is_full()));
        assert!(Bitfield::from_bytes(&[0xff, 0xe0], 10).is_none());
        assert!(Bitfield::from_bytes(&[0xff], 10).is_none());
        assert!(Bitfield::from_bytes(&[0xff; 3], 10).is_none());
        assert_eq!(Bitfield::full(16).as_bytes(), [0xff, 0xff]);
        assert_eq!(Bitfield::full(10).as_bytes(), [0xff, 0xc0]);
    }
}
