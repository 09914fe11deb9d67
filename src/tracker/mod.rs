//! The tracker of a server: owns the only peer table, answers announces and scrapes over HTTP and UDP.
//!
//! A machine like the others: [`Input::Request`] and [`Input::Datagram`] come from the hallway, answers leave in the
//! same call. Its swarms are saved every ten minutes and at the end, and loaded with their ages.

mod announce;
mod connection_id;
mod http;
mod members;
mod names;
mod numbers;
mod peers;
mod saved;
mod torrents;
mod udp;

use std::collections::BTreeSet;
use std::net::SocketAddr;

use crate::base::access::Access;
use crate::base::keyed::Secret;
use crate::base::{ConnId, InfoHash, JobId, Pool, Span, Time};
use crate::machine::{Completion, Input, Job, Machine, Note, Outbox};
use names::Names;
pub use numbers::Numbers;
use peers::Stamp;
use torrents::Torrents;
pub use torrents::{Counts, Sums};

/// Between two steps of forgetting, and steps in which every torrent is looked at.
const SWEEP: Span = Span::secs(5);
const SWEEP_STEPS: usize = 12;
/// Between two saves while somebody announces.
const SAVE: Span = Span::secs(600);
/// The file in the state folder.
const FILE: &str = "swarms";

/// What can be set.
#[derive(Clone, Debug)]
pub struct Options {
    /// Between two announces of a peer, 10 s to a day; what peers are told differs by a sixteenth either way.
    pub interval: Span,
    /// Most peers in one answer.
    pub peers_max: usize,
    /// Bytes of memory for swarms; beyond, new peers are answered but not stored.
    pub memory_max: usize,
}

impl Default for Options {
    fn default() -> Options {
        Options { interval: Span::secs(1800), peers_max: 100, memory_max: 32 << 20 }
    }
}

/// The machine.
#[derive(Debug)]
pub struct Tracker {
    options: Options,
    access: Access,
    secret: Secret,
    torrents: Torrents,
    names: Names,
    numbers: Numbers,
    sweep_due: Time,
    save_due: Time,
    /// Announces at the last save.
    saved_at: u64,
    saving: Option<JobId>,
    loading: Option<JobId>,
    stop: Stop,
    /// Swarms of which the groups want to know who is new there, and who is.
    watched: BTreeSet<InfoHash>,
    joined: Vec<(InfoHash, SocketAddr, bool)>,
    /// Reused for the peers of one answer.
    found: (Vec<u8>, Vec<u8>),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stop {
    No,
    Saving,
    Done,
}

impl Tracker {
    /// An empty tracker; `secret` must be known to nobody.
    pub fn new(options: Options, access: Access, secret: Secret) -> Tracker {
        Tracker {
            options,
            access,
            secret,
            torrents: Torrents::new(Secret(secret.1, secret.0.rotate_left(32))),
            names: Names::default(),
            numbers: Numbers::default(),
            sweep_due: Time::ZERO,
            save_due: Time::ZERO + SAVE,
            saved_at: 0,
            saving: None,
            loading: None,
            stop: Stop::No,
            watched: BTreeSet::new(),
            joined: Vec::new(),
            found: Default::default(),
        }
    }

    /// Whether a path of the server's web is the tracker's.
    pub fn owns(path: &str) -> bool {
        http::asked(path).is_some()
    }

    /// What a torrent has; None where nobody announced it.
    pub fn counts(&self, info_hash: &InfoHash) -> Option<Counts> {
        self.torrents.get(info_hash).map(torrents::Torrent::counts)
    }

    /// What was done so far, and what is there now.
    pub fn numbers(&self) -> (Numbers, Sums, usize) {
        let sums = self.torrents.sums();
        (self.numbers, Sums { bytes: sums.bytes + self.names.heap_len(), ..sums }, self.torrents.len())
    }

    /// Nothing is left to save.
    pub fn is_stopped(&self) -> bool {
        self.stop == Stop::Done
    }

    /// A peer that is heard of again within this many units of [`Stamp`] stays.
    fn age_max(&self) -> u16 {
        let seconds = self.options.interval.0 / 1_000_000 * 3 / 2 + 60;
        u16::try_from(seconds / Stamp::UNIT_S).unwrap_or(u16::MAX / 2)
    }

    fn is_full(&self) -> bool {
        self.torrents.sums().bytes >= self.options.memory_max
    }

