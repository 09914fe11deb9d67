//! Message tags (IRCv3 message-tags): keys with values, and how values are escaped.

use std::borrow::Cow;

/// The tags of a line as they came, without `@`.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Tags<'a>(&'a str);

impl<'a> Tags<'a> {
    /// What stands between `@` and the first blank.
    pub fn of(text: &'a str) -> Tags<'a> {
        Tags(text)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Every key with its value as it is written; one without a value has an empty one. A key may come twice.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        self.written().map(|tag| tag.split_once('=').unwrap_or((tag, "")))
    }

    /// Every tag as it is written, `key` or `key=value`.
    pub fn written(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.0.split(';').filter(|tag| !tag.is_empty() && !tag.starts_with('='))
    }

    /// The value of a key, the last one where it came twice. None where there is no such key.
    pub fn find(&self, key: &str) -> Option<Cow<'a, str>> {
        self.raw(key).map(unescape)
    }

    /// The same as it is written.
    pub fn raw(&self, key: &str) -> Option<&'a str> {
        if self.0.is_empty() {
            return None;
        }
        self.iter().filter(|(name, _)| *name == key).map(|(_, value)| value).last()
    }
}

/// A value as it is meant.
pub fn unescape(value: &str) -> Cow<'_, str> {
    if !value.contains('\\') {
        return Cow::Borrowed(value);
    }
    let mut meant = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            meant.push(c);
            continue;
        }
        match chars.next() {
            Some(':') => meant.push(';'),
            Some('s') => meant.push(' '),
            Some('r') => meant.push('\r'),
            Some('n') => meant.push('\n'),
            Some(other) => meant.push(other),
            // A lone one at the end is dropped.
            None => {}
        }
    }
    Cow::Owned(meant)
}

/// A value as it is written. NUL has no place in a line and becomes U+FFFD.
pub fn escape(value: &str) -> Cow<'_, str> {
    if !value.bytes().any(|byte| matches!(byte, b';' | b' ' | b'\\' | b'\r' | b'\n' | 0)) {
        return Cow::Borrowed(value);
    }
    let mut written = String::with_capacity(value.len() + 8);
    for c in value.chars() {
        match c {
            ';' => written.push_str("\\:"),
            ' ' => written.push_str("\\s"),
            '\\' => written.push_str("\\\\"),
            '\r' => written.push_str("\\r"),
            '\n' => written.push_str("\\n"),
            '\0' => written.push(char::REPLACEMENT_CHARACTER),
            other => written.push(other),
        }
    }
    Cow::Owned(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_found() {
        let tags = Tags::of("aaa=bbb;ccc;example.com/ddd=eee;+x=1;+x=2;;=y;e=");
        let found: Vec<_> = tags.iter().collect();
        assert_eq!(
            found,
            [("aaa", "bbb"), ("ccc", ""), ("example.com/ddd", "eee"), ("+x", "1"), ("+x", "2"), ("e", "")]
        );
        assert_eq!(tags.find("+x").as_deref(), Some("2"));
        assert_eq!(tags.find("ccc").as_deref(), Some(""));
        assert_eq!(tags.find("d"), None);
        assert_eq!(Tags::default().iter().count(), 0);
    }

    #[test]
    fn values_survive_escaping() {
        for (meant, written) in [("a;b c", "a\\:b\\sc"), ("\\\r\n", "\\\\\\r\\n"), ("", ""), ("\u{e9}", "\u{e9}")] {
            assert_eq!(escape(meant), written);
            assert_eq!(unescape(written), meant);
        }
        assert_eq!((unescape("a\\b\\"), escape("\0")), ("ab".into(), "\u{fffd}".into()));
    }
}
