//! The program under test: how it is started, and what it says.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use miniserde::json::{self, Value};
use tempfile::TempDir;

use super::child::Child;

/// The binary: cargo's, or another one that `PEERLINK_UNDER_TEST` names.
pub fn binary() -> PathBuf {
    std::env::var_os("PEERLINK_UNDER_TEST").map_or_else(|| env!("CARGO_BIN_EXE_peerlink").into(), PathBuf::from)
}

/// A folder for one test, below the target folder: payload does not belong into /tmp.
pub fn folder() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("cargo's own folder")
}

/// `peerlink WORDS --json`, on loopback, any port, with its state in `state`; nothing of this shell's settings.
pub fn command(words: &[&str], state: &Path) -> Command {
    command_at("127.0.0.1", words, state)
}

/// The same at another address of this machine.
pub fn command_at(bind: &str, words: &[&str], state: &Path) -> Command {
    let mut command = Command::new(binary());
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PEERLINK_")) {
        command.env_remove(name);
    }
    // Nothing here may ask nodes of the real DHT; a test that has its own takes this away.
    command.env("PEERLINK_NO_DHT", "true").env("PEERLINK_NO_LSD", "true");
    // Nor a gateway.
    command.env("PEERLINK_NO_PORT_MAP", "true");
    command.env("HOME", state).env_remove("XDG_CONFIG_HOME").env_remove("XDG_STATE_HOME");
    command.args(words).arg("--json").args(["--bind", bind, "--port", "0"]).arg("--state-dir").arg(state);
    command
}

/// `peerlink get` of these torrents into `dir`, from these peers.
pub fn get(torrents: &[PathBuf], dir: &Path, state: &Path, peers: &[SocketAddr]) -> Command {
    let mut command = command(&["get"], state);
    command.arg("--dir").arg(dir).args(peers.iter().flat_map(|peer| ["--peer".to_string(), peer.to_string()]));
    command.args(torrents);
    command
}

/// `peerlink seed` of these torrents, whose data is in `dir`.
pub fn seed(torrents: &[PathBuf], dir: &Path, state: &Path) -> Command {
    let mut command = command(&["seed"], state);
    command.arg("--dir").arg(dir).args(torrents);
    command
}

/// A running seed whose torrents are all checked, and its address.
pub fn start_seed(torrents: &[PathBuf], dir: &Path, state: &Path) -> (Child, SocketAddr) {
    start_seed_with(torrents, seed(torrents, dir, state))
}

/// The same, from a command of [`seed`] with more words.
pub fn start_seed_with(torrents: &[PathBuf], command: Command) -> (Child, SocketAddr) {
    let mut child = Child::start("peerlink seed", command);
    let port = child.expect("port", |line| Event::of(line, "listening").map(|event| event.number("port")));
    for _ in torrents {
        child.expect("shared torrent", |line| Event::of(line, "complete").map(drop));
    }
    (child, SocketAddr::from(([127, 0, 0, 1], port as u16)))
}

/// A line of `--json`.
#[derive(Debug)]
pub struct Event {
    value: json::Object,
}

impl Event {
    /// The line, if it tells this event.
    pub fn of(line: &str, event: &str) -> Option<Event> {
        let Ok(Value::Object(value)) = json::from_str(line) else { return None };
        let found = Event { value };
        (found.text("event") == event).then_some(found)
    }

    /// All events of this kind.
    pub fn all(lines: &[String], event: &str) -> Vec<Event> {
        lines.iter().filter_map(|line| Event::of(line, event)).collect()
    }

    pub fn text(&self, key: &str) -> &str {
        match self.value.get(key) {
            Some(Value::String(text)) => text,
            _ => "",
        }
    }

    pub fn number(&self, key: &str) -> u64 {
        match self.value.get(key) {
            Some(Value::Number(json::Number::U64(number))) => *number,
            Some(Value::Number(json::Number::I64(number))) => *number as u64,
            other => panic!("{key} is {other:?}"),
        }
    }
}
