//! Small .torrent files, one per rule: what is read of them, or why they are refused.

use peerlink::metainfo::Metainfo;
use peerlink::metainfo::parse::{Refused, parse};
use peerlink::wire::bencode::{Error, Problem};
use sha1::{Digest, Sha1};

const PIECES: &str = "6:pieces20:aaaaaaaaaaaaaaaaaaaa";

/// A torrent of these entries of the info dictionary, in this order.
fn torrent(info: &[&str]) -> Result<Metainfo, Refused> {
    parse(format!("d4:infod{}ee", info.concat()).as_bytes())
}

/// A torrent of these entries of `files`, of one piece.
fn with_files(files: &str) -> Result<Metainfo, Refused> {
    torrent(&[&format!("5:filesl{files}e"), "4:name1:n12:piece lengthi16384e", PIECES])
}

fn paths(metainfo: &Metainfo) -> Vec<String> {
    metainfo.files.iter().map(|file| file.path.join("/")).collect()
}

#[test]
fn every_rule_has_its_refusal() {
    let entry = |what| Refused::Entry(Some(1), what);
    let single = |len: &str| torrent(&[len, "4:name1:n12:piece lengthi16384e", PIECES]);
    let table: &[(Result<Metainfo, Refused>, Refused)] = &[
        (parse(b""), Refused::Bencode(Error { problem: Problem::Ends, at: 0 })),
        (parse(b"<html>"), Refused::Bencode(Error { problem: Problem::NoValue, at: 0 })),
        (parse(b"4:info"), Refused::NotADictionary),
        (parse(b"d4:infolee"), Refused::NoInfo),
        (parse(b"d8:announce1:ae"), Refused::NoInfo),
        (torrent(&[]), Refused::PieceLength),
        (torrent(&["12:piece lengthi0e"]), Refused::PieceLength),
        (torrent(&["12:piece lengthi-1e"]), Refused::PieceLength),
        (torrent(&["12:piece lengthi536870913e"]), Refused::PieceLength),
        (torrent(&["12:piece length1:1"]), Refused::PieceLength),
        (torrent(&["12:piece lengthi1e"]), Refused::NoName),
        (torrent(&["4:namei1e12:piece lengthi1e"]), Refused::NoName),
        (torrent(&["4:name0:12:piece lengthi1e"]), Refused::NoName),
        (torrent(&["4:name2:..12:piece lengthi1e"]), Refused::NoName),
        (torrent(&["4:name1:n12:piece lengthi1e"]), Refused::Entry(None, "has no length")),
        (single("6:length1:1"), Refused::Entry(None, "has no length")),
        (single("6:lengthi-1e"), Refused::Entry(None, "has a negative length")),
        (single("6:lengthi0e"), Refused::NoData),
        (single("6:lengthi16385e"), Refused::Pieces { given: 20, wanted: 2 }),
        (single("6:lengthi9223372036854775807e"), Refused::TooManyPieces),
        (torrent(&["6:lengthi1e4:name1:n12:piece lengthi1e"]), Refused::NoPieces),
        (torrent(&["6:lengthi1e4:name1:n12:piece lengthi1e6:pieces1:a"]), Refused::Pieces { given: 1, wanted: 1 }),
        (with_files(""), Refused::NoFiles),
        (with_files("le"), entry("is described by something other than a dictionary")),
        (with_files("d4:pathl1:aee"), entry("has no length")),
        (with_files("d6:lengthi1ee"), entry("has no path")),
        (with_files("d6:lengthi1e4:pathlee"), entry("has no path")),
        (with_files("d6:lengthi1e4:pathli1eee"), entry("has a path of something other than strings")),
        (
            with_files("d4:attr1:l4:pathl1:ae12:symlink pathli1eee"),
            entry("has a path of something other than strings"),
        ),
        (with_files("d6:lengthi0e4:pathl1:aee"), Refused::NoData),
        (torrent(&["12:meta versioni2e4:name1:n"]), Refused::OnlyV2),
        (torrent(&["12:meta versioni3e4:name1:n"]), Refused::Version(3)),
        (torrent(&["9:file treede6:lengthi1e4:name1:n12:piece lengthi16384e"]), Refused::NoMetaVersion),
        (torrent(&["6:lengthi1e12:meta versioni2e4:name1:n12:piece lengthi16384e"]), Refused::NoFileTree),
        (torrent(&["6:lengthi1e4:name1:n12:meta versioni2e12:piece lengthi16384e"]), Refused::Unsorted),
        (hybrid("1:nd0:d6:lengthi5e", "5", "12:piece lengthi8192e"), Refused::PieceLength),
        (hybrid("1:nd0:d6:lengthi5e", "5", "12:piece lengthi20000e"), Refused::PieceLength),
    ];
    for (index, (read, wanted)) in table.iter().enumerate() {
        assert_eq!(read.as_ref().err(), Some(wanted), "row {index}");
        let sentence = wanted.to_string();
        assert!(sentence.len() < 120 && !sentence.contains('\n') && !sentence.ends_with('.'), "{sentence}");
    }
}

