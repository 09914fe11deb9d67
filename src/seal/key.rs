//! A group's key, stretched from its passphrase by Argon2id (RFC 9106).
//!
//! 19 MiB and two passes are the least that OWASP's password storage rules name for Argon2id, and what a router with
//! 64 MiB can spare for a moment; RFC 9106's 64 MiB it cannot. All members must use the same figures, since the key is
//! the same for all, so they are part of the format's version.

use std::fmt;

use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::{KeyInit, XChaCha20Poly1305};
use sha2::{Digest, Sha256};

use super::message::folded;

/// Memory in KiB, passes, lanes.
const COST: (u32, u32, u32) = (19_456, 2, 1);

/// Begins the salt, before the group's name: the same on every server, so a group can move.
const SALT: &str = "peerlink/sealed 1:";

/// Opens and seals the messages of a group, or of two people. Wiped when dropped.
#[derive(Clone)]
pub struct GroupKey {
    cipher: XChaCha20Poly1305,
}

impl GroupKey {
    /// The key of a group, named as its channel (`#films`, in any case). Takes 19 MiB, and from a twentieth of a second
    /// to a few of them on a router: never call it in the loop. None where there is no such memory.
    pub fn stretch(passphrase: &[u8], group: &str) -> Option<GroupKey> {
        let (memory_kib, passes, lanes) = COST;
        let params = Params::new(memory_kib, passes, lanes, Some(32)).ok()?;
        let salt = format!("{SALT}{}", folded(group));
        let mut key = [0; 32];
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        argon2.hash_password_into(passphrase, salt.as_bytes(), &mut key).ok()?;
        Some(GroupKey::new(key))
    }

    /// A key that was stretched before.
    pub fn new(key: [u8; 32]) -> GroupKey {
        GroupKey { cipher: XChaCha20Poly1305::new(&key.into()) }
    }

    /// The key of what one says to another, from the secret they share: the one-step derivation of NIST SP 800-56C,
    /// with SHA-256.
    pub(super) fn of_two(shared: &[u8; 32], info: &[&[u8]]) -> GroupKey {
        let mut hash = Sha256::new();
        hash.update(1_u32.to_be_bytes());
        hash.update(shared);
        info.iter().for_each(|part| hash.update(part));
        GroupKey::new(hash.finalize().into())
    }

    /// Encrypts in place and appends the tag.
    pub(super) fn encrypt(&self, nonce: &[u8; 24], bound: &[u8], text: &mut Vec<u8>) {
        let done = self.cipher.encrypt_in_place(nonce.into(), bound, text);
        done.expect("only more than 256 GiB are too long");
    }

    /// Decrypts in place and takes the tag off. False: another key made it, or it was changed.
    pub(super) fn decrypt(&self, nonce: &[u8; 24], bound: &[u8], sealed: &mut Vec<u8>) -> bool {
        self.cipher.decrypt_in_place(nonce.into(), bound, sealed).is_ok()
    }
}

/// Without the secret.
impl fmt::Debug for GroupKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GroupKey")
    }
}
