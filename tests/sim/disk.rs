//! A simulated disk: real bytes in memory files through `storage::Layout`, a cache of unsynced writes that a power
//! cut keeps a random part of, running digests as the hashers keep them, trouble on demand.

use std::collections::BTreeMap;
use std::sync::Arc;

use peerlink::base::{BLOCK_LEN, Block, Filled, InfoHash, Piece, StoreId};
use peerlink::machine::{Completion, DiskError, DiskErrorKind, Job, Opened, Reserved, Run, StoreSpec};
use peerlink::storage::resume::Stamp;
use peerlink::storage::{Layout, Place};
use sha1::{Digest, Sha1};

use crate::saved::Saved;

/// What is wrong with the disk now.
#[derive(Clone, Debug, Default)]
pub struct Mood {
    /// Writes find no space.
    pub full: bool,
    /// How many of a thousand jobs end in an I/O error.
    pub errors_per_mille: u32,
    /// Longest extra latency of a job, in milliseconds.
    pub latency_ms: u64,
}

/// One host's disk; outlives its processes.
#[derive(Default)]
pub struct Disk {
    pub volumes: BTreeMap<InfoHash, Volume>,
    pub mood: Mood,
    /// Written whole and synced at once.
    pub kept: BTreeMap<String, Vec<u8>>,
    /// Remember what unsynced writes overwrote, so that a power cut can undo them.
    pub keeps_undo: bool,
    open: BTreeMap<StoreId, Arc<StoreSpec>>,
    /// A piece's running digest and how many of its bytes are in it.
    running: BTreeMap<(StoreId, Piece), (Sha1, u32)>,
    boot: u32,
}

/// A torrent's bytes on one disk.
#[derive(Default)]
pub struct Volume {
    /// Per file of the layout and last the part file; None where there is none.
    pub files: Vec<Option<Vec<u8>>>,
    /// Last change of each of them.
    changed: Vec<i64>,
    clock: i64,
    undo: Vec<Undo>,
    pub saved: Saved,
    /// Bytes read from storage, to see what resuming costs.
    pub bytes_read: u64,
}

/// What one unsynced write overwrote.
struct Undo {
    key: usize,
    offset: usize,
    old: Vec<u8>,
    old_len: usize,
}

impl Disk {
    /// The torrent's bytes, made on first use.
    pub fn volume(&mut self, info_hash: InfoHash, file_count: usize) -> &mut Volume {
        let volume = self.volumes.entry(info_hash).or_default();
        volume.files.resize(file_count + 1, None);
        volume.changed.resize(file_count + 1, 0);
        volume
    }

    /// What a job does and what comes back, in order.
    pub fn run(&mut self, job: Job, rng: &mut fastrand::Rng) -> Vec<Completion> {
        let fails = rng.u32(..1000) < self.mood.errors_per_mille;
        match job {
            Job::Open { store, spec } => vec![self.open(store, spec, fails)],
            Job::Reserve { store } => vec![Completion::Reserved { store, result: self.reserve(store, fails, rng) }],
            Job::Write { store, piece, blocks, last } => self.write(store, piece, blocks, last, fails, rng),
            Job::Forget { store, piece } => {
                self.running.remove(&(store, piece));
                Vec::new()
            }
            Job::Check { store, piece } => {
                let digest = self.read_piece(store, piece, fails).map(|bytes| Sha1::digest(bytes).into());
                vec![Completion::Hashed { store, piece, digest }]
            }
            Job::Digests { store, piece } => {
                let cut = |block: &[u8]| Sha1::digest(block)[..8].try_into().expect("a digest has 20 bytes");
                let digests = self
                    .read_piece(store, piece, fails)
                    .map(|bytes| bytes.chunks(BLOCK_LEN as usize).map(cut).collect());
                vec![Completion::Digests { store, piece, digests }]
            }
            Job::Read { store, conn, block } => vec![self.read(store, conn, block, fails)],
            Job::Journal { store, record } => {
                if !self.mood.full && !fails {
                    self.volume_of(store).saved.record(record);
                }
                Vec::new()
            }
            Job::Checkpoint { store, resume } => {
                let result = if self.mood.full {
                    Err(full())
                } else if fails {
                    Err(broken("cannot sync"))
                } else {
                    let boot_id = self.boot_id();
                    let spec = self.open[&store].clone();
                    let volume = self.volume_of(store);
                    volume.undo.clear();
                    let stamps = volume.stamps();
                    volume.saved.checkpoint(&spec, &boot_id, *resume, stamps);
                    Ok(())
                };
                vec![Completion::Saved { store, result }]
            }
            Job::Close { store } => {
                self.open.remove(&store);
                self.running.retain(|(of, _), _| *of != store);
                Vec::new()
            }
            Job::Keep { .. } => Vec::new(),
            Job::SaveFile { id, name, bytes } => {
                let result = if self.mood.full {
                    Err(full())
                } else if fails {
                    Err(broken("cannot save"))
                } else {
                    self.kept.insert(name, bytes);
                    Ok(())
                };
                vec![Completion::FileSaved { id, result }]
            }
            Job::Append { .. } => unreachable!("no machine here keeps a log"),
            Job::Shelve { .. } | Job::Unshelve { .. } | Job::Recall { .. } => {
                unreachable!("no machine here has a shelf")
            }
            Job::Network { .. } | Job::Control { .. } => unreachable!("nobody here asks a gateway"),
            Job::ReadFile { .. } | Job::Space { .. } | Job::Erase { .. } | Job::Move { .. } => {
                unreachable!("no machine here is remote-controlled")
            }
            Job::LoadFile { id, .. } => vec![Completion::FileLoaded { id, result: Ok(None) }],
            Job::Fetch { .. } | Job::Resolve { .. } => unreachable!("not for the disk"),
        }
    }

