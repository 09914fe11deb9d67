//! `peerlink daemon`: the always-on client, driven over its remote control, until somebody says stop.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::blocklist::{self, Blocklist};
use super::daemon_given::{given, session};
use super::exit::{Exit, Failure};
use super::hooks::Hooks;
use super::json::Object;
use super::notify::{self, Notify};
use super::run::{self, identity, ways};
use super::settings::{Environment, Settings, shown};
use super::watch_dir::WatchDir;
use super::{bans, dht, discovery, open, portmap, values, way_out};
use crate::base::address::{Reach, reach};
use crate::base::limits;
use crate::base::text::harmless;
use crate::io::console::{Console, Stream};
use crate::io::lock::Lock;
use crate::io::reactor::{Ended, Handle, Next, Reactor};
use crate::io::shelf::Shelf;
use crate::io::signals::{self, Signal};
use crate::lsd::Lsd;
use crate::machine::{DiskError, DiskErrorKind, Event, Happened, Note};
use crate::node::{FrontOptions, Node, Server};
use crate::remote::{self, RECORD_LEN, Remote};
use crate::wire::json::Value;

/// The port of a remote control.
const PORT: u16 = 9091;
/// A run that was told to stop and has not by then is ended anyway: what is on disk is consistent at any moment.
const STOP_LATEST: Duration = Duration::from_secs(3);
/// Bytes of answers that nobody has read yet: the longest one, and some.
const REPLIES_LEN: usize = 32 * 1024 * 1024;
/// Lines of the group that the page shows of the time before.
const GROUP_HISTORY: usize = 50;
/// Torrents that run at once, as far as jobs and descriptors are set aside for them.
const RUNNING: usize = 64;

/// Runs until a signal.
///
/// # Errors
/// What keeps it from starting.
pub fn run(
    settings: &Settings,
    reload: impl Fn() -> Result<Settings, Failure> + Send + Sync + 'static,
    environment: Environment<'_>,
    console: &Console,
) -> Result<Exit, Failure> {
    let state_dir = settings.state_dir(environment)?;
    let control = listens(settings)?;
    let mut options = run::options(settings, state_dir.clone(), RUNNING)?;
    options.control = control.clone();
    let _lock = lock(&state_dir)?;
    let remote = restored(settings, &state_dir)?;
    let (seed, key, peer_id) = identity()?;
    let mut node = Node::new(peer_id, key).remember_bans(bans::read(&state_dir));
    node.allow_connections(settings.count("max-connections").unwrap_or(limits::CONNECTIONS_MAX as u64) as usize);
    if let Some(dht) = dht::node(settings, &state_dir)? {
        node = node.with_dht(dht);
    }
    if ways(settings).lsd {
        node = node.with_lsd(Lsd::new(seed));
    }
    node = node.with_proxy(way_out::has_proxy(settings));
    if let Some(port_map) = portmap::of(settings)? {
        node = node.with_port_map(port_map);
    }
    let mut join = None;
    if let Some((member, wanted)) = discovery::member(settings, GROUP_HISTORY)? {
        node = node.with_member(member);
        join = wanted;
    }
    let count = remote.count();
    node.serve(Server::control(
        FrontOptions { http_only: true, replies_len: REPLIES_LEN, ..FrontOptions::default() },
        remote,
    ));
    let reactor = Reactor::new(options).map_err(|e| Failure::new(Exit::Other, e.to_string()))?;
    join.into_iter().for_each(|join| _ = reactor.handle().note(join));
    let blocklist = Blocklist::start(blocklist::source(settings)?, &state_dir, reactor.handle());
    let hooks = Hooks::of(settings);
    let watched = WatchDir::start(settings.path("watch-dir")?, reactor.handle());
    let own = (blocklist.clone(), hooks.clone(), watched);
    watch_signals(reactor.handle(), move || {
        let settings = reload()?;
        let (given, source, dir) = (given(&settings)?, blocklist::source(&settings)?, settings.path("watch-dir")?);
        let (blocklist, hooks, watched) = &own;
        blocklist.read_from(source);
        hooks.read_again(&settings);
        watched.look_at(dir);
        Ok(given)
    })?;
    tell_ports(&reactor, settings, count, console);
    show_page(&reactor, settings, &control);
    let notify = Notify::new();
    if notify.is_some() {
        notify::watch(reactor.handle());
    }
    let manager = |line: &str| notify.iter().for_each(|notify| notify.say(line));
    manager("READY=1");
    let ended = reactor.run(&mut node, &mut |note| match note {
        Note::Pong => {
            manager("WATCHDOG=1");
            Next::Go
        }
        Note::UpdateBlocklist => {
            blocklist.again();
            Next::Go
        }
        note => hear(note, &hooks, settings, console),
    });
    manager("STOPPING=1");
    match ended {
        Ok(Ended::Saved) => Ok(Exit::Done),
        Ok(Ended::Late) => {
            log::warn!("not everything could be saved in time; some of it will be checked again");
            Ok(Exit::Done)
        }
        Err(e) => Err(Failure::new(Exit::Other, format!("the loop ended: {e}"))),
    }
}

