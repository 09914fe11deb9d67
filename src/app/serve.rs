//! `peerlink serve`: the meeting point of a group, on one port, until somebody says stop.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use super::exit::{Exit, Failure};
use super::json::Object;
use super::run::identity;
use super::settings::{Environment, Settings, shown};
use super::values;
use super::{serve_groups, serve_index};
use crate::base::Span;
use crate::base::access::{self, Access};
use crate::base::keyed::Secret;
use crate::io::console::Console;
use crate::io::reactor::{Ended, Handle, Next, Options, Reactor};
use crate::io::signals::{self, Signal};
use crate::machine::Note;
use crate::node::{FrontOptions, Node, Server};
use crate::tracker::{self, Tracker};

/// The port of a meeting point.
const PORT: u16 = 9000;
/// Least and most time between two announces of a peer.
const INTERVAL: (Span, Span) = (Span::secs(10), Span::secs(86_400));
/// Longest file of info hashes or keys.
const LIST_LEN: u64 = 64 << 20;
/// Descriptors for connections, where the machine allows so many.
const DESCRIPTORS: u64 = 1 << 16;

/// Serves until a signal.
///
/// # Errors
/// What keeps it from starting: a taken port, a folder that cannot be made, a list that cannot be read.
pub fn run(settings: &Settings, environment: Environment<'_>, console: &Console) -> Result<Exit, Failure> {
    let state_dir = settings.state_dir(environment)?;
    let (bind, port) = bind(settings.list("bind"))?;
    let lists = Lists::of(settings)?;
    let tracker = Tracker::new(tracker_options(settings)?, lists.read()?, secret()?);
    std::fs::create_dir_all(&state_dir).map_err(|e| {
        let shown = shown(&state_dir);
        Failure::new(Exit::Disk, format!("cannot make the state folder {shown} (--state-dir): {e}"))
    })?;
    let (seed, key, peer_id) = identity()?;
    let mut options = Options::new(state_dir.clone());
    options.bind = bind;
    options.port = Some(port);
    options.seed = seed;
    options.descriptors = DESCRIPTORS;
    options.callers_speak_first = true;
    let reactor = Reactor::new(options).map_err(|e| Failure::new(Exit::Other, e.to_string()))?;
    let (index, _lock) = serve_index::open(settings, &state_dir)?;
    let front = FrontOptions {
        per_address: settings.count("max-per-address").unwrap_or(0) as usize,
        real_ip_header: settings.text("real-ip-header").unwrap_or_default().to_string(),
        ..FrontOptions::default()
    };
    let mut node = Node::new(peer_id, key);
    let groups = serve_groups::open(settings, &state_dir, secret()?)?;
    node.serve(Server::new(front, tracker, index, groups));
    watch_signals(reactor.handle(), lists)?;
    if settings.switch("json") {
        console.result(Object::event("listening").number("port", reactor.port()).line());
    } else if port == 0 || !settings.switch("quiet") {
        console.result(format!("listening on port {}", reactor.port()));
    }
    match reactor.run(&mut node, &mut |_| Next::Go) {
        Ok(Ended::Saved) => Ok(Exit::Done),
        Ok(Ended::Late) => Err(Failure::new(Exit::Other, "not everything could be saved in time")),
        Err(e) => Err(Failure::new(Exit::Other, format!("the loop ended: {e}"))),
    }
}

/// Where to listen: no address means everywhere.
fn bind(given: &[String]) -> Result<(Vec<IpAddr>, u16), Failure> {
    let mut addresses = Vec::new();
    let mut port = None;
    for text in given {
        let (ip, at) = values::bind(text).map_err(Failure::usage)?;
        let at = at.unwrap_or(PORT);
        if port.is_some_and(|before| before != at) {
            let text = format!("--bind {text}: everything is on one port, and another one was said before");
            return Err(Failure::usage(text));
        }
        port = Some(at);
        addresses.push(ip);
    }
    // Both families, as everywhere in this program; 0.0.0.0 is how to have IPv4 alone.
    if addresses.iter().any(|ip| ip.is_ipv6() && ip.is_unspecified()) {
        addresses.clear();
    }
    Ok((addresses, port.unwrap_or(PORT)))
}

