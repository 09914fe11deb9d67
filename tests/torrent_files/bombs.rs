//! Files made to cost much: each is refused (or read) within 8 MB of extra memory and a fraction of a second.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use peerlink::metainfo::parse::{Refused, parse};
use peerlink::wire::bencode::{Error, Problem, Writer};

/// Bytes of extra memory that refusing may take at its peak.
const EXTRA_MEMORY: u64 = 8_000_000;
/// Of this thread on the processor, whatever else the machine does; 200 ms with the compiler's full effort, of which
/// tests are built with less.
const TIME: Duration = Duration::from_secs(1);
/// Almost the longest file that is looked at.
const LEN: usize = 9_900_000;

struct Bomb {
    name: &'static str,
    bytes: Vec<u8>,
    refused: Option<Refused>,
}

fn bencode(problem: Problem, at: usize) -> Option<Refused> {
    Some(Refused::Bencode(Error { problem, at }))
}

fn bombs() -> Vec<Bomb> {
    let repeated = |part: &[u8]| part.repeat(LEN / part.len());
    let with_files = |name: &str, entry: &[u8]| {
        let list = [b"l".as_slice(), &repeated(entry), b"e"].concat();
        torrent(name, &list, 1 << 29)
    };
    let bomb = |name, bytes, refused| Bomb { name, bytes, refused };
    let deep_path: Vec<u8> = [b"d6:lengthi1e4:pathl".as_slice(), &b"1:a".repeat(101), b"ee"].concat();
    let wide_path: Vec<u8> = [b"d6:lengthi1e4:pathl".as_slice(), &b"0:".repeat(100), b"ee"].concat();
    // As many as the bound on values allows.
    let in_folders = [b"l".as_slice(), &wide_path.repeat(28_000), b"e"].concat();
    let nothing = [b"l".as_slice(), &b"le".repeat(2_900_000), b"e"].concat();
    let too_deep = [b"l".as_slice(), &deep_path.repeat(28_000), b"e"].concat();
    vec![
        bomb("deep lists", repeated(b"l"), bencode(Problem::TooDeep, 100)),
        bomb("deep dictionaries", repeated(b"d1:a"), bencode(Problem::TooDeep, 400)),
        bomb("many values", [b"d1:al".as_slice(), &repeated(b"0:")].concat(), bencode(Problem::TooMany, 5_999_999)),
        bomb("a long string", b"d4:info9223372036854775807:x".to_vec(), bencode(Problem::Ends, 26)),
        bomb("too large a file", vec![b'd'; 10_000_001], Some(Refused::TooLarge)),
        bomb("many roots", [b"d".as_slice(), &repeated(b"4:info0:"), b"e"].concat(), Some(Refused::NoInfo)),
        bomb("one name", with_files("n", b"d6:lengthi1e4:pathl1:aee"), Some(Refused::TooManyDuplicates)),
        bomb("one name, in folders", torrent("n", &in_folders, 16_384), Some(Refused::TooMuchText)),
        bomb(
            "deep folders",
            torrent("n", &too_deep, 16_384),
            Some(Refused::Entry(Some(1), "lies too deep in folders")),
        ),
        bomb("a long name", with_files(&"n".repeat(240), b"d6:lengthi1e4:pathl1:aee"), Some(Refused::TooMuchText)),
        bomb("many files of no kind", torrent("n", &nothing, 16_384), Some(not_a_file())),
        bomb("pieces of a byte", torrent("n", b"ld6:lengthi9000000e4:pathl1:aeee", 1), Some(Refused::TooManyPieces)),
        bomb("the longest file", torrent("n", b"ld6:lengthi9223372036854775807e4:pathl1:aeee", 1 << 29), {
            Some(Refused::TooManyPieces)
        }),
        bomb("lengths that overflow", torrent("n", &overflowing(), 1 << 29), {
            Some(Refused::Entry(Some(3), "is too long"))
        }),
        bomb("a wide file tree below many folders", file_tree(), Some(Refused::FileTree("has a broken file tree"))),
        bomb("many trackers", with_extra("announce-list", &[b"ll", repeated(b"8:http://a").as_slice(), b"ee"]), None),
        bomb("many web seeds", with_extra("url-list", &[b"l", repeated(b"8:http://a").as_slice(), b"e"]), None),
        bomb("a long comment", with_extra("comment", &[LEN.to_string().as_bytes(), b":", &repeated(b"\xff")]), None),
    ]
}

