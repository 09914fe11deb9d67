//! A table of bad manners, each said again and again by a peer of its own: what ends the connection at once, what a
//! peer may say, and that who was hung up on for it does not come back soon.

use std::ops::Range as Times;

use peerlink::base::{ConnId, Span};
use peerlink::wire::extension;
use peerlink::wire::pex::Pex;

use crate::actor::{Actor, Cx, Habit};
use crate::codec::{Msg, Range};
use crate::host::Kind;
use crate::scenarios::{FAST, secs, world_of};
use crate::support::Shape;

/// What is said, as often as `times` every 0.9 s, and after how many turns the connection must have ended.
struct Manner {
    name: &'static str,
    say: fn(u32) -> Msg,
    times: u32,
    ends: Times<u32>,
}

/// Whatever the victim may hear for long.
const NEVER: Times<u32> = 0..0;
const AT_ONCE: Times<u32> = 1..4;
/// A flood of small talk: some thousand messages at once, a hundred a second.
const SOON: Times<u32> = 1..12;

const PIECES: u32 = 46;

fn block(index: u32, begin: u32, len: u32) -> Range {
    Range { index, begin, len }
}

fn flips(number: u32, on: Msg, off: Msg) -> Msg {
    if number.is_multiple_of(2) { on } else { off }
}

/// News of other peers, of whom none came or went: who has addresses in it is dialled, and that ends on its own.
fn gossip(_: u32) -> Msg {
    Msg::Extended(extension::UT_PEX, Pex::default().to_bytes())
}

const MANNERS: [Manner; 35] = [
    Manner { name: "request of no length", say: |_| Msg::Request(block(0, 0, 0)), times: 12, ends: AT_ONCE },
    Manner { name: "request too long", say: |_| Msg::Request(block(0, 0, 131_073)), times: 12, ends: AT_ONCE },
    Manner {
        name: "request past the piece",
        say: |_| Msg::Request(block(0, 65_000, 16_384)),
        times: 12,
        ends: AT_ONCE,
    },
    Manner { name: "request past the end", say: |_| Msg::Request(block(PIECES, 0, 1)), times: 12, ends: AT_ONCE },
    Manner { name: "request that wraps", say: |_| Msg::Request(block(0, u32::MAX, 2)), times: 12, ends: AT_ONCE },
    Manner { name: "have of no piece", say: |_| Msg::Have(PIECES), times: 1, ends: AT_ONCE },
    Manner { name: "bitfield too short", say: |_| Msg::Bitfield(vec![0]), times: 1, ends: AT_ONCE },
    Manner { name: "bitfield too long", say: |_| Msg::Bitfield(vec![0; 7]), times: 1, ends: AT_ONCE },
    Manner { name: "spare bits", say: |_| Msg::Bitfield(vec![0xff; 6]), times: 1, ends: AT_ONCE },
    Manner { name: "reject of no block", say: |_| Msg::Reject(block(PIECES, 0, 1)), times: 1, ends: AT_ONCE },
    Manner {
        name: "a piece nobody asked for",
        say: |_| Msg::Piece { index: 0, begin: 0, payload: vec![1; 16_384] },
        times: 1,
        ends: AT_ONCE,
    },
    Manner {
        name: "a piece of no block",
        say: |_| Msg::Piece { index: 0, begin: 65_536, payload: vec![1; 9] },
        times: 1,
        ends: AT_ONCE,
    },
    Manner {
        name: "extension handshake of nonsense",
        say: |_| Msg::Extended(0, b"le".into()),
        times: 1,
        ends: AT_ONCE,
    },
    Manner { name: "too long a message", say: |_| Msg::Other(99, vec![0; 40_000]), times: 1, ends: AT_ONCE },
    Manner { name: "keep-alives", say: |_| Msg::KeepAlive, times: 600, ends: SOON },
    Manner { name: "the same have", say: |_| Msg::Have(0), times: 600, ends: SOON },
    Manner { name: "the same bitfield", say: |_| Msg::Bitfield(vec![0; 6]), times: 600, ends: SOON },
    Manner { name: "have all", say: |_| Msg::HaveAll, times: 600, ends: SOON },
    Manner { name: "choke flaps", say: |n| flips(n, Msg::Unchoke, Msg::Choke), times: 30, ends: SOON },
    Manner { name: "interest flaps", say: |n| flips(n, Msg::Interested, Msg::NotInterested), times: 30, ends: SOON },
    Manner { name: "cancels", say: |_| Msg::Cancel(block(1, 0, 16_384)), times: 600, ends: SOON },
    Manner { name: "rejects", say: |_| Msg::Reject(block(1, 0, 16_384)), times: 600, ends: SOON },
    Manner { name: "requests while choked", say: |n| Msg::Request(block(n % 40, 0, 9)), times: 900, ends: SOON },
    Manner { name: "suggestions", say: |n| Msg::Suggest(n % PIECES), times: 600, ends: SOON },
    Manner { name: "allowed fast", say: |n| Msg::AllowedFast(n % PIECES), times: 600, ends: SOON },
    Manner { name: "DHT ports", say: |_| Msg::Port(1), times: 600, ends: SOON },
    Manner { name: "unknown messages", say: |_| Msg::Other(77, vec![1; 500]), times: 60, ends: SOON },
    Manner { name: "unknown extensions", say: |_| Msg::Extended(77, vec![1; 30_000]), times: 6, ends: SOON },
    Manner { name: "extension handshakes", say: |_| Msg::Extended(0, b"de".into()), times: 600, ends: SOON },
    Manner { name: "peers of peers", say: gossip, times: 1, ends: SOON },
    Manner { name: "a flood of peers of peers", say: gossip, times: 100, ends: AT_ONCE },
    // What honest peers do.
    Manner { name: "every piece once", say: |n| Msg::Have(n % 40), times: 1, ends: NEVER },
    Manner { name: "a keep-alive now and then", say: |_| Msg::KeepAlive, times: 1, ends: NEVER },
    Manner { name: "some cancels", say: |_| Msg::Cancel(block(1, 0, 16_384)), times: 50, ends: NEVER },
    Manner {
        name: "a change of mind",
        say: |n| flips(n, Msg::Interested, Msg::NotInterested),
        times: 1,
        ends: NEVER,
    },
];

