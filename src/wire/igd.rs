//! UPnP internet gateways (WANIPConnection:1 and :2, WANPPPConnection:1): where a description says that a port can be
//! opened, the calls that do it, and what comes back.

use std::net::Ipv4Addr;

use super::natpmp::Transport;
use super::xml::{Part, Parts, plain, quoted};

/// Bytes of a description; real ones have 3 to 15 thousand.
pub const DESCRIPTION_LEN: usize = 64 * 1024;
/// Bytes of an answer to a call.
pub const ANSWER_LEN: usize = 16 * 1024;
/// Bytes of a path or URL in a description.
const URL_LEN: usize = 512;
/// Services looked at: a gateway with several ways out has one for each.
pub const SERVICES_MAX: usize = 4;

/// Services that open ports, the best first.
const KINDS: [&str; 3] = [
    "urn:schemas-upnp-org:service:WANIPConnection:2",
    "urn:schemas-upnp-org:service:WANIPConnection:1",
    "urn:schemas-upnp-org:service:WANPPPConnection:1",
];

/// A service only takes mappings without an end (error 725).
pub const ONLY_PERMANENT: u16 = 725;
/// The port is somebody else's (error 718), or two of them must be the same (724).
pub const CONFLICT: u16 = 718;
pub const SAME_PORTS: u16 = 724;

/// A service that opens ports.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Service {
    /// Its place in a list of known ones, so that nothing of a description gets into a call.
    kind: u8,
    /// Where it is called, as written: a path or a whole URL.
    pub control: String,
}

/// The services of a description that open ports, the best first, and what its URLs are relative to, if that is not
/// where it is itself.
pub fn services(text: &str) -> (Vec<Service>, Option<String>) {
    let (mut services, mut base) = (Vec::new(), None);
    let (mut kind, mut control, mut within) = (None, None, "");
    for part in Parts::new(text) {
        match part {
            Part::Begin(name) => {
                within = name;
                if name == "service" {
                    (kind, control) = (None, None);
                }
            }
            Part::Text(text) => match within {
                "URLBase" if text.len() <= URL_LEN => base = Some(plain(text)),
                "serviceType" => kind = KINDS.iter().position(|known| *known == text.trim()),
                "controlURL" if text.len() <= URL_LEN => control = Some(plain(text)),
                _ => {}
            },
            Part::End(name) => {
                within = "";
                if name == "service"
                    && let (Some(kind), Some(control)) = (kind.take(), control.take())
                    && services.len() < SERVICES_MAX
                {
                    services.push(Service { kind: kind as u8, control });
                }
            }
        }
    }
    services.sort_by_key(|service| service.kind);
    (services, base)
}

/// A mapping at a gateway.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mapping {
    pub transport: Transport,
    pub external: u16,
    pub internal: u16,
    /// Our address in the local network.
    pub client: Ipv4Addr,
    /// 0: it has no end.
    pub lease_s: u32,
}

/// What is called.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    ExternalAddress,
    Add(Mapping),
    Look(Transport, u16),
    Delete(Transport, u16),
}

impl Service {
    /// The value of the `SOAPAction` field, and the body.
    pub fn call(&self, action: &Action) -> (String, String) {
        let kind = KINDS.get(usize::from(self.kind)).copied().unwrap_or(KINDS[1]);
        let port = |transport: Transport, external: u16| {
            vec![
                ("NewRemoteHost", String::new()),
                ("NewExternalPort", external.to_string()),
                ("NewProtocol", transport.name().to_string()),
            ]
        };
        let (name, arguments) = match action {
            Action::ExternalAddress => ("GetExternalIPAddress", Vec::new()),
            Action::Look(transport, external) => ("GetSpecificPortMappingEntry", port(*transport, *external)),
            Action::Delete(transport, external) => ("DeletePortMapping", port(*transport, *external)),
            Action::Add(mapping) => {
                let mut arguments = port(mapping.transport, mapping.external);
                arguments.extend([
                    ("NewInternalPort", mapping.internal.to_string()),
                    ("NewInternalClient", mapping.client.to_string()),
                    ("NewEnabled", "1".to_string()),
                    ("NewPortMappingDescription", "peerlink".to_string()),
                    ("NewLeaseDuration", mapping.lease_s.to_string()),
                ]);
                ("AddPortMapping", arguments)
            }
        };
        let mut inside = String::new();
        for (name, value) in arguments {
            inside += &format!("<{name}>{}</{name}>", quoted(&value));
        }
        let body = format!(
            "<?xml version=\"1.0\"?>\r\n<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\" \
             s:encodingStyle=\"http://schemas.xmlsoap.org/soap/encoding/\"><s:Body><u:{name} xmlns:u=\"{kind}\">{inside}\
             </u:{name}></s:Body></s:Envelope>\r\n"
        );
        (format!("\"{kind}#{name}\""), body)
    }
}

/// What a call brought.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Answer {
    /// An error of UPnP: nothing was done.
    pub error: Option<u16>,
    pub external: Option<Ipv4Addr>,
    /// Whose a mapping is.
    pub client: Option<Ipv4Addr>,
    pub port: Option<u16>,
}

