//! UDP trackers played by hand, with made-up time.

use super::*;
use crate::base::address::Reach;
use crate::base::{InfoHash, PeerId};
use crate::machine::Command;
use crate::wire::announce::Reply;
use crate::wire::udp_tracker::{Announced, Answer, Asked, PROTOCOL_ID, Question};

/// A question as the tracker reads it, and the tracker's address.
pub(super) type Put = (SocketAddr, Question);

pub(super) struct World {
    pub(super) announcer: Announcer,
    out: Outbox,
    pub(super) now: Time,
    pub(super) facts: Facts,
    look_ups: Vec<(JobId, String, u16)>,
}

pub(super) const URL: &str = "udp://9.9.9.9:80/announce?key=1";

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

pub(super) fn world(tiers: &[&[&str]]) -> World {
    let tiers = tiers.iter().map(|tier| tier.iter().map(|url| url.to_string()).collect()).collect();
    let mut out = Outbox::new(1, 1, 1, 1);
    World {
        announcer: Announcer::new(tiers, false, &mut out.rng),
        out,
        now: Time(5),
        facts: Facts {
            info_hash: InfoHash([1; 20]),
            peer_id: PeerId([b'x'; 20]),
            key: 7,
            port: 6881,
            uploaded: 0,
            downloaded: 0,
            left: 100,
            want_peers: true,
        },
        look_ups: Vec::new(),
    }
}

impl World {
    pub(super) fn start(&mut self) -> Vec<Put> {
        self.announcer.start(self.now, self.facts.left);
        self.poll().1
    }

    pub(super) fn questions(&mut self) -> Vec<Put> {
        let mut put = Vec::new();
        for command in self.out.commands.drain(..) {
            match command {
                Command::SendDatagram { to, bytes } => put.push((to, Question::parse(&bytes).unwrap())),
                Command::Job(Job::Resolve { id, host, port, .. }) => self.look_ups.push((id, host, port)),
                Command::Job(Job::Fetch { .. }) => {}
                other => panic!("{other:?}"),
            }
        }
        put
    }

    /// What went wrong, and what is asked.
    pub(super) fn poll(&mut self) -> (Vec<String>, Vec<Put>) {
        let news = self.announcer.poll(self.now, &self.facts, &mut self.out);
        let put = self.questions();
        assert!(self.announcer.poll(self.now, &self.facts, &mut self.out).is_empty());
        assert!(self.questions().is_empty(), "polling twice asks twice");
        if let Some(deadline) = self.announcer.next_deadline() {
            assert!(deadline > self.now, "a busy loop");
        }
        (news.into_iter().filter_map(|news| news.said).map(|said| said.1).collect(), put)
    }

    /// On to the deadline.
    pub(super) fn sleep(&mut self) -> (Span, Vec<String>, Vec<Put>) {
        let deadline = self.announcer.next_deadline().expect("something to wait for");
        let span = deadline - self.now;
        self.now = deadline;
        let (said, put) = self.poll();
        (span, said, put)
    }

    pub(super) fn wait(&mut self, span: Span) -> Vec<Put> {
        self.now += span;
        self.poll().1
    }

    fn datagram(&mut self, from: SocketAddr, bytes: &[u8]) -> Option<News> {
        self.announcer.on_datagram(self.now, from, bytes, &self.facts, &mut self.out)
    }

    pub(super) fn answer(&mut self, to: &Put, answer: &Answer) -> Option<News> {
        self.datagram(to.0, &answer.to_bytes(to.1.transaction, to.0.ip()))
    }

    /// Answers a connect; the announce that follows.
    pub(super) fn connect(&mut self, put: &Put, connection: u64) -> Put {
        assert_eq!((put.1.connection, &put.1.asked), (PROTOCOL_ID, &Asked::Connect));
        assert_eq!(self.answer(put, &Answer::Connected { connection }), None);
        let put = one(self.questions());
        assert_eq!(put.1.connection, connection);
        announced(&put);
        put
    }

    fn resolve(&mut self, addresses: &[&str]) -> Vec<Put> {
        let (id, ..) = self.look_ups.remove(0);
        let result = Ok(addresses.iter().map(|text| address(text)).collect());
        assert_eq!(self.announcer.on_resolved(self.now, id, result, &self.facts, &mut self.out), None);
        self.questions()
    }
}

pub(super) fn one(mut put: Vec<Put>) -> Put {
    assert_eq!(put.len(), 1, "{put:?}");
    put.remove(0)
}

