//! `libtorrent_torrents.json`, `other_torrents.json` and the fixtures: whole .torrent files, judged by what
//! `show --json` prints of them.

use peerlink::metainfo::Metainfo;
use peerlink::metainfo::parse::{Refused, parse};
use peerlink::metainfo::show;
use peerlink::storage::Layout;
use sha1::{Digest, Sha1};

use crate::table::{self, Row, Value};

const ORACLE: &str = "oracle_libtorrent_2.1.1.0";

/// What we refuse though libtorrent reads it, with the reason.
const REFUSED_BY_US: &[(&str, Refused, &str)] = &[
    ("v2_invalid_filename2.torrent", Refused::OnlyV2, "v2-only"),
    ("v2_no_piece_layers.torrent", Refused::OnlyV2, "v2-only"),
    ("v2_only.torrent", Refused::OnlyV2, "v2-only"),
];

#[test]
fn torrent_tables() {
    let (mut count, mut absent) = (0, Vec::new());
    for file in ["libtorrent_torrents.json", "other_torrents.json"] {
        let Some(table) = table::load(file) else { return };
        for row in table.at("torrents").list() {
            row.only_keys(&[
                "file",
                "repo",
                "path",
                "size",
                "sha256",
                "stated",
                "roundtrips_bit_exact",
                ORACLE,
                "bytes_b64",
            ]);
            let name = row.get("file").unwrap_or_else(|| row.at("path")).text().expect("a name");
            match row.get("bytes_b64").and_then(Row::text) {
                Some(base64) => judge(name, row, &table::unbase64(base64)),
                None => {
                    absent.push(name.to_owned());
                    continue;
                }
            }
            count += 1;
        }
    }
    println!("torrents: {count} rows judged; {} rows come without their bytes: {}", absent.len(), absent.join(", "));
}

fn judge(name: &str, row: &Value, bytes: &[u8]) {
    assert_eq!(row.at("size").int(), Some(bytes.len() as i64), "{name}");
    let oracle = row.at(ORACLE);
    let stated = row.get("stated");
    let read = parse(bytes);
    if let Some((_, wanted, reason)) = REFUSED_BY_US.iter().find(|(row, ..)| *row == name) {
        assert_eq!(read.as_ref().err(), Some(wanted), "{name}: {reason}");
        println!("{name}: refused by us: {reason}");
        return;
    }
    let wanted = stated.map_or(oracle, |stated| stated).text_at("result");
    match (wanted, read) {
        ("ok", Ok(metainfo)) => {
            let shown = miniserde::json::from_str(&show::json(&metainfo)).expect("our JSON is JSON");
            judge_oracle(name, oracle, &shown);
            if let Some(stated) = stated {
                judge_stated(name, stated, &metainfo, &shown);
            }
            show::text(&metainfo);
        }
        ("error", Err(refused)) => assert!(!refused.to_string().is_empty()),
        (wanted, Ok(_)) => panic!("{name}: read, but it should be {wanted}"),
        (wanted, Err(refused)) => panic!("{name}: {refused}, but it should be {wanted}"),
    }
}

fn judge_oracle(name: &str, oracle: &Value, shown: &Value) {
    oracle.only_keys(&[
        "result",
        "name",
        "infohash_v1",
        "infohash_v2",
        "piece_length",
        "num_pieces",
        "total_size",
        "private",
        "trackers",
        "url_seeds",
        "dht_nodes",
        "renamed",
        "num_files",
        "files",
        "files_truncated",
    ]);
    shown.only_keys(&[
        "name",
        "info_hash",
        "info_hash_v2",
        "piece_length",
        "piece_count",
        "total_size",
        "private",
        "files",
        "trackers",
        "web_seeds",
        "nodes",
        "created_by",
        "comment",
    ]);
    for (theirs, ours) in [("name", "name"), ("infohash_v1", "info_hash"), ("infohash_v2", "info_hash_v2")] {
        assert_eq!(shown.get(ours).and_then(Row::text), oracle.get(theirs).and_then(Row::text), "{name}: {ours}");
    }
    for (theirs, ours) in
        [("piece_length", "piece_length"), ("num_pieces", "piece_count"), ("total_size", "total_size")]
    {
        assert_eq!(shown.at(ours).int(), oracle.at(theirs).int(), "{name}: {ours}");
    }
    assert_eq!(shown.at("private").is_true(), oracle.at("private").is_true(), "{name}: private");
    judge_trackers(name, oracle.at("trackers").list(), shown.at("trackers").list());
    assert_eq!(texts(shown.at("web_seeds")), texts(oracle.at("url_seeds")), "{name}: web seeds");
    let nodes: Vec<_> = oracle.get("dht_nodes").map_or(&[][..], Row::list).iter().map(node).collect();
    assert_eq!(texts(shown.at("nodes")), nodes, "{name}: nodes");
    judge_files(name, oracle, shown.at("files").list());
}

/// Theirs are URLs, or pairs of URL and tier.
fn judge_trackers(name: &str, theirs: &[Value], ours: &[Value]) {
    let ours: Vec<(usize, &str)> = (ours.iter().enumerate())
        .flat_map(|(tier, urls)| urls.list().iter().map(move |url| (tier, url.text().expect("a URL"))))
        .collect();
    assert_eq!(ours.len(), theirs.len(), "{name}: trackers");
    for ((tier, url), wanted) in ours.into_iter().zip(theirs) {
        match wanted {
            Value::Array(pair) => {
                assert_eq!((pair[0].text(), pair[1].int()), (Some(url), Some(tier as i64)), "{name}")
            }
            wanted => assert_eq!(wanted.text(), Some(url), "{name}: trackers"),
        }
    }
}

