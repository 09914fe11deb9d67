//! One torrent's state files: lock, snapshot, journal and part file, all in `<state-dir>/resume/`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::keep::{private, replace, replace_soon};
use super::lock::Lock;
use super::trouble::Trouble;
use crate::base::InfoHash;
use crate::machine::DiskError;
use crate::storage::journal::{End, Journal, Line};

/// A longer state file is not ours.
const LEN_MAX: u64 = 64 * 1024 * 1024;

/// The files' names, and the lock that makes them ours.
#[derive(Debug)]
pub struct StateFiles {
    folder: PathBuf,
    stem: String,
    info_hash: InfoHash,
    _lock: Lock,
}

impl StateFiles {
    /// Takes the torrent's lock; makes the folder when it is not there.
    ///
    /// # Errors
    /// `Locked` when another process works on the torrent; others when the state folder cannot be used.
    pub fn open(state_dir: &Path, info_hash: InfoHash) -> Result<StateFiles, DiskError> {
        let folder = state_dir.join("resume");
        fs::create_dir_all(&folder).map_err(|error| Trouble::new("make", &folder, &error).into_error())?;
        let stem = info_hash.to_string();
        let lock = Lock::take(&folder.join(format!("{stem}.lock")))?;
        Ok(StateFiles { folder, stem, info_hash, _lock: lock })
    }

    /// Path of the part file.
    pub fn part(&self) -> PathBuf {
        self.path("part")
    }

    /// The snapshot's bytes, if there is one.
    pub fn read_snapshot(&self) -> Option<Vec<u8>> {
        self.read(&self.path("snapshot"))
    }

    /// The journal's bytes; none if there is no journal.
    pub fn read_journal(&self) -> Vec<u8> {
        self.read(&self.path("journal")).unwrap_or_default()
    }

    /// Replaces the snapshot so that after a power cut there is the old or the new one; or, where `waits` is false and
    /// none is worth anything, perhaps a damaged one.
    ///
    /// # Errors
    /// When any step of it fails; the old one stays.
    pub fn write_snapshot(&self, bytes: &[u8], waits: bool) -> Result<(), DiskError> {
        let write = if waits { replace } else { replace_soon };
        write(&self.folder, &format!("{}.snapshot", self.stem), bytes)
    }

    /// Begins an empty journal that goes on from a snapshot.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn start_journal(&self, generation: u64, boot_id: &str) -> Result<JournalFile, DiskError> {
        let path = self.path("journal");
        let (bytes, end) = Journal::header(generation, self.info_hash, boot_id);
        let write = || -> io::Result<File> {
            let file = private().write(true).create(true).truncate(true).open(&path)?;
            file.write_all_at(&bytes, 0)?;
            Ok(file)
        };
        let file = write().map_err(|error| Trouble::new("write", &path, &error).into_error())?;
        Ok(JournalFile { file, path, end, begun: false })
    }

    /// Goes on with the journal that is there, cut to `end`.
    ///
    /// # Errors
    /// When it cannot be opened or cut.
    pub fn resume_journal(&self, end: End, begun: bool) -> Result<JournalFile, DiskError> {
        let path = self.path("journal");
        let open = || -> io::Result<File> {
            let file = OpenOptions::new().write(true).open(&path)?;
            file.set_len(end.len)?;
            Ok(file)
        };
        let file = open().map_err(|error| Trouble::new("write", &path, &error).into_error())?;
        Ok(JournalFile { file, path, end, begun })
    }

    fn path(&self, extension: &str) -> PathBuf {
        self.folder.join(format!("{}.{extension}", self.stem))
    }

    fn read(&self, path: &Path) -> Option<Vec<u8>> {
        let read = || -> io::Result<Vec<u8>> {
            let mut bytes = Vec::new();
            File::open(path)?.take(LEN_MAX).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        match read() {
            Ok(bytes) => Some(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                log::warn!("cannot read {}, going on without: {error}", path.display());
                None
            }
        }
    }
}

/// Where [`keep_torrent`] keeps a torrent.
pub fn kept_torrent(state_dir: &Path, info_hash: InfoHash) -> PathBuf {
    state_dir.join("torrents").join(format!("{info_hash}.torrent"))
}

/// Keeps a .torrent file whose metainfo came from peers, so that nobody has to be asked again.
///
/// # Errors
/// When the state folder cannot be written.
pub fn keep_torrent(state_dir: &Path, info_hash: InfoHash, bytes: &[u8]) -> Result<(), DiskError> {
    let folder = state_dir.join("torrents");
    fs::create_dir_all(&folder).map_err(|error| Trouble::new("make", &folder, &error).into_error())?;
    replace_soon(&folder, &format!("{info_hash}.torrent"), bytes)
}

/// The journal, open for appending.
#[derive(Debug)]
pub struct JournalFile {
    file: File,
    path: PathBuf,
    end: End,
    begun: bool,
}

impl JournalFile {
    /// Appends lines with one plain write. What could not be written is overwritten by the next lines; what it said
    /// is only found out again at the next start.
    pub fn append(&mut self, lines: &[Line]) -> bool {
        let mut bytes = Vec::with_capacity(lines.len() * 8);
        let end = lines.iter().fold(self.end, |end, line| line.encode(&mut bytes, end));
        match self.file.write_all_at(&bytes, self.end.len) {
            Ok(()) => {
                self.end = end;
                self.begun = true;
                true
            }
            Err(error) => {
                log::warn!("cannot write {}: {error}", self.path.display());
                false
            }
        }
    }

    /// To be called before payload is written: from then on the snapshot's times mean nothing.
    pub fn begin(&mut self) {
        if !self.begun {
            self.append(&[Line::Begun]);
        }
    }

    /// Whether nothing was added since it was begun.
    pub fn is_empty(&self) -> bool {
        !self.begun
    }

    /// fdatasync.
    ///
    /// # Errors
    /// When the kernel cannot.
    pub fn sync(&self) -> Result<(), DiskError> {
        self.file.sync_data().map_err(|error| Trouble::new("sync", &self.path, &error).into_error())
    }
}

/// Names this boot of the machine. Where the kernel does not say, every start counts as another boot.
pub fn boot_id() -> String {
    match fs::read_to_string("/proc/sys/kernel/random/boot_id") {
        Ok(text) if !text.trim().is_empty() && text.trim().len() <= 64 => text.trim().to_string(),
        _ => {
            let mut bytes = [0; 16];
            if let Err(error) = getrandom::fill(&mut bytes) {
                log::debug!("no boot id and no randomness: {error}");
            }
            format!("unknown-{:032x}", u128::from_le_bytes(bytes))
        }
    }
}
