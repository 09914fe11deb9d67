//! `torrent-get`: what is asked of which torrents, written a few at a time, so that thousands of them hold up nothing.

use std::sync::Arc;

use super::call::{Back, Call, SUCCESS, Which};
use super::facts::{Facts, Machines};
use super::fields::{Field, Needs, field};
use super::torrent::{Mode, Torrent};
use super::{Errand, Remote};
use crate::base::{InfoHash, JobId, Time};
use crate::machine::{DiskError, Outbox};
use crate::metainfo::rename::rename;
use crate::metainfo::{Metainfo, magnet, parse};
use crate::wire::json::{self, Writer, number, quote, write_list};

/// Fields asked for at once; there are fewer than that.
const FIELDS_MAX: usize = 256;
/// Torrents written in one turn of the loop, of which the record says all; and bytes of the others.
const TURN_COUNT: usize = 500;
const TURN_LEN: usize = 128 * 1024;
/// Bytes of an answer. 5 000 torrents with all their fields but files and peers take about half.
const ANSWER_LEN: usize = 24 * 1024 * 1024;

/// An answer under way.
#[derive(Debug)]
pub struct Listing {
    back: Back,
    fields: Vec<Field>,
    is_table: bool,
    ids: Vec<u32>,
    next: usize,
    /// Torrents written.
    count: usize,
    text: String,
    /// The .torrent file that is being read, and what was read last.
    waits: Option<JobId>,
    read: Option<Read>,
}

/// A .torrent file that was read; None inside: it cannot be.
#[derive(Debug)]
struct Read {
    info_hash: InfoHash,
    metainfo: Option<Arc<Metainfo>>,
}

impl Listing {
    pub fn waits(&self) -> bool {
        self.waits.is_some()
    }

    fn needs(&self, needs: &[Needs]) -> bool {
        self.fields.iter().any(|field| needs.contains(&field.needs))
    }
}

impl Remote {
    pub(super) fn begin_listing(&mut self, call: &Call, now: Time) {
        let which = call.which().unwrap_or(Which::These(Vec::new()));
        let names = call.texts("fields").unwrap_or_default();
        let fields: Vec<Field> = names.iter().take(FIELDS_MAX).filter_map(|name| field(name)).collect();
        let is_table = call.text("format") == Some("table");
        let ids = self.list.select(&which, now);
        let mut text = String::from("{\"arguments\":{");
        if which == Which::Recent {
            text.push_str("\"removed\":");
            let leaving =
                self.list.iter().filter(|torrent| torrent.plans.removal.is_some()).map(|torrent| torrent.id);
            let gone: Vec<u32> = leaving.chain(self.list.removed(now)).collect();
            write_list(gone, &mut text, number);
            text.push(',');
        }
        text.push_str("\"torrents\":[");
        if is_table {
            write_list(&fields, &mut text, |field, to| quote(field.name, to));
        }
        let (next, count) = (0, usize::from(is_table));
        let back = call.back;
        let listing = Listing { back, fields, is_table, ids, next, count, text, waits: None, read: None };
        self.listings.push_back(listing);
    }

    /// Goes on with answers: a turn of each.
    pub(super) fn go_on_listing(&mut self, machines: &mut dyn Machines, now: Time, out: &mut Outbox) {
        for mut listing in std::mem::take(&mut self.listings) {
            if listing.waits() || !self.go_on_with(&mut listing, machines, now, out) {
                self.listings.push_back(listing);
            }
        }
    }

    /// True when it is answered.
    fn go_on_with(
        &mut self,
        listing: &mut Listing,
        machines: &mut dyn Machines,
        now: Time,
        out: &mut Outbox,
    ) -> bool {
        let from = listing.text.len();
        let last = listing.next + TURN_COUNT;
        while let Some(&id) = listing.ids.get(listing.next) {
            if listing.next >= last || listing.text.len() >= from + TURN_LEN {
                return false;
            }
            if listing.text.len() > ANSWER_LEN {
                listing.back.fail("too much was asked for at once", out);
                return true;
            }
            let Some(torrent) = self.list.get(id).filter(|torrent| torrent.plans.removal.is_none()) else {
                listing.next += 1;
                continue;
            };
            let needs_metainfo = listing.needs(&[Needs::Metainfo, Needs::Files]) && torrent.has_metainfo();
            let mut metainfo = torrent.metainfo.upgrade();
            if needs_metainfo && metainfo.is_none() {
                let info_hash = torrent.info_hash;
                match listing.read.take_if(|read| read.info_hash == info_hash) {
                    Some(read) => metainfo = read.metainfo,
                    None => {
                        listing.waits = Some(self.recall(info_hash, Errand::List, out));
                        return false;
                    }
                }
            }
            let facts = self.facts(torrent, listing, machines, metainfo.as_deref(), now);
            write(listing_parts(listing), &facts);
            listing.next += 1;
        }
        let mut text = std::mem::take(&mut listing.text);
        text.push_str("]},\"result\":");
        quote(SUCCESS, &mut text);
        if let Some(tag) = listing.back.tag {
            text.push_str(",\"tag\":");
            number(tag, &mut text);
        }
        text.push('}');
        listing.back.send(text, out);
        true
    }

