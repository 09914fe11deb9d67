//! What we ask of one peer: its pipeline of requests, sized by its measured rate, and the block in transit.

mod taken_back;

use std::collections::VecDeque;

use super::peer::{Fault, Peer};
use super::picker::Received;
use super::rates::Way;
use super::torrent::{Later, Torrent};
use crate::base::limits::IDLE_CREDIT_AGE;
use crate::base::rate::Rate;
use crate::base::{BLOCK_LEN, Block, Buffer, Filled, Piece, Span, Time};
use crate::machine::Outbox;
use crate::wire::peer::{Message, RawBlock};

/// Requests of a peer whose rate is not known yet.
const PIPELINE_NEW: u32 = 2;
/// A pipeline holds what a peer sends in this time, so that neither its disk nor our loop leaves it idle.
const PIPELINE_SPAN: Span = Span::secs(1);
/// A web seed has this many blocks to give at least, and is asked for whole pieces up to as many blocks: 1 MiB.
const LEAST_OF_PIECES: u32 = 16;
const WHOLE_MAX: u32 = 64;
/// It is asked for no more blocks at once than these.
const REQQ_OF_PIECES: u32 = 512;
/// Requests that a peer which says nothing else surely accepts (`reqq`).
const REQQ_DEFAULT: u32 = 250;
/// Cancelled requests remembered per peer: their blocks may still come.
const CANCELLED_MAX: usize = 512;
/// Pieces a peer may allow us while choked.
const ALLOWED_MAX: usize = 32;
/// A peer that refuses a request is asked again after this, doubled with every refusal in a row.
const REFUSED_WAIT: Span = Span::secs(1);
/// Refusals in a row, in a minute and a half, after which it is plain that the peer has nothing to give.
const REFUSALS_MAX: u32 = 8;
/// Blocks nobody asked for, after which a peer without the fast extension is hung up on.
const UNASKED_MAX: u32 = 64;

#[derive(Debug)]
struct Request {
    block: Block,
    at: Time,
}

/// The block in transit.
#[derive(Debug)]
struct Receiving {
    block: Block,
    filled: u32,
    /// None: the payload is skipped.
    buffer: Option<Buffer>,
    /// The picker counts it as asked of this peer; not so for one we took back and that came all the same.
    is_asked: bool,
}

#[derive(Debug)]
pub struct Down {
    /// Requests sent and not answered; each holds a credit.
    requested: VecDeque<Request>,
    /// Requests taken back whose answer is still to come.
    pub(super) cancelled: VecDeque<Block>,
    receiving: Option<Receiving>,
    pub rate: Rate,
    /// Last whole block, or the first request after a pause.
    pub(super) last_progress: Time,
    /// Last byte of a block, or the first request after a pause.
    last_payload: Time,
    pipeline: u32,
    /// The pipeline of a peer that gives next to nothing.
    least: u32,
    reqq: u32,
    /// The pipeline still grows with every block.
    is_slow_start: bool,
    rate_before: u64,
    pub is_snubbed: bool,
    /// Pieces it lets us have while choked (BEP 6).
    pub(super) allowed: Vec<Piece>,
    refused_until: Time,
    refusal_count: u32,
    unasked_count: u32,
    /// The piece by which a peer that nothing good is known of is judged.
    pub(super) trial: Option<Piece>,
    /// Whole blocks it gave that were of use.
    pub block_count: u64,
}

impl Down {
    pub fn new(now: Time) -> Down {
        Down {
            requested: VecDeque::new(),
            cancelled: VecDeque::new(),
            receiving: None,
            rate: Rate::default(),
            last_progress: now,
            last_payload: now,
            pipeline: PIPELINE_NEW,
            least: PIPELINE_NEW,
            reqq: REQQ_DEFAULT,
            is_slow_start: true,
            rate_before: 0,
            is_snubbed: false,
            allowed: Vec::new(),
            refused_until: Time::ZERO,
            refusal_count: 0,
            unasked_count: 0,
            trial: None,
            block_count: 0,
        }
    }

    /// Credits this peer holds.
    pub fn credits(&self) -> u32 {
        let in_transit = self.receiving.as_ref().is_some_and(|receiving| receiving.buffer.is_some());
        self.requested.len() as u32 + u32::from(in_transit)
    }

    /// Since when it owes blocks and sends nothing, if that is long.
    pub fn idle_since(&self, now: Time) -> Option<Time> {
        let is_idle = self.is_snubbed || now.since(self.last_payload) >= IDLE_CREDIT_AGE;
        (is_idle && self.credits() > 0).then_some(self.last_payload)
    }

    /// The peer said how many requests it holds. One less is asked for: transmission 3 refuses the last one it
    /// promises, and tells so up to 10 s later.
    pub fn bound(&mut self, reqq: u32) {
        self.reqq = reqq.saturating_sub(1).clamp(1, 2000);
    }

    /// It is asked for whole pieces, of so many blocks, and for the next before one is through.
    pub fn want_pieces(&mut self, blocks_per_piece: u32) {
        self.least = (2 * blocks_per_piece.min(WHOLE_MAX)).max(LEAST_OF_PIECES);
        (self.pipeline, self.reqq) = (self.least, REQQ_OF_PIECES);
    }

