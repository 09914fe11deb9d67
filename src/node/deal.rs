//! What torrents share is dealt to them in turn, after every input.

use super::{Node, Owner};
use crate::base::{ConnId, Time, TorrentId};
use crate::machine::Outbox;

impl Node {
    /// Everything that somebody waits for and that is there.
    pub(super) fn deal(&mut self, now: Time, out: &mut Outbox) {
        if self.stop_by.is_none() {
            self.deal_dials(now, out);
        }
        // Ends: each turn takes something of what there is, or waits for something that there is none of.
        while let Some(id) = out.next_turn(now) {
            self.ask(id, now, out, |swarm, out| swarm.take_turn(now, out));
            out.end_turn();
        }
        self.next_turn_at = out.next_turn_at();
    }

    fn deal_dials(&mut self, now: Time, out: &mut Outbox) {
        if let Some(id) = self.places.wants_room(now) {
            self.make_room(id, false, now, out);
        }
        while let Some(id) = self.places.next_dialler(now) {
            let before = out.commands.len();
            if let Some(work) = self.torrents.get_mut(&id) {
                work.dial(now, |address| self.greetings.is_greeted(address), out);
            }
            self.take_note(id, before, now, out);
        }
    }

    /// All places are taken, and this torrent needs one: a connection of no use leaves, if there is one.
    fn make_room(&mut self, id: TorrentId, is_inbound: bool, now: Time, out: &mut Outbox) {
        self.places.made_room(now);
        let (giver, leavers) = self.places.who_makes_room(id, is_inbound);
        self.ask(giver, now, out, |swarm, out| swarm.give_way(&leavers, giver != id, now, out));
    }

    /// Somebody who dialled us wants to join this torrent. False when there is no place.
    pub(super) fn come_in(&mut self, conn: ConnId, id: TorrentId, now: Time, out: &mut Outbox) -> bool {
        if !self.places.has_room_in() && self.places.may_make_room(now) {
            self.make_room(id, true, now, out);
        }
        let has_room = self.places.has_room_in();
        if has_room {
            self.places.came(conn, id);
            self.owners.insert(conn, Owner::Swarm(id));
        }
        has_room
    }
}
