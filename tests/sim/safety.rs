//! What must hold of a node at every input, judged from outside: from what it was told, what it does, and the bytes
//! on its disk.

mod asks;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

use crate::udp::Question;
use peerlink::base::{BLOCK_LEN, ConnId, Filled, InfoHash, JobId, Span, Time, limits};
use peerlink::machine::{Activity, Command, Completion, Input, Job, Outbox, Row};
use peerlink::storage::Layout;

use crate::codec::{Msg, Range};
use crate::disk::Disk;
use crate::events::Events;
use crate::host::Task;
use crate::ledger::Ledger;
use crate::tap::{Heard, Tap};

/// One process of one node.
#[derive(Default)]
pub struct Safety {
    ledgers: BTreeMap<usize, Ledger>,
    pub taps: BTreeMap<ConnId, Tap>,
    /// Connections to web servers.
    webs: BTreeSet<ConnId>,
    pub events: Events,
    /// Dials not answered, and since when.
    dialling: BTreeMap<ConnId, Time>,
    /// Inputs carry one message at most, so rules on the order of things can be judged.
    pub one_by_one: bool,
    next_debts: Time,
    has_slow_disk: bool,
    pub last_hang_up: Option<Time>,
    /// Chokes told.
    pub chokes: u32,
    /// What was heard in this input, for the trace.
    pub log: Option<Vec<String>>,
}

impl Safety {
    pub fn add(&mut self, task: &Task, layout: Layout, content: Arc<Vec<u8>>, info_hash: InfoHash) {
        self.ledgers.insert(task.torrent, Ledger::new(task, layout, content, info_hash));
    }

    pub fn ledger(&self, torrent: u32) -> Option<&Ledger> {
        self.ledgers.get(&(torrent as usize))
    }

    // ---- what the node is told ----------------------------------------------------------------------------------

    pub fn input(&mut self, now: Time, input: &Input<'_>, disk: &mut Disk) {
        if now >= self.next_debts {
            self.next_debts = now + Span::secs(1);
            // Reads of a slow disk take their time.
            self.has_slow_disk |= disk.mood.latency_ms > 0;
            let patience = if self.has_slow_disk { Span::secs(15) } else { Span::secs(2) };
            self.taps.values().for_each(|tap| tap.check_debts(now, patience, false));
            self.check_duplicates();
            let late = self.dialling.values().find(|since| now > **since + limits::CONNECT_TIMEOUT + Span::secs(3));
            assert_eq!(late, None, "[time-outs] a dial is not given up");
        }
        match input {
            Input::Accepted { conn, .. } => _ = self.taps.insert(*conn, Tap::new(now)),
            Input::Connected { conn } => {
                self.dialling.remove(conn);
                if !self.webs.contains(conn) {
                    self.taps.insert(*conn, Tap::new(now));
                }
            }
            Input::Received { conn, bytes } if self.webs.contains(conn) => self.received_of_web(bytes.len()),
            Input::Received { conn, bytes } => self.received(now, *conn, bytes),
            Input::Sent { conn, bytes, .. } => {
                let torrent = self.taps.get(conn).and_then(|tap| tap.torrent);
                if let Some(ledger) = torrent.and_then(|torrent| self.ledgers.get_mut(&torrent)) {
                    ledger.uploaded += bytes;
                }
            }
            Input::Closed { conn, .. } => self.hung_up(*conn),
            Input::Completed(completion) => self.completed(completion, disk),
            Input::Datagram { from, bytes } => self.events.told(now, *from, bytes),
            _ => {}
        }
    }

    /// One connection per peer and torrent.
    fn check_duplicates(&self) {
        let mut seen = BTreeSet::new();
        for tap in self.taps.values().filter(|tap| tap.is_open()) {
            let lone = seen.insert((tap.torrent, tap.peer_id()));
            assert!(lone, "[duplicates] two connections to {:?}", tap.peer_id());
        }
    }

