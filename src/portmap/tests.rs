//! Gateways of every kind, good and bad, as the machine meets them.

use std::net::Ipv4Addr;

use super::*;
use crate::machine::{Command, Fetched, Way};
use crate::wire::natpmp::{Transport, Wanted};
use crate::wire::ssdp;

const GATEWAY: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 1);
const LOCAL: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 9);
const OUTSIDE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 7);
const OURS: u16 = 6881;

/// What the gateway of a test speaks, and what it has open.
struct Home {
    map: PortMap,
    out: Outbox,
    now: Time,
    pcp: bool,
    natpmp: bool,
    upnp: bool,
    /// When its tables were empty.
    since: Time,
    /// External port, transport.
    open: Vec<(u16, Transport)>,
    /// Ports of others.
    taken: Vec<u16>,
    only_permanent: bool,
    lifetime_s: u32,
    description: String,
    /// Called, in order.
    calls: Vec<String>,
    datagrams: usize,
    told: Vec<Option<Mapped>>,
}

impl Home {
    fn new() -> Home {
        let control = "<service><serviceType>urn:schemas-upnp-org:service:WANIPConnection:1</serviceType>\
                       <controlURL>/ctl</controlURL></service>";
        Home {
            map: PortMap::new([3; 12]),
            out: Outbox::new(1, 0, 0, 0),
            now: Time(1),
            pcp: false,
            natpmp: false,
            upnp: false,
            since: Time(0),
            open: Vec::new(),
            taken: Vec::new(),
            only_permanent: false,
            lifetime_s: 7200,
            description: control.to_string(),
            calls: Vec::new(),
            datagrams: 0,
            told: Vec::new(),
        }
    }

    fn give(&mut self, input: Input<'_>) {
        self.map.handle(self.now, input, &mut self.out);
        while !self.out.commands.is_empty() {
            for command in std::mem::take(&mut self.out.commands) {
                match command {
                    Command::SendDatagram { to, bytes } => {
                        self.datagrams += 1;
                        if let Some(bytes) = self.hear(to, &bytes) {
                            let from = SocketAddr::new(GATEWAY.into(), to.port());
                            self.map.handle(self.now, Input::Datagram { from, bytes: &bytes }, &mut self.out);
                        }
                    }
                    Command::Job(Job::Network { id }) => {
                        let network = Some(Network { gateway: GATEWAY, local: LOCAL });
                        self.finish(Completion::Network { id, network });
                    }
                    Command::Job(Job::Control { id, request }) => {
                        let (status, body) = self.call(&request);
                        let fetched = Fetched { status, body: body.into_bytes(), from: None };
                        self.finish(Completion::Fetched { id, result: Ok(fetched) });
                    }
                    Command::Tell(Note::PortMapped(mapped)) => self.told.push(mapped),
                    other => panic!("{other:?}"),
                }
            }
        }
    }

    fn finish(&mut self, completion: Completion) {
        assert!(completion.id().is_some_and(|id| self.map.waits_for(id)));
        self.map.handle(self.now, Input::Completed(completion), &mut self.out);
    }

    fn start(&mut self) {
        self.give(Input::Note(Note::Listening { port: OURS }));
    }

    /// Lets time pass.
    fn run(&mut self, span: Span) {
        let end = self.now + span;
        while let Some(due) = self.map.next_deadline().filter(|due| *due <= end) {
            assert!(due >= self.now);
            self.now = due;
            self.give(Input::Deadline);
        }
        self.now = end;
    }

    fn epoch(&self) -> [u8; 4] {
        ((self.now.since(self.since).0 / 1_000_000) as u32).to_be_bytes()
    }

    fn set(&mut self, transport: Transport, external: u16, is_on: bool) {
        self.open.retain(|open| *open != (external, transport));
        if is_on {
            self.open.push((external, transport));
        }
        self.open.sort_unstable();
    }

