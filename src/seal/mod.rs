//! End-to-end encryption: who somebody is, what a group's passphrase opens, and messages sealed with either.
//!
//! Pure values: keys and randomness are passed in, nothing is read or written. The primitives are other people's
//! (RFC 8032, RFC 7748, RFC 8439, RFC 9106); what is here is which bytes go into them. README, "Sealed groups", has
//! the format, which the test vectors of this floor hold fast.
//!
//! **What it gives.** Only who knows the passphrase (or is the receiver of a private message) reads a message; nobody
//! else than its sender can have made it; a message shown twice, in another group or to another person is recognised.
//!
//! **What it does not.** Who learns a passphrase or steals a receiver's key later reads what was said before. A server
//! sees who talks when and about how much, and can withhold messages.

mod identity;
mod key;
mod message;
mod opener;
mod replay;
mod sealer;
#[cfg(test)]
mod tests;

pub use identity::{Identity, PublicKey, SIGNATURE_LEN};
pub use key::GroupKey;
pub use message::{Kind, MESSAGE_LEN_MAX, TEXT_LEN_MAX, folded};
pub use opener::{Opened, Opener, Place, Refused};
pub use sealer::{NotSealed, Sealer, Target};
