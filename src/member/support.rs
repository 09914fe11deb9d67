//! What the server says of itself (numeric 005, ISUPPORT), as far as it matters here.

use crate::wire::irc::Casemapping;

/// Marks before a nick in a list, best first, where the server does not say.
const MARKS: &str = "~&@%+";

#[derive(Debug)]
pub struct Support {
    pub casemapping: Casemapping,
    /// First characters of groups.
    group_marks: String,
    /// First characters of people who are something in a group.
    pub nick_marks: String,
    /// Messages per answer of the history; None: not said.
    pub history_max: Option<usize>,
}

impl Default for Support {
    fn default() -> Support {
        Support {
            casemapping: Casemapping::named("rfc1459"),
            group_marks: "#&".into(),
            nick_marks: MARKS.into(),
            history_max: None,
        }
    }
}

impl Support {
    /// Nothing is known but which names are the same.
    pub fn forget(&mut self) {
        *self = Support { casemapping: self.casemapping, ..Support::default() };
    }

    /// Takes in one token, `NAME`, `NAME=value` or `-NAME`.
    pub fn token(&mut self, token: &str) {
        let (name, value) = token.split_once('=').unwrap_or((token, ""));
        match name {
            "CASEMAPPING" => self.casemapping = Casemapping::named(value),
            "CHANTYPES" if value.len() <= 8 => self.group_marks = value.into(),
            "PREFIX" if value.len() <= 32 => {
                self.nick_marks = value.split_once(')').map_or(MARKS, |(_, marks)| marks).into();
            }
            "CHATHISTORY" => self.history_max = value.parse().ok().filter(|count| (1..=10_000).contains(count)),
            _ => {}
        }
    }

    pub fn is_group(&self, name: &str) -> bool {
        name.chars().next().is_some_and(|first| self.group_marks.contains(first))
    }
}
