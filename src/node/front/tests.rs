//! The front door, fed by hand.

use super::*;
use crate::base::PeerId;
use crate::base::access::Access;
use crate::base::keyed::Secret;
use crate::groups::{self, Groups};
use crate::index::Index;
use crate::machine::{Closed, Input, Machine};
use crate::node::{Node, Server};
use crate::tracker::{self, Tracker};

/// A server whose connections are fed by hand.
struct Bench {
    node: Node,
    out: Outbox,
    now: Time,
    /// Everything sent and not yet looked at, in order.
    sent: Vec<u8>,
    closed: Vec<ConnId>,
    /// The last `Read` said.
    reads: bool,
    /// A `SendTold` waits to be told.
    owed: bool,
}

const CONN: ConnId = ConnId(7);

impl Bench {
    fn new() -> Bench {
        Bench::with(FrontOptions::default())
    }

    fn with(options: FrontOptions) -> Bench {
        let mut node = Node::new(PeerId(*b"-PL0100-aaaaaaaaaaaa"), 1);
        let tracker = Tracker::new(tracker::Options::default(), Access::default(), Secret(1, 2));
        node.serve(Server::new(options, tracker, Index::default(), Groups::new(groups::Options::new(Secret(3, 4)))));
        let out = Outbox::new(1, 4, 4, 4);
        let mut bench =
            Bench { node, out, now: Time::ZERO, sent: Vec::new(), closed: Vec::new(), reads: true, owed: false };
        bench.accept(CONN, "192.0.2.1:5");
        bench
    }

    fn accept(&mut self, conn: ConnId, remote: &str) {
        self.input(Input::Accepted { conn, remote: remote.parse().unwrap() });
    }

    fn input(&mut self, input: Input<'_>) {
        self.node.handle(self.now, input, &mut self.out);
        for command in self.out.commands.drain(..) {
            match command {
                Command::Send { bytes, .. } => self.sent.extend(bytes),
                Command::SendTold { bytes, .. } => {
                    self.sent.extend(bytes);
                    self.owed = true;
                }
                Command::Read { on, .. } => self.reads = on,
                Command::Close { conn } => self.closed.push(conn),
                Command::Tell(_) => {}
                other => panic!("{other:?}"),
            }
        }
        self.node.check();
    }

    /// What comes back for these bytes.
    fn say(&mut self, bytes: &[u8]) -> String {
        self.input(Input::Received { conn: CONN, bytes });
        String::from_utf8(std::mem::take(&mut self.sent)).unwrap()
    }

    fn tell_sent(&mut self) {
        assert!(std::mem::take(&mut self.owed), "nobody asked");
        self.input(Input::Sent { conn: CONN, blocks: 0, bytes: 0, queued: 0 });
    }

    /// Time goes by, in steps as long as the driver's.
    fn pass(&mut self, span: Span) {
        let end = self.now + span;
        while let Some(due) = self.node.next_deadline().filter(|due| *due <= end) {
            self.now = due;
            self.input(Input::Deadline);
        }
        self.now = end;
    }

    /// A deadline goes by, as far as they are looked at.
    fn pass_over(&mut self, timeout: Span) {
        self.pass(timeout);
        self.pass(SWEEP);
    }
}

fn status(reply: &str) -> &str {
    reply.get(9..12).unwrap_or(reply)
}

const GET: &str = "GET /health HTTP/1.1\r\nHost: a\r\n\r\n";

