//! What `peerlink show` prints of a magnet link: as one JSON object, or as text for people.

use miniserde::Serialize;

use super::magnet::Magnet;
use super::show::{address, hex, line};
use crate::base::text::size;

#[derive(Serialize)]
struct Shown<'a> {
    name: Option<&'a str>,
    info_hash: Option<String>,
    info_hash_v2: Option<String>,
    total_size: Option<u64>,
    trackers: Vec<[&'a str; 1]>,
    web_seeds: &'a Vec<String>,
    peers: Vec<String>,
    nodes: Vec<String>,
    select: Option<Vec<u32>>,
}

/// One object with the keys `name, info_hash, info_hash_v2, total_size, trackers[[…]], web_seeds, peers, nodes, select`,
/// named as for torrents; what is absent is null. `select` holds the numbers of files, from 0, as in the link.
pub fn json(magnet: &Magnet) -> String {
    let select: Vec<u32> = magnet.select.iter().flat_map(|(first, last)| *first..=*last).collect();
    miniserde::json::to_string(&Shown {
        name: magnet.name.as_deref(),
        info_hash: magnet.info_hash.map(|hash| hash.to_string()),
        info_hash_v2: magnet.info_hash_v2.map(|hash| hex(&hash)),
        total_size: magnet.len,
        trackers: magnet.trackers.iter().map(|url| [url.as_str()]).collect(),
        web_seeds: &magnet.web_seeds,
        peers: magnet.peers.iter().map(address).collect(),
        nodes: magnet.nodes.iter().map(address).collect(),
        select: (!select.is_empty()).then_some(select),
    })
}

/// Lines for people. Foreign text is harmless to a terminal; files are counted from 1, as `--select` does.
pub fn text(magnet: &Magnet) -> String {
    let mut out = String::new();
    if let Some(name) = &magnet.name {
        line(&mut out, "name", name);
    }
    if let Some(hash) = magnet.info_hash {
        line(&mut out, "info hash", &hash.to_string());
    }
    if let Some(hash) = magnet.info_hash_v2 {
        line(&mut out, "info hash v2", &hex(&hash));
    }
    if let Some(len) = magnet.len {
        line(&mut out, "size", &format!("{} ({len} bytes)", size(len)));
    }
    let select = |(first, last): &(u32, u32)| match first == last {
        true => (first + 1).to_string(),
        false => format!("{}-{}", first + 1, last + 1),
    };
    let lists: [(&str, Vec<String>); 5] = [
        ("trackers", magnet.trackers.clone()),
        ("web seeds", magnet.web_seeds.clone()),
        ("peers", magnet.peers.iter().map(address).collect()),
        ("nodes", magnet.nodes.iter().map(address).collect()),
        ("files", magnet.select.iter().map(select).collect()),
    ];
    for (key, values) in &lists {
        for (index, value) in values.iter().enumerate() {
            line(&mut out, if index == 0 { key } else { "" }, value);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_shown_in_both_forms() {
        let link = "magnet:?xt=urn:btih:cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd&dn=a%1b[31m&tr=http://t/a&x.pe=[::1]:9&so=1,3-4&xl=5";
        let magnet = Magnet::parse(link).unwrap();
        let wanted = "{\"name\":\"a\\u001b[31m\",\"info_hash\":\"cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd\",\
            \"info_hash_v2\":null,\"total_size\":5,\"trackers\":[[\"http://t/a\"]],\"web_seeds\":[],\
            \"peers\":[\"[::1]:9\"],\"nodes\":[],\"select\":[1,3,4]}";
        assert_eq!(json(&magnet), wanted);
        let text = text(&magnet);
        assert!(text.contains("files         2\n              4-5\n"), "{text}");
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()));
    }
}
