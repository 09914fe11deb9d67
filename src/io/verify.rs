//! Compares what is on disk with a torrent, file by file. Only reads: nothing is made, changed or remembered.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::digest::Digest;
use super::files::{Folder, Key};
use super::piece_reader::{Course, PieceReader, Unread, run_both};
use super::pieces::{self, Watch};
use crate::base::{Bitfield, Piece, StoreId, TorrentId};
use crate::machine::StoreSpec;
use crate::metainfo::Metainfo;
use crate::storage::{Layout, Place};

/// Ranges told of one file.
pub const RANGES_MAX: usize = 1000;

/// How a file compares with what its torrent says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum State {
    Right,
    /// Bytes differ.
    Wrong,
    /// Nothing is known to be wrong, but a piece it shares with another file cannot be checked, for that one lacks bytes.
    Unproven,
    Missing,
    Short,
    TooLong,
    /// It cannot be read, or something else is in its place or in the way; one line for people.
    Unreadable(String),
}

/// What was found of one file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Checked {
    /// Its place in the torrent's list.
    pub index: usize,
    pub state: State,
    /// Its length on disk, where there is one.
    pub found_len: Option<u64>,
    /// Pieces that have a byte in it, and those of them that are wrong.
    pub piece_count: u32,
    pub wrong_count: u32,
    /// The bytes of wrong pieces within the file: first and one past the last. At most [`RANGES_MAX`] ranges.
    pub wrong: Vec<(u64, u64)>,
}

/// Compares the files below `dir` with the torrent; pad files are left out. None when it was stopped.
pub fn verify(metainfo: &Metainfo, dir: &Path, thread_count: usize, watch: &Watch) -> Option<Vec<Checked>> {
    let layout = Layout::new(metainfo, &[]);
    let geometry = *layout.geometry();
    let spec = StoreSpec { info_hash: metainfo.info_hash, dir: dir.to_path_buf(), layout };
    let mut check = Check {
        // All files are wanted, so there is no part file.
        folder: Folder::new(Arc::new(spec), PathBuf::new()),
        lens: Vec::new(),
        found: Mutex::new(Found {
            wrong: Bitfield::new(geometry.piece_count()),
            unknown: Bitfield::new(geometry.piece_count()),
            troubles: BTreeMap::new(),
        }),
    };
    check.look(watch);
    pieces::each(&geometry, thread_count, watch, <[PieceReader; 2]>::default, |readers, piece, other| {
        let pair = [Some(piece), other];
        let digests = check.digests(readers, pair, watch);
        let mut found = check.found.lock().expect("no holder of this lock panics");
        for (piece, digest) in pair.into_iter().flatten().zip(digests) {
            match digest {
                Ok(Some(digest)) if digest == metainfo.hash_of(piece) => {}
                Ok(Some(_)) => drop(found.wrong.set(piece)),
                Ok(None) => drop(found.unknown.set(piece)),
                Err((key, trouble)) => {
                    found.unknown.set(piece);
                    found.troubles.entry(key).or_insert(trouble.into_error().text);
                }
            }
        }
        ControlFlow::Continue(())
    });
    (!watch.is_stopped()).then(|| check.files())
}

/// What the threads found, together.
struct Found {
    /// Hashed, and not what they should be.
    wrong: Bitfield,
    /// Bytes of them are not there or cannot be read.
    unknown: Bitfield,
    /// Why files cannot be read; the first reason of each.
    troubles: BTreeMap<Key, String>,
}

struct Check {
    folder: Folder,
    /// Of each file on disk, as it was at the start.
    lens: Vec<Option<u64>>,
    found: Mutex<Found>,
}

impl Check {
    /// Looks which files are there, and how long they are.
    fn look(&mut self, watch: &Watch) {
        let found = self.found.get_mut().expect("no holder of this lock panics");
        for (key, file) in (0..).zip(self.folder.layout().files()) {
            let stamp = if file.pad || watch.is_stopped() { Ok(None) } else { self.folder.stamp(key) };
            self.lens.push(match stamp {
                Ok(stamp) => stamp.map(|stamp| stamp.len),
                Err(trouble) => {
                    found.troubles.insert(key, trouble.into_error().text);
                    None
                }
            });
        }
    }

    /// SHA-1 of each piece; None where bytes of it are not there. Whatever the piece length, only a step is held.
    fn digests(
        &self,
        readers: &mut [PieceReader; 2],
        pieces: [Option<Piece>; 2],
        watch: &Watch,
    ) -> [Result<Option<[u8; 20]>, Unread>; 2] {
        let may_go = |len: usize| {
            watch.add(len as u64);
            !watch.is_stopped()
        };
        let [reader, other] = readers;
        let [one, two] = pieces;
        let courses = [(one, reader), (two, other)].map(|(piece, reader)| self.course(piece?, reader, watch));
        let done = |result: Result<bool, Unread>, digest: Digest| result.map(|_| Some(digest.finish()));
        match courses {
            [Some(mut one), Some(mut two)] => {
                let [x, y] = run_both(&mut one, &mut two, &may_go);
                [done(x, one.digest), done(y, two.digest)]
            }
            courses => courses.map(|course| match course {
                Some(mut course) => done(course.run(&may_go), course.digest),
                None => Ok(None),
            }),
        }
    }

