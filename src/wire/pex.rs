//! Peer exchange (BEP 11): who came and who went since the last message, in compact form.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::bencode::{self, Value, Writer};
use crate::base::address::{Reach, reach, unmapped};

/// Addresses of one message that came, and the same of those that went (BEP 11). What is above is not looked at.
pub const ADDRESSES_MAX: usize = 50;

/// What is told of a peer (`added.f`).
pub mod flag {
    /// It would rather be dialled encrypted.
    pub const ENCRYPTION: u8 = 0x01;
    /// It has everything, or only uploads.
    pub const SEED: u8 = 0x02;
    /// It can be reached: whoever tells it has dialled it.
    pub const REACHABLE: u8 = 0x10;
}

/// A message.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Pex {
    /// Who came, with flags.
    pub added: Vec<(SocketAddr, u8)>,
    pub dropped: Vec<SocketAddr>,
}

impl Pex {
    /// None when it is no dictionary. Lists of a wrong length and addresses that nobody can dial are left out.
    pub fn from_bytes(body: &[u8]) -> Option<Pex> {
        let (root, _) = bencode::parse_prefix(body).ok().filter(|(root, _)| root.is_dict())?;
        let bytes = |key: &str| root.get(key).and_then(Value::as_bytes).unwrap_or_default();
        let mut pex = Pex::default();
        for (key, flags, len) in [("added", "added.f", 6), ("added6", "added6.f", 18)] {
            let flags = bytes(flags);
            let flag = |index: usize| flags.get(index).copied().unwrap_or(0);
            let room = ADDRESSES_MAX - pex.added.len();
            pex.added.extend(addresses(bytes(key), len, room).map(|(index, address)| (address, flag(index))));
        }
        for (key, len) in [("dropped", 6), ("dropped6", 18)] {
            let room = ADDRESSES_MAX - pex.dropped.len();
            pex.dropped.extend(addresses(bytes(key), len, room).map(|(_, address)| address));
        }
        Some(pex)
    }

    /// The body of the extended message.
    pub fn to_bytes(&self) -> Vec<u8> {
        let compact = |is_v4: bool, list: &mut dyn Iterator<Item = SocketAddr>| -> Vec<u8> {
            list.filter(|address| address.is_ipv4() == is_v4).flat_map(written).collect()
        };
        let flags = |is_v4: bool| -> Vec<u8> {
            self.added.iter().filter(|(address, _)| address.is_ipv4() == is_v4).map(|(_, flags)| *flags).collect()
        };
        let added = || self.added.iter().map(|(address, _)| *address);
        Writer::dict_bytes(|d| {
            d.bytes("added", compact(true, &mut added()));
            d.bytes("added.f", flags(true));
            d.bytes("added6", compact(false, &mut added()));
            d.bytes("added6.f", flags(false));
            d.bytes("dropped", compact(true, &mut self.dropped.iter().copied()));
            d.bytes("dropped6", compact(false, &mut self.dropped.iter().copied()));
        })
    }
}

/// Compact addresses with their place in the list; none where the list's length is wrong.
fn addresses(bytes: &[u8], len: usize, max: usize) -> impl Iterator<Item = (usize, SocketAddr)> {
    let bytes = if bytes.len().is_multiple_of(len) { bytes } else { &[] };
    let read = bytes.chunks_exact(len).take(max).enumerate();
    read.filter_map(|(index, bytes)| read_one(bytes).map(|address| (index, address)))
}

fn read_one(bytes: &[u8]) -> Option<SocketAddr> {
    let (ip, port) = bytes.split_last_chunk::<2>()?;
    let ip = match ip.len() {
        4 => IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(ip).ok()?)),
        _ => unmapped(IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(ip).ok()?))),
    };
    let address = SocketAddr::new(ip, u16::from_be_bytes(*port));
    (address.port() != 0 && reach(ip) != Reach::Nowhere).then_some(address)
}

fn written(address: SocketAddr) -> Vec<u8> {
    let mut bytes = match address.ip() {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    };
    bytes.extend_from_slice(&address.port().to_be_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_message_reads_back() {
        let pex = Pex {
            added: vec![(at("1.2.3.4:5"), flag::SEED), (at("10.0.0.1:6881"), 0), (at("[2001:db8::1]:7"), 0x10)],
            dropped: vec![at("9.9.9.9:9"), at("[::1]:1")],
        };
        assert_eq!(Pex::from_bytes(&pex.to_bytes()), Some(pex));
        assert_eq!(Pex::from_bytes(&Pex::default().to_bytes()), Some(Pex::default()));
    }

    #[test]
    fn what_cannot_be_dialled_is_left_out() {
        let mut many = Vec::new();
        (0..200_u8).for_each(|n| many.extend_from_slice(&[8, 8, 8, n, 1, 1]));
        let body = Writer::dict_bytes(|d| {
            d.bytes("added", &many);
            d.bytes("added.f", [1]);
            d.bytes("added6", [0; 18]);
            d.bytes("dropped", &many[1..]);
        });
        let pex = Pex::from_bytes(&body).unwrap();
        assert_eq!((pex.added.len(), pex.dropped.len()), (ADDRESSES_MAX, 0));
        assert_eq!(pex.added[..2], [(at("8.8.8.0:257"), 1), (at("8.8.8.1:257"), 0)]);
        let odd = b"d5:added12:\x00\x00\x00\x00\x00\x00\xff\xff\xff\xff\x1a\xe17:added.f2:\x01\x02e";
        assert_eq!(Pex::from_bytes(odd), Some(Pex::default()));
        assert_eq!(Pex::from_bytes(b"le"), None);
        assert_eq!(Pex::from_bytes(b"\0"), None);
        assert_eq!(Pex::from_bytes(b"d5:addedi1e7:droppedlee"), Some(Pex::default()));
    }
}
