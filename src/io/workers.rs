//! The worker threads as the loop sees them: where each job goes, and what is still on its way.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use crossbeam_channel::{Sender as Channel, TrySendError, bounded};

use super::disk::{self, DiskJob, DiskOptions};
use super::gateway::Gateway;
use super::hasher::Hashers;
use super::mailbox::Sender;
use super::reactor::{Options, ends_write};
use super::relocate::relocate;
use super::statefile::boot_id;
use super::web::{self, Web};
use crate::base::JobId;
use crate::machine::{Completion, DiskError, DiskErrorKind, Job, StoreSpec};

/// Batches between the disk thread and one hasher; the disk thread waits when it is full.
const HASH_SLOTS: usize = 64;
/// Stack of a thread that moves files.
const STACK_LEN: usize = 256 * 1024;

/// Disk thread, hashers and web threads.
pub struct Workers {
    disk: Channel<DiskJob>,
    /// Jobs beyond the channel's bound: a bug of a machine, but no reason to block or to lose one.
    backlog: VecDeque<DiskJob>,
    /// Writes that have not come home.
    writes: usize,
    quit: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    web: Web,
    gateway: Gateway,
    mail: Sender,
}

impl Workers {
    /// Starts the threads that are always there.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub fn start(options: &Options, open_files: usize, mail: &Sender) -> io::Result<Workers> {
        let quit = Arc::new(AtomicBool::new(false));
        let (hashers, mut threads) = Hashers::start(options.hashers, HASH_SLOTS, mail, &quit)?;
        let (disk, jobs) = bounded(options.job_slots.max(1));
        let disk_options = DiskOptions { state_dir: options.state_dir.clone(), open_files, boot_id: boot_id() };
        threads.push(disk::start(disk_options, jobs, mail.clone(), hashers)?);
        let deliver = || {
            let post = mail.clone();
            move |completion| post.post(completion)
        };
        Ok(Workers {
            disk,
            backlog: VecDeque::new(),
            writes: 0,
            quit,
            threads,
            web: Web::new(web::Options { way: options.way.clone(), ..options.web.clone() }, deliver()),
            gateway: Gateway::new(options.way.clone(), deliver()),
            mail: mail.clone(),
        })
    }

    /// Hands a job to its thread, with a used buffer for what it reads; never waits.
    pub fn submit(&mut self, job: Job, buffer: Vec<u8>) {
        let job = match job {
            Job::Fetch { id, request } => return self.web.fetch(id, request),
            Job::Move { id, spec, to } => return self.relocate(id, spec, to),
            Job::Network { id } => return self.gateway.find(id),
            Job::Control { id, request } => return self.gateway.control(id, request),
            Job::Resolve { id, host, port, for_tls } => return self.web.resolve(id, &host, port, for_tls),
            job => job,
        };
        self.writes += usize::from(matches!(job, Job::Write { .. }));
        self.backlog.push_back(DiskJob { job, buffer });
        self.push_backlog();
    }

    /// Files move on a thread of their own: to another disk it takes long, and others want theirs.
    fn relocate(&self, id: JobId, spec: Arc<StoreSpec>, to: Arc<StoreSpec>) {
        let mail = self.mail.clone();
        let work = move || mail.post(Completion::Done { id, result: relocate(spec, to) });
        let started = std::thread::Builder::new().name("move".into()).stack_size(STACK_LEN).spawn(work);
        if let Err(error) = started {
            let text = format!("no thread to be had: {error}");
            self.mail.post(Completion::Done { id, result: Err(DiskError { kind: DiskErrorKind::Other, text }) });
        }
    }

    /// Moves what the channel takes.
    pub fn push_backlog(&mut self) {
        while let Some(job) = self.backlog.pop_front() {
            match self.disk.try_send(job) {
                Ok(()) => {}
                Err(TrySendError::Full(job)) => {
                    if self.backlog.is_empty() {
                        log::error!("the disk thread's channel is full: a machine does not keep its bounds");
                    }
                    self.backlog.push_front(job);
                    return;
                }
                Err(TrySendError::Disconnected(_)) => {
                    log::error!("the disk thread has ended early");
                    return;
                }
            }
        }
    }

    /// Keeps count of what is on its way.
    pub fn note_completion(&mut self, completion: &Completion) {
        if ends_write(completion) {
            self.writes = self.writes.saturating_sub(1);
        }
    }

    /// Blocks are on their way through disk and hashers, or jobs wait for room.
    pub fn is_busy(&self) -> bool {
        self.writes > 0 || !self.backlog.is_empty()
    }

    /// Lets the threads end; with `wait`, until they have.
    pub fn end(self, wait: bool) {
        self.quit.store(true, Ordering::Relaxed);
        drop(self.disk);
        for thread in self.threads.into_iter().filter(|_| wait) {
            if thread.join().is_err() {
                log::error!("a worker thread panicked");
            }
        }
    }
}
