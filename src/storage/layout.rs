//! Piece to file: which bytes of which file a range of the torrent is.
//!
//! Bytes of files that nobody wants, but that share a piece with wanted ones, live in the *part file*: one sparse
//! file in the state folder where every byte sits at its place within the torrent. Pad files are nowhere; they read
//! as zeros.

use std::sync::Arc;

use crate::base::{Block, Geometry, Piece};
use crate::metainfo::{File, Metainfo};

/// Where a slice lives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// In file `index` of [`Layout::files`].
    File(u32),
    /// In the part file.
    Part,
    /// Zeros, never stored.
    Pad,
}

/// A contiguous range within one place; `offset` and `len` in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Slice {
    pub place: Place,
    pub offset: u64,
    pub len: u32,
}

/// A torrent's files and which of them are wanted.
#[derive(Clone, Debug)]
pub struct Layout {
    geometry: Geometry,
    files: Arc<[File]>,
    wanted: Vec<bool>,
}

impl Layout {
    /// `wanted` per file, empty for all; pad files count as unwanted.
    pub fn new(metainfo: &Metainfo, wanted: &[bool]) -> Layout {
        let is_wanted = |(index, file): (usize, &File)| !file.pad && wanted.get(index).copied().unwrap_or(true);
        Layout {
            geometry: metainfo.geometry,
            files: Arc::clone(&metainfo.files),
            wanted: metainfo.files.iter().enumerate().map(is_wanted).collect(),
        }
    }

    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// All files, pad files included.
    pub fn files(&self) -> &[File] {
        &self.files
    }

    /// Whether the file is to be written; never true for a pad file.
    pub fn is_wanted(&self, file: usize) -> bool {
        self.wanted[file]
    }

    /// The ranges of the torrent, first byte and one past the last, that are zeros and need not be asked for. In
    /// order; neighbours are one.
    pub fn pads(&self) -> Vec<(u64, u64)> {
        let mut pads: Vec<(u64, u64)> = Vec::new();
        for file in self.files.iter().filter(|file| file.pad && file.len > 0) {
            let end = file.offset + file.len;
            match pads.last_mut() {
                Some((_, last)) if *last == file.offset => *last = end,
                _ => pads.push((file.offset, end)),
            }
        }
        pads
    }

    /// Whether the piece has no byte of any file.
    pub fn is_piece_pad(&self, piece: Piece) -> bool {
        self.slices_of_piece(piece).all(|slice| slice.place == Place::Pad)
    }

    /// Whether any wanted file has a byte in the piece.
    pub fn is_piece_wanted(&self, piece: Piece) -> bool {
        let start = self.geometry.start_of(piece);
        let end = start + u64::from(self.geometry.len_of(piece));
        self.overlapping(start, end).any(|index| self.wanted[index])
    }

    /// The slices of a block, in order.
    pub fn slices_of(&self, block: Block) -> impl Iterator<Item = Slice> + '_ {
        self.slices(self.geometry.start_of(block.piece()) + u64::from(block.begin()), block.len())
    }

    /// The slices of a whole piece, in order.
    pub fn slices_of_piece(&self, piece: Piece) -> impl Iterator<Item = Slice> + '_ {
        self.slices(self.geometry.start_of(piece), self.geometry.len_of(piece))
    }

    /// The slices of `len` bytes from byte `start` of the torrent; the range must lie within it.
    pub fn slices(&self, start: u64, len: u32) -> impl Iterator<Item = Slice> + '_ {
        let end = start + u64::from(len);
        self.overlapping(start, end).map(move |index| {
            let file = &self.files[index];
            let from = start.max(file.offset);
            let to = end.min(file.offset + file.len);
            let (place, offset) = if file.pad {
                (Place::Pad, 0)
            } else if self.wanted[index] {
                (Place::File(index as u32), from - file.offset)
            } else {
                (Place::Part, from)
            };
            Slice { place, offset, len: (to - from) as u32 }
        })
    }

    /// Files with at least one byte in `start..end`.
    fn overlapping(&self, start: u64, end: u64) -> impl Iterator<Item = usize> + '_ {
        let first = self.files.partition_point(|file| file.offset + file.len <= start);
        (first..self.files.len())
            .take_while(move |&index| self.files[index].offset < end)
            .filter(move |&index| self.files[index].len > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Files of these lengths; a negative length is a pad file.
    fn layout(lens: &[i64], piece_len: u32, wanted: &[bool]) -> Layout {
        let mut offset = 0;
        let files: Vec<File> = lens
            .iter()
            .enumerate()
            .map(|(index, len)| {
                let file = File {
                    path: vec!["t".into(), index.to_string()],
                    len: len.unsigned_abs(),
                    offset,
                    pad: *len < 0,
                    executable: false,
                };
                offset += file.len;
                file
            })
            .collect();
        let geometry = Geometry::new(offset, piece_len).unwrap();
        let is_wanted = |(i, f): (usize, &File)| !f.pad && wanted.get(i).copied().unwrap_or(true);
        let wanted = files.iter().enumerate().map(is_wanted).collect();
        Layout { geometry, files: files.into(), wanted }
    }

    #[test]
    fn a_range_is_cut_at_file_borders_and_empty_files_are_skipped() {
        let l = layout(&[10, 0, 5, -7, 20], 16, &[]);
        let slices: Vec<_> = l.slices(8, 16).collect();
        assert_eq!(
            slices,
            [
                Slice { place: Place::File(0), offset: 8, len: 2 },
                Slice { place: Place::File(2), offset: 0, len: 5 },
                Slice { place: Place::Pad, offset: 0, len: 7 },
                Slice { place: Place::File(4), offset: 0, len: 2 },
            ]
        );
    }

    #[test]
    fn unwanted_bytes_go_to_the_part_file_at_their_place_in_the_torrent() {
        let l = layout(&[10, 20, 10], 16, &[true, false, true]);
        let slices: Vec<_> = l.slices_of_piece(l.geometry.piece(0).unwrap()).collect();
        assert_eq!(
            slices,
            [Slice { place: Place::File(0), offset: 0, len: 10 }, Slice { place: Place::Part, offset: 10, len: 6 },]
        );
        assert!(l.is_piece_wanted(l.geometry.piece(0).unwrap()));
        let none = layout(&[16, 16, 16], 16, &[true, false, true]);
        assert!(!none.is_piece_wanted(none.geometry.piece(1).unwrap()));
    }

    #[test]
    fn slices_of_all_pieces_cover_the_torrent_once() {
        let l = layout(&[1, 100, 0, 3, -28, 77, 500], 64, &[]);
        let total: u64 = l
            .geometry
            .pieces()
            .flat_map(|p| l.slices_of_piece(p).collect::<Vec<_>>())
            .map(|s| u64::from(s.len))
            .sum();
        assert_eq!(total, l.geometry.total_len());
    }
}
