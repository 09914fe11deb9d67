//! HTTP/1.1 as a server reads and writes it (RFC 9110, 9112): bounded heads, bodies in both framings, replies.
//!
//! A head is parsed once, when all of it is there; what is refused carries the status to refuse it with. Nothing is
//! decoded here but the framing: paths and queries stay as they came.

mod body;
mod reply;

pub use body::{Chunked, Framing};
pub use reply::{Body, Reply, reason};

/// Bytes of a request line with its fields (RELIABILITY: Limits).
pub const HEAD_LEN: usize = 16 * 1024;
/// Fields of one request; browsers behind proxies send about 30.
pub const FIELDS_MAX: usize = 64;

/// What is wanted of a path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Delete,
    Options,
    /// Any other word; nobody here serves it.
    Other,
}

impl Method {
    fn of(word: &str) -> Method {
        match word {
            "GET" => Method::Get,
            "HEAD" => Method::Head,
            "POST" => Method::Post,
            "PUT" => Method::Put,
            "DELETE" => Method::Delete,
            "OPTIONS" => Method::Options,
            _ => Method::Other,
        }
    }
}

/// A request that is not served, and the status that says so. The connection ends with it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refused {
    pub status: u16,
    /// For people, one sentence.
    pub why: &'static str,
}

pub(super) const fn refused(status: u16, why: &'static str) -> Refused {
    Refused { status, why }
}

/// Room for the fields of one head; the caller keeps it while it looks at the head.
pub type Room<'a> = [httparse::Header<'a>; FIELDS_MAX];

/// Room without fields.
pub fn room<'a>() -> Room<'a> {
    [httparse::EMPTY_HEADER; FIELDS_MAX]
}

/// A request without its body, borrowed from the bytes it came in.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    pub method: Method,
    /// As sent, with its `%XX`; begins with `/`, or is `*`.
    pub path: &'a str,
    /// What stands after the first `?`, as sent.
    pub query: &'a str,
    fields: &'a [httparse::Header<'a>],
    /// How the body is framed; [`Framing::Length`] 0 where there is none.
    pub framing: Framing,
    /// The other side wants to go on with this connection.
    pub keep_alive: bool,
    /// It waits for `100 Continue` before it sends the body.
    pub expects_continue: bool,
}

/// Bytes up to and with the empty line that ends a head; None while it is not there. Only an end after `from` is
/// looked for, so that a head which trickles in is not searched again and again.
pub fn head_len(bytes: &[u8], from: usize) -> Option<usize> {
    let from = from.saturating_sub(3);
    let mut at = from;
    while let Some(found) = bytes.get(at..)?.iter().position(|&byte| byte == b'\n') {
        at += found + 1;
        match bytes.get(at..)? {
            [b'\n', ..] => return Some(at + 1),
            [b'\r', b'\n', ..] => return Some(at + 2),
            _ => {}
        }
    }
    None
}

impl<'a> Head<'a> {
    /// Reads the bytes that [`head_len`] found.
    ///
    /// # Errors
    /// What cannot be understood or is not served.
    pub fn parse(bytes: &'a [u8], room: &'a mut Room<'a>) -> Result<Head<'a>, Refused> {
        let mut parsed = httparse::Request::new(room);
        match parsed.parse(bytes) {
            Ok(httparse::Status::Complete(_)) => {}
            Err(httparse::Error::TooManyHeaders) => return Err(refused(431, "The request has too many fields.")),
            Err(httparse::Error::Version) => return Err(refused(505, "Only HTTP/1.0 and HTTP/1.1 are spoken here.")),
            Ok(httparse::Status::Partial) | Err(_) => return Err(refused(400, "The request is malformed.")),
        }
        let (Some(method), Some(target), Some(version)) = (parsed.method, parsed.path, parsed.version) else {
            return Err(refused(400, "The request is malformed."));
        };
        let fields: &'a [httparse::Header<'a>] = parsed.headers;
        let target = origin_form(target).ok_or(refused(400, "The request's target is malformed."))?;
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let head = Head {
            method: Method::of(method),
            path,
            query,
            fields,
            framing: Framing::of(fields)?,
            keep_alive: keeps_alive(fields, version),
            expects_continue: version >= 1 && has_word(fields, "expect", "100-continue"),
        };
        let hosts = head.all("host").count();
        if hosts > 1 || hosts == 0 && version >= 1 {
            return Err(refused(400, "The request does not name one host."));
        }
        Ok(head)
    }

