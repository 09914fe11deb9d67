//! Names of people and groups: which are allowed, and which are the same.

use super::{GROUP_LEN, NICK_LEN};

/// Which letters of names are the same (token `CASEMAPPING`).
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Casemapping {
    /// a to z and A to Z; what our server says.
    #[default]
    Ascii,
    /// Also `{}|~` and `[]\^`: what servers mean that say nothing (RFC 1459, 2.2).
    Rfc1459,
    /// The same without `~` and `^`.
    StrictRfc1459,
}

impl Casemapping {
    /// The mapping of this name; an unknown one is taken as ASCII, as the document advises.
    pub fn named(name: &str) -> Casemapping {
        match name {
            "rfc1459" => Casemapping::Rfc1459,
            "rfc1459-strict" | "strict-rfc1459" => Casemapping::StrictRfc1459,
            _ => Casemapping::Ascii,
        }
    }

    /// The form in which names that are the same are equal.
    pub fn fold(self, name: &str) -> String {
        let folded = |c: char| match (self, c) {
            (_, 'A'..='Z') => c.to_ascii_lowercase(),
            (Casemapping::Ascii, _) => c,
            (_, '[') => '{',
            (_, ']') => '}',
            (_, '\\') => '|',
            (Casemapping::Rfc1459, '^') => '~',
            _ => c,
        };
        name.chars().map(folded).collect()
    }
}

/// The form of a name in which those that are the same at our server are equal.
pub fn fold(name: &str) -> String {
    name.to_ascii_lowercase()
}

/// Whether two names are the same at our server.
pub fn same(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}

/// Whether it can be a nick (RFC 2812, 2.3.1, with up to [`NICK_LEN`] characters).
pub fn is_nick(name: &str) -> bool {
    let is_special = |byte: u8| matches!(byte, b'[' | b']' | b'\\' | b'`' | b'_' | b'^' | b'{' | b'|' | b'}');
    let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || is_special(byte) || byte == b'-';
    let bytes = name.as_bytes();
    bytes.len() <= NICK_LEN
        && bytes.first().is_some_and(|first| first.is_ascii_alphabetic() || is_special(*first))
        && bytes.iter().all(|byte| is_inner(*byte))
}

/// Whether it can be a group's name: `#` and at least one more character, but no blank, comma, colon or control
/// character, and none that makes it look like another name.
pub fn is_group(name: &str) -> bool {
    let is_bad = |c: char| {
        c.is_control() || c.is_whitespace() || matches!(c, ',' | ':' | '#') || crate::base::text::is_format(c)
    };
    name.len() <= GROUP_LEN && name.strip_prefix('#').is_some_and(|rest| !rest.is_empty() && !rest.contains(is_bad))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_judged() {
        for good in ["a", "Anna-1", "[x]", "_", "w_e{i}r|d^`\\", &"n".repeat(32)] {
            assert!(is_nick(good), "{good}");
        }
        for bad in ["", "1a", "-a", "a b", "a!b", "a@b", "#a", "\u{e9}", "a.b", &"n".repeat(33)] {
            assert!(!is_nick(bad), "{bad}");
        }
        for good in ["#a", "#\u{e9}t\u{e9}", "#a.b-c!", &format!("#{}", "g".repeat(63))] {
            assert!(is_group(good), "{good}");
        }
        for bad in [
            "",
            "#",
            "a",
            "&a",
            "#a b",
            "#a,b",
            "#a:b",
            "##",
            "#a\x07",
            "#a\u{200b}",
            &format!("#{}", "g".repeat(64)),
        ] {
            assert!(!is_group(bad), "{bad:?}");
        }
    }

    #[test]
    fn mappings_differ() {
        assert_eq!(Casemapping::Ascii.fold("AZ[]\\^"), "az[]\\^");
        assert_eq!(Casemapping::named("rfc1459").fold("AZ[]\\^"), "az{}|~");
        assert_eq!(Casemapping::named("rfc1459-strict").fold("AZ[]\\^"), "az{}|^");
        assert_eq!(Casemapping::named("precis"), Casemapping::Ascii);
        assert!(same("#Gr", "#gR") && fold("#GR") == "#gr" && !same("[", "{"));
    }
}
