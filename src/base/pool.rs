//! The block pool: the only memory that payload from the network may occupy.
//!
//! A buffer has one owner at a time: free list, connection, gather list, disk, hasher, home. Buffers are
//! allocated on first use and never freed, so steady state allocates nothing.

use super::geometry::{BLOCK_LEN, Block};

/// Memory of one block, moved by value.
pub struct Buffer(Box<[u8]>);

impl Buffer {
    fn new() -> Buffer {
        Buffer(vec![0; BLOCK_LEN as usize].into_boxed_slice())
    }

    /// A buffer of its own for tests and simulated peers, outside every pool.
    pub fn detached() -> Buffer {
        Buffer::new()
    }

    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl std::fmt::Debug for Buffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Buffer")
    }
}

/// A block that arrived, with its payload in the first `block.len()` bytes of the buffer.
#[derive(Debug)]
pub struct Filled {
    pub block: Block,
    pub buffer: Buffer,
}

impl Filled {
    /// The payload.
    pub fn payload(&self) -> &[u8] {
        &self.buffer.bytes()[..self.block.len() as usize]
    }
}

/// The free list and its bound.
#[derive(Debug)]
pub struct Pool {
    free: Vec<Buffer>,
    made_count: usize,
    max_count: usize,
}

impl Pool {
    /// At most `max_count` buffers of 16 KiB.
    pub fn new(max_count: usize) -> Pool {
        Pool { free: Vec::with_capacity(max_count), made_count: 0, max_count }
    }

    /// A buffer, or None when all are out.
    pub fn take(&mut self) -> Option<Buffer> {
        self.free.pop().or_else(|| {
            let room = self.made_count < self.max_count;
            room.then(|| {
                self.made_count += 1;
                Buffer::new()
            })
        })
    }

    /// A buffer comes home.
    pub fn put(&mut self, buffer: Buffer) {
        debug_assert!(self.free.len() < self.made_count, "a buffer came home twice");
        self.free.push(buffer);
    }

    /// Buffers that could be taken now.
    pub fn available(&self) -> usize {
        self.max_count - self.made_count + self.free.len()
    }

    /// The bound.
    pub fn max(&self) -> usize {
        self.max_count
    }
}
