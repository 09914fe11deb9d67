//! History (IRCv3 draft/chathistory): what was said before we came, and what was said while we were away.
//!
//! While a gap is open, what is said meanwhile is held back, so that everything is told in the order of the server; and
//! nothing of ours is said again before it is known whether it is in there.

use std::collections::BTreeMap;

use super::Member;
use super::groups::Presence;
use crate::base::{Span, Time};
use crate::machine::{ChatNews, Message, Outbox};
use crate::wire::irc::Line;

/// A server that has not answered by then has no history.
const PATIENCE: Span = Span::secs(10);
/// Messages asked for at once where the server does not say how many it gives.
const PAGE_LEN: usize = 100;
/// Pages fetched of one gap.
const PAGES_MAX: u32 = 50;
/// Messages held back per group; more are told out of their order.
const HELD_MAX: usize = 2000;
/// Batches that may be open at once, bytes of their names, and messages taken of one.
const BATCHES_MAX: usize = 16;
const NAME_LEN: usize = 128;
const BATCH_LEN: usize = 2000;

/// What is not known of what was said in a group.
#[derive(Debug, Default)]
pub enum Gap {
    #[default]
    Closed,
    Open(Box<Open>),
}

#[derive(Debug)]
pub struct Open {
    /// After which message we asked; None: for the latest ones.
    after: Option<String>,
    due: Time,
    pages: u32,
    held: Vec<Message>,
}

impl Gap {
    pub fn is_open(&self) -> bool {
        matches!(self, Gap::Open(_))
    }

    pub fn next_deadline(&self) -> Option<Time> {
        match self {
            Gap::Closed => None,
            Gap::Open(open) => Some(open.due),
        }
    }

    pub fn check(&self) {
        if let Gap::Open(open) = self {
            assert!(open.held.len() <= HELD_MAX);
        }
    }
}

/// A batch of history that is not complete.
#[derive(Debug)]
struct Batch {
    group: String,
    messages: Vec<Message>,
    /// Its lines, those that are no messages included.
    count: usize,
}

#[derive(Debug, Default)]
pub struct Batches {
    open: BTreeMap<String, Batch>,
}

impl Batches {
    /// Whether a line with this tag belongs to a batch of history.
    pub fn has(&self, name: &str) -> bool {
        self.open.contains_key(name)
    }
}

impl Member {
    /// We are in a group: what was said before is asked for.
    pub(super) fn fill_gap(&mut self, name: &str, now: Time, out: &mut Outbox) {
        let is_there = self.caps.has_history();
        let history = self.options.history;
        let Some(group) = self.group_mut(name) else { return };
        let after = group.recent.last().map(str::to_string);
        if !is_there || (after.is_none() && history == 0) {
            return self.close_gap(name, false, out);
        }
        let due = now + PATIENCE;
        group.gap = Gap::Open(Box::new(Open { after: after.clone(), due, pages: 1, held: Vec::new() }));
        self.ask_history(name, after.as_deref(), out);
    }

    fn ask_history(&self, name: &str, after: Option<&str>, out: &mut Outbox) {
        let page_len = self.page_len();
        let is_gap = after.is_some() || self.options.history == 0;
        let count = if is_gap { page_len } else { self.options.history.min(page_len) }.to_string();
        match after {
            Some(msgid) => {
                let from = format!("msgid={msgid}");
                self.send(out, |line| {
                    line.command("CHATHISTORY").param("AFTER").param(name).param(&from).param(&count)
                });
            }
            None => {
                self.send(out, |line| {
                    line.command("CHATHISTORY").param("LATEST").param(name).param("*").param(&count)
                });
            }
        }
    }

    fn page_len(&self) -> usize {
        self.support.history_max.unwrap_or(PAGE_LEN).min(BATCH_LEN)
    }

    /// `BATCH +name type parameters` and `BATCH -name`.
    pub(super) fn on_batch(&mut self, line: &Line<'_>, now: Time, out: &mut Outbox) {
        let reference = line.param(0).unwrap_or_default();
        if let Some(name) = reference.strip_prefix('+') {
            let is_history = line.param(1).is_some_and(|kind| kind.ends_with("chathistory"));
            if is_history && self.batches.open.len() < BATCHES_MAX && name.len() <= NAME_LEN {
                let group = line.param(2).unwrap_or_default().to_string();
                self.batches.open.insert(name.to_string(), Batch { group, messages: Vec::new(), count: 0 });
            }
        } else if let Some(name) = reference.strip_prefix('-')
            && let Some(batch) = self.batches.open.remove(name)
        {
            self.page_came(batch, now, out);
        }
    }

