//! KRPC: whatever comes is read within bounds, and what is read can be written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use peerlink::wire::dht::{Answer, Ask, Body, Contact, NODES_MAX, PACKET_LEN, Refused, VALUES_MAX, parse};

fuzz_target!(|bytes: &[u8]| {
    let packet = match parse(bytes) {
        Ok(packet) => packet,
        Err(Refused::Drop) => return,
        Err(Refused::Tell { transaction, code, text }) => {
            let to = "127.0.0.1:1".parse().expect("an address");
            let error = peerlink::wire::dht::error_bytes(transaction, to, code, text);
            return assert!(matches!(parse(&error), Ok(packet) if packet.transaction == transaction));
        }
    };
    assert!(bytes.len() <= PACKET_LEN);
    let transaction = packet.transaction;
    match packet.body {
        Body::Query(query) => {
            let (id, read_only, want, asked) = (query.id, query.read_only, query.want, query.asked);
            let written = Ask { id, transaction, read_only, want, asked }.to_bytes();
            let again = parse(&written).expect("what we write");
            assert_eq!((again.body, again.transaction), (packet.body, transaction));
        }
        Body::Reply(reply) => {
            let (nodes, nodes6): (Vec<Contact>, Vec<Contact>) = (reply.nodes().collect(), reply.nodes6().collect());
            let values: Vec<_> = reply.values().collect();
            assert!(nodes.len() <= NODES_MAX && nodes6.len() <= NODES_MAX && values.len() <= VALUES_MAX);
            let to = packet.ip.unwrap_or("[::1]:7".parse().expect("an address"));
            let answer = Answer {
                id: reply.id,
                transaction,
                to,
                token: reply.token,
                nodes: &nodes,
                nodes6: &nodes6,
                values: &values,
            };
            let written = answer.to_bytes();
            let bare = Answer { nodes: &[], nodes6: &[], values: &[], ..answer };
            assert_eq!(bare.len_without_lists(), bare.to_bytes().len());
            if written.len() > PACKET_LEN {
                return;
            }
            let again = parse(&written).expect("what we write");
            let Body::Reply(read) = again.body else { panic!("a reply") };
            assert_eq!((read.id, read.token, again.ip), (reply.id, reply.token, Some(to)));
            assert!(read.nodes().eq(nodes) && read.nodes6().eq(nodes6) && read.values().eq(values));
        }
        Body::Error { .. } => {}
    }
});
