//! Bencode (BEP 3): a borrowed, bounded reader of foreign bytes and a small writer.
//!
//! The reader checks a whole document once and allocates nothing but a stack of at most [`Limits::depth`] bytes;
//! values then walk the raw bytes again when asked. Every walk is linear in the value it walks, so callers with many
//! keys of one large dictionary use [`Value::entries`] once rather than [`Value::get`] often.
//!
//! Strict where clients agree (no leading zeros, no `-0`, no integer beyond 64 bits, nothing after the value), lenient
//! where real files are not: unsorted and duplicate keys are read, the first of equal keys wins.

mod check;
mod write;

use std::fmt;

pub use check::{Error, Limits, Problem};
use check::{check, string_end};
pub use write::{DictWriter, Writer};

/// Reads bytes that are exactly one value.
pub fn parse(bytes: &[u8]) -> Result<Value<'_>, Error> {
    parse_with(bytes, Limits::default())
}

/// [`parse`] with other bounds.
pub fn parse_with(bytes: &[u8], limits: Limits) -> Result<Value<'_>, Error> {
    let (value, len) = parse_prefix_with(bytes, limits)?;
    if len < bytes.len() {
        return Err(Error { problem: Problem::Trailing, at: len });
    }
    Ok(value)
}

/// Reads the value that the bytes begin with, and how many bytes it has.
pub fn parse_prefix(bytes: &[u8]) -> Result<(Value<'_>, usize), Error> {
    parse_prefix_with(bytes, Limits::default())
}

/// [`parse_prefix`] with other bounds.
pub fn parse_prefix_with(bytes: &[u8], limits: Limits) -> Result<(Value<'_>, usize), Error> {
    let len = check(bytes, limits)?;
    Ok((Value { raw: &bytes[..len] }, len))
}

/// A checked value: its exact bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Value<'a> {
    raw: &'a [u8],
}

impl<'a> Value<'a> {
    /// The value's bytes as they were given.
    pub fn raw(self) -> &'a [u8] {
        self.raw
    }

    pub fn is_dict(self) -> bool {
        self.raw.first() == Some(&b'd')
    }

    pub fn is_list(self) -> bool {
        self.raw.first() == Some(&b'l')
    }

    /// The number, if this is an integer.
    pub fn as_int(self) -> Option<i64> {
        let digits = self.raw.strip_prefix(b"i")?.strip_suffix(b"e")?;
        std::str::from_utf8(digits).ok()?.parse().ok()
    }

    /// The bytes, if this is a string.
    pub fn as_bytes(self) -> Option<&'a [u8]> {
        if !self.raw.first()?.is_ascii_digit() {
            return None;
        }
        let colon = self.raw.iter().position(|&byte| byte == b':')?;
        self.raw.get(colon + 1..)
    }

    /// The text, if this is a string of valid UTF-8.
    pub fn as_text(self) -> Option<&'a str> {
        std::str::from_utf8(self.as_bytes()?).ok()
    }

    /// A list's values; nothing for other values.
    pub fn items(self) -> impl Iterator<Item = Value<'a>> {
        let mut cursor = Cursor { rest: self.inside(b'l') };
        std::iter::from_fn(move || cursor.value())
    }

    /// A dictionary's keys and values in the order of the bytes; nothing for other values.
    pub fn entries(self) -> impl Iterator<Item = (&'a [u8], Value<'a>)> {
        let mut cursor = Cursor { rest: self.inside(b'd') };
        std::iter::from_fn(move || {
            let key = cursor.value()?.as_bytes()?;
            Some((key, cursor.value()?))
        })
    }

    /// The value of a dictionary's first entry with this key.
    pub fn get(self, key: impl AsRef<[u8]>) -> Option<Value<'a>> {
        let key = key.as_ref();
        self.entries().find(|(name, _)| *name == key).map(|(_, value)| value)
    }

    /// Whether the keys of every dictionary within are in ascending order and differ, as BEP 3 wants.
    pub fn is_sorted(self) -> bool {
        let mut cursor = self.cursor();
        // Per open container the last key; None in lists.
        let mut open: Vec<Option<&[u8]>> = Vec::new();
        while let Some(first) = cursor.peek() {
            match first {
                b'e' => {
                    open.pop();
                    cursor.step();
                }
                b'l' => {
                    open.push(None);
                    cursor.step();
                    continue;
                }
                b'd' => {
                    open.push(Some(&[]));
                    cursor.step();
                }
                _ if cursor.value().is_none() => return false,
                _ => {}
            }
            // After a value, or at a dictionary's begin, comes a key if this is a dictionary that does not end.
            let is_first = first == b'd';
            if let (Some(Some(last)), Some(b'0'..=b'9')) = (open.last_mut(), cursor.peek()) {
                let Some(key) = cursor.value().and_then(Value::as_bytes) else { return false };
                if !is_first && *last >= key {
                    return false;
                }
                *last = key;
            }
        }
        true
    }

    /// Walks the value step by step, in one pass however deep it is.
    pub fn cursor(self) -> Cursor<'a> {
        Cursor { rest: self.raw }
    }

    /// The bytes between a container's first byte and its `e`.
    fn inside(self, kind: u8) -> &'a [u8] {
        match self.raw {
            [first, inside @ .., b'e'] if *first == kind => inside,
            _ => &[],
        }
    }
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = &self.raw[..self.raw.len().min(200)];
        write!(f, "{}{}", shown.escape_ascii(), if shown.len() < self.raw.len() { "…" } else { "" })
    }
}

