//! One announce over UDP (BEP 15): look the tracker's name up, connect, announce, and ask again where nothing comes.
//!
//! A tracker whose name has addresses of both families is asked in both at once: each knows only the peers of its own,
//! and one that is not reached costs no time. The first answer counts as the tracker's; a second one that comes soon
//! brings its peers.
//!
//! BEP 15 waits 15 · 2ⁿ seconds before it asks again, up to n = 8, more than an hour. Here a tracker is asked at 0 s
//! and 15 s and counts as failed at 45 s, and at 15 s already where its tier has another one to try; the waits between
//! announces that fail double on from there, to half an hour. A goodbye has two seconds in all and is said again every
//! half second.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

use super::tracker::{Outcome, is_here};
use crate::base::address::{self, Reach};
use crate::base::{JobId, Span, Time};
use crate::machine::{Command, Job, Outbox};
use crate::wire::announce::Request;
use crate::wire::udp_tracker::{self, Answer};
use crate::wire::url::Url;

/// First wait for an answer; doubles.
const WAIT: Span = Span::secs(15);
const END: Span = Span::secs(45);
/// Between two tries of a goodbye.
const WAIT_STOPPING: Span = Span::millis(500);
/// How long the other family may answer after the first did.
const GRACE: Span = Span::secs(3);
/// A connection id is used for a minute (BEP 15).
const CONNECTION_AGE: Span = Span::secs(60);
/// A look-up is good for this long; after a failure it is done anew.
const RESOLVED_AGE: Span = Span::secs(300);
/// Addresses kept of one name.
const ADDRESSES_MAX: usize = 8;

/// How patient an exchange is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Patience {
    /// There is nobody else to ask.
    Alone,
    /// Another tracker of the tier is ready.
    Tier,
    /// The program stops: it has this long.
    Goodbye(Span),
}

/// Ways to one tracker that earlier exchanges found.
#[derive(Debug, Default)]
pub(super) struct Route {
    resolved: Option<(Time, Vec<SocketAddr>)>,
    /// Who answered the last announce: at most one address per family.
    answered: Vec<SocketAddr>,
    /// With their ends.
    connections: Vec<(SocketAddr, u64, Time)>,
}

impl Route {
    fn connection(&self, with: SocketAddr, now: Time) -> Option<(u64, Time)> {
        let found = self.connections.iter().find(|(address, _, until)| *address == with && *until > now)?;
        Some((found.1, found.2))
    }

    fn forget_connection(&mut self, with: SocketAddr) {
        self.connections.retain(|(address, ..)| *address != with);
    }
}

/// What an exchange needs for a turn.
pub(super) struct Turn<'a> {
    pub now: Time,
    pub url: &'a Url,
    pub route: &'a mut Route,
    pub request: &'a Request<'a>,
    pub out: &'a mut Outbox,
}

/// One announce under way.
#[derive(Debug)]
pub(super) struct Exchange {
    look_up: Option<JobId>,
    /// One per family, while it may still answer.
    asks: Vec<Ask>,
    wait: Span,
    again: Time,
    end: Time,
    patience: Patience,
    /// Total time it was given, for people.
    given: Span,
    /// An announce left, so the tracker may know us.
    announced: bool,
    /// An announce was answered.
    heard: bool,
    refused: Option<(String, SocketAddr)>,
}

/// What was asked in one family. Answers may take longer than the wait before something is asked again: every question
/// that is still worth an answer is remembered.
#[derive(Debug)]
struct Ask {
    /// The first is being asked.
    addresses: VecDeque<SocketAddr>,
    /// Transaction of every connect, at whatever address.
    connect: u32,
    /// None while it connects.
    announce: Option<Announce>,
    /// An announce with an earlier exchange's connection id that was not answered in time.
    earlier: Option<(SocketAddr, u32)>,
}

/// An announce that was sent.
#[derive(Debug)]
struct Announce {
    transaction: u32,
    bytes: Vec<u8>,
    /// Of the connection id in it.
    until: Time,
    /// The connection id is an earlier exchange's.
    is_reused: bool,
}

