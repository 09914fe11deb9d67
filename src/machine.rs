//! The seam between deciding and doing, as plain data: what a machine is told ([`Input`]) and what it asks for
//! ([`Command`]). No socket, file, clock or thread is named on this floor or above, up to `io`.
//!
//! **Invariants.** Effects leave through the [`Outbox`] in the same call. Time is passed in; randomness comes from
//! [`Outbox::rng`], seeded by the driver: same seed, same inputs, same commands. Every job but the fire-and-forget
//! ones named so gets exactly one completion, in any order between different pieces.

mod chat;
mod datagrams;
mod detail;
mod gateway;
mod notes;
mod outbox;
mod outgoing;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use crate::base::encryption::Crypto;
use crate::base::{Block, ConnId, Filled, InfoHash, JobId, Piece, Pool, Span, StoreId, Time};
use crate::storage::{Layout, Record, Resume};
use crate::wire::http::{Reply, Request};

pub use self::chat::{ChatAsk, ChatNews, GroupListed, Leave, Manner, Message, Own, Present, Say};
pub use self::datagrams::Datagrams;
pub use self::detail::{AnnounceState, PeerRow, TrackerRow};
pub use self::gateway::{Control, Mapped, Network, Way};
pub use self::notes::{
    Activity, AddTorrent, Event, Happened, Level, Note, RateLimits, Row, SeekTorrent, Sleep, Source, Swarming, Ways,
};
pub use self::outbox::Outbox;
pub use self::outgoing::{Outgoing, Run};