    /// The process is gone: what it wrote stays.
    pub fn process_died(&mut self) {
        self.open.clear();
        self.running.clear();
    }

    /// The machine is gone: a random part of what was not synced stays, pages may be torn.
    pub fn power_cut(&mut self, rng: &mut fastrand::Rng) {
        self.process_died();
        self.boot += 1;
        for volume in self.volumes.values_mut() {
            let loses = rng.u32(0..=100);
            for undo in std::mem::take(&mut volume.undo).into_iter().rev() {
                if rng.u32(..100) < loses {
                    volume.take_back(undo, rng);
                }
            }
            volume.saved.power_cut(rng);
        }
    }

    fn open(&mut self, store: StoreId, spec: Arc<StoreSpec>, fails: bool) -> Completion {
        if fails {
            return Completion::Opened { store, result: Err(broken("cannot open")) };
        }
        let lone = self.open.values().all(|open| open.info_hash != spec.info_hash);
        assert!(lone, "[jobs] {store:?} opened while another opening of it is not closed");
        let (boot_id, writable) = (self.boot_id(), !self.mood.full);
        let file_count = spec.layout.files().len();
        let volume = self.volume(spec.info_hash, file_count);
        let stamps = volume.stamps();
        for (index, file) in spec.layout.files().iter().enumerate() {
            if file.len == 0 && spec.layout.is_wanted(index) {
                volume.files[index].get_or_insert_with(Vec::new);
            }
        }
        let lens = stamps.iter().take(file_count).map(|stamp| stamp.map(|stamp| stamp.len)).collect();
        if writable {
            volume.undo.clear();
        }
        let resume = volume.saved.open(&spec, &boot_id, &stamps, writable);
        self.open.insert(store, spec);
        Completion::Opened { store, result: Ok(Opened { resume, lens }) }
    }

    /// In one to four turns; some disks cannot.
    fn reserve(&mut self, store: StoreId, fails: bool, rng: &mut fastrand::Rng) -> Result<Reserved, DiskError> {
        assert!(self.open.contains_key(&store), "[jobs] room reserved for a store that is not open");
        if self.mood.full {
            return Err(full());
        }
        if fails {
            return Err(broken("cannot reserve room for"));
        }
        let cannot = (rng.u8(..8) == 0).then(|| "no room can be reserved here".to_string());
        Ok(Reserved { done: rng.u64(1..=4), total: 4, cannot })
    }

