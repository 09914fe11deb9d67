//! Clients that are steered by configuration files and their logs: transmission, qBittorrent and rtorrent.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::kit::child::Child;
use crate::kit::payload::Payload;
use crate::network::Host;
use crate::others::{Other, Talk, Ways};

/// Where transmission takes orders, on the loopback of its own host.
const RPC_PORT: u16 = 9091;

#[derive(Clone, Copy, Debug)]
pub enum Daemon {
    Transmission,
    Qbittorrent,
    Rtorrent,
}

impl Daemon {
    fn program(self) -> &'static str {
        match self {
            Daemon::Transmission => "transmission-daemon",
            Daemon::Qbittorrent => "qbittorrent-nox",
            Daemon::Rtorrent => "rtorrent",
        }
    }

    /// Whether it is installed.
    pub fn is_here(self) -> Result<(), String> {
        // How it ends does not matter: that it starts does.
        let started = Command::new(self.program()).arg("-h").stdin(Stdio::null()).output();
        started.map(drop).map_err(|_| format!("{} is not installed", self.program()))
    }

    /// Runs it with these torrents. It checks what is in `dir`, fetches the rest from what the trackers say and from
    /// whoever dials it, and stays. What it remembers is in `work`: started there again, it goes on.
    pub fn start(self, host: &Host, torrents: &[PathBuf], dir: &Path, work: &Path) -> Other {
        self.start_with(host, torrents, dir, work, Ways::default())
    }

    /// The same, speaking otherwise.
    pub fn start_with(self, host: &Host, torrents: &[PathBuf], dir: &Path, work: &Path, ways: Ways<'_>) -> Other {
        for folder in [work, dir] {
            std::fs::create_dir_all(folder).expect("the test's own folder");
        }
        let address = SocketAddr::new(host.ip, host.free_port());
        let mut command = match self {
            Daemon::Transmission => transmission(address, torrents, dir, work, ways),
            Daemon::Qbittorrent => qbittorrent(address, torrents, dir, work, is_encrypted(ways)),
            Daemon::Rtorrent => rtorrent(address, torrents, dir, work, is_encrypted(ways)),
        };
        command.env("HOME", work).env_remove("XDG_CONFIG_HOME").env_remove("XDG_DATA_HOME");
        let mut child = Child::start(self.program(), host.enter(command));
        child.expect("port", |line| line.contains(self.says_listening()).then_some(()));
        Other { child, address }
    }

    /// The same with everything in `dir`, ready to be asked for it.
    pub fn seed(self, host: &Host, torrents: &[PathBuf], dir: &Path, work: &Path) -> Other {
        self.seed_with(host, torrents, dir, work, Ways::default())
    }

    /// The same, speaking otherwise.
    pub fn seed_with(self, host: &Host, torrents: &[PathBuf], dir: &Path, work: &Path, ways: Ways<'_>) -> Other {
        let mut other = self.start_with(host, torrents, dir, work, ways);
        for _ in torrents {
            other.child.expect("check", |line| line.contains(self.says_checked()).then_some(()));
        }
        other
    }

    /// Waits until it has fetched everything of another torrent.
    pub fn complete(self, other: &mut Other) {
        other.child.expect("completion", |line| line.contains(self.says_complete()).then_some(()));
    }

    /// Panics unless the folder holds this payload byte for byte, as far as this client writes it.
    pub fn check(self, payload: &Payload, dir: &Path) {
        match self {
            Daemon::Transmission => payload.check_filled_files(dir),
            Daemon::Qbittorrent | Daemon::Rtorrent => payload.check_files(dir),
        }
    }

    fn says_listening(self) -> &'static str {
        match self {
            Daemon::Transmission => "Bound socket ",
            Daemon::Qbittorrent => "Successfully listening on IP.",
            Daemon::Rtorrent => "listen port ",
        }
    }

    fn says_checked(self) -> &'static str {
        match self {
            Daemon::Transmission => "Verification is done.",
            Daemon::Qbittorrent => "Torrent download finished.",
            Daemon::Rtorrent => "download: Starting torrent: ",
        }
    }

    fn says_complete(self) -> &'static str {
        match self {
            Daemon::Transmission => "State changed from \"Incomplete\" to \"Complete\"",
            Daemon::Qbittorrent => "Torrent download finished.",
            Daemon::Rtorrent => "download_list: Confirming finished.",
        }
    }
}

/// transmission with more ways to peers.
pub fn transmission_with(host: &Host, torrents: &[PathBuf], dir: &Path, ways: Ways<'_>) -> Other {
    let work = dir.with_extension("work");
    for folder in [&work, dir] {
        std::fs::create_dir_all(folder).expect("the test's own folder");
    }
    let address = SocketAddr::new(host.ip, host.free_port());
    if let Some(nodes) = ways.dht {
        let lines = nodes.iter().map(|node| format!("{} {}\n", node.ip(), node.port()));
        std::fs::write(work.join("dht.bootstrap"), lines.collect::<String>()).expect("the test's own folder");
    }
    let command = transmission(address, torrents, dir, &work, ways);
    let mut child = Child::start("transmission-daemon", host.enter(command));
    for line in ["Bound socket ", "Serving RPC and Web requests"] {
        if !child.seen().iter().any(|seen| seen.contains(line)) {
            child.expect(line, |said| said.contains(line).then_some(()));
        }
    }
    Other { child, address }
}