/// A hybrid of one file: what its tree begins with (closed here, with a root hash), its v1 length, its piece length.
fn hybrid(tree: &str, len: &str, piece_len: &str) -> Result<Metainfo, Refused> {
    let root = "11:pieces root32:rrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrr";
    let info = [&format!("9:file treed{tree}{root}eee6:lengthi{len}e12:meta versioni2e4:name1:n"), piece_len, PIECES];
    torrent(&info)
}

#[test]
fn both_halves_of_a_hybrid_agree() {
    let piece_len = "12:piece lengthi16384e";
    let fine = hybrid("1:nd0:d6:lengthi5e", "5", piece_len).expect("halves that agree");
    assert!(fine.info_hash_v2.is_some());
    let differs = Refused::FileTree("lists other files than the v1 half");
    let broken = Refused::FileTree("has a broken file tree");
    let table = [
        ("1:nd0:d6:lengthi6e", differs.clone()),
        ("1:md0:d6:lengthi5e", differs),
        ("1:nd0:d4:attr1:p6:lengthi5e", Refused::FileTree("has a pad file")),
        ("1:nd0:d6:lengthi-5e", Refused::FileTree("has a file without a length")),
        ("1:nd0:d", Refused::FileTree("has a file without a length")),
        ("1:ni5e1:od0:d6:lengthi5e", broken.clone()),
        ("0:d0:d6:lengthi5e", broken),
    ];
    for (tree, wanted) in table {
        assert_eq!(hybrid(tree, "5", piece_len), Err(wanted), "{tree}");
    }
    let rootless = "9:file treed1:nd0:d6:lengthi5eeee6:lengthi5e12:meta versioni2e4:name1:n12:piece lengthi16384e";
    assert_eq!(torrent(&[rootless, PIECES]), Err(Refused::FileTree("has a file without a root hash")));
}

#[test]
fn pad_files_of_a_hybrid_stand_where_v2_has_them() {
    let root = "11:pieces root32:rrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrr";
    let tree = format!(
        "9:file treed1:ad0:d6:lengthi5e{root}ee1:bd0:d6:lengthi0eee1:cd0:d6:lengthi16384e{root}eee\
        5:filesld6:lengthi5e4:pathl1:aeed6:lengthi0e4:pathl1:beed4:attr1:p6:lengthi16379e4:pathl1:pee\
        d6:lengthi16384e4:pathl1:ceee12:meta versioni2e4:name1:n12:piece lengthi16384e6:pieces40:{}",
        "h".repeat(40)
    );
    let metainfo = torrent(&[&tree]).expect("halves that agree");
    assert_eq!(paths(&metainfo), ["n/a", "n/.pad/16379", "n/b", "n/c"]);
    let offsets: Vec<u64> = metainfo.files.iter().map(|file| file.offset).collect();
    assert_eq!(offsets, [0, 5, 16_384, 16_384]);
}

#[test]
fn the_info_hash_is_that_of_the_raw_bytes() {
    let info = "d12:piece lengthi16384e4:name1:n6:lengthi1e6:pieces20:aaaaaaaaaaaaaaaaaaaa3:odd0:e";
    let bytes = format!("d4:info{info}e\nanything may follow");
    let metainfo = parse(bytes.as_bytes()).expect("keys need no order in v1");
    assert_eq!(metainfo.info_hash.0, <[u8; 20]>::from(Sha1::digest(info)));
    assert_eq!(&*metainfo.info, info.as_bytes());
    let piece = metainfo.geometry.piece(0).expect("one piece");
    assert_eq!(metainfo.hash_of(piece), b"aaaaaaaaaaaaaaaaaaaa");
}

#[test]
fn the_keys_for_utf_8_come_first_where_they_are_of_use() {
    let metainfo = torrent(&[
        "5:filesld6:lengthi1e4:pathl1:ae10:path.utf-8l1:beed6:lengthi1e4:pathl1:ce10:path.utf-83:bade\
        e4:name3:old10:name.utf-83:new12:piece lengthi16384e",
        PIECES,
    ]);
    assert_eq!(paths(&metainfo.expect("a fine torrent")), ["new/b", "new/c"]);
}

#[test]
fn links_and_pad_files_are_listed_but_stored_nowhere() {
    let metainfo = with_files(
        "d4:attr1:x6:lengthi3e4:pathl1:aeed4:attr1:l6:lengthi99e4:pathl1:be12:symlink pathl2:..3:etcee\
        d4:attr1:p6:lengthi7eed6:lengthi2e4:pathl21:_____padding_file_0_xee",
    )
    .expect("a fine torrent");
    let shown: Vec<_> = metainfo.files.iter().map(|file| (file.len, file.pad, file.executable)).collect();
    assert_eq!(shown, [(3, false, true), (0, true, false), (7, true, false), (2, true, false)]);
    assert_eq!(paths(&metainfo)[1..3], ["n/b", ".pad/7"]);
}

#[test]
fn a_name_of_which_nothing_is_left_becomes_the_info_hash() {
    let metainfo = torrent(&["5:filesld6:lengthi1e4:pathl1:aeee4:name1:/12:piece lengthi16384e", PIECES]);
    let metainfo = metainfo.expect("a fine torrent");
    assert_eq!(metainfo.name, metainfo.info_hash.to_string());
    assert_eq!(metainfo.files[0].path[0], metainfo.name);
}
