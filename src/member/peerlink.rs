//! What only our own server understands: the hooks for capabilities `peerlink/...` and lines `PEERLINK ...`.

use super::Member;
use crate::base::Time;
use crate::machine::Outbox;
use crate::wire::irc::Line;

impl Member {
    /// Capabilities to ask for besides the usual ones, where the server offers them.
    pub(super) fn peerlink_caps(&self) -> &'static [&'static str] {
        &[]
    }

    /// Capabilities were granted; the registration has not ended yet.
    pub(super) fn peerlink_granted(&mut self, _out: &mut Outbox) {}

    /// Whether the registration must not end yet. Who says so calls [`Member::end_caps`] later.
    pub(super) fn peerlink_holds(&self) -> bool {
        false
    }

    /// We are registered: groups are joined right after this.
    pub(super) fn peerlink_ready(&mut self, _now: Time, _out: &mut Outbox) {}

    /// A line `PEERLINK ...`, or `FAIL PEERLINK ...`.
    pub(super) fn on_peerlink(&mut self, _line: &Line<'_>, _now: Time, _out: &mut Outbox) {}

    /// The connection is gone; its capabilities are forgotten already.
    pub(super) fn peerlink_lost(&mut self) {}
}
