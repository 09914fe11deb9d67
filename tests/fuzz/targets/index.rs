//! What a server's index reads from strangers and from its disk: forms, credentials, files of the shelf.
#![no_main]

use libfuzzer_sys::fuzz_target;
use peerlink::index::{HEAD_LEN, Index};
use peerlink::wire::authorization::Authorization;
use peerlink::wire::multipart;

fuzz_target!(|bytes: &[u8]| {
    if let Some(parts) = multipart::parts(bytes, "x") {
        assert!(parts.iter().map(|part| part.content.len()).sum::<usize>() <= bytes.len());
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        multipart::boundary(text);
        if let Some(who) = Authorization::parse(text) {
            assert_eq!(Authorization::parse(&who.value()), Some(who));
        }
    }
    let mut index = Index::default();
    index.restore("", bytes.len() as u64, &bytes[..bytes.len().min(HEAD_LEN)]);
    index.check();
});
