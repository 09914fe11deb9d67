//! Peers by way of the server: it is told in which swarms we are, and names others there, at once and when they come.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::Member;
use crate::base::InfoHash;
use crate::base::address::{Reach, reach};
use crate::machine::{Note, Outbox, Source};

/// Swarms that one line names: a line has 512 bytes and 15 parameters.
const PER_LINE: usize = 7;
/// Swarms that a server is told of; ours takes no more of one member.
const SWARMS_MAX: usize = 2_000;
/// Peers believed of one line.
const PEERS_PER_LINE: usize = 64;

/// The swarms we are in, and where others reach us.
#[derive(Debug, Default)]
pub struct Discovery {
    port: u16,
    /// By info hash: whether we are a seed.
    swarms: BTreeMap<InfoHash, bool>,
}

impl Member {
    /// Whether the server is this host and port, as in a URL.
    pub fn is_server(&self, host: &str, port: u16) -> bool {
        let plain = |host: &str| host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        port == self.options.port && plain(host) == plain(&self.options.host)
    }

    /// Peers reach us at this port.
    pub(super) fn listening(&mut self, port: u16) {
        self.discovery.port = port;
    }

    /// We are in a swarm, as a seed or not, or are no more.
    pub(super) fn swarming(&mut self, info_hash: InfoHash, is_seed: Option<bool>, out: &mut Outbox) {
        let swarms = &mut self.discovery.swarms;
        match is_seed {
            Some(is_seed) if swarms.len() < SWARMS_MAX || swarms.contains_key(&info_hash) => {
                if swarms.insert(info_hash, is_seed) != Some(is_seed) && self.has_discovery() {
                    self.join_swarms(&[(info_hash, is_seed)], out);
                }
            }
            Some(_) => log::debug!("the server is not told of {info_hash}: too many swarms"),
            None => {
                if swarms.remove(&info_hash).is_some() && self.has_discovery() {
                    self.send(out, |line| line.command("PEERLINK").param("LEAVE").param(&info_hash.to_string()));
                }
            }
        }
    }

    /// We are registered: the server knows nothing of us yet.
    pub(super) fn tell_swarms(&mut self, out: &mut Outbox) {
        if !self.has_discovery() || self.discovery.port == 0 {
            return;
        }
        let port = self.discovery.port.to_string();
        self.send(out, |line| line.command("PEERLINK").param("PORT").param(&port));
        let swarms: Vec<(InfoHash, bool)> = self.discovery.swarms.iter().map(|(hash, is)| (*hash, *is)).collect();
        swarms.chunks(PER_LINE).for_each(|some| self.join_swarms(some, out));
    }

    fn join_swarms(&self, swarms: &[(InfoHash, bool)], out: &mut Outbox) {
        self.send(out, |line| {
            swarms.iter().fold(line.command("PEERLINK").param("SWARM"), |line, (info_hash, is_seed)| {
                // How much is left is nobody's business.
                line.param(&info_hash.to_string()).param(if *is_seed { "0" } else { "1" })
            })
        });
    }

    /// `PEERLINK PEERS <info hash> :<addresses>`.
    pub(super) fn on_peers(&mut self, info_hash: &str, list: &str, out: &mut Outbox) {
        let Some(info_hash) = InfoHash::from_hex(info_hash) else { return };
        if !self.discovery.swarms.contains_key(&info_hash) {
            return;
        }
        let addresses = list.split_ascii_whitespace().filter_map(|text| text.parse::<SocketAddr>().ok());
        let peers: Vec<SocketAddr> = addresses.take(PEERS_PER_LINE).collect();
        if !peers.is_empty() {
            let reach = self.link.address().map_or(Reach::Global, |server| reach(server.ip()));
            out.tell(Note::Peers { info_hash, source: Source::Server, reach, peers });
        }
    }

    pub(super) fn check_swarms(&self) {
        assert!(self.discovery.swarms.len() <= SWARMS_MAX);
    }
}
