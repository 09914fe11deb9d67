//! All that is known of one torrent at a moment, for whoever asks: its record, and what its machine says.

use super::torrent::{Run, Torrent};
use crate::base::{Bitfield, Time, TorrentId};
use crate::machine::{Activity, PeerRow, Row, TrackerRow};
use crate::metainfo::Metainfo;

/// The machines that work on torrents, as far as the remote control may look.
pub trait Machines {
    fn row(&mut self, torrent: TorrentId, now: Time) -> Option<Row>;
    fn peers(&mut self, torrent: TorrentId, now: Time) -> Vec<PeerRow>;
    fn trackers(&self, torrent: TorrentId) -> Vec<TrackerRow>;
    /// Pieces that are verified; None before the metainfo is known.
    fn have(&self, torrent: TorrentId) -> Option<Bitfield>;
}

/// What is known of a torrent. What nobody asked for is left empty.
pub struct Facts<'a> {
    pub torrent: &'a Torrent,
    /// What its machine says, where there is one.
    pub row: Option<Row>,
    pub peers: Vec<PeerRow>,
    pub trackers: Vec<TrackerRow>,
    pub have: Option<Bitfield>,
    pub metainfo: Option<&'a Metainfo>,
    pub now: Time,
    /// Seconds since 1970 at [`Time::ZERO`].
    pub began_s: u64,
    /// Seconds that the program has been active, over all its runs.
    pub active_s: u64,
    /// Where .torrent files are kept.
    pub state_dir: &'a str,
    /// Downloads wait because there is too little room.
    pub is_low: bool,
    /// The ratio at which it ends, where there is one.
    pub ratio_limit: Option<f64>,
}

/// What clients call a status.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Status {
    Stopped = 0,
    CheckWait = 1,
    Checking = 2,
    DownloadWait = 3,
    Downloading = 4,
    SeedWait = 5,
    Seeding = 6,
}

impl Facts<'_> {
    /// A moment in seconds since 1970.
    pub fn wall_s(&self, at: Time) -> u64 {
        self.began_s + at.0 / 1_000_000
    }

    pub fn status(&self) -> Status {
        let torrent = self.torrent;
        let done = torrent.is_done();
        let at_work = if done { Status::Seeding } else { Status::Downloading };
        match (&torrent.run, &self.row) {
            _ if !torrent.is_started => Status::Stopped,
            (Run::On(_), Some(row)) => match &row.activity {
                Activity::Opening | Activity::Reserving { .. } if torrent.plans.recheck => Status::CheckWait,
                Activity::Opening | Activity::Reserving { .. } => at_work,
                Activity::Checking { total, .. } if *total > 0 => Status::Checking,
                Activity::Checking { .. } => at_work,
                Activity::Metadata { .. } | Activity::Downloading => Status::Downloading,
                Activity::Seeding => Status::Seeding,
                Activity::Paused(_) => at_work,
                Activity::Stopped => Status::Stopped,
            },
            (Run::Rest, _) if !torrent.has_turn && torrent.plans.recheck => Status::CheckWait,
            (Run::Rest, _) if !torrent.has_turn => {
                if done {
                    Status::SeedWait
                } else {
                    Status::DownloadWait
                }
            }
            _ => at_work,
        }
    }

    /// 0 to 3, and why.
    pub fn trouble(&self) -> (u8, &str) {
        if let Some(Row { activity: Activity::Paused(error), .. }) = &self.row {
            return (3, &error.text);
        }
        if let Some(trouble) = &self.torrent.trouble {
            return (trouble.kind, &trouble.text);
        }
        if self.is_low && self.torrent.is_started && !self.torrent.is_done() {
            return (3, "waits: too little room is free on the disk (--min-free)");
        }
        match self.row.as_ref().and_then(|row| row.tracker_trouble.as_deref()) {
            Some(text) if self.torrent.is_started => (2, text),
            _ => (0, ""),
        }
    }

    /// Bytes per second down and up.
    pub fn rates(&self) -> (u64, u64) {
        self.row.as_ref().map_or((0, 0), |row| (row.down_per_s, row.up_per_s))
    }

    pub fn left(&self) -> u64 {
        self.torrent.wanted_len.saturating_sub(self.torrent.have_len)
    }

    /// Seconds until it is complete, or shared enough; -1: nobody can say, -2: it does not move.
    pub fn eta(&self) -> i64 {
        let (down, up) = self.rates();
        let after =
            |left: u64, rate: u64| left.checked_div(rate).map_or(-2, |seconds| seconds.min(i64::MAX as u64) as i64);
        match (self.status(), self.ratio_limit) {
            (Status::Downloading, _) if self.torrent.has_metainfo() => after(self.left(), down),
            (Status::Seeding, Some(limit)) => {
                let base = self.torrent.downloaded.max(self.torrent.have_len);
                after(((base as f64 * limit) as u64).saturating_sub(self.torrent.uploaded), up)
            }
            _ => -1,
        }
    }

    /// How far the metadata is, 0 to 1.
    pub fn metadata_share(&self) -> f64 {
        match self.row.as_ref().map(|row| &row.activity) {
            _ if self.torrent.has_metainfo() => 1.0,
            Some(Activity::Metadata { done, total }) if *total > 0 => f64::from(*done) / f64::from(*total),
            _ => 0.0,
        }
    }

    /// How far the check is, 0 to 1.
    pub fn check_share(&self) -> f64 {
        match self.row.as_ref().map(|row| &row.activity) {
            Some(Activity::Checking { done, total }) if *total > 0 => f64::from(*done) / f64::from(*total),
            _ => 0.0,
        }
    }

    /// The pieces that are here, one bit each; all or nothing where no more is known.
    pub fn pieces(&self) -> Bitfield {
        let count = self.torrent.piece_count;
        let known = self.have.as_ref().or(self.torrent.have.as_deref()).filter(|have| have.len() == count);
        match known {
            Some(have) => have.clone(),
            None if self.torrent.is_done() && self.torrent.own.as_ref().is_none_or(|own| own.unwanted.is_empty()) => {
                Bitfield::full(count)
            }
            None => Bitfield::new(count),
        }
    }
}

/// Bytes of a range of the torrent that lie in pieces which are here.
pub fn present(have: &Bitfield, metainfo: &Metainfo, offset: u64, len: u64) -> u64 {
    let geometry = &metainfo.geometry;
    let end = offset + len;
    let mut at = offset;
    let mut sum = 0;
    while at < end
        && let Some(piece) = geometry.piece_at(at)
    {
        let next = (geometry.start_of(piece) + u64::from(geometry.len_of(piece))).min(end);
        if have.has(piece) {
            sum += next - at;
        }
        at = next;
    }
    sum
}
