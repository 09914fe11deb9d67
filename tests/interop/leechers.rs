//! We seed, others download.

use crate::kit::child::Child;
use crate::kit::payload::check_tree;
use crate::kit::peerlink::{self, Event};
use crate::kit::tracker::Tracker;
use crate::network::Host;
use crate::others::{self, skip};
use crate::payloads::{Scene, shapes, some};

#[test]
fn libtorrent_gets_every_shape_from_us() {
    let python = match others::python() {
        Ok(python) => python,
        Err(why) => return skip("libtorrent_gets_every_shape_from_us", &why),
    };
    let scene = Scene::new(shapes(), None);
    let (seed, address) = peerlink::start_seed(&scene.torrents, &scene.source(), &scene.path("state"));
    let dir = scene.path("got");
    let mut leech = others::libtorrent_leech(&python, &scene.torrents, &dir, Some(address));
    leech.child.expect("completion", |line| (line == "complete").then_some(()));
    others::libtorrent_end(leech);
    scene.payloads.iter().for_each(|payload| payload.check_files(&dir));
    seed.terminate();
    seed.succeed();
}

#[test]
fn aria2_gets_every_shape_from_us() {
    if let Err(why) = others::aria2() {
        return skip("aria2_gets_every_shape_from_us", &why);
    }
    let tracker = Tracker::new();
    let scene = Scene::new(shapes().split_off(8)[..1].to_vec(), Some(&tracker.url));
    let (seed, _) = peerlink::start_seed(&scene.torrents, &scene.source(), &scene.path("state"));
    wait_for_us(&tracker, scene.torrents.len());
    let dir = scene.path("got");
    others::aria2_leech(&scene.torrents, &dir).child.succeed();
    scene.payloads.iter().for_each(|payload| payload.check_files(&dir));
    seed.terminate();
    seed.succeed();
}

/// A leecher that asks earlier would hear of nobody, and ask again much later.
pub fn wait_for_us(tracker: &Tracker, torrent_count: usize) {
    let mut hashes = std::collections::BTreeSet::new();
    while hashes.len() < torrent_count {
        let known = hashes.clone();
        tracker.wait_for("announce of ours", |announce| {
            announce.is_of("-PL") && !known.contains(&announce.values["info_hash"])
        });
        let announces = tracker.announces();
        hashes
            .extend(announces.iter().filter(|announce| announce.is_of("-PL")).map(|a| a.values["info_hash"].clone()));
    }
}

/// What we have just got from one, another gets from us while we stay.
#[test]
fn passed_on_from_aria2_to_libtorrent() {
    let python = match (others::python(), others::aria2()) {
        (Ok(python), Ok(())) => python,
        (Err(why), _) | (_, Err(why)) => return skip("passed_on_from_aria2_to_libtorrent", &why),
    };
    let scene = Scene::new(some(), None);
    let first = others::aria2_seed(&scene.torrents, &scene.source(), 0);
    let (ours, theirs) = (scene.path("ours"), scene.path("theirs"));
    let mut command = peerlink::get(&scene.torrents, &ours, &scene.path("state"), &[first.address]);
    command.arg("--seed");
    let mut us = Child::start("peerlink get --seed", command);
    let port = us.expect("port", |line| Event::of(line, "listening").map(|event| event.number("port")));
    for _ in &scene.torrents {
        us.expect("completion", |line| Event::of(line, "complete").map(drop));
    }
    first.child.kill();
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], port as u16));
    let mut last = others::libtorrent_leech(&python, &scene.torrents, &theirs, Some(address));
    last.child.expect("completion", |line| (line == "complete").then_some(()));
    let (_, downloaded) = others::libtorrent_end(last);
    let total: u64 = scene.payloads.iter().map(|payload| payload.total_len).sum();
    assert!(downloaded >= total, "{downloaded} of {total}");
    us.terminate();
    us.succeed();
    check_tree(&ours, &scene.payloads);
    scene.payloads.iter().for_each(|payload| payload.check_files(&theirs));
}

/// Two that have nothing, one of ours and one of theirs, help each other while we both download.
#[test]
fn a_swarm_of_all() {
    let python = match (others::python(), others::aria2()) {
        (Ok(python), Ok(())) => python,
        (Err(why), _) | (_, Err(why)) => return skip("a_swarm_of_all", &why),
    };
    let tracker = Tracker::new();
    let scene = Scene::new(some(), Some(&tracker.url));
    let count = scene.torrents.len();
    let (seed, _) = peerlink::start_seed(&scene.torrents, &scene.source(), &scene.path("seed's state"));
    wait_for_us(&tracker, count);
    let dirs = ["libtorrent", "aria2", "peerlink"].map(|name| scene.path(name));
    let mut libtorrent = others::libtorrent_leech(&python, &scene.torrents, &dirs[0], None);
    let aria2 = others::aria2_leech(&scene.torrents, &dirs[1]);
    let ours = Child::start("peerlink get", peerlink::get(&scene.torrents, &dirs[2], &scene.path("state"), &[]));
    ours.succeed();
    aria2.child.succeed();
    libtorrent.child.expect("completion", |line| (line == "complete").then_some(()));
    for dir in &dirs {
        scene.payloads.iter().for_each(|payload| payload.check_files(dir));
    }
    check_tree(&dirs[2], &scene.payloads);
    seed.terminate();
    seed.succeed();
}

/// Over IPv6: from libtorrent to us, and on to another libtorrent that dials us.
#[test]
fn passed_on_over_v6() {
    let python = match others::python() {
        Ok(python) => python,
        Err(why) => return skip("passed_on_over_v6", &why),
    };
    let ip: std::net::IpAddr = std::net::Ipv6Addr::LOCALHOST.into();
    if std::net::TcpListener::bind((ip, 0)).is_err() {
        return skip("passed_on_over_v6", "no IPv6 here");
    }
    let scene = Scene::new(some(), None);
    let first = others::libtorrent_seed_at(&Host::at(ip), &python, &scene.torrents, &scene.source(), 0);
    let (ours, theirs) = (scene.path("ours"), scene.path("theirs"));
    let mut command = peerlink::command_at("::1", &["get", "--seed"], &scene.path("state"));
    command.arg("--dir").arg(&ours).arg("--peer").arg(first.address.to_string()).args(&scene.torrents);
    let mut us = Child::start("peerlink get --seed", command);
    let port = us.expect("port", |line| Event::of(line, "listening").map(|event| event.number("port")));
    for _ in &scene.torrents {
        us.expect("completion", |line| Event::of(line, "complete").map(drop));
    }
    others::libtorrent_end(first);
    let address = std::net::SocketAddr::new(ip, port as u16);
    let mut last = others::libtorrent_leech(&python, &scene.torrents, &theirs, Some(address));
    last.child.expect("completion", |line| (line == "complete").then_some(()));
    others::libtorrent_end(last);
    us.terminate();
    us.succeed();
    check_tree(&ours, &scene.payloads);
    scene.payloads.iter().for_each(|payload| payload.check_files(&theirs));
}
