//! The metadata of one torrent as it comes in: which piece is asked of whom, and whether the whole is right.

use sha1::{Digest, Sha1};

use crate::base::{ConnId, InfoHash, Span, Time};
use crate::swarm::active::Sender;
use crate::wire::ut_metadata::PIECE_LEN;

/// Requests of one peer under way: enough to hide a round trip, few enough that nobody minds.
const REQUESTS_MAX: usize = 8;
/// Peers asked for the same piece when nothing else is left to ask for.
const ASKED_TWICE: usize = 2;
/// Remembered as asked for one piece, those that are late included.
const ASKED_MAX: usize = 16;
/// A piece that does not come within this is asked of others.
const PATIENCE: Span = Span::secs(5);
/// Bytes hashed in one turn of the loop: a few milliseconds on the slowest box.
const HASH_AT_ONCE: usize = 512 * 1024;

#[derive(Default)]
struct Piece {
    block: Option<Vec<u8>>,
    sender: Sender,
    /// Who was asked, since when it is waited for, and whether that is too long ago to wait any more.
    asked: Vec<(ConnId, Time, bool)>,
}

impl Piece {
    /// Whether this peer may be asked, too: for what nobody else owes (`is_first`), or beside others, of whom there are
    /// the more the more are late. So many who say nothing do not hide the one who would.
    fn may_ask(&mut self, conn: ConnId, is_first: bool) -> bool {
        let late = self.asked.iter().filter(|(.., is_late)| *is_late).count();
        let asked_max = if is_first { 1 } else { ASKED_TWICE + late };
        if self.asked.len() - late >= asked_max || self.asked.iter().any(|(by, ..)| *by == conn) {
            return false;
        }
        if self.asked.len() >= ASKED_MAX {
            let Some(oldest) = self.asked.iter().position(|(.., is_late)| *is_late) else { return false };
            self.asked.remove(oldest);
        }
        true
    }
}

/// What became of the whole.
#[derive(PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Pieces are missing.
    Missing,
    /// All are here and some are to be hashed yet: come again.
    Hashing,
    Right(Vec<u8>),
    /// These sent it; each once.
    Wrong(Vec<Sender>),
}

/// Memory is taken as pieces arrive.
pub struct Assembly {
    info_hash: InfoHash,
    len: u32,
    /// Only this peer is asked, so that it alone is to blame.
    pub only: Option<ConnId>,
    pieces: Vec<Piece>,
    missing: usize,
    hasher: Sha1,
    hashed: usize,
    /// The last piece that came, or when this began.
    pub last_progress: Time,
}

impl Assembly {
    /// `len` bytes are to come, at least one and at most what the caller allows.
    pub fn new(info_hash: InfoHash, len: u32, only: Option<ConnId>, now: Time) -> Assembly {
        let count = (len as usize).div_ceil(PIECE_LEN);
        let mut pieces = Vec::new();
        pieces.resize_with(count, Piece::default);
        Assembly { info_hash, len, only, pieces, missing: count, hasher: Sha1::new(), hashed: 0, last_progress: now }
    }

    pub fn len(&self) -> u32 {
        self.len
    }

    /// Pieces here, of how many.
    pub fn progress(&self) -> (u32, u32) {
        ((self.pieces.len() - self.missing) as u32, self.pieces.len() as u32)
    }

    /// The next pieces to ask this peer for; they count as asked.
    pub fn pick(&mut self, conn: ConnId, now: Time) -> Vec<u32> {
        if self.only.is_some_and(|only| only != conn) || self.missing == 0 {
            return Vec::new();
        }
        let owed = self.pieces.iter().filter(|piece| piece.asked.iter().any(|(by, ..)| *by == conn)).count();
        let mut room = REQUESTS_MAX.saturating_sub(owed);
        let mut picked = Vec::new();
        // What nobody was asked for comes first.
        for is_first in [true, false] {
            for (index, piece) in self.pieces.iter_mut().enumerate() {
                if room > 0 && piece.block.is_none() && piece.may_ask(conn, is_first) {
                    piece.asked.push((conn, now, false));
                    picked.push(index as u32);
                    room -= 1;
                }
            }
            if !picked.is_empty() {
                break;
            }
        }
        picked
    }

    /// A piece came. False where this peer was not asked for it, or it has another length than it should.
    pub fn take(&mut self, conn: ConnId, sender: Sender, index: u32, block: &[u8], now: Time) -> bool {
        let start = (index as usize).saturating_mul(PIECE_LEN);
        let expected_len = (self.len as usize).saturating_sub(start).min(PIECE_LEN);
        let Some(piece) = self.pieces.get_mut(index as usize) else { return false };
        let Some(at) = piece.asked.iter().position(|(by, ..)| *by == conn) else { return false };
        piece.asked.remove(at);
        if block.len() != expected_len {
            return false;
        }
        self.last_progress = now;
        if piece.block.is_none() {
            piece.block = Some(block.to_vec());
            piece.sender = sender;
            self.missing -= 1;
        }
        // What else it owes comes after this.
        let owed = self.pieces.iter_mut().flat_map(|piece| &mut piece.asked).filter(|(by, ..)| *by == conn);
        owed.for_each(|(_, since, is_late)| (*since, *is_late) = (now, false));
        true
    }

    /// This peer will not send what it was asked for.
    pub fn release(&mut self, conn: ConnId) {
        self.pieces.iter_mut().for_each(|piece| piece.asked.retain(|(by, ..)| *by != conn));
    }

