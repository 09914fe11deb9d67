//! The program together with other people's, as seeds, as leechers and in swarms: libtorrent (from PyPI), aria2,
//! transmission, qBittorrent, rtorrent, opentracker, nginx, and a browser on the pages of server and daemon. On loopback, or in namespaces
//! that a test makes. What is not installed is skipped, with a line that says so.

mod browser;
mod by_interface;
mod by_proxy;
mod capture;
mod daemons;
mod dht;
mod encryption;
mod gateways;
mod halfway;
mod irc;
#[path = "../kit/mod.rs"]
mod kit;
mod leechers;
mod magnets;
mod matrix;
mod mixed;
mod names;
mod network;
mod opentracker;
mod others;
mod pads;
mod page;
mod payloads;
mod private;
mod remotes;
mod seeds;
mod serve;
#[path = "../corpora/table.rs"]
mod table;
mod trackers;
mod udp_trackers;
mod ways;
mod web_seeds;