/// Where the remote control listens. Whoever reaches it owns the daemon: beyond this machine only with a password.
fn listens(settings: &Settings) -> Result<Vec<SocketAddr>, Failure> {
    let text = settings.text("rpc").unwrap_or_default();
    let named = match text.strip_prefix("localhost") {
        Some(rest) => format!("127.0.0.1{rest}"),
        None => text.to_string(),
    };
    let bad = || {
        Failure::usage(format!("--rpc {}: a daemon listens at an address such as 127.0.0.1:{PORT}", harmless(text)))
    };
    let (ip, port) = values::bind(&named).map_err(|_| bad())?;
    let port = port.unwrap_or(PORT);
    if reach(ip) != Reach::Loopback && settings.text("rpc-password").is_none() {
        let why = "others can reach this address, so it needs a --rpc-password (and a --rpc-user)";
        return Err(Failure::usage(format!("--rpc {}: {why}", harmless(text))));
    }
    let everywhere = ip == IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    let v4 = everywhere.then(|| SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port));
    Ok([Some(SocketAddr::new(ip, port)), v4].into_iter().flatten().collect())
}

/// One daemon for each state folder.
fn lock(state_dir: &Path) -> Result<Lock, Failure> {
    Lock::take(&state_dir.join("daemon.lock")).map_err(|error| match error.kind {
        DiskErrorKind::Locked => {
            let text = "a daemon runs already with this state folder; `peerlink status` asks it, and another one needs \
                        its own --state-dir";
            Failure::new(Exit::Other, text)
        }
        _ => failed(&error),
    })
}

fn failed(error: &DiskError) -> Failure {
    Failure::new(Exit::of_disk(error.kind), harmless(&error.text))
}

/// The remote control with everything that earlier runs knew.
fn restored(settings: &Settings, state_dir: &Path) -> Result<Remote, Failure> {
    let mut random = [0; 24];
    getrandom::fill(&mut random).map_err(|e| Failure::new(Exit::Other, format!("no random numbers: {e}")))?;
    let mut remote = Remote::new(remote::Options {
        user: settings.text("rpc-user").unwrap_or_default().to_string(),
        password: settings.text("rpc-password").map(str::to_string),
        hosts: settings.list("rpc-host").to_vec(),
        session_id: random.iter().map(|byte| format!("{byte:02x}")).collect(),
        version: env!("CARGO_PKG_VERSION").to_string(),
        session: session(settings)?,
        began_s: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
        state_dir: state_dir.to_string_lossy().into_owned(),
        // What cannot be a group was refused before.
        group: settings.text("group").and_then(|group| discovery::group_name(group).ok()).unwrap_or_default(),
        ways: ways(settings),
        has_dht: !settings.switch("no-dht") && !way_out::has_proxy(settings),
        announce_all: settings.switch("announce-all"),
        prealloc: settings.text("prealloc") == Some("full"),
        spares_lan: settings.switch("no-lan-limit"),
        min_free: settings.size("min-free").unwrap_or(0),
        seed_time_s: settings.time("seed-time").map_or(0, |time| time.0 / 1_000_000),
        blocklist: settings.text("blocklist").unwrap_or_default().to_string(),
    });
    let each = Shelf::of(state_dir, remote::SHELF).each(RECORD_LEN, |file| {
        if !remote.restore(file.name, file.head) {
            let path = state_dir.join(remote::SHELF).join(file.name);
            log::warn!("{} is no record of a torrent, or damaged: left out", shown(&path));
        }
    });
    each.map_err(|error| failed(&error))?;
    Ok(remote)
}

fn tell_ports(reactor: &Reactor, settings: &Settings, count: usize, console: &Console) {
    let (port, control) = (reactor.port(), reactor.control_port().unwrap_or(0));
    if settings.switch("json") {
        let object = Object::event("listening").number("port", port).number("rpc_port", control);
        console.result(object.number("torrents", count as u64).line());
        return;
    }
    if let Some(remark) = reactor.remark().filter(|_| !settings.switch("quiet")) {
        console.line(Stream::Err, remark);
    }
    if !settings.switch("quiet") || settings.count("port") == Some(0) {
        console.result(format!("listening on port {port}"));
        console.result(format!("remote control at port {control}, with {count} torrents"));
    }
}

/// The page, for who wants to see it at once.
fn show_page(reactor: &Reactor, settings: &Settings, control: &[SocketAddr]) {
    if let Some((address, port)) = control.first().zip(reactor.control_port())
        && settings.switch("open")
    {
        open::open(open::url(SocketAddr::new(address.ip(), port)));
    }
}

