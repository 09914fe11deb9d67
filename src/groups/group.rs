//! A group (IRC: channel): who sits in it, its topic, its modes and its lists.

use super::caps::Caps;
use super::ring::Ring;
use super::table::Key;
use crate::base::ConnId;

/// A member's seat in a group. Holds what sending to the group needs, so that the members themselves are not looked at.
#[derive(Clone, Copy, Debug)]
pub struct Seat {
    pub member: Key,
    pub conn: ConnId,
    pub caps: Caps,
    pub rank: Rank,
}

/// What a member may do in a group.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Rank {
    /// `o`
    pub is_op: bool,
    /// `v`
    pub has_voice: bool,
}

impl Rank {
    pub const OP: Rank = Rank { is_op: true, has_voice: false };

    /// The signs before a name: the highest, or all of them with multi-prefix.
    pub fn signs(self, all: bool) -> &'static str {
        match (self.is_op, self.has_voice) {
            (true, true) if all => "@+",
            (true, _) => "@",
            (false, true) => "+",
            (false, false) => "",
        }
    }
}

/// A topic: its text, who set it, and when in seconds since 1970.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Topic {
    pub text: String,
    pub by: String,
    pub at_s: u64,
}

/// Modes that are on or off, and those with one value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Modes {
    pub invite_only: bool,
    pub moderated: bool,
    pub no_outside: bool,
    pub secret: bool,
    pub topic_by_ops: bool,
    pub key: Option<Box<str>>,
    pub limit: Option<u32>,
}

impl Default for Modes {
    /// `+nt`, as servers do.
    fn default() -> Modes {
        Modes {
            invite_only: false,
            moderated: false,
            no_outside: true,
            secret: false,
            topic_by_ops: true,
            key: None,
            limit: None,
        }
    }
}

/// A mask on one of a group's lists.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    pub mask: Box<str>,
    pub by: Box<str>,
    pub at_s: u64,
}

/// Bans, exceptions from them, and exceptions from invitations.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Lists {
    pub bans: Vec<Entry>,
    pub excepts: Vec<Entry>,
    pub invites: Vec<Entry>,
}

/// A group.
#[derive(Debug)]
pub struct Group {
    pub name: Box<str>,
    /// Sorted by member.
    seats: Vec<Seat>,
    pub topic: Option<Box<Topic>>,
    pub modes: Modes,
    pub lists: Lists,
    /// Who was invited and has not come yet.
    pub invited: Vec<ConnId>,
    /// Seconds since 1970.
    pub made_s: u64,
    /// What was said last.
    pub ring: Ring,
    /// It is in the file of history.
    pub is_recorded: bool,
}

impl Group {
    pub fn new(name: &str, made_s: u64) -> Group {
        Group {
            name: name.into(),
            seats: Vec::new(),
            topic: None,
            modes: Modes::default(),
            lists: Lists::default(),
            invited: Vec::new(),
            made_s,
            ring: Ring::default(),
            is_recorded: false,
        }
    }

    pub fn seats(&self) -> &[Seat] {
        &self.seats
    }

    fn place(&self, member: Key) -> Result<usize, usize> {
        self.seats.binary_search_by_key(&member, |seat| seat.member)
    }

    pub fn seat(&self, member: Key) -> Option<&Seat> {
        self.place(member).ok().map(|at| &self.seats[at])
    }

    pub fn seat_mut(&mut self, member: Key) -> Option<&mut Seat> {
        self.place(member).ok().map(|at| &mut self.seats[at])
    }

    pub fn has(&self, member: Key) -> bool {
        self.place(member).is_ok()
    }

    pub fn is_op(&self, member: Key) -> bool {
        self.seat(member).is_some_and(|seat| seat.rank.is_op)
    }

    /// Takes a seat; one who sits there already keeps it.
    pub fn sit(&mut self, seat: Seat) {
        if let Err(at) = self.place(seat.member) {
            self.seats.insert(at, seat);
        }
        self.invited.retain(|conn| *conn != seat.conn);
    }

    /// Leaves. False where it did not sit.
    pub fn leave(&mut self, member: Key) -> bool {
        let found = self.place(member);
        if let Ok(at) = found {
            self.seats.remove(at);
        }
        if self.seats.is_empty() {
            self.seats = Vec::new();
        }
        found.is_ok()
    }
}
