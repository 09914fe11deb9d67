//! What one peer asks of us: its queue of requests, the run being read for it, and what its connection still holds.
//!
//! With the fast extension (BEP 6) every request gets one `piece` or one `reject`.

use std::collections::VecDeque;
use std::net::IpAddr;

use super::peer::{Fault, Peer};
use super::rates::Way;
use super::talk::NO_BLOCK;
use super::torrent::Torrent;
use crate::base::address::unmapped;
use crate::base::limits::{IDLE_CREDIT_AGE, RUN_LEN, SEND_QUEUE_LEN, WANTED_MAX};
use crate::base::rate::Rate;
use crate::base::{BLOCK_LEN, Block, Geometry, Piece, Span, Time};
use crate::machine::{Command, DiskError, Job, Outbox, Outgoing, Run};
use crate::wire::fast::allowed_fast;
use crate::wire::peer::{Message, RawBlock, piece_head};

/// Pieces a peer may have of us while choked (BEP 6).
const ALLOWED_FAST: usize = 10;
/// Only peers with fewer pieces than this are allowed any.
const ALLOWED_FAST_BELOW: u32 = 10;
/// Longest run under a rate limit.
const RUN_LIMITED: u32 = 2 * BLOCK_LEN;
/// Nothing of what a peer asked for leaves for this long: it does not read.
const UNREAD_TIMEOUT: Span = Span::secs(60);

#[derive(Debug, Default)]
pub struct Up {
    /// Requests to be answered, in order.
    wanted: VecDeque<Block>,
    /// The requests of the run being read, in order; each holds a credit.
    reading: Vec<Block>,
    /// Blocks given to the connection and not reported sent; each holds a credit.
    sending_count: u32,
    /// Bytes of them.
    sending_bytes: u64,
    pub rate: Rate,
    /// Pieces it may have while choked.
    allowed: Vec<Piece>,
    /// When payload last left, or was queued where none waited.
    last_progress: Time,
    /// Waits for a credit or a rate limit.
    pub is_starved: bool,
}

impl Up {
    /// Credits this peer holds.
    pub fn credits(&self) -> u32 {
        self.reading.len() as u32 + self.sending_count
    }

    /// Since when it takes nothing of what waits for it, if that is long.
    pub fn idle_since(&self, now: Time) -> Option<Time> {
        let is_idle = self.sending_count > 0 && now.since(self.last_progress) >= IDLE_CREDIT_AGE;
        is_idle.then_some(self.last_progress)
    }

    /// Requests waiting.
    pub fn wanted_count(&self) -> usize {
        self.wanted.len()
    }

    /// Whether a read for it is under way.
    pub fn is_reading(&self) -> bool {
        !self.reading.is_empty()
    }

    /// A run: requests from the queue's head whose bytes follow each other, the first of any length.
    fn cut_run(&mut self, credits: u32, len_max: u32) -> Vec<Block> {
        let mut run: Vec<Block> = Vec::new();
        while let Some(&next) = self.wanted.front() {
            let goes_on = match (run.first(), run.last()) {
                (Some(first), Some(last)) => {
                    let follows = last.piece() == next.piece() && last.end() == next.begin();
                    follows && next.end() - first.begin() <= len_max
                }
                _ => true,
            };
            if !goes_on || run.len() as u32 >= credits {
                break;
            }
            self.wanted.pop_front();
            run.push(next);
        }
        run
    }
}

impl Torrent {
    /// The pieces a peer with few pieces may have while choked, told once after the handshake.
    pub fn allow_fast(&mut self, peer: &mut Peer, out: &mut Outbox) {
        let IpAddr::V4(ip) = unmapped(peer.remote.ip()) else {
            return;
        };
        let geometry = &self.metainfo.geometry;
        let has_few = peer.has.count(geometry.piece_count()) < ALLOWED_FAST_BELOW;
        if !peer.has_fast || !has_few || !peer.up.allowed.is_empty() {
            return;
        }
        let mut bytes = Vec::new();
        for index in allowed_fast(ip, self.metainfo.info_hash, geometry.piece_count(), ALLOWED_FAST) {
            if let Some(piece) = geometry.piece(index).filter(|piece| self.picker.verified().has(*piece)) {
                peer.up.allowed.push(piece);
                Message::AllowedFast(index).write(&mut bytes);
            }
        }
        if !bytes.is_empty() {
            out.send(peer.conn, bytes);
        }
    }

