//! What happened, as a hash that must be the same for the same seed, and as text on demand.

use peerlink::base::Time;
use peerlink::machine::{Command, Completion, Input, Job};

pub struct Trace {
    hash: u64,
    /// Print every input and command.
    pub prints: bool,
}

impl Trace {
    pub fn new() -> Trace {
        Trace { hash: 0xcbf2_9ce4_8422_2325, prints: false }
    }

    /// Everything so far.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    pub fn say(&mut self, now: Time, text: impl FnOnce() -> String) {
        if self.prints {
            println!("{:>12.6} {}", now.0 as f64 / 1e6, text());
        }
    }

    pub fn input(&mut self, now: Time, host: usize, input: &Input<'_>) {
        self.number(now.0);
        self.number(host as u64);
        match input {
            Input::Received { conn, bytes } => {
                self.number(conn.0);
                self.bytes(bytes);
            }
            Input::Completed(completion) => self.number(completion_kind(completion)),
            Input::Called { conn, .. } => self.number(conn.0 + (9 << 40)),
            Input::Accepted { conn, .. } => self.number(conn.0 + (1 << 40)),
            Input::Connected { conn } => self.number(conn.0 + (2 << 40)),
            Input::Spoke { conn } => self.number(conn.0 + (28 << 40)),
            Input::Encrypted { conn, crypto } => self.number(conn.0 + ((29 + ((*crypto as u64) << 5)) << 40)),
            Input::Sent { conn, blocks, bytes, queued } => {
                self.number(conn.0 + (3 << 40));
                self.number(u64::from(*blocks) ^ (bytes << 8) ^ ((*queued as u64) << 32));
            }
            Input::Closed { conn, reason } => self.number(conn.0 + ((4 + *reason as u64) << 40)),
            Input::Datagram { .. } => self.number(20),
            Input::Local { .. } => self.number(26),
            Input::Request { .. } => self.number(25),
            Input::Piled { conn, .. } => self.number(conn.0 + (27 << 40)),
            Input::Note(_) => self.number(21),
            Input::Starving => self.number(22),
            Input::Deadline => self.number(23),
            Input::Stop => self.number(24),
        }
        self.say(now, || match input {
            Input::Received { conn, bytes } => format!("{host:>2} <- {conn:?} {} bytes", bytes.len()),
            Input::Completed(Completion::Home { store, blocks }) => {
                format!("{host:>2} <- Home {store:?} {:?}", blocks.iter().map(|b| b.block).collect::<Vec<_>>())
            }
            Input::Completed(Completion::Fetched { id, result }) => match result {
                Ok(fetched) => {
                    format!("{host:>2} <- Fetched {id:?} {} {}", fetched.status, fetched.body.escape_ascii())
                }
                Err(error) => format!("{host:>2} <- Fetched {id:?} error: {error}"),
            },
            other => format!("{host:>2} <- {}", cut(format!("{other:?}"))),
        });
    }

    pub fn command(&mut self, now: Time, host: usize, command: &Command) {
        match command {
            Command::Connect { conn, .. } => self.number(conn.0 + (30 << 40)),
            Command::ConnectWeb { conn, .. } => self.number(conn.0 + (37 << 40)),
            Command::Encrypt { conn, .. } => self.number(conn.0 + (38 << 40)),
            Command::Send { conn, bytes } => {
                self.number(conn.0 + (31 << 40));
                self.bytes(bytes);
            }
            Command::SendTold { .. } | Command::Read { .. } | Command::Answer { .. } => self.number(36 << 40),
            Command::SendMany { conns, bytes } => {
                self.number(conns.len() as u64 + (32 << 40));
                self.bytes(bytes);
            }
            Command::SendBlocks { conn, blocks, .. } => {
                self.number(conn.0 + (33 << 40));
                blocks.iter().for_each(|block| self.bytes(&block.head));
            }
            Command::SendDatagram { bytes, .. } => self.bytes(bytes),
            Command::Multicast { v4, v6 } => {
                self.bytes(v4);
                self.bytes(v6);
            }
            Command::Close { conn } => self.number(conn.0 + (34 << 40)),
            Command::Job(job) => self.number(job_kind(job)),
            Command::Tell(_) => self.number(35 << 40),
        }
        self.say(now, || match command {
            Command::Send { conn, bytes } => format!("{host:>2} -> {conn:?} {}", messages(bytes)),
            Command::SendMany { conns, bytes } => format!("{host:>2} -> {conns:?} {}", messages(bytes)),
            Command::Job(Job::Write { store, piece, blocks, last }) => {
                let blocks: Vec<_> = blocks.iter().map(|b| (b.block.begin(), b.block.len())).collect();
                format!("{host:>2} -> Write {store:?} {piece:?} {blocks:?} last {last}")
            }
            Command::Job(Job::Open { store, .. }) => format!("{host:>2} -> Open {store:?}"),
            other => format!("{host:>2} -> {}", cut(format!("{other:?}"))),
        });
    }

    fn number(&mut self, number: u64) {
        self.hash = (self.hash ^ number).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(23);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        let mut words = bytes.chunks_exact(8);
        for word in &mut words {
            self.number(u64::from_le_bytes(word.try_into().expect("eight bytes")));
        }
        words.remainder().iter().for_each(|&byte| self.number(u64::from(byte)));
    }
}

