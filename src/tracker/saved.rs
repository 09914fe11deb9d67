//! Swarms on disk: per torrent its counts and the packed entries as they are in memory, with ages instead of times.

use super::peers::{Peers, Stamp, V4, V6, address, entry, stamp};
use super::torrents::{Sides, Torrent, Torrents};
use crate::base::{InfoHash, Span};

const MAGIC: &[u8; 16] = b"peerlink swarms1";
/// A longer file is not ours: 20 million peers.
pub const LEN_MAX: usize = 256 << 20;

/// The file's bytes.
pub fn write(torrents: &Torrents, now: Stamp) -> Vec<u8> {
    let len = torrents.iter().map(|torrent| 40 + torrent.heap_len()).sum::<usize>();
    let mut bytes = Vec::with_capacity(MAGIC.len() + len);
    bytes.extend_from_slice(MAGIC);
    for torrent in torrents.iter() {
        bytes.extend_from_slice(&torrent.info_hash.0);
        bytes.extend_from_slice(&torrent.downloaded.to_le_bytes());
        write_sides(&torrent.v4, now, &mut bytes);
        write_sides(torrent.v6.as_deref().unwrap_or(&Sides::default()), now, &mut bytes);
    }
    bytes
}

fn write_sides<const E: usize>(sides: &Sides<E>, now: Stamp, bytes: &mut Vec<u8>) {
    for peers in [&sides.leechers, &sides.seeds] {
        bytes.extend_from_slice(&(peers.len() as u32).to_le_bytes());
        for peer in peers.iter() {
            let age: [u8; E] = entry(address(peer), Stamp(now.age(stamp(peer))));
            bytes.extend_from_slice(&age);
        }
    }
}

/// Puts what was saved `age` ago into the table, as far as it is not too old, nobody announced since and there is
/// memory; how many peers. None where the bytes are damaged: what came before the damage counts.
pub fn read(
    bytes: &[u8],
    age: Span,
    now: Stamp,
    age_max: u16,
    memory_max: usize,
    torrents: &mut Torrents,
) -> Option<usize> {
    let mut bytes = bytes.strip_prefix(MAGIC)?;
    let older = u16::try_from(age.0 / 1_000_000 / Stamp::UNIT_S).unwrap_or(u16::MAX);
    let mut loaded = 0;
    while !bytes.is_empty() && torrents.sums().bytes < memory_max {
        let info_hash = InfoHash(take(&mut bytes)?);
        let downloaded = u32::from_le_bytes(take(&mut bytes)?);
        let mut age = Age { now, older, age_max, loaded: 0 };
        torrents.with(&info_hash, now, |torrent: &mut Torrent, secret| {
            torrent.downloaded = torrent.downloaded.saturating_add(downloaded);
            for is_seed in [false, true] {
                age.read::<V4>(&mut bytes, |entry| put(&mut torrent.v4, secret, entry, is_seed))?;
            }
            for is_seed in [false, true] {
                age.read::<V6>(&mut bytes, |entry| put(torrent.v6.get_or_insert_default(), secret, entry, is_seed))?;
            }
            Some(())
        })?;
        loaded += age.loaded;
    }
    Some(loaded)
}

/// Who announced since the start is as it said then.
fn put<const E: usize>(
    sides: &mut Sides<E>,
    secret: &crate::base::keyed::Secret,
    entry: [u8; E],
    is_seed: bool,
) -> bool {
    !sides.contains(secret, &entry) && {
        sides.put(secret, entry, is_seed);
        true
    }
}

struct Age {
    now: Stamp,
    older: u16,
    age_max: u16,
    loaded: usize,
}

impl Age {
    /// The entries of one side.
    fn read<const E: usize>(&mut self, bytes: &mut &[u8], mut put: impl FnMut([u8; E]) -> bool) -> Option<()> {
        let count = u32::from_le_bytes(take(bytes)?);
        for _ in 0..count {
            let saved: [u8; E] = take(bytes)?;
            let age = stamp(&saved).0.saturating_add(self.older);
            if age <= self.age_max && Peers::is_peer(&saved) {
                let since = Stamp(self.now.0.wrapping_sub(age));
                self.loaded += usize::from(put(entry(address(&saved), since)));
            }
        }
        Some(())
    }
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*taken)
}
