//! The fields of `torrent-get` that are lists and links: files, peers, trackers.

use std::fmt::Write;

use super::client;
use super::facts::{Facts, present};
use super::torrent::{Own, places};
use crate::machine::{PeerRow, Source, TrackerRow};
use crate::metainfo::Metainfo;
use crate::wire::json::{Writer, number, quote, write_list};
use crate::wire::url::{Url, percent_encode};

/// A file as clients see it: its number among them, its place in the metainfo, and what is wanted of it.
fn each_file<'a>(
    facts: &'a Facts<'_>,
    to: &mut String,
    mut write: impl FnMut(&'a Metainfo, usize, bool, i8, &mut String),
) {
    let Some(metainfo) = facts.metainfo else { return to.push_str("[]") };
    let default = Own::default();
    let own = facts.torrent.own.as_deref().unwrap_or(&default);
    let is_in = |list: &[u32], index: usize| list.binary_search(&(index as u32)).is_ok();
    write_list(places(metainfo).into_iter().enumerate(), to, |(index, place), to| {
        let priority = i8::from(is_in(&own.high, index)) - i8::from(is_in(&own.low, index));
        write(metainfo, place, !is_in(&own.unwanted, index), priority, to);
    });
}

pub fn files(facts: &Facts<'_>, to: &mut String) {
    let have = facts.pieces();
    each_file(facts, to, |metainfo, place, _, _, to| {
        let file = &metainfo.files[place];
        let mut object = Writer::begin(to);
        object.plain("bytesCompleted", present(&have, metainfo, file.offset, file.len));
        object.plain("length", file.len);
        object.text("name", &file.path.join("/"));
        object.end();
    });
}

pub fn file_stats(facts: &Facts<'_>, to: &mut String) {
    let have = facts.pieces();
    each_file(facts, to, |metainfo, place, wanted, priority, to| {
        let file = &metainfo.files[place];
        let mut object = Writer::begin(to);
        object.plain("bytesCompleted", present(&have, metainfo, file.offset, file.len));
        object.plain("priority", priority);
        object.plain("wanted", wanted);
        object.end();
    });
}

pub fn wanted(facts: &Facts<'_>, to: &mut String) {
    each_file(facts, to, |_, _, wanted, _, to| number(u8::from(wanted), to));
}

pub fn priorities(facts: &Facts<'_>, to: &mut String) {
    each_file(facts, to, |_, _, _, priority, to| number(priority, to));
}

pub fn magnet_link(facts: &Facts<'_>, to: &mut String) {
    let torrent = facts.torrent;
    if let Some(link) = torrent.link.as_deref() {
        return quote(link, to);
    }
    let mut link =
        format!("magnet:?xt=urn:btih:{}&dn={}", torrent.info_hash, percent_encode(torrent.name.as_bytes()));
    for url in torrent.tiers.iter().flatten() {
        write!(link, "&tr={}", percent_encode(url.as_bytes())).expect("a String takes everything");
    }
    quote(&link, to);
}

pub fn peers(facts: &Facts<'_>, to: &mut String) {
    let count = facts.torrent.piece_count.max(1);
    write_list(&facts.peers, to, |peer, to| {
        let mut object = Writer::begin(to);
        object.text("address", &peer.address.ip().to_string());
        object.plain("clientIsChoked", peer.peer_choking);
        object.plain("clientIsInterested", peer.am_interested);
        object.text("clientName", &client::name(&peer.peer_id));
        object.text("flagStr", &flags(peer));
        object.plain("isDownloadingFrom", peer.am_interested && !peer.peer_choking);
        object.plain("isEncrypted", peer.is_encrypted);
        object.plain("isIncoming", peer.is_inbound);
        object.plain("isUTP", false);
        object.plain("isUploadingTo", peer.peer_interested && !peer.am_choking);
        object.plain("peerIsChoked", peer.am_choking);
        object.plain("peerIsInterested", peer.peer_interested);
        object.plain("port", peer.address.port());
        object.plain("progress", f64::from(peer.have_count.min(count)) / f64::from(count));
        object.plain("rateToClient", peer.down_per_s);
        object.plain("rateToPeer", peer.up_per_s);
        object.end();
    });
}

/// One letter for each thing that is so, as clients know them.
fn flags(peer: &PeerRow) -> String {
    let mut flags = String::new();
    match (peer.am_interested, peer.peer_choking) {
        (true, false) => flags.push('D'),
        (true, true) => flags.push('d'),
        (false, false) => flags.push('K'),
        (false, true) => {}
    }
    match (peer.peer_interested, peer.am_choking) {
        (true, false) => flags.push('U'),
        (true, true) => flags.push('u'),
        (false, false) => flags.push('?'),
        (false, true) => {}
    }
    if peer.is_encrypted {
        flags.push('E');
    }
    match peer.source {
        Some(Source::Dht) => flags.push('H'),
        Some(Source::Pex) => flags.push('X'),
        _ => {}
    }
    if peer.is_inbound {
        flags.push('I');
    }
    flags
}