fn cut(mut text: String) -> String {
    let end = text.char_indices().nth(400).map_or(text.len(), |(at, _)| at);
    text.truncate(end);
    text
}

/// Messages in a buffer, for people.
fn messages(bytes: &[u8]) -> String {
    let mut decoder = crate::codec::Decoder::default();
    if !bytes.starts_with(b"\x13Bit") {
        decoder.skip_handshake();
    }
    decoder.push(bytes);
    let mut text = String::new();
    while let Ok(Some(msg)) = decoder.next() {
        text += &short(&msg);
        text.push(' ');
    }
    format!("{text}({} bytes)", bytes.len())
}

/// A message for people.
pub fn short(msg: &crate::codec::Msg) -> String {
    use crate::codec::Msg;
    match msg {
        Msg::Piece { index, begin, payload } => format!("Piece({index},{begin} {} bytes)", payload.len()),
        Msg::Request(r) => format!("Request({},{} {})", r.index, r.begin, r.len),
        Msg::Cancel(r) => format!("Cancel({},{} {})", r.index, r.begin, r.len),
        Msg::Reject(r) => format!("Reject({},{} {})", r.index, r.begin, r.len),
        other => cut(format!("{other:?}")),
    }
}

fn completion_kind(completion: &Completion) -> u64 {
    match completion {
        Completion::Opened { .. } => 1,
        Completion::Home { blocks, .. } => 2 + ((blocks.len() as u64) << 8),
        Completion::WriteFailed { blocks, .. } => 3 + ((blocks.len() as u64) << 8),
        Completion::Hashed { piece, .. } => 4 + (u64::from(piece.index()) << 8),
        Completion::Digests { piece, .. } => 5 + (u64::from(piece.index()) << 8),
        Completion::Read { conn, .. } => 6 + (conn.0 << 8),
        Completion::Saved { .. } => 7,
        Completion::Fetched { id, .. } => 8 + (id.0 << 8),
        Completion::Reserved { .. } => 12,
        Completion::Resolved { id, .. } => 9 + (id.0 << 8),
        Completion::FileSaved { id, .. } => 10 + (id.0 << 8),
        Completion::Appended { id, .. } => 15 + (id.0 << 8),
        Completion::Shelved { id, .. } => 11 + (id.0 << 8),
        Completion::Recalled { id, .. } => 12 + (id.0 << 8),
        Completion::FileLoaded { id, .. } => 13 + (id.0 << 8),
        Completion::Space { id, .. } => 14 + (id.0 << 8),
        Completion::Done { id, .. } => 15 + (id.0 << 8),
        Completion::Network { id, .. } => 16 + (id.0 << 8),
    }
}

fn job_kind(job: &Job) -> u64 {
    match job {
        Job::Open { .. } => 1,
        Job::Write { piece, blocks, last, .. } => {
            2 + (u64::from(piece.index()) << 8) + ((blocks.len() as u64) << 40) + (u64::from(*last) << 60)
        }
        Job::Forget { piece, .. } => 3 + (u64::from(piece.index()) << 8),
        Job::Check { piece, .. } => 4 + (u64::from(piece.index()) << 8),
        Job::Digests { piece, .. } => 5 + (u64::from(piece.index()) << 8),
        Job::Read { conn, block, .. } => 6 + (conn.0 << 8) + (u64::from(block.begin()) << 32),
        Job::Journal { .. } => 7,
        Job::Checkpoint { .. } => 8,
        Job::Close { .. } => 9,
        Job::Fetch { id, .. } => 10 + (id.0 << 8),
        Job::Reserve { .. } => 12,
        Job::Resolve { id, .. } => 11 + (id.0 << 8),
        Job::SaveFile { id, .. } => 12 + (id.0 << 8),
        Job::Append { id, .. } => 18 + (id.0 << 8),
        Job::Keep { .. } => 13,
        Job::Shelve { id, .. } => 14 + (id.0 << 8),
        Job::Unshelve { id, .. } => 15 + (id.0 << 8),
        Job::Recall { id, .. } => 16 + (id.0 << 8),
        Job::LoadFile { id, .. } => 17 + (id.0 << 8),
        Job::ReadFile { id, .. } => 18 + (id.0 << 8),
        Job::Space { id, .. } => 19 + (id.0 << 8),
        Job::Erase { id, .. } => 20 + (id.0 << 8),
        Job::Move { id, .. } => 21 + (id.0 << 8),
        Job::Network { id } => 22 + (id.0 << 8),
        Job::Control { id, .. } => 23 + (id.0 << 8),
    }
}
