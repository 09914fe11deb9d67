//! The trackers of one torrent: whom to tell what, and when (BEP 3, BEP 12).
//!
//! Every tier is in use at once, as in Transmission: a torrent with trackers of different swarms finds the peers of
//! all of them. Within a tier the first tracker that answers is used, and moves to the front; the others only take
//! its place when it fails. `started` is repeated until a tracker answered it once, `completed` until one of its
//! tier did; `stopped` goes to every tracker that answered a `started`, within [`limits::STOP_TIMEOUT`].
//!
//! Not a machine: the torrent's swarm calls [`Announcer::poll`] after everything else it called here, and at
//! [`Announcer::next_deadline`].

mod tracker;

use std::collections::BTreeSet;

use self::tracker::{Tracker, usable};
use crate::base::{InfoHash, JobId, PeerId, Span, Time, limits};
use crate::machine::{Fetch, Fetched, Job, Outbox, Purpose};
use crate::wire::announce::{self, Event, Request};

pub use self::tracker::News;

/// Announces of one torrent under way at once, and while stopping, when time is short.
const IN_FLIGHT_MAX: usize = 4;
const IN_FLIGHT_MAX_STOPPING: usize = 16;
/// From look-up to last byte.
const TIMEOUT: Span = Span::secs(30);
/// Between two tries of a `stopped`.
const STOP_RETRY: Span = Span::millis(500);
/// Peers asked for.
const NUMWANT: u32 = limits::PEERS_MAX as u32;

/// What an announce says of the torrent and of us.
#[derive(Clone, Debug)]
pub struct Facts {
    pub info_hash: InfoHash,
    pub peer_id: PeerId,
    /// Random, the same for the life of the process.
    pub key: u32,
    /// Where peers reach us.
    pub port: u16,
    /// Payload since the start, in bytes.
    pub uploaded: u64,
    pub downloaded: u64,
    /// Bytes still to get of the whole torrent.
    pub left: u64,
    pub want_peers: bool,
}

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
        until: Time,
    },
}

#[derive(Debug)]
struct Tier {
    /// The one in use first.
    trackers: Vec<Tracker>,
    /// The next announce.
    due: Time,
    /// A `completed` was answered.
    told_complete: bool,
}

#[derive(Clone, Copy, Debug)]
struct Flight {
    job: JobId,
    tier: usize,
    tracker: usize,
    event: Event,
}

impl Announcer {
    /// Trackers of the torrent, shuffled within their tiers. At rest until [`Announcer::start`].
    pub fn new(tiers: Vec<Vec<String>>, rng: &mut fastrand::Rng) -> Announcer {
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
            if !trackers.is_empty() {
                rng.shuffle(&mut trackers);
                announcer.tiers.push(Tier { trackers, due: Time::ZERO, told_complete: false });
            }
        }
        announcer
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

