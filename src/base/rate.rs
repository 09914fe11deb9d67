//! How fast something moves: a rate smoothed over a few seconds, fed with byte counts.

use super::time::{Span, Time};

/// Bytes per second, smoothed: full seconds are folded in with weight 1/3, the running second counts as it is.
#[derive(Clone, Debug, Default)]
pub struct Rate {
    window_start: Time,
    window_bytes: u64,
    bytes_per_s: f64,
    total_bytes: u64,
}

/// Length of a window.
const WINDOW: Span = Span::secs(1);

impl Rate {
    /// `bytes` moved at `now`.
    pub fn add(&mut self, now: Time, bytes: u64) {
        self.roll(now);
        self.window_bytes += bytes;
        self.total_bytes += bytes;
    }

    /// Folds finished windows into the average.
    fn roll(&mut self, now: Time) {
        let passed = now.since(self.window_start);
        if passed < WINDOW {
            return;
        }
        let fresh = self.window_bytes as f64 / passed.as_secs_f64();
        let old = self.bytes_per_s;
        // After a long silence the average of the whole silence is the truth.
        let weight = if passed >= WINDOW.times(3) || old == 0.0 { 1.0 } else { 1.0 / 3.0 };
        self.bytes_per_s = old + (fresh - old) * weight;
        self.window_bytes = 0;
        self.window_start = now;
    }

    /// Bytes per second at `now`.
    pub fn per_s(&mut self, now: Time) -> u64 {
        self.roll(now);
        self.bytes_per_s as u64
    }

    /// Bytes ever added.
    pub fn total(&self) -> u64 {
        self.total_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_stream_is_measured_and_silence_decays() {
        let mut rate = Rate::default();
        let mut now = Time::ZERO;
        for _ in 0..100 {
            now += Span::millis(100);
            rate.add(now, 1_000);
        }
        let steady = rate.per_s(now);
        assert!((9_000..=11_000).contains(&steady), "{steady}");
        assert_eq!(rate.per_s(now + Span::secs(30)) / 1_000, 0);
        assert_eq!(rate.total(), 100_000);
    }
}
