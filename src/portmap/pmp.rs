//! NAT-PMP (RFC 6886) and PCP (RFC 6887): one question after the other, each said again until it is answered.
//!
//! Both protocols would have a first answer waited for longer (a minute, and three seconds before PCP asks again): a
//! home's gateway answers at once or not at all, and there are other ways to be tried.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::{CHECK, Outcome};
use crate::base::{Span, Time};
use crate::machine::{Command, Mapped, Network, Outbox, Way};
use crate::wire::natpmp::{self, Transport, Wanted, What};
use crate::wire::pcp;

/// Before a question is said again; doubles (RFC 6886).
const WAIT: Span = Span::millis(250);
/// How often it is said: 3.75 s in all.
const TRIES: u32 = 4;
/// How long a port should stay open (RFC 6886).
const LIFETIME_S: u32 = 7200;
/// Half of what the gateway grants passes before it is asked again, within these bounds, whatever it says.
const RENEW: (Span, Span) = (Span::secs(10), Span::secs(43_200));
/// Seconds by which a gateway's clock may be off (both RFCs).
const SLACK_S: u64 = 2;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Dialect {
    Pcp,
    NatPmp,
}

/// What is asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Question {
    /// NAT-PMP: the gateway's address.
    Address,
    Open(Transport),
    Close(Transport),
}

/// A conversation with a gateway.
#[derive(Debug)]
pub struct Pmp {
    dialect: Dialect,
    network: Network,
    port: u16,
    nonce: pcp::Nonce,
    /// The first is being asked; when the ports are closed, all are.
    questions: VecDeque<Question>,
    tries: u32,
    again: Time,
    /// The gateway's ports for TCP and UDP, and for how long.
    open: [Option<(u16, Span)>; 2],
    ip: Option<IpAddr>,
    /// What the gateway's clock said, and when.
    epoch: Option<(u32, Time)>,
    is_closing: bool,
    renew: Time,
    check: Time,
}

impl Pmp {
    /// Asks for both ports.
    pub fn begin(
        dialect: Dialect,
        network: Network,
        port: u16,
        nonce: pcp::Nonce,
        now: Time,
        out: &mut Outbox,
    ) -> Pmp {
        let mut pmp = Pmp {
            dialect,
            network,
            port,
            nonce,
            questions: VecDeque::new(),
            tries: 0,
            again: now,
            open: [None; 2],
            ip: None,
            epoch: None,
            is_closing: false,
            renew: now,
            check: now,
        };
        pmp.ask_for_ports(now, out);
        pmp
    }

    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    pub fn next_deadline(&self) -> Time {
        if self.questions.is_empty() { self.renew.min(self.check) } else { self.again }
    }

    fn ask_for_ports(&mut self, now: Time, out: &mut Outbox) {
        if self.dialect == Dialect::NatPmp {
            self.questions.push_back(Question::Address);
        }
        self.questions.extend(Transport::BOTH.map(Question::Open));
        self.ask(now, out);
    }

    /// Says the first question.
    fn ask(&mut self, now: Time, out: &mut Outbox) {
        self.again = now + (0..self.tries).fold(WAIT, |wait, _| wait.times(2));
        if let Some(question) = self.questions.front() {
            self.say(*question, out);
        }
    }

    fn say(&self, question: Question, out: &mut Outbox) {
        let client = IpAddr::V4(self.network.local);
        let wanted = |transport: Transport, lifetime_s: u32| {
            let (open, _) = self.open[transport as usize].unwrap_or((self.port, Span::ZERO));
            let external = if lifetime_s == 0 { 0 } else { open };
            Wanted { transport, internal: self.port, external, lifetime_s }
        };
        let bytes = match (self.dialect, question) {
            (_, Question::Address) => natpmp::external_request(),
            (Dialect::NatPmp, Question::Open(transport)) => natpmp::map_request(&wanted(transport, LIFETIME_S)),
            (Dialect::NatPmp, Question::Close(transport)) => natpmp::map_request(&wanted(transport, 0)),
            (Dialect::Pcp, Question::Open(transport)) => {
                pcp::map_request(&wanted(transport, LIFETIME_S), client, &self.nonce, self.ip)
            }
            (Dialect::Pcp, Question::Close(transport)) => {
                pcp::map_request(&wanted(transport, 0), client, &self.nonce, None)
            }
        };
        let to = SocketAddr::new(self.network.gateway.into(), natpmp::PORT);
        out.push(Command::SendDatagram { to, bytes });
    }