impl Actor {
    pub fn say(&mut self, cx: &mut Cx<'_>, conn: ConnId, number: usize) {
        let session = self.sessions.get_mut(&conn).expect("open");
        if !session.shaken {
            return;
        }
        let manner = &MANNERS[number];
        for _ in 0..manner.times {
            session.told += 1;
            let msg = (manner.say)(session.told - 1);
            cx.say(conn, msg);
        }
    }
}

#[test]
fn every_bad_manner_ends_in_time_and_is_counted() {
    for (number, manner) in MANNERS.iter().enumerate() {
        let mut world = world_of(number as u64, Shape::single("one.bin", 3_000_001, 65_536));
        let seed = world.hosts[0].address;
        world.node_mut(0).tasks[0].pex = true;
        let made = world.torrents[0].clone();
        assert_eq!(made.metainfo.geometry.piece_count(), PIECES);
        let actor = Actor::new(Habit::Says(number), made, vec![seed], true, &mut world.rng.fork());
        let actor = world.add_actor(FAST, FAST, actor);
        world.run(secs(60), |_| false);
        let Kind::Actor(actor) = &world.hosts[actor].kind else { panic!("it is an actor") };
        let faults = world.node(0).rows[&0].faults;
        let name = manner.name;
        if manner.ends.is_empty() {
            assert_eq!((actor.met, actor.sessions.len(), faults), (1, 1, 0), "{name}");
            continue;
        }
        assert_eq!((actor.met, actor.sessions.len(), faults), (1, 0, 1), "{name}: it came back, or stayed");
        let ended = world.node(0).safety.last_hang_up.expect("it was hung up on");
        let turns = ended.since(secs(0)).0 / Span::millis(900).0;
        assert!(u64::from(manner.ends.end) >= turns, "{name}: it took {turns} turns");
    }
}