/// A place within checked bytes.
#[derive(Clone, Copy)]
pub struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    /// The next value's first byte, or `e` where a list or dictionary ends.
    pub fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// Goes into the list or dictionary that begins here, or out of the one that ends here.
    pub fn step(&mut self) {
        if let [b'l' | b'd' | b'e', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }

    /// The next value as a whole; None where its container ends.
    pub fn value(&mut self) -> Option<Value<'a>> {
        let (raw, rest) = self.rest.split_at_checked(checked_len(self.rest)?)?;
        self.rest = rest;
        Some(Value { raw })
    }
}

/// Length of the first value of checked bytes.
fn checked_len(bytes: &[u8]) -> Option<usize> {
    let mut depth = 0_usize;
    let mut at = 0;
    loop {
        match bytes.get(at)? {
            b'l' | b'd' => {
                depth += 1;
                at += 1;
            }
            b'e' => {
                depth = depth.checked_sub(1)?;
                at += 1;
            }
            b'i' => at += bytes[at..].iter().position(|&byte| byte == b'e')? + 1,
            _ => at = string_end(bytes, at).ok()?,
        }
        if depth == 0 {
            return Some(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_and_every_prefix_is_refused() {
        let bytes = b"d1:ai-42e1:b5:hello1:cli1ele3:abcd1:xi0eee1:d0:1:ei9223372036854775807ee";
        let root = parse(bytes).unwrap();
        assert!(root.is_dict() && !root.is_list());
        assert_eq!(root.get("a").and_then(Value::as_int), Some(-42));
        assert_eq!(root.get("b").and_then(Value::as_text), Some("hello"));
        assert_eq!(root.get("d").and_then(Value::as_bytes), Some(&b""[..]));
        assert_eq!(root.get("e").and_then(Value::as_int), Some(i64::MAX));
        assert_eq!(root.get("nothing"), None);
        let list = root.get("c").unwrap();
        assert_eq!(list.raw(), b"li1ele3:abcd1:xi0eee");
        assert_eq!(list.items().map(Value::raw).collect::<Vec<_>>(), [&b"i1e"[..], b"le", b"3:abc", b"d1:xi0ee"]);
        assert_eq!(list.entries().count() + root.items().count(), 0);
        assert_eq!(root.entries().count(), 5);
        for len in 0..bytes.len() {
            assert_eq!(parse(&bytes[..len]).map_err(|error| error.problem), Err(Problem::Ends), "{len}");
        }
        let (first, len) = parse_prefix(b"d1:ai1eepayload").unwrap();
        assert_eq!((first.raw(), len), (&b"d1:ai1ee"[..], 8));
    }

    #[test]
    fn unsorted_keys_are_read_and_the_first_of_equal_ones_wins() {
        let root = parse(b"d1:bi1e1:ai2e1:bi3ee").unwrap();
        assert_eq!(root.get("b").and_then(Value::as_int), Some(1));
        assert_eq!(root.get(b"a").and_then(Value::as_int), Some(2));
    }

    #[test]
    fn order_of_keys_is_told() {
        let sorted: &[&[u8]] =
            &[b"i1e", b"le", b"de", b"d1:ai1e1:bi1ee", b"d1:a1:b1:b1:ae", b"d0:le1:adee", b"ld1:ble1:cleee"];
        let unsorted: &[&[u8]] = &[b"d1:bi1e1:ai1ee", b"d1:ai1e1:ai1ee", b"d0:le0:lee", b"d1:ad1:c0:1:b0:ee"];
        for bytes in sorted {
            assert!(parse(bytes).unwrap().is_sorted(), "{}", bytes.escape_ascii());
        }
        for bytes in unsorted {
            assert!(!parse(bytes).unwrap().is_sorted(), "{}", bytes.escape_ascii());
        }
    }
}
