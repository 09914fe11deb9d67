//! What a terminal sends when keys are pressed: bytes to keys, at any split. Pure.

use std::mem;

/// Longest sequence of one key that makes sense; what is longer is thrown away.
const SEQUENCE_LEN: usize = 32;
/// Longest paste taken in one piece: more comes as another one.
const PASTE_LEN: usize = 16 * 1024;
/// What stands around pasted text (bracketed paste).
const PASTE_START: &[u8] = b"[200~";
const PASTE_END: &[u8] = b"\x1b[201~";

/// A key, or a text that was pasted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Key {
    Char(char),
    /// Control and this small letter.
    Ctrl(char),
    Enter,
    Tab,
    Backspace,
    Delete,
    Left,
    Right,
    Up,
    Down,
    Home,
    End,
    WordLeft,
    WordRight,
    /// Alt-Backspace.
    WordBackspace,
    /// Its lines end in `\n`.
    Paste(String),
}

/// Puts keys together from bytes as they come.
#[derive(Debug, Default)]
pub struct Keys {
    /// An unfinished key: a part of a character, or an escape sequence from its `ESC` on.
    begun: Vec<u8>,
    /// Inside a paste: what came so far.
    paste: Option<Vec<u8>>,
}

impl Keys {
    /// Takes bytes in and gives the keys that are complete.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<Key> {
        let mut keys = Vec::new();
        for &byte in bytes {
            if self.paste.is_some() {
                self.pasted(byte, &mut keys);
            } else {
                self.typed(byte, &mut keys);
            }
        }
        keys
    }

    fn typed(&mut self, byte: u8, keys: &mut Vec<Key>) {
        match self.begun.first() {
            Some(0x1b) => return self.escaped(byte, keys),
            Some(_) if byte & 0xc0 == 0x80 => {
                self.begun.push(byte);
                return self.end_character(keys);
            }
            Some(_) => {
                // A character that broke off.
                self.begun.clear();
                keys.push(Key::Char(char::REPLACEMENT_CHARACTER));
            }
            None => {}
        }
        match byte {
            0x1b | 0xc2..=0xf4 => self.begun.push(byte),
            b'\r' | b'\n' => keys.push(Key::Enter),
            b'\t' => keys.push(Key::Tab),
            0x08 | 0x7f => keys.push(Key::Backspace),
            0x01..=0x1a => keys.push(Key::Ctrl(char::from(b'a' + byte - 1))),
            0x20..0x7f => keys.push(Key::Char(char::from(byte))),
            0 | 0x1c..=0x1f => {}
            _ => keys.push(Key::Char(char::REPLACEMENT_CHARACTER)),
        }
    }

    /// A character is complete when its first byte says so.
    fn end_character(&mut self, keys: &mut Vec<Key>) {
        let len = match self.begun[0] {
            ..0xe0 => 2,
            0xe0..0xf0 => 3,
            _ => 4,
        };
        if self.begun.len() == len {
            let c = std::str::from_utf8(&self.begun).ok().and_then(|text| text.chars().next());
            keys.push(Key::Char(c.unwrap_or(char::REPLACEMENT_CHARACTER)));
            self.begun.clear();
        }
    }

    /// A byte behind `ESC`.
    fn escaped(&mut self, byte: u8, keys: &mut Vec<Key>) {
        if byte == 0x1b {
            self.begun.truncate(1);
            return;
        }
        self.begun.push(byte);
        let sequence = &self.begun[1..];
        let is_over = match sequence {
            [b'[' | b'O'] => false,
            [b'[', .., last] => (0x40..=0x7e).contains(last),
            _ => true,
        };
        if !is_over && sequence.len() < SEQUENCE_LEN {
            return;
        }
        let sequence = mem::take(&mut self.begun).split_off(1);
        if sequence == PASTE_START {
            self.paste = Some(Vec::new());
        } else if let Some(key) = meaning(&sequence) {
            keys.push(key);
        }
    }

    fn pasted(&mut self, byte: u8, keys: &mut Vec<Key>) {
        let Some(paste) = &mut self.paste else { return };
        paste.push(byte);
        let is_over = paste.ends_with(PASTE_END);
        if is_over {
            paste.truncate(paste.len() - PASTE_END.len());
        }
        if is_over || (paste.len() >= PASTE_LEN && !PASTE_END.contains(&byte) && byte & 0x80 == 0) {
            let text = String::from_utf8_lossy(paste).replace("\r\n", "\n").replace('\r', "\n");
            self.paste = (!is_over).then(Vec::new);
            keys.push(Key::Paste(text));
        }
    }
}

