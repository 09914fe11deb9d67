//! Registration: capabilities, password, nick, until lines of all kinds make sense.

use super::Member;
use super::link::Phase;
use crate::base::{Span, Time};
use crate::machine::{ChatNews, Outbox};
use crate::wire::irc::Line;

/// A server that has welcomed us says so long at most before we go on: not every one has a message of the day.
const WELCOME_TIME: Span = Span::secs(3);

impl Member {
    /// The first lines of a connection. A server that knows no capabilities takes no notice of the first one.
    pub(super) fn register(&mut self, out: &mut Outbox) {
        let nick = self.nick.first();
        self.send(out, |line| line.command("CAP").param("LS").param("302"));
        if let Some(password) = &self.options.password {
            self.send(out, |line| line.command("PASS").last(password));
        }
        self.send(out, |line| line.command("NICK").param(&nick));
        let real_name = if self.options.real_name.is_empty() { &nick } else { &self.options.real_name };
        self.send(out, |line| line.command("USER").param("peerlink").param("0").param("*").last(real_name));
    }

    /// `CAP * LS * :list`, where a second `*` says that more comes; `ACK`, `NAK`, `NEW`, `DEL`.
    pub(super) fn on_cap(&mut self, line: &Line<'_>, out: &mut Outbox) {
        let list = line.last().unwrap_or_default();
        let more_comes = line.param(2) == Some("*");
        match line.param(1).unwrap_or_default().to_ascii_uppercase().as_str() {
            "LS" => {
                self.caps.offer(list);
                if !more_comes {
                    self.ask_for_caps(out);
                }
            }
            "ACK" => {
                self.caps.answered(list, true);
                self.peerlink_granted(out);
                self.end_caps(out);
            }
            "NAK" => {
                self.caps.answered(list, false);
                self.end_caps(out);
            }
            "NEW" => {
                self.caps.offer(list);
                self.ask_for_caps(out);
            }
            "DEL" => self.caps.withdraw(list),
            _ => {}
        }
    }

    fn ask_for_caps(&mut self, out: &mut Outbox) {
        if let Some(list) = self.caps.request(self.peerlink_caps()) {
            self.send(out, |line| line.command("CAP").param("REQ").last(&list));
        }
        self.end_caps(out);
    }

    /// The registration goes on when all requests were answered, and nothing else is to be done before.
    pub(super) fn end_caps(&mut self, out: &mut Outbox) {
        let is_registering = matches!(self.link.phase, Phase::Registering { is_welcome: false, .. });
        if is_registering && self.caps.is_settled() && !self.peerlink_holds() {
            self.send(out, |line| line.command("CAP").param("END"));
        }
    }

    /// 001: the server knows us, by this nick.
    pub(super) fn welcomed(&mut self, line: &Line<'_>, now: Time) {
        let Phase::Registering { conn, to, is_welcome: false, .. } = self.link.phase else { return };
        self.nick.is_now(line.param(0).unwrap_or_default(), now);
        self.link.phase = Phase::Registering { conn, to, until: now + WELCOME_TIME, is_welcome: true };
        self.link.server = line.source.unwrap_or_default().to_string();
    }

    /// The server has told all about itself: groups are joined, and what waits is said.
    pub(super) fn ready(&mut self, now: Time, out: &mut Outbox) {
        let Phase::Registering { conn, to, is_welcome: true, .. } = self.link.phase else { return };
        self.link.phase = Phase::Ready { conn, to, since: now };
        self.link.heard(now);
        let (nick, server) = (self.nick.current().to_string(), self.link.server.clone());
        self.tell(ChatNews::Registered { nick, server }, out);
        self.peerlink_ready(now, out);
        self.join_all(out);
        self.say_more(out);
    }
}
