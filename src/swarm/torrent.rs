//! Everything of a swarm but its peers: what is here, what is missing, and where the torrent stands. Parts that
//! handle one peer (`downloads`, `uploads`, `messages`) get this and that peer; effects on other peers wait in
//! `later`.

use std::sync::Arc;

use super::blame::{Blame, Suspect};
use super::picker::Picker;
use super::store::Store;
use crate::base::limits::DISK_RETRY;
use crate::base::rate::Rate;
use crate::base::{Bitfield, Block, ConnId, Filled, Piece, StoreId, Time, TorrentId};
use crate::machine::{DiskError, DiskErrorKind, Job, Level, Note, Opened, Outbox, StoreSpec};
use crate::metainfo::Metainfo;
use crate::storage::{Partial, Place, Record, Resume};

/// Where the torrent stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Phase {
    /// The disk thread looks at its files.
    Opening,
    /// Existing data is hashed.
    Checking,
    Active,
    /// The disk is in trouble; tried again at `until`. `reopen`: files are to be looked at afresh then.
    Paused {
        until: Time,
        reason: String,
        reopen: bool,
    },
    /// Saving on the way out.
    Stopping,
    Stopped,
}

/// What follows for other peers than the one being handled; done by the swarm right after.
#[derive(Debug)]
pub enum Later {
    /// Another was faster with this block.
    CancelElsewhere { block: Block, conn: ConnId },
    /// This piece is right: tell everybody.
    Verified(Piece),
    /// All that is wanted is here.
    Completed,
    /// A peer lied.
    Banned(Suspect),
    /// Nothing more may be requested for now.
    CancelAll,
    /// A peer's requests wait.
    Serve { conn: ConnId },
    /// Requests may go out again.
    TopUpAll,
    /// Existing data is checked: peers may come.
    Began,
    /// Start over from the files.
    Reopen,
}

#[derive(Debug, Default)]
pub struct Stats {
    pub down: Rate,
    pub up: Rate,
    pub wasted: u64,
    pub hash_fails: u32,
    /// Payload of earlier runs.
    pub down_before: u64,
    pub up_before: u64,
}

pub struct Torrent {
    pub id: TorrentId,
    pub metainfo: Arc<Metainfo>,
    pub spec: Arc<StoreSpec>,
    pub phase: Phase,
    pub picker: Picker,
    pub store: Store,
    pub blame: Blame,
    pub stats: Stats,
    pub later: Vec<Later>,
    /// Reads of runs under way.
    pub reads_out: u32,
    /// Unchoke slots that nobody uses, as of the last look.
    pub free_slots: usize,
    /// Complete, saved and told.
    pub is_complete: bool,
    /// It was not complete when this run began: `completed` is announced when it is.
    pub was_incomplete: bool,
    /// Look at all existing data.
    pub recheck: bool,
    pub sequential: bool,
    /// The last checkpoint before the end is under way.
    is_last_save: bool,
}

/// What a torrent is made from.
pub struct Setup {
    pub id: TorrentId,
    pub metainfo: Arc<Metainfo>,
    pub spec: Arc<StoreSpec>,
    pub sequential: bool,
    pub recheck: bool,
}

/// Pieces with at least one wanted byte.
pub fn wanted_pieces(spec: &StoreSpec) -> Bitfield {
    let mut wanted = Bitfield::new(spec.layout.geometry().piece_count());
    for piece in spec.layout.geometry().pieces().filter(|piece| spec.layout.is_piece_wanted(*piece)) {
        wanted.set(piece);
    }
    wanted
}

impl Torrent {
    /// Not opened yet; `open` begins.
    pub fn new(setup: Setup, now: Time, rng: &mut fastrand::Rng) -> Torrent {
        let wanted = wanted_pieces(&setup.spec);
        Torrent {
            id: setup.id,
            picker: Picker::new(setup.metainfo.geometry, wanted, setup.sequential, rng),
            metainfo: setup.metainfo,
            spec: setup.spec,
            phase: Phase::Opening,
            store: Store::new(StoreId { torrent: setup.id, epoch: 0 }, now),
            blame: Blame::default(),
            stats: Stats::default(),
            later: Vec::new(),
            reads_out: 0,
            free_slots: 0,
            is_complete: false,
            was_incomplete: false,
            recheck: setup.recheck,
            sequential: setup.sequential,
            is_last_save: false,
        }
    }

