//! The DHT of one address family as we are in it (BEP 32 keeps v4 and v6 apart): our id, the table, how fast others
//! answer, what waits to be looked up.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

use super::saved::Saved;
use super::table::{K, Place, STALE, Table};
use super::votes::Votes;
use crate::base::{InfoHash, NodeId, Span, Time};
use crate::wire::dht::{Contact, node_id};

/// Answers later than this are slow, at least and at most, and before any answer was measured.
const PATIENCE: (Span, Span, Span) = (Span::millis(250), Span::millis(1500), Span::secs(1));
/// Torrents of a process.
const WISHES_MAX: usize = 10_000;
/// Nodes that peers told of, not asked yet.
const HINTS_MAX: usize = 32;
/// Between two questions whether a node is still there.
const CHECK_REST: Span = Span::secs(3);
/// When nobody at all answered for so long, we are the ones that are gone.
const OUTAGE: Span = Span::secs(60);
/// First wait before looking for nodes again when there are few; doubles.
const BOOT_REST: Span = Span::secs(5);
const BOOT_REST_MAX: Span = Span::secs(600);

#[derive(Debug)]
pub struct Family {
    pub is_v6: bool,
    pub id: NodeId,
    pub table: Table,
    votes: Votes,
    /// Smoothed time of an answer and its deviation in microseconds, once one came.
    rtt: Option<(u64, u64)>,
    last_answer: Option<Time>,
    /// When the next node is asked whether it is there.
    pub check_due: Time,
    /// Nodes of an earlier run, and those that peers told of.
    pub saved: Vec<Contact>,
    pub hints: Vec<SocketAddr>,
    /// Looking for first nodes: when next, how often in vain, the lookup under way.
    pub boot_due: Time,
    pub boot_tries: u32,
    pub boot_lookup: Option<u32>,
    /// Our id is new: who is near it is to be found, however many nodes are known.
    is_id_new: bool,
    /// The next level to be filled after the first nodes were found, and the lookup for it.
    fill: Option<usize>,
    pub fill_lookup: Option<u32>,
    /// All levels were: the table says how large the DHT is.
    is_grown: bool,
    /// Info hashes whose peers are wanted, and whether we are one of them.
    wishes: VecDeque<(InfoHash, bool)>,
}

impl Family {
    /// With what an earlier run saved; `chance` is our id where nothing else decides.
    pub fn new(is_v6: bool, saved: Saved, chance: [u8; 20]) -> Family {
        let fits = |id: &NodeId| saved.ip.is_none_or(|ip| node_id::is_valid(id, ip));
        let id = saved.id.filter(fits).unwrap_or(NodeId(chance));
        Family {
            is_v6,
            id,
            table: Table::new(id),
            votes: Votes::new(saved.ip),
            rtt: None,
            last_answer: None,
            check_due: Time::ZERO,
            saved: saved.nodes.into_iter().filter(|node| node.address.is_ipv6() == is_v6).collect(),
            hints: Vec::new(),
            boot_due: Time::ZERO,
            boot_tries: 0,
            boot_lookup: None,
            is_id_new: false,
            fill: None,
            fill_lookup: None,
            is_grown: false,
            wishes: VecDeque::new(),
        }
    }

    /// What the next run should know.
    pub fn to_save(&self) -> Saved {
        // Nodes that were not asked yet are as good as they were.
        let mut nodes = self.table.contacts();
        nodes.extend(&self.saved);
        Saved { id: Some(self.id), ip: self.votes.believed(), nodes }
    }

    /// Whether lookups may begin: there are nodes to begin with.
    pub fn is_ready(&self) -> bool {
        self.table.len() >= K || (!self.table.is_empty() && self.boot_lookup.is_none())
    }

    /// How long to wait before an answer counts as slow.
    pub fn patience(&self) -> Span {
        let (least, most, unknown) = PATIENCE;
        self.rtt.map_or(unknown, |(mean, deviation)| Span(mean + 4 * deviation).clamp(least, most))
    }

    /// A node answered after `rtt`.
    pub fn answered(&mut self, contact: Contact, is_router: bool, rtt: Span, now: Time) {
        self.last_answer = Some(now);
        let rtt = rtt.0;
        self.rtt = Some(match self.rtt {
            None => (rtt, rtt / 2),
            Some((mean, deviation)) => ((7 * mean + rtt) / 8, (3 * deviation + mean.abs_diff(rtt)) / 4),
        });
        if !is_router {
            self.table.answered(contact, now);
        }
    }

    /// A node did not answer. While nobody answers, that says nothing about the node.
    pub fn failed(&mut self, address: SocketAddr, now: Time) {
        if !self.is_outage(now) {
            self.table.failed(address);
        }
    }

