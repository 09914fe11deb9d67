//! JSON (RFC 8259) from strangers, bounded before anything is made of it, and JSON written piece by piece.

use std::fmt::{Display, Write};

pub use miniserde::json::{Array, Number, Object, Value};

/// Lists and objects within each other.
const DEPTH_MAX: usize = 16;
/// Values in one document: a request that names every file of a large torrent has 100 000.
const VALUES_MAX: usize = 200_000;

/// Reads one document; None where it is malformed, too deep or of too many values.
pub fn read(bytes: &[u8]) -> Option<Value> {
    let text = std::str::from_utf8(bytes).ok()?;
    if !is_bounded(bytes, VALUES_MAX) {
        return None;
    }
    miniserde::json::from_str(text).ok()
}

/// Reads a document of our own daemon, of any number of values. None where it is malformed or too deep.
pub fn read_own(bytes: &[u8]) -> Option<Value> {
    let text = std::str::from_utf8(bytes).ok()?;
    if !is_bounded(bytes, usize::MAX) {
        return None;
    }
    miniserde::json::from_str(text).ok()
}

/// One pass over the bytes, so that no memory is taken for what will be refused.
fn is_bounded(bytes: &[u8], values_max: usize) -> bool {
    let (mut depth, mut values) = (0_usize, 0_usize);
    let (mut in_text, mut is_escaped) = (false, false);
    for byte in bytes {
        if in_text {
            match byte {
                _ if is_escaped => is_escaped = false,
                b'\\' => is_escaped = true,
                b'"' => in_text = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_text = true,
            b'[' | b'{' => (depth, values) = (depth + 1, values + 1),
            b']' | b'}' => depth = depth.saturating_sub(1),
            b',' => values += 1,
            _ => {}
        }
        if depth > DEPTH_MAX || values > values_max {
            return false;
        }
    }
    true
}

/// A whole number, also one that is written with a fraction of zero; None for others.
pub fn int(value: &Value) -> Option<i64> {
    match value {
        Value::Number(Number::U64(number)) => i64::try_from(*number).ok(),
        Value::Number(Number::I64(number)) => Some(*number),
        Value::Number(Number::F64(number)) => {
            (number.fract() == 0.0 && number.abs() < 9e15).then_some(*number as i64)
        }
        _ => None,
    }
}

/// Any finite number.
pub fn float(value: &Value) -> Option<f64> {
    match value {
        Value::Number(Number::U64(number)) => Some(*number as f64),
        Value::Number(Number::I64(number)) => Some(*number as f64),
        Value::Number(Number::F64(number)) => Some(*number).filter(|number| number.is_finite()),
        _ => None,
    }
}

/// True and false; numbers as other programs write them.
pub fn switch(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(is_on) => Some(*is_on),
        Value::Number(_) => int(value).map(|number| number != 0),
        _ => None,
    }
}

/// A text.
pub fn text(value: &Value) -> Option<&str> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}

/// A list's values; None for others.
pub fn list(value: &Value) -> Option<&[Value]> {
    match value {
        Value::Array(values) => Some(values),
        _ => None,
    }
}

/// Appends a text in quotes. Nothing in it can end a `<script>` that it should ever be put into.
pub fn quote(text: &str, to: &mut String) {
    to.push('"');
    for c in text.chars() {
        match c {
            '"' => to.push_str("\\\""),
            '\\' => to.push_str("\\\\"),
            '\n' => to.push_str("\\n"),
            '\u{0}'..='\u{1f}' | '\u{7f}' | '<' | '>' | '\u{2028}' | '\u{2029}' => {
                write!(to, "\\u{:04x}", u32::from(c)).expect("a String takes everything");
            }
            _ => to.push(c),
        }
    }
    to.push('"');
}

/// Appends a number with what of it matters; JSON has no infinity, and nobody here makes one.
pub fn number(value: impl Display, to: &mut String) {
    write!(to, "{value}").expect("a String takes everything");
}

/// Appends a list.
pub fn write_list<T>(items: impl IntoIterator<Item = T>, to: &mut String, mut write: impl FnMut(T, &mut String)) {
    to.push('[');
    for (at, item) in items.into_iter().enumerate() {
        if at > 0 {
            to.push(',');
        }
        write(item, to);
    }
    to.push(']');
}

/// An object that is being written; closed by [`Writer::end`].
#[derive(Debug)]
pub struct Writer<'a> {
    to: &'a mut String,
    is_first: bool,
}

impl<'a> Writer<'a> {
    /// Opens one.
    pub fn begin(to: &'a mut String) -> Writer<'a> {
        to.push('{');
        Writer { to, is_first: true }
    }

    /// Writes a key; write its one value to what is returned.
    pub fn key(&mut self, key: &str) -> &mut String {
        if !std::mem::replace(&mut self.is_first, false) {
            self.to.push(',');
        }
        quote(key, self.to);
        self.to.push(':');
        self.to
    }

    pub fn text(&mut self, key: &str, value: &str) {
        quote(value, self.key(key));
    }

    /// A number, or true and false.
    pub fn plain(&mut self, key: &str, value: impl Display) {
        number(value, self.key(key));
    }

    /// Closes it.
    pub fn end(self) {
        self.to.push('}');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_read_within_bounds() {
        assert!(matches!(read(b"{\"a\":[1,2.5,\"x\\\"[{\"]}"), Some(Value::Object(_))));
        for bad in [&b"{"[..], b"\xff", b"[1,]", b""] {
            assert!(read(bad).is_none(), "{}", bad.escape_ascii());
        }
        assert!(read(format!("{}{}", "[".repeat(16), "]".repeat(16)).as_bytes()).is_some());
        assert!(read("[".repeat(1_000_000).as_bytes()).is_none());
        assert!(read(format!("[{}1]", "1,".repeat(VALUES_MAX)).as_bytes()).is_none());
    }

    #[test]
    fn values_are_what_they_look_like() {
        let value = |text: &str| read(text.as_bytes()).unwrap();
        assert_eq!((int(&value("3.0")), int(&value("-7")), int(&value("1.5"))), (Some(3), Some(-7), None));
        assert_eq!((int(&value("18446744073709551615")), int(&value("1e300"))), (None, None));
        assert_eq!(
            (switch(&value("1")), switch(&value("false")), switch(&value("\"x\""))),
            (Some(true), Some(false), None)
        );
        assert_eq!((float(&value("1.5")), text(&value("\"a\""))), (Some(1.5), Some("a")));
    }

    #[test]
    fn objects_are_written_and_texts_are_harmless() {
        let mut to = String::new();
        let mut object = Writer::begin(&mut to);
        object.text("a", "\"\\\n\u{1}</script>\u{2028}é");
        object.plain("b", 1.5);
        write_list([1, 2], object.key("c"), number);
        object.end();
        assert_eq!(to, r#"{"a":"\"\\\n\u0001\u003c/script\u003e\u2028é","b":1.5,"c":[1,2]}"#);
        assert!(read(to.as_bytes()).is_some());
    }
}
