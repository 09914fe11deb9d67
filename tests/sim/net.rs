//! The simulated network: connections as two byte pipes with rates, delay, loss, windows, and partial delivery.

use std::net::SocketAddr;

use peerlink::base::{ConnId, Span, Time, limits};
use peerlink::machine::{Closed, Input};

use crate::host::Kind;
use crate::pipe::{Flight, Parcel, Pipe};
use crate::world::{Event, World};

/// What Linux waits for a dial that nobody answers.
const SYN_TIMEOUT: Span = Span::secs(127);

/// A connection; side 0 dialled.
pub struct Conn {
    pub ends: [End; 2],
    /// `pipes[n]` carries what side n sends.
    pub pipes: [Pipe; 2],
    /// The three-way handshake is over for the dialler.
    pub answered: bool,
}

/// One side of it.
pub struct End {
    pub host: usize,
    pub process: u32,
    pub id: ConnId,
    /// The process there holds the connection.
    pub live: bool,
    /// A `Read` event is planned.
    reading: bool,
    /// The machine's appetite was zero.
    pub braked: bool,
}

impl World {
    /// Somebody dials.
    pub fn dial(&mut self, host: usize, id: ConnId, to: SocketAddr) {
        let index = self.conns.len();
        let target = self.addresses.get(&to).copied();
        let process = self.hosts[host].process;
        let end = |host, process, id, live| End { host, process, id, live, reading: false, braked: false };
        self.conns.push(Conn {
            ends: [end(host, process, id, true), end(target.unwrap_or(usize::MAX), 0, ConnId(0), false)],
            pipes: Default::default(),
            answered: false,
        });
        self.hosts[host].conns.insert(id, (index, 0));
        if self.hosts[host].no_descriptors {
            return self.after(Span(1), Event::Gone { conn: index, side: 0, reason: Closed::NoDescriptor });
        }
        match target {
            Some(_) => {
                let delay = self.delay();
                self.after(delay, Event::Dialled { conn: index });
            }
            // Nobody lives there: half of such addresses refuse, the other half is silent.
            None => {
                let wait = if to.port().is_multiple_of(2) { Span::millis(40) } else { SYN_TIMEOUT };
                self.after(wait, Event::Gone { conn: index, side: 0, reason: Closed::Unreachable });
            }
        }
    }

    /// One way, without the time for the bytes.
    pub fn delay(&mut self) -> Span {
        Span(self.links.delay_ms * 1000 + self.rng.u64(0..=self.links.jitter_ms * 1000))
    }

    /// When packets between the two pass again, if they do not now.
    pub fn parted(&self, a: usize, b: usize) -> Option<Time> {
        self.parted.get(&(a.min(b), a.max(b))).copied().filter(|&until| until > self.now)
    }

    pub fn dialled(&mut self, conn: usize) {
        let [from, to] = [self.conns[conn].ends[0].host, self.conns[conn].ends[1].host];
        if !self.conns[conn].ends[0].live {
            return;
        }
        if let Some(until) = self.parted(from, to) {
            let wait = (until - self.now).min(SYN_TIMEOUT);
            if wait >= SYN_TIMEOUT {
                return self.after(wait, Event::Gone { conn, side: 0, reason: Closed::Unreachable });
            }
            return self.at(until + Span::millis(300), Event::Dialled { conn });
        }
        let delay = self.delay();
        let target = &mut self.hosts[to];
        if target.dark {
            return self.after(SYN_TIMEOUT, Event::Gone { conn, side: 0, reason: Closed::Unreachable });
        }
        if !target.running || !target.listening {
            return self.after(delay, Event::Gone { conn, side: 0, reason: Closed::Unreachable });
        }
        if target.no_descriptors {
            // It waits in the backlog of a listener that cannot accept.
            return self.after(Span::millis(500), Event::Dialled { conn });
        }
        let id = target.new_conn();
        let process = target.process;
        target.conns.insert(id, (conn, 1));
        let end = &mut self.conns[conn].ends[1];
        (end.process, end.id, end.live) = (process, id, true);
        let port = 30_000 + (conn % 30_000) as u16;
        let remote = SocketAddr::new(self.hosts[from].address.ip(), port);
        self.conns[conn].pipes[1].last_arrival = self.now + delay;
        self.after(delay, Event::Answered { conn });
        self.accepted(to, id, remote);
    }

    pub fn answered(&mut self, conn: usize) {
        let end = &self.conns[conn].ends[0];
        if !end.live {
            return;
        }
        let (host, id) = (end.host, end.id);
        self.conns[conn].answered = true;
        self.connected(host, id);
        self.read_soon(conn, 0);
    }

