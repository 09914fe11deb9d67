//! The tracker of `peerlink serve` as its clients and its owner meet it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use peerlink::base::{InfoHash, PeerId};
use peerlink::wire::announce::{self, Event, Reply, Request};
use peerlink::wire::udp_tracker::{self, Answer};

use super::rig::Home;
use super::serve::{get, serve};

const HASH: InfoHash = InfoHash([0xab; 20]);

/// An announce over HTTP, as text.
fn announce(port: u16, peer_port: u16, more: &str) -> Reply {
    let query = format!("info_hash={}&peer_id=-XX0000-aaaaaaaaaaaa&port={peer_port}", "%AB".repeat(20));
    let body = bytes_of(port, &format!("/announce?{query}{more}"));
    announce::parse(&body).unwrap_or_else(|e| panic!("{e}: {}", body.escape_ascii()))
}

fn bytes_of(port: u16, target: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a time-out");
    let request = format!("GET {target} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).expect("it closes");
    let at = reply.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
    reply.split_off(at + 4)
}

/// One client of the UDP tracker.
struct Udp {
    socket: UdpSocket,
    connection: u64,
}

impl Udp {
    fn connect(port: u16) -> Udp {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        socket.set_read_timeout(Some(Duration::from_secs(20))).expect("a time-out");
        socket.connect(("127.0.0.1", port)).expect("an address");
        let mut udp = Udp { socket, connection: 0 };
        match udp.ask(&udp_tracker::connect(1)) {
            Answer::Connected { connection } => udp.connection = connection,
            other => panic!("{other:?}"),
        }
        udp
    }

    fn ask(&self, question: &[u8]) -> Answer {
        self.socket.send(question).expect("sent");
        let mut bytes = [0; 2048];
        let len = self.socket.recv(&mut bytes).expect("an answer");
        Answer::parse(&bytes[..len], [127, 0, 0, 1].into()).expect("BEP 15").1
    }

    fn announce(&self, peer_port: u16, left: u64, target: &str) -> Answer {
        let request = Request {
            info_hash: HASH,
            peer_id: PeerId(*b"-XX0000-bbbbbbbbbbbb"),
            port: peer_port,
            uploaded: 0,
            downloaded: 0,
            left,
            numwant: 50,
            key: 1,
            event: Event::Started,
            tracker_id: None,
        };
        self.ask(&udp_tracker::announce(self.connection, 2, &request, target))
    }
}

fn local(ports: &[u16]) -> Vec<SocketAddr> {
    ports.iter().map(|port| SocketAddr::from(([127, 0, 0, 1], *port))).collect()
}

#[test]
fn peers_find_each_other_over_both_ways_and_after_a_restart() {
    let home = Home::new();
    let (running, port) = serve(&home, &[]);
    assert!(announce(port, 1001, "&left=0&event=started").peers.is_empty());
    let Answer::Announced(reply) = Udp::connect(port).announce(1002, 5, "/announce") else { panic!("refused") };
    assert_eq!((reply.peers, reply.complete, reply.incomplete), (local(&[1001]), Some(1), Some(1)));
    assert_eq!(announce(port, 1001, "&left=0").peers, local(&[1002]));
    let stats = get(port, "/stats");
    assert!(stats.contains("\"torrents\":1,\"seeds\":1,\"leechers\":1,"), "{stats}");
    let metrics = get(port, "/metrics");
    assert!(metrics.contains("\n# TYPE peerlink_announces_udp_total counter\npeerlink_announces_udp_total 1\n"));
    running.signal("TERM");
    let began = Instant::now();
    assert_eq!(running.wait().expect(0).err, "");
    assert!(began.elapsed() < Duration::from_secs(3), "it took {:?} to stop", began.elapsed());

    let (running, port) = serve(&home, &[]);
    // Its own state comes back from disk meanwhile.
    let deadline = Instant::now() + Duration::from_secs(20);
    while announce(port, 1003, "&left=1").peers.len() < 2 {
        assert!(Instant::now() < deadline, "the swarm was forgotten");
    }
    running.signal("INT");
    running.wait().expect(0);
}

#[test]
fn lists_are_read_again_on_hup() {
    let home = Home::new();
    let list = home.write("deny", b"# nothing yet\n");
    let (running, port) = serve(&home, &["--deny", &list]);
    assert_eq!(announce(port, 1, "").failure, None);
    home.write("deny", format!("{HASH} no more\n").as_bytes());
    running.signal("HUP");
    let deadline = Instant::now() + Duration::from_secs(20);
    while announce(port, 1, "").failure.is_none() {
        assert!(Instant::now() < deadline, "the list was not read");
    }
    // A broken list ends nothing: what comes after it is read.
    home.write("deny", b"what is this\n");
    running.signal("HUP");
    assert!(announce(port, 1, "").failure.is_some(), "the old list is in force");
    home.write("deny", b"# nothing again\n");
    running.signal("HUP");
    while announce(port, 1, "").failure.is_some() {
        assert!(Instant::now() < deadline, "the list was not read");
    }
    running.signal("TERM");
    running.wait().expect(0);
    home.write("deny", b"\nwhat is this\n");
    let refused = home.run(&["serve", "--bind", "127.0.0.1:0", "--deny", &list]).expect(2);
    assert!(refused.one_line().contains("deny:2: no info hash"));
    assert!(home.run(&["serve", "--keys", "nowhere"]).expect(2).one_line().contains("--keys: cannot read"));
    assert!(home.run(&["serve", "--announce-interval", "1s"]).expect(2).one_line().contains("10s"));
}

#[test]
fn a_private_tracker_wants_a_key() {
    let home = Home::new();
    let keys = home.write("keys", b"secret-0 Ann\nsecret-1 Ben\n");
    let (running, port) = serve(&home, &["--keys", &keys]);
    assert!(announce(port, 1, "").failure.is_some());
    let udp = Udp::connect(port);
    assert!(matches!(udp.announce(1, 1, "/announce"), Answer::Failed(_)));
    assert!(matches!(udp.announce(1, 1, "/secret-1/announce"), Answer::Announced(_)));
    let query = format!("info_hash={}&port=2&left=0", "%ab".repeat(20));
    let reply = announce::parse(&bytes_of(port, &format!("/secret-0/announce?{query}"))).expect("bencode");
    assert_eq!((reply.failure, reply.peers), (None, local(&[1])));
    running.signal("TERM");
    running.wait().expect(0);
}

#[test]
fn one_state_folder_has_one_server_and_a_proxy_names_who_asks() {
    let home = Home::new();
    let (running, port) = serve(&home, &["--real-ip-header", "X-Forwarded-For"]);
    let second = home.run(&["serve", "--bind", "127.0.0.1:0"]).expect(1);
    assert!(second.one_line().contains("another process serves from this state folder"));
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    let query = format!("info_hash={}&port=2&left=0", "%ab".repeat(20));
    let head = "Host: here\r\nConnection: close\r\nX-Forwarded-For: 192.0.2.1, 198.51.100.7";
    write!(stream, "GET /announce?{query} HTTP/1.1\r\n{head}\r\n\r\n").expect("it reads");
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).expect("it closes");
    let seen = b"11:external ip4:\xc6\x33\x64\x07";
    assert!(reply.windows(seen.len()).any(|bytes| bytes == seen), "{}", reply.escape_ascii());
    running.signal("TERM");
    running.wait().expect(0);
}
