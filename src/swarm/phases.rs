//! The torrent's way through its phases: opened, checked, active, paused, stopped.

use super::picker::Picker;
use super::store::Store;
use super::torrent::{Later, Phase, Torrent, wanted_pieces};
use crate::base::limits::DISK_RETRY;
use crate::base::{Bitfield, Piece, StoreId, Time};
use crate::machine::{DiskError, DiskErrorKind, Job, Level, Note, Opened, Outbox, Reserved};
use crate::storage::{Partial, Place, Resume};

impl Torrent {
    /// Asks the disk thread to look at the files.
    pub fn open(&mut self, now: Time, out: &mut Outbox) {
        let epoch = self.store.id.epoch + 1;
        self.store = Store::new(StoreId { torrent: self.id, epoch }, now);
        self.phase = Phase::Opening;
        let wanted = wanted_pieces(&self.spec);
        if let Some(had) = &mut self.had {
            *had = (*had).max(self.picker.progress().0);
        }
        self.picker = Picker::new(self.metainfo.geometry, wanted, self.sequential, &mut out.rng);
        self.picker.set_pads(self.spec.layout.pads());
        self.picker.set_ranks(self.ranks.clone());
        self.picker.bound_active(out.download.total());
        out.job(Job::Open { store: self.store.id, spec: self.spec.clone() });
    }

    /// The files were looked at: takes over what is known and plans what to check.
    pub fn on_opened(&mut self, result: Result<Opened, DiskError>, now: Time, out: &mut Outbox) {
        if self.phase != Phase::Opening {
            return;
        }
        let opened = match result {
            Ok(opened) => opened,
            Err(error) if error.kind == DiskErrorKind::Full => return self.pause(error, true, now, out),
            Err(error) => {
                self.phase = Phase::Stopped;
                return out.tell(Note::Failed { torrent: self.id, error });
            }
        };
        self.remember_totals(opened.resume.as_ref());
        if let Some(error) = self.vanished(&opened.lens) {
            // Its disk may come back; to begin anew would fill another one.
            return self.pause(error, true, now, out);
        }
        if self.prealloc {
            self.phase = Phase::Reserving { done: 0, total: 0 };
            self.opened = Some(opened);
            return out.job(Job::Reserve { store: self.store.id });
        }
        self.check_existing(opened, now, out);
    }

    /// The trouble where something was here, and no byte of it is any more.
    fn vanished(&self, lens: &[Option<u64>]) -> Option<DiskError> {
        let is_left = lens.iter().flatten().any(|len| *len > 0);
        if is_left || self.recheck || self.had.unwrap_or(0) == 0 {
            return None;
        }
        let text = format!("nothing of it is in {} any more", self.spec.dir.display());
        Some(DiskError { kind: DiskErrorKind::Missing, text })
    }

    /// Some of the room was reserved, or cannot be. A disk that is too small for all of it ends the torrent before
    /// anything was written; one that became so later is waited for.
    pub fn on_reserved(&mut self, result: Result<Reserved, DiskError>, now: Time, out: &mut Outbox) {
        let (Phase::Reserving { .. }, Some(opened)) = (&self.phase, self.opened.take()) else {
            return;
        };
        match result {
            Ok(Reserved { done, total, cannot: None }) if done < total => {
                self.phase = Phase::Reserving { done, total };
                self.opened = Some(opened);
                out.job(Job::Reserve { store: self.store.id });
            }
            Ok(Reserved { cannot, .. }) => {
                // Every try would fail the same way.
                self.prealloc = cannot.is_none();
                if let Some(text) = cannot {
                    out.tell(Note::Said { torrent: self.id, level: Level::Warning, text });
                }
                self.check_existing(opened, now, out);
            }
            Err(error) if self.store.id.epoch > 1 => self.pause(error, true, now, out),
            Err(error) => {
                self.phase = Phase::Stopped;
                out.job(Job::Close { store: self.store.id });
                out.tell(Note::Failed { torrent: self.id, error });
            }
        }
    }

    /// Takes over what is known of existing data, and checks what may be right.
    fn check_existing(&mut self, opened: Opened, now: Time, out: &mut Outbox) {
        self.phase = Phase::Checking;
        let mut checks: Vec<Piece> = Vec::new();
        match opened.resume.filter(|_| !self.recheck) {
            Some(resume) => checks = self.take_over(resume),
            None => {
                let is_there = |piece: &Piece| self.is_there(*piece, &opened.lens);
                checks.extend(self.metainfo.geometry.pieces().filter(is_there));
            }
        }
        self.recheck = false;
        if checks.len() > 1 {
            log::info!("{}: checking {} pieces of existing data", self.metainfo.name, checks.len());
        }
        checks.extend(self.zeros_to_check());
        self.store.plan_checks(checks);
        self.go_on_checking(now, out);
    }

