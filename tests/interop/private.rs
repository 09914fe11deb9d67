//! A private torrent (BEP 27) beside a public one, in a network where all is captured that we send: of the public one
//! the DHT, local discovery and peer exchange hear, as they should; of the private one they do not, though a libtorrent
//! that knows it by its hash alone offers all three.

use std::net::{IpAddr, SocketAddr};

use peerlink::wire::extension;
use peerlink::wire::handshake::Handshake;
use peerlink::wire::url::percent_encode;

use crate::capture::{Capture, Sent};
use crate::kit::child::Child;
use crate::kit::payload::Payload;
use crate::kit::peerlink::{self as ours, Event};
use crate::kit::tracker::Tracker;
use crate::leechers::wait_for_us;
use crate::network::{Host, Network};
use crate::others::{self, Talk, Ways, skip};
use crate::payloads::Scene;

#[test]
fn of_a_private_torrent_only_its_tracker_hears() {
    let found = others::python().and_then(|python| Ok((python, Network::new(4)?)));
    let (python, network) = match found {
        Ok(found) => found,
        Err(why) => return skip("of_a_private_torrent_only_its_tracker_hears", &why),
    };
    let [at_tracker, at_seed, at_leech, at_other] = &network.hosts[..] else { panic!("four hosts") };
    let tracker = Tracker::at(at_tracker.listen());
    let public = Payload::single("public.bin", 400_001, 32 << 10);
    let private = Payload::single("private.bin", 400_002, 32 << 10).private();
    let hashes = [&public, &private].map(|payload| payload.info_hash());
    let scene = Scene::new(vec![public, private], Some(&tracker.url));
    let captures = [at_seed, at_leech].map(Capture::begin);

    // Its links are of torrents that it takes for public until it knows better.
    let ways = Ways { lsd: true, pex: true, dht: Some(&[]), down: None, talk: Some(Talk::Plain) };
    let link =
        |hash: &Vec<u8>| format!("magnet:?xt=urn:btih:{}&tr={}", hex(hash), percent_encode(tracker.url.as_bytes()));
    let links = hashes.each_ref().map(link);
    let mut other = others::libtorrent_leech_with(at_other, &python, &links, &scene.path("other"), None, ways);

    let mut seed = start(at_seed, "seed", &scene, "source", other.address);
    (0..2).for_each(|_| seed.expect("shared torrent", |line| Event::of(line, "complete").map(drop)));
    wait_for_us(&tracker, 2);
    let mut leech = start(at_leech, "get", &scene, "got", other.address);
    (0..2).for_each(|_| leech.expect("completion", |line| Event::of(line, "complete").map(drop)));
    other.child.expect("completion", |line| (line == "complete").then_some(()));
    scene.payloads.iter().for_each(|payload| payload.check_files(&scene.path("got")));

    // All three speak of the public one; what is not said of the other by then would be said no later.
    for (capture, host) in captures.iter().zip([at_seed, at_leech]) {
        for heard in [Heard::Dht, Heard::Lsd, Heard::Pex] {
            capture.wait_for(&format!("{heard:?} from {}", host.ip), |sent| {
                said(sent, host.ip, &hashes[0]).contains(&heard)
            });
        }
    }
    for us in [seed, leech] {
        us.terminate();
        us.succeed();
    }
    others::libtorrent_end(other);
    for (capture, host) in captures.into_iter().zip([at_seed, at_leech]) {
        let sent = capture.end();
        let said = said(&sent, host.ip, &hashes[1]);
        println!("{}: {} datagrams; of the private torrent: {said:?}", host.ip, sent.datagrams.len());
        assert_eq!(said, [Heard::Peers, Heard::Tracker], "from {}", host.ip);
    }
}

/// peerlink with both torrents, every way to peers, and a place where the DHT begins.
fn start(host: &Host, command: &str, scene: &Scene, dir: &str, node: SocketAddr) -> Child {
    let mut us = ours::command_at(&host.ip.to_string(), &[command], &scene.path(&format!("{dir} state")));
    us.env("PEERLINK_NO_DHT", "false").env("PEERLINK_NO_LSD", "false");
    // What is said is read on its way.
    us.env("PEERLINK_ENCRYPTION", "off");
    us.arg("--dht-bootstrap").arg(node.to_string()).arg("--dir").arg(scene.path(dir)).args(&scene.torrents);
    match command {
        "get" => us.arg("--seed"),
        // Who is complete does not stay with others that are: so it takes long enough for everybody to hear of all.
        _ => us.args(["--up-limit", "150K"]),
    };
    Child::start(&format!("peerlink {command}"), host.enter(us))
}

/// Who hears of a torrent.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Heard {
    Dht,
    Lsd,
    /// Its peers, of each other.
    Pex,
    /// Its peers, that we would speak of others, and of our DHT node.
    Offers,
    /// Its peers, by handshakes.
    Peers,
    Tracker,
    /// Somebody by a datagram that is neither.
    Stranger,
}

/// To whom this host spoke of a torrent.
fn said(sent: &Sent, host: IpAddr, hash: &[u8]) -> Vec<Heard> {
    let names = |bytes: &[u8]| {
        let lower = bytes.to_ascii_lowercase();
        has(bytes, hash) || has(&lower, hex(hash).as_bytes())
    };
    let datagrams = sent.datagrams.iter().filter(|(from, _, bytes)| from.ip() == host && names(bytes));
    let mut heard: Vec<Heard> = datagrams
        .map(|(.., bytes)| match &bytes[..] {
            [b'd', ..] => Heard::Dht,
            [b'B', b'T', b'-', ..] => Heard::Lsd,
            _ => Heard::Stranger,
        })
        .collect();
    for (_, _, bytes) in sent.streams().filter(|(from, ..)| from.ip() == host) {
        let handshake = bytes.first_chunk().and_then(Handshake::from_bytes);
        let Some(handshake) = handshake.filter(|handshake| handshake.info_hash.0[..] == *hash) else {
            heard.extend(has(bytes, percent_encode(hash).as_bytes()).then_some(Heard::Tracker));
            continue;
        };
        heard.push(Heard::Peers);
        let offers_dht = handshake.has_dht().then_some(Heard::Offers);
        heard.extend(messages(&bytes[68..]).filter_map(|message| match message {
            [9, ..] => Some(Heard::Offers),
            [20, extension::HANDSHAKE, body @ ..] if has(body, b"6:ut_pex") => Some(Heard::Offers),
            [20, _, body @ ..] if has(body, b"5:added") => Some(Heard::Pex),
            _ => None,
        }));
        heard.extend(offers_dht);
    }
    heard.sort_unstable();
    heard.dedup();
    heard
}

/// The messages of one direction of a connection.
fn messages(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (len, rest) = bytes.split_first_chunk()?;
        let (message, rest) = rest.split_at_checked(u32::from_be_bytes(*len) as usize)?;
        bytes = rest;
        Some(message)
    })
}

fn has(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
