//! A torrent's files: opened beneath the download folder step by step, never through a symbolic link, never
//! truncated; and a bounded table of those that are open.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::trouble::Trouble;
use crate::base::StoreId;
use crate::machine::{DiskError, StoreSpec};
use crate::storage::resume::Stamp;
use crate::storage::{Layout, Place, Slice};

/// A file of a layout by its index; the part file comes behind the last one.
pub type Key = u32;

/// What a file is opened for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// It must be there.
    Read,
    /// Made with its folders where it is not there; for reading too.
    Write,
}

/// One torrent's folder and part file.
#[derive(Debug)]
pub struct Folder {
    spec: Arc<StoreSpec>,
    part: PathBuf,
}

impl Folder {
    /// `part`: path of the part file, in the state folder.
    pub fn new(spec: Arc<StoreSpec>, part: PathBuf) -> Folder {
        Folder { spec, part }
    }

    pub fn spec(&self) -> &StoreSpec {
        &self.spec
    }

    pub fn layout(&self) -> &Layout {
        &self.spec.layout
    }

    /// The part file's key.
    pub fn part_key(&self) -> Key {
        self.layout().files().len() as Key
    }

    /// Where a slice is stored; None for the zeros of pad files.
    pub fn key_of(&self, slice: &Slice) -> Option<Key> {
        match slice.place {
            Place::File(index) => Some(index),
            Place::Part => Some(self.part_key()),
            Place::Pad => None,
        }
    }

    /// Its path, for people.
    pub fn path_of(&self, key: Key) -> PathBuf {
        match self.layout().files().get(key as usize) {
            Some(file) => file.path.iter().fold(self.spec.dir.clone(), |path, part| path.join(part)),
            None => self.part.clone(),
        }
    }

    /// Opens a file.
    ///
    /// # Errors
    /// `Missing` when it is not there and shall be read; `Denied` when something else is in its place or in the way.
    pub fn open(&self, key: Key, access: Access) -> Result<File, Trouble> {
        let what = if access == Access::Write { "write" } else { "read" };
        let opened = self.open_inner(key, access).map_err(|error| self.explain(what, key, &error))?;
        let kind = opened.metadata().map_err(|error| Trouble::new(what, &self.path_of(key), &error))?.file_type();
        if kind.is_file() {
            return Ok(opened);
        }
        let reason = if kind.is_dir() { "a folder is in its place" } else { "it is not a regular file" };
        Err(Trouble::denied(what, &self.path_of(key), reason))
    }

    /// How a file looks; None when it is not there.
    ///
    /// # Errors
    /// `Denied` when something else is in its place or in the way.
    pub fn stamp(&self, key: Key) -> Result<Option<Stamp>, Trouble> {
        let looked = match self.layout().files().get(key as usize) {
            Some(file) => self.walk(&file.path, OFlag::O_PATH, Mode::empty(), false),
            None => {
                again(|| open(&self.part, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty())).map_err(io::Error::from)
            }
        };
        let found = match looked {
            Ok(descriptor) => File::from(descriptor).metadata(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.explain("read", key, &error)),
        };
        let found = found.map_err(|error| Trouble::new("read", &self.path_of(key), &error))?;
        if !found.is_file() {
            let reason = if found.is_symlink() { LINK } else { "something else is in its place" };
            return Err(Trouble::denied("use", &self.path_of(key), reason));
        }
        Ok(Some(stamp_of(&found)))
    }

    fn open_inner(&self, key: Key, access: Access) -> io::Result<File> {
        // Non-blocking, so that a FIFO in the file's place cannot hang us; regular files do not care.
        let flags = match access {
            Access::Read => OFlag::O_RDONLY | OFlag::O_NONBLOCK,
            Access::Write => OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_NONBLOCK,
        };
        let Some(file) = self.layout().files().get(key as usize) else {
            let flags = flags | OFlag::O_CLOEXEC | OFlag::O_LARGEFILE;
            return Ok(again(|| open(&self.part, flags, Mode::from_bits_truncate(0o600)))?.into());
        };
        let mode = Mode::from_bits_truncate(if file.executable { 0o777 } else { 0o666 });
        Ok(self.walk(&file.path, flags, mode, access == Access::Write)?.into())
    }

