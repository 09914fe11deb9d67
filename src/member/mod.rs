//! The member: one person's or program's place in the groups of a server, over any number of connections.
//!
//! It dials, registers, joins, and tells the application what happens as [`ChatNews`]. What is to be said is kept until
//! the server has acknowledged it, marked with a random id so that no resend is doubled; what was said while it was away
//! is fetched from the server's history before anything newer is told. Any server of the "Modern IRC" document will do;
//! what it offers of IRCv3 is used. Everything the server can make it keep is bounded.
//!
//! # For other parts of the program
//!
//! `peerlink` in here is the place for what only our own server understands (`PEERLINK ...` lines): which capabilities
//! are asked for, what is said before the registration ends, when the connection is ready, when it is lost.

mod ask;
mod caps;
mod discovery;
mod groups;
mod history;
mod lines;
mod link;
mod lists;
mod nick;
mod numerics;
mod outgoing;
mod peerlink;
mod recent;
mod register;
mod support;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;

use self::caps::Caps;
use self::discovery::Discovery;
use self::groups::Groups;
use self::history::Batches;
use self::link::{Link, Phase};
use self::lists::Lists;
use self::nick::Nick;
use self::outgoing::Outgoing;
use self::peerlink::Proof;
use self::recent::Recent;
use self::support::Support;
use crate::base::{ConnId, JobId, Pool, Time, limits};
use crate::machine::{ChatNews, Completion, Input, Machine, Note, Outbox};
use crate::wire::irc::{Cut, Limits, Line, Stream, Writer};

/// Who we are, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MemberOptions {
    /// A name or an address, and a port.
    pub host: String,
    pub port: u16,
    /// The nick wanted; where it is taken, another one is used until it is free.
    pub nick: String,
    pub real_name: String,
    /// The server's password.
    pub password: Option<String>,
    /// Messages asked for on joining a group, 0 for none.
    pub history: usize,
}

/// The machine; see the module.
#[derive(Debug)]
pub struct Member {
    options: MemberOptions,
    link: Link,
    caps: Caps,
    support: Support,
    nick: Nick,
    groups: Groups,
    batches: Batches,
    outgoing: Outgoing,
    lists: Lists,
    stream: Stream,
    /// Private messages that were told.
    private: Recent,
    proof: Proof,
    discovery: Discovery,
    is_stopped: bool,
}

impl Member {
    /// A member that dials when the driver says [`Note::Listening`].
    pub fn new(options: MemberOptions) -> Member {
        Member {
            nick: Nick::new(&options.nick),
            options,
            link: Link::default(),
            caps: Caps::default(),
            support: Support::default(),
            groups: Groups::default(),
            batches: Batches::default(),
            outgoing: Outgoing::default(),
            lists: Lists::default(),
            stream: Stream::of_server(),
            private: Recent::default(),
            proof: Proof::default(),
            discovery: Discovery::default(),
            is_stopped: false,
        }
    }

    /// Whether it has said goodbye.
    pub fn is_stopped(&self) -> bool {
        self.is_stopped
    }

    /// Whether this connection is its own.
    pub fn owns(&self, conn: ConnId) -> bool {
        self.link.conn() == Some(conn)
    }

    /// Whether it asked for this job.
    pub fn waits_for(&self, job: JobId) -> bool {
        matches!(self.link.phase, Phase::Resolving { job: asked, .. } if asked == job)
    }

    /// The address that it is dialling or connected to.
    pub fn server_address(&self) -> Option<SocketAddr> {
        self.link.address()
    }

    /// Registered, so that lines other than those of registration make sense.
    fn is_ready(&self) -> bool {
        matches!(self.link.phase, Phase::Ready { .. })
    }

    /// Sends one line where there is a connection.
    fn send(&self, out: &mut Outbox, build: impl FnOnce(Writer<'_>) -> Writer<'_>) {
        if let Some(conn) = self.link.conn() {
            let mut bytes = Vec::new();
            build(Writer::new(&mut bytes)).end();
            out.send(conn, bytes);
        }
    }

    fn tell(&self, news: ChatNews, out: &mut Outbox) {
        out.tell(Note::News(Box::new(news)));
    }

    fn received(&mut self, conn: ConnId, bytes: &[u8], now: Time, out: &mut Outbox) {
        if !self.owns(conn) {
            return;
        }
        self.link.heard(now);
        let mut stream = std::mem::take(&mut self.stream);
        stream.feed(bytes, |cut| {
            if let Cut::Line(bytes) = cut {
                self.read_line(bytes, now, out);
            }
            // A line may have ended the connection.
            self.owns(conn)
        });
        if self.owns(conn) {
            self.stream = stream;
        }
    }

    fn read_line(&mut self, bytes: &[u8], now: Time, out: &mut Outbox) {
        if let Ok(line) = Line::parse(bytes, Limits::OF_SERVER) {
            return self.line(&line, now, out);
        }
        // Not every server speaks UTF-8.
        let lossy = String::from_utf8_lossy(bytes);
        match Line::parse(lossy.as_bytes(), Limits::OF_SERVER) {
            Ok(line) => self.line(&line, now, out),
            Err(why) => log::debug!("the server sent what is no line: {why:?}"),
        }
    }

    /// Forgets what belonged to a connection.
    fn forget_connection(&mut self) {
        self.caps = Caps::default();
        // Names are folded on as they were.
        self.support.forget();
        self.batches = Batches::default();
        self.lists = Lists::default();
        self.stream = Stream::of_server();
        self.nick.lost();
        self.groups.lost();
        self.outgoing.lost();
        self.peerlink_lost();
    }

    fn stop(&mut self, out: &mut Outbox) {
        if let Some(conn) = self.link.conn() {
            if self.is_ready() {
                self.send(out, |line| line.command("QUIT"));
            }
            out.close(conn);
        }
        self.link.phase = Phase::Stopped;
        self.is_stopped = true;
    }
}

impl Machine for Member {
    fn handle(&mut self, now: Time, input: Input<'_>, out: &mut Outbox) {
        match input {
            Input::Note(Note::Listening { port }) => {
                self.listening(port);
                self.begin(now, out);
            }
            Input::Note(Note::Swarming { info_hash, is_seed }) => self.swarming(info_hash, is_seed, out),
            Input::Note(Note::Ask(ask)) => self.ask(*ask, out),
            Input::Completed(Completion::Resolved { id, result }) => self.resolved(id, result, now, out),
            Input::Connected { conn } => self.connected(conn, now, out),
            Input::Received { conn, bytes } => self.received(conn, bytes, now, out),
            Input::Closed { conn, reason } => self.closed(conn, reason, now, out),
            Input::Deadline => self.on_deadline(now, out),
            Input::Stop => self.stop(out),
            _ => {}
        }
    }

    fn next_deadline(&self) -> Option<Time> {
        if self.is_stopped {
            return None;
        }
        let own = [
            self.link.next_deadline(self.outgoing.is_owed()),
            self.nick.next_deadline(),
            self.groups.next_deadline(),
        ];
        own.into_iter().flatten().min()
    }

    fn appetite(&self, _conn: ConnId, _pool: &Pool) -> usize {
        limits::READ_LEN
    }

    fn check(&self) {
        self.groups.check();
        self.outgoing.check();
        self.private.check();
        self.check_swarms();
    }
}