    fn hear(&mut self, to: SocketAddr, bytes: &[u8]) -> Option<Vec<u8>> {
        if to.port() == ssdp::PORT {
            let text =
                format!("HTTP/1.1 200 OK\r\nST: {}\r\nLOCATION: http://{GATEWAY}:5000/d\r\n\r\n", ssdp::TARGETS[0]);
            return (self.upnp && !to.ip().is_multicast()).then_some(text.into_bytes());
        }
        assert_eq!(to, SocketAddr::new(GATEWAY.into(), natpmp::PORT));
        let port = |at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
        match bytes {
            [2, 1, ..] if self.pcp => {
                let transport = if bytes[36] == 6 { Transport::Tcp } else { Transport::Udp };
                let is_on = bytes[4..8] != [0; 4];
                let external = if port(42) == 0 { OURS } else { port(42) };
                self.set(transport, external, is_on);
                let mut answer = bytes.to_vec();
                answer[1] |= 128;
                answer[4..8].copy_from_slice(&if is_on { self.lifetime_s } else { 0 }.to_be_bytes());
                answer[8..12].copy_from_slice(&self.epoch());
                answer[42..44].copy_from_slice(&external.to_be_bytes());
                answer[56..60].copy_from_slice(&OUTSIDE.octets());
                Some(answer)
            }
            [2, 1, ..] if self.natpmp => Some([&[0, 129, 0, 1][..], &self.epoch()].concat()),
            [0, 0] if self.natpmp => Some([&[0, 128, 0, 0][..], &self.epoch(), &OUTSIDE.octets()].concat()),
            [0, opcode @ (1 | 2), ..] if self.natpmp => {
                let transport = if *opcode == 2 { Transport::Tcp } else { Transport::Udp };
                let is_on = bytes[8..12] != [0; 4];
                // Its port is another one.
                self.set(transport, port(4) + 1, is_on);
                let lifetime = if is_on { self.lifetime_s.to_be_bytes() } else { [0; 4] };
                let external = (port(4) + 1).to_be_bytes();
                Some([&[0, opcode | 128, 0, 0][..], &self.epoch(), &bytes[4..6], &external, &lifetime].concat())
            }
            _ => None,
        }
    }

    fn call(&mut self, request: &crate::machine::Control) -> (u16, String) {
        let Some((action, body)) = &request.action else {
            assert_eq!(request.url, format!("http://{GATEWAY}:5000/d"));
            return (200, self.description.clone());
        };
        assert_eq!(request.url, format!("http://{GATEWAY}:5000/ctl"));
        let name = action.trim_matches('"').rsplit('#').next().unwrap_or_default().to_string();
        let field = |name: &str| {
            let (_, rest) = body.split_once(&format!("<{name}>")).expect("the field is there");
            rest.split_once('<').expect("it ends").0.to_string()
        };
        let fault = |code: u16| (500, format!("<s:Fault><errorCode>{code}</errorCode></s:Fault>"));
        self.calls.push(name.clone());
        if name == "GetExternalIPAddress" {
            return (200, format!("<NewExternalIPAddress>{OUTSIDE}</NewExternalIPAddress>"));
        }
        let transport = if field("NewProtocol") == "TCP" { Transport::Tcp } else { Transport::Udp };
        let external: u16 = field("NewExternalPort").parse().expect("a port");
        match name.as_str() {
            "AddPortMapping" if self.taken.contains(&external) => fault(718),
            "AddPortMapping" if self.only_permanent && field("NewLeaseDuration") != "0" => fault(725),
            "AddPortMapping" => {
                assert_eq!(
                    (field("NewInternalClient"), field("NewInternalPort")),
                    (LOCAL.to_string(), OURS.to_string())
                );
                self.set(transport, external, true);
                (200, String::new())
            }
            "DeletePortMapping" => {
                self.set(transport, external, false);
                (200, String::new())
            }
            _ if !self.open.contains(&(external, transport)) => fault(714),
            _ => {
                let entry =
                    "<NewInternalClient>192.168.1.9</NewInternalClient><NewInternalPort>6881</NewInternalPort>";
                (200, entry.to_string())
            }
        }
    }
}

