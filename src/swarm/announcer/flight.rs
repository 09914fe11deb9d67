//! Announces under way, over either protocol.

use super::exchange::Exchange;
use crate::base::JobId;
use crate::wire::announce::Event;

/// An announce under way.
#[derive(Debug)]
pub(super) struct Flight {
    pub via: Via,
    pub tier: usize,
    pub tracker: usize,
    pub event: Event,
}

#[derive(Debug)]
pub(super) enum Via {
    Http(JobId),
    Udp(Box<Exchange>),
}

impl Flight {
    pub fn exchange(&self) -> Option<&Exchange> {
        match &self.via {
            Via::Http(_) => None,
            Via::Udp(exchange) => Some(exchange),
        }
    }

    pub fn exchange_mut(&mut self) -> Option<&mut Exchange> {
        match &mut self.via {
            Via::Http(_) => None,
            Via::Udp(exchange) => Some(exchange),
        }
    }

    /// Whether it matters at the end: the tracker may come to know us by it, or what we did.
    pub fn goes_before_goodbye(&self) -> bool {
        match (self.event, self.exchange()) {
            (Event::Started, Some(exchange)) => exchange.may_be_known(),
            (event, _) => matches!(event, Event::Started | Event::Completed),
        }
    }
}
