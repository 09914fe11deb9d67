//! The simulated world: hosts, one queue of events in virtual time, one seeded generator. Same seed, same run.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::net::SocketAddr;

use peerlink::base::{Span, Time};
use peerlink::machine::Completion;

use crate::actor::Actor;
use crate::host::{Host, Kind, NodeHost, Task};
use crate::net::Conn;
use crate::support::Made;
use crate::trace::Trace;
use crate::web::Web;

/// What is to happen to somebody.
pub enum Event {
    /// A chunk of side `side`'s send queue may leave.
    Pump { conn: usize, side: usize },
    /// A chunk of so many bytes reaches the line of the side opposite to `from`; with 0 it is through.
    Arrive { conn: usize, from: usize, len: u64 },
    /// Side `side` has something to read.
    Read { conn: usize, side: usize },
    /// A dial reaches the one dialled.
    Dialled { conn: usize },
    /// The answer reaches the dialler.
    Answered { conn: usize },
    /// The side is told that its connection is gone.
    Gone { conn: usize, side: usize, reason: peerlink::machine::Closed },
    /// The disk thread finishes the job in front.
    DiskTurn { host: usize, process: u32 },
    /// A completion reaches the machine.
    Done { host: usize, process: u32, completion: Completion },
    /// A machine's deadline, valid if it is still the one wanted.
    Deadline { host: usize, process: u32, at: Time },
    /// Connections that were braked may ask again.
    Wake { host: usize, process: u32 },
    /// An actor's timer.
    Tick { host: usize },
    /// A datagram arrives, if anybody is there.
    Datagram { from: SocketAddr, to: SocketAddr, bytes: Vec<u8> },
    /// A tracker hears an announce.
    Announce { host: usize, process: u32, call: crate::web::Call },
    /// A step of the scenario.
    Step(Step),
}

/// What a scenario plans ahead.
#[derive(Clone, PartialEq, Debug)]
pub enum Step {
    Start(usize),
    /// SIGKILL: what was written stays.
    Kill(usize),
    /// The plug is pulled: peers hear nothing, unsynced writes may be lost.
    PowerCut(usize),
    /// A clean stop.
    Stop(usize),
    /// The process of that number was asked to stop and must be gone.
    MustBeStopped(usize, u32),
    DiskFull(usize, bool),
    DiskErrors(usize, u32),
    DiskSlow(usize, u64),
    Descriptors(usize, bool),
    /// No packet passes between the two until then.
    Part(usize, usize, Time),
    Tracker(usize, crate::web::Temper),
    /// A connection chosen at random is reset.
    Reset,
    /// All faults end.
    Heal,
}

struct Entry {
    at: Time,
    seq: u64,
    event: Event,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Entry) -> bool {
        (self.at, self.seq) == (other.at, other.seq)
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Entry) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Entry) -> std::cmp::Ordering {
        (self.at, self.seq).cmp(&(other.at, other.seq))
    }
}

/// How the links between all hosts behave.
#[derive(Clone, Debug)]
pub struct Links {
    pub delay_ms: u64,
    pub jitter_ms: u64,
    /// Lost chunks in a thousand: each is sent again a little later, as TCP does.
    pub loss_per_mille: u32,
    /// Longest chunk.
    pub chunk_max: usize,
}

pub struct World {
    pub now: Time,
    seq: u64,
    queue: BinaryHeap<Reverse<Entry>>,
    pub rng: fastrand::Rng,
    pub hosts: Vec<Host>,
    pub addresses: BTreeMap<SocketAddr, usize>,
    pub conns: Vec<Conn>,
    pub links: Links,
    /// No delivery holds more than one whole message: what a node says then follows from that message alone, and
    /// rules on the order of things can be judged.
    pub one_by_one: bool,
    /// Pairs of hosts between which no packet passes until then.
    pub parted: BTreeMap<(usize, usize), Time>,
    pub web: Web,
    pub torrents: Vec<Made>,
    pub trace: Trace,
    /// Inputs handled by machines.
    pub inputs: u64,
    /// Makes the machine that is driven.
    pub maker: crate::host::Maker,
    /// Hostile peers go on after the other faults end.
    pub actors_stay: bool,
    /// When all faults ended.
    pub healed: Option<Time>,
}

impl World {
    pub fn new(seed: u64, maker: crate::host::Maker) -> World {
        World {
            now: Time::ZERO,
            seq: 0,
            queue: BinaryHeap::new(),
            rng: fastrand::Rng::with_seed(seed),
            hosts: Vec::new(),
            addresses: BTreeMap::new(),
            conns: Vec::new(),
            links: Links { delay_ms: 10, jitter_ms: 5, loss_per_mille: 0, chunk_max: 16 * 1024 },
            one_by_one: true,
            parted: BTreeMap::new(),
            web: Web::default(),
            torrents: Vec::new(),
            trace: Trace::new(),
            inputs: 0,
            maker,
            actors_stay: false,
            healed: None,
        }
    }

    /// A host with a node that works on these torrents once started.
    pub fn add_node(&mut self, up: u64, down: u64, tasks: Vec<Task>) -> usize {
        let node = NodeHost::new(tasks);
        self.add_host(up, down, Kind::Node(Box::new(node)))
    }

