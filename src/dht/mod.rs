//! The DHT node (BEP 5, 32, 42, 43): finds peers without a tracker, says that we are one, and does its part for others.
//!
//! It sleeps, and says nothing to anybody, until the first [`Note::FindPeers`]. Then it looks for nodes of both address
//! families, keeps a table of each, and answers questions. What may leave is bounded by one bucket ([`outlet`]), who
//! asks too often is not heard ([`sources`]), and a stranger gets at most three times the bytes it sent.

mod answers;
mod family;
pub mod lookup;
pub mod origins;
pub mod outlet;
pub mod questions;
mod replies;
pub mod saved;
mod searches;
pub mod sources;
pub mod store;
pub mod table;
pub mod tokens;
pub mod votes;

use std::collections::VecDeque;
use std::net::SocketAddr;

use self::family::Family;
use self::lookup::Lookup;
use self::origins::{Giver, Origins, ROUTERS};
use self::outlet::Outlet;
use self::questions::Questions;
use self::searches::Announce;
use self::sources::Sources;
use self::store::Store;
use self::tokens::Tokens;
use crate::base::{ConnId, JobId, NodeId, Pool, Span, Time, limits};
use crate::machine::{Completion, Input, Job, Machine, Note, Outbox};

/// Between two savings of the table.
const SAVE_REST: Span = Span::secs(30 * 60);
/// The file in the state folder.
pub const FILE: &str = "dht.state";

/// How the DHT is run.
#[derive(Clone, Debug)]
pub struct Options {
    /// From the operating system's generator: nobody may guess what is made of it.
    pub secret: [u8; 32],
    /// Asked first instead of the public routers, by name or address; empty: those.
    pub bootstrap: Vec<(String, u16)>,
    /// Ask, and answer nothing (BEP 43).
    pub read_only: bool,
    /// Bytes per second that leave; 0: no limit.
    pub up_limit: u64,
    /// Questions per second of one source, ten seconds' worth at once; 0: any number.
    pub per_source: u32,
    /// The file of an earlier run.
    pub saved: Vec<u8>,
}

impl Options {
    /// The defaults.
    pub fn new(secret: [u8; 32]) -> Options {
        Options {
            secret,
            bootstrap: Vec::new(),
            read_only: false,
            up_limit: limits::DHT_UP_LIMIT,
            per_source: limits::DHT_PER_SOURCE,
            saved: Vec::new(),
        }
    }
}

#[derive(Debug)]
pub struct Dht {
    read_only: bool,
    is_awake: bool,
    /// Peers reach us at this TCP port.
    port: u16,
    /// v4, v6.
    families: [Family; 2],
    origins: Origins,
    lookups: Vec<Lookup>,
    lookup_count: u32,
    announces: VecDeque<Announce>,
    questions: Questions,
    tokens: Tokens,
    store: Store,
    sources: Sources,
    outlet: Outlet,
    /// Something of ours waits for room in the outlet.
    blocked: bool,
    save_due: Time,
    saving: Option<JobId>,
    is_stopping: bool,
}

impl Dht {
    /// Asleep.
    pub fn new(options: Options, rng: &mut fastrand::Rng) -> Dht {
        let mut origins = Origins::default();
        for (host, port) in &options.bootstrap {
            origins.add(host, *port, Giver::Person);
        }
        if options.bootstrap.is_empty() {
            ROUTERS.iter().for_each(|(host, port)| origins.add(host, *port, Giver::Program));
        }
        let [v4, v6] = saved::decode(&options.saved);
        Dht {
            read_only: options.read_only,
            is_awake: false,
            port: 0,
            families: [Family::new(false, v4, chance(rng)), Family::new(true, v6, chance(rng))],
            origins,
            lookups: Vec::new(),
            lookup_count: 0,
            announces: VecDeque::new(),
            questions: Questions::default(),
            tokens: Tokens::new(options.secret),
            store: Store::default(),
            sources: Sources::new(options.per_source, rng.u64(..)),
            outlet: Outlet::new(options.up_limit),
            blocked: false,
            save_due: Time::ZERO,
            saving: None,
            is_stopping: false,
        }
    }

    /// A node that a torrent names. To be said before its peers are asked for.
    pub fn hint(&mut self, host: &str, port: u16) {
        self.origins.add(host, port, Giver::Torrent);
    }

    /// Nodes of both tables.
    pub fn node_count(&self) -> usize {
        self.families.iter().map(|family| family.table.len()).sum()
    }

