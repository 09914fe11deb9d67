//! The fields of `torrent-get`: one row each, with what has to be known to write it.

use super::facts::Facts;
use super::lists;
use super::torrent::Own;
use crate::wire::authorization::base64;
use crate::wire::json::{number, quote, write_list};

/// What has to be looked up besides record and row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Needs {
    Nothing,
    Metainfo,
    Peers,
    Trackers,
    Pieces,
    /// Metainfo and pieces.
    Files,
}

/// Writes a field's value.
type Write = fn(&Facts<'_>, &mut String);

/// A field.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    pub name: &'static str,
    pub needs: Needs,
    pub write: Write,
}

/// The field of this name.
pub fn field(name: &str) -> Option<Field> {
    let at = FIELDS.binary_search_by(|(known, ..)| (*known).cmp(name)).ok()?;
    let (name, needs, write) = FIELDS[at];
    Some(Field { name, needs, write })
}

/// How much of a whole, 0 to 1; all of nothing.
fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 1.0 } else { (part as f64 / whole as f64).min(1.0) }
}

/// Progress of what is wanted; nothing while nobody knows what that is.
fn done_share(facts: &Facts<'_>) -> f64 {
    if facts.torrent.has_metainfo() { share(facts.torrent.have_len, facts.torrent.wanted_len) } else { 0.0 }
}

/// What somebody set for the torrent, or what holds where nobody did.
fn own<R>(facts: &Facts<'_>, see: impl FnOnce(&Own) -> R) -> R {
    match &facts.torrent.own {
        Some(own) => see(own),
        None => see(&Own::default()),
    }
}

use Needs::{Files, Metainfo, Nothing, Peers, Pieces, Trackers};

