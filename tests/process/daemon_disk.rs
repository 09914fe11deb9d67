//! A daemon whose disks are full, may not be written, or go away: only what lies there is held up, its owner is told,
//! and it goes on when the disk does.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use miniserde::json::Object;

use super::daemon::{Daemon, number, text};
use super::index::torrent;
use super::rig::{Home, Running, payload};
use super::serve::serve;

/// The disk is tried again after 30 s.
const RETRIED_WITHIN: Duration = Duration::from_secs(35);

fn mount(options: &str, at: &Path) -> bool {
    let mut mount = Command::new("mount");
    mount.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(at).stderr(Stdio::null());
    mount.status().is_ok_and(|status| status.success())
}

/// A small file system of its own, as long as this lives.
struct Disk {
    at: std::path::PathBuf,
}

impl Disk {
    fn new(home: &Home, name: &str, size: &str) -> Option<Disk> {
        let at = home.path(name);
        std::fs::create_dir(&at).expect("a folder");
        mount(&format!("size={size}"), &at).then_some(Disk { at })
    }

    /// Whether it may be written.
    fn allow_writes(&self, may: bool) {
        assert!(mount(if may { "remount,rw" } else { "remount,ro" }, &self.at), "it was mounted before");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: whoever still works on it shall not keep it.
        let _ = Command::new("umount").arg("-l").arg(&self.at).status();
    }
}

/// Shares files of these names below `src`, and makes their .torrent files.
fn share(home: &Home, files: &[(&str, &[u8])], server: u16) -> Running {
    let tracker = format!("http://127.0.0.1:{server}/announce");
    let mut words = vec!["seed".to_string()];
    for (name, bytes) in files {
        let path = home.write(&format!("src/{name}"), bytes);
        let torrent = home.text(&format!("{name}.torrent"));
        home.run(&["create", &path, "-t", &tracker, "-o", &torrent]).expect(0);
        words.push(torrent);
    }
    let more = ["-p", "0", "--bind", "127.0.0.1", "--dir", &home.text("src"), "--state-dir", &home.text("seed")];
    words.extend(more.map(str::to_string));
    let mut seed = home.start(&words.iter().map(String::as_str).collect::<Vec<_>>());
    seed.port();
    seed
}

fn named<'a>(torrents: &'a [Object], name: &str) -> &'a Object {
    torrents.iter().find(|torrent| text(torrent, "name") == name).expect("it was added")
}

const FIELDS: &str = "\"name\",\"percentDone\",\"status\",\"error\",\"errorString\"";

#[test]
fn a_full_disk_and_one_that_may_not_be_written_hold_up_their_torrents_alone() {
    let home = Home::new();
    let (Some(small), Some(fixed)) = (Disk::new(&home, "small", "4m"), Disk::new(&home, "fixed", "8m")) else {
        return println!("SKIPPED: disks of a daemon: cannot mount a small tmpfs here");
    };
    let (server, port) = serve(&home, &["--state-dir", &home.text("server")]);
    let data = payload(3_000_000, 41);
    let seed = share(&home, &[("full", &data), ("fixed", &data[1..]), ("fine", &data[2..])], port);
    home.write("small/filler", &vec![1; 2 << 20]);
    fixed.allow_writes(false);
    let hook = format!("echo \"$PEERLINK_NAME: $PEERLINK_ERROR\" >> {}", home.text("said"));
    let mut daemon = Daemon::start(&home, &["--on-error", &hook]);
    let rpc = daemon.at();
    let began = Instant::now();
    for (name, dir) in [("full", "small"), ("fixed", "fixed"), ("fine", "dl")] {
        let torrent = home.text(&format!("{name}.torrent"));
        home.run(&["add", &torrent, "--dir", &home.text(dir), "--rpc", &rpc]).expect(0);
    }
    daemon.wait_for("held up", FIELDS, |torrents| {
        let is_told = |name: &str, why: &str| {
            let torrent = named(torrents, name);
            let is_shown = text(torrent, "errorString").to_lowercase().contains(why);
            number(torrent, "error") == 3.0 && number(torrent, "status") == 4.0 && is_shown
        };
        is_told("full", "no space left on device") && is_told("fixed", "read-only file system")
    });
    println!("told after {:?}", began.elapsed());
    daemon.wait_for("complete", FIELDS, |torrents| number(named(torrents, "fine"), "percentDone") == 1.0);
    let listed = home.run(&["status", "full", "--rpc", &rpc]).expect(0).out;
    assert!(listed.to_lowercase().contains("no space left on device"), "{listed}");

    std::fs::remove_file(home.path("small/filler")).expect("it was written above");
    fixed.allow_writes(true);
    let freed = Instant::now();
    let is_done = |torrents: &[Object]| {
        torrents.iter().all(|torrent| number(torrent, "percentDone") == 1.0 && number(torrent, "error") == 0.0)
    };
    daemon.wait_for("complete", FIELDS, is_done);
    assert!(freed.elapsed() < RETRIED_WITHIN, "it went on after {:?}", freed.elapsed());
    assert!(home.read("small/full") == data && home.read("fixed/fixed") == data[1..], "wrong bytes");
    let said = String::from_utf8(home.read("said")).expect("text").to_lowercase();
    assert!(said.lines().count() == 2 && said.contains("full: ") && said.contains("fixed: "), "{said}");
    daemon.end();
    for running in [seed, server] {
        running.signal("TERM");
        running.wait().expect(0);
    }
    drop((small, fixed));
}

