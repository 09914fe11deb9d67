//! Names made safe: every part of a path cleaned, and no two files of a torrent ever at one place.
//!
//! The results are libtorrent's where it is defined what is right (its tests state them), so that a folder made by
//! another client is found again.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::base::limits;

/// What stands for a name of which nothing is left.
const NOTHING: &str = "_";
/// A longer extension is not kept when a name is cut.
const EXTENSION_LEN: usize = 9;
/// Bytes of a name that file systems take.
const FILE_SYSTEM_NAME_LEN: usize = 255;

/// A torrent's own name made safe; None where nothing is left of it but dots.
pub fn clean_name(raw: &[u8]) -> Option<String> {
    if raw == b"." {
        return None;
    }
    if raw.is_empty() {
        return Some(NOTHING.into());
    }
    let name = clean(raw);
    (!matches!(name.as_str(), "" | "." | "..")).then_some(name)
}

/// One part of a file's path made safe; a part of which nothing is left is `_`. Costs nothing for plain names.
pub fn clean_part(raw: &[u8]) -> Cow<'_, str> {
    let is_plain = |&byte: &u8| (b' '..0x7f).contains(&byte) && !matches!(byte, b'/' | b'\\');
    if raw.len() < limits::NAME_LEN
        && !matches!(raw, b"" | b"." | b"..")
        && raw.iter().all(is_plain)
        && let Ok(plain) = std::str::from_utf8(raw)
    {
        return Cow::Borrowed(plain);
    }
    let part = clean(raw);
    match part.as_str() {
        "" | "." | ".." => Cow::Borrowed(NOTHING),
        _ => Cow::Owned(part),
    }
}

/// Foreign text as it is, but with `_` for what is no UTF-8.
pub fn to_text(raw: &[u8]) -> String {
    if let Ok(text) = std::str::from_utf8(raw) {
        return text.to_owned();
    }
    let mut text = String::with_capacity(raw.len());
    let mut at = 0;
    while let Some((character, len)) = first_char(&raw[at..]) {
        text.push(character.unwrap_or('_'));
        at += len;
    }
    text
}

/// Separators and invisible format characters are left out, control characters and what is no UTF-8 become `_`, and
/// from [`limits::NAME_LEN`] bytes on only an extension is kept, looked for at a readable character.
fn clean(raw: &[u8]) -> String {
    let mut name = String::with_capacity(raw.len().min(limits::NAME_LEN + 16));
    let mut has_extension = false;
    let mut at = 0;
    while let Some((character, len)) = first_char(&raw[at..]) {
        let start = at;
        at += len;
        let readable = match character {
            Some(c) if is_left_out(c) => continue,
            other => other.filter(|c| !c.is_control()),
        };
        let c = readable.unwrap_or('_');
        if name.len() + c.len_utf8() > FILE_SYSTEM_NAME_LEN {
            break;
        }
        name.push(c);
        if readable.is_some() && name.len() >= limits::NAME_LEN && !has_extension {
            let from = (start + 1).max(raw.len().saturating_sub(EXTENSION_LEN));
            let Some(dot) = (from..raw.len()).rev().find(|&index| raw[index] == b'.') else { break };
            has_extension = true;
            at = dot;
        }
    }
    name
}

/// The first character and how many bytes it has; None for the character where the bytes are no UTF-8. The lead byte
/// says how many bytes belong together, also when they are wrong.
fn first_char(bytes: &[u8]) -> Option<(Option<char>, usize)> {
    let len = match bytes.first()? {
        0xc0..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf7 => 4,
        0xf8..=0xfb => 5,
        _ => 1,
    };
    let Some(sequence) = bytes.get(..len) else { return Some((None, bytes.len())) };
    Some((std::str::from_utf8(sequence).ok().and_then(|text| text.chars().next()), len))
}

/// Separators, and characters without width or that turn the direction of writing. Exactly libtorrent's set, for the
/// sake of equal names.
fn is_left_out(c: char) -> bool {
    matches!(
        c,
        '/' | '\\' | '\0' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{2064}' | '\u{2066}'..='\u{2069}' | '\u{feff}'
    )
}

