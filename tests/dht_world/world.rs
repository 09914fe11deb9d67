//! The network: who sits where, datagrams with delay and loss, one clock. After every input the machine's invariants
//! are checked, and what it sent is held against its bounds.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use peerlink::base::{InfoHash, Span, Time};
use peerlink::dht::{Dht, Options};
use peerlink::machine::{Command, Completion, Input, Job, Machine, Note, Outbox};
use peerlink::wire::dht::{Body, parse};

use crate::hostile::Hostile;

/// Bytes per second of each machine, and what it may send at once.
const UP_LIMIT: u64 = 8000;
const BURST: u64 = 3 * UP_LIMIT;

/// One machine and what came of it.
pub struct Host {
    pub dht: Dht,
    out: Outbox,
    pub address: SocketAddr,
    pub is_up: bool,
    woken_at: Option<Time>,
    began: Time,
    sent: u64,
    /// Addresses that answered a question of this machine's: they are not forged.
    proven: BTreeSet<SocketAddr>,
    /// Peers it was told of.
    pub found: BTreeMap<InfoHash, BTreeSet<SocketAddr>>,
    /// The file it wanted to be kept.
    pub saved: Vec<u8>,
}

enum Event {
    Datagram { from: SocketAddr, to: SocketAddr, bytes: Vec<u8> },
    Wake(usize),
}

pub struct World {
    pub now: Time,
    pub rng: fastrand::Rng,
    pub hosts: Vec<Host>,
    at: BTreeMap<SocketAddr, usize>,
    pub hostile: Option<Hostile>,
    events: BTreeMap<(Time, u64), Event>,
    count: u64,
    /// Of 1000 datagrams, so many are lost.
    pub loss: u32,
    /// Everything that was sent, as one number.
    pub trace: u64,
    pub datagrams: u64,
    /// Datagrams that came to addresses where nobody is.
    pub strangers: BTreeMap<SocketAddr, u64>,
}

impl World {
    pub fn new(seed: u64) -> World {
        World {
            now: Time(1_000_000),
            rng: fastrand::Rng::with_seed(seed),
            hosts: Vec::new(),
            at: BTreeMap::new(),
            hostile: None,
            events: BTreeMap::new(),
            count: 0,
            loss: 0,
            trace: 0,
            datagrams: 0,
            strangers: BTreeMap::new(),
        }
    }

    /// A machine at a global address of its own /24, which begins at these nodes. It sleeps.
    pub fn add(&mut self, begin_at: &[SocketAddr], change: impl FnOnce(&mut Options)) -> usize {
        let number = self.hosts.len();
        let address = SocketAddr::from(([60 + (number >> 16) as u8, (number >> 8) as u8, number as u8, 7], 6881));
        self.add_at(address, begin_at, change)
    }

    pub fn add_at(
        &mut self,
        address: SocketAddr,
        begin_at: &[SocketAddr],
        change: impl FnOnce(&mut Options),
    ) -> usize {
        let mut options = Options::new(std::array::from_fn(|_| self.rng.u8(..)));
        options.bootstrap = begin_at.iter().map(|at| (at.ip().to_string(), at.port())).collect();
        change(&mut options);
        let mut dht = Dht::new(options, &mut self.rng);
        let mut out = Outbox::new(self.rng.u64(..), 0, 0, 0);
        dht.handle(self.now, Input::Note(Note::Listening { port: 6881 }), &mut out);
        let number = self.hosts.len();
        self.at.insert(address, number);
        self.hosts.push(Host {
            dht,
            out,
            address,
            is_up: true,
            woken_at: None,
            began: self.now,
            sent: 0,
            proven: BTreeSet::new(),
            found: BTreeMap::new(),
            saved: Vec::new(),
        });
        number
    }

    /// Peers of this hash are wanted.
    pub fn find(&mut self, host: usize, info_hash: InfoHash, announce: bool) {
        self.feed(host, Input::Note(Note::FindPeers { info_hash, announce }));
    }

    pub fn stop(&mut self, host: usize) {
        self.feed(host, Input::Stop);
        assert!(self.hosts[host].dht.is_stopped(), "it is saved at once here");
        self.hosts[host].is_up = false;
    }

    fn push(&mut self, at: Time, event: Event) {
        self.count += 1;
        self.events.insert((at, self.count), event);
    }

