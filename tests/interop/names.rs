//! `paths.json` on a real disk: torrents with these names are downloaded, then the folder is listed.

use std::collections::BTreeSet;
use std::path::{Component, Path};

use crate::kit::child::Child;
use crate::kit::payload::{Entry, Payload, tree};
use crate::kit::peerlink as program;
use crate::kit::seed::Seed;
use crate::table::{self, Row, Value};
use peerlink::wire::bencode;

const PIECE_LEN: u32 = 16 << 10;
/// Threads that try rows.
const LANES: usize = 3;

#[test]
fn names_of_the_table() {
    let Some(table) = table::load("paths.json") else {
        return crate::others::skip("names_of_the_table", "PEERLINK_CORPORA is not set");
    };
    let mut payloads = Vec::new();
    for section in table.keys() {
        let rows = table.at(section);
        match section {
            "source" | "note" => {}
            "sanitize" => {
                for row in rows.list() {
                    let parts: Vec<Vec<u8>> = row.at("elements").list().iter().map(table::bytes).collect();
                    // The same as a torrent's name, and as a file's name.
                    payloads.extend(parts.iter().map(|part| Payload::single(part, 1001, PIECE_LEN)));
                    payloads.push(folder("t", vec![(parts, 1000, false)]));
                }
            }
            "verify_encoding" => {
                for row in rows.list() {
                    let name = table::bytes(row.at("input"));
                    payloads.push(Payload::single(&name, 1002, PIECE_LEN));
                    payloads.push(folder("t", vec![(vec![name], 1003, false)]));
                }
            }
            "resolve_duplicates" => payloads.extend(rows.list().iter().map(duplicates)),
            "names" => {
                for row in rows.list() {
                    let mut payload = Payload::single(row.text_at("name"), 1004, PIECE_LEN);
                    payload.name_utf8 = row.get("name.utf-8").and_then(Row::text).map(|text| text.into());
                    payloads.push(payload);
                }
            }
            "transmission_paths" => payloads.extend(rows.list().iter().filter_map(of_torrent)),
            "anacrolix_safe_path" => {
                for row in rows.at("cases").list() {
                    let parts = row.at("components").list().iter().filter_map(Row::text).map(|text| text.into());
                    payloads.push(folder("t", vec![(parts.collect(), 1005, false)]));
                }
            }
            "transmission_portable_subpath" => {
                for row in rows.at("cases").list() {
                    let name = row.text_at("path");
                    payloads.push(Payload::single(name, 1006, PIECE_LEN));
                    payloads.push(folder("t", vec![(vec![name.into()], 1007, false)]));
                }
            }
            other => panic!("unknown section {other}"),
        }
    }
    let seed = Seed::new(&payloads);
    std::thread::scope(|scope| {
        for lane in 0..LANES {
            let (seed, payloads) = (&seed, &payloads);
            scope.spawn(move || payloads.iter().skip(lane).step_by(LANES).for_each(|payload| try_one(payload, seed)));
        }
    });
    println!("names: {} torrents downloaded", payloads.len());
}

/// Parts, length, whether it is a pad file.
type Described = (Vec<Vec<u8>>, u64, bool);

fn folder(name: &str, files: Vec<Described>) -> Payload {
    let entries = files.into_iter().map(|(path, len, pad)| Entry { path, len, pad });
    Payload::folder(name, entries.collect(), PIECE_LEN)
}

fn duplicates(files: &Value) -> Payload {
    let described = files.list().iter().map(|file| {
        let parts = file.text_at("path").split('/').skip(1).map(|part| part.as_bytes().to_vec()).collect();
        (parts, file.at("size").int().expect("a size") as u64, file.at("pad").is_true() == Some(true))
    });
    folder("test", described.collect())
}

/// The names and lengths of a torrent that is given whole, with data that fits its hashes.
fn of_torrent(row: &Value) -> Option<Payload> {
    let bytes = table::bytes(row.at("torrent"));
    let info = bencode::parse(&bytes).ok()?.get("info")?;
    let described = info.get("files")?.items().map(|file| {
        let path = file.get("path").into_iter().flat_map(|path| path.items());
        let len = file.get("length").and_then(|len| len.as_int()).unwrap_or(0) as u64;
        (path.filter_map(|part| part.as_bytes()).map(|part| part.to_vec()).collect(), len, false)
    });
    Some(folder(info.get("name")?.as_text()?, described.collect()))
}

/// Downloads it, looks at the folder, and passes it on from there.
fn try_one(payload: &Payload, seed: &Seed) {
    let folder = program::folder();
    // The download folder lies in others, so that a way out would be seen.
    let outside = folder.path().join("outside");
    let dir = outside.join("more/down");
    std::fs::create_dir_all(&dir).expect("the test's own folder");
    std::fs::write(outside.join("canary"), "sings").expect("the test's own folder");
    let torrents = [payload.write_torrent(folder.path(), "names", None)];
    let state = folder.path().join("state");
    let get = Child::start("peerlink get", program::get(&torrents, &dir, &state, &[seed.address]));
    if !payload.name.iter().any(|byte| byte.is_ascii_alphanumeric()) {
        // Nothing is left of such a name: it may be refused, with nothing written.
        let (status, lines) = get.finish();
        if status.code() == Some(3) {
            assert!(lines.iter().any(|line| line.contains("no usable name")), "{lines:?}");
            return assert_eq!(tree(&outside).len(), 1, "{payload:?}");
        }
        assert!(status.success(), "{status}: {lines:?}");
    } else {
        get.succeed();
    }

    for path in tree(&outside).keys() {
        assert!(path.starts_with("more/down") || path == Path::new("canary"), "{path:?} escaped: {payload:?}");
    }
    assert_eq!(std::fs::read(outside.join("canary")).expect("it was there"), b"sings");
    let found = tree(&dir);
    found.keys().for_each(|path| check_name(path));
    let lower: BTreeSet<String> = found.keys().map(|path| path.to_string_lossy().to_lowercase()).collect();
    assert_eq!(lower.len(), found.len(), "{found:?}");
    let mut have: Vec<Vec<u8>> =
        found.keys().map(|path| std::fs::read(dir.join(path)).expect("it was listed")).collect();
    let mut want = payload.contents();
    have.sort();
    want.sort();
    assert!(have == want, "{found:?} is not what {payload:?} holds");

    let (sharing, address) = program::start_seed(&torrents, &dir, &state);
    let (again, second_state) = (folder.path().join("again"), folder.path().join("second state"));
    Child::start("peerlink get", program::get(&torrents, &again, &second_state, &[address])).succeed();
    assert_eq!(tree(&again), found);
    for path in found.keys() {
        assert!(std::fs::read(dir.join(path)).ok() == std::fs::read(again.join(path)).ok(), "{path:?} differs");
    }
    sharing.terminate();
    sharing.succeed();
}

/// Rules 2 to 4.
fn check_name(path: &Path) {
    for part in path.components() {
        let Component::Normal(name) = part else { panic!("{path:?} has {part:?}") };
        let name = name.to_str().unwrap_or_else(|| panic!("{path:?} is no UTF-8"));
        assert!(!name.is_empty() && name.len() <= 255, "{path:?}");
        let is_bidi = |c: char| matches!(c, '\u{61c}' | '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        assert!(!name.contains(|c: char| c.is_control() || is_bidi(c)), "{path:?}");
    }
}
