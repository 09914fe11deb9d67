//! What is said of the gateway between the local network and the internet.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use crate::base::Span;
use crate::base::address::{Reach, reach};

/// How the local network leads out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Network {
    pub gateway: Ipv4Addr,
    /// Our address there, from which the gateway is asked.
    pub local: Ipv4Addr,
}

/// An HTTP request to the gateway's own web server. No name is looked up for it, and no redirect is followed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Control {
    /// With an address for its host.
    pub url: String,
    /// Value of the `SOAPAction` field, and the body; a GET where None.
    pub action: Option<(String, String)>,
    /// A longer body is an error.
    pub len_max: usize,
    pub timeout: Span,
}

/// How a gateway opens ports.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    Pcp,
    NatPmp,
    Upnp,
}

impl Way {
    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Way::Pcp => "PCP",
            Way::NatPmp => "NAT-PMP",
            Way::Upnp => "UPnP",
        }
    }
}

/// Our port is open at the gateway.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mapped {
    pub way: Way,
    /// The gateway's TCP port that leads to ours.
    pub port: u16,
    /// The gateway's own address, if it says one.
    pub ip: Option<IpAddr>,
}

impl Mapped {
    /// Whether the gateway is on the internet itself: behind another one, an open port is open to that one's network.
    pub fn is_for_all(&self) -> bool {
        self.ip.is_none_or(|ip| reach(ip) == Reach::Global)
    }
}

impl fmt::Display for Mapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "port {} is open at the gateway ({})", self.port, self.way.name())?;
        match self.ip {
            Some(ip) if !self.is_for_all() => write!(f, ", whose address {ip} is itself behind another gateway"),
            Some(ip) => write!(f, ", whose address is {ip}"),
            None => Ok(()),
        }
    }
}
