//! SSDP (UPnP Device Architecture 1.1, section 1.3): the question for internet gateways on the local network, and the
//! answers that say where their descriptions are.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Bytes of an answer that are looked at.
pub const LEN_MAX: usize = 2048;
/// Bytes of the URL of a description.
pub const LOCATION_LEN: usize = 512;
/// Where devices listen.
pub const PORT: u16 = 1900;

/// What is searched for: gateways of both versions. Those of the second answer to the first, or should.
pub const TARGETS: [&str; 2] =
    ["urn:schemas-upnp-org:device:InternetGatewayDevice:1", "urn:schemas-upnp-org:device:InternetGatewayDevice:2"];

/// The group of all devices.
pub fn group() -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(239, 255, 255, 250)), PORT)
}

/// The question for a target, to the group or to one device. Devices answer the group within a second.
pub fn search(target: &str, to: SocketAddr) -> Vec<u8> {
    let wait = if to.ip().is_multicast() { "MX: 1\r\n" } else { "" };
    let text = format!("M-SEARCH * HTTP/1.1\r\nHOST: {to}\r\nMAN: \"ssdp:discover\"\r\n{wait}ST: {target}\r\n\r\n");
    text.into_bytes()
}

/// Where the description of a gateway is. None for every other answer.
pub fn location(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes.get(..bytes.len().min(LEN_MAX))?).ok()?;
    let mut lines = text.split("\r\n");
    let status = lines.next()?;
    let mut words = status.split(' ');
    words.next().filter(|version| version.starts_with("HTTP/1."))?;
    words.next().filter(|code| *code == "200")?;
    let (mut location, mut is_gateway) = (None, false);
    for line in lines.take_while(|line| !line.is_empty()) {
        let Some((name, value)) = line.split_once(':') else { continue };
        let value = value.trim();
        match name.trim().to_ascii_lowercase().as_str() {
            "location" => location = Some(value),
            "st" => is_gateway = TARGETS.contains(&value),
            _ => {}
        }
    }
    location.filter(|location| is_gateway && location.len() <= LOCATION_LEN).map(str::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_question_looks_as_devices_expect() {
        let text = String::from_utf8(search(TARGETS[0], group())).unwrap();
        assert_eq!(
            text,
            "M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: \"ssdp:discover\"\r\nMX: 1\r\n\
             ST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n\r\n"
        );
        assert!(!search(TARGETS[0], "192.168.1.1:1900".parse().unwrap()).windows(3).any(|part| part == b"MX:"));
    }

    #[test]
    fn only_answers_of_gateways_count() {
        let good = format!(
            "HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=120\r\nst: {}\r\nEXT:\r\nLOCATION:  http://192.168.1.1:5000/d.xml \
             \r\n\r\n",
            TARGETS[1]
        );
        assert_eq!(location(good.as_bytes()).as_deref(), Some("http://192.168.1.1:5000/d.xml"));
        for bad in [
            good.replace("200", "404"),
            good.replace("InternetGateway", "MediaServer"),
            good.replace("LOCATION", "X"),
            good.replace("HTTP/1.1 200 OK", "NOTIFY * HTTP/1.1"),
            good.replace("/d.xml", &"x".repeat(LOCATION_LEN)),
            String::new(),
        ] {
            assert_eq!(location(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(location(&[0xff; 100]), None);
    }
}
