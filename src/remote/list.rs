//! The torrents of the daemon: found by their number or hash, told apart by what changed, in the order of the queue.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;
use std::sync::Arc;

use super::call::{Name, Which};
use super::torrent::{Tiers, Torrent};
use crate::base::{InfoHash, Span, Time, TorrentId};

/// Something is `recently-active` for this long, and what was removed is named for so long.
const RECENT: Span = Span::secs(60);
/// Removed torrents that are named.
const REMOVED_MAX: usize = 10_000;

/// The torrents.
#[derive(Debug, Default)]
pub struct List {
    by_id: BTreeMap<u32, Torrent>,
    by_hash: BTreeMap<InfoHash, u32>,
    by_machine: BTreeMap<TorrentId, u32>,
    removed: VecDeque<(Time, u32)>,
    last_id: u32,
    last_machine: u32,
    /// Folders and trackers that torrents share.
    dirs: BTreeSet<Arc<Path>>,
    tiers: BTreeSet<Arc<Tiers>>,
}

impl List {
    /// A number that was never used.
    pub fn new_id(&mut self) -> u32 {
        self.last_id += 1;
        self.last_id
    }

    /// A number of a machine that was never used.
    pub fn new_machine(&mut self, id: u32) -> TorrentId {
        self.last_machine += 1;
        let machine = TorrentId(self.last_machine);
        self.by_machine.insert(machine, id);
        machine
    }

    /// The machine is no more.
    pub fn end_machine(&mut self, machine: TorrentId) -> Option<u32> {
        self.by_machine.remove(&machine)
    }

    pub fn id_of_machine(&self, machine: TorrentId) -> Option<u32> {
        self.by_machine.get(&machine).copied()
    }

    /// One copy of this folder's name for all torrents.
    pub fn dir(&mut self, dir: &Path) -> Arc<Path> {
        if let Some(known) = self.dirs.get(dir) {
            return known.clone();
        }
        self.dirs.retain(|dir| Arc::strong_count(dir) > 1);
        let dir: Arc<Path> = dir.into();
        self.dirs.insert(dir.clone());
        dir
    }

    /// One copy of these trackers for all torrents.
    pub fn tiers(&mut self, tiers: Tiers) -> Arc<Tiers> {
        let tiers = Arc::new(tiers);
        if let Some(known) = self.tiers.get(&tiers) {
            return known.clone();
        }
        if self.tiers.len() % 64 == 63 {
            self.tiers.retain(|tiers| Arc::strong_count(tiers) > 1);
        }
        self.tiers.insert(tiers.clone());
        tiers
    }

    /// A new torrent, behind all others in the queue unless it has a place.
    pub fn insert(&mut self, mut torrent: Torrent) {
        torrent.position = torrent.position.min(self.by_id.len() as u32);
        self.last_id = self.last_id.max(torrent.id);
        self.by_hash.insert(torrent.info_hash, torrent.id);
        self.by_id.insert(torrent.id, torrent);
    }

    /// Takes a torrent out.
    pub fn remove(&mut self, id: u32, now: Time) -> Option<Torrent> {
        let torrent = self.by_id.remove(&id)?;
        self.by_hash.remove(&torrent.info_hash);
        self.removed.push_back((now, id));
        if self.removed.len() > REMOVED_MAX {
            self.removed.pop_front();
        }
        for other in self.by_id.values_mut().filter(|other| other.position > torrent.position) {
            other.position -= 1;
        }
        Some(torrent)
    }

    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    pub fn get(&self, id: u32) -> Option<&Torrent> {
        self.by_id.get(&id)
    }

    pub fn get_mut(&mut self, id: u32) -> Option<&mut Torrent> {
        self.by_id.get_mut(&id)
    }

    pub fn by_hash(&self, info_hash: InfoHash) -> Option<&Torrent> {
        self.by_hash.get(&info_hash).and_then(|id| self.by_id.get(id))
    }

