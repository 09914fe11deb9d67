//! What a person or a script types: keys into the line editor, lines into what is to be done.

use std::sync::atomic::Ordering;

use super::super::exit::Exit;
use super::Mode;
use super::commands::{self, Command};
use super::paths;
use super::session::{IGNORED_MAX, Session};
use crate::io::console::Prompt;
use crate::io::editor::{Act, Editor};
use crate::io::keyboard::Typed;
use crate::io::keys::Keys;
use crate::io::signals;
use crate::machine::{ChatAsk, Manner};

/// The editor, and what was drawn of it last.
#[derive(Debug, Default)]
pub struct Typing {
    keys: Keys,
    editor: Editor,
    drawn: Option<Prompt>,
    live: Option<String>,
}

impl Typing {
    /// The line as it is shown, and the byte index of the cursor in it.
    pub fn shown(&self) -> (String, usize) {
        self.editor.shown()
    }

    /// Whether it looks different from what was drawn last.
    pub fn is_new(&mut self, prompt: &Prompt) -> bool {
        let is_new = self.drawn.as_ref() != Some(prompt);
        if is_new {
            self.drawn = Some(prompt.clone());
        }
        is_new
    }

    /// The same for the line above it.
    pub fn is_new_live(&mut self, live: &Option<String>) -> bool {
        let is_new = self.live != *live;
        self.live.clone_from(live);
        is_new
    }
}

