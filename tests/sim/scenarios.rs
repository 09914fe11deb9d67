//! Named scenarios: one kind of trouble each, with what must come of it.

use peerlink::base::{Span, Time};

use crate::actor::{Actor, Habit};
use crate::host::{Host, Kind, Task, plain_node};
use crate::lab::Before;
use crate::support::Shape;
use crate::world::{Step, World};

pub const FAST: u64 = 2_000_000;
const PIECE: u32 = 65_536;

/// A world with one torrent, whose host 0 is a seed.
pub fn world_of(seed: u64, shape: Shape) -> World {
    let mut world = World::new(seed, plain_node);
    world.add_torrent(&shape);
    let task = Task::new(0);
    let host = world.add_node(FAST, FAST, vec![task.clone()]);
    world.put_before(host, &task, Before::Saved);
    world.node_mut(host).seeds.push(0);
    world.plan(Time::ZERO, Step::Start(host));
    world
}

pub fn world(seed: u64) -> World {
    world_of(seed, Shape::single("one.bin", 3_000_001, PIECE))
}

/// A node that wants the torrent and knows these hosts.
pub fn leech(world: &mut World, known: &[usize]) -> usize {
    let mut task = Task::new(0);
    for &host in known {
        let address = Host::address_of(host);
        task.peers.push((address.ip().to_string(), address.port()));
    }
    let host = world.add_node(FAST, FAST, vec![task]);
    world.plan(Time(1_000), Step::Start(host));
    host
}

pub fn actor(world: &mut World, habit: Habit) -> usize {
    let made = world.torrents[0].clone();
    let actor = Actor::new(habit, made, Vec::new(), true, &mut world.rng.fork());
    world.add_actor(FAST, FAST, actor)
}

pub fn secs(s: u64) -> Time {
    Time::ZERO + Span::secs(s)
}

/// Runs to completion after the trouble ended, and closes the books.
fn finish(mut world: World, healed: Time) {
    world.run_to_completion(healed);
    world.close_down();
}

pub fn completed_at(world: &World, host: usize) -> Time {
    world.node(host).complete.get(&0).copied().unwrap_or(Time(u64::MAX))
}

pub fn the_actor(world: &World, host: usize) -> &Actor {
    match &world.hosts[host].kind {
        Kind::Actor(actor) => actor,
        Kind::Node(_) => panic!("host {host} is a node"),
    }
}

#[test]
fn one_seed_one_leech() {
    let mut world = world(1);
    let host = leech(&mut world, &[0]);
    world.run_to_completion(Time::ZERO);
    assert!(completed_at(&world, host) < secs(8), "{:?}", completed_at(&world, host));
    let row = &world.node(host).rows[&0];
    assert_eq!((row.wasted, row.hash_fails), (0, 0));
    world.close_down();
}

#[test]
fn disk_full_and_recovered() {
    for seed in 0..5 {
        let mut world = world(seed);
        let host = leech(&mut world, &[0]);
        world.plan(Time(1_500_000), Step::DiskFull(host, true));
        world.plan(secs(100), Step::DiskFull(host, false));
        world.run(secs(60), |_| false);
        let before = world.node(host).rows[&0].have_bytes;
        assert!(before < 3_000_001, "it cannot be complete on a full disk");
        let row = &world.node(host).rows[&0];
        assert!(matches!(&row.activity, peerlink::machine::Activity::Paused(_)), "{row:?}");
        assert!(!world.node(host).said.is_empty(), "a full disk is told to the person");
        assert!(world.node(host).failed.is_empty());
        world.run(secs(135), |_| false);
        let after = world.node(host).rows[&0].have_bytes;
        assert!(after > before, "no progress 35 s after space came back");
        finish(world, secs(135));
    }
}

#[test]
fn start_and_stop() {
    let mut world = world(3);
    world.hosts[0].up = 300_000;
    let host = leech(&mut world, &[0]);
    for round in 0..5 {
        world.plan(secs(2 + 5 * round), Step::Stop(host));
        world.plan(secs(5 + 5 * round), Step::Start(host));
    }
    world.run_to_completion(secs(30));
    let row = &world.node(0).rows[&0];
    assert!(row.uploaded <= 3_000_001 + 5 * 400_000, "stops cost {} bytes", row.uploaded - 3_000_001);
    world.close_down();
}

