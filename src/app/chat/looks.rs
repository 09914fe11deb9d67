//! How talk looks on a terminal or in a file: lines with times, nicks in colours, and nothing in them that foreign text
//! could do to a terminal.

use crate::base::text::harmless;
use crate::base::width;
use crate::io::localtime::{LocalTime, local};
use crate::machine::{Leave, Message};

const DIM: &str = "\x1b[2m";
const BOLD: &str = "\x1b[1m";
const OFF: &str = "\x1b[0m";
/// Somebody says our name.
const CALLED: &str = "\x1b[1;33m";
/// Colours that can be read on dark and light ground.
const NICKS: [&str; 10] = [
    "\x1b[31m", "\x1b[32m", "\x1b[34m", "\x1b[35m", "\x1b[36m", "\x1b[91m", "\x1b[92m", "\x1b[94m", "\x1b[95m",
    "\x1b[96m",
];
const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// Columns of a time and a blank.
const INDENT: usize = 6;

/// Makes lines.
#[derive(Debug)]
pub struct Looks {
    has_colour: bool,
    /// The day of the last line.
    day: Option<(i64, u8, u8)>,
}

/// What a line is about besides the message itself.
#[derive(Clone, Copy, Debug)]
pub struct Around<'a> {
    /// Our nick.
    pub nick: &'a str,
    /// The group on the screen; messages of others name theirs.
    pub group: Option<&'a str>,
    /// Now, in milliseconds since 1970.
    pub now_ms: u64,
    /// Of the terminal, where there is one.
    pub columns: Option<usize>,
}

impl Looks {
    pub fn new(has_colour: bool) -> Looks {
        Looks { has_colour, day: None }
    }

    fn paint(&self, colour: &str, text: &str) -> String {
        if self.has_colour { format!("{colour}{text}{OFF}") } else { text.to_string() }
    }

    /// Escape sequences before and after the label of the prompt.
    pub fn label(&self) -> (&'static str, &'static str) {
        if self.has_colour { (BOLD, OFF) } else { ("", "") }
    }

    /// A message, and before it the day where it is another one than that of the line before.
    pub fn message(&mut self, message: &Message, around: Around<'_>) -> Vec<String> {
        let mut lines = self.whole(message, around);
        if let Some(columns) = around.columns
            && let Some(last) = lines.pop()
        {
            lines.extend(folded(&last, columns));
        }
        lines
    }

    fn whole(&mut self, message: &Message, around: Around<'_>) -> Vec<String> {
        let time = local(message.time_ms.unwrap_or(around.now_ms) / 1000);
        let mut lines: Vec<String> = self.day_line(time).into_iter().collect();
        let clock = clock(time);
        let nick = harmless(&message.nick);
        let text = harmless(&message.text);
        let is_called = !message.is_own && !message.is_history && calls(&message.text, around.nick);
        let is_shown_old = message.is_history;
        let colour = match () {
            () if is_called => CALLED,
            () if message.is_own => BOLD,
            () => NICKS[nick_colour(&message.nick)],
        };
        let place = match (message.is_private, around.group) {
            (true, _) if message.is_own => format!("{} → ", harmless(around.nick)),
            (false, Some(shown)) if shown.eq_ignore_ascii_case(&message.group) => String::new(),
            (false, _) => format!("{} ", harmless(&message.group)),
            (true, _) => String::new(),
        };
        let to = match (message.is_private, message.is_own) {
            (true, true) => harmless(&message.group),
            (true, false) => format!("{nick} → {}", harmless(around.nick)),
            _ => nick,
        };
        let frame = |name: String| match (message.is_private, message.is_action, message.is_notice) {
            (true, true, _) => format!("[{place}{name}] *"),
            (true, false, _) => format!("[{place}{name}]"),
            (false, true, _) => format!("{place}* {name}"),
            (false, false, true) => format!("{place}-{name}-"),
            (false, false, false) => format!("{place}<{name}>"),
        };
        lines.push(if is_shown_old {
            self.paint(DIM, &format!("{clock} {} {text}", frame(to)))
        } else {
            let bell = if is_called && self.has_colour { "\u{7}" } else { "" };
            format!("{} {} {text}{bell}", self.paint(DIM, &clock), frame(self.paint(colour, &to)))
        });
        lines
    }