    pub fn iter(&self) -> impl Iterator<Item = &Torrent> {
        self.by_id.values()
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Torrent> {
        self.by_id.values_mut()
    }

    /// Numbers in the order of the queue.
    pub fn queue(&self) -> Vec<u32> {
        let mut queue: Vec<(u32, u32)> = self.by_id.values().map(|torrent| (torrent.position, torrent.id)).collect();
        queue.sort_unstable();
        queue.into_iter().map(|(_, id)| id).collect()
    }

    /// Puts them into this order; those that are not named stay behind.
    pub fn set_queue(&mut self, queue: &[u32]) {
        for (position, id) in queue.iter().enumerate() {
            if let Some(torrent) = self.by_id.get_mut(id)
                && torrent.position != position as u32
            {
                torrent.position = position as u32;
                torrent.is_dirty = true;
            }
        }
    }

    /// The torrents that somebody means, each once, in the order of their numbers.
    pub fn select(&self, which: &Which, now: Time) -> Vec<u32> {
        match which {
            Which::All => self.by_id.keys().copied().collect(),
            Which::Recent => {
                let is_recent = |torrent: &&Torrent| torrent.is_awake() || now.since(torrent.changed) <= RECENT;
                self.by_id.values().filter(is_recent).map(|torrent| torrent.id).collect()
            }
            Which::These(names) => {
                let id = |name: &Name| match name {
                    Name::Id(id) => Some(*id).filter(|id| self.by_id.contains_key(id)),
                    Name::Hash(hash) => self.by_hash.get(hash).copied(),
                };
                let ids: BTreeSet<u32> = names.iter().filter_map(id).collect();
                ids.into_iter().collect()
            }
        }
    }

    /// What was removed lately.
    pub fn removed(&self, now: Time) -> Vec<u32> {
        let recent = self.removed.iter().skip_while(|(at, _)| now.since(*at) > RECENT);
        recent.map(|(_, id)| *id).collect()
    }

    /// After everything was read from disk: numbers and places without gaps.
    pub fn settle(&mut self) {
        for (position, id) in self.queue().into_iter().enumerate() {
            if let Some(torrent) = self.by_id.get_mut(&id) {
                torrent.position = position as u32;
            }
        }
    }

    /// Panics where an invariant is broken.
    pub fn check(&self) {
        assert_eq!(self.by_id.len(), self.by_hash.len(), "a torrent without its hash, or the reverse");
        let working = self.by_id.values().filter(|torrent| torrent.machine().is_some()).count();
        assert_eq!(working, self.by_machine.len(), "a machine without its torrent, or the reverse");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(count: u8) -> List {
        let mut list = List::default();
        for n in 1..=count {
            let (id, dir, tiers) = (list.new_id(), list.dir(Path::new("/d")), list.tiers(Vec::new()));
            list.insert(Torrent::new(id, InfoHash([n; 20]), dir, tiers));
        }
        list
    }

    #[test]
    fn torrents_are_found_and_removed_ones_are_named_for_a_while() {
        let mut list = list(3);
        let these = Which::These(vec![Name::Hash(InfoHash([3; 20])), Name::Id(1), Name::Id(3), Name::Id(9)]);
        assert_eq!(list.select(&these, Time::ZERO), [1, 3]);
        assert_eq!(list.queue(), [1, 2, 3]);
        let later = Time::ZERO + Span::secs(100);
        list.get_mut(3).unwrap().changed = later;
        assert_eq!(list.select(&Which::Recent, later), [3]);
        list.remove(2, later);
        assert_eq!((list.queue(), list.removed(later)), (vec![1, 3], vec![2]));
        assert_eq!(list.get(3).unwrap().position, 1);
        assert!(list.removed(later + Span::secs(61)).is_empty());
        assert_eq!(list.new_id(), 4, "numbers are not used again");
        list.check();
    }

    #[test]
    fn folders_and_trackers_are_shared() {
        let mut list = list(2);
        let (a, b) = (list.get(1).unwrap(), list.get(2).unwrap());
        assert!(Arc::ptr_eq(&a.dir, &b.dir) && Arc::ptr_eq(&a.tiers, &b.tiers));
        list.set_queue(&[2, 1]);
        assert_eq!(list.queue(), [2, 1]);
    }
}
