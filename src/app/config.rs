//! `peerlink config`: the effective settings and where each came from.

use super::json::Object;
use super::settings::{Environment, Settings};
use super::table::{Kind, SETTINGS, Setting};
use crate::base::text::harmless;
use crate::io::console::Console;

/// Prints them in the form of the configuration file, or as one JSON object per line.
pub fn run(settings: &Settings, environment: Environment<'_>, as_json: bool, console: &Console) {
    let mut out = String::new();
    for setting in SETTINGS.iter().filter(|setting| setting.is_key) {
        let effective = settings.effective(setting.name);
        let mut values = effective.values.clone();
        if setting.name == "state-dir" && values.is_empty() {
            let dir = settings.state_dir(environment).ok();
            values.extend(dir.map(|dir| dir.to_string_lossy().into_owned()));
        }
        if setting.kind.is_secret() {
            values.iter_mut().for_each(|value| *value = masked(setting.kind, value));
        }
        let origin = effective.origin.to_string();
        out += &if as_json {
            let object = Object::empty().text("name", setting.name).texts("values", &values);
            object.text("origin", &origin).line()
        } else {
            format!("{:<40}  # {}", line(setting, &values), harmless(&origin))
        };
        out.push('\n');
    }
    console.result(out);
}

/// What is shown of a password, or of a name and a password.
fn masked(kind: Kind, value: &str) -> String {
    match kind {
        Kind::Proxy => match value.rsplit_once('@') {
            Some((login, place)) => {
                let user = login.rsplit_once(':').map_or(login, |(user, _)| user);
                format!("{user}:…@{place}")
            }
            None => value.to_string(),
        },
        _ => {
            let name = value.split_once(':').filter(|_| kind == Kind::Accounts);
            name.map_or("…".into(), |(name, _)| format!("{name}:…"))
        }
    }
}

/// `name = value` as TOML; a comment where it is not set, or not shown.
fn line(setting: &Setting, values: &[String]) -> String {
    let name = setting.name;
    if setting.kind.is_secret() && values.iter().any(|value| value.contains('…')) {
        return format!("# {name} = {} (not shown)", values.join(", "));
    }
    if setting.kind.repeats() {
        let list: Vec<String> = values.iter().map(|value| quoted(value)).collect();
        return format!("{name} = [{}]", list.join(", "));
    }
    match (values.last(), setting.kind) {
        (None, _) => format!("# {name} ="),
        (Some(value), Kind::Switch | Kind::Level | Kind::Count { .. } | Kind::Ratio) => format!("{name} = {value}"),
        (Some(value), _) => format!("{name} = {}", quoted(value)),
    }
}

/// JSON strings are TOML strings, as long as nothing outside the basic plane is escaped.
fn quoted(text: &str) -> String {
    miniserde::json::to_string(&harmless(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::table::by_long;

    #[test]
    fn lines_are_toml() {
        let shown = |name: &str, values: &[&str]| {
            let values: Vec<String> = values.iter().map(|value| value.to_string()).collect();
            line(by_long(name).unwrap(), &values)
        };
        assert_eq!(shown("dir", &["a \"b\""]), r#"dir = "a \"b\"""#);
        assert_eq!(shown("port", &["5"]), "port = 5");
        assert_eq!(shown("seed-ratio", &["1.5"]), "seed-ratio = 1.5");
        assert_eq!(shown("port", &[]), "# port =");
        assert_eq!(shown("peer", &["a:1", "b:2"]), r#"peer = ["a:1", "b:2"]"#);
        assert_eq!(shown("seed", &["false"]), "seed = false");
        assert_eq!(shown("password", &[&masked(Kind::Secret, "ge:heim")]), "# password = … (not shown)");
        let proxy = |text: &str| shown("proxy", &[&masked(Kind::Proxy, text)]);
        assert_eq!(proxy("socks5://a:b@h:1"), "# proxy = socks5://a:…@h:1 (not shown)");
        assert_eq!(proxy("socks5://h:1"), "proxy = \"socks5://h:1\"");
        let opers = ["ann:a:b", "ben:c"].map(|account| masked(Kind::Accounts, account));
        assert_eq!(shown("oper", &[&opers[0], &opers[1]]), "# oper = ann:…, ben:… (not shown)");
    }
}