    /// The first field of this name, whatever its case, without blanks around it; None also where it is not text.
    pub fn field(&self, name: &str) -> Option<&'a str> {
        self.all(name).next()
    }

    /// All fields of this name.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &'a str> {
        values(self.fields, name)
    }
}

/// The values of all fields of one name, as far as they are text.
fn values<'a>(fields: &'a [httparse::Header<'a>], name: &str) -> impl Iterator<Item = &'a str> {
    let of_name = fields.iter().filter(move |field| field.name.eq_ignore_ascii_case(name));
    of_name.filter_map(|field| std::str::from_utf8(field.value).ok()).map(str::trim)
}

/// Whether a list of words, divided by commas, has this one.
fn has_word(fields: &[httparse::Header<'_>], name: &str, word: &str) -> bool {
    values(fields, name).flat_map(|value| value.split(',')).any(|part| part.trim().eq_ignore_ascii_case(word))
}

/// `http://host/path` is `/path`: proxies send the former (RFC 9112, 3.2.2).
fn origin_form(target: &str) -> Option<&str> {
    if target.starts_with('/') || target == "*" {
        return Some(target);
    }
    let scheme = target.get(..7).filter(|scheme| scheme.eq_ignore_ascii_case("http://"))?;
    let rest = &target[scheme.len()..];
    Some(rest.find('/').map_or("/", |at| &rest[at..]))
}

fn keeps_alive(fields: &[httparse::Header<'_>], version: u8) -> bool {
    match version {
        0 => has_word(fields, "connection", "keep-alive") && !has_word(fields, "connection", "close"),
        _ => !has_word(fields, "connection", "close"),
    }
}

/// A whole request, and whose it is.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    pub head: Head<'a>,
    /// Unframed; empty where there is none.
    pub body: &'a [u8],
    /// Who asks: the other end of the connection, or whom a trusted proxy names.
    pub remote: std::net::SocketAddr,
}

/// The arguments of a query or a form: names and values, both still with their `%XX`.
pub fn arguments(query: &str) -> impl Iterator<Item = (&str, &str)> {
    let parts = query.split('&').filter(|part| !part.is_empty());
    parts.map(|part| part.split_once('=').unwrap_or((part, "")))
}

/// `%XX` taken apart into bytes of a known number; None where it is another number. A `+` stays one.
pub fn decoded<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let mut rest = text.as_bytes();
    for byte in &mut bytes {
        (*byte, rest) = match rest {
            [b'%', high, low, rest @ ..] => ((digit(*high)? << 4) | digit(*low)?, rest),
            [b'%', ..] | [] => return None,
            [plain, rest @ ..] => (*plain, rest),
        };
    }
    rest.is_empty().then_some(bytes)
}

fn digit(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<(Method, String, String, Framing, bool, bool), Refused> {
        let mut room = room();
        let head = Head::parse(text.as_bytes(), &mut room)?;
        Ok((head.method, head.path.into(), head.query.into(), head.framing, head.keep_alive, head.expects_continue))
    }

    #[test]
    fn heads_are_read() {
        let get = parse("GET /a%2fb?x=1&y?z HTTP/1.1\r\nHost: a\r\nX:  y \r\n\r\n").unwrap();
        let none = Framing::Length(0);
        assert_eq!(get, (Method::Get, "/a%2fb".into(), "x=1&y?z".into(), none, true, false));
        let old = parse("GET / HTTP/1.0\r\n\r\n").unwrap();
        assert!(!old.4);
        assert!(parse("GET / HTTP/1.0\nconnection: Keep-Alive\n\n").unwrap().4);
        assert!(!parse("GET / HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n").unwrap().4);
        let post =
            parse("POST http://a:1/b?c HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-Continue\r\n\r\n");
        let post = post.unwrap();
        assert_eq!(post, (Method::Post, "/b".into(), "c".into(), Framing::Length(5), true, true));
        let chunked = parse("PUT * HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap();
        assert_eq!(chunked.3, Framing::Chunked);
        assert_eq!(parse("FROB / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap().0, Method::Other);
    }

    #[test]
    fn fields_are_found_in_any_case() {
        let mut room = room();
        let text = b"GET / HTTP/1.1\r\nhOST: a\r\nForwarded: 1\r\nforwarded: 2\r\nBad: \xff\r\n\r\n";
        let head = Head::parse(text, &mut room).unwrap();
        assert_eq!((head.field("host"), head.field("bad"), head.field("none")), (Some("a"), None, None));
        assert_eq!(head.all("Forwarded").collect::<Vec<_>>(), ["1", "2"]);
    }

    #[test]
    fn what_cannot_be_served_is_refused() {
        let status = |text: &str| parse(text).map_or_else(|refused| refused.status, |_| 200);
        let host = "Host: a\r\n";
        for (text, expected) in [
            ("GET / HTTP/1.1\r\n\r\n".to_string(), 400),
            (format!("GET / HTTP/1.1\r\n{host}{host}\r\n"), 400),
            (format!("GET / HTTP/2.0\r\n{host}\r\n"), 505),
            (format!("GET a HTTP/1.1\r\n{host}\r\n"), 400),
            (format!("GET / HTTP/1.1\r\n{host}X : y\r\n\r\n"), 400),
            (format!("GET / HTTP/1.1\r\n{host}{}\r\n", "A: b\r\n".repeat(FIELDS_MAX)), 431),
            (format!("POST / HTTP/1.1\r\n{host}Content-Length: 1\r\nContent-Length: 2\r\n\r\n"), 400),
            (format!("POST / HTTP/1.1\r\n{host}Content-Length: +1\r\n\r\n"), 400),
            (format!("POST / HTTP/1.1\r\n{host}Content-Length: \r\n\r\n"), 400),
            (format!("POST / HTTP/1.1\r\n{host}Content-Length: 99999999999999999999\r\n\r\n"), 413),
            (format!("POST / HTTP/1.1\r\n{host}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"), 400),
            (format!("POST / HTTP/1.1\r\n{host}Transfer-Encoding: gzip, chunked\r\n\r\n"), 501),
            (format!("POST / HTTP/1.1\r\n{host}Content-Length: 1\r\nContent-Length: 1\r\n\r\n"), 200),
        ] {
            assert_eq!(status(&text), expected, "{text}");
        }
    }

    #[test]
    fn the_end_of_a_head_is_found_at_every_split_point() {
        for head in ["GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.0\n\n", "GET / HTTP/1.0\nA: b\r\n\n"] {
            let bytes = [head.as_bytes(), b"body\n\n"].concat();
            for split in 0..head.len() {
                assert_eq!(head_len(&bytes[..split], 0), None);
                assert_eq!(head_len(&bytes, split), Some(head.len()), "{head:?} at {split}");
            }
        }
        assert_eq!(head_len(b"", 0), None);
        assert_eq!(head_len(b"a\n", 9), None);
    }

    #[test]
    fn arguments_are_taken_apart() {
        let all: Vec<_> = arguments("a=1&b&&c=%3d=x&=y").collect();
        assert_eq!(all, [("a", "1"), ("b", ""), ("c", "%3d=x"), ("", "y")]);
        assert_eq!(decoded("%41b+%0a"), Some(*b"Ab+\n"));
        assert_eq!(decoded::<2>("%41"), None);
        assert_eq!(decoded::<1>("%4"), None);
        assert_eq!(decoded::<1>("%g1"), None);
        assert_eq!(decoded::<1>("ab"), None);
    }
}
