//! The key agreement of MSE: Diffie and Hellman's, in the 768-bit group that it names, with generator 2 and secrets of
//! 160 bits. Its only use is to hide info hash and protocol from machines on the way: nothing here takes care to need
//! the same time for every secret.

/// Bytes of a public key and of what both sides agree on.
pub const PUBLIC_LEN: usize = 96;
/// Bytes of a secret.
pub const SECRET_LEN: usize = 20;

/// 32-bit limbs, the lowest first: as wide as small processors multiply in one step. With 64-bit ones, which those make
/// out of four, large processors would be three times as fast, at something they do in a fifth of a millisecond.
const LIMBS: usize = PUBLIC_LEN / 4;
type Number = [u32; LIMBS];

#[rustfmt::skip]
const PRIME: Number = [
    0x0009_0563, 0x0000_0000, 0xa63a_3621, 0xf44c_42e9, 0x625e_7ec6, 0xe485_b576,
    0x6d51_c245, 0x4fe1_356d, 0xf25f_1437, 0x302b_0a6d, 0xcd3a_431b, 0xef95_19b3,
    0x8e34_04dd, 0x514a_0879, 0x3b13_9b22, 0x020b_bea6, 0x8a67_cc74, 0x2902_4e08,
    0x80dc_1cd1, 0xc4c6_628b, 0x2168_c234, 0xc90f_daa2, 0xffff_ffff, 0xffff_ffff,
];
/// What makes the lowest limb of a multiple of the prime 0: -1 / prime, modulo 2^32.
const NEGATED_INVERSE: u32 = 0x9507_5bb5;
/// 1 in Montgomery's form: 2^768 less the prime.
const ONE: Number = less(&[0; LIMBS], &PRIME).0;
/// What brings a number into that form: 2^1536 modulo the prime.
const INTO_FORM: Number = doubled_often(ONE, 768);

/// One side's part.
pub struct Secret([u8; SECRET_LEN]);

/// The other side sent a number that gives the secret away or is none of the group.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Degenerate;

impl Secret {
    /// A secret that nobody can guess.
    pub fn new(bytes: [u8; SECRET_LEN]) -> Secret {
        Secret(bytes)
    }

    /// What the other side is told. Takes about as long as [`Self::agree`].
    pub fn public(&self) -> [u8; PUBLIC_LEN] {
        let mut two = [0; LIMBS];
        two[0] = 2;
        to_bytes(&power(&two, &self.0))
    }

