//! A whole node with a private torrent (BEP 27): nothing of it reaches the DHT, and nobody is told that there is one.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use peerlink::base::address::Reach;
use peerlink::base::{ConnId, PeerId, Span, Time, TorrentId};
use peerlink::dht::{Dht, Options};
use peerlink::machine::{AddTorrent, Command, Completion, Input, Job, Machine, Note, Opened, Outbox, Source};
use peerlink::member::{Member, MemberOptions};
use peerlink::metainfo::Metainfo;
use peerlink::node::Node;
use peerlink::wire::handshake::Handshake;

use crate::support::{self, Shape};

fn add(metainfo: &Arc<Metainfo>) -> AddTorrent {
    AddTorrent {
        torrent: TorrentId(0),
        metainfo: Arc::clone(metainfo),
        dir: PathBuf::from("/nowhere"),
        wanted: Vec::new(),
        priorities: Vec::new(),
        peers: Vec::new(),
        trackers: Vec::new(),
        announce_all: false,
        sequential: false,
        prealloc: Default::default(),
        web_seeds_by: peerlink::base::address::Reach::Nowhere,
        ways: Default::default(),
        peers_max: 50,
        limits: Default::default(),
        recheck: false,
        had: None,
    }
}

/// The torrent's files were looked at: there are none.
fn open(node: &mut Node, now: Time, out: &mut Outbox) {
    let store = out.commands.iter().find_map(|command| match command {
        Command::Job(Job::Open { store, .. }) => Some(*store),
        _ => None,
    });
    let store = store.expect("its files are looked at");
    let opened = Opened { resume: None, lens: vec![None] };
    node.handle(now, Input::Completed(Completion::Opened { store, result: Ok(opened) }), out);
}

/// Runs a node with one torrent for an hour; the DHT's datagrams, the dials, the answer to a caller's handshake.
fn hour(private: bool) -> (usize, Vec<SocketAddr>, Handshake, Vec<u8>) {
    let mut out = Outbox::new(7, 16, 64, 64);
    let mut options = Options::new([3; 32]);
    options.bootstrap = vec![("10.0.0.1".into(), 6881)];
    let dht = Dht::new(options, &mut fastrand::Rng::with_seed(1));
    let mut node = Node::new(PeerId(*b"-PL0100-abcdefghijkl"), 5).with_dht(dht);
    let mut shape = Shape::single("a.bin", 100_000, 16 << 10);
    shape.private = private;
    let made = support::make(&shape, 1);
    let mut now = Time(1_000_000);
    node.handle(now, Input::Note(Note::Listening { port: 6881 }), &mut out);
    node.handle(now, Input::Note(Note::Add(Box::new(add(&made.metainfo)))), &mut out);
    open(&mut node, now, &mut out);
    // A peer of ours that says where its DHT node is.
    let conn = ConnId(1000);
    node.handle(now, Input::Accepted { conn, remote: "10.0.0.9:5".parse().expect("an address") }, &mut out);
    let theirs = Handshake::new(made.metainfo.info_hash, PeerId(*b"-XX0100-abcdefghijkl")).with_dht(true);
    let bytes = [&theirs.to_bytes()[..], b"\0\0\0\x03\x09\x1a\xe1"].concat();
    node.handle(now, Input::Received { conn, bytes: &bytes }, &mut out);
    // And somebody who says that the DHT found a peer.
    let peers = vec!["10.0.0.10:6".parse().expect("an address")];
    let (info_hash, source) = (made.metainfo.info_hash, Source::Dht);
    node.handle(now, Input::Note(Note::Peers { info_hash, source, reach: Reach::Private, peers }), &mut out);
    let end = now + Span::secs(3600);
    while let Some(due) = node.next_deadline().filter(|due| *due < end) {
        now = due.max(Time(now.0 + 1));
        node.handle(now, Input::Deadline, &mut out);
        node.check();
    }
    let mut said = (0, Vec::new(), None, Vec::new());
    for command in out.commands {
        match command {
            Command::SendDatagram { bytes, .. } => said.0 += usize::from(bytes.starts_with(b"d")),
            Command::Connect { to, .. } => said.1.push(to),
            Command::Send { bytes, .. } if bytes.len() > 68 && said.2.is_none() => {
                said.2 = Handshake::from_bytes(bytes[..68].try_into().expect("68 bytes"));
                said.3 = bytes[68..].to_vec();
            }
            _ => {}
        }
    }
    (said.0, said.1, said.2.expect("a handshake"), said.3)
}