pub(super) fn announced(put: &Put) -> &Announced {
    let Asked::Announce(announced) = &put.1.asked else { panic!("{put:?}") };
    announced
}

pub(super) fn reply(peers: &[&str]) -> Answer {
    let peers = peers.iter().map(|text| address(text)).collect();
    Answer::Announced(Reply {
        interval_s: Some(1800),
        complete: Some(4),
        incomplete: Some(5),
        peers,
        ..Reply::default()
    })
}

#[test]
fn a_life_from_started_to_stopped() {
    let mut w = world(&[&[URL]]);
    let connect = one(w.start());
    assert_eq!(connect.0, address("9.9.9.9:80"));
    let put = w.connect(&connect, 77);
    let told = announced(&put);
    assert_eq!((told.event, told.info_hash, told.left, told.port), (Event::Started, InfoHash([1; 20]), 100, 6881));
    assert_eq!((told.numwant, told.key, &told.target[..]), (Some(100), 7, &b"/announce?key=1"[..]));
    let news = w.answer(&put, &reply(&["1.2.3.4:5", "10.0.0.1:6", "1.2.3.4:5"])).unwrap();
    assert_eq!((news.peers, news.reach), (vec![address("1.2.3.4:5")], Reach::Global));
    assert_eq!((news.complete, news.incomplete), (Some(4), Some(5)));
    assert!(w.announcer.is_quiet());

    // Within a minute the connection id is good for another announce.
    w.facts.left = 0;
    w.announcer.complete(w.now);
    let put = one(w.wait(Span::secs(50)));
    assert_eq!((announced(&put).event, put.1.connection), (Event::Completed, 77));
    w.answer(&put, &reply(&[]));
    let (waited, _, put) = w.sleep();
    assert_eq!(waited, Span::secs(1800));
    let put = w.connect(&one(put), 78);
    assert_eq!(announced(&put).event, Event::None);
    w.answer(&put, &reply(&[]));

    w.now += Span::secs(60);
    w.announcer.stop(w.now);
    let connect = one(w.poll().1);
    let put = w.connect(&connect, 79);
    assert_eq!((announced(&put).event, announced(&put).numwant), (Event::Stopped, Some(0)));
    assert!(!w.announcer.is_quiet());
    w.answer(&put, &reply(&[]));
    assert!(w.announcer.is_quiet());
    w.poll();
    assert_eq!(w.announcer.next_deadline(), None);
}

#[test]
fn what_is_lost_is_asked_again_and_then_given_up() {
    let mut w = world(&[&[URL]]);
    let first = one(w.start());
    let (waited, said, put) = w.sleep();
    assert_eq!((waited, said), (Span::secs(15), vec![]));
    let second = one(put);
    assert_eq!(first, second, "so that a late answer counts");
    let (waited, said, put) = w.sleep();
    assert_eq!((waited, put), (Span::secs(30), vec![]));
    assert_eq!(said, ["tracker udp://9.9.9.9:80: no reply within 45s"]);
    assert!(w.announcer.trouble().unwrap().contains("no reply"));
    let (waited, _, put) = w.sleep();
    assert!(waited >= Span::secs(15) && waited < Span::secs(20), "{waited}");
    let put = w.connect(&one(put), 5);

    // The announce is lost: the same once more, and an answer to either counts.
    let (waited, _, again) = w.sleep();
    assert_eq!((waited, &one(again)), (Span::secs(15), &put));
    assert!(w.answer(&put, &reply(&[])).is_some());
    assert_eq!(w.announcer.trouble(), None);
    assert_eq!(w.answer(&put, &reply(&[])), None, "a second copy");
}

#[test]
fn only_who_was_asked_is_heard_and_only_with_what_fits() {
    let mut w = world(&[&[URL]]);
    let connect = one(w.start());
    let mut elsewhere = connect.clone();
    elsewhere.0 = address("9.9.9.9:81");
    let mut guessed = connect.clone();
    guessed.1.transaction ^= 1;
    for put in [&elsewhere, &guessed] {
        for answer in [Answer::Connected { connection: 1 }, Answer::Failed("x".into()), reply(&[])] {
            assert_eq!(w.answer(put, &answer), None);
        }
    }
    for answer in [reply(&["1.1.1.1:1"]), Answer::Scraped(vec![])] {
        assert_eq!(w.answer(&connect, &answer), None, "no announce was sent yet");
    }
    let whole = Answer::Connected { connection: 1 }.to_bytes(connect.1.transaction, connect.0.ip());
    for len in 0..whole.len() {
        assert_eq!(w.datagram(connect.0, &whole[..len]), None);
    }
    assert!(w.questions().is_empty());
    let put = w.connect(&connect, 1);
    assert_eq!(w.answer(&put, &Answer::Connected { connection: 2 }), None, "it is connected");
    assert!(w.questions().is_empty());
    assert!(w.answer(&put, &reply(&[])).is_some());
}