    /// Whether blocks are on their way.
    pub fn expects_blocks(&self) -> bool {
        !self.requested.is_empty() || self.receiving.is_some()
    }

    /// The block in transit, and what came of it.
    pub fn half_a_block(&self) -> Option<(Block, Vec<u8>)> {
        let receiving = self.receiving.as_ref().filter(|receiving| receiving.filled > 0)?;
        let bytes = receiving.buffer.as_ref()?.bytes().get(..receiving.filled as usize)?;
        Some((receiving.block, bytes.to_vec()))
    }

    /// Buffers held by the block in transit.
    pub fn buffers(&self) -> usize {
        usize::from(self.receiving.as_ref().is_some_and(|receiving| receiving.buffer.is_some()))
    }

    /// Requests sent and not answered.
    pub fn requested_count(&self) -> usize {
        self.requested.len()
    }

    /// The blocks it was asked for and still owes, in order.
    pub fn owed(&self) -> Vec<Block> {
        let in_transit = self.receiving.as_ref().map(|receiving| receiving.block);
        let mut owed: Vec<Block> = self.requested.iter().map(|request| request.block).chain(in_transit).collect();
        owed.sort_unstable();
        owed
    }

    fn take(&mut self, block: Block) -> bool {
        let found = self.requested.iter().position(|request| request.block == block);
        found.and_then(|at| self.requested.remove(at)).is_some()
    }

    fn remember_cancelled(&mut self, block: Block) {
        if self.cancelled.len() == CANCELLED_MAX {
            self.cancelled.pop_front();
        }
        self.cancelled.push_back(block);
    }

    fn take_cancelled(&mut self, block: Block) -> bool {
        let found = self.cancelled.iter().position(|cancelled| *cancelled == block);
        found.and_then(|at| self.cancelled.remove(at)).is_some()
    }

    /// The peer lets us have this piece while choked.
    pub fn allow(&mut self, piece: Piece) {
        if self.allowed.len() < ALLOWED_MAX && !self.allowed.contains(&piece) {
            self.allowed.push(piece);
        }
    }

    /// Once a second: the pipeline follows the rate.
    pub fn measure(&mut self, now: Time) {
        let rate = self.rate.per_s(now);
        if self.is_slow_start && rate > 0 && rate < self.rate_before + self.rate_before / 10 {
            self.is_slow_start = false;
        }
        self.rate_before = rate;
        if !self.is_slow_start {
            let in_flight = rate as f64 * PIPELINE_SPAN.as_secs_f64() / f64::from(BLOCK_LEN);
            self.pipeline = (in_flight as u32 + self.least).min(self.reqq);
        }
        if self.is_snubbed {
            self.pipeline = 1;
        }
    }
}

impl Torrent {
    /// Sends requests until the peer's pipeline is full, if it has fallen to half.
    pub fn top_up(&mut self, peer: &mut Peer, now: Time, out: &mut Outbox) {
        let down = &peer.down;
        let outstanding = down.requested.len() as u32;
        let may_ask = !peer.peer_choking || !down.allowed.is_empty();
        if !self.may_request() || !peer.am_interested || !may_ask || now < down.refused_until {
            return;
        }
        // A web server knows no cancel: what was taken back comes all the same, and is taken if nobody else had it.
        let still_comes = peer.web.is_some() && !down.cancelled.is_empty();
        if outstanding > down.pipeline / 2 || still_comes {
            return;
        }
        let wanted = self.whole_pieces(peer, down.pipeline - outstanding.min(down.pipeline));
        let room = self.requests_room(peer, now, out).min(wanted);
        let blocks = self.pick_for(peer, room as usize, now, out);
        if blocks.is_empty() {
            return;
        }
        let is_short = room < wanted && blocks.len() == room as usize;
        if !peer.down.expects_blocks() && !peer.down.is_snubbed {
            peer.down.last_progress = now;
            peer.down.last_payload = now;
        }
        let mut bytes = Vec::with_capacity(blocks.len() * 17);
        for block in blocks {
            assert!(out.download.take(self.id), "no more blocks are picked than credits are free");
            if peer.down.is_snubbed {
                out.download.add_idle(self.id);
            }
            self.spend(Way::Down, peer, u64::from(block.len()), out);
            match &mut peer.web {
                Some(web) => web.want(block),
                None => Message::Request(block.into()).write(&mut bytes),
            }
            peer.down.requested.push_back(Request { block, at: now });
        }
        peer.last_sent = now;
        match &mut peer.web {
            Some(_) => self.ask_web(peer, out),
            None => out.send(peer.conn, bytes),
        }
        if is_short {
            // Whoever finds nothing waits for its turn.
            self.requests_room(peer, now, out);
        }
    }

    /// As many blocks as a web seed is asked for at once: whole pieces, where they are not long. Others: all of them.
    fn whole_pieces(&self, peer: &Peer, wanted: u32) -> u32 {
        let blocks_per_piece = self.metainfo.geometry.piece_len().div_ceil(BLOCK_LEN).min(WHOLE_MAX);
        let is_odd = peer.web.is_none() || (wanted < blocks_per_piece && !peer.down.expects_blocks());
        if is_odd { wanted } else { wanted - wanted % blocks_per_piece }
    }

