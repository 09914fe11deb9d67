//! `torrent-set`: what holds for some torrents alone.

use std::path::Path;

use super::actions::Place;
use super::call::Call;
use super::get::read_torrent;
use super::session::is_folder;
use super::torrent::{Mode, Own, Torrent};
use super::{Errand, Remote};
use crate::base::{Time, limits};
use crate::machine::{DiskError, Note, Outbox};
use crate::wire::json::{self, Value};
use crate::wire::url::Url;

/// Labels of a torrent, and bytes of each.
const LABELS_MAX: usize = 100;
const LABEL_LEN: usize = 256;

/// Why a change is refused.
type Refused = Result<(), String>;

impl Remote {
    pub(super) fn torrent_set(&mut self, call: &Call, now: Time, out: &mut Outbox) {
        let ids = self.meant(call, now);
        for id in &ids {
            if let Err(why) = self.set_one(*id, call, now, out) {
                return call.back.fail(&why, out);
            }
        }
        if let Some(position) = call.int("queuePosition") {
            self.move_in_queue(&ids, Place::At(usize::try_from(position).unwrap_or(0)));
        }
        call.back.succeed(out);
    }

    fn set_one(&mut self, id: u32, call: &Call, now: Time, out: &mut Outbox) -> Refused {
        let location = call.text("location").filter(|dir| is_folder(dir)).map(|dir| self.list.dir(Path::new(dir)));
        let Some(torrent) = self.list.get_mut(id) else { return Ok(()) };
        let mut own = torrent.own.as_deref().cloned().unwrap_or_default();
        set_numbers(&mut own, call)?;
        set_files(&mut own, torrent, call)?;
        let tiers = new_trackers(&torrent.tiers, call)?;
        let before = torrent.own.as_deref().cloned().unwrap_or_default();
        let is_other = |own: &Own, before: &Own| {
            own.unwanted != before.unwanted
                || own.sequential != before.sequential
                || own.peers_max != before.peers_max
        };
        let mut restart = is_other(&own, &before);
        let other_files = own.unwanted != before.unwanted;
        let other_order = own.high != before.high || own.low != before.low;
        torrent.own = (own != Own::default()).then(|| Box::new(own));
        if let Some(dir) = location.filter(|dir| *dir != torrent.dir) {
            torrent.dir = dir;
            restart = true;
        }
        (torrent.is_dirty, torrent.changed) = (true, now);
        let (machine, info_hash) = (torrent.machine(), torrent.info_hash);
        let metainfo = torrent.metainfo.upgrade();
        if let Some(tiers) = tiers {
            let tiers = self.list.tiers(tiers);
            restart |= self.list.get(id).is_some_and(|torrent| torrent.tiers != tiers);
            if let Some(torrent) = self.list.get_mut(id) {
                torrent.tiers = tiers;
            }
        }
        let limits = self.list.get(id).map(|torrent| self.rate_limits(torrent)).unwrap_or_default();
        let Some(torrent) = self.list.get_mut(id) else { return Ok(()) };
        torrent.plans.restart |= restart && torrent.machine().is_some();
        self.is_stale = true;
        if let Some(machine) = machine {
            out.tell(Note::Limit { torrent: Some(machine), limits });
            if let Some(metainfo) = metainfo.as_ref().filter(|_| other_order) {
                let priorities = torrent.priorities(metainfo);
                out.tell(Note::Prioritize { torrent: machine, priorities });
            }
        }
        match metainfo {
            _ if !other_files => {}
            Some(metainfo) => torrent.choose(&metainfo),
            None if torrent.has_metainfo() => _ = self.recall(info_hash, Errand::Choose(id), out),
            None => {}
        }
        Ok(())
    }

    /// The .torrent file was read of one of which other files are wanted now.
    pub(super) fn on_chosen(&mut self, id: u32, result: Result<Vec<u8>, DiskError>) {
        let Some(torrent) = self.list.get_mut(id) else { return };
        let metainfo = result.ok().and_then(|bytes| read_torrent(&bytes, torrent));
        if let Some(metainfo) = metainfo {
            torrent.choose(&metainfo);
            torrent.is_dirty = true;
            self.is_stale = true;
        }
    }
}

