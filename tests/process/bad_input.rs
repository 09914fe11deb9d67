//! Every kind of bad input gets one clear line on stderr, the right exit code, and leaves nothing behind.

use super::rig::Home;

/// A torrent of one small file.
const GOOD: &[u8] = b"d4:infod6:lengthi5e4:name1:a12:piece lengthi16384e6:pieces20:aaaaaaaaaaaaaaaaaaaaee";

#[test]
fn usage_mistakes() {
    let home = Home::new();
    home.write("good.torrent", GOOD);
    home.write("bad.toml", b"dir = \"x\"\n\nfrob = 1\n");
    home.write("worse.toml", b"port = [\n");
    let table: &[(&[&str], &str)] = &[
        (&[], "no command"),
        (&["frob"], "unknown command `frob`"),
        (&["chat", "--group"], "--group needs a value"),
        (&["get"], "nothing given"),
        (&["get", "--frob", "x"], "--frob"),
        (&["get", "good.torrent", "--dir"], "--dir needs a value"),
        (&["get", "good.torrent", "-p", "65536"], "--port"),
        (&["get", "good.torrent", "--port=x"], "--port"),
        (&["get", "good.torrent", "--peer", "nowhere"], "--peer"),
        (&["get", "good.torrent", "--memory", "1K"], "--memory"),
        (&["get", "good.torrent", "--timeout", "soon"], "--timeout"),
        (&["get", "good.torrent", "--bind", "localhost"], "--bind"),
        (&["get", "good.torrent", "-t", "gopher://x"], "--tracker"),
        (&["get", "good.torrent", "--max-peers", "0"], "--max-peers"),
        (&["get", "good.torrent", "-s", "0"], "--select"),
        (&["get", "good.torrent", "--seed-ratio", "1,5"], "--seed-ratio: `1,5`"),
        (&["get", "good.torrent", "-s", "1-x"], "--select"),
        (&["get", "good.torrent", "-s", "2"], "there are 1"),
        (&["get", "good.torrent", "good.torrent", "-s", "1"], "--select"),
        (&["get", "good.torrent", "good.torrent"], "given twice"),
        (&["get", "good.torrent", "--seed=perhaps"], "--seed"),
        (&["get", "good.torrent", "-c", "bad.toml"], "bad.toml:3: unknown key `frob`"),
        (&["get", "good.torrent", "-c", "worse.toml"], "worse.toml:"),
        (&["config", "-c", "missing.toml"], "missing.toml"),
        (&["config", "-c", "/"], "cannot read"),
        (&["config", "extra"], "extra"),
        (&["show"], "nothing given"),
        (&["show", "good.torrent", "good.torrent"], "too much"),
        (&["create", "missing"], "no such file"),
        (&["create", "good.torrent", "-o", "good.torrent"], "exists already"),
        (&["create", "good.torrent", "--piece-length", "100000"], "power of two"),
        (&["create", "good.torrent", "--piece-length", "1K"], "--piece-length"),
        (&["create", "/dev/null"], "neither a file nor a folder"),
        (&["seed", "missing"], "no such file"),
        (&["seed", "bad.toml", "--dir", "."], "--dir"),
        (&["seed", "good.torrent", "-o", "x"], "--output"),
    ];
    for (args, part) in table {
        let ended = home.run(args).expect(2);
        assert!(ended.one_line().contains(part), "{args:?}: {}", ended.err);
        assert_eq!(ended.out, "", "{args:?}");
    }
    let left: Vec<_> = super::rig::files_below(&home.path("")).into_iter().map(|(name, _)| name).collect();
    assert_eq!(left, ["bad.toml", "good.torrent", "worse.toml"], "something was left behind");
}

