//! Checks bencode once, in one pass, before anything is believed of it.

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

/// What the innermost open list or dictionary waits for.
#[derive(Clone, Copy, PartialEq)]
enum Open {
    List,
    Key,
    Value,
}

/// Length of the value that `bytes` begin with.
pub(super) fn check(bytes: &[u8], limits: Limits) -> Result<usize, Error> {
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
pub(super) fn string_end(bytes: &[u8], at: usize) -> Result<usize, Error> {
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

#[cfg(test)]
mod tests {
    use super::super::{parse, parse_with};
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
    fn bounds_hold() {
        let nested = |depth: usize| [vec![b'l'; depth], vec![b'e'; depth]].concat();
        assert!(parse(&nested(100)).is_ok());
        assert_eq!(parse(&nested(101)), Err(Error { problem: Problem::TooDeep, at: 100 }));
        assert_eq!(parse(&vec![b'd'; 1_000_000]).unwrap_err().problem, Problem::NoKey);
        let limits = Limits { depth: 1, tokens: 3 };
        assert!(parse_with(b"l1:a1:be", limits).is_ok());
        assert_eq!(parse_with(b"l1:a1:b1:ce", limits), Err(Error { problem: Problem::TooMany, at: 7 }));
    }
}
