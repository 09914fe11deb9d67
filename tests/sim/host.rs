//! Hosts: a node with its disk and its process, or an actor.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use peerlink::base::{ConnId, PeerId, Pool, StoreId, Time};
use peerlink::machine::{Job, Machine, Outbox, RateLimits, Row};
use peerlink::node::Node;

use crate::actor::Actor;
use crate::disk::Disk;
use crate::safety::Safety;

/// Makes the machine under test for a host; the number is the process's seed.
pub type Maker = fn(u64) -> Box<dyn Driven>;

/// A machine that says what it was lent.
pub trait Driven: Machine {
    /// Download credits, upload credits, buffers.
    fn holdings(&self) -> (u32, u32, usize);
}

impl Driven for Node {
    fn holdings(&self) -> (u32, u32, usize) {
        Node::holdings(self)
    }
}

/// A host's download folder.
pub fn dir_of(host: usize) -> PathBuf {
    PathBuf::from(format!("/sim/{host}"))
}

/// The node as it is.
pub fn plain_node(seed: u64) -> Box<dyn Driven> {
    Box::new(new_node(seed))
}

pub fn new_node(seed: u64) -> Node {
    let mut peer_id = *b"-PL0100-............";
    fastrand::Rng::with_seed(seed).fill(&mut peer_id[8..]);
    Node::new(PeerId(peer_id), seed as u32)
}

/// What the application asks a node to do.
#[derive(Clone, Debug)]
pub struct Task {
    /// Which of the world's torrents.
    pub torrent: usize,
    pub wanted: Vec<bool>,
    pub peers: Vec<(String, u16)>,
    pub trackers: Vec<Vec<String>>,
    pub sequential: bool,
    pub peers_max: usize,
    pub limits: RateLimits,
    pub recheck: bool,
    pub announce_all: bool,
    pub prealloc: bool,
    /// Peers are told of each other.
    pub pex: bool,
}

impl Task {
    pub fn new(torrent: usize) -> Task {
        Task {
            torrent,
            wanted: Vec::new(),
            peers: Vec::new(),
            trackers: Vec::new(),
            sequential: false,
            peers_max: 50,
            limits: RateLimits::default(),
            recheck: false,
            announce_all: false,
            prealloc: false,
            pex: false,
        }
    }
}

/// A machine in the network.
pub struct Host {
    pub address: SocketAddr,
    /// Bytes per second.
    pub up: u64,
    pub down: u64,
    /// When the line is free again.
    pub up_free: Time,
    pub down_free: Time,
    pub kind: Kind,
    pub conns: BTreeMap<ConnId, (usize, usize)>,
    /// Its process runs.
    pub running: bool,
    pub listening: bool,
    /// Without power: nothing answers, not even the kernel.
    pub dark: bool,
    pub no_descriptors: bool,
    /// Counts process lives.
    pub process: u32,
    next_conn: u64,
}

pub enum Kind {
    Node(Box<NodeHost>),
    Actor(Box<Actor>),
}

/// A node's machine, what it was lent, its disk and what is known of it from outside.
pub struct NodeHost {
    pub machine: Option<Box<dyn Driven>>,
    pub out: Outbox,
    pub disk: Disk,
    pub tasks: Vec<Task>,
    /// Torrents that it has all of from the start.
    pub seeds: Vec<usize>,
    pub safety: Safety,
    /// Per torrent of the world: the last row told in this process, when it was complete, why it failed.
    pub rows: BTreeMap<usize, Row>,
    pub complete: BTreeMap<usize, Time>,
    pub failed: BTreeMap<usize, String>,
    pub said: Vec<String>,
    /// Failed pieces of this process by the actor whose wrong bytes were in them.
    pub guilt: BTreeMap<usize, u32>,
    pub stop_asked: Option<Time>,
    pub stopped: Option<Time>,
    /// Rate limits, out and in, in bytes per second; 0 for none.
    pub limits: (u64, u64),
    /// Torrents and trackers that had been told `started` when the stop was asked for.
    pub goodbyes: Vec<crate::events::Key>,
    /// Credits, blocks.
    pub purse: (u32, u32, usize),
    pub disk_jobs: VecDeque<Job>,
    pub disk_busy: bool,
    /// Jobs given to the disk and not yet answered, `Open` and `Check` not counted.
    pub owed_jobs: u32,
    /// Completions of one piece and of one web job stay in order: when the last one planned is due.
    pub last_done: BTreeMap<(StoreId, u32), Time>,
    pub braked: Vec<usize>,
    pub wake_planned: bool,
    pub deadline: Option<Time>,
    /// Inputs handled in the current second, and which one that is.
    pub turns: (u64, u64),
    pub deadlines: (u64, u64),
}

impl Host {
    pub fn new(address: SocketAddr, up: u64, down: u64, kind: Kind) -> Host {
        Host {
            address,
            up,
            down,
            up_free: Time::ZERO,
            down_free: Time::ZERO,
            kind,
            conns: BTreeMap::new(),
            running: false,
            listening: true,
            dark: false,
            no_descriptors: false,
            process: 0,
            next_conn: 1,
        }
    }

    /// Every third host lives in the v6 internet.
    pub fn address_of(index: usize) -> SocketAddr {
        let ip = if index % 3 == 2 {
            IpAddr::V6(Ipv6Addr::new(0x2a01, 0x4f8, 0, 0, 0, 0, 0, 10 + index as u16))
        } else {
            IpAddr::V4(Ipv4Addr::new(81, 2, (index / 200) as u8, 10 + (index % 200) as u8))
        };
        SocketAddr::new(ip, 6881 + index as u16)
    }

    /// An id for an accepted connection.
    pub fn new_conn(&mut self) -> ConnId {
        match &mut self.kind {
            Kind::Node(node) => node.out.new_conn(),
            Kind::Actor(_) => {
                self.next_conn += 1;
                ConnId(self.next_conn - 1)
            }
        }
    }
}

impl NodeHost {
    pub fn new(tasks: Vec<Task>) -> NodeHost {
        NodeHost {
            machine: None,
            out: Outbox::new(0, 0, 0, 0),
            disk: Disk::default(),
            tasks,
            seeds: Vec::new(),
            safety: Safety::default(),
            rows: BTreeMap::new(),
            complete: BTreeMap::new(),
            failed: BTreeMap::new(),
            said: Vec::new(),
            guilt: BTreeMap::new(),
            stop_asked: None,
            stopped: None,
            limits: (0, 0),
            goodbyes: Vec::new(),
            purse: (1024, 512, 256),
            disk_jobs: VecDeque::new(),
            disk_busy: false,
            owed_jobs: 0,
            last_done: BTreeMap::new(),
            braked: Vec::new(),
            wake_planned: false,
            deadline: None,
            turns: (0, 0),
            deadlines: (0, 0),
        }
    }

    pub fn appetite(&self, conn: ConnId) -> usize {
        let pool: &Pool = &self.out.pool;
        self.machine.as_ref().expect("only running nodes hold connections").appetite(conn, pool)
    }

    pub fn forget_process(&mut self) {
        self.machine = None;
        self.safety = Safety::default();
        self.rows.clear();
        self.complete.clear();
        self.failed.clear();
        self.guilt.clear();
        self.stop_asked = None;
        self.disk_jobs.clear();
        self.disk_busy = false;
        self.owed_jobs = 0;
        self.last_done.clear();
        self.braked.clear();
        self.wake_planned = false;
        self.deadline = None;
    }
}
