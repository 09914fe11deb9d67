//! A run of the client: starts reactor and node, feeds them torrents, carries out what [`super::follow`] says, ends
//! on signals.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::bans;
use super::dht;
use super::discovery;
use super::enough::Enough;
use super::exit::{Exit, Failure};
use super::follow::{Follow, Followed, Purpose, Say, Style};
use super::json::Object;
use super::portmap;
use super::settings::Settings;
use super::sought::Sought;
use super::space::MinFree;
use super::way_out;
use crate::base::address::Reach;
use crate::base::encryption::Encryption;
use crate::base::{InfoHash, PeerId, Span, TorrentId, limits};
use crate::io::console::{Console, Stream};
use crate::io::reactor::{Ended, Handle, Next, Options, Reactor};
use crate::io::signals::{self, Signal};
use crate::lsd::Lsd;
use crate::machine::{AddTorrent, Note, RateLimits, Ways};
use crate::metainfo::Metainfo;
use crate::metainfo::magnet::Magnet;
use crate::node::Node;

/// Torrents of one run.
const TORRENTS_MAX: usize = 10_000;
/// Between two tries to hand over more torrents than the loop takes at once.
const FEED_RETRY: Duration = Duration::from_millis(2);
/// A run that was told to stop and has not by then is ended anyway: what is on disk is consistent at any moment.
const STOP_LATEST: Duration = Duration::from_secs(3);
/// Between rows, with and without a live line.
const ROWS: (Span, Span) = (Span::millis(250), Span::secs(1));
/// Memory that the defaults of [`limits`] stand for.
const MEMORY_DEFAULT: u64 = 32 << 20;

/// What a run works on.
#[derive(Debug)]
pub enum Subject {
    /// A torrent, and peers that a link named besides.
    Torrent(Arc<Metainfo>, Vec<(String, u16)>),
    /// A link: what it stands for is sought first.
    Link(Box<Magnet>, InfoHash),
}

impl Subject {
    pub fn info_hash(&self) -> InfoHash {
        match self {
            Subject::Torrent(metainfo, _) => metainfo.info_hash,
            Subject::Link(_, info_hash) => *info_hash,
        }
    }
}

/// A torrent to work on.
#[derive(Debug)]
pub struct Item {
    pub subject: Subject,
    /// Absolute folder.
    pub dir: PathBuf,
    /// Per file; empty for all.
    pub wanted: Vec<bool>,
    /// How far whoever gave it to us is; `Nowhere` for the person at this machine.
    pub named_by: Reach,
}

/// Works on the torrents until they are done or somebody says stop.
///
/// # Errors
/// What keeps it from starting.
pub fn run(
    purpose: Purpose,
    items: Vec<Item>,
    settings: &Settings,
    state_dir: PathBuf,
    min_free: Option<MinFree>,
    console: &Console,
) -> Result<Exit, Failure> {
    check(&items)?;
    let style = style(&purpose, settings, console);
    let dht = dht::node(settings, &state_dir)?;
    let member = discovery::member(settings, 0)?;
    let bans = bans::read(&state_dir);
    let reactor = start(settings, state_dir, items.len())?;
    tell_port(&reactor, &purpose, settings, style, console);
    let handle = reactor.handle();
    let (seed, key, peer_id) = identity()?;
    log::debug!("peer id {peer_id:?}, seed {seed}");
    let mut node = Node::new(peer_id, key).remember_bans(bans);
    node.allow_connections(settings.count("max-connections").unwrap_or(limits::CONNECTIONS_MAX as u64) as usize);
    if let Some(dht) = dht {
        node = node.with_dht(dht);
    }
    if ways(settings).lsd {
        node = node.with_lsd(Lsd::new(seed));
    }
    node = node.with_proxy(way_out::has_proxy(settings));
    if let Some(port_map) = portmap::of(settings)?.filter(|_| !matches!(purpose, Purpose::Look { .. })) {
        node = node.with_port_map(port_map);
    }
    if let Some((member, join)) = member {
        node = node.with_member(member);
        join.into_iter().for_each(|join| _ = handle.note(join));
    }
    let followed = items.iter().map(Followed::of);
    let mut follow = Follow::new(purpose, style, followed.collect()).until(Enough::of(settings));
    handle.note(Note::Watch { interval: if style.live { ROWS.0 } else { ROWS.1 } });
    let mut sought = Sought::new(settings, handle.clone());
    let begins = items.into_iter().enumerate().map(|(number, item)| sought.begin(number, item)).collect();
    let signal = watch_signals(handle.clone())?;
    feed(begins, handle, signal.clone())?;
    let began = Instant::now();
    let mut errands: Vec<JoinHandle<()>> = Vec::new();
    let ended = reactor.run(&mut node, &mut |note| {
        let now = Span::millis(u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX / 1000));
        let mut next = Next::Go;
        let low = min_free.as_ref().and_then(MinFree::trouble).map(|text| follow.no_room(&text));
        let says = match note {
            Note::Metadata { torrent, info } => sought.found(now, torrent, &info, &mut follow, min_free.as_ref()),
            note => follow.note(now, note),
        };
        sought.push();
        for say in low.into_iter().flatten().chain(says) {
            match say {
                Say::Done(number) => errands.extend(run_on_done(settings, &follow.torrents()[number])),
                Say::Stop => next = Next::Stop,
                other => print(other, console),
            }
        }
        next
    });
    console.live(None);
    match ended {
        Ok(Ended::Saved) => {}
        Ok(Ended::Late) => log::warn!("not everything could be saved in time; some of it will be checked again"),
        Err(e) => return Err(Failure::new(Exit::Other, format!("the loop ended: {e}"))),
    }
    let by_signal = by_signal(signal.load(Ordering::Relaxed));
    let (exit, say) = follow.end(by_signal);
    say.into_iter().for_each(|say| print(say, console));
    if by_signal.is_none() {
        errands.into_iter().for_each(|errand| drop(errand.join()));
    }
    Ok(exit)
}

