//! A rate limit: a bucket that fills with time and may go into debt by one transfer, so that odd sizes need no care.

use super::time::{Span, Time};

/// Bytes per second, in one direction.
#[derive(Clone, Debug, Default)]
pub struct Limiter {
    /// 0: no limit.
    rate_per_s: u64,
    /// What may be moved now, in millionths of a byte, so that nothing is lost however often somebody asks; below
    /// zero after a transfer that was larger.
    micros: i128,
    filled_at: Time,
}

/// The bucket holds what the rate gives in this time: short enough that nobody sees bursts …
const DEPTH: Span = Span::millis(250);
/// … but at least one block, or slow limits would never pass one.
const DEPTH_MIN: u64 = super::geometry::BLOCK_LEN as u64;
/// Wake-ups of whoever waits come at most this often, so that several blocks leave together.
const PATIENCE: Span = Span::millis(50);
/// Millionths in a byte, and in a second.
const MICROS: i128 = 1_000_000;

impl Limiter {
    /// `rate_per_s` bytes per second; 0 means no limit.
    pub fn new(rate_per_s: u64) -> Limiter {
        Limiter { rate_per_s, micros: 0, filled_at: Time::ZERO }
    }

    pub fn is_limited(&self) -> bool {
        self.rate_per_s > 0
    }

    /// Bytes that may be moved at `now`; 0: wait until [`Self::ready_at`]. Without a limit, more than anybody asks.
    pub fn allowance(&mut self, now: Time) -> u64 {
        if !self.is_limited() {
            return u64::MAX;
        }
        let depth = i128::from(self.bytes_in(DEPTH).max(DEPTH_MIN)) * MICROS;
        let earned = i128::from(self.rate_per_s) * i128::from(now.since(self.filled_at).0);
        self.micros = (self.micros + earned).min(depth);
        self.filled_at = self.filled_at.max(now);
        u64::try_from(self.micros / MICROS).unwrap_or(0)
    }

    /// These bytes are moved.
    pub fn spend(&mut self, bytes: u64) {
        if self.is_limited() {
            self.micros -= i128::from(bytes) * MICROS;
        }
    }

    /// These bytes were spent and will not move.
    pub fn refund(&mut self, bytes: u64) {
        if self.is_limited() {
            self.micros += i128::from(bytes) * MICROS;
        }
    }

    /// When something may be moved again, asked at `now` after [`Self::allowance`] was 0.
    pub fn ready_at(&self, now: Time) -> Time {
        let missing = u128::try_from(MICROS - self.micros).unwrap_or(0);
        let wait = missing.div_ceil(u128::from(self.rate_per_s.max(1)));
        (self.filled_at + Span(u64::try_from(wait).unwrap_or(u64::MAX))).max(now + PATIENCE)
    }

    /// What the rate gives in this time.
    pub fn bytes_in(&self, span: Span) -> u64 {
        let bytes = u128::from(self.rate_per_s) * u128::from(span.0) / 1_000_000;
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn over_time_the_rate_is_kept_whatever_the_sizes() {
        for rate in [1_000, 100_000, 50_000_000] {
            let mut limiter = Limiter::new(rate);
            let (mut now, mut moved) = (Time(7), 0);
            while now < Time(7) + Span::secs(60) {
                if limiter.allowance(now) > 0 {
                    limiter.spend(16_384);
                    moved += 16_384;
                } else {
                    let ready = limiter.ready_at(now);
                    assert!(ready > now, "a busy loop");
                    now = ready;
                }
            }
            let expected = rate * 60;
            assert!(moved <= expected + 40_000 + rate / 2, "{moved} of {expected}");
            assert!(moved + 40_000 + rate / 2 >= expected, "{moved} of {expected}");
        }
    }

    #[test]
    fn asking_often_costs_nothing() {
        let mut limiter = Limiter::new(20_480);
        let mut moved = 0;
        for micro in 0..10_000_000 / 7 {
            if limiter.allowance(Time(micro * 7)) > 0 {
                limiter.spend(1_000);
                moved += 1_000;
            }
        }
        assert!((203_000..=206_000).contains(&moved), "{moved} in ten seconds");
    }

    #[test]
    fn what_did_not_move_comes_back() {
        let mut limiter = Limiter::new(1_000_000);
        let now = Time::ZERO + Span::secs(1);
        let before = limiter.allowance(now);
        limiter.spend(before);
        assert_eq!(limiter.allowance(now), 0);
        limiter.refund(before);
        assert_eq!(limiter.allowance(now), before);
    }

    #[test]
    fn no_limit_is_no_limit() {
        let mut limiter = Limiter::new(0);
        limiter.spend(u64::MAX);
        assert_eq!(limiter.allowance(Time::ZERO), u64::MAX);
        assert!(!limiter.is_limited());
    }
}
