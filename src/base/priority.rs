//! Canonical peer priority (BEP 40): both ends of a connection come to the same number, which neither can choose, so
//! that full swarms do not fall apart into islands.

use std::net::{IpAddr, SocketAddr};

use super::address::unmapped;
use super::crc32c::crc32c;

/// How much a connection between the two is worth. Both should be as the other side sees them; ports count only where
/// the addresses are the same. Addresses of different families have nothing in common: whatever comes out is as good.
pub fn priority(a: SocketAddr, b: SocketAddr) -> u32 {
    let (ip_a, ip_b) = (unmapped(a.ip()), unmapped(b.ip()));
    let (mut low, mut high) = match (ip_a, ip_b) {
        _ if ip_a == ip_b => (a.port().to_be_bytes().to_vec(), b.port().to_be_bytes().to_vec()),
        (IpAddr::V4(a), IpAddr::V4(b)) => masked(&a.octets(), &b.octets(), 2),
        (IpAddr::V6(a), IpAddr::V6(b)) => masked(&a.octets(), &b.octets(), 6),
        (a, b) => (bytes(a), bytes(b)),
    };
    if low > high {
        std::mem::swap(&mut low, &mut high);
    }
    crc32c(&[low, high].concat())
}

/// Both addresses with every other bit taken out behind the bytes that they have in common; the first `whole` bytes
/// stay in any case, and with each further byte in common one more.
fn masked(a: &[u8], b: &[u8], whole: usize) -> (Vec<u8>, Vec<u8>) {
    let common = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let kept = if common < whole { whole } else { (common + 1).min(a.len()) };
    let mask = |bytes: &[u8]| -> Vec<u8> {
        bytes.iter().enumerate().map(|(at, byte)| if at < kept { *byte } else { byte & 0x55 }).collect()
    };
    (mask(a), mask(b))
}

fn bytes(ip: IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_bep() {
        let of = |a: &str, b: &str| {
            let at = |ip: &str| SocketAddr::new(ip.parse().unwrap(), 1);
            assert_eq!(priority(at(a), at(b)), priority(at(b), at(a)));
            priority(at(a), at(b))
        };
        assert_eq!(of("123.213.32.10", "98.76.54.32"), 0xec2d_7224);
        assert_eq!(of("123.213.32.10", "123.213.32.234"), 0x9956_8189);
        assert_eq!(of("206.248.98.111", "::ffff:142.147.89.224"), 0x2b41_d456);
        assert_eq!(
            of("2001:db8::1", "2001:db8:1::"),
            of("2001:db8::3", "2001:db8:1::"),
            "every other bit is left out"
        );
        assert_ne!(of("2001:db8::1", "2001:db8::2"), of("2001:db8::3", "2001:db8::2"));
    }
}
