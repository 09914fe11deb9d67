//! The swarm's side of the disk: blocks gathered per piece, batches on their way, digests awaited, checkpoints.

use std::collections::{BTreeMap, VecDeque};

use crate::base::limits::{CHECKPOINT_AGE, CHECKPOINT_LEN, GATHER_AGE, GATHER_LEN};
use crate::base::{Bitfield, Filled, Piece, StoreId, Time};
use crate::machine::{Job, Outbox};
use crate::storage::{Record, Resume};

/// Digests of existing data awaited at once: enough to keep the disk and a hasher busy.
const CHECKS_OUT: usize = 4;

#[derive(Debug)]
struct Gathering {
    blocks: Vec<Filled>,
    len: u32,
    since: Time,
}

/// A batch on its way: where it begins, and whether its piece's digest comes with it.
#[derive(Clone, Copy, Debug)]
struct Batch {
    begin: u32,
    last: bool,
}

#[derive(Debug)]
pub struct Store {
    pub id: StoreId,
    gathers: BTreeMap<Piece, Gathering>,
    batches: BTreeMap<Piece, VecDeque<Batch>>,
    /// Digests awaited per piece: of its last batch or of a check.
    digests_out: BTreeMap<Piece, u32>,
    /// Pieces of existing data to be checked, and how many there were.
    checks: VecDeque<Piece>,
    check_count: u32,
    /// Blocks gathered or on their way; each holds a credit and a buffer.
    block_count: u32,
    /// Bytes written since the last checkpoint.
    unsaved_len: u64,
    saved_at: Time,
    is_saving: bool,
}

impl Store {
    pub fn new(id: StoreId, now: Time) -> Store {
        Store {
            id,
            gathers: BTreeMap::new(),
            batches: BTreeMap::new(),
            digests_out: BTreeMap::new(),
            checks: VecDeque::new(),
            check_count: 0,
            block_count: 0,
            unsaved_len: 0,
            saved_at: now,
            is_saving: false,
        }
    }

    /// Buffers and credits held by blocks that were received and are not home.
    pub fn block_count(&self) -> u32 {
        self.block_count
    }

    /// Takes a block. Its piece leaves for the disk when 256 KiB are together or `is_last` is in memory.
    pub fn gather(&mut self, filled: Filled, is_last: bool, now: Time, out: &mut Outbox) {
        let piece = filled.block.piece();
        let gathering =
            self.gathers.entry(piece).or_insert_with(|| Gathering { blocks: Vec::new(), len: 0, since: now });
        gathering.len += filled.block.len();
        gathering.blocks.push(filled);
        self.block_count += 1;
        if is_last || gathering.len >= GATHER_LEN {
            self.flush(piece, is_last, out);
        }
    }

    fn flush(&mut self, piece: Piece, last: bool, out: &mut Outbox) {
        let Some(Gathering { mut blocks, len, .. }) = self.gathers.remove(&piece) else {
            return;
        };
        blocks.sort_unstable_by_key(|filled| filled.block.begin());
        let begin = blocks.first().map_or(0, |filled| filled.block.begin());
        self.batches.entry(piece).or_default().push_back(Batch { begin, last });
        if last {
            *self.digests_out.entry(piece).or_default() += 1;
        }
        self.unsaved_len += u64::from(len);
        out.job(Job::Write { store: self.id, piece, blocks, last });
    }

    /// Everything gathered leaves now: memory is short, or we stop.
    pub fn flush_all(&mut self, out: &mut Outbox) {
        while let Some((&piece, _)) = self.gathers.first_key_value() {
            self.flush(piece, false, out);
        }
    }

    /// What was gathered long ago leaves.
    pub fn flush_old(&mut self, now: Time, out: &mut Outbox) {
        while self.next_flush().is_some_and(|due| due <= now) {
            let oldest = self.gathers.iter().min_by_key(|(_, gathering)| gathering.since).map(|(piece, _)| *piece);
            if let Some(piece) = oldest {
                self.flush(piece, false, out);
            }
        }
    }