    /// A line of a batch of history.
    pub(super) fn in_batch(&mut self, name: &str, line: &Line<'_>) {
        let message = self.message(line).filter(|_| line.is("PRIVMSG") || line.is("NOTICE"));
        let Some(batch) = self.batches.open.get_mut(name) else { return };
        batch.count += 1;
        if batch.messages.len() < BATCH_LEN {
            batch.messages.extend(message);
        }
    }

    fn page_came(&mut self, batch: Batch, now: Time, out: &mut Outbox) {
        let page_len = self.page_len();
        let Some(group) = self.group_mut(&batch.group) else { return };
        let Gap::Open(open) = &mut group.gap else { return };
        let was_after = open.after.is_some();
        let newest = batch.messages.iter().rev().find_map(|message| message.msgid.clone());
        let is_full = batch.count >= page_len && newest.is_some() && newest != open.after;
        let goes_on = was_after && is_full && open.pages < PAGES_MAX;
        if goes_on {
            open.pages += 1;
            open.after.clone_from(&newest);
            open.due = now + PATIENCE;
        }
        let name = group.name.clone();
        for mut message in batch.messages {
            message.is_history = true;
            self.tell_message(message, out);
        }
        if goes_on {
            self.ask_history(&name, newest.as_deref(), out);
        } else {
            self.close_gap(&name, was_after && is_full, out);
        }
    }

    /// `FAIL CHATHISTORY code subcommand group :text`: a message that the server does not know any more has nothing
    /// after it; then the latest ones are better than none.
    pub(super) fn history_failed(&mut self, line: &Line<'_>, now: Time, out: &mut Outbox) {
        let mut named = line.params().iter().skip(2).map(|name| self.fold(name));
        let Some(key) = named.find(|name| self.groups.all.contains_key(name)) else { return };
        let Some(group) = self.groups.all.get_mut(&key) else { return };
        let name = group.name.clone();
        match &mut group.gap {
            Gap::Open(open) if open.after.is_some() => {
                open.after = None;
                open.due = now + PATIENCE;
                self.ask_history(&name, None, out);
            }
            Gap::Open(_) => self.close_gap(&name, true, out),
            Gap::Closed => {}
        }
    }

    /// Gaps that the server does not fill are closed.
    pub(super) fn end_late_gaps(&mut self, now: Time, out: &mut Outbox) {
        let is_late = |gap: &Gap| gap.next_deadline().is_some_and(|due| due <= now);
        let late = self.groups.all.values().filter(|group| is_late(&group.gap)).map(|group| group.name.clone());
        for name in late.collect::<Vec<_>>() {
            self.close_gap(&name, true, out);
        }
    }

    /// Everything that was said is known, or as much of it as can be had.
    fn close_gap(&mut self, name: &str, is_cut: bool, out: &mut Outbox) {
        let Some(group) = self.group_mut(name) else { return };
        let held = match std::mem::take(&mut group.gap) {
            Gap::Open(open) => open.held,
            Gap::Closed => Vec::new(),
        };
        let group = group.name.clone();
        self.tell(ChatNews::CaughtUp { group, is_cut }, out);
        for message in held {
            self.tell_message(message, out);
        }
        self.say_more(out);
    }

    /// A message that was said just now: told, or held back while older ones are missing.
    pub(super) fn said_now(&mut self, message: Message, out: &mut Outbox) {
        if !message.is_private
            && let Some(group) = self.group_mut(&message.group)
            && let Gap::Open(open) = &mut group.gap
            && open.held.len() < HELD_MAX
        {
            return open.held.push(message);
        }
        self.tell_message(message, out);
    }

    /// Tells a message that was not told before, and takes note of one of ours that has arrived.
    fn tell_message(&mut self, message: Message, out: &mut Outbox) {
        let msgid = message.msgid.clone();
        let recent = match message.is_private {
            true => Some(&mut self.private),
            false => {
                let folded = self.support.casemapping.fold(&message.group);
                self.groups.all.get_mut(&folded).map(|group| &mut group.recent)
            }
        };
        let is_new = recent.is_none_or(|recent| recent.insert(msgid.as_deref()));
        let arrived = self.outgoing.arrived(&message);
        if is_new {
            self.tell(ChatNews::Message(Box::new(message)), out);
        }
        if let Some(number) = arrived.filter(|number| !self.outgoing.has(*number)) {
            self.tell(ChatNews::Acknowledged { number, msgid }, out);
        }
    }

    /// Whether something may be said to this group or person now.
    pub(super) fn may_say_to(&self, to: &str) -> bool {
        let Some(group) = self.groups.all.get(&self.fold(to)) else { return true };
        group.presence == Presence::In && !group.gap.is_open()
    }
}
