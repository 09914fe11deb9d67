//! Which length of metadata is fetched, and of whom: what most peers say, or one peer alone where blame is sought.

use std::collections::BTreeMap;

use super::assembly::Assembly;
use super::{Peer, Seeker};
use crate::base::{ConnId, Span, Time};
use crate::machine::Outbox;

/// Without a new piece for this long, another length or peer is tried, if there is any.
const STALL: Span = Span::secs(10);

/// Lengths and peers remembered that led nowhere.
const TRIED_MAX: usize = 256;

impl Seeker {
    /// Begins to fetch, or something else where nothing comes.
    pub(super) fn choose(&mut self, now: Time, out: &mut Outbox) {
        if let Some(assembly) = &self.assembly {
            let only_is_gone = assembly.only.is_some_and(|only| !self.peers.contains_key(&only));
            let may_be_asked = |peer: &Peer| peer.open().is_some_and(|open| open.claim == Some(assembly.len()));
            let is_hopeless = only_is_gone || !self.peers.values().any(may_be_asked);
            let is_stalled =
                now.since(assembly.last_progress) >= STALL && assembly.progress().0 < assembly.progress().1;
            let may_change = is_hopeless || (is_stalled && self.has_another(assembly));
            if !may_change {
                return;
            }
            self.end_assembly(out);
        }
        let (len, only) = match if self.seeks_blame { self.next_peer(now) } else { self.next_len(now) } {
            Some(chosen) => chosen,
            None => return,
        };
        if out.metadata_room.take(len as usize) {
            self.assembly = Some(Assembly::new(self.info_hash, len, only, now));
        } else if only.is_some() {
            // It waits for what other torrents hold.
            self.tried_peers.pop();
        } else {
            self.tried_lens.pop();
        }
    }

    /// What came so far is given up, or handed on.
    pub(super) fn end_assembly(&mut self, out: &mut Outbox) {
        if let Some(assembly) = self.assembly.take() {
            out.metadata_room.give(assembly.len() as usize);
        }
    }

    /// What could be tried instead.
    fn has_another(&self, assembly: &Assembly) -> bool {
        let mut others = self.peers.values().filter_map(|peer| Some((peer.conn, peer.open()?)));
        others.any(|(conn, open)| {
            let is_other = match assembly.only {
                Some(only) => conn != only,
                None => open.claim != Some(assembly.len()),
            };
            is_other && open.ut_metadata != 0 && open.claim.is_some()
        })
    }

    /// The length that most peers name, of those not tried yet.
    fn next_len(&mut self, now: Time) -> Option<(u32, Option<ConnId>)> {
        let mut votes: BTreeMap<u32, u32> = BTreeMap::new();
        for open in self.peers.values().filter_map(Peer::open).filter(|open| open.may_ask(now)) {
            *votes.entry(open.claim?).or_default() += 1;
        }
        if self.tried_lens.len() >= TRIED_MAX || votes.keys().all(|len| self.tried_lens.contains(len)) {
            self.tried_lens.clear();
        }
        let untried = votes.into_iter().filter(|(len, _)| !self.tried_lens.contains(len));
        let (len, _) = untried.max_by_key(|(len, count)| (*count, std::cmp::Reverse(*len)))?;
        self.tried_lens.push(len);
        Some((len, None))
    }

    /// The next peer to be asked alone.
    fn next_peer(&mut self, now: Time) -> Option<(u32, Option<ConnId>)> {
        let open = self.peers.values().filter_map(|peer| Some((peer.conn, peer.open()?)));
        let candidates: Vec<(ConnId, u32)> =
            open.filter(|(_, open)| open.may_ask(now)).filter_map(|(conn, open)| Some((conn, open.claim?))).collect();
        if self.tried_peers.len() >= TRIED_MAX || candidates.iter().all(|(conn, _)| self.tried_peers.contains(conn)) {
            self.tried_peers.clear();
        }
        let (conn, len) = *candidates.iter().find(|(conn, _)| !self.tried_peers.contains(conn))?;
        self.tried_peers.push(conn);
        Some((len, Some(conn)))
    }
}
