//! Reads that cannot wait, in the loop itself: pages that are in memory already (`preadv2` with `RWF_NOWAIT`).
//!
//! The one allowed exception to "no file I/O in the loop". Anything else, and what is not in memory, goes to the disk
//! thread, whose read also starts read-ahead; it lends the file with its answer, so the next run may be had here.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::IoSliceMut;
use std::sync::Arc;

use rustix::io::{Errno, ReadWriteFlags, preadv2};

use super::files::Key;
use crate::base::{Block, StoreId};
use crate::machine::StoreSpec;
use crate::storage::Place;

/// Files kept open here at once: what is seeded at one moment is mostly one or a few files.
const LENT_MAX: usize = 16;

/// A file that the disk thread had open when it read from it.
#[derive(Clone, Debug)]
pub struct Lent {
    pub store: StoreId,
    pub key: Key,
    pub file: Arc<File>,
}

/// What is known of open torrents and lent files.
#[derive(Debug, Default)]
pub struct Resident {
    specs: BTreeMap<StoreId, Arc<StoreSpec>>,
    /// The one lent last is at the back. None: its file system does not know the flag.
    lent: VecDeque<(StoreId, Key, Option<Arc<File>>)>,
}

impl Resident {
    /// A torrent is opened.
    pub fn open(&mut self, store: StoreId, spec: Arc<StoreSpec>) {
        self.specs.insert(store, spec);
    }

    /// A torrent is closed.
    pub fn close(&mut self, store: StoreId) {
        self.specs.remove(&store);
        self.lent.retain(|(of, _, _)| *of != store);
    }

    /// The disk thread lends a file.
    pub fn lend(&mut self, Lent { store, key, file }: Lent) {
        if !self.specs.contains_key(&store) || self.lent.iter().any(|(of, k, _)| (*of, *k) == (store, key)) {
            return;
        }
        if self.lent.len() >= LENT_MAX {
            self.lent.pop_front();
        }
        self.lent.push_back((store, key, Some(file)));
    }

    /// Fills `buffer` with the run if all of it is in memory and in one file. Otherwise false.
    pub fn read(&mut self, store: StoreId, block: Block, buffer: &mut Vec<u8>) -> bool {
        let Some(spec) = self.specs.get(&store) else { return false };
        let mut slices = spec.layout.slices_of(block);
        let (Some(slice), None) = (slices.next(), slices.next()) else { return false };
        let Place::File(key) = slice.place else { return false };
        let Some(entry) = self.lent.iter_mut().find(|(of, k, _)| (*of, *k) == (store, key)) else { return false };
        let Some(file) = &entry.2 else { return false };
        buffer.resize(slice.len as usize, 0);
        match preadv2(file, &mut [IoSliceMut::new(buffer)], slice.offset, ReadWriteFlags::NOWAIT) {
            Ok(len) => len == buffer.len(),
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {
                entry.2 = None;
                false
            }
            Err(_) => false,
        }
    }
}
