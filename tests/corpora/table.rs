//! Reads the tables: JSON rows, bytes as hex or base64.

use std::path::PathBuf;

pub use miniserde::json::Value;

/// The folder with the corpora; None, with a printed line, where there is none.
pub fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os("PEERLINK_CORPORA").map(PathBuf::from);
    if folder.is_none() {
        println!("SKIPPED: corpora: PEERLINK_CORPORA is not set");
    }
    folder
}

/// A table by its file name; None where there are no corpora.
pub fn load(name: &str) -> Option<Value> {
    let path = folder()?.join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    Some(miniserde::json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display())))
}

/// Short ways into a row.
pub trait Row {
    fn get(&self, key: &str) -> Option<&Value>;
    fn keys(&self) -> Vec<&str>;
    fn list(&self) -> &[Value];
    fn text(&self) -> Option<&str>;
    fn int(&self) -> Option<i64>;
    fn is_true(&self) -> Option<bool>;

    /// A key that every row of this kind has.
    fn at(&self, key: &str) -> &Value {
        self.get(key).unwrap_or_else(|| panic!("no key {key} in a row with {:?}", self.keys()))
    }

    /// The text under a key, empty where there is none.
    fn text_at(&self, key: &str) -> &str {
        self.get(key).and_then(Row::text).unwrap_or_default()
    }

    /// Fails on a key that is not known: a row nobody reads proves nothing.
    fn only_keys(&self, known: &[&str]) {
        for key in self.keys() {
            assert!(known.contains(&key), "unknown key {key} in a row with {:?}", self.keys());
        }
    }
}

impl Row for Value {
    fn get(&self, key: &str) -> Option<&Value> {
        match self {
            Value::Object(object) => object.get(key).filter(|value| !matches!(value, Value::Null)),
            _ => None,
        }
    }

    fn keys(&self) -> Vec<&str> {
        match self {
            Value::Object(object) => object.keys().map(String::as_str).collect(),
            _ => Vec::new(),
        }
    }

    fn list(&self) -> &[Value] {
        match self {
            Value::Array(array) => array,
            other => panic!("no list: {other:?}"),
        }
    }

    fn text(&self) -> Option<&str> {
        match self {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    fn int(&self) -> Option<i64> {
        match self {
            Value::Number(number) => number.to_string().parse().ok(),
            _ => None,
        }
    }

    fn is_true(&self) -> Option<bool> {
        match self {
            Value::Bool(is_true) => Some(*is_true),
            _ => None,
        }
    }
}

/// Bytes given as `{"hex": …}` or `{"b64": …}`.
pub fn bytes(row: &Value) -> Vec<u8> {
    row.only_keys(&["hex", "b64", "ascii"]);
    match (row.get("hex"), row.get("b64")) {
        (Some(hex), _) => unhex(hex.text().expect("hex is text")),
        (None, Some(base64)) => unbase64(base64.text().expect("base64 is text")),
        (None, None) => panic!("bytes in neither hex nor base64"),
    }
}

fn unhex(text: &str) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).expect("a hexadecimal digit") as u8;
    text.as_bytes().chunks(2).map(|pair| digit(pair[0]) * 16 + digit(pair[1])).collect()
}

pub fn unbase64(text: &str) -> Vec<u8> {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = Vec::new();
    let (mut bits, mut bit_count) = (0_u32, 0);
    for byte in text.bytes().filter(|&byte| byte != b'=') {
        let digit = DIGITS.iter().position(|&known| known == byte).expect("a base64 digit");
        bits = bits << 6 | digit as u32;
        bit_count += 6;
        if bit_count >= 8 {
            bit_count -= 8;
            out.push((bits >> bit_count) as u8);
        }
    }
    out
}