#[test]
fn data_that_went_away_is_missed_and_not_fetched_again() {
    let home = Home::new();
    let data = payload(1_000_000, 42);
    let source = home.write("drive/song.bin", &data);
    let mut daemon = Daemon::start(&home, &[]);
    home.run(&["add", &source, "--rpc", &daemon.at()]).expect(0);
    let fields = "\"name\",\"percentDone\",\"status\",\"error\",\"errorString\",\"doneDate\"";
    daemon.wait_for("complete", fields, |torrents| number(&torrents[0], "doneDate") > 0.0);
    daemon.end();
    let kept = std::fs::read_dir(home.path(".local/state/peerlink/torrents")).expect("it is kept");
    let torrent = kept.map(|entry| entry.expect("an entry").path()).next().expect("a .torrent file");

    // The drive is not there when the daemon starts.
    std::fs::rename(home.path("drive"), home.path("unplugged")).expect("a folder");
    let mut daemon = Daemon::start(&home, &[]);
    let peer = format!("127.0.0.1:{}", peer_port(&mut daemon));
    let get = ["get", torrent.to_str().expect("UTF-8"), "--peer", &peer, "--dir", &home.text("got")];
    let get = [&get[..], &["--state-dir", &home.text("other"), "--bind", "127.0.0.1", "-p", "0", "--timeout", "2s"]];
    home.run(&get.concat()).expect(4);
    let began = Instant::now();
    let torrents = daemon.wait_for("missed", fields, |torrents| number(&torrents[0], "error") == 3.0);
    println!("missed after {:?}", began.elapsed());
    assert!(text(&torrents[0], "errorString").contains("nothing of it is in"), "{torrents:?}");
    assert_eq!((number(&torrents[0], "percentDone"), number(&torrents[0], "status")), (1.0, 6.0), "{torrents:?}");
    assert!(!home.path("drive").exists(), "a folder was made in its place");

    std::fs::rename(home.path("unplugged"), home.path("drive")).expect("a folder");
    home.run(&["start", "1", "--rpc", &daemon.at()]).expect(0);
    let is_fine = |torrents: &[Object]| number(&torrents[0], "error") == 0.0;
    let torrents = daemon.wait_for("there again", fields, is_fine);
    assert_eq!(number(&torrents[0], "percentDone"), 1.0, "{torrents:?}");
    home.run(&get.concat()).expect(0);
    assert!(home.read("got/song.bin") == data, "wrong bytes");

    // Somebody says that it is gone for good.
    std::fs::rename(home.path("drive"), home.path("unplugged")).expect("a folder");
    home.run(&["set", "1", "--recheck", "--rpc", &daemon.at()]).expect(0);
    let is_begun_anew = |torrents: &[Object]| number(&torrents[0], "percentDone") == 0.0;
    daemon.wait_for("what was asked for: a look at everything", fields, is_begun_anew);
    daemon.end();
}

fn peer_port(daemon: &mut Daemon) -> u16 {
    let session = daemon.call("session-get", "{\"fields\":[\"peer-port\"]}");
    let Some(miniserde::json::Value::Object(arguments)) = session.get("arguments") else { panic!("{session:?}") };
    number(arguments, "peer-port") as u16
}

/// What cannot be saved was not added, and says so.
#[test]
fn a_state_folder_that_is_full_takes_no_torrents_and_loses_none() {
    let home = Home::new();
    let Some(state) = Disk::new(&home, "state", "1m") else {
        return println!("SKIPPED: state of a daemon: cannot mount a small tmpfs here");
    };
    let add = |daemon: &mut Daemon, name: &str| {
        let coded = peerlink::wire::authorization::base64(&torrent(name, 500));
        let answer = daemon.call("torrent-add", &format!("{{\"metainfo\":\"{coded}\"}}"));
        text(&answer, "result").to_string()
    };
    let words = ["--paused", "--state-dir", &home.text("state")];
    let mut daemon = Daemon::start(&home, &words);
    assert_eq!(add(&mut daemon, "one"), "success");
    let filler = home.path("state/filler");
    // To the last byte: who writes whole pages may find half of one.
    let _ = std::fs::write(&filler, vec![1; 2 << 20]);
    let refused = add(&mut daemon, "two");
    assert!(refused.starts_with("couldn't save") && refused.to_lowercase().contains("no space left"), "{refused}");
    assert_eq!(daemon.torrents("\"name\"").len(), 1);
    std::fs::remove_file(&filler).expect("it was written above");
    assert_eq!(add(&mut daemon, "two"), "success");
    daemon.end();
    let mut daemon = Daemon::start(&home, &words);
    assert_eq!(daemon.torrents("\"name\"").len(), 2);
    daemon.end();
    drop(state);
}
