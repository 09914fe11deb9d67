//! Lines, written: whatever it is told, a [`Writer`] makes exactly one line.

use super::escape;

/// Builds one line at the end of a buffer: tags, then a source, then a command, then parameters; [`Self::end`] ends it.
#[derive(Debug)]
pub struct Writer<'a> {
    to: &'a mut Vec<u8>,
    has_tags: bool,
}

impl<'a> Writer<'a> {
    /// A line behind what the buffer holds.
    pub fn new(to: &'a mut Vec<u8>) -> Writer<'a> {
        Writer { to, has_tags: false }
    }

    /// A tag with a value, which is escaped here.
    #[must_use]
    pub fn tag(self, key: &str, value: &str) -> Writer<'a> {
        let writer = self.written_tag(key);
        if !value.is_empty() {
            writer.to.push(b'=');
            writer.to.extend_from_slice(escape(value).as_bytes());
        }
        writer
    }

    /// A tag as it was read from another line: `key` or `key=value`.
    #[must_use]
    pub fn written_tag(mut self, tag: &str) -> Writer<'a> {
        self.to.push(if self.has_tags { b';' } else { b'@' });
        self.has_tags = true;
        self.to.extend_from_slice(tag.as_bytes());
        self
    }

    /// Who says it.
    #[must_use]
    pub fn source(mut self, source: &str) -> Writer<'a> {
        self.end_tags();
        self.to.push(b':');
        self.to.extend_from_slice(source.as_bytes());
        self.to.push(b' ');
        self
    }

    /// The command; after it no tag and no source.
    #[must_use]
    pub fn command(mut self, command: &str) -> Writer<'a> {
        self.end_tags();
        self.to.extend_from_slice(command.as_bytes());
        self
    }

    /// A parameter that is one word. What is none is made one: it must not become several.
    #[must_use]
    pub fn param(self, param: &str) -> Writer<'a> {
        self.to.push(b' ');
        if param.is_empty() {
            self.to.push(b'*');
        }
        let is_bad = |at: usize, byte: u8| matches!(byte, b' ' | b'\r' | b'\n' | 0) || (at == 0 && byte == b':');
        self.to.extend(param.bytes().enumerate().map(|(at, byte)| if is_bad(at, byte) { b'_' } else { byte }));
        self
    }

    /// The last parameter, which may be any text; line ends in it become blanks.
    #[must_use]
    pub fn last(self, text: &str) -> Writer<'a> {
        self.to.extend_from_slice(b" :");
        self.to.extend(text.bytes().map(|byte| if matches!(byte, b'\r' | b'\n' | 0) { b' ' } else { byte }));
        self
    }

    /// The end of the line.
    pub fn end(self) {
        self.to.extend_from_slice(b"\r\n");
    }

    fn end_tags(&mut self) {
        if std::mem::take(&mut self.has_tags) {
            self.to.push(b' ');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Limits, Line};
    use super::*;

    fn line(make: impl FnOnce(Writer<'_>) -> Writer<'_>) -> String {
        let mut to = Vec::new();
        make(Writer::new(&mut to)).end();
        String::from_utf8(to).unwrap()
    }

    #[test]
    fn lines_are_written() {
        let full = line(|w| {
            w.tag("time", "a b").written_tag("+x=1").source("n!u@h").command("PRIVMSG").param("#g").last("hi :)")
        });
        assert_eq!(full, "@time=a\\sb;+x=1 :n!u@h PRIVMSG #g :hi :)\r\n");
        assert_eq!(line(|w| w.command("PING")), "PING\r\n");
        assert_eq!(line(|w| w.tag("draft/x", "").command("AWAY").last("")), "@draft/x AWAY :\r\n");
    }

    #[test]
    fn whatever_it_is_told_it_is_one_line_with_these_parameters() {
        let text = line(|w| w.command("X").param("").param("a b").param(":c").param("d:\n").last("e\r\nQUIT\0"));
        assert_eq!(text, "X * a_b _c d:_ :e  QUIT \r\n");
        let read = Line::parse(text.trim_end_matches("\r\n").as_bytes(), Limits::OF_CLIENT).unwrap();
        assert_eq!(read.params(), ["*", "a_b", "_c", "d:_", "e  QUIT "]);
    }
}
