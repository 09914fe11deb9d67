//! Torrents whose payload is a function of its place, so that nobody has to keep a copy.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use peerlink::wire::bencode::Writer;
use sha1::{Digest, Sha1};

/// One entry of a torrent's file list.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Raw parts below the torrent's name.
    pub path: Vec<Vec<u8>>,
    pub len: u64,
    pub pad: bool,
}

/// A torrent and its bytes.
#[derive(Clone, Debug)]
pub struct Payload {
    pub name: Vec<u8>,
    /// Another name, under the key that goes first.
    pub name_utf8: Option<Vec<u8>>,
    /// None: a single file.
    entries: Option<Vec<Entry>>,
    pub total_len: u64,
    pub piece_len: u32,
    /// Differs between torrents that must differ.
    seed: u64,
    /// BEP 27.
    is_private: bool,
}

impl Payload {
    fn new(name: &[u8], entries: Option<Vec<Entry>>, total_len: u64, piece_len: u32) -> Payload {
        Payload {
            name: name.into(),
            name_utf8: None,
            entries,
            total_len,
            piece_len,
            seed: number_of(name),
            is_private: false,
        }
    }

    /// A torrent of one file.
    pub fn single(name: impl AsRef<[u8]>, len: u64, piece_len: u32) -> Payload {
        let name = name.as_ref();
        Payload::new(name, None, len, piece_len)
    }

    /// The same, for its trackers' peers alone (BEP 27).
    pub fn private(self) -> Payload {
        Payload { is_private: true, ..self }
    }

    /// A torrent of a folder.
    pub fn folder(name: impl AsRef<[u8]>, entries: Vec<Entry>, piece_len: u32) -> Payload {
        let name = name.as_ref();
        let total_len = entries.iter().map(|entry| entry.len).sum();
        Payload::new(name, Some(entries), total_len, piece_len)
    }

    /// A folder of files `(path, len)`; the path `.pad` stands for a pad file.
    pub fn files(name: &str, files: &[(&str, u64)], piece_len: u32) -> Payload {
        let entry = |&(path, len): &(&str, u64)| match path {
            ".pad" => Entry { path: vec![b".pad".into(), len.to_string().into()], len, pad: true },
            _ => Entry { path: path.split('/').map(|part| part.into()).collect(), len, pad: false },
        };
        Payload::folder(name, files.iter().map(entry).collect(), piece_len)
    }

    /// The bytes at this place.
    pub fn fill(&self, offset: u64, out: &mut [u8]) {
        fill(self.seed, offset, out);
        let mut start = 0;
        for entry in self.entries.iter().flatten() {
            let end = start + entry.len;
            let (from, to) = (start.max(offset), end.min(offset + out.len() as u64));
            if entry.pad && from < to {
                out[(from - offset) as usize..(to - offset) as usize].fill(0);
            }
            start = end;
        }
    }

    /// The info dictionary.
    pub fn info(&self) -> Vec<u8> {
        let mut hashes = Vec::new();
        let mut piece = vec![0; self.piece_len as usize];
        for start in (0..self.total_len).step_by(self.piece_len as usize) {
            let len = (self.total_len - start).min(self.piece_len.into()) as usize;
            self.fill(start, &mut piece[..len]);
            hashes.extend_from_slice(&Sha1::digest(&piece[..len]));
        }
        Writer::dict_bytes(|info| {
            match &self.entries {
                None => info.int("length", self.total_len as i64),
                Some(entries) => info.list("files", |list| {
                    for entry in entries {
                        list.dict(|file| {
                            if entry.pad {
                                file.bytes("attr", "p");
                            }
                            file.int("length", entry.len as i64);
                            file.list("path", |path| entry.path.iter().for_each(|part| path.bytes(part)));
                        });
                    }
                }),
            }
            info.bytes("name", &self.name);
            if let Some(name) = &self.name_utf8 {
                info.bytes("name.utf-8", name);
            }
            info.int("piece length", self.piece_len.into());
            info.bytes("pieces", &hashes);
            if self.is_private {
                info.int("private", 1);
            }
        })
    }

    /// Its info hash.
    pub fn info_hash(&self) -> Vec<u8> {
        Sha1::digest(self.info()).to_vec()
    }

    /// Writes NAME.torrent, with this tracker; gives its path.
    pub fn write_torrent(&self, dir: &Path, file_name: &str, tracker: Option<&str>) -> PathBuf {
        let mut bytes = b"d".to_vec();
        if let Some(url) = tracker {
            bytes.extend_from_slice(format!("8:announce{}:{url}", url.len()).as_bytes());
        }
        bytes.extend_from_slice(b"4:info");
        bytes.extend_from_slice(&self.info());
        bytes.push(b'e');
        let path = dir.join(format!("{file_name}.torrent"));
        std::fs::write(&path, bytes).expect("the test's own folder");
        path
    }

    /// The bytes of each file, pad files apart.
    pub fn contents(&self) -> Vec<Vec<u8>> {
        let whole = [Entry { path: Vec::new(), len: self.total_len, pad: false }];
        let mut offset = 0;
        let mut contents = Vec::new();
        for entry in self.entries.as_deref().unwrap_or(&whole) {
            let mut bytes = vec![0; entry.len as usize];
            self.fill(offset, &mut bytes);
            if !entry.pad {
                contents.push(bytes);
            }
            offset += entry.len;
        }
        contents
    }

    /// The files' places below the download folder, lengths and offsets; pad files apart. For names that are safe.
    pub fn places(&self) -> Vec<(PathBuf, u64, u64)> {
        self.all_places(false)
    }

