//! Announces and scrapes over HTTP: the question in a URL, the answer in bencode (BEP 3, 7, 23, 24, 31, 48).

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::bencode::{self, Value};
use super::url::{Url, percent_encode};
use crate::base::{InfoHash, PeerId, limits};

/// What an announce says besides its numbers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Event {
    /// A regular one.
    None,
    Started,
    Completed,
    Stopped,
}

/// One announce. Bytes count payload of this run.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    pub info_hash: InfoHash,
    pub peer_id: PeerId,
    /// Where peers reach us.
    pub port: u16,
    pub uploaded: u64,
    pub downloaded: u64,
    pub left: u64,
    /// Peers wanted.
    pub numwant: u32,
    /// Lets the tracker know us again when our address changes.
    pub key: u32,
    pub event: Event,
    /// What the tracker called itself in an earlier reply.
    pub tracker_id: Option<&'a [u8]>,
}

/// The URL of an announce. A query the tracker's URL has already (a passkey, often) stays in front.
pub fn announce_url(tracker: &Url, request: &Request<'_>) -> String {
    let mut url = base_url(tracker);
    let target = tracker.target();
    url.push_str(&target);
    url.push_str(match target.find('?') {
        None => "?",
        Some(at) if at + 1 == target.len() || target.ends_with('&') => "",
        Some(_) => "&",
    });
    url.push_str("info_hash=");
    url.push_str(&percent_encode(&request.info_hash.0));
    url.push_str("&peer_id=");
    url.push_str(&percent_encode(&request.peer_id.0));
    for (name, value) in [
        ("port", u64::from(request.port)),
        ("uploaded", request.uploaded),
        ("downloaded", request.downloaded),
        ("left", request.left),
        ("compact", 1),
        ("numwant", u64::from(request.numwant)),
    ] {
        url.push_str(&format!("&{name}={value}"));
    }
    url.push_str(&format!("&key={:08x}", request.key));
    url.push_str(match request.event {
        Event::None => "",
        Event::Started => "&event=started",
        Event::Completed => "&event=completed",
        Event::Stopped => "&event=stopped",
    });
    if let Some(id) = request.tracker_id {
        url.push_str("&trackerid=");
        url.push_str(&percent_encode(id));
    }
    url
}

/// Scheme, userinfo, host and port.
fn base_url(url: &Url) -> String {
    let at = if url.userinfo.is_empty() { "" } else { "@" };
    let port = url.port.map_or(String::new(), |port| format!(":{port}"));
    format!("{}://{}{at}{}{port}", url.scheme.name(), url.userinfo, url.bracketed_host())
}

/// When a tracker that failed may be asked again (BEP 31).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RetryIn {
    Minutes(u64),
    Never,
}

/// A peer as a tracker tells it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Peer {
    /// An address, or a name of at most 253 printable characters that is still to be looked up.
    pub host: String,
    /// Never 0.
    pub port: u16,
    pub peer_id: Option<PeerId>,
}

/// A tracker's answer. Intervals are as told; who uses them bounds them.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Reply {
    /// The announce was refused, and why. Then nothing but `retry_in` counts.
    pub failure: Option<String>,
    pub retry_in: Option<RetryIn>,
    pub warning: Option<String>,
    /// Seconds until the next regular announce, and the least until any.
    pub interval_s: Option<u64>,
    pub min_interval_s: Option<u64>,
    /// To be echoed; at most [`TRACKER_ID_LEN`] bytes.
    pub tracker_id: Option<Vec<u8>>,
    /// Peers with everything, without, and completed downloads.
    pub complete: Option<u32>,
    pub incomplete: Option<u32>,
    pub downloaded: Option<u32>,
    /// Our address as the tracker sees it (BEP 24).
    pub external_ip: Option<IpAddr>,
    /// With `named`, at most [`limits::REPLY_PEERS`].
    pub peers: Vec<SocketAddr>,
    /// Peers told by name, at most [`NAMED_PEERS`].
    pub named: Vec<Peer>,
}

/// Longest tracker id echoed.
pub const TRACKER_ID_LEN: usize = 128;
/// Peers told by name that are believed of one reply: each costs a look-up.
pub const NAMED_PEERS: usize = 50;
/// Characters of a tracker's message that are shown.
const MESSAGE_CHARS: usize = 300;

