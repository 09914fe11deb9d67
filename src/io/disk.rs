//! The disk thread: positioned reads and writes, fsync, state files. One job at a time, in order.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, IoSlice};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

use crossbeam_channel::Receiver;

use super::files::{Access, Folder, Key, Table, read_exact_at, stamp_of};
use super::hasher::{HashJob, Hashers};
use super::mailbox::Sender;
use super::resident::Lent;
use super::statefile::{JournalFile, StateFiles};
use super::trouble::Trouble;
use crate::base::{BLOCK_LEN, Block, Filled, Piece, StoreId};
use crate::machine::{Completion, DiskError, DiskErrorKind, Job, Opened, Run, StoreSpec};
use crate::storage::journal::Line;
use crate::storage::resume::{Plan, Present, Stamp, carry_over, first_look, judge};
use crate::storage::snapshot::Snapshot;
use crate::storage::{Record, Resume};

const STACK_LEN: usize = 256 * 1024;

/// A job with a used buffer for what it reads.
#[derive(Debug)]
pub struct DiskJob {
    pub job: Job,
    pub buffer: Vec<u8>,
}

/// What the disk thread is started with.
#[derive(Debug)]
pub struct DiskOptions {
    pub state_dir: PathBuf,
    pub open_files: usize,
    pub boot_id: String,
}

/// Starts the thread; it ends when the channel does.
///
/// # Errors
/// When the operating system gives no thread.
pub fn start(
    options: DiskOptions,
    jobs: Receiver<DiskJob>,
    mail: Sender,
    hashers: Hashers,
) -> io::Result<JoinHandle<()>> {
    let table = Table::new(options.open_files);
    let mut disk = Disk { options, mail, hashers, table, stores: BTreeMap::new() };
    let run = move || jobs.iter().for_each(|job| disk.handle(job));
    std::thread::Builder::new().name("disk".into()).stack_size(STACK_LEN).spawn(run)
}

/// A torrent that is open.
struct Store {
    folder: Arc<Folder>,
    state: StateFiles,
    /// None while the state folder cannot be written.
    journal: Option<JournalFile>,
    generation: u64,
    /// How each file looked when it was opened or saved, and last the part file.
    stamps: Vec<Option<Stamp>>,
    /// Written since the last checkpoint.
    dirty: BTreeSet<Key>,
    /// Claims about these are checked at the next start.
    distrusted: BTreeSet<Key>,
    /// A file that somebody took away.
    lost: Option<Key>,
}

struct Disk {
    options: DiskOptions,
    mail: Sender,
    hashers: Hashers,
    table: Table,
    stores: BTreeMap<StoreId, Store>,
}

impl Disk {
    fn handle(&mut self, DiskJob { job, buffer }: DiskJob) {
        match job {
            Job::Open { store, spec } => {
                let result = self.open(store, spec);
                self.mail.send(Completion::Opened { store, result });
            }
            Job::Write { store, piece, blocks, last } => self.write(store, piece, blocks, last),
            Job::Forget { store, piece } => self.hashers.send(piece, HashJob::Forget { store, piece }),
            Job::Check { store, piece } => match self.folder(store) {
                Ok(folder) => self.hashers.send(piece, HashJob::Check { folder, store, piece }),
                Err(error) => {
                    self.mail.send(Completion::Hashed { store, piece, digest: Err(error) });
                }
            },
            Job::Digests { store, piece } => match self.folder(store) {
                Ok(folder) => self.hashers.send(piece, HashJob::Digests { folder, store, piece }),
                Err(error) => {
                    self.mail.send(Completion::Digests { store, piece, digests: Err(error) });
                }
            },
            Job::Read { store, conn, block } => {
                let (run, lent) = self.read(store, block, buffer);
                self.mail.send_lending(Completion::Read { store, conn, block, run: run.map(Run) }, lent);
            }
            Job::Journal { store, record } => self.journal(store, record),
            Job::Checkpoint { store, resume } => {
                let result = self.checkpoint(store, *resume);
                self.mail.send(Completion::Saved { store, result });
            }
            Job::Close { store } => {
                self.table.close(store);
                self.hashers.close(store);
                self.stores.remove(&store);
            }
            Job::Fetch { .. } | Job::Resolve { .. } => log::error!("a job for the web came to the disk"),
        }
    }

