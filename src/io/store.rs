//! One open torrent as the disk thread has it: how it is opened, saved and kept in step with its resume state.

use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use super::files::{Access, Folder, Key, Table, stamp_of};
use super::reserve::Reserve;
use super::statefile::{JournalFile, StateFiles};
use super::trouble::Trouble;
use crate::base::StoreId;
use crate::machine::{DiskError, DiskErrorKind, Opened, StoreSpec};
use crate::storage::journal::Line;
use crate::storage::resume::{Plan, Present, Stamp, carry_over, first_look, judge};
use crate::storage::snapshot::{CHECK_LEN, Snapshot};
use crate::storage::{Record, Resume};

/// A torrent that is open.
pub(super) struct Store {
    pub id: StoreId,
    pub folder: Arc<Folder>,
    state: StateFiles,
    /// None while the state folder cannot be written.
    journal: Option<JournalFile>,
    generation: u64,
    /// The check at the end of the snapshot that this run wrote last.
    saved: Option<Vec<u8>>,
    /// How each file looked when it was opened or saved, and last the part file.
    stamps: Vec<Option<Stamp>>,
    /// Written since the last checkpoint.
    dirty: BTreeSet<Key>,
    /// Claims about these are checked at the next start.
    distrusted: BTreeSet<Key>,
    /// A file that somebody took away.
    lost: Option<Key>,
    /// Room that is being reserved.
    pub reserving: Option<Reserve>,
}

/// What all stores of a process share.
pub(super) struct Shared<'a> {
    pub state_dir: &'a Path,
    pub boot_id: &'a str,
    pub table: &'a mut Table,
}

impl Store {
    /// Takes the lock, looks at the files and judges what earlier runs left.
    pub fn open(id: StoreId, spec: Arc<StoreSpec>, shared: &mut Shared<'_>) -> Result<(Store, Opened), DiskError> {
        let state = StateFiles::open(shared.state_dir, spec.info_hash)?;
        let folder = Arc::new(Folder::new(spec, state.part()));
        let mut stamps = look(&folder)?;
        let mut lens: Vec<_> = stamps.iter().map(|stamp| stamp.map(|stamp| stamp.len)).collect();
        lens.truncate(folder.layout().files().len());
        create_empty(&folder, &mut stamps)?;
        let snapshot = state.read_snapshot();
        let judged = judge(&present(&folder, &stamps, shared.boot_id), snapshot.as_deref(), &state.read_journal());
        let generation = judged.generation;
        let journal = match judged.plan {
            Plan::Append { end, clean } => state.resume_journal(end, !clean).map(Some),
            Plan::Restart => state.start_journal(generation, shared.boot_id).map(Some),
            Plan::Renew => Ok(None),
        };
        let journal = journal.unwrap_or_else(|error| {
            log::warn!("{}", error.text);
            None
        });
        let (dirty, distrusted) = (BTreeSet::new(), BTreeSet::new());
        let mut store = Store {
            id,
            folder,
            state,
            journal,
            generation,
            saved: None,
            stamps,
            dirty,
            distrusted,
            lost: None,
            reserving: None,
        };
        if judged.plan == Plan::Renew {
            // A run that is killed in its first check goes on with it.
            let found = || first_look(store.folder.layout(), &store.stamps);
            let resume = judged.resume.clone().unwrap_or_else(found);
            if !resume.claims_nothing() {
                // What was not saved yet counts as saved from here on.
                let there = (0..).zip(&store.stamps).filter(|(_, stamp)| stamp.is_some());
                store.dirty = there.map(|(key, _)| key).collect();
            }
            // Without it a later run only has to check more.
            if let Err(error) = store.sync(shared.table).and_then(|()| store.save(&resume, shared.boot_id)) {
                log::warn!("{}", error.text);
            }
        }
        Ok((store, Opened { resume: judged.resume, lens }))
    }

    /// Makes what was written durable, then remembers it.
    pub fn checkpoint(&mut self, mut resume: Resume, shared: &mut Shared<'_>) -> Result<(), DiskError> {
        let was_dirty = !self.dirty.is_empty();
        self.sync(shared.table)?;
        if self.journal.is_some() {
            carry_over(&mut resume, self.folder.layout().geometry(), &self.state.read_journal());
        }
        if was_dirty || !self.is_saved(&resume, shared.boot_id) {
            self.save(&resume, shared.boot_id).or_else(|error| {
                // What it says is all that will be left.
                self.journal.as_ref().map_or(Ok(()), JournalFile::sync)?;
                Err(error)
            })?;
        }
        // Until the torrent is opened again, nobody shall believe that it is whole.
        self.lost.map_or(Ok(()), |key| {
            let text = format!("{} was deleted or replaced while it was written", self.folder.path_of(key).display());
            Err(DiskError { kind: DiskErrorKind::Missing, text })
        })
    }

    /// Adds a record of the machine to the journal.
    pub fn record(&mut self, record: Record) {
        self.append(&[record.into()]);
    }

    /// Adds lines to the journal; true if there is nothing to be written again.
    pub fn append(&mut self, lines: &[Line]) -> bool {
        self.journal.as_mut().is_none_or(|journal| journal.append(lines))
    }

    /// Payload is about to be written.
    pub fn begin(&mut self) {
        if let Some(journal) = &mut self.journal {
            journal.begin();
        }
    }

    /// A file for writing; it counts as written from now on.
    pub fn file_to_write(&mut self, table: &mut Table, key: Key) -> Result<Arc<File>, DiskError> {
        let handed = table.open(self.id, &self.folder, key, Access::Write)?;
        if handed.fresh {
            self.meet(key, &handed.file);
        }
        self.dirty.insert(key);
        Ok(handed.file)
    }

