//! Writes .torrent files (BEP 3, 12, 19, 27): the pure part, after somebody listed and hashed the files.

use std::fmt;
use std::path::PathBuf;

use lava_torrent::bencode::BencodeElem;
use lava_torrent::torrent::v1::{Dictionary, File as LavaFile, Torrent as LavaTorrent};

use super::Metainfo;
use super::parse::{Refused, parse};

/// Shortest piece made, in bytes.
const PIECE_LEN_MIN: u64 = 16 * 1024;
/// Longest piece made, in bytes: beyond it, what a peer must load before it can share grows too large.
const PIECE_LEN_MAX: u64 = 16 * 1024 * 1024;
/// The .torrent of this many pieces has 50 kB of hashes.
const PIECES_AIM: u64 = 2500;

/// What goes into a .torrent.
#[derive(Clone, Default, Debug)]
pub struct Recipe {
    /// Of the one file, or of the folder.
    pub name: String,
    /// In the order of the torrent's bytes. One file with an empty path makes a single-file torrent.
    pub files: Vec<NewFile>,
    /// Bytes.
    pub piece_len: u32,
    /// SHA-1 of every piece.
    pub hashes: Vec<[u8; 20]>,
    /// Tracker URLs (BEP 12).
    pub tiers: Vec<Vec<String>>,
    /// BEP 27.
    pub private: bool,
    pub comment: Option<String>,
    pub created_by: Option<String>,
    /// Makes the info hash of a private site's torrent its own.
    pub source: Option<String>,
    /// BEP 19.
    pub web_seeds: Vec<String>,
    /// Seconds since 1970.
    pub creation_date: Option<i64>,
}

/// A file to describe.
#[derive(Clone, Default, Debug)]
pub struct NewFile {
    /// Parts below the torrent's name.
    pub path: Vec<String>,
    /// Bytes.
    pub len: u64,
    /// BEP 47 attribute `x`.
    pub executable: bool,
}

/// Why no .torrent is made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Failed {
    /// A name that would not be the same on another machine.
    Name(String),
    /// What no client would announce to.
    Tracker(String),
    /// More bytes than a signed 64-bit number holds.
    TooLong,
    /// What would be written could not be read again.
    Unreadable(Refused),
    /// The encoder failed.
    Encoder(String),
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failed::Name(name) => write!(f, "{name:?} cannot be the name of a file in a torrent; rename it first"),
            Failed::Tracker(url) => write!(f, "{url:?} is no address of a tracker"),
            Failed::TooLong => f.write_str("the files are too long together"),
            Failed::Unreadable(refused) => write!(f, "no torrent can be made of this: {refused}"),
            Failed::Encoder(what) => write!(f, "the torrent could not be written: {what}"),
        }
    }
}

impl std::error::Error for Failed {}

/// Length of pieces for so many bytes of payload: a power of two from 16 KiB to 16 MiB that makes 1 250 to 2 500
/// pieces where those bounds allow.
pub fn piece_len_for(total_len: u64) -> u32 {
    let wanted = total_len.div_ceil(PIECES_AIM).clamp(PIECE_LEN_MIN, PIECE_LEN_MAX);
    wanted.next_power_of_two() as u32
}

/// The bytes of a .torrent, and what they say when read again.
///
/// # Errors
/// When a name is not one that every machine keeps as it is, or the numbers do not fit each other.
pub fn create(recipe: Recipe) -> Result<(Vec<u8>, Metainfo), Failed> {
    check_names(&recipe)?;
    let wanted = recipe.clone();
    let mut bytes = Vec::new();
    lava_torrent(recipe)?.write_into(&mut bytes).map_err(|e| Failed::Encoder(e.to_string()))?;
    let metainfo = parse(&bytes).map_err(Failed::Unreadable)?;
    check_kept(&wanted, &metainfo)?;
    Ok((bytes, metainfo))
}

fn check_names(recipe: &Recipe) -> Result<(), Failed> {
    let names = std::iter::once(&recipe.name).chain(recipe.files.iter().flat_map(|file| &file.path));
    for name in names {
        if matches!(name.as_str(), "" | "." | "..") || name.contains(['/', '\0']) {
            return Err(Failed::Name(name.clone()));
        }
    }
    Ok(())
}

/// Whoever reads the torrent gets the names we have: otherwise we could not even seed it from where the files are.
fn check_kept(recipe: &Recipe, metainfo: &Metainfo) -> Result<(), Failed> {
    if metainfo.name != recipe.name {
        return Err(Failed::Name(recipe.name.clone()));
    }
    for url in recipe.tiers.iter().flatten() {
        if !metainfo.trackers.iter().flatten().any(|kept| kept == url) {
            return Err(Failed::Tracker(url.clone()));
        }
    }
    for (new, file) in recipe.files.iter().zip(metainfo.files.iter()) {
        if new.path != file.path[1..] || file.pad {
            return Err(Failed::Name(new.path.join("/")));
        }
    }
    Ok(())
}