    /// # Errors
    /// Too many that come to nothing. One for no block is refused as others are, at a higher price: some clients ask
    /// past the end by mistake, and other clients do not part with them for it.
    pub fn on_request(&mut self, peer: &mut Peer, raw: RawBlock, now: Time, out: &mut Outbox) -> Result<(), Fault> {
        let Some(block) = self.metainfo.geometry.block(raw.index, raw.begin, raw.len) else {
            self.refuse(peer, raw, out);
            return peer.talk.spend(now, NO_BLOCK);
        };
        let may_have = |block: &Block| {
            let piece = block.piece();
            self.picker.verified().has(piece) && (!peer.am_choking || peer.up.allowed.contains(&piece))
        };
        // Asked twice: one of the two is answered by the refusal.
        if !may_have(&block) || peer.up.wanted.len() >= WANTED_MAX || peer.up.wanted.contains(&block) {
            self.refuse(peer, raw, out);
            return peer.talk.spend(now, 1);
        }
        peer.up.wanted.push_back(block);
        self.later_serve(peer);
        Ok(())
    }

    /// A request gets no piece: told where the fast extension allows it.
    fn refuse(&mut self, peer: &mut Peer, raw: RawBlock, out: &mut Outbox) {
        if peer.has_fast {
            out.send(peer.conn, Message::Reject(raw).to_bytes());
        }
    }

    pub fn on_cancel(&mut self, peer: &mut Peer, raw: RawBlock, out: &mut Outbox) {
        let block = self.metainfo.geometry.block(raw.index, raw.begin, raw.len);
        let found = block.and_then(|block| peer.up.wanted.iter().position(|wanted| *wanted == block));
        if let Some(at) = found {
            peer.up.wanted.remove(at);
            self.refuse(peer, raw, out);
        }
    }

    /// Chokes the peer: its requests end here, but for the pieces it may always have.
    pub fn choke(&mut self, peer: &mut Peer, now: Time, out: &mut Outbox) {
        if std::mem::replace(&mut peer.am_choking, true) {
            return;
        }
        let mut bytes = Message::Choke.to_bytes();
        let mut kept = VecDeque::new();
        for block in std::mem::take(&mut peer.up.wanted) {
            if peer.has_fast && peer.up.allowed.contains(&block.piece()) {
                kept.push_back(block);
            } else if peer.has_fast {
                Message::Reject(block.into()).write(&mut bytes);
            }
        }
        peer.up.wanted = kept;
        peer.last_sent = now;
        out.send(peer.conn, bytes);
    }

    pub fn unchoke(&mut self, peer: &mut Peer, now: Time, out: &mut Outbox) {
        if std::mem::replace(&mut peer.am_choking, false) {
            peer.last_sent = now;
            out.send(peer.conn, Message::Unchoke.to_bytes());
        }
    }

    /// Serves at once when enough waits for a good run, or nothing else is under way.
    fn later_serve(&mut self, peer: &mut Peer) {
        let run = (RUN_LEN / BLOCK_LEN) as usize;
        if peer.up.wanted.len() >= run || (peer.up.reading.is_empty() && peer.up.sending_count == 0) {
            self.later.push(super::torrent::Later::Serve { conn: peer.conn });
        }
    }

