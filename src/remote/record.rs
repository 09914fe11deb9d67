//! A torrent's record on disk: one small JSON object. Keys that are not known are passed over, those that are missing
//! are as of a new torrent; what makes no sense makes the record none.

use std::path::Path;

use super::list::List;
use super::session::is_folder;
use super::torrent::{Mode, Own, Tiers, Torrent, Trouble};
use crate::base::{Bitfield, InfoHash};
use crate::wire::authorization::{base64, base64_decode};
use crate::wire::json::{self, Object, Value, Writer};

/// Bytes of a record: the pieces of the largest torrent, and a choice among its files.
pub const RECORD_LEN: usize = 2 * 1024 * 1024;

/// The name of its file.
pub fn file_name(info_hash: InfoHash) -> String {
    format!("{info_hash}.json")
}

/// The info hash that a file's name says.
pub fn hash_of(name: &str) -> Option<InfoHash> {
    InfoHash::from_hex(name.strip_suffix(".json")?)
}

/// The record's bytes.
pub fn write(torrent: &Torrent) -> Vec<u8> {
    let mut text = String::with_capacity(512);
    let mut object = Writer::begin(&mut text);
    object.text("name", &torrent.name);
    object.text("dir", &torrent.dir.to_string_lossy());
    if let Some(aside) = &torrent.aside {
        object.text("aside", &aside.to_string_lossy());
    }
    if let Some(to) = &torrent.plans.moving {
        object.text("moving", &to.to_string_lossy());
    }
    if let Some(renaming) = &torrent.plans.renaming {
        write_rename(renaming, object.key("renaming"));
    }
    if let Some(from) = torrent.resting_from {
        object.plain("resting_from", from);
    }
    if let Some(link) = &torrent.link {
        object.text("link", link);
    }
    json::write_list(torrent.tiers.iter(), object.key("tiers"), |tier, to| {
        json::write_list(tier, to, |url, to| json::quote(url, to));
    });
    for (key, value) in numbers(torrent) {
        object.plain(key, value);
    }
    for (key, is_so) in [
        ("private", torrent.is_private),
        ("started", torrent.is_started),
        ("finished", torrent.is_finished),
        ("recheck", torrent.plans.recheck),
        ("removed", torrent.plans.removal.is_some()),
        ("removed_data", torrent.plans.removal == Some(true)),
    ] {
        object.plain(key, is_so);
    }
    if let Some(trouble) = torrent.trouble.as_ref().filter(|trouble| trouble.kind == 3) {
        object.text("trouble", &trouble.text);
    }
    if let Some(have) = &torrent.have {
        object.text("have", &base64(have.as_bytes()));
    }
    if let Some(own) = &torrent.own {
        write_own(own, object.key("own"));
    }
    object.end();
    text.push('\n');
    text.into_bytes()
}

