//! A torrent's life: it begins when somebody wants it to run and the queue has a place for it, and ends when that is
//! over, something it was begun with has changed, or it goes. At rest it is a record and nothing else.

use std::sync::Arc;

use super::add::peers_of;
use super::get::read_torrent;
use super::torrent::{Own, Run, Torrent, Trouble};
use super::{Errand, Remote};
use crate::base::address::Reach;
use crate::base::{Span, Time, TorrentId};
use crate::machine::{
    AddTorrent, DiskError, DiskErrorKind, Event, Happened, Job, Note, Outbox, RateLimits, Row, SeekTorrent, Sleep,
    StoreSpec,
};
use crate::metainfo::Metainfo;
use crate::metainfo::magnet::Magnet;
use crate::metainfo::rename::rename;
use crate::storage::Layout;

/// Between the first announces of two torrents that begin at rest.
const SLEEP_SPACE: Span = Span::millis(20);
/// .torrent files read at once for those that begin: large ones would be in memory together.
const READS_MAX: usize = 4;
/// Torrents that look at their files at once: each has up to four jobs for the disk waiting, for as many of which there
/// is room.
const SETTLING_MAX: usize = 48;

impl Remote {
    pub(super) fn may_begin(&self) -> bool {
        let reads = || self.jobs.values().filter(|errand| matches!(errand, Errand::Begin(_))).count();
        self.settling.len() < SETTLING_MAX && reads() < READS_MAX
    }

    /// Begins those whose turn it is, a few at a time.
    pub(super) fn begin_some(&mut self, now: Time, out: &mut Outbox) {
        let mut asleep = 0;
        while self.may_begin()
            && let Some(id) = self.to_begin.pop_front()
        {
            if let Some(torrent) = self.list.get(id).filter(|torrent| matches!(torrent.run, Run::Asleep(_))) {
                self.recall(torrent.info_hash, Errand::Begin(id), out);
                continue;
            }
            let Some(torrent) = self.list.get(id).filter(|torrent| torrent.run == Run::Rest && wants_to_run(torrent))
            else {
                continue;
            };
            if torrent.is_done() && torrent.done_s > 0 && !torrent.plans.recheck {
                asleep += 1;
                self.sleep(id, now + SLEEP_SPACE.times(asleep), now, out);
            } else if torrent.has_metainfo() {
                let job = self.recall(torrent.info_hash, Errand::Begin(id), out);
                self.set_run(id, Run::Reading(job));
            } else {
                self.seek(id, now, out);
            }
        }
    }

    fn set_run(&mut self, id: u32, run: Run) {
        let active_s = self.totals.active_s;
        if let Some(torrent) = self.list.get_mut(id) {
            torrent.end_rest(active_s);
            torrent.run = run;
        }
    }

    /// A complete torrent begins at rest: nothing is read of it before somebody wants something.
    fn sleep(&mut self, id: u32, begins: Time, now: Time, out: &mut Outbox) {
        let machine = self.list.new_machine(id);
        let began_s = self.wall_s(now);
        let active_s = self.totals.active_s;
        let Some(torrent) = self.list.get_mut(id) else { return };
        (torrent.run, torrent.started_s) = (Run::Asleep(machine), began_s);
        torrent.resting_from.get_or_insert(active_s);
        (torrent.idle_since, torrent.have) = (now, None);
        out.tell(Note::Sleep(Box::new(Sleep {
            torrent: machine,
            info_hash: torrent.info_hash,
            is_private: torrent.is_private,
            len: torrent.wanted_len,
            trackers: torrent.tiers.to_vec(),
            announce_all: self.options.announce_all,
            ways: self.options.ways,
            begins,
        })));
    }

    /// Somebody wants something of a torrent at rest.
    pub(super) fn on_wanted(&mut self, machine: TorrentId) {
        if let Some(id) = self.list.id_of_machine(machine) {
            self.to_begin.push_back(id);
        }
    }

    /// A torrent has come to rest.
    pub(super) fn on_asleep(&mut self, row: &Row, now: Time) {
        let Some(id) = self.list.id_of_machine(row.torrent) else { return };
        self.take_row(id, row, now);
        let active_s = self.totals.active_s;
        if let Some(torrent) = self.list.get_mut(id)
            && let Run::On(machine) = torrent.run
        {
            (torrent.run, torrent.is_dirty) = (Run::Asleep(machine), true);
            torrent.resting_from = Some(active_s);
        }
    }

