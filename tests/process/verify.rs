//! Data checked against its torrent by the binary.

use super::rig::{Home, files_below, payload};

/// Pieces of 16 KiB: a (2.4 pieces), b (empty), c (5 bytes), d (about 12 pieces).
fn album(home: &Home) {
    for (name, len) in [("album/a", 40_000), ("album/b", 0), ("album/c", 5), ("album/d", 200_000)] {
        home.write(name, &payload(len, len as u64));
    }
    home.run(&["create", "album", "--piece-length", "16K", "-q"]).expect(0);
}

const VERIFY: [&str; 2] = ["verify", "album.torrent"];

#[test]
fn right_data_is_told_and_nothing_is_written() {
    let home = Home::new();
    album(&home);
    let before = files_below(&home.path(""));
    let ended = home.run(&VERIFY).expect(0);
    let expected = "ok          album/a\nok          album/b\nok          album/c\nok          album/d\n\
        album is as it should be (234 KiB, files: 4)\n";
    assert_eq!((ended.out.as_str(), ended.err.as_str()), (expected, ""));
    assert_eq!(home.run(&[&VERIFY[..], &["-q"]].concat()).expect(0).out, "");
    let mut elsewhere = home.command(&["verify", "-", "--dir", &home.text("."), "--json"]);
    elsewhere.current_dir("/");
    let ended = super::rig::finish(elsewhere, &home.read("album.torrent")).expect(0);
    let last = ended.out.lines().last().unwrap();
    assert!(last.starts_with("{\"event\":\"checked\",\"name\":\"album\",\"info_hash\":\""), "{last}");
    assert!(last.contains("\"ok\":true,\"files\":4,\"files_ok\":4,\"files_wrong\":0,"), "{last}");
    assert_eq!(files_below(&home.path("")), before);
}

#[test]
fn every_fault_is_named() {
    let home = Home::new();
    album(&home);
    let mut bytes = home.read("album/d");
    bytes[100_000] ^= 1;
    bytes.push(0);
    home.write("album/d", &bytes);
    home.write("album/c", b"1234");
    std::fs::remove_file(home.path("album/b")).unwrap();
    let before = files_below(&home.path(""));
    let ended = home.run(&VERIFY).expect(32);
    // Piece 8 is bytes 131072 to 147455 of the torrent; d begins at 40005.
    let expected = "unproven    album/a: it shares a piece with a file that lacks bytes\nmissing     album/b\n\
        short       album/c: 4 of 5 bytes\n\
        too long    album/d: 1 bytes too many; 1 of 13 pieces wrong, bytes 91067-107450\n\
        album is not as it should be (234 KiB, files: 0 ok, 1 unproven, 1 missing, 1 short, 1 too long)\n";
    assert_eq!((ended.out.as_str(), ended.err.as_str()), (expected, ""));
    let ended = home.run(&[&VERIFY[..], &["--json"]].concat()).expect(32);
    let wrong =
        r#""state":"too long","size":200000,"found":200001,"pieces":13,"pieces_wrong":1,"wrong":[[91067,107451]]}"#;
    assert!(ended.out.contains(wrong), "{}", ended.out);
    assert!(ended.out.contains(r#""state":"missing","size":0,"found":null,"#), "{}", ended.out);
    let ended = home.run(&[&VERIFY[..], &["--dir", "nowhere"]].concat()).expect(32);
    assert!(ended.out.contains("none of its files is in ") && !home.path("nowhere").exists(), "{}", ended.out);
    assert_eq!(files_below(&home.path("")), before);
}

#[test]
fn what_cannot_be_read_is_trouble_and_links_are_not_followed() {
    let home = Home::new();
    album(&home);
    std::fs::rename(home.path("album/d"), home.path("real")).unwrap();
    std::os::unix::fs::symlink(home.path("real"), home.path("album/d")).unwrap();
    let ended = home.run(&VERIFY).expect(5);
    assert!(ended.out.contains("\nunreadable  album/d: cannot use ") && ended.out.contains("link"), "{}", ended.out);
    let ended = home.run(&[&VERIFY[..], &["--json"]].concat()).expect(5);
    assert!(ended.out.contains(r#""state":"unreadable""#) && ended.out.contains(r#""error":"cannot use "#));
    std::fs::remove_file(home.path("album/d")).unwrap();
    std::fs::rename(home.path("real"), home.path("album/d")).unwrap();
    // A folder in a file's place: root too cannot read that.
    std::fs::remove_file(home.path("album/a")).unwrap();
    std::fs::create_dir(home.path("album/a")).unwrap();
    let ended = home.run(&VERIFY).expect(5);
    assert!(ended.out.starts_with("unreadable  album/a: cannot "), "{}", ended.out);
}
