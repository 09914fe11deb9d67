//! What the remote control is started with.

use super::Session;
use crate::machine::Ways;

/// What the remote control is started with.
#[derive(Default, Debug)]
pub struct Options {
    pub user: String,
    /// None: nobody has to say one.
    pub password: Option<String>,
    /// Names of this machine that are believed besides its addresses.
    pub hosts: Vec<String>,
    /// Random: what a page of another site cannot know.
    pub session_id: String,
    /// The program's, for people.
    pub version: String,
    /// Settings as they were said at the start; the rest is remembered.
    pub session: Session,
    /// Seconds since 1970 at [`crate::base::Time::ZERO`].
    pub began_s: u64,
    /// For people: where everything is remembered.
    pub state_dir: String,
    /// The group that the daemon's member sits in, with its `#`; empty for none.
    pub group: String,
    pub ways: Ways,
    pub has_dht: bool,
    /// Announce to every tracker, not only to the first of each tier that works.
    pub announce_all: bool,
    /// Reserve room for all wanted files before anything is downloaded.
    pub prealloc: bool,
    /// No limit holds for peers on this machine and in the local network.
    pub spares_lan: bool,
    /// Bytes that must stay free where downloads go; 0: none.
    pub min_free: u64,
    /// Seconds that a complete torrent is shared, at most; 0: any number.
    pub seed_time_s: u64,
    /// Where the blocklist comes from; empty: there is none.
    pub blocklist: String,
}
