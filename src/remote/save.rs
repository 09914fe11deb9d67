//! What is remembered on disk: records of torrents and of the session, and .torrent files, on their way there and back.

use super::torrent::Torrent;
use super::{Errand, Phase, Remote, SESSION, SHELF, TORRENTS, record};
use crate::base::{InfoHash, JobId};
use crate::machine::{Job, OnShelf, Outbox};
use crate::wire::json;

/// Records on their way to disk at once; the others follow.
const SAVES_MAX: usize = 32;

impl Remote {
    /// Saves the records that are not as they should be.
    pub(super) fn save_dirty(&mut self, out: &mut Outbox) {
        let dirty = self.list.iter().filter(|torrent| torrent.is_dirty && !torrent.is_new);
        let under_way = self.jobs.values().filter(|errand| matches!(errand, Errand::Save(Some(_)))).count();
        let room = if self.phase == Phase::Saving { usize::MAX } else { SAVES_MAX.saturating_sub(under_way) };
        let ids: Vec<u32> = dirty.map(|torrent| torrent.id).take(room).collect();
        for id in ids {
            self.save(id, Errand::Save(Some(id)), out);
        }
        if std::mem::take(&mut self.is_session_dirty) {
            let mut text = String::new();
            let mut object = json::Writer::begin(&mut text);
            self.session.remember(&mut object);
            self.totals.remember(&mut object);
            object.end();
            self.shelve(SHELF, SESSION.to_string(), text.into_bytes(), Errand::Save(None), out);
        }
    }

    /// Saves a torrent's record.
    pub(super) fn save(&mut self, id: u32, errand: Errand, out: &mut Outbox) {
        let Some(torrent) = self.list.get_mut(id) else { return };
        (torrent.is_dirty, torrent.is_unsaved) = (false, false);
        let (name, bytes) = (record::file_name(torrent.info_hash), record::write(torrent));
        self.shelve(SHELF, name, bytes, errand, out);
    }

    /// Takes the record of one away that is not here any more.
    pub(super) fn unshelve(&mut self, torrent: &Torrent, out: &mut Outbox) {
        let id = out.new_job();
        self.jobs.insert(id, Errand::Save(None));
        let file = OnShelf { shelf: SHELF, name: record::file_name(torrent.info_hash) };
        out.job(Job::Unshelve { id, file });
    }

    pub(super) fn shelve(
        &mut self,
        shelf: &'static str,
        name: String,
        bytes: Vec<u8>,
        errand: Errand,
        out: &mut Outbox,
    ) {
        let id = out.new_job();
        self.jobs.insert(id, errand);
        out.job(Job::Shelve { id, file: OnShelf { shelf, name }, bytes });
    }

    /// Reads a torrent's .torrent file.
    pub(super) fn recall(&mut self, info_hash: InfoHash, errand: Errand, out: &mut Outbox) -> JobId {
        let id = out.new_job();
        self.jobs.insert(id, errand);
        let file = OnShelf { shelf: TORRENTS, name: format!("{info_hash}.torrent") };
        out.job(Job::Recall { id, file, len_max: crate::base::limits::METADATA_LEN + 1024 * 1024 });
        id
    }
}
