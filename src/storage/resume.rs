//! What is remembered of a torrent between runs: a rare snapshot plus an append-only journal, and how far either
//! can be believed. Pure; the bytes are [`super::snapshot`] and [`super::journal`].

use super::claims::Claims;
use super::journal::{End, Journal, Line};
use super::layout::{Layout, Place, Slice};
use super::snapshot::Snapshot;
use crate::base::{Bitfield, Block, Geometry, InfoHash, Piece};

/// What earlier runs left, as far as it can be believed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Resume {
    /// Verified pieces whose data can be trusted to be on disk.
    pub have: Bitfield,
    /// Claimed pieces that must be hashed again (after a power cut, or where a file changed).
    pub suspect: Bitfield,
    /// Pieces with some blocks stored.
    pub partial: Vec<Partial>,
    /// Payload bytes ever received and sent, over all runs.
    pub downloaded: u64,
    pub uploaded: u64,
    /// The torrent was once complete: `completed` was announced.
    pub completed: bool,
}

impl Resume {
    /// Nothing is remembered.
    pub fn empty(geometry: &Geometry) -> Resume {
        Resume {
            have: Bitfield::new(geometry.piece_count()),
            suspect: Bitfield::new(geometry.piece_count()),
            partial: Vec::new(),
            downloaded: 0,
            uploaded: 0,
            completed: false,
        }
    }

    /// Whether nothing is claimed that must not get lost in a power cut.
    pub fn claims_nothing(&self) -> bool {
        self.have.count() == 0 && self.partial.is_empty()
    }
}

/// A piece with some of its blocks stored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Partial {
    pub piece: Piece,
    /// A bit per 16 KiB block.
    pub stored: Bitfield,
}

/// One line of the journal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Record {
    /// A range of a piece was written (appended by `disk` itself after each write).
    Stored(Block),
    /// A piece was hashed and is right.
    Verified(Piece),
    /// A piece was hashed and is wrong: its blocks are not stored any more.
    Failed(Piece),
    /// All that was wanted is verified.
    Completed,
}

impl From<Record> for Line {
    fn from(record: Record) -> Line {
        match record {
            Record::Stored(block) => {
                let count = block.end().div_ceil(crate::base::BLOCK_LEN) - block.number();
                Line::Stored { piece: block.piece().index(), first: block.number(), count }
            }
            Record::Verified(piece) => Line::Verified { piece: piece.index() },
            Record::Failed(piece) => Line::Failed { piece: piece.index() },
            Record::Completed => Line::Completed,
        }
    }
}

/// How a file looks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stamp {
    pub len: u64,
    /// Last change, in nanoseconds since 1970.
    pub mtime_ns: i64,
    pub inode: u64,
    /// Only compared within one boot: device numbers change when disks come in another order.
    pub device: u64,
}

/// The present, which what was remembered is held against.
#[derive(Clone, Copy, Debug)]
pub struct Present<'a> {
    pub info_hash: InfoHash,
    pub layout: &'a Layout,
    /// The download folder's absolute path, as bytes.
    pub dir: &'a [u8],
    /// Tells this boot of the machine from all others.
    pub boot_id: &'a str,
    /// How each file of the layout looks now (None: not there, or never stored), and last the part file.
    pub stamps: &'a [Option<Stamp>],
}

/// What [`judge`] found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Judged {
    /// None: nothing usable is remembered.
    pub resume: Option<Resume>,
    /// The number of the snapshot that was read; 0 if none.
    pub generation: u64,
    pub plan: Plan,
}

/// How the journal goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Plan {
    /// Cut it to this length and append; `clean` while nothing was written since the snapshot.
    Append { end: End, clean: bool },
    /// Begin it anew, under the same snapshot.
    Restart,
    /// Write a snapshot of the next generation first: something was found that the old one does not say.
    Renew,
}

/// Reads what earlier runs left and holds it against the files. Garbage means that nothing is remembered.
///
/// Within one boot (SIGKILL) every line of the journal counts. After another (power cut) lines may have reached the
/// disk before the data they speak of: verified pieces become suspect, stored blocks are dropped; the snapshot itself
/// was written after an fdatasync of the data. A file that is not there or does not reach drops its claims; one with
/// another inode, shorter than claimed, or, when nothing was written since the snapshot, of another length or time,
/// makes its pieces suspect.
pub fn judge(present: &Present<'_>, snapshot: Option<&[u8]>, journal: &[u8]) -> Judged {
    let Some(snapshot) = snapshot.and_then(|bytes| Snapshot::decode(bytes, present)) else {
        return Judged { resume: None, generation: 0, plan: Plan::Renew };
    };
    // A journal of another generation: the crash came between a new snapshot and its journal, and the snapshot says
    // all that the old journal said.
    let journal = Journal::decode(journal)
        .filter(|found| found.generation == snapshot.generation && found.info_hash == present.info_hash);
    let same_boot = journal.is_some_and(|found| found.boot_id == present.boot_id);
    let mut claims = Claims::of(&snapshot, present);
    let mut clean = true;
    let mut end = None;
    if let Some(found) = journal {
        let mut lines = found.lines();
        for line in lines.by_ref() {
            clean = false;
            claims.apply(&line, same_boot);
        }
        end = same_boot.then(|| lines.end());
    }
    let changed = claims.hold_against(present, clean);
    let plan = match end {
        _ if changed => Plan::Renew,
        Some(end) => Plan::Append { end, clean },
        None if clean => Plan::Restart,
        None => Plan::Renew,
    };
    Judged { generation: snapshot.generation, resume: Some(claims.into_resume(&snapshot.resume)), plan }
}

/// Where nothing is remembered: every wanted piece that the files as they are could hold is suspect.
pub fn first_look(layout: &Layout, stamps: &[Option<Stamp>]) -> Resume {
    let mut resume = Resume::empty(layout.geometry());
    let reaches = |slice: Slice| match slice.place {
        Place::Pad => true,
        Place::Part => false,
        Place::File(index) => {
            let len = stamps.get(index as usize).copied().flatten().map_or(0, |stamp| stamp.len);
            len >= slice.offset + u64::from(slice.len)
        }
    };
    for piece in layout.geometry().pieces() {
        if layout.is_piece_wanted(piece) && layout.slices_of_piece(piece).all(reaches) {
            resume.suspect.set(piece);
        }
    }
    resume
}

/// Adds blocks that the running journal knows to be stored, but not yet the machine that made `resume`: their
/// letters are still under way.
pub fn carry_over(resume: &mut Resume, geometry: &Geometry, journal: &[u8]) {
    let Some(journal) = Journal::decode(journal) else { return };
    let mut claims = Claims::nothing(geometry);
    journal.lines().for_each(|line| claims.apply(&line, true));
    for (index, stored) in claims.stored {
        let Some(piece) = geometry.piece(index) else { continue };
        if resume.have.has(piece) || resume.suspect.has(piece) {
            continue;
        }
        match resume.partial.iter_mut().find(|partial| partial.piece == piece) {
            Some(partial) => stored.ones().for_each(|block| {
                partial.stored.set_index(block);
            }),
            None => resume.partial.push(Partial { piece, stored }),
        }
    }
}

#[cfg(test)]
mod tests;
