//! A tracker of our own (BEP 3, 23): remembers every announce, answers with everybody else's address.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use socket2::SockRef;

use super::PATIENCE;

/// One announce; all values as they were sent, percent signs resolved.
#[derive(Clone, Debug)]
pub struct Announce {
    pub from: IpAddr,
    pub values: BTreeMap<String, Vec<u8>>,
}

impl Announce {
    /// A value as text, empty where there is none.
    pub fn text(&self, key: &str) -> String {
        self.values.get(key).map(|value| String::from_utf8_lossy(value).into_owned()).unwrap_or_default()
    }

    pub fn number(&self, key: &str) -> u64 {
        self.text(key).parse().unwrap_or_else(|_| panic!("{key} is no number in {self:?}"))
    }

    /// Whether the peer id begins so.
    pub fn is_of(&self, client: &str) -> bool {
        self.values.get("peer_id").is_some_and(|id| id.starts_with(client.as_bytes()))
    }
}

/// Answers until it is dropped.
pub struct Tracker {
    pub url: String,
    /// The other hand on the socket that is accepted from.
    listener: TcpListener,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    /// From an announce to its answer.
    delay: Duration,
    /// So many announces are remembered and not answered.
    unanswered: AtomicU32,
    /// Whom it names to everybody, if not everybody else.
    named: Option<SocketAddr>,
    /// So many were answered.
    answered: AtomicU32,
    announces: Mutex<Vec<Announce>>,
    news: Condvar,
    is_over: AtomicBool,
}

impl Tracker {
    /// On loopback.
    pub fn new() -> Tracker {
        Tracker::at(any_port())
    }

    /// Takes this long for every answer.
    pub fn slow(delay: Duration) -> Tracker {
        Tracker::with(any_port(), Shared { delay, ..Shared::default() })
    }

    /// Hangs up on the first announces instead of answering, and remembers them.
    pub fn shy(unanswered: u32) -> Tracker {
        Tracker::with(any_port(), Shared { unanswered: unanswered.into(), ..Shared::default() })
    }

    /// Where it is told to listen.
    pub fn at(listener: TcpListener) -> Tracker {
        Tracker::with(listener, Shared::default())
    }

    /// The same, and names only this peer.
    pub fn naming(listener: TcpListener, peer: SocketAddr) -> Tracker {
        Tracker::with(listener, Shared { named: Some(peer), ..Shared::default() })
    }

    fn with(listener: TcpListener, shared: Shared) -> Tracker {
        let address = listener.local_addr().expect("it is bound");
        let other_hand = listener.try_clone().expect("there are descriptors");
        let shared = Arc::new(shared);
        let of_thread = shared.clone();
        let accepting = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if of_thread.is_over.load(Ordering::Acquire) {
                    break;
                }
                let shared = of_thread.clone();
                if let Ok(stream) = stream {
                    std::thread::spawn(move || answer(&shared, stream));
                }
            }
        });
        let url = format!("http://{address}/announce");
        Tracker { url, listener: other_hand, shared, accepting: Some(accepting) }
    }

    /// The event of every announce of this program so far, in order; empty for regular ones.
    pub fn events(&self) -> Vec<String> {
        self.announces().iter().filter(|announce| announce.is_of("-PL")).map(|a| a.text("event")).collect()
    }

    /// How many announces were answered.
    pub fn answered(&self) -> u32 {
        self.shared.answered.load(Ordering::Acquire)
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

impl Drop for Tracker {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Release);
        // Accepting fails from now on, also where no connection leads from here.
        let _ = SockRef::from(&self.listener).shutdown(Shutdown::Both);
        if let Some(thread) = self.accepting.take() {
            let _ = thread.join();
        }
    }
}

fn any_port() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").expect("a free port")
}

fn answer(shared: &Shared, mut stream: TcpStream) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && head.len() < 16_384 {
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => return,
        }
    }
    let Ok(remote) = stream.peer_addr() else { return };
    let line = String::from_utf8_lossy(head.split(|&byte| byte == b'\r').next().unwrap_or_default()).into_owned();
    let query = line.split(' ').nth(1).and_then(|target| target.strip_prefix("/announce?"));
    let body = match query {
        Some(query) => reply(shared, Announce { from: remote.ip(), values: parse_query(query) }),
        None => b"d14:failure reason9:not founde".to_vec(),
    };
    let take = |left: u32| left.checked_sub(1);
    if shared.unanswered.fetch_update(Ordering::AcqRel, Ordering::Acquire, take).is_ok() {
        return;
    }
    std::thread::sleep(shared.delay);
    let mut bytes =
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len()).into_bytes();
    bytes.extend_from_slice(&body);
    let _ = stream.write_all(&bytes);
    shared.answered.fetch_add(1, Ordering::AcqRel);
}

fn reply(shared: &Shared, announce: Announce) -> Vec<u8> {
    let mut announces = shared.announces.lock().expect("nobody panics with it");
    announces.push(announce.clone());
    shared.news.notify_all();
    // The last word of each peer of this torrent counts.
    let mut others = BTreeMap::new();
    for other in announces.iter().filter(|other| other.values.get("info_hash") == announce.values.get("info_hash")) {
        let id = other.values.get("peer_id").cloned();
        match other.text("event").as_str() {
            "stopped" => others.remove(&id),
            _ => others.insert(id, (other.from, other.number("port") as u16)),
        };
    }
    others.remove(&announce.values.get("peer_id").cloned());
    if let Some(named) = shared.named {
        others = BTreeMap::from([(None, (named.ip(), named.port()))]);
    }
    let mut peers = Vec::new();
    for (ip, port) in others.values() {
        let IpAddr::V4(ip) = ip else { continue };
        peers.extend_from_slice(&ip.octets());
        peers.extend_from_slice(&port.to_be_bytes());
    }
    let mut body = format!("d8:intervali60e5:peers{}:", peers.len()).into_bytes();
    body.extend_from_slice(&peers);
    body.push(b'e');
    body
}

fn parse_query(query: &str) -> BTreeMap<String, Vec<u8>> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(key, value)| (key.to_string(), unescape(value))).collect()
}

fn unescape(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte == b'%' && rest.len() >= 2 {
            let digits = std::str::from_utf8(&rest[..2]).unwrap_or_default();
            out.push(u8::from_str_radix(digits, 16).expect("two digits after a percent sign"));
            rest = &rest[2..];
        } else {
            out.push(byte);
        }
    }
    out
}
