//! A swarm that has nothing but the DHT: no tracker, nobody who knows anybody, nodes that come, are killed and come
//! again, and datagrams that get lost.

use std::net::SocketAddr;

use peerlink::base::{Span, Time};
use peerlink::dht::{Dht, Options};

use crate::host::{Driven, Task, new_node};
use crate::lab::Before;
use crate::support::Shape;
use crate::world::{Step, World};

const LEECHES: usize = 29;
const FAST: u64 = 2_000_000;

/// A /24 each, as on the internet.
fn home(host: usize) -> SocketAddr {
    SocketAddr::from(([82, 7, host as u8, 7], 6881))
}

/// A node that begins at the first three hosts.
fn dht_node(seed: u64) -> Box<dyn Driven> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut options = Options::new(std::array::from_fn(|_| rng.u8(..)));
    options.bootstrap = (0..3).map(|host| (home(host).ip().to_string(), home(host).port())).collect();
    Box::new(new_node(seed).with_dht(Dht::new(options, &mut rng)))
}

#[test]
fn a_swarm_of_thirty_with_the_dht_alone() {
    for seed in 0..2 {
        let mut world = World::new(seed, dht_node);
        world.add_torrent(&Shape::single("one.bin", 1_000_001, 65_536));
        let task = Task::new(0);
        for host in 0..=LEECHES {
            assert_eq!(world.add_node(FAST, FAST, vec![task.clone()]), host);
            let old = std::mem::replace(&mut world.hosts[host].address, home(host));
            world.addresses.remove(&old);
            world.addresses.insert(home(host), host);
            world.plan(Time(1 + 700_000 * host as u64), Step::Start(host));
        }
        world.put_before(0, &task, Before::Saved);
        world.node_mut(0).seeds.push(0);
        world.links.loss_per_mille = 30;
        // A third is killed and comes again; all is well after a minute.
        for host in (3..=LEECHES).step_by(3) {
            let at = Time(15_000_000 + 900_000 * host as u64);
            world.plan(at, Step::Kill(host));
            world.plan(at + Span::secs(3), Step::Start(host));
        }
        let healed = Time(60_000_000);
        world.plan(healed, Step::Heal);
        world.run_to_completion(healed);
        let complete = (1..=LEECHES).filter(|&host| world.node(host).complete.contains_key(&0)).count();
        assert_eq!(complete, LEECHES);
        world.close_down();
    }
}
