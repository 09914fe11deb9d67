//! A search driven without I/O: peers that tell, lie, refuse, fall silent and leave.

use std::collections::BTreeMap;
use std::sync::Arc;

use sha1::{Digest, Sha1};

use super::*;
use crate::base::limits::{METADATA_LEN, METADATA_ROOM, SAID_ROOM};
use crate::base::{PeerId, Span};
use crate::machine::Command;
use crate::wire::bencode::Writer;
use crate::wire::decoder::Event;
use crate::wire::ut_metadata::PIECE_LEN;

/// What a peer does when it is asked for a piece.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Habit {
    Honest,
    /// Sends other bytes.
    Liar,
    /// Says a length that is not the right one, and sends other bytes.
    LiarOfLen,
    Mute,
    Refuses,
    /// Hangs up when it is asked.
    Leaves,
}

struct Lab {
    seeker: Seeker,
    out: Outbox,
    now: Time,
    info: Vec<u8>,
    habits: BTreeMap<ConnId, Habit>,
    /// Pieces asked of each peer.
    asked: BTreeMap<ConnId, u32>,
    closed: Vec<ConnId>,
    found: Option<Arc<[u8]>>,
}

const PEX: Ways = Ways { pex: true, lsd: false };

impl Lab {
    fn new(info_len: usize) -> Lab {
        let info: Vec<u8> = (0..info_len).map(|n| (n % 253) as u8).collect();
        let seek = SeekTorrent {
            torrent: TorrentId(1),
            info_hash: InfoHash(Sha1::digest(&info).into()),
            peers: Vec::new(),
            nodes: Vec::new(),
            trackers: Vec::new(),
            announce_all: false,
            peers_max: 20,
            ways: PEX,
        };
        let mut out = Outbox::new(1, 64, 128, 64);
        let us = Us {
            peer_id: PeerId(*b"-PL0100-xxxxxxxxxxxx"),
            port: 1000,
            key: 1,
            has_dht: false,
            has_server: false,
            has_proxy: false,
        };
        let seeker = Seeker::new(seek, us, Time(1), &mut out);
        let (habits, asked) = (BTreeMap::new(), BTreeMap::new());
        Lab { seeker, out, now: Time(1), info, habits, asked, closed: Vec::new(), found: None }
    }

    /// A peer dials us, shakes hands and tells its number for metadata: 3.
    fn join(&mut self, number: u8, habit: Habit) -> ConnId {
        let conn = self.out.new_conn();
        self.habits.insert(conn, habit);
        let remote = SocketAddr::from(([10, 0, 0, number], 6881));
        self.handle(Input::Accepted { conn, remote });
        let theirs = Handshake::new(self.seeker.info_hash, PeerId([number; 20]));
        let len = self.info.len() + usize::from(habit == Habit::LiarOfLen);
        let mut bytes = theirs.to_bytes().to_vec();
        Message::HaveAll.write(&mut bytes);
        Message::Extended(0, &hello(len)).write(&mut bytes);
        self.receive(conn, &bytes);
        conn
    }

    fn receive(&mut self, conn: ConnId, bytes: &[u8]) {
        if !self.closed.contains(&conn) {
            self.handle(Input::Received { conn, bytes });
        }
    }

    fn handle(&mut self, input: Input<'_>) {
        self.seeker.handle(self.now, input, &mut self.out);
        self.seeker.check();
        let mut answers = Vec::new();
        for command in std::mem::take(&mut self.out.commands) {
            match command {
                Command::Send { conn, bytes } => answers.push((conn, bytes)),
                Command::Close { conn } => self.closed.push(conn),
                Command::Tell(Note::Metadata { info, .. }) => self.found = Some(info),
                Command::Tell(_) | Command::Job(_) | Command::Connect { .. } => {}
                other => panic!("{other:?}"),
            }
        }
        for (conn, bytes) in answers {
            self.answer(conn, &bytes);
        }
    }

