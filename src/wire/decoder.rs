//! Bytes of a peer connection to messages, in whatever pieces they arrive. Payload of blocks is never copied or
//! kept here: it passes through as slices. Anything else is bounded before a byte of it is stored.

use super::peer::{Message, RawBlock, id};
use crate::base::Geometry;
use crate::base::limits;

/// What comes out of the stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event<'a> {
    Message(Message<'a>),
    /// A `piece` message begins; its payload follows as [`Event::Payload`].
    Head(RawBlock),
    /// A part of the payload announced by the last head; `last` when it is complete.
    Payload {
        bytes: &'a [u8],
        last: bool,
    },
}

/// The peer's fault (error family 1): hang up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DecodeError {
    /// A message longer than its kind allows: number (if known) and length.
    TooLong(u32),
    /// A message whose length does not fit its number.
    WrongLen { number: u8, len: u32 },
}

impl std::fmt::Display for DecodeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            DecodeError::TooLong(len) => write!(f, "a message of {len} bytes is too long"),
            DecodeError::WrongLen { number, len } => write!(f, "message {number} cannot have {len} bytes"),
        }
    }
}

#[derive(Clone, Debug)]
enum State {
    /// Gathering the four bytes of length and then the head: number, and for `piece` index and begin.
    Head,
    /// Gathering the `len` bytes after the number of a message whose length varies, in `store`.
    Body { number: u8, len: usize },
    /// Passing payload through: bytes left.
    Payload(u32),
}

/// State between two reads.
#[derive(Clone, Debug)]
pub struct Decoder {
    state: State,
    head: [u8; 17],
    head_len: usize,
    /// A message whose end has not come yet. Given back after use, so an idle connection holds nothing.
    store: Vec<u8>,
    /// The last event borrowed `store`; it is emptied at the next call.
    spent: bool,
    message_max: u32,
}

impl Decoder {
    /// For a torrent of `piece_count` pieces: its bitfield is the only message that may exceed
    /// [`limits::MESSAGE_LEN`].
    pub fn new(piece_count: u32) -> Decoder {
        let message_max = limits::MESSAGE_LEN.max(1 + piece_count.div_ceil(8));
        Decoder { state: State::Head, head: [0; 17], head_len: 0, store: Vec::new(), spent: false, message_max }
    }

    /// Payload bytes still to come of the block in transit, 0 between blocks.
    pub fn payload_left(&self) -> u32 {
        if let State::Payload(left) = self.state { left } else { 0 }
    }

    /// Bytes of memory that a message takes whose end has not come.
    pub fn held(&self) -> usize {
        self.store.len()
    }

    /// The next event, taken from the front of `bytes`. None: all bytes are used up.
    ///
    /// # Errors
    /// The stream is broken and must not be read on.
    pub fn next<'s, 'b: 's>(&'s mut self, bytes: &mut &'b [u8]) -> Result<Option<Event<'s>>, DecodeError> {
        if self.spent {
            self.store = Vec::new();
            self.spent = false;
        }
        loop {
            match self.state {
                State::Payload(left) => {
                    let take = bytes.len().min(left as usize);
                    if take == 0 {
                        return Ok(None);
                    }
                    let (now, later) = bytes.split_at(take);
                    *bytes = later;
                    let left = left - take as u32;
                    self.state = if left == 0 { State::Head } else { State::Payload(left) };
                    return Ok(Some(Event::Payload { bytes: now, last: left == 0 }));
                }
                State::Body { number, len } => {
                    if self.store.is_empty() && bytes.len() >= len {
                        let (body, later) = bytes.split_at(len);
                        *bytes = later;
                        self.state = State::Head;
                        return Ok(Some(Event::Message(varying(number, body))));
                    }
                    let take = bytes.len().min(len - self.store.len());
                    self.store.extend_from_slice(&bytes[..take]);
                    *bytes = &bytes[take..];
                    if self.store.len() < len {
                        return Ok(None);
                    }
                    self.state = State::Head;
                    self.spent = true;
                    return Ok(Some(Event::Message(varying(number, &self.store))));
                }
                State::Head => {
                    let event = self.head(bytes)?;
                    if event.is_some() || matches!(self.state, State::Head) {
                        return Ok(event);
                    }
                }
            }
        }
    }

