//! Connections of the reactor: dials, accepts, bytes both ways in odd portions, ends of every kind.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream, UdpSocket};
use std::sync::mpsc;
use std::time::Duration;

use peerlink::base::{ConnId, Span, Time, TorrentId};
use peerlink::machine::{Closed, Command, Input, Level, Note, Outgoing, Run};

use super::script::{LONG, Script, local, pattern, start};

const LEN: usize = 10_000_000;

/// A note that carries a text to the test.
pub fn said(text: impl Into<String>) -> Note {
    Note::Said { torrent: TorrentId(0), level: Level::Info, text: text.into() }
}

/// The next text that the machine said.
pub fn heard(notes: &mpsc::Receiver<Note>) -> String {
    loop {
        match notes.recv_timeout(LONG).expect("something is said") {
            Note::Said { text, .. } => return text,
            _ => continue,
        }
    }
}

fn reason(reason: Closed) -> String {
    format!("closed {reason:?}")
}

pub fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("a listening reactor");
    stream.set_read_timeout(Some(LONG)).unwrap();
    stream.set_write_timeout(Some(LONG)).unwrap();
    stream
}

/// 10 MB come in through an appetite that is tiny, sometimes nothing at all, while the sender never waits: any bit
/// lost between edge and turn would stall it.
#[test]
fn ten_megabytes_arrive_through_a_tiny_appetite() {
    let state = tempfile::tempdir().unwrap();
    let (sender, notes) = mpsc::channel();
    let mut expected = pattern(1, LEN).into_iter();
    let mut left = LEN;
    let mut rng = fastrand::Rng::with_seed(2);
    let machine = Script::new(move |now, input, out, wishes| match input {
        Input::Received { bytes, .. } => {
            assert!(bytes.len() <= wishes.appetite_else, "more than the appetite");
            assert!(bytes.iter().all(|byte| Some(*byte) == expected.next()), "wrong bytes");
            left -= bytes.len();
            if left == 0 {
                out.tell(said("all"));
            }
            wishes.appetite_else = match rng.usize(..100) {
                0 => 0,
                1..20 => 1 + rng.usize(..7),
                _ => 1 + rng.usize(..20_000),
            };
            if wishes.appetite_else == 0 {
                wishes.deadline = Some(now + Span::millis(1));
            }
        }
        Input::Deadline => {
            wishes.deadline = None;
            wishes.appetite_else = 10;
        }
        Input::Closed { reason: why, .. } => out.tell(said(reason(why))),
        _ => {}
    });
    let running = start(local(state.path()), machine, sender);
    let mut stream = connect(running.port);
    stream.write_all(&pattern(1, LEN)).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(heard(&notes), "all");
    assert_eq!(heard(&notes), "closed ByPeer");
    running.stop();
}

/// 10 MB of blocks and control messages go out to one that reads little at a time.
#[test]
fn ten_megabytes_leave_to_a_slow_reader() {
    const RUN: usize = 100_000;
    let state = tempfile::tempdir().unwrap();
    let (sender, notes) = mpsc::channel();
    let payload = pattern(3, LEN);
    let mut sent = 0;
    let mut counted = 0;
    let machine = Script::new(move |_, input, out, _| {
        let (conn, queued) = match input {
            Input::Accepted { conn, .. } => (conn, 0),
            Input::Sent { conn, bytes, queued, .. } => {
                counted += bytes;
                (conn, queued)
            }
            _ => return,
        };
        if counted == LEN as u64 {
            out.tell(said("all"));
        }
        let mut queued = queued;
        while queued < 256 * 1024 && sent < LEN {
            let run = payload[sent..sent + RUN].to_vec();
            let half = (RUN / 2) as u32;
            let block = |start| Outgoing { head: [0x55; 13], start, len: half };
            out.push(Command::SendBlocks { conn, run: Run(run), blocks: vec![block(0), block(half)] });
            out.send(conn, vec![0xaa; 9]);
            sent += RUN;
            queued += RUN + 35;
        }
    });
    let running = start(local(state.path()), machine, sender);
    let mut stream = connect(running.port);
    let expected = pattern(3, LEN);
    let mut rng = fastrand::Rng::with_seed(4);
    let mut got = Vec::new();
    let total = LEN / RUN * (RUN + 2 * 13 + 9);
    while got.len() < total {
        let mut buffer = vec![0; 1 + rng.usize(..70_000)];
        let len = stream.read(&mut buffer).unwrap();
        assert_ne!(len, 0);
        got.extend_from_slice(&buffer[..len]);
        if rng.u8(..) < 8 {
            std::thread::yield_now();
        }
    }
    let mut at = &got[..];
    for run in expected.chunks(RUN) {
        for half in run.chunks(RUN / 2) {
            assert_eq!(at[..13], [0x55; 13]);
            assert!(at[13..13 + half.len()] == *half);
            at = &at[13 + half.len()..];
        }
        assert_eq!(at[..9], [0xaa; 9]);
        at = &at[9..];
    }
    assert_eq!(heard(&notes), "all");
    running.stop();
}

