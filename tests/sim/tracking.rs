//! Scenarios of trackers: tiers, failover, and the last words over both protocols.

use peerlink::base::{Span, Time};

use crate::scenarios::{leech, secs, world};
use crate::web::Temper;
use crate::world::{Step, World};

const TEMPERS: [Temper; 6] =
    [Temper::Dead, Temper::Silent, Temper::Failing, Temper::Busy, Temper::Garbage, Temper::Slow(60_000)];

/// Everybody uses these tiers.
fn use_tiers(world: &mut World, tiers: &[Vec<String>]) {
    for host in world.nodes() {
        world.node_mut(host).tasks[0].trackers = tiers.to_vec();
    }
}

/// What a tracker heard of a host, but for regular announces.
fn events(world: &World, tracker: usize, host: usize) -> Vec<&str> {
    let heard = world.web.trackers[tracker].heard.iter().filter(|heard| heard.host == host);
    heard.map(|heard| heard.event.as_str()).filter(|event| !event.is_empty()).collect()
}

#[test]
fn tiers_and_failover() {
    for (temper, is_udp) in TEMPERS.into_iter().flat_map(|temper| [(temper, false), (temper, true)]) {
        let mut world = world(5);
        let add = |world: &mut World, is_udp| if is_udp { world.web.add_udp(60) } else { world.web.add(60) };
        // A tier where nobody works, and one whose first tracker does not; of either protocol.
        let urls: Vec<String> = (0..4).map(|number| add(&mut world, is_udp == (number < 3))).collect();
        (0..3).for_each(|number| world.web.trackers[number].temper = temper);
        let host = leech(&mut world, &[]);
        use_tiers(&mut world, &[vec![urls[0].clone(), urls[1].clone()], vec![urls[2].clone(), urls[3].clone()]]);
        world.run_to_completion(secs(100));
        assert_eq!(events(&world, 3, 0), ["started"], "{temper:?} {is_udp}");
        assert_eq!(events(&world, 3, host), ["started", "completed"], "{temper:?} {is_udp}");
        world.close_down();
        let stopped = world.web.trackers[3].heard.iter().filter(|heard| heard.event == "stopped").count();
        assert_eq!(stopped, 2, "{temper:?} {is_udp}");
    }
}

#[test]
fn the_others_of_a_tier_take_over_and_keep_it() {
    for is_udp in [false, true] {
        let mut world = world(6);
        let urls: Vec<String> =
            (0..3).map(|_| if is_udp { world.web.add_udp(60) } else { world.web.add(60) }).collect();
        let host = leech(&mut world, &[0]);
        use_tiers(&mut world, &[urls]);
        world.run_to_completion(secs(60));
        let first = (0..3).find(|&tracker| !events(&world, tracker, host).is_empty()).expect("one of them was told");
        assert_eq!(events(&world, first, host), ["started", "completed"]);
        // It dies, and is well again when another has taken its place.
        let now = world.now;
        world.plan(now, Step::Tracker(first, Temper::Dead));
        world.plan(now + Span::secs(200), Step::Tracker(first, Temper::Good));
        world.run(now + Span::secs(600), |_| false);
        let told: Vec<usize> = (0..3).filter(|&tracker| !events(&world, tracker, host).is_empty()).collect();
        assert_eq!(told.len(), 2, "over UDP {is_udp}: the third is not needed");
        let second = told.into_iter().find(|&tracker| tracker != first).expect("two of them were told");
        assert_eq!(events(&world, second, host), ["started"], "the tier was told of completion");
        let regular = |tracker: usize, since: Time| {
            let heard = world.web.trackers[tracker].heard.iter();
            heard.filter(|heard| heard.host == host && heard.at > since).count()
        };
        assert_eq!(regular(first, now + Span::secs(200)), 0, "nobody goes back to it");
        assert!(regular(second, now + Span::secs(200)) >= 4);
        world.close_down();
        for tracker in [first, second] {
            assert_eq!(events(&world, tracker, host).last(), Some(&"stopped"));
        }
    }
}

#[test]
fn all_at_once_on_demand() {
    let mut world = world(7);
    let urls = [world.web.add(60), world.web.add_udp(60), world.web.add(60)];
    let host = leech(&mut world, &[]);
    world.node_mut(host).tasks[0].announce_all = true;
    use_tiers(&mut world, &[urls.to_vec()]);
    world.run_to_completion(secs(10));
    world.close_down();
    for tracker in 0..3 {
        assert_eq!(events(&world, tracker, host), ["started", "completed", "stopped"], "tracker {tracker}");
    }
}

