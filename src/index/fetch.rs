//! Fetching a published .torrent: read from the shelf, held against its digest, sent as it was published.

use super::entry::HEAD_LEN;
use super::publish::trouble;
use super::request;
use super::{Index, Pending, TORRENT_LEN, dressed, file_of, plain};
use crate::base::{ConnId, InfoHash};
use crate::machine::{DiskError, Job, Outbox};
use crate::wire::http::{Head, Reply};
use crate::wire::url::percent_encode;

impl Index {
    /// A torrent is wanted; the reply where it is known at once.
    pub(super) fn fetch(
        &mut self,
        conn: ConnId,
        info_hash: InfoHash,
        head: &Head<'_>,
        out: &mut Outbox,
    ) -> Option<Reply> {
        let Some(entry) = self.catalog.get(info_hash) else {
            return Some(plain(404, "There is no such torrent here."));
        };
        let announce = request::host(head).filter(|_| entry.is_bare).map(|host| host.announce());
        let file = file_of(info_hash);
        let len_max = HEAD_LEN + TORRENT_LEN;
        self.start(Pending::Fetch { conn, info_hash, announce }, |id| Job::Recall { id, file, len_max }, out)
    }

    /// The disk has read it, or not.
    pub(super) fn fetched(
        &mut self,
        info_hash: InfoHash,
        announce: Option<String>,
        result: Result<Vec<u8>, DiskError>,
    ) -> Reply {
        let Some(entry) = self.catalog.get(info_hash) else {
            // It was taken away in between.
            return plain(404, "There is no such torrent here.");
        };
        let mut file = match result {
            Ok(file) => file,
            Err(error) => {
                log::warn!("cannot read the published {info_hash}: {}", error.text);
                return trouble(&error, false);
            }
        };
        let Some(torrent_len) = entry.torrent_in(&file).map(<[u8]>::len) else {
            log::warn!("the published {info_hash} was damaged on disk");
            return plain(500, "The server's copy of this torrent is damaged.");
        };
        file.drain(..file.len() - torrent_len);
        if let Some(announce) = announce {
            // A torrent that names no tracker is at home at this one. Its info dictionary, and so its hash, stay.
            let field = format!("8:announce{}:{announce}", announce.len());
            file.splice(1..1, field.into_bytes());
        }
        let reply = dressed(Reply::new(200, "application/x-bittorrent", file));
        reply.with("Content-Disposition", disposition(&entry.name))
    }
}

/// A name for the file, for old programs and for others (RFC 6266).
fn disposition(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || " .-_()".contains(c) { c } else { '_' };
    let ascii: String = name.chars().map(plain).collect();
    let exact = percent_encode(name.as_bytes());
    format!("attachment; filename=\"{ascii}.torrent\"; filename*=UTF-8''{exact}.torrent")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_cannot_break_out() {
        let field = disposition("a\"; b/\\\u{e4}\r\n");
        let expected =
            "attachment; filename=\"a__ b____ .torrent\"; filename*=UTF-8''a%22%3B%20b%2F%5C%C3%A4%0D%0A.torrent";
        assert_eq!(field, expected.replace("b____ .", "b_____."));
    }
}
