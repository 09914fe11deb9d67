//! Torrents of a chat: what is shared and downloaded in this very process, and how it stands.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::super::progress;
use super::super::run::{self, Item, Subject};
use super::super::server::Server;
use super::super::settings::Settings;
use crate::base::address::Reach;
use crate::base::text::{harmless, size};
use crate::base::{InfoHash, TorrentId};
use crate::machine::{Activity, AddTorrent, Note, Row};
use crate::metainfo::Metainfo;

/// Torrents of one chat.
pub const TORRENTS_MAX: usize = 200;

/// One of them.
#[derive(Debug)]
struct Transfer {
    name: String,
    info_hash: InfoHash,
    dir: PathBuf,
    /// It is ours to give; else it is downloaded first.
    is_share: bool,
    is_complete: bool,
    has_failed: bool,
    row: Option<Row>,
}

#[derive(Debug, Default)]
pub struct Transfers {
    all: BTreeMap<TorrentId, Transfer>,
    next: u32,
}

impl Transfers {
    /// What the loop is to be told of a torrent; None where it is here already, or there are too many.
    pub fn add(
        &mut self,
        metainfo: Arc<Metainfo>,
        dir: PathBuf,
        is_share: bool,
        server: &Server,
        settings: &Settings,
    ) -> Option<AddTorrent> {
        let info_hash = metainfo.info_hash;
        if self.all.len() >= TORRENTS_MAX || self.has(info_hash) {
            return None;
        }
        let id = TorrentId(self.next);
        self.next += 1;
        let name = harmless(&metainfo.name);
        let (is_complete, has_failed) = (false, false);
        self.all
            .insert(id, Transfer { name, info_hash, dir: dir.clone(), is_share, is_complete, has_failed, row: None });
        let mut trackers = vec![vec![server.announce()]];
        if !metainfo.private {
            // Anybody may name peers of an open one.
            let others = metainfo.trackers.iter().filter(|tier| !tier.contains(&server.announce()));
            trackers.extend(others.cloned());
        }
        let subject = Subject::Torrent(metainfo, Vec::new());
        // What comes by chat is nobody's word for this network (RELIABILITY: SSRF).
        let item = Item { subject, dir, wanted: Vec::new(), named_by: Reach::Global };
        let add = run::add(id, item, settings);
        Some(AddTorrent { trackers, announce_all: true, sequential: false, recheck: false, prealloc: false, ..add })
    }

    /// Whether it is worked on. One that failed may be tried again.
    pub fn has(&self, info_hash: InfoHash) -> bool {
        self.all.values().any(|transfer| transfer.info_hash == info_hash && !transfer.has_failed)
    }

    /// Takes a note of the loop in; a line for people, if there is something to say.
    pub fn note(&mut self, note: Note) -> Option<Told> {
        match note {
            Note::Row(row) => {
                if let Some(transfer) = self.all.get_mut(&row.torrent) {
                    transfer.row = Some(*row);
                }
                None
            }
            Note::Complete { torrent } => {
                let transfer = self.all.get_mut(&torrent).filter(|transfer| !transfer.is_complete)?;
                transfer.is_complete = true;
                if transfer.is_share {
                    return None;
                }
                let path = transfer.dir.join(&transfer.name);
                let text =
                    format!("{} is complete and verified: {}", transfer.name, harmless(&path.to_string_lossy()));
                Some(Told { event: "complete", name: transfer.name.clone(), info_hash: transfer.info_hash, text })
            }
            Note::Failed { torrent, error } => {
                let transfer = self.all.get_mut(&torrent)?;
                transfer.has_failed = true;
                let text = format!("{}: {}", transfer.name, harmless(&error.text));
                Some(Told { event: "failed", name: transfer.name.clone(), info_hash: transfer.info_hash, text })
            }
            _ => None,
        }
    }

    /// Something is being downloaded.
    pub fn is_moving(&self) -> bool {
        self.all.values().any(|transfer| !transfer.is_share && !transfer.is_complete && !transfer.has_failed)
    }

    /// How downloads stand, in one line; None where there is nothing to tell.
    pub fn live(&self) -> Option<String> {
        let is_moving = |transfer: &&Transfer| !transfer.is_share && !transfer.is_complete && !transfer.has_failed;
        let moving: Vec<&Transfer> = self.all.values().filter(is_moving).collect();
        let shown =
            moving.iter().find_map(|transfer| Some(progress::line(&transfer.name, transfer.row.as_ref()?)))?;
        Some(if moving.len() > 1 { format!("[1 of {}]  {shown}", moving.len()) } else { shown })
    }

    /// How everything stands, for `/downloads`.
    pub fn lines(&self) -> Vec<String> {
        let line = |transfer: &Transfer| match &transfer.row {
            _ if transfer.has_failed => format!("  {}  failed", transfer.name),
            Some(row) => format!("  {}", progress::line(&transfer.name, row)),
            None => format!("  {}  begins", transfer.name),
        };
        self.all.values().map(line).collect()
    }

    /// Progress events for scripts.
    pub fn events(&self) -> Vec<String> {
        let moving = self.all.values().filter(|transfer| !transfer.is_complete && !transfer.is_share);
        let event = |transfer: &Transfer| {
            let row = transfer.row.as_ref()?;
            Some(progress::event(&transfer.name, &transfer.info_hash.to_string(), row))
        };
        moving.filter_map(event).collect()
    }

    /// Peers of each, for `/peers`.
    pub fn peers(&self) -> Vec<String> {
        let line = |transfer: &Transfer| {
            let row = transfer.row.as_ref()?;
            let (verb, rate) = match row.activity {
                Activity::Seeding => ("shared with", row.up_per_s),
                _ => ("from", row.down_per_s),
            };
            let peers = if row.peers == 1 { "1 peer".into() } else { format!("{} peers", row.peers) };
            Some(format!("  {}: {verb} {peers}, {}/s", transfer.name, size(rate)))
        };
        self.all.values().filter_map(line).collect()
    }
}

/// Something that happened to a torrent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Told {
    /// What scripts call it.
    pub event: &'static str,
    pub name: String,
    pub info_hash: InfoHash,
    /// For people; harmless.
    pub text: String,
}
