//! The front door of a server: holds its connections until they say what they speak, reads HTTP requests out of them
//! and brings the replies back. Bounded, and nobody dawdles.
//!
//! A connection has a deadline in every phase: [`HEAD_TIMEOUT`] for the first meaningful progress and for a head,
//! [`IDLE_TIMEOUT`] between requests, a least rate for bodies and for reading replies. Requests of one connection are
//! answered in order, one at a time; what was pipelined behind one waits, and beyond a bound is not read.

mod guest;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use self::guest::{Guest, Phase, Talk};
use super::sites::Sites;
use crate::base::address::{Reach, reach, unmapped};
use crate::base::{ConnId, Span, Time};
use crate::machine::{Command, Outbox};
use crate::wire::http::{HEAD_LEN, Reply};
use crate::wire::sniff::Spoken;

/// From the first byte of a request, or from the accept, to the end of its head.
const HEAD_TIMEOUT: Span = Span::secs(15);
/// Between two requests of one connection; longer than the 30 s that proxies like to keep one.
const IDLE_TIMEOUT: Span = Span::secs(65);
/// A body may take this long and a second more for every [`BODY_RATE`] bytes that came.
const BODY_TIMEOUT: Span = Span::secs(15);
const BODY_RATE: usize = 16 * 1024;
/// A machine answers within this time, or its asker is let go.
const ANSWER_TIMEOUT: Span = Span::secs(60);
/// For what was handed over to be read by the other side.
const SEND_TIMEOUT: Span = Span::secs(30);
/// After the last reply of a connection that still sends, so that it can read why.
const LEAVE_TIMEOUT: Span = Span::secs(2);
/// Between two looks at all deadlines: one walk costs less than a sorted list kept for each request.
const SWEEP: Span = Span::secs(1);
/// Bytes of unfinished requests of all connections: slow senders must not fill a small box.
const BUFFERS_LEN: usize = 4 * 1024 * 1024;
/// Bytes of long replies that their askers have not read yet, of all connections: slow readers must not either.
const REPLIES_LEN: usize = 8 * 1024 * 1024;
/// Bodies under way at once.
const UPLOADS_MAX: usize = 4;

/// How a server's connections are treated.
#[derive(Clone, Default, Debug)]
pub struct FrontOptions {
    /// Connections at once from one address (a /64 in IPv6), this machine's own excepted; 0: no limit.
    pub per_address: usize,
    /// The field that holds the asker's address when a proxy on this machine or network asks; empty: none.
    pub real_ip_header: String,
    /// Nothing but HTTP is spoken here.
    pub http_only: bool,
    /// Bytes of long replies that their askers have not read yet, of all connections, where more is needed than usual.
    pub replies_len: usize,
}

impl FrontOptions {
    fn replies_len(&self) -> usize {
        self.replies_len.max(REPLIES_LEN)
    }
}

/// What became of a connection when it was listened to.
#[derive(Debug)]
pub enum Became {
    /// It is held here, or was closed.
    Held,
    /// It speaks BitTorrent: these are its first bytes. It is not held here any more.
    Peer(SocketAddr, Vec<u8>),
    /// It speaks the group protocol, likewise; it is still counted under its address.
    Member(SocketAddr, Vec<u8>),
}

/// Sums over all guests.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Totals {
    /// Requests answered since the start.
    pub requests: u64,
    /// Bytes of unfinished requests.
    buffered: usize,
    /// Bodies under way.
    uploads: usize,
    /// Bytes of long replies under way.
    replies: usize,
}

/// The connections of a server.
#[derive(Debug, Default)]
pub struct Front {
    options: FrontOptions,
    guests: BTreeMap<ConnId, Guest>,
    /// Only counted where [`FrontOptions::per_address`] asks for it.
    by_address: BTreeMap<IpAddr, usize>,
    /// Connections that went on to the groups and are still counted.
    passed: BTreeMap<ConnId, IpAddr>,
    totals: Totals,
    /// The next look at the deadlines, while somebody is here.
    sweep: Option<Time>,
}

impl Front {
    pub fn new(options: FrontOptions) -> Front {
        Front { options, ..Front::default() }
    }

    /// A connection comes in. False when its address has as many as it may.
    pub fn enter(&mut self, conn: ConnId, remote: SocketAddr, now: Time) -> bool {
        if let Some(address) = self.counted(remote) {
            let count = self.by_address.entry(address).or_default();
            if *count >= self.options.per_address {
                return false;
            }
            *count += 1;
        }
        self.guests.insert(conn, Guest::new(remote, self.options.http_only, now));
        self.sweep.get_or_insert(now + SWEEP);
        true
    }

    /// Bytes arrived.
    pub fn received(&mut self, conn: ConnId, bytes: &[u8], now: Time, sites: &mut Sites, out: &mut Outbox) -> Became {
        let became = self.talk(conn, now, sites, out, |talk| talk.received(bytes));
        let Some((spoken, first_bytes)) = became.flatten() else { return Became::Held };
        let Some(remote) = self.guests.get(&conn).map(|guest| guest.remote) else { return Became::Held };
        if spoken == Spoken::BitTorrent {
            self.remove(conn);
            return Became::Peer(remote, first_bytes);
        }
        let counted = self.counted(remote);
        if let Some(address) = counted {
            *self.by_address.entry(address).or_default() += 1;
            self.passed.insert(conn, address);
        }
        self.remove(conn);
        Became::Member(remote, first_bytes)
    }

