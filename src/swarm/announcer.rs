//! The trackers of one torrent: whom to tell what, and when (BEP 3, BEP 12).
//!
//! Every tier is in use at once, as in Transmission: a torrent with trackers of different swarms finds the peers of
//! all of them. Within a tier the first tracker that answers is used, and moves to the front; the others only take
//! its place when it fails, and then keep it. On demand every tracker is a tier of its own. `started` is repeated
//! until a tracker answered it once, `completed` until one of its tier did; `stopped` goes to every tracker that
//! answered a `started`, as `goodbye` says.
//!
//! Not a machine: the torrent's swarm calls [`Announcer::poll`] after everything else it called here, and at
//! [`Announcer::next_deadline`].

mod exchange;
mod facts;
mod flight;
mod goodbye;
mod rows;
mod tier;
mod tracker;

use std::collections::BTreeSet;
use std::net::SocketAddr;

use self::exchange::{Exchange, Patience, Turn};
use self::flight::{Flight, Via};
use self::tier::Tier;
use self::tracker::{Outcome, Tracker, usable};
use crate::base::{JobId, Span, Time, limits};
use crate::machine::{Fetch, Fetched, Job, Outbox, Purpose};
use crate::wire::announce::{self, Event};
use crate::wire::udp_tracker;

pub use self::facts::Facts;
pub use self::tracker::News;

/// Announces of one torrent under way at once over HTTP, and while stopping, when time is short.
const IN_FLIGHT_MAX: usize = 4;
const IN_FLIGHT_MAX_STOPPING: usize = 16;
/// Over UDP, where one costs no thread and no connection.
const IN_FLIGHT_MAX_UDP: usize = 32;
/// From look-up to last byte.
const TIMEOUT: Span = Span::secs(30);

/// The tiers of one torrent.
#[derive(Debug)]
pub struct Announcer {
    tiers: Vec<Tier>,
    /// URLs that cannot be used, with the reason.
    skipped: Vec<(String, String)>,
    phase: Phase,
    flights: Vec<Flight>,
    last_trouble: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Resting,
    Running {
        /// There was something left when it started, so it can become complete.
        incomplete: bool,
        completed: bool,
    },
    Stopping {
        since: Time,
        /// It became complete, and not everybody may know.
        completed: bool,
    },
}

impl Announcer {
    /// Trackers of the torrent, shuffled within their tiers; with `to_all` each of them in a tier of its own. At rest
    /// until [`Announcer::start`].
    pub fn new(tiers: Vec<Vec<String>>, to_all: bool, rng: &mut fastrand::Rng) -> Announcer {
        let mut announcer = Announcer {
            tiers: Vec::new(),
            skipped: Vec::new(),
            phase: Phase::Resting,
            flights: Vec::new(),
            last_trouble: None,
        };
        let mut seen = BTreeSet::new();
        for tier in tiers {
            let mut trackers = Vec::new();
            for text in tier {
                if seen.len() >= limits::TRACKERS || !seen.insert(text.clone()) {
                    continue;
                }
                match usable(&text) {
                    Ok(url) => trackers.push(Tracker::new(url, seen.len())),
                    Err(why) => announcer.skipped.push((text, why)),
                }
            }
            if to_all {
                announcer.tiers.extend(trackers.into_iter().map(|tracker| Tier::new(vec![tracker])));
            } else if !trackers.is_empty() {
                rng.shuffle(&mut trackers);
                announcer.tiers.push(Tier::new(trackers));
            }
        }
        announcer
    }

    /// The same; without UDP, trackers that need it are not used.
    pub fn with_udp(mut self, has_udp: bool) -> Announcer {
        if has_udp {
            return self;
        }
        for tier in &mut self.tiers {
            for tracker in tier.trackers.extract_if(.., |tracker| tracker.is_udp()) {
                let (host, port) = (tracker.url.bracketed_host(), tracker.url.port_or_default());
                self.skipped.push((format!("udp://{host}:{port}"), "the proxy carries no UDP".into()));
            }
        }
        self.tiers.retain(|tier| !tier.trackers.is_empty());
        self
    }

    /// The torrent begins to work at `now` with `left` bytes to get.
    pub fn start(&mut self, now: Time, left: u64) {
        self.phase = Phase::Running { incomplete: left > 0, completed: false };
        self.flights.clear();
        for tier in &mut self.tiers {
            tier.due = now;
            tier.told_complete = false;
            tier.trackers.iter_mut().for_each(Tracker::reset);
        }
    }

    /// The last piece was verified. Means nothing if there was nothing left at the start.
    pub fn complete(&mut self, now: Time) {
        if let Phase::Running { incomplete: true, completed: completed @ false } = &mut self.phase {
            *completed = true;
            self.tiers.iter_mut().for_each(|tier| tier.due = now);
        }
    }

