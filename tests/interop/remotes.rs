//! Other people's remote controls on a daemon: transmission-remote (Debian) and the Python package transmission-rpc.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::kit::child::Child;
use crate::kit::payload::Payload;
use crate::kit::peerlink::{Event, binary, folder};
use crate::others::skip;

/// A daemon on loopback that starts nothing by itself, and the port of its remote control.
fn daemon(dir: &Path) -> (Child, u16) {
    let mut command = Command::new(binary());
    command.env("HOME", dir).env_remove("XDG_CONFIG_HOME").env_remove("XDG_STATE_HOME");
    command.args([
        "daemon",
        "--json",
        "--rpc",
        "127.0.0.1:0",
        "--bind",
        "127.0.0.1",
        "-p",
        "0",
        "--no-dht",
        "--no-lsd",
        "--no-port-map",
    ]);
    command.args(["--rpc-user", "me", "--rpc-password", "secret", "--paused", "--dir"]).arg(dir.join("dl"));
    command.arg("--state-dir").arg(dir.join("state"));
    let mut child = Child::start("peerlink daemon", command);
    let port = child.expect("port", |line| Event::of(line, "listening").map(|event| event.number("rpc_port")));
    (child, port as u16)
}

fn runs(command: &mut Command) -> bool {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|s| s.success())
}

/// What it prints; panics unless it succeeds.
fn remote(port: u16, words: &[&str]) -> String {
    let mut command = Command::new("transmission-remote");
    command.arg(format!("127.0.0.1:{port}")).args(["--auth", "me:secret"]).args(words).stdin(Stdio::null());
    let ended = command.output().expect("it starts");
    let out = String::from_utf8_lossy(&ended.stdout).into_owned();
    assert!(ended.status.success(), "{words:?}: {out}{}", String::from_utf8_lossy(&ended.stderr));
    out
}

#[test]
fn transmission_remote() {
    if !runs(Command::new("transmission-remote").arg("-V")) {
        return skip("transmission-remote", "transmission-remote is not installed");
    }
    let dir = folder();
    let (mut child, port) = daemon(dir.path());
    let payload = Payload::files("album", &[("a.bin", 70_000), ("b.bin", 30_000)], 32 << 10);
    let torrent = payload.write_torrent(dir.path(), "album", Some("http://127.0.0.1:1/announce"));
    let torrent = torrent.to_str().expect("UTF-8");
    assert!(remote(port, &["-a", torrent]).contains("success"));
    let listed = remote(port, &["-l"]);
    assert!(listed.contains("album") && listed.contains("Stopped"), "{listed}");
    let info = remote(port, &["-t", "1", "-i"]);
    assert!(info.contains("Name: album") && info.contains("Piece Count: 4"), "{info}");
    let files = remote(port, &["-t", "1", "-f"]);
    assert!(files.contains("album (2 files):") && files.contains("album/b.bin"), "{files}");
    remote(port, &["-t", "1", "-G", "1"]);
    let files = remote(port, &["-t", "1", "-f"]);
    assert!(files.lines().any(|line| line.contains("No") && line.contains("album/b.bin")), "{files}");
    for (words, priority) in [(&["-t", "1", "-ph", "0"], "High"), (&["-t", "1", "-pl", "0"], "Low")] {
        remote(port, words);
        let files = remote(port, &["-t", "1", "-f"]);
        assert!(files.lines().any(|line| line.contains(priority) && line.contains("album/a.bin")), "{files}");
    }
    let trackers = remote(port, &["-t", "1", "-it"]);
    assert!(trackers.contains("Tracker 0: http://127.0.0.1:1"), "{trackers}");
    for words in [
        &["-t", "1", "-s"][..],
        &["-t", "1", "-S"],
        &["-t", "1", "-sr", "1.5"],
        &["-t", "1", "-d", "50"],
        &["-t", "1", "-L", "a,b"],
        &["-t", "1", "-pr", "7"],
        &["-t", "1", "-ip"],
        &["-t", "1", "-ic"],
        &["-t", "1", "--reannounce"],
        &["-t", "1", "-v"],
        &["-D"],
        &["-d", "500"],
        &["-as"],
        &["-AS"],
        &["-gsr", "2"],
    ] {
        let said = remote(port, words);
        assert!(!said.contains("Error"), "{words:?}: {said}");
    }
    let session = remote(port, &["-si"]);
    assert!(session.contains("Daemon version: 4.0.6 (peerlink") && session.contains("500 kB/s"), "{session}");
    assert!(remote(port, &["-st"]).contains("TOTAL"));
    remote(port, &["-t", "1", "--remove-and-delete"]);
    assert!(!remote(port, &["-l"]).contains("album"));
    remote(port, &["--exit"]);
    child.expect("the torrent that was added", |line| Event::of(line, "added").map(drop));
    child.succeed();
}

/// A python that has the package: `PEERLINK_PYTHON`, or the one of `scripts/test --install`.
fn python() -> Option<PathBuf> {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("target");
    let named = std::env::var_os("PEERLINK_PYTHON").map(PathBuf::from);
    let known = named.into_iter().chain([target.join("venv/bin/python"), "python3".into()]);
    known.into_iter().find(|python| runs(Command::new(python).args(["-c", "import transmission_rpc"])))
}

#[test]
fn the_python_package() {
    let Some(python) = python() else { return skip("transmission-rpc", "transmission-rpc is not installed") };
    let dir = folder();
    let (child, port) = daemon(dir.path());
    let payload = Payload::files("album", &[("a.bin", 70_000), ("b.bin", 30_000)], 32 << 10);
    let torrent = payload.write_torrent(dir.path(), "album", Some("http://127.0.0.1:1/announce"));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/transmission_rpc_client.py");
    let ended = Command::new(python).arg(script).arg(port.to_string()).arg(torrent).output().expect("it starts");
    let (out, err) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    assert!(ended.status.success() && out.trim() == "fine", "{out}{err}");
    child.terminate();
    child.succeed();
}
