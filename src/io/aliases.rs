//! Names that only a proxy looks up: to the machines each is an address that nobody else has, and when it is dialled, the
//! proxy is given the name.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::wire::socks::{NAME_LEN, Target};

/// Where these addresses are (RFC 3849): nobody has one of them, and none is on a network near us, so that a name is
/// trusted no more than a stranger's address.
const PREFIX: [u16; 4] = [0x2001, 0x0db8, 0x706c, 0x6b21];
/// Names of one run: peers and servers that a person named, hardly more.
const NAMES_MAX: usize = 4096;

/// The names, each with its number.
#[derive(Default, Debug)]
pub struct Aliases {
    names: Vec<String>,
    numbers: BTreeMap<String, u32>,
}

impl Aliases {
    /// The address that stands for a name; of an address, itself.
    ///
    /// # Errors
    /// There are too many, or it is no name.
    pub fn of(&mut self, host: &str, port: u16) -> Result<SocketAddr, String> {
        if let Ok(ip) = host.parse() {
            return Ok(SocketAddr::new(ip, port));
        }
        if host.trim_end_matches('.').eq_ignore_ascii_case("localhost") {
            // The proxy's own machine, which nobody far away may name.
            return Ok(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port));
        }
        if host.is_empty() || host.len() > NAME_LEN {
            return Err(format!("{host}: no name of a host"));
        }
        let number = match self.numbers.get(host) {
            Some(number) => *number,
            None if self.names.len() >= NAMES_MAX => return Err(format!("{host}: too many names for a proxy")),
            None => {
                let number = self.names.len() as u32;
                self.names.push(host.to_string());
                self.numbers.insert(host.to_string(), number);
                number
            }
        };
        let [a, b, c, d] = PREFIX;
        let ip = Ipv6Addr::new(a, b, c, d, 0, 0, (number >> 16) as u16, number as u16);
        Ok(SocketAddr::new(ip.into(), port))
    }

    /// What a proxy is told of an address.
    pub fn target(&self, address: SocketAddr) -> Target {
        let number = match address.ip() {
            IpAddr::V6(ip) if ip.segments()[..4] == PREFIX => u128::from(ip) as u32,
            _ => return Target::Address(address),
        };
        match self.names.get(number as usize) {
            Some(name) => Target::Host(name.clone(), address.port()),
            None => Target::Address(address),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::address::{Reach, reach};

    #[test]
    fn a_name_has_one_address_and_the_address_its_name() {
        let mut aliases = Aliases::default();
        let first = aliases.of("box.example", 1).unwrap();
        let second = aliases.of("other.example", 2).unwrap();
        assert_ne!(first.ip(), second.ip());
        assert_eq!(aliases.of("box.example", 3).unwrap().ip(), first.ip());
        assert_eq!(aliases.target(second), Target::Host("other.example".into(), 2));
        for literal in ["192.0.2.1:5", "[2001:db8::1]:5"] {
            let address: SocketAddr = literal.parse().unwrap();
            assert_eq!(aliases.of(&address.ip().to_string(), 5), Ok(address));
            assert_eq!(aliases.target(address), Target::Address(address));
        }
        assert_eq!(reach(first.ip()), Reach::Global);
        assert_eq!(aliases.of("Localhost.", 5), Ok(SocketAddr::from(([127, 0, 0, 1], 5))));
        (0..NAMES_MAX).for_each(|number| _ = aliases.of(&format!("{number}.example"), 1));
        assert!(aliases.of("one-more.example", 1).is_err());
        assert!(aliases.of("", 1).is_err() && aliases.of(&"x".repeat(256), 1).is_err());
    }
}
