//! The groups we are in: joins, topics, who is there.

use std::collections::{BTreeMap, BTreeSet};

use super::Member;
use super::history::Gap;
use super::recent::Recent;
use crate::base::Time;
use crate::machine::{ChatNews, Leave, Outbox};
use crate::wire::irc::Line;

/// Groups of one member.
pub const GROUPS_MAX: usize = 200;
/// People remembered per group, and bytes of a nick: what is beyond is not in the lists.
const PEOPLE_MAX: usize = 10_000;
const NICK_LEN: usize = 64;
/// Bytes of a line that names groups to join, with keys.
const JOIN_LEN: usize = 400;

/// Whether we are in a group.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Presence {
    #[default]
    Out,
    Asked,
    In,
    /// The server does not let us in, for as long as this connection lasts.
    Shut,
}

#[derive(Debug, Default)]
pub struct Group {
    /// As it was asked for, or as the server writes it.
    pub name: String,
    pub key: Option<String>,
    pub presence: Presence,
    /// Folded nicks, and how they are written, with marks.
    people: BTreeMap<String, String>,
    /// A list of names that is not complete yet.
    listing: Option<BTreeMap<String, String>>,
    pub recent: Recent,
    pub gap: Gap,
}

/// Groups by their folded names.
#[derive(Debug, Default)]
pub struct Groups {
    pub all: BTreeMap<String, Group>,
}

impl Groups {
    /// The connection is gone: we are nowhere, and want to be back.
    pub fn lost(&mut self) {
        for group in self.all.values_mut() {
            group.presence = Presence::Out;
            group.people.clear();
            group.listing = None;
            group.gap = Gap::Closed;
        }
    }

    pub fn next_deadline(&self) -> Option<Time> {
        self.all.values().filter_map(|group| group.gap.next_deadline()).min()
    }

    pub fn check(&self) {
        assert!(self.all.len() <= GROUPS_MAX);
        for group in self.all.values() {
            assert!(group.people.len() <= PEOPLE_MAX);
            group.recent.check();
            group.gap.check();
        }
    }
}

impl Member {
    pub(super) fn fold(&self, name: &str) -> String {
        self.support.casemapping.fold(name)
    }

    pub(super) fn group_mut(&mut self, name: &str) -> Option<&mut Group> {
        let folded = self.fold(name);
        self.groups.all.get_mut(&folded)
    }

    /// Joins everything we want to be in. The server has said by now which names are the same.
    pub(super) fn join_all(&mut self, out: &mut Outbox) {
        let groups = std::mem::take(&mut self.groups.all);
        self.groups.all = groups.into_values().map(|group| (self.fold(&group.name), group)).collect();
        // Groups with keys first: keys belong to groups by their place.
        let mut wanted: Vec<(String, Option<String>)> =
            self.groups.all.values().map(|group| (group.name.clone(), group.key.clone())).collect();
        wanted.sort_by_key(|(_, key)| key.is_none());
        let mut at = 0;
        while at < wanted.len() {
            let (mut names, mut keys) = (String::new(), String::new());
            for (name, key) in &wanted[at..] {
                if !names.is_empty() && names.len() + keys.len() + name.len() > JOIN_LEN {
                    break;
                }
                add(&mut names, name);
                key.iter().for_each(|key| add(&mut keys, key));
                at += 1;
            }
            self.send(out, |line| {
                let line = line.command("JOIN").param(&names);
                if keys.is_empty() { line } else { line.param(&keys) }
            });
        }
        self.groups.all.values_mut().for_each(|group| group.presence = Presence::Asked);
    }

    /// The person wants to be in a group.
    pub(super) fn join(&mut self, name: String, key: Option<String>, out: &mut Outbox) {
        let folded = self.fold(&name);
        let is_new = !self.groups.all.contains_key(&folded);
        if is_new && self.groups.all.len() >= GROUPS_MAX {
            let why = format!("nobody needs more than {GROUPS_MAX} groups");
            return self.tell(ChatNews::Shut { group: name, why }, out);
        }
        let is_ready = self.is_ready();
        let group = self.groups.all.entry(folded).or_default();
        if is_new {
            group.name.clone_from(&name);
        }
        if key.is_some() {
            group.key.clone_from(&key);
        }
        if is_ready && !matches!(group.presence, Presence::In | Presence::Asked) {
            group.presence = Presence::Asked;
            self.send(out, |line| {
                let line = line.command("JOIN").param(&name);
                if let Some(key) = &key { line.param(key) } else { line }
            });
        }
    }

    /// The person wants to be out of a group.
    pub(super) fn part(&mut self, name: &str, reason: &str, out: &mut Outbox) {
        let folded = self.fold(name);
        let Some(group) = self.groups.all.remove(&folded) else { return };
        self.outgoing.refuse_group(name, |to| self.support.casemapping.fold(to) == folded, out);
        if group.presence == Presence::In {
            self.send(out, |line| line.command("PART").param(&group.name).last(reason));
        }
        let nick = self.nick.current().to_string();
        let (how, reason) = (Leave::Part, reason.to_string());
        self.tell(ChatNews::Left { group: group.name, nick, is_own: true, how, reason }, out);
        self.say_more(out);
    }

