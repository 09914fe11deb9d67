//! Torrents made up for tests: metainfo and content from a shape, without the parser and without a file.

#![allow(dead_code, reason = "each test program uses its own part of it")]

use std::sync::Arc;

use peerlink::base::{Geometry, InfoHash};
use peerlink::metainfo::{File, Metainfo};
use sha1::{Digest, Sha1};

/// What a made-up torrent looks like.
#[derive(Clone, Debug)]
pub struct Shape {
    pub name: String,
    pub piece_len: u32,
    /// One entry of length `n` with `single`: a single-file torrent.
    pub files: Vec<FileShape>,
    pub single: bool,
    pub private: bool,
    /// Tiers.
    pub trackers: Vec<Vec<String>>,
}

/// One file of it.
#[derive(Clone, Debug)]
pub struct FileShape {
    pub path: Vec<String>,
    pub len: u64,
    pub pad: bool,
}

impl Shape {
    /// One file of `len` bytes.
    pub fn single(name: &str, len: u64, piece_len: u32) -> Shape {
        let files = vec![FileShape { path: vec![name.into()], len, pad: false }];
        Shape { name: name.into(), piece_len, files, single: true, private: false, trackers: Vec::new() }
    }

    /// Files of these lengths in a folder; a negative length is a pad file.
    pub fn multi(name: &str, lens: &[i64], piece_len: u32) -> Shape {
        let file = |(index, &len): (usize, &i64)| FileShape {
            path: if len < 0 {
                vec![".pad".into(), format!("{index}")]
            } else {
                vec![format!("folder{}", index % 3), format!("file{index}.bin")]
            },
            len: len.unsigned_abs(),
            pad: len < 0,
        };
        let files = lens.iter().enumerate().map(file).collect();
        Shape { name: name.into(), piece_len, files, single: false, private: false, trackers: Vec::new() }
    }

    pub fn with_trackers(mut self, tiers: Vec<Vec<String>>) -> Shape {
        self.trackers = tiers;
        self
    }

    pub fn total_len(&self) -> u64 {
        self.files.iter().map(|file| file.len).sum()
    }
}

/// A torrent and every byte of it.
#[derive(Clone, Debug)]
pub struct Made {
    pub metainfo: Arc<Metainfo>,
    /// All bytes in the torrent's order; pad files are zeros.
    pub content: Arc<Vec<u8>>,
    /// The .torrent file.
    pub torrent: Vec<u8>,
}

impl Made {
    /// Bytes of one file.
    pub fn file(&self, index: usize) -> &[u8] {
        let file = &self.metainfo.files[index];
        &self.content[file.offset as usize..(file.offset + file.len) as usize]
    }
}

/// Content that follows from `seed`, and the metainfo that describes it.
pub fn make(shape: &Shape, seed: u64) -> Made {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut content = vec![0; shape.total_len() as usize];
    let mut files = Vec::new();
    let mut offset = 0;
    for file in &shape.files {
        if !file.pad {
            rng.fill(&mut content[offset..offset + file.len as usize]);
        }
        let mut path = vec![shape.name.clone()];
        if !shape.single {
            path.extend(file.path.iter().cloned());
        }
        files.push(File { path, len: file.len, offset: offset as u64, pad: file.pad, executable: false });
        offset += file.len as usize;
    }
    let (info, hashes) = info_dictionary(shape, &content);
    let metainfo = Metainfo {
        info_hash: InfoHash(Sha1::digest(&info).into()),
        info_hash_v2: None,
        name: shape.name.clone(),
        geometry: Geometry::new(offset as u64, shape.piece_len).expect("a shape has bytes and a piece length"),
        files: files.into(),
        private: shape.private,
        trackers: shape.trackers.clone(),
        web_seeds: Vec::new(),
        nodes: Vec::new(),
        created_by: None,
        comment: None,
        creation_date: None,
        info: info.clone().into(),
        hashes,
    };
    Made { metainfo: Arc::new(metainfo), content: Arc::new(content), torrent: torrent_file(shape, &info) }
}

/// The bencoded info dictionary and where its piece hashes lie.
fn info_dictionary(shape: &Shape, content: &[u8]) -> (Vec<u8>, std::ops::Range<usize>) {
    let mut info = vec![b'd'];
    if shape.single {
        text(&mut info, "length");
        number(&mut info, shape.total_len());
    } else {
        text(&mut info, "files");
        info.push(b'l');
        for file in &shape.files {
            file_dictionary(&mut info, file);
        }
        info.push(b'e');
    }
    text(&mut info, "name");
    text(&mut info, &shape.name);
    text(&mut info, "piece length");
    number(&mut info, u64::from(shape.piece_len));
    text(&mut info, "pieces");
    let pieces: Vec<u8> = content.chunks(shape.piece_len as usize).flat_map(Sha1::digest).collect();
    info.extend(format!("{}:", pieces.len()).bytes());
    let start = info.len();
    info.extend(&pieces);
    let hashes = start..info.len();
    if shape.private {
        text(&mut info, "private");
        number(&mut info, 1);
    }
    info.push(b'e');
    (info, hashes)
}

fn file_dictionary(out: &mut Vec<u8>, file: &FileShape) {
    out.push(b'd');
    if file.pad {
        text(out, "attr");
        text(out, "p");
    }
    text(out, "length");
    number(out, file.len);
    text(out, "path");
    out.push(b'l');
    file.path.iter().for_each(|part| text(out, part));
    out.extend(b"ee");
}

fn torrent_file(shape: &Shape, info: &[u8]) -> Vec<u8> {
    let mut out = vec![b'd'];
    if let Some(first) = shape.trackers.first().and_then(|tier| tier.first()) {
        text(&mut out, "announce");
        text(&mut out, first);
        text(&mut out, "announce-list");
        out.push(b'l');
        for tier in &shape.trackers {
            out.push(b'l');
            tier.iter().for_each(|url| text(&mut out, url));
            out.push(b'e');
        }
        out.push(b'e');
    }
    text(&mut out, "info");
    out.extend(info);
    out.push(b'e');
    out
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.extend(format!("{}:{text}", text.len()).bytes());
}

fn number(out: &mut Vec<u8>, number: u64) {
    out.extend(format!("i{number}e").bytes());
}
