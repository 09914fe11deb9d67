//! The proxy's handshake of a connection that was dialled, before its machine hears that it is connected.

use std::io::{self, Read};
use std::net::SocketAddr;

use super::reactor::{Queued, Reactor, Stage};
use crate::base::address::unmapped;
use crate::base::{ConnId, JobId};
use crate::machine::{Closed, Completion, Input, Job};
use crate::wire::socks::Handshake;

impl Reactor {
    /// The handshake of a dial to there, if a proxy is to make it.
    pub(super) fn handshake(&self, to: SocketAddr) -> Option<Box<Handshake>> {
        let proxy = self.way.proxy.as_ref()?;
        let to = SocketAddr::new(unmapped(to.ip()), to.port());
        Some(Box::new(Handshake::new(self.aliases.target(to), proxy.login.clone())))
    }

    /// A name is not looked up: an address stands for it, which for TLS goes on to where that is prepared.
    pub(super) fn name_for_proxy(&mut self, id: JobId, host: &str, port: u16, for_tls: bool) {
        let address = self.aliases.of(host, port);
        match address {
            Ok(address) if for_tls => {
                let host = address.ip().to_string();
                self.workers.submit(Job::Resolve { id, host, port, for_tls }, Vec::new());
            }
            address => {
                let result = address.map(|address| vec![address]);
                self.inputs.push_back(Queued::Completed(Completion::Resolved { id, result }));
            }
        }
    }

    /// The proxy has taken the connection: it is told whom we want.
    pub(super) fn begin_greeting(&mut self, key: usize) {
        let Some(conn) = self.conns.get_mut(key) else { return };
        let (id, greeting) = (conn.id, conn.socks.as_ref().map(|handshake| handshake.greeting()));
        if let Some(greeting) = greeting {
            self.enqueue(id, |conn| conn.queue.push(greeting));
        }
    }

    /// The proxy says something: one read, of no more than its answer.
    pub(super) fn greeting_turn(&mut self, stage: &mut Stage<'_>, key: usize) {
        let Some(conn) = self.conns.get_mut(key) else { return };
        let id = conn.id;
        let Some(handshake) = &mut conn.socks else { return };
        let wanted = handshake.wants().min(self.scratch.len());
        match conn.stream.read(&mut self.scratch[..wanted]) {
            Ok(0) => self.refuse(stage, key, id),
            Ok(len) => {
                // All that was wanted: more may be there.
                conn.readable = len == wanted || conn.hung_up;
                match handshake.feed(&self.scratch[..len]) {
                    Err(refused) => {
                        match handshake.is_let_in() {
                            true => log::debug!("{id:?}: {}", refused.0),
                            false => self.blame_proxy(refused.0),
                        }
                        self.refuse(stage, key, id);
                    }
                    Ok(_) if handshake.is_over() => {
                        conn.socks = None;
                        self.is_proxy_blamed = false;
                        self.connected(stage, key, id);
                    }
                    Ok(say) if !say.is_empty() => self.enqueue(id, |conn| conn.queue.push(say)),
                    Ok(_) => {}
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => conn.readable = false,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => self.refuse(stage, key, id),
        }
    }

    /// The proxy itself is in the way of everything: said once, until it connects somebody.
    pub(super) fn blame_proxy(&mut self, why: &str) {
        let Some(proxy) = &self.way.proxy else { return };
        if !std::mem::replace(&mut self.is_proxy_blamed, true) {
            log::warn!("nothing can be connected: {why} ({proxy})");
        }
    }

    /// There is no way to that place.
    fn refuse(&mut self, stage: &mut Stage<'_>, key: usize, id: ConnId) {
        self.drop_conn(key);
        self.feed(stage, Input::Closed { conn: id, reason: Closed::Unreachable });
    }
}
