//! Reads pieces from storage step by step to hash them, two side by side: that takes the time of one where the
//! processor can.

use std::collections::VecDeque;
use std::fs::File;

use super::digest::{Digest, update_both};
use super::files::{Access, Folder, Key, read_exact_at};
use super::trouble::Trouble;
use crate::base::{BLOCK_LEN, StoreId};
use crate::storage::Slice;

/// Read at once.
const STEP_LEN: usize = 64 * 1024;

/// What could not be read, and why.
pub type Unread = (Key, Trouble);

/// Some bytes of a torrent on their way into a digest. Whatever their number, only a step of them is held.
#[derive(Debug, Default)]
pub struct PieceReader {
    /// The file that was read last: most pieces lie in the same one as their neighbours.
    file: Option<(StoreId, Key, File)>,
    rest: VecDeque<Slice>,
    buffer: Vec<u8>,
}

impl PieceReader {
    /// The next bytes are these; files are opened anew.
    pub fn begin(&mut self, slices: impl Iterator<Item = Slice>) {
        self.rest.clear();
        self.rest.extend(slices);
    }

    /// Closes the file: what is there next time counts.
    pub fn close(&mut self) {
        self.file = None;
    }

    /// A full step, or what is left; nothing when all was read. Pad files are zeros.
    pub fn step(&mut self, folder: &Folder, store: StoreId) -> Result<&[u8], Unread> {
        self.buffer.resize(STEP_LEN, 0);
        let mut filled = 0;
        while let Some(slice) = self.rest.front_mut()
            && filled < STEP_LEN
        {
            let len = (slice.len as usize).min(STEP_LEN - filled);
            let (key, offset) = (folder.key_of(slice), slice.offset);
            slice.offset += len as u64;
            slice.len -= len as u32;
            if slice.len == 0 {
                self.rest.pop_front();
            }
            match key {
                Some(key) => self.read(folder, store, key, offset, filled..filled + len).map_err(|e| (key, e))?,
                None => self.buffer[filled..filled + len].fill(0),
            }
            filled += len;
        }
        Ok(&self.buffer[..filled])
    }

    fn read(
        &mut self,
        folder: &Folder,
        store: StoreId,
        key: Key,
        offset: u64,
        to: std::ops::Range<usize>,
    ) -> Result<(), Trouble> {
        if !matches!(self.file, Some((of, open, _)) if of == store && open == key) {
            self.file = None;
            self.file = Some((store, key, folder.open(key, Access::Read)?));
        }
        let (_, _, file) = self.file.as_ref().expect("it was opened above");
        read_exact_at(file, &mut self.buffer[to], offset, &|| folder.path_of(key))
    }
}

/// A reader, the digest its bytes go into, and where they are.
#[derive(Debug)]
pub struct Course<'a> {
    pub reader: &'a mut PieceReader,
    pub digest: Digest,
    pub folder: &'a Folder,
    pub store: StoreId,
}

impl Course<'_> {
    /// Reads all there is; asks `may_go` with the length of each step. False when that was told to end.
    ///
    /// # Errors
    /// What could not be read.
    pub fn run(&mut self, may_go: &dyn Fn(usize) -> bool) -> Result<bool, Unread> {
        loop {
            let bytes = self.reader.step(self.folder, self.store)?;
            if bytes.is_empty() {
                return Ok(true);
            }
            self.digest.update(bytes);
            if !may_go(bytes.len()) {
                return Ok(false);
            }
        }
    }
}

/// As [`Course::run`] for both.
pub fn run_both(
    one: &mut Course<'_>,
    two: &mut Course<'_>,
    may_go: &dyn Fn(usize) -> bool,
) -> [Result<bool, Unread>; 2] {
    loop {
        let (x, y) = (one.reader.step(one.folder, one.store), two.reader.step(two.folder, two.store));
        let (x, y) = match (x, y) {
            (Ok(x), Ok(y)) => (x, y),
            (Err(unread), Ok(y)) => {
                two.digest.update(y);
                return [Err(unread), two.run(may_go)];
            }
            (Ok(x), Err(unread)) => {
                one.digest.update(x);
                return [one.run(may_go), Err(unread)];
            }
            (Err(x), Err(y)) => return [Err(x), Err(y)],
        };
        update_both(&mut one.digest, x, &mut two.digest, y);
        let len = x.len() + y.len();
        if len == 0 {
            return [Ok(true), Ok(true)];
        }
        if !may_go(len) {
            return [Ok(false), Ok(false)];
        }
    }
}

/// A step is whole blocks.
const _: () = assert!(STEP_LEN.is_multiple_of(BLOCK_LEN as usize));
