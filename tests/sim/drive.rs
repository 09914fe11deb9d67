//! Drives a host: what happens to it, and for a node what it is told and how it is obeyed.

use std::net::SocketAddr;

use peerlink::base::address::{Reach, reach};
use peerlink::base::{ConnId, Span, Time, limits};
use peerlink::machine::{Closed, Command, Completion, Input, Job, Note};

use crate::host::{Host, Kind, NodeHost};
use crate::world::{Event, World};

impl World {
    pub fn accepted(&mut self, host: usize, conn: ConnId, remote: SocketAddr) {
        match &self.hosts[host].kind {
            Kind::Node(_) => self.input(host, Input::Accepted { conn, remote }),
            Kind::Actor(_) => self.act(host, |actor, cx| actor.opened(cx, conn, false)),
        }
    }

    pub fn connected(&mut self, host: usize, conn: ConnId) {
        match &self.hosts[host].kind {
            Kind::Node(_) => self.input(host, Input::Connected { conn }),
            Kind::Actor(_) => self.act(host, |actor, cx| actor.opened(cx, conn, true)),
        }
    }

    pub fn received(&mut self, host: usize, conn: ConnId, bytes: &[u8]) {
        match &self.hosts[host].kind {
            Kind::Node(_) => self.input(host, Input::Received { conn, bytes }),
            Kind::Actor(_) => self.act(host, |actor, cx| actor.received(cx, conn, bytes)),
        }
    }

    pub fn sent(&mut self, host: usize, sent: Input<'_>) {
        if let Kind::Node(_) = self.hosts[host].kind {
            self.input(host, sent);
        }
    }

    pub fn closed(&mut self, host: usize, conn: ConnId, reason: Closed) {
        match &self.hosts[host].kind {
            Kind::Node(_) => self.input(host, Input::Closed { conn, reason }),
            Kind::Actor(_) => self.act(host, |actor, _| actor.closed(conn)),
        }
    }

    /// A connection found no buffer: the machine is told, and asked again after other inputs.
    pub fn braked(&mut self, host: usize, conn: usize, _side: usize) {
        self.node_mut(host).braked.push(conn);
        self.input(host, Input::Starving);
    }

    pub fn wake(&mut self, host: usize, process: u32) {
        if self.hosts[host].process != process {
            return;
        }
        let node = self.node_mut(host);
        node.wake_planned = false;
        for conn in std::mem::take(&mut node.braked) {
            for side in [0, 1] {
                let end = &self.conns[conn].ends[side];
                if end.host != host || !end.braked {
                    continue;
                }
                if end.live && self.node(host).appetite(end.id) == 0 {
                    self.node_mut(host).braked.push(conn);
                } else {
                    self.conns[conn].ends[side].braked = false;
                    self.read_soon(conn, side);
                }
            }
        }
    }

    pub fn deadline(&mut self, host: usize, process: u32, at: Time) {
        if self.hosts[host].process != process || self.node(host).deadline != Some(at) {
            return;
        }
        let second = self.now.0 / 1_000_000;
        let node = self.node_mut(host);
        node.deadline = None;
        if node.deadlines.0 != second {
            node.deadlines = (second, 0);
        }
        node.deadlines.1 += 1;
        assert!(node.deadlines.1 < 200, "[busy loop] more than 200 deadlines in a second");
        self.input(host, Input::Deadline);
    }

    /// The disk thread finishes the job in front and takes the next.
    pub fn disk_turn(&mut self, host: usize, process: u32) {
        if self.hosts[host].process != process {
            return;
        }
        let mut rng = self.rng.fork();
        let node = self.node_mut(host);
        node.disk_busy = false;
        let Some(job) = node.disk_jobs.pop_front() else { return };
        let piece = match &job {
            Job::Write { store, piece, .. } | Job::Check { store, piece } | Job::Digests { store, piece } => {
                Some((*store, piece.index()))
            }
            _ => None,
        };
        let done = node.disk.run(job, &mut rng);
        for completion in done {
            let wait = Span(rng.u64(50..3_000));
            let mut at = self.now + wait;
            if let Some(piece) = piece {
                let last = self.node_mut(host).last_done.entry(piece).or_default();
                at = at.max(*last);
                *last = at;
            }
            self.at(at, Event::Done { host, process, completion });
        }
        self.disk_next(host);
    }

    fn disk_next(&mut self, host: usize) {
        let process = self.hosts[host].process;
        let node = self.node_mut(host);
        if node.disk_busy || node.disk_jobs.is_empty() {
            return;
        }
        node.disk_busy = true;
        let slow = node.disk.mood.latency_ms * 1000;
        let wait = Span(100 + self.rng.u64(0..=400 + slow));
        self.after(wait, Event::DiskTurn { host, process });
    }

