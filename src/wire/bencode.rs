//! Bencode (BEP 3): a borrowed, bounded reader of foreign bytes and a small writer.
//!
//! The reader checks a whole document once and allocates nothing but a stack of at most [`Limits::depth`] bytes;
//! values then walk the raw bytes again when asked. Every walk is linear in the value it walks, so callers with many
//! keys of one large dictionary use [`Value::entries`] once rather than [`Value::get`] often.
//!
//! Strict where clients agree (no leading zeros, no `-0`, no integer beyond 64 bits, nothing after the value), lenient
//! where real files are not: unsorted and duplicate keys are read, the first of equal keys wins.

use std::fmt;

use crate::base::limits;

/// Bounds of one document.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Nesting of lists and dictionaries.
    pub depth: usize,
    /// Integers, strings (keys too), lists and dictionaries.
    pub tokens: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { depth: limits::BENCODE_DEPTH, tokens: limits::BENCODE_TOKENS }
    }
}

/// Why bytes are no bencode, and at which byte.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Error {
    pub problem: Problem,
    /// Zero-based.
    pub at: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Problem {
    /// The bytes end within a value.
    Ends,
    /// A byte that begins no value.
    NoValue,
    /// A dictionary's key that is not a string.
    NoKey,
    /// An `e` after a key without its value.
    NoValueForKey,
    /// A digit, or what ends the number, is missing.
    NoDigit,
    /// `01`, `-0`.
    LeadingZero,
    /// An integer or a string's length beyond 64 bits with sign.
    Overflow,
    /// More bytes after the value.
    Trailing,
    /// Nested deeper than [`Limits::depth`].
    TooDeep,
    /// More values than [`Limits::tokens`].
    TooMany,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.problem {
            Problem::Ends => "the bencoded data ends too early",
            Problem::NoValue => "no bencoded value begins",
            Problem::NoKey => "a dictionary key is not a string",
            Problem::NoValueForKey => "a dictionary key has no value",
            Problem::NoDigit => "a digit was expected",
            Problem::LeadingZero => "a number has a leading zero",
            Problem::Overflow => "a number is too large",
            Problem::Trailing => "there is more after the bencoded value",
            Problem::TooDeep => "lists or dictionaries are nested too deep",
            Problem::TooMany => "there are too many values",
        };
        write!(f, "{what} (byte {})", self.at)
    }
}

impl std::error::Error for Error {}

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

/// What the innermost open list or dictionary waits for.
#[derive(Clone, Copy, PartialEq)]
enum Open {
    List,
    Key,
    Value,
}

/// Length of the value that `bytes` begin with.
fn check(bytes: &[u8], limits: Limits) -> Result<usize, Error> {
    let mut open: Vec<Open> = Vec::new();
    let mut tokens = 0;
    let mut at = 0;
    loop {
        let error = |problem| Err(Error { problem, at });
        let Some(&first) = bytes.get(at) else { return error(Problem::Ends) };
        if first == b'e' {
            match open.pop() {
                None => return error(Problem::NoValue),
                Some(Open::Value) => return error(Problem::NoValueForKey),
                Some(Open::List | Open::Key) => at += 1,
            }
        } else {
            tokens += 1;
            if tokens > limits.tokens {
                return error(Problem::TooMany);
            }
            match open.last_mut() {
                Some(expected @ Open::Key) if first.is_ascii_digit() => *expected = Open::Value,
                Some(Open::Key) => return error(Problem::NoKey),
                Some(expected @ Open::Value) => *expected = Open::Key,
                Some(Open::List) | None => {}
            }
            match first {
                b'l' | b'd' if open.len() >= limits.depth => return error(Problem::TooDeep),
                b'l' => open.push(Open::List),
                b'd' => open.push(Open::Key),
                b'i' => at = integer_end(bytes, at)? - 1,
                b'0'..=b'9' => at = string_end(bytes, at)? - 1,
                _ => return error(Problem::NoValue),
            }
            at += 1;
        }
        if open.is_empty() {
            return Ok(at);
        }
    }
}

