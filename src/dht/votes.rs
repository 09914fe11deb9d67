//! Our address as others see it (BEP 42), believed when several of different places agree.

use std::net::IpAddr;

use super::table::Place;
use crate::base::address::{Reach, reach};
use crate::base::{Span, Time};

/// Latest votes kept, one per place: two thirds of them are more than one owner of addresses should have.
const VOTES_MAX: usize = 64;
/// Votes that change an address that was believed before, at least.
const AGREEING: usize = 5;
/// The address does not change more often: a new one costs the table its order.
const REST: Span = Span::secs(600);

#[derive(Debug, Default)]
pub struct Votes {
    /// The latest last.
    votes: Vec<(Place, IpAddr)>,
    believed: Option<IpAddr>,
    changed: Time,
}

impl Votes {
    /// With what an earlier run believed; a few others can change that soon.
    pub fn new(believed: Option<IpAddr>) -> Votes {
        Votes { believed, ..Votes::default() }
    }

    pub fn believed(&self) -> Option<IpAddr> {
        self.believed
    }

    /// Who answered a question says that we are `ip`. Tells the address when another one is believed from now on.
    /// The very first vote counts by itself: without it, those who insist on fitting ids would not talk to us.
    pub fn vote(&mut self, voter: Place, ip: IpAddr, now: Time) -> Option<IpAddr> {
        if reach(ip) != Reach::Global {
            // Ids fit any address that is not global.
            return None;
        }
        self.votes.retain(|(place, _)| *place != voter);
        if self.votes.len() >= VOTES_MAX {
            self.votes.remove(0);
        }
        self.votes.push((voter, ip));
        if self.believed == Some(ip) {
            return None;
        }
        let agreeing = self.votes.iter().filter(|(_, theirs)| *theirs == ip).count();
        let may_change = self.changed == Time::ZERO || now.since(self.changed) >= REST;
        let is_believed = match self.believed {
            None => true,
            Some(_) => may_change && agreeing >= AGREEING && 3 * agreeing > 2 * self.votes.len(),
        };
        if !is_believed {
            return None;
        }
        if self.believed.is_some() {
            self.changed = now;
        }
        self.believed = Some(ip);
        Some(ip)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn place(n: u8) -> Place {
        Place::of(std::net::SocketAddr::from(([10, 0, n, 1], 1)))
    }

    #[test]
    fn the_first_counts_and_then_it_takes_several_of_different_places() {
        let mut votes = Votes::default();
        let now = Time(1_000_000);
        assert_eq!(votes.vote(place(1), ip("192.168.1.1"), now), None);
        assert_eq!(votes.vote(place(1), ip("8.8.8.8"), now), Some(ip("8.8.8.8")));
        for _ in 0..20 {
            assert_eq!(votes.vote(place(2), ip("9.9.9.9"), now), None, "one voter, whatever it says how often");
        }
        assert_eq!(votes.vote(place(3), ip("9.9.9.9"), now), None);
        assert_eq!(votes.vote(place(4), ip("9.9.9.9"), now), None);
        assert_eq!(votes.vote(place(5), ip("9.9.9.9"), now), None);
        assert_eq!(votes.vote(place(6), ip("9.9.9.9"), now), Some(ip("9.9.9.9")));
        for n in 7..60 {
            assert_eq!(votes.vote(place(n), ip("7.7.7.7"), now + Span::secs(500)), None, "not so soon again");
        }
        assert_eq!(votes.vote(place(60), ip("7.7.7.7"), now + Span::secs(600)), Some(ip("7.7.7.7")));
        assert_eq!(votes.believed(), Some(ip("7.7.7.7")));
    }

    #[test]
    fn a_minority_changes_nothing() {
        let mut votes = Votes::new(Some(ip("8.8.8.8")));
        for n in 0..100 {
            let ip = if n % 2 == 0 { ip("8.8.8.8") } else { ip("9.9.9.9") };
            assert_eq!(votes.vote(place(n), ip, Time(1_000_000)), None);
        }
    }
}
