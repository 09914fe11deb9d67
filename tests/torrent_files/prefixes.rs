//! A .torrent cut off anywhere is refused; one with any byte changed is read or refused, never more.

use peerlink::metainfo::parse::{parse, parse_info};
use peerlink::metainfo::show;
use peerlink::wire::bencode::Writer;

/// A hybrid torrent with everything in it that is read.
fn torrent() -> Vec<u8> {
    let root = [7_u8; 32];
    Writer::dict_bytes(|d| {
        d.bytes("announce", "http://a.example/announce");
        d.list("announce-list", |tiers| tiers.list(|tier| tier.bytes("udp://b.example:80")));
        d.bytes("comment", "caf\u{e9}");
        d.bytes("created by", "somebody");
        d.int("creation date", 1_400_000_000);
        d.dict("info", |info| {
            info.dict("file tree", |tree| {
                for (name, len) in [("a.txt", 5), ("b", 20_000)] {
                    tree.dict(name, |file| {
                        file.dict("", |file| {
                            file.int("length", len);
                            file.bytes("pieces root", root);
                        });
                    });
                }
            });
            info.list("files", |files| {
                for (attr, len, path) in [("x", 5, "a.txt"), ("p", 16_379, "pad"), ("", 20_000, "b")] {
                    files.dict(|file| {
                        file.bytes("attr", attr);
                        file.int("length", len);
                        file.list("path", |parts| parts.bytes(path));
                    });
                }
            });
            info.int("meta version", 2);
            info.bytes("name", "name");
            info.int("piece length", 16_384);
            info.bytes("pieces", [9; 60]);
            info.int("private", 1);
        });
        d.list("nodes", |nodes| {
            nodes.list(|node| {
                node.bytes("127.0.0.1");
                node.int(6881);
            });
        });
        d.list("url-list", |urls| urls.bytes("http://c.example/x y/"));
    })
}

#[test]
fn every_prefix_is_refused() {
    let bytes = torrent();
    let whole = parse(&bytes).expect("the whole is fine");
    assert_eq!(whole.files.len(), 3);
    assert!(whole.info_hash_v2.is_some() && whole.files[1].pad && whole.files[0].executable);
    for len in 0..bytes.len() {
        assert!(parse(&bytes[..len]).is_err(), "{len}");
    }
    for len in 0..whole.info.len() {
        assert!(parse_info(&whole.info[..len]).is_err(), "{len}");
    }
    let from_info = parse_info(&whole.info).expect("the info dictionary alone");
    assert_eq!((from_info.info_hash, from_info.files), (whole.info_hash, whole.files));
}

#[test]
fn any_changed_byte_is_survived() {
    let bytes = torrent();
    let (mut read_count, mut refused_count) = (0, 0);
    for at in 0..bytes.len() {
        for byte in *b"0123456789:deilp/.-\x00\x7f\x80\xff" {
            let mut changed = bytes.clone();
            changed[at] = byte;
            match parse(&changed) {
                Ok(metainfo) => {
                    assert_eq!(metainfo.hashes.len(), metainfo.geometry.piece_count() as usize * 20);
                    assert!(show::json(&metainfo).starts_with('{') && !show::text(&metainfo).is_empty());
                    read_count += 1;
                }
                Err(refused) => {
                    assert!(!refused.to_string().contains('\n'));
                    refused_count += 1;
                }
            }
        }
    }
    println!("changed bytes: {read_count} torrents read, {refused_count} refused");
    assert!(read_count > 1_000 && refused_count > 1_000);
}