    /// Peers run out: announce as early as each tracker allows.
    pub fn want_more(&mut self, now: Time) {
        for tier in &mut self.tiers {
            if let Some(front) = tier.trackers.first().filter(|front| front.works()) {
                tier.due = tier.due.min(front.soonest.max(now));
            }
        }
    }

    /// Starts and goes on with whatever is due. What that brings is mostly bad news.
    pub fn poll(&mut self, now: Time, facts: &Facts, out: &mut Outbox) -> Vec<News> {
        let mut news = Vec::new();
        // From the back: a flight that is over leaves its place to the last one.
        for index in (0..self.flights.len()).rev() {
            if self.flights[index].exchange().is_some_and(|exchange| exchange.deadline() <= now) {
                news.extend(self.go_on(index, now, facts, out, |exchange, turn| exchange.on_deadline(turn)));
            }
        }
        match self.phase {
            Phase::Resting => {}
            Phase::Running { completed, .. } => self.poll_running(now, completed, facts, out),
            Phase::Stopping { since, completed } => self.poll_stopping(now, since, completed, facts, out),
        }
        news
    }

    fn poll_running(&mut self, now: Time, completed: bool, facts: &Facts, out: &mut Outbox) {
        for index in 0..self.tiers.len() {
            let tier = &self.tiers[index];
            if tier.due > now || self.flights.iter().any(|flight| flight.tier == index) {
                continue;
            }
            let is_ready = |tracker: &Tracker| !tracker.given_up && tracker.retry <= now;
            let may = |tracker: &Tracker| is_ready(tracker) && self.has_room(tracker);
            let Some(at) = tier.trackers.iter().position(may) else { continue };
            let patience = if tier.trackers.iter().filter(|t| is_ready(t)).count() > 1 {
                Patience::Tier
            } else {
                Patience::Alone
            };
            let event = tier.event(at, completed);
            self.announce(index, at, event, patience, now, facts, out);
        }
    }

    /// Whether one more announce of this tracker's kind may be under way.
    fn has_room(&self, tracker: &Tracker) -> bool {
        let is_udp = tracker.is_udp();
        let max = match self.phase {
            _ if is_udp => IN_FLIGHT_MAX_UDP,
            Phase::Stopping { .. } => IN_FLIGHT_MAX_STOPPING,
            _ => IN_FLIGHT_MAX,
        };
        self.flights.iter().filter(|flight| flight.exchange().is_some() == is_udp).count() < max
    }

    #[expect(clippy::too_many_arguments, reason = "what to say to whom, and the usual three")]
    fn announce(
        &mut self,
        tier: usize,
        at: usize,
        event: Event,
        patience: Patience,
        now: Time,
        facts: &Facts,
        out: &mut Outbox,
    ) {
        let tracker = &mut self.tiers[tier].trackers[at];
        let request = facts.request(event, tracker.id.as_deref());
        let via = if tracker.is_udp() {
            let (url, route) = (&tracker.url, &mut tracker.route);
            Via::Udp(Box::new(Exchange::begin(patience, &mut Turn { now, url, route, request: &request, out })))
        } else {
            let fetch = Fetch {
                url: announce::announce_url(&tracker.url, &request),
                len_max: limits::TRACKER_REPLY_LEN,
                timeout: if let Patience::Goodbye(given) = patience { given } else { TIMEOUT },
                purpose: if event == Event::Stopped { Purpose::Goodbye } else { Purpose::Announce },
            };
            let job = out.new_job();
            out.job(Job::Fetch { id: job, request: fetch });
            Via::Http(job)
        };
        self.flights.push(Flight { via, tier, tracker: tracker.number, event });
    }

    /// When [`Announcer::poll`] is due again, if no fetch ends and no datagram comes before.
    pub fn next_deadline(&self) -> Option<Time> {
        let exchanges = self.flights.iter().filter_map(Flight::exchange).map(Exchange::deadline);
        match self.phase {
            Phase::Resting => None,
            Phase::Running { .. } => {
                let idle = |(index, _): &(usize, &Tier)| self.flights.iter().all(|flight| flight.tier != *index);
                // The end of an announce makes room for the others.
                let next = |(_, tier): (usize, &Tier)| tier.next_time(|tracker| self.has_room(tracker));
                self.tiers.iter().enumerate().filter(idle).filter_map(next).chain(exchanges).min()
            }
            Phase::Stopping { since, .. } => self.next_goodbye(since).into_iter().chain(exchanges).min(),
        }
    }

    /// A fetch ended. None for fetches of others.
    pub fn on_fetched(
        &mut self,
        now: Time,
        id: JobId,
        result: Result<Fetched, String>,
        rng: &mut fastrand::Rng,
    ) -> Option<News> {
        let index = self.flights.iter().position(|flight| matches!(flight.via, Via::Http(job) if job == id))?;
        let Flight { tier, tracker, event, .. } = self.flights.swap_remove(index);
        self.settle(now, (tier, tracker), event, Outcome::fetched(result), rng)
    }

