//! Reads .torrent files (BEP 3, 12, 19, 27, 47; the v1 half of BEP 52 hybrids): everything checked, every name safe.
//!
//! The file list is walked twice: first to know every folder and the whole length, then to give every file its place,
//! so a hostile list is refused before anything is kept of it. Entries that are symbolic links (BEP 47) are listed with no bytes, like
//! pad files: they are never created, since where they point to is not the torrent's to say.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use sha1::{Digest, Sha1};
use sha2::Sha256;

use super::path::{Places, clean_name, clean_part, to_text};
use super::{File, Metainfo, hybrid, urls};
use crate::base::{Geometry, InfoHash, limits};
use crate::wire::bencode::{self, Value};

/// Why a .torrent is refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refused {
    TooLarge,
    Bencode(bencode::Error),
    NotADictionary,
    NoInfo,
    OnlyV2,
    Version(i64),
    /// Keys of a v2 or hybrid info dictionary out of order (BEP 52).
    Unsorted,
    NoFileTree,
    /// What is wrong with the v2 half of a hybrid.
    FileTree(&'static str),
    NoMetaVersion,
    PieceLength,
    NoName,
    NoFiles,
    /// What is wrong with which file, counted from 1; without a number in a torrent of one file.
    Entry(Option<usize>, &'static str),
    TooManyDuplicates,
    TooMuchText,
    NoData,
    TooManyPieces,
    NoPieces,
    Pieces {
        given: usize,
        wanted: u32,
    },
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::TooLarge => write!(f, "more than {} MB are no .torrent", limits::TORRENT_LEN / 1_000_000),
            Refused::Bencode(error) => write!(f, "not a .torrent: {error}"),
            Refused::NotADictionary => f.write_str("not a .torrent: no dictionary"),
            Refused::NoInfo => f.write_str("not a .torrent: it has no info dictionary"),
            Refused::OnlyV2 => f.write_str("this is a v2-only torrent (BEP 52); only v1 and hybrid ones can be used"),
            Refused::Version(version) => write!(f, "meta version {version} is not known"),
            Refused::Unsorted => f.write_str("the keys of a v2 info dictionary are out of order"),
            Refused::NoFileTree => f.write_str("a v2 torrent without a file tree"),
            Refused::FileTree(what) => write!(f, "the v2 half of the torrent {what}"),
            Refused::NoMetaVersion => f.write_str("a file tree without a meta version"),
            Refused::PieceLength => f.write_str("the piece length is missing or wrong"),
            Refused::NoName => f.write_str("the torrent has no usable name"),
            Refused::NoFiles => f.write_str("the list of files is missing or empty"),
            Refused::Entry(Some(number), what) => write!(f, "file {number} {what}"),
            Refused::Entry(None, what) => write!(f, "the file {what}"),
            Refused::TooManyDuplicates => f.write_str("too many files have the same name"),
            Refused::TooMuchText => f.write_str("the names of the files are too long together"),
            Refused::NoData => f.write_str("the torrent has no data"),
            Refused::TooManyPieces => write!(f, "the torrent has more than {} pieces", limits::PIECES),
            Refused::NoPieces => f.write_str("the piece hashes are missing"),
            Refused::Pieces { given, wanted } => {
                write!(f, "{given} bytes of piece hashes do not fit {wanted} pieces (20 bytes each)")
            }
        }
    }
}

impl std::error::Error for Refused {}