    fn write(
        &mut self,
        store: StoreId,
        piece: Piece,
        blocks: Vec<Filled>,
        last: bool,
        fails: bool,
        rng: &mut fastrand::Rng,
    ) -> Vec<Completion> {
        let spec = self.open.get(&store).expect("[jobs] a write to a store that is not open").clone();
        let sorted = blocks.windows(2).all(|pair| pair[0].block.end() <= pair[1].block.begin());
        assert!(sorted, "[jobs] the blocks of a write overlap or are not sorted");
        assert!(blocks.iter().all(|filled| filled.block.piece() == piece), "[jobs] a block of another piece");
        let bad = self.mood.full || fails;
        let begins = !self.mood.full;
        let volume = self.volume_of(store);
        if begins {
            volume.saved.begin();
        }
        let stored = if bad { rng.usize(0..=blocks.len()) } else { blocks.len() };
        for filled in &blocks[..stored] {
            let torn = if bad { rng.usize(0..=filled.payload().len()) } else { filled.payload().len() };
            self.store(&spec, filled.block, &filled.payload()[..torn]);
        }
        if bad {
            self.running.remove(&(store, piece));
            let error = if self.mood.full { full() } else { broken("cannot write") };
            return vec![Completion::WriteFailed { store, blocks, error }];
        }
        self.volume_of(store).saved.stored(&blocks);
        for filled in &blocks {
            let (hasher, position) = self.running.entry((store, piece)).or_insert_with(|| (Sha1::new(), 0));
            if filled.block.begin() == *position {
                hasher.update(filled.payload());
                *position = filled.block.end();
            }
        }
        let mut done = vec![Completion::Home { store, blocks }];
        if last {
            let (mut hasher, position) = self.running.remove(&(store, piece)).unwrap_or_default();
            let digest = self.read_piece(store, piece, false).map(|bytes| {
                hasher.update(&bytes[position as usize..]);
                hasher.finalize().into()
            });
            done.push(Completion::Hashed { store, piece, digest });
        }
        done
    }

    /// Puts bytes where the layout says.
    fn store(&mut self, spec: &StoreSpec, block: Block, bytes: &[u8]) {
        let keeps_undo = self.keeps_undo;
        let volume = self.volumes.get_mut(&spec.info_hash).expect("opened");
        let mut rest = bytes;
        for slice in spec.layout.slices_of(block) {
            let (now, later) = rest.split_at(rest.len().min(slice.len as usize));
            if let Some(key) = volume.key_of(slice.place) {
                volume.write_at(key, slice.offset as usize, now, keeps_undo);
            }
            rest = later;
        }
    }

    fn read(&mut self, store: StoreId, conn: peerlink::base::ConnId, block: Block, fails: bool) -> Completion {
        let spec = self.open.get(&store).expect("[jobs] a read from a store that is not open").clone();
        let start = spec.layout.geometry().start_of(block.piece()) + u64::from(block.begin());
        let volume = self.volume_of(store);
        let run = if fails {
            Err(broken("cannot read"))
        } else {
            volume.read(&spec.layout, start, block.len()).map(Run).ok_or_else(missing)
        };
        Completion::Read { store, conn, block, run }
    }

    fn read_piece(&mut self, store: StoreId, piece: Piece, fails: bool) -> Result<Vec<u8>, DiskError> {
        let spec = self.open.get(&store).expect("[jobs] a check of a store that is not open").clone();
        if fails {
            return Err(broken("cannot read"));
        }
        let geometry = spec.layout.geometry();
        let volume = self.volume_of(store);
        volume.bytes_read += u64::from(geometry.len_of(piece));
        volume.read(&spec.layout, geometry.start_of(piece), geometry.len_of(piece)).ok_or_else(missing)
    }

    fn boot_id(&self) -> String {
        format!("boot {}", self.boot)
    }

    fn volume_of(&mut self, store: StoreId) -> &mut Volume {
        let spec = self.open.get(&store).expect("[jobs] a job for a store that is not open");
        self.volumes.get_mut(&spec.info_hash).expect("opened")
    }
}

impl Volume {
    /// `len` bytes from byte `start` of the torrent; None where a file is too short.
    pub fn read(&self, layout: &Layout, start: u64, len: u32) -> Option<Vec<u8>> {
        let mut bytes = Vec::with_capacity(len as usize);
        for slice in layout.slices(start, len) {
            let (from, to) = (slice.offset as usize, slice.offset as usize + slice.len as usize);
            match self.key_of(slice.place) {
                None => bytes.resize(bytes.len() + slice.len as usize, 0),
                Some(key) => bytes.extend_from_slice(self.files[key].as_ref()?.get(from..to)?),
            }
        }
        Some(bytes)
    }

