//! The names of files as the torrent has them, where they differ from the safe ones: a web server knows files by those.

use std::collections::BTreeMap;

use super::Metainfo;
use super::parse::{bytes_of, fields};
use crate::wire::bencode::{self, Value};

/// Bytes of such names kept; files whose names come later are not known by their own.
const NAMES_LEN: usize = 1024 * 1024;

/// By index of the file: the parts of its path, the torrent's name first, of those files whose safe path differs.
pub fn raw_names(metainfo: &Metainfo) -> BTreeMap<u32, Vec<Vec<u8>>> {
    let mut names = BTreeMap::new();
    let Ok(info) = bencode::parse(&metainfo.info) else { return names };
    let [list, name, name_utf8] = fields(info, ["files", "name", "name.utf-8"]);
    let Some(name) = bytes_of(name_utf8).or_else(|| bytes_of(name)) else { return names };
    let listed = list.filter(|list| list.is_list());
    let mut room = NAMES_LEN;
    let entries = listed.into_iter().flat_map(Value::items).map(path);
    let single = listed.is_none().then_some(None);
    // In hybrids pads, and files without a byte, may not be where they were described; nobody asks for those.
    for (index, (file, path)) in metainfo.files.iter().zip(single.into_iter().chain(entries)).enumerate() {
        let parts =
            || std::iter::once(name).chain(path.into_iter().flat_map(Value::items).filter_map(Value::as_bytes));
        if file.pad || parts().eq(file.path.iter().map(String::as_bytes)) {
            continue;
        }
        let len: usize = parts().map(|part| part.len() + size_of::<Vec<u8>>()).sum();
        let Some(left) = room.checked_sub(len) else { break };
        room = left;
        names.insert(index as u32, parts().map(<[u8]>::to_vec).collect());
    }
    names
}

/// The path by which a file goes, as for its safe name.
fn path(entry: Value<'_>) -> Option<Value<'_>> {
    let [path, path_utf8] = fields(entry, ["path", "path.utf-8"]);
    let is_path = |path: &Value<'_>| path.is_list();
    path_utf8.filter(is_path).or(path.filter(is_path)).filter(|list| list.items().next().is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metainfo::parse;
    use crate::wire::bencode::Writer;

    fn torrent(name: &str, files: &[&[&str]]) -> Metainfo {
        let info = Writer::dict_bytes(|info| {
            if !files.is_empty() {
                info.key("files").list(|list| {
                    for path in files {
                        list.dict(|file| {
                            file.int("length", 5);
                            file.key("path").list(|parts| path.iter().for_each(|part| parts.bytes(part)));
                        });
                    }
                });
            } else {
                info.int("length", 5);
            }
            info.bytes("name", name);
            info.int("piece length", 16_384);
            info.bytes("pieces", [0; 20]);
        });
        parse::parse_info(&info).unwrap()
    }

    #[test]
    fn only_names_that_were_made_safe_are_kept() {
        assert!(raw_names(&torrent("plain name", &[])).is_empty());
        assert!(raw_names(&torrent("a", &[&["b", "c"], &["d"]])).is_empty());
        let odd = raw_names(&torrent("a\u{200b}", &[]));
        assert_eq!(odd.get(&0).unwrap(), &[b"a\xe2\x80\x8b".to_vec()]);
        let odd = raw_names(&torrent("a", &[&["b"], &["x\ty", ".."], &["B"]]));
        assert_eq!(odd.keys().copied().collect::<Vec<_>>(), [1, 2], "the last one has a number in its safe name");
        assert_eq!(odd.get(&1).unwrap(), &[b"a".to_vec(), b"x\ty".to_vec(), b"..".to_vec()]);
    }
}
