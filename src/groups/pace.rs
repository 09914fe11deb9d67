//! Fair use: how fast a member's lines are taken. Who says too much is not read for a while; nothing is thrown away.

use super::Groups;
use super::table::Key;
use super::turn::Turn;
use crate::base::{ConnId, Span, Time};
use crate::machine::{Command, Outbox};

/// Seconds' worth of lines that may come at once: a pasted page, or the questions of a program that starts.
const BURST_S: u64 = 5;
/// Replies to one member that may be on their way before its next lines are looked at.
const OWING_LEN: usize = 64 * 1024;
/// Bytes of all members that are no whole lines yet, or that nobody may say yet: many who send slowly must not fill a
/// small box.
const KEPT_MAX: usize = 8 * 1024 * 1024;

impl Groups {
    /// Takes bytes of a member, as many lines of them as it may say now.
    pub(super) fn read(&mut self, me: Key, bytes: &[u8], turn: &mut Turn<'_>) {
        let member = &mut self.members[me];
        let conn = member.conn;
        // Before it is known whose the nicks are, nobody is listened to.
        if member.is_throttled || member.is_owing || self.ids.is_loading() {
            self.kept_len += bytes.len();
            return member.stream.keep(bytes);
        }
        let mut stream = std::mem::take(&mut member.stream);
        self.kept_len -= stream.kept();
        stream.feed(bytes, |cut| {
            self.heard(me, cut, turn);
            self.goes_on(me, conn, turn)
        });
        if self.members.by_conn(conn) == Some(me) {
            let kept = stream.kept();
            self.kept_len += kept;
            self.members[me].stream = stream;
            if kept > 0 && self.kept_len > KEPT_MAX {
                return self.end(me, "Too much is unfinished on this server; try again soon", turn);
            }
            self.pace(me, turn);
        }
    }

    /// A line was taken: whether the next one may be, at once.
    fn goes_on(&mut self, me: Key, conn: ConnId, turn: &Turn<'_>) -> bool {
        if self.members.by_conn(conn) != Some(me) {
            return false;
        }
        let (line, burst) = self.rate();
        let member = &mut self.members[me];
        if !member.modes.is_oper {
            member.paced_at = member.paced_at.max(turn.now) + line;
        }
        member.paced_at <= turn.now + burst && turn.gathered() < OWING_LEN
    }

    /// The time one line takes, and how much of it may be run up. Nothing where there is no limit.
    fn rate(&self) -> (Span, Span) {
        match u64::from(self.options.flood_per_s) {
            0 => (Span::ZERO, Span::ZERO),
            // Even at one line per second a client can say who it is.
            per_s => (Span(1_000_000 / per_s), Span::secs(BURST_S).max(Span(12_000_000 / per_s))),
        }
    }

    /// Stops reading where enough was said for now, and sends the replies.
    fn pace(&mut self, me: Key, turn: &mut Turn<'_>) {
        let (_, burst) = self.rate();
        let member = &mut self.members[me];
        let waits_until = Time(member.paced_at.0.saturating_sub(burst.0));
        if waits_until > turn.now {
            member.is_throttled = true;
            self.throttled.insert((waits_until, me, member.conn));
        }
        if turn.gathered() >= OWING_LEN {
            member.is_owing = true;
            turn.send_told();
        } else {
            turn.send();
        }
        if member.is_throttled || member.is_owing {
            turn.out.push(Command::Read { conn: member.conn, on: false });
        }
    }

    /// What was queued for a member has left.
    pub(super) fn paid(&mut self, me: Key, now: Time, out: &mut Outbox) {
        self.members[me].is_owing = false;
        self.resume(me, now, out);
    }

    /// Those whose rate allows it are read again.
    pub(super) fn release(&mut self, now: Time, out: &mut Outbox) {
        while let Some(&(due, who, conn)) = self.throttled.first()
            && due <= now
        {
            self.throttled.pop_first();
            if self.members.by_conn(conn) == Some(who) {
                self.members[who].is_throttled = false;
                self.resume(who, now, out);
            }
        }
    }

    /// Those who spoke too early are listened to now.
    pub(super) fn read_kept(&mut self, now: Time, out: &mut Outbox) {
        let early: Vec<(Key, ConnId)> = self
            .members
            .iter()
            .filter(|(_, member)| member.stream.kept() > 0)
            .map(|(key, member)| (key, member.conn))
            .collect();
        for (key, conn) in early {
            self.with_turn(conn, now, out, |groups, turn| {
                if groups.members.by_conn(conn) == Some(key) {
                    groups.read(key, &[], turn);
                }
            });
        }
    }

    fn resume(&mut self, me: Key, now: Time, out: &mut Outbox) {
        let member = &self.members[me];
        if member.is_throttled || member.is_owing {
            return;
        }
        let conn = member.conn;
        out.push(Command::Read { conn, on: true });
        self.with_turn(conn, now, out, |groups, turn| groups.read(me, &[], turn));
    }
}
