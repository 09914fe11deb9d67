//! One HTTP request over one connection that was made here, spoken by ureq: no redirects, no proxy, no compression, no
//! connection kept, every read and write under one deadline.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use ureq::config::Config;
pub use ureq::http::Method;
use ureq::http::{HeaderMap, Request, Uri};
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout, Transport,
};
use ureq::{Agent, Error};

use super::tls::Trust;
use super::way_out::{self, Proxy, WayOut};
use crate::base::Span;
use crate::wire::authorization::base64;
use crate::wire::http_reply;
use crate::wire::socks::Target;
use crate::wire::url::{Scheme, Url};

/// The field by which a remote control knows that its caller read an answer of it before.
pub const SESSION: &str = "x-transmission-session-id";
/// Bytes of a reply's head.
const HEAD_LEN: usize = 16 * 1024;
/// Bytes of each of the two buffers of a connection.
const BUFFER_LEN: usize = 16 * 1024 + 1;
/// Addresses of one host that are tried.
const ADDRESSES_TRIED: usize = 4;

/// What makes one call differ from another.
pub struct Call<'a> {
    pub url: &'a Url,
    /// Bytes of the body.
    pub len_max: usize,
    pub deadline: Instant,
    /// The whole time that was given, for messages.
    pub timeout: Span,
    /// Certificate authorities that are believed.
    pub trust: &'a Trust,
    /// Most bytes taken from the socket at once.
    pub read_max: usize,
    pub ask: Ask<'a>,
}

/// What is asked of the URL.
#[derive(Clone, Debug)]
pub struct Ask<'a> {
    pub method: Method,
    /// Value of `Authorization`; empty for what the URL says.
    pub authorization: &'a str,
    /// One more field, and its value.
    pub field: Option<(&'a str, &'a str)>,
    /// The type and the bytes of what is sent along.
    pub body: Option<(&'a str, &'a [u8])>,
}

impl Ask<'_> {
    /// A plain GET.
    pub const GET: Ask<'static> = Ask { method: Method::GET, authorization: "", field: None, body: None };
}

/// A reply, or where it leads.
pub enum Reply {
    /// `session` is what a remote control wants to be told with every call; empty: nothing.
    Body {
        status: u16,
        body: Vec<u8>,
        session: String,
    },
    Redirect {
        location: String,
    },
}

/// Connects to the first address that answers, and no proxy between; only those of a family that is bound are tried.
/// Each but the last gets half of the time that is left.
pub fn connect(
    addresses: &[SocketAddr],
    way: &WayOut,
    deadline: Instant,
    timeout: Span,
) -> Result<TcpStream, String> {
    let mut error = String::from("no address to connect to");
    for (index, address) in addresses.iter().take(ADDRESSES_TRIED).enumerate() {
        let mut left = deadline.saturating_duration_since(Instant::now());
        if index + 1 < addresses.len().min(ADDRESSES_TRIED) {
            left /= 2;
        }
        if left.is_zero() {
            return Err(late(timeout));
        }
        if !way.has_family(*address) {
            error = format!("{address} is of another family than the addresses of --bind");
            continue;
        }
        match connect_once(way, address, left) {
            Ok(stream) => return Ok(stream),
            Err(e) if e.kind() == io::ErrorKind::TimedOut => error = late(timeout),
            Err(e) => error = format!("cannot connect to {address}: {}", plain(&e)),
        }
    }
    Err(error)
}

/// Connects to a host by the proxy, which looks its name up.
pub fn connect_by(
    proxy: &Proxy,
    target: Target,
    way: &WayOut,
    deadline: Instant,
    timeout: Span,
) -> Result<TcpStream, String> {
    let mut stream = connect(&proxy.addresses()?, way, deadline, timeout).map_err(|e| format!("the proxy: {e}"))?;
    way_out::greet(&mut stream, target, proxy.login.clone(), deadline)?;
    Ok(stream)
}

fn connect_once(way: &WayOut, to: &SocketAddr, timeout: Duration) -> io::Result<TcpStream> {
    let socket = way.socket(*to)?;
    socket.connect_timeout(&(*to).into(), timeout)?;
    Ok(socket.into())
}

