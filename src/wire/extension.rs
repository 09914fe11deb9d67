//! The extension protocol (BEP 10): its handshake, and metadata exchange as the one who gives (BEP 9).

use super::bencode::{self, Writer};
use crate::base::BLOCK_LEN;

/// Our number for `ut_metadata`, told in the handshake.
pub const UT_METADATA: u8 = 1;
/// Extended number 0 is the handshake itself.
pub const HANDSHAKE: u8 = 0;

/// What we tell in our handshake.
#[derive(Clone, Copy, Debug)]
pub struct Ours<'a> {
    pub client: &'a str,
    /// TCP port others reach us at; 0 is not told.
    pub port: u16,
    /// Bytes of the info dictionary.
    pub metadata_len: usize,
    /// Requests we hold for this peer at most.
    pub reqq: usize,
}

impl Ours<'_> {
    /// The body of the extended message.
    pub fn to_bytes(&self) -> Vec<u8> {
        Writer::dict_bytes(|d| {
            d.dict("m", |m| m.int("ut_metadata", i64::from(UT_METADATA)));
            d.int("metadata_size", self.metadata_len as i64);
            if self.port != 0 {
                d.int("p", i64::from(self.port));
            }
            d.int("reqq", self.reqq as i64);
            d.bytes("v", self.client);
        })
    }
}

/// What a peer told in its handshake; every part is optional.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Theirs {
    /// Their number for `ut_metadata`; 0 means not supported.
    pub ut_metadata: u8,
    /// The TCP port they listen on.
    pub port: Option<u16>,
    /// Requests they hold for us at most.
    pub reqq: Option<u32>,
    /// Client name and version, cut to 64 bytes.
    pub client: Option<String>,
}

impl Theirs {
    /// None when it is no dictionary. Unknown and ill-typed keys are ignored, as BEP 10 asks.
    pub fn from_bytes(bytes: &[u8]) -> Option<Theirs> {
        let (root, _) = bencode::parse_prefix(bytes).ok().filter(|(root, _)| root.is_dict())?;
        let int = |key: &str| root.get(key).and_then(|value| value.as_int());
        let number = root.get("m").and_then(|m| m.get("ut_metadata")).and_then(|value| value.as_int());
        let client = root.get("v").and_then(|value| value.as_bytes());
        Some(Theirs {
            ut_metadata: number.and_then(|n| u8::try_from(n).ok()).unwrap_or(0),
            port: int("p").and_then(|port| u16::try_from(port).ok()).filter(|port| *port != 0),
            reqq: int("reqq").and_then(|reqq| u32::try_from(reqq).ok()).filter(|reqq| *reqq > 0),
            client: client.map(|name| String::from_utf8_lossy(&name[..name.len().min(64)]).into_owned()),
        })
    }
}

/// Answers a peer's `ut_metadata` message (BEP 9): the block asked for, or a reject. None where none is due.
pub fn answer_metadata(body: &[u8], info: &[u8]) -> Option<Vec<u8>> {
    let (root, _) = bencode::parse_prefix(body).ok()?;
    if root.get("msg_type")?.as_int()? != 0 {
        return None;
    }
    let piece = root.get("piece")?.as_int()?;
    let start = usize::try_from(piece).ok().and_then(|piece| piece.checked_mul(BLOCK_LEN as usize));
    let block = start.filter(|start| *start < info.len()).map(|start| {
        let end = info.len().min(start + BLOCK_LEN as usize);
        &info[start..end]
    });
    let mut answer = Writer::dict_bytes(|d| {
        d.int("msg_type", if block.is_some() { 1 } else { 2 });
        d.int("piece", piece);
        if block.is_some() {
            d.int("total_size", info.len() as i64);
        }
    });
    answer.extend_from_slice(block.unwrap_or_default());
    Some(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_handshake_reads_back() {
        let ours = Ours { client: "peerlink 0.1.0", port: 6881, metadata_len: 100, reqq: 500 };
        let theirs = Theirs::from_bytes(&ours.to_bytes()).unwrap();
        assert_eq!(
            theirs,
            Theirs {
                ut_metadata: UT_METADATA,
                port: Some(6881),
                reqq: Some(500),
                client: Some("peerlink 0.1.0".into()),
            }
        );
    }

    #[test]
    fn odd_values_are_ignored_and_garbage_is_refused() {
        let odd = b"d1:md11:ut_metadatai3ee13:metadata_sizei2147483647e1:pi99999e4:reqqi-1e1:vi1ee";
        assert_eq!(Theirs::from_bytes(odd), Some(Theirs { ut_metadata: 3, ..Theirs::default() }));
        assert_eq!(Theirs::from_bytes(b"le"), None);
        assert_eq!(Theirs::from_bytes(b"d1:m"), None);
    }

    #[test]
    fn metadata_is_given_in_blocks_and_refused_beyond_the_end() {
        let info = vec![7; BLOCK_LEN as usize + 5];
        let answer = answer_metadata(b"d8:msg_typei0e5:piecei1ee", &info).unwrap();
        assert_eq!(answer, b"d8:msg_typei1e5:piecei1e10:total_sizei16389ee\x07\x07\x07\x07\x07");
        for beyond in ["2", "-1", "9223372036854775807"] {
            let answer = answer_metadata(format!("d8:msg_typei0e5:piecei{beyond}ee").as_bytes(), &info).unwrap();
            assert_eq!(answer, format!("d8:msg_typei2e5:piecei{beyond}ee").as_bytes());
        }
        assert_eq!(answer_metadata(b"d8:msg_typei1e5:piecei0ee", &info), None);
        assert_eq!(answer_metadata(b"nonsense", &info), None);
    }
}
