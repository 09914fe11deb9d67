//! One input's answers: what the member who spoke is told, gathered and, where it asked with a label, labelled.

use crate::base::{ConnId, Time};
use crate::machine::{Command, Outbox};
use crate::wire::irc::{Writer, escape};

/// What a handler has besides the groups themselves.
#[derive(Debug)]
pub struct Turn<'a> {
    pub now: Time,
    /// Milliseconds since 1970.
    pub wall_ms: u64,
    pub out: &'a mut Outbox,
    /// Who spoke.
    conn: ConnId,
    /// The server's name.
    name: &'a str,
    replies: Vec<u8>,
    /// Of the command under way: its label, and where its replies begin.
    label: Option<(String, usize)>,
    batches: u32,
}

impl<'a> Turn<'a> {
    /// A turn of the member with this connection.
    pub fn new(now: Time, name: &'a str, conn: ConnId, out: &'a mut Outbox) -> Turn<'a> {
        Turn { now, wall_ms: out.wall_ms, out, conn, name, replies: Vec::new(), label: None, batches: 0 }
    }

    /// A line of the server to the member who spoke.
    pub fn server(&mut self, command: &str) -> Writer<'_> {
        Writer::new(&mut self.replies).source(self.name).command(command)
    }

    /// A numeric reply to the member who spoke, whose nick (or `*`) comes first.
    pub fn numeric(&mut self, code: u16, nick: &str) -> Writer<'_> {
        let digits = [100, 10, 1].map(|place| b'0' + (code / place % 10) as u8);
        let digits = std::str::from_utf8(&digits).unwrap_or("000");
        Writer::new(&mut self.replies).source(self.name).command(digits).param(nick)
    }

    /// A numeric reply as often as it takes to say all `words`, divided by blanks, as the last parameter.
    pub fn numeric_words<'w>(
        &mut self,
        code: u16,
        nick: &str,
        params: &[&str],
        words: impl Iterator<Item = &'w str>,
    ) {
        let head = self.name.len() + nick.len() + params.iter().map(|param| param.len() + 1).sum::<usize>() + 12;
        let mut text = String::new();
        let mut say = |text: &str| {
            let line = params.iter().fold(self.numeric(code, nick), |line, param| line.param(param));
            line.last(text).end();
        };
        for word in words {
            if !text.is_empty() && head + text.len() + word.len() > crate::wire::irc::LINE_LEN - 2 {
                say(&text);
                text.clear();
            }
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(word);
        }
        if !text.is_empty() {
            say(&text);
        }
    }

    /// Whole lines to the member who spoke.
    pub fn lines(&mut self, bytes: &[u8]) {
        self.replies.extend_from_slice(bytes);
    }

    /// The buffer of replies, for a [`Writer`] of one's own.
    pub fn replies(&mut self) -> &mut Vec<u8> {
        &mut self.replies
    }

    /// A name for a batch that this member has not seen in this turn.
    pub fn new_batch(&mut self) -> String {
        self.batches += 1;
        format!("b{:x}{}", self.now.0, self.batches)
    }

    /// A command begins that asks for this label on its replies.
    pub fn begin(&mut self, label: Option<&str>) {
        self.label = label.map(|label| (escape(label).into_owned(), self.replies.len()));
    }

    /// The command is over: its replies get their label (IRCv3 labeled-response): one is tagged itself, several are
    /// put into a batch, and where there are none, that is said.
    pub fn finish(&mut self) {
        let Some((label, from)) = self.label.take() else { return };
        let said = self.replies.split_off(from);
        let mut lines = said.split_inclusive(|byte| *byte == b'\n');
        let tag = format!("label={label}");
        match (lines.next(), lines.next()) {
            (None, _) => Writer::new(&mut self.replies).written_tag(&tag).source(self.name).command("ACK").end(),
            (Some(only), None) => tag_line(only, &tag, &mut self.replies),
            (Some(_), Some(_)) => {
                let batch = self.new_batch();
                let opening = Writer::new(&mut self.replies).written_tag(&tag).source(self.name).command("BATCH");
                opening.param(&format!("+{batch}")).param("labeled-response").end();
                let tag = format!("batch={batch}");
                for line in said.split_inclusive(|byte| *byte == b'\n') {
                    // One that is in a batch of its own is in this one by that batch's opening.
                    match line.starts_with(b"@batch=") {
                        true => self.replies.extend_from_slice(line),
                        false => tag_line(line, &tag, &mut self.replies),
                    }
                }
                self.server("BATCH").param(&format!("-{batch}")).end();
            }
        }
    }

    /// The label of the command under way, as it is written, for a reply that comes later: until then there is none.
    pub fn take_label(&mut self) -> Option<String> {
        self.label.take().map(|(label, _)| label)
    }

    /// Whether this is the connection of the member who spoke.
    pub fn is_of(&self, conn: ConnId) -> bool {
        self.conn == conn
    }

    /// Sends what was gathered.
    pub fn send(&mut self) {
        let bytes = std::mem::take(&mut self.replies);
        if !bytes.is_empty() {
            self.out.send(self.conn, bytes);
        }
    }

    /// Sends what was gathered; the driver says when all of it has left.
    pub fn send_told(&mut self) {
        let bytes = std::mem::take(&mut self.replies);
        self.out.push(Command::SendTold { conn: self.conn, bytes });
    }

    /// Bytes gathered.
    pub fn gathered(&self) -> usize {
        self.replies.len()
    }
}

/// A line with one more tag, in front.
fn tag_line(line: &[u8], tag: &str, to: &mut Vec<u8>) {
    to.push(b'@');
    to.extend_from_slice(tag.as_bytes());
    match line.strip_prefix(b"@") {
        Some(tagged) => {
            to.push(b';');
            to.extend_from_slice(tagged);
        }
        None => {
            to.push(b' ');
            to.extend_from_slice(line);
        }
    }
}
