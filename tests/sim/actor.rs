//! Peers that follow a script instead of being a node: the rude, the broken and the hostile.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;

use peerlink::base::ConnId;

use crate::codec::{Decoder, Handshake, Msg, Range};
use crate::support::Made;
use crate::world::{Event, World};

/// What an actor does to others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Habit {
    /// Serves every block rightly; for comparison, and for several connections at once.
    Honest,
    /// Shakes hands, says that it has everything, then is silent.
    Mute,
    /// Accepts connections and says nothing at all.
    Dumb,
    /// Serves wrong bytes for this many blocks in a hundred, always the same ones.
    Corrupter(u32),
    /// One byte a second, from the handshake or from the first payload on.
    SlowLoris { from_start: bool },
    /// Messages without end.
    Flood,
    /// Chokes and unchokes all the time, tells its pieces one by one.
    Flapper,
    /// Says something that is no protocol, in this of its ways.
    Garbage(u8),
    /// Hangs up after the handshake, and comes back.
    HangUp,
    /// Unchokes and rejects every request (BEP 6).
    Rejecter,
    /// Never unchokes but allows some pieces (BEP 6).
    AllowedFast,
    /// Serves so many blocks, then keeps the rest of the requests.
    Stalled(u32),
    /// Serves every block, so many of its ticks after it was asked: later than anybody waits.
    Late(u32),
    /// Asks for blocks, choked or not, and cancels some.
    Asker,
    /// Asks for many blocks as soon as it may.
    Greedy,
    /// Has everything and lets nobody ask.
    Chokes,
    /// Says what this entry of `manners` does, again and again.
    Says(usize),
    /// Is a web server.
    Web(crate::web_actor::Server),
}

pub const GARBAGE_WAYS: u8 = 11;

pub struct Actor {
    pub habit: Habit,
    pub made: Made,
    /// Who is dialled, and how often again at most.
    pub dials: Vec<SocketAddr>,
    pub dials_left: u32,
    /// Connections it keeps to each at once.
    pub copies: u32,
    pub fast: bool,
    pub peer_id: [u8; 20],
    pub sessions: BTreeMap<ConnId, Session>,
    pub dialling: BTreeMap<SocketAddr, u32>,
    pub left: bool,
    /// Blocks served, and of them wrong ones.
    pub served: u32,
    pub lied: u32,
    /// Answers it got as an asker.
    pub answered: u32,
    /// Blocks it sent wrong.
    pub lies: BTreeSet<(u32, u32)>,
    /// It has another peer id with every connection.
    pub renames: bool,
    /// Nodes that shook hands with it.
    pub met: u32,
}

#[derive(Default)]
pub struct Session {
    pub rx: Decoder,
    pub dialled: bool,
    pub shaken: bool,
    pub fast: bool,
    /// We unchoked it.
    pub open: bool,
    pub told: u32,
    pub wanted: VecDeque<Range>,
    pub asked: Vec<Range>,
    pub choked: bool,
    pub drip: VecDeque<u8>,
    pub said_garbage: bool,
    pub served: u32,
    /// Requests to be answered when their tick comes.
    pub late: VecDeque<(u32, Range)>,
    pub ticks: u32,
    /// What a web server has heard and not answered.
    pub http: Vec<u8>,
}

/// What an actor can do.
pub struct Cx<'a> {
    pub rng: &'a mut fastrand::Rng,
    pub actions: Vec<Action>,
}

pub enum Action {
    Send(ConnId, Vec<u8>),
    Close(ConnId),
    Dial(SocketAddr),
}

impl Cx<'_> {
    pub fn say(&mut self, conn: ConnId, msg: Msg) {
        self.actions.push(Action::Send(conn, msg.encode()));
    }
}

impl Actor {
    pub fn new(habit: Habit, made: Made, dials: Vec<SocketAddr>, fast: bool, rng: &mut fastrand::Rng) -> Actor {
        let mut peer_id = *b"-XX0001-............";
        rng.fill(&mut peer_id[8..]);
        let fast = fast || matches!(habit, Habit::Rejecter | Habit::AllowedFast);
        let dials_left = if habit == Habit::Flood { 3 } else { 12 };
        Actor {
            habit,
            made,
            dials,
            dials_left,
            copies: 1,
            fast,
            peer_id,
            sessions: BTreeMap::new(),
            dialling: BTreeMap::new(),
            left: false,
            served: 0,
            lied: 0,
            answered: 0,
            lies: BTreeSet::new(),
            renames: false,
            met: 0,
        }
    }

    /// May be banned by right.
    pub fn lies(&self) -> bool {
        matches!(self.habit, Habit::Corrupter(_) | Habit::Garbage(_) | Habit::Flood)
            || matches!(self.habit, Habit::Web(crate::web_actor::Server::Wrong(_)))
    }

    fn handshake(&self) -> Msg {
        let mut reserved = [0; 8];
        reserved[5] = 0x10;
        reserved[7] = if self.fast { 4 } else { 0 };
        let mut info_hash = self.made.metainfo.info_hash.0;
        if self.habit == Habit::Garbage(8) {
            info_hash[0] ^= 1;
        }
        Msg::Handshake(Handshake { reserved, info_hash, peer_id: self.peer_id })
    }

