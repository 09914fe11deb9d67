//! Classes of addresses: who may name which address to us (RELIABILITY: SSRF and wrong addresses).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Where an address sits, as far as trust goes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Reach {
    /// Unspecified, multicast, broadcast, reserved: nobody can be dialled there.
    Nowhere,
    /// This machine.
    Loopback,
    /// A home or carrier network: RFC 1918, RFC 6598, link-local, unique local.
    Private,
    /// The internet.
    Global,
}

/// The reach of an address; v4-mapped v6 addresses count as their v4 address.
pub fn reach(ip: IpAddr) -> Reach {
    match unmapped(ip) {
        IpAddr::V4(v4) => reach_v4(v4),
        IpAddr::V6(v6) => reach_v6(v6),
    }
}

fn reach_v4(ip: Ipv4Addr) -> Reach {
    let [a, b, ..] = ip.octets();
    match (a, b) {
        (127, _) => Reach::Loopback,
        (0, _) | (224..=255, _) => Reach::Nowhere,
        (10, _) | (192, 168) | (169, 254) => Reach::Private,
        (172, 16..=31) | (100, 64..=127) => Reach::Private,
        _ => Reach::Global,
    }
}

fn reach_v6(ip: Ipv6Addr) -> Reach {
    let first = ip.segments()[0];
    if ip == Ipv6Addr::LOCALHOST {
        Reach::Loopback
    } else if first & 0xffc0 == 0xfe80 || first & 0xfe00 == 0xfc00 {
        Reach::Private
    } else if first & 0xe000 == 0x2000 {
        Reach::Global
    } else {
        Reach::Nowhere
    }
}

/// `::ffff:a.b.c.d` as `a.b.c.d`; others unchanged.
pub fn unmapped(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(ip, IpAddr::V4),
        IpAddr::V4(_) => ip,
    }
}

/// Whether a peer address named by a source with reach `source` may be dialled: it has a port, can be reached at
/// all, and is not more local than who named it.
pub fn may_dial(address: SocketAddr, source: Reach) -> bool {
    let reach = reach(address.ip());
    address.port() != 0 && reach != Reach::Nowhere && reach >= source
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_their_reach() {
        for (reach_of, addresses) in [
            (Reach::Nowhere, "0.0.0.0 0.1.2.3 224.0.0.1 255.255.255.255 :: ff02::1 ::127.0.0.1 64:ff9b::1"),
            (Reach::Loopback, "127.0.0.1 127.255.0.3 ::1 ::ffff:127.0.0.1"),
            (Reach::Private, "10.1.2.3 172.16.0.1 172.31.255.255 192.168.0.1 100.64.0.1 169.254.0.1"),
            (Reach::Private, "fe80::1 febf::1 fc00::1 fdff::1 ::ffff:10.0.0.1"),
            (Reach::Global, "1.1.1.1 172.15.0.1 172.32.0.1 192.167.0.1 100.63.0.1 223.255.255.255 2001:db8::1"),
            (Reach::Global, "::ffff:8.8.8.8"),
        ] {
            for text in addresses.split(' ') {
                assert_eq!(reach(text.parse().unwrap()), reach_of, "{text}");
            }
        }
    }

    #[test]
    fn nobody_names_what_is_more_local_than_themselves() {
        let may = |text: &str, source| may_dial(text.parse().unwrap(), source);
        assert!(may("127.0.0.1:1", Reach::Loopback) && may("8.8.8.8:1", Reach::Loopback));
        assert!(!may("127.0.0.1:1", Reach::Private) && may("10.0.0.1:1", Reach::Private));
        assert!(!may("10.0.0.1:1", Reach::Global) && may("[2001:db8::1]:1", Reach::Global));
        assert!(!may("8.8.8.8:0", Reach::Loopback) && !may("0.0.0.0:1", Reach::Loopback));
    }
}
