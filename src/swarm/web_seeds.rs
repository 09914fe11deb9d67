//! The web seeds of a torrent: where each is, when it is tried, and what became of it.
//!
//! A name is looked up, then the addresses are tried one after the other. Addresses of this machine and of local
//! networks are believed only of whoever is there, as peers are (RELIABILITY: SSRF), at every redirect as well.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use super::web::place::{Names, Place};
use super::web::{Carried, Refusal, Web};
use crate::base::address::{Reach, may_dial, reach};
use crate::base::limits::{REDIRECTS, WEB_SEEDS_ACTIVE};
use crate::base::{Geometry, JobId, PeerId, Span, Time, TorrentId};
use crate::machine::{Closed, Job, Level, Note, Outbox};
use crate::metainfo::Metainfo;
use crate::wire::url::Scheme;

/// First wait after a failure; doubles up to …
const RETRY: Span = Span::secs(5);
/// … this, which is also the wait where trying again soon is no use.
const RETRY_MAX: Span = Span::secs(1800);
/// Wait for a place among the connections to a host.
const HOST_WAIT: Span = Span::secs(1);
/// Longest wait that a server can ask for.
const RETRY_AFTER_MAX: Span = Span::secs(3600);
/// Addresses are looked up anew after this.
const ADDRESS_AGE: Span = Span::secs(300);
/// Addresses kept of a name.
const ADDRESSES_MAX: usize = 8;
/// Files missing at a web seed before it is left alone for a while.
const MISSING_MAX: usize = 64;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// Nothing is done before then.
    Waits(Time),
    Resolving(JobId),
    /// It may be dialled, since then.
    Ready(Time),
    Connected,
    /// Not in this run any more.
    Dropped,
}

#[derive(Debug)]
struct Seed {
    /// As the torrent names it, and where that led.
    first: Place,
    place: Place,
    /// How far who named it is, and who led on from there: more local addresses are not believed.
    named_by: Reach,
    led_by: Reach,
    state: State,
    addresses: Vec<SocketAddr>,
    resolved: Time,
    /// Addresses that did not answer, one after the other.
    tried_count: usize,
    hop_count: u32,
    failure_count: u32,
    /// Files that are not there, or other files.
    missing: BTreeSet<u32>,
    may_pipeline: bool,
    /// Of the block that was under way when the last connection ended.
    carried: Option<Carried>,
    trouble: String,
}

/// How a connection to a web seed ended.
#[derive(Debug)]
pub enum End<'a> {
    /// It could not be made, or nothing came of it.
    Failed,
    /// The other side closed it.
    Closed,
    /// There is no secure connection to be had.
    Untrusted,
    Refused(&'a Refusal),
    /// We have no use for it now.
    NotNeeded,
}

impl End<'_> {
    pub fn of(reason: Closed) -> Self {
        if reason == Closed::Untrusted { End::Untrusted } else { End::Closed }
    }
}

#[derive(Debug)]
pub struct WebSeeds {
    torrent: TorrentId,
    names: Names,
    seeds: Vec<Seed>,
}

impl WebSeeds {
    /// Those that the torrent names, whose word came from as far away as `named_by`.
    pub fn new(torrent: TorrentId, metainfo: &Metainfo, named_by: Reach) -> WebSeeds {
        // Most torrents name none, and a large one's names take a moment.
        let names = if metainfo.web_seeds.is_empty() { Names::default() } else { Names::of(metainfo) };
        let places = metainfo.web_seeds.iter().filter_map(|text| Place::parse(text, &names));
        let seeds = places.map(|place| Seed::new(place, named_by)).collect();
        WebSeeds { torrent, names, seeds }
    }

    /// When [`Self::look`] has something to do, while something is missing.
    pub fn next_look(&self) -> Option<Time> {
        let waits = |seed: &Seed| if let State::Waits(until) = seed.state { Some(until) } else { None };
        if self.busy_count() < WEB_SEEDS_ACTIVE { self.seeds.iter().filter_map(waits).min() } else { None }
    }

    fn busy_count(&self) -> usize {
        let is_busy = |seed: &&Seed| matches!(seed.state, State::Resolving(_) | State::Ready(_) | State::Connected);
        self.seeds.iter().filter(is_busy).count()
    }

    /// Makes those ready whose time has come.
    pub fn look(&mut self, now: Time, out: &mut Outbox) {
        let mut room = WEB_SEEDS_ACTIVE.saturating_sub(self.busy_count());
        for seed in &mut self.seeds {
            if room > 0 && matches!(seed.state, State::Waits(until) if until <= now) {
                room -= 1;
                seed.get_ready(now, out);
            }
        }
    }

