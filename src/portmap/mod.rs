//! Port mapping: opens our port at the gateway of the local network, by PCP, NAT-PMP or UPnP, whichever it speaks, keeps
//! it open, and closes it at the end.
//!
//! What a gateway says is believed of itself alone: its answers come from its own address, its description and its
//! control URLs lead nowhere else, and nothing it says makes us ask more often than we would.

mod igd;
mod pmp;

use std::net::{IpAddr, SocketAddr};

use self::igd::Igd;
use self::pmp::{Dialect, Pmp};
use crate::base::address::{Reach, reach};
use crate::base::{ConnId, JobId, Pool, Span, Time};
use crate::machine::{Completion, Input, Job, Machine, Mapped, Network, Note, Outbox};
use crate::wire::natpmp;

/// Between two looks whether the gateway still knows of us: it may have been restarted.
const CHECK: Span = Span::secs(600);
/// Before the ways are tried again where none worked; doubled each time up to the last.
const RETRY: Span = Span::secs(60);
const RETRY_MAX: Span = Span::secs(3600);
/// How long the end waits for the gateway to close the ports.
const CLOSE: Span = Span::secs(1);

/// What came of an input.
enum Outcome {
    /// It goes on.
    Wait,
    /// The ports are open, as far as told here, or still are.
    Open(Mapped),
    /// This way leads nowhere, or not any more.
    Failed(String),
    /// The gateway speaks NAT-PMP and not PCP.
    Older,
    /// Nothing is open any more.
    Closed,
}

/// What is being done.
#[derive(Debug)]
enum Stage {
    /// Nothing, until this moment.
    Rest(Option<Time>),
    /// The gateway's address is asked of the operating system.
    Look(JobId),
    Pmp(Box<Pmp>),
    Igd(Box<Igd>),
    Over,
}

/// One process's port at the gateway.
#[derive(Debug)]
pub struct PortMap {
    port: u16,
    /// Nobody else can change what was mapped with it (PCP).
    nonce: [u8; 12],
    network: Option<Network>,
    stage: Stage,
    told: Option<Mapped>,
    /// Rounds of all ways that failed, since one worked.
    fails: u32,
    /// Why the ways of this round failed.
    whys: Vec<String>,
    stop_by: Option<Time>,
}

impl PortMap {
    /// Begins with [`Note::Listening`]. `nonce` is random.
    pub fn new(nonce: [u8; 12]) -> PortMap {
        PortMap {
            port: 0,
            nonce,
            network: None,
            stage: Stage::Rest(None),
            told: None,
            fails: 0,
            whys: Vec::new(),
            stop_by: None,
        }
    }

    /// The port that is to be opened; 0 before it is known.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Nothing more is to be done, after [`Input::Stop`].
    pub fn is_stopped(&self) -> bool {
        matches!(self.stage, Stage::Over)
    }

    /// Whether this job is one of ours.
    pub fn waits_for(&self, job: JobId) -> bool {
        match &self.stage {
            Stage::Look(own) => *own == job,
            Stage::Igd(igd) => igd.waits_for(job),
            _ => false,
        }
    }

    /// Whether a datagram is for us.
    pub fn hears(&self, from: SocketAddr, bytes: &[u8]) -> bool {
        let is_gateway = self.network.is_some_and(|network| IpAddr::V4(network.gateway) == from.ip());
        is_gateway
            && match &self.stage {
                Stage::Pmp(_) => from.port() == natpmp::PORT,
                Stage::Igd(_) => bytes.starts_with(b"HTTP/1."),
                _ => false,
            }
    }

    /// Looks for the gateway: it may be another one than before.
    fn look(&mut self, out: &mut Outbox) {
        let id = out.new_job();
        out.job(Job::Network { id });
        self.whys.clear();
        self.stage = Stage::Look(id);
    }

    /// The operating system has told.
    fn found(&mut self, network: Option<Network>, now: Time, out: &mut Outbox) {
        self.network = network;
        let Some(network) = network else { return self.give_up("there is no gateway", now, out) };
        let (gateway, local) = (reach(network.gateway.into()), reach(network.local.into()));
        if gateway != Reach::Private || local != Reach::Private {
            // Nobody stands between us and the internet, or it is a machine's own network.
            return self.give_up("the gateway is none of a home", now, out);
        }
        self.begin(Dialect::Pcp, network, now, out);
    }

    fn begin(&mut self, dialect: Dialect, network: Network, now: Time, out: &mut Outbox) {
        self.stage = Stage::Pmp(Box::new(Pmp::begin(dialect, network, self.port, self.nonce, now, out)));
    }

