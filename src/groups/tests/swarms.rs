//! Members in swarms: what they are told, what the tracker is told, and how often.

use std::net::SocketAddr;

use super::hall::{Hall, options};
use crate::base::{InfoHash, Span};
use crate::groups::Options;
use crate::machine::{Input, Note, Swarming};

const HASH: InfoHash = InfoHash([0xab; 20]);
const ME: &str = "192.0.2.1:6881";

fn text() -> String {
    HASH.to_string()
}

/// Somebody who shares, and what the tracker was told so far.
fn sharing(name: &str, hall: &mut Hall) {
    hall.login(name, "peerlink/peers standard-replies");
    hall.clear();
    hall.say(name, "PEERLINK PORT 6881");
}

fn join(hall: &mut Hall, name: &str, left: u32) -> Vec<Note> {
    hall.say(name, &format!("PEERLINK SWARM {} {left}", text()));
    std::mem::take(&mut hall.notes)
}

fn comes(hall: &mut Hall, peer: &str, is_seed: bool) {
    let peer: SocketAddr = peer.parse().unwrap();
    hall.input(Input::Note(Note::SwarmJoined { info_hash: HASH, peer, is_seed }));
}

fn peers(list: &str) -> String {
    format!(":peerlink.server PEERLINK PEERS {} :{list}", text())
}

#[test]
fn members_are_told_of_peers_at_once_and_when_they_come() {
    let mut hall = Hall::new(options());
    sharing("anna", &mut hall);
    let notes = join(&mut hall, "anna", 5);
    let conn = hall.conn("anna");
    let [Note::SwarmWatch { is_on: true, .. }, Note::Swarm { conn: asked, info_hash: HASH, peer, what }] = &notes[..]
    else {
        panic!("{notes:?}")
    };
    assert_eq!((*asked, peer.to_string().as_str(), *what), (conn, ME, Swarming::Join { is_seed: false }));
    let told = vec!["192.0.2.7:1".parse().unwrap(), "[2001:db8::1]:2".parse().unwrap()];
    hall.input(Input::Note(Note::SwarmTold { conn, info_hash: HASH, peers: Ok(told) }));
    assert_eq!(hall.got("anna"), [peers("192.0.2.7:1 [2001:db8::1]:2")]);
    // The first newcomer is told at once, the next ones together a second later, oneself never.
    comes(&mut hall, "192.0.2.8:1", true);
    assert_eq!(hall.got("anna"), [peers("192.0.2.8:1")]);
    comes(&mut hall, "192.0.2.9:1", false);
    comes(&mut hall, ME, false);
    comes(&mut hall, "10.0.0.1:1", false);
    assert_eq!(hall.got("anna"), [""; 0]);
    hall.pass(Span::secs(1));
    assert_eq!(hall.got("anna"), [peers("192.0.2.9:1")], "somebody of a local network is of no use from afar");
    // A seed has no use for seeds.
    join(&mut hall, "anna", 0);
    hall.pass(Span::secs(5));
    comes(&mut hall, "192.0.2.10:1", true);
    comes(&mut hall, "192.0.2.11:1", false);
    hall.pass(Span::secs(1));
    assert_eq!(hall.got("anna"), [peers("192.0.2.11:1")]);
    // Many come on several lines, none of them too long.
    hall.pass(Span::secs(5));
    comes(&mut hall, "192.0.2.12:1", false);
    (0..200).for_each(|number| comes(&mut hall, &format!("198.51.100.{number}:65535"), false));
    hall.pass(Span::secs(1));
    let lines = hall.got("anna");
    assert!(lines.len() > 2 && lines.iter().all(|line| line.len() <= 510), "{lines:?}");
    assert_eq!(lines.iter().map(|line| line.split(' ').count() - 4).sum::<usize>(), 1 + 64);
}

