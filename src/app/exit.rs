//! Exit codes and the one line that goes with each failure.

use crate::machine::DiskErrorKind;

/// What the process says to its caller. The numbers are a promise to scripts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exit {
    Done = 0,
    Other = 1,
    /// A wrong flag, key or value.
    Usage = 2,
    /// A bad or missing torrent.
    BadTorrent = 3,
    /// Nobody delivered anything before `--timeout`.
    NoPeers = 4,
    /// The disk failed.
    Disk = 5,
    /// A server could not be reached.
    Unreachable = 6,
    /// Stopped before it was done; the same command goes on.
    Stopped = 7,
    DiskFull = 9,
    /// Data is not what its torrent says.
    BadData = 32,
    /// As [`Exit::Stopped`], by Ctrl-C.
    Interrupted = 130,
}

impl Exit {
    /// The code for a torrent that cannot go on.
    pub fn of_disk(kind: DiskErrorKind) -> Exit {
        match kind {
            DiskErrorKind::Full => Exit::DiskFull,
            DiskErrorKind::Locked => Exit::Other,
            DiskErrorKind::Missing | DiskErrorKind::Denied | DiskErrorKind::Other => Exit::Disk,
        }
    }
}

/// Why a command failed: its code, and what, where and what to do in one line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    pub exit: Exit,
    pub text: String,
}

impl Failure {
    /// A failure with this code and line.
    pub fn new(exit: Exit, text: impl Into<String>) -> Failure {
        Failure { exit, text: text.into() }
    }

    /// A wrong flag, key or value.
    pub fn usage(text: impl Into<String>) -> Failure {
        Failure::new(Exit::Usage, text)
    }
}
