//! The only floor that touches the operating system: reactor, connections, workers, disk, console, clock.

pub mod console;
pub mod http_call;
pub mod names;
pub mod on_demand;
pub mod signals;
pub mod terminal;
pub mod web;
