//! Answers of a gateway to SSDP and UPnP: a client that is told any location, description and answers calls nobody but
//! the gateway, a bounded number of times, and ends.
#![no_main]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use libfuzzer_sys::fuzz_target;
use peerlink::base::{Span, Time};
use peerlink::machine::{Command, Completion, Fetched, Input, Job, Machine, Network, Note, Outbox};
use peerlink::portmap::PortMap;
use peerlink::wire::igd::{self, SERVICES_MAX};
use peerlink::wire::ssdp::{self, LOCATION_LEN};
use peerlink::wire::url::Url;
use peerlink::wire::xml::Parts;

const GATEWAY: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 1);
/// Calls until a gateway that refuses everything is given up.
const CALLS_MAX: usize = 64;

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    assert!(Parts::new(&text).count() <= 2 * text.len());
    assert!(igd::services(&text).0.len() <= SERVICES_MAX);
    assert!(ssdp::location(bytes).is_none_or(|location| location.len() <= LOCATION_LEN));
    // Parts of the input, one for each question.
    let mut parts = bytes.split(|byte| *byte == 0);
    let mut map = PortMap::new(*b"fuzzing nonc");
    let (mut out, mut now, mut calls) = (Outbox::new(1, 0, 0, 0), Time(1), 0);
    map.handle(now, Input::Note(Note::Listening { port: 6881 }), &mut out);
    for round in 0..200 {
        for command in std::mem::take(&mut out.commands) {
            match command {
                Command::Job(Job::Network { id }) if round == 0 => {
                    let network = Some(Network { gateway: GATEWAY, local: Ipv4Addr::new(192, 168, 1, 9) });
                    map.handle(now, Input::Completed(Completion::Network { id, network }), &mut out);
                }
                Command::SendDatagram { to, .. } if to.port() == ssdp::PORT && to.ip() == GATEWAY => {
                    let part = parts.next().unwrap_or_default();
                    let plain = format!(
                        "HTTP/1.1 200 OK\r\nST: {}\r\nLOCATION: http://192.168.1.1/d\r\n\r\n",
                        ssdp::TARGETS[0]
                    );
                    let bytes = if part.is_empty() { plain.as_bytes() } else { part };
                    let from = SocketAddr::new(GATEWAY.into(), ssdp::PORT);
                    map.handle(now, Input::Datagram { from, bytes }, &mut out);
                }
                Command::Job(Job::Control { id, request }) => {
                    calls += 1;
                    let url = Url::parse(&request.url).expect("it was looked at");
                    assert_eq!(url.ip(), Some(IpAddr::V4(GATEWAY)));
                    let part = parts.next().unwrap_or_default();
                    let status = if part.first() == Some(&b'!') { 500 } else { 200 };
                    let result = Ok(Fetched { status, body: part.to_vec(), from: None });
                    map.handle(now, Input::Completed(Completion::Fetched { id, result }), &mut out);
                }
                Command::Tell(Note::PortMapped(mapped)) => assert!(mapped.is_none_or(|mapped| mapped.port != 0)),
                Command::SendDatagram { .. } | Command::Job(Job::Network { .. }) => {}
                other => panic!("{other:?}"),
            }
        }
        if out.commands.is_empty() {
            let Some(due) = map.next_deadline().filter(|due| *due <= Time(1) + Span::secs(60)) else { break };
            now = due;
            map.handle(now, Input::Deadline, &mut out);
        }
    }
    assert!(calls <= CALLS_MAX);
    out.commands.clear();
    map.handle(now, Input::Stop, &mut out);
    map.handle(now + Span::secs(1), Input::Deadline, &mut out);
    assert!(map.is_stopped());
});
