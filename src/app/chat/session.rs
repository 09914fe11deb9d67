//! A chat under way: what the loop tells becomes lines or events, what a person types becomes questions to the loop.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::exit::Exit;
use super::super::json::Object;
use super::super::server::Server;
use super::super::settings::Settings;
use super::errands::{Done, Errands};
use super::looks::Looks;
use super::sealed::Sealed;
use super::shares::{self, Shares};
use super::transfers::{Told, Transfers};
use super::typing::Typing;
use super::{Finish, Mode};
use crate::base::text::harmless;
use crate::io::console::{Console, Prompt};
use crate::io::keyboard::Typed;
use crate::io::localtime::now_ms;
use crate::io::reactor::{Handle, Next};
use crate::io::terminal;
use crate::machine::{ChatAsk, GroupListed, Manner, Note, Say};

/// Questions kept for a server that is away.
const ASKS_MAX: usize = 100;
/// Nicks that can be ignored.
pub const IGNORED_MAX: usize = 1000;

/// A group we are in, or want to be in.
#[derive(Debug, Default)]
pub struct Room {
    /// Nicks by their small letters.
    pub people: BTreeMap<String, String>,
    pub topic: String,
    /// Who is there was told once.
    pub is_known: bool,
    /// What was said before we came was told: what comes now as history was missed.
    pub is_caught_up: bool,
}

/// See the module.
pub struct Session<'a> {
    pub settings: &'a Settings,
    pub console: &'a Console,
    pub mode: Mode,
    pub server: Server,
    pub errands: Errands,
    handle: Handle,
    /// Notes for which the loop had no room.
    waiting: VecDeque<Note>,
    pub looks: Looks,
    pub typing: Typing,
    /// What the server calls us, and what we want to be called.
    pub nick: String,
    pub wanted_nick: String,
    pub is_connected: bool,
    /// An outage was told.
    pub is_outage_told: bool,
    pub rooms: BTreeMap<String, Room>,
    /// The group that is talked to.
    pub group: Option<String>,
    /// What `/groups` listed last: a number joins one of them.
    pub listed: Vec<GroupListed>,
    pub ignored: BTreeSet<String>,
    pub sealed: Sealed,
    pub shares: Shares,
    pub transfers: Transfers,
    /// Texts that were said; the number of the last one.
    said_count: u64,
    /// What was not acknowledged.
    pub unsent: BTreeMap<u64, String>,
    /// The same for who reads what is to be said.
    pub waiting_count: Arc<AtomicUsize>,
    /// A script said something, and it says no more: the end comes when all of it is done.
    pub has_input: bool,
    is_input_over: bool,
    /// Questions to the server that were not answered.
    pub open_asks: usize,
    /// Those for which there was no connection.
    pub asks_later: Vec<ChatAsk>,
    pub end: Option<Finish>,
}

