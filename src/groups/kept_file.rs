//! A file of the groups in the state folder: loaded once, saved whole when something has changed, one save at a time.

use crate::base::{JobId, Span, Time};
use crate::machine::{Completion, DiskError, Job, Outbox};

/// See the module.
#[derive(Debug)]
pub struct KeptFile {
    name: &'static str,
    len_max: usize,
    loading: Option<JobId>,
    saving: Option<JobId>,
    /// When what has changed is to be saved.
    due: Option<Time>,
}

/// How a job of this file ended.
#[derive(Debug)]
pub enum Ended {
    Loaded(Option<Vec<u8>>),
    Saved(Result<(), DiskError>),
}

impl KeptFile {
    pub fn new(name: &'static str, len_max: usize) -> KeptFile {
        KeptFile { name, len_max, loading: None, saving: None, due: None }
    }

    pub fn load(&mut self, out: &mut Outbox) {
        let id = out.new_job();
        self.loading = Some(id);
        out.job(Job::LoadFile { id, name: self.name.into(), len_max: self.len_max });
    }

    /// Until then what is in it is not known.
    pub fn is_loading(&self) -> bool {
        self.loading.is_some()
    }

    /// Something has changed, which is to be on disk after this time, or soon after.
    pub fn change(&mut self, now: Time, patience: Span) {
        let due = now + patience;
        self.due = Some(self.due.map_or(due, |before| before.min(due)));
    }

    pub fn next_deadline(&self) -> Option<Time> {
        self.due.filter(|_| self.saving.is_none() && self.loading.is_none())
    }

    /// Whether it is to be saved now.
    pub fn is_due(&self, now: Time) -> bool {
        self.next_deadline().is_some_and(|due| due <= now)
    }

    /// Saves these bytes, where no save is under way.
    pub fn save(&mut self, bytes: Vec<u8>, out: &mut Outbox) {
        let id = out.new_job();
        self.saving = Some(id);
        self.due = None;
        out.job(Job::SaveFile { id, name: self.name.into(), bytes });
    }

    /// Whether nothing has to be saved, or is being saved.
    pub fn is_quiet(&self) -> bool {
        self.saving.is_none() && self.due.is_none()
    }

    pub fn waits_for(&self, job: JobId) -> bool {
        [self.loading, self.saving].contains(&Some(job))
    }

    /// A job ended. None: it was not this file's.
    pub fn completed(&mut self, completion: &mut Completion) -> Option<Ended> {
        match completion {
            Completion::FileLoaded { id, result } if self.loading == Some(*id) => {
                self.loading = None;
                match result {
                    Ok(found) => Some(Ended::Loaded(found.take().map(|(bytes, _)| bytes))),
                    Err(error) => {
                        log::warn!("what was in {} is lost: {}", self.name, error.text);
                        Some(Ended::Loaded(None))
                    }
                }
            }
            Completion::FileSaved { id, result } if self.saving == Some(*id) => {
                self.saving = None;
                if let Err(error) = result {
                    log::warn!("{} is not saved: {}", self.name, error.text);
                }
                Some(Ended::Saved(std::mem::replace(result, Ok(()))))
            }
            _ => None,
        }
    }
}
