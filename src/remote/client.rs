//! The program a peer says it runs, read from its peer id (BEP 20).

use crate::base::PeerId;

/// Programs by their two letters.
const NAMES: [(&[u8; 2], &str); 26] = [
    (b"7T", "aTorrent"),
    (b"A2", "aria2"),
    (b"AG", "Ares"),
    (b"AZ", "Vuze"),
    (b"BB", "BitBuddy"),
    (b"BC", "BitComet"),
    (b"BI", "BiglyBT"),
    (b"BT", "BitTorrent"),
    (b"DE", "Deluge"),
    (b"FD", "Free Download Manager"),
    (b"FL", "Flud"),
    (b"KT", "KTorrent"),
    (b"LT", "libtorrent"),
    (b"PL", "peerlink"),
    (b"PI", "PicoTorrent"),
    (b"SZ", "Shareaza"),
    (b"TI", "Tixati"),
    (b"TR", "Transmission"),
    (b"UE", "uTorrent Embedded"),
    (b"UM", "uTorrent Mac"),
    (b"UT", "uTorrent"),
    (b"UW", "uTorrent Web"),
    (b"WW", "WebTorrent"),
    (b"XL", "Xunlei"),
    (b"lt", "rTorrent"),
    (b"qB", "qBittorrent"),
];

/// `Transmission 3.0.0`; the letters alone where nobody knows them, empty where there are none.
pub fn name(id: &PeerId) -> String {
    let [b'-', a, b, v1, v2, v3, _, b'-', ..] = id.0 else {
        let start = &id.0[..8];
        let is_text = start.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'));
        return if is_text { String::from_utf8_lossy(start).into_owned() } else { String::new() };
    };
    let letters = [a, b];
    let name = NAMES.iter().find(|(known, _)| **known == letters).map(|(_, name)| (*name).to_string());
    let is_plain = letters.iter().all(u8::is_ascii_alphanumeric);
    let name = name.or_else(|| is_plain.then(|| letters.map(char::from).iter().collect()));
    // One digit each, and letters that go on after 9.
    let digit = |byte: u8| char::from(byte).to_digit(36).unwrap_or(0);
    name.map_or(String::new(), |name| format!("{name} {}.{}.{}", digit(v1), digit(v2), digit(v3)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_named() {
        let named = |text: &[u8; 20]| name(&PeerId(*text));
        assert_eq!(named(b"-TR3000-abcdefghijkl"), "Transmission 3.0.0");
        assert_eq!(named(b"-qB45A0-abcdefghijkl"), "qBittorrent 4.5.10");
        assert_eq!(named(b"-Zz1234-abcdefghijkl"), "Zz 1.2.3");
        assert_eq!(named(b"M7-10-1-abcdefghijkl"), "M7-10-1-");
        assert_eq!(named(&[0xff; 20]), "");
        assert_eq!(named(b"-<\x1b1234-abcdefghijkl"), "");
    }
}
