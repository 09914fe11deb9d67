//! What `peerlink show` prints: a torrent as one JSON object, or as text for people.

use std::fmt::Write;

use miniserde::Serialize;

use super::{File, Metainfo};
use crate::base::text::{harmless, size};

#[derive(Serialize)]
struct Shown<'a> {
    name: &'a str,
    info_hash: String,
    info_hash_v2: Option<String>,
    piece_length: u32,
    piece_count: u32,
    total_size: u64,
    private: bool,
    files: Vec<ShownFile>,
    trackers: &'a Vec<Vec<String>>,
    web_seeds: &'a Vec<String>,
    nodes: Vec<String>,
    created_by: Option<&'a str>,
    comment: Option<&'a str>,
}

#[derive(Serialize)]
struct ShownFile {
    path: String,
    size: u64,
}

/// One object with the keys `name, info_hash, info_hash_v2, piece_length, piece_count, total_size, private,
/// files[{path,size}], trackers[[…]], web_seeds, nodes, created_by, comment`; what is absent is null. All files, in
/// order, pad files too.
pub fn json(metainfo: &Metainfo) -> String {
    miniserde::json::to_string(&Shown {
        name: &metainfo.name,
        info_hash: metainfo.info_hash.to_string(),
        info_hash_v2: metainfo.info_hash_v2.map(|hash| hex(&hash)),
        piece_length: metainfo.geometry.piece_len(),
        piece_count: metainfo.geometry.piece_count(),
        total_size: metainfo.geometry.total_len(),
        private: metainfo.private,
        files: metainfo.files.iter().map(|file| ShownFile { path: file.path.join("/"), size: file.len }).collect(),
        trackers: &metainfo.trackers,
        web_seeds: &metainfo.web_seeds,
        nodes: nodes(metainfo).collect(),
        created_by: metainfo.created_by.as_deref(),
        comment: metainfo.comment.as_deref(),
    })
}

/// Lines for people, ending with the files and the numbers that `--select` takes (their place in the torrent from 1,
/// so pad files, which are not shown, leave gaps). Foreign text is harmless to a terminal.
pub fn text(metainfo: &Metainfo) -> String {
    let mut out = String::new();
    let geometry = &metainfo.geometry;
    let shown_count = metainfo.files.iter().filter(|file| !is_padding(file)).count();
    let files = if shown_count == 1 { "1 file".into() } else { format!("{shown_count} files") };
    let payload_len: u64 = metainfo.files.iter().filter(|file| !file.pad).map(|file| file.len).sum();
    let piece_len = size(geometry.piece_len().into());

    line(&mut out, "name", &metainfo.name);
    line(&mut out, "info hash", &metainfo.info_hash.to_string());
    if let Some(hash) = metainfo.info_hash_v2 {
        line(&mut out, "info hash v2", &hex(&hash));
    }
    line(&mut out, "size", &format!("{} ({payload_len} bytes) in {files}", size(payload_len)));
    line(&mut out, "pieces", &format!("{} of {piece_len}", geometry.piece_count()));
    line(&mut out, "private", if metainfo.private { "yes" } else { "no" });
    for (index, tier) in metainfo.trackers.iter().enumerate() {
        line(&mut out, if index == 0 { "trackers" } else { "" }, &tier.join(" "));
    }
    for (index, url) in metainfo.web_seeds.iter().enumerate() {
        line(&mut out, if index == 0 { "web seeds" } else { "" }, url);
    }
    for (index, node) in nodes(metainfo).enumerate() {
        line(&mut out, if index == 0 { "nodes" } else { "" }, &node);
    }
    if let Some(created_by) = &metainfo.created_by {
        line(&mut out, "created by", created_by);
    }
    if let Some(date) = metainfo.creation_date.and_then(date) {
        line(&mut out, "created on", &date);
    }
    if let Some(comment) = &metainfo.comment {
        line(&mut out, "comment", comment);
    }
    out.push('\n');
    write_files(&mut out, &metainfo.files);
    out
}

/// The files alone, one per line, as at the end of [`text`].
pub fn files(metainfo: &Metainfo) -> String {
    let mut out = String::new();
    write_files(&mut out, &metainfo.files);
    out
}

