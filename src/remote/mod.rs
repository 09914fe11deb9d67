//! The daemon's torrents and their remote control: Transmission's RPC in its legacy form, by which people, pages and
//! other programs add torrents, look how they stand, and say what becomes of them.
//!
//! A torrent here is a record (`torrent::Torrent`). It is worked on by a machine of its own as long as somebody
//! wants it to run and the queue has a place for it (`life`); the hallway makes that machine when it is told
//! [`Note::Add`], and ends it when it is told [`Note::Remove`]. Every change that an answer confirms is on disk before
//! the answer leaves, so no crash takes it back.
//!
//! Requests come in by [`Remote::ask`]; those of them that are calls wait until [`Remote::work`], where the machines
//! can be looked at.

mod actions;
mod add;
mod call;
mod client;
mod facts;
mod fields;
mod gate;
mod get;
mod given;
mod group;
mod life;
mod list;
mod lists;
mod options;
mod page;
mod queue;
mod record;
mod rename;
mod save;
mod session;
mod sessions;
mod set;
mod torrent;
mod watch;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;

use self::call::{Back, Call};
pub use self::facts::Machines;
use self::gate::{Gate, Way, armoured};
use self::get::Listing;
use self::group::Group;
use self::list::List;
pub use self::options::Options;
pub use self::record::RECORD_LEN;
pub use self::session::Session;
use self::torrent::Torrent;
use crate::base::encryption::Encryption;
use crate::base::{InfoHash, JobId, Span, Time};
use crate::machine::{Command, Completion, Note, Outbox};
use crate::wire::http::{Head, Reply, Request};
use crate::wire::json::{self, Value};

/// The folder of records.
pub const SHELF: &str = "daemon";
/// The record of the session, among those of the torrents.
const SESSION: &str = "session.json";
/// The folder of .torrent files.
const TORRENTS: &str = "torrents";
/// Bytes of a call: the largest .torrent in base64, and what stands around it.
const BODY_LEN: usize = crate::base::limits::TORRENT_LEN.div_ceil(3) * 4 + 64 * 1024;
/// Calls waiting for their turn, each of its own connection.
const CALLS_MAX: usize = 256;
/// Clocks that differ by less show the same time.
const CLOCK_SLACK_S: u64 = 2;
/// Between two looks at what is running, and where all rest.
const TICK: Span = Span::secs(1);
const REST_TICK: Span = Span::secs(60);

/// What a job was started for.
#[derive(Debug)]
enum Errand {
    /// Nobody waits for it; what could not be saved is saved again with the next change.
    Save(Option<u32>),
    /// The .torrent file of a new one is saved, before its record.
    Kept(u32),
    /// A new torrent is saved: its caller is told.
    Added { id: u32, back: Back },
    /// A change is saved: its caller is told.
    Confirm(Back),
    /// The .torrent file of one that shall run.
    Begin(u32),
    /// The .torrent file of one of which more is asked than the record says.
    List,
    /// The .torrent file of one of which other files are wanted.
    Choose(u32),
    /// The .torrent file of one whose data shall go.
    Doomed(u32),
    /// The files of one that goes.
    Erase(u32),
    /// The .torrent file of one whose data moves.
    Leaving(u32),
    /// The data of one that moves.
    Moved(u32),
    /// The .torrent file of one of which something is to be renamed.
    Rename(Box<rename::Renaming>),
    /// A .torrent file from the web or the disk.
    Source(Box<add::Adding>),
    /// Room on disk, for a caller.
    Space(Back, String),
    /// The same where downloads go, for everybody who asks.
    Free,
}

/// How far the end is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Running,
    /// The machines wind down.
    Stopping,
    /// Records are being saved.
    Saving,
}

