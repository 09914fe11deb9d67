//! What a seed means: hosts, torrents, links, and a set of faults.

use peerlink::base::{Span, Time};

use crate::actor::{Actor, GARBAGE_WAYS, Habit};
use crate::host::{Maker, Task};
use crate::lab::Before;
use crate::support::{FileShape, Shape};
use crate::web::Temper;
use crate::world::{Step, World};

/// Kinds of trouble. A seed draws a set of at most five.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Fault {
    Loss,
    Resets,
    Partition,
    DeadPeers,
    SlowUploader,
    NoDescriptors,
    DiskFull,
    DiskErrors,
    SlowDisk,
    Kill,
    PowerCut,
    StopStart,
    ExistingData,
    TrackerDown,
    TrackerLies,
    SelfConnection,
    Mute,
    Corrupter,
    SlowLoris,
    Flood,
    Flapper,
    Garbage,
    HangUp,
    Rejecter,
    AllowedFast,
    Stalled,
    Asker,
    Duplicates,
}

pub const FAULTS: [Fault; 28] = [
    Fault::Loss,
    Fault::Resets,
    Fault::Partition,
    Fault::DeadPeers,
    Fault::SlowUploader,
    Fault::NoDescriptors,
    Fault::DiskFull,
    Fault::DiskErrors,
    Fault::SlowDisk,
    Fault::Kill,
    Fault::PowerCut,
    Fault::StopStart,
    Fault::ExistingData,
    Fault::TrackerDown,
    Fault::TrackerLies,
    Fault::SelfConnection,
    Fault::Mute,
    Fault::Corrupter,
    Fault::SlowLoris,
    Fault::Flood,
    Fault::Flapper,
    Fault::Garbage,
    Fault::HangUp,
    Fault::Rejecter,
    Fault::AllowedFast,
    Fault::Stalled,
    Fault::Asker,
    Fault::Duplicates,
];

/// A world about to begin.
pub struct Drawn {
    pub world: World,
    pub faults: Vec<Fault>,
    /// When the faults end.
    pub heal: Time,
}

pub fn draw(seed: u64, maker: Maker) -> Drawn {
    let mut world = World::new(seed, maker);
    let mut faults = Vec::new();
    for _ in 0..world.rng.usize(0..=5) {
        let fault = FAULTS[world.rng.usize(..FAULTS.len())];
        if !faults.contains(&fault) {
            faults.push(fault);
        }
    }
    let node_count = world.rng.usize(2..=12);
    world.one_by_one = world.rng.bool();
    world.actors_stay = world.rng.u8(..4) == 0;
    let heal = Time::ZERO + Span::millis(world.rng.u64(4_000..40_000));
    links(&mut world);
    let trackers = trackers(&mut world);
    torrents(&mut world, node_count, &trackers);
    nodes(&mut world, node_count, true);
    for &fault in &faults {
        apply(&mut world, fault, heal);
    }
    for host in world.nodes() {
        let at = Time(world.rng.u64(..5_000_000));
        world.plan(at, Step::Start(host));
    }
    world.plan(heal, Step::Heal);
    Drawn { world, faults, heal }
}

fn links(world: &mut World) {
    let rng = &mut world.rng;
    world.links.delay_ms = *rng.choice(&[0, 1, 10, 40, 150]).expect("not empty");
    world.links.jitter_ms = rng.u64(0..=world.links.delay_ms);
    world.links.chunk_max = *rng.choice(&[1_400, 8_192, 16_384, 65_536]).expect("not empty");
}

/// Tiers of announce URLs; none in a few worlds.
fn trackers(world: &mut World) -> Vec<Vec<String>> {
    let mut tiers = Vec::new();
    for _ in 0..*world.rng.choice(&[0, 1, 1, 1, 2, 2]).expect("not empty") {
        let tier = (0..world.rng.usize(1..=3)).map(|_| tracker(world)).collect();
        tiers.push(tier);
    }
    for tracker in &mut world.web.trackers {
        tracker.dictionaries = world.rng.u8(..4) == 0;
        tracker.names_asker = world.rng.u8(..4) == 0;
        tracker.interval_s = world.rng.u64(10..40);
        tracker.tracker_id = world.rng.bool().then(|| "abc".to_string());
    }
    tiers
}

