//! Magnet links: a torrent as one line, for those who ask a swarm for the rest (BEP 9, BEP 53).

use std::fmt;

use super::Metainfo;
use super::parse::parse_info;
use super::urls::{is_tracker, trackers, web_seeds};
use crate::base::{InfoHash, limits};
use crate::wire::bencode::{self, Writer};
use crate::wire::url::{is_host_name, percent_decode, percent_encode};

/// Bytes of a link: more than a command line takes as one word.
const LINK_LEN: usize = 256 * 1024;
/// Addresses kept of one link, of each kind.
const ADDRESSES_MAX: usize = 200;
/// Ranges of files kept of one link.
const RANGES_MAX: usize = 1000;
/// Files are numbered below this: the shortest entry of a torrent's list takes more than ten bytes.
const FILES_MAX: u32 = limits::TORRENT_LEN as u32 / 10;
/// Bytes kept of a name.
const NAME_LEN: usize = 1024;

/// What a link says.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Magnet {
    /// The v1 hash; at least one of the two is there.
    pub info_hash: Option<InfoHash>,
    /// The v2 hash (BEP 52).
    pub info_hash_v2: Option<[u8; 32]>,
    /// `dn`: only a hint, as it came.
    pub name: Option<String>,
    /// `xl`: bytes of the files; only a hint.
    pub len: Option<u64>,
    /// `tr`: each is a tier of its own.
    pub trackers: Vec<String>,
    /// `ws`.
    pub web_seeds: Vec<String>,
    /// `x.pe`: hosts and ports of peers.
    pub peers: Vec<(String, u16)>,
    /// `dht`: hosts and ports of DHT nodes.
    pub nodes: Vec<(String, u16)>,
    /// `so` (BEP 53): first and last file of each range, counted from 0, in order, apart from each other. Empty: all.
    pub select: Vec<(u32, u32)>,
}

/// Why a text is no link that could be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NotAMagnet {
    TooLong,
    NoLink,
    NoHash,
    /// `xt` names a hash of another form.
    BadHash,
    /// A `%` without two hexadecimal digits where a hash should be.
    BadEscape,
}

impl fmt::Display for NotAMagnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NotAMagnet::TooLong => "the link is too long",
            NotAMagnet::NoLink => "not a magnet link: it does not begin with `magnet:?`",
            NotAMagnet::NoHash => "the link has no info hash (xt=urn:btih:…)",
            NotAMagnet::BadHash => "the info hash is neither 40 hexadecimal nor 32 base32 digits",
            NotAMagnet::BadEscape => "the info hash is percent-encoded wrongly",
        })
    }
}

impl std::error::Error for NotAMagnet {}

impl Magnet {
    /// A hash alone: 40 hexadecimal or 32 base32 digits.
    pub fn from_hash(text: &str) -> Option<Magnet> {
        let info_hash = InfoHash::from_hex(text).or_else(|| InfoHash::from_base32(text))?;
        Some(Magnet { info_hash: Some(info_hash), ..Magnet::default() })
    }

