//! Ids of messages: unique and growing, also over restarts, and in the order of their letters too.

/// An id, written as 13 digits of base32hex in small letters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub struct MsgId(pub u64);

const DIGITS: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";

/// Ids per millisecond that keep pace with the clock.
const PER_MS_BITS: u32 = 20;

impl MsgId {
    /// The next id at this moment: the clock's, or the one after the last where the clock is behind that.
    pub fn next(self, wall_ms: u64) -> MsgId {
        let by_clock = wall_ms.min(u64::MAX >> PER_MS_BITS) << PER_MS_BITS;
        MsgId(by_clock.max(self.0.saturating_add(1)))
    }

    pub fn digits(self) -> [u8; 13] {
        std::array::from_fn(|at| DIGITS[(self.0 >> (5 * (12 - at)) & 31) as usize])
    }

    /// Reads what [`Self::digits`] wrote.
    pub fn read(text: &str) -> Option<MsgId> {
        let bytes = text.as_bytes();
        // The first digit has four bits.
        if bytes.len() != 13 || bytes[0] > b'f' {
            return None;
        }
        bytes
            .iter()
            .try_fold(0, |id: u64, byte| {
                let digit = DIGITS.iter().position(|digit| digit == byte)?;
                Some(id << 5 | digit as u64)
            })
            .map(MsgId)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_grow_also_where_the_clock_does_not() {
        let first = MsgId::default().next(1_700_000_000_000);
        let second = first.next(1_700_000_000_000);
        let back = second.next(1_600_000_000_000);
        let on = back.next(1_700_000_000_001);
        assert!(first < second && second < back && back < on);
        assert_eq!(on.0 >> 20, 1_700_000_000_001);
        let texts = [first, second, back, on].map(|id| String::from_utf8(id.digits().to_vec()).unwrap());
        assert!(texts.is_sorted());
        assert_eq!(texts.each_ref().map(|text| MsgId::read(text)), [Some(first), Some(second), Some(back), Some(on)]);
    }

    #[test]
    fn other_texts_are_no_ids() {
        for text in ["", "0", "g000000000000", "00000000000-0", "00000000000000", "000000000000W"] {
            assert_eq!(MsgId::read(text), None, "{text}");
        }
        assert_eq!(MsgId::read("fvvvvvvvvvvvv"), Some(MsgId(u64::MAX)));
    }
}
