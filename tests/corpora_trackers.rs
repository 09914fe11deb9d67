//! Trackers and URLs against other projects' test tables. The folder comes from `PEERLINK_CORPORA`; without it these
//! tests say that they were skipped.

mod web_server;

use std::path::Path;

use miniserde::json::{Number, Value};
use peerlink::base::address::{self, Reach};
use peerlink::base::{InfoHash, PeerId};
use peerlink::io::web::Options;
use peerlink::wire::announce::{Event, Reply, Request};
use peerlink::wire::udp_tracker::{self, Answer, Question};
use peerlink::wire::url::{self, Url, UrlError};
use peerlink::wire::{announce, bencode, http_reply};
use web_server::{Client, Server, ok, request};

/// Rows that are not judged here, and why.
const NOT_HERE: &[(&str, &str)] = &[
    ("http_responses/bt_lsd", "a request, not a reply: local discovery reads it, in a later issue"),
    ("protocol_vectors/bep6_allowed_fast", "peer protocol: judged with the swarm's tables"),
    ("protocol_vectors/bep33_bloom", "DHT scrapes are not spoken"),
    ("protocol_vectors/bep40_priority", "peer priority, later issue"),
    ("protocol_vectors/bep42_node_id", "judged in tests/corpora/dht.rs"),
    ("protocol_vectors/bep44", "the DHT store is not spoken"),
    ("protocol_vectors/dht_distance_exp", "judged in tests/corpora/dht.rs"),
    ("protocol_vectors/krpc_bep5_packets", "judged in tests/corpora/dht.rs"),
    ("protocol_vectors/mse_dh", "judged in tests/corpora/mse.rs"),
    ("protocol_vectors/mse_rc4_rfc6229", "judged in tests/corpora/mse.rs"),
    ("protocol_vectors/routing_ip_restriction_cidr", "judged in tests/corpora/dht.rs"),
];

/// A table, or None with a line that says so.
fn table(name: &str) -> Option<Value> {
    let Some(folder) = std::env::var_os("PEERLINK_CORPORA") else {
        println!("SKIPPED: corpora_trackers: PEERLINK_CORPORA is not set ({name})");
        return None;
    };
    let text = std::fs::read_to_string(Path::new(&folder).join(name)).unwrap();
    Some(miniserde::json::from_str(&text).unwrap())
}

/// A field; `Null` where there is none.
fn at<'a>(value: &'a Value, key: &str) -> &'a Value {
    match value {
        Value::Object(map) => map.get(key).unwrap_or(&Value::Null),
        _ => &Value::Null,
    }
}

fn rows<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    match at(value, key) {
        Value::Array(rows) => {
            assert!(!rows.is_empty(), "{key}");
            rows
        }
        other => panic!("{key}: {other:?}"),
    }
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    string(at(value, key)).unwrap_or_else(|| panic!("{key} of {value:?}"))
}

fn string(value: &Value) -> Option<&str> {
    if let Value::String(text) = value { Some(text) } else { None }
}

fn number(value: &Value) -> Option<u64> {
    match value {
        Value::Number(Number::U64(n)) => Some(*n),
        Value::Number(Number::I64(n)) => u64::try_from(*n).ok(),
        _ => None,
    }
}

fn truth(value: &Value, key: &str) -> bool {
    match at(value, key) {
        Value::Bool(truth) => *truth,
        other => panic!("{key}: {other:?}"),
    }
}

/// The bytes of `{"hex": …}`.
fn bytes(value: &Value) -> Vec<u8> {
    let digits = text(value, "hex");
    (0..digits.len()).step_by(2).map(|i| u8::from_str_radix(&digits[i..i + 2], 16).unwrap()).collect()
}

#[test]
fn urls() {
    let Some(table) = table("http_url.json") else { return };
    for row in rows(&table, "url_parse") {
        let (given, expect) = (text(row, "url"), at(row, "expect"));
        let parsed = Url::parse(given);
        match text(expect, "result") {
            "ok" => {
                let parsed = parsed.unwrap_or_else(|error| panic!("{given}: {error}"));
                assert_eq!(parsed.scheme.name(), text(expect, "scheme"), "{given}");
                assert_eq!(parsed.userinfo, text(expect, "userinfo"), "{given}");
                assert_eq!(parsed.host, text(expect, "host"), "{given}");
                assert_eq!(parsed.port.map(u64::from), number(at(expect, "port")), "{given}");
                assert_eq!(parsed.path, text(expect, "path"), "{given}");
            }
            _ => {
                let expected = match text(expect, "error") {
                    "unsupported_url_protocol" => UrlError::Scheme,
                    "invalid_hostname" => UrlError::Host,
                    other => panic!("{other}"),
                };
                assert_eq!(parsed, Err(expected), "{given}");
            }
        }
    }
    for row in rows(&table, "split_url") {
        let given = text(row, "url");
        assert_eq!(url::split(given), (text(row, "base"), text(row, "path")), "{given}");
    }
    for row in rows(&table, "tracker_url_valid") {
        let given = text(row, "url");
        assert_eq!(Url::parse(given).is_ok(), truth(row, "valid"), "{given:?}");
    }
    for row in rows(&table, "redirect") {
        assert_eq!(url::resolve(text(row, "referrer"), text(row, "location")), text(row, "result"), "{row:?}");
    }
    for row in rows(&table, "same_origin") {
        let [a, b] = ["a", "b"].map(|key| Url::parse(text(row, key)).unwrap());
        assert_eq!(a.same_origin(&b), truth(row, "same"), "{row:?}");
    }
    for row in rows(&table, "idna") {
        assert_eq!(url::is_idna(text(row, "host")), truth(row, "is_idna"), "{row:?}");
    }
    for row in rows(&table, "tracker_query_string") {
        assert_eq!(url::has_announce_args(text(row, "query")), truth(row, "has_tracker_args"), "{row:?}");
    }
    for row in rows(&table, "status") {
        let code = number(at(row, "code")).unwrap() as u16;
        let value = match text(row, "fn") {
            "is_ok_status" => http_reply::is_ok_status(code),
            "is_redirect" => http_reply::is_redirect(code),
            other => panic!("{other}"),
        };
        assert_eq!(value, truth(row, "value"), "{row:?}");
    }
}

