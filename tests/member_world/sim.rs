//! Members and a server in a simulated network under a simulated clock: the real machines, many seeds. The server is
//! killed at any moment, with bytes on their way and appends under way, and starts again with what is in its files.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use peerlink::base::access::Access;
use peerlink::base::keyed::Secret;
use peerlink::base::{ConnId, PeerId, Span, Time};
use peerlink::groups::{self, Groups};
use peerlink::index::Index;
use peerlink::machine::{ChatAsk, Closed, Command, Completion, Input, Job, Machine, Note, Outbox};
use peerlink::member::Member;
use peerlink::node::{FrontOptions, Node, Server};
use peerlink::tracker::{self, Tracker};

use crate::judge::{self, Log, MEMBERS, group_of};

/// Everybody is back by then after the server is.
const BACK: Span = Span::secs(10);
const BEGAN_MS: u64 = 1_790_000_000_000;

enum Event {
    /// A dial reaches the place where the server should be.
    Dial {
        member: usize,
        conn: ConnId,
    },
    /// Bytes reach the server, or the member.
    ToServer {
        line: u64,
        bytes: Vec<u8>,
    },
    ToMember {
        line: u64,
        bytes: Vec<u8>,
    },
    /// The member learns that its connection is gone, or could not be made.
    Gone {
        member: usize,
        conn: ConnId,
        reason: Closed,
    },
    ServerGone {
        line: u64,
    },
    /// The server's disk has done a job.
    Disk {
        life: u32,
        job: Job,
    },
    Speak,
    Kill,
    Restart,
}

/// A connection: who, and its names at both ends.
#[derive(Clone, Copy)]
struct Line {
    member: usize,
    member_conn: ConnId,
    server_conn: ConnId,
    /// Nothing that leaves an end overtakes what left before.
    to_server_at: Time,
    to_member_at: Time,
}

struct World {
    now: Time,
    rng: fastrand::Rng,
    events: BTreeMap<(Time, u64), Event>,
    count: u64,
    members: Vec<(Member, Outbox)>,
    logs: Vec<Log>,
    server: Option<(Node, Outbox)>,
    /// How often it was started.
    life: u32,
    files: BTreeMap<String, Vec<u8>>,
    lines: BTreeMap<u64, Line>,
    /// When it came back last, and who has been back since.
    restarted: Time,
    back: BTreeMap<usize, Time>,
    /// When each dialled last, and the most that did so within 100 ms and came back.
    dialled: Vec<Time>,
    densest: usize,
    slowest: Span,
    last_word: Time,
}

impl World {
    fn new(seed: u64) -> World {
        let mut rng = fastrand::Rng::with_seed(seed);
        let members = (0..MEMBERS).map(|at| (judge::member(at, 9000), Outbox::new(rng.u64(..), 0, 0, 0))).collect();
        World {
            now: Time(1),
            rng,
            events: BTreeMap::new(),
            count: 0,
            members,
            logs: (0..MEMBERS).map(|_| Log::default()).collect(),
            server: None,
            life: 0,
            files: BTreeMap::new(),
            lines: BTreeMap::new(),
            restarted: Time::ZERO,
            back: BTreeMap::new(),
            dialled: vec![Time::ZERO; MEMBERS],
            densest: 0,
            slowest: Span::ZERO,
            last_word: Time::ZERO,
        }
    }

    fn after(&mut self, wait: Span, event: Event) {
        self.at(self.now + wait, event);
    }

    fn at(&mut self, at: Time, event: Event) {
        self.count += 1;
        self.events.insert((at, self.count), event);
    }

    fn delay(&mut self) -> Span {
        Span(self.rng.u64(1_000..40_000))
    }

    // ---- members ----------------------------------------------------------------------------------------------

