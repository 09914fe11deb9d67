//! Encrypted connections (MSE) with other clients, both directions: with those that speak to nobody else, and with those
//! that do not encrypt, as far as they can be told so.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::daemons::Daemon;
use crate::kit::child::Child;
use crate::kit::payload::Payload;
use crate::kit::peerlink::{self, Event};
use crate::kit::tracker::Tracker;
use crate::leechers::wait_for_us;
use crate::matrix::{Site, on_hosts_where, on_loopback_where};
use crate::network::Host;
use crate::others::{self, Other, Talk, Ways};
use crate::payloads::{Scene, some};

/// Who is on the other side.
#[derive(Clone)]
enum Client {
    Libtorrent(PathBuf),
    Aria2,
    Daemon(Daemon),
}

impl Client {
    /// It has everything, checked.
    fn seed(&self, host: &Host, scene: &Scene, talk: Talk) -> Other {
        let ways = Ways { talk: Some(talk), ..Ways::default() };
        match self {
            Client::Libtorrent(python) => {
                others::libtorrent_seed_with(host, python, &scene.torrents, &scene.source(), 0, ways)
            }
            Client::Aria2 => others::aria2_seed_with(host, &scene.torrents, &scene.source(), 0, ways),
            Client::Daemon(daemon) => {
                daemon.seed_with(host, &scene.torrents, &scene.source(), &scene.path("work"), ways)
            }
        }
    }

    /// It downloads, from whom the tracker names and from whoever dials it.
    fn leech(&self, host: &Host, torrents: &[PathBuf], dir: &Path, scene: &Scene, talk: Talk) -> Other {
        let ways = Ways { talk: Some(talk), ..Ways::default() };
        match self {
            Client::Libtorrent(python) => others::libtorrent_leech_with(host, python, torrents, dir, None, ways),
            Client::Aria2 => others::aria2_with(host, torrents, dir, ways, &["--seed-time=0"]),
            Client::Daemon(daemon) => daemon.start_with(host, torrents, dir, &scene.path("work"), ways),
        }
    }

    /// Waits until it has everything, and ends it.
    fn complete(&self, mut other: Other, count: usize) {
        match self {
            Client::Libtorrent(_) => {
                other.child.expect("completion", |line| (line == "complete").then_some(()));
                others::libtorrent_end(other);
            }
            Client::Aria2 => drop(other.child.succeed()),
            Client::Daemon(daemon) => {
                (0..count).for_each(|_| daemon.complete(&mut other));
                other.child.terminate();
                other.child.finish();
            }
        }
    }

    fn check(&self, payload: &Payload, dir: &Path) {
        match self {
            Client::Daemon(daemon) => daemon.check(payload, dir),
            _ => payload.check_files(dir),
        }
    }
}

/// They have everything and we ask them.
fn get(client: &Client, site: &Site, talk: Talk, ours: &str) {
    let tracker = Tracker::at(site.tracker.listen());
    let scene = Scene::new(some(), Some(&tracker.url));
    let seed = client.seed(&site.them, &scene, talk);
    let mut command =
        peerlink::command_at(&site.us.ip.to_string(), &["get", "--encryption", ours], &scene.path("us"));
    let untracked = scene.more_torrents("untracked", None);
    command.arg("--dir").arg(scene.path("got")).args(&untracked).arg("--peer").arg(seed.address.to_string());
    let lines = Child::start("peerlink get", site.us.enter(command)).succeed();
    scene.check(&scene.path("got"));
    let rows = Event::all(&lines, "progress");
    assert!(rows.iter().all(|row| row.number("hash_fails") == 0 && row.number("banned") == 0));
}

/// They have nothing: of one half they hear of us and dial, of the other we dial them.
fn give(client: &Client, site: &Site, talk: Talk, ours: &str) {
    let tracker = Tracker::at(site.tracker.listen());
    let scene = Scene::new(some(), Some(&tracker.url));
    let (found, dialled) = scene.torrents.split_at(scene.torrents.len() / 2);
    let waiting = our_seed(site, &scene, ours, found, None);
    wait_for_us(&tracker, found.len());
    // A torrent that nobody but us knows of: some clients take none without a tracker.
    let lonely: Vec<PathBuf> =
        scene.more_torrents("of nobody", Some("http://127.0.0.1:9/announce")).split_off(found.len());
    let torrents = [found, &lonely].concat();
    let dir = scene.path("theirs");
    let leech = client.leech(&site.them, &torrents, &dir, &scene, talk);
    let untracked = scene.more_torrents("untracked", None).split_off(found.len());
    let dialling = our_seed(site, &scene, ours, &untracked, Some(leech.address));
    client.complete(leech, found.len() + dialled.len());
    scene.payloads.iter().for_each(|payload| client.check(payload, &dir));
    for seed in [waiting, dialling] {
        seed.terminate();
        seed.succeed();
    }
}

fn our_seed(site: &Site, scene: &Scene, ours: &str, torrents: &[PathBuf], peer: Option<SocketAddr>) -> Child {
    let state = scene.path(if peer.is_some() { "dialling" } else { "waiting" });
    let mut command = peerlink::command_at(&site.us.ip.to_string(), &["seed", "--encryption", ours], &state);
    command.arg("--dir").arg(scene.source()).args(torrents);
    peer.map(|peer| command.arg("--peer").arg(peer.to_string()));
    let mut child = Child::start("peerlink seed", site.us.enter(command));
    for _ in torrents {
        child.expect("shared torrent", |line| Event::of(line, "complete").map(drop));
    }
    child
}

/// All ways with one client: it requires encryption, then it does without.
fn with(client: &Client, site: &Site) {
    get(client, site, Talk::Encrypted, "prefer");
    give(client, site, Talk::Encrypted, "require");
    // It takes 15 s to begin.
    if !matches!(client, Client::Daemon(Daemon::Transmission)) {
        get(client, site, Talk::Encrypted, "tolerate");
        give(client, site, Talk::Encrypted, "tolerate");
    }
    get(client, site, Talk::Plain, "prefer");
    give(client, site, Talk::Plain, "prefer");
}

#[test]
fn libtorrent_encrypted_and_not() {
    on_loopback_where("libtorrent_encrypted_and_not", others::python(), |python, site| {
        with(&Client::Libtorrent(python), site);
    });
}

#[test]
fn aria2_encrypted_and_not() {
    on_loopback_where("aria2_encrypted_and_not", others::aria2(), |(), site| with(&Client::Aria2, site));
}

#[test]
fn transmission_encrypted_and_not() {
    let daemon = Daemon::Transmission;
    on_hosts_where("transmission_encrypted_and_not", daemon.is_here(), |site| with(&Client::Daemon(daemon), site));
}

#[test]
fn qbittorrent_encrypted_and_not() {
    let daemon = Daemon::Qbittorrent;
    on_loopback_where("qbittorrent_encrypted_and_not", daemon.is_here(), |(), site| {
        with(&Client::Daemon(daemon), site);
    });
}

#[test]
fn rtorrent_encrypted_and_not() {
    let daemon = Daemon::Rtorrent;
    on_loopback_where("rtorrent_encrypted_and_not", daemon.is_here(), |(), site| {
        with(&Client::Daemon(daemon), site);
    });
}