    /// Gathers a head. `Ok(None)` with the state still `Head`: more bytes are needed.
    fn head(&mut self, bytes: &mut &[u8]) -> Result<Option<Event<'static>>, DecodeError> {
        if !self.gather(bytes, 4) {
            return Ok(None);
        }
        let len = be32(&self.head[..4]);
        if len == 0 {
            self.head_len = 0;
            return Ok(Some(Event::Message(Message::KeepAlive)));
        }
        if !self.gather(bytes, 5) {
            return Ok(None);
        }
        if self.head[4] != id::PIECE {
            return self.other(bytes, len);
        }
        if !(10..=9 + Geometry::REQUEST_MAX).contains(&len) {
            return Err(DecodeError::WrongLen { number: id::PIECE, len });
        }
        if !self.gather(bytes, 13) {
            return Ok(None);
        }
        self.head_len = 0;
        self.state = State::Payload(len - 9);
        Ok(Some(Event::Head(RawBlock {
            index: be32(&self.head[5..9]),
            begin: be32(&self.head[9..13]),
            len: len - 9,
        })))
    }

    /// The number is known: refuses wrong lengths before anything is stored.
    fn other(&mut self, bytes: &mut &[u8], len: u32) -> Result<Option<Event<'static>>, DecodeError> {
        let number = self.head[4];
        let (fits, varies) = match number {
            id::CHOKE..=id::NOT_INTERESTED | id::HAVE_ALL | id::HAVE_NONE => (len == 1, false),
            id::HAVE | id::SUGGEST | id::ALLOWED_FAST => (len == 5, false),
            id::REQUEST | id::CANCEL | id::REJECT => (len == 13, false),
            id::PORT => (len == 3, false),
            id::EXTENDED => (len >= 2, true),
            _ => (true, true),
        };
        if !fits {
            return Err(DecodeError::WrongLen { number, len });
        }
        if len > self.message_max || (number != id::BITFIELD && len > limits::MESSAGE_LEN) {
            return Err(DecodeError::TooLong(len));
        }
        if varies {
            self.head_len = 0;
            self.state = State::Body { number, len: len as usize - 1 };
            return Ok(None);
        }
        let whole = 4 + len as usize;
        if !self.gather(bytes, whole) {
            return Ok(None);
        }
        self.head_len = 0;
        Ok(Some(Event::Message(fixed(number, &self.head[5..whole]))))
    }

    /// Whether `head` holds `want` bytes now.
    fn gather(&mut self, bytes: &mut &[u8], want: usize) -> bool {
        let take = bytes.len().min(want.saturating_sub(self.head_len));
        self.head[self.head_len..self.head_len + take].copy_from_slice(&bytes[..take]);
        self.head_len += take;
        *bytes = &bytes[take..];
        self.head_len >= want
    }
}

fn be32(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte))
}

/// A message of fixed length; `body` has that length.
fn fixed(number: u8, body: &[u8]) -> Message<'static> {
    let block = || RawBlock {
        index: be32(body.get(..4).unwrap_or_default()),
        begin: be32(body.get(4..8).unwrap_or_default()),
        len: be32(body.get(8..12).unwrap_or_default()),
    };
    match number {
        id::CHOKE => Message::Choke,
        id::UNCHOKE => Message::Unchoke,
        id::INTERESTED => Message::Interested,
        id::NOT_INTERESTED => Message::NotInterested,
        id::HAVE => Message::Have(be32(body)),
        id::REQUEST => Message::Request(block()),
        id::CANCEL => Message::Cancel(block()),
        id::PORT => Message::Port(be32(body) as u16),
        id::SUGGEST => Message::Suggest(be32(body)),
        id::HAVE_ALL => Message::HaveAll,
        id::HAVE_NONE => Message::HaveNone,
        id::REJECT => Message::Reject(block()),
        id::ALLOWED_FAST => Message::AllowedFast(be32(body)),
        _ => Message::Unknown(number),
    }
}

