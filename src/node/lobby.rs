//! Where inbound connections wait until their first bytes say what they want. Bounded, and nobody stays long: when it
//! is full, those that say nothing make room for those that may.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use crate::base::address::unmapped;
use crate::base::encryption::Crypto;
use crate::base::limits::{HANDSHAKE_TIMEOUT, LOBBY_MAX};
use crate::base::{ConnId, InfoHash, Span, Time};
use crate::wire::handshake::{self, Gather};

/// Everybody has this long to say something before it can be shown out for another: handshakes follow at the heels of
/// the connection.
const GRACE: Span = Span::millis(100);

#[derive(Debug)]
struct Waiting {
    remote: SocketAddr,
    since: Time,
    /// It sent at least a byte.
    has_spoken: bool,
    crypto: Option<Crypto>,
    gather: Gather,
}

/// A connection whose handshake is complete.
#[derive(Debug)]
pub struct Guest {
    pub remote: SocketAddr,
    pub info_hash: InfoHash,
    /// What both sides agreed on, if anything.
    pub crypto: Option<Crypto>,
    /// The handshake as it came.
    pub bytes: [u8; handshake::LEN],
}

#[derive(Debug)]
pub struct Lobby {
    waiting: BTreeMap<ConnId, Waiting>,
    max: usize,
}

impl Default for Lobby {
    fn default() -> Lobby {
        Lobby { waiting: BTreeMap::new(), max: LOBBY_MAX }
    }
}

impl Lobby {
    /// There is room for so many; who is here stays.
    pub fn bound(&mut self, max: usize) {
        self.max = max.clamp(1, LOBBY_MAX);
    }

    /// Whether a newcomer can enter without anybody being shown out before its time.
    pub fn accepts(&self, now: Time) -> bool {
        self.waiting.len() < self.max || self.cheapest(now).is_some()
    }

    /// A newcomer. Gives who is shown out for it when the lobby is full.
    pub fn enter(&mut self, conn: ConnId, remote: SocketAddr, now: Time) -> Option<ConnId> {
        let out = if self.waiting.len() < self.max { None } else { self.show_out(now) };
        let (has_spoken, crypto, gather) = (false, None, Gather::default());
        self.waiting.insert(conn, Waiting { remote, since: now, has_spoken, crypto, gather });
        out
    }

    fn show_out(&mut self, now: Time) -> Option<ConnId> {
        let conn = self.cheapest(now).or_else(|| self.waiting.keys().next().copied())?;
        self.waiting.remove(&conn);
        Some(conn)
    }

    /// Whoever costs least to lose: the longest-waiting one that said nothing; where all have begun to speak, the
    /// longest-waiting one of the household that has most here. Nobody before its time.
    fn cheapest(&self, now: Time) -> Option<ConnId> {
        let had_time =
            |conn: &ConnId| self.waiting.get(conn).is_some_and(|waiting| now.since(waiting.since) >= GRACE);
        let silent = self.waiting.iter().find(|(_, waiting)| !waiting.has_spoken).map(|(conn, _)| *conn);
        silent.filter(had_time).or_else(|| self.first_of_largest().filter(had_time))
    }

    fn first_of_largest(&self) -> Option<ConnId> {
        // How many of each household, and the first of them: connection ids only grow.
        let mut households: BTreeMap<IpAddr, (usize, ConnId)> = BTreeMap::new();
        for (conn, waiting) in &self.waiting {
            households.entry(household(waiting.remote.ip())).or_insert((0, *conn)).0 += 1;
        }
        let largest = households.values().max_by_key(|(count, conn)| (*count, std::cmp::Reverse(*conn)));
        largest.map(|(_, conn)| *conn)
    }

    /// Takes bytes; the guest leaves the lobby when its handshake is complete.
    ///
    /// # Errors
    /// It does not speak BitTorrent.
    pub fn feed(&mut self, conn: ConnId, bytes: &mut &[u8]) -> Result<Option<Guest>, handshake::NotBitTorrent> {
        let Some(waiting) = self.waiting.get_mut(&conn) else {
            return Ok(None);
        };
        waiting.has_spoken |= !bytes.is_empty();
        let Some(theirs) = waiting.gather.feed(bytes)? else {
            return Ok(None);
        };
        let (remote, crypto) = (waiting.remote, waiting.crypto);
        self.waiting.remove(&conn);
        Ok(Some(Guest { remote, info_hash: theirs.info_hash, crypto, bytes: theirs.to_bytes() }))
    }

    /// It said something, of which nobody knows yet what it is.
    pub fn spoke(&mut self, conn: ConnId) {
        self.waiting.get_mut(&conn).into_iter().for_each(|waiting| waiting.has_spoken = true);
    }

    /// Both sides agreed on encryption.
    pub fn encrypted(&mut self, conn: ConnId, crypto: Crypto) {
        self.waiting.get_mut(&conn).into_iter().for_each(|waiting| waiting.crypto = Some(crypto));
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

/// Addresses that one customer of a provider has: a v4 address, or the /64 of a v6 one.
fn household(ip: IpAddr) -> IpAddr {
    match unmapped(ip) {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(household: u8) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, household], 6881))
    }

    const LATER: Time = Time(1_000_000);

    fn full_of(households: impl Fn(u64) -> u8) -> Lobby {
        let mut lobby = Lobby::default();
        for number in 0..LOBBY_MAX as u64 {
            assert_eq!(lobby.enter(ConnId(number), from(households(number)), Time(number)), None);
        }
        lobby
    }

    fn speak(lobby: &mut Lobby, conn: u64) {
        let said = lobby.feed(ConnId(conn), &mut &b"\x13BitTorrent"[..]);
        assert!(matches!(said, Ok(None)), "{said:?}");
    }

    #[test]
    fn the_silent_make_room_then_the_many() {
        let newcomer = ConnId(LOBBY_MAX as u64);
        let mut lobby = full_of(|_| 1);
        speak(&mut lobby, 0);
        speak(&mut lobby, 2);
        assert_eq!(lobby.enter(newcomer, from(1), LATER), Some(ConnId(1)));
        assert_eq!(lobby.enter(ConnId(newcomer.0 + 1), from(1), LATER), Some(ConnId(3)));
        lobby.check();
        // All have begun to speak: the household with most here loses its first.
        let mut lobby = full_of(|number| if number % 3 == 0 { 1 } else { 2 });
        (0..newcomer.0).for_each(|conn| speak(&mut lobby, conn));
        assert_eq!(lobby.enter(newcomer, from(3), LATER), Some(ConnId(1)));
        lobby.check();
    }

    #[test]
    fn nobody_leaves_before_its_time() {
        let mut lobby = full_of(|_| 1);
        assert!(!lobby.accepts(Time(1_000)) && lobby.accepts(LATER));
        lobby.bound(LOBBY_MAX / 2);
        assert!(lobby.enter(ConnId(1_000), from(1), LATER).is_some());
        // Those that have begun to speak leave when the silent ones are too new.
        (0..LOBBY_MAX as u64).for_each(|conn| speak(&mut lobby, conn));
        assert_eq!(lobby.enter(ConnId(1_001), from(1), LATER), Some(ConnId(1)));
        lobby.check();
    }

    #[test]
    fn a_household_is_one_address_or_one_network() {
        let of = |text: &str| household(text.parse().expect("an address"));
        assert_eq!(of("2001:db8:1:2:3::4"), of("2001:db8:1:2:ffff::1"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }
}
