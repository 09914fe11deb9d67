//! Magnet links: a torrent as one line, for those who ask a swarm for the rest (BEP 9).

use super::Metainfo;
use crate::wire::url::percent_encode;

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
}