    fn received(&mut self, now: Time, conn: ConnId, bytes: &[u8]) {
        let tap = self.taps.get_mut(&conn).expect("[driver] bytes on an unknown connection");
        if tap.broken {
            return;
        }
        tap.rx.push(bytes);
        loop {
            let msg = match tap.rx.next() {
                Ok(Some(msg)) => msg,
                Ok(None) => return,
                Err(_) => {
                    tap.broken = true;
                    return;
                }
            };
            if let Some(log) = &mut self.log {
                log.push(format!("{conn:?} says {}", crate::trace::short(&msg)));
            }
            let ledger = tap.torrent.and_then(|torrent| self.ledgers.get_mut(&torrent));
            let verified = ledger.as_ref().map_or(&[][..], |ledger| &ledger.verified);
            match (tap.heard(now, &msg, verified), ledger) {
                (Heard::Handshake(info_hash), _) => {
                    let known = |(_, ledger): &(&usize, &Ledger)| ledger.info_hash.0 == info_hash;
                    tap.torrent = self.ledgers.iter().find(known).map(|(torrent, _)| *torrent);
                }
                (Heard::Block { range, asked }, Some(ledger)) => {
                    let len = u64::from(range.len);
                    ledger.downloaded.1 += len;
                    if asked {
                        ledger.forget_asked(conn, &range);
                    }
                    ledger.maybe.insert((range.index, range.begin));
                    if asked {
                        ledger.downloaded.0 += len;
                        // A second copy that ends while the piece is judged was of no use.
                        if !ledger.troubled && !ledger.judged.contains(&range.index) {
                            ledger.got.insert((range.index, range.begin));
                        }
                    }
                }
                (Heard::Lost(ranges), Some(ledger)) => {
                    ranges.iter().for_each(|range| ledger.forget_asked(conn, range));
                }
                _ => {}
            }
        }
    }

    /// From outside nobody can tell which blocks a web server's bytes were: any may have come.
    fn received_of_web(&mut self, len: usize) {
        for ledger in self.ledgers.values_mut() {
            ledger.downloaded.1 += len as u64;
            let geometry = *ledger.layout.geometry();
            for piece in geometry.pieces().filter(|piece| !ledger.verified[piece.at()]) {
                let blocks =
                    (0..geometry.block_count(piece)).filter_map(|number| geometry.block_number(piece, number));
                ledger.maybe.extend(blocks.map(|block| (piece.index(), block.begin())));
            }
        }
    }

    fn hung_up(&mut self, conn: ConnId) {
        self.webs.remove(&conn);
        self.dialling.remove(&conn);
        let Some(tap) = self.taps.remove(&conn) else { return };
        if let Some(ledger) = tap.torrent.and_then(|torrent| self.ledgers.get_mut(&torrent)) {
            // A block that was under way may count or not.
            ledger.downloaded.1 += tap.rx.payload_under_way();
            tap.asked.keys().for_each(|range| ledger.forget_asked(conn, range));
        }
    }

    /// How much of a delivery belongs to the message under way.
    pub fn rest_of_message(&self, conn: ConnId, bytes: &[u8]) -> usize {
        self.taps.get(&conn).map_or(bytes.len(), |tap| tap.rx.rest(bytes))
    }

    fn completed(&mut self, completion: &Completion, disk: &Disk) {
        if let Completion::WriteFailed { store, .. }
        | Completion::Hashed { store, digest: Err(_), .. }
        | Completion::Read { store, run: Err(_), .. }
        | Completion::Saved { store, result: Err(_) } = completion
        {
            let ledger = self.ledger_mut(store.torrent.0);
            ledger.troubled = true;
            let got = std::mem::take(&mut ledger.got);
            ledger.maybe.extend(got);
        }
        match completion {
            Completion::Opened { store, result } => {
                let ledger = self.ledger_mut(store.torrent.0);
                let Ok(opened) = result else { return };
                ledger.verified.fill(false);
                let rechecks = std::mem::take(&mut ledger.rechecks);
                let Some(resume) = &opened.resume else { return };
                ledger.earlier = (resume.downloaded, resume.completed);
                for partial in &resume.partial {
                    let begin = |number| (partial.piece.index(), number * BLOCK_LEN);
                    ledger.maybe.extend(partial.stored.ones().map(begin));
                }
                let volume = &disk.volumes[&ledger.info_hash];
                if rechecks {
                    return;
                }
                for piece in ledger.layout.geometry().pieces().filter(|&piece| resume.have.has(piece)) {
                    let holds = volume.holds(&ledger.layout, piece, &ledger.content);
                    assert!(holds, "[resume] {piece:?} is claimed and its bytes are wrong");
                    ledger.verified[piece.at()] = true;
                }
            }
            Completion::Hashed { store, piece, digest } => {
                let ledger = self.ledger_mut(store.torrent.0);
                ledger.forget_got(piece.index());
                if let Ok(digest) = digest {
                    if ledger.is_right(*piece, digest) {
                        ledger.verified[piece.at()] = true;
                    } else {
                        ledger.verified[piece.at()] = false;
                        ledger.hash_fails += 1;
                    }
                }
            }
            Completion::WriteFailed { store, blocks, .. } => {
                let ledger = self.ledger_mut(store.torrent.0);
                for Filled { block, .. } in blocks {
                    ledger.maybe.remove(&(block.piece().index(), block.begin()));
                }
            }
            Completion::Digests { store, piece, .. } => {
                self.ledger_mut(store.torrent.0).judged.remove(&piece.index());
            }
            Completion::Fetched { id, result } => self.events.answered(*id, result),
            _ => {}
        }
    }

