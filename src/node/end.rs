//! The end of a process: everybody says goodbye and saves, and the application is told once.

use super::Node;
use super::work::Work;
use crate::base::Time;
use crate::base::limits::STOP_TIMEOUT;
use crate::dht::Dht;
use crate::machine::{Input, Note, Outbox};

impl Node {
    /// Everything winds down.
    pub(super) fn stop(&mut self, now: Time, out: &mut Outbox) {
        self.stop_by.get_or_insert(now + STOP_TIMEOUT);
        for conn in self.lobby.clear() {
            self.turn_away(conn, out);
        }
        self.with_server(now, out, |server, out| server.stop(now, out));
        self.hand_all(|| Input::Stop, now, out);
        self.hand_dht(now, Input::Stop, out);
        self.hand_member(now, Input::Stop, out);
        self.hand_port_map(now, Input::Stop, out);
    }

    /// Tells once that everything is saved, or that time is up.
    pub(super) fn end_if_stopped(&mut self, now: Time, out: &mut Outbox) {
        let Some(by) = self.stop_by else {
            return;
        };
        self.bans.save(now, out);
        let is_served = self.server.as_ref().is_none_or(|server| server.is_stopped());
        let is_dht_over = self.dht.as_ref().is_none_or(Dht::is_stopped);
        let are_saved = is_served && is_dht_over && self.is_port_closed() && self.bans.is_quiet();
        let are_ended = self.torrents.values().all(Work::is_stopped);
        if are_ended || now >= by {
            self.save_control(now, out);
        }
        let is_over = now >= by || (are_saved && are_ended);
        if is_over && !std::mem::replace(&mut self.is_stopped, true) {
            self.tell_rows(now, out);
            out.tell(Note::Stopped);
        }
    }
}
