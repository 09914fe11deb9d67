//! The groups of a server: whatever their members say, nothing panics, every invariant holds, and what others hear are
//! whole lines that can be read.
#![no_main]

use std::net::SocketAddr;

use libfuzzer_sys::fuzz_target;
use peerlink::base::keyed::Secret;
use peerlink::base::{ConnId, Span, Time};
use peerlink::groups::{Groups, Options};
use peerlink::machine::{Closed, Command, Completion, Input, Job, Machine, Outbox};
use peerlink::wire::irc::{Limits, Line};

const MEMBERS: u64 = 4;

/// Lines that bring the members somewhere.
const BEGIN: [&str; MEMBERS as usize] = [
    "CAP REQ :message-tags server-time batch echo-message labeled-response draft/chathistory\r\nNICK a\r\nUSER a 0 * :a\r\nCAP END\r\nJOIN #g\r\nOPER o o\r\n",
    "NICK b\r\nUSER b 0 * :b\r\nJOIN #g,#h\r\n",
    "NICK c\r\nUSER c 0 * :c\r\n",
    "",
];

fn read(bytes: &[u8]) {
    let text = bytes.strip_suffix(b"\r\n").expect("lines that are whole");
    for line in text.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        Line::parse(line, Limits::OF_SERVER).expect("a line that can be read");
    }
}

fn carry_out(groups: &mut Groups, now: Time, out: &mut Outbox) {
    loop {
        let mut completions = Vec::new();
        for command in std::mem::take(&mut out.commands) {
            match command {
                Command::Send { bytes, .. } | Command::SendTold { bytes, .. } if !bytes.is_empty() => read(&bytes),
                Command::SendMany { bytes, .. } => read(&bytes),
                Command::Job(Job::Append { id, .. }) => completions.push(Completion::Appended { id, result: Ok(()) }),
                Command::Job(Job::SaveFile { id, .. }) => {
                    completions.push(Completion::FileSaved { id, result: Ok(()) })
                }
                _ => {}
            }
        }
        groups.check();
        if completions.is_empty() && groups.next_deadline().is_some_and(|due| due <= now) {
            groups.handle(now, Input::Deadline, out);
        } else if completions.is_empty() {
            return;
        }
        for completion in completions {
            groups.handle(now, Input::Completed(completion), out);
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    let mut options = Options::new(Secret(1, 2));
    options.flood_per_s = 0;
    options.opers = vec![("o".into(), "o".into())];
    let mut groups = Groups::new(options);
    let mut out = Outbox::new(1, 0, 0, 0);
    out.wall_ms = 1_795_176_000_000;
    let mut now = Time(1);
    let remote: SocketAddr = "192.0.2.1:5".parse().expect("an address");
    for (conn, begin) in (1..).map(ConnId).zip(BEGIN) {
        groups.handle(now, Input::Accepted { conn, remote }, &mut out);
        groups.handle(now, Input::Received { conn, bytes: begin.as_bytes() }, &mut out);
        carry_out(&mut groups, now, &mut out);
    }
    for part in bytes.split_inclusive(|byte| *byte == b'\n') {
        let Some((who, said)) = part.split_first() else { continue };
        let conn = ConnId(u64::from(*who) % MEMBERS + 1);
        match who {
            250.. => groups.handle(now, Input::Closed { conn, reason: Closed::ByPeer }, &mut out),
            240.. => {
                now += Span::secs(u64::from(*who));
                out.wall_ms += u64::from(*who) * 1000;
                groups.handle(now, Input::Deadline, &mut out);
            }
            _ => groups.handle(now, Input::Received { conn, bytes: said }, &mut out),
        }
        carry_out(&mut groups, now, &mut out);
    }
    groups.handle(now, Input::Stop, &mut out);
    carry_out(&mut groups, now, &mut out);
    assert!(groups.is_stopped());
});
