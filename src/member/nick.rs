//! Our nick: which one is wanted, what is taken instead, and how the wanted one is had back.

use super::Member;
use crate::base::{Span, Time};
use crate::machine::{ChatNews, Outbox};
use crate::wire::irc::{Line, NICK_LEN};

/// Until the wanted nick is tried again, and at most, since each try doubles it.
const TAKE_BACK: (Span, Span) = (Span::secs(3), Span::secs(60));
/// Nicks tried in one registration; a server that takes none of them will time out.
const TRIES_MAX: u32 = 10;

#[derive(Debug)]
pub struct Nick {
    wanted: String,
    /// What the server calls us, or what was asked for while it calls us nothing.
    current: String,
    /// Nicks that this registration was refused.
    refused: u32,
    is_registered: bool,
    /// When the wanted one is tried again, and how long after that.
    next_try: Option<(Time, Span)>,
    /// A try under way was the person's own.
    is_asked: bool,
    /// What was wanted before the person asked for another one.
    before: String,
}

impl Nick {
    pub fn new(wanted: &str) -> Nick {
        Nick {
            wanted: wanted.into(),
            current: wanted.into(),
            refused: 0,
            is_registered: false,
            next_try: None,
            is_asked: false,
            before: wanted.into(),
        }
    }

    pub fn current(&self) -> &str {
        &self.current
    }

    pub fn next_deadline(&self) -> Option<Time> {
        self.next_try.map(|(due, _)| due)
    }

    /// The nick that a registration begins with.
    pub fn first(&mut self) -> String {
        self.refused = 0;
        self.current.clone_from(&self.wanted);
        self.current.clone()
    }

    /// What the server calls us from now on.
    pub fn is_now(&mut self, nick: &str, now: Time) {
        self.current = nick.into();
        self.is_registered = true;
        self.is_asked = false;
        self.next_try = (self.current != self.wanted).then_some((now + TAKE_BACK.0, TAKE_BACK.0));
    }

    /// The connection is gone.
    pub fn lost(&mut self) {
        self.is_registered = false;
        self.next_try = None;
        self.is_asked = false;
    }

    /// Another one than those that were refused: `ann_`, `ann__`, then with digits, the last ones short.
    fn other(&mut self, rng: &mut fastrand::Rng) -> Option<String> {
        self.refused += 1;
        let cut = |len: usize| -> String { self.wanted.chars().take(len).collect() };
        let digits = rng.u32(10..1000);
        let nick = match self.refused {
            1 | 2 => format!("{}{}", cut(NICK_LEN - 2), "_".repeat(self.refused as usize)),
            3..=5 => format!("{}{digits}", cut(NICK_LEN - 3)),
            6..TRIES_MAX => format!("{}{digits}", cut(6)),
            _ => return None,
        };
        self.current.clone_from(&nick);
        Some(nick)
    }
}

impl Member {
    /// The person wants another nick.
    pub(super) fn want_nick(&mut self, nick: String, out: &mut Outbox) {
        self.nick.before = std::mem::replace(&mut self.nick.wanted, nick.clone());
        if self.is_ready() {
            self.nick.is_asked = true;
            self.send(out, |line| line.command("NICK").param(&nick));
        }
    }

    /// A numeric that says that a nick cannot be had.
    pub(super) fn nick_refused(&mut self, line: &Line<'_>, now: Time, out: &mut Outbox) {
        let nick = line.param(1).unwrap_or_default().to_string();
        let why = line.last().unwrap_or_default().to_string();
        if !self.nick.is_registered {
            return match self.nick.other(&mut out.rng) {
                Some(other) => self.send(out, |line| line.command("NICK").param(&other)),
                None => self.hang_up("it takes none of our nicks", now, out),
            };
        }
        if std::mem::take(&mut self.nick.is_asked) {
            self.nick.wanted = std::mem::take(&mut self.nick.before);
            self.tell(ChatNews::NickTaken { nick, why }, out);
        }
    }

    /// Tries to have the wanted nick, where another one is used.
    pub(super) fn take_nick_back(&mut self, now: Time, out: &mut Outbox) {
        let Some((_, wait)) = self.nick.next_try.filter(|(due, _)| *due <= now) else { return };
        let longer = Span((2 * wait.0).min(TAKE_BACK.1.0));
        self.nick.next_try = Some((now + longer, longer));
        if self.is_ready() {
            let wanted = self.nick.wanted.clone();
            self.send(out, |line| line.command("NICK").param(&wanted));
        }
    }

    /// Somebody's nick became free: if it is the one wanted, it is taken at once.
    pub(super) fn nick_is_free(&mut self, nick: &str, now: Time, out: &mut Outbox) {
        if self.nick.next_try.is_some() && self.is_same(nick, &self.nick.wanted) {
            self.nick.next_try = Some((now, TAKE_BACK.0));
            self.take_nick_back(now, out);
        }
    }

    /// Somebody, or we, have another nick.
    pub(super) fn on_nick(&mut self, line: &Line<'_>, old: &str, now: Time, out: &mut Outbox) {
        let Some(new) = line.param(0) else { return };
        let is_own = self.is_us(old);
        self.rename(old, new);
        if is_own {
            self.nick.is_now(new, now);
        } else {
            self.nick_is_free(old, now, out);
        }
        self.tell(ChatNews::Nick { old: old.into(), new: new.into(), is_own }, out);
    }

    /// Whether two names are the same at this server.
    pub(super) fn is_same(&self, one: &str, other: &str) -> bool {
        self.support.casemapping.fold(one) == self.support.casemapping.fold(other)
    }

    pub(super) fn is_us(&self, nick: &str) -> bool {
        self.is_same(nick, &self.nick.current)
    }
}
