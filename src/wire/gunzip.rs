//! gzip (RFC 1952) from strangers, piece by piece: what comes out is bounded, and never held as a whole.

use miniz_oxide::inflate::stream::{InflateState, inflate};
use miniz_oxide::{DataFormat, MZError, MZFlush, MZStatus};

/// A head with a longer name, comment or extra field is none of ours.
const HEAD_LEN: usize = 64 * 1024;
const WINDOW_LEN: usize = 32 * 1024;

/// How gzip begins.
pub const MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Why it cannot be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refused {
    /// It is no gzip, or damaged.
    Damaged,
    /// More comes out of it than may.
    TooLong,
}

/// A reader of one file.
pub struct Gunzip {
    /// What came of the head so far; None behind it.
    head: Option<Vec<u8>>,
    state: Box<InflateState>,
    window: Vec<u8>,
    /// Bytes that may still come out.
    left: u64,
    is_over: bool,
}

impl Gunzip {
    /// At most `len_max` bytes come out.
    pub fn new(len_max: u64) -> Gunzip {
        let state = InflateState::new_boxed(DataFormat::Raw);
        Gunzip { head: Some(Vec::new()), state, window: vec![0; WINDOW_LEN], left: len_max, is_over: false }
    }

    /// Reads on; what comes out is handed to `take`. What stands behind the end is passed over.
    ///
    /// # Errors
    /// Where it cannot be read on.
    pub fn feed(&mut self, bytes: &[u8], take: impl FnMut(&[u8])) -> Result<(), Refused> {
        if let Some(head) = &mut self.head {
            head.extend_from_slice(bytes);
            match head_len(head)? {
                None if head.len() > HEAD_LEN => return Err(Refused::Damaged),
                None => return Ok(()),
                Some(len) => {
                    let rest = head.split_off(len);
                    self.head = None;
                    return self.inflate(&rest, take);
                }
            }
        }
        self.inflate(bytes, take)
    }

    fn inflate(&mut self, mut bytes: &[u8], mut take: impl FnMut(&[u8])) -> Result<(), Refused> {
        while !self.is_over {
            let result = inflate(&mut self.state, bytes, &mut self.window, MZFlush::None);
            bytes = &bytes[result.bytes_consumed..];
            self.left = self.left.checked_sub(result.bytes_written as u64).ok_or(Refused::TooLong)?;
            take(&self.window[..result.bytes_written]);
            match result.status {
                Ok(MZStatus::StreamEnd) => self.is_over = true,
                Ok(_) if result.bytes_written == 0 && bytes.is_empty() => break,
                // Nothing moves before more comes.
                Err(MZError::Buf) if bytes.is_empty() => break,
                Ok(_) => {}
                Err(_) => return Err(Refused::Damaged),
            }
        }
        Ok(())
    }

    /// Whether all of it came.
    pub fn is_over(&self) -> bool {
        self.is_over
    }
}

/// Bytes of the head; None before all of it is here.
fn head_len(bytes: &[u8]) -> Result<Option<usize>, Refused> {
    const CHECK: u8 = 2;
    const EXTRA: u8 = 4;
    const NAME: u8 = 8;
    const COMMENT: u8 = 16;
    if bytes.iter().zip([MAGIC[0], MAGIC[1], 8]).any(|(byte, wanted)| *byte != wanted) {
        return Err(Refused::Damaged);
    }
    let Some(flags) = bytes.get(3).copied() else { return Ok(None) };
    let mut len = 10;
    if flags & EXTRA != 0 {
        let Some([low, high]) = bytes.get(len..len + 2) else { return Ok(None) };
        len += 2 + usize::from(u16::from_le_bytes([*low, *high]));
    }
    for flag in [NAME, COMMENT] {
        if flags & flag != 0 {
            let text = bytes.get(len..).unwrap_or_default();
            let Some(end) = text.iter().position(|byte| *byte == 0) else { return Ok(None) };
            len += end + 1;
        }
    }
    if flags & CHECK != 0 {
        len += 2;
    }
    Ok((bytes.len() >= len).then_some(len))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zipped(text: &[u8], flags: u8, fields: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x1f, 0x8b, 8, flags, 0, 0, 0, 0, 0, 3];
        bytes.extend_from_slice(fields);
        bytes.extend(miniz_oxide::deflate::compress_to_vec(text, 6));
        bytes.extend_from_slice(&[0; 8]);
        bytes
    }

    fn read(bytes: &[u8], step: usize, len_max: u64) -> Result<Option<Vec<u8>>, Refused> {
        let (mut reader, mut out) = (Gunzip::new(len_max), Vec::new());
        for piece in bytes.chunks(step) {
            reader.feed(piece, |bytes| out.extend_from_slice(bytes))?;
        }
        Ok(reader.is_over().then_some(out))
    }

    #[test]
    fn files_are_read_at_every_split_point() {
        let text = b"one line\nand another one\n".repeat(40);
        let fields = b"\x03\0abcname.txt\0a comment\0\xab\xcd";
        let bytes = zipped(&text, 2 | 4 | 8 | 16, fields);
        for step in 1..bytes.len() {
            assert_eq!(read(&bytes, step, 1000), Ok(Some(text.clone())), "{step}");
        }
        for len in 0..bytes.len() - 8 {
            assert_eq!(read(&bytes[..len], 7, 1000), Ok(None), "{len}");
        }
    }

    #[test]
    fn bombs_and_damage_are_refused() {
        let bomb = zipped(&vec![0; 10_000_000], 0, b"");
        assert!(bomb.len() < 20_000);
        let mut most = 0;
        let mut reader = Gunzip::new(100_000);
        assert_eq!(reader.feed(&bomb, |bytes| most += bytes.len()), Err(Refused::TooLong));
        assert!(most <= 100_000);
        assert_eq!(read(b"PK\x03\x04", 9, 9), Err(Refused::Damaged));
        assert_eq!(read(&zipped(b"", 0, b"\xff\xff\xff"), 99, 9), Err(Refused::Damaged));
        let endless = [&[0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 3][..], &[b'a'; 100_000]].concat();
        assert_eq!(read(&endless, 1000, 9), Err(Refused::Damaged));
    }
}
