//! Look-ups, redirects, failures and waits of web seeds.

use super::*;
use crate::machine::Command;
use crate::metainfo::parse;
use crate::wire::bencode::Writer;

const NOW: Time = Time(1_000_000);

fn metainfo(urls: &[&str]) -> Metainfo {
    let bytes = Writer::dict_bytes(|root| {
        root.dict("info", |info| {
            info.key("files").list(|list| {
                for name in ["a", "b"] {
                    list.dict(|file| {
                        file.int("length", 16_384);
                        file.key("path").list(|parts| parts.bytes(name));
                    });
                }
            });
            info.bytes("name", "t");
            info.int("piece length", 16_384);
            info.bytes("pieces", [0; 40]);
        });
        root.key("url-list").list(|list| urls.iter().for_each(|url| list.bytes(url)));
    });
    parse::parse(&bytes).unwrap()
}

struct Rig {
    seeds: WebSeeds,
    out: Outbox,
    now: Time,
    geometry: Geometry,
}

impl Rig {
    fn new(urls: &[&str], named_by: Reach) -> Rig {
        let metainfo = metainfo(urls);
        let seeds = WebSeeds::new(TorrentId(1), &metainfo, named_by);
        Rig { seeds, out: Outbox::new(1, 8, 64, 8), now: NOW, geometry: metainfo.geometry }
    }

    /// What it looks up, and what it says.
    fn drain(&mut self) -> (Vec<(JobId, String)>, Vec<String>) {
        let mut found = (Vec::new(), Vec::new());
        for command in std::mem::take(&mut self.out.commands) {
            match command {
                Command::Job(Job::Resolve { id, host, port, .. }) => found.0.push((id, format!("{host}:{port}"))),
                Command::Tell(Note::Said { text, .. }) => found.1.push(text),
                other => panic!("{other:?}"),
            }
        }
        found
    }

    fn look(&mut self) -> Vec<(JobId, String)> {
        self.seeds.look(self.now, &mut self.out);
        self.drain().0
    }

    /// Looks, and answers every look-up with these addresses; then dials.
    fn dial(&mut self, addresses: &[&str]) -> Option<(SocketAddr, Option<String>, Web)> {
        for (id, _) in self.look() {
            let found = addresses.iter().map(|address| address.parse().unwrap()).collect();
            assert!(self.seeds.resolved(id, &Ok(found), self.now, &mut self.out));
        }
        self.seeds.dial(self.geometry, self.now, &mut self.out)
    }

    /// Ends a connection; what is said.
    fn end(&mut self, dialled: &(SocketAddr, Option<String>, Web), end: End<'_>) -> Vec<String> {
        self.seeds.ended(&dialled.2, dialled.0, end, self.now, &mut self.out);
        self.drain().1
    }

    fn wait(&self) -> Option<Span> {
        self.seeds.next_look().map(|due| due.since(self.now))
    }
}

#[test]
fn a_few_are_in_use_and_the_others_follow() {
    let urls: Vec<String> = (0..6).map(|n| format!("http://h{n}.example:8{n}/x/")).collect();
    let mut rig = Rig::new(&urls.iter().map(String::as_str).collect::<Vec<_>>(), Reach::Global);
    let asked = rig.look();
    assert_eq!((asked.len(), asked[1].1.as_str()), (WEB_SEEDS_ACTIVE, "h1.example:81"));
    assert_eq!(rig.wait(), None);
    let failed = rig.seeds.resolved(asked[0].0, &Err("no such name".into()), NOW, &mut rig.out);
    assert!(failed && rig.wait() == Some(Span::ZERO), "another one's turn has come");
    let (asked, said) = rig.drain();
    assert_eq!((asked.len(), said[0].as_str()), (0, "web seed http://h0.example:80: no such name"));
    assert_eq!(rig.look()[0].1, "h4.example:84");
    assert!(!rig.seeds.resolved(JobId(999), &Err(String::new()), NOW, &mut rig.out));
}

#[test]
fn local_addresses_are_believed_of_whoever_is_there() {
    let local = ["127.0.0.1:80", "10.0.0.1:80", "192.0.2.1:80", "0.0.0.0:80", "93.184.216.34:0"];
    for (named_by, first) in
        [(Reach::Nowhere, "127.0.0.1:80"), (Reach::Private, "10.0.0.1:80"), (Reach::Global, "192.0.2.1:80")]
    {
        let mut rig = Rig::new(&["http://h.example/"], named_by);
        assert_eq!(rig.dial(&local).unwrap().0, first.parse().unwrap());
    }
    let mut rig = Rig::new(&["https://h.example/"], Reach::Global);
    assert!(rig.dial(&["10.0.0.1:443", "[::1]:443"]).is_none());
    assert!(rig.drain().1[0].contains("on a local network"));
    // Nobody's word makes a server nearby do things.
    let mut rig = Rig::new(&["http://h.example/do?it=1"], Reach::Nowhere);
    assert!(rig.dial(&["127.0.0.1:80"]).is_none());
}

