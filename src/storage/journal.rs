//! The resume journal's bytes: a header, then lines of a few bytes, each behind all earlier ones in a running check,
//! so that a torn tail or the leftovers of an older journal are cut off cleanly.

use super::fields::{Fields, put_bytes, put_number};
use crate::base::InfoHash;

const MAGIC: &[u8; 8] = b"PLjour1\n";
/// Longest boot id believed.
const BOOT_ID_LEN: usize = 64;

/// One thing that happened. Numbers are as they were written: to be checked against the torrent by who applies them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Line {
    /// Payload is about to be written: from now on files differ from the snapshot's stamps.
    Begun,
    /// File `key` of the layout (or behind the last one the part file) is this one from now on.
    File { key: u32, inode: u64, device: u64 },
    /// `count` blocks from block `first` on were written.
    Stored { piece: u32, first: u32, count: u32 },
    /// The piece was hashed and is right.
    Verified { piece: u32 },
    /// The piece was hashed and is wrong.
    Failed { piece: u32 },
    /// All that was wanted is verified.
    Completed,
}

/// Where the next line goes and what its check goes on from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct End {
    /// Bytes of the journal so far.
    pub len: u64,
    check: u32,
}

/// A journal as read back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Journal<'a> {
    /// The snapshot it goes on from.
    pub generation: u64,
    pub info_hash: InfoHash,
    pub boot_id: &'a str,
    bytes: &'a [u8],
    start: End,
}

impl<'a> Journal<'a> {
    /// The first bytes of a journal, and where its lines begin.
    pub fn header(generation: u64, info_hash: InfoHash, boot_id: &str) -> (Vec<u8>, End) {
        let mut bytes = MAGIC.to_vec();
        put_number(&mut bytes, generation);
        bytes.extend_from_slice(&info_hash.0);
        put_bytes(&mut bytes, boot_id.as_bytes());
        let end = seal(&mut bytes, 0, End { len: 0, check: FNV_START });
        (bytes, end)
    }

    /// Reads a journal's header; None when it is not as it was written.
    pub fn decode(bytes: &'a [u8]) -> Option<Journal<'a>> {
        let mut fields = Fields { rest: bytes };
        if fields.take(MAGIC.len())? != MAGIC {
            return None;
        }
        let generation = fields.number()?;
        let info_hash = InfoHash(fields.take(20)?.try_into().ok()?);
        let boot_id = fields.bytes().filter(|bytes| bytes.len() <= BOOT_ID_LEN)?;
        let boot_id = std::str::from_utf8(boot_id).ok()?;
        let start = unseal(&mut fields, bytes, End { len: 0, check: FNV_START })?;
        Some(Journal { generation, info_hash, boot_id, bytes, start })
    }

    /// Its lines, up to the first byte that is not as it was written.
    pub fn lines(&self) -> Lines<'a> {
        Lines { bytes: self.bytes, end: self.start }
    }
}

/// Reads line after line.
#[derive(Clone, Debug)]
pub struct Lines<'a> {
    bytes: &'a [u8],
    end: End,
}

impl Lines<'_> {
    /// Where the lines read so far end.
    pub fn end(&self) -> End {
        self.end
    }
}

impl Iterator for Lines<'_> {
    type Item = Line;

    fn next(&mut self) -> Option<Line> {
        let start = usize::try_from(self.end.len).ok()?;
        let mut fields = Fields { rest: self.bytes.get(start..)? };
        let line = Line::decode(&mut fields)?;
        self.end = unseal(&mut fields, self.bytes, self.end)?;
        Some(line)
    }
}

impl Line {
    /// Appends the line to `out`, as it follows on `end`; the new end comes back.
    pub fn encode(&self, out: &mut Vec<u8>, end: End) -> End {
        let start = out.len();
        let (tag, numbers): (u8, &[u64]) = match *self {
            Line::Begun => (b'B', &[]),
            Line::File { key, inode, device } => (b'I', &[key.into(), inode, device]),
            Line::Stored { piece, first, count } => (b'S', &[piece.into(), first.into(), count.into()]),
            Line::Verified { piece } => (b'V', &[piece.into()]),
            Line::Failed { piece } => (b'F', &[piece.into()]),
            Line::Completed => (b'C', &[]),
        };
        out.push(tag);
        numbers.iter().for_each(|&number| put_number(out, number));
        seal(out, start, end)
    }

    fn decode(fields: &mut Fields<'_>) -> Option<Line> {
        Some(match fields.byte()? {
            b'B' => Line::Begun,
            b'I' => Line::File { key: fields.number_u32()?, inode: fields.number()?, device: fields.number()? },
            b'S' => {
                let [piece, first, count] = [fields.number_u32()?, fields.number_u32()?, fields.number_u32()?];
                Line::Stored { piece, first, count }
            }
            b'V' => Line::Verified { piece: fields.number_u32()? },
            b'F' => Line::Failed { piece: fields.number_u32()? },
            b'C' => Line::Completed,
            _ => return None,
        })
    }
}