#[test]
fn self_connection_and_dead_peers() {
    let mut world = world(4);
    let url = world.web.add(30);
    world.web.trackers[0].names_asker = true;
    let host = leech(&mut world, &[]);
    let own = world.hosts[host].address;
    let task = &mut world.node_mut(host).tasks[0];
    task.peers.push((own.ip().to_string(), own.port()));
    task.peers.push(("nobody.test".into(), 6881));
    for number in 1..12 {
        task.peers.push((format!("78.1.1.{number}"), 7000 + number));
    }
    for host in [0, host] {
        world.node_mut(host).tasks[0].trackers = vec![vec![url.clone()]];
    }
    world.run_to_completion(Time::ZERO);
    assert!(completed_at(&world, host) < secs(15), "{:?}", completed_at(&world, host));
    world.run(secs(300), |_| false);
    let dials = world.conns.iter().filter(|conn| conn.ends[0].host == host && conn.ends[1].host == host).count();
    assert!(dials <= 2, "it dialled itself {dials} times");
    world.close_down();
}

#[test]
fn allowed_fast_pieces_only() {
    let mut world = world(6);
    world.hosts[0].listening = false;
    let generous = actor(&mut world, Habit::AllowedFast);
    let host = leech(&mut world, &[generous]);
    world.run(secs(60), |_| false);
    let row = &world.node(host).rows[&0];
    assert!(row.have_bytes > 0 && row.have_bytes < 3_000_001 / 2, "{row:?}");
    assert!(the_actor(&world, generous).served > 0);
    world.hosts[0].listening = true;
    let seed = world.hosts[0].address;
    assert!(world.addresses.contains_key(&seed));
}

#[test]
fn a_peer_that_rejects_everything() {
    let mut world = world(7);
    let rejecter = actor(&mut world, Habit::Rejecter);
    let host = leech(&mut world, &[rejecter]);
    world.run(secs(60), |_| false);
    let inputs = world.inputs;
    assert!(inputs < 3_000, "{inputs} inputs in a minute of rejects");
    assert_eq!(world.node(host).rows[&0].have_bytes, 0);
    // With a seed beside it nothing is lost.
    let mut world = world_of(8, Shape::single("one.bin", 3_000_001, PIECE));
    let rejecter = actor(&mut world, Habit::Rejecter);
    let host = leech(&mut world, &[rejecter, 0]);
    world.run_to_completion(Time::ZERO);
    assert!(completed_at(&world, host) < secs(12), "{:?}", completed_at(&world, host));
    world.close_down();
}

#[test]
fn a_slow_uploader_does_not_slow_the_others() {
    let mut world = world(9);
    let task = Task::new(0);
    let slow = world.add_node(6_000, FAST, vec![task.clone()]);
    world.put_before(slow, &task, Before::Saved);
    world.plan(Time::ZERO, Step::Start(slow));
    let host = leech(&mut world, &[slow, 0]);
    world.run_to_completion(Time::ZERO);
    assert!(completed_at(&world, host) < secs(25), "{:?}", completed_at(&world, host));
    world.close_down();
}

#[test]
fn existing_files() {
    let cases = [
        (None, 3_000_001),
        (Some(Before::Files), 0),
        (Some(Before::Some(50)), 2_000_000),
        (Some(Before::Wrong), 3_000_001),
        (Some(Before::TooLong), 0),
        (Some(Before::TooShort), 1_700_000),
    ];
    for (number, (before, most)) in cases.into_iter().enumerate() {
        let lens = [1_000_000, 0, 500_001, -24_287, 1_000_000, 475_713];
        let mut world = world_of(10 + number as u64, Shape::multi("many", &lens, PIECE));
        let host = leech(&mut world, &[0]);
        let task = world.node(host).tasks[0].clone();
        if let Some(before) = before {
            world.put_before(host, &task, before);
        }
        world.run_to_completion(Time::ZERO);
        let row = &world.node(host).rows[&0];
        assert!(row.downloaded <= most, "{before:?}: {} bytes downloaded", row.downloaded);
        assert_eq!(row.banned, 0);
        world.close_down();
    }
}

