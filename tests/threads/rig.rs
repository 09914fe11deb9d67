//! The disk thread, one hasher and the mailbox without a reactor: jobs in, completions out.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::JoinHandle;
use std::time::Instant;

use crossbeam_channel::{Sender, bounded};
use mio::{Events, Poll, Token};
use peerlink::base::{Block, Buffer, ConnId, Filled, Geometry, InfoHash, Piece, StoreId, TorrentId};
use peerlink::io::disk::{self, DiskJob, DiskOptions};
use peerlink::io::hasher::Hashers;
use peerlink::io::mailbox::{self, Bell, Mailbox};
use peerlink::machine::{Completion, DiskError, Job, Opened, StoreSpec};
use peerlink::metainfo::{File, Metainfo};
use peerlink::storage::{Layout, Resume};
use sha1::{Digest, Sha1};

use super::script::{LONG, pattern};

pub const ID: StoreId = StoreId { torrent: TorrentId(1), epoch: 0 };

/// A torrent with its payload, pad files as zeros.
pub struct Sample {
    pub metainfo: Metainfo,
    pub payload: Vec<u8>,
}

impl Sample {
    /// Files by path below the torrent's folder and length; a path that begins with `.pad` is a pad file.
    pub fn new(files: &[(&str, u64)], piece_len: u32) -> Sample {
        let mut payload = Vec::new();
        let mut list = Vec::new();
        for (at, (path, len)) in files.iter().enumerate() {
            let pad = path.starts_with(".pad");
            let parts = std::iter::once("t").chain(path.split('/')).map(String::from).collect();
            let executable = path.ends_with(".sh");
            list.push(File { path: parts, len: *len, offset: payload.len() as u64, pad, executable });
            payload.extend(if pad { vec![0; *len as usize] } else { pattern(at as u64 + 1, *len as usize) });
        }
        let geometry = Geometry::new(payload.len() as u64, piece_len).expect("a torrent with bytes");
        let hashes: Vec<u8> = payload.chunks(piece_len as usize).flat_map(Sha1::digest).collect();
        let metainfo = Metainfo {
            info_hash: InfoHash([7; 20]),
            info_hash_v2: None,
            name: "t".into(),
            geometry,
            files: list.into(),
            private: false,
            trackers: Vec::new(),
            web_seeds: Vec::new(),
            nodes: Vec::new(),
            created_by: None,
            comment: None,
            creation_date: None,
            hashes: 0..hashes.len(),
            info: hashes.into(),
        };
        Sample { metainfo, payload }
    }

    pub fn geometry(&self) -> &Geometry {
        &self.metainfo.geometry
    }

    pub fn piece(&self, index: u32) -> Piece {
        self.geometry().piece(index).expect("a piece of the sample")
    }

    pub fn hash(&self, index: u32) -> [u8; 20] {
        self.metainfo.hash_of(self.piece(index)).try_into().expect("20 bytes")
    }

    pub fn layout(&self, wanted: &[bool]) -> Layout {
        Layout::new(&self.metainfo, wanted)
    }

    /// Block `number` of a piece with its payload.
    pub fn filled(&self, index: u32, number: u32) -> Filled {
        let block = self.geometry().block_number(self.piece(index), number).expect("a block of the sample");
        let start = (self.geometry().start_of(block.piece()) + u64::from(block.begin())) as usize;
        let mut buffer = Buffer::detached();
        let len = block.len() as usize;
        buffer.bytes_mut()[..len].copy_from_slice(&self.payload[start..start + len]);
        Filled { block, buffer }
    }

    /// The bytes of file `index`.
    pub fn file(&self, index: usize) -> &[u8] {
        let file = &self.metainfo.files[index];
        &self.payload[file.offset as usize..(file.offset + file.len) as usize]
    }
}

/// Threads and folders of a test.
pub struct Rig {
    disk: Sender<DiskJob>,
    mailbox: Mailbox,
    poll: Poll,
    threads: Vec<JoinHandle<()>>,
}

impl Rig {
    pub fn start(state_dir: &Path, boot_id: &str, open_files: usize) -> Rig {
        let poll = Poll::new().expect("a poll");
        let bell = Arc::new(Bell::new(mailbox::waker(&poll, Token(0)).expect("a waker")));
        let (mail, mailbox) = mailbox::mailbox(bell, 2);
        let quit = Arc::new(AtomicBool::new(false));
        let (hashers, mut threads) = Hashers::start(1, 1, &mail, &quit).expect("a hasher");
        let (disk, jobs) = bounded(1);
        let options = DiskOptions { state_dir: state_dir.into(), open_files, boot_id: boot_id.into() };
        threads.push(disk::start(options, jobs, mail, hashers).expect("a disk thread"));
        Rig { disk, mailbox, poll, threads }
    }

