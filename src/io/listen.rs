//! The doors: one TCP listener and one UDP socket per address family (or per `--bind`), all on one port.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use mio::Registry;
use mio::net::{TcpListener, UdpSocket};
use nix::sys::socket::setsockopt;
use nix::{libc, setsockopt_impl, sockopt_impl};
use socket2::{Domain, Protocol, Socket, Type};

use super::local::Local;
use super::reactor::Options;
use super::trouble::reason;
use super::way_out::WayOut;

/// The port asked for when nobody chose one.
const PORT: u16 = 6881;
/// Ports tried until one is free for every address and both protocols.
const TRIES: u32 = 30;
/// Connections the kernel keeps for us until they are accepted: a crowd that dials at once must not make an honest
/// caller's first packet be dropped, which costs it a second.
const BACKLOG: i32 = 1024;

/// Seconds for which the kernel keeps a silent caller to itself.
const DEFER_S: i32 = 1;

sockopt_impl!(DeferAccept, SetOnly, libc::IPPROTO_TCP, libc::TCP_DEFER_ACCEPT, i32);

/// What listens.
#[derive(Debug)]
pub struct Doors {
    /// For peers; behind them those of the remote control.
    pub tcp: Vec<TcpListener>,
    /// The first of those, and their port.
    pub control: Option<(usize, u16)>,
    pub udp: Vec<UdpSocket>,
    /// Of each of those, whether it is one of IPv4.
    udp_v4: Vec<bool>,
    /// Local discovery; its sockets are counted on behind `udp`.
    pub local: Option<Local>,
    pub port: u16,
    /// For people: another port than usual was taken.
    pub remark: Option<String>,
}

impl Doors {
    /// Opens every address of `bind` (empty: all of v6 and of v4, whichever the kernel has) on `port`; None is 6881
    /// or, with a remark, any free one; 0 is any. With an interface, nobody is heard by another one.
    ///
    /// # Errors
    /// One line that says what cannot be listened on and why.
    pub fn open(bind: &[IpAddr], port: Option<u16>, way: &WayOut) -> Result<Doors, String> {
        match port {
            Some(0) => open_any(bind, way),
            Some(port) => open_at(bind, port, way).map_err(|failure| failure.text),
            None => match open_at(bind, PORT, way) {
                Err(failure) if failure.taken => {
                    let mut doors = open_any(bind, way)?;
                    doors.remark = Some(format!("port {PORT} is taken, using {}", doors.port));
                    Ok(doors)
                }
                other => other.map_err(|failure| failure.text),
            },
        }
    }

    /// Callers are shown to us when they have said something. Where the kernel cannot do that, all is as before.
    pub fn defer(&self) {
        for listener in &self.tcp {
            if let Err(error) = setsockopt(listener, DeferAccept, &DEFER_S) {
                log::debug!("cannot defer accepting: {error}");
            }
        }
    }

    /// Whether the UDP socket at this place is one of IPv4.
    pub fn is_v4(&self, at: usize) -> bool {
        self.udp_v4.get(at).is_some_and(|is_v4| *is_v4)
    }

    /// Opens the doors of the remote control, all at one port.
    ///
    /// # Errors
    /// One line that says what cannot be listened on and why.
    pub fn open_control(&mut self, addresses: &[SocketAddr]) -> Result<(), String> {
        let first = self.tcp.len();
        for at in addresses {
            let port = self.control.map_or(at.port(), |(_, port)| port);
            let at = SocketAddr::new(at.ip(), port);
            let failed = |error: io::Error| format!("cannot listen on {at}: {}", reason(&error));
            let listener = open_listener(at, &WayOut::default()).map_err(failed)?;
            self.control = Some((first, listener.local_addr().map_or(port, |local| local.port())));
            self.tcp.push(listener);
        }
        Ok(())
    }

    /// Whether the listener at this place is one of the remote control.
    pub fn is_control(&self, at: usize) -> bool {
        self.control.is_some_and(|(first, _)| at >= first)
    }

    /// Opens and watches the sockets of local discovery, if it is wanted; how many datagram sockets there are then.
    pub fn open_local(&mut self, options: &Options, registry: &Registry, first_token: usize) -> usize {
        self.local = options.lsd.then(|| Local::open(&options.bind, &options.way));
        let from = first_token + self.udp.len();
        self.udp.len() + self.local.as_mut().map_or(0, |local| local.watch(registry, from))
    }

    /// A socket of local discovery by its number among all datagram sockets.
    pub fn local_at(&self, at: usize) -> Option<&UdpSocket> {
        self.local.as_ref()?.sockets.get(at.checked_sub(self.udp.len())?)
    }

    /// The UDP socket that can reach this address.
    pub fn udp_for(&self, to: SocketAddr) -> Option<&UdpSocket> {
        self.udp.iter().zip(&self.udp_v4).find(|(_, is_v4)| **is_v4 == to.is_ipv4()).map(|(socket, _)| socket)
    }
}

struct Failure {
    text: String,
    /// Somebody else has the port.
    taken: bool,
}

/// Any port that is free for all.
fn open_any(bind: &[IpAddr], way: &WayOut) -> Result<Doors, String> {
    for _ in 1..TRIES {
        match open_at(bind, 0, way) {
            Err(failure) if failure.taken => {}
            other => return other.map_err(|failure| failure.text),
        }
    }
    open_at(bind, 0, way).map_err(|failure| failure.text)
}