/// Reads a .torrent file. Bytes after its one dictionary are ignored.
///
/// # Errors
/// With the first thing that is wrong.
pub fn parse(bytes: &[u8]) -> Result<Metainfo, Refused> {
    if bytes.len() > limits::TORRENT_LEN {
        return Err(Refused::TooLarge);
    }
    let (root, _) = bencode::parse_prefix(bytes).map_err(Refused::Bencode)?;
    if !root.is_dict() {
        return Err(Refused::NotADictionary);
    }
    let [info, announce, announce_list, url_list, nodes, comment, comment_utf8, by, by_utf8, date] = fields(
        root,
        [
            "info",
            "announce",
            "announce-list",
            "url-list",
            "nodes",
            "comment",
            "comment.utf-8",
            "created by",
            "created by.utf-8",
            "creation date",
        ],
    );
    let mut metainfo = read_info(info.filter(|info| info.is_dict()).ok_or(Refused::NoInfo)?)?;
    metainfo.trackers = urls::trackers(announce, announce_list);
    metainfo.web_seeds = urls::web_seeds(url_list, metainfo.files.len() > 1);
    metainfo.nodes = urls::nodes(nodes);
    metainfo.comment = text(comment_utf8).or_else(|| text(comment));
    metainfo.created_by = text(by_utf8).or_else(|| text(by));
    metainfo.creation_date = date.and_then(Value::as_int).filter(|&s| s >= 0);
    Ok(metainfo)
}

/// Reads an info dictionary alone, as peers give it (BEP 9); there are no trackers in it.
///
/// # Errors
/// With the first thing that is wrong.
pub fn parse_info(bytes: &[u8]) -> Result<Metainfo, Refused> {
    let info = bencode::parse(bytes).map_err(Refused::Bencode)?;
    if !info.is_dict() {
        return Err(Refused::NotADictionary);
    }
    read_info(info)
}

fn read_info(info: Value<'_>) -> Result<Metainfo, Refused> {
    let [version, tree, list, len, name, name_utf8, piece_len, pieces, private] = fields(
        info,
        ["meta version", "file tree", "files", "length", "name", "name.utf-8", "piece length", "pieces", "private"],
    );
    let version = version.and_then(Value::as_int).unwrap_or(0);
    let tree = tree.filter(|tree| tree.is_dict());
    let list = list.filter(|list| list.is_list());
    let piece_len = check_version(info, version, tree, list.is_some() || len.is_some(), piece_len)?;

    let info_hash = InfoHash(Sha1::digest(info.raw()).into());
    let raw_name = bytes_of(name_utf8).or_else(|| bytes_of(name)).ok_or(Refused::NoName)?;
    let name = match list {
        Some(_) => clean_name(raw_name).unwrap_or_else(|| info_hash.to_string()),
        None if raw_name.is_empty() => return Err(Refused::NoName),
        None => clean_name(raw_name).ok_or(Refused::NoName)?,
    };
    let source = match list {
        Some(list) => Source::List { list, name: &name },
        None => Source::Single { info, name: &name },
    };
    let survey = survey(&source)?;
    if let Some(tree) = tree {
        hybrid::check(tree, &source, piece_len)?;
    }
    let total_len = survey.total_len;
    if total_len.div_ceil(u64::from(piece_len)) > u64::from(limits::PIECES) {
        return Err(Refused::TooManyPieces);
    }
    let geometry = Geometry::new(total_len, piece_len).ok_or(Refused::NoData)?;
    let pieces = bytes_of(pieces).ok_or(Refused::NoPieces)?;
    if pieces.len() as u64 != u64::from(geometry.piece_count()) * 20 {
        return Err(Refused::Pieces { given: pieces.len(), wanted: geometry.piece_count() });
    }
    let mut files = place_files(&source, survey)?;
    if tree.is_some() {
        hybrid::order_pads(&mut files, &name);
    }
    Ok(Metainfo {
        info_hash,
        info_hash_v2: (version >= 2).then(|| Sha256::digest(info.raw()).into()),
        name,
        geometry,
        files: files.into(),
        private: private.and_then(Value::as_int).is_some_and(|private| private != 0),
        trackers: Vec::new(),
        web_seeds: Vec::new(),
        nodes: Vec::new(),
        created_by: None,
        comment: None,
        creation_date: None,
        info: info.raw().into(),
        hashes: range_within(info.raw(), pieces),
    })
}

