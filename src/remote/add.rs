//! `torrent-add`: a torrent by its .torrent file (in the call, on the web, on this machine), a magnet link or an info
//! hash. Its caller is told when it is on disk, so that no crash loses what was confirmed.

use std::path::PathBuf;

use super::call::{Back, Call, SUCCESS};
use super::session::is_folder;
use super::torrent::{Own, Torrent, Trouble, places};
use super::{Errand, Remote, TORRENTS};
use crate::base::address::{Reach, may_dial};
use crate::base::{InfoHash, Span, Time, limits};
use crate::machine::{Completion, DiskError, Event, Fetch, Job, Outbox, Purpose};
use crate::metainfo::magnet::Magnet;
use crate::metainfo::{Metainfo, parse};
use crate::wire::authorization::base64_decode;
use crate::wire::json::Writer;

/// From look-up to last byte of a .torrent on the web.
const FETCH_TIMEOUT: Span = Span::secs(60);
/// Torrents of one daemon.
const TORRENTS_MAX: usize = 100_000;

const CORRUPT: &str = "invalid or corrupt torrent file";
const UNKNOWN: &str = "unrecognized info";

/// Callers waiting until a torrent that is being removed is gone, for they want it again.
const POSTPONED_MAX: usize = 16;

/// A torrent to be added as soon as the one of the same hash is gone.
#[derive(Debug)]
pub struct Postponed {
    info_hash: InfoHash,
    adding: Adding,
    source: Source,
}

#[derive(Debug)]
enum Source {
    Torrent(Vec<u8>),
    Link(String),
}

/// What a caller wants of a new torrent.
#[derive(Debug)]
pub struct Adding {
    back: Back,
    dir: PathBuf,
    is_started: bool,
    own: Own,
    /// Only these files; None: all but the unwanted ones.
    wanted: Option<Vec<usize>>,
}

impl Remote {
    pub(super) fn torrent_add(&mut self, call: &Call, now: Time, out: &mut Outbox) {
        let adding = match self.adding(call) {
            Ok(adding) => adding,
            Err(why) => return call.back.fail(why, out),
        };
        if self.list.len() >= TORRENTS_MAX {
            return call.back.fail("there are too many torrents", out);
        }
        if let Some(text) = call.text("metainfo") {
            let plain: String = text.split_ascii_whitespace().collect();
            return match base64_decode(&plain) {
                Some(bytes) => self.add_torrent(adding, bytes, now, out),
                None => call.back.fail(CORRUPT, out),
            };
        }
        let Some(source) = call.text("filename").filter(|source| !source.is_empty()) else {
            return call.back.fail("no filename or metainfo specified", out);
        };
        let starts = |scheme: &str| source.get(..scheme.len()).is_some_and(|head| head.eq_ignore_ascii_case(scheme));
        let link = Magnet::is_link(source).then(|| Magnet::parse(source).ok());
        if let Some(magnet) = link.unwrap_or_else(|| Magnet::from_hash(source)) {
            return self.add_link(adding, source, magnet, now, out);
        }
        let id = out.new_job();
        if starts("http://") || starts("https://") {
            let request = Fetch {
                url: source.to_string(),
                len_max: limits::TORRENT_LEN,
                timeout: FETCH_TIMEOUT,
                purpose: Purpose::File,
            };
            out.job(Job::Fetch { id, request });
        } else if is_folder(source) {
            out.job(Job::ReadFile { id, path: source.into(), len_max: limits::TORRENT_LEN });
        } else {
            return call.back.fail(UNKNOWN, out);
        }
        self.jobs.insert(id, Errand::Source(Box::new(adding)));
    }

