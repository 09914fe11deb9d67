//! Web servers that the loop dials, and the turns of those connections that speak TLS: the machine sends and hears text.

use std::io;
use std::net::SocketAddr;

use super::conn::Conn;
use super::reactor::{Queued, Reactor, Stage};
use super::tls::Tls;
use crate::base::ConnId;
use crate::machine::{Closed, Input};

/// Reads of a socket in one turn; each brings a record of 16 KiB at most.
const READS: usize = 16;

impl Reactor {
    /// Dials a web server; with a name, TLS is begun as soon as it answers.
    pub(super) fn dial_web(&mut self, id: ConnId, to: SocketAddr, name: Option<String>) {
        let begun = name.map(|name| Tls::new(&self.trust, &name)).transpose();
        let tls = match begun {
            Ok(tls) => tls,
            Err(why) => {
                log::debug!("no TLS with {to}: {why}");
                return self.inputs.push_back(Queued::Closed(id, Closed::Untrusted));
            }
        };
        self.dial(id, to);
        if let Some(&key) = self.by_id.get(&id) {
            self.conns[key].tls = tls.map(Box::new);
        }
    }

    /// A connection that speaks TLS is made: we speak first. The machine hears of it when hands are shaken.
    pub(super) fn begin_tls(&mut self, key: usize) {
        if let Some(conn) = self.conns.get_mut(key) {
            conn.send_sealed();
            self.soil(key);
        }
    }

    /// A bounded turn of reading: until the socket is dry, or the machine has had enough.
    pub(super) fn tls_turn(&mut self, stage: &mut Stage<'_>, key: usize) {
        let Some(conn) = self.conns.get_mut(key) else { return };
        let id = conn.id;
        let Some(mut tls) = conn.tls.take() else { return };
        let appetite = match tls.is_handshaking() {
            true => 0,
            false => stage.machine.appetite(id, &self.out.pool).min(self.scratch.len()),
        };
        if appetite == 0 && !tls.is_handshaking() {
            conn.tls = Some(tls);
            conn.braked = true;
            return self.braked.push(key);
        }
        let (len, ended) = read(&mut tls, conn, &mut self.scratch[..appetite]);
        conn.tls = Some(tls);
        conn.send_sealed();
        self.soil(key);
        match ended {
            Ended::Connected => return self.feed(stage, Input::Connected { conn: id }),
            Ended::No | Ended::Gone(_) if len > 0 => {
                let input = Input::Received { conn: id, bytes: &self.scratch[..len] };
                stage.machine.handle(self.clock.now(), input, &mut self.out);
                self.carry_out(stage);
            }
            Ended::No | Ended::Gone(_) => {}
        }
        if let Ended::Gone(reason) = ended
            && self.by_id.contains_key(&id)
        {
            self.lose(stage, key, id, reason);
        }
    }
}

/// Why reading ended.
enum Ended {
    No,
    /// Hands are shaken.
    Connected,
    Gone(Closed),
}

/// Fills `room` with text.
fn read(tls: &mut Tls, conn: &mut Conn, room: &mut [u8]) -> (usize, Ended) {
    let mut len = 0;
    for _ in 0..READS {
        len += tls.take(&mut room[len..]);
        if len == room.len() && !tls.is_handshaking() {
            break;
        }
        match tls.read(&mut conn.stream) {
            Ok(true) => return (len, Ended::Connected),
            Ok(false) => conn.acknowledge(),
            Err(error) => match error.kind() {
                io::ErrorKind::Interrupted => {}
                io::ErrorKind::WouldBlock if conn.mute => return (len, Ended::Gone(Closed::Error)),
                io::ErrorKind::WouldBlock => {
                    conn.readable = false;
                    break;
                }
                io::ErrorKind::UnexpectedEof => return (len, Ended::Gone(Closed::ByPeer)),
                io::ErrorKind::InvalidData => {
                    log::debug!("{:?}: no secure connection: {error}", conn.id);
                    return (len, Ended::Gone(Closed::Untrusted));
                }
                _ => return (len, Ended::Gone(Closed::Error)),
            },
        }
    }
    (len, Ended::No)
}
