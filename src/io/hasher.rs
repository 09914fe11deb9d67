//! Hash workers: running SHA-1 of pieces while their blocks come by on the way home, and whole pieces from storage.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender as Channel, bounded};
use sha1::{Digest as _, Sha1};

use super::digest::{Digest, update_both};
use super::files::Folder;
use super::mailbox::Sender;
use super::piece_reader::{Course, PieceReader, run_both};
use super::sha1_pair;
use crate::base::{BLOCK_LEN, Filled, Piece, StoreId};
use crate::machine::{Completion, DiskError, DiskErrorKind};
use crate::storage::Slice;

/// Running digests per worker; a piece beyond is read back whole at its end.
const RUNNING_MAX: usize = 512;
const STACK_LEN: usize = 128 * 1024;
/// Batches that come at least this often wait as long for each other: two are hashed in the time of one.
const PARTNER_WAIT: Duration = Duration::from_millis(4);

/// Work for a hasher; all jobs of a piece go to the same one, in order.
#[derive(Debug)]
pub enum HashJob {
    /// These blocks are on disk; hash what is in order and send them home. With `last`, finish the piece.
    Batch { folder: Arc<Folder>, store: StoreId, piece: Piece, blocks: Vec<Filled>, last: bool },
    /// Throw a running digest away.
    Forget { store: StoreId, piece: Piece },
    /// Hash a piece from storage.
    Check { folder: Arc<Folder>, store: StoreId, piece: Piece },
    /// A digest per block from storage.
    Digests { folder: Arc<Folder>, store: StoreId, piece: Piece },
    /// The store is closed.
    Close { store: StoreId },
}

/// The hash threads' channels.
#[derive(Clone, Debug)]
pub struct Hashers {
    channels: Vec<Channel<HashJob>>,
}

impl Hashers {
    /// Starts `count` threads that end when the last copy of this is dropped; checks end early once `quit` is set.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub fn start(
        count: usize,
        slots: usize,
        mail: &Sender,
        quit: &Arc<AtomicBool>,
    ) -> io::Result<(Hashers, Vec<JoinHandle<()>>)> {
        let mut channels = Vec::new();
        let mut threads = Vec::new();
        for number in 0..count.max(1) {
            let (channel, jobs) = bounded(slots.max(1));
            let worker = Worker::new(mail.clone(), Arc::clone(quit));
            let thread = std::thread::Builder::new().name(format!("hash-{number}")).stack_size(STACK_LEN);
            threads.push(thread.spawn(move || worker.run(&jobs))?);
            channels.push(channel);
        }
        Ok((Hashers { channels }, threads))
    }

    /// Hands a piece's job to its worker, waiting while that one's channel is full.
    pub fn send(&self, piece: Piece, job: HashJob) {
        if self.channels[piece.at() % self.channels.len()].send(job).is_err() {
            log::error!("a hash thread has ended early");
        }
    }

    /// Tells all workers that a store is closed.
    pub fn close(&self, store: StoreId) {
        for channel in &self.channels {
            if channel.send(HashJob::Close { store }).is_err() {
                log::error!("a hash thread has ended early");
            }
        }
    }
}

/// The digest of a piece's first `next` bytes.
#[derive(Default)]
struct Running {
    digest: Digest,
    next: u32,
}

/// Blocks of a piece that were written.
struct Batch {
    folder: Arc<Folder>,
    store: StoreId,
    piece: Piece,
    blocks: Vec<Filled>,
    last: bool,
}

/// A piece, or its end, that is to be read and hashed.
struct Sought {
    folder: Arc<Folder>,
    store: StoreId,
    piece: Piece,
    running: Running,
}

struct Worker {
    mail: Sender,
    quit: Arc<AtomicBool>,
    running: BTreeMap<(StoreId, Piece), Running>,
    readers: [PieceReader; 2],
    /// Taken from the channel and not begun.
    next: Option<HashJob>,
    /// When the last batch came, and how long it had been since the one before.
    batch_at: Instant,
    batch_gap: Duration,
}

