//! The gateway of the local network: which it is, and requests to its web server. On a thread of its own, started when
//! there is something to ask, so that a gateway that hangs holds nothing else up.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use socket2::{Protocol, Type};

use super::http_call::{self, Ask, Call, Method, Reply};
use super::listen::open_socket;
use super::on_demand::{Bounds, More, OnDemand};
use super::tls::Trust;
use super::way_out::WayOut;
use crate::base::JobId;
use crate::machine::{Completion, Control, Fetched, Network};
use crate::wire::natpmp;
use crate::wire::url::{Scheme, Url};

/// Where the kernel tells its routes of IPv4.
const ROUTES: &str = "/proc/net/route";
/// Bytes of it that are read; a machine with more routes is a router itself.
const ROUTES_LEN: u64 = 64 * 1024;
/// Flags of a route that is up and leads over a gateway (RTF_UP, RTF_GATEWAY).
const OVER_GATEWAY: u32 = 3;
/// Jobs that wait; the machine asks for two at once at most.
const JOBS_MAX: usize = 8;

type Deliver = Arc<dyn Fn(Completion) + Send + Sync>;

/// What is asked. Answers even when dropped.
struct Errand {
    id: JobId,
    /// None: which gateway there is.
    request: Option<Control>,
    deliver: Option<Deliver>,
}

impl Errand {
    fn answer(&mut self, result: Result<Fetched, String>, network: Option<Network>) {
        let id = self.id;
        if let Some(deliver) = self.deliver.take() {
            deliver(match self.request {
                None => Completion::Network { id, network },
                Some(_) => Completion::Fetched { id, result },
            });
        }
    }
}

impl Drop for Errand {
    fn drop(&mut self) {
        self.answer(Err("no thread to be had".into()), None);
    }
}

/// The thread and its queue. Dropping it waits for nothing.
pub struct Gateway {
    errands: OnDemand<Errand>,
    deliver: Deliver,
}

impl Gateway {
    /// `deliver` must never wait.
    pub fn new(way: WayOut, deliver: impl Fn(Completion) + Send + Sync + 'static) -> Gateway {
        let bounds = Bounds {
            name: "gateway",
            threads_max: 2,
            jobs_max: JOBS_MAX,
            idle: Duration::from_secs(10),
            stack_len: 256 * 1024,
        };
        let run = move |mut errand: Errand, _: More<'_, Errand>| {
            let (result, network) = match &errand.request {
                Some(request) => (control(request, &way), None),
                None => (Err(String::new()), network(&way)),
            };
            errand.answer(result, network);
        };
        Gateway { errands: OnDemand::new(bounds, run), deliver: Arc::new(deliver) }
    }

    /// Answered by [`Completion::Network`].
    pub fn find(&self, id: JobId) {
        self.submit(id, None);
    }

    /// Answered by [`Completion::Fetched`].
    pub fn control(&self, id: JobId, request: Control) {
        self.submit(id, Some(request));
    }

    fn submit(&self, id: JobId, request: Option<Control>) {
        let errand = Errand { id, request, deliver: Some(Arc::clone(&self.deliver)) };
        // A refused one answers itself when it is dropped.
        drop(self.errands.submit(id.0.to_string(), errand));
    }
}

/// The gateway, and the address by which we reach it.
fn network(way: &WayOut) -> Option<Network> {
    use std::io::Read;
    let mut text = String::new();
    std::fs::File::open(ROUTES).ok()?.take(ROUTES_LEN).read_to_string(&mut text).ok()?;
    let gateway = default_gateway(&text, way.device.as_deref())?;
    let from = way.bind.iter().find(|ip| ip.is_ipv4()).copied().unwrap_or(Ipv4Addr::UNSPECIFIED.into());
    // Nothing is sent: the kernel only says from where it would be.
    let socket = open_socket(SocketAddr::new(from, 0), Type::DGRAM, Protocol::UDP).ok()?;
    way.hold(&socket).ok()?;
    socket.bind(&SocketAddr::new(from, 0).into()).ok()?;
    socket.connect(&SocketAddr::new(gateway.into(), natpmp::PORT).into()).ok()?;
    let local = *socket.local_addr().ok()?.as_socket_ipv4()?.ip();
    Some(Network { gateway, local })
}

