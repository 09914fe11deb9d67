//! How many connections there are to each web server, of all torrents together: few, so that nobody's server has to
//! stand all of them at once.

use std::collections::BTreeMap;

/// Connections by host name.
#[derive(Debug)]
pub struct Hosts {
    counts: BTreeMap<String, usize>,
    max: usize,
}

impl Hosts {
    /// At most `max` to each.
    pub fn new(max: usize) -> Hosts {
        Hosts { counts: BTreeMap::new(), max }
    }

    /// One more connection to this host; false where it has all it may.
    pub fn take(&mut self, host: &str) -> bool {
        let count = self.counts.entry(host.to_ascii_lowercase()).or_default();
        let has_room = *count < self.max;
        *count += usize::from(has_room);
        has_room
    }

    /// One less.
    pub fn give_back(&mut self, host: &str) {
        let host = host.to_ascii_lowercase();
        if let Some(count) = self.counts.get_mut(&host) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.counts.remove(&host);
            }
        }
    }

    /// Nobody has a connection to any host.
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_so_many_connections_whatever_its_case() {
        let mut hosts = Hosts::new(2);
        assert!(hosts.take("a.example") && hosts.take("A.example") && hosts.take("b.example"));
        assert!(!hosts.take("a.EXAMPLE"));
        hosts.give_back("A.example");
        assert!(hosts.take("a.example") && !hosts.take("a.example"));
        for host in ["a.example", "a.example", "b.example"] {
            hosts.give_back(host);
        }
        assert!(hosts.is_empty());
    }
}
