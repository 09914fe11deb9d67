//! How a request's body is framed, and the chunked framing taken off (RFC 9112, 6 and 7.1).

use super::{Refused, refused, values};

/// Bytes of the line before a chunk: its size and extensions nobody uses.
const LINE_LEN: usize = 256;
/// Bytes of the fields after the last chunk; they are passed over.
const TRAILER_LEN: usize = 4096;

/// How many bytes belong to a body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Framing {
    Length(u64),
    Chunked,
}

impl Framing {
    /// What the fields say. Two ways at once are refused: that is how requests are smuggled past proxies.
    pub(super) fn of(fields: &[httparse::Header<'_>]) -> Result<Framing, Refused> {
        let mut length = None;
        for value in values(fields, "content-length") {
            let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
            if !digits || length.is_some_and(|before| before != value) {
                return Err(refused(400, "The length of the body is malformed."));
            }
            length = Some(value);
        }
        let mut codings = values(fields, "transfer-encoding").peekable();
        if codings.peek().is_none() {
            let length = length.unwrap_or("0").parse();
            return length.map(Framing::Length).map_err(|_| refused(413, "The body is too large."));
        }
        match (length, codings.next(), codings.next()) {
            (Some(_), ..) => Err(refused(400, "The body has two lengths.")),
            (None, Some(coding), None) if coding.eq_ignore_ascii_case("chunked") => Ok(Framing::Chunked),
            _ => Err(refused(501, "Bodies are understood plain or chunked only.")),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// In the line before a chunk.
    Size,
    /// This many bytes of the chunk are still to come.
    Data(u64),
    /// In the line end after a chunk.
    End,
    /// After the last chunk; the length of the line so far.
    Trailer(usize),
    Over,
}

/// Takes the framing off a chunked body, in whatever pieces it arrives.
#[derive(Clone, Debug)]
pub struct Chunked {
    state: State,
    size: u64,
    has_digit: bool,
    /// In an extension of the chunk: nothing counts up to the end of the line.
    in_extension: bool,
    /// Bytes of the line, or of all trailers.
    line_len: usize,
}

impl Default for Chunked {
    fn default() -> Chunked {
        Chunked { state: State::Size, size: 0, has_digit: false, in_extension: false, line_len: 0 }
    }
}

const MALFORMED: Refused = refused(400, "The chunks of the body are malformed.");

impl Chunked {
    /// Takes bytes from the front of `bytes` and puts the body's into `body`, at most `len_max` in all. True when the
    /// body is complete; what is left in `bytes` is the next request's.
    ///
    /// # Errors
    /// It is malformed or too long.
    pub fn feed(&mut self, bytes: &mut &[u8], body: &mut Vec<u8>, len_max: usize) -> Result<bool, Refused> {
        loop {
            match self.step(bytes, usize::MAX, body.len(), len_max)? {
                None => return Ok(true),
                Some([]) => return Ok(false),
                Some(data) if body.len() + data.len() > len_max => {
                    return Err(refused(413, "The body is too large."));
                }
                Some(data) => body.extend_from_slice(data),
            }
        }
    }

    /// The next bytes of a body of any length, taken from the front of `bytes`, at most `max` (not 0). None when the
    /// body is complete; no bytes when more of it has to come first.
    ///
    /// # Errors
    /// It is malformed.
    pub fn take<'a>(&mut self, bytes: &mut &'a [u8], max: usize) -> Result<Option<&'a [u8]>, Refused> {
        self.step(bytes, max, 0, usize::MAX)
    }

    fn step<'a>(
        &mut self,
        bytes: &mut &'a [u8],
        max: usize,
        body_len: usize,
        len_max: usize,
    ) -> Result<Option<&'a [u8]>, Refused> {
        while self.state != State::Over {
            let Some((&byte, rest)) = bytes.split_first() else { return Ok(Some(&[])) };
            match self.state {
                State::Data(left) => {
                    let len = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len()).min(max);
                    let (data, rest) = bytes.split_at(len);
                    *bytes = rest;
                    let left = left - len as u64;
                    self.state = if left == 0 { State::End } else { State::Data(left) };
                    return Ok(Some(data));
                }
                State::Size => self.size_byte(byte, body_len, len_max)?,
                State::End if byte == b'\n' => self.state = State::Size,
                State::End if byte == b'\r' => {}
                State::End => return Err(MALFORMED),
                State::Trailer(line_len) => self.trailer_byte(byte, line_len)?,
                State::Over => {}
            }
            *bytes = rest;
        }
        Ok(None)
    }

    fn size_byte(&mut self, byte: u8, body_len: usize, len_max: usize) -> Result<(), Refused> {
        self.line_len += 1;
        if self.line_len > LINE_LEN {
            return Err(MALFORMED);
        }
        match (byte, char::from(byte).to_digit(16)) {
            (b'\n', _) if self.has_digit => {
                let state = if self.size == 0 { State::Trailer(0) } else { State::Data(self.size) };
                if self.size > (len_max - body_len.min(len_max)) as u64 {
                    return Err(refused(413, "The body is too large."));
                }
                *self = Chunked { state, ..Chunked::default() };
            }
            (b'\n', _) => return Err(MALFORMED),
            _ if self.in_extension => {}
            (_, Some(digit)) => {
                self.has_digit = true;
                self.size = self.size.checked_mul(16).ok_or(MALFORMED)? | u64::from(digit);
            }
            (b';' | b'\r' | b' ' | b'\t', None) if self.has_digit => self.in_extension = true,
            _ => return Err(MALFORMED),
        }
        Ok(())
    }

    fn trailer_byte(&mut self, byte: u8, line_len: usize) -> Result<(), Refused> {
        self.line_len += 1;
        if self.line_len > TRAILER_LEN {
            return Err(MALFORMED);
        }
        self.state = match byte {
            b'\n' if line_len == 0 => State::Over,
            b'\n' => State::Trailer(0),
            b'\r' => State::Trailer(line_len),
            _ => State::Trailer(line_len + 1),
        };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unframed(pieces: &[&[u8]], len_max: usize) -> Result<(Vec<u8>, bool, usize), Refused> {
        let mut chunked = Chunked::default();
        let mut body = Vec::new();
        let mut is_over = false;
        let mut left = 0;
        for piece in pieces {
            let mut bytes = *piece;
            is_over = chunked.feed(&mut bytes, &mut body, len_max)?;
            left = bytes.len();
        }
        Ok((body, is_over, left))
    }

    #[test]
    fn chunks_are_joined_at_every_split_point() {
        let framed = b"4\r\nWiki\r\n00A;x=\"y\" \r\npedia in \n\r\n1 \nx\n0\r\nTrailer: y\r\n\r\nGET";
        for split in 0..framed.len() - 3 {
            let (front, back) = framed.split_at(split);
            let (body, is_over, left) = unframed(&[front, back], 100).unwrap();
            assert_eq!((body.as_slice(), is_over, left), (&b"Wikipedia in \nx"[..], true, 3), "at {split}");
        }
        let (_, is_over, _) = unframed(&[b"4\r\nWiki\r\n0\r\n"], 100).unwrap();
        assert!(!is_over, "the line that ends the trailers is missing");
    }

    #[test]
    fn malformed_and_endless_chunks_are_refused() {
        let long = [b"1;".as_slice(), &[b'x'; LINE_LEN]].concat();
        let trailers = [b"0\r\n".as_slice(), &b"a: b\r\n".repeat(TRAILER_LEN)].concat();
        for framed in [
            &b"\r\n"[..],
            b"x\r\n",
            b"-1\r\n",
            b"1\r\nxx",
            b" 1\r\nx",
            b";1\r\n",
            b"11111111111111111\r\n",
            &long,
            &trailers,
        ] {
            assert_eq!(unframed(&[framed], 100).unwrap_err().status, 400, "{}", framed.escape_ascii());
        }
        assert_eq!(unframed(&[b"65\r\n"], 100).unwrap_err().status, 413);
        assert_eq!(unframed(&[b"3c\r\n", &[b'x'; 60], b"\r\n29\r\n"], 100).unwrap_err().status, 413);
    }
}