#[test]
fn kill_and_resume() {
    for piece_len in [16_384, 262_144] {
        let mut world = world_of(20, Shape::single("one.bin", 6_000_001, piece_len));
        world.hosts[0].up = 400_000;
        let host = leech(&mut world, &[0]);
        let kills = 6;
        for kill in 0..kills {
            let at = secs(2 + 3 * kill);
            world.plan(at, Step::Kill(host));
            world.plan(at + Span::millis(50), Step::Start(host));
        }
        world.run_to_completion(secs(20));
        let uploaded = world.node(0).rows[&0].uploaded;
        // What was on the way when the process died is lost too.
        let most = 6_000_001 + kills * (u64::from(piece_len) + 450_000);
        assert!(uploaded <= most, "pieces of {piece_len}: {uploaded} bytes uploaded, at most {most}");
        world.close_down();
    }
}

#[test]
fn power_cut_and_resume() {
    for seed in 0..8 {
        let mut world = world_of(seed, Shape::multi("many", &[2_000_000, 300_001, 1_700_000], PIECE));
        world.hosts[0].up = 400_000;
        let host = leech(&mut world, &[0]);
        world.node_mut(host).disk.keeps_undo = true;
        for cut in 0..3 {
            let at = Time(2_000_000 + cut * 4_000_000 + seed * 100_000);
            world.plan(at, Step::PowerCut(host));
            world.plan(at + Span::secs(1), Step::Start(host));
        }
        world.run_to_completion(secs(16));
        world.close_down();
    }
}

#[test]
fn who_wants_nothing_more_is_not_kept() {
    // Two that have the part they want, of which the other has none (BEP 21): neither keeps the other or the seed.
    let mut world = world_of(37, Shape::multi("two", &[1_500_000, 1_500_000], PIECE));
    let first = leech(&mut world, &[0]);
    let second = leech(&mut world, &[0, first]);
    for (host, wanted) in [(first, vec![true, false]), (second, vec![false, true])] {
        world.node_mut(host).tasks[0].wanted = wanted;
    }
    world.run_to_completion(Time::ZERO);
    assert!(completed_at(&world, second) < secs(12), "{:?}", completed_at(&world, second));
    world.run(world.now + Span::secs(3), |_| false);
    let open = world.hosts.iter().map(|host| host.conns.len()).sum::<usize>();
    assert_eq!(open, 0, "connections that nobody needs");
    world.close_down();
}

#[test]
fn stalled_peers_whose_blocks_come_late() {
    // They hold what they are asked for longer than anybody waits (20 s), and send it all the same.
    for late in [10, 30, 50] {
        let mut world = world(38);
        world.hosts[0].up = 200_000;
        let mut known: Vec<usize> = (0..3).map(|_| actor(&mut world, Habit::Late(late))).collect();
        known.push(0);
        let host = leech(&mut world, &known);
        world.run_to_completion(Time::ZERO);
        assert!(completed_at(&world, host) < secs(50), "{late}: {:?}", completed_at(&world, host));
        world.close_down();
    }
}

#[test]
fn endgame_with_a_stalled_peer() {
    let mut world = world(30);
    let stalled = actor(&mut world, Habit::Stalled(20));
    let host = leech(&mut world, &[stalled, 0]);
    world.run_to_completion(Time::ZERO);
    assert!(completed_at(&world, host) < secs(10), "{:?}", completed_at(&world, host));
    world.close_down();
}

#[test]
fn a_block_that_trickles_in() {
    // The rules on stuck requests hold for it too: it goes to the seed that comes later, and its sender leaves.
    // It is the only one there is, so no other request of that peer runs out of time.
    let mut world = world_of(36, Shape::single("one.bin", 16_000, PIECE));
    world.hosts[0].listening = false;
    let loris = actor(&mut world, Habit::SlowLoris { from_start: false });
    let host = leech(&mut world, &[loris, 0]);
    world.run(secs(200), |_| false);
    assert_eq!(world.node(host).rows[&0].have_bytes, 0);
    world.hosts[0].listening = true;
    finish(world, secs(200));
}

