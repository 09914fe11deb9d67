//! What is done about a torrent: its metainfo is sought, or it is shared. One face for both, so that the rest of the
//! hallway need not tell them apart.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use crate::base::{Bitfield, ConnId, InfoHash, Pool, Time};
use crate::machine::{Input, Machine, Outbox, PeerRow, RateLimits, Row, TrackerRow};
use crate::swarm::{Handover, Seeker, Sleeper, Swarm};

pub enum Work {
    Search(Box<Seeker>),
    Swarm(Box<Swarm>),
    /// It is complete, and nobody wants anything.
    Rest(Box<Sleeper>),
}

impl Work {
    fn machine(&self) -> &dyn Machine {
        match self {
            Work::Search(seeker) => &**seeker,
            Work::Swarm(swarm) => &**swarm,
            Work::Rest(sleeper) => &**sleeper,
        }
    }

    fn machine_mut(&mut self) -> &mut dyn Machine {
        match self {
            Work::Search(seeker) => &mut **seeker,
            Work::Swarm(swarm) => &mut **swarm,
            Work::Rest(sleeper) => &mut **sleeper,
        }
    }

    pub fn handle(&mut self, now: Time, input: Input<'_>, out: &mut Outbox) {
        self.machine_mut().handle(now, input, out);
    }

    pub fn next_deadline(&self) -> Option<Time> {
        self.machine().next_deadline()
    }

    pub fn appetite(&self, conn: ConnId, pool: &Pool) -> usize {
        self.machine().appetite(conn, pool)
    }

    pub fn check(&self) {
        self.machine().check();
    }

    /// Whether it only looks or waits for the metainfo of this info hash.
    pub fn seeks(&self, info_hash: InfoHash) -> bool {
        match self {
            Work::Search(seeker) => seeker.info_hash() == info_hash,
            Work::Rest(sleeper) => sleeper.info_hash() == info_hash,
            Work::Swarm(_) => false,
        }
    }

    /// Ends a search: who was met.
    pub fn hand_over(self, now: Time, out: &mut Outbox) -> Option<Handover> {
        match self {
            Work::Search(seeker) => Some(seeker.hand_over(now, out)),
            Work::Rest(sleeper) => Some(sleeper.hand_over()),
            Work::Swarm(_) => None,
        }
    }

    /// BEP 27: only its trackers may name peers. What a link stands for is not known.
    pub fn is_private(&self) -> bool {
        match self {
            Work::Search(_) => false,
            Work::Swarm(swarm) => swarm.is_private(),
            Work::Rest(sleeper) => sleeper.is_private(),
        }
    }

    pub fn set_port(&mut self, port: u16) {
        match self {
            Work::Search(seeker) => seeker.set_port(port),
            Work::Swarm(swarm) => swarm.set_port(port),
            Work::Rest(sleeper) => sleeper.set_port(port),
        }
    }

    pub fn is_stopped(&self) -> bool {
        match self {
            Work::Search(seeker) => seeker.is_stopped(),
            Work::Swarm(swarm) => swarm.is_stopped(),
            Work::Rest(sleeper) => sleeper.is_stopped(),
        }
    }

    /// A note for the application about this torrent.
    pub fn tell_row(&mut self, now: Time, out: &mut Outbox) {
        match self {
            Work::Search(seeker) => seeker.tell_row(out),
            Work::Swarm(swarm) => swarm.tell_row(now, out),
            Work::Rest(sleeper) => out.tell(crate::machine::Note::Row(Box::new(sleeper.row()))),
        }
    }

    /// How it stands.
    pub fn row(&mut self, now: Time) -> Row {
        match self {
            Work::Search(seeker) => seeker.row(),
            Work::Swarm(swarm) => swarm.row(now),
            Work::Rest(sleeper) => sleeper.row(),
        }
    }

    /// Its connected peers.
    pub fn peer_rows(&mut self, now: Time) -> Vec<PeerRow> {
        match self {
            Work::Search(_) | Work::Rest(_) => Vec::new(),
            Work::Swarm(swarm) => swarm.peer_rows(now),
        }
    }

