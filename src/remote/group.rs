//! The group that the daemon sits in, as its page shows it: who is there, what was said lately, and a way to say
//! something. Nothing of it is kept on disk: the server has the history.

use std::collections::VecDeque;

use super::Remote;
use super::call::Call;
use crate::base::Time;
use crate::machine::{ChatAsk, ChatNews, Leave, Manner, Message, Note, Outbox, Say};
use crate::wire::json::{Writer, quote, write_list};

/// Lines that are remembered, and bytes of each: 300 kB at most.
const LINES_MAX: usize = 300;
const LINE_LEN: usize = 1000;
/// Nicks that are shown, and bytes of each and of a topic.
const NICKS_MAX: usize = 1000;
const NICK_LEN: usize = 128;
/// Bytes of a text to be said; a long one leaves as several lines.
const SAY_LEN: usize = 2000;

/// How a line is meant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Text,
    /// What somebody does.
    Action,
    /// What happened in the group.
    Event,
}

#[derive(Debug)]
struct Line {
    number: u64,
    time_ms: u64,
    nick: String,
    text: String,
    kind: Kind,
    is_own: bool,
    msgid: Option<String>,
}

/// The group.
#[derive(Debug, Default)]
pub struct Group {
    /// With its `#`.
    name: String,
    /// Ours; empty while the server does not know us.
    nick: String,
    topic: String,
    /// Why we are not there.
    trouble: String,
    /// In order, without marks.
    nicks: Vec<String>,
    lines: VecDeque<Line>,
    /// Of the last line, and of the last text that was given to the member.
    last: u64,
    said: u64,
}

impl Group {
    pub fn new(name: String) -> Group {
        Group { name, ..Group::default() }
    }

    /// Takes note of what the member tells.
    pub fn hear(&mut self, news: &ChatNews, now_ms: u64) {
        let is_here = |group: &String| group.eq_ignore_ascii_case(&self.name);
        match news {
            ChatNews::Registered { nick, .. } => (self.nick, self.trouble) = (cut(nick, NICK_LEN), String::new()),
            ChatNews::Lost { why, .. } | ChatNews::Unwelcome { why } => self.lose(why),
            ChatNews::Shut { group, why } if is_here(group) => self.lose(why),
            ChatNews::Message(message) if !message.is_private && is_here(&message.group) => {
                self.hear_message(message, now_ms);
            }
            ChatNews::Refused { why, .. } => self.event("", &format!("not sent: {why}"), now_ms),
            ChatNews::Topic { group, text, by } if is_here(group) => {
                self.topic = cut(text, LINE_LEN);
                if let Some(nick) = by {
                    self.event(nick, "set the topic", now_ms);
                }
            }
            ChatNews::Roster { group, nicks } if is_here(group) => {
                let bare = |nick: &String| cut(nick.trim_start_matches(|c: char| "~&@%+".contains(c)), NICK_LEN);
                self.nicks = nicks.iter().take(NICKS_MAX).map(bare).collect();
                self.nicks.sort_unstable();
            }
            ChatNews::Joined { group, nick, is_own: false } if is_here(group) => {
                self.come(nick);
                self.event(nick, "is here", now_ms);
            }
            ChatNews::Left { group, nick, is_own: false, how, reason } if is_here(group) => {
                self.nicks.retain(|known| known != nick);
                let text = match how {
                    Leave::Part | Leave::Quit if reason.is_empty() => "left".to_string(),
                    Leave::Part | Leave::Quit => format!("left: {reason}"),
                    Leave::Kick(by) => format!("was sent away by {by}: {reason}"),
                };
                self.event(nick, &text, now_ms);
            }
            ChatNews::Left { group, is_own: true, reason, .. } if is_here(group) => self.lose(reason),
            ChatNews::Nick { old, new, is_own } => {
                if *is_own {
                    self.nick = cut(new, NICK_LEN);
                }
                if self.nicks.iter().any(|known| known == old) {
                    self.nicks.retain(|known| known != old);
                    self.come(new);
                    self.event(old, &format!("is now {new}"), now_ms);
                }
            }
            _ => {}
        }
    }

    fn lose(&mut self, why: &str) {
        self.trouble = cut(why, LINE_LEN);
        self.nick.clear();
        self.nicks.clear();
    }

    fn come(&mut self, nick: &str) {
        let nick = cut(nick, NICK_LEN);
        if let Err(at) = self.nicks.binary_search(&nick)
            && self.nicks.len() < NICKS_MAX
        {
            self.nicks.insert(at, nick);
        }
    }

    fn hear_message(&mut self, message: &Message, now_ms: u64) {
        // What was said while we were away may have been heard before.
        let is_known = |line: &Line| line.msgid.is_some() && line.msgid == message.msgid;
        if self.lines.iter().any(is_known) {
            return;
        }
        let kind = if message.is_action { Kind::Action } else { Kind::Text };
        let time_ms = message.time_ms.unwrap_or(now_ms);
        let msgid = message.msgid.as_deref().map(|msgid| cut(msgid, NICK_LEN));
        self.push(Line {
            number: 0,
            time_ms,
            nick: cut(&message.nick, NICK_LEN),
            text: cut(&message.text, LINE_LEN),
            kind,
            is_own: message.is_own,
            msgid,
        });
    }

    fn event(&mut self, nick: &str, text: &str, now_ms: u64) {
        let (nick, text) = (cut(nick, NICK_LEN), cut(text, LINE_LEN));
        self.push(Line { number: 0, time_ms: now_ms, nick, text, kind: Kind::Event, is_own: false, msgid: None });
    }

