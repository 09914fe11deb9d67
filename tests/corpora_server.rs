//! The tracker of `peerlink serve` against a table of raw bytes. The folder comes from `PEERLINK_CORPORA`; without it
//! this test says that it was skipped.

mod kit;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::Path;
use std::time::Duration;

use kit::child::Child;
use miniserde::json::Value;
use peerlink::base::{InfoHash, PeerId};
use peerlink::wire::announce::{self, Event, Request};
use peerlink::wire::bencode;
use peerlink::wire::udp_tracker::{self, Answer};

/// A field that holds a text; empty where it does not.
fn text<'a>(row: &'a Value, path: &[&str]) -> &'a str {
    let mut value = row;
    for key in path {
        let Value::Object(map) = value else { return "" };
        let Some(next) = map.get(*key) else { return "" };
        value = next;
    }
    if let Value::String(text) = value { text } else { "" }
}

fn rows(table: &Value, key: &str) -> Vec<Value> {
    match table {
        Value::Object(map) => match map.get(key) {
            Some(Value::Array(rows)) => rows.iter().cloned().collect(),
            _ => panic!("no list {key}"),
        },
        _ => panic!("no table"),
    }
}

struct Server {
    _child: Child,
    address: SocketAddr,
    _state: tempfile::TempDir,
}

fn start() -> Server {
    let state = kit::peerlink::folder();
    let mut command = std::process::Command::new(kit::peerlink::binary());
    command.args(["serve", "--bind", "127.0.0.1:0", "--state-dir"]).arg(state.path()).env("HOME", state.path());
    let mut child = Child::start("peerlink serve", command);
    let port: u16 = child.expect("port", |line| line.strip_prefix("listening on port ")?.parse().ok());
    Server { _child: child, address: SocketAddr::from(([127, 0, 0, 1], port)), _state: state }
}

impl Server {
    /// Body of each reply to these GETs, sent at once on one connection.
    fn gets(&self, targets: &[String]) -> Vec<Vec<u8>> {
        let mut stream = TcpStream::connect(self.address).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a time-out");
        let last = targets.len() - 1;
        for (at, target) in targets.iter().enumerate() {
            let end = if at == last { "Connection: close\r\n" } else { "" };
            write!(stream, "GET {target} HTTP/1.1\r\nHost: a\r\n{end}\r\n").expect("it reads");
        }
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).expect("it closes");
        let mut bodies = Vec::new();
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let at = rest.windows(4).position(|four| four == b"\r\n\r\n").expect("a head") + 4;
            let head = std::str::from_utf8(&rest[..at]).expect("text");
            let (_, len) = head.split_once("Content-Length: ").expect("a length");
            let len: usize = len.lines().next().expect("a line").parse().expect("a number");
            assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
            bodies.push(rest[at..at + len].to_vec());
            rest = &rest[at + len..];
        }
        bodies
    }

    fn get(&self, target: &str) -> Vec<u8> {
        self.gets(&[target.to_string()]).remove(0)
    }

    fn scrape(&self, hash: InfoHash) -> (u32, u32, Option<u32>) {
        let body = self.get(&format!("/scrape?info_hash={}", peerlink::wire::url::percent_encode(&hash.0)));
        let found = announce::parse_scrape(&body, &[hash]).expect("files")[&hash];
        (found.complete.expect("a number"), found.incomplete.expect("a number"), found.downloaded)
    }

    /// What comes back for a datagram; None where nothing does.
    fn datagram(&self, socket: &UdpSocket, bytes: &[u8]) -> Option<Vec<u8>> {
        // Silence is shown by the answer to what is asked after it.
        socket.set_read_timeout(Some(Duration::from_secs(20))).expect("a time-out");
        socket.send_to(bytes, self.address).expect("sent");
        socket.send_to(&udp_tracker::connect(0x7777), self.address).expect("sent");
        let mut first = None;
        loop {
            let mut answer = [0; 2048];
            let (len, _) = socket.recv_from(&mut answer).expect("an answer");
            let answer = answer[..len].to_vec();
            if udp_tracker::transaction_answered(&answer) == Some(0x7777) {
                return first;
            }
            first = Some(answer);
        }
    }
}

fn socket(ip: &str) -> UdpSocket {
    UdpSocket::bind((ip, 0)).expect("loopback")
}

fn connection(server: &Server, socket: &UdpSocket) -> u64 {
    let answer = server.datagram(socket, &udp_tracker::connect(5)).expect("an answer");
    match Answer::parse(&answer, [127, 0, 0, 1].into()) {
        Ok((5, Answer::Connected { connection })) => connection,
        other => panic!("{other:?}"),
    }
}

fn request(hash: InfoHash, port: u16) -> Request<'static> {
    Request {
        info_hash: hash,
        peer_id: PeerId(*b"-XX0000-cccccccccccc"),
        port,
        uploaded: 0,
        downloaded: 0,
        left: 1,
        numwant: 50,
        key: 1,
        event: Event::Started,
        tracker_id: None,
    }
}

