//! Every fuzz target of `scripts/fuzz`, run by an ordinary test: on seeds, on what fuzzing found here (`target/fuzz`), on the
//! torrents of the corpora, and on the same damaged in a few thousand ways. It finds what has got worse; new ground is
//! for `scripts/fuzz`.

#![allow(unused_attributes, reason = "a target is a crate of its own for the fuzzer")]

use std::path::Path;

extern crate self as libfuzzer_sys;

#[path = "fuzz/targets/announce.rs"]
mod announce;
#[path = "fuzz/targets/bencode.rs"]
mod bencode;
#[path = "fuzz/targets/blocklist.rs"]
mod blocklist;
#[path = "fuzz/targets/calls.rs"]
mod calls;
#[path = "fuzz/targets/dht.rs"]
mod dht;
#[path = "fuzz/targets/extension.rs"]
mod extension;
#[path = "fuzz/targets/groups.rs"]
mod groups;
#[path = "fuzz/targets/http.rs"]
mod http;
#[path = "fuzz/targets/igd.rs"]
mod igd;
#[path = "fuzz/targets/index.rs"]
mod index;
#[path = "fuzz/targets/irc.rs"]
mod irc;
#[path = "fuzz/targets/json.rs"]
mod json;
#[path = "fuzz/targets/lsd.rs"]
mod lsd;
#[path = "fuzz/targets/magnet.rs"]
mod magnet;
#[path = "fuzz/targets/member.rs"]
mod member;
#[path = "fuzz/targets/metainfo.rs"]
mod metainfo;
#[path = "fuzz/targets/mse.rs"]
mod mse;
#[path = "fuzz/targets/paths.rs"]
mod paths;
#[path = "fuzz/targets/peer.rs"]
mod peer;
#[path = "fuzz/targets/pex.rs"]
mod pex;
#[path = "fuzz/targets/pmp.rs"]
mod pmp;
#[path = "fuzz/targets/resume.rs"]
mod resume;
#[path = "fuzz/targets/sealed.rs"]
mod sealed;
#[path = "fuzz/targets/tracker.rs"]
mod tracker;
#[path = "fuzz/targets/ut_metadata.rs"]
mod ut_metadata;
#[path = "fuzz/targets/web_seed.rs"]
mod web_seed;

/// Inputs made of the seeds of a target.
const VARIATIONS: usize = 600;
/// Inputs longer than this are for `scripts/fuzz`.
const LEN_MAX: u64 = 20_000;

/// The files of a folder, if it is there.
fn files(folder: &Path) -> Vec<Vec<u8>> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    let short =
        |path: &std::path::PathBuf| path.metadata().is_ok_and(|found| found.is_file() && found.len() <= LEN_MAX);
    paths.into_iter().filter(short).filter_map(|path| std::fs::read(path).ok()).collect()
}

/// One of the seeds with up to six faults: bytes put in, taken out, changed, a part of another seed, the end cut off.
fn damaged(rng: &mut fastrand::Rng, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = seeds[rng.usize(..seeds.len())].clone();
    for _ in 0..rng.usize(1..7) {
        let at = rng.usize(..=bytes.len());
        match rng.u8(..6) {
            0 => bytes.insert(at, rng.u8(..)),
            1 => bytes.insert(at, *rng.choice(b"0159:deil \r\n\0\xff#@").expect("some")),
            2 if at < bytes.len() => drop(bytes.remove(at)),
            3 if at < bytes.len() => bytes[at] = rng.u8(..),
            4 => bytes.truncate(at),
            _ => {
                let other = &seeds[rng.usize(..seeds.len())];
                let from = rng.usize(..=other.len());
                let to = rng.usize(from..=other.len());
                bytes.splice(at..at, other[from..to].iter().copied());
            }
        }
    }
    bytes
}

fn replay(name: &str, seeds: &[&[u8]], run: impl Fn(&[u8])) {
    let mut inputs: Vec<Vec<u8>> = seeds.iter().map(|seed| seed.to_vec()).collect();
    if let Some(corpora) = std::env::var_os("PEERLINK_CORPORA").filter(|_| ["bencode", "metainfo"].contains(&name)) {
        inputs.extend(files(&Path::new(&corpora).join("fixtures")));
    }
    run(&[]);
    inputs.iter().for_each(|input| run(input));
    let mut rng = fastrand::Rng::with_seed(8);
    // Curves without optimisation take their time.
    let variations = if name == "sealed" { VARIATIONS / 20 } else { VARIATIONS };
    (0..variations).for_each(|_| run(&damaged(&mut rng, &inputs)));
    let found = files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("target/fuzz").join(name));
    found.iter().for_each(|input| run(input));
    println!("{name}: {} inputs", 1 + inputs.len() + variations + found.len());
}