/// Start and factor of FNV-1a with 32 bits.
const FNV_START: u32 = 0x811c_9dc5;
const FNV_PRIME: u32 = 0x0100_0193;

fn running_check(check: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(check, |check, &byte| (check ^ u32::from(byte)).wrapping_mul(FNV_PRIME))
}

fn short(check: u32) -> [u8; 2] {
    ((check >> 16) as u16 ^ check as u16).to_le_bytes()
}

/// Appends the check of everything from `start` on.
fn seal(out: &mut Vec<u8>, start: usize, end: End) -> End {
    let check = running_check(end.check, &out[start..]);
    out.extend_from_slice(&short(check));
    End { len: end.len + (out.len() - start) as u64, check }
}

/// Reads the check behind what was read since `end`; None where it is wrong.
fn unseal(fields: &mut Fields<'_>, bytes: &[u8], end: End) -> Option<End> {
    let start = usize::try_from(end.len).ok()?;
    let read = bytes.get(start..bytes.len() - fields.rest.len())?;
    let check = running_check(end.check, read);
    let stored = fields.take(2)?;
    (stored == short(check)).then(|| End { len: end.len + read.len() as u64 + 2, check })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: [Line; 8] = [
        Line::Begun,
        Line::File { key: 3, inode: 77, device: 2049 },
        Line::Stored { piece: 4, first: 0, count: 16 },
        Line::Stored { piece: 300, first: 1000, count: 1 },
        Line::Verified { piece: 4 },
        Line::Failed { piece: 300 },
        Line::Completed,
        Line::Verified { piece: u32::MAX },
    ];

    /// A journal of [`LINES`], and where each of its parts ends.
    fn written() -> (Vec<u8>, Vec<usize>) {
        let (mut bytes, mut end) = Journal::header(9, InfoHash([5; 20]), "this-boot");
        let mut ends = vec![bytes.len()];
        for line in LINES {
            end = line.encode(&mut bytes, end);
            assert_eq!(end.len, bytes.len() as u64);
            ends.push(bytes.len());
        }
        (bytes, ends)
    }

    /// The lines that can be read, and where they end.
    fn read(bytes: &[u8]) -> Option<(Vec<Line>, End)> {
        let mut lines = Journal::decode(bytes)?.lines();
        let read = lines.by_ref().collect();
        Some((read, lines.end()))
    }

    #[test]
    fn a_journal_torn_at_any_byte_ends_before_the_torn_line() {
        let (bytes, ends) = written();
        for len in 0..=bytes.len() {
            let whole = ends.iter().filter(|&&end| end <= len).count();
            if whole == 0 {
                assert_eq!(read(&bytes[..len]), None);
                continue;
            }
            let journal = Journal::decode(&bytes[..len]).unwrap();
            assert_eq!((journal.generation, journal.boot_id), (9, "this-boot"));
            let (lines, end) = read(&bytes[..len]).unwrap();
            assert_eq!(lines, LINES[..whole - 1]);
            assert_eq!(end.len, ends[whole - 1] as u64);
        }
    }

    #[test]
    fn appending_after_a_cut_reads_back() {
        let (bytes, ends) = written();
        let (_, end) = read(&bytes[..ends[3] + 1]).unwrap();
        let mut bytes = bytes[..end.len as usize].to_vec();
        Line::Completed.encode(&mut bytes, end);
        assert_eq!(read(&bytes).unwrap().0[3..], [Line::Completed]);
    }

    #[test]
    fn a_changed_byte_ends_the_journal_there() {
        let (bytes, ends) = written();
        for at in 0..bytes.len() {
            let mut bytes = bytes.clone();
            bytes[at] ^= 0x41;
            let untouched = ends.iter().filter(|&&end| end <= at).count();
            let lines = read(&bytes).map_or(0, |(lines, _)| lines.len());
            assert_eq!(lines, untouched.saturating_sub(1), "byte {at}");
        }
    }

    #[test]
    fn leftovers_of_an_older_journal_are_not_read() {
        let (old, _) = written();
        let (mut bytes, end) = Journal::header(10, InfoHash([5; 20]), "this-boot");
        Line::Begun.encode(&mut bytes, end);
        bytes.extend_from_slice(&old[bytes.len()..]);
        assert_eq!(read(&bytes).unwrap().0, [Line::Begun]);
    }

    #[test]
    fn a_batch_of_blocks_costs_few_bytes() {
        let mut bytes = Vec::new();
        let end = End { len: 0, check: 1 };
        Line::Stored { piece: 1000, first: 16, count: 16 }.encode(&mut bytes, end);
        assert!(bytes.len() <= 8, "{}", bytes.len());
    }
}