/// One of three over UDP, a few of those by address.
fn tracker(world: &mut World) -> String {
    match world.rng.u8(..12) {
        0 => {
            world.web.add(20);
            let number = world.web.trackers.len() - 1;
            format!("udp://{}/announce", crate::udp::addresses_of(number, 6969)[number % 2])
        }
        1..4 => world.web.add_udp(20),
        _ => world.web.add(20),
    }
}

fn torrents(world: &mut World, node_count: usize, trackers: &[Vec<String>]) {
    let torrent_count = if world.rng.u8(..7) == 0 { 2 } else { 1 };
    for number in 0..torrent_count {
        let budget = if world.rng.u8(..50) == 0 { 24 << 20 } else { (12 << 20) / node_count.max(3) };
        let piece_count = world.rng.u64(8..=128);
        let lens = [16_384, 16_384, 32_768, 40_000, 65_536, 100_001, 131_072, 262_144];
        let fitting: Vec<u32> =
            lens.into_iter().filter(|&len| u64::from(len) * piece_count <= budget as u64).collect();
        let piece_len = world.rng.choice(&fitting).copied().unwrap_or(16_384);
        let last = world.rng.u64(1..=u64::from(piece_len));
        let total = (piece_count - 1) * u64::from(piece_len) + last;
        let name = format!("torrent{number}");
        let shape = if world.rng.bool() {
            Shape::single(&name, total, piece_len)
        } else {
            multi(world, &name, total, piece_len)
        };
        world.add_torrent(&shape.with_trackers(trackers.to_vec()));
    }
}

/// Files of random lengths, some empty, some pads that align the next one.
fn multi(world: &mut World, name: &str, total: u64, piece_len: u32) -> Shape {
    let mut lens = Vec::new();
    let mut offset = 0;
    while offset < total {
        let rest = total - offset;
        let len = match world.rng.u8(..8) {
            0 => 0,
            1 => world.rng.u64(1..=200).min(rest),
            2 => rest,
            _ => world.rng.u64(1..=rest.min(u64::from(piece_len) * 20)),
        };
        lens.push(len as i64);
        offset += len;
        let over = offset % u64::from(piece_len);
        if over > 0 && offset < total && world.rng.u8(..3) == 0 {
            let pad = (u64::from(piece_len) - over).min(total - offset);
            lens.push(-(pad as i64));
            offset += pad;
        }
    }
    let mut shape = Shape::multi(name, &lens, piece_len);
    if shape.files.iter().all(|file| file.pad || file.len == 0) {
        shape.files = vec![FileShape { path: vec!["a".into()], len: total, pad: false }];
    }
    shape
}

fn nodes(world: &mut World, node_count: usize, needs_peers: bool) {
    for host in 0..node_count {
        let rates = [60_000, 250_000, 1_000_000, 4_000_000, 12_000_000];
        let (up, down) = (*world.rng.choice(&rates).expect("some"), *world.rng.choice(&rates).expect("some"));
        let up = if host == 0 { up.max(250_000) } else { up };
        let mut tasks = Vec::new();
        for torrent in 0..world.torrents.len() {
            if host < 2 || world.rng.u8(..4) > 0 || (tasks.is_empty() && torrent + 1 == world.torrents.len()) {
                tasks.push(task(world, host, torrent, needs_peers));
            }
        }
        let host = world.add_node(up, down, tasks);
        let rng = &mut world.rng;
        let blocks = *rng.choice(&[24, 64, 256, 256]).expect("some");
        let credits = *rng.choice(&[32, 128, 1024, 1024]).expect("some");
        let uploads = *rng.choice(&[8, 32, 512]).expect("some");
        world.node_mut(host).purse = (credits, uploads, blocks);
        let role = if host == 0 { 0 } else { world.rng.u8(..10) };
        for task in world.node(host).tasks.clone() {
            let before = match role {
                0 if world.rng.bool() => Before::Saved,
                0 => Before::Files,
                1 => Before::Files,
                2 => Before::Some(world.rng.u32(5..95)),
                _ => continue,
            };
            world.put_before(host, &task, before);
            if role <= 1 && task.wanted.is_empty() {
                world.node_mut(host).seeds.push(task.torrent);
            }
        }
    }
}

