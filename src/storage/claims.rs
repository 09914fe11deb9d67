//! What is claimed to be on disk while resume state is read back: journal lines are applied one by one, then all of
//! it is held against the files as they are.

use std::collections::BTreeMap;
use std::ops::Range;

use super::journal::Line;
use super::layout::Layout;
use super::resume::{Partial, Present, Resume, Stamp};
use super::snapshot::{Snapshot, wanted};
use crate::base::{BLOCK_LEN, Bitfield, Geometry};

/// Which file it is; the device only where it was seen in this boot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Identity {
    inode: u64,
    device: Option<u64>,
}

impl Identity {
    fn is(&self, stamp: &Stamp) -> bool {
        self.inode == stamp.inode && self.device.is_none_or(|device| device == stamp.device)
    }
}

/// Claims, and the files that they were made about.
#[derive(Clone, Debug)]
pub(super) struct Claims {
    geometry: Geometry,
    have: Bitfield,
    suspect: Bitfield,
    /// Blocks of pieces that are in neither.
    pub stored: BTreeMap<u32, Bitfield>,
    completed: bool,
    /// Per file, and last the part file.
    known: Vec<Option<Identity>>,
    /// The snapshot's stamps: worth something while nothing was written since.
    stamps: Vec<Option<Stamp>>,
    wanted: Vec<bool>,
    /// Torrent bytes of each file; empty for pad files.
    ranges: Vec<Range<u64>>,
}

impl Claims {
    /// No claims about no files.
    pub fn nothing(geometry: &Geometry) -> Claims {
        Claims {
            geometry: *geometry,
            have: Bitfield::new(geometry.piece_count()),
            suspect: Bitfield::new(geometry.piece_count()),
            stored: BTreeMap::new(),
            completed: false,
            known: Vec::new(),
            stamps: Vec::new(),
            wanted: Vec::new(),
            ranges: Vec::new(),
        }
    }

    /// What a snapshot claims.
    pub fn of(snapshot: &Snapshot, present: &Present<'_>) -> Claims {
        let same_boot = snapshot.boot_id == present.boot_id;
        let identity = |stamp: &Stamp| Identity { inode: stamp.inode, device: same_boot.then_some(stamp.device) };
        let resume = &snapshot.resume;
        Claims {
            geometry: *present.layout.geometry(),
            have: resume.have.clone(),
            suspect: resume.suspect.clone(),
            stored: resume.partial.iter().map(|p| (p.piece.index(), p.stored.clone())).collect(),
            completed: resume.completed,
            known: snapshot.stamps.iter().map(|stamp| stamp.as_ref().map(identity)).collect(),
            stamps: snapshot.stamps.clone(),
            wanted: snapshot.wanted.clone(),
            ranges: ranges(present.layout),
        }
    }

    /// What a line of the journal adds or takes away. Numbers that the torrent does not have are ignored.
    pub fn apply(&mut self, line: &Line, same_boot: bool) {
        match *line {
            Line::Begun => {}
            Line::File { key, inode, device } => {
                let key = key as usize;
                let new = Identity { inode, device: same_boot.then_some(device) };
                let Some(known) = self.known.get_mut(key) else { return };
                if known.replace(new).is_none_or(|old| old.inode != inode) {
                    self.distrust(key);
                }
            }
            Line::Stored { piece, first, count } => {
                let Some(checked) = self.geometry.piece(piece) else { return };
                if !same_boot || self.have.has(checked) || self.suspect.has(checked) {
                    return;
                }
                let bit_count = self.geometry.block_count(checked);
                let bits = self.stored.entry(piece).or_insert_with(|| Bitfield::new(bit_count));
                for block in first..first.saturating_add(count).min(bit_count) {
                    bits.set_index(block);
                }
            }
            Line::Verified { piece } => {
                let Some(checked) = self.geometry.piece(piece) else { return };
                self.stored.remove(&piece);
                if same_boot {
                    self.suspect.clear(checked);
                    self.have.set(checked);
                } else if !self.have.has(checked) {
                    self.suspect.set(checked);
                }
            }
            Line::Failed { piece } => self.drop_piece(piece),
            Line::Completed => self.completed = true,
        }
    }

    /// Turns claims about changed files into suspicion and drops those about absent bytes. True if anything is not
    /// as it was remembered. `clean`: nothing was written since the snapshot, so its times and lengths still hold.
    pub fn hold_against(&mut self, present: &Present<'_>, clean: bool) -> bool {
        let wanted_now = wanted(present.layout);
        let part = present.layout.files().len();
        let mut changed = self.wanted != wanted_now;
        for (known, stamp) in self.known.iter().zip(present.stamps) {
            changed |= match (known, stamp) {
                (None, None) => false,
                (Some(known), Some(stamp)) => !known.is(stamp),
                _ => true,
            };
        }
        for (index, &is_wanted) in wanted_now.iter().enumerate() {
            let key = if is_wanted { index } else { part };
            let Some(stamp) = present.stamps.get(key).copied().flatten() else { continue };
            let moved = self.wanted[index] != is_wanted;
            let is_same = self.known[key].is_some_and(|known| known.is(&stamp));
            let was = self.stamps[key].filter(|_| clean);
            let is_touched = was.is_some_and(|was| was.len != stamp.len || was.mtime_ns != stamp.mtime_ns);
            let is_short = self.claimed_end(index, key == part) > stamp.len;
            if moved || !is_same || is_touched || is_short {
                changed |= self.distrust_file(index);
            }
            if is_wanted && (moved || self.known[key].is_none()) {
                // An earlier choice may have filled it, or somebody put it there: worth a look.
                changed |= self.suspect_all(index);
            }
        }
        for (index, &is_wanted) in wanted_now.iter().enumerate() {
            let key = if is_wanted { index } else { part };
            let stamp = present.stamps.get(key).copied().flatten();
            let moved_away = self.wanted[index] && !is_wanted;
            let len = stamp.filter(|_| !moved_away).map_or(0, |stamp| stamp.len);
            changed |= self.drop_beyond(index, key == part, len);
        }
        changed
    }