    /// Whether a text means to be a link.
    pub fn is_link(text: &str) -> bool {
        text.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("magnet:"))
    }

    /// Reads a link. What is not understood in it is left out; only a wrong hash makes it useless.
    ///
    /// # Errors
    /// What is wrong.
    pub fn parse(text: &str) -> Result<Magnet, NotAMagnet> {
        let text = text.trim();
        if text.len() > LINK_LEN {
            return Err(NotAMagnet::TooLong);
        }
        let query = text.get(7..).filter(|_| Magnet::is_link(text)).and_then(|rest| rest.strip_prefix('?'));
        let mut magnet = Magnet::default();
        for part in query.ok_or(NotAMagnet::NoLink)?.split('&') {
            let Some((key, value)) = part.split_once('=') else { continue };
            // `tr.1` is another `tr`; `x.pe` is a name of its own.
            let key = key.split_once('.').map_or(key, |(name, number)| {
                if number.bytes().all(|byte| byte.is_ascii_digit()) { name } else { key }
            });
            magnet.take(&key.to_ascii_lowercase(), value)?;
        }
        if magnet.info_hash.is_none() && magnet.info_hash_v2.is_none() {
            return Err(NotAMagnet::NoHash);
        }
        magnet.select.sort_unstable();
        magnet.select.dedup_by(|next, last| {
            let meets = next.0 <= last.1.saturating_add(1);
            if meets {
                last.1 = last.1.max(next.1);
            }
            meets
        });
        Ok(magnet)
    }

    fn take(&mut self, key: &str, value: &str) -> Result<(), NotAMagnet> {
        match key {
            "xt" => return self.take_hash(value),
            "dn" if self.name.is_none() => {
                let name = decoded(&value.replace('+', " "));
                self.name = (!name.is_empty()).then(|| name.chars().take(NAME_LEN).collect());
            }
            "xl" => self.len = self.len.or(value.parse().ok()),
            "tr" => {
                let url = decoded(value);
                // WebTorrent's are for browsers.
                let is_web_socket = url.get(..2).is_some_and(|scheme| scheme.eq_ignore_ascii_case("ws"));
                if is_tracker(&url) && !is_web_socket {
                    push_new(&mut self.trackers, url, limits::TRACKERS);
                }
            }
            "ws" | "as" => {
                let url = decoded(value);
                let is_web = ["http://", "https://"]
                    .iter()
                    .any(|scheme| url.get(..scheme.len()).is_some_and(|head| head.eq_ignore_ascii_case(scheme)));
                if is_web && url.len() <= limits::URL_LEN && !url.chars().any(|c| c.is_whitespace() || c.is_control())
                {
                    push_new(&mut self.web_seeds, url, limits::TRACKERS);
                }
            }
            "x.pe" => host_and_port(&decoded(value)).map_or((), |at| push_new(&mut self.peers, at, ADDRESSES_MAX)),
            "dht" => host_and_port(&decoded(value)).map_or((), |at| push_new(&mut self.nodes, at, ADDRESSES_MAX)),
            "so" => {
                let room = RANGES_MAX - self.select.len();
                self.select.extend(decoded(value).split(',').filter_map(range).take(room));
            }
            _ => {}
        }
        Ok(())
    }

    /// `urn:btih:` and a v1 hash, or `urn:btmh:1220` and a v2 hash; other names are nothing to us.
    fn take_hash(&mut self, value: &str) -> Result<(), NotAMagnet> {
        let is_escape = |part: &str| part.get(..2).is_some_and(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()));
        if !value.split('%').skip(1).all(is_escape) {
            return Err(NotAMagnet::BadEscape);
        }
        let urn = decoded(value);
        let urn = urn.trim();
        let after = |prefix: &str| {
            let head = urn.get(..prefix.len()).filter(|head| head.eq_ignore_ascii_case(prefix));
            head.map(|_| &urn[prefix.len()..])
        };
        if let Some(digits) = after("urn:btih:") {
            let hash = InfoHash::from_hex(digits).or_else(|| InfoHash::from_base32(digits));
            self.info_hash = self.info_hash.or(Some(hash.ok_or(NotAMagnet::BadHash)?));
        } else if let Some(digits) = after("urn:btmh:") {
            let hash = digits.strip_prefix("1220").and_then(hash_of_64).ok_or(NotAMagnet::BadHash)?;
            self.info_hash_v2 = self.info_hash_v2.or(Some(hash));
        }
        Ok(())
    }

    /// A name for people: what the link says, or the hash.
    pub fn shown_name(&self) -> String {
        let hash = || self.info_hash.map(|hash| hash.to_string()).unwrap_or_default();
        self.name.clone().unwrap_or_else(hash)
    }

    /// Which of `file_count` files `so` chooses; empty for all, also where it chooses none that exist.
    pub fn wanted(&self, file_count: usize) -> Vec<bool> {
        let is_chosen =
            |index: usize| self.select.iter().any(|(first, last)| (*first..=*last).contains(&(index as u32)));
        let wanted: Vec<bool> = (0..file_count).map(is_chosen).collect();
        if wanted.contains(&true) { wanted } else { Vec::new() }
    }
}

fn decoded(value: &str) -> String {
    String::from_utf8_lossy(&percent_decode(value)).into_owned()
}

fn push_new<T: PartialEq>(list: &mut Vec<T>, item: T, max: usize) {
    if list.len() < max && !list.contains(&item) {
        list.push(item);
    }
}

/// `host:port`, with an IPv6 address in brackets.
fn host_and_port(text: &str) -> Option<(String, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let port = port.parse().ok().filter(|port| *port != 0)?;
    let host = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(v6) => v6.parse::<std::net::Ipv6Addr>().ok().map(|_| v6)?,
        None => Some(host).filter(|host| is_host_name(host))?,
    };
    Some((host.to_string(), port))
}

/// `4` or `2-6`.
fn range(text: &str) -> Option<(u32, u32)> {
    let text = text.trim();
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last && last < FILES_MAX).then_some((first, last))
}

