//! Connections of the whole process: how many there may be, who came and who was dialled, and which torrent may dial
//! next. Torrents take turns, so that one with a thousand addresses does not keep the others out.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::limits::{CONNECTIONS_MAX, DIALS_PER_S, HALF_OPEN_MAX, LOBBY_MAX};
use crate::base::{ConnId, Span, Time, TorrentId};

/// Between two dials that pass the router, in the long run.
const DIAL_SPACE: Span = Span(1_000_000 / DIALS_PER_S);
/// Dials saved up meanwhile: a second's worth may leave together.
const DIAL_BURST: Span = Span::secs(1);
/// When all places are taken, this often somebody may be asked to make room.
const ROOM_SPACE: Span = Span::millis(250);
/// Then a caller is let in this often, to see what it wants; the others wait in the kernel's queue, for nothing.
const CALLER_SPACE: Span = Span::millis(100);
/// Fewest connections that anything works with.
const FEWEST: usize = 4;

/// A connection of a torrent.
#[derive(Clone, Copy, Debug)]
struct Place {
    torrent: TorrentId,
    side: Side,
}

/// How a connection came about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Side {
    Inbound,
    /// Dialled, not answered yet.
    HalfOpen,
    Outbound,
}

/// The next dial that a torrent would like to make.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Wish {
    pub due: Time,
    /// It leaves the local network, where routers keep small tables.
    pub is_far: bool,
}

#[derive(Debug)]
pub struct Places {
    /// What a person allows, and what there are descriptors for.
    wanted_max: usize,
    conns_max: usize,
    taken: BTreeMap<ConnId, Place>,
    half_open_count: usize,
    inbound_count: usize,
    wishes: BTreeMap<TorrentId, Wish>,
    /// Wishes whose time has not come.
    later: BTreeSet<(Time, TorrentId)>,
    /// Those whose time has come, by whether they leave the local network.
    near: BTreeSet<TorrentId>,
    far: BTreeSet<TorrentId>,
    /// Whose turn was last.
    last: TorrentId,
    /// When the saved-up dials would be back at a full second's worth.
    dials_full_at: Time,
    /// When somebody may be asked to make room again, and when the next caller is let in while there is none.
    next_room: Time,
    next_caller: Time,
}

impl Default for Places {
    fn default() -> Places {
        Places {
            wanted_max: CONNECTIONS_MAX,
            conns_max: usize::MAX,
            taken: BTreeMap::new(),
            half_open_count: 0,
            inbound_count: 0,
            wishes: BTreeMap::new(),
            later: BTreeSet::new(),
            near: BTreeSet::new(),
            far: BTreeSet::new(),
            last: TorrentId(0),
            dials_full_at: Time::ZERO,
            next_room: Time::ZERO,
            next_caller: Time::ZERO,
        }
    }
}

impl Places {
    /// What a person allows.
    pub fn allow(&mut self, max: usize) {
        self.wanted_max = max.max(FEWEST);
    }

    /// What there are descriptors for, callers who have not said what they want included.
    pub fn bound(&mut self, conns_max: usize) {
        self.conns_max = conns_max.max(FEWEST);
    }

    /// Callers who have not said what they want.
    pub fn lobby_max(&self) -> usize {
        (self.conns_max / 4).clamp(1, LOBBY_MAX)
    }

    /// Connections of torrents. One more is needed for the moment between a newcomer and whoever makes room for it.
    fn max(&self) -> usize {
        self.conns_max.saturating_sub(self.lobby_max() + 1).clamp(1, self.wanted_max)
    }

    /// Of those, most of one kind: neither those who dial us nor those we dial keep the others out.
    fn side_max(&self) -> usize {
        let max = self.max();
        (max - max / 4).max(1)
    }

    /// Whether somebody who dialled us finds a place.
    pub fn has_room_in(&self) -> bool {
        self.taken.len() < self.max() && self.inbound_count < self.side_max()
    }

    /// Whether a caller may come in to say what it wants.
    pub fn may_call(&self, now: Time) -> bool {
        self.has_room_in() || now >= self.next_caller
    }

    /// A caller came in.
    pub fn called(&mut self, now: Time) {
        self.next_caller = now + CALLER_SPACE;
    }

    fn has_room_out(&self) -> bool {
        let outbound_count = self.taken.len() - self.inbound_count;
        self.taken.len() < self.max() && outbound_count < self.side_max()
    }

    /// Somebody who dialled us is with this torrent now.
    pub fn came(&mut self, conn: ConnId, torrent: TorrentId) {
        self.inbound_count += 1;
        self.taken.insert(conn, Place { torrent, side: Side::Inbound });
    }

    /// A torrent dials an address, which may leave the local network.
    pub fn dials(&mut self, conn: ConnId, torrent: TorrentId, is_far: bool, now: Time) {
        self.half_open_count += 1;
        if is_far {
            self.dials_full_at = self.dials_full_at.max(now) + DIAL_SPACE;
        }
        self.taken.insert(conn, Place { torrent, side: Side::HalfOpen });
    }

