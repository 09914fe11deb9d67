//! Magnet links: every bound holds, and what is read can be shown.
#![no_main]

use libfuzzer_sys::fuzz_target;
use peerlink::base::limits;
use peerlink::metainfo::magnet::Magnet;
use peerlink::metainfo::show_magnet;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    for text in [text.to_string(), format!("magnet:?xt=urn:btih:{}&{text}", "a".repeat(40))] {
        let Ok(magnet) = Magnet::parse(&text) else { continue };
        assert!(magnet.trackers.len() <= limits::TRACKERS && magnet.peers.len() <= 200);
        assert!(magnet.select.windows(2).all(|pair| pair[0].1 + 1 < pair[1].0));
        assert!(magnet.wanted(7).len() <= 7);
        assert!(show_magnet::text(&magnet).chars().all(|c| c == '\n' || !c.is_control()));
    }
});
