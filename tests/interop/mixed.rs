//! A swarm of five kinds of clients in which nobody has everything.

use std::path::{Path, PathBuf};

use crate::daemons::Daemon;
use crate::kit::child::Child;
use crate::kit::payload::{Payload, check_tree};
use crate::kit::peerlink::{self, Event};
use crate::kit::tracker::Tracker;
use crate::network::{Host, Network};
use crate::others::{self, Other, skip};
use crate::payloads::{Scene, some};

/// Members, each with every fifth piece.
const MEMBERS: usize = 5;

#[test]
fn five_kinds_complete_each_other() {
    const DAEMONS: [Daemon; 3] = [Daemon::Transmission, Daemon::Qbittorrent, Daemon::Rtorrent];
    let are_here = DAEMONS.iter().try_for_each(|daemon| daemon.is_here()).and_then(|()| others::aria2());
    let network = match are_here.and_then(|()| Network::new(1 + MEMBERS as u8)) {
        Ok(network) => network,
        Err(why) => return skip("five_kinds_complete_each_other", &why),
    };
    let [at_tracker, at_us, at_aria2, at_daemons @ ..] = &network.hosts[..] else { panic!("as many as asked for") };
    let tracker = Tracker::at(at_tracker.listen());
    let scene = Scene::new(some(), Some(&tracker.url));
    let dirs: Vec<PathBuf> = (0..MEMBERS).map(|member| scene.path(&format!("member {member}"))).collect();
    for (member, dir) in dirs.iter().enumerate() {
        scene.payloads.iter().for_each(|payload| payload.write_part(dir, |piece| piece as usize % MEMBERS == member));
    }

    let mut us = start_us(at_us, &scene, &dirs[0]);
    let _aria2 = others::aria2_member(at_aria2, &scene.torrents, &dirs[1]);
    let start = |(number, daemon): (usize, &Daemon)| {
        let work = scene.path(&format!("{daemon:?}"));
        daemon.start(&at_daemons[number], &scene.torrents, &dirs[2 + number], &work)
    };
    let mut daemons: Vec<Other> = DAEMONS.iter().enumerate().map(start).collect();

    for _ in &scene.torrents {
        us.expect("completion", |line| Event::of(line, "complete").map(drop));
    }
    for (daemon, other) in DAEMONS.iter().zip(&mut daemons) {
        scene.torrents.iter().for_each(|_| daemon.complete(other));
    }
    // aria2 says so to the tracker only.
    for hash in scene.payloads.iter().map(Payload::info_hash) {
        tracker.wait_for("completion of aria2", |announce| {
            announce.is_of("A2-") && announce.text("event") == "completed" && announce.values["info_hash"] == hash
        });
    }
    us.terminate();
    us.succeed();
    check_tree(&dirs[0], &scene.payloads);
    for dir in &dirs[1..] {
        scene.payloads.iter().for_each(|payload| payload.check_files(dir));
    }
}

fn start_us(host: &Host, scene: &Scene, dir: &Path) -> Child {
    let mut command = peerlink::command_at(&host.ip.to_string(), &["get", "--seed"], &scene.path("our state"));
    command.arg("--dir").arg(dir).args(&scene.torrents);
    Child::start("peerlink get --seed", host.enter(command))
}
