//! The table of settings: one row per flag, environment variable and configuration key, which share a name.

use super::values;
use crate::base::encryption::Encryption;
use crate::base::glob::Glob;

/// What values a setting takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// On or off.
    Switch,
    /// A switch that counts how often it is said.
    Level,
    /// A whole number.
    Count {
        min: u64,
        max: u64,
    },
    /// Bytes, at least this many.
    Size {
        min: u64,
    },
    /// A length of time.
    Time,
    /// A number with up to three decimals.
    Ratio,
    Text,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A choice of files, `1-5,8`.
    Select,
    /// Addresses with a port; may be repeated.
    Peers,
    /// Local addresses, perhaps with a port; may be repeated.
    Addresses,
    /// Patterns for names of files; may be repeated.
    Globs,
    /// Lists of URLs, divided by commas; may be repeated.
    Urls,
    /// A host, with a port or without.
    Server,
    /// A password.
    Secret,
    /// Names with passwords; may be repeated.
    Accounts,
    /// A proxy, with a password or without.
    Proxy,
    /// Where a remote control listens: an address or a name, and a port.
    Rpc,
    /// Names, divided by commas; may be repeated.
    Names,
}

impl Kind {
    /// Whether the flag is followed by a value.
    pub fn takes_value(self) -> bool {
        !matches!(self, Kind::Switch | Kind::Level)
    }

    /// Whether several values add up; otherwise the last one counts.
    pub fn repeats(self) -> bool {
        matches!(self, Kind::Peers | Kind::Addresses | Kind::Urls | Kind::Globs | Kind::Accounts | Kind::Names)
    }

    /// Whether values are nobody's business who looks over a shoulder.
    pub fn is_secret(self) -> bool {
        matches!(self, Kind::Secret | Kind::Accounts | Kind::Proxy)
    }

    /// Judges one value.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub fn check(self, value: &str) -> Result<(), String> {
        match self {
            Kind::Switch => values::switch(value).map(drop),
            Kind::Level => values::count(value, 0, 9).map(drop),
            Kind::Count { min, max } => values::count(value, min, max).map(drop),
            Kind::Size { min } => match values::size(value)? {
                bytes if bytes < min => Err(format!("`{value}` is less than {}", crate::base::text::size(min))),
                _ => Ok(()),
            },
            Kind::Ratio => values::ratio(value).map(drop),
            Kind::Time => values::time(value).map(drop),
            Kind::Text | Kind::Secret if value.is_empty() => Err("it is empty".into()),
            Kind::Text | Kind::Secret => Ok(()),
            Kind::Choice(words) if words.contains(&value) => Ok(()),
            Kind::Choice(words) => Err(format!("`{value}` is not one of {}", words.join(", "))),
            Kind::Select => values::select_form(value),
            Kind::Peers => values::peer(value).map(drop),
            Kind::Addresses => values::local(value).map(drop),
            Kind::Proxy => values::proxy(value).map(drop),
            Kind::Globs => Glob::parse(value).map(drop).map_err(|why| format!("`{value}`: {why}")),
            Kind::Urls => value.split(',').try_for_each(check_url),
            Kind::Server => values::server(value).map(drop),
            Kind::Rpc => values::peer(value).map(drop).or_else(|_| values::bind(value).map(drop)).map_err(|_| {
                format!("`{value}` is not an address with a port such as 127.0.0.1:9091 or box.lan:9091")
            }),
            Kind::Names if value.is_empty() => Err("it is empty".into()),
            Kind::Names => Ok(()),
            // Not shown: it holds a password.
            Kind::Accounts => values::account(value).map(drop),
        }
    }
}

/// A tracker or web seed as a person types it.
fn check_url(url: &str) -> Result<(), String> {
    let is_known = ["http://", "https://", "udp://"].iter().any(|scheme| {
        url.get(..scheme.len()).is_some_and(|head| head.eq_ignore_ascii_case(scheme)) && url.len() > scheme.len()
    });
    let is_plain = !url.chars().any(|c| c.is_whitespace() || c.is_control());
    if is_known && is_plain { Ok(()) } else { Err(format!("`{url}` is not a URL such as http://host:port/announce")) }
}

/// One row.
#[derive(PartialEq, Eq, Debug)]
pub struct Setting {
    /// Long flag without its dashes; also the key, and `PEERLINK_…` in capitals.
    pub name: &'static str,
    pub short: Option<char>,
    pub kind: Kind,
    /// What counts where nobody says anything; empty for nothing.
    pub default: &'static str,
    /// A few words for messages.
    pub about: &'static str,
    /// Whether it can be a key; only the name of the file itself cannot.
    pub is_key: bool,
}

impl Setting {
    /// The environment variable.
    pub fn variable(&self) -> String {
        format!("PEERLINK_{}", self.name.to_ascii_uppercase().replace('-', "_"))
    }
}