    fn seek(&mut self, id: u32, now: Time, out: &mut Outbox) {
        let machine = self.list.new_machine(id);
        let began_s = self.wall_s(now);
        let peers_max = self.session.count("peer-limit-per-torrent").max(1) as usize;
        let Some(torrent) = self.list.get_mut(id) else { return };
        let magnet = torrent.link.as_deref().and_then(|link| Magnet::parse(link).ok()).unwrap_or_default();
        (torrent.run, torrent.started_s) = (Run::On(machine), began_s);
        let seek = SeekTorrent {
            torrent: machine,
            info_hash: torrent.info_hash,
            peers: peers_of(&magnet),
            nodes: magnet.nodes,
            trackers: torrent.tiers.to_vec(),
            announce_all: self.options.announce_all,
            peers_max: torrent.own.as_ref().and_then(|own| own.peers_max).map_or(peers_max, |max| max as usize),
            ways: self.options.ways,
        };
        out.tell(Note::Seek(Box::new(seek)));
    }

    /// The .torrent file of one that shall run was read.
    pub(super) fn on_read(&mut self, id: u32, result: Result<Vec<u8>, DiskError>, now: Time, out: &mut Outbox) {
        let Some(torrent) = self.list.get_mut(id) else { return };
        let asleep = match torrent.run {
            Run::Asleep(machine) => Some(machine),
            Run::Reading(_) => None,
            _ => return,
        };
        if asleep.is_none() {
            torrent.run = Run::Rest;
        }
        self.is_stale = true;
        if !wants_to_run(torrent) {
            return;
        }
        let read = result.map_err(|error| error.text).and_then(|bytes| {
            read_torrent(&bytes, torrent).ok_or_else(|| "its .torrent file is damaged".to_string())
        });
        match read {
            Ok(metainfo) => {
                if asleep.is_none() {
                    torrent.started_s = self.options.began_s + now.0 / 1_000_000;
                    torrent.idle_since = now;
                }
                torrent.lonely_since = now;
                let machine = asleep.unwrap_or_else(|| self.list.new_machine(id));
                self.set_run(id, Run::On(machine));
                self.begin_with(id, machine, metainfo, out);
            }
            Err(text) => self.fail(id, text, now, out),
        }
    }

    /// Has a machine work on the torrent.
    pub(super) fn begin_with(&mut self, id: u32, machine: TorrentId, metainfo: Metainfo, out: &mut Outbox) {
        let peers_max = self.session.count("peer-limit-per-torrent").max(1) as usize;
        let limits = self.list.get(id).map(|torrent| self.rate_limits(torrent)).unwrap_or_default();
        let Some(torrent) = self.list.get_mut(id) else { return };
        let metainfo = Arc::new(metainfo);
        torrent.metainfo = Arc::downgrade(&metainfo);
        let own = torrent.own.as_deref();
        let add = AddTorrent {
            torrent: machine,
            dir: torrent.place().to_path_buf(),
            wanted: torrent.wanted(&metainfo),
            priorities: torrent.priorities(&metainfo),
            peers: Vec::new(),
            trackers: torrent.tiers.to_vec(),
            announce_all: self.options.announce_all,
            sequential: own.is_some_and(|own| own.sequential),
            peers_max: own.and_then(|own| own.peers_max).map_or(peers_max, |max| max as usize),
            recheck: torrent.plans.recheck,
            had: Some(torrent.have_len),
            limits,
            prealloc: self.options.prealloc,
            ways: self.options.ways,
            // Whoever speaks to the remote control may come from anywhere: never from there (RELIABILITY: SSRF).
            web_seeds_by: Reach::Global,
            metainfo,
        };
        self.settling.insert(id);
        out.tell(Note::Add(Box::new(add)));
    }

    /// A torrent's own limits, in bytes per second.
    pub(super) fn rate_limits(&self, torrent: &Torrent) -> RateLimits {
        let default = Own::default();
        let own = torrent.own.as_deref().unwrap_or(&default);
        let rate = |(kb, is_on): (u32, bool)| if is_on { (u64::from(kb) * 1000).max(1) } else { 0 };
        let spares_lan = self.options.spares_lan;
        let is_apart = !own.honours_session;
        RateLimits { up_per_s: rate(own.up_limit), down_per_s: rate(own.down_limit), spares_lan, is_apart }
    }

