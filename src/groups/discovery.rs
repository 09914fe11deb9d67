//! Who shares what (capability `peerlink/peers`): members say which swarms they are in, hear at once who else is, and
//! later who comes. The tracker's table is the only one: it is asked and told by notes. Info hashes reach nobody who has
//! not named them. README, "Discovery", has the lines.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use super::Groups;
use super::table::Key;
use super::turn::Turn;
use crate::base::address::{Reach, reach};
use crate::base::{ConnId, InfoHash, Span, Time};
use crate::machine::{Note, Outbox, Swarming};
use crate::wire::irc::{Line, Writer};

/// Swarms of one member: more than any box shares.
const PER_MEMBER_MAX: usize = 2_000;
/// Swarms of all members together; each takes about 100 bytes.
const ALL_MAX: usize = 200_000;
/// Newcomers are told at once, but not more often: in a crowd many are told together.
const PUSH: Span = Span::secs(1);
/// Newcomers of one swarm that are told together; those who ask get others.
const FRESH_MAX: usize = 64;
/// Everybody's presence is told to the tracker again within this time, in so many steps: less than the least interval
/// after which it forgets.
const STAY: Span = Span::secs(60);
const STAY_STEPS: u64 = 60;
/// Bytes of addresses on one line.
const PEERS_LEN: usize = 400;

/// What a member has said of itself as a peer.
#[derive(Clone, Debug, Default)]
pub struct Sharing {
    port: u16,
    /// By info hash: whether it is a seed.
    swarms: BTreeMap<InfoHash, bool>,
}

/// The swarms that members are in.
#[derive(Debug, Default)]
pub struct Swarms {
    by_hash: BTreeMap<InfoHash, Swarm>,
    /// Members in swarms, each of them counted as often as it is in one.
    count: usize,
    /// Swarms whose newcomers are told at this time.
    due: BTreeSet<(Time, InfoHash)>,
    /// When the next step of telling the tracker who stays is due, and where it goes on.
    stay_due: Option<Time>,
    stay_from: Option<InfoHash>,
}

#[derive(Debug, Default)]
struct Swarm {
    members: Vec<Key>,
    fresh: Vec<(SocketAddr, bool)>,
    told_at: Option<Time>,
}

impl Swarms {
    pub fn next_deadline(&self) -> Option<Time> {
        let push = self.due.first().map(|(due, _)| *due);
        [push, self.stay_due].into_iter().flatten().min()
    }

    pub fn check(&self) {
        assert_eq!(self.count, self.by_hash.values().map(|swarm| swarm.members.len()).sum::<usize>());
        assert!(self.count <= ALL_MAX && self.by_hash.values().all(|swarm| swarm.fresh.len() <= FRESH_MAX));
        assert!(self.by_hash.values().all(|swarm| !swarm.members.is_empty()), "a swarm without members");
    }
}

impl Groups {
    /// `PEERLINK PORT <port>`: where this member is reached by peers.
    pub(super) fn share_port(&mut self, me: Key, line: &Line<'_>, turn: &mut Turn<'_>) {
        let Some(port) = line.param(1).and_then(|port| port.parse::<u16>().ok()).filter(|port| *port > 0) else {
            return self.fail(me, "PEERLINK", "INVALID_PARAMS", &["PORT"], "That is no port", turn);
        };
        if self.members[me].sharing.as_ref().is_some_and(|sharing| sharing.port != port) {
            self.leave_swarms(me, turn.out);
        }
        self.members[me].sharing.get_or_insert_default().port = port;
    }

    /// `PEERLINK SWARM <info hash> <left> …`: it is in these swarms, and wants to know who else is.
    pub(super) fn join_swarms(&mut self, me: Key, line: &Line<'_>, turn: &mut Turn<'_>) {
        if self.members[me].sharing.is_none() {
            return self.fail(me, "PEERLINK", "NO_PORT", &["SWARM"], "Say PEERLINK PORT first", turn);
        }
        let pairs = line.params().get(1..).unwrap_or_default().chunks(2);
        for pair in pairs {
            let info_hash = pair.first().and_then(|hash| InfoHash::from_hex(hash));
            let left = pair.get(1).and_then(|left| left.parse::<u64>().ok());
            let (Some(info_hash), Some(left)) = (info_hash, left) else {
                return self.fail(
                    me,
                    "PEERLINK",
                    "INVALID_PARAMS",
                    &["SWARM"],
                    "That is no info hash with what is left",
                    turn,
                );
            };
            self.join_swarm(me, info_hash, left == 0, turn);
        }
    }