impl Exchange {
    /// Begins: with a question if an address is known, otherwise with a look-up.
    pub fn begin(patience: Patience, turn: &mut Turn<'_>) -> Exchange {
        let (wait, given) = match patience {
            Patience::Alone => (WAIT, END),
            Patience::Tier => (WAIT, WAIT),
            Patience::Goodbye(given) => (WAIT_STOPPING, given),
        };
        let mut exchange = Exchange {
            look_up: None,
            asks: Vec::new(),
            wait,
            again: turn.now + wait,
            end: turn.now + given,
            patience,
            given,
            announced: false,
            heard: false,
            refused: None,
        };
        let port = turn.url.port_or_default();
        let resolved = turn.route.resolved.as_ref().filter(|(at, _)| turn.now.since(*at) < RESOLVED_AGE);
        let known = match (turn.url.ip(), resolved) {
            (Some(ip), _) => vec![SocketAddr::new(address::unmapped(ip), port)],
            _ if matches!(patience, Patience::Goodbye(_)) => turn.route.answered.clone(),
            (None, Some((_, addresses))) => addresses.clone(),
            (None, None) => Vec::new(),
        };
        if known.is_empty() {
            let id = turn.out.new_job();
            exchange.look_up = Some(id);
            turn.out.job(Job::Resolve { id, host: turn.url.host.clone(), port, for_tls: false });
        } else {
            exchange.ask(known, turn);
        }
        exchange
    }

    /// Puts the first question to each family.
    fn ask(&mut self, mut addresses: Vec<SocketAddr>, turn: &mut Turn<'_>) {
        addresses.sort_by_key(|address| turn.route.connection(*address, turn.now).is_none());
        let (v4, v6): (VecDeque<_>, VecDeque<_>) = addresses.into_iter().partition(SocketAddr::is_ipv4);
        for addresses in [v4, v6].into_iter().filter(|addresses| !addresses.is_empty()) {
            let connect = turn.out.rng.u32(..);
            let mut ask = Ask { addresses, connect, announce: None, earlier: None };
            match ask.address().and_then(|to| turn.route.connection(to, turn.now)) {
                Some((connection, until)) => {
                    ask.announce(connection, until, true, turn);
                    self.announced = true;
                }
                None => ask.connect(turn),
            }
            self.asks.push(ask);
        }
        self.again = turn.now + self.wait;
    }

    pub fn waits_for(&self, look_up: JobId) -> bool {
        self.look_up == Some(look_up)
    }

    /// Whether this is what was asked of this address.
    pub fn asked(&self, from: SocketAddr, transaction: u32) -> bool {
        self.asks.iter().any(|ask| ask.is(from, transaction))
    }

    pub fn deadline(&self) -> Time {
        if self.look_up.is_some() { self.end } else { self.again.min(self.end) }
    }

    /// Nothing more is waited for.
    pub fn is_over(&self) -> bool {
        self.look_up.is_none() && self.asks.is_empty()
    }

    /// The program stops: it is over by `end`, and asks again sooner.
    pub fn hurry(&mut self, now: Time, end: Time) {
        self.end = self.end.min(end);
        self.given = self.end - now;
        self.patience = Patience::Goodbye(self.given);
        self.wait = WAIT_STOPPING;
        self.again = self.again.min(now + self.wait);
    }

    /// The tracker may have heard of us without our knowing it.
    pub fn may_be_known(&self) -> bool {
        self.announced && !self.heard
    }

    /// The look-up ended.
    pub fn on_resolved(&mut self, result: Result<Vec<SocketAddr>, String>, turn: &mut Turn<'_>) -> Option<Outcome> {
        self.look_up = None;
        let mut addresses = match result {
            Ok(addresses) => addresses,
            Err(why) => return Some(Outcome::failed(why)),
        };
        addresses.iter_mut().for_each(|address| address.set_ip(address::unmapped(address.ip())));
        addresses.retain(|address| may_ask(turn.url, address.ip()));
        addresses.truncate(ADDRESSES_MAX);
        if addresses.is_empty() {
            let why = format!("{}: the name leads to no address a tracker may have", turn.url.host);
            return Some(Outcome::failed(why));
        }
        turn.route.resolved = Some((turn.now, addresses.clone()));
        self.ask(addresses, turn);
        None
    }

