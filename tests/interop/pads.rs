//! Pad files seen from a peer that does not know them: it asks for their zeros like for anything else.

use std::io::{Read, Write};
use std::net::TcpStream;

use sha1::{Digest, Sha1};

use crate::kit::PATIENCE;
use crate::kit::payload::Payload;
use crate::kit::peerlink;
use crate::payloads::Scene;

#[test]
fn pieces_of_zeros_are_there_to_be_asked_for() {
    const PIECE_LEN: u32 = 16 << 10;
    // Pieces 1 to 3 and the short last one are zeros.
    let files: &[(&str, u64)] = &[("a", 10_000), (".pad", 60_000), ("b", 30_000), (".pad", 20_000)];
    let scene = Scene::new(vec![Payload::files("padded", files, PIECE_LEN)], None);
    for entry in [60_000, 20_000] {
        std::fs::remove_file(scene.source().join(format!("padded/.pad/{entry}"))).expect("it was written");
    }
    let (seed, address) = peerlink::start_seed(&scene.torrents, &scene.source(), &scene.path("state"));

    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a fine time-out");
    let mut handshake = [&b"\x13BitTorrent protocol\0\0\0\0\0\0\0\0"[..]].concat();
    handshake.extend_from_slice(&Sha1::digest(scene.payloads[0].info()));
    handshake.extend_from_slice(b"-TS0001-knows-no-pad");
    stream.write_all(&handshake).expect("it reads");
    stream.read_exact(&mut handshake).expect("a handshake");
    let bitfield = message(&mut stream, 5);
    assert_eq!(bitfield, [0b1111_1111], "8 pieces, all of them");

    stream.write_all(&[0, 0, 0, 1, 2]).expect("it reads");
    message(&mut stream, 1);
    for (index, len) in [(2, PIECE_LEN), (7, 120_000 % PIECE_LEN), (0, PIECE_LEN)] {
        let mut request = [&13_u32.to_be_bytes()[..], &[6]].concat();
        [index, 0, len].iter().for_each(|number: &u32| request.extend_from_slice(&number.to_be_bytes()));
        stream.write_all(&request).expect("it reads");
        let block = message(&mut stream, 7);
        let mut expected = vec![0; len as usize];
        scene.payloads[0].fill(u64::from(index * PIECE_LEN), &mut expected);
        assert!(block[8..] == expected, "piece {index}");
    }
    seed.terminate();
    seed.succeed();
}

/// The next message of this kind; others are passed over.
fn message(stream: &mut TcpStream, kind: u8) -> Vec<u8> {
    loop {
        let mut len = [0; 4];
        stream.read_exact(&mut len).expect("a message");
        let mut message = vec![0; u32::from_be_bytes(len) as usize];
        stream.read_exact(&mut message).expect("a message");
        if message.first() == Some(&kind) {
            return message.split_off(1);
        }
    }
}
