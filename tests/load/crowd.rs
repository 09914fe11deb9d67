//! Thousands of open connections, some of which announce all the time, while others announce over UDP: everybody is
//! answered, and in the end the tracker counts what a model counts.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use ::peerlink::base::{InfoHash, PeerId};
use ::peerlink::wire::announce::{Event, Request};
use ::peerlink::wire::udp_tracker::{Answer, announce, connect};

use crate::{Server, allow_descriptors, is_full};

const TORRENTS: u32 = 1000;
/// Sockets that announce over UDP, each with an address of its own.
const LANES: u32 = 8;
/// A datagram that was not answered by then is sent again.
const RESEND: Duration = Duration::from_millis(500);

struct Size {
    connections: usize,
    http_per_s: u32,
    udp_per_s: u32,
    seconds: u32,
}

/// What this machine allows of what is wanted.
fn size() -> Size {
    let (connections, http_per_s, udp_per_s, seconds) =
        if is_full() { (10_000, 5_000, 20_000, 30) } else { (500, 1_000, 4_000, 1) };
    let allowed = allow_descriptors(connections + 500);
    let connections = connections.min(allowed.saturating_sub(500)) as usize;
    Size { connections, http_per_s, udp_per_s, seconds }
}

/// Peers of each torrent: whether they are seeds.
type Model = BTreeMap<u32, BTreeMap<(Ipv4Addr, u16), bool>>;

fn hash(torrent: u32) -> InfoHash {
    let mut hash = [0x5a; 20];
    hash[..4].copy_from_slice(&torrent.to_be_bytes());
    InfoHash(hash)
}

/// One announce of one of 60 peers of an address, who come, complete and leave.
struct Told {
    torrent: u32,
    port: u16,
    left: u64,
    event: Event,
}

impl Told {
    fn draw(rng: &mut fastrand::Rng) -> Told {
        let (torrent, port) = (rng.u32(..TORRENTS), rng.u16(1000..1060));
        let event = [Event::None, Event::Started, Event::Completed, Event::Stopped][rng.usize(..4)];
        Told { torrent, port, left: if event == Event::Completed { 0 } else { rng.u64(..2) }, event }
    }

    fn note(&self, from: Ipv4Addr, model: &mut Model) {
        let peers = model.entry(self.torrent).or_default();
        match self.event {
            Event::Stopped => _ = peers.remove(&(from, self.port)),
            _ => _ = peers.insert((from, self.port), self.left == 0),
        }
    }
}

#[test]
fn everybody_is_answered_and_counted() {
    let server = Server::start();
    let size = size();
    let address = server.address;
    let (lanes, first_address) = (2, Ipv4Addr::new(127, 0, 3, 0));
    let began = Instant::now();
    let model = std::thread::scope(|scope| {
        let web = (0..lanes).map(|lane| {
            let size = Size { connections: size.connections / lanes, http_per_s: size.http_per_s / 2, ..size };
            scope.spawn(move || {
                Web { from: Ipv4Addr::from(u32::from(first_address) + lane as u32), size }.run(address)
            })
        });
        let web: Vec<_> = web.collect();
        let udp = scope.spawn(|| udp(address, &size));
        let mut model = Model::new();
        for part in web.into_iter().chain([udp]) {
            for (torrent, peers) in part.join().expect("no panic") {
                model.entry(torrent).or_default().extend(peers);
            }
        }
        model
    });
    check(&server, &model);
    let announces = |way: &str| server.number(&format!("announces_{way}"));
    let (http, udp, cpu) = (announces("http"), announces("udp"), server.cpu_time().as_secs_f64());
    let took = began.elapsed().as_secs_f64();
    println!(
        "{} connections, {http} announces over HTTP and {udp} over UDP in {took:.1} s, {cpu:.2} s of the processor",
        size.connections
    );
    server.end();
}

/// One address with many connections that stay open.
struct Web {
    from: Ipv4Addr,
    size: Size,
}