    fn ledger_mut(&mut self, torrent: u32) -> &mut Ledger {
        self.ledgers.get_mut(&(torrent as usize)).expect("[driver] a completion for an unknown torrent")
    }

    // ---- what the node does -------------------------------------------------------------------------------------

    pub fn command(&mut self, now: Time, command: &Command, disk: &mut Disk) {
        match command {
            Command::Connect { conn, .. } => {
                self.dialling.insert(*conn, now);
                let most = limits::HALF_OPEN_MAX;
                assert!(self.dialling.len() <= most, "[bounds] {} dials at once", self.dialling.len());
            }
            Command::ConnectWeb { conn, .. } => {
                self.webs.insert(*conn);
                self.dialling.insert(*conn, now);
            }
            Command::Send { conn, .. } if self.webs.contains(conn) => {}
            Command::Send { conn, bytes } => self.says(now, *conn, bytes, disk),
            Command::SendMany { conns, bytes } => conns.iter().for_each(|conn| self.says(now, *conn, bytes, disk)),
            Command::SendBlocks { conn, run, blocks } => {
                for block in blocks {
                    let payload = &run.0[block.start as usize..(block.start + block.len) as usize];
                    self.says(now, *conn, &[&block.head, payload].concat(), disk);
                }
            }
            Command::Close { conn } => {
                self.last_hang_up = Some(now);
                self.hung_up(*conn);
            }
            Command::Job(Job::Write { store, piece, .. }) => {
                let ledger = self.ledger_mut(store.torrent.0);
                assert!(ledger.wanted[piece.at()], "[writes] {piece:?} is written and nobody wants it");
                assert!(!ledger.verified[piece.at()], "[writes] {piece:?} is written and was verified");
            }
            Command::Job(Job::Digests { store, piece }) => {
                self.ledger_mut(store.torrent.0).judged.insert(piece.index());
            }
            Command::Job(Job::Forget { store, piece }) => {
                self.ledger_mut(store.torrent.0).doubt_got(piece.index());
            }
            Command::Job(Job::Fetch { id, request }) => self.announces(*id, &request.url),
            Command::SendDatagram { to, bytes } => self.sends_datagram(now, *to, bytes),
            _ => {}
        }
    }

