//! HTTP/1.1 as a client of web seeds speaks it (RFC 9110, 9112): requests for a range of a file, and the heads of what
//! is answered. Bodies are taken by whoever asked, with [`super::http::Chunked`] where they are chunked.

use std::ops::Range;

use super::authorization::base64;
use super::http::room;
use super::http_reply::content_range;
use super::url::{Scheme, Url, percent_decode};

/// Bytes of the head of a reply.
pub const HEAD_LEN: usize = 16 * 1024;
/// Interim replies (1xx) before the one that counts.
pub const INTERIM_MAX: u32 = 8;

/// A GET for these bytes of what the URL names; never an empty range.
pub fn range_request(url: &Url, range: &Range<u64>) -> Vec<u8> {
    let target = url.target();
    // A zone means something on this machine only.
    let host = url.bracketed_host();
    let host = host.split_once('%').map_or(host.clone(), |(address, _)| format!("{address}]"));
    let default = if url.scheme == Scheme::Https { 443 } else { 80 };
    let port = url.port.filter(|port| *port != default).map_or(String::new(), |port| format!(":{port}"));
    let authorization = match url.userinfo.is_empty() {
        true => String::new(),
        false => format!("Authorization: Basic {}\r\n", base64(&percent_decode(&url.userinfo))),
    };
    let (first, last) = (range.start, range.end.saturating_sub(1));
    let version = env!("CARGO_PKG_VERSION");
    format!(
        "GET {target} HTTP/1.1\r\nHost: {host}{port}\r\nUser-Agent: peerlink/{version}\r\nAccept: */*\r\n\
         Accept-Encoding: identity\r\n{authorization}Range: bytes={first}-{last}\r\n\r\n"
    )
    .into_bytes()
}

/// Where a body ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Extent {
    /// After so many bytes.
    Length(u64),
    Chunked,
    /// With the connection.
    ToEnd,
}

/// What `Content-Range` says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Given {
    pub first: u64,
    /// The last byte, which is given too.
    pub last: u64,
    /// Length of the whole; None where it is not told.
    pub total: Option<u64>,
}

/// The head of a reply.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReplyHead {
    pub status: u16,
    pub extent: Extent,
    pub given: Option<Given>,
    pub location: Option<String>,
    /// `Retry-After` in seconds; a date counts as not said.
    pub retry_after_s: Option<u64>,
    /// The connection may be used again.
    pub keeps: bool,
    /// The body is compressed, which nobody asked for.
    pub is_encoded: bool,
}

impl ReplyHead {
    /// Reads the bytes that [`super::http::head_len`] found. None where they are no proper head of HTTP/1.
    pub fn parse(bytes: &[u8]) -> Option<ReplyHead> {
        let mut fields = room();
        let mut parsed = httparse::Response::new(&mut fields);
        let Ok(httparse::Status::Complete(_)) = parsed.parse(bytes) else { return None };
        let (status, version) = (parsed.code?, parsed.version?);
        let fields: &[httparse::Header<'_>] = parsed.headers;
        let values = |name: &'static str| {
            let named = fields.iter().filter(move |field| field.name.eq_ignore_ascii_case(name));
            named.map(|field| std::str::from_utf8(field.value).map(str::trim).ok())
        };
        let one = |name| values(name).next().flatten();
        let says = |name, word: &str| {
            values(name)
                .flatten()
                .flat_map(|value| value.split(','))
                .any(|said| said.trim().eq_ignore_ascii_case(word))
        };
        let is_alone = values("content-range").count() == 1;
        let given = one("content-range").and_then(given).filter(|_| is_alone);
        if status == 206 && given.is_none() && values("content-range").next().is_some() {
            return None;
        }
        let keeps = if version == 0 { says("connection", "keep-alive") } else { !says("connection", "close") };
        Some(ReplyHead {
            status,
            extent: extent(status, values("content-length"), values("transfer-encoding"))?,
            given,
            location: one("location").map(str::to_owned),
            retry_after_s: one("retry-after").and_then(|value| value.parse().ok()),
            keeps,
            is_encoded: values("content-encoding").any(|value| value.is_none_or(|value| value != "identity")),
        })
    }
}