    /// Whether the piece's stored bytes are these.
    pub fn holds(&self, layout: &Layout, piece: Piece, content: &[u8]) -> bool {
        let geometry = layout.geometry();
        let mut at = geometry.start_of(piece) as usize;
        layout.slices_of_piece(piece).all(|slice| {
            let (from, to) = (slice.offset as usize, slice.offset as usize + slice.len as usize);
            let wanted = &content[at..at + slice.len as usize];
            at += slice.len as usize;
            let Some(key) = self.key_of(slice.place) else { return true };
            self.files[key].as_ref().and_then(|file| file.get(from..to)) == Some(wanted)
        })
    }

    /// Whether one block's stored bytes are these.
    pub fn holds_block(&self, layout: &Layout, block: Block, content: &[u8]) -> bool {
        let start = layout.geometry().start_of(block.piece()) as usize + block.begin() as usize;
        let mut at = start;
        layout.slices_of(block).all(|slice| {
            let (from, to) = (slice.offset as usize, slice.offset as usize + slice.len as usize);
            let wanted = &content[at..at + slice.len as usize];
            at += slice.len as usize;
            let Some(key) = self.key_of(slice.place) else { return true };
            self.files[key].as_ref().and_then(|file| file.get(from..to)) == Some(wanted)
        })
    }

    /// Nothing waits to be synced.
    pub fn is_synced(&self) -> bool {
        self.undo.is_empty()
    }

    /// Where in `files` a place is; None for pads.
    fn key_of(&self, place: Place) -> Option<usize> {
        match place {
            Place::Pad => None,
            Place::Part => Some(self.files.len() - 1),
            Place::File(index) => Some(index as usize),
        }
    }

    /// How each file looks. A file keeps its inode for life.
    pub fn stamps(&self) -> Vec<Option<Stamp>> {
        let stamp = |(key, file): (usize, &Option<Vec<u8>>)| {
            let len = file.as_ref()?.len() as u64;
            Some(Stamp { len, mtime_ns: self.changed[key], inode: key as u64 + 10, device: 1 })
        };
        self.files.iter().enumerate().map(stamp).collect()
    }

    fn write_at(&mut self, key: usize, offset: usize, bytes: &[u8], keeps_undo: bool) {
        self.files[key].get_or_insert_with(Vec::new);
        if let Some(stamp) = self.stamps()[key] {
            self.saved.meet(key, stamp);
        }
        self.clock += 1;
        self.changed[key] = self.clock;
        let file = self.files[key].get_or_insert_with(Vec::new);
        let old_len = file.len();
        let end = offset + bytes.len();
        if file.len() < end {
            file.resize(end, 0);
        }
        if keeps_undo {
            self.undo.push(Undo { key, offset, old: file[offset..end].to_vec(), old_len });
        }
        file[offset..end].copy_from_slice(bytes);
    }

    /// Undoes a write, or only some of its pages, or also its growth of the file.
    fn take_back(&mut self, undo: Undo, rng: &mut fastrand::Rng) {
        let Some(file) = &mut self.files[undo.key] else { return };
        const PAGE: usize = 4096;
        let pages = undo.old.len().div_ceil(PAGE);
        let (from, to) = match rng.u8(..4) {
            0 => (rng.usize(0..=pages) * PAGE, undo.old.len()),
            1 => (0, rng.usize(0..=pages) * PAGE),
            _ => (0, undo.old.len()),
        };
        let to = to.min(undo.old.len()).min(file.len().saturating_sub(undo.offset));
        if from < to {
            file[undo.offset + from..undo.offset + to].copy_from_slice(&undo.old[from..to]);
        }
        let was_last = undo.offset + undo.old.len() == file.len();
        if was_last && undo.old_len < file.len() && rng.bool() {
            file.truncate(undo.old_len);
        }
    }
}

fn full() -> DiskError {
    DiskError { kind: DiskErrorKind::Full, text: "cannot write x: no space left on device".into() }
}

fn missing() -> DiskError {
    DiskError { kind: DiskErrorKind::Missing, text: "x is shorter than it was".into() }
}

fn broken(what: &str) -> DiskError {
    DiskError { kind: DiskErrorKind::Other, text: format!("{what} x: input/output error") }
}
