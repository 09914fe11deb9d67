//! Running SHA-1 of pieces, two at once where the processor can.

use sha1::block_api::compress;

use super::sha1_pair::{Block, compress_pair};

/// The state before the first block (FIPS 180-4, 5.3.1).
const BEGIN: [u32; 5] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];

/// SHA-1 of what was taken so far.
#[derive(Clone, Debug)]
pub struct Digest {
    state: [u32; 5],
    len: u64,
    /// The bytes behind the last whole block.
    tail: Block,
}

impl Digest {
    pub fn new() -> Digest {
        Digest { state: BEGIN, len: 0, tail: [0; 64] }
    }

    /// Bytes of the block begun.
    fn tail_len(&self) -> usize {
        (self.len % 64) as usize
    }

    /// Takes more bytes.
    pub fn update(&mut self, mut bytes: &[u8]) {
        let begun = self.tail_len();
        self.len += bytes.len() as u64;
        if begun > 0 {
            let (first, rest) = bytes.split_at(bytes.len().min(64 - begun));
            self.tail[begun..begun + first.len()].copy_from_slice(first);
            if begun + first.len() < 64 {
                return;
            }
            compress(&mut self.state, &[self.tail]);
            bytes = rest;
        }
        let (blocks, rest) = bytes.as_chunks();
        compress(&mut self.state, blocks);
        self.tail[..rest.len()].copy_from_slice(rest);
    }

    /// The digest: a one, zeros, and the length in bits (FIPS 180-4, 5.1.1).
    pub fn finish(mut self) -> [u8; 20] {
        let bits = self.len * 8;
        let begun = self.tail_len();
        self.tail[begun] = 0x80;
        self.tail[begun + 1..].fill(0);
        if begun >= 56 {
            compress(&mut self.state, &[self.tail]);
            self.tail = [0; 64];
        }
        self.tail[56..].copy_from_slice(&bits.to_be_bytes());
        compress(&mut self.state, &[self.tail]);
        let mut digest = [0; 20];
        for (bytes, word) in digest.chunks_exact_mut(4).zip(self.state) {
            bytes.copy_from_slice(&word.to_be_bytes());
        }
        digest
    }
}

impl Default for Digest {
    fn default() -> Digest {
        Digest::new()
    }
}

/// As `one.update(x)` and `two.update(y)`, in about the time of one of them where the processor can.
pub fn update_both(one: &mut Digest, x: &[u8], two: &mut Digest, y: &[u8]) {
    let both = x.len().min(y.len()) / 64;
    let mut done = 0;
    if one.tail_len() == 0 && two.tail_len() == 0 {
        let (v, w) = (&x.as_chunks().0[..both], &y.as_chunks().0[..both]);
        if compress_pair(&mut one.state, v, &mut two.state, w) {
            done = both * 64;
            one.len += done as u64;
            two.len += done as u64;
        }
    }
    one.update(&x[done..]);
    two.update(&y[done..]);
}

#[cfg(test)]
mod tests {
    use sha1::{Digest as _, Sha1};

    use super::*;

    fn bytes(len: usize, seed: u64) -> Vec<u8> {
        let mut rng = fastrand::Rng::with_seed(seed);
        (0..len).map(|_| rng.u8(..)).collect()
    }

    fn known(bytes: &[u8]) -> [u8; 20] {
        Sha1::digest(bytes).into()
    }

    #[test]
    fn agrees_with_the_crate_at_every_length() {
        for len in (0..200).chain([1000, 16_384, 16_385, 65_535]) {
            let data = bytes(len, len as u64);
            for cut in [0, 1, 63, 64, 65, len / 2, len] {
                let (first, rest) = data.split_at(cut.min(len));
                let mut digest = Digest::new();
                digest.update(first);
                digest.update(rest);
                assert_eq!(digest.finish(), known(&data), "{len} bytes cut at {cut}");
            }
        }
    }

    #[test]
    fn two_at_once_are_as_good_as_one_after_the_other() {
        for seed in 0..500 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let (x, y) = (bytes(rng.usize(..5000), seed), bytes(rng.usize(..5000), seed + 1000));
            let (mut one, mut two) = (Digest::new(), Digest::new());
            let (mut at, mut to) = (0, 0);
            while at < x.len() || to < y.len() {
                // Whole blocks as a rule, as blocks of pieces are.
                let step = |left: usize, rng: &mut fastrand::Rng| match rng.u8(..4) {
                    0 => rng.usize(..=left),
                    _ => (64 * rng.usize(..20)).min(left),
                };
                let (a, b) = (step(x.len() - at, &mut rng), step(y.len() - to, &mut rng));
                update_both(&mut one, &x[at..at + a], &mut two, &y[to..to + b]);
                (at, to) = (at + a, to + b);
            }
            assert_eq!((one.finish(), two.finish()), (known(&x), known(&y)), "seed {seed}");
        }
    }
}
