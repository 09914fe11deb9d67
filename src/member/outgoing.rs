//! What is to be said: kept, in order, until the server has acknowledged it; said again after a reconnect.
//!
//! Each line carries a random id (`+peerlink/id`), so that the server tells a line said again from a new one. It is
//! acknowledged by its echo, live or in the history; by servers that send no echo, by the answer to a `PING` behind it.

use std::collections::{BTreeSet, VecDeque};

use super::Member;
use crate::machine::{ChatNews, Manner, Message, Note, Outbox, Say};
use crate::wire::base64url;
use crate::wire::irc::{LINE_LEN, Line};

/// Lines that wait; who writes more while the server is away is told so.
const LINES_MAX: usize = 2000;
/// Lines on their way that are not acknowledged: the server's flood control slows us down, and resends stay short.
const IN_FLIGHT_MAX: usize = 32;
/// Bytes of a text: nobody types more, and a bot's lines are split.
const TEXT_LEN: usize = 64 * 1024;
/// Bytes of client-only tags, escapes included: what servers take, less the id and the label.
const TAGS_LEN: usize = 4094 - 100;
/// What the server puts before our line when it passes it on: `:nick!user@host `, at most so long at servers we know.
const SOURCE_LEN: usize = 1 + 32 + 1 + 20 + 1 + 64 + 1;
/// The tag that names a line of ours.
pub const ID_TAG: &str = "+peerlink/id";
/// What a `PING` behind a line begins with.
const PING_MARK: &str = "said-";

/// A line that was not acknowledged.
#[derive(Debug)]
struct Unsent {
    number: u64,
    /// Counts lines up, over all texts.
    line: u64,
    id: String,
    to: String,
    text: String,
    manner: Manner,
    tags: Vec<(String, String)>,
    /// It was sent over the present connection.
    is_sent: bool,
}

#[derive(Debug, Default)]
pub struct Outgoing {
    lines: VecDeque<Unsent>,
    line_count: u64,
}

impl Outgoing {
    /// The connection is gone: everything is to be said again.
    pub fn lost(&mut self) {
        self.lines.iter_mut().for_each(|line| line.is_sent = false);
    }

    /// The server has lines that it has not acknowledged.
    pub fn is_owed(&self) -> bool {
        self.lines.front().is_some_and(|line| line.is_sent)
    }

    /// Whether lines of this text wait.
    pub fn has(&self, number: u64) -> bool {
        self.lines.iter().any(|line| line.number == number)
    }

    /// Takes a text in, as lines of at most `room` bytes. False when too many wait.
    fn push(&mut self, say: Say, room: usize, rng: &mut fastrand::Rng) -> bool {
        let parts: Vec<&str> = split(&say.text, room);
        if self.lines.len() + parts.len() > LINES_MAX {
            return false;
        }
        for (at, text) in parts.iter().enumerate() {
            let mut id = [0; 16];
            rng.fill(&mut id);
            self.line_count += 1;
            self.lines.push_back(Unsent {
                number: say.number,
                line: self.line_count,
                id: base64url::encode(&id),
                to: say.to.clone(),
                text: text.to_string(),
                manner: say.manner,
                // They belong to the text as a whole, and are told once.
                tags: if at == 0 { say.tags.clone() } else { Vec::new() },
                is_sent: false,
            });
        }
        true
    }

    /// A message was told by the server: takes the line away that it is, and gives the number of its text.
    pub fn arrived(&mut self, message: &Message) -> Option<u64> {
        let at = match message.tag(ID_TAG) {
            Some(id) => self.lines.iter().position(|line| line.id == id)?,
            // Servers without tags: the oldest one that says the same.
            None if message.is_own && !message.is_history => self.lines.iter().position(|line| {
                line.is_sent && line.text == message.text && line.to.eq_ignore_ascii_case(&message.group)
            })?,
            None => return None,
        };
        self.lines.remove(at).map(|line| line.number)
    }

