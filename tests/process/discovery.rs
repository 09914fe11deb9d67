//! Peers by way of a server's groups alone: no tracker, no DHT, no local discovery.

use std::time::{Duration, Instant};

use super::daemon::Daemon;
use super::rig::{Home, payload};
use super::serve::{get, serve};

/// What keeps every other way to peers shut.
const ALONE: [&str; 5] = ["--no-dht", "--no-lsd", "--no-pex", "--port", "0"];

#[test]
fn a_download_finds_the_seed_through_the_server_in_less_than_a_second() {
    let home = Home::new();
    let (server, port) = serve(&home, &["--state-dir", &home.text("server")]);
    let at = format!("127.0.0.1:{port}");
    let bytes = payload(300_000, 3);
    let film = home.write("there/film", &bytes);
    home.run(&["create", &film, "-o", &home.text("film.torrent")]).expect(0);
    let torrent = home.text("film.torrent");
    let with = |args: &[&str], name: &str| -> Vec<String> {
        let state = home.text(name);
        let all = [args, &ALONE, &["--server", &at, "--state-dir", &state]].concat();
        all.into_iter().map(str::to_string).collect()
    };
    fn words(args: &[String]) -> Vec<&str> {
        args.iter().map(String::as_str).collect()
    }
    let mut seed =
        home.start(&words(&with(&["seed", &torrent, "--dir", &home.text("there"), "--group", "box"], "seed")));
    seed.port();
    // The seed's place in the table says that it was heard.
    let deadline = Instant::now() + Duration::from_secs(20);
    while !get(port, "/stats").contains("\"seeds\":1") {
        assert!(Instant::now() < deadline, "the seed is not in the table: {}", get(port, "/stats"));
    }
    let start = Instant::now();
    let ended = home.run(&words(&with(&["get", &torrent, "--dir", &home.text("here"), "--timeout", "20s"], "get")));
    let took = start.elapsed();
    ended.expect(0);
    assert_eq!(home.read("here/film"), bytes);
    // The process starts, connects, is told, dials, fetches, saves and ends.
    assert!(took < Duration::from_secs(3), "{took:?}");
    println!("found and fetched in {took:?}");

    // Who comes first is told when the other comes; and a server that goes away stops nobody.
    let late = home.start(&words(&with(&["get", &torrent, "--dir", &home.text("late"), "--timeout", "40s"], "late")));
    assert_eq!(late.wait().expect(0).code, 0);
    server.signal("TERM");
    server.wait().expect(0);
    seed.signal("TERM");
    assert_eq!(seed.wait().err, "");
}

#[test]
fn a_daemon_is_found_through_the_server_too() {
    let home = Home::new();
    let (server, port) = serve(&home, &["--state-dir", &home.text("server")]);
    let at = format!("127.0.0.1:{port}");
    let bytes = payload(100_000, 4);
    let film = home.write("dl/film", &bytes);
    home.run(&["create", &film, "-o", &home.text("film.torrent")]).expect(0);
    let torrent = home.text("film.torrent");
    let daemon = Daemon::start(&home, &["--no-dht", "--no-lsd", "--server", &at]);
    home.run(&["add", &torrent, "--rpc", &daemon.at()]).expect(0);
    let (here, state) = (home.text("here"), home.text("get"));
    let get = ["get", &torrent, "--dir", &here, "--timeout", "30s", "--server", &at, "--state-dir", &state];
    home.run(&[&get[..], &ALONE].concat()).expect(0);
    assert_eq!(home.read("here/film"), bytes);
    drop(daemon);
    server.signal("TERM");
    server.wait().expect(0);
}

#[test]
fn a_group_without_a_server_is_no_use() {
    let home = Home::new();
    let torrent = home.write("a", b"x");
    let ended = home.run(&["seed", &torrent, "--group", "films"]).expect(2);
    assert!(ended.one_line().contains("--server"));
    let ended = home.run(&["seed", &torrent, "--group", "a b", "--server", "127.0.0.1:1"]).expect(2);
    assert!(ended.one_line().contains("cannot be a group"));
}
