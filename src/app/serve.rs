//! `peerlink serve`: the meeting point of a group, on one port, until somebody says stop.

use std::net::IpAddr;

use super::exit::{Exit, Failure};
use super::json::Object;
use super::run::{identity, watch_signals};
use super::serve_index;
use super::settings::{Environment, Settings};
use super::values;
use crate::io::console::Console;
use crate::io::reactor::{Ended, Next, Options, Reactor};
use crate::node::{FrontOptions, Node, Server};

/// The port of a meeting point.
const PORT: u16 = 9000;

/// Serves until a signal.
///
/// # Errors
/// What keeps it from starting: a taken port, a folder that cannot be made.
pub fn run(settings: &Settings, environment: Environment<'_>, console: &Console) -> Result<Exit, Failure> {
    let state_dir = settings.state_dir(environment)?;
    let (bind, port) = bind(settings.list("bind"))?;
    std::fs::create_dir_all(&state_dir).map_err(|e| {
        let shown = super::settings::shown(&state_dir);
        Failure::new(Exit::Disk, format!("cannot make the state folder {shown} (--state-dir): {e}"))
    })?;
    let (seed, key, peer_id) = identity()?;
    let mut options = Options::new(state_dir.clone());
    options.bind = bind;
    options.port = Some(port);
    options.seed = seed;
    let reactor = Reactor::new(options).map_err(|e| Failure::new(Exit::Other, e.to_string()))?;
    let (index, _lock) = serve_index::open(settings, &state_dir)?;
    let mut node = Node::new(peer_id, key);
    let front = FrontOptions {
        per_address: settings.count("max-per-address").unwrap_or(0) as usize,
        real_ip_header: settings.text("real-ip-header").unwrap_or_default().to_string(),
    };
    node.serve(Server::new(front).with_index(index));
    watch_signals(reactor.handle())?;
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
            return Err(Failure::usage(format!(
                "--bind {text}: everything is on one port; another one was said before"
            )));
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
