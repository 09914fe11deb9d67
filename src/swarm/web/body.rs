//! The body of a web seed's answer: bytes to be passed over, the part that was asked for, bytes to be passed over.

use super::Refusal;
use crate::wire::http::Chunked;
use crate::wire::http_client::{Extent, ReplyHead};

#[derive(Debug)]
enum Kind {
    Length,
    Chunked(Box<Chunked>),
    /// The end of the connection is its end; nothing more is expected than was asked for.
    ToEnd,
}

#[derive(Debug)]
pub struct Body {
    kind: Kind,
    before: u64,
    len: u64,
    after: u64,
    /// The connection may be used again when it is over.
    pub keeps: bool,
}

impl Body {
    /// After this head: so many bytes that nobody wants, then `len` wanted ones, then others that nobody wants. A length
    /// that was told is their sum.
    pub fn new(head: &ReplyHead, before: u64, len: u64, after: u64) -> Body {
        let kind = match head.extent {
            Extent::Length(_) => Kind::Length,
            Extent::Chunked => Kind::Chunked(Box::default()),
            Extent::ToEnd => Kind::ToEnd,
        };
        Body { keeps: head.keeps && !matches!(kind, Kind::ToEnd), kind, before, len, after }
    }

    /// The wanted bytes come later.
    pub fn is_before(&self) -> bool {
        self.before > 0
    }

    /// The wanted bytes have come.
    pub fn is_through(&self) -> bool {
        self.len == 0
    }

    /// Wanted bytes from the front of `bytes`, at most `max`; none where more has to come first.
    ///
    /// # Errors
    /// It ends too early.
    pub fn take<'a>(&mut self, bytes: &mut &'a [u8], max: u64) -> Result<&'a [u8], Refusal> {
        let data = self.content(bytes, self.len.min(max))?;
        self.len -= data.len() as u64;
        Ok(data)
    }

    /// Passes over what nobody wants. True when the body is over.
    ///
    /// # Errors
    /// It ends too early, or not where it should.
    pub fn pass(&mut self, bytes: &mut &[u8]) -> Result<bool, Refusal> {
        while self.before > 0 {
            let passed = self.content(bytes, self.before)?.len();
            if passed == 0 {
                return Ok(false);
            }
            self.before -= passed as u64;
        }
        if self.len > 0 {
            return Ok(false);
        }
        while self.after > 0 {
            let passed = self.content(bytes, self.after)?.len();
            if passed == 0 {
                return Ok(false);
            }
            self.after -= passed as u64;
        }
        let Kind::Chunked(chunked) = &mut self.kind else { return Ok(true) };
        match chunked.take(bytes, 1) {
            Ok(None) => Ok(true),
            Ok(Some([])) => Ok(false),
            Ok(Some(_)) => Err(Refusal::Nonsense("the answer is longer than it should be")),
            Err(_) => Err(MALFORMED),
        }
    }

    /// Bytes of the body without its framing; `max` is not 0.
    fn content<'a>(&mut self, bytes: &mut &'a [u8], max: u64) -> Result<&'a [u8], Refusal> {
        let max = usize::try_from(max).unwrap_or(usize::MAX);
        if let Kind::Chunked(chunked) = &mut self.kind {
            return match chunked.take(bytes, max) {
                Ok(Some(data)) => Ok(data),
                Ok(None) => Err(Refusal::Nonsense("the answer is shorter than it should be")),
                Err(_) => Err(MALFORMED),
            };
        }
        let (data, rest) = bytes.split_at(bytes.len().min(max));
        *bytes = rest;
        Ok(data)
    }
}

const MALFORMED: Refusal = Refusal::Nonsense("the chunks of the answer are malformed");
