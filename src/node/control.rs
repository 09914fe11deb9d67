//! Between the remote control and the torrents: what it wants done about them, and what it hears of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Node;
use super::work::Work;
use crate::base::{Bitfield, Span, Time, TorrentId};
use crate::machine::{Command, Input, Note, Outbox, PeerRow, Row, TrackerRow};
use crate::remote::{Machines, Remote};

/// Between two looks at a torrent that takes long to end.
const LEAVE_LOOK: Span = Span::millis(250);

impl Node {
    /// Lets the remote control answer, and carries what it told since `from` to the torrents.
    pub(super) fn serve_remote(&mut self, from: usize, now: Time, out: &mut Outbox) {
        self.carry_orders(from, now, out);
        while self.remote().is_some_and(|remote| remote.has_work(now)) {
            let before = out.commands.len();
            self.hand_control(now, out, |remote, machines, out| remote.work(machines, now, out));
            self.carry_orders(before, now, out);
            if self.remote().is_some_and(Remote::is_tired) {
                break; // It asks for another turn at once; the loop gives others theirs first.
            }
        }
    }

    fn remote(&self) -> Option<&Remote> {
        self.server.as_ref()?.sites.remote.as_deref()
    }

    /// Lets the remote control look at the torrents, and brings its answers on their way.
    fn hand_control(
        &mut self,
        now: Time,
        out: &mut Outbox,
        act: impl FnOnce(&mut Remote, &mut dyn Machines, &mut Outbox),
    ) {
        let Some(mut server) = self.server.take() else { return };
        let before = out.commands.len();
        server.sites.hand_remote(out, |remote, out| act(remote, &mut View(&mut self.torrents), out));
        server.front.answers(before, now, &mut server.sites, out);
        for command in &out.commands[before..] {
            if let Command::Close { conn } = command {
                self.owners.remove(conn);
            }
        }
        self.server = Some(server);
    }

    /// What the remote control wants done is done.
    fn carry_orders(&mut self, from: usize, now: Time, out: &mut Outbox) {
        if !out.commands[from..].iter().any(is_order) {
            return;
        }
        let said = out.commands.split_off(from);
        let (orders, others): (Vec<Command>, Vec<Command>) = said.into_iter().partition(is_order);
        out.commands.extend(others);
        for order in orders {
            if let Command::Tell(note) = order {
                self.note(note, now, out);
            }
        }
    }

    /// The remote control hears what the torrents told since `from`.
    pub(super) fn tell_control(&mut self, from: usize, now: Time, out: &mut Outbox) {
        if self.remote().is_none() {
            return;
        }
        let mut at = from;
        while at < out.commands.len() {
            if !matches!(&out.commands[at], Command::Tell(note) if is_news(note)) {
                at += 1;
                continue;
            }
            if let Command::Tell(note) = out.commands.remove(at) {
                self.tell_remote(&note, now, out);
            }
        }
    }

    /// The application says something to the remote control.
    pub(super) fn tell_remote(&mut self, note: &Note, now: Time, out: &mut Outbox) {
        let before = out.commands.len();
        self.hand_control(now, out, |remote, _, out| remote.note(note, now, out));
        self.serve_remote(before, now, out);
    }

    /// Every torrent has ended: the remote control saves how they stand.
    pub(super) fn save_control(&mut self, now: Time, out: &mut Outbox) {
        self.hand_control(now, out, |remote, machines, out| remote.save_last(machines, now, out));
    }

    /// A torrent is to end.
    pub(super) fn leave(&mut self, id: TorrentId, now: Time, out: &mut Outbox) {
        if self.torrents.contains_key(&id) && !self.leaving.contains_key(&id) {
            self.leaving.insert(id, now + LEAVE_LOOK);
            self.hand(id, now, Input::Stop, out);
        } else if !self.leaving.contains_key(&id) {
            // It never began.
            out.tell(Note::Gone { row: Box::new(Row::nothing(id, crate::machine::Activity::Stopped)) });
        }
    }

    /// Those that have ended are forgotten.
    pub(super) fn see_leavers_off(&mut self, now: Time, out: &mut Outbox) {
        if self.leaving.is_empty() {
            return;
        }
        let is_over = |id: &&TorrentId| self.torrents.get(id).is_none_or(Work::is_stopped);
        let over: Vec<TorrentId> = self.leaving.keys().filter(is_over).copied().collect();
        for due in self.leaving.values_mut().filter(|due| **due <= now) {
            *due = now + LEAVE_LOOK;
        }
        for id in over {
            self.leaving.remove(&id);
            let Some(mut work) = self.torrents.remove(&id) else { continue };
            let mut row = work.row(now);
            row.have = work.have().cloned().map(Arc::new);
            self.by_hash.remove(id);
            self.refresh(id);
            self.jobs.retain(|_, of| *of != id);
            out.tell(Note::Gone { row: Box::new(row) });
        }
    }
}

/// Whether the remote control says this to the hallway.
fn is_order(command: &Command) -> bool {
    let Command::Tell(note) = command else { return false };
    let is_about_one = matches!(note, Note::Add(_) | Note::Seek(_) | Note::Sleep(_) | Note::Rest { .. });
    let is_change = matches!(
        note,
        Note::Limit { .. }
            | Note::Prioritize { .. }
            | Note::UseBlocklist { .. }
            | Note::AllowPeers { .. }
            | Note::Encryption(_)
    );
    is_about_one || is_change || matches!(note, Note::Ask(_) | Note::Remove { .. } | Note::Reannounce { .. })
}

/// Whether the remote control listens to this.
fn is_news(note: &Note) -> bool {
    let is_of_rest = matches!(note, Note::Asleep { .. } | Note::Wanted { .. });
    is_of_rest
        || matches!(note, Note::Row(_) | Note::News(_))
        || matches!(note, Note::Metadata { .. } | Note::Complete { .. } | Note::Failed { .. } | Note::Gone { .. })
}

/// The torrents, to be looked at.
struct View<'a>(&'a mut BTreeMap<TorrentId, Work>);

impl Machines for View<'_> {
    fn row(&mut self, torrent: TorrentId, now: Time) -> Option<Row> {
        self.0.get_mut(&torrent).map(|work| work.row(now))
    }

    fn peers(&mut self, torrent: TorrentId, now: Time) -> Vec<PeerRow> {
        self.0.get_mut(&torrent).map_or(Vec::new(), |work| work.peer_rows(now))
    }

    fn trackers(&self, torrent: TorrentId) -> Vec<TrackerRow> {
        self.0.get(&torrent).map_or(Vec::new(), Work::tracker_rows)
    }

    fn have(&self, torrent: TorrentId) -> Option<Bitfield> {
        self.0.get(&torrent).and_then(Work::have).cloned()
    }
}