/// What versions ask for before files are looked at; returns the piece length.
fn check_version(
    info: Value<'_>,
    version: i64,
    tree: Option<Value<'_>>,
    has_v1: bool,
    piece_len: Option<Value<'_>>,
) -> Result<u32, Refused> {
    if version > 2 {
        return Err(Refused::Version(version));
    }
    if version == 2 && !has_v1 {
        return Err(Refused::OnlyV2);
    }
    if version > 0 && !info.is_sorted() {
        return Err(Refused::Unsorted);
    }
    let piece_len = piece_len
        .and_then(Value::as_int)
        .and_then(|len| u32::try_from(len).ok())
        .filter(|len| (1..=limits::PIECE_LEN).contains(len))
        .ok_or(Refused::PieceLength)?;
    match (version, tree) {
        (2, None) => Err(Refused::NoFileTree),
        (2, Some(_)) if !piece_len.is_power_of_two() || piece_len < hybrid::PIECE_LEN_MIN => {
            Err(Refused::PieceLength)
        }
        (2, Some(_)) | (_, None) => Ok(piece_len),
        (_, Some(_)) => Err(Refused::NoMetaVersion),
    }
}

/// Where the files of a v1 torrent are described.
pub(super) enum Source<'a> {
    Single { info: Value<'a>, name: &'a str },
    List { list: Value<'a>, name: &'a str },
}

/// A file as it is described.
pub(super) struct Entry<'a> {
    path: RawPath<'a>,
    pub len: u64,
    pub pad: bool,
    executable: bool,
}

/// A path that is cleaned when it is asked for, so that looking at a file keeps nothing.
#[derive(Clone, Copy)]
enum RawPath<'a> {
    /// The torrent's name alone.
    Single(&'a str),
    /// The torrent's name and a list of strings.
    Listed(&'a str, Value<'a>),
    /// A pad file without a path, by its length.
    Pad(u64),
}

impl<'a> Entry<'a> {
    /// The cleaned parts of its path.
    pub(super) fn parts(&self) -> impl Iterator<Item = Cow<'a, str>> + use<'a> {
        let (name, list, pad_len) = match self.path {
            RawPath::Single(name) => (Some(name), None, None),
            RawPath::Listed(name, list) => (Some(name), Some(list), None),
            RawPath::Pad(len) => (None, None, Some(len)),
        };
        let listed = list.into_iter().flat_map(Value::items).filter_map(Value::as_bytes).map(clean_part);
        let pad = pad_len.into_iter().flat_map(|len| [Cow::Borrowed(".pad"), Cow::Owned(len.to_string())]);
        name.map(Cow::Borrowed).into_iter().chain(listed).chain(pad)
    }
}

impl<'a> Source<'a> {
    /// The files in order; nothing follows an error.
    pub(super) fn entries(&self) -> Box<dyn Iterator<Item = Result<Entry<'a>, Refused>> + 'a> {
        match *self {
            Source::Single { info, name } => Box::new(std::iter::once(read_entry(None, info, name))),
            Source::List { list, name } => {
                Box::new(list.items().enumerate().map(move |(index, entry)| read_entry(Some(index + 1), entry, name)))
            }
        }
    }
}

/// What one look at all files tells.
struct Survey {
    places: Places,
    file_count: usize,
    total_len: u64,
}

fn survey(source: &Source<'_>) -> Result<Survey, Refused> {
    let mut survey = Survey { places: Places::default(), file_count: 0, total_len: 0 };
    let mut text_len = 0;
    for entry in source.entries() {
        let entry = entry?;
        survey.file_count += 1;
        survey.total_len = (survey.total_len.checked_add(entry.len))
            .ok_or(Refused::Entry(Some(survey.file_count), "is too long"))?;
        let parts = entry.parts().inspect(|part| text_len += part.len() + size_of::<String>());
        survey.places.reserve_folders(parts);
        if text_len > limits::PATHS_LEN {
            return Err(Refused::TooMuchText);
        }
    }
    if survey.file_count == 0 { Err(Refused::NoFiles) } else { Ok(survey) }
}