    pub fn send(&mut self, from: SocketAddr, to: SocketAddr, bytes: Vec<u8>) {
        self.datagrams += 1;
        let mixed = bytes.iter().fold(self.trace ^ self.now.0, |n, byte| n.rotate_left(5) ^ u64::from(*byte));
        self.trace = mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        if self.rng.u32(..1000) < self.loss {
            return;
        }
        let delay = Span::millis(self.rng.u64(20..150));
        self.push(self.now + delay, Event::Datagram { from, to, bytes });
    }

    /// One input for a machine, and what follows.
    fn feed(&mut self, number: usize, input: Input<'_>) {
        let asker = match &input {
            Input::Datagram { from, bytes } => Some((*from, bytes.len(), is_reply(bytes))),
            _ => None,
        };
        let now = self.now;
        let is_deadline = matches!(input, Input::Deadline);
        let host = &mut self.hosts[number];
        if let Some((from, _, true)) = asker {
            host.proven.insert(from);
        }
        host.dht.handle(now, input, &mut host.out);
        host.dht.check();
        let commands = std::mem::take(&mut host.out.commands);
        let is_idle = is_deadline && commands.is_empty();
        assert!(!is_idle || host.dht.next_deadline().is_none_or(|due| due > now), "a busy loop");
        let mut completions = Vec::new();
        let mut leaves = Vec::new();
        for command in commands {
            match command {
                Command::SendDatagram { to, bytes } => {
                    host.sent += bytes.len() as u64;
                    if let Some((from, len, false)) = asker
                        && from == to
                        && !is_question(&bytes)
                    {
                        let is_bounded = host.proven.contains(&from) || bytes.len() <= 3 * len;
                        assert!(is_bounded, "{} bytes for {len} of a stranger", bytes.len());
                    }
                    leaves.push((host.address, to, bytes));
                }
                Command::Job(Job::SaveFile { id, bytes, .. }) => {
                    host.saved = bytes;
                    completions.push(Completion::FileSaved { id, result: Ok(()) });
                }
                Command::Tell(Note::Peers { info_hash, peers, .. }) => {
                    host.found.entry(info_hash).or_default().extend(peers);
                }
                other => panic!("{other:?}"),
            }
        }
        let may_send = BURST + now.since(host.began).0 * UP_LIMIT / 1_000_000 + 200;
        assert!(host.sent <= may_send, "{} bytes sent of {may_send}", host.sent);
        self.wake_in_time(number);
        leaves.into_iter().for_each(|(from, to, bytes)| self.send(from, to, bytes));
        for completion in completions {
            self.feed(number, Input::Completed(completion));
        }
    }

    fn wake_in_time(&mut self, number: usize) {
        let host = &mut self.hosts[number];
        let Some(due) = host.dht.next_deadline().map(|due| due.max(Time(self.now.0 + 1))) else { return };
        if host.woken_at.is_none_or(|at| due < at) {
            host.woken_at = Some(due);
            self.push(due, Event::Wake(number));
        }
    }

    /// Goes on for so long.
    pub fn run(&mut self, span: Span) {
        let end = self.now + span;
        while let Some(entry) = self.events.first_entry() {
            if entry.key().0 > end {
                break;
            }
            let ((at, _), event) = entry.remove_entry();
            self.now = at;
            match event {
                Event::Wake(number) => {
                    let host = &mut self.hosts[number];
                    if host.woken_at.is_some_and(|due| due <= at) {
                        host.woken_at = None;
                    }
                    if host.is_up && host.dht.next_deadline().is_some_and(|due| due <= at) {
                        self.feed(number, Input::Deadline);
                    } else if host.is_up {
                        self.wake_in_time(number);
                    }
                }
                Event::Datagram { from, to, bytes } => self.deliver(from, to, &bytes),
            }
        }
        self.now = end;
    }

    fn deliver(&mut self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        if let Some(&number) = self.at.get(&to) {
            if self.hosts[number].is_up {
                self.feed(number, Input::Datagram { from, bytes });
            }
        } else if let Some(mut hostile) = self.hostile.take() {
            if let Some(bytes) = hostile.answer(to, bytes, &mut self.rng) {
                self.send(to, from, bytes);
            }
            self.hostile = Some(hostile);
        } else {
            *self.strangers.entry(to).or_default() += 1;
        }
    }

    /// Bytes that a machine has sent.
    pub fn sent(&self, host: usize) -> u64 {
        self.hosts[host].sent
    }
}

fn is_reply(bytes: &[u8]) -> bool {
    parse(bytes).is_ok_and(|packet| matches!(packet.body, Body::Reply(_)))
}

fn is_question(bytes: &[u8]) -> bool {
    parse(bytes).is_ok_and(|packet| matches!(packet.body, Body::Query(_)))
}
