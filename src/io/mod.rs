//! The only floor that touches the operating system: reactor, connections, workers, disk, web, console, clock.

pub mod clock;
pub mod conn;
pub mod console;
pub mod create;
pub mod datagrams;
pub mod descriptors;
pub mod disk;
pub mod files;
pub mod hasher;
pub mod http_call;
pub mod keep;
pub mod listen;
pub mod lock;
pub mod mailbox;
pub mod names;
pub mod on_demand;
mod payload;
mod perform;
pub mod pieces;
pub mod reactor;
mod reserve;
pub mod resident;
pub mod server_call;
pub mod shelf;
pub mod signals;
pub mod space;
pub mod statefile;
mod store;
pub mod terminal;
pub mod trouble;
mod turns;
pub mod verify;
pub mod web;
pub mod workers;

pub use reactor::{Ended, Handle, Next, Options, Reactor, StartError};
