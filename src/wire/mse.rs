//! Message Stream Encryption (MSE/PE, as the Azureus wiki describes it), without I/O: two strangers agree on a secret,
//! the caller names a torrent by what only those know who know it, and both choose how they go on. It keeps machines on
//! the way from telling BitTorrent by its looks; it proves nothing to anybody.
//!
//! ```text
//! caller                                                  called
//! Ya, pad                                            →
//!                                                    ←    Yb, pad
//! HASH(req1, S), HASH(req2, SKEY) xor HASH(req3, S),
//! encrypted: VC, provide, len, pad, len of IA, IA    →
//!                                                    ←    encrypted: VC, select, len, pad
//! what was selected                                  ↔
//! ```

pub mod dh;
mod initiator;
mod responder;

use sha1::{Digest, Sha1};

use self::dh::PUBLIC_LEN;
pub use self::initiator::Initiator;
pub use self::responder::{Responder, Step};
use super::rc4::Rc4;
use crate::base::InfoHash;
use crate::base::encryption::{Crypto, Encryption};

/// Longest pad.
pub const PAD_MAX: usize = 512;
/// The verification constant: 8 times 0, by which each side finds where the other's encrypted part begins.
const VC: [u8; 8] = [0; 8];
/// Key stream thrown away at the beginning, which tells about the key.
const SKIP: usize = 1024;
/// Bits of `provide` and `select`.
const PLAINTEXT: u32 = 1;
const RC4: u32 = 2;

/// Why a handshake comes to nothing: the other side's fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// Its public key gives the secret away.
    Degenerate,
    /// What should have followed its pad did not.
    NotFound,
    /// A pad longer than there may be.
    LongPad,
    /// It names a torrent that is not here.
    UnknownTorrent,
    /// Its verification constant is wrong.
    NotVerified,
    /// It offers nothing that we take, or chose what was not offered.
    NoCrypto,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Fault::Degenerate => "a public key that is none",
            Fault::NotFound => "nothing that goes on after the pad",
            Fault::LongPad => "a pad that is too long",
            Fault::UnknownTorrent => "a torrent that is not here",
            Fault::NotVerified => "another key than ours",
            Fault::NoCrypto => "no encryption that both take",
        })
    }
}

/// What a handshake needs of chance.
#[derive(Clone, Debug)]
pub struct Chance {
    /// Nobody may be able to guess it.
    pub secret: [u8; dh::SECRET_LEN],
    /// Decides over pads, which hide nothing but lengths.
    pub pads: u64,
}

/// How both sides go on.
#[derive(Debug)]
pub struct Agreed {
    pub info_hash: InfoHash,
    pub crypto: Crypto,
    pub incoming: Incoming,
    /// For what is sent from now on; None where that is plain.
    pub outgoing: Option<Rc4>,
}

/// Decrypts what comes in.
#[derive(Debug)]
pub struct Incoming {
    cipher: Rc4,
    /// Bytes that are still encrypted; None: all.
    left: Option<usize>,
}

impl Incoming {
    /// Whether anything that follows needs it.
    pub fn is_needed(&self) -> bool {
        self.left != Some(0)
    }

    /// In place. False when nothing that follows needs it.
    pub fn apply(&mut self, bytes: &mut [u8]) -> bool {
        let len = self.left.map_or(bytes.len(), |left| left.min(bytes.len()));
        self.cipher.apply(&mut bytes[..len]);
        self.left = self.left.map(|left| left - len);
        self.is_needed()
    }
}

/// The name by which a caller asks for a torrent: HASH(req2, SKEY).
pub fn torrent_name(info_hash: InfoHash) -> [u8; 20] {
    hash(b"req2", &info_hash.0, &[])
}

fn hash(word: &[u8], a: &[u8], b: &[u8]) -> [u8; 20] {
    let mut sha = Sha1::new();
    sha.update(word);
    sha.update(a);
    sha.update(b);
    sha.finalize().into()
}

/// HASH(req1, S): where the caller goes on after its pad.
fn mark(agreed: &[u8; PUBLIC_LEN]) -> [u8; 20] {
    hash(b"req1", agreed, &[])
}

/// Hides the torrent's name, or shows it again.
fn hide(name: [u8; 20], agreed: &[u8; PUBLIC_LEN]) -> [u8; 20] {
    let mut hidden = hash(b"req3", agreed, &[]);
    hidden.iter_mut().zip(name).for_each(|(byte, name)| *byte ^= name);
    hidden
}

/// The ciphers of what the caller says, and of what the called one says.
fn ciphers(agreed: &[u8; PUBLIC_LEN], info_hash: InfoHash) -> (Rc4, Rc4) {
    let begun = |word| {
        let mut cipher = Rc4::new(&hash(word, agreed, &info_hash.0));
        cipher.skip(SKIP);
        cipher
    };
    (begun(b"keyA"), begun(b"keyB"))
}

/// Adds so many random bytes, at most [`PAD_MAX`].
fn pad(rng: &mut fastrand::Rng, to: &mut Vec<u8>) {
    let len = rng.usize(..=PAD_MAX);
    to.extend(std::iter::repeat_with(|| rng.u8(..)).take(len));
}

/// Adds a pad of zeros to be encrypted, with its length before it.
fn zero_pad(rng: &mut fastrand::Rng, to: &mut Vec<u8>) {
    let len = rng.u16(..=PAD_MAX as u16);
    to.extend(len.to_be_bytes());
    to.resize(to.len() + usize::from(len), 0);
}

/// What we offer, as bits.
fn offered(encryption: Encryption) -> u32 {
    if encryption == Encryption::Require { RC4 } else { PLAINTEXT | RC4 }
}

/// Moves bytes from the front of `from` until `to` holds `len`. Whether it does.
fn gather(to: &mut Vec<u8>, from: &mut &[u8], len: usize) -> bool {
    let take = len.saturating_sub(to.len()).min(from.len());
    let (front, rest) = from.split_at(take);
    to.extend_from_slice(front);
    *from = rest;
    to.len() >= len
}

/// Moves bytes from the front of `from` until `to` ends with `mark`, which comes within [`PAD_MAX`] bytes and its own
/// length. Whether it has come.
///
/// # Errors
/// It has not come by then.
fn seek(to: &mut Vec<u8>, from: &mut &[u8], mark: &[u8]) -> Result<bool, Fault> {
    while let Some((byte, rest)) = from.split_first() {
        to.push(*byte);
        *from = rest;
        if to.ends_with(mark) {
            return Ok(true);
        }
        if to.len() >= PAD_MAX + mark.len() {
            return Err(Fault::NotFound);
        }
    }
    Ok(false)
}

/// The same for encrypted bytes, which are decrypted.
fn gather_encrypted(to: &mut Vec<u8>, from: &mut &[u8], len: usize, cipher: &mut Rc4) -> bool {
    let had = to.len();
    let is_enough = gather(to, from, len);
    cipher.apply(&mut to[had..]);
    is_enough
}

fn number(bytes: &[u8]) -> usize {
    bytes.iter().fold(0, |number, byte| number << 8 | usize::from(*byte))
}

#[cfg(test)]
mod tests;