fn not_a_file() -> Refused {
    Refused::Entry(Some(1), "is described by something other than a dictionary")
}

fn torrent(name: &str, files: &[u8], piece_len: i64) -> Vec<u8> {
    Writer::dict_bytes(|d| {
        d.dict("info", |info| {
            info.raw("files", files);
            info.bytes("name", name);
            info.int("piece length", piece_len);
            info.bytes("pieces", [0; 20]);
        });
    })
}

fn overflowing() -> Vec<u8> {
    let file = b"d6:lengthi9223372036854775807e4:pathl1:aee";
    [b"l".as_slice(), &file.repeat(3), b"e"].concat()
}

/// 90 folders in each other, and in the innermost all that the file has room for.
fn file_tree() -> Vec<u8> {
    let wide: Vec<u8> = (0..600_000).flat_map(|number| format!("6:{number:06}de").into_bytes()).collect();
    let tree = [b"d1:a".repeat(90), b"d".to_vec(), wide, b"3:zzzi1ee".to_vec(), vec![b'e'; 90]].concat();
    Writer::dict_bytes(|d| {
        d.dict("info", |info| {
            info.raw("file tree", &tree);
            info.int("length", 1);
            info.int("meta version", 2);
            info.bytes("name", "n");
            info.int("piece length", 16_384);
            info.bytes("pieces", [0; 20]);
        });
    })
}

/// A torrent that is fine but for one long entry.
fn with_extra(key: &str, value: &[&[u8]]) -> Vec<u8> {
    let info = Writer::dict_bytes(|info| {
        info.int("length", 1);
        info.bytes("name", "n");
        info.int("piece length", 16_384);
        info.bytes("pieces", [0; 20]);
    });
    let mut writer = Writer::new();
    writer.bytes(key);
    [b"d4:info".as_slice(), &info, &writer.0, &value.concat(), b"e"].concat()
}

/// What this thread has used of a processor so far.
fn processor_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("Linux has this clock").into()
}

/// Peak resident memory of this process since the last call, and now; None where the kernel does not say.
fn peak_memory() -> Option<(u64, u64)> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let value = |key: &str| -> Option<u64> {
        let line = status.lines().find(|line| line.starts_with(key))?;
        Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? * 1024)
    };
    let both = (value("VmHWM:")?, value("VmRSS:")?);
    std::fs::write("/proc/self/clear_refs", "5").ok()?;
    Some(both)
}

#[test]
fn bombs_are_cheap_to_refuse() {
    for Bomb { name, bytes, refused } in bombs() {
        let before = peak_memory().map(|(_, now)| now);
        let start = processor_time();
        let read = parse(&bytes);
        let took = processor_time() - start;
        let extra = peak_memory().zip(before).map(|((peak, _), before)| peak.saturating_sub(before));
        println!("{name}: {took:?}, {extra:?} bytes of memory");
        assert_eq!(read.as_ref().err(), refused.as_ref(), "{name}");
        assert!(took < TIME, "{name}: {took:?}");
        assert!(extra.is_none_or(|extra| extra < EXTRA_MEMORY), "{name}: {extra:?} bytes");
    }
}

#[test]
fn a_torrent_of_many_files_is_read() {
    let files: Vec<u8> =
        (0..100_000).flat_map(|number| format!("d6:lengthi1e4:pathl4:part5:{number:05}ee").into_bytes()).collect();
    let bytes = Writer::dict_bytes(|d| {
        d.dict("info", |info| {
            info.raw("files", [b"l".as_slice(), &files, b"e"].concat());
            info.bytes("name", "n");
            info.int("piece length", 1 << 20);
            info.bytes("pieces", [0; 20]);
        });
    });
    let start = processor_time();
    let metainfo = parse(&bytes).expect("many files are fine");
    let took = processor_time() - start;
    println!("{} files: {took:?}", metainfo.files.len());
    assert!(took < TIME);
    assert_eq!(metainfo.files[99_999].path, ["n", "part", "99999"]);
}
