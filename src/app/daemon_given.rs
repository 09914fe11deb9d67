//! The daemon's settings as its remote control wants them: at the start, and whenever they are read again.

use super::exit::Failure;
use super::settings::{Origin, Settings};
use super::{portmap, run, values};
use crate::remote::Session;
use crate::wire::json::{Number, Value};

/// The settings of the session as they are said: a flag, a variable or the file beats what the remote control set
/// earlier, what nobody says is remembered.
pub fn session(settings: &Settings) -> Result<Session, Failure> {
    let mut session = Session::default();
    for (name, value) in given(settings)? {
        session.give(name, value);
    }
    Ok(session)
}

pub fn given(settings: &Settings) -> Result<Vec<(&'static str, Value)>, Failure> {
    let mut given = Vec::new();
    let is_said = |name: &str| settings.effective(name).origin != Origin::Default;
    let count = |number: u64| Value::Number(Number::I64(i64::try_from(number).unwrap_or(i64::MAX)));
    let dir = settings.path("dir")?.ok_or_else(|| Failure::usage("--dir: it is empty"))?;
    let dir_text = dir.to_str().ok_or_else(|| Failure::usage("--dir: it is not UTF-8"))?;
    given.push(("download-dir", Value::String(dir_text.into())));
    if let Some(aside) = settings.path("incomplete-dir")? {
        let text = aside.to_str().ok_or_else(|| Failure::usage("--incomplete-dir: it is not UTF-8"))?;
        given.push(("incomplete-dir", Value::String(text.into())));
        given.push(("incomplete-dir-enabled", Value::Bool(true)));
    }
    for (flag, name, switch) in [
        ("up-limit", "speed-limit-up", "speed-limit-up-enabled"),
        ("down-limit", "speed-limit-down", "speed-limit-down-enabled"),
    ] {
        if is_said(flag) {
            let rate = settings.size(flag).unwrap_or(0);
            given.push((switch, Value::Bool(rate > 0)));
            if rate > 0 {
                given.push((name, count(rate.div_ceil(1000))));
            }
        }
    }
    if is_said("seed-ratio") {
        let thousandths = settings.text("seed-ratio").and_then(|text| values::ratio(text).ok()).unwrap_or(0);
        given.push(("seedRatioLimited", Value::Bool(thousandths > 0)));
        given.push(("seedRatioLimit", Value::Number(Number::F64(thousandths as f64 / 1000.0))));
    }
    for (flag, name, switch) in [
        ("max-downloads", "download-queue-size", "download-queue-enabled"),
        ("max-seeds", "seed-queue-size", "seed-queue-enabled"),
    ] {
        if is_said(flag) {
            let max = settings.count(flag).unwrap_or(0);
            given.push((switch, Value::Bool(max > 0)));
            given.push((name, count(max)));
        }
    }
    if is_said("encryption") {
        let word = Session::encryption_word(run::encryption(settings));
        given.push(("encryption", Value::String(word.into())));
    }
    if is_said("paused") {
        given.push(("start-added-torrents", Value::Bool(!settings.switch("paused"))));
    }
    given.push(("port-forwarding-enabled", Value::Bool(portmap::is_wanted(settings))));
    if is_said("max-peers") {
        given.push(("peer-limit-per-torrent", count(settings.count("max-peers").unwrap_or(100))));
    }
    if is_said("blocklist") {
        given.push(("blocklist-enabled", Value::Bool(true)));
    }
    if is_said("max-connections") {
        given.push(("peer-limit-global", count(settings.count("max-connections").unwrap_or(200))));
    }
    given.extend(options(settings));
    Ok(given)
}

/// What clients neither see nor set, by the names of the flags.
fn options(settings: &Settings) -> Vec<(&'static str, Value)> {
    let count = |number: u64| Value::Number(Number::I64(i64::try_from(number).unwrap_or(i64::MAX)));
    let texts = |name: &str| settings.list(name).iter().map(|text| Value::String(text.clone())).collect();
    let text = |name: &str| settings.text(name).map_or(Value::Null, |text| Value::String(text.to_string()));
    vec![
        ("announce-all", Value::Bool(settings.switch("announce-all"))),
        ("blocklist", text("blocklist")),
        ("min-free", count(settings.size("min-free").unwrap_or(0))),
        ("no-lan-limit", Value::Bool(settings.switch("no-lan-limit"))),
        ("prealloc", text("prealloc")),
        ("rpc-host", Value::Array(texts("rpc-host"))),
        ("rpc-password", text("rpc-password")),
        ("rpc-user", text("rpc-user")),
        ("seed-time", count(settings.time("seed-time").map_or(0, |time| time.0 / 1_000_000))),
    ]
}
