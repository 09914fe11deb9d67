//! Nothing is heard of before it is written: what a turn of the loop says is held until its records are on disk.
//!
//! Records are gathered over a turn and appended by one job; while it is under way, the next ones gather. Everything
//! that the groups send from the first record on waits behind it, so that nobody hears or sees anything in another
//! order than it happened, and a message that anybody has seen is not lost when the process is.

use std::collections::VecDeque;

use crate::base::{JobId, Span, Time};
use crate::machine::{Command, DiskError, Job, Outbox};

/// The file, in the state folder.
pub const FILE: &str = "groups/history";

/// Bytes that may be held before nobody is read any more: the disk does not keep up.
const HELD_MAX: usize = 4 * 1024 * 1024;

/// Between two batches: of many small ones, each would cost every member a system call. Who speaks after a pause does
/// not wait.
const GAP: Span = Span::millis(2);

/// What was said and not yet heard.
#[derive(Default, Debug)]
pub struct Gate {
    /// Records on their way: none are kept where this is off.
    is_on: bool,
    /// The file has lines that are none, and is to be made anew.
    pub is_torn: bool,
    records: Vec<u8>,
    /// The number of the batch that `records` are.
    batch: u64,
    /// The job under way, and the last batch that is on disk when it ends.
    job: Option<(JobId, u64)>,
    held: VecDeque<(u64, Vec<Command>)>,
    held_len: usize,
    /// When the records are to be handed over.
    due: Option<Time>,
    /// The next batch begins its way no sooner.
    not_before: Time,
    /// Bytes of the file.
    pub file_len: usize,
    is_failing: bool,
}

impl Gate {
    pub fn new(is_on: bool) -> Gate {
        Gate { is_on, ..Gate::default() }
    }

    /// Room for records; None where none are kept.
    pub fn records(&mut self, now: Time) -> Option<&mut Vec<u8>> {
        if !self.is_on {
            return None;
        }
        self.due.get_or_insert(now.max(self.not_before));
        Some(&mut self.records)
    }

    /// Holds what was pushed from `before` on, where something is not written yet.
    pub fn hold(&mut self, before: usize, out: &mut Outbox) {
        let batch = match (&self.job, self.records.is_empty()) {
            (_, false) => self.batch,
            (Some((_, batch)), true) => *batch,
            (None, true) => return,
        };
        if out.commands.len() == before {
            return;
        }
        let mut commands = out.commands.split_off(before);
        out.commands.extend(commands.extract_if(.., |command| matches!(command, Command::Job(_) | Command::Tell(_))));
        self.held_len += commands.iter().map(weight).sum::<usize>();
        match self.held.back_mut() {
            Some((last, held)) if *last == batch => held.append(&mut commands),
            _ if commands.is_empty() => {}
            _ => self.held.push_back((batch, commands)),
        }
    }

    /// When records are to be handed over: at the end of the turn that made them, or a little later.
    pub fn next_deadline(&self) -> Option<Time> {
        if self.job.is_some() { None } else { self.due }
    }

    /// Whether records are to be handed over now.
    pub fn is_due(&self, now: Time) -> bool {
        self.next_deadline().is_some_and(|due| due <= now)
    }

    /// Hands records over, where there are some and nothing is under way; `snapshot` replaces the whole file instead
    /// of adding to it.
    pub fn flush(&mut self, snapshot: Option<Vec<u8>>, now: Time, out: &mut Outbox) {
        if self.job.is_some() || (self.records.is_empty() && snapshot.is_none()) {
            return;
        }
        self.due = None;
        self.not_before = now + GAP;
        let id = out.new_job();
        let records = std::mem::take(&mut self.records);
        let job = match snapshot {
            Some(bytes) => {
                self.file_len = bytes.len();
                self.is_torn = false;
                Job::SaveFile { id, name: FILE.into(), bytes }
            }
            None => {
                self.file_len += records.len();
                Job::Append { id, name: FILE.into(), bytes: records }
            }
        };
        self.job = Some((id, self.batch));
        self.batch += 1;
        out.job(job);
    }

    /// A job ended: what waited for it leaves. False where it was another's.
    pub fn written(&mut self, id: JobId, result: &Result<(), DiskError>, out: &mut Outbox) -> bool {
        let Some((_, batch)) = self.job.filter(|(job, _)| *job == id) else { return false };
        self.job = None;
        match result {
            Ok(()) => self.is_failing = false,
            // People talk on; what they say now is lost with the process.
            Err(error) if !std::mem::replace(&mut self.is_failing, true) => {
                log::warn!("messages are not kept for now: {}", error.text);
            }
            Err(_) => {}
        }
        while let Some((held, _)) = self.held.front()
            && *held <= batch
            && let Some((_, mut commands)) = self.held.pop_front()
        {
            self.held_len -= commands.iter().map(weight).sum::<usize>();
            out.commands.append(&mut commands);
        }
        true
    }

    /// Whether the disk is so far behind that nobody should be read.
    pub fn is_full(&self) -> bool {
        self.held_len >= HELD_MAX
    }

    /// Whether no job is under way.
    pub fn is_idle(&self) -> bool {
        self.job.is_none()
    }

    pub fn waits_for(&self, id: JobId) -> bool {
        self.job.is_some_and(|(job, _)| job == id)
    }

    pub fn is_quiet(&self) -> bool {
        self.job.is_none() && self.records.is_empty() && self.held.is_empty()
    }

    pub fn check(&self) {
        let len: usize = self.held.iter().flat_map(|(_, commands)| commands).map(weight).sum();
        assert_eq!(self.held_len, len, "bytes held");
        assert!(self.held.is_empty() || self.job.is_some() || !self.records.is_empty(), "held for nothing");
        assert!(self.job.is_some() || self.records.is_empty() == self.due.is_none(), "records without a deadline");
    }
}

/// Bytes that a command holds.
fn weight(command: &Command) -> usize {
    let len = match command {
        Command::Send { bytes, .. } | Command::SendTold { bytes, .. } => bytes.len(),
        Command::SendMany { conns, bytes } => bytes.len() + 8 * conns.len(),
        _ => 0,
    };
    len + size_of::<Command>()
}
