//! Where inbound connections wait until their first bytes say what they want. Bounded, and nobody stays long.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::base::limits::{HANDSHAKE_TIMEOUT, LOBBY_MAX};
use crate::base::{ConnId, InfoHash, Time};
use crate::wire::handshake::{self, Gather};

#[derive(Debug)]
struct Waiting {
    remote: SocketAddr,
    since: Time,
    gather: Gather,
}

/// A connection whose handshake is complete.
#[derive(Debug)]
pub struct Guest {
    pub remote: SocketAddr,
    pub info_hash: InfoHash,
    /// The handshake as it came.
    pub bytes: [u8; handshake::LEN],
}

#[derive(Debug, Default)]
pub struct Lobby {
    waiting: BTreeMap<ConnId, Waiting>,
}

impl Lobby {
    /// False when it is full.
    pub fn enter(&mut self, conn: ConnId, remote: SocketAddr, now: Time) -> bool {
        let has_room = self.waiting.len() < LOBBY_MAX;
        if has_room {
            self.waiting.insert(conn, Waiting { remote, since: now, gather: Gather::default() });
        }
        has_room
    }

    /// Takes bytes; the guest leaves the lobby when its handshake is complete.
    ///
    /// # Errors
    /// It does not speak BitTorrent.
    pub fn feed(&mut self, conn: ConnId, bytes: &mut &[u8]) -> Result<Option<Guest>, handshake::NotBitTorrent> {
        let Some(waiting) = self.waiting.get_mut(&conn) else {
            return Ok(None);
        };
        let Some(theirs) = waiting.gather.feed(bytes)? else {
            return Ok(None);
        };
        let remote = waiting.remote;
        self.waiting.remove(&conn);
        Ok(Some(Guest { remote, info_hash: theirs.info_hash, bytes: theirs.to_bytes() }))
    }

    pub fn remove(&mut self, conn: ConnId) {
        self.waiting.remove(&conn);
    }

    /// When the one that waits longest is shown out. Connection ids only grow, so the first is the oldest.
    pub fn next_deadline(&self) -> Option<Time> {
        self.waiting.values().next().map(|waiting| waiting.since + HANDSHAKE_TIMEOUT)
    }

    /// Those whose time is up.
    pub fn expire(&mut self, now: Time) -> Vec<ConnId> {
        let is_late = |waiting: &Waiting| now.since(waiting.since) >= HANDSHAKE_TIMEOUT;
        self.waiting.iter().take_while(|(_, waiting)| is_late(waiting)).map(|(conn, _)| *conn).collect()
    }

    /// Everybody leaves.
    pub fn clear(&mut self) -> Vec<ConnId> {
        std::mem::take(&mut self.waiting).into_keys().collect()
    }

    pub fn check(&self) {
        assert!(self.waiting.len() <= LOBBY_MAX, "the lobby is overfull");
    }
}