/// The names of one torrent so far, to keep two files from one place: case is ignored, and a file is never also a
/// folder. First every folder is reserved, then every file gets its place.
///
/// Names are kept as 64-bit hashes: equal names always meet. Different ones that meet, by chance or made to, cost their
/// own torrent a needless number.
#[derive(Default)]
pub struct Places {
    folders: BTreeSet<u64>,
    /// Those above the file seen last, outermost first.
    folders_before: Vec<u64>,
    /// Pad files with their length.
    files: BTreeMap<u64, Option<u64>>,
    /// Suffixes tried in vain.
    failure_count: usize,
}

/// More names collide than [`limits::DUPLICATE_NAMES`] allows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TooManyDuplicates;

impl Places {
    /// Reserves the folders above a file.
    pub fn reserve_folders(&mut self, path: impl IntoIterator<Item = impl AsRef<str>>) {
        let mut hash = PathHash::EMPTY;
        let mut above = None;
        let mut depth = 0;
        for part in path {
            hash = hash.below(part.as_ref());
            let Some(folder) = above.replace(hash.0) else { continue };
            // Mostly it is where the file before was, too.
            if self.folders_before.get(depth) != Some(&folder) {
                self.folders_before.truncate(depth);
                self.folders_before.push(folder);
                self.folders.insert(folder);
            }
            depth += 1;
        }
    }

    /// Gives a file its place: its last part gets a number before the extension where the place is taken
    /// (`temporary.1.txt`). Pad files, given with their length, are stored nowhere: those of one length share a place.
    ///
    /// # Errors
    /// When names collide too often.
    pub fn place(&mut self, path: &mut [String], pad_len: Option<u64>) -> Result<(), TooManyDuplicates> {
        let Some((name, above)) = path.split_last_mut() else { return Ok(()) };
        let folder = above.iter().fold(PathHash::EMPTY, |hash, part| hash.below(part));
        let mut hash = folder.below(name).0;
        let mut number = 0;
        let mut chosen = None;
        while self.folders.contains(&hash) || self.files.contains_key(&hash) {
            if number == 0 && pad_len.is_some() && self.files.get(&hash) == Some(&pad_len) {
                return Ok(());
            }
            if number > 0 {
                self.failure_count += 1;
            }
            if self.failure_count > limits::DUPLICATE_NAMES {
                return if pad_len.is_some() { Ok(()) } else { Err(TooManyDuplicates) };
            }
            number += 1;
            let numbered = numbered(name, number);
            hash = folder.below(&numbered).0;
            chosen = Some(numbered);
        }
        self.files.insert(hash, pad_len);
        if let Some(chosen) = chosen {
            *name = chosen;
        }
        Ok(())
    }
}

/// The hash of a path so far (FNV-1a), ignoring case.
#[derive(Clone, Copy)]
struct PathHash(u64);

impl PathHash {
    const EMPTY: PathHash = PathHash(0xcbf2_9ce4_8422_2325);

    fn below(self, part: &str) -> PathHash {
        match part.is_ascii() {
            true => self.add(part.bytes().map(|byte| byte.to_ascii_lowercase())),
            false => self.add(part.to_lowercase().bytes()),
        }
    }

    fn add(self, bytes: impl Iterator<Item = u8>) -> PathHash {
        let add = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        PathHash(bytes.chain([b'/']).fold(self.0, add))
    }
}

