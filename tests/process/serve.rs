//! `peerlink serve`: one port, its web, its exit codes.

use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::time::Duration;

use super::rig::{Home, Running};

/// A server on any port of this machine.
pub fn serve(home: &Home, more: &[&str]) -> (Running, u16) {
    let mut args = vec!["serve", "--bind", "127.0.0.1:0"];
    args.extend(more);
    let mut running = home.start(&args);
    let port = running.port();
    (running, port)
}

/// Says something and reads until the other side closes.
fn talk(port: u16, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a time-out");
    stream.write_all(bytes).expect("it reads");
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).expect("it closes in time");
    String::from_utf8_lossy(&reply).into_owned()
}

/// The body of what a GET brings.
pub fn get(port: u16, path: &str) -> String {
    let reply = talk(port, format!("GET {path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n").as_bytes());
    assert!(reply.starts_with("HTTP/1.1 200 OK\r\n"), "{path}: {reply}");
    reply.split_once("\r\n\r\n").expect("a head").1.to_string()
}

#[test]
fn one_port_speaks_http_and_the_group_protocol() {
    let home = Home::new();
    let (running, port) = serve(&home, &[]);
    assert_eq!(get(port, "/health"), "ok\n");
    assert!(get(port, "/stats").contains("\"uptime_s\":"));
    let said = talk(port, b"NICK a\r\nUSER a 0 * :a\r\nJOIN #g\r\nQUIT :bye\r\n");
    assert!(
        said.contains(" 001 a :Welcome") && said.contains(" 366 a #g ") && said.contains("\r\nERROR :"),
        "{said}"
    );
    assert_eq!(talk(port, b"\x13BitTorrent protocol"), "");
    running.signal("TERM");
    let ended = running.wait().expect(0);
    assert_eq!(ended.err, "");
}

#[test]
fn every_address_has_tcp_and_udp_on_the_port() {
    let home = Home::new();
    let mut running = home.start(&["serve", "--bind", "[::]:0", "--json"]);
    let port: u16 =
        running.line_after("{\"event\":\"listening\",\"port\":").trim_end_matches('}').parse().expect("a port");
    for address in ["127.0.0.1", "::1"] {
        // Where the kernel has no such family, nobody can listen there.
        let Ok(udp) = UdpSocket::bind((address, 0)) else { continue };
        TcpStream::connect((address, port)).unwrap_or_else(|e| panic!("{address}: {e}"));
        udp.connect((address, port)).expect("an address");
        udp.send(b"x").expect("somebody listens");
    }
    running.signal("INT");
    running.wait().expect(0);
}

#[test]
fn a_taken_port_is_a_loud_error() {
    let home = Home::new();
    let (running, port) = serve(&home, &[]);
    let second = home.run(&["serve", "--bind", &format!("127.0.0.1:{port}")]).expect(1);
    assert_eq!(second.one_line(), format!("peerlink: cannot listen on 127.0.0.1:{port}: address already in use"));
    let two = home.run(&["serve", "--bind", "127.0.0.1:1", "--bind", "[::1]:2"]).expect(2);
    assert!(two.one_line().contains("one port"));
    running.signal("TERM");
    running.wait().expect(0);
}
