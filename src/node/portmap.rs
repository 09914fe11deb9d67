//! Between port mapping and the rest: its jobs and datagrams, and what is said of us once our port is open.

use std::net::SocketAddr;

use super::Node;
use crate::base::{JobId, Time, TorrentId};
use crate::machine::{Input, Machine, Mapped, Note, Outbox};
use crate::portmap::PortMap;

impl Node {
    /// The same with a port at the gateway.
    pub fn with_port_map(mut self, port_map: PortMap) -> Node {
        self.port_map = Some(Box::new(port_map));
        self
    }

    /// The same behind a proxy that carries no UDP.
    pub fn with_proxy(mut self, has_proxy: bool) -> Node {
        self.us.has_proxy = has_proxy;
        self
    }

    /// The driver tells where peers reach us.
    pub(super) fn listening(&mut self, port: u16, now: Time, out: &mut Outbox) {
        out.bans = self.remembered.take().unwrap_or_else(|| std::mem::take(&mut out.bans));
        self.set_port(port, now, out);
        self.with_server(now, out, |server, out| server.start(port, now, out));
        self.hand_lsd(now, Input::Note(Note::Listening { port }), out);
        self.hand_member(now, Input::Note(Note::Listening { port }), out);
        self.hand_port_map(now, Input::Note(Note::Listening { port }), out);
    }

    /// What trackers, the DHT and peers are told.
    fn set_port(&mut self, port: u16, now: Time, out: &mut Outbox) {
        self.us.port = port;
        self.torrents.values_mut().for_each(|torrent| torrent.set_port(port));
        self.hand_dht(now, Input::Note(Note::Listening { port }), out);
    }

    /// Our port is open at the gateway, where it may have another number, or is not any more. In the local network it
    /// keeps its own.
    pub(super) fn port_mapped(&mut self, mapped: Option<Mapped>, now: Time, out: &mut Outbox) {
        let own = self.port_map.as_ref().map_or(self.us.port, |port_map| port_map.port());
        let port = mapped.map_or(own, |mapped| mapped.port);
        if port != self.us.port {
            self.set_port(port, now, out);
            let told = self.torrents.iter().filter(|(_, work)| !work.is_at_rest());
            let told: Vec<TorrentId> = told.map(|(id, _)| *id).collect();
            for id in told {
                self.ask(id, now, out, |swarm, _| swarm.reannounce(now));
            }
        }
        self.hand_dht(now, Input::Note(Note::PortMapped(mapped)), out);
        self.tell_remote(&Note::PortMapped(mapped), now, out);
        out.tell(Note::PortMapped(mapped));
    }

    /// Hands an input to port mapping and carries what it says.
    pub(super) fn hand_port_map(&mut self, now: Time, input: Input<'_>, out: &mut Outbox) {
        let before = out.commands.len();
        if let Some(port_map) = &mut self.port_map {
            port_map.handle(now, input, out);
            self.carry_notes(before, now, out);
        }
    }

    pub(super) fn waits_for_gateway(&self, job: JobId) -> bool {
        self.port_map.as_ref().is_some_and(|port_map| port_map.waits_for(job))
    }

    /// Whether a datagram is the gateway's answer.
    pub(super) fn is_of_gateway(&self, from: SocketAddr, bytes: &[u8]) -> bool {
        self.port_map.as_ref().is_some_and(|port_map| port_map.hears(from, bytes))
    }

    /// Whether the end need not wait for the gateway.
    pub(super) fn is_port_closed(&self) -> bool {
        self.port_map.as_ref().is_none_or(|port_map| port_map.is_stopped())
    }

    /// When port mapping has something to do.
    pub(super) fn port_map_deadline(&self) -> Option<Time> {
        self.port_map.as_ref().and_then(|port_map| port_map.next_deadline())
    }
}
