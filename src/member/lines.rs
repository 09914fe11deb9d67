//! What the server says, line by line: who takes what.

use super::Member;
use super::outgoing::ACTION;
use crate::base::Time;
use crate::machine::{ChatNews, Message, Outbox};
use crate::wire::irc::{Line, Source, read_time};

/// Client-only tags kept of a message, and bytes of them.
const TAGS_MAX: usize = 16;
const TAGS_LEN: usize = 8192;

impl Member {
    pub(super) fn line(&mut self, line: &Line<'_>, now: Time, out: &mut Outbox) {
        if let Some(batch) = line.tags.find("batch").filter(|batch| self.batches.has(batch)) {
            return self.in_batch(&batch, line);
        }
        let nick = line.source.map_or("", |source| Source::of(source).nick);
        let command = line.command.to_ascii_uppercase();
        match command.as_str() {
            "PING" => self.send(out, |pong| pong.command("PONG").last(line.last().unwrap_or_default())),
            "PONG" => self.on_pong(line, out),
            "PRIVMSG" | "NOTICE" => self.on_message(line, out),
            "JOIN" => self.on_join(line, nick, now, out),
            "PART" => self.on_part(line, nick, out),
            "QUIT" => self.on_quit(line, nick, now, out),
            "KICK" => self.on_kick(line, nick, out),
            "NICK" => self.on_nick(line, nick, now, out),
            "TOPIC" => {
                self.on_topic(line.param(0).unwrap_or_default(), line.last().unwrap_or_default(), Some(nick), out)
            }
            "CAP" => self.on_cap(line, out),
            "BATCH" => self.on_batch(line, now, out),
            "FAIL" => self.on_fail(line, now, out),
            "ERROR" => self.link.farewell = line.last().map(str::to_string),
            "PEERLINK" => self.on_peerlink(line, now, out),
            number if number.len() == 3 => self.numeric(number, line, now, out),
            _ => {}
        }
    }

    fn on_message(&mut self, line: &Line<'_>, out: &mut Outbox) {
        if !self.is_ready() {
            // What servers say to nobody in particular while we register.
            return;
        }
        let Some(message) = self.message(line) else { return };
        let is_own = message.is_own;
        self.said_now(message, out);
        if is_own {
            self.say_more(out);
        }
    }

    /// A message to a group of ours or to us; None for everything else.
    pub(super) fn message(&self, line: &Line<'_>) -> Option<Message> {
        let source = Source::of(line.source?);
        let (target, text) = (line.param(0)?, line.param(1).unwrap_or_default());
        // A message to the operators of a group has their mark before the name.
        let group = target.trim_start_matches(|c| self.support.nick_marks.contains(c));
        let is_own = self.is_us(source.nick);
        let is_private = !self.support.is_group(group);
        if is_private && source.host.is_none() && !is_own {
            // The server itself.
            return None;
        }
        let group = match is_private {
            true if is_own => target,
            true => source.nick,
            false => group,
        };
        let action = text.strip_prefix(ACTION.0).map(|text| text.strip_suffix(ACTION.1).unwrap_or(text));
        if action.is_none() && text.starts_with('\u{1}') {
            // Questions of programs to programs.
            return None;
        }
        let mut tags = Vec::new();
        let mut tags_len = 0;
        for (name, value) in line.tags.iter().filter(|(name, _)| name.starts_with('+')) {
            tags_len += name.len() + value.len();
            if tags.len() < TAGS_MAX && tags_len <= TAGS_LEN {
                tags.push((name.to_string(), crate::wire::irc::unescape(value).into_owned()));
            }
        }
        Some(Message {
            group: group.to_string(),
            is_private,
            nick: source.nick.to_string(),
            text: action.unwrap_or(text).to_string(),
            is_action: action.is_some(),
            is_notice: line.is("NOTICE"),
            is_own,
            is_history: false,
            msgid: line.tags.find("msgid").map(|msgid| msgid.into_owned()),
            time_ms: line.tags.find("time").and_then(|time| read_time(&time)),
            tags,
        })
    }

    /// `FAIL command code context... :text` (IRCv3 standard-replies).
    fn on_fail(&mut self, line: &Line<'_>, now: Time, out: &mut Outbox) {
        match line.param(0).unwrap_or_default() {
            "CHATHISTORY" => self.history_failed(line, now, out),
            "PEERLINK" => self.on_peerlink(line, now, out),
            _ => {
                let target = line.param(2).unwrap_or_default();
                if !self.line_refused(line, target, out) {
                    let text = line.last().unwrap_or_default().to_string();
                    self.tell(ChatNews::Server { text }, out);
                }
            }
        }
    }
}
