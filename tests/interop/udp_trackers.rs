//! Peers that know of each other through a UDP tracker only: one of our own, and Debian's opentracker.

use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use sha1::{Digest, Sha1};

use crate::kit::PATIENCE;
use crate::kit::child::Child;
use crate::kit::payload::Payload;
use crate::kit::peerlink::{self, Event};
use crate::kit::udp_tracker::{Announce, UdpTracker};
use crate::others::skip;
use crate::payloads::Scene;

const V4: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

fn scene(url: &str) -> Scene {
    Scene::new(vec![Payload::single("found.bin", 3_000_001, 64 << 10)], Some(url))
}

/// A download finds the seed and is complete; both ports.
fn meet(scene: &Scene, seed: Child, flags: &[&str]) {
    let dir = scene.path("got");
    let mut get = peerlink::get(&scene.torrents, &dir, &scene.path("get-state"), &[]);
    get.args(flags);
    Child::start("peerlink get", get).succeed();
    scene.check(&dir);
    seed.terminate();
    seed.succeed();
}

fn start_seed(scene: &Scene, flags: &[&str]) -> Child {
    let mut seed = peerlink::seed(&scene.torrents, &scene.source(), &scene.path("seed-state"));
    seed.args(flags);
    let mut child = Child::start("peerlink seed", seed);
    child.expect("shared torrent", |line| Event::of(line, "complete").map(drop));
    child
}

#[test]
fn two_meet_and_every_event_is_told_once() {
    let tracker = UdpTracker::new(V4);
    let scene = scene(&tracker.url);
    let seed = start_seed(&scene, &[]);
    tracker.wait_for("seed's announce", |announce| announce.left == 0);
    meet(&scene, seed, &[]);
    let total = scene.payloads[0].total_len;
    let all = tracker.announces();
    let of = |id: &[u8]| all.iter().filter(|announce| announce.peer_id == id).collect::<Vec<&Announce>>();
    let seed = of(&all[0].peer_id);
    assert_eq!(seed.iter().map(|a| a.event).collect::<Vec<_>>(), [2, 3]);
    assert_eq!(seed.iter().map(|a| a.uploaded).collect::<Vec<_>>(), [0, total]);
    let get = of(&all[1].peer_id);
    assert_eq!(get.iter().map(|a| a.event).collect::<Vec<_>>(), [2, 1, 3]);
    assert_eq!(get.iter().map(|a| a.left).collect::<Vec<_>>(), [total, 0, 0]);
    assert_eq!(get.iter().map(|a| a.downloaded).collect::<Vec<_>>(), [0, total, total]);
    for announce in &all {
        assert_eq!(announce.target, "/announce?key=x");
        assert_eq!(announce.info_hash, Sha1::digest(scene.payloads[0].info()).to_vec());
        // One port for both protocols.
        assert_eq!(announce.from, SocketAddr::new(V4, announce.port));
        assert!(announce.peer_id.starts_with(b"-PL"));
    }
    assert!(get.iter().all(|announce| announce.key == get[0].key));
}

#[test]
fn two_meet_over_ipv6() {
    if UdpSocket::bind((V6, 0)).is_err() {
        return skip("two_meet_over_ipv6", "no IPv6 here");
    }
    let tracker = UdpTracker::new(V6);
    let scene = scene(&tracker.url);
    let seed = start_seed(&scene, &["--bind", "::1"]);
    tracker.wait_for("seed's announce", |announce| announce.left == 0);
    meet(&scene, seed, &["--bind", "::1"]);
    assert!(tracker.announces().iter().all(|announce| announce.from.ip() == V6));
}

/// `localhost` may be both families; only one of them has a tracker.
#[test]
fn a_tracker_of_one_family_is_found_by_its_name() {
    let tracker = UdpTracker::new(V4);
    let scene = scene(&tracker.url.replace("127.0.0.1", "localhost"));
    let seed = start_seed(&scene, &[]);
    tracker.wait_for("seed's announce", |announce| announce.left == 0);
    meet(&scene, seed, &[]);
}

#[test]
fn a_refusal_is_shown() {
    let tracker = UdpTracker::refusing("go\x1b[2J away");
    let scene = scene(&tracker.url);
    let mut seed = start_seed(&scene, &[]);
    let text = seed.expect("refusal", |line| {
        let event = Event::of(line, "progress")?;
        Some(event.text("tracker_trouble").to_string()).filter(|text| !text.is_empty())
    });
    assert!(text.contains("go [2J away") && !text.contains("key=x"), "{text}");
    seed.terminate();
    seed.succeed();
}

