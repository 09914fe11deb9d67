//! Where a swarm's peers come from: trackers, people, the network around; and the addresses that came of it.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::announcer::{Announcer, Facts, News};
use super::known::{Known, Source};
use super::seek::Seek;
use crate::base::address::{Reach, may_dial};
use crate::base::encryption::Encryption;
use crate::base::{InfoHash, JobId, Span, Time, TorrentId};
use crate::machine::{Closed, Fetched, Job, Level, Note, Outbox};

/// Addresses believed of one name.
const ADDRESSES_PER_NAME: usize = 8;
/// Names looked up of one tracker reply.
const NAMES_PER_REPLY: usize = 16;
/// Who hangs up so soon may have met us twice, and ended both connections (libtorrent 2, where both sides dial at once).
const BRIEF: Span = Span::secs(1);

pub struct Contacts {
    torrent: TorrentId,
    pub known: Known,
    pub announcer: Announcer,
    /// The announcer was started; it is once per run.
    is_announcing: bool,
    /// Names being looked up: who gave them, and how far that one is.
    resolving: BTreeMap<JobId, (Source, Reach)>,
    /// The DHT, where it may be used.
    seek: Option<Seek>,
    /// Local discovery, where it may be used.
    lsd: Option<Meeting>,
    /// The server of a group, where there is one.
    server: Option<Presence>,
    /// Payload sent and received since the start, in earlier lives of the swarm.
    moved_before: (u64, u64),
    /// A tracker said last that nobody lacks anything.
    has_only_seeds: bool,
}

/// What local discovery should know of the torrent, and what it was told.
#[derive(Clone, Copy)]
struct Meeting {
    info_hash: InfoHash,
    is_wanted: bool,
    is_on: bool,
}

/// What the server of a group should know of the torrent, and what it was told: whether we are a seed.
#[derive(Clone, Copy)]
struct Presence {
    info_hash: InfoHash,
    wanted: Option<bool>,
    told: Option<bool>,
}

impl Contacts {
    pub fn new(torrent: TorrentId, announcer: Announcer) -> Contacts {
        let (known, resolving) = (Known::default(), BTreeMap::new());
        Contacts {
            torrent,
            known,
            announcer,
            is_announcing: false,
            resolving,
            seek: None,
            lsd: None,
            server: None,
            moved_before: (0, 0),
            has_only_seeds: false,
        }
    }

    /// A life of the swarm ends, and another will follow: what this one sent and received.
    pub fn moved(&mut self, uploaded: u64, downloaded: u64) {
        self.moved_before.0 += uploaded;
        self.moved_before.1 += downloaded;
    }

    /// Payload sent and received since the start, in earlier lives of the swarm.
    pub fn moved_before(&self) -> (u64, u64) {
        self.moved_before
    }

    /// Whether somebody known may want something of a torrent that is complete.
    pub fn is_wanted(&self) -> bool {
        !self.has_only_seeds
    }

    /// The same, and peers are looked for in the DHT as well.
    pub fn with_dht(mut self, info_hash: InfoHash) -> Contacts {
        self.seek = Some(Seek::new(info_hash));
        self
    }

    /// The same, and the local network is told and listened to.
    pub fn with_lsd(mut self, info_hash: InfoHash) -> Contacts {
        self.lsd = Some(Meeting { info_hash, is_wanted: false, is_on: false });
        self
    }

    /// The same, and the server of a group is told.
    pub fn with_server(mut self, info_hash: InfoHash) -> Contacts {
        self.server.get_or_insert(Presence { info_hash, wanted: None, told: None });
        self
    }

    /// The last piece was verified.
    pub fn complete(&mut self, now: Time) {
        self.announcer.complete(now);
        self.server.as_mut().into_iter().for_each(|presence| presence.wanted = Some(true));
    }

    /// When peers are looked for in the DHT next. `is_short`: there are few.
    pub fn next_look(&self, is_short: bool) -> Option<Time> {
        self.seek.as_ref().and_then(|seek| seek.next(is_short))
    }

    /// Looks for peers in the DHT if it is time, and tells local discovery what changed.
    pub fn look(&mut self, is_short: bool, now: Time, out: &mut Outbox) {
        if let Some(seek) = &mut self.seek {
            seek.look(is_short, now, out);
        }
        if let Some(Meeting { info_hash, is_wanted, is_on }) = self.lsd
            && is_on != is_wanted
        {
            self.lsd = Some(Meeting { info_hash, is_wanted, is_on: is_wanted });
            out.tell(Note::Meet { info_hash, is_on: is_wanted });
        }
        if let Some(presence) = &mut self.server
            && presence.told != presence.wanted
        {
            presence.told = presence.wanted;
            out.tell(Note::Swarming { info_hash: presence.info_hash, is_seed: presence.wanted });
        }
    }

    /// A connection is lost that was `dialled`; `greeted`: when handshakes were exchanged. Before [`Known::ended`], for
    /// what the other side is not to blame for.
    pub fn lost(
        &mut self,
        now: Time,
        dialled: Option<SocketAddr>,
        reason: Closed,
        greeted: Option<Time>,
        encryption: Encryption,
    ) {
        let is_brief = greeted.is_none_or(|greeted| now.since(greeted) < BRIEF);
        match (dialled, reason) {
            (Some(address), Closed::NoDescriptor) => self.known.put_back(now, address),
            (Some(address), Closed::ByPeer | Closed::Error) if greeted.is_none() && encryption.has_second() => {
                self.known.not_understood(now, address);
                // Neither is: there may be other reasons, that pass.
                self.known.shut_out(now, address);
            }
            (Some(address), Closed::ByPeer | Closed::Error) if is_brief => self.known.shut_out(now, address),
            _ => {}
        }
    }

