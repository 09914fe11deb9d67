//! What trackers hear of a run from its start to its end, however it ends and whatever happens to them meanwhile.

use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use crate::kit::PATIENCE;
use crate::kit::child::Child;
use crate::kit::payload::Payload;
use crate::kit::peerlink::{self, Event};
use crate::kit::seed::Seed;
use crate::kit::tracker::Tracker;
use crate::kit::udp_tracker::UdpTracker;

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// A life, told once each.
const ALL: [&str; 3] = ["started", "completed", "stopped"];

/// A seed that gives nothing before it is told to, and a download from it.
struct Scene {
    folder: tempfile::TempDir,
    payload: Payload,
    torrent: PathBuf,
    seed: Seed,
    gate: Sender<()>,
    begun: Receiver<()>,
}

fn scene() -> Scene {
    let folder = peerlink::folder();
    let payload = Payload::single("told.bin", 600_001, 32 << 10);
    let torrent = payload.write_torrent(folder.path(), "told", None);
    let (gate, opened) = channel::<()>();
    let (tell, begun) = channel();
    let opened = Mutex::new(opened);
    let hold = move || {
        let _ = tell.send(());
        // Open for good once the test let go of it.
        let _ = opened.lock().expect("nobody panics with it").recv();
    };
    let seed = Seed::with(std::slice::from_ref(&payload), None, hold);
    Scene { folder, payload, torrent, seed, gate, begun }
}

impl Scene {
    /// Each word is a tier.
    fn get(&self, tiers: &[&str], flags: &[&str]) -> Command {
        let (dir, state) = (self.folder.path().join("data"), self.folder.path().join("state"));
        let mut get = peerlink::get(std::slice::from_ref(&self.torrent), &dir, &state, &[self.seed.address]);
        get.args(tiers.iter().flat_map(|tier| ["--tracker", tier])).args(flags);
        get
    }

    /// It asks for data, which it does not get yet.
    fn half_way(&self, tiers: &[&str], flags: &[&str]) -> Child {
        let get = Child::start("peerlink get", self.get(tiers, flags));
        self.begun.recv_timeout(PATIENCE).expect("it asks for data");
        get
    }

    /// The data comes, and the download ends by itself.
    fn finish(self, get: Child) -> Duration {
        let began = Instant::now();
        drop(self.gate);
        get.succeed();
        self.payload.check_files(&self.folder.path().join("data"));
        began.elapsed()
    }
}