    fn push(&mut self, mut line: Line) {
        self.last += 1;
        line.number = self.last;
        if self.lines.len() >= LINES_MAX {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }

    /// Writes how it stands, with the lines after the one of this number.
    fn write(&self, after: u64, object: &mut Writer<'_>) {
        object.text("group", &self.name);
        object.text("nick", &self.nick);
        object.text("topic", &self.topic);
        object.text("trouble", &self.trouble);
        object.plain("last", self.last);
        write_list(&self.nicks, object.key("nicks"), |nick, to| quote(nick, to));
        let new = self.lines.iter().filter(|line| line.number > after);
        write_list(new, object.key("lines"), |line, to| {
            let mut object = Writer::begin(to);
            object.plain("number", line.number);
            object.plain("time", line.time_ms / 1000);
            object.text("nick", &line.nick);
            object.text("text", &line.text);
            object.text("kind", line.kind.word());
            object.plain("own", line.is_own);
            object.end();
        });
    }
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Kind::Text => "text",
            Kind::Action => "action",
            Kind::Event => "event",
        }
    }
}

impl Remote {
    /// `peerlink-group-get`: the group, with the lines after the number `after`.
    pub(super) fn group_get(&mut self, call: &Call, out: &mut Outbox) {
        let after = call.int("after").and_then(|after| u64::try_from(after).ok()).unwrap_or(0);
        call.back.tell(out, |object| self.group.write(after, object));
    }

    /// `peerlink-group-say`: says a `text` there.
    pub(super) fn group_say(&mut self, call: &Call, out: &mut Outbox) {
        let text = call.text("text").unwrap_or_default().trim();
        if self.group.name.is_empty() {
            return call.back.fail("the daemon sits in no group: start it with --server and --group", out);
        }
        if text.is_empty() || text.len() > SAY_LEN || text.chars().any(char::is_control) {
            return call.back.fail("text: one line of up to 2000 bytes", out);
        }
        let (text, manner) = match text.strip_prefix("/me ") {
            Some(action) => (action, Manner::Action),
            None => (text, Manner::Plain),
        };
        self.group.said += 1;
        let to = self.group.name.clone();
        let say = Say { number: self.group.said, to, text: text.to_string(), manner, tags: Vec::new() };
        out.tell(Note::Ask(Box::new(ChatAsk::Say(Box::new(say)))));
        call.back.succeed(out);
    }

    pub(super) fn hear_group(&mut self, news: &ChatNews, now: Time) {
        let now_ms = self.wall_s(now) * 1000;
        if !self.group.name.is_empty() {
            self.group.hear(news, now_ms);
        }
    }
}

/// The first bytes of a text, up to a whole character.
fn cut(text: &str, len: usize) -> String {
    let end = (0..=len.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    text[..end].to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(nick: &str, text: &str, msgid: Option<&str>) -> ChatNews {
        ChatNews::Message(Box::new(Message {
            group: "#Box".into(),
            nick: nick.into(),
            text: text.into(),
            msgid: msgid.map(str::to_string),
            ..Message::default()
        }))
    }

    fn shown(group: &Group, after: u64) -> String {
        let mut text = String::new();
        let mut object = Writer::begin(&mut text);
        group.write(after, &mut object);
        object.end();
        text
    }

    #[test]
    fn what_happens_in_the_group_is_told() {
        let mut group = Group::new("#box".into());
        let joined = |nick: &str| ChatNews::Joined { group: "#box".into(), nick: nick.into(), is_own: false };
        group.hear(&ChatNews::Registered { nick: "box-1".into(), server: "s".into() }, 1000);
        group.hear(&ChatNews::Roster { group: "#box".into(), nicks: vec!["@zoe".into(), "box-1".into()] }, 1000);
        group.hear(&joined("ann"), 2000);
        group.hear(&message("ann", "<b>hi</b>", Some("m1")), 3000);
        group.hear(&message("ann", "<b>hi</b>", Some("m1")), 4000);
        group.hear(&ChatNews::Nick { old: "ann".into(), new: "anna".into(), is_own: false }, 5000);
        let text = shown(&group, 1);
        assert!(text.contains(r#""nicks":["anna","box-1","zoe"]"#), "{text}");
        assert!(text.contains(r#""nick":"ann","text":"\u003cb\u003ehi\u003c/b\u003e","kind":"text""#), "{text}");
        assert!(text.matches("\"number\"").count() == 2 && text.contains("\"last\":3"), "{text}");
        group.hear(&ChatNews::Unwelcome { why: "no".into() }, 6000);
        assert!(shown(&group, 9).contains(r#""trouble":"no","last":3,"nicks":[],"lines":[]"#));
    }

    #[test]
    fn a_flood_of_lines_and_nicks_stays_small() {
        let mut group = Group::new("#box".into());
        let long = "é".repeat(5000);
        for n in 0..2000 {
            group.hear(&message(&format!("{n}{long}"), &long, None), 0);
            let nick = format!("{n}{long}");
            group.hear(&ChatNews::Joined { group: "#box".into(), nick, is_own: false }, 0);
        }
        assert_eq!((group.lines.len(), group.nicks.len()), (LINES_MAX, NICKS_MAX));
        assert!(group.lines.iter().all(|line| line.text.len() <= LINE_LEN && line.nick.len() <= NICK_LEN));
    }
}
