//! The tracker as clients meet it, without sockets.

mod lasting;

use std::net::SocketAddr;

use super::*;
use crate::base::PeerId;
use crate::machine::Command;
use crate::wire::announce::{self, Event, Reply};
use crate::wire::http::{self, Head};
use crate::wire::udp_tracker::{self, Answer};

struct Bench {
    tracker: Tracker,
    out: Outbox,
    now: Time,
}

const HASH: InfoHash = InfoHash([0xaa; 20]);
const A: &str = "198.51.100.1:1001";
const B: &str = "198.51.100.2:1002";

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// `-XX0000-` and twelve of the port's digits.
fn peer_id(peer: SocketAddr) -> PeerId {
    let text = format!("-XX0000-{:012}", peer.port());
    PeerId(text.as_bytes().try_into().unwrap())
}

impl Bench {
    fn new() -> Bench {
        Bench::with(Options::default(), Access::default())
    }

    fn with(options: Options, access: Access) -> Bench {
        let tracker = Tracker::new(options, access, Secret(11, 12));
        Bench { tracker, out: Outbox::new(1, 4, 4, 4), now: Time::ZERO + Span::secs(100) }
    }

    fn pass(&mut self, span: Span) {
        let end = self.now + span;
        while let Some(due) = self.tracker.next_deadline().filter(|due| *due <= end) {
            self.now = due.max(self.now);
            self.tracker.handle(self.now, Input::Deadline, &mut self.out);
        }
        self.now = end;
        self.tracker.check();
    }

    /// The datagrams that answer one.
    fn datagram(&mut self, from: SocketAddr, bytes: &[u8]) -> Vec<Vec<u8>> {
        self.tracker.handle(self.now, Input::Datagram { from, bytes }, &mut self.out);
        assert!(self.out.datagrams.iter().all(|(to, _)| to == from));
        let answers = self.out.datagrams.iter().map(|(_, bytes)| bytes.to_vec()).collect();
        self.out.datagrams.clear();
        answers
    }

    fn connect(&mut self, from: SocketAddr) -> u64 {
        let answers = self.datagram(from, &udp_tracker::connect(9));
        assert_eq!(answers.len(), 1);
        assert_eq!(answers[0].len(), udp_tracker::CONNECT_LEN);
        match Answer::parse(&answers[0], from.ip()) {
            Ok((9, Answer::Connected { connection })) => connection,
            other => panic!("{other:?}"),
        }
    }

    fn udp(&mut self, from: &str, left: u64, event: Event, target: &str) -> Answer {
        let from = at(from);
        let connection = self.connect(from);
        let question = udp_tracker::announce(connection, 5, &request(from, left, event), target);
        let answers = self.datagram(from, &question);
        self.tracker.check();
        let (transaction, answer) = Answer::parse(&answers[0], from.ip()).unwrap();
        assert_eq!((transaction, answers.len()), (5, 1));
        answer
    }

    fn announced(&mut self, from: &str, left: u64, event: Event) -> Reply {
        match self.udp(from, left, event, "/") {
            Answer::Announced(reply) => reply,
            other => panic!("{other:?}"),
        }
    }

    /// The body of what a GET brings.
    fn get(&mut self, from: SocketAddr, target: &str) -> Vec<u8> {
        let text = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
        let mut room = http::room();
        let head = Head::parse(text.as_bytes(), &mut room).unwrap();
        assert!(Tracker::owns(head.path), "{target}");
        let request = http::Request { head, body: &[], remote: from };
        let conn = ConnId(3);
        self.tracker.handle(self.now, Input::Request { conn, request: &request }, &mut self.out);
        self.tracker.check();
        match self.out.commands.pop() {
            Some(Command::Answer { reply, .. }) => {
                assert_eq!((reply.status, reply.kind), (200, "text/plain"));
                reply.body.into_owned()
            }
            other => panic!("{other:?}"),
        }
    }

    fn http(&mut self, from: &str, left: u64, more: &str) -> Reply {
        let (from, hash) = (at(from), "%AA".repeat(20));
        let id = String::from_utf8(peer_id(from).0.to_vec()).unwrap();
        let port = from.port();
        let target = format!("/announce?info_hash={hash}&peer_id={id}&port={port}&left={left}{more}");
        let body = self.get(from, &target);
        announce::parse(&body).unwrap()
    }

    fn counts(&self) -> (usize, usize, u32) {
        let Counts { seeds, leechers, downloaded } = self.tracker.counts(&HASH).unwrap_or_default();
        (seeds, leechers, downloaded)
    }
}

