//! What is looked at every second while something runs: how far torrents are, whether they were shared enough, which
//! limits hold, and sums over all of them.

use super::facts::Machines;
use super::torrent::{Mode, Run};
use super::{Errand, Phase, REST_TICK, Remote};
use crate::base::text::size;
use crate::base::{Span, Time};
use crate::machine::{Activity, Event, Job, Note, Outbox, RateLimits, Row};
use crate::wire::json::{self, Object, Writer};

/// Sums over all torrents and runs of the program; the session's record has them.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Totals {
    pub uploaded: u64,
    pub downloaded: u64,
    pub files_added: u64,
    pub sessions: u64,
    pub active_s: u64,
    /// The same of this run alone.
    pub uploaded_now: u64,
    pub downloaded_now: u64,
    pub added_now: u64,
}

impl Totals {
    /// What earlier runs came to.
    pub fn restore(&mut self, remembered: &Object) {
        let number = |key: &str| remembered.get(key).and_then(json::int).map_or(0, |number| number.max(0) as u64);
        self.uploaded = number("total-uploaded");
        self.downloaded = number("total-downloaded");
        self.files_added = number("total-added");
        self.sessions = number("total-sessions");
        self.active_s = number("total-active");
    }

    pub fn remember(&self, object: &mut Writer<'_>) {
        object.plain("total-active", self.active_s);
        object.plain("total-added", self.files_added);
        object.plain("total-downloaded", self.downloaded);
        object.plain("total-sessions", self.sessions);
        object.plain("total-uploaded", self.uploaded);
    }
}

/// Between two looks at the room that must stay free.
const ROOM_EVERY: Span = Span::secs(10);
/// A complete torrent without peers rests after this.
const REST_AFTER: Span = Span::secs(60);
/// Between two records of the session and of running torrents.
const SAVE_EVERY: Span = Span::secs(600);

impl Remote {
    pub(super) fn tick(&mut self, machines: &mut dyn Machines, now: Time, out: &mut Outbox) {
        self.next_tick = None;
        if self.last_tick == Time::ZERO {
            self.totals.sessions += 1;
            self.is_session_dirty = true;
        }
        self.look_at_all(machines, now, false, out);
        let is_slow_look = now.since(self.last_slow_look) >= REST_TICK;
        if is_slow_look {
            self.last_slow_look = now;
        }
        let may_end = |run: Run| matches!(run, Run::On(_)) || (is_slow_look && matches!(run, Run::Asleep(_)));
        let ids: Vec<u32> = self.list.iter().filter(|t| may_end(t.run)).map(|t| t.id).collect();
        for id in ids {
            self.end_if_enough(id, now, out);
        }
        self.let_rest(now, out);
        self.follow_schedule(now, out);
        if now.since(self.saved_session) >= SAVE_EVERY {
            self.saved_session = now;
            self.is_session_dirty = true;
            self.list.iter_mut().filter(|torrent| torrent.is_awake()).for_each(|torrent| torrent.is_dirty = true);
        }
        if self.options.min_free > 0 && now.since(self.looked_for_room) >= ROOM_EVERY {
            self.looked_for_room = now;
            self.look_for_room(out);
        }
        self.last_tick = now;
    }

    /// Takes over what the machines say; `is_last`: they have ended.
    pub(super) fn look_at_all(&mut self, machines: &mut dyn Machines, now: Time, is_last: bool, out: &mut Outbox) {
        let passed_s = (now.since(self.last_tick).0 + 500_000) / 1_000_000;
        self.totals.active_s += passed_s;
        let mut running = Vec::new();
        for torrent in self.list.iter() {
            match torrent.run {
                Run::On(machine) | Run::Ending(machine) => running.push((torrent.id, machine)),
                Run::Asleep(_) | Run::Rest | Run::Reading(_) => {}
            }
        }
        for (id, machine) in running {
            let Some(mut row) = machines.row(machine, now) else { continue };
            if is_last {
                row.have = machines.have(machine).map(std::sync::Arc::new);
            }
            self.take_row(id, &row, now);
            self.tell_trouble(id, &row, out);
            let Some(torrent) = self.list.get_mut(id) else { continue };
            if row.peers > 0 || row.activity != Activity::Seeding {
                torrent.lonely_since = now;
            }
            torrent.is_dirty |= is_last || torrent.is_unsaved;
            if torrent.is_started {
                let is_seeding = row.activity == Activity::Seeding;
                let time = if is_seeding { &mut torrent.seeding_s } else { &mut torrent.downloading_s };
                *time += passed_s;
            }
        }
    }

