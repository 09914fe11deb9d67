//! Simulated trackers: what they know, and how they answer over HTTP (BEP 3, 7, 12, 23) behind `Job::Fetch`; names
//! behind `Job::Resolve`.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use peerlink::base::{JobId, Span, Time};
use peerlink::machine::{Completion, Fetch, Fetched};

use crate::world::{Event, World};

/// How a tracker behaves.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Temper {
    Good,
    /// Answers after so many milliseconds.
    Slow(u64),
    /// Refuses connections.
    Dead,
    /// Accepts and never answers.
    Silent,
    /// Answers with a failure reason.
    Failing,
    /// Answers with status 503.
    Busy,
    /// Answers with something else than bencode.
    Garbage,
    /// Names peers that nobody should dial, and many that are not there.
    Lying,
}

/// What a good tracker hears.
#[derive(Clone, PartialEq, Debug)]
pub struct Heard {
    pub at: Time,
    pub host: usize,
    pub info_hash: Vec<u8>,
    pub event: String,
    pub left: u64,
}

pub struct Tracker {
    pub temper: Temper,
    /// Known peers per info hash, and what they have left.
    pub swarms: BTreeMap<Vec<u8>, BTreeMap<SocketAddr, u64>>,
    pub heard: Vec<Heard>,
    pub interval_s: u64,
    /// Peers as dictionaries instead of packed.
    pub dictionaries: bool,
    /// Names the asker too.
    pub names_asker: bool,
    /// Hands out this `tracker id`.
    pub tracker_id: Option<String>,
    /// Over UDP: who connected, with what id and until when.
    pub connections: BTreeMap<SocketAddr, (u64, Time)>,
}

#[derive(Default)]
pub struct Web {
    pub trackers: Vec<Tracker>,
}

/// An announce on its way.
pub struct Call {
    pub tracker: usize,
    pub id: JobId,
    pub query: BTreeMap<String, Vec<u8>>,
    pub give_up: Time,
    pub len_max: usize,
}

impl Web {
    /// A good tracker; its announce URL.
    pub fn add(&mut self, interval_s: u64) -> String {
        self.trackers.push(Tracker {
            temper: Temper::Good,
            swarms: BTreeMap::new(),
            heard: Vec::new(),
            interval_s,
            dictionaries: false,
            names_asker: false,
            tracker_id: None,
            connections: BTreeMap::new(),
        });
        format!("http://tracker{}.test:8080/announce", self.trackers.len() - 1)
    }

    /// The same over UDP.
    pub fn add_udp(&mut self, interval_s: u64) -> String {
        self.add(interval_s);
        format!("udp://tracker{}.test:6969/announce", self.trackers.len() - 1)
    }
}

/// Tracker number and query of an announce URL.
pub fn parse_url(url: &str) -> Option<(usize, BTreeMap<String, Vec<u8>>)> {
    let rest = url.strip_prefix("http://tracker")?;
    let (number, rest) = rest.split_once(".test:8080/announce")?;
    let query = rest.strip_prefix('?')?;
    let pair = |pair: &str| {
        let (key, value) = pair.split_once('=')?;
        Some((key.to_string(), unescape(value)?))
    };
    Some((number.parse().ok()?, query.split('&').map(pair).collect::<Option<_>>()?))
}

fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut bytes = text.bytes();
    let mut out = Vec::new();
    while let Some(byte) = bytes.next() {
        out.push(if byte == b'%' {
            let digit = |byte: u8| char::from(byte).to_digit(16);
            (digit(bytes.next()?)? * 16 + digit(bytes.next()?)?) as u8
        } else {
            byte
        });
    }
    Some(out)
}

impl World {
    pub fn fetch(&mut self, host: usize, id: JobId, request: Fetch) {
        let Some((tracker, query)) = parse_url(&request.url) else {
            panic!("[tracker] this is no announce: {}", request.url);
        };
        let delay = Span::millis(self.rng.u64(20..200));
        let failed = |text: &str| Completion::Fetched { id, result: Err(text.into()) };
        match self.web.trackers.get(tracker).map_or(Temper::Dead, |tracker| tracker.temper) {
            Temper::Dead => self.web_done(host, delay, failed("connection refused")),
            Temper::Silent => self.web_done(host, request.timeout, failed("timed out")),
            _ => {
                let process = self.hosts[host].process;
                let give_up = self.now + request.timeout;
                let call = Call { tracker, id, query, give_up, len_max: request.len_max };
                self.after(delay, Event::Announce { host, process, call });
            }
        }
    }

    /// The tracker has the announce in hand and answers.
    pub fn announce(&mut self, host: usize, process: u32, call: Call) {
        let lies = reply(1, &self.lies_for(host), false, None);
        let tracker = &mut self.web.trackers[call.tracker];
        let mut wait = Span::millis(self.rng.u64(20..200));
        let (mut status, mut body) = (200, Vec::new());
        match tracker.temper {
            Temper::Failing => body = b"d14:failure reason15:come back later1e".to_vec(),
            Temper::Busy => status = 503,
            Temper::Garbage => body = b"<html>this is a page</html>".to_vec(),
            Temper::Lying => body = lies,
            Temper::Good | Temper::Slow(_) | Temper::Dead | Temper::Silent => {
                if let Temper::Slow(ms) = tracker.temper {
                    wait = Span::millis(ms);
                }
                let peers = tracker.hear(self.now, host, self.hosts[host].address, &call.query, &mut self.rng);
                body = reply(tracker.interval_s, &peers, tracker.dictionaries, tracker.tracker_id.as_deref());
            }
        }
        if self.hosts[host].process != process {
            return;
        }
        let late = self.now + wait > call.give_up;
        let from = Some("93.184.216.34:8080".parse().expect("an address"));
        let result = if late {
            wait = call.give_up - self.now;
            Err("timed out".to_string())
        } else if body.len() > call.len_max {
            Err("reply too long".to_string())
        } else {
            Ok(Fetched { status, body, from })
        };
        self.web_done(host, wait, Completion::Fetched { id: call.id, result });
    }

