//! What torrents and peers of one process share: credits, rates, dials.

use peerlink::base::{Span, Time};
use peerlink::machine::RateLimits;

use crate::actor::{Actor, Habit};
use crate::host::{Host, Task, plain_node};
use crate::lab::Before;
use crate::support::Shape;
use crate::world::{Step, World};

const FAST: u64 = 2_000_000;
const LEN: u64 = 300_000;

/// Host 0 shares so many torrents, host 1 wants them all from it.
fn world_of(seed: u64, torrents: usize) -> World {
    let mut world = World::new(seed, plain_node);
    for number in 0..torrents {
        world.add_torrent(&Shape::single(&format!("{number}.bin"), LEN, 32_768));
    }
    let tasks: Vec<Task> = (0..torrents).map(Task::new).collect();
    world.add_node(FAST, FAST, tasks.clone());
    for task in &tasks {
        world.put_before(0, task, Before::Saved);
        world.node_mut(0).seeds.push(task.torrent);
    }
    let address = Host::address_of(0);
    let wanted = |task: &Task| Task { peers: vec![(address.ip().to_string(), address.port())], ..task.clone() };
    world.add_node(FAST, FAST, tasks.iter().map(wanted).collect());
    world.plan(Time::ZERO, Step::Start(0));
    world.plan(Time(1_000), Step::Start(1));
    world
}

/// When each torrent of host 1 was complete, in order.
fn times(world: &World) -> Vec<Time> {
    let mut times: Vec<Time> = world.node(1).complete.values().copied().collect();
    times.sort_unstable();
    times
}

/// The last is complete within three times the median.
fn assert_fair(world: &World, name: &str) {
    let times = times(world);
    let (median, last) = (times[times.len() / 2], times[times.len() - 1]);
    assert!(last.0 <= 3 * median.0, "{name}: median {median:?}, last {last:?}");
}

#[test]
fn torrents_share_few_credits() {
    for seed in 0..3 {
        let mut world = world_of(seed, 20);
        world.node_mut(0).purse = (48, 48, 40);
        world.node_mut(1).purse = (48, 48, 40);
        world.run_to_completion(Time::ZERO);
        assert_fair(&world, "few credits");
        world.close_down();
    }
}

#[test]
fn torrents_share_a_rate() {
    for (up, down) in [(150_000, 0), (0, 150_000)] {
        let mut world = world_of(7, 12);
        world.node_mut(0).limits = (up, 0);
        world.node_mut(1).limits = (0, down);
        world.run_to_completion(Time::ZERO);
        // 3.6 MB at 150 kB/s; alone, the first would be complete after 2 s.
        let (first, last) = (times(&world)[0], times(&world)[11]);
        assert!(first > Time::ZERO + Span::secs(6), "one torrent had more than its share: {first:?}");
        assert!(last > Time::ZERO + Span::secs(22) && last < Time::ZERO + Span::secs(27), "{last:?}");
        assert_fair(&world, "a rate");
        world.close_down();
    }
}

#[test]
fn each_torrent_has_its_own_limit() {
    let mut world = world_of(8, 3);
    for (task, down_per_s) in world.node_mut(1).tasks.iter_mut().zip([30_000, 60_000, 0]) {
        task.limits = RateLimits { down_per_s, ..RateLimits::default() };
    }
    world.run_to_completion(Time::ZERO);
    let at = |torrent: usize| world.node(1).complete[&torrent].0 / 1_000_000;
    assert!(at(2) < 2 && (4..7).contains(&at(1)) && (9..12).contains(&at(0)), "{} {} {}", at(0), at(1), at(2));
    world.close_down();
}

/// Peers that owe blocks and send none could hold all credits: half is for the others.
#[test]
fn idle_peers_hold_half_of_the_credits() {
    for seed in 0..3 {
        let mut world = world_of(10 + seed, 1);
        let made = world.torrents[0].clone();
        let mut mutes = Vec::new();
        for _ in 0..20 {
            let actor = Actor::new(Habit::Stalled(0), made.clone(), Vec::new(), true, &mut world.rng.fork());
            let address = Host::address_of(world.add_actor(FAST, FAST, actor));
            mutes.push((address.ip().to_string(), address.port()));
        }
        let node = world.node_mut(1);
        node.purse = (32, 32, 40);
        node.tasks[0].peers.extend(mutes);
        // The seed comes when they hold all there is.
        world.hosts[0].listening = false;
        world.run(Time::ZERO + Span::secs(2), |_| false);
        assert_eq!(world.node(1).out.download.free(), 0);
        world.hosts[0].listening = true;
        // Before anybody is snubbed for its silence.
        let is_done = world.run(Time::ZERO + Span::secs(15), |world| {
            let node = world.node(1);
            assert_eq!(node.out.download.idle_excess(), 0, "more than half sits with idle peers");
            node.rows.get(&0).is_some_and(|row| row.have_bytes > LEN / 2)
        });
        assert!(is_done, "seed {seed}: {:?}", world.node(1).rows.get(&0));
        // What the idle ones were asked for last is free when they are hung up on.
        world.run_to_completion(Time::ZERO + Span::secs(20));
        world.close_down();
    }
}
