//! Hash workers: running SHA-1 of pieces while their blocks come by on the way home, and whole pieces from storage.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender as Channel, bounded};
use sha1::{Digest, Sha1};

use super::files::{Access, Folder, Key, read_exact_at};
use super::mailbox::Sender;
use super::trouble::Trouble;
use crate::base::{BLOCK_LEN, Filled, Piece, StoreId};
use crate::machine::{Completion, DiskError, DiskErrorKind};
use crate::storage::Slice;

/// Pieces are read back in steps of this many bytes.
const STEP_LEN: usize = 64 * 1024;
/// Running digests per worker; a piece beyond is read back whole at its end.
const RUNNING_MAX: usize = 512;
const STACK_LEN: usize = 128 * 1024;

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
struct Running {
    sha1: Sha1,
    next: u32,
}

struct Worker {
    mail: Sender,
    quit: Arc<AtomicBool>,
    running: BTreeMap<(StoreId, Piece), Running>,
    /// The file that was read last: most pieces lie in the same one as their neighbours.
    file: Option<(StoreId, Key, File)>,
    buffer: Vec<u8>,
}

impl Worker {
    fn new(mail: Sender, quit: Arc<AtomicBool>) -> Worker {
        Worker { mail, quit, running: BTreeMap::new(), file: None, buffer: Vec::new() }
    }

    fn run(mut self, jobs: &Receiver<HashJob>) {
        while let Ok(job) = jobs.recv() {
            match job {
                HashJob::Batch { folder, store, piece, blocks, last } => {
                    self.batch(&folder, store, piece, blocks, last);
                }
                HashJob::Forget { store, piece } => {
                    self.running.remove(&(store, piece));
                }
                HashJob::Check { folder, store, piece } => {
                    // What is on disk now counts, not what an earlier digest of it saw.
                    self.file = None;
                    let digest = self.finish(&folder, store, piece, Running { sha1: Sha1::new(), next: 0 });
                    self.mail.send(Completion::Hashed { store, piece, digest });
                }
                HashJob::Digests { folder, store, piece } => {
                    let digests = self.digests(&folder, store, piece);
                    self.mail.send(Completion::Digests { store, piece, digests });
                }
                HashJob::Close { store } => {
                    self.running.retain(|(of, _), _| *of != store);
                    self.file = None;
                }
            }
        }
    }

    /// Hashes the blocks that are next in line, sends all of them home, and finishes the piece if it is over.
    fn batch(&mut self, folder: &Folder, store: StoreId, piece: Piece, blocks: Vec<Filled>, last: bool) {
        let mut running =
            self.running.remove(&(store, piece)).unwrap_or_else(|| Running { sha1: Sha1::new(), next: 0 });
        for filled in &blocks {
            if filled.block.begin() == running.next {
                running.sha1.update(filled.payload());
                running.next = filled.block.end();
            }
        }
        self.mail.send(Completion::Home { store, blocks });
        if last {
            let digest = self.finish(folder, store, piece, running);
            self.mail.send(Completion::Hashed { store, piece, digest });
        } else if running.next > 0 && self.running.len() < RUNNING_MAX {
            self.running.insert((store, piece), running);
        }
    }

    /// Reads the rest of a piece back and completes its digest.
    fn finish(
        &mut self,
        folder: &Folder,
        store: StoreId,
        piece: Piece,
        running: Running,
    ) -> Result<[u8; 20], DiskError> {
        let geometry = folder.layout().geometry();
        let start = geometry.start_of(piece) + u64::from(running.next);
        let len = geometry.len_of(piece) - running.next;
        let mut sha1 = running.sha1;
        for slice in folder.layout().slices(start, len) {
            self.each_step(folder, store, slice, |bytes| sha1.update(bytes))?;
        }
        Ok(sha1.finalize().into())
    }

    /// SHA-1 of each block, cut to 8 bytes.
    fn digests(&mut self, folder: &Folder, store: StoreId, piece: Piece) -> Result<Vec<[u8; 8]>, DiskError> {
        let geometry = *folder.layout().geometry();
        let mut digests = Vec::with_capacity(geometry.block_count(piece) as usize);
        for number in 0..geometry.block_count(piece) {
            let Some(block) = geometry.block_number(piece, number) else { break };
            let mut sha1 = Sha1::new();
            for slice in folder.layout().slices_of(block) {
                self.each_step(folder, store, slice, |bytes| sha1.update(bytes))?;
            }
            let digest = sha1.finalize();
            let mut short = [0; 8];
            short.copy_from_slice(&digest[..8]);
            digests.push(short);
        }
        Ok(digests)
    }

    /// Reads a slice step by step; pad files are zeros.
    fn each_step(
        &mut self,
        folder: &Folder,
        store: StoreId,
        slice: Slice,
        mut take: impl FnMut(&[u8]),
    ) -> Result<(), DiskError> {
        self.buffer.resize(STEP_LEN, 0);
        let key = folder.key_of(&slice);
        match key {
            Some(key) => self.reach(folder, store, key).map_err(Trouble::into_error)?,
            None => self.buffer.fill(0),
        }
        let mut done = 0;
        while done < slice.len {
            if self.quit.load(Ordering::Relaxed) {
                return Err(DiskError { kind: DiskErrorKind::Other, text: "the program is stopping".into() });
            }
            let step = (slice.len - done).min(STEP_LEN as u32);
            let buffer = &mut self.buffer[..step as usize];
            if let (Some(key), Some((_, _, file))) = (key, &self.file) {
                let at = slice.offset + u64::from(done);
                read_exact_at(file, buffer, at, &|| folder.path_of(key)).map_err(Trouble::into_error)?;
            }
            take(buffer);
            done += step;
        }
        Ok(())
    }

    /// Makes `self.file` this one.
    fn reach(&mut self, folder: &Folder, store: StoreId, key: Key) -> Result<(), Trouble> {
        if !matches!(self.file, Some((of, open, _)) if of == store && open == key) {
            self.file = None;
            self.file = Some((store, key, folder.open(key, Access::Read)?));
        }
        Ok(())
    }
}

/// A step is whole blocks.
const _: () = assert!(STEP_LEN.is_multiple_of(BLOCK_LEN as usize));
