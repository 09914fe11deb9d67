//! How much payload a torrent may move now: by its own rate limits, and as its share of what all torrents may. Whoever
//! finds nothing waits, and is told when there is something again.

use std::net::SocketAddr;

use super::peer::Peer;
use super::torrent::Torrent;
use crate::base::Time;
use crate::base::address::{Reach, reach};
use crate::base::limiter::Limiter;
use crate::base::shared_limit::SharedLimit;
use crate::machine::{Outbox, RateLimits};

/// A direction of payload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    Up,
    Down,
}

/// The limits of one torrent.
#[derive(Debug)]
pub struct Rates {
    up: Limiter,
    down: Limiter,
    spares_lan: bool,
    /// What holds for all torrents together does not for this one.
    is_apart: bool,
}

impl Rates {
    pub fn new(limits: RateLimits) -> Rates {
        let RateLimits { up_per_s, down_per_s, spares_lan, is_apart } = limits;
        Rates { up: Limiter::new(up_per_s), down: Limiter::new(down_per_s), spares_lan, is_apart }
    }

    /// No limit holds for this peer.
    fn spares(&self, remote: SocketAddr) -> bool {
        self.spares_lan && matches!(reach(remote.ip()), Reach::Loopback | Reach::Private)
    }
}

impl Torrent {
    /// Whether a limit holds for this peer.
    pub fn is_limited(&self, way: Way, peer: &Peer, out: &Outbox) -> bool {
        let (own, all) = match way {
            Way::Up => (&self.rates.up, &out.up_limit),
            Way::Down => (&self.rates.down, &out.down_limit),
        };
        let is_limited = own.is_limited() || (all.is_limited() && !self.rates.is_apart);
        is_limited && !self.rates.spares(peer.remote)
    }

    /// Bytes that may be moved with this peer now. 0: the torrent is told when there is something again.
    pub fn allowance(&mut self, way: Way, peer: &Peer, now: Time, out: &mut Outbox) -> u64 {
        if !self.is_limited(way, peer, out) {
            return u64::MAX;
        }
        let (id, is_apart) = (self.id, self.rates.is_apart);
        let (own, all) = self.limits(way, out);
        let own_allowance = own.allowance(now);
        if own_allowance == 0 {
            let ready = own.ready_at(now);
            self.throttle(ready);
            return 0;
        }
        if is_apart {
            return own_allowance;
        }
        let allowance = all.allowance(id, now);
        if allowance == 0 {
            all.wait(id, now);
        }
        allowance.min(own_allowance)
    }

    /// These bytes are moved.
    pub fn spend(&mut self, way: Way, peer: &Peer, bytes: u64, out: &mut Outbox) {
        if !self.rates.spares(peer.remote) {
            let (id, is_apart) = (self.id, self.rates.is_apart);
            let (own, all) = self.limits(way, out);
            own.spend(bytes);
            if !is_apart {
                all.spend(id, bytes);
            }
        }
    }

    /// These bytes were spent and will not move.
    pub fn refund(&mut self, way: Way, peer: &Peer, bytes: u64, out: &mut Outbox) {
        if !self.rates.spares(peer.remote) {
            let is_apart = self.rates.is_apart;
            let (own, all) = self.limits(way, out);
            own.refund(bytes);
            if !is_apart {
                all.refund(bytes);
            }
        }
    }

    /// This peer exchanges nothing because of our limits, which is no fault of its own.
    pub fn holds_back(&self, peer: &Peer, out: &Outbox) -> bool {
        let is_served = peer.up.is_starved && peer.up.wanted_count() > 0;
        let is_asked = peer.am_interested && !peer.peer_choking && !peer.down.expects_blocks();
        is_served || (is_asked && self.is_limited(Way::Down, peer, out))
    }

    fn limits<'a>(&'a mut self, way: Way, out: &'a mut Outbox) -> (&'a mut Limiter, &'a mut SharedLimit) {
        match way {
            Way::Up => (&mut self.rates.up, &mut out.up_limit),
            Way::Down => (&mut self.rates.down, &mut out.down_limit),
        }
    }
}
