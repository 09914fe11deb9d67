//! Magnet links between us and others, both ways, by each way to peers alone. Every cell has a network, a torrent and
//! processes of its own, so that nobody has heard of anybody before; cells run side by side, for most of the time is
//! waiting until another program looks around again.

use std::time::Instant;

use peerlink::metainfo::parse::parse;
use peerlink::wire::url::percent_encode;

use crate::dht::libtorrent_dht;
use crate::kit::payload::Payload;
use crate::kit::tracker::Tracker;
use crate::network::Network;
use crate::others::{self, skip};
use crate::payloads::Scene;
use crate::ways::{Client, Member, PATIENCE, Way};

/// Who shares and who fetches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Cell {
    from: Client,
    to: Client,
    way: Way,
}

impl Cell {
    fn name(self) -> String {
        let other = |client: Client| format!("{client:?}").to_lowercase();
        match (self.from, self.to) {
            (Client::Us, to) => format!("to {} {}", other(to), self.way.text()),
            (from, _) => format!("from {} {}", other(from), self.way.text()),
        }
    }

    /// Why the other side cannot do it.
    fn unsupported(self) -> Option<&'static str> {
        match (self.to, self.way) {
            (Client::Aria2 | Client::Transmission, Way::Address) => Some("it reads no addresses in links"),
            _ => None,
        }
    }

    fn try_it(self) {
        let network = Network::new(4).expect("it was possible before");
        network.widen();
        let [helper, at_seed, at_middle, at_leech] = &network.hosts[..] else { panic!("four hosts") };
        let name = format!("{:?} to {:?} {:?}.bin", self.from, self.to, self.way);
        let scene = Scene::new(vec![Payload::single(name, 16 << 20, 256 << 10)], None);
        let bytes = std::fs::read(&scene.torrents[0]).expect("the test's own torrent");
        let hash = parse(&bytes).expect("a torrent").info_hash.to_string();
        let mut dht = (self.way == Way::Dht).then(|| {
            let python = others::python().expect("it was there before");
            let (child, nodes) = libtorrent_dht(helper, &python, &[]);
            (child.with_patience(PATIENCE), nodes)
        });
        let nodes = dht.as_ref().map(|(_, nodes)| nodes.clone()).unwrap_or_default();
        let member = |client, host, dir| Member { client, host, way: self.way, nodes: &nodes, dir: scene.path(dir) };
        let seed = member(self.from, at_seed, "source");
        let leech = member(self.to, at_leech, "got");
        let everybody = Tracker::at(helper.listen());
        let tracked = |url: &str| scene.more_torrents("tracked", Some(url)).remove(0);
        let by_tracker = |tracker: &Tracker| format!("&tr={}", percent_encode(tracker.url.as_bytes()));
        let link = |more: &str| format!("magnet:?xt=urn:btih:{hash}{more}");

        let fetch = |link: &str| {
            let start = Instant::now();
            leech.complete(leech.begin(link));
            start.elapsed()
        };
        let took = match self.way {
            Way::Tracker => {
                let _seed = seed.share(&tracked(&everybody.url));
                everybody.wait_for("announce", |_| true);
                fetch(&link(&by_tracker(&everybody)))
            }
            Way::Address => {
                let seed = seed.share(&scene.torrents[0]);
                fetch(&link(&format!("&x.pe={}", seed.address)))
            }
            Way::Dht => {
                let _seed = seed.share(&scene.torrents[0]);
                let (dht, _) = dht.as_mut().expect("it was made for this");
                dht.tell(&format!("find {hash}\n"));
                dht.expect("announcement", |line| line.starts_with(&format!("found {hash} ")).then_some(()));
                fetch(&link(""))
            }
            Way::Pex => {
                let seed = seed.share(&scene.torrents[0]);
                let at_seed = Tracker::naming(helper.listen(), seed.address);
                let middle = member(self.from, at_middle, "middle").know(&tracked(&at_seed.url), seed.address);
                let at_middle = Tracker::naming(helper.listen(), middle.address);
                fetch(&link(&by_tracker(&at_middle)))
            }
            Way::Lsd if self.from == Client::Aria2 => {
                // It dials nobody when it has everything.
                let waiting = leech.begin(&link(""));
                let start = Instant::now();
                let _seed = seed.share(&scene.torrents[0]);
                leech.complete(waiting);
                start.elapsed()
            }
            Way::Lsd => {
                let _seed = seed.share(&scene.torrents[0]);
                fetch(&link(""))
            }
        };
        println!("magnet {}: {:.2} s", self.name(), took.as_secs_f64());
        scene.payloads[0].check_files(&leech.dir);
    }
}

/// All cells between us and another; those whose names have in them what `PEERLINK_CELL` says.
fn cells_with(other: Client, test: &str) {
    let is_here = Member::is_here(other).and_then(|()| Member::is_here(Client::Libtorrent));
    if let Err(why) = is_here.and_then(|()| Network::new(1).map(drop)) {
        return skip(test, &why);
    }
    let only = std::env::var("PEERLINK_CELL").unwrap_or_default();
    let cells = Way::ALL
        .into_iter()
        .flat_map(|way| [(other, Client::Us), (Client::Us, other)].map(|(from, to)| Cell { from, to, way }));
    let cells = cells.filter(|cell| cell.name().contains(&only));
    std::thread::scope(|scope| {
        let mut running = Vec::new();
        for cell in cells {
            match cell.unsupported() {
                Some(why) => skip(&format!("magnets {}", cell.name()), why),
                None => running.push((cell, scope.spawn(move || cell.try_it()))),
            }
        }
        let failed = running.into_iter().filter_map(|(cell, thread)| thread.join().err().map(|_| cell.name()));
        let failed: Vec<String> = failed.collect();
        assert!(failed.is_empty(), "{failed:?}");
    });
}

#[test]
fn links_from_and_to_libtorrent() {
    cells_with(Client::Libtorrent, "links_from_and_to_libtorrent");
}

#[test]
fn links_from_and_to_aria2() {
    cells_with(Client::Aria2, "links_from_and_to_aria2");
}

#[test]
fn links_from_and_to_transmission() {
    cells_with(Client::Transmission, "links_from_and_to_transmission");
}