    /// When the oldest gather list must leave.
    pub fn next_flush(&self) -> Option<Time> {
        self.gathers.values().map(|gathering| gathering.since + GATHER_AGE).min()
    }

    /// A batch of this store ended. True when the digest awaited with it will not come because it `failed`.
    pub fn batch_ended(&mut self, blocks: &[Filled], failed: bool) -> bool {
        self.block_count -= blocks.len() as u32;
        let Some(first) = blocks.first().map(|filled| filled.block) else {
            return false;
        };
        let piece = first.piece();
        let Some(queue) = self.batches.get_mut(&piece) else {
            return false;
        };
        let at = queue.iter().position(|batch| batch.begin == first.begin());
        let batch = at.and_then(|at| queue.remove(at));
        if queue.is_empty() {
            self.batches.remove(&piece);
        }
        let lost_digest = failed && batch.is_some_and(|batch| batch.last);
        if lost_digest {
            self.digest_came(piece);
        }
        lost_digest
    }

    /// A digest of this piece came. False: a newer one is awaited, this one is stale.
    pub fn digest_came(&mut self, piece: Piece) -> bool {
        let Some(count) = self.digests_out.get_mut(&piece) else {
            return false;
        };
        *count -= 1;
        if *count > 0 {
            return false;
        }
        self.digests_out.remove(&piece);
        true
    }

    /// Asks for a piece's digest from storage.
    pub fn check(&mut self, piece: Piece, out: &mut Outbox) {
        *self.digests_out.entry(piece).or_default() += 1;
        out.job(Job::Check { store: self.id, piece });
    }

    /// These pieces of existing data are to be checked.
    pub fn plan_checks(&mut self, pieces: impl IntoIterator<Item = Piece>) {
        self.checks.extend(pieces);
        self.check_count = self.checks.len() as u32;
    }

    /// Keeps some checks under way. True when all are done.
    pub fn go_on_checking(&mut self, out: &mut Outbox) -> bool {
        while self.digests_out.len() < CHECKS_OUT
            && let Some(piece) = self.checks.pop_front()
        {
            self.check(piece, out);
        }
        self.digests_out.is_empty()
    }

    /// Existing pieces checked, of how many.
    pub fn check_progress(&self) -> (u32, u32) {
        let left = self.checks.len() + self.digests_out.len();
        (self.check_count.saturating_sub(left as u32), self.check_count)
    }

    /// Pieces of existing data whose check did not end.
    pub fn unchecked(&self, piece_count: u32) -> Bitfield {
        let mut field = Bitfield::new(piece_count);
        if self.check_count > 0 {
            let awaited = self.digests_out.keys().filter(|piece| !self.batches.contains_key(piece));
            for piece in self.checks.iter().chain(awaited) {
                field.set(*piece);
            }
        }
        field
    }

    /// Nothing is gathered, on its way or awaited.
    pub fn is_quiet(&self) -> bool {
        self.gathers.is_empty() && self.batches.is_empty() && self.digests_out.is_empty()
    }

    /// A checkpoint is under way.
    pub fn is_saving(&self) -> bool {
        self.is_saving
    }

    /// Whether a checkpoint is due, by bytes or age.
    pub fn wants_save(&self, now: Time) -> bool {
        let is_old = self.unsaved_len > 0 && now.since(self.saved_at) >= CHECKPOINT_AGE;
        !self.is_saving && (self.unsaved_len >= CHECKPOINT_LEN || is_old)
    }

    pub fn save(&mut self, resume: Resume, now: Time, out: &mut Outbox) {
        self.is_saving = true;
        self.unsaved_len = 0;
        self.saved_at = now;
        out.job(Job::Checkpoint { store: self.id, resume: Box::new(resume) });
    }

    pub fn saved(&mut self) {
        self.is_saving = false;
    }

    pub fn record(&self, record: Record, out: &mut Outbox) {
        out.job(Job::Journal { store: self.id, record });
    }
}