    /// Takes over how a torrent stands.
    pub(super) fn take_row(&mut self, id: u32, row: &Row, now: Time) {
        let looks =
            matches!(row.activity, Activity::Opening | Activity::Checking { .. } | Activity::Reserving { .. });
        if !looks {
            self.settling.remove(&id);
        }
        let wall_s = self.wall_s(now);
        let Some(torrent) = self.list.get_mut(id) else { return };
        let is_known = match row.activity {
            Activity::Metadata { .. } | Activity::Opening | Activity::Reserving { .. } => false,
            Activity::Checking { .. } => false,
            // It may have ended before it had looked at its files, or wait for a disk to see them.
            Activity::Stopped | Activity::Paused(_) => row.have_bytes >= torrent.have_len,
            _ => true,
        };
        let has_moved = row.downloaded_ever > torrent.downloaded || row.uploaded_ever > torrent.uploaded;
        if has_moved {
            self.totals.downloaded += row.downloaded_ever.saturating_sub(torrent.downloaded);
            self.totals.downloaded_now += row.downloaded_ever.saturating_sub(torrent.downloaded);
            self.totals.uploaded += row.uploaded_ever.saturating_sub(torrent.uploaded);
            self.totals.uploaded_now += row.uploaded_ever.saturating_sub(torrent.uploaded);
            (torrent.downloaded, torrent.uploaded) = (row.downloaded_ever, row.uploaded_ever);
            (torrent.idle_since, torrent.active_s) = (now, wall_s);
        }
        if is_known && torrent.has_metainfo() && row.wanted_bytes > 0 {
            if torrent.plans.recheck && row.activity != Activity::Stopped {
                (torrent.plans.recheck, torrent.is_dirty) = (false, true);
                if std::mem::take(&mut torrent.checks_once) {
                    (torrent.is_started, torrent.is_forced, self.is_stale) = (false, false, true);
                }
            }
            let was_done = torrent.is_done();
            (torrent.have_len, torrent.wanted_len) = (row.have_bytes, row.wanted_bytes);
            if was_done != torrent.is_done() {
                (self.is_stale, torrent.is_dirty) = (true, true);
            }
        }
        torrent.wasted = torrent.wasted.max(row.wasted);
        if let Some(have) = &row.have
            && is_known
            && torrent.has_metainfo()
            && have.len() == torrent.piece_count
        {
            torrent.have = (!have.is_full()).then(|| Box::new((**have).clone()));
        }
    }

    /// Tells once of a torrent that its disk began to hold up.
    fn tell_trouble(&mut self, id: u32, row: &Row, out: &mut Outbox) {
        let Some(torrent) = self.list.get_mut(id) else { return };
        let error = match &row.activity {
            Activity::Paused(error) => Some(&error.text),
            _ => None,
        };
        if std::mem::replace(&mut torrent.is_held_up, error.is_some()) {
            return;
        }
        if let Some(text) = error {
            self.happened(id, Event::Error, text, out);
        }
    }

    /// Seeds that nobody wants anything of may rest.
    fn let_rest(&mut self, now: Time, out: &mut Outbox) {
        for torrent in self.list.iter_mut() {
            if let Run::On(machine) = torrent.run
                && torrent.is_done()
                && now.since(torrent.lonely_since) >= REST_AFTER
            {
                torrent.lonely_since = now;
                out.tell(Note::Rest { torrent: machine });
            }
        }
    }