    fn hand(&mut self, at: usize, input: Input<'_>) {
        let (member, out) = &mut self.members[at];
        member.handle(self.now, input, out);
        member.check();
        for command in std::mem::take(&mut out.commands) {
            match command {
                Command::Connect { conn, .. } => {
                    self.dialled[at] = self.now;
                    let wait = self.delay();
                    self.after(wait, Event::Dial { member: at, conn });
                }
                Command::Send { conn, bytes } => self.member_sends(conn, at, &bytes),
                Command::Close { conn } => {
                    let Some((line, _)) = self.line_of(at, conn) else { continue };
                    let wait = self.delay();
                    self.after(wait, Event::ServerGone { line });
                }
                Command::Tell(Note::News(news)) => {
                    let is_back = self.logs[at].hear(at, *news);
                    if is_back && self.back.insert(at, self.dialled[at]).is_none() {
                        self.slowest = self.slowest.max(self.now.since(self.restarted));
                    }
                }
                other => panic!("a member has no use for {other:?}"),
            }
        }
    }

    fn line_of(&self, member: usize, conn: ConnId) -> Option<(u64, Line)> {
        let is_it = |line: &Line| line.member == member && line.member_conn == conn;
        self.lines.iter().find(|(_, line)| is_it(line)).map(|(id, line)| (*id, *line))
    }

    fn member_sends(&mut self, conn: ConnId, at: usize, bytes: &[u8]) {
        let Some((id, mut line)) = self.line_of(at, conn) else { return };
        for part in self.cut(bytes) {
            line.to_server_at = line.to_server_at.max(self.now + self.delay());
            self.at(line.to_server_at, Event::ToServer { line: id, bytes: part });
        }
        self.lines.insert(id, line);
    }

    /// Bytes arrive in parts that have nothing to do with lines.
    fn cut(&mut self, mut bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut parts = Vec::new();
        while !bytes.is_empty() {
            let len = if self.rng.bool() { bytes.len() } else { self.rng.usize(1..=bytes.len()) };
            let (part, rest) = bytes.split_at(len);
            parts.push(part.to_vec());
            bytes = rest;
        }
        parts
    }

    // ---- the server -------------------------------------------------------------------------------------------

    fn start(&mut self) {
        self.life += 1;
        let mut options = groups::Options::new(Secret(1, u64::from(self.life)));
        options.flood_per_s = 0;
        let mut groups = Groups::new(options);
        groups.restore(self.files.get(groups::FILE).map_or(&[][..], Vec::as_slice));
        let tracker = Tracker::new(tracker::Options::default(), Access::default(), Secret(1, 2));
        let mut node = Node::new(PeerId(*b"-PL0100-aaaaaaaaaaaa"), 1);
        node.serve(Server::new(FrontOptions::default(), tracker, Index::default(), groups));
        self.server = Some((node, Outbox::new(self.rng.u64(..), 4, 4, 4)));
        self.restarted = self.now;
        self.back.clear();
        self.server_hears(Input::Note(Note::Listening { port: 9000 }));
    }

    fn server_hears(&mut self, input: Input<'_>) {
        let Some((node, out)) = &mut self.server else { return };
        out.wall_ms = BEGAN_MS + self.now.0 / 1000;
        node.handle(self.now, input, out);
        if node.next_deadline().is_some_and(|due| due <= self.now) {
            node.handle(self.now, Input::Deadline, out);
        }
        let commands = std::mem::take(&mut out.commands);
        for command in commands {
            match command {
                Command::Send { conn, bytes } => self.server_sends(&[conn], &bytes),
                Command::SendTold { conn, bytes } => {
                    self.server_sends(&[conn], &bytes);
                    self.server_hears(Input::Sent { conn, blocks: 0, bytes: 0, queued: 0 });
                }
                Command::SendMany { conns, bytes } => self.server_sends(&conns, &bytes),
                Command::Close { conn } => {
                    let found = self.lines.iter().find(|(_, line)| line.server_conn == conn);
                    if let Some((&id, &line)) = found {
                        self.lines.remove(&id);
                        let (member, conn, reason) = (line.member, line.member_conn, Closed::ByPeer);
                        self.at(line.to_member_at.max(self.now), Event::Gone { member, conn, reason });
                    }
                }
                Command::Job(job) => {
                    let wait = Span(self.rng.u64(100..30_000));
                    let life = self.life;
                    self.after(wait, Event::Disk { life, job });
                }
                Command::Read { .. } | Command::Tell(_) => {}
                other => panic!("a server has no use for {other:?}"),
            }
        }
    }