/// One past the integer that begins at `at` with `i`.
fn integer_end(bytes: &[u8], at: usize) -> Result<usize, Error> {
    let is_negative = bytes.get(at + 1) == Some(&b'-');
    let digits = at + 1 + usize::from(is_negative);
    let (value, end) = digits_at(bytes, digits, i64::MAX as u64 + u64::from(is_negative))?;
    if is_negative && value == 0 {
        return Err(Error { problem: Problem::LeadingZero, at: digits });
    }
    match bytes.get(end) {
        Some(b'e') => Ok(end + 1),
        Some(_) => Err(Error { problem: Problem::NoDigit, at: end }),
        None => Err(Error { problem: Problem::Ends, at: end }),
    }
}

/// One past the string whose length begins at `at`.
fn string_end(bytes: &[u8], at: usize) -> Result<usize, Error> {
    let (len, colon) = digits_at(bytes, at, i64::MAX as u64)?;
    match bytes.get(colon) {
        Some(b':') => {}
        Some(_) => return Err(Error { problem: Problem::NoDigit, at: colon }),
        None => return Err(Error { problem: Problem::Ends, at: colon }),
    }
    let room = bytes.len() - (colon + 1);
    match usize::try_from(len) {
        Ok(len) if len <= room => Ok(colon + 1 + len),
        _ => Err(Error { problem: Problem::Ends, at: colon }),
    }
}

