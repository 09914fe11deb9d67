//! What the service manager is told (`Type=notify`, `WatchdogSec=`): datagrams to the socket that it names, without a
//! library of its.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use crate::io::reactor::Handle;
use crate::machine::Note;

/// The way to the service manager.
#[derive(Debug)]
pub struct Notify {
    socket: UnixDatagram,
    to: SocketAddr,
}

impl Notify {
    /// None where nobody wants to be told.
    pub fn new() -> Option<Notify> {
        let name = std::env::var_os("NOTIFY_SOCKET")?.into_string().ok()?;
        let to = match name.strip_prefix('@') {
            Some(hidden) => SocketAddr::from_abstract_name(hidden.as_bytes()),
            None => SocketAddr::from_pathname(&name),
        };
        let socket = UnixDatagram::unbound().and_then(|socket| socket.set_nonblocking(true).map(|()| socket));
        Some(Notify { socket: socket.ok()?, to: to.ok()? })
    }

    /// Says a line such as `READY=1`.
    pub fn say(&self, line: &str) {
        if let Err(error) = self.socket.send_to_addr(line.as_bytes(), &self.to) {
            log::debug!("the service manager cannot be told {line}: {error}");
        }
    }
}

/// Has the loop say that it is alive, often enough for the service manager, where that wants to know.
pub fn watch(handle: Handle) {
    let is_ours = std::env::var("WATCHDOG_PID").map_or(true, |pid| pid == std::process::id().to_string());
    let period = std::env::var("WATCHDOG_USEC").ok().and_then(|usec| usec.parse::<u64>().ok());
    let Some(period) = period.filter(|usec| *usec > 0 && is_ours) else { return };
    // Twice as often as need be.
    let rest = Duration::from_micros((period / 2).max(1000));
    let ping = move || {
        loop {
            std::thread::sleep(rest);
            handle.note(Note::Ping);
        }
    };
    if std::thread::Builder::new().name("watchdog".into()).stack_size(64 * 1024).spawn(ping).is_err() {
        log::warn!("no thread to be had for the watchdog");
    }
}
