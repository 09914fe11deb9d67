//! Where pieces lie in files and what is remembered of them. Pure: `io` does the reading and writing.

pub mod bans;
mod claims;
mod fields;
pub mod journal;
pub mod layout;
pub mod resume;
pub mod snapshot;

pub use bans::{Bans, Suspect};
pub use layout::{Layout, Place, Slice};
pub use resume::{Partial, Record, Resume};