fn judge_files(name: &str, oracle: &Value, ours: &[Value]) {
    assert_eq!(oracle.at("num_files").int(), Some(ours.len() as i64), "{name}: number of files");
    let theirs = oracle.at("files").list();
    assert!(!theirs.is_empty() && theirs.len() <= ours.len());
    for (index, (ours, wanted)) in ours.iter().zip(theirs).enumerate() {
        let renamed = oracle.get("renamed").and_then(|renamed| renamed.get(&index.to_string())).and_then(Row::text);
        let (path, size) = match wanted {
            Value::Array(pair) => (&pair[0], &pair[1]),
            file => {
                file.only_keys(&["path", "size", "offset", "root", "pad", "executable", "symlink", "symlink_target"]);
                (file.at("path"), file.at("size"))
            }
        };
        assert_eq!(Some(ours.text_at("path")), renamed.or(path.text()), "{name}: file {index}");
        assert_eq!(ours.at("size").int(), size.int(), "{name}: file {index}");
    }
}

fn judge_stated(name: &str, stated: &Value, metainfo: &Metainfo, shown: &Value) {
    stated.only_keys(&[
        "result",
        "where",
        "attributes",
        "error",
        "category",
        "infohash_v1",
        "name",
        "why",
        "url_seeds",
    ]);
    for (theirs, ours) in [("infohash_v1", "info_hash"), ("name", "name")] {
        let wanted = stated.get(theirs);
        assert!(wanted.is_none_or(|wanted| wanted.text() == shown.at(ours).text()), "{name}: {ours}");
    }
    if let Some(seeds) = stated.get("url_seeds") {
        assert_eq!(texts(shown.at("web_seeds")), texts(seeds), "{name}: web seeds");
    }
    let Some(attributes) = stated.get("attributes") else { return };
    let files = shown.at("files").list();
    for key in attributes.keys() {
        let wanted = attributes.at(key);
        match key {
            "num_files" => assert_eq!(wanted.int(), Some(files.len() as i64), "{name}"),
            "min_files" => assert!(wanted.int().is_some_and(|count| files.len() as i64 >= count), "{name}"),
            "name" => assert_eq!(wanted.text(), Some(metainfo.name.as_str()), "{name}"),
            "creation_date" => assert_eq!(wanted.int(), Some(metainfo.creation_date.unwrap_or(0)), "{name}"),
            "has_v1" => assert_eq!(wanted.is_true(), Some(true), "{name}"),
            "has_v2" => assert_eq!(wanted.is_true(), Some(metainfo.info_hash_v2.is_some()), "{name}"),
            "infohash_v2" => assert_eq!(wanted.text(), shown.at("info_hash_v2").text(), "{name}"),
            "url_seeds" => assert_eq!(texts(wanted), texts(shown.at("web_seeds")), "{name}"),
            "trackers_first" => assert_eq!(wanted.text(), Some(metainfo.trackers[0][0].as_str()), "{name}"),
            "renamed" => {
                for index in wanted.keys() {
                    let file = &files[index.parse::<usize>().expect("a number")];
                    assert_eq!(file.text_at("path"), wanted.text_at(index), "{name}");
                }
            }
            "file_path" => {
                for index in wanted.keys() {
                    let is_renamed = attributes.get("renamed").is_some_and(|renamed| renamed.get(index).is_some());
                    let file = &files[index.parse::<usize>().expect("a number")];
                    assert!(is_renamed || file.text_at("path") == wanted.text_at(index), "{name}");
                }
            }
            "symlink" => {
                // Links are never created: listed without bytes, stored nowhere.
                for index in wanted.keys() {
                    let file = &metainfo.files[index.parse::<usize>().expect("a number")];
                    assert!(file.pad && file.len == 0, "{name}");
                }
            }
            "similar_torrents_ascii" => {} // BEP 38 is not used.
            other => panic!("{name}: unknown attribute {other}"),
        }
    }
}

fn texts(list: &Value) -> Vec<String> {
    list.list().iter().map(|text| text.text().expect("text").to_owned()).collect()
}

fn node(pair: &Value) -> String {
    let pair = pair.list();
    format!("{}:{}", pair[0].text().expect("a host"), pair[1].int().expect("a port"))
}

#[test]
fn fixtures_describe_their_payload() {
    let Some(folder) = table::folder() else { return };
    let mut count = 0;
    for entry in std::fs::read_dir(folder.join("fixtures")).expect("fixtures are there") {
        let path = entry.expect("a readable folder").path();
        if path.extension().is_none_or(|extension| extension != "torrent") {
            continue;
        }
        let metainfo = parse(&std::fs::read(&path).expect("readable")).unwrap_or_else(|e| panic!("{path:?}: {e}"));
        let layout = Layout::new(&metainfo, &[]);
        let payload: Vec<u8> = (metainfo.files.iter().filter(|file| !file.pad))
            .flat_map(|file| std::fs::read(folder.join("fixtures").join(file.path.join("/"))).expect("payload"))
            .collect();
        assert_eq!(payload.len() as u64, metainfo.geometry.total_len());
        for piece in layout.geometry().pieces() {
            let start = metainfo.geometry.start_of(piece) as usize;
            let data = &payload[start..start + metainfo.geometry.len_of(piece) as usize];
            assert_eq!(Sha1::digest(data).as_slice(), metainfo.hash_of(piece), "{path:?}: {piece:?}");
        }
        count += 1;
    }
    assert!(count > 0);
    println!("fixtures: {count} torrents judged");
}