    fn all_places(&self, with_pads: bool) -> Vec<(PathBuf, u64, u64)> {
        let text = |part: &[u8]| String::from_utf8(part.to_vec()).expect("a safe name");
        let root = PathBuf::from(text(&self.name));
        let Some(entries) = &self.entries else { return vec![(root, self.total_len, 0)] };
        let mut offset = 0;
        let mut places = Vec::new();
        for entry in entries {
            if with_pads || !entry.pad {
                let path = entry.path.iter().fold(root.clone(), |path, part| path.join(text(part)));
                places.push((path, entry.len, offset));
            }
            offset += entry.len;
        }
        places
    }

    /// Writes the payload below a folder, for a seed; pad files too, for clients that know no pad files.
    pub fn write_files(&self, dir: &Path) {
        for (path, len, offset) in self.all_places(true) {
            let path = dir.join(path);
            std::fs::create_dir_all(path.parent().expect("below a folder")).expect("the test's own folder");
            let mut file = BufWriter::new(File::create(path).expect("the test's own folder"));
            let mut chunk = vec![0; 1 << 20];
            for start in (0..len).step_by(chunk.len()) {
                let len = (len - start).min(chunk.len() as u64) as usize;
                self.fill(offset + start, &mut chunk[..len]);
                file.write_all(&chunk[..len]).expect("there is space");
            }
            file.flush().expect("there is space");
        }
    }

    /// Writes what of the payload lies in pieces that are to be kept, in files of full length; the rest is zeros.
    pub fn write_part(&self, dir: &Path, keep: impl Fn(u64) -> bool) {
        for (path, len, offset) in self.all_places(true) {
            let path = dir.join(path);
            std::fs::create_dir_all(path.parent().expect("below a folder")).expect("the test's own folder");
            let mut bytes = vec![0; len as usize];
            self.fill(offset, &mut bytes);
            for (at, byte) in (offset..).zip(&mut bytes) {
                if !keep(at / u64::from(self.piece_len)) {
                    *byte = 0;
                }
            }
            std::fs::write(path, bytes).expect("there is space");
        }
    }

    /// Panics unless the folder holds this payload byte for byte.
    pub fn check_files(&self, dir: &Path) {
        self.check_places(dir, self.places());
    }

    /// The same for clients that make no empty files.
    pub fn check_filled_files(&self, dir: &Path) {
        let mut places = self.places();
        places.retain(|(_, len, _)| *len > 0);
        self.check_places(dir, places);
    }

    fn check_places(&self, dir: &Path, places: Vec<(PathBuf, u64, u64)>) {
        for (path, len, offset) in places {
            let mut file = File::open(dir.join(&path)).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            let found = file.metadata().expect("it is open").len();
            assert_eq!(found, len, "length of {}", path.display());
            let (mut have, mut want) = (vec![0; 1 << 20], vec![0; 1 << 20]);
            for start in (0..len).step_by(have.len()) {
                let len = (len - start).min(have.len() as u64) as usize;
                file.read_exact(&mut have[..len]).expect("its length was looked at");
                self.fill(offset + start, &mut want[..len]);
                assert!(have[..len] == want[..len], "{} is wrong within 1 MiB from {start}", path.display());
            }
        }
    }
}

/// Panics unless the folder holds these payloads byte for byte and nothing else.
pub fn check_tree(dir: &Path, payloads: &[Payload]) {
    payloads.iter().for_each(|payload| payload.check_files(dir));
    let wanted: BTreeMap<PathBuf, u64> =
        payloads.iter().flat_map(Payload::places).map(|(path, len, _)| (path, len)).collect();
    assert_eq!(tree(dir), wanted);
}

/// Every file below a folder, with its length.
pub fn tree(dir: &Path) -> BTreeMap<PathBuf, u64> {
    let mut found = BTreeMap::new();
    let mut folders = vec![dir.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("the test's own folder") {
            let entry = entry.expect("the test's own folder");
            let kind = entry.file_type().expect("the test's own folder");
            if kind.is_dir() {
                folders.push(entry.path());
            } else {
                assert!(kind.is_file(), "{} is no plain file", entry.path().display());
                let path = entry.path().strip_prefix(dir).expect("it lies below").to_path_buf();
                found.insert(path, entry.metadata().expect("the test's own folder").len());
            }
        }
    }
    found
}

/// A number that differs between names.
fn number_of(name: &[u8]) -> u64 {
    name.iter().fold(0xcbf2_9ce4_8422_2325, |n, byte| (n ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

/// Word `at` of a payload (splitmix64).
fn word(seed: u64, at: u64) -> [u8; 8] {
    let mut z = seed.wrapping_add(at.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z ^ (z >> 31)).to_le_bytes()
}

fn fill(seed: u64, offset: u64, out: &mut [u8]) {
    let skip = (offset % 8) as usize;
    let head = if skip == 0 { 0 } else { (8 - skip).min(out.len()) };
    let (first, rest) = out.split_at_mut(head);
    first.copy_from_slice(&word(seed, offset / 8)[skip..skip + head]);
    let at = offset.div_ceil(8);
    let mut words = rest.chunks_exact_mut(8);
    let mut next = at;
    for bytes in words.by_ref() {
        bytes.copy_from_slice(&word(seed, next));
        next += 1;
    }
    let last = words.into_remainder();
    let len = last.len();
    last.copy_from_slice(&word(seed, next)[..len]);
}
