//! A server's groups with people in them, driven by hand: lines in, lines out.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::base::keyed::Secret;
use crate::base::{ConnId, Span, Time};
use crate::groups::{Groups, Options};
use crate::machine::{Closed, Command, Completion, DiskError, DiskErrorKind, Input, Job, Machine, Note, Outbox};

/// 2026-11-20T12:00:00Z.
pub const BEGAN_MS: u64 = 1_795_176_000_000;

/// Who says what, and what then reaches whom.
pub type Row<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)]);

pub struct Hall {
    pub groups: Groups,
    pub out: Outbox,
    pub now: Time,
    began_ms: u64,
    conns: BTreeMap<String, ConnId>,
    /// Bytes that reached each connection and were not looked at.
    unread: BTreeMap<ConnId, Vec<u8>>,
    pub closed: Vec<ConnId>,
    pub told: Vec<ConnId>,
    pub reads: BTreeMap<ConnId, bool>,
    /// The file of history, and what is still to be done to it.
    pub file: Vec<u8>,
    pub jobs: Vec<Job>,
    /// What was told to the tracker.
    pub notes: Vec<Note>,
    /// The disk does nothing for now.
    pub is_stuck: bool,
    /// The disk says no.
    pub is_full: bool,
}

pub fn options() -> Options {
    Options { flood_per_s: 0, history: None, ..Options::new(Secret(1, 2)) }
}

impl Hall {
    pub fn new(options: Options) -> Hall {
        let mut out = Outbox::new(1, 0, 0, 0);
        out.wall_ms = BEGAN_MS;
        let (conns, unread) = (BTreeMap::new(), BTreeMap::new());
        let groups = Groups::new(options);
        let (closed, told, reads, jobs) = (Vec::new(), Vec::new(), BTreeMap::new(), Vec::new());
        let file = Vec::new();
        let (is_stuck, is_full) = (false, false);
        let began_ms = BEGAN_MS;
        Hall {
            groups,
            out,
            now: Time(1),
            began_ms,
            conns,
            unread,
            closed,
            told,
            reads,
            file,
            jobs,
            notes: Vec::new(),
            is_stuck,
            is_full,
        }
    }

    /// With these people in it, who are in `#g` together, the first as its operator.
    pub fn with(names: &[&str]) -> Hall {
        let mut hall = Hall::new(options());
        for name in names {
            hall.login(name, "");
            hall.say(name, "JOIN #g");
        }
        hall.clear();
        hall
    }

    /// The doors open.
    pub fn start(&mut self) {
        self.input(Input::Note(Note::Listening { port: 9000 }));
    }

    pub fn input(&mut self, input: Input<'_>) {
        self.groups.handle(self.now, input, &mut self.out);
        self.carry_out();
        self.settle();
    }

    /// As the driver does at the end of a turn; batches of history may lie a moment apart.
    fn settle(&mut self) {
        loop {
            if !self.is_stuck {
                self.work();
            }
            let soon = self.now + Span::millis(2);
            let Some(due) = self.groups.next_deadline().filter(|due| *due <= soon) else { return };
            self.turn_to(due);
            self.groups.handle(self.now, Input::Deadline, &mut self.out);
            self.carry_out();
        }
    }

    /// The disk does what it was asked for about history; other files are the tests' own affair.
    pub fn work(&mut self) {
        let is_historys = |job: &Job| match job {
            Job::Append { name, .. } | Job::SaveFile { name, .. } => name == crate::groups::FILE,
            _ => false,
        };
        while let Some(at) = self.jobs.iter().position(is_historys) {
            let full = || DiskError { kind: DiskErrorKind::Full, text: "no space".into() };
            let result = if self.is_full { Err(full()) } else { Ok(()) };
            let completion = match self.jobs.remove(at) {
                Job::Append { id, bytes, .. } => {
                    self.file.extend(if self.is_full { Vec::new() } else { bytes });
                    Completion::Appended { id, result }
                }
                Job::SaveFile { id, bytes, .. } => {
                    if !self.is_full {
                        self.file = bytes;
                    }
                    Completion::FileSaved { id, result }
                }
                other => panic!("groups have no use for {other:?}"),
            };
            self.groups.handle(self.now, Input::Completed(completion), &mut self.out);
            self.carry_out();
        }
    }

    /// The process is killed and started again: what is in the file stays.
    pub fn restart(self, options: Options) -> Hall {
        Hall::begin(options, self.file, self.out.wall_ms).0
    }

    /// A server that finds this file; and how many of its lines are none.
    pub fn begin(options: Options, file: Vec<u8>, began_ms: u64) -> (Hall, usize) {
        let mut hall = Hall::new(options);
        hall.began_ms = began_ms;
        hall.out.wall_ms = began_ms;
        let bad = hall.groups.restore(&file);
        hall.file = file;
        hall.start();
        for job in std::mem::take(&mut hall.jobs) {
            let Job::LoadFile { id, .. } = job else { panic!("{job:?}") };
            hall.input(Input::Completed(Completion::FileLoaded { id, result: Ok(None) }));
        }
        (hall, bad)
    }

