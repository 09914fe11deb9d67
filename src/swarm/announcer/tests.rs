//! Trackers played by hand, with made-up time.

use super::*;
use crate::base::address::Reach;
use crate::base::{InfoHash, PeerId};
use crate::machine::{Command, Level};

pub(super) const OK: &[u8] = b"d8:intervali1800e5:peers0:e";

/// A fetch that was asked for.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) id: JobId,
    url: String,
    pub(super) timeout: Span,
}

impl Asked {
    /// `a started` for `http://a.example/announce?…&event=started`.
    fn short(&self) -> String {
        let host = self.url.split("//").nth(1).unwrap().split(['.', ':', '/']).next().unwrap();
        let event = self.url.split("event=").nth(1).map_or("regular", |rest| rest.split('&').next().unwrap());
        format!("{host} {event}")
    }
}

pub(super) struct World {
    pub(super) announcer: Announcer,
    out: Outbox,
    pub(super) now: Time,
    pub(super) facts: Facts,
    pub(super) rng: fastrand::Rng,
    pub(super) waiting: Vec<Asked>,
}

pub(super) fn world(tiers: &[&[&str]]) -> World {
    let mut rng = fastrand::Rng::with_seed(1);
    let url =
        |name: &&str| if name.contains(':') { name.to_string() } else { format!("http://{name}.example/announce") };
    let tiers = tiers.iter().map(|tier| tier.iter().map(url).collect()).collect();
    World {
        announcer: Announcer::new(tiers, false, &mut rng),
        out: Outbox::new(1, 1, 1, 1),
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
        rng,
        waiting: Vec::new(),
    }
}

impl World {
    pub(super) fn start(&mut self) -> Vec<String> {
        self.announcer.start(self.now, self.facts.left);
        self.poll()
    }

    /// What is asked now. A second poll must ask nothing, and the deadline must then lie in the future.
    pub(super) fn poll(&mut self) -> Vec<String> {
        self.announcer.poll(self.now, &self.facts, &mut self.out);
        let mut fresh = Vec::new();
        for command in self.out.commands.drain(..) {
            match command {
                Command::Job(Job::Fetch { id, request }) => {
                    let is_goodbye = request.url.contains("event=stopped");
                    let purpose = if is_goodbye { Purpose::Goodbye } else { Purpose::Announce };
                    assert_eq!(request.purpose, purpose);
                    fresh.push(Asked { id, url: request.url, timeout: request.timeout });
                }
                other => panic!("{other:?}"),
            }
        }
        self.announcer.poll(self.now, &self.facts, &mut self.out);
        assert!(self.out.commands.is_empty(), "polling twice asks twice");
        if let Some(deadline) = self.announcer.next_deadline() {
            assert!(deadline > self.now, "a busy loop");
        }
        let shorts = fresh.iter().map(Asked::short).collect();
        self.waiting.extend(fresh);
        shorts
    }

    pub(super) fn take(&mut self, short: &str) -> Asked {
        let at = self.waiting.iter().position(|asked| asked.short() == short);
        self.waiting.remove(at.unwrap_or_else(|| panic!("{short} is not in {:?}", self.waiting)))
    }

    pub(super) fn end(&mut self, short: &str, result: Result<Fetched, String>) -> News {
        let asked = self.take(short);
        self.announcer.on_fetched(self.now, asked.id, result, &mut self.rng).expect("its own fetch")
    }

    pub(super) fn answer(&mut self, short: &str, body: &[u8]) -> News {
        self.end(short, Ok(reply(200, body, "9.9.9.9:80")))
    }

    pub(super) fn fail(&mut self, short: &str) -> News {
        self.end(short, Err("no reply within 30s".into()))
    }

    pub(super) fn wait(&mut self, span: Span) -> Vec<String> {
        self.now += span;
        self.poll()
    }

    /// On to the deadline; how long that was.
    pub(super) fn sleep(&mut self) -> (Span, Vec<String>) {
        let deadline = self.announcer.next_deadline().expect("something to wait for");
        let span = deadline - self.now;
        (span, self.wait(span))
    }
}

pub(super) fn reply(status: u16, body: &[u8], from: &str) -> Fetched {
    Fetched { status, body: body.to_vec(), from: Some(from.parse().unwrap()) }
}

pub(super) const NONE: [&str; 0] = [];