    fn says(&mut self, now: Time, conn: ConnId, bytes: &[u8], disk: &Disk) {
        let mut tap =
            self.taps.remove(&conn).unwrap_or_else(|| panic!("[commands] bytes for {conn:?}, which is gone"));
        tap.push_sent(bytes);
        while let Some(msg) = tap.next_sent() {
            if tap.torrent.is_none()
                && let Msg::Handshake(handshake) = &msg
            {
                let known = |(_, ledger): &(&usize, &Ledger)| ledger.info_hash.0 == handshake.info_hash;
                tap.torrent = self.ledgers.iter().find(known).map(|(torrent, _)| *torrent);
            }
            let torrent = tap.torrent.expect("[wire] a node speaks of a torrent that it does not have");
            let ledger = &self.ledgers[&torrent];
            tap.said(now, &msg, ledger.layout.geometry(), self.one_by_one);
            match msg {
                Msg::Choke => self.chokes += 1,
                Msg::Request(range) if tap.is_asked(&range) => self.asks(now, conn, torrent, range),
                Msg::Cancel(range) => {
                    let ledger = self.ledgers.get_mut(&torrent).expect("looked up above");
                    ledger.forget_asked(conn, &range);
                }
                Msg::Have(index) => ledger.claims(index, disk),
                Msg::Bitfield(bits) => {
                    let count = ledger.layout.geometry().piece_count();
                    let set = |i: &u32| bits[(i / 8) as usize] & (0x80 >> (i % 8)) != 0;
                    assert_eq!(bits.len(), count.div_ceil(8) as usize, "[wire] a bitfield of the wrong length");
                    (0..count).filter(set).for_each(|index| ledger.claims(index, disk));
                }
                Msg::HaveAll => (0..ledger.verified.len() as u32).for_each(|index| ledger.claims(index, disk)),
                Msg::HaveNone => {}
                Msg::Extended(..) => {
                    let is_right = !tap.told_upload_only || ledger.is_complete();
                    assert!(is_right, "[upload-only] said before everything is verified");
                }
                Msg::Piece { index, begin, payload } => ledger.serves(index, begin, &payload),
                _ => {}
            }
        }
        self.taps.insert(conn, tap);
    }

    fn announces(&mut self, id: JobId, url: &str) {
        let (tracker, query) = crate::web::parse_url(url).unwrap_or_else(|| panic!("[tracker] a strange URL: {url}"));
        let (torrent, event) = self.announced(&query);
        self.events.sent(id, torrent, tracker, event);
    }

    /// A question to a UDP tracker.
    fn sends_datagram(&mut self, now: Time, to: SocketAddr, bytes: &[u8]) {
        let Some(tracker) = crate::udp::tracker_at(to) else { return };
        let question = Question::read(bytes).unwrap_or_else(|error| panic!("[tracker] a strange datagram: {error}"));
        match question {
            Question::Connect { .. } => self.events.connects(now, to),
            // The same once more says what it said the first time.
            Question::Announce { transaction, .. } if self.events.is_repeated(to, transaction) => {}
            Question::Announce { transaction, query, .. } => {
                let (torrent, event) = self.announced(&query);
                self.events.asks(now, (torrent, tracker), (to, transaction), event);
            }
        }
    }

    /// An announce against the books; its torrent and event.
    fn announced(&self, query: &BTreeMap<String, Vec<u8>>) -> (usize, String) {
        let number = |key: &str| -> u64 {
            let text = query.get(key).map(|value| String::from_utf8_lossy(value).into_owned()).unwrap_or_default();
            text.parse().unwrap_or_else(|_| panic!("[tracker] {key} is {text}"))
        };
        let info_hash = query.get("info_hash").expect("[tracker] no info hash in an announce");
        let known = |(_, ledger): &(&usize, &Ledger)| ledger.info_hash.0 == **info_hash;
        let (torrent, ledger) = self.ledgers.iter().find(known).expect("[tracker] an announce of an unknown torrent");
        let event = query.get("event").map(|event| String::from_utf8_lossy(event).into_owned()).unwrap_or_default();
        let left = number("left");
        let missing = ledger.bytes_of(|at| ledger.wanted[at] && !ledger.verified[at]);
        assert!(left >= missing, "[tracker] left={left}, but {missing} bytes are missing");
        let under_way: u64 = self.under_way(*torrent);
        let downloaded = number("downloaded");
        assert!(downloaded <= ledger.downloaded.1 + under_way, "[tracker] downloaded={downloaded} is too much");
        assert!(downloaded >= ledger.downloaded.0.min(1), "[tracker] downloaded={downloaded} is too little");
        let uploaded = number("uploaded");
        assert!(uploaded <= ledger.uploaded, "[tracker] uploaded={uploaded} of {}", ledger.uploaded);
        if event == "completed" {
            assert!(ledger.is_complete(), "[events] completed before everything is verified");
            let received = ledger.earlier.0 + ledger.downloaded.1 > 0;
            assert!(received && !ledger.earlier.1, "[events] completed although nothing was missing at the start");
        }
        (*torrent, event)
    }

