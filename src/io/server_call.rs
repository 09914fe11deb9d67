//! Asks a server that the user named, and waits for its answer. For commands that do nothing else meanwhile.

use std::net::{SocketAddr, ToSocketAddrs};
use std::time::{Duration, Instant};

use super::http_call::{self, Call, Reply};
pub use super::http_call::{Ask, Method, SESSION};
use super::tls::Trust;
use super::way_out::WayOut;
use crate::base::Span;
use crate::wire::socks::Target;
use crate::wire::url::{Scheme, Url};

/// A reply, whatever its status.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
    /// What a remote control wants to be told with every call; empty: nothing.
    pub session: String,
}

/// Asks `http://host:port` for `target`, a path with its query, and takes at most `len_max` bytes for an answer.
///
/// # Errors
/// Why there is no answer, for people.
pub fn ask(
    (host, port): (&str, u16),
    target: &str,
    ask: Ask<'_>,
    len_max: usize,
    timeout: Span,
    way: &WayOut,
) -> Result<Answer, String> {
    let deadline = Instant::now() + Duration::from_micros(timeout.0);
    let stream = if let Some(proxy) = &way.proxy {
        http_call::connect_by(proxy, Target::of(host, port), way, deadline, timeout)?
    } else {
        let addresses = (host, port).to_socket_addrs().map_err(|_| format!("no address is known for {host}"))?;
        http_call::connect(&addresses.collect::<Vec<SocketAddr>>(), way, deadline, timeout)?
    };
    let (userinfo, host, path) = (String::new(), host.to_string(), target.to_string());
    let url = Url { scheme: Scheme::Http, userinfo, host, port: Some(port), path };
    let trust = Trust::default();
    let call = Call { url: &url, len_max, deadline, timeout, trust: &trust, read_max: usize::MAX, ask };
    match call.run(stream)? {
        Reply::Body { status, body, session } => Ok(Answer { status, body, session }),
        Reply::Redirect { .. } => Err("it answers with a redirect, so it is no peerlink server".into()),
    }
}
