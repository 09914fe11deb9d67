//! What machines and the application say to each other, and of what: torrents to work on, and how they stand.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use super::{ChatAsk, ChatNews, DiskError, Mapped, Own};
use crate::base::access::Access;
use crate::base::address::Reach;
use crate::base::blocked::Blocked;
use crate::base::encryption::Encryption;
use crate::base::{Bitfield, ConnId, InfoHash, Span, Time, TorrentId};
use crate::metainfo::Metainfo;
use crate::wire::json::Value;

/// What machines and the application say to each other.
#[derive(Debug)]
pub enum Note {
    /// Application to node: work on this torrent.
    Add(Box<AddTorrent>),
    /// Application to node: find out what this info hash stands for. Told by [`Note::Metadata`]; a [`Note::Add`] of the
    /// same torrent then goes on with the peers that were met.
    Seek(Box<SeekTorrent>),
    /// Node to application: an info dictionary whose hash is the one sought.
    Metadata { torrent: TorrentId, info: Arc<[u8]> },
    /// Application to node: remember this .torrent file in the state folder.
    Keep { info_hash: InfoHash, bytes: Vec<u8> },
    /// Application to node: tell a [`Note::Row`] per torrent this often.
    Watch { interval: Span },
    /// Remote control to node: end this torrent, with goodbyes and everything saved; told by [`Note::Gone`].
    Remove { torrent: TorrentId },
    /// Remote control to node: this torrent is complete and at rest; told by [`Note::Wanted`] when it is to be added.
    Sleep(Box<Sleep>),
    /// Remote control to node: nobody wants anything of this torrent, it may rest; told by [`Note::Asleep`], or not where
    /// that is not so any more.
    Rest { torrent: TorrentId },
    /// Node to remote control: it rests, and this is how it stood.
    Asleep { row: Box<Row> },
    /// A torrent at rest to node to remote control: somebody wants something of it; a [`Note::Add`] wakes it.
    Wanted { torrent: TorrentId },
    /// Remote control to node: other files of this torrent come first; as [`AddTorrent::priorities`].
    Prioritize { torrent: TorrentId, priorities: Vec<i8> },
    /// Remote control to node: ask the trackers for peers as early as they allow.
    Reannounce { torrent: TorrentId },
    /// Node to remote control: nothing works on this torrent any more; how it stood at the end.
    Gone { row: Box<Row> },
    /// Application to remote control: settings of the session as they are said now, by the names that its clients use.
    Given(Vec<(&'static str, Value)>),
    /// Application to remote control: a .torrent file or a link that somebody put into the watched folder.
    Bring { bytes: Vec<u8> },
    /// Application to node: whom nobody here is to deal with, or why that is not known.
    Blocklist(Result<Arc<Blocked>, String>),
    /// Remote control to node: stay away from who is on the blocklist, or do not any more.
    UseBlocklist { is_on: bool },
    /// Remote control to application: read the blocklist again; told by [`Note::Blocklist`].
    UpdateBlocklist,
    /// Application to node: are you there? Answered by [`Note::Pong`].
    Ping,
    /// Node to application: the loop goes round.
    Pong,
    /// Remote control to application: somebody wants this program to end.
    Close,
    /// Remote control to application: something happened that a person or a hook should hear of.
    Happened(Box<Happened>),
    /// Node to swarms: somebody was banned, who may be connected here too.
    Banned,
    /// Driver to node: peers reach us at this TCP port.
    Listening { port: u16 },
    /// Port mapping to node, and on to application and remote control: our port is open at the gateway, or not any more.
    PortMapped(Option<Mapped>),
    /// Application to node: other rate limits for this torrent; None: for all together, where `spares_lan` is nothing.
    Limit { torrent: Option<TorrentId>, limits: RateLimits },
    /// Remote control to node: so many peers of all torrents together, at most.
    AllowPeers { max: usize },
    /// Application or remote control to node: how peers are spoken to from now on.
    Encryption(Encryption),
    /// Driver to node: so many connections can be open at once.
    Room { conns: usize },
    /// Swarm to node to DHT: peers of this torrent are wanted, and with `announce` we are one of them. The node lets
    /// no private torrent through.
    FindPeers { info_hash: InfoHash, announce: bool },
    /// Between machines: peers of this info hash, as far as they are believed from a source of this reach.
    Peers { info_hash: InfoHash, source: Source, reach: Reach, peers: Vec<SocketAddr> },
    /// Swarm to node to the member of groups: we are in this swarm, as a seed or not, or no more. The node lets a private
    /// torrent through where the server is its tracker.
    Swarming { info_hash: InfoHash, is_seed: Option<bool> },
    /// Groups to node to tracker: one of their members is in a swarm, or leaves it. Answered by [`Note::SwarmTold`] where
    /// peers are wanted.
    Swarm { conn: ConnId, info_hash: InfoHash, peer: SocketAddr, what: Swarming },
    /// Tracker to node to groups: peers for the member with this connection, or why it is refused.
    SwarmTold { conn: ConnId, info_hash: InfoHash, peers: Result<Vec<SocketAddr>, &'static str> },
    /// Groups to node to tracker: say who comes into this swarm, or do not any more.
    SwarmWatch { info_hash: InfoHash, is_on: bool },
    /// Tracker to node to groups: somebody is new in a swarm that they watch.
    SwarmJoined { info_hash: InfoHash, peer: SocketAddr, is_seed: bool },
    /// Swarm to node to local discovery: name this torrent on the local network, or do not any more. The node lets no
    /// private torrent through.
    Meet { info_hash: InfoHash, is_on: bool },
    /// Swarm to node to DHT: a peer has a DHT node at this address.
    DhtNode { address: SocketAddr },
    /// Application to tracker: who may use it from now on.
    Access(Box<Access>),
    /// Application to the member of groups.
    Ask(Box<ChatAsk>),
    /// Member of groups to application.
    News(Box<ChatNews>),
    /// From other threads of the application to its listener: the machine never sees it.
    Own(Own),
    /// Node to application: the state of a torrent.
    Row(Box<Row>),
    /// Node to application: everything wanted of this torrent is on disk, verified and saved.
    Complete { torrent: TorrentId },
    /// Node to application: something a person should read.
    Said { torrent: TorrentId, level: Level, text: String },
    /// Node to application: the torrent cannot go on.
    Failed { torrent: TorrentId, error: DiskError },
    /// Node to application: everything is saved, after [`super::Input::Stop`].
    Stopped,
}

/// What a hook can be run for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    Added,
    Done,
    Error,
}

/// Something that happened to a torrent of the daemon.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Happened {
    pub event: Event,
    /// As the remote control counts.
    pub id: u32,
    pub name: String,
    pub info_hash: InfoHash,
    pub dir: PathBuf,
    pub len: u64,
    pub labels: Vec<String>,
    /// What is wrong, with [`Event::Error`].
    pub error: String,
}

/// Who named a peer's address, from the least trusted on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Source {
    /// Another peer (BEP 11).
    Pex,
    /// A node of the DHT (BEP 5).
    Dht,
    /// The peer itself, on the local network (BEP 14).
    Local,
    /// The server of a group, which has it from the peer itself or as a tracker.
    Server,
    Tracker,
    /// A person, on the command line: never forgotten, tried again soon.
    Person,
}

