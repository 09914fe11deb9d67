//! One tracker of one torrent: when it may be asked, what it still has to be told, what its replies mean.

use std::net::{IpAddr, SocketAddr};

use super::exchange::{Route, may_ask};
use super::goodbye::STOP_RETRY;
use crate::base::address::{self, Reach};
use crate::base::{Span, Time};
use crate::machine::{AnnounceState, Fetched, Level};
use crate::wire::announce::{self, Event, Reply, RetryIn};
use crate::wire::udp_tracker::TARGET_LEN;
use crate::wire::url::{Scheme, Url};

/// Between announces where a tracker does not say.
const INTERVAL: Span = Span::secs(1800);
/// Bounds of what it says. A tracker on the internet that asks for more than one announce a minute from everybody
/// is wrong or wants to be attacked; one in the own house may know what it does.
const INTERVAL_MIN: Span = Span::secs(60);
const INTERVAL_MIN_LOCAL: Span = Span::secs(10);
const INTERVAL_MAX: Span = Span::secs(86_400);
/// Least time before asking for more peers, where the tracker does not say (libtorrent's default), and at least.
const SOONER: Span = Span::secs(300);
const SOONER_MIN: Span = Span::secs(30);
const SOONER_MIN_LOCAL: Span = Span::secs(5);
/// Waits after failures: the first, doubled each time up to the last, plus up to a quarter at random.
const RETRY: Span = Span::secs(15);
const RETRY_MAX: Span = Span::secs(1800);

/// A tracker and what it knows of us.
#[derive(Debug)]
pub(super) struct Tracker {
    pub url: Url,
    /// Tells it apart, wherever it moves within its tier.
    pub number: usize,
    /// It answered a `started` and no `stopped` since.
    pub knows_us: bool,
    /// Failures since its last answer.
    pub fails: u32,
    /// The last announce got no answer of any kind.
    pub is_silent: bool,
    /// Not before, after a failure.
    pub retry: Time,
    /// Not before, for more peers.
    pub soonest: Time,
    /// It asked never to be asked again.
    pub given_up: bool,
    /// What it called itself.
    pub id: Option<Vec<u8>>,
    /// How it was reached over UDP.
    pub route: Route,
    /// How the last announce ended.
    pub last: Option<AnnounceState>,
    /// The last trouble and the last warning, as told to people.
    trouble: Option<String>,
    warning: Option<String>,
}

/// What one announce brought.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct News {
    /// Peers that may be dialled, each once.
    pub peers: Vec<SocketAddr>,
    /// Peers told by name. Look them up, then pass what is found through `address::may_dial` with `reach`.
    pub hosts: Vec<(String, u16)>,
    /// How far the tracker is.
    pub reach: Reach,
    /// Something new to tell people.
    pub said: Option<(Level, String)>,
    /// Our address as the tracker sees it (BEP 24); only a hint.
    pub external_ip: Option<IpAddr>,
    /// Peers with everything, and without, as the tracker counts.
    pub complete: Option<u32>,
    pub incomplete: Option<u32>,
}

impl News {
    fn nothing(reach: Reach) -> News {
        News {
            peers: Vec::new(),
            hosts: Vec::new(),
            reach,
            said: None,
            external_ip: None,
            complete: None,
            incomplete: None,
        }
    }
}

/// What an announce ended with: news, and when the next regular one is due if it was answered.
pub(super) struct Verdict {
    pub news: News,
    pub interval: Option<Span>,
}

/// A URL as a tracker's, or why it cannot be used.
pub(super) fn usable(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    if url.scheme == Scheme::Udp {
        if url.target().len() > TARGET_LEN {
            return Err(format!("a UDP tracker's path has at most {TARGET_LEN} characters"));
        }
        if url.ip().is_some_and(|ip| !may_ask(&url, ip)) {
            return Err("nothing can be reached at this address".into());
        }
        return Ok(url);
    }
    if cfg!(not(feature = "tls")) && url.scheme == Scheme::Https {
        return Err("this peerlink was built without TLS".into());
    }
    // The web threads check this again for the address behind a name.
    if is_here(&url) && !url.bare_path().starts_with("/announce") {
        return Err("a tracker on this machine may only be asked at /announce".into());
    }
    Ok(url)
}