    /// How many requests limits and credits allow this peer now. 0: the torrent waits for its turn.
    fn requests_room(&mut self, peer: &Peer, now: Time, out: &mut Outbox) -> u32 {
        let allowance = self.allowance(Way::Down, peer, now, out);
        let affordable = u32::try_from(allowance.div_ceil(u64::from(BLOCK_LEN))).unwrap_or(u32::MAX);
        let credits = out.download.room(self.id);
        if credits == 0 {
            out.download.wait(self.id);
        }
        let idle_room = if peer.down.is_snubbed { out.download.idle_room() } else { u32::MAX };
        affordable.min(credits).min(idle_room)
    }

    /// A `piece` message begins.
    pub fn on_head(&mut self, peer: &mut Peer, raw: RawBlock, now: Time, out: &mut Outbox) -> Result<(), Fault> {
        let geometry = self.metainfo.geometry;
        let block = geometry.block(raw.index, raw.begin, raw.len).ok_or(Fault::Unexpected("a block that is none"))?;
        let mut buffer = None;
        let is_asked = peer.down.take(block);
        if is_asked {
            // The pool cannot be empty where `appetite` is heeded; if it is, the block is asked for again.
            buffer = out.pool.take();
            if buffer.is_none() {
                out.download.give_back(self.id, 1);
                self.picker.give_up(block, peer.conn);
            }
        } else if peer.down.take_cancelled(block) {
            let is_welcome = self.picker.is_open(block) && out.pool.available() > 0;
            // Refunded when it was taken back.
            self.spend(Way::Down, peer, u64::from(block.len()), out);
            if is_welcome && out.download.take(self.id) {
                buffer = out.pool.take();
            }
        } else {
            // BEP 6: with the fast extension every block that comes was asked for. Without it, what we gave up when
            // we were choked may cross our choke.
            peer.down.unasked_count += 1;
            if peer.has_fast || peer.down.unasked_count > UNASKED_MAX {
                return Err(Fault::Unexpected("a block nobody asked for"));
            }
        }
        peer.down.receiving = Some(Receiving { block, filled: 0, buffer, is_asked });
        peer.last_block = now;
        Ok(())
    }

    /// A part of a block's payload.
    pub fn on_payload(&mut self, peer: &mut Peer, bytes: &[u8], last: bool, now: Time, out: &mut Outbox) {
        if peer.down.receiving.is_some() {
            peer.down.last_payload = now;
            peer.down.rate.add(now, bytes.len() as u64);
            self.stats.down.add(now, bytes.len() as u64);
        }
        self.fill(peer, bytes, last, now, out);
    }

    /// The same, of bytes that nobody had to send.
    pub fn fill(&mut self, peer: &mut Peer, bytes: &[u8], last: bool, now: Time, out: &mut Outbox) {
        let Some(receiving) = &mut peer.down.receiving else {
            return;
        };
        let from = receiving.filled as usize;
        receiving.filled += bytes.len() as u32;
        match &mut receiving.buffer {
            Some(buffer) => {
                let room = &mut buffer.bytes_mut()[from..];
                let len = bytes.len().min(room.len());
                room[..len].copy_from_slice(&bytes[..len]);
            }
            None => self.stats.wasted += bytes.len() as u64,
        }
        if last && let Some(Receiving { block, buffer, is_asked, .. }) = peer.down.receiving.take() {
            if let Some(buffer) = buffer {
                self.on_block(peer, Filled { block, buffer }, is_asked, now, out);
            }
            self.top_up(peer, now, out);
        }
    }

    /// A whole block is in memory.
    fn on_block(&mut self, peer: &mut Peer, filled: Filled, is_asked: bool, now: Time, out: &mut Outbox) {
        let down = &mut peer.down;
        down.last_progress = now;
        down.is_snubbed = false;
        down.refusal_count = 0;
        if down.is_slow_start {
            down.pipeline = (down.pipeline + 1).min(down.reqq).min(out.download.total() / 2);
        }
        let block = filled.block;
        let received = if self.may_request() {
            self.picker.receive(block, peer.sender, is_asked)
        } else {
            if is_asked {
                self.picker.give_up(block, peer.conn);
            }
            Received::Useless
        };
        match received {
            Received::Fresh { is_last, has_copies } => {
                peer.down.block_count += 1;
                if has_copies {
                    self.later.push(Later::CancelElsewhere { block, conn: peer.conn });
                }
                self.store.gather(filled, is_last, now, out);
            }
            Received::Useless => {
                self.stats.wasted += u64::from(block.len());
                out.pool.put(filled.buffer);
                out.download.give_back(self.id, 1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_request_a_peer_promises_to_hold_is_left_out() {
        let mut down = Down::new(Time::ZERO);
        for (told, held) in [(0, 1), (1, 1), (2, 1), (512, 511), (u32::MAX, 2000)] {
            down.bound(told);
            assert_eq!(down.reqq, held);
        }
    }
}