    /// The dial was answered.
    pub fn connected(&mut self, conn: ConnId) {
        if let Some(place) = self.taken.get_mut(&conn)
            && place.side == Side::HalfOpen
        {
            place.side = Side::Outbound;
            self.half_open_count -= 1;
        }
    }

    /// The connection is no more.
    pub fn gone(&mut self, conn: ConnId) {
        match self.taken.remove(&conn).map(|place| place.side) {
            Some(Side::Inbound) => self.inbound_count -= 1,
            Some(Side::HalfOpen) => self.half_open_count -= 1,
            Some(Side::Outbound) | None => {}
        }
    }

    /// What a torrent would like to dial next.
    pub fn wish(&mut self, torrent: TorrentId, wish: Option<Wish>) {
        let before = match wish {
            Some(wish) => self.wishes.insert(torrent, wish),
            None => self.wishes.remove(&torrent),
        };
        if before == wish {
            return;
        }
        if let Some(before) = before {
            self.later.remove(&(before.due, torrent));
            self.near.remove(&torrent);
            self.far.remove(&torrent);
        }
        if let Some(wish) = wish {
            self.later.insert((wish.due, torrent));
        }
    }

    /// Whose turn it is to dial. The caller lets that torrent dial once, and tells its new wish.
    pub fn next_dialler(&mut self, now: Time) -> Option<TorrentId> {
        self.look_at_clock(now);
        if self.half_open_count >= HALF_OPEN_MAX || !self.has_room_out() {
            return None;
        }
        self.take_turn(now)
    }

    /// All places are taken and a dial waits: for whom room should be made now.
    pub fn wants_room(&mut self, now: Time) -> Option<TorrentId> {
        if self.has_room_out() || self.half_open_count >= HALF_OPEN_MAX || !self.may_make_room(now) {
            return None;
        }
        self.look_at_clock(now);
        self.take_turn(now)
    }

    /// Whether somebody may be asked to make room.
    pub fn may_make_room(&self, now: Time) -> bool {
        now >= self.next_room
    }

    /// Somebody was asked.
    pub fn made_room(&mut self, now: Time) {
        self.next_room = now + ROOM_SPACE;
    }

    /// The torrent with most connections, if that is more than one more than this torrent has; or this one. With it,
    /// the connections of which one would have to leave.
    pub fn who_makes_room(&self, torrent: TorrentId, is_inbound: bool) -> (TorrentId, BTreeSet<ConnId>) {
        let is_full = self.taken.len() >= self.max();
        // Where only one side has taken all it may, nobody of the other side has to leave.
        let would_help = |place: &Place| is_full || (place.side == Side::Inbound) == is_inbound;
        let mut leavers: BTreeMap<TorrentId, BTreeSet<ConnId>> = BTreeMap::new();
        for (conn, place) in self.taken.iter().filter(|(_, place)| would_help(place)) {
            leavers.entry(place.torrent).or_default().insert(*conn);
        }
        let own_count = leavers.get(&torrent).map_or(0, BTreeSet::len);
        let largest = leavers.iter().max_by_key(|(torrent, conns)| (conns.len(), std::cmp::Reverse(**torrent)));
        let giver = largest.filter(|(_, conns)| conns.len() > own_count + 1).map_or(torrent, |(largest, _)| *largest);
        (giver, leavers.remove(&giver).unwrap_or_default())
    }

    /// When something is due that nothing else will bring up.
    pub fn next_deadline(&self) -> Option<Time> {
        let later = self.later.first().map(|(due, _)| *due);
        let waits = !self.near.is_empty() || !self.far.is_empty();
        let turn = (waits && self.half_open_count < HALF_OPEN_MAX).then(|| {
            let turn = if self.near.is_empty() {
                Time(self.dials_full_at.0.saturating_sub(DIAL_BURST.0))
            } else {
                Time::ZERO
            };
            if self.has_room_out() { turn } else { turn.max(self.next_room) }
        });
        [later, turn].into_iter().flatten().min()
    }

    fn look_at_clock(&mut self, now: Time) {
        while let Some(&(due, torrent)) = self.later.first()
            && due <= now
        {
            self.later.pop_first();
            let is_far = self.wishes.get(&torrent).is_some_and(|wish| wish.is_far);
            if is_far { &mut self.far } else { &mut self.near }.insert(torrent);
        }
    }

    /// The next torrent after the one whose turn was last.
    fn take_turn(&mut self, now: Time) -> Option<TorrentId> {
        let may_leave = self.dials_full_at <= now + DIAL_BURST;
        let after = |set: &BTreeSet<TorrentId>| {
            let next = set.range((std::ops::Bound::Excluded(self.last), std::ops::Bound::Unbounded)).next();
            next.or(set.first()).copied()
        };
        let far = if may_leave { after(&self.far) } else { None };
        let rank = |torrent: &TorrentId| (*torrent <= self.last, *torrent);
        let torrent = [after(&self.near), far].into_iter().flatten().min_by_key(rank)?;
        self.last = torrent;
        Some(torrent)
    }