fn tracker_options(settings: &Settings) -> Result<tracker::Options, Failure> {
    let default = tracker::Options::default();
    let interval = settings.time("announce-interval").unwrap_or(default.interval);
    if !(INTERVAL.0..=INTERVAL.1).contains(&interval) {
        return Err(Failure::usage("--announce-interval: it is not between 10s and 1d"));
    }
    let count = |name| settings.count(name).and_then(|count| usize::try_from(count).ok());
    let size = |name| settings.size(name).and_then(|size| usize::try_from(size).ok());
    Ok(tracker::Options {
        interval,
        peers_max: count("max-peers").unwrap_or(default.peers_max),
        memory_max: size("memory").unwrap_or(default.memory_max),
    })
}

/// What ids of strangers are made with.
fn secret() -> Result<Secret, Failure> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|e| Failure::new(Exit::Other, format!("no random numbers: {e}")))?;
    let number = u128::from_le_bytes(bytes);
    Ok(Secret(number as u64, (number >> 64) as u64))
}

/// The files that say who may use the tracker.
#[derive(Clone, Debug)]
struct Lists {
    allow: Option<PathBuf>,
    deny: Option<PathBuf>,
    keys: Option<PathBuf>,
}

impl Lists {
    fn of(settings: &Settings) -> Result<Lists, Failure> {
        Ok(Lists { allow: settings.path("allow")?, deny: settings.path("deny")?, keys: settings.path("keys")? })
    }

    /// What they say now.
    fn read(&self) -> Result<Access, Failure> {
        let hash = "no info hash of 40 hexadecimal digits";
        let key = "no key of 8 to 64 letters, digits, - and _";
        Ok(Access {
            allowed: read_list("allow", self.allow.as_ref(), access::hashes, hash)?,
            denied: read_list("deny", self.deny.as_ref(), access::hashes, hash)?,
            keys: read_list("keys", self.keys.as_ref(), access::keys, key)?,
        })
    }
}

fn read_list<T>(
    flag: &str,
    path: Option<&PathBuf>,
    parse: fn(&str) -> Result<Vec<T>, usize>,
    wrong: &str,
) -> Result<Option<Vec<T>>, Failure> {
    let Some(path) = path else { return Ok(None) };
    let name = shown(path);
    let read = || {
        use std::io::Read;
        let mut text = String::new();
        std::fs::File::open(path)?.take(LIST_LEN).read_to_string(&mut text).map(|_| text)
    };
    let text = read().map_err(|e: std::io::Error| {
        Failure::usage(format!("--{flag}: cannot read {name}: {}", crate::io::trouble::reason(&e)))
    })?;
    let bad = |line| Failure::usage(format!("--{flag}: {name}:{line}: {wrong}"));
    parse(&text).map(Some).map_err(bad)
}

/// INT and TERM wind down, the second one ends at once; HUP reads the lists again.
fn watch_signals(handle: Handle, lists: Lists) -> Result<(), Failure> {
    let is_ending = AtomicBool::new(false);
    let on_signal = move |signal: Signal| match signal {
        Signal::HangUp => match lists.read() {
            Ok(access) => {
                log::info!("the lists were read again");
                if !handle.note(Note::Access(Box::new(access))) {
                    log::warn!("the lists were read again, but nobody listens");
                }
            }
            Err(failure) => log::warn!("{}; what was read before still counts", failure.text),
        },
        Signal::Interrupt | Signal::Terminate => {
            if is_ending.swap(true, Ordering::Relaxed) {
                std::process::exit(Exit::Other as i32);
            }
            handle.stop();
        }
    };
    signals::watch(on_signal).map_err(|why| Failure::new(Exit::Other, why))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_on_one_port() {
        let asked = |texts: &[&str]| bind(&texts.iter().map(|text| text.to_string()).collect::<Vec<_>>());
        let local: IpAddr = [127, 0, 0, 1].into();
        assert_eq!(asked(&[]), Ok((vec![], 9000)));
        assert_eq!(asked(&["[::]:0"]), Ok((vec![], 0)));
        assert_eq!(asked(&["127.0.0.1"]), Ok((vec![local], 9000)));
        assert_eq!(asked(&["127.0.0.1:80", "[::1]:80"]).unwrap().1, 80);
        assert!(asked(&["127.0.0.1:80", "[::1]:81"]).unwrap_err().text.contains("one port"));
    }
}
