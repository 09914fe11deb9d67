//! Files of ours in the state folder, read and replaced whole.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::SystemTime;

use super::trouble::Trouble;
use crate::base::Span;
use crate::machine::{DiskError, DiskErrorKind};

/// Replaces a file so that after a power cut there is the old or the new one.
///
/// # Errors
/// When any step of it fails; the old one stays.
pub fn save(state_dir: &Path, name: &str, bytes: &[u8]) -> Result<(), DiskError> {
    let path = place(state_dir, name)?;
    let folder = path.parent().unwrap_or(state_dir);
    fs::create_dir_all(folder).map_err(|error| Trouble::new("make", folder, &error).into_error())?;
    replace(folder, name.rsplit('/').next().unwrap_or(name), bytes)
}

/// The same for a file in a folder that is there.
///
/// # Errors
/// When any step of it fails; the old one stays.
pub fn replace(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), DiskError> {
    write_anew(folder, name, bytes, true)
}

/// The same without waiting for the disk, for what is checked when it is read and can be had again: a power cut soon
/// after may leave it damaged.
///
/// # Errors
/// When any step of it fails; the old one stays.
pub fn replace_soon(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), DiskError> {
    write_anew(folder, name, bytes, false)
}

fn write_anew(folder: &Path, name: &str, bytes: &[u8], waits: bool) -> Result<(), DiskError> {
    let path = folder.join(name);
    let new = folder.join(format!("{name}.new"));
    let write = || -> io::Result<()> {
        let mut file = private().write(true).create(true).truncate(true).open(&new)?;
        file.write_all(bytes)?;
        if waits {
            file.sync_all()?;
        }
        fs::rename(&new, &path)?;
        if waits { File::open(folder)?.sync_all() } else { Ok(()) }
    };
    write().map_err(|error| {
        // A half-written one would only take space.
        if let Err(error) = fs::remove_file(&new) {
            log::debug!("cannot remove {}: {error}", new.display());
        }
        Trouble::new("write", &path, &error).into_error()
    })
}

/// The file that was last added to stays open: it is added to many times a second while people talk.
#[derive(Default, Debug)]
pub struct Log {
    open: Option<(String, File, u64)>,
}

impl Log {
    /// Adds to the end of a file, which is made where there is none: all of it, or nothing.
    ///
    /// # Errors
    /// When it cannot be made or written; what was there before stays as it was.
    pub fn append(&mut self, state_dir: &Path, name: &str, bytes: &[u8]) -> Result<(), DiskError> {
        let path = place(state_dir, name)?;
        let (file, len) = match self.open.take() {
            Some((opened, file, len)) if opened == name => (file, len),
            _ => open_end(&path).map_err(|error| Trouble::new("open", &path, &error).into_error())?,
        };
        if let Err(error) = (&file).write_all(bytes) {
            // A part of it would spoil what is added later.
            if let Err(error) = file.set_len(len) {
                log::debug!("cannot cut {}: {error}", path.display());
            }
            return Err(Trouble::new("write", &path, &error).into_error());
        }
        self.open = Some((name.to_string(), file, len + bytes.len() as u64));
        Ok(())
    }

    /// A file of this name is replaced: the one that is open is another one then.
    pub fn forget(&mut self, name: &str) {
        self.open.take_if(|(opened, ..)| opened == name);
    }
}

/// A file to add to, and its length.
fn open_end(path: &Path) -> io::Result<(File, u64)> {
    let open = || private().append(true).create(true).open(path);
    let file = match open() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            path.parent().map_or(Ok(()), fs::create_dir_all)?;
            open()?
        }
        other => other?,
    };
    let len = file.metadata()?.len();
    Ok((file, len))
}

/// A file's bytes, and how long ago they were written; None where it is not there.
///
/// # Errors
/// When it cannot be read or is longer than it should be.
pub fn load(state_dir: &Path, name: &str, len_max: usize) -> Result<Option<(Vec<u8>, Span)>, DiskError> {
    let path = place(state_dir, name)?;
    let read = || -> io::Result<(Vec<u8>, Span)> {
        let file = File::open(&path)?;
        let written = file.metadata()?.modified()?;
        // A clock that was set back since makes the file new, not unreadable.
        let age = SystemTime::now().duration_since(written).unwrap_or_default();
        let mut bytes = Vec::new();
        file.take(len_max as u64 + 1).read_to_end(&mut bytes)?;
        if bytes.len() > len_max {
            return Err(io::Error::other("it is longer than it should be"));
        }
        Ok((bytes, Span(u64::try_from(age.as_micros()).unwrap_or(u64::MAX))))
    };
    match read() {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Trouble::new("read", &path, &error).into_error()),
    }
}