    fn answer(&mut self, conn: ConnId, bytes: &[u8]) {
        let bytes = if bytes.starts_with(b"\x13Bit") { &bytes[68..] } else { bytes };
        let mut decoder = Decoder::new(1);
        let mut rest = bytes;
        let mut answers = Vec::new();
        while let Ok(Some(event)) = decoder.next(&mut rest) {
            let Event::Message(Message::Extended(3, body)) = event else { continue };
            *self.asked.entry(conn).or_default() += 1;
            let mut lies = self.info.clone();
            lies.push(0);
            lies.iter_mut().for_each(|byte| *byte ^= 1);
            let answer = match self.habits[&conn] {
                Habit::Honest => ut_metadata::answer(body, Some(&self.info)),
                Habit::Liar => ut_metadata::answer(body, Some(&lies[1..])),
                Habit::LiarOfLen => ut_metadata::answer(body, Some(&lies)),
                Habit::Refuses => ut_metadata::answer(body, None),
                Habit::Mute => None,
                Habit::Leaves => {
                    self.closed.push(conn);
                    return self.handle(Input::Closed { conn, reason: crate::machine::Closed::ByPeer });
                }
            };
            answers.push(Message::Extended(1, &answer.unwrap_or_default()).to_bytes());
        }
        for answer in answers {
            self.receive(conn, &answer);
        }
    }

    /// Lets time pass until it is found; gives how long that took.
    fn run(&mut self, at_most: Span) -> Span {
        let start = self.now;
        while self.found.is_none() && self.now.since(start) < at_most {
            self.now = self.seeker.next_deadline().map_or(start + at_most, |due| due.max(self.now + Span(1)));
            self.handle(Input::Deadline);
        }
        if let Some(found) = &self.found {
            assert_eq!(found[..], self.info[..]);
        }
        self.now.since(start)
    }

    fn is_banned(&self, number: u8) -> bool {
        self.out.bans.refused_until(self.now, SocketAddr::from(([10, 0, 0, number], 1))).is_some()
    }
}

fn hello(len: usize) -> Vec<u8> {
    Writer::dict_bytes(|d| {
        d.dict("m", |m| m.int("ut_metadata", 3));
        d.int("metadata_size", len as i64);
    })
}

#[test]
fn one_honest_peer_is_enough_and_several_share_the_work() {
    for len in [1, PIECE_LEN, PIECE_LEN + 1, 40 * PIECE_LEN + 3] {
        let mut lab = Lab::new(len);
        lab.join(1, Habit::Honest);
        lab.run(Span::secs(1));
        assert!(lab.found.is_some(), "{len}");
    }
    let mut lab = Lab::new(40 * PIECE_LEN);
    // Nobody answers before all are asked.
    let conns: Vec<ConnId> = (1..=4).map(|number| lab.join(number, Habit::Mute)).collect();
    assert!(conns.iter().all(|conn| lab.asked[conn] == 8), "{:?}", lab.asked);
}

#[test]
fn long_metadata_is_hashed_in_slices() {
    let mut lab = Lab::new(3 << 20);
    lab.join(1, Habit::Honest);
    lab.run(Span::secs(1));
    assert!(lab.found.is_some());
}

#[test]
fn liars_are_found_and_the_honest_one_is_heard() {
    for liar in [Habit::Liar, Habit::LiarOfLen] {
        let mut lab = Lab::new(5 * PIECE_LEN);
        for number in 1..=6 {
            lab.join(number, liar);
        }
        lab.join(7, Habit::Honest);
        lab.run(Span::secs(60));
        assert!(lab.found.is_some(), "{liar:?}");
        assert!(!lab.is_banned(7));
    }
    // Each sent some of it: only asking one at a time tells who lied.
    let mut lab = Lab::new(12 * PIECE_LEN);
    let mute = lab.join(1, Habit::Mute);
    lab.habits.insert(mute, Habit::Liar);
    lab.join(2, Habit::Honest);
    lab.join(3, Habit::Honest);
    lab.run(Span::secs(60));
    assert!(lab.found.is_some() && !lab.is_banned(2) && !lab.is_banned(3));
}

#[test]
fn the_mute_the_refusing_and_the_leaving_hold_nothing_up() {
    for habit in [Habit::Mute, Habit::Refuses, Habit::Leaves] {
        let mut lab = Lab::new(20 * PIECE_LEN);
        for number in 1..=5 {
            lab.join(number, habit);
        }
        lab.join(6, Habit::Honest);
        let took = lab.run(Span::secs(60));
        assert!(lab.found.is_some(), "{habit:?}");
        assert!(took < Span::secs(30), "{habit:?} held it up for {took}");
        assert!(!(1..=6).any(|number| lab.is_banned(number)), "nobody lied");
    }
}

