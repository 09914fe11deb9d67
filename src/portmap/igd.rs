//! UPnP: finds the gateway's description, and in it the service that opens ports; then one call after the other.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

use super::{CHECK, Outcome};
use crate::base::{JobId, Span, Time};
use crate::machine::{Command, Control, Fetched, Job, Mapped, Network, Outbox, Way};
use crate::wire::igd::{self, Action, Answer, Mapping, Service};
use crate::wire::natpmp::Transport;
use crate::wire::ssdp;
use crate::wire::url::{self, Scheme, Url};

/// Between two questions who is there; devices answer within one second.
const SEARCH_WAIT: Span = Span::secs(1);
const SEARCHES: u32 = 3;
/// A gateway's web server gets so long: some are slow.
const TIMEOUT: Span = Span::secs(8);
/// The same at the end.
const TIMEOUT_CLOSE: Span = Span::millis(900);
/// How long a mapping lasts without us.
const LEASE_S: u32 = 3600;
/// Ports tried where ours is somebody else's.
const PORTS_TRIED: u32 = 4;
/// Ports that nobody has by habit (RFC 6335).
const FREE_PORTS: std::ops::RangeInclusive<u16> = 49_152..=65_535;

/// What is called, in turn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    Describe,
    Address,
    Open(Transport),
    /// Whether it is still open.
    Look,
}

/// A conversation with a gateway.
#[derive(Debug)]
pub struct Igd {
    network: Network,
    port: u16,
    /// The next question who is there, while nobody has answered.
    search: Option<(u32, Time)>,
    location: String,
    /// The first is in use.
    services: VecDeque<(Service, String)>,
    /// The first is under way.
    steps: VecDeque<Step>,
    jobs: Vec<JobId>,
    /// The gateway's port; the same for TCP and UDP.
    external: u16,
    ports_tried: u32,
    lease_s: u32,
    ip: Option<IpAddr>,
    /// TCP and UDP.
    is_open: [bool; 2],
    is_closing: bool,
    renew: Time,
    check: Time,
}

impl Igd {
    /// Asks who is there.
    pub fn begin(network: Network, port: u16, now: Time, out: &mut Outbox) -> Igd {
        let mut igd = Igd {
            network,
            port,
            search: Some((0, now)),
            location: String::new(),
            services: VecDeque::new(),
            steps: VecDeque::new(),
            jobs: Vec::new(),
            external: port,
            ports_tried: 1,
            lease_s: LEASE_S,
            ip: None,
            is_open: [false; 2],
            is_closing: false,
            renew: now,
            check: now,
        };
        igd.search(0, now, out);
        igd
    }

    /// To all, and to the gateway alone: a firewall here lets the answers to that pass.
    fn search(&mut self, count: u32, now: Time, out: &mut Outbox) {
        self.search = Some((count + 1, now + SEARCH_WAIT));
        let gateway = SocketAddr::new(self.network.gateway.into(), ssdp::PORT);
        for to in [ssdp::group(), gateway] {
            for target in ssdp::TARGETS {
                out.push(Command::SendDatagram { to, bytes: ssdp::search(target, to) });
            }
        }
    }

    pub fn waits_for(&self, job: JobId) -> bool {
        self.jobs.contains(&job)
    }

    pub fn next_deadline(&self) -> Option<Time> {
        match self.search {
            Some((_, again)) => Some(again),
            None if self.steps.is_empty() && !self.is_closing => Some(self.renew.min(self.check)),
            None => None,
        }
    }

    pub fn on_deadline(&mut self, now: Time, out: &mut Outbox) -> Outcome {
        if self.next_deadline().is_none_or(|due| due > now) {
            return Outcome::Wait;
        }
        match self.search {
            Some((SEARCHES.., _)) => return Outcome::Failed("no answer to UPnP".into()),
            Some((count, _)) => self.search(count, now, out),
            None if self.renew <= now => {
                self.steps.extend([Step::Open(Transport::Tcp), Step::Open(Transport::Udp), Step::Address]);
                self.step(out);
            }
            None => {
                self.steps.push_back(Step::Look);
                self.step(out);
            }
        }
        Outcome::Wait
    }

    /// The gateway says where its description is.
    pub fn datagram(&mut self, bytes: &[u8], out: &mut Outbox) -> Outcome {
        if self.search.is_none() {
            return Outcome::Wait;
        }
        let Some(location) = ssdp::location(bytes).filter(|location| self.is_gateways(location)) else {
            return Outcome::Wait;
        };
        self.search = None;
        self.location = location;
        self.steps.push_back(Step::Describe);
        self.step(out);
        Outcome::Wait
    }

    /// Whether a URL leads to the gateway itself: one that leads elsewhere is not followed.
    fn is_gateways(&self, url: &str) -> bool {
        let parsed = Url::parse(url).ok().filter(|url| url.scheme == Scheme::Http && url.userinfo.is_empty());
        parsed.and_then(|url| url.ip()) == Some(IpAddr::V4(self.network.gateway))
    }

    /// Does the first step.
    fn step(&mut self, out: &mut Outbox) {
        let Some(step) = self.steps.front().copied() else { return };
        match step {
            Step::Describe => self.control(self.location.clone(), None, igd::DESCRIPTION_LEN, TIMEOUT, out),
            Step::Address => self.call(&Action::ExternalAddress, TIMEOUT, out),
            Step::Open(transport) => self.call(&Action::Add(self.mapping(transport)), TIMEOUT, out),
            Step::Look => self.call(&Action::Look(Transport::Tcp, self.external), TIMEOUT, out),
        }
    }

