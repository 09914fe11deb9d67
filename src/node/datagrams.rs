//! The UDP socket serves several protocols: who gets a datagram.

use std::net::SocketAddr;

use super::Node;
use crate::base::Time;
use crate::machine::{Input, Outbox};
use crate::wire::udp_tracker;

impl Node {
    /// The UDP socket serves several protocols; the first byte tells them apart.
    pub(super) fn datagram(&mut self, from: SocketAddr, bytes: &[u8], now: Time, out: &mut Outbox) {
        match bytes.first() {
            None => {}
            Some(_) if self.is_of_gateway(from, bytes) => {
                self.hand_port_map(now, Input::Datagram { from, bytes }, out)
            }
            Some(_) if udp_tracker::is_question(bytes) => self.asked_by_datagram(from, bytes, now, out),
            // Trackers are asked by name, whoever they are; nodes of the DHT are strangers.
            Some(b'd') if out.bans.is_blocked(from.ip()) => {}
            // The DHT's dictionaries.
            Some(b'd') => {
                let from = SocketAddr::new(from.ip(), from.port());
                self.hand_dht(now, Input::Datagram { from, bytes }, out);
            }
            // µTP (type 0 to 4, version 1): not spoken yet.
            Some(first) if first & 0x0f == 1 && first >> 4 <= 4 => {}
            Some(_) => {
                // A link-local address comes with its interface, which nobody names in a question.
                let from = SocketAddr::new(from.ip(), from.port());
                let transaction = udp_tracker::transaction_answered(bytes);
                if let Some(id) = transaction.and_then(|transaction| self.questions.asker(from, transaction)) {
                    self.hand(id, now, Input::Datagram { from, bytes }, out);
                }
            }
        }
    }
}
