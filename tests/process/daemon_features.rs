//! What a daemon does by itself: watched folders, commands, waking seeds, moving data, the service manager, full disks.

use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use miniserde::json::Object;

use super::daemon::{Daemon, number, text};
use super::index::torrent;
use super::rig::{Home, payload};
use super::serve::serve;

const PATIENCE: Duration = Duration::from_secs(60);

pub fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < until, "never {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn watched_folders_commands_and_settings_that_are_read_again() {
    let home = Home::new();
    home.write("watch/one.torrent", &torrent("one", 1));
    home.write("watch/broken.torrent", b"nothing");
    home.write("watch/other.txt", b"nothing");
    let config = home.write("peerlink.toml", b"down-limit = \"100K\"\n");
    let hook = format!("echo \"$PEERLINK_NAME $TR_TORRENT_NAME $PEERLINK_ID\" >> {}", home.text("said"));
    let words = ["--paused", "--watch-dir", &home.text("watch"), "--on-add", &hook, "--config", &config];
    let mut daemon = Daemon::start(&home, &words);
    daemon.wait_for("added", "\"name\"", |torrents| torrents.len() == 1);
    wait_until("told", || home.path("said").exists() && home.read("said") == b"one one 1\n");
    assert!(home.path("watch/one.torrent.added").exists() && home.path("watch/other.txt").exists());
    let limit = |daemon: &mut Daemon| {
        let answer = daemon.call("session-get", "{\"fields\":[\"speed-limit-down\"]}");
        miniserde::json::to_string(&answer)
    };
    assert!(limit(&mut daemon).contains("\"speed-limit-down\":103"), "{}", limit(&mut daemon));
    home.write("peerlink.toml", b"down-limit = \"200K\"\n");
    daemon.running.signal("HUP");
    let until = Instant::now() + PATIENCE;
    while !limit(&mut daemon).contains("\"speed-limit-down\":205") {
        assert!(Instant::now() < until, "{}", limit(&mut daemon));
    }
    daemon.end();
}

#[test]
fn the_service_manager_is_told() {
    let home = Home::new();
    let socket = UnixDatagram::bind(home.path("manager")).expect("a socket");
    socket.set_read_timeout(Some(PATIENCE)).expect("a socket");
    let mut command = home.command(&["daemon", "--rpc", "127.0.0.1:0", "-p", "0", "--bind", "127.0.0.1"]);
    command.env("NOTIFY_SOCKET", home.path("manager")).env("WATCHDOG_USEC", "200000");
    let mut child = command.stdout(Stdio::null()).spawn().expect("it starts");
    let mut said = [0; 64];
    for wanted in ["READY=1", "WATCHDOG=1", "WATCHDOG=1"] {
        let len = socket.recv(&mut said).expect("it says something");
        assert_eq!(std::str::from_utf8(&said[..len]), Ok(wanted));
    }
    super::rig::signal(child.id(), "TERM");
    assert!(child.wait().expect("our child").success());
}

#[test]
fn a_seed_at_rest_wakes_for_a_peer_and_its_data_moves() {
    let home = Home::new();
    let bytes = payload(700_000, 3);
    let source = home.write("src/song.bin", &bytes);
    let mut daemon = Daemon::start(&home, &[]);
    let at = daemon.at();
    home.run(&["add", &source, "--rpc", &at]).expect(0);
    let fields = "\"status\",\"percentDone\",\"doneDate\"";
    daemon.wait_for("complete", fields, |torrents| number(&torrents[0], "doneDate") > 0.0);
    let torrent = std::fs::read_dir(home.path(".local/state/peerlink/torrents")).expect("it is kept");
    let torrent = torrent.map(|entry| entry.expect("an entry").path()).next().expect("a .torrent file");
    daemon.end();

    // Begins at rest: nothing is read of it before somebody comes.
    let mut daemon = Daemon::start(&home, &[]);
    daemon.wait_for("shared", fields, |torrents| number(&torrents[0], "status") == 6.0);
    let session = daemon.call("session-get", "{\"fields\":[\"peer-port\"]}");
    let Some(miniserde::json::Value::Object(arguments)) = session.get("arguments") else { panic!("{session:?}") };
    let peer = format!("127.0.0.1:{}", number(arguments, "peer-port"));
    let get = ["get", torrent.to_str().expect("UTF-8"), "--peer", &peer, "--dir", &home.text("got")];
    home.run(&[&get[..], &["--state-dir", &home.text("other"), "--bind", "127.0.0.1", "-p", "0"]].concat()).expect(0);
    assert!(home.read("got/song.bin") == bytes);

    let to = home.text("elsewhere");
    daemon.call("torrent-set-location", &format!("{{\"ids\":[1],\"location\":\"{to}\",\"move\":true}}"));
    let is_there = |torrents: &[Object]| text(&torrents[0], "downloadDir") == to;
    daemon.wait_for("moved", "\"downloadDir\"", is_there);
    assert!(home.read("elsewhere/song.bin") == bytes && !home.path("src/song.bin").exists());
    let is_shared =
        |torrents: &[Object]| number(&torrents[0], "status") == 6.0 && number(&torrents[0], "percentDone") == 1.0;
    daemon.wait_for("shared again", fields, is_shared);
    daemon.end();
}

