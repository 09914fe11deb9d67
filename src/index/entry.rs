//! One published torrent: what is kept of it in memory, and its file on the shelf.
//!
//! The file is a short head and then the .torrent as it was published. The head carries a checksum, the length of
//! the rest and its digest: a file that a failing disk tore is recognised, and a start reads heads only.

use sha1::{Digest, Sha1};

use crate::base::InfoHash;
use crate::metainfo::Metainfo;
use crate::wire::bencode::{self, Value, Writer};

/// First bytes of every file; the last one is the format.
const MAGIC: &[u8; 8] = b"PL-index";
/// Magic, length of the head, checksum.
const FIXED_LEN: usize = 8 + 2 + 8;
/// Bytes of a name: what a file system takes.
pub const NAME_LEN: usize = 240;
/// Bytes of a description: a paragraph.
pub const DESCRIPTION_LEN: usize = 1000;
/// Bytes to read of a file to know all of its head: names, description, and numbers around them.
pub const HEAD_LEN: usize = 2048;

/// A published torrent without its bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// For people to name it by: never given twice while the server runs.
    pub number: u32,
    /// Payload without padding, bytes.
    pub size: u64,
    pub file_count: u32,
    /// Seconds since 1970.
    pub added_s: u64,
    /// Bytes of the .torrent.
    pub torrent_len: u32,
    /// BEP 27: kept, and never listed.
    pub is_private: bool,
    /// It names no tracker.
    pub is_bare: bool,
    /// What the publisher must show to take it away: the first half of the token's SHA-256.
    pub token: [u8; 16],
    /// SHA-1 of the .torrent.
    pub digest: [u8; 20],
    pub name: Box<str>,
    pub description: Box<str>,
}

/// What a publisher says of a torrent.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Words {
    /// Instead of the torrent's own name; empty for that one.
    pub name: String,
    pub description: String,
}

impl Entry {
    /// The entry of a torrent that was checked.
    pub fn new(
        metainfo: &Metainfo,
        torrent: &[u8],
        words: &Words,
        number: u32,
        added_s: u64,
        token: [u8; 16],
    ) -> Entry {
        let files = metainfo.files.iter().filter(|file| !file.pad);
        let name = tidy(&words.name, NAME_LEN);
        let name = if name.is_empty() { tidy(&metainfo.name, NAME_LEN) } else { name };
        Entry {
            number,
            size: files.clone().map(|file| file.len).sum(),
            file_count: files.count() as u32,
            added_s,
            torrent_len: torrent.len() as u32,
            is_private: metainfo.private,
            is_bare: metainfo.trackers.is_empty(),
            token,
            digest: Sha1::digest(torrent).into(),
            name: if name.is_empty() { metainfo.info_hash.to_string().into() } else { name },
            description: tidy(&words.description, DESCRIPTION_LEN),
        }
    }

    /// The file's bytes.
    pub fn encode(&self, info_hash: InfoHash, torrent: &[u8]) -> Vec<u8> {
        let head = Writer::dict_bytes(|dict| {
            dict.int("added", i64::try_from(self.added_s).unwrap_or(i64::MAX));
            dict.int("bare", i64::from(self.is_bare));
            dict.bytes("description", self.description.as_bytes());
            dict.bytes("digest", self.digest);
            dict.int("files", i64::from(self.file_count));
            dict.bytes("hash", info_hash.0);
            dict.int("length", i64::from(self.torrent_len));
            dict.bytes("name", self.name.as_bytes());
            dict.int("number", i64::from(self.number));
            dict.int("private", i64::from(self.is_private));
            dict.int("size", i64::try_from(self.size).unwrap_or(i64::MAX));
            dict.bytes("token", self.token);
        });
        let mut bytes = Vec::with_capacity(FIXED_LEN + head.len() + torrent.len());
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&(head.len() as u16).to_be_bytes());
        bytes.extend_from_slice(&checksum(&head));
        bytes.extend_from_slice(&head);
        bytes.extend_from_slice(torrent);
        bytes
    }

    /// Reads the head of a file that is `len` bytes long; None where it is torn or not ours.
    pub fn decode(start: &[u8], len: u64) -> Option<(InfoHash, Entry)> {
        let (head, _) = split(start)?;
        let head_len = FIXED_LEN + head.len();
        let root = bencode::parse(head).ok()?;
        let number = |key: &str| root.get(key).and_then(Value::as_int);
        let text = |key: &str, max: usize| {
            let text = root.get(key).and_then(Value::as_text)?;
            (text.len() <= max).then(|| text.into())
        };
        let entry = Entry {
            number: u32::try_from(number("number")?).ok()?,
            size: u64::try_from(number("size")?).ok()?,
            file_count: u32::try_from(number("files")?).ok()?,
            added_s: u64::try_from(number("added")?).ok()?,
            torrent_len: u32::try_from(number("length")?).ok()?,
            is_private: number("private")? != 0,
            is_bare: number("bare")? != 0,
            token: root.get("token").and_then(Value::as_bytes)?.try_into().ok()?,
            digest: root.get("digest").and_then(Value::as_bytes)?.try_into().ok()?,
            name: text("name", NAME_LEN)?,
            description: text("description", DESCRIPTION_LEN)?,
        };
        let hash = InfoHash(root.get("hash").and_then(Value::as_bytes)?.try_into().ok()?);
        (len == head_len as u64 + u64::from(entry.torrent_len)).then_some((hash, entry))
    }

    /// The .torrent in a whole file of this entry; None where it is not the one that was published.
    pub fn torrent_in<'a>(&self, file: &'a [u8]) -> Option<&'a [u8]> {
        let (_, torrent) = split(file)?;
        (<[u8; 20]>::from(Sha1::digest(torrent)) == self.digest).then_some(torrent)
    }

    /// Bytes that the entry takes on disk.
    pub fn disk_len(&self) -> u64 {
        u64::from(self.torrent_len) + (FIXED_LEN + self.name.len() + self.description.len()) as u64 + 256
    }
}

