//! Bugs planted on purpose: the simulator must find each of them.

use std::collections::BTreeSet;

use peerlink::base::{ConnId, Pool, Time};
use peerlink::machine::{Command, Input, Job, Machine, Outbox};
use peerlink::node::Node;

use crate::codec::{Decoder, Msg};
use crate::host::{Driven, Maker, new_node};
use crate::run::run_seed;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Bug {
    /// A download credit is gone when a connection closes.
    LostCredit,
    /// Now and then a reject is not sent.
    ForgottenReject,
    /// One availability counter is wrong.
    WrongAvailability,
    /// `have` is told when the last block is in memory.
    EarlyHave,
    /// `stopped` is announced twice.
    DoubledStopped,
}

/// A node with a bug around it.
struct Buggy {
    node: Node,
    bug: Bug,
    inputs: u32,
    rejects: u32,
    talking: BTreeSet<ConnId>,
}

impl Buggy {
    fn boxed(seed: u64, bug: Bug) -> Box<dyn Driven> {
        Box::new(Buggy { node: new_node(seed), bug, inputs: 0, rejects: 0, talking: BTreeSet::new() })
    }

    fn tamper(&mut self, out: &mut Outbox) {
        let commands = std::mem::take(&mut out.commands);
        for mut command in commands {
            match &mut command {
                Command::Send { conn, bytes } => {
                    let is_hello = bytes.starts_with(b"\x13");
                    if self.bug == Bug::ForgottenReject && !is_hello {
                        *bytes = self.without_rejects(bytes);
                    }
                    if is_hello && bytes.len() > 68 {
                        self.talking.insert(*conn);
                    }
                }
                Command::Close { conn } => _ = self.talking.remove(conn),
                _ => {}
            }
            let early = match &command {
                Command::Job(Job::Write { piece, last: true, .. }) => Some(*piece),
                _ => None,
            };
            let again = match &command {
                Command::Job(Job::Fetch { request, .. }) if request.url.contains("event=stopped") => {
                    Some(request.clone())
                }
                _ => None,
            };
            out.push(command);
            if self.bug == Bug::EarlyHave
                && let Some(piece) = early
            {
                let conns = self.talking.iter().copied().collect();
                out.push(Command::SendMany { conns, bytes: Msg::Have(piece.index()).encode().into() });
            }
            if self.bug == Bug::DoubledStopped
                && let Some(request) = again
            {
                let id = out.new_job();
                out.job(Job::Fetch { id, request });
            }
        }
    }

    fn without_rejects(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut decoder = Decoder::default();
        decoder.skip_handshake();
        decoder.push(bytes);
        let mut kept = Vec::new();
        while let Ok(Some(msg)) = decoder.next() {
            let is_reject = matches!(msg, Msg::Reject(_));
            self.rejects += u32::from(is_reject);
            if !is_reject || !self.rejects.is_multiple_of(3) {
                kept.extend(msg.encode());
            }
        }
        kept
    }
}

impl Machine for Buggy {
    fn handle(&mut self, now: Time, input: Input<'_>, out: &mut Outbox) {
        self.inputs += 1;
        if self.bug == Bug::WrongAvailability && self.inputs == 300 {
            self.node.plant("availability");
        }
        let lost = match input {
            Input::Closed { conn, .. } => {
                self.talking.remove(&conn);
                self.bug == Bug::LostCredit
            }
            _ => false,
        };
        self.node.handle(now, input, out);
        if lost {
            out.download.take(peerlink::base::TorrentId(0));
        }
        self.tamper(out);
    }

    fn next_deadline(&self) -> Option<Time> {
        self.node.next_deadline()
    }

    fn appetite(&self, conn: ConnId, pool: &Pool) -> usize {
        self.node.appetite(conn, pool)
    }

    fn check(&self) {
        self.node.check();
    }
}

impl Driven for Buggy {
    fn holdings(&self) -> (u32, u32, usize) {
        self.node.holdings()
    }
}

/// The bug is found within so many seeds, by a rule that names it.
fn is_found(name: &str, maker: Maker, by: &[&str]) {
    let found = (0..60).find_map(|seed| run_seed(seed, maker, false).err().map(|error| (seed, error)));
    let (seed, error) = found.unwrap_or_else(|| panic!("{name}: nothing was found in 60 seeds"));
    println!("{name}: found by seed {seed}: {}", error.lines().next().unwrap_or_default());
    assert!(by.iter().any(|rule| error.contains(rule)), "{name}: found by another rule: {error}");
}

#[test]
fn a_lost_credit_is_found() {
    is_found("lost credit", |seed| Buggy::boxed(seed, Bug::LostCredit), &["[credits]"]);
}

#[test]
fn a_forgotten_reject_is_found() {
    is_found("forgotten reject", |seed| Buggy::boxed(seed, Bug::ForgottenReject), &["[fast]"]);
}

#[test]
fn a_wrong_availability_is_found() {
    is_found("wrong availability", |seed| Buggy::boxed(seed, Bug::WrongAvailability), &["availability of"]);
}

#[test]
fn an_early_have_is_found() {
    is_found("early have", |seed| Buggy::boxed(seed, Bug::EarlyHave), &["[have]"]);
}

#[test]
fn a_doubled_stopped_is_found() {
    is_found("doubled stopped", |seed| Buggy::boxed(seed, Bug::DoubledStopped), &["[events]"]);
}
