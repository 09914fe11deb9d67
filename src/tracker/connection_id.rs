//! Connection ids of UDP announces (BEP 15): proof that somebody reads what is sent to its address, without a table.
//!
//! An id is a mark, the second it was given in, and a keyed hash over that second and the address. It holds for two
//! minutes, as BEP 15 says.

use std::net::{IpAddr, SocketAddr};

use crate::base::Time;
use crate::base::keyed::Secret;
use crate::wire::udp_tracker::ID_MARK;

/// Seconds that an id holds.
const AGE_S: u64 = 120;
const MAC_BITS: u32 = 40;
const SECOND_BITS: u32 = 16;

/// The id for an address at this moment.
pub fn give(secret: &Secret, to: SocketAddr, now: Time) -> u64 {
    make(secret, to, second(now))
}

/// Whether an id was given to this address within the last two minutes.
pub fn holds(secret: &Secret, id: u64, from: SocketAddr, now: Time) -> bool {
    let now = second(now);
    // The second that the id's 16 bits mean: the latest one that is not in the future.
    let age = now.wrapping_sub(id >> MAC_BITS) & ((1 << SECOND_BITS) - 1);
    let is_fresh = age <= AGE_S.min(now);
    // One comparison of the whole, whatever differs.
    is_fresh & (make(secret, from, now.wrapping_sub(age)) ^ id == 0)
}

fn second(now: Time) -> u64 {
    now.0 / 1_000_000
}

fn make(secret: &Secret, address: SocketAddr, second: u64) -> u64 {
    let mut bytes = [0; 26];
    match address.ip() {
        IpAddr::V4(v4) => bytes[..4].copy_from_slice(&v4.octets()),
        IpAddr::V6(v6) => bytes[..16].copy_from_slice(&v6.octets()),
    }
    bytes[16..18].copy_from_slice(&address.port().to_be_bytes());
    bytes[18..].copy_from_slice(&second.to_be_bytes());
    let mac = secret.mac(&bytes) >> (64 - MAC_BITS);
    u64::from(ID_MARK) << 56 | (second & ((1 << SECOND_BITS) - 1)) << MAC_BITS | mac
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Span;

    #[test]
    fn ids_hold_for_two_minutes_at_one_address() {
        let secret = Secret(5, 6);
        let a: SocketAddr = "192.0.2.1:6881".parse().unwrap();
        for start in [0, 1, 65_500, 65_536 * 9 - 3] {
            let then = Time::ZERO + Span::secs(start);
            let id = give(&secret, a, then);
            assert_eq!((id >> 56) as u8, ID_MARK);
            for (after, expected) in [(0, true), (60, true), (120, true), (121, false), (65_536, false)] {
                assert_eq!(holds(&secret, id, a, then + Span::secs(after)), expected, "{start} + {after}");
            }
            for other in ["192.0.2.2:6881", "192.0.2.1:6882", "[::1]:6881"] {
                assert!(!holds(&secret, id, other.parse().unwrap(), then));
            }
            (0..64).for_each(|bit| assert!(!holds(&secret, id ^ (1 << bit), a, then), "bit {bit}"));
            assert!(!holds(&Secret(5, 7), id, a, then));
            // From the future.
            assert!(!holds(&secret, give(&secret, a, then + Span::secs(5)), a, then));
        }
        assert!(!holds(&secret, 0, a, Time::ZERO));
    }
}