    fn mapping(&self, transport: Transport) -> Mapping {
        let (external, internal, client) = (self.external, self.port, self.network.local);
        Mapping { transport, external, internal, client, lease_s: self.lease_s }
    }

    fn call(&mut self, action: &Action, timeout: Span, out: &mut Outbox) {
        let Some((service, url)) = self.services.front() else { return };
        let (soap, url) = (service.call(action), url.clone());
        self.control(url, Some(soap), igd::ANSWER_LEN, timeout, out);
    }

    fn control(
        &mut self,
        url: String,
        action: Option<(String, String)>,
        len_max: usize,
        timeout: Span,
        out: &mut Outbox,
    ) {
        let id = out.new_job();
        self.jobs.push(id);
        out.job(Job::Control { id, request: Control { url, action, len_max, timeout } });
    }

    /// A call ended.
    pub fn answered(&mut self, id: JobId, result: Result<Fetched, String>, now: Time, out: &mut Outbox) -> Outcome {
        let Some(at) = self.jobs.iter().position(|job| *job == id) else { return Outcome::Wait };
        self.jobs.remove(at);
        if self.is_closing {
            return if self.jobs.is_empty() { Outcome::Closed } else { Outcome::Wait };
        }
        let Some(step) = self.steps.front().copied() else { return Outcome::Wait };
        let fetched = match result {
            Ok(fetched) => fetched,
            Err(why) => return Outcome::Failed(format!("UPnP: {why}")),
        };
        let text = String::from_utf8_lossy(&fetched.body);
        if step == Step::Describe {
            return self.described(fetched.status, &text, out);
        }
        let answer = Answer::read(&text);
        let is_done = fetched.status == 200 && answer.error.is_none();
        match step {
            Step::Address => self.ip = answer.external.filter(|ip| is_done && !ip.is_unspecified()).map(IpAddr::V4),
            Step::Open(transport) => {
                if !is_done && self.may_try_again(transport, answer.error, out) {
                    self.step(out);
                    return Outcome::Wait;
                }
                self.is_open[transport as usize] = is_done;
                if !is_done && transport == Transport::Tcp {
                    return self.next_service(answer.error, out);
                }
            }
            Step::Look => {
                let is_ours = answer.client == Some(self.network.local) && answer.port == Some(self.port);
                if !(is_done && is_ours) {
                    log::info!("the gateway has forgotten the port it opened, and is asked again");
                    self.steps.extend(Transport::BOTH.map(Step::Open));
                }
            }
            Step::Describe => {}
        }
        self.go_on(step, now, out)
    }

    /// The description came.
    fn described(&mut self, status: u16, text: &str, out: &mut Outbox) -> Outcome {
        let (services, base) = if status == 200 { igd::services(text) } else { (Vec::new(), None) };
        let base = base.unwrap_or_else(|| self.location.clone());
        for service in services {
            let url = url::resolve(&base, &service.control);
            match self.is_gateways(&url) {
                true => self.services.push_back((service, url)),
                false => log::debug!("port mapping: a control URL leads away from the gateway"),
            }
        }
        if self.services.is_empty() {
            return Outcome::Failed("UPnP: the gateway describes nothing that opens ports".into());
        }
        self.steps = [Step::Address, Step::Open(Transport::Tcp), Step::Open(Transport::Udp)].into();
        self.step(out);
        Outcome::Wait
    }

    /// Whether a refusal is one that can be met.
    fn may_try_again(&mut self, transport: Transport, error: Option<u16>, out: &mut Outbox) -> bool {
        match error {
            Some(igd::ONLY_PERMANENT) if self.lease_s != 0 => {
                self.lease_s = 0;
                true
            }
            // Two ports must be one: UDP has to do with TCP's.
            Some(igd::CONFLICT | igd::SAME_PORTS)
                if transport == Transport::Tcp && self.ports_tried < PORTS_TRIED && !self.is_open[0] =>
            {
                self.ports_tried += 1;
                self.external = out.rng.u16(FREE_PORTS);
                true
            }
            _ => false,
        }
    }

    /// The next service of the gateway, if there is one.
    fn next_service(&mut self, error: Option<u16>, out: &mut Outbox) -> Outcome {
        self.services.pop_front();
        if self.services.is_empty() {
            return Outcome::Failed(format!("UPnP: {}", igd::refusal(error.unwrap_or(0))));
        }
        (self.external, self.ports_tried, self.lease_s) = (self.port, 1, LEASE_S);
        self.steps = [Step::Address, Step::Open(Transport::Tcp), Step::Open(Transport::Udp)].into();
        self.step(out);
        Outcome::Wait
    }

    fn go_on(&mut self, done: Step, now: Time, out: &mut Outbox) -> Outcome {
        self.steps.pop_front();
        if !self.steps.is_empty() {
            self.step(out);
            return Outcome::Wait;
        }
        self.check = now + CHECK;
        if done != Step::Look {
            self.renew = now + Span::secs(u64::from(LEASE_S / 2));
        }
        Outcome::Open(Mapped { way: Way::Upnp, port: self.external, ip: self.ip })
    }

    /// Closes what is open.
    pub fn close(&mut self, out: &mut Outbox) -> Outcome {
        let open: Vec<Transport> =
            Transport::BOTH.into_iter().filter(|transport| self.is_open[*transport as usize]).collect();
        if open.is_empty() {
            return Outcome::Closed;
        }
        self.is_closing = true;
        self.jobs.clear();
        for transport in open {
            self.call(&Action::Delete(transport, self.external), TIMEOUT_CLOSE, out);
        }
        Outcome::Wait
    }
}