fn hash_of_64(digits: &str) -> Option<[u8; 32]> {
    let mut hash = [0; 32];
    let is_hex = digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    for (byte, at) in hash.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(digits.get(at..at + 2)?, 16).ok()?;
    }
    is_hex.then_some(hash)
}

/// The link of a torrent: info hash (`xt`; with that of the v2 half where there is one, BEP 52), name (`dn`), bytes of
/// its files without padding (`xl`), the trackers of all tiers (`tr`) and web seeds (`ws`). Everything that is not
/// unreserved in RFC 3986 is percent-encoded, so the line holds plain ASCII and can stand in any text.
pub fn link(metainfo: &Metainfo) -> String {
    let mut link = format!("magnet:?xt=urn:btih:{}", metainfo.info_hash);
    if let Some(hash) = metainfo.info_hash_v2 {
        // A multihash: 0x12 is SHA-256, 0x20 its length.
        link += "&xt=urn:btmh:1220";
        hash.iter().for_each(|byte| link += &format!("{byte:02x}"));
    }
    push(&mut link, "dn", &metainfo.name);
    let len: u64 = metainfo.files.iter().filter(|file| !file.pad).map(|file| file.len).sum();
    push(&mut link, "xl", &len.to_string());
    metainfo.trackers.iter().flatten().for_each(|url| push(&mut link, "tr", url));
    metainfo.web_seeds.iter().for_each(|url| push(&mut link, "ws", url));
    link
}

/// A .torrent file of an info dictionary that came from peers, with what the link says of trackers and web seeds.
pub fn torrent_file(info: &[u8], magnet: &Magnet) -> Vec<u8> {
    Writer::dict_bytes(|d| {
        if !magnet.trackers.is_empty() {
            d.key("announce-list")
                .list(|tiers| magnet.trackers.iter().for_each(|url| tiers.list(|tier| tier.bytes(url))));
        }
        d.key("info").raw(info);
        if !magnet.web_seeds.is_empty() {
            d.key("url-list").list(|urls| magnet.web_seeds.iter().for_each(|url| urls.bytes(url)));
        }
    })
}

/// Reads what [`torrent_file`] wrote, whatever its length; None where it is not what it should be.
pub fn read_kept(bytes: &[u8], info_hash: InfoHash) -> Option<Metainfo> {
    let root = bencode::parse(bytes).ok()?;
    let mut metainfo = parse_info(root.get("info")?.raw()).ok().filter(|metainfo| metainfo.info_hash == info_hash)?;
    metainfo.trackers = trackers(None, root.get("announce-list"));
    metainfo.web_seeds = web_seeds(root.get("url-list"), metainfo.files.len() > 1);
    Some(metainfo)
}

