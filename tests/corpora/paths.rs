//! `paths.json`, the part that needs no disk: names as they are cleaned, and places as they are given.

use std::collections::BTreeSet;

use peerlink::metainfo::parse::{Refused, parse};
use peerlink::metainfo::path::{clean_name, clean_part, to_text};
use peerlink::metainfo::{File, Metainfo};
use peerlink::wire::bencode::Writer;

use crate::table::{self, Row, Value};

#[test]
fn path_tables() {
    let Some(table) = table::load("paths.json") else { return };
    let mut count = 0;
    for section in table.keys() {
        let rows = table.at(section);
        count += match section {
            "source" | "note" => 0,
            "sanitize" => each(rows, sanitize),
            "verify_encoding" => each(rows, verify_encoding),
            "resolve_duplicates" => each(rows, resolve_duplicates),
            "names" => each(rows, names),
            "transmission_paths" => each(rows, transmission_paths),
            "anacrolix_safe_path" => {
                rows.only_keys(&["source", "rule", "cases"]);
                each(rows.at("cases"), safe_path)
            }
            "transmission_portable_subpath" => {
                rows.only_keys(&["source", "cases"]);
                each(rows.at("cases"), portable)
            }
            other => panic!("unknown section {other}"),
        };
    }
    println!("paths: {count} rows judged");
}

fn each(rows: &Value, judge: fn(&Value)) -> usize {
    rows.list().iter().for_each(judge);
    rows.list().len()
}

fn sanitize(row: &Value) {
    row.only_keys(&["test", "elements", "force", "expect"]);
    let elements: Vec<Vec<u8>> = row.at("elements").list().iter().map(table::bytes).collect();
    // Not forced, an element of which nothing is left goes away; forced, it is `_`.
    let cleaned: Vec<String> = match row.at("force").is_true() {
        Some(true) => elements.iter().map(|element| clean_part(element).into_owned()).collect(),
        _ => elements.iter().filter_map(|element| clean_name(element)).collect(),
    };
    assert_eq!(cleaned.join("/"), row.text_at("expect"), "{elements:?}");
    check_rules(&torrent("t", &[(elements, 1, false)]).expect("names alone refuse nothing"));
}

fn verify_encoding(row: &Value) {
    row.only_keys(&["input", "valid_utf8", "fixed"]);
    let input = table::bytes(row.at("input"));
    assert_eq!(Some(std::str::from_utf8(&input).is_ok()), row.at("valid_utf8").is_true());
    assert_eq!(to_text(&input), row.text_at("fixed"));
}

fn resolve_duplicates(files: &Value) {
    let files = files.list();
    let described: Vec<Described> = (files.iter())
        .map(|file| {
            file.only_keys(&["path", "size", "pad", "expect"]);
            let parts = file.text_at("path").split('/').skip(1).map(|part| part.as_bytes().to_vec()).collect();
            (parts, file.at("size").int().expect("a size"), file.at("pad").is_true() == Some(true))
        })
        .collect();
    let metainfo = torrent("test", &described).expect("collisions are resolved");
    let wanted: Vec<&str> = files.iter().map(|file| file.text_at("expect")).collect();
    let given: Vec<String> = metainfo.files.iter().map(|file| file.path.join("/")).collect();
    assert_eq!(given, wanted);
    check_rules(&metainfo);
}

fn names(row: &Value) {
    row.only_keys(&["name", "name.utf-8", "expect_name"]);
    let bytes = torrent_bytes(|info| {
        info.int("length", 1);
        for key in ["name", "name.utf-8"] {
            if let Some(name) = row.get(key).and_then(Row::text) {
                info.bytes(key, name);
            }
        }
        info.int("piece length", 16_384);
        info.bytes("pieces", [0; 20]);
    });
    let metainfo = parse(&bytes).expect("a fine torrent");
    assert_eq!(metainfo.name, row.text_at("expect_name"));
    check_rules(&metainfo);
}

fn transmission_paths(row: &Value) {
    row.only_keys(&["torrent", "path_components", "parses", "note"]);
    match (parse(&table::bytes(row.at("torrent"))), row.at("parses").is_true()) {
        (Ok(metainfo), Some(true)) => check_rules(&metainfo),
        (Err(_), Some(false)) => {}
        (read, wanted) => panic!("{read:?}, wanted {wanted:?}"),
    }
}

fn safe_path(row: &Value) {
    row.only_keys(&["components", "must_reject"]);
    let parts = row.at("components").list().iter().map(|part| part.text().expect("text").into()).collect();
    if let Ok(metainfo) = torrent("t", &[(parts, 1, false)]) {
        check_rules(&metainfo);
    }
}

fn portable(row: &Value) {
    row.only_keys(&["path", "linux_ok", "windows_ok"]);
    let path = row.text_at("path");
    assert_eq!(Some(clean_part(path.as_bytes()) == path), row.at("linux_ok").is_true(), "{path}");
}

/// Parts of a path, length, whether it is a pad file.
type Described = (Vec<Vec<u8>>, i64, bool);

fn torrent(name: &str, files: &[Described]) -> Result<Metainfo, Refused> {
    let total: i64 = files.iter().map(|(_, len, _)| len).sum();
    parse(&torrent_bytes(|info| {
        info.list("files", |list| {
            for (parts, len, is_pad) in files {
                list.dict(|file| {
                    if *is_pad {
                        file.bytes("attr", "p");
                    }
                    file.int("length", *len);
                    file.list("path", |path| parts.iter().for_each(|part| path.bytes(part)));
                });
            }
        });
        info.bytes("name", name);
        info.int("piece length", 16_384);
        info.bytes("pieces", vec![0; 20 * (total as usize).div_ceil(16_384)]);
    }))
}

fn torrent_bytes(info: impl FnOnce(&mut peerlink::wire::bencode::DictWriter<'_>)) -> Vec<u8> {
    Writer::dict_bytes(|root| root.dict("info", info))
}

/// The five rules that hold for every client.
fn check_rules(metainfo: &Metainfo) {
    let mut places = BTreeSet::new();
    let mut folders = BTreeSet::new();
    for File { path, pad, .. } in metainfo.files.iter() {
        assert!(!path.is_empty());
        for part in path {
            assert!(!matches!(part.as_str(), "" | "." | ".."), "{path:?}");
            assert!(!part.contains(['/', '\\']) && part.len() <= 255, "{path:?}");
            let is_odd = |c: char| {
                let turns = matches!(c, '\u{61c}' | '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
                    | '\u{2066}'..='\u{2069}');
                c.is_control() || turns
            };
            assert!(!part.contains(is_odd), "{path:?}");
        }
        if !pad {
            let lower: Vec<String> = path.iter().map(|part| part.to_lowercase()).collect();
            folders.extend((1..lower.len()).map(|len| lower[..len].to_vec()));
            assert!(places.insert(lower), "{path:?} twice");
        }
    }
    assert!(places.is_disjoint(&folders));
}
