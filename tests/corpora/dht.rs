//! `dht_packets.json` and the DHT's rows of `protocol_vectors.json`: datagrams, node ids, distances, places.

use std::net::{IpAddr, SocketAddr};

use peerlink::base::{InfoHash, NodeId, Time};
use peerlink::dht::table::Place;
use peerlink::dht::{Dht, Options};
use peerlink::machine::{Command, Input, Machine, Note, Outbox};
use peerlink::wire::dht::{Body, Packet, Refused, node_id, parse};

use crate::table::{self, Row, Value};

/// Rows that are not judged here, and why.
const NOT_HERE: [(&str, &str); 1] = [("put bad signature", "BEP 44 stores nothing with us; the row holds no packet")];

#[test]
fn captured_packets_are_read() {
    let Some(table) = table::load("dht_packets.json") else { return };
    table.only_keys(&["captured", "krpc_queries", "rules"]);
    for row in table.at("captured").list() {
        row.only_keys(&["source", "name", "packet", "expect"]);
        let bytes = table::bytes(row.at("packet"));
        let packet = parse(&bytes).unwrap_or_else(|why| panic!("{}: {why:?}", row.text_at("name")));
        match (row.text_at("name"), packet.body) {
            ("find_node_request.bin", Body::Query(query)) => assert!(!query.read_only),
            ("find_node_response_3.bin", Body::Reply(reply)) => {
                assert_eq!(reply.nodes().count(), 16);
                assert_eq!(packet.ip, Some("8.26.180.64:59701".parse().unwrap()));
            }
            (name, body) => panic!("{name}: {body:?}"),
        }
    }
}

#[test]
fn faulty_questions_get_their_errors() {
    let Some(table) = table::load("dht_packets.json") else { return };
    let mut judged = 0;
    for row in table.at("krpc_queries").list() {
        row.only_keys(&["source", "name", "query", "expect"]);
        let name = row.text_at("name");
        if NOT_HERE.iter().any(|(known, _)| *known == name) {
            continue;
        }
        let bytes = table::bytes(row.at("query"));
        let expect = row.at("expect");
        expect.only_keys(&["kind", "code", "code_any_of", "message", "must_not_store"]);
        match (expect.text_at("kind"), parse(&bytes)) {
            ("error" | "error_or_drop", Err(Refused::Tell { code, text, .. })) => {
                let codes: Vec<i64> = match expect.get("code_any_of") {
                    Some(codes) => codes.list().iter().filter_map(Row::int).collect(),
                    None => expect.at("code").int().into_iter().collect(),
                };
                assert!(codes.contains(&code), "{name}: {code}");
                assert!(expect.get("message").is_none_or(|wanted| wanted.text() == Some(text)), "{name}: {text}");
            }
            ("ignored; never enters the routing table", Ok(Packet { body: Body::Reply(_), .. })) => ignored(&bytes),
            ("dropped", Err(Refused::Drop)) => {}
            (kind, parsed) => panic!("{name}: {kind}: {parsed:?}"),
        }
        judged += 1;
    }
    println!("dht: {judged} questions judged");
}

/// A node that is awake takes nothing from an answer that it did not ask for.
fn ignored(bytes: &[u8]) {
    let mut out = Outbox::new(1, 0, 0, 0);
    let mut options = Options::new([1; 32]);
    options.bootstrap = vec![("10.0.0.1".into(), 6881)];
    let mut dht = Dht::new(options, &mut fastrand::Rng::with_seed(1));
    let find = Note::FindPeers { info_hash: InfoHash([1; 20]), announce: false };
    dht.handle(Time(1), Input::Note(find), &mut out);
    assert!(out.commands.iter().any(|command| matches!(command, Command::SendDatagram { .. })), "it is awake");
    let before = out.commands.len();
    let from: SocketAddr = "10.0.0.1:6881".parse().unwrap();
    dht.handle(Time(2), Input::Datagram { from, bytes }, &mut out);
    assert_eq!((dht.node_count(), out.commands.len()), (0, before));
}

#[test]
fn node_ids_fit_their_addresses() {
    let Some(table) = table::load("protocol_vectors.json") else { return };
    for row in table.at("bep42_node_id").list() {
        row.only_keys(&["source", "ip", "rand", "node_id", "valid", "recomputed_here_ok"]);
        let ip: IpAddr = row.text_at("ip").parse().expect("an address");
        let id = InfoHash::from_hex(row.text_at("node_id")).map_or(NodeId([0x99; 20]), NodeId::from);
        assert_eq!(Some(node_id::is_valid(&id, ip)), row.at("valid").is_true(), "{ip}");
        if let Some(rand) = row.get("rand").and_then(Row::int) {
            assert_eq!(i64::from(id.0[19]), rand);
            assert_eq!(node_id::choose(ip, id.0), id, "{ip}");
        }
    }
}

#[test]
fn packets_of_bep_5_are_read() {
    let Some(table) = table::load("protocol_vectors.json") else { return };
    for row in table.at("krpc_bep5_packets").list() {
        row.only_keys(&["source", "name", "packet"]);
        let (name, bytes) = (row.text_at("name"), row.text_at("packet").as_bytes());
        let packet = parse(bytes).unwrap_or_else(|why| panic!("{name}: {why:?}"));
        let is_right = match packet.body {
            Body::Query(_) => name.ends_with("query"),
            Body::Reply(reply) => {
                assert_eq!(reply.nodes().count(), 0, "{name}: 9 bytes are no node");
                let is_values = name.ends_with("values");
                assert_eq!(reply.values().count(), if is_values { 2 } else { 0 }, "{name}");
                assert_eq!(reply.token.is_some(), name.starts_with("get_peers"), "{name}");
                name.contains("response")
            }
            Body::Error { code, text } => (code, text) == (201, b"A Generic Error Ocurred") && name == "error",
        };
        assert!(is_right, "{name}: {packet:?}");
    }
}

#[test]
fn distances_and_places() {
    let Some(table) = table::load("protocol_vectors.json") else { return };
    for row in table.at("dht_distance_exp").list() {
        row.only_keys(&["a", "b", "exp", "source"]);
        let id = |key: &str| NodeId::from(InfoHash::from_hex(row.text_at(key)).expect("an id"));
        let exp = 159_usize.saturating_sub(id("a").shared_bits(&id("b")));
        assert_eq!(row.at("exp").int(), Some(exp as i64));
    }
    for row in table.at("routing_ip_restriction_cidr").list() {
        row.only_keys(&["a", "b", "same_subnet", "source"]);
        let place = |key: &str| place(row.at(key));
        assert_eq!(Some(place("a") == place("b")), row.at("same_subnet").is_true(), "{row:?}");
    }
}

fn place(address: &Value) -> Place {
    Place::of(SocketAddr::new(address.text().expect("text").parse().expect("an address"), 0))
}