    pub fn send(&self, job: Job) {
        self.send_reading(job, Vec::new());
    }

    pub fn send_reading(&self, job: Job, buffer: Vec<u8>) {
        self.disk.send(DiskJob { job, buffer }).expect("a running disk thread");
    }

    /// The next completion.
    pub fn take(&mut self) -> Completion {
        let mut events = Events::with_capacity(4);
        let begin = Instant::now();
        loop {
            let has_mail = self.mailbox.before_poll(true);
            let patience = if has_mail { std::time::Duration::ZERO } else { LONG };
            self.poll.poll(&mut events, Some(patience)).expect("a poll that works");
            self.mailbox.after_poll();
            if let Some(letter) = self.mailbox.take() {
                return letter.completion;
            }
            assert!(begin.elapsed() < LONG, "no completion came");
        }
    }

    pub fn open(&mut self, sample: &Sample, dir: &Path, wanted: &[bool]) -> Result<Opened, DiskError> {
        let spec = StoreSpec {
            info_hash: sample.metainfo.info_hash,
            dir: PathBuf::from(dir),
            layout: sample.layout(wanted),
        };
        self.send(Job::Open { store: ID, spec: Arc::new(spec) });
        match self.take() {
            Completion::Opened { store: ID, result } => result,
            other => panic!("expected Opened, got {other:?}"),
        }
    }

    /// Writes blocks of a piece and waits until they are home; with `last` the digest comes back.
    pub fn write(
        &mut self,
        sample: &Sample,
        piece: u32,
        numbers: impl IntoIterator<Item = u32>,
        last: bool,
    ) -> Result<Option<[u8; 20]>, DiskError> {
        let blocks: Vec<Filled> = numbers.into_iter().map(|number| sample.filled(piece, number)).collect();
        let count = blocks.len();
        self.send(Job::Write { store: ID, piece: sample.piece(piece), blocks, last });
        match self.take() {
            Completion::Home { store: ID, blocks } => assert_eq!(blocks.len(), count),
            Completion::WriteFailed { store: ID, blocks, error } => {
                assert_eq!(blocks.len(), count);
                return Err(error);
            }
            other => panic!("expected Home, got {other:?}"),
        }
        if !last {
            return Ok(None);
        }
        self.hashed(sample.piece(piece)).map(Some)
    }

    /// Writes a whole piece and notes it as verified.
    pub fn write_piece(&mut self, sample: &Sample, index: u32) {
        let count = sample.geometry().block_count(sample.piece(index));
        let digest = self.write(sample, index, 0..count, true).expect("a write that works");
        assert_eq!(digest, Some(sample.hash(index)));
        let record = peerlink::storage::Record::Verified(sample.piece(index));
        self.send(Job::Journal { store: ID, record });
    }

    pub fn check(&mut self, piece: Piece) -> Result<[u8; 20], DiskError> {
        self.send(Job::Check { store: ID, piece });
        self.hashed(piece)
    }

    fn hashed(&mut self, expected: Piece) -> Result<[u8; 20], DiskError> {
        match self.take() {
            Completion::Hashed { store: ID, piece, digest } => {
                assert_eq!(piece, expected);
                digest
            }
            other => panic!("expected Hashed, got {other:?}"),
        }
    }

    pub fn read(&mut self, block: Block) -> Result<Vec<u8>, DiskError> {
        self.send_reading(Job::Read { store: ID, conn: ConnId(1), block }, vec![0xee; 5]);
        match self.take() {
            Completion::Read { run, .. } => run.map(|run| run.0),
            other => panic!("expected Read, got {other:?}"),
        }
    }

    pub fn checkpoint(&mut self, resume: Resume) -> Result<(), DiskError> {
        self.send(Job::Checkpoint { store: ID, resume: Box::new(resume) });
        match self.take() {
            Completion::Saved { store: ID, result } => result,
            other => panic!("expected Saved, got {other:?}"),
        }
    }

    /// Ends the threads without a checkpoint, as SIGKILL would after the last job.
    pub fn end(self) {
        let Rig { disk, mailbox, threads, .. } = self;
        drop(disk);
        drop(mailbox);
        threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
    }
}
