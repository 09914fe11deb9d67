//! Names for things: hashes of 20 bytes and numbers that cannot be mixed up.

use std::fmt;

/// SHA-1 over the raw bytes of a torrent's info dictionary (BEP 3).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InfoHash(pub [u8; 20]);

/// A peer's name for itself in handshakes and announces (BEP 3, BEP 20).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(pub [u8; 20]);

/// A node's name in the DHT (BEP 5); the keys that nodes are near to, such as info hashes, are of the same kind.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub [u8; 20]);

/// A socket. Never reused within a process, so a late completion can never reach a stranger.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ConnId(pub u64);

/// A torrent in this process. Never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TorrentId(pub u32);

/// A torrent's files as the disk thread knows them: its torrent and how often it was opened.
/// A late completion of an earlier opening is recognised by its `epoch`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct StoreId {
    pub torrent: TorrentId,
    pub epoch: u32,
}

/// Ties a completion to the job that asked for it. Never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct JobId(pub u64);

impl InfoHash {
    /// Reads 40 hexadecimal digits in either case.
    pub fn from_hex(text: &str) -> Option<InfoHash> {
        let digits = text.as_bytes();
        if digits.len() != 40 {
            return None;
        }
        let mut bytes = [0; 20];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let high = char::from(pair[0]).to_digit(16)?;
            let low = char::from(pair[1]).to_digit(16)?;
            *byte = (high * 16 + low) as u8;
        }
        Some(InfoHash(bytes))
    }

    /// Reads 32 digits of base32 (RFC 4648) in either case, as older magnet links have them.
    pub fn from_base32(text: &str) -> Option<InfoHash> {
        if text.len() != 32 {
            return None;
        }
        let mut bytes = [0; 20];
        let mut number = 0_u64;
        for (place, digit) in text.bytes().enumerate() {
            let value = match digit.to_ascii_uppercase() {
                letter @ b'A'..=b'Z' => letter - b'A',
                digit @ b'2'..=b'7' => digit - b'2' + 26,
                _ => return None,
            };
            number = number << 5 | u64::from(value);
            // Eight digits make five bytes.
            if place % 8 == 7 {
                bytes[place / 8 * 5..][..5].copy_from_slice(&number.to_be_bytes()[3..]);
                number = 0;
            }
        }
        Some(InfoHash(bytes))
    }
}

impl NodeId {
    /// The DHT's distance (XOR) to another id, to be compared with other distances to the same one.
    pub fn distance(&self, other: &NodeId) -> [u8; 20] {
        let mut distance = self.0;
        distance.iter_mut().zip(&other.0).for_each(|(byte, theirs)| *byte ^= theirs);
        distance
    }

    /// The first 64 bits of the distance.
    pub fn distance_high(&self, other: &NodeId) -> u64 {
        let high = |id: &NodeId| id.0.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
        high(self) ^ high(other)
    }

    /// How many bits the ids share from the first on; 160 for the same id.
    pub fn shared_bits(&self, other: &NodeId) -> usize {
        let distance = self.distance(other);
        let zeros = distance.iter().take_while(|byte| **byte == 0).count();
        8 * zeros + distance.get(zeros).map_or(0, |byte| byte.leading_zeros() as usize)
    }
}

impl From<InfoHash> for NodeId {
    fn from(hash: InfoHash) -> NodeId {
        NodeId(hash.0)
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Display for InfoHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for InfoHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
    }
}