impl Call<'_> {
    /// Asks over `stream`.
    pub fn run(&self, stream: TcpStream) -> Result<Reply, String> {
        let remote = stream.peer_addr().map_err(|e| plain(&e))?;
        let agent = self.agent(stream, remote)?;
        let port = self.url.port.map_or(String::new(), |port| format!(":{port}"));
        let (scheme, host) = (self.url.scheme.name(), self.url.bracketed_host());
        let mut request = Request::builder()
            .method(self.ask.method.clone())
            .uri(format!("{scheme}://{host}{port}{}", self.url.target()));
        if !self.ask.authorization.is_empty() {
            request = request.header("authorization", self.ask.authorization);
        } else if !self.url.userinfo.is_empty() {
            let secret = base64(&crate::wire::url::percent_decode(&self.url.userinfo));
            request = request.header("authorization", format!("Basic {secret}"));
        }
        if let Some((name, value)) = self.ask.field {
            request = request.header(name, value);
        }
        let malformed = |e: ureq::http::Error| format!("not a proper request: {e}");
        let response = match self.ask.body {
            Some((kind, bytes)) => agent.run(request.header("content-type", kind).body(bytes).map_err(malformed)?),
            None => agent.run(request.body(()).map_err(malformed)?),
        };
        let response = response.map_err(|e| self.text(e))?;
        let status = response.status().as_u16();
        let headers = response.headers();
        check_lengths(headers, self.len_max)?;
        if http_reply::is_redirect(status)
            && let Some(location) = headers.get("location")
        {
            let location = location.to_str().map_err(|_| "the redirect leads to a malformed URL")?;
            return Ok(Reply::Redirect { location: location.to_string() });
        }
        let session = headers.get(SESSION).and_then(|id| id.to_str().ok()).unwrap_or_default().to_string();
        let mut body = Vec::new();
        let mut reader = response.into_body().into_reader().take(self.len_max as u64 + 1);
        reader.read_to_end(&mut body).map_err(|e| self.text(Error::from(e)))?;
        if body.len() > self.len_max {
            return Err(too_long(self.len_max));
        }
        Ok(Reply::Body { status, body, session })
    }

    fn agent(&self, stream: TcpStream, remote: SocketAddr) -> Result<Agent, String> {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .max_idle_connections(0)
            .max_response_header_size(HEAD_LEN)
            .input_buffer_size(BUFFER_LEN)
            .output_buffer_size(BUFFER_LEN)
            .accept_encoding("identity")
            .user_agent(concat!("peerlink/", env!("CARGO_PKG_VERSION")));
        let line =
            Line::new(Timed { stream, deadline: self.deadline, read_max: self.read_max }, self.url, self.trust)?;
        let given = Given(Mutex::new(Some(Wire { line, buffers: LazyBuffers::new(BUFFER_LEN, BUFFER_LEN) })));
        Ok(Agent::with_parts(config.build(), given, Known(remote)))
    }

    /// ureq's error for people.
    fn text(&self, error: Error) -> String {
        match error {
            Error::Io(e) if e.kind() == io::ErrorKind::TimedOut => late(self.timeout),
            Error::Io(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
                "the connection ended before the reply did".into()
            }
            Error::Io(e) if self.url.scheme == Scheme::Https => format!("no secure connection: {}", plain(&e)),
            Error::Io(e) => plain(&e),
            Error::LargeResponseHeader(..) => format!("the reply's head is longer than {HEAD_LEN} bytes"),
            Error::Protocol(e) => format!("not a proper HTTP reply: {e}"),
            other => other.to_string(),
        }
    }
}

/// Lengths that cannot be, or are known to be too long, are refused before the body is read.
fn check_lengths(headers: &HeaderMap, len_max: usize) -> Result<(), String> {
    for value in headers.get_all("content-length") {
        let text = value.to_str().unwrap_or_default().trim();
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        match text.parse::<u64>() {
            Ok(len) if digits && len <= len_max as u64 => {}
            Ok(_) if digits => return Err(too_long(len_max)),
            _ => return Err("not a proper HTTP reply: malformed Content-Length".into()),
        }
    }
    match headers.get("content-range") {
        Some(range) if range.to_str().ok().and_then(http_reply::content_range).is_none() => {
            Err("not a proper HTTP reply: malformed Content-Range".into())
        }
        _ => Ok(()),
    }
}

fn too_long(len_max: usize) -> String {
    format!("the reply is longer than {len_max} bytes")
}

fn late(timeout: Span) -> String {
    format!("no reply within {timeout}")
}

/// An I/O error without the `(os error 111)` at its end.
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    text.split_once(" (os error").map_or(text.as_str(), |(before, _)| before).to_lowercase()
}