/// A file's head, whose checksum is right, and what follows it.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = bytes.strip_prefix(MAGIC)?;
    let (len, rest) = rest.split_first_chunk::<2>()?;
    let (sum, rest) = rest.split_first_chunk::<8>()?;
    let (head, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*len)))?;
    (checksum(head) == *sum).then_some((head, rest))
}

fn checksum(head: &[u8]) -> [u8; 8] {
    let digest: [u8; 20] = Sha1::digest(head).into();
    let mut sum = [0; 8];
    sum.copy_from_slice(&digest[..8]);
    sum
}

/// One line without blanks around it, at most so many bytes, nothing in it that steers a terminal or a page.
fn tidy(text: &str, max: usize) -> Box<str> {
    let clean = crate::base::text::harmless(text);
    let words: Vec<&str> = clean.split_whitespace().collect();
    let mut line = words.join(" ");
    if line.len() > max {
        let end = (0..=max).rev().find(|at| line.is_char_boundary(*at)).unwrap_or(0);
        line.truncate(end);
    }
    line.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metainfo::parse::parse;

    pub fn torrent() -> Vec<u8> {
        b"d8:announce10:http://a/a4:infod5:filesld6:lengthi3e4:pathl1:beed4:attr1:p6:lengthi5e4:pathl4:.pad1:5eed6:length\
          i2048e4:pathl1:deee4:name4:name12:piece lengthi16384e6:pieces20:aaaaaaaaaaaaaaaaaaaa7:privatei1eee"
            .to_vec()
    }

    fn entry(words: &Words) -> (InfoHash, Entry, Vec<u8>) {
        let torrent = torrent();
        let metainfo = parse(&torrent).unwrap();
        (metainfo.info_hash, Entry::new(&metainfo, &torrent, words, 7, 99, [3; 16]), torrent)
    }

    #[test]
    fn an_entry_comes_back_from_its_file() {
        let words = Words { name: " a\nb ".into(), description: "\u{202e}c \t d".into() };
        let (hash, entry, torrent) = entry(&words);
        assert_eq!(
            (&*entry.name, &*entry.description, entry.size, entry.file_count),
            ("a b", "\u{fffd}c d", 2051, 2)
        );
        assert!(entry.is_private && !entry.is_bare);
        let file = entry.encode(hash, &torrent);
        let head = &file[..file.len().min(HEAD_LEN)];
        assert_eq!(Entry::decode(head, file.len() as u64), Some((hash, entry.clone())));
        assert_eq!(entry.torrent_in(&file), Some(&torrent[..]));
        assert!(entry.disk_len() >= file.len() as u64);
    }

    #[test]
    fn the_longest_head_is_read() {
        let words = Words { name: "\u{e4}".repeat(500), description: "\u{1f600}".repeat(500) };
        let (hash, mut entry, torrent) = entry(&words);
        assert_eq!((entry.name.len(), entry.description.len()), (NAME_LEN, DESCRIPTION_LEN));
        (entry.number, entry.size, entry.added_s) = (u32::MAX, i64::MAX as u64, i64::MAX as u64);
        let file = entry.encode(hash, &torrent);
        assert!(file.len() - torrent.len() < HEAD_LEN, "{}", file.len() - torrent.len());
        assert_eq!(Entry::decode(&file, file.len() as u64).unwrap().1, entry);
    }

    #[test]
    fn torn_and_foreign_files_are_recognised() {
        let (hash, entry, torrent) = entry(&Words::default());
        assert_eq!(&*entry.name, "name");
        let file = entry.encode(hash, &torrent);
        for len in 0..file.len() {
            assert_eq!(Entry::decode(&file[..len], len as u64), None, "{len}");
            assert!(entry.torrent_in(&file[..len]).is_none(), "{len}");
        }
        for at in 0..file.len() - torrent.len() {
            let mut bad = file.clone();
            bad[at] ^= 1;
            assert_eq!(Entry::decode(&bad, bad.len() as u64), None, "{at}");
        }
        let mut bad = file.clone();
        *bad.last_mut().unwrap() ^= 1;
        assert!(Entry::decode(&bad, bad.len() as u64).is_some() && entry.torrent_in(&bad).is_none());
        assert_eq!(Entry::decode(&file, file.len() as u64 + 1), None);
    }
}
