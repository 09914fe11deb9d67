//! The web threads: HTTP(S) fetches and name look-ups for the machines, off the loop.
//!
//! Each job gets exactly one completion, within its time-out once it has begun. At most eight fetches run at once, at most one per
//! host, goodbyes to trackers apart; when a host does not answer, everything that waits for it fails with it instead of waiting in turn.
//!
//! Where a fetch may lead is checked on the addresses actually connected to, at every hop: never from a global
//! address to a local one, nowhere that is no place, and for announces on this machine only to `/announce`
//! (another service here must not be reachable through somebody's torrent).

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::http_call::{self, Ask, Call, Reply};
use super::names::{self, Lookup, Names};
use super::on_demand::{Bounds, More, OnDemand};
use super::way_out::WayOut;
use crate::base::address::{self, Reach};
use crate::base::{JobId, limits};
use crate::machine::{Completion, Fetch, Fetched, Purpose};
use crate::wire::socks::Target;
use crate::wire::url::{self, Scheme, Url};

use super::tls::Trust;

/// What can be set, and what tests put in.
#[derive(Clone)]
pub struct Options {
    /// Certificate authorities that are believed.
    pub trust: Trust,
    /// Most fetches at once.
    pub threads_max: usize,
    /// Most fetches waiting; more fail at once.
    pub jobs_max: usize,
    /// A thread without work for this long ends.
    pub idle: Duration,
    /// How names become addresses.
    pub lookup: Lookup,
    /// How far an address is.
    pub reach: fn(IpAddr) -> Reach,
    /// Most bytes taken from a socket at once.
    pub read_max: usize,
    /// How connections leave. With a proxy, no name is looked up here.
    pub way: WayOut,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            trust: Trust::default(),
            threads_max: 8,
            jobs_max: 1024,
            idle: Duration::from_secs(10),
            lookup: names::system_lookup(),
            reach: address::reach,
            read_max: usize::MAX,
            way: WayOut::of_process(),
        }
    }
}

impl Options {
    /// Believes only the certificate authorities of a PEM file (for trackers with a self-made one).
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub fn with_ca_file(mut self, path: &Path) -> Result<Options, String> {
        self.trust = Trust::of_file(path)?;
        Ok(self)
    }
}

type Deliver = Arc<dyn Fn(Completion) + Send + Sync>;

/// A fetch that waits or runs. Answers even when dropped.
struct Job {
    id: JobId,
    request: Fetch,
    deliver: Option<Deliver>,
}

impl Job {
    fn answer(mut self, result: Result<Fetched, String>) {
        if let Some(deliver) = self.deliver.take() {
            deliver(Completion::Fetched { id: self.id, result });
        }
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        if let Some(deliver) = self.deliver.take() {
            deliver(Completion::Fetched { id: self.id, result: Err("too many requests are waiting".into()) });
        }
    }
}

/// The threads and their queues. Dropping it waits for nothing.
pub struct Web {
    fetches: OnDemand<Job>,
    /// Goodbyes wait behind no fetch that hangs, not even at the same host.
    goodbyes: OnDemand<Job>,
    names: Arc<Names>,
    trust: Trust,
    deliver: Deliver,
}

impl Web {
    /// `deliver` is called from the web threads, and from the caller's thread for what fails at once: it must never
    /// wait.
    pub fn new(options: Options, deliver: impl Fn(Completion) + Send + Sync + 'static) -> Web {
        let names = Arc::new(Names::new(Arc::clone(&options.lookup), options.idle));
        let bounds = |name| Bounds {
            name,
            threads_max: options.threads_max,
            jobs_max: options.jobs_max,
            idle: options.idle,
            stack_len: 256 * 1024,
        };
        let trust = options.trust.clone();
        let (fetches, goodbyes) = (bounds("web"), bounds("bye"));
        let fetcher = Arc::new(Fetcher { options, names: Arc::clone(&names) });
        let run = |fetcher: Arc<Fetcher>| move |job: Job, more: More<'_, Job>| fetcher.run(job, more);
        let (fetches, goodbyes) =
            (OnDemand::new(fetches, run(Arc::clone(&fetcher))), OnDemand::new(goodbyes, run(fetcher)));
        Web { fetches, goodbyes, names, trust, deliver: Arc::new(deliver) }
    }

    /// Answered by [`Completion::Fetched`].
    pub fn fetch(&self, id: JobId, request: Fetch) {
        let key = host_key(&request.url);
        let job = Job { id, request, deliver: Some(Arc::clone(&self.deliver)) };
        // A refused job answers itself when it is dropped.
        let threads = if job.request.purpose == Purpose::Goodbye { &self.goodbyes } else { &self.fetches };
        drop(threads.submit(key, job));
    }

    /// Answered by [`Completion::Resolved`].
    pub fn resolve(&self, id: JobId, host: &str, port: u16, for_tls: bool) {
        let deliver = Arc::clone(&self.deliver);
        if !for_tls {
            return self.names.ask(host, port, move |result| deliver(Completion::Resolved { id, result }));
        }
        let trust = self.trust.clone();
        self.names.ask_elsewhere(host, port, move |result| {
            trust.load();
            deliver(Completion::Resolved { id, result });
        });
    }

    /// Threads alive now, for fetches and for names.
    pub fn thread_counts(&self) -> (usize, usize) {
        (self.fetches.thread_count() + self.goodbyes.thread_count(), self.names.thread_count())
    }
}

