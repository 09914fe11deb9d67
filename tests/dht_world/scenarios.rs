//! What must hold in which network.

use std::net::SocketAddr;

use peerlink::base::{InfoHash, NodeId, Span};
use peerlink::wire::dht::{Ask, Asked, node_id};

use crate::hostile::{Hostile, Play};
use crate::world::{Host, World};

/// A world of `count` machines that have found each other.
fn grown(seed: u64, count: usize, loss: u32) -> World {
    let mut world = World::new(seed);
    world.loss = loss;
    let first: Vec<SocketAddr> = (0..8).map(|n| SocketAddr::from(([60, 0, n, 7], 6881))).collect();
    for number in 0..count {
        let host = world.add(&first, |_| ());
        world.find(host, InfoHash([number as u8; 20]), false);
        world.run(Span::millis(300));
    }
    world.run(Span::secs(120));
    // Those that came first looked for others that were not there yet.
    world.strangers.clear();
    world
}

fn hash(n: u64) -> InfoHash {
    let mut rng = fastrand::Rng::with_seed(n);
    InfoHash(std::array::from_fn(|_| rng.u8(..)))
}

/// Smallest, mean and largest table.
fn tables(world: &World) -> String {
    let counts: Vec<usize> = world.hosts.iter().map(|host| host.dht.node_count()).collect();
    let (least, most) = (counts.iter().min().expect("hosts"), counts.iter().max().expect("hosts"));
    format!("tables {least}..{}..{most}", counts.iter().sum::<usize>() / counts.len())
}

/// Somebody announces, somebody else looks: of `count` such, how many are right.
fn right(world: &mut World, count: u64, from: usize) -> u64 {
    let mut pairs = Vec::new();
    for n in 0..count {
        let announcer = world.rng.usize(from..world.hosts.len());
        let seeker = world.rng.usize(from..world.hosts.len());
        if announcer != seeker && world.hosts[announcer].is_up && world.hosts[seeker].is_up {
            pairs.push((announcer, seeker, hash(1000 + n)));
        }
    }
    for (announcer, _, hash) in &pairs {
        world.find(*announcer, *hash, true);
        world.run(Span::millis(500));
    }
    world.run(Span::secs(30));
    for (_, seeker, hash) in &pairs {
        world.find(*seeker, *hash, false);
        world.run(Span::millis(500));
    }
    world.run(Span::secs(30));
    let is_right = |(announcer, seeker, hash): &&(usize, usize, InfoHash)| {
        let found = world.hosts[*seeker].found.get(hash);
        found.is_some_and(|found| found.contains(&world.hosts[*announcer].address))
    };
    pairs.iter().filter(is_right).count() as u64 * count / pairs.len() as u64
}

#[test]
fn lookups_are_right_among_hundreds_with_loss() {
    let mut world = grown(1, 300, 50);
    let right = right(&mut world, 100, 0);
    let sent: u64 = (0..300).map(|host| world.sent(host)).sum();
    println!(
        "300 machines, 5 % loss: {right} of 100 right; {}; {} datagrams, {} bytes each",
        tables(&world),
        world.datagrams,
        sent / 300
    );
    assert!(right >= 98, "{right}");
}

fn hostile(play: Play, seed: u64) -> u64 {
    let mut world = grown(seed, 200, 20);
    world.hostile = Some(Hostile::new(play, 40, 250));
    // They make themselves known to everybody for ten minutes, and more honest ones come meanwhile.
    let first: Vec<SocketAddr> = (0..8).map(|n| SocketAddr::from(([60, 0, n, 7], 6881))).collect();
    for second in 0..600_u64 {
        for _ in 0..50 {
            let hostile = world.hostile.take().expect("it is there");
            let at = hostile.one(&mut world.rng);
            let to = world.rng.usize(..world.hosts.len());
            let bytes = hostile.greeting(at, world.hosts[to].dht.ids()[0], &mut world.rng);
            let address = world.hosts[to].address;
            world.hostile = Some(hostile);
            world.send(at, address, bytes);
        }
        if second % 6 == 0 {
            let host = world.add(&first, |_| ());
            world.find(host, hash(second), false);
        }
        world.run(Span::secs(1));
    }
    let right = right(&mut world, 100, 0);
    let unfit = |host: &&Host| !node_id::is_valid(&host.dht.ids()[0], host.address.ip());
    let unfit = world.hosts.iter().filter(unfit).count();
    let asked = world.hostile.as_ref().map_or(0, |hostile| hostile.asked);
    println!(
        "{play:?}: {right} of 100 right; 10000 hostile ones were asked {asked} times; {} datagrams; {unfit} with a wrong \
         id; {}",
        world.datagrams,
        tables(&world)
    );
    right
}

#[test]
fn ten_thousand_that_fit() {
    assert!(hostile(Play::Fitting, 2) >= 95);
}

