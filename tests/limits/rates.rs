//! Rate limits hold within 5 % over ten seconds, whoever many share them.

use std::path::Path;
use std::time::{Duration, Instant};

use ::peerlink::base::InfoHash;
use sha1::{Digest, Sha1};

use crate::kit::child::Child;
use crate::kit::payload::Payload;
use crate::kit::peerlink::{self, Event};
use crate::kit::seed::Seed;
use crate::leech::Leeches;

/// Until connections stand and whatever was saved up is spent.
const WARM_UP: Duration = Duration::from_secs(3);
const WINDOW: Duration = Duration::from_secs(10);
const PIECE: u32 = 256 << 10;
const BLOCK: u64 = 16_384;
const MIB: u64 = 1 << 20;
const KIB: u64 = 1 << 10;

/// What a counter gains in the window, as a part of what the rate allows.
fn measure(name: &str, rate: u64, count: impl Fn() -> u64) {
    std::thread::sleep(WARM_UP);
    let (begin, from) = (Instant::now(), count());
    std::thread::sleep(WINDOW);
    let (took, moved) = (begin.elapsed(), count() - from);
    let expected = (rate as f64 * took.as_secs_f64()) as u64;
    let percent = 100.0 * moved as f64 / expected as f64;
    println!("{name}: {moved} bytes in {took:.2?}, {percent:.1} % of {rate}/s");
    // Payload moves in blocks: of a slow limit one more or less is no fault.
    let leave = if expected < 100 * BLOCK { BLOCK } else { 0 };
    assert!(moved.abs_diff(expected) <= expected / 20 + leave, "{name}: {percent:.1} %");
}

/// `get` with these flags from so many seeds, each without limits, as many torrents as given.
fn down(name: &str, rate: u64, flags: &[&str], seed_count: usize, torrents: usize) {
    let folder = peerlink::folder();
    let payloads: Vec<Payload> =
        (0..torrents).map(|number| Payload::single(format!("{number}.bin"), 40 * MIB, PIECE)).collect();
    let seeds: Vec<Seed> = (0..seed_count).map(|_| Seed::new(&payloads)).collect();
    let peers: Vec<_> = seeds.iter().map(|seed| seed.address).collect();
    let paths: Vec<_> = payloads
        .iter()
        .enumerate()
        .map(|(number, payload)| payload.write_torrent(folder.path(), &number.to_string(), None))
        .collect();
    let mut command = peerlink::get(&paths, &folder.path().join("data"), &folder.path().join("state"), &peers);
    command.args(flags);
    let mut child = Child::start("peerlink get", command);
    child.expect("port", |line| Event::of(line, "listening").map(drop));
    measure(name, rate, || seeds.iter().map(Seed::sent).sum());
    assert!(child.kill(), "{name}: it was complete too early");
}

/// `seed` with these flags for so many peers.
fn up(name: &str, rate: u64, flags: &[&str], peer_count: usize) {
    let folder = peerlink::folder();
    let (torrent, payload) = shared(folder.path());
    let torrents = [torrent];
    let mut command = peerlink::seed(&torrents, folder.path(), &folder.path().join("state"));
    command.args(flags);
    let (child, address) = peerlink::start_seed_with(&torrents, command);
    let info_hash = InfoHash(Sha1::digest(payload.info()).into());
    let leeches = Leeches::new(peer_count, address, info_hash, (payload.total_len / u64::from(PIECE)) as u32, PIECE);
    measure(name, rate, || leeches.received());
    leeches.expect_end();
    assert!(child.kill(), "{name}: the seed went away");
    leeches.join();
}

fn shared(dir: &Path) -> (std::path::PathBuf, Payload) {
    let payload = Payload::single("shared.bin", 8 * MIB, PIECE);
    payload.write_files(dir);
    (payload.write_torrent(dir, "shared", None), payload)
}

/// All at once: none is anywhere near what the machine can do.
#[test]
fn limits_hold_within_five_percent() {
    std::thread::scope(|scope| {
        scope.spawn(|| down("down, 1 peer", MIB, &["--down-limit", "1M"], 1, 1));
        scope.spawn(|| down("down, 50 peers", MIB, &["--down-limit", "1M"], 50, 1));
        scope.spawn(|| down("down, 3 torrents", MIB, &["--down-limit", "1M"], 2, 3));
        scope.spawn(|| down("down, slow, 50 peers", 20 * KIB, &["--down-limit", "20K"], 50, 1));
        scope.spawn(|| down("down, 2 torrents of 500K", 1000 * KIB, &["--torrent-down-limit", "500K"], 1, 2));
        scope.spawn(|| up("up, 1 peer", MIB, &["-u", "1M"], 1));
        scope.spawn(|| up("up, 50 peers", MIB, &["-u", "1M"], 50));
        scope.spawn(|| up("up, slow, 50 peers", 20 * KIB, &["-u", "20K"], 50));
        scope.spawn(|| up("up, a torrent of 500K", 500 * KIB, &["-u", "1M", "--torrent-up-limit", "500K"], 5));
    });
}

/// Loopback is as local as can be: at 100 KiB/s this would take a minute.
#[test]
fn the_local_network_can_be_spared() {
    let folder = peerlink::folder();
    let (torrent, payload) = shared(folder.path());
    let torrents = [torrent];
    let limits = ["--no-lan-limit", "-u", "100K", "--down-limit", "100K"];
    let more = ["--torrent-up-limit", "100K", "--torrent-down-limit", "100K"];
    let mut command = peerlink::seed(&torrents, folder.path(), &folder.path().join("seed-state"));
    command.args(limits).args(more);
    let (seed, address) = peerlink::start_seed_with(&torrents, command);
    let got = folder.path().join("got");
    let mut command = peerlink::get(&torrents, &got, &folder.path().join("get-state"), &[address]);
    command.args(limits).args(more);
    let begin = Instant::now();
    Child::start("peerlink get", command).succeed();
    assert!(begin.elapsed() < Duration::from_secs(20), "it took {:?}", begin.elapsed());
    payload.check_files(&got);
    seed.terminate();
    seed.succeed();
}
