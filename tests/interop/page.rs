//! Chromium on the daemon's page, driven by Playwright: torrents are added, watched, stopped, chosen from, and removed,
//! and settings are changed, by mouse and keys, at a desk and on a phone.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::browser::browser;
use crate::kit::child::Child;
use crate::kit::payload::Payload;
use crate::kit::peerlink::{Event, binary, folder};
use crate::kit::seed::Seed;
use crate::kit::tracker::Tracker;
use crate::others::skip;

/// A name that would do something if a page made HTML of it.
const SCRIPT: &str = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'<script>";

/// The folder of the npm package: `PEERLINK_PLAYWRIGHT`, or the one of `scripts/test --install`.
fn playwright() -> Option<PathBuf> {
    let installed = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/npm/node_modules/playwright-core");
    let named = std::env::var_os("PEERLINK_PLAYWRIGHT").map(PathBuf::from);
    named.into_iter().chain([installed]).find(|folder| folder.join("index.mjs").exists())
}

#[test]
fn people_use_the_page() {
    let Some(browser) = browser() else { return skip("page", "chromium is not installed") };
    let Some(package) = playwright() else { return skip("page", "playwright-core is not installed") };
    let dir = folder();
    let torrents = dir.path().join("torrents");
    std::fs::create_dir(&torrents).expect("the test's own folder");
    let album = Payload::files("album", &[("one.bin", 3_000_000), ("more/two.bin", 500_000)], 64 << 10);
    let film = Payload::single("film.bin", 200_000, 32 << 10);
    let named = Payload::single(SCRIPT.replace('/', ""), 1000, 16 << 10);
    let seed = Seed::new(&[album.clone(), film.clone()]);
    let tracker = Tracker::naming(TcpListener::bind("127.0.0.1:0").expect("a free port"), seed.address);
    for (payload, name) in [(&album, "album"), (&film, "film"), (&named, "named")] {
        payload.write_torrent(&torrents, name, Some(&tracker.url));
    }
    let mut command = Command::new(binary());
    command.env("HOME", dir.path()).env_remove("XDG_CONFIG_HOME").env_remove("XDG_STATE_HOME");
    command.args(["daemon", "--json", "--rpc", "127.0.0.1:0", "--bind", "127.0.0.1", "-p", "0"]);
    command.args(["--no-dht", "--no-lsd", "--rpc-user", "me", "--rpc-password", "secret", "--dir"]);
    command.arg(dir.path().join("dl")).arg("--state-dir").arg(dir.path().join("state"));
    let mut daemon = Child::start("peerlink daemon", command);
    let port = daemon.expect("port", |line| Event::of(line, "listening").map(|event| event.number("rpc_port")));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/page.mjs");
    let mut person = Command::new("node");
    person.arg(script).arg(package).arg(browser).arg(format!("http://127.0.0.1:{port}/")).arg(&torrents);
    // Where somebody wants to look at it himself.
    person.args(std::env::var_os("PEERLINK_PICTURES"));
    let ended = person.stdin(Stdio::null()).output().expect("it starts");
    let (out, err) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    assert!(ended.status.success() && out.trim_end().ends_with("fine"), "{out}{err}");
    let film_here = std::fs::read(dir.path().join("dl/film.bin")).expect("it was downloaded");
    assert!(film_here == film.contents()[0], "the film is whole");
    assert!(!dir.path().join("dl/album").exists(), "its data was deleted with it");
    daemon.terminate();
    daemon.succeed();
}
