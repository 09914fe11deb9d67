//! Metadata exchange and the extension handshake: every answer is bounded, and what is asked is answered.
#![no_main]

use libfuzzer_sys::fuzz_target;
use peerlink::wire::extension::Theirs;
use peerlink::wire::ut_metadata::{Message, PIECE_LEN, answer};

fuzz_target!(|bytes: &[u8]| {
    let info = [7; PIECE_LEN + 5];
    for known in [Some(&info[..]), None] {
        let answered = answer(bytes, known);
        if let Some(Message::Request(piece)) = Message::from_bytes(bytes) {
            let answered = answered.as_deref().and_then(Message::from_bytes);
            match answered {
                Some(Message::Data { piece: given, block, .. }) => {
                    assert!(given == piece && piece < 2 && block.len() <= PIECE_LEN);
                }
                Some(Message::Reject(refused)) => assert_eq!(refused, piece),
                other => panic!("{other:?}"),
            }
        } else if let Some(answered) = answered {
            assert!(answered.len() <= PIECE_LEN + 100);
        }
    }
    if let Some(theirs) = Theirs::from_bytes(bytes) {
        assert!(theirs.metadata_len != Some(0) && theirs.port != Some(0));
    }
});