    fn server_sends(&mut self, conns: &[ConnId], bytes: &[u8]) {
        for conn in conns {
            let found = self.lines.iter().find(|(_, line)| line.server_conn == *conn);
            let Some((&id, &line)) = found else { continue };
            let mut line = line;
            for part in self.cut(bytes) {
                line.to_member_at = line.to_member_at.max(self.now + self.delay());
                self.at(line.to_member_at, Event::ToMember { line: id, bytes: part });
            }
            self.lines.insert(id, line);
        }
    }

    /// A job that is done before the process dies has an effect, and then it may not be heard of.
    fn disk(&mut self, life: u32, job: Job) {
        if life != self.life || self.server.is_none() {
            return;
        }
        let completion = match job {
            Job::Append { id, name, bytes } => {
                self.files.entry(name).or_default().extend(bytes);
                Completion::Appended { id, result: Ok(()) }
            }
            Job::SaveFile { id, name, bytes } => {
                self.files.insert(name, bytes);
                Completion::FileSaved { id, result: Ok(()) }
            }
            Job::LoadFile { id, name, .. } => {
                let found = self.files.get(&name).map(|bytes| (bytes.clone(), Span::ZERO));
                Completion::FileLoaded { id, result: Ok(found) }
            }
            other => panic!("a server of groups has no use for {other:?}"),
        };
        self.server_hears(Input::Completed(completion));
    }

    /// At the first start everybody comes at once.
    fn count_dials(&mut self) {
        if self.life > 1 {
            self.densest = self.densest.max(judge::densest(self.back.values().copied().collect()));
        }
    }

    /// SIGKILL: what is on its way is lost, and so is what the disk has not done.
    fn kill(&mut self) {
        self.server = None;
        self.count_dials();
        for line in std::mem::take(&mut self.lines).into_values() {
            let wait = self.delay();
            let (member, conn, reason) = (line.member, line.member_conn, Closed::Error);
            self.after(wait, Event::Gone { member, conn, reason });
        }
        let down = Span::millis(self.rng.u64(50..3_000));
        self.after(down, Event::Restart);
    }

    // ---- time -------------------------------------------------------------------------------------------------

    fn event(&mut self, event: Event) {
        match event {
            Event::Dial { member, conn } => self.dialled(member, conn),
            Event::ToServer { line, bytes } => {
                if let Some(line) = self.lines.get(&line) {
                    let conn = line.server_conn;
                    self.server_hears(Input::Received { conn, bytes: &bytes });
                }
            }
            Event::ToMember { line, bytes } => {
                if let Some(&Line { member, member_conn: conn, .. }) = self.lines.get(&line) {
                    self.hand(member, Input::Received { conn, bytes: &bytes });
                }
            }
            Event::Gone { member, conn, reason } => self.hand(member, Input::Closed { conn, reason }),
            Event::ServerGone { line } => {
                if let Some(line) = self.lines.remove(&line) {
                    let conn = line.server_conn;
                    self.server_hears(Input::Closed { conn, reason: Closed::ByPeer });
                }
            }
            Event::Disk { life, job } => self.disk(life, job),
            Event::Speak => {
                let at = self.rng.usize(..MEMBERS);
                if self.logs.iter().all(|log| log.said > 0 || log.is_there) || self.life > 1 {
                    let ask = self.logs[at].speak(at);
                    self.hand(at, Input::Note(Note::Ask(Box::new(ask))));
                }
                if self.now < self.last_word {
                    let wait = Span::millis(self.rng.u64(1..60));
                    self.after(wait, Event::Speak);
                }
            }
            Event::Kill => self.kill(),
            Event::Restart => self.start(),
        }
    }