fn numbers(torrent: &Torrent) -> [(&'static str, u64); 17] {
    [
        ("len", torrent.len),
        ("piece_len", torrent.piece_len.into()),
        ("piece_count", torrent.piece_count.into()),
        ("file_count", torrent.file_count.into()),
        ("wanted_len", torrent.wanted_len),
        ("have_len", torrent.have_len),
        ("uploaded", torrent.uploaded),
        ("downloaded", torrent.downloaded),
        ("wasted", torrent.wasted),
        ("added", torrent.added_s),
        ("done", torrent.done_s),
        ("started_at", torrent.started_s),
        ("active_at", torrent.active_s),
        ("downloading_s", torrent.downloading_s),
        ("seeding_s", torrent.seeding_s),
        ("position", torrent.position.into()),
        ("version", 1),
    ]
}

fn write_own(own: &Own, to: &mut String) {
    let mut object = Writer::begin(to);
    json::write_list(&own.labels, object.key("labels"), |label, to| json::quote(label, to));
    object.plain("down_limit", own.down_limit.0);
    object.plain("down_limited", own.down_limit.1);
    object.plain("up_limit", own.up_limit.0);
    object.plain("up_limited", own.up_limit.1);
    object.plain("honours_session", own.honours_session);
    object.plain("ratio", own.ratio.0);
    object.plain("ratio_mode", own.ratio.1.number());
    object.plain("idle", own.idle.0);
    object.plain("idle_mode", own.idle.1.number());
    if let Some(max) = own.peers_max {
        object.plain("peers_max", max);
    }
    object.plain("bandwidth", own.bandwidth);
    object.plain("sequential", own.sequential);
    for (key, list) in [("unwanted", &own.unwanted), ("high", &own.high), ("low", &own.low)] {
        json::write_list(list, object.key(key), json::number);
    }
    object.text("group", &own.group);
    if !own.renames.is_empty() {
        json::write_list(&own.renames, object.key("renames"), write_rename);
    }
    object.end();
}

fn write_rename((path, name): &(String, String), to: &mut String) {
    json::write_list([path, name], to, |text, to| json::quote(text, to));
}

fn read_rename(value: &Value) -> Option<(String, String)> {
    let [path, name] = json::list(value)? else { return None };
    Some((json::text(path)?.to_string(), json::text(name)?.to_string()))
}

/// Reads a record into a torrent at rest, numbered `id`. None where it is none.
pub fn read(id: u32, info_hash: InfoHash, bytes: &[u8], list: &mut List) -> Option<Torrent> {
    let Value::Object(record) = json::read(bytes)? else { return None };
    let text = |key: &str| record.get(key).and_then(json::text);
    let number = |key: &str| record.get(key).and_then(json::int).and_then(|number| u64::try_from(number).ok());
    let small = |key: &str| number(key).and_then(|number| u32::try_from(number).ok());
    let is = |key: &str| record.get(key).and_then(json::switch);
    let dir = list.dir(Path::new(text("dir").filter(|dir| is_folder(dir))?));
    let mut torrent = Torrent::new(id, info_hash, dir, list.tiers(read_tiers(&record)));
    torrent.name = text("name")?.into();
    torrent.link = text("link").map(Into::into);
    torrent.len = number("len")?;
    torrent.piece_len = small("piece_len")?;
    torrent.piece_count = small("piece_count")?;
    torrent.file_count = small("file_count")?;
    if torrent.link.is_none() && (torrent.piece_count == 0 || torrent.piece_len == 0) {
        return None;
    }
    torrent.wanted_len = number("wanted_len").unwrap_or(torrent.len);
    torrent.have_len = number("have_len").unwrap_or(0);
    torrent.uploaded = number("uploaded").unwrap_or(0);
    torrent.downloaded = number("downloaded").unwrap_or(0);
    torrent.wasted = number("wasted").unwrap_or(0);
    torrent.added_s = number("added").unwrap_or(0);
    torrent.done_s = number("done").unwrap_or(0);
    torrent.started_s = number("started_at").unwrap_or(0);
    torrent.active_s = number("active_at").unwrap_or(0);
    torrent.downloading_s = number("downloading_s").unwrap_or(0);
    torrent.seeding_s = number("seeding_s").unwrap_or(0);
    torrent.resting_from = number("resting_from");
    torrent.position = small("position").unwrap_or(u32::MAX);
    torrent.is_private = is("private").unwrap_or(false);
    torrent.is_started = is("started").unwrap_or(true);
    torrent.is_finished = is("finished").unwrap_or(false);
    torrent.plans.recheck = is("recheck").unwrap_or(false);
    torrent.plans.removal = is("removed").unwrap_or(false).then(|| is("removed_data").unwrap_or(false));
    torrent.aside = text("aside").filter(|aside| is_folder(aside)).map(|aside| list.dir(Path::new(aside)));
    torrent.plans.moving = text("moving").filter(|to| is_folder(to)).map(|to| list.dir(Path::new(to)));
    torrent.plans.renaming = record.get("renaming").and_then(read_rename).map(Box::new);
    let trouble = text("trouble").map(|text| Trouble { kind: 3, text: text.into() });
    torrent.trouble = trouble.map(Box::new);
    let have = text("have").and_then(base64_decode);
    let have = have.and_then(|bytes| Bitfield::from_bytes(&bytes, torrent.piece_count));
    torrent.have = have.map(Box::new);
    if let Some(Value::Object(own)) = record.get("own") {
        torrent.own = Some(Box::new(read_own(own)));
    }
    Some(torrent)
}

fn read_tiers(record: &Object) -> Tiers {
    let tiers = record.get("tiers").and_then(json::list).unwrap_or_default();
    let urls = |tier: &Value| {
        let urls = json::list(tier).unwrap_or_default().iter().filter_map(json::text);
        urls.map(str::to_string).collect::<Vec<_>>()
    };
    tiers.iter().map(urls).filter(|tier| !tier.is_empty()).collect()
}

fn read_own(object: &Object) -> Own {
    let number = |key: &str| object.get(key).and_then(json::int);
    let small = |key: &str| number(key).and_then(|number| u32::try_from(number).ok());
    let is = |key: &str| object.get(key).and_then(json::switch).unwrap_or(false);
    let mode = |key: &str| number(key).and_then(Mode::of).unwrap_or_default();
    let list = |key: &str| object.get(key).and_then(json::list).unwrap_or_default();
    let indexes = |key: &str| {
        let indexes = list(key).iter().filter_map(json::int);
        indexes.filter_map(|index| u32::try_from(index).ok()).collect::<Vec<_>>()
    };
    Own {
        labels: list("labels").iter().filter_map(json::text).map(str::to_string).collect(),
        down_limit: (small("down_limit").unwrap_or(100), is("down_limited")),
        up_limit: (small("up_limit").unwrap_or(100), is("up_limited")),
        honours_session: object.get("honours_session").and_then(json::switch).unwrap_or(true),
        ratio: (object.get("ratio").and_then(json::float).unwrap_or(2.0), mode("ratio_mode")),
        idle: (small("idle").unwrap_or(30), mode("idle_mode")),
        peers_max: small("peers_max"),
        bandwidth: number("bandwidth").map_or(0, |value| value.clamp(-1, 1) as i8),
        sequential: is("sequential"),
        unwanted: indexes("unwanted"),
        high: indexes("high"),
        low: indexes("low"),
        group: object.get("group").and_then(json::text).unwrap_or_default().to_string(),
        renames: list("renames").iter().filter_map(read_rename).collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn full() -> Torrent {
        let tiers = Arc::new(vec![vec!["http://a/".to_string(), "udp://b:1".to_string()], vec!["http://c/".into()]]);
        let mut torrent = Torrent::new(7, InfoHash([9; 20]), Path::new("/d ä").into(), tiers);
        (torrent.name, torrent.len, torrent.piece_len, torrent.piece_count) = ("n\"".into(), 100_000, 16_384, 7);
        (torrent.wanted_len, torrent.have_len, torrent.position) = (90_000, 32_768, 3);
        (torrent.is_started, torrent.is_private) = (false, true);
        let mut have = Bitfield::new(7);
        have.set_index(0);
        have.set_index(6);
        torrent.resting_from = Some(77);
        torrent.have = Some(Box::new(have));
        torrent.trouble = Some(Box::new(Trouble { kind: 3, text: "gone".into() }));
        torrent.plans.renaming = Some(Box::new(("n/b".into(), "c \"d\"".into())));
        let own = torrent.own_mut();
        own.labels = vec!["tv, hd".into()];
        own.renames = vec![("n/a".into(), "b".into())];
        (own.unwanted, own.ratio, own.idle) = (vec![1, 2], (1.25, Mode::Own), (5, Mode::Unlimited));
        torrent
    }

    fn back(bytes: &[u8]) -> Option<Torrent> {
        read(7, InfoHash([9; 20]), bytes, &mut List::default())
    }

    #[test]
    fn records_come_back_as_they_were_written() {
        let torrent = full();
        let bytes = write(&torrent);
        let again = back(&bytes).unwrap();
        assert_eq!(write(&again), bytes);
        assert_eq!((again.own, again.tiers, again.have), (torrent.own, torrent.tiers, torrent.have));
        assert_eq!((again.is_started, again.is_private, again.trouble), (false, true, torrent.trouble));
        assert_eq!(hash_of(&file_name(InfoHash([9; 20]))), Some(InfoHash([9; 20])));
    }

    #[test]
    fn what_is_no_record_is_refused_at_every_length() {
        let bytes = write(&full());
        let len = bytes.len() - 2;
        assert!((0..len).all(|len| back(&bytes[..len]).is_none()));
        let without = |key: &str| String::from_utf8_lossy(&bytes).replace(key, "x");
        for key in ["\"name\"", "\"dir\"", "\"piece_len\""] {
            assert!(back(without(key).as_bytes()).is_none(), "{key}");
        }
        assert!(back(without("/d \u{e4}").as_bytes()).is_none(), "a folder that is not absolute");
    }
}
