//! The first 68 bytes of a peer connection (BEP 3), and its reserved bits.

use crate::base::{InfoHash, PeerId};

/// Bytes of a handshake.
pub const LEN: usize = 68;

/// What every handshake begins with.
pub const PROTOCOL: &[u8; 20] = b"\x13BitTorrent protocol";

/// A handshake, either way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Handshake {
    pub reserved: [u8; 8],
    pub info_hash: InfoHash,
    pub peer_id: PeerId,
}

/// What we can: extension protocol (BEP 10) and fast extension (BEP 6).
const OURS: [u8; 8] = [0, 0, 0, 0, 0, 0x10, 0, 0x04];

impl Handshake {
    /// Ours.
    pub fn new(info_hash: InfoHash, peer_id: PeerId) -> Handshake {
        Handshake { reserved: OURS, info_hash, peer_id }
    }

    /// The same, of somebody who has a DHT node (BEP 5).
    pub fn with_dht(mut self, has_dht: bool) -> Handshake {
        self.reserved[7] |= u8::from(has_dht);
        self
    }

    /// BEP 5.
    pub fn has_dht(&self) -> bool {
        self.reserved[7] & 0x01 != 0
    }

    /// BEP 6.
    pub fn has_fast(&self) -> bool {
        self.reserved[7] & 0x04 != 0
    }

    /// BEP 10.
    pub fn has_extensions(&self) -> bool {
        self.reserved[5] & 0x10 != 0
    }

    pub fn to_bytes(&self) -> [u8; LEN] {
        let mut bytes = [0; LEN];
        bytes[..20].copy_from_slice(PROTOCOL);
        bytes[20..28].copy_from_slice(&self.reserved);
        bytes[28..48].copy_from_slice(&self.info_hash.0);
        bytes[48..].copy_from_slice(&self.peer_id.0);
        bytes
    }

    pub fn from_bytes(bytes: &[u8; LEN]) -> Option<Handshake> {
        if bytes[..20] != PROTOCOL[..] {
            return None;
        }
        Some(Handshake {
            reserved: bytes[20..28].try_into().ok()?,
            info_hash: InfoHash(bytes[28..48].try_into().ok()?),
            peer_id: PeerId(bytes[48..].try_into().ok()?),
        })
    }
}

/// Gathers the 68 bytes from whatever pieces they arrive in.
#[derive(Clone, Debug)]
pub struct Gather {
    bytes: [u8; LEN],
    len: usize,
}

impl Default for Gather {
    fn default() -> Gather {
        Gather { bytes: [0; LEN], len: 0 }
    }
}

impl Gather {
    /// Takes what it needs from the front of `bytes`. `Ok(None)`: more is needed.
    ///
    /// # Errors
    /// As soon as a byte shows that this is no BitTorrent handshake.
    pub fn feed(&mut self, bytes: &mut &[u8]) -> Result<Option<Handshake>, NotBitTorrent> {
        let take = bytes.len().min(LEN - self.len);
        self.bytes[self.len..self.len + take].copy_from_slice(&bytes[..take]);
        self.len += take;
        *bytes = &bytes[take..];
        let known = self.len.min(PROTOCOL.len());
        if self.bytes[..known] != PROTOCOL[..known] {
            return Err(NotBitTorrent);
        }
        if self.len < LEN {
            return Ok(None);
        }
        Handshake::from_bytes(&self.bytes).map(Some).ok_or(NotBitTorrent)
    }

    /// The torrent asked for, as soon as it is known (48 bytes).
    pub fn info_hash(&self) -> Option<InfoHash> {
        (self.len >= 48).then(|| self.bytes[28..48].try_into().map(InfoHash).ok()).flatten()
    }

    /// What was gathered so far.
    pub fn so_far(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// The first bytes are something else's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotBitTorrent;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gathers_at_every_split_and_leaves_the_rest() {
        let ours = Handshake::new(InfoHash([7; 20]), PeerId(*b"-PL0100-abcdefghijkl"));
        let mut stream = ours.to_bytes().to_vec();
        stream.extend_from_slice(b"rest");
        for split in 0..stream.len() {
            let (mut a, mut b) = stream.split_at(split);
            let mut gather = Gather::default();
            let first = gather.feed(&mut a).unwrap();
            assert_eq!(gather.info_hash().is_some(), split >= 48);
            let whole = first.or_else(|| gather.feed(&mut b).unwrap());
            assert_eq!(whole, Some(ours), "split at {split}");
            assert_eq!([a, b].concat(), b"rest");
        }
    }

    #[test]
    fn the_first_wrong_byte_is_noticed() {
        let mut gather = Gather::default();
        assert_eq!(gather.feed(&mut &b"\x13BitTor"[..]), Ok(None));
        assert_eq!(gather.feed(&mut &b"X"[..]), Err(NotBitTorrent));
        assert_eq!(Gather::default().feed(&mut &b"GET / HTTP/1.1"[..]), Err(NotBitTorrent));
    }
}