    fn dialled(&mut self, member: usize, conn: ConnId) {
        let Some((_, out)) = &mut self.server else {
            return self.hand(member, Input::Closed { conn, reason: Closed::Unreachable });
        };
        let server_conn = out.new_conn();
        let now = self.now;
        self.count += 1;
        let line = Line { member, member_conn: conn, server_conn, to_server_at: now, to_member_at: now };
        self.lines.insert(self.count, line);
        let remote = SocketAddr::from(([10, 0, 0, member as u8], 40_000));
        self.server_hears(Input::Accepted { conn: server_conn, remote });
        self.hand(member, Input::Connected { conn });
    }

    /// Events and deadlines in order, up to `end`.
    fn run(&mut self, end: Time) {
        loop {
            let event_at = self.events.first_key_value().map(|((at, _), _)| *at);
            let member_at = self.members.iter().filter_map(|(member, _)| member.next_deadline()).min();
            let server_at = self.server.as_ref().and_then(|(node, _)| node.next_deadline());
            let Some(next) = [event_at, member_at, server_at].into_iter().flatten().min().filter(|at| *at <= end)
            else {
                self.now = end;
                return;
            };
            self.now = self.now.max(next);
            if event_at == Some(next) {
                let Some((_, event)) = self.events.pop_first() else { continue };
                self.event(event);
            } else if server_at == Some(next) {
                self.server_hears(Input::Deadline);
            } else {
                for at in 0..MEMBERS {
                    if self.members[at].0.next_deadline().is_some_and(|due| due <= self.now) {
                        self.hand(at, Input::Deadline);
                    }
                }
            }
        }
    }
}

/// One world: how many messages, how many kills, the slowest return, the most dials within 100 ms.
fn run(seed: u64) -> (usize, u32, Span, usize) {
    let mut world = World::new(seed);
    world.start();
    for at in 0..MEMBERS {
        let join = ChatAsk::Join { group: group_of(at), key: None };
        world.hand(at, Input::Note(Note::Ask(Box::new(join))));
        world.hand(at, Input::Note(Note::Listening { port: 6881 }));
    }
    world.run(Time(5_000_000));
    assert!(world.logs.iter().all(|log| log.is_there), "seed {seed}: everybody is in its group");
    world.last_word = Time(45_000_000);
    world.after(Span::ZERO, Event::Speak);
    let mut at = world.now;
    let mut kills = 0;
    while at < world.last_word {
        at += Span::millis(world.rng.u64(3_000..15_000));
        // Not while it is down.
        world.at(at, Event::Kill);
        kills += 1;
        at += Span::millis(3_001);
    }
    let end = at + BACK;
    while world.now < end {
        let next = (world.now + Span::millis(500)).min(end);
        world.run(next);
        let is_late = world.server.is_some() && world.now > world.restarted + BACK;
        assert!(!is_late || world.back.len() == MEMBERS, "seed {seed}: {} are back", world.back.len());
    }
    let settled = world.now + Span::secs(60);
    while !judge::is_settled(&world.logs) && world.now < settled {
        let next = world.now + Span::secs(1);
        world.run(next);
    }
    world.count_dials();
    (judge::judge(&world.logs), kills, world.slowest, world.densest)
}

#[test]
fn nothing_acknowledged_is_lost_doubled_or_out_of_order_whatever_the_seed() {
    let seeds = std::env::var("PEERLINK_SIM_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(4);
    let (mut messages, mut kills, mut slowest, mut densest) = (0, 0, Span::ZERO, 0);
    for seed in 0..seeds {
        let (said, died, slow, dense) = run(seed);
        messages += said;
        kills += died;
        slowest = slowest.max(slow);
        densest = densest.max(dense);
    }
    let slow = slowest.as_secs_f64();
    println!(
        "{seeds} seeds, {messages} messages, {kills} kills, all back within {slow:.1} s, at most {densest} dials within 100 ms"
    );
    assert!(slowest <= BACK && messages > 500);
    assert!(densest * 5 <= MEMBERS, "{densest} dialled within 100 ms");
}
