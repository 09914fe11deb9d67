//! What is done to torrents: start, stop, check, remove, ask trackers, move within the queue.

use super::call::{Call, Which};
use super::torrent::Torrent;
use super::{Errand, Remote};
use crate::base::Time;
use crate::machine::{Note, Outbox};

/// Why a call is refused that nobody knows.
const UNKNOWN: &str = "method name not recognized";

impl Remote {
    pub(super) fn act(&mut self, call: &Call, now: Time, out: &mut Outbox) {
        let back = call.back;
        let ids = call.which().map_or(Vec::new(), |which| self.list.select(&which, now));
        match call.method.as_str() {
            "torrent-start" => ids.iter().for_each(|id| self.start(*id, false, now)),
            "torrent-start-now" => ids.iter().for_each(|id| self.start(*id, true, now)),
            "torrent-stop" => ids.iter().for_each(|id| self.halt(*id, now)),
            "torrent-verify" => ids.iter().for_each(|id| self.verify(*id, now)),
            "torrent-reannounce" => self.reannounce(&ids, out),
            "torrent-remove" => return self.torrent_remove(call, &ids, now, out),
            "torrent-rename-path" => return self.rename_path(call, now, out),
            "torrent-set-location" => return self.set_location(call, &ids, now, out),
            "queue-move-top" => self.move_in_queue(&ids, Place::Top),
            "queue-move-up" => self.move_in_queue(&ids, Place::Up),
            "queue-move-down" => self.move_in_queue(&ids, Place::Down),
            "queue-move-bottom" => self.move_in_queue(&ids, Place::Bottom),
            "port-test" => return back.tell(out, |object| object.plain("port-is-open", self.is_port_open)),
            "blocklist-update" => return self.update_blocklist(back, out),
            "group-get" => return back.tell(out, |object| object.key("group").push_str("[]")),
            "group-set" => {}
            "peerlink-group-get" => return self.group_get(call, out),
            "peerlink-group-say" => return self.group_say(call, out),
            _ => return back.fail(UNKNOWN, out),
        }
        self.is_stale = true;
        back.succeed(out);
    }

    fn start(&mut self, id: u32, is_forced: bool, now: Time) {
        let Some(torrent) = self.list.get_mut(id).filter(|torrent| torrent.plans.removal.is_none()) else { return };
        (torrent.is_started, torrent.is_forced, torrent.is_finished) = (true, is_forced, false);
        (torrent.trouble, torrent.is_dirty, torrent.changed) = (None, true, now);
        torrent.idle_since = now;
        // It would try again later; somebody says that it is worth a try now.
        torrent.plans.restart |= torrent.is_held_up;
    }

    fn halt(&mut self, id: u32, now: Time) {
        let Some(torrent) = self.list.get_mut(id).filter(|torrent| torrent.is_started) else { return };
        (torrent.is_started, torrent.is_forced) = (false, false);
        (torrent.is_dirty, torrent.changed) = (true, now);
    }

    /// All data is hashed, which a stopped torrent does when it is started.
    fn verify(&mut self, id: u32, now: Time) {
        let Some(torrent) = self.list.get_mut(id).filter(|torrent| torrent.has_metainfo()) else { return };
        torrent.plans.recheck = true;
        torrent.plans.restart = torrent.machine().is_some();
        (torrent.is_dirty, torrent.changed) = (true, now);
        torrent.checks_once = !torrent.is_started;
        torrent.is_started = true;
        torrent.is_forced |= torrent.checks_once;
    }

    fn reannounce(&mut self, ids: &[u32], out: &mut Outbox) {
        for machine in ids.iter().filter_map(|id| self.list.get(*id)).filter_map(|torrent| torrent.machine()) {
            out.tell(Note::Reannounce { torrent: machine });
        }
    }

    /// Its callers are told when it is certain: a record says so, and a crash does not bring the torrent back.
    fn torrent_remove(&mut self, call: &Call, ids: &[u32], now: Time, out: &mut Outbox) {
        // No torrents at all are none; all of them go only when nobody is named on purpose.
        if call.which().is_none() {
            return call.back.succeed(out);
        }
        let with_data = call.switch("delete-local-data").unwrap_or(false);
        let mut last = None;
        for id in ids {
            let Some(torrent) = self.list.get_mut(*id).filter(|torrent| torrent.plans.removal.is_none()) else {
                continue;
            };
            torrent.plans.removal = Some(with_data);
            torrent.changed = now;
            self.is_stale = true;
            if let Some(before) = last.replace(*id) {
                self.save(before, Errand::Save(Some(before)), out);
            }
        }
        match last {
            // Jobs are done in order: when the last one is saved, all are.
            Some(id) => self.save(id, Errand::Confirm(call.back), out),
            None => call.back.succeed(out),
        }
    }

    /// The data moves, or is elsewhere: then it is looked for there, and checked.
    fn set_location(&mut self, call: &Call, ids: &[u32], now: Time, out: &mut Outbox) {
        let Some(dir) = call.text("location").filter(|dir| super::session::is_folder(dir)) else {
            return call.back.fail("no location", out);
        };
        let moves = call.switch("move").unwrap_or(false);
        let dir = self.list.dir(std::path::Path::new(dir));
        for id in ids {
            let is_elsewhere = |torrent: &&mut Torrent| torrent.dir != dir && torrent.plans.removal.is_none();
            let Some(torrent) = self.list.get_mut(*id).filter(is_elsewhere) else { continue };
            if moves && torrent.has_metainfo() && torrent.aside.is_none() {
                torrent.plans.moving = Some(dir.clone());
            } else {
                torrent.dir = dir.clone();
                torrent.plans.restart = torrent.machine().is_some() && torrent.aside.is_none();
            }
            (torrent.is_dirty, torrent.changed) = (true, now);
            self.is_stale = true;
        }
        call.back.succeed(out);
    }

    pub(super) fn move_in_queue(&mut self, ids: &[u32], place: Place) {
        let queue = self.list.queue();
        let is_moved = |id: &u32| ids.contains(id);
        let (moved, others): (Vec<u32>, Vec<u32>) = queue.iter().copied().partition(is_moved);
        let mut queue = match place {
            Place::Top => [moved, others].concat(),
            Place::Bottom => [others, moved].concat(),
            Place::Up | Place::Down => queue,
            Place::At(position) => {
                let (before, after) = others.split_at(position.min(others.len()));
                [before, &moved, after].concat()
            }
        };
        // Each passes one that is not moved itself.
        if place == Place::Up {
            for at in 1..queue.len() {
                if is_moved(&queue[at]) && !is_moved(&queue[at - 1]) {
                    queue.swap(at, at - 1);
                }
            }
        }
        if place == Place::Down {
            for at in (1..queue.len()).rev() {
                if is_moved(&queue[at - 1]) && !is_moved(&queue[at]) {
                    queue.swap(at, at - 1);
                }
            }
        }
        self.list.set_queue(&queue);
        self.is_stale = true;
    }

    /// The torrents that a call is about, without those that go.
    pub(super) fn meant(&self, call: &Call, now: Time) -> Vec<u32> {
        let which = call.which().unwrap_or(Which::These(Vec::new()));
        let ids = self.list.select(&which, now);
        let stays = |id: &u32| self.list.get(*id).is_some_and(|torrent| torrent.plans.removal.is_none());
        ids.into_iter().filter(stays).collect()
    }
}

/// Where to in the queue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    Top,
    Up,
    Down,
    Bottom,
    /// From 0.
    At(usize),
}