    fn join_swarm(&mut self, me: Key, info_hash: InfoHash, is_seed: bool, turn: &mut Turn<'_>) {
        let member = &mut self.members[me];
        let Some(sharing) = &mut member.sharing else { return };
        let is_here = sharing.swarms.contains_key(&info_hash);
        if !is_here && (sharing.swarms.len() >= PER_MEMBER_MAX || self.swarms.count >= ALL_MAX) {
            let hash = info_hash.to_string();
            return self.fail(me, "PEERLINK", "TOO_MANY", &["SWARM", &hash], "These are too many swarms", turn);
        }
        sharing.swarms.insert(info_hash, is_seed);
        let (conn, peer) = (member.conn, SocketAddr::new(member.remote, sharing.port));
        if !is_here {
            let swarm = self.swarms.by_hash.entry(info_hash).or_default();
            swarm.members.push(me);
            self.swarms.count += 1;
            self.swarms.stay_due.get_or_insert(turn.now + Span(STAY.0 / STAY_STEPS));
            if swarm.members.len() == 1 {
                turn.out.tell(Note::SwarmWatch { info_hash, is_on: true });
            }
        }
        turn.out.tell(Note::Swarm { conn, info_hash, peer, what: Swarming::Join { is_seed } });
    }

    /// `PEERLINK LEAVE <info hash> …`.
    pub(super) fn leave_swarm(&mut self, me: Key, line: &Line<'_>, turn: &mut Turn<'_>) {
        for hash in line.params().get(1..).unwrap_or_default() {
            if let Some(info_hash) = InfoHash::from_hex(hash) {
                self.leave_one(me, info_hash, turn.out);
            }
        }
    }

    fn leave_one(&mut self, me: Key, info_hash: InfoHash, out: &mut Outbox) {
        let member = &mut self.members[me];
        let Some(sharing) = &mut member.sharing else { return };
        if sharing.swarms.remove(&info_hash).is_none() {
            return;
        }
        let (conn, peer) = (member.conn, SocketAddr::new(member.remote, sharing.port));
        out.tell(Note::Swarm { conn, info_hash, peer, what: Swarming::Leave });
        let Some(swarm) = self.swarms.by_hash.get_mut(&info_hash) else { return };
        swarm.members.retain(|member| *member != me);
        self.swarms.count -= 1;
        if swarm.members.is_empty() {
            if let Some(told_at) = swarm.told_at {
                self.swarms.due.remove(&(told_at + PUSH, info_hash));
            }
            self.swarms.by_hash.remove(&info_hash);
            out.tell(Note::SwarmWatch { info_hash, is_on: false });
        }
    }

    /// A member goes, or is reached elsewhere from now on.
    pub(super) fn leave_swarms(&mut self, me: Key, out: &mut Outbox) {
        let Some(sharing) = &self.members[me].sharing else { return };
        let all: Vec<InfoHash> = sharing.swarms.keys().copied().collect();
        all.into_iter().for_each(|info_hash| self.leave_one(me, info_hash, out));
    }

    /// The tracker says who is in a swarm that somebody has come to.
    pub(super) fn swarm_told(
        &mut self,
        conn: ConnId,
        info_hash: InfoHash,
        peers: Result<Vec<SocketAddr>, &'static str>,
        now: Time,
        out: &mut Outbox,
    ) {
        let Some(me) = self.members.by_conn(conn) else { return };
        match peers {
            Ok(peers) => out.send(conn, self.peer_lines(&info_hash, &peers)),
            Err(why) => {
                self.leave_one(me, info_hash, out);
                self.with_turn(conn, now, out, |groups, turn| {
                    groups.fail(me, "PEERLINK", "REFUSED", &["SWARM", &info_hash.to_string()], why, turn);
                });
            }
        }
    }

