//! Listens to one connection of a node from the node's side of the wire and knows, by its own reading of the
//! protocol, what each side has said, asked for and still owes.

use std::collections::{BTreeMap, BTreeSet};

use peerlink::base::limits::{REQUEST_TIMEOUT, SNUB_TIMEOUT};
use peerlink::base::{Span, Time};

use crate::codec::{Decoder, Handshake, Msg, Range};

/// What became known by one message, for the ledger.
pub enum Heard {
    /// The torrent is known now.
    Handshake([u8; 20]),
    /// A block that was asked for, or not.
    Block {
        range: Range,
        asked: bool,
    },
    /// Requests that will not be answered.
    Lost(Vec<Range>),
    Nothing,
}

#[derive(Default)]
pub struct Tap {
    pub rx: Decoder,
    tx: Decoder,
    pub torrent: Option<usize>,
    theirs: Option<Handshake>,
    ours: Option<Handshake>,
    /// Pieces the peer says it has.
    pub has: BTreeSet<u32>,
    has_all: bool,
    /// Either side said that it wants nothing more (BEP 21).
    pub told_upload_only: bool,
    peer_upload_only: bool,
    /// When it last said anything about what it has or wants.
    told_at: Time,
    told_pieces: bool,
    pub peer_choking: Flag,
    am_choking: Flag,
    pub am_interested: bool,
    /// Pieces we may ask for while choked, and they.
    pub allowed: BTreeSet<u32>,
    allowed_them: BTreeSet<u32>,
    /// Our requests: when each was sent.
    pub asked: BTreeMap<Range, Time>,
    /// Requests that we took back; a piece may come all the same.
    cancelled: BTreeSet<Range>,
    /// A block that was coming when it was asked for (again): it answers an earlier request.
    stale: Option<Range>,
    /// Their requests that are not answered.
    owed: BTreeMap<Range, Owed>,
    /// Requests that may be answered or not: cancelled, or choked away without BEP 6.
    waived: BTreeSet<Range>,
    /// Since when we choke them.
    choked_since: Time,
    opened: Time,
    pub last_payload: Time,
    last_said: Time,
    said_something: bool,
    /// It broke the protocol; what it says after that does not count.
    pub broken: bool,
}

/// A request that the node has to answer.
struct Owed {
    since: Time,
    /// It was asked as often as this.
    count: u32,
    /// It can only be rejected: when it came, the node did not have the piece.
    hopeless: bool,
}

/// A bit that begins as true.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Flag(pub bool);

impl Default for Flag {
    fn default() -> Flag {
        Flag(true)
    }
}

impl Tap {
    pub fn new(now: Time) -> Tap {
        Tap { opened: now, last_payload: now, last_said: now, ..Tap::default() }
    }

    pub fn fast(&self) -> bool {
        self.theirs.as_ref().is_some_and(Handshake::fast) && self.ours.as_ref().is_some_and(Handshake::fast)
    }

    /// Both sides have shaken hands.
    pub fn is_open(&self) -> bool {
        self.theirs.is_some() && self.ours.is_some()
    }

    pub fn peer_id(&self) -> Option<[u8; 20]> {
        self.theirs.as_ref().map(|theirs| theirs.peer_id)
    }

    /// Both sides speak the extension protocol.
    pub fn extended(&self) -> bool {
        [&self.ours, &self.theirs].iter().all(|h| h.as_ref().is_some_and(Handshake::extensions))
    }

    /// It has everything, or said that it wants nothing more, and that for longer than it takes to hang up.
    pub fn peer_wants_nothing(&self, now: Time) -> bool {
        (self.has_all || self.peer_upload_only) && now.since(self.told_at) > Span::secs(3)
    }

    pub fn peer_has(&self, index: u32) -> bool {
        self.has_all || self.has.contains(&index)
    }

    /// A message of ours is on its way to the peer: nothing yet but bytes.
    pub fn push_sent(&mut self, bytes: &[u8]) {
        self.tx.push(bytes);
    }

    pub fn next_sent(&mut self) -> Option<Msg> {
        self.tx.next().unwrap_or_else(|error| panic!("[wire] a node sends {error}"))
    }

