//! What may leave: a token bucket for all datagrams, of which answers to strangers leave our own questions a part.

use crate::base::{Span, Time};

/// What the bucket holds, in seconds of the rate: a lookup needs about one.
const DEPTH_S: u64 = 3;

#[derive(Debug)]
pub struct Outlet {
    /// Bytes per second; 0: any number.
    rate: u64,
    /// In millionths of a byte.
    tokens: u64,
    filled_at: Option<Time>,
    /// Bytes that left, ever.
    sent: u64,
    /// Answers that did not.
    dropped: u64,
}

impl Outlet {
    pub fn new(rate: u64) -> Outlet {
        Outlet { rate: rate.min(1 << 30), tokens: 0, filled_at: None, sent: 0, dropped: 0 }
    }

    fn depth(&self) -> u64 {
        self.rate * DEPTH_S * 1_000_000
    }

    fn fill(&mut self, now: Time) {
        let earned = match self.filled_at {
            Some(at) => now.since(at).0.saturating_mul(self.rate),
            None => self.depth(),
        };
        self.tokens = self.tokens.saturating_add(earned).min(self.depth());
        self.filled_at = Some(now);
    }

    fn spend(&mut self, len: usize) {
        self.sent += len as u64;
        self.tokens = self.tokens.saturating_sub(len as u64 * 1_000_000);
    }

    /// Whether a question of ours may leave now.
    pub fn has_room(&mut self, now: Time) -> bool {
        self.fill(now);
        self.rate == 0 || self.tokens >= QUESTION_LEN * 1_000_000
    }

    /// When [`Outlet::has_room`] will be true after it was not. Several questions leave together then, rather than
    /// one per wake-up.
    pub fn next_room(&self) -> Time {
        let missing = (QUESTION_LEN * 1_000_000).saturating_sub(self.tokens);
        self.filled_at.unwrap_or(Time::ZERO) + Span(missing.div_ceil(self.rate.max(1))).max(PATIENCE)
    }

    /// A question of ours leaves.
    pub fn asked(&mut self, len: usize) {
        self.spend(len);
    }

    /// Whether this answer may leave; it counts as sent then.
    pub fn answers(&mut self, len: usize, now: Time) -> bool {
        self.fill(now);
        let may = self.rate == 0 || self.tokens >= len as u64 * 1_000_000 + self.depth() / 4;
        if may {
            self.spend(len);
        } else {
            self.dropped += 1;
        }
        may
    }

    /// Bytes that left, and answers that did not.
    pub fn totals(&self) -> (u64, u64) {
        (self.sent, self.dropped)
    }
}

/// A question of ours, about.
const QUESTION_LEN: u64 = 160;
const PATIENCE: Span = Span::millis(50);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_kept_and_answers_leave_room_for_questions() {
        let mut outlet = Outlet::new(8000);
        let mut now = Time(5);
        let (mut answers, mut questions) = (0, 0);
        while now < Time(5) + Span::secs(60) {
            now += Span::millis(10);
            answers += u64::from(outlet.answers(300, now)) * 300;
            if now.0 % 1_000_000 < 10_000 && outlet.has_room(now) {
                outlet.asked(100);
                questions += 1;
            }
        }
        assert_eq!(questions, 60, "one a second was wanted");
        assert_eq!(outlet.totals().0, answers + questions * 100);
        assert!((60 * 8000..=63 * 8000).contains(&outlet.totals().0), "{:?}", outlet.totals());
        let mut any = Outlet::new(0);
        assert!((0..1000).all(|_| any.answers(100_000, now) && any.has_room(now)));
    }

    #[test]
    fn an_empty_bucket_says_when() {
        let mut outlet = Outlet::new(1000);
        let now = Time(5);
        while outlet.has_room(now) {
            outlet.asked(100);
        }
        let ready = outlet.next_room();
        assert!(ready > now && outlet.has_room(ready));
    }
}
