//! The handshake of extensions (BEP 10): bounds hold whatever comes, and what matters of it can be written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use peerlink::wire::extension::{Ours, Theirs};

fuzz_target!(|bytes: &[u8]| {
    let Some(theirs) = Theirs::from_bytes(bytes) else { return };
    // 64 bytes, each of which may have been no text.
    assert!(theirs.client.as_ref().is_none_or(|client| client.chars().count() <= 64));
    assert!(theirs.port != Some(0) && theirs.reqq != Some(0) && theirs.metadata_len != Some(0));
    let ours = Ours {
        client: theirs.client.as_deref().unwrap_or_default(),
        port: theirs.port.unwrap_or(1),
        metadata_len: theirs.metadata_len.map(|len| len as usize),
        has_pex: theirs.ut_pex != 0,
        reqq: theirs.reqq.unwrap_or(1) as usize,
        upload_only: theirs.upload_only,
        prefers_encryption: bytes.len().is_multiple_of(2),
    };
    let again = Theirs::from_bytes(&ours.to_bytes()).expect("what we write");
    assert_eq!((again.port, again.reqq), (Some(ours.port), theirs.reqq.or(Some(1))));
    assert_eq!((again.metadata_len, again.upload_only), (theirs.metadata_len, ours.upload_only));
    assert_eq!(again.ut_pex != 0, ours.has_pex);
});