/// Why a reply cannot be understood.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReplyError {
    Bencode(bencode::Error),
    /// Something else than a dictionary.
    NoDict,
    /// A scrape without `files`.
    NoFiles,
    /// A peer without a usable address or port.
    Peer,
}

impl fmt::Display for ReplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReplyError::Bencode(error) => write!(f, "the reply is no bencode: {error}"),
            ReplyError::NoDict => f.write_str("the reply is no dictionary"),
            ReplyError::NoFiles => f.write_str("the reply names no torrents"),
            ReplyError::Peer => f.write_str("a peer has no usable address or port"),
        }
    }
}

impl std::error::Error for ReplyError {}

/// Reads the body of an announce's reply. Peers that make no sense are left out.
pub fn parse(body: &[u8]) -> Result<Reply, ReplyError> {
    let dict = dictionary(body)?;
    let mut reply = Reply::default();
    let mut refused = 0;
    for (key, value) in dict.entries() {
        match key {
            b"failure reason" => reply.failure = message(value),
            b"retry in" => reply.retry_in = retry_in(value),
            b"warning message" => reply.warning = message(value),
            b"interval" => reply.interval_s = natural(value),
            b"min interval" => reply.min_interval_s = natural(value),
            b"tracker id" => {
                reply.tracker_id =
                    value.as_bytes().filter(|id| (1..=TRACKER_ID_LEN).contains(&id.len())).map(<[u8]>::to_vec);
            }
            b"complete" => reply.complete = count(value),
            b"incomplete" => reply.incomplete = count(value),
            b"downloaded" => reply.downloaded = count(value),
            b"external ip" => reply.external_ip = value.as_bytes().and_then(address),
            b"peers" if value.is_list() => {
                for peer in value.items() {
                    match parse_peer(peer) {
                        Ok(peer) => reply.add(peer),
                        Err(_) => refused += 1,
                    }
                }
            }
            b"peers" => reply.add_compact::<6>(value),
            b"peers6" => reply.add_compact::<18>(value),
            _ => {}
        }
    }
    if refused > 0 {
        log::debug!("{refused} peers of a tracker's reply make no sense");
    }
    Ok(reply)
}

/// Reads one entry of a dictionary-style peer list (BEP 3).
pub fn parse_peer(value: Value<'_>) -> Result<Peer, ReplyError> {
    let host = value.get("ip").and_then(Value::as_text).ok_or(ReplyError::Peer)?;
    let port = value.get("port").and_then(Value::as_int).and_then(|port| u16::try_from(port).ok());
    let port = port.filter(|&port| port != 0).ok_or(ReplyError::Peer)?;
    if !(1..=253).contains(&host.len()) || !host.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(ReplyError::Peer);
    }
    let peer_id = value.get("peer id").and_then(Value::as_bytes).and_then(|id| id.try_into().ok()).map(PeerId);
    Ok(Peer { host: host.to_string(), port, peer_id })
}

impl Reply {
    fn add(&mut self, peer: Peer) {
        match peer.host.parse() {
            Ok(ip) if self.has_room() => self.peers.push(SocketAddr::new(ip, peer.port)),
            Err(_) if self.has_room() && self.named.len() < NAMED_PEERS => self.named.push(peer),
            _ => {}
        }
    }

    /// Peers of `N` bytes each: an address and a port (BEP 23, BEP 7). A broken one at the end is left out.
    fn add_compact<const N: usize>(&mut self, value: Value<'_>) {
        for peer in value.as_bytes().unwrap_or_default().chunks_exact(N) {
            let Some((ip, port)) = peer.split_last_chunk::<2>().and_then(|(ip, port)| Some((address(ip)?, port)))
            else {
                continue;
            };
            let port = u16::from_be_bytes(*port);
            if port != 0 && self.has_room() {
                self.peers.push(SocketAddr::new(ip, port));
            }
        }
    }

    fn has_room(&self) -> bool {
        self.peers.len() + self.named.len() < limits::REPLY_PEERS
    }
}