#[test]
fn refusals_are_shown() {
    let mut w = world(&[&[URL]]);
    let connect = one(w.start());
    let put = w.connect(&connect, 1);
    let news = w.answer(&put, &Answer::Failed("not registered\n".into())).unwrap();
    assert_eq!(news.said.unwrap().1, "tracker udp://9.9.9.9:80: not registered");
    let (waited, _, put) = w.sleep();
    assert!(waited >= Span::secs(15) && waited < Span::secs(20));
    // The connection id it refused may be worn out: a new one, before it is believed.
    let put = one(put);
    assert_eq!(put.1.connection, 1);
    assert_eq!(w.answer(&put, &Answer::Failed("connection id mismatch".into())), None);
    let connect = one(w.questions());
    let put = w.connect(&connect, 2);
    assert!(w.answer(&put, &reply(&[])).is_some());

    let mut w = world(&[&[URL]]);
    let connect = one(w.start());
    let news = w.answer(&connect, &Answer::Failed(String::new())).unwrap();
    assert_eq!(news.said.unwrap().1, "tracker udp://9.9.9.9:80: it refused without a reason");
}

#[test]
fn a_connection_that_is_not_known_any_more_is_made_anew() {
    let mut w = world(&[&[URL]]);
    let connect = one(w.start());
    let put = w.connect(&connect, 1);
    w.answer(&put, &reply(&[]));
    w.announcer.complete(w.now);
    let put = one(w.wait(Span::secs(1)));
    assert_eq!(put.1.connection, 1);
    let (waited, _, put) = w.sleep();
    assert_eq!(waited, Span::secs(15));
    w.connect(&one(put), 2);
}

#[test]
fn v6_trackers_tell_v6_peers() {
    let mut w = world(&[&["udp://[2001:db8::9]:80"]]);
    let connect = one(w.start());
    assert_eq!(connect.0, address("[2001:db8::9]:80"));
    let put = w.connect(&connect, 1);
    assert_eq!(announced(&put).target, b"");
    let news = w.answer(&put, &reply(&["[2001:db8::1]:5", "[::1]:6", "[fe80::1]:7"])).unwrap();
    assert_eq!(news.peers, [address("[2001:db8::1]:5")]);
}

#[test]
fn both_families_of_a_name_are_asked_at_once() {
    let mut w = world(&[&["udp://t.example:80/"]]);
    assert_eq!(w.start(), []);
    assert_eq!((&w.look_ups[0].1[..], w.look_ups[0].2), ("t.example", 80));
    let asked = w.resolve(&["[2001:db8::9]:80", "9.9.9.9:80", "[2001:db8::8]:80", "[::ffff:9.9.9.8]:80"]);
    let [v4, v6]: [Put; 2] = asked.try_into().unwrap();
    assert_eq!((v4.0, v6.0), (address("9.9.9.9:80"), address("[2001:db8::9]:80")));
    let put4 = w.connect(&v4, 4);
    let put6 = w.connect(&v6, 6);
    assert_eq!(w.answer(&put6, &reply(&["[2001:db8::1]:5"])).unwrap().peers, [address("[2001:db8::1]:5")]);
    assert_eq!(w.answer(&put4, &reply(&["1.2.3.4:5"])).unwrap().peers, [address("1.2.3.4:5")]);

    // One of them is silent: the other's answer ends it soon, without a word.
    w.now += Span::secs(100);
    w.announcer.complete(w.now);
    let [v4, _]: [Put; 2] = w.poll().1.try_into().unwrap();
    let put = w.connect(&v4, 5);
    assert!(w.answer(&put, &reply(&[])).is_some());
    let (waited, said, put) = w.sleep();
    assert_eq!((waited, said, put), (Span::secs(3), vec![], vec![]));
    assert!(w.announcer.is_quiet() && w.announcer.trouble().is_none());

    // Goodbye goes to the one that answered, without a look-up.
    w.announcer.stop(w.now);
    let put = one(w.poll().1);
    assert_eq!((put.0, put.1.connection, announced(&put).event), (v4.0, 5, Event::Stopped));
}