fn request(from: SocketAddr, left: u64, event: Event) -> announce::Request<'static> {
    announce::Request {
        info_hash: HASH,
        peer_id: peer_id(from),
        port: from.port(),
        uploaded: 0,
        downloaded: 0,
        left,
        numwant: 200,
        key: 1,
        event,
        tracker_id: None,
    }
}

#[test]
fn swarms_are_counted_over_both_ways() {
    let mut bench = Bench::new();
    assert!(bench.http(A, 0, "&event=started").peers.is_empty());
    assert_eq!(bench.counts(), (1, 0, 0));
    let reply = bench.announced(B, 100, Event::Started);
    assert_eq!((reply.complete, reply.incomplete, &reply.peers[..]), (Some(1), Some(1), &[at(A)][..]));
    let reply = bench.http(A, 0, "");
    assert_eq!(reply.peers, [at(B)], "a seed is told of the leecher, not of itself");
    assert_eq!(reply.external_ip, Some(at(A).ip()));
    assert!(bench.http(A, 0, "&numwant=0").peers.is_empty());
    // Completed counts once, said twice or not.
    for _ in 0..2 {
        assert!(bench.announced(B, 0, Event::Completed).peers.is_empty(), "seeds are not told of seeds");
        assert_eq!(bench.counts(), (2, 0, 1));
    }
    assert!(bench.announced(B, 0, Event::Stopped).peers.is_empty());
    assert_eq!(bench.counts(), (1, 0, 1));
    bench.http(A, 0, "&event=stopped");
    assert_eq!(bench.counts(), (0, 0, 1));
}

#[test]
fn families_do_not_mix_but_over_http() {
    let (a6, b6) = ("[2001:db8::1]:2001", "[2001:db8::2]:2002");
    let mut bench = Bench::new();
    bench.announced(A, 1, Event::None);
    assert!(bench.announced(a6, 1, Event::None).peers.is_empty());
    assert_eq!(bench.announced(b6, 1, Event::None).peers, [at(a6)]);
    assert_eq!(bench.announced(B, 1, Event::None).peers, [at(A)]);
    let mut peers = bench.http("198.51.100.3:3", 1, "").peers;
    peers.sort();
    assert_eq!(peers, [at(A), at(B), at(a6), at(b6)]);
    assert_eq!(bench.http("[2001:db8::3]:3", 1, "&numwant=2").peers.iter().filter(|p| p.is_ipv6()).count(), 2);
    // A mapped address is the IPv4 one.
    assert!(bench.http("[::ffff:198.51.100.1]:1001", 1, "").peers.iter().all(|peer| *peer != at(A)));
}

#[test]
fn dictionaries_have_ids_unless_told_otherwise() {
    let mut bench = Bench::new();
    bench.http(A, 1, "");
    bench.udp("[2001:db8::1]:2001", 1, Event::None, "/");
    let target = format!("/announce?info_hash={}&port=7&compact=0", "%AA".repeat(20));
    let body = bench.get(at(B), &target);
    let id = String::from_utf8(peer_id(at(A)).0.to_vec()).unwrap();
    let v4 = format!("d2:ip12:198.51.100.17:peer id20:{id}4:porti1001ee");
    let v6 = "d2:ip11:2001:db8::17:peer id20:-XX0000-0000000020014:porti2001ee";
    let text = String::from_utf8_lossy(&body);
    assert!(text.contains(&format!("5:peersl{v4}{v6}ee")), "{text}");
    let body = bench.get(at(B), &format!("{target}&no_peer_id=1"));
    assert!(!String::from_utf8_lossy(&body).contains("peer id"));
    assert_eq!(announce::parse(&body).unwrap().peers.len(), 2);
}

#[test]
fn announces_that_make_no_sense_are_told_why() {
    let mut bench = Bench::new();
    let hash = format!("info_hash={}", "%aa".repeat(20));
    for query in [
        "",
        "port=1",
        "info_hash=aaaaaaaaaaaaaaaaaaaaa&port=1",
        "info_hash=aaaaaaaaaaaaaaaaaaa&port=1",
        "info_hash=%4&port=1",
        &hash,
        &format!("{hash}&port=65536"),
        &format!("{hash}&port=-1"),
        &format!("{hash}&port=1&event=frobbed"),
    ] {
        let body = bench.get(at(A), &format!("/announce?{query}"));
        let reply = announce::parse(&body).unwrap();
        assert!(reply.failure.is_some() && reply.retry_in.is_none(), "{query}");
    }
    assert!(announce::parse(&bench.get(at(A), "/scrape")).unwrap().failure.is_some());
    assert_eq!(bench.tracker.numbers().0.refused, 10);
    assert_eq!(bench.tracker.torrents.len(), 0);
    // Odd but clear.
    for query in [
        "port=1001&peer_id=%00%0d%0a",
        "port=1001&left=-1&numwant=-1",
        "port=1001&numwant=1000000000&ipv6=x&key&&=",
        "port=1001&event=paused&port=99999",
    ] {
        let reply = announce::parse(&bench.get(at(A), &format!("/announce?{hash}&{query}"))).unwrap();
        assert_eq!((reply.failure, reply.incomplete), (None, Some(1)), "{query}");
    }
}