    /// A look-up of a UDP tracker's name ended. Those of others are passed over.
    pub fn on_resolved(
        &mut self,
        now: Time,
        id: JobId,
        result: Result<Vec<SocketAddr>, String>,
        facts: &Facts,
        out: &mut Outbox,
    ) -> Option<News> {
        let is_for = |flight: &Flight| flight.exchange().is_some_and(|exchange| exchange.waits_for(id));
        let index = self.flights.iter().position(is_for)?;
        self.go_on(index, now, facts, out, |exchange, turn| exchange.on_resolved(result, turn))
    }

    /// A datagram came that may be a UDP tracker's answer. Only who was asked is listened to, and only with the
    /// transaction id of the question.
    pub fn on_datagram(
        &mut self,
        now: Time,
        from: SocketAddr,
        bytes: &[u8],
        facts: &Facts,
        out: &mut Outbox,
    ) -> Option<News> {
        let transaction = udp_tracker::transaction_answered(bytes)?;
        let is_for = |flight: &Flight| flight.exchange().is_some_and(|exchange| exchange.asked(from, transaction));
        let index = self.flights.iter().position(is_for)?;
        self.go_on(index, now, facts, out, |exchange, turn| exchange.on_answer(from, bytes, turn))
    }

    /// Lets an announce over UDP take a step, and draws the consequences.
    fn go_on(
        &mut self,
        index: usize,
        now: Time,
        facts: &Facts,
        out: &mut Outbox,
        step: impl FnOnce(&mut Exchange, &mut Turn<'_>) -> Option<Outcome>,
    ) -> Option<News> {
        let Flight { via: Via::Udp(exchange), tier, tracker: number, event } = self.flights.get_mut(index)? else {
            return None;
        };
        let (tier, number, event) = (*tier, *number, *event);
        let tracker = self.tiers.get_mut(tier)?.trackers.iter_mut().find(|tracker| tracker.number == number)?;
        let request = facts.request(event, None);
        let (url, route) = (&tracker.url, &mut tracker.route);
        let outcome = step(exchange, &mut Turn { now, url, route, request: &request, out });
        if exchange.is_over() {
            self.flights.swap_remove(index);
        }
        self.settle(now, (tier, number), event, outcome?, &mut out.rng)
    }

    /// An announce to a tracker of a tier ended.
    fn settle(
        &mut self,
        now: Time,
        (tier, number): (usize, usize),
        event: Event,
        outcome: Outcome,
        rng: &mut fastrand::Rng,
    ) -> Option<News> {
        let tier = self.tiers.get_mut(tier)?;
        let at = tier.trackers.iter().position(|candidate| candidate.number == number)?;
        let tracker = &mut tier.trackers[at];
        let heard = outcome.heard;
        let was_silent = tracker.is_silent;
        let verdict = tracker.answered(now, event, outcome, rng);
        tracker.remember(now, &verdict);
        let is_stopping = matches!(self.phase, Phase::Stopping { .. });
        if event == Event::Stopped {
            tracker.said_goodbye(now, heard, was_silent);
        } else if is_stopping && verdict.interval.is_none() {
            // No time for another try.
            tier.told_complete |= event == Event::Completed;
            tracker.retry = now;
        } else if let Some(interval) = verdict.interval {
            tier.told_complete |= event == Event::Completed;
            tier.trackers[..=at].rotate_right(1);
            let completed = matches!(self.phase, Phase::Running { completed: true, .. });
            tier.due = if tier.event(0, completed) == Event::None { now + interval } else { now };
        } else {
            self.last_trouble = tracker.trouble().map(str::to_string);
        }
        let mut news = verdict.news;
        // Nobody has to read at the end that a goodbye was not heard.
        news.said = news.said.filter(|_| !is_stopping);
        Some(news)
    }

    /// Whether nothing is under way and nothing has to be said: after a stop, whether all goodbyes are said or
    /// given up.
    pub fn is_quiet(&self) -> bool {
        match self.phase {
            Phase::Resting => true,
            Phase::Running { completed, .. } => {
                let told = |tier: &Tier| tier.trackers[0].fails > 0 || tier.event(0, completed) == Event::None;
                self.flights.is_empty() && self.tiers.iter().all(told)
            }
            Phase::Stopping { since, .. } => !self.has_goodbyes(since + limits::STOP_TIMEOUT),
        }
    }

    /// What is wrong, while no tracker works.
    pub fn trouble(&self) -> Option<&str> {
        let works = self.tiers.iter().flat_map(|tier| &tier.trackers).any(Tracker::works);
        self.last_trouble.as_deref().filter(|_| !works)
    }

    /// URLs that are not used, each with the reason.
    pub fn skipped(&self) -> &[(String, String)] {
        &self.skipped
    }

    /// Whether there is any tracker to ask.
    pub fn is_empty(&self) -> bool {
        self.tiers.is_empty()
    }
}

#[cfg(test)]
mod stop_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tier_tests;
#[cfg(test)]
mod udp_stop_tests;
#[cfg(test)]
mod udp_tests;