    /// Tells a machine to end.
    pub(super) fn end(&mut self, id: u32, out: &mut Outbox) {
        let active_s = self.totals.active_s;
        if let Some(torrent) = self.list.get_mut(id)
            && let Run::On(machine) | Run::Asleep(machine) = torrent.run
        {
            torrent.end_rest(active_s);
            torrent.run = Run::Ending(machine);
            out.tell(Note::Remove { torrent: machine });
        }
    }

    /// A machine has ended.
    pub(super) fn on_gone(&mut self, row: &Row, now: Time, out: &mut Outbox) {
        let Some(id) = self.list.end_machine(row.torrent) else { return };
        self.settling.remove(&id);
        self.take_row(id, row, now);
        let Some(torrent) = self.list.get_mut(id) else { return };
        (torrent.run, torrent.is_held_up) = (Run::Rest, false);
        (torrent.plans.restart, torrent.is_dirty, torrent.changed) = (false, true, now);
        self.is_stale = true;
        self.remove_if_doomed(id, out);
    }

    /// All that is wanted of a torrent is here.
    pub(super) fn on_complete(&mut self, machine: TorrentId, now: Time, out: &mut Outbox) {
        let done_s = self.wall_s(now);
        let Some(id) = self.list.id_of_machine(machine) else { return };
        let Some(torrent) = self.list.get_mut(id) else { return };
        torrent.have_len = torrent.wanted_len.max(torrent.have_len);
        (torrent.plans.recheck, torrent.is_dirty, torrent.changed) = (false, true, now);
        self.is_stale = true;
        if torrent.aside.is_some() {
            // The news waits until it is where people look for it.
            torrent.plans.moving = Some(torrent.dir.clone());
        } else if torrent.done_s == 0 {
            (torrent.done_s, torrent.idle_since) = (done_s, now);
            self.happened(id, Event::Done, "", out);
        }
    }

    /// A torrent cannot go on.
    pub(super) fn on_failed(&mut self, machine: TorrentId, error: &DiskError, now: Time, out: &mut Outbox) {
        if let Some(id) = self.list.id_of_machine(machine) {
            self.fail(id, error.text.clone(), now, out);
        }
    }

    fn fail(&mut self, id: u32, text: String, now: Time, out: &mut Outbox) {
        let Some(torrent) = self.list.get_mut(id) else { return };
        torrent.trouble = Some(Box::new(Trouble { kind: 3, text: text.clone() }));
        (torrent.is_started, torrent.is_dirty, torrent.changed) = (false, true, now);
        self.is_stale = true;
        self.happened(id, Event::Error, &text, out);
    }

    /// Tells the application; `error` is what is wrong, if anything.
    pub(super) fn happened(&self, id: u32, event: Event, error: &str, out: &mut Outbox) {
        let Some(torrent) = self.list.get(id) else { return };
        out.tell(Note::Happened(Box::new(Happened {
            event,
            id,
            name: torrent.name.to_string(),
            info_hash: torrent.info_hash,
            dir: torrent.dir.to_path_buf(),
            len: torrent.len,
            labels: torrent.own.as_ref().map_or(Vec::new(), |own| own.labels.clone()),
            error: error.to_string(),
        })));
    }

    /// A torrent that shall go does, as soon as nothing works on it.
    pub(super) fn remove_if_doomed(&mut self, id: u32, out: &mut Outbox) {
        let Some(torrent) = self.list.get(id).filter(|torrent| torrent.run == Run::Rest) else { return };
        match torrent.plans.removal {
            Some(true) if torrent.has_metainfo() => {
                let job = self.recall(torrent.info_hash, Errand::Doomed(id), out);
                self.set_run(id, Run::Reading(job));
            }
            Some(_) => self.erase(id, None, out),
            None if torrent.plans.changes_files() && torrent.has_metainfo() => {
                let job = self.recall(torrent.info_hash, Errand::Leaving(id), out);
                self.set_run(id, Run::Reading(job));
            }
            None => {}
        }
    }