    pub fn on_deadline(&mut self, now: Time, out: &mut Outbox) -> Outcome {
        if self.next_deadline() > now {
            return Outcome::Wait;
        }
        if self.is_closing {
            self.tries += 1;
            self.say_all(now, out);
            return Outcome::Wait;
        }
        match self.questions.front() {
            None if self.renew <= now => self.ask_for_ports(now, out),
            None => {
                // Each answer tells the gateway's time. With PCP, a mapping brings the address.
                self.questions.push_back(match self.dialect {
                    Dialect::NatPmp => Question::Address,
                    Dialect::Pcp => Question::Open(Transport::Tcp),
                });
                self.ask(now, out);
            }
            Some(_) if self.tries + 1 < self.tries_max() => {
                self.tries += 1;
                self.ask(now, out);
            }
            // The other one works, which is most of what is wanted.
            Some(Question::Open(Transport::Udp)) => return self.go_on(now, out),
            Some(_) => return Outcome::Failed(format!("no answer to {}", self.way().name())),
        }
        Outcome::Wait
    }

    /// Where PCP was not answered, NAT-PMP most often is not, either.
    fn tries_max(&self) -> u32 {
        match self.dialect {
            Dialect::NatPmp if self.epoch.is_none() => TRIES / 2,
            _ => TRIES,
        }
    }

    /// The gateway says something.
    pub fn datagram(&mut self, bytes: &[u8], now: Time, out: &mut Outbox) -> Outcome {
        match self.dialect {
            Dialect::Pcp if natpmp::is_only_this(bytes) && self.epoch.is_none() => Outcome::Older,
            Dialect::Pcp => self.pcp_answer(bytes, now, out),
            Dialect::NatPmp => self.natpmp_answer(bytes, now, out),
        }
    }

    fn natpmp_answer(&mut self, bytes: &[u8], now: Time, out: &mut Outbox) -> Outcome {
        let Some(answer) = natpmp::Answer::from_bytes(bytes) else { return Outcome::Wait };
        match answer.what {
            What::External(ip) if self.is_asking(Question::Address) => {
                self.ip = Some(IpAddr::V4(ip)).filter(|_| ip != Ipv4Addr::UNSPECIFIED);
            }
            What::Mapped(mapping) => return self.mapped(mapping, answer.epoch_s, now, out),
            What::Refused(code, Some(transport)) => {
                return self.refused(transport, natpmp::refusal(code), now, out);
            }
            // Without its address a gateway can open ports all the same.
            What::Refused(_, None) if self.is_asking(Question::Address) => {}
            _ => return Outcome::Wait,
        }
        if self.take_time(answer.epoch_s, now) {
            self.questions.extend(Transport::BOTH.map(Question::Open));
        }
        self.go_on(now, out)
    }

    fn pcp_answer(&mut self, bytes: &[u8], now: Time, out: &mut Outbox) -> Outcome {
        let Some(answer) = pcp::Answer::from_bytes(bytes) else { return Outcome::Wait };
        match (answer.map, self.questions.front().copied()) {
            (Some(map), _) if map.nonce != self.nonce => Outcome::Wait,
            (Some(map), _) if answer.code != 0 => {
                self.refused(map.mapping.transport, pcp::refusal(answer.code), now, out)
            }
            (Some(map), _) => {
                self.ip = Some(map.external).filter(|ip| !ip.is_unspecified());
                self.mapped(map.mapping, answer.epoch_s, now, out)
            }
            (None, Some(Question::Open(transport))) if answer.code != 0 => {
                self.refused(transport, pcp::refusal(answer.code), now, out)
            }
            _ => Outcome::Wait,
        }
    }

    fn is_asking(&self, question: Question) -> bool {
        self.questions.front() == Some(&question)
    }

    /// A port is open, or closed.
    fn mapped(&mut self, mapping: Wanted, epoch_s: u32, now: Time, out: &mut Outbox) -> Outcome {
        if mapping.internal != self.port {
            return Outcome::Wait;
        }
        if self.is_closing {
            return self.closed(mapping.transport);
        }
        if !self.is_asking(Question::Open(mapping.transport)) {
            return Outcome::Wait;
        }
        if mapping.external == 0 || mapping.lifetime_s == 0 {
            return self.refused(mapping.transport, "it opens nothing", now, out);
        }
        let lifetime = Span::secs(u64::from(mapping.lifetime_s));
        self.open[mapping.transport as usize] = Some((mapping.external, lifetime));
        if self.take_time(epoch_s, now) && mapping.transport == Transport::Tcp {
            self.questions.push_back(Question::Open(Transport::Udp));
        }
        self.go_on(now, out)
    }

