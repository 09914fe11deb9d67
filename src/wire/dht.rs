//! KRPC, the DHT's datagrams, both ways (BEP 5; v6 BEP 32; read-only BEP 43; our address as others see it BEP 42).
//!
//! What comes is bounded first ([`PACKET_LEN`], depth, tokens) and borrowed from the datagram; lists are walked when
//! asked for and yield at most what their constants say.

pub mod node_id;
mod read;
mod write;

use std::net::SocketAddr;

use super::bencode::Value;
use crate::base::{InfoHash, NodeId};

pub use read::{Refused, contact, parse};
pub use write::{Answer, Ask, error_bytes, put_contact};

/// A longer datagram is none of ours: twice what an Ethernet frame carries.
pub const PACKET_LEN: usize = 3000;
/// Bytes of a transaction id: clients use 2 to 8.
pub const TRANSACTION_LEN: usize = 32;
/// Bytes of a token: clients use 4 to 20.
pub const TOKEN_LEN: usize = 64;
/// Nodes believed of one list; BEP 5 sends 8.
pub const NODES_MAX: usize = 32;
/// Peers believed of one reply.
pub const VALUES_MAX: usize = 100;
/// Our client version as others see it: two letters and two bytes.
pub const VERSION: [u8; 4] = *b"PL\x01\x00";

/// Error codes of BEP 5.
pub mod code {
    pub const GENERIC: i64 = 201;
    pub const SERVER: i64 = 202;
    pub const PROTOCOL: i64 = 203;
    pub const METHOD_UNKNOWN: i64 = 204;
}

/// One datagram.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Packet<'a> {
    /// Ties a reply to its question; at most [`TRANSACTION_LEN`] bytes.
    pub transaction: &'a [u8],
    /// Client and version, as they like.
    pub version: Option<&'a [u8]>,
    /// Our address as the sender sees it.
    pub ip: Option<SocketAddr>,
    pub body: Body<'a>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Body<'a> {
    Query(Query<'a>),
    Reply(Reply<'a>),
    /// The question was refused.
    Error {
        code: i64,
        text: &'a [u8],
    },
}

/// A question.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Query<'a> {
    pub id: NodeId,
    /// It answers nothing: never to be kept as a node (BEP 43).
    pub read_only: bool,
    /// Families of the nodes wanted, v4 and v6. None said: that of the question.
    pub want: Option<Want>,
    pub asked: Asked<'a>,
}

/// Families of nodes (BEP 32).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Want {
    pub v4: bool,
    pub v6: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Asked<'a> {
    Ping,
    /// Also what later BEPs ask, where it names a target.
    FindNode {
        target: NodeId,
    },
    GetPeers {
        info_hash: InfoHash,
    },
    AnnouncePeer {
        info_hash: InfoHash,
        /// None: the datagram's own port counts.
        port: Option<u16>,
        token: &'a [u8],
    },
}

/// An answer. Its lists are read when asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reply<'a> {
    pub id: NodeId,
    /// What `announce_peer` has to bring back.
    pub token: Option<&'a [u8]>,
    nodes: &'a [u8],
    nodes6: &'a [u8],
    values: Option<Value<'a>>,
}