/// In ascending order.
const FIELDS: &[(&str, Needs, Write)] = &[
    ("activityDate", Nothing, |f, to| number(f.torrent.active_s, to)),
    ("addedDate", Nothing, |f, to| number(f.torrent.added_s, to)),
    ("bandwidthPriority", Nothing, |f, to| number(own(f, |own| own.bandwidth), to)),
    ("comment", Metainfo, |f, to| quote(f.metainfo.and_then(|m| m.comment.as_deref()).unwrap_or_default(), to)),
    ("corruptEver", Nothing, |f, to| number(f.torrent.wasted, to)),
    ("creator", Metainfo, |f, to| quote(f.metainfo.and_then(|m| m.created_by.as_deref()).unwrap_or_default(), to)),
    ("dateCreated", Metainfo, |f, to| number(f.metainfo.and_then(|m| m.creation_date).unwrap_or(0).max(0), to)),
    ("desiredAvailable", Nothing, |f, to| {
        let reachable =
            f.row.as_ref().filter(|row| row.peers > 0).map(|row| f.left().saturating_sub(row.unreachable));
        number(reachable.unwrap_or(0), to);
    }),
    ("doneDate", Nothing, |f, to| number(f.torrent.done_s, to)),
    ("downloadDir", Nothing, |f, to| quote(&f.torrent.dir.to_string_lossy(), to)),
    ("downloadLimit", Nothing, |f, to| number(own(f, |own| own.down_limit.0), to)),
    ("downloadLimited", Nothing, |f, to| number(own(f, |own| own.down_limit.1), to)),
    ("downloadedEver", Nothing, |f, to| number(f.torrent.downloaded, to)),
    ("editDate", Nothing, |_, to| number(0, to)),
    ("error", Nothing, |f, to| number(f.trouble().0, to)),
    ("errorString", Nothing, |f, to| quote(f.trouble().1, to)),
    ("eta", Nothing, |f, to| number(f.eta(), to)),
    ("etaIdle", Nothing, |_, to| number(-1, to)),
    ("file-count", Nothing, |f, to| number(f.torrent.file_count, to)),
    ("fileCount", Nothing, |f, to| number(f.torrent.file_count, to)),
    ("fileStats", Files, lists::file_stats),
    ("files", Files, lists::files),
    ("group", Nothing, |f, to| quote(&own(f, |own| own.group.clone()), to)),
    ("hashString", Nothing, |f, to| quote(&f.torrent.info_hash.to_string(), to)),
    ("haveUnchecked", Nothing, |_, to| number(0, to)),
    ("haveValid", Nothing, |f, to| number(f.torrent.have_len, to)),
    ("honorsSessionLimits", Nothing, |f, to| number(own(f, |own| own.honours_session), to)),
    ("id", Nothing, |f, to| number(f.torrent.id, to)),
    ("isFinished", Nothing, |f, to| number(f.torrent.is_finished, to)),
    ("isPrivate", Nothing, |f, to| number(f.torrent.is_private, to)),
    ("isStalled", Nothing, |f, to| {
        let moves = f.rates() != (0, 0);
        number(
            f.torrent.machine().is_some() && !moves && f.now.since(f.torrent.idle_since).as_secs_f64() > 1800.0,
            to,
        );
    }),
    ("labels", Nothing, |f, to| own(f, |own| write_list(&own.labels, to, |label, to| quote(label, to)))),
    ("leftUntilDone", Nothing, |f, to| number(f.left(), to)),
    ("magnetLink", Nothing, lists::magnet_link),
    ("manualAnnounceTime", Nothing, |_, to| number(-1, to)),
    ("maxConnectedPeers", Nothing, |f, to| number(own(f, |own| own.peers_max.unwrap_or(100)), to)),
    ("metadataPercentComplete", Nothing, |f, to| number(f.metadata_share(), to)),
    ("name", Nothing, |f, to| quote(&f.torrent.name, to)),
    ("peer-limit", Nothing, |f, to| number(own(f, |own| own.peers_max.unwrap_or(100)), to)),
    ("peers", Peers, lists::peers),
    ("peersConnected", Nothing, |f, to| number(f.row.as_ref().map_or(0, |row| row.peers), to)),
    ("peersFrom", Peers, lists::peers_from),
    ("peersGettingFromUs", Nothing, |f, to| number(f.row.as_ref().map_or(0, |row| row.taking), to)),
    ("peersSendingToUs", Nothing, |f, to| number(f.row.as_ref().map_or(0, |row| row.giving), to)),
    ("percentComplete", Nothing, |f, to| {
        number(if f.torrent.has_metainfo() { share(f.torrent.have_len, f.torrent.len) } else { 0.0 }, to);
    }),
    ("percentDone", Nothing, |f, to| number(done_share(f), to)),
    ("pieceCount", Nothing, |f, to| number(f.torrent.piece_count, to)),
    ("pieceSize", Nothing, |f, to| number(f.torrent.piece_len, to)),
    ("pieces", Pieces, |f, to| quote(&base64(f.pieces().as_bytes()), to)),
    ("primary-mime-type", Nothing, |_, to| quote("application/octet-stream", to)),
    ("priorities", Metainfo, lists::priorities),
    ("queuePosition", Nothing, |f, to| number(f.torrent.position, to)),
    ("rateDownload", Nothing, |f, to| number(f.rates().0, to)),
    ("rateUpload", Nothing, |f, to| number(f.rates().1, to)),
    ("recheckProgress", Nothing, |f, to| number(f.check_share(), to)),
    ("secondsDownloading", Nothing, |f, to| number(f.torrent.downloading_s, to)),
    ("secondsSeeding", Nothing, |f, to| number(f.torrent.shared_s(f.active_s), to)),
    ("seedIdleLimit", Nothing, |f, to| number(own(f, |own| own.idle.0), to)),
    ("seedIdleMode", Nothing, |f, to| number(own(f, |own| own.idle.1.number()), to)),
    ("seedRatioLimit", Nothing, |f, to| number(own(f, |own| own.ratio.0), to)),
    ("seedRatioMode", Nothing, |f, to| number(own(f, |own| own.ratio.1.number()), to)),
    ("sequentialDownload", Nothing, |f, to| number(own(f, |own| own.sequential), to)),
    ("sizeWhenDone", Nothing, |f, to| number(f.torrent.wanted_len, to)),
    ("startDate", Nothing, |f, to| number(f.torrent.started_s, to)),
    ("status", Nothing, |f, to| number(f.status() as u8, to)),
    ("torrentFile", Nothing, |f, to| {
        quote(&format!("{}/torrents/{}.torrent", f.state_dir, f.torrent.info_hash), to);
    }),
    ("totalSize", Nothing, |f, to| number(f.torrent.len, to)),
    ("trackerList", Nothing, lists::tracker_list),
    ("trackerStats", Trackers, lists::tracker_stats),
    ("trackers", Nothing, lists::trackers),
    ("uploadLimit", Nothing, |f, to| number(own(f, |own| own.up_limit.0), to)),
    ("uploadLimited", Nothing, |f, to| number(own(f, |own| own.up_limit.1), to)),
    ("uploadRatio", Nothing, |f, to| number(f.torrent.ratio().unwrap_or(-1.0), to)),
    ("uploadedEver", Nothing, |f, to| number(f.torrent.uploaded, to)),
    ("wanted", Metainfo, lists::wanted),
    ("webseeds", Metainfo, |f, to| {
        let urls = f.metainfo.map_or(&[][..], |metainfo| &metainfo.web_seeds);
        write_list(urls, to, |url, to| quote(url, to));
    }),
    ("webseedsSendingToUs", Nothing, |f, to| number(f.row.as_ref().map_or(0, |row| row.web_giving), to)),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted() {
        for pair in FIELDS.windows(2) {
            assert!(pair[0].0 < pair[1].0, "{} {}", pair[0].0, pair[1].0);
        }
        assert!(field("status").is_some() && field("nothing").is_none());
    }
}