fn task(world: &mut World, host: usize, torrent: usize, needs_peers: bool) -> Task {
    let mut task = Task::new(torrent);
    let files = world.torrents[torrent].metainfo.files.clone();
    if host > 0 && files.len() > 1 && world.rng.u8(..4) == 0 {
        task.wanted = files.iter().map(|_| world.rng.bool()).collect();
        let useful = files.iter().zip(&task.wanted).any(|(file, wanted)| *wanted && !file.pad && file.len > 0);
        if !useful {
            task.wanted.clear();
        }
    }
    if needs_peers || world.rng.bool() {
        let address = crate::host::Host::address_of(0);
        let by_name = world.rng.u8(..4) == 0;
        let name = if by_name { "host0.test".to_string() } else { address.ip().to_string() };
        task.peers.push((name, address.port()));
    }
    task.sequential = world.rng.u8(..6) == 0;
    // Hostile peers that stay for good may take as many places as they like.
    let few = if world.actors_stay { 20 } else { 4 };
    task.peers_max = *world.rng.choice(&[few, 20, 50]).expect("some");
    task.recheck = world.rng.u8(..12) == 0;
    task.announce_all = world.rng.u8(..4) == 0;
    task.prealloc = world.rng.u8(..6) == 0;
    task
}

fn apply(world: &mut World, fault: Fault, heal: Time) {
    let nodes: Vec<usize> = world.nodes().collect();
    let victim = nodes[world.rng.usize(..nodes.len())];
    let moment = |world: &mut World| Time(world.rng.u64(200_000..heal.0));
    match fault {
        Fault::Loss => world.links.loss_per_mille = world.rng.u32(5..80),
        Fault::Resets => {
            for _ in 0..world.rng.u32(1..20) {
                let at = moment(world);
                world.plan(at, Step::Reset);
            }
        }
        Fault::Partition => {
            for _ in 0..world.rng.u32(1..5) {
                let at = moment(world);
                let until = Time(world.rng.u64(at.0..=heal.0));
                let other = nodes[world.rng.usize(..nodes.len())];
                world.plan(at, Step::Part(victim, other, until));
            }
        }
        Fault::DeadPeers => dead_peers(world, &nodes),
        Fault::SlowUploader => {
            let tasks = (0..world.torrents.len()).map(Task::new).collect::<Vec<_>>();
            let host = world.add_node(8_000, 1_000_000, tasks.clone());
            for task in tasks {
                world.put_before(host, &task, Before::Files);
                name_to_others(world, host, task.torrent);
            }
        }
        Fault::NoDescriptors => window(world, heal, victim, |host, on| Step::Descriptors(host, !on)),
        Fault::DiskFull => window(world, heal, victim, Step::DiskFull),
        Fault::DiskErrors => {
            let per_mille = world.rng.u32(5..300);
            window(world, heal, victim, |host, on| Step::DiskErrors(host, if on { per_mille } else { 0 }));
        }
        Fault::SlowDisk => {
            let ms = world.rng.u64(20..800);
            window(world, heal, victim, |host, on| Step::DiskSlow(host, if on { ms } else { 0 }));
        }
        Fault::Kill | Fault::PowerCut | Fault::StopStart => {
            world.node_mut(victim).disk.keeps_undo = true;
            for _ in 0..world.rng.u32(1..4) {
                let at = moment(world);
                world.plan(
                    at,
                    match fault {
                        Fault::Kill => Step::Kill(victim),
                        Fault::PowerCut => Step::PowerCut(victim),
                        _ => Step::Stop(victim),
                    },
                );
                let back = at + Span::millis(world.rng.u64(2_200..6_000));
                world.plan(back, Step::Start(victim));
            }
        }
        Fault::ExistingData => {
            let host = nodes[nodes.len() - 1];
            for task in world.node(host).tasks.clone() {
                let kinds = [Before::Some(50), Before::Wrong, Before::TooLong, Before::TooShort];
                let before = *world.rng.choice(&kinds).expect("some");
                if !world.node(host).seeds.contains(&task.torrent) {
                    world.put_before(host, &task, before);
                }
            }
        }
        Fault::TrackerDown | Fault::TrackerLies => {
            for tracker in 0..world.web.trackers.len() {
                let slow = Temper::Slow(world.rng.u64(500..50_000));
                let kinds = [Temper::Dead, Temper::Silent, Temper::Failing, Temper::Busy, Temper::Garbage, slow];
                let temper = match fault {
                    Fault::TrackerLies => Temper::Lying,
                    _ => *world.rng.choice(&kinds).expect("some"),
                };
                let at = if world.rng.bool() { Time::ZERO } else { moment(world) };
                world.plan(at, Step::Tracker(tracker, temper));
            }
        }
        Fault::SelfConnection => {
            world.web.trackers.iter_mut().for_each(|tracker| tracker.names_asker = true);
            let own = world.hosts[victim].address;
            for task in &mut world.node_mut(victim).tasks {
                task.peers.push((own.ip().to_string(), own.port()));
            }
        }
        _ => actors(world, fault, &nodes),
    }
}

