//! What we ask of others: lookups begin, go on and end; announces, first nodes, nodes that may be gone.

use std::net::SocketAddr;

use super::lookup::{Aim, Lookup};
use super::questions::About;
use super::{Dht, chance};
use crate::base::{InfoHash, NodeId, Time};
use crate::machine::{Command, Outbox};
use crate::wire::dht::{Ask, Asked, Want};

/// Lookups of peers at once, per family.
const LOOKUPS_MAX: usize = 4;
/// Announces that wait.
const ANNOUNCES_MAX: usize = 256;
/// Nodes of the table that a lookup begins with.
const BEGIN_WITH: usize = 16;

/// We are a peer: to be told to this node.
#[derive(Debug)]
pub(super) struct Announce {
    to: SocketAddr,
    info_hash: InfoHash,
    token: Box<[u8]>,
}

impl Dht {
    /// Everything that can be done now.
    pub(super) fn go_on(&mut self, now: Time, out: &mut Outbox) {
        // Again while something begins: it may be over at once.
        let mut begun = true;
        while begun {
            self.end_lookups();
            begun = self.begin_boots(now, out) | self.begin_wishes() | self.fill_levels(&mut out.rng);
            self.ask_all(now, out);
        }
        for at in 0..self.families.len() {
            self.look_after(at, now, out);
        }
    }

    /// Asks as many as may be asked; announces first, since somebody waits for those.
    fn ask_all(&mut self, now: Time, out: &mut Outbox) {
        loop {
            self.blocked = !self.outlet.has_room(now);
            if self.blocked || !self.questions.has_room() {
                return;
            }
            if let Some(Announce { to, info_hash, token }) = self.announces.pop_front() {
                let asked = Asked::AnnouncePeer { info_hash, port: Some(self.port), token: &token };
                self.ask(to, asked, About::Announce, now, out);
                continue;
            }
            // The oldest first: it is nearly over.
            let next = self.lookups.iter_mut().find_map(|lookup| {
                let to = lookup.take_next()?;
                Some((to, lookup.number, lookup.aim, lookup.target))
            });
            let Some((to, number, aim, target)) = next else { return };
            let asked = match aim {
                Aim::Nodes => Asked::FindNode { target },
                Aim::Peers { info_hash, .. } => Asked::GetPeers { info_hash },
            };
            self.ask(to, asked, About::Lookup(number), now, out);
        }
    }

    fn ask(&mut self, to: SocketAddr, asked: Asked<'_>, about: About, now: Time, out: &mut Outbox) {
        let family = &self.families[usize::from(to.is_ipv6())];
        let transaction = self.tokens.transaction();
        // A few nodes of the other family come along while its table is empty.
        let is_other_empty = self.families[usize::from(to.is_ipv4())].table.is_empty();
        let wants_both = is_other_empty && matches!(asked, Asked::FindNode { .. });
        let want = wants_both.then_some(Want { v4: true, v6: true });
        let ask = Ask { id: family.id, transaction: &transaction, read_only: self.read_only, want, asked };
        let bytes = ask.to_bytes();
        self.questions.ask(transaction, to, about, family.patience(), now);
        self.outlet.asked(bytes.len());
        out.push(Command::SendDatagram { to, bytes });
    }

    /// Searches for first nodes begin where it is time. True if one did.
    fn begin_boots(&mut self, now: Time, out: &mut Outbox) -> bool {
        let mut begun = false;
        for at in 0..self.families.len() {
            if self.families[at].take_boot(now) {
                self.look_for_nodes(at, now, out);
                begun = true;
            }
        }
        begun
    }

    /// Looks for the nodes near us, beginning with whatever is known: nodes of an earlier run first, and those that
    /// everybody asks only where there are none or they did not answer.
    fn look_for_nodes(&mut self, at: usize, now: Time, out: &mut Outbox) {
        let is_again = self.families[at].boot_tries > 1;
        if self.families[at].saved.is_empty() || is_again {
            self.origins.resolve(now, out);
        }
        let family = &mut self.families[at];
        self.lookup_count += 1;
        let mut lookup = Lookup::new(self.lookup_count, family.is_v6, family.id, Aim::Nodes);
        family.table.nearest::<BEGIN_WITH>(&family.id).into_iter().for_each(|node| lookup.add(node));
        let is_first = !family.saved.is_empty() && !is_again;
        std::mem::take(&mut family.saved).into_iter().for_each(|node| lookup.add(node));
        std::mem::take(&mut family.hints).into_iter().for_each(|node| lookup.add_address(node));
        if !is_first {
            self.origins.addresses().for_each(|address| lookup.add_address(address));
        }
        if !lookup.is_over() {
            family.boot_lookup = Some(lookup.number);
            self.lookups.push(lookup);
        }
    }