    /// Forgets what was to be said to a group, and says so.
    pub fn refuse_group(&mut self, group: &str, is_it: impl Fn(&str) -> bool, out: &mut Outbox) {
        let refused: BTreeSet<u64> =
            self.lines.iter().filter(|line| is_it(&line.to)).map(|line| line.number).collect();
        self.lines.retain(|line| !refused.contains(&line.number));
        for number in refused {
            let why = format!("we are not in {group}");
            out.tell(Note::News(Box::new(ChatNews::Refused { number, why })));
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.lines.clear();
    }

    pub fn check(&self) {
        assert!(self.lines.len() <= LINES_MAX);
        let count = self.lines.iter().filter(|line| line.is_sent).count();
        assert!(count <= IN_FLIGHT_MAX, "{count} lines are in flight");
    }
}

/// Bytes of text that fit into a line to this target.
fn room(to: &str, manner: Manner) -> usize {
    let verb = if manner == Manner::Notice { "NOTICE" } else { "PRIVMSG" };
    let frame = if manner == Manner::Action { ACTION.0.len() + ACTION.1.len() } else { 0 };
    // Blanks, the colon, the end of the line.
    let head = SOURCE_LEN + verb.len() + 1 + to.len() + 2 + 2;
    LINE_LEN.saturating_sub(head + frame).max(64)
}

/// What stands around an action (CTCP).
pub const ACTION: (&str, &str) = ("\u{1}ACTION ", "\u{1}");

/// Parts of at most `room` bytes, cut at blanks where there are any; at least one.
fn split(text: &str, room: usize) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut left = text;
    while left.len() > room {
        let fits = (0..=room).rev().find(|at| left.is_char_boundary(*at)).unwrap_or(0);
        let blank = left[..fits].rfind(' ').filter(|at| *at > room / 2);
        let (part, rest) = left.split_at(blank.unwrap_or(fits));
        parts.push(part);
        left = if blank.is_some() { &rest[1..] } else { rest };
    }
    if !left.is_empty() || parts.is_empty() {
        parts.push(left);
    }
    parts
}

impl Member {
    /// Takes a text in, and says it as soon as that is possible.
    pub(super) fn say(&mut self, mut say: Say, out: &mut Outbox) {
        let tags_len: usize = say.tags.iter().map(|(name, value)| name.len() + 2 * value.len() + 2).sum();
        let number = say.number;
        let refusal = if say.text.is_empty() || say.to.is_empty() {
            Some("there is nothing to say, or nobody to say it to")
        } else if say.text.len() > TEXT_LEN || tags_len > TAGS_LEN {
            Some("it is too long")
        } else {
            say.text = say.text.replace(['\r', '\n', '\0'], " ");
            let room = room(&say.to, say.manner);
            (!self.outgoing.push(say, room, &mut out.rng)).then_some("too much waits to be said already")
        };
        match refusal {
            Some(why) => self.tell(ChatNews::Refused { number, why: why.into() }, out),
            None => self.say_more(out),
        }
    }