    /// The journal hears of a file that it does not know yet.
    fn meet(&mut self, key: Key, file: &File) {
        let Ok(found) = file.metadata() else { return };
        let new = stamp_of(&found);
        let at = key as usize;
        let is_known = self.stamps[at].is_some_and(|old| old.inode == new.inode && old.device == new.device);
        if !is_known && self.append(&[Line::File { key, inode: new.inode, device: new.device }]) {
            self.stamps[at] = Some(new);
        }
    }

    /// Whether a file was there when it was last looked at.
    pub fn is_there(&self, key: Key) -> bool {
        self.stamps.get(key as usize).is_some_and(Option::is_some)
    }

    /// A file that was made and is taken away again, unless it is another one or has a byte in it.
    pub fn unmake(&mut self, table: &mut Table, key: Key) {
        let known = self.file_to_write(table, key).ok().and_then(|file| file.metadata().ok());
        table.forget(self.id, key);
        self.dirty.remove(&key);
        match self.folder.remove_empty(key, known.as_ref().map(stamp_of)) {
            Ok(()) => self.stamps[key as usize] = None,
            Err(error) => log::warn!("cannot remove {}: {error}", self.folder.path_of(key).display()),
        }
    }

    /// fdatasync of every file written since the last time.
    fn sync(&mut self, table: &mut Table) -> Result<(), DiskError> {
        for key in self.dirty.clone() {
            match self.sync_one(table, key) {
                Ok(Some(stamp)) => self.stamps[key as usize] = Some(stamp),
                Ok(None) => {
                    // The next write makes it anew.
                    table.forget(self.id, key);
                    self.distrusted.insert(key);
                    self.lost.get_or_insert(key);
                }
                Err(error) => {
                    // The kernel may have dropped pages and will not say so again.
                    self.distrusted.insert(key);
                    return Err(error);
                }
            }
            self.dirty.remove(&key);
        }
        for &key in &self.distrusted {
            self.stamps[key as usize] = None;
        }
        Ok(())
    }

    /// fdatasync of one file; None when it is not in its place any more.
    fn sync_one(&self, table: &mut Table, key: Key) -> Result<Option<Stamp>, DiskError> {
        let file = match table.open(self.id, &self.folder, key, Access::Read) {
            Ok(handed) => handed.file,
            Err(error) if error.kind == DiskErrorKind::Missing => return Ok(None),
            Err(error) => return Err(error),
        };
        let found = file.sync_data().and_then(|()| file.metadata());
        let found = found.map_err(|error| Trouble::new("sync", &self.folder.path_of(key), &error).into_error())?;
        let stamp = stamp_of(&found);
        if found.nlink() == 0 {
            // Some file systems do not count links: what is in its place decides.
            let there = self.folder.stamp(key).map_err(Trouble::into_error)?;
            return Ok(there.filter(|there| there.inode == stamp.inode));
        }
        Ok(Some(stamp))
    }

    /// Whether the last snapshot says the same, and nothing came after it.
    fn is_saved(&self, resume: &Resume, boot_id: &str) -> bool {
        let is_empty = self.journal.as_ref().is_some_and(JournalFile::is_empty);
        is_empty && self.saved.as_deref() == Some(check_of(&self.snapshot(self.generation, resume, boot_id)))
    }

    /// Writes a snapshot of the next generation and begins its journal.
    fn save(&mut self, resume: &Resume, boot_id: &str) -> Result<(), DiskError> {
        let generation = self.generation + 1;
        let bytes = self.snapshot(generation, resume, boot_id);
        self.state.write_snapshot(&bytes, !resume.claims_nothing())?;
        self.generation = generation;
        self.saved = Some(check_of(&bytes).to_vec());
        // The old journal goes on from an older snapshot: nothing more may be added to it.
        self.journal = None;
        self.journal = Some(self.state.start_journal(generation, boot_id)?);
        Ok(())
    }

    fn snapshot(&self, generation: u64, resume: &Resume, boot_id: &str) -> Vec<u8> {
        Snapshot::encode(&present(&self.folder, &self.stamps, boot_id), generation, resume)
    }
}

fn check_of(snapshot: &[u8]) -> &[u8] {
    &snapshot[snapshot.len().saturating_sub(CHECK_LEN)..]
}

fn present<'a>(folder: &'a Folder, stamps: &'a [Option<Stamp>], boot_id: &'a str) -> Present<'a> {
    let spec = folder.spec();
    let dir = spec.dir.as_os_str().as_bytes();
    Present { info_hash: spec.info_hash, layout: &spec.layout, dir, boot_id, stamps }
}

/// How all files look. Something in the place of a wanted one is an error before anything is downloaded.
fn look(folder: &Folder) -> Result<Vec<Option<Stamp>>, DiskError> {
    let layout = folder.layout();
    let mut stamps = Vec::with_capacity(layout.files().len() + 1);
    for (index, file) in layout.files().iter().enumerate() {
        let looked = if file.pad { Ok(None) } else { folder.stamp(index as Key) };
        stamps.push(match looked {
            Err(trouble) if layout.is_wanted(index) => return Err(trouble.into_error()),
            looked => looked.unwrap_or(None),
        });
    }
    stamps.push(folder.stamp(folder.part_key()).map_err(Trouble::into_error)?);
    Ok(stamps)
}

/// Wanted files without a byte get no write: they are made here.
fn create_empty(folder: &Folder, stamps: &mut [Option<Stamp>]) -> Result<(), DiskError> {
    for (index, file) in folder.layout().files().iter().enumerate() {
        if file.len == 0 && folder.layout().is_wanted(index) && stamps[index].is_none() {
            folder.open(index as Key, Access::Write).map_err(Trouble::into_error)?;
            stamps[index] = folder.stamp(index as Key).map_err(Trouble::into_error)?;
        }
    }
    Ok(())
}
