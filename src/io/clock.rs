//! The clock: the only place where the operating system's time becomes a [`Time`].

use std::time::{Duration, Instant};

use crate::base::{Span, Time};

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