    pub fn done(&mut self, host: usize, process: u32, completion: Completion) {
        if self.hosts[host].process != process {
            return;
        }
        use Completion::{Fetched, Hashed, Opened, Resolved};
        let counted = !matches!(completion, Opened { .. } | Hashed { .. } | Fetched { .. } | Resolved { .. });
        self.node_mut(host).owed_jobs -= u32::from(counted);
        if let Hashed { store, piece, digest: Ok(digest) } = &completion {
            self.note_guilt(host, *store, *piece, digest);
        }
        self.input(host, Input::Completed(completion));
    }

    /// One input for a node: seen by the safety rules, handled, checked, obeyed.
    pub fn input(&mut self, host: usize, input: Input<'_>) {
        self.inputs += 1;
        crate::run::mark(self.now, host);
        self.trace.input(self.now, host, &input);
        let now = self.now;
        let Kind::Node(node) = &mut self.hosts[host].kind else { panic!("host {host} is no node") };
        if node.turns.0 != now.0 {
            node.turns = (now.0, 0);
        }
        node.turns.1 += 1;
        assert!(node.turns.1 < 2_000, "[busy loop] more than 2000 inputs at one moment");
        let node: &mut NodeHost = node;
        if self.trace.prints {
            node.safety.log = Some(Vec::new());
        }
        node.safety.input(now, &input, &mut node.disk);
        for line in node.safety.log.take().unwrap_or_default() {
            self.trace.say(now, || format!("{host:>2} <- {line}"));
        }
        let was_deadline = matches!(input, Input::Deadline);
        let machine = node.machine.as_mut().expect("only running nodes get inputs");
        machine.handle(now, input, &mut node.out);
        machine.check();
        let (down, up, _) = machine.holdings();
        let (download, upload) = (&node.out.download, &node.out.upload);
        assert_eq!(down + download.free(), download.total(), "[credits] a download credit is lost");
        assert_eq!(up + upload.free(), upload.total(), "[credits] an upload credit is lost");
        let commands = std::mem::take(&mut node.out.commands);
        let next = machine.next_deadline();
        let idle = was_deadline && commands.is_empty();
        assert!(!idle || next.is_none_or(|at| at > now), "[busy loop] nothing done and the deadline is not ahead");
        for command in commands {
            self.trace.command(now, host, &command);
            self.obey(host, command);
        }
        if self.node(host).stopped.is_some() {
            return self.process_ends(host);
        }
        let process = self.hosts[host].process;
        let node = self.node_mut(host);
        if node.deadline != next {
            node.deadline = next;
            if let Some(at) = next {
                let late = Span(self.rng.u64(..1_000));
                self.at_deadline(at, late, host, process);
            }
        }
        let node = self.node_mut(host);
        if !node.braked.is_empty() && !node.wake_planned {
            node.wake_planned = true;
            let wait = Span(self.rng.u64(20..400));
            self.after(wait, Event::Wake { host, process });
        }
    }

    fn at_deadline(&mut self, at: Time, late: Span, host: usize, process: u32) {
        self.at(at.max(self.now) + late, Event::Deadline { host, process, at });
    }

    fn obey(&mut self, host: usize, command: Command) {
        let now = self.now;
        let Kind::Node(node) = &mut self.hosts[host].kind else { panic!("host {host} is no node") };
        let node: &mut NodeHost = node;
        node.safety.command(now, &command, &mut node.disk);
        match command {
            Command::Connect { conn, to } => {
                self.may_dial(host, to);
                self.dial(host, conn, to);
            }
            Command::ConnectWeb { conn, to, .. } => self.dial(host, conn, to),
            Command::Encrypt { .. } => panic!("[commands] nobody encrypts here"),
            Command::Send { conn, bytes } => self.send_for(host, conn, bytes, None),
            Command::SendMany { conns, bytes } => {
                for conn in conns {
                    self.send_for(host, conn, bytes.to_vec(), None);
                }
            }
            Command::SendBlocks { conn, run, blocks } => {
                for block in blocks {
                    let payload = &run.0[block.start as usize..(block.start + block.len) as usize];
                    self.send_for(host, conn, [&block.head, payload].concat(), Some(block.len));
                }
            }
            Command::SendTold { .. } | Command::Read { .. } | Command::Answer { .. } => {
                panic!("[commands] nobody serves here")
            }
            Command::SendDatagram { to, bytes } => self.send_datagram(host, to, bytes),
            Command::Multicast { .. } => panic!("[commands] nobody takes part in local discovery"),
            Command::Close { conn } => {
                if let Some(&(conn, side)) = self.hosts[host].conns.get(&conn) {
                    self.close(conn, side);
                }
            }
            Command::Job(Job::Fetch { id, request }) => self.fetch(host, id, request),
            Command::Job(Job::Resolve { id, host: name, port, .. }) => self.resolve(host, id, &name, port),
            Command::Job(job) => {
                let node = self.node_mut(host);
                let answered =
                    !matches!(job, Job::Forget { .. } | Job::Journal { .. } | Job::Close { .. } | Job::Keep { .. });
                node.owed_jobs += u32::from(answered && !matches!(job, Job::Check { .. } | Job::Open { .. }));
                node.disk_jobs.push_back(job);
                assert!(node.disk_jobs.len() < 1_000, "[bounds] the disk queue holds {}", node.disk_jobs.len());
                self.disk_next(host);
            }
            Command::Tell(note) => self.told(host, note),
        }
    }