/// What a scrape tells of one torrent (BEP 48).
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Scraped {
    pub complete: Option<u32>,
    pub incomplete: Option<u32>,
    pub downloaded: Option<u32>,
    /// Peers that are downloading now, where the tracker tells them from the incomplete ones.
    pub downloaders: Option<u32>,
}

/// Reads the body of a scrape's reply; torrents that were not asked for are left out.
pub fn parse_scrape(body: &[u8], asked: &[InfoHash]) -> Result<BTreeMap<InfoHash, Scraped>, ReplyError> {
    let files = dictionary(body)?.get("files").filter(|files| files.is_dict()).ok_or(ReplyError::NoFiles)?;
    let mut found = BTreeMap::new();
    for (key, value) in files.entries() {
        let Ok(hash) = key.try_into().map(InfoHash) else { continue };
        if asked.contains(&hash) {
            let number = |name: &str| value.get(name).and_then(count);
            let scraped = Scraped {
                complete: number("complete"),
                incomplete: number("incomplete"),
                downloaded: number("downloaded"),
                downloaders: number("downloaders"),
            };
            found.insert(hash, scraped);
        }
    }
    Ok(found)
}

/// The dictionary that a body is. Blanks and line ends after it are the work of scripts and mean nothing.
fn dictionary(body: &[u8]) -> Result<Value<'_>, ReplyError> {
    let value = bencode::parse(body.trim_ascii_end()).or_else(|error| bencode::parse(body).map_err(|_| error));
    value.map_err(ReplyError::Bencode).and_then(|v| if v.is_dict() { Ok(v) } else { Err(ReplyError::NoDict) })
}

/// 4 bytes are an IPv4 address, 16 an IPv6 one.
fn address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        return Some(IpAddr::V4(Ipv4Addr::from(v4)));
    }
    <[u8; 16]>::try_from(bytes).ok().map(|v6| IpAddr::V6(Ipv6Addr::from(v6)))
}

fn natural(value: Value<'_>) -> Option<u64> {
    value.as_int().and_then(|number| u64::try_from(number).ok())
}

/// Negative numbers are some trackers' way of saying "unknown".
fn count(value: Value<'_>) -> Option<u32> {
    natural(value).map(|number| u32::try_from(number).unwrap_or(u32::MAX))
}

fn retry_in(value: Value<'_>) -> Option<RetryIn> {
    if value.as_bytes() == Some(b"never") {
        return Some(RetryIn::Never);
    }
    let text = value.as_text().and_then(|text| text.parse().ok());
    natural(value).or(text).map(RetryIn::Minutes)
}

fn message(value: Value<'_>) -> Option<String> {
    value.as_bytes().map(shown)
}

/// A tracker's words, safe for a terminal: one line, without control characters, not endless.
pub(super) fn shown(words: &[u8]) -> String {
    let shown = |c: char| if c.is_control() || is_bidi(c) { ' ' } else { c };
    String::from_utf8_lossy(words).trim().chars().take(MESSAGE_CHARS).map(shown).collect()
}