    /// Says what may be said now, in order for each group.
    pub(super) fn say_more(&mut self, out: &mut Outbox) {
        if !self.is_ready() {
            return;
        }
        let mut in_flight = self.outgoing.lines.iter().filter(|line| line.is_sent).count();
        let mut waiting: BTreeSet<String> = BTreeSet::new();
        let has_tags = self.caps.has("message-tags");
        let has_labels = self.caps.has("labeled-response");
        let mut last = None;
        for at in 0..self.outgoing.lines.len() {
            if in_flight >= IN_FLIGHT_MAX {
                break;
            }
            let line = &self.outgoing.lines[at];
            let to = self.fold(&line.to);
            if line.is_sent || waiting.contains(&to) {
                continue;
            }
            if !self.may_say_to(&line.to) {
                waiting.insert(to);
                continue;
            }
            let (verb, text) = match line.manner {
                Manner::Plain => ("PRIVMSG", line.text.clone()),
                Manner::Notice => ("NOTICE", line.text.clone()),
                Manner::Action => ("PRIVMSG", format!("{}{}{}", ACTION.0, line.text, ACTION.1)),
            };
            self.send(out, |mut writer| {
                if has_tags {
                    if has_labels {
                        writer = writer.tag("label", &line.line.to_string());
                    }
                    writer = writer.tag(ID_TAG, &line.id);
                    for (name, value) in &line.tags {
                        writer = writer.tag(name, value);
                    }
                }
                writer.command(verb).param(&line.to).last(&text)
            });
            last = Some(line.line);
            self.outgoing.lines[at].is_sent = true;
            in_flight += 1;
        }
        if let Some(line) = last.filter(|_| !self.caps.has("echo-message")) {
            self.send(out, |writer| writer.command("PING").param(&format!("{PING_MARK}{line}")));
        }
    }

    /// The answer to a `PING`: where no echo comes, everything before it has arrived.
    pub(super) fn on_pong(&mut self, line: &Line<'_>, out: &mut Outbox) {
        let mark = line.last().and_then(|text| text.strip_prefix(PING_MARK));
        let Some(upto) = mark.and_then(|number| number.parse::<u64>().ok()) else { return };
        while let Some(at) = self.outgoing.lines.iter().position(|line| line.is_sent && line.line <= upto) {
            let Some(line) = self.outgoing.lines.remove(at) else { break };
            let is_private = !self.support.is_group(&line.to);
            let message = Message {
                group: line.to,
                is_private,
                nick: self.nick.current().to_string(),
                text: line.text,
                is_action: line.manner == Manner::Action,
                is_notice: line.manner == Manner::Notice,
                is_own: true,
                tags: line.tags,
                ..Message::default()
            };
            self.tell(ChatNews::Message(Box::new(message)), out);
            if !self.outgoing.has(line.number) {
                self.tell(ChatNews::Acknowledged { number: line.number, msgid: None }, out);
            }
        }
        self.say_more(out);
    }

    /// The server refuses a line: the one with this label, else the oldest one on its way to this target. False where
    /// there is none.
    pub(super) fn line_refused(&mut self, line: &Line<'_>, target: &str, out: &mut Outbox) -> bool {
        let label = line.tags.find("label").and_then(|label| label.parse::<u64>().ok());
        let target = self.fold(target);
        let mapping = self.support.casemapping;
        let is_it = |unsent: &Unsent| match label {
            Some(label) => unsent.line == label,
            None => unsent.is_sent && mapping.fold(&unsent.to) == target,
        };
        let Some(number) = self.outgoing.lines.iter().find(|unsent| is_it(unsent)).map(|unsent| unsent.number) else {
            return false;
        };
        self.outgoing.lines.retain(|unsent| unsent.number != number);
        let why = line.last().unwrap_or_default().to_string();
        self.tell(ChatNews::Refused { number, why }, out);
        self.say_more(out);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_at_blanks() {
        assert_eq!(split("", 10), [""]);
        assert_eq!(split("one two", 10), ["one two"]);
        assert_eq!(split("one two three four", 10), ["one two", "three four"]);
        assert_eq!(split("onetwothreefour", 10), ["onetwothre", "efour"]);
        assert_eq!(split("日本語日本語", 10), ["日本語", "日本語"]);
        assert_eq!(split("a bbbbbbbbbbbbb", 10), ["a bbbbbbbb", "bbbbb"]);
        let long = "word ".repeat(1000);
        let parts = split(&long, room("#group", Manner::Plain));
        assert!(parts.iter().all(|part| part.len() <= 512 - SOURCE_LEN && !part.starts_with(' ')));
        assert_eq!(parts.join(" "), long.trim_end_matches(' ').to_string() + " ");
    }
}