/// A node as replies name it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Contact {
    pub id: NodeId,
    pub address: SocketAddr,
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: NodeId = NodeId(*b"abcdefghij0123456789");
    const TARGET: [u8; 20] = *b"mnopqrstuvwxyz123456";

    fn ask<'a>(asked: Asked<'a>) -> Ask<'a> {
        Ask { id: ID, transaction: b"aa", read_only: false, want: None, asked }
    }

    /// BEP 5's own examples, with our version added.
    #[test]
    fn questions_are_exact_and_read_back() {
        let (target, info_hash) = (NodeId(TARGET), InfoHash(TARGET));
        let (port, token) = (Some(6881), &b"aoeusnth"[..]);
        for (asked, text) in [
            (Asked::Ping, "d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:v4:PL\x01\x001:y1:qe"),
            (
                Asked::FindNode { target },
                "d1:ad2:id20:abcdefghij01234567896:target20:mnopqrstuvwxyz123456e1:q9:find_node1:t2:aa\
                 1:v4:PL\x01\x001:y1:qe",
            ),
            (
                Asked::GetPeers { info_hash },
                "d1:ad2:id20:abcdefghij01234567899:info_hash20:mnopqrstuvwxyz123456e1:q9:get_peers1:t2:aa\
                 1:v4:PL\x01\x001:y1:qe",
            ),
            (
                Asked::AnnouncePeer { info_hash, port, token },
                "d1:ad2:id20:abcdefghij01234567899:info_hash20:mnopqrstuvwxyz1234564:porti6881e5:token8:aoeusnthe\
                 1:q13:announce_peer1:t2:aa1:v4:PL\x01\x001:y1:qe",
            ),
            (
                Asked::AnnouncePeer { info_hash, port: None, token },
                "d1:ad2:id20:abcdefghij012345678912:implied_porti1e9:info_hash20:mnopqrstuvwxyz1234564:porti1e\
                 5:token8:aoeusnthe1:q13:announce_peer1:t2:aa1:v4:PL\x01\x001:y1:qe",
            ),
        ] {
            let bytes = ask(asked).to_bytes();
            assert_eq!(bytes, text.as_bytes());
            let query = Query { id: ID, read_only: false, want: None, asked };
            let expected = Packet { transaction: b"aa", version: Some(&VERSION), ip: None, body: Body::Query(query) };
            assert_eq!(parse(&bytes), Ok(expected));
            for len in 0..bytes.len() {
                assert_eq!(parse(&bytes[..len]), Err(Refused::Drop), "{len}");
            }
        }
        let want = Want { v4: true, v6: false };
        let bytes = Ask { read_only: true, want: Some(want), ..ask(Asked::Ping) }.to_bytes();
        assert!(crate::wire::bencode::parse(&bytes).unwrap().is_sorted());
        let Body::Query(query) = parse(&bytes).unwrap().body else { panic!() };
        assert_eq!((query.read_only, query.want), (true, Some(want)));
    }

    #[test]
    fn answers_go_both_ways_in_both_families() {
        let node = |n: u8, at: &str| Contact { id: NodeId([n; 20]), address: at.parse().unwrap() };
        let nodes = [node(1, "1.2.3.4:5"), node(2, "9.8.7.6:65535")];
        let nodes6 = [node(3, "[2001:db8::1]:6881")];
        let values: Vec<SocketAddr> = ["5.6.7.8:9", "[2001:db8::2]:10"].map(|at| at.parse().unwrap()).into();
        let to: SocketAddr = "[2001:db8::9]:7".parse().unwrap();
        let token = Some(&b"tokn"[..]);
        let answer = Answer { id: ID, transaction: b"x", to, token, nodes: &nodes, nodes6: &nodes6, values: &values };
        let bytes = answer.to_bytes();
        assert!(crate::wire::bencode::parse(&bytes).unwrap().is_sorted());
        let packet = parse(&bytes).unwrap();
        assert_eq!((packet.ip, packet.transaction), (Some(to), &b"x"[..]));
        let Body::Reply(reply) = packet.body else { panic!() };
        assert_eq!((reply.id, reply.token), (ID, token));
        assert_eq!(reply.nodes().collect::<Vec<_>>(), nodes);
        assert_eq!(reply.nodes6().collect::<Vec<_>>(), nodes6);
        assert_eq!(reply.values().collect::<Vec<_>>(), values);
        for len in 0..bytes.len() {
            assert_eq!(parse(&bytes[..len]), Err(Refused::Drop), "{len}");
        }
        let plain =
            Answer { token: None, nodes: &[], nodes6: &[], values: &[], to: "1.2.3.4:5".parse().unwrap(), ..answer };
        assert_eq!(
            plain.to_bytes(),
            b"d2:ip6:\x01\x02\x03\x04\x00\x051:rd2:id20:abcdefghij0123456789e1:t1:x1:v4:PL\x01\x001:y1:re"
        );
        let error = error_bytes(b"x", plain.to, code::PROTOCOL, "invalid port");
        let Body::Error { code, text } = parse(&error).unwrap().body else { panic!() };
        assert_eq!((code, text), (203, &b"invalid port"[..]));
        assert!(crate::wire::bencode::parse(&error).unwrap().is_sorted());
    }

    #[test]
    fn lists_are_bounded_and_odd_ones_cut() {
        let contact = Contact { id: ID, address: "1.2.3.4:5".parse().unwrap() };
        let nodes = [contact; 60];
        let values = [SocketAddr::from(([1, 2, 3, 4], 5)); 110];
        let to = contact.address;
        let answer =
            Answer { id: ID, transaction: b"x", to, token: None, nodes: &nodes, nodes6: &[], values: &values };
        let bytes = answer.to_bytes();
        let Body::Reply(reply) = parse(&bytes).unwrap().body else { panic!() };
        assert_eq!((reply.nodes().count(), reply.values().count()), (NODES_MAX, VALUES_MAX));
        let odd = b"d1:rd2:id20:abcdefghij01234567895:nodes9:def456...6:nodes63:abc6:valuesli1e3:abc6:ABCD\0\0le6:ABCDEFee1:t1:x1:y1:re";
        let Body::Reply(reply) = parse(odd).unwrap().body else { panic!() };
        assert_eq!((reply.nodes().count(), reply.nodes6().count()), (0, 0));
        assert_eq!(reply.values().count(), 1, "only one has its length and a port");
        assert_eq!(parse(&[&bytes[..], &[b'x'; PACKET_LEN]].concat()), Err(Refused::Drop));
        assert!(parse(&[&bytes[..], b"padding"].concat()).is_ok());
    }

    #[test]
    fn faults_are_told_by_code_and_other_things_dropped() {
        let tell = |bytes: &[u8]| match parse(bytes) {
            Err(Refused::Tell { transaction: b"aa", code, text }) => (code, text),
            other => panic!("{other:?}"),
        };
        let head = "d1:ad2:id20:abcdefghij0123456789";
        for (rest, code, text) in [
            ("e1:q9:find_node1:t2:aa1:y1:qe", 203, "missing 'target' key"),
            ("6:target3:abce1:q9:find_node1:t2:aa1:y1:qe", 203, "missing 'target' key"),
            ("e1:q9:get_peers1:t2:aa1:y1:qe", 203, "missing 'info_hash' key"),
            ("e1:q4:vote1:t2:aa1:y1:qe", 204, "method unknown"),
            ("e1:t2:aa1:y1:qe", 203, "missing 'q' key"),
            (
                "9:info_hash20:mnopqrstuvwxyz1234565:token1:xe1:q13:announce_peer1:t2:aa1:y1:qe",
                203,
                "missing 'port' key",
            ),
            (
                "9:info_hash20:mnopqrstuvwxyz1234564:porti0e5:token1:xe1:q13:announce_peer1:t2:aa1:y1:qe",
                203,
                "invalid port",
            ),
            (
                "9:info_hash20:mnopqrstuvwxyz1234564:porti1ee1:q13:announce_peer1:t2:aa1:y1:qe",
                203,
                "missing 'token' key",
            ),
        ] {
            assert_eq!(tell(format!("{head}{rest}").as_bytes()), (code, text));
        }
        assert_eq!(tell(b"d1:q4:ping1:t2:aa1:y1:qe"), (203, "missing 'a' key"));
        assert_eq!(tell(b"d1:ade1:q4:ping1:t2:aa1:y1:qe"), (203, "missing 'id' key"));
        for bytes in ["d", "", "le", "i1e", "de", "d1:t2:aa1:y1:re", "d1:t2:aa1:y1:ze", "d1:rde1:t2:aa1:y1:re"] {
            assert_eq!(parse(bytes.as_bytes()), Err(Refused::Drop), "{bytes}");
        }
        let long = format!("{head}e1:q4:ping1:t33:{}1:y1:qe", "t".repeat(33));
        assert_eq!(parse(long.as_bytes()), Err(Refused::Drop));
        let later = b"d1:ad2:id20:abcdefghij01234567896:target20:mnopqrstuvwxyz123456e1:q3:get1:t2:aa1:y1:qe";
        let Body::Query(query) = parse(later).unwrap().body else { panic!() };
        assert_eq!(query.asked, Asked::FindNode { target: NodeId(TARGET) });
    }
}
