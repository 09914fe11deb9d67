//! What a tracker did since its start, for statistics.

/// Counts since the start.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Numbers {
    pub announces_http: u64,
    pub announces_udp: u64,
    pub scrapes_http: u64,
    pub scrapes_udp: u64,
    pub connects: u64,
    /// Announces and scrapes that were answered with a reason why not.
    pub refused: u64,
    /// Datagrams that were not answered: malformed, or without a connection id that holds.
    pub ignored: u64,
    /// Peers that were not stored because memory is used up.
    pub not_stored: u64,
}

impl Numbers {
    pub fn announces(&self) -> u64 {
        self.announces_http + self.announces_udp
    }
}
