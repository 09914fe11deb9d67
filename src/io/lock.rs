//! A lock file that one process at a time can have.

use std::fs::{File, OpenOptions};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use super::trouble::Trouble;
use crate::machine::{DiskError, DiskErrorKind};

/// Held until dropped, or until the process ends in whatever way. The file itself stays: removing it would race.
#[derive(Debug)]
pub struct Lock {
    _file: Flock<File>,
}

impl Lock {
    /// Takes the lock.
    ///
    /// # Errors
    /// [`DiskErrorKind::Locked`] when somebody has it, others when the file cannot be made.
    pub fn take(path: &Path) -> Result<Lock, DiskError> {
        let open = OpenOptions::new().create(true).truncate(false).write(true).open(path);
        let file = open.map_err(|error| Trouble::new("lock", path, &error).into_error())?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(file) => Ok(Lock { _file: file }),
            Err((_, Errno::EWOULDBLOCK)) => Err(DiskError {
                kind: DiskErrorKind::Locked,
                text: format!("another process works on this torrent ({} is locked)", path.display()),
            }),
            Err((_, errno)) => Err(Trouble::new("lock", path, &errno.into()).into_error()),
        }
    }
}
