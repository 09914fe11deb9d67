//! What is remembered of a torrent: a small record, whatever its size. Its metainfo, its pieces and its peers are only
//! in memory while it is worked on.

use std::path::Path;
use std::sync::{Arc, Weak};

use crate::base::{Bitfield, InfoHash, JobId, Time, TorrentId};
use crate::metainfo::Metainfo;

/// Trackers in tiers.
pub type Tiers = Vec<Vec<String>>;

/// What is done about a torrent just now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Run {
    /// Nothing.
    Rest,
    /// Its .torrent file is being read.
    Reading(JobId),
    /// It is worked on, or its metainfo is sought.
    On(TorrentId),
    /// It is complete, and rests until somebody wants something of it.
    Asleep(TorrentId),
    /// It was told to end.
    Ending(TorrentId),
}

/// What is wrong with a torrent, as clients tell kinds apart.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Trouble {
    /// 2: a tracker; 3: this machine.
    pub kind: u8,
    pub text: String,
}

/// Which of two limits holds.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Mode {
    /// The one for all torrents.
    #[default]
    Global,
    /// Its own.
    Own,
    /// None.
    Unlimited,
}

impl Mode {
    /// As clients write it.
    pub fn number(self) -> u8 {
        self as u8
    }

    pub fn of(number: i64) -> Option<Mode> {
        match number {
            0 => Some(Mode::Global),
            1 => Some(Mode::Own),
            2 => Some(Mode::Unlimited),
            _ => None,
        }
    }
}

/// What somebody set for this torrent alone.
#[derive(Clone, PartialEq, Debug)]
pub struct Own {
    pub labels: Vec<String>,
    /// Thousands of bytes per second, and whether they hold.
    pub down_limit: (u32, bool),
    pub up_limit: (u32, bool),
    pub honours_session: bool,
    pub ratio: (f64, Mode),
    /// In minutes.
    pub idle: (u32, Mode),
    pub peers_max: Option<u32>,
    /// -1, 0, 1.
    pub bandwidth: i8,
    pub sequential: bool,
    /// Files by their index, in order: what is not wanted, and what comes first or last.
    pub unwanted: Vec<u32>,
    pub high: Vec<u32>,
    pub low: Vec<u32>,
    pub group: String,
    /// What has other names here than the metainfo says: paths, and the names that were given to them one after the other.
    pub renames: Vec<(String, String)>,
}

impl Default for Own {
    fn default() -> Own {
        Own {
            labels: Vec::new(),
            down_limit: (100, false),
            up_limit: (100, false),
            honours_session: true,
            ratio: (2.0, Mode::Global),
            idle: (30, Mode::Global),
            peers_max: None,
            bandwidth: 0,
            sequential: false,
            unwanted: Vec::new(),
            high: Vec::new(),
            low: Vec::new(),
            group: String::new(),
            renames: Vec::new(),
        }
    }
}

/// What is to happen as soon as nothing works on the torrent.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Plans {
    /// It goes, and with true its data.
    pub removal: Option<bool>,
    /// It begins anew, for something it was begun with has changed.
    pub restart: bool,
    /// All its data is hashed.
    pub recheck: bool,
    /// Its files move there.
    pub moving: Option<Arc<Path>>,
    /// What is at this path gets this name.
    pub renaming: Option<Box<(String, String)>>,
}

impl Plans {
    /// Files move or get other names.
    pub fn changes_files(&self) -> bool {
        self.moving.is_some() || self.renaming.is_some()
    }
}