    /// A port is not opened.
    fn refused(&mut self, transport: Transport, why: &str, now: Time, out: &mut Outbox) -> Outcome {
        if self.is_closing {
            return self.closed(transport);
        }
        if !self.is_asking(Question::Open(transport)) {
            return Outcome::Wait;
        }
        self.open[transport as usize] = None;
        match transport {
            Transport::Tcp => Outcome::Failed(format!("{}: {why}", self.way().name())),
            Transport::Udp => self.go_on(now, out),
        }
    }

    /// The gateway tells its time. Whether it has forgotten us meanwhile, and nothing else is asked: so a clock that runs
    /// wild costs no more than the looks themselves.
    fn take_time(&mut self, epoch_s: u32, now: Time) -> bool {
        let was_reset = self.epoch.is_some_and(|(before_s, at)| self.is_reset(before_s, epoch_s, now.since(at)));
        self.epoch = Some((epoch_s, now));
        let is_look = was_reset && self.questions.len() == 1;
        if is_look {
            log::info!("the gateway has forgotten the ports it opened, and is asked again");
        }
        is_look
    }

    /// Whether the gateway's clock does not go on from where it was (RFC 6886 section 3.6, RFC 6887 section 8.5).
    fn is_reset(&self, before_s: u32, epoch_s: u32, passed: Span) -> bool {
        let (before_s, epoch_s, passed_s) = (u64::from(before_s), u64::from(epoch_s), passed.0 / 1_000_000);
        match self.dialect {
            Dialect::NatPmp => epoch_s + SLACK_S < before_s + passed_s * 7 / 8,
            Dialect::Pcp => match epoch_s.checked_sub(before_s) {
                None => epoch_s + 1 < before_s,
                Some(theirs_s) => {
                    passed_s + SLACK_S < theirs_s - theirs_s / 16 || theirs_s + SLACK_S < passed_s - passed_s / 16
                }
            },
        }
    }

    /// A question is answered: on to the next one, or to rest.
    fn go_on(&mut self, now: Time, out: &mut Outbox) -> Outcome {
        let question = self.questions.pop_front();
        self.tries = 0;
        if !self.questions.is_empty() {
            self.ask(now, out);
            return Outcome::Wait;
        }
        self.check = now + CHECK;
        // The last of a round.
        if question == Some(Question::Open(Transport::Udp)) {
            let shortest = self.open.iter().flatten().map(|(_, lifetime)| *lifetime).min().unwrap_or(CHECK);
            self.renew = now + Span(shortest.0 / 2).clamp(RENEW.0, RENEW.1);
        }
        match self.open[Transport::Tcp as usize] {
            Some((port, _)) => Outcome::Open(Mapped { way: self.way(), port, ip: self.ip }),
            None => Outcome::Wait,
        }
    }

    fn way(&self) -> Way {
        match self.dialect {
            Dialect::Pcp => Way::Pcp,
            Dialect::NatPmp => Way::NatPmp,
        }
    }

    /// Closes what is open, or may be.
    pub fn close(&mut self, now: Time, out: &mut Outbox) -> Outcome {
        let asked: Vec<Transport> = Transport::BOTH
            .into_iter()
            .filter(|transport| {
                self.open[*transport as usize].is_some() || self.is_asking(Question::Open(*transport))
            })
            .collect();
        if asked.is_empty() || self.epoch.is_none() {
            // Nobody has ever answered.
            return Outcome::Closed;
        }
        self.is_closing = true;
        self.tries = 0;
        self.questions = asked.into_iter().map(Question::Close).collect();
        self.say_all(now, out);
        Outcome::Wait
    }

    fn say_all(&mut self, now: Time, out: &mut Outbox) {
        self.again = now + WAIT;
        self.questions.iter().for_each(|question| self.say(*question, out));
    }

    fn closed(&mut self, transport: Transport) -> Outcome {
        self.questions.retain(|question| *question != Question::Close(transport));
        if self.questions.is_empty() { Outcome::Closed } else { Outcome::Wait }
    }
}
