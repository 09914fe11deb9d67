//! Where to begin when no node is known: routers by name or address, and the nodes that torrents name.

use std::net::{IpAddr, SocketAddr};

use crate::base::address::{Reach, may_dial, unmapped};
use crate::base::{JobId, Span, Time};
use crate::machine::{Job, Outbox};

/// The public routers, where nobody names others.
pub const ROUTERS: [(&str, u16); 4] = [
    ("router.bittorrent.com", 6881),
    ("dht.transmissionbt.com", 6881),
    ("dht.libtorrent.org", 25401),
    ("router.utorrent.com", 6881),
];

/// Names kept: a person's, and those of torrents.
const ORIGINS_MAX: usize = 64;
/// Addresses believed of a name.
const ADDRESSES_MAX: usize = 8;
/// A look-up is good for this long.
const RESOLVED_AGE: Span = Span::secs(3600);

/// Who named it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Giver {
    /// Built in: thousands ask these, so they are asked once and never kept as nodes.
    Program,
    /// A person: believed whatever its reach.
    Person,
    /// A torrent file from anywhere.
    Torrent,
}

#[derive(Debug)]
struct Origin {
    host: String,
    port: u16,
    giver: Giver,
    addresses: Vec<SocketAddr>,
    asked_at: Option<Time>,
    look_up: Option<JobId>,
}

#[derive(Debug, Default)]
pub struct Origins {
    origins: Vec<Origin>,
}

impl Origins {
    /// A place to begin, by name or address.
    pub fn add(&mut self, host: &str, port: u16, giver: Giver) {
        let is_known = |origin: &Origin| origin.port == port && origin.host == host;
        if port != 0 && self.origins.len() < ORIGINS_MAX && !self.origins.iter().any(is_known) {
            let (host, addresses) = (host.to_owned(), Vec::new());
            self.origins.push(Origin { host, port, giver, addresses, asked_at: None, look_up: None });
        }
    }

    /// Looks up the names that were not, or a while ago.
    pub fn resolve(&mut self, now: Time, out: &mut Outbox) {
        for origin in &mut self.origins {
            let is_fresh = origin.asked_at.is_some_and(|at| now.since(at) < RESOLVED_AGE);
            if is_fresh && !origin.addresses.is_empty() || origin.look_up.is_some() {
                continue;
            }
            origin.asked_at = Some(now);
            if let Ok(ip) = origin.host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
                origin.take(vec![SocketAddr::new(ip, origin.port)]);
            } else {
                let id = out.new_job();
                origin.look_up = Some(id);
                out.job(Job::Resolve { id, host: origin.host.clone(), port: origin.port, for_tls: false });
            }
        }
    }

    /// A look-up ended. True if it was one of these and brought something.
    pub fn resolved(&mut self, id: JobId, result: Result<Vec<SocketAddr>, String>) -> bool {
        let Some(origin) = self.origins.iter_mut().find(|origin| origin.look_up == Some(id)) else { return false };
        origin.look_up = None;
        match result {
            Ok(addresses) => origin.take(addresses),
            Err(why) => log::debug!("dht: {why}"),
        }
        !origin.addresses.is_empty()
    }

    /// Every address known.
    pub fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.origins.iter().flat_map(|origin| &origin.addresses).copied()
    }

    /// Whether this is a router that should not be kept as a node.
    pub fn is_router(&self, address: SocketAddr) -> bool {
        let mut routers = self.origins.iter().filter(|origin| origin.giver == Giver::Program);
        routers.any(|origin| origin.addresses.contains(&address))
    }
}

impl Origin {
    fn take(&mut self, addresses: Vec<SocketAddr>) {
        let reach = if self.giver == Giver::Person { Reach::Loopback } else { Reach::Global };
        let plain = addresses.into_iter().map(|address| SocketAddr::new(unmapped(address.ip()), address.port()));
        self.addresses = plain.filter(|address| may_dial(*address, reach)).take(ADDRESSES_MAX).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Command;

    #[test]
    fn names_are_looked_up_and_only_persons_name_local_addresses() {
        let mut out = Outbox::new(1, 0, 0, 0);
        let mut origins = Origins::default();
        origins.add("router.example", 6881, Giver::Program);
        origins.add("127.0.0.1", 5, Giver::Person);
        origins.add("127.0.0.1", 6, Giver::Torrent);
        origins.add("[2001:db8::1]", 7, Giver::Torrent);
        origins.resolve(Time(1), &mut out);
        origins.resolve(Time(2), &mut out);
        let [Command::Job(Job::Resolve { id, host, port: 6881, .. })] = &out.commands[..] else { panic!() };
        assert_eq!(host, "router.example");
        let text = |origins: &Origins| origins.addresses().map(|a| a.to_string()).collect::<Vec<_>>();
        assert_eq!(text(&origins), ["127.0.0.1:5", "[2001:db8::1]:7"]);
        let addresses = ["8.8.8.8:6881", "192.168.0.1:6881"].map(|a| a.parse().unwrap());
        assert!(origins.resolved(*id, Ok(addresses.into())) && !origins.resolved(*id, Ok(vec![])));
        assert_eq!(text(&origins), ["8.8.8.8:6881", "127.0.0.1:5", "[2001:db8::1]:7"]);
        assert!(origins.is_router(addresses[0]) && !origins.is_router("127.0.0.1:5".parse().unwrap()));
    }
}