#[test]
fn too_little_room_holds_downloads_up() {
    let home = Home::new();
    let mut daemon = Daemon::start(&home, &["--min-free", "1000000G"]);
    let coded = peerlink::wire::authorization::base64(&torrent("large", 4));
    daemon.call("torrent-add", &format!("{{\"metainfo\":\"{coded}\"}}"));
    let is_held = |torrents: &[Object]| number(&torrents[0], "status") == 3.0 && number(&torrents[0], "error") == 3.0;
    let torrents = daemon.wait_for("held up", "\"status\",\"error\",\"errorString\"", is_held);
    assert!(text(&torrents[0], "errorString").contains("--min-free"));
    daemon.end();
}

#[test]
fn a_folder_that_cannot_be_written_stops_its_torrent_alone() {
    let home = Home::new();
    home.write("file", b"in the way");
    let mut daemon = Daemon::start(&home, &[]);
    for (name, dir) in [("bad", "file"), ("good", "dl")] {
        let coded = peerlink::wire::authorization::base64(&torrent(name, 2));
        let dir = home.text(dir);
        daemon.call("torrent-add", &format!("{{\"metainfo\":\"{coded}\",\"download-dir\":\"{dir}\"}}"));
    }
    let is_told = |torrents: &[Object]| number(&torrents[0], "error") == 3.0 && number(&torrents[1], "status") == 4.0;
    let torrents = daemon.wait_for("told", "\"status\",\"error\",\"errorString\"", is_told);
    assert!(text(&torrents[0], "errorString").contains("cannot"), "{torrents:?}");
    daemon.end();
}

/// An answer must not wait for the disk.
#[test]
fn a_slow_disk_does_not_hold_answers_up() {
    let is_here = Command::new("strace").arg("-V").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !is_here.is_ok_and(|status| status.success()) {
        return println!("SKIPPED: daemon: strace is not installed");
    }
    let home = Home::new();
    let (server, port) = serve(&home, &["--state-dir", &home.text("server")]);
    let at = format!("127.0.0.1:{port}");
    let source = home.write("src/film.bin", &payload(4_000_000, 5));
    let made = ["seed", &source, "-p", "0", "--bind", "127.0.0.1", "--server", &at, "-o", &home.text("film.torrent")];
    let mut seed = home.start(&[&made[..], &["--state-dir", &home.text("seed")]].concat());
    seed.line_after("sharing film.bin");
    let mut daemon = Daemon::start(&home, &[]);
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=pwrite64,pwritev"]);
    strace.args(["-e", "inject=pwrite64,pwritev:delay_enter=5000000", "-p", &daemon.running.pid().to_string()]);
    let mut strace = strace.stderr(Stdio::null()).spawn().expect("it was there");
    // From the first answer on that says it is traced.
    wait_until("traced", || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.running.pid())).unwrap_or_default();
        !status.contains("TracerPid:\t0\n")
    });
    home.run(&["add", &home.text("film.torrent"), "--rpc", &daemon.at()]).expect(0);
    daemon.wait_for("under way", "\"rateDownload\"", |torrents| number(&torrents[0], "rateDownload") > 0.0);
    let mut slowest = Duration::ZERO;
    for _ in 0..40 {
        let began = Instant::now();
        daemon.torrents("\"id\",\"name\",\"status\",\"percentDone\",\"rateDownload\"");
        slowest = slowest.max(began.elapsed());
        std::thread::sleep(Duration::from_millis(25));
    }
    println!("the slowest of 40 answers took {slowest:?}");
    assert!(slowest < Duration::from_millis(50), "an answer took {slowest:?} while writes took 5 s");
    super::rig::signal(strace.id(), "KILL");
    let _ = strace.wait();
    daemon.running.signal("KILL");
    daemon.running.wait();
    for running in [seed, server] {
        running.signal("TERM");
        running.wait().expect(0);
    }
}

