//! Answers of a gateway to NAT-PMP and PCP: what is read is whole, and a client that hears anything in any order, with
//! any time between, says nothing to anybody else, never spins, and ends.
#![no_main]

use std::net::{Ipv4Addr, SocketAddr};

use libfuzzer_sys::fuzz_target;
use peerlink::base::{Span, Time};
use peerlink::machine::{Command, Completion, Input, Job, Machine, Network, Note, Outbox};
use peerlink::portmap::PortMap;
use peerlink::wire::{natpmp, pcp};

const GATEWAY: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 1);
/// Datagrams that one input may lead to.
const SAID_MAX: usize = 16;

fuzz_target!(|bytes: &[u8]| {
    if let Some(answer) = natpmp::Answer::from_bytes(bytes) {
        assert!(bytes.len() >= 8 && bytes[0] == 0, "{answer:?}");
    }
    if let Some(answer) = pcp::Answer::from_bytes(bytes) {
        assert!(bytes.len() >= 24 && bytes[0] == 2 && (answer.map.is_none() || bytes.len() >= 60));
    }
    let mut map = PortMap::new(*b"fuzzing nonc");
    let (mut out, mut now) = (Outbox::new(1, 0, 0, 0), Time(1));
    map.handle(now, Input::Note(Note::Listening { port: 6881 }), &mut out);
    let Some(Command::Job(Job::Network { id })) = out.commands.pop() else { panic!("it looks for the gateway") };
    let network = Some(Network { gateway: GATEWAY, local: Ipv4Addr::new(192, 168, 1, 9) });
    map.handle(now, Input::Completed(Completion::Network { id, network }), &mut out);
    let mut rest = bytes;
    while let Some(([len, wait], after)) = rest.split_first_chunk() {
        let (datagram, after) = after.split_at(usize::from(*len).min(after.len()));
        let from = SocketAddr::new(GATEWAY.into(), natpmp::PORT);
        step(&mut map, now, Input::Datagram { from, bytes: datagram }, &mut out);
        now += Span::secs(u64::from(*wait) * u64::from(*wait));
        while map.next_deadline().is_some_and(|due| due <= now) {
            let due = map.next_deadline().expect("it has one");
            step(&mut map, due, Input::Deadline, &mut out);
            assert!(map.next_deadline().is_none_or(|next| next > due), "it spins");
        }
        rest = after;
    }
    step(&mut map, now, Input::Stop, &mut out);
    step(&mut map, now + Span::secs(1), Input::Deadline, &mut out);
    assert!(map.is_stopped());
});

fn step(map: &mut PortMap, now: Time, input: Input<'_>, out: &mut Outbox) {
    map.handle(now, input, out);
    let mut said = 0;
    for command in out.commands.drain(..) {
        match command {
            Command::SendDatagram { to, .. } => {
                said += 1;
                assert!(to.ip() == GATEWAY || to.ip().is_multicast(), "{to}");
            }
            Command::Tell(Note::PortMapped(mapped)) => assert!(mapped.is_none_or(|mapped| mapped.port != 0)),
            Command::Job(Job::Network { .. }) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(said <= SAID_MAX);
}