const fn row(
    name: &'static str,
    short: Option<char>,
    kind: Kind,
    default: &'static str,
    about: &'static str,
) -> Setting {
    Setting { name, short, kind, default, about, is_key: true }
}

/// Every setting there is, in the order in which `peerlink config` shows them.
pub const SETTINGS: &[Setting] = &[
    row("dir", Some('d'), Kind::Text, ".", "a folder"),
    row("state-dir", None, Kind::Text, "", "a folder"),
    Setting { is_key: false, ..row("config", Some('c'), Kind::Text, "", "a file") },
    row("port", Some('p'), Kind::Count { min: 0, max: 65_535 }, "", "a TCP port, 0 for any"),
    row("bind", None, Kind::Addresses, "", "a local address or interface"),
    row("proxy", None, Kind::Proxy, "", "a proxy such as socks5://host:1080"),
    row("peer", None, Kind::Peers, "", "an address with a port"),
    row("tracker", Some('t'), Kind::Urls, "", "one or more URLs"),
    row("announce-all", None, Kind::Switch, "false", ""),
    row("max-peers", None, Kind::Count { min: 1, max: 10_000 }, "100", "a number"),
    row("max-connections", None, Kind::Count { min: 4, max: 100_000 }, "200", "a number"),
    row("up-limit", Some('u'), Kind::Size { min: 0 }, "0", "bytes per second such as 500K"),
    row("down-limit", None, Kind::Size { min: 0 }, "0", "bytes per second such as 500K"),
    row("torrent-up-limit", None, Kind::Size { min: 0 }, "0", "bytes per second such as 500K"),
    row("torrent-down-limit", None, Kind::Size { min: 0 }, "0", "bytes per second such as 500K"),
    row("no-lan-limit", None, Kind::Switch, "false", ""),
    row("memory", None, Kind::Size { min: 4 << 20 }, "32M", "a size, at least 4M"),
    row("select", Some('s'), Kind::Select, "", "files such as 1-5,8"),
    row("first", None, Kind::Select, "", "files such as 1-5,8"),
    row("last", None, Kind::Select, "", "files such as 1-5,8"),
    row("list", Some('l'), Kind::Switch, "false", ""),
    row("sequential", None, Kind::Switch, "false", ""),
    row("recheck", None, Kind::Switch, "false", ""),
    row("seed", None, Kind::Switch, "false", ""),
    row("seed-ratio", None, Kind::Ratio, "0", "a ratio such as 1.5"),
    row("seed-time", None, Kind::Time, "0", "a time such as 30m"),
    row("prealloc", None, Kind::Choice(&["none", "full"]), "none", "none or full"),
    row("min-free", None, Kind::Size { min: 0 }, "0", "a size such as 1G"),
    row("fetch", None, Kind::Switch, "false", ""),
    row("timeout", None, Kind::Time, "", "a time such as 30s"),
    row("on-done", None, Kind::Text, "", "a command"),
    row("no-dht", None, Kind::Switch, "false", ""),
    row("dht-bootstrap", None, Kind::Peers, "", "an address with a port"),
    row("dht-read-only", None, Kind::Switch, "false", ""),
    row("dht-up-limit", None, Kind::Size { min: 0 }, "8000", "bytes per second such as 8K"),
    row("dht-per-source", None, Kind::Count { min: 0, max: 100_000 }, "5", "questions per second"),
    row("encryption", None, Kind::Choice(&Encryption::WORDS), "prefer", "off, tolerate, prefer or require"),
    row("no-lsd", None, Kind::Switch, "false", ""),
    row("no-port-map", None, Kind::Switch, "false", ""),
    row("ca-file", None, Kind::Text, "", "a file"),
    row("no-pex", None, Kind::Switch, "false", ""),
    row("json", Some('j'), Kind::Switch, "false", ""),
    row("quiet", Some('q'), Kind::Switch, "false", ""),
    row("verbose", Some('v'), Kind::Level, "0", ""),
    row("output", Some('o'), Kind::Text, "", "a file"),
    row("force", Some('f'), Kind::Switch, "false", ""),
    row("private", None, Kind::Switch, "false", ""),
    row("comment", None, Kind::Text, "", "a text"),
    row("source", None, Kind::Text, "", "a text"),
    row("piece-length", None, Kind::Size { min: 16 << 10 }, "", "a power of two, 16K to 512M"),
    row("web-seed", None, Kind::Urls, "", "one or more URLs"),
    row("exclude", None, Kind::Globs, "", "a pattern such as *.tmp"),
    row("max-per-address", None, Kind::Count { min: 0, max: 1_000_000 }, "200", "a number"),
    row("announce-interval", None, Kind::Time, "30m", "a time such as 30m"),
    row("allow", None, Kind::Text, "", "a file"),
    row("deny", None, Kind::Text, "", "a file"),
    row("keys", None, Kind::Text, "", "a file"),
    row("flood", None, Kind::Count { min: 0, max: 1_000_000 }, "10", "lines per second"),
    row("network", None, Kind::Text, "peerlink", "a word"),
    row("motd", None, Kind::Text, "", "a file"),
    row("no-history", None, Kind::Switch, "false", ""),
    row("history-size", None, Kind::Size { min: 0 }, "256K", "a size such as 1M"),
    row("history-age", None, Kind::Time, "30d", "a time such as 7d"),
    row("real-ip-header", None, Kind::Text, "", "the name of a header"),
    row("server", None, Kind::Server, "", "a host such as box.lan or 192.0.2.1:9000"),
    row("publish", None, Kind::Switch, "false", ""),
    row("description", None, Kind::Text, "", "a text"),
    row("publish-by", None, Kind::Choice(&["anyone", "password"]), "anyone", "anyone or password"),
    row("password", None, Kind::Secret, "", "a password"),
    row("oper", None, Kind::Accounts, "", "a name and a password, NAME:PASSWORD"),
    row("index-max", None, Kind::Count { min: 0, max: 1_000_000 }, "10000", "a number"),
    row("index-size", None, Kind::Size { min: 0 }, "256M", "a size such as 1G"),
    row("group", None, Kind::Text, "", "the name of a group"),
    row("passphrase-file", None, Kind::Text, "", "a file"),
    row("nick", None, Kind::Text, "", "a nick of up to 32 letters and digits"),
    row("key", None, Kind::Text, "", "the key of a group"),
    row("backlog", None, Kind::Count { min: 0, max: 1000 }, "50", "a number"),
    row("send", None, Kind::Text, "", "a text"),
    row("rpc", None, Kind::Rpc, "127.0.0.1:9091", "an address with a port"),
    row("rpc-user", None, Kind::Text, "", "a name"),
    row("rpc-password", None, Kind::Secret, "", "a password"),
    row("rpc-host", None, Kind::Names, "", "a name of this machine"),
    row("max-downloads", None, Kind::Count { min: 0, max: 100_000 }, "5", "a number"),
    row("max-seeds", None, Kind::Count { min: 0, max: 100_000 }, "0", "a number"),
    row("on-add", None, Kind::Text, "", "a command"),
    row("on-error", None, Kind::Text, "", "a command"),
    row("incomplete-dir", None, Kind::Text, "", "a folder"),
    row("blocklist", None, Kind::Text, "", "a file or a URL"),
    row("watch-dir", None, Kind::Text, "", "a folder"),
    row("paused", None, Kind::Switch, "false", ""),
    row("open", None, Kind::Switch, "false", ""),
    row("label", None, Kind::Names, "", "a word"),
    row("delete-data", None, Kind::Switch, "false", ""),
    row("no-date", None, Kind::Switch, "false", ""),
];

