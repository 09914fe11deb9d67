//! What only our own server understands: the capabilities `peerlink/...` and the lines `PEERLINK ...`.

use super::Member;
use super::link::Phase;
use crate::base::Time;
use crate::machine::{ChatNews, Outbox};
use crate::seal::Identity;
use crate::wire::base64url;
use crate::wire::irc::Line;

/// Our key answers a server's nonce.
const ID: &str = "peerlink/id";
/// Swarms are told, and peers are heard of.
const PEERS: &str = "peerlink/peers";

/// Our key, and how far it was shown on this connection.
#[derive(Debug, Default)]
pub struct Proof {
    identity: Option<Identity>,
    nonce: Option<[u8; 32]>,
    is_shown: bool,
}

impl Member {
    /// The same with a key, which owns its nick at servers that know of keys.
    pub fn with_identity(mut self, identity: Identity) -> Member {
        self.proof.identity = Some(identity);
        self
    }

    /// Capabilities to ask for besides the usual ones, where the server offers them.
    pub(super) fn peerlink_caps(&self) -> &'static [&'static str] {
        if self.proof.identity.is_some() { &[ID, PEERS] } else { &[PEERS] }
    }

    /// Capabilities were granted; the registration has not ended yet.
    pub(super) fn peerlink_granted(&mut self, _out: &mut Outbox) {}

    /// Whether the registration must not end yet: the nonce has not come that our key is to answer.
    pub(super) fn peerlink_holds(&self) -> bool {
        self.proof.identity.is_some() && self.caps.has(ID) && !self.proof.is_shown
    }

    /// We are registered: groups are joined right after this.
    pub(super) fn peerlink_ready(&mut self, _now: Time, out: &mut Outbox) {
        self.tell_swarms(out);
    }

    /// Whether the server wants to hear of swarms, now.
    pub(super) fn has_discovery(&self) -> bool {
        self.is_ready() && self.caps.has(PEERS)
    }

    /// A line `PEERLINK ...`, or `FAIL PEERLINK ...`.
    pub(super) fn on_peerlink(&mut self, line: &Line<'_>, _now: Time, out: &mut Outbox) {
        let param = |at: usize| line.param(at).unwrap_or_default();
        if line.is("FAIL") {
            return match param(1) {
                // It was for a nick that we did not get.
                "BAD_SIGNATURE" if self.is_ready() => self.show_key(out),
                "NO_KEY" => self.tell(ChatNews::Key { nick: param(3).into(), key: None }, out),
                code => log::debug!("the server refuses: {code} {}", line.last().unwrap_or_default()),
            };
        }
        match param(0).to_ascii_uppercase().as_str() {
            "NONCE" => {
                self.proof.nonce = base64url::decode_array(param(1));
                self.show_key(out);
                self.proof.is_shown = true;
                if matches!(self.link.phase, Phase::Registering { .. }) {
                    self.end_caps(out);
                }
            }
            "KEY" => self.tell(ChatNews::Key { nick: param(1).into(), key: Some(param(2).into()) }, out),
            "PEERS" => self.on_peers(param(1), line.last().unwrap_or_default(), out),
            _ => {}
        }
    }

    /// Answers the nonce, to be known by the nick that we asked for last.
    fn show_key(&mut self, out: &mut Outbox) {
        let (Some(identity), Some(nonce)) = (&self.proof.identity, &self.proof.nonce) else { return };
        let signature = base64url::encode(&identity.log_in(nonce, self.nick.current()));
        let key = identity.public().to_string();
        self.send(out, |line| line.command("PEERLINK").param("ID").param(&key).param(&signature));
    }

    /// Asks whose key a nick is.
    pub(super) fn ask_key(&mut self, nick: &str, out: &mut Outbox) {
        if self.is_ready() && self.caps.has(ID) {
            self.send(out, |line| line.command("PEERLINK").param("KEY").param(nick));
        } else {
            self.tell(ChatNews::Key { nick: nick.into(), key: None }, out);
        }
    }

    /// The connection is gone; its capabilities are forgotten already.
    pub(super) fn peerlink_lost(&mut self) {
        self.proof.nonce = None;
        self.proof.is_shown = false;
    }
}
