//! Magnet links: what they stand for comes from peers, is kept, and is given to others.

use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;

use socket2::SockRef;

use super::rig::{Ended, Home, Running, files_below, payload};
use super::transfer::{LOCAL, get_args, seed};

/// The info hash of a torrent below the home.
fn hash_of(home: &Home, torrent: &str) -> String {
    let shown = home.run(&["show", torrent, "--json"]).expect(0).out;
    let (_, rest) = shown.split_once("\"info_hash\":\"").expect("a hash");
    rest[..40].to_string()
}

/// Runs `command` of a source with its own folders, on loopback.
fn run(home: &Home, name: &str, command: &[&str], more: &[&str]) -> Ended {
    let state = home.text(&format!("{name}-state"));
    let dir = home.text(name);
    let folders = ["--state-dir", &state, "--timeout", "30s"];
    let dir: &[&str] = if command[0] == "get" { &["--dir", &dir] } else { &[] };
    home.run(&[command, &folders, dir, &LOCAL, more].concat())
}

fn end(seed: Running) {
    seed.signal("TERM");
    seed.wait().expect(0);
}

#[test]
fn a_link_is_downloaded_kept_and_given_on() {
    let home = Home::new();
    for (name, len) in [("one.bin", 300_000), ("sub/two.bin", 70_001), ("three", 12_345)] {
        home.write(&format!("album/{name}"), &payload(len, len as u64));
    }
    let (first, port, torrent) = seed(&home, "album", &[]);
    let hash = hash_of(&home, &torrent);
    let link = format!("magnet:?xt=urn:btih:{hash}&dn=wrong&x.pe=127.0.0.1:{port}");

    // What it holds, without downloading it; the second time from what was kept.
    let shown = run(&home, "shown", &["show", "--fetch", &link], &[]).expect(0);
    assert_eq!(shown.out, home.run(&["show", &torrent]).expect(0).out.replace(&date_of(&shown, &home, &torrent), ""));
    end_of_peer_needed(&home, &hash);
    let listed = run(&home, "listed", &["get", "-l", &link], &[]).expect(0);
    assert_eq!(listed.out, home.run(&["get", "-l", &torrent]).expect(0).out);

    // The second file of the torrent, by the link's own choice (BEP 53); the name is that of the torrent.
    let chosen = format!("{link}&so=1");
    let ended = run(&home, "chosen", &["get", &chosen], &[]).expect(0);
    assert!(ended.out.contains("verified album") && ended.err.contains("album: 3 files"), "{ended:?}");
    let all = files_below(&home.path("album"));
    assert_eq!(files_below(&home.path("chosen/album")), [all[1].clone()]);

    // A third one knows only the hash and the second, which shares on while the first is gone.
    let args = ["get", &link, "--dir", "second", "--state-dir", "second-state", "--seed"];
    let mut second = home.start(&[&args[..], &LOCAL].concat());
    let port = second.port();
    second.line_after("verified album");
    end(first);
    let peer = format!("127.0.0.1:{port}");
    run(&home, "third", &["get", &hash], &["--peer", &peer]).expect(0);
    assert_eq!(files_below(&home.path("third/album")), all);
    end(second);

    // Nobody is there any more: what was kept is enough to go on, and to check.
    let again = run(&home, "third", &["get", &hash], &[]).expect(0);
    assert!(again.out.contains("all of it was there already"), "{}", again.out);
    run(&home, "third", &["show", "--fetch", &hash], &[]).expect(0);
}

/// The line with the date, which metadata does not hold.
fn date_of(shown: &Ended, home: &Home, torrent: &str) -> String {
    assert!(!shown.out.contains("created on"));
    let whole = home.run(&["show", torrent]).expect(0).out;
    let from_created = whole.find("created by").expect("a line of the program");
    let to = whole[from_created..].find("\n\n").expect("the files") + from_created;
    whole[from_created..=to].to_string()
}

/// Without a peer and with nothing kept there is nothing to show.
fn end_of_peer_needed(home: &Home, hash: &str) {
    let args = ["show", "--fetch", hash, "--state-dir", "empty-state", "--timeout", "1s", "--json"];
    let ended = home.run(&[&args[..], &LOCAL].concat()).expect(4);
    assert!(ended.out.starts_with("{\"error\":\"no peer told what it holds within 1s"), "{}", ended.out);
    ended.one_line();
}

#[test]
fn links_without_peers_and_of_v2_alone_are_refused() {
    let home = Home::new();
    let hash = "ab".repeat(20);
    let ended = run(&home, "nobody", &["get", &hash], &["--timeout", "1s"]).expect(4);
    assert!(ended.one_line().contains("no peer told what it holds within 1s"), "{}", ended.err);
    let v2 = format!("magnet:?xt=urn:btmh:1220{}", "cd".repeat(32));
    assert!(run(&home, "v2", &["get", &v2], &[]).expect(3).one_line().contains("v2-only"));
    let twice = run(&home, "twice", &["get", &hash, &format!("magnet:?xt=urn:btih:{hash}")], &[]).expect(2);
    assert!(twice.one_line().contains("given twice"));
    for command in ["verify", "magnet"] {
        assert!(home.run(&[command, &hash]).expect(3).one_line().contains("--fetch"), "{command}");
    }
}

