//! A connection to a server, from its first byte on: whatever comes, in pieces of any one length, the server stays
//! sound, answers in HTTP where it was asked in HTTP, and says nothing after it has closed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use peerlink::base::access::Access;
use peerlink::base::keyed::Secret;
use peerlink::base::{ConnId, PeerId, Time};
use peerlink::groups::{self, Groups};
use peerlink::index::Index;
use peerlink::machine::{Command, Completion, Input, Job, Machine, Outbox};
use peerlink::node::{FrontOptions, Node, Server};
use peerlink::tracker::{self, Tracker};

const CONN: ConnId = ConnId(u64::MAX);

/// A server and one connection to it.
struct Session {
    node: Node,
    out: Outbox,
    is_over: bool,
    said: Vec<u8>,
}

impl Session {
    fn new() -> Session {
        let tracker = Tracker::new(tracker::Options::default(), Access::default(), Secret(1, 2));
        let groups = Groups::new(groups::Options::new(Secret(3, 4)));
        let mut node = Node::new(PeerId([b'x'; 20]), 7);
        node.serve(Server::new(FrontOptions::default(), tracker, Index::default(), groups));
        let mut session = Session { node, out: Outbox::new(1, 1, 1, 1), is_over: false, said: Vec::new() };
        session.feed(Input::Accepted { conn: CONN, remote: "192.0.2.1:7".parse().expect("an address") });
        session
    }

    /// One input, and all that follows from it, with a disk that takes everything and gives nothing.
    fn feed(&mut self, input: Input<'_>) {
        self.node.handle(Time::ZERO, input, &mut self.out);
        while !self.out.commands.is_empty() {
            for command in std::mem::take(&mut self.out.commands) {
                let follows = match command {
                    Command::Send { conn: CONN, bytes } => {
                        self.say(&bytes);
                        None
                    }
                    Command::SendTold { conn: CONN, bytes } => {
                        self.say(&bytes);
                        Some(Input::Sent { conn: CONN, blocks: 0, bytes: 0, queued: 0 })
                    }
                    Command::SendMany { conns, bytes } => {
                        assert_eq!(conns, [CONN]);
                        self.say(&bytes);
                        None
                    }
                    Command::Close { conn: CONN } => {
                        assert!(!std::mem::replace(&mut self.is_over, true), "closed twice");
                        None
                    }
                    Command::Job(job) => Some(Input::Completed(done(job))),
                    Command::Read { .. } | Command::Tell(_) => None,
                    other => panic!("{other:?}"),
                };
                if let Some(input) = follows {
                    self.node.handle(Time::ZERO, input, &mut self.out);
                }
            }
        }
        self.node.check();
    }

    fn say(&mut self, bytes: &[u8]) {
        assert!(!self.is_over, "said after the end: {}", bytes.escape_ascii());
        self.said.extend_from_slice(bytes);
    }
}

fn done(job: Job) -> Completion {
    match job {
        Job::Shelve { id, .. } | Job::Unshelve { id, .. } => Completion::Shelved { id, result: Ok(()) },
        Job::Recall { id, .. } => Completion::Recalled { id, result: Ok(Vec::new()) },
        Job::SaveFile { id, .. } => Completion::FileSaved { id, result: Ok(()) },
        Job::LoadFile { id, .. } => Completion::FileLoaded { id, result: Ok(None) },
        other => panic!("{other:?}"),
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Some((&step, bytes)) = bytes.split_first() else { return };
    let mut session = Session::new();
    for piece in bytes.chunks(if step == 0 { bytes.len().max(1) } else { step.into() }) {
        if session.is_over {
            break;
        }
        session.feed(Input::Received { conn: CONN, bytes: piece });
    }
    if bytes.starts_with(b"GET ") && !session.said.is_empty() {
        assert!(session.said.starts_with(b"HTTP/1.1 "), "{}", session.said.escape_ascii());
    }
    if !session.is_over {
        session.feed(Input::Closed { conn: CONN, reason: peerlink::machine::Closed::ByPeer });
    }
});