#[test]
fn the_tracker_hears_who_stays_and_who_goes() {
    let mut hall = Hall::new(options());
    sharing("anna", &mut hall);
    sharing("bert", &mut hall);
    join(&mut hall, "anna", 1);
    assert_eq!(join(&mut hall, "bert", 0).len(), 1, "the swarm is watched already");
    hall.pass(Span::secs(70));
    let stays = std::mem::take(&mut hall.notes);
    let is_stay = |note: &&Note| matches!(note, Note::Swarm { what: Swarming::Stay { .. }, .. });
    assert!((2..=5 * 2 * 14).contains(&stays.iter().filter(is_stay).count()), "{}", stays.len());
    hall.say("anna", &format!("PEERLINK LEAVE {}", text()));
    assert!(matches!(hall.notes[..], [Note::Swarm { what: Swarming::Leave, .. }]), "{:?}", hall.notes);
    hall.notes.clear();
    comes(&mut hall, "192.0.2.8:1", false);
    assert_eq!((hall.got("anna").len(), hall.got("bert").len()), (0, 1));
    hall.hang_up("bert");
    let gone = [Note::Swarm {
        conn: hall.out.new_conn(),
        info_hash: HASH,
        peer: ME.parse().unwrap(),
        what: Swarming::Leave,
    }];
    assert_eq!(hall.notes.len(), gone.len() + 1);
    assert!(matches!(hall.notes[1], Note::SwarmWatch { is_on: false, .. }));
    hall.notes.clear();
    hall.pass(Span::secs(600));
    assert!(hall.notes.is_empty());
}

#[test]
fn what_cannot_be_is_refused() {
    let mut hall = Hall::new(options());
    hall.login("anna", "peerlink/peers standard-replies");
    hall.login("irssi", "");
    let fail = |code: &str| format!(":peerlink.server FAIL PEERLINK {code}");
    let table = [
        (format!("PEERLINK SWARM {} 1", text()), fail("NO_PORT SWARM :Say PEERLINK PORT first")),
        ("PEERLINK PORT 0".into(), fail("INVALID_PARAMS PORT :That is no port")),
        ("PEERLINK PORT 70000".into(), fail("INVALID_PARAMS PORT :That is no port")),
    ];
    for (line, reply) in table {
        assert_eq!(hall.ask("anna", &line), [reply], "{line}");
    }
    hall.say("anna", "PEERLINK PORT 6881");
    let reply = fail("INVALID_PARAMS SWARM :That is no info hash with what is left");
    for line in ["PEERLINK SWARM ab 1".to_string(), format!("PEERLINK SWARM {}", text())] {
        assert_eq!(hall.ask("anna", &line), std::slice::from_ref(&reply), "{line}");
    }
    assert!(hall.ask("irssi", "PEERLINK PORT 1")[0].contains(" 421 irssi PEERLINK "));
    join(&mut hall, "anna", 1);
    let (conn, why) = (hall.conn("anna"), "not served");
    hall.clear();
    hall.input(Input::Note(Note::SwarmTold { conn, info_hash: HASH, peers: Err(why) }));
    assert_eq!(hall.got("anna"), [fail(&format!("REFUSED SWARM {} :not served", text()))]);
    comes(&mut hall, "192.0.2.8:1", false);
    assert_eq!(hall.got("anna"), [""; 0]);
    // So many, and no more.
    for number in 0..2_001_u32 {
        let mut hash = [0; 20];
        hash[..4].copy_from_slice(&number.to_be_bytes());
        hall.say("anna", &format!("PEERLINK SWARM {} 1", InfoHash(hash)));
    }
    let lines = hall.got("anna");
    assert!(lines.len() == 1 && lines[0].contains("FAIL PEERLINK TOO_MANY SWARM "), "{lines:?}");
}

#[test]
fn a_thousand_newcomers_in_a_second_are_told_twice() {
    let mut hall = Hall::new(Options { flood_per_s: 0, ..options() });
    sharing("anna", &mut hall);
    join(&mut hall, "anna", 1);
    for number in 0..1000 {
        comes(&mut hall, &format!("198.51.{}.{}:1", number / 250, number % 250), false);
        hall.pass(Span::millis(1));
    }
    hall.pass(Span::secs(1));
    let told = hall.got("anna").iter().map(|line| line.split(' ').count() - 4).sum::<usize>();
    assert!(told <= 3 * 64, "{told}");
}
