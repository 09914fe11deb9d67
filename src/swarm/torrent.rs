//! Everything of a swarm but its peers: what is here, what is missing, and where the torrent stands. Parts that
//! handle one peer (`downloads`, `uploads`, `messages`) get this and that peer; effects on other peers wait in
//! `later`.

use std::net::SocketAddr;
use std::sync::Arc;

use super::blame::Blame;
use super::picker::Picker;
use super::rarity::Rank;
use super::rates::Rates;
use super::store::Store;
use crate::base::rate::Rate;
use crate::base::{Bitfield, Block, ConnId, Filled, Piece, StoreId, Time, TorrentId};
use crate::machine::{DiskError, DiskErrorKind, Job, Level, Note, Opened, Outbox, RateLimits, StoreSpec};
use crate::metainfo::Metainfo;
use crate::storage::{Partial, Place, Resume};

/// Where the torrent stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Phase {
    /// The disk thread looks at its files.
    Opening,
    /// Room for its files is reserved: bytes, of how many.
    Reserving {
        done: u64,
        total: u64,
    },
    /// Existing data is hashed.
    Checking,
    Active,
    /// The disk is in trouble; tried again at `until`. `reopen`: files are to be looked at afresh then.
    Paused {
        until: Time,
        error: DiskError,
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
    /// Somebody lied.
    Banned,
    /// A web seed did.
    WebLied { seed: usize },
    /// A peer told of others.
    Heard { from: SocketAddr, peers: Vec<SocketAddr> },
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
    /// Liars found by this torrent.
    pub banned: u32,
    /// Connections ended because the peer broke the rules, or kept us waiting for what it owed.
    pub faults: u32,
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
    pub rates: Rates,
    pub later: Vec<Later>,
    /// Its own rate limit holds something back until then.
    pub throttled_until: Option<Time>,
    /// Unchoke slots that nobody uses, as of the last look.
    pub free_slots: usize,
    /// Complete, saved and told.
    pub is_complete: bool,
    /// It was not complete when this run began: `completed` is announced when it is.
    pub was_incomplete: bool,
    /// An earlier run announced `completed`.
    pub was_told_complete: bool,
    /// The totals of earlier runs were taken over.
    pub knows_totals: bool,
    /// Look at all existing data.
    pub recheck: bool,
    /// Verified bytes of earlier runs and openings, where it waits if nothing is left of them.
    pub had: Option<u64>,
    /// Room is to be reserved before anything is downloaded.
    pub prealloc: bool,
    /// What the disk thread found, while room is reserved.
    pub opened: Option<Opened>,
    pub sequential: bool,
    /// Which pieces come first; empty where all are the same.
    pub ranks: Vec<Rank>,
    /// The last checkpoint before the end is under way.
    pub is_last_save: bool,
    /// It may use our DHT node.
    pub has_dht: bool,
    /// It takes part in peer exchange.
    pub has_pex: bool,
    /// The highest rate of any peer, as of the last look.
    pub best_rate: u64,
    /// When a piece last failed that several had sent: it waits for one peer to fetch it from.
    pub alone_since: Time,
}

/// What a torrent is made from.
pub struct Setup {
    pub id: TorrentId,
    pub metainfo: Arc<Metainfo>,
    pub spec: Arc<StoreSpec>,
    pub sequential: bool,
    /// Per file, as in [`crate::machine::AddTorrent::priorities`].
    pub priorities: Vec<i8>,
    pub recheck: bool,
    pub had: Option<u64>,
    pub has_dht: bool,
    /// It takes part in peer exchange.
    pub has_pex: bool,
    pub prealloc: bool,
    pub limits: RateLimits,
}

/// Pieces with at least one wanted byte.
pub fn wanted_pieces(spec: &StoreSpec) -> Bitfield {
    let mut wanted = Bitfield::new(spec.layout.geometry().piece_count());
    for piece in spec.layout.geometry().pieces().filter(|piece| spec.layout.is_piece_wanted(*piece)) {
        wanted.set(piece);
    }
    wanted
}

/// The rank of each piece: that of the most urgent wanted file with a byte in it. Empty where all are normal.
pub fn piece_ranks(spec: &StoreSpec, priorities: &[i8]) -> Vec<Rank> {
    if priorities.iter().all(|priority| *priority == 0) {
        return Vec::new();
    }
    let layout = &spec.layout;
    let rank = |piece: Piece| {
        let files = layout.slices_of_piece(piece).filter_map(|slice| match slice.place {
            Place::File(index) => priorities.get(index as usize),
            Place::Part | Place::Pad => None,
        });
        match files.max() {
            Some(1..) => Rank::High,
            Some(..=-1) => Rank::Low,
            Some(0) | None => Rank::Normal,
        }
    };
    layout.geometry().pieces().map(rank).collect()
}

impl Torrent {
    /// Not opened yet; `open` begins.
    pub fn new(setup: Setup, now: Time, rng: &mut fastrand::Rng) -> Torrent {
        let wanted = wanted_pieces(&setup.spec);
        let ranks = piece_ranks(&setup.spec, &setup.priorities);
        Torrent {
            id: setup.id,
            picker: Picker::new(setup.metainfo.geometry, wanted, setup.sequential, rng),
            metainfo: setup.metainfo,
            spec: setup.spec,
            phase: Phase::Opening,
            store: Store::new(StoreId { torrent: setup.id, epoch: 0 }, now),
            blame: Blame::default(),
            stats: Stats::default(),
            rates: Rates::new(setup.limits),
            later: Vec::new(),
            throttled_until: None,
            free_slots: 0,
            is_complete: false,
            was_incomplete: false,
            was_told_complete: false,
            knows_totals: false,
            recheck: setup.recheck,
            had: setup.had,
            prealloc: setup.prealloc,
            opened: None,
            sequential: setup.sequential,
            ranks,
            is_last_save: false,
            has_dht: setup.has_dht,
            has_pex: setup.has_pex,
            best_rate: 0,
            alone_since: now,
        }
    }

    /// Its own rate limit holds something back.
    pub fn throttle(&mut self, until: Time) {
        self.throttled_until = Some(self.throttled_until.map_or(until, |earlier| earlier.min(until)));
    }

    /// Blocks may be asked for and taken.
    pub fn may_request(&self) -> bool {
        self.phase == Phase::Active && !self.is_complete
    }

    /// Pieces may be read and given.
    pub fn may_serve(&self) -> bool {
        matches!(self.phase, Phase::Active | Phase::Paused { reopen: false, .. })
    }

    /// All that is wanted is verified: saved first, told afterwards.
    pub(super) fn complete(&mut self, now: Time, out: &mut Outbox) {
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
                if self.picker.store(filled.block) {
                    out.job(Job::Forget { store, piece: filled.block.piece() });
                }
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
        out.download.give_back(self.id, blocks.len() as u32);
        for filled in blocks {
            out.pool.put(filled.buffer);
        }
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
            // A file was taken away: what is there has to be looked at again.
            let reopen = error.kind == DiskErrorKind::Missing;
            return self.pause(error, reopen, now, out);
        }
        if self.picker.is_complete() && !self.is_complete {
            if !self.store.is_quiet() {
                // The last piece was verified while an earlier checkpoint was under way.
                return self.complete(now, out);
            }
            self.is_complete = true;
            self.later.push(Later::Completed);
        }
    }
}