    /// Lines about what happens, quieter than what people say.
    pub fn remark(&self, text: &str, now_ms: u64, columns: Option<usize>) -> Vec<String> {
        let line = format!("{} {}", clock(local(now_ms / 1000)), harmless(text));
        let lines = columns.map_or_else(|| vec![line.clone()], |columns| folded(&line, columns));
        lines.iter().map(|line| self.paint(DIM, line)).collect()
    }

    /// A line that answers a person.
    pub fn answer(&self, text: &str) -> String {
        harmless(text)
    }

    /// A line of what was typed and is not acknowledged yet.
    pub fn waiting(&self, text: &str) -> String {
        self.paint(DIM, &format!("… not sent yet: {}", harmless(text)))
    }

    fn day_line(&mut self, time: Option<LocalTime>) -> Option<String> {
        let time = time?;
        let day = (time.year, time.month, time.day);
        let before = self.day.replace(day);
        if before == Some(day) {
            return None;
        }
        Some(self.paint(DIM, &format!("── {} ──", date(time))))
    }
}

/// A line broken at blanks to fit into so many columns; what follows the first part stands below its text. Words that
/// are too long, such as links, stay whole: the terminal breaks them, and knows them as one.
fn folded(line: &str, columns: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0;
    for (at, word) in line.split(' ').enumerate() {
        let width = shown_width(word);
        let is_full = columns > 2 * INDENT && used + 1 + width > columns && used > INDENT;
        if is_full {
            lines.push(" ".repeat(INDENT));
            used = INDENT;
        } else if at > 0 {
            used += 1;
        }
        if let Some(last) = lines.last_mut() {
            if at > 0 && !is_full {
                last.push(' ');
            }
            last.push_str(word);
        }
        // A word that is broken by the terminal goes on in a line of its own.
        used = if used + width > columns { (used + width) % columns } else { used + width };
    }
    lines
}

/// Columns of a word, escape sequences of colours not counted.
fn shown_width(word: &str) -> usize {
    let mut parts = word.split('\x1b');
    let first = parts.next().map_or(0, width::of);
    first + parts.map(|part| part.split_once('m').map_or(0, |(_, rest)| width::of(rest))).sum::<usize>()
}

/// `bob left (bye)`.
pub fn leaving(nick: &str, how: &Leave, reason: &str) -> String {
    let reason = if reason.is_empty() { String::new() } else { format!(" ({reason})") };
    match how {
        Leave::Part => format!("← {nick} left{reason}"),
        Leave::Quit => format!("← {nick} is gone{reason}"),
        Leave::Kick(by) => format!("← {nick} was thrown out by {by}{reason}"),
    }
}

fn clock(time: Option<LocalTime>) -> String {
    time.map_or_else(|| "--:--".into(), |time| format!("{:02}:{:02}", time.hour, time.minute))
}

/// `Friday, 20 November 2026`.
fn date(time: LocalTime) -> String {
    let month = MONTHS.get(usize::from(time.month).wrapping_sub(1)).copied().unwrap_or_default();
    format!("{}, {} {month} {}", DAYS[weekday(time)], time.day, time.year)
}

/// 0 for Sunday (Sakamoto's method).
fn weekday(time: LocalTime) -> usize {
    const SHIFTS: [i64; 12] = [0, 3, 2, 5, 0, 3, 5, 1, 4, 6, 2, 4];
    let year = time.year - i64::from(time.month < 3);
    let shift = SHIFTS.get(usize::from(time.month).wrapping_sub(1)).copied().unwrap_or(0);
    let days = year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + shift + i64::from(time.day);
    usize::try_from(days.rem_euclid(7)).unwrap_or(0)
}

/// The same colour for the same nick, always (FNV-1a).
fn nick_colour(nick: &str) -> usize {
    let hash = nick
        .to_ascii_lowercase()
        .bytes()
        .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    hash as usize % NICKS.len()
}