#[test]
fn nothing_of_a_private_torrent_reaches_the_dht() {
    let port_message = b"\0\0\0\x03\x09\x1a\xe1";
    let (datagrams, dials, handshake, rest) = hour(true);
    assert_eq!((datagrams, dials, handshake.has_dht()), (0, vec![], false));
    assert!(!rest.windows(7).any(|window| window == port_message));
    let (datagrams, _, handshake, rest) = hour(false);
    assert!(datagrams > 10 && handshake.has_dht(), "{datagrams}");
    assert!(rest.windows(7).any(|window| window == port_message));
}

/// What a member of a server's groups says there of a torrent with these trackers.
fn told(private: bool, tracker: &str) -> String {
    let mut out = Outbox::new(7, 16, 64, 64);
    let options = MemberOptions {
        host: "10.0.0.1".into(),
        port: 9000,
        nick: "box".into(),
        real_name: String::new(),
        password: None,
        history: 0,
    };
    let mut node = Node::new(PeerId(*b"-PL0100-abcdefghijkl"), 5).with_member(Member::new(options));
    let mut shape = Shape::single("a.bin", 100_000, 16 << 10);
    shape.private = private;
    let made = support::make(&shape, 1);
    let now = Time(1_000_000);
    node.handle(now, Input::Note(Note::Listening { port: 6881 }), &mut out);
    let conn = out.commands.iter().find_map(|command| match command {
        Command::Connect { conn, .. } => Some(*conn),
        _ => None,
    });
    let conn = conn.expect("it dials the server");
    node.handle(now, Input::Connected { conn }, &mut out);
    let welcome =
        b":s CAP * LS :peerlink/peers\r\n:s CAP * ACK :peerlink/peers\r\n:s 001 box :Hi\r\n:s 422 box :-\r\n";
    node.handle(now, Input::Received { conn, bytes: welcome }, &mut out);
    let mut add = add(&made.metainfo);
    add.trackers = vec![vec![tracker.into()]];
    node.handle(now, Input::Note(Note::Add(Box::new(add))), &mut out);
    open(&mut node, now, &mut out);
    let peers = format!(":s PEERLINK PEERS {} :10.0.0.10:6\r\n", made.metainfo.info_hash);
    node.handle(now, Input::Received { conn, bytes: peers.as_bytes() }, &mut out);
    let is_dialled = |command: &Command| matches!(command, Command::Connect { to, .. } if to.port() == 6);
    let dials = out.commands.iter().filter(|command| is_dialled(command)).count();
    let said = out.commands.iter().filter_map(|command| match command {
        Command::Send { bytes, .. } => Some(String::from_utf8_lossy(bytes).into_owned()),
        _ => None,
    });
    let said: String = said.filter(|line| line.starts_with("PEERLINK")).collect();
    assert_eq!(dials > 0, said.contains("SWARM"), "who is not asked is not believed: {said}");
    said.replace(&made.metainfo.info_hash.to_string(), "HASH")
}

#[test]
fn a_private_torrent_is_told_to_no_server_but_its_tracker() {
    let asked = "PEERLINK PORT 6881\r\nPEERLINK SWARM HASH 1\r\n";
    assert_eq!(told(false, "http://10.0.0.2/announce"), asked);
    assert_eq!(told(true, "http://10.0.0.1:9000/announce"), asked);
    assert_eq!(told(true, "udp://10.0.0.1:9000"), asked);
    for other in ["http://10.0.0.2:9000/announce", "http://10.0.0.1/announce", "http://10.0.0.1:9001/announce"] {
        assert_eq!(told(true, other), "PEERLINK PORT 6881\r\n", "{other}");
    }
}
