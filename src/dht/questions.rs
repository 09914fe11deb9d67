//! Questions of ours that wait for their answers.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::base::{Span, Time};

/// Questions at once: all lookups and announces at their busiest.
pub const QUESTIONS_MAX: usize = 256;
/// A node that has not answered by then does not.
const LOST: Span = Span::secs(5);

/// What was asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum About {
    /// The lookup of this number.
    Lookup(u32),
    Announce,
    /// Whether the node is there.
    Check,
}

#[derive(Clone, Copy, Debug)]
pub struct Question {
    pub to: SocketAddr,
    pub about: About,
    pub at: Time,
    /// When it counts as slow; None: it does already.
    slow_at: Option<Time>,
}

#[derive(Debug, Default)]
pub struct Questions {
    open: BTreeMap<[u8; 4], Question>,
}

impl Questions {
    pub fn has_room(&self) -> bool {
        self.open.len() < QUESTIONS_MAX
    }

    /// A question leaves; answers later than `patience` are slow.
    pub fn ask(&mut self, transaction: [u8; 4], to: SocketAddr, about: About, patience: Span, now: Time) {
        self.open.insert(transaction, Question { to, about, at: now, slow_at: Some(now + patience) });
    }

    /// Something came back: only from who was asked, and only with the transaction id of the question.
    pub fn take(&mut self, transaction: &[u8], from: SocketAddr) -> Option<Question> {
        let transaction = <[u8; 4]>::try_from(transaction).ok()?;
        self.open.get(&transaction).filter(|question| question.to == from)?;
        self.open.remove(&transaction)
    }

    /// Whether this address owes an answer.
    pub fn waits_for(&self, from: SocketAddr) -> bool {
        self.open.values().any(|question| question.to == from)
    }

    /// Those that became slow, and those that will not be answered (they are forgotten).
    pub fn overdue(&mut self, now: Time) -> (Vec<Question>, Vec<Question>) {
        let (mut slow, mut lost) = (Vec::new(), Vec::new());
        self.open.retain(|_, question| {
            if question.slow_at.is_some_and(|at| at <= now) {
                question.slow_at = None;
                slow.push(*question);
            }
            let is_lost = now.since(question.at) >= LOST;
            if is_lost {
                lost.push(*question);
            }
            !is_lost
        });
        (slow, lost)
    }

    pub fn next_deadline(&self) -> Option<Time> {
        self.open.values().map(|question| question.slow_at.unwrap_or(question.at + LOST)).min()
    }

    pub fn clear(&mut self) {
        self.open.clear();
    }

    /// Panics where an invariant is broken.
    pub fn check(&self) {
        assert!(self.open.len() <= QUESTIONS_MAX, "too many questions");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_was_asked_answers_and_time_runs_out_in_two_steps() {
        let mut questions = Questions::default();
        let at = |port: u16| SocketAddr::from(([10, 0, 0, 1], port));
        questions.ask([1; 4], at(1), About::Check, Span::millis(300), Time(0));
        questions.ask([2; 4], at(2), About::Lookup(7), Span::millis(900), Time(0));
        assert!(questions.take(&[1; 4], at(2)).is_none() && questions.take(&[1; 3], at(1)).is_none());
        assert_eq!(questions.next_deadline(), Some(Time(300_000)));
        let (slow, lost) = questions.overdue(Time(300_000));
        assert_eq!((slow.len(), lost.len()), (1, 0));
        assert_eq!(questions.next_deadline(), Some(Time(900_000)));
        assert_eq!(questions.take(&[2; 4], at(2)).map(|question| question.about), Some(About::Lookup(7)));
        assert!(questions.waits_for(at(1)) && !questions.waits_for(at(2)));
        let (slow, lost) = questions.overdue(Time::ZERO + LOST);
        assert_eq!((slow.len(), lost.len()), (0, 1));
        assert_eq!(questions.next_deadline(), None);
    }
}
