//! A peer connection's bytes: wherever reads end, the same messages come out; what is kept is bounded; and what is read
//! can be written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use peerlink::base::limits;
use peerlink::wire::decoder::{Decoder, Event};
use peerlink::wire::handshake::{self, Handshake};
use peerlink::wire::peer::Message;

/// Pieces of the torrent: its bitfield is shorter than the longest message.
const PIECES: u32 = 1000;

/// What was read, with the payload of blocks in one, and how it ended.
#[derive(Default, PartialEq, Eq, Debug)]
struct Read {
    messages: Vec<Vec<u8>>,
    error: Option<String>,
}

fn read(bytes: &[u8], step: usize) -> Read {
    let (mut decoder, mut read) = (Decoder::new(PIECES), Read::default());
    for mut part in bytes.chunks(step) {
        loop {
            match decoder.next(&mut part) {
                Ok(None) => break,
                Ok(Some(Event::Message(message))) => {
                    read.messages.push(message.to_bytes());
                    if !matches!(message, Message::Unknown(_)) {
                        check_again(message);
                    }
                }
                Ok(Some(Event::Head(block))) => read.messages.push(format!("{block:?}").into_bytes()),
                Ok(Some(Event::Payload { bytes, .. })) => {
                    read.messages.last_mut().expect("a head came before").extend_from_slice(bytes);
                }
                Err(error) => {
                    read.error = Some(error.to_string());
                    return read;
                }
            }
        }
        assert!(part.is_empty(), "all of a read is used");
        assert!(decoder.held() <= limits::MESSAGE_LEN as usize);
    }
    read
}

/// It is the same after it was written and read.
fn check_again(message: Message<'_>) {
    let (mut decoder, written) = (Decoder::new(PIECES), message.to_bytes());
    let mut rest = &written[..];
    assert_eq!(decoder.next(&mut rest), Ok(Some(Event::Message(message))));
    assert!(rest.is_empty());
}

fuzz_target!(|bytes: &[u8]| {
    let hello = bytes.first_chunk::<{ handshake::LEN }>();
    if let Some((bytes, theirs)) = hello.and_then(|bytes| Some((bytes, Handshake::from_bytes(bytes)?))) {
        assert_eq!(theirs.to_bytes(), *bytes);
    }
    let Some((step, bytes)) = bytes.split_first() else { return };
    let whole = read(bytes, bytes.len().max(1));
    assert_eq!(whole, read(bytes, usize::from(*step).max(1)), "reads end anywhere");
});
