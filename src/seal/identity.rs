//! Who somebody is: an ed25519 key (RFC 8032), which signs, and by its X25519 form (RFC 7748) receives.
//!
//! One key does both: a second one would have to be told and tied to the first, and the two uses of one key are known
//! not to weaken each other (Thormarker, "On using the same key pair for Ed25519 and an X25519 based KEM", 2021).

use std::fmt;

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};

use crate::wire::base64url;

/// Bytes of a signature.
pub const SIGNATURE_LEN: usize = 64;

/// Begins what is signed to prove who one is to a server: nothing else that is signed begins so.
const LOGIN: &[u8] = b"peerlink/id 1\0";

/// First line of a key file.
const FILE_HEAD: &str = "peerlink secret key 1";

/// Somebody's public key. Checked when used, not when read.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey(pub [u8; 32]);

impl PublicKey {
    /// Reads 43 characters of base64url.
    pub fn parse(text: &str) -> Option<PublicKey> {
        base64url::decode_array(text).map(PublicKey)
    }

    /// Whether this key's owner made the signature of these bytes. False for keys that nobody can own.
    pub fn has_signed(&self, bytes: &[u8], signature: &[u8; SIGNATURE_LEN]) -> bool {
        let key = VerifyingKey::from_bytes(&self.0);
        key.is_ok_and(|key| key.verify_strict(bytes, &Signature::from_bytes(signature)).is_ok())
    }

    /// Whether this key's owner answers a server's nonce, to be known by this nick.
    pub fn has_logged_in(&self, nonce: &[u8; 32], nick: &str, signature: &[u8; SIGNATURE_LEN]) -> bool {
        self.has_signed(&login(nonce, nick), signature)
    }
}

/// base64url.
impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base64url::encode(&self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Our own key. The secret part is wiped when dropped, and never printed.
#[derive(Clone)]
pub struct Identity {
    key: SigningKey,
}

impl Identity {
    /// The key made of 32 random bytes.
    pub fn new(secret: [u8; 32]) -> Identity {
        Identity { key: SigningKey::from_bytes(&secret) }
    }

    /// Reads a key file.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub fn from_file(bytes: &[u8]) -> Result<Identity, &'static str> {
        let text = std::str::from_utf8(bytes).map_err(|_| "it is no text")?;
        let mut lines = text.lines();
        if lines.next() != Some(FILE_HEAD) {
            return Err("its first line is not that of a key file");
        }
        let secret = lines.next().and_then(base64url::decode_array);
        secret.map(Identity::new).ok_or("its second line is not a key")
    }

    /// What [`Self::from_file`] reads.
    pub fn to_file(&self) -> String {
        format!("{FILE_HEAD}\n{}\n", base64url::encode(self.key.as_bytes()))
    }

    pub fn public(&self) -> PublicKey {
        PublicKey(self.key.verifying_key().to_bytes())
    }

    pub fn sign(&self, bytes: &[u8]) -> [u8; SIGNATURE_LEN] {
        self.key.sign(bytes).to_bytes()
    }

    /// Answers a server's nonce (`peerlink/id`), to be known by this nick.
    pub fn log_in(&self, nonce: &[u8; 32], nick: &str) -> [u8; SIGNATURE_LEN] {
        self.sign(&login(nonce, nick))
    }

    /// The secret that only we and the owner of that key can compute: X25519 of our key and theirs. None for keys with
    /// which everybody could (points of small order) and those that are none.
    pub(super) fn shared_with(&self, other: &PublicKey) -> Option<[u8; 32]> {
        let other = VerifyingKey::from_bytes(&other.0).ok().filter(|key| !key.is_weak())?;
        let shared = other.to_montgomery().mul_clamped(self.key.to_scalar_bytes());
        (shared.0 != [0; 32]).then_some(shared.0)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({})", self.public())
    }
}

fn login(nonce: &[u8; 32], nick: &str) -> Vec<u8> {
    [LOGIN, nonce, nick.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_files_are_read_as_written_and_others_refused() {
        let identity = Identity::new([7; 32]);
        let file = identity.to_file();
        assert_eq!(Identity::from_file(file.as_bytes()).unwrap().public(), identity.public());
        let head = format!("{FILE_HEAD}\n");
        for bad in ["", "x", &head, &file[..file.len() - 2], "peerlink secret key 2\nAAAA\n"] {
            assert!(Identity::from_file(bad.as_bytes()).is_err(), "{bad:?}");
        }
        assert!(Identity::from_file(&[0xff; 80]).is_err());
        assert!(!format!("{identity:?}").contains(&base64url::encode(&[7; 32])));
    }

    #[test]
    fn a_login_is_good_for_its_nonce_nick_and_key_only() {
        let (anna, eve) = (Identity::new([1; 32]), Identity::new([2; 32]));
        let signature = anna.log_in(&[5; 32], "anna");
        assert!(anna.public().has_logged_in(&[5; 32], "anna", &signature));
        assert!(!anna.public().has_logged_in(&[6; 32], "anna", &signature), "another nonce");
        assert!(!anna.public().has_logged_in(&[5; 32], "eve", &signature), "another nick");
        assert!(!eve.public().has_logged_in(&[5; 32], "anna", &signature), "another key");
        let mut broken = signature;
        broken[63] ^= 1;
        assert!(!anna.public().has_logged_in(&[5; 32], "anna", &broken));
    }

    #[test]
    fn two_share_a_secret_and_weak_keys_share_none() {
        let (anna, bob) = (Identity::new([1; 32]), Identity::new([2; 32]));
        assert!(anna.shared_with(&bob.public()).is_some());
        assert_eq!(anna.shared_with(&bob.public()), bob.shared_with(&anna.public()));
        let (mut one, mut minus_one) = ([0; 32], [0xff; 32]);
        one[0] = 1;
        (minus_one[0], minus_one[31]) = (0xec, 0x7f);
        for weak in [[0; 32], one, minus_one] {
            assert_eq!(anna.shared_with(&PublicKey(weak)), None);
            assert!(!PublicKey(weak).has_signed(b"", &[0; 64]));
        }
    }

    /// RFC 8032, section 7.1, test 2.
    #[test]
    fn signatures_are_those_of_the_rfc() {
        let hex = |text: &str| -> Vec<u8> {
            text.as_bytes()
                .chunks(2)
                .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
                .collect()
        };
        let secret = hex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb");
        let identity = Identity::new(secret.try_into().unwrap());
        assert_eq!(
            identity.public().0.to_vec(),
            hex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
        );
        let signature = "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
                         085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";
        assert_eq!(identity.sign(&[0x72]).to_vec(), hex(signature));
    }
}
