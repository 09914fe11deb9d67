//! A machine out of closures, and a reactor on a thread of its own that drives it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use peerlink::base::{ConnId, InfoHash, Pool, Time};
use peerlink::io::{Ended, Handle, Next, Options, Reactor};
use peerlink::machine::{Input, Machine, Note, Outbox};
use peerlink::wire::mse::torrent_name;

/// Longest a test waits for anything: only a failing one ever does.
pub const LONG: Duration = Duration::from_secs(30);

type Handler = Box<dyn FnMut(Time, Input<'_>, &mut Outbox, &mut Wishes) + Send>;

/// What the driver asks a machine between inputs.
pub struct Wishes {
    pub deadline: Option<Time>,
    /// Appetite per connection where it is not `appetite_else`.
    pub appetite: BTreeMap<ConnId, usize>,
    pub appetite_else: usize,
}

/// The machine.
pub struct Script {
    handler: Handler,
    wishes: Wishes,
    torrent: Option<InfoHash>,
}

impl Script {
    /// A machine that answers [`Input::Stop`] by itself and gives everything else to `handler`.
    pub fn new(handler: impl FnMut(Time, Input<'_>, &mut Outbox, &mut Wishes) + Send + 'static) -> Script {
        let wishes = Wishes { deadline: None, appetite: BTreeMap::new(), appetite_else: usize::MAX };
        Script { handler: Box::new(handler), wishes, torrent: None }
    }

    /// The same, with a torrent that encrypted callers can ask for.
    pub fn with_torrent(mut self, info_hash: InfoHash) -> Script {
        self.torrent = Some(info_hash);
        self
    }
}

impl Machine for Script {
    fn handle(&mut self, now: Time, input: Input<'_>, out: &mut Outbox) {
        if matches!(input, Input::Stop) {
            out.tell(Note::Stopped);
        } else {
            (self.handler)(now, input, out, &mut self.wishes);
        }
    }

    fn next_deadline(&self) -> Option<Time> {
        self.wishes.deadline
    }

    fn torrent_named(&self, name: &[u8; 20]) -> Option<InfoHash> {
        self.torrent.filter(|torrent| torrent_name(*torrent) == *name)
    }

    fn appetite(&self, conn: ConnId, _: &Pool) -> usize {
        self.wishes.appetite.get(&conn).copied().unwrap_or(self.wishes.appetite_else)
    }
}

/// A reactor at work.
pub struct Running {
    pub port: u16,
    pub handle: Handle,
    thread: JoinHandle<Ended>,
}

/// Options for loopback, any port and one hasher.
pub fn local(state_dir: &Path) -> Options {
    let mut options = Options::new(state_dir.to_path_buf());
    options.bind = vec!["127.0.0.1".parse().unwrap(), "::1".parse().unwrap()];
    options.port = Some(0);
    options
}

/// Starts a reactor; notes that the machine tells go to `notes`.
pub fn start(options: Options, mut machine: impl Machine + Send + 'static, notes: mpsc::Sender<Note>) -> Running {
    let reactor = Reactor::new(options).expect("a reactor on a free port");
    let (port, handle) = (reactor.port(), reactor.handle());
    let run = move || {
        let mut listener = |note| {
            // A test that has seen enough does not listen any more.
            let _ = notes.send(note);
            Next::Go
        };
        reactor.run(&mut machine, &mut listener).expect("a poll that works")
    };
    Running { port, handle, thread: std::thread::spawn(run) }
}

impl Running {
    /// Stops it and waits for its end, which must be a good one.
    pub fn stop(self) {
        self.handle.stop();
        assert_eq!(self.thread.join().expect("no panic"), Ended::Saved);
    }
}

/// Reproducible bytes that differ from place to place.
pub fn pattern(seed: u64, len: usize) -> Vec<u8> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut bytes = vec![0; len];
    rng.fill(&mut bytes);
    bytes
}
