//! `magnet.json`: links that other projects read, or refuse.

use peerlink::metainfo::magnet::Magnet;
use peerlink::metainfo::show_magnet;

use crate::table::{self, Row, Value};

#[test]
fn links_mean_what_others_read_in_them() {
    let Some(table) = table::load("magnet.json") else { return };
    table.only_keys(&["note", "parse", "make"]);
    let rows = table.at("parse").list();
    rows.iter().for_each(judge);
    println!("magnet links: {} rows judged", rows.len());
}

/// Links that others write, with what they were made of.
#[test]
fn links_of_others_hold_what_they_were_made_of() {
    let Some(table) = table::load("magnet.json") else { return };
    for row in table.at("make").list() {
        row.only_keys(&["source", "params", "uri"]);
        let params = row.at("params");
        params.only_keys(&["v1", "v2", "file_priorities", "peers"]);
        let read = Magnet::parse(row.text_at("uri")).expect("a link");
        assert_eq!(read.info_hash.map(|hash| hash.to_string()).as_deref(), params.get("v1").and_then(Row::text));
        assert_eq!(read.info_hash_v2.map(hex).as_deref(), params.get("v2").and_then(Row::text));
        assert_eq!(peers(&read), params.get("peers").map(texts).unwrap_or_default());
        if let Some(priorities) = params.get("file_priorities") {
            let priorities: Vec<bool> = priorities.list().iter().map(|p| p.int() != Some(0)).collect();
            let wanted = read.wanted(priorities.len());
            let is_all = wanted.is_empty() && !priorities.contains(&false);
            assert!(is_all || wanted == priorities, "{}", row.text_at("uri"));
        }
    }
}

fn judge(row: &Value) {
    row.only_keys(&["source", "title", "uri", "uri_b64", "expect", "oracle_libtorrent_2.1.1.0"]);
    let expect = row.at("expect");
    expect.only_keys(&[
        "result",
        "error",
        "note",
        "trackers_note",
        "lenient",
        "v1",
        "v2",
        "name",
        "trackers",
        "trackers_set",
        "tiers",
        "scrapes",
        "web_seeds",
        "peers",
        "peers_dedup",
        "dht_nodes",
        "selected",
    ]);
    let text = match row.get("uri_b64").and_then(Row::text) {
        Some(base64) => String::from_utf8_lossy(&table::unbase64(base64)).into_owned(),
        None => row.text_at("uri").to_string(),
    };
    let title = row.text_at("title");
    let read = Magnet::from_hash(&text).map_or_else(|| Magnet::parse(&text), Ok);
    match expect.text_at("result") {
        "no_crash" => drop(read),
        "error" => assert!(read.is_err(), "{title}: {read:?}"),
        _ => judge_read(title, expect, &read.unwrap_or_else(|e| panic!("{title}: {e}"))),
    }
}

fn judge_read(title: &str, expect: &Value, read: &Magnet) {
    show_magnet::text(read);
    let shown: Value = miniserde::json::from_str(&show_magnet::json(read)).expect("JSON");
    let same = |key: &str, found: &str| {
        if let Some(wanted) = expect.get(key).and_then(Row::text) {
            assert_eq!(shown.text_at(found), wanted, "{title}: {key}");
        }
    };
    same("v1", "info_hash");
    same("v2", "info_hash_v2");
    same("name", "name");
    let lists = [("trackers", read.trackers.clone()), ("trackers_set", read.trackers.clone())];
    let more = [("web_seeds", read.web_seeds.clone()), ("peers", peers(read)), ("peers_dedup", peers(read))];
    for (key, found) in lists.into_iter().chain(more) {
        let is_strict = expect.get("lenient").is_none() || key != "trackers";
        if let Some(wanted) = expect.get(key).filter(|_| is_strict) {
            assert_eq!(found, texts(wanted), "{title}: {key}");
        }
    }
    if let Some(nodes) = expect.get("dht_nodes") {
        assert_eq!(texts(shown.at("nodes")), texts(nodes), "{title}: dht");
    }
    if expect.keys().contains(&"selected") {
        let numbers = |value: &Value| value.list().iter().filter_map(Row::int).collect::<Vec<i64>>();
        assert_eq!(shown.get("select").map(numbers), expect.get("selected").map(numbers), "{title}: so");
    }
}

fn peers(read: &Magnet) -> Vec<String> {
    let shown: Value = miniserde::json::from_str(&show_magnet::json(read)).expect("JSON");
    texts(shown.at("peers"))
}

fn texts(value: &Value) -> Vec<String> {
    value.list().iter().filter_map(Row::text).map(str::to_string).collect()
}

fn hex(hash: [u8; 32]) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}