impl Session<'_> {
    pub(super) fn typed(&mut self, typed: Typed) {
        match typed {
            Typed::Bytes(bytes) => {
                for key in self.typing.keys.feed(&bytes) {
                    let act = self.typing.editor.key(key);
                    self.act(act);
                }
            }
            Typed::Line(line) => {
                self.has_input = true;
                self.line(&line);
            }
            Typed::End => self.input_ends(),
        }
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::None | Act::Changed => {}
            Act::Enter(text) => self.entered(&text),
            Act::Complete => self.complete(),
            Act::Interrupt => _ = self.end.get_or_insert(Ok(Exit::Interrupted)),
            Act::Quit => _ = self.end.get_or_insert(Ok(Exit::Done)),
            Act::Suspend => signals::suspend(),
            Act::Clear => self.console.clear(),
        }
    }

    /// A line, or several that were pasted: those are never commands.
    fn entered(&mut self, text: &str) {
        if !text.contains('\n') {
            return self.line(text);
        }
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            self.talk(line);
        }
    }

    fn complete(&mut self) {
        let (line, cursor) = self.typing.editor.line();
        let before = line[..cursor].to_string();
        let (from, words) = match before.strip_prefix("/share ") {
            Some(path) => {
                let typed = path.strip_prefix("--public ").unwrap_or(path);
                (before.len() - typed.len(), paths::complete(typed))
            }
            None => commands::complete(&before, self.people().filter(|nick| *nick != self.nick)),
        };
        self.typing.editor.offer(from, words);
    }

    /// Words for the group, or its choice where there is none yet.
    fn talk(&mut self, text: &str) {
        match self.group.clone() {
            Some(group) => self.say(&group, text, Manner::Plain, Vec::new()),
            None => self.choose(text.trim()),
        }
    }

    /// A number of the list, or a name.
    fn choose(&mut self, text: &str) {
        let chosen = match text.parse::<usize>() {
            Ok(number) => {
                let listed = number.checked_sub(1).and_then(|at| self.listed.get(at));
                listed.map(|listed| listed.group.clone()).ok_or_else(|| format!("there is no number {number}"))
            }
            Err(_) => commands::group_name(text),
        };
        match chosen {
            Ok(group) => self.join(group, None),
            Err(why) => self.answer(&format!("{why}; /groups lists what there is")),
        }
    }

    pub(super) fn line(&mut self, line: &str) {
        match commands::parse(line) {
            Command::Nothing => {}
            Command::Say(text) => self.talk(&text),
            Command::Me(text) => {
                self.with_group(|session, group| session.say(group, &text, Manner::Action, Vec::new()))
            }
            Command::Msg { to, text } => self.say(&to, &text, Manner::Plain, Vec::new()),
            Command::Nick(nick) => self.want_nick(nick),
            Command::Topic(None) => {
                let text = self.topic_of().map_or("nobody said what this group is about".into(), str::to_string);
                self.answer(&text);
            }
            Command::Topic(Some(text)) => {
                self.with_group(|session, group| session.ask(ChatAsk::Topic { group: group.into(), text }));
            }
            Command::Who => self.with_group(|session, group| session.ask(ChatAsk::Who { mask: group.into() })),
            Command::Peers => self.peers(),
            Command::Groups => self.ask(ChatAsk::List),
            Command::Ignore(nick) => self.ignore(nick),
            Command::Join { group, key } => self.join(group, key),
            Command::Part(reason) => {
                self.with_group(|session, group| session.ask(ChatAsk::Part { group: group.into(), reason }));
            }
            Command::Share { path, is_public } => self.with_group(|session, group| {
                let path = paths::meant(&path);
                if session.errands.share(path.clone(), is_public, group.into()) {
                    session.answer(&format!("hashing {path} …"));
                } else {
                    session.answer("too much is being shared and fetched at once: wait a little");
                }
            }),
            Command::Shares => self.with_group(|session, group| {
                let lines = session.shares.lines(group);
                if lines.is_empty() { session.answer("nothing was shared here") } else { session.answers(lines) }
            }),
            Command::Get(number) => self.get(number),
            Command::Downloads => match self.transfers.lines() {
                lines if lines.is_empty() => self.answer("nothing is shared or downloaded from here"),
                lines => self.answers(lines),
            },
            Command::Help => self.answers(commands::help()),
            Command::Quit => _ = self.end.get_or_insert(Ok(Exit::Done)),
            Command::Wrong(why) => self.answer(&why),
        }
    }

    fn with_group(&mut self, act: impl FnOnce(&mut Self, &str)) {
        match self.group.clone() {
            Some(group) => act(self, &group),
            None => self.answer("you are in no group: /join GROUP, or /groups for a list"),
        }
    }

    fn peers(&mut self) {
        let group = self.group.clone().unwrap_or_default();
        let counted = self.people().map(|nick| (nick.to_string(), self.shares.count_of(&group, nick)));
        let mut lines: Vec<String> = counted
            .filter(|(_, count)| *count > 0)
            .map(|(nick, count)| format!("  {nick}: {count} shared"))
            .collect();
        lines.extend(self.transfers.peers());
        if lines.is_empty() {
            lines.push("nobody here shares anything yet".into());
        }
        self.answers(lines);
    }

    fn ignore(&mut self, nick: Option<String>) {
        let Some(nick) = nick else {
            let all: Vec<&str> = self.ignored.iter().map(String::as_str).collect();
            let text =
                if all.is_empty() { "nobody is ignored".into() } else { format!("ignored: {}", all.join(", ")) };
            return self.answer(&text);
        };
        let key = Session::room_key(&nick);
        let is_over = self.ignored.remove(&key);
        if !is_over {
            if self.ignored.len() >= IGNORED_MAX {
                return self.answer("too many are ignored already");
            }
            self.ignored.insert(key);
        }
        self.answer(&if is_over { format!("{nick} is heard again") } else { format!("{nick} is ignored") });
    }

    fn get(&mut self, number: usize) {
        let Some(share) = self.shares.find(number).cloned() else {
            return self.answer(&format!("there is no number {number} (/shares lists what there is)"));
        };
        if self.transfers.has(share.info_hash) {
            self.answer("that is here already (/downloads tells how it stands)");
        } else if !self.errands.fetch(share.info_hash) {
            self.answer("too much is being shared and fetched at once: wait a little");
        }
    }

    /// The end: errands under way need not go on.
    pub fn wind_down(&mut self) {
        self.errands.watch.stop.store(true, Ordering::Relaxed);
        if self.mode == Mode::Typed {
            self.console.live(None);
            self.console.prompt(None);
        }
    }
}
