//! Fifty torrents from one seed in one process: none starves.

use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::kit::child::Child;
use crate::kit::payload::Payload;
use crate::kit::peerlink::{self, Event};

const TORRENTS: usize = 50;
const LEN: u64 = 1 << 20;
/// The last one is complete within this many times the median.
const LAST_MAX: u32 = 3;

/// Seeds and gets them with these flags more.
fn fifty(name: &str, dir: &Path, torrents: &[PathBuf], more_seed: &[&str], more_get: &[&str]) {
    let state = tempfile::tempdir_in(dir).expect("a folder in ours");
    let mut command = peerlink::seed(torrents, &dir.join("shared"), &state.path().join("seed"));
    command.args(more_seed);
    let (seed, address) = peerlink::start_seed_with(torrents, command);
    let got = state.path().join("got");
    let mut command = peerlink::get(torrents, &got, &state.path().join("get"), &[address]);
    command.args(more_get);
    let begin = Instant::now();
    let mut get = Child::start("peerlink get", command);
    let mut times: Vec<_> = (0..TORRENTS)
        .map(|_| {
            get.expect("complete torrent", |line| Event::of(line, "complete").map(drop));
            begin.elapsed()
        })
        .collect();
    get.succeed();
    seed.terminate();
    seed.succeed();
    times.sort();
    let (median, last) = (times[TORRENTS / 2], times[TORRENTS - 1]);
    println!("{name}: first {:.2?}, median {median:.2?}, last {last:.2?}", times[0]);
    assert!(last <= median * LAST_MAX, "{name}: the last after {last:?}, the median after {median:?}");
}

/// As they are; with few credits and buffers, which all torrents share; with a rate limit on either side.
#[test]
fn fifty_torrents_from_one_seed() {
    let folder = peerlink::folder();
    let dir = folder.path();
    let payloads: Vec<Payload> =
        (0..TORRENTS).map(|number| Payload::single(format!("{number}.bin"), LEN, 64 << 10)).collect();
    let write = |(number, payload): (usize, &Payload)| payload.write_torrent(dir, &number.to_string(), None);
    let torrents: Vec<PathBuf> = payloads.iter().enumerate().map(write).collect();
    payloads.iter().for_each(|payload| payload.write_files(&dir.join("shared")));
    fifty("as they are", dir, &torrents, &[], &[]);
    fifty("4M each", dir, &torrents, &["--memory", "4M"], &["--memory", "4M"]);
    fifty("seed limited", dir, &torrents, &["-u", "20M"], &[]);
    fifty("get limited", dir, &torrents, &[], &["--down-limit", "20M"]);
}
