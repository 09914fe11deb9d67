//! Lists of addresses to stay away from, as text that others publish: P2P (`name:1.2.3.0-1.2.3.255`), DAT
//! (`001.002.003.000 - 001.002.003.255 , 000 , name`), networks (`1.2.3.0/24`) and single addresses, one to a line;
//! also gzipped.

use std::net::{IpAddr, Ipv4Addr};

use super::gunzip::{Gunzip, MAGIC, Refused};
use crate::base::blocked::{Blocked, Gather, TooMany};

/// A longer line says nothing.
const LINE_LEN: usize = 1024;
/// Bytes of a list's text; the largest ones have 30 MB.
const TEXT_LEN: u64 = 128 * 1024 * 1024;
/// DAT: only ranges of a lower level are blocked.
const LEVEL: u32 = 128;

/// Why a list cannot be used, for people.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unusable {
    /// Nothing in it is a range.
    NoList,
    Damaged,
    TooLong,
    TooMany,
}

impl Unusable {
    pub fn text(self) -> &'static str {
        match self {
            Unusable::NoList => "it is no list of addresses",
            Unusable::Damaged => "it is damaged",
            Unusable::TooLong => "it is too long",
            Unusable::TooMany => "it has too many ranges",
        }
    }
}

/// Reads a list piece by piece.
#[derive(Default)]
pub struct Reader {
    gunzip: Option<Gunzip>,
    has_begun: bool,
    text: Text,
}

/// The lines of one.
#[derive(Default)]
struct Text {
    ranges: Gather,
    line: Vec<u8>,
    /// The line is too long already.
    skips: bool,
    /// Lines that are none, for those who want to know.
    bad_count: u32,
    good_count: u32,
    len: u64,
    wrong: Option<Unusable>,
}

impl Reader {
    /// Reads on.
    ///
    /// # Errors
    /// Where nothing can become of it.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), Unusable> {
        if bytes.is_empty() {
            return Ok(());
        }
        if !std::mem::replace(&mut self.has_begun, true) && bytes[0] == MAGIC[0] {
            self.gunzip = Some(Gunzip::new(TEXT_LEN));
        }
        let text = &mut self.text;
        match &mut self.gunzip {
            None => text.feed(bytes),
            Some(gunzip) => gunzip.feed(bytes, |bytes| text.feed(bytes)).map_err(|refused| match refused {
                Refused::Damaged => Unusable::Damaged,
                Refused::TooLong => Unusable::TooLong,
            })?,
        }
        text.wrong.map_or(Ok(()), Err)
    }

    /// Its ranges, and how many lines were none.
    ///
    /// # Errors
    /// Where it ended early, or was no list.
    pub fn finish(mut self) -> Result<(Blocked, u32), Unusable> {
        if self.gunzip.is_some_and(|gunzip| !gunzip.is_over()) {
            return Err(Unusable::Damaged);
        }
        self.text.end_line();
        match self.text {
            Text { wrong: Some(wrong), .. } => Err(wrong),
            Text { good_count: 0, bad_count: 1.., .. } => Err(Unusable::NoList),
            text => Ok((text.ranges.finish(), text.bad_count)),
        }
    }
}

impl Text {
    fn feed(&mut self, bytes: &[u8]) {
        self.len += bytes.len() as u64;
        if self.len > TEXT_LEN {
            self.wrong.get_or_insert(Unusable::TooLong);
        }
        let mut pieces = bytes.split(|byte| *byte == b'\n');
        let last = pieces.next_back().unwrap_or_default();
        for piece in pieces {
            self.add(piece);
            self.end_line();
        }
        self.add(last);
    }

    fn add(&mut self, piece: &[u8]) {
        self.skips |= self.line.len() + piece.len() > LINE_LEN;
        if !self.skips {
            self.line.extend_from_slice(piece);
        }
    }

    fn end_line(&mut self) {
        if self.wrong.is_some() {
            return;
        }
        let skips = std::mem::take(&mut self.skips);
        let line = String::from_utf8_lossy(&self.line);
        let added = if skips { Ok(Some(false)) } else { add_line(line.trim(), &mut self.ranges) };
        self.line.clear();
        match added {
            Ok(Some(true)) => self.good_count += 1,
            Ok(Some(false)) => self.bad_count += 1,
            Ok(None) => {}
            Err(TooMany) => self.wrong = Some(Unusable::TooMany),
        }
    }
}