    /// A torrent that was shared enough ends.
    fn end_if_enough(&mut self, id: u32, now: Time, out: &mut Outbox) {
        let Some(torrent) = self.list.get(id).filter(|torrent| torrent.is_done() && torrent.is_started) else {
            return;
        };
        let by_ratio = self.ratio_limit(torrent).is_some_and(|limit| torrent.ratio().is_some_and(|is| is >= limit));
        let own = torrent.own.as_ref().map_or((0, Mode::Global), |own| own.idle);
        let idle = match own {
            (_, Mode::Global) if self.session.switch("idle-seeding-limit-enabled") => {
                Some(self.session.count("idle-seeding-limit"))
            }
            (minutes, Mode::Own) => Some(u64::from(minutes)),
            _ => None,
        };
        let by_idleness = idle.is_some_and(|minutes| now.since(torrent.idle_since) >= Span::secs(60).times(minutes));
        let by_time =
            self.options.seed_time_s > 0 && torrent.shared_s(self.totals.active_s) >= self.options.seed_time_s;
        if !(by_ratio || by_idleness || by_time) {
            return;
        }
        let Some(torrent) = self.list.get_mut(id) else { return };
        (torrent.is_started, torrent.is_finished, torrent.is_forced) = (false, true, false);
        (torrent.is_dirty, torrent.changed) = (true, now);
        self.is_stale = true;
        self.end(id, out);
    }

    /// The schedule of the alternative limits switches them on and off; in between, people do as they like.
    fn follow_schedule(&mut self, now: Time, out: &mut Outbox) {
        if self.session.switch("alt-speed-time-enabled") {
            let local_s = (self.wall_s(now) as i64 + out.ahead_s).max(0) as u64;
            // 1 January 1970 was a Thursday.
            let (day, minute) = ((local_s / 86_400 + 4) % 7, local_s % 86_400 / 60);
            let is_slow = self.session.is_slow_time(day as u32, minute as u32);
            if self.was_slow_time.replace(is_slow) != Some(is_slow) {
                self.session.give("alt-speed-enabled", json::Value::Bool(is_slow));
            }
        } else {
            self.was_slow_time = None;
        }
        self.tell_limits(now, out);
    }

    /// Tells the loop which limits hold for all torrents together and how peers are spoken to, if that has changed.
    pub(super) fn tell_limits(&mut self, _now: Time, out: &mut Outbox) {
        let encryption = self.session.encryption();
        if self.told_encryption.replace(encryption) != Some(encryption) {
            out.tell(Note::Encryption(encryption));
        }
        let limits = self.session.limits(self.session.switch("alt-speed-enabled"));
        if self.told_limits.replace(limits) != Some(limits) {
            let limits = RateLimits { up_per_s: limits.0, down_per_s: limits.1, ..RateLimits::default() };
            out.tell(Note::Limit { torrent: None, limits });
        }
        let max = self.session.count("peer-limit-global").max(1);
        if self.told_peers_max.replace(max) != Some(max) {
            out.tell(Note::AllowPeers { max: usize::try_from(max).unwrap_or(usize::MAX) });
        }
    }

    /// So much room there is. Too little of it holds downloads up until there is more again.
    pub(super) fn on_room(&mut self, free: Option<u64>) {
        self.free = free.unwrap_or(0);
        let is_low = free.is_some_and(|free| free < self.options.min_free);
        if std::mem::replace(&mut self.is_low, is_low) != is_low {
            self.is_stale = true;
            if is_low {
                let (free, min) = (size(self.free), size(self.options.min_free));
                log::warn!("downloads wait: {free} are free, and {min} must stay so (--min-free)");
            }
        }
    }

    /// Looks how much room there is where downloads go.
    pub(super) fn look_for_room(&mut self, out: &mut Outbox) {
        if self.phase == Phase::Running && !self.jobs.values().any(|errand| matches!(errand, Errand::Free)) {
            let id = out.new_job();
            self.jobs.insert(id, Errand::Free);
            out.job(Job::Space { id, dir: self.session.folder("download-dir") });
        }
    }
}