    /// The tracker says who is new in a swarm that members are in.
    pub(super) fn swarm_joined(
        &mut self,
        info_hash: InfoHash,
        peer: SocketAddr,
        is_seed: bool,
        now: Time,
        out: &mut Outbox,
    ) {
        let Some(swarm) = self.swarms.by_hash.get_mut(&info_hash) else { return };
        if swarm.fresh.len() < FRESH_MAX {
            swarm.fresh.push((peer, is_seed));
        }
        match swarm.told_at.map(|told_at| told_at + PUSH) {
            Some(due) if due > now => _ = self.swarms.due.insert((due, info_hash)),
            _ => self.push_fresh(info_hash, now, out),
        }
    }

    /// Tells the members of a swarm who is new there, as far as it is of use to each.
    fn push_fresh(&mut self, info_hash: InfoHash, now: Time, out: &mut Outbox) {
        let Some(swarm) = self.swarms.by_hash.get_mut(&info_hash) else { return };
        swarm.told_at = Some(now);
        let fresh = std::mem::take(&mut swarm.fresh);
        let swarm = &self.swarms.by_hash[&info_hash];
        for key in &swarm.members {
            let member = &self.members[*key];
            let Some(sharing) = &member.sharing else { continue };
            let is_seed = sharing.swarms.get(&info_hash) == Some(&true);
            let own = SocketAddr::new(member.remote, sharing.port);
            // As the tracker does: nobody more local than who is told is of use to it.
            let reaches = |peer: &SocketAddr| {
                let theirs = reach(member.remote);
                theirs == Reach::Loopback || reach(peer.ip()) >= theirs
            };
            let useful = fresh.iter().filter(|(peer, seeds)| *peer != own && !(is_seed && *seeds) && reaches(peer));
            let useful: Vec<SocketAddr> = useful.map(|(peer, _)| *peer).collect();
            if !useful.is_empty() {
                out.send(member.conn, self.peer_lines(&info_hash, &useful));
            }
        }
    }

    /// `PEERLINK PEERS <info hash> :<peers>`, as many lines as it takes and at least one.
    fn peer_lines(&self, info_hash: &InfoHash, peers: &[SocketAddr]) -> Vec<u8> {
        let mut lines = Vec::new();
        let mut text = String::new();
        let hash = info_hash.to_string();
        let mut say = |text: &str| {
            Writer::new(&mut lines)
                .source(&self.name)
                .command("PEERLINK")
                .param("PEERS")
                .param(&hash)
                .last(text)
                .end();
        };
        for peer in peers {
            let peer = peer.to_string();
            if text.len() + peer.len() > PEERS_LEN {
                say(&text);
                text.clear();
            }
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(&peer);
        }
        say(&text);
        lines
    }

    /// Newcomers that had to wait are told, and the tracker who stays.
    pub(super) fn swarms_deadline(&mut self, now: Time, out: &mut Outbox) {
        while let Some(&(due, info_hash)) = self.swarms.due.first()
            && due <= now
        {
            self.swarms.due.pop_first();
            self.push_fresh(info_hash, now, out);
        }
        if self.swarms.stay_due.is_some_and(|due| due <= now) {
            let is_over = self.swarms.by_hash.is_empty();
            self.swarms.stay_due = (!is_over).then(|| now + Span(STAY.0 / STAY_STEPS));
            self.tell_who_stays(out);
        }
    }

    /// One step of telling the tracker that members are still there, so that it does not forget them.
    fn tell_who_stays(&mut self, out: &mut Outbox) {
        let count = self.swarms.by_hash.len().div_ceil(STAY_STEPS as usize);
        let from = self.swarms.stay_from.take().unwrap_or(InfoHash([0; 20]));
        let mut swarms = self.swarms.by_hash.range(from..);
        for (info_hash, swarm) in swarms.by_ref().take(count) {
            for key in &swarm.members {
                let member = &self.members[*key];
                let Some(sharing) = &member.sharing else { continue };
                let is_seed = sharing.swarms.get(info_hash) == Some(&true);
                let (conn, peer) = (member.conn, SocketAddr::new(member.remote, sharing.port));
                out.tell(Note::Swarm { conn, info_hash: *info_hash, peer, what: Swarming::Stay { is_seed } });
            }
        }
        self.swarms.stay_from = swarms.next().map(|(info_hash, _)| *info_hash);
    }
}
