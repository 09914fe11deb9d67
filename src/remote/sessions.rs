//! The calls about the session: its settings, its sums, room on disk.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::call::{Back, Call};
use super::facts::Machines;
use super::session::is_folder;
use super::torrent::Run;
use super::{Errand, Remote};
use crate::base::Time;
use crate::base::blocked::Blocked;
use crate::machine::{DiskError, Job, Note, Outbox};
use crate::wire::json::{Writer, quote, write_list};

/// What is told of the protocol: the last one before snake case.
const RPC_VERSION: u32 = 17;
const RPC_VERSION_MINIMUM: u32 = 14;
const RPC_SEMVER: &str = "5.3.0";
/// The program whose dialect this is, as clients compare it.
const SPOKEN: &str = "4.0.6";

impl Remote {
    pub(super) fn session_get(&mut self, call: &Call, out: &mut Outbox) {
        let fields: Option<BTreeSet<String>> = call.texts("fields").map(|fields| fields.into_iter().collect());
        let is_wanted = |name: &str| fields.as_ref().is_none_or(|fields| fields.contains(name));
        call.back.tell(out, |object| {
            self.session.write(is_wanted, object);
            self.write_facts(is_wanted, object);
        });
        self.look_for_room(out);
    }

    /// What cannot be set.
    fn write_facts(&self, is_wanted: impl Fn(&str) -> bool, object: &mut Writer<'_>) {
        let options = &self.options;
        let config_dir = options.state_dir.as_str();
        let version = format!("{SPOKEN} (peerlink {})", options.version);
        let texts = [
            ("blocklist-url", options.blocklist.as_str()),
            ("config-dir", config_dir),
            ("rpc-version-semver", RPC_SEMVER),
            ("script-torrent-added-filename", ""),
            ("script-torrent-done-filename", ""),
            ("script-torrent-done-seeding-filename", ""),
            ("session-id", &options.session_id),
            ("version", &version),
        ];
        for (name, text) in texts.into_iter().filter(|(name, _)| is_wanted(name)) {
            object.text(name, text);
        }
        let numbers = [
            ("blocklist-size", self.blocked_count as u64),
            ("cache-size-mb", 4),
            ("download-dir-free-space", self.free),
            ("peer-port", self.port.into()),
            ("rpc-version", RPC_VERSION.into()),
            ("rpc-version-minimum", RPC_VERSION_MINIMUM.into()),
        ];
        for (name, number) in numbers.into_iter().filter(|(name, _)| is_wanted(name)) {
            object.plain(name, number);
        }
        let switches = [
            ("dht-enabled", options.has_dht),
            ("lpd-enabled", options.ways.lsd),
            ("pex-enabled", options.ways.pex),
            ("tcp-enabled", true),
        ];
        for (name, is_on) in switches.into_iter().filter(|(name, _)| is_wanted(name)) {
            object.plain(name, is_on);
        }
        if is_wanted("units") {
            write_units(object.key("units"));
        }
    }

    pub(super) fn session_set(&mut self, call: &Call, now: Time, out: &mut Outbox) {
        let minded = self.session.switch("blocklist-enabled");
        if let Err(why) = self.session.set(&call.arguments) {
            return call.back.fail(&why, out);
        }
        let is_on = self.session.switch("blocklist-enabled");
        if is_on != minded {
            out.tell(Note::UseBlocklist { is_on });
        }
        self.is_session_dirty = true;
        self.is_stale = true;
        self.tell_limits(now, out);
        self.look_for_room(out);
        call.back.succeed(out);
    }

    pub(super) fn session_stats(&mut self, call: &Call, machines: &mut dyn Machines, now: Time, out: &mut Outbox) {
        let (mut down, mut up) = (0, 0);
        let working: Vec<_> =
            self.list.iter().filter(|torrent| torrent.is_awake()).filter_map(|torrent| torrent.machine()).collect();
        for row in working.iter().filter_map(|machine| machines.row(*machine, now)) {
            down += row.down_per_s;
            up += row.up_per_s;
        }
        let active = self.list.iter().filter(|torrent| torrent.is_started && torrent.run != Run::Rest).count();
        let paused = self.list.iter().filter(|torrent| !torrent.is_started).count();
        let totals = self.totals;
        let write =
            |object: &mut Writer<'_>, key: &str, up: u64, down: u64, active_s: u64, sessions: u64, added: u64| {
                let mut inner = Writer::begin(object.key(key));
                inner.plain("downloadedBytes", down);
                inner.plain("filesAdded", added);
                inner.plain("secondsActive", active_s);
                inner.plain("sessionCount", sessions);
                inner.plain("uploadedBytes", up);
                inner.end();
            };
        let count = self.list.len();
        call.back.tell(out, |object| {
            object.plain("activeTorrentCount", active);
            write(
                object,
                "cumulative-stats",
                totals.uploaded,
                totals.downloaded,
                totals.active_s,
                totals.sessions,
                totals.files_added,
            );
            let now_s = now.0 / 1_000_000;
            write(object, "current-stats", totals.uploaded_now, totals.downloaded_now, now_s, 1, totals.added_now);
            object.plain("downloadSpeed", down);
            object.plain("pausedTorrentCount", paused);
            object.plain("torrentCount", count);
            object.plain("uploadSpeed", up);
        });
    }

    /// Has the blocklist read again.
    pub(super) fn update_blocklist(&mut self, back: Back, out: &mut Outbox) {
        if self.options.blocklist.is_empty() {
            return back.fail("couldn't fetch blocklist: none is named (--blocklist)", out);
        }
        self.blocklist_waits.push(back);
        out.tell(Note::UpdateBlocklist);
    }

    /// It was read, or cannot be.
    pub(super) fn on_blocklist(&mut self, read: &Result<Arc<Blocked>, String>, out: &mut Outbox) {
        if let Ok(blocked) = read {
            self.blocked_count = blocked.count();
        }
        let count = self.blocked_count;
        for back in std::mem::take(&mut self.blocklist_waits) {
            match read {
                Ok(_) => back.tell(out, |object| object.plain("blocklist-size", count)),
                Err(why) => back.fail(&format!("couldn't fetch blocklist: {why}"), out),
            }
        }
    }

    pub(super) fn free_space(&mut self, call: &Call, out: &mut Outbox) {
        let Some(path) = call.text("path").filter(|path| is_folder(path)) else {
            return call.back.fail("directory path is not absolute", out);
        };
        let id = out.new_job();
        self.jobs.insert(id, Errand::Space(call.back, path.to_string()));
        out.job(Job::Space { id, dir: path.into() });
    }
}

/// Somebody wanted to know how much room there is.
pub fn tell_space(back: Back, path: &str, result: Result<(u64, u64), DiskError>, out: &mut Outbox) {
    match result {
        Err(error) => back.fail(&error.text, out),
        Ok((free, total)) => back.tell(out, |object| {
            object.text("path", path);
            object.plain("size-bytes", free);
            object.plain("total_size", total);
        }),
    }
}

fn write_units(to: &mut String) {
    let mut object = Writer::begin(to);
    let of = [
        ("memory", 1024, ["KiB", "MiB", "GiB", "TiB"]),
        ("size", 1000, ["kB", "MB", "GB", "TB"]),
        ("speed", 1000, ["kB/s", "MB/s", "GB/s", "TB/s"]),
    ];
    for (name, bytes, units) in of {
        object.plain(&format!("{name}-bytes"), bytes);
        write_list(units, object.key(&format!("{name}-units")), quote);
    }
    object.end();
}