/// Looks until it is so.
fn until(what: &str, is_so: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A port where nobody listens.
fn nobody() -> u16 {
    TcpListener::bind((V4, 0)).and_then(|listener| listener.local_addr()).expect("a free port").port()
}

#[test]
fn a_life_is_told_to_the_first_that_works_of_every_tier() {
    let (http, udp) = (Tracker::new(), UdpTracker::new(V4));
    let (dead, dead_udp) = (nobody(), nobody());
    let scene = scene();
    let tiers = [
        &format!("http://127.0.0.1:{dead}/announce,{}", http.url),
        &format!("udp://127.0.0.1:{dead_udp}/announce"),
        &udp.url,
    ];
    let get = scene.half_way(&tiers.map(String::as_str), &[]);
    http.wait_for("start", |announce| announce.text("event") == "started");
    udp.wait_for("start", |announce| announce.event == 2);
    scene.finish(get);
    assert_eq!(http.events(), ALL);
    assert_eq!(udp.events(), ALL);
}

#[test]
fn one_tracker_of_a_tier_or_all() {
    for (flags, count) in [(&[][..], 1), (&["--announce-all"], 3)] {
        let (a, b, c) = (Tracker::new(), Tracker::new(), UdpTracker::new(V4));
        let scene = scene();
        let get = scene.half_way(&[&format!("{},{},{}", a.url, b.url, c.url)], flags);
        let all = || [a.events(), b.events(), c.events().iter().map(|event| event.to_string()).collect()];
        let told = || all().iter().filter(|events| !events.is_empty()).count();
        until("started", || told() >= count);
        scene.finish(get);
        let told: Vec<Vec<String>> = all().into_iter().filter(|events| !events.is_empty()).collect();
        assert_eq!(told, vec![ALL.map(str::to_string).to_vec(); count]);
    }
}

#[test]
fn another_of_the_tier_takes_over_from_one_that_dies() {
    let mut trackers = vec![Tracker::new(), Tracker::new()];
    let scene = scene();
    let get = scene.half_way(&[&format!("{},{}", trackers[0].url, trackers[1].url)], &["--seed"]);
    until("an answer", || trackers.iter().any(|tracker| tracker.answered() > 0));
    let first = trackers.iter().position(|tracker| tracker.answered() > 0).expect("one of them was told");
    let (first, second) = (trackers.remove(first), trackers.remove(0));
    assert_eq!((first.events(), second.events().len()), (vec!["started".to_string()], 0));
    drop(first);
    drop(scene.gate);
    until("completion", || second.answered() == 2);
    end(get);
    assert_eq!(second.events(), ALL);
}

#[test]
fn a_tracker_that_is_gone_does_not_hold_up_the_end() {
    let tracker = Tracker::new();
    let scene = scene();
    let get = scene.half_way(&[&tracker.url], &[]);
    until("an answer", || tracker.answered() == 1);
    drop(tracker);
    let took = scene.finish(get);
    assert!(took < Duration::from_millis(1_900), "{took:?}");
}

#[test]
fn a_start_is_told_until_it_is_answered_once() {
    let tracker = Tracker::shy(1);
    let scene = scene();
    let get = scene.half_way(&[&tracker.url], &[]);
    until("a second start", || tracker.events().len() == 2);
    scene.finish(get);
    assert_eq!(tracker.events(), ["started", "started", "completed", "stopped"]);
}

#[test]
fn a_slow_tracker_hears_all_of_it() {
    let tracker = Tracker::slow(Duration::from_millis(1_200));
    let scene = scene();
    let get = scene.half_way(&[&tracker.url], &[]);
    until("an answer", || tracker.answered() == 1);
    // It says goodbye before its completion is answered.
    let took = scene.finish(get);
    assert_eq!(tracker.events(), ALL);
    assert!(took < Duration::from_secs(4), "{took:?}");
}

#[test]
fn killed_and_started_again() {
    let (tracker, udp) = (Tracker::new(), UdpTracker::new(V4));
    let scene = scene();
    let get = scene.half_way(&[&tracker.url], &[]);
    tracker.wait_for("start", |_| true);
    get.kill();
    let get = scene.half_way(&[&tracker.url, &udp.url], &["--seed"]);
    let Scene { folder, payload, torrent, seed, gate, .. } = scene;
    drop(gate);
    tracker.wait_for("completion", |announce| announce.text("event") == "completed");
    udp.wait_for("completion", |announce| announce.event == 1);
    end(get);
    assert_eq!(tracker.events(), ["started", "started", "completed", "stopped"]);
    assert_eq!(udp.events(), ALL);
    let ids: Vec<_> = tracker.announces().iter().map(|announce| announce.values["peer_id"].clone()).collect();
    assert!(ids[0] != ids[1] && ids[1..].iter().all(|id| *id == ids[1]));
    payload.check_files(&folder.path().join("data"));

    // Everything is there now, whether it is fetched or shared: nobody hears that it was completed.
    let (dir, state) = (folder.path().join("data"), folder.path().join("state"));
    let torrents = std::slice::from_ref(&torrent);
    let mut get = peerlink::get(torrents, &dir, &state, &[seed.address]);
    get.arg("--seed");
    for mut command in [get, peerlink::seed(torrents, &dir, &state)] {
        let (http, udp) = (Tracker::new(), UdpTracker::new(V4));
        command.args(["--tracker", &http.url, "--tracker", &udp.url]);
        let mut run = Child::start("peerlink", command);
        run.expect("completion", |line| Event::of(line, "complete").map(drop));
        http.wait_for("start", |_| true);
        udp.wait_for("start", |_| true);
        end(run);
        assert_eq!(http.events(), ["started", "stopped"]);
        assert_eq!(udp.events(), ["started", "stopped"]);
    }
}

/// Asks it to end, which takes less than two seconds.
fn end(run: Child) {
    let asked = Instant::now();
    run.terminate();
    run.succeed();
    let took = asked.elapsed();
    assert!(took < Duration::from_secs(2), "{took:?}");
}