impl<'a> Session<'a> {
    pub fn new(
        settings: &'a Settings,
        console: &'a Console,
        mode: Mode,
        errands: Errands,
        nick: &str,
        sealed: Sealed,
        has_colour: bool,
    ) -> Session<'a> {
        Session {
            settings,
            console,
            mode,
            server: errands.server.clone(),
            handle: errands.handle.clone(),
            errands,
            waiting: VecDeque::new(),
            looks: Looks::new(has_colour),
            typing: Typing::default(),
            nick: nick.into(),
            wanted_nick: nick.into(),
            is_connected: false,
            is_outage_told: false,
            rooms: BTreeMap::new(),
            group: None,
            listed: Vec::new(),
            ignored: BTreeSet::new(),
            sealed,
            shares: Shares::default(),
            transfers: Transfers::default(),
            said_count: 0,
            unsent: BTreeMap::new(),
            waiting_count: Arc::default(),
            has_input: false,
            is_input_over: false,
            open_asks: 0,
            asks_later: Vec::new(),
            end: None,
        }
    }

    /// Takes a note of the loop, or of one of our own threads.
    pub fn note(&mut self, note: Note) -> Next {
        match note {
            Note::News(news) => self.news(*news),
            Note::Own(own) if own.is::<Typed>() => {
                if let Some(typed) = own.take::<Typed>() {
                    self.typed(typed);
                }
            }
            Note::Own(own) if own.is::<Done>() => {
                if let Some(done) = own.take::<Done>() {
                    self.done(done);
                }
            }
            Note::Own(own) if own.is::<Finish>() => self.end = self.end.take().or(own.take::<Finish>()),
            Note::Own(_) => self.console.redraw(),
            note @ Note::Row(_) => {
                self.transfers.note(note);
                self.show_progress();
            }
            Note::Complete { .. } | Note::Failed { .. } => {
                let told = self.transfers.note(note);
                told.into_iter().for_each(|told| self.told(&told));
                self.show_progress();
            }
            _ => {}
        }
        self.push();
        self.show_prompt();
        self.waiting_count.store(self.unsent.len(), Ordering::Relaxed);
        if self.is_input_over && self.has_input && self.is_idle() {
            self.end.get_or_insert(Ok(Exit::Done));
        }
        if self.end.is_some() { Next::Stop } else { Next::Go }
    }

    /// Nothing that was asked for is under way.
    fn is_idle(&self) -> bool {
        let is_working = self.errands.running.load(Ordering::Relaxed) > 0 || self.transfers.is_moving();
        let room = |group: &String| self.rooms.get(&Session::room_key(group));
        let is_there = self.group.as_ref().is_none_or(|group| room(group).is_some_and(|room| room.is_caught_up));
        let has_asked = self.open_asks > 0 || !self.asks_later.is_empty();
        is_there && self.unsent.is_empty() && !has_asked && !is_working
    }

    pub fn tell_loop(&mut self, note: Note) {
        self.waiting.push_back(note);
    }

    pub fn ask(&mut self, ask: ChatAsk) {
        if matches!(ask, ChatAsk::Who { .. } | ChatAsk::List | ChatAsk::Topic { .. }) {
            if !self.is_connected && self.asks_later.len() < ASKS_MAX {
                return self.asks_later.push(ask);
            }
            self.open_asks += 1;
        }
        self.tell_loop(Note::Ask(Box::new(ask)));
    }

    /// Hands over what there was no room for.
    pub fn push(&mut self) {
        while let Some(note) = self.waiting.pop_front() {
            if let Err(back) = self.handle.try_note(note) {
                return self.waiting.push_front(back);
            }
        }
    }

    /// Says something to a group or a person.
    pub fn say(&mut self, to: &str, text: &str, manner: Manner, tags: Vec<(String, String)>) {
        self.said_count += 1;
        let number = self.said_count;
        self.unsent.insert(number, text.to_string());
        let (to, text) = (to.to_string(), text.to_string());
        if !self.is_connected && self.mode == Mode::Typed {
            let line = self.looks.waiting(&text);
            self.console.talk(line);
        }
        self.send(Say { number, to, text, manner, tags });
    }

    /// Nothing more is typed.
    pub fn input_ends(&mut self) {
        match self.mode {
            Mode::Typed => _ = self.end.get_or_insert(Ok(Exit::Done)),
            _ => self.is_input_over = true,
        }
    }

    pub fn room_key(name: &str) -> String {
        name.to_ascii_lowercase()
    }

    /// Who is in the group that is talked to.
    pub fn people(&self) -> impl Iterator<Item = &str> {
        let room = self.group.as_ref().and_then(|group| self.rooms.get(&Session::room_key(group)));
        room.into_iter().flat_map(|room| room.people.values().map(String::as_str))
    }

    // ---- what people and scripts see --------------------------------------------------------------------------

    /// A line of the talk.
    pub fn show(&self, line: impl Into<String>) {
        if self.mode != Mode::Json && self.mode != Mode::Send {
            self.console.talk(line);
        }
    }

    /// A line about what happens.
    pub fn remark(&mut self, text: &str) {
        let lines = self.looks.remark(text, now_ms(), self.columns());
        lines.into_iter().for_each(|line| self.show(line));
    }

    /// Of the terminal, where there is one.
    pub fn columns(&self) -> Option<usize> {
        (self.mode == Mode::Typed).then(terminal::columns)
    }

    /// An answer to the person, or to the script that asked.
    pub fn answer(&self, text: &str) {
        match self.mode {
            Mode::Json => self.console.talk(Object::event("answer").text("text", text).line()),
            _ => self.show(self.looks.answer(text)),
        }
    }

    pub fn answers(&self, lines: Vec<String>) {
        lines.iter().for_each(|line| self.answer(line));
    }

    fn event(&self, line: String) {
        if self.mode == Mode::Json {
            self.console.talk(line);
        }
    }

    fn show_prompt(&mut self) {
        if self.mode != Mode::Typed || !self.console.has_prompt() {
            return;
        }
        let (text, cursor) = self.typing.shown();
        let wait = match self.unsent.len() {
            0 => String::new(),
            count => format!(" {count} unsent"),
        };
        let label = match (&self.group, self.is_connected) {
            (_, false) => format!("(offline{wait})> "),
            (Some(group), true) => {
                let sealed = if self.sealed.has(group) { " sealed" } else { "" };
                format!("{}{sealed}{wait}> ", harmless(group))
            }
            (None, true) => "(no group)> ".into(),
        };
        let prompt = Prompt { label, colour: self.looks.label(), text, cursor };
        if self.typing.is_new(&prompt) {
            self.console.prompt(Some(prompt));
        }
    }

    fn show_progress(&mut self) {
        if self.mode == Mode::Json {
            self.transfers.events().into_iter().for_each(|event| self.console.talk(event));
        } else {
            let live = self.transfers.live();
            if self.typing.is_new_live(&live) {
                self.console.live(live);
            }
        }
    }

    fn told(&mut self, told: &Told) {
        let object = Object::event(told.event).text("name", &told.name).text("text", &told.text);
        self.event(object.text("info_hash", &told.info_hash.to_string()).line());
        self.remark(&told.text);
    }

    // ---- errands -----------------------------------------------------------------------------------------------

    fn done(&mut self, done: Done) {
        match done {
            Done::Failed(text) => {
                self.event(Object::event("error").text("error", &text).line());
                self.remark(&text);
            }
            Done::Stopped => {}
            Done::Stretched { group, key } => self.stretched(&group, key),
            Done::Shared { group, metainfo, dir } => {
                let (text, tags) = shares::message_of(&metainfo, &self.server);
                let hash = metainfo.info_hash.to_string();
                let object = Object::event("shared").text("name", &metainfo.name).text("info_hash", &hash);
                self.event(object.switch("private", metainfo.private).line());
                self.add(metainfo, dir, true);
                self.say(&group, &text, Manner::Plain, tags);
            }
            Done::Fetched { metainfo } => {
                let dir = self.settings.path("dir").ok().flatten().unwrap_or_else(|| PathBuf::from("."));
                let name = harmless(&metainfo.name);
                let shown = harmless(&dir.to_string_lossy());
                self.add(metainfo, dir, false);
                self.remark(&format!("downloading {name} to {shown}"));
            }
        }
    }

    fn add(&mut self, metainfo: Arc<crate::metainfo::Metainfo>, dir: PathBuf, is_share: bool) {
        let add = self.transfers.add(metainfo, dir, is_share, &self.server, self.settings);
        if let Some(add) = add {
            self.tell_loop(Note::Add(Box::new(add)));
        }
    }
}