    /// The claims as a machine wants them. A piece whose blocks are all stored only lacks its hash.
    pub fn into_resume(mut self, totals: &Resume) -> Resume {
        let mut partial = Vec::new();
        for (index, stored) in self.stored {
            let Some(piece) = self.geometry.piece(index) else { continue };
            if self.have.has(piece) || self.suspect.has(piece) || stored.count() == 0 {
                continue;
            }
            if stored.is_full() {
                self.suspect.set(piece);
            } else {
                partial.push(Partial { piece, stored });
            }
        }
        Resume {
            have: self.have,
            suspect: self.suspect,
            partial,
            downloaded: totals.downloaded,
            uploaded: totals.uploaded,
            completed: self.completed,
        }
    }

    /// Distrusts a file by its key; the part file holds bytes of all unwanted ones.
    fn distrust(&mut self, key: usize) {
        if key < self.ranges.len() {
            self.distrust_file(key);
        } else {
            let unwanted: Vec<usize> = (0..self.ranges.len()).filter(|&index| !self.wanted[index]).collect();
            unwanted.into_iter().for_each(|index| {
                self.distrust_file(index);
            });
        }
    }

    /// Verified pieces of the file become suspect, stored blocks are forgotten. True if there were any.
    fn distrust_file(&mut self, index: usize) -> bool {
        let mut changed = false;
        for piece in self.pieces_of(index) {
            let Some(checked) = self.geometry.piece(piece) else { continue };
            if self.have.clear(checked) {
                self.suspect.set(checked);
                changed = true;
            }
            changed |= self.unstore(index, piece);
        }
        changed
    }

    /// Forgets stored blocks of the piece that reach into the file. True if there were any.
    fn unstore(&mut self, index: usize, piece: u32) -> bool {
        let Some(stored) = self.stored.get_mut(&piece) else { return false };
        let file = &self.ranges[index];
        let start = u64::from(piece) * u64::from(self.geometry.piece_len());
        let is_elsewhere = |block: &u32| {
            let begin = start + u64::from(*block) * u64::from(BLOCK_LEN);
            begin >= file.end || begin + u64::from(BLOCK_LEN) <= file.start
        };
        let mut kept = Bitfield::new(stored.len());
        stored.ones().filter(is_elsewhere).for_each(|block| {
            kept.set_index(block);
        });
        let changed = kept.count() < stored.count();
        *stored = kept;
        changed
    }

    fn suspect_all(&mut self, index: usize) -> bool {
        let mut changed = false;
        for piece in self.pieces_of(index) {
            if !self.have.has_index(piece) {
                changed |= self.suspect.set_index(piece);
                self.stored.remove(&piece);
            }
        }
        changed
    }

    /// Drops what is claimed of the file beyond `len` bytes of its place. True if there was any.
    fn drop_beyond(&mut self, index: usize, in_part: bool, len: u64) -> bool {
        let mut changed = false;
        for piece in self.pieces_of(index).rev() {
            match self.claimed_end_in(index, in_part, piece) {
                None => {}
                Some(end) if end > len => {
                    self.drop_piece(piece);
                    changed = true;
                }
                // Every earlier piece ends earlier.
                Some(_) => break,
            }
        }
        changed
    }

    fn drop_piece(&mut self, piece: u32) {
        let Some(checked) = self.geometry.piece(piece) else { return };
        self.have.clear(checked);
        self.suspect.clear(checked);
        self.stored.remove(&piece);
    }

    /// Pieces with a byte in the file.
    fn pieces_of(&self, index: usize) -> Range<u32> {
        let range = &self.ranges[index];
        if range.is_empty() {
            return 0..0;
        }
        let piece_len = u64::from(self.geometry.piece_len());
        let first = range.start / piece_len;
        let last = (range.end - 1) / piece_len;
        (first as u32)..(last as u32 + 1)
    }

    /// How many bytes its place must at least have for what is claimed of the file.
    fn claimed_end(&self, index: usize, in_part: bool) -> u64 {
        self.pieces_of(index).rev().find_map(|piece| self.claimed_end_in(index, in_part, piece)).unwrap_or(0)
    }

    /// The same for one piece; None when it claims nothing of the file.
    fn claimed_end_in(&self, index: usize, in_part: bool, piece: u32) -> Option<u64> {
        let checked = self.geometry.piece(piece)?;
        let start = self.geometry.start_of(checked);
        let file = &self.ranges[index];
        let piece_end = start + u64::from(self.geometry.len_of(checked));
        let end = if self.have.has(checked) || self.suspect.has(checked) {
            piece_end
        } else {
            // The highest stored block that reaches into the file.
            let stored = self.stored.get(&piece)?;
            let ends = stored.ones().filter(|&block| start + u64::from(block) * u64::from(BLOCK_LEN) < file.end);
            (start + (u64::from(ends.last()?) + 1) * u64::from(BLOCK_LEN)).min(piece_end)
        };
        let end = end.min(file.end);
        (end > file.start).then(|| if in_part { end } else { end - file.start })
    }
}

fn ranges(layout: &Layout) -> Vec<Range<u64>> {
    let range = |file: &crate::metainfo::File| {
        if file.pad { file.offset..file.offset } else { file.offset..file.offset + file.len }
    };
    layout.files().iter().map(range).collect()
}
