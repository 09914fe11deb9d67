//! The member of groups: whatever a server says, over connections that break, it keeps its bounds and dials at most one.
#![no_main]

use libfuzzer_sys::fuzz_target;
use peerlink::base::{ConnId, Time};
use peerlink::machine::{ChatAsk, Closed, Command, Input, Machine, Manner, Note, Outbox, Say};
use peerlink::member::{Member, MemberOptions};

struct Rig {
    member: Member,
    out: Outbox,
    now: Time,
    conn: Option<ConnId>,
}

impl Rig {
    fn input(&mut self, input: Input<'_>) {
        self.member.handle(self.now, input, &mut self.out);
        self.member.check();
        for command in std::mem::take(&mut self.out.commands) {
            match command {
                Command::Connect { conn, .. } => assert!(self.conn.replace(conn).is_none(), "it dials twice"),
                Command::Close { conn } => assert_eq!(self.conn.take(), Some(conn)),
                Command::Send { conn, bytes } => {
                    assert_eq!(self.conn, Some(conn));
                    assert!(bytes.ends_with(b"\r\n") && bytes.iter().filter(|byte| **byte == b'\n').count() == 1);
                }
                _ => {}
            }
        }
    }

    /// The next thing that waits for its time.
    fn wait(&mut self) {
        if let Some(due) = self.member.next_deadline() {
            self.now = self.now.max(due);
            self.input(Input::Deadline);
        }
        if let Some(conn) = self.conn {
            self.input(Input::Connected { conn });
        }
    }
}

// What the server says, where 0xff breaks the connection and 0xfe lets time pass.
fuzz_target!(|bytes: &[u8]| {
    let options = MemberOptions {
        host: "192.0.2.1".into(),
        port: 9000,
        nick: "ann".into(),
        real_name: String::new(),
        password: None,
        history: 10,
    };
    let (member, out) = (Member::new(options), Outbox::new(1, 0, 0, 0));
    let mut rig = Rig { member, out, now: Time(1), conn: None };
    let join = ChatAsk::Join { group: "#g".into(), key: None };
    rig.input(Input::Note(Note::Ask(Box::new(join))));
    for number in 1..4 {
        let (to, text, manner, tags) = ("#g".into(), "hello".into(), Manner::Plain, Vec::new());
        rig.input(Input::Note(Note::Ask(Box::new(ChatAsk::Say(Box::new(Say { number, to, text, manner, tags }))))));
    }
    rig.input(Input::Note(Note::Listening { port: 6881 }));
    rig.wait();
    for part in bytes.split_inclusive(|byte| *byte >= 0xfe) {
        let (said, mark) = match part.split_last() {
            Some((mark, said)) if *mark >= 0xfe => (said, *mark),
            _ => (part, 0),
        };
        if let Some(conn) = rig.conn {
            rig.input(Input::Received { conn, bytes: said });
        }
        match (mark, rig.conn) {
            (0xff, Some(conn)) => {
                rig.conn = None;
                rig.input(Input::Closed { conn, reason: Closed::Error });
                rig.wait();
            }
            (0xfe, _) => rig.wait(),
            _ => {}
        }
    }
    rig.input(Input::Stop);
    assert!(rig.conn.is_none() && rig.member.next_deadline().is_none());
});
