//! Carrying out a machine's commands, in order and without recursion: what follows from them is queued as inputs.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use mio::net::TcpStream;

use super::conn::{Conn, recycle};
use super::reactor::{Next, Queued, Reactor, Stage};
use crate::base::ConnId;
use crate::base::address::unmapped;
use crate::base::limits::{BACKLOG_LEN, PILE_LEN, PILE_LEN_BACKLOG};
use crate::machine::{Closed, Command, Completion, Input, Job, Note, Run};

impl Reactor {
    /// Carries out what the machine asked for, then tells it what came of it, until nothing is left.
    pub(super) fn carry_out(&mut self, stage: &mut Stage<'_>) {
        loop {
            // Swapped, so that both lists keep their memory.
            let mut commands = std::mem::take(&mut self.out.commands);
            for command in commands.drain(..) {
                self.perform(stage, command);
            }
            self.out.commands = commands;
            let Some(queued) = self.inputs.pop_front() else { return };
            let input = match queued {
                Queued::Completed(completion) => Input::Completed(completion),
                Queued::Closed(conn, reason) => Input::Closed { conn, reason },
                Queued::Sent { conn, blocks, bytes, queued } => {
                    if !self.by_id.contains_key(&conn) {
                        continue;
                    }
                    Input::Sent { conn, blocks, bytes, queued }
                }
                Queued::Piled { conn, queued } => {
                    if !self.by_id.contains_key(&conn) {
                        continue;
                    }
                    Input::Piled { conn, queued }
                }
            };
            stage.machine.handle(self.clock.now(), input, &mut self.out);
        }
    }

    fn perform(&mut self, stage: &mut Stage<'_>, command: Command) {
        match command {
            Command::Connect { conn, to } => self.dial(conn, to),
            Command::ConnectWeb { conn, to, name } => self.dial_web(conn, to, name),
            Command::Encrypt { conn, info_hash } => self.encrypt(conn, info_hash),
            Command::Send { conn, bytes } => self.enqueue(conn, |c| c.say(bytes)),
            Command::SendTold { conn, bytes } => self.enqueue(conn, |c| {
                c.say(bytes);
                c.tells = true;
            }),
            Command::Read { conn, on } => {
                if let Some(&key) = self.by_id.get(&conn) {
                    self.conns[key].paused = !on;
                    self.list(key);
                }
            }
            Command::Answer { conn, .. } => log::error!("{conn:?}: an answer that nobody brought on its way"),
            Command::SendMany { conns, bytes } => {
                for conn in conns {
                    self.enqueue(conn, |c| c.push_shared(&bytes));
                }
            }
            Command::SendBlocks { conn, run, blocks } => match self.by_id.get(&conn) {
                Some(&key) if !self.conns[key].mute => {
                    self.conns[key].push_blocks(run, blocks, &mut self.runs);
                    self.soil(key);
                }
                _ => recycle(run, &mut self.runs),
            },
            Command::SendDatagram { to, bytes } => self.send_datagram(to, &bytes),
            Command::Multicast { v4, v6 } => {
                if let Some(local) = &mut self.doors.local {
                    local.send(&v4, &v6);
                }
            }
            Command::Close { conn } => self.close(conn),
            Command::Job(job) => self.start_job(job),
            Command::Tell(note) => {
                self.stopped |= matches!(note, Note::Stopped);
                self.stop_wanted |= (stage.listener)(note) == Next::Stop;
            }
        }
    }

    /// Queues something on a connection that is still there; a peer that does not read is hung up on.
    pub(super) fn enqueue(&mut self, id: ConnId, push: impl FnOnce(&mut Conn)) {
        let Some(&key) = self.by_id.get(&id) else { return };
        let conn = &mut self.conns[key];
        if conn.mute {
            return;
        }
        push(conn);
        if conn.overflows() {
            self.drop_conn(key);
            self.inputs.push_back(Queued::Closed(id, Closed::Overflow));
            return;
        }
        self.backlog += conn.queue.control_len() - conn.counted;
        conn.counted = conn.queue.control_len();
        let most = if self.backlog > BACKLOG_LEN { PILE_LEN_BACKLOG } else { PILE_LEN };
        if conn.counted > most && !conn.piled {
            // Perhaps much was said in one turn, and the other side reads well.
            self.flush(key);
            let conn = &mut self.conns[key];
            let queued = conn.queue.control_len();
            if queued > most {
                conn.piled = true;
                self.inputs.push_back(Queued::Piled { conn: id, queued });
            }
        }
        self.soil(key);
    }

