//! Worlds with peers that misbehave: liars of every kind beside honest seeds, a storm of rogues, bans across processes.

use peerlink::base::{Span, Time};

use crate::actor::{Actor, Habit};
use crate::host::{Kind, Task};
use crate::lab::Before;
use crate::scenarios::{FAST, completed_at, leech, secs, the_actor, world_of};
use crate::support::Shape;
use crate::world::{Step, World};

/// More seeds beside host 0.
fn seeds(world: &mut World, count: usize) -> Vec<usize> {
    let mut seeds = vec![0];
    for _ in 1..count {
        let task = Task::new(0);
        let host = world.add_node(FAST, FAST, vec![task.clone()]);
        world.put_before(host, &task, Before::Saved);
        world.node_mut(host).seeds.push(0);
        world.plan(Time::ZERO, Step::Start(host));
        seeds.push(host);
    }
    seeds
}

fn rogue(world: &mut World, habit: Habit, fast: bool) -> usize {
    let made = world.torrents[0].clone();
    let actor = Actor::new(habit, made, Vec::new(), fast, &mut world.rng.fork());
    world.add_actor(FAST, FAST, actor)
}

/// How liars and seeds are mixed.
#[derive(Clone, Copy, Debug)]
struct Case {
    seeds: usize,
    liars: usize,
    piece_len: u32,
    /// Wrong blocks of a hundred.
    percent: u32,
    /// In order, so that peers share pieces from the start.
    sequential: bool,
    /// They dial too, with another port and peer id each time.
    renames: bool,
}

/// Runs a case; gives the most failed pieces that any liar had a part in before it was banned.
fn run_case(case: Case, seed: u64) -> u32 {
    let mut world = world_of(seed, Shape::single("one.bin", 3_000_001, case.piece_len));
    let mut known = seeds(&mut world, case.seeds);
    let liars: Vec<usize> =
        (0..case.liars).map(|n| rogue(&mut world, Habit::Corrupter(case.percent), n % 2 == 0)).collect();
    known.extend(&liars);
    let host = leech(&mut world, &known);
    world.node_mut(host).tasks[0].sequential = case.sequential;
    let address = world.hosts[host].address;
    for &liar in liars.iter().filter(|_| case.renames) {
        let Kind::Actor(actor) = &mut world.hosts[liar].kind else { panic!("it is an actor") };
        (actor.renames, actor.dials) = (true, vec![address]);
    }
    world.run_to_completion(Time::ZERO);
    // The last digests, and time for liars to come back.
    world.run(world.now + Span::secs(8), |_| false);
    let row = world.node(host).rows[&0].clone();
    let guilt = world.node(host).guilt.clone();
    for &liar in &liars {
        let is_banned = world.is_banned(host, world.hosts[liar].address);
        assert!(!is_banned || the_actor(&world, liar).lied > 0, "{case:?} {seed}: {liar} never lied");
        assert!(is_banned || !guilt.contains_key(&liar), "{case:?} {seed}: {liar} is guilty: {guilt:?} {row:?}");
        assert!(!is_banned || the_actor(&world, liar).sessions.is_empty(), "{case:?} {seed}: {liar} is here");
    }
    assert_eq!(row.banned as usize, liars.iter().filter(|&&l| world.is_banned(host, world.hosts[l].address)).count());
    world.close_down();
    guilt.values().copied().max().unwrap_or(0)
}

/// Alone on its pieces a liar is banned after one of them, sharing pieces after two. What is under way when the first
/// one fails cannot be called back, so there are more pieces than peers.
#[test]
fn corruption_matrix() {
    let kinds = [(16_384, 100), (65_536, 40), (262_144, 100), (262_144, 8), (393_216, 100), (524_288, 5)];
    let ways = [(false, false), (false, true), (true, false), (true, true)];
    let mut worst = std::collections::BTreeMap::new();
    let more = std::env::var("PEERLINK_SIM_SEEDS").ok().and_then(|text| text.parse::<u64>().ok()).unwrap_or(20) / 20;
    for (seeds, liars) in [(1, 1), (1, 3), (3, 1), (3, 3)] {
        for ((piece_len, percent), (sequential, renames)) in
            kinds.iter().flat_map(|kind| ways.map(|way| (*kind, way)))
        {
            for seed in 0..more {
                let case = Case { seeds, liars, piece_len, percent, sequential, renames };
                let failed = run_case(case, seed);
                // One that was honest for a while has a part in more that is under way: about a piece per peer.
                let most = if percent == 100 { 2 } else { 2 + seeds + liars };
                assert!(failed as usize <= most, "{case:?} {seed}: {failed} pieces failed before a ban");
                *worst.entry((percent == 100, failed)).or_insert(0) += 1;
            }
        }
    }
    println!("worlds by whether liars always lie, and failed pieces before the last ban: {worst:?}");
}

