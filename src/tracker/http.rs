//! Announces and scrapes over HTTP: the question in a query, the answer in bencode (BEP 3, 7, 21, 23, 24, 31, 48).

use std::net::{IpAddr, SocketAddr};

use super::Tracker;
use super::announce::{Ask, NUMWANT, Told, read_address};
use super::torrents::Counts;
use crate::base::address::{Reach, reach, unmapped};
use crate::base::{ConnId, InfoHash, Time};
use crate::machine::{Command, Outbox};
use crate::wire::announce::Event;
use crate::wire::http::{Method, Reply, Request, arguments, decoded};
use crate::wire::url::percent_decode;

/// Why nobody is served.
pub const NO_KEY: &str = "this tracker is private: its announce URL has a key, and this one is not known";
pub const NOT_SERVED: &str = "this tracker does not serve this torrent";
/// Torrents of one scrape: as many as a head has room for, about.
const SCRAPE_MAX: usize = 200;
/// Bytes of a reply before its peers, about.
const REPLY_LEN: usize = 192;

/// What a path asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum What {
    Announce,
    Scrape,
}

/// `/announce`, `/scrape`, and with the key of a private tracker `/KEY/announce`, `/KEY/scrape`; the key as it stands.
pub fn asked(path: &str) -> Option<(Option<&str>, What)> {
    let mut parts = path.strip_prefix('/')?.split('/');
    let (first, second, none) = (parts.next()?, parts.next(), parts.next());
    let (key, last) = second.map_or((None, first), |second| (Some(first), second));
    let what = match last {
        "announce" => What::Announce,
        "scrape" => What::Scrape,
        _ => return None,
    };
    none.is_none().then_some((key, what))
}

/// A refusal that clients show, and when they may ask again: minutes, or never (BEP 31).
struct Failure {
    why: &'static str,
    retry: Retry,
}

enum Retry {
    Untold,
    Never,
}

const fn failure(why: &'static str) -> Failure {
    Failure { why, retry: Retry::Untold }
}

impl Tracker {
    pub(super) fn request(&mut self, conn: ConnId, request: &Request<'_>, now: Time, out: &mut Outbox) {
        let reply = if matches!(request.head.method, Method::Get | Method::Head) {
            let body = self.answer(request, now, out).unwrap_or_else(|failure| {
                self.numbers.refused += 1;
                refusal(&failure)
            });
            Reply::new(200, "text/plain", body)
        } else {
            Reply::text(405, "Only GET works here.").with("Allow", "GET, HEAD")
        };
        out.push(Command::Answer { conn, reply });
    }

    fn answer(&mut self, request: &Request<'_>, now: Time, out: &mut Outbox) -> Result<Vec<u8>, Failure> {
        let (key, what) = asked(request.head.path).ok_or(failure("there is no such path"))?;
        match what {
            What::Announce => self.numbers.announces_http += 1,
            What::Scrape => self.numbers.scrapes_http += 1,
        }
        if !self.access.admits(key) {
            return Err(Failure { why: NO_KEY, retry: Retry::Never });
        }
        match what {
            What::Announce => self.announced(request, now, out),
            What::Scrape => self.scraped(request.head.query),
        }
    }

    fn announced(&mut self, request: &Request<'_>, now: Time, out: &mut Outbox) -> Result<Vec<u8>, Failure> {
        let asked = Announce::parse(request.head.query)?;
        if !self.access.serves(&asked.info_hash) {
            return Err(Failure { why: NOT_SERVED, retry: Retry::Never });
        }
        let seen = unmapped(request.remote.ip());
        // A client beside its tracker may say where others reach it; of anybody else such a word is worth nothing.
        let told = asked.ip.filter(|told| reach(seen) == Reach::Loopback && reach(*told) > Reach::Loopback);
        let ask = Ask {
            info_hash: asked.info_hash,
            peer: SocketAddr::new(told.unwrap_or(seen), asked.port),
            is_seed: asked.left == Some(0),
            event: asked.event,
            numwant: asked.numwant.unwrap_or(NUMWANT).min(self.options.peers_max),
            both_families: true,
            peer_id: asked.peer_id.as_ref(),
        };
        let (mut v4, mut v6) = std::mem::take(&mut self.found);
        v4.clear();
        v6.clear();
        let told = self.announce(&ask, now, &mut out.rng, (&mut v4, &mut v6));
        let mut body = Vec::with_capacity(REPLY_LEN + v4.len() + v6.len());
        self.head(&mut body, told, seen);
        if asked.wants_dictionaries {
            body.extend_from_slice(b"5:peersl");
            let peers = v4.chunks_exact(6).chain(v6.chunks_exact(18));
            peers.for_each(|peer| self.dictionary(&mut body, &ask.info_hash, peer, asked.wants_ids));
            body.push(b'e');
        } else {
            string(&mut body, b"5:peers", &v4);
            if !v6.is_empty() {
                string(&mut body, b"6:peers6", &v6);
            }
        }
        body.push(b'e');
        self.found = (v4, v6);
        Ok(body)
    }

    /// Everything before the peers, keys in order.
    fn head(&self, body: &mut Vec<u8>, told: Told, seen: IpAddr) {
        let Counts { seeds, leechers, downloaded } = told.counts;
        body.push(b'd');
        int(body, b"8:complete", seeds as u64);
        int(body, b"10:downloaded", downloaded.into());
        match seen {
            IpAddr::V4(v4) => string(body, b"11:external ip", &v4.octets()),
            IpAddr::V6(v6) => string(body, b"11:external ip", &v6.octets()),
        }
        int(body, b"10:incomplete", leechers as u64);
        int(body, b"8:interval", told.interval_s.into());
        int(body, b"12:min interval", u64::from(told.interval_s / 6).max(10));
    }

