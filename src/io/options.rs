//! What a reactor is started with.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use super::way_out::WayOut;
use super::{descriptors, web};
use crate::base::encryption::Encryption;
use crate::base::limits;

/// A write per pool buffer, a read per upload credit, and some for the rest.
const JOB_SLOTS: usize = limits::POOL_BLOCKS + 256 + 64;
/// Completions between two turns of the loop; workers wait when it is full, the loop never does.
pub(super) const MAIL_SLOTS: usize = 256;

/// What [`super::reactor::Reactor::new`] needs to know.
#[derive(Clone)]
pub struct Options {
    /// Addresses to listen on; empty means all of v6 and of v4.
    pub bind: Vec<IpAddr>,
    /// How everything leaves.
    pub way: WayOut,
    /// None: 6881, or any free one with a remark. 0: any. Otherwise exactly this one.
    pub port: Option<u16>,
    /// Where the remote control listens, at one port; empty: nowhere.
    pub control: Vec<SocketAddr>,
    /// Whoever dials us says something first: then the kernel shows us a caller when it has, or has been silent for
    /// about a second.
    pub callers_speak_first: bool,
    /// Decides every random choice of the machines.
    pub seed: u64,
    pub pool_blocks: usize,
    pub download_credits: u32,
    pub upload_credits: u32,
    /// Bytes per second of payload over all torrents; 0: no limit.
    pub up_limit: u64,
    pub down_limit: u64,
    /// How peers are spoken to; [`Encryption::Off`] where none are.
    pub encryption: Encryption,
    /// Take part in local discovery.
    pub lsd: bool,
    /// Resume state and locks; made when needed.
    pub state_dir: PathBuf,
    /// Hash threads, at least one.
    pub hashers: usize,
    /// Files the disk thread keeps open.
    pub open_files: usize,
    /// Jobs that may wait for a worker, and completions that may wait for the loop.
    pub job_slots: usize,
    pub mail_slots: usize,
    /// Connections at once; None: what `RLIMIT_NOFILE` leaves.
    pub conns_max: Option<usize>,
    /// Torrents that are expected: each keeps descriptors of its own.
    pub torrents: usize,
    /// Descriptors to ask for where the limit is lower.
    pub descriptors: u64,
    /// Certificates and bounds of the web threads.
    pub web: web::Options,
}

impl Options {
    /// The defaults of `base::limits`.
    pub fn new(state_dir: PathBuf) -> Options {
        Options {
            bind: Vec::new(),
            way: WayOut::default(),
            port: None,
            control: Vec::new(),
            callers_speak_first: false,
            seed: 0,
            pool_blocks: limits::POOL_BLOCKS,
            download_credits: limits::DOWNLOAD_CREDITS,
            upload_credits: 256,
            up_limit: 0,
            down_limit: 0,
            encryption: Encryption::Off,
            lsd: false,
            state_dir,
            hashers: 1,
            open_files: limits::OPEN_FILES,
            job_slots: JOB_SLOTS,
            mail_slots: MAIL_SLOTS,
            conns_max: None,
            torrents: 1,
            descriptors: descriptors::WANTED,
            web: web::Options::default(),
        }
    }
}