#[test]
fn announce_holds() {
    replay("announce", &[b"info_hash=aaaaaaaaaaaaaaaaaaaa&peer_id=-XX0000-aaaaaaaaaaaa&port=1&left=0&event=started&compact=0&numwant=5", b"\0\0\x04\x17\x27\x10\x19\x80\0\0\0\0\0\0\0\x01"], announce::run);
}

#[test]
fn bencode_holds() {
    replay("bencode", &[b"d1:ad2:id3:abce1:bli1ei-2e0:ee"], bencode::run);
}

#[test]
fn dht_holds() {
    replay(
        "dht",
        &[
            b"d1:ad2:id20:aaaaaaaaaaaaaaaaaaaa9:info_hash20:bbbbbbbbbbbbbbbbbbbbe1:q9:get_peers1:t2:aa1:y1:qe",
            b"d1:rd2:id20:aaaaaaaaaaaaaaaaaaaa5:token2:tt6:valuesl6:abcdefee1:t2:aa1:y1:re",
            b"d1:eli201e5:Oopse1:t2:aa1:y1:ee",
        ],
        dht::run,
    );
}

#[test]
fn extension_holds() {
    replay("extension", &[b"d1:md11:upload_onlyi3e11:ut_metadatai2e6:ut_pexi1ee13:metadata_sizei100e1:pi6881e4:reqqi500e11:upload_onlyi1e1:v5:somede"], extension::run);
}

#[test]
fn groups_holds() {
    replay("groups", &[b"\x00JOIN #g\r\n\x01PRIVMSG #g :hello\r\n\x02MODE #g +k key\r\n"], groups::run);
}

#[test]
fn http_holds() {
    replay("http", &[b"\0GET /announce?info_hash=aaaaaaaaaaaaaaaaaaaa&peer_id=-XX0000-aaaaaaaaaaaa&port=1 HTTP/1.1\r\nHost: a\r\n\r\nGET /?q=a HTTP/1.1\r\nHost: a\r\n\r\n", b"\x07POST /torrents HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nd4:in\r\n0\r\n\r\n"], http::run);
}

#[test]
fn igd_holds() {
    replay("igd", &[b"HTTP/1.1 200 OK\r\nST: upnp:rootdevice\r\nLOCATION: http://192.168.1.1/d\r\n\r\n\0<root><serviceList><service><serviceType>urn:schemas-upnp-org:service:WANIPConnection:1</serviceType><controlURL>/c</controlURL></service></serviceList></root>"], igd::run);
}

#[test]
fn index_holds() {
    replay(
        "index",
        &[b"--x\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nd4:infode\r\n--x--\r\n", b"Basic YTpi"],
        index::run,
    );
}

#[test]
fn irc_holds() {
    replay("irc", &[b"\x03@a=b;+c=\\s :nick!user@host PRIVMSG #g :hello there\r\nPING x\r\n"], irc::run);
}

#[test]
fn lsd_holds() {
    replay("lsd", &[b"BT-SEARCH * HTTP/1.1\r\nHost: 239.192.152.143:6771\r\nPort: 6881\r\nInfohash: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\ncookie: x\r\n\r\n\r\n"], lsd::run);
}

#[test]
fn magnet_holds() {
    replay("magnet", &[b"magnet:?xt=urn:btih:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa&dn=a%20b&tr=udp://a:1&x.pe=1.2.3.4:5&so=1,3-4"], magnet::run);
}

#[test]
fn member_holds() {
    replay(
        "member",
        &[b":server 001 me :hello\r\n:server CAP * LS :batch sasl\r\n:a!b@c PRIVMSG #g :hello\r\n"],
        member::run,
    );
}

