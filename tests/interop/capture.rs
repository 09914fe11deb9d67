//! Everything that passes the interfaces of a host while a test runs: what its programs sent, over UDP and TCP.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{ErrorKind, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

use crate::kit::PATIENCE;
use crate::network::Host;

/// `ETH_P_ALL`, as it goes over the wire.
const EVERYTHING: i32 = 0x0003_u16.to_be() as i32;
/// Longest frame: virtual interfaces pass on what was never cut up.
const FRAME_LEN: usize = 1 << 17;

/// What was sent.
#[derive(Clone, Default, Debug)]
pub struct Sent {
    /// Datagrams: from, to, payload.
    pub datagrams: Vec<(SocketAddr, SocketAddr, Vec<u8>)>,
    /// By which interface, as its hardware address, and from whom to whom, over either.
    pub ways: BTreeSet<([u8; 6], IpAddr, IpAddr)>,
    /// Each direction of each TCP connection, by from and to: the sequence number of its first byte, and its bytes as
    /// far as they came without a gap.
    streams: BTreeMap<(SocketAddr, SocketAddr), Stream>,
}

#[derive(Clone, Default, Debug)]
struct Stream {
    next: u32,
    bytes: Vec<u8>,
    has_gap: bool,
}

impl Sent {
    /// Both ends of every datagram and of every TCP connection.
    pub fn ends(&self) -> impl Iterator<Item = (SocketAddr, SocketAddr)> {
        let datagrams = self.datagrams.iter().map(|(from, to, _)| (*from, *to));
        datagrams.chain(self.streams.keys().copied())
    }

    /// Every direction of every TCP connection, from its beginning.
    ///
    /// # Panics
    /// Something was not captured.
    pub fn streams(&self) -> impl Iterator<Item = (SocketAddr, SocketAddr, &[u8])> {
        self.streams.iter().map(|((from, to), stream)| {
            assert!(!stream.has_gap, "not everything from {from} to {to} was captured");
            (*from, *to, &stream.bytes[..])
        })
    }

    /// Takes an IP packet in its frame in.
    fn take(&mut self, frame: &[u8]) -> Option<()> {
        // Behind two addresses and a type.
        let packet = frame.get(14..)?;
        let (from, to, protocol, rest): (IpAddr, IpAddr, u8, &[u8]) = match packet.first()? >> 4 {
            4 => {
                let head_len = usize::from(packet[0] & 15) * 4;
                let len = usize::from(u16::from_be_bytes(packet.get(2..4)?.try_into().ok()?));
                let address = |at: usize| Some(Ipv4Addr::from(<[u8; 4]>::try_from(packet.get(at..at + 4)?).ok()?));
                (address(12)?.into(), address(16)?.into(), *packet.get(9)?, packet.get(head_len..len)?)
            }
            6 => {
                let len = usize::from(u16::from_be_bytes(packet.get(4..6)?.try_into().ok()?));
                let address = |at: usize| Some(Ipv6Addr::from(<[u8; 16]>::try_from(packet.get(at..at + 16)?).ok()?));
                (address(8)?.into(), address(24)?.into(), *packet.get(6)?, packet.get(40..40 + len)?)
            }
            _ => return None,
        };
        let port = |at: usize| Some(u16::from_be_bytes(rest.get(at..at + 2)?.try_into().ok()?));
        let (from, to) = (SocketAddr::new(from, port(0)?), SocketAddr::new(to, port(2)?));
        if matches!(protocol, 6 | 17) {
            self.ways.insert((frame[6..12].try_into().ok()?, from.ip(), to.ip()));
        }
        match protocol {
            17 => self.datagrams.push((from, to, rest.get(8..)?.to_vec())),
            6 => {
                let number = u32::from_be_bytes(rest.get(4..8)?.try_into().ok()?);
                let (data, is_first) = (rest.get(usize::from(rest.get(12)? >> 4) * 4..)?, rest.get(13)? & 2 != 0);
                self.take_segment((from, to), number, is_first, data);
            }
            _ => {}
        }
        Some(())
    }

    fn take_segment(&mut self, way: (SocketAddr, SocketAddr), number: u32, is_first: bool, data: &[u8]) {
        let stream = self.streams.entry(way).or_default();
        if is_first {
            *stream = Stream { next: number.wrapping_add(1), ..Stream::default() };
            return;
        }
        if data.is_empty() {
            return;
        }
        // What was sent again begins before the end.
        let known_len = stream.next.wrapping_sub(number) as i32;
        match usize::try_from(known_len) {
            Ok(known_len) if known_len < data.len() => {
                stream.bytes.extend_from_slice(&data[known_len..]);
                stream.next = number.wrapping_add(data.len() as u32);
            }
            Ok(_) => {}
            Err(_) => stream.has_gap = true,
        }
    }
}

/// A capture that goes on until it is ended.
pub struct Capture {
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    sent: Mutex<Sent>,
    news: Condvar,
    is_over: AtomicBool,
}

impl Capture {
    /// Of all interfaces of this host.
    pub fn begin(host: &Host) -> Capture {
        let socket = host.inside(|| {
            let socket = Socket::new(Domain::PACKET, Type::RAW, Some(Protocol::from(EVERYTHING)));
            socket.expect("whoever makes namespaces may listen in them")
        });
        socket.set_recv_buffer_size(8 << 20).expect("it is rounded down");
        socket.set_read_timeout(Some(Duration::from_millis(100))).expect("a time-out");
        let shared = Arc::new(Shared::default());
        let of_thread = shared.clone();
        let thread = std::thread::spawn(move || read(socket, &of_thread));
        Capture { shared, thread }
    }

    /// Waits until this has been sent.
    pub fn wait_for(&self, what: &str, is_it: impl Fn(&Sent) -> bool) {
        let end = Instant::now() + PATIENCE;
        let mut sent = self.shared.sent.lock().expect("nobody panics with it");
        while !is_it(&sent) {
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "nobody sent {what}");
            sent = self.shared.news.wait_timeout(sent, left).expect("nobody panics with it").0;
        }
    }

    /// All that was sent.
    pub fn end(self) -> Sent {
        self.shared.is_over.store(true, Ordering::Release);
        self.thread.join().expect("it does not panic");
        self.shared.sent.lock().expect("nobody panics with it").clone()
    }
}

/// Reads until the end, and after it what is there already.
fn read(mut socket: Socket, shared: &Shared) {
    let mut frame = vec![0; FRAME_LEN];
    loop {
        match socket.read(&mut frame) {
            Ok(len) => {
                shared.sent.lock().expect("nobody panics with it").take(&frame[..len]);
                shared.news.notify_all();
            }
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                if shared.is_over.load(Ordering::Acquire) {
                    return;
                }
            }
            Err(e) => panic!("cannot capture: {e}"),
        }
    }
}