fn udp_row(server: &Server, row: &Value, hash: InfoHash) {
    let (a, b) = (socket("127.0.0.1"), socket("127.0.0.2"));
    match text(row, &["name"]) {
        "connect" => {
            let hex = text(row, &["packet", "hex"]);
            let bytes: Vec<u8> =
                (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex")).collect();
            let answer = server.datagram(&a, &bytes).expect("an answer");
            assert_eq!(answer.len(), 16);
            assert_eq!((&answer[..4], &answer[4..8]), (&[0; 4][..], &0x1122_3344u32.to_be_bytes()[..]));
        }
        "scrape without hashes" => {
            let mut question = connection(server, &a).to_be_bytes().to_vec();
            question.extend([0, 0, 0, 2, 0, 0, 0, 0]);
            assert_eq!(server.datagram(&a, &question), None);
            assert_eq!(server.datagram(&a, &[&[0; 8][..], &question[8..]].concat()), None);
        }
        // That ids are refused after 2 minutes is shown without waiting by the tracker's own tests.
        "connection id reuse after 2 minutes + from another source address" => {
            let id = connection(server, &a);
            let question = udp_tracker::announce(id, 6, &request(hash, 1), "/");
            assert_eq!(server.datagram(&b, &question), None);
            assert!(server.datagram(&a, &question).is_some());
        }
        "announce port 0" => {
            let id = connection(server, &a);
            assert!(server.datagram(&a, &udp_tracker::announce(id, 6, &request(hash, 0), "/")).is_some());
            assert_eq!(server.scrape(hash), (0, 0, Some(0)));
        }
        other => panic!("nobody judges the row {other:?}"),
    }
}

fn http_row(server: &Server, row: &Value, hash: InfoHash) {
    let asked = text(row, &["request"]);
    let query = format!("info_hash={}", peerlink::wire::url::percent_encode(&hash.0));
    let peers = |body: &[u8]| announce::parse(body).expect("a reply").peers;
    match text(row, &["name"]) {
        "percent-encoding of binary hash" => {
            let hash = InfoHash::from_hex(text(row, &["expect", "info_hash"])).expect("a hash");
            server.get(&format!("/announce?{asked}&port=1&left=0"));
            assert_eq!(server.scrape(hash), (1, 0, Some(0)));
        }
        "swarm counting step 3: client1 scrape" | "swarm counting step 6: client2 stopped" => {
            server.get(&format!("/announce?{query}&port=1&left=0&event=started"));
            assert_eq!(server.scrape(hash), (1, 0, Some(0)));
            server.get(&format!("/announce?{query}&port=2&left=5&event=started"));
            server.get(&format!("/announce?{query}&port=3&left=5&event=started"));
            server.get(&format!("/announce?{query}&port=2&left=5&event=stopped"));
            assert_eq!(server.scrape(hash), (1, 1, Some(0)));
        }
        "scrape without info_hash" => {
            assert!(announce::parse(&server.get(asked)).expect("a reply").failure.is_some());
        }
        "info_hash of 21 bytes" => {
            let body = server.get(&format!("/announce?{asked}&port=1"));
            assert!(announce::parse(&body).expect("a reply").failure.is_some());
        }
        "numwant=10^9" => {
            let announces = (1..400).map(|port| format!("/announce?{query}&port={port}&left=1&numwant=0"));
            server.gets(&announces.collect::<Vec<_>>());
            assert_eq!(peers(&server.get(&format!("/announce?{query}&port=400&{asked}"))).len(), 100);
        }
        "NUL and CR LF in peer_id" => {
            let body = server.get(&format!("/announce?{query}&port=1&{asked}"));
            assert_eq!(announce::parse(&body).expect("a reply").incomplete, Some(1));
        }
        "pipelined 1000 requests" => {
            let scrapes = (0..1000).map(|number| format!("/announce?{query}&port={}&left=1", number + 1));
            let bodies = server.gets(&scrapes.collect::<Vec<_>>());
            assert_eq!(bodies.len(), 1000);
            let counts = bodies.iter().map(|body| announce::parse(body).expect("a reply").incomplete);
            assert!(counts.eq((1..=1000).map(Some)), "not in order");
        }
        "compact=0" => {
            server.get(&format!("/announce?{query}&port=1&peer_id=-XX0000-dddddddddddd"));
            let body = server.get(&format!("/announce?{query}&port=2&{asked}"));
            let root = bencode::parse(&body).expect("bencode");
            let peer = root.get("peers").expect("peers").items().next().expect("one peer");
            let id = peer.get("peer id").and_then(bencode::Value::as_bytes);
            assert_eq!(id, Some(&b"-XX0000-dddddddddddd"[..]));
            assert_eq!(peer.get("ip").and_then(bencode::Value::as_text), Some("127.0.0.1"));
            assert_eq!(peer.get("port").and_then(bencode::Value::as_int), Some(1));
        }
        other => panic!("nobody judges the row {other:?}"),
    }
}

#[test]
fn every_row_of_the_table_holds() {
    let Some(folder) = std::env::var_os("PEERLINK_CORPORA") else {
        println!("SKIPPED: corpora_server: PEERLINK_CORPORA is not set");
        return;
    };
    let text = std::fs::read_to_string(Path::new(&folder).join("tracker_server.json")).expect("the table");
    let table: Value = miniserde::json::from_str(&text).expect("JSON");
    let server = start();
    let mut number = 0u8;
    let mut fresh = || {
        number += 1;
        InfoHash([number; 20])
    };
    rows(&table, "udp").iter().for_each(|row| udp_row(&server, row, fresh()));
    rows(&table, "http").iter().for_each(|row| http_row(&server, row, fresh()));
}
