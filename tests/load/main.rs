//! `peerlink serve` under load, over loopback: a crowd of connections while others announce, slow senders, and too few
//! descriptors. Small in itself; `scripts/load` (`PEERLINK_LOAD=full`) runs it in full size.

mod crowd;
mod few;
#[path = "../kit/mod.rs"]
mod kit;
mod slow;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use kit::child::Child;
use kit::peerlink::{Event, binary, folder};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Whether this is the full size.
fn is_full() -> bool {
    std::env::var_os("PEERLINK_LOAD").is_some_and(|size| size == "full")
}

/// A running server on any port of this machine.
struct Server {
    child: Child,
    address: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Server {
    fn start() -> Server {
        Server::by(Command::new(binary()))
    }

    /// By a command that ends in the program.
    fn by(mut command: Command) -> Server {
        let folder = folder();
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PEERLINK_")) {
            command.env_remove(name);
        }
        command.args(["serve", "--json", "--bind", "127.0.0.1:0", "--max-per-address", "0", "--state-dir"]);
        command.arg(folder.path().join("state")).env("HOME", folder.path());
        let mut child = Child::start("peerlink serve", command);
        let port = child.expect("port", |line| Event::of(line, "listening").map(|event| event.number("port")));
        Server { child, address: SocketAddr::from(([127, 0, 0, 1], port as u16)), _folder: folder }
    }

    /// One number of its statistics.
    fn number(&self, name: &str) -> u64 {
        let stats = ask(self.address, "GET /stats HTTP/1.0\r\n\r\n");
        let after = stats.split(&format!("\"{name}\":")).nth(1).unwrap_or_else(|| panic!("no {name}: {stats}"));
        let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().expect("a number")
    }

    /// Processor time it has used.
    fn cpu_time(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.pid())).expect("it runs");
        let fields: Vec<&str> = stat.rsplit_once(") ").expect("a name in brackets").1.split(' ').collect();
        let ticks: u64 = fields[11..13].iter().map(|field| field.parse::<u64>().expect("a number")).sum();
        // The kernel tells hundredths of a second to everybody.
        Duration::from_millis(ticks * 10)
    }

    /// It ends well, and has said nothing but its port.
    fn end(self) {
        self.child.terminate();
        let lines = self.child.succeed();
        assert_eq!(lines.len(), 1, "{lines:?}");
    }
}

/// A connection of its own for one request; all that comes back.
fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(kit::PATIENCE)).expect("not zero");
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).expect("it answers and closes");
    String::from_utf8_lossy(&reply).into_owned()
}

/// Lets this process open so many sockets; how many it may after that.
fn allow_descriptors(wanted: u64) -> u64 {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("Linux has it");
    let allowed = wanted.min(hard).max(soft);
    setrlimit(Resource::RLIMIT_NOFILE, allowed, hard).expect("it is not above the hard limit");
    allowed
}
