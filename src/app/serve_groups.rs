//! The groups of `peerlink serve` as they start: their settings, the message of the day, and what was said before.

use std::path::Path;

use super::exit::{Exit, Failure};
use super::settings::{Settings, shown};
use crate::base::Span;
use crate::base::keyed::Secret;
use crate::base::text::harmless;
use crate::groups::{self, Groups, Kept};
use crate::io::keep;

/// Longest message of the day, in bytes and in lines.
const MOTD_LEN: u64 = 64 * 1024;
const MOTD_LINES: usize = 200;
/// Bytes of one of its lines: what fits a line of IRC.
const MOTD_LINE_LEN: usize = 400;

/// The groups, with all that was said before.
///
/// # Errors
/// Code 2 for settings that are not right, 5 where what was said cannot be read.
pub fn open(settings: &Settings, state_dir: &Path, secret: Secret) -> Result<Groups, Failure> {
    let default = groups::Options::new(secret);
    let flood = settings.count("flood").and_then(|count| u32::try_from(count).ok());
    let network = settings.text("network").unwrap_or(&default.network).to_string();
    if network.contains(char::is_whitespace) || network.len() > 32 {
        return Err(Failure::usage("--network: it is not one word of at most 32 bytes"));
    }
    let mut groups = Groups::new(groups::Options {
        network,
        motd: motd(settings)?,
        password: settings.text("password").map(str::to_string),
        opers: settings.accounts("oper"),
        flood_per_s: flood.unwrap_or(default.flood_per_s),
        history: history(settings),
        ..default
    });
    let file_max = groups::FILE_MAX;
    match keep::load(state_dir, groups::FILE, file_max) {
        Ok(Some((bytes, _))) => {
            let bad = groups.restore(&bytes);
            if bad > 0 {
                let name = state_dir.join(groups::FILE);
                log::warn!("{}: {bad} lines are torn or spoiled: left out", shown(&name));
            }
        }
        Ok(None) => {}
        Err(error) => return Err(Failure::new(Exit::of_disk(error.kind), harmless(&error.text))),
    }
    Ok(groups)
}

fn history(settings: &Settings) -> Option<Kept> {
    let default = Kept::default();
    let len = settings.size("history-size").and_then(|len| usize::try_from(len).ok()).unwrap_or(default.len);
    let age = settings.time("history-age").unwrap_or(default.age);
    let is_on = !settings.switch("no-history") && len > 0;
    is_on.then_some(Kept { len, age })
}

fn motd(settings: &Settings) -> Result<Vec<String>, Failure> {
    let Some(path) = settings.path("motd")? else { return Ok(Vec::new()) };
    let read = || {
        use std::io::Read;
        let mut bytes = Vec::new();
        std::fs::File::open(&path)?.take(MOTD_LEN).read_to_end(&mut bytes).map(|_| bytes)
    };
    let bytes = read().map_err(|e: std::io::Error| {
        Failure::usage(format!("--motd: cannot read {}: {}", shown(&path), crate::io::trouble::reason(&e)))
    })?;
    let text = String::from_utf8_lossy(&bytes);
    let line = |line: &str| harmless(line).chars().take(MOTD_LINE_LEN / 4).collect::<String>();
    let _ = Span::ZERO;
    Ok(text.lines().take(MOTD_LINES).map(line).collect())
}