    /// A look-up ended. False where it was none of these.
    pub fn resolved(
        &mut self,
        id: JobId,
        result: &Result<Vec<SocketAddr>, String>,
        now: Time,
        out: &mut Outbox,
    ) -> bool {
        let Some(seed) = self.seeds.iter_mut().find(|seed| seed.state == State::Resolving(id)) else {
            return false;
        };
        let text = match result {
            Err(text) => text.clone(),
            Ok(addresses) => {
                seed.addresses = addresses.iter().copied().take(ADDRESSES_MAX).collect();
                let believed = seed.named_by.max(seed.led_by);
                seed.addresses.retain(|address| may_dial(*address, believed) && may_ask(&seed.place, *address));
                (seed.resolved, seed.state) = (now, State::Ready(now));
                if !seed.addresses.is_empty() {
                    return true;
                }
                "its address is on a local network, which nobody from outside may name".into()
            }
        };
        seed.fail(now);
        let said = seed.trouble(text);
        self.say(said, out);
        true
    }

    /// The address to dial next, and since when it waits.
    pub fn next_dial(&self) -> Option<(Time, SocketAddr)> {
        self.ready().map(|(_, since, address)| (since, address))
    }

    fn ready(&self) -> Option<(usize, Time, SocketAddr)> {
        let ready = self.seeds.iter().enumerate().filter_map(|(index, seed)| match seed.state {
            State::Ready(since) => seed.addresses.first().map(|address| (index, since, *address)),
            _ => None,
        });
        ready.min_by_key(|(_, since, _)| *since)
    }

    /// Takes the next one to dial: its address, its name where TLS is spoken, and what is asked over the connection.
    pub fn dial(
        &mut self,
        geometry: Geometry,
        now: Time,
        out: &mut Outbox,
    ) -> Option<(SocketAddr, Option<String>, Web)> {
        let (index, _, address) = self.ready()?;
        let seed = self.seeds.get_mut(index)?;
        if !out.web_hosts.take(&seed.place.url.host) {
            seed.state = State::Waits(now + HOST_WAIT);
            return None;
        }
        seed.state = State::Connected;
        let secure = (seed.place.url.scheme == Scheme::Https).then(|| seed.place.url.host.clone());
        let (place, names, carried) = (seed.place.clone(), self.names.clone(), seed.carried.take());
        let web = Web::new(index, place, names, geometry, seed.may_pipeline, carried);
        Some((address, secure, web))
    }

    /// Files that this one does not have.
    pub fn missing(&self, seed: usize) -> Option<&BTreeSet<u32>> {
        self.seeds.get(seed).map(|seed| &seed.missing).filter(|missing| !missing.is_empty())
    }

    /// A name for it among the peers of this torrent.
    pub fn peer_id(seed: usize) -> PeerId {
        let mut id = *b"-WS0000-............";
        id[12..].copy_from_slice(&(seed as u64).to_be_bytes());
        PeerId(id)
    }

    /// What came of a block is kept until it is asked for again.
    pub fn carry(&mut self, seed: usize, carried: Option<Carried>) {
        if let Some(seed) = self.seeds.get_mut(seed) {
            seed.carried = carried;
        }
    }

    /// A connection is gone that led to `remote`.
    pub fn ended(&mut self, web: &Web, remote: SocketAddr, end: End<'_>, now: Time, out: &mut Outbox) {
        let was_useful = web.has_answered();
        let file_count = self.names.files.iter().filter(|file| !file.pad && file.len > 0).count();
        let Some(seed) = self.seeds.get_mut(web.seed) else { return };
        out.web_hosts.give_back(&seed.place.url.host);
        if seed.state == State::Dropped {
            return;
        }
        if was_useful {
            (seed.failure_count, seed.hop_count, seed.tried_count) = (0, 0, 0);
        }
        let said = match end {
            End::NotNeeded => {
                seed.state = State::Waits(now + RETRY.times(2));
                None
            }
            End::Closed | End::Refused(Refusal::Over) if was_useful => {
                // Some answer what was asked before the end of an answer, others forget it.
                seed.may_pipeline &= web.asked_count() <= 1 || matches!(end, End::Refused(_));
                seed.state = State::Waits(now);
                None
            }
            End::Closed | End::Failed | End::Refused(Refusal::Over) => {
                seed.try_next(now);
                seed.trouble("it does not answer".into())
            }
            End::Untrusted => {
                seed.try_next(now);
                seed.trouble("no secure connection: its certificate is not believed, or it speaks no TLS".into())
            }
            End::Refused(Refusal::Moved { file, to }) => seed.follow(&self.names, *file, to, remote, now),
            End::Refused(refusal) => seed.refuse(refusal, file_count, now),
        };
        self.say(said, out);
    }

