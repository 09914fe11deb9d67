//! Flash wears: what is downloaded is written once.

use crate::kit::child::Child;
use crate::kit::payload::Payload;
use crate::kit::peerlink::{self, Event};
use crate::kit::seed::Seed;

const LEN: u64 = 96 << 20;
/// Bytes written for each byte downloaded, in hundredths.
const WRITTEN_MAX_PERCENT: u64 = 102;

/// Payload is written once, and what is remembered between runs is little.
#[test]
fn flash_is_spared() {
    let folder = peerlink::folder();
    let (dir, state) = (folder.path().join("data"), folder.path().join("state"));
    let payload = Payload::single("flash.bin", LEN, 256 << 10);
    let torrent = payload.write_torrent(folder.path(), "flash", None);
    let seed = Seed::new(std::slice::from_ref(&payload));
    let mut command = peerlink::get(&[torrent], &dir, &state, &[seed.address]);
    // It stays when it is complete, to be looked at.
    command.arg("--seed");
    let mut child = Child::start("peerlink get", command);
    child.expect("completion", |line| Event::of(line, "complete").map(drop));
    let io = std::fs::read_to_string(format!("/proc/{}/io", child.pid())).expect("it runs");
    let written =
        io.lines().find_map(|line| line.strip_prefix("write_bytes: ")).and_then(|text| text.parse::<u64>().ok());
    let written = written.expect("the kernel counts");
    child.terminate();
    child.succeed();
    payload.check_files(&dir);
    if written < LEN / 2 {
        return println!("SKIPPED: flash: the files of tests are on no disk here: {written} bytes written");
    }
    println!("flash: {written} bytes written for {LEN}: {:.4}", written as f64 / LEN as f64);
    assert!(written * 100 <= LEN * WRITTEN_MAX_PERCENT, "{written} bytes written for {LEN}");
}