#[test]
fn a_life_from_started_to_stopped() {
    let mut w = world(&[&["a"]]);
    assert_eq!(w.announcer.next_deadline(), None);
    assert_eq!(w.poll(), NONE, "nothing before the start");
    assert_eq!(w.start(), ["a started"]);
    let url = &w.waiting[0].url;
    assert!(url.contains("info_hash=%01%01") && url.contains("&left=100&") && url.contains("&numwant=100&"), "{url}");
    assert!(!w.announcer.is_quiet());
    w.answer("a started", OK);
    assert_eq!(w.poll(), NONE);
    assert!(w.announcer.is_quiet());
    assert_eq!(w.sleep(), (Span::secs(1800), vec!["a regular".into()]));
    w.answer("a regular", OK);
    w.facts.left = 0;
    w.facts.want_peers = false;
    w.announcer.complete(w.now);
    assert_eq!(w.poll(), ["a completed"]);
    assert!(w.waiting[0].url.contains("&left=0&") && w.waiting[0].url.contains("&numwant=0&"));
    w.answer("a completed", OK);
    assert_eq!(w.sleep(), (Span::secs(1800), vec!["a regular".into()]), "completed is an announce like others");
    w.answer("a regular", OK);
    w.announcer.stop(w.now);
    assert_eq!(w.poll(), ["a stopped"]);
    assert_eq!(w.waiting[0].timeout, limits::STOP_TIMEOUT);
    assert!(!w.announcer.is_quiet());
    w.answer("a stopped", b"d5:peers0:e");
    assert!(w.announcer.is_quiet());
    assert_eq!(w.poll(), NONE);
    assert_eq!(w.announcer.next_deadline(), None);
    assert_eq!(w.start(), ["a started"], "a second life");
}

#[test]
fn events_are_repeated_until_answered_once() {
    let mut w = world(&[&["a"]]);
    w.start();
    for _ in 0..3 {
        w.fail("a started");
        assert_eq!(w.poll(), NONE);
        assert_eq!(w.sleep().1, ["a started"]);
    }
    // Completed before the tracker ever answered: it hears both, in order.
    w.facts.left = 0;
    w.announcer.complete(w.now);
    assert_eq!(w.poll(), NONE);
    w.answer("a started", OK);
    assert_eq!(w.poll(), ["a completed"]);
    w.fail("a completed");
    assert_eq!(w.sleep().1, ["a completed"]);
    w.answer("a completed", OK);
    w.announcer.complete(w.now);
    assert_eq!(w.poll(), NONE, "never after");
    assert_eq!(w.sleep().1, ["a regular"]);
}

#[test]
fn completed_is_only_said_of_what_was_incomplete() {
    let mut w = world(&[&["a"]]);
    w.facts.left = 0;
    w.start();
    w.answer("a started", OK);
    w.announcer.complete(w.now);
    assert_eq!(w.poll(), NONE);
    assert_eq!(w.sleep().1, ["a regular"]);
}

#[test]
fn failures_back_off_with_jitter_up_to_half_an_hour() {
    let mut w = world(&[&["a"]]);
    w.start();
    let mut base = 15;
    for _ in 0..12 {
        w.fail("a started");
        let (waited, asked) = w.sleep();
        assert_eq!(asked, ["a started"]);
        assert!(waited >= Span::secs(base) && waited <= Span(base * 1_250_000), "{waited} for {base}");
        base = (base * 2).min(1800);
    }
    w.answer("a started", OK);
    w.sleep();
    w.fail("a regular");
    let (waited, _) = w.sleep();
    assert!(waited < Span::secs(20), "an answer starts it anew");
}

#[test]
fn intervals_are_bounded_by_where_the_tracker_is() {
    for (body, from, expected) in [
        (&b"d8:intervali1ee"[..], "9.9.9.9:80", Span::secs(60)),
        (b"d8:intervali1ee", "127.0.0.1:80", Span::secs(10)),
        (b"d8:intervali1ee", "10.0.0.1:80", Span::secs(10)),
        (b"d8:intervali0e12:min intervali500ee", "9.9.9.9:80", Span::secs(500)),
        (b"d8:intervali9223372036854775807ee", "9.9.9.9:80", Span::secs(86_400)),
        (b"d8:intervali-5ee", "9.9.9.9:80", Span::secs(1800)),
        (b"de", "9.9.9.9:80", Span::secs(1800)),
    ] {
        let mut w = world(&[&["a"]]);
        w.start();
        w.end("a started", Ok(reply(200, body, from)));
        assert_eq!(w.sleep().0, expected, "{}", body.escape_ascii());
    }
}

#[test]
fn more_peers_are_asked_for_no_sooner_than_allowed() {
    for (body, expected) in [
        (&b"d8:intervali1800ee"[..], Span::secs(300)),
        (b"d8:intervali1800e12:min intervali900ee", Span::secs(900)),
        (b"d8:intervali1800e12:min intervali1ee", Span::secs(30)),
        (b"d8:intervali120ee", Span::secs(120)),
    ] {
        let mut w = world(&[&["a"]]);
        w.start();
        w.answer("a started", body);
        w.announcer.want_more(w.now);
        w.announcer.want_more(w.now);
        assert_eq!(w.poll(), NONE);
        assert_eq!(w.sleep(), (expected, vec!["a regular".into()]), "{}", body.escape_ascii());
    }
    let mut w = world(&[&["a"]]);
    w.start();
    w.fail("a started");
    w.announcer.want_more(w.now);
    assert_eq!(w.poll(), NONE, "back-off is not cut short");
}

