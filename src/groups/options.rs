//! What a server's groups are told at the start.

use crate::base::Span;
use crate::base::keyed::Secret;

/// How groups are run.
#[derive(Clone)]
pub struct Options {
    /// The server's name in lines; has a dot, so that it is no nick.
    pub name: String,
    /// What people call the network (token `NETWORK`).
    pub network: String,
    /// Lines of the message of the day.
    pub motd: Vec<String>,
    /// Without it nobody comes in.
    pub password: Option<String>,
    /// Names and passwords of operators.
    pub opers: Vec<(String, String)>,
    /// Lines a member may send per second in the long run; 0: no limit.
    pub flood_per_s: u32,
    /// Spreads tables whose keys strangers choose; unguessable.
    pub secret: Secret,
    /// Messages of groups are kept; None: nothing is.
    pub history: Option<Kept>,
}

/// How much of a group's messages is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Kept {
    /// Bytes per group.
    pub len: usize,
    pub age: Span,
}

impl Default for Kept {
    fn default() -> Kept {
        Kept { len: 256 * 1024, age: Span::secs(30 * 86_400) }
    }
}

impl Options {
    /// Usual ones; the secret is to be drawn by the caller.
    pub fn new(secret: Secret) -> Options {
        Options {
            name: "peerlink.server".into(),
            network: "peerlink".into(),
            motd: Vec::new(),
            password: None,
            opers: Vec::new(),
            flood_per_s: 10,
            secret,
            history: Some(Kept::default()),
        }
    }
}

impl std::fmt::Debug for Options {
    /// Without the passwords.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options").field("network", &self.network).finish_non_exhaustive()
    }
}