/// The bytes of a file that is made once: those that are there already, or else these. Two processes that start
/// together get the same, and after a power cut there is all of it or nothing.
///
/// # Errors
/// When it cannot be read or written, or is longer than it should be.
pub fn once(state_dir: &Path, name: &str, bytes: &[u8], len_max: usize) -> Result<Vec<u8>, DiskError> {
    if let Some((there, _)) = load(state_dir, name, len_max)? {
        return Ok(there);
    }
    let path = place(state_dir, name)?;
    let folder = path.parent().unwrap_or(state_dir);
    static MADE: AtomicU32 = AtomicU32::new(0);
    let number = MADE.fetch_add(1, Ordering::Relaxed);
    let new = state_dir.join(format!("{name}.{}-{number}.new", std::process::id()));
    let write = || -> io::Result<()> {
        fs::create_dir_all(folder)?;
        let mut file = private().write(true).create(true).truncate(true).open(&new)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        match fs::hard_link(&new, &path) {
            // Somebody else was faster.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            // There are file systems without links.
            Err(_) => fs::rename(&new, &path)?,
            Ok(()) => {}
        }
        File::open(folder)?.sync_all()
    };
    let written = write().map_err(|error| Trouble::new("write", &path, &error).into_error());
    if let Err(error) = fs::remove_file(&new) {
        log::debug!("cannot remove {}: {error}", new.display());
    }
    written?;
    let there = load(state_dir, name, len_max)?.map(|(there, _)| there);
    there.ok_or_else(|| Trouble::new("read", &path, &io::ErrorKind::NotFound.into()).into_error())
}

/// A file that somebody named: at most `len_max` bytes of it, which must be all.
///
/// # Errors
/// When it cannot be read, is no file, or is longer.
pub fn read_any(path: &Path, len_max: usize) -> Result<Vec<u8>, DiskError> {
    let read = || -> io::Result<Vec<u8>> {
        // Non-blocking, so that a FIFO cannot hang the disk thread.
        let file = OpenOptions::new().read(true).custom_flags(nix::libc::O_NONBLOCK).open(path)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("it is not a file"));
        }
        let mut bytes = Vec::new();
        file.take(len_max as u64 + 1).read_to_end(&mut bytes)?;
        if bytes.len() > len_max { Err(io::Error::other("it is longer than it should be")) } else { Ok(bytes) }
    };
    read().map_err(|error| Trouble::new("read", path, &error).into_error())
}

/// State is nobody else's business.
pub fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}

/// The path of a name, which stays below the state folder.
fn place(state_dir: &Path, name: &str) -> Result<PathBuf, DiskError> {
    let is_plain = |part: &str| {
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        !part.is_empty() && !part.starts_with('.') && part.bytes().all(is_word)
    };
    if !name.split('/').all(is_plain) {
        let text = format!("`{}` is no name for a file of ours", name.escape_debug());
        return Err(DiskError { kind: DiskErrorKind::Other, text });
    }
    Ok(state_dir.join(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_saved_is_loaded() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(load(dir.path(), "a/b.c", 10), Ok(None));
        save(dir.path(), "a/b.c", b"first").unwrap();
        save(dir.path(), "a/b.c", b"second").unwrap();
        let (bytes, age) = load(dir.path(), "a/b.c", 10).unwrap().unwrap();
        assert_eq!(bytes, b"second");
        assert!(age < Span::secs(60), "{age}");
        assert!(load(dir.path(), "a/b.c", 5).unwrap_err().text.contains("longer"));
        assert_eq!(fs::read_dir(dir.path().join("a")).unwrap().count(), 1);
    }

    #[test]
    fn what_is_made_once_stays_and_is_private() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let make = |bytes: &'static [u8; 3]| once(dir.path(), "key", bytes, 10);
        let all = std::thread::scope(|scope| {
            let racing = [b"one", b"two", b"six"].map(|bytes| scope.spawn(move || make(bytes)));
            racing.map(|made| made.join().unwrap().unwrap())
        });
        let kept = make(b"new").unwrap();
        assert!(all.iter().all(|got| *got == kept), "{all:?}");
        assert_eq!(fs::metadata(dir.path().join("key")).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        fs::write(dir.path().join("key"), "longer than ten").unwrap();
        assert!(make(b"new").unwrap_err().text.contains("longer"));
    }

    #[test]
    fn what_is_added_stands_behind_what_was_there() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = Log::default();
        let mut append = |name: &str, bytes: &[u8]| log.append(dir.path(), name, bytes);
        append("a/b", b"one").unwrap();
        append("a/b", b" two").unwrap();
        assert_eq!(fs::read(dir.path().join("a/b")).unwrap(), b"one two");
        append("c", b"other").unwrap();
        append("a/b", b" three").unwrap();
        assert!(append("../b", b"").is_err() && append("a", b"").is_err());
        save(dir.path(), "a/b", b"four").unwrap();
        log.forget("a/b");
        log.append(dir.path(), "a/b", b" five").unwrap();
        assert_eq!(fs::read(dir.path().join("a/b")).unwrap(), b"four five");
    }

    #[test]
    fn names_stay_below_the_state_folder() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["", "/etc/x", "../x", "a/../x", "a//b", ".x", "a b", "a\0"] {
            assert!(save(dir.path(), name, b"").is_err(), "{name:?}");
            assert!(load(dir.path(), name, 1).is_err(), "{name:?}");
        }
    }
}