    /// A datagram came that [`Exchange::asked`] knows. What does not fit what was asked means nothing.
    pub fn on_answer(&mut self, from: SocketAddr, bytes: &[u8], turn: &mut Turn<'_>) -> Option<Outcome> {
        let (transaction, answer) = Answer::parse(bytes, from.ip()).ok()?;
        let at = self.asks.iter().position(|ask| ask.is(from, transaction))?;
        let ask = &mut self.asks[at];
        let is_connect = transaction == ask.connect;
        match (answer, &ask.announce) {
            (Answer::Connected { connection }, None) if is_connect => {
                let until = turn.now + CONNECTION_AGE;
                turn.route.forget_connection(from);
                turn.route.connections.push((from, connection, until));
                ask.prefer(from);
                ask.announce(connection, until, false, turn);
                self.announced = true;
                self.again = turn.now + self.wait;
                None
            }
            (Answer::Announced(reply), _) if !is_connect => {
                self.asks.remove(at);
                if !std::mem::replace(&mut self.heard, true) {
                    turn.route.answered.clear();
                }
                turn.route.answered.push(from);
                self.end = self.end.min(turn.now + GRACE);
                Some(Outcome::told(reply, from))
            }
            // It may only have forgotten the connection; then another one is under way, or is asked for now.
            (Answer::Failed(_), _) if ask.earlier == Some((from, transaction)) => None,
            (Answer::Failed(_), Some(Announce { is_reused: true, .. })) => {
                turn.route.forget_connection(from);
                ask.connect(turn);
                self.again = turn.now + self.wait;
                None
            }
            (Answer::Failed(why), _) => {
                self.asks.remove(at);
                self.refused = Some((why, from));
                if self.asks.is_empty() { self.end_unheard(turn) } else { None }
            }
            _ => None,
        }
    }

    /// [`Exchange::deadline`] has come: asks again, or gives up.
    pub fn on_deadline(&mut self, turn: &mut Turn<'_>) -> Option<Outcome> {
        if turn.now >= self.end {
            self.asks.clear();
            let is_nameless = self.look_up.take().is_some();
            if is_nameless {
                return Some(Outcome::failed(format!("{}: the name was not found in time", turn.url.host)));
            }
            return self.end_unheard(turn);
        }
        if turn.now >= self.again {
            if !matches!(self.patience, Patience::Goodbye(_)) {
                self.wait = self.wait.times(2);
            }
            self.again = turn.now + self.wait;
            self.asks.iter_mut().for_each(|ask| ask.again(turn));
        }
        None
    }

    /// No answer will come any more: that is a failure, unless one came.
    fn end_unheard(&mut self, turn: &mut Turn<'_>) -> Option<Outcome> {
        if self.heard {
            return None;
        }
        turn.route.resolved = None;
        Some(match self.refused.take() {
            Some((why, from)) => Outcome::refused(why, from),
            None => Outcome::failed(format!("no reply within {}", self.given)),
        })
    }
}

impl Ask {
    fn address(&self) -> Option<SocketAddr> {
        self.addresses.front().copied()
    }

    fn is(&self, from: SocketAddr, transaction: u32) -> bool {
        let is_announce = |sent: &Announce| self.address() == Some(from) && sent.transaction == transaction;
        self.announce.as_ref().is_some_and(is_announce)
            || self.earlier == Some((from, transaction))
            || (self.connect == transaction && self.addresses.contains(&from))
    }

    /// This address answered.
    fn prefer(&mut self, address: SocketAddr) {
        while self.addresses.contains(&address) && self.address() != Some(address) {
            self.addresses.rotate_left(1);
        }
    }

    fn connect(&mut self, turn: &mut Turn<'_>) {
        self.announce = None;
        self.send(udp_tracker::connect(self.connect), turn.out);
    }

    fn announce(&mut self, connection: u64, until: Time, is_reused: bool, turn: &mut Turn<'_>) {
        let transaction = turn.out.rng.u32(..);
        let bytes = udp_tracker::announce(connection, transaction, turn.request, &turn.url.target());
        self.send(bytes.clone(), turn.out);
        self.announce = Some(Announce { transaction, bytes, until, is_reused });
    }

    /// The same once more while its connection lasts; otherwise from the start, at the next address.
    fn again(&mut self, turn: &mut Turn<'_>) {
        match &self.announce {
            Some(sent) if sent.until > turn.now && !sent.is_reused => self.send(sent.bytes.clone(), turn.out),
            sent => {
                if let Some(address) = self.address() {
                    turn.route.forget_connection(address);
                    self.earlier = sent.as_ref().map(|sent| (address, sent.transaction)).or(self.earlier);
                }
                self.addresses.rotate_left(1);
                self.connect(turn);
            }
        }
    }

    fn send(&self, bytes: Vec<u8>, out: &mut Outbox) {
        if let Some(to) = self.address() {
            out.push(Command::SendDatagram { to, bytes });
        }
    }
}

/// Whether a tracker may be asked at this address: on this machine only where its URL says so itself, so that no name
/// in a torrent from the internet leads datagrams to what runs here.
pub(super) fn may_ask(url: &Url, ip: IpAddr) -> bool {
    match address::reach(ip) {
        Reach::Nowhere => false,
        Reach::Loopback => is_here(url),
        Reach::Private | Reach::Global => true,
    }
}
