//! Datagrams to values.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{
    Asked, Body, Contact, NODES_MAX, PACKET_LEN, Packet, Query, Reply, TOKEN_LEN, TRANSACTION_LEN, VALUES_MAX, Want,
    code,
};
use crate::base::{InfoHash, NodeId};
use crate::wire::bencode::{self, Limits, Value};

/// What a datagram may be made of: the deepest is a list in the dictionary in the dictionary.
const LIMITS: Limits = Limits { depth: 8, tokens: 400 };

/// Why nothing is made of a datagram.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refused<'a> {
    /// Not worth an answer: no bencode, no transaction, a reply without an id.
    Drop,
    /// A question with a fault: the sender may be told.
    Tell { transaction: &'a [u8], code: i64, text: &'static str },
}

/// Reads one datagram.
///
/// # Errors
/// Whether, and with what, the sender is to be answered.
pub fn parse(bytes: &[u8]) -> Result<Packet<'_>, Refused<'_>> {
    if bytes.len() > PACKET_LEN {
        return Err(Refused::Drop);
    }
    // Some clients pad their datagrams.
    let (root, _) = bencode::parse_prefix_with(bytes, LIMITS).map_err(|_| Refused::Drop)?;
    let mut keys = Keys::default();
    for (key, value) in root.entries() {
        keys.take(key, value);
    }
    let transaction = keys.transaction.and_then(Value::as_bytes).filter(|id| id.len() <= TRANSACTION_LEN);
    let transaction = transaction.ok_or(Refused::Drop)?;
    let body = match keys.kind.and_then(Value::as_bytes) {
        Some(b"q") => {
            let query = read_query(&keys).map_err(|(code, text)| Refused::Tell { transaction, code, text })?;
            Body::Query(query)
        }
        Some(b"r") => Body::Reply(keys.reply.and_then(read_reply).ok_or(Refused::Drop)?),
        Some(b"e") => read_error(keys.error),
        _ => return Err(Refused::Drop),
    };
    let version = keys.version.and_then(Value::as_bytes);
    Ok(Packet { transaction, version, ip: keys.ip.and_then(Value::as_bytes).and_then(address), body })
}

/// The outer dictionary, walked once.
#[derive(Default)]
struct Keys<'a> {
    arguments: Option<Value<'a>>,
    error: Option<Value<'a>>,
    ip: Option<Value<'a>>,
    method: Option<Value<'a>>,
    reply: Option<Value<'a>>,
    read_only: Option<Value<'a>>,
    transaction: Option<Value<'a>>,
    version: Option<Value<'a>>,
    kind: Option<Value<'a>>,
}

impl<'a> Keys<'a> {
    /// The first of equal keys wins.
    fn take(&mut self, key: &[u8], value: Value<'a>) {
        let slot = match key {
            b"a" => &mut self.arguments,
            b"e" => &mut self.error,
            b"ip" => &mut self.ip,
            b"q" => &mut self.method,
            b"r" => &mut self.reply,
            b"ro" => &mut self.read_only,
            b"t" => &mut self.transaction,
            b"v" => &mut self.version,
            b"y" => &mut self.kind,
            _ => return,
        };
        slot.get_or_insert(value);
    }
}

type Fault = (i64, &'static str);

fn read_query<'a>(keys: &Keys<'a>) -> Result<Query<'a>, Fault> {
    let missing = |text| (code::PROTOCOL, text);
    let method = keys.method.and_then(Value::as_bytes).ok_or(missing("missing 'q' key"))?;
    let arguments = keys.arguments.filter(|value| value.is_dict()).ok_or(missing("missing 'a' key"))?;
    let mut named = Arguments::default();
    for (key, value) in arguments.entries() {
        named.take(key, value);
    }
    let id = named.id.and_then(id_of).ok_or(missing("missing 'id' key"))?;
    let hash = || named.info_hash.and_then(id_of).map(|id| InfoHash(id.0)).ok_or(missing("missing 'info_hash' key"));
    let asked = match method {
        b"ping" => Asked::Ping,
        b"find_node" => {
            Asked::FindNode { target: named.target.and_then(id_of).ok_or(missing("missing 'target' key"))? }
        }
        b"get_peers" => Asked::GetPeers { info_hash: hash()? },
        b"announce_peer" => Asked::AnnouncePeer {
            info_hash: hash()?,
            port: named.announced_port()?,
            token: named.token().ok_or(missing("missing 'token' key"))?,
        },
        // What later BEPs ask about a key is answered with the nodes near it, so that who asks gets on.
        _ => match named.target.or(named.info_hash).and_then(id_of) {
            Some(target) => Asked::FindNode { target },
            None => return Err((code::METHOD_UNKNOWN, "method unknown")),
        },
    };
    let read_only = keys.read_only.and_then(Value::as_int) == Some(1);
    Ok(Query { id, read_only, want: named.want.map(want), asked })
}

