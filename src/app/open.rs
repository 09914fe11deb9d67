//! `--open`: the daemon's page in the desktop's browser.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::{Command, Stdio};

/// What every desktop has for this.
const OPENER: &str = "xdg-open";

/// Where the page of a remote control that listens here is seen from this machine.
pub fn url(listens: SocketAddr) -> String {
    let ip = match listens.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    format!("http://{}/transmission/web/", SocketAddr::new(ip, listens.port()))
}

/// Opens it; what comes of that holds nobody up. Nothing that anybody else said is in the command.
pub fn open(url: String) {
    let work = move || {
        let mut command = Command::new(OPENER);
        command.arg(&url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        match command.status() {
            Ok(status) if status.success() => {}
            Ok(_) => log::warn!("--open: no browser was found; the page is at {url}"),
            Err(e) => log::warn!("--open: {OPENER}: {e}; the page is at {url}"),
        }
    };
    if let Err(e) = std::thread::Builder::new().name("open".into()).stack_size(128 * 1024).spawn(work) {
        log::warn!("--open: no thread: {e}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_at_an_address_of_this_machine() {
        for (listens, expected) in [
            ("127.0.0.1:9091", "http://127.0.0.1:9091/transmission/web/"),
            ("0.0.0.0:1", "http://127.0.0.1:1/transmission/web/"),
            ("[::]:1", "http://[::1]:1/transmission/web/"),
            ("192.0.2.7:80", "http://192.0.2.7:80/transmission/web/"),
        ] {
            assert_eq!(url(listens.parse().unwrap()), expected);
        }
    }
}