pub fn peers_from(facts: &Facts<'_>, to: &mut String) {
    let count = |is_it: &dyn Fn(&PeerRow) -> bool| facts.peers.iter().filter(|peer| is_it(peer)).count();
    let named = |source: Source| count(&|peer| !peer.is_inbound && peer.source == Some(source));
    let mut object = Writer::begin(to);
    object.plain("fromCache", 0);
    object.plain("fromDht", named(Source::Dht));
    object.plain("fromIncoming", count(&|peer| peer.is_inbound));
    object.plain("fromLpd", named(Source::Local));
    object.plain("fromLtep", named(Source::Person));
    object.plain("fromPex", named(Source::Pex));
    object
        .plain("fromTracker", count(&|peer| !peer.is_inbound && matches!(peer.source, None | Some(Source::Tracker))));
    object.end();
}

/// The trackers' URLs with their tiers, numbered.
fn each_tracker<'a>(facts: &'a Facts<'_>) -> impl Iterator<Item = (usize, usize, &'a str)> {
    let tiers = facts.torrent.tiers.iter().enumerate();
    let urls = tiers.flat_map(|(tier, urls)| urls.iter().map(move |url| (tier, url.as_str())));
    urls.enumerate().map(|(id, (tier, url))| (id, tier, url))
}

/// Where a tracker counts torrents.
fn scrape_url(announce: &str) -> String {
    match announce.rsplit_once('/') {
        Some((before, last)) if last.starts_with("announce") => {
            format!("{before}/scrape{}", &last["announce".len()..])
        }
        _ => String::new(),
    }
}

pub fn tracker_list(facts: &Facts<'_>, to: &mut String) {
    let tiers: Vec<String> = facts.torrent.tiers.iter().map(|tier| tier.join("\n")).collect();
    quote(&tiers.join("\n\n"), to);
}

pub fn trackers(facts: &Facts<'_>, to: &mut String) {
    write_list(each_tracker(facts), to, |(id, tier, url), to| {
        let mut object = Writer::begin(to);
        object.text("announce", url);
        object.plain("id", id);
        object.text("scrape", &scrape_url(url));
        object.text("sitename", &site(url).1);
        object.plain("tier", tier);
        object.end();
    });
}

/// `http://host:port` and the part of the name that people know the site by.
fn site(url: &str) -> (String, String) {
    let Ok(url) = Url::parse(url) else { return (String::new(), String::new()) };
    let host = match url.ip() {
        Some(_) => url.host.clone(),
        None => url.host.rsplit('.').nth(1).unwrap_or(&url.host).to_string(),
    };
    (format!("{}://{}:{}", url.scheme.name(), url.bracketed_host(), url.port_or_default()), host)
}

pub fn tracker_stats(facts: &Facts<'_>, to: &mut String) {
    write_list(each_tracker(facts), to, |(id, tier, url), to| {
        let row = facts.trackers.iter().find(|row| is_of(row, url));
        tracker(facts, (id, tier, url), row, to);
    });
}

/// Whether a machine's tracker is this one: it knows URLs as they are sent.
fn is_of(row: &TrackerRow, url: &str) -> bool {
    Url::parse(url).is_ok_and(|url| row.url == format!("{}{}", url.origin(), url.target()))
}

fn tracker(facts: &Facts<'_>, (id, tier, url): (usize, usize, &str), row: Option<&TrackerRow>, to: &mut String) {
    let (host, name) = site(url);
    let last = row.and_then(|row| row.last);
    let worked = last.is_some_and(|last| last.has_worked);
    let last_s = last.map_or(0, |last| facts.wall_s(last.at));
    let due = row.filter(|row| row.is_in_use && !row.is_asked).and_then(|row| row.due);
    // 0 inactive, 1 waiting, 2 queued, 3 active.
    let state = match row {
        Some(row) if row.is_asked => 3,
        Some(_) if due.is_some() => 1,
        _ => 0,
    };
    let result = match (last, row.and_then(|row| row.trouble.as_deref())) {
        (Some(_), _) if worked => "Success",
        (_, Some(trouble)) => trouble,
        _ => "",
    };
    let count = |count: Option<u32>| count.map_or(-1, i64::from);
    let mut object = Writer::begin(to);
    object.text("announce", url);
    object.plain("announceState", state);
    object.plain("downloadCount", -1);
    object.plain("downloader_count", -1);
    object.plain("hasAnnounced", last.is_some());
    object.plain("hasScraped", false);
    object.text("host", &host);
    object.plain("id", id);
    object.plain("isBackup", row.is_some_and(|row| !row.is_in_use));
    object.plain("lastAnnouncePeerCount", last.map_or(0, |last| last.peer_count));
    object.text("lastAnnounceResult", result);
    object.plain("lastAnnounceStartTime", last_s);
    object.plain("lastAnnounceSucceeded", worked);
    object.plain("lastAnnounceTime", last_s);
    object.plain("lastAnnounceTimedOut", false);
    object.text("lastScrapeResult", "");
    object.plain("lastScrapeStartTime", 0);
    object.plain("lastScrapeSucceeded", false);
    object.plain("lastScrapeTime", 0);
    object.plain("lastScrapeTimedOut", false);
    object.plain("leecherCount", count(last.and_then(|last| last.leechers)));
    object.plain("nextAnnounceTime", due.map_or(0, |due| facts.wall_s(due)));
    object.plain("nextScrapeTime", 0);
    object.text("scrape", &scrape_url(url));
    object.plain("scrapeState", 0);
    object.plain("seederCount", count(last.and_then(|last| last.seeds)));
    object.text("sitename", &name);
    object.plain("tier", tier);
    object.end();
}
