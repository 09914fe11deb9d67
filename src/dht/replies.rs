//! What comes: questions to be answered, answers to ours, and silence.

use std::net::{IpAddr, SocketAddr};

use super::Dht;
use super::chance;
use super::lookup::Aim;
use super::questions::{About, Question};
use crate::base::Time;
use crate::base::address::{may_dial, reach};
use crate::machine::{Note, Outbox, Source};
use crate::wire::dht::{self, Body, Contact, Packet, Refused, Reply};

/// Peers told of one lookup: 64 nodes' of eight each, and some.
const FOUND_MAX: usize = 1000;

impl Dht {
    pub(super) fn on_packet(&mut self, from: SocketAddr, bytes: &[u8], now: Time, out: &mut Outbox) {
        let packet = match dht::parse(bytes) {
            Ok(packet) => packet,
            Err(Refused::Drop) => return,
            Err(refused) => {
                if self.sources.may_ask(from, now) {
                    self.refuse(from, refused, bytes.len(), now, out);
                }
                return;
            }
        };
        match packet.body {
            Body::Query(query) => {
                if self.sources.may_ask(from, now) {
                    self.on_query(from, &packet, &query, bytes.len(), now, out);
                }
            }
            Body::Reply(reply) => self.on_reply(from, &packet, &reply, now, out),
            Body::Error { .. } => self.on_error(from, &packet, now, out),
        }
    }

    fn on_reply(&mut self, from: SocketAddr, packet: &Packet<'_>, reply: &Reply<'_>, now: Time, out: &mut Outbox) {
        let Some(question) = self.questions.take(packet.transaction, from) else { return };
        self.vote(from, packet, now, out);
        let contact = Contact { id: reply.id, address: from };
        let is_router = self.origins.is_router(from);
        let family = self.family_mut(from);
        family.answered(contact, is_router, now.since(question.at), now);
        let own_ids = [self.families[0].id, self.families[1].id];
        let by = reach(from.ip());
        let is_good = |node: &Contact| !own_ids.contains(&node.id) && may_dial(node.address, by);
        // Nodes of the other family are a way into its DHT.
        let (here, there): (Vec<Contact>, Vec<Contact>) =
            reply.nodes().chain(reply.nodes6()).filter(is_good).partition(|n| n.address.is_ipv6() == from.is_ipv6());
        there.iter().for_each(|node| self.family_mut(node.address).hint(node.address, now));
        match question.about {
            About::Lookup(number) => {
                let Some(at) = self.lookups.iter().position(|lookup| lookup.number == number) else { return };
                if self.lookups[at].aim == Aim::Nodes {
                    here.iter().for_each(|node| self.family_mut(from).heard_of(*node, now));
                }
                let waited = self.lookups[at].answered(contact, reply.token, here.into_iter());
                if waited && let Aim::Peers { info_hash, .. } = self.lookups[at].aim {
                    let room = FOUND_MAX.saturating_sub(self.lookups[at].found).min(self.lookups[at].values_max());
                    let peers: Vec<SocketAddr> =
                        reply.values().filter(|peer| may_dial(*peer, by)).take(room).collect();
                    self.lookups[at].found += peers.len();
                    if !peers.is_empty() {
                        out.tell(Note::Peers { info_hash, source: Source::Dht, reach: by, peers });
                    }
                }
            }
            About::Check => here.into_iter().for_each(|node| self.family_mut(from).heard_of(node, now)),
            About::Announce => {}
        }
    }

    /// A refusal: it is no use to us, but it says who we are.
    fn on_error(&mut self, from: SocketAddr, packet: &Packet<'_>, now: Time, out: &mut Outbox) {
        let Some(question) = self.questions.take(packet.transaction, from) else { return };
        if let About::Lookup(number) = question.about
            && let Some(lookup) = self.lookups.iter_mut().find(|lookup| lookup.number == number)
        {
            lookup.failed(from);
        }
        self.vote(from, packet, now, out);
    }

    /// What others call us. Where that changes our id, the search for nodes begins anew.
    fn vote(&mut self, from: SocketAddr, packet: &Packet<'_>, now: Time, out: &mut Outbox) {
        if let Some(ours) = packet.ip {
            self.believe(from, ours.ip(), now, out);
        }
    }

    /// Somebody says that this is our address; the gateway, too, has a voice.
    pub(super) fn believe(&mut self, from: SocketAddr, ip: IpAddr, now: Time, out: &mut Outbox) {
        let chance = chance(&mut out.rng);
        let family = self.family_mut(SocketAddr::new(ip, 0));
        if family.vote(from, ip, chance, now)
            && let Some(number) = family.boot_lookup.take()
        {
            self.lookups.retain(|lookup| lookup.number != number);
        }
    }

    /// Questions that wait for long, or too long.
    pub(super) fn on_overdue(&mut self, now: Time) {
        let (slow, lost) = self.questions.overdue(now);
        for question in slow {
            if let Some(lookup) = self.lookup_of(&question) {
                lookup.slow(question.to);
            }
        }
        for question in lost {
            if let Some(lookup) = self.lookup_of(&question) {
                lookup.failed(question.to);
            }
            self.family_mut(question.to).failed(question.to, now);
        }
    }

    fn lookup_of(&mut self, question: &Question) -> Option<&mut super::Lookup> {
        let About::Lookup(number) = question.about else { return None };
        self.lookups.iter_mut().find(|lookup| lookup.number == number)
    }
}
