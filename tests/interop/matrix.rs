//! We and each of the other clients, both directions: found through a tracker, and dialled where nobody else knows of
//! us. libtorrent and aria2 have files of their own.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::daemons::Daemon;
use crate::kit::child::Child;
use crate::kit::payload::Payload;
use crate::kit::peerlink::{self, Event};
use crate::kit::tracker::Tracker;
use crate::leechers::wait_for_us;
use crate::network::{Host, Network};
use crate::others::skip;
use crate::payloads::{Scene, shapes};

/// A tracker that nobody is: some clients take no torrent that has none.
const NOBODY: &str = "http://127.0.0.1:9/announce";

#[test]
fn transmission_seeds_every_shape() {
    on_hosts("transmission_seeds_every_shape", Daemon::Transmission, seeds);
}

#[test]
fn transmission_gets_every_shape_from_us() {
    on_hosts("transmission_gets_every_shape_from_us", Daemon::Transmission, leeches);
}

#[test]
fn qbittorrent_seeds_every_shape() {
    on_loopback("qbittorrent_seeds_every_shape", Daemon::Qbittorrent, seeds);
}

#[test]
fn qbittorrent_gets_every_shape_from_us() {
    on_loopback("qbittorrent_gets_every_shape_from_us", Daemon::Qbittorrent, leeches);
}

#[test]
fn rtorrent_seeds_every_shape() {
    on_loopback("rtorrent_seeds_every_shape", Daemon::Rtorrent, seeds);
}

#[test]
fn rtorrent_gets_every_shape_from_us() {
    on_loopback("rtorrent_gets_every_shape_from_us", Daemon::Rtorrent, leeches);
}

/// Who is where.
pub struct Site {
    pub tracker: Host,
    pub us: Host,
    pub them: Host,
    /// Others of us.
    pub others: Host,
}

pub fn on_loopback(test: &str, daemon: Daemon, run: fn(Daemon, &Site)) {
    on_loopback_where(test, daemon.is_here(), |(), site| run(daemon, site));
}

/// The same with whatever is `here`.
pub fn on_loopback_where<T>(test: &str, here: Result<T, String>, run: impl FnOnce(T, &Site)) {
    match here {
        Ok(here) => {
            let [tracker, us, them, others] = std::array::from_fn(|_| Host::loopback());
            run(here, &Site { tracker, us, them, others });
        }
        Err(why) => skip(test, &why),
    }
}

/// transmission believes in no peer on loopback.
pub fn on_hosts(test: &str, daemon: Daemon, run: fn(Daemon, &Site)) {
    on_hosts_where(test, daemon.is_here(), |site| run(daemon, site));
}

/// The same with what is `here`.
pub fn on_hosts_where(test: &str, here: Result<(), String>, run: impl FnOnce(&Site)) {
    match here.and_then(|()| Network::new(4)) {
        Ok(network) => {
            let [tracker, us, them, others] = std::array::from_fn(|number| network.hosts[number].clone());
            run(&Site { tracker, us, them, others });
        }
        Err(why) => skip(test, &why),
    }
}

/// They have everything. We ask them, and then others of us who hear of them through a tracker.
fn seeds(daemon: Daemon, site: &Site) {
    let tracker = Tracker::at(site.tracker.listen());
    let scene = Scene::new(shapes(), Some(&tracker.url));
    let seed = daemon.seed(&site.them, &scene.torrents, &scene.source(), &scene.path("theirs"));
    let untracked = scene.more_torrents("untracked", None);
    get(&site.us, &scene, &untracked, Some(seed.address), "direct");
    for hash in scene.payloads.iter().map(Payload::info_hash) {
        tracker.wait_for("seed's announce", |announce| {
            !announce.is_of("-PL") && announce.values["info_hash"] == hash && announce.number("left") == 0
        });
    }
    // Not from the same address: transmission holds whoever was complete there for complete, and parts with it.
    get(&site.others, &scene, &scene.torrents, None, "found");
}

fn get(us: &Host, scene: &Scene, torrents: &[PathBuf], peer: Option<SocketAddr>, name: &str) {
    let (dir, state) = (scene.path(name), scene.path(&format!("{name} state")));
    let mut command = peerlink::command_at(&us.ip.to_string(), &["get"], &state);
    command.arg("--dir").arg(&dir).args(torrents);
    peer.map(|peer| command.arg("--peer").arg(peer.to_string()));
    let lines = Child::start("peerlink get", us.enter(command)).succeed();
    scene.check(&dir);
    let complete = Event::all(&lines, "complete");
    assert_eq!(complete.len(), scene.payloads.len());
    let received: u64 = complete.iter().map(|event| event.number("downloaded")).sum();
    let wanted: u64 = scene.payloads.iter().map(|payload| payload.total_len).sum();
    assert!(received <= wanted, "{received} bytes for {wanted}");
    let rows = Event::all(&lines, "progress");
    assert!(rows.iter().all(|row| row.number("hash_fails") == 0 && row.number("banned") == 0));
}

/// They have nothing. Of every second torrent they hear through a tracker, for the others we dial them.
fn leeches(daemon: Daemon, site: &Site) {
    let tracker = Tracker::at(site.tracker.listen());
    let scene = Scene::new(shapes(), Some(&tracker.url));
    let every_second =
        |paths: &[PathBuf], from| paths.iter().skip(from).step_by(2).cloned().collect::<Vec<PathBuf>>();
    let found = every_second(&scene.torrents, 0);
    let dialled = every_second(&scene.more_torrents("of nobody", Some(NOBODY)), 1);
    let ours = seed(site, &scene, &found, None);
    wait_for_us(&tracker, found.len());
    let theirs = scene.path("got");
    let torrents = [&found[..], &dialled].concat();
    let mut leech = daemon.start(&site.them, &torrents, &theirs, &scene.path("theirs"));
    let dialling = seed(site, &scene, &every_second(&scene.more_torrents("untracked", None), 1), Some(leech.address));
    torrents.iter().for_each(|_| daemon.complete(&mut leech));
    leech.child.terminate();
    leech.child.finish();
    scene.payloads.iter().for_each(|payload| daemon.check(payload, &theirs));
    for seed in [ours, dialling] {
        seed.terminate();
        seed.succeed();
    }
}

/// We have these torrents, checked.
fn seed(site: &Site, scene: &Scene, torrents: &[PathBuf], peer: Option<SocketAddr>) -> Child {
    let name = if peer.is_some() { "dialling state" } else { "waiting state" };
    let mut command = peerlink::command_at(&site.us.ip.to_string(), &["seed"], &scene.path(name));
    command.arg("--dir").arg(scene.source()).args(torrents);
    peer.map(|peer| command.arg("--peer").arg(peer.to_string()));
    let mut child = Child::start("peerlink seed", site.us.enter(command));
    for _ in torrents {
        child.expect("shared torrent", |line| Event::of(line, "complete").map(drop));
    }
    child
}
