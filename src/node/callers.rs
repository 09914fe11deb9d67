//! Who dials us: it waits in the lobby until it has said which torrent it wants.

use std::net::SocketAddr;

use super::{Node, Owner};
use crate::base::encryption::Crypto;
use crate::base::{ConnId, Time, TorrentId};
use crate::machine::{Input, Outbox};

impl Node {
    pub(super) fn enter_lobby(&mut self, conn: ConnId, remote: SocketAddr, now: Time, out: &mut Outbox) {
        self.places.called(now);
        self.owners.insert(conn, Owner::Lobby);
        if let Some(shown_out) = self.lobby.enter(conn, remote, now) {
            self.turn_away(shown_out, out);
        }
    }

    /// A stranger's first bytes: as soon as they name one of our torrents they are that swarm's.
    pub(super) fn received_in_lobby(&mut self, conn: ConnId, mut bytes: &[u8], now: Time, out: &mut Outbox) {
        match self.lobby.feed(conn, &mut bytes) {
            Ok(None) => {}
            Ok(Some(guest)) => {
                let Some(id) = self.by_hash.id(guest.info_hash) else {
                    log::debug!("{} asks for {}, which is not here", guest.remote, guest.info_hash);
                    return self.turn_away(conn, out);
                };
                if !self.come_in(conn, id, now, out) {
                    return self.turn_away(conn, out);
                }
                self.hand(id, now, Input::Accepted { conn, remote: guest.remote }, out);
                if let Some(crypto) = guest.crypto {
                    self.hand(id, now, Input::Encrypted { conn, crypto }, out);
                }
                self.hand_if_kept(id, conn, &guest.bytes, now, out);
                self.hand_if_kept(id, conn, bytes, now, out);
            }
            Err(_) => self.turn_away(conn, out),
        }
    }

    fn hand_if_kept(&mut self, id: TorrentId, conn: ConnId, bytes: &[u8], now: Time, out: &mut Outbox) {
        if self.owners.contains_key(&conn) && !bytes.is_empty() {
            self.hand(id, now, Input::Received { conn, bytes }, out);
        }
    }

    pub(super) fn turn_away(&mut self, conn: ConnId, out: &mut Outbox) {
        self.lobby.remove(conn);
        self.owners.remove(&conn);
        out.close(conn);
    }

    /// Both sides agreed on encryption.
    pub(super) fn encrypted(&mut self, conn: ConnId, crypto: Crypto, now: Time, out: &mut Outbox) {
        match self.owners.get(&conn) {
            Some(&Owner::Swarm(id)) => self.hand(id, now, Input::Encrypted { conn, crypto }, out),
            Some(Owner::Lobby) => self.lobby.encrypted(conn, crypto),
            _ => {}
        }
    }
}