    /// What earlier runs moved and told, also where all data is checked anew. Later openings of this run's own state
    /// would count this run twice.
    fn remember_totals(&mut self, resume: Option<&Resume>) {
        if !std::mem::replace(&mut self.knows_totals, true)
            && let Some(resume) = resume
        {
            self.stats.down_before = resume.downloaded;
            self.stats.up_before = resume.uploaded;
            self.was_told_complete = resume.completed;
        }
    }

    /// What earlier runs left; gives the pieces to be checked.
    pub(super) fn take_over(&mut self, resume: Resume) -> Vec<Piece> {
        let geometry = self.metainfo.geometry;
        let pieces = |field: &Bitfield| field.ones().filter_map(|index| geometry.piece(index)).collect::<Vec<_>>();
        for piece in pieces(&resume.have) {
            self.picker.verify(piece);
        }
        let mut checks = pieces(&resume.suspect);
        checks.retain(|piece| !self.picker.verified().has(*piece));
        for Partial { piece, stored } in resume.partial {
            if !checks.contains(&piece) && self.picker.restore(piece, |number| stored.has_index(number)) {
                checks.push(piece);
            }
        }
        checks
    }

    /// Whether all of the piece could be in the files as they are.
    pub(super) fn is_there(&self, piece: Piece, lens: &[Option<u64>]) -> bool {
        self.spec.layout.is_piece_wanted(piece)
            && self.spec.layout.slices_of_piece(piece).all(|slice| match slice.place {
                Place::Pad => true,
                Place::Part => false,
                Place::File(index) => {
                    let len = lens.get(index as usize).copied().flatten().unwrap_or(0);
                    len >= slice.offset + u64::from(slice.len)
                }
            })
    }

    pub(super) fn go_on_checking(&mut self, now: Time, out: &mut Outbox) {
        if self.store.go_on_checking(out) {
            self.phase = Phase::Active;
            let is_complete = self.picker.is_complete();
            self.was_incomplete |= !is_complete;
            self.later.push(Later::Began);
            if is_complete {
                self.complete(now, out);
            }
        }
    }

    /// Winds down: what is in memory goes to the disk, then everything is saved.
    pub fn stop(&mut self, now: Time, out: &mut Outbox) {
        match self.phase {
            Phase::Stopping | Phase::Stopped => {}
            Phase::Opening | Phase::Reserving { .. } | Phase::Paused { reopen: true, .. } => {
                self.phase = Phase::Stopped;
                out.job(Job::Close { store: self.store.id });
            }
            Phase::Checking => {
                self.phase = Phase::Stopping;
                self.save_last(now, out);
            }
            Phase::Active | Phase::Paused { .. } => {
                self.phase = Phase::Stopping;
                self.store.flush_all(out);
                self.go_on_stopping(now, out);
            }
        }
    }

    /// Saves for the last time as soon as nothing is on its way.
    pub fn go_on_stopping(&mut self, now: Time, out: &mut Outbox) {
        if self.phase == Phase::Stopping && self.store.is_quiet() {
            self.save_last(now, out);
        }
    }

    pub(super) fn save_last(&mut self, now: Time, out: &mut Outbox) {
        if !self.store.is_saving() && !std::mem::replace(&mut self.is_last_save, true) {
            self.store.save(self.resume(self.is_complete || self.was_told_complete), now, out);
        }
    }

    /// The disk is in trouble: nothing is asked for until it was tried again.
    pub fn pause(&mut self, error: DiskError, reopen: bool, now: Time, out: &mut Outbox) {
        if matches!(self.phase, Phase::Stopping | Phase::Stopped) {
            return;
        }
        let was_reopen = matches!(self.phase, Phase::Paused { reopen: true, .. });
        let is_news = !matches!(&self.phase, Phase::Paused { error: before, .. } if before.text == error.text);
        if is_news {
            let text = format!("paused: {}; trying again in {DISK_RETRY}", error.text);
            out.tell(Note::Said { torrent: self.id, level: Level::Warning, text });
        }
        if !matches!(self.phase, Phase::Paused { .. }) {
            self.later.push(Later::CancelAll);
        }
        self.phase = Phase::Paused { until: now + DISK_RETRY, error, reopen: reopen || was_reopen };
    }

    /// The wait is over.
    pub fn try_again(&mut self, now: Time, out: &mut Outbox) {
        let Phase::Paused { reopen, .. } = self.phase else {
            return;
        };
        if reopen {
            return self.later.push(Later::Reopen);
        }
        self.phase = Phase::Active;
        if self.picker.is_complete() && !self.is_complete {
            self.complete(now, out);
        }
        self.later.push(Later::TopUpAll);
    }
}
