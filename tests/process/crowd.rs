//! Crowds of strangers: connections that say nothing must not keep honest peers waiting.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use peerlink::base::{InfoHash, PeerId};
use peerlink::metainfo::parse::parse;
use peerlink::wire::handshake::{self, Handshake};

use super::rig::{Home, payload};
use super::transfer::seed;

/// Those that say nothing.
const SILENT: usize = 1000;
/// The last of them is closed by then …
const ALL_CLOSED: Duration = Duration::from_secs(15);
/// … and a handshake is answered in this time meanwhile.
const ANSWER: Duration = Duration::from_secs(1);
/// Descriptors of this process besides those.
const OTHERS: u64 = 300;

/// Descriptors for `count` connections of this process; fewer where the machine allows fewer.
pub fn connections(count: usize) -> usize {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
    let wanted = (count as u64 + OTHERS).min(hard);
    if soft < wanted {
        setrlimit(Resource::RLIMIT_NOFILE, wanted, hard).expect("a soft limit below the hard one");
    }
    count.min((wanted.max(soft) - OTHERS) as usize)
}

pub fn dial(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("a listening peerlink");
    stream.set_read_timeout(Some(ALL_CLOSED)).expect("a timeout");
    stream
}

/// A whole handshake, and how long its answer took.
fn shake_hands(port: u16, info_hash: InfoHash, number: u8) -> Duration {
    let begin = Instant::now();
    let mut stream = dial(port);
    let ours = Handshake::new(info_hash, PeerId([number; 20]));
    stream.write_all(&ours.to_bytes()).expect("a peer that reads");
    let mut theirs = [0; handshake::LEN];
    stream.read_exact(&mut theirs).expect("an answer");
    assert_eq!(Handshake::from_bytes(&theirs).map(|theirs| theirs.info_hash), Some(info_hash));
    begin.elapsed()
}

#[test]
fn a_thousand_silent_connections() {
    let home = Home::new();
    home.write("data.bin", &payload(100_000, 5));
    let (seed, port, torrent) = seed(&home, "data.bin", &[]);
    let info_hash = parse(&home.read(&torrent)).expect("a torrent").info_hash;
    let begin = Instant::now();
    let silent: Vec<TcpStream> = (0..connections(SILENT)).map(|_| dial(port)).collect();
    let (tell, told) = channel();
    let watch = std::thread::spawn(move || {
        for mut stream in silent {
            let end = stream.read(&mut [0]);
            let is_closed = match &end {
                Ok(len) => *len == 0,
                Err(error) => !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
            };
            assert!(is_closed, "{end:?}");
        }
        let _ = tell.send(begin.elapsed());
    });
    let mut number = 0_u8;
    let closed = loop {
        number = number.wrapping_add(1);
        let took = shake_hands(port, info_hash, number);
        assert!(took <= ANSWER, "handshake {number} was answered after {took:?}");
        match told.recv_timeout(Duration::from_millis(100)) {
            Ok(closed) => break closed,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => panic!("{:?}", watch.join()),
        }
    };
    assert!(closed <= ALL_CLOSED, "the last one was closed after {closed:?}");
    seed.signal("TERM");
    seed.wait().expect(0);
}
