//! The effective settings: flag beats environment beats configuration file beats default, each with its origin.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::exit::Failure;
use super::file::ConfigFile;
use super::table::{Kind, SETTINGS, Setting, by_long};
use super::values;
use crate::base::Span;
use crate::base::glob::Glob;

/// The flags of a command line: long name and values.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Given {
    pub flags: Vec<(String, Vec<String>)>,
}

/// Where a value came from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Origin {
    Flag,
    Variable(String),
    File { path: PathBuf, line: usize },
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Flag => f.write_str("command line"),
            Origin::Variable(name) => write!(f, "environment {name}"),
            Origin::File { path, line } => write!(f, "{}:{line}", path.display()),
            Origin::Default => f.write_str("default"),
        }
    }
}

/// One setting's values and their origin. No values: not set.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Effective {
    pub values: Vec<String>,
    pub origin: Origin,
}

/// All settings, checked.
#[derive(Clone, Debug)]
pub struct Settings {
    by_name: BTreeMap<&'static str, Effective>,
}

/// Reads an environment variable; a test passes its own.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

impl Settings {
    /// Puts the layers on top of each other and checks every value, used or not.
    ///
    /// # Errors
    /// The first bad value, its name and where it was found.
    pub fn resolve(given: &Given, environment: Environment<'_>, file: &ConfigFile) -> Result<Settings, Failure> {
        let mut by_name = BTreeMap::new();
        for setting in SETTINGS {
            let effective = layered(setting, given, environment, file);
            for value in &effective.values {
                setting.kind.check(value).map_err(|why| bad(setting, &effective.origin, &why))?;
            }
            by_name.insert(setting.name, effective);
        }
        Ok(Settings { by_name })
    }

    /// A setting as it stands, for `peerlink config`.
    pub fn effective(&self, name: &str) -> &Effective {
        self.by_name.get(name).expect("every row of the table was resolved")
    }

    /// The value of a text, a number or a time; None where it is not set.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.effective(name).values.last().map(String::as_str)
    }

    pub fn switch(&self, name: &str) -> bool {
        self.text(name).is_some_and(|text| values::switch(text).unwrap_or(false))
    }

    pub fn count(&self, name: &str) -> Option<u64> {
        self.text(name).and_then(|text| text.parse().ok())
    }

    pub fn size(&self, name: &str) -> Option<u64> {
        self.text(name).and_then(|text| values::size(text).ok())
    }

    pub fn time(&self, name: &str) -> Option<Span> {
        self.text(name).and_then(|text| values::time(text).ok())
    }

    pub fn list(&self, name: &str) -> &[String] {
        &self.effective(name).values
    }

    /// Whether anybody said something about it.
    pub fn is_given(&self, name: &str) -> bool {
        self.effective(name).origin != Origin::Default
    }

    /// Tiers of URLs: each value is one, divided by commas.
    pub fn tiers(&self, name: &str) -> Vec<Vec<String>> {
        self.list(name).iter().map(|tier| tier.split(',').map(str::to_string).collect()).collect()
    }

    /// Patterns, checked before.
    pub fn globs(&self, name: &str) -> Vec<Glob> {
        self.list(name).iter().filter_map(|text| Glob::parse(text).ok()).collect()
    }

    /// Hosts and ports, checked before.
    pub fn peers(&self, name: &str) -> Vec<(String, u16)> {
        self.list(name).iter().filter_map(|text| values::peer(text).ok()).collect()
    }

    /// Names and passwords, checked before.
    pub fn accounts(&self, name: &str) -> Vec<(String, String)> {
        self.list(name).iter().filter_map(|text| values::account(text).ok()).collect()
    }

    /// A folder or file, made absolute. None where it is not set.
    ///
    /// # Errors
    /// When the current folder is gone.
    pub fn path(&self, name: &str) -> Result<Option<PathBuf>, Failure> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let absolute = std::path::absolute(text);
        absolute.map(Some).map_err(|e| Failure::usage(format!("--{name} {text}: no current folder: {e}")))
    }

    /// Where things are remembered between runs: `--state-dir` or the XDG state folder.
    ///
    /// # Errors
    /// When neither is known.
    pub fn state_dir(&self, environment: Environment<'_>) -> Result<PathBuf, Failure> {
        if let Some(dir) = self.path("state-dir")? {
            return Ok(dir);
        }
        let none = || Failure::usage("neither HOME nor XDG_STATE_HOME is set: say --state-dir DIR");
        xdg(environment, "XDG_STATE_HOME", ".local/state").map(|dir| dir.join("peerlink")).ok_or_else(none)
    }
}