/// Two lengths, or a length and chunks, are refused: readers would not agree where the next reply begins.
fn extent<'a>(
    status: u16,
    lengths: impl Iterator<Item = Option<&'a str>>,
    mut codings: impl Iterator<Item = Option<&'a str>>,
) -> Option<Extent> {
    let mut length = None;
    for value in lengths {
        let value = value.filter(|value| !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()))?;
        let value: u64 = value.parse().ok()?;
        if length.is_some_and(|before| before != value) {
            return None;
        }
        length = Some(value);
    }
    match (codings.next(), codings.next(), length) {
        (None, None, _) if matches!(status, 100..=199 | 204 | 304) => Some(Extent::Length(0)),
        (None, None, Some(length)) => Some(Extent::Length(length)),
        (None, None, None) => Some(Extent::ToEnd),
        (Some(Some(coding)), None, None) if coding.eq_ignore_ascii_case("chunked") => Some(Extent::Chunked),
        _ => None,
    }
}

/// `bytes 0-499/1234`, or `/*` for a length that is not told.
fn given(value: &str) -> Option<Given> {
    let (first, last) = content_range(value)?;
    let total = match value.split_once('/').map(|(_, total)| total.trim()) {
        None | Some("*") => None,
        Some(total) => Some(total.parse().ok().filter(|total| *total > last)?),
    };
    Some(Given { first, last, total })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(url: &str, range: Range<u64>) -> String {
        String::from_utf8(range_request(&Url::parse(url).unwrap(), &range)).unwrap()
    }

    fn head(text: &str) -> Option<ReplyHead> {
        ReplyHead::parse(format!("HTTP/1.1 {}\r\n\r\n", text.replace('|', "\r\n")).as_bytes())
    }

    #[test]
    fn requests_name_the_host_the_target_and_the_range() {
        let asked = request("http://Me:p%40w@h.example:8080/a b/c".replace(' ', "%20").as_str(), 5..10);
        assert!(asked.starts_with("GET /a%20b/c HTTP/1.1\r\nHost: h.example:8080\r\n"), "{asked}");
        assert!(asked.contains("\r\nRange: bytes=5-9\r\n") && asked.ends_with("\r\n\r\n"));
        assert!(asked.contains("\r\nAuthorization: Basic TWU6cEB3\r\n"), "{asked}");
        assert!(request("https://h.example:443/", 0..1).contains("\r\nHost: h.example\r\n"));
        assert!(request("http://h.example:443/", 0..1).contains("\r\nHost: h.example:443\r\n"));
        assert!(request("http://[fe80::1%25eth0]:81/", 0..1).contains("\r\nHost: [fe80::1]:81\r\n"));
    }

    #[test]
    fn heads_are_read() {
        let read = head("206 Partial Content|content-LENGTH: 5|Content-Range: bytes 5-9/100|Retry-After: 7").unwrap();
        assert_eq!((read.status, read.extent, read.keeps), (206, Extent::Length(5), true));
        assert_eq!(read.given, Some(Given { first: 5, last: 9, total: Some(100) }));
        assert_eq!((read.retry_after_s, read.is_encoded), (Some(7), false));
        let read = head("302 Found|Location: /x|Connection: Keep-Alive, Close").unwrap();
        assert_eq!((read.location.as_deref(), read.keeps, read.extent), (Some("/x"), false, Extent::ToEnd));
        assert_eq!(head("200 OK|Transfer-Encoding: Chunked").unwrap().extent, Extent::Chunked);
        assert!(head("200 OK|Content-Encoding: gzip").unwrap().is_encoded);
        assert_eq!(head("206 x|Content-Range: bytes 0-0/*").unwrap().given.unwrap().total, None);
        let old = ReplyHead::parse(b"HTTP/1.0 200 OK\r\n\r\n").unwrap();
        assert!(!old.keeps);
    }

    #[test]
    fn heads_that_two_readers_would_read_differently_are_refused() {
        for bad in [
            "206 x|Content-Range: bytes 5-4/9",
            "206 x|Content-Range: bytes 0-9/9",
            "206 x|Content-Range: bytes 0-1/9|Content-Range: bytes 1-2/9",
            "200 x|Content-Length: 1|Content-Length: 2",
            "200 x|Content-Length: +1",
            "200 x|Content-Length: 99999999999999999999",
            "200 x|Content-Length: 1|Transfer-Encoding: chunked",
            "200 x|Transfer-Encoding: gzip",
            "200 x|Transfer-Encoding: chunked|Transfer-Encoding: chunked",
            "x",
        ] {
            assert_eq!(head(bad), None, "{bad}");
        }
        assert_eq!(ReplyHead::parse(b"ICY 200 OK\r\n\r\n"), None);
    }
}
