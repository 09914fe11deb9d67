//! Operating system errors as a torrent's trouble: what kind it is, and one line for people.

use std::io;
use std::path::Path;

use nix::errno::Errno;

use crate::machine::{DiskError, DiskErrorKind};

/// A failed operation on a path.
#[derive(Clone, Debug)]
pub struct Trouble {
    pub errno: Option<Errno>,
    error: DiskError,
}

impl Trouble {
    /// `what` could not be done to `path`: `cannot write movies/a.mkv: no space left on device`.
    pub fn new(what: &str, path: &Path, error: &io::Error) -> Trouble {
        let errno = error.raw_os_error().map(Errno::from_raw);
        let text = format!("cannot {what} {}: {}", path.display(), reason(error));
        Trouble { errno, error: DiskError { kind: kind(errno, error.kind()), text } }
    }

    /// The same with a reason of our own.
    pub fn denied(what: &str, path: &Path, reason: &str) -> Trouble {
        let text = format!("cannot {what} {}: {reason}", path.display());
        Trouble { errno: None, error: DiskError { kind: DiskErrorKind::Denied, text } }
    }

    /// Bytes that were claimed are not there.
    pub fn short(path: &Path) -> Trouble {
        let text = format!("cannot read {}: it is shorter than it should be", path.display());
        Trouble { errno: None, error: DiskError { kind: DiskErrorKind::Missing, text } }
    }

    /// This process has too many files open.
    pub fn is_exhaustion(&self) -> bool {
        matches!(self.errno, Some(Errno::EMFILE | Errno::ENFILE))
    }

    pub fn kind(&self) -> DiskErrorKind {
        self.error.kind
    }

    pub fn into_error(self) -> DiskError {
        self.error
    }
}

fn kind(errno: Option<Errno>, kind: io::ErrorKind) -> DiskErrorKind {
    match errno {
        Some(Errno::ENOSPC | Errno::EDQUOT) => DiskErrorKind::Full,
        Some(Errno::ENOENT) => DiskErrorKind::Missing,
        Some(
            Errno::ELOOP
            | Errno::EACCES
            | Errno::EPERM
            | Errno::EISDIR
            | Errno::ENOTDIR
            | Errno::EROFS
            | Errno::EEXIST,
        ) => DiskErrorKind::Denied,
        _ if kind == io::ErrorKind::StorageFull => DiskErrorKind::Full,
        _ => DiskErrorKind::Other,
    }
}

/// An operating system's error in words, without its number: `no space left on device`.
pub fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_lowercase().chain(letters).collect(),
        None => "unknown error".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_become_one_line_and_a_kind() {
        let rows = [
            (Errno::ENOSPC, DiskErrorKind::Full, "cannot write d/f: no space left on device"),
            (Errno::EDQUOT, DiskErrorKind::Full, "cannot write d/f: disk quota exceeded"),
            (Errno::ENOENT, DiskErrorKind::Missing, "cannot write d/f: no such file or directory"),
            (Errno::EACCES, DiskErrorKind::Denied, "cannot write d/f: permission denied"),
            (Errno::EISDIR, DiskErrorKind::Denied, "cannot write d/f: is a directory"),
            (Errno::EIO, DiskErrorKind::Other, "cannot write d/f: input/output error"),
        ];
        for (errno, kind, text) in rows {
            let error = Trouble::new("write", Path::new("d/f"), &errno.into()).into_error();
            assert_eq!(error.kind, kind);
            assert_eq!(error.text.to_lowercase(), text);
        }
    }
}
