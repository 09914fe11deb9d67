//! Where pieces lie in files and what is remembered of them. Pure: `io` does the reading and writing.

pub mod layout;
pub mod resume;

pub use layout::{Layout, Place, Slice};
pub use resume::{Partial, Record, Resume};
