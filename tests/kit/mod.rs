//! What tests of the whole program share: payloads that are a function of their place, a seed and a tracker of our
//! own, child processes that end with their test.
#![allow(dead_code)]

pub mod child;
pub mod payload;
pub mod peerlink;
pub mod rogue;
pub mod seed;
pub mod socks;
pub mod tracker;
pub mod udp_tracker;

use std::time::Duration;

/// Longest that a test waits for any one thing; far above what it needs.
pub const PATIENCE: Duration = Duration::from_secs(60);
