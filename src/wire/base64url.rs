//! base64 with `-` and `_` and without padding (RFC 4648 section 5), as keys, ids and sealed messages are written.

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The text of some bytes.
pub fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for part in bytes.chunks(3) {
        let group = part.iter().fold(0u32, |group, &byte| group << 8 | u32::from(byte)) << (8 * (3 - part.len()));
        (0..=part.len()).for_each(|digit| text.push(char::from(DIGITS[(group >> (18 - 6 * digit)) as usize & 63])));
    }
    text
}

/// The bytes of a text, at most `len_max`; None for any other character, for padding, and where bits are left over that
/// are not zero: bytes have one text only.
pub fn decode(text: &str, len_max: usize) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    let len = digits.len() / 4 * 3 + (digits.len() % 4).saturating_sub(1);
    if digits.len() % 4 == 1 || len > len_max {
        return None;
    }
    let mut bytes = Vec::with_capacity(len);
    for part in digits.chunks(4) {
        let mut group = 0_u32;
        for digit in part {
            group = group << 6 | value(*digit)?;
        }
        let [_, whole @ ..] = (group << (6 * (4 - part.len()))).to_be_bytes();
        let (kept, left_over) = whole.split_at(part.len() - 1);
        if left_over.iter().any(|bits| *bits != 0) {
            return None;
        }
        bytes.extend_from_slice(kept);
    }
    Some(bytes)
}

/// The bytes of a text that stands for exactly so many.
pub fn decode_array<const LEN: usize>(text: &str) -> Option<[u8; LEN]> {
    decode(text, LEN)?.try_into().ok()
}

fn value(digit: u8) -> Option<u32> {
    let value = match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'-' => 62,
        b'_' => 63,
        _ => return None,
    };
    Some(u32::from(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_remainder_there_and_back() {
        for (plain, coded) in [("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(encode(plain.as_bytes()), coded);
            assert_eq!(decode(coded, 6).as_deref(), Some(plain.as_bytes()));
        }
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(decode(&encode(&all), 256), Some(all));
        assert_eq!(encode(&[0xfb, 0xff]), "-_8");
    }

    #[test]
    fn other_texts_are_refused() {
        for bad in ["Z", "Zg==", "Zh", "Zm9", "Zm8=", "Z m8", "Zm+v", "Zm/v", "Z\u{e4}", "Zm9vZ"] {
            assert_eq!(decode(bad, 100), None, "{bad}");
        }
        assert_eq!(decode("Zm9v", 2), None, "too long");
        assert_eq!(decode_array::<3>("Zm9v"), Some(*b"foo"));
        assert_eq!((decode_array::<2>("Zm9v"), decode_array::<4>("Zm9v")), (None, None));
    }
}
