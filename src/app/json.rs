//! JSON lines for scripts: one object each, keys in a fixed order.

use crate::base::text::is_format;

/// An object under construction.
#[derive(Debug)]
pub struct Object {
    text: String,
}

impl Object {
    /// `{"event":name`.
    pub fn event(name: &str) -> Object {
        Object::empty().text("event", name)
    }

    /// `{`.
    pub fn empty() -> Object {
        Object { text: "{".into() }
    }

    fn key(&mut self, key: &str) {
        if self.text.len() > 1 {
            self.text.push(',');
        }
        self.text.push_str(&miniserde::json::to_string(key));
        self.text.push(':');
    }

    /// Adds a string.
    pub fn text(mut self, key: &str, value: &str) -> Object {
        self.key(key);
        self.text.push_str(&harmless(&miniserde::json::to_string(value)));
        self
    }

    /// Adds a string or null.
    pub fn maybe_text(self, key: &str, value: Option<&str>) -> Object {
        match value {
            Some(value) => self.text(key, value),
            None => self.raw(key, "null"),
        }
    }

    /// Adds a whole number or null.
    pub fn maybe_number(self, key: &str, value: Option<u64>) -> Object {
        match value {
            Some(value) => self.number(key, value),
            None => self.raw(key, "null"),
        }
    }

    /// Adds a list of pairs of numbers.
    pub fn ranges(self, key: &str, ranges: &[(u64, u64)]) -> Object {
        let ranges: Vec<String> = ranges.iter().map(|(from, to)| format!("[{from},{to}]")).collect();
        self.raw(key, &format!("[{}]", ranges.join(",")))
    }

    /// Adds a whole number.
    pub fn number(self, key: &str, value: impl Into<u64>) -> Object {
        let number: u64 = value.into();
        self.raw(key, &number.to_string())
    }

    /// Adds true or false.
    pub fn switch(self, key: &str, value: bool) -> Object {
        self.raw(key, if value { "true" } else { "false" })
    }

    /// Adds a list of strings.
    pub fn texts(self, key: &str, values: &[String]) -> Object {
        let list = harmless(&miniserde::json::to_string(values));
        self.raw(key, &list)
    }

    fn raw(mut self, key: &str, value: &str) -> Object {
        self.key(key);
        self.text.push_str(value);
        self
    }

    /// The line, without its end.
    pub fn line(mut self) -> String {
        self.text.push('}');
        self.text
    }
}

/// A JSON document with every character escaped that could steer a terminal; such characters stand in strings only.
pub fn harmless(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_control() || is_format(c) {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_valid_and_harmless() {
        let line = Object::event("x").text("a\"b", "c\u{9b}\n\u{e0001}").number("n", 7u32).switch("s", true);
        let line = line.maybe_text("m", None).texts("l", &["1".into(), "\u{202e}".into()]).line();
        let expected = r#"{"event":"x","a\"b":"c\u009b\n\udb40\udc01","n":7,"s":true,"m":null,"l":["1","\u202e"]}"#;
        assert_eq!(line, expected);
        assert_eq!(Object::empty().line(), "{}");
    }
}