impl Web {
    fn run(&self, address: SocketAddr) -> Model {
        let mut rng = fastrand::Rng::with_seed(u64::from(u32::from(self.from)));
        let mut model = Model::new();
        let mut all: Vec<TcpStream> = Vec::new();
        for _ in 0..self.size.connections {
            let mut stream = self.dial(address);
            self.announce(&mut stream, &Told::draw(&mut rng), &mut model);
            all.push(stream);
        }
        let total = self.size.http_per_s * self.size.seconds;
        let begin = Instant::now();
        for number in 0..total {
            pace(begin, number, self.size.http_per_s);
            let at = rng.usize(..all.len());
            self.announce(&mut all[at], &Told::draw(&mut rng), &mut model);
        }
        let took = begin.elapsed().as_secs_f64();
        assert!(!is_full() || took < 1.1 * f64::from(self.size.seconds), "it took {took} s");
        // Every one is still there.
        for stream in &mut all {
            self.announce(stream, &Told::draw(&mut rng), &mut model);
        }
        model
    }

    /// A connection from an address of its own.
    fn dial(&self, to: SocketAddr) -> TcpStream {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a descriptor");
        socket.bind(&SocketAddr::from((self.from, 0)).into()).expect("all of 127.x is ours");
        socket.connect(&to.into()).expect("it listens");
        socket.set_read_timeout(Some(crate::kit::PATIENCE)).expect("not zero");
        socket.into()
    }

    fn announce(&self, stream: &mut TcpStream, told: &Told, model: &mut Model) {
        let info_hash: String = hash(told.torrent).0.iter().map(|byte| format!("%{byte:02x}")).collect();
        let event = match told.event {
            Event::None => "",
            Event::Started => "&event=started",
            Event::Completed => "&event=completed",
            Event::Stopped => "&event=stopped",
        };
        let (port, left) = (told.port, told.left);
        let query = format!("info_hash={info_hash}&peer_id=-XX0000-aaaaaaaaaaaa&port={port}&left={left}{event}");
        let request = format!("GET /announce?{query} HTTP/1.1\r\nHost: here\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("it stays open");
        let reply = read_reply(stream);
        assert!(reply.starts_with(b"d8:complete"), "{}", reply.escape_ascii());
        told.note(self.from, model);
    }
}

/// The body of one reply of known length.
fn read_reply(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(1024);
    let mut buffer = [0; 4096];
    loop {
        let len = stream.read(&mut buffer).expect("it answers");
        assert!(len > 0, "closed after {}", bytes.escape_ascii());
        bytes.extend_from_slice(&buffer[..len]);
        let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&bytes[..at]).to_ascii_lowercase();
        assert!(head.starts_with("http/1.1 200 "), "{head}");
        let len = head.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("a length");
        if bytes.len() == at + 4 + len.parse::<usize>().expect("a number") {
            return bytes.split_off(at + 4);
        }
    }
}

/// Waits until it is this one's turn.
fn pace(begin: Instant, number: u32, per_s: u32) {
    let due = Duration::from_secs_f64(f64::from(number) / f64::from(per_s));
    if let Some(wait) = due.checked_sub(begin.elapsed()).filter(|wait| *wait > Duration::from_millis(1)) {
        std::thread::sleep(wait);
    }
}

/// Announces over UDP in small batches, and again what got lost.
fn udp(address: SocketAddr, size: &Size) -> Model {
    let mut lanes: Vec<Lane> = (1..=LANES).map(|lane| Lane::connect(lane, address)).collect();
    let mut rng = fastrand::Rng::with_seed(9);
    let (begin, total, batch) = (Instant::now(), size.udp_per_s * size.seconds, 10);
    for number in (0..total).step_by(batch) {
        pace(begin, number, size.udp_per_s);
        let lane = &mut lanes[(number / batch as u32 % LANES) as usize];
        lane.exchange((0..batch).map(|_| Told::draw(&mut rng)).collect());
    }
    let took = begin.elapsed().as_secs_f64();
    assert!(!is_full() || took < 1.1 * f64::from(size.seconds), "it took {took} s");
    let resent: u32 = lanes.iter().map(|lane| lane.resent).sum();
    println!("{resent} of {total} datagrams were sent again");
    let mut model = Model::new();
    for lane in lanes {
        for (torrent, peers) in lane.model {
            model.entry(torrent).or_default().extend(peers);
        }
    }
    model
}

struct Lane {
    socket: UdpSocket,
    from: Ipv4Addr,
    connection: u64,
    transaction: u32,
    resent: u32,
    model: Model,
}

