//! The clock: the only place where the operating system's time becomes a [`Time`].

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::localtime;
use crate::base::{Span, Time};
use crate::machine::Outbox;

/// Counts from the moment it was made; never runs backwards.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock that shows [`Time::ZERO`] now.
    pub fn new() -> Clock {
        Clock { start: Instant::now() }
    }

    /// Time passed since the clock was made.
    pub fn now(&self) -> Time {
        Time(u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX))
    }
}

impl Default for Clock {
    fn default() -> Clock {
        Clock::new()
    }
}

/// A span for the operating system.
pub(super) fn duration(span: Span) -> Duration {
    Duration::from_micros(span.0)
}

/// The time of day, milliseconds since 1970. It may jump both ways.
fn wall_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// What local time is ahead of universal time changes at such moments only.
const QUARTER_MS: u64 = 15 * 60 * 1000;

/// Tells the machine what time of day it is.
pub(super) fn tell(out: &mut Outbox) {
    let before = std::mem::replace(&mut out.wall_ms, wall_ms());
    if before / QUARTER_MS != out.wall_ms / QUARTER_MS {
        out.ahead_s = localtime::ahead_s(out.wall_ms / 1000);
    }
}