/// What happened.
#[derive(Debug)]
pub enum Input<'a> {
    /// Somebody dialled us.
    Accepted { conn: ConnId, remote: SocketAddr },
    /// Somebody dialled the door of the remote control.
    Called { conn: ConnId, remote: SocketAddr },
    /// Our dial succeeded.
    Connected { conn: ConnId },
    /// Somebody who dialled us said a first word, which may become encryption: what it says follows.
    Spoke { conn: ConnId },
    /// Both sides of a connection agreed on encryption (MSE), before anything else is heard of it.
    Encrypted { conn: ConnId, crypto: Crypto },
    /// Bytes arrived, at most what [`Machine::appetite`] allowed.
    Received { conn: ConnId, bytes: &'a [u8] },
    /// A datagram arrived on the UDP socket.
    Datagram { from: SocketAddr, bytes: &'a [u8] },
    /// A datagram arrived on a socket of local discovery.
    Local { from: SocketAddr, bytes: &'a [u8] },
    /// Payload of [`Command::SendBlocks`] left for the kernel: `blocks` whole blocks of `bytes` bytes;
    /// `queued` bytes of any kind wait on. With all zeros: what [`Command::SendTold`] queued has left, and all else.
    Sent { conn: ConnId, blocks: u32, bytes: u64, queued: usize },
    /// More than [`crate::base::limits::PILE_LEN`] bytes other than payload wait for this connection's other side to read,
    /// `queued` of them; said once until all have left.
    Piled { conn: ConnId, queued: usize },
    /// A request to a path that this machine owns; answered by [`Command::Answer`]. Only from the hallway.
    Request { conn: ConnId, request: &'a Request<'a> },
    /// The connection is gone (never said after a [`Command::Close`] of ours). Dials that fail end here too.
    Closed { conn: ConnId, reason: Closed },
    /// A job ended.
    Completed(Completion),
    /// Another machine, or the application, says something.
    Note(Note),
    /// The pool ran short: gather lists should leave for the disk now.
    Starving,
    /// The moment [`Machine::next_deadline`] named has come.
    Deadline,
    /// Wind down: say goodbye to trackers, save state, then tell [`Note::Stopped`].
    Stop,
}

/// Why a connection went away.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Closed {
    /// The dial was refused, timed out or found no route.
    Unreachable,
    /// The other side closed in good order.
    ByPeer,
    /// Reset or another socket error.
    Error,
    /// It does not read what we send: its queue outgrew [`crate::base::limits::CONTROL_QUEUE_LEN`].
    Overflow,
    /// This process has no descriptor left for it.
    NoDescriptor,
    /// TLS did not come about: who answers is not who it should be, or speaks something else.
    Untrusted,
}

/// What to do.
#[derive(Debug)]
pub enum Command {
    /// Dial; answered by `Connected` or `Closed`.
    Connect { conn: ConnId, to: SocketAddr },
    /// Dial a web server; answered as `Connect`. With a name, TLS is spoken with whoever proves to have that name: it is
    /// connected when that is done, and what is sent and received is the text within.
    ConnectWeb { conn: ConnId, to: SocketAddr, name: Option<String> },
    /// Right after `Connect`: with whom answers there hands are shaken in MSE first, for this torrent. What is sent
    /// after `Connected` leaves with it; said by `Encrypted`, and by `Closed` where nothing comes of it.
    Encrypt { conn: ConnId, info_hash: InfoHash },
    /// Queue bytes.
    Send { conn: ConnId, bytes: Vec<u8> },
    /// Queue bytes, and say [`Input::Sent`] when nothing is queued on this connection any more.
    SendTold { conn: ConnId, bytes: Vec<u8> },
    /// Stop or go on reading from a connection. While it is not read, its end is not heard of either.
    Read { conn: ConnId, on: bool },
    /// The reply to an [`Input::Request`]; the hallway makes bytes of it.
    Answer { conn: ConnId, reply: Reply },
    /// Queue the same bytes on many connections.
    SendMany { conns: Vec<ConnId>, bytes: Arc<[u8]> },
    /// Queue blocks whose payload lies in one run buffer.
    SendBlocks { conn: ConnId, run: Run, blocks: Vec<Outgoing> },
    /// Send a datagram from the UDP socket of the address's family.
    SendDatagram { to: SocketAddr, bytes: Vec<u8> },
    /// Send to everybody on the local network, by the groups of local discovery.
    Multicast { v4: Vec<u8>, v6: Vec<u8> },
    /// Hand to the kernel what it takes at once, then close.
    Close { conn: ConnId },
    /// Work for another thread.
    Job(Job),
    /// Say something to another machine or the application.
    Tell(Note),
}

/// Work for the disk thread, the hashers or the web threads.
#[derive(Debug)]
pub enum Job {
    /// Load the resume state and look at the files; answered by [`Completion::Opened`]. First job of a store.
    Open { store: StoreId, spec: Arc<StoreSpec> },
    /// Reserve some of the room that the wanted files lack, for about 20 ms; answered by [`Completion::Reserved`].
    /// A failure gives back what was reserved since the first of these jobs.
    Reserve { store: StoreId },
    /// Store a batch of one piece's blocks, sorted by `begin`; with `last`, finish the piece's digest.
    /// Answered by [`Completion::Home`] or [`Completion::WriteFailed`], and with `last` by [`Completion::Hashed`].
    Write { store: StoreId, piece: Piece, blocks: Vec<Filled>, last: bool },
    /// Throw the running digest of a piece away. No answer.
    Forget { store: StoreId, piece: Piece },
    /// Hash a piece from storage; answered by [`Completion::Hashed`].
    Check { store: StoreId, piece: Piece },
    /// SHA-1 of each 16 KiB block of a piece, for blame; answered by [`Completion::Digests`].
    Digests { store: StoreId, piece: Piece },
    /// Read a run for a connection; answered by [`Completion::Read`].
    Read { store: StoreId, conn: ConnId, block: Block },
    /// Append to the resume journal. No answer.
    Journal { store: StoreId, record: Record },
    /// fdatasync the data, then write a snapshot and start a new journal; answered by [`Completion::Saved`].
    Checkpoint { store: StoreId, resume: Box<Resume> },
    /// Close the files. No answer.
    Close { store: StoreId },
    /// Keep a .torrent file in the state folder. No answer.
    Keep { info_hash: InfoHash, bytes: Vec<u8> },
    /// An HTTP GET; answered by [`Completion::Fetched`].
    Fetch { id: JobId, request: Fetch },
    /// A name look-up; answered by [`Completion::Resolved`]. `for_tls`: whom to believe is found out meanwhile.
    Resolve { id: JobId, host: String, port: u16, for_tls: bool },
    /// How the local network leads out; answered by [`Completion::Network`].
    Network { id: JobId },
    /// A request to the gateway; answered by [`Completion::Fetched`].
    Control { id: JobId, request: Control },
    /// Replace a file of ours in the state folder, so that after a power cut there is the old or the new one; answered
    /// by [`Completion::FileSaved`]. `name` is relative, of plain words and `/`; folders are made.
    SaveFile { id: JobId, name: String, bytes: Vec<u8> },
    /// Read such a file, at most `len_max` bytes; answered by [`Completion::FileLoaded`].
    LoadFile { id: JobId, name: String, len_max: usize },
    /// Add to the end of such a file, which is made where there is none; answered by [`Completion::Appended`] when a
    /// later end of this process cannot take it back any more (a power cut can). All of it is added, or nothing.
    Append { id: JobId, name: String, bytes: Vec<u8> },
    /// As [`Job::SaveFile`], of a file among others of its kind; answered by [`Completion::Shelved`] when it is durable.
    Shelve { id: JobId, file: OnShelf, bytes: Vec<u8> },
    /// Takes a file off its shelf, durably; answered by [`Completion::Shelved`], also where there was none.
    Unshelve { id: JobId, file: OnShelf },
    /// Reads a file of a shelf; answered by [`Completion::Recalled`].
    Recall { id: JobId, file: OnShelf, len_max: usize },
    /// Reads any file that somebody who may do so named; answered by [`Completion::Recalled`].
    ReadFile { id: JobId, path: PathBuf, len_max: usize },
    /// How much room there is where this folder is or will be; answered by [`Completion::Space`].
    Space { id: JobId, dir: PathBuf },
    /// Moves a torrent's files to another download folder, within a file system or to another one, or to other names.
    /// Those that are there already stay. The torrent must be closed. Answered by [`Completion::Done`].
    Move { id: JobId, spec: Arc<StoreSpec>, to: Arc<StoreSpec> },
    /// Removes a torrent's files, the folders that are empty then, and with `state` what was remembered of it. The
    /// torrent must be closed. Answered by [`Completion::Done`].
    Erase { id: JobId, info_hash: InfoHash, data: Option<Arc<StoreSpec>>, state: bool },
}

impl Job {
    /// The id of a job that has one; the others are known by their store.
    pub fn id(&self) -> Option<JobId> {
        match self {
            Job::SaveFile { id, .. }
            | Job::Append { id, .. }
            | Job::LoadFile { id, .. }
            | Job::Shelve { id, .. }
            | Job::Unshelve { id, .. }
            | Job::Recall { id, .. }
            | Job::ReadFile { id, .. }
            | Job::Space { id, .. }
            | Job::Erase { id, .. }
            | Job::Move { id, .. }
            | Job::Fetch { id, .. }
            | Job::Network { id }
            | Job::Control { id, .. }
            | Job::Resolve { id, .. } => Some(*id),
            _ => None,
        }
    }
}

/// A file among others of its kind, in a folder of the state folder.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OnShelf {
    /// The folder's name.
    pub shelf: &'static str,
    /// Plain letters, digits, `-` and `.`: never taken from what others send.
    pub name: String,
}

