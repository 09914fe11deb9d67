//! Datagrams gathered for sending: one buffer for all, because a busy tracker has no time to allocate.

use std::net::SocketAddr;

/// Datagrams in one buffer, in order.
#[derive(Debug, Default)]
pub struct Datagrams {
    bytes: Vec<u8>,
    /// To whom, and where its bytes end.
    ends: Vec<(SocketAddr, usize)>,
}

impl Datagrams {
    /// Adds one; `write` puts its bytes behind what is there.
    pub fn push(&mut self, to: SocketAddr, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.bytes);
        self.ends.push((to, self.bytes.len()));
    }

    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = (SocketAddr, &[u8])> {
        let starts = std::iter::once(0).chain(self.ends.iter().map(|(_, end)| *end));
        self.ends.iter().zip(starts).map(|((to, end), start)| (*to, &self.bytes[start..*end]))
    }

    /// Forgets them; the memory stays.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }
}
