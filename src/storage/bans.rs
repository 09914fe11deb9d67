//! Whom not to deal with: proven liars for a day, also in later runs, and those that broke the rules for minutes.
//!
//! One list per process: whoever sends wrong data in one torrent does so in others, by bad will or bad memory, and a
//! piece of each torrent is a high price for finding that out again.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use sha1::{Digest, Sha1};

use super::fields::{Fields, put_bytes, put_number};
use crate::base::address::{Reach, reach, unmapped};
use crate::base::blocked::Blocked;
use crate::base::{PeerId, Span, Time};

/// A ban's length. Longer than most downloads, so that one liar costs one piece of each; no longer, since most
/// households get another address within days, and whoever gets this one next is innocent.
pub const BAN_AGE: Span = Span::secs(24 * 3600);
/// How long a peer that broke the rules is not dealt with.
pub const OFFENCE_AGE: Span = Span::secs(300);
/// Offences within [`OFFENCE_AGE`] that make an address answer for all its peers.
const OFFENCES_MAX: u32 = 4;
/// Names on the list: 1 024 of at most 45 bytes. The oldest goes, those of a few minutes first.
const NAMES_MAX: usize = 1024;

const MAGIC: &[u8; 8] = b"PLbans1\n";
const CHECK_LEN: usize = 20;

/// Enough of a peer to know it again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Suspect {
    /// Its end of the connection.
    pub address: SocketAddr,
    /// We dialled, so it listens there; otherwise the port is any.
    pub dialled: bool,
    pub peer_id: PeerId,
}

/// What somebody is known by.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Name {
    /// A household, or a machine with a public address.
    Ip(IpAddr),
    /// One of the peers of an address.
    Peer(IpAddr, PeerId),
    /// Where one of them listens.
    Listener(SocketAddr),
}

impl Suspect {
    /// Who answers for what it sends. On loopback many peers share the address: tests, and programs side by side.
    pub fn name(&self) -> Name {
        let ip = unmapped(self.address.ip());
        match reach(ip) {
            Reach::Loopback => Name::Peer(ip, self.peer_id),
            _ => Name::Ip(ip),
        }
    }

    fn peer(&self) -> Name {
        Name::Peer(unmapped(self.address.ip()), self.peer_id)
    }

    fn listener(&self) -> Option<Name> {
        self.dialled.then(|| listener(self.address))
    }
}

fn listener(address: SocketAddr) -> Name {
    Name::Listener(SocketAddr::new(unmapped(address.ip()), address.port()))
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    until: Time,
    /// It sent wrong data; others count their offences.
    is_liar: bool,
    offences: u32,
}

impl Entry {
    fn is_in_force(&self, name: &Name, now: Time) -> bool {
        let needed = if matches!(name, Name::Ip(_)) { OFFENCES_MAX } else { 1 };
        self.until > now && (self.is_liar || self.offences >= needed)
    }
}

/// The list.
#[derive(Clone, Default, Debug)]
pub struct Bans {
    entries: BTreeMap<Name, Entry>,
    ban_count: u64,
    /// Whom nobody here is to deal with, whatever they do. Not kept with the others: it has a file of its own.
    blocked: Option<Arc<Blocked>>,
}

impl Bans {
    /// A proven liar. False when it was banned before.
    pub fn ban(&mut self, now: Time, suspect: Suspect) -> bool {
        let is_new = !self.is_banned(now, suspect);
        self.ban_count += u64::from(is_new);
        let of_loopback = suspect.listener().filter(|_| suspect.name() == suspect.peer());
        for name in [Some(suspect.name()), of_loopback].into_iter().flatten() {
            self.put(name, Entry { until: now + BAN_AGE, is_liar: true, offences: 0 });
        }
        is_new
    }