/// The gateway of the default route with the smallest metric, of those by this interface.
fn default_gateway(text: &str, device: Option<&str>) -> Option<Ipv4Addr> {
    let routes = text.lines().skip(1).filter_map(|line| {
        let mut words = line.split_ascii_whitespace();
        let name = words.next()?;
        let mut hex = || words.next().and_then(|word| u32::from_str_radix(word, 16).ok());
        let (destination, gateway, flags) = (hex()?, hex()?, hex()?);
        let mut rest = words.skip(2);
        let metric: u32 = rest.next()?.parse().ok()?;
        let mask = u32::from_str_radix(rest.next()?, 16).ok()?;
        let is_ours = device.is_none_or(|device| device == name);
        let is_default =
            is_ours && destination == 0 && mask == 0 && flags & OVER_GATEWAY == OVER_GATEWAY && gateway != 0;
        // The kernel prints the bytes of the network as a number of this machine.
        is_default.then(|| (metric, Ipv4Addr::from(gateway.to_ne_bytes())))
    });
    routes.min_by_key(|(metric, _)| *metric).map(|(_, gateway)| gateway)
}

fn control(request: &Control, way: &WayOut) -> Result<Fetched, String> {
    let deadline = Instant::now() + Duration::from_micros(request.timeout.0);
    let url = Url::parse(&request.url).map_err(|e| e.to_string())?;
    let ip = url.ip().filter(|_| url.scheme == Scheme::Http).ok_or("the URL names no address")?;
    let from = SocketAddr::new(ip, url.port_or_default());
    let stream = http_call::connect(&[from], way, deadline, request.timeout)?;
    let ask = match &request.action {
        None => Ask::GET,
        Some((action, body)) => Ask {
            method: Method::POST,
            authorization: "",
            field: Some(("soapaction", action)),
            body: Some(("text/xml; charset=\"utf-8\"", body.as_bytes())),
        },
    };
    let (trust, len_max, timeout) = (Trust::default(), request.len_max, request.timeout);
    let call = Call { url: &url, len_max, deadline, timeout, trust: &trust, read_max: usize::MAX, ask };
    match call.run(stream)? {
        Reply::Body { status, body, .. } => Ok(Fetched { status, body, from: Some(from) }),
        Reply::Redirect { .. } => Err("the gateway answers with a redirect".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A line as this machine's kernel prints it.
    fn line(name: &str, destination: [u8; 4], gateway: [u8; 4], flags: u32, metric: u32, mask: [u8; 4]) -> String {
        let hex = |bytes: [u8; 4]| format!("{:08X}", u32::from_ne_bytes(bytes));
        let (destination, gateway, mask) = (hex(destination), hex(gateway), hex(mask));
        format!("{name}\t{destination}\t{gateway}\t{flags:04X}\t0\t0\t{metric}\t{mask}\t0\t0\t0    \n")
    }

    #[test]
    fn the_gateway_is_that_of_the_best_default_route() {
        let head = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n";
        let none = [0; 4];
        let routes = [
            line("eth0", [192, 168, 1, 0], none, 1, 0, [255, 255, 255, 0]),
            line("tun0", none, none, 1, 0, none),
            line("wlan0", none, [10, 0, 0, 1], 3, 600, none),
            line("eth0", none, [192, 168, 1, 1], 3, 100, none),
            line("eth0", [10, 9, 0, 0], [192, 168, 1, 7], 3, 0, [255, 255, 0, 0]),
            "odd\n\neth0\tx\n".to_string(),
        ];
        let found = default_gateway(&format!("{head}{}", routes.concat()), None);
        assert_eq!(found, Some(Ipv4Addr::new(192, 168, 1, 1)));
        let found = default_gateway(&format!("{head}{}", routes.concat()), Some("wlan0"));
        assert_eq!(found, Some(Ipv4Addr::new(10, 0, 0, 1)));
        assert_eq!(default_gateway(&format!("{head}{}{}", routes[0], routes[1]), None), None);
        assert_eq!(default_gateway("", None), None);
    }
}