#[test]
fn ten_thousand_that_claim() {
    assert!(hostile(Play::Claims, 3) >= 95);
}

#[test]
fn ten_thousand_that_look_plain() {
    assert!(hostile(Play::Plain, 4) >= 95);
}

#[test]
fn ten_thousand_that_are_silent() {
    assert!(hostile(Play::Silent, 5) >= 95);
}

/// A third of the machines goes without a word, others come, and one of twenty datagrams is lost.
#[test]
fn lookups_are_right_while_machines_come_and_go() {
    let mut world = grown(6, 200, 50);
    let first: Vec<SocketAddr> = (0..8).map(|n| SocketAddr::from(([60, 0, n, 7], 6881))).collect();
    for number in (8..200).step_by(3) {
        world.hosts[number].is_up = false;
        let host = world.add(&first, |_| ());
        world.find(host, hash(number as u64), false);
        world.run(Span::secs(2));
    }
    let right = right(&mut world, 100, 0);
    println!("churn: {right} of 100 right; {}", tables(&world));
    assert!(right >= 95, "{right}");
}

#[test]
fn the_same_seed_makes_the_same_run() {
    let run = |seed| {
        let world = grown(seed, 40, 100);
        (world.trace, world.datagrams)
    };
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
}

/// A table that is saved is enough to begin with.
#[test]
fn an_earlier_runs_nodes_are_found_again() {
    let mut world = grown(9, 60, 0);
    world.stop(30);
    let saved = std::mem::take(&mut world.hosts[30].saved);
    assert!(!saved.is_empty());
    let id = world.hosts[30].dht.ids()[0];
    let address = world.hosts[30].address;
    let again = world.add_at(address, &["10.9.9.9:9".parse().expect("an address")], |options| options.saved = saved);
    assert_eq!(world.hosts[again].dht.ids()[0], id, "the address is the same, and so is the id");
    world.find(again, hash(1), true);
    world.run(Span::secs(5));
    world.find(3, hash(1), false);
    world.run(Span::secs(5));
    assert!(world.hosts[again].dht.node_count() >= 8);
    assert!(world.hosts[3].found[&hash(1)].contains(&address));
}

/// Between looks for peers there is little to say.
#[test]
fn a_node_at_rest_asks_little() {
    let mut world = grown(10, 100, 10);
    world.run(Span::secs(1800));
    let before: u64 = (0..100).map(|host| world.sent(host)).sum();
    let datagrams = world.datagrams;
    world.run(Span::secs(3600));
    let each = (0..100).map(|host| world.sent(host)).sum::<u64>() - before;
    let questions = (world.datagrams - datagrams) / 200;
    println!("at rest: {questions} questions and {} bytes an hour", each / 100);
    assert!(questions <= 600, "{questions} an hour");
}

/// One source at a thousand questions a second, fifty others at their leisure.
#[test]
fn a_flooder_is_ignored_and_others_are_answered() {
    let mut world = grown(11, 20, 0);
    let to = world.hosts[3].address;
    let question = |n: u64| {
        let asked = Asked::GetPeers { info_hash: hash(n) };
        Ask { id: NodeId([9; 20]), transaction: &n.to_be_bytes(), read_only: true, want: None, asked }.to_bytes()
    };
    let flooder: SocketAddr = "90.1.1.1:5".parse().expect("an address");
    let mut asked = 0;
    for n in 0..30_000 {
        world.send(flooder, to, question(n));
        if n % 100 == 0 {
            world.send(SocketAddr::from(([91, 1, (n / 100 % 50) as u8, 1], 5)), to, question(n));
            asked += 1;
        }
        world.run(Span::millis(1));
    }
    world.run(Span::secs(1));
    let mut answers = std::mem::take(&mut world.strangers);
    let flooded = answers.remove(&flooder).unwrap_or(0);
    let others: u64 = answers.values().sum();
    println!("flood: {flooded} of 30000 answered, others {others} of {asked}");
    assert!(flooded <= 100 && others == asked, "{flooded} {others}");
}

/// Who only asks is asked by nobody, and answers nobody (BEP 43).
#[test]
fn a_read_only_node_finds_and_is_not_asked() {
    let mut world = grown(12, 40, 0);
    world.find(5, hash(1), true);
    world.run(Span::secs(5));
    let first = [world.hosts[0].address, world.hosts[1].address];
    let silent = world.add(&first, |options| options.read_only = true);
    world.find(silent, hash(1), false);
    world.run(Span::secs(60));
    assert!(world.hosts[silent].found[&hash(1)].contains(&world.hosts[5].address));
    let address = world.hosts[silent].address;
    world.send(
        "90.1.1.1:5".parse().expect("an address"),
        address,
        b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe".to_vec(),
    );
    world.run(Span::secs(1));
    assert!(world.strangers.is_empty());
}