    fn facts<'a>(
        &'a self,
        torrent: &'a Torrent,
        listing: &Listing,
        machines: &mut dyn Machines,
        metainfo: Option<&'a Metainfo>,
        now: Time,
    ) -> Facts<'a> {
        let machine = torrent.machine();
        let asked = |needs: &[Needs]| machine.filter(|_| listing.needs(needs));
        Facts {
            torrent,
            row: machine.and_then(|machine| machines.row(machine, now)),
            peers: asked(&[Needs::Peers]).map_or(Vec::new(), |machine| machines.peers(machine, now)),
            trackers: asked(&[Needs::Trackers]).map_or(Vec::new(), |machine| machines.trackers(machine)),
            have: asked(&[Needs::Pieces, Needs::Files]).and_then(|machine| machines.have(machine)),
            metainfo,
            now,
            began_s: self.options.began_s,
            active_s: self.totals.active_s,
            state_dir: &self.options.state_dir,
            is_low: self.is_low,
            ratio_limit: self.ratio_limit(torrent),
        }
    }

    /// The ratio at which a torrent was shared enough.
    pub(super) fn ratio_limit(&self, torrent: &Torrent) -> Option<f64> {
        let own = torrent.own.as_ref().map_or((0.0, Mode::Global), |own| own.ratio);
        match own {
            (_, Mode::Global) => {
                self.session.switch("seedRatioLimited").then(|| self.session.ratio("seedRatioLimit"))
            }
            (ratio, Mode::Own) => Some(ratio),
            (_, Mode::Unlimited) => None,
        }
    }

    /// A .torrent file was read for an answer.
    pub(super) fn on_listed(&mut self, job: JobId, result: Result<Vec<u8>, DiskError>) {
        let Some(listing) = self.listings.iter_mut().find(|listing| listing.waits == Some(job)) else { return };
        listing.waits = None;
        let torrent = listing.ids.get(listing.next).and_then(|id| self.list.get(*id));
        let Some(torrent) = torrent else { return };
        let metainfo = result.ok().and_then(|bytes| read_torrent(&bytes, torrent)).map(Arc::new);
        listing.read = Some(Read { info_hash: torrent.info_hash, metainfo });
    }
}

/// A .torrent file that was kept, with the names that its files have here.
pub fn read_torrent(bytes: &[u8], torrent: &Torrent) -> Option<Metainfo> {
    let info_hash = torrent.info_hash;
    let parsed = parse::parse(bytes).ok().filter(|metainfo| metainfo.info_hash == info_hash);
    let mut metainfo = parsed.or_else(|| magnet::read_kept(bytes, info_hash))?;
    for (path, name) in torrent.renames() {
        if let Err(refused) = rename(&mut metainfo, path, name) {
            log::warn!("{}: {path} is not renamed to {name}: {}", torrent.name, refused.text());
        }
    }
    Some(metainfo)
}

/// What writing one torrent needs of an answer.
fn listing_parts(listing: &mut Listing) -> (&[Field], bool, &mut usize, &mut String) {
    (&listing.fields, listing.is_table, &mut listing.count, &mut listing.text)
}

fn write((fields, is_table, count, to): (&[Field], bool, &mut usize, &mut String), facts: &Facts<'_>) {
    if *count > 0 {
        to.push(',');
    }
    *count += 1;
    if is_table {
        return json::write_list(fields, to, |field, to| (field.write)(facts, to));
    }
    let mut object = Writer::begin(to);
    for field in fields {
        (field.write)(facts, object.key(field.name));
    }
    object.end();
}