const BOTH: [Transport; 2] = Transport::BOTH;

fn both(port: u16) -> Vec<(u16, Transport)> {
    BOTH.map(|transport| (port, transport)).to_vec()
}

fn mapped(way: Way, port: u16) -> Option<Mapped> {
    Some(Mapped { way, port, ip: Some(OUTSIDE.into()) })
}

#[test]
fn pcp_opens_renews_and_closes() {
    let mut home = Home { pcp: true, ..Home::new() };
    home.start();
    assert_eq!((home.told.as_slice(), &home.open), (&[mapped(Way::Pcp, OURS)][..], &both(OURS)));
    home.datagrams = 0;
    home.run(Span::secs(7200));
    // Twelve looks, and two renewals of both ports.
    assert!((10..=18).contains(&home.datagrams), "{}", home.datagrams);
    assert_eq!(home.told.len(), 1);
    home.give(Input::Stop);
    assert!(home.map.is_stopped() && home.open.is_empty());
    assert_eq!(home.map.next_deadline(), None);
}

#[test]
fn a_gateway_that_knows_natpmp_alone_says_so_and_may_give_another_port() {
    let mut home = Home { natpmp: true, ..Home::new() };
    home.start();
    assert_eq!((home.told.as_slice(), &home.open), (&[mapped(Way::NatPmp, OURS + 1)][..], &both(OURS + 1)));
    home.run(Span::secs(20_000));
    assert_eq!(home.told.len(), 1);
    home.give(Input::Stop);
    assert!(home.map.is_stopped() && home.open.is_empty());
}

#[test]
fn a_gateway_that_forgot_is_asked_again_at_the_next_look() {
    for pcp in [true, false] {
        let mut home = Home { pcp, natpmp: !pcp, ..Home::new() };
        home.start();
        let before = home.open.clone();
        home.run(Span::secs(700));
        home.open.clear();
        home.since = home.now;
        home.run(CHECK);
        assert_eq!(home.open, before, "pcp: {pcp}");
        assert_eq!(home.told.len(), 1);
    }
}

#[test]
fn a_clock_that_runs_wild_and_lifetimes_of_nothing_cost_little() {
    for lifetime_s in [1, u32::MAX] {
        let mut home = Home { pcp: true, lifetime_s, ..Home::new() };
        home.start();
        home.datagrams = 0;
        for hour in 1..=4 {
            // It was never as late, then as early.
            home.since = Time(if hour % 2 == 0 { 0 } else { home.now.0 });
            home.run(Span::secs(3600));
        }
        assert!(home.datagrams <= 4 * 360 * 3, "{lifetime_s}: {}", home.datagrams);
        assert_eq!(home.open, both(OURS));
    }
    let mut home = Home { natpmp: true, lifetime_s: 0, ..Home::new() };
    home.start();
    home.run(Span::secs(30));
    assert_eq!(home.told, [], "a port that is open for no time is not open");
}

#[test]
fn upnp_opens_looks_renews_and_closes() {
    let mut home = Home { upnp: true, ..Home::new() };
    home.start();
    home.run(Span::secs(10));
    assert_eq!((home.told.as_slice(), &home.open), (&[mapped(Way::Upnp, OURS)][..], &both(OURS)));
    assert_eq!(home.calls, ["GetExternalIPAddress", "AddPortMapping", "AddPortMapping"]);
    home.open.clear();
    home.run(CHECK);
    assert_eq!(home.open, both(OURS), "it had forgotten");
    home.calls.clear();
    home.run(Span::secs(3600));
    let added = home.calls.iter().filter(|call| *call == "AddPortMapping").count();
    assert_eq!((added, home.calls.len() < 16), (4, true), "{:?}", home.calls);
    home.give(Input::Stop);
    assert!(home.map.is_stopped() && home.open.is_empty());
}