#[test]
fn bad_torrents() {
    let home = Home::new();
    home.write("garbage.torrent", b"\x00\xff<html>");
    home.write("empty.torrent", b"");
    home.write("cut.torrent", &GOOD[..GOOD.len() - 5]);
    home.write("deep.torrent", "l".repeat(100_000).as_bytes());
    home.write("huge.torrent", &vec![b'd'; 10_000_001]);
    let v2 = b"d4:infod9:file treed1:ad0:d6:lengthi5e11:pieces root32:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaeee\
        12:meta versioni2e4:name1:a12:piece lengthi16384eee";
    home.write("v2.torrent", v2);
    home.write("folder/x", b"");
    let table = [
        ("garbage.torrent", "not a .torrent"),
        ("empty.torrent", "not a .torrent"),
        ("cut.torrent", "cut.torrent"),
        ("deep.torrent", "deep.torrent"),
        ("huge.torrent", "10 MB"),
        ("v2.torrent", "v2-only"),
        ("folder", "folder"),
        ("missing.torrent", "no such file"),
        ("magnet:?xt=urn:btih:00000000", "magnet link: the info hash"),
        ("magnet:?dn=x", "no info hash"),
        ("ftp://127.0.0.1/x.torrent", "http"),
        ("file:///etc/passwd", "http"),
    ];
    for (source, part) in table {
        for command in ["show", "get", "seed"] {
            if command == "seed" && source == "folder" {
                continue;
            }
            let ended = home.run(&[command, source]);
            if command == "seed" && ended.code == 2 {
                assert!(ended.one_line().contains("no such file"), "{source}: {}", ended.err);
                continue;
            }
            let ended = ended.expect(3);
            assert!(ended.one_line().contains(part), "{command} {source}: {}", ended.err);
            assert_eq!(ended.out, "");
        }
        let ended = home.run(&["show", "--json", source]).expect(3);
        assert!(ended.out.starts_with("{\"error\":\"") && ended.out.ends_with("\"}\n"), "{}", ended.out);
        ended.one_line();
    }
}

#[test]
fn terminals_are_safe_from_foreign_text() {
    let home = Home::new();
    for name in ["\x1b[31mred", "a\u{202e}b", "\u{9b}2J"] {
        let ended = home.run(&["show", name]).expect(3);
        assert!(!ended.err.trim_end().contains(|c: char| c.is_control() || c == '\u{202e}'), "{:?}", ended.err);
    }
}

#[test]
fn the_machine_says_no() {
    let home = Home::new();
    home.write("good.torrent", GOOD);
    home.write("file", b"in the way");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let ended = home.run(&["get", "good.torrent", "--bind", "127.0.0.1", "-p", &port]).expect(1);
    assert!(ended.one_line().contains(&port), "{}", ended.err);
    let ended = home.run(&["get", "good.torrent", "--bind", "192.0.2.77", "-p", "0"]).expect(1);
    assert!(ended.one_line().contains("192.0.2.77"), "{}", ended.err);
    let ended = home.run(&["get", "good.torrent", "--state-dir", "file/x", "-p", "0"]).expect(5);
    assert!(ended.one_line().contains("--state-dir"), "{}", ended.err);
    // More than any disk has; nothing is begun.
    let args = ["get", "good.torrent", "-p", "0", "--dir", "down", "--state-dir", "state", "--min-free", "8000000T"];
    let ended = home.run(&args).expect(9);
    assert!(ended.one_line().contains("(--min-free)"), "{}", ended.err);
    assert!(!home.path("down").exists() && !home.path("state").exists());
    let ended = home.run(&["show", "http://127.0.0.1:1/x.torrent"]).expect(6);
    assert!(ended.one_line().contains("127.0.0.1:1"), "{}", ended.err);
    let args = ["get", "good.torrent", "-p", "0", "--bind", "127.0.0.1", "--timeout", "1s", "-q"];
    let ended = home.run(&args).expect(4);
    assert!(ended.one_line().contains("no peer delivered anything within 1s"), "{}", ended.err);
}

#[test]
fn results_that_cannot_be_written_are_an_error() {
    let home = Home::new();
    home.write("good.torrent", GOOD);
    let mut command = home.command(&["show", "good.torrent"]);
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    assert_eq!(command.stdout(full).status().unwrap().code(), Some(1));
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = home.command(&["show", "good.torrent"]);
    assert_eq!(command.stdout(writer).status().unwrap().code(), Some(0));
}
