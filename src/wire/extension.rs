//! The extension protocol (BEP 10): its handshake, which also says who wants nothing more (BEP 21).

use super::bencode::{self, Writer};

/// Our numbers, told in the handshake.
pub const UT_METADATA: u8 = 1;
pub const UT_PEX: u8 = 2;
/// By this message libtorrent tells that its word in the handshake changed.
pub const UPLOAD_ONLY: u8 = 3;
/// Extended number 0 is the handshake itself.
pub const HANDSHAKE: u8 = 0;

/// What we tell in our handshake.
#[derive(Clone, Copy, Debug)]
pub struct Ours<'a> {
    pub client: &'a str,
    /// TCP port others reach us at; 0 is not told.
    pub port: u16,
    /// Bytes of the info dictionary; None while it is not known.
    pub metadata_len: Option<usize>,
    /// We take part in peer exchange (BEP 11).
    pub has_pex: bool,
    /// We would rather be dialled encrypted (MSE).
    pub prefers_encryption: bool,
    /// Requests we hold for this peer at most.
    pub reqq: usize,
    /// We want nothing more.
    pub upload_only: bool,
}

impl Ours<'_> {
    /// The body of the extended message.
    pub fn to_bytes(&self) -> Vec<u8> {
        Writer::dict_bytes(|d| {
            if self.prefers_encryption {
                d.int("e", 1);
            }
            d.dict("m", |m| {
                m.int("upload_only", i64::from(UPLOAD_ONLY));
                m.int("ut_metadata", i64::from(UT_METADATA));
                if self.has_pex {
                    m.int("ut_pex", i64::from(UT_PEX));
                }
            });
            if let Some(len) = self.metadata_len {
                d.int("metadata_size", len as i64);
            }
            if self.port != 0 {
                d.int("p", i64::from(self.port));
            }
            d.int("reqq", self.reqq as i64);
            // Said in every handshake, since a later one takes the place of an earlier one.
            d.int("upload_only", i64::from(self.upload_only));
            d.bytes("v", self.client);
        })
    }
}

/// What a peer told in its handshake; every part is optional.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Theirs {
    /// Their number for `ut_metadata`; 0 means not supported.
    pub ut_metadata: u8,
    /// Their number for `ut_pex`; 0 means not supported.
    pub ut_pex: u8,
    /// Their number for `upload_only`; 0 means not supported.
    pub upload_only_number: u8,
    /// They want nothing more (BEP 21).
    pub upload_only: bool,
    /// They would rather be dialled encrypted.
    pub prefers_encryption: bool,
    /// Bytes of the info dictionary, where it has it.
    pub metadata_len: Option<u32>,
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
        let numbers = root.get("m");
        let number = |name: &str| {
            let number = numbers.and_then(|m| m.get(name)).and_then(|value| value.as_int());
            number.and_then(|n| u8::try_from(n).ok()).unwrap_or(0)
        };
        let client = root.get("v").and_then(|value| value.as_bytes());
        Some(Theirs {
            ut_metadata: number("ut_metadata"),
            ut_pex: number("ut_pex"),
            upload_only_number: number("upload_only"),
            upload_only: int("upload_only").is_some_and(|told| told != 0),
            prefers_encryption: int("e").is_some_and(|told| told != 0),
            metadata_len: int("metadata_size").and_then(|len| u32::try_from(len).ok()).filter(|len| *len > 0),
            port: int("p").and_then(|port| u16::try_from(port).ok()).filter(|port| *port != 0),
            reqq: int("reqq").and_then(|reqq| u32::try_from(reqq).ok()).filter(|reqq| *reqq > 0),
            client: client.map(|name| String::from_utf8_lossy(&name[..name.len().min(64)]).into_owned()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_handshake_reads_back() {
        let (client, port, metadata_len) = ("peerlink 0.1.0", 6881, Some(100));
        let ours = Ours {
            client,
            port,
            metadata_len,
            has_pex: true,
            prefers_encryption: true,
            reqq: 500,
            upload_only: true,
        };
        let theirs = Theirs::from_bytes(&ours.to_bytes()).unwrap();
        assert_eq!(
            theirs,
            Theirs {
                ut_metadata: UT_METADATA,
                ut_pex: UT_PEX,
                upload_only_number: UPLOAD_ONLY,
                upload_only: true,
                prefers_encryption: true,
                metadata_len: Some(100),
                port: Some(6881),
                reqq: Some(500),
                client: Some("peerlink 0.1.0".into()),
            }
        );
    }

    #[test]
    fn odd_values_are_ignored_and_garbage_is_refused() {
        let odd = b"d1:md11:ut_metadatai3ee13:metadata_sizei2147483647e1:pi99999e4:reqqi-1e1:vi1ee";
        let read = Theirs { ut_metadata: 3, metadata_len: Some(i32::MAX as u32), ..Theirs::default() };
        assert_eq!(Theirs::from_bytes(odd), Some(read));
        assert_eq!(Theirs::from_bytes(b"le"), None);
        assert_eq!(Theirs::from_bytes(b"d1:m"), None);
    }
}
