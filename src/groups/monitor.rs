//! MONITOR: members are told when nicks they watch come and go.

use std::collections::{BTreeMap, BTreeSet};

use super::Groups;
use super::isupport::WATCHES_MAX;
use super::numerics::*;
use super::table::Key;
use super::turn::Turn;
use crate::base::ConnId;
use crate::wire::irc::{Line, Writer, fold, is_nick};

/// Who watches whom; nicks in the form in which the same ones are equal.
#[derive(Default, Debug)]
pub struct Watches {
    by_nick: BTreeMap<String, BTreeSet<ConnId>>,
    by_member: BTreeMap<ConnId, BTreeSet<String>>,
}

impl Watches {
    /// False where the member watches as many as it may.
    fn add(&mut self, who: ConnId, nick: &str) -> bool {
        let watched = self.by_member.entry(who).or_default();
        if watched.len() >= WATCHES_MAX && !watched.contains(nick) {
            return false;
        }
        watched.insert(nick.to_string());
        self.by_nick.entry(nick.to_string()).or_default().insert(who);
        true
    }

    fn remove(&mut self, who: ConnId, nick: &str) {
        if let Some(watched) = self.by_member.get_mut(&who) {
            watched.remove(nick);
            if watched.is_empty() {
                self.by_member.remove(&who);
            }
        }
        if let Some(watchers) = self.by_nick.get_mut(nick) {
            watchers.remove(&who);
            if watchers.is_empty() {
                self.by_nick.remove(nick);
            }
        }
    }

    /// A member watches nobody any more.
    pub fn clear(&mut self, who: ConnId) {
        for nick in self.by_member.get(&who).cloned().unwrap_or_default() {
            self.remove(who, &nick);
        }
    }

    fn watchers(&self, nick: &str) -> Vec<ConnId> {
        self.by_nick.get(&fold(nick)).map(|watchers| watchers.iter().copied().collect()).unwrap_or_default()
    }

    fn of(&self, who: ConnId) -> Vec<String> {
        self.by_member.get(&who).map(|watched| watched.iter().cloned().collect()).unwrap_or_default()
    }

    pub fn check(&self) {
        let pairs: usize = self.by_nick.values().map(BTreeSet::len).sum();
        assert_eq!(pairs, self.by_member.values().map(BTreeSet::len).sum::<usize>(), "who watches is watched for");
        assert!(self.by_member.values().all(|watched| (1..=WATCHES_MAX).contains(&watched.len())), "bounded watches");
    }
}

impl Groups {
    /// MONITOR.
    pub(super) fn monitor(&mut self, me: Key, line: &Line<'_>, turn: &mut Turn<'_>) {
        let conn = self.members[me].conn;
        let names = line.param(1).unwrap_or_default();
        match line.param(0) {
            Some("+") => self.watch(me, names, turn),
            Some("-") => names.split(',').for_each(|nick| self.watches.remove(conn, &fold(nick))),
            Some("C" | "c") => self.watches.clear(conn),
            Some("L" | "l") => {
                let watched = self.watches.of(conn);
                self.say_watched(me, RPL_MONLIST, &watched, turn);
                turn.numeric(RPL_ENDOFMONLIST, self.members[me].nick()).last("End of MONITOR list").end();
            }
            Some("S" | "s") => {
                let watched = self.watches.of(conn);
                self.say_status(me, &watched, turn);
            }
            _ => self.needs_more(me, "MONITOR", turn),
        }
    }

    fn watch(&mut self, me: Key, names: &str, turn: &mut Turn<'_>) {
        let conn = self.members[me].conn;
        let mut added = Vec::new();
        let mut left_out: Vec<&str> = Vec::new();
        for nick in names.split(',').filter(|nick| is_nick(nick)) {
            match self.watches.add(conn, &fold(nick)) {
                true => added.push(nick.to_string()),
                false => left_out.push(nick),
            }
        }
        self.say_status(me, &added, turn);
        if !left_out.is_empty() {
            let line = turn.numeric(ERR_MONLISTFULL, self.members[me].nick()).param(&WATCHES_MAX.to_string());
            line.param(&left_out.join(",")).last("Monitor list is full").end();
        }
    }

    /// Which of these are here and which are not.
    fn say_status(&self, me: Key, nicks: &[String], turn: &mut Turn<'_>) {
        let here = nicks.iter().filter_map(|nick| self.members.by_nick(nick));
        let here: Vec<String> = here.map(|key| self.members[key].mask().to_string()).collect();
        let gone: Vec<String> = nicks.iter().filter(|nick| self.members.by_nick(nick).is_none()).cloned().collect();
        self.say_watched(me, RPL_MONONLINE, &here, turn);
        self.say_watched(me, RPL_MONOFFLINE, &gone, turn);
    }

    fn say_watched(&self, me: Key, code: u16, names: &[String], turn: &mut Turn<'_>) {
        /// Bytes of names on a line.
        const NAMES_LEN: usize = 400;
        let mut text = String::new();
        let nick = self.members[me].nick();
        for name in names {
            if text.len() + name.len() > NAMES_LEN {
                turn.numeric(code, nick).last(&text).end();
                text.clear();
            }
            if !text.is_empty() {
                text.push(',');
            }
            text.push_str(name);
        }
        if !text.is_empty() {
            turn.numeric(code, nick).last(&text).end();
        }
    }

    /// Tells the watchers of a nick that its holder came or went: `shown` is its mask, or the nick alone.
    pub(super) fn tell_watchers(&self, nick: &str, is_here: bool, shown: &str, turn: &mut Turn<'_>) {
        let code = if is_here { "730" } else { "731" };
        for conn in self.watches.watchers(nick) {
            let Some(watcher) = self.members.by_conn(conn) else { continue };
            let mut bytes = Vec::new();
            let line = Writer::new(&mut bytes).source(&self.name).command(code);
            line.param(self.members[watcher].nick()).last(shown).end();
            match turn.is_of(conn) {
                true => turn.lines(&bytes),
                false => turn.out.send(conn, bytes),
            }
        }
    }
}
