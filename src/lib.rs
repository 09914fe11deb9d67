//! peerlink: BitTorrent for small Linux boxes, in one binary, with one event loop and a few worker threads.
//!
//! # Bird's-eye view
//!
//! *Deciding* and *doing* are different floors of the house. A machine ([`machine::Machine`]) holds protocol
//! state and decides: it is told what happened ([`machine::Input`]) and answers with what to do
//! ([`machine::Command`]), as plain data, without a socket, a file, a clock or a thread. [`io`] does: one
//! reactor thread owns every socket and drives one machine, [`node`], which holds all the others.
//!
//! # Floors
//!
//! Who may use whom: downwards only. `tests/tidy.rs` reads this table and checks every path in `src/`.
//!
//! | floor | holds | may use |
//! |---|---|---|
//! | `base` | ids, time, addresses, geometry, bitfield, block pool, credits, rates, limits | |
//! | `wire` | bytes to values and back, one file per protocol | base |
//! | `metainfo` | .torrent files and safe paths | base wire |
//! | `storage` | piece to file layout, resume records; pure | base wire metainfo |
//! | `machine` | the seam: inputs, commands, jobs, completions, notes | base wire metainfo storage |
//! | `swarm` | one torrent's swarm: peers, picker, uploads, choker, announcer | base wire metainfo storage machine |
//! | `node` | the hallway: routes connections, deadlines and notes between machines | base wire metainfo storage machine swarm |
//! | `io` | reactor, connections, workers, disk, files, hasher, web, console, clock | base wire metainfo storage machine |
//! | `app` | commands, arguments, settings, start-up and exit codes | base wire metainfo storage machine swarm node io |
//!
//! # What differs from the plan, and why
//!
//! * `machine` may use `metainfo` and `storage`: the seam carries a torrent's checked metainfo and file layout as
//!   shared plain data (`Arc`), which beats copying them into a second set of types.
//! * Credits, the block pool and the generator travel in [`machine::Outbox`]: one owner (the driver), lent to
//!   whichever machine handles an input, so torrents share them without locks or messages.

pub mod app;
pub mod base;
pub mod io;
pub mod machine;
pub mod metainfo;
pub mod node;
pub mod storage;
pub mod swarm;
pub mod wire;
