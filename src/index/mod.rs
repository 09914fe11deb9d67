//! The index of torrents of a server: published, listed, fetched and taken away over HTTP, kept on disk.
//!
//! Memory holds what a listing shows; the .torrent files lie on a shelf and are read when they are asked for. Nothing
//! is confirmed before it is durable: a torrent appears, and disappears, when the disk thread says so.

mod catalog;
mod entry;
mod fetch;
mod flood;
mod gate;
mod json;
pub mod page;
mod publish;
mod request;
mod unpublish;

use std::collections::BTreeMap;

use self::catalog::{Catalog, Query};
use self::entry::Entry;
pub use self::entry::HEAD_LEN;
use self::flood::Flood;
use self::gate::Gate;
pub use self::gate::PublishBy;
use self::request::{Place, asks_for_html, is_foreign};
use crate::base::{ConnId, InfoHash, JobId, Time};
use crate::machine::{Command, Completion, Job, OnShelf, Outbox};
use crate::wire::http::{Head, Method, Reply, Request};

/// The folder of the state folder.
pub const SHELF: &str = "index";
/// Bytes of a .torrent that can be published.
pub const TORRENT_LEN: usize = 2 * 1024 * 1024;
/// Bytes of the request that brings one: a form has some words around it.
const BODY_LEN: usize = TORRENT_LEN + 16 * 1024;
/// Jobs on their way to the disk; beyond, askers are told to come back.
pub const JOBS_MAX: usize = 32;

/// Peers of one torrent, as the tracker knows them.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Counts {
    /// Those that have everything.
    pub seeds: u32,
    /// The others.
    pub peers: u32,
}

/// What the tracker carries in all.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Carried {
    pub torrents: u64,
    pub seeds: u64,
    pub peers: u64,
    /// Members of groups, and groups.
    pub members: u64,
    pub groups: u64,
}

/// Who knows the peers. The hallway lends it for each request: machines do not know each other.
pub trait Swarms {
    /// None where nobody counts.
    fn counts(&self, info_hash: InfoHash) -> Option<Counts>;

    fn carried(&self) -> Option<Carried> {
        None
    }
}

/// Nobody counts.
impl Swarms for () {
    fn counts(&self, _: InfoHash) -> Option<Counts> {
        None
    }
}

/// How an index is kept.
#[derive(Clone, Debug)]
pub struct Options {
    pub publish_by: PublishBy,
    pub password: Option<String>,
    /// Names and passwords of those who may take anything away.
    pub opers: Vec<(String, String)>,
    /// Most torrents.
    pub count_max: usize,
    /// Most bytes on disk.
    pub disk_max: u64,
    /// For tokens: new for each run, and unguessable.
    pub secret: [u8; 32],
    /// Seconds since 1970 when the driver's time began.
    pub began_s: u64,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            publish_by: PublishBy::Anyone,
            password: None,
            opers: Vec::new(),
            count_max: 10_000,
            disk_max: 256 << 20,
            secret: [0; 32],
            began_s: 0,
        }
    }
}

/// A job on its way, and who waits for it.
#[derive(Debug)]
enum Pending {
    Publish(Box<publish::Publishing>),
    Unpublish {
        conn: ConnId,
        info_hash: InfoHash,
    },
    Fetch {
        conn: ConnId,
        info_hash: InfoHash,
        /// For a torrent that names no tracker.
        announce: Option<String>,
    },
}

/// The machine.
#[derive(Debug)]
pub struct Index {
    catalog: Catalog,
    gate: Gate,
    flood: Flood,
    count_max: usize,
    disk_max: u64,
    began_s: u64,
    pending: BTreeMap<JobId, Pending>,
}

impl Default for Index {
    fn default() -> Index {
        Index::new(Options::default())
    }
}

impl Index {
    pub fn new(options: Options) -> Index {
        Index {
            catalog: Catalog::default(),
            gate: Gate::new(options.publish_by, options.password.as_deref(), &options.opers, options.secret),
            flood: Flood::default(),
            count_max: options.count_max,
            disk_max: options.disk_max,
            began_s: options.began_s,
            pending: BTreeMap::new(),
        }
    }

    /// Takes in a file of the shelf, at the start: its name, its length, its first [`HEAD_LEN`] bytes. False where it
    /// is torn or no file of ours.
    pub fn restore(&mut self, name: &str, len: u64, head: &[u8]) -> bool {
        let Some((info_hash, mut entry)) = Entry::decode(head, len) else { return false };
        if file_of(info_hash).name != name || entry.torrent_len as usize > TORRENT_LEN {
            return false;
        }
        if !self.catalog.insert(info_hash, entry.clone()) {
            // Copied from another server's folder: the number is taken, the torrent is not.
            entry.number = self.catalog.new_number();
            return self.catalog.insert(info_hash, entry);
        }
        true
    }

    /// Torrents, private ones too, and their bytes on disk.
    pub fn held(&self) -> (usize, u64) {
        (self.catalog.count(), self.catalog.disk_len())
    }

    /// Whether this path of the server's web is the index's.
    pub fn owns(path: &str) -> bool {
        Place::of(path).is_some()
    }