fn set_numbers(own: &mut Own, call: &Call) -> Refused {
    let small = |key: &str| match call.int(key) {
        None => Ok(None),
        Some(number) => u32::try_from(number).map(Some).map_err(|_| format!("{key}: this value makes no sense")),
    };
    let mode = |key: &str| match call.int(key) {
        None => Ok(None),
        Some(number) => Mode::of(number).map(Some).ok_or_else(|| format!("{key}: this value makes no sense")),
    };
    own.down_limit.0 = small("downloadLimit")?.unwrap_or(own.down_limit.0);
    own.up_limit.0 = small("uploadLimit")?.unwrap_or(own.up_limit.0);
    own.down_limit.1 = call.switch("downloadLimited").unwrap_or(own.down_limit.1);
    own.up_limit.1 = call.switch("uploadLimited").unwrap_or(own.up_limit.1);
    own.honours_session = call.switch("honorsSessionLimits").unwrap_or(own.honours_session);
    own.idle.0 = small("seedIdleLimit")?.unwrap_or(own.idle.0);
    own.idle.1 = mode("seedIdleMode")?.unwrap_or(own.idle.1);
    own.ratio.1 = mode("seedRatioMode")?.unwrap_or(own.ratio.1);
    if let Some(ratio) = call.float("seedRatioLimit") {
        own.ratio.0 = Some(ratio)
            .filter(|ratio| (0.0..1e6).contains(ratio))
            .ok_or("seedRatioLimit: this value makes no sense")?;
    }
    if let Some(max) = small("peer-limit")? {
        own.peers_max = Some(max.clamp(1, 10_000));
    }
    own.bandwidth = call.int("bandwidthPriority").map_or(own.bandwidth, |value| value.clamp(-1, 1) as i8);
    own.sequential = call.switch("sequentialDownload").unwrap_or(own.sequential);
    if let Some(labels) = call.texts("labels") {
        let is_long = |label: &String| label.len() > LABEL_LEN || label.is_empty();
        if labels.len() > LABELS_MAX || labels.iter().any(is_long) {
            return Err("labels: there are too many, or one is empty or too long".into());
        }
        own.labels = labels;
    }
    if let Some(group) = call.text("group") {
        own.group = group.chars().take(LABEL_LEN).collect();
    }
    Ok(())
}

fn set_files(own: &mut Own, torrent: &Torrent, call: &Call) -> Refused {
    // No list at all leaves all as it is, an empty one means all files.
    let chosen = |key: &str| -> Result<Option<Vec<u32>>, String> {
        let Some(list) = call.indexes(key) else { return Ok(None) };
        if list.is_empty() {
            return Ok(Some((0..torrent.file_count).collect()));
        }
        let is_file = |index: &usize| *index < torrent.file_count as usize || !torrent.has_metainfo();
        if !list.iter().all(is_file) {
            return Err("file index out of range".into());
        }
        Ok(Some(list.into_iter().filter_map(|index| u32::try_from(index).ok()).collect()))
    };
    if let Some(list) = chosen("files-wanted")? {
        own.unwanted = without(&own.unwanted, &list);
    }
    if let Some(list) = chosen("files-unwanted")? {
        own.unwanted = with(&own.unwanted, &list);
    }
    for (key, priority) in [("priority-low", -1), ("priority-normal", 0), ("priority-high", 1)] {
        let Some(list) = chosen(key)? else { continue };
        own.high = if priority > 0 { with(&own.high, &list) } else { without(&own.high, &list) };
        own.low = if priority < 0 { with(&own.low, &list) } else { without(&own.low, &list) };
    }
    Ok(())
}

/// Both in order, each once.
fn with(list: &[u32], more: &[u32]) -> Vec<u32> {
    let mut all = [list, more].concat();
    all.sort_unstable();
    all.dedup();
    all
}

fn without(list: &[u32], less: &[u32]) -> Vec<u32> {
    let less = with(less, &[]);
    list.iter().copied().filter(|index| less.binary_search(index).is_err()).collect()
}

/// The trackers as a call changes them; None where it does not.
fn new_trackers(tiers: &[Vec<String>], call: &Call) -> Result<Option<Vec<Vec<String>>>, String> {
    let bad = || "invalid tracker list".to_string();
    let check = |url: &str| Url::parse(url).map(|_| url.to_string()).map_err(|_| bad());
    let mut new: Option<Vec<Vec<String>>> = None;
    if let Some(text) = call.text("trackerList") {
        let mut all = vec![Vec::new()];
        for line in text.lines().map(str::trim) {
            match (line.is_empty(), all.last_mut()) {
                (true, _) => all.push(Vec::new()),
                (false, Some(tier)) => tier.push(check(line)?),
                (false, None) => {}
            }
        }
        all.retain(|tier| !tier.is_empty());
        new = Some(all);
    }
    let mut all = new.clone().unwrap_or_else(|| tiers.to_vec());
    if let Some(urls) = call.texts("trackerAdd") {
        for url in urls {
            let url = check(&url)?;
            if !all.iter().flatten().any(|known| *known == url) {
                all.push(vec![url]);
            }
        }
        new = Some(all.clone());
    }
    let number_of = |id: usize, all: &[Vec<String>]| {
        let places = all.iter().enumerate().flat_map(|(tier, urls)| (0..urls.len()).map(move |at| (tier, at)));
        places.into_iter().nth(id)
    };
    if let Some(pairs) = call.arguments.get("trackerReplace").and_then(json::list) {
        for pair in pairs.chunks(2) {
            let [id, Value::String(url)] = pair else { return Err(bad()) };
            let id = json::int(id).and_then(|id| usize::try_from(id).ok()).ok_or_else(bad)?;
            let (tier, at) = number_of(id, &all).ok_or_else(bad)?;
            all[tier][at] = check(url)?;
        }
        new = Some(all.clone());
    }
    if let Some(mut ids) = call.indexes("trackerRemove") {
        ids.sort_unstable();
        for id in ids.into_iter().rev() {
            let (tier, at) = number_of(id, &all).ok_or_else(bad)?;
            all[tier].remove(at);
        }
        all.retain(|tier| !tier.is_empty());
        new = Some(all);
    }
    match new {
        Some(new) if new.iter().flatten().count() > limits::TRACKERS => Err(bad()),
        new => Ok(new),
    }
}
