//! `pex.json`: messages of peer exchange; the rows about time and number are judged by the swarm's own tests.

use std::net::SocketAddr;

use peerlink::wire::pex::Pex;

use crate::table::{self, Row};

#[test]
fn messages_of_peer_exchange_mean_what_others_read_in_them() {
    let Some(table) = table::load("pex.json") else { return };
    table.only_keys(&["count", "cases"]);
    let at = |text: &str| text.parse::<SocketAddr>().expect("an address");
    let mut count = 0;
    for row in table.at("cases").list() {
        row.only_keys(&["source", "name", "payload", "expect"]);
        let Some(payload) = row.get("payload") else { continue };
        let read = Pex::from_bytes(&table::bytes(payload));
        let added = read.clone().map(|pex| pex.added);
        match row.text_at("expect") {
            "peer accepted with flags 0" => assert_eq!(added, Some(vec![(at("127.0.0.1:6881"), 0)])),
            "one v6 peer" => assert_eq!(added, Some(vec![(at("[::1]:6881"), 0)])),
            "ignored" => assert!(added.unwrap_or_default().is_empty(), "{}", row.text_at("name")),
            other => panic!("no judge for {other:?}"),
        }
        count += 1;
    }
    println!("peer exchange: {count} rows judged");
}
