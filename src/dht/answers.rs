//! What others ask of us: bounded answers, tokens, and peers that announce themselves.

use std::net::SocketAddr;

use super::Dht;
use super::table::K;
use crate::base::address::{may_dial, reach};
use crate::base::{InfoHash, NodeId, Time};
use crate::machine::{Command, Outbox};
use crate::wire::dht::{Answer, Asked, Contact, Packet, Query, Refused, Want, code, error_bytes};

/// Longest answer to a node that we know: one datagram on every path.
const ANSWER_LEN: usize = 1200;
/// A stranger may be somebody else's forged name: answers have at most so many times the bytes of its question.
const AMPLIFICATION: usize = 3;
/// Peers in an answer.
const VALUES: usize = 50;
/// Bytes of a node in an answer by family, of a peer, and of the keys before them.
const NODE_LEN: [usize; 2] = [26, 38];
const VALUE_LEN: [usize; 2] = [8, 21];
const NODES_HEAD: usize = 12;
const VALUES_HEAD: usize = 10;
/// Room for this many nodes is kept beside peers.
const NODES_BESIDE: usize = 3;

impl Dht {
    /// Somebody asks. `len`: bytes of the datagram.
    pub(super) fn on_query(
        &mut self,
        from: SocketAddr,
        packet: &Packet<'_>,
        query: &Query<'_>,
        len: usize,
        now: Time,
        out: &mut Outbox,
    ) {
        if self.read_only {
            return;
        }
        let contact = Contact { id: query.id, address: from };
        let is_known = self.family_mut(from).table.knows(from);
        let room = if is_known { ANSWER_LEN } else { (AMPLIFICATION * len).min(ANSWER_LEN) };
        let own = Want { v4: from.is_ipv4(), v6: from.is_ipv6() };
        let want = query.want.filter(|want| want.v4 || want.v6).unwrap_or(own);
        let reply = match query.asked {
            Asked::Ping => self.answer(from, packet, room, None, None, now, &mut out.rng),
            Asked::FindNode { target } => {
                self.answer(from, packet, room, Some((target, want)), None, now, &mut out.rng)
            }
            Asked::GetPeers { info_hash } => {
                let target = NodeId::from(info_hash);
                self.answer(from, packet, room, Some((target, want)), Some(info_hash), now, &mut out.rng)
            }
            Asked::AnnouncePeer { info_hash, port, token } => {
                if self.tokens.is_valid(token, from, &info_hash, now) {
                    let id = self.family_mut(from).id;
                    let peer = SocketAddr::new(from.ip(), port.unwrap_or(from.port()));
                    self.store.add(info_hash, peer, &id, now);
                    self.answer(from, packet, room, None, None, now, &mut out.rng)
                } else {
                    error_bytes(packet.transaction, from, code::PROTOCOL, "bad token")
                }
            }
        };
        self.send_answer(from, reply, room, now, out);
        if !query.read_only && !is_known {
            self.family_mut(from).heard_of(contact, now);
        }
    }

    /// A question with a fault.
    pub(super) fn refuse(&mut self, from: SocketAddr, refused: Refused<'_>, len: usize, now: Time, out: &mut Outbox) {
        if let Refused::Tell { transaction, code, text } = refused
            && !self.read_only
        {
            let reply = error_bytes(transaction, from, code, text);
            self.send_answer(from, reply, AMPLIFICATION * len, now, out);
        }
    }

    fn send_answer(&mut self, to: SocketAddr, bytes: Vec<u8>, room: usize, now: Time, out: &mut Outbox) {
        if bytes.len() <= room && self.outlet.answers(bytes.len(), now) {
            out.push(Command::SendDatagram { to, bytes });
        }
    }

    /// An answer with nodes near a target and peers of a hash, as far as there is room.
    #[expect(clippy::too_many_arguments, reason = "what was asked, by whom, and the usual two")]
    fn answer(
        &self,
        from: SocketAddr,
        packet: &Packet<'_>,
        room: usize,
        near: Option<(NodeId, Want)>,
        peers_of: Option<InfoHash>,
        now: Time,
        rng: &mut fastrand::Rng,
    ) -> Vec<u8> {
        let family = usize::from(from.is_ipv6());
        let token = peers_of.map(|info_hash| self.tokens.token(from, &info_hash, now));
        let mut answer = Answer {
            id: self.families[family].id,
            transaction: packet.transaction,
            to: from,
            token: token.as_ref().map(|token| &token[..]),
            nodes: &[],
            nodes6: &[],
            values: &[],
        };
        let mut room = room.saturating_sub(answer.len_without_lists());
        let mut values = Vec::new();
        if let Some(info_hash) = peers_of {
            let beside = VALUES_HEAD + NODES_HEAD + NODES_BESIDE * NODE_LEN[family];
            let count = (room.saturating_sub(beside) / VALUE_LEN[family]).min(VALUES);
            values = self.store.peers(&info_hash, from, count, now, rng);
            room -= if values.is_empty() { 0 } else { VALUES_HEAD + values.len() * VALUE_LEN[family] };
        }
        let mut nodes = [Vec::new(), Vec::new()];
        if let Some((target, want)) = near {
            for (at, _) in [want.v4, want.v6].into_iter().enumerate().filter(|(_, wanted)| *wanted) {
                let count = (room.saturating_sub(NODES_HEAD) / NODE_LEN[at]).min(K);
                nodes[at] = self.families[at].table.nearest::<K>(&target);
                // Local nodes are nobody's business but those who are there.
                nodes[at].retain(|node| may_dial(node.address, reach(from.ip())) && node.address != from);
                nodes[at].truncate(count);
                room -= if nodes[at].is_empty() { 0 } else { NODES_HEAD + nodes[at].len() * NODE_LEN[at] };
            }
        }
        (answer.nodes, answer.nodes6, answer.values) = (&nodes[0], &nodes[1], &values);
        answer.to_bytes()
    }
}