    /// Addresses that must not be dialled, that are not there, and the asker's own.
    pub fn lies_for(&mut self, host: usize) -> Vec<SocketAddr> {
        let mut peers: Vec<SocketAddr> =
            ["127.0.0.1:22", "10.0.0.1:80", "192.168.1.1:80", "0.0.0.0:5", "224.0.0.1:9"]
                .iter()
                .map(|text| text.parse().expect("an address"))
                .collect();
        for _ in 0..10 {
            let ip = [77, 1, self.rng.u8(..), self.rng.u8(1..)];
            peers.push(SocketAddr::from((ip, self.rng.u16(1000..))));
        }
        peers.push(SocketAddr::from(([77, 1, 1, 1], 0)));
        peers.push(self.hosts[host].address);
        peers
    }

    pub fn resolve(&mut self, host: usize, id: JobId, name: &str, port: u16) {
        let tracker = name.strip_prefix("tracker").and_then(|rest| rest.strip_suffix(".test"));
        if let Some(number) = tracker.and_then(|number| number.parse().ok()) {
            let addresses = crate::udp::addresses_of(number, port).to_vec();
            let wait = Span::millis(self.rng.u64(1..300));
            return self.web_done(host, wait, Completion::Resolved { id, result: Ok(addresses) });
        }
        let number = name.strip_prefix("host").and_then(|rest| rest.strip_suffix(".test"));
        let known = number.and_then(|number| number.parse::<usize>().ok()).and_then(|number| self.hosts.get(number));
        let ip: Option<IpAddr> = name.parse().ok().or(known.map(|host| host.address.ip()));
        let result = ip.map(|ip| vec![SocketAddr::new(ip, port)]).ok_or_else(|| "no such name".to_string());
        let wait = Span::millis(self.rng.u64(1..300));
        self.web_done(host, wait, Completion::Resolved { id, result });
    }
}

impl Tracker {
    /// Takes note of an announce; the peers to answer with.
    pub fn hear(
        &mut self,
        now: Time,
        host: usize,
        address: SocketAddr,
        query: &BTreeMap<String, Vec<u8>>,
        rng: &mut fastrand::Rng,
    ) -> Vec<SocketAddr> {
        let text = |key: &str| String::from_utf8_lossy(query.get(key).map_or(b"", Vec::as_slice)).into_owned();
        let number = |key: &str| text(key).parse::<u64>().unwrap_or_else(|_| panic!("[tracker] no number: {key}"));
        let info_hash = query.get("info_hash").expect("[tracker] an announce has an info hash").clone();
        assert_eq!(info_hash.len(), 20, "[tracker] an info hash has 20 bytes");
        assert_eq!(query.get("peer_id").map_or(0, Vec::len), 20, "[tracker] a peer id has 20 bytes");
        let port = number("port") as u16;
        assert_eq!(port, address.port(), "[tracker] a wrong port was announced");
        let event = text("event");
        assert!(["", "started", "completed", "stopped"].contains(&event.as_str()), "[tracker] event {event}");
        let left = number("left");
        self.heard.push(Heard { at: now, host, info_hash: info_hash.clone(), event: event.clone(), left });
        let swarm = self.swarms.entry(info_hash).or_default();
        if event == "stopped" {
            swarm.remove(&address);
        } else {
            swarm.insert(address, left);
        }
        let wanted = if query.contains_key("numwant") { number("numwant") as usize } else { 50 };
        let mut peers: Vec<SocketAddr> =
            swarm.keys().copied().filter(|&peer| peer != address || self.names_asker).collect();
        rng.shuffle(&mut peers);
        peers.truncate(wanted.min(50));
        if event == "stopped" {
            peers.clear();
        }
        peers
    }
}

/// A bencoded answer.
fn reply(interval_s: u64, peers: &[SocketAddr], dictionaries: bool, tracker_id: Option<&str>) -> Vec<u8> {
    let mut out = format!("d8:completei1e10:incompletei1e8:intervali{interval_s}e").into_bytes();
    if dictionaries {
        out.extend(b"5:peersl");
        for peer in peers {
            let ip = peer.ip().to_string();
            out.extend(format!("d2:ip{}:{ip}4:porti{}ee", ip.len(), peer.port()).bytes());
        }
        out.push(b'e');
    } else {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for peer in peers {
            match peer.ip() {
                IpAddr::V4(ip) => v4.extend([ip.octets().as_slice(), &peer.port().to_be_bytes()].concat()),
                IpAddr::V6(ip) => v6.extend([ip.octets().as_slice(), &peer.port().to_be_bytes()].concat()),
            }
        }
        for (key, packed) in [("5:peers", v4), ("6:peers6", v6)] {
            out.extend(format!("{key}{}:", packed.len()).bytes());
            out.extend(packed);
        }
    }
    if let Some(id) = tracker_id {
        out.extend(format!("10:tracker id{}:{id}", id.len()).bytes());
    }
    out.push(b'e');
    out
}
