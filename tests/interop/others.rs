//! Other people's clients: whether they are there, how they are started, when they are ready.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::kit::child::Child;
use crate::network::Host;

/// Says that a test does not run, and why.
pub fn skip(test: &str, reason: &str) {
    println!("SKIPPED: interop/{test}: {reason}");
}

/// A python that has libtorrent: `PEERLINK_PYTHON`, or the one `scripts/test --install` makes.
pub fn python() -> Result<PathBuf, String> {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("target");
    let places = ["venv/bin/python", "bench/tools/venv/bin/python"].map(|place| target.join(place));
    let named = std::env::var_os("PEERLINK_PYTHON").map(PathBuf::from);
    let known = named.into_iter().chain(places).chain(["python3".into()]);
    let has_libtorrent = |python: &PathBuf| runs(Command::new(python).args(["-c", "import libtorrent"]));
    known
        .into_iter()
        .find(has_libtorrent)
        .ok_or_else(|| "libtorrent is not installed (PEERLINK_PYTHON names a python that has it)".into())
}

/// Whether there is aria2.
pub fn aria2() -> Result<(), String> {
    if runs(Command::new("aria2c").arg("--version")) { Ok(()) } else { Err("aria2 is not installed".into()) }
}

fn runs(command: &mut Command) -> bool {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|s| s.success())
}

/// Ways to peers that are on besides those that a torrent or a link names, and how fast it may be.
#[derive(Clone, Copy, Default)]
pub struct Ways<'a> {
    pub lsd: bool,
    pub pex: bool,
    /// The DHT, and where it begins.
    pub dht: Option<&'a [SocketAddr]>,
    /// Most bytes a second that are downloaded.
    pub down: Option<u32>,
    /// How it speaks, if that is not left to it.
    pub talk: Option<Talk>,
}

/// Encryption of a connection (MSE).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Talk {
    /// It does not encrypt, and understands nobody who does where it can be told so.
    Plain,
    /// All of it, and with nobody else.
    Encrypted,
}

/// A client that runs.
pub struct Other {
    pub child: Child,
    /// Where it listens.
    pub address: SocketAddr,
}

/// libtorrent with the data in `dir`, checked; `rate` bytes per second at most, 0 for any.
pub fn libtorrent_seed(python: &Path, torrents: &[PathBuf], dir: &Path, rate: u64) -> Other {
    libtorrent_seed_at(&Host::loopback(), python, torrents, dir, rate)
}

/// The same on another host.
pub fn libtorrent_seed_at(host: &Host, python: &Path, torrents: &[PathBuf], dir: &Path, rate: u64) -> Other {
    libtorrent_seed_with(host, python, torrents, dir, rate, Ways::default())
}

/// The same, with more ways to peers.
pub fn libtorrent_seed_with(
    host: &Host,
    python: &Path,
    torrents: &[PathBuf],
    dir: &Path,
    rate: u64,
    ways: Ways<'_>,
) -> Other {
    let mut other =
        libtorrent(host, python, &["seed".as_ref(), dir.as_ref(), rate.to_string().as_ref()], torrents, ways);
    other.child.expect("check", |line| (line == "seeding").then_some(()));
    other
}

/// libtorrent that downloads to `dir` from this peer, or from what the trackers say.
pub fn libtorrent_leech(python: &Path, torrents: &[PathBuf], dir: &Path, peer: Option<SocketAddr>) -> Other {
    let host = peer.map_or(Host::loopback(), |peer| Host::at(peer.ip()));
    libtorrent_leech_at(&host, python, torrents, dir, peer)
}

/// The same on another host.
pub fn libtorrent_leech_at(
    host: &Host,
    python: &Path,
    torrents: &[PathBuf],
    dir: &Path,
    peer: Option<SocketAddr>,
) -> Other {
    libtorrent_leech_with(host, python, torrents, dir, peer, Ways::default())
}

/// The same on another host, with more ways to peers; torrents may be links.
pub fn libtorrent_leech_with(
    host: &Host,
    python: &Path,
    torrents: &[impl AsRef<OsStr>],
    dir: &Path,
    peer: Option<SocketAddr>,
    ways: Ways<'_>,
) -> Other {
    let peer = peer.map_or("-".into(), |peer| peer.to_string());
    libtorrent(host, python, &["leech".as_ref(), dir.as_ref(), "0".as_ref(), peer.as_ref()], torrents, ways)
}

fn libtorrent(host: &Host, python: &Path, role: &[&OsStr], torrents: &[impl AsRef<OsStr>], ways: Ways<'_>) -> Other {
    let ip = host.ip;
    let mut command = Command::new(python);
    command.env("AT", if ip.is_ipv6() { format!("[{ip}]") } else { ip.to_string() });
    for (name, is_on) in [("LSD", ways.lsd), ("PEX", ways.pex), ("DHT", ways.dht.is_some())] {
        command.env(name, if is_on { "1" } else { "" });
    }
    let talk = ways.talk.map_or("", |talk| if talk == Talk::Plain { "plain" } else { "encrypted" });
    command.env("ENCRYPTION", talk);
    command.env("DOWN", ways.down.unwrap_or_default().to_string());
    let nodes = ways.dht.unwrap_or_default().iter().map(SocketAddr::to_string);
    command.env("DHT_NODES", nodes.collect::<Vec<_>>().join(" "));
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/libtorrent_peer.py"));
    command.args(role).args(torrents);
    let mut child = Child::start(&format!("libtorrent {:?}", role[0]), host.enter(command));
    let port = child.expect("port", |line| line.strip_prefix("listening ")?.parse().ok());
    Other { child, address: SocketAddr::new(ip, port) }
}

