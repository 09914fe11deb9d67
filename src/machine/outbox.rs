//! Where a machine's effects go, and what the driver lends it: the purses and limits that all torrents share.

use super::{Command, Datagrams, Job, Note};
use crate::base::credits::Credits;
use crate::base::encryption::Encryption;
use crate::base::hosts::Hosts;
use crate::base::limits::{METADATA_ROOM, SAID_ROOM, WEB_CONNS_PER_HOST};
use crate::base::room::Room;
use crate::base::shared_limit::SharedLimit;
use crate::base::{ConnId, JobId, Pool, Time, TorrentId};
use crate::storage::Bans;

/// Where a machine's effects go, and what the driver lends it.
#[derive(Debug)]
pub struct Outbox {
    pub commands: Vec<Command>,
    /// Datagrams to send after these, from the socket of each address's family.
    pub datagrams: Datagrams,
    pub pool: Pool,
    /// Requests in flight, of all torrents.
    pub download: Credits,
    /// Blocks read or queued for sending, of all torrents.
    pub upload: Credits,
    /// Payload of all torrents, out and in.
    pub up_limit: SharedLimit,
    pub down_limit: SharedLimit,
    /// Info dictionaries on their way in, and what peers say meanwhile.
    pub metadata_room: Room,
    pub said_room: Room,
    /// Connections to web seeds, of all torrents.
    pub web_hosts: Hosts,
    /// How peers are spoken to; the driver heeds it too.
    pub encryption: Encryption,
    pub rng: fastrand::Rng,
    /// Whom no torrent deals with.
    pub bans: Bans,
    /// The time of day, milliseconds since 1970: the driver tells it once per turn of its loop. It may jump both ways.
    pub wall_ms: u64,
    /// What local time is ahead of universal time, in seconds; set by the driver.
    pub ahead_s: i64,
    next_conn: u64,
    next_job: u64,
}

impl Outbox {
    /// An empty outbox; `seed` decides every random choice of the machines.
    pub fn new(seed: u64, pool_blocks: usize, download_credits: u32, upload_credits: u32) -> Outbox {
        Outbox {
            commands: Vec::new(),
            datagrams: Datagrams::default(),
            pool: Pool::new(pool_blocks),
            download: Credits::new(download_credits),
            upload: Credits::new(upload_credits),
            up_limit: SharedLimit::default(),
            down_limit: SharedLimit::default(),
            metadata_room: Room::new(METADATA_ROOM),
            said_room: Room::new(SAID_ROOM),
            web_hosts: Hosts::new(WEB_CONNS_PER_HOST),
            encryption: Encryption::Off,
            rng: fastrand::Rng::with_seed(seed),
            bans: Bans::default(),
            wall_ms: 0,
            ahead_s: 0,
            next_conn: 1,
            next_job: 1,
        }
    }

    /// Whose turn it is to take from what torrents share, and begins it: a helping of each thing. The caller hands
    /// that torrent its turn, then says [`Self::end_turn`]. None: nobody waits for anything that is there.
    pub fn next_turn(&mut self, now: Time) -> Option<TorrentId> {
        let credits = self.download.next_turn().or_else(|| self.upload.next_turn());
        let id = credits.or_else(|| self.down_limit.next_turn(now)).or_else(|| self.up_limit.next_turn(now))?;
        self.download.begin_turn(id);
        self.upload.begin_turn(id);
        self.down_limit.begin_turn(id);
        self.up_limit.begin_turn(id);
        Some(id)
    }

    /// The turn is over.
    pub fn end_turn(&mut self) {
        self.download.end_turn();
        self.upload.end_turn();
        self.down_limit.end_turn();
        self.up_limit.end_turn();
    }

    /// When somebody's turn comes because time passed.
    pub fn next_turn_at(&self) -> Option<Time> {
        [self.down_limit.next_deadline(), self.up_limit.next_deadline()].into_iter().flatten().min()
    }

    /// A connection id that was never used: by machines before a dial, by the driver at an accept.
    pub fn new_conn(&mut self) -> ConnId {
        self.next_conn += 1;
        ConnId(self.next_conn - 1)
    }

    /// A job id that was never used.
    pub fn new_job(&mut self) -> JobId {
        self.next_job += 1;
        JobId(self.next_job - 1)
    }

    pub fn push(&mut self, command: Command) {
        self.commands.push(command);
    }

    pub fn send(&mut self, conn: ConnId, bytes: Vec<u8>) {
        self.commands.push(Command::Send { conn, bytes });
    }

    pub fn close(&mut self, conn: ConnId) {
        self.commands.push(Command::Close { conn });
    }

    pub fn job(&mut self, job: Job) {
        self.commands.push(Command::Job(job));
    }

    pub fn tell(&mut self, note: Note) {
        self.commands.push(Command::Tell(note));
    }
}