/// A torrent. Lengths in bytes, moments in seconds since 1970 (0: never), times in seconds.
#[derive(Debug)]
pub struct Torrent {
    pub id: u32,
    pub info_hash: InfoHash,
    pub name: Box<str>,
    /// Absolute.
    pub dir: Arc<Path>,
    /// Where its data is until it is complete, if that is elsewhere.
    pub aside: Option<Arc<Path>>,
    /// The link it came by, while the metainfo is not known.
    pub link: Option<Box<str>>,
    pub tiers: Arc<Tiers>,
    pub len: u64,
    pub piece_len: u32,
    pub piece_count: u32,
    pub file_count: u32,
    pub is_private: bool,
    pub wanted_len: u64,
    pub have_len: u64,
    /// Pieces that are here, where that is not all of them and was told.
    pub have: Option<Box<Bitfield>>,
    pub uploaded: u64,
    pub downloaded: u64,
    pub wasted: u64,
    pub added_s: u64,
    pub done_s: u64,
    pub started_s: u64,
    pub active_s: u64,
    pub downloading_s: u64,
    /// Without what passed since `resting_from`.
    pub seeding_s: u64,
    /// It rests since the program had been active for so many seconds, over all its runs: so a record at rest need not
    /// be written again and again.
    pub resting_from: Option<u64>,
    /// When payload last moved.
    pub idle_since: Time,
    /// Since when it has no peers.
    pub lonely_since: Time,
    /// Somebody wants it to run.
    pub is_started: bool,
    /// It may run though the queue is full.
    pub is_forced: bool,
    /// It was shared enough.
    pub is_finished: bool,
    /// Its place in the queue, from 0.
    pub position: u32,
    pub trouble: Option<Box<Trouble>>,
    pub own: Option<Box<Own>>,
    pub run: Run,
    pub plans: Plans,
    /// The queue lets it run.
    pub has_turn: bool,
    pub metainfo: Weak<Metainfo>,
    /// When something about it last changed, for those who ask what did.
    pub changed: Time,
    /// Something is not on disk yet that should be.
    pub is_dirty: bool,
    /// It could not be saved; tried again later.
    pub is_unsaved: bool,
    /// It was never saved, so it must not begin yet.
    pub is_new: bool,
    /// It runs only to be checked, and stops then.
    pub checks_once: bool,
    /// Its disk is in trouble: it runs, and waits until that is over.
    pub is_held_up: bool,
}

impl Torrent {
    /// A torrent of which only the hash is known, at rest.
    pub fn new(id: u32, info_hash: InfoHash, dir: Arc<Path>, tiers: Arc<Tiers>) -> Torrent {
        Torrent {
            id,
            info_hash,
            name: info_hash.to_string().into(),
            dir,
            aside: None,
            link: None,
            tiers,
            len: 0,
            piece_len: 0,
            piece_count: 0,
            file_count: 0,
            is_private: false,
            wanted_len: 0,
            have_len: 0,
            have: None,
            uploaded: 0,
            downloaded: 0,
            wasted: 0,
            added_s: 0,
            done_s: 0,
            started_s: 0,
            active_s: 0,
            downloading_s: 0,
            seeding_s: 0,
            resting_from: None,
            idle_since: Time::ZERO,
            lonely_since: Time::ZERO,
            is_started: true,
            is_forced: false,
            is_finished: false,
            position: u32::MAX,
            trouble: None,
            own: None,
            run: Run::Rest,
            plans: Plans::default(),
            has_turn: false,
            metainfo: Weak::new(),
            changed: Time::ZERO,
            is_dirty: false,
            is_unsaved: false,
            is_new: false,
            checks_once: false,
            is_held_up: false,
        }
    }

    /// Takes over what the metainfo says.
    pub fn learn(&mut self, metainfo: &Metainfo) {
        self.name = metainfo.name.as_str().into();
        self.link = None;
        self.len = metainfo.files.iter().filter(|file| !file.pad).map(|file| file.len).sum();
        self.piece_len = metainfo.geometry.piece_len();
        self.piece_count = metainfo.geometry.piece_count();
        self.file_count = metainfo.files.iter().filter(|file| !file.pad).count() as u32;
        self.is_private = metainfo.private;
        self.choose(metainfo);
    }

    /// Takes over how much is wanted of it.
    pub fn choose(&mut self, metainfo: &Metainfo) {
        let wanted = self.wanted(metainfo);
        let is_wanted = |index: usize| wanted.get(index).copied().unwrap_or(true);
        let files = metainfo.files.iter().enumerate().filter(|(index, file)| !file.pad && is_wanted(*index));
        self.wanted_len = files.map(|(_, file)| file.len).sum();
    }

