//! NAT-PMP (RFC 6886): what is asked of a gateway, and its answers.

use std::net::Ipv4Addr;

/// Where a gateway listens, for PCP as well.
pub const PORT: u16 = 5351;

/// Set in the opcode of an answer.
const ANSWER: u8 = 128;
/// Opcodes (section 3.2 and 3.3).
const EXTERNAL: u8 = 0;
const MAP_UDP: u8 = 1;
const MAP_TCP: u8 = 2;

/// What is carried.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Transport {
    Tcp,
    Udp,
}

impl Transport {
    /// Both, in the order in which they are mapped.
    pub const BOTH: [Transport; 2] = [Transport::Tcp, Transport::Udp];

    /// As UPnP writes it.
    pub fn name(self) -> &'static str {
        match self {
            Transport::Tcp => "TCP",
            Transport::Udp => "UDP",
        }
    }
}

/// A request to open a port, or with a lifetime of 0, to close it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Wanted {
    pub transport: Transport,
    /// Ours.
    pub internal: u16,
    /// The gateway's, as far as it likes it, too; 0 when the mapping goes (section 3.4).
    pub external: u16,
    pub lifetime_s: u32,
}

/// Asks for the gateway's own address.
pub fn external_request() -> Vec<u8> {
    vec![0, EXTERNAL]
}

/// Asks for a mapping.
pub fn map_request(wanted: &Wanted) -> Vec<u8> {
    let opcode = match wanted.transport {
        Transport::Tcp => MAP_TCP,
        Transport::Udp => MAP_UDP,
    };
    let mut bytes = vec![0, opcode, 0, 0];
    bytes.extend(wanted.internal.to_be_bytes());
    bytes.extend(wanted.external.to_be_bytes());
    bytes.extend(wanted.lifetime_s.to_be_bytes());
    bytes
}

/// What a gateway answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Answer {
    /// Seconds since its tables were empty.
    pub epoch_s: u32,
    pub what: What,
}

/// The same, without its time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum What {
    /// The gateway's own address.
    External(Ipv4Addr),
    /// A port is open for so long, or closed where that is nothing.
    Mapped(Wanted),
    /// A code of section 3.5 other than 0: of an opening (None: of the question for the address).
    Refused(u16, Option<Transport>),
}

impl Answer {
    /// None for what is no answer of version 0.
    pub fn from_bytes(bytes: &[u8]) -> Option<Answer> {
        let [0, opcode, code @ ..] = *bytes.first_chunk::<4>()? else { return None };
        let code = u16::from_be_bytes(code);
        let number = |at: usize| Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        let port = |at: usize| Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
        let transport = match opcode.checked_sub(ANSWER)? {
            EXTERNAL => None,
            MAP_UDP => Some(Transport::Udp),
            MAP_TCP => Some(Transport::Tcp),
            _ => return None,
        };
        let epoch_s = number(4)?;
        let what = match transport {
            _ if code != 0 => What::Refused(code, transport),
            None => What::External(Ipv4Addr::from(number(8)?)),
            Some(transport) => {
                What::Mapped(Wanted { transport, internal: port(8)?, external: port(10)?, lifetime_s: number(12)? })
            }
        };
        Some(Answer { epoch_s, what })
    }
}

/// Whether this is the answer of a gateway of version 0 that does not know the version it was asked in (code 1): so one
/// that speaks NAT-PMP alone answers PCP (section 3.5, and RFC 6887 section 9).
pub fn is_only_this(bytes: &[u8]) -> bool {
    matches!(bytes, [0, opcode, 0, 1, ..] if *opcode >= ANSWER)
}

/// A refusal for people.
pub fn refusal(code: u16) -> &'static str {
    match code {
        1 => "it speaks another version",
        2 => "it is set not to",
        3 => "it has no address itself",
        4 => "its table is full",
        5 => "it does not know how",
        _ => "it does not say why",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_look_as_in_the_rfc() {
        assert_eq!(external_request(), [0, 0]);
        let wanted = Wanted { transport: Transport::Tcp, internal: 0x1ae1, external: 0x1ae2, lifetime_s: 7200 };
        assert_eq!(map_request(&wanted), [0, 2, 0, 0, 0x1a, 0xe1, 0x1a, 0xe2, 0, 0, 0x1c, 0x20]);
        assert_eq!(map_request(&Wanted { transport: Transport::Udp, ..wanted })[1], 1);
    }

    #[test]
    fn answers_are_read_whole_or_not_at_all() {
        let external = [0, 128, 0, 0, 0, 0, 0, 9, 203, 0, 113, 7];
        let mapped = [0, 130, 0, 0, 0, 0, 0, 9, 0x1a, 0xe1, 0x1a, 0xe2, 0, 0, 0x1c, 0x20];
        let refused = [0, 129, 0, 2, 0, 0, 0, 9];
        let wanted = Wanted { transport: Transport::Tcp, internal: 0x1ae1, external: 0x1ae2, lifetime_s: 7200 };
        for (bytes, what) in [
            (&external[..], What::External(Ipv4Addr::new(203, 0, 113, 7))),
            (&mapped, What::Mapped(wanted)),
            (&refused, What::Refused(2, Some(Transport::Udp))),
        ] {
            assert_eq!(Answer::from_bytes(bytes), Some(Answer { epoch_s: 9, what }));
            for len in 0..bytes.len() {
                assert_eq!(Answer::from_bytes(&bytes[..len]), None, "{len} of {bytes:?}");
            }
        }
        for bad in [[2, 128, 0, 0, 0, 0, 0, 9, 1, 1, 1, 1], [0, 131, 0, 0, 0, 0, 0, 9, 1, 1, 1, 1]] {
            assert_eq!(Answer::from_bytes(&bad), None);
        }
        assert_eq!(Answer::from_bytes(&external_request()), None);
        assert!(
            is_only_this(&[0, 129, 0, 1, 0, 0, 0, 0]) && !is_only_this(&refused) && !is_only_this(&[2, 129, 0, 1])
        );
    }
}
