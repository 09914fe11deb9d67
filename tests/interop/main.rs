//! The program together with other people's: libtorrent (from PyPI) and aria2 as seeds and as leechers, on loopback.
//! What is not installed is skipped, with a line that says so.

mod dht;
#[path = "../kit/mod.rs"]
mod kit;
mod leechers;
mod names;
mod others;
mod pads;
mod payloads;
mod seeds;
#[path = "../corpora/table.rs"]
mod table;
mod trackers;
mod udp_trackers;