    fn is_outage(&self, now: Time) -> bool {
        self.last_answer.is_none_or(|at| now.since(at) >= OUTAGE)
    }

    /// The next node to be asked whether it is there, if one is due.
    pub fn take_check(&mut self, now: Time) -> Option<Contact> {
        if self.check_due > now {
            return None;
        }
        self.check_due = now + if self.is_outage(now) { OUTAGE } else { CHECK_REST };
        if let Some(spare) = self.table.take_spare() {
            return Some(spare);
        }
        let (contact, heard) = self.table.stalest()?;
        if now.since(heard) >= STALE {
            return Some(contact);
        }
        self.check_due = self.check_due.max(heard + STALE);
        None
    }

    /// When [`Family::take_check`] may have one.
    pub fn next_check(&self) -> Option<Time> {
        (!self.table.is_empty() || self.table.has_spare()).then_some(self.check_due)
    }

    /// A node was named that is not in the table.
    pub fn heard_of(&mut self, contact: Contact, now: Time) {
        self.table.heard_of(contact);
        if self.check_due > now + CHECK_REST && self.table.has_spare() {
            self.check_due = now + CHECK_REST;
        }
    }

    /// A peer told where its node is.
    pub fn hint(&mut self, address: SocketAddr, now: Time) {
        if self.hints.len() < HINTS_MAX && !self.hints.contains(&address) && self.table.len() < K {
            self.hints.push(address);
            self.boot_due = self.boot_due.min(now + CHECK_REST);
        }
    }

    /// Whether to look for first nodes now; the next time comes later.
    pub fn take_boot(&mut self, now: Time) -> bool {
        if self.table.len() >= K {
            self.boot_tries = 0;
        }
        if self.next_boot().is_none_or(|due| due > now) {
            return false;
        }
        self.is_id_new = false;
        self.boot_due = now + BOOT_REST.times(1 << self.boot_tries.min(10)).min(BOOT_REST_MAX);
        self.boot_tries += 1;
        true
    }

    /// The search for first nodes is over: now those farther away.
    pub fn booted(&mut self) {
        self.boot_lookup = None;
        self.fill = Some(0);
    }

    /// An id in the next level that lacks nodes, if it is to be filled now.
    pub fn take_fill(&mut self, chance: [u8; 20]) -> Option<NodeId> {
        let from = self.fill.filter(|_| self.fill_lookup.is_none())?;
        match self.table.lacking(from, chance) {
            Some((level, id)) => {
                self.fill = Some(level + 1);
                Some(id)
            }
            None => {
                self.fill = None;
                self.is_grown = self.table.len() >= K;
                None
            }
        }
    }

    /// Within this distance (its first 64 bits) there should be K nodes; 0 while nobody knows.
    pub fn region(&self) -> u64 {
        if self.is_grown { self.table.region() } else { 0 }
    }

    /// When [`Family::take_boot`] will say so.
    pub fn next_boot(&self) -> Option<Time> {
        let is_wanted = self.table.len() < K || self.is_id_new;
        (self.boot_lookup.is_none() && is_wanted).then_some(self.boot_due)
    }

    /// Somebody says that this is our address. Where that becomes the truth, our id follows: true.
    pub fn vote(&mut self, from: SocketAddr, ip: IpAddr, chance: [u8; 20], now: Time) -> bool {
        if ip.is_ipv6() != self.is_v6 {
            return false;
        }
        let Some(ip) = self.votes.vote(Place::of(from), ip, now) else { return false };
        if node_id::is_valid(&self.id, ip) {
            return false;
        }
        self.id = node_id::choose(ip, chance);
        self.table = self.table.around(self.id);
        log::debug!("dht: we are {ip} to others; our id is {:?} now", self.id);
        // Those near the old id know nothing of the new one.
        (self.is_id_new, self.boot_due, self.boot_tries) = (true, now, 0);
        (self.is_grown, self.fill) = (false, None);
        true
    }

    /// Peers of this hash are wanted.
    pub fn wish(&mut self, info_hash: InfoHash, announce: bool) {
        if let Some((_, announces)) = self.wishes.iter_mut().find(|(hash, _)| *hash == info_hash) {
            *announces |= announce;
        } else if self.wishes.len() < WISHES_MAX {
            self.wishes.push_back((info_hash, announce));
        }
    }

    /// The wish that waits for longest, if lookups may begin.
    pub fn take_wish(&mut self) -> Option<(InfoHash, bool)> {
        if self.is_ready() { self.wishes.pop_front() } else { None }
    }

    /// No room for a question now.
    pub fn put_off_check(&mut self, now: Time) {
        self.check_due = now + CHECK_REST;
    }
}
