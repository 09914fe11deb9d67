//! The way to the server: look-up, dials, time-outs, and when to try again.

use std::net::{IpAddr, SocketAddr};

use super::Member;
use crate::base::{ConnId, JobId, Span, Time, limits};
use crate::machine::{ChatNews, Closed, Command, Job, Outbox};

/// A server that has not let us in by then.
const REGISTER_TIMEOUT: Span = Span::secs(30);
/// After a silence of this length the server is asked whether it is there, and has so long to say something.
const SILENCE: Span = Span::secs(60);
/// The same while it owes us something.
const SILENCE_OWED: Span = Span::secs(10);
const PATIENCE: Span = Span::secs(20);
/// A session that lasted so long was a good one: the next try comes soon after its end.
const GOOD_SESSION: Span = Span::secs(5);
/// Until the first try after a good session: spread, since everybody in a group loses its server at one moment.
const SOON: (Span, Span) = (Span::millis(100), Span::millis(3_100));
/// Between later tries: everybody is back within 10 seconds after the server is.
const OFTEN: (Span, Span) = (Span::secs(2), Span::secs(6));
/// After so many failures, which take ten minutes, tries become rare.
const FAILURES_OFTEN: u32 = 150;
const RARELY: (Span, Span) = (Span::secs(20), Span::secs(60));
/// Addresses of a name that are tried.
const ADDRESSES_MAX: usize = 8;

/// How far the way to the server is.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Phase {
    /// Nothing was begun.
    #[default]
    Idle,
    /// Until the next try.
    Waiting {
        until: Time,
    },
    Resolving {
        job: JobId,
    },
    Dialling {
        conn: ConnId,
        to: SocketAddr,
        until: Time,
    },
    Registering {
        conn: ConnId,
        to: SocketAddr,
        until: Time,
        /// The server has welcomed us, and has more to say before lines make sense.
        is_welcome: bool,
    },
    Ready {
        conn: ConnId,
        to: SocketAddr,
        since: Time,
    },
    Stopped,
}

#[derive(Debug, Default)]
pub struct Link {
    pub phase: Phase,
    /// Addresses not tried yet.
    addresses: Vec<SocketAddr>,
    /// Tries in a row that led to nothing.
    failures: u32,
    heard: Time,
    /// The server was asked whether it is there, at this moment.
    asked: Option<Time>,
    /// What the server calls itself.
    pub server: String,
    /// Why the server ends the connection, in its own words.
    pub farewell: Option<String>,
}

impl Link {
    pub fn conn(&self) -> Option<ConnId> {
        match self.phase {
            Phase::Dialling { conn, .. } | Phase::Registering { conn, .. } | Phase::Ready { conn, .. } => Some(conn),
            _ => None,
        }
    }

    pub fn address(&self) -> Option<SocketAddr> {
        match self.phase {
            Phase::Dialling { to, .. } | Phase::Registering { to, .. } | Phase::Ready { to, .. } => Some(to),
            _ => None,
        }
    }

    /// The server said something.
    pub fn heard(&mut self, now: Time) {
        self.heard = now;
        self.asked = None;
    }

    /// `is_owed`: the server has something of ours that it has not acknowledged.
    pub fn next_deadline(&self, is_owed: bool) -> Option<Time> {
        let silence = if is_owed { SILENCE_OWED } else { SILENCE };
        match self.phase {
            Phase::Waiting { until } | Phase::Dialling { until, .. } | Phase::Registering { until, .. } => {
                Some(until)
            }
            Phase::Ready { .. } => Some(self.asked.map_or(self.heard + silence, |asked| asked + PATIENCE)),
            Phase::Idle | Phase::Resolving { .. } | Phase::Stopped => None,
        }
    }

    /// How long to wait for the next try.
    fn wait(&self, rng: &mut fastrand::Rng) -> Span {
        let (least, most) = match self.failures {
            0 => SOON,
            1..FAILURES_OFTEN => OFTEN,
            _ => RARELY,
        };
        Span(rng.u64(least.0..=most.0))
    }
}

impl Member {
    /// The first try, or the next one.
    pub(super) fn begin(&mut self, now: Time, out: &mut Outbox) {
        if !matches!(self.link.phase, Phase::Idle | Phase::Waiting { .. }) {
            return;
        }
        if let Ok(ip) = self.options.host.parse::<IpAddr>() {
            self.link.addresses = vec![SocketAddr::new(ip, self.options.port)];
            return self.dial_next(now, out);
        }
        let job = out.new_job();
        self.link.phase = Phase::Resolving { job };
        let (host, port) = (self.options.host.clone(), self.options.port);
        out.job(Job::Resolve { id: job, host, port, for_tls: false });
    }

