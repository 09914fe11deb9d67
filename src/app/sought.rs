//! Torrents of which only the hash is known when a run begins: how they are asked for, and what follows when peers
//! have told what they hold.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::exit::{Exit, Failure};
use super::follow::{Follow, Purpose, Say};
use super::run::{Item, Subject, add, ways};
use super::settings::Settings;
use super::space::MinFree;
use super::{get, json};
use crate::base::address::Reach;
use crate::base::{InfoHash, Span, TorrentId, limits};
use crate::io::reactor::Handle;
use crate::machine::{Note, SeekTorrent};
use crate::metainfo::magnet::{self, Magnet};
use crate::metainfo::{Metainfo, parse, show};

/// The torrents of a run that are sought, and notes for which the loop had no room.
pub struct Sought<'a> {
    settings: &'a Settings,
    handle: Handle,
    items: BTreeMap<TorrentId, Item>,
    waiting: VecDeque<Note>,
}

impl<'a> Sought<'a> {
    pub fn new(settings: &'a Settings, handle: Handle) -> Sought<'a> {
        Sought { settings, handle, items: BTreeMap::new(), waiting: VecDeque::new() }
    }

    /// What the loop is to be told of an item of the run.
    pub fn begin(&mut self, number: usize, item: Item) -> Note {
        let torrent = TorrentId(number as u32);
        let Subject::Link(magnet, info_hash) = &item.subject else {
            return Note::Add(Box::new(add(torrent, item, self.settings)));
        };
        let seek = seek(torrent, magnet, *info_hash, self.settings);
        self.items.insert(torrent, item);
        Note::Seek(Box::new(seek))
    }

    /// Hands over what there was no room for.
    pub fn push(&mut self) {
        while let Some(note) = self.waiting.pop_front() {
            if let Err(back) = self.handle.try_note(note) {
                return self.waiting.push_front(back);
            }
        }
    }

    /// Peers told what a link stands for.
    pub fn found(
        &mut self,
        now: Span,
        torrent: TorrentId,
        info: &[u8],
        follow: &mut Follow,
        min_free: Option<&MinFree>,
    ) -> Vec<Say> {
        let Some(Item { subject: Subject::Link(magnet, info_hash), dir, .. }) = self.items.remove(&torrent) else {
            return Vec::new();
        };
        let mut metainfo = match parse::parse_info(info) {
            Ok(metainfo) => metainfo,
            Err(refused) => {
                let failure = Failure::new(Exit::BadTorrent, refused.to_string());
                return follow.refuse(torrent, &failure);
            }
        };
        add_from_link(&mut metainfo, &magnet);
        let keep = Note::Keep { info_hash, bytes: magnet::torrent_file(info, &magnet) };
        if let Purpose::Look { list, json, .. } = follow.purpose() {
            let text = told(&metainfo, list, json);
            self.waiting.push_back(keep);
            self.push();
            return follow.looked(now, torrent, text);
        }
        let metainfo = Arc::new(metainfo);
        let wanted = get::wanted(&metainfo, Some(&magnet), self.settings);
        let subject = Subject::Torrent(metainfo.clone(), Vec::new());
        let item = wanted.map(|wanted| Item { subject, dir, wanted, named_by: Reach::Nowhere });
        let checked = item.and_then(|item| min_free.map_or(Ok(()), |free| free.check(&[&item])).map(|()| item));
        match checked {
            Err(failure) => follow.refuse(torrent, &failure),
            Ok(item) => {
                let say = follow.learn(torrent, &metainfo, &item.wanted);
                self.waiting.push_back(Note::Add(Box::new(add(torrent, item, self.settings))));
                self.waiting.push_back(keep);
                self.push();
                say
            }
        }
    }
}

fn seek(torrent: TorrentId, magnet: &Magnet, info_hash: InfoHash, settings: &Settings) -> SeekTorrent {
    let trackers = settings.tiers("tracker");
    let own = || magnet.trackers.iter().map(|url| vec![url.clone()]).collect();
    SeekTorrent {
        torrent,
        info_hash,
        peers: settings.peers("peer").into_iter().chain(magnet.peers.iter().cloned()).collect(),
        nodes: magnet.nodes.clone(),
        trackers: if trackers.is_empty() { own() } else { trackers },
        announce_all: settings.switch("announce-all"),
        peers_max: settings.count("max-peers").unwrap_or(limits::PEERS_MAX as u64) as usize,
        ways: ways(settings),
    }
}

/// What a link says besides the hash.
pub fn add_from_link(metainfo: &mut Metainfo, magnet: &Magnet) {
    if !magnet.trackers.is_empty() {
        metainfo.trackers = magnet.trackers.iter().map(|url| vec![url.clone()]).collect();
    }
    if metainfo.web_seeds.is_empty() {
        metainfo.web_seeds.clone_from(&magnet.web_seeds);
    }
}

/// What a torrent holds, for whoever only wants to know.
pub fn told(metainfo: &Metainfo, list: bool, as_json: bool) -> String {
    match (as_json, list) {
        (true, _) => json::harmless(&show::json(metainfo)),
        (false, true) => show::files(metainfo),
        (false, false) => show::text(metainfo),
    }
}