    /// The longest body to read with this request; None for no body at all.
    pub fn body_max(&self, head: &Head<'_>) -> Option<usize> {
        let is_publish = head.method == Method::Post && Place::of(head.path) == Some(Place::Torrents);
        (is_publish && !is_foreign(head)).then_some(BODY_LEN)
    }

    /// A request to one of its paths; answered by [`Command::Answer`], at once or when the disk has done its work.
    pub fn ask(&mut self, conn: ConnId, request: &Request<'_>, swarms: &dyn Swarms, now: Time, out: &mut Outbox) {
        let head = &request.head;
        let place = Place::of(head.path);
        let is_get = matches!(head.method, Method::Get | Method::Head);
        let reply = match (place, head.method) {
            (Some(Place::Page), _) if is_get => Some(self.list(head, true, swarms, now)),
            (Some(Place::Torrents), _) if is_get => Some(self.list(head, asks_for_html(head), swarms, now)),
            (Some(Place::Asset(asset)), _) if is_get => Some(page::asset(asset)),
            (Some(Place::Torrent(Some(info_hash))), _) if is_get => self.fetch(conn, info_hash, head, out),
            (Some(Place::Torrent(None)), _) => Some(plain(404, "There is no such torrent here.")),
            (Some(_), Method::Post | Method::Delete) if is_foreign(head) => {
                Some(plain(403, "Another site's page may not do this."))
            }
            (Some(Place::Torrents), Method::Post) => self.publish(conn, request, now, out),
            (Some(Place::Torrent(Some(info_hash))), Method::Delete) => {
                self.unpublish(conn, info_hash, request, now, out)
            }
            (Some(place), _) => Some(plain(405, "That method does not work here.").with("Allow", place.methods())),
            (None, _) => Some(plain(404, "There is nothing here.")),
        };
        if let Some(reply) = reply {
            out.push(Command::Answer { conn, reply });
        }
    }

    fn list(&self, head: &Head<'_>, as_html: bool, swarms: &dyn Swarms, now: Time) -> Reply {
        let query = Query::parse(head.query);
        let listing = self.catalog.list(&query, swarms);
        let host = request::host(head);
        if !as_html {
            return dressed(Reply::json(200, json::listing(&listing, host.as_ref())))
                .with("Cache-Control", "no-cache");
        }
        let view = page::View {
            host: host.as_ref(),
            now_s: self.unix_s(now),
            listing: &listing,
            query: &query,
            listed: self.catalog.listed(),
            carried: swarms.carried(),
            publish_by: self.gate.publish_by,
        };
        page::reply(200, page::listing(&view))
    }

    /// A job ended. False where it was not one of the index's.
    pub fn completed(&mut self, completion: Completion, out: &mut Outbox) -> bool {
        let (id, result) = match completion {
            Completion::Shelved { id, result } => (id, result.map(|()| Vec::new())),
            Completion::Recalled { id, result } => (id, result),
            _ => return false,
        };
        let (conn, reply) = match self.pending.remove(&id) {
            Some(Pending::Publish(publishing)) => (publishing.conn, self.published(*publishing, result)),
            Some(Pending::Unpublish { conn, info_hash }) => (conn, self.unpublished(info_hash, result)),
            Some(Pending::Fetch { conn, info_hash, announce }) => (conn, self.fetched(info_hash, announce, result)),
            None => return false,
        };
        out.push(Command::Answer { conn, reply });
        true
    }

    /// Starts a job for somebody, or says why not: the disk is behind, or works on this torrent.
    fn start(&mut self, pending: Pending, job: impl FnOnce(JobId) -> Job, out: &mut Outbox) -> Option<Reply> {
        if self.pending.len() >= JOBS_MAX {
            return Some(plain(503, "The disk is busy; try again soon.").with("Retry-After", "2"));
        }
        let id = out.new_job();
        self.pending.insert(id, pending);
        out.job(job(id));
        None
    }

    /// Somebody is putting this torrent in or taking it out at this moment.
    fn is_changing(&self, info_hash: InfoHash) -> bool {
        self.pending.values().any(|pending| match pending {
            Pending::Publish(publishing) => publishing.info_hash == info_hash,
            Pending::Unpublish { info_hash: other, .. } => *other == info_hash,
            Pending::Fetch { .. } => false,
        })
    }

    fn unix_s(&self, now: Time) -> u64 {
        self.began_s.saturating_add(now.0 / 1_000_000)
    }

    /// Panics where an invariant is broken.
    pub fn check(&self) {
        self.catalog.check();
        self.gate.check();
        self.flood.check();
        assert!(self.pending.len() <= JOBS_MAX, "more jobs are on their way than allowed");
    }
}

/// Where a torrent lies on the shelf.
fn file_of(info_hash: InfoHash) -> OnShelf {
    OnShelf { shelf: SHELF, name: info_hash.to_string() }
}

/// One sentence for programs and people.
fn plain(status: u16, text: &str) -> Reply {
    dressed(Reply::text(status, text))
}

/// Nothing of ours may be taken for something else than it says.
fn dressed(reply: Reply) -> Reply {
    reply.with("X-Content-Type-Options", "nosniff")
}

#[cfg(test)]
mod tests;