    /// Blocks may be asked for and taken.
    pub fn may_request(&self) -> bool {
        self.phase == Phase::Active && !self.is_complete
    }

    /// Pieces may be read and given.
    pub fn may_serve(&self) -> bool {
        matches!(self.phase, Phase::Active | Phase::Paused { reopen: false, .. })
    }

    /// Asks the disk thread to look at the files.
    pub fn open(&mut self, now: Time, out: &mut Outbox) {
        let epoch = self.store.id.epoch + 1;
        self.store = Store::new(StoreId { torrent: self.id, epoch }, now);
        self.phase = Phase::Opening;
        let wanted = wanted_pieces(&self.spec);
        self.picker = Picker::new(self.metainfo.geometry, wanted, self.sequential, &mut out.rng);
        self.picker.bound_active(out.download.total());
        out.job(Job::Open { store: self.store.id, spec: self.spec.clone() });
    }

    /// The files were looked at: takes over what is known and plans what to check.
    pub fn on_opened(&mut self, result: Result<Opened, DiskError>, now: Time, out: &mut Outbox) {
        if self.phase != Phase::Opening {
            return;
        }
        let opened = match result {
            Ok(opened) => opened,
            Err(error) if error.kind == DiskErrorKind::Full => return self.pause(error, true, now, out),
            Err(error) => {
                self.phase = Phase::Stopped;
                return out.tell(Note::Failed { torrent: self.id, error });
            }
        };
        self.phase = Phase::Checking;
        let mut checks: Vec<Piece> = Vec::new();
        match opened.resume.filter(|_| !self.recheck) {
            Some(resume) => {
                self.stats.down_before = resume.downloaded;
                self.stats.up_before = resume.uploaded;
                checks = self.take_over(resume);
            }
            None => {
                let is_there = |piece: &Piece| self.is_there(*piece, &opened.lens);
                checks.extend(self.metainfo.geometry.pieces().filter(is_there));
            }
        }
        self.recheck = false;
        if checks.len() > 1 {
            log::info!("{}: checking {} pieces of existing data", self.metainfo.name, checks.len());
        }
        self.store.plan_checks(checks);
        self.go_on_checking(now, out);
    }

    /// What earlier runs left; gives the pieces to be checked.
    fn take_over(&mut self, resume: Resume) -> Vec<Piece> {
        let geometry = self.metainfo.geometry;
        let pieces = |field: &Bitfield| field.ones().filter_map(|index| geometry.piece(index)).collect::<Vec<_>>();
        for piece in pieces(&resume.have) {
            self.picker.verify(piece);
        }
        let mut checks = pieces(&resume.suspect);
        checks.retain(|piece| !self.picker.verified().has(*piece));
        for Partial { piece, stored } in resume.partial {
            if !checks.contains(&piece) && self.picker.restore(piece, |number| stored.has_index(number)) {
                checks.push(piece);
            }
        }
        checks
    }

    /// Whether all of the piece could be in the files as they are.
    fn is_there(&self, piece: Piece, lens: &[Option<u64>]) -> bool {
        self.spec.layout.is_piece_wanted(piece)
            && self.spec.layout.slices_of_piece(piece).all(|slice| match slice.place {
                Place::Pad => true,
                Place::Part => false,
                Place::File(index) => {
                    let len = lens.get(index as usize).copied().flatten().unwrap_or(0);
                    len >= slice.offset + u64::from(slice.len)
                }
            })
    }

    fn go_on_checking(&mut self, now: Time, out: &mut Outbox) {
        if self.store.go_on_checking(out) {
            self.phase = Phase::Active;
            self.was_incomplete = !self.picker.is_complete();
            self.later.push(Later::Began);
            if !self.was_incomplete {
                self.complete(now, out);
            }
        }
    }