/// Opens all doors at one port; with 0 the first socket chooses.
fn open_at(bind: &[IpAddr], port: u16, way: &WayOut) -> Result<Doors, Failure> {
    let everywhere = [IpAddr::V6(Ipv6Addr::UNSPECIFIED), IpAddr::V4(Ipv4Addr::UNSPECIFIED)];
    let optional = bind.is_empty();
    let addresses = if optional { &everywhere } else { bind };
    let mut doors = Doors {
        tcp: Vec::new(),
        control: None,
        udp: Vec::new(),
        udp_v4: Vec::new(),
        local: None,
        port,
        remark: None,
    };
    let mut first_error = None;
    for &ip in addresses {
        match open_pair(SocketAddr::new(ip, doors.port), way) {
            Ok((tcp, udp)) => {
                doors.port = tcp.local_addr().map_or(doors.port, |local| local.port());
                doors.tcp.push(tcp);
                doors.udp.push(udp);
                doors.udp_v4.push(ip.is_ipv4());
            }
            Err(error) => {
                let taken = error.kind() == io::ErrorKind::AddrInUse;
                let at = SocketAddr::new(ip, doors.port);
                let by = way.device.as_ref().map_or(String::new(), |device| format!(" by {device}"));
                let failure = Failure { text: format!("cannot listen on {at}{by}: {}", reason(&error)), taken };
                if !optional || taken {
                    return Err(failure);
                }
                // A kernel without v6 (or without v4) is served with the other alone.
                first_error.get_or_insert(failure);
            }
        }
    }
    match first_error {
        Some(failure) if doors.tcp.is_empty() => Err(failure),
        _ => Ok(doors),
    }
}

fn open_pair(at: SocketAddr, way: &WayOut) -> io::Result<(TcpListener, UdpSocket)> {
    let tcp = open_listener(at, way)?;
    let at = SocketAddr::new(at.ip(), tcp.local_addr()?.port());
    let socket = open_socket(at, Type::DGRAM, Protocol::UDP)?;
    way.hold(&socket)?;
    socket.bind(&at.into())?;
    Ok((tcp, UdpSocket::from_std(socket.into())))
}

fn open_listener(at: SocketAddr, way: &WayOut) -> io::Result<TcpListener> {
    let socket = open_socket(at, Type::STREAM, Protocol::TCP)?;
    way.hold(&socket)?;
    socket.set_reuse_address(true)?;
    socket.bind(&at.into())?;
    // Who is accepted inherits it.
    socket.set_tcp_nodelay(true)?;
    socket.listen(BACKLOG)?;
    Ok(TcpListener::from_std(socket.into()))
}

/// A non-blocking socket of the address's family; v6 sockets speak v6 only.
pub(super) fn open_socket(at: SocketAddr, kind: Type, protocol: Protocol) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(at), kind, Some(protocol))?;
    if at.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tcp_and_udp_of_all_families_share_one_port() {
        let doors = Doors::open(&[], Some(0), &WayOut::default()).unwrap();
        assert_ne!(doors.port, 0);
        let locals = doors.tcp.iter().map(|l| l.local_addr().unwrap());
        let locals = locals.chain(doors.udp.iter().map(|l| l.local_addr().unwrap()));
        assert!(locals.map(|local| local.port()).all(|port| port == doors.port));
        assert!(doors.udp_for("127.0.0.1:1".parse().unwrap()).is_some());
    }

    #[test]
    fn who_is_accepted_sends_without_delay() {
        let doors = Doors::open(&["127.0.0.1".parse().unwrap()], Some(0), &WayOut::default()).unwrap();
        let _caller = std::net::TcpStream::connect(("127.0.0.1", doors.port)).unwrap();
        let (accepted, _) = doors.tcp[0].accept().unwrap();
        assert!(accepted.nodelay().unwrap());
    }

    #[test]
    fn a_caller_is_shown_when_it_has_said_something() {
        use std::io::Write;
        let doors = Doors::open(&["127.0.0.1".parse().unwrap()], Some(0), &WayOut::default()).unwrap();
        doors.defer();
        let mut caller = std::net::TcpStream::connect(("127.0.0.1", doors.port)).unwrap();
        let accept = || doors.tcp[0].accept().map(drop).map_err(|error| error.kind());
        assert_eq!(accept(), Err(io::ErrorKind::WouldBlock));
        caller.write_all(b"GET").unwrap();
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while accept().is_err() {
            assert!(std::time::Instant::now() < deadline, "nobody is shown");
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_taken_port_is_an_error_that_names_it() {
        let local: IpAddr = "127.0.0.1".parse().unwrap();
        let first = Doors::open(&[local], Some(0), &WayOut::default()).unwrap();
        let error = Doors::open(&[local], Some(first.port), &WayOut::default()).unwrap_err();
        assert_eq!(error, format!("cannot listen on 127.0.0.1:{}: address already in use", first.port));
    }

    #[test]
    fn an_address_of_somebody_else_is_an_error() {
        let error = Doors::open(&["203.0.113.7".parse().unwrap()], Some(0), &WayOut::default()).unwrap_err();
        assert!(error.starts_with("cannot listen on 203.0.113.7:0: cannot assign requested address"), "{error}");
    }
}