    /// Its trackers.
    pub fn tracker_rows(&self) -> Vec<TrackerRow> {
        match self {
            Work::Search(seeker) => seeker.tracker_rows(),
            Work::Swarm(swarm) => swarm.tracker_rows(),
            Work::Rest(sleeper) => sleeper.tracker_rows(),
        }
    }

    /// Pieces that are verified; None before it is known what there is.
    pub fn have(&self) -> Option<&Bitfield> {
        match self {
            Work::Search(_) | Work::Rest(_) => None,
            Work::Swarm(swarm) => Some(swarm.have()),
        }
    }

    /// Its trackers are asked for peers as early as they allow.
    pub fn reannounce(&mut self, now: Time) {
        match self {
            Work::Search(seeker) => seeker.reannounce(now),
            Work::Swarm(swarm) => swarm.reannounce(now),
            Work::Rest(sleeper) => sleeper.reannounce(now),
        }
    }

    /// A swarm that nobody wants anything of begins to rest; false where that is not so.
    pub fn rest(&mut self, now: Time, out: &mut Outbox) -> bool {
        match self {
            Work::Swarm(swarm) => swarm.rest(now, out),
            Work::Search(_) | Work::Rest(_) => false,
        }
    }

    /// Whether [`Self::rest`] has come to its end.
    pub fn is_at_rest(&self) -> bool {
        matches!(self, Work::Swarm(swarm) if swarm.is_at_rest())
    }

    /// Keeps of a swarm what is left of it at rest.
    pub fn asleep(self) -> Work {
        match self {
            Work::Swarm(swarm) => Work::Rest(Box::new(Sleeper::of(*swarm))),
            other => other,
        }
    }

    /// The dial it would like to make next, and when.
    pub fn next_dial(&self) -> Option<(Time, SocketAddr)> {
        match self {
            Work::Search(seeker) => seeker.next_dial(),
            Work::Swarm(swarm) => swarm.next_dial(),
            Work::Rest(_) => None,
        }
    }

    /// Its turn to dial, once; see [`Swarm::dial`].
    pub fn dial(&mut self, now: Time, is_greeted: impl Fn(SocketAddr) -> bool, out: &mut Outbox) {
        match self {
            Work::Search(seeker) => seeker.dial(now, is_greeted, out),
            Work::Swarm(swarm) => swarm.dial(now, is_greeted, out),
            Work::Rest(_) => {}
        }
    }

    /// The process needs a place; see [`Swarm::give_way`].
    pub fn give_way(&mut self, leavers: &BTreeSet<ConnId>, is_large: bool, now: Time, out: &mut Outbox) {
        match self {
            Work::Search(seeker) => seeker.give_way(leavers, is_large, now, out),
            Work::Swarm(swarm) => swarm.give_way(leavers, is_large, now, out),
            Work::Rest(_) => {}
        }
    }

    /// Its turn to take from what torrents share.
    pub fn take_turn(&mut self, now: Time, out: &mut Outbox) {
        if let Work::Swarm(swarm) = self {
            swarm.take_turn(now, out);
        }
    }

    /// Other rate limits from now on.
    pub fn set_limits(&mut self, limits: RateLimits) {
        if let Work::Swarm(swarm) = self {
            swarm.set_limits(limits);
        }
    }

    /// Other files come first from now on.
    pub fn prioritize(&mut self, priorities: &[i8]) {
        if let Work::Swarm(swarm) = self {
            swarm.prioritize(priorities);
        }
    }

    /// Download credits, upload credits and pool buffers that it holds.
    pub fn holdings(&self) -> (u32, u32, usize) {
        match self {
            Work::Search(_) | Work::Rest(_) => (0, 0, 0),
            Work::Swarm(swarm) => swarm.holdings(),
        }
    }

    /// For the simulator's proof of itself only.
    #[doc(hidden)]
    pub fn plant_wrong_availability(&mut self) {
        if let Work::Swarm(swarm) = self {
            swarm.plant_wrong_availability();
        }
    }
}