    fn under_way(&self, torrent: usize) -> u64 {
        self.taps.values().filter(|tap| tap.torrent == Some(torrent)).map(|tap| tap.rx.payload_under_way()).sum()
    }

    /// A row of state against the log.
    pub fn row(&self, row: &Row) {
        let torrent = row.torrent.0 as usize;
        let ledger = &self.ledgers[&torrent];
        if matches!(row.activity, Activity::Opening) {
            return;
        }
        if let Activity::Paused(..) = row.activity {
            let coming: Vec<Range> = self.taps.values().filter_map(|tap| tap.rx.block_under_way()).collect();
            let is_coming = |key: &(u32, u32)| coming.iter().any(|range| (range.index, range.begin) == *key);
            let asked = ledger.asked.keys().find(|key| !is_coming(key));
            assert_eq!(asked, None, "[requests] asked for while paused");
        }
        let verified = ledger.bytes_of(|at| ledger.wanted[at] && ledger.verified[at]);
        assert!(row.have_bytes <= verified, "[rows] have_bytes {} of {verified} verified", row.have_bytes);
        let wanted = ledger.bytes_of(|at| ledger.wanted[at]);
        assert_eq!(row.wanted_bytes, wanted, "[rows] wanted_bytes");
        let (least, most) = (ledger.downloaded.0, ledger.downloaded.1 + self.under_way(torrent));
        // A peer that is hung up on in the middle of a delivery leaves messages behind that we read and the node not.
        let least = if self.one_by_one { least } else { 0 };
        let right = (least..=most).contains(&row.downloaded);
        assert!(right, "[rows] downloaded {} is not within {least}..={most}", row.downloaded);
        assert_eq!(row.uploaded, ledger.uploaded, "[rows] uploaded");
        if let Some(have) = &row.have {
            let claimed = have.ones().find(|&index| !ledger.verified[index as usize]);
            assert_eq!(claimed, None, "[rows] a piece that is not verified");
        }
    }

    /// The node says that a torrent is complete and saved.
    pub fn complete(&self, torrent: usize, disk: &Disk) {
        let ledger = &self.ledgers[&torrent];
        assert!(ledger.is_complete(), "[complete] said before everything is verified");
        let volume = &disk.volumes[&ledger.info_hash];
        let wrong = ledger
            .layout
            .geometry()
            .pieces()
            .find(|&piece| ledger.wanted[piece.at()] && !volume.holds(&ledger.layout, piece, &ledger.content));
        assert_eq!(wrong, None, "[complete] a piece's stored bytes are wrong");
        assert!(volume.is_synced(), "[complete] said before the data was synced");
        let taps = || self.taps.values().filter(|tap| tap.torrent == Some(torrent) && tap.extended());
        let untold = taps().filter(|tap| !tap.told_upload_only).count();
        assert_eq!(untold, 0, "[upload-only] {untold} peers do not know that we want nothing more");
    }

    /// After a clean stop everything that was lent is home.
    pub fn stopped(&self, out: &Outbox, owed_jobs: u32) {
        assert_eq!(owed_jobs, 0, "[stop] stopped while the disk still works");
        assert_eq!(out.download.free(), out.download.total(), "[credits] download credits are lost");
        assert_eq!(out.upload.free(), out.upload.total(), "[credits] upload credits are lost");
        assert_eq!(out.pool.available(), out.pool.max(), "[credits] buffers are lost");
        assert!(self.taps.is_empty(), "[stop] {} connections are still open", self.taps.len());
    }

    /// After a long quiet nothing is owed any more.
    pub fn check_quiet(&self, now: Time) {
        let is_complete = |torrent: usize| self.ledgers[&torrent].is_complete();
        let eager = self.taps.values().find(|tap| tap.am_interested && tap.torrent.is_some_and(is_complete));
        assert!(eager.is_none(), "[wire] interested although everything is here");
        let is_idle = |tap: &&Tap| tap.peer_wants_nothing(now) && tap.torrent.is_some_and(is_complete);
        let idle = self.taps.values().filter(is_idle).count();
        assert_eq!(idle, 0, "[upload-only] {idle} connections where neither side wants anything");
        self.taps.values().for_each(|tap| tap.check_debts(now, Span::secs(10), true));
    }
}
