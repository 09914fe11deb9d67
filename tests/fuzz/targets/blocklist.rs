//! Blocklists, plain and gzipped, in pieces of any one length: read within bounds, the same at every split point.
#![no_main]

use libfuzzer_sys::fuzz_target;
use peerlink::base::blocked::Blocked;
use peerlink::wire::blocklist::{Reader, Unusable};

fn read(bytes: &[u8], step: usize) -> Result<(Blocked, u32), Unusable> {
    let mut reader = Reader::default();
    for piece in bytes.chunks(step.max(1)) {
        reader.feed(piece)?;
    }
    reader.finish()
}

fuzz_target!(|bytes: &[u8]| {
    let Some((&step, bytes)) = bytes.split_first() else { return };
    let whole = read(bytes, bytes.len());
    assert_eq!(whole.is_ok(), read(bytes, step.into()).is_ok());
    if let (Ok(whole), Ok(pieces)) = (whole, read(bytes, step.into())) {
        assert_eq!(whole, pieces);
        let _ = whole.0.holds("192.0.2.1".parse().expect("an address"));
    }
});
