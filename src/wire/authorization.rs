//! Who somebody says to be: the `Authorization` field (RFC 7617 Basic, RFC 6750 Bearer), and base64 (RFC 4648).

/// What a request brings along.
#[derive(Clone, PartialEq, Eq)]
pub enum Authorization {
    /// A name, which may be empty, and a password.
    Basic { name: String, password: String },
    /// A secret alone.
    Bearer(String),
}

impl std::fmt::Debug for Authorization {
    /// Without the secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Authorization::Basic { name, .. } => write!(f, "Basic({name:?})"),
            Authorization::Bearer(_) => f.write_str("Bearer"),
        }
    }
}

impl Authorization {
    /// Reads the field's value; None for other schemes and malformed ones.
    pub fn parse(value: &str) -> Option<Authorization> {
        let (scheme, rest) = value.trim().split_once(' ')?;
        let rest = rest.trim();
        if scheme.eq_ignore_ascii_case("bearer") {
            return (!rest.is_empty()).then(|| Authorization::Bearer(rest.to_string()));
        }
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let text = String::from_utf8(base64_decode(rest)?).ok()?;
        let (name, password) = text.split_once(':')?;
        Some(Authorization::Basic { name: name.into(), password: password.into() })
    }

    /// The field's value.
    pub fn value(&self) -> String {
        match self {
            Authorization::Basic { name, password } => {
                format!("Basic {}", base64(format!("{name}:{password}").as_bytes()))
            }
            Authorization::Bearer(token) => format!("Bearer {token}"),
        }
    }
}

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// With padding.
pub fn base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for part in bytes.chunks(3) {
        let group = part.iter().fold(0u32, |group, &b| group << 8 | u32::from(b)) << (8 * (3 - part.len()));
        for digit in 0..4 {
            let index = (group >> (18 - 6 * digit)) & 63;
            text.push(if digit <= part.len() { char::from(DIGITS[index as usize]) } else { '=' });
        }
    }
    text
}

/// With or without padding; None for anything else than digits before it.
pub fn base64_decode(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=').as_bytes();
    if text.len() - digits.len() > 2 || digits.len() % 4 == 1 {
        return None;
    }
    let mut bytes = Vec::with_capacity(digits.len() / 4 * 3 + 2);
    for part in digits.chunks(4) {
        let mut group = 0_u32;
        for digit in part {
            group = group << 6 | value_of(*digit)?;
        }
        group <<= 6 * (4 - part.len());
        bytes.extend_from_slice(&group.to_be_bytes()[1..part.len()]);
    }
    Some(bytes)
}

fn value_of(digit: u8) -> Option<u32> {
    let value = match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(u32::from(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_of_every_remainder() {
        for (plain, coded) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64(plain.as_bytes()), coded);
            assert_eq!(base64_decode(coded).as_deref(), Some(plain.as_bytes()));
            assert_eq!(base64_decode(coded.trim_end_matches('=')).as_deref(), Some(plain.as_bytes()));
        }
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(base64_decode(&base64(&all)), Some(all));
        for bad in ["Z", "Zg===", "Z=g=", "Zm9 ", "Z\u{e4}"] {
            assert_eq!(base64_decode(bad), None, "{bad}");
        }
    }

    #[test]
    fn fields_are_read_and_written() {
        let basic =
            |name: &str, password: &str| Authorization::Basic { name: name.into(), password: password.into() };
        for who in [basic("a", "b:c"), basic("", "\u{fc}"), Authorization::Bearer("x.y".into())] {
            assert_eq!(Authorization::parse(&who.value()), Some(who));
        }
        assert_eq!(Authorization::parse("bAsIc  YTpi"), Some(basic("a", "b")));
        for bad in ["", "Basic", "Basic YQ==", "Digest x", "Bearer ", "Basic /w=="] {
            assert_eq!(Authorization::parse(bad), None, "{bad}");
        }
        assert!(!format!("{:?}", basic("a", "secret")).contains("secret"));
    }
}