/// Gives a transmission of [`transmission_with`] on this host a link.
pub fn transmission_add(host: &Host, link: &str) {
    let body = format!(r#"{{"method":"torrent-add","arguments":{{"filename":"{link}"}}}}"#);
    let call = |session: &str| {
        let mut stream = host.inside(|| TcpStream::connect(("127.0.0.1", RPC_PORT))).expect("it listens");
        let head = format!(
            "POST /transmission/rpc HTTP/1.0\r\nHost: localhost\r\nContent-Length: {}\r\n{session}\r\n",
            body.len()
        );
        stream.write_all(format!("{head}{body}").as_bytes()).expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        answer
    };
    let refused = call("");
    let session = refused.lines().find(|line| line.starts_with("X-Transmission-Session-Id: ")).expect("its session");
    let answer = call(&format!("{session}\r\n"));
    assert!(answer.contains(r#""result":"success""#), "{answer}");
}

fn transmission(address: SocketAddr, torrents: &[PathBuf], dir: &Path, work: &Path, ways: Ways<'_>) -> Command {
    let settings = format!(
        r#"{{"dht-enabled": {}, "lpd-enabled": {}, "pex-enabled": {}, "utp-enabled": false,
        "port-forwarding-enabled": false, "encryption": {}, "speed-limit-down-enabled": {}, "speed-limit-down": {},
        "rpc-enabled": {}, "rpc-bind-address": "127.0.0.1", "rpc-port": {RPC_PORT}, "rpc-whitelist-enabled": false,
        "bind-address-ipv4": "{}", "bind-address-ipv6": "::1", "peer-port": {},
        "download-dir": "{}", "watch-dir": "{}", "watch-dir-enabled": true, "watch-dir-force-generic": false,
        "start-added-torrents": true, "trash-original-torrent-files": false, "download-queue-enabled": false,
        "seed-queue-enabled": false, "ratio-limit-enabled": false, "idle-seeding-limit-enabled": false,
        "message-level": 3}}"#,
        ways.dht.is_some(),
        ways.lsd,
        ways.pex,
        // It always understands who encrypts.
        if is_encrypted(ways) { 2 } else { 0 },
        ways.down.is_some(),
        ways.down.unwrap_or_default() / 1000,
        address.ip() != Ipv4Addr::LOCALHOST,
        address.ip(),
        address.port(),
        dir.display(),
        work.join("watch").display(),
    );
    std::fs::write(work.join("settings.json"), settings).expect("the test's own folder");
    give(torrents, &work.join("watch"));
    let mut command = Command::new("transmission-daemon");
    command.args(["--foreground", "--config-dir"]).arg(work);
    command
}

fn is_encrypted(ways: Ways<'_>) -> bool {
    ways.talk == Some(Talk::Encrypted)
}

/// Copies of the torrents in a folder: a client may rename what it took.
fn give(torrents: &[PathBuf], folder: &Path) {
    std::fs::create_dir_all(folder).expect("the test's own folder");
    for torrent in torrents {
        let name = torrent.file_name().expect("a torrent has a name");
        std::fs::copy(torrent, folder.join(name)).expect("the test's own folder");
    }
}

fn qbittorrent(address: SocketAddr, torrents: &[PathBuf], dir: &Path, work: &Path, is_encrypted: bool) -> Command {
    let (config, log) = (work.join("qBittorrent/config"), work.join("log"));
    let settings = format!(
        r"[LegalNotice]
Accepted=true
[Application]
FileLogger\Enabled=true
FileLogger\Path={}
[BitTorrent]
Session\Port={}
Session\InterfaceAddress={}
Session\DHTEnabled=false
Session\LSDEnabled=false
Session\PeXEnabled=false
Session\Encryption={}
Session\BTProtocol=TCP
Session\QueueingSystemEnabled=false
Session\SSRFMitigation=false
Session\MultiConnectionsPerIp=true
[Preferences]
WebUI\Enabled=false
WebUI\Address=127.0.0.1
WebUI\Port=0
WebUI\UseUPnP=false
Connection\UPnP=false
Connection\ResolvePeerCountries=false
[Network]
PortForwardingEnabled=false
",
        log.display(),
        address.port(),
        address.ip(),
        if is_encrypted { 1 } else { 2 },
    );
    for folder in [&config, &log] {
        std::fs::create_dir_all(folder).expect("the test's own folder");
    }
    std::fs::write(config.join("qBittorrent.conf"), settings).expect("the test's own folder");
    // Its log goes where the test reads.
    if !log.join("qbittorrent.log").is_symlink() {
        symlink("/proc/self/fd/2", log.join("qbittorrent.log")).expect("the test's own folder");
    }
    let mut command = Command::new("qbittorrent-nox");
    command.arg(format!("--profile={}", work.display())).arg(format!("--save-path={}", dir.display())).args(torrents);
    command
}

fn rtorrent(address: SocketAddr, torrents: &[PathBuf], dir: &Path, work: &Path, is_encrypted: bool) -> Command {
    let (session, settings) = (work.join("session"), work.join("rtorrent.rc"));
    std::fs::create_dir_all(&session).expect("the test's own folder");
    let mut text = format!(
        r#"system.daemon.set = true
session.path.set = "{}"
directory.default.set = "{}"
network.bind_address.set = {}
network.port_range.set = {port}-{port}
network.port_random.set = no
dht.mode.set = disable
protocol.pex.set = no
protocol.encryption.set = {}
log.open_file = "log", /dev/stdout
log.add_output = "connection_info", "log"
log.add_output = "torrent_info", "log"
log.add_output = "peer_info", "log"
log.add_output = "tracker_info", "log"
"#,
        session.display(),
        dir.display(),
        address.ip(),
        if is_encrypted { "allow_incoming,try_outgoing,require,require_RC4" } else { "none" },
        port = address.port(),
    );
    torrents.iter().for_each(|torrent| text.push_str(&format!("load.start = \"{}\"\n", torrent.display())));
    std::fs::write(&settings, text).expect("the test's own folder");
    let mut command = Command::new("rtorrent");
    command.arg("-n").arg("-o").arg(format!("import={}", settings.display()));
    command
}
