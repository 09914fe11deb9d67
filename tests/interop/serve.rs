//! Other people's clients that know of each other through `peerlink serve` only, over HTTP and over UDP.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::daemons::Daemon;
use crate::kit::PATIENCE;
use crate::kit::child::Child;
use crate::kit::payload::Payload;
use crate::kit::peerlink::{Event, binary, folder};
use crate::network::{Host, Network};
use crate::others::{self, skip};
use crate::payloads::Scene;

#[test]
fn three_clients_pass_a_file_on_over_http() {
    pass_on("three_clients_pass_a_file_on_over_http", "http");
}

#[test]
fn three_clients_pass_a_file_on_over_udp() {
    pass_on("three_clients_pass_a_file_on_over_udp", "udp");
}

/// From libtorrent to transmission, to aria2, to another libtorrent: each fetches from the one before, which is the
/// only other one there.
fn pass_on(test: &str, scheme: &str) {
    let are_here = others::aria2().and_then(|()| Daemon::Transmission.is_here()).and_then(|()| others::python());
    let (python, network) = match are_here.and_then(|python| Ok((python, Network::new(5)?))) {
        Ok(found) => found,
        Err(why) => return skip(test, &why),
    };
    let [at_server, first, second, third, last] = &network.hosts[..] else { panic!("as many as asked for") };
    let server = Server::start(at_server);
    let payload = Payload::single("passed on.bin", 3_000_001, 64 << 10);
    let scene = Scene::new(vec![payload], Some(&format!("{scheme}://{}/announce", server.address)));
    let (file, torrents) = (&scene.payloads[0], &scene.torrents);

    let libtorrent = others::libtorrent_seed_at(first, &python, torrents, &scene.source(), 0);
    server.until("libtorrent seeds", &["\"seeds\":1,\"leechers\":0"]);

    let (dir, work) = (scene.path("transmission"), scene.path("work"));
    let mut transmission = Daemon::Transmission.start(second, torrents, &dir, &work);
    Daemon::Transmission.complete(&mut transmission);
    Daemon::Transmission.check(file, &dir);
    server.until("transmission seeds, too", &["\"seeds\":2,\"leechers\":0"]);
    // Killed, so that nobody's goodbye has to be waited for: who is still counted, but gone, sends nothing.
    libtorrent.child.kill();

    let dir = scene.path("aria2");
    let aria2 = others::aria2_member_by(scheme, third, torrents, &dir);
    server.until("aria2 seeds, too", &["\"seeds\":3,\"leechers\":0"]);
    file.check_files(&dir);
    transmission.child.kill();

    let dir = scene.path("libtorrent");
    let mut libtorrent = others::libtorrent_leech_at(last, &python, torrents, &dir, None);
    libtorrent.child.expect("completion", |line| (line == "complete").then_some(()));
    file.check_files(&dir);
    let other = if scheme == "udp" { "http" } else { "udp" };
    let told = ["\"seeds\":4,\"leechers\":0".to_string(), format!("\"announces_{other}\":0")];
    server.until("all are counted", &[&told[0], &told[1]]);
    others::libtorrent_end(libtorrent);
    aria2.child.kill();
}

/// The client of the npm package `bittorrent-tracker`, which web clients use, too.
#[test]
fn npm_clients_meet() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/npm/node_modules/bittorrent-tracker");
    let mut node = Command::new("node");
    node.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if !package.join("index.js").exists() || !node.status().is_ok_and(|status| status.success()) {
        return skip("npm_clients_meet", "bittorrent-tracker is not installed (scripts/test --install)");
    }
    for scheme in ["http", "udp"] {
        let server = Server::start(&Host::loopback());
        let mut node = Command::new("node");
        node.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/bittorrent_tracker.mjs"));
        node.arg(&package).arg(format!("{scheme}://{}/announce", server.address));
        let lines = Child::start("bittorrent-tracker", node).succeed();
        assert_eq!(
            lines,
            [
                "seed started: complete 1 incomplete 0 peers []",
                "leech started: complete 1 incomplete 1 peers [127.0.0.1:1001]",
                "seed again: complete 1 incomplete 1 peers [127.0.0.1:1002]",
                "scraped: complete 1 incomplete 1 downloaded 0",
                // Seeds are not told of seeds.
                "leech completed: complete 2 incomplete 0 peers []",
                "left: complete 1",
                "left: complete 0",
            ],
            "{scheme}"
        );
    }
}

/// `peerlink serve` on a host.
struct Server {
    host: Host,
    address: SocketAddr,
    _child: Child,
    _folder: tempfile::TempDir,
}

impl Server {
    fn start(host: &Host) -> Server {
        let folder = folder();
        let mut command = Command::new(binary());
        command.args(["serve", "--json", "--bind"]).arg(SocketAddr::new(host.ip, 0).to_string());
        command.arg("--state-dir").arg(folder.path().join("state"));
        let mut child = Child::start("peerlink serve", host.enter(command));
        let port = child.expect("port", |line| Event::of(line, "listening").map(|event| event.number("port")));
        Server { address: SocketAddr::new(host.ip, port as u16), host: host.clone(), _child: child, _folder: folder }
    }

    /// Asks for its numbers until they have all of this.
    fn until(&self, what: &str, parts: &[&str]) {
        let end = Instant::now() + PATIENCE;
        let mut stats = String::new();
        while Instant::now() < end {
            stats = self.stats();
            if parts.iter().all(|part| stats.contains(part)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("never: {what}; last: {stats}");
    }

    fn stats(&self) -> String {
        let address = self.address;
        let mut stream = self.host.inside(|| TcpStream::connect(address)).expect("it listens");
        stream.write_all(b"GET /stats HTTP/1.0\r\n\r\n").expect("it reads");
        let mut reply = String::new();
        stream.read_to_string(&mut reply).expect("it answers");
        reply
    }
}
