//! What the members of groups do in swarms: they are peers of the one table like all others.

use std::net::SocketAddr;

use super::announce::{Ask, NUMWANT, read_address};
use super::{Tracker, http};
use crate::base::{ConnId, InfoHash, Time};
use crate::machine::{Note, Outbox, Swarming};
use crate::wire::announce::Event;

impl Tracker {
    /// A member comes, stays or goes.
    pub(super) fn member(
        &mut self,
        conn: ConnId,
        info_hash: InfoHash,
        peer: SocketAddr,
        what: Swarming,
        now: Time,
        out: &mut Outbox,
    ) {
        let refusal = if !self.access.admits(None) {
            Some(http::NO_KEY)
        } else if !self.access.serves(&info_hash) {
            Some(http::NOT_SERVED)
        } else {
            None
        };
        if let Some(why) = refusal {
            if matches!(what, Swarming::Join { .. }) {
                self.numbers.refused += 1;
                out.tell(Note::SwarmTold { conn, info_hash, peers: Err(why) });
            }
            return;
        }
        let (is_seed, event, numwant) = match what {
            Swarming::Join { is_seed } => (is_seed, Event::Started, NUMWANT.min(self.options.peers_max)),
            Swarming::Stay { is_seed } => (is_seed, Event::None, 0),
            Swarming::Leave => (false, Event::Stopped, 0),
        };
        let ask = Ask { info_hash, peer, is_seed, event, numwant, both_families: true, peer_id: None };
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        self.announce(&ask, now, &mut out.rng, (&mut v4, &mut v6));
        if numwant > 0 {
            let peers = v4.chunks(6).chain(v6.chunks(18)).filter_map(read_address).collect();
            out.tell(Note::SwarmTold { conn, info_hash, peers: Ok(peers) });
        }
    }
}
