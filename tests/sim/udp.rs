//! Datagrams, which get lost, late, doubled and out of order: UDP trackers (BEP 15, 41), by their own reading of the
//! protocol, and whatever hosts say to each other.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use peerlink::base::Span;
use peerlink::machine::Input;

use crate::host::Kind;
use crate::web::Temper;
use crate::world::{Event, World};

const PORT: u16 = 6969;
/// How long a tracker listens to a connection id (BEP 15).
const CONNECTION_AGE: Span = Span::secs(120);

/// Where a tracker is reached, over both families.
pub fn addresses_of(tracker: usize, port: u16) -> [SocketAddr; 2] {
    let number = tracker as u16 + 1;
    let v4 = Ipv4Addr::new(93, 184, 217, number as u8);
    let v6 = Ipv6Addr::new(0x2a01, 0x4f8, 0, 2, 0, 0, 0, number);
    [SocketAddr::new(v4.into(), port), SocketAddr::new(v6.into(), port)]
}

/// Which tracker is there.
pub fn tracker_at(address: SocketAddr) -> Option<usize> {
    let number = match address.ip() {
        IpAddr::V4(ip) if ip.octets()[..3] == [93, 184, 217] => u16::from(ip.octets()[3]),
        IpAddr::V6(ip) if ip.segments()[..4] == [0x2a01, 0x4f8, 0, 2] => ip.segments()[7],
        _ => return None,
    };
    (address.port() == PORT).then(|| usize::from(number) - 1)
}

/// What a node asks a tracker.
#[derive(Debug)]
pub enum Question {
    Connect { transaction: u32 },
    Announce { connection: u64, transaction: u32, query: BTreeMap<String, Vec<u8>> },
}

impl Question {
    pub fn read(bytes: &[u8]) -> Result<Question, String> {
        let number = |at: usize, len: usize| bytes[at..at + len].iter().fold(0, |n, byte| n << 8 | u64::from(*byte));
        if bytes.len() < 16 {
            return Err(format!("{} bytes", bytes.len()));
        }
        let (connection, transaction) = (number(0, 8), number(12, 4) as u32);
        match number(8, 4) {
            0 if connection == 0x417_2710_1980 && bytes.len() == 16 => Ok(Question::Connect { transaction }),
            1 if bytes.len() >= 98 => {
                let mut target = Vec::new();
                let mut options = &bytes[98..];
                while let [2, len, rest @ ..] = options {
                    let Some((part, after)) = rest.split_at_checked(usize::from(*len)) else {
                        return Err("an option that is cut off".into());
                    };
                    target.extend(part);
                    options = after;
                }
                if target != b"/announce" || !options.is_empty() {
                    return Err(format!("the target {}", target.escape_ascii()));
                }
                let event = ["", "completed", "started", "stopped"].get(number(80, 4) as usize);
                let event = event.ok_or("an event that is none")?;
                let numbers = [
                    ("downloaded", 56, 8),
                    ("left", 64, 8),
                    ("uploaded", 72, 8),
                    ("port", 96, 2),
                    ("numwant", 92, 4),
                ];
                let mut query: BTreeMap<String, Vec<u8>> = numbers
                    .into_iter()
                    .map(|(key, at, len)| (key.to_string(), number(at, len).to_string().into_bytes()))
                    .collect();
                query.insert("info_hash".into(), bytes[16..36].to_vec());
                query.insert("peer_id".into(), bytes[36..56].to_vec());
                query.insert("event".into(), event.as_bytes().to_vec());
                Ok(Question::Announce { connection, transaction, query })
            }
            action => Err(format!("action {action} with connection {connection:x} and {} bytes", bytes.len())),
        }
    }
}

impl World {
    pub fn send_datagram(&mut self, host: usize, to: SocketAddr, bytes: Vec<u8>) {
        let from = self.hosts[host].address;
        // Hosts live in one family only.
        if from.is_ipv4() == to.is_ipv4() {
            self.fly(from, to, bytes, Span::ZERO);
        }
    }

