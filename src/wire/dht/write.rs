//! Values to datagrams: keys in order, written straight into one buffer, since a busy node writes thousands a second.

use std::net::{IpAddr, SocketAddr};

use super::{Asked, Contact, VERSION, Want};
use crate::base::NodeId;

/// A question of ours.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    pub id: NodeId,
    pub transaction: &'a [u8],
    pub read_only: bool,
    pub want: Option<Want>,
    pub asked: Asked<'a>,
}

impl Ask<'_> {
    /// The datagram.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(200);
        out.extend_from_slice(b"d1:ad");
        put(&mut out, b"2:id", &self.id.0);
        let method: &[u8] = match self.asked {
            Asked::Ping => b"4:ping",
            Asked::FindNode { target } => {
                put(&mut out, b"6:target", &target.0);
                b"9:find_node"
            }
            Asked::GetPeers { info_hash } => {
                put(&mut out, b"9:info_hash", &info_hash.0);
                b"9:get_peers"
            }
            Asked::AnnouncePeer { info_hash, port, token } => {
                if port.is_none() {
                    out.extend_from_slice(b"12:implied_porti1e");
                }
                put(&mut out, b"9:info_hash", &info_hash.0);
                // Those that know no implied port need one, too.
                out.extend_from_slice(format!("4:porti{}e", port.unwrap_or(1)).as_bytes());
                put(&mut out, b"5:token", token);
                b"13:announce_peer"
            }
        };
        if let Some(Want { v4, v6 }) = self.want {
            out.extend_from_slice(b"4:wantl");
            out.extend_from_slice(if v4 { b"2:n4" } else { b"" });
            out.extend_from_slice(if v6 { b"2:n6" } else { b"" });
            out.push(b'e');
        }
        out.extend_from_slice(b"e1:q");
        out.extend_from_slice(method);
        if self.read_only {
            out.extend_from_slice(b"2:roi1e");
        }
        end(out, self.transaction, b'q')
    }
}

/// An answer of ours.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    pub id: NodeId,
    pub transaction: &'a [u8],
    /// Who asked: it learns its address by this.
    pub to: SocketAddr,
    pub token: Option<&'a [u8]>,
    /// Of the v4 DHT.
    pub nodes: &'a [Contact],
    /// Of the v6 DHT.
    pub nodes6: &'a [Contact],
    pub values: &'a [SocketAddr],
}

impl Answer<'_> {
    /// Bytes of the datagram if all its lists were empty.
    pub fn len_without_lists(&self) -> usize {
        let token = self.token.map_or(0, |token| 8 + digits(token.len()) + token.len());
        let ip = if self.to.is_ipv4() { 12 } else { 25 };
        1 + ip + 4 + 27 + token + 1 + 4 + digits(self.transaction.len()) + self.transaction.len() + 9 + 7
    }

    /// The datagram. Empty lists are left out.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(400);
        out.push(b'd');
        put_ip(&mut out, self.to);
        out.extend_from_slice(b"1:rd");
        put(&mut out, b"2:id", &self.id.0);
        put_contacts(&mut out, b"5:nodes", self.nodes, 26);
        put_contacts(&mut out, b"6:nodes6", self.nodes6, 38);
        if let Some(token) = self.token {
            put(&mut out, b"5:token", token);
        }
        if !self.values.is_empty() {
            out.extend_from_slice(b"6:valuesl");
            for value in self.values {
                out.extend_from_slice(if value.is_ipv4() { b"6:" } else { b"18:" });
                put_address(&mut out, *value);
            }
            out.push(b'e');
        }
        out.push(b'e');
        end(out, self.transaction, b'r')
    }
}

/// An error instead of an answer.
pub fn error_bytes(transaction: &[u8], to: SocketAddr, code: i64, text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(120);
    out.extend_from_slice(format!("d1:eli{code}e{}:{text}e", text.len()).as_bytes());
    put_ip(&mut out, to);
    end(out, transaction, b'e')
}

/// What all datagrams end with.
fn end(mut out: Vec<u8>, transaction: &[u8], kind: u8) -> Vec<u8> {
    put(&mut out, b"1:t", transaction);
    put(&mut out, b"1:v", &VERSION);
    out.extend_from_slice(b"1:y1:");
    out.extend_from_slice(&[kind, b'e']);
    out
}

/// A key that is bencoded already, and a string.
fn put(out: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    out.extend_from_slice(key);
    put_len(out, value.len());
    out.extend_from_slice(value);
}

fn digits(len: usize) -> usize {
    1 + usize::from(len > 9) + usize::from(len > 99)
}

/// The head of a string below 10 000 bytes.
fn put_len(out: &mut Vec<u8>, len: usize) {
    let mut divisor = 1000;
    let mut begun = false;
    while divisor > 0 {
        let digit = (len / divisor % 10) as u8;
        begun |= digit > 0 || divisor == 1;
        if begun {
            out.push(b'0' + digit);
        }
        divisor /= 10;
    }
    out.push(b':');
}

fn put_ip(out: &mut Vec<u8>, to: SocketAddr) {
    out.extend_from_slice(if to.is_ipv4() { b"2:ip6:" } else { b"2:ip18:" });
    put_address(out, to);
}

fn put_contacts(out: &mut Vec<u8>, key: &[u8], contacts: &[Contact], len: usize) {
    if contacts.is_empty() {
        return;
    }
    out.extend_from_slice(key);
    put_len(out, contacts.len() * len);
    for contact in contacts {
        debug_assert!(contact.address.is_ipv4() == (len == 26), "a node of the other family");
        put_contact(out, contact);
    }
}

/// A node's compact form of 26 or 38 bytes.
pub fn put_contact(out: &mut Vec<u8>, contact: &Contact) {
    out.extend_from_slice(&contact.id.0);
    put_address(out, contact.address);
}

fn put_address(out: &mut Vec<u8>, address: SocketAddr) {
    match address.ip() {
        IpAddr::V4(ip) => out.extend_from_slice(&ip.octets()),
        IpAddr::V6(ip) => out.extend_from_slice(&ip.octets()),
    }
    out.extend_from_slice(&address.port().to_be_bytes());
}
