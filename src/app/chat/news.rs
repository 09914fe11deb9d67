//! What the server tells: who comes and goes, what is said, what becomes of what we said.

use super::super::exit::{Exit, Failure};
use super::Mode;
use super::looks;
use super::session::Session;
use crate::base::text::harmless;
use crate::io::localtime::now_ms;
use crate::machine::{ChatAsk, ChatNews, GroupListed, Leave, Message, Present};

/// Who comes and goes is told in groups of up to so many people.
const SMALL_GROUP: usize = 60;
/// People remembered per group.
const PEOPLE_MAX: usize = 10_000;
/// Names shown on joining.
const NAMES_SHOWN: usize = 40;

impl Session<'_> {
    pub(super) fn news(&mut self, news: ChatNews) {
        let news = match news {
            ChatNews::Message(message) => ChatNews::Message(Box::new(self.unseal(*message))),
            other => other,
        };
        if let Some(event) = super::events::event(&news).filter(|_| self.mode == Mode::Json) {
            self.console.talk(event);
        }
        match news {
            ChatNews::Registered { nick, server } => self.registered(nick, &server),
            ChatNews::Lost { why, was_registered, .. } => self.lost(&why, was_registered),
            ChatNews::Unwelcome { why } => {
                self.fail(Exit::Other, &format!("{} refuses us: {why}", self.server.place()))
            }
            ChatNews::Message(message) => self.message(*message),
            ChatNews::Acknowledged { number, .. } => self.acknowledged(number),
            ChatNews::Refused { number, why } => self.refused(number, &why),
            ChatNews::Joined { group, nick, is_own } => self.joined(group, nick, is_own),
            ChatNews::Left { group, nick, is_own, how, reason } => self.left(&group, &nick, is_own, &how, &reason),
            ChatNews::Shut { group, why } => self.shut(&group, &why),
            ChatNews::Roster { group, nicks } => self.roster(&group, nicks),
            ChatNews::CaughtUp { is_cut, group } => self.caught_up(&group, is_cut),
            ChatNews::Topic { group, text, by } => self.topic(&group, text, by.as_deref()),
            ChatNews::Nick { old, new, is_own } => self.renamed(&old, new, is_own),
            ChatNews::NickTaken { nick, why } => self.answer(&format!("you cannot be called {nick}: {why}")),
            ChatNews::Who { people, .. } => self.who(&people),
            ChatNews::Groups(groups) => self.groups_listed(groups),
            ChatNews::Key { nick, key } => self.key_told(&nick, key.as_deref()),
            ChatNews::Server { text } => {
                // It may be the answer to a question.
                self.open_asks = self.open_asks.saturating_sub(1);
                self.remark(&format!("the server says: {text}"));
            }
        }
    }

    fn registered(&mut self, nick: String, server: &str) {
        self.is_connected = true;
        self.is_outage_told = false;
        self.nick.clone_from(&nick);
        self.remark(&format!("connected to {server} as {nick}"));
        if !nick.eq_ignore_ascii_case(&self.wanted_nick) {
            let wanted = self.wanted_nick.clone();
            self.remark(&format!("{wanted} is taken; you are {nick} until it is free"));
        }
        self.ask_keys();
        for ask in std::mem::take(&mut self.asks_later) {
            self.ask(ask);
        }
        if self.group.is_none() && self.rooms.is_empty() && self.mode == Mode::Typed {
            self.ask(ChatAsk::List);
        }
    }

    fn lost(&mut self, why: &str, was_registered: bool) {
        self.is_connected = false;
        self.open_asks = 0;
        let place = self.server.place();
        if self.mode == Mode::Send && !was_registered && self.settings.time("timeout").is_none() {
            let hint = "is `peerlink serve` running there? (--server HOST[:PORT])";
            return self.fail(Exit::Unreachable, &format!("no server answers at {place}: {why}; {hint}"));
        }
        if !std::mem::replace(&mut self.is_outage_told, true) {
            self.remark(&format!("{place} is away ({why}); trying again until it is back"));
        }
    }

    /// Ends where the purpose of this run cannot be reached; says why in any case.
    pub(super) fn fail(&mut self, exit: Exit, text: &str) {
        let text = harmless(text);
        if self.mode == Mode::Send {
            self.end.get_or_insert(Err(Failure::new(exit, text)));
        } else {
            self.remark(&text);
        }
    }

    fn caught_up(&mut self, group: &str, is_cut: bool) {
        let Some(room) = self.rooms.get_mut(&Session::room_key(group)) else { return };
        let was_away = std::mem::replace(&mut room.is_caught_up, true);
        if is_cut && was_away {
            self.remark(&format!("more was said in {group} meanwhile than the server still knows"));
        }
    }

    fn message(&mut self, mut message: Message) {
        if self.ignored.contains(&Session::room_key(&message.nick)) && !message.is_own {
            return;
        }
        let room = self.rooms.get(&Session::room_key(&message.group));
        message.is_history &= !room.is_some_and(|room| room.is_caught_up);
        let number = self.shares.hear(&message);
        let shown = match number {
            Some(number) if self.mode == Mode::Typed => self.short_share(&message, number),
            _ => message,
        };
        let nick = self.nick.clone();
        let group = self.group.clone();
        let columns = self.columns();
        let around = looks::Around { nick: &nick, group: group.as_deref(), now_ms: now_ms(), columns };
        let lines = self.looks.message(&shown, around);
        lines.into_iter().for_each(|line| self.show(line));
    }

    /// A share as a person reads it: the link is for other programs.
    fn short_share(&self, message: &Message, number: usize) -> Message {
        let text = message.text.split(": magnet:").next().unwrap_or_default();
        let hint = if message.is_own { String::new() } else { format!("  (/get {number} downloads it)") };
        Message { text: format!("{text}{hint}"), ..message.clone() }
    }

    fn acknowledged(&mut self, number: u64) {
        self.unsent.remove(&number);
        if self.mode == Mode::Send {
            self.end.get_or_insert(Ok(Exit::Done));
        }
    }

    pub(super) fn refused(&mut self, number: u64, why: &str) {
        let Some(text) = self.unsent.remove(&number) else { return };
        let short: String = text.chars().take(60).collect();
        self.fail(Exit::Other, &format!("not said: {short}: {why}"));
    }

    fn joined(&mut self, group: String, nick: String, is_own: bool) {
        let is_current = self.is_current(&group);
        let room = self.rooms.entry(Session::room_key(&group)).or_default();
        if is_own {
            let is_first = !room.is_known;
            if self.group.is_none() {
                self.group = Some(group.clone());
            }
            if is_first {
                self.remark(&format!("you are in {group}"));
            }
            return;
        }
        if room.people.len() < PEOPLE_MAX {
            room.people.insert(Session::room_key(&nick), nick.clone());
        }
        if is_current && room.people.len() <= SMALL_GROUP {
            self.remark(&format!("→ {nick} is here"));
        }
    }

    fn left(&mut self, group: &str, nick: &str, is_own: bool, how: &Leave, reason: &str) {
        let is_current = self.is_current(group);
        let key = Session::room_key(group);
        if is_own {
            self.rooms.remove(&key);
            if is_current {
                self.group = None;
            }
            let text = match how {
                Leave::Kick(by) => format!("{by} threw you out of {group} {reason}"),
                _ => format!("you left {group}"),
            };
            return self.remark(text.trim_end());
        }
        let Some(room) = self.rooms.get_mut(&key) else { return };
        let count = room.people.len();
        room.people.remove(&Session::room_key(nick));
        if is_current && count <= SMALL_GROUP {
            self.remark(&looks::leaving(nick, how, reason));
        }
    }

    fn is_current(&self, group: &str) -> bool {
        self.group.as_ref().is_some_and(|current| current.eq_ignore_ascii_case(group))
    }

    fn shut(&mut self, group: &str, why: &str) {
        if self.is_current(group) {
            self.group = None;
        }
        self.rooms.remove(&Session::room_key(group));
        self.fail(Exit::Other, &format!("{group} cannot be joined: {why}"));
    }

    fn roster(&mut self, group: &str, nicks: Vec<String>) {
        let room = self.rooms.entry(Session::room_key(group)).or_default();
        let plain = |nick: &String| nick.trim_start_matches(['~', '&', '@', '%', '+']).to_string();
        room.people = nicks.iter().map(plain).map(|nick| (Session::room_key(&nick), nick)).collect();
        if !std::mem::replace(&mut room.is_known, true) {
            let more = if nicks.len() > NAMES_SHOWN { ", …" } else { "" };
            let first = nicks.iter().take(NAMES_SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
            self.remark(&format!("here: {first}{more} ({})", nicks.len()));
        }
    }

    fn topic(&mut self, group: &str, text: String, by: Option<&str>) {
        if by.is_some_and(|by| by.eq_ignore_ascii_case(&self.nick)) {
            self.open_asks = self.open_asks.saturating_sub(1);
        }
        let Some(room) = self.rooms.get_mut(&Session::room_key(group)) else { return };
        let is_new = room.topic != text;
        room.topic.clone_from(&text);
        match by {
            Some(by) => self.remark(&format!("{by} says {group} is about: {text}")),
            None if is_new && !text.is_empty() => self.remark(&format!("{group} is about: {text}")),
            None => {}
        }
    }

    /// What the group that is talked to is about.
    pub(super) fn topic_of(&self) -> Option<&str> {
        let room = self.rooms.get(&Session::room_key(self.group.as_ref()?))?;
        Some(room.topic.as_str()).filter(|topic| !topic.is_empty())
    }

    fn renamed(&mut self, old: &str, new: String, is_own: bool) {
        let mut is_here = is_own;
        let current = self.group.as_deref().map(Session::room_key);
        for (key, room) in &mut self.rooms {
            if room.people.remove(&Session::room_key(old)).is_some() {
                room.people.insert(Session::room_key(&new), new.clone());
                is_here |= Some(key) == current.as_ref();
            }
        }
        if is_own {
            self.nick.clone_from(&new);
        }
        if is_here {
            let text =
                if is_own { format!("you are called {new} now") } else { format!("{old} is called {new} now") };
            self.remark(&text);
        }
    }

    pub(super) fn want_nick(&mut self, nick: String) {
        self.wanted_nick.clone_from(&nick);
        self.ask(ChatAsk::Nick(nick));
    }

    fn who(&mut self, people: &[Present]) {
        self.open_asks = self.open_asks.saturating_sub(1);
        if self.mode == Mode::Json {
            return;
        }
        for present in people {
            let away = if present.is_away { ", away" } else { "" };
            let operator = if present.is_operator { ", operator" } else { "" };
            let name = match present.real_name.as_str() {
                "" => String::new(),
                name if name == present.nick => String::new(),
                name => format!(" ({name})"),
            };
            self.answer(&format!("  {}{name} from {}{away}{operator}", present.nick, present.host));
        }
        self.answer(&format!("{} here", people.len()));
    }

    fn groups_listed(&mut self, groups: Vec<GroupListed>) {
        self.open_asks = self.open_asks.saturating_sub(1);
        if self.mode == Mode::Json {
            return;
        }
        let asks = self.group.is_none() && self.mode == Mode::Typed;
        if groups.is_empty() {
            self.answer("there are no groups here yet");
        }
        for (at, listed) in groups.iter().enumerate() {
            let people = if listed.count == 1 { "1 person".into() } else { format!("{} people", listed.count) };
            let topic = if listed.topic.is_empty() { String::new() } else { format!(": {}", listed.topic) };
            self.answer(&format!("{:>4}  {} ({people}){topic}", at + 1, listed.group));
        }
        self.listed = groups;
        if asks {
            self.answer("which group? (its number, or any name: what is not there yet is made)");
        }
    }
}