    /// It sent wrong data: it is not used any more.
    pub fn convict(&mut self, seed: usize, out: &mut Outbox) {
        if let Some(seed) = self.seeds.get_mut(seed) {
            seed.state = State::Dropped;
            let said = seed.trouble("it sent wrong data, and is not used any more".into());
            self.say(said, out);
        }
    }

    fn say(&self, text: Option<String>, out: &mut Outbox) {
        if let Some(text) = text {
            out.tell(Note::Said { torrent: self.torrent, level: Level::Warning, text });
        }
    }
}

/// Whether a server at this address may be asked for that: a local one is not asked to do things by what somebody wrote
/// into a torrent, so no query goes there.
fn may_ask(place: &Place, address: SocketAddr) -> bool {
    reach(address.ip()) == Reach::Global || !place.url.path.contains('?')
}

impl Seed {
    fn new(place: Place, named_by: Reach) -> Seed {
        Seed {
            first: place.clone(),
            place,
            named_by,
            led_by: Reach::Nowhere,
            state: State::Waits(Time::ZERO),
            addresses: Vec::new(),
            resolved: Time::ZERO,
            tried_count: 0,
            hop_count: 0,
            failure_count: 0,
            missing: BTreeSet::new(),
            may_pipeline: true,
            carried: None,
            trouble: String::new(),
        }
    }

    fn get_ready(&mut self, now: Time, out: &mut Outbox) {
        if !self.addresses.is_empty() && now.since(self.resolved) < ADDRESS_AGE {
            self.state = State::Ready(now);
            return;
        }
        let id = out.new_job();
        self.state = State::Resolving(id);
        let url = &self.place.url;
        let for_tls = url.scheme == Scheme::Https;
        out.job(Job::Resolve { id, host: url.host.clone(), port: url.port_or_default(), for_tls });
    }

    /// This address did not answer: another one does, perhaps.
    fn try_next(&mut self, now: Time) {
        self.tried_count += 1;
        if self.tried_count >= self.addresses.len() {
            return self.fail(now);
        }
        self.addresses.rotate_left(1);
        self.state = State::Waits(now);
    }

    /// A failure: the wait grows with every one in a row.
    fn fail(&mut self, now: Time) {
        let wait = RETRY.times(1 << self.failure_count.min(12)).min(RETRY_MAX);
        self.rest(now, wait);
    }

    /// Nothing will come of it for a while. Then it begins where the torrent says.
    fn rest(&mut self, now: Time, wait: Span) {
        self.failure_count += 1;
        (self.hop_count, self.tried_count) = (0, 0);
        (self.place, self.led_by) = (self.first.clone(), Reach::Nowhere);
        self.addresses.clear();
        self.state = State::Waits(now + wait);
    }

    fn follow(&mut self, names: &Names, file: u32, to: &str, from: SocketAddr, now: Time) -> Option<String> {
        self.hop_count += 1;
        let place = self.place.moved(names, file, to).filter(|_| self.hop_count <= REDIRECTS);
        let Some(place) = place else {
            let text = match self.hop_count <= REDIRECTS {
                true => "it leads somewhere that cannot be followed",
                false => "it leads from one place to the next without an end",
            };
            self.rest(now, RETRY_MAX);
            return self.trouble(text.into());
        };
        if !place.url.same_origin(&self.place.url) {
            self.addresses.clear();
        }
        self.led_by = self.led_by.max(reach(from.ip()));
        (self.place, self.state) = (place, State::Waits(now));
        None
    }

    fn refuse(&mut self, refusal: &Refusal, file_count: usize, now: Time) -> Option<String> {
        match refusal {
            Refusal::Missing { file, .. } | Refusal::OtherLength { file } => {
                self.missing.insert(*file);
                if self.missing.len() < file_count.min(MISSING_MAX) {
                    self.state = State::Waits(now);
                    return None;
                }
                self.missing.clear();
                self.rest(now, RETRY_MAX);
            }
            Refusal::Busy { retry_after_s: Some(wait_s), .. } => {
                let asked = Span::secs((*wait_s).min(RETRY_AFTER_MAX.0 / 1_000_000));
                self.rest(now, asked.max(RETRY));
            }
            Refusal::Busy { .. } | Refusal::Nonsense(_) => self.fail(now),
            Refusal::NoRanges => self.state = State::Dropped,
            Refusal::Refused { .. } | Refusal::Moved { .. } | Refusal::Over => self.rest(now, RETRY_MAX),
        }
        self.trouble(refusal.to_string())
    }

    /// Remembers what is wrong; a line for people where it is news.
    fn trouble(&mut self, text: String) -> Option<String> {
        if self.trouble == text {
            return None;
        }
        self.trouble = text;
        Some(format!("web seed {}: {}", self.first.url.origin(), self.trouble))
    }
}

#[cfg(test)]
mod tests;