    fn carry_out(&mut self) {
        let commands = std::mem::take(&mut self.out.commands);
        for command in commands {
            match command {
                Command::Send { conn, bytes } => self.unread.entry(conn).or_default().extend(bytes),
                Command::SendTold { conn, bytes } => {
                    self.unread.entry(conn).or_default().extend(bytes);
                    self.told.push(conn);
                }
                Command::SendMany { conns, bytes } => {
                    assert!(!conns.is_empty());
                    for conn in conns {
                        self.unread.entry(conn).or_default().extend_from_slice(&bytes);
                    }
                }
                Command::Close { conn } => self.closed.push(conn),
                Command::Read { conn, on } => _ = self.reads.insert(conn, on),
                Command::Job(job) => self.jobs.push(job),
                Command::Tell(note) => self.notes.push(note),
                other => panic!("groups do not ask for {other:?}"),
            }
        }
        self.groups.check();
    }

    /// Somebody connects, with the name under which the test knows the connection.
    pub fn connect(&mut self, name: &str) -> ConnId {
        let conn = self.out.new_conn();
        let host = Ipv4Addr::new(192, 0, 2, u8::try_from(self.conns.len() + 1).unwrap());
        self.conns.insert(name.into(), conn);
        self.input(Input::Accepted { conn, remote: SocketAddr::new(IpAddr::V4(host), 5000) });
        conn
    }

    /// Somebody comes in, with these capabilities.
    pub fn login(&mut self, name: &str, caps: &str) -> ConnId {
        let conn = self.connect(name);
        if !caps.is_empty() {
            self.say(name, &format!("CAP REQ :{caps}"));
        }
        self.say(name, &format!("NICK {name}\r\nUSER {name} 0 * :Real {name}"));
        if !caps.is_empty() {
            self.say(name, "CAP END");
        }
        conn
    }

    pub fn conn(&self, name: &str) -> ConnId {
        self.conns[name]
    }

    /// A member says a line, or several.
    pub fn say(&mut self, name: &str, lines: &str) {
        self.bytes(name, format!("{lines}\r\n").as_bytes());
    }

    pub fn bytes(&mut self, name: &str, bytes: &[u8]) {
        let conn = self.conns[name];
        self.input(Input::Received { conn, bytes });
    }

    /// What reached a connection since it was last looked at.
    pub fn got(&mut self, name: &str) -> Vec<String> {
        let bytes = self.unread.remove(&self.conns[name]).unwrap_or_default();
        let text = String::from_utf8(bytes).expect("UTF-8");
        assert!(text.is_empty() || text.ends_with("\r\n"), "{text:?}");
        text.split_terminator("\r\n").map(str::to_string).collect()
    }

    /// A member says a line; what reaches it.
    pub fn ask(&mut self, name: &str, line: &str) -> Vec<String> {
        self.got(name);
        self.say(name, line);
        self.got(name)
    }

    /// A table: who says what, and what then reaches whom (`name< line`), in this order per person and nothing else.
    /// `|` stands for the server's name and the nick.
    pub fn table(&mut self, rows: &[Row<'_>]) {
        for (who, line, expected) in rows {
            self.clear();
            self.say(who, line);
            let names: Vec<String> = self.conns.keys().cloned().collect();
            for name in names {
                let wanted = expected.iter().filter(|(to, _)| *to == name);
                let wanted: Vec<String> = wanted.map(|(_, text)| text.replace("|", ":peerlink.server")).collect();
                assert_eq!(self.got(&name), wanted, "what {name} hears when {who} says {line}");
            }
        }
    }

    /// Forgets what reached whom.
    pub fn clear(&mut self) {
        self.unread.clear();
    }

    /// Time passes, with every deadline in it.
    pub fn pass(&mut self, span: Span) {
        let until = self.now + span;
        while let Some(due) = self.groups.next_deadline().filter(|due| *due <= until) {
            assert!(due >= self.now || due <= self.now, "deadlines move on");
            self.turn_to(due);
            self.input(Input::Deadline);
            let next = self.groups.next_deadline();
            assert!(next.is_none_or(|next| next > self.now), "a deadline that is met stays: {next:?}");
        }
        self.turn_to(until);
    }

    fn turn_to(&mut self, time: Time) {
        self.now = self.now.max(time);
        self.out.wall_ms = self.began_ms + self.now.0 / 1000;
    }

    pub fn hang_up(&mut self, name: &str) {
        let conn = self.conns.remove(name).expect("somebody of this name");
        self.input(Input::Closed { conn, reason: Closed::ByPeer });
    }
}
