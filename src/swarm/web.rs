//! A connection to a web seed (BEP 19): a peer that has files instead of pieces and never chokes. Blocks that are asked
//! for become ranges of files, and what comes becomes blocks again.
//!
//! Neighbouring blocks make one range, so a piece that is asked for at once is one request for each of its files. Pad
//! files are not asked for: their zeros are put in where they belong. When the server has shown that it keeps the
//! connection, requests follow each other without waiting for answers.

mod body;
pub mod place;

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use self::body::Body;
use self::place::{Names, Place};
use crate::base::{Block, Geometry};
use crate::wire::http::head_len;
use crate::wire::http_client::{Extent, HEAD_LEN, INTERIM_MAX, ReplyHead, range_request};

/// Requests under way on one connection that is known to be kept (libtorrent 5).
const REQUESTS_MAX: usize = 5;
/// Bytes of a file that are thrown away where a server gives all of it instead of a range, if that is more than is of use.
const WASTE_MAX: u64 = 64 * 1024;
/// Zeros put in at once.
static ZEROS: [u8; 16 * 1024] = [0; 16 * 1024];

/// Why a web seed's answer is of no use; the connection ends with it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// It closes after this answer, or answers for no more.
    Over,
    /// A file is at another URL.
    Moved { file: u32, to: String },
    /// A file is not there.
    Missing { file: u32, status: u16 },
    /// A file of that name is there, of another length.
    OtherLength { file: u32 },
    /// Nothing is given to us.
    Refused { status: u16 },
    /// It asks to come later.
    Busy { status: u16, retry_after_s: Option<u64> },
    /// It gives whole files only, and this one is long.
    NoRanges,
    /// No HTTP, or an answer to another question.
    Nonsense(&'static str),
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Refusal::Over => f.write_str("the server ended the connection"),
            Refusal::Moved { .. } => f.write_str("the file has moved"),
            Refusal::Missing { status, .. } => write!(f, "the file is not there (status {status})"),
            Refusal::OtherLength { .. } => f.write_str("the file there has another length than in the torrent"),
            Refusal::Refused { status } => write!(f, "the server refuses (status {status})"),
            Refusal::Busy { status, .. } => write!(f, "the server is busy (status {status})"),
            Refusal::NoRanges => f.write_str("the server gives whole files only"),
            Refusal::Nonsense(what) => f.write_str(what),
        }
    }
}

/// Where bytes come from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum From {
    File(u32),
    /// A pad file.
    Zeros,
    /// What came of a block before an earlier connection ended.
    Carried,
}

/// Neighbouring bytes of one file, or that nobody has to be asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Part {
    from: From,
    /// Bytes within the file that are still to come.
    range: Range<u64>,
}

/// The bytes of a block that came before a connection ended: some servers end it after every answer, and then a block of
/// two files would never be whole.
pub type Carried = (Block, Vec<u8>);

/// What came.
#[derive(PartialEq, Eq, Debug)]
pub enum Event<'a> {
    /// The bytes of a block follow.
    Begins(Block),
    Payload {
        bytes: &'a [u8],
        last: bool,
    },
    /// The same, put in for a pad file.
    Zeros {
        bytes: &'static [u8],
        last: bool,
    },
    /// The same, from an earlier connection.
    Carried {
        bytes: Vec<u8>,
        last: bool,
    },
}

#[derive(Debug)]
enum State {
    /// In the head of an answer.
    Head(Vec<u8>),
    Body(Body),
}

#[derive(Debug)]
pub struct Web {
    /// Which of the torrent's web seeds it is.
    pub seed: usize,
    place: Place,
    geometry: Geometry,
    names: Names,
    /// What was asked for and has not come, in order; the front may have come in part.
    blocks: VecDeque<Block>,
    /// Bytes of the front block that came; None: it was not begun.
    filled: Option<u32>,
    /// The same bytes, as ranges of files.
    parts: VecDeque<Part>,
    /// Of those, so many from the front on were asked for.
    sent: usize,
    /// For when its block is asked for.
    carried: Option<Carried>,
    state: State,
    interim_count: u32,
    /// Answers that came whole.
    answer_count: u32,
    /// Requests may follow each other without waiting.
    may_pipeline: bool,
}

impl Web {
    /// With what came before, if anything did.
    pub fn new(
        seed: usize,
        place: Place,
        names: Names,
        geometry: Geometry,
        may_pipeline: bool,
        carried: Option<Carried>,
    ) -> Web {
        Web {
            seed,
            place,
            geometry,
            names,
            blocks: VecDeque::new(),
            filled: None,
            parts: VecDeque::new(),
            sent: 0,
            carried,
            state: State::Head(Vec::new()),
            interim_count: 0,
            answer_count: 0,
            may_pipeline,
        }
    }

    /// What came before and nobody asked for.
    pub fn carried(&self) -> Option<Carried> {
        self.carried.clone()
    }

