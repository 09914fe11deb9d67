//! Which machine of a server answers which path of its web. A path nobody owns is 404.
//!
//! To add a path: a row in [`Sites::owner`], an arm in [`Sites::ask`] that hands the machine [`Input::Request`], and
//! in [`Sites::body_max`] how long a body it takes, if any. The machine answers with [`Command::Answer`], at once or
//! after a job; exactly once per request, within a minute. It sees neither sockets nor framing.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::numbers;
use crate::base::{ConnId, InfoHash, JobId, Time};
use crate::index::{self, Index};
use crate::machine::{Command, Completion, Input, Machine, Note, Outbox};
use crate::remote::Remote;
use crate::tracker::Tracker;
use crate::wire::http::{Head, Method, Reply, Request};

/// Who answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Owner {
    /// The hallway itself.
    House,
    Index,
    Tracker,
    Remote,
    /// Says what it was told, for tests of the front.
    #[cfg(test)]
    Echo,
    /// The same, but not at once.
    #[cfg(test)]
    Later,
}

/// The machines of a server that answer requests.
#[derive(Debug)]
pub struct Sites {
    pub tracker: Tracker,
    pub index: Index,
    /// The remote control of a daemon; where there is one, everything is asked of it alone.
    pub remote: Option<Box<Remote>>,
    /// Who waits for a job.
    jobs: BTreeMap<JobId, Owner>,
    /// Connections and requests, as last told by the front.
    pub traffic: (usize, u64),
    /// Members, connections that are none yet, and groups.
    pub talk: (usize, usize, usize),
}

impl Sites {
    pub fn new(tracker: Tracker, index: Index) -> Sites {
        Sites { tracker, index, remote: None, jobs: BTreeMap::new(), traffic: (0, 0), talk: (0, 0, 0) }
    }

    fn owner(&self, path: &str) -> Option<Owner> {
        match path {
            _ if self.remote.is_some() => Some(Owner::Remote),
            "/health" | "/stats" | "/metrics" => Some(Owner::House),
            #[cfg(test)]
            "/echo" => Some(Owner::Echo),
            #[cfg(test)]
            "/later" => Some(Owner::Later),
            _ if Tracker::owns(path) => Some(Owner::Tracker),
            _ if Index::owns(path) => Some(Owner::Index),
            _ => None,
        }
    }

    /// The longest body that may come with this request; None where none is wanted.
    pub fn body_max(&self, head: &Head<'_>, from: SocketAddr, now: Time) -> Option<usize> {
        match self.owner(head.path)? {
            Owner::Remote => self.remote.as_ref()?.body_max(head, from, now),
            Owner::House | Owner::Tracker => None,
            Owner::Index => self.index.body_max(head),
            #[cfg(test)]
            Owner::Echo | Owner::Later => Some(200_000),
        }
    }

    /// Hands a request to whom it is for.
    pub fn ask(&mut self, conn: ConnId, request: &Request<'_>, now: Time, out: &mut Outbox) {
        let before = out.commands.len();
        let owner = self.owner(request.head.path);
        match owner {
            Some(Owner::Remote) => self.with_remote(|remote| remote.ask(conn, request, now, out)),
            Some(Owner::Tracker) => self.tracker.handle(now, Input::Request { conn, request }, out),
            Some(Owner::Index) => self.index.ask(conn, request, &Counted(&self.tracker, self.talk), now, out),
            Some(Owner::House) => out.push(Command::Answer { conn, reply: self.house(request, now) }),
            #[cfg(test)]
            Some(Owner::Echo) => {
                let reply = Reply::new(200, "", request.body.to_vec());
                out.push(Command::Answer { conn, reply });
            }
            #[cfg(test)]
            Some(Owner::Later) => {}
            None => out.push(Command::Answer { conn, reply: Reply::text(404, "There is nothing here.") }),
        }
        if let Some(owner) = owner {
            self.note_jobs(owner, before, out);
        }
    }

    /// Takes note of the jobs among the commands from `from` on.
    fn note_jobs(&mut self, owner: Owner, from: usize, out: &Outbox) {
        for command in &out.commands[from..] {
            if let Command::Job(job) = command
                && let Some(id) = job.id()
            {
                self.jobs.insert(id, owner);
            }
        }
    }

    /// Lets the tracker do something.
    fn hand(&mut self, now: Time, input: Input<'_>, out: &mut Outbox) {
        let before = out.commands.len();
        self.tracker.handle(now, input, out);
        self.note_jobs(Owner::Tracker, before, out);
    }

