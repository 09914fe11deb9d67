//! The allowed-fast set of the fast extension (BEP 6): pieces a peer may have while choked, computed from its
//! address so that reconnecting does not earn new ones.

use std::net::Ipv4Addr;

use sha1::{Digest, Sha1};

use crate::base::InfoHash;

/// The first `count` pieces of the set for this address, in the order they are generated. At most `piece_count`.
pub fn allowed_fast(ip: Ipv4Addr, info_hash: InfoHash, piece_count: u32, count: usize) -> Vec<u32> {
    let count = count.min(piece_count as usize);
    let mut set = Vec::with_capacity(count);
    let [a, b, c, _] = ip.octets();
    let mut digest: [u8; 20] = {
        let mut sha = Sha1::new();
        sha.update([a, b, c, 0]);
        sha.update(info_hash.0);
        sha.finalize().into()
    };
    while set.len() < count {
        for word in digest.chunks_exact(4) {
            let index = u32::from_be_bytes([word[0], word[1], word[2], word[3]]) % piece_count;
            if set.len() < count && !set.contains(&index) {
                set.push(index);
            }
        }
        digest = Sha1::digest(digest).into();
    }
    set
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_samples_of_bep_6() {
        let hash = InfoHash([0xaa; 20]);
        let ip = Ipv4Addr::new(80, 4, 4, 200);
        assert_eq!(allowed_fast(ip, hash, 1313, 7), [1059, 431, 808, 1217, 287, 376, 1188]);
        assert_eq!(allowed_fast(ip, hash, 1313, 9), [1059, 431, 808, 1217, 287, 376, 1188, 353, 508]);
        assert_eq!(allowed_fast(ip, hash, 3, 10).len(), 3);
        assert!(allowed_fast(ip, hash, 0, 10).is_empty());
    }
}
