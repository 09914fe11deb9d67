//! Local discovery: what is read can be written, in one datagram, and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use peerlink::wire::lsd::{Announcement, HASHES_MAX};

fuzz_target!(|bytes: &[u8]| {
    let Some(read) = Announcement::from_bytes(bytes) else { return };
    assert!(read.port != 0 && (1..=HASHES_MAX).contains(&read.info_hashes.len()));
    let plain = Announcement { cookie: None, ..read };
    assert_eq!(Announcement::from_bytes(&plain.to_bytes(true)), Some(plain));
});