    /// The .torrent file was read of one whose data moves, or of which something gets another name.
    pub(super) fn relocate(&mut self, id: u32, bytes: Option<Vec<u8>>, now: Time, out: &mut Outbox) {
        let Some(torrent) = self.list.get_mut(id) else { return };
        torrent.run = Run::Rest;
        let info_hash = torrent.info_hash;
        let Some(mut metainfo) = bytes.and_then(|bytes| read_torrent(&bytes, torrent)) else {
            (torrent.plans.moving, torrent.plans.renaming) = (None, None);
            return self.fail(id, "its .torrent file is damaged, so its data cannot be moved".into(), now, out);
        };
        let dir = torrent.place().to_path_buf();
        let to = torrent.plans.moving.as_ref().map_or_else(|| dir.clone(), |to| to.to_path_buf());
        let spec = Arc::new(StoreSpec { info_hash, dir, layout: Layout::new(&metainfo, &[]) });
        // One of both at a time: what is at its new place would not be found by its old name.
        if let Some((path, name)) = torrent.plans.renaming.as_deref().filter(|_| torrent.plans.moving.is_none())
            && let Err(refused) = rename(&mut metainfo, path, name)
        {
            let kind = DiskErrorKind::Other;
            self.on_renamed(id, &Err(DiskError { kind, text: refused.text().into() }), now, out);
            return;
        }
        let to = Arc::new(StoreSpec { info_hash, dir: to, layout: Layout::new(&metainfo, &[]) });
        let job = out.new_job();
        torrent.run = Run::Reading(job);
        self.jobs.insert(job, Errand::Moved(id));
        out.job(Job::Move { id: job, spec, to });
    }

    /// Its data has moved, or could not.
    pub(super) fn on_moved(&mut self, id: u32, result: Result<(), DiskError>, now: Time, out: &mut Outbox) {
        let done_s = self.wall_s(now);
        let moves = self.list.get(id).is_some_and(|torrent| torrent.plans.moving.is_some());
        if !moves && self.on_renamed(id, &result, now, out) {
            return self.remove_if_doomed(id, out);
        }
        let Some(torrent) = self.list.get_mut(id) else { return };
        (torrent.run, torrent.is_dirty, torrent.changed) = (Run::Rest, true, now);
        let to = torrent.plans.moving.take();
        self.is_stale = true;
        match result {
            Ok(()) => {
                torrent.dir = to.unwrap_or_else(|| torrent.dir.clone());
                if torrent.aside.take().is_some() && torrent.done_s == 0 {
                    (torrent.done_s, torrent.idle_since) = (done_s, now);
                    self.happened(id, Event::Done, "", out);
                }
            }
            Err(error) => self.fail(id, error.text, now, out),
        }
        self.remove_if_doomed(id, out);
    }

    /// Erases what is remembered of a torrent, and with its .torrent file its data.
    pub(super) fn erase(&mut self, id: u32, bytes: Option<Vec<u8>>, out: &mut Outbox) {
        let Some(torrent) = self.list.get_mut(id) else { return };
        let info_hash = torrent.info_hash;
        let metainfo = bytes.and_then(|bytes| read_torrent(&bytes, torrent));
        let spec = metainfo.map(|metainfo| {
            let layout = Layout::new(&metainfo, &[]);
            Arc::new(StoreSpec { info_hash, dir: torrent.place().to_path_buf(), layout })
        });
        let job = out.new_job();
        torrent.run = Run::Reading(job);
        self.jobs.insert(job, Errand::Erase(id));
        out.job(Job::Erase { id: job, info_hash, data: spec, state: true });
    }

    /// Its files are gone: the record goes last, so that a crash before leaves nothing half done.
    pub(super) fn on_erased(&mut self, id: u32, result: Result<(), DiskError>, now: Time, out: &mut Outbox) {
        if let Err(error) = result {
            log::warn!("{}", error.text);
        }
        if let Some(back) = self.renamers.remove(&id) {
            back.fail("the torrent was removed", out);
        }
        let Some(torrent) = self.list.remove(id, now) else { return };
        self.unshelve(&torrent, out);
        self.is_stale = true;
        // The disk does one after the other: what is added now is saved after this is gone.
        self.go_on_adding(now, out);
    }
}

/// Whether it should run as far as it goes.
pub fn wants_to_run(torrent: &Torrent) -> bool {
    let plans = &torrent.plans;
    let is_free = plans.removal.is_none() && !plans.changes_files() && !plans.restart;
    torrent.is_started && torrent.has_turn && is_free && !torrent.is_new
}