/// Nobody else has the data: each piece that fails was sent by the liar alone.
#[test]
fn alone_on_its_pieces_a_corrupter_is_banned_after_the_first() {
    for piece_len in [16_384, 65_536, 262_144, 1_048_576] {
        let mut world = world_of(1, Shape::single("one.bin", 3_000_001, piece_len));
        world.hosts[0].listening = false;
        let liar = rogue(&mut world, Habit::Corrupter(100), true);
        let host = leech(&mut world, &[liar]);
        world.run(secs(60), |_| false);
        let row = &world.node(host).rows[&0];
        assert_eq!((row.hash_fails, row.banned), (1, 1), "pieces of {piece_len}");
    }
}

#[test]
fn a_ban_outlives_the_process() {
    let mut world = world_of(2, Shape::single("one.bin", 3_000_001, 65_536));
    let liar = rogue(&mut world, Habit::Corrupter(100), true);
    world.hosts[0].up = 100_000;
    let host = leech(&mut world, &[liar, 0]);
    world.plan(secs(8), Step::Kill(host));
    world.plan(secs(9), Step::Start(host));
    world.run(secs(8), |_| false);
    assert!(world.is_banned(host, world.hosts[liar].address));
    let met = the_actor(&world, liar).met;
    world.run_to_completion(secs(9));
    assert_eq!(the_actor(&world, liar).met, met, "it was met again");
    assert!(world.is_banned(host, world.hosts[liar].address));
    world.close_down();
}

/// Who is banned in one torrent is hung up on in the other.
#[test]
fn a_ban_holds_in_all_torrents() {
    let mut world = world_of(3, Shape::single("one.bin", 3_000_001, 65_536));
    world.add_torrent(&Shape::single("two.bin", 3_000_001, 65_536));
    let liar = rogue(&mut world, Habit::Corrupter(100), true);
    let made = world.torrents[1].clone();
    let other = Actor::new(Habit::Chokes, made, Vec::new(), true, &mut world.rng.fork());
    let other = world.add_actor(FAST, FAST, other);
    // The same machine in the second torrent: another port.
    let twin = std::net::SocketAddr::new(world.hosts[liar].address.ip(), 7_777);
    world.addresses.insert(twin, other);
    world.hosts[0].up = 100_000;
    let host = leech(&mut world, &[0]);
    let mut second = Task::new(1);
    second.peers = vec![(twin.ip().to_string(), twin.port())];
    world.node_mut(host).tasks.push(second);
    world.run(secs(5), |_| false);
    assert_eq!(the_actor(&world, other).sessions.len(), 1);
    let address = world.hosts[liar].address;
    let to = world.hosts[host].address;
    let Kind::Actor(actor) = &mut world.hosts[liar].kind else { panic!("it is an actor") };
    actor.dials = vec![to];
    world.run(secs(25), |_| false);
    assert!(world.is_banned(host, address), "{:?}", world.node(host).rows[&0]);
    assert_eq!(the_actor(&world, other).sessions.len(), 0, "the twin is still here");
}

/// As in `tests/rogues.rs`, with half as many places as peers.
#[test]
fn a_storm_of_rogues_costs_little_time() {
    let run = |kinds: &[Habit]| {
        let mut world = world_of(5, Shape::single("one.bin", 4_000_001, 65_536));
        let seeds = seeds(&mut world, 2);
        seeds.iter().for_each(|&seed| world.hosts[seed].up = 200_000);
        let mut known: Vec<usize> =
            (0..20).flat_map(|_| kinds).map(|&habit| rogue(&mut world, habit, true)).collect();
        known.extend(seeds);
        let host = leech(&mut world, &known);
        let address = world.hosts[host].address;
        for &rogue in &known {
            if let Kind::Actor(actor) = &mut world.hosts[rogue].kind {
                actor.dials = vec![address];
            }
        }
        world.run_to_completion(Time::ZERO);
        let at = completed_at(&world, host);
        world.close_down();
        at
    };
    let clean = run(&[]);
    let slow = Habit::SlowLoris { from_start: false };
    let storm = run(&[Habit::Mute, slow, Habit::Corrupter(100), Habit::Rejecter, Habit::Flood]);
    let liars = run(&[Habit::Chokes, Habit::SlowLoris { from_start: true }, Habit::Corrupter(20), Habit::Flapper]);
    println!("alone {clean:?}, in a storm {storm:?} and {liars:?}");
    assert!(storm.0 <= 3 * clean.0 && liars.0 <= 3 * clean.0, "{storm:?}, {liars:?}, alone {clean:?}");
}
