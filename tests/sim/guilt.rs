//! Who lied, told by the bytes on a node's disk at the moment a piece fails; and that nobody else is banned.

use std::net::SocketAddr;

use peerlink::base::{PeerId, Piece, StoreId};
use peerlink::storage::Suspect;

use crate::host::Kind;
use crate::world::World;

impl World {
    /// A piece was hashed: where it is wrong, the actor that alone sent such a block wrong has it on its account.
    pub fn note_guilt(&mut self, host: usize, store: StoreId, piece: Piece, digest: &[u8; 20]) {
        let node = self.node(host);
        let Some(ledger) = node.safety.ledger(store.torrent.0).filter(|ledger| !ledger.is_right(piece, digest))
        else {
            return;
        };
        let Some(volume) = node.disk.volumes.get(&ledger.info_hash) else { return };
        let geometry = ledger.layout.geometry();
        let blocks = (0..geometry.block_count(piece)).filter_map(|number| geometry.block_number(piece, number));
        let wrong: Vec<(u32, u32)> = blocks
            .filter(|block| !volume.holds_block(&ledger.layout, *block, &ledger.content))
            .map(|block| (piece.index(), block.begin()))
            .collect();
        let mut guilty: Vec<usize> = Vec::new();
        for block in wrong {
            let mut senders = (0..self.hosts.len()).filter(|&host| match &self.hosts[host].kind {
                Kind::Actor(actor) => actor.lies.contains(&block),
                Kind::Node(_) => false,
            });
            if let (Some(only), None) = (senders.next(), senders.next())
                && !guilty.contains(&only)
            {
                guilty.push(only);
            }
        }
        let node = self.node_mut(host);
        for liar in guilty {
            *node.guilt.entry(liar).or_default() += 1;
        }
    }

    pub fn is_banned(&self, by: usize, address: SocketAddr) -> bool {
        let suspect = Suspect { address, dialled: true, peer_id: PeerId([0; 20]) };
        self.node(by).out.bans.is_banned(self.now, suspect)
    }

    /// Honest peers are not banned; nodes keep the rules, so they are not sent away for minutes either.
    pub fn nobody_honest_is_banned(&self, by: usize) {
        for host in &self.hosts {
            let suspect = Suspect { address: host.address, dialled: true, peer_id: PeerId([0; 20]) };
            let bans = &self.node(by).out.bans;
            match &host.kind {
                Kind::Actor(actor) if actor.lies() => {}
                Kind::Actor(_) => {
                    assert!(!bans.is_banned(self.now, suspect), "[bans] {} never lied", host.address);
                }
                Kind::Node(_) => {
                    assert!(
                        !bans.refuses(self.now, suspect),
                        "[bans] {} is a node that keeps the rules",
                        host.address
                    );
                }
            }
        }
    }
}