    fn folder(&self, store: StoreId) -> Result<Arc<Folder>, DiskError> {
        self.stores.get(&store).map(|store| Arc::clone(&store.folder)).ok_or_else(not_open)
    }

    // ---- opening and saving

    fn open(&mut self, id: StoreId, spec: Arc<StoreSpec>) -> Result<Opened, DiskError> {
        let state = StateFiles::open(&self.options.state_dir, spec.info_hash)?;
        let folder = Arc::new(Folder::new(spec, state.part()));
        let stamps = look(&folder)?;
        create_empty(&folder, &stamps)?;
        let layout = folder.layout();
        let mut lens: Vec<_> = stamps.iter().map(|stamp| stamp.map(|stamp| stamp.len)).collect();
        lens.truncate(layout.files().len());
        let present = Present {
            info_hash: folder.spec().info_hash,
            layout,
            dir: folder.spec().dir.as_os_str().as_bytes(),
            boot_id: &self.options.boot_id,
            stamps: &stamps,
        };
        let judged = judge(&present, state.read_snapshot().as_deref(), &state.read_journal());
        let generation = judged.generation;
        let journal = match judged.plan {
            Plan::Append { end, clean } => state.resume_journal(end, !clean).map(Some),
            Plan::Restart => state.start_journal(generation, &self.options.boot_id).map(Some),
            Plan::Renew => Ok(None),
        };
        let journal = journal.unwrap_or_else(|error| {
            log::warn!("{}", error.text);
            None
        });
        let mut store = Store {
            folder,
            state,
            journal,
            generation,
            stamps,
            dirty: BTreeSet::new(),
            distrusted: BTreeSet::new(),
            lost: None,
        };
        if judged.plan == Plan::Renew {
            // A run that is killed in its first check goes on with it.
            let found = || first_look(store.folder.layout(), &store.stamps);
            let resume = judged.resume.clone().unwrap_or_else(found);
            if !resume.claims_nothing() {
                // What was not saved yet counts as saved from here on.
                store.dirty =
                    (0..).zip(&store.stamps).filter(|(_, stamp)| stamp.is_some()).map(|(key, _)| key).collect();
            }
            // Without it a later run only has to check more.
            if let Err(error) = self.sync(id, &mut store).and_then(|()| self.save(&mut store, &resume)) {
                log::warn!("{}", error.text);
            }
        }
        self.stores.insert(id, store);
        Ok(Opened { resume: judged.resume, lens })
    }

    fn checkpoint(&mut self, id: StoreId, mut resume: Resume) -> Result<(), DiskError> {
        let mut store = self.stores.remove(&id).ok_or_else(not_open)?;
        let result = self.sync(id, &mut store).and_then(|()| {
            if let Some(journal) = &store.journal {
                journal.sync()?;
                let journal = store.state.read_journal();
                carry_over(&mut resume, store.folder.layout().geometry(), &journal);
            }
            self.save(&mut store, &resume)?;
            // Until the torrent is opened again, nobody shall believe that it is whole.
            store.lost.map_or(Ok(()), |key| {
                let text =
                    format!("{} was deleted or replaced while it was written", store.folder.path_of(key).display());
                Err(DiskError { kind: DiskErrorKind::Missing, text })
            })
        });
        self.stores.insert(id, store);
        result
    }

    /// fdatasync of every file written since the last time.
    fn sync(&mut self, id: StoreId, store: &mut Store) -> Result<(), DiskError> {
        for key in store.dirty.clone() {
            match self.sync_one(id, &store.folder, key) {
                Ok(Some(stamp)) => store.stamps[key as usize] = Some(stamp),
                Ok(None) => {
                    // The next write makes it anew.
                    self.table.forget(id, key);
                    store.distrusted.insert(key);
                    store.lost.get_or_insert(key);
                }
                Err(error) => {
                    // The kernel may have dropped pages and will not say so again.
                    store.distrusted.insert(key);
                    return Err(error);
                }
            }
            store.dirty.remove(&key);
        }
        for &key in &store.distrusted {
            store.stamps[key as usize] = None;
        }
        Ok(())
    }