    /// All that is wanted is verified: saved first, told afterwards.
    fn complete(&mut self, now: Time, out: &mut Outbox) {
        if !self.store.is_saving() {
            self.store.save(self.resume(true), now, out);
        }
    }

    /// What should be known at the next start.
    pub fn resume(&self, completed: bool) -> Resume {
        Resume {
            have: self.picker.verified().clone(),
            suspect: self.store.unchecked(self.metainfo.geometry.piece_count()),
            partial: self.picker.stored().map(|(piece, stored)| Partial { piece, stored }).collect(),
            downloaded: self.stats.down_before + self.stats.down.total(),
            uploaded: self.stats.up_before + self.stats.up.total(),
            completed,
        }
    }

    /// A batch is on disk.
    pub fn on_home(&mut self, store: StoreId, blocks: Vec<Filled>, out: &mut Outbox) {
        if store == self.store.id {
            self.store.batch_ended(&blocks, false);
            for filled in &blocks {
                self.picker.store(filled.block);
            }
        }
        self.take_home(blocks, out);
        self.later.push(Later::TopUpAll);
    }

    /// A batch is not on disk: the torrent pauses, its blocks are missing again.
    pub fn on_write_failed(
        &mut self,
        store: StoreId,
        blocks: Vec<Filled>,
        error: DiskError,
        now: Time,
        out: &mut Outbox,
    ) {
        if store == self.store.id {
            self.store.batch_ended(&blocks, true);
            for filled in &blocks {
                self.picker.unreceive(filled.block);
            }
            self.pause(error, false, now, out);
        }
        self.take_home(blocks, out);
    }

    fn take_home(&mut self, blocks: Vec<Filled>, out: &mut Outbox) {
        out.download.give_back(blocks.len() as u32);
        for filled in blocks {
            out.pool.put(filled.buffer);
        }
    }

    /// A piece's digest came.
    pub fn on_hashed(&mut self, piece: Piece, digest: Result<[u8; 20], DiskError>, now: Time, out: &mut Outbox) {
        if !self.store.digest_came(piece) {
            return;
        }
        let is_right = digest.as_ref().is_ok_and(|digest| digest[..] == *self.metainfo.hash_of(piece));
        match self.phase {
            Phase::Checking => {
                if is_right {
                    self.picker.verify(piece);
                    self.store.record(Record::Verified(piece), out);
                } else {
                    self.picker.fail(piece, false);
                    self.store.record(Record::Failed(piece), out);
                }
                self.go_on_checking(now, out);
            }
            _ if !self.picker.is_hashing(piece) => {}
            _ => match digest {
                Ok(_) if is_right => self.on_verified(piece, now, out),
                Ok(_) => self.on_wrong(piece, out),
                Err(error) => {
                    self.picker.fail(piece, false);
                    self.pause(error, true, now, out);
                }
            },
        }
    }

    fn on_verified(&mut self, piece: Piece, now: Time, out: &mut Outbox) {
        self.picker.verify(piece);
        self.store.record(Record::Verified(piece), out);
        if self.blame.has_case(piece) {
            out.job(Job::Digests { store: self.store.id, piece });
        }
        self.later.push(Later::Verified(piece));
        if self.picker.is_complete() {
            self.complete(now, out);
        }
    }

    /// A downloaded piece is wrong: blame first, then everything again.
    fn on_wrong(&mut self, piece: Piece, out: &mut Outbox) {
        self.stats.hash_fails += 1;
        self.stats.wasted += u64::from(self.metainfo.geometry.len_of(piece));
        log::debug!("{}: piece {} is wrong", self.metainfo.name, piece.index());
        self.store.record(Record::Failed(piece), out);
        let (liar, wants_digests) = self.blame.failed(piece, self.picker.senders(piece));
        if let Some(liar) = liar {
            self.ban(liar);
        }
        if wants_digests {
            // Its blocks stay as they are until their digests are taken.
            out.job(Job::Digests { store: self.store.id, piece });
        } else {
            self.picker.fail(piece, false);
            self.later.push(Later::TopUpAll);
        }
    }