/// Characters that turn the direction of text around, and so can make it read as what it is not.
fn is_bidi(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> Request<'static> {
        Request {
            info_hash: InfoHash(*b"\x12\x34\x56\x78\x9a\xbc\xde\xf1\x23\x45\x67\x89\xab\xcd\xef\x12\x34\x56\x78\x9a"),
            peer_id: PeerId(*b"-PL0100-~._\x00 a&=+/%#"),
            port: 6881,
            uploaded: 1,
            downloaded: 22,
            left: u64::MAX,
            numwant: 100,
            key: 0xbeef,
            event: Event::None,
            tracker_id: None,
        }
    }

    #[test]
    fn an_announce_is_encoded_exactly() {
        let tracker = Url::parse("http://u:p@[::1]:7000/announce").unwrap();
        let numbers = "&port=6881&uploaded=1&downloaded=22&left=18446744073709551615&compact=1&numwant=100";
        let names =
            "info_hash=%124Vx%9A%BC%DE%F1%23Eg%89%AB%CD%EF%124Vx%9A&peer_id=-PL0100-~._%00%20a%26%3D%2B%2F%25%23";
        assert_eq!(
            announce_url(&tracker, &request()),
            format!("http://u:p@[::1]:7000/announce?{names}{numbers}&key=0000beef")
        );
        let stopped = Request { event: Event::Stopped, tracker_id: Some(b"a b"), ..request() };
        assert!(announce_url(&tracker, &stopped).ends_with("&key=0000beef&event=stopped&trackerid=a%20b"));
    }

    #[test]
    fn a_query_of_the_tracker_stays() {
        for (tracker, start) in [
            ("http://t.example/a", "http://t.example/a?info_hash="),
            ("http://t.example", "http://t.example/?info_hash="),
            ("http://t.example/a?", "http://t.example/a?info_hash="),
            ("http://t.example/a?passkey=%2fx", "http://t.example/a?passkey=%2fx&info_hash="),
            ("http://t.example/a?passkey=x&#top", "http://t.example/a?passkey=x&info_hash="),
        ] {
            let url = announce_url(&Url::parse(tracker).unwrap(), &request());
            assert!(url.starts_with(start), "{url}");
            Url::parse(&url).unwrap();
        }
    }

    #[test]
    fn replies_of_every_kind_are_read() {
        let reply = parse(
            b"d8:completei5e10:incompletei-1e8:intervali1800e12:min intervali60e11:external ip4:\x01\x02\x03\x04\
              5:peers13:\x05\x06\x07\x08\x1a\xe1\x09\x09\x09\x09\x00\x00x10:tracker id3:abc15:warning message4:a\x1b[me",
        )
        .unwrap();
        assert_eq!((reply.complete, reply.incomplete), (Some(5), None));
        assert_eq!((reply.interval_s, reply.min_interval_s), (Some(1800), Some(60)));
        assert_eq!(reply.external_ip, Some(IpAddr::from([1, 2, 3, 4])));
        assert_eq!(reply.peers, ["5.6.7.8:6881".parse().unwrap()]);
        assert_eq!(reply.tracker_id.as_deref(), Some(&b"abc"[..]));
        assert_eq!(reply.warning.as_deref(), Some("a [m"));

        let failed = parse(b"d14:failure reason4:full8:retry ini5ee\r\n").unwrap();
        assert_eq!((failed.failure.as_deref(), failed.retry_in), (Some("full"), Some(RetryIn::Minutes(5))));
        let never = parse(b"d14:failure reason0:8:retry in5:nevere").unwrap();
        assert_eq!((never.failure.as_deref(), never.retry_in), (Some(""), Some(RetryIn::Never)));

        let dicts = parse(
            b"d5:peersld2:ip9:127.0.0.14:porti1eed2:ip3:::14:porti2eed2:ip4:host4:porti3eed2:ip1:x4:porti0eei5eee",
        )
        .unwrap();
        assert_eq!(dicts.peers, ["127.0.0.1:1".parse().unwrap(), "[::1]:2".parse().unwrap()]);
        assert_eq!(dicts.named, [Peer { host: "host".into(), port: 3, peer_id: None }]);
    }

    #[test]
    fn nonsense_is_an_error_and_never_more() {
        for body in [&b""[..], b"le", b"4:fail", b"<html>", b"d5:peers", b"d8:intervali1800ee!"] {
            assert!(parse(body).is_err(), "{}", body.escape_ascii());
        }
        let odd = b"d8:completele8:intervali-5e12:min interval1:x5:peersi5e6:peers6le10:tracker idi1ee";
        assert_eq!(parse(odd), Ok(Reply::default()));
    }

    #[test]
    fn peers_are_bounded() {
        let mut body = format!("d5:peers{}:", 6 * 5000).into_bytes();
        body.extend([1, 2, 3, 4, 5, 6].repeat(5000));
        body.extend(b"6:peers618:aaaaaaaaaaaaaaaaaae");
        assert_eq!(parse(&body).unwrap().peers.len(), limits::REPLY_PEERS);
        let named = format!("d5:peersl{}ee", "d2:ip1:h4:porti1ee".repeat(3000));
        assert_eq!(parse(named.as_bytes()).unwrap().named.len(), NAMED_PEERS);
    }
}
