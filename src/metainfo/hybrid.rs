//! The v2 half of a hybrid torrent (BEP 52): only checked to describe the same files as the v1 half.

use super::File;
use super::parse::{Refused, Source, bytes_of, fields};
use super::path::clean_part;
use crate::base::limits;
use crate::wire::bencode::{Cursor, Value};

/// Shortest piece of a v2 torrent, in bytes.
pub const PIECE_LEN_MIN: u32 = 16 * 1024;

/// Whether the file tree holds the files that `source` lists, in its order, each beginning with a piece. Pad files,
/// links and empty files do not count.
///
/// # Errors
/// When it does not, or the tree is broken.
pub(super) fn check(tree: Value<'_>, source: &Source<'_>, piece_len: u32) -> Result<(), Refused> {
    let mut tree = Tree { cursor: tree.cursor(), path: Vec::new(), entry_counts: Vec::new() };
    if let Source::List { name, .. } = source {
        tree.path.push((*name).to_owned());
    }
    let differs = Err(Refused::FileTree("lists other files than the v1 half"));
    let mut offset = 0_u64;
    for entry in source.entries() {
        let entry = entry?;
        if !entry.pad && entry.len > 0 {
            if !offset.is_multiple_of(u64::from(piece_len)) {
                return Err(Refused::FileTree("needs every file to begin with a piece"));
            }
            match tree.next_file()? {
                Some(v2_len) if v2_len == entry.len && entry.parts().eq(tree.path.iter().map(String::as_str)) => {}
                _ => return differs,
            }
        }
        offset = offset.saturating_add(entry.len);
    }
    match tree.next_file()? {
        None => Ok(()),
        Some(_) => differs,
    }
}

/// Orders and names pad files as the v2 half has them, right behind the file they pad, so that the numbers of the files
/// are those that v2 clients show. `check` has found the rest to agree.
pub(super) fn order_pads(files: &mut [File], name: &str) {
    let mut end = 0;
    for index in 0..files.len() {
        if files[index].pad && files[index].len > 0 {
            files[index].path = vec![name.to_owned(), ".pad".to_owned(), files[index].len.to_string()];
            files[end..=index].rotate_right(1);
            let Some((pad, behind)) = files[end..=index].split_first_mut() else { continue };
            if let Some(first) = behind.first() {
                pad.offset = first.offset;
                behind.iter_mut().for_each(|file| file.offset += pad.len);
            }
            end += 1;
        } else if files[index].len > 0 {
            end = index + 1;
        }
    }
}

/// A walk through a file tree: directories are dictionaries by name, a file is a dictionary with one empty key.
struct Tree<'a> {
    cursor: Cursor<'a>,
    /// The torrent's name where it is a folder, then the cleaned names down to the file seen last.
    path: Vec<String>,
    /// Entries seen so far of each dictionary open.
    entry_counts: Vec<usize>,
}

impl Tree<'_> {
    /// Length of the next file with data; its path is in `self.path`. None at the end.
    fn next_file(&mut self) -> Result<Option<u64>, Refused> {
        let broken = Refused::FileTree("has a broken file tree");
        if self.entry_counts.is_empty() {
            self.cursor.step();
            self.entry_counts.push(0);
        }
        while let Some(count) = self.entry_counts.last_mut() {
            let Some(key) = self.cursor.value() else {
                self.cursor.step();
                self.entry_counts.pop();
                if !self.entry_counts.is_empty() {
                    self.path.pop();
                }
                continue;
            };
            let name = key.as_bytes().unwrap_or_default();
            *count += 1;
            if self.cursor.peek() != Some(b'd') {
                return Err(broken);
            }
            if name.is_empty() {
                let file = self.cursor.value();
                let is_only = *count == 1 && self.cursor.peek() == Some(b'e');
                let file = file.filter(|_| is_only && self.entry_counts.len() > 1).ok_or(broken.clone())?;
                match read_file(file)? {
                    0 => continue,
                    len => return Ok(Some(len)),
                }
            }
            if self.entry_counts.len() > limits::PATH_DEPTH {
                return Err(Refused::FileTree("has too many folders in each other"));
            }
            self.path.push(clean_part(name).into_owned());
            self.cursor.step();
            self.entry_counts.push(0);
        }
        self.entry_counts.clear();
        Ok(None)
    }
}

/// Length of a file with data, 0 for links.
fn read_file(file: Value<'_>) -> Result<u64, Refused> {
    let [attr, len, root] = fields(file, ["attr", "length", "pieces root"]);
    let attr = bytes_of(attr).unwrap_or_default();
    if attr.contains(&b'p') {
        return Err(Refused::FileTree("has a pad file"));
    }
    if attr.contains(&b'l') {
        return Ok(0);
    }
    let len = len.and_then(Value::as_int).and_then(|len| u64::try_from(len).ok());
    let len = len.ok_or(Refused::FileTree("has a file without a length"))?;
    let has_root = bytes_of(root).is_some_and(|root| root.len() == 32 && root.iter().any(|&byte| byte != 0));
    match len > 0 && !has_root {
        true => Err(Refused::FileTree("has a file without a root hash")),
        false => Ok(len),
    }
}
