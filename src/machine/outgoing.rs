//! Payload on its way to a peer: what was read of storage, and the messages it becomes.

/// A run of storage that was read for one connection; goes back to the driver's free list after its last block.
pub struct Run(pub Vec<u8>);

impl std::fmt::Debug for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Run({})", self.0.len())
    }
}

/// One `piece` message: its 13 bytes of head, and where its payload lies in the run.
#[derive(Clone, Debug)]
pub struct Outgoing {
    pub head: [u8; 13],
    pub start: u32,
    pub len: u32,
}
