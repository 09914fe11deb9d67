//! The torrents here, by their info hash and by what MSE names them by.

use std::collections::BTreeMap;

use crate::base::{InfoHash, TorrentId};
use crate::wire::mse::torrent_name;

#[derive(Debug, Default)]
pub struct ByHash {
    ids: BTreeMap<InfoHash, TorrentId>,
    names: BTreeMap<[u8; 20], InfoHash>,
}

impl ByHash {
    pub fn insert(&mut self, info_hash: InfoHash, id: TorrentId) {
        self.ids.insert(info_hash, id);
        self.names.insert(torrent_name(info_hash), info_hash);
    }

    /// The torrent is here no more.
    pub fn remove(&mut self, id: TorrentId) {
        let names = &mut self.names;
        self.ids.retain(|info_hash, of| {
            let stays = *of != id;
            if !stays {
                names.remove(&torrent_name(*info_hash));
            }
            stays
        });
    }

    pub fn id(&self, info_hash: InfoHash) -> Option<TorrentId> {
        self.ids.get(&info_hash).copied()
    }

    /// The torrent of this name.
    pub fn named(&self, name: &[u8; 20]) -> Option<InfoHash> {
        self.names.get(name).copied()
    }

    /// Panics where an invariant is broken.
    pub fn check(&self) {
        assert_eq!(self.ids.len(), self.names.len(), "a torrent has no name, or a name no torrent");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torrent_is_found_by_name_as_long_as_it_is_here() {
        let mut by_hash = ByHash::default();
        let hashes: Vec<InfoHash> = (0..9).map(|n| InfoHash([n; 20])).collect();
        (0..).zip(&hashes).for_each(|(id, hash)| by_hash.insert(*hash, TorrentId(id)));
        by_hash.check();
        assert!(hashes.iter().all(|hash| by_hash.named(&torrent_name(*hash)) == Some(*hash)));
        assert_eq!((by_hash.named(&hashes[0].0), by_hash.id(hashes[3])), (None, Some(TorrentId(3))));
        by_hash.remove(TorrentId(3));
        by_hash.check();
        assert_eq!((by_hash.named(&torrent_name(hashes[3])), by_hash.id(hashes[3])), (None, None));
    }
}
