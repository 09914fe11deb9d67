//! Gateways that open ports, in a network of namespaces: PCP, NAT-PMP and UPnP of the test's own, and miniupnpd where it
//! is installed. Each is asked when the program starts, asked again before time is up, and asked to close at the end.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::process::Command;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use crate::kit::PATIENCE;
use crate::kit::child::Child;
use crate::kit::payload::Payload;
use crate::kit::peerlink::{self as ours, Event};
use crate::network::{Host, Network};
use crate::others::skip;
use crate::payloads::Scene;

/// How long the gateways of the test open a port for: it is asked for again after half of that, or ten seconds.
const LIFETIME_S: u32 = 20;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Speaks {
    Pcp,
    NatPmp,
    Upnp,
}

/// What a gateway was asked.
#[derive(Default)]
struct Table {
    /// Transport as PCP counts, external port.
    open: BTreeSet<(u8, u16)>,
    openings: usize,
    /// Whatever should not have come.
    odd: Vec<String>,
}

#[derive(Clone, Default)]
struct Gateway(Arc<(Mutex<Table>, Condvar)>);

impl Gateway {
    fn note<T>(&self, change: impl FnOnce(&mut Table) -> T) -> T {
        let result = change(&mut self.0.0.lock().expect("nobody panics with it"));
        self.0.1.notify_all();
        result
    }

    fn set(&self, transport: u8, port: u16, is_on: bool) {
        self.note(|table| {
            table.openings += usize::from(is_on);
            match is_on {
                true => table.open.insert((transport, port)),
                false => table.open.remove(&(transport, port)),
            }
        });
    }

    fn wait_for(&self, what: &str, is_it: impl Fn(&Table) -> bool) {
        let end = Instant::now() + PATIENCE;
        let mut table = self.0.0.lock().expect("nobody panics with it");
        while !is_it(&table) {
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{what}: {:?} open, {} openings", table.open, table.openings);
            table = self.0.1.wait_timeout(table, left).expect("nobody panics with it").0;
        }
    }