fn lava_torrent(recipe: Recipe) -> Result<LavaTorrent, Failed> {
    let text = |text: String| BencodeElem::String(text);
    let signed = |len: u64| i64::try_from(len).map_err(|_| Failed::TooLong);
    let attributes = |executable: bool| executable.then(|| Dictionary::from([("attr".to_owned(), text("x".into()))]));

    let total_len = recipe.files.iter().try_fold(0_u64, |sum, file| sum.checked_add(file.len));
    let mut info = Dictionary::new();
    if recipe.private {
        info.insert("private".to_owned(), BencodeElem::Integer(1));
    }
    if let Some(source) = recipe.source {
        info.insert("source".to_owned(), text(source));
    }
    let is_single = matches!(recipe.files.as_slice(), [file] if file.path.is_empty());
    let files = match is_single {
        true => {
            info.extend(attributes(recipe.files[0].executable).unwrap_or_default());
            None
        }
        false => {
            let file = |file: NewFile| {
                let path = file.path.iter().collect::<PathBuf>();
                Ok(LavaFile { length: signed(file.len)?, path, extra_fields: attributes(file.executable) })
            };
            Some(recipe.files.into_iter().map(file).collect::<Result<Vec<_>, Failed>>()?)
        }
    };

    let mut extra = Dictionary::new();
    let texts = [("comment", recipe.comment), ("created by", recipe.created_by)];
    extra.extend(texts.into_iter().filter_map(|(key, value)| Some((key.to_owned(), text(value?)))));
    if let Some(date) = recipe.creation_date {
        extra.insert("creation date".to_owned(), BencodeElem::Integer(date));
    }
    if !recipe.web_seeds.is_empty() {
        extra.insert("url-list".to_owned(), BencodeElem::List(recipe.web_seeds.into_iter().map(text).collect()));
    }
    let url_count: usize = recipe.tiers.iter().map(Vec::len).sum();
    Ok(LavaTorrent {
        announce: recipe.tiers.iter().flatten().next().cloned(),
        announce_list: (url_count > 1).then_some(recipe.tiers),
        length: signed(total_len.ok_or(Failed::TooLong)?)?,
        files,
        name: recipe.name,
        piece_length: recipe.piece_len.into(),
        pieces: recipe.hashes.iter().map(|hash| hash.to_vec()).collect(),
        extra_fields: Some(extra),
        extra_info_fields: Some(info),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe(files: &[(&[&str], u64)]) -> Recipe {
        let files: Vec<NewFile> = (files.iter())
            .map(|(path, len)| NewFile {
                path: path.iter().map(|part| part.to_string()).collect(),
                len: *len,
                executable: false,
            })
            .collect();
        let total: u64 = files.iter().map(|file| file.len).sum();
        let hashes = vec![[7; 20]; total.div_ceil(16_384) as usize];
        Recipe { name: "n".into(), files, piece_len: 16_384, hashes, ..Recipe::default() }
    }

    #[test]
    fn a_single_file_is_written_as_others_write_it() {
        let (bytes, metainfo) = create(Recipe {
            tiers: vec![vec!["http://a/a".into()]],
            private: true,
            comment: Some("c".into()),
            source: Some("s".into()),
            creation_date: Some(9),
            ..recipe(&[(&[], 5)])
        })
        .unwrap();
        let wanted = b"d8:announce10:http://a/a7:comment1:c13:creation datei9e4:infod6:lengthi5e4:name1:n\
            12:piece lengthi16384e6:pieces20:\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\
            \x07\x077:privatei1e6:source1:see";
        assert_eq!(bytes, wanted, "{}", bytes.escape_ascii());
        assert_eq!(metainfo.trackers, [["http://a/a"]]);
    }

    #[test]
    fn many_files_are_read_as_they_were_described() {
        let mut recipe = recipe(&[(&["b", ".hidden"], 20_000), (&["a"], 0), (&["c d"], 1)]);
        recipe.files[2].executable = true;
        recipe.tiers = vec![vec!["http://a/a".into(), "udp://b:1".into()], vec!["http://c/".into()]];
        recipe.web_seeds = vec!["http://w/".into()];
        let (bytes, metainfo) = create(recipe.clone()).unwrap();
        assert_eq!(metainfo, parse(&bytes).unwrap());
        assert_eq!(metainfo.trackers, recipe.tiers);
        assert_eq!(metainfo.web_seeds, recipe.web_seeds);
        assert_eq!(metainfo.files[0].path, ["n", "b", ".hidden"]);
        assert_eq!((metainfo.files[2].len, metainfo.files[2].executable), (1, true));
    }

    #[test]
    fn what_others_could_not_use_is_not_made() {
        for part in ["", ".", "..", "a/b", "a\nb", "a\u{202e}b", "_____padding_file_1"] {
            assert!(matches!(create(recipe(&[(&[part], 1), (&["x"], 1)])), Err(Failed::Name(_))), "{part}");
        }
        assert!(matches!(create(recipe(&[(&["a"], 1), (&["A"], 1)])), Err(Failed::Name(_))));
        assert_eq!(create(recipe(&[])).map(drop), Err(Failed::Unreadable(Refused::NoFiles)));
        assert_eq!(create(recipe(&[(&["a"], 0)])).map(drop), Err(Failed::Unreadable(Refused::NoData)));
        let odd = Recipe { tiers: vec![vec!["t.example".into()]], ..recipe(&[(&["a"], 1)]) };
        assert_eq!(create(odd).map(drop), Err(Failed::Tracker("t.example".into())));
        let missing = Recipe { hashes: Vec::new(), ..recipe(&[(&["a"], 1)]) };
        let refused = Refused::Pieces { given: 0, wanted: 1 };
        assert_eq!(create(missing).map(drop), Err(Failed::Unreadable(refused)));
    }

    #[test]
    fn pieces_are_neither_many_nor_few() {
        assert_eq!(piece_len_for(0), 16_384);
        assert_eq!(piece_len_for(30_000_000), 16_384);
        assert_eq!(piece_len_for(1 << 30), 512 * 1024);
        assert_eq!(piece_len_for(u64::MAX), 16 * 1024 * 1024);
        for shift in 26..35 {
            for total in [1 << shift, (1 << shift) + 1, 3 << (shift - 1)] {
                let count = u64::div_ceil(total, piece_len_for(total).into());
                assert!((1_250..=2_500).contains(&count), "{total}: {count}");
            }
        }
    }
}