    /// What the peer said and the node heard.
    pub fn heard(&mut self, now: Time, msg: &Msg, verified: &[bool]) -> Heard {
        let piece_count = verified.len() as u32;
        if self.broken {
            return Heard::Nothing;
        }
        if matches!(msg, Msg::HaveAll | Msg::Bitfield(_) | Msg::Extended(..)) {
            self.told_at = now;
        }
        match msg {
            Msg::Handshake(handshake) => {
                self.theirs = Some(handshake.clone());
                return Heard::Handshake(handshake.info_hash);
            }
            Msg::Choke => {
                self.peer_choking = Flag(true);
                if !self.fast() {
                    let lost = std::mem::take(&mut self.asked).into_keys().collect();
                    return Heard::Lost(lost);
                }
            }
            Msg::Unchoke => self.peer_choking = Flag(false),
            Msg::Have(index) if *index < piece_count => {
                self.told_pieces = true;
                self.has.insert(*index);
            }
            // Only the first word on pieces counts.
            Msg::Bitfield(_) | Msg::HaveAll | Msg::HaveNone if self.told_pieces => {}
            Msg::Bitfield(bits) if bits.len() == piece_count.div_ceil(8) as usize => {
                self.told_pieces = true;
                self.has = (0..piece_count).filter(|i| bits[(i / 8) as usize] & (0x80 >> (i % 8)) != 0).collect();
            }
            Msg::HaveAll => (self.has_all, self.told_pieces) = (true, true),
            Msg::HaveNone => self.told_pieces = true,
            Msg::Have(_) | Msg::Bitfield(_) => self.broken = true,
            Msg::AllowedFast(index) => _ = self.allowed.insert(*index),
            Msg::Request(range) => {
                let hopeless = !verified.get(range.index as usize).copied().unwrap_or(false);
                let owed = self.owed.entry(*range).or_insert(Owed { since: now, count: 0, hopeless });
                owed.count += 1;
            }
            Msg::Cancel(range) if !self.fast() => {
                self.owed.remove(range);
                self.waived.insert(*range);
            }
            Msg::Piece { index, begin, payload } => {
                let range = Range { index: *index, begin: *begin, len: payload.len() as u32 };
                self.last_payload = now;
                let is_stale = self.stale.take() == Some(range);
                let asked = !is_stale && self.asked.remove(&range).is_some();
                self.cancelled.remove(&range);
                return Heard::Block { range, asked };
            }
            Msg::Extended(number, body) => self.peer_upload_only = upload_only(*number, body, self.peer_upload_only),
            Msg::Reject(range) if self.asked.remove(range).is_some() => return Heard::Lost(vec![*range]),
            _ => {}
        }
        Heard::Nothing
    }

    /// What the node says, against the protocol. Requests are judged by the ledger too.
    pub fn said(&mut self, now: Time, msg: &Msg, geometry: &peerlink::base::Geometry, strict: bool) {
        let first = !self.said_something;
        if !matches!(msg, Msg::Handshake(_)) {
            assert!(self.ours.is_some(), "[wire] {msg:?} before our handshake");
            self.said_something = true;
        }
        self.last_said = now;
        match msg {
            Msg::Handshake(handshake) => {
                assert!(self.ours.is_none(), "[wire] two handshakes");
                self.ours = Some(handshake.clone());
            }
            Msg::Choke => {
                self.am_choking = Flag(true);
                self.choked_since = now;
                if !self.fast() {
                    self.waived.extend(std::mem::take(&mut self.owed).into_keys());
                }
            }
            Msg::Unchoke => self.am_choking = Flag(false),
            Msg::Interested => self.am_interested = true,
            Msg::NotInterested => self.am_interested = false,
            Msg::Bitfield(_) | Msg::HaveAll | Msg::HaveNone => {
                assert!(first, "[wire] {msg:?} is not the first message");
                assert!(matches!(msg, Msg::Bitfield(_)) || self.fast(), "[fast] {msg:?} to a peer without BEP 6");
            }
            Msg::Request(range) => self.asks(now, *range, geometry, strict),
            Msg::Cancel(range) => {
                let taken = self.asked.remove(range).is_some();
                assert!(
                    taken || self.cancelled.contains(range),
                    "[requests] {range:?} cancelled but never asked for"
                );
                self.cancelled.insert(*range);
            }
            Msg::Piece { index, begin, payload } => {
                self.answers(Range { index: *index, begin: *begin, len: payload.len() as u32 }, true);
            }
            Msg::Reject(range) => {
                assert!(self.fast(), "[fast] a reject to a peer without BEP 6");
                self.answers(*range, false);
            }
            Msg::AllowedFast(index) => {
                assert!(self.fast(), "[fast] allowed-fast to a peer without BEP 6");
                assert!(*index < geometry.piece_count(), "[fast] allowed a piece that is none");
                self.allowed_them.insert(*index);
            }
            Msg::Suggest(_) => assert!(self.fast(), "[fast] suggest to a peer without BEP 6"),
            Msg::Extended(number, body) => {
                assert!(self.extended(), "[wire] an extended message to a peer without BEP 10");
                self.told_upload_only = upload_only(*number, body, self.told_upload_only);
            }
            Msg::Have(_) | Msg::KeepAlive | Msg::Port(_) => {}
            Msg::Other(id, _) => panic!("[wire] message {id} from a node"),
        }
    }

