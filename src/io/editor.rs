//! The line editor as a pure state machine: keys in, the line and what is wanted out.

use std::collections::VecDeque;

use super::keys::Key;
use crate::base::{text, width};

/// Longest line, in bytes: a page of pasted text.
const LINE_LEN: usize = 16 * 1024;
/// Lines that can be had back.
const HISTORY_COUNT: usize = 200;

/// What a key asks of whoever holds the editor.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Act {
    None,
    /// The line looks different now.
    Changed,
    /// The line is complete; it may hold several lines that were pasted.
    Enter(String),
    /// Tab: the holder looks for what fits and says [`Editor::offer`].
    Complete,
    /// Ctrl-C, or Ctrl-D, in an empty line.
    Interrupt,
    Quit,
    /// Ctrl-Z.
    Suspend,
    /// Ctrl-L.
    Clear,
}

/// A line that is being written.
#[derive(Debug, Default)]
pub struct Editor {
    line: String,
    /// Byte index of a character, or the end.
    cursor: usize,
    /// Oldest first.
    history: VecDeque<String>,
    /// Which of them is shown, and what was being written before.
    recalled: Option<(usize, String)>,
    /// What Ctrl-K, Ctrl-U and Ctrl-W took away last; Ctrl-Y puts it back.
    cut: String,
    offers: Option<Offers>,
}

/// What Tab goes through.
#[derive(Debug)]
struct Offers {
    /// Where the word begins, and the end of what stands there now.
    from: usize,
    to: usize,
    words: Vec<String>,
    next: usize,
}

impl Editor {
    /// What is written, and the byte index of the cursor.
    pub fn line(&self) -> (&str, usize) {
        (&self.line, self.cursor)
    }

    /// The line as it is shown, harmless, and in it the byte index of the cursor. Ends of pasted lines are `↵`.
    pub fn shown(&self) -> (String, usize) {
        let show = |part: &str| text::harmless(&part.replace('\n', "↵"));
        let before = show(&self.line[..self.cursor]);
        let cursor = before.len();
        (before + &show(&self.line[self.cursor..]), cursor)
    }

    /// Takes a key.
    pub fn key(&mut self, key: Key) -> Act {
        if key != Key::Tab {
            self.offers = None;
        }
        match key {
            Key::Char(c) => self.insert(c.encode_utf8(&mut [0; 4])),
            Key::Paste(text) => self.insert(text.trim_end_matches('\n')),
            Key::Enter => return self.enter(),
            Key::Tab if self.next_offer() => {}
            Key::Tab => return Act::Complete,
            Key::Backspace | Key::Ctrl('h') => self.remove(self.left(), self.cursor),
            Key::Delete => self.remove(self.cursor, self.right()),
            Key::Ctrl('d') if self.line.is_empty() => return Act::Quit,
            Key::Ctrl('d') => self.remove(self.cursor, self.right()),
            Key::Ctrl('c') if self.line.is_empty() => return Act::Interrupt,
            Key::Ctrl('c') => self.replace(String::new()),
            Key::Ctrl('z') => return Act::Suspend,
            Key::Ctrl('l') => return Act::Clear,
            Key::Left | Key::Ctrl('b') => self.cursor = self.left(),
            Key::Right | Key::Ctrl('f') => self.cursor = self.right(),
            Key::WordLeft => self.cursor = self.word_left(),
            Key::WordRight => self.cursor = self.word_right(),
            Key::Home | Key::Ctrl('a') => self.cursor = 0,
            Key::End | Key::Ctrl('e') => self.cursor = self.line.len(),
            Key::Ctrl('u') => self.cut(0, self.cursor),
            Key::Ctrl('k') => self.cut(self.cursor, self.line.len()),
            Key::Ctrl('w') => self.cut(self.blank_left(), self.cursor),
            Key::WordBackspace => self.cut(self.word_left(), self.cursor),
            Key::Ctrl('y') => self.insert(&self.cut.clone()),
            Key::Up | Key::Ctrl('p') => self.recall_older(),
            Key::Down | Key::Ctrl('n') => self.recall_newer(),
            Key::Ctrl(_) => return Act::None,
        }
        Act::Changed
    }

    /// Answers [`Act::Complete`]: what the text from byte `from` to the cursor may become, best first.
    pub fn offer(&mut self, from: usize, words: Vec<String>) {
        if !words.is_empty() && self.line.is_char_boundary(from) && from <= self.cursor {
            self.offers = Some(Offers { from, to: self.cursor, words, next: 0 });
            self.next_offer();
        }
    }