    /// Somebody put a .torrent file or a link into the watched folder.
    pub(super) fn bring(&mut self, bytes: &[u8], now: Time, out: &mut Outbox) {
        let adding = Adding {
            back: Back::NOBODY,
            dir: self.session.folder("download-dir"),
            is_started: self.session.switch("start-added-torrents"),
            own: Own::default(),
            wanted: None,
        };
        let link = std::str::from_utf8(bytes).ok().map(str::trim).filter(|text| Magnet::is_link(text));
        match link.map(|text| (text, Magnet::parse(text))) {
            Some((text, Ok(magnet))) => self.add_link(adding, text, magnet, now, out),
            Some((_, Err(why))) => log::warn!("a link of the watched folder is none: {why}"),
            None => self.add_torrent(adding, bytes.to_vec(), now, out),
        }
    }

    fn adding(&self, call: &Call) -> Result<Adding, &'static str> {
        let dir = match call.text("download-dir") {
            Some(dir) if !dir.is_empty() => dir.to_string(),
            _ => self.session.text("download-dir"),
        };
        if !is_folder(&dir) {
            return Err("download-dir is not an absolute path");
        }
        let mut own = Own { labels: call.texts("labels").unwrap_or_default(), ..Own::default() };
        own.peers_max = call.int("peer-limit").and_then(|max| u32::try_from(max).ok()).filter(|max| *max > 0);
        own.bandwidth = call.int("bandwidthPriority").map_or(0, |value| value.clamp(-1, 1) as i8);
        let small = |key: &str| {
            let list = call.indexes(key).unwrap_or_default();
            let mut list: Vec<u32> = list.into_iter().filter_map(|index| u32::try_from(index).ok()).collect();
            list.sort_unstable();
            list
        };
        (own.unwanted, own.high, own.low) = (small("files-unwanted"), small("priority-high"), small("priority-low"));
        let is_paused = call.switch("paused").unwrap_or(!self.session.switch("start-added-torrents"));
        let wanted = call.indexes("files-wanted").filter(|list| !list.is_empty());
        Ok(Adding { back: call.back, dir: dir.into(), is_started: !is_paused, own, wanted })
    }

    /// A .torrent file came from the web, or from this machine.
    pub(super) fn on_source(&mut self, adding: Adding, completion: Completion, now: Time, out: &mut Outbox) {
        match completion {
            Completion::Recalled { result: Ok(bytes), .. } => self.add_torrent(adding, bytes, now, out),
            // What is on this machine is nobody's business who cannot see it for himself.
            Completion::Recalled { .. } => adding.back.fail(UNKNOWN, out),
            Completion::Fetched { result: Ok(fetched), .. } if fetched.status == 200 => {
                self.add_torrent(adding, fetched.body, now, out);
            }
            Completion::Fetched { result: Ok(fetched), .. } => {
                adding.back.fail(&format!("gotMetadataFromURL: http error {}", fetched.status), out);
            }
            Completion::Fetched { result: Err(why), .. } => {
                adding.back.fail(&format!("gotMetadataFromURL: {why}"), out);
            }
            _ => adding.back.fail(UNKNOWN, out),
        }
    }

    fn add_torrent(&mut self, mut adding: Adding, bytes: Vec<u8>, now: Time, out: &mut Outbox) {
        let metainfo = match parse::parse(&bytes) {
            Ok(metainfo) => metainfo,
            Err(refused) => {
                log::debug!("remote control: a torrent was refused: {refused}");
                return adding.back.fail(CORRUPT, out);
            }
        };
        if self.is_leaving(metainfo.info_hash) {
            return self.postpone(metainfo.info_hash, adding, Source::Torrent(bytes), out);
        }
        if self.is_here(metainfo.info_hash, adding.back, out) {
            return;
        }
        let count = places(&metainfo).len();
        if let Some(wanted) = &adding.wanted {
            let is_wanted = |index: &u32| wanted.contains(&(*index as usize));
            adding.own.unwanted.extend((0..count as u32).filter(|index| !is_wanted(index)));
            adding.own.unwanted.sort_unstable();
            adding.own.unwanted.dedup();
        }
        let own = &mut adding.own;
        for list in [&mut own.unwanted, &mut own.high, &mut own.low] {
            list.retain(|index| (*index as usize) < count);
        }
        let mut torrent = self.new_torrent(metainfo.info_hash, &metainfo.trackers, &adding, now);
        torrent.learn(&metainfo);
        let name = format!("{}.torrent", metainfo.info_hash);
        self.shelve(TORRENTS, name, bytes, Errand::Kept(torrent.id), out);
        self.add(torrent, adding.back, out);
    }

    fn add_link(&mut self, adding: Adding, source: &str, magnet: Magnet, now: Time, out: &mut Outbox) {
        let Some(info_hash) = magnet.info_hash else {
            return adding.back.fail("invalid or corrupt torrent: v2-only torrents cannot be used", out);
        };
        if self.is_leaving(info_hash) {
            return self.postpone(info_hash, adding, Source::Link(source.to_string()), out);
        }
        if self.is_here(info_hash, adding.back, out) {
            return;
        }
        let tiers: Vec<Vec<String>> = magnet.trackers.iter().map(|url| vec![url.clone()]).collect();
        let mut torrent = self.new_torrent(info_hash, &tiers, &adding, now);
        torrent.name = magnet.shown_name().into();
        let is_hash = !Magnet::is_link(source);
        torrent.link = Some(if is_hash { format!("magnet:?xt=urn:btih:{info_hash}").into() } else { source.into() });
        self.add(torrent, adding.back, out);
    }

    fn is_leaving(&self, info_hash: InfoHash) -> bool {
        self.list.by_hash(info_hash).is_some_and(|torrent| torrent.plans.removal.is_some())
    }

    fn postpone(&mut self, info_hash: InfoHash, adding: Adding, source: Source, out: &mut Outbox) {
        if self.postponed.len() >= POSTPONED_MAX {
            return adding.back.fail("this torrent is being removed; try again in a moment", out);
        }
        self.postponed.push(Postponed { info_hash, adding, source });
    }

    /// A torrent is gone: who wants it again has it.
    pub(super) fn go_on_adding(&mut self, now: Time, out: &mut Outbox) {
        let postponed = std::mem::take(&mut self.postponed);
        let (leaving, ready): (Vec<_>, Vec<_>) =
            postponed.into_iter().partition(|postponed| self.is_leaving(postponed.info_hash));
        self.postponed = leaving;
        for Postponed { adding, source, .. } in ready {
            match source {
                Source::Torrent(bytes) => self.add_torrent(adding, bytes, now, out),
                Source::Link(text) => match Magnet::parse(&text).ok().or_else(|| Magnet::from_hash(&text)) {
                    Some(magnet) => self.add_link(adding, &text, magnet, now, out),
                    None => adding.back.fail(UNKNOWN, out),
                },
            }
        }
    }

    /// Answers where the torrent is here already.
    fn is_here(&mut self, info_hash: InfoHash, back: Back, out: &mut Outbox) -> bool {
        match self.list.by_hash(info_hash) {
            None => false,
            Some(torrent) => {
                back.answer(SUCCESS, &told("torrent-duplicate", torrent), out);
                true
            }
        }
    }

    fn new_torrent(&mut self, info_hash: InfoHash, tiers: &[Vec<String>], adding: &Adding, now: Time) -> Torrent {
        let (dir, tiers) = (self.list.dir(&adding.dir), self.list.tiers(tiers.to_vec()));
        let mut torrent = Torrent::new(self.list.new_id(), info_hash, dir, tiers);
        torrent.added_s = self.wall_s(now);
        if self.session.switch("incomplete-dir-enabled") && is_folder(&self.session.text("incomplete-dir")) {
            torrent.aside = Some(self.list.dir(&self.session.folder("incomplete-dir")));
        }
        (torrent.is_started, torrent.is_new, torrent.changed) = (adding.is_started, true, now);
        torrent.own = (adding.own != Own::default()).then(|| Box::new(adding.own.clone()));
        torrent
    }

    fn add(&mut self, torrent: Torrent, back: Back, out: &mut Outbox) {
        let id = torrent.id;
        self.list.insert(torrent);
        self.save(id, Errand::Added { id, back }, out);
    }

    /// The .torrent file of a new one cannot be put on disk: nor shall its record be, which comes next.
    pub(super) fn on_unkept(&mut self, id: u32, error: DiskError) {
        if let Some(torrent) = self.list.get_mut(id) {
            torrent.trouble = Some(Box::new(Trouble { kind: 3, text: error.text }));
        }
    }

    /// A new torrent is on disk, or cannot be put there.
    pub(super) fn on_added(
        &mut self,
        id: u32,
        back: Back,
        result: Result<(), DiskError>,
        now: Time,
        out: &mut Outbox,
    ) {
        let Some(torrent) = self.list.get_mut(id) else { return };
        let unkept = torrent.trouble.take().map(|trouble| trouble.text);
        if let Some(text) = result.err().map(|error| error.text).or(unkept) {
            self.list.remove(id, now).iter().for_each(|torrent| self.unshelve(torrent, out));
            return back.fail(&format!("couldn't save: {text}"), out);
        }
        torrent.is_new = false;
        back.answer(SUCCESS, &told("torrent-added", torrent), out);
        self.is_stale = true;
        self.totals.files_added += 1;
        self.totals.added_now += 1;
        self.happened(id, Event::Added, "", out);
    }

    /// Peers told what a link stands for.
    pub(super) fn on_metadata(&mut self, machine: crate::base::TorrentId, info: &[u8], now: Time, out: &mut Outbox) {
        let Some(torrent) = self.list.id_of_machine(machine).and_then(|id| self.list.get_mut(id)) else { return };
        let id = torrent.id;
        let magnet = torrent.link.as_deref().and_then(|link| Magnet::parse(link).ok()).unwrap_or_default();
        let parsed = parse::parse_info(info);
        let metainfo: Metainfo = match parsed {
            Ok(metainfo) => metainfo,
            Err(refused) => {
                let text = refused.to_string();
                torrent.trouble = Some(Box::new(Trouble { kind: 3, text: text.clone() }));
                torrent.is_started = false;
                (self.is_stale, torrent.is_dirty) = (true, true);
                return self.happened(id, Event::Error, &text, out);
            }
        };
        let chosen = magnet.wanted(metainfo.files.len());
        if !chosen.is_empty() && torrent.own.is_none() {
            let places = places(&metainfo);
            let unwanted = (0..).zip(&places).filter(|(_, place)| !chosen.get(**place).copied().unwrap_or(true));
            torrent.own_mut().unwanted = unwanted.map(|(index, _)| index).collect();
        }
        torrent.learn(&metainfo);
        (torrent.is_dirty, torrent.changed) = (true, now);
        let name = format!("{}.torrent", torrent.info_hash);
        let bytes = crate::metainfo::magnet::torrent_file(info, &magnet);
        self.shelve(TORRENTS, name, bytes, Errand::Save(None), out);
        self.save(id, Errand::Save(Some(id)), out);
        self.begin_with(id, machine, metainfo, out);
    }
}

/// Peers of a link that may be dialled: none near here, for nobody here typed them.
pub fn peers_of(magnet: &Magnet) -> Vec<(String, u16)> {
    let is_far = |(host, port): &&(String, u16)| {
        let ip = host.trim_start_matches('[').trim_end_matches(']').parse();
        ip.is_ok_and(|ip| may_dial(std::net::SocketAddr::new(ip, *port), Reach::Global))
    };
    magnet.peers.iter().filter(is_far).cloned().collect()
}

/// `{KEY:{id,name,hashString}}`.
fn told(key: &str, torrent: &Torrent) -> String {
    let mut text = String::new();
    let mut object = Writer::begin(&mut text);
    let mut inner = Writer::begin(object.key(key));
    inner.text("hashString", &torrent.info_hash.to_string());
    inner.plain("id", torrent.id);
    inner.text("name", &torrent.name);
    inner.end();
    object.end();
    text
}
