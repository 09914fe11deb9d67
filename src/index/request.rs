//! What a request to the index is about: its path, the host it was sent to, whether another site's page sent it.

use std::net::Ipv4Addr;

use crate::base::InfoHash;
use crate::base::address::{Reach, reach};
use crate::wire::http::{Head, Request};

/// Longest name of a host with a port that is believed.
const HOST_LEN: usize = 260;

/// A path of the index.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// `/`.
    Page,
    /// `/torrents`.
    Torrents,
    /// `/torrents/<info hash>`, with `.torrent` or without; None where it is no info hash.
    Torrent(Option<InfoHash>),
    /// A file of the page.
    Asset(Asset),
}

/// A file of the page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Asset {
    Style,
    Script,
}

impl Place {
    pub fn of(path: &str) -> Option<Place> {
        match path {
            "/" => Some(Place::Page),
            "/torrents" | "/torrents/" => Some(Place::Torrents),
            "/page.css" => Some(Place::Asset(Asset::Style)),
            "/page.js" => Some(Place::Asset(Asset::Script)),
            _ => {
                let name = path.strip_prefix("/torrents/")?;
                Some(Place::Torrent(InfoHash::from_hex(name.strip_suffix(".torrent").unwrap_or(name))))
            }
        }
    }

    /// For `Allow`.
    pub fn methods(self) -> &'static str {
        match self {
            Place::Page | Place::Asset(_) => "GET, HEAD",
            Place::Torrents => "GET, HEAD, POST",
            Place::Torrent(_) => "GET, HEAD, DELETE",
        }
    }
}

/// A browser asks.
pub fn asks_for_html(head: &Head<'_>) -> bool {
    head.field("accept").is_some_and(|accept| accept.to_ascii_lowercase().contains("text/html"))
}

/// A page of another site makes the browser send this (Fetch standard; RFC 6454): programs send neither field.
pub fn is_foreign(head: &Head<'_>) -> bool {
    let from_other = head.field("origin").is_some_and(|origin| {
        let host = origin.split_once("://").map(|(_, host)| host);
        !matches!((host, head.field("host")), (Some(origin), Some(host)) if origin.eq_ignore_ascii_case(host))
    });
    let is_cross = |site: &str| !matches!(site, "same-origin" | "none");
    from_other || head.field("sec-fetch-site").is_some_and(is_cross)
}

/// Another site may have made its own name stand for our address for a moment (DNS rebinding), so that its page counts
/// as ours: a browser of this machine or network that came by a name which the DNS of the internet could hold. What
/// anybody near may do is not done for it.
pub fn may_be_rebound(request: &Request<'_>) -> bool {
    let head = &request.head;
    let is_near = reach(request.remote.ip()) <= Reach::Private;
    is_near && head.field("origin").is_some() && !head.field("host").is_some_and(is_local)
}

/// An address, or a name that only this machine or network gives (RFC 6762, 6761, 8375, and what routers use).
fn is_local(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    let is_address = name.starts_with('[') || name.parse::<Ipv4Addr>().is_ok();
    let last = name.rsplit('.').next().unwrap_or_default();
    let is_of_here = ["localhost", "local", "lan", "home", "internal", "localdomain", "box"].contains(&last);
    is_address || is_of_here || !name.contains('.') || name.ends_with(".home.arpa")
}

/// The name under which the server was reached; it goes into links, so it must look like one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Host {
    /// With a port where one was named.
    pub text: String,
    pub is_https: bool,
}

impl Host {
    /// The tracker's URL over HTTP.
    pub fn announce(&self) -> String {
        let scheme = if self.is_https { "https" } else { "http" };
        format!("{scheme}://{}/announce", self.text)
    }

    /// Over UDP; None where a proxy stands before the server, which passes no UDP on.
    pub fn announce_udp(&self) -> Option<String> {
        let has_port = self.text.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        (has_port && !self.is_https).then(|| format!("udp://{}/announce", self.text))
    }
}

