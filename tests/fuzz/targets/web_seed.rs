//! A web seed's answers, in pieces of any one length: blocks come whole, in order, and no byte more than was asked for;
//! nothing is sent that is no request; where it leads is a URL or nowhere.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use peerlink::metainfo::{Metainfo, parse};
use peerlink::swarm::web::place::{Names, Place};
use peerlink::swarm::web::{Event, Refusal, Web};
use peerlink::wire::bencode::Writer;
use peerlink::wire::url::Url;

/// Three files and a pad file in pieces of 32 KiB; none of them begins where a piece does but the first.
static TORRENT: LazyLock<Metainfo> = LazyLock::new(|| {
    let info = Writer::dict_bytes(|info| {
        info.list("files", |files| {
            for (len, name, attr) in [(100, "a", ""), (28, "pad", "p"), (50_000, "b c", ""), (20_000, "d", "")] {
                files.dict(|file| {
                    file.bytes("attr", attr);
                    file.int("length", len);
                    file.list("path", |path| path.bytes(name));
                });
            }
        });
        info.bytes("name", "t");
        info.int("piece length", 32_768);
        info.bytes("pieces", [0; 60]);
    });
    parse::parse_info(&info).expect("a torrent")
});

fuzz_target!(|input: &[u8]| {
    let [ways, step, said @ ..] = input else { return };
    let names = Names::of(&TORRENT);
    let place = Place::parse("http://h.example/x", &names).expect("a place");
    let geometry = TORRENT.geometry;
    let mut web = Web::new(0, place.clone(), names.clone(), geometry, ways & 1 == 1, None);
    let mut wanted = Vec::new();
    for piece in geometry.pieces().filter(|piece| ways & (2 << piece.index()) != 0) {
        for block in (0..geometry.block_count(piece)).filter_map(|number| geometry.block_number(piece, number)) {
            web.want(block);
            wanted.push(block);
        }
    }
    wanted.reverse();
    let mut left = 0;
    check_requests(&web.requests());
    for mut bytes in said.chunks(usize::from(*step) + 1) {
        loop {
            let (len, last) = match web.next(&mut bytes) {
                Ok(None) => break,
                Ok(Some(Event::Begins(block))) => {
                    assert_eq!((wanted.pop(), left), (Some(block), 0), "blocks in order");
                    left = block.len();
                    continue;
                }
                Ok(Some(Event::Payload { bytes, last })) => (bytes.len(), last),
                Ok(Some(Event::Zeros { bytes, last })) => (bytes.len(), last),
                Ok(Some(Event::Carried { .. })) => panic!("nothing was carried"),
                Err(Refusal::Moved { file, to }) => {
                    if let Some(place) = place.moved(&names, file, &to) {
                        let url = place.url_of(&names, 0);
                        let text = format!("{}{}", url.origin(), url.target());
                        assert!(Url::parse(&text).is_ok(), "{text}");
                    }
                    return;
                }
                Err(_) => return,
            };
            assert!(len > 0 && len as u32 <= left);
            left -= len as u32;
            assert_eq!(last, left == 0);
            assert_eq!(web.payload_left(), left);
        }
        assert!(bytes.is_empty(), "bytes were left");
        check_requests(&web.requests());
    }
});

/// Whole requests, each for some bytes of a file.
fn check_requests(bytes: &[u8]) {
    let text = std::str::from_utf8(bytes).expect("text");
    for request in text.split_terminator("\r\n\r\n") {
        assert!(request.starts_with("GET /x/t/") && request.contains("\r\nRange: bytes="), "{request}");
    }
}
