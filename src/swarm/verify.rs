//! Digests and what follows from them: right pieces are told, wrong ones are blamed on their sender.

use super::active::Sender;
use super::torrent::{Later, Phase, Torrent};
use crate::base::{Piece, Time};
use crate::machine::{DiskError, DiskErrorKind, Job, Outbox};
use crate::storage::Record;

impl Torrent {
    /// A piece's digest came.
    pub fn on_hashed(&mut self, piece: Piece, digest: Result<[u8; 20], DiskError>, now: Time, out: &mut Outbox) {
        if !self.store.digest_came(piece) {
            return;
        }
        let is_right = digest.as_ref().is_ok_and(|digest| digest[..] == *self.metainfo.hash_of(piece));
        match self.phase {
            Phase::Checking => match digest {
                Ok(digest) if self.spec.layout.is_piece_pad(piece) => {
                    self.take_zeros(piece, &digest);
                    self.go_on_checking(now, out);
                }
                Ok(_) if is_right => {
                    self.picker.verify(piece);
                    self.store.record(Record::Verified(piece), out);
                    self.go_on_checking(now, out);
                }
                // It could not be read: that says nothing about its bytes. All is looked at again later.
                Err(error) if error.kind != DiskErrorKind::Missing => self.pause(error, true, now, out),
                Ok(_) | Err(_) => {
                    self.picker.fail(piece, false);
                    self.store.record(Record::Failed(piece), out);
                    self.go_on_checking(now, out);
                }
            },
            _ if !self.picker.is_hashing(piece) => {}
            _ => match digest {
                Ok(_) if is_right => self.on_verified(piece, now, out),
                Ok(_) => self.on_wrong(piece, now, out),
                Err(error) => {
                    self.picker.fail(piece, false);
                    self.pause(error, true, now, out);
                }
            },
        }
    }

    fn on_verified(&mut self, piece: Piece, now: Time, out: &mut Outbox) {
        if self.blame.passed(self.picker.senders(piece)) {
            self.later.push(Later::TopUpAll);
        }
        self.picker.verify(piece);
        self.store.record(Record::Verified(piece), out);
        if self.blame.has_case(piece) {
            out.job(Job::Digests { store: self.store.id, piece });
        }
        self.later.push(Later::Verified(piece));
        if self.picker.is_complete() {
            self.complete(now, out);
        }
    }

    /// A downloaded piece is wrong: blame first, then everything again.
    fn on_wrong(&mut self, piece: Piece, now: Time, out: &mut Outbox) {
        self.stats.hash_fails += 1;
        self.stats.wasted += u64::from(self.metainfo.geometry.len_of(piece));
        log::debug!("{}: piece {} is wrong", self.metainfo.name, piece.index());
        self.store.record(Record::Failed(piece), out);
        let (liar, wants_digests) = self.blame.failed(piece, self.picker.senders(piece));
        if let Some(liar) = liar {
            self.ban(liar, now, out);
        }
        if wants_digests {
            // Its blocks stay as they are until their digests are taken.
            out.job(Job::Digests { store: self.store.id, piece });
        } else {
            self.picker.fail(piece, false);
            self.later.push(Later::TopUpAll);
        }
    }

    /// Digests of a piece's blocks came: of one that failed, or of one that failed before and passed now.
    pub fn on_digests(
        &mut self,
        piece: Piece,
        digests: Result<Vec<[u8; 8]>, DiskError>,
        now: Time,
        out: &mut Outbox,
    ) {
        let passed = self.picker.verified().has(piece);
        match digests {
            Ok(digests) => {
                for liar in self.blame.digests(piece, &digests, passed) {
                    self.ban(liar, now, out);
                }
            }
            Err(_) => self.blame.no_digests(piece),
        }
        if !passed && self.picker.is_hashing(piece) {
            self.picker.fail(piece, true);
            self.alone_since = now;
            self.later.push(Later::TopUpAll);
        }
    }

    fn ban(&mut self, liar: Sender, now: Time, out: &mut Outbox) {
        let Some(suspect) = self.blame.suspect(liar) else {
            return;
        };
        self.discard(liar, out);
        if let Some(seed) = self.blame.web_seed(liar) {
            self.stats.banned += 1;
            return self.later.push(Later::WebLied { seed });
        }
        if out.bans.ban(now, suspect) {
            self.stats.banned += 1;
            log::info!("{}: banned {}: it sent wrong data", self.metainfo.name, suspect.address);
        }
        self.later.push(Later::Banned);
    }

    /// What a liar sent and nobody has looked at yet is fetched again, before it spoils more pieces.
    pub fn discard(&mut self, liar: Sender, out: &mut Outbox) {
        for piece in self.picker.discard(liar) {
            out.job(Job::Forget { store: self.store.id, piece });
            self.later.push(Later::TopUpAll);
        }
    }
}