#[test]
fn files_folders_and_torrents_get_other_names() {
    let home = Home::new();
    home.write("src/album/one.bin", &payload(100_000, 7));
    home.write("src/album/two.bin", &payload(50_000, 8));
    let mut daemon = Daemon::start(&home, &[]);
    home.run(&["add", &home.text("src/album"), "--rpc", &daemon.at()]).expect(0);
    let fields = "\"name\",\"status\",\"percentDone\",\"doneDate\",\"files\",\"error\"";
    daemon.wait_for("complete", fields, |torrents| number(&torrents[0], "doneDate") > 0.0);
    let mut rename = |path: &str, name: &str| {
        let arguments = format!("{{\"ids\":[1],\"path\":\"{path}\",\"name\":\"{name}\"}}");
        miniserde::json::to_string(&daemon.call("torrent-rename-path", &arguments))
    };
    let answer = rename("album/one.bin", "first.bin");
    assert!(answer.contains("\"id\":1,\"name\":\"first.bin\",\"path\":\"album/one.bin\""), "{answer}");
    assert!(home.path("src/album/first.bin").exists() && !home.path("src/album/one.bin").exists());
    assert!(rename("album", "Album of ours").contains("\"result\":\"success\""));
    assert!(home.path("src/Album of ours/first.bin").exists() && !home.path("src/album").exists());
    for (path, name) in [("album/one.bin", "x"), ("Album of ours/first.bin", "TWO.bin"), ("Album of ours", "../x")] {
        assert!(!rename(path, name).contains("success"), "{path} {name}");
    }
    for _ in 0..2 {
        let is_shared =
            |torrents: &[Object]| number(&torrents[0], "status") == 6.0 && number(&torrents[0], "percentDone") == 1.0;
        let torrents = daemon.wait_for("shared", fields, is_shared);
        assert_eq!((text(&torrents[0], "name"), number(&torrents[0], "error")), ("Album of ours", 0.0));
        let files = miniserde::json::to_string(&torrents[0]);
        assert!(
            files.contains("\"Album of ours/first.bin\"") && files.contains("\"Album of ours/two.bin\""),
            "{files}"
        );
        daemon.end();
        daemon = Daemon::start(&home, &[]);
    }
    home.run(&["remove", "1", "--delete-data", "--rpc", &daemon.at()]).expect(0);
    wait_until("deleted", || !home.path("src/Album of ours").exists());
    daemon.end();
}

#[test]
fn who_is_on_the_blocklist_is_not_dealt_with() {
    let home = Home::new();
    let list = home.write("list.p2p", b"# whom we do not like\nthis machine:127.0.0.1-127.0.0.255\n");
    let bytes = payload(200_000, 9);
    let source = home.write("src/song.bin", &bytes);
    home.run(&["create", &source, "-o", &home.text("song.torrent")]).expect(0);
    let mut daemon = Daemon::start(&home, &["--blocklist", &list]);
    home.run(&["add", &source, "--rpc", &daemon.at()]).expect(0);
    daemon.wait_for("complete", "\"doneDate\"", |torrents| number(&torrents[0], "doneDate") > 0.0);
    let session = |daemon: &mut Daemon| {
        let fields = "\"peer-port\",\"blocklist-size\",\"blocklist-enabled\",\"blocklist-url\"";
        let answer = daemon.call("session-get", &format!("{{\"fields\":[{fields}]}}"));
        super::daemon::object(&answer["arguments"])
    };
    let until = Instant::now() + PATIENCE;
    while number(&session(&mut daemon), "blocklist-size") != 1.0 {
        assert!(Instant::now() < until, "never read: {:?}", session(&mut daemon));
    }
    assert_eq!(text(&session(&mut daemon), "blocklist-url"), list);
    let peer = format!("127.0.0.1:{}", number(&session(&mut daemon), "peer-port"));
    let get = ["get", &home.text("song.torrent"), "--peer", &peer, "--dir", &home.text("got")];
    let get = [&get[..], &["--state-dir", &home.text("other"), "--bind", "127.0.0.1", "-p", "0", "--timeout", "2s"]];
    home.run(&get.concat()).expect(4);
    daemon.call("session-set", "{\"blocklist-enabled\":false}");
    home.run(&get.concat()).expect(0);
    assert!(home.read("got/song.bin") == bytes);

    home.write("list.p2p", b"192.0.2.0/24\n2001:db8::/32\n001.002.003.004 - 001.002.003.005 , 000 , x\nnonsense\n");
    let update = |daemon: &mut Daemon| miniserde::json::to_string(&daemon.call("blocklist-update", "{}"));
    assert!(update(&mut daemon).contains("\"blocklist-size\":3"), "{}", update(&mut daemon));
    std::fs::remove_file(&list).expect("it was written above");
    assert!(update(&mut daemon).contains("couldn't fetch blocklist"), "{}", update(&mut daemon));
    assert_eq!(number(&session(&mut daemon), "blocklist-size"), 3.0, "the one before still counts");
    daemon.end();
}