    /// What is queued on this connection leaves at the end of the turn.
    pub(super) fn soil(&mut self, key: usize) {
        let conn = &mut self.conns[key];
        if !std::mem::replace(&mut conn.dirty, true) {
            self.dirty.push(key);
        }
    }

    /// What the kernel takes at once still leaves; then the socket is closed and the machine hears no more of it.
    fn close(&mut self, id: ConnId) {
        let Some(&key) = self.by_id.get(&id) else { return };
        let conn = &mut self.conns[key];
        if conn.writable
            && let Err(error) = conn.flush(&mut self.runs)
        {
            log::trace!("{id:?}: {error}");
        }
        self.drop_conn(key);
        // Its machine has said goodbye: nothing that was queued about it may reach it any more.
        self.inputs.retain(|queued| match queued {
            Queued::Closed(conn, _) | Queued::Sent { conn, .. } | Queued::Piled { conn, .. } => *conn != id,
            Queued::Completed(_) => true,
        });
    }

    /// A job goes to its thread, but for reads that need not wait for one.
    fn start_job(&mut self, job: Job) {
        match &job {
            Job::Open { store, spec } => self.resident.open(*store, Arc::clone(spec)),
            Job::Resolve { id, host, port, for_tls } if self.proxy.is_some() => {
                return self.name_for_proxy(*id, host, *port, *for_tls);
            }
            Job::Close { store } => self.resident.close(*store),
            Job::Read { store, conn, block } => {
                let mut run = self.runs.pop().unwrap_or_default();
                if self.resident.read(*store, *block, &mut run) {
                    let (store, conn, block, run) = (*store, *conn, *block, Ok(Run(run)));
                    self.inputs.push_back(Queued::Completed(Completion::Read { store, conn, block, run }));
                    return;
                }
                return self.workers.submit(job, run);
            }
            _ => {}
        }
        self.workers.submit(job, Vec::new());
    }

    pub(super) fn dial(&mut self, id: ConnId, to: SocketAddr) {
        let result = if self.conns.len() >= self.conns_max {
            Err(io::Error::from_raw_os_error(nix::errno::Errno::EMFILE as i32))
        } else {
            self.start_dial(to)
        };
        let reason = match result {
            Ok(stream) => {
                let mut conn = Conn::new(id, stream, true);
                conn.socks = self.handshake(to);
                if self.adopt(conn) {
                    return;
                }
                Closed::NoDescriptor
            }
            Err(error) if is_exhaustion(&error) => Closed::NoDescriptor,
            Err(_) => Closed::Unreachable,
        };
        self.inputs.push_back(Queued::Closed(id, reason));
    }

    /// A non-blocking connect, on the way out.
    fn start_dial(&self, to: SocketAddr) -> io::Result<TcpStream> {
        let to = self.proxy.unwrap_or(plain(to));
        let socket = self.way.socket(to)?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        match socket.connect(&to.into()) {
            Ok(()) => {}
            // Interrupted or not: the kernel goes on dialling, and says at the socket what came of it.
            Err(error) if error.raw_os_error() == Some(nix::errno::Errno::EINPROGRESS as i32) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        Ok(TcpStream::from_std(socket.into()))
    }

    fn send_datagram(&mut self, to: SocketAddr, bytes: &[u8]) {
        if self.proxy.is_some() {
            return;
        }
        let to = SocketAddr::new(unmapped(to.ip()), to.port());
        let Some(socket) = self.doors.udp_for(to) else {
            log::debug!("no UDP socket reaches {to}");
            return;
        };
        // A full socket buffer drops the datagram like any router on the way would.
        if let Err(error) = socket.send_to(bytes, to) {
            log::trace!("udp to {to}: {error}");
        }
    }
}

/// Our v6 sockets speak v6 only; a link-local address keeps its interface.
fn plain(to: SocketAddr) -> SocketAddr {
    if unmapped(to.ip()) == to.ip() { to } else { SocketAddr::new(unmapped(to.ip()), to.port()) }
}

/// The process or the machine has no descriptors left.
fn is_exhaustion(error: &io::Error) -> bool {
    use nix::errno::Errno;
    [Errno::EMFILE, Errno::ENFILE, Errno::ENOBUFS, Errno::ENOMEM]
        .iter()
        .any(|errno| error.raw_os_error() == Some(*errno as i32))
}
