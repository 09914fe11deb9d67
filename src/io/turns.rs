//! Bounded turns: what one connection or door may move per turn of the loop, so that none starves the others.

use std::io::{self, Read};
use std::net::SocketAddr;
use std::os::fd::AsRawFd;

use mio::Interest;
use mio::event::Event;

use super::conn::Conn;
use super::conn::cipher::Cipher;
use super::datagrams::SLOTS;
use super::reactor::{CONTROL_CONNS, Queued, Reactor, Stage, TCP, UDP, WAKER};
use crate::base::{ConnId, Span, limits};
use crate::machine::{Closed, Input};

/// Accepts per listener and turn.
const ACCEPTS: usize = 16;
/// Batches of datagrams per socket and turn.
const BATCHES: usize = 4;
/// First and longest wait before accepting is tried again when descriptors have run out.
const BACKOFF_FIRST: Span = Span::millis(50);
const BACKOFF_MAX: Span = Span::secs(1);

impl Reactor {
    /// An event sets bits and lists the connection; nothing is read or written here.
    pub(super) fn mark(&mut self, event: &Event) {
        let token = event.token();
        if token == WAKER {
            return;
        }
        if let Some(ready) = token.0.checked_sub(UDP).and_then(|at| self.udp_ready.get_mut(at)) {
            *ready = true;
        } else if let Some(ready) = token.0.checked_sub(TCP).and_then(|at| self.tcp_ready.get_mut(at)) {
            *ready = true;
        } else if let Some(conn) = self.conns.get_mut(token.0) {
            let gone = event.is_error() || event.is_read_closed();
            conn.readable |= event.is_readable() || gone;
            conn.writable |= event.is_writable() || event.is_error() || event.is_write_closed();
            conn.hung_up |= gone;
            self.list(token.0);
        }
    }

    /// Every ready connection gets one turn.
    pub(super) fn conn_turns(&mut self, stage: &mut Stage<'_>) {
        for _ in 0..self.ready.len() {
            let Some(key) = self.ready.pop_front() else { break };
            let Some(conn) = self.conns.get_mut(key) else { continue };
            conn.listed = false;
            if conn.dialling {
                self.dial_turn(stage, key);
            } else {
                self.write_turn(stage, key);
                self.read_turn(stage, key);
            }
            self.list(key);
        }
    }

    /// A dial that has something to say: connected, failed, or a false alarm.
    fn dial_turn(&mut self, stage: &mut Stage<'_>, key: usize) {
        let Some(conn) = self.conns.get_mut(key) else { return };
        let id = conn.id;
        let failed = match conn.stream.take_error() {
            Ok(None) => match conn.stream.peer_addr() {
                Ok(_) => false,
                Err(error) if error.kind() == io::ErrorKind::NotConnected => {
                    // Wait for the next edge; a socket that is already dead has no next edge.
                    let dead = conn.hung_up;
                    conn.writable = false;
                    conn.readable = false;
                    if !dead {
                        return;
                    }
                    true
                }
                Err(_) => true,
            },
            Ok(Some(_)) | Err(_) => true,
        };
        if failed {
            if conn.socks.is_some() {
                self.blame_proxy("the proxy cannot be reached");
            }
            self.drop_conn(key);
            self.feed(stage, Input::Closed { conn: id, reason: Closed::Unreachable });
        } else {
            conn.dialling = false;
            conn.writable = true;
            match conn.socks {
                Some(_) => self.begin_greeting(key),
                None => self.connected(stage, key, id),
            }
        }
    }

    /// The other side is there, and nobody between.
    pub(super) fn connected(&mut self, stage: &mut Stage<'_>, key: usize, id: ConnId) {
        if self.conns.get(key).is_some_and(|conn| conn.tls.is_some()) {
            return self.begin_tls(key);
        }
        self.begin_encryption(stage, id);
        if self.by_id.contains_key(&id) {
            self.feed(stage, Input::Connected { conn: id });
        }
    }

    /// One write of what waits.
    fn write_turn(&mut self, stage: &mut Stage<'_>, key: usize) {
        self.flush(key);
        self.carry_out(stage);
    }

    /// Hands the kernel what it takes with one system call; what follows is queued as inputs.
    pub(super) fn flush(&mut self, key: usize) {
        let Some(conn) = self.conns.get_mut(key) else { return };
        if !conn.writable {
            return;
        }
        match conn.flush(&mut self.runs) {
            Ok(left) if left.blocks > 0 => {
                conn.piled &= !conn.queue.is_empty();
                let queued = conn.queue.queued_len();
                let (blocks, bytes) = (left.blocks, left.bytes);
                self.inputs.push_back(Queued::Sent { conn: conn.id, blocks, bytes, queued });
            }
            Ok(_) if conn.tells && conn.queue.is_empty() => {
                conn.tells = false;
                conn.piled = false;
                self.inputs.push_back(Queued::Sent { conn: conn.id, blocks: 0, bytes: 0, queued: 0 });
            }
            Ok(_) => conn.piled &= !conn.queue.is_empty(),
            Err(error) => {
                log::trace!("{:?}: cannot send: {error}", conn.id);
                // What the other side sent before it went away is still there to be read, and so is its end.
                conn.queue.clear(&mut self.runs);
                conn.mute = true;
                conn.readable = true;
                conn.hung_up = true;
            }
        }
        let left = conn.queue.control_len();
        self.backlog -= conn.counted - left;
        conn.counted = left;
    }

