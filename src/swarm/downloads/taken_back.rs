//! Requests that come to nothing: refused, taken back, answered by another peer, or owed by one that sends nothing.

use super::{REFUSALS_MAX, REFUSED_WAIT, Receiving};
use crate::base::limits::{ALONE_TIMEOUT, REQUEST_TIMEOUT, SNUB_TIMEOUT};
use crate::base::{Block, Time};
use crate::machine::Outbox;
use crate::swarm::peer::{Fault, Peer};
use crate::swarm::rates::Way;
use crate::swarm::torrent::Torrent;
use crate::wire::peer::{Message, RawBlock};

impl Torrent {
    /// The peer will not send this block (BEP 6).
    pub fn on_reject(&mut self, peer: &mut Peer, raw: RawBlock, now: Time, out: &mut Outbox) -> Result<(), Fault> {
        let Some(block) = self.metainfo.geometry.block(raw.index, raw.begin, raw.len) else {
            return Err(Fault::Unexpected("a reject of a block that is none"));
        };
        if peer.down.take(block) {
            self.take_back(peer, block, out);
            self.picker.give_up(block, peer.conn);
            peer.down.allowed.retain(|piece| *piece != block.piece());
            if !peer.peer_choking && now >= peer.down.refused_until {
                // A refusal without a choke: not at once again, or both would spin. Those that come together count once.
                peer.down.refused_until = now + REFUSED_WAIT.times(1 << peer.down.refusal_count.min(5));
                peer.down.refusal_count += 1;
                if peer.down.refusal_count >= REFUSALS_MAX {
                    return Err(Fault::Unexpected("nothing but refusals"));
                }
            }
        } else if !peer.down.take_cancelled(block) {
            peer.talk.spend(now, 1)?;
        }
        Ok(())
    }

    /// The peer choked us. Without the fast extension that ends all our requests; with it each is answered.
    pub fn on_choke(&mut self, peer: &mut Peer, out: &mut Outbox) {
        peer.peer_choking = true;
        if !peer.has_fast {
            self.give_up_requests(peer, out);
        }
    }

    /// Takes all requests back without a word.
    fn give_up_requests(&mut self, peer: &mut Peer, out: &mut Outbox) {
        for request in std::mem::take(&mut peer.down.requested) {
            self.take_back(peer, request.block, out);
            self.picker.give_up(request.block, peer.conn);
            peer.down.remember_cancelled(request.block);
        }
    }

    /// A request that will not be answered: what it held comes back.
    pub(super) fn take_back(&mut self, peer: &Peer, block: Block, out: &mut Outbox) {
        out.download.give_back(self.id, 1);
        self.refund(Way::Down, peer, u64::from(block.len()), out);
    }

    /// Takes all requests back and tells the peer.
    pub fn cancel_all(&mut self, peer: &mut Peer, now: Time, out: &mut Outbox) {
        let mut bytes = Vec::new();
        for request in &peer.down.requested {
            Message::Cancel(request.block.into()).write(&mut bytes);
        }
        self.give_up_requests(peer, out);
        if !bytes.is_empty() && peer.web.is_none() {
            peer.last_sent = now;
            out.send(peer.conn, bytes);
        }
    }

    /// Another peer was faster with this block.
    pub fn cancel(&mut self, peer: &mut Peer, block: Block, now: Time, out: &mut Outbox) {
        if peer.down.take(block) {
            self.take_back(peer, block, out);
            // The picker has counted the block as received, and what else it asks of this peer stays its own.
            peer.down.remember_cancelled(block);
            if peer.web.is_none() {
                peer.last_sent = now;
                out.send(peer.conn, Message::Cancel(block.into()).to_bytes());
            }
        }
    }

    /// Once a second: a peer that owes blocks and completes none loses them to others, then its place. A block that
    /// trickles in is owed like others.
    pub fn check_owed(&mut self, peer: &mut Peer, now: Time, out: &mut Outbox) -> Result<(), Fault> {
        let down = &peer.down;
        let in_transit = || down.receiving.as_ref().map(|_| down.last_progress);
        let Some(oldest) = down.requested.front().map(|request| request.at).or_else(in_transit) else {
            return Ok(());
        };
        let silent = now.since(down.last_progress.max(oldest));
        let silent_for_good = now.since(down.last_progress);
        if down.is_snubbed && silent_for_good >= REQUEST_TIMEOUT {
            return Err(Fault::Timeout("no block came"));
        }
        let patience = if self.picker.waits_for(peer.conn) { ALONE_TIMEOUT } else { SNUB_TIMEOUT };
        if silent >= patience {
            self.snub(peer, now, out);
        }
        Ok(())
    }

    /// What it owes goes to others; it is asked for little until it sends something.
    pub fn snub(&mut self, peer: &mut Peer, now: Time, out: &mut Outbox) {
        peer.down.is_snubbed = true;
        peer.down.is_slow_start = false;
        peer.down.pipeline = 1;
        self.cancel_all(peer, now, out);
        self.release_in_transit(peer);
        self.picker.disown(peer.conn);
    }

    /// The block in transit may be asked of others; what comes first counts.
    fn release_in_transit(&mut self, peer: &mut Peer) {
        if let Some(receiving) = &mut peer.down.receiving
            && receiving.is_asked
            && receiving.buffer.is_some()
        {
            receiving.is_asked = false;
            self.picker.give_up(receiving.block, peer.conn);
        }
    }

    /// The connection is gone: everything it owed is missing again.
    pub fn abandon_downloads(&mut self, peer: &mut Peer, out: &mut Outbox) {
        self.give_up_requests(peer, out);
        if let Some(Receiving { block, buffer: Some(buffer), is_asked, .. }) = peer.down.receiving.take() {
            out.pool.put(buffer);
            out.download.give_back(self.id, 1);
            if is_asked {
                self.picker.give_up(block, peer.conn);
            }
        }
        self.picker.disown(peer.conn);
    }
}