/// True: it is a range; false: it is none; None: it says nothing.
fn add_line(line: &str, to: &mut Gather) -> Result<Option<bool>, TooMany> {
    if line.is_empty() || line.starts_with('#') || line.starts_with("//") {
        return Ok(None);
    }
    if add_plain(line, to)? {
        return Ok(Some(true));
    }
    if let Some((range, rest)) = line.split_once(',') {
        let level = rest.split(',').next().and_then(|level| level.trim().parse::<u32>().ok());
        if let Some(level) = level
            && let Some((first, last)) = range_of(range)
        {
            // What is allowed there is no mistake.
            return if level < LEVEL { to.add(first, last).map(Some) } else { Ok(None) };
        }
    }
    // Names may have colons in them, and addresses, too.
    for (at, _) in line.match_indices(':') {
        if let Some((first, last)) = range_of(&line[at + 1..]) {
            return to.add(first, last).map(Some);
        }
    }
    Ok(Some(false))
}

/// An address, a network or a range without a name.
fn add_plain(text: &str, to: &mut Gather) -> Result<bool, TooMany> {
    if let Some((ip, bits)) = text.split_once('/') {
        return match (address(ip), bits.trim().parse()) {
            (Some(ip), Ok(bits)) => to.add_network(ip, bits),
            _ => Ok(false),
        };
    }
    match address(text).map(|ip| (ip, ip)).or_else(|| range_of(text)) {
        Some((first, last)) => to.add(first, last),
        None => Ok(false),
    }
}

fn range_of(text: &str) -> Option<(IpAddr, IpAddr)> {
    let (first, last) = text.split_once('-')?;
    Some((address(first)?, address(last)?))
}

/// An address; those of IPv4 may have zeros in front of their numbers, which are decimal all the same.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    if text.contains(':') {
        return text.parse().ok();
    }
    let mut octets = [0; 4];
    let mut parts = text.split('.');
    for octet in &mut octets {
        let part = parts.next().filter(|part| (1..=3).contains(&part.len()))?;
        let is_number = part.bytes().all(|byte| byte.is_ascii_digit());
        *octet = part.parse().ok().filter(|_| is_number)?;
    }
    parts.next().is_none().then(|| Ipv4Addr::from(octets).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], step: usize) -> Result<(Blocked, u32), Unusable> {
        let mut reader = Reader::default();
        for piece in bytes.chunks(step.max(1)) {
            reader.feed(piece)?;
        }
        reader.finish()
    }

    const LIST: &str = "# a comment\r\n// another\n\nSome name: with colons - and more:1.2.3.0-1.2.3.255\r\n\
        001.002.004.000 - 001.002.004.255 , 000 , Some, name\n5.5.5.5 - 5.5.5.9 , 200 , allowed\n\
        10.1.0.0/16\n2001:db8::/32\nsix:2001:db9::-2001:db9::ff\n9.9.9.9\n::1\nnonsense\n1.2.3\n1.2.3.4-\n300.1.1.1\n\
        last:8.8.8.8-8.8.8.8";

    #[test]
    fn every_kind_of_line_is_read_at_every_split_point() {
        for step in 1..LIST.len() {
            let (blocked, bad_count) = read(LIST.as_bytes(), step).unwrap();
            assert_eq!((blocked.count(), bad_count), (6, 4), "{step}");
            for (ip, is_in) in [
                ("1.2.3.7", true),
                ("1.2.4.255", true),
                ("1.2.5.0", false),
                ("5.5.5.5", false),
                ("10.1.255.255", true),
                ("2001:db8:1::1", true),
                ("2001:db9::fe", true),
                ("2001:db9::1:0", false),
                ("9.9.9.9", true),
                ("::1", true),
                ("8.8.8.8", true),
            ] {
                assert_eq!(blocked.holds(ip.parse().unwrap()), is_in, "{ip}");
            }
        }
    }

    #[test]
    fn gzipped_lists_and_what_is_none() {
        let mut zipped = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
        zipped.extend(miniz_oxide::deflate::compress_to_vec(LIST.as_bytes(), 6));
        assert_eq!(read(&zipped, 5).map(|(blocked, _)| blocked.count()), Ok(6));
        assert_eq!(read(&zipped[..zipped.len() - 3], 5), Err(Unusable::Damaged));
        assert_eq!(read(b"<html>\nno\n", 9), Err(Unusable::NoList));
        assert_eq!(read(b"", 9).map(|(blocked, _)| blocked.count()), Ok(0), "an empty list blocks nobody");
        assert_eq!(read(&vec![b'x'; 1_000_000], 1000), Err(Unusable::NoList));
        let long = [&vec![b'x'; 100_000][..], b"\n1.2.3.4\n"].concat();
        assert_eq!(read(&long, 1000).map(|(blocked, bad)| (blocked.count(), bad)), Ok((1, 1)));
    }
}