    /// Removes a file of no bytes, if it is still this one.
    ///
    /// # Errors
    /// When it is not, or cannot be removed.
    pub fn remove_empty(&self, key: Key, known: Option<Stamp>) -> io::Result<()> {
        let Some(file) = self.layout().files().get(key as usize) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let (at, name) = self.walk_to_folder(&file.path, false)?;
        let look = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let found = File::from(again(|| openat(&at, name, look, Mode::empty()))?).metadata()?;
        let is_it = known.is_some_and(|known| known.inode == found.ino() && known.device == found.dev());
        if !is_it || !found.is_file() || found.len() > 0 {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        Ok(unlinkat(&at, name, UnlinkatFlags::NoRemoveDir)?)
    }

    /// Removes a file, whatever it holds; a symbolic link or a folder in its place stays. One that is not there is no
    /// trouble.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove(&self, key: Key) -> Result<(), Trouble> {
        let Some(file) = self.layout().files().get(key as usize) else { return Ok(()) };
        let remove = || -> io::Result<()> {
            let (at, name) = self.walk_to_folder(&file.path, false)?;
            let look = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
            if File::from(again(|| openat(&at, name, look, Mode::empty()))?).metadata()?.is_file() {
                unlinkat(&at, name, UnlinkatFlags::NoRemoveDir)?;
            }
            Ok(())
        };
        match remove() {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(self.explain("remove", key, &error)),
            _ => Ok(()),
        }
    }

    /// Removes a folder below the download folder if it is empty.
    pub fn remove_folder(&self, path: &[String]) -> bool {
        let remove = |(at, name): (OwnedFd, &str)| Ok(unlinkat(&at, name, UnlinkatFlags::RemoveDir)?);
        self.walk_to_folder(path, false).and_then(remove).is_ok()
    }

    /// Opens the last part of `path` with `flags`, going down one folder at a time.
    fn walk(&self, path: &[String], flags: OFlag, mode: Mode, create: bool) -> io::Result<OwnedFd> {
        let (at, name) = self.walk_to_folder(path, create)?;
        let flags = flags | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | OFlag::O_LARGEFILE;
        Ok(again(|| openat(&at, name, flags, mode))?)
    }

    /// The folder that holds the last part of `path`, and that part.
    pub(super) fn walk_to_folder<'a>(&self, path: &'a [String], create: bool) -> io::Result<(OwnedFd, &'a str)> {
        let Some((name, folders)) = path.split_last() else { return Err(io::ErrorKind::InvalidInput.into()) };
        let step = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let open_dir = || again(|| open(&self.spec.dir, step, Mode::empty()));
        let mut at = match open_dir() {
            Err(Errno::ENOENT) if create => {
                fs::create_dir_all(&self.spec.dir)?;
                open_dir()?
            }
            other => other?,
        };
        for folder in folders {
            let open_next = || again(|| openat(&at, folder.as_str(), step | OFlag::O_NOFOLLOW, Mode::empty()));
            let next = match open_next() {
                Err(Errno::ENOENT) if create => {
                    match again(|| mkdirat(&at, folder.as_str(), Mode::from_bits_truncate(0o777))) {
                        Ok(()) | Err(Errno::EEXIST) => {}
                        Err(errno) => return Err(errno.into()),
                    }
                    open_next()?
                }
                other => other?,
            };
            at = next;
        }
        Ok((at, name))
    }

    /// Says what is in the way, where the error number alone would puzzle people.
    fn explain(&self, what: &str, key: Key, error: &io::Error) -> Trouble {
        let path = self.path_of(key);
        let number = error.raw_os_error().map(Errno::from_raw);
        let below = path.strip_prefix(&self.spec.dir).unwrap_or(Path::new(""));
        if matches!(number, Some(Errno::ELOOP | Errno::ENOTDIR)) {
            let mut at = self.spec.dir.clone();
            for part in below {
                at.push(part);
                let Ok(found) = fs::symlink_metadata(&at) else { break };
                if found.is_symlink() {
                    return Trouble::denied(what, &path, &format!("{} {LINK}", at.display()));
                }
                if at != path && !found.is_dir() {
                    return Trouble::denied(what, &path, &format!("{} is not a folder", at.display()));
                }
            }
        }
        Trouble::new(what, &path, error)
    }
}

