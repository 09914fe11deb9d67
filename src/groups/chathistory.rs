//! CHATHISTORY (IRCv3 draft/chathistory): what was said in a group before.

use super::Groups;
use super::caps::Caps;
use super::ids::MsgId;
use super::isupport::HISTORY_MAX;
use super::ring::Ring;
use super::table::{GroupKey, Key};
use super::turn::Turn;
use crate::wire::irc::{Line, Writer, read_time, write_time};

/// A point among the messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Point {
    Id(MsgId),
    Time(u64),
}

impl Point {
    /// Reads `msgid=…` or `timestamp=…`.
    ///
    /// # Errors
    /// The code of what is wrong.
    fn read(text: &str) -> Result<Point, &'static str> {
        match text.split_once('=') {
            // One that is none of ours stands for no message.
            Some(("msgid", id)) => MsgId::read(id).map(Point::Id).ok_or("INVALID_PARAMS"),
            Some(("timestamp", time)) => read_time(time).map(Point::Time).ok_or("INVALID_PARAMS"),
            _ => Err("INVALID_MSGREFTYPE"),
        }
    }

    /// How many messages lie before it, without the one it may be.
    fn before(self, ring: &Ring) -> usize {
        match self {
            Point::Id(id) => ring.before(id),
            Point::Time(ms) => ring.until(ms, false),
        }
    }

    /// The same with it.
    fn up_to(self, ring: &Ring) -> usize {
        match self {
            Point::Id(id) => ring.after(id),
            Point::Time(ms) => ring.until(ms, true),
        }
    }
}

/// Which messages are asked for, as places in the ring.
fn places(sub: &str, ring: &Ring, points: &[Point], limit: usize) -> (usize, usize) {
    let all = ring.count();
    match (sub, points) {
        ("BEFORE", [point, ..]) => {
            let end = point.before(ring);
            (end.saturating_sub(limit), end)
        }
        ("AFTER", [point, ..]) => {
            let from = point.up_to(ring);
            (from, all.min(from + limit))
        }
        ("AROUND", [point, ..]) => {
            let from = point.before(ring).saturating_sub(limit / 2);
            (from, all.min(from + limit))
        }
        ("BETWEEN", [first, second]) => {
            let (from, end) = (first.up_to(ring), second.before(ring));
            if from <= end && first.before(ring) <= second.before(ring) {
                return (from, end.min(from + limit));
            }
            // The other way round: those nearest to the first point, which is the later one.
            let (from, end) = (second.up_to(ring), first.before(ring));
            (from.max(end.saturating_sub(limit)), end)
        }
        ("LATEST", [point]) => (point.up_to(ring).max(all.saturating_sub(limit)), all),
        _ => (all.saturating_sub(limit), all),
    }
}