    fn with_remote(&mut self, act: impl FnOnce(&mut Remote)) {
        if let Some(remote) = &mut self.remote {
            act(remote);
        }
    }

    /// Lets the remote control do something.
    pub fn hand_remote(&mut self, out: &mut Outbox, act: impl FnOnce(&mut Remote, &mut Outbox)) {
        let before = out.commands.len();
        if let Some(remote) = &mut self.remote {
            act(remote, out);
            self.note_jobs(Owner::Remote, before, out);
        }
    }

    /// The doors are open at this port.
    pub fn start(&mut self, port: u16, now: Time, out: &mut Outbox) {
        match &self.remote {
            Some(_) => self.hand_remote(out, |remote, out| remote.note(&Note::Listening { port }, now, out)),
            None => self.tell(Note::Listening { port }, now, out),
        }
    }

    /// Somebody says something to the machine it is for.
    pub fn tell(&mut self, note: Note, now: Time, out: &mut Outbox) {
        self.hand(now, Input::Note(note), out);
    }

    pub fn datagram(&mut self, from: SocketAddr, bytes: &[u8], now: Time, out: &mut Outbox) {
        self.tracker.handle(now, Input::Datagram { from, bytes }, out);
    }

    /// Whether a machine here asked for this.
    pub fn waits_for(&self, completion: &Completion) -> bool {
        completion.id().is_some_and(|id| self.jobs.contains_key(&id))
    }

    /// A job ended that a machine had started.
    pub fn completed(&mut self, completion: Completion, now: Time, out: &mut Outbox) {
        let before = out.commands.len();
        let Some(owner) = completion.id().and_then(|id| self.jobs.remove(&id)) else { return };
        match owner {
            Owner::Tracker => self.tracker.handle(now, Input::Completed(completion), out),
            Owner::Index => _ = self.index.completed(completion, out),
            Owner::Remote => self.with_remote(|remote| remote.completed(completion, now, out)),
            Owner::House => {}
            #[cfg(test)]
            Owner::Echo | Owner::Later => {}
        }
        self.note_jobs(owner, before, out);
    }

    pub fn next_deadline(&self) -> Option<Time> {
        let remote = self.remote.as_ref().and_then(|remote| remote.next_deadline());
        [remote, self.tracker.next_deadline()].into_iter().flatten().min()
    }

    pub fn on_deadline(&mut self, now: Time, out: &mut Outbox) {
        if self.tracker.next_deadline().is_some_and(|due| due <= now) {
            self.hand(now, Input::Deadline, out);
        }
    }

    pub fn stop(&mut self, now: Time, out: &mut Outbox) {
        self.with_remote(Remote::stop);
        self.hand(now, Input::Stop, out);
    }

    pub fn is_stopped(&self) -> bool {
        self.tracker.is_stopped() && self.remote.as_ref().is_none_or(|remote| remote.is_stopped())
    }

    pub fn check(&self) {
        self.tracker.check();
        self.index.check();
        self.remote.iter().for_each(|remote| remote.check());
    }

    fn house(&self, request: &Request<'_>, now: Time) -> Reply {
        if !matches!(request.head.method, Method::Get | Method::Head) {
            return Reply::text(405, "Only GET works here.").with("Allow", "GET, HEAD");
        }
        match request.head.path {
            "/health" => Reply::text(200, "ok"),
            "/metrics" => {
                let kind = "text/plain; version=0.0.4; charset=utf-8";
                Reply::new(200, kind, numbers::metrics(now, self).into_bytes())
            }
            _ => Reply::json(200, numbers::json(now, self)),
        }
    }
}

/// What the tracker knows of peers, and how many talk here, for the index.
struct Counted<'a>(&'a Tracker, (usize, usize, usize));

impl index::Swarms for Counted<'_> {
    fn counts(&self, info_hash: InfoHash) -> Option<index::Counts> {
        let counts = self.0.counts(&info_hash).unwrap_or_default();
        Some(index::Counts { seeds: counts.seeds as u32, peers: counts.leechers as u32 })
    }

    fn carried(&self) -> Option<index::Carried> {
        let (_, sums, torrents) = self.0.numbers();
        let (seeds, peers) = (sums.seeds as u64, sums.leechers as u64);
        let (members, _, groups) = self.1;
        let (members, groups) = (members as u64, groups as u64);
        Some(index::Carried { torrents: torrents as u64, seeds, peers, members, groups })
    }
}