/// A question's arguments, walked once.
#[derive(Default)]
struct Arguments<'a> {
    id: Option<Value<'a>>,
    implied_port: Option<Value<'a>>,
    info_hash: Option<Value<'a>>,
    port: Option<Value<'a>>,
    target: Option<Value<'a>>,
    token: Option<Value<'a>>,
    want: Option<Value<'a>>,
}

impl<'a> Arguments<'a> {
    fn take(&mut self, key: &[u8], value: Value<'a>) {
        let slot = match key {
            b"id" => &mut self.id,
            b"implied_port" => &mut self.implied_port,
            b"info_hash" => &mut self.info_hash,
            b"port" => &mut self.port,
            b"target" => &mut self.target,
            b"token" => &mut self.token,
            b"want" => &mut self.want,
            _ => return,
        };
        slot.get_or_insert(value);
    }

    fn token(&self) -> Option<&'a [u8]> {
        self.token.and_then(Value::as_bytes).filter(|token| token.len() <= TOKEN_LEN)
    }

    /// None where the datagram's own port is meant.
    fn announced_port(&self) -> Result<Option<u16>, Fault> {
        if self.implied_port.and_then(Value::as_int).is_some_and(|implied| implied != 0) {
            return Ok(None);
        }
        let port = self.port.and_then(Value::as_int).ok_or((code::PROTOCOL, "missing 'port' key"))?;
        let port = u16::try_from(port).ok().filter(|port| *port != 0);
        port.map(Some).ok_or((code::PROTOCOL, "invalid port"))
    }
}

fn want(list: Value<'_>) -> Want {
    let has = |name: &[u8]| list.items().any(|item| item.as_bytes() == Some(name));
    Want { v4: has(b"n4"), v6: has(b"n6") }
}

fn read_reply(values: Value<'_>) -> Option<Reply<'_>> {
    let (mut id, mut token, mut nodes, mut nodes6, mut peers) = (None, None, None, None, None);
    for (key, value) in values.entries() {
        match key {
            b"id" => id = id.or(id_of(value)),
            b"token" => token = token.or(value.as_bytes()),
            b"nodes" => nodes = nodes.or(value.as_bytes()),
            b"nodes6" => nodes6 = nodes6.or(value.as_bytes()),
            b"values" => peers = peers.or(Some(value)),
            _ => {}
        }
    }
    let token = token.filter(|token| token.len() <= TOKEN_LEN);
    Some(Reply { id: id?, token, nodes: nodes.unwrap_or(&[]), nodes6: nodes6.unwrap_or(&[]), values: peers })
}

fn read_error(error: Option<Value<'_>>) -> Body<'_> {
    let mut items = error.into_iter().flat_map(Value::items);
    let code = items.next().and_then(Value::as_int).unwrap_or(code::GENERIC);
    Body::Error { code, text: items.next().and_then(Value::as_bytes).unwrap_or(&[]) }
}

fn id_of(value: Value<'_>) -> Option<NodeId> {
    value.as_bytes()?.try_into().ok().map(NodeId)
}

impl<'a> Reply<'a> {
    /// Nodes of the v4 DHT; what is cut off at the end is left out.
    pub fn nodes(&self) -> impl Iterator<Item = Contact> + use<'a> {
        self.nodes.chunks_exact(26).take(NODES_MAX).filter_map(contact)
    }

    /// Nodes of the v6 DHT.
    pub fn nodes6(&self) -> impl Iterator<Item = Contact> + use<'a> {
        self.nodes6.chunks_exact(38).take(NODES_MAX).filter_map(contact)
    }

    /// Peers, without those that have no port.
    pub fn values(&self) -> impl Iterator<Item = SocketAddr> + use<'a> {
        let peers = self.values.into_iter().flat_map(Value::items).take(VALUES_MAX);
        peers.filter_map(|peer| peer.as_bytes().and_then(address)).filter(|peer| peer.port() != 0)
    }
}

/// A node in its compact form of 26 or 38 bytes.
pub fn contact(bytes: &[u8]) -> Option<Contact> {
    let (id, at) = bytes.split_first_chunk::<20>()?;
    Some(Contact { id: NodeId(*id), address: address(at)? })
}

/// An address and port in 6 or 18 bytes.
fn address(bytes: &[u8]) -> Option<SocketAddr> {
    let (ip, port) = bytes.split_last_chunk::<2>()?;
    let port = u16::from_be_bytes(*port);
    if let Ok(v4) = <[u8; 4]>::try_from(ip) {
        return Some(SocketAddr::new(Ipv4Addr::from(v4).into(), port));
    }
    let v6 = <[u8; 16]>::try_from(ip).ok()?;
    Some(SocketAddr::new(Ipv6Addr::from(v6).into(), port))
}
