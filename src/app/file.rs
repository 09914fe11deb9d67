//! The configuration file: TOML, one key per setting.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use toml_span::value::ValueInner;

use super::exit::Failure;
use super::settings::is_key;
use super::table::{Kind, by_long};

/// A longer file is not a configuration.
const FILE_LEN: u64 = 1024 * 1024;

/// A key's values and where it stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    pub values: Vec<String>,
    /// Counted from 1.
    pub line: usize,
}

/// The keys of a file that was read; empty where there is none.
#[derive(Clone, Default, Debug)]
pub struct ConfigFile {
    pub path: PathBuf,
    pub entries: BTreeMap<String, Entry>,
}

impl ConfigFile {
    /// Reads the file; one that need not exist may be missing.
    ///
    /// # Errors
    /// What is wrong and on which line.
    pub fn read(path: &Path, must_exist: bool) -> Result<ConfigFile, Failure> {
        let place = path.display();
        let file = match std::fs::File::open(path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound && !must_exist => return Ok(ConfigFile::default()),
            opened => opened.map_err(|e| Failure::usage(format!("cannot read configuration {place}: {e}")))?,
        };
        let mut text = String::new();
        let read = file.take(FILE_LEN + 1).read_to_string(&mut text);
        read.map_err(|e| Failure::usage(format!("cannot read configuration {place}: {e}")))?;
        if text.len() as u64 > FILE_LEN {
            return Err(Failure::usage(format!("configuration {place} is longer than 1 MiB")));
        }
        ConfigFile::parse(path, &text)
    }

    /// Reads its text.
    ///
    /// # Errors
    /// As [`ConfigFile::read`].
    pub fn parse(path: &Path, text: &str) -> Result<ConfigFile, Failure> {
        let place = path.display();
        let line_of = |at: usize| 1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count();
        let fail = |at: usize, why: String| Failure::usage(format!("{place}:{}: {why}", line_of(at)));
        let mut root = toml_span::parse(text).map_err(|e| fail(e.span.start, e.kind.to_string()))?;
        let ValueInner::Table(table) = root.take() else { return Ok(ConfigFile::default()) };
        let mut entries = BTreeMap::new();
        let mut keys: Vec<_> = table.into_iter().collect();
        // The first mistake in the file is the one to name.
        keys.sort_by_key(|(key, _)| key.span.start);
        for (key, mut value) in keys {
            if !is_key(&key.name) {
                let name = crate::base::text::harmless(&key.name);
                return Err(fail(key.span.start, format!("unknown key `{name}` (`peerlink config` lists them)")));
            }
            let takes_decimals = by_long(&key.name).is_some_and(|setting| setting.kind == Kind::Ratio);
            let values = texts(value.take(), takes_decimals).ok_or_else(|| {
                fail(key.span.start, format!("{} must be a text, a number, true or false, or a list", key.name))
            })?;
            entries.insert(key.name.to_string(), Entry { values, line: line_of(key.span.start) });
        }
        Ok(ConfigFile { path: path.to_path_buf(), entries })
    }
}

/// A value as texts; None for what the setting cannot be.
fn texts(value: ValueInner<'_>, takes_decimals: bool) -> Option<Vec<String>> {
    match value {
        ValueInner::Array(items) => {
            let one = |mut item: toml_span::Value<'_>| match item.take() {
                ValueInner::Array(_) => None,
                scalar => texts(scalar, takes_decimals)?.pop(),
            };
            items.into_iter().map(one).collect()
        }
        ValueInner::String(text) => Some(vec![text.into_owned()]),
        ValueInner::Integer(number) => Some(vec![number.to_string()]),
        ValueInner::Boolean(switch) => Some(vec![switch.to_string()]),
        ValueInner::Float(number) if takes_decimals => Some(vec![number.to_string()]),
        ValueInner::Float(_) | ValueInner::Table(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<ConfigFile, Failure> {
        ConfigFile::parse(Path::new("/p.toml"), text)
    }

    #[test]
    fn values_of_every_kind() {
        let file =
            parse("dir = \"x\"\nport = 5 # why\nseed = true\npeer = [\"a:1\", \"b:2\"]\nseed-ratio = 1.5\n").unwrap();
        let of = |name: &str| file.entries.get(name).map(|entry| (entry.values.join(" "), entry.line));
        assert_eq!(of("dir"), Some(("x".into(), 1)));
        assert_eq!(of("port"), Some(("5".into(), 2)));
        assert_eq!(of("seed"), Some(("true".into(), 3)));
        assert_eq!(of("seed-ratio"), Some(("1.5".into(), 5)));
        assert_eq!(of("peer"), Some(("a:1 b:2".into(), 4)));
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        for (text, start) in [
            ("dir = \"x\"\nfrob = 1\n", "/p.toml:2: unknown key `frob`"),
            ("\n\n[get]\ndir = \"x\"\n", "/p.toml:3: unknown key `get`"),
            ("dir = 1.5\n", "/p.toml:1: dir must be"),
            ("config = \"x\"\n", "/p.toml:1: unknown key `config`"),
            ("peer = [[\"a:1\"]]\n", "/p.toml:1: peer must be"),
            ("zz = 1\naa = 1\n", "/p.toml:1: unknown key `zz`"),
            ("dir = \n", "/p.toml:"),
            ("dir = \"x\"\ndir = \"y\"\n", "/p.toml:"),
        ] {
            let failure = parse(text).unwrap_err();
            assert!(failure.text.starts_with(start) && !failure.text.contains('\n'), "{}", failure.text);
        }
        let deep = format!("dir = {}", "[".repeat(100_000));
        assert!(parse(&deep).is_err());
    }
}