    pub fn opened(&mut self, cx: &mut Cx<'_>, conn: ConnId, dialled: bool) {
        self.sessions.insert(conn, Session { dialled, choked: true, ..Session::default() });
        if self.renames {
            cx.rng.fill(&mut self.peer_id[8..]);
        }
        if dialled {
            self.greet(cx, conn);
        }
    }

    /// Our handshake, in this actor's way.
    fn greet(&mut self, cx: &mut Cx<'_>, conn: ConnId) {
        let handshake = self.handshake();
        match self.habit {
            Habit::Dumb => {}
            Habit::SlowLoris { from_start: true } => {
                let session = self.sessions.get_mut(&conn).expect("open");
                session.drip.extend(handshake.encode());
            }
            Habit::Garbage(7) => {
                let mut bytes = handshake.encode();
                bytes[3] ^= 0x20;
                cx.actions.push(Action::Send(conn, bytes));
            }
            Habit::Garbage(10) => cx.actions.push(Action::Send(conn, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec())),
            _ => cx.say(conn, handshake),
        }
    }

    pub fn closed(&mut self, conn: ConnId) {
        self.sessions.remove(&conn);
    }

    pub fn received(&mut self, cx: &mut Cx<'_>, conn: ConnId, bytes: &[u8]) {
        if let Habit::Web(server) = self.habit {
            return crate::web_actor::received(self, server, cx, conn, bytes);
        }
        let Some(session) = self.sessions.get_mut(&conn) else { return };
        session.rx.push(bytes);
        loop {
            let Some(session) = self.sessions.get_mut(&conn) else { return };
            let msg = match session.rx.next() {
                Ok(Some(msg)) => msg,
                Ok(None) => return,
                Err(error) => panic!("[wire] an actor cannot read what a node says: {error}"),
            };
            self.heard(cx, conn, msg);
        }
    }

    fn heard(&mut self, cx: &mut Cx<'_>, conn: ConnId, msg: Msg) {
        let session = self.sessions.get_mut(&conn).expect("open");
        match msg {
            Msg::Handshake(theirs) => {
                session.shaken = true;
                self.met += 1;
                session.fast = self.fast && theirs.fast();
                if !session.dialled {
                    self.greet(cx, conn);
                }
                self.introduce(cx, conn);
            }
            Msg::Interested => {
                let silent = matches!(
                    self.habit,
                    Habit::Mute | Habit::Dumb | Habit::Asker | Habit::Greedy | Habit::Chokes | Habit::Says(_)
                );
                let serves = !silent && self.habit != Habit::AllowedFast;
                if serves && !session.open {
                    session.open = true;
                    cx.say(conn, Msg::Unchoke);
                }
            }
            Msg::Request(range) => self.requested(cx, conn, range),
            Msg::Cancel(range) => {
                let before = session.wanted.len();
                let before = before + session.late.len();
                session.wanted.retain(|wanted| *wanted != range);
                session.late.retain(|(_, wanted)| *wanted != range);
                if session.fast && session.wanted.len() + session.late.len() < before {
                    cx.say(conn, Msg::Reject(range));
                }
            }
            Msg::Choke => {
                session.choked = true;
                if !session.fast {
                    session.asked.clear();
                }
            }
            Msg::Unchoke => session.choked = false,
            Msg::Piece { index, begin, payload } => {
                let range = Range { index, begin, len: payload.len() as u32 };
                if let Some(at) = session.asked.iter().position(|asked| *asked == range) {
                    session.asked.swap_remove(at);
                    self.answered += 1;
                }
            }
            Msg::Reject(range) => {
                if let Some(at) = session.asked.iter().position(|asked| *asked == range) {
                    session.asked.swap_remove(at);
                    self.answered += 1;
                }
            }
            _ => {}
        }
    }

    /// What follows the handshakes.
    fn introduce(&mut self, cx: &mut Cx<'_>, conn: ConnId) {
        let piece_count = self.made.metainfo.geometry.piece_count();
        let session = &self.sessions[&conn];
        let full = || {
            let mut bits = vec![0xff; piece_count.div_ceil(8) as usize];
            let spare = bits.len() as u32 * 8 - piece_count;
            *bits.last_mut().expect("a torrent has pieces") &= 0xff << spare;
            bits
        };
        let everything = if session.fast { Msg::HaveAll } else { Msg::Bitfield(full()) };
        match self.habit {
            Habit::Dumb | Habit::SlowLoris { from_start: true } => {}
            Habit::HangUp => {
                if cx.rng.bool() {
                    cx.say(conn, everything);
                }
                cx.actions.push(Action::Close(conn));
                self.sessions.remove(&conn);
            }
            Habit::Garbage(way) => {
                let msg = match way {
                    2 => Msg::Bitfield(vec![0xff; full().len() + 3]),
                    3 => Msg::Bitfield([full(), vec![]].concat().iter().map(|_| 0xff).chain([0xff]).collect()),
                    _ => everything,
                };
                cx.say(conn, msg);
            }
            Habit::Flapper | Habit::Asker | Habit::Greedy | Habit::Says(_) => {
                if session.fast {
                    cx.say(conn, Msg::HaveNone);
                }
                if matches!(self.habit, Habit::Asker | Habit::Greedy) {
                    cx.say(conn, Msg::Interested);
                }
            }
            Habit::AllowedFast => {
                cx.say(conn, everything);
                for _ in 0..10 {
                    let index = self.allowed(cx.rng.u32(..));
                    cx.say(conn, Msg::AllowedFast(index));
                }
            }
            _ => cx.say(conn, everything),
        }
    }

