//! Node ids that fit their address (BEP 42): one address can be only a few places of the key space.

use std::net::IpAddr;

use crate::base::NodeId;
use crate::base::address::{Reach, reach, unmapped};
use crate::base::crc32c::crc32c;

/// Bits of each address byte that count.
const MASK_V4: [u8; 4] = [0x03, 0x0f, 0x3f, 0xff];
const MASK_V6: [u8; 8] = [0x01, 0x03, 0x07, 0x0f, 0x1f, 0x3f, 0x7f, 0xff];

/// Whether a node at this address may call itself so. Addresses that are not global ones may use any id.
pub fn is_valid(id: &NodeId, ip: IpAddr) -> bool {
    if reach(ip) != Reach::Global {
        return true;
    }
    let [a, b, c] = prefix(ip, id.0[19]);
    id.0[0] == a && id.0[1] == b && (id.0[2] ^ c) & 0xf8 == 0
}

/// An id that fits this address; `chance` decides what is free to choose.
pub fn choose(ip: IpAddr, mut chance: [u8; 20]) -> NodeId {
    let [a, b, c] = prefix(ip, chance[19]);
    chance[0] = a;
    chance[1] = b;
    chance[2] = c & 0xf8 | chance[2] & 0x07;
    NodeId(chance)
}

/// The first 21 bits, which follow from the address and the last byte's low 3 bits.
fn prefix(ip: IpAddr, last: u8) -> [u8; 3] {
    let r = last & 0x07;
    let mut masked = [0; 8];
    let len = match unmapped(ip) {
        IpAddr::V4(ip) => mask(&mut masked, &ip.octets(), &MASK_V4),
        IpAddr::V6(ip) => mask(&mut masked, &ip.octets(), &MASK_V6),
    };
    masked[0] |= r << 5;
    let [a, b, c, _] = crc32c(&masked[..len]).to_be_bytes();
    [a, b, c]
}

fn mask(masked: &mut [u8; 8], address: &[u8], mask: &[u8]) -> usize {
    for ((slot, byte), bits) in masked.iter_mut().zip(address).zip(mask) {
        *slot = byte & bits;
    }
    mask.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chosen_ids_fit_their_address_and_no_other() {
        let ips = ["124.31.75.21", "2001:db8:1:2::5", "::ffff:8.8.8.8", "9.9.9.9"];
        for (at, text) in ips.iter().enumerate() {
            let ip: IpAddr = text.parse().unwrap();
            for last in 0..=255 {
                let id = choose(ip, [last; 20]);
                assert!(is_valid(&id, ip), "{text} {last}");
                assert_eq!(id.0[3..], [last; 17]);
                let other = ips[(at + 1) % ips.len()].parse().unwrap();
                assert!(!is_valid(&id, other), "{text} {last}");
            }
        }
        assert!(is_valid(&NodeId([7; 20]), "192.168.0.1".parse().unwrap()));
    }
}
