//! Through a tracker: peers are found, and every event is told once with right numbers.

use crate::kit::child::Child;
use crate::kit::payload::Payload;
use crate::kit::peerlink;
use crate::kit::tracker::{Announce, Tracker};
use crate::others::{self, skip};
use crate::payloads::Scene;

#[test]
fn libtorrent_is_found_and_every_event_told_once() {
    let python = match others::python() {
        Ok(python) => python,
        Err(why) => return skip("libtorrent_is_found_and_every_event_told_once", &why),
    };
    let tracker = Tracker::new();
    let scene = Scene::new(vec![Payload::single("found.bin", 5_000_001, 64 << 10)], Some(&tracker.url));
    let seed = others::libtorrent_seed(&python, &scene.torrents, &scene.source(), 0);
    tracker.wait_for("seed's announce", |announce| !announce.is_of("-PL"));
    found_and_told(&scene, &tracker);
    drop(seed);
}

#[test]
fn aria2_is_found_and_every_event_told_once() {
    if let Err(why) = others::aria2() {
        return skip("aria2_is_found_and_every_event_told_once", &why);
    }
    let tracker = Tracker::new();
    let scene = Scene::new(vec![Payload::single("found.bin", 5_000_001, 64 << 10)], Some(&tracker.url));
    let seed = others::aria2_seed(&scene.torrents, &scene.source(), 0);
    tracker.wait_for("seed's announce", |announce| !announce.is_of("-PL"));
    found_and_told(&scene, &tracker);
    drop(seed);
}

fn found_and_told(scene: &Scene, tracker: &Tracker) {
    let dir = scene.path("got");
    Child::start("peerlink get", peerlink::get(&scene.torrents, &dir, &scene.path("state"), &[])).succeed();
    scene.check(&dir);
    let total = scene.payloads[0].total_len;
    let ours: Vec<Announce> = tracker.announces().into_iter().filter(|announce| announce.is_of("-PL")).collect();
    let events: Vec<String> = ours.iter().map(|announce| announce.text("event")).collect();
    assert_eq!(events, ["started", "completed", "stopped"]);
    let numbers = |key: &str| ours.iter().map(|announce| announce.number(key)).collect::<Vec<_>>();
    assert_eq!(numbers("left"), [total, 0, 0]);
    assert_eq!(numbers("downloaded"), [0, total, total]);
    assert_eq!(numbers("uploaded"), [0, 0, 0]);
    assert_eq!(numbers("compact"), [1, 1, 1]);
    assert!(ours.iter().all(|announce| announce.text("port") == ours[0].text("port")));
    assert!(ours.iter().all(|announce| announce.text("key") == ours[0].text("key")));
}

/// A seed says `started` and `stopped`, and never `completed`.
#[test]
fn what_was_always_there_never_completes() {
    let tracker = Tracker::new();
    let scene = Scene::new(vec![Payload::single("there.bin", 100_001, 16 << 10)], Some(&tracker.url));
    let (seed, _) = peerlink::start_seed(&scene.torrents, &scene.source(), &scene.path("state"));
    tracker.wait_for("announce", |announce| announce.is_of("-PL"));
    seed.terminate();
    seed.succeed();
    let events: Vec<String> = tracker.announces().iter().map(|announce| announce.text("event")).collect();
    assert_eq!(events, ["started", "stopped"]);
    assert!(tracker.announces().iter().all(|announce| announce.number("left") == 0));
}