    /// fdatasync of one file; None when it is not in its place any more.
    fn sync_one(&mut self, id: StoreId, folder: &Folder, key: Key) -> Result<Option<Stamp>, DiskError> {
        let file = match self.table.open(id, folder, key, Access::Read) {
            Ok(handed) => handed.file,
            Err(error) if error.kind == DiskErrorKind::Missing => return Ok(None),
            Err(error) => return Err(error),
        };
        let found = file.sync_data().and_then(|()| file.metadata());
        let found = found.map_err(|error| Trouble::new("sync", &folder.path_of(key), &error).into_error())?;
        let stamp = stamp_of(&found);
        if found.nlink() == 0 {
            // Some file systems do not count links: what is in its place decides.
            let there = folder.stamp(key).map_err(Trouble::into_error)?;
            return Ok(there.filter(|there| there.inode == stamp.inode));
        }
        Ok(Some(stamp))
    }

    /// Writes a snapshot of the next generation and begins its journal.
    fn save(&self, store: &mut Store, resume: &Resume) -> Result<(), DiskError> {
        let spec = store.folder.spec();
        let present = Present {
            info_hash: spec.info_hash,
            layout: &spec.layout,
            dir: spec.dir.as_os_str().as_bytes(),
            boot_id: &self.options.boot_id,
            stamps: &store.stamps,
        };
        let generation = store.generation + 1;
        store.state.write_snapshot(&Snapshot::encode(&present, generation, resume))?;
        store.generation = generation;
        // The old journal goes on from an older snapshot: nothing more may be added to it.
        store.journal = None;
        store.journal = Some(store.state.start_journal(generation, &self.options.boot_id)?);
        Ok(())
    }

    fn journal(&mut self, id: StoreId, record: Record) {
        if let Some(journal) = self.stores.get_mut(&id).and_then(|store| store.journal.as_mut()) {
            journal.append(&[record.into()]);
        }
    }

    // ---- payload

    fn write(&mut self, id: StoreId, piece: Piece, blocks: Vec<Filled>, last: bool) {
        match self.write_blocks(id, &blocks) {
            Ok(folder) => {
                self.hashers.send(piece, HashJob::Batch { folder, store: id, piece, blocks, last });
            }
            Err(error) => {
                self.mail.send(Completion::WriteFailed { store: id, blocks, error });
                self.hashers.send(piece, HashJob::Forget { store: id, piece });
            }
        }
    }

    /// Joins neighbours and writes them; then the journal knows of it.
    fn write_blocks(&mut self, id: StoreId, blocks: &[Filled]) -> Result<Arc<Folder>, DiskError> {
        let Disk { table, stores, .. } = self;
        let store = stores.get_mut(&id).ok_or_else(not_open)?;
        let folder = Arc::clone(&store.folder);
        if let Some(journal) = &mut store.journal {
            journal.begin();
        }
        let mut batch = Batch { key: 0, offset: 0, end: 0, slices: Vec::with_capacity(blocks.len()) };
        for filled in blocks {
            let mut payload = filled.payload();
            for slice in folder.layout().slices_of(filled.block) {
                let (bytes, rest) = payload.split_at(slice.len as usize);
                payload = rest;
                let Some(key) = folder.key_of(&slice) else { continue };
                if !batch.joins(key, slice.offset) {
                    store.write_batch(table, id, &mut batch)?;
                    batch = Batch { key, offset: slice.offset, end: slice.offset, slices: batch.slices };
                }
                batch.slices.push(IoSlice::new(bytes));
                batch.end += u64::from(slice.len);
            }
        }
        store.write_batch(table, id, &mut batch)?;
        if let Some(journal) = &mut store.journal {
            journal.append(&stored_lines(blocks));
        }
        Ok(folder)
    }

    /// The run, and the file that it came from last.
    fn read(&mut self, id: StoreId, block: Block, buffer: Vec<u8>) -> (Result<Vec<u8>, DiskError>, Option<Lent>) {
        let mut lent = None;
        let run = self.read_lending(id, block, buffer, &mut lent);
        (run, lent)
    }

