//! Messages that were told lately, by the server's name for them: none is told twice.

use std::collections::{BTreeSet, VecDeque};

/// Messages remembered per group: more than a server's answer of history holds.
const COUNT_MAX: usize = 1024;
/// Longest name of a message that is believed in.
const LEN_MAX: usize = 128;

#[derive(Debug, Default)]
pub struct Recent {
    order: VecDeque<String>,
    known: BTreeSet<String>,
}

impl Recent {
    /// Remembers it; false when it was known. One without a name, or with a monstrous one, is always new.
    pub fn insert(&mut self, msgid: Option<&str>) -> bool {
        let Some(msgid) = msgid.filter(|msgid| msgid.len() <= LEN_MAX) else { return true };
        if !self.known.insert(msgid.to_string()) {
            return false;
        }
        self.order.push_back(msgid.to_string());
        if self.order.len() > COUNT_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }

    /// The newest one.
    pub fn last(&self) -> Option<&str> {
        self.order.back().map(String::as_str)
    }

    pub fn check(&self) {
        assert!(self.order.len() <= COUNT_MAX && self.order.len() == self.known.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_told_once_and_old_ones_forgotten() {
        let mut recent = Recent::default();
        assert!(recent.insert(Some("a")) && !recent.insert(Some("a")) && recent.insert(None) && recent.insert(None));
        assert_eq!(recent.last(), Some("a"));
        for number in 0..2 * COUNT_MAX {
            assert!(recent.insert(Some(&number.to_string())));
            recent.check();
        }
        assert!(recent.insert(Some("a")) && recent.insert(Some(&"x".repeat(999))));
        assert_eq!(recent.last(), Some("a"));
    }
}
