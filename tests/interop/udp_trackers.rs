//! Peers that know of each other through a UDP tracker only: one of our own.

use std::net::{IpAddr, Ipv6Addr, SocketAddr, UdpSocket};

use sha1::{Digest, Sha1};

use crate::kit::child::Child;
use crate::kit::payload::Payload;
use crate::kit::peerlink::{self, Event};
use crate::kit::udp_tracker::{Announce, UdpTracker};
use crate::others::skip;
use crate::payloads::Scene;

const V4: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

pub fn scene(url: &str) -> Scene {
    Scene::new(vec![Payload::single("found.bin", 3_000_001, 64 << 10)], Some(url))
}

/// A download finds the seed and is complete; both ports.
pub fn meet(scene: &Scene, seed: Child, flags: &[&str]) {
    let dir = scene.path("got");
    let mut get = peerlink::get(&scene.torrents, &dir, &scene.path("get-state"), &[]);
    get.args(flags);
    Child::start("peerlink get", get).succeed();
    scene.check(&dir);
    seed.terminate();
    seed.succeed();
}

pub fn start_seed(scene: &Scene, flags: &[&str]) -> Child {
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