/// What the disk thread needs to know of a torrent.
#[derive(Debug)]
pub struct StoreSpec {
    pub info_hash: InfoHash,
    /// Absolute download folder; every file lies beneath it.
    pub dir: PathBuf,
    pub layout: Layout,
}

/// A bounded HTTP GET.
#[derive(Clone, Debug)]
pub struct Fetch {
    /// Absolute http or https URL, already checked by `wire::url`.
    pub url: String,
    /// A longer body is an error.
    pub len_max: usize,
    /// From look-up to last byte.
    pub timeout: Span,
    pub purpose: Purpose,
}

/// What a fetch is for, which decides what it may touch on this machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// An announce to a tracker that a torrent names: on loopback only paths below `/announce`.
    Announce,
    /// The same before the end, when there is no time to wait behind others.
    Goodbye,
    /// A file somebody asked for.
    File,
}

/// A job's end. Buffers come home inside.
#[derive(Debug)]
pub enum Completion {
    Opened {
        store: StoreId,
        result: Result<Opened, DiskError>,
    },
    Reserved {
        store: StoreId,
        result: Result<Reserved, DiskError>,
    },
    /// The blocks of one `Write` are on disk and hashed as far as possible; `buffers` go back to the pool.
    Home {
        store: StoreId,
        blocks: Vec<Filled>,
    },
    /// The blocks of one `Write` are not on disk; the piece's digest was forgotten.
    WriteFailed {
        store: StoreId,
        blocks: Vec<Filled>,
        error: DiskError,
    },
    /// A piece's digest, from its last `Write` or a `Check`. An error means storage could not be read.
    Hashed {
        store: StoreId,
        piece: Piece,
        digest: Result<[u8; 20], DiskError>,
    },
    /// A digest per 16 KiB block, cut to 8 bytes: only compared with each other.
    Digests {
        store: StoreId,
        piece: Piece,
        digests: Result<Vec<[u8; 8]>, DiskError>,
    },
    Read {
        store: StoreId,
        conn: ConnId,
        block: Block,
        run: Result<Run, DiskError>,
    },
    Saved {
        store: StoreId,
        result: Result<(), DiskError>,
    },
    /// The bytes and how long ago they were saved; None: there is no such file.
    FileLoaded {
        id: JobId,
        result: Result<Option<(Vec<u8>, Span)>, DiskError>,
    },
    Fetched {
        id: JobId,
        result: Result<Fetched, String>,
    },
    Resolved {
        id: JobId,
        result: Result<Vec<SocketAddr>, String>,
    },
    /// None: there is no gateway.
    Network {
        id: JobId,
        network: Option<Network>,
    },
    FileSaved {
        id: JobId,
        result: Result<(), DiskError>,
    },
    Appended {
        id: JobId,
        result: Result<(), DiskError>,
    },
    Shelved {
        id: JobId,
        result: Result<(), DiskError>,
    },
    /// The bytes of a file, all of them; longer ones than were asked for are an error.
    Recalled {
        id: JobId,
        result: Result<Vec<u8>, DiskError>,
    },
    /// Bytes that are free for us, and bytes in all.
    Space {
        id: JobId,
        result: Result<(u64, u64), DiskError>,
    },
    /// Files were removed or moved.
    Done {
        id: JobId,
        result: Result<(), DiskError>,
    },
}

