//! URLs of trackers and web seeds (RFC 3986, as far as http, https and udp need it): taken apart, checked and, for
//! redirects, resolved.
//!
//! Strict on purpose: a URL ends up in a request line and in a name look-up, so whatever could smuggle something
//! into either (control characters, spaces, odd host names) is refused, not repaired.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::base::limits;

/// What speaks behind a URL.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Scheme {
    Http,
    Https,
    /// A tracker of BEP 15.
    Udp,
}

impl Scheme {
    /// As written in a URL, lower case.
    pub fn name(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
            Scheme::Udp => "udp",
        }
    }
}

/// A checked absolute URL.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Url {
    pub scheme: Scheme,
    /// What stands before an `@`, still percent-encoded; empty where there is none.
    pub userinfo: String,
    /// A host name, an IPv4 address, or an IPv6 address without its brackets (a zone is kept).
    pub host: String,
    /// As written; never 0. See [`Url::port_or_default`].
    pub port: Option<u16>,
    /// Path, query and fragment as written. Starts with `/`.
    pub path: String,
}

/// Why a URL was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UrlError {
    /// Longer than [`limits::URL_LEN`].
    TooLong,
    /// Not an absolute URL of a scheme we speak.
    Scheme,
    /// No host, or a character that no host name has.
    Host,
    /// Not 1 to 65535, or none where the scheme has no default.
    Port,
    /// A space or a control character.
    Character,
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            UrlError::TooLong => "the URL is too long",
            UrlError::Scheme => "only http://, https:// and udp:// URLs are understood",
            UrlError::Host => {
                "the URL has no valid host name (letters, digits, `-` and `.`; write international names as xn--…)"
            }
            UrlError::Port => "the URL's port must be a number from 1 to 65535",
            UrlError::Character => "the URL contains a space or a control character",
        })
    }
}

impl std::error::Error for UrlError {}

impl Url {
    /// Takes an absolute URL apart.
    pub fn parse(text: &str) -> Result<Url, UrlError> {
        if text.len() > limits::URL_LEN {
            return Err(UrlError::TooLong);
        }
        let (scheme, rest) = text.split_once("://").ok_or(UrlError::Scheme)?;
        let scheme = match scheme {
            s if s.eq_ignore_ascii_case("http") => Scheme::Http,
            s if s.eq_ignore_ascii_case("https") => Scheme::Https,
            s if s.eq_ignore_ascii_case("udp") => Scheme::Udp,
            _ => return Err(UrlError::Scheme),
        };
        let (authority, path) = rest.split_at(authority_len(rest));
        let (userinfo, host_port) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (host, port) = host_and_port(host_port)?;
        // Readers disagree where the host starts after one of these.
        if userinfo.contains(['@', '\\']) {
            return Err(UrlError::Host);
        }
        if [userinfo, path].iter().any(|part| part.chars().any(|c| c == ' ' || c.is_control())) {
            return Err(UrlError::Character);
        }
        if scheme == Scheme::Udp && port.is_none() {
            return Err(UrlError::Port);
        }
        let slash = if path.starts_with('/') { "" } else { "/" };
        Ok(Url { scheme, userinfo: userinfo.into(), host: host.into(), port, path: format!("{slash}{path}") })
    }

    /// Whether the host is this machine by its usual name.
    pub fn is_localhost(&self) -> bool {
        self.host.trim_end_matches('.').eq_ignore_ascii_case("localhost")
    }

    /// The port to connect to.
    pub fn port_or_default(&self) -> u16 {
        self.port.unwrap_or(match self.scheme {
            Scheme::Https => 443,
            // `parse` lets no udp URL through without a port.
            Scheme::Http | Scheme::Udp => 80,
        })
    }