    /// Answers under way.
    pub fn asked_count(&self) -> usize {
        self.parts.iter().take(self.sent).filter(|part| matches!(part.from, From::File(_))).count()
    }

    /// It gave at least one whole answer.
    pub fn has_answered(&self) -> bool {
        self.answer_count > 0
    }

    /// Bytes to read before the block in transit is whole; 0 between blocks.
    pub fn payload_left(&self) -> u32 {
        match (self.filled, self.blocks.front()) {
            (Some(filled), Some(block)) => block.len() - filled,
            _ => 0,
        }
    }

    /// Wants this block, after all that was asked for before.
    pub fn want(&mut self, block: Block) {
        self.blocks.push_back(block);
        let start = self.geometry.start_of(block.piece()) + u64::from(block.begin());
        let end = start + u64::from(block.len());
        let is_carried = |(carried, _): &&Carried| *carried == block;
        let carried_len = self.carried.as_ref().filter(is_carried).map_or(0, |(_, bytes)| bytes.len() as u64);
        if carried_len > 0 {
            self.want_part(Part { from: From::Carried, range: 0..carried_len });
        }
        let start = start + carried_len;
        let files = Arc::clone(&self.names.files);
        let first = files.partition_point(|file| file.offset + file.len <= start);
        for (index, file) in files.iter().enumerate().skip(first) {
            if file.offset >= end {
                break;
            }
            let from = start.max(file.offset) - file.offset;
            let to = end.min(file.offset + file.len) - file.offset;
            if from < to {
                let source = if file.pad { From::Zeros } else { From::File(index as u32) };
                self.want_part(Part { from: source, range: from..to });
            }
        }
    }

    /// What follows on the last part, and was not asked for yet, becomes one with it.
    fn want_part(&mut self, part: Part) {
        let is_open = self.parts.len() > self.sent;
        match self.parts.back_mut() {
            Some(last) if is_open && last.from == part.from && last.range.end == part.range.start => {
                last.range.end = part.range.end;
            }
            _ => self.parts.push_back(part),
        }
    }

    /// Requests to send now.
    pub fn requests(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let room = if self.may_pipeline && self.has_answered() { REQUESTS_MAX } else { 1 };
        let mut asked_count = self.asked_count();
        match &self.state {
            // Who closes after an answer and finds more asked of it throws the answer away (RFC 9112, 9.6).
            State::Body(body) if !body.keeps => return bytes,
            // What is left of an answer is under way, too.
            State::Body(body) => asked_count += usize::from(body.is_through()),
            State::Head(_) => {}
        }
        while asked_count < room
            && let Some(part) = self.parts.get(self.sent)
        {
            if let From::File(file) = part.from {
                let url = self.place.url_of(&self.names, file);
                bytes.extend_from_slice(&range_request(&url, &part.range));
                asked_count += 1;
            }
            self.sent += 1;
        }
        bytes
    }

