//! One announce, whatever it came over: who it is goes into the table, and some others come out.

use std::net::{IpAddr, SocketAddr};

use super::Tracker;
use super::peers::{Stamp, V4, V6, address, entry};
use super::torrents::{Counts, Sides, Torrent, Was};
use crate::base::address::{Reach, reach};
use crate::base::keyed::Secret;
use crate::base::{InfoHash, Time};
use crate::wire::announce::Event;

/// Peers told where nobody says how many.
pub const NUMWANT: usize = 50;

/// An announce.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    pub info_hash: InfoHash,
    /// Where the peer is reached; with port 0 it is not stored.
    pub peer: SocketAddr,
    pub is_seed: bool,
    pub event: Event,
    /// Most peers to tell, of the asker's family first.
    pub numwant: usize,
    /// Tell those of the other family too.
    pub both_families: bool,
    pub peer_id: Option<&'a [u8; 20]>,
}

/// What comes back beside the peers.
#[derive(Clone, Copy, Debug)]
pub struct Told {
    pub counts: Counts,
    pub interval_s: u32,
}

/// Who is told of what.
struct Choice<'a> {
    /// The asker's own address and port.
    own: &'a [u8],
    /// Nobody more local than the asker is of use to it.
    reach: Reach,
    /// Seeds have no use for seeds.
    is_seed: bool,
}

impl Tracker {
    /// Stores, refreshes or forgets the asker; peers for it are put behind `found.0` (6 bytes each) and `found.1` (18).
    pub(super) fn announce(
        &mut self,
        ask: &Ask<'_>,
        now: Time,
        rng: &mut fastrand::Rng,
        found: (&mut Vec<u8>, &mut Vec<u8>),
    ) -> Told {
        let interval_s = self.interval_s(rng);
        let mut own = [0; 18];
        let own = write_address(ask.peer, &mut own);
        let is_leaving = ask.event == Event::Stopped;
        let stores = !is_leaving && ask.peer.port() != 0 && self.has_room_for(&ask.info_hash, own);
        if !stores && self.torrents.get(&ask.info_hash).is_none() {
            return Told { counts: Counts::default(), interval_s };
        }
        if let Some(peer_id) = ask.peer_id.filter(|_| stores) {
            self.names.put(name_key(&self.secret, &ask.info_hash, own), peer_id);
        }
        let stamp = Stamp::of(now);
        let choice = Choice { own, reach: reach(ask.peer.ip()), is_seed: ask.is_seed };
        let mut is_new = false;
        let counts = self.torrents.with(&ask.info_hash, stamp, |torrent, secret| {
            if stores {
                let was = put(torrent, secret, own, ask.is_seed, stamp);
                is_new = was == Was::Nobody;
                torrent.touched = stamp;
                // Said again, or by one who was a seed before, it counts once.
                torrent.downloaded += u32::from(ask.event == Event::Completed && ask.is_seed && was != Was::Same);
            } else if is_leaving {
                remove(torrent, secret, own, ask.is_seed);
            }
            if !is_leaving {
                choice.tell(torrent, ask, rng, found);
            }
            torrent.counts()
        });
        if is_new && self.watched.contains(&ask.info_hash) {
            self.joined.push((ask.info_hash, ask.peer, ask.is_seed));
        }
        Told { counts, interval_s }
    }

    /// Seconds until the next announce: different for each, so that they do not come all at once.
    fn interval_s(&self, rng: &mut fastrand::Rng) -> u32 {
        let seconds = (self.options.interval.0 / 1_000_000) as u32;
        seconds - seconds / 16 + rng.u32(..=seconds / 8)
    }

    /// Whether the peer may be stored: there is memory, or it is there already.
    fn has_room_for(&mut self, info_hash: &InfoHash, own: &[u8]) -> bool {
        if !self.is_full() {
            return true;
        }
        let secret = &self.torrents.secret;
        let has_room = self.torrents.get(info_hash).is_some_and(|torrent| match own.len() {
            6 => torrent.v4.contains(secret, &entry(own, Stamp(0))),
            _ => torrent.v6.as_ref().is_some_and(|v6| v6.contains(secret, &entry(own, Stamp(0)))),
        });
        self.numbers.not_stored += u64::from(!has_room);
        has_room
    }