/// What comes of a raw reply, however it is cut into pieces.
fn received(raw: &[u8]) -> Result<(u16, Vec<u8>), String> {
    let mut results = Vec::new();
    for read_max in 1..=69 {
        let server = Server::new(vec![raw.to_vec()]);
        let client = Client::new(Options { read_max, ..Options::default() });
        let result = client.fetch(request(&server.url("/announce")));
        results.push(result.map(|fetched| (fetched.status, fetched.body)));
    }
    let first = results.swap_remove(0);
    assert!(results.iter().all(|result| *result == first), "pieces change the result of {}", raw.escape_ascii());
    first
}

#[test]
fn raw_http_replies() {
    let Some(table) = table("http_url.json") else { return };
    for row in rows(&table, "chunked") {
        let raw =
            [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", bytes(at(row, "body")).as_slice()].concat();
        let result = received(&raw);
        if truth(row, "malformed") {
            assert!(result.is_err(), "{row:?}");
        } else {
            assert_eq!(result, Ok((200, text(row, "collapsed").as_bytes().to_vec())));
        }
    }
    for row in rows(&table, "http_responses") {
        let name = text(row, "name");
        if NOT_HERE.iter().any(|(row, _)| *row == format!("http_responses/{name}")) {
            continue;
        }
        let (expect, result) = (at(row, "expect"), received(&bytes(at(row, "raw"))));
        if !matches!(at(expect, "no_crash"), Value::Null) {
            continue;
        }
        if truth(expect, "error") {
            assert!(result.is_err(), "{name}: {result:?}");
            continue;
        }
        let (_, body) = result.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(Some(body.len() as u64), number(at(expect, "payload")), "{name}");
        if let Some(expected) = string(at(expect, "body")) {
            assert_eq!(body, expected.as_bytes(), "{name}");
        }
    }
}

#[test]
fn tracker_replies() {
    let Some(table) = table("tracker_http_responses.json") else { return };
    for row in rows(&table, "cases") {
        let (name, expect) = (text(row, "name"), at(row, "expect"));
        let body = bytes(at(row, "body"));
        assert_eq!(received(&ok(&body)), Ok((200, body.clone())), "{name}");
        match text(row, "kind") {
            "announce" => announce_row(name, &body, expect),
            "scrape" => scrape_row(name, &body, expect),
            "peer_dict" => {
                let peer = announce::parse_peer(bencode::parse(&body).unwrap());
                match text(expect, "result") {
                    "ok" => same_peer(name, &peer.unwrap(), rows(expect, "peer")),
                    _ => assert!(peer.is_err(), "{name}"),
                }
            }
            other => panic!("{other}"),
        }
    }
}

fn same_peer(name: &str, peer: &announce::Peer, expected: &[Value]) {
    assert_eq!(Some(peer.host.as_str()), string(&expected[0]), "{name}");
    assert_eq!(Some(u64::from(peer.port)), number(&expected[1]), "{name}");
    if let Some(id) = expected.get(2).and_then(string) {
        assert_eq!(peer.peer_id.map(|id| id.0.to_vec()).unwrap_or_default(), id.as_bytes(), "{name}");
    }
}

fn announce_row(name: &str, body: &[u8], expect: &Value) {
    assert_eq!(text(expect, "result"), "ok", "{name}");
    let reply = announce::parse(body).unwrap_or_else(|error| panic!("{name}: {error}"));
    let mut told = reply.peers.iter();
    let mut named = reply.named.iter();
    for list in ["peers", "peers6"] {
        let Value::Array(expected) = at(expect, list) else { continue };
        for peer in expected {
            let Value::Array(peer) = peer else { panic!("{name}: {peer:?}") };
            match string(&peer[0]).unwrap().parse() {
                Ok(ip) => {
                    let ip: std::net::IpAddr = ip;
                    let found = told.next().unwrap();
                    assert_eq!((found.ip(), Some(u64::from(found.port()))), (ip, number(&peer[1])), "{name}");
                }
                Err(_) => same_peer(name, named.next().unwrap(), peer),
            }
        }
    }
    assert!(told.next().is_none() && named.next().is_none(), "{name}: more peers than there are");
    assert_eq!(reply.warning.as_deref(), string(at(expect, "warning")), "{name}");
    assert_eq!(reply.interval_s, number(at(expect, "interval")), "{name}");
    assert_eq!(reply.min_interval_s, number(at(expect, "min_interval")), "{name}");
    for (found, key) in [(reply.complete, "seeders"), (reply.incomplete, "leechers"), (reply.downloaded, "downloads")]
    {
        assert_eq!(found.map(u64::from), number(at(expect, key)), "{name}: {key}");
    }
}

fn scrape_row(name: &str, body: &[u8], expect: &Value) {
    let Value::Object(files) = at(expect, "files") else { panic!("{name}") };
    let hashes: Vec<InfoHash> = files.keys().map(|hex| InfoHash::from_hex(hex).unwrap()).collect();
    let found = announce::parse_scrape(body, &hashes).unwrap();
    assert_eq!(found.len(), files.len(), "{name}: what was not asked for is left out");
    for (hex, expected) in files {
        let scraped = &found[&InfoHash::from_hex(hex).unwrap()];
        let found = [scraped.complete, scraped.incomplete, scraped.downloaded, scraped.downloaders];
        let numbers = found.map(|n| n.map(u64::from));
        let keys = ["complete", "incomplete", "downloaded", "downloaders"];
        assert_eq!(numbers, keys.map(|key| number(at(expected, key))), "{name}");
    }
}

#[test]
fn address_classes() {
    let Some(table) = table("ip_classes.json") else { return };
    for row in rows(&table, "cases") {
        let ip = text(row, "ip").parse().unwrap();
        assert_eq!(address::reach(ip) == Reach::Global, truth(row, "global_unicast"), "{ip}");
    }
}

#[test]
fn udp_trackers() {
    let Some(table) = table("protocol_vectors.json") else { return };
    let table = at(&table, "bep15_udp");
    let expected = |of: &str, key: &str| number(at(at(table, of), key));
    let protocol = u64::from_str_radix(text(table, "protocol_id").trim_start_matches("0x"), 16).unwrap();
    assert_eq!(udp_tracker::PROTOCOL_ID, protocol);
    let connect = udp_tracker::connect(1);
    assert_eq!(connect[..8], protocol.to_be_bytes());
    let ip = std::net::Ipv4Addr::LOCALHOST.into();
    let hash = InfoHash([1; 20]);
    let announce = |event| {
        let peer_id = PeerId([2; 20]);
        let (uploaded, downloaded, left) = (0, 0, 0);
        let request = Request {
            info_hash: hash,
            peer_id,
            port: 1,
            uploaded,
            downloaded,
            left,
            numwant: 1,
            key: 1,
            event,
            tracker_id: None,
        };
        udp_tracker::announce(1, 1, &request, "/")
    };
    let action = |bytes: &[u8], at: usize| Some(u64::from(u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap())));
    let scrape = udp_tracker::scrape(1, 1, &[hash; 3]);
    let answers = [
        ("connect", Answer::Connected { connection: 1 }),
        ("announce", Answer::Announced(Reply::default())),
        ("scrape", Answer::Scraped(vec![])),
        ("error", Answer::Failed("x".into())),
    ];
    for (question, name) in [(&connect, "connect"), (&announce(Event::None), "announce"), (&scrape, "scrape")] {
        assert_eq!(action(question, 8), expected("actions", name), "{name}");
        assert!(Question::parse(question).is_ok(), "{name}");
    }
    for (name, answer) in &answers {
        assert_eq!(action(&answer.to_bytes(1, ip), 0), expected("actions", name), "{name}");
    }
    let len = |bytes: &[u8]| Some(bytes.len() as u64);
    assert_eq!(len(&connect), number(at(table, "connect_request_len")));
    assert_eq!(len(&answers[0].1.to_bytes(1, ip)), number(at(table, "connect_response_len")));
    assert_eq!(len(&announce(Event::None)), number(at(table, "announce_request_len_min")));
    assert_eq!(len(&answers[1].1.to_bytes(1, ip)), number(at(table, "announce_response_len_min")));
    assert_eq!((text(table, "scrape_request_len"), scrape.len()), ("16+20n", 16 + 20 * 3));
    let events = [
        ("none", Event::None),
        ("completed", Event::Completed),
        ("started", Event::Started),
        ("stopped", Event::Stopped),
    ];
    for (name, event) in events {
        assert_eq!(action(&announce(event), 80), expected("events", name), "{name}");
    }
}

#[test]
fn every_vector_is_judged_somewhere() {
    let Some(Value::Object(table)) = table("protocol_vectors.json") else { return };
    for key in table.keys() {
        let name = format!("protocol_vectors/{key}");
        let is_judged = key == "bep15_udp" || NOT_HERE.iter().any(|(row, _)| *row == name);
        assert!(is_judged, "{name} is neither judged nor named with a reason");
    }
}