/// Until it is not interrupted by a signal.
pub(super) fn again<T>(mut call: impl FnMut() -> nix::Result<T>) -> nix::Result<T> {
    loop {
        match call() {
            Err(Errno::EINTR) => {}
            other => return other,
        }
    }
}

const LINK: &str = "is a symbolic link, which is never followed";

/// How an open file looks.
pub fn stamp_of(found: &fs::Metadata) -> Stamp {
    let mtime_ns = found.mtime().saturating_mul(1_000_000_000).saturating_add(found.mtime_nsec());
    Stamp { len: found.len(), mtime_ns, inode: found.ino(), device: found.dev() }
}

/// Reads the whole of `buffer` at `offset`.
///
/// # Errors
/// `Missing` when the file ends earlier.
pub fn read_exact_at(file: &File, buffer: &mut [u8], offset: u64, path: &dyn Fn() -> PathBuf) -> Result<(), Trouble> {
    let mut done = 0;
    while done < buffer.len() {
        match file.read_at(&mut buffer[done..], offset + done as u64) {
            Ok(0) => return Err(Trouble::short(&path())),
            Ok(len) => done += len,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Trouble::new("read", &path(), &error)),
        }
    }
    Ok(())
}

struct Entry {
    file: Arc<File>,
    access: Access,
    used: u64,
}

/// The open files of all torrents: at most so many, the one that was not used for the longest time goes first.
pub struct Table {
    entries: BTreeMap<(StoreId, Key), Entry>,
    max: usize,
    uses: u64,
}

/// A file from the table.
pub struct Handed {
    pub file: Arc<File>,
    /// It was opened for writing just now, so it may be a new one.
    pub fresh: bool,
}

impl Table {
    /// At most `max` open files, at least one.
    pub fn new(max: usize) -> Table {
        Table { entries: BTreeMap::new(), max: max.max(1), uses: 0 }
    }

    /// An open file, from the table or opened now.
    ///
    /// # Errors
    /// As [`Folder::open`].
    pub fn open(&mut self, store: StoreId, folder: &Folder, key: Key, access: Access) -> Result<Handed, DiskError> {
        self.uses += 1;
        if let Some(entry) = self.entries.get_mut(&(store, key))
            && (entry.access == Access::Write || access == Access::Read)
        {
            entry.used = self.uses;
            return Ok(Handed { file: Arc::clone(&entry.file), fresh: false });
        }
        self.entries.remove(&(store, key));
        while self.entries.len() >= self.max {
            self.evict();
        }
        let opened = match folder.open(key, access) {
            Err(trouble) if trouble.is_exhaustion() && !self.entries.is_empty() => {
                // Somebody else took the descriptors: live with fewer.
                for _ in 0..self.entries.len().div_ceil(2) {
                    self.evict();
                }
                folder.open(key, access)
            }
            other => other,
        };
        let file = Arc::new(opened.map_err(Trouble::into_error)?);
        self.entries.insert((store, key), Entry { file: Arc::clone(&file), access, used: self.uses });
        Ok(Handed { file, fresh: access == Access::Write })
    }

    /// Closes one file: the next use opens whatever is in its place then.
    pub fn forget(&mut self, store: StoreId, key: Key) {
        self.entries.remove(&(store, key));
    }

    /// Closes a torrent's files.
    pub fn close(&mut self, store: StoreId) {
        self.entries.retain(|(of, _), _| *of != store);
    }

    fn evict(&mut self) {
        let oldest = self.entries.iter().min_by_key(|(_, entry)| entry.used).map(|(at, _)| *at);
        if let Some(at) = oldest {
            self.entries.remove(&at);
        }
    }
}
