//! Web servers as seeds (BEP 19): alone, beside peers, in every temper, and through the troubles of others.

use std::sync::Arc;

use peerlink::base::Time;

use crate::actor::{Actor, Habit};
use crate::host::Task;
use crate::scenarios::{FAST, actor, completed_at, secs, the_actor};
use crate::support::{FileShape, Shape};
use crate::web_actor::Server;
use crate::world::{Step, World};

const PIECE: u32 = 65_536;
/// The node.
const HOST: usize = 0;

fn shape() -> Shape {
    let lens: [(u64, bool); 7] = [
        (150_000, false),
        (46_608, true),
        (0, false),
        (1, false),
        (249_999, false),
        (70_000, false),
        (400_000, false),
    ];
    let file = |(index, (len, pad)): (usize, &(u64, bool))| {
        let name = if *pad { format!(".pad/{len}") } else { format!("a folder/{index} ü") };
        FileShape { path: name.split('/').map(str::to_owned).collect(), len: *len, pad: *pad }
    };
    let files = lens.iter().enumerate().map(file).collect();
    Shape { files, single: false, ..Shape::single("t", 1, PIECE) }
}

/// A world with one torrent, a node (host 0) that wants these files of it, and these web servers, whose hosts follow.
fn world(seed: u64, servers: &[Server], wanted: &[bool]) -> (World, Vec<usize>) {
    let mut world = World::new(seed, crate::host::plain_node);
    world.add_torrent(&shape());
    let mut task = Task::new(0);
    task.wanted = wanted.to_vec();
    assert_eq!(world.add_node(FAST, FAST, vec![task]), HOST);
    world.plan(Time(1_000), Step::Start(HOST));
    let mut hosts = Vec::new();
    for server in servers {
        let made = world.torrents[0].clone();
        let actor = Actor::new(Habit::Web(*server), made, Vec::new(), false, &mut world.rng.fork());
        hosts.push(world.add_actor(FAST, FAST, actor));
    }
    let urls = hosts.iter().map(|&host| format!("http://{}/web/", world.hosts[host].address)).collect();
    Arc::make_mut(&mut world.torrents[0].metainfo).web_seeds = urls;
    (world, hosts)
}

fn finish(mut world: World, healed: Time) {
    world.actors_stay = true;
    world.run_to_completion(healed);
    world.close_down();
}

#[test]
fn a_web_server_is_enough_whatever_its_temper() {
    let tempers = [
        Server::Good,
        Server::Closing { says: true },
        Server::Closing { says: false },
        Server::Breaking,
        Server::Chunks,
        Server::Leading,
    ];
    for (seed, server) in (0..).zip(tempers.into_iter().cycle().take(18)) {
        let (mut world, _) = world(seed, &[server], &[]);
        world.links.chunk_max = [700, 16 * 1024, 300_000][seed as usize % 3];
        world.one_by_one = false;
        world.actors_stay = true;
        world.run_to_completion(Time::ZERO);
        println!("seed {seed}: {server:?} after {:?}", completed_at(&world, HOST));
        let row = &world.node(HOST).rows[&0];
        assert_eq!((row.hash_fails, row.faults), (0, 0), "seed {seed}: {server:?}");
        world.close_down();
    }
}

#[test]
fn servers_that_lack_files_or_are_busy_help_each_other_out() {
    for seed in 0..4 {
        let (mut world, hosts) = world(seed, &[Server::Lacking, Server::Busy, Server::Silent], &[]);
        world.actors_stay = true;
        world.run(secs(600), |world| completed_at(world, HOST) < Time(u64::MAX));
        assert!(completed_at(&world, HOST) < secs(600), "seed {seed}: not complete after 600 s");
        assert!(the_actor(&world, hosts[0]).served > 0);
        world.close_down();
    }
}

#[test]
fn wrong_bytes_of_a_web_server_end_with_it_and_nobody_else() {
    for seed in 0..6 {
        let (mut world, hosts) = world(seed, &[Server::Wrong(20), Server::Good], &[]);
        let honest = actor(&mut world, Habit::Honest);
        let address = world.hosts[honest].address;
        world.node_mut(HOST).tasks[0].peers.push((address.ip().to_string(), address.port()));
        world.actors_stay = true;
        world.run_to_completion(Time::ZERO);
        let liar = the_actor(&world, hosts[0]).served;
        assert!(liar <= 4, "seed {seed}: the liar was asked {liar} times");
        assert!(world.node(HOST).said.iter().any(|text| text.contains("it sent wrong data")), "seed {seed}");
        world.close_down();
    }
}

#[test]
fn web_seeds_and_a_full_disk_and_kills() {
    for seed in 0..6 {
        let (mut world, _) = world(seed, &[Server::Good, Server::Closing { says: false }], &[]);
        world.hosts[HOST].down = 150_000;
        world.plan(Time(1_500_000), Step::DiskFull(HOST, true));
        world.plan(secs(40), Step::DiskFull(HOST, false));
        world.plan(secs(73), Step::Kill(HOST));
        world.plan(secs(75), Step::Start(HOST));
        finish(world, secs(75));
    }
}

#[test]
fn nothing_is_asked_of_web_seeds_that_is_not_missing() {
    let wanted = [false, false, false, false, false, false, true];
    let (mut world, hosts) = world(7, &[Server::Good], &wanted);
    world.actors_stay = true;
    world.run_to_completion(Time::ZERO);
    let row = &world.node(HOST).rows[&0];
    assert!(row.downloaded <= 400_000 + 2 * u64::from(PIECE), "{} bytes", row.downloaded);
    assert!(the_actor(&world, hosts[0]).served <= 20);
    world.close_down();
}
