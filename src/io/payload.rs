//! Payload between memory and files: neighbours joined into `pwritev`, runs read across file borders.

use std::fs::File;
use std::io::{self, IoSlice};
use std::os::unix::fs::FileExt;

use super::files::{Access, Key, Table, read_exact_at};
use super::resident::Lent;
use super::store::Store;
use super::trouble::Trouble;
use crate::base::{BLOCK_LEN, Block, Filled};
use crate::machine::DiskError;
use crate::storage::Record;
use crate::storage::journal::Line;

/// Neighbours in one file that leave with one system call.
struct Batch<'a> {
    key: Key,
    offset: u64,
    end: u64,
    slices: Vec<IoSlice<'a>>,
}

impl Batch<'_> {
    fn joins(&self, key: Key, offset: u64) -> bool {
        !self.slices.is_empty() && self.key == key && self.end == offset
    }
}

impl Store {
    /// Writes blocks, sorted by `begin`; then the journal knows of it.
    pub fn write(&mut self, table: &mut Table, blocks: &[Filled]) -> Result<(), DiskError> {
        let folder = self.folder.clone();
        self.begin();
        let mut batch = Batch { key: 0, offset: 0, end: 0, slices: Vec::with_capacity(blocks.len()) };
        for filled in blocks {
            let mut payload = filled.payload();
            for slice in folder.layout().slices_of(filled.block) {
                let (bytes, rest) = payload.split_at(slice.len as usize);
                payload = rest;
                let Some(key) = folder.key_of(&slice) else { continue };
                if !batch.joins(key, slice.offset) {
                    self.write_batch(table, &mut batch)?;
                    batch = Batch { key, offset: slice.offset, end: slice.offset, slices: batch.slices };
                }
                batch.slices.push(IoSlice::new(bytes));
                batch.end += u64::from(slice.len);
            }
        }
        self.write_batch(table, &mut batch)?;
        self.append(&stored_lines(blocks));
        Ok(())
    }

    fn write_batch(&mut self, table: &mut Table, batch: &mut Batch<'_>) -> Result<(), DiskError> {
        if batch.slices.is_empty() {
            return Ok(());
        }
        let file = self.file_to_write(table, batch.key)?;
        let written = write_all_vectored_at(&file, &mut batch.slices, batch.offset);
        batch.slices.clear();
        written.map_err(|error| Trouble::new("write", &self.folder.path_of(batch.key), &error).into_error())
    }

    /// A run in the used `buffer`; `lent` becomes the file that its last bytes came from.
    pub fn read(
        &self,
        table: &mut Table,
        block: Block,
        mut buffer: Vec<u8>,
        lent: &mut Option<Lent>,
    ) -> Result<Vec<u8>, DiskError> {
        buffer.resize(block.len() as usize, 0);
        let mut rest = &mut buffer[..];
        for slice in self.folder.layout().slices_of(block) {
            let (bytes, behind) = rest.split_at_mut(slice.len as usize);
            rest = behind;
            let Some(key) = self.folder.key_of(&slice) else {
                bytes.fill(0);
                continue;
            };
            let file = table.open(self.id, &self.folder, key, Access::Read)?.file;
            let path = || self.folder.path_of(key);
            read_exact_at(&file, bytes, slice.offset, &path).map_err(Trouble::into_error)?;
            *lent = Some(Lent { store: self.id, key, file });
        }
        Ok(buffer)
    }
}

/// pwritev until everything is written: short writes and interruptions go on.
fn write_all_vectored_at(file: &File, mut slices: &mut [IoSlice<'_>], mut offset: u64) -> io::Result<()> {
    while let Some(first) = slices.first() {
        let at = nix::libc::off_t::try_from(offset);
        let written = match at {
            Ok(at) if slices.len() > 1 => nix::sys::uio::pwritev(file, slices, at).map_err(io::Error::from),
            // One slice, or an offset that this call cannot take on 32-bit systems.
            _ => file.write_at(first, offset),
        };
        match written {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(len) => {
                offset += len as u64;
                IoSlice::advance_slices(&mut slices, len);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// A line per run of neighbouring blocks.
fn stored_lines(blocks: &[Filled]) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for filled in blocks {
        let block = filled.block;
        if !block.begin().is_multiple_of(BLOCK_LEN) {
            continue;
        }
        match lines.last_mut() {
            Some(Line::Stored { piece, first, count })
                if *piece == block.piece().index() && *first + *count == block.number() =>
            {
                *count += 1;
            }
            _ => lines.push(Record::Stored(block).into()),
        }
    }
    lines
}