    /// Puts the next word on offer into the line.
    fn next_offer(&mut self) -> bool {
        let Some(mut offers) = self.offers.take() else { return false };
        let word = offers.words[offers.next].clone();
        self.line.replace_range(offers.from..offers.to, &word);
        offers.to = offers.from + word.len();
        self.cursor = offers.to;
        offers.next = (offers.next + 1) % offers.words.len();
        // With one word there is nothing to go through: the next Tab looks anew.
        self.offers = (offers.words.len() > 1).then_some(offers);
        true
    }

    fn enter(&mut self) -> Act {
        let line = std::mem::take(&mut self.line);
        self.cursor = 0;
        self.recalled = None;
        if !line.trim().is_empty() && self.history.back() != Some(&line) {
            if self.history.len() == HISTORY_COUNT {
                self.history.pop_front();
            }
            self.history.push_back(line.clone());
        }
        Act::Enter(line)
    }

    fn insert(&mut self, text: &str) {
        let spaced = text.chars().map(|c| if c == '\t' { ' ' } else { c });
        let kept: String = spaced.filter(|c| *c == '\n' || !c.is_control()).collect();
        let room = LINE_LEN.saturating_sub(self.line.len());
        let kept = &kept[..kept.floor_char_boundary_of(room)];
        self.line.insert_str(self.cursor, kept);
        self.cursor += kept.len();
    }

    fn replace(&mut self, line: String) {
        self.cursor = line.len();
        self.line = line;
    }

    fn remove(&mut self, from: usize, to: usize) {
        self.line.replace_range(from..to, "");
        self.cursor = from;
    }

    fn cut(&mut self, from: usize, to: usize) {
        if from < to {
            self.cut = self.line[from..to].to_string();
            self.remove(from, to);
        }
    }

    /// Where the character before the cursor begins, with the marks on it.
    fn left(&self) -> usize {
        let before = self.line[..self.cursor].char_indices().rev();
        before.into_iter().find(|(_, c)| stands_alone(*c)).map_or(0, |(at, _)| at)
    }

    /// Where the character at the cursor ends, with the marks on it.
    fn right(&self) -> usize {
        let mut after = self.line[self.cursor..].char_indices().skip(1);
        after.find(|(_, c)| stands_alone(*c)).map_or(self.line.len(), |(at, _)| self.cursor + at)
    }

    fn word_left(&self) -> usize {
        let before = self.line[..self.cursor].trim_end_matches(|c: char| !c.is_alphanumeric());
        before.trim_end_matches(char::is_alphanumeric).len()
    }

    fn word_right(&self) -> usize {
        let after = self.line[self.cursor..].trim_start_matches(|c: char| !c.is_alphanumeric());
        self.line.len() - after.trim_start_matches(char::is_alphanumeric).len()
    }

    /// Ctrl-W takes everything back to a blank.
    fn blank_left(&self) -> usize {
        let before = self.line[..self.cursor].trim_end_matches(char::is_whitespace);
        before.trim_end_matches(|c: char| !c.is_whitespace()).len()
    }

    fn recall_older(&mut self) {
        let at = self.recalled.as_ref().map_or(self.history.len(), |(at, _)| *at);
        let Some(older) = at.checked_sub(1).and_then(|at| self.history.get(at)).cloned() else { return };
        let draft = self.recalled.take().map_or_else(|| self.line.clone(), |(_, draft)| draft);
        self.recalled = Some((at - 1, draft));
        self.replace(older);
    }

    fn recall_newer(&mut self) {
        let Some((at, draft)) = self.recalled.take() else { return };
        match self.history.get(at + 1).cloned() {
            Some(newer) => {
                self.recalled = Some((at + 1, draft));
                self.replace(newer);
            }
            None => self.replace(draft),
        }
    }
}

/// Marks and joiners are no place for a cursor; the end of a pasted line is.
fn stands_alone(c: char) -> bool {
    c == '\n' || width::of_char(c) > 0
}

/// `str::floor_char_boundary` is younger than our oldest compiler.
trait FloorBoundary {
    fn floor_char_boundary_of(&self, index: usize) -> usize;
}