    pub(super) fn resolved(
        &mut self,
        id: JobId,
        result: Result<Vec<SocketAddr>, String>,
        now: Time,
        out: &mut Outbox,
    ) {
        if !self.waits_for(id) {
            return;
        }
        match result {
            Ok(mut addresses) => {
                addresses.truncate(ADDRESSES_MAX);
                // Taken from the end.
                addresses.reverse();
                self.link.addresses = addresses;
                self.dial_next(now, out);
            }
            Err(why) => self.lost(&why, now, out),
        }
    }

    /// Dials the next address of this try.
    fn dial_next(&mut self, now: Time, out: &mut Outbox) {
        let Some(to) = self.link.addresses.pop() else { return self.lost("it does not answer", now, out) };
        let conn = out.new_conn();
        self.link.phase = Phase::Dialling { conn, to, until: now + limits::CONNECT_TIMEOUT };
        out.push(Command::Connect { conn, to });
    }

    pub(super) fn connected(&mut self, conn: ConnId, now: Time, out: &mut Outbox) {
        let Phase::Dialling { conn: ours, to, .. } = self.link.phase else { return };
        if ours == conn {
            self.link.phase = Phase::Registering { conn, to, until: now + REGISTER_TIMEOUT, is_welcome: false };
            self.link.heard(now);
            self.link.farewell = None;
            self.register(out);
        }
    }

    pub(super) fn closed(&mut self, conn: ConnId, reason: Closed, now: Time, out: &mut Outbox) {
        if !self.owns(conn) {
            return;
        }
        if matches!(self.link.phase, Phase::Dialling { .. }) && !self.link.addresses.is_empty() {
            return self.dial_next(now, out);
        }
        let why = match reason {
            Closed::Unreachable => "it does not answer",
            Closed::ByPeer => "it closed the connection",
            Closed::Error => "the connection broke",
            Closed::Overflow => "it does not read what we say",
            Closed::NoDescriptor => "this process has no descriptor left",
            Closed::Untrusted => "it is not who it should be",
        };
        let why = self.link.farewell.take().unwrap_or_else(|| why.to_string());
        self.lost(&why, now, out);
    }

    /// Ends the connection from our side.
    pub(super) fn hang_up(&mut self, why: &str, now: Time, out: &mut Outbox) {
        if let Some(conn) = self.link.conn() {
            out.close(conn);
        }
        self.lost(why, now, out);
    }

    /// This try, or this session, is over.
    fn lost(&mut self, why: &str, now: Time, out: &mut Outbox) {
        let session = match self.link.phase {
            Phase::Ready { since, .. } => Some(now.since(since)),
            _ => None,
        };
        if session.is_some_and(|lasted| lasted >= GOOD_SESSION) {
            self.link.failures = 0;
        } else {
            self.link.failures = self.link.failures.saturating_add(1);
        }
        let retry = self.link.wait(&mut out.rng);
        self.link.phase = Phase::Waiting { until: now + retry };
        self.forget_connection();
        self.tell(ChatNews::Lost { why: why.to_string(), retry, was_registered: session.is_some() }, out);
    }

    pub(super) fn on_deadline(&mut self, now: Time, out: &mut Outbox) {
        if self.link.next_deadline(self.outgoing.is_owed()).is_some_and(|due| due <= now) {
            self.link_deadline(now, out);
        }
        self.take_nick_back(now, out);
        self.end_late_gaps(now, out);
    }

    fn link_deadline(&mut self, now: Time, out: &mut Outbox) {
        match self.link.phase {
            Phase::Waiting { .. } => self.begin(now, out),
            Phase::Dialling { conn, .. } => {
                out.close(conn);
                self.dial_next(now, out);
            }
            Phase::Registering { is_welcome: true, .. } => self.ready(now, out),
            Phase::Registering { .. } => self.hang_up("it does not let us in", now, out),
            Phase::Ready { .. } if self.link.asked.is_some() => self.hang_up("it says nothing any more", now, out),
            Phase::Ready { .. } => {
                self.link.asked = Some(now);
                self.send(out, |line| line.command("PING").param("are-you-there"));
            }
            Phase::Idle | Phase::Resolving { .. } | Phase::Stopped => {}
        }
    }
}
