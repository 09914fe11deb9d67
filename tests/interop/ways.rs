//! Ways to peers, each by itself, for each client: who shares, who fetches a link, and who only tells of the one who
//! shares.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::daemons::{self, Daemon};
use crate::kit::child::Child;
use crate::kit::peerlink::{self, Event};
use crate::network::Host;
use crate::others::{self, Other, Ways};

/// Longest that a link may take: others look around once a minute, or less often.
pub const PATIENCE: Duration = Duration::from_secs(240);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    Tracker,
    /// `x.pe` of the link.
    Address,
    Dht,
    Pex,
    Lsd,
}

impl Way {
    pub const ALL: [Way; 5] = [Way::Tracker, Way::Address, Way::Dht, Way::Pex, Way::Lsd];

    /// In a sentence.
    pub fn text(self) -> &'static str {
        match self {
            Way::Tracker => "by tracker",
            Way::Address => "by address",
            Way::Dht => "by the dht",
            Way::Pex => "by peers of peers",
            Way::Lsd => "on the local network",
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Client {
    Us,
    Libtorrent,
    Aria2,
    Transmission,
}

/// A client in a cell.
pub struct Member<'a> {
    pub client: Client,
    pub host: &'a Host,
    pub way: Way,
    /// Where the DHT begins.
    pub nodes: &'a [SocketAddr],
    /// Its folder.
    pub dir: PathBuf,
}

impl Member<'_> {
    fn ways(&self) -> Ways<'_> {
        let dht = (self.way == Way::Dht).then_some(self.nodes);
        Ways { lsd: self.way == Way::Lsd, pex: self.way == Way::Pex, dht, down: None, talk: None }
    }

    fn us(&self, words: &[&str]) -> Command {
        let mut command = peerlink::command_at(&self.host.ip.to_string(), words, &self.dir.with_extension("state"));
        let ways = self.ways();
        command.env("PEERLINK_NO_LSD", (!ways.lsd).to_string()).env("PEERLINK_NO_PEX", (!ways.pex).to_string());
        command.env("PEERLINK_NO_DHT", ways.dht.is_none().to_string());
        let nodes = ways.dht.unwrap_or_default().iter().take(2);
        command.args(nodes.flat_map(|node| ["--dht-bootstrap".to_string(), node.to_string()]));
        command.arg("--dir").arg(&self.dir);
        command
    }

    fn start_us(&self, command: Command) -> Other {
        let mut child = Child::start("peerlink", self.host.enter(command)).with_patience(PATIENCE);
        let port = child.expect("port", |line| Event::of(line, "listening").map(|event| event.number("port")));
        Other { child, address: SocketAddr::new(self.host.ip, port as u16) }
    }

    /// Shares what is in its folder.
    pub fn share(&self, torrent: &Path) -> Other {
        let torrents = [torrent.to_path_buf()];
        match self.client {
            Client::Us => {
                let mut command = self.us(&["seed"]);
                command.arg(torrent);
                let mut us = self.start_us(command);
                us.child.expect("shared torrent", |line| Event::of(line, "complete").map(drop));
                us
            }
            Client::Libtorrent => {
                let python = others::python().expect("it was there before");
                others::libtorrent_seed_with(self.host, &python, &torrents, &self.dir, 0, self.ways())
            }
            Client::Aria2 => {
                let mut aria2 =
                    others::aria2_with(self.host, &torrents, &self.dir, self.ways(), &["--check-integrity=true"]);
                let is_checked = |line: &str| line.contains("Verification finished successfully").then_some(());
                if aria2.child.seen().iter().all(|line| is_checked(line).is_none()) {
                    aria2.child.expect("check", is_checked);
                }
                aria2
            }
            Client::Transmission => {
                let mut other = daemons::transmission_with(self.host, &torrents, &self.dir, self.ways());
                other.child.expect("check", |line| line.contains("Verification is done.").then_some(()));
                other
            }
        }
    }

    /// Fetches the torrent so slowly that it never has much, and is there to tell of whom it knows: `seed`, by its
    /// tracker.
    pub fn know(&self, torrent: &Path, seed: SocketAddr) -> Other {
        let torrents = [torrent.to_path_buf()];
        let other = match self.client {
            Client::Us => {
                let mut command = self.us(&["get", "--down-limit", "16K"]);
                command.arg(torrent);
                self.start_us(command)
            }
            Client::Libtorrent => {
                let python = others::python().expect("it was there before");
                let ways = Ways { down: Some(16_000), ..self.ways() };
                others::libtorrent_leech_with(self.host, &python, &torrents, &self.dir, None, ways)
            }
            Client::Aria2 => {
                others::aria2_with(self.host, &torrents, &self.dir, self.ways(), &["--max-download-limit=16K"])
            }
            Client::Transmission => {
                let ways = Ways { down: Some(16_000), ..self.ways() };
                daemons::transmission_with(self.host, &torrents, &self.dir, ways)
            }
        };
        self.host.wait_for_connection(seed);
        other
    }

    /// Begins to fetch a link.
    pub fn begin(&self, link: &str) -> Other {
        match self.client {
            Client::Us => self.start_us(self.us(&["get", link])),
            Client::Libtorrent => {
                let python = others::python().expect("it was there before");
                others::libtorrent_leech_with(self.host, &python, &[link], &self.dir, None, self.ways())
            }
            Client::Aria2 => others::aria2_with(self.host, &[link], &self.dir, self.ways(), &["--seed-time=0"]),
            Client::Transmission => {
                let other = daemons::transmission_with(self.host, &[], &self.dir, self.ways());
                daemons::transmission_add(self.host, link);
                other
            }
        }
    }

    /// Waits until it is complete, and ends it.
    pub fn complete(&self, mut other: Other) {
        other.child = other.child.with_patience(PATIENCE);
        match self.client {
            Client::Us | Client::Aria2 => drop(other.child.succeed()),
            Client::Libtorrent => {
                other.child.expect("completion", |line| (line == "complete").then_some(()));
                others::libtorrent_end(other);
            }
            Client::Transmission => Daemon::Transmission.complete(&mut other),
        }
    }

    /// Whether it is installed.
    pub fn is_here(client: Client) -> Result<(), String> {
        match client {
            Client::Us => Ok(()),
            Client::Libtorrent => others::python().map(drop),
            Client::Aria2 => others::aria2(),
            Client::Transmission => Daemon::Transmission.is_here(),
        }
    }
}