/// The setting with this long name.
pub fn by_long(name: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.name == name)
}

/// The setting with this short name.
pub fn by_short(short: char) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.short == Some(short))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_defaults_are_valid() {
        for (at, setting) in SETTINGS.iter().enumerate() {
            let others = || SETTINGS.iter().skip(at + 1);
            assert!(others().all(|other| other.name != setting.name), "{}", setting.name);
            assert!(setting.short.is_none() || others().all(|o| o.short != setting.short), "{}", setting.name);
            assert!(setting.default.is_empty() || setting.kind.check(setting.default).is_ok(), "{}", setting.name);
            assert!(!setting.kind.takes_value() || !setting.about.is_empty(), "{}", setting.name);
        }
    }

    #[test]
    fn bad_values_are_refused() {
        let bad = [
            ("port", "65536"),
            ("port", "x"),
            ("memory", "3M"),
            ("bind", "localhost"),
            ("proxy", "http://a:1"),
            ("proxy", "socks5://a:b@c:d@e:70000"),
            ("proxy", "socks5://name@host"),
            ("tracker", "ftp://x/"),
            ("tracker", "http://"),
            ("tracker", "http://a,b"),
            ("tracker", "http://a b"),
            ("select", "0"),
            ("dir", ""),
            ("seed", "maybe"),
            ("exclude", "a//b"),
            ("prealloc", "falloc"),
            ("prealloc", ""),
            ("publish-by", "everyone"),
            ("server", "a:b"),
            ("oper", "name"),
        ];
        for (name, value) in bad {
            assert!(by_long(name).unwrap().kind.check(value).is_err(), "{name} {value}");
        }
        for (name, value) in [("port", "0"), ("memory", "4M"), ("bind", "::1"), ("tracker", "HTTP://a/b,udp://c:1")] {
            assert!(by_long(name).unwrap().kind.check(value).is_ok(), "{name} {value}");
        }
    }
}