    /// A peer as BEP 3 had it first.
    fn dictionary(&self, body: &mut Vec<u8>, info_hash: &InfoHash, peer: &[u8], wants_id: bool) {
        let Some(address) = read_address(peer) else { return };
        body.push(b'd');
        string(body, b"2:ip", address.ip().to_string().as_bytes());
        if let Some(id) = self.peer_id(info_hash, peer).filter(|_| wants_id) {
            string(body, b"7:peer id", id);
        }
        int(body, b"4:port", address.port().into());
        body.push(b'e');
    }

    fn scraped(&mut self, query: &str) -> Result<Vec<u8>, Failure> {
        let hashes = arguments(query).filter(|(name, _)| *name == "info_hash").take(SCRAPE_MAX);
        let hashes: Option<Vec<InfoHash>> = hashes.map(|(_, text)| decoded(text).map(InfoHash)).collect();
        let mut hashes = hashes.ok_or(failure("info_hash is not 20 bytes"))?;
        if hashes.is_empty() {
            return Err(failure("a scrape names its torrents here: ?info_hash=..."));
        }
        hashes.sort_unstable();
        hashes.dedup();
        let mut body = Vec::with_capacity(32 + 90 * hashes.len());
        body.extend_from_slice(b"d5:filesd");
        for info_hash in hashes.iter().filter(|info_hash| self.access.serves(info_hash)) {
            let counts = self.counts(info_hash).unwrap_or_default();
            string(&mut body, b"", &info_hash.0);
            body.push(b'd');
            int(&mut body, b"8:complete", counts.seeds as u64);
            int(&mut body, b"10:downloaded", counts.downloaded.into());
            int(&mut body, b"10:incomplete", counts.leechers as u64);
            body.push(b'e');
        }
        body.extend_from_slice(b"ee");
        Ok(body)
    }
}

/// The arguments of an announce.
struct Announce {
    info_hash: InfoHash,
    peer_id: Option<[u8; 20]>,
    ip: Option<IpAddr>,
    port: u16,
    /// None: more than nothing, in whatever way it was said.
    left: Option<u64>,
    event: Event,
    numwant: Option<usize>,
    wants_dictionaries: bool,
    wants_ids: bool,
}

impl Announce {
    /// The first of arguments that are said twice counts.
    fn parse(query: &str) -> Result<Announce, Failure> {
        let (mut info_hash, mut port, mut left, mut event) = (None, None, None, None);
        let (mut peer_id, mut ip, mut numwant) = (None, None, None);
        let (mut wants_dictionaries, mut wants_ids) = (false, true);
        for (name, value) in arguments(query) {
            match name {
                "info_hash" if info_hash.is_none() => info_hash = Some(value),
                "peer_id" if peer_id.is_none() => peer_id = Some(value),
                "port" if port.is_none() => port = Some(value),
                "left" if left.is_none() => left = Some(value),
                "event" if event.is_none() => event = Some(value),
                "numwant" if numwant.is_none() => numwant = Some(value),
                "ip" if ip.is_none() => ip = Some(value),
                "compact" => wants_dictionaries = value == "0",
                "no_peer_id" => wants_ids = value != "1",
                _ => {}
            }
        }
        let info_hash = info_hash.ok_or(failure("info_hash is missing"))?;
        let port = port.ok_or(failure("port is missing"))?;
        Ok(Announce {
            info_hash: decoded(info_hash).map(InfoHash).ok_or(failure("info_hash is not 20 bytes"))?,
            peer_id: peer_id.and_then(decoded),
            ip: ip.and_then(|text| String::from_utf8(percent_decode(text)).ok()?.parse().ok()),
            port: port.parse().map_err(|_| failure("port is not a number from 0 to 65535"))?,
            left: left.and_then(|text| text.parse().ok()),
            event: match event {
                None | Some("" | "empty" | "paused") => Event::None,
                Some("started") => Event::Started,
                Some("completed") => Event::Completed,
                Some("stopped") => Event::Stopped,
                Some(_) => return Err(failure("event is none of started, completed and stopped")),
            },
            // Negative and endless numbers mean "as you like".
            numwant: numwant.and_then(|text| text.parse::<u32>().ok()).map(|count| count as usize),
            wants_dictionaries,
            wants_ids,
        })
    }
}

fn refusal(failure: &Failure) -> Vec<u8> {
    let mut body = b"d".to_vec();
    string(&mut body, b"14:failure reason", failure.why.as_bytes());
    if matches!(failure.retry, Retry::Never) {
        string(&mut body, b"8:retry in", b"never");
    }
    body.push(b'e');
    body
}

/// A key that is written out, and a number.
fn int(to: &mut Vec<u8>, key: &[u8], value: u64) {
    to.extend_from_slice(key);
    to.push(b'i');
    digits(to, value);
    to.push(b'e');
}

/// A key that is written out, and a string.
fn string(to: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    to.extend_from_slice(key);
    digits(to, value.len() as u64);
    to.push(b':');
    to.extend_from_slice(value);
}

fn digits(to: &mut Vec<u8>, value: u64) {
    if value >= 10 {
        digits(to, value / 10);
    }
    to.push(b'0' + (value % 10) as u8);
}
