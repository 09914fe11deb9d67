//! Seals our messages: a random session per conversation, and a counter that never comes twice in it.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::identity::{Identity, PublicKey};
use super::key::GroupKey;
use super::message::{Bound, Head, Kind, TEXT_LEN_MAX, folded, signed, write_inner};

/// Conversations whose session is remembered; more begin a new session each time they come round.
const CONVERSATIONS_MAX: usize = 256;

/// For whom.
#[derive(Clone, Copy, Debug)]
pub enum Target<'a> {
    /// Everybody with the group's passphrase; `name` as the channel's (`#films`).
    Group { name: &'a str, key: &'a GroupKey },
    /// The owner of a key.
    Person(&'a PublicKey),
}

/// Why a message was not sealed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NotSealed {
    /// More than [`TEXT_LEN_MAX`] bytes.
    TooLong,
    /// The receiver's key is one that everybody could read with, or none at all.
    BadKey,
}

/// Seals messages of one run of the program.
pub struct Sealer {
    secret: [u8; 32],
    /// Sessions begun so far.
    sessions: u64,
    /// By group or person: session, and the next counter.
    conversations: BTreeMap<Vec<u8>, ([u8; 16], u64)>,
}

impl Sealer {
    /// `secret`: 32 bytes of the operating system's randomness, never used before: what comes twice is read by others.
    pub fn new(secret: [u8; 32]) -> Sealer {
        Sealer { secret, sessions: 0, conversations: BTreeMap::new() }
    }

    /// A sealed message. `written_s`: seconds since 1970, 0 without a clock.
    ///
    /// # Errors
    /// See [`NotSealed`].
    pub fn seal(
        &mut self,
        me: &Identity,
        target: Target<'_>,
        kind: Kind,
        written_s: u64,
        text: &str,
    ) -> Result<Vec<u8>, NotSealed> {
        if text.len() > TEXT_LEN_MAX {
            return Err(NotSealed::TooLong);
        }
        let inner = write_inner(kind, written_s, text);
        match target {
            Target::Group { name, key } => {
                let name = folded(name);
                let head = self.head(me, false, name.as_bytes());
                Ok(sealed(me, &head, Bound::Group(&name), key, inner))
            }
            Target::Person(receiver) => {
                let shared = me.shared_with(receiver).ok_or(NotSealed::BadKey)?;
                let head = self.head(me, true, &receiver.0);
                Ok(sealed(me, &head, Bound::Private(receiver), &key_of_two(&shared, &me.public(), receiver), inner))
            }
        }
    }

    fn head(&mut self, me: &Identity, is_private: bool, whom: &[u8]) -> Head {
        let conversation = [&[u8::from(is_private)], whom].concat();
        let (session, counter) = self.conversations.remove(&conversation).unwrap_or_else(|| (self.new_session(), 0));
        if self.conversations.len() >= CONVERSATIONS_MAX {
            self.conversations.pop_first();
        }
        let next = counter.checked_add(1).expect("nobody says so much");
        self.conversations.insert(conversation, (session, next));
        Head { is_private, sender: me.public(), session, counter }
    }

    /// Never the same: the number is hashed with a secret of this run.
    fn new_session(&mut self) -> [u8; 16] {
        let hash = Sha256::new().chain_update(self.secret).chain_update(self.sessions.to_be_bytes()).finalize();
        self.sessions += 1;
        *hash.first_chunk().expect("SHA-256 has 32 bytes")
    }
}

/// Without the secret.
impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sealer({} sessions)", self.sessions)
    }
}

/// The key of what one person says to another.
pub(super) fn key_of_two(shared: &[u8; 32], sender: &PublicKey, receiver: &PublicKey) -> GroupKey {
    GroupKey::of_two(shared, &[b"peerlink/sealed 1 private key", &sender.0, &receiver.0])
}

fn sealed(me: &Identity, head: &Head, to: Bound<'_>, key: &GroupKey, mut inner: Vec<u8>) -> Vec<u8> {
    let bound = head.bound(to);
    key.encrypt(&head.nonce(), &bound, &mut inner);
    let signature = me.sign(&signed(&bound, &inner));
    [&head.write()[..], &inner, &signature].concat()
}