/// The remote control.
#[derive(Debug)]
pub struct Remote {
    options: Options,
    gate: Gate,
    session: Session,
    list: List,
    group: Group,
    calls: VecDeque<Call>,
    listings: VecDeque<Listing>,
    jobs: BTreeMap<JobId, Errand>,
    postponed: Vec<add::Postponed>,
    /// Callers that wait until something has its new name, by torrent.
    renamers: BTreeMap<u32, Back>,
    /// Torrents that look at their files.
    settling: BTreeSet<u32>,
    /// Torrents that shall begin, in this order.
    to_begin: VecDeque<u32>,
    /// Who may run has to be thought over.
    is_stale: bool,
    /// The session's record is not as it should be.
    is_session_dirty: bool,
    totals: watch::Totals,
    /// Free bytes where downloads go, as last seen.
    free: u64,
    /// Too few of them: nothing is downloaded.
    is_low: bool,
    looked_for_room: Time,
    /// The alternative limits as the schedule last said; None: before it said anything.
    was_slow_time: Option<bool>,
    /// The limits that the loop was last told.
    told_limits: Option<(u64, u64)>,
    /// Most peers of all torrents together, likewise.
    told_peers_max: Option<u64>,
    /// Ranges of the blocklist, and those who wait for it to be read.
    blocked_count: usize,
    blocklist_waits: Vec<Back>,
    told_encryption: Option<Encryption>,
    port: u16,
    /// At the gateway, for everybody.
    is_port_open: bool,
    next_tick: Option<Time>,
    /// The last look, and the last time that the session was saved.
    last_tick: Time,
    saved_session: Time,
    /// The last look at torrents at rest.
    last_slow_look: Time,
    phase: Phase,
}

impl Remote {
    pub fn new(options: Options) -> Remote {
        let Options { user, password, hosts, session_id, .. } = &options;
        let gate = Gate::new(user.clone(), password.clone(), hosts, session_id.clone());
        Remote {
            gate,
            session: options.session.clone(),
            group: Group::new(options.group.clone()),
            options,
            list: List::default(),
            calls: VecDeque::new(),
            listings: VecDeque::new(),
            jobs: BTreeMap::new(),
            postponed: Vec::new(),
            renamers: BTreeMap::new(),
            settling: BTreeSet::new(),
            to_begin: VecDeque::new(),
            is_stale: true,
            is_session_dirty: false,
            totals: watch::Totals::default(),
            free: 0,
            is_low: false,
            looked_for_room: Time::ZERO,
            was_slow_time: None,
            told_limits: None,
            told_peers_max: None,
            blocked_count: 0,
            blocklist_waits: Vec::new(),
            told_encryption: None,
            port: 0,
            is_port_open: false,
            next_tick: None,
            last_tick: Time::ZERO,
            saved_session: Time::ZERO,
            last_slow_look: Time::ZERO,
            phase: Phase::Running,
        }
    }

    /// Takes over a record that an earlier run left. False where it is none.
    pub fn restore(&mut self, name: &str, bytes: &[u8]) -> bool {
        if name == SESSION {
            let Some(Value::Object(remembered)) = json::read(bytes) else { return false };
            self.session.restore(&remembered);
            self.totals.restore(&remembered);
            return true;
        }
        let Some(info_hash) = record::hash_of(name) else { return false };
        let id = self.list.new_id();
        let Some(torrent) = record::read(id, info_hash, bytes, &mut self.list) else { return false };
        self.list.insert(torrent);
        true
    }

    /// How many torrents there are.
    pub fn count(&self) -> usize {
        self.list.len()
    }

    /// Whether this info hash is one of the torrents here.
    pub fn has(&self, info_hash: InfoHash) -> bool {
        self.list.by_hash(info_hash).is_some()
    }

    /// The longest body that may come with this request; None where none is wanted.
    pub fn body_max(&self, head: &Head<'_>, from: SocketAddr, now: Time) -> Option<usize> {
        self.gate.admits_body(head, from, now).then_some(BODY_LEN)
    }

