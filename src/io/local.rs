//! The sockets of local discovery (BEP 14): one per address family, bound to the multicast group, so that nothing else
//! is heard on them, and joined on every interface that multicasts or, with `--bind`, has one of those addresses.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use mio::net::UdpSocket;
use mio::{Interest, Registry, Token};
use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;
use socket2::{Protocol, SockRef, Type};

use super::listen::open_socket;
use super::way_out::WayOut;
use crate::wire::lsd::group;

/// Interfaces joined; a machine with more of them is a router's.
const INTERFACES_MAX: usize = 32;

/// An address of this machine by which the local network is reached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Way {
    V4(Ipv4Addr),
    /// The interface's number.
    V6(u32),
}

/// Sockets for v4 and v6, whichever there are.
#[derive(Debug)]
pub struct Local {
    bind: Vec<IpAddr>,
    way: WayOut,
    pub sockets: Vec<UdpSocket>,
    joined: Vec<Way>,
}

impl Local {
    /// Opens what can be had; a machine without it goes on without.
    pub fn open(bind: &[IpAddr], way: &WayOut) -> Local {
        let mut local = Local { bind: bind.to_vec(), way: way.clone(), sockets: Vec::new(), joined: Vec::new() };
        for is_v4 in [true, false] {
            match open_one(group(is_v4), way) {
                Ok(socket) => local.sockets.push(socket),
                Err(error) => log::debug!("no local discovery at {}: {error}", group(is_v4)),
            }
        }
        local.join();
        local
    }

    /// Watches the sockets by tokens from `from` on; how many they are.
    pub fn watch(&mut self, registry: &Registry, from: usize) -> usize {
        for (at, socket) in self.sockets.iter_mut().enumerate() {
            if let Err(error) = registry.register(socket, Token(from + at), Interest::READABLE) {
                log::debug!("local discovery is not heard: {error}");
            }
        }
        self.sockets.len()
    }

    fn socket(&self, is_v4: bool) -> Option<&UdpSocket> {
        self.sockets.iter().find(|socket| socket.local_addr().is_ok_and(|local| local.is_ipv4() == is_v4))
    }

    /// Joins on interfaces that are new.
    fn join(&mut self) {
        let ways = self.ways();
        self.joined.retain(|way| ways.contains(way));
        for way in ways {
            if self.joined.contains(&way) {
                continue;
            }
            let result = match (way, group(matches!(way, Way::V4(_))).ip()) {
                (Way::V4(at), IpAddr::V4(group)) => {
                    self.socket(true).map(|socket| SockRef::from(socket).join_multicast_v4(&group, &at))
                }
                (Way::V6(index), IpAddr::V6(group)) => {
                    self.socket(false).map(|socket| SockRef::from(socket).join_multicast_v6(&group, index))
                }
                _ => None,
            };
            match result {
                // It came back with another address: the kernel knows it still.
                Some(Err(error)) if error.kind() != io::ErrorKind::AddrInUse => {
                    log::debug!("local discovery cannot use {way:?}: {error}");
                }
                None => {}
                Some(_) => self.joined.push(way),
            }
        }
    }

    /// The interfaces to use as they are now.
    fn ways(&self) -> Vec<Way> {
        let mut ways = Vec::new();
        let interfaces = match getifaddrs() {
            Ok(interfaces) => interfaces,
            Err(error) => {
                log::debug!("local discovery: no list of interfaces: {error}");
                return ways;
            }
        };
        for interface in interfaces.filter(|interface| interface.flags.contains(InterfaceFlags::IFF_UP)) {
            let Some(address) = interface.address else { continue };
            let v4 = address.as_sockaddr_in().map(|v4| v4.ip());
            let v6 = address.as_sockaddr_in6().map(|v6| v6.ip());
            if self.way.device.as_ref().is_some_and(|device| *device != interface.interface_name) {
                continue;
            }
            let is_chosen = |ip: IpAddr| match self.bind.is_empty() || self.bind.iter().any(IpAddr::is_unspecified) {
                true => interface.flags.contains(InterfaceFlags::IFF_MULTICAST) && !ip.is_loopback(),
                false => self.bind.contains(&ip),
            };
            let way = match (v4, v6) {
                (Some(v4), _) if is_chosen(v4.into()) => Way::V4(v4),
                (_, Some(v6)) if is_chosen(v6.into()) => match interface_index(&interface.interface_name) {
                    Some(index) => Way::V6(index),
                    None => continue,
                },
                _ => continue,
            };
            if !ways.contains(&way) && ways.len() < INTERFACES_MAX {
                ways.push(way);
            }
        }
        ways
    }

    /// Sends to the group on every interface. What does not leave is said again in five minutes.
    pub fn send(&mut self, v4: &[u8], v6: &[u8]) {
        self.join();
        for way in &self.joined {
            let is_v4 = matches!(way, Way::V4(_));
            let Some(socket) = self.socket(is_v4) else { continue };
            let sock = SockRef::from(socket);
            let chosen = match way {
                Way::V4(at) => sock.set_multicast_if_v4(at),
                Way::V6(index) => sock.set_multicast_if_v6(*index),
            };
            let sent = chosen.and_then(|()| socket.send_to(if is_v4 { v4 } else { v6 }, group(is_v4)));
            if let Err(error) = sent {
                log::debug!("local discovery by {way:?}: {error}");
            }
        }
    }
}

fn open_one(group: SocketAddr, way: &WayOut) -> io::Result<UdpSocket> {
    let socket = open_socket(group, Type::DGRAM, Protocol::UDP)?;
    way.hold(&socket)?;
    // Every program of this machine that takes part has a socket there.
    socket.set_reuse_address(true)?;
    socket.bind(&group.into())?;
    Ok(UdpSocket::from_std(socket.into()))
}

fn interface_index(name: &str) -> Option<u32> {
    nix::net::if_::if_nametoindex(name).ok().filter(|index| *index != 0)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use super::*;

    #[test]
    fn what_is_sent_on_loopback_is_heard_there() {
        let mut first = Local::open(&[Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()], &WayOut::default());
        let second = Local::open(&[Ipv4Addr::LOCALHOST.into()], &WayOut::default());
        if first.joined.is_empty() {
            return println!("SKIPPED: local discovery: no multicast on loopback here");
        }
        first.send(b"four", b"six");
        let mut poll = mio::Poll::new().expect("a poll");
        let mut events = mio::Events::with_capacity(4);
        let mut buffer = [0; 100];
        let mut sockets = second.sockets;
        for (at, socket) in sockets.iter_mut().enumerate() {
            poll.registry().register(socket, mio::Token(at), mio::Interest::READABLE).expect("it is watched");
        }
        poll.poll(&mut events, Some(std::time::Duration::from_secs(10))).expect("a poll");
        let heard = sockets.iter().find_map(|socket| socket.recv_from(&mut buffer).ok());
        let (len, from) = heard.expect("it is heard");
        assert_eq!((&buffer[..len], from.ip()), (&b"four"[..], Ipv4Addr::LOCALHOST.into()));
    }
}
