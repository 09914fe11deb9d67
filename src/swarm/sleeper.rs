//! A complete torrent at rest: its trackers, the DHT and the local network know of it, and that is all there is of it
//! in memory. Who wants something of it waits until its swarm is there again.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::announcer::{Announcer, Facts};
use super::contacts::Contacts;
use super::metadata::{Handover, Met};
use super::{Swarm, Us};
use crate::base::encryption::Crypto;
use crate::base::limits::READ_LEN;
use crate::base::{ConnId, InfoHash, Pool, Time, TorrentId};
use crate::machine::{Activity, Completion, Input, Machine, Note, Outbox, Row, Sleep, TrackerRow, Ways};
use crate::wire::decoder::Decoder;

/// Callers that wait for the swarm, and bytes kept of what each says.
const CALLERS_MAX: usize = 16;
const SAID_LEN: usize = 16 * 1024;

/// A torrent at rest.
pub struct Sleeper {
    us: Us,
    id: TorrentId,
    info_hash: InfoHash,
    is_private: bool,
    len: u64,
    ways: Ways,
    contacts: Contacts,
    callers: BTreeMap<ConnId, Caller>,
    /// It was told that somebody wants something.
    is_called: bool,
    is_stopped: bool,
}

/// Somebody who waits, and what it said.
struct Caller {
    remote: SocketAddr,
    crypto: Option<Crypto>,
    said: Vec<u8>,
}

impl Sleeper {
    /// One that was complete when the program began.
    pub fn new(sleep: Sleep, us: Us, out: &mut Outbox) -> Sleeper {
        let Sleep { torrent: id, info_hash, is_private, len, .. } = sleep;
        let ways = if is_private { Ways::default() } else { sleep.ways };
        let mut contacts = Contacts::new(
            id,
            Announcer::new(sleep.trackers, sleep.announce_all, &mut out.rng).with_udp(!us.has_proxy),
        );
        if us.has_dht && !is_private {
            contacts = contacts.with_dht(info_hash);
        }
        if ways.lsd {
            contacts = contacts.with_lsd(info_hash);
        }
        contacts.begin(sleep.begins, 0);
        let (callers, is_called) = (BTreeMap::new(), false);
        Sleeper { us, id, info_hash, is_private, len, ways, contacts, callers, is_called, is_stopped: false }
    }

    /// A swarm that has nothing left to do.
    pub fn of(swarm: Swarm) -> Sleeper {
        let Swarm { us, torrent, mut contacts, ways, .. } = swarm;
        contacts.moved(torrent.stats.up.total(), torrent.stats.down.total());
        Sleeper {
            us,
            id: torrent.id,
            info_hash: torrent.metainfo.info_hash,
            is_private: torrent.metainfo.private,
            len: torrent.picker.progress().1,
            ways,
            contacts,
            callers: BTreeMap::new(),
            is_called: false,
            is_stopped: false,
        }
    }

    pub fn info_hash(&self) -> InfoHash {
        self.info_hash
    }

    /// BEP 27: only its trackers may name peers.
    pub fn is_private(&self) -> bool {
        self.is_private
    }

    pub fn set_port(&mut self, port: u16) {
        self.us.port = port;
    }

    pub fn is_stopped(&self) -> bool {
        self.is_stopped && self.contacts.announcer.is_quiet()
    }

    /// It wakes: whom it knows, and who waits.
    pub fn hand_over(self) -> Handover {
        let met = |(conn, Caller { remote, crypto, said })| Met {
            conn,
            remote,
            dialled: None,
            crypto,
            said,
            decoder: Decoder::new(0),
            was_greeted: false,
        };
        Handover { contacts: self.contacts, met: self.callers.into_iter().map(met).collect() }
    }

    pub fn row(&self) -> Row {
        Row {
            have_bytes: self.len,
            wanted_bytes: self.len,
            known: self.contacts.known.idle_count() as u32,
            tracker_trouble: self.contacts.announcer.trouble().map(str::to_owned),
            ..Row::nothing(self.id, if self.is_stopped { Activity::Stopped } else { Activity::Seeding })
        }
    }

    pub fn tracker_rows(&self) -> Vec<TrackerRow> {
        self.contacts.announcer.rows()
    }

    pub fn reannounce(&mut self, now: Time) {
        self.contacts.announcer.want_more(now);
    }

    fn facts(&self) -> Facts {
        let (uploaded, downloaded) = self.contacts.moved_before();
        Facts {
            info_hash: self.info_hash,
            peer_id: self.us.peer_id,
            key: self.us.key,
            port: self.us.port,
            uploaded,
            downloaded,
            left: 0,
            want_peers: true,
        }
    }

    fn call(&mut self, out: &mut Outbox) {
        if !self.is_stopped && !std::mem::replace(&mut self.is_called, true) {
            out.tell(Note::Wanted { torrent: self.id });
        }
    }

    fn received(&mut self, conn: ConnId, bytes: &[u8], out: &mut Outbox) {
        let Some(Caller { said, .. }) = self.callers.get_mut(&conn) else { return out.close(conn) };
        said.extend_from_slice(bytes);
        if said.len() > SAID_LEN {
            self.callers.remove(&conn);
            out.close(conn);
        }
    }
}

impl Machine for Sleeper {
    fn handle(&mut self, now: Time, input: Input<'_>, out: &mut Outbox) {
        match input {
            Input::Accepted { conn, remote } => {
                let is_refused = out.bans.refused_until(now, remote).is_some();
                if self.is_stopped || self.callers.len() >= CALLERS_MAX || is_refused {
                    return out.close(conn);
                }
                self.callers.insert(conn, Caller { remote, crypto: None, said: Vec::new() });
                self.call(out);
            }
            Input::Encrypted { conn, crypto } => {
                self.callers.get_mut(&conn).into_iter().for_each(|caller| caller.crypto = Some(crypto));
            }
            Input::Received { conn, bytes } => self.received(conn, bytes, out),
            Input::Closed { conn, .. } => _ = self.callers.remove(&conn),
            Input::Completed(Completion::Fetched { id, result }) => self.contacts.fetched(id, result, now, out),
            Input::Completed(Completion::Resolved { id, result }) => {
                let facts = self.facts();
                self.contacts.resolved(id, result, &facts, now, out);
            }
            Input::Datagram { from, bytes } => {
                let facts = self.facts();
                self.contacts.datagram(from, bytes, &facts, now, out);
            }
            Input::Note(Note::Peers { source, reach, peers, .. }) if self.ways.allow(source) => {
                self.contacts.hear(&peers, source, reach, now);
            }
            Input::Stop => {
                self.is_stopped = true;
                self.contacts.stop(now);
                for (conn, _) in std::mem::take(&mut self.callers) {
                    out.close(conn);
                }
            }
            _ => {}
        }
        if self.contacts.is_due(now) {
            let facts = self.facts();
            self.contacts.announce(&facts, now, out);
        }
        self.contacts.look(false, now, out);
        if self.contacts.known.idle_count() > 0 && self.contacts.is_wanted() {
            self.call(out);
        }
    }

    fn next_deadline(&self) -> Option<Time> {
        [self.contacts.announcer.next_deadline(), self.contacts.next_look(false)].into_iter().flatten().min()
    }

    fn appetite(&self, _: ConnId, _: &Pool) -> usize {
        READ_LEN.min(SAID_LEN)
    }

    fn check(&self) {
        assert!(self.callers.len() <= CALLERS_MAX, "more callers than allowed");
    }
}