    /// Digests of a piece's blocks came: of one that failed, or of one that failed before and passed now.
    pub fn on_digests(&mut self, piece: Piece, digests: Result<Vec<[u8; 8]>, DiskError>) {
        let passed = self.picker.verified().has(piece);
        match digests {
            Ok(digests) => {
                for liar in self.blame.digests(piece, &digests, passed) {
                    self.ban(liar);
                }
            }
            Err(_) => self.blame.no_digests(piece),
        }
        if !passed && self.picker.is_hashing(piece) {
            self.picker.fail(piece, true);
            self.later.push(Later::TopUpAll);
        }
    }

    fn ban(&mut self, liar: Suspect) {
        self.blame.ban(liar);
        self.later.push(Later::Banned(liar));
    }

    /// A checkpoint ended.
    pub fn on_saved(&mut self, result: Result<(), DiskError>, now: Time, out: &mut Outbox) {
        self.store.saved();
        if self.phase == Phase::Stopping {
            if let Err(error) = result {
                out.tell(Note::Said { torrent: self.id, level: Level::Warning, text: error.text });
            }
            if self.is_last_save {
                self.phase = Phase::Stopped;
                out.job(Job::Close { store: self.store.id });
            }
            return;
        }
        if let Err(error) = result {
            return self.pause(error, false, now, out);
        }
        if self.picker.is_complete() && !self.is_complete {
            if !self.store.is_quiet() {
                // The last piece was verified while an earlier checkpoint was under way.
                return self.complete(now, out);
            }
            self.is_complete = true;
            self.later.push(Later::Completed);
            out.tell(Note::Complete { torrent: self.id });
        }
    }

    /// Winds down: what is in memory goes to the disk, then everything is saved.
    pub fn stop(&mut self, now: Time, out: &mut Outbox) {
        match self.phase {
            Phase::Stopping | Phase::Stopped => {}
            Phase::Opening | Phase::Paused { reopen: true, .. } => {
                self.phase = Phase::Stopped;
                out.job(Job::Close { store: self.store.id });
            }
            Phase::Checking => {
                self.phase = Phase::Stopping;
                self.save_last(now, out);
            }
            Phase::Active | Phase::Paused { .. } => {
                self.phase = Phase::Stopping;
                self.store.flush_all(out);
                self.go_on_stopping(now, out);
            }
        }
    }

    /// Saves for the last time as soon as nothing is on its way.
    pub fn go_on_stopping(&mut self, now: Time, out: &mut Outbox) {
        if self.phase == Phase::Stopping && self.store.is_quiet() {
            self.save_last(now, out);
        }
    }

    fn save_last(&mut self, now: Time, out: &mut Outbox) {
        if !self.store.is_saving() && !std::mem::replace(&mut self.is_last_save, true) {
            self.store.save(self.resume(self.is_complete), now, out);
        }
    }

    /// The disk is in trouble: nothing is asked for until it was tried again.
    pub fn pause(&mut self, error: DiskError, reopen: bool, now: Time, out: &mut Outbox) {
        if matches!(self.phase, Phase::Stopping | Phase::Stopped) {
            return;
        }
        let was_reopen = matches!(self.phase, Phase::Paused { reopen: true, .. });
        let is_news = !matches!(&self.phase, Phase::Paused { reason, .. } if *reason == error.text);
        if is_news {
            let text = format!("paused: {}; trying again in {DISK_RETRY}", error.text);
            out.tell(Note::Said { torrent: self.id, level: Level::Warning, text });
        }
        if !matches!(self.phase, Phase::Paused { .. }) {
            self.later.push(Later::CancelAll);
        }
        self.phase = Phase::Paused { until: now + DISK_RETRY, reason: error.text, reopen: reopen || was_reopen };
    }

    /// The wait is over.
    pub fn try_again(&mut self, now: Time, out: &mut Outbox) {
        let Phase::Paused { reopen, .. } = self.phase else {
            return;
        };
        if reopen {
            return self.later.push(Later::Reopen);
        }
        self.phase = Phase::Active;
        if self.picker.is_complete() && !self.is_complete {
            self.complete(now, out);
        }
        self.later.push(Later::TopUpAll);
    }
}