/// Whether a text has this nick in it as a word.
pub fn calls(text: &str, nick: &str) -> bool {
    let (text, nick) = (text.to_lowercase(), nick.to_lowercase());
    let is_inner = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    !nick.is_empty()
        && text.match_indices(&nick).any(|(at, found)| {
            let before = text[..at].chars().next_back();
            let after = text[at + found.len()..].chars().next();
            !before.is_some_and(is_inner) && !after.is_some_and(is_inner)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> Message {
        let (group, nick, text) = ("#g".into(), "bob".into(), text.into());
        Message { group, nick, text, time_ms: Some(1_700_000_000_000), ..Message::default() }
    }

    fn shown(looks: &mut Looks, message: &Message) -> String {
        let around = Around { nick: "ann", group: Some("#g"), now_ms: 0, columns: None };
        let line = looks.message(message, around).pop().unwrap();
        // Times depend on where the test runs.
        line.split_once(' ').unwrap().1.to_string()
    }

    #[test]
    fn messages_in_plain_text() {
        let mut looks = Looks::new(false);
        assert_eq!(shown(&mut looks, &message("hi \x1b[2J\u{202e}ann")), "<bob> hi \u{fffd}[2J\u{fffd}ann");
        let action = Message { is_action: true, ..message("waves") };
        assert_eq!(shown(&mut looks, &action), "* bob waves");
        assert_eq!(shown(&mut looks, &Message { is_notice: true, ..message("n") }), "-bob- n");
        assert_eq!(shown(&mut looks, &Message { group: "#x".into(), ..message("n") }), "#x <bob> n");
        let private = Message { is_private: true, group: "bob".into(), ..message("psst") };
        assert_eq!(shown(&mut looks, &private), "[bob → ann] psst");
        let own = Message { is_own: true, nick: "ann".into(), ..private };
        assert_eq!(shown(&mut looks, &own), "[ann → bob] psst");
        assert_eq!(shown(&mut looks, &Message { is_history: true, ..message("old") }), "<bob> old");
    }

    #[test]
    fn colours_are_only_ours() {
        let mut looks = Looks::new(true);
        let line = shown(&mut looks, &message("a\x1b[31mb"));
        assert!(line.contains("a\u{fffd}[31mb") && line.contains("bob\x1b[0m>"), "{line:?}");
        assert!(shown(&mut looks, &message("hey ann!")).contains("\x1b[1;33mbob"));
        let old = Message { is_history: true, ..message("hey ann!") };
        assert!(
            looks.message(&old, Around { nick: "ann", group: None, now_ms: 0, columns: None })[0].starts_with(DIM)
        );
    }

    #[test]
    fn long_lines_are_broken_at_blanks() {
        let line = "12:30 <bob> one two three four five";
        assert_eq!(folded(line, 20), ["12:30 <bob> one two", "      three four", "      five"]);
        assert_eq!(folded(line, 12), [line], "too narrow to be worth it");
        let painted = "\x1b[2m12:30\x1b[0m <\x1b[1mbob\x1b[0m> one two three";
        assert_eq!(folded(painted, 20), ["\x1b[2m12:30\x1b[0m <\x1b[1mbob\x1b[0m> one two", "      three"]);
        let link = format!("12:30 <bob> see magnet:{} there", "x".repeat(40));
        assert_eq!(
            folded(&link, 30),
            ["12:30 <bob> see".to_string(), format!("      magnet:{} there", "x".repeat(40))]
        );
    }

    #[test]
    fn days_are_told_once() {
        let mut looks = Looks::new(false);
        let around = Around { nick: "ann", group: Some("#g"), now_ms: 0, columns: None };
        let first = looks.message(&message("a"), around);
        assert!(first.len() == 2 && first[0].contains("November 2023 ──"), "{first:?}");
        assert_eq!(looks.message(&message("b"), around).len(), 1);
        let later = Message { time_ms: Some(1_700_200_000_000), ..message("c") };
        assert_eq!(looks.message(&later, around).len(), 2);
        let day = |year, month, day| weekday(LocalTime { year, month, day, hour: 0, minute: 0, second: 0 });
        assert_eq!((day(2026, 11, 20), day(2024, 2, 29), day(2000, 1, 1)), (5, 4, 6));
    }

    #[test]
    fn a_nick_is_called_as_a_word() {
        for text in ["ann", "Hi Ann!", "ann: yes", "(ann)"] {
            assert!(calls(text, "ann"), "{text}");
        }
        for text in ["anna", "joann", "ann_", "x"] {
            assert!(!calls(text, "ann"), "{text}");
        }
    }
}
