//! How torrents come in: to be worked on, or first to be found out about.

use super::Node;
use super::work::Work;
use crate::base::{InfoHash, Time, TorrentId};
use crate::machine::{AddTorrent, DiskError, DiskErrorKind, Note, Outbox, SeekTorrent, Sleep};
use crate::swarm::{Seeker, Sleeper, Swarm};

impl Node {
    /// Works on a torrent; goes on with who was met where its metainfo was sought.
    pub(super) fn add(&mut self, add: AddTorrent, now: Time, out: &mut Outbox) {
        let (id, info_hash) = (add.torrent, add.metainfo.info_hash);
        let is_sought = self.torrents.get(&id).is_some_and(|work| work.seeks(info_hash));
        if !is_sought && !self.may_begin(id, info_hash, out) {
            return;
        }
        if !add.metainfo.private {
            self.take_hints(&add.metainfo.nodes);
        }
        let trackers = if add.trackers.is_empty() { &add.metainfo.trackers } else { &add.trackers };
        self.note_trackers(info_hash, add.metainfo.private, trackers, now, out);
        let before = out.commands.len();
        let met = self.torrents.remove(&id).and_then(|work| work.hand_over(now, out));
        self.torrents.insert(id, Work::Swarm(Box::new(Swarm::new(add, self.us, met, now, out))));
        self.note_commands(id, before, now, out);
        self.refresh(id);
        self.carry_notes(before, now, out);
    }

    /// Looks for the metainfo of an info hash.
    pub(super) fn seek(&mut self, seek: SeekTorrent, now: Time, out: &mut Outbox) {
        let (id, info_hash) = (seek.torrent, seek.info_hash);
        if self.stop_by.is_some() || !self.may_begin(id, info_hash, out) {
            return;
        }
        self.take_hints(&seek.nodes);
        let before = out.commands.len();
        self.torrents.insert(id, Work::Search(Box::new(Seeker::new(seek, self.us, now, out))));
        self.note_commands(id, before, now, out);
        self.refresh(id);
        self.carry_notes(before, now, out);
    }

    /// A complete torrent begins at rest.
    pub(super) fn sleep(&mut self, sleep: Sleep, now: Time, out: &mut Outbox) {
        let (id, info_hash) = (sleep.torrent, sleep.info_hash);
        if self.stop_by.is_some() || !self.may_begin(id, info_hash, out) {
            return;
        }
        let before = out.commands.len();
        self.torrents.insert(id, Work::Rest(Box::new(Sleeper::new(sleep, self.us, out))));
        self.take_note(id, before, now, out);
    }

    /// Nobody wants anything of this torrent: it begins to rest.
    pub(super) fn rest(&mut self, id: TorrentId, now: Time, out: &mut Outbox) {
        let mut rests = false;
        self.ask(id, now, out, |work, out| rests = work.rest(now, out));
        if rests {
            self.resting.insert(id);
        }
    }

    /// Those that have come to rest are asleep.
    pub(super) fn put_to_sleep(&mut self, now: Time, out: &mut Outbox) {
        let is_over = |id: &&TorrentId| self.torrents.get(id).is_none_or(Work::is_at_rest);
        let over: Vec<TorrentId> = self.resting.iter().filter(is_over).copied().collect();
        for id in over {
            self.resting.remove(&id);
            let is_leaving = self.leaving.contains_key(&id) || self.stop_by.is_some();
            let Some(mut work) = self.torrents.remove(&id) else { continue };
            if is_leaving {
                self.torrents.insert(id, work);
                continue;
            }
            let row = work.row(now);
            self.torrents.insert(id, work.asleep());
            self.refresh(id);
            out.tell(Note::Asleep { row: Box::new(row) });
        }
    }

    /// Whether neither the torrent nor its number is in use; takes both.
    fn may_begin(&mut self, id: TorrentId, info_hash: InfoHash, out: &mut Outbox) -> bool {
        if self.by_hash.id(info_hash).is_some() || self.torrents.contains_key(&id) {
            let text = format!("{info_hash} is being worked on already");
            let error = DiskError { kind: DiskErrorKind::Locked, text };
            out.tell(Note::Failed { torrent: id, error });
            return false;
        }
        self.by_hash.insert(info_hash, id);
        true
    }
}
