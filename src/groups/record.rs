//! The file of history: one line per message and per change of a group, each with a check sum, so that a torn or
//! spoiled line costs only itself.
//!
//! A line is 16 hexadecimal digits of check sum, a blank, and a line of IRC: a message as others got it, or one of
//! `GROUP name made modes values…` (which ends what was known of the group's topic and lists), `TOPIC name at by
//! :text`, `MASK name letter mask by at`, `END name` (the group is no more, nor what was said in it).

use super::Groups;
use super::event::Event;
use super::group::{Entry, Group, Modes, Topic};
use super::ids::MsgId;
use super::ring::Said;
use crate::base::keyed::Secret;
use crate::wire::irc::{Limits, Line, Writer, read_time};

/// Not secret: it finds torn lines, not forged ones.
const CHECK: Secret = Secret(0x7065_6572_6c69_6e6b, 0x6869_7374_6f72_7900);

/// Bytes of the check sum and the blank.
const HEAD_LEN: usize = 17;

/// The client tag by which a sender names its message.
pub const OWN_ID: &str = "+peerlink/id";

/// Appends a line (which ends in CR LF) as the file has it.
pub fn write(line: &[u8], to: &mut Vec<u8>) {
    let line = line.strip_suffix(b"\r\n").unwrap_or(line);
    let sum = CHECK.spread(line);
    to.extend(format!("{sum:016x} ").bytes());
    to.extend_from_slice(line);
    to.push(b'\n');
}

/// The line of a record; None where it is torn or spoiled.
fn read(record: &[u8]) -> Option<&[u8]> {
    let (head, line) = record.split_at_checked(HEAD_LEN)?;
    let sum = u64::from_str_radix(std::str::from_utf8(&head[..16]).ok()?, 16).ok()?;
    (head[16] == b' ' && sum == CHECK.spread(line)).then_some(line)
}

/// What a group is, besides who sits in it and what was said.
pub fn write_group(group: &Group, to: &mut Vec<u8>) {
    let mut line = Vec::new();
    let mut record = |write_line: &dyn Fn(Writer<'_>)| {
        line.clear();
        write_line(Writer::new(&mut line));
        write(&line, to);
    };
    let (letters, values) = group.modes_text(true);
    record(&|line| {
        let line = line.command("GROUP").param(&group.name).param(&group.made_s.to_string()).param(&letters);
        values.iter().fold(line, |line, value| line.param(value)).end();
    });
    if let Some(topic) = &group.topic {
        record(&|line| {
            let line = line.command("TOPIC").param(&group.name).param(&topic.at_s.to_string());
            line.param(&topic.by).last(&topic.text).end();
        });
    }
    for letter in ['b', 'e', 'I'] {
        for entry in group.lists.of(letter) {
            record(&|line| {
                let line = line.command("MASK").param(&group.name).param(&letter.to_string()).param(&entry.mask);
                line.param(&entry.by).param(&entry.at_s.to_string()).end();
            });
        }
    }
}

pub fn write_end(name: &str, to: &mut Vec<u8>) {
    let mut line = Vec::new();
    Writer::new(&mut line).command("END").param(name).end();
    write(&line, to);
}

impl Groups {
    /// Takes in what earlier runs left. The lines that were no records.
    pub fn restore(&mut self, bytes: &[u8]) -> usize {
        if self.options.history.is_none() {
            return 0;
        }
        let mut bad = 0;
        for record in bytes.split_inclusive(|byte| *byte == b'\n') {
            // A record that the disk had no room for the end of has no line end.
            let whole = record.strip_suffix(b"\n").and_then(read);
            let is_good = whole.is_some_and(|line| self.restore_line(line).is_some());
            bad += usize::from(!is_good);
        }
        self.gate.file_len = bytes.len();
        self.gate.is_torn = bad > 0;
        bad
    }

    fn restore_line(&mut self, bytes: &[u8]) -> Option<()> {
        let line = Line::parse(bytes, Limits::OF_SERVER).ok()?;
        let at = |place: usize| line.param(place);
        match line.command {
            "PRIVMSG" | "NOTICE" => {
                let group = self.restored(at(0)?)?;
                let id = MsgId::read(line.tags.raw("msgid")?)?;
                let at_ms = read_time(line.tags.raw("time")?)?;
                let own_id = line.tags.raw(OWN_ID).map(|own| self.own_id(at(0).unwrap_or_default(), own));
                let mut full = bytes.to_vec();
                full.extend_from_slice(b"\r\n");
                let body = bytes.iter().position(|byte| *byte == b' ')? + 1;
                let event = Event::read(&full, body)?;
                let ring = &mut self.rooms[group].ring;
                if ring.last().is_some_and(|last| last.id >= id) {
                    return None;
                }
                let len = ring.len();
                ring.push(Said { id, at_ms, event, own_id }, self.options.history?);
                self.history_len = self.history_len + self.rooms[group].ring.len() - len;
                self.last_id = self.last_id.max(id);
            }
            "GROUP" => {
                let group = self.restored(at(0)?)?;
                let group = &mut self.rooms[group];
                group.made_s = at(1)?.parse().ok()?;
                group.modes = read_modes(at(2)?, &line.params()[3..])?;
                group.topic = None;
                group.lists = Default::default();
            }
            "TOPIC" => {
                let group = self.restored(at(0)?)?;
                let topic = Topic { at_s: at(1)?.parse().ok()?, by: at(2)?.into(), text: at(3)?.into() };
                self.rooms[group].topic = Some(Box::new(topic));
            }
            "MASK" => {
                let group = self.restored(at(0)?)?;
                let letter = at(1)?.chars().next().filter(|letter| "beI".contains(*letter))?;
                let entry = Entry { mask: at(2)?.into(), by: at(3)?.into(), at_s: at(4)?.parse().ok()? };
                self.rooms[group].lists.add(letter, entry).ok()?;
            }
            "END" => {
                if let Some(group) = self.rooms.find(at(0)?) {
                    self.drop_group(group);
                }
            }
            _ => return None,
        }
        Some(())
    }
}

/// Reads what [`Group::modes_text`] wrote.
fn read_modes(letters: &str, values: &[&str]) -> Option<Modes> {
    let mut values = values.iter();
    let mut modes = Modes { no_outside: false, topic_by_ops: false, ..Modes::default() };
    for letter in letters.strip_prefix('+')?.chars() {
        match letter {
            'i' => modes.invite_only = true,
            'm' => modes.moderated = true,
            'n' => modes.no_outside = true,
            's' => modes.secret = true,
            't' => modes.topic_by_ops = true,
            'k' => modes.key = Some((*values.next()?).into()),
            'l' => modes.limit = Some(values.next()?.parse().ok()?),
            _ => return None,
        }
    }
    Some(modes)
}