/// A folder of the XDG base directory specification: the variable if it is absolute, else below HOME.
pub fn xdg(environment: Environment<'_>, variable: &str, below_home: &str) -> Option<PathBuf> {
    let absolute = |name: &str| environment(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute(variable).or_else(|| absolute("HOME").map(|home| home.join(below_home)))
}

/// The configuration file: `--config`, `PEERLINK_CONFIG`, or the XDG one; the flag tells whether it must exist.
pub fn config_path(given: &Given, environment: Environment<'_>) -> Option<(PathBuf, bool)> {
    let flag = given.flags.iter().find(|(name, _)| name == "config").and_then(|(_, values)| values.last().cloned());
    let named = flag.or_else(|| environment("PEERLINK_CONFIG").filter(|text| !text.is_empty()));
    let default = || xdg(environment, "XDG_CONFIG_HOME", ".config").map(|dir| dir.join("peerlink/peerlink.toml"));
    named.map(|path| (PathBuf::from(path), true)).or_else(|| default().map(|path| (path, false)))
}

fn layered(setting: &Setting, given: &Given, environment: Environment<'_>, file: &ConfigFile) -> Effective {
    if let Some((_, values)) = given.flags.iter().find(|(name, _)| name == setting.name) {
        return Effective { values: values.clone(), origin: Origin::Flag };
    }
    let variable = setting.variable();
    if let Some(text) = environment(&variable).filter(|text| !text.is_empty()) {
        return Effective { values: split(setting.kind, &text), origin: Origin::Variable(variable) };
    }
    if let Some(entry) = file.entries.get(setting.name) {
        let values = entry.values.iter().flat_map(|text| split(setting.kind, text)).collect();
        return Effective { values, origin: Origin::File { path: file.path.clone(), line: entry.line } };
    }
    let default = setting.default.to_string();
    Effective { values: if default.is_empty() { vec![] } else { vec![default] }, origin: Origin::Default }
}

/// Lists in one text: divided by spaces, and by commas where a comma does not mean something else; patterns by lines.
fn split(kind: Kind, text: &str) -> Vec<String> {
    let parts: Vec<&str> = match kind {
        Kind::Urls | Kind::Accounts => text.split_whitespace().collect(),
        // Names may hold anything else.
        Kind::Globs => text.split('\n').filter(|part| !part.is_empty()).collect(),
        Kind::Names => text.split(',').map(str::trim).filter(|part| !part.is_empty()).collect(),
        Kind::Peers | Kind::Addresses => text.split([',', ' ', '\t', '\n']).filter(|part| !part.is_empty()).collect(),
        _ => return vec![text.to_string()],
    };
    parts.into_iter().map(str::to_string).collect()
}

fn bad(setting: &Setting, origin: &Origin, why: &str) -> Failure {
    let name = setting.name;
    Failure::usage(match origin {
        Origin::Flag => format!("--{name}: {why}"),
        Origin::Variable(variable) => format!("{variable} in the environment: {why}"),
        Origin::File { .. } => format!("{origin}: {name}: {why}"),
        Origin::Default => format!("default of {name}: {why}"),
    })
}

/// A path for messages, harmless on a terminal.
pub fn shown(path: &Path) -> String {
    crate::base::text::harmless(&path.to_string_lossy())
}

/// Whether the table knows this key.
pub fn is_key(name: &str) -> bool {
    by_long(name).is_some_and(|setting| setting.is_key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(flags: &[(&str, &str)]) -> Given {
        Given { flags: flags.iter().map(|(n, v)| (n.to_string(), vec![v.to_string()])).collect() }
    }

    fn file(text: &str) -> ConfigFile {
        ConfigFile::parse(Path::new("/etc/p.toml"), text).unwrap()
    }

    #[test]
    fn flag_beats_environment_beats_file_beats_default() {
        let config = file("max-peers = 3\n");
        let with = |name: &str| (name == "PEERLINK_MAX_PEERS").then(|| "2".to_string());
        let none = |_: &str| None;
        let value = |given: &Given, env: Environment<'_>, file: &ConfigFile| {
            let settings = Settings::resolve(given, env, file).unwrap();
            (settings.count("max-peers"), settings.effective("max-peers").origin.to_string())
        };
        let flag = given(&[("max-peers", "1")]);
        let empty = ConfigFile::default();
        assert_eq!(value(&flag, &with, &config), (Some(1), "command line".into()));
        assert_eq!(value(&given(&[]), &with, &config), (Some(2), "environment PEERLINK_MAX_PEERS".into()));
        assert_eq!(value(&given(&[]), &none, &config), (Some(3), "/etc/p.toml:1".into()));
        assert_eq!(value(&given(&[]), &none, &empty), (Some(100), "default".into()));
    }

    #[test]
    fn a_bad_value_is_named_with_its_place() {
        let none = |_: &str| None;
        let text = |given: &Given, env: Environment<'_>, file: &ConfigFile| {
            Settings::resolve(given, env, file).unwrap_err().text
        };
        let empty = ConfigFile::default();
        assert!(text(&given(&[("port", "x")]), &none, &empty).starts_with("--port: `x`"));
        let with = |name: &str| (name == "PEERLINK_PORT").then(|| "y".to_string());
        assert!(text(&given(&[]), &with, &empty).starts_with("PEERLINK_PORT in the environment: `y`"));
        assert!(text(&given(&[]), &none, &file("\nport = \"z\"\n")).starts_with("/etc/p.toml:2: port: `z`"));
    }

    #[test]
    fn lists_come_from_every_layer() {
        let with = |name: &str| match name {
            "PEERLINK_PEER" => Some("a:1, b:2 c:3".to_string()),
            "PEERLINK_EXCLUDE" => Some("*.tmp\na b/**\n".to_string()),
            "PEERLINK_TRACKER" => Some("http://a/1,http://b/2 http://c/3".to_string()),
            _ => None,
        };
        let settings = Settings::resolve(&given(&[]), &with, &file("bind = [\"::1\", \"127.0.0.1\"]")).unwrap();
        assert_eq!(settings.peers("peer"), [("a".into(), 1), ("b".into(), 2), ("c".into(), 3)]);
        assert_eq!(settings.tiers("tracker"), [vec!["http://a/1", "http://b/2"], vec!["http://c/3"]]);
        assert_eq!(settings.list("exclude"), ["*.tmp", "a b/**"]);
        assert_eq!(settings.list("bind"), ["::1", "127.0.0.1"]);
    }

    #[test]
    fn folders_follow_the_xdg_rules() {
        let with = |name: &str| match name {
            "HOME" => Some("/home/x".to_string()),
            "XDG_CONFIG_HOME" => Some("/cfg".to_string()),
            "XDG_STATE_HOME" => Some("relative".to_string()),
            _ => None,
        };
        let settings = Settings::resolve(&given(&[]), &with, &ConfigFile::default()).unwrap();
        assert_eq!(settings.state_dir(&with), Ok("/home/x/.local/state/peerlink".into()));
        assert_eq!(config_path(&given(&[]), &with), Some(("/cfg/peerlink/peerlink.toml".into(), false)));
        assert_eq!(config_path(&given(&[("config", "y")]), &with), Some(("y".into(), true)));
        assert!(settings.state_dir(&|_| None).is_err());
    }
}
