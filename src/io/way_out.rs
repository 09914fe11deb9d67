//! How connections leave this machine: from which of its addresses, by which interface, through which proxy. Whatever
//! dials, asks here; with a proxy, nobody but the proxy is dialled.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use socket2::{Domain, Protocol, Socket, Type};

use crate::wire::socks::{Handshake, Login, Target};

/// The way out.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct WayOut {
    /// Addresses of this machine that connections leave from, at most one of each family counts; none: any.
    pub bind: Vec<IpAddr>,
    /// The interface that everything leaves and comes by (SO_BINDTODEVICE); None: any.
    pub device: Option<String>,
    /// Everything over TCP goes through it, and nothing over UDP leaves.
    pub proxy: Option<Proxy>,
}

/// How connections of this process leave where nobody says otherwise.
static OF_PROCESS: OnceLock<WayOut> = OnceLock::new();

/// A SOCKS5 proxy.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Proxy {
    /// The one name that is looked up here, where it is one.
    pub host: String,
    pub port: u16,
    pub login: Option<Login>,
}

impl Proxy {
    /// Its addresses.
    ///
    /// # Errors
    /// Why there are none, for people.
    pub fn addresses(&self) -> Result<Vec<SocketAddr>, String> {
        let found = (self.host.as_str(), self.port).to_socket_addrs();
        let found: Vec<SocketAddr> = found.map_err(|e| format!("no address of the proxy {self}: {e}"))?.collect();
        if found.is_empty() { Err(format!("no address of the proxy {self}")) } else { Ok(found) }
    }
}

impl std::fmt::Display for Proxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

impl WayOut {
    /// What [`WayOut::of_process`] gives from now on. For the start of a program.
    pub fn take(self) {
        if OF_PROCESS.set(self).is_err() {
            log::error!("too late to say how connections leave");
        }
    }

    /// The way of whatever fetches without being told another one, so that nothing goes past a proxy by being forgotten.
    pub fn of_process() -> WayOut {
        OF_PROCESS.get().cloned().unwrap_or_default()
    }

    /// A socket for a connection to there, on its way out.
    ///
    /// # Errors
    /// Also where it would have to leave from an address of another family than is bound.
    pub fn socket(&self, to: SocketAddr) -> io::Result<Socket> {
        let socket = Socket::new(Domain::for_address(to), Type::STREAM, Some(Protocol::TCP))?;
        self.hold(&socket)?;
        let from = self.bind.iter().find(|ip| ip.is_ipv4() == to.is_ipv4());
        match from {
            Some(ip) if !ip.is_unspecified() => socket.bind(&SocketAddr::new(*ip, 0).into())?,
            None if !self.bind.is_empty() => return Err(Errno::EAFNOSUPPORT.into()),
            _ => {}
        }
        Ok(socket)
    }

    /// Keeps a socket to the interface.
    pub fn hold(&self, socket: &Socket) -> io::Result<()> {
        self.device.as_ref().map_or(Ok(()), |device| socket.bind_device(Some(device.as_bytes())))
    }

    /// The proxy's address, if there is one: the first that can be reached from the addresses that are bound.
    ///
    /// # Errors
    /// It has none, for people.
    pub fn proxy_address(&self) -> Result<Option<SocketAddr>, String> {
        let Some(proxy) = &self.proxy else { return Ok(None) };
        let found = proxy.addresses()?.into_iter().find(|at| self.has_family(*at));
        found.map(Some).ok_or_else(|| format!("the proxy {proxy} is of another family than the addresses of --bind"))
    }

    /// Whether connections of this address family can leave.
    pub fn has_family(&self, to: SocketAddr) -> bool {
        self.bind.is_empty() || self.bind.iter().any(|ip| ip.is_ipv4() == to.is_ipv4())
    }
}

/// Has the proxy at the other end of a blocking stream connect it. The stream has no time-outs afterwards.
///
/// # Errors
/// Why it does not, for people.
pub fn greet(stream: &mut TcpStream, target: Target, login: Option<Login>, deadline: Instant) -> Result<(), String> {
    let mut handshake = Handshake::new(target, login);
    let mut say = handshake.greeting();
    let mut buffer = [0; 512];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left < Duration::from_millis(1) {
            return Err("the proxy does not answer in time".into());
        }
        let lost = |error: io::Error| match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => "the proxy does not answer in time".to_string(),
            _ => format!("the proxy hung up: {error}"),
        };
        stream.set_read_timeout(Some(left)).and_then(|()| stream.set_write_timeout(Some(left))).map_err(lost)?;
        stream.write_all(&say).map_err(lost)?;
        if handshake.is_over() {
            return Ok(());
        }
        let wanted = handshake.wants().min(buffer.len());
        let len = match stream.read(&mut buffer[..wanted]) {
            Ok(0) => return Err("the proxy hung up".into()),
            Ok(len) => len,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            Err(error) => return Err(lost(error)),
        };
        say = handshake.feed(&buffer[..len]).map_err(|refused| refused.0.to_string())?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_leave_from_the_bound_address_of_their_family() {
        let to: SocketAddr = "127.0.0.1:9".parse().unwrap();
        let from = |bind: &[&str]| {
            let bind = bind.iter().map(|ip| ip.parse().unwrap()).collect();
            let socket = WayOut { bind, ..WayOut::default() }.socket(to)?;
            Ok::<_, io::Error>(socket.local_addr()?.as_socket().unwrap().ip().to_string())
        };
        assert_eq!(from(&["::1", "127.0.0.9"]).unwrap(), "127.0.0.9");
        assert_eq!(from(&["0.0.0.0"]).unwrap(), "0.0.0.0");
        assert!(from(&["::1"]).is_err());
    }

    #[test]
    fn an_interface_that_is_not_there_lets_nothing_out() {
        let way = WayOut { device: Some("peerlinknone0".into()), ..WayOut::default() };
        assert!(way.socket("127.0.0.1:9".parse().unwrap()).is_err());
    }

    #[test]
    fn a_proxy_connects_a_blocking_stream_or_says_why_not() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let ask = |answer: &'static [u8]| {
            let thread = std::thread::spawn({
                let listener = listener.try_clone().unwrap();
                move || {
                    let (mut stream, _) = listener.accept().unwrap();
                    stream.write_all(answer).unwrap();
                    let mut heard = [0; 3 + 10];
                    stream.read_exact(&mut heard).ok();
                    heard
                }
            });
            let mut stream = TcpStream::connect(at).unwrap();
            let target = Target::of("192.0.2.7", 80);
            let result = greet(&mut stream, target, None, Instant::now() + Duration::from_secs(20));
            let mut rest = [0; 4];
            let rest = result.is_ok().then(|| stream.read(&mut rest).map(|len| rest[..len].to_vec()).unwrap());
            drop(stream);
            (result, rest, thread.join().unwrap())
        };
        let (result, rest, heard) = ask(&[5, 0, 5, 0, 0, 1, 0, 0, 0, 0, 0, 0, b'p', b'e']);
        assert_eq!((result, rest.as_deref()), (Ok(()), Some(&b"pe"[..])));
        assert_eq!(heard, [5, 1, 0, 5, 1, 0, 1, 192, 0, 2, 7, 0, 80]);
        assert_eq!(ask(&[5, 0, 5, 5, 0, 1, 0]).0.unwrap_err(), "the proxy's connection was refused");
    }
}