    /// A request.
    pub fn ask(&mut self, conn: crate::base::ConnId, request: &Request<'_>, now: Time, out: &mut Outbox) {
        let reply = match self.gate.enter(&request.head, request.remote, now) {
            Err(reply) => reply,
            Ok(Way::Page(name)) => page::page(name, &request.head),
            Ok(Way::Rpc) if self.calls.len() >= CALLS_MAX => {
                armoured(Reply::text(503, "Too many calls are waiting.").with("Retry-After", "1"))
            }
            Ok(Way::Rpc) => match Call::read(conn, request.body) {
                Some(call) => return self.calls.push_back(call),
                None => armoured(Reply::text(400, "The body is no call.")),
            },
        };
        out.push(Command::Answer { conn, reply });
    }

    /// Whether [`Self::work`] has something to do.
    pub fn has_work(&self, now: Time) -> bool {
        let can_list = self.listings.iter().any(|listing| !listing.waits());
        let can_begin = self.phase == Phase::Running && !self.to_begin.is_empty() && self.may_begin();
        !self.calls.is_empty() || can_list || can_begin || self.is_stale || self.is_due(now)
    }

    /// What is left to do can wait until others had their turn.
    pub fn is_tired(&self) -> bool {
        self.calls.is_empty() && !self.is_stale
    }

    fn is_due(&self, now: Time) -> bool {
        self.next_tick.is_some_and(|due| due <= now)
    }

    /// Answers calls, looks after what runs, and begins and ends torrents.
    pub fn work(&mut self, machines: &mut dyn Machines, now: Time, out: &mut Outbox) {
        self.follow_clock(now, out);
        if self.is_due(now) {
            self.tick(machines, now, out);
        }
        while let Some(call) = self.calls.pop_front() {
            self.answer(call, machines, now, out);
        }
        self.go_on_listing(machines, now, out);
        let is_stale = std::mem::take(&mut self.is_stale);
        if self.phase == Phase::Running {
            if is_stale {
                self.plan(now, out);
            }
            self.begin_some(now, out);
        }
        self.save_dirty(out);
        let is_awake = self.list.iter().any(Torrent::is_awake) || self.session.switch("alt-speed-time-enabled");
        let rest = if is_awake { TICK } else { REST_TICK };
        self.next_tick = Some(self.next_tick.map_or(now + rest, |due| due.min(now + rest)));
    }

    fn answer(&mut self, call: Call, machines: &mut dyn Machines, now: Time, out: &mut Outbox) {
        match call.method.as_str() {
            "torrent-get" => self.begin_listing(&call, now),
            "torrent-add" => self.torrent_add(&call, now, out),
            "torrent-set" => self.torrent_set(&call, now, out),
            "session-get" => self.session_get(&call, out),
            "session-set" => self.session_set(&call, now, out),
            "session-stats" => self.session_stats(&call, machines, now, out),
            "session-close" => {
                call.back.succeed(out);
                out.tell(Note::Close);
            }
            "free-space" => self.free_space(&call, out),
            "" => call.back.fail("no method name", out),
            _ => self.act(&call, now, out),
        }
    }

    /// Another machine, or the application, says something.
    pub fn note(&mut self, note: &Note, now: Time, out: &mut Outbox) {
        match note {
            Note::Listening { port } => {
                self.port = *port;
                self.list.settle();
                self.look_for_room(out);
                self.tell_limits(now, out);
                self.next_tick = Some(now);
            }
            Note::PortMapped(mapped) => self.is_port_open = mapped.is_some_and(|mapped| mapped.is_for_all()),
            Note::Metadata { torrent, info } => self.on_metadata(*torrent, info, now, out),
            Note::Complete { torrent } => self.on_complete(*torrent, now, out),
            Note::Failed { torrent, error } => self.on_failed(*torrent, error, now, out),
            Note::Given(given) => self.give(given, now, out),
            Note::Blocklist(read) => self.on_blocklist(read, out),
            Note::Bring { bytes } => self.bring(bytes, now, out),
            Note::Row(row) => {
                if let Some(id) = self.list.id_of_machine(row.torrent).filter(|_| self.phase == Phase::Running) {
                    self.take_row(id, row, now);
                }
            }
            Note::Asleep { row } => self.on_asleep(row, now),
            Note::Wanted { torrent } => self.on_wanted(*torrent),
            Note::Gone { row } => self.on_gone(row, now, out),
            Note::News(news) => self.hear_group(news, now),
            _ => {}
        }
    }