#[test]
fn two_meet_through_opentracker() {
    if Command::new("opentracker").arg("-h").output().is_err() {
        return skip("two_meet_through_opentracker", "opentracker is not installed");
    }
    let folder = tempfile::tempdir().expect("a folder");
    // The tracker is started first on a port that it is told, so the port is chosen for it.
    let port = free_port();
    let scene = scene(&format!("udp://127.0.0.1:{port}/announce"));
    let hash: [u8; 20] = Sha1::digest(scene.payloads[0].info()).into();
    let tracker = opentracker(folder.path(), port, &hash);
    let seed = start_seed(&scene, &[]);
    let asker = Asker::new(port);
    asker.until("the seed is known", &hash, |counts| counts == [0, 1]);
    meet(&scene, seed, &[]);
    // Both said goodbye.
    asker.until("nobody is known", &hash, |counts| counts == [0, 0]);
    drop(tracker);
}

/// Debian's build serves listed torrents only, and gives up root for the user nobody in a folder of its own.
fn opentracker(dir: &Path, port: u16, hash: &[u8; 20]) -> Child {
    use std::os::unix::fs::PermissionsExt;
    let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    std::fs::write(dir.join("whitelist"), hex + "\n").expect("the test's own folder");
    std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o755)).expect("the test's own folder");
    let port = port.to_string();
    let mut command = Command::new("opentracker");
    command.args(["-i", "127.0.0.1", "-p", &port, "-P", &port, "-w", "whitelist", "-u", "nobody", "-d"]).arg(dir);
    command.current_dir(dir);
    let tracker = Child::start("opentracker", command);
    Asker::new(port.parse().expect("it was a number")).until("it serves the torrent", hash, |_| true);
    tracker
}

/// A port that is free for TCP and UDP.
fn free_port() -> u16 {
    loop {
        let tcp = TcpListener::bind((V4, 0)).expect("a free port");
        let port = tcp.local_addr().expect("it is bound").port();
        if UdpSocket::bind((V4, port)).is_ok() {
            return port;
        }
    }
}

/// Asks the tracker who is there, without being there itself.
struct Asker {
    socket: UdpSocket,
}

impl Asker {
    fn new(port: u16) -> Asker {
        let socket = UdpSocket::bind((V4, 0)).expect("a free port");
        socket.connect((V4, port)).expect("loopback");
        socket.set_read_timeout(Some(Duration::from_millis(50))).expect("not zero");
        Asker { socket }
    }

    /// Asks until it counts so many that are not complete, and that are.
    fn until(&self, what: &str, hash: &[u8; 20], is_it: impl Fn([u8; 2]) -> bool) {
        let end = Instant::now() + PATIENCE;
        let mut last = None;
        while Instant::now() < end {
            last = self.ask(hash);
            match &last {
                Some(answer) if answer.starts_with(&[0, 0, 0, 1]) && is_it([answer[15], answer[19]]) => return,
                // Nothing came at all: the time-out was the pause already.
                None => {}
                Some(_) => std::thread::sleep(Duration::from_millis(20)),
            }
        }
        panic!("never: {what}; last answer: {last:?}");
    }

    fn ask(&self, hash: &[u8; 20]) -> Option<Vec<u8>> {
        let connected = self.exchange(&[&0x417_2710_1980_u64.to_be_bytes()[..], &[0; 4], b"abcd"].concat())?;
        let connection = connected.get(8..16)?;
        // A goodbye of somebody who was never there.
        let numbers = [0_u32, 0, 0, 0, 0, 1, 3, 0, 0, 50].map(u32::to_be_bytes).concat();
        let id = b"-TS0001-who-is-there";
        self.exchange(&[connection, &[0, 0, 0, 1], b"efgh", hash, id, &numbers[..], &[0, 9]].concat())
    }

    fn exchange(&self, question: &[u8]) -> Option<Vec<u8>> {
        self.socket.send(question).ok()?;
        let mut answer = [0; 2048];
        let len = self.socket.recv(&mut answer).ok()?;
        Some(answer[..len].to_vec())
    }
}