    fn on_deadline(&mut self, now: Time, out: &mut Outbox) {
        if self.sweep_due <= now {
            self.sweep_due = now + SWEEP;
            let count = self.torrents.len().div_ceil(SWEEP_STEPS);
            self.torrents.sweep(count, Stamp::of(now), self.age_max(), self.is_full());
        }
        if self.save_due <= now {
            self.save_due = now + SAVE;
            if self.saved_at != self.numbers.announces() {
                self.save(now, out);
            }
        }
    }

    fn save(&mut self, now: Time, out: &mut Outbox) {
        if self.saving.is_some() || self.loading.is_some() {
            return;
        }
        let id = out.new_job();
        self.saving = Some(id);
        self.saved_at = self.numbers.announces();
        let bytes = saved::write(&self.torrents, Stamp::of(now));
        out.job(Job::SaveFile { id, name: FILE.into(), bytes });
    }

    fn completed(&mut self, completion: Completion, now: Time, out: &mut Outbox) {
        match completion {
            Completion::FileSaved { id, result } if self.saving == Some(id) => {
                self.saving = None;
                if let Err(error) = result {
                    log::warn!("the tracker's swarms are not saved: {}", error.text);
                }
                if self.stop == Stop::Saving {
                    self.finish(now, out);
                }
            }
            Completion::FileLoaded { id, result } if self.loading == Some(id) => {
                self.loading = None;
                match result {
                    Ok(None) => {}
                    Ok(Some((bytes, age))) => self.load(&bytes, age, now),
                    Err(error) => log::warn!("the tracker starts without its swarms: {}", error.text),
                }
                if self.stop == Stop::Saving {
                    self.finish(now, out);
                }
            }
            _ => {}
        }
    }

    fn load(&mut self, bytes: &[u8], age: Span, now: Time) {
        let age_max = self.age_max();
        match saved::read(bytes, age, Stamp::of(now), age_max, self.options.memory_max, &mut self.torrents) {
            Some(peers) => log::info!("{peers} peers of {} torrents were there before", self.torrents.len()),
            None => log::warn!("the tracker's saved swarms are damaged; some of them are lost"),
        }
    }

    /// The last save, unless nothing happened since the one before.
    fn finish(&mut self, now: Time, out: &mut Outbox) {
        if self.saving.is_some() || self.loading.is_some() {
            self.stop = Stop::Saving;
        } else if self.saved_at != self.numbers.announces() {
            self.stop = Stop::Saving;
            self.save(now, out);
        } else {
            self.stop = Stop::Done;
        }
    }
}

impl Machine for Tracker {
    fn handle(&mut self, now: Time, input: Input<'_>, out: &mut Outbox) {
        match input {
            Input::Datagram { from, bytes } => self.datagram(from, bytes, now, out),
            Input::Request { conn, request } => self.request(conn, request, now, out),
            Input::Deadline => self.on_deadline(now, out),
            Input::Completed(completion) => self.completed(completion, now, out),
            Input::Note(Note::Listening { .. }) => {
                let id = out.new_job();
                self.loading = Some(id);
                out.job(Job::LoadFile { id, name: FILE.into(), len_max: saved::LEN_MAX });
            }
            Input::Note(Note::Access(access)) => self.access = *access,
            Input::Note(Note::Swarm { conn, info_hash, peer, what }) => {
                self.member(conn, info_hash, peer, what, now, out);
            }
            Input::Note(Note::SwarmWatch { info_hash, is_on: true }) => _ = self.watched.insert(info_hash),
            Input::Note(Note::SwarmWatch { info_hash, is_on: false }) => _ = self.watched.remove(&info_hash),
            Input::Stop => self.finish(now, out),
            _ => {}
        }
        for (info_hash, peer, is_seed) in self.joined.drain(..) {
            out.tell(Note::SwarmJoined { info_hash, peer, is_seed });
        }
    }

    fn next_deadline(&self) -> Option<Time> {
        let is_idle = self.torrents.len() == 0 || self.stop != Stop::No;
        (!is_idle).then_some(self.sweep_due.min(self.save_due))
    }

    fn appetite(&self, _: ConnId, _: &Pool) -> usize {
        0 // It has no connections: requests come whole.
    }

    fn check(&self) {
        self.torrents.check();
    }
}

#[cfg(test)]
mod tests;