/// Whether a URL itself says that its host is this machine.
pub(super) fn is_here(url: &Url) -> bool {
    url.is_localhost() || url.ip().is_some_and(|ip| address::reach(ip) == Reach::Loopback)
}

impl Tracker {
    pub fn new(url: Url, number: usize) -> Tracker {
        Tracker {
            url,
            number,
            knows_us: false,
            fails: 0,
            is_silent: false,
            retry: Time::ZERO,
            soonest: Time::ZERO,
            given_up: false,
            id: None,
            route: Route::default(),
            last: None,
            trouble: None,
            warning: None,
        }
    }

    /// A new life of the torrent: it knows nothing of us, and old failures do not count.
    pub fn reset(&mut self) {
        self.knows_us = false;
        self.fails = 0;
        self.is_silent = false;
        self.retry = Time::ZERO;
        self.soonest = Time::ZERO;
        self.given_up = false;
    }

    pub fn is_udp(&self) -> bool {
        self.url.scheme == Scheme::Udp
    }

    /// It answered lately.
    pub fn works(&self) -> bool {
        self.knows_us && self.fails == 0
    }

    pub fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// An announce of `event` ended so.
    pub fn answered(&mut self, now: Time, event: Event, outcome: Outcome, rng: &mut fastrand::Rng) -> Verdict {
        let reach = outcome.from.map_or(Reach::Global, |from| address::reach(from.ip()));
        self.is_silent = !outcome.heard;
        match outcome.meaning {
            Ok(Ok(reply)) => self.heard(now, event, reply, reach),
            Ok(Err(Refused { why, retry_in })) => {
                self.fail(now, rng);
                match retry_in {
                    Some(RetryIn::Never) => self.given_up = true,
                    Some(RetryIn::Minutes(minutes)) => {
                        let wait = Span::secs(60).times(minutes).clamp(INTERVAL_MIN, INTERVAL_MAX);
                        self.retry = now + wait;
                    }
                    None => {}
                }
                self.in_trouble(why, reach)
            }
            Err(error) => {
                self.fail(now, rng);
                self.in_trouble(error, reach)
            }
        }
    }

    /// For people: how an announce ended.
    pub fn remember(&mut self, at: Time, verdict: &Verdict) {
        let has_worked = verdict.interval.is_some();
        let before = self.last.unwrap_or_default();
        let news = &verdict.news;
        self.last = Some(match has_worked {
            true => AnnounceState {
                at,
                has_worked,
                peer_count: (news.peers.len() + news.hosts.len()) as u32,
                seeds: news.complete,
                leechers: news.incomplete,
            },
            false => AnnounceState { at, has_worked, ..before },
        });
    }

    /// A `stopped` ended. Any answer will do, for a goodbye needs no thanks; the second silence in a row ends it too.
    pub fn said_goodbye(&mut self, now: Time, heard: bool, was_silent: bool) {
        self.knows_us &= !heard && !was_silent;
        self.retry = now + STOP_RETRY;
    }

