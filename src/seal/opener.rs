//! Opens sealed messages, and says of each that does not open why.

use super::identity::{Identity, PublicKey};
use super::key::GroupKey;
use super::message::{Bound, Kind, NoMessage, Parts, folded, read_inner, signed};
use super::replay::Replay;
use super::sealer::key_of_two;

/// Where a sealed message was found, which it must be bound to.
#[derive(Clone, Copy, Debug)]
pub enum Place<'a> {
    /// `name` as the channel's (`#films`); the key where its passphrase is known.
    Group { name: &'a str, key: Option<&'a GroupKey> },
    /// Said to us, or by us to the owner of this key, where that is known.
    Private { with: Option<&'a PublicKey> },
}

/// A message that was sealed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Opened {
    /// Who made it, and nobody else.
    pub sender: PublicKey,
    pub kind: Kind,
    /// By the sender's clock, in seconds since 1970; 0 if it had none. A server can hold a message back, but not make
    /// an old one young.
    pub written_s: u64,
    /// As it was written: make it harmless before showing it.
    pub text: String,
}

/// Why a sealed message is not shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refused {
    /// A message of this group, and its passphrase is not known.
    NoKey,
    /// A message of this group, sealed with another passphrase.
    OtherKey,
    /// What is not from whom it says, not for this group or not for us; or it was changed.
    Forged,
    /// Genuine, but it was opened before.
    Replayed,
    /// From a later version of this program.
    Unknown,
    /// No sealed message.
    Malformed,
}

/// Opens messages, and remembers which.
#[derive(Debug, Default)]
pub struct Opener {
    replay: Replay,
}

impl Opener {
    /// What lies in a sealed message. The caller keeps apart what it sees again by itself (a line of history with a
    /// message id that it has) from what others send again.
    ///
    /// # Errors
    /// See [`Refused`].
    pub fn open(&mut self, me: &Identity, place: Place<'_>, bytes: &[u8]) -> Result<Opened, Refused> {
        let parts = Parts::parse(bytes).map_err(|no| match no {
            NoMessage::Unknown => Refused::Unknown,
            NoMessage::Malformed => Refused::Malformed,
        })?;
        let inner = match place {
            Place::Group { name, key } => open_in_group(&parts, &folded(name), key)?,
            Place::Private { with } => open_private(&parts, me, with)?,
        };
        // What its sender signed and sealed but nobody can read is the sender's bug.
        let (kind, written_s, text) = read_inner(&inner).ok_or(Refused::Malformed)?;
        let head = parts.head;
        if !self.replay.is_new(&head.sender, &head.session, head.counter) {
            return Err(Refused::Replayed);
        }
        Ok(Opened { sender: head.sender, kind, written_s, text })
    }
}

fn open_in_group(parts: &Parts<'_>, name: &str, key: Option<&GroupKey>) -> Result<Vec<u8>, Refused> {
    let bound = parts.head.bound(Bound::Group(name));
    if parts.head.is_private || !is_genuine(parts, &bound) {
        return Err(Refused::Forged);
    }
    let key = key.ok_or(Refused::NoKey)?;
    decrypt(parts, key, &bound).ok_or(Refused::OtherKey)
}

fn open_private(parts: &Parts<'_>, me: &Identity, with: Option<&PublicKey>) -> Result<Vec<u8>, Refused> {
    let (mine, sender) = (me.public(), parts.head.sender);
    // Only one of us two reads it; who of us wrote it does not matter.
    let (other, receiver) = if sender == mine { (with.ok_or(Refused::NoKey)?, with) } else { (&sender, Some(&mine)) };
    let receiver = receiver.ok_or(Refused::NoKey)?;
    let bound = parts.head.bound(Bound::Private(receiver));
    if !parts.head.is_private || !is_genuine(parts, &bound) {
        return Err(Refused::Forged);
    }
    let shared = me.shared_with(other).ok_or(Refused::Forged)?;
    decrypt(parts, &key_of_two(&shared, &sender, receiver), &bound).ok_or(Refused::Forged)
}

fn is_genuine(parts: &Parts<'_>, bound: &[u8]) -> bool {
    parts.head.sender.has_signed(&signed(bound, parts.sealed), parts.signature)
}

fn decrypt(parts: &Parts<'_>, key: &GroupKey, bound: &[u8]) -> Option<Vec<u8>> {
    let mut text = parts.sealed.to_vec();
    key.decrypt(&parts.head.nonce(), bound, &mut text).then_some(text)
}