#[test]
fn far_trackers_hear_the_last_words() {
    // A second there and back: longer than the wait before a goodbye is said again, and the connection is worn out.
    for is_udp in [false, true] {
        let mut world = world(8);
        let url = if is_udp { world.web.add_udp(1_000) } else { world.web.add(1_000) };
        world.web.trackers[0].temper = Temper::Slow(600);
        let host = leech(&mut world, &[0]);
        use_tiers(&mut world, &[vec![url]]);
        world.run_to_completion(secs(100));
        world.web.trackers[0].temper = Temper::Slow(600);
        let process = world.hosts[host].process;
        world.plan(world.now, Step::Stop(host));
        world.run(world.now + Span::secs(3), |_| false);
        assert_ne!(world.hosts[host].process, process, "it has not stopped");
        let mut events = events(&world, 0, host);
        // Over UDP a word is said again when its answer takes long.
        events.dedup();
        assert_eq!(events, ["started", "completed", "stopped"], "over UDP: {is_udp}");
    }
}

#[test]
fn nodes_come_and_go() {
    // Each is stopped or killed and started again a few times: every life is told, and every data kept.
    let mut world = world(9);
    let urls = [world.web.add(30), world.web.add_udp(30)];
    world.hosts[0].up = 300_000;
    let hosts: Vec<usize> = (0..4).map(|_| leech(&mut world, &[0])).collect();
    use_tiers(&mut world, &urls.map(|url| vec![url]));
    for (number, &host) in (0..).zip(&hosts) {
        for life in 0..4 {
            let at = secs(2 + 5 * life) + Span::millis(700 * number);
            world.plan(at, if (life + number) % 2 == 0 { Step::Stop(host) } else { Step::Kill(host) });
            world.plan(at + Span::millis(2_200), Step::Start(host));
        }
    }
    world.run_to_completion(secs(25));
    let uploaded: u64 = world.nodes().map(|host| world.node(host).rows[&0].uploaded_ever).sum();
    assert!(uploaded < 4 * 3_000_001 + 4 * 2 * 900_000, "{uploaded} bytes sent for four downloads");
    world.close_down();
    for &host in &hosts {
        for tracker in 0..2 {
            let events = events(&world, tracker, host);
            assert!(events.iter().filter(|event| **event == "completed").count() <= 1, "{events:?}");
            assert_eq!(events.last(), Some(&"stopped"), "{events:?}");
            assert!(events.iter().filter(|event| **event == "started").count() >= 3, "{events:?}");
        }
    }
}

/// A swarm of twelve real machines, one of which is a seed with a limit on what it sends; some are limited too, some
/// come late, some go and come back. Each has its deadline.
#[test]
fn twelve_with_limits_and_churn() {
    for seed in 0..3 {
        let mut world = world(100 + seed);
        let urls = [world.web.add(30), world.web.add_udp(30)];
        world.node_mut(0).limits = (500_000, 0);
        let hosts: Vec<usize> = (0..11).map(|_| leech(&mut world, &[])).collect();
        use_tiers(&mut world, &urls.map(|url| vec![url]));
        for (number, &host) in (0..).zip(&hosts) {
            world.node_mut(host).limits = match number % 4 {
                0 => (150_000, 0),
                1 => (0, 400_000),
                2 => (300_000, 300_000),
                _ => (0, 0),
            };
            if number % 3 == 0 {
                let at = Time(world.rng.u64(3_000_000..25_000_000));
                let step = if world.rng.bool() { Step::Stop(host) } else { Step::Kill(host) };
                world.plan(at, step);
                let back = at + Span::secs(world.rng.u64(3..10));
                world.plan(back, Step::Start(host));
            }
        }
        world.run_to_completion(secs(35));
        // The seed alone would need 66 s; passed on among them it takes about half.
        let last = hosts.iter().filter_map(|&host| world.node(host).complete.get(&0).copied()).max();
        assert!(last.is_some_and(|last| last < secs(75)), "{last:?}");
        let rows = |host: usize| &world.node(host).rows[&0];
        let passed_on: u64 = hosts.iter().map(|&host| rows(host).uploaded_ever).sum();
        assert!(passed_on > 3_000_001 * 4, "only {passed_on} bytes were passed on");
        world.close_down();
    }
}