impl Completion {
    /// The id of the job it ends, if that has one.
    pub fn id(&self) -> Option<JobId> {
        match self {
            Completion::FileSaved { id, .. }
            | Completion::Appended { id, .. }
            | Completion::FileLoaded { id, .. }
            | Completion::Shelved { id, .. }
            | Completion::Recalled { id, .. }
            | Completion::Space { id, .. }
            | Completion::Done { id, .. }
            | Completion::Fetched { id, .. }
            | Completion::Network { id, .. }
            | Completion::Resolved { id, .. } => Some(*id),
            _ => None,
        }
    }
}

/// A store that was opened.
#[derive(Debug)]
pub struct Opened {
    /// What an earlier run left, already held against the files by `storage::resume`.
    pub resume: Option<Resume>,
    /// Length of each of the layout's files as found, None where there is none.
    pub lens: Vec<Option<u64>>,
}

/// How far room is reserved, in bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reserved {
    pub done: u64,
    /// All of it is reserved when this is reached.
    pub total: u64,
    /// Why no room can be reserved, though there is enough: then nothing more comes.
    pub cannot: Option<String>,
}

/// An HTTP reply, whatever its status.
#[derive(Clone, Debug)]
pub struct Fetched {
    pub status: u16,
    pub body: Vec<u8>,
    /// Address the reply came from, for the reach of what it names.
    pub from: Option<SocketAddr>,
}

/// The torrent's own trouble (error family 2): it pauses, the others go on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DiskError {
    pub kind: DiskErrorKind,
    /// What failed and where, for people: `cannot write movies/a.mkv: no space left on device`.
    pub text: String,
}

/// What can be done about it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DiskErrorKind {
    /// No space or quota left: wait for space.
    Full,
    /// A file is not there or shorter than claimed.
    Missing,
    /// Somebody put something in the way: a symlink, a folder, no permission.
    Denied,
    /// Another process works on this torrent.
    Locked,
    /// Anything else.
    Other,
}

/// Protocol state that decides and never does.
pub trait Machine {
    /// Something happened at `now`; what follows from it is pushed to `out`.
    fn handle(&mut self, now: Time, input: Input<'_>, out: &mut Outbox);

    /// When [`Input::Deadline`] is due. None: nothing to wait for.
    fn next_deadline(&self) -> Option<Time>;

    /// How many bytes this connection may read now: [`crate::base::limits::READ_LEN`], or the rest of the block it
    /// is in when the pool is short, or 0 (the brake).
    fn appetite(&self, conn: ConnId, pool: &Pool) -> usize;

    /// Whether somebody who dials us should be let in now; until then callers wait in the kernel's queue.
    fn accepts(&self, _now: Time) -> bool {
        true
    }

    /// The torrent of ours that a caller names so in MSE ([`crate::wire::mse::torrent_name`]).
    fn torrent_named(&self, _name: &[u8; 20]) -> Option<InfoHash> {
        None
    }

    /// Panics where an invariant is broken. The simulator calls it after every input.
    fn check(&self) {}
}