fn check(items: &[Item]) -> Result<(), Failure> {
    if items.len() > TORRENTS_MAX {
        return Err(Failure::usage(format!("more than {TORRENTS_MAX} torrents for one run")));
    }
    let mut hashes: Vec<_> = items.iter().map(|item| item.subject.info_hash()).collect();
    hashes.sort();
    match hashes.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(Failure::usage(format!("torrent {} is given twice", pair[0]))),
        None => Ok(()),
    }
}

pub(super) fn start(settings: &Settings, state_dir: PathBuf, torrent_count: usize) -> Result<Reactor, Failure> {
    let options = options(settings, state_dir, torrent_count)?;
    Reactor::new(options).map_err(|e| Failure::new(Exit::Other, e.to_string()))
}

/// What the settings say about the loop. Makes the state folder.
///
/// # Errors
/// It cannot be made, or there are no random numbers.
pub(super) fn options(settings: &Settings, state_dir: PathBuf, torrent_count: usize) -> Result<Options, Failure> {
    std::fs::create_dir_all(&state_dir).map_err(|e| {
        let shown = super::settings::shown(&state_dir);
        Failure::new(Exit::Disk, format!("cannot make the state folder {shown} (--state-dir): {e}"))
    })?;
    let (seed, ..) = identity()?;
    let memory = settings.size("memory").unwrap_or(MEMORY_DEFAULT);
    let scaled = |default: u64, min: u64| {
        (u128::from(default) * u128::from(memory) / u128::from(MEMORY_DEFAULT)).clamp(u128::from(min), 1 << 16) as u32
    };
    let mut options = Options::new(state_dir);
    options.pool_blocks = scaled(limits::POOL_BLOCKS as u64, 2 * limits::READ_BLOCKS as u64) as usize;
    options.download_credits = scaled(u64::from(limits::DOWNLOAD_CREDITS), 64);
    options.upload_credits = scaled(u64::from(options.upload_credits), 32);
    // Blocks on their way in and out, and what every torrent may ask for at once: open, check, save, close.
    options.job_slots = options.pool_blocks + options.upload_credits as usize + 64 + 4 * torrent_count;
    options.torrents = torrent_count;
    options.way = way_out::of(settings);
    options.bind = way_out::listen(settings, &options.way)?;
    options.port = settings.count("port").map(|port| port as u16);
    options.up_limit = settings.size("up-limit").unwrap_or(0);
    options.down_limit = settings.size("down-limit").unwrap_or(0);
    options.seed = seed;
    options.encryption = encryption(settings);
    options.lsd = ways(settings).lsd;
    Ok(options)
}

/// How lines look. Whoever only looks gets what was asked for and nothing else.
fn style(purpose: &Purpose, settings: &Settings, console: &Console) -> Style {
    let (json, quiet) = (settings.switch("json"), settings.switch("quiet"));
    match purpose {
        Purpose::Look { .. } => Style { json: false, quiet: quiet || json, live: console.is_live() },
        _ => Style { json, quiet, live: console.is_live() },
    }
}

/// Tells the port where somebody has to know it: any was asked for, or a script listens.
fn tell_port(reactor: &Reactor, purpose: &Purpose, settings: &Settings, style: Style, console: &Console) {
    let port = reactor.port();
    if matches!(purpose, Purpose::Look { .. }) {
        // What is asked for is all that is printed.
    } else if style.json {
        console.result(Object::event("listening").number("port", port).line());
    } else if settings.count("port") == Some(0) {
        console.result(format!("listening on port {port}"));
    }
    if let Some(remark) = reactor.remark().filter(|_| !style.quiet) {
        console.line(Stream::Err, remark);
    }
}

/// What must differ between processes: the generator's seed, the trackers' key, the peer id (BEP 20).
pub(super) fn identity() -> Result<(u64, u32, PeerId), Failure> {
    let mut random = [0; 24];
    getrandom::fill(&mut random).map_err(|e| Failure::new(Exit::Other, format!("no random numbers: {e}")))?;
    let number = |range: std::ops::Range<usize>| random[range].iter().fold(0u64, |n, byte| n << 8 | u64::from(*byte));
    let mut peer_id = *b"-PL0100-............";
    for (byte, chance) in peer_id[8..].iter_mut().zip(&random[12..]) {
        *byte = b"0123456789abcdefghijklmnopqrstuv"[usize::from(chance & 31)];
    }
    Ok((number(0..8), number(8..12) as u32, PeerId(peer_id)))
}

