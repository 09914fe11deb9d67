//! How connections end: what they held comes back, faults are counted, and who broke the rules stays away.

use super::Swarm;
use super::known::Session;
use super::peer::{Fault, Peer, Stage};
use super::torrent::Later;
use super::web_peer::end_of;
use crate::base::{ConnId, PeerId, Time};
use crate::machine::Outbox;
use crate::storage::{Bans, Suspect};

/// What an end means for the address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Ending {
    /// Neither side is to blame.
    OfItself,
    /// It is connected to us already, or thinks so.
    Double,
    /// It kept us waiting for what it owed.
    Late,
    /// It broke the rules.
    Rude,
    /// There is no use in meeting it again.
    ForGood,
}

impl Ending {
    /// It counts as the peer's fault.
    pub(super) fn is_fault(self) -> bool {
        matches!(self, Ending::Late | Ending::Rude)
    }
}

/// Whether somebody who said who it is may stay.
///
/// # Errors
/// It lied, or broke the rules lately.
pub(super) fn welcome(bans: &Bans, now: Time, suspect: Suspect) -> Result<(), Fault> {
    if bans.is_banned(now, suspect) {
        return Err(Fault::Banned);
    }
    if bans.refuses(now, suspect) {
        return Err(Fault::NotNeeded("broke the rules lately"));
    }
    Ok(())
}

/// Whether the newer of two connections to the same peer stays. Where both sides dialled it is the one that the higher
/// peer id dialled (as libtorrent): both sides must choose the same, or none is left.
pub(super) fn newer_stays(ours: PeerId, theirs: PeerId, dialled_newer: bool, dialled_older: bool) -> bool {
    dialled_newer != dialled_older && dialled_newer == (ours > theirs)
}

impl Swarm {
    /// Ends a connection for a reason.
    pub(super) fn hang_up(&mut self, conn: ConnId, fault: Fault, now: Time, out: &mut Outbox) {
        let Some(peer) = self.peers.remove(&conn) else {
            return;
        };
        log::debug!("{}: {} {fault}", self.torrent.metainfo.name, peer.remote);
        out.close(conn);
        self.web_ended(&peer, end_of(&fault), now, out);
        if matches!((&peer.stage, &fault), (Stage::Handshaking(_), Fault::Timeout(_))) {
            self.contacts.not_answered(now, peer.dialled, out.encryption);
        }
        self.gone(peer, fault.ending(), now, out);
    }

    /// The connection is no more: what it held comes back.
    pub(super) fn gone(&mut self, mut peer: Peer, ending: Ending, now: Time, out: &mut Outbox) {
        if peer.is_open() {
            self.torrent.blame.left(peer.sender);
        }
        self.torrent.abandon_downloads(&mut peer, out);
        self.torrent.abandon_uploads(&mut peer, out);
        self.torrent.forget_pieces(&peer);
        self.gossip.note_gone(&peer);
        self.torrent.stats.faults += u32::from(ending.is_fault());
        if ending == Ending::Rude {
            out.bans.offend(now, peer.suspect());
        }
        if let Some(address) = peer.dialled {
            let was_useful = peer.down.rate.total() > 0 || peer.up.rate.total() > 0 || peer.has_metadata_of_us;
            match ending {
                Ending::ForGood => self.contacts.known.retire(address),
                Ending::Rude | Ending::Late => self.contacts.known.ended(now, address, Session::Bad),
                Ending::OfItself if was_useful => self.contacts.known.ended(now, address, Session::Useful),
                Ending::OfItself => self.contacts.known.ended(now, address, Session::Useless),
                Ending::Double => self.contacts.known.put_back(now, address),
            }
        }
        self.torrent.later.push(Later::TopUpAll);
    }

    /// Proven liars leave, and what they sent goes with them.
    pub(super) fn cast_out(&mut self, now: Time, out: &mut Outbox) {
        let is_banned =
            |peer: &&Peer| peer.is_open() && peer.web.is_none() && out.bans.is_banned(now, peer.suspect());
        let liars: Vec<_> = self.peers.values().filter(is_banned).map(|peer| (peer.conn, peer.sender)).collect();
        for (conn, sender) in liars {
            self.torrent.discard(sender, out);
            self.hang_up(conn, Fault::Banned, now, out);
        }
        let is_blocked = |peer: &&Peer| out.bans.is_blocked(peer.remote.ip());
        let blocked: Vec<ConnId> = self.peers.values().filter(is_blocked).map(|peer| peer.conn).collect();
        for conn in blocked {
            self.hang_up(conn, Fault::NotNeeded("it is on the blocklist"), now, out);
        }
    }

    pub(super) fn hang_up_all(&mut self, why: &'static str, now: Time, out: &mut Outbox) {
        let conns: Vec<ConnId> = self.peers.keys().copied().collect();
        for conn in conns {
            self.hang_up(conn, Fault::NotNeeded(why), now, out);
        }
    }
}

impl Fault {
    /// What it means for the address.
    pub(super) fn ending(&self) -> Ending {
        match self {
            Fault::NotBitTorrent | Fault::Decode(_) | Fault::Unexpected(_) | Fault::Unread => Ending::Rude,
            Fault::Timeout(_) => Ending::Late,
            Fault::Ourselves | Fault::Banned | Fault::BothSeeds => Ending::ForGood,
            Fault::Duplicate => Ending::Double,
            Fault::Web(_) | Fault::WrongTorrent | Fault::NoAnswer | Fault::BothSated | Fault::NotNeeded(_) => {
                Ending::OfItself
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_keep_the_same_of_two_connections() {
        let (low, high) = (PeerId([1; 20]), PeerId([2; 20]));
        for (ours, theirs) in [(low, high), (high, low)] {
            for dialled_newer in [true, false] {
                let here = newer_stays(ours, theirs, dialled_newer, !dialled_newer);
                assert_eq!(
                    here,
                    newer_stays(theirs, ours, !dialled_newer, dialled_newer),
                    "the other side, same order"
                );
                assert_ne!(here, newer_stays(theirs, ours, dialled_newer, !dialled_newer), "the other order");
            }
            assert!(!newer_stays(ours, theirs, true, true) && !newer_stays(ours, theirs, false, false));
        }
        assert!(newer_stays(high, low, true, false), "the higher one's dial stays");
    }
}
