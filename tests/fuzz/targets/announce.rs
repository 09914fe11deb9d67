//! What a tracker hears: datagrams of strangers and of those who have proven their address, and queries over HTTP.
//! Nothing larger than its question goes to a stranger, and no answer outgrows a packet.
#![no_main]

use libfuzzer_sys::fuzz_target;
use peerlink::base::access::Access;
use peerlink::base::keyed::Secret;
use peerlink::base::{ConnId, Time};
use peerlink::machine::{Command, Input, Machine, Outbox};
use peerlink::tracker::{Options, Tracker};
use peerlink::wire::http::{Head, Request, room};

/// RELIABILITY: Limits.
const ANSWER_LEN: usize = 1200;

/// The bytes of all answers to a datagram.
fn told(tracker: &mut Tracker, from: &str, bytes: &[u8], out: &mut Outbox) -> Vec<u8> {
    tracker.handle(Time::ZERO, Input::Datagram { from: from.parse().expect("an address"), bytes }, out);
    let answers: Vec<u8> = out.datagrams.iter().flat_map(|(_, bytes)| bytes.to_vec()).collect();
    out.datagrams.clear();
    answers
}

fuzz_target!(|bytes: &[u8]| {
    let mut tracker = Tracker::new(Options::default(), Access::default(), Secret(1, 2));
    let mut out = Outbox::new(1, 1, 1, 1);
    for from in ["192.0.2.1:7", "[2001:db8::1]:7"] {
        assert!(told(&mut tracker, from, bytes, &mut out).len() <= bytes.len(), "more than was asked");
        let hello = [&0x417_2710_1980_u64.to_be_bytes()[..], &[0; 8]].concat();
        let id = told(&mut tracker, from, &hello, &mut out)[8..16].to_vec();
        let proven = [&id[..], bytes.get(8..).unwrap_or_default()].concat();
        for _ in 0..2 {
            assert!(told(&mut tracker, from, &proven, &mut out).len() <= ANSWER_LEN);
        }
    }
    for path in ["announce", "scrape"] {
        let text = [format!("GET /{path}?").as_bytes(), bytes, b" HTTP/1.0\r\n\r\n"].concat();
        let mut fields = room();
        let Ok(head) = Head::parse(&text, &mut fields) else { continue };
        for from in ["127.0.0.1:7", "[2001:db8::2]:7"] {
            let request = Request { head, body: &[], remote: from.parse().expect("an address") };
            tracker.handle(Time::ZERO, Input::Request { conn: ConnId(1), request: &request }, &mut out);
            match &out.commands[..] {
                [Command::Answer { reply, .. }] => assert!(reply.body.len() < 64 * 1024),
                other => panic!("one request has one answer: {other:?}"),
            }
            out.commands.clear();
        }
    }
    tracker.check();
});