impl FloorBoundary for String {
    fn floor_char_boundary_of(&self, index: usize) -> usize {
        let index = index.min(self.len());
        (0..=index).rev().find(|at| self.is_char_boundary(*at)).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::keys::Keys;
    use super::*;

    /// Types into an empty editor; the line with `|` for the cursor.
    fn typed(bytes: &str) -> String {
        let mut editor = Editor::default();
        for key in Keys::default().feed(bytes.as_bytes()) {
            editor.key(key);
        }
        let (line, cursor) = editor.line();
        format!("{}|{}", &line[..cursor], &line[cursor..])
    }

    #[test]
    fn lines_are_edited() {
        let table = [
            ("abc", "abc|"),
            ("abc\x1b[Dx", "abx|c"),
            ("abc\x1b[D\x1b[D\x7f", "|bc"),
            ("abc\x01x\x05y", "xabcy|"),
            ("abc\x1b[H\x1b[3~", "|bc"),
            ("abc\x02\x04", "ab|"),
            ("one two\x17", "one |"),
            ("one two  \x17", "one |"),
            ("one two\x02\x02\x0b", "one t|"),
            ("one two\x02\x02\x15", "|wo"),
            ("one two\x15x\x19", "xone two|"),
            ("a-b c\x1bb\x1bb", "a-|b c"),
            ("ab cd\x01\x1bf", "ab| cd"),
            ("ab.cd\x1b\x7f", "ab.|"),
            ("e\u{301}x\x1b[D\x1b[D!", "!|e\u{301}x"),
            ("日本\x7f", "日|"),
            ("e\u{301}\x7f", "|"),
            ("\x1b[200~a\nb\n\x1b[201~", "a\nb|"),
            ("abc\x03", "|"),
            ("a\rb\r\x1b[A", "b|"),
            ("a\rb\rc\x1b[A\x1b[A\x1b[A", "a|"),
            ("a\rb\rc\x1b[A\x1b[A\x1b[B\x1b[B", "c|"),
            ("a\r\r  \ra\r\x1b[A\x1b[A", "a|"),
        ];
        for (keys, line) in table {
            assert_eq!(typed(keys), line, "{keys:?}");
        }
    }

    #[test]
    fn what_the_holder_is_asked_for() {
        let mut editor = Editor::default();
        let table = [
            (Key::Ctrl('c'), Act::Interrupt),
            (Key::Ctrl('d'), Act::Quit),
            (Key::Ctrl('z'), Act::Suspend),
            (Key::Ctrl('l'), Act::Clear),
            (Key::Ctrl('g'), Act::None),
            (Key::Tab, Act::Complete),
            (Key::Enter, Act::Enter(String::new())),
        ];
        for (key, act) in table {
            assert_eq!(editor.key(key.clone()), act, "{key:?}");
        }
    }

    #[test]
    fn tab_goes_through_what_fits() {
        let mut editor = Editor::default();
        "hi al x".chars().for_each(|c| drop(editor.key(Key::Char(c))));
        editor.key(Key::Left);
        editor.key(Key::Left);
        assert_eq!(editor.key(Key::Tab), Act::Complete);
        editor.offer(3, vec!["alice".into(), "albert".into()]);
        assert_eq!(editor.line(), ("hi alice x", 8));
        assert_eq!(editor.key(Key::Tab), Act::Changed);
        assert_eq!(editor.line(), ("hi albert x", 9));
        editor.key(Key::Tab);
        assert_eq!(editor.line(), ("hi alice x", 8));
        editor.key(Key::Char('!'));
        assert_eq!(editor.line(), ("hi alice! x", 9));
        assert_eq!(editor.key(Key::Tab), Act::Complete);
        editor.offer(99, vec!["no".into()]);
        editor.offer(0, Vec::new());
        assert_eq!(editor.line().0, "hi alice! x");
    }

    #[test]
    fn lines_are_bounded_and_shown_harmless() {
        let mut editor = Editor::default();
        for _ in 0..3 {
            editor.key(Key::Paste("日".repeat(4000)));
        }
        assert!(editor.line().0.len() <= LINE_LEN && editor.line().0.len() > LINE_LEN - 3);
        let mut editor = Editor::default();
        editor.key(Key::Paste("a\x1b[2J\u{202e}\nb".into()));
        editor.key(Key::Left);
        assert_eq!(editor.shown(), ("a[2J\u{fffd}↵b".into(), "a[2J\u{fffd}↵".len()));
        for number in 0..HISTORY_COUNT + 10 {
            editor.key(Key::Paste(number.to_string()));
            editor.key(Key::Enter);
        }
        assert_eq!(editor.history.len(), HISTORY_COUNT);
    }
}
