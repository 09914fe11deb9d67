//! Room for a torrent's files, reserved before anything is downloaded (`--prealloc full`): a disk that is too small is
//! found at once, and files lie in few pieces.
//!
//! Lengths stay as they are: a file is as long as what was written to it, so that a run that is killed at any moment
//! leaves nothing behind that looks like data. What is reserved behind a file's end is its own all the same.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, fallocate};
use nix::libc::off_t;

use super::files::{Key, Table};
use super::space::{free, stored};
use super::store::Store;
use super::trouble::Trouble;
use crate::base::text::size;
use crate::machine::{DiskError, DiskErrorKind, Reserved};

/// How long one job works at it; others of the disk thread wait meanwhile.
const TURN: Duration = Duration::from_millis(20);
/// Bytes of one call at first, at least and at most: where it takes long, there are more of them.
const SLICE: u64 = 64 << 20;
const SLICE_MIN: u64 = 1 << 20;
const SLICE_MAX: u64 = 4 << 30;

/// Room being reserved.
pub(super) struct Reserve {
    /// Files with what is still to be reserved, from and to.
    files: VecDeque<(Key, u64, u64)>,
    /// Files that were not there before.
    made: Vec<Key>,
    /// Those that were.
    grown: Vec<Key>,
    done: u64,
    total: u64,
    slice: u64,
}

impl Reserve {
    fn progress(&self) -> Reserved {
        Reserved { done: self.done, total: self.total, cannot: None }
    }
}

impl Store {
    /// Reserves for a turn.
    ///
    /// # Errors
    /// `Full` where there is too little room; then all is as it was before.
    pub fn reserve(&mut self, table: &mut Table) -> Result<Reserved, DiskError> {
        let mut work = match self.reserving.take() {
            Some(work) => work,
            None => self.plan()?,
        };
        let until = Instant::now() + TURN;
        while let Some((key, from, to)) = work.files.pop_front() {
            match self.reserve_slice(table, &mut work, key, from, to) {
                Ok(()) => {}
                Err(Failure::Cannot(why)) => {
                    let cannot = Some(format!("{why}: going on without (--prealloc full)"));
                    return Ok(Reserved { cannot, ..work.progress() });
                }
                Err(Failure::Error(error)) => {
                    self.give_back(table, work);
                    return Err(error);
                }
            }
            if Instant::now() >= until && !work.files.is_empty() {
                break;
            }
        }
        let progress = work.progress();
        self.reserving = (!work.files.is_empty()).then_some(work);
        Ok(progress)
    }

    /// What the wanted files lack; an error where that is more than there is.
    fn plan(&self) -> Result<Reserve, DiskError> {
        let (dir, layout) = (&self.folder.spec().dir, self.folder.layout());
        let wanted = layout.files().iter().enumerate().filter(|(index, _)| layout.is_wanted(*index));
        let lacking = wanted.map(|(index, file)| (index as Key, file.len, file.len - stored(dir, file)));
        let (mut files, mut needed, mut total) = (VecDeque::new(), 0_u64, 0_u64);
        for (key, len, lacks) in lacking.filter(|(_, _, lacks)| *lacks > 0) {
            files.push_back((key, 0, len));
            needed = needed.saturating_add(lacks);
            total = total.saturating_add(len);
        }
        let found = free(dir).map_err(|error| Trouble::new("reserve room in", dir, &error).into_error())?;
        if found < needed {
            let (dir, needed, found) = (dir.display(), size(needed), size(found));
            let text = format!("{dir}: {needed} are needed and {found} are free (--prealloc full)");
            return Err(DiskError { kind: DiskErrorKind::Full, text });
        }
        Ok(Reserve { files, made: Vec::new(), grown: Vec::new(), done: 0, total, slice: SLICE })
    }

    fn reserve_slice(
        &mut self,
        table: &mut Table,
        work: &mut Reserve,
        key: Key,
        from: u64,
        to: u64,
    ) -> Result<(), Failure> {
        if from == 0 {
            // The times of its files mean nothing from here on.
            self.begin();
            let list = if self.is_there(key) { &mut work.grown } else { &mut work.made };
            list.push(key);
        }
        let file: Arc<File> = self.file_to_write(table, key).map_err(Failure::Error)?;
        let len = work.slice.min(to - from);
        let began = Instant::now();
        let path = self.folder.path_of(key);
        match keep(&file, from, len) {
            Ok(()) => {}
            Err(Errno::EOPNOTSUPP | Errno::ENOSYS | Errno::EINVAL) => {
                return Err(Failure::Cannot(format!(
                    "no room can be reserved on the file system of {}",
                    path.display()
                )));
            }
            Err(errno) => {
                let error = Trouble::new("reserve room for", &path, &io::Error::from(errno)).into_error();
                return Err(Failure::Error(error));
            }
        }
        let took = began.elapsed();
        if took > TURN {
            work.slice = (work.slice / 4).max(SLICE_MIN);
        } else if took < TURN / 4 {
            work.slice = (work.slice * 2).min(SLICE_MAX);
        }
        work.done += len;
        if from + len < to {
            work.files.push_front((key, from + len, to));
        }
        Ok(())
    }

    /// Frees what was reserved, as far as that is possible.
    fn give_back(&mut self, table: &mut Table, work: Reserve) {
        for key in work.made {
            self.unmake(table, key);
        }
        for key in work.grown {
            // Cut to the length that it has: that frees what lies behind.
            let cut = |file: Arc<File>| file.metadata().and_then(|found| file.set_len(found.len()));
            let freed = self.file_to_write(table, key).map(cut);
            if !matches!(freed, Ok(Ok(()))) {
                log::warn!("room that was reserved for {} stays so", self.folder.path_of(key).display());
            }
        }
    }
}

/// Why a slice was not reserved.
enum Failure {
    /// The file system does not know how.
    Cannot(String),
    Error(DiskError),
}

fn keep(file: &File, from: u64, len: u64) -> nix::Result<()> {
    // 32-bit systems reach no further.
    let (Ok(from), Ok(len)) = (off_t::try_from(from), off_t::try_from(len)) else { return Err(Errno::EOPNOTSUPP) };
    loop {
        match fallocate(file, FallocateFlags::FALLOC_FL_KEEP_SIZE, from, len) {
            Err(Errno::EINTR) => {}
            other => return other,
        }
    }
}
