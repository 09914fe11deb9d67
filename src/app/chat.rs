//! `peerlink chat`: the group at a terminal, in a script, or one message from a command line.

mod commands;
mod errands;
mod events;
mod looks;
mod news;
mod paths;
mod sealed;
mod session;
mod shares;
mod transfers;
mod typing;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use self::errands::Errands;
use self::sealed::Sealed;
use self::session::Session;
use super::exit::{Exit, Failure};
use super::own_key::own_key;
use super::run::{self, identity};
use super::server::Server;
use super::settings::{Environment, Settings};
use super::{dht, publish};
use crate::base::{Span, limits};
use crate::io::console::{Console, Stream};
use crate::io::keyboard;
use crate::io::lock::Lock;
use crate::io::reactor::{Ended, Handle};
use crate::io::signals::{self, Signal};
use crate::io::terminal::{self, Raw};
use crate::machine::{Manner, Note, Own};
use crate::member::{Member, MemberOptions};
use crate::node::Node;
use crate::seal::Identity;
use crate::wire::irc;

/// How a chat ends.
pub type Finish = Result<Exit, Failure>;

/// Who is at the other end of this process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// A person at a terminal.
    Typed,
    /// Lines in, lines out.
    Lines,
    /// Lines in, JSON out.
    Json,
    /// `--send`: one message.
    Send,
}

/// Between rows of torrents.
const ROWS: Span = Span::millis(500);
/// A run that was told to stop and has not by then is ended anyway.
const STOP_LATEST: Duration = Duration::from_secs(3);
/// The terminal changed, or came back.
struct Redraw;

/// Talks until somebody says stop.
///
/// # Errors
/// What keeps it from starting; for `--send` also what keeps the message from its group.
pub fn run(settings: &Settings, environment: Environment<'_>, console: &Console) -> Result<Exit, Failure> {
    let mode = mode(settings, console);
    let group = settings.text("group").map(commands::group_name).transpose().map_err(Failure::usage)?;
    if group.is_none() && mode == Mode::Send {
        return Err(Failure::usage("--send needs a --group to say it to"));
    }
    let nick = nick(settings, environment)?;
    let server = Server::or_here(settings);
    let state_dir = settings.state_dir(environment)?;
    let me = own_key(&state_dir)?;
    // Who talks from here already keeps the nick: this one says who it is by its signature alone.
    let lock = Lock::take(&state_dir.join("identity.lock")).ok();
    let shown = lock.is_some().then(|| me.clone());
    let sealed = Sealed::new(me, settings)?;
    let mut node = node(&server, &nick, mode, settings, &state_dir, shown)?;
    let reactor = run::start(settings, state_dir.clone(), transfers::TORRENTS_MAX)?;
    if let Some(remark) = reactor.remark().filter(|_| mode == Mode::Typed) {
        console.line(Stream::Err, remark);
    }
    let handle = reactor.handle();
    let seen = watch_signals(handle.clone())?;
    let errands = Errands {
        server,
        state_dir,
        claim: publish::claim(settings),
        handle: handle.clone(),
        watch: Arc::default(),
        running: Arc::default(),
    };
    let has_colour = mode == Mode::Typed && environment("NO_COLOR").is_none_or(|value| value.is_empty());
    let mut session = Session::new(settings, console, mode, errands, &nick, sealed, has_colour);
    if let Some(group) = group {
        session.join(group, settings.text("key").map(str::to_string));
    }
    if let Some(text) = settings.text("send") {
        let group = session.group.clone().unwrap_or_default();
        session.say(&group, text, Manner::Plain, Vec::new());
        give_up_after(settings.time("timeout"), &session.server, handle.clone())?;
    } else {
        session.tell_loop(Note::Watch { interval: ROWS });
    }
    session.push();
    let raw = start_input(mode, handle, session.waiting_count.clone())?;
    let ended = reactor.run(&mut node, &mut |note| session.note(note));
    session.wind_down();
    drop(raw);
    drop(lock);
    match ended {
        Ok(Ended::Saved) => {}
        Ok(Ended::Late) => log::warn!("not everything could be saved in time; some of it will be checked again"),
        Err(e) => return Err(Failure::new(Exit::Other, format!("the loop ended: {e}"))),
    }
    match seen.load(Ordering::Relaxed) {
        0 => session.end.unwrap_or(Ok(Exit::Done)),
        INTERRUPTED => Ok(Exit::Interrupted),
        _ => Ok(Exit::Done),
    }
}

fn mode(settings: &Settings, console: &Console) -> Mode {
    match settings.switch("json") {
        _ if settings.text("send").is_some() => Mode::Send,
        true => Mode::Json,
        false if terminal::is_typed_at() && console.has_prompt() => Mode::Typed,
        false => Mode::Lines,
    }
}

