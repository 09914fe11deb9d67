//! A reply and its bytes (RFC 9112, 4).

use std::borrow::Cow;

/// What a reply carries: its own bytes, or some that are part of the program.
pub type Body = Cow<'static, [u8]>;

/// A reply. Its length and what becomes of the connection are added when it is written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reply {
    pub status: u16,
    /// `Content-Type`; empty for none.
    pub kind: &'static str,
    /// Further fields; control characters in values become blanks.
    pub fields: Vec<(&'static str, String)>,
    pub body: Body,
    /// The connection must not be used any more.
    pub is_last: bool,
}

impl Reply {
    pub fn new(status: u16, kind: &'static str, body: impl Into<Body>) -> Reply {
        Reply { status, kind, fields: Vec::new(), body: body.into(), is_last: false }
    }

    /// Plain text; a line end is added.
    pub fn text(status: u16, text: &str) -> Reply {
        Reply::new(status, "text/plain; charset=utf-8", format!("{text}\n").into_bytes())
    }

    /// A JSON document.
    pub fn json(status: u16, document: String) -> Reply {
        Reply::new(status, "application/json", document.into_bytes())
    }

    /// With one more field.
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Reply {
        self.fields.push((name, value.into()));
        self
    }

    /// The last one of its connection.
    pub fn last(mut self) -> Reply {
        self.is_last = true;
        self
    }

    /// Everything before the body.
    pub fn write_head(&self, keep_alive: bool, to: &mut Vec<u8>) {
        to.extend_from_slice(b"HTTP/1.1 ");
        number(u64::from(self.status), to);
        to.push(b' ');
        to.extend_from_slice(reason(self.status).as_bytes());
        if !self.kind.is_empty() {
            field("Content-Type", self.kind, to);
        }
        for (name, value) in &self.fields {
            field(name, value, to);
        }
        // RFC 9110, 8.6: none in a reply that never has a body.
        if !(100..200).contains(&self.status) && self.status != 204 {
            to.extend_from_slice(b"\r\nContent-Length: ");
            number(self.body.len() as u64, to);
        }
        field("Connection", if keep_alive { "keep-alive" } else { "close" }, to);
        to.extend_from_slice(b"\r\n\r\n");
    }
}

fn field(name: &str, value: &str, to: &mut Vec<u8>) {
    to.extend_from_slice(b"\r\n");
    to.extend_from_slice(name.as_bytes());
    to.extend_from_slice(b": ");
    to.extend(value.bytes().map(|byte| if byte.is_ascii_control() { b' ' } else { byte }));
}

/// A number in decimal digits.
fn number(mut value: u64, to: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    to.extend_from_slice(&digits[at..]);
}

/// The words that go with a status (RFC 9110, 15).
pub fn reason(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        200 => "OK",
        201 => "Created",
        204 => "No Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        413 => "Content Too Large",
        415 => "Unsupported Media Type",
        421 => "Misdirected Request",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        507 => "Insufficient Storage",
        _ => "Unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(reply: &Reply, keep_alive: bool) -> String {
        let mut bytes = Vec::new();
        reply.write_head(keep_alive, &mut bytes);
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn heads_are_written() {
        let reply = Reply::text(404, "Not here.").with("Location", "a\r\nb: c");
        let expected = "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain; charset=utf-8\r\nLocation: a  b: c\r\n\
                        Content-Length: 10\r\nConnection: keep-alive\r\n\r\n";
        assert_eq!(head(&reply, true), expected);
        let empty = Reply::new(204, "", Vec::new());
        assert_eq!(head(&empty, false), "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
        let mut digits = Vec::new();
        [0, 9, 10, u64::MAX].iter().for_each(|value| number(*value, &mut digits));
        assert_eq!(digits, b"091018446744073709551615");
    }
}