    pub(super) fn on_join(&mut self, line: &Line<'_>, nick: &str, now: Time, out: &mut Outbox) {
        let Some(name) = line.param(0).filter(|_| nick.len() <= NICK_LEN) else { return };
        let is_own = self.is_us(nick);
        let folded = self.fold(nick);
        let Some(group) = self.group_mut(name) else {
            if is_own {
                // Some servers put everybody somewhere: that is for the person to say.
                self.send(out, |line| line.command("PART").param(name));
            }
            return;
        };
        if is_own {
            group.presence = Presence::In;
            group.name = name.to_string();
        } else if group.people.len() < PEOPLE_MAX {
            group.people.insert(folded, nick.to_string());
        }
        let group = group.name.clone();
        self.tell(ChatNews::Joined { group: group.clone(), nick: nick.into(), is_own }, out);
        if is_own {
            self.fill_gap(&group, now, out);
        }
    }

    pub(super) fn on_part(&mut self, line: &Line<'_>, nick: &str, out: &mut Outbox) {
        let reason = line.param(1).unwrap_or_default();
        if let Some(name) = line.param(0) {
            self.leaves(name, nick, Leave::Part, reason, out);
        }
    }

    pub(super) fn on_kick(&mut self, line: &Line<'_>, by: &str, out: &mut Outbox) {
        if let (Some(name), Some(nick)) = (line.param(0), line.param(1)) {
            self.leaves(name, nick, Leave::Kick(by.into()), line.param(2).unwrap_or_default(), out);
        }
    }

    /// Somebody is in a group no more. Who was thrown out is not wanted there, and stays out.
    fn leaves(&mut self, name: &str, nick: &str, how: Leave, reason: &str, out: &mut Outbox) {
        let (is_own, group_key, nick_key) = (self.is_us(nick), self.fold(name), self.fold(nick));
        let Some(group) = self.groups.all.get_mut(&group_key) else { return };
        group.people.remove(&nick_key);
        let group = group.name.clone();
        if is_own {
            self.groups.all.remove(&group_key);
            self.outgoing.refuse_group(&group, |to| self.support.casemapping.fold(to) == group_key, out);
        }
        let (nick, reason) = (nick.to_string(), reason.to_string());
        self.tell(ChatNews::Left { group, nick, is_own, how, reason }, out);
        if is_own {
            self.say_more(out);
        }
    }

    /// Somebody leaves the server: told for each group where it was.
    pub(super) fn on_quit(&mut self, line: &Line<'_>, nick: &str, now: Time, out: &mut Outbox) {
        let (key, reason) = (self.fold(nick), line.param(0).unwrap_or_default().to_string());
        let mut groups = Vec::new();
        for group in self.groups.all.values_mut() {
            if group.people.remove(&key).is_some() {
                groups.push(group.name.clone());
            }
        }
        for group in groups {
            let (nick, reason, how) = (nick.to_string(), reason.clone(), Leave::Quit);
            self.tell(ChatNews::Left { group, nick, is_own: false, how, reason }, out);
        }
        self.nick_is_free(nick, now, out);
    }

    /// A nick changed in all lists.
    pub(super) fn rename(&mut self, old: &str, new: &str) {
        let (old_key, new_key) = (self.fold(old), self.fold(new));
        for group in self.groups.all.values_mut() {
            if let Some(shown) = group.people.remove(&old_key).filter(|_| new.len() <= NICK_LEN) {
                let marks_len = shown.len().saturating_sub(old.len());
                let marks = shown.get(..marks_len).unwrap_or_default();
                group.people.insert(new_key.clone(), format!("{marks}{new}"));
            }
        }
    }

    pub(super) fn on_topic(&mut self, name: &str, text: &str, by: Option<&str>, out: &mut Outbox) {
        if let Some(group) = self.group_mut(name).map(|group| group.name.clone()) {
            let (text, by) = (text.to_string(), by.map(str::to_string));
            self.tell(ChatNews::Topic { group, text, by }, out);
        }
    }

    /// 353: a part of the list of names, with marks.
    pub(super) fn on_names(&mut self, name: &str, list: &str) {
        let (marks, mapping) = (self.support.nick_marks.clone(), self.support.casemapping);
        let Some(group) = self.group_mut(name) else { return };
        let listing = group.listing.get_or_insert_default();
        for shown in list.split_ascii_whitespace() {
            let nick = shown.trim_start_matches(|c| marks.contains(c));
            if listing.len() < PEOPLE_MAX && (1..=NICK_LEN).contains(&nick.len()) {
                listing.insert(mapping.fold(nick), shown.to_string());
            }
        }
    }

    /// 366: the list is complete.
    pub(super) fn on_names_end(&mut self, name: &str, out: &mut Outbox) {
        let Some(group) = self.group_mut(name) else { return };
        group.people = group.listing.take().unwrap_or_default();
        let nicks = group.people.values().cloned().collect();
        let group = group.name.clone();
        self.tell(ChatNews::Roster { group, nicks }, out);
    }

    /// A numeric says that a group cannot be joined. False where none was to be joined.
    pub(super) fn join_refused(&mut self, name: &str, why: &str, out: &mut Outbox) -> bool {
        let folded = self.fold(name);
        let Some(group) = self.group_mut(name).filter(|group| group.presence == Presence::Asked) else {
            return false;
        };
        group.presence = Presence::Shut;
        let group = group.name.clone();
        self.outgoing.refuse_group(&group, |to| self.support.casemapping.fold(to) == folded, out);
        self.tell(ChatNews::Shut { group, why: why.to_string() }, out);
        true
    }

    /// Everybody's folded nick in any group of ours.
    pub fn everybody(&self) -> BTreeSet<&str> {
        self.groups.all.values().flat_map(|group| group.people.keys().map(String::as_str)).collect()
    }
}

/// Adds a word to a list divided by commas.
fn add(list: &mut String, word: &str) {
    if !list.is_empty() {
        list.push(',');
    }
    list.push_str(word);
}
