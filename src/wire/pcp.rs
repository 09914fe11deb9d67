//! The Port Control Protocol (RFC 6887), as far as the mapping of a port needs it: the request MAP, and its answers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::natpmp::{Transport, Wanted};
use crate::base::address::unmapped;

const VERSION: u8 = 2;
/// Set in the opcode of an answer.
const ANSWER: u8 = 128;
const MAP: u8 = 1;
/// Bytes of a head, and of what MAP has behind it (sections 7.1 and 11.1).
const HEAD_LEN: usize = 24;
const MAP_LEN: usize = 36;

/// Proves that a later question is from whoever asked first (section 11.2).
pub type Nonce = [u8; 12];

/// The IANA number of a protocol.
fn number_of(transport: Transport) -> u8 {
    match transport {
        Transport::Tcp => 6,
        Transport::Udp => 17,
    }
}

/// As 16 bytes, IPv4 mapped into IPv6 (section 5).
fn wide(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    }
}

/// Asks for a mapping. `client` is the address the question leaves from, `external` the one hoped for.
pub fn map_request(wanted: &Wanted, client: IpAddr, nonce: &Nonce, external: Option<IpAddr>) -> Vec<u8> {
    let mut bytes = vec![VERSION, MAP, 0, 0];
    bytes.extend(wanted.lifetime_s.to_be_bytes());
    bytes.extend(wide(client));
    bytes.extend(nonce);
    bytes.extend([number_of(wanted.transport), 0, 0, 0]);
    bytes.extend(wanted.internal.to_be_bytes());
    bytes.extend(wanted.external.to_be_bytes());
    let any = if client.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    bytes.extend(wide(external.unwrap_or(any)));
    bytes
}

/// What a gateway answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Answer {
    /// Seconds since its tables were empty.
    pub epoch_s: u32,
    /// 0, or a code of section 7.4.
    pub code: u8,
    /// None: a refusal that does not say of what.
    pub map: Option<Map>,
}

/// What MAP brought, or with a code, what was asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Map {
    pub nonce: Nonce,
    /// With a code, the lifetime is how long there is no use in asking again.
    pub mapping: Wanted,
    pub external: IpAddr,
}

impl Answer {
    /// None for what is no answer of version 2, or one to what is not asked here.
    pub fn from_bytes(bytes: &[u8]) -> Option<Answer> {
        let [VERSION, opcode, _, code] = *bytes.first_chunk::<4>()? else { return None };
        let number = |at: usize| Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        let (lifetime_s, epoch_s) = (number(4)?, number(8)?);
        bytes.get(..HEAD_LEN)?;
        let map = match opcode.checked_sub(ANSWER)? {
            MAP => match bytes.get(HEAD_LEN..HEAD_LEN + MAP_LEN) {
                Some(body) => Some(map(body, lifetime_s)?),
                // Whoever does not know the version or the opcode need not repeat the rest.
                None if code != 0 => None,
                None => return None,
            },
            _ => return None,
        };
        Some(Answer { epoch_s, code, map })
    }
}

fn map(body: &[u8], lifetime_s: u32) -> Option<Map> {
    let (nonce, rest) = body.split_first_chunk::<12>()?;
    let ([protocol, _, _, _, a, b, c, d], rest) = rest.split_first_chunk::<8>()?;
    let external: [u8; 16] = *rest.first_chunk()?;
    let transport = Transport::BOTH.into_iter().find(|transport| number_of(*transport) == *protocol)?;
    let (internal, mapped) = (u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d]));
    Some(Map {
        nonce: *nonce,
        mapping: Wanted { transport, internal, external: mapped, lifetime_s },
        external: unmapped(Ipv6Addr::from(external).into()),
    })
}

/// A refusal for people.
pub fn refusal(code: u8) -> &'static str {
    match code {
        1 => "it speaks another version",
        2 => "it is set not to",
        4 | 5 | 9 => "it does not know how",
        7 => "it has no connection itself",
        8 => "its table is full",
        10 => "this machine has too many mappings",
        11 => "it cannot give this port",
        12 => "there is another gateway between it and us",
        _ => "it does not say why",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WANTED: Wanted = Wanted { transport: Transport::Udp, internal: 0x1ae1, external: 0x1ae2, lifetime_s: 7200 };

    #[test]
    fn requests_look_as_in_the_rfc() {
        let client = IpAddr::from([192, 168, 1, 9]);
        let bytes = map_request(&WANTED, client, &[7; 12], None);
        assert_eq!(bytes.len(), HEAD_LEN + MAP_LEN);
        assert_eq!(bytes[..8], [2, 1, 0, 0, 0, 0, 0x1c, 0x20]);
        assert_eq!(bytes[8..24], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 168, 1, 9]);
        assert_eq!(bytes[24..44], [[7; 12].as_slice(), &[17, 0, 0, 0, 0x1a, 0xe1, 0x1a, 0xe2]].concat());
        assert_eq!(bytes[44..], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0]);
    }

    fn answer(code: u8) -> Vec<u8> {
        let mut bytes = vec![2, 129, 0, code, 0, 0, 0x1c, 0x20, 0, 0, 0, 9];
        bytes.resize(HEAD_LEN, 0);
        bytes.extend(&map_request(&WANTED, [0, 0, 0, 0].into(), &[7; 12], Some([203, 0, 113, 7].into()))[HEAD_LEN..]);
        bytes
    }

    #[test]
    fn answers_are_read_whole_or_not_at_all() {
        let bytes = answer(0);
        let map = Map { nonce: [7; 12], mapping: WANTED, external: [203, 0, 113, 7].into() };
        assert_eq!(Answer::from_bytes(&bytes), Some(Answer { epoch_s: 9, code: 0, map: Some(map) }));
        for len in 0..bytes.len() {
            assert_eq!(Answer::from_bytes(&bytes[..len]), None, "{len}");
        }
        let short = &answer(8)[..HEAD_LEN];
        assert_eq!(Answer::from_bytes(short), Some(Answer { epoch_s: 9, code: 8, map: None }));
        for (at, value) in [(0, 0), (0, 1), (1, 1), (1, 128), (1, 130), (36, 1)] {
            let mut bytes = bytes.clone();
            bytes[at] = value;
            assert_eq!(Answer::from_bytes(&bytes), None, "{value} at {at}");
        }
    }
}