#[test]
fn a_redirect_from_outside_never_leads_to_a_local_network() {
    let to = |to: &str| Refusal::Moved { file: 1, to: to.into() };
    let mut rig = Rig::new(&["http://h.example/x/"], Reach::Nowhere);
    let dialled = rig.dial(&["192.0.2.1:80"]).unwrap();
    assert!(rig.end(&dialled, End::Refused(&to("https://inside.example:8443/y/t/b"))).is_empty());
    let asked = rig.look();
    assert_eq!(asked[0].1, "inside.example:8443");
    rig.seeds.resolved(asked[0].0, &Ok(vec!["127.0.0.1:8443".parse().unwrap()]), NOW, &mut rig.out);
    assert!(rig.seeds.next_dial().is_none());
    // Then it begins again where the torrent says, and a server nearby may lead on.
    rig.now += Span::secs(3600);
    let dialled = rig.dial(&["127.0.0.1:80"]).unwrap();
    rig.end(&dialled, End::Refused(&to("https://inside.example:8443/y/t/b")));
    let (address, name, _) = rig.dial(&["127.0.0.1:8443"]).unwrap();
    assert_eq!((address.port(), name.as_deref()), (8443, Some("inside.example")));
}

#[test]
fn redirects_come_to_an_end() {
    let mut rig = Rig::new(&["http://h.example/x/"], Reach::Global);
    for hop in 0..=REDIRECTS {
        let dialled = rig.dial(&["192.0.2.1:80"]).unwrap();
        let said = rig.end(&dialled, End::Refused(&Refusal::Moved { file: 0, to: format!("/{hop}/t/a") }));
        assert_eq!(said.is_empty(), hop < REDIRECTS, "hop {hop}: {said:?}");
    }
    assert_eq!(rig.wait(), Some(RETRY_MAX));
    let mut rig = Rig::new(&["http://h.example/x/"], Reach::Global);
    let dialled = rig.dial(&["192.0.2.1:80"]).unwrap();
    assert!(!rig.end(&dialled, End::Refused(&Refusal::Moved { file: 0, to: "/login".into() })).is_empty());
}

#[test]
fn failures_wait_longer_each_time_and_are_said_once() {
    let mut rig = Rig::new(&["http://h.example/x/"], Reach::Global);
    let mut waits = Vec::new();
    for round in 0..12 {
        let dialled = rig.dial(&["192.0.2.1:80", "192.0.2.2:80"]).unwrap();
        assert_eq!(rig.end(&dialled, End::Failed).len(), usize::from(round == 0), "round {round}");
        assert_eq!(rig.wait(), Some(Span::ZERO), "the other address is tried at once");
        let dialled = rig.dial(&[]).unwrap();
        assert_eq!(dialled.0, "192.0.2.2:80".parse().unwrap());
        rig.end(&dialled, End::Closed);
        let wait = rig.wait().unwrap();
        rig.now += wait;
        waits.push(wait.0 / 1_000_000);
    }
    assert_eq!(waits, [5, 10, 20, 40, 80, 160, 320, 640, 1280, 1800, 1800, 1800]);
    assert!(rig.out.web_hosts.is_empty());
}

#[test]
fn a_busy_server_says_when_to_come_again() {
    let mut rig = Rig::new(&["http://h.example/x/"], Reach::Global);
    for (asked, waited) in [(Some(1), 5), (Some(77), 77), (Some(u64::MAX), 3600), (None, 40)] {
        let dialled = rig.dial(&["192.0.2.1:80"]).unwrap();
        rig.end(&dialled, End::Refused(&Refusal::Busy { status: 503, retry_after_s: asked }));
        assert_eq!(rig.wait(), Some(Span::secs(waited)));
        rig.now += Span::secs(waited);
    }
}

#[test]
fn files_that_are_missing_are_remembered_until_none_is_left() {
    let mut rig = Rig::new(&["http://h.example/x/"], Reach::Global);
    let dialled = rig.dial(&["192.0.2.1:80"]).unwrap();
    assert!(rig.end(&dialled, End::Refused(&Refusal::Missing { file: 1, status: 404 })).is_empty());
    assert_eq!((rig.wait(), rig.seeds.missing(0)), (Some(Span::ZERO), Some(&BTreeSet::from([1]))));
    let dialled = rig.dial(&[]).unwrap();
    let said = rig.end(&dialled, End::Refused(&Refusal::OtherLength { file: 0 }));
    assert_eq!(said.len(), 1, "{said:?}");
    assert_eq!((rig.wait(), rig.seeds.missing(0)), (Some(RETRY_MAX), None));
}

#[test]
fn a_liar_is_not_used_any_more_and_hosts_have_their_places() {
    let urls: Vec<String> = (0..2).map(|n| format!("http://h.example/{n}/")).collect();
    let mut rig = Rig::new(&urls.iter().map(String::as_str).collect::<Vec<_>>(), Reach::Global);
    let liar = rig.dial(&["192.0.2.1:80"]).unwrap();
    rig.seeds.convict(liar.2.seed, &mut rig.out);
    assert!(rig.end(&liar, End::NotNeeded)[0].contains("wrong data"));
    let other = rig.dial(&[]).unwrap();
    assert_ne!(other.2.seed, liar.2.seed);
    rig.end(&other, End::NotNeeded);
    rig.now += Span::secs(60);
    // Other torrents have all the places.
    while rig.out.web_hosts.take("H.example") {}
    assert!(rig.dial(&["192.0.2.1:80"]).is_none());
    assert_eq!(rig.wait(), Some(HOST_WAIT));
}