/// Ends a libtorrent; payload bytes it sent and received.
pub fn libtorrent_end(other: Other) -> (u64, u64) {
    let lines = other.child.succeed();
    let number = |key: &str| lines.iter().find_map(|line| line.strip_prefix(key)?.trim().parse().ok());
    (number("uploaded ").expect("it says so"), number("downloaded ").expect("it says so"))
}

/// aria2 with the data in `dir`, checked; `rate` bytes per second at most, 0 for any.
pub fn aria2_seed(torrents: &[PathBuf], dir: &Path, rate: u64) -> Other {
    aria2_seed_with(&Host::loopback(), torrents, dir, rate, Ways::default())
}

/// The same on another host, speaking otherwise.
pub fn aria2_seed_with(host: &Host, torrents: &[PathBuf], dir: &Path, rate: u64, ways: Ways<'_>) -> Other {
    let mut command = aria2_command(host, torrents, dir);
    command.args(aria2_talks(ways));
    command.args(["--check-integrity=true", "--seed-ratio=0.0"]).arg(format!("--max-overall-upload-limit={rate}"));
    let mut other = start_aria2("aria2 seed", host, command);
    let is_checked = |line: &str| line.contains("Verification finished successfully");
    let checked_count = other.child.seen().iter().filter(|line| is_checked(line)).count();
    for _ in checked_count..torrents.len() {
        other.child.expect("check", |line| is_checked(line).then_some(()));
    }
    other
}

/// aria2 that downloads to `dir` from what the trackers say, and ends when it is complete.
pub fn aria2_leech(torrents: &[PathBuf], dir: &Path) -> Other {
    let host = Host::loopback();
    let mut command = aria2_command(&host, torrents, dir);
    command.args(["--seed-time=0", "--file-allocation=none"]);
    start_aria2("aria2 leech", &host, command)
}

/// aria2 that checks what is in `dir`, downloads the rest from what the trackers say, and stays.
pub fn aria2_member(host: &Host, torrents: &[PathBuf], dir: &Path) -> Other {
    aria2_member_by("http", host, torrents, dir)
}

/// The same with trackers of this scheme. aria2 speaks to UDP trackers only where it is a DHT node, too: `host` must be
/// one of a [`crate::network::Network`] then, where it finds no other.
pub fn aria2_member_by(scheme: &str, host: &Host, torrents: &[PathBuf], dir: &Path) -> Other {
    let mut command = aria2_command(host, torrents, dir);
    if scheme == "udp" {
        command.args(["--enable-dht=true", "--dht-listen-port=30000-39999"]);
        command.arg(format!("--dht-file-path={}.dht", dir.display()));
    }
    command.args(["--check-integrity=true", "--seed-ratio=0.0", "--file-allocation=none"]);
    start_aria2("aria2", host, command)
}

/// aria2 with more ways to peers, and more words; torrents may be links.
pub fn aria2_with(host: &Host, torrents: &[impl AsRef<OsStr>], dir: &Path, ways: Ways<'_>, words: &[&str]) -> Other {
    let mut command = aria2_command(host, torrents, dir);
    command.args(["--file-allocation=none", "--seed-ratio=0.0"]).args(words);
    command.arg(format!("--enable-peer-exchange={}", ways.pex)).arg(format!("--bt-enable-lpd={}", ways.lsd));
    command.arg(format!("--bt-lpd-interface={}", host.ip)).args(aria2_talks(ways));
    if let Some(nodes) = ways.dht {
        // What it learns is the test's, not the user's.
        let file = dir.with_extension("dht");
        command.arg("--enable-dht=true").arg("--dht-listen-port=20000-29999");
        command.arg(format!("--dht-file-path={}", file.display()));
        command.args(nodes.iter().take(1).map(|node| format!("--dht-entry-point={node}")));
    }
    start_aria2("aria2", host, command)
}

/// It cannot be told to understand nobody who encrypts.
fn aria2_talks(ways: Ways<'_>) -> &'static [&'static str] {
    match ways.talk {
        Some(Talk::Encrypted) => &["--bt-force-encryption=true"],
        Some(Talk::Plain) | None => &[],
    }
}

fn aria2_command(host: &Host, torrents: &[impl AsRef<OsStr>], dir: &Path) -> Command {
    let mut command = Command::new("aria2c");
    command.args(["--no-conf", "--enable-dht=false", "--enable-dht6=false", "--bt-enable-lpd=false"]);
    command.args(["--enable-peer-exchange=false", "--disable-ipv6=true"]).arg(format!("--interface={}", host.ip));
    // It knows no "any port", but tries those of a range in random order.
    command.args(["--listen-port=20000-29999", "--console-log-level=info", "--summary-interval=0"]);
    command.args(["--show-console-readout=false", "--enable-color=false", "-j", "50"]);
    command.arg(format!("--stop-with-process={}", std::process::id())).arg("--dir").arg(dir).args(torrents);
    command
}

fn start_aria2(name: &str, host: &Host, command: Command) -> Other {
    let mut child = Child::start(name, host.enter(command));
    let port = child.expect("port", |line| line.split("listening on TCP port ").nth(1)?.trim().parse().ok());
    Other { child, address: SocketAddr::new(host.ip, port) }
}