    /// A connection that went on is gone.
    pub fn left(&mut self, conn: ConnId) {
        if let Some(address) = self.passed.remove(&conn) {
            self.discount(address);
        }
    }

    fn discount(&mut self, address: IpAddr) {
        if let Some(count) = self.by_address.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                self.by_address.remove(&address);
            }
        }
    }

    /// Everything that was queued for this connection has left.
    pub fn sent(&mut self, conn: ConnId, now: Time, sites: &mut Sites, out: &mut Outbox) {
        self.talk(conn, now, sites, out, |talk| talk.sent());
    }

    /// A machine answers a request that it was asked before.
    pub fn answer(&mut self, conn: ConnId, reply: Reply, now: Time, sites: &mut Sites, out: &mut Outbox) {
        self.talk(conn, now, sites, out, |talk| talk.answer(reply));
    }

    /// Brings the answers among the commands from `from` on to whom they are for.
    pub fn answers(&mut self, from: usize, now: Time, sites: &mut Sites, out: &mut Outbox) {
        let mut at = from;
        while at < out.commands.len() {
            if !matches!(out.commands[at], Command::Answer { .. }) {
                at += 1;
                continue;
            }
            if let Command::Answer { conn, reply } = out.commands.remove(at) {
                self.answer(conn, reply, now, sites, out);
            }
        }
    }

    fn talk<R>(
        &mut self,
        conn: ConnId,
        now: Time,
        sites: &mut Sites,
        out: &mut Outbox,
        act: impl FnOnce(&mut Talk<'_>) -> R,
    ) -> Option<R> {
        let guest = self.guests.get_mut(&conn)?;
        let totals = &mut self.totals;
        let mut talk = Talk { conn, guest, totals, options: &self.options, now, sites, out };
        let result = act(&mut talk);
        if guest.phase == Phase::Gone {
            self.remove(conn);
        }
        Some(result)
    }

    /// The connection is gone.
    pub fn remove(&mut self, conn: ConnId) {
        let Some(guest) = self.guests.remove(&conn) else { return };
        self.totals.buffered -= guest.buffered();
        self.totals.uploads -= usize::from(guest.is_uploading());
        self.totals.replies -= guest.reply_len;
        if let Some(address) = self.counted(guest.remote) {
            self.discount(address);
        }
        if self.guests.is_empty() {
            self.sweep = None;
        }
    }

    /// Most bytes to read at once.
    pub fn appetite(&self, conn: ConnId) -> usize {
        let is_uploading = self.guests.get(&conn).is_some_and(Guest::is_uploading);
        if is_uploading { 4 * HEAD_LEN } else { HEAD_LEN }
    }

    /// When somebody may be late.
    pub fn next_deadline(&self) -> Option<Time> {
        self.sweep
    }

    /// Closes what is late.
    pub fn expire(&mut self, now: Time, out: &mut Outbox) {
        if self.sweep.is_none_or(|due| due > now) {
            return;
        }
        self.sweep = Some(now + SWEEP);
        let late: Vec<ConnId> =
            self.guests.iter().filter(|(_, guest)| guest.is_late(now)).map(|(conn, _)| *conn).collect();
        for conn in late {
            if self.guests.get(&conn).is_some_and(|guest| guest.phase == Phase::Sniffing) {
                // It has not said what it speaks; most that say nothing at all are half-open logins.
                out.send(conn, b"ERROR :Closing link: nothing was said in time\r\n".to_vec());
            }
            self.remove(conn);
            out.close(conn);
        }
    }

    /// Everybody leaves.
    pub fn clear(&mut self, out: &mut Outbox) {
        let all: Vec<ConnId> = self.guests.keys().copied().collect();
        for conn in all {
            self.remove(conn);
            out.close(conn);
        }
    }

    /// Connections now, and requests since the start.
    pub fn numbers(&self) -> (usize, u64) {
        (self.guests.len(), self.totals.requests)
    }

    /// What the connections of an address are counted under; None where they are not.
    fn counted(&self, remote: SocketAddr) -> Option<IpAddr> {
        let ip = unmapped(remote.ip());
        (self.options.per_address > 0 && reach(ip) != Reach::Loopback).then(|| network(ip))
    }

    pub fn check(&self) {
        let buffered: usize = self.guests.values().map(Guest::buffered).sum();
        let uploads = self.guests.values().filter(|guest| guest.is_uploading()).count();
        let replies: usize = self.guests.values().map(|guest| guest.reply_len).sum();
        let Totals { buffered: b, uploads: u, replies: r, .. } = self.totals;
        assert_eq!((b, u, r), (buffered, uploads, replies), "sums over the guests");
        let is_bounded = uploads <= UPLOADS_MAX && buffered <= BUFFERS_LEN && replies <= self.options.replies_len();
        assert!(is_bounded, "more is under way than allowed");
        assert_eq!(self.guests.is_empty(), self.sweep.is_none(), "guests without deadlines, or the reverse");
    }
}

/// One subscriber: an address of IPv4, a /64 of IPv6.
fn network(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from(u128::from(v6) >> 64 << 64)),
    }
}

#[cfg(test)]
mod tests;