#[test]
fn port_zero_is_answered_and_not_stored() {
    let mut bench = Bench::new();
    bench.announced(A, 1, Event::None);
    assert_eq!(bench.announced("198.51.100.2:0", 1, Event::Started).peers, [at(A)]);
    assert_eq!(bench.http("198.51.100.2:0", 0, "").peers, [at(A)]);
    assert_eq!(bench.counts(), (0, 1, 0));
    let mut bench = Bench::new();
    bench.announced("198.51.100.2:0", 1, Event::None);
    bench.announced(A, 1, Event::Stopped);
    assert_eq!(bench.tracker.torrents.len(), 0, "nobody is there");
}

#[test]
fn nothing_is_sent_to_whom_proves_nothing() {
    let mut bench = Bench::new();
    let (a, b) = (at(A), at(B));
    let id = bench.connect(a);
    let ask = |id, from| udp_tracker::announce(id, 5, &request(from, 1, Event::None), "/announce");
    assert!(bench.datagram(b, &ask(id, b)).is_empty());
    assert!(bench.datagram(b, &udp_tracker::scrape(id, 5, &[HASH])).is_empty());
    assert_eq!(bench.datagram(a, &ask(id, a)).len(), 1);
    bench.pass(Span::secs(120));
    assert_eq!(bench.datagram(a, &ask(id, a)).len(), 1);
    bench.pass(Span::secs(1));
    assert!(bench.datagram(a, &ask(id, a)).is_empty());
    // Cut off, unknown, or without torrents: silence, whoever asks.
    let id = bench.connect(a);
    let whole = ask(id, a);
    for len in 0..udp_tracker::ANNOUNCE_LEN {
        assert!(bench.datagram(a, &whole[..len]).is_empty());
    }
    assert!(bench.datagram(a, &udp_tracker::scrape(id, 5, &[])).is_empty());
    assert!(bench.datagram(a, &[&id.to_be_bytes()[..], &[0, 0, 0, 9, 0, 0, 0, 1]].concat()).is_empty());
    // A connect is answered with no more than it had.
    let long = [udp_tracker::connect(1), vec![0; 1000]].concat();
    assert_eq!(bench.datagram(b, &long)[0].len(), 16);
}

#[test]
fn answers_fit_into_a_datagram_and_the_bounds() {
    let options = Options { peers_max: 1000, ..Options::default() };
    let mut bench = Bench::with(options, Access::default());
    for number in 0..300u16 {
        let peer = format!("198.51.{}.{}:1", number / 250, number % 250 + 1);
        bench.announced(&peer, u64::from(number % 2), Event::None);
        bench.announced(&format!("[2001:db8::{:x}]:1", number + 1), 1, Event::None);
    }
    for from in [A, "[2001:db8::ffff:1]:1"] {
        let from = at(from);
        let connection = bench.connect(from);
        let question = udp_tracker::announce(connection, 5, &request(from, 1, Event::None), "/");
        let answer = &bench.datagram(from, &question)[0];
        assert!((1150..=1200).contains(&answer.len()), "{}", answer.len());
    }
    let reply = bench.http(A, 1, "&numwant=1000000000");
    assert!((550..=1000).contains(&reply.peers.len()), "{}", reply.peers.len());
    assert_eq!(bench.http(A, 1, "").peers.len(), super::announce::NUMWANT);
    let seeds = |peers: &[SocketAddr]| peers.iter().filter(|peer| peer.ip().to_string().ends_with('2')).count();
    assert!(seeds(&reply.peers) > 0);
}

#[test]
fn scrapes_count_what_is_there() {
    let mut bench = Bench::new();
    bench.announced(A, 0, Event::Completed);
    bench.announced(B, 7, Event::None);
    let other = InfoHash([1; 20]);
    let row = announce::Scraped {
        complete: Some(1),
        incomplete: Some(1),
        downloaded: Some(1),
        ..announce::Scraped::default()
    };
    let none = announce::Scraped {
        complete: Some(0),
        incomplete: Some(0),
        downloaded: Some(0),
        ..announce::Scraped::default()
    };
    let a = at(A);
    let connection = bench.connect(a);
    let answers = bench.datagram(a, &udp_tracker::scrape(connection, 6, &[HASH, other]));
    assert_eq!(Answer::parse(&answers[0], a.ip()), Ok((6, Answer::Scraped(vec![row, none]))));
    let target = format!("/scrape?info_hash={}&info_hash={}", "%AA".repeat(20), "%01".repeat(20));
    let body = bench.get(a, &target);
    let files = announce::parse_scrape(&body, &[HASH, other]).unwrap();
    assert_eq!((files[&HASH], files[&other]), (row, none));
    assert_eq!(bench.tracker.torrents.len(), 1, "asking makes no torrent");
}

