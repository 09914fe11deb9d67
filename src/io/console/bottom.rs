//! What stays at the bottom of a terminal below all lines: a live line, and the line that a person writes. Pure.

use crate::base::width;

/// The line that a person writes, as it is shown: harmless.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Prompt {
    /// What stands before it, without colours.
    pub label: String,
    /// Escape sequences that colour the label and end the colour; of no width.
    pub colour: (&'static str, &'static str),
    pub text: String,
    /// Byte index in the text.
    pub cursor: usize,
}

/// What is drawn now: columns of each row, and the column of the cursor in the last one.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Drawn {
    columns: Vec<usize>,
    cursor: usize,
}

#[derive(Debug, Default)]
pub struct Bottom {
    /// There is a terminal.
    pub is_on: bool,
    live: Option<String>,
    prompt: Option<Prompt>,
    drawn: Option<Drawn>,
    is_current: bool,
}

impl Bottom {
    /// Of a stream that is a terminal, or is not: then nothing is ever drawn.
    pub fn new(is_on: bool) -> Bottom {
        Bottom { is_on, ..Bottom::default() }
    }

    pub fn show_live(&mut self, live: Option<String>) {
        self.live = live;
        self.is_current = false;
    }

    pub fn show_prompt(&mut self, prompt: Option<Prompt>) {
        self.prompt = prompt;
        self.is_current = false;
    }

    /// Nothing is shown any more.
    pub fn end(&mut self) {
        (self.live, self.prompt) = (None, None);
    }

    pub fn is_drawn(&self) -> bool {
        self.drawn.is_some()
    }

    /// Something should be on the screen that is not.
    pub fn wants_drawing(&self) -> bool {
        let is_there = self.live.is_some() || self.prompt.is_some();
        self.is_on && is_there && !(self.is_drawn() && self.is_current)
    }

    /// Takes everything off a screen of this width, which may be another one than when it was drawn: terminals then
    /// fold rows that are too long.
    pub fn erase(&mut self, width: usize) -> Vec<u8> {
        let Some(drawn) = self.drawn.take() else { return Vec::new() };
        let folds = |columns: usize| columns.saturating_sub(1) / width.max(1);
        let Some((_, above)) = drawn.columns.split_last() else { return Vec::new() };
        let up = above.iter().map(|columns| 1 + folds(*columns)).sum::<usize>() + drawn.cursor / width.max(1);
        let is_one_row = up == 0 && drawn.columns.iter().all(|columns| folds(*columns) == 0);
        match (up, is_one_row) {
            (_, true) => b"\r\x1b[K".to_vec(),
            (0, false) => b"\r\x1b[J".to_vec(),
            (up, false) => format!("\r\x1b[{up}A\x1b[J").into_bytes(),
        }
    }

    /// Draws on a screen of this width, over what is there.
    pub fn draw(&mut self, width: usize) -> Vec<u8> {
        let has_moved = self.drawn.as_ref().is_some_and(|drawn| drawn.columns.len() > 1 || self.prompt.is_some());
        let mut bytes = if has_moved { self.erase(width) } else { Vec::new() };
        let room = width.saturating_sub(1);
        let mut drawn = Drawn { columns: Vec::new(), cursor: 0 };
        if let Some(live) = &self.live {
            let line = width::fit(live, room);
            bytes.extend(format!("\r{line}\x1b[K").bytes());
            drawn.columns.push(width::of(&line));
            drawn.cursor = width::of(&line);
        }
        if let Some(prompt) = &self.prompt {
            if self.live.is_some() {
                bytes.extend(b"\r\n");
            }
            let (label, text, cursor) = window(prompt, room);
            let (on, off) = prompt.colour;
            bytes.extend(format!("\r{on}{label}{off}{text}\x1b[K\r").bytes());
            if cursor > 0 {
                bytes.extend(format!("\x1b[{cursor}C").bytes());
            }
            drawn.columns.push(width::of(&label) + width::of(&text));
            drawn.cursor = cursor;
        }
        self.drawn = Some(drawn);
        self.is_current = true;
        bytes
    }
}