    /// One read of at most what the machine wants.
    fn read_turn(&mut self, stage: &mut Stage<'_>, key: usize) {
        let Some(conn) = self.conns.get_mut(key) else { return };
        if !conn.readable || conn.braked || conn.paused || conn.dialling || conn.cipher.waits() {
            return;
        }
        if conn.socks.is_some() {
            return self.greeting_turn(stage, key);
        }
        if conn.tls.is_some() {
            return self.tls_turn(stage, key);
        }
        let id = conn.id;
        let appetite = stage.machine.appetite(id, &self.out.pool).min(self.scratch.len());
        if appetite == 0 {
            conn.braked = true;
            self.braked.push(key);
            return;
        }
        let appetite = conn.cipher.appetite(appetite);
        match conn.stream.read(&mut self.scratch[..appetite]) {
            Ok(0) => {
                let reason = if conn.mute { Closed::Error } else { Closed::ByPeer };
                self.lose(stage, key, id, reason);
            }
            Ok(len) => {
                // Fewer than asked: drained, unless the end still has to be read.
                conn.readable = len == appetite || conn.hung_up;
                conn.acknowledge();
                if !conn.cipher.open(&mut self.scratch[..len]) {
                    return self.shake_hands_of_scratch(stage, id, len);
                }
                stage.machine.handle(
                    self.clock.now(),
                    Input::Received { conn: id, bytes: &self.scratch[..len] },
                    &mut self.out,
                );
                self.carry_out(stage);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if conn.mute {
                    self.lose(stage, key, id, Closed::Error);
                } else {
                    conn.readable = false;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => self.lose(stage, key, id, Closed::Error),
        }
    }

    /// The connection is gone: the machine hears of it once.
    pub(super) fn lose(&mut self, stage: &mut Stage<'_>, key: usize, id: ConnId, reason: Closed) {
        self.drop_conn(key);
        self.feed(stage, Input::Closed { conn: id, reason });
    }

    /// Forgets a connection and closes its socket.
    pub(super) fn drop_conn(&mut self, key: usize) {
        if let Some(mut conn) = self.conns.try_remove(key) {
            self.by_id.remove(&conn.id);
            self.backlog -= conn.counted;
            conn.queue.clear(&mut self.runs);
            if conn.is_watched
                && let Err(error) = self.poll.registry().deregister(&mut conn.stream)
            {
                log::debug!("{:?}: cannot deregister: {error}", conn.id);
            }
            // A descriptor is free again.
            self.accept_after = None;
        }
    }

    /// Listeners and UDP sockets get their turns.
    pub(super) fn door_turns(&mut self, stage: &mut Stage<'_>) {
        if self.accept_after.is_some_and(|at| at <= self.clock.now()) {
            self.accept_after = None;
        }
        for at in 0..self.tcp_ready.len() {
            for _ in 0..ACCEPTS {
                if !self.tcp_ready[at] || self.accept_after.is_some() {
                    break;
                }
                self.accept(stage, at);
            }
        }
        for at in 0..self.udp_ready.len() {
            for _ in 0..BATCHES {
                if !self.udp_ready[at] {
                    break;
                }
                match at < self.doors.udp.len() {
                    true => self.receive_datagrams(stage, at),
                    false => self.receive_local(stage, at),
                }
            }
        }
    }

    /// One accept; any error ends the turn.
    fn accept(&mut self, stage: &mut Stage<'_>, at: usize) {
        let is_control = self.doors.is_control(at);
        let room = if is_control { self.conns_max + CONTROL_CONNS } else { self.conns_max };
        if self.conns.len() >= room || !(is_control || stage.machine.accepts(self.clock.now())) {
            return self.pause_accepting();
        }
        match self.doors.tcp[at].accept() {
            Ok((stream, remote)) => {
                self.accept_backoff = Span::ZERO;
                let id = self.out.new_conn();
                let mut conn = Conn::new(id, stream, false);
                if !is_control {
                    conn.cipher = Cipher::of_caller(self.out.encryption);
                }
                self.welcome(stage, conn, remote, is_control);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.tcp_ready[at] = false,
            // The caller gave up before we came: the next one may be fine.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                if self.accept_backoff == Span::ZERO {
                    log::warn!("not accepting connections for a moment: {error}");
                }
                self.pause_accepting();
            }
        }
    }

    /// With callers that nobody lets in, the listener stays readable: wait instead of spinning.
    fn pause_accepting(&mut self) {
        self.accept_backoff = self.accept_backoff.times(2).clamp(BACKOFF_FIRST, BACKOFF_MAX);
        self.accept_after = Some(self.clock.now() + self.accept_backoff);
    }

    /// A caller gets its first turn at once: most have said something by now, and who asks for one thing and leaves is
    /// gone before the kernel had to be asked to watch it.
    fn welcome(&mut self, stage: &mut Stage<'_>, mut conn: Conn, remote: SocketAddr, is_control: bool) {
        let id = conn.id;
        conn.readable = true;
        let key = self.keep(conn);
        let input = match is_control {
            true => Input::Called { conn: id, remote },
            false => Input::Accepted { conn: id, remote },
        };
        self.feed(stage, input);
        if self.by_id.contains_key(&id) {
            self.read_turn(stage, key);
        }
        if self.by_id.contains_key(&id) {
            match self.watch(key) {
                true => self.list(key),
                false => self.lose(stage, key, id, Closed::NoDescriptor),
            }
        }
    }

    /// Takes a connection in and watches it. False when the kernel refuses, which is as good as never having had it.
    pub(super) fn adopt(&mut self, conn: Conn) -> bool {
        let key = self.keep(conn);
        let is_watched = self.watch(key);
        if !is_watched {
            self.drop_conn(key);
        }
        is_watched
    }

    fn keep(&mut self, conn: Conn) -> usize {
        let slot = self.conns.vacant_entry();
        let key = slot.key();
        self.by_id.insert(conn.id, key);
        slot.insert(conn);
        key
    }

    /// Asks the kernel to say when a connection is ready. False when it refuses.
    fn watch(&mut self, key: usize) -> bool {
        let Some(conn) = self.conns.get_mut(key) else { return false };
        let interest = Interest::READABLE | Interest::WRITABLE;
        match self.poll.registry().register(&mut conn.stream, mio::Token(key), interest) {
            Ok(()) => conn.is_watched = true,
            Err(error) => log::warn!("cannot watch a connection: {error}"),
        }
        conn.is_watched
    }

    /// One batch of datagrams; their answers leave together.
    fn receive_datagrams(&mut self, stage: &mut Stage<'_>, at: usize) {
        let now = self.clock.now();
        let is_v4 = self.doors.is_v4(at);
        let mut scratch = std::mem::take(&mut self.scratch);
        let mut post = stage.post.take().unwrap_or_default();
        let fd = self.doors.udp[at].as_raw_fd();
        let received = post.receive(fd, is_v4, &mut scratch, |from, bytes| {
            stage.machine.handle(now, Input::Datagram { from, bytes }, &mut self.out);
            if !self.out.commands.is_empty() {
                self.carry_out(stage);
            }
        });
        match received {
            Ok(count) => self.udp_ready[at] = count == SLOTS,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.udp_ready[at] = false,
            // An ICMP answer to an earlier datagram of ours, or the like.
            Err(error) => log::trace!("udp: {error}"),
        }
        if !self.out.datagrams.is_empty() {
            post.send(fd, is_v4, &self.out.datagrams);
            self.out.datagrams.clear();
        }
        self.scratch = scratch;
        stage.post = Some(post);
    }

    /// One datagram of local discovery.
    fn receive_local(&mut self, stage: &mut Stage<'_>, at: usize) {
        let received = self.doors.local_at(at).map(|socket| socket.recv_from(&mut self.scratch));
        match received {
            Some(Ok((len, from))) => {
                let input = Input::Local { from, bytes: &self.scratch[..len] };
                stage.machine.handle(self.clock.now(), input, &mut self.out);
                self.carry_out(stage);
            }
            Some(Err(error)) if error.kind() != io::ErrorKind::WouldBlock => log::trace!("udp: {error}"),
            _ => self.udp_ready[at] = false,
        }
    }

    /// Datagrams that answer none.
    fn send_datagrams(&mut self, stage: &mut Stage<'_>) {
        let post = stage.post.get_or_insert_default();
        for (at, socket) in self.doors.udp.iter().enumerate() {
            post.send(socket.as_raw_fd(), self.doors.is_v4(at), &self.out.datagrams);
        }
        self.out.datagrams.clear();
    }

    /// What was queued in this turn of the loop leaves now, with one write per connection.
    pub(super) fn flush_dirty(&mut self, stage: &mut Stage<'_>) {
        if self.proxy.is_some() {
            self.out.datagrams.clear();
        }
        if !self.out.datagrams.is_empty() {
            self.send_datagrams(stage);
        }
        for key in std::mem::take(&mut self.dirty) {
            if let Some(conn) = self.conns.get_mut(key) {
                conn.dirty = false;
            }
            self.flush(key);
            self.list(key);
        }
        self.carry_out(stage);
    }
}

/// No protocol here has datagrams that a slot would cut: the longest is a UDP tracker's answer with hundreds of peers.
const _: () = assert!(limits::READ_LEN / SLOTS >= 8 * 1024);