/// What the loop is told of a torrent.
///
/// # Panics
/// When it is a link: those are sought first.
pub fn add(torrent: TorrentId, item: Item, settings: &Settings) -> AddTorrent {
    let Subject::Torrent(metainfo, peers) = item.subject else { panic!("a link is sought before it is added") };
    AddTorrent {
        torrent,
        metainfo,
        dir: item.dir,
        wanted: item.wanted,
        priorities: Vec::new(),
        peers: settings.peers("peer").into_iter().chain(peers).collect(),
        trackers: settings.tiers("tracker"),
        announce_all: settings.switch("announce-all"),
        sequential: settings.switch("sequential"),
        peers_max: settings.count("max-peers").unwrap_or(limits::PEERS_MAX as u64) as usize,
        recheck: settings.switch("recheck"),
        had: None,
        prealloc: settings.text("prealloc") == Some("full"),
        ways: ways(settings),
        web_seeds_by: item.named_by,
        limits: RateLimits {
            up_per_s: settings.size("torrent-up-limit").unwrap_or(0),
            down_per_s: settings.size("torrent-down-limit").unwrap_or(0),
            spares_lan: settings.switch("no-lan-limit"),
            is_apart: false,
        },
    }
}

/// The ways to peers that the settings allow.
pub fn ways(settings: &Settings) -> Ways {
    Ways { pex: !settings.switch("no-pex"), lsd: !settings.switch("no-lsd") && !way_out::has_proxy(settings) }
}

/// How peers are spoken to.
pub fn encryption(settings: &Settings) -> Encryption {
    settings.text("encryption").and_then(Encryption::from_word).unwrap_or_default()
}

/// Hands the torrents over while the loop runs, a few at a time.
fn feed(begins: Vec<Note>, handle: Handle, signal: Arc<AtomicU8>) -> Result<(), Failure> {
    let feed = move || {
        for mut note in begins {
            while let Err(back) = handle.try_note(note) {
                if signal.load(Ordering::Relaxed) != 0 {
                    return;
                }
                note = back;
                std::thread::sleep(FEED_RETRY);
            }
        }
    };
    let started = std::thread::Builder::new().name("feed".into()).stack_size(64 * 1024).spawn(feed);
    started.map(drop).map_err(|e| Failure::new(Exit::Other, format!("no thread to be had: {e}")))
}

fn print(say: Say, console: &Console) {
    match say {
        Say::Out(line) => console.result(line),
        Say::Event(line) => console.line(Stream::Out, line),
        Say::Err(line) => console.line(Stream::Err, line),
        Say::Live(line) => console.live(Some(line)),
        Say::Done(_) | Say::Stop => {}
    }
}

/// The first signal winds down, with a limit; the second one ends at once.
pub(super) fn watch_signals(handle: Handle) -> Result<Arc<AtomicU8>, Failure> {
    let seen = Arc::new(AtomicU8::new(0));
    let flag = seen.clone();
    let on_signal = move |signal: Signal| {
        let number = 1 + signal as u8;
        if flag.swap(number, Ordering::Relaxed) != 0 {
            std::process::exit(by_signal(number).unwrap_or(Exit::Stopped) as i32);
        }
        handle.stop();
        let late = move || {
            std::thread::sleep(STOP_LATEST);
            std::process::exit(by_signal(number).unwrap_or(Exit::Stopped) as i32);
        };
        let _ = std::thread::Builder::new().name("stop".into()).stack_size(64 * 1024).spawn(late);
    };
    signals::watch(on_signal).map_err(|why| Failure::new(Exit::Other, why))?;
    Ok(seen)
}

fn by_signal(number: u8) -> Option<Exit> {
    match number {
        0 => None,
        1 => Some(Exit::Interrupted),
        _ => Some(Exit::Stopped),
    }
}

/// Runs what `--on-done` says, without waiting for it.
fn run_on_done(settings: &Settings, followed: &Followed) -> Option<JoinHandle<()>> {
    let command = settings.text("on-done")?.to_string();
    let mut shell = std::process::Command::new("/bin/sh");
    shell.arg("-c").arg(&command).stdin(Stdio::null());
    // What it prints is no result of ours.
    shell.stdout(std::io::stderr());
    shell.env("PEERLINK_NAME", &followed.name).env("PEERLINK_DIR", &followed.dir);
    shell.env("PEERLINK_INFO_HASH", followed.info_hash.to_string());
    let wait = move || match shell.status() {
        Ok(status) if status.success() => {}
        Ok(status) => log::warn!("--on-done: {status}"),
        Err(e) => log::warn!("--on-done: cannot run /bin/sh: {e}"),
    };
    std::thread::Builder::new().name("on-done".into()).stack_size(128 * 1024).spawn(wait).ok()
}