impl Answer {
    pub fn read(text: &str) -> Answer {
        let mut answer = Answer::default();
        let mut within = "";
        for part in Parts::new(text) {
            match part {
                Part::Begin(name) => within = name,
                Part::End(_) => within = "",
                Part::Text(text) => {
                    let text = text.trim();
                    match within {
                        "errorCode" => answer.error = text.parse().ok(),
                        "NewExternalIPAddress" => answer.external = text.parse().ok(),
                        "NewInternalClient" => answer.client = text.parse().ok(),
                        "NewInternalPort" => answer.port = text.parse().ok(),
                        _ => {}
                    }
                }
            }
        }
        answer
    }
}

/// A refusal for people.
pub fn refusal(error: u16) -> &'static str {
    match error {
        606 => "it is set not to",
        CONFLICT => "the port is somebody else's",
        728 => "its table is full",
        _ => "it does not say why",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DESCRIPTION: &str = r#"<?xml version="1.0"?>
<root xmlns="urn:schemas-upnp-org:device-1-0"><URLBase>http://192.168.1.1:5000</URLBase><device>
<serviceList><service><serviceType>urn:schemas-upnp-org:service:Layer3Forwarding:1</serviceType>
<controlURL>/l3</controlURL></service></serviceList><deviceList><device><deviceList><device><serviceList>
<service><serviceType>urn:schemas-upnp-org:service:WANPPPConnection:1</serviceType><controlURL>/ppp</controlURL></service>
<service><SCPDURL>/x.xml</SCPDURL><serviceType> urn:schemas-upnp-org:service:WANIPConnection:1 </serviceType>
<controlURL>/ctl?a=1&amp;b=2</controlURL><eventSubURL/></service>
</serviceList></device></deviceList></device></deviceList></device></root>"#;

    #[test]
    fn services_are_found_wherever_they_are_and_the_best_comes_first() {
        let (services, base) = services(DESCRIPTION);
        assert_eq!(base.as_deref(), Some("http://192.168.1.1:5000"));
        let found: Vec<&str> = services.iter().map(|service| service.control.as_str()).collect();
        assert_eq!(found, ["/ctl?a=1&b=2", "/ppp"]);
        let many = "<service><serviceType>urn:schemas-upnp-org:service:WANIPConnection:1</serviceType><controlURL>/\
                    </controlURL></service>";
        assert_eq!(super::services(&many.repeat(100)).0.len(), SERVICES_MAX);
        for nothing in ["", "<service>", "<serviceType>x</serviceType>", &many.replace("WANIP", "LAN")] {
            assert!(super::services(nothing).0.is_empty(), "{nothing}");
        }
    }

    #[test]
    fn a_call_names_the_service_and_what_is_wanted() {
        let service = &services(DESCRIPTION).0[0];
        let client = Ipv4Addr::new(192, 168, 1, 9);
        let mapping = Mapping { transport: Transport::Tcp, external: 6881, internal: 6882, client, lease_s: 3600 };
        let (action, body) = service.call(&Action::Add(mapping));
        assert_eq!(action, "\"urn:schemas-upnp-org:service:WANIPConnection:1#AddPortMapping\"");
        assert!(body.contains(
            "<NewRemoteHost></NewRemoteHost><NewExternalPort>6881</NewExternalPort><NewProtocol>TCP</NewProtocol>\
             <NewInternalPort>6882</NewInternalPort><NewInternalClient>192.168.1.9</NewInternalClient>\
             <NewEnabled>1</NewEnabled><NewPortMappingDescription>peerlink</NewPortMappingDescription>\
             <NewLeaseDuration>3600</NewLeaseDuration>"
        ));
        assert!(
            service.call(&Action::Delete(Transport::Udp, 5)).1.contains("<NewProtocol>UDP</NewProtocol></u:Delete")
        );
    }

    #[test]
    fn answers_tell_what_was_asked_or_why_not() {
        let read = |inside: &str| Answer::read(&format!("<s:Envelope><s:Body>{inside}</s:Body></s:Envelope>"));
        let ip = "<u:X><NewExternalIPAddress>203.0.113.7</NewExternalIPAddress></u:X>";
        assert_eq!(read(ip).external, Some(Ipv4Addr::new(203, 0, 113, 7)));
        assert_eq!(read(&ip.replace("203.0.113.7", "x")).external, None);
        let fault = "<s:Fault><detail><UPnPError><errorCode>725</errorCode></UPnPError></detail></s:Fault>";
        assert_eq!(read(fault).error, Some(ONLY_PERMANENT));
        let entry = "<NewInternalPort>7</NewInternalPort><NewInternalClient>10.0.0.1</NewInternalClient>";
        assert_eq!((read(entry).port, read(entry).client), (Some(7), Some(Ipv4Addr::new(10, 0, 0, 1))));
        assert_eq!(Answer::read(""), Answer::default());
    }
}