#[test]
fn silent_connections_are_closed() {
    let mut world = world(31);
    let seed = world.hosts[0].address;
    for number in 0..20 {
        let habit = if number % 2 == 0 { Habit::Dumb } else { Habit::SlowLoris { from_start: true } };
        let made = world.torrents[0].clone();
        let actor = Actor::new(habit, made, vec![seed], true, &mut world.rng.fork());
        world.add_actor(FAST, FAST, actor);
    }
    let host = leech(&mut world, &[0]);
    world.run_to_completion(Time::ZERO);
    assert!(completed_at(&world, host) < secs(8), "honest peers are served meanwhile");
    world.run(secs(120), |_| false);
    let left = world.hosts[0].conns.len();
    assert_eq!(left, 0, "silent connections are still open");
    world.close_down();
}

#[test]
fn a_chain_of_leeches() {
    // Each knows only the one before it, so pieces travel by `have`.
    let mut world = world(33);
    let mut last = 0;
    for _ in 0..4 {
        last = leech(&mut world, &[last]);
    }
    finish(world, Time::ZERO);
}

#[test]
fn more_leeches_than_places() {
    // The choker takes places away while requests wait: each of them is rejected at once.
    let mut world = world(34);
    world.hosts[0].up = 500_000;
    let seed = world.hosts[0].address;
    for _ in 0..12 {
        let made = world.torrents[0].clone();
        let actor = Actor::new(Habit::Greedy, made, vec![seed], true, &mut world.rng.fork());
        world.add_actor(FAST, FAST, actor);
    }
    leech(&mut world, &[0]);
    world.run(secs(60), |_| false);
    let chokes = world.node(0).safety.chokes;
    assert!(chokes > 3, "only {chokes} chokes");
    finish(world, secs(60));
}

#[test]
fn more_senders_than_buffers() {
    let mut world = world(35);
    let task = Task::new(0);
    world.links.chunk_max = 3_000;
    let mut known = vec![0];
    for _ in 0..12 {
        let host = world.add_node(FAST, FAST, vec![task.clone()]);
        world.put_before(host, &task, Before::Saved);
        world.plan(Time::ZERO, Step::Start(host));
        known.push(host);
    }
    let host = leech(&mut world, &known);
    world.hosts[host].down = 12_000_000;
    world.node_mut(host).purse = (512, 512, 20);
    world.run_to_completion(Time::ZERO);
    let at = completed_at(&world, host);
    assert!(at < secs(5), "{at:?}");
    world.close_down();
}

#[test]
fn few_buffers_and_credits_are_enough() {
    let mut world = world(32);
    let hosts: Vec<usize> = (0..6).map(|_| leech(&mut world, &[0])).collect();
    for host in hosts {
        world.node_mut(host).purse = (8, 8, 20);
    }
    finish(world, Time::ZERO);
}

/// Both directions: 3 MB at 200 kB/s take 15 s, give or take the bucket and the first seconds; what is limited is
/// shared by all that wait for it.
#[test]
fn rate_limits_are_kept_and_shared() {
    let mut limited_down = world(21);
    let host = leech(&mut limited_down, &[0]);
    limited_down.node_mut(host).limits = (0, 200_000);
    limited_down.run_to_completion(Time::ZERO);
    let at = completed_at(&limited_down, host);
    assert!(secs(14) < at && at < secs(18), "{at:?}");
    limited_down.close_down();

    let mut limited_up = world(22);
    limited_up.node_mut(0).limits = (400_000, 0);
    let hosts = [leech(&mut limited_up, &[0]), leech(&mut limited_up, &[0])];
    limited_up.run_to_completion(Time::ZERO);
    let mut at = hosts.map(|host| completed_at(&limited_up, host));
    at.sort_unstable();
    assert!(secs(12) < at[0] && secs(14) < at[1] && at[1] < secs(20), "{at:?}");
    limited_up.close_down();
}
