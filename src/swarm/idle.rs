//! Credits that sit with idle peers: those that owe blocks and send none, and those that asked for blocks and take
//! none. Half of all may, so that the others always have the other half.

use super::Swarm;
use super::peer::{Fault, Peer};
use crate::base::{ConnId, Time};
use crate::machine::Outbox;

impl Swarm {
    /// Once a second.
    pub(super) fn watch_idle(&mut self, now: Time, out: &mut Outbox) {
        self.watch_senders(now, out);
        self.watch_takers(now, out);
    }

    /// Those idle longest lose their requests to others.
    fn watch_senders(&mut self, now: Time, out: &mut Outbox) {
        let id = self.torrent.id;
        let idle = |peer: &Peer| peer.down.idle_since(now).map(|since| (since, peer.down.credits()));
        let (order, mut count) = in_order(self.peers.values(), idle);
        out.download.set_idle(id, count);
        for (conn, held) in order {
            if out.download.idle_excess() == 0 {
                break;
            }
            if let Some(peer) = self.peers.get_mut(&conn) {
                self.torrent.snub(peer, now, out);
                count -= held - peer.down.credits();
                out.download.set_idle(id, count);
            }
        }
    }

    /// Those idle longest are hung up on: what was given to their connection cannot be taken back.
    fn watch_takers(&mut self, now: Time, out: &mut Outbox) {
        let id = self.torrent.id;
        let idle = |peer: &Peer| peer.up.idle_since(now).map(|since| (since, peer.up.credits()));
        let (order, mut count) = in_order(self.peers.values(), idle);
        out.upload.set_idle(id, count);
        for (conn, held) in order {
            if out.upload.idle_excess() == 0 {
                break;
            }
            self.hang_up(conn, Fault::Timeout("it does not take what it asked for"), now, out);
            count -= held;
            out.upload.set_idle(id, count);
        }
    }
}

/// Idle peers with the credits each holds, the one idle longest first; and the sum.
fn in_order<'a>(
    peers: impl Iterator<Item = &'a Peer>,
    idle: impl Fn(&Peer) -> Option<(Time, u32)>,
) -> (Vec<(ConnId, u32)>, u32) {
    let mut order: Vec<(Time, ConnId, u32)> =
        peers.filter_map(|peer| idle(peer).map(|(since, held)| (since, peer.conn, held))).collect();
    order.sort_unstable();
    let count = order.iter().map(|(_, _, held)| held).sum();
    (order.into_iter().map(|(_, conn, held)| (conn, held)).collect(), count)
}
