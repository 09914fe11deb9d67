//! Local service discovery (BEP 14): the announcement that is multicast on the local network.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::base::InfoHash;

/// Bytes of an announcement: what every network carries in one piece.
pub const LEN_MAX: usize = 1400;
/// Info hashes of one announcement.
pub const HASHES_MAX: usize = 20;
/// Bytes kept of a cookie.
const COOKIE_LEN: usize = 64;
/// Where it is said and heard.
const PORT: u16 = 6771;

/// The multicast group of the address family.
pub fn group(is_v4: bool) -> SocketAddr {
    let ip = match is_v4 {
        true => IpAddr::V4(Ipv4Addr::new(239, 192, 152, 143)),
        false => IpAddr::V6(Ipv6Addr::new(0xff15, 0, 0, 0, 0, 0, 0xefc0, 0x988f)),
    };
    SocketAddr::new(ip, PORT)
}

/// An announcement.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Announcement {
    /// TCP port of whoever announces.
    pub port: u16,
    pub info_hashes: Vec<InfoHash>,
    /// Tells one's own from others'.
    pub cookie: Option<String>,
}

impl Announcement {
    /// None for everything that is no announcement with a port and a hash.
    pub fn from_bytes(bytes: &[u8]) -> Option<Announcement> {
        let text = std::str::from_utf8(bytes.get(..bytes.len().min(LEN_MAX))?).ok()?;
        let mut lines = text.split("\r\n");
        lines.next().filter(|line| line.starts_with("BT-SEARCH * HTTP/1."))?;
        let (mut port, mut info_hashes, mut cookie) = (None, Vec::new(), None);
        for line in lines.take_while(|line| !line.is_empty()) {
            let Some((name, value)) = line.split_once(':') else { continue };
            let value = value.trim();
            match name.trim().to_ascii_lowercase().as_str() {
                "port" => port = value.parse().ok().filter(|port| *port != 0),
                "infohash" if info_hashes.len() < HASHES_MAX => info_hashes.extend(InfoHash::from_hex(value)),
                "cookie" => cookie = Some(value.chars().take(COOKIE_LEN).collect()),
                _ => {}
            }
        }
        let is_whole = !info_hashes.is_empty();
        port.filter(|_| is_whole).map(|port| Announcement { port, info_hashes, cookie })
    }

    /// The datagram for the group of one address family.
    pub fn to_bytes(&self, is_v4: bool) -> Vec<u8> {
        let mut text = format!("BT-SEARCH * HTTP/1.1\r\nHost: {}\r\nPort: {}\r\n", group(is_v4), self.port);
        for info_hash in self.info_hashes.iter().take(HASHES_MAX) {
            text += &format!("Infohash: {info_hash}\r\n");
        }
        if let Some(cookie) = &self.cookie {
            text += &format!("cookie: {cookie}\r\n");
        }
        (text + "\r\n\r\n").into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_announcement_reads_back_and_looks_as_in_the_bep() {
        let one = Announcement { port: 6881, info_hashes: vec![InfoHash([0xab; 20])], cookie: Some("c00".into()) };
        let text = format!(
            "BT-SEARCH * HTTP/1.1\r\nHost: 239.192.152.143:6771\r\nPort: 6881\r\nInfohash: {}\r\ncookie: c00\r\n\r\n\r\n",
            "ab".repeat(20)
        );
        assert_eq!(String::from_utf8(one.to_bytes(true)).unwrap(), text);
        let v6 = one.to_bytes(false);
        assert!(String::from_utf8_lossy(&v6).contains("Host: [ff15::efc0:988f]:6771\r\n"));
        assert_eq!(Announcement::from_bytes(&v6), Some(one.clone()));
        let many = Announcement { info_hashes: vec![InfoHash([1; 20]); 60], ..one };
        let bytes = many.to_bytes(true);
        assert!(bytes.len() <= LEN_MAX);
        assert_eq!(Announcement::from_bytes(&bytes).unwrap().info_hashes.len(), HASHES_MAX);
    }

    #[test]
    fn only_whole_announcements_count() {
        let hash = "AB".repeat(20);
        let read = |text: String| Announcement::from_bytes(text.as_bytes());
        let good = format!("BT-SEARCH * HTTP/1.0\r\nPORT:1\r\nINFOHASH:{hash}\r\nx\r\nInfohash: zz\r\n");
        assert_eq!(read(good).map(|a| (a.port, a.info_hashes)), Some((1, vec![InfoHash([0xab; 20])])));
        for bad in [
            format!("BT-SEARCH * HTTP/1.1\r\nPort: 0\r\nInfohash: {hash}\r\n\r\n"),
            format!("BT-SEARCH * HTTP/1.1\r\nPort: 65536\r\nInfohash: {hash}\r\n\r\n"),
            format!("BT-SEARCH * HTTP/1.1\r\nInfohash: {hash}\r\n\r\n"),
            "BT-SEARCH * HTTP/1.1\r\nPort: 1\r\n\r\n".to_string(),
            format!("M-SEARCH * HTTP/1.1\r\nPort: 1\r\nInfohash: {hash}\r\n\r\n"),
            format!("BT-SEARCH * HTTP/1.1\r\nPort: 1\r\n\r\nInfohash: {hash}\r\n"),
            String::new(),
        ] {
            assert_eq!(read(bad.clone()), None, "{bad}");
        }
        assert_eq!(Announcement::from_bytes(&[0xff; 100]), None);
    }
}