impl Worker {
    fn new(mail: Sender, quit: Arc<AtomicBool>) -> Worker {
        Worker {
            mail,
            quit,
            running: BTreeMap::new(),
            readers: Default::default(),
            next: None,
            batch_at: Instant::now(),
            batch_gap: Duration::MAX,
        }
    }

    fn run(mut self, jobs: &Receiver<HashJob>) {
        while let Some(job) = self.next.take().or_else(|| jobs.recv().ok()) {
            match job {
                HashJob::Batch { folder, store, piece, blocks, last } => {
                    let batch = Batch { folder, store, piece, blocks, last };
                    match self.batch_beside(&batch, jobs) {
                        Some(other) => self.two_batches(batch, other),
                        None => self.batch(batch),
                    }
                }
                HashJob::Forget { store, piece } => {
                    self.running.remove(&(store, piece));
                }
                HashJob::Check { folder, store, piece } => {
                    // What is on disk now counts, not what an earlier digest of it saw.
                    self.close_files();
                    let sought = Sought { folder, store, piece, running: Running::default() };
                    let other = self.check_beside(&sought, jobs);
                    self.finish([Some(sought), other]);
                }
                HashJob::Digests { folder, store, piece } => {
                    let digests = self.digests(&folder, store, piece);
                    self.mail.send(Completion::Digests { store, piece, digests });
                }
                HashJob::Close { store } => {
                    self.running.retain(|(of, _), _| *of != store);
                    self.close_files();
                }
            }
        }
    }

    fn close_files(&mut self) {
        self.readers.iter_mut().for_each(PieceReader::close);
    }

    /// A batch of another piece to be hashed beside this one. Where they come often, the next is worth waiting for.
    fn batch_beside(&mut self, batch: &Batch, jobs: &Receiver<HashJob>) -> Option<Batch> {
        if !sha1_pair::is_there() {
            return None;
        }
        let now = Instant::now();
        self.batch_gap = now.duration_since(std::mem::replace(&mut self.batch_at, now));
        let patience = if self.batch_gap <= PARTNER_WAIT { PARTNER_WAIT } else { Duration::ZERO };
        match jobs.recv_timeout(patience).ok()? {
            HashJob::Batch { folder, store, piece, blocks, last } if (store, piece) != (batch.store, batch.piece) => {
                self.batch_at = Instant::now();
                Some(Batch { folder, store, piece, blocks, last })
            }
            job => {
                self.next = Some(job);
                None
            }
        }
    }

    /// A check of another piece that waits already.
    fn check_beside(&mut self, sought: &Sought, jobs: &Receiver<HashJob>) -> Option<Sought> {
        match jobs.try_recv().ok()? {
            HashJob::Check { folder, store, piece } if (store, piece) != (sought.store, sought.piece) => {
                Some(Sought { folder, store, piece, running: Running::default() })
            }
            job => {
                self.next = Some(job);
                None
            }
        }
    }

    /// Hashes the blocks that are next in line, sends all of them home, and finishes the piece if it is over.
    fn batch(&mut self, batch: Batch) {
        let mut running = self.running.remove(&(batch.store, batch.piece)).unwrap_or_default();
        for bytes in in_line(&mut running.next, &batch.blocks) {
            running.digest.update(bytes);
        }
        let sought = self.home(batch, running);
        self.finish([sought, None]);
    }

    /// The same for two at once.
    fn two_batches(&mut self, one: Batch, two: Batch) {
        let mut first = self.running.remove(&(one.store, one.piece)).unwrap_or_default();
        let mut second = self.running.remove(&(two.store, two.piece)).unwrap_or_default();
        let x = in_line(&mut first.next, &one.blocks);
        let y = in_line(&mut second.next, &two.blocks);
        let both = x.len().min(y.len());
        for (x, y) in x.iter().zip(&y) {
            update_both(&mut first.digest, x, &mut second.digest, y);
        }
        x[both..].iter().for_each(|bytes| first.digest.update(bytes));
        y[both..].iter().for_each(|bytes| second.digest.update(bytes));
        let sought = [self.home(one, first), self.home(two, second)];
        self.finish(sought);
    }

