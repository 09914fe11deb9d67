//! Those who say nothing: half-open logins are ended, members are asked whether they are still there.

use super::Groups;
use super::table::Key;
use crate::base::{ConnId, Span, Time};
use crate::machine::Outbox;
use crate::wire::irc::Writer;

/// From the connection to the welcome.
const LOGIN_TIMEOUT: Span = Span::secs(20);
/// A member that said nothing for so long is asked.
const PING_AFTER: Span = Span::secs(120);
/// It has this long to answer.
const PONG_TIMEOUT: Span = Span::secs(60);
/// Between two looks at everybody: cheap, and nobody is hurt by a few seconds.
const SWEEP: Span = Span::secs(5);

impl Groups {
    /// The next look at everybody, while somebody is here.
    pub(super) fn next_sweep(&self) -> Option<Time> {
        let is_empty = self.members.len() == 0 && self.leaving.is_empty();
        (!is_empty).then_some(self.swept_at + SWEEP)
    }

    /// Looks at everybody, where it is time to.
    pub(super) fn sweep(&mut self, now: Time, out: &mut Outbox) {
        if self.next_sweep().is_none_or(|due| due > now) {
            return;
        }
        self.swept_at = now;
        let mut late: Vec<(Key, ConnId, &str)> = Vec::new();
        let mut asked: Vec<Key> = Vec::new();
        for (key, member) in self.members.iter() {
            let quiet = now.since(member.heard_at);
            if !member.steps.is_in {
                if now.since(member.spoke_at) >= LOGIN_TIMEOUT {
                    late.push((key, member.conn, "Registration took too long"));
                }
            } else if member.is_pinged && quiet >= Span(PING_AFTER.0 + PONG_TIMEOUT.0) {
                late.push((key, member.conn, "Ping timeout: 180 seconds"));
            } else if !member.is_pinged && quiet >= PING_AFTER {
                asked.push(key);
            }
        }
        for key in asked {
            let mut line = Vec::new();
            Writer::new(&mut line).command("PING").last(&self.name).end();
            self.members[key].is_pinged = true;
            out.send(self.members[key].conn, line);
        }
        for (key, conn, why) in late {
            self.with_turn(conn, now, out, |groups, turn| groups.end(key, why, turn));
        }
    }

    /// When the first of those who are leaving has to be gone.
    pub(super) fn next_leave(&self) -> Option<Time> {
        self.leaving.values().min().copied()
    }
}
