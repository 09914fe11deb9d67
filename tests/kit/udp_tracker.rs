//! A UDP tracker of our own (BEP 15, 41), written without the program's code: remembers every announce, answers with
//! everybody else's address, and listens to nobody without a connection id of its own.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Instant;

use super::PATIENCE;

/// One announce.
#[derive(Clone, Debug)]
pub struct Announce {
    pub from: SocketAddr,
    pub info_hash: Vec<u8>,
    pub peer_id: Vec<u8>,
    pub downloaded: u64,
    pub left: u64,
    pub uploaded: u64,
    /// As numbered by BEP 15: 0 none, 1 completed, 2 started, 3 stopped.
    pub event: u32,
    pub key: u32,
    pub port: u16,
    /// Path and query, where told.
    pub target: String,
}

/// Answers until it is dropped.
pub struct UdpTracker {
    pub url: String,
    address: SocketAddr,
    shared: Arc<Shared>,
    answering: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    announces: Mutex<Vec<Announce>>,
    news: Condvar,
    /// Everything but connecting is refused, in these words.
    refusal: Option<String>,
}

impl UdpTracker {
    pub fn new(ip: IpAddr) -> UdpTracker {
        UdpTracker::with(ip, None)
    }

    /// Refuses every announce, in these words.
    pub fn refusing(words: &str) -> UdpTracker {
        UdpTracker::with(IpAddr::from([127, 0, 0, 1]), Some(words.into()))
    }

    fn with(ip: IpAddr, refusal: Option<String>) -> UdpTracker {
        let socket = UdpSocket::bind((ip, 0)).expect("a free port");
        let address = socket.local_addr().expect("it is bound");
        let shared = Arc::new(Shared { refusal, ..Shared::default() });
        let of_thread = shared.clone();
        let answering = std::thread::spawn(move || answer_all(&socket, &of_thread));
        UdpTracker { url: format!("udp://{address}/announce?key=x"), address, shared, answering: Some(answering) }
    }

    /// The event of every announce so far, in order, as HTTP names them.
    pub fn events(&self) -> Vec<&'static str> {
        let name = |announce: &Announce| ["", "completed", "started", "stopped"][announce.event as usize];
        self.announces().iter().map(name).collect()
    }

    pub fn announces(&self) -> Vec<Announce> {
        self.shared.announces.lock().expect("nobody panics with it").clone()
    }

    /// Waits for an announce.
    pub fn wait_for(&self, what: &str, is_it: impl Fn(&Announce) -> bool) {
        let end = Instant::now() + PATIENCE;
        let mut announces = self.shared.announces.lock().expect("nobody panics with it");
        while !announces.iter().any(&is_it) {
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no {what} came: {announces:?}");
            announces = self.shared.news.wait_timeout(announces, left).expect("nobody panics with it").0;
        }
    }
}

impl Drop for UdpTracker {
    fn drop(&mut self) {
        let any = if self.address.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" };
        if let Ok(socket) = UdpSocket::bind(any) {
            // Nothing at all is the word to end.
            let _ = socket.send_to(&[], self.address);
        }
        if let Some(thread) = self.answering.take() {
            let _ = thread.join();
        }
    }
}

fn answer_all(socket: &UdpSocket, shared: &Shared) {
    let mut bytes = [0; 2048];
    let mut connections: Vec<(SocketAddr, u64)> = Vec::new();
    while let Ok((len, from)) = socket.recv_from(&mut bytes) {
        let bytes = &bytes[..len];
        if bytes.is_empty() {
            break;
        }
        if len < 16 {
            continue;
        }
        let transaction = &bytes[12..16];
        let connection = number(bytes, 0, 8);
        let answer = match number(bytes, 8, 4) {
            0 if connection == 0x417_2710_1980 => {
                let id = 0x1234_5678_0000_0000 + connections.len() as u64;
                connections.push((from, id));
                [&[0, 0, 0, 0], transaction, &id.to_be_bytes()[..]].concat()
            }
            1 if !connections.contains(&(from, connection)) => [&[0, 0, 0, 3], transaction, b"who are you"].concat(),
            1 if len >= 98 => match &shared.refusal {
                Some(words) => [&[0, 0, 0, 3], transaction, words.as_bytes()].concat(),
                None => [&[0, 0, 0, 1], transaction, &reply(shared, read(bytes, from))[..]].concat(),
            },
            _ => continue,
        };
        let _ = socket.send_to(&answer, from);
    }
}

fn number(bytes: &[u8], at: usize, len: usize) -> u64 {
    bytes[at..at + len].iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

fn read(bytes: &[u8], from: SocketAddr) -> Announce {
    let mut target = String::new();
    let mut options = &bytes[98..];
    while let [2, len, rest @ ..] = options {
        let (part, after) = rest.split_at(usize::from(*len));
        target.push_str(std::str::from_utf8(part).expect("a URL's path"));
        options = after;
    }
    Announce {
        from,
        info_hash: bytes[16..36].to_vec(),
        peer_id: bytes[36..56].to_vec(),
        downloaded: number(bytes, 56, 8),
        left: number(bytes, 64, 8),
        uploaded: number(bytes, 72, 8),
        event: number(bytes, 80, 4) as u32,
        key: number(bytes, 88, 4) as u32,
        port: number(bytes, 96, 2) as u16,
        target,
    }
}

fn reply(shared: &Shared, announce: Announce) -> Vec<u8> {
    let mut announces = shared.announces.lock().expect("nobody panics with it");
    announces.push(announce.clone());
    shared.news.notify_all();
    // The last word of each peer of this torrent counts.
    let mut others = BTreeMap::new();
    for other in announces.iter().filter(|other| other.info_hash == announce.info_hash) {
        match other.event {
            3 => others.remove(&other.peer_id),
            _ => others.insert(other.peer_id.clone(), SocketAddr::new(other.from.ip(), other.port)),
        };
    }
    others.remove(&announce.peer_id);
    let mut bytes = [60_u32, 1, 1].map(u32::to_be_bytes).concat();
    for other in others.values() {
        match other.ip() {
            IpAddr::V4(ip) => bytes.extend_from_slice(&ip.octets()),
            IpAddr::V6(ip) => bytes.extend_from_slice(&ip.octets()),
        }
        bytes.extend_from_slice(&other.port().to_be_bytes());
    }
    bytes
}