/// Hands ureq the connection that was made already.
#[derive(Debug)]
struct Given(Mutex<Option<Wire>>);

impl<In: Transport> Connector<In> for Given {
    type Out = Either<In, Wire>;

    fn connect(&self, _: &ConnectionDetails<'_>, _: Option<In>) -> Result<Option<Self::Out>, Error> {
        let wire = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        wire.map(|wire| Some(Either::B(wire))).ok_or(Error::ConnectionFailed)
    }
}

/// The address that was connected to; ureq wants one before it asks for the connection.
#[derive(Debug)]
struct Known(SocketAddr);

impl Resolver for Known {
    fn resolve(&self, _: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let mut addresses = self.empty();
        addresses.push(self.0);
        Ok(addresses)
    }
}

/// A socket under one deadline: whatever is said in drops still ends.
#[derive(Debug)]
struct Timed {
    stream: TcpStream,
    deadline: Instant,
    read_max: usize,
}

impl Timed {
    fn left(&self) -> io::Result<Duration> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        // A socket takes no zero, and rounds to its clock's ticks.
        if left < Duration::from_millis(1) { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
    }
}

fn as_timeout(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::WouldBlock { io::ErrorKind::TimedOut.into() } else { error }
}

impl Read for Timed {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(self.left()?))?;
        let len = room.len().min(self.read_max);
        self.stream.read(&mut room[..len]).map_err(as_timeout)
    }
}

impl Write for Timed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(Some(self.left()?))?;
        self.stream.write(bytes).map_err(as_timeout)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether TLS is spoken over the socket.
#[derive(Debug)]
enum Line {
    Plain(Timed),
    #[cfg(feature = "tls")]
    Tls(Box<rustls::StreamOwned<rustls::ClientConnection, Timed>>),
}

impl Line {
    #[cfg(feature = "tls")]
    fn new(timed: Timed, url: &Url, trust: &Trust) -> Result<Line, String> {
        if url.scheme != Scheme::Https {
            return Ok(Line::Plain(timed));
        }
        let session = super::tls::session(trust, &url.host)?;
        Ok(Line::Tls(Box::new(rustls::StreamOwned::new(session, timed))))
    }

    #[cfg(not(feature = "tls"))]
    fn new(timed: Timed, url: &Url, _: &Trust) -> Result<Line, String> {
        if url.scheme == Scheme::Https {
            return Err("this peerlink was built without TLS: https is not possible".into());
        }
        Ok(Line::Plain(timed))
    }

    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        match self {
            Line::Plain(timed) => timed.read(room),
            #[cfg(feature = "tls")]
            Line::Tls(stream) => stream.read(room),
        }
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Line::Plain(timed) => timed.write_all(bytes),
            #[cfg(feature = "tls")]
            Line::Tls(stream) => stream.write_all(bytes).and_then(|()| stream.flush()),
        }
    }
}

/// The connection as ureq uses it, whatever its own time-outs say.
#[derive(Debug)]
struct Wire {
    line: Line,
    buffers: LazyBuffers,
}

impl Transport for Wire {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, _: NextTimeout) -> Result<(), Error> {
        self.line.write_all(&self.buffers.output()[..amount]).map_err(Error::Io)
    }

    fn await_input(&mut self, _: NextTimeout) -> Result<bool, Error> {
        loop {
            match self.line.read(self.buffers.input_append_buf()) {
                Ok(len) => {
                    self.buffers.input_appended(len);
                    return Ok(len > 0);
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(Error::Io(e)),
            }
        }
    }

    fn is_open(&mut self) -> bool {
        // Never asked: no connection is kept.
        false
    }

    fn is_tls(&self) -> bool {
        !matches!(self.line, Line::Plain(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_from_the_bound_address_of_their_family() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let to = [listener.local_addr().unwrap()];
        let from = |bind: &[&str]| {
            let bind = bind.iter().map(|ip| ip.parse().unwrap()).collect();
            let way = WayOut { bind, ..WayOut::default() };
            let stream = connect(&to, &way, Instant::now() + Duration::from_secs(20), Span::secs(20))?;
            Ok::<_, String>(stream.local_addr().unwrap().ip().to_string())
        };
        assert_eq!(from(&["::1", "127.0.0.9"]).unwrap(), "127.0.0.9");
        assert_eq!(from(&["0.0.0.0"]).unwrap(), "127.0.0.1");
        assert!(from(&["::1"]).unwrap_err().contains("of another family than the addresses of --bind"));
    }
}