/// A key and what it says, as one harmless line.
pub(super) fn line(out: &mut String, key: &str, value: &str) {
    let written = writeln!(out, "{key:<12}  {}", harmless(value));
    written.expect("writing to a String never fails");
}

fn write_files(out: &mut String, files: &[File]) {
    let width = files.len().to_string().len();
    for (index, file) in files.iter().enumerate().filter(|(_, file)| !is_padding(file)) {
        let len = if file.pad { "link".into() } else { size(file.len) };
        let path = harmless(&file.path.join("/"));
        let written = writeln!(out, "{:>width$}  {len:>9}  {path}", index + 1);
        written.expect("writing to a String never fails");
    }
}

/// Pad files are of no interest to people; symbolic links, the ones without bytes, are.
fn is_padding(file: &File) -> bool {
    file.pad && file.len > 0
}

fn nodes(metainfo: &Metainfo) -> impl Iterator<Item = String> + '_ {
    metainfo.nodes.iter().map(address)
}

/// `host:port`, `[::1]:5`.
pub(super) fn address((host, port): &(String, u16)) -> String {
    match host.contains(':') {
        true => format!("[{host}]:{port}"),
        false => format!("{host}:{port}"),
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `2013-01-31 02:31 UTC`; None beyond the year 9999.
fn date(unix_s: i64) -> Option<String> {
    let days = unix_s.div_euclid(86_400);
    let minutes = unix_s.rem_euclid(86_400) / 60;
    if !(0..2_932_897).contains(&days) {
        return None;
    }
    // Days since 0000-03-01, so that leap days end their year.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    Some(format!("{year:04}-{month:02}-{day:02} {:02}:{:02} UTC", minutes / 60, minutes % 60))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metainfo::parse::parse;

    const TORRENT: &[u8] = b"d8:announce10:http://a/a7:comment10:x\x1b[31m\"\\y\n13:creation datei1359599503e4:info\
        d5:filesld6:lengthi3e4:pathl1:b1:ceed4:attr1:p6:lengthi5e4:pathl4:.pad1:5eed6:lengthi2048e4:pathl1:deee\
        4:name1:a12:piece lengthi16384e6:pieces20:aaaaaaaaaaaaaaaaaaaa7:privatei1ee5:nodesll3:::1i9eeee";

    #[test]
    fn json_has_exactly_the_promised_keys() {
        let wanted = "{\"name\":\"a\",\"info_hash\":\"HASH\",\"info_hash_v2\":null,\"piece_length\":16384,\
            \"piece_count\":1,\"total_size\":2056,\"private\":true,\"files\":[{\"path\":\"a/b/c\",\"size\":3},\
            {\"path\":\"a/.pad/5\",\"size\":5},{\"path\":\"a/d\",\"size\":2048}],\"trackers\":[[\"http://a/a\"]],\
            \"web_seeds\":[],\"nodes\":[\"[::1]:9\"],\"created_by\":null,\
            \"comment\":\"x\\u001b[31m\\\"\\\\y\\n\"}";
        let torrent = parse(TORRENT).unwrap();
        assert_eq!(json(&torrent), wanted.replace("HASH", &torrent.info_hash.to_string()));
    }

    #[test]
    fn text_is_harmless_and_numbers_files_as_they_are_selected() {
        let text = text(&parse(TORRENT).unwrap());
        assert!(text.contains("size          2 KiB (2051 bytes) in 2 files\n"), "{text}");
        assert!(text.contains("created on    2013-01-31 02:31 UTC\n"), "{text}");
        assert!(text.ends_with("\n1        3 B  a/b/c\n3      2 KiB  a/d\n"), "{text}");
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()));
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        let table = [
            (0, "1970-01-01 00:00 UTC"),
            (951_782_400, "2000-02-29 00:00 UTC"),
            (1_709_251_199, "2024-02-29 23:59 UTC"),
            (4_107_542_400, "2100-03-01 00:00 UTC"),
        ];
        for (unix_s, text) in table {
            assert_eq!(date(unix_s).as_deref(), Some(text));
        }
        assert_eq!(date(i64::MAX), None);
    }
}