    /// Path and query for a request line: without the fragment, and whatever RFC 3986 does not allow there
    /// percent-encoded. Existing `%XX` stay exactly as they are.
    pub fn target(&self) -> String {
        let path = self.path.split_once('#').map_or(self.path.as_str(), |(before, _)| before);
        let mut target = String::with_capacity(path.len());
        for byte in path.bytes() {
            match byte {
                b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' => push_percent(&mut target, byte),
                0x21..=0x7e => target.push(char::from(byte)),
                _ => push_percent(&mut target, byte),
            }
        }
        target
    }

    /// The path without query and fragment.
    pub fn bare_path(&self) -> &str {
        let end = self.path.find(['?', '#']).unwrap_or(self.path.len());
        &self.path[..end]
    }

    /// The host as a `Host` header and a URL need it: IPv6 addresses in brackets.
    pub fn bracketed_host(&self) -> String {
        if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() }
    }

    /// Scheme, host and port, without userinfo, path and default port: for messages, since the rest of a tracker's
    /// URL is often a secret.
    pub fn origin(&self) -> String {
        let port = self.port.map_or(String::new(), |port| format!(":{port}"));
        format!("{}://{}{port}", self.scheme.name(), self.bracketed_host())
    }

    /// The address, where the host is one.
    pub fn ip(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// Whether both name the same server; userinfo, path and the case of the host do not count.
    pub fn same_origin(&self, other: &Url) -> bool {
        self.scheme == other.scheme
            && self.host.eq_ignore_ascii_case(&other.host)
            && self.port_or_default() == other.port_or_default()
    }
}

/// Bytes before the path, query or fragment of what follows `://`.
fn authority_len(rest: &str) -> usize {
    rest.find(['/', '?', '#']).unwrap_or(rest.len())
}

fn host_and_port(text: &str) -> Result<(&str, Option<u16>), UrlError> {
    let (host, port) = match text.strip_prefix('[') {
        Some(inner) => {
            let (host, after) = inner.split_once(']').ok_or(UrlError::Host)?;
            let (address, zone) = host.split_once('%').unwrap_or((host, ""));
            let sane = |c: char| c.is_ascii_alphanumeric() || "%-._~".contains(c);
            if address.parse::<Ipv6Addr>().is_err() || !zone.chars().all(sane) {
                return Err(UrlError::Host);
            }
            let port = if after.is_empty() { "" } else { after.strip_prefix(':').ok_or(UrlError::Host)? };
            (host, port)
        }
        None => {
            let (host, port) = text.split_once(':').unwrap_or((text, ""));
            if !is_host_name(host) {
                return Err(UrlError::Host);
            }
            (host, port)
        }
    };
    Ok((host, parse_port(port)?))
}

/// An empty port is none (RFC 3986, 3.2.3).
fn parse_port(text: &str) -> Result<Option<u16>, UrlError> {
    if text.is_empty() {
        return Ok(None);
    }
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(UrlError::Port);
    }
    text.parse().ok().filter(|&port| port != 0).map(Some).ok_or(UrlError::Port)
}

