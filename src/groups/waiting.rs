//! Private messages that wait for the owner of a nick who is not here. Bounded in count, bytes and age, kept on disk.

use std::collections::VecDeque;

use super::event::Event;
use crate::base::ConnId;
use crate::seal::PublicKey;

/// Messages that wait for one key, and their bytes.
const PER_KEY_MAX: usize = 64;
const PER_KEY_LEN: usize = 128 * 1024;
/// Of those, what one address may have left: nobody fills another's box alone.
const PER_SENDER_MAX: usize = 16;
/// Bytes of all that wait: the file is written whole.
const LEN_MAX: usize = 1024 * 1024;
/// What waits for longer is not wanted any more.
const AGE_MAX_S: u64 = 30 * 86_400;
/// Begins the file.
const HEAD: &str = "peerlink waiting 1";
/// A longer file is not ours.
pub const FILE_LEN_MAX: usize = 2 * LEN_MAX;

/// A message, as its receiver is told it.
#[derive(Clone, Debug)]
struct Waiting {
    number: u64,
    to: PublicKey,
    /// The sender's address.
    from: Box<str>,
    /// Seconds since 1970.
    said_s: u64,
    event: Event,
}

/// Why a message does not wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refused {
    /// Too many wait for this receiver, of all or of this sender.
    Full,
}

/// See the module.
#[derive(Debug, Default)]
pub struct WaitingRoom {
    /// By number.
    messages: VecDeque<Waiting>,
    last_number: u64,
    len: usize,
    /// What senders are told when the next save, and the one under way, has ended.
    unsaved: Vec<(ConnId, Vec<u8>)>,
    in_save: Vec<(ConnId, Vec<u8>)>,
}

impl WaitingRoom {
    /// A message waits; its sender is told so by `reply` when it is on disk.
    ///
    /// # Errors
    /// There is no room.
    pub fn put(&mut self, to: PublicKey, from: &str, now_s: u64, event: Event) -> Result<(), Refused> {
        self.forget_old(now_s);
        let for_key = self.messages.iter().filter(|waiting| waiting.to == to);
        let (mut count, mut len, mut of_sender) = (0, 0, 0);
        for waiting in for_key {
            count += 1;
            len += waiting.event.full().len();
            of_sender += usize::from(*waiting.from == *from);
        }
        let own = event.full().len();
        let is_full = count >= PER_KEY_MAX || len + own > PER_KEY_LEN || self.len + own > LEN_MAX;
        if is_full || of_sender >= PER_SENDER_MAX {
            return Err(Refused::Full);
        }
        self.last_number += 1;
        self.len += own;
        self.messages.push_back(Waiting { number: self.last_number, to, from: from.into(), said_s: now_s, event });
        Ok(())
    }

    /// The message of this sender with this tag, which waits already.
    pub fn find(&self, to: &PublicKey, from: &str, tag: &str) -> Option<Event> {
        let is_it = |waiting: &&Waiting| {
            let tags = &waiting.event.full()[..waiting.event.body_at()];
            waiting.to == *to && *waiting.from == *from && tags.windows(tag.len()).any(|part| part == tag.as_bytes())
        };
        self.messages.iter().find(is_it).map(|waiting| waiting.event.clone())
    }

    /// What the sender is told once everything up to now is saved.
    pub fn tell_when_saved(&mut self, conn: ConnId, reply: Vec<u8>) {
        self.unsaved.push((conn, reply));
    }

    /// What waits for a key, in order, and the number of the last.
    pub fn of(&self, key: &PublicKey, now_s: u64) -> (Vec<Event>, u64) {
        let theirs = self.messages.iter().filter(|waiting| waiting.to == *key && !is_old(waiting, now_s));
        let mut last = 0;
        let events = theirs.map(|waiting| {
            last = waiting.number;
            waiting.event.clone()
        });
        (events.collect(), last)
    }

    /// The owner has what waited up to this number. Whether that was anything.
    pub fn has_read(&mut self, key: &PublicKey, number: u64) -> bool {
        let before = self.messages.len();
        self.keep(|waiting| waiting.to != *key || waiting.number > number);
        self.messages.len() < before
    }

    fn forget_old(&mut self, now_s: u64) {
        if self.messages.iter().any(|waiting| is_old(waiting, now_s)) {
            self.keep(|waiting| !is_old(waiting, now_s));
        }
    }

    fn keep(&mut self, is_kept: impl Fn(&Waiting) -> bool) {
        self.messages.retain(is_kept);
        self.len = self.messages.iter().map(|waiting| waiting.event.full().len()).sum();
    }

    /// What [`Self::load`] reads; what is told to senders once it is saved waits for [`Self::saved`].
    pub fn write(&mut self) -> Vec<u8> {
        self.in_save.append(&mut self.unsaved);
        let mut bytes = format!("{HEAD}\n").into_bytes();
        for waiting in &self.messages {
            let Waiting { to, from, said_s, event, .. } = waiting;
            bytes.extend_from_slice(format!("{to} {from} {said_s} {}\n", event.body_at()).as_bytes());
            bytes.extend_from_slice(event.full());
        }
        bytes
    }

    /// A save has ended: who is told what.
    pub fn saved(&mut self) -> Vec<(ConnId, Vec<u8>)> {
        std::mem::take(&mut self.in_save)
    }