/// What stands behind `ESC`, as xterm, the Linux console, screen and tmux send it.
fn meaning(sequence: &[u8]) -> Option<Key> {
    let word = |ends: bool, plain: Key| match (ends, plain) {
        (true, Key::Left) => Key::WordLeft,
        (true, Key::Right) => Key::WordRight,
        (_, plain) => plain,
    };
    Some(match sequence {
        [b'b'] => Key::WordLeft,
        [b'f'] => Key::WordRight,
        [0x7f | 0x08] => Key::WordBackspace,
        [b'\r' | b'\n'] => Key::Enter,
        [b'[', b'1' | b'7', b'~'] => Key::Home,
        [b'[', b'4' | b'8', b'~'] => Key::End,
        [b'[', b'3', b'~'] => Key::Delete,
        [b'[' | b'O', middle @ .., last] => {
            // `1;5` and `5`: with Control; `1;3` and `3`: with Alt.
            let with_word = matches!(middle, [.., b'5' | b'3']);
            match last {
                b'A' => Key::Up,
                b'B' => Key::Down,
                b'C' => word(with_word, Key::Right),
                b'D' => word(with_word, Key::Left),
                b'H' => Key::Home,
                b'F' => Key::End,
                b'c' => Key::WordRight,
                b'd' => Key::WordLeft,
                _ => return None,
            }
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(bytes: &[u8]) -> Vec<Key> {
        Keys::default().feed(bytes)
    }

    #[test]
    fn keys_at_every_split() {
        let all = "a\u{e9}日👍\r\t\x7f\x01\x1b[A\x1bOB\x1b[1;5C\x1b[5D\x1b[H\x1b[4~\x1b[3~\x1bb\x1b\x7f\x1b[200~x\r\ny\x1b[201~z";
        let expected = vec![
            Key::Char('a'),
            Key::Char('\u{e9}'),
            Key::Char('日'),
            Key::Char('👍'),
            Key::Enter,
            Key::Tab,
            Key::Backspace,
            Key::Ctrl('a'),
            Key::Up,
            Key::Down,
            Key::WordRight,
            Key::WordLeft,
            Key::Home,
            Key::End,
            Key::Delete,
            Key::WordLeft,
            Key::WordBackspace,
            Key::Paste("x\ny".into()),
            Key::Char('z'),
        ];
        assert_eq!(keys(all.as_bytes()), expected);
        for split in 0..all.len() {
            let mut halves = Keys::default();
            let mut found = halves.feed(&all.as_bytes()[..split]);
            found.extend(halves.feed(&all.as_bytes()[split..]));
            assert_eq!(found, expected, "split at {split}");
        }
    }

    #[test]
    fn nonsense_is_no_key_and_takes_no_memory() {
        assert_eq!(keys(b"\x1b[99;99;99u\x1b[Zx"), [Key::Char('x')]);
        assert_eq!(keys(b"\xc3x\xff"), [Key::Char('\u{fffd}'), Key::Char('x'), Key::Char('\u{fffd}')]);
        let mut endless = Keys::default();
        endless.feed(b"\x1b[");
        endless.feed(&[b'1'; 100_000]);
        assert!(endless.begun.len() <= SEQUENCE_LEN + 1);
        let mut endless = Keys::default();
        let pieces = endless.feed(&[b"\x1b[200~".as_slice(), &[b'x'; 100_000]].concat());
        assert_eq!(pieces.len(), 100_000 / PASTE_LEN);
        assert!(endless.paste.is_some_and(|paste| paste.len() < PASTE_LEN));
    }
}