fn push(link: &mut String, key: &str, value: &str) {
    link.push('&');
    link.push_str(key);
    link.push('=');
    link.push_str(&percent_encode(value.as_bytes()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metainfo::parse::parse;
    use crate::wire::url::percent_decode;

    fn torrent() -> Metainfo {
        let text = "d8:announce10:http://a/a4:infod5:filesld6:lengthi3e4:pathl1:beed4:attr1:p6:lengthi5e4:pathl\
            4:.pad1:5eed6:lengthi2048e4:pathl1:deee4:name9:\u{e4} &b=c+d12:piece lengthi16384e6:pieces\
            20:aaaaaaaaaaaaaaaaaaaaee";
        parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_link_holds_everything_in_order() {
        let mut torrent = torrent();
        torrent.trackers = vec![
            vec!["http://a/announce?x=1&y=%20".into(), "udp://[::1]:80".into()],
            vec!["https://b:443/\u{fc}".into()],
        ];
        torrent.web_seeds = vec!["http://c/d%20e/".into()];
        let expected = format!(
            "magnet:?xt=urn:btih:{}&dn=%C3%A4%20%26b%3Dc%2Bd&xl=2051&tr=http%3A%2F%2Fa%2Fannounce%3Fx%3D1%26y%3D%2520\
             &tr=udp%3A%2F%2F%5B%3A%3A1%5D%3A80&tr=https%3A%2F%2Fb%3A443%2F%C3%BC&ws=http%3A%2F%2Fc%2Fd%2520e%2F",
            torrent.info_hash
        );
        assert_eq!(link(&torrent), expected);
        torrent.info_hash_v2 = Some([0xab; 32]);
        let v2 = format!("{}&xt=urn:btmh:1220{}&dn=", torrent.info_hash, "ab".repeat(32));
        assert!(link(&torrent).contains(&v2));
    }

    #[test]
    fn every_character_comes_back_and_none_steers_a_terminal() {
        let mut torrent = torrent();
        torrent.name = ('\0'..'\u{3000}').collect();
        let link = link(&torrent);
        assert!(link.bytes().all(|byte| byte.is_ascii_graphic()));
        let name = link.split('&').find_map(|part| part.strip_prefix("dn=")).unwrap();
        assert_eq!(percent_decode(name), torrent.name.as_bytes());
    }

    #[test]
    fn a_link_reads_back() {
        let mut torrent = torrent();
        torrent.trackers = vec![vec!["http://a/announce?x=1&y=%20".into(), "udp://[::1]:80".into()]];
        torrent.web_seeds = vec!["http://c/d%20e/".into()];
        torrent.info_hash_v2 = Some([0xab; 32]);
        let read = Magnet::parse(&link(&torrent)).unwrap();
        assert_eq!((read.info_hash, read.info_hash_v2), (Some(torrent.info_hash), torrent.info_hash_v2));
        assert_eq!((read.name.as_ref(), read.len), (Some(&torrent.name), Some(2051)));
        assert_eq!((&read.trackers, &read.web_seeds), (&torrent.trackers[0], &torrent.web_seeds));
    }

    #[test]
    fn hashes_come_in_two_forms_and_others_are_refused() {
        let hash = "d2354010a3ca4ade5b7427bb093a62a3899ff381";
        let of = |text: &str| Magnet::parse(text).map(|magnet| magnet.info_hash.map(|hash| hash.to_string()));
        for text in
            [hash, &hash.to_uppercase(), "2I2UAEFDZJFN4W3UE65QSOTCUOEZ744B", "2i2uaefdzjfn4w3ue65qsotcuoez744b"]
        {
            assert_eq!(of(&format!(" MAGNET:?dn=x&xt=urn%3Abtih:{text}\n")), Ok(Some(hash.to_string())));
            assert_eq!(Magnet::from_hash(text).unwrap().info_hash.unwrap().to_string(), hash);
        }
        assert_eq!(of("magnet:?xt=urn:sha1:abc&xt.1=urn:btih:"), Err(NotAMagnet::BadHash));
        assert_eq!(of("magnet:?dn=x"), Err(NotAMagnet::NoHash));
        assert_eq!(of("magnet:"), Err(NotAMagnet::NoLink));
        assert_eq!(of("magnet:?xt=urn:btih:%4"), Err(NotAMagnet::BadEscape));
        assert_eq!(of(&format!("magnet:?xt=urn:btmh:1220{}", "\u{e4}".repeat(32))), Err(NotAMagnet::BadHash));
        assert_eq!(of(&"magnet:?".repeat(100_000)), Err(NotAMagnet::TooLong));
        assert_eq!(of(&format!("magnet:?xt=urn:btmh:1220{}", "0a".repeat(32))), Ok(None));
        assert!(Magnet::from_hash("2I2UAEFDZJFN4W3UE65QSOTCUOEZ744=").is_none());
    }

    #[test]
    fn chosen_files_are_merged_and_bounded() {
        let select = |so: &str| Magnet::parse(&format!("magnet:?xt=urn:btih:{}&{so}", "a".repeat(40))).unwrap();
        assert_eq!(select("so=6-8,0&so=3,2,7-9,x,5-4,-1,4000000000").select, [(0, 0), (2, 3), (6, 9)]);
        assert_eq!(select("so=0,3-9").wanted(5), [true, false, false, true, true]);
        assert!(select("so=7").wanted(5).is_empty() && select("so=\"1,2\"").wanted(5).is_empty());
        let many: Vec<String> = (0..5000).map(|n| (2 * n).to_string()).collect();
        assert_eq!(select(&format!("so={}", many.join(","))).select.len(), RANGES_MAX);
    }

    #[test]
    fn addresses_that_are_none_are_left_out() {
        let peers = "x.pe=127.0.0.1:43&x.pe=<a>&x.pe=<a>:1&x.pe=[::1]:45&x.pe=h:0&x.pe=::1:5&x.pe=host.lan:7&x.pe=127.0.0.1:43";
        let read =
            Magnet::parse(&format!("magnet:?xt=urn:btih:{}&{peers}&dht=[2001:db8::1]:9", "a".repeat(40))).unwrap();
        let expected = [("127.0.0.1", 43), ("::1", 45), ("host.lan", 7)].map(|(host, port)| (host.to_string(), port));
        assert_eq!(read.peers, expected);
        assert_eq!(read.nodes, [("2001:db8::1".to_string(), 9)]);
    }
}