    /// Somebody broke the rules.
    pub fn offend(&mut self, now: Time, suspect: Suspect) {
        for name in [Some(suspect.name()), Some(suspect.peer()), suspect.listener()].into_iter().flatten() {
            let before = self.entries.get(&name).filter(|entry| entry.until > now);
            if before.is_some_and(|before| before.is_liar) {
                continue;
            }
            let offences = before.map_or(0, |before| before.offences) + 1;
            self.put(name, Entry { until: now + OFFENCE_AGE, is_liar: false, offences });
        }
    }

    fn put(&mut self, name: Name, entry: Entry) {
        if self.entries.len() >= NAMES_MAX && !self.entries.contains_key(&name) {
            let first_to_go = self.entries.iter().min_by_key(|(_, entry)| (entry.is_liar, entry.until));
            if let Some(oldest) = first_to_go.map(|(name, _)| *name) {
                self.entries.remove(&oldest);
            }
        }
        self.entries.insert(name, entry);
    }

    /// Nobody deals with these from now on, instead of those before.
    pub fn block(&mut self, blocked: Option<Arc<Blocked>>) {
        self.blocked = blocked;
    }

    /// Whether it is on the list of those whom nobody here deals with.
    pub fn is_blocked(&self, ip: IpAddr) -> bool {
        self.blocked.as_ref().is_some_and(|blocked| blocked.holds(ip))
    }

    /// Until when this address is neither dialled nor accepted; None when it may be.
    pub fn refused_until(&self, now: Time, address: SocketAddr) -> Option<Time> {
        if self.is_blocked(address.ip()) {
            // There may be another list by then.
            return Some(now + OFFENCE_AGE);
        }
        let names = [Name::Ip(unmapped(address.ip())), listener(address)];
        let in_force = names.iter().filter_map(|name| self.entries.get(name).filter(|e| e.is_in_force(name, now)));
        in_force.map(|entry| entry.until).max()
    }

    /// Whether this peer may not stay.
    pub fn refuses(&self, now: Time, suspect: Suspect) -> bool {
        let is_refused = |name: &Name| self.entries.get(name).is_some_and(|entry| entry.is_in_force(name, now));
        let mut names = [suspect.name(), suspect.peer()].into_iter().chain(suspect.listener());
        self.is_blocked(suspect.address.ip()) || names.any(|name| is_refused(&name))
    }

    /// Whether it is a proven liar.
    pub fn is_banned(&self, now: Time, suspect: Suspect) -> bool {
        let is_banned = |name: &Name| self.entries.get(name).is_some_and(|entry| entry.is_liar && entry.until > now);
        [suspect.name(), suspect.peer()].iter().chain(&suspect.listener()).any(is_banned)
    }

    /// Liars banned in this run.
    pub fn ban_count(&self) -> u64 {
        self.ban_count
    }

    /// The liars, with the time each ban has left, under one SHA-1.
    pub fn encode(&self, now: Time) -> Vec<u8> {
        let liars = || self.entries.iter().filter(|(_, entry)| entry.is_liar && entry.until > now);
        let mut out = MAGIC.to_vec();
        put_number(&mut out, liars().count() as u64);
        for (name, entry) in liars() {
            put_number(&mut out, (entry.until - now).0 / 1_000_000);
            let (kind, ip) = match name {
                Name::Ip(ip) => (0, *ip),
                Name::Peer(ip, _) => (1, *ip),
                Name::Listener(address) => (2, address.ip()),
            };
            out.push(kind);
            match ip {
                IpAddr::V4(v4) => put_bytes(&mut out, &v4.octets()),
                IpAddr::V6(v6) => put_bytes(&mut out, &v6.octets()),
            }
            match name {
                Name::Ip(_) => {}
                Name::Peer(_, peer_id) => out.extend_from_slice(&peer_id.0),
                Name::Listener(address) => put_number(&mut out, address.port().into()),
            }
        }
        let check = Sha1::digest(&out);
        out.extend_from_slice(&check);
        out
    }

