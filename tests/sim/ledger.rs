//! What is known of one torrent in one process of a node, from outside.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use peerlink::base::{ConnId, InfoHash, Piece};
use peerlink::storage::Layout;
use sha1::{Digest, Sha1};

use crate::codec::Range;
use crate::disk::Disk;
use crate::host::Task;

/// What is known of one torrent in one process.
pub struct Ledger {
    pub layout: Layout,
    pub content: Arc<Vec<u8>>,
    pub info_hash: InfoHash,
    /// Everything will be hashed at the first opening, whatever earlier runs say.
    pub rechecks: bool,
    pub wanted: Vec<bool>,
    /// A right digest was told, or an earlier run's claim was believed.
    pub verified: Vec<bool>,
    /// Blocks that arrived and have not been judged.
    pub got: BTreeSet<(u32, u32)>,
    /// Blocks that arrived unasked or after they were cancelled: the node may have kept them or not.
    pub maybe: BTreeSet<(u32, u32)>,
    /// Failed pieces whose blocks' digests are awaited: nobody is asked for them.
    pub judged: BTreeSet<u32>,
    /// Disk trouble was told: what arrives is thrown away until the node asks again.
    pub troubled: bool,
    /// Who was asked for each block.
    pub asked: BTreeMap<(u32, u32), Vec<ConnId>>,
    /// Payload of whole blocks that were asked for; and of everything that looks like payload.
    pub downloaded: (u64, u64),
    pub uploaded: u64,
    pub hash_fails: u32,
    /// Payload that earlier processes received, and whether they were complete once, as they saved it.
    pub earlier: (u64, bool),
    /// Blocks asked of a second peer while a first one still had them to send.
    pub doubles: u32,
}

impl Ledger {
    pub fn new(task: &Task, layout: Layout, content: Arc<Vec<u8>>, info_hash: InfoHash) -> Ledger {
        let geometry = *layout.geometry();
        Ledger {
            rechecks: task.recheck,
            wanted: geometry.pieces().map(|piece| layout.is_piece_wanted(piece)).collect(),
            verified: vec![false; geometry.piece_count() as usize],
            layout,
            content,
            info_hash,
            got: BTreeSet::new(),
            maybe: BTreeSet::new(),
            judged: BTreeSet::new(),
            troubled: false,
            asked: BTreeMap::new(),
            downloaded: (0, 0),
            uploaded: 0,
            hash_fails: 0,
            earlier: (0, false),
            doubles: 0,
        }
    }

    pub fn is_complete(&self) -> bool {
        self.wanted.iter().zip(&self.verified).all(|(wanted, verified)| *verified || !wanted)
    }

    pub fn is_right(&self, piece: Piece, digest: &[u8; 20]) -> bool {
        let start = self.layout.geometry().start_of(piece) as usize;
        let end = start + self.layout.geometry().len_of(piece) as usize;
        Sha1::digest(&self.content[start..end])[..] == digest[..]
    }

    pub fn bytes_of(&self, counts: impl Fn(usize) -> bool) -> u64 {
        let geometry = self.layout.geometry();
        geometry.pieces().filter(|piece| counts(piece.at())).map(|piece| u64::from(geometry.len_of(piece))).sum()
    }

    /// Some blocks of a piece turned out to be worth nothing; from outside nobody can tell which.
    pub fn doubt_got(&mut self, index: u32) {
        let (doubted, got) = std::mem::take(&mut self.got).into_iter().partition(|(piece, _)| *piece == index);
        self.got = got;
        self.maybe.extend::<BTreeSet<(u32, u32)>>(doubted);
    }

    pub fn forget_got(&mut self, index: u32) {
        self.got.retain(|(other, _)| *other != index);
        self.maybe.retain(|(other, _)| *other != index);
    }

    pub fn forget_asked(&mut self, conn: ConnId, range: &Range) {
        if let Some(conns) = self.asked.get_mut(&(range.index, range.begin)) {
            conns.retain(|other| *other != conn);
            if conns.is_empty() {
                self.asked.remove(&(range.index, range.begin));
            }
        }
    }

    /// The node tells a peer that it has the piece.
    pub fn claims(&self, index: u32, disk: &Disk) {
        assert!(self.verified[index as usize], "[have] piece {index} is told before it is verified");
        let piece = self.layout.geometry().piece(index).expect("within the bitfield");
        let volume = &disk.volumes[&self.info_hash];
        let holds = volume.holds(&self.layout, piece, &self.content);
        assert!(holds, "[have] piece {index} is told and its stored bytes are wrong");
    }

    /// The node sends payload.
    pub fn serves(&self, index: u32, begin: u32, payload: &[u8]) {
        assert!(self.verified[index as usize], "[uploads] a block of piece {index}, which is not verified");
        let start = (u64::from(index) * u64::from(self.layout.geometry().piece_len()) + u64::from(begin)) as usize;
        let right = self.content.get(start..start + payload.len()) == Some(payload);
        assert!(right, "[uploads] wrong bytes of piece {index} at {begin}");
    }
}