/// What the configuration file says counts as soon as somebody says that it is to be read again.
#[test]
fn commands_folders_and_lists_are_read_again() {
    let home = Home::new();
    let config = home.write("peerlink.toml", b"paused = true\n");
    let mut daemon = Daemon::start(&home, &["--config", &config]);
    daemon.call("session-set", "{\"peer-limit-global\":77}");
    std::fs::create_dir(home.path("incoming")).expect("a folder");
    let said = home.text("said");
    let text = format!(
        "paused = true\nwatch-dir = \"{}\"\non-add = 'echo \"$PEERLINK_NAME\" >> {said}'\n\
         blocklist = \"{}\"\n",
        home.text("incoming"),
        home.write("list", b"192.0.2.1\n"),
    );
    home.write("peerlink.toml", text.as_bytes());
    daemon.running.signal("HUP");
    let size = |daemon: &mut Daemon| miniserde::json::to_string(&daemon.call("session-get", "{}"));
    let until = Instant::now() + PATIENCE;
    while !size(&mut daemon).contains("\"blocklist-size\":1") {
        assert!(Instant::now() < until, "{}", size(&mut daemon));
    }
    assert!(size(&mut daemon).contains("\"peer-limit-global\":77"), "what nobody says stays");
    home.write("incoming/late.torrent", &torrent("late", 1));
    wait_until("told", || home.path("said").exists() && home.read("said") == b"late\n");
    daemon.end();
    let mut daemon = Daemon::start(&home, &["--config", &config]);
    assert!(size(&mut daemon).contains("\"peer-limit-global\":77"), "it is remembered");
    daemon.end();
}

#[test]
fn files_that_are_wanted_first_come_first() {
    let home = Home::new();
    let (server, port) = serve(&home, &["--state-dir", &home.text("server")]);
    for (name, seed) in [("a", 11), ("b", 12), ("c", 13)] {
        home.write(&format!("src/album/{name}.bin"), &payload(600_000, seed));
    }
    let (torrent, tracker) = (home.text("album.torrent"), format!("http://127.0.0.1:{port}/announce"));
    let words = ["create", &home.text("src/album"), "--piece-length", "16K", "-t", &tracker, "-o", &torrent];
    home.run(&words).expect(0);
    let seed = ["seed", &torrent, "--dir", &home.text("src"), "-p", "0", "--bind", "127.0.0.1"];
    let mut seed = home.start(&[&seed[..], &["--state-dir", &home.text("seed")]].concat());
    seed.port();
    let mut daemon = Daemon::start(&home, &["--down-limit", "300K", "--paused"]);
    home.run(&["add", &torrent, "--rpc", &daemon.at()]).expect(0);
    daemon.call("torrent-set", "{\"ids\":[1],\"priority-low\":[0]}");
    home.run(&["start", "1", "--rpc", &daemon.at()]).expect(0);
    let lens = |torrents: &[Object]| -> Vec<f64> {
        let Some(miniserde::json::Value::Array(files)) = torrents[0].get("fileStats") else { panic!("{torrents:?}") };
        files.iter().map(|file| number(&super::daemon::object(file), "bytesCompleted")).collect()
    };
    daemon.wait_for("under way", "\"fileStats\"", |torrents| lens(torrents).iter().sum::<f64>() > 0.0);
    // What was asked for before comes first, and that is not much.
    home.run(&["set", "1", "--first", "3", "--last", "1", "--rpc", &daemon.at()]).expect(0);
    let torrents = daemon.wait_for("the third file", "\"fileStats\"", |torrents| lens(torrents)[2] == 600_000.0);
    assert!(lens(&torrents)[1] < 400_000.0 && lens(&torrents)[0] < 50_000.0, "{torrents:?}");
    let torrents = daemon.wait_for("the second file", "\"fileStats\"", |torrents| lens(torrents)[1] == 600_000.0);
    assert!(lens(&torrents)[0] < 400_000.0, "{torrents:?}");
    daemon.end();
    for running in [seed, server] {
        running.signal("TERM");
        running.wait().expect(0);
    }
}