#[test]
fn only_peers_as_far_as_the_tracker_are_believed() {
    let body = b"d5:peers24:\x7f\x00\x00\x01\x00\x01\x0a\x00\x00\x01\x00\x02\x01\x02\x03\x04\x00\x03\x01\x02\x03\x04\x00\x03\
                 6:peers618:\0\0\0\0\0\0\0\0\0\0\xff\xff\x05\x06\x07\x08\x00\x04e";
    for (from, count, reach) in
        [("127.0.0.1:80", 4, Reach::Loopback), ("10.1.1.1:80", 3, Reach::Private), ("9.9.9.9:80", 2, Reach::Global)]
    {
        let mut w = world(&[&["a"]]);
        w.start();
        let news = w.end("a started", Ok(reply(200, body, from)));
        assert_eq!((news.peers.len(), news.reach), (count, reach), "{:?}", news.peers);
        assert_eq!(news.peers[count - 1], "5.6.7.8:4".parse().unwrap(), "mapped addresses are plain ones");
    }
    let mut w = world(&[&["a"]]);
    w.start();
    let news = w.answer("a started", b"d5:peersld2:ip6:a.host4:porti9eeee");
    assert_eq!(news.hosts, [("a.host".to_string(), 9)]);
}

#[test]
fn troubles_are_told_once_and_shown_while_they_last() {
    let mut w = world(&[&["a"]]);
    w.start();
    let warning = |text: &str| Some((Level::Warning, format!("tracker http://a.example: {text}")));
    let news = w.answer("a started", b"d14:failure reason7:unknowne");
    assert_eq!(news.said, warning("unknown"));
    assert_eq!(w.announcer.trouble(), Some("tracker http://a.example: unknown"));
    w.sleep();
    assert_eq!(w.end("a started", Ok(reply(400, b"d14:failure reason7:unknowne", "9.9.9.9:80"))).said, None);
    w.sleep();
    assert_eq!(
        w.end("a started", Ok(reply(404, b"<html>", "9.9.9.9:80"))).said,
        warning("it answered with HTTP status 404")
    );
    w.sleep();
    assert!(w.answer("a started", b"<html>").said.unwrap().1.contains("no bencode"));
    w.sleep();
    let warned = b"d8:intervali60e15:warning message4:slowe";
    assert_eq!(w.answer("a started", warned).said, warning("slow"));
    assert_eq!(w.announcer.trouble(), None);
    w.sleep();
    assert_eq!(w.answer("a regular", warned).said, None);
}

#[test]
fn retry_in_is_honoured() {
    let mut w = world(&[&["a"]]);
    w.start();
    w.answer("a started", b"d14:failure reason4:busy8:retry ini45ee");
    assert_eq!(w.sleep().0, Span::secs(45 * 60));
    w.answer("a started", b"d14:failure reason4:gone8:retry in5:nevere");
    assert_eq!(w.announcer.next_deadline(), None);
    assert!(w.announcer.is_quiet());
    assert_eq!(w.start(), ["a started"], "a new start asks again");
}

#[test]
fn the_tracker_id_is_echoed() {
    let mut w = world(&[&["a"]]);
    w.start();
    w.answer("a started", b"d10:tracker id3:x/ye");
    w.sleep();
    assert!(w.waiting[0].url.ends_with("&trackerid=x%2Fy"));
    w.answer("a regular", OK);
    w.sleep();
    assert!(w.waiting[0].url.ends_with("&trackerid=x%2Fy"), "it is kept until another comes");
}

#[test]
fn what_cannot_be_used_is_kept_aside_with_the_reason() {
    let w = world(&[
        &["udp://a.example/announce", "ftp://b.example/"],
        &["http://localhost/secrets", "http://127.0.0.1/announce", "http://[::1]:8/x", "http://b.example/x"],
        &["http://127.0.0.1/announce"],
    ]);
    let skipped: Vec<&str> = w.announcer.skipped().iter().map(|(url, _)| url.as_str()).collect();
    let expected = ["udp://a.example/announce", "ftp://b.example/", "http://localhost/secrets", "http://[::1]:8/x"];
    assert_eq!(skipped, expected);
    assert!(w.announcer.skipped()[0].1.contains("port"));
    assert_eq!(w.announcer.tiers.len(), 1);
    assert_eq!(w.announcer.tiers[0].trackers.len(), 2);
}