/// Two reactors: one dials the other, a line goes there and back, and the close is heard once at the other end only.
#[test]
fn reactors_reach_each_other_and_hear_a_close_once() {
    for ip in ["127.0.0.1", "::1"] {
        let state = tempfile::tempdir().unwrap();
        let (sender, notes) = mpsc::channel();
        let echo = Script::new(|_, input, out, _| match input {
            Input::Received { conn, bytes } => out.send(conn, bytes.to_vec()),
            Input::Closed { reason: why, .. } => out.tell(said(reason(why))),
            _ => {}
        });
        let server = start(local(state.path()), echo, sender);
        let to = (ip.parse::<std::net::IpAddr>().unwrap(), server.port).into();
        let (sender, replies) = mpsc::channel();
        let caller = Script::new(move |_, input, out, _| match input {
            Input::Note(Note::Listening { .. }) => {
                let conn = out.new_conn();
                out.push(Command::Connect { conn, to });
            }
            Input::Connected { conn } => {
                out.push(Command::SendMany { conns: vec![conn], bytes: b"ping".as_slice().into() });
            }
            Input::Received { conn, bytes } => {
                out.close(conn);
                out.send(conn, b"too late".to_vec());
                out.close(conn);
                out.tell(said(String::from_utf8_lossy(bytes)));
            }
            Input::Closed { reason: why, .. } => out.tell(said(reason(why))),
            _ => {}
        });
        let client = start(local(state.path()), caller, sender);
        assert_eq!(heard(&replies), "ping");
        assert_eq!(heard(&notes), "closed ByPeer");
        client.stop();
        server.stop();
        let closes = replies.iter().filter(|note| matches!(note, Note::Said { .. })).count();
        assert_eq!(closes, 0, "a close of one's own is not heard");
        assert!(notes.iter().all(|note| !matches!(note, Note::Said { .. })), "closed twice");
    }
}

/// What was queued right before a close still leaves.
#[test]
fn a_close_hands_over_what_the_kernel_takes() {
    let state = tempfile::tempdir().unwrap();
    let (sender, _notes) = mpsc::channel();
    let machine = Script::new(|_, input, out, _| {
        if let Input::Accepted { conn, .. } = input {
            out.send(conn, b"goodbye".to_vec());
            out.close(conn);
        }
    });
    let running = start(local(state.path()), machine, sender);
    let mut text = String::new();
    connect(running.port).read_to_string(&mut text).unwrap();
    assert_eq!(text, "goodbye");
    running.stop();
}

#[test]
fn a_refused_dial_is_unreachable() {
    let state = tempfile::tempdir().unwrap();
    let (sender, notes) = mpsc::channel();
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let machine = Script::new(move |_, input, out, _| match input {
        Input::Note(Note::Listening { .. }) => {
            let conn = out.new_conn();
            out.push(Command::Connect { conn, to: nobody });
        }
        Input::Closed { conn, reason: why } => out.tell(said(format!("{} {}", conn.0, reason(why)))),
        Input::Connected { .. } => out.tell(said("connected")),
        _ => {}
    });
    let running = start(local(state.path()), machine, sender);
    assert_eq!(heard(&notes), "1 closed Unreachable");
    running.stop();
}

/// A reset after data: the data is read first, then the error is heard.
#[test]
fn data_before_a_reset_is_read() {
    let state = tempfile::tempdir().unwrap();
    let (sender, notes) = mpsc::channel();
    let machine = Script::new(|_, input, out, _| match input {
        Input::Received { bytes, .. } => out.tell(said(format!("{}", bytes.len()))),
        Input::Closed { reason: why, .. } => out.tell(said(reason(why))),
        _ => {}
    });
    let running = start(local(state.path()), machine, sender);
    let mut stream = connect(running.port);
    stream.write_all(&[1; 100]).unwrap();
    assert_eq!(heard(&notes), "100");
    socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    drop(stream);
    assert_eq!(heard(&notes), "closed Error");
    running.stop();
}

