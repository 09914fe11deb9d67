//! One line, read without copying: tags, source, command, parameters.

use super::{CLIENT_TAGS_LEN, LINE_LEN, PARAMS_MAX, SERVER_TAGS_LEN, Tags};

/// A line.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    pub tags: Tags<'a>,
    /// Who says it: `nick!user@host` or a server's name. Clients have no use for it.
    pub source: Option<&'a str>,
    /// A word or three digits, as it was written.
    pub command: &'a str,
    params: [&'a str; PARAMS_MAX],
    count: usize,
}

/// How long a line may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    pub tags: usize,
    /// Without tags and line end.
    pub body: usize,
}

impl Limits {
    /// What a server takes of its clients.
    pub const OF_CLIENT: Limits = Limits { tags: CLIENT_TAGS_LEN, body: LINE_LEN - 2 };
    /// What a client takes of servers: some send longer bodies.
    pub const OF_SERVER: Limits = Limits { tags: SERVER_TAGS_LEN, body: SERVER_TAGS_LEN };
}

/// Why bytes are no line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BadLine {
    /// The tags are longer than they may be, or what is behind them is.
    TooLong,
    /// It is not UTF-8.
    NotUtf8,
    /// A byte that no line has (NUL, CR), or no command.
    Malformed,
}

impl<'a> Line<'a> {
    /// Reads a line that was cut at its end.
    ///
    /// # Errors
    /// When it is longer than allowed, not UTF-8, or has no command of letters or three digits.
    pub fn parse(bytes: &'a [u8], limits: Limits) -> Result<Line<'a>, BadLine> {
        if bytes.len() > limits.tags + 2 + limits.body {
            return Err(BadLine::TooLong);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| BadLine::NotUtf8)?;
        if text.bytes().any(|byte| matches!(byte, 0 | b'\r' | b'\n')) {
            return Err(BadLine::Malformed);
        }
        let (tags, body) = match text.strip_prefix('@') {
            Some(tagged) => tagged.split_once(' ').ok_or(BadLine::Malformed)?,
            None => ("", text),
        };
        if tags.len() > limits.tags || body.len() > limits.body {
            return Err(BadLine::TooLong);
        }
        let mut left = body.trim_start_matches(' ');
        let source = match left.strip_prefix(':') {
            Some(sourced) => {
                let (source, rest) = sourced.split_once(' ').ok_or(BadLine::Malformed)?;
                left = rest.trim_start_matches(' ');
                Some(source)
            }
            None => None,
        };
        let (command, mut left) = left.split_once(' ').unwrap_or((left, ""));
        let is_word = !command.is_empty() && command.bytes().all(|byte| byte.is_ascii_alphabetic());
        let is_numeric = command.len() == 3 && command.bytes().all(|byte| byte.is_ascii_digit());
        if !is_word && !is_numeric {
            return Err(BadLine::Malformed);
        }
        let mut line = Line { tags: Tags::of(tags), source, command, params: [""; PARAMS_MAX], count: 0 };
        loop {
            left = left.trim_start_matches(' ');
            if left.is_empty() {
                return Ok(line);
            }
            let (param, rest) = match left.strip_prefix(':') {
                Some(last) => (last, ""),
                None if line.count + 1 == PARAMS_MAX => (left, ""),
                None => left.split_once(' ').unwrap_or((left, "")),
            };
            line.params[line.count] = param;
            line.count += 1;
            if line.count == PARAMS_MAX || left.starts_with(':') {
                return Ok(line);
            }
            left = rest;
        }
    }

    /// All parameters.
    pub fn params(&self) -> &[&'a str] {
        &self.params[..self.count]
    }

    /// The parameter at this place, counted from 0; None where there is none or an empty one.
    pub fn param(&self, at: usize) -> Option<&'a str> {
        self.params().get(at).copied().filter(|param| !param.is_empty())
    }

    /// The last parameter.
    pub fn last(&self) -> Option<&'a str> {
        self.params().last().copied()
    }

    /// Whether it is this command.
    pub fn is(&self, command: &str) -> bool {
        self.command.eq_ignore_ascii_case(command)
    }
}

