//! A second reading of the peer protocol (BEP 3, 6, 10), on purpose independent of `wire`: what the simulator's
//! actors speak and what its tap understands.

/// A message, or the handshake before all of them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Msg {
    Handshake(Handshake),
    KeepAlive,
    Choke,
    Unchoke,
    Interested,
    NotInterested,
    Have(u32),
    Bitfield(Vec<u8>),
    Request(Range),
    Piece { index: u32, begin: u32, payload: Vec<u8> },
    Cancel(Range),
    Port(u16),
    Suggest(u32),
    HaveAll,
    HaveNone,
    Reject(Range),
    AllowedFast(u32),
    Extended(u8, Vec<u8>),
    Other(u8, Vec<u8>),
}

/// Index, begin and length of a request.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Range {
    pub index: u32,
    pub begin: u32,
    pub len: u32,
}

/// The 68 bytes at the start.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Handshake {
    pub reserved: [u8; 8],
    pub info_hash: [u8; 20],
    pub peer_id: [u8; 20],
}

impl Handshake {
    /// BEP 6: the third least significant bit of the last reserved byte.
    pub fn fast(&self) -> bool {
        self.reserved[7] & 4 != 0
    }

    /// BEP 10: the 20th bit from the right.
    pub fn extensions(&self) -> bool {
        self.reserved[5] & 0x10 != 0
    }
}

impl Msg {
    /// The message's bytes.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Msg::Handshake(h) => {
                [b"\x13BitTorrent protocol".as_slice(), &h.reserved, &h.info_hash, &h.peer_id].concat()
            }
            Msg::KeepAlive => vec![0; 4],
            Msg::Choke => framed(0, &[]),
            Msg::Unchoke => framed(1, &[]),
            Msg::Interested => framed(2, &[]),
            Msg::NotInterested => framed(3, &[]),
            Msg::Have(index) => framed(4, &index.to_be_bytes()),
            Msg::Bitfield(bits) => framed(5, bits),
            Msg::Request(range) => framed(6, &range.encode()),
            Msg::Piece { index, begin, payload } => {
                framed(7, &[&index.to_be_bytes(), &begin.to_be_bytes(), payload.as_slice()].concat())
            }
            Msg::Cancel(range) => framed(8, &range.encode()),
            Msg::Port(port) => framed(9, &port.to_be_bytes()),
            Msg::Suggest(index) => framed(13, &index.to_be_bytes()),
            Msg::HaveAll => framed(14, &[]),
            Msg::HaveNone => framed(15, &[]),
            Msg::Reject(range) => framed(16, &range.encode()),
            Msg::AllowedFast(index) => framed(17, &index.to_be_bytes()),
            Msg::Extended(id, body) => framed(20, &[&[*id], body.as_slice()].concat()),
            Msg::Other(id, body) => framed(*id, body),
        }
    }
}

impl Range {
    fn encode(&self) -> [u8; 12] {
        let mut bytes = [0; 12];
        bytes[..4].copy_from_slice(&self.index.to_be_bytes());
        bytes[4..8].copy_from_slice(&self.begin.to_be_bytes());
        bytes[8..].copy_from_slice(&self.len.to_be_bytes());
        bytes
    }
}

fn framed(id: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(5 + body.len());
    bytes.extend((body.len() as u32 + 1).to_be_bytes());
    bytes.push(id);
    bytes.extend(body);
    bytes
}

/// Cuts a byte stream into messages.
#[derive(Default, Debug)]
pub struct Decoder {
    buffer: Vec<u8>,
    start: usize,
    shaken: bool,
}

/// Longer than anything a sane peer sends.
const LEN_MAX: usize = 1 << 20;