    /// It was asked for and may still come.
    pub fn is_asked(&self, range: &Range) -> bool {
        self.asked.contains_key(range)
    }

    fn asks(&mut self, now: Time, range: Range, geometry: &peerlink::base::Geometry, strict: bool) {
        let block = geometry.block(range.index, range.begin, range.len);
        let block = block.unwrap_or_else(|| panic!("[requests] {range:?} is no block"));
        assert!(geometry.is_on_grid(block), "[requests] {range:?} is not on the grid");
        assert!(self.peer_has(range.index), "[requests] {range:?} of a piece the peer lacks");
        let may = !self.peer_choking.0 || (self.fast() && self.allowed.contains(&range.index));
        assert!(may || !strict, "[requests] {range:?} while choked");
        assert!(self.am_interested, "[requests] {range:?} without being interested");
        if !may && !self.fast() {
            // Unchoked and choked within one delivery: what is asked in between is lost before it is seen.
            return;
        }
        // A block in transit that was given up, or whose piece failed meanwhile, may be asked for again.
        if self.rx.block_under_way() == Some(range) {
            self.stale = Some(range);
            self.asked.remove(&range);
        }
        let lone = self.asked.insert(range, now).is_none();
        assert!(lone || !strict, "[requests] {range:?} twice on one connection");
        assert!(self.asked.len() <= 600, "[bounds] {} requests to one peer", self.asked.len());
        self.cancelled.remove(&range);
    }

    fn answers(&mut self, range: Range, with_piece: bool) {
        let what = if with_piece { "piece" } else { "reject" };
        let Some(owed) = self.owed.get_mut(&range) else {
            if self.waived.remove(&range) {
                return;
            }
            panic!("[fast] a {what} for {range:?}, which is not asked for");
        };
        owed.count -= 1;
        if owed.count == 0 {
            self.owed.remove(&range);
        }
    }

    /// Requests that can only be rejected must be within `patience` (BEP 6): what it takes at most to finish a read
    /// that was begun. `at_end`: the swarm has been quiet for long, so that holds for all.
    pub fn check_debts(&self, now: Time, patience: Span, at_end: bool) {
        if self.broken {
            return;
        }
        let opened = now.since(self.opened);
        assert!(self.theirs.is_some() || opened < Span::secs(13), "[time-outs] no handshake for {opened}");
        for (range, owed) in self.owed.iter().filter(|_| self.fast()) {
            let age = now.since(owed.since);
            let choked = self.am_choking.0 && !self.allowed_them.contains(&range.index);
            let choked_for = if choked { now.since(owed.since.max(self.choked_since)) } else { Span::ZERO };
            let late = choked_for > patience || (owed.hopeless || at_end) && age > patience;
            assert!(!late, "[fast] neither piece nor reject for {range:?} for {age}, choking for {choked_for}");
        }
        for (range, since) in &self.asked {
            let stuck = now.since((*since).max(self.last_payload));
            let is_coming = self.rx.block_under_way() == Some(*range);
            // A block that trickles in may do so until its sender is hung up on.
            let most = if is_coming { REQUEST_TIMEOUT.0 + SNUB_TIMEOUT.0 } else { SNUB_TIMEOUT.0 };
            let late = stuck > Span(most + 3_000_000);
            assert!(!late, "[time-outs] {range:?} was asked for {stuck} ago and is not taken back");
        }
        let silent = now.since(self.last_said);
        assert!(self.ours.is_none() || silent < Span::secs(121), "[wire] nothing said for {silent}");
    }

    /// A peer that owes us and has not sent for long may be passed over.
    pub fn is_slack(&self, now: Time, range: &Range) -> bool {
        let may = !self.peer_choking.0 || (self.fast() && self.allowed.contains(&range.index));
        let asked = self.asked.get(range).copied().unwrap_or(now);
        let is_coming = self.rx.block_under_way() == Some(*range);
        !may || is_coming || now.since(self.last_payload.max(asked)) >= Span::secs(19)
    }
}

/// What is known of a side's wishes after an extended message: a handshake says it anew, or a message of one byte.
fn upload_only(number: u8, body: &[u8], before: bool) -> bool {
    match (number, body) {
        (0, body) => body.windows(16).any(|window| window == b"11:upload_onlyi1"),
        (_, [told]) => *told != 0,
        _ => before,
    }
}