    /// Per file of the metainfo; empty for all.
    pub fn wanted(&self, metainfo: &Metainfo) -> Vec<bool> {
        let unwanted = self.own.as_ref().map_or(&[][..], |own| &own.unwanted);
        if unwanted.is_empty() {
            return Vec::new();
        }
        let places = places(metainfo);
        let mut wanted = vec![true; metainfo.files.len()];
        for index in unwanted.iter().filter_map(|index| places.get(*index as usize)) {
            wanted[*index] = false;
        }
        wanted
    }

    /// Per file of the metainfo which come first; empty where all are the same.
    pub fn priorities(&self, metainfo: &Metainfo) -> Vec<i8> {
        let Some(own) = self.own.as_ref().filter(|own| !own.high.is_empty() || !own.low.is_empty()) else {
            return Vec::new();
        };
        let places = places(metainfo);
        let mut priorities = vec![0; metainfo.files.len()];
        for (list, priority) in [(&own.high, 1), (&own.low, -1)] {
            for place in list.iter().filter_map(|index| places.get(*index as usize)) {
                priorities[*place] = priority;
            }
        }
        priorities
    }

    /// What somebody set for it, to be changed.
    pub fn own_mut(&mut self) -> &mut Own {
        self.own.get_or_insert_default()
    }

    /// How long it was shared; `active_s` is how long the program has been active, over all its runs.
    pub fn shared_s(&self, active_s: u64) -> u64 {
        self.seeding_s + self.resting_from.map_or(0, |from| active_s.saturating_sub(from))
    }

    /// It does not rest any more.
    pub fn end_rest(&mut self, active_s: u64) {
        self.seeding_s = self.shared_s(active_s);
        self.is_dirty |= self.resting_from.take().is_some();
    }

    /// Where its data is now.
    pub fn place(&self) -> &Path {
        self.aside.as_deref().unwrap_or(&self.dir)
    }

    /// All that is wanted of it is here.
    pub fn is_done(&self) -> bool {
        self.link.is_none() && self.piece_count > 0 && self.have_len >= self.wanted_len
    }

    pub fn has_metainfo(&self) -> bool {
        self.link.is_none()
    }

    /// A machine works on it, and may have something to tell any moment.
    pub fn is_awake(&self) -> bool {
        matches!(self.run, Run::On(_) | Run::Ending(_))
    }

    /// Whose machine works on it.
    pub fn machine(&self) -> Option<TorrentId> {
        match self.run {
            Run::On(id) | Run::Asleep(id) | Run::Ending(id) => Some(id),
            Run::Rest | Run::Reading(_) => None,
        }
    }

    /// Sent to fetched; what was there already counts as fetched.
    pub fn ratio(&self) -> Option<f64> {
        let base = if self.downloaded > 0 { self.downloaded } else { self.have_len };
        (base > 0).then(|| self.uploaded as f64 / base as f64)
    }
}

/// Where in the metainfo each file is that clients see: padding is none.
pub fn places(metainfo: &Metainfo) -> Vec<usize> {
    metainfo.files.iter().enumerate().filter(|(_, file)| !file.pad).map(|(place, _)| place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_at_rest_counts_without_being_written_down() {
        let mut torrent = Torrent::new(1, InfoHash([1; 20]), Path::new("/d").into(), Arc::default());
        torrent.seeding_s = 100;
        assert_eq!(torrent.shared_s(5_000), 100);
        torrent.resting_from = Some(4_000);
        assert_eq!(torrent.shared_s(5_000), 1_100);
        assert_eq!(torrent.shared_s(3_000), 100, "a record of the session that is older than that of the torrent");
        torrent.end_rest(5_000);
        assert_eq!((torrent.shared_s(9_000), torrent.is_dirty), (1_100, true));
    }
}