/// Whether `host` could stand in a URL: an IPv4 address, or a name of RFC 1123 (with at most one dot at its end).
/// A name whose last label is a number must be an address: resolvers read `0x7f.1` and `2130706433` as 127.0.0.1.
pub fn is_host_name(host: &str) -> bool {
    let name = host.strip_suffix('.').unwrap_or(host);
    let label = |label: &str| {
        (1..=63).contains(&label.len()) && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let last = name.rsplit('.').next().unwrap_or_default();
    let numeric = last.bytes().all(|b| b.is_ascii_digit())
        || last
            .strip_prefix("0x")
            .or(last.strip_prefix("0X"))
            .is_some_and(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
    name.len() <= 253 && name.split('.').all(label) && (!numeric || host.parse::<Ipv4Addr>().is_ok())
}

/// Whether a label of the host is an international name in its ASCII form (RFC 5890 `xn--`).
pub fn is_idna(host: &str) -> bool {
    host.split('.').any(|label| label.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("xn--")))
}

/// Scheme and authority, and the rest, of any URL; the rest is empty where there is no `://`.
pub fn split(url: &str) -> (&str, &str) {
    match url.find("://") {
        Some(at) => {
            let start = at + 3;
            url.split_at(start + authority_len(&url[start..]))
        }
        None => (url, ""),
    }
}

/// Where a redirect from `base` leads (RFC 3986, 5.2). The result is not checked; [`Url::parse`] does that.
pub fn resolve(base: &str, location: &str) -> String {
    let location = location.split_once('#').map_or(location, |(before, _)| before);
    let (origin, rest) = split(base);
    if has_scheme(location) {
        return location.into();
    }
    if location.starts_with("//") {
        let scheme = origin.split_once("//").map_or("", |(scheme, _)| scheme);
        return format!("{scheme}{location}");
    }
    let rest = rest.split_once('#').map_or(rest, |(before, _)| before);
    let path = rest.split_once('?').map_or(rest, |(before, _)| before);
    match location.bytes().next() {
        None => format!("{origin}{rest}"),
        Some(b'?') => format!("{origin}{path}{location}"),
        Some(b'/') => format!("{origin}{}", without_dots(location)),
        Some(_) => {
            let folder = path.rfind('/').map_or("/", |at| &path[..=at]);
            format!("{origin}{}", without_dots(&format!("{folder}{location}")))
        }
    }
}

/// Whether a reference starts with `scheme:`.
fn has_scheme(location: &str) -> bool {
    let Some(colon) = location.find(':') else { return false };
    let scheme = &location[..colon];
    scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
}

/// RFC 3986, 5.2.4: `.` and `..` parts of the path taken out; the query stays.
fn without_dots(path_query: &str) -> String {
    let (path, query) = path_query.split_at(path_query.find('?').unwrap_or(path_query.len()));
    let mut parts: Vec<&str> = Vec::new();
    let mut ends_in_folder = false;
    for part in path.split('/').skip(1) {
        ends_in_folder = part == "." || part == "..";
        match part {
            "." => {}
            ".." => drop(parts.pop()),
            _ => parts.push(part),
        }
    }
    let tail = if ends_in_folder && !parts.is_empty() { "/" } else { "" };
    format!("/{}{tail}{query}", parts.join("/"))
}

/// Whether a query carries arguments of an announce. A URL from outside that already does must not be fetched from
/// a tracker on a local network for another purpose.
pub fn has_announce_args(query: &str) -> bool {
    const ARGS: [&str; 9] =
        ["info_hash", "event", "port", "left", "key", "uploaded", "downloaded", "corrupt", "peer_id"];
    query.split('&').any(|arg| ARGS.contains(&arg.split_once('=').map_or(arg, |(name, _)| name)))
}

/// Everything but RFC 3986's unreserved characters as `%XX`.
pub fn percent_encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 3);
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            push_percent(&mut text, byte);
        }
    }
    text
}

fn push_percent(text: &mut String, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    text.push('%');
    text.push(char::from(DIGITS[usize::from(byte >> 4)]));
    text.push(char::from(DIGITS[usize::from(byte & 15)]));
}