#[test]
fn upnp_takes_another_port_and_mappings_without_an_end() {
    let mut home = Home { upnp: true, only_permanent: true, taken: vec![OURS], ..Home::new() };
    home.start();
    home.run(Span::secs(10));
    let port = home.open[0].0;
    assert!(port >= 49_152);
    assert_eq!((home.told.as_slice(), &home.open), (&[mapped(Way::Upnp, port)][..], &both(port)));
    home.give(Input::Stop);
    assert!(home.open.is_empty());
    let mut home = Home { upnp: true, taken: (0..=u16::MAX).collect(), ..Home::new() };
    home.start();
    home.run(Span::secs(10));
    assert_eq!(home.told, []);
    assert!(home.calls.len() < 10, "{:?}", home.calls);
}

#[test]
fn control_urls_and_descriptions_elsewhere_are_refused() {
    for elsewhere in ["http://192.168.1.2/ctl", "http://127.0.0.1:9091/", "https://192.168.1.1/", "http://router/ctl"]
    {
        let mut home = Home { upnp: true, ..Home::new() };
        home.description = home.description.replace("/ctl", elsewhere);
        home.start();
        home.run(Span::secs(10));
        assert_eq!((home.told.len(), home.calls.len()), (0, 0), "{elsewhere}");
    }
    let mut home = Home { upnp: true, ..Home::new() };
    home.description = format!("<URLBase>http://10.0.0.1/</URLBase>{}", home.description);
    home.start();
    home.run(Span::secs(10));
    assert_eq!(home.calls.len(), 0);
}

#[test]
fn strangers_and_late_answers_mean_nothing() {
    let mut home = Home::new();
    home.start();
    let open = |external| {
        let wanted = Wanted { transport: Transport::Tcp, internal: OURS, external, lifetime_s: 100 };
        let mut bytes = natpmp::map_request(&wanted);
        (bytes[1], bytes[3]) = (130, 0);
        [&bytes[..4], &[0; 4], &bytes[4..]].concat()
    };
    home.run(Span::secs(4));
    let stranger = "192.168.1.7:5351".parse().unwrap();
    assert!(!home.map.hears(stranger, &open(5)));
    home.give(Input::Datagram { from: stranger, bytes: &open(5) });
    // Not asked yet: the address comes first.
    home.give(Input::Datagram { from: SocketAddr::new(GATEWAY.into(), natpmp::PORT), bytes: &open(5) });
    home.run(Span::secs(20));
    assert_eq!(home.told, []);
}

#[test]
fn where_nobody_answers_it_asks_less_and_less_and_ends_at_once() {
    let mut home = Home::new();
    home.start();
    home.run(Span::secs(86_400));
    assert!(home.datagrams < 40 * 25, "{}", home.datagrams);
    home.give(Input::Stop);
    assert!(home.map.is_stopped());
}

#[test]
fn a_gateway_that_went_away_is_noticed_found_again_and_not_waited_for_at_the_end() {
    let mut home = Home { pcp: true, ..Home::new() };
    home.start();
    home.pcp = false;
    home.run(Span::secs(620));
    assert_eq!(home.told, [mapped(Way::Pcp, OURS), None]);
    home.pcp = true;
    home.run(Span::secs(200));
    assert_eq!(home.told.len(), 3);
    home.pcp = false;
    home.give(Input::Stop);
    assert!(!home.map.is_stopped());
    home.run(CLOSE);
    assert!(home.map.is_stopped());
}

#[test]
fn only_a_home_has_a_gateway_to_ask() {
    for (gateway, local) in
        [([8, 8, 8, 1], [8, 8, 8, 8]), ([192, 168, 1, 1], [8, 8, 8, 8]), ([127, 0, 0, 1], [127, 0, 0, 1])]
    {
        let mut home = Home::new();
        home.map.handle(home.now, Input::Note(Note::Listening { port: OURS }), &mut home.out);
        let Some(Command::Job(Job::Network { id })) = home.out.commands.pop() else { panic!("no job") };
        let network = Some(Network { gateway: gateway.into(), local: local.into() });
        home.give(Input::Completed(Completion::Network { id, network }));
        assert_eq!(home.datagrams, 0);
    }
}