    /// The way through a piece that is there as far as lengths tell.
    fn course<'a>(&'a self, piece: Piece, reader: &'a mut PieceReader, watch: &Watch) -> Option<Course<'a>> {
        let layout = self.folder.layout();
        let is_there = layout.slices_of_piece(piece).all(|slice| match slice.place {
            Place::File(key) => self.lens[key as usize].is_some_and(|len| len >= slice.offset + u64::from(slice.len)),
            Place::Pad | Place::Part => true,
        });
        if !is_there {
            watch.add(layout.geometry().len_of(piece).into());
            return None;
        }
        reader.begin(layout.slices_of_piece(piece));
        // There is no other torrent whose file the reader could have open.
        Some(Course {
            reader,
            digest: Digest::new(),
            folder: &self.folder,
            store: StoreId { torrent: TorrentId(0), epoch: 0 },
        })
    }

    /// The result for every file.
    fn files(&self) -> Vec<Checked> {
        let found = self.found.lock().expect("no holder of this lock panics");
        let files = self.folder.layout().files().iter().enumerate();
        files.filter(|(_, file)| !file.pad).map(|(index, _)| self.file(index, &found)).collect()
    }

    fn file(&self, index: usize, found: &Found) -> Checked {
        let layout = self.folder.layout();
        let (file, geometry) = (&layout.files()[index], layout.geometry());
        let (start, end) = (file.offset, file.offset + file.len);
        let mut checked = Checked {
            index,
            state: State::Right,
            found_len: None,
            piece_count: 0,
            wrong_count: 0,
            wrong: Vec::new(),
        };
        let mut is_unproven = false;
        let first = geometry.piece_at(start).filter(|_| file.len > 0).map_or(u32::MAX, Piece::index);
        for piece in (first..geometry.piece_count()).map_while(|index| geometry.piece(index)) {
            let from = geometry.start_of(piece);
            if from >= end {
                break;
            }
            checked.piece_count += 1;
            is_unproven |= found.unknown.has(piece);
            if found.wrong.has(piece) {
                let to = (from + u64::from(geometry.len_of(piece))).min(end) - start;
                checked.add_wrong(from.max(start) - start, to);
            }
        }
        checked.found_len = self.lens[index];
        checked.state = match (found.troubles.get(&(index as Key)), checked.found_len) {
            (Some(why), _) => State::Unreadable(why.clone()),
            (None, None) => State::Missing,
            (None, Some(len)) if len < file.len => State::Short,
            (None, Some(len)) if len > file.len => State::TooLong,
            _ if checked.wrong_count > 0 => State::Wrong,
            _ if is_unproven => State::Unproven,
            _ => State::Right,
        };
        checked
    }
}