/// `a.1.txt` of `a.txt`; the stem is cut where the whole would become too long.
fn numbered(name: &str, number: u64) -> String {
    let (stem, extension) = name.split_at(name.rfind('.').unwrap_or(name.len()));
    let suffix = format!(".{number}{extension}");
    let mut stem_len = stem.len().min(FILE_SYSTEM_NAME_LEN.saturating_sub(suffix.len()));
    while !stem.is_char_boundary(stem_len) {
        stem_len -= 1;
    }
    format!("{}{suffix}", &stem[..stem_len])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_cleaned() {
        let table: &[(&[u8], &str)] = &[
            (b"a", "a"),
            (b"", "_"),
            (b".", "_"),
            (b"..", "_"),
            (b"...", "..."),
            (b"/..\\", "_"),
            (b"a/../b", "a..b"),
            (b"/etc/passwd", "etcpasswd"),
            (b"a\0b\x1bc\x7f", "ab_c_"),
            (b"caf\xc3\xa9 ", "caf\u{e9} "),
            (b"a\xe2\x80\xaegpj.exe", "agpj.exe"),
            ("\u{2066}\u{200b}".as_bytes(), "_"),
            ("\u{85}a".as_bytes(), "_a"),
            (b"\xff\xfe.x", "__.x"),
            (b"a\xe2\x82", "a_"),
        ];
        for (raw, wanted) in table {
            assert_eq!(clean_part(raw), *wanted, "{}", raw.escape_ascii());
        }
        for raw in ["/", ".", "..", "//..", "\u{200b}"] {
            assert_eq!(clean_name(raw.as_bytes()), None, "{raw}");
        }
        assert_eq!(clean_name(b""), Some("_".into()));
    }

    #[test]
    fn long_names_are_cut_and_keep_their_extension() {
        let name = clean_part(format!("{}.torrent", "x".repeat(400)).as_bytes()).into_owned();
        assert_eq!(name, format!("{}.torrent", "x".repeat(240)));
        assert_eq!(clean_part(&[b'x'; 4_000]).len(), 240);
        assert_eq!(clean_part(&[0xff; 4_000]).len(), 255);
        assert_eq!(clean_part(format!("{}.notanextension", "x".repeat(400)).as_bytes()).len(), 240);
        let wide = clean_part(format!("{}.\u{1f600}\u{1f600}", "\u{1f600}".repeat(100)).as_bytes()).into_owned();
        assert!(wide.len() <= 255 && wide.ends_with(".\u{1f600}\u{1f600}"), "{wide}");
    }

    fn placed(files: &[(&str, bool)]) -> Result<Vec<String>, TooManyDuplicates> {
        let mut places = Places::default();
        let mut paths: Vec<Vec<String>> =
            files.iter().map(|(path, _)| path.split('/').map(String::from).collect()).collect();
        for path in &paths {
            places.reserve_folders(path);
        }
        for (path, (_, is_pad)) in paths.iter_mut().zip(files) {
            places.place(path, is_pad.then_some(1))?;
        }
        Ok(paths.iter().map(|path| path.join("/")).collect())
    }

    #[test]
    fn no_two_files_share_a_place() {
        let table: &[(&[&str], &[&str])] = &[
            (&["t/a", "t/b"], &["t/a", "t/b"]),
            (&["t/a.txt", "t/A.TXT", "t/a.txt"], &["t/a.txt", "t/A.1.TXT", "t/a.2.txt"]),
            (&["t/a", "t/a/b", "t/A/c"], &["t/a.1", "t/a/b", "t/A/c"]),
            (&["t/a.1", "t/a", "t/a"], &["t/a.1", "t/a", "t/a.2"]),
            (&["t/a", "t/a", "t/a.1"], &["t/a", "t/a.1", "t/a.1.1"]),
            (&["t/\u{c9}", "t/\u{e9}"], &["t/\u{c9}", "t/\u{e9}.1"]),
            (&["t/.x", "t/.x"], &["t/.x", "t/.1.x"]),
        ];
        for (given, wanted) in table {
            let files: Vec<_> = given.iter().map(|path| (*path, false)).collect();
            assert_eq!(placed(&files).unwrap(), *wanted);
        }
        let pads = [("t/.pad/1", true), ("t/.pad/1", true), ("t/.pad/1", false)];
        assert_eq!(placed(&pads).unwrap(), ["t/.pad/1", "t/.pad/1", "t/.pad/1.1"]);
    }

    #[test]
    fn a_number_fits_the_longest_name() {
        let name = "\u{1f600}".repeat(62) + ".torrent";
        assert_eq!(name.len(), 256);
        let numbered = numbered(&name, 1_234);
        assert!(numbered.len() <= 255 && numbered.ends_with(".1234.torrent"), "{numbered}");
    }

    #[test]
    fn many_equal_names_are_refused() {
        assert!(placed(&[("t/a", false); 32]).is_ok());
        assert_eq!(placed(&[("t/a", false); 100_000]), Err(TooManyDuplicates));
    }
}