    /// What both sides know then. Takes a fifth of a millisecond, on a small processor a few: about 220 multiplications.
    ///
    /// # Errors
    /// 0, 1, the prime less 1, and whatever is not below the prime.
    pub fn agree(&self, theirs: &[u8; PUBLIC_LEN]) -> Result<[u8; PUBLIC_LEN], Degenerate> {
        let theirs = from_bytes(theirs);
        let above = theirs.iter().rev().cmp(PRIME.iter().rev());
        let (low, rest) = (theirs[0], &theirs[1..]);
        let is_small = low <= 1 && rest.iter().all(|limb| *limb == 0);
        let is_last = low == PRIME[0] - 1 && *rest == PRIME[1..];
        if above.is_ge() || is_small || is_last {
            return Err(Degenerate);
        }
        Ok(to_bytes(&power(&theirs, &self.0)))
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

/// `base` to the power of a big-endian exponent, four of its bits at a time.
fn power(base: &Number, exponent: &[u8]) -> Number {
    let base = times(base, &INTO_FORM);
    let mut powers = [ONE; 16];
    for at in 1..powers.len() {
        powers[at] = times(&powers[at - 1], &base);
    }
    let mut result = ONE;
    for digit in exponent.iter().flat_map(|byte| [byte >> 4, byte & 15]) {
        for _ in 0..4 {
            result = times(&result, &result);
        }
        if digit != 0 {
            result = times(&result, &powers[usize::from(digit)]);
        }
    }
    let mut one = [0; LIMBS];
    one[0] = 1;
    times(&result, &one)
}

/// a * b / 2^768 modulo the prime (Montgomery 1985), for numbers below the prime. No sum of a limb, a carry and a
/// product of limbs is above 64 bits.
fn times(a: &Number, b: &Number) -> Number {
    let mut sum: Number = [0; LIMBS];
    let mut top = 0u64;
    for &limb in a {
        let carry = add_product(&mut sum, limb, b);
        top = top.wrapping_add(u64::from(carry));
        let factor = sum[0].wrapping_mul(NEGATED_INVERSE);
        let carry = add_product(&mut sum, factor, &PRIME);
        top = top.wrapping_add(u64::from(carry));
        // The lowest limb is 0 now: all move down by one.
        sum.copy_within(1.., 0);
        sum[LIMBS - 1] = top as u32;
        top >>= 32;
    }
    let (reduced, is_below) = less(&sum, &PRIME);
    if top == 0 && is_below { sum } else { reduced }
}

/// `sum` grows by `factor` times `number`; the limb that does not fit comes back.
#[inline]
fn add_product(sum: &mut Number, factor: u32, number: &Number) -> u32 {
    let mut carry = 0u64;
    for (sum, limb) in sum.iter_mut().zip(number) {
        let next = u64::from(factor).wrapping_mul(u64::from(*limb)).wrapping_add(u64::from(*sum)).wrapping_add(carry);
        *sum = next as u32;
        carry = next >> 32;
    }
    carry as u32
}

/// a - b modulo 2^768, and whether b was the larger.
const fn less(a: &Number, b: &Number) -> (Number, bool) {
    let mut result = [0; LIMBS];
    let mut borrow = false;
    let mut at = 0;
    while at < LIMBS {
        let (limb, first) = a[at].overflowing_sub(b[at]);
        let (limb, second) = limb.overflowing_sub(borrow as u32);
        result[at] = limb;
        borrow = first || second;
        at += 1;
    }
    (result, borrow)
}

/// A number below the prime, doubled so often, modulo the prime.
const fn doubled_often(mut number: Number, times: u32) -> Number {
    let mut round = 0;
    while round < times {
        let mut carry = 0;
        let mut at = 0;
        while at < LIMBS {
            let limb = number[at];
            number[at] = limb << 1 | carry;
            carry = limb >> 31;
            at += 1;
        }
        let (reduced, is_below) = less(&number, &PRIME);
        if carry == 1 || !is_below {
            number = reduced;
        }
        round += 1;
    }
    number
}

fn from_bytes(bytes: &[u8; PUBLIC_LEN]) -> Number {
    let mut number = [0; LIMBS];
    for (limb, bytes) in number.iter_mut().zip(bytes.rchunks_exact(4)) {
        *limb = bytes.iter().fold(0, |limb, byte| limb << 8 | u32::from(*byte));
    }
    number
}

fn to_bytes(number: &Number) -> [u8; PUBLIC_LEN] {
    let mut bytes = [0; PUBLIC_LEN];
    for (bytes, limb) in bytes.rchunks_exact_mut(4).zip(number) {
        bytes.copy_from_slice(&limb.to_be_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(hex: &str) -> [u8; PUBLIC_LEN] {
        let digits: Vec<u8> = hex.bytes().map(|digit| char::from(digit).to_digit(16).unwrap() as u8).collect();
        let mut bytes = [0; PUBLIC_LEN];
        bytes.iter_mut().zip(digits.chunks(2)).for_each(|(byte, pair)| *byte = pair[0] << 4 | pair[1]);
        bytes
    }

    const SECRET_A: [u8; 20] = *b"\x01\x23\x45\x67\x89\xab\xcd\xef\x01\x23\x45\x67\x89\xab\xcd\xef\x01\x23\x45\x67";
    const SECRET_B: [u8; 20] = *b"\x0f\xed\xcb\xa9\x87\x65\x43\x21\x0f\xed\xcb\xa9\x87\x65\x43\x21\x0f\xed\xcb\xa9";

    #[test]
    fn as_another_program_computes_it() {
        // python: '%0192x' % pow(2, secret, prime), and of both secrets.
        let public = "6fd4bc7aa649593205ec30348a3ccc737b61fa01e9e1762c2c53eb69033afecbdf7c13b8ac3643af78d0760b0f42db00\
                      9f2b96c970f009d060faf617f117d0f1c221cea0561b9a86e852fc70a6f09ad0f82378603aa5e56b811deb3f534bf276";
        let all_ones = "fe9aac142f64ad4d5bca7e30bea17d62c709de9e4c5694e2b27e8c6ed82510bb57952fcce38f6a5084b9699ec34b033e\
                        d1a0dbd51d70274bff40ae493f0ce2cdbd3cbd6055c9677a7eb70d29f4d8ecfbc2625316a7ae1a0d3d6605f0406bad79";
        assert_eq!(Secret::new(SECRET_A).public(), number(public));
        assert_eq!(Secret::new([0xff; 20]).public(), number(all_ones));
    }

    #[test]
    fn both_sides_agree() {
        let (a, b) = (Secret::new(SECRET_A), Secret::new(SECRET_B));
        let agreed = a.agree(&b.public()).unwrap();
        assert_eq!(b.agree(&a.public()), Ok(agreed));
        assert_ne!(a.agree(&a.public()), Ok(agreed));
        let mut secrets = fastrand::Rng::with_seed(1);
        for _ in 0..20 {
            let mut secret = || Secret::new(std::array::from_fn(|_| secrets.u8(..)));
            let (a, b) = (secret(), secret());
            assert_eq!(a.agree(&b.public()), b.agree(&a.public()));
        }
    }

    #[test]
    fn what_gives_the_secret_away_is_refused() {
        let secret = Secret::new(SECRET_A);
        let near = |by: u32| {
            let mut limbs = PRIME;
            limbs[0] = limbs[0].wrapping_add(by);
            to_bytes(&limbs)
        };
        let small = |low: u8| {
            let mut bytes = [0; PUBLIC_LEN];
            bytes[PUBLIC_LEN - 1] = low;
            bytes
        };
        for bad in [small(0), small(1), near(0), near(1), near(u32::MAX), [0xff; PUBLIC_LEN]] {
            assert_eq!(secret.agree(&bad), Err(Degenerate), "{bad:02x?}");
        }
        for good in [small(2), near(u32::MAX - 1)] {
            assert!(secret.agree(&good).is_ok());
        }
        assert_eq!(secret.agree(&small(2)), Ok(secret.public()));
    }
}