impl Groups {
    /// CHATHISTORY.
    pub(super) fn chathistory(&mut self, me: Key, line: &Line<'_>, turn: &mut Turn<'_>) {
        let sub = line.param(0).unwrap_or_default().to_ascii_uppercase();
        let points_count = match sub.as_str() {
            "BEFORE" | "AFTER" | "AROUND" | "LATEST" => 1,
            "BETWEEN" => 2,
            "TARGETS" => return self.history_targets(me, line, turn),
            _ => {
                let shown = line.param(0).unwrap_or("*");
                return self.fail(me, "CHATHISTORY", "UNKNOWN_COMMAND", &[shown], "Unknown command", turn);
            }
        };
        let bad = |groups: &Groups, code: &str, text: &str, turn: &mut Turn<'_>| {
            groups.fail(me, "CHATHISTORY", code, &[&sub], text, turn);
        };
        let params = line.params();
        if params.len() < points_count + 3 {
            return bad(self, "NEED_MORE_PARAMS", "Missing parameters", turn);
        }
        let target = params[1];
        let mut points = Vec::new();
        for text in &params[2..2 + points_count] {
            if *text == "*" && sub == "LATEST" {
                continue;
            }
            match Point::read(text) {
                Ok(point) => points.push(point),
                Err(code) => return bad(self, code, "It is no msgid and no timestamp", turn),
            }
        }
        let Some(limit) = params[2 + points_count].parse::<usize>().ok().filter(|limit| *limit > 0) else {
            return bad(self, "INVALID_PARAMS", "It is no number of messages", turn);
        };
        // Private messages are not kept; and nobody is told of groups it does not sit in.
        let Some(group) = self.rooms.find(target).filter(|group| self.rooms[*group].has(me)) else {
            let text = "Messages could not be retrieved";
            return self.fail(me, "CHATHISTORY", "INVALID_TARGET", &[&sub, target], text, turn);
        };
        let (from, to) = places(&sub, &self.rooms[group].ring, &points, limit.min(HISTORY_MAX));
        self.say_history(me, group, from, to, turn);
    }

    fn say_history(&self, me: Key, group: GroupKey, from: usize, to: usize, turn: &mut Turn<'_>) {
        let (caps, group) = (self.members[me].caps, &self.rooms[group]);
        let batch = self.open_batch(me, &["chathistory", &group.name], turn);
        let first = batch.as_ref().map(|batch| format!("batch={batch}")).unwrap_or_default();
        for said in group.ring.range(from, to) {
            said.event.write(caps, &first, turn.replies());
        }
        self.close_batch(batch, turn);
    }

    /// Opens a batch where the member takes them.
    fn open_batch(&self, me: Key, params: &[&str], turn: &mut Turn<'_>) -> Option<String> {
        if !self.members[me].caps.has(Caps::BATCH) {
            return None;
        }
        let batch = turn.new_batch();
        let line = turn.server("BATCH").param(&format!("+{batch}"));
        params.iter().fold(line, |line, param| line.param(param)).end();
        Some(batch)
    }

    fn close_batch(&self, batch: Option<String>, turn: &mut Turn<'_>) {
        if let Some(batch) = batch {
            turn.server("BATCH").param(&format!("-{batch}")).end();
        }
    }

    /// CHATHISTORY TARGETS: the member's groups in which something was said between two moments, the oldest first.
    fn history_targets(&mut self, me: Key, line: &Line<'_>, turn: &mut Turn<'_>) {
        let bad = |groups: &Groups, code: &str, text: &str, turn: &mut Turn<'_>| {
            groups.fail(me, "CHATHISTORY", code, &["TARGETS"], text, turn);
        };
        let [_, one, other, limit] = line.params() else {
            return bad(self, "NEED_MORE_PARAMS", "Missing parameters", turn);
        };
        let (Ok(Point::Time(one)), Ok(Point::Time(other))) = (Point::read(one), Point::read(other)) else {
            return bad(self, "INVALID_PARAMS", "It is no timestamp", turn);
        };
        let Some(limit) = limit.parse::<usize>().ok().filter(|limit| *limit > 0) else {
            return bad(self, "INVALID_PARAMS", "It is no number of targets", turn);
        };
        let (from, to) = (one.min(other), one.max(other));
        let groups = self.members[me].groups.iter().map(|key| &self.rooms[*key]);
        let last = groups.filter_map(|group| group.ring.last().map(|said| (said.at_ms, &*group.name)));
        let mut last: Vec<(u64, &str)> = last.filter(|(at, _)| (from + 1..to).contains(at)).collect();
        last.sort_unstable();
        if one > other {
            // Those nearest to the first moment.
            last.drain(..last.len().saturating_sub(limit));
        }
        last.truncate(limit.min(HISTORY_MAX));
        let batch = self.open_batch(me, &["draft/chathistory-targets"], turn);
        for (at, name) in last {
            let mut time = Vec::new();
            write_time(at, &mut time);
            let mut line = Writer::new(turn.replies());
            if let Some(batch) = &batch {
                line = line.tag("batch", batch);
            }
            let line = line.source(&self.name).command("CHATHISTORY").param("TARGETS").param(name);
            line.param(&String::from_utf8_lossy(&time)).end();
        }
        self.close_batch(batch, turn);
    }
}