    /// Begins on this host.
    fn start(&self, host: &Host, speaks: Speaks) {
        let bind = |port: u16| host.inside(|| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)).expect("a free port"));
        let gateway = self.clone();
        if speaks != Speaks::Upnp {
            let socket = bind(5351);
            std::thread::spawn(move || gateway.serve_pmp(&socket, speaks));
            return;
        }
        let (socket, ip) = (bind(1900), host.ip);
        let listener = host.inside(|| TcpListener::bind((ip, 0)).expect("a free port"));
        let at = listener.local_addr().expect("it is bound");
        std::thread::spawn(move || serve_ssdp(&socket, &format!("http://{at}/description.xml")));
        std::thread::spawn(move || {
            listener.incoming().flatten().for_each(|stream| gateway.serve_http(stream));
        });
    }

    fn serve_pmp(&self, socket: &UdpSocket, speaks: Speaks) {
        let began = Instant::now();
        let mut buffer = [0; 1100];
        while let Ok((len, from)) = socket.recv_from(&mut buffer) {
            let asked = &buffer[..len];
            let epoch = (began.elapsed().as_secs() as u32).to_be_bytes();
            let outside = [203, 0, 113, 7];
            let answer = match (speaks, asked) {
                (Speaks::Pcp, [2, 1, ..]) if len == 60 => {
                    let client = IpAddr::from(<[u8; 4]>::try_from(&asked[20..24]).expect("four bytes"));
                    if client != from.ip() {
                        self.note(|table| table.odd.push(format!("PCP for {client} from {from}")));
                    }
                    let mut answer = asked.to_vec();
                    let is_on = answer[4..8] != [0; 4];
                    // The port that is open is that of the question, one further on.
                    let port = u16::from_be_bytes([asked[40], asked[41]]) + 1;
                    self.set(asked[36], port, is_on);
                    answer[1] = 129;
                    answer[4..8].copy_from_slice(&if is_on { LIFETIME_S } else { 0 }.to_be_bytes());
                    answer[8..12].copy_from_slice(&epoch);
                    answer[12..24].fill(0);
                    answer[42..44].copy_from_slice(&port.to_be_bytes());
                    answer[56..60].copy_from_slice(&outside);
                    answer
                }
                (Speaks::NatPmp, [0, 0]) => [&[0, 128, 0, 0][..], &epoch, &outside].concat(),
                (Speaks::NatPmp, [0, opcode @ (1 | 2), ..]) if len == 12 => {
                    let is_on = asked[8..12] != [0; 4];
                    let transport = if *opcode == 2 { 6 } else { 17 };
                    self.set(transport, u16::from_be_bytes([asked[4], asked[5]]), is_on);
                    let lifetime = if is_on { LIFETIME_S } else { 0 }.to_be_bytes();
                    let ports = [asked[4], asked[5], asked[4], asked[5]];
                    [&[0, 128 + opcode, 0, 0][..], &epoch, &ports, &lifetime].concat()
                }
                (Speaks::NatPmp, [2, ..]) => [&[0, 129, 0, 1][..], &epoch].concat(),
                _ => {
                    self.note(|table| table.odd.push(format!("{asked:?}")));
                    continue;
                }
            };
            let _ = socket.send_to(&answer, from);
        }
    }

    fn serve_http(&self, mut stream: TcpStream) {
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a time-out");
        let Some((head, body)) = read_request(&mut stream) else { return };
        let (status, text) = match head.split(' ').next() {
            Some("GET") => ("200 OK", DESCRIPTION.to_string()),
            _ => self.called(&head, &body),
        };
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: text/xml\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            text.len()
        );
        let _ = stream.write_all((head + &text).as_bytes());
    }

    fn called(&self, head: &str, body: &str) -> (&'static str, String) {
        let field = |name: &str| {
            let rest = body.split_once(&format!("<{name}>")).map_or("", |(_, rest)| rest);
            rest.split('<').next().unwrap_or_default().to_string()
        };
        let envelope =
            |inside: &str| format!("<?xml version=\"1.0\"?><s:Envelope><s:Body>{inside}</s:Body></s:Envelope>");
        let port = field("NewExternalPort").parse().unwrap_or(0);
        let transport = if field("NewProtocol") == "TCP" { 6 } else { 17 };
        if head.contains("#GetExternalIPAddress\"") {
            return ("200 OK", envelope("<NewExternalIPAddress>203.0.113.7</NewExternalIPAddress>"));
        }
        if head.contains("#AddPortMapping\"") && field("NewLeaseDuration") != "0" {
            // As many a router: only mappings without an end.
            let fault = "<s:Fault><detail><UPnPError><errorCode>725</errorCode></UPnPError></detail></s:Fault>";
            return ("500 Internal Server Error", envelope(fault));
        }
        let is_on = head.contains("#AddPortMapping\"");
        if !is_on && !head.contains("#DeletePortMapping\"") {
            self.note(|table| table.odd.push(head.to_string()));
        }
        self.set(transport, port, is_on);
        ("200 OK", envelope(""))
    }
}

const DESCRIPTION: &str = "<?xml version=\"1.0\"?><root><device><deviceList><device><deviceList><device><serviceList>\
    <service><serviceType>urn:schemas-upnp-org:service:WANIPConnection:1</serviceType><controlURL>/control</controlURL>\
    </service></serviceList></device></deviceList></device></deviceList></device></root>";

fn serve_ssdp(socket: &UdpSocket, location: &str) {
    let mut buffer = [0; 2000];
    while let Ok((len, from)) = socket.recv_from(&mut buffer) {
        let target = "urn:schemas-upnp-org:device:InternetGatewayDevice:1";
        if String::from_utf8_lossy(&buffer[..len]).contains(target) {
            let answer = format!("HTTP/1.1 200 OK\r\nST: {target}\r\nLOCATION: {location}\r\n\r\n");
            let _ = socket.send_to(answer.as_bytes(), from);
        }
    }
}

/// Head and body of a request.
fn read_request(stream: &mut TcpStream) -> Option<(String, String)> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let lines = head.lines().filter_map(|line| line.split_once(':'));
            let mut lens = lines.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
            let len = lens.next().and_then(|(_, len)| len.trim().parse().ok()).unwrap_or(0);
            if body.len() >= len {
                return Some((head.to_string(), body.to_string()));
            }
        }
        match stream.read(&mut buffer) {
            Ok(len) if len > 0 => bytes.extend_from_slice(&buffer[..len]),
            _ => return None,
        }
    }
}