    /// Who was `dialled` took the call and said nothing in time: perhaps it waits for something else. Before
    /// [`Known::ended`].
    pub fn not_answered(&mut self, now: Time, dialled: Option<SocketAddr>, encryption: Encryption) {
        if let Some(address) = dialled.filter(|_| encryption.has_second()) {
            self.known.not_understood(now, address);
        }
    }

    /// A private torrent: only its trackers and people count.
    pub fn keep_private(&mut self) {
        self.seek = None;
        self.lsd.as_mut().into_iter().for_each(|meeting| meeting.is_wanted = false);
        self.known.forget_gossip();
    }

    /// Says goodbye.
    pub fn stop(&mut self, now: Time) {
        self.announcer.stop(now);
        self.server.as_mut().into_iter().for_each(|presence| presence.wanted = None);
        self.lsd.as_mut().into_iter().for_each(|meeting| meeting.is_wanted = false);
        self.seek.as_mut().into_iter().for_each(Seek::stop);
    }

    /// Others named peers: those are kept that may be believed from a source of this reach.
    pub fn hear(&mut self, peers: &[SocketAddr], source: Source, reach: Reach, now: Time) {
        for address in peers.iter().filter(|address| may_dial(**address, reach)) {
            self.has_only_seeds &= !self.known.add(now, *address, source);
        }
    }

    /// The torrent begins to work with `left` bytes to get. Counts once.
    pub fn begin(&mut self, now: Time, left: u64) {
        if !std::mem::replace(&mut self.is_announcing, true) {
            self.announcer.start(now, left);
            self.seek.as_mut().into_iter().for_each(|seek| seek.begin(now));
            self.lsd.as_mut().into_iter().for_each(|meeting| meeting.is_wanted = true);
        }
        // Said again of what was sought before: now it is known whether anything is left.
        self.server.as_mut().into_iter().for_each(|presence| presence.wanted = Some(left == 0));
    }

    /// Peers from the command line: trusted whatever their reach; names are looked up.
    pub fn name_peers(&mut self, peers: Vec<(String, u16)>, now: Time, out: &mut Outbox) {
        for (host, port) in peers {
            self.name_peer(&host, port, (Source::Person, Reach::Nowhere), now, out);
        }
    }

    /// A peer by host name or address.
    fn name_peer(&mut self, host: &str, port: u16, by: (Source, Reach), now: Time, out: &mut Outbox) {
        match host.trim_start_matches('[').trim_end_matches(']').parse() {
            Ok(ip) => {
                self.known.add(now, SocketAddr::new(ip, port), by.0);
            }
            Err(_) => {
                let id = out.new_job();
                self.resolving.insert(id, by);
                out.job(Job::Resolve { id, host: host.to_owned(), port, for_tls: false });
            }
        }
    }

    /// A look-up ended: of a peer's name, or of a tracker's.
    pub fn resolved(
        &mut self,
        id: JobId,
        result: Result<Vec<SocketAddr>, String>,
        facts: &Facts,
        now: Time,
        out: &mut Outbox,
    ) {
        let Some((source, reach)) = self.resolving.remove(&id) else {
            let news = self.announcer.on_resolved(now, id, result, facts, out);
            return self.take_news(news, now, out);
        };
        match result {
            Ok(addresses) => {
                let may = |address: &SocketAddr| source == Source::Person || may_dial(*address, reach);
                for address in addresses.into_iter().filter(may).take(ADDRESSES_PER_NAME) {
                    self.known.add(now, address, source);
                }
            }
            Err(text) => self.say(Level::Warning, text, out),
        }
    }

    /// A tracker answered over HTTP, or did not.
    pub fn fetched(&mut self, id: JobId, result: Result<Fetched, String>, now: Time, out: &mut Outbox) {
        let news = self.announcer.on_fetched(now, id, result, &mut out.rng);
        self.take_news(news, now, out);
    }

    /// A datagram from a tracker, perhaps.
    pub fn datagram(&mut self, from: SocketAddr, bytes: &[u8], facts: &Facts, now: Time, out: &mut Outbox) {
        let news = self.announcer.on_datagram(now, from, bytes, facts, out);
        self.take_news(news, now, out);
    }

    /// Whether there is something to announce.
    pub fn is_due(&self, now: Time) -> bool {
        self.announcer.next_deadline().is_some_and(|due| due <= now)
    }

    /// Announces whatever is due.
    pub fn announce(&mut self, facts: &Facts, now: Time, out: &mut Outbox) {
        let news = self.announcer.poll(now, facts, out);
        self.take_news(news, now, out);
    }

    /// What an announce brought.
    fn take_news(&mut self, news: impl IntoIterator<Item = News>, now: Time, out: &mut Outbox) {
        for news in news {
            if let Some(ip) = news.external_ip {
                self.known.set_us(ip, 0);
            }
            if news.complete.is_some() || news.incomplete.is_some() {
                self.has_only_seeds = news.incomplete == Some(0);
            }
            for address in news.peers {
                self.known.add(now, address, Source::Tracker);
            }
            for (host, port) in news.hosts.into_iter().take(NAMES_PER_REPLY) {
                self.name_peer(&host, port, (Source::Tracker, news.reach), now, out);
            }
            if let Some((level, text)) = news.said {
                self.say(level, text, out);
            }
        }
    }

    fn say(&self, level: Level, text: String, out: &mut Outbox) {
        out.tell(Note::Said { torrent: self.torrent, level, text });
    }
}
