//! What is remembered of a torrent between runs: a rare snapshot plus an append-only journal.

use crate::base::{Bitfield, Block, Piece};

/// What earlier runs left, as far as it can be believed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Resume {
    /// Verified pieces whose data can be trusted to be on disk.
    pub have: Bitfield,
    /// Claimed pieces that must be hashed again (after a power cut, or where a file changed).
    pub suspect: Bitfield,
    /// Pieces with some blocks stored.
    pub partial: Vec<Partial>,
    /// Payload bytes ever received and sent, over all runs.
    pub downloaded: u64,
    pub uploaded: u64,
    /// The torrent was once complete: `completed` was announced.
    pub completed: bool,
}

/// A piece with some of its blocks stored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Partial {
    pub piece: Piece,
    /// A bit per 16 KiB block.
    pub stored: Bitfield,
}

/// One line of the journal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Record {
    /// A range of a piece was written (appended by `disk` itself after each write).
    Stored(Block),
    /// A piece was hashed and is right.
    Verified(Piece),
    /// A piece was hashed and is wrong: its blocks are not stored any more.
    Failed(Piece),
    /// All that was wanted is verified.
    Completed,
}