    /// The torrent stops: every tracker that knows of us is told, as far as that is quickly possible.
    pub fn stop(&mut self, now: Time) {
        if let Phase::Running { .. } = self.phase {
            self.phase = Phase::Stopping { until: now + limits::STOP_TIMEOUT };
            // Waits for failures are for regular announces; a goodbye gets its chance now.
            self.tiers.iter_mut().flat_map(|tier| &mut tier.trackers).for_each(|tracker| tracker.retry = now);
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

    /// Starts whatever is due.
    pub fn poll(&mut self, now: Time, facts: &Facts, out: &mut Outbox) {
        match self.phase {
            Phase::Resting => {}
            Phase::Running { completed, .. } => self.poll_running(now, completed, facts, out),
            Phase::Stopping { until } => {
                if now < until {
                    self.poll_stopping(now, facts, out);
                }
                if now >= until || !self.has_goodbyes(until) {
                    // Late replies find nobody who waits for them.
                    self.flights.clear();
                    self.phase = Phase::Resting;
                }
            }
        }
    }

    fn poll_running(&mut self, now: Time, completed: bool, facts: &Facts, out: &mut Outbox) {
        for index in 0..self.tiers.len() {
            if self.flights.len() >= IN_FLIGHT_MAX {
                return;
            }
            let tier = &self.tiers[index];
            if tier.due > now || self.flights.iter().any(|flight| flight.tier == index) {
                continue;
            }
            let Some(at) = tier.trackers.iter().position(|t| !t.given_up && t.retry <= now) else { continue };
            let event = tier.event(at, completed);
            self.announce(index, at, event, facts, out);
        }
    }

    /// One goodbye per tracker that knows us and is not being talked to.
    fn poll_stopping(&mut self, now: Time, facts: &Facts, out: &mut Outbox) {
        for index in 0..self.tiers.len() {
            for at in 0..self.tiers[index].trackers.len() {
                let tracker = &self.tiers[index].trackers[at];
                let busy = self.flights.iter().any(|flight| flight.tracker == tracker.number);
                if self.flights.len() < IN_FLIGHT_MAX_STOPPING && tracker.knows_us && !busy && tracker.retry <= now {
                    self.announce(index, at, Event::Stopped, facts, out);
                }
            }
        }
    }

    fn announce(&mut self, tier: usize, at: usize, event: Event, facts: &Facts, out: &mut Outbox) {
        let tracker = &self.tiers[tier].trackers[at];
        let stopping = event == Event::Stopped;
        let request = Request {
            info_hash: facts.info_hash,
            peer_id: facts.peer_id,
            port: facts.port,
            uploaded: facts.uploaded,
            downloaded: facts.downloaded,
            left: facts.left,
            numwant: if facts.want_peers && !stopping { NUMWANT } else { 0 },
            key: facts.key,
            event,
            tracker_id: tracker.id.as_deref(),
        };
        let fetch = Fetch {
            url: announce::announce_url(&tracker.url, &request),
            len_max: limits::TRACKER_REPLY_LEN,
            timeout: if stopping { limits::STOP_TIMEOUT } else { TIMEOUT },
            purpose: Purpose::Announce,
        };
        let job = out.new_job();
        self.flights.push(Flight { job, tier, tracker: tracker.number, event });
        out.job(Job::Fetch { id: job, request: fetch });
    }

    /// When [`Announcer::poll`] is due again, if no fetch ends before.
    pub fn next_deadline(&self) -> Option<Time> {
        match self.phase {
            Phase::Resting => None,
            // The end of a fetch makes room for the others.
            Phase::Running { .. } if self.flights.len() >= IN_FLIGHT_MAX => None,
            Phase::Running { .. } => {
                let idle = |(index, _): &(usize, &Tier)| self.flights.iter().all(|flight| flight.tier != *index);
                self.tiers.iter().enumerate().filter(idle).filter_map(|(_, tier)| tier.next_time()).min()
            }
            Phase::Stopping { until } => {
                let busy = |tracker: &Tracker| self.flights.iter().any(|flight| flight.tracker == tracker.number);
                let room = self.flights.len() < IN_FLIGHT_MAX_STOPPING;
                let trackers = self.tiers.iter().flat_map(|tier| &tier.trackers);
                let tries = trackers.filter(|t| room && t.knows_us && !busy(t)).map(|tracker| tracker.retry);
                tries.chain([until]).min()
            }
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
        let flight = self.flights.iter().position(|flight| flight.job == id)?;
        let Flight { tier, tracker, event, .. } = self.flights.swap_remove(flight);
        let tier = self.tiers.get_mut(tier)?;
        let at = tier.trackers.iter().position(|candidate| candidate.number == tracker)?;
        let tracker = &mut tier.trackers[at];
        let heard = result.is_ok();
        let verdict = tracker.answered(now, event, result, rng);
        if event == Event::Stopped {
            // Any answer ends it: a goodbye needs no thanks.
            tracker.knows_us &= !heard;
            tracker.retry = now + STOP_RETRY;
        } else if let Some(interval) = verdict.interval {
            tier.told_complete |= event == Event::Completed;
            tier.trackers[..=at].rotate_right(1);
            let completed = matches!(self.phase, Phase::Running { completed: true, .. });
            tier.due = if tier.event(0, completed) == Event::None { now + interval } else { now };
        } else {
            self.last_trouble = tracker.trouble().map(str::to_string);
        }
        Some(verdict.news)
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
            Phase::Stopping { until } => !self.has_goodbyes(until),
        }
    }

    /// A tracker that still has to be told goodbye, or may turn out to be one.
    fn has_goodbyes(&self, until: Time) -> bool {
        let started = self.flights.iter().any(|flight| flight.event == Event::Started);
        let mut trackers = self.tiers.iter().flat_map(|tier| &tier.trackers);
        started || trackers.any(|tracker| tracker.knows_us && tracker.retry < until)
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

impl Tier {
    /// What the tracker at `at` has to be told next.
    fn event(&self, at: usize, completed: bool) -> Event {
        match self.trackers[at].knows_us {
            false => Event::Started,
            true if completed && !self.told_complete => Event::Completed,
            true => Event::None,
        }
    }

    /// When it has something to do. None once all its trackers want to be left alone.
    fn next_time(&self) -> Option<Time> {
        let retry = self.trackers.iter().filter(|tracker| !tracker.given_up).map(|tracker| tracker.retry).min()?;
        Some(self.due.max(retry))
    }
}

#[cfg(test)]
mod tests;