    fn read_lending(
        &mut self,
        id: StoreId,
        block: Block,
        mut buffer: Vec<u8>,
        lent: &mut Option<Lent>,
    ) -> Result<Vec<u8>, DiskError> {
        let folder = self.folder(id)?;
        buffer.resize(block.len() as usize, 0);
        let mut rest = &mut buffer[..];
        for slice in folder.layout().slices_of(block) {
            let (bytes, behind) = rest.split_at_mut(slice.len as usize);
            rest = behind;
            match folder.key_of(&slice) {
                None => bytes.fill(0),
                Some(key) => {
                    let file = self.table.open(id, &folder, key, Access::Read)?.file;
                    let path = || folder.path_of(key);
                    read_exact_at(&file, bytes, slice.offset, &path).map_err(Trouble::into_error)?;
                    *lent = Some(Lent { store: id, key, file });
                }
            }
        }
        Ok(buffer)
    }
}

/// Neighbours in one file that leave with one system call.
struct Batch<'a> {
    key: Key,
    offset: u64,
    end: u64,
    slices: Vec<IoSlice<'a>>,
}

impl Batch<'_> {
    fn joins(&self, key: Key, offset: u64) -> bool {
        !self.slices.is_empty() && self.key == key && self.end == offset
    }
}

impl Store {
    fn write_batch(&mut self, table: &mut Table, id: StoreId, batch: &mut Batch<'_>) -> Result<(), DiskError> {
        if batch.slices.is_empty() {
            return Ok(());
        }
        let key = batch.key;
        let handed = table.open(id, &self.folder, key, Access::Write)?;
        if handed.fresh {
            self.meet(key, &handed.file);
        }
        self.dirty.insert(key);
        let written = write_all_vectored_at(&handed.file, &mut batch.slices, batch.offset);
        batch.slices.clear();
        written.map_err(|error| Trouble::new("write", &self.folder.path_of(key), &error).into_error())
    }

    /// The journal hears of a file that it does not know yet.
    fn meet(&mut self, key: Key, file: &File) {
        let Ok(found) = file.metadata() else { return };
        let new = stamp_of(&found);
        let at = key as usize;
        let is_known = self.stamps[at].is_some_and(|old| old.inode == new.inode && old.device == new.device);
        if is_known {
            return;
        }
        let line = Line::File { key, inode: new.inode, device: new.device };
        if self.journal.as_mut().is_none_or(|journal| journal.append(&[line])) {
            self.stamps[at] = Some(new);
        }
    }
}

/// pwritev until everything is written: short writes and interruptions go on.
fn write_all_vectored_at(file: &File, mut slices: &mut [IoSlice<'_>], mut offset: u64) -> io::Result<()> {
    while let Some(first) = slices.first() {
        let at = nix::libc::off_t::try_from(offset);
        let written = match at {
            Ok(at) if slices.len() > 1 => nix::sys::uio::pwritev(file, slices, at).map_err(io::Error::from),
            // One slice, or an offset that this call cannot take on 32-bit systems.
            _ => file.write_at(first, offset),
        };
        match written {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(len) => {
                offset += len as u64;
                IoSlice::advance_slices(&mut slices, len);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// A line per run of neighbouring blocks.
fn stored_lines(blocks: &[Filled]) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for filled in blocks {
        let block = filled.block;
        if !block.begin().is_multiple_of(BLOCK_LEN) {
            continue;
        }
        match lines.last_mut() {
            Some(Line::Stored { piece, first, count })
                if *piece == block.piece().index() && *first + *count == block.number() =>
            {
                *count += 1;
            }
            _ => lines.push(Record::Stored(block).into()),
        }
    }
    lines
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
fn create_empty(folder: &Folder, stamps: &[Option<Stamp>]) -> Result<(), DiskError> {
    for (index, file) in folder.layout().files().iter().enumerate() {
        if file.len == 0 && folder.layout().is_wanted(index) && stamps[index].is_none() {
            folder.open(index as Key, Access::Write).map_err(Trouble::into_error)?;
        }
    }
    Ok(())
}

fn not_open() -> DiskError {
    DiskError { kind: DiskErrorKind::Other, text: "the torrent's files are closed".into() }
}