impl Checked {
    /// The next wrong piece, from its first byte within the file to one past its last.
    fn add_wrong(&mut self, from: u64, to: u64) {
        self.wrong_count += 1;
        let has_room = self.wrong.len() < RANGES_MAX;
        match self.wrong.last_mut() {
            Some((_, end)) if *end == from => *end = to,
            _ if has_room => self.wrong.push((from, to)),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use sha1::{Digest as _, Sha1};

    use super::*;
    use crate::metainfo::parse::parse;

    /// A torrent `t` of files with these lengths, pads negative, and its data in the folder.
    fn torrent(dir: &Path, piece_len: usize, lens: &[i64]) -> Metainfo {
        let (mut all, mut list) = (Vec::new(), String::new());
        fs::create_dir_all(dir.join("t")).unwrap();
        for (number, len) in lens.iter().enumerate() {
            let count = len.unsigned_abs() as usize;
            let attr = if *len < 0 { "4:attr1:p" } else { "" };
            list += &format!("d{attr}6:lengthi{count}e4:pathl2:f{number}ee");
            let bytes: Vec<u8> = match *len < 0 {
                true => vec![0; count],
                false => (0..count).map(|at| (at * 31 + number * 7 + at / 251) as u8).collect(),
            };
            if *len >= 0 {
                fs::write(dir.join(format!("t/f{number}")), &bytes).unwrap();
            }
            all.extend(bytes);
        }
        let hashes: Vec<u8> = all.chunks(piece_len).flat_map(|piece| Sha1::digest(piece).to_vec()).collect();
        let count = hashes.len();
        let text = format!("d4:infod5:filesl{list}e4:name1:t12:piece lengthi{piece_len}e6:pieces{count}:");
        let text = [text.as_bytes(), &hashes, b"ee"].concat();
        parse(&text).unwrap()
    }

    fn states(metainfo: &Metainfo, dir: &Path) -> Vec<State> {
        let all: Vec<_> =
            [1, 3].iter().map(|threads| verify(metainfo, dir, *threads, &Watch::default()).unwrap()).collect();
        assert_eq!(all[0], all[1]);
        all[0].iter().map(|checked| checked.state.clone()).collect()
    }

    #[test]
    fn everything_right_with_pads_and_empty_files_and_long_pieces() {
        let dir = tempfile::tempdir().unwrap();
        for piece_len in [16_384, 65_536, 4 << 20] {
            let metainfo = torrent(dir.path(), piece_len, &[100_000, -31_072, 0, 7, 1_000_000]);
            let watch = Watch::default();
            let checked = verify(&metainfo, dir.path(), 2, &watch).unwrap();
            assert_eq!(checked.iter().map(|file| file.index).collect::<Vec<_>>(), [0, 2, 3, 4]);
            assert!(checked.iter().all(|file| file.state == State::Right && file.wrong.is_empty()), "{checked:?}");
            assert_eq!(watch.done_len.into_inner(), metainfo.geometry.total_len());
        }
    }

    #[test]
    fn a_wrong_piece_marks_every_file_it_touches_and_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let metainfo = torrent(dir.path(), 16_384, &[20_000, 10_000, 100, 40_000]);
        let path = dir.path().join("t/f1");
        let mut bytes = fs::read(&path).unwrap();
        bytes[5] ^= 1;
        fs::write(&path, bytes).unwrap();
        let checked = verify(&metainfo, dir.path(), 2, &Watch::default()).unwrap();
        // Piece 1 is bytes 16384 to 32767: the end of f0, all of f1 and f2, the begin of f3.
        let wrong: Vec<_> = checked.iter().map(|file| (file.state.clone(), file.wrong.clone())).collect();
        let expected = [vec![(16_384, 20_000)], vec![(0, 10_000)], vec![(0, 100)], vec![(0, 2_668)]];
        assert_eq!(wrong, expected.map(|ranges| (State::Wrong, ranges)));
        assert_eq!((checked[3].piece_count, checked[3].wrong_count), (4, 1));
    }

    #[test]
    fn neighbouring_wrong_pieces_are_one_range() {
        let dir = tempfile::tempdir().unwrap();
        let metainfo = torrent(dir.path(), 16_384, &[100_000]);
        let path = dir.path().join("t/f0");
        let mut bytes = fs::read(&path).unwrap();
        [0, 20_000, 70_000, 99_999].into_iter().for_each(|at| bytes[at] ^= 0x80);
        fs::write(&path, bytes).unwrap();
        let checked = verify(&metainfo, dir.path(), 2, &Watch::default()).unwrap();
        assert_eq!(checked[0].wrong, [(0, 32_768), (65_536, 81_920), (98_304, 100_000)]);
        assert_eq!((checked[0].piece_count, checked[0].wrong_count), (7, 4));
    }

    #[test]
    fn missing_short_and_long_files_do_not_make_their_neighbours_wrong() {
        let dir = tempfile::tempdir().unwrap();
        let metainfo = torrent(dir.path(), 16_384, &[20_000, 16_384, 40_000, 0, 40_000, 16_384]);
        fs::remove_file(dir.path().join("t/f0")).unwrap();
        fs::remove_file(dir.path().join("t/f3")).unwrap();
        let open = |name: &str| fs::File::options().write(true).open(dir.path().join(name)).unwrap();
        open("t/f2").set_len(30_000).unwrap();
        open("t/f5").set_len(20_000).unwrap();
        let expected =
            [State::Missing, State::Unproven, State::Short, State::Missing, State::Unproven, State::TooLong];
        assert_eq!(states(&metainfo, dir.path()), expected);
        assert_eq!(fs::metadata(dir.path().join("t/f5")).unwrap().len(), 20_000, "it was cut");
        let nowhere = dir.path().join("nowhere");
        assert!(states(&metainfo, &nowhere).iter().all(|state| *state == State::Missing));
        assert!(!nowhere.exists());
    }

    #[test]
    fn what_is_in_the_way_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let metainfo = torrent(dir.path(), 16_384, &[16_384, 16_384, 16_384]);
        let at = |name: &str| dir.path().join(name);
        fs::rename(at("t/f0"), at("moved")).unwrap();
        std::os::unix::fs::symlink(at("moved"), at("t/f0")).unwrap();
        fs::remove_file(at("t/f1")).unwrap();
        fs::create_dir(at("t/f1")).unwrap();
        let states_now = states(&metainfo, dir.path());
        assert!(matches!(&states_now[0], State::Unreadable(why) if why.contains("symbolic link")), "{states_now:?}");
        assert!(matches!(&states_now[1], State::Unreadable(_)), "{states_now:?}");
        assert_eq!(states_now[2], State::Right);
        // A folder on the way that is a link leads nowhere either.
        fs::rename(at("t"), at("real")).unwrap();
        std::os::unix::fs::symlink(at("real"), at("t")).unwrap();
        assert!(states(&metainfo, dir.path()).iter().all(|state| matches!(state, State::Unreadable(_))));
    }

    #[test]
    fn it_can_be_stopped() {
        let dir = tempfile::tempdir().unwrap();
        let metainfo = torrent(dir.path(), 16_384, &[100_000]);
        let stopped = Watch { stop: true.into(), ..Watch::default() };
        assert_eq!(verify(&metainfo, dir.path(), 2, &stopped), None);
    }
}
