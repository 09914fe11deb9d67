//! Peer messages (BEP 3, fast extension BEP 6, extension protocol BEP 10): values to bytes. The way back is in
//! `decoder`.

use crate::base::Block;

/// The three numbers of request, cancel and reject as they stand on the wire: not yet held against a torrent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RawBlock {
    pub index: u32,
    pub begin: u32,
    pub len: u32,
}

impl From<Block> for RawBlock {
    fn from(block: Block) -> RawBlock {
        RawBlock { index: block.piece().index(), begin: block.begin(), len: block.len() }
    }
}

/// Every message but `piece`, whose payload is streamed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Message<'a> {
    KeepAlive,
    Choke,
    Unchoke,
    Interested,
    NotInterested,
    Have(u32),
    Bitfield(&'a [u8]),
    Request(RawBlock),
    Cancel(RawBlock),
    /// The peer's DHT port (BEP 5).
    Port(u16),
    Suggest(u32),
    HaveAll,
    HaveNone,
    Reject(RawBlock),
    AllowedFast(u32),
    /// BEP 10: extended id and its body.
    Extended(u8, &'a [u8]),
    /// A number nobody told us about; ignored, as BEP 3's successors expect.
    Unknown(u8),
}

/// Message numbers.
pub mod id {
    pub const CHOKE: u8 = 0;
    pub const UNCHOKE: u8 = 1;
    pub const INTERESTED: u8 = 2;
    pub const NOT_INTERESTED: u8 = 3;
    pub const HAVE: u8 = 4;
    pub const BITFIELD: u8 = 5;
    pub const REQUEST: u8 = 6;
    pub const PIECE: u8 = 7;
    pub const CANCEL: u8 = 8;
    pub const PORT: u8 = 9;
    pub const SUGGEST: u8 = 13;
    pub const HAVE_ALL: u8 = 14;
    pub const HAVE_NONE: u8 = 15;
    pub const REJECT: u8 = 16;
    pub const ALLOWED_FAST: u8 = 17;
    pub const EXTENDED: u8 = 20;
}

impl Message<'_> {
    /// Appends the message with its length prefix. `Unknown` has no body.
    pub fn write(&self, out: &mut Vec<u8>) {
        match *self {
            Message::KeepAlive => out.extend_from_slice(&[0; 4]),
            Message::Choke => frame(out, id::CHOKE, &[]),
            Message::Unchoke => frame(out, id::UNCHOKE, &[]),
            Message::Interested => frame(out, id::INTERESTED, &[]),
            Message::NotInterested => frame(out, id::NOT_INTERESTED, &[]),
            Message::Have(index) => frame(out, id::HAVE, &[&index.to_be_bytes()]),
            Message::Bitfield(bits) => frame(out, id::BITFIELD, &[bits]),
            Message::Request(block) => write_block(out, id::REQUEST, block),
            Message::Cancel(block) => write_block(out, id::CANCEL, block),
            Message::Port(port) => frame(out, id::PORT, &[&port.to_be_bytes()]),
            Message::Suggest(index) => frame(out, id::SUGGEST, &[&index.to_be_bytes()]),
            Message::HaveAll => frame(out, id::HAVE_ALL, &[]),
            Message::HaveNone => frame(out, id::HAVE_NONE, &[]),
            Message::Reject(block) => write_block(out, id::REJECT, block),
            Message::AllowedFast(index) => frame(out, id::ALLOWED_FAST, &[&index.to_be_bytes()]),
            Message::Extended(number, body) => frame(out, id::EXTENDED, &[&[number], body]),
            Message::Unknown(number) => frame(out, number, &[]),
        }
    }

    /// The message alone.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(17);
        self.write(&mut out);
        out
    }
}

fn frame(out: &mut Vec<u8>, number: u8, parts: &[&[u8]]) {
    let len: usize = 1 + parts.iter().map(|part| part.len()).sum::<usize>();
    out.extend_from_slice(&(len as u32).to_be_bytes());
    out.push(number);
    for part in parts {
        out.extend_from_slice(part);
    }
}

fn write_block(out: &mut Vec<u8>, number: u8, block: RawBlock) {
    frame(out, number, &[&block.index.to_be_bytes(), &block.begin.to_be_bytes(), &block.len.to_be_bytes()]);
}

/// The 13 bytes before a block's payload.
pub fn piece_head(block: Block) -> [u8; 13] {
    let mut head = [0; 13];
    head[..4].copy_from_slice(&(9 + block.len()).to_be_bytes());
    head[4] = id::PIECE;
    head[5..9].copy_from_slice(&block.piece().index().to_be_bytes());
    head[9..].copy_from_slice(&block.begin().to_be_bytes());
    head
}
