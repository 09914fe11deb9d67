//! How a connection ends: others are told why, and so is it.

use super::Groups;
use super::caps::Caps;
use super::event::Event;
use super::table::{GroupKey, Key};
use super::turn::Turn;
use crate::base::{ConnId, Span, Time};
use crate::machine::{Command, Outbox};
use crate::wire::irc::Writer;

/// For the last words to be read by the other side, before the connection is closed.
pub const LEAVE_TIMEOUT: Span = Span::secs(2);
/// The same where much is queued before them.
const STALLED_TIMEOUT: Span = Span::secs(10);

impl Groups {
    /// Ends a member, whose connection is still there, with a reason that all hear.
    pub(super) fn end(&mut self, who: Key, reason: &str, turn: &mut Turn<'_>) {
        let conn = self.members[who].conn;
        let bytes = self.last_words(who, reason, turn);
        turn.out.push(Command::SendTold { conn, bytes });
        turn.out.push(Command::Read { conn, on: true });
        self.leaving.insert(conn, turn.now + LEAVE_TIMEOUT);
        self.vanish(who, reason, turn);
    }

    /// Ends the member who spoke and wants to go: it need not be waited for.
    pub(super) fn let_go(&mut self, me: Key, reason: &str, turn: &mut Turn<'_>) {
        let conn = self.members[me].conn;
        let bytes = self.last_words(me, reason, turn);
        turn.out.send(conn, bytes);
        turn.out.close(conn);
        self.vanish(me, reason, turn);
    }

    /// The line that says why a connection ends, behind all replies.
    fn last_words(&self, who: Key, reason: &str, turn: &mut Turn<'_>) -> Vec<u8> {
        let member = &self.members[who];
        if turn.is_of(member.conn) {
            turn.finish();
            turn.send();
        }
        let mut bytes = Vec::new();
        let text = format!("Closing link: ({}) [{reason}]", member.remote);
        Writer::new(&mut bytes).command("ERROR").last(&text).end();
        bytes
    }

    /// A member does not read what it is sent.
    pub(super) fn stalled(&mut self, who: Key, queued: usize, turn: &mut Turn<'_>) {
        let conn = self.members[who].conn;
        self.end(who, &format!("{} KiB were sent and not read", queued / 1024), turn);
        self.leaving.insert(conn, turn.now + STALLED_TIMEOUT);
    }

    /// A member is gone: others are told, and nothing of it stays.
    pub(super) fn vanish(&mut self, who: Key, reason: &str, turn: &mut Turn<'_>) {
        if self.members[who].steps.is_in {
            let event = Event::plain(turn.wall_ms, |line| {
                line.source(self.members[who].mask()).command("QUIT").last(reason).end();
            });
            self.tell_neighbours(who, &event, Caps::default(), turn);
            self.count_out(who);
            self.went(who, turn);
        }
        let groups: Vec<GroupKey> = self.members[who].groups.clone();
        for group in groups {
            self.unseat(who, group, turn);
        }
        self.watches.clear(self.members[who].conn);
        self.kept_len -= self.members[who].stream.kept();
        self.members.remove(who);
    }

    /// A connection is closed whose time is up.
    pub(super) fn close_late(&mut self, now: Time, out: &mut Outbox) {
        let late: Vec<ConnId> = self.leaving.iter().filter(|(_, due)| **due <= now).map(|(conn, _)| *conn).collect();
        for conn in late {
            self.leaving.remove(&conn);
            out.close(conn);
        }
    }
}