/// The host of a request; None for what is none.
pub fn host(head: &Head<'_>) -> Option<Host> {
    let text = head.field("host")?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
    let is_good = !text.is_empty() && text.len() <= HOST_LEN && text.bytes().all(is_plain);
    let is_https = head.field("x-forwarded-proto").is_some_and(|scheme| scheme.eq_ignore_ascii_case("https"));
    is_good.then(|| Host { text: text.to_string(), is_https })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::http;

    fn with<R>(fields: &str, look: impl FnOnce(&Head<'_>) -> R) -> R {
        let text = format!("POST / HTTP/1.1\r\n{fields}\r\n");
        let mut room = http::room();
        look(&Head::parse(text.as_bytes(), &mut room).unwrap())
    }

    #[test]
    fn paths() {
        let hash = InfoHash([0xab; 20]);
        assert_eq!(Place::of(&format!("/torrents/{hash}")), Some(Place::Torrent(Some(hash))));
        assert_eq!(Place::of(&format!("/torrents/{hash}.torrent")), Some(Place::Torrent(Some(hash))));
        assert_eq!(Place::of("/torrents/../x"), Some(Place::Torrent(None)));
        assert_eq!(Place::of("/torrents"), Some(Place::Torrents));
        assert_eq!((Place::of("/stats"), Place::of("/page.cs")), (None, None));
    }

    #[test]
    fn pages_of_other_sites_are_recognised() {
        for (fields, expected) in [
            ("Host: a:9000\r\n", false),
            ("Host: a:9000\r\nOrigin: http://A:9000\r\nSec-Fetch-Site: same-origin\r\n", false),
            ("Host: a\r\nOrigin: https://a\r\n", false),
            ("Host: a:9000\r\nOrigin: http://a\r\n", true),
            ("Host: a:9000\r\nOrigin: http://b:9000\r\n", true),
            ("Host: a:9000\r\nOrigin: null\r\n", true),
            ("Host: a:9000\r\nSec-Fetch-Site: cross-site\r\n", true),
            ("Host: a:9000\r\nSec-Fetch-Site: same-site\r\n", true),
            ("Host: a:9000\r\nSec-Fetch-Site: none\r\n", false),
        ] {
            assert_eq!(with(fields, is_foreign), expected, "{fields}");
        }
    }

    #[test]
    fn names_of_the_internet_are_not_believed_of_neighbours() {
        let names =
            ["box", "box.lan:9000", "box.home.arpa", "10.0.0.1:9000", "[::1]:9000", "[fe80::1]", "localhost:1"];
        for (host, origin, remote, expected) in
            names.map(|name| (name, true, "10.0.0.7:1", false)).into_iter().chain([
                ("evil.example:9000", true, "10.0.0.7:1", true),
                ("evil.example.", true, "[fe80::7]:1", true),
                ("10.0.0.1.evil.example", true, "127.0.0.1:1", true),
                ("evil.example:9000", false, "10.0.0.7:1", false),
                ("share.example", true, "192.0.2.7:1", false),
            ])
        {
            let origin = if origin { format!("Origin: http://{host}\r\n") } else { String::new() };
            let is_rebound = |head: &Head<'_>| {
                may_be_rebound(&Request { head: *head, body: &[], remote: remote.parse().unwrap() })
            };
            assert_eq!(with(&format!("Host: {host}\r\n{origin}"), is_rebound), expected, "{host} from {remote}");
        }
    }

    #[test]
    fn hosts_look_like_hosts() {
        let of = |fields: &str| with(fields, host);
        let plain = of("Host: [::1]:9000\r\n").unwrap();
        assert_eq!(plain.announce(), "http://[::1]:9000/announce");
        assert_eq!(plain.announce_udp().as_deref(), Some("udp://[::1]:9000/announce"));
        let proxied = of("Host: a.example\r\nX-Forwarded-Proto: https\r\n").unwrap();
        assert_eq!((proxied.announce().as_str(), proxied.announce_udp()), ("https://a.example/announce", None));
        assert_eq!(of("Host: a\"><b\r\n"), None);
        assert_eq!(of("Host:\r\n"), None);
    }
}
