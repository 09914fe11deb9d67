//! Settings as the flags, the environment and the configuration file say them, read again while the program runs.

use super::Remote;
use super::gate::Gate;
use crate::base::Time;
use crate::machine::{Note, Outbox};
use crate::wire::json::{self, Value};

impl Remote {
    /// Settings as they are said now; what nobody says stays.
    pub(super) fn give(&mut self, given: &[(&'static str, Value)], now: Time, out: &mut Outbox) {
        for (name, value) in given {
            if !self.give_option(name, value) {
                self.session.give(name, value.clone());
            }
        }
        let Gate { user, password, hosts, .. } = &self.gate;
        if (&self.options.user, &self.options.password, &self.options.hosts) != (user, password, hosts) {
            let options = &self.options;
            let session_id = options.session_id.clone();
            self.gate = Gate::new(options.user.clone(), options.password.clone(), &options.hosts, session_id);
        }
        self.is_stale = true;
        out.tell(Note::UseBlocklist { is_on: self.session.switch("blocklist-enabled") });
        self.tell_limits(now, out);
        self.look_for_room(out);
    }

    /// Those that clients neither see nor set, by the names of the flags. False where it is none of them.
    fn give_option(&mut self, name: &str, value: &Value) -> bool {
        let options = &mut self.options;
        let count = || json::int(value).and_then(|count| u64::try_from(count).ok()).unwrap_or(0);
        let switch = || json::switch(value).unwrap_or(false);
        let text = || json::text(value).map(str::to_string);
        match name {
            "announce-all" => options.announce_all = switch(),
            "blocklist" => options.blocklist = text().unwrap_or_default(),
            "min-free" => options.min_free = count(),
            "no-lan-limit" => options.spares_lan = switch(),
            "prealloc" => options.prealloc = json::text(value) == Some("full"),
            "rpc-host" => {
                let hosts = json::list(value).unwrap_or_default();
                options.hosts = hosts.iter().filter_map(json::text).map(str::to_ascii_lowercase).collect();
            }
            // Without one, others could reach what only a password kept them from.
            "rpc-password" => options.password = text().or(options.password.take()),
            "rpc-user" => options.user = text().unwrap_or_default(),
            "seed-time" => options.seed_time_s = count(),
            _ => return false,
        }
        true
    }
}