    /// Bytes for a side's send queue.
    pub fn send(&mut self, conn: usize, side: usize, bytes: Vec<u8>, payload: Option<u32>) {
        let pipe = &mut self.conns[conn].pipes[side];
        pipe.queued += bytes.len();
        if payload.is_none() {
            pipe.control += bytes.len();
        }
        pipe.queue.push_back(Parcel { bytes, at: 0, payload });
        let blocks = pipe.queued - pipe.control;
        let most = limits::SEND_QUEUE_LEN + limits::RUN_LEN as usize + 13 * 40;
        assert!(blocks <= most, "[bounds] {blocks} bytes of payload wait in one send queue");
        if pipe.control > limits::CONTROL_QUEUE_LEN {
            self.after(Span(1), Event::Gone { conn, side, reason: Closed::Overflow });
        }
        self.pump_soon(conn, side);
    }

    fn pump_soon(&mut self, conn: usize, side: usize) {
        let pipe = &mut self.conns[conn].pipes[side];
        if !pipe.pumping && pipe.queued > 0 {
            pipe.pumping = true;
            self.after(Span::ZERO, Event::Pump { conn, side });
        }
    }

    pub fn pump(&mut self, conn: usize, side: usize) {
        self.conns[conn].pipes[side].pumping = false;
        if !self.conns[conn].ends[side].live || !self.conns[conn].ends[1 - side].live {
            return;
        }
        let room = self.conns[conn].pipes[side].room();
        if room == 0 || self.conns[conn].pipes[side].queued == 0 {
            return;
        }
        let max = self.rng.usize(1..=self.links.chunk_max).max(self.rng.usize(1..=self.links.chunk_max)).min(room);
        let (chunk, blocks, payload) = self.conns[conn].pipes[side].take(max);
        let depart = self.launch(conn, side, Flight::Data(chunk));
        let pipe = &mut self.conns[conn].pipes[side];
        let queued = pipe.queued;
        if queued > 0 {
            pipe.pumping = true;
            self.at(depart, Event::Pump { conn, side });
        }
        if blocks > 0 {
            let end = &self.conns[conn].ends[side];
            let (host, conn) = (end.host, end.id);
            self.sent(host, Input::Sent { conn, blocks, bytes: payload, queued });
        }
    }

    /// Puts something on the wire; says when its last bit left.
    fn launch(&mut self, conn: usize, side: usize, flight: Flight) -> Time {
        let from = self.conns[conn].ends[side].host;
        let len = match &flight {
            Flight::Data(bytes) => bytes.len() as u64 + 40,
            Flight::Fin(_) => 40,
        };
        let start = self.now.max(self.hosts[from].up_free);
        let depart = start + Span(len * 1_000_000 / self.hosts[from].up);
        self.hosts[from].up_free = depart;
        let mut arrival = depart + self.delay();
        if self.rng.u32(..1000) < self.links.loss_per_mille {
            arrival += Span::millis(200 * (1 << self.rng.u32(..3)));
        }
        let pipe = &mut self.conns[conn].pipes[side];
        arrival = arrival.max(pipe.last_arrival);
        pipe.last_arrival = arrival;
        if let Flight::Data(bytes) = &flight {
            pipe.flying_len += bytes.len();
        }
        pipe.flying.push_back(flight);
        self.at(arrival, Event::Arrive { conn, from: side, len });
        depart
    }

    pub fn arrive(&mut self, conn: usize, from: usize, len: u64) {
        let [sender, receiver] = [from, 1 - from];
        let hosts = [self.conns[conn].ends[sender].host, self.conns[conn].ends[receiver].host];
        if let Some(until) = self.parted(hosts[0], hosts[1]) {
            let wait = Span::millis(self.rng.u64(1..400));
            let pipe = &mut self.conns[conn].pipes[from];
            // Every later chunk waits behind this one.
            let at = (until + wait).max(pipe.last_arrival);
            pipe.last_arrival = at;
            return self.at(at, Event::Arrive { conn, from, len });
        }
        if len > 0 {
            let line = &mut self.hosts[hosts[1]];
            line.down_free = line.down_free.max(self.now) + Span(len * 1_000_000 / line.down);
            let at = line.down_free;
            return self.at(at, Event::Arrive { conn, from, len: 0 });
        }
        let Some(flight) = self.conns[conn].pipes[from].flying.pop_front() else { return };
        let here = &self.conns[conn].ends[receiver];
        if !here.live {
            // Nobody holds this connection here: a reset goes back, unless the machine is without power.
            if !self.hosts[hosts[1]].dark {
                let delay = self.delay();
                self.after(delay, Event::Gone { conn, side: sender, reason: Closed::Error });
            }
            return;
        }
        let pipe = &mut self.conns[conn].pipes[from];
        match flight {
            Flight::Data(bytes) => {
                pipe.flying_len -= bytes.len();
                if pipe.inbox_start == pipe.inbox.len() {
                    pipe.inbox = bytes;
                    pipe.inbox_start = 0;
                } else {
                    pipe.inbox.drain(..pipe.inbox_start);
                    pipe.inbox_start = 0;
                    pipe.inbox.extend(bytes);
                }
            }
            Flight::Fin(reason) => {
                pipe.fin = Some(reason);
                if reason == Closed::Error && self.rng.bool() {
                    pipe.inbox.clear();
                    pipe.inbox_start = 0;
                }
            }
        }
        self.read_soon(conn, receiver);
    }

