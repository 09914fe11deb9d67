//! Bytes to values and back, one file per protocol. Decoders here read what strangers send: they bound first, then
//! parse, allocate nothing for payloads and never panic.

pub mod announce;
pub mod authorization;
pub mod base64url;
pub mod bencode;
pub mod blocklist;
pub mod decoder;
pub mod dht;
pub mod extension;
pub mod fast;
pub mod gunzip;
pub mod handshake;
pub mod http;
pub mod http_client;
pub mod http_reply;
pub mod igd;
pub mod irc;
pub mod json;
pub mod lsd;
pub mod mse;
pub mod multipart;
pub mod natpmp;
pub mod pcp;
pub mod peer;
pub mod pex;
pub mod rc4;
pub mod sniff;
pub mod socks;
pub mod ssdp;
pub mod udp_answer;
pub mod udp_tracker;
pub mod url;
pub mod ut_metadata;
pub mod xml;
