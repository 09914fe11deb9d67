//! Addresses that a torrent of ours has dialled and that have not answered a word yet. Other torrents wait with dialling
//! them: transmission 3 hangs up on whoever calls while it still greets another call from the same address.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use crate::base::ConnId;

#[derive(Debug, Default)]
pub struct Greetings {
    by_conn: BTreeMap<ConnId, SocketAddr>,
    addresses: BTreeSet<SocketAddr>,
}

impl Greetings {
    /// A torrent dials this address.
    pub fn begin(&mut self, conn: ConnId, address: SocketAddr) {
        self.by_conn.insert(conn, address);
        self.addresses.insert(address);
    }

    /// It said something, or the connection is no more.
    pub fn end(&mut self, conn: ConnId) {
        if let Some(address) = self.by_conn.remove(&conn) {
            self.addresses.remove(&address);
        }
    }

    /// Whether another torrent's call has not been answered yet.
    pub fn is_greeted(&self, address: SocketAddr) -> bool {
        self.addresses.contains(&address)
    }

    /// Panics where an invariant is broken.
    pub fn check(&self) {
        let addresses: BTreeSet<SocketAddr> = self.by_conn.values().copied().collect();
        assert_eq!(addresses, self.addresses, "addresses that somebody greets");
        assert_eq!(addresses.len(), self.by_conn.len(), "two torrents greet one address");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::Node;
    use crate::base::address::Reach;
    use crate::base::{Bitfield, ConnId, PeerId, Span, Time, TorrentId};
    use crate::machine::{
        AddTorrent, Command, Completion, Input, Job, Machine, Note, Opened, Outbox, RateLimits, Ways,
    };
    use crate::storage::Resume;
    use crate::wire::bencode::Writer;

    const PEER: &str = "192.0.2.1";

    fn add(number: u32) -> AddTorrent {
        let bytes = Writer::dict_bytes(|root| {
            root.dict("info", |info| {
                info.int("length", 16_384);
                info.bytes("name", format!("torrent {number}"));
                info.int("piece length", 16_384);
                info.bytes("pieces", [0; 20]);
            });
        });
        AddTorrent {
            torrent: TorrentId(number),
            metainfo: Arc::new(crate::metainfo::parse::parse(&bytes).unwrap()),
            dir: "/nowhere".into(),
            wanted: Vec::new(),
            priorities: Vec::new(),
            peers: vec![(PEER.into(), 6881), (PEER.into(), 6880 - number as u16)],
            trackers: Vec::new(),
            announce_all: false,
            sequential: false,
            peers_max: 10,
            recheck: false,
            had: None,
            prealloc: false,
            limits: RateLimits::default(),
            ways: Ways { pex: false, lsd: false },
            web_seeds_by: Reach::Global,
        }
    }

    /// Handles an input; whom the node dials then, by port.
    fn handle(node: &mut Node, now: Time, input: Input<'_>, out: &mut Outbox) -> Vec<(ConnId, u16)> {
        node.handle(now, input, out);
        node.check();
        let mut dials = Vec::new();
        for command in std::mem::take(&mut out.commands) {
            match command {
                Command::Connect { conn, to } => dials.push((conn, to.port())),
                Command::Job(Job::Open { store, .. }) => {
                    let nothing = || Bitfield::new(1);
                    let (have, suspect, partial) = (nothing(), nothing(), Vec::new());
                    let resume = Resume { have, suspect, partial, downloaded: 0, uploaded: 0, completed: false };
                    let opened = Opened { resume: Some(resume), lens: vec![None] };
                    let completion = Completion::Opened { store, result: Ok(opened) };
                    dials.extend(handle(node, now, Input::Completed(completion), out));
                }
                _ => {}
            }
        }
        dials
    }

    fn ports(dials: &[(ConnId, u16)]) -> Vec<u16> {
        dials.iter().map(|(_, port)| *port).collect()
    }

    #[test]
    fn torrents_dial_an_address_one_after_the_other() {
        let mut now = Time(1);
        let mut out = Outbox::new(1, 64, 128, 64);
        let mut node = Node::new(PeerId(*b"-PL0100-xxxxxxxxxxxx"), 1);
        let first = handle(&mut node, now, Input::Note(Note::Add(Box::new(add(1)))), &mut out);
        assert_eq!(ports(&first), [6879, 6881]);
        // Who waits for that address dials others meanwhile.
        let second = handle(&mut node, now, Input::Note(Note::Add(Box::new(add(2)))), &mut out);
        assert_eq!(ports(&second), [6878]);
        // Connected is not answered.
        let conn = first[1].0;
        assert!(handle(&mut node, now, Input::Connected { conn }, &mut out).is_empty());
        for _ in 0..4 {
            now += Span::millis(250);
            assert!(handle(&mut node, now, Input::Deadline, &mut out).is_empty());
        }
        handle(&mut node, now, Input::Received { conn, bytes: b"\x13" }, &mut out);
        now += Span::millis(500);
        assert_eq!(ports(&handle(&mut node, now, Input::Deadline, &mut out)), [6881]);
    }
}
