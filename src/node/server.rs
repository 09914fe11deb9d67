//! The half of the hallway that serves: the front door with its connections, and the machines behind it.

use std::net::SocketAddr;

use super::front::{Became, Front, FrontOptions};
use super::sites::Sites;
use super::{Node, Owner};
use crate::base::access::Access;
use crate::base::keyed::Secret;
use crate::base::{ConnId, Time};
use crate::groups::{self, Groups};
use crate::index::Index;
use crate::machine::{Command, Input, Machine, Note, Outbox};
use crate::remote::Remote;
use crate::tracker::{self, Tracker};

/// What a process that serves has besides its swarms.
#[derive(Debug)]
pub struct Server {
    pub front: Front,
    pub sites: Sites,
    pub groups: Groups,
}

impl Server {
    pub fn new(options: FrontOptions, tracker: Tracker, index: Index, groups: Groups) -> Server {
        Server { front: Front::new(options), sites: Sites::new(tracker, index), groups }
    }

    /// The doors are open at this port.
    pub(super) fn start(&mut self, port: u16, now: Time, out: &mut Outbox) {
        self.sites.start(port, now, out);
        if !self.is_control() {
            self.groups.handle(now, Input::Note(Note::Listening { port }), out);
        }
    }

    /// Nothing is left to save.
    pub(super) fn is_stopped(&self) -> bool {
        self.sites.is_stopped() && (self.is_control() || self.groups.is_stopped())
    }

    /// The remote control of a daemon, at a door of its own; peers come in by the others.
    pub fn control(options: FrontOptions, remote: Remote) -> Server {
        // Nobody reaches these: all paths are the remote control's, and nothing but HTTP is spoken.
        let tracker = Tracker::new(tracker::Options::default(), Access::default(), Secret(0, 0));
        let groups = Groups::new(groups::Options::new(Secret(0, 0)));
        let mut server = Server::new(options, tracker, Index::default(), groups);
        server.sites.remote = Some(Box::new(remote));
        server
    }

    /// It answers requests, and everything else is the peers'.
    pub fn is_control(&self) -> bool {
        self.sites.remote.is_some()
    }

    pub(super) fn next_deadline(&self) -> Option<Time> {
        let groups = self.groups.next_deadline();
        [self.front.next_deadline(), self.sites.next_deadline(), groups].into_iter().flatten().min()
    }

    pub(super) fn on_deadline(&mut self, now: Time, out: &mut Outbox) {
        self.front.expire(now, out);
        self.sites.on_deadline(now, out);
        if self.groups.next_deadline().is_some_and(|due| due <= now) {
            self.groups.handle(now, Input::Deadline, out);
        }
    }

    pub(super) fn check(&self) {
        self.front.check();
        self.sites.check();
        self.groups.check();
    }

    pub(super) fn stop(&mut self, now: Time, out: &mut Outbox) {
        self.front.clear(out);
        self.groups.handle(now, Input::Stop, out);
        self.sites.stop(now, out);
    }
}

impl Node {
    /// Makes this process a server: from now on every connection comes in by the front door.
    pub fn serve(&mut self, server: Server) {
        self.server = Some(Box::new(server));
    }

    /// Somebody comes in by the front door; false where there is none.
    pub(super) fn enter_server(&mut self, conn: ConnId, remote: SocketAddr, now: Time, out: &mut Outbox) -> bool {
        let Some(server) = &mut self.server else { return false };
        if server.is_control() {
            return false;
        }
        if server.front.enter(conn, remote, now) {
            self.owners.insert(conn, Owner::Server);
        } else {
            out.close(conn);
        }
        true
    }

    /// Somebody comes in by the door of the remote control.
    pub(super) fn enter_control(&mut self, conn: ConnId, remote: SocketAddr, now: Time, out: &mut Outbox) {
        let is_in = self.server.as_mut().is_some_and(|server| server.front.enter(conn, remote, now));
        if is_in {
            self.owners.insert(conn, Owner::Server);
        } else {
            out.close(conn);
        }
    }

    /// Bytes of a guest; one that turns out to be a peer goes to the lobby with what it said.
    pub(super) fn received_by_server(&mut self, conn: ConnId, bytes: &[u8], now: Time, out: &mut Outbox) {
        let mut became = Became::Held;
        self.with_server(now, out, |server, out| {
            server.sites.traffic = server.front.numbers();
            server.sites.talk = server.groups.numbers();
            became = server.front.received(conn, bytes, now, &mut server.sites, out);
        });
        match became {
            Became::Held => {}
            Became::Peer(remote, first_bytes) => {
                self.owners.remove(&conn);
                if self.torrents.is_empty() {
                    return out.close(conn);
                }
                self.enter_lobby(conn, remote, now, out);
                self.received(conn, &first_bytes, now, out);
            }
            Became::Member(remote, first_bytes) => {
                self.owners.insert(conn, Owner::Groups);
                self.hand_groups(now, Input::Accepted { conn, remote }, out);
                self.hand_groups(now, Input::Received { conn, bytes: &first_bytes }, out);
            }
        }
    }

    /// Something for the groups.
    pub(super) fn hand_groups(&mut self, now: Time, input: Input<'_>, out: &mut Outbox) {
        self.with_server(now, out, |server, out| server.groups.handle(now, input, out));
    }

    /// A member's connection is gone.
    pub(super) fn member_closed(&mut self, input: Input<'_>, conn: ConnId, now: Time, out: &mut Outbox) {
        self.with_server(now, out, |server, out| {
            server.front.left(conn);
            server.groups.handle(now, input, out);
        });
    }

    /// What was queued for a guest has left.
    pub(super) fn sent_by_server(&mut self, conn: ConnId, now: Time, out: &mut Outbox) {
        self.with_server(now, out, |server, out| server.front.sent(conn, now, &mut server.sites, out));
    }

    /// A question to our tracker.
    pub(super) fn asked_by_datagram(&mut self, from: SocketAddr, bytes: &[u8], now: Time, out: &mut Outbox) {
        if let Some(server) = self.server.as_mut().filter(|server| !server.is_control()) {
            let before = out.commands.len();
            server.sites.datagram(from, bytes, now, out);
            server.carry_notes(before, now, out);
        }
    }

    /// Lets the server do something, and takes note of what came out.
    pub(super) fn with_server(&mut self, now: Time, out: &mut Outbox, act: impl FnOnce(&mut Server, &mut Outbox)) {
        let Some(server) = &mut self.server else { return };
        let before = out.commands.len();
        act(server, out);
        server.carry_notes(before, now, out);
        server.front.answers(before, now, &mut server.sites, out);
        let is_control = server.is_control();
        for command in &out.commands[before..] {
            if let Command::Close { conn } = command
                && self.owners.remove(conn) == Some(Owner::Groups)
            {
                server.front.left(*conn);
            }
        }
        if is_control {
            self.serve_remote(before, now, out);
        }
    }
}