/// A number up to `max` without leading zeros and one past its last digit.
fn digits_at(bytes: &[u8], at: usize, max: u64) -> Result<(u64, usize), Error> {
    let mut value: u64 = 0;
    let mut end = at;
    while let Some(digit) = bytes.get(end).filter(|byte| byte.is_ascii_digit()) {
        if end > at && value == 0 {
            return Err(Error { problem: Problem::LeadingZero, at });
        }
        value = value
            .checked_mul(10)
            .and_then(|tens| tens.checked_add(u64::from(digit - b'0')))
            .filter(|&value| value <= max)
            .ok_or(Error { problem: Problem::Overflow, at: end })?;
        end += 1;
    }
    if end == at {
        let problem = if end < bytes.len() { Problem::NoDigit } else { Problem::Ends };
        return Err(Error { problem, at });
    }
    Ok((value, end))
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

/// Writes values one after the other.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Writer(pub Vec<u8>);

impl Writer {
    pub fn new() -> Writer {
        Writer::default()
    }

    /// The bytes of one dictionary.
    pub fn dict_bytes(fill: impl FnOnce(&mut DictWriter<'_>)) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.dict(fill);
        writer.0
    }

    pub fn int(&mut self, value: i64) {
        self.0.extend_from_slice(format!("i{value}e").as_bytes());
    }

    /// A string.
    pub fn bytes(&mut self, value: impl AsRef<[u8]>) {
        let value = value.as_ref();
        self.0.extend_from_slice(format!("{}:", value.len()).as_bytes());
        self.0.extend_from_slice(value);
    }

    /// A value that is bencoded already.
    pub fn raw(&mut self, value: impl AsRef<[u8]>) {
        self.0.extend_from_slice(value.as_ref());
    }

    pub fn list(&mut self, fill: impl FnOnce(&mut Writer)) {
        self.0.push(b'l');
        fill(self);
        self.0.push(b'e');
    }

    pub fn dict(&mut self, fill: impl FnOnce(&mut DictWriter<'_>)) {
        self.0.push(b'd');
        fill(&mut DictWriter { writer: self, last_key: None });
        self.0.push(b'e');
    }
}

/// Writes a dictionary's entries.
pub struct DictWriter<'w> {
    writer: &'w mut Writer,
    last_key: Option<Vec<u8>>,
}

impl DictWriter<'_> {
    /// Writes a key; write its one value with what is returned.
    ///
    /// # Panics
    /// When keys do not come in ascending order: a bug of ours.
    pub fn key(&mut self, key: impl AsRef<[u8]>) -> &mut Writer {
        let key = key.as_ref();
        let is_sorted = self.last_key.as_deref().is_none_or(|last| last < key);
        assert!(is_sorted, "keys are written in ascending order: {}", key.escape_ascii());
        self.last_key = Some(key.to_vec());
        self.writer.bytes(key);
        self.writer
    }

    pub fn int(&mut self, key: impl AsRef<[u8]>, value: i64) {
        self.key(key).int(value);
    }

    pub fn bytes(&mut self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        self.key(key).bytes(value);
    }

    pub fn raw(&mut self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        self.key(key).raw(value);
    }

    pub fn list(&mut self, key: impl AsRef<[u8]>, fill: impl FnOnce(&mut Writer)) {
        self.key(key).list(fill);
    }

    pub fn dict(&mut self, key: impl AsRef<[u8]>, fill: impl FnOnce(&mut DictWriter<'_>)) {
        self.key(key).dict(fill);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_say_what_and_where() {
        let table: &[(&[u8], Problem, usize)] = &[
            (b"", Problem::Ends, 0),
            (b"e", Problem::NoValue, 0),
            (b"x", Problem::NoValue, 0),
            (b"-1:a", Problem::NoValue, 0),
            (b"ie", Problem::NoDigit, 1),
            (b"i+1e", Problem::NoDigit, 1),
            (b"i-e", Problem::NoDigit, 2),
            (b"i-", Problem::Ends, 2),
            (b"i-0e", Problem::LeadingZero, 2),
            (b"i01e", Problem::LeadingZero, 1),
            (b"i-01e", Problem::LeadingZero, 2),
            (b"i1.5e", Problem::NoDigit, 2),
            (b"i9223372036854775808e", Problem::Overflow, 19),
            (b"i-9223372036854775809e", Problem::Overflow, 20),
            (b"i99999999999999999999999e", Problem::Overflow, 19),
            (b"00:", Problem::LeadingZero, 0),
            (b"01:a", Problem::LeadingZero, 0),
            (b"3:ab", Problem::Ends, 1),
            (b"3ab", Problem::NoDigit, 1),
            (b"18446744073709551616:a", Problem::Overflow, 19),
            (b"9223372036854775808:a", Problem::Overflow, 18),
            (b"9223372036854775807:a", Problem::Ends, 19),
            (b"di1ei2ee", Problem::NoKey, 1),
            (b"d1:ae", Problem::NoValueForKey, 4),
            (b"li1e", Problem::Ends, 4),
            (b"i1ei2e", Problem::Trailing, 3),
            (b"lee", Problem::Trailing, 2),
        ];
        for (bytes, problem, at) in table {
            let wanted = Error { problem: *problem, at: *at };
            assert_eq!(parse(bytes), Err(wanted), "{}", bytes.escape_ascii());
        }
        assert_eq!(parse(b"i01e").unwrap_err().to_string(), "a number has a leading zero (byte 1)");
    }

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

    #[test]
    fn bounds_hold() {
        let nested = |depth: usize| [vec![b'l'; depth], vec![b'e'; depth]].concat();
        assert!(parse(&nested(100)).is_ok());
        assert_eq!(parse(&nested(101)), Err(Error { problem: Problem::TooDeep, at: 100 }));
        assert_eq!(parse(&vec![b'd'; 1_000_000]).unwrap_err().problem, Problem::NoKey);
        let limits = Limits { depth: 1, tokens: 3 };
        assert!(parse_with(b"l1:a1:be", limits).is_ok());
        assert_eq!(parse_with(b"l1:a1:b1:ce", limits), Err(Error { problem: Problem::TooMany, at: 7 }));
    }

    #[test]
    fn what_is_written_is_read() {
        let bytes = Writer::dict_bytes(|d| {
            d.int("a", i64::MIN);
            d.list("b", |w| {
                w.bytes("x");
                w.int(0);
            });
            d.dict("c", |d| d.bytes([0xff, 0], b"y"));
            d.raw("d", "le");
        });
        assert_eq!(bytes, b"d1:ai-9223372036854775808e1:bl1:xi0ee1:cd2:\xff\x001:ye1:dlee");
        let root = parse(&bytes).unwrap();
        assert_eq!(root.get("a").and_then(Value::as_int), Some(i64::MIN));
    }

    #[test]
    #[should_panic(expected = "ascending order")]
    fn unsorted_writing_is_a_bug() {
        Writer::dict_bytes(|d| {
            d.int("b", 1);
            d.int("a", 1);
        });
    }
}