    /// The next thing in `bytes`, which is taken from their front; None: more has to come first.
    ///
    /// # Errors
    /// What it answered is of no use; nothing more may be read.
    pub fn next<'a>(&mut self, bytes: &mut &'a [u8]) -> Result<Option<Event<'a>>, Refusal> {
        loop {
            if let Some(event) = self.put_in() {
                return Ok(Some(event));
            }
            match &mut self.state {
                State::Head(_) if bytes.is_empty() => return Ok(None),
                State::Head(_) => self.read_head(bytes)?,
                State::Body(_) => {
                    if let Some(event) = self.read_body(bytes)? {
                        return Ok(Some(event));
                    }
                    if bytes.is_empty() && matches!(self.state, State::Body(_)) {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// What nobody has to be asked for, where it is its turn.
    fn put_in<'a>(&mut self) -> Option<Event<'a>> {
        let Part { from, range } = self.parts.front()?;
        let (from, len) = (*from, usize::try_from(range.end - range.start).unwrap_or(usize::MAX));
        if matches!(from, From::File(_)) {
            return None;
        }
        if let Some(event) = self.begin() {
            return Some(event);
        }
        if from == From::Carried {
            let (_, bytes) = self.carried.take()?;
            return self.advance(len).map(|last| Event::Carried { bytes, last });
        }
        let bytes = &ZEROS[..len.min(ZEROS.len()).min(self.payload_left() as usize)];
        self.advance(bytes.len()).map(|last| Event::Zeros { bytes, last })
    }

    fn read_head(&mut self, bytes: &mut &[u8]) -> Result<(), Refusal> {
        let State::Head(gathered) = &mut self.state else { return Ok(()) };
        let front = self.parts.front().filter(|_| self.sent > 0).cloned();
        let Some(Part { from: From::File(file), range }) = front else {
            return Err(Refusal::Nonsense("the server speaks without being asked"));
        };
        let from = gathered.len();
        let len = bytes.len().min(HEAD_LEN - from);
        gathered.extend_from_slice(&bytes[..len]);
        let Some(end) = head_len(gathered, from) else {
            *bytes = &bytes[len..];
            let is_full = gathered.len() == HEAD_LEN;
            return if is_full { Err(Refusal::Nonsense("the answer's head is too long")) } else { Ok(()) };
        };
        *bytes = &bytes[end - from..];
        let head = ReplyHead::parse(&gathered[..end]).ok_or(Refusal::Nonsense("the answer is no proper HTTP"))?;
        gathered.clear();
        if (100..200).contains(&head.status) {
            self.interim_count += 1;
            let is_endless = self.interim_count > INTERIM_MAX || head.status == 101;
            return if is_endless { Err(Refusal::Nonsense("the server answers and says nothing")) } else { Ok(()) };
        }
        self.interim_count = 0;
        let file_len = self.names.files.get(file as usize).map_or(0, |file| file.len);
        self.state = State::Body(judge(&head, file, &range, file_len)?);
        Ok(())
    }

    /// One step through a body: what is to be passed over, the part that was asked for, the end.
    fn read_body<'a>(&mut self, bytes: &mut &'a [u8]) -> Result<Option<Event<'a>>, Refusal> {
        let is_wanted = matches!(&self.state, State::Body(body) if !body.is_before() && !body.is_through());
        // Not before there is something of it: a block that begins takes a buffer.
        if is_wanted
            && !bytes.is_empty()
            && let Some(event) = self.begin()
        {
            return Ok(Some(event));
        }
        let left = self.payload_left();
        let State::Body(body) = &mut self.state else { return Ok(None) };
        if is_wanted {
            let data = body.take(bytes, left.into())?;
            return Ok(self.advance(data.len()).map(|last| Event::Payload { bytes: data, last }));
        }
        if !body.pass(bytes)? {
            return Ok(None);
        }
        let keeps = body.keeps;
        (self.state, self.answer_count) = (State::Head(Vec::new()), self.answer_count.saturating_add(1));
        if keeps { Ok(None) } else { Err(Refusal::Over) }
    }

    /// The front block begins, if it was not begun.
    fn begin<'a>(&mut self) -> Option<Event<'a>> {
        let block = *self.blocks.front().filter(|_| self.filled.is_none())?;
        self.filled = Some(0);
        Some(Event::Begins(block))
    }

    /// So many bytes of the front block and part came, no more than both have. Whether the block is whole; None: none came.
    fn advance(&mut self, len: usize) -> Option<bool> {
        if len == 0 {
            return None;
        }
        let part = self.parts.front_mut()?;
        part.range.start += len as u64;
        if part.range.is_empty() {
            self.parts.pop_front();
            self.sent = self.sent.saturating_sub(1);
        }
        let filled = self.filled.unwrap_or(0) + len as u32;
        let last = self.blocks.front().is_some_and(|block| block.len() == filled);
        self.filled = Some(filled);
        if last {
            self.blocks.pop_front();
            self.filled = None;
        }
        Some(last)
    }
}

/// What the head of an answer to a request for `range` of a file of `file_len` bytes means.
fn judge(head: &ReplyHead, file: u32, range: &Range<u64>, file_len: u64) -> Result<Body, Refusal> {
    let len = range.end - range.start;
    let status = head.status;
    match status {
        200 | 206 if head.is_encoded => Err(Refusal::Nonsense("the answer is compressed")),
        206 => {
            let given =
                head.given.ok_or(Refusal::Nonsense("the answer does not say which part of the file it is"))?;
            if given.total.is_some_and(|total| total != file_len) {
                return Err(Refusal::OtherLength { file });
            }
            let is_all = (given.first, given.last) == (range.start, range.end - 1);
            if !is_all || matches!(head.extent, Extent::Length(told) if told != len) {
                return Err(Refusal::Nonsense("the answer is another part of the file than was asked for"));
            }
            Ok(Body::new(head, 0, len, 0))
        }
        200 => {
            if matches!(head.extent, Extent::Length(told) if told != file_len) {
                return Err(Refusal::OtherLength { file });
            }
            let (before, after) = (range.start, file_len.saturating_sub(range.end));
            if before.saturating_add(after) > len.max(WASTE_MAX) {
                return Err(Refusal::NoRanges);
            }
            Ok(Body::new(head, before, len, after))
        }
        301 | 302 | 303 | 307 | 308 if head.location.is_some() => {
            Err(Refusal::Moved { file, to: head.location.clone().unwrap_or_default() })
        }
        404 | 410 | 416 => Err(Refusal::Missing { file, status }),
        429 | 500..=599 => Err(Refusal::Busy { status, retry_after_s: head.retry_after_s }),
        _ => Err(Refusal::Refused { status }),
    }
}

#[cfg(test)]
mod tests;
