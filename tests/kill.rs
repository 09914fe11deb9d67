//! SIGKILL at random moments of one download: right bytes, nothing fetched twice beyond a piece per kill, and hardly
//! anything read again at each start.
//!
//! `PEERLINK_KILLS` (default 20), `PEERLINK_SEED` (the moments; printed) and `PEERLINK_KILL_RATE` (MiB per second of
//! the seed) change a run; `scripts/soak` runs a long one.

mod kit;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use kit::PATIENCE;
use kit::child::Child;
use kit::payload::Payload;
use kit::peerlink;
use kit::seed::Seed;

const LEN: u64 = 96 << 20;
/// MiB per second: a download of about eight seconds, so that kills meet it at work and not in what the kernel holds.
const RATE: u64 = 12;
/// Kills at a moment after the start, which meet the opening of files; the others count bytes.
const EARLY: Duration = Duration::from_millis(60);

#[test]
fn pieces_of_256_kib() {
    die_often("256 KiB", 256 << 10);
}

#[test]
fn pieces_of_16_mib() {
    die_often("16 MiB", 16 << 20);
}

/// The running program, and what every run had read (`rchar`: files, not sockets) when it asked for its first block.
#[derive(Default)]
struct Watch {
    pid: u32,
    read_at_start: Vec<u64>,
}

impl Watch {
    fn sample(&mut self) {
        // It may just have been killed.
        let io = std::fs::read_to_string(format!("/proc/{}/io", self.pid)).unwrap_or_default();
        let rchar = io.lines().find_map(|line| line.strip_prefix("rchar: ")?.parse::<u64>().ok());
        self.read_at_start.extend(rchar);
    }
}

fn die_often(name: &str, piece_len: u32) {
    let number = |variable: &str| std::env::var(variable).ok().and_then(|text| text.parse::<u64>().ok());
    let kills_wanted = number("PEERLINK_KILLS").unwrap_or(20);
    let rate = number("PEERLINK_KILL_RATE").unwrap_or(RATE) << 20;
    let chance = number("PEERLINK_SEED").unwrap_or_else(|| fastrand::u64(..));
    println!("{name}: PEERLINK_SEED={chance}");
    let mut rng = fastrand::Rng::with_seed(chance);

    let folder = peerlink::folder();
    let (dir, state) = (folder.path().join("data"), folder.path().join("state"));
    let payload = Payload::single("kill.bin", LEN, piece_len);
    let torrent = payload.write_torrent(folder.path(), "kill", None);
    let watch = Arc::new(Mutex::new(Watch::default()));
    let of_seed = watch.clone();
    let seed =
        Seed::with(std::slice::from_ref(&payload), Some(rate), move || of_seed.lock().expect("no panic").sample());
    let start = || {
        // Locked, so that nobody asks for a block before its process is known.
        let mut watch = watch.lock().expect("no panic");
        let torrents = std::slice::from_ref(&torrent);
        let child = Child::start("peerlink get", peerlink::get(torrents, &dir, &state, &[seed.address]));
        watch.pid = child.pid();
        child
    };

    let mut kills = 0;
    while kills < kills_wanted {
        let left = LEN.saturating_sub(seed.sent());
        let step = rng.u64(1..=(2 * left / (kills_wanted - kills + 1)).max(1));
        let sent = seed.when_sent(seed.sent() + step);
        let child = start();
        if rng.u32(..4) == 0 {
            // Random moments are the point here; nothing is waited for.
            std::thread::sleep(EARLY.mul_f64(rng.f64()));
        } else if sent.recv_timeout(PATIENCE).is_err() {
            panic!("{name}: nothing moves after {kills} kills:\n{}", child.finish().1.join("\n"));
        }
        if !child.kill() {
            break;
        }
        kills += 1;
    }
    let lines = start().succeed();
    payload.check_files(&dir);

    let (sent, watch) = (seed.sent(), watch.lock().expect("no panic"));
    let read: u64 = watch.read_at_start.iter().sum();
    let read_max = watch.read_at_start.iter().copied().max().unwrap_or(0);
    let starts = watch.read_at_start.len() as u64;
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let extra = sent.saturating_sub(LEN);
    println!(
        "{name}: {kills} kills; the seed sent {:.2} MiB of {:.0} (+{:.2}, allowed +{:.2}); read at {starts} starts: \
         {:.2} MiB, at most {:.2} ({:.2} %)",
        mib(sent),
        mib(LEN),
        mib(extra),
        mib(kills * u64::from(piece_len)),
        mib(read),
        mib(read_max),
        read_max as f64 * 100.0 / LEN as f64,
    );
    assert!(kills + 2 > kills_wanted, "it was complete after {kills} kills");
    assert!(extra <= kills * u64::from(piece_len), "{name}: {extra} bytes were fetched twice");
    // A start that follows a kill between a piece's last write and its hash checks that one piece.
    assert!(read <= LEN / 20 * starts, "{name}: {read} bytes were read at {starts} starts");
    assert!(read_max <= (LEN / 20).max(u64::from(piece_len) + (LEN / 100)), "{name}: {read_max} at one start");
    assert!(lines.iter().any(|line| peerlink::Event::of(line, "complete").is_some()), "{}", lines.join("\n"));
}