/// A message whose length varies.
fn varying(number: u8, body: &[u8]) -> Message<'_> {
    match (number, body.split_first()) {
        (id::BITFIELD, _) => Message::Bitfield(body),
        (id::EXTENDED, Some((&extended, body))) => Message::Extended(extended, body),
        _ => Message::Unknown(number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything the stream says when cut at the given places, payload pieces joined.
    fn decode(parts: &[&[u8]]) -> Result<Vec<String>, DecodeError> {
        let mut decoder = Decoder::new(100);
        let mut seen = Vec::new();
        let mut payload = Vec::new();
        for part in parts {
            let mut bytes = *part;
            while let Some(event) = decoder.next(&mut bytes)? {
                match event {
                    Event::Payload { bytes, last } => {
                        payload.extend_from_slice(bytes);
                        if last {
                            seen.push(format!("payload {:?}", std::mem::take(&mut payload)));
                        }
                    }
                    other => seen.push(format!("{other:?}")),
                }
            }
            assert!(bytes.is_empty());
        }
        Ok(seen)
    }

    fn everything() -> Vec<u8> {
        let block = RawBlock { index: 1, begin: 2, len: 3 };
        let mut stream = Vec::new();
        for message in [
            Message::KeepAlive,
            Message::Choke,
            Message::Unchoke,
            Message::Interested,
            Message::NotInterested,
            Message::Have(99),
            Message::Bitfield(&[1, 2, 3]),
            Message::Bitfield(&[]),
            Message::Request(block),
            Message::Cancel(block),
            Message::Port(6881),
            Message::Suggest(7),
            Message::HaveAll,
            Message::HaveNone,
            Message::Reject(block),
            Message::AllowedFast(5),
            Message::Extended(0, b"de"),
            Message::Extended(3, b""),
            Message::Unknown(255),
        ] {
            message.write(&mut stream);
        }
        let geometry = Geometry::new(100, 10).unwrap();
        stream.extend_from_slice(&crate::wire::peer::piece_head(geometry.block(3, 4, 5).unwrap()));
        stream.extend_from_slice(b"hello");
        Message::KeepAlive.write(&mut stream);
        stream
    }

    #[test]
    fn every_split_gives_the_same() {
        let stream = everything();
        let whole = decode(&[&stream]).unwrap();
        assert_eq!(whole.len(), 22);
        assert!(whole[19].contains("Head(RawBlock { index: 3, begin: 4, len: 5 })"), "{}", whole[19]);
        for split in 0..=stream.len() {
            let (a, b) = stream.split_at(split);
            assert_eq!(decode(&[a, b]).unwrap(), whole, "split at {split}");
        }
        let singles: Vec<&[u8]> = stream.chunks(1).collect();
        assert_eq!(decode(&singles).unwrap(), whole);
    }

    #[test]
    fn wrong_lengths_are_refused_before_anything_is_stored() {
        for (len, number) in [(2, id::CHOKE), (4, id::HAVE), (12, id::REQUEST), (9, id::PIECE), (1, id::EXTENDED)] {
            let mut stream = u32::to_be_bytes(len).to_vec();
            stream.push(number);
            assert_eq!(decode(&[&stream]), Err(DecodeError::WrongLen { number, len }));
        }
        for (len, number) in [(u32::MAX, id::BITFIELD), (limits::MESSAGE_LEN + 1, id::EXTENDED), (u32::MAX, 99)] {
            let mut stream = u32::to_be_bytes(len).to_vec();
            stream.push(number);
            assert_eq!(decode(&[&stream]), Err(DecodeError::TooLong(len)));
        }
        let mut huge_block = u32::to_be_bytes(9 + Geometry::REQUEST_MAX + 1).to_vec();
        huge_block.push(id::PIECE);
        assert!(decode(&[&huge_block]).is_err());
    }

    #[test]
    fn a_long_bitfield_is_allowed_where_the_torrent_is_long() {
        let mut decoder = Decoder::new(limits::PIECES);
        let mut stream = Vec::new();
        Message::Bitfield(&vec![0xff; limits::PIECES as usize / 8]).write(&mut stream);
        let mut bytes = &stream[..];
        assert!(matches!(decoder.next(&mut bytes), Ok(Some(Event::Message(Message::Bitfield(_))))));
    }
}
