//! Announces and scrapes over UDP (BEP 15, 41). Nothing larger than its question is sent to an address that has not
//! proven itself, and nothing at all to questions that make no sense.

use std::net::SocketAddr;

use super::announce::{Ask, NUMWANT};
use super::{Tracker, connection_id, http};
use crate::base::Time;
use crate::base::address::{Reach, reach, unmapped};
use crate::machine::Outbox;
use crate::wire::udp_answer::{self, V4_MAX, V6_MAX};
use crate::wire::udp_tracker::{Announced, Asked, Question};

impl Tracker {
    pub(super) fn datagram(&mut self, from: SocketAddr, bytes: &[u8], now: Time, out: &mut Outbox) {
        let Ok(question) = Question::parse(bytes) else {
            self.numbers.ignored += 1;
            return;
        };
        let transaction = question.transaction;
        if question.asked == Asked::Connect {
            self.numbers.connects += 1;
            let id = connection_id::give(&self.secret, from, now);
            return out.datagrams.push(from, |to| udp_answer::connected(to, transaction, id));
        }
        if !connection_id::holds(&self.secret, question.connection, from, now) {
            self.numbers.ignored += 1;
            return;
        }
        match question.asked {
            Asked::Connect => {}
            Asked::Announce(announced) => self.announced_udp(from, transaction, &announced, now, out),
            Asked::Scrape(torrents) => {
                self.numbers.scrapes_udp += 1;
                if !self.access.admits(None) {
                    self.numbers.refused += 1;
                    return out.datagrams.push(from, |to| udp_answer::failed(to, transaction, http::NO_KEY));
                }
                out.datagrams.push(from, |to| {
                    udp_answer::scraped(to, transaction);
                    for info_hash in &torrents {
                        let counts = self.counts(info_hash).unwrap_or_default();
                        let (seeds, leechers) = (counts.seeds as u32, counts.leechers as u32);
                        udp_answer::scraped_row(to, seeds, counts.downloaded, leechers);
                    }
                });
            }
        }
    }

    fn announced_udp(
        &mut self,
        from: SocketAddr,
        transaction: u32,
        announced: &Announced,
        now: Time,
        out: &mut Outbox,
    ) {
        self.numbers.announces_udp += 1;
        let path = std::str::from_utf8(&announced.target).unwrap_or_default().split('?').next().unwrap_or_default();
        let key = http::asked(path).and_then(|(key, _)| key);
        let refusal = if !self.access.admits(key.filter(|_| self.access.keys.is_some())) {
            Some(http::NO_KEY)
        } else if !self.access.serves(&announced.info_hash) {
            Some(http::NOT_SERVED)
        } else {
            None
        };
        if let Some(why) = refusal {
            self.numbers.refused += 1;
            return out.datagrams.push(from, |to| udp_answer::failed(to, transaction, why));
        }
        let mut ip = unmapped(from.ip());
        // A client beside its tracker may say where others reach it; of anybody else such a word is worth nothing.
        let told = announced.ip.into();
        if from.is_ipv4() && reach(ip) == Reach::Loopback && reach(told) > Reach::Loopback {
            ip = told;
        }
        let fits = if from.is_ipv4() { V4_MAX } else { V6_MAX };
        let numwant = announced.numwant.map_or(NUMWANT, |numwant| numwant as usize);
        let ask = Ask {
            info_hash: announced.info_hash,
            peer: SocketAddr::new(ip, announced.port),
            is_seed: announced.left == 0,
            event: announced.event,
            numwant: numwant.min(self.options.peers_max).min(fits),
            both_families: false,
            peer_id: Some(&announced.peer_id.0),
        };
        let Outbox { datagrams, rng, .. } = out;
        datagrams.push(from, |to| {
            let start = to.len();
            udp_answer::announced(to, transaction);
            let mut none = Vec::new();
            let found = if from.is_ipv4() { (&mut *to, &mut none) } else { (&mut none, &mut *to) };
            let told = self.announce(&ask, now, rng, found);
            let (leechers, seeds) = (told.counts.leechers as u32, told.counts.seeds as u32);
            udp_answer::set_numbers(to, start, told.interval_s, leechers, seeds);
        });
    }
}