/// A person as others name it: `nick!user@host`; a server has a nick only.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Source<'a> {
    pub nick: &'a str,
    pub user: Option<&'a str>,
    pub host: Option<&'a str>,
}

impl<'a> Source<'a> {
    /// Takes a source apart; whatever it is, there is a nick.
    pub fn of(text: &'a str) -> Source<'a> {
        let (names, host) = match text.split_once('@') {
            Some((names, host)) => (names, Some(host)),
            None => (text, None),
        };
        let (nick, user) = match names.split_once('!') {
            Some((nick, user)) => (nick, Some(user)),
            None => (names, None),
        };
        Source { nick, user, host }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<(Option<&str>, &str, Vec<&str>), BadLine> {
        Line::parse(text.as_bytes(), Limits::OF_CLIENT)
            .map(|line| (line.source, line.command, line.params().to_vec()))
    }

    #[test]
    fn lines_are_read_as_the_document_says() {
        let table: [(&str, Option<&str>, &str, &[&str]); 12] = [
            ("PING", None, "PING", &[]),
            ("foo bar baz asdf", None, "foo", &["bar", "baz", "asdf"]),
            (":coolguy foo bar :baz asdf", Some("coolguy"), "foo", &["bar", "baz asdf"]),
            ("foo bar baz :", None, "foo", &["bar", "baz", ""]),
            ("foo bar baz ::asdf", None, "foo", &["bar", "baz", ":asdf"]),
            (":src JOIN :#chan", Some("src"), "JOIN", &["#chan"]),
            ("@a=b;c :src  AWAY  x ", Some("src"), "AWAY", &["x"]),
            ("PRIVMSG #g :  two  blanks ", None, "PRIVMSG", &["#g", "  two  blanks "]),
            (":a!b@c 001 me :Hi", Some("a!b@c"), "001", &["me", "Hi"]),
            ("@tag= PING a:b", None, "PING", &["a:b"]),
            ("MODE #g +b ", None, "MODE", &["#g", "+b"]),
            (
                "X 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17",
                None,
                "X",
                &["1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15 16 17"],
            ),
        ];
        for (text, source, command, params) in table {
            assert_eq!(parsed(text), Ok((source, command, params.to_vec())), "{text}");
        }
    }

    #[test]
    fn bad_lines_are_told_apart() {
        for text in ["", " ", ":src", ":src ", "@tags", "@tags ", "12 a", "1234", "PI\0NG", "PING a\rb", "\u{e9} a"] {
            assert_eq!(parsed(text), Err(BadLine::Malformed), "{text:?}");
        }
        assert_eq!(Line::parse(b"PRIVMSG a :\xff", Limits::OF_CLIENT).err(), Some(BadLine::NotUtf8));
    }

    #[test]
    fn lengths_are_exact() {
        let line = |tags: usize, body: usize| {
            let tags = if tags > 0 { format!("@{} ", "t".repeat(tags)) } else { String::new() };
            let text = format!("{tags}P {}", "x".repeat(body - 2));
            Line::parse(text.as_bytes(), Limits::OF_CLIENT).err()
        };
        assert_eq!((line(0, 510), line(0, 511)), (None, Some(BadLine::TooLong)));
        assert_eq!((line(4094, 510), line(4095, 10)), (None, Some(BadLine::TooLong)));
    }

    #[test]
    fn sources_are_taken_apart() {
        let source = |text| {
            let Source { nick, user, host } = Source::of(text);
            (nick, user, host)
        };
        assert_eq!(source("n!u@h"), ("n", Some("u"), Some("h")));
        assert_eq!(source("irc.example"), ("irc.example", None, None));
        assert_eq!(source("n@h"), ("n", None, Some("h")));
        assert_eq!(source(""), ("", None, None));
    }

    #[test]
    fn nothing_breaks_it() {
        arbtest::arbtest(|u| {
            let bytes: Vec<u8> = u.arbitrary()?;
            if let Ok(line) = Line::parse(&bytes, Limits::OF_CLIENT) {
                assert!(line.params().len() <= PARAMS_MAX && !line.command.is_empty());
                for (key, value) in line.tags.iter() {
                    assert!(!key.is_empty());
                    let _ = super::super::unescape(value);
                }
            }
            Ok(())
        });
    }
}
