//! Senders who give a byte now and then: all are closed within 30 s, and nobody else waits for them.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::{Server, allow_descriptors, ask, is_full};

const CLOSED_WITHIN: Duration = Duration::from_secs(30);
const ANSWERED_WITHIN: Duration = Duration::from_millis(200);

#[test]
fn slow_senders_are_closed_and_hold_nobody_up() {
    let count = if is_full() { 1_000 } else { 300 };
    assert!(allow_descriptors(count + 100) >= count + 100, "too few descriptors");
    let server = Server::start();
    let mut slow: Vec<TcpStream> =
        (0..count).map(|_| TcpStream::connect(server.address).expect("it listens")).collect();
    slow.iter().for_each(|stream| stream.set_nonblocking(true).expect("a socket"));
    let mut rest = b"GET /announce?info_hash=".iter().chain(std::iter::repeat(&b'a'));
    let begin = Instant::now();
    let (mut slowest, mut times) = (Duration::ZERO, 0);
    while !slow.is_empty() {
        assert!(begin.elapsed() < CLOSED_WITHIN, "{} are still there", slow.len());
        let byte = [*rest.next().expect("endless")];
        slow.retain_mut(|stream| {
            let sent = stream.write(&byte);
            let read = stream.read(&mut [0; 64]);
            let is_waiting = read.is_err_and(|error| error.kind() == ErrorKind::WouldBlock);
            sent.is_ok() && is_waiting
        });
        for _ in 0..5 {
            let asked = Instant::now();
            assert!(ask(server.address, "GET /health HTTP/1.0\r\n\r\n").ends_with("\r\n\r\nok\n"));
            (slowest, times) = (slowest.max(asked.elapsed()), times + 1);
            std::thread::sleep(Duration::from_millis(100));
        }
    }
    let took = begin.elapsed();
    println!("{count} slow senders closed after {took:.1?}; {times} others answered within {slowest:.1?}");
    assert!(slowest <= ANSWERED_WITHIN, "somebody waited {slowest:?}");
    server.end();
}
