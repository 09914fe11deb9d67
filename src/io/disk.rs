//! The disk thread: takes jobs one at a time, in order; all blocking file I/O of the program is here and in the
//! hashers' reads.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

use crossbeam_channel::Receiver;

use super::files::{Folder, Table};
use super::hasher::{HashJob, Hashers};
use super::keep::{self, Log};
use super::mailbox::Sender;
use super::shelf::Shelf;
use super::statefile;
use super::store::{Shared, Store};
use super::trouble::Trouble;
use super::{erase, space};
use crate::base::{Filled, Piece, StoreId};
use crate::machine::{Completion, DiskError, DiskErrorKind, Job, Run};

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
    let mut disk = Disk { options, mail, hashers, table, stores: BTreeMap::new(), log: Log::default() };
    let run = move || jobs.iter().for_each(|job| disk.handle(job));
    std::thread::Builder::new().name("disk".into()).stack_size(STACK_LEN).spawn(run)
}

struct Disk {
    options: DiskOptions,
    mail: Sender,
    hashers: Hashers,
    table: Table,
    stores: BTreeMap<StoreId, Store>,
    log: Log,
}

impl Disk {
    fn handle(&mut self, DiskJob { job, buffer }: DiskJob) {
        let Disk { options, table, stores, .. } = self;
        let mut shared = Shared { state_dir: &options.state_dir, boot_id: &options.boot_id, table };
        match job {
            Job::Open { store, spec } => {
                let result = Store::open(store, spec, &mut shared).map(|(opened, result)| {
                    stores.insert(store, opened);
                    result
                });
                self.mail.send(Completion::Opened { store, result });
            }
            Job::Reserve { store } => {
                let result = stores.get_mut(&store).ok_or_else(not_open).and_then(|of| of.reserve(shared.table));
                self.mail.send(Completion::Reserved { store, result });
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
                let mut lent = None;
                let of = stores.get(&store).ok_or_else(not_open);
                let run = of.and_then(|of| of.read(shared.table, block, buffer, &mut lent)).map(Run);
                self.mail.send_lending(Completion::Read { store, conn, block, run }, lent);
            }
            Job::Journal { store, record } => {
                if let Some(of) = stores.get_mut(&store) {
                    of.record(record);
                }
            }
            Job::Checkpoint { store, resume } => {
                let of = stores.get_mut(&store).ok_or_else(not_open);
                let result = of.and_then(|of| of.checkpoint(*resume, &mut shared));
                self.mail.send(Completion::Saved { store, result });
            }
            Job::Close { store } => {
                self.table.close(store);
                self.hashers.close(store);
                self.stores.remove(&store);
            }
            Job::SaveFile { id, name, bytes } => {
                self.log.forget(&name);
                let result = keep::save(&options.state_dir, &name, &bytes);
                self.mail.send(Completion::FileSaved { id, result });
            }
            Job::Append { id, name, bytes } => {
                let result = self.log.append(&options.state_dir, &name, &bytes);
                self.mail.send(Completion::Appended { id, result });
            }
            Job::Keep { info_hash, bytes } => {
                if let Err(error) = statefile::keep_torrent(&options.state_dir, info_hash, &bytes) {
                    log::warn!("{}", error.text);
                }
            }
            Job::Shelve { id, file, bytes } => {
                let result = Shelf::of(&options.state_dir, file.shelf).put(&file.name, &bytes);
                self.mail.send(Completion::Shelved { id, result });
            }
            Job::Unshelve { id, file } => {
                let result = Shelf::of(&options.state_dir, file.shelf).discard(&file.name);
                self.mail.send(Completion::Shelved { id, result });
            }
            Job::Recall { id, file, len_max } => {
                let result = Shelf::of(&options.state_dir, file.shelf).read(&file.name, len_max);
                self.mail.send(Completion::Recalled { id, result });
            }
            Job::LoadFile { id, name, len_max } => {
                let result = keep::load(&options.state_dir, &name, len_max);
                self.mail.send(Completion::FileLoaded { id, result });
            }
            Job::ReadFile { id, path, len_max } => {
                self.mail.send(Completion::Recalled { id, result: keep::read_any(&path, len_max) });
            }
            Job::Space { id, dir } => {
                let result = space::room(&dir).map_err(|e| Trouble::new("look at", &dir, &e).into_error());
                self.mail.send(Completion::Space { id, result });
            }
            Job::Erase { id, info_hash, data, state } => {
                let result = erase::erase(&options.state_dir, info_hash, data, state);
                self.mail.send(Completion::Done { id, result });
            }
            Job::Fetch { .. }
            | Job::Resolve { .. }
            | Job::Network { .. }
            | Job::Control { .. }
            | Job::Move { .. } => log::error!("a job for others came to the disk"),
        }
    }

    fn folder(&self, store: StoreId) -> Result<Arc<Folder>, DiskError> {
        self.stores.get(&store).map(|store| Arc::clone(&store.folder)).ok_or_else(not_open)
    }

    /// What is written goes on to the hasher of its piece; what is not goes back at once.
    fn write(&mut self, id: StoreId, piece: Piece, blocks: Vec<Filled>, last: bool) {
        let of = self.stores.get_mut(&id).ok_or_else(not_open);
        match of.and_then(|of| of.write(&mut self.table, &blocks).map(|()| Arc::clone(&of.folder))) {
            Ok(folder) => {
                self.hashers.send(piece, HashJob::Batch { folder, store: id, piece, blocks, last });
            }
            Err(error) => {
                self.mail.send(Completion::WriteFailed { store: id, blocks, error });
                self.hashers.send(piece, HashJob::Forget { store: id, piece });
            }
        }
    }
}

fn not_open() -> DiskError {
    DiskError { kind: DiskErrorKind::Other, text: "the torrent's files are closed".into() }
}
