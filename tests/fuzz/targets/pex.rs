//! Peer exchange: bounded, nobody unreachable in it, and what is read can be written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use peerlink::base::address::{Reach, may_dial};
use peerlink::wire::pex::{ADDRESSES_MAX, Pex};

fuzz_target!(|bytes: &[u8]| {
    let Some(pex) = Pex::from_bytes(bytes) else { return };
    assert!(pex.added.len() <= ADDRESSES_MAX && pex.dropped.len() <= ADDRESSES_MAX);
    assert!(pex.added.iter().all(|(address, _)| may_dial(*address, Reach::Loopback)));
    let again = Pex::from_bytes(&pex.to_bytes()).expect("a dictionary");
    // Families are written apart.
    assert_eq!((again.added.len(), again.dropped.len()), (pex.added.len(), pex.dropped.len()));
    assert!(pex.added.iter().all(|added| again.added.contains(added)));
});
