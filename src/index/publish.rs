//! Publishing: a .torrent as it is or in a form, checked, put on the shelf, then listed.

use super::catalog::decoded;
use super::entry::{Entry, Words};
use super::gate::{Claim, PublishBy};
use super::request::{asks_for_html, may_be_rebound};
use super::{Index, Pending, TORRENT_LEN, dressed, file_of, json, page, plain};
use crate::base::{ConnId, InfoHash, Time};
use crate::machine::{DiskError, DiskErrorKind, Job, Outbox};
use crate::metainfo;
use crate::wire::authorization::Authorization;
use crate::wire::bencode;
use crate::wire::http::{Reply, Request, arguments};
use crate::wire::multipart;

/// A torrent on its way to the disk.
#[derive(Debug)]
pub struct Publishing {
    pub conn: ConnId,
    pub info_hash: InfoHash,
    entry: Entry,
    /// For the publisher, when it is there.
    token: String,
    as_html: bool,
}

/// What a request brings.
struct Brought<'a> {
    torrent: &'a [u8],
    words: Words,
    claim: Option<Authorization>,
}

/// What was published, or was there before.
pub struct Published<'a> {
    pub info_hash: InfoHash,
    pub entry: &'a Entry,
    /// None where somebody else had published it.
    pub token: Option<&'a str>,
}

impl Index {
    /// A torrent to publish; the reply where it is known at once.
    pub(super) fn publish(
        &mut self,
        conn: ConnId,
        request: &Request<'_>,
        now: Time,
        out: &mut Outbox,
    ) -> Option<Reply> {
        let as_html = asks_for_html(&request.head);
        let refuse = |status: u16, text: &str| Some(refusal(status, text, as_html));
        let Some(brought) = read(request) else {
            return refuse(400, "The form is malformed, or has no file in it.");
        };
        if self.gate.publish_by == PublishBy::Anyone && may_be_rebound(request) {
            return refuse(421, "Open this page by the server's address: that name could be another site's trick.");
        }
        match self.gate.may_publish(request.remote.ip(), brought.claim.as_ref(), now) {
            Claim::Right => {}
            Claim::Wrong => {
                let text = match brought.claim {
                    None => "Publishing here needs a password.",
                    Some(_) => "That is not the password.",
                };
                return Some(refusal(401, text, as_html).with("WWW-Authenticate", "Basic realm=\"peerlink\""));
            }
            Claim::Locked(seconds) => return Some(locked(seconds, as_html)),
        }
        if brought.torrent.len() > TORRENT_LEN {
            return refuse(413, "The .torrent is larger than 2 MiB.");
        }
        if brought.torrent.is_empty() {
            return refuse(400, "There is no .torrent in the request.");
        }
        let metainfo = match metainfo::parse::parse(brought.torrent) {
            Ok(metainfo) => metainfo,
            Err(why) => return refuse(400, &format!("This cannot be published: {why}.")),
        };
        // Bytes behind the dictionary are nothing of the torrent's.
        let len = bencode::parse_prefix(brought.torrent).map_or(brought.torrent.len(), |(root, _)| root.raw().len());
        let torrent = &brought.torrent[..len.min(brought.torrent.len())];
        let info_hash = metainfo.info_hash;
        if let Some(entry) = self.catalog.get(info_hash) {
            return Some(told(200, &Published { info_hash, entry, token: None }, as_html));
        }
        if self.is_changing(info_hash) {
            return refuse(409, "Somebody is publishing or removing this torrent right now; try again.");
        }
        if self.gate.publish_by == PublishBy::Anyone
            && let Err(seconds) = self.flood.count(request.remote.ip(), now)
            && !self.gate.is_operator(request.remote.ip(), brought.claim.as_ref(), now)
        {
            let text = format!("Your address has published a lot; go on in {seconds} s.");
            return Some(refusal(429, &text, as_html).with("Retry-After", seconds.to_string()));
        }
        let (token, remembered) = self.gate.new_token(info_hash);
        let number = self.catalog.new_number();
        let entry = Entry::new(&metainfo, torrent, &brought.words, number, self.unix_s(now), remembered);
        if !self.has_room(&entry) {
            return refuse(507, "The index of this server is full.");
        }
        let bytes = entry.encode(info_hash, torrent);
        let publishing = Publishing { conn, info_hash, entry, token, as_html };
        let file = file_of(info_hash);
        self.start(Pending::Publish(Box::new(publishing)), |id| Job::Shelve { id, file, bytes }, out)
    }