    /// A host that follows a script. It is there from the start.
    pub fn add_actor(&mut self, up: u64, down: u64, actor: Actor) -> usize {
        let host = self.add_host(up, down, Kind::Actor(Box::new(actor)));
        self.hosts[host].running = true;
        self.at(self.now, Event::Tick { host });
        host
    }

    fn add_host(&mut self, up: u64, down: u64, kind: Kind) -> usize {
        let index = self.hosts.len();
        let address = Host::address_of(index);
        self.addresses.insert(address, index);
        self.hosts.push(Host::new(address, up, down, kind));
        index
    }

    /// Plans an event.
    pub fn at(&mut self, at: Time, event: Event) {
        self.seq += 1;
        self.queue.push(Reverse(Entry { at: at.max(self.now), seq: self.seq, event }));
    }

    pub fn after(&mut self, span: Span, event: Event) {
        self.at(self.now + span, event);
    }

    pub fn plan(&mut self, at: Time, step: Step) {
        self.at(at, Event::Step(step));
    }

    /// Runs until `end`, or until `done` says so after an event.
    pub fn run(&mut self, end: Time, mut done: impl FnMut(&World) -> bool) -> bool {
        let mut countdown = 0u32;
        loop {
            if countdown == 0 {
                if done(self) {
                    return true;
                }
                countdown = 64;
            }
            countdown -= 1;
            match self.queue.peek() {
                Some(Reverse(entry)) if entry.at <= end => {}
                _ => {
                    self.now = self.now.max(end);
                    return done(self);
                }
            }
            let Some(Reverse(entry)) = self.queue.pop() else { continue };
            self.now = entry.at;
            self.event(entry.event);
        }
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Pump { conn, side } => self.pump(conn, side),
            Event::Arrive { conn, from, len } => self.arrive(conn, from, len),
            Event::Read { conn, side } => self.read(conn, side),
            Event::Dialled { conn } => self.dialled(conn),
            Event::Answered { conn } => self.answered(conn),
            Event::Gone { conn, side, reason } => self.gone(conn, side, reason),
            Event::DiskTurn { host, process } => self.disk_turn(host, process),
            Event::Done { host, process, completion } => self.done(host, process, completion),
            Event::Deadline { host, process, at } => self.deadline(host, process, at),
            Event::Wake { host, process } => self.wake(host, process),
            Event::Tick { host } => self.tick_actor(host),
            Event::Datagram { from, to, bytes } => self.datagram(from, to, &bytes),
            Event::Announce { host, process, call } => self.announce(host, process, call),
            Event::Step(step) => self.step(step),
        }
    }

    fn step(&mut self, step: Step) {
        self.trace.say(self.now, || format!("step {step:?}"));
        match step {
            Step::Start(host) => self.start(host),
            Step::Kill(host) => self.kill(host),
            Step::PowerCut(host) => self.power_cut(host),
            Step::Stop(host) => self.stop(host),
            Step::MustBeStopped(host, process) => {
                assert_ne!(self.hosts[host].process, process, "[stop] host {host} is not stopped after 2 seconds");
            }
            Step::DiskFull(host, full) => self.node_mut(host).disk.mood.full = full,
            Step::DiskErrors(host, per_mille) => self.node_mut(host).disk.mood.errors_per_mille = per_mille,
            Step::DiskSlow(host, latency_ms) => self.node_mut(host).disk.mood.latency_ms = latency_ms,
            Step::Descriptors(host, there) => self.hosts[host].no_descriptors = !there,
            Step::Part(a, b, until) => _ = self.parted.insert((a.min(b), a.max(b)), until),
            Step::Tracker(tracker, temper) => self.web.trackers[tracker].temper = temper,
            Step::Reset => self.reset_one(),
            Step::Heal => self.heal(),
        }
    }

    /// All faults end: disks, links, trackers and descriptors are well again and every node runs.
    fn heal(&mut self) {
        self.actors_leave(self.actors_stay);
        self.links.loss_per_mille = 0;
        self.parted.clear();
        self.web.trackers.iter_mut().for_each(|tracker| tracker.temper = crate::web::Temper::Good);
        for host in 0..self.hosts.len() {
            self.hosts[host].no_descriptors = false;
            if let Kind::Node(node) = &mut self.hosts[host].kind {
                node.disk.mood = Default::default();
                let has_failed = !node.failed.is_empty();
                if has_failed {
                    // A person reads why, and tries again.
                    self.kill(host);
                }
                if !self.hosts[host].running {
                    self.start(host);
                }
            }
        }
        self.healed = Some(self.now);
    }

    pub fn node(&self, host: usize) -> &NodeHost {
        match &self.hosts[host].kind {
            Kind::Node(node) => node,
            Kind::Actor(_) => panic!("host {host} is an actor"),
        }
    }

    pub fn node_mut(&mut self, host: usize) -> &mut NodeHost {
        match &mut self.hosts[host].kind {
            Kind::Node(node) => node,
            Kind::Actor(_) => panic!("host {host} is an actor"),
        }
    }

    /// Hosts that are nodes.
    pub fn nodes(&self) -> impl Iterator<Item = usize> + use<> {
        let nodes: Vec<usize> =
            (0..self.hosts.len()).filter(|&host| matches!(self.hosts[host].kind, Kind::Node(_))).collect();
        nodes.into_iter()
    }
}