    /// Looks for nodes of a level that lacks some. True if a lookup began.
    fn fill_levels(&mut self, rng: &mut fastrand::Rng) -> bool {
        let mut begun = false;
        for family in &mut self.families {
            if let Some(target) = family.take_fill(chance(rng)) {
                self.lookup_count += 1;
                let mut lookup = Lookup::new(self.lookup_count, family.is_v6, target, Aim::Nodes);
                family.table.nearest::<BEGIN_WITH>(&target).into_iter().for_each(|node| lookup.add(node));
                family.fill_lookup = Some(lookup.number);
                self.lookups.push(lookup);
                begun = true;
            }
        }
        begun
    }

    /// Lookups begin for what is wished for. True if one did.
    fn begin_wishes(&mut self) -> bool {
        let mut begun = false;
        for family in &mut self.families {
            let is_of = |lookup: &&Lookup| lookup.is_v6 == family.is_v6 && lookup.aim != Aim::Nodes;
            let mut running = self.lookups.iter().filter(is_of).count();
            while running < LOOKUPS_MAX
                && let Some((info_hash, announce)) = family.take_wish()
            {
                self.lookup_count += 1;
                let (target, aim) = (NodeId::from(info_hash), Aim::Peers { info_hash, announce });
                let lookup = Lookup::new(self.lookup_count, family.is_v6, target, aim);
                let mut lookup = lookup.within(family.region());
                family.table.nearest::<BEGIN_WITH>(&target).into_iter().for_each(|node| lookup.add(node));
                self.lookups.push(lookup);
                running += 1;
                begun = true;
            }
        }
        begun
    }

    /// Takes leave of lookups that are over.
    fn end_lookups(&mut self) {
        let Dht { lookups, families, announces, .. } = self;
        lookups.retain(|lookup| {
            if !lookup.is_over() {
                return true;
            }
            let family = &mut families[usize::from(lookup.is_v6)];
            if family.fill_lookup == Some(lookup.number) {
                family.fill_lookup = None;
            }
            if family.boot_lookup == Some(lookup.number) {
                family.booted();
                log::info!("dht: {} nodes of {}", family.table.len(), if lookup.is_v6 { "v6" } else { "v4" });
            }
            if let Aim::Peers { info_hash, announce } = lookup.aim {
                log::debug!("dht: {} peers of {info_hash}", lookup.found);
                if announce {
                    let room = ANNOUNCES_MAX.saturating_sub(announces.len());
                    let nearest = lookup.nearest().into_iter().take(room);
                    announces.extend(nearest.map(|(to, token)| Announce { to, info_hash, token }));
                }
            }
            false
        });
    }

    /// Asks a node that was silent for long whether it is there, or a new one.
    fn look_after(&mut self, at: usize, now: Time, out: &mut Outbox) {
        if self.families[at].check_due > now {
            return;
        }
        if !self.questions.has_room() || !self.outlet.has_room(now) {
            return self.families[at].put_off_check(now);
        }
        if let Some(contact) = self.families[at].take_check(now) {
            let target = self.families[at].table.id_beside(&contact.id, chance(&mut out.rng));
            self.ask(contact.address, Asked::FindNode { target }, About::Check, now, out);
        }
    }

    /// When something is due.
    pub(super) fn next_step(&self) -> Option<Time> {
        let families = self.families.iter();
        let due = families.flat_map(|family| [family.next_boot(), family.next_check()]).flatten().min();
        let room = self.blocked.then(|| self.outlet.next_room());
        [due, room, self.questions.next_deadline(), Some(self.save_due)].into_iter().flatten().min()
    }

    pub(super) fn check_searches(&self) {
        assert!(self.announces.len() <= ANNOUNCES_MAX, "too many announces wait");
        let peers = self.lookups.iter().filter(|lookup| lookup.aim != Aim::Nodes).count();
        assert!(peers <= 2 * LOOKUPS_MAX, "too many lookups");
    }
}