/// Somebody who never reads what is sent to him is hung up on, and memory stays bounded.
#[test]
fn one_that_does_not_read_overflows() {
    let state = tempfile::tempdir().unwrap();
    let (sender, notes) = mpsc::channel();
    let machine = Script::new(|now: Time, input, out, wishes| match input {
        Input::Accepted { conn, .. } => {
            wishes.appetite.insert(conn, 1);
            wishes.deadline = Some(now);
        }
        Input::Deadline => {
            let conns: Vec<ConnId> = wishes.appetite.keys().copied().collect();
            out.push(Command::SendMany { conns, bytes: vec![0; 100_000].into() });
            wishes.deadline = Some(now);
        }
        Input::Closed { conn, reason: why } => {
            wishes.appetite.remove(&conn);
            wishes.deadline = None;
            out.tell(said(reason(why)));
        }
        _ => {}
    });
    let running = start(local(state.path()), machine, sender);
    let stream = connect(running.port);
    assert_eq!(heard(&notes), "closed Overflow");
    drop(stream);
    running.stop();
}

#[test]
fn datagrams_go_both_ways_on_the_same_port() {
    let state = tempfile::tempdir().unwrap();
    let (sender, _notes) = mpsc::channel();
    let machine = Script::new(|_, input, out, _| {
        if let Input::Datagram { from, bytes } = input {
            out.push(Command::SendDatagram { to: from, bytes: bytes.iter().rev().copied().collect() });
        }
    });
    let running = start(local(state.path()), machine, sender);
    for ip in ["127.0.0.1", "::1"] {
        let socket = UdpSocket::bind((ip, 0)).unwrap();
        socket.set_read_timeout(Some(LONG)).unwrap();
        socket.connect((ip, running.port)).unwrap();
        let mut buffer = [0; 100];
        for text in ["abc", "", "xyz"] {
            socket.send(text.as_bytes()).unwrap();
            let len = socket.recv(&mut buffer).unwrap();
            assert_eq!(buffer[..len], text.bytes().rev().collect::<Vec<_>>());
        }
    }
    running.stop();
}

/// Many at once, each with its own bytes: nobody's turn is forgotten.
#[test]
fn two_hundred_connections_all_get_their_turns() {
    let state = tempfile::tempdir().unwrap();
    let (sender, _notes) = mpsc::channel();
    let machine = Script::new(|_, input, out, wishes| {
        wishes.appetite_else = 1000;
        if let Input::Received { conn, bytes } = input {
            out.send(conn, bytes.to_vec());
        }
    });
    let running = start(local(state.path()), machine, sender);
    let mut streams: Vec<TcpStream> = (0..200).map(|_| connect(running.port)).collect();
    for (at, stream) in streams.iter_mut().enumerate() {
        stream.write_all(&pattern(at as u64, 20_000)).unwrap();
    }
    for (at, stream) in streams.iter_mut().enumerate() {
        let mut back = vec![0; 20_000];
        stream.read_exact(&mut back).unwrap();
        assert!(back == pattern(at as u64, 20_000), "connection {at}");
    }
    running.stop();
}

/// A machine that never says it stopped cannot keep the loop.
#[test]
fn the_loop_ends_late_when_nothing_is_said() {
    struct Deaf;
    impl peerlink::machine::Machine for Deaf {
        fn handle(&mut self, _: Time, _: Input<'_>, _: &mut peerlink::machine::Outbox) {}
        fn next_deadline(&self) -> Option<Time> {
            None
        }
        fn appetite(&self, _: ConnId, _: &peerlink::base::Pool) -> usize {
            0
        }
    }
    let state = tempfile::tempdir().unwrap();
    let reactor = peerlink::io::Reactor::new(local(state.path())).unwrap();
    reactor.handle().stop();
    let begin = std::time::Instant::now();
    let ended = reactor.run(&mut Deaf, &mut |_| peerlink::io::Next::Go).unwrap();
    assert_eq!(ended, peerlink::io::Ended::Late);
    assert!(begin.elapsed() < Duration::from_secs(4));
}

/// The listener's own word stops the loop, and its handle works from within.
#[test]
fn the_listener_can_speak_and_stop() {
    let state = tempfile::tempdir().unwrap();
    let reactor = peerlink::io::Reactor::new(local(state.path())).unwrap();
    let handle = reactor.handle();
    let mut machine = Script::new(|_, input, out, _| match input {
        Input::Note(Note::Listening { .. }) => out.tell(said("hello")),
        Input::Note(Note::Watch { .. }) => out.tell(said("watched")),
        _ => {}
    });
    let mut texts = Vec::new();
    let mut listener = |note| {
        let Note::Said { text, .. } = note else { return peerlink::io::Next::Go };
        assert!(handle.note(Note::Watch { interval: Span::secs(1) }));
        texts.push(text);
        if texts.len() < 3 { peerlink::io::Next::Go } else { peerlink::io::Next::Stop }
    };
    assert_eq!(reactor.run(&mut machine, &mut listener).unwrap(), peerlink::io::Ended::Saved);
    assert_eq!(texts, ["hello", "watched", "watched"]);
}