    fn send_for(&mut self, host: usize, conn: ConnId, bytes: Vec<u8>, payload: Option<u32>) {
        let Some(&(conn, side)) = self.hosts[host].conns.get(&conn) else {
            panic!("[commands] host {host} sends on {conn:?}, which is gone");
        };
        self.send(conn, side, bytes, payload);
    }

    fn told(&mut self, host: usize, note: Note) {
        let now = self.now;
        let liars = self.liars();
        if let Note::Row(_) = note {
            self.nobody_honest_is_banned(host);
        }
        let node = self.node_mut(host);
        match note {
            Note::Row(row) => {
                assert!(row.banned <= liars, "[bans] {} banned of {liars} liars", row.banned);
                node.safety.row(&row);
                node.rows.insert(row.torrent.0 as usize, *row);
            }
            Note::Complete { torrent } => {
                let torrent = torrent.0 as usize;
                node.safety.complete(torrent, &node.disk);
                node.complete.entry(torrent).or_insert(now);
            }
            Note::Said { text, .. } => node.said.push(text),
            Note::Failed { torrent, error } => _ = node.failed.insert(torrent.0 as usize, error.text),
            Note::Stopped => {
                assert!(node.stop_asked.is_some(), "[stop] stopped without being asked");
                assert!(node.stopped.is_none(), "[stop] stopped twice");
                node.stopped = Some(now);
            }
            Note::Add(_)
            | Note::Seek(_)
            | Note::Keep { .. }
            | Note::Access(_)
            | Note::Watch { .. }
            | Note::Listening { .. }
            | Note::Room { .. }
            | Note::PortMapped(_)
            | Note::Limit { .. }
            | Note::Encryption(_)
            | Note::Ask(_)
            | Note::Own(_)
            | Note::Remove { .. }
            | Note::Reannounce { .. }
            | Note::Prioritize { .. }
            | Note::Blocklist(_)
            | Note::UseBlocklist { .. }
            | Note::UpdateBlocklist
            | Note::AllowPeers { .. }
            | Note::Gone { .. }
            | Note::Happened(_)
            | Note::Sleep(_)
            | Note::Rest { .. }
            | Note::Asleep { .. }
            | Note::Wanted { .. }
            | Note::Given(_)
            | Note::Bring { .. }
            | Note::Ping
            | Note::Pong
            | Note::Close
            | Note::Banned => {
                panic!("[notes] {note:?} from a node")
            }
            Note::Metadata { .. } | Note::News(_) => {}
            Note::FindPeers { .. }
            | Note::Meet { .. }
            | Note::Peers { .. }
            | Note::DhtNode { .. }
            | Note::Swarming { .. }
            | Note::Swarm { .. }
            | Note::SwarmTold { .. }
            | Note::SwarmWatch { .. }
            | Note::SwarmJoined { .. } => {
                panic!("[notes] {note:?} left the node")
            }
        }
    }

    /// After a clean stop: what was lent must be home, then the process ends.
    fn process_ends(&mut self, host: usize) {
        let now = self.now;
        let node = self.node(host);
        let in_time = node.stop_asked.is_some_and(|asked| now < asked + limits::STOP_TIMEOUT);
        // A disk that is too slow for the time that a stop may take leaves things undone.
        if in_time || node.owed_jobs == 0 {
            node.safety.stopped(&node.out, node.owed_jobs);
        }
        self.kill(host);
    }

    /// Only addresses that somebody with the right to do so named are dialled.
    fn may_dial(&self, host: usize, to: SocketAddr) {
        let local = reach(to.ip()) != Reach::Global;
        let typed = self
            .node(host)
            .tasks
            .iter()
            .any(|task| task.peers.iter().any(|(name, port)| *port == to.port() && name.parse() == Ok(to.ip())));
        assert!(!local || typed, "[reach] host {host} dials {to}, which a stranger named");
    }

    /// Hosts that may rightly be banned.
    pub fn liars(&self) -> u32 {
        let is_liar = |host: &&Host| matches!(&host.kind, Kind::Actor(actor) if actor.lies());
        self.hosts.iter().filter(is_liar).count() as u32
    }

    /// Plans a completion for a web job.
    pub fn web_done(&mut self, host: usize, wait: Span, completion: Completion) {
        let process = self.hosts[host].process;
        self.after(wait, Event::Done { host, process, completion });
    }

    /// The node's files of a torrent, before its first start.
    pub fn volume(&mut self, host: usize, torrent: usize) -> &mut crate::disk::Volume {
        let made = self.torrents[torrent].clone();
        let file_count = made.metainfo.files.len();
        self.node_mut(host).disk.volume(made.metainfo.info_hash, file_count)
    }
}
