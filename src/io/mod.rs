//! The only floor that touches the operating system: reactor, connections, workers, disk, console, clock.
