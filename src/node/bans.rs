//! Bans are the whole process's: a liar of one swarm leaves the others too, and later runs hear of it.

use crate::base::{JobId, Span, Time};
use crate::machine::{DiskError, Job, Outbox};

/// The file of the state folder that they are kept in.
pub const FILE: &str = "bans";
/// Bans that come together are written together; a crash within this time costs a failed piece per liar, no more.
const SAVE_WAIT: Span = Span::secs(1);

/// What of the list was told and saved.
#[derive(Debug, Default)]
pub struct BanKeeper {
    told_count: u64,
    due: Option<Time>,
    saving: Option<JobId>,
}

impl BanKeeper {
    /// Whether somebody was banned since this was asked last.
    pub fn has_news(&mut self, now: Time, out: &Outbox) -> bool {
        let before = std::mem::replace(&mut self.told_count, out.bans.ban_count());
        let has_news = before != self.told_count;
        if has_news {
            self.due.get_or_insert(now + SAVE_WAIT);
        }
        has_news
    }

    pub fn next_deadline(&self) -> Option<Time> {
        self.due
    }

    pub fn save_if_due(&mut self, now: Time, out: &mut Outbox) {
        if self.due.is_some_and(|due| due <= now) {
            self.save(now, out);
        }
    }

    /// Saves what is new, if anything is.
    pub fn save(&mut self, now: Time, out: &mut Outbox) {
        if self.due.take().is_some() {
            let (id, bytes) = (out.new_job(), out.bans.encode(now));
            self.saving = Some(id);
            out.job(Job::SaveFile { id, name: FILE.into(), bytes });
        }
    }

    /// A file was saved, or could not be: nothing depends on it, so that is said and forgotten.
    pub fn saved(&mut self, id: JobId, result: &Result<(), DiskError>) {
        if self.saving == Some(id) {
            self.saving = None;
            if let Err(error) = result {
                log::warn!("{}", error.text);
            }
        }
    }

    /// Nothing is left to save or on its way.
    pub fn is_quiet(&self) -> bool {
        self.due.is_none() && self.saving.is_none()
    }
}
