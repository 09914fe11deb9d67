//! `fuzz_seeds.json`: inputs that crashed others. Every reader here must return, quickly.

use std::time::{Duration, Instant};

use peerlink::metainfo::parse::{parse, parse_info};
use peerlink::wire::bencode::parse_prefix;

use crate::table::{self, Row};

#[test]
fn what_crashed_others_is_read_or_refused_at_once() {
    let Some(table) = table::load("fuzz_seeds.json") else { return };
    table.only_keys(&["count", "rule", "seeds"]);
    let mut count = 0;
    for seed in table.at("seeds").list() {
        seed.only_keys(&["fuzzer", "pkg", "id", "values", "expect"]);
        for value in seed.at("values").list() {
            let bytes = table::bytes(value);
            let start = Instant::now();
            let is_bencode = parse_prefix(&bytes).is_ok_and(|(_, len)| len == bytes.len());
            let is_torrent = parse(&bytes).is_ok() || parse_info(&bytes).is_ok();
            assert!(
                start.elapsed() < Duration::from_millis(100),
                "{} {}",
                seed.text_at("fuzzer"),
                seed.text_at("id")
            );
            assert!(!is_torrent && (!is_bencode || seed.text_at("pkg").ends_with("/bencode")));
        }
        count += 1;
    }
    assert_eq!(table.at("count").int(), Some(count));
    println!("fuzz seeds: {count} rows judged");
}