/// The label, the part of the text that fits beside it with the cursor in it, and the cursor's column.
fn window(prompt: &Prompt, columns: usize) -> (String, String, usize) {
    let label = width::fit(&prompt.label, columns / 2);
    let label_width = width::of(&label);
    // The cursor needs a column of its own behind the text.
    let room = columns.saturating_sub(label_width + 1).max(1);
    let (before, after) = prompt.text.split_at_checked(prompt.cursor).unwrap_or((&prompt.text, ""));
    if width::of(&prompt.text) <= room {
        return (label, prompt.text.clone(), label_width + width::of(before));
    }
    // Scrolled by half windows, so that not every key moves everything.
    let step = (room / 2).max(1);
    let cursor = width::of(before);
    let wanted = if cursor < room { 0 } else { (cursor - room) / step * step + step };
    let hidden = width::head(before, wanted);
    let shown_before = &before[hidden.len()..];
    // A wide character may stick out of what is hidden.
    let at = cursor - width::of(hidden);
    let mark = if hidden.is_empty() { "" } else { "‹" };
    let skipped = if hidden.is_empty() { 0 } else { shown_before.chars().next().map_or(0, char::len_utf8) };
    let lost = width::of(&shown_before[..skipped]);
    let rest = format!("{mark}{}{after}", &shown_before[skipped..]);
    let text = width::fit(&rest, room);
    (label, text, label_width + (at + width::of(mark)).saturating_sub(lost))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prompt(text: &str, cursor: usize) -> Prompt {
        Prompt { label: "[#x] ".into(), text: text.into(), cursor, ..Prompt::default() }
    }

    fn text(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_prompt_stays_below_a_live_line() {
        let mut bottom = Bottom::new(true);
        assert!(!bottom.wants_drawing());
        bottom.show_prompt(Some(prompt("hi", 1)));
        assert!(bottom.wants_drawing());
        assert_eq!(text(bottom.draw(40)), "\r[#x] hi\x1b[K\r\x1b[6C");
        assert!(!bottom.wants_drawing());
        bottom.show_live(Some("film 42%".into()));
        assert_eq!(text(bottom.draw(40)), "\r\x1b[K\rfilm 42%\x1b[K\r\n\r[#x] hi\x1b[K\r\x1b[6C");
        assert_eq!(text(bottom.erase(40)), "\r\x1b[1A\x1b[J");
        assert!(bottom.wants_drawing() && !bottom.is_drawn());
        bottom.show_live(None);
        assert_eq!(text(bottom.draw(40)), "\r[#x] hi\x1b[K\r\x1b[6C");
    }

    #[test]
    fn what_a_narrower_terminal_folded_is_taken_away_whole() {
        let mut bottom = Bottom::new(true);
        bottom.show_live(Some("x".repeat(35)));
        bottom.show_prompt(Some(prompt(&"y".repeat(20), 20)));
        bottom.draw(40);
        // 35 columns fold into 4 rows, 25 into 3; the cursor stands in the third of them.
        assert_eq!(text(bottom.erase(10)), "\r\x1b[6A\x1b[J");
    }

    #[test]
    fn long_lines_scroll_with_the_cursor() {
        let long: String = ('a'..='z').collect();
        // 20 columns: 1 free, 5 of the label, 1 for the cursor: 13 for the text.
        let shown = |cursor: usize| window(&prompt(&long, cursor), 19);
        assert_eq!(shown(0), ("[#x] ".into(), "abcdefghijkl…".into(), 5));
        assert_eq!(shown(12), ("[#x] ".into(), "abcdefghijkl…".into(), 17));
        for cursor in 0..=26 {
            let (label, text, column) = shown(cursor);
            assert!(width::of(&label) + width::of(&text) < 20 && column < 19, "{cursor}: {text} {column}");
            let under = text.chars().nth(column - 5);
            let expected = long.chars().nth(cursor);
            assert!(under == expected || under == Some('…'), "{cursor}: {text} {column} {under:?}");
        }
        let wide = "日本語日本語日本語日本語".to_string();
        for cursor in (0..=wide.len()).step_by(3) {
            let (label, text, column) = window(&prompt(&wide, cursor), 19);
            assert!(width::of(&label) + width::of(&text) < 20 && column < 20, "{cursor}: {text} {column}");
        }
    }
}