    /// Starts reading the next run, unless one is read or the connection holds enough.
    pub fn serve(&mut self, peer: &mut Peer, now: Time, out: &mut Outbox) {
        peer.up.is_starved = false;
        if !peer.up.reading.is_empty() || peer.up.wanted.is_empty() || peer.up.sending_bytes >= SEND_QUEUE_LEN as u64
        {
            return;
        }
        if !self.may_serve() {
            return;
        }
        let allowance = self.allowance(Way::Up, peer, now, out);
        let credits = out.upload.room(self.id);
        if credits == 0 {
            out.upload.wait(self.id);
        }
        if allowance == 0 || credits == 0 {
            peer.up.is_starved = true;
            return;
        }
        // Under a limit runs are short, so that everybody who waits gets a part of each helping.
        let run_max = if self.is_limited(Way::Up, peer, out) { RUN_LIMITED } else { RUN_LEN };
        let len_max = u32::try_from(allowance).unwrap_or(run_max).min(run_max);
        let run = peer.up.cut_run(credits, len_max);
        let (Some(first), Some(last)) = (run.first(), run.last()) else {
            return;
        };
        let geometry: &Geometry = &self.metainfo.geometry;
        let whole = geometry
            .block(first.piece().index(), first.begin(), last.end() - first.begin())
            .expect("requests that follow each other lie within their piece, and a run is no longer than a request");
        for _ in &run {
            assert!(out.upload.take(self.id), "a run is no longer than the free credits");
        }
        self.spend(Way::Up, peer, u64::from(whole.len()), out);
        peer.up.reading = run;
        out.job(Job::Read { store: self.store.id, conn: peer.conn, block: whole });
    }

    /// A run was read for this peer (None: it is gone).
    pub fn on_read(
        &mut self,
        peer: Option<&mut Peer>,
        whole: Block,
        run: Result<Run, DiskError>,
        now: Time,
        out: &mut Outbox,
    ) -> Result<(), DiskError> {
        let Some(peer) = peer else {
            return Ok(());
        };
        let blocks = std::mem::take(&mut peer.up.reading);
        let run = match run {
            Ok(run) => run,
            Err(error) => {
                self.refund(Way::Up, peer, u64::from(whole.len()), out);
                out.upload.give_back(self.id, blocks.len() as u32);
                for block in blocks {
                    self.refuse(peer, block.into(), out);
                }
                return Err(error);
            }
        };
        let outgoing: Vec<Outgoing> = blocks
            .iter()
            .map(|block| Outgoing {
                head: piece_head(*block),
                start: block.begin() - whole.begin(),
                len: block.len(),
            })
            .collect();
        if peer.up.sending_count == 0 {
            peer.up.last_progress = now;
        }
        peer.up.sending_count += outgoing.len() as u32;
        peer.up.sending_bytes += blocks.iter().map(|block| u64::from(block.len())).sum::<u64>();
        peer.last_sent = now;
        out.push(Command::SendBlocks { conn: peer.conn, run, blocks: outgoing });
        self.serve(peer, now, out);
        Ok(())
    }

    /// Payload left for the kernel.
    pub fn on_sent(&mut self, peer: &mut Peer, blocks: u32, bytes: u64, now: Time, out: &mut Outbox) {
        let blocks = blocks.min(peer.up.sending_count);
        peer.up.last_progress = now;
        peer.up.sending_count -= blocks;
        peer.up.sending_bytes -= bytes.min(peer.up.sending_bytes);
        out.upload.give_back(self.id, blocks);
        peer.up.rate.add(now, bytes);
        self.stats.up.add(now, bytes);
        peer.last_sent = now;
        peer.last_block = now;
        self.serve(peer, now, out);
    }

    /// Once a second: a peer that asks and does not read gives back what its connection holds.
    pub fn check_unread(&self, peer: &Peer, now: Time) -> Result<(), Fault> {
        let is_stuck = peer.up.sending_count > 0 && now.since(peer.up.last_progress) >= UNREAD_TIMEOUT;
        if is_stuck { Err(Fault::Unread) } else { Ok(()) }
    }

    /// The connection is gone.
    pub fn abandon_uploads(&mut self, peer: &mut Peer, out: &mut Outbox) {
        // The credits of a run being read come back now; its completion finds nobody and gives none.
        out.upload.give_back(self.id, peer.up.credits());
        let reading_bytes: u64 = peer.up.reading.iter().map(|block| u64::from(block.len())).sum();
        self.refund(Way::Up, peer, peer.up.sending_bytes + reading_bytes, out);
        peer.up.sending_count = 0;
        peer.up.sending_bytes = 0;
        peer.up.reading.clear();
        peer.up.wanted.clear();
    }
}