/// Trouble of one host for a while, once or twice.
fn window(world: &mut World, heal: Time, victim: usize, step: impl Fn(usize, bool) -> Step) {
    for _ in 0..world.rng.u32(1..3) {
        let from = world.rng.u64(..heal.0);
        let to = world.rng.u64(from..=heal.0);
        world.plan(Time(from), step(victim, true));
        world.plan(Time(to), step(victim, false));
    }
}

/// Addresses where nobody lives, some silent, some refusing.
fn dead_peers(world: &mut World, nodes: &[usize]) {
    for number in 0..world.rng.u16(1..10) {
        let ip = [78, 1, 1, number as u8];
        let address = std::net::SocketAddr::from((ip, 7000 + world.rng.u16(..100)));
        let host = nodes[world.rng.usize(..nodes.len())];
        for task in &mut world.node_mut(host).tasks {
            task.peers.insert(0, (address.ip().to_string(), address.port()));
        }
        for tracker in &mut world.web.trackers {
            for made in &world.torrents {
                tracker.swarms.entry(made.metainfo.info_hash.0.to_vec()).or_default().insert(address, 0);
            }
        }
    }
}

fn actors(world: &mut World, fault: Fault, nodes: &[usize]) {
    for _ in 0..world.rng.u32(1..=2) {
        let habit = match fault {
            Fault::Mute if world.rng.bool() => Habit::Dumb,
            Fault::Mute => Habit::Mute,
            Fault::Corrupter => Habit::Corrupter(world.rng.u32(2..=100)),
            Fault::SlowLoris => Habit::SlowLoris { from_start: world.rng.bool() },
            Fault::Flood => Habit::Flood,
            Fault::Flapper => Habit::Flapper,
            Fault::Garbage => Habit::Garbage(world.rng.u8(..GARBAGE_WAYS)),
            Fault::HangUp => Habit::HangUp,
            Fault::Rejecter => Habit::Rejecter,
            Fault::AllowedFast => Habit::AllowedFast,
            Fault::Stalled if world.rng.u8(..3) == 0 => Habit::Late(world.rng.u32(5..50)),
            Fault::Stalled => Habit::Stalled(world.rng.u32(..30)),
            Fault::Asker if world.rng.bool() => Habit::Greedy,
            Fault::Asker => Habit::Asker,
            _ => Habit::Honest,
        };
        let torrent = world.rng.usize(..world.torrents.len());
        let made = world.torrents[torrent].clone();
        let dials = nodes.iter().filter(|_| world.rng.bool()).map(|&host| world.hosts[host].address).collect();
        let fast = world.rng.bool();
        let mut actor = Actor::new(habit, made, dials, fast, &mut world.rng.fork());
        if fault == Fault::Duplicates {
            actor.copies = world.rng.u32(2..4);
        }
        let host = world.add_actor(2_000_000, 2_000_000, actor);
        name_to_others(world, host, torrent);
    }
}

/// A host becomes known to nodes: by the trackers, and to some directly.
fn name_to_others(world: &mut World, host: usize, torrent: usize) {
    let address = world.hosts[host].address;
    let info_hash = world.torrents[torrent].metainfo.info_hash;
    for tracker in &mut world.web.trackers {
        tracker.swarms.entry(info_hash.0.to_vec()).or_default().insert(address, 0);
    }
    for node in world.nodes() {
        if node != host && world.rng.bool() {
            for task in world.node_mut(node).tasks.iter_mut().filter(|task| task.torrent == torrent) {
                task.peers.push((address.ip().to_string(), address.port()));
            }
        }
    }
}