impl Decoder {
    /// More of the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.start > 0 && self.start == self.buffer.len() {
            self.buffer.clear();
            self.start = 0;
        } else if self.start > 1 << 16 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole message; an error means that this is not the peer protocol.
    pub fn next(&mut self) -> Result<Option<Msg>, String> {
        let bytes = &self.buffer[self.start..];
        if !self.shaken {
            let Some(head) = bytes.get(..68) else { return Ok(None) };
            if !head.starts_with(b"\x13BitTorrent protocol") {
                return Err("no handshake".into());
            }
            let handshake = Handshake {
                reserved: array(&head[20..28]),
                info_hash: array(&head[28..48]),
                peer_id: array(&head[48..]),
            };
            self.shaken = true;
            self.start += 68;
            return Ok(Some(Msg::Handshake(handshake)));
        }
        let Some(prefix) = bytes.get(..4) else { return Ok(None) };
        let len = u32::from_be_bytes(array(prefix)) as usize;
        if len > LEN_MAX {
            return Err(format!("a message of {len} bytes"));
        }
        let Some(body) = bytes.get(4..4 + len) else { return Ok(None) };
        let msg = match body.split_first() {
            None => Msg::KeepAlive,
            Some((&id, body)) => decode(id, body)?,
        };
        self.start += 4 + len;
        Ok(Some(msg))
    }

    /// For a piece of a stream that begins after the handshake.
    pub fn skip_handshake(&mut self) {
        self.shaken = true;
    }

    /// How many of `bytes`, which follow what is here, complete the message under way; at most all.
    pub fn rest(&self, bytes: &[u8]) -> usize {
        let unread = self.unread();
        let at = |n: usize| if n < unread.len() { unread.get(n) } else { bytes.get(n - unread.len()) };
        let whole = if !self.shaken {
            68
        } else {
            let prefix: Option<Vec<u8>> = (0..4).map(|n| at(n).copied()).collect();
            prefix.map_or(4, |prefix| u32::from_be_bytes(array(&prefix)) as usize).saturating_add(4)
        };
        bytes.len().min(whole.saturating_sub(unread.len()).max(1))
    }

    /// Bytes of a message that is not whole yet.
    pub fn unread(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    /// The block whose `piece` message is under way, once its head is here.
    pub fn block_under_way(&self) -> Option<Range> {
        let head = self.unread().get(..13).filter(|head| self.shaken && head[4] == 7)?;
        let at = |n: usize| u32::from_be_bytes(array(&head[n..n + 4]));
        Some(Range { index: at(5), begin: at(9), len: at(0).saturating_sub(9) })
    }

    /// Payload bytes of a `piece` message that is under way.
    pub fn payload_under_way(&self) -> u64 {
        let bytes = self.unread();
        let is_piece = self.shaken && bytes.get(4) == Some(&7);
        if is_piece { bytes.len().saturating_sub(13) as u64 } else { 0 }
    }
}

fn decode(id: u8, body: &[u8]) -> Result<Msg, String> {
    let wrong = || format!("message {id} with {} bytes", body.len());
    let number = || <[u8; 4]>::try_from(body).map(u32::from_be_bytes).map_err(|_| wrong());
    let nothing = |msg: Msg| if body.is_empty() { Ok(msg) } else { Err(wrong()) };
    let range = || {
        if body.len() != 12 {
            return Err(wrong());
        }
        let at = |n: usize| u32::from_be_bytes(array(&body[n..n + 4]));
        Ok(Range { index: at(0), begin: at(4), len: at(8) })
    };
    Ok(match id {
        0 => nothing(Msg::Choke)?,
        1 => nothing(Msg::Unchoke)?,
        2 => nothing(Msg::Interested)?,
        3 => nothing(Msg::NotInterested)?,
        4 => Msg::Have(number()?),
        5 => Msg::Bitfield(body.to_vec()),
        6 => Msg::Request(range()?),
        7 if body.len() >= 8 => Msg::Piece {
            index: u32::from_be_bytes(array(&body[..4])),
            begin: u32::from_be_bytes(array(&body[4..8])),
            payload: body[8..].to_vec(),
        },
        8 => Msg::Cancel(range()?),
        9 if body.len() == 2 => Msg::Port(u16::from_be_bytes(array(body))),
        13 => Msg::Suggest(number()?),
        14 => nothing(Msg::HaveAll)?,
        15 => nothing(Msg::HaveNone)?,
        16 => Msg::Reject(range()?),
        17 => Msg::AllowedFast(number()?),
        20 if !body.is_empty() => Msg::Extended(body[0], body[1..].to_vec()),
        7 | 9 | 20 => return Err(wrong()),
        _ => Msg::Other(id, body.to_vec()),
    })
}

/// A slice of known length as an array.
fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.try_into().expect("the caller cut it to length")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_decoded_at_every_cut() {
        let range = Range { index: 1, begin: 16384, len: 100 };
        let msgs = [
            Msg::Handshake(Handshake { reserved: [0, 0, 0, 0, 0, 0x10, 0, 4], info_hash: [7; 20], peer_id: [9; 20] }),
            Msg::KeepAlive,
            Msg::Choke,
            Msg::Have(5),
            Msg::Bitfield(vec![0xf0]),
            Msg::Request(range),
            Msg::Piece { index: 1, begin: 0, payload: vec![1, 2, 3] },
            Msg::Reject(range),
            Msg::HaveAll,
            Msg::AllowedFast(3),
            Msg::Extended(0, b"de".to_vec()),
        ];
        let stream: Vec<u8> = msgs.iter().flat_map(Msg::encode).collect();
        for cut in 0..=stream.len() {
            let mut decoder = Decoder::default();
            let mut seen = Vec::new();
            for part in [&stream[..cut], &stream[cut..]] {
                decoder.push(part);
                while let Some(msg) = decoder.next().expect("well formed") {
                    seen.push(msg);
                }
            }
            assert_eq!(seen, msgs);
            assert!(decoder.unread().is_empty());
        }
    }
}
