//! Magnet links between us and others, both ways, by each way to peers alone: a tracker, an address in the link, the
//! local network. The DHT has tests of its own; peers of peers are tried between our own processes, since libtorrent
//! heard of the seed after a second at one time and not within the test's patience at another. aria2 reads no
//! addresses in links, and hears of others on the local network only after minutes: links are tried from it alone.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use peerlink::metainfo::parse::parse;
use peerlink::wire::url::percent_encode;

use crate::kit::child::Child;
use crate::kit::payload::Payload;
use crate::kit::peerlink::{self as ours, Event};
use crate::kit::tracker::Tracker;
use crate::others::{self, Other, skip};
use crate::payloads::Scene;

/// A torrent of 16 MiB without a tracker.
fn scene() -> Scene {
    Scene::new(vec![Payload::single("link.bin", 16 << 20, 256 << 10)], None)
}

/// The link of the scene's torrent, with this besides.
fn link(scene: &Scene, more: &str) -> String {
    let bytes = std::fs::read(&scene.torrents[0]).expect("the test's own torrent");
    format!("magnet:?xt=urn:btih:{}{more}", parse(&bytes).expect("a torrent").info_hash)
}

fn by_tracker(tracker: &Tracker) -> String {
    format!("&tr={}", percent_encode(tracker.url.as_bytes()))
}

fn by_address(address: SocketAddr) -> String {
    format!("&x.pe={address}")
}

/// Downloads a link with peerlink and says how long that took.
fn we_get(scene: &Scene, cell: &str, link: &str, lsd: bool) {
    let (dir, state) = (scene.path(cell), scene.path(&format!("{cell}-state")));
    let mut command = ours::command(&["get", link, "--timeout", "60s"], &state);
    command.arg("--dir").arg(&dir).env("PEERLINK_NO_LSD", if lsd { "false" } else { "true" });
    let start = Instant::now();
    Child::start(&format!("peerlink get, {cell}"), command).succeed();
    println!("magnet {cell}: {:.2} s", start.elapsed().as_secs_f64());
    scene.check(&dir);
}

/// peerlink sharing the scene's torrent.
fn we_seed(scene: &Scene, name: &str, more: &[&str], lsd: bool) -> (Child, SocketAddr) {
    let mut command = ours::seed(&scene.torrents, &scene.source(), &scene.path(name));
    command.args(more).env("PEERLINK_NO_LSD", if lsd { "false" } else { "true" });
    let mut child = Child::start("peerlink seed", command);
    let port = child.expect("port", |line| Event::of(line, "listening").map(|event| event.number("port")));
    child.expect("shared torrent", |line| Event::of(line, "complete").map(drop));
    (child, SocketAddr::from(([127, 0, 0, 1], port as u16)))
}

fn end(seed: Child) {
    seed.terminate();
    seed.succeed();
}

/// libtorrent with a torrent or a link, with or without local discovery.
fn libtorrent(python: &Path, role: &[&str], dir: &Path, subject: &str, lsd: bool) -> Other {
    let mut command = Command::new(python);
    command.env("LSD", if lsd { "1" } else { "" }).env("PEX", "1");
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/libtorrent_peer.py"));
    command.arg(role[0]).arg(dir).arg("0").args(&role[1..]).arg(subject);
    let mut child = Child::start("libtorrent", command);
    let port: u16 = child.expect("port", |line| line.strip_prefix("listening ")?.parse().ok());
    let word = if role[0] == "seed" { "seeding" } else { "complete" };
    child.expect(word, |line| (line == word).then_some(()));
    Other { child, address: SocketAddr::from(([127, 0, 0, 1], port)) }
}

/// libtorrent downloads a link.
fn it_gets(scene: &Scene, python: &Path, cell: &str, link: &str, lsd: bool) {
    let dir = scene.path(cell);
    let start = Instant::now();
    let other = libtorrent(python, &["leech", "-"], &dir, link, lsd);
    println!("magnet {cell}: {:.2} s", start.elapsed().as_secs_f64());
    others::libtorrent_end(other);
    scene.check(&dir);
}

#[test]
fn links_from_libtorrent() {
    let python = match others::python() {
        Ok(python) => python,
        Err(why) => return skip("links_from_libtorrent", &why),
    };
    let scene = scene();
    let torrent = scene.torrents[0].to_str().expect("UTF-8").to_string();
    let seed = libtorrent(&python, &["seed"], &scene.source(), &torrent, true);
    we_get(&scene, "from libtorrent by address", &link(&scene, &by_address(seed.address)), false);
    we_get(&scene, "from libtorrent on the local network", &link(&scene, ""), true);
    others::libtorrent_end(seed);
    let tracker = Tracker::new();
    let tracked = scene.more_torrents("tracked", Some(&tracker.url));
    let seed = others::libtorrent_seed(&python, &tracked, &scene.source(), 0);
    tracker.wait_for("libtorrent's announce", |announce| !announce.is_of("-PL"));
    we_get(&scene, "from libtorrent by tracker", &link(&scene, &by_tracker(&tracker)), false);
    others::libtorrent_end(seed);
}

#[test]
fn links_to_libtorrent() {
    let python = match others::python() {
        Ok(python) => python,
        Err(why) => return skip("links_to_libtorrent", &why),
    };
    let scene = scene();
    let tracker = Tracker::new();
    let (seed, address) = we_seed(&scene, "seed", &["--tracker", &tracker.url], true);
    tracker.wait_for("announce of ours", |announce| announce.is_of("-PL"));
    it_gets(&scene, &python, "to libtorrent by address", &link(&scene, &by_address(address)), false);
    it_gets(&scene, &python, "to libtorrent by tracker", &link(&scene, &by_tracker(&tracker)), false);
    it_gets(&scene, &python, "to libtorrent on the local network", &link(&scene, ""), true);
    end(seed);
}

#[test]
fn links_from_and_to_aria2() {
    if let Err(why) = others::aria2() {
        return skip("links_from_and_to_aria2", &why);
    }
    let scene = scene();
    let tracker = Tracker::new();
    let tracked = scene.more_torrents("tracked", Some(&tracker.url));
    let seed = others::aria2_seed(&tracked, &scene.source(), 0);
    tracker.wait_for("aria2's announce", |announce| !announce.is_of("-PL"));
    we_get(&scene, "from aria2 by address", &link(&scene, &by_address(seed.address)), false);
    we_get(&scene, "from aria2 by tracker", &link(&scene, &by_tracker(&tracker)), false);
    seed.child.terminate();
    seed.child.finish();
}