#[test]
fn the_next_address_of_a_name_gets_its_turn() {
    let mut w = world(&[&["udp://t.example:80/"]]);
    w.start();
    assert_eq!(one(w.resolve(&["9.9.9.9:80", "9.9.9.8:80"])).0, address("9.9.9.9:80"));
    assert_eq!(one(w.sleep().2).0, address("9.9.9.8:80"));
    w.sleep();
    w.sleep();
    assert_eq!(w.look_ups.len(), 1, "after a failure the name is looked up again");
}

#[test]
fn names_lead_to_this_machine_only_if_they_say_so() {
    for (url, addresses, asked) in [
        ("udp://t.example:80", &["127.0.0.1:80", "[::1]:80", "0.0.0.0:80", "224.0.0.1:80"][..], &[][..]),
        ("udp://t.example:80", &["127.0.0.1:80", "10.0.0.1:80"], &["10.0.0.1:80"]),
        ("udp://localhost:80", &["127.0.0.1:80", "[::1]:80"], &["127.0.0.1:80", "[::1]:80"]),
    ] {
        let mut w = world(&[&[url]]);
        w.start();
        let (id, ..) = w.look_ups.remove(0);
        let result = Ok(addresses.iter().map(|text| address(text)).collect());
        let news = w.announcer.on_resolved(w.now, id, result, &w.facts, &mut w.out);
        assert_eq!(news.is_some(), asked.is_empty(), "{url}");
        let to: Vec<SocketAddr> = w.questions().into_iter().map(|put| put.0).collect();
        assert_eq!(to, asked.iter().map(|text| address(text)).collect::<Vec<_>>());
    }
    let mut w = world(&[&["udp://127.0.0.1:80", "udp://0.0.0.0:80", "udp://[ff02::1]:80"]]);
    assert_eq!(w.announcer.skipped().len(), 2);
    let connect = one(w.start());
    let put = w.connect(&connect, 1);
    let news = w.answer(&put, &reply(&["127.0.0.1:9"])).unwrap();
    assert_eq!((news.peers.len(), news.reach), (1, Reach::Loopback));
}

#[test]
fn a_look_up_that_fails_or_hangs_is_a_failure() {
    let mut w = world(&[&["udp://t.example:80"]]);
    w.start();
    let (id, ..) = w.look_ups.remove(0);
    let failed = Err("t.example: the name has no address".to_string());
    let news = w.announcer.on_resolved(w.now, id, failed, &w.facts, &mut w.out).unwrap();
    assert!(news.said.unwrap().1.contains("no address"));
    w.sleep();
    let (waited, said, _) = w.sleep();
    assert_eq!(waited, Span::secs(45));
    assert!(said[0].contains("not found in time"), "{said:?}");
}

#[test]
fn a_tier_fails_over_before_it_asks_the_same_again() {
    let mut w = world(&[&["udp://9.9.9.9:1", "udp://9.9.9.9:2"]]);
    let first = one(w.start());
    let (waited, said, put) = w.sleep();
    assert_eq!(waited, Span::secs(15));
    assert!(said[0].contains("no reply within 15s"), "{said:?}");
    let second = one(put);
    assert_ne!(first.0, second.0);
    let put = w.connect(&second, 1);
    w.answer(&put, &reply(&[]));
    let (waited, _, put) = w.sleep();
    assert_eq!((waited, one(put).0), (Span::secs(1800), second.0), "it moved to the front");
}

#[test]
fn many_dead_trackers_hold_no_living_one_up() {
    let urls: Vec<String> = (1..=40).map(|port| format!("udp://9.9.9.9:{port}")).collect();
    let http = ["http://a.example/announce"];
    let urls: Vec<[&str; 1]> = urls.iter().map(|url| [url.as_str()]).collect();
    let tiers: Vec<&[&str]> = urls.iter().map(|url| &url[..]).chain([&http[..]]).collect();
    let mut w = world(&tiers);
    assert_eq!(w.start().len(), IN_FLIGHT_MAX_UDP);
    assert_eq!(w.announcer.flights.len(), IN_FLIGHT_MAX_UDP + 1, "HTTP has its own places");
    w.sleep();
    let (_, said, put) = w.sleep();
    assert_eq!((said.len(), put.len()), (IN_FLIGHT_MAX_UDP, 40 - IN_FLIGHT_MAX_UDP));
}