/// What a member of groups does in a swarm.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Swarming {
    /// It is in it, and wants peers.
    Join {
        is_seed: bool,
    },
    /// It still is.
    Stay {
        is_seed: bool,
    },
    Leave,
}

impl Source {
    /// How many there are; as numbers they count from 0.
    pub const ALL: usize = Source::Person as usize + 1;
}

/// Ways to peers besides trackers, people and the DHT that a torrent may use. A private one (BEP 27) uses none,
/// whatever is said here.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Ways {
    pub pex: bool,
    pub lsd: bool,
}

impl Ways {
    /// Whether peers that this source named are to be used. The hallway keeps the DHT from whom it is not for.
    pub fn allow(self, source: Source) -> bool {
        match source {
            Source::Pex => self.pex,
            Source::Local => self.lsd,
            Source::Dht | Source::Server | Source::Tracker | Source::Person => true,
        }
    }
}

/// How loud [`Note::Said`] is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Level {
    Info,
    Warning,
}

/// A torrent to work on.
#[derive(Debug)]
pub struct AddTorrent {
    pub torrent: TorrentId,
    pub metainfo: Arc<Metainfo>,
    /// Absolute download folder.
    pub dir: PathBuf,
    /// Per file of the metainfo; empty means all.
    pub wanted: Vec<bool>,
    /// Which files come first, per file of the metainfo: 1 before 0 before -1. Empty: all are the same.
    pub priorities: Vec<i8>,
    /// Peers from the command line (trusted whatever their reach); host names are looked up.
    pub peers: Vec<(String, u16)>,
    /// Tiers that replace the metainfo's own; empty means those.
    pub trackers: Vec<Vec<String>>,
    /// Announce to every tracker, not only to the first of each tier that works.
    pub announce_all: bool,
    /// Pieces in order instead of rarest first.
    pub sequential: bool,
    /// Most peers at once.
    pub peers_max: usize,
    /// Check all existing data, whatever the resume state says.
    pub recheck: bool,
    /// Verified bytes at the end of the last run, where the torrent waits rather than begins anew if no byte of it is
    /// there any more; None: it begins anew.
    pub had: Option<u64>,
    pub limits: RateLimits,
    /// Reserve room for all wanted files before anything is downloaded.
    pub prealloc: bool,
    pub ways: Ways,
    /// How far whoever named the web seeds is: more local addresses are not believed. `Nowhere` for a person here.
    pub web_seeds_by: Reach,
}