fn place_files(source: &Source<'_>, survey: Survey) -> Result<Vec<File>, Refused> {
    let Survey { mut places, file_count, .. } = survey;
    let mut offset = 0;
    let mut files = Vec::new();
    for entry in source.entries() {
        let entry = entry?;
        let Entry { len, pad, executable, .. } = entry;
        let mut path: Vec<String> = entry.parts().map(Cow::into_owned).collect();
        places.place(&mut path, (pad && len > 0).then_some(len)).map_err(|_| Refused::TooManyDuplicates)?;
        // Not before the first names have passed: a list of equal ones costs nothing.
        if files.len() == limits::DUPLICATE_NAMES {
            files.reserve_exact(file_count - files.len());
        }
        files.push(File { path, len, offset, pad, executable });
        offset += len;
    }
    Ok(files)
}

fn read_entry<'a>(number: Option<usize>, entry: Value<'a>, name: &'a str) -> Result<Entry<'a>, Refused> {
    let refused = |what| Refused::Entry(number, what);
    if !entry.is_dict() {
        return Err(refused("is described by something other than a dictionary"));
    }
    let [len, path, path_utf8, attr, link] = fields(entry, ["length", "path", "path.utf-8", "attr", "symlink path"]);
    let attr = bytes_of(attr).unwrap_or_default();
    let is_link = attr.contains(&b'l');
    let len = match is_link {
        true => 0,
        false => {
            let len = len.and_then(Value::as_int).ok_or(refused("has no length"))?;
            u64::try_from(len).map_err(|_| refused("has a negative length"))?
        }
    };
    let link = link.filter(|link| is_link && link.is_list());
    if let Some(link) = link {
        // The target is not used; a list that is none is a sign of a broken torrent.
        check_parts(link).map_err(refused)?;
    }
    let is_path = |path: &Value<'_>| path.is_list();
    let list = path_utf8.filter(is_path).or(path.filter(is_path)).filter(|list| list.items().next().is_some());
    let path = match (number, list) {
        (None, _) => RawPath::Single(name),
        (Some(_), Some(list)) => {
            check_parts(list).map_err(refused)?;
            RawPath::Listed(name, list)
        }
        (Some(_), None) if attr.contains(&b'p') => RawPath::Pad(len),
        (Some(_), None) => return Err(refused("has no path")),
    };
    let mut entry =
        Entry { path, len, pad: attr.contains(&b'p') || link.is_some(), executable: attr.contains(&b'x') };
    // What clients did before there were attributes.
    const PADDING: &str = "_____padding_file_";
    entry.pad |= entry.parts().any(|part| part.len() >= PADDING.len() && part.contains(PADDING));
    Ok(entry)
}

/// Whether a path is made of strings, and not of too many.
fn check_parts(list: Value<'_>) -> Result<(), &'static str> {
    for (index, part) in list.items().enumerate() {
        if index >= limits::PATH_DEPTH {
            return Err("lies too deep in folders");
        }
        if part.as_bytes().is_none() {
            return Err("has a path of something other than strings");
        }
    }
    Ok(())
}

/// The first value of each key, in one pass.
pub(super) fn fields<'a, const N: usize>(dict: Value<'a>, keys: [&str; N]) -> [Option<Value<'a>>; N] {
    let mut found = [None; N];
    for (key, value) in dict.entries() {
        for (wanted, slot) in keys.iter().zip(&mut found) {
            if slot.is_none() && wanted.as_bytes() == key {
                *slot = Some(value);
            }
        }
    }
    found
}

pub(super) fn bytes_of(value: Option<Value<'_>>) -> Option<&[u8]> {
    value.and_then(Value::as_bytes)
}

/// A text for people, of bounded length; None when empty.
fn text(value: Option<Value<'_>>) -> Option<String> {
    let bytes = bytes_of(value).filter(|bytes| !bytes.is_empty())?;
    Some(to_text(&bytes[..bytes.len().min(limits::COMMENT_LEN)]))
}

/// Where `part`, a slice of `whole`, lies in it.
fn range_within(whole: &[u8], part: &[u8]) -> Range<usize> {
    let start = part.as_ptr().addr() - whole.as_ptr().addr();
    start..start + part.len()
}
