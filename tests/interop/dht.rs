//! Through the DHT alone: nodes of libtorrent and we find each other's peers, and two of us find each other.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::kit::child::Child;
use crate::kit::payload::Payload;
use crate::kit::peerlink::{self, Event};
use crate::network::Host;
use crate::others::{self, skip};
use crate::payloads::Scene;

/// A DHT of libtorrent nodes on this host, one of which may share a torrent with its data, and where to begin in it.
/// Away from loopback the nodes have addresses in 10.78.x.y.
pub fn libtorrent_dht(host: &Host, python: &Path, shared: &[&Path]) -> (Child, Vec<SocketAddr>) {
    // transmission announces nothing to fewer than nine.
    const NODES: usize = 12;
    let mut command = Command::new(python);
    command.env("NET", if host.ip.is_loopback() { "127.0" } else { "10.78" });
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/libtorrent_dht.py"));
    command.arg(NODES.to_string()).args(shared);
    let mut child = Child::start("libtorrent dht", host.enter(command));
    let nodes = (0..NODES).map(|_| child.expect("node", |line| line.strip_prefix("node ")?.parse().ok()));
    let nodes = nodes.collect();
    (child, nodes)
}

/// The same command, with the DHT that these nodes make.
fn with_dht(mut command: Command, nodes: &[SocketAddr]) -> Command {
    command.env_remove("PEERLINK_NO_DHT");
    command.args(nodes.iter().take(2).flat_map(|node| ["--dht-bootstrap".to_string(), node.to_string()]));
    command
}

#[test]
fn peers_are_found_by_the_dht_alone() {
    let python = match others::python() {
        Ok(python) => python,
        Err(why) => return skip("peers_are_found_by_the_dht_alone", &why),
    };
    let payloads = ["theirs.bin", "ours.bin"].map(|name| Payload::single(name, 2_000_001, 64 << 10));
    let scene = Scene::new(payloads.into(), None);
    let [theirs, ours] = &scene.torrents[..] else { panic!("two torrents") };
    let (mut dht, nodes) = libtorrent_dht(&Host::loopback(), &python, &[&scene.source(), theirs]);
    let got = scene.path("got");
    let get = |torrent: &PathBuf, state: &str| {
        let command = peerlink::get(std::slice::from_ref(torrent), &got, &scene.path(state), &[]);
        Child::start("peerlink get", with_dht(command, &nodes)).succeed();
    };

    // libtorrent announces, we find it.
    get(theirs, "state-theirs");

    // We announce, libtorrent finds us, and so does another one of us.
    let command = peerlink::seed(std::slice::from_ref(ours), &scene.source(), &scene.path("state-seed"));
    let mut seed = Child::start("peerlink seed", with_dht(command, &nodes));
    let port = seed.expect("port", |line| Event::of(line, "listening").map(|event| event.number("port")));
    let info_hash =
        seed.expect("sharing", |line| Event::of(line, "complete").map(|event| event.text("info_hash").to_string()));
    dht.tell(&format!("find {info_hash}\n"));
    let found = dht.expect("our peer", |line| line.strip_prefix(&format!("found {info_hash} ")).map(str::to_string));
    assert_eq!(found, format!("127.0.0.1:{port}"));
    get(ours, "state-ours");
    scene.check(&got);

    // What it learnt is there for the next run.
    seed.terminate();
    seed.succeed();
    let saved = std::fs::read(scene.path("state-seed").join("dht.state")).expect("the table was saved");
    assert!(saved.len() > 100, "{} bytes", saved.len());
}
