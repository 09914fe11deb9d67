//! Downloads among peers that misbehave: a hundred of them cost little time and memory, no honest peer is banned, and
//! the program remembers who lied.

mod kit;

use std::net::SocketAddr;
use std::path::Path;

use kit::child::Child;
use kit::payload::Payload;
use kit::peerlink::{self, Event};
use kit::rogue::{Habit, Rogues};
use kit::seed::Seed;

/// Each honest seed's rate: 64 MiB take 8.4 s from two of them.
const RATE: u64 = 4_000_000;
/// Of each kind.
const ROGUES: usize = 20;
/// Peak memory may grow by this.
const GROWTH_KB: u64 = 8_000_000 / 1024;

/// How a run went.
#[derive(Debug)]
struct Ran {
    ms: u64,
    peak_kb: u64,
    /// Lines about bans.
    bans: Vec<String>,
    last: Event,
}

/// More peers than places, the honest ones dialled last; each rogue listens, and dials as often as it can.
#[test]
fn among_a_hundred_rogues() {
    let clean = run(&[]);
    println!("alone with its seeds: {} ms, {} kB", clean.ms, clean.peak_kb);
    let habits: Vec<Habit> = (0..ROGUES)
        .flat_map(|number| {
            let liar = if number.is_multiple_of(2) { Habit::Reject } else { Habit::Choke };
            let slow = Habit::Trickle { from_start: number.is_multiple_of(2) };
            [Habit::Mute, slow, Habit::Corrupt, liar, Habit::Flood]
        })
        .collect();
    let storm = run(&habits);
    let number = |key: &str| storm.last.number(key);
    println!("among {} rogues: {} ms, {} kB", habits.len(), storm.ms, storm.peak_kb);
    println!("{} pieces failed, {} banned, {} faults", number("hash_fails"), number("banned"), number("faults"));
    assert!(storm.ms <= 3 * clean.ms, "{} ms, {} without rogues", storm.ms, clean.ms);
    assert!(storm.peak_kb <= clean.peak_kb + GROWTH_KB, "{} kB, {} without rogues", storm.peak_kb, clean.peak_kb);
    assert!(storm.bans.iter().all(|line| line.contains(" 127.0.10.")), "an honest peer: {:?}", storm.bans);
    assert!(number("banned") <= ROGUES as u64 && number("banned") == storm.bans.len() as u64, "{:?}", storm.bans);
    // Floods and refusals end at once, and the like.
    assert!(number("faults") >= ROGUES as u64, "only {} faults", number("faults"));
}

fn run(habits: &[Habit]) -> Ran {
    let folder = peerlink::folder();
    let (dir, state) = (folder.path().join("data"), folder.path().join("state"));
    let payload = Payload::single("storm.bin", 64 << 20, 256 << 10);
    let torrent = payload.write_torrent(folder.path(), "storm", None);
    // Addresses are dialled in order.
    let seed = |number| Seed::at([127, 0, 255, number], std::slice::from_ref(&payload), Some(RATE), || {});
    let seeds = [seed(1), seed(2)];
    let rogues = Rogues::new(&payload, habits, 10);
    let peers: Vec<SocketAddr> = seeds.iter().map(|seed| seed.address).chain(rogues.addresses.clone()).collect();
    let mut command = peerlink::get(&[torrent], &dir, &state, &peers);
    // It stays when it is complete, to be looked at.
    command.args(["--seed", "-v"]);
    let mut child = Child::start("peerlink get", command);
    let port = child.expect("port", |line| Event::of(line, "listening").map(|event| event.number("port")));
    rogues.dial(SocketAddr::from(([127, 0, 0, 1], port as u16)));
    let ms = child.expect("completion", |line| Event::of(line, "complete").map(|event| event.number("ms")));
    let peak_kb = peak_kb(child.pid());
    child.terminate();
    let lines = child.succeed();
    payload.check_files(&dir);
    assert!(seeds.iter().all(|seed| seed.sent() > 8 << 20), "one honest seed gave hardly anything");
    let bans = lines.iter().filter(|line| line.contains("banned 127.")).cloned().collect();
    let last = Event::all(&lines, "progress").pop().expect("there is progress");
    Ran { ms, peak_kb, bans, last }
}

fn peak_kb(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("the kernel says it");
    peak.split_whitespace().next().and_then(|number| number.parse().ok()).expect("a number of kB")
}

/// Alone on its pieces, a corrupter is banned after the first; a later run does not deal with it, however the first
/// one ended. What is no list of bans is no trouble.
#[test]
fn a_ban_outlives_the_process() {
    let folder = peerlink::folder();
    let (dir, state) = (folder.path().join("data"), folder.path().join("state"));
    let payload = Payload::single("ban.bin", 4 << 20, 256 << 10);
    let torrent = payload.write_torrent(folder.path(), "ban", None);
    let liar = Rogues::new(&payload, &[Habit::Corrupt], 30);
    let honest = Seed::new(std::slice::from_ref(&payload));
    let get = |peers: &[SocketAddr]| {
        Child::start("peerlink get", peerlink::get(std::slice::from_ref(&torrent), &dir, &state, peers))
    };
    let bans = state.join("bans");

    let banned_and_kept = |child: &mut Child| {
        child.expect("ban on disk", |line| {
            let event = Event::of(line, "progress").filter(|event| event.number("banned") == 1)?;
            bans.exists().then_some(event.number("hash_fails"))
        })
    };
    let mut first = get(&liar.addresses);
    assert_eq!(banned_and_kept(&mut first), 1, "pieces failed before the ban");
    assert!(first.kill());
    let before = liar.met();

    let both = [liar.addresses.clone(), vec![honest.address]].concat();
    get(&both).succeed();
    assert_eq!(liar.met(), before, "it was dialled again");
    payload.check_files(&dir);

    for (what, bytes) in [("torn", kept(&bans, 20)), ("foreign", b"hello".to_vec()), ("empty", Vec::new())] {
        std::fs::remove_dir_all(&dir).expect("it is there");
        std::fs::write(&bans, bytes).expect("our own folder");
        let met = liar.met();
        let mut child = get(&liar.addresses);
        assert_eq!(banned_and_kept(&mut child), 1, "{what}");
        assert_ne!(liar.met(), met, "{what}: nobody can know any more");
        child.terminate();
        drop(child.finish());
    }
}

/// The first bytes of a file.
fn kept(path: &Path, len: usize) -> Vec<u8> {
    let mut bytes = std::fs::read(path).expect("it is there");
    bytes.truncate(len);
    bytes
}