    fn fly(&mut self, from: SocketAddr, to: SocketAddr, bytes: Vec<u8>, wait: Span) {
        let mut trouble = || self.rng.u32(..1000) < self.links.loss_per_mille;
        let (is_lost, is_doubled) = (trouble(), trouble());
        if is_lost {
            return;
        }
        for _ in 0..1 + u32::from(is_doubled) {
            let at = self.now + wait + self.delay();
            self.at(at, Event::Datagram { from, to, bytes: bytes.clone() });
        }
    }

    pub fn datagram(&mut self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        if let Some(tracker) = tracker_at(to) {
            return self.tracker_hears(tracker, from, to, bytes);
        }
        let Some(&host) = self.addresses.get(&to) else { return };
        let is_parted = self.addresses.get(&from).is_some_and(|&other| self.parted(host, other).is_some());
        let there = &self.hosts[host];
        if there.running && !there.dark && !is_parted && matches!(there.kind, Kind::Node(_)) {
            self.input(host, Input::Datagram { from, bytes });
        }
    }

    /// A question to a tracker, which was judged when it was sent.
    fn tracker_hears(&mut self, tracker: usize, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        let Some(&host) = self.addresses.get(&from) else { return };
        let Ok(question) = Question::read(bytes) else { return };
        let lies = self.lies_for(host);
        let now = self.now;
        let Some(there) = self.web.trackers.get_mut(tracker) else { return };
        let temper = there.temper;
        let wait = match temper {
            Temper::Dead | Temper::Silent => return,
            Temper::Slow(ms) => Span::millis(ms),
            _ => Span::millis(self.rng.u64(1..100)),
        };
        let (action, transaction, body): (u32, u32, Vec<u8>) = match question {
            _ if temper == Temper::Garbage => (self.rng.u32(..5), self.rng.u32(..), vec![7; self.rng.usize(..40)]),
            Question::Connect { transaction } if temper == Temper::Busy => (3, transaction, b"busy".to_vec()),
            Question::Connect { transaction } => {
                // Asked twice it gives the same, so that all its answers are good.
                let before = there.connections.get(&from).filter(|(_, until)| *until > now);
                let id = before.map_or(self.rng.u64(..), |(id, _)| *id);
                there.connections.insert(from, (id, now + CONNECTION_AGE));
                (0, transaction, id.to_be_bytes().to_vec())
            }
            Question::Announce { transaction, .. } if temper == Temper::Failing => {
                (3, transaction, b"come back later".to_vec())
            }
            Question::Announce { connection, transaction, query } => {
                let knows = there.connections.get(&from).is_some_and(|(id, until)| *id == connection && *until > now);
                if !knows {
                    (3, transaction, b"who are you".to_vec())
                } else {
                    let heard = there.hear(now, host, from, &query, &mut self.rng);
                    let peers = if temper == Temper::Lying { lies } else { heard };
                    (1, transaction, announced(there.interval_s as u32, &peers, from.is_ipv4()))
                }
            }
        };
        let answer = [&action.to_be_bytes()[..], &transaction.to_be_bytes(), &body].concat();
        if temper == Temper::Lying {
            // Somebody else answers first, and somebody who guesses.
            let stranger = SocketAddr::new(to.ip(), to.port() + 1);
            let guess = [&action.to_be_bytes()[..], &(transaction ^ 1).to_be_bytes(), &body].concat();
            self.fly(stranger, from, answer.clone(), Span::ZERO);
            self.fly(to, from, guess, Span::ZERO);
        }
        self.fly(to, from, answer, wait);
    }
}

/// What follows action and transaction of an announce's answer.
fn announced(interval_s: u32, peers: &[SocketAddr], is_v4: bool) -> Vec<u8> {
    let mut bytes = [interval_s, 1, 1].map(u32::to_be_bytes).concat();
    for peer in peers.iter().filter(|peer| peer.is_ipv4() == is_v4) {
        match peer.ip() {
            IpAddr::V4(ip) => bytes.extend(ip.octets()),
            IpAddr::V6(ip) => bytes.extend(ip.octets()),
        }
        bytes.extend(peer.port().to_be_bytes());
    }
    bytes
}
