//! Torrents as they are described: the checked content of a .torrent file, with safe names.

#[cfg(feature = "create")]
pub mod create;
pub mod hybrid;
pub mod magnet;
pub mod parse;
pub mod path;
pub mod raw_names;
pub mod rename;
pub mod show;
pub mod show_magnet;
pub mod urls;

use std::ops::Range;
use std::sync::Arc;

use crate::base::{Geometry, InfoHash, Piece};

/// A v1 torrent (hybrids count as v1), checked against every limit and made safe to store.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Metainfo {
    pub info_hash: InfoHash,
    /// SHA-256 of the info dictionary where it also describes a v2 torrent (BEP 52), for display.
    pub info_hash_v2: Option<[u8; 32]>,
    /// The torrent's name, made safe (see `path`).
    pub name: String,
    pub geometry: Geometry,
    /// In the order of the torrent's bytes, pad files included. Never empty.
    pub files: Arc<[File]>,
    /// BEP 27.
    pub private: bool,
    /// Tiers (BEP 12); `announce` is the only tier where there is no list. URLs of any scheme.
    pub trackers: Vec<Vec<String>>,
    /// BEP 19 `url-list`.
    pub web_seeds: Vec<String>,
    /// BEP 5 `nodes`.
    pub nodes: Vec<(String, u16)>,
    pub created_by: Option<String>,
    pub comment: Option<String>,
    /// Seconds since 1970.
    pub creation_date: Option<i64>,
    /// The raw info dictionary, as hashed and as given to others (BEP 9).
    pub info: Box<[u8]>,
    /// Where the piece hashes lie in `info`.
    pub hashes: Range<usize>,
}

/// One file of a torrent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct File {
    /// Safe parts of the path below the download folder, the torrent's name first. Never empty, unique when case
    /// is ignored, never both a file and a folder.
    pub path: Vec<String>,
    pub len: u64,
    /// First byte within the torrent.
    pub offset: u64,
    /// Zeros that are not stored (BEP 47). Also symbolic links, with no bytes: they are never created.
    pub pad: bool,
    /// BEP 47 attribute `x`.
    pub executable: bool,
}

impl Metainfo {
    /// The SHA-1 that the piece must have.
    pub fn hash_of(&self, piece: Piece) -> &[u8] {
        let start = self.hashes.start + piece.at() * 20;
        &self.info[start..start + 20]
    }
}
