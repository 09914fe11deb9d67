//! Names: cleaned ones are safe, clean ones stay, and no two files get one place. Lines are paths; one that begins
//! with `p` is a pad file's.
#![no_main]

use std::collections::BTreeSet;

use libfuzzer_sys::fuzz_target;
use peerlink::metainfo::path::{Places, clean_name, clean_part, to_text};

fuzz_target!(|bytes: &[u8]| {
    to_text(bytes);
    clean_name(bytes);
    let mut paths: Vec<(Vec<String>, bool)> = Vec::new();
    for line in bytes.split(|&byte| byte == b'\n') {
        let parts = line.split(|&byte| byte == b'/').map(|part| {
            let part = clean_part(part).into_owned();
            assert!(!matches!(part.as_str(), "" | "." | "..") && part.len() <= 255);
            assert!(!part.contains(|c: char| c.is_control() || c == '/' || c == '\\'));
            if part.len() < 240 {
                assert_eq!(clean_part(part.as_bytes()), part.as_str(), "a clean name stays");
            }
            part
        });
        paths.push((parts.collect(), line.first() == Some(&b'p')));
    }
    let mut places = Places::default();
    paths.iter().for_each(|(path, _)| places.reserve_folders(path));
    let mut files = BTreeSet::new();
    let mut folders = BTreeSet::new();
    for (path, is_pad) in &mut paths {
        if places.place(path, is_pad.then_some(1)).is_err() {
            return;
        }
        assert!(path.iter().all(|part| part.len() <= 255));
        let folded: Vec<String> = path.iter().map(|part| part.to_lowercase()).collect();
        folders.extend((1..folded.len()).map(|len| folded[..len].to_vec()));
        assert!(*is_pad || files.insert(folded), "two files at one place");
    }
    assert!(files.is_disjoint(&folders), "a file is a folder");
});
