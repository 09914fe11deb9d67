//! The table between runs: our id and address, and nodes that answered, as one bencoded dictionary.

use std::net::IpAddr;

use crate::base::NodeId;
use crate::wire::bencode::{self, Limits, Value, Writer};
use crate::wire::dht::{Contact, contact, put_contact};

/// A longer file is none of ours.
pub const LEN_MAX: usize = 64 * 1024;
/// Nodes kept of one family.
const NODES_MAX: usize = 200;

/// What one family knew.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Saved {
    pub id: Option<NodeId>,
    /// Our address as others saw it.
    pub ip: Option<IpAddr>,
    pub nodes: Vec<Contact>,
}

/// Keys of one family: id, ip, nodes.
const KEYS: [[&str; 3]; 2] = [["id", "ip", "nodes"], ["id6", "ip6", "nodes6"]];

/// The file: v4 first.
pub fn encode(families: &[Saved; 2]) -> Vec<u8> {
    Writer::dict_bytes(|d| {
        for part in 0..3 {
            for (saved, keys) in families.iter().zip(KEYS) {
                let bytes = match part {
                    0 => saved.id.map(|id| id.0.to_vec()),
                    1 => saved.ip.map(|ip| ip.to_string().into_bytes()),
                    _ => Some(compact(&saved.nodes)),
                };
                if let Some(bytes) = bytes {
                    d.bytes(keys[part], bytes);
                }
            }
        }
    })
}

fn compact(nodes: &[Contact]) -> Vec<u8> {
    let mut bytes = Vec::new();
    nodes.iter().take(NODES_MAX).for_each(|node| put_contact(&mut bytes, node));
    bytes
}

/// Reads the file as far as it makes sense.
pub fn decode(bytes: &[u8]) -> [Saved; 2] {
    let root = bencode::parse_with(bytes.get(..LEN_MAX).unwrap_or(bytes), Limits { depth: 4, tokens: 100 });
    let root = root.ok();
    let read = |family: usize, node_len: usize| {
        let value = |part: usize| root.and_then(|root| root.get(KEYS[family][part])).and_then(Value::as_bytes);
        let id = value(0).and_then(|id| id.try_into().ok()).map(NodeId);
        let ip: Option<IpAddr> = value(1).and_then(|ip| std::str::from_utf8(ip).ok()?.parse().ok());
        let nodes = value(2).unwrap_or_default().chunks_exact(node_len).take(NODES_MAX).filter_map(contact);
        Saved { id, ip: ip.filter(|ip| ip.is_ipv6() == (family == 1)), nodes: nodes.collect() }
    };
    [read(0, 26), read(1, 38)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_saved_is_read_and_damage_means_nothing() {
        let node = |at: &str| Contact { id: NodeId([3; 20]), address: at.parse().unwrap() };
        let v4 = Saved { id: Some(NodeId([1; 20])), ip: "8.8.8.8".parse().ok(), nodes: vec![node("1.2.3.4:5"); 3] };
        let v6 = Saved { id: Some(NodeId([2; 20])), ip: None, nodes: vec![node("[2001:db8::1]:5")] };
        let families = [v4, v6];
        let bytes = encode(&families);
        assert!(bencode::parse(&bytes).unwrap().is_sorted());
        assert_eq!(decode(&bytes), families);
        for len in 0..bytes.len() {
            assert_eq!(decode(&bytes[..len]), <[Saved; 2]>::default());
        }
        let many = Saved { nodes: vec![node("1.2.3.4:5"); 1000], ..Saved::default() };
        let bytes = encode(&[many.clone(), many]);
        assert!(bytes.len() < LEN_MAX);
        assert_eq!(decode(&bytes)[0].nodes.len(), NODES_MAX);
        assert_eq!(decode(b"d2:id3:abc2:ip9:127.0.0.x5:nodesi1ee"), <[Saved; 2]>::default());
    }
}