impl Lane {
    fn connect(number: u32, address: SocketAddr) -> Lane {
        let from = Ipv4Addr::from(u32::from(Ipv4Addr::new(127, 0, 4, 0)) + number);
        let socket = UdpSocket::bind((from, 0)).expect("all of 127.x is ours");
        socket.connect(address).expect("loopback");
        socket.set_read_timeout(Some(RESEND)).expect("not zero");
        socket.send(&connect(1)).expect("sent");
        let mut lane = Lane { socket, from, connection: 0, transaction: 1, resent: 0, model: Model::new() };
        match lane.receive() {
            Some((1, Answer::Connected { connection })) => lane.connection = connection,
            other => panic!("{other:?}"),
        }
        lane
    }

    fn receive(&self) -> Option<(u32, Answer)> {
        let mut bytes = [0; 4096];
        let len = self.socket.recv(&mut bytes).ok()?;
        Some(Answer::parse(&bytes[..len], self.from.into()).expect("BEP 15"))
    }

    /// All of these, each answered, in any order.
    fn exchange(&mut self, all: Vec<Told>) {
        let first = self.transaction + 1;
        self.transaction += all.len() as u32;
        // Of one peer only the last word counts, and datagrams may change places.
        let mut last: BTreeMap<(u32, u16), u32> = BTreeMap::new();
        for (told, transaction) in all.iter().zip(first..) {
            last.insert((told.torrent, told.port), transaction);
        }
        let mut open: BTreeMap<u32, Told> = (first..).zip(all).collect();
        open.retain(|transaction, told| last[&(told.torrent, told.port)] == *transaction);
        for told in open.values() {
            told.note(self.from, &mut self.model);
        }
        self.send(&open);
        while !open.is_empty() {
            match self.receive() {
                Some((transaction, Answer::Announced(_))) => _ = open.remove(&transaction),
                Some(other) => panic!("{other:?}"),
                None => {
                    self.resent += open.len() as u32;
                    assert!(self.resent < 1000, "nobody answers");
                    self.send(&open);
                }
            }
        }
    }

    fn send(&self, open: &BTreeMap<u32, Told>) {
        for (transaction, told) in open {
            let request = Request {
                info_hash: hash(told.torrent),
                peer_id: PeerId(*b"-XX0000-bbbbbbbbbbbb"),
                port: told.port,
                uploaded: 0,
                downloaded: 0,
                left: told.left,
                numwant: 30,
                key: 1,
                event: told.event,
                tracker_id: None,
            };
            self.socket.send(&announce(self.connection, *transaction, &request, "/announce")).expect("sent");
        }
    }
}

/// Asks for all torrents, and compares.
fn check(server: &Server, model: &Model) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    socket.connect(server.address).expect("loopback");
    socket.set_read_timeout(Some(crate::kit::PATIENCE)).expect("not zero");
    let ask = |question: &[u8]| {
        socket.send(question).expect("sent");
        let mut bytes = [0; 4096];
        let len = socket.recv(&mut bytes).expect("an answer");
        bytes[..len].to_vec()
    };
    let connection = ask(&connect(1))[8..16].to_vec();
    let torrents: Vec<u32> = model.keys().copied().collect();
    let mut sum = (0, 0);
    for some in torrents.chunks(50) {
        let hashes: Vec<u8> = some.iter().flat_map(|torrent| hash(*torrent).0).collect();
        let reply = ask(&[&connection[..], &2_u32.to_be_bytes(), &7_u32.to_be_bytes(), &hashes].concat());
        assert_eq!(reply[..8], [0, 0, 0, 2, 0, 0, 0, 7]);
        for (torrent, row) in some.iter().zip(reply[8..].chunks(12)) {
            let number = |at: usize| u32::from_be_bytes(row[at..at + 4].try_into().expect("four")) as usize;
            let peers = &model[torrent];
            let seeds = peers.values().filter(|is_seed| **is_seed).count();
            assert_eq!((number(0), number(8)), (seeds, peers.len() - seeds), "torrent {torrent}");
            sum = (sum.0 + seeds as u64, sum.1 + (peers.len() - seeds) as u64);
        }
    }
    assert_eq!((server.number("seeds"), server.number("leechers")), sum);
    assert_eq!((server.number("refused"), server.number("not_stored"), server.number("ignored_udp")), (0, 0, 0));
}
