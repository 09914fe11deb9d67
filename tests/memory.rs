//! Peak memory of a 512 MiB download, the same at every piece length. The promise is made for the build that people
//! use, which `scripts/test` builds and names in `PEERLINK_UNDER_TEST`. Of the test profile's program, which is twice
//! as large, only what it allocates is judged: its pages of code say nothing of the other's.

#[path = "memory/cgroup.rs"]
mod cgroup;
mod kit;

use kit::child::Child;
use kit::payload::Payload;
use kit::peerlink::{self, Event};
use kit::seed::Seed;

const LEN: u64 = 512 << 20;
/// 10 MB for the build that people use, which `PEERLINK_UNDER_TEST` names.
const BOUND_KB: u64 = 10_000_000 / 1024;
/// The pool, its stacks, and what a torrent of 2 048 pieces and its peers take.
const BOUND_ALLOCATED_KB: u64 = 5 * 1024;

#[test]
fn pieces_of_256_kib() {
    measure("256 KiB", 256 << 10, 1);
}

#[test]
fn pieces_of_16_mib() {
    measure("16 MiB", 16 << 20, 1);
}

/// The pool is shared: more peers take no more.
#[test]
fn eight_seeds() {
    measure("16 MiB, 8 seeds", 16 << 20, 8);
}

fn measure(name: &str, piece_len: u32, seed_count: usize) {
    let folder = peerlink::folder();
    let (dir, state) = (folder.path().join("data"), folder.path().join("state"));
    let payload = Payload::single("memory.bin", LEN, piece_len);
    let torrent = payload.write_torrent(folder.path(), "memory", None);
    let seeds: Vec<Seed> = (0..seed_count).map(|_| Seed::new(std::slice::from_ref(&payload))).collect();
    let peers: Vec<_> = seeds.iter().map(|seed| seed.address).collect();
    let mut command = peerlink::get(&[torrent], &dir, &state, &peers);
    // It stays when it is complete, to be looked at.
    command.arg("--seed");
    let mut child = Child::start("peerlink get", command);
    let took_ms = child.expect("completion", |line| Event::of(line, "complete").map(|event| event.number("ms")));
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.pid())).expect("it runs");
    let field = |name: &str| -> u64 {
        let line = status.lines().find(|line| line.starts_with(name)).expect("the kernel says it");
        line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number of kB")
    };
    let peak = field("VmHWM:");
    println!(
        "{name}: peak {peak} kB; now {} kB: {} anonymous, {} of files; {} threads; took {took_ms} ms",
        field("VmRSS:"),
        field("RssAnon:"),
        field("RssFile:"),
        field("Threads:"),
    );
    child.terminate();
    child.succeed();
    payload.check_files(&dir);
    let (taken, bound) = if is_release() { (peak, BOUND_KB) } else { (field("RssAnon:"), BOUND_ALLOCATED_KB) };
    assert!(taken <= bound, "{name}: {taken} kB, more than {bound}");
}

/// Whether the program under test is the one that people use.
fn is_release() -> bool {
    std::env::var_os("PEERLINK_UNDER_TEST").is_some() || !cfg!(debug_assertions)
}
