//! Commands that end at once: help, version, show, list, create, magnet.

use super::rig::{Home, payload};

#[test]
fn help_and_version_are_results() {
    let home = Home::new();
    for args in [&["--help"][..], &["-h"], &["help"], &["get", "--help"], &["seed", "-h"], &["help", "create"]] {
        let ended = home.run(args).expect(0);
        assert!(ended.out.starts_with("Usage: peerlink") && ended.err.is_empty(), "{args:?}");
    }
    for args in [&["--version"][..], &["-V"], &["get", "-V"]] {
        assert_eq!(home.run(args).expect(0).out, format!("peerlink {}\n", env!("CARGO_PKG_VERSION")));
    }
}

#[test]
fn created_torrents_are_shown_and_listed() {
    let home = Home::new();
    for (name, len) in [("album/b.bin", 70_000), ("album/.hidden", 5), ("album/a/c d.txt", 0), ("album/a/e", 1)] {
        home.write(name, &payload(len, 1));
    }
    let tracker = "http://127.0.0.1:1/announce,http://127.0.0.1:2/announce";
    let args = ["create", "album", "-t", tracker, "-t", "http://127.0.0.1:3/announce", "--private"];
    let more = ["--comment", "a \"comment\"", "--source", "x", "--piece-length", "32K", "--no-date"];
    let ended = home.run(&[&args[..], &more].concat()).expect(0);
    assert!(ended.out.contains("album.torrent: album (68.4 KiB), info hash "), "{}", ended.out);
    let shown = home.run(&["show", "album.torrent", "--json"]).expect(0).out;
    for part in [
        r#""name":"album""#,
        r#""piece_length":32768,"piece_count":3,"total_size":70006,"private":true"#,
        r#"{"path":"album/.hidden","size":5},{"path":"album/a/c d.txt","size":0},{"path":"album/a/e","size":1}"#,
        r#""trackers":[["http://127.0.0.1:1/announce","http://127.0.0.1:2/announce"],["http://127.0.0.1:3/announce"]]"#,
        r#""comment":"a \"comment\"""#,
    ] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
    let list = home.run(&["get", "--list", "album.torrent"]).expect(0).out;
    assert_eq!(
        list,
        "1        5 B  album/.hidden\n2        0 B  album/a/c d.txt\n3        1 B  album/a/e\n4   68.4 KiB  album/b.bin\n"
    );
    let text = home.run(&["show", "album.torrent"]).expect(0).out;
    assert!(text.ends_with(&format!("\n\n{list}")), "{text}");
    let piped = home.run_with_stdin(&["show", "-", "--json"], &home.read("album.torrent")).expect(0).out;
    assert_eq!(piped, shown);
}

#[test]
fn the_same_data_makes_the_same_torrent() {
    let home = Home::new();
    home.write("a/data", &payload(100_000, 2));
    home.write("b/data", &payload(100_000, 2));
    home.run(&["create", "a/data", "--no-date", "-o", "a.torrent"]).expect(0);
    home.run(&["create", "b/data", "--no-date", "-o", "b.torrent", "-q"]).expect(0);
    assert_eq!(home.read("a.torrent"), home.read("b.torrent"));
    let out = home.command(&["create", "a/data", "--no-date", "-o", "-"]).output().unwrap();
    assert_eq!(out.stdout, home.read("a.torrent"));
    assert_eq!(home.run(&["create", "a/data", "-o", "a.torrent"]).code, 2, "an existing file is replaced");
    home.run(&["create", "a/data", "-o", "a.torrent", "--force"]).expect(0);
    assert_ne!(home.read("a.torrent"), home.read("b.torrent"), "the date is missing");
}

#[test]
fn magnet_links() {
    let home = Home::new();
    home.write("a b", &payload(100, 1));
    let tiers = ["-t", "http://127.0.0.1:1/a,udp://127.0.0.1:2", "-t", "http://127.0.0.1:3/?k=1&l=2"];
    let made = ["create", "a b", "-o", "x.torrent", "--web-seed", "http://127.0.0.1:4/a%20b"];
    home.run(&[&made[..], &tiers].concat()).expect(0);
    let link = home.run(&["magnet", "x.torrent"]).expect(0).out;
    let (start, rest) = link.split_once("&dn=").unwrap();
    assert!(start.len() == 60 && start.starts_with("magnet:?xt=urn:btih:"), "{link}");
    let expected = "a%20b&xl=100&tr=http%3A%2F%2F127.0.0.1%3A1%2Fa&tr=udp%3A%2F%2F127.0.0.1%3A2\
        &tr=http%3A%2F%2F127.0.0.1%3A3%2F%3Fk%3D1%26l%3D2&ws=http%3A%2F%2F127.0.0.1%3A4%2Fa%2520b\n";
    assert_eq!(rest, expected);
    let object = home.run_with_stdin(&["magnet", "-", "-j"], &home.read("x.torrent")).expect(0).out;
    assert!(object.starts_with("{\"name\":\"a b\",\"info_hash\":\""), "{object}");
    assert!(object.contains(link.trim_end()), "{object}");
}

#[test]
fn files_that_are_left_out() {
    let home = Home::new();
    for name in ["t/a", "t/b.tmp", "t/c/d", "t/c/e.tmp", "t/cache/x/y", "t/c/cache/z"] {
        home.write(name, name.as_bytes());
    }
    let ended = home.run(&["create", "t", "--exclude", "*.tmp", "--exclude=/cache/**"]).expect(0);
    assert_eq!(ended.err, "files and folders left out by --exclude: 3\n");
    let list = home.run(&["get", "t.torrent", "--list"]).expect(0).out;
    let names: Vec<&str> = list.lines().filter_map(|line| line.split_whitespace().last()).collect();
    assert_eq!(names, ["t/a", "t/c/cache/z", "t/c/d"]);
    // What is left out is no part of the data.
    home.run(&["verify", "t.torrent"]).expect(0);
    let ended = home.run(&["create", "t", "-o", "x", "--exclude", "a/../b"]).expect(2);
    assert!(ended.one_line().contains("--exclude: `a/../b`"), "{}", ended.err);
}

#[test]
fn names_that_other_machines_would_change_are_refused() {
    let home = Home::new();
    home.write("t/ok", b"x");
    home.write("t/bad\nname", b"x");
    let ended = home.run(&["create", "t"]).expect(2);
    assert!(ended.one_line().contains("rename"), "{}", ended.err);
    assert!(!home.path("t.torrent").exists());
}