    /// The peer id of a stored peer, if it is still known.
    pub(super) fn peer_id(&self, info_hash: &InfoHash, address: &[u8]) -> Option<&[u8; 20]> {
        self.names.find(name_key(&self.secret, info_hash, address))
    }
}

fn name_key(secret: &Secret, info_hash: &InfoHash, address: &[u8]) -> u64 {
    let mut bytes = [0; 38];
    bytes[..20].copy_from_slice(&info_hash.0);
    bytes[20..20 + address.len()].copy_from_slice(address);
    secret.spread(&bytes[..20 + address.len()])
}

/// Address and port as they stand in compact lists, 6 or 18 bytes.
fn write_address(peer: SocketAddr, to: &mut [u8; 18]) -> &[u8] {
    let port = peer.port().to_be_bytes();
    match peer.ip() {
        IpAddr::V4(v4) => {
            to[..4].copy_from_slice(&v4.octets());
            to[4..6].copy_from_slice(&port);
            &to[..6]
        }
        IpAddr::V6(v6) => {
            to[..16].copy_from_slice(&v6.octets());
            to[16..].copy_from_slice(&port);
            &to[..]
        }
    }
}

/// The reverse; None where it is neither of the two lengths.
pub fn read_address(bytes: &[u8]) -> Option<SocketAddr> {
    let (ip, port) = bytes.split_last_chunk::<2>()?;
    let v4 = <[u8; 4]>::try_from(ip).map(IpAddr::from);
    let ip = v4.or_else(|_| <[u8; 16]>::try_from(ip).map(IpAddr::from)).ok()?;
    Some(SocketAddr::new(ip, u16::from_be_bytes(*port)))
}

fn put(torrent: &mut Torrent, secret: &Secret, own: &[u8], is_seed: bool, stamp: Stamp) -> Was {
    match own.len() {
        6 => torrent.v4.put(secret, entry(own, stamp), is_seed),
        _ => torrent.v6.get_or_insert_default().put(secret, entry(own, stamp), is_seed),
    }
}

fn remove(torrent: &mut Torrent, secret: &Secret, own: &[u8], is_seed: bool) {
    match (own.len(), &mut torrent.v6) {
        (6, _) => _ = torrent.v4.remove(secret, &entry(own, Stamp(0)), is_seed),
        (_, Some(v6)) => _ = v6.remove(secret, &entry(own, Stamp(0)), is_seed),
        (_, None) => {}
    }
}

impl Choice<'_> {
    fn tell(
        &self,
        torrent: &Torrent,
        ask: &Ask<'_>,
        rng: &mut fastrand::Rng,
        (v4, v6): (&mut Vec<u8>, &mut Vec<u8>),
    ) {
        let is_v4 = self.own.len() == 6;
        let other = |told: usize| if ask.both_families { ask.numwant.saturating_sub(told) } else { 0 };
        if is_v4 {
            let told = self.some::<V4>(&torrent.v4, ask.numwant, rng, v4);
            torrent.v6.iter().for_each(|sides| _ = self.some::<V6>(sides, other(told), rng, v6));
        } else {
            let told = torrent.v6.as_ref().map_or(0, |sides| self.some::<V6>(sides, ask.numwant, rng, v6));
            self.some::<V4>(&torrent.v4, other(told), rng, v4);
        }
    }

    /// Some of one family: to a leecher half of them seeds, as far as there are so many of both. How many were told.
    fn some<const E: usize>(
        &self,
        sides: &Sides<E>,
        count: usize,
        rng: &mut fastrand::Rng,
        to: &mut Vec<u8>,
    ) -> usize {
        let mut take = |entry: &[u8; E]| {
            let address = address(entry);
            let is_useful = address != self.own && (self.reach == Reach::Loopback || self.reaches(address));
            if is_useful {
                to.extend_from_slice(address);
            }
            is_useful
        };
        if self.is_seed {
            return sides.leechers.choose(count, rng, take);
        }
        let seeds = sides.seeds.len().min(count / 2);
        let told = sides.leechers.choose(count - seeds, rng, &mut take);
        told + sides.seeds.choose(count - told, rng, &mut take)
    }

    /// Whether a peer is not more local than the asker.
    fn reaches(&self, peer: &[u8]) -> bool {
        read_address(peer).is_some_and(|peer| reach(peer.ip()) >= self.reach)
    }
}
