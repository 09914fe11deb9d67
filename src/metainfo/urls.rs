//! The addresses a .torrent names: which count as trackers (BEP 12), how web seeds (BEP 19) are written, DHT nodes.

use std::collections::BTreeSet;

use crate::base::limits;
use crate::wire::bencode::Value;

/// Schemes that somebody announces to; others in a list are mistakes.
const TRACKER_SCHEMES: [&str; 5] = ["http", "https", "udp", "ws", "wss"];

/// Tiers in order, empty ones left out; `announce` is the only tier where the list names none.
pub fn trackers(announce: Option<Value<'_>>, announce_list: Option<Value<'_>>) -> Vec<Vec<String>> {
    let mut room = limits::TRACKERS;
    let mut tiers = Vec::new();
    for tier in announce_list.into_iter().flat_map(Value::items).filter(|tier| tier.is_list()) {
        let tier: Vec<String> = tier.items().filter_map(tracker).take(room).collect();
        room -= tier.len();
        if !tier.is_empty() {
            tiers.push(tier);
        }
        if room == 0 {
            break;
        }
    }
    if tiers.is_empty() {
        tiers.extend(announce.and_then(tracker).map(|url| vec![url]));
    }
    tiers
}

fn tracker(value: Value<'_>) -> Option<String> {
    let url = value.as_text()?.trim_start_matches([' ', '\t', '\r', '\n', '\x0b', '\x0c']);
    is_tracker(url).then(|| url.to_owned())
}

/// Whether somebody could announce to this.
pub fn is_tracker(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else { return false };
    let is_scheme = TRACKER_SCHEMES.iter().any(|known| known.eq_ignore_ascii_case(scheme));
    let is_clean = url.bytes().all(|byte| byte > b' ' && byte != 0x7f);
    is_scheme && is_clean && url.len() <= limits::URL_LEN && has_host(rest)
}

/// Whether what follows `://` begins with a host and, if any, a decimal port.
fn has_host(rest: &str) -> bool {
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let authority = authority.split_once('@').map_or(authority, |(_, host)| host);
    let (host, port, extra) = match authority.strip_prefix('[') {
        Some(literal) => {
            let Some((host, after)) = literal.split_once(']') else { return false };
            (host, after.strip_prefix(':'), ":%_~")
        }
        None => {
            let (host, port) = authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port)));
            (host, port, "")
        }
    };
    let is_host = !host.is_empty()
        && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.') || extra.contains(c));
    is_host && port.is_none_or(|port| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()))
}

/// `url-list`, one string or a list of them: each once, written as a URL, with a slash at the end where files follow.
pub fn web_seeds(url_list: Option<Value<'_>>, is_multi: bool) -> Vec<String> {
    let Some(value) = url_list else { return Vec::new() };
    let single = value.as_bytes().is_some().then_some(value);
    let mut seen = BTreeSet::new();
    let texts = single.into_iter().chain(value.items()).filter_map(Value::as_text);
    texts
        .filter(|text| !text.is_empty() && text.len() <= limits::URL_LEN)
        .filter(|text| seen.insert(*text))
        .take(limits::TRACKERS)
        .map(|text| {
            let mut url = encoded(text);
            if is_multi && !url.ends_with('/') {
                url.push('/');
            }
            url
        })
        .collect()
}

/// Percent-encodes the path where it holds what no URL may hold (RFC 3986); what is encoded stays.
fn encoded(url: &str) -> String {
    let path_at = url.find("://").and_then(|scheme| {
        let host = scheme + 3;
        url[host..].find(['/', '?', '#']).map(|path| host + path)
    });
    let Some((base, path)) = path_at.map(|at| url.split_at(at)) else { return url.to_owned() };
    let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || b"%+;?:@=&,$/-_!.~*()".contains(&byte);
    let is_kept = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_!.~*()".contains(&byte);
    if path.bytes().all(is_fine) {
        return url.to_owned();
    }
    let mut out = base.to_owned();
    for byte in path.bytes() {
        match is_kept(byte) {
            true => out.push(char::from(byte)),
            false => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// BEP 5 `nodes`: pairs of host and port.
pub fn nodes(value: Option<Value<'_>>) -> Vec<(String, u16)> {
    let pairs = value.into_iter().flat_map(Value::items).filter(|pair| pair.is_list());
    let node = |pair: Value<'_>| {
        let mut parts = pair.items();
        let host = parts.next()?.as_text()?;
        let port = u16::try_from(parts.next()?.as_int()?).ok()?;
        let is_host = !host.is_empty() && host.len() <= 255 && host.bytes().all(|byte| byte.is_ascii_graphic());
        (is_host && port != 0).then(|| (host.to_owned(), port))
    };
    pairs.filter_map(node).take(limits::TRACKERS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::bencode::{Writer, parse};

    fn text(value: &str) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.bytes(value);
        writer.0
    }

    #[test]
    fn trackers_are_told_from_mistakes() {
        let good = [
            "http://t.example/announce",
            "HTTPS://t.example:443/a?x=1",
            "udp://[2001:db8::1]:80",
            "udp://10.0.0.1:6969/announce",
            "http://user:word@t.example/a",
            "http://tracker1",
        ];
        let bad = [
            "",
            "t.example",
            "ftp://t.example/a",
            "http://",
            "http:///a",
            "http://t.example:x/a",
            "http://t.example:/a",
            "http://t exa.mple/",
            "http://t.example/\na",
            "udp://[::1",
            "dht://abc",
            "file:///etc/passwd",
        ];
        for url in good {
            assert_eq!(tracker(parse(&text(url)).unwrap()).as_deref(), Some(url));
        }
        for url in bad {
            assert_eq!(tracker(parse(&text(url)).unwrap()), None, "{url}");
        }
        assert_eq!(tracker(parse(&text("\n udp://t:1")).unwrap()).as_deref(), Some("udp://t:1"));
    }

    #[test]
    fn tiers_keep_their_order_and_announce_is_the_last_resort() {
        let list = parse(b"ll10:http://a/aelel10:http://b/b10:http://c/ce3:xyze").unwrap();
        let announce = parse(b"10:http://d/d").unwrap();
        assert_eq!(trackers(Some(announce), Some(list)), [vec!["http://a/a"], vec!["http://b/b", "http://c/c"]]);
        assert_eq!(trackers(Some(announce), parse(b"lle3:abce").ok()), [["http://d/d"]]);
        assert_eq!(trackers(None, None), Vec::<Vec<String>>::new());
    }

    #[test]
    fn web_seeds_are_urls_and_come_once() {
        let one = text("http://h/a b/");
        assert_eq!(web_seeds(parse(&one).ok(), false), ["http://h/a%20b/"]);
        let list = parse(b"l0:8:http://a8:http://ai1e10:http://b/ce").unwrap();
        assert_eq!(web_seeds(Some(list), true), ["http://a/", "http://b/c/"]);
        assert_eq!(web_seeds(parse(b"i1e").ok(), true), Vec::<String>::new());
    }

    #[test]
    fn nodes_need_a_host_and_a_port() {
        let list = parse(b"ll9:127.0.0.1i6881eel0:i1eel1:ai0eel1:ai65536eel1:bi9eei1ee").unwrap();
        assert_eq!(nodes(Some(list)), [("127.0.0.1".to_string(), 6881), ("b".to_string(), 9)]);
    }
}