    /// The pieces that the allowed-fast actor allows: every third.
    fn allowed(&self, number: u32) -> u32 {
        let piece_count = self.made.metainfo.geometry.piece_count();
        number % piece_count.div_ceil(3) * 3
    }

    fn requested(&mut self, cx: &mut Cx<'_>, conn: ConnId, range: Range) {
        let session = self.sessions.get_mut(&conn).expect("open");
        match self.habit {
            Habit::Rejecter => cx.say(conn, Msg::Reject(range)),
            Habit::AllowedFast if !range.index.is_multiple_of(3) => cx.say(conn, Msg::Reject(range)),
            Habit::Asker | Habit::Greedy | Habit::Mute | Habit::Dumb | Habit::Says(_) => {}
            Habit::Late(ticks) => session.late.push_back((session.ticks + ticks, range)),
            Habit::Stalled(blocks) if session.served >= blocks => {}
            _ => {
                session.served += 1;
                session.wanted.push_back(range);
                if !matches!(self.habit, Habit::Flapper | Habit::SlowLoris { .. }) {
                    self.serve(cx, conn, usize::MAX);
                }
            }
        }
    }

    /// Answers waiting requests.
    pub fn serve(&mut self, cx: &mut Cx<'_>, conn: ConnId, max: usize) {
        for _ in 0..max {
            let Some(range) = self.sessions.get_mut(&conn).and_then(|session| session.wanted.pop_front()) else {
                return;
            };
            let start =
                self.made.metainfo.geometry.piece_len() as usize * range.index as usize + range.begin as usize;
            let Some(payload) = self.made.content.get(start..start + range.len as usize) else {
                panic!("[requests] a node asks for {range:?}, which is outside the torrent");
            };
            let mut payload = payload.to_vec();
            if let Habit::Corrupter(percent) = self.habit {
                let dice = (range.index.wrapping_mul(2_654_435_761) ^ range.begin.wrapping_mul(40_503)) >> 7;
                if dice % 100 < percent {
                    let at = dice as usize % payload.len();
                    payload[at] ^= 0x55;
                    self.lied += 1;
                    self.lies.insert((range.index, range.begin));
                }
            }
            self.served += 1;
            cx.say(conn, Msg::Piece { index: range.index, begin: range.begin, payload });
        }
    }
}

impl World {
    /// Lets an actor do something.
    pub fn act(&mut self, host: usize, turn: impl FnOnce(&mut Actor, &mut Cx<'_>)) {
        let crate::host::Kind::Actor(actor) = &mut self.hosts[host].kind else { panic!("host {host} is a node") };
        let mut cx = Cx { rng: &mut self.rng, actions: Vec::new() };
        turn(actor, &mut cx);
        for action in cx.actions {
            match action {
                Action::Send(conn, bytes) => {
                    if let Some(&(conn, side)) = self.hosts[host].conns.get(&conn) {
                        self.send(conn, side, bytes, None);
                    }
                }
                Action::Close(conn) => {
                    if let Some(&(conn, side)) = self.hosts[host].conns.get(&conn) {
                        self.close(conn, side);
                    }
                }
                Action::Dial(to) => {
                    let id = self.hosts[host].new_conn();
                    self.dial(host, id, to);
                }
            }
        }
    }

    pub fn tick_actor(&mut self, host: usize) {
        let crate::host::Kind::Actor(actor) = &self.hosts[host].kind else { return };
        if actor.left {
            return;
        }
        let period = actor.period();
        self.act(host, |actor, cx| actor.tick(cx));
        self.after(period, Event::Tick { host });
    }

    /// Every actor hangs up and is gone for good; with `some_stay` only those whose noise fills the lines.
    pub fn actors_leave(&mut self, some_stay: bool) {
        for host in 0..self.hosts.len() {
            let crate::host::Kind::Actor(actor) = &mut self.hosts[host].kind else { continue };
            if some_stay && !matches!(actor.habit, Habit::Flood | Habit::Greedy) {
                continue;
            }
            actor.left = true;
            actor.sessions.clear();
            self.hosts[host].listening = false;
            let conns: Vec<(usize, usize)> = self.hosts[host].conns.values().copied().collect();
            for (conn, side) in conns {
                self.close(conn, side);
            }
            let address = self.hosts[host].address;
            for tracker in &mut self.web.trackers {
                tracker.swarms.values_mut().for_each(|swarm| _ = swarm.remove(&address));
            }
        }
    }
}