/// `--nick`, else what this user is called, as far as that can be a nick.
fn nick(settings: &Settings, environment: Environment<'_>) -> Result<String, Failure> {
    if let Some(nick) = settings.text("nick") {
        let why = || format!("--nick: `{nick}` cannot be one: up to 32 letters, digits and - _ [ ] {{ }} | ` ^");
        return Some(nick.to_string()).filter(|nick| irc::is_nick(nick)).ok_or_else(|| Failure::usage(why()));
    }
    let user = environment("USER").or_else(|| environment("LOGNAME")).unwrap_or_default();
    let kept: String =
        user.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')).take(16).collect();
    let (number, ..) = identity()?;
    Ok(if irc::is_nick(&kept) { kept } else { format!("guest{}", number % 10_000) })
}

fn node(
    server: &Server,
    nick: &str,
    mode: Mode,
    settings: &Settings,
    state_dir: &Path,
    me: Option<Identity>,
) -> Result<Node, Failure> {
    let (seed, key, peer_id) = identity()?;
    let mut node = Node::new(peer_id, key).remember_bans(super::bans::read(state_dir));
    node = node.with_proxy(super::way_out::has_proxy(settings));
    node.allow_connections(limits::CONNECTIONS_MAX);
    if mode != Mode::Send {
        if let Some(dht) = dht::node(settings, state_dir)? {
            node = node.with_dht(dht);
        }
        if run::ways(settings).lsd {
            node = node.with_lsd(crate::lsd::Lsd::new(seed));
        }
        if let Some(port_map) = super::portmap::of(settings)? {
            node = node.with_port_map(port_map);
        }
    }
    let (host, port) = server.address();
    let history = if mode == Mode::Send { 0 } else { settings.count("backlog").unwrap_or(0) as usize };
    let member = Member::new(MemberOptions {
        host: host.to_string(),
        port,
        nick: nick.to_string(),
        real_name: String::new(),
        password: settings.text("password").map(str::to_string),
        history,
    });
    Ok(node.with_member(match me {
        Some(me) => member.with_identity(me),
        None => member,
    }))
}

/// Standard input, typed or as lines. What is returned holds the terminal.
fn start_input(mode: Mode, handle: Handle, waiting: Arc<AtomicUsize>) -> Result<Option<Raw>, Failure> {
    let failure = |what: &str, e: std::io::Error| Failure::new(Exit::Other, format!("{what}: {e}"));
    if mode == Mode::Send {
        return Ok(None);
    }
    let raw = match mode {
        Mode::Typed => Some(Raw::start().map_err(|e| failure("cannot set the terminal", e))?),
        _ => None,
    };
    if raw.is_some() {
        let handle = handle.clone();
        // Said again with the next key where the loop has no room for it.
        let redraw = move || _ = handle.note(Note::Own(Own::new(Redraw)));
        signals::watch_terminal(redraw).map_err(|e| failure("cannot watch for signals", e))?;
    }
    keyboard::start(handle, raw.is_none(), waiting).map_err(|e| failure("no thread to be had", e))?;
    Ok(raw)
}

/// `--send` with a time-out ends then.
fn give_up_after(timeout: Option<Span>, server: &Server, handle: Handle) -> Result<(), Failure> {
    let Some(timeout) = timeout else { return Ok(()) };
    let text = format!("{} has not acknowledged the message within {timeout}", server.place());
    let wait = move || {
        thread::sleep(Duration::from_micros(timeout.0));
        let finish: Finish = Err(Failure::new(Exit::Unreachable, text));
        let _ = handle.note(Note::Own(Own::new(finish)));
    };
    let started = thread::Builder::new().name("timeout".into()).stack_size(64 * 1024).spawn(wait);
    started.map(drop).map_err(|e| Failure::new(Exit::Other, format!("no thread to be had: {e}")))
}

const INTERRUPTED: u8 = 1;

/// The first signal winds down, with a limit; the second one ends at once. The terminal is given back in any case.
fn watch_signals(handle: Handle) -> Result<Arc<AtomicU8>, Failure> {
    let seen = Arc::new(AtomicU8::new(0));
    let flag = seen.clone();
    let end_now = |number: u8| {
        terminal::restore();
        std::process::exit(if number == INTERRUPTED { Exit::Interrupted } else { Exit::Done } as i32);
    };
    let on_signal = move |signal: Signal| {
        let number = INTERRUPTED + signal as u8;
        if flag.swap(number, Ordering::Relaxed) != 0 {
            end_now(number);
        }
        handle.stop();
        let late = move || {
            thread::sleep(STOP_LATEST);
            end_now(number);
        };
        let _ = thread::Builder::new().name("stop".into()).stack_size(64 * 1024).spawn(late);
    };
    signals::watch(on_signal).map_err(|why| Failure::new(Exit::Other, why))?;
    Ok(seen)
}