/// One who has little and gives slowly tells of one who has everything.
#[test]
fn peers_tell_of_each_other() {
    let home = Home::new();
    let data = payload(3_000_000, 11);
    home.write("data.bin", &data);
    let (first, port, torrent) = seed(&home, "data.bin", &[]);
    let hash = hash_of(&home, &torrent);
    let peer = format!("127.0.0.1:{port}");
    let middle = ["get", &torrent, "--dir", "slow", "--state-dir", "slow-state", "--peer", &peer];
    let mut middle = home.start(&[&middle[..], &LOCAL, &["--down-limit", "16K", "-u", "1K"]].concat());
    let peer = format!("127.0.0.1:{}", middle.port());
    // Both with a .torrent and with a hash that the slow one knows more of.
    home.run(&get_args(&torrent, &peer, &[])).expect(0);
    assert_eq!(home.read("down/data.bin"), data);
    run(&home, "by-hash", &["get", &hash], &["--peer", &peer]).expect(0);
    assert_eq!(home.read("by-hash/data.bin"), data);
    // Who does not want to hear of others hears of nobody.
    let mut deaf =
        home.start(&get_args(&torrent, &peer, &["--no-pex", "--json", "--dir", "deaf", "--state-dir", "deaf-state"]));
    for _ in 0..4 {
        let row = deaf.line_after("\"event\":\"progress\"");
        assert!(row.contains("\"peers\":1") || row.contains("\"peers\":0"), "{row}");
    }
    deaf.signal("TERM");
    deaf.wait();
    middle.signal("TERM");
    middle.wait();
    end(first);
}

/// Two that know nothing of each other but that they are on the same network: this machine.
#[test]
fn the_local_network_is_enough() {
    if !multicasts() {
        return println!("SKIPPED: local discovery: no multicast on loopback here");
    }
    let home = Home::new();
    let data = payload(400_000, 12);
    home.write("data.bin", &data);
    home.run(&["create", "data.bin", "-o", "data.torrent"]).expect(0);
    let hash = hash_of(&home, "data.torrent");
    // Who waits hears of who comes, and who comes is heard by who is there.
    let args = ["get", &hash, "--dir", "got", "--state-dir", "got-state", "--no-lsd=false", "--timeout", "30s"];
    let mut waiting = home.start(&[&args[..], &LOCAL].concat());
    waiting.port();
    let (first, _, _) = seed(&home, "data.bin", &["--no-lsd=false"]);
    waiting.wait().expect(0);
    assert_eq!(home.read("got/data.bin"), data);
    run(&home, "second", &["get", &hash], &["--no-lsd=false"]).expect(0);
    assert_eq!(home.read("second/data.bin"), data);
    end(first);
}

/// Whether what is multicast on loopback comes back.
fn multicasts() -> bool {
    let (group, at) = (Ipv4Addr::new(239, 192, 152, 143), Ipv4Addr::LOCALHOST);
    let Ok(socket) = UdpSocket::bind((group, 0)) else { return false };
    let port = socket.local_addr().expect("it is bound").port();
    let joined = socket.join_multicast_v4(&group, &at);
    let chosen = SockRef::from(&socket).set_multicast_if_v4(&at);
    socket.set_read_timeout(Some(Duration::from_secs(5))).expect("a time-out");
    let sent = socket.send_to(b"x", (group, port));
    joined.is_ok() && chosen.is_ok() && sent.is_ok() && socket.recv_from(&mut [0; 8]).is_ok()
}

/// Three that speak IPv6 alone: one is a node of the DHT, one shares by it, one finds that one there.
#[test]
fn the_dht_is_enough_over_v6() {
    if UdpSocket::bind("[::1]:0").is_err() {
        return println!("SKIPPED: dht over v6: no IPv6 here");
    }
    let home = Home::new();
    let data = payload(300_000, 13);
    home.write("data.bin", &data);
    let torrent = home.text("data.torrent");
    home.run(&["create", "data.bin", "-o", &torrent]).expect(0);
    let hash = hash_of(&home, &torrent);
    let v6 = ["-p", "0", "--bind", "::1", "--no-dht=false"];
    let other_hash = "ab".repeat(20);
    let mut node = home.start(&[&["get", &other_hash, "--state-dir", "node-state"], &v6[..]].concat());
    let bootstrap = format!("[::1]:{}", node.port());
    let v6 = [&v6[..], &["--dht-bootstrap", &bootstrap]].concat();
    let sharing = ["seed", &torrent, "--dir", ".", "--state-dir", "seed-state"];
    let mut first = home.start(&[&sharing, &v6[..]].concat());
    first.line_after("sharing data.bin");
    let args = ["get", &hash, "--dir", "got", "--state-dir", "got-state", "--timeout", "50s"];
    home.run(&[&args, &v6[..]].concat()).expect(0);
    assert_eq!(home.read("got/data.bin"), data);
    node.signal("TERM");
    node.wait();
    end(first);
}
