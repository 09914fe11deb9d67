//! What programs are told: listings and receipts as JSON.

use miniserde::Serialize;

use super::catalog::{Listing, Row};
use super::page::magnet;
use super::publish::Published;
use super::request::Host;

#[derive(Serialize)]
struct List {
    total: usize,
    page: usize,
    pages: usize,
    announce: Vec<String>,
    torrents: Vec<Item>,
}

#[derive(Serialize)]
struct Item {
    number: u32,
    info_hash: String,
    name: String,
    description: String,
    size: u64,
    files: u32,
    added: u64,
    seeds: Option<u32>,
    peers: Option<u32>,
    torrent: String,
    magnet: String,
}

#[derive(Serialize)]
struct Receipt {
    new: bool,
    number: u32,
    info_hash: String,
    name: String,
    private: bool,
    torrent: String,
    token: Option<String>,
}

/// `{total, page, pages, announce[], torrents[{number, info_hash, name, description, size, files, added, seeds, peers,
/// torrent, magnet}]}`: sizes in bytes, `added` in seconds since 1970, `seeds` and `peers` null where nobody counts.
pub fn listing(listing: &Listing<'_>, host: Option<&Host>) -> String {
    let announce = host.map(|host| [Some(host.announce()), host.announce_udp()].into_iter().flatten().collect());
    miniserde::json::to_string(&List {
        total: listing.total,
        page: listing.page,
        pages: listing.pages,
        announce: announce.unwrap_or_default(),
        torrents: listing.rows.iter().map(|row| item(row, host)).collect(),
    })
}

fn item(row: &Row<'_>, host: Option<&Host>) -> Item {
    Item {
        number: row.entry.number,
        info_hash: row.info_hash.to_string(),
        name: row.entry.name.to_string(),
        description: row.entry.description.to_string(),
        size: row.entry.size,
        files: row.entry.file_count,
        added: row.entry.added_s,
        seeds: row.counts.map(|counts| counts.seeds),
        peers: row.counts.map(|counts| counts.peers),
        torrent: format!("/torrents/{}.torrent", row.info_hash),
        magnet: magnet(row.info_hash, row.entry, host),
    }
}

/// `{new, number, info_hash, name, private, torrent, token}`; the token is null where it was there before.
pub fn published(published: &Published<'_>) -> String {
    miniserde::json::to_string(&Receipt {
        new: published.token.is_some(),
        number: published.entry.number,
        info_hash: published.info_hash.to_string(),
        name: published.entry.name.to_string(),
        private: published.entry.is_private,
        torrent: format!("/torrents/{}.torrent", published.info_hash),
        token: published.token.map(str::to_string),
    })
}
