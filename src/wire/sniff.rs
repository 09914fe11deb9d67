//! What the first bytes of a connection say: HTTP, a BitTorrent handshake, or the group protocol.

use super::handshake;

/// What somebody speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Spoken {
    Http,
    BitTorrent,
    /// Anything else: lines of text, as IRC has them.
    Group,
    /// It could be several of these yet.
    More,
}

/// Methods of HTTP with the blank that follows (RFC 9110, 9; RFC 5789).
const METHODS: [&[u8]; 9] =
    [b"GET ", b"HEAD ", b"POST ", b"PUT ", b"DELETE ", b"OPTIONS ", b"PATCH ", b"TRACE ", b"CONNECT "];

/// Judges the first bytes; 20 are always enough.
pub fn sniff(bytes: &[u8]) -> Spoken {
    let begins = |known: &[u8]| bytes.starts_with(known);
    let may_begin = |known: &[u8]| known.starts_with(bytes);
    if METHODS.iter().any(|method| begins(method)) {
        Spoken::Http
    } else if begins(handshake::PROTOCOL) {
        Spoken::BitTorrent
    } else if METHODS.iter().any(|method| may_begin(method)) || may_begin(handshake::PROTOCOL) {
        Spoken::More
    } else {
        Spoken::Group
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_tell() {
        for (text, spoken) in [
            ("", Spoken::More),
            ("G", Spoken::More),
            ("GET", Spoken::More),
            ("GET /", Spoken::Http),
            ("POST ", Spoken::Http),
            ("P", Spoken::More),
            ("PA", Spoken::More),
            ("PASS x", Spoken::Group),
            ("PING", Spoken::Group),
            ("NICK a\r\n", Spoken::Group),
            ("get /", Spoken::Group),
            ("\x16\x03\x01", Spoken::Group),
            ("\x13Bit", Spoken::More),
            ("\x13BitTorrent protoco", Spoken::More),
            ("\x13BitTorrent protocol", Spoken::BitTorrent),
            ("\x13BitTorrent protocox", Spoken::Group),
        ] {
            assert_eq!(sniff(text.as_bytes()), spoken, "{text:?}");
        }
    }
}
