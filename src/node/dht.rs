//! Between the DHT and the swarms: whose peers it looks for, and where what it finds goes. The one place where private
//! torrents (BEP 27) are kept from it.

use super::Node;
use super::work::Work;
use crate::base::{InfoHash, Time};
use crate::dht::Dht;
use crate::machine::{Command, Input, Machine, Note, Outbox, Source};

impl Node {
    /// The same with a DHT node.
    pub fn with_dht(mut self, dht: Dht) -> Node {
        self.us.has_dht = true;
        self.dht = Some(dht);
        self
    }

    /// Whether a torrent may use the DHT.
    pub(super) fn may_use_dht(&self, info_hash: &InfoHash) -> bool {
        self.dht.is_some() && !self.is_private(info_hash)
    }

    /// Whether only trackers and people may name peers of this info hash; also where nothing is known of it.
    pub(super) fn is_private(&self, info_hash: &InfoHash) -> bool {
        let torrent = self.by_hash.id(*info_hash).and_then(|id| self.torrents.get(&id));
        torrent.is_none_or(Work::is_private)
    }

    /// Whether peers are to be believed of this source.
    fn may_name(&self, source: Source, info_hash: &InfoHash) -> bool {
        match source {
            Source::Server => self.may_use_server(info_hash),
            _ => !self.is_private(info_hash),
        }
    }

    /// A torrent that is not private, or a link, knows nodes.
    pub(super) fn take_hints(&mut self, nodes: &[(String, u16)]) {
        if let Some(dht) = &mut self.dht {
            nodes.iter().for_each(|(host, port)| dht.hint(host, *port));
        }
    }

    /// Hands an input to the DHT and carries what it says.
    pub(super) fn hand_dht(&mut self, now: Time, input: Input<'_>, out: &mut Outbox) {
        let before = out.commands.len();
        if let Some(dht) = &mut self.dht {
            dht.handle(now, input, out);
            self.carry_notes(before, now, out);
        }
    }

    /// Takes the notes between machines out of what one of them said, and hands them over.
    pub(super) fn carry_notes(&mut self, before: usize, now: Time, out: &mut Outbox) {
        if !out.commands[before..].iter().any(is_between) {
            return;
        }
        let said = out.commands.split_off(before);
        let (between, others): (Vec<Command>, Vec<Command>) = said.into_iter().partition(is_between);
        out.commands.extend(others);
        for command in between {
            match command {
                Command::Tell(Note::FindPeers { info_hash, announce }) if self.may_use_dht(&info_hash) => {
                    self.hand_dht(now, Input::Note(Note::FindPeers { info_hash, announce }), out);
                }
                Command::Tell(note @ Note::DhtNode { .. }) => self.hand_dht(now, Input::Note(note), out),
                Command::Tell(Note::Meet { info_hash, is_on }) => self.meet(info_hash, is_on, now, out),
                Command::Tell(Note::Swarming { info_hash, is_seed }) => self.swarming(info_hash, is_seed, now, out),
                Command::Tell(note @ Note::Peers { info_hash, source, .. }) if self.may_name(source, &info_hash) => {
                    if let Some(id) = self.by_hash.id(info_hash) {
                        self.hand(id, now, Input::Note(note), out);
                    }
                }
                Command::Tell(Note::PortMapped(mapped)) => self.port_mapped(mapped, now, out),
                _ => {}
            }
        }
    }

    /// When the DHT has something to do.
    pub(super) fn dht_deadline(&self) -> Option<Time> {
        self.dht.as_ref().and_then(Dht::next_deadline)
    }

    /// Writes into the rows told since `before` how many nodes the DHT knows.
    pub(super) fn fill_rows(&self, before: usize, out: &mut Outbox) {
        let Some(dht) = &self.dht else { return };
        let count = dht.node_count() as u32;
        for command in &mut out.commands[before..] {
            if let Command::Tell(Note::Row(row)) = command {
                let swarm = self.torrents.get(&row.torrent);
                row.dht_nodes = swarm.filter(|swarm| !swarm.is_private()).map(|_| count);
            }
        }
    }
}

/// Whether this is from one machine to another.
fn is_between(command: &Command) -> bool {
    let Command::Tell(note) = command else { return false };
    matches!(
        note,
        Note::FindPeers { .. }
            | Note::DhtNode { .. }
            | Note::Meet { .. }
            | Note::Swarming { .. }
            | Note::Peers { .. }
            | Note::PortMapped(_)
    )
}