    /// Our ids in the DHTs of v4 and v6.
    pub fn ids(&self) -> [NodeId; 2] {
        [self.families[0].id, self.families[1].id]
    }

    /// Everything is saved, after [`Input::Stop`].
    pub fn is_stopped(&self) -> bool {
        self.is_stopping && self.saving.is_none()
    }

    /// Bytes that left, and answers that did not for want of room.
    pub fn totals(&self) -> (u64, u64) {
        self.outlet.totals()
    }

    fn note(&mut self, note: Note, now: Time) {
        match note {
            Note::Listening { port } => self.port = port,
            Note::FindPeers { info_hash, announce } => {
                if !std::mem::replace(&mut self.is_awake, true) {
                    self.save_due = now + SAVE_REST;
                }
                let announce = announce && self.port != 0;
                self.families.iter_mut().for_each(|family| family.wish(info_hash, announce));
            }
            Note::DhtNode { address } if address.port() != 0 => {
                self.family_mut(address).hint(address, now);
            }
            _ => {}
        }
    }

    fn family_mut(&mut self, address: SocketAddr) -> &mut Family {
        &mut self.families[usize::from(address.is_ipv6())]
    }

    fn datagram(&mut self, from: SocketAddr, bytes: &[u8], now: Time, out: &mut Outbox) {
        if !self.is_awake || self.is_stopping || from.port() == 0 {
            return;
        }
        // A flooder costs no more than this look, unless we wait for it ourselves.
        if self.sources.is_ignored(from, now) && !self.questions.waits_for(from) {
            return;
        }
        self.on_packet(from, bytes, now, out);
    }

    fn completed(&mut self, completion: Completion, now: Time) {
        match completion {
            Completion::Resolved { id, result } => {
                let is_news = self.origins.resolved(id, result);
                // Somebody to ask at last.
                for family in self.families.iter_mut().filter(|family| is_news && family.table.is_empty()) {
                    family.boot_due = now;
                }
            }
            Completion::FileSaved { id, result } if self.saving == Some(id) => {
                self.saving = None;
                if let Err(error) = result {
                    log::warn!("{}", error.text);
                }
            }
            _ => {}
        }
    }

    fn on_deadline(&mut self, now: Time, out: &mut Outbox) {
        self.on_overdue(now);
        if self.save_due <= now {
            self.save(now, out);
        }
    }

    fn save(&mut self, now: Time, out: &mut Outbox) {
        self.save_due = now + SAVE_REST;
        if self.saving.is_none() && self.node_count() > 0 {
            let id = out.new_job();
            let [v4, v6] = &self.families;
            let bytes = saved::encode(&[v4.to_save(), v6.to_save()]);
            self.saving = Some(id);
            out.job(Job::SaveFile { id, name: FILE.into(), bytes });
        }
    }

    fn stop(&mut self, now: Time, out: &mut Outbox) {
        self.is_stopping = true;
        self.lookups.clear();
        self.announces.clear();
        self.questions.clear();
        if self.is_awake {
            self.save(now, out);
        }
    }
}

/// 20 bytes by chance.
fn chance(rng: &mut fastrand::Rng) -> [u8; 20] {
    let mut bytes = [0; 20];
    rng.fill(&mut bytes);
    bytes
}

impl Machine for Dht {
    fn handle(&mut self, now: Time, input: Input<'_>, out: &mut Outbox) {
        match input {
            Input::Datagram { from, bytes } => self.datagram(from, bytes, now, out),
            Input::Completed(completion) => self.completed(completion, now),
            Input::Note(Note::PortMapped(mapped)) => {
                // What others say counts as much: each place has one voice.
                if let Some(ip) = mapped.and_then(|mapped| mapped.ip) {
                    self.believe(SocketAddr::new(ip, 0), ip, now, out);
                }
            }
            Input::Note(note) => self.note(note, now),
            Input::Deadline => self.on_deadline(now, out),
            Input::Stop => self.stop(now, out),
            _ => {}
        }
        if self.is_awake && !self.is_stopping {
            self.go_on(now, out);
        }
    }

    fn next_deadline(&self) -> Option<Time> {
        if !self.is_awake || self.is_stopping {
            return None;
        }
        self.next_step()
    }

    fn appetite(&self, _conn: ConnId, _pool: &Pool) -> usize {
        limits::READ_LEN
    }

    fn check(&self) {
        self.families.iter().for_each(|family| family.table.check());
        self.lookups.iter().for_each(Lookup::check);
        self.questions.check();
        self.store.check();
        self.check_searches();
    }
}
