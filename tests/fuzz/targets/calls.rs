//! The daemon's remote control: calls one after the other, as lines, on a disk that takes everything. Each is answered
//! at most once, in JSON that can be read, and what is saved can be read back.
#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use peerlink::base::{Bitfield, ConnId, Time, TorrentId};
use peerlink::machine::{Command, Completion, Job, Note, Outbox, PeerRow, Row, TrackerRow};
use peerlink::remote::{Machines, Options, Remote};
use peerlink::wire::http::{self, Head, Request};
use peerlink::wire::json;

/// Nothing works on any torrent.
struct Nobody;

impl Machines for Nobody {
    fn row(&mut self, _: TorrentId, _: Time) -> Option<Row> {
        None
    }

    fn peers(&mut self, _: TorrentId, _: Time) -> Vec<PeerRow> {
        Vec::new()
    }

    fn trackers(&self, _: TorrentId) -> Vec<TrackerRow> {
        Vec::new()
    }

    fn have(&self, _: TorrentId) -> Option<Bitfield> {
        None
    }
}

fn remote() -> Remote {
    let (session_id, state_dir) = ("s".into(), "/state".into());
    Remote::new(Options { session_id, state_dir, began_s: 1_700_000_000, ..Options::default() })
}

/// Does what was asked for, on shelves in memory. True where something was.
fn carry_out(
    remote: &mut Remote,
    shelves: &mut BTreeMap<(String, String), Vec<u8>>,
    answered: &mut BTreeMap<ConnId, u32>,
    out: &mut Outbox,
) -> bool {
    let commands = std::mem::take(&mut out.commands);
    let is_any = !commands.is_empty();
    for command in commands {
        let completion = match command {
            Command::Answer { conn, reply } => {
                *answered.entry(conn).or_default() += 1;
                if reply.status == 200 {
                    json::read_own(&reply.body).expect("an answer in JSON");
                }
                continue;
            }
            Command::Job(Job::Shelve { id, file, bytes }) => {
                shelves.insert((file.shelf.to_string(), file.name), bytes);
                Completion::Shelved { id, result: Ok(()) }
            }
            Command::Job(Job::Unshelve { id, file }) => {
                shelves.remove(&(file.shelf.to_string(), file.name));
                Completion::Shelved { id, result: Ok(()) }
            }
            Command::Job(Job::Recall { id, file, .. }) => {
                let bytes = shelves.get(&(file.shelf.to_string(), file.name)).cloned().unwrap_or_default();
                Completion::Recalled { id, result: Ok(bytes) }
            }
            Command::Job(Job::Space { id, .. }) => Completion::Space { id, result: Ok((1, 2)) },
            Command::Job(Job::Erase { id, .. } | Job::Move { id, .. }) => Completion::Done { id, result: Ok(()) },
            Command::Job(Job::ReadFile { id, .. }) => Completion::Recalled { id, result: Ok(Vec::new()) },
            Command::Job(Job::Fetch { id, .. }) => Completion::Fetched { id, result: Err("no".into()) },
            Command::Job(other) => panic!("{other:?}"),
            Command::Tell(Note::Remove { torrent }) => {
                let row = Box::new(Row::nothing(torrent, peerlink::machine::Activity::Stopped));
                remote.note(&Note::Gone { row }, Time::ZERO, out);
                continue;
            }
            _ => continue,
        };
        remote.completed(completion, Time::ZERO, out);
    }
    is_any
}

fuzz_target!(|bytes: &[u8]| {
    let mut remote = remote();
    let (mut shelves, mut answered) = (BTreeMap::new(), BTreeMap::new());
    let mut out = Outbox::new(1, 1, 1, 1);
    remote.note(&Note::Listening { port: 1 }, Time::ZERO, &mut out);
    for (number, body) in (1..).zip(bytes.split(|byte| *byte == b'\n').take(20)) {
        let head = b"POST /transmission/rpc HTTP/1.1\r\nHost: localhost\r\nX-Transmission-Session-Id: s\r\n\r\n";
        let mut room = http::room();
        let head = Head::parse(head, &mut room).expect("a head");
        let request = Request { head, body, remote: "127.0.0.1:7".parse().expect("an address") };
        remote.ask(ConnId(number), &request, Time::ZERO, &mut out);
        for _ in 0..50 {
            remote.work(&mut Nobody, Time::ZERO, &mut out);
            if !carry_out(&mut remote, &mut shelves, &mut answered, &mut out) {
                break;
            }
        }
        remote.check();
        assert!(answered.values().all(|count| *count == 1), "answered more than once");
    }
    let mut again = self::remote();
    for ((shelf, name), bytes) in &shelves {
        assert!(shelf != "daemon" || again.restore(name, bytes), "{name}: {}", bytes.escape_ascii());
    }
    again.check();
});