    /// Panics where an invariant is broken.
    pub fn check(&self) {
        let count = |side: Side| self.taken.values().filter(|place| place.side == side).count();
        assert_eq!(count(Side::HalfOpen), self.half_open_count, "dials under way");
        assert_eq!(count(Side::Inbound), self.inbound_count, "those who dialled us");
        assert!(self.half_open_count <= HALF_OPEN_MAX, "more dials under way than allowed");
        assert!(self.taken.len() <= self.max(), "more connections than allowed");
        let waiting = self.later.len() + self.near.len() + self.far.len();
        assert_eq!(waiting, self.wishes.len(), "a wish that nobody looks at");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now(due: Time) -> Option<Wish> {
        Some(Wish { due, is_far: true })
    }

    /// Dials as the node does: whoever's turn it is dials, and wishes the same again.
    fn dial_all(places: &mut Places, at: Time, next_conn: &mut u64) -> Vec<u32> {
        let mut turns = Vec::new();
        while let Some(torrent) = places.next_dialler(at) {
            *next_conn += 1;
            let is_far = places.wishes.get(&torrent).is_some_and(|wish| wish.is_far);
            places.dials(ConnId(*next_conn), torrent, is_far, at);
            places.check();
            turns.push(torrent.0);
        }
        turns
    }

    #[test]
    fn torrents_dial_in_turn() {
        let mut places = Places::default();
        (1..=3).for_each(|torrent| places.wish(TorrentId(torrent), now(Time(5))));
        assert_eq!(places.next_deadline(), Some(Time(5)));
        assert_eq!(dial_all(&mut places, Time(4), &mut 0), []);
        let turns = dial_all(&mut places, Time(5), &mut 0);
        assert_eq!(turns, (0..HALF_OPEN_MAX as u32).map(|n| n % 3 + 1).collect::<Vec<_>>());
        assert_eq!(places.next_deadline(), None, "an answer is what it waits for");
        // Who has no wish is passed over.
        places.wish(TorrentId(2), None);
        (1..=3).for_each(|conn| places.gone(ConnId(conn)));
        assert_eq!(dial_all(&mut places, Time(6), &mut 100), [3, 1, 3]);
    }

    #[test]
    fn dials_that_leave_the_local_network_are_spaced() {
        let mut places = Places::default();
        places.allow(100_000);
        places.wish(TorrentId(1), now(Time::ZERO));
        places.wish(TorrentId(2), Some(Wish { due: Time(1), is_far: false }));
        let (mut at, mut next_conn, mut far) = (Time(1), 0, 0);
        while at < Time(1) + Span::secs(10) {
            let from = next_conn;
            far += dial_all(&mut places, at, &mut next_conn).iter().filter(|torrent| **torrent == 1).count();
            (from..next_conn).for_each(|conn| places.connected(ConnId(conn + 1)));
            places.wish(TorrentId(2), None);
            let due = places.next_deadline().expect("a wish waits");
            at = if due > at { due } else { Time(at.0 + 1) };
        }
        let most = 11 * DIALS_PER_S as usize;
        assert!((most - 2..=most + 1).contains(&far), "{far} dials in ten seconds and a burst");
    }

    #[test]
    fn neither_side_keeps_the_other_out() {
        let mut places = Places::default();
        places.bound(22);
        let mut conn = 0;
        while places.has_room_in() {
            conn += 1;
            places.came(ConnId(conn), TorrentId(1));
        }
        assert_eq!((places.lobby_max(), places.max(), conn), (5, 16, 12));
        places.wish(TorrentId(1), now(Time::ZERO));
        assert_eq!(dial_all(&mut places, Time(1), &mut 100).len(), 4);
        assert_eq!(places.wants_room(Time(1)), Some(TorrentId(1)));
        places.made_room(Time(1));
        assert_eq!(places.wants_room(Time(2)), None, "not so often");
        assert_eq!(places.next_deadline(), Some(Time(1) + ROOM_SPACE));
        places.gone(ConnId(1));
        assert!(places.has_room_in() && places.next_dialler(Time(2)).is_some());
    }

    #[test]
    fn the_largest_makes_room_for_the_small() {
        let mut places = Places::default();
        for (conn, torrent) in [(1, 1), (2, 1), (3, 1), (4, 2), (5, 2), (6, 3)] {
            places.came(ConnId(conn), TorrentId(torrent));
        }
        let who = |torrent| places.who_makes_room(TorrentId(torrent), true).0.0;
        assert_eq!([who(1), who(2), who(3), who(4)], [1, 2, 1, 1]);
        assert!(places.who_makes_room(TorrentId(1), false).1.is_empty(), "nobody was dialled");
    }
}