#[test]
fn lists_and_keys_decide_who_is_served() {
    let access = Access { denied: Some(vec![HASH]), ..Access::default() };
    let mut bench = Bench::with(Options::default(), access);
    let reply = bench.http(A, 1, "");
    assert_eq!(reply.retry_in, Some(announce::RetryIn::Never));
    assert!(matches!(bench.udp(A, 1, Event::None, "/"), Answer::Failed(why) if why == http_words().1));
    bench.tracker.handle(bench.now, Input::Note(Note::Access(Box::default())), &mut bench.out);
    assert_eq!(bench.http(A, 1, "").failure, None);

    let access = Access { keys: Some(vec!["secret-0".into()]), ..Access::default() };
    let mut bench = Bench::with(Options::default(), access);
    assert_eq!(bench.http(A, 1, "").failure.as_deref(), Some(http_words().0));
    let query = format!("info_hash={}&port=1", "%AA".repeat(20));
    for (path, is_served) in [("/secret-0/announce", true), ("/secret-1/announce", false), ("/announce", false)] {
        let reply = announce::parse(&bench.get(at(A), &format!("{path}?{query}"))).unwrap();
        assert_eq!(reply.failure.is_none(), is_served, "{path}");
        assert_eq!(matches!(bench.udp(A, 1, Event::None, path), Answer::Announced(_)), is_served, "{path}");
    }
    assert!(matches!(bench.udp(A, 1, Event::None, "/secret-0/announce?x=1"), Answer::Announced(_)));
    let connection = bench.connect(at(A));
    let answers = bench.datagram(at(A), &udp_tracker::scrape(connection, 6, &[HASH]));
    assert!(matches!(Answer::parse(&answers[0], at(A).ip()), Ok((6, Answer::Failed(_)))));
    assert!(!bench.get(at(A), &format!("/secret-0/scrape?{query}")).starts_with(b"d14:failure"));
}

fn http_words() -> (&'static str, &'static str) {
    (super::http::NO_KEY, super::http::NOT_SERVED)
}

#[test]
fn who_is_not_heard_of_is_forgotten() {
    let mut bench = Bench::new();
    let reply = bench.announced(A, 1, Event::None);
    let interval = reply.interval_s.unwrap();
    assert!((1800 - 113..=1800 + 113).contains(&interval), "{interval}");
    bench.pass(Span::secs(1800));
    assert_eq!(bench.announced(B, 1, Event::None).peers, [at(A)]);
    bench.pass(Span::secs(1200));
    assert_eq!(bench.counts(), (0, 1, 0));
    bench.pass(Span::secs(3000));
    assert_eq!(bench.tracker.torrents.len(), 0);
    assert_eq!(bench.tracker.next_deadline(), None, "nothing is left to do");
}

#[test]
fn intervals_differ() {
    let mut bench = Bench::new();
    let mut all: Vec<u64> = (0..50).filter_map(|_| bench.announced(A, 1, Event::None).interval_s).collect();
    all.sort_unstable();
    all.dedup();
    assert!(all.len() > 30, "{all:?}");
}

#[test]
fn local_peers_are_told_to_local_askers_only() {
    let mut bench = Bench::new();
    for peer in ["127.0.0.1:1", "192.168.0.1:2", A] {
        bench.announced(peer, 1, Event::None);
    }
    let mut told = |asker: &str| {
        let mut ports: Vec<u16> = bench.announced(asker, 1, Event::None).peers.iter().map(SocketAddr::port).collect();
        ports.sort_unstable();
        ports
    };
    assert_eq!(told("127.0.0.2:9"), [1, 2, 1001]);
    assert_eq!(told("10.0.0.2:8"), [2, 1001]);
    assert_eq!(told(B), [1001]);
    // Beside its tracker a client may say where others reach it; elsewhere nobody may.
    bench.http("127.0.0.3:77", 1, "&ip=198.51.100.77");
    bench.http("192.168.0.3:78", 1, "&ip=198.51.100.78");
    let peers = bench.announced(B, 1, Event::None).peers;
    assert!(peers.contains(&at("198.51.100.77:77")) && !peers.iter().any(|peer| peer.port() == 78), "{peers:?}");
}