/// `%XX` as bytes; a `%` that two hexadecimal digits do not follow stays as it is.
pub fn percent_decode(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let digit = |at: usize| bytes.get(at).and_then(|&b| char::from(b).to_digit(16));
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match (byte, digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                decoded.push((high * 16 + low) as u8);
                at += 3;
            }
            _ => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        let url = Url::parse("HTTPS://me:pw@Tracker.example.org:8443/a%2fb/announce?key=1#x").unwrap();
        assert_eq!((url.scheme, url.userinfo.as_str(), url.port), (Scheme::Https, "me:pw", Some(8443)));
        assert_eq!((url.host.as_str(), url.bare_path()), ("Tracker.example.org", "/a%2fb/announce"));
        assert_eq!(url.target(), "/a%2fb/announce?key=1");
        assert_eq!(url.origin(), "https://Tracker.example.org:8443");

        let url = Url::parse("http://[2001:db8::1]").unwrap();
        assert_eq!((url.host.as_str(), url.path.as_str(), url.port_or_default()), ("2001:db8::1", "/", 80));
        assert_eq!(url.bracketed_host(), "[2001:db8::1]");
        assert_eq!(Url::parse("udp://tracker.example:6969/announce").unwrap().port_or_default(), 6969);
        assert_eq!(Url::parse("https://a.example").unwrap().port_or_default(), 443);
        assert_eq!(Url::parse("http://a.example./ä{}").unwrap().target(), "/%C3%A4%7B%7D");
    }

    #[test]
    fn unsafe_urls_are_refused() {
        for (text, error) in [
            ("", UrlError::Scheme),
            ("http:/x", UrlError::Scheme),
            ("file:///etc/passwd", UrlError::Scheme),
            ("ftp://a.example/", UrlError::Scheme),
            ("http://", UrlError::Host),
            ("http:///announce", UrlError::Host),
            ("http://a..b/", UrlError::Host),
            ("http://ex\u{e4}mple.org/", UrlError::Host),
            ("http://a.example\\@b.example/", UrlError::Host),
            ("http://[::1/", UrlError::Host),
            ("http://[::1]x/", UrlError::Host),
            ("http://[127.0.0.1]/", UrlError::Host),
            ("http://2130706433/", UrlError::Host),
            ("http://0x7f.0.0.1.0x1/", UrlError::Host),
            ("http://127.1/", UrlError::Host),
            ("http://a.example:0/", UrlError::Port),
            ("http://a.example:65536/", UrlError::Port),
            ("http://a.example:+80/", UrlError::Port),
            ("http://a.example:8:0/", UrlError::Port),
            ("udp://a.example/announce", UrlError::Port),
            ("http://a.example/a b", UrlError::Character),
            ("http://a.example/\r\nX: y", UrlError::Character),
            ("http://u\n:p@a.example/", UrlError::Character),
            ("http://a.example/\u{85}", UrlError::Character),
        ] {
            assert_eq!(Url::parse(text), Err(error), "{text:?}");
        }
        let long = format!("http://a.example/{}", "x".repeat(limits::URL_LEN));
        assert_eq!(Url::parse(&long), Err(UrlError::TooLong));
    }

    #[test]
    fn redirects_are_resolved() {
        let base = "http://u:p@a.example:8/b/c/d?q=1/2#f";
        for (location, expected) in [
            ("g", "http://u:p@a.example:8/b/c/g"),
            ("./g", "http://u:p@a.example:8/b/c/g"),
            ("../g?x=../y", "http://u:p@a.example:8/b/g?x=../y"),
            ("../../../../g", "http://u:p@a.example:8/g"),
            ("..", "http://u:p@a.example:8/b/"),
            ("/", "http://u:p@a.example:8/"),
            ("?z", "http://u:p@a.example:8/b/c/d?z"),
            ("", "http://u:p@a.example:8/b/c/d?q=1/2"),
            ("//b.example/x", "http://b.example/x"),
            ("https://b.example/x#f", "https://b.example/x"),
            ("file:/etc/passwd", "file:/etc/passwd"),
        ] {
            assert_eq!(resolve(base, location), expected, "{location}");
        }
        assert_eq!(resolve("http://a.example?q", "x"), "http://a.example/x");
    }

    #[test]
    fn percent_encoding_goes_both_ways() {
        let all: Vec<u8> = (0..=255).collect();
        let text = percent_encode(&all);
        assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~%".contains(&b)));
        assert_eq!(percent_decode(&text), all);
        assert_eq!(percent_encode(b"\x12\xab ~a"), "%12%AB%20~a");
        assert_eq!(percent_decode("%4%zz%41%"), b"%4%zzA%");
    }
}