#[test]
fn pipelined_requests_are_answered_alike_at_every_split_point() {
    let posts = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello\
                 POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    let all = format!("{GET}\r\n{posts}HEAD /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let expected = Bench::new().say(all.as_bytes());
    assert_eq!(expected.matches("200 OK").count(), 4, "{expected}");
    assert!(expected.contains("\r\n\r\nhelloHTTP") && expected.contains("\r\n\r\nabcdeHTTP"), "{expected}");
    assert!(expected.ends_with("Content-Length: 3\r\nConnection: close\r\n\r\n"), "{expected}");
    for split in 1..all.len() {
        let mut bench = Bench::new();
        let first = bench.say(&all.as_bytes()[..split]);
        let second = bench.say(&all.as_bytes()[split..]);
        assert_eq!(first + &second, expected, "at {split}");
        assert_eq!(bench.closed, [CONN]);
    }
    let mut bench = Bench::new();
    let bytes: String = all.bytes().map(|byte| bench.say(&[byte])).collect();
    assert_eq!(bytes, expected);
}

#[test]
fn a_thousand_pipelined_requests_wait_for_their_reader() {
    let mut bench = Bench::new();
    let all = GET.repeat(1000);
    let mut replies = String::new();
    for piece in all.as_bytes().chunks(HEAD_LEN) {
        assert!(bench.reads, "more came than was asked for");
        replies += &bench.say(piece);
        while bench.owed {
            assert!(bench.node.server.as_ref().unwrap().front.totals.buffered <= 2 * HEAD_LEN);
            bench.tell_sent();
            replies += &String::from_utf8(std::mem::take(&mut bench.sent)).unwrap();
        }
    }
    assert_eq!(replies.matches("200 OK").count(), 1000);
    // Somebody who does not read: no more is read of it than one head.
    let mut bench = Bench::new();
    while bench.reads {
        bench.say(all.as_bytes().get(..HEAD_LEN).unwrap());
    }
    bench.pass_over(SEND_TIMEOUT);
    assert_eq!(bench.closed, [CONN]);
}

#[test]
fn long_replies_leave_in_slices() {
    let mut bench = Bench::new();
    let body: String = (0..200_000).map(|at| char::from(b'a' + (at % 26) as u8)).collect();
    let mut got =
        bench.say(format!("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n{body}").as_bytes());
    let mut slices = 1;
    while bench.owed {
        assert!(got.len() < 70_000 * slices);
        bench.tell_sent();
        slices += 1;
        got += &String::from_utf8(std::mem::take(&mut bench.sent)).unwrap();
    }
    assert!(got.ends_with(&body) && slices == 5, "{slices} slices");
    assert_eq!(status(&bench.say(GET.as_bytes())), "200");
}

#[test]
fn what_is_too_much_is_refused_and_the_rest_not_looked_at() {
    let long = format!("GET /{} HTTP/1.1\r\n", "x".repeat(HEAD_LEN));
    for (bytes, expected) in [
        ("GET / HTTP/1.1\r\n\r\n", "400"),
        ("GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n", "404"),
        ("PATCH /health HTTP/1.1\r\nHost: a\r\n\r\n", "405"),
        ("POST /health HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nGET / HTT", "405"),
        ("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 200001\r\n\r\n", "413"),
        ("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n30d41\r\n", "413"),
        (long.as_str(), "431"),
    ] {
        let mut bench = Bench::new();
        let reply = bench.say(bytes.as_bytes());
        assert_eq!(status(&reply), expected, "{bytes}");
        assert_eq!(reply.matches("HTTP/1.1").count(), 1, "{reply}");
        let again = bench.say(GET.as_bytes());
        assert_eq!(again.is_empty(), !matches!(expected, "404") && !bytes.starts_with("PATCH"), "{bytes}");
        bench.pass_over(LEAVE_TIMEOUT);
        assert_eq!(bench.closed.is_empty(), !again.is_empty(), "{bytes}");
    }
}

#[test]
fn slow_senders_are_closed_in_every_phase() {
    // Silent; a byte a second; a head without an end; a body that trickles in.
    let mut bench = Bench::new();
    bench.pass_over(HEAD_TIMEOUT);
    assert_eq!(bench.closed, [CONN]);
    // The first turns out to be a login under way.
    for (start, most) in [
        ("G", 27),
        ("GET / HTTP/1.1\r\n", 17),
        ("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n", 17),
    ] {
        let mut bench = Bench::new();
        bench.say(start.as_bytes());
        let mut seconds = 0;
        while bench.closed.is_empty() {
            bench.pass(Span::secs(1));
            bench.say(b"x");
            seconds += 1;
        }
        assert!(seconds <= most, "{start} took {seconds} s");
    }
    // A body with a fair rate may take longer, and a connection that is used stays.
    let mut bench = Bench::new();
    bench.say(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n");
    for _ in 0..20 {
        assert!(bench.closed.is_empty());
        bench.say(&[b'x'; 10_000]);
        bench.pass(Span::secs(1));
    }
    for _ in 0..10 {
        bench.owed = false;
        bench.input(Input::Sent { conn: CONN, blocks: 0, bytes: 0, queued: 0 });
    }
    bench.sent.clear();
    for _ in 0..5 {
        bench.pass(Span(IDLE_TIMEOUT.0 - 2 * SWEEP.0));
        assert_eq!(status(&bench.say(GET.as_bytes())), "200");
    }
    bench.pass_over(IDLE_TIMEOUT);
    assert_eq!(bench.closed, [CONN]);
}

#[test]
fn only_so_many_bodies_at_once_and_continue_is_said() {
    let mut bench = Bench::new();
    let head = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n";
    let expecting = format!("{head}Expect: 100-continue\r\n\r\n");
    assert_eq!(bench.say(expecting.as_bytes()), "HTTP/1.1 100 Continue\r\n\r\n");
    for number in 0..UPLOADS_MAX as u64 {
        let conn = ConnId(100 + number);
        bench.accept(conn, "192.0.2.2:5");
        bench.input(Input::Received { conn, bytes: format!("{head}\r\nab").as_bytes() });
    }
    assert!(bench.sent.starts_with(b"HTTP/1.1 503 "), "{}", bench.sent.escape_ascii());
    bench.sent.clear();
    bench.input(Input::Closed { conn: ConnId(100), reason: Closed::ByPeer });
    bench.accept(ConnId(200), "192.0.2.2:5");
    bench.input(Input::Received { conn: ConnId(200), bytes: format!("{head}\r\nab").as_bytes() });
    assert!(bench.sent.is_empty());
    // A small one needs no place.
    bench.accept(ConnId(201), "192.0.2.2:5");
    let small = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe";
    bench.input(Input::Received { conn: ConnId(201), bytes: small.as_bytes() });
    assert!(bench.sent.is_empty());
    bench.input(Input::Received { conn: ConnId(201), bytes: b"llo" });
    assert!(bench.sent.ends_with(b"hello"), "{}", bench.sent.escape_ascii());
    bench.sent.clear();
    assert!(bench.say("hello".repeat(1000).as_bytes()).ends_with("hello"));
}

#[test]
fn answers_may_come_later_and_in_order() {
    let mut bench = Bench::new();
    assert_eq!(bench.say(format!("GET /later HTTP/1.1\r\nHost: a\r\n\r\n{GET}").as_bytes()), "");
    assert_eq!(bench.say(GET.as_bytes()), "");
    let Bench { node, out, now, .. } = &mut bench;
    node.with_server(*now, out, |_, out| {
        out.push(Command::Answer { conn: CONN, reply: Reply::text(201, "made") });
    });
    let replies = bench.say(b"");
    assert_eq!(replies.matches("HTTP/1.1 2").count(), 3, "{replies}");
    assert!(replies.starts_with("HTTP/1.1 201"), "{replies}");
}

#[test]
fn others_are_told_apart() {
    let mut bench = Bench::new();
    assert_eq!(bench.say(b"NI"), "");
    assert_eq!(bench.say(b"CK a\r\nPA"), "");
    assert!(bench.say(b"SS x\r\nUSER a 0 * :a\r\n").starts_with(":peerlink.server 001 a :Welcome"));
    assert!(bench.say(b"QUIT\r\n").starts_with("ERROR :Closing link: "));
    assert_eq!(bench.closed, [CONN]);
    let mut bench = Bench::new();
    bench.pass_over(HEAD_TIMEOUT);
    assert!(bench.sent.starts_with(b"ERROR :"), "who says nothing is told why it goes");
    assert_eq!(bench.closed, [CONN]);
    let mut bench = Bench::new();
    bench.say(b"\x13BitTorrent pro");
    assert!(bench.closed.is_empty());
    bench.say(b"tocol");
    assert_eq!(bench.closed, [CONN], "there are no torrents here");
}

#[test]
fn an_address_has_only_so_many_connections() {
    let mut bench = Bench::with(FrontOptions { per_address: 2, ..FrontOptions::default() });
    bench.accept(ConnId(1), "[2001:db8::1]:1");
    bench.accept(ConnId(2), "[2001:db8::2]:1");
    bench.accept(ConnId(3), "[2001:db8::3]:1");
    bench.accept(ConnId(4), "[2001:db8:0:1::1]:1");
    (30..45).for_each(|number| bench.accept(ConnId(number), "[::ffff:127.0.0.1]:1"));
    assert_eq!(bench.closed, [ConnId(3)]);
    bench.input(Input::Closed { conn: ConnId(1), reason: Closed::ByPeer });
    bench.accept(ConnId(20), "[2001:db8::3]:1");
    assert_eq!(bench.closed, [ConnId(3)]);
    bench.input(Input::Stop);
    assert_eq!(bench.closed.len(), 1 + 19);
}

#[test]
fn long_replies_that_nobody_reads_are_bounded() {
    const BODY_LEN: usize = 200_000;
    let mut bench = Bench::new();
    let post =
        format!("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {BODY_LEN}\r\n\r\n{}", "x".repeat(BODY_LEN));
    let ask = |bench: &mut Bench, n: usize| {
        let conn = ConnId(100 + n as u64);
        bench.accept(conn, "192.0.2.2:5");
        bench.input(Input::Received { conn, bytes: post.as_bytes() });
        let reply = String::from_utf8(std::mem::take(&mut bench.sent)).unwrap();
        status(&reply).to_string()
    };
    let fit = REPLIES_LEN / BODY_LEN;
    for n in 0..fit + 10 {
        assert_eq!(ask(&mut bench, n), if n < fit { "200" } else { "503" }, "{n}");
    }
    bench.input(Input::Closed { conn: ConnId(100), reason: Closed::Error });
    assert_eq!((ask(&mut bench, 900).as_str(), ask(&mut bench, 901).as_str()), ("200", "503"));
    // Who reads makes room.
    let conn = ConnId(101);
    for _ in 0..4 {
        bench.input(Input::Sent { conn, blocks: 0, bytes: 0, queued: 0 });
    }
    bench.sent.clear();
    assert_eq!(ask(&mut bench, 902), "200");
}
