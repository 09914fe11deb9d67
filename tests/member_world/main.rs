//! Many members of groups, whose server dies again and again: simulated with many seeds, and as it is.

mod judge;
#[path = "../kit/mod.rs"]
mod kit;
mod sim;
mod soak;
