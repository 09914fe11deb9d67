//! Capabilities (IRCv3 capability negotiation 302): which there are, which we have.

use std::collections::BTreeSet;

/// What makes a group better. `labeled-response` needs `batch`, `draft/chathistory` needs `batch` and `message-tags`.
const WANTED: [&str; 14] = [
    "message-tags",
    "server-time",
    "batch",
    "echo-message",
    "labeled-response",
    "multi-prefix",
    "extended-join",
    "away-notify",
    "invite-notify",
    "setname",
    "draft/chathistory",
    "chathistory",
    "standard-replies",
    "cap-notify",
];
/// Capabilities that are remembered of a server's list: real ones have fifty.
const OFFERED_MAX: usize = 200;
const NAME_LEN: usize = 64;

/// The capabilities of one connection.
#[derive(Debug, Default)]
pub struct Caps {
    offered: BTreeSet<String>,
    enabled: BTreeSet<String>,
    /// Requests that were not answered yet.
    asked_count: usize,
}

impl Caps {
    pub fn has(&self, name: &str) -> bool {
        self.enabled.contains(name)
    }

    /// Takes in a list of offers, `name` or `name=value`, divided by blanks.
    pub fn offer(&mut self, list: &str) {
        for name in list.split(' ').filter_map(|word| word.split('=').next()) {
            if self.offered.len() < OFFERED_MAX && (1..=NAME_LEN).contains(&name.len()) {
                self.offered.insert(name.to_string());
            }
        }
    }

    /// What to ask for, as one list; None where nothing of it is offered.
    pub fn request(&mut self, more: &[&'static str]) -> Option<String> {
        let wanted = WANTED.iter().chain(more).copied();
        let found: Vec<&str> = wanted.filter(|name| self.offered.contains(*name) && !self.has(name)).collect();
        if found.is_empty() {
            return None;
        }
        self.asked_count += 1;
        Some(found.join(" "))
    }

    /// The answer to a request: a list of names, one with `-` before it taken away.
    pub fn answered(&mut self, list: &str, is_granted: bool) {
        self.asked_count = self.asked_count.saturating_sub(1);
        for name in list.split_ascii_whitespace().filter(|_| is_granted) {
            match name.strip_prefix('-') {
                Some(gone) => _ = self.enabled.remove(gone),
                None if self.offered.contains(name) => _ = self.enabled.insert(name.to_string()),
                None => {}
            }
        }
    }

    /// The server takes some back.
    pub fn withdraw(&mut self, list: &str) {
        for name in list.split_ascii_whitespace() {
            self.offered.remove(name);
            self.enabled.remove(name);
        }
    }

    /// All requests were answered.
    pub fn is_settled(&self) -> bool {
        self.asked_count == 0
    }

    /// History can be asked for.
    pub fn has_history(&self) -> bool {
        let is_there = self.has("draft/chathistory") || self.has("chathistory");
        is_there && self.has("batch") && self.has("message-tags")
    }
}