    /// The blocks go home. What is left to do when they were the last of their piece.
    fn home(&mut self, batch: Batch, running: Running) -> Option<Sought> {
        let Batch { folder, store, piece, blocks, last } = batch;
        self.mail.send(Completion::Home { store, blocks });
        if last {
            return Some(Sought { folder, store, piece, running });
        }
        if running.next > 0 && self.running.len() < RUNNING_MAX {
            self.running.insert((store, piece), running);
        }
        None
    }

    /// Reads the rest of each piece back and completes its digest.
    fn finish(&mut self, sought: [Option<Sought>; 2]) {
        let quit = Arc::clone(&self.quit);
        let may_go = |_: usize| !quit.load(Ordering::Relaxed);
        let [one, two] = sought;
        let [reader, other] = &mut self.readers;
        let courses = [(one.as_ref(), reader), (two.as_ref(), other)].map(|(sought, reader)| {
            let Sought { folder, store, running, .. } = sought?;
            reader.begin(sought?.rest());
            Some(Course { reader, digest: running.digest.clone(), folder, store: *store })
        });
        let ended = match courses {
            [Some(mut one), Some(mut two)] => {
                let [x, y] = run_both(&mut one, &mut two, &may_go);
                [Some((x, one.digest)), Some((y, two.digest))]
            }
            courses => courses.map(|course| {
                let mut course = course?;
                Some((course.run(&may_go), course.digest))
            }),
        };
        for (sought, ended) in [one, two].into_iter().zip(ended) {
            if let (Some(Sought { store, piece, .. }), Some((result, digest))) = (sought, ended) {
                let digest = match result {
                    Ok(true) => Ok(digest.finish()),
                    Ok(false) => Err(stopping()),
                    Err((_, trouble)) => Err(trouble.into_error()),
                };
                self.mail.send(Completion::Hashed { store, piece, digest });
            }
        }
    }

    /// SHA-1 of each block, cut to 8 bytes.
    fn digests(&mut self, folder: &Folder, store: StoreId, piece: Piece) -> Result<Vec<[u8; 8]>, DiskError> {
        let geometry = folder.layout().geometry();
        let mut digests = Vec::with_capacity(geometry.block_count(piece) as usize);
        let [reader, _] = &mut self.readers;
        reader.begin(folder.layout().slices_of_piece(piece));
        loop {
            let bytes = reader.step(folder, store).map_err(|(_, trouble)| trouble.into_error())?;
            if bytes.is_empty() {
                return Ok(digests);
            }
            if self.quit.load(Ordering::Relaxed) {
                return Err(stopping());
            }
            for block in bytes.chunks(BLOCK_LEN as usize) {
                let digest = Sha1::digest(block);
                let mut short = [0; 8];
                short.copy_from_slice(&digest[..8]);
                digests.push(short);
            }
        }
    }
}

impl Sought {
    /// What of the piece is not hashed.
    fn rest(&self) -> impl Iterator<Item = Slice> + '_ {
        let geometry = self.folder.layout().geometry();
        let start = geometry.start_of(self.piece) + u64::from(self.running.next);
        self.folder.layout().slices(start, geometry.len_of(self.piece) - self.running.next)
    }
}

/// The payloads that follow each other from `next` on.
fn in_line<'a>(next: &mut u32, blocks: &'a [Filled]) -> Vec<&'a [u8]> {
    let mut found = Vec::with_capacity(blocks.len());
    for filled in blocks {
        if filled.block.begin() == *next {
            found.push(filled.payload());
            *next = filled.block.end();
        }
    }
    found
}

fn stopping() -> DiskError {
    DiskError { kind: DiskErrorKind::Other, text: "the program is stopping".into() }
}
