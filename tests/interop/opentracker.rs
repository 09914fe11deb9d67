//! Peers that know of each other through Debian's opentracker only, over UDP and over HTTP.

use std::net::{Ipv4Addr, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use sha1::{Digest, Sha1};

use crate::kit::PATIENCE;
use crate::kit::child::Child;
use crate::kit::peerlink;
use crate::network::Host;
use crate::others::{self, skip};
use crate::payloads::Scene;
use crate::udp_trackers::{meet, scene, start_seed};

const V4: Ipv4Addr = Ipv4Addr::LOCALHOST;

#[test]
fn two_meet_through_opentracker() {
    meet_through_opentracker("two_meet_through_opentracker", "udp");
}

#[test]
fn two_meet_through_opentracker_over_http() {
    meet_through_opentracker("two_meet_through_opentracker_over_http", "http");
}

fn meet_through_opentracker(test: &str, scheme: &str) {
    let Some(Meeting { scene, asker, .. }) = &with_opentracker(test, scheme) else { return };
    let seed = start_seed(scene, &[]);
    asker.until("the seed is known", |counts| counts == [0, 1]);
    meet(scene, seed, &[]);
    // Both said goodbye.
    asker.until("nobody is known", |counts| counts == [0, 0]);
}

/// Both directions: they hear of us, and we hear of them.
#[test]
fn libtorrent_and_we_meet_through_opentracker() {
    let test = "libtorrent_and_we_meet_through_opentracker";
    let python = match others::python() {
        Ok(python) => python,
        Err(why) => return skip(test, &why),
    };
    for scheme in ["udp", "http"] {
        let Some(Meeting { scene, asker, .. }) = &with_opentracker(test, scheme) else { return };
        let seed = start_seed(scene, &[]);
        asker.until("our seed is known", |counts| counts == [0, 1]);
        let theirs = scene.path("theirs");
        let mut leech = others::libtorrent_leech(&python, &scene.torrents, &theirs, None);
        leech.child.expect("completion", |line| (line == "complete").then_some(()));
        seed.terminate();
        seed.succeed();
        asker.until("only libtorrent is known", |counts| counts == [0, 1]);
        let ours = scene.path("ours");
        let get = peerlink::get(&scene.torrents, &ours, &scene.path("get-state"), &[]);
        Child::start("peerlink get", get).succeed();
        scene.check(&ours);
        others::libtorrent_end(leech);
        // Until it has ended, it may hold back what it has not written yet.
        scene.check(&theirs);
    }
}

/// A torrent, a tracker that serves it, and somebody to ask there who is known.
struct Meeting {
    scene: Scene,
    asker: Asker,
    _tracker: Child,
    /// Where the tracker lives.
    _folder: tempfile::TempDir,
}

fn with_opentracker(test: &str, scheme: &str) -> Option<Meeting> {
    if Command::new("opentracker").arg("-h").output().is_err() {
        skip(test, "opentracker is not installed");
        return None;
    }
    // The tracker is started first on a port that it is told, so the port is chosen for it.
    let port = Host::loopback().free_port();
    let scene = scene(&format!("{scheme}://127.0.0.1:{port}/announce"));
    let asker = Asker::new(port, Sha1::digest(scene.payloads[0].info()).into());
    // Not below the scene, which the tracker's user may not be able to enter.
    let folder = tempfile::tempdir().expect("a folder");
    let tracker = opentracker(folder.path(), &asker);
    Some(Meeting { scene, asker, _tracker: tracker, _folder: folder })
}

/// Debian's build serves listed torrents only, and gives up root for the user nobody in a folder of its own.
fn opentracker(dir: &Path, asker: &Asker) -> Child {
    use std::os::unix::fs::PermissionsExt;
    let hex: String = asker.hash.iter().map(|byte| format!("{byte:02x}")).collect();
    std::fs::write(dir.join("whitelist"), hex + "\n").expect("the test's own folder");
    std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o755)).expect("the test's own folder");
    let port = asker.port.to_string();
    let mut command = Command::new("opentracker");
    command.args(["-i", "127.0.0.1", "-p", &port, "-P", &port, "-w", "whitelist", "-u", "nobody", "-d"]).arg(dir);
    command.current_dir(dir);
    let tracker = Child::start("opentracker", command);
    asker.until("it serves the torrent", |_| true);
    tracker
}

/// Asks the tracker who is there, without being there itself.
struct Asker {
    socket: UdpSocket,
    port: u16,
    hash: [u8; 20],
}

impl Asker {
    fn new(port: u16, hash: [u8; 20]) -> Asker {
        let socket = UdpSocket::bind((V4, 0)).expect("a free port");
        socket.connect((V4, port)).expect("loopback");
        socket.set_read_timeout(Some(Duration::from_millis(50))).expect("not zero");
        Asker { socket, port, hash }
    }

    /// Asks until it counts so many that are not complete, and that are.
    fn until(&self, what: &str, is_it: impl Fn([u8; 2]) -> bool) {
        let end = Instant::now() + PATIENCE;
        let mut last = None;
        while Instant::now() < end {
            last = self.ask();
            match &last {
                Some(answer) if answer.starts_with(&[0, 0, 0, 1]) && is_it([answer[15], answer[19]]) => return,
                // Nothing came at all: the time-out was the pause already.
                None => {}
                Some(_) => std::thread::sleep(Duration::from_millis(20)),
            }
        }
        panic!("never: {what}; last answer: {last:?}");
    }

    fn ask(&self) -> Option<Vec<u8>> {
        let connected = self.exchange(&[&0x417_2710_1980_u64.to_be_bytes()[..], &[0; 4], b"abcd"].concat())?;
        let connection = connected.get(8..16)?;
        // A goodbye of somebody who was never there.
        let numbers = [0_u32, 0, 0, 0, 0, 1, 3, 0, 0, 50].map(u32::to_be_bytes).concat();
        let id = b"-TS0001-who-is-there";
        self.exchange(&[connection, &[0, 0, 0, 1], b"efgh", &self.hash, id, &numbers[..], &[0, 9]].concat())
    }

    fn exchange(&self, question: &[u8]) -> Option<Vec<u8>> {
        self.socket.send(question).ok()?;
        let mut answer = [0; 2048];
        let len = self.socket.recv(&mut answer).ok()?;
        Some(answer[..len].to_vec())
    }
}