    /// What an earlier run wrote `age` ago. None when it is damaged or something else.
    pub fn decode(bytes: &[u8], age: Span) -> Option<Bans> {
        let (body, check) = bytes.split_at_checked(bytes.len().checked_sub(CHECK_LEN)?)?;
        if Sha1::digest(body).as_slice() != check {
            return None;
        }
        let mut fields = Fields { rest: body };
        if fields.take(MAGIC.len())? != MAGIC {
            return None;
        }
        let mut bans = Bans::default();
        for _ in 0..fields.number()? {
            let left = Span::secs(fields.number()?.min(BAN_AGE.0 / 1_000_000));
            let name = decode_name(&mut fields)?;
            if left > age {
                let until = Time(left.0 - age.0);
                bans.put(name, Entry { until, is_liar: true, offences: 0 });
            }
        }
        fields.rest.is_empty().then_some(bans)
    }

    /// Names on the list, and how many of them are liars'.
    pub fn counts(&self) -> (usize, usize) {
        (self.entries.len(), self.entries.values().filter(|entry| entry.is_liar).count())
    }
}

fn decode_name(fields: &mut Fields<'_>) -> Option<Name> {
    let kind = fields.byte()?;
    let octets = fields.bytes()?;
    let v4 = <[u8; 4]>::try_from(octets).map(IpAddr::from);
    let ip = v4.or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from)).ok()?;
    Some(match kind {
        0 => Name::Ip(ip),
        1 => Name::Peer(ip, PeerId(fields.take(20)?.try_into().ok()?)),
        2 => Name::Listener(SocketAddr::new(ip, u16::try_from(fields.number()?).ok()?)),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(address: &str, dialled: bool, id: u8) -> Suspect {
        Suspect { address: address.parse().unwrap(), dialled, peer_id: PeerId([id; 20]) }
    }

    const NOW: Time = Time(50_000_000);

    #[test]
    fn a_ban_names_the_address_and_on_loopback_the_peer() {
        // (banned, met later, refused)
        let cases = [
            (peer("10.0.0.1:5", false, 1), peer("10.0.0.1:9", true, 2), true),
            (peer("[::ffff:10.0.0.1]:5", false, 1), peer("10.0.0.1:9", true, 2), true),
            (peer("10.0.0.1:5", true, 1), peer("10.0.0.2:5", true, 1), false),
            (peer("[2001:db8::1]:5", true, 1), peer("[2001:db8::1]:6", false, 2), true),
            (peer("127.0.0.1:5", true, 1), peer("127.0.0.1:9", false, 1), true),
            (peer("127.0.0.1:5", true, 1), peer("127.0.0.1:5", true, 2), true),
            (peer("127.0.0.1:5", true, 1), peer("127.0.0.1:9", true, 2), false),
            // The port of a caller is any: whoever has it next is somebody else.
            (peer("127.0.0.1:5", false, 1), peer("127.0.0.1:5", true, 2), false),
            (peer("127.0.0.1:5", false, 1), peer("127.0.0.2:5", false, 1), false),
        ];
        for (liar, other, refused) in cases {
            let mut bans = Bans::default();
            assert!(bans.ban(NOW, liar) && !bans.ban(NOW, liar));
            assert!(bans.refuses(NOW, liar) && bans.is_banned(NOW, liar));
            assert_eq!(bans.refuses(NOW, other), refused, "{liar:?} then {other:?}");
            assert!(!bans.refuses(NOW + BAN_AGE, liar) && bans.ban_count() == 1);
        }
    }

    #[test]
    fn who_breaks_the_rules_is_away_for_minutes_and_a_household_only_after_several() {
        let mut bans = Bans::default();
        let rude = |id| peer("10.0.0.1:5", false, id);
        bans.offend(NOW, rude(1));
        assert!(bans.refuses(NOW, rude(1)) && !bans.refuses(NOW, rude(2)) && !bans.is_banned(NOW, rude(1)));
        assert_eq!(bans.refused_until(NOW, rude(1).address), None);
        (2..=OFFENCES_MAX as u8).for_each(|id| bans.offend(NOW, rude(id)));
        assert!(bans.refuses(NOW, rude(99)));
        assert_eq!(bans.refused_until(NOW, rude(1).address), Some(NOW + OFFENCE_AGE));
        assert!(!bans.refuses(NOW + OFFENCE_AGE, rude(99)) && !bans.refuses(NOW + OFFENCE_AGE, rude(1)));
        // It takes nothing from a ban, and a later run does not hear of it.
        bans.ban(NOW, rude(1));
        bans.offend(NOW, rude(1));
        assert!(bans.is_banned(NOW + OFFENCE_AGE, rude(1)));
        assert_eq!(Bans::decode(&bans.encode(NOW), Span::ZERO).unwrap().counts(), (1, 1));
    }

    #[test]
    fn what_was_dialled_is_not_dialled_again() {
        let mut bans = Bans::default();
        bans.offend(NOW, peer("10.0.0.1:5", true, 1));
        let until = |address: &str| bans.refused_until(NOW, address.parse().unwrap());
        assert_eq!(until("10.0.0.1:5"), Some(NOW + OFFENCE_AGE));
        assert_eq!(until("10.0.0.1:6"), None);
    }

    #[test]
    fn bans_come_back_for_the_time_they_have_left() {
        let mut bans = Bans::default();
        let liars = [peer("10.0.0.1:5", true, 1), peer("[2001:db8::7]:1", false, 2), peer("127.0.0.1:70", true, 3)];
        liars.iter().for_each(|liar| assert!(bans.ban(NOW, *liar)));
        let later = NOW + Span::secs(3600);
        let bytes = bans.encode(later);
        let back = Bans::decode(&bytes, Span::secs(3600)).unwrap();
        assert_eq!(back.counts(), (4, 4));
        let last = Time::ZERO + Span::secs(22 * 3600 - 1);
        for liar in liars {
            assert!(back.is_banned(last, liar) && !back.is_banned(last + Span::secs(2), liar), "{liar:?}");
        }
        assert_eq!(Bans::decode(&bytes, BAN_AGE).unwrap().counts(), (0, 0));
    }

    #[test]
    fn torn_and_foreign_bytes_are_nothing() {
        let mut bans = Bans::default();
        (0..50).for_each(|n| _ = bans.ban(NOW, peer(&format!("10.0.0.{n}:5"), true, n)));
        let bytes = bans.encode(NOW);
        for len in 0..bytes.len() {
            assert!(Bans::decode(&bytes[..len], Span::ZERO).is_none(), "{len} bytes");
        }
        for at in 0..bytes.len() {
            let mut wrong = bytes.clone();
            wrong[at] ^= 0x10;
            assert!(Bans::decode(&wrong, Span::ZERO).is_none(), "byte {at}");
        }
        // A right digest under nonsense, and one that claims more than it holds.
        for body in [&b"PLbans1\n\xff\xff\xff\xff\x0f"[..], b"PLbans1\n\x01\x05\x09\x04aaaa", b"PLbans1\n\x00x", b""]
        {
            let whole = [body, Sha1::digest(body).as_slice()].concat();
            assert!(Bans::decode(&whole, Span::ZERO).is_none(), "{body:?}");
        }
    }

    #[test]
    fn the_list_is_bounded_and_liars_stay_longest() {
        let mut bans = Bans::default();
        bans.ban(NOW, peer("10.9.9.9:5", true, 1));
        for n in 0..2 * NAMES_MAX {
            bans.offend(NOW, peer(&format!("10.0.{}.{}:5", n >> 8, n & 255), true, 1));
        }
        assert_eq!(bans.counts(), (NAMES_MAX, 1));
        for n in 0..2 * NAMES_MAX {
            bans.ban(NOW + Span(n as u64), peer(&format!("10.1.{}.{}:5", n >> 8, n & 255), true, 1));
        }
        assert_eq!(bans.counts(), (NAMES_MAX, NAMES_MAX));
        assert!(bans.encode(NOW).len() < 64 * 1024);
        let back = Bans::decode(&bans.encode(NOW), Span::ZERO).unwrap();
        assert_eq!(back.counts(), (NAMES_MAX, NAMES_MAX));
    }
}