    /// What was saved. What is damaged, and all behind it, is lost.
    pub fn load(&mut self, bytes: &[u8], now_s: u64) {
        let mut lines = bytes.split_inclusive(|byte| *byte == b'\n');
        if lines.next() != Some(format!("{HEAD}\n").as_bytes()) {
            return log::warn!("waiting messages are lost: the file is damaged or of another version");
        }
        while let (Some(head), Some(line)) = (lines.next(), lines.next()) {
            let Some(waiting) = read(head, line) else {
                return log::warn!("some waiting messages are lost: the file is damaged");
            };
            if !is_old(&waiting, now_s) {
                // The bounds hold for what is read as well.
                _ = self.put(waiting.to, &waiting.from, waiting.said_s, waiting.event);
            }
        }
    }

    pub fn check(&self) {
        assert!(self.len <= LEN_MAX && self.messages.iter().is_sorted_by_key(|waiting| waiting.number));
        assert_eq!(self.len, self.messages.iter().map(|waiting| waiting.event.full().len()).sum::<usize>());
    }
}

fn is_old(waiting: &Waiting, now_s: u64) -> bool {
    now_s.saturating_sub(waiting.said_s) > AGE_MAX_S
}

fn read(head: &[u8], line: &[u8]) -> Option<Waiting> {
    let head = std::str::from_utf8(head).ok()?.strip_suffix('\n')?;
    let mut words = head.split(' ');
    let (to, from) = (PublicKey::parse(words.next()?)?, words.next()?);
    let (said_s, body) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let event = Event::read(line, body)?;
    Some(Waiting { number: 0, to, from: from.into(), said_s, event })
}

#[cfg(test)]
mod tests {
    use super::super::ids::MsgId;
    use super::*;

    const ANNA: PublicKey = PublicKey([1; 32]);
    const BOB: PublicKey = PublicKey([2; 32]);

    fn message(text: &str) -> Event {
        let tags = [format!("+peerlink/id={text}")];
        Event::message(1_700_000_000_000, MsgId(5), false, tags.iter().map(String::as_str), |line| {
            line.source("eve!e@h").command("PRIVMSG").param("anna").last(text).end();
        })
    }

    fn texts(room: &WaitingRoom, key: &PublicKey) -> Vec<String> {
        let text =
            |event: &Event| String::from_utf8_lossy(event.full()).trim_end().rsplit_once(':').unwrap().1.to_string();
        room.of(key, 100).0.iter().map(text).collect()
    }

    #[test]
    fn messages_wait_in_order_for_their_key_until_they_are_read() {
        let mut room = WaitingRoom::default();
        for (to, text) in [(ANNA, "one"), (BOB, "two"), (ANNA, "three")] {
            room.put(to, "192.0.2.1", 100, message(text)).unwrap();
        }
        assert_eq!(texts(&room, &ANNA), ["one", "three"]);
        assert!(room.find(&ANNA, "192.0.2.1", "+peerlink/id=three").is_some());
        assert!(room.find(&BOB, "192.0.2.1", "+peerlink/id=three").is_none());
        let bytes = room.write();
        let mut again = WaitingRoom::default();
        again.load(&bytes, 100);
        again.check();
        assert_eq!(
            (texts(&again, &ANNA), texts(&again, &BOB)),
            (vec!["one".into(), "three".into()], vec!["two".to_string()])
        );
        let (_, last) = again.of(&ANNA, 100);
        again.put(ANNA, "192.0.2.1", 100, message("late")).unwrap();
        assert!(again.has_read(&ANNA, last) && !again.has_read(&ANNA, last));
        assert_eq!((texts(&again, &ANNA), texts(&again, &BOB)), (vec!["late".to_string()], vec!["two".to_string()]));
        // Every cut of the file is read without trouble.
        for len in 0..bytes.len() {
            let mut cut = WaitingRoom::default();
            cut.load(&bytes[..len], 100);
            cut.check();
        }
    }

    #[test]
    fn there_is_a_bound_for_a_sender_for_a_key_and_for_all() {
        let mut room = WaitingRoom::default();
        let put = |room: &mut WaitingRoom, to, from: usize, text: &str| {
            room.put(to, &format!("h{from}"), 100, message(text))
        };
        for _ in 0..PER_SENDER_MAX {
            put(&mut room, ANNA, 0, "x").unwrap();
        }
        assert_eq!(put(&mut room, ANNA, 0, "x"), Err(Refused::Full));
        for number in PER_SENDER_MAX..PER_KEY_MAX {
            put(&mut room, ANNA, number, "x").unwrap();
        }
        assert_eq!(put(&mut room, ANNA, 1000, "x"), Err(Refused::Full));
        let long = "y".repeat(4000);
        let mut number: usize = 0;
        while put(&mut room, PublicKey([number as u8; 32]), number, &long).is_ok() {
            number += 1;
            assert!(number < 1000, "no bound for all");
        }
        room.check();
        // What is too old makes room.
        assert!(room.put(ANNA, "h", 101 + AGE_MAX_S, message("new")).is_ok());
        assert_eq!(room.messages.len(), 1);
    }

    #[test]
    fn senders_are_told_after_the_save_that_holds_their_message() {
        let mut room = WaitingRoom::default();
        room.tell_when_saved(ConnId(1), b"one".to_vec());
        room.write();
        room.tell_when_saved(ConnId(2), b"two".to_vec());
        assert_eq!(room.saved(), [(ConnId(1), b"one".to_vec())]);
        room.write();
        assert_eq!(room.saved(), [(ConnId(2), b"two".to_vec())]);
    }
}