    pub fn read_soon(&mut self, conn: usize, side: usize) {
        let answered = self.conns[conn].answered || side == 1;
        let Conn { ends, pipes, .. } = &mut self.conns[conn];
        let (end, pipe) = (&mut ends[side], &pipes[1 - side]);
        if end.live && !end.reading && !end.braked && answered && (pipe.unread() > 0 || pipe.fin.is_some()) {
            end.reading = true;
            let wait = Span(self.rng.u64(..100));
            self.after(wait, Event::Read { conn, side });
        }
    }

    /// One bounded turn of reading: a random cut of what is there.
    pub fn read(&mut self, conn: usize, side: usize) {
        self.conns[conn].ends[side].reading = false;
        let (host, id, live) = {
            let end = &self.conns[conn].ends[side];
            (end.host, end.id, end.live)
        };
        if !live {
            return;
        }
        let unread = self.conns[conn].pipes[1 - side].unread();
        if unread == 0 {
            if let Some(reason) = self.conns[conn].pipes[1 - side].fin {
                self.gone(conn, side, reason);
            }
            return;
        }
        let appetite = match &self.hosts[host].kind {
            Kind::Node(node) => node.appetite(id),
            Kind::Actor(_) => usize::MAX,
        };
        if appetite == 0 {
            self.conns[conn].ends[side].braked = true;
            return self.braked(host, conn, side);
        }
        let max = appetite.min(unread);
        let len = match self.rng.u8(..10) {
            0 => self.rng.usize(1..=max.min(20)),
            1..=3 => self.rng.usize(1..=max),
            _ => max,
        };
        let pipe = &mut self.conns[conn].pipes[1 - side];
        let len = match &self.hosts[host].kind {
            Kind::Node(node) if self.one_by_one => {
                node.safety.rest_of_message(id, &pipe.inbox[pipe.inbox_start..pipe.inbox_start + len])
            }
            _ => len,
        };
        let bytes = pipe.inbox[pipe.inbox_start..pipe.inbox_start + len].to_vec();
        pipe.inbox_start += len;
        self.pump_soon(conn, 1 - side);
        self.received(host, id, &bytes);
        self.read_soon(conn, side);
    }

    /// A process closes its side: the kernel takes what it can, the rest is lost.
    pub fn close(&mut self, conn: usize, side: usize) {
        let end = &mut self.conns[conn].ends[side];
        if !end.live {
            return;
        }
        end.live = false;
        let (host, id) = (end.host, end.id);
        self.hosts[host].conns.remove(&id);
        let unread = self.conns[conn].pipes[1 - side].unread() > 0;
        if self.conns[conn].ends[1 - side].live {
            let room = self.conns[conn].pipes[side].room();
            let (chunk, ..) = self.conns[conn].pipes[side].take(room);
            if !chunk.is_empty() {
                self.launch(conn, side, Flight::Data(chunk));
            }
            self.launch(conn, side, Flight::Fin(if unread { Closed::Error } else { Closed::ByPeer }));
        }
    }

    /// A side learns that its connection is gone.
    pub fn gone(&mut self, conn: usize, side: usize, reason: Closed) {
        let end = &mut self.conns[conn].ends[side];
        if !end.live {
            return;
        }
        end.live = false;
        let (host, id) = (end.host, end.id);
        self.hosts[host].conns.remove(&id);
        if self.conns[conn].ends[1 - side].live && matches!(reason, Closed::ByPeer | Closed::Overflow) {
            self.launch(conn, side, Flight::Fin(Closed::Error));
        }
        self.closed(host, id, reason);
    }

    /// A reset in the middle of the network.
    pub fn reset_one(&mut self) {
        let open: Vec<usize> =
            (0..self.conns.len()).filter(|&conn| self.conns[conn].ends.iter().all(|end| end.live)).collect();
        if let Some(&conn) = self.rng.choice(&open) {
            for side in [0, 1] {
                let delay = self.delay();
                self.after(delay, Event::Gone { conn, side, reason: Closed::Error });
            }
        }
    }
}