    /// With what is on its way counted as there.
    fn has_room(&self, entry: &Entry) -> bool {
        let coming = self.pending.values().filter_map(|pending| match pending {
            Pending::Publish(publishing) => Some(publishing.entry.disk_len()),
            _ => None,
        });
        let (count, len) = coming.fold((0, 0), |(count, len), one| (count + 1, len + one));
        self.catalog.count() + count < self.count_max
            && self.catalog.disk_len() + len + entry.disk_len() <= self.disk_max
    }

    /// The disk has it, or not.
    pub(super) fn published(&mut self, publishing: Publishing, result: Result<Vec<u8>, DiskError>) -> Reply {
        let Publishing { info_hash, entry, token, as_html, .. } = publishing;
        if let Err(error) = result {
            log::warn!("cannot publish {info_hash}: {}", error.text);
            return trouble(&error, as_html);
        }
        let reply = told(201, &Published { info_hash, entry: &entry, token: Some(&token) }, as_html);
        self.catalog.insert(info_hash, entry);
        reply
    }
}

/// Takes the body apart; None where it is a malformed form.
fn read<'a>(request: &Request<'a>) -> Option<Brought<'a>> {
    let head = &request.head;
    let claim = head.field("authorization").and_then(Authorization::parse);
    let kind = head.field("content-type").unwrap_or_default();
    let Some(boundary) = multipart::boundary(kind) else {
        if kind.trim_start().to_ascii_lowercase().starts_with("multipart/") {
            return None;
        }
        let argument = |wanted: &str| arguments(head.query).find(|(key, _)| *key == wanted);
        let text = |wanted: &str| argument(wanted).map(|(_, value)| decoded(value)).unwrap_or_default();
        let words = Words { name: text("name"), description: text("description") };
        return Some(Brought { torrent: request.body, words, claim });
    };
    let parts = multipart::parts(request.body, boundary)?;
    let part = |wanted: &str| parts.iter().find(|part| part.name == wanted).map(|part| part.content);
    let text = |wanted: &str| part(wanted).map(|content| String::from_utf8_lossy(content).into_owned());
    let password = text("password").filter(|password| !password.is_empty());
    let from_form = password.map(|password| Authorization::Basic { name: String::new(), password });
    let words =
        Words { name: text("name").unwrap_or_default(), description: text("description").unwrap_or_default() };
    Some(Brought { torrent: part("file")?, words, claim: claim.or(from_form) })
}

/// It is there.
fn told(status: u16, published: &Published<'_>, as_html: bool) -> Reply {
    let place = format!("/torrents/{}", published.info_hash);
    let reply = match as_html {
        true => page::reply(status, page::published(published)),
        false => dressed(Reply::json(status, json::published(published))),
    };
    // The token is for one pair of eyes.
    let reply = reply.with("Cache-Control", "no-store");
    if status == 201 { reply.with("Location", place) } else { reply }
}

fn refusal(status: u16, text: &str, as_html: bool) -> Reply {
    if as_html { page::reply(status, page::refusal(text)) } else { plain(status, text) }
}

/// Too many wrong passwords.
pub(super) fn locked(seconds: u64, as_html: bool) -> Reply {
    let text = format!("Too many wrong passwords from your address; try again in {seconds} s.");
    refusal(429, &text, as_html).with("Retry-After", seconds.to_string())
}

/// The server's own trouble with its disk; what it is in detail is for its log.
pub(super) fn trouble(error: &DiskError, as_html: bool) -> Reply {
    match error.kind {
        DiskErrorKind::Full => refusal(507, "The server's disk is full.", as_html),
        _ => refusal(500, "The server cannot use its disk.", as_html),
    }
}