/// What the loop tells.
fn hear(note: Note, hooks: &Hooks, settings: &Settings, console: &Console) -> Next {
    match note {
        Note::Happened(happened) => {
            tell(&happened, settings, console);
            hooks.run(*happened);
        }
        // With many torrents there is always a tracker that does not answer; `peerlink list` shows what is wrong.
        Note::Said { text, .. } => log::info!("{text}"),
        Note::PortMapped(mapped) if settings.switch("json") => console.line(Stream::Out, portmap::event(mapped)),
        Note::PortMapped(mapped) if !settings.switch("quiet") => console.line(Stream::Err, portmap::line(mapped)),
        Note::Close => return Next::Stop,
        _ => {}
    }
    Next::Go
}

fn tell(happened: &Happened, settings: &Settings, console: &Console) {
    let (name, word) = (&happened.name, word(happened.event));
    if settings.switch("json") {
        let object = Object::event(word).number("id", happened.id).text("name", name);
        let object = object.text("info_hash", &happened.info_hash.to_string()).text("error", &happened.error);
        console.line(Stream::Out, object.line());
    } else if happened.event == Event::Error {
        log::warn!("{}: {}", harmless(name), harmless(&happened.error));
    } else if !settings.switch("quiet") {
        console.line(Stream::Out, format!("{word} {}", harmless(name)));
    }
}

/// What happened, in one word.
pub fn word(event: Event) -> &'static str {
    match event {
        Event::Added => "added",
        Event::Done => "complete",
        Event::Error => "error",
    }
}

/// INT and TERM wind down, with a limit; the second one ends at once. HUP reads the settings again.
fn watch_signals(
    handle: Handle,
    read_again: impl Fn() -> Result<Vec<(&'static str, Value)>, Failure> + Send + Sync + 'static,
) -> Result<(), Failure> {
    let is_ending = Arc::new(AtomicBool::new(false));
    let on_signal = move |signal: Signal| match signal {
        Signal::HangUp => match read_again() {
            Ok(given) => match handle.note(Note::Given(given)) {
                true => log::info!("the settings were read again"),
                false => log::warn!("the settings were read again, but nobody listens"),
            },
            Err(failure) => log::warn!("{}; what was read before still counts", failure.text),
        },
        Signal::Interrupt | Signal::Terminate => {
            if is_ending.swap(true, Ordering::Relaxed) {
                std::process::exit(Exit::Other as i32);
            }
            handle.stop();
            let late = || {
                std::thread::sleep(STOP_LATEST);
                std::process::exit(Exit::Done as i32);
            };
            let _ = std::thread::Builder::new().name("stop".into()).stack_size(64 * 1024).spawn(late);
        }
    };
    signals::watch(on_signal).map_err(|why| Failure::new(Exit::Other, why))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::file::ConfigFile;
    use crate::app::settings::Given;

    fn settings(flags: &[(&str, &str)]) -> Settings {
        let flags = flags.iter().map(|(name, value)| (name.to_string(), vec![value.to_string()])).collect();
        Settings::resolve(&Given { flags }, &|_| None, &ConfigFile::default()).unwrap()
    }

    #[test]
    fn strangers_need_a_password() {
        let at = |flags: &[(&str, &str)]| listens(&settings(flags));
        assert_eq!(at(&[]).unwrap(), ["127.0.0.1:9091".parse().unwrap()]);
        assert_eq!(at(&[("rpc", "localhost:1")]).unwrap(), ["127.0.0.1:1".parse().unwrap()]);
        assert_eq!(at(&[("rpc", "[::1]:0")]).unwrap(), ["[::1]:0".parse().unwrap()]);
        for open in ["0.0.0.0:9091", "192.168.1.2:9091", "[::]:9091"] {
            assert!(at(&[("rpc", open)]).unwrap_err().text.contains("--rpc-password"), "{open}");
            assert!(at(&[("rpc", open), ("rpc-password", "x")]).is_ok(), "{open}");
        }
        assert_eq!(at(&[("rpc", "[::]:9091"), ("rpc-password", "x")]).unwrap().len(), 2);
        assert!(at(&[("rpc", "box.lan:9091")]).is_err());
    }

    #[test]
    fn limits_become_the_sessions() {
        let session = session(&settings(&[("up-limit", "500K"), ("seed-ratio", "1.5"), ("max-seeds", "3")])).unwrap();
        assert_eq!((session.limits(false), session.ratio("seedRatioLimit")), ((512_000, 0), 1.5));
        assert!(session.switch("seedRatioLimited") && session.switch("seed-queue-enabled"));
        assert_eq!((session.count("seed-queue-size"), session.count("download-queue-size")), (3, 5));
    }
}
