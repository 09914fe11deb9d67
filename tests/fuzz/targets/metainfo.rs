//! .torrent files: what is read keeps every promise of `Metainfo`.
#![no_main]

use std::collections::BTreeSet;

use libfuzzer_sys::fuzz_target;
use peerlink::metainfo::parse::{parse, parse_info};
use peerlink::metainfo::show;

fuzz_target!(|bytes: &[u8]| {
    let Ok(metainfo) = parse(bytes).or_else(|_| parse_info(bytes)) else { return };
    assert_eq!(metainfo.hashes.len(), metainfo.geometry.piece_count() as usize * 20);
    metainfo.geometry.pieces().for_each(|piece| assert_eq!(metainfo.hash_of(piece).len(), 20));
    let mut offset = 0;
    let mut files = BTreeSet::new();
    let mut folders = BTreeSet::new();
    for file in metainfo.files.iter() {
        assert_eq!(file.offset, offset);
        offset += file.len;
        assert!(!file.path.is_empty());
        for part in &file.path {
            assert!(!matches!(part.as_str(), "" | "." | "..") && part.len() <= 255);
            assert!(!part.contains(|c: char| c.is_control() || c == '/'));
        }
        if !file.pad {
            let folded: Vec<String> = file.path.iter().map(|part| part.to_lowercase()).collect();
            folders.extend((1..folded.len()).map(|len| folded[..len].to_vec()));
            assert!(files.insert(folded), "two files at one place");
        }
    }
    assert!(files.is_disjoint(&folders), "a file is a folder");
    assert_eq!(offset, metainfo.geometry.total_len());
    assert_eq!(parse_info(&metainfo.info).map(|info| info.info_hash), Ok(metainfo.info_hash));
    let text = show::text(&metainfo);
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()));
    assert!(show::json(&metainfo).starts_with('{'));
});