/// A seed that asks its gateway.
fn start(host: &Host, scene: &Scene) -> (Child, u16) {
    let mut us = ours::command_at(&host.ip.to_string(), &["seed"], &scene.path("state"));
    us.env("PEERLINK_NO_PORT_MAP", "false").arg("--dir").arg(scene.source()).args(&scene.torrents);
    let mut child = Child::start("peerlink seed", host.enter(us));
    let port = child.expect("port", |line| Event::of(line, "listening").map(|event| event.number("port")));
    (child, port as u16)
}

fn scene() -> Scene {
    Scene::new(vec![Payload::single("gateway.bin", 100_000, 32 << 10)], None)
}

fn opened(child: &mut Child, by: &str) -> (u16, String) {
    child.expect("open port", |line| {
        let event = Event::of(line, "port_open")?;
        assert_eq!(event.text("by"), by);
        Some((event.number("port") as u16, event.text("address").to_string()))
    })
}

fn asks(test: &str, speaks: Speaks, by: &str) {
    let network = match Network::new(2) {
        Ok(network) => network,
        Err(why) => return skip(test, &why),
    };
    network.lead_out();
    let gateway = Gateway::default();
    gateway.start(&network.hosts[0], speaks);
    let scene = scene();
    let (mut seed, port) = start(&network.hosts[1], &scene);
    let (external, address) = opened(&mut seed, by);
    assert_eq!((external, address.as_str()), (port + u16::from(speaks == Speaks::Pcp), "203.0.113.7"));
    let both: BTreeSet<(u8, u16)> = [(6, external), (17, external)].into();
    gateway.wait_for("opened", |table| table.open == both);
    if speaks != Speaks::Upnp {
        gateway.wait_for("renewed", |table| table.openings >= 4);
    }
    let asked_to_end = Instant::now();
    seed.terminate();
    seed.finish();
    assert!(asked_to_end.elapsed() < Duration::from_secs(5));
    gateway.wait_for("closed", |table| table.open.is_empty());
    assert_eq!(gateway.note(|table| std::mem::take(&mut table.odd)), [""; 0]);
}

/// One call of a daemon's remote control, from its own host.
fn call(host: &Host, port: u16, method: &str) -> String {
    let ask = |session: &str| {
        let body = format!("{{\"method\":\"{method}\"}}");
        let request = format!(
            "POST /transmission/rpc HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\
             X-Transmission-Session-Id: {session}\r\n\r\n{body}",
            body.len()
        );
        host.inside(|| {
            let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("a connection");
            stream.write_all(request.as_bytes()).expect("it reads");
            let mut reply = String::new();
            stream.read_to_string(&mut reply).expect("it answers");
            reply
        })
    };
    let refused = ask("");
    let session = refused.lines().find_map(|line| line.strip_prefix("X-Transmission-Session-Id: "));
    ask(session.expect("it says one"))
}

#[test]
fn a_daemon_says_whether_its_port_is_open() {
    let test = "a_daemon_says_whether_its_port_is_open";
    let network = match Network::new(2) {
        Ok(network) => network,
        Err(why) => return skip(test, &why),
    };
    network.lead_out();
    let gateway = Gateway::default();
    gateway.start(&network.hosts[0], Speaks::NatPmp);
    let (us, folder) = (&network.hosts[1], ours::folder());
    let mut daemon = ours::command_at(&us.ip.to_string(), &["daemon", "--rpc", "127.0.0.1:0"], folder.path());
    daemon.env("PEERLINK_NO_PORT_MAP", "false").arg("--dir").arg(folder.path());
    let mut daemon = Child::start("peerlink daemon", us.enter(daemon));
    let port =
        daemon.expect("port", |line| Event::of(line, "listening").map(|event| event.number("rpc_port"))) as u16;
    opened(&mut daemon, "NAT-PMP");
    assert!(call(us, port, "port-test").contains("\"port-is-open\":true"));
    assert!(call(us, port, "session-get").contains("\"port-forwarding-enabled\":true"));
    daemon.terminate();
    daemon.finish();
    gateway.wait_for("closed", |table| table.open.is_empty());
}