/// What queues together: everything for one host and port.
fn host_key(url: &str) -> String {
    Url::parse(url)
        .map_or(String::new(), |url| format!("{}:{}", url.host.to_ascii_lowercase(), url.port_or_default()))
}

struct Fetcher {
    options: Options,
    names: Arc<Names>,
}

/// Why a fetch failed.
enum Failure {
    /// Nothing answers there; asking again for somebody else is no use.
    Host(String),
    /// This request only.
    Request(String),
}

impl From<String> for Failure {
    fn from(text: String) -> Failure {
        Failure::Request(text)
    }
}

impl Fetcher {
    fn run(&self, job: Job, more: More<'_, Job>) {
        match self.fetch(&job.request) {
            Ok(fetched) => job.answer(Ok(fetched)),
            Err(Failure::Request(text)) => job.answer(Err(text)),
            Err(Failure::Host(text)) => {
                while let Some(other) = more() {
                    other.answer(Err(text.clone()));
                }
                job.answer(Err(text));
            }
        }
    }

    /// Follows redirects by hand, since each hop's address is checked.
    fn fetch(&self, request: &Fetch) -> Result<Fetched, Failure> {
        let deadline = Instant::now() + Duration::from_micros(request.timeout.0);
        let mut text = request.url.clone();
        let mut came_from = Reach::Loopback;
        for hop in 0..=limits::REDIRECTS {
            let place = if hop == 0 { "" } else { "redirected, then " };
            let url = Url::parse(&text).map_err(|e| format!("{place}{e}"))?;
            let (stream, from) = self.reach(&url, request, deadline, came_from).map_err(|e| match e {
                Failure::Host(e) if hop == 0 => Failure::Host(e),
                Failure::Host(e) | Failure::Request(e) => Failure::Request(format!("{place}{e}")),
            })?;
            let call = Call {
                url: &url,
                len_max: request.len_max,
                deadline,
                timeout: request.timeout,
                trust: &self.options.trust,
                read_max: self.options.read_max,
                ask: Ask::GET,
            };
            let reply = call.run(stream).map_err(|e| match hop {
                // It took the connection and then all the time there was: the next one would fare no better.
                0 if Instant::now() + Duration::from_millis(5) > deadline => Failure::Host(e),
                _ => Failure::Request(format!("{place}{e}")),
            })?;
            match reply {
                Reply::Body { status, body, .. } => return Ok(Fetched { status, body, from }),
                Reply::Redirect { location } => text = url::resolve(&text, &location),
            }
            came_from = from.map_or(Reach::Global, |from| (self.options.reach)(from.ip()));
        }
        Err(Failure::Request(format!("more than {} redirects", limits::REDIRECTS)))
    }

    /// A connection to where this URL leads, and the address there: of a name, a proxy does not tell it.
    fn reach(
        &self,
        url: &Url,
        request: &Fetch,
        deadline: Instant,
        came_from: Reach,
    ) -> Result<(TcpStream, Option<SocketAddr>), Failure> {
        let way = &self.options.way;
        let Some(proxy) = &way.proxy else {
            let addresses = self.addresses(url, request, deadline, came_from)?;
            let stream = http_call::connect(&addresses, way, deadline, request.timeout).map_err(Failure::Host)?;
            let from = stream.peer_addr().map_err(|e| e.to_string())?;
            return Ok((stream, Some(from)));
        };
        check_scheme(url)?;
        let port = url.port_or_default();
        let named = url.ip().or(url.is_localhost().then_some(Ipv4Addr::LOCALHOST.into()));
        let address = named.map(|ip| SocketAddr::new(ip, port));
        if let Some(refusal) = address.and_then(|address| self.refusal(address, url, request, came_from)) {
            return Err(Failure::Request(refusal));
        }
        let target = Target::of(&url.host, port);
        let stream = http_call::connect_by(proxy, target, way, deadline, request.timeout).map_err(Failure::Host)?;
        Ok((stream, address))
    }

    /// Where this URL may be fetched from, having been sent there by something as far away as `came_from`.
    fn addresses(
        &self,
        url: &Url,
        request: &Fetch,
        deadline: Instant,
        came_from: Reach,
    ) -> Result<Vec<SocketAddr>, Failure> {
        check_scheme(url)?;
        let mut addresses = self.names.wait(&url.host, url.port_or_default(), deadline).map_err(Failure::Host)?;
        let mut refusal = String::new();
        addresses.retain(|address| match self.refusal(*address, url, request, came_from) {
            Some(why) => {
                refusal = why;
                false
            }
            None => true,
        });
        if addresses.is_empty() { Err(Failure::Request(refusal)) } else { Ok(addresses) }
    }

    /// Why this URL may not be fetched from there.
    fn refusal(&self, address: SocketAddr, url: &Url, request: &Fetch, came_from: Reach) -> Option<String> {
        let (reach, path) = ((self.options.reach)(address.ip()), url.bare_path());
        if reach == Reach::Nowhere {
            Some(format!("{address} is no address of a server"))
        } else if reach < came_from {
            Some(format!("{address} is on a local network, which a redirect from outside may not lead to"))
        } else if reach == Reach::Loopback && request.purpose != Purpose::File && !path.starts_with("/announce") {
            Some(format!("a tracker on this machine may only be asked at /announce, not at {path}"))
        } else {
            None
        }
    }
}

fn check_scheme(url: &Url) -> Result<(), Failure> {
    match url.scheme {
        Scheme::Http | Scheme::Https => Ok(()),
        other => Err(Failure::Request(format!("{}: URLs cannot be fetched over HTTP", other.name()))),
    }
}
