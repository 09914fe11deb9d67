//! A group's lists of masks: bans, exceptions from them, and who needs no invitation.

use super::group::{Entry, Lists};
use super::isupport::LIST_MAX;
use crate::wire::irc::{matches, same};

/// Bytes of a mask on a list.
const MASK_LEN: usize = 128;

impl Lists {
    /// Whether somebody is banned and not excepted.
    pub fn keep_out(&self, mask: &str) -> bool {
        any(&self.bans, mask) && !any(&self.excepts, mask)
    }

    /// Whether somebody needs no invitation.
    pub fn lets_in(&self, mask: &str) -> bool {
        any(&self.invites, mask)
    }

    /// The list of a mode letter.
    pub fn of(&self, letter: char) -> &[Entry] {
        match letter {
            'b' => &self.bans,
            'e' => &self.excepts,
            _ => &self.invites,
        }
    }

    pub fn of_mut(&mut self, letter: char) -> &mut Vec<Entry> {
        match letter {
            'b' => &mut self.bans,
            'e' => &mut self.excepts,
            _ => &mut self.invites,
        }
    }

    /// Puts a mask on a list. False where it is there already; an error where the list is full.
    ///
    /// # Errors
    /// The list is full.
    pub fn add(&mut self, letter: char, entry: Entry) -> Result<bool, ()> {
        let list = self.of_mut(letter);
        if list.iter().any(|other| same(&other.mask, &entry.mask)) {
            return Ok(false);
        }
        if list.len() >= LIST_MAX {
            return Err(());
        }
        list.push(entry);
        Ok(true)
    }

    /// Takes a mask off a list: as it was written there. None where it was not there.
    pub fn take(&mut self, letter: char, mask: &str) -> Option<Entry> {
        let list = self.of_mut(letter);
        let at = list.iter().position(|entry| same(&entry.mask, mask))?;
        Some(list.remove(at))
    }
}

fn any(list: &[Entry], mask: &str) -> bool {
    list.iter().any(|entry| matches(&entry.mask, mask))
}

/// A mask as people write it, made whole: `nick` becomes `nick!*@*`, `user@host` becomes `*!user@host`.
pub fn whole_mask(text: &str) -> String {
    let text = super::registration::cut(text, MASK_LEN);
    let part = |part: &str| if part.is_empty() { "*".to_string() } else { part.to_string() };
    let (names, host) = match text.split_once('@') {
        Some((names, host)) => (names, part(host)),
        None => (text, "*".into()),
    };
    match names.split_once('!') {
        Some((nick, user)) => format!("{}!{}@{host}", part(nick), part(user)),
        None if text.contains('@') => format!("*!{}@{host}", part(names)),
        // Addresses are no nicks.
        None if names.contains(['.', ':']) => format!("*!*@{names}"),
        None => format!("{}!*@{host}", part(names)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_are_made_whole() {
        for (text, whole) in [
            ("anna", "anna!*@*"),
            ("a@b", "*!a@b"),
            ("n!u@h", "n!u@h"),
            ("192.0.2.*", "*!*@192.0.2.*"),
            ("n!u", "n!u@*"),
            ("@h", "*!*@h"),
            ("!@", "*!*@*"),
        ] {
            assert_eq!(whole_mask(text), whole, "{text}");
        }
    }

    #[test]
    fn lists_hold_each_mask_once_and_so_many() {
        let entry = |mask: String| Entry { mask: mask.into(), by: "a".into(), at_s: 0 };
        let mut lists = Lists::default();
        assert_eq!(lists.add('b', entry("A!*@*".into())), Ok(true));
        assert_eq!(lists.add('b', entry("a!*@*".into())), Ok(false));
        assert!(lists.keep_out("a!x@y") && !lists.keep_out("b!x@y"));
        assert_eq!(lists.add('e', entry("*!x@*".into())), Ok(true));
        assert!(!lists.keep_out("a!x@y") && lists.keep_out("a!z@y"));
        assert!(lists.take('b', "A!*@*").is_some() && lists.take('b', "A!*@*").is_none());
        for number in 0..LIST_MAX {
            assert_eq!(lists.add('I', entry(format!("n{number}!*@*"))), Ok(true));
        }
        assert_eq!(lists.add('I', entry("one more".into())), Err(()));
        assert!(lists.lets_in("n5!a@b") && !lists.lets_in("x!a@b"));
    }
}