#[test]
fn a_pcp_gateway_opens_renews_and_closes() {
    asks("a_pcp_gateway_opens_renews_and_closes", Speaks::Pcp, "PCP");
}

#[test]
fn a_natpmp_gateway_opens_renews_and_closes() {
    asks("a_natpmp_gateway_opens_renews_and_closes", Speaks::NatPmp, "NAT-PMP");
}

#[test]
fn a_upnp_gateway_opens_and_closes() {
    asks("a_upnp_gateway_opens_and_closes", Speaks::Upnp, "UPnP");
}

/// What miniupnpd wants to find in the kernel, and a way out for it to stand at.
const HOUSE: &str = "ip link add ext0 type veth peer name ext1 && ip link set ext0 up && ip link set ext1 up &&
    ip address add 9.9.9.1/24 dev ext0 && echo 'table inet filter {
        chain forward { type filter hook forward priority 0; }
        chain miniupnpd { }
        chain prerouting { type nat hook prerouting priority -100; }
        chain postrouting { type nat hook postrouting priority 100; }
        chain prerouting_miniupnpd { }
        chain postrouting_miniupnpd { }
    }' | nft -f -";

/// Its table, as the kernel has it.
fn rules(host: &Host) -> String {
    let mut command = Command::new("nft");
    command.args(["list", "ruleset"]);
    let output = host.enter(command).output().expect("it was there before");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn miniupnpd(test: &str, pmp: &str, upnp: &str, by: &str) {
    if Command::new("nft").arg("-v").output().is_err() || Command::new("miniupnpd").arg("-h").output().is_err() {
        return skip(test, "miniupnpd is not installed");
    }
    let network = match Network::new(2) {
        Ok(network) => network,
        Err(why) => return skip(test, &why),
    };
    network.lead_out();
    let [gateway, us] = &network.hosts[..] else { panic!("two hosts") };
    let scene = scene();
    let settings = format!(
        "ext_ifname=ext0\nlistening_ip=eth0\nenable_natpmp={pmp}\nenable_upnp={upnp}\nsecure_mode=yes\n\
         uuid=00000000-0000-0000-0000-000000000001\nallow 1024-65535 10.77.0.0/24 1024-65535\n\
         deny 0-65535 0.0.0.0/0 0-65535\n"
    );
    std::fs::write(scene.path("miniupnpd.conf"), settings).expect("the test's own folder");
    let shell = |words: &str| {
        let mut command = Command::new("sh");
        command.args(["-c", words]).current_dir(scene.path("."));
        gateway.enter(command)
    };
    let output = shell(HOUSE).output().expect("there is a shell");
    if !output.status.success() {
        return skip(test, "nftables cannot be used here");
    }
    let daemon = "exec miniupnpd -d -f miniupnpd.conf -P miniupnpd.pid";
    let mut theirs = Child::start("miniupnpd", shell(daemon));
    let ready = if pmp == "yes" { "Listening for NAT-PMP/PCP" } else { "HTTP listening on port" };
    theirs.expect("miniupnpd", |line| line.contains(ready).then_some(()));

    let (mut seed, port) = start(us, &scene);
    let (external, address) = opened(&mut seed, by);
    assert_eq!((external, address.as_str()), (port, "9.9.9.1"));
    let there = rules(gateway);
    for transport in ["tcp", "udp"] {
        let rule = format!("{transport} dport {port} dnat ip to {}:{port}", us.ip);
        let same = format!("th dport {port} dnat ip to {}:{port}", us.ip);
        assert!(there.contains(&rule) || there.contains(&same), "no {rule} in\n{there}");
    }
    seed.terminate();
    seed.finish();
    let end = Instant::now() + PATIENCE;
    while rules(gateway).contains("dnat") {
        assert!(Instant::now() < end, "it is still open:\n{}", rules(gateway));
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn miniupnpd_opens_and_closes_by_upnp() {
    miniupnpd("miniupnpd_opens_and_closes_by_upnp", "no", "yes", "UPnP");
}

#[test]
fn miniupnpd_opens_and_closes_by_pcp() {
    miniupnpd("miniupnpd_opens_and_closes_by_pcp", "yes", "no", "PCP");
}