    /// A job ended that was started here.
    pub fn completed(&mut self, completion: Completion, now: Time, out: &mut Outbox) {
        let Some(errand) = completion.id().and_then(|id| self.jobs.remove(&id)) else { return };
        match (errand, completion) {
            (Errand::Save(id), Completion::Shelved { result: Err(error), .. }) => {
                log::warn!("{}; tried again with the next change", error.text);
                if let Some(torrent) = id.and_then(|id| self.list.get_mut(id)) {
                    torrent.is_unsaved = true;
                }
            }
            (Errand::Confirm(back), Completion::Shelved { result, .. }) => match result {
                Ok(()) => back.succeed(out),
                Err(error) => back.fail(&format!("couldn't save: {}", error.text), out),
            },
            (Errand::Kept(id), Completion::Shelved { result: Err(error), .. }) => self.on_unkept(id, error),
            (Errand::Added { id, back }, Completion::Shelved { result, .. }) => {
                self.on_added(id, back, result, now, out);
            }
            (Errand::Begin(id), Completion::Recalled { result, .. }) => self.on_read(id, result, now, out),
            (Errand::List, Completion::Recalled { id, result }) => self.on_listed(id, result),
            (Errand::Choose(id), Completion::Recalled { result, .. }) => self.on_chosen(id, result),
            (Errand::Doomed(id), Completion::Recalled { result, .. }) => self.erase(id, result.ok(), out),
            (Errand::Leaving(id), Completion::Recalled { result, .. }) => self.relocate(id, result.ok(), now, out),
            (Errand::Moved(id), Completion::Done { result, .. }) => self.on_moved(id, result, now, out),
            (Errand::Rename(renaming), Completion::Recalled { result, .. }) => {
                self.on_rename(*renaming, result, out);
            }
            (Errand::Erase(id), Completion::Done { result, .. }) => self.on_erased(id, result, now, out),
            (Errand::Save(_), _) => self.save_dirty(out),
            (Errand::Source(adding), completion) => self.on_source(*adding, completion, now, out),
            (Errand::Space(back, path), Completion::Space { result, .. }) => {
                sessions::tell_space(back, &path, result, out)
            }
            (Errand::Free, Completion::Space { result, .. }) => self.on_room(result.ok().map(|(free, _)| free)),
            _ => {}
        }
    }

    pub fn next_deadline(&self) -> Option<Time> {
        if self.has_work(Time::ZERO) { Some(Time::ZERO) } else { self.next_tick }
    }

    /// No torrent begins any more.
    pub fn stop(&mut self) {
        if self.phase == Phase::Running {
            self.phase = Phase::Stopping;
            self.calls.clear();
            self.listings.clear();
        }
    }

    /// Every machine has ended: what they said at the end is saved.
    pub fn save_last(&mut self, machines: &mut dyn Machines, now: Time, out: &mut Outbox) {
        if self.phase != Phase::Stopping {
            return;
        }
        self.phase = Phase::Saving;
        self.look_at_all(machines, now, true, out);
        self.is_session_dirty = true;
        self.save_dirty(out);
    }

    /// Everything is saved.
    pub fn is_stopped(&self) -> bool {
        self.phase == Phase::Saving && !self.jobs.values().any(|errand| matches!(errand, Errand::Save(_)))
    }

    /// The clock on the wall may be set: small boxes have none that goes on while they are off.
    fn follow_clock(&mut self, now: Time, out: &Outbox) {
        let began_s = (out.wall_ms / 1000).saturating_sub(now.0 / 1_000_000);
        if out.wall_ms > 0 && began_s.abs_diff(self.options.began_s) > CLOCK_SLACK_S {
            self.options.began_s = began_s;
        }
    }

    /// Seconds since 1970.
    fn wall_s(&self, now: Time) -> u64 {
        self.options.began_s + now.0 / 1_000_000
    }

    pub fn check(&self) {
        self.list.check();
    }
}
