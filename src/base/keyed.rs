//! Keyed hashing (SipHash, Aumasson and Bernstein 2012): for ids that strangers must not guess, and for tables whose
//! keys strangers choose.

/// A secret; the same in one process, different in every other.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Secret(pub u64, pub u64);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl Secret {
    /// Two numbers of the driver's generator.
    pub fn draw(rng: &mut fastrand::Rng) -> Secret {
        Secret(rng.u64(..), rng.u64(..))
    }

    /// SipHash-2-4: what others must not be able to make.
    pub fn mac(&self, bytes: &[u8]) -> u64 {
        sip::<2, 4>(*self, bytes)
    }

    /// SipHash-1-3: where keys of a table are spread.
    pub fn spread(&self, bytes: &[u8]) -> u64 {
        sip::<1, 3>(*self, bytes)
    }
}

fn sip<const C: usize, const D: usize>(secret: Secret, bytes: &[u8]) -> u64 {
    let mut v = [
        secret.0 ^ 0x736f_6d65_7073_6575,
        secret.1 ^ 0x646f_7261_6e64_6f6d,
        secret.0 ^ 0x6c79_6765_6e65_7261,
        secret.1 ^ 0x7465_6462_7974_6573,
    ];
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        absorb::<C>(&mut v, u64::from_le_bytes(*word));
    }
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    last[7] = bytes.len() as u8;
    absorb::<C>(&mut v, u64::from_le_bytes(last));
    v[2] ^= 0xff;
    (0..D).for_each(|_| round(&mut v));
    v[0] ^ v[1] ^ v[2] ^ v[3]
}

#[inline]
fn absorb<const C: usize>(v: &mut [u64; 4], word: u64) {
    v[3] ^= word;
    (0..C).for_each(|_| round(v));
    v[0] ^= word;
}

#[inline]
fn round(v: &mut [u64; 4]) {
    v[0] = v[0].wrapping_add(v[1]);
    v[1] = v[1].rotate_left(13) ^ v[0];
    v[0] = v[0].rotate_left(32);
    v[2] = v[2].wrapping_add(v[3]);
    v[3] = v[3].rotate_left(16) ^ v[2];
    v[0] = v[0].wrapping_add(v[3]);
    v[3] = v[3].rotate_left(21) ^ v[0];
    v[2] = v[2].wrapping_add(v[1]);
    v[1] = v[1].rotate_left(17) ^ v[2];
    v[2] = v[2].rotate_left(32);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_siphash() {
        // The key 00 01 .. 0f and the inputs of the reference's test vectors.
        let secret = Secret(0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908);
        let input: Vec<u8> = (0..64).collect();
        assert_eq!(secret.mac(&input[..0]), 0x726f_db47_dd0e_0e31);
        assert_eq!(secret.mac(&input[..8]), 0x93f5_f579_9a93_2462);
        assert_eq!(secret.mac(&input[..15]), 0xa129_ca61_49be_45e5);
        assert_eq!(secret.spread(&input[..0]), 0xabac_0158_050f_c4dc);
        assert_ne!(secret.spread(&input[..1]), secret.spread(&input[..2]));
        assert_eq!(format!("{secret:?}"), "Secret(..)");
    }
}
