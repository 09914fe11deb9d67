//! Hands inputs to torrents, and takes note of what came out and of what each waits for.

use std::net::SocketAddr;

use super::places::Wish;
use super::work::Work;
use super::{Node, Owner};
use crate::base::address::{Reach, reach};
use crate::base::{Time, TorrentId};
use crate::machine::{Command, Input, Job, Outbox};
use crate::wire::udp_tracker;

impl Node {
    /// Hands an input to one swarm.
    pub(super) fn hand(&mut self, id: TorrentId, now: Time, input: Input<'_>, out: &mut Outbox) {
        self.ask(id, now, out, |swarm, out| swarm.handle(now, input, out));
    }

    /// Hands an input to every swarm.
    pub(super) fn hand_all(&mut self, input: impl Fn() -> Input<'static>, now: Time, out: &mut Outbox) {
        let ids: Vec<TorrentId> = self.torrents.keys().copied().collect();
        for id in ids {
            self.hand(id, now, input(), out);
        }
    }

    /// Lets a swarm do something, and takes note of what came out.
    pub(super) fn ask(
        &mut self,
        id: TorrentId,
        now: Time,
        out: &mut Outbox,
        what: impl FnOnce(&mut Work, &mut Outbox),
    ) {
        let before = out.commands.len();
        if let Some(swarm) = self.torrents.get_mut(&id) {
            what(swarm, out);
            self.take_note(id, before, now, out);
        }
    }

    /// Takes note of what came out of a swarm, from this command on.
    pub(super) fn take_note(&mut self, id: TorrentId, from: usize, now: Time, out: &mut Outbox) {
        self.note_commands(id, from, now, out);
        self.refresh(id);
        self.carry_notes(from, now, out);
    }

    /// Remembers whose the new connections, jobs and questions are.
    pub(super) fn note_commands(&mut self, id: TorrentId, from: usize, now: Time, out: &Outbox) {
        for command in &out.commands[from..] {
            match command {
                Command::Connect { conn, to } => {
                    self.places.dials(*conn, id, is_far(*to), now);
                    self.greetings.begin(*conn, *to);
                    self.owners.insert(*conn, Owner::Swarm(id));
                }
                Command::ConnectWeb { conn, to, .. } => {
                    self.places.dials(*conn, id, is_far(*to), now);
                    self.owners.insert(*conn, Owner::Swarm(id));
                }
                Command::Close { conn } => {
                    self.places.gone(*conn);
                    self.greetings.end(*conn);
                    self.owners.remove(conn);
                }
                Command::Job(Job::Fetch { id: job, .. } | Job::Resolve { id: job, .. }) => {
                    self.jobs.insert(*job, id);
                }
                Command::SendDatagram { to, bytes } => {
                    if let Some(transaction) = udp_tracker::transaction_asked(bytes) {
                        self.questions.asked(*to, transaction, id, now);
                    }
                }
                _ => {}
            }
        }
    }

    /// What a swarm waits for, right after it was handled.
    pub(super) fn refresh(&mut self, id: TorrentId) {
        self.refresh_deadline(id);
        let dial = self.torrents.get(&id).and_then(Work::next_dial);
        let wish = dial.map(|(due, address)| Wish { due, is_far: is_far(address) });
        self.places.wish(id, wish);
    }

    fn refresh_deadline(&mut self, id: TorrentId) {
        let next = self.torrents.get(&id).and_then(Work::next_deadline);
        let before = match next {
            Some(due) => self.deadline_of.insert(id, due),
            None => self.deadline_of.remove(&id),
        };
        if before != next {
            if let Some(before) = before {
                self.deadlines.remove(&(before, id));
            }
            if let Some(next) = next {
                self.deadlines.insert((next, id));
            }
        }
    }
}

/// Whether the way to it leaves the local network.
fn is_far(address: SocketAddr) -> bool {
    reach(address.ip()) == Reach::Global
}