    fn give_up(&mut self, why: &str, now: Time, out: &mut Outbox) {
        if self.fails == 0 {
            log::info!("port {} is not opened at the gateway: {why}", self.port);
        }
        let wait = (0..self.fails).fold(RETRY, |wait, _| wait.times(2).clamp(RETRY, RETRY_MAX));
        self.fails += 1;
        self.stage = Stage::Rest(Some(now + wait));
        self.tell(None, out);
    }

    fn tell(&mut self, mapped: Option<Mapped>, out: &mut Outbox) {
        if self.told != mapped {
            self.told = mapped;
            out.tell(Note::PortMapped(mapped));
        }
    }

    /// What follows from what a way brought.
    fn follow(&mut self, outcome: Outcome, now: Time, out: &mut Outbox) {
        match outcome {
            Outcome::Wait => {}
            Outcome::Open(mapped) => {
                self.fails = 0;
                self.tell(Some(mapped), out);
            }
            Outcome::Closed => self.stage = Stage::Over,
            _ if self.stop_by.is_some() => self.stage = Stage::Over,
            Outcome::Older => {
                if let Some(network) = self.network {
                    self.begin(Dialect::NatPmp, network, now, out);
                }
            }
            Outcome::Failed(why) => self.next_way(why, now, out),
        }
    }

    /// The way is no way; one that worked until now is begun anew from the beginning, soon.
    fn next_way(&mut self, why: String, now: Time, out: &mut Outbox) {
        log::debug!("port mapping: {why}");
        self.whys.push(why);
        let Some(network) = self.network.filter(|_| self.told.is_none()) else {
            return self.give_up("it is not open any more", now, out);
        };
        match &self.stage {
            Stage::Pmp(pmp) if pmp.dialect() == Dialect::Pcp => self.begin(Dialect::NatPmp, network, now, out),
            Stage::Pmp(_) => self.stage = Stage::Igd(Box::new(Igd::begin(network, self.port, now, out))),
            _ => self.give_up(&self.whys.join("; "), now, out),
        }
    }

    fn completed(&mut self, completion: Completion, now: Time, out: &mut Outbox) {
        match (&mut self.stage, completion) {
            (Stage::Look(own), Completion::Network { id, network }) if *own == id => self.found(network, now, out),
            (Stage::Igd(igd), Completion::Fetched { id, result }) => {
                let outcome = igd.answered(id, result, now, out);
                self.follow(outcome, now, out);
            }
            _ => {}
        }
    }

    fn datagram(&mut self, from: SocketAddr, bytes: &[u8], now: Time, out: &mut Outbox) {
        if !self.hears(from, bytes) {
            return;
        }
        let outcome = match &mut self.stage {
            Stage::Pmp(pmp) => pmp.datagram(bytes, now, out),
            Stage::Igd(igd) => igd.datagram(bytes, out),
            _ => return,
        };
        self.follow(outcome, now, out);
    }

    fn on_deadline(&mut self, now: Time, out: &mut Outbox) {
        if self.stop_by.is_some_and(|by| by <= now) {
            self.stage = Stage::Over;
            return;
        }
        let outcome = match &mut self.stage {
            Stage::Rest(Some(due)) if *due <= now => return self.look(out),
            Stage::Pmp(pmp) => pmp.on_deadline(now, out),
            Stage::Igd(igd) => igd.on_deadline(now, out),
            _ => return,
        };
        self.follow(outcome, now, out);
    }

    fn stop(&mut self, now: Time, out: &mut Outbox) {
        self.stop_by.get_or_insert(now + CLOSE);
        let outcome = match &mut self.stage {
            Stage::Pmp(pmp) => pmp.close(now, out),
            Stage::Igd(igd) => igd.close(out),
            _ => Outcome::Closed,
        };
        self.follow(outcome, now, out);
    }
}

impl Machine for PortMap {
    fn handle(&mut self, now: Time, input: Input<'_>, out: &mut Outbox) {
        match input {
            Input::Note(Note::Listening { port }) if self.port == 0 && port != 0 => {
                self.port = port;
                self.look(out);
            }
            Input::Completed(completion) => self.completed(completion, now, out),
            Input::Datagram { from, bytes } => self.datagram(from, bytes, now, out),
            Input::Deadline => self.on_deadline(now, out),
            Input::Stop => self.stop(now, out),
            _ => {}
        }
    }

    fn next_deadline(&self) -> Option<Time> {
        let due = match &self.stage {
            Stage::Rest(due) => *due,
            Stage::Pmp(pmp) => Some(pmp.next_deadline()),
            Stage::Igd(igd) => igd.next_deadline(),
            Stage::Look(_) | Stage::Over => None,
        };
        let stop_by = self.stop_by.filter(|_| !self.is_stopped());
        [due, stop_by].into_iter().flatten().min()
    }

    fn appetite(&self, _: ConnId, _: &Pool) -> usize {
        0
    }
}

#[cfg(test)]
mod tests;