#[test]
fn what_is_too_long_or_unsaid_is_not_asked_for() {
    for len in [0, METADATA_LEN + 1, i32::MAX as usize, usize::MAX >> 1] {
        let mut lab = Lab::new(100);
        let conn = lab.out.new_conn();
        lab.habits.insert(conn, Habit::Honest);
        lab.handle(Input::Accepted { conn, remote: SocketAddr::from(([10, 0, 0, 1], 1)) });
        let mut bytes = Handshake::new(lab.seeker.info_hash, PeerId([1; 20])).to_bytes().to_vec();
        Message::Extended(0, &hello(len)).write(&mut bytes);
        lab.receive(conn, &bytes);
        lab.run(Span::secs(5));
        assert!(lab.asked.is_empty() && lab.closed.is_empty(), "{len}");
    }
}

#[test]
fn what_was_said_meanwhile_goes_over_and_is_bounded() {
    let mut lab = Lab::new(100);
    let conn = lab.join(1, Habit::Honest);
    lab.run(Span::secs(1));
    lab.receive(conn, &Message::Unchoke.to_bytes());
    // The first half of a message: the decoder goes over with it.
    lab.receive(conn, &Message::Have(7).to_bytes()[..6]);
    let loud = lab.join(2, Habit::Mute);
    for _ in 0..200_000 {
        lab.receive(loud, &Message::Have(1).to_bytes());
    }
    assert!(lab.closed.contains(&loud), "nobody fills our memory with what he has");
    let Lab { seeker, mut out, now, .. } = lab;
    let mut handover = seeker.hand_over(now, &mut out);
    assert_eq!(handover.met.len(), 1);
    let met = handover.met.remove(0);
    let mut said = &met.said[68..];
    let mut decoder = Decoder::new(100);
    let mut kinds = Vec::new();
    while let Ok(Some(Event::Message(message))) = decoder.next(&mut said) {
        kinds.push(match message {
            Message::HaveAll => "all",
            Message::Extended(0, _) => "hello",
            Message::Unchoke => "unchoke",
            other => panic!("{other:?}"),
        });
    }
    assert_eq!(kinds, ["all", "hello", "unchoke"]);
    let rest = Message::Have(7).to_bytes();
    let mut rest = &rest[6..];
    let mut decoder = met.decoder;
    assert_eq!(decoder.next(&mut rest), Ok(Some(Event::Message(Message::Have(7)))));
}

#[test]
fn blocks_that_nobody_asked_for_end_it() {
    let mut lab = Lab::new(100);
    let conn = lab.join(1, Habit::Mute);
    lab.receive(conn, &[0, 0, 0, 10, 7, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    assert_eq!(lab.closed, [conn]);
}

#[test]
fn the_loud_share_one_room_and_the_quiet_are_heard() {
    let mut lab = Lab::new(100);
    let bits = Message::Bitfield(&vec![0xff; 250_000]).to_bytes();
    for number in 1..=19 {
        // Half a message takes as much as a whole one.
        let conn = lab.join(number, Habit::Mute);
        lab.receive(conn, &bits[..bits.len() - usize::from(number % 2)]);
        assert!(lab.out.said_room.taken() <= SAID_ROOM);
    }
    assert!(lab.closed.len() < 19 && !lab.closed.is_empty(), "{} of 19", lab.closed.len());
    let quiet = lab.join(20, Habit::Honest);
    lab.receive(quiet, &Message::Bitfield(&[0xff; 10_000]).to_bytes());
    let took = lab.run(Span::secs(60));
    assert!(lab.found.is_some() && !lab.closed.contains(&quiet));
    assert!(took < Span::secs(30), "the mute held it up for {took}");
    let Lab { seeker, mut out, now, .. } = lab;
    seeker.hand_over(now, &mut out);
    assert_eq!((out.said_room.taken(), out.metadata_room.taken()), (0, 0));
}

#[test]
fn metadata_waits_for_what_other_torrents_hold() {
    let mut lab = Lab::new(100_000);
    let others = METADATA_ROOM - 99_999;
    assert!(lab.out.metadata_room.take(others));
    lab.join(1, Habit::Honest);
    lab.run(Span::secs(5));
    assert!(lab.found.is_none() && lab.asked.is_empty());
    lab.out.metadata_room.give(others);
    lab.run(Span::secs(2));
    assert!(lab.found.is_some());
    assert_eq!(lab.out.metadata_room.taken(), 0);
    // Who leaves gives back.
    let conn = lab.join(2, Habit::Mute);
    lab.receive(conn, &Message::Bitfield(&vec![0xff; 200_000]).to_bytes());
    assert!(lab.out.said_room.taken() > 0);
    lab.handle(Input::Stop);
    assert_eq!(lab.out.said_room.taken(), 0);
}
