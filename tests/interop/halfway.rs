//! We seed at a limited rate; the others end halfway, are started again, and go on.

use crate::daemons::Daemon;
use crate::kit::child::Child;
use crate::kit::payload::Payload;
use crate::kit::peerlink::{self, Event};
use crate::kit::tracker::Tracker;
use crate::leechers::wait_for_us;
use crate::matrix::{Site, on_hosts, on_loopback};
use crate::payloads::Scene;

const RATE: &str = "3M";

#[test]
fn transmission_goes_on() {
    on_hosts("transmission_goes_on", Daemon::Transmission, goes_on);
}

#[test]
fn qbittorrent_goes_on() {
    on_loopback("qbittorrent_goes_on", Daemon::Qbittorrent, goes_on);
}

#[test]
fn rtorrent_goes_on() {
    on_loopback("rtorrent_goes_on", Daemon::Rtorrent, goes_on);
}

fn goes_on(daemon: Daemon, site: &Site) {
    let tracker = Tracker::at(site.tracker.listen());
    let scene = Scene::new(vec![Payload::single("halfway.bin", 9_000_001, 64 << 10)], Some(&tracker.url));
    let mut command =
        peerlink::command_at(&site.us.ip.to_string(), &["seed", "--up-limit", RATE], &scene.path("ours"));
    command.arg("--dir").arg(scene.source()).args(&scene.torrents);
    let mut seed = Child::start("peerlink seed", site.us.enter(command));
    wait_for_us(&tracker, 1);
    let (dir, work) = (scene.path("got"), scene.path("theirs"));
    let leech = daemon.start(&site.them, &scene.torrents, &dir, &work);
    let total = scene.payloads[0].total_len;
    let uploaded = |line: &str| Event::of(line, "progress").map(|row| row.number("uploaded"));
    seed.expect("half of it", |line| uploaded(line).filter(|uploaded| *uploaded >= total / 3));
    leech.child.terminate();
    leech.child.finish();

    let mut leech = daemon.start(&site.them, &scene.torrents, &dir, &work);
    daemon.complete(&mut leech);
    leech.child.terminate();
    leech.child.finish();
    scene.payloads[0].check_files(&dir);
    seed.terminate();
    let lines = seed.succeed();
    let sent = lines.iter().filter_map(|line| uploaded(line)).max();
    println!("{daemon:?}: {sent:?} of {total} bytes sent");
    assert!(sent < Some(total + total / 2), "{sent:?} of {total}: it began anew");
}