/// An info hash whose metainfo is to be found.
#[derive(Debug)]
pub struct SeekTorrent {
    pub torrent: TorrentId,
    pub info_hash: InfoHash,
    /// Peers from the command line or a link typed there (trusted whatever their reach); host names are looked up.
    pub peers: Vec<(String, u16)>,
    /// Nodes of the DHT that a link names.
    pub nodes: Vec<(String, u16)>,
    pub trackers: Vec<Vec<String>>,
    pub announce_all: bool,
    /// Most peers at once.
    pub peers_max: usize,
    pub ways: Ways,
}

/// A complete torrent that begins at rest.
#[derive(Debug)]
pub struct Sleep {
    pub torrent: TorrentId,
    pub info_hash: InfoHash,
    pub is_private: bool,
    /// Bytes of it.
    pub len: u64,
    pub trackers: Vec<Vec<String>>,
    pub announce_all: bool,
    pub ways: Ways,
    /// When it is announced first, so that thousands do not begin at once.
    pub begins: Time,
}

/// How fast payload may move: bytes per second, 0 for no limit.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct RateLimits {
    pub up_per_s: u64,
    pub down_per_s: u64,
    /// No limit holds for peers on this machine and in the local network.
    pub spares_lan: bool,
    /// What holds for all torrents together does not for this one.
    pub is_apart: bool,
}

/// What a torrent is doing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Activity {
    /// Its metainfo is sought: pieces of it here, of how many; 0 of 0 before anybody has said.
    Metadata {
        done: u32,
        total: u32,
    },
    /// The disk thread is looking at its files.
    Opening,
    /// Room for its files is reserved: bytes, of how many.
    Reserving {
        done: u64,
        total: u64,
    },
    /// Existing data is hashed: pieces done, of how many.
    Checking {
        done: u32,
        total: u32,
    },
    Downloading,
    Seeding,
    /// Waiting to try again, for this reason.
    Paused(DiskError),
    Stopped,
}

/// A torrent's state for people and scripts. Bytes and bytes per second.
#[derive(Clone, Debug)]
pub struct Row {
    pub torrent: TorrentId,
    pub activity: Activity,
    /// Verified bytes of wanted pieces.
    pub have_bytes: u64,
    /// Bytes of wanted pieces.
    pub wanted_bytes: u64,
    /// Payload received and sent in this run.
    pub downloaded: u64,
    pub uploaded: u64,
    /// The same in all runs.
    pub downloaded_ever: u64,
    pub uploaded_ever: u64,
    pub down_per_s: u64,
    pub up_per_s: u64,
    /// Connected peers, and how many of them have everything.
    pub peers: u32,
    pub seeds: u32,
    /// Peers that payload comes from, and that it goes to.
    pub giving: u32,
    pub taking: u32,
    /// Web seeds that we are connected to, and those of them that payload comes from; they are no peers.
    pub web_seeds: u32,
    pub web_giving: u32,
    /// Bytes of pieces that no connected peer has, of those that are missing.
    pub unreachable: u64,
    /// Addresses that could be dialled.
    pub known: u32,
    /// Payload that was thrown away: double or of failed pieces.
    pub wasted: u64,
    pub hash_fails: u32,
    pub banned: u32,
    /// Connections ended because the peer broke the rules, or kept us waiting for what it owed.
    pub faults: u32,
    /// What the tracker last said, if it was trouble.
    pub tracker_trouble: Option<String>,
    /// Nodes of the DHT that are known; None where this torrent does not use it.
    pub dht_nodes: Option<u32>,
    pub have: Option<Arc<Bitfield>>,
}

impl Row {
    /// A torrent of which there is nothing to tell yet.
    pub fn nothing(torrent: TorrentId, activity: Activity) -> Row {
        Row {
            torrent,
            activity,
            have_bytes: 0,
            wanted_bytes: 0,
            downloaded: 0,
            uploaded: 0,
            downloaded_ever: 0,
            uploaded_ever: 0,
            down_per_s: 0,
            up_per_s: 0,
            peers: 0,
            seeds: 0,
            giving: 0,
            taking: 0,
            web_seeds: 0,
            web_giving: 0,
            unreachable: 0,
            known: 0,
            wasted: 0,
            hash_fails: 0,
            banned: 0,
            faults: 0,
            tracker_trouble: None,
            dht_nodes: None,
            have: None,
        }
    }
}
