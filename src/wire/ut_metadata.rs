//! Metadata exchange (BEP 9): an info dictionary in pieces of 16 KiB, asked for, given and refused.

use super::bencode::{self, Writer};
use crate::base::BLOCK_LEN;

/// Bytes of a piece of metadata but the last.
pub const PIECE_LEN: usize = BLOCK_LEN as usize;

/// What a peer says, held against nothing yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Message<'a> {
    /// Give me this piece.
    Request(u32),
    /// Here it is; with how long it says the whole is.
    Data { piece: u32, total_len: Option<u32>, block: &'a [u8] },
    /// This piece is not to be had from me.
    Reject(u32),
}

impl Message<'_> {
    /// None for kinds that came later, which BEP 9 wants ignored, and for nonsense.
    pub fn from_bytes(body: &[u8]) -> Option<Message<'_>> {
        let (root, len) = bencode::parse_prefix(body).ok().filter(|(root, _)| root.is_dict())?;
        let number = |key: &str| root.get(key)?.as_int().and_then(|number| u32::try_from(number).ok());
        let piece = number("piece")?;
        match number("msg_type")? {
            0 => Some(Message::Request(piece)),
            1 => Some(Message::Data { piece, total_len: number("total_size"), block: body.get(len..)? }),
            2 => Some(Message::Reject(piece)),
            _ => None,
        }
    }
}

/// The body that asks for a piece.
pub fn request(piece: u32) -> Vec<u8> {
    write(0, piece.into(), None)
}

/// The answer to a peer's message, where it is a request: the piece asked for, or a reject, also where there is no
/// metadata yet.
pub fn answer(body: &[u8], info: Option<&[u8]>) -> Option<Vec<u8>> {
    let (root, _) = bencode::parse_prefix(body).ok()?;
    if root.get("msg_type")?.as_int()? != 0 {
        return None;
    }
    // Whatever number it was, the reject names it.
    let piece = root.get("piece")?.as_int()?;
    let info = info.unwrap_or_default();
    let start = usize::try_from(piece).ok().and_then(|piece| piece.checked_mul(PIECE_LEN));
    let Some(start) = start.filter(|start| *start < info.len()) else {
        return Some(write(2, piece, None));
    };
    let mut answer = write(1, piece, Some(info.len()));
    answer.extend_from_slice(&info[start..info.len().min(start + PIECE_LEN)]);
    Some(answer)
}

fn write(kind: i64, piece: i64, total_len: Option<usize>) -> Vec<u8> {
    Writer::dict_bytes(|d| {
        d.int("msg_type", kind);
        d.int("piece", piece);
        if let Some(len) = total_len {
            d.int("total_size", len as i64);
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_given_in_pieces_and_refused_beyond_the_end() {
        let info = vec![7; PIECE_LEN + 5];
        let given = answer(&request(1), Some(&info)).unwrap();
        assert_eq!(given, b"d8:msg_typei1e5:piecei1e10:total_sizei16389ee\x07\x07\x07\x07\x07");
        let read = Message::from_bytes(&given);
        assert_eq!(read, Some(Message::Data { piece: 1, total_len: Some(16389), block: &[7; 5] }));
        for beyond in ["2", "-1", "9223372036854775807"] {
            let asked = format!("d8:msg_typei0e5:piecei{beyond}ee");
            let refused = format!("d8:msg_typei2e5:piecei{beyond}ee");
            assert_eq!(answer(asked.as_bytes(), Some(&info)).unwrap(), refused.as_bytes());
        }
        assert_eq!(answer(&request(0), None).as_deref(), Some(&b"d8:msg_typei2e5:piecei0ee"[..]));
        assert_eq!(answer(b"d8:msg_typei1e5:piecei0ee", Some(&info)), None);
        assert_eq!(answer(b"nonsense", Some(&info)), None);
    }

    #[test]
    fn odd_messages_are_nothing() {
        assert_eq!(Message::from_bytes(&request(3)), Some(Message::Request(3)));
        assert_eq!(Message::from_bytes(b"d8:msg_typei2e5:piecei3eerest"), Some(Message::Reject(3)));
        let unsized_data = Message::from_bytes(b"d8:msg_typei1e5:piecei3e10:total_sizei-1eex");
        assert_eq!(unsized_data, Some(Message::Data { piece: 3, total_len: None, block: b"x" }));
        for odd in ["", "d", "le", "i0e", "d8:msg_typei0ee", "d5:piecei0ee", "d8:msg_typei0e5:piecei-1ee"] {
            assert_eq!(Message::from_bytes(odd.as_bytes()), None, "{odd}");
        }
        assert_eq!(Message::from_bytes(b"d8:msg_typei3e5:piecei0ee"), None);
        assert_eq!(Message::from_bytes(b"d8:msg_typei0e5:piecei4294967296ee"), None);
    }
}