    /// Peers that keep us waiting for too long: others are asked, but what they send still counts.
    pub fn late(&mut self, now: Time) -> Vec<ConnId> {
        let mut late = Vec::new();
        for piece in self.pieces.iter_mut().filter(|piece| piece.block.is_none()) {
            for (conn, since, is_late) in &mut piece.asked {
                if !*is_late && now.since(*since) >= PATIENCE {
                    *is_late = true;
                    late.push(*conn);
                }
            }
        }
        late.sort_unstable();
        late.dedup();
        late
    }

    /// Hashes what has come, in order and a bounded part of it.
    pub fn judge(&mut self) -> Verdict {
        let mut room = HASH_AT_ONCE;
        while let Some(block) = self.pieces.get(self.hashed).and_then(|piece| piece.block.as_ref()) {
            if room == 0 {
                break;
            }
            self.hasher.update(block);
            self.hashed += 1;
            room = room.saturating_sub(block.len());
        }
        if self.missing > 0 {
            return Verdict::Missing;
        }
        if self.hashed < self.pieces.len() {
            return Verdict::Hashing;
        }
        if <[u8; 20]>::from(std::mem::take(&mut self.hasher).finalize()) != self.info_hash.0 {
            let mut senders: Vec<Sender> = self.pieces.iter().map(|piece| piece.sender).collect();
            senders.sort_unstable();
            senders.dedup();
            return Verdict::Wrong(senders);
        }
        let mut whole = Vec::with_capacity(self.len as usize);
        for piece in &mut self.pieces {
            whole.extend_from_slice(&piece.block.take().unwrap_or_default());
        }
        Verdict::Right(whole)
    }

    /// Panics where an invariant is broken.
    pub fn check(&self) {
        let missing = self.pieces.iter().filter(|piece| piece.block.is_none()).count();
        assert_eq!(missing, self.missing, "missing pieces of metadata");
        assert!(self.pieces.iter().all(|piece| piece.asked.len() <= ASKED_MAX), "metadata is asked for too often");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata() -> (Vec<u8>, InfoHash) {
        let bytes: Vec<u8> = (0..3 * PIECE_LEN + 7).map(|n| (n % 251) as u8).collect();
        let hash = InfoHash(Sha1::digest(&bytes).into());
        (bytes, hash)
    }

    fn block(bytes: &[u8], index: u32) -> &[u8] {
        let start = index as usize * PIECE_LEN;
        &bytes[start..bytes.len().min(start + PIECE_LEN)]
    }

    #[test]
    fn pieces_of_several_peers_make_the_whole_in_any_order() {
        let (bytes, hash) = metadata();
        let mut assembly = Assembly::new(hash, bytes.len() as u32, None, Time::ZERO);
        assert_eq!(assembly.pick(ConnId(1), Time::ZERO), [0, 1, 2, 3]);
        assert_eq!(assembly.pick(ConnId(2), Time::ZERO), [0, 1, 2, 3], "a second one is asked when all are");
        assert!(assembly.pick(ConnId(3), Time::ZERO).is_empty());
        assembly.check();
        assert!(!assembly.take(ConnId(3), 3, 0, block(&bytes, 0), Time::ZERO), "it was not asked");
        assert!(!assembly.take(ConnId(1), 1, 3, block(&bytes, 0), Time::ZERO), "a wrong length");
        for index in [3, 1, 0, 2] {
            assert_eq!(assembly.judge(), Verdict::Missing);
            let conn = ConnId(2 - u64::from(index == 1));
            assert!(assembly.take(conn, 1, index, block(&bytes, index), Time::ZERO));
            assembly.check();
        }
        assert_eq!(assembly.judge(), Verdict::Right(bytes));
    }

    #[test]
    fn who_sent_a_wrong_whole_is_known() {
        let (mut bytes, hash) = metadata();
        bytes[0] ^= 1;
        let mut assembly = Assembly::new(hash, bytes.len() as u32, None, Time::ZERO);
        assembly.pick(ConnId(1), Time::ZERO);
        assembly.release(ConnId(1));
        assembly.pick(ConnId(2), Time::ZERO);
        assembly.pick(ConnId(1), Time::ZERO);
        for index in 0..4 {
            let conn = ConnId(1 + u64::from(index > 1));
            assert!(assembly.take(conn, conn.0 as Sender, index, block(&bytes, index), Time::ZERO));
        }
        assert_eq!(assembly.judge(), Verdict::Wrong(vec![1, 2]));
    }

    #[test]
    fn who_is_slow_is_named_and_only_one_may_be_asked_where_blame_is_sought() {
        let (bytes, hash) = metadata();
        let mut assembly = Assembly::new(hash, bytes.len() as u32, Some(ConnId(7)), Time::ZERO);
        assert!(assembly.pick(ConnId(1), Time::ZERO).is_empty());
        assert_eq!(assembly.pick(ConnId(7), Time::ZERO).len(), 4);
        assert!(assembly.late(Time::ZERO).is_empty());
        let late = Time::ZERO + PATIENCE;
        assert_eq!(assembly.late(late), [ConnId(7)]);
        assert!(assembly.late(late).is_empty(), "said once");
        assert!(assembly.take(ConnId(7), 1, 1, block(&bytes, 1), late), "what is late still counts");
        assert_eq!(assembly.late(late + PATIENCE), [ConnId(7)], "and gives the rest another chance");
        let mut long = Assembly::new(hash, 30 << 20, None, Time::ZERO);
        assert_eq!(long.pick(ConnId(1), Time::ZERO).len(), REQUESTS_MAX);
        assert!(long.pick(ConnId(1), Time::ZERO).is_empty());
    }
}