#[test]
fn metainfo_holds() {
    replay("metainfo", &[b"d8:announce10:http://a/b4:infod6:lengthi5e4:name1:a12:piece lengthi16384e6:pieces20:aaaaaaaaaaaaaaaaaaaaee", b"d4:infod5:filesld6:lengthi5e4:pathl1:a1:beed4:attr1:p6:lengthi5e4:pathl1:ceee4:name1:d12:piece lengthi16384e6:pieces20:aaaaaaaaaaaaaaaaaaaaee"], metainfo::run);
}

#[test]
fn paths_holds() {
    replay("paths", &[b"a/b\na/B\npa/../c\ncon/x."], paths::run);
}

#[test]
fn peer_holds() {
    replay("peer", &[b"\x05\0\0\0\x01\x01\0\0\0\x05\x04\0\0\0\x07\0\0\0\x0d\x06\0\0\0\0\0\0\0\0\0\0\x40\0\0\0\0\x0c\x07\0\0\0\x01\0\0\0\0abc\0\0\0\x04\x14\x00de\0\0\0\0", b"\x13BitTorrent protocol\0\0\0\0\0\x10\0\x05aaaaaaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbbbbb\0\0\0\x01\x02"], peer::run);
}

#[test]
fn pex_holds() {
    replay("pex", &[b"d5:added6:abcdef7:added.f1:\x017:dropped6:ghijkle"], pex::run);
}

#[test]
fn pmp_holds() {
    replay(
        "pmp",
        &[b"\0\x80\0\0\0\0\0\x01\x01\x02\x03\x04", b"\x02\x81\0\0\0\0\x0e\x10\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0"],
        pmp::run,
    );
}

#[test]
fn resume_holds() {
    replay("resume", &[b"\xff\x40\x00\x01\x01\x02\x00\x00\x00\x01\x03\x02\x00\x00\x02\x01\x01\x03\x04\x02\x00\x00\x05\x00\x00\x00", b"\xf0\x80\x03\x01\x02\x03\x04\x02\x02\x01\xff\x03\x02\x00\x00"], resume::run);
}

#[test]
fn sealed_holds() {
    replay("sealed", &[b"\x01aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaabbbbbbbbbbbbbbbb\0\0\0\0\0\0\0\0"], sealed::run);
}

#[test]
fn tracker_holds() {
    replay("tracker", &[b"\0d8:completei5e8:intervali1800e12:min intervali60e5:peers12:abcdefghijkl6:peers618:abcdefghijklmnopqre", b"\0d14:failure reason4:full8:retry ini5e15:warning message3:a\x1bbe", b"\x01\0\0\0\x01\0\0\0\x09\0\0\x07\x08\0\0\0\x02\0\0\0\x03abcdef", b"\x02\0\0\x04\x17\x27\x10\x19\x80\0\0\0\0\0\0\0\x01", b"\x03http://user:pass@tracker.example.org:8080/a/b/../announce?key=1&x=%20#top"], tracker::run);
}

#[test]
fn ut_metadata_holds() {
    replay("ut_metadata", &[b"d8:msg_typei1e5:piecei0e10:total_sizei5eehello"], ut_metadata::run);
}

#[test]
fn json_holds() {
    replay("json", &[b"{\"a\":[1,-2.5e3,\"\\u00e9\",null,true]}"], json::run);
}

#[test]
fn calls_holds() {
    replay(
        "calls",
        &[b"{\"method\":\"torrent-get\",\"arguments\":{\"fields\":[\"id\",\"name\"],\"ids\":[1]},\"tag\":3}"],
        calls::run,
    );
}

#[test]
fn blocklist_holds() {
    replay(
        "blocklist",
        &[b"# a list\nsome:1.2.3.0-1.2.3.255\n10.0.0.0/8\n001.002.003.004 - 001.002.003.005 , 100 , x\n"],
        blocklist::run,
    );
}

#[test]
fn mse_holds() {
    replay("mse", &[b"\x10some bytes of a key exchange, long enough for a public value of ninety-six bytes, and then some padding more"], mse::run);
}

#[test]
fn web_seed_holds() {
    replay(
        "web_seed",
        &[
            b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-4/5\r\nContent-Length: 5\r\n\r\nhello",
            b"HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n",
        ],
        web_seed::run,
    );
}

/// Of a target's own file: what it does with an input.
#[macro_export]
macro_rules! fuzz_target {
    (|$bytes:ident: &[u8]| $body:block) => {
        pub fn run($bytes: &[u8]) {
            $body
        }
    };
}
