//! Counts the jobs under way that are answered: a torrent has ended when none is left.

use super::Swarm;
use crate::machine::{Command, Job, Outbox};

impl Swarm {
    /// Counts the jobs among the commands from `before` on that are answered.
    pub(super) fn count_jobs(&mut self, before: usize, out: &Outbox) {
        let is_answered = |command: &&Command| match command {
            Command::Job(job) => matches!(
                job,
                Job::Open { .. }
                    | Job::Reserve { .. }
                    | Job::Write { .. }
                    | Job::Read { .. }
                    | Job::Digests { .. }
                    | Job::Checkpoint { .. }
            ),
            _ => false,
        };
        self.jobs_out += out.commands[before..].iter().filter(is_answered).count() as u32;
    }
}