    fn heard(&mut self, now: Time, event: Event, reply: Reply, reach: Reach) -> Verdict {
        self.fails = 0;
        self.trouble = None;
        self.knows_us = event != Event::Stopped;
        if reply.tracker_id.is_some() {
            self.id.clone_from(&reply.tracker_id);
        }
        let local = reach < Reach::Global;
        let (floor, sooner_floor) =
            if local { (INTERVAL_MIN_LOCAL, SOONER_MIN_LOCAL) } else { (INTERVAL_MIN, SOONER_MIN) };
        let told = |seconds: u64| Span::secs(1).times(seconds);
        let interval = reply.interval_s.map_or(INTERVAL, told).clamp(floor, INTERVAL_MAX);
        let sooner = match reply.min_interval_s {
            Some(seconds) => told(seconds).clamp(sooner_floor, INTERVAL_MAX),
            None => interval.min(SOONER),
        };
        self.soonest = now + sooner;

        let mut news = News::nothing(reach);
        if reply.warning.is_some() && reply.warning != self.warning {
            news.said = reply.warning.as_ref().map(|text| (Level::Warning, self.named(text)));
        }
        self.warning = reply.warning;
        let mut seen = std::collections::BTreeSet::new();
        let peers = reply.peers.iter().map(|peer| SocketAddr::new(address::unmapped(peer.ip()), peer.port()));
        news.peers = peers.filter(|peer| address::may_dial(*peer, reach) && seen.insert(*peer)).collect();
        news.hosts = reply.named.into_iter().map(|peer| (peer.host, peer.port)).collect();
        news.external_ip = reply.external_ip;
        news.complete = reply.complete;
        news.incomplete = reply.incomplete;
        Verdict { news, interval: Some(interval.max(sooner)) }
    }

    fn fail(&mut self, now: Time, rng: &mut fastrand::Rng) {
        let wait = RETRY.times(1 << self.fails.min(16)).min(RETRY_MAX);
        self.fails = self.fails.saturating_add(1);
        self.retry = now + wait + Span(rng.u64(0..=wait.0 / 4));
    }

    fn in_trouble(&mut self, why: String, reach: Reach) -> Verdict {
        let text = self.named(&why);
        let mut news = News::nothing(reach);
        if self.trouble.as_deref() != Some(&text) {
            news.said = Some((Level::Warning, text.clone()));
        }
        self.trouble = Some(text);
        Verdict { news, interval: None }
    }

    /// Only the origin: the rest of a tracker's URL is often a secret.
    fn named(&self, text: &str) -> String {
        format!("tracker {}: {text}", self.url.origin())
    }
}

/// How an announce ended, over whatever protocol.
pub(super) struct Outcome {
    /// It answered, if only with nonsense.
    pub heard: bool,
    from: Option<SocketAddr>,
    meaning: Result<Result<Reply, Refused>, String>,
}

/// The tracker understood and said no.
struct Refused {
    why: String,
    retry_in: Option<RetryIn>,
}

impl Outcome {
    /// Over HTTP.
    pub fn fetched(result: Result<Fetched, String>) -> Outcome {
        let from = result.as_ref().ok().and_then(|fetched| fetched.from);
        Outcome { heard: result.is_ok(), from, meaning: result.and_then(understood) }
    }

    /// No answer, and why.
    pub fn failed(why: String) -> Outcome {
        Outcome { heard: false, from: None, meaning: Err(why) }
    }

    pub fn told(reply: Reply, from: SocketAddr) -> Outcome {
        Outcome { heard: true, from: Some(from), meaning: Ok(Ok(reply)) }
    }

    pub fn refused(why: String, from: SocketAddr) -> Outcome {
        Outcome { heard: true, from: Some(from), meaning: Ok(Err(Refused::new(why, None))) }
    }
}

impl Refused {
    fn new(why: String, retry_in: Option<RetryIn>) -> Refused {
        let why = if why.is_empty() { "it refused without a reason".into() } else { why };
        Refused { why, retry_in }
    }
}

/// What an HTTP reply means. A failure reason counts whatever the status; anything else only with status 200.
fn understood(fetched: Fetched) -> Result<Result<Reply, Refused>, String> {
    match announce::parse(&fetched.body) {
        Ok(Reply { failure: Some(why), retry_in, .. }) => Ok(Err(Refused::new(why, retry_in))),
        _ if fetched.status != 200 => Err(format!("it answered with HTTP status {}", fetched.status)),
        Ok(reply) => Ok(Ok(reply)),
        Err(error) => Err(error.to_string()),
    }
}
