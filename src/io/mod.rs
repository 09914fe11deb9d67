//! The only floor that touches the operating system: reactor, connections, workers, disk, console, clock.

pub mod console;
pub mod signals;
pub mod terminal;
