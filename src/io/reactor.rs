//! The reactor: one mio loop that owns every socket and drives one machine. It does not know BitTorrent.
//!
//! A turn of the loop: poll; wake flags down; notes and completions; one bounded turn per ready connection; accepts
//! and datagrams; the deadline; then everything that was queued for sending is handed to the kernel once.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_channel::{Receiver, Sender, bounded};
use mio::{Events, Interest, Poll, Token, Waker};
use slab::Slab;

use super::aliases::Aliases;
use super::clock::{self, Clock, duration};
use super::conn::Conn;
use super::datagrams::Post;
use super::descriptors;
use super::listen::Doors;
use super::mailbox::{Bell, Letter, Mailbox, mailbox};
use super::options::MAIL_SLOTS;
pub use super::options::Options;
use super::resident::Resident;
use super::secrecy::Allowance;
use super::settle;
use super::tls::Trust;
use super::way_out::WayOut;
use super::workers::Workers;
use crate::base::shared_limit::SharedLimit;
use crate::base::{ConnId, Span, Time, limits};
use crate::machine::{Closed, Completion, Input, Machine, Note, Outbox};

/// Notes of the application between two turns of the loop.
const NOTE_SLOTS: usize = 256;
/// Readiness events taken per poll.
const EVENTS: usize = 256;
/// Extra time after [`limits::STOP_TIMEOUT`] for the last completions to come in.
const STOP_GRACE: Span = Span::millis(500);
/// Connections that the remote control may have when peers have taken all others.
pub(super) const CONTROL_CONNS: usize = 16;
/// While blocks are on their way through disk and hashers, or connections are braked, the loop looks at least this
/// often: their letters wake only a starving loop.
const PATIENCE: Span = Span::millis(100);

/// Start-up is over when the loop is as old as this, also where thousands of torrents were restored.
const SETTLED: Time = Time(2_000_000);

pub(super) const WAKER: Token = Token(usize::MAX);
/// Tokens of doors: listeners from here on, UDP sockets from [`UDP`] on; connections lie below.
pub(super) const TCP: usize = usize::MAX - 2000;
pub(super) const UDP: usize = usize::MAX - 1000;

/// Why the program cannot start: one clear line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StartError(pub String);

impl std::fmt::Display for StartError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the listener of [`Reactor::run`] says to each note.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    Go,
    /// Wind down; said once or more often.
    Stop,
}

/// How [`Reactor::run`] came to its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ended {
    /// [`Note::Stopped`] was told: everything is saved.
    Saved,
    /// Time ran out before that.
    Late,
}

/// Reaches into the loop from other threads and from its own listener.
#[derive(Clone, Debug)]
pub struct Handle {
    notes: Sender<Note>,
    stop: Arc<AtomicBool>,
    is_over: Arc<AtomicBool>,
    bell: Arc<Bell>,
}

impl Handle {
    /// Says something to the machine. False when the loop has ended or does not keep up; nothing waits.
    pub fn note(&self, note: Note) -> bool {
        let sent = self.notes.try_send(note).is_ok();
        self.bell.ring();
        sent
    }

    /// The same, and gives the note back where there is no room for it now.
    ///
    /// # Errors
    /// The note.
    pub fn try_note(&self, note: Note) -> Result<(), Note> {
        let sent = self.notes.try_send(note).map_err(crossbeam_channel::TrySendError::into_inner);
        self.bell.ring();
        sent
    }

    /// Whether the loop has ended: nobody takes notes any more.
    pub fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }

    /// Asks the loop to wind down; once is enough.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.bell.ring();
    }
}

/// Something that happened while commands were carried out; handled right after them.
pub(super) enum Queued {
    Closed(ConnId, Closed),
    Sent { conn: ConnId, blocks: u32, bytes: u64, queued: usize },
    Piled { conn: ConnId, queued: usize },
    Completed(Completion),
}

/// The machine and the listener, for the length of [`Reactor::run`].
pub(super) struct Stage<'a> {
    pub machine: &'a mut dyn Machine,
    pub listener: &'a mut dyn FnMut(Note) -> Next,
    /// Made when the first datagram comes; its lists are the kernel's and stay on one thread.
    pub post: Option<Box<Post>>,
}

/// The loop and everything it owns.
pub struct Reactor {
    pub(super) poll: Poll,
    pub(super) clock: Clock,
    pub(super) way: WayOut,
    /// Where the proxy is, and the names that only it looks up.
    pub(super) proxy: Option<SocketAddr>,
    pub(super) aliases: Aliases,
    /// It was said that the proxy does not work.
    pub(super) is_proxy_blamed: bool,
    pub(super) doors: Doors,
    /// Doors with something for us, perhaps.
    pub(super) tcp_ready: Vec<bool>,
    pub(super) udp_ready: Vec<bool>,
    /// No accepting before this moment: no descriptors were left.
    pub(super) accept_after: Option<Time>,
    pub(super) accept_backoff: Span,
    pub(super) conns: Slab<Conn>,
    pub(super) by_id: BTreeMap<ConnId, usize>,
    pub(super) conns_max: usize,
    /// Connections that get a turn.
    pub(super) ready: VecDeque<usize>,
    /// Connections whose machine wants no bytes until buffers came home.
    pub(super) braked: Vec<usize>,
    /// Connections with something new to send.
    pub(super) dirty: Vec<usize>,
    /// Unsent control bytes of all connections.
    pub(super) backlog: usize,
    pub(super) scratch: Box<[u8]>,
    pub(super) runs: Vec<Vec<u8>>,
    pub(super) out: Outbox,
    pub(super) inputs: VecDeque<Queued>,
    pub(super) workers: Workers,
    pub(super) resident: Resident,
    /// Whom to believe of web servers.
    pub(super) trust: Trust,
    /// Callers whose key came, in order, and the time that handshakes with them may take.
    pub(super) waiting_for_secrets: VecDeque<ConnId>,
    pub(super) allowance: Allowance,
    mailbox: Mailbox,
    notes: Receiver<Note>,
    handle: Handle,
    /// When what only the start needed is to leave memory.
    settles: Option<Time>,
    /// [`Input::Starving`] was said since the brake went on.
    starving_said: bool,
    /// The listener or a handle wants to stop; [`Input::Stop`] was said at this moment.
    pub(super) stop_wanted: bool,
    stop_said: Option<Time>,
    /// [`Note::Stopped`] was told.
    pub(super) stopped: bool,
}

impl Reactor {
    /// Opens the doors and starts the workers.
    ///
    /// # Errors
    /// A taken port, an address that is not ours, no descriptors, no threads.
    pub fn new(options: Options) -> Result<Reactor, StartError> {
        let trouble = |error: io::Error| StartError(format!("cannot start: {error}"));
        let proxy = options.way.proxy_address().map_err(StartError)?;
        let poll = Poll::new().map_err(trouble)?;
        let bell = Arc::new(Bell::new(Waker::new(poll.registry(), WAKER).map_err(trouble)?));
        let mut doors = Doors::open(&options.bind, options.port, &options.way).map_err(StartError)?;
        doors.open_control(&options.control).map_err(StartError)?;
        if options.callers_speak_first {
            doors.defer();
        }
        for (at, socket) in doors.tcp.iter_mut().enumerate() {
            poll.registry().register(socket, Token(TCP + at), Interest::READABLE).map_err(trouble)?;
        }
        for (at, socket) in doors.udp.iter_mut().enumerate() {
            poll.registry().register(socket, Token(UDP + at), Interest::READABLE).map_err(trouble)?;
        }
        let udp_count = doors.open_local(&options, poll.registry(), UDP);
        let room = descriptors::divide(options.descriptors, options.open_files, options.torrents);
        let reserved = if options.control.is_empty() { 0 } else { CONTROL_CONNS };
        let conns_max = options.conns_max.unwrap_or(room.conns).saturating_sub(reserved).max(1);
        let open_files = room.open_files;
        let trust = options.web.trust.clone();
        let (sender, mailbox) = mailbox(Arc::clone(&bell), options.mail_slots);
        let workers = Workers::start(&options, open_files, &sender).map_err(trouble)?;
        let (notes_in, notes) = bounded(NOTE_SLOTS);
        let mut out =
            Outbox::new(options.seed, options.pool_blocks, options.download_credits, options.upload_credits);
        out.up_limit = SharedLimit::new(options.up_limit);
        out.down_limit = SharedLimit::new(options.down_limit);
        out.encryption = options.encryption;
        Ok(Reactor {
            poll,
            clock: Clock::new(),
            tcp_ready: vec![false; doors.tcp.len()],
            udp_ready: vec![false; udp_count],
            way: options.way,
            proxy,
            aliases: Aliases::default(),
            is_proxy_blamed: false,
            doors,
            accept_after: None,
            accept_backoff: Span::ZERO,
            conns: Slab::new(),
            by_id: BTreeMap::new(),
            conns_max,
            ready: VecDeque::new(),
            braked: Vec::new(),
            dirty: Vec::new(),
            backlog: 0,
            scratch: vec![0; limits::READ_LEN].into_boxed_slice(),
            runs: Vec::new(),
            out,
            inputs: VecDeque::new(),
            workers,
            resident: Resident::default(),
            trust,
            waiting_for_secrets: VecDeque::new(),
            allowance: Allowance::default(),
            mailbox,
            notes,
            handle: Handle { notes: notes_in, stop: Arc::default(), is_over: Arc::default(), bell },
            settles: Some(SETTLED),
            starving_said: false,
            stop_wanted: false,
            stop_said: None,
            stopped: false,
        })
    }

    /// The port of all doors.
    pub fn port(&self) -> u16 {
        self.doors.port
    }

    /// The port of the remote control; None where there is none.
    pub fn control_port(&self) -> Option<u16> {
        self.doors.control.map(|(_, port)| port)
    }

    /// For people: another port than usual was taken.
    pub fn remark(&self) -> Option<&str> {
        self.doors.remark.as_deref()
    }

    /// A way in for other threads; can be had as often as wanted.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Runs until the machine has told [`Note::Stopped`] after somebody asked to stop, or did not in time. Every
    /// note that the machine tells goes to `listener`.
    ///
    /// # Errors
    /// When the operating system's poll fails: nothing can go on then.
    pub fn run(mut self, machine: &mut dyn Machine, listener: &mut dyn FnMut(Note) -> Next) -> io::Result<Ended> {
        let mut stage = Stage { machine, listener, post: None };
        let mut events = Events::with_capacity(EVENTS);
        settle::unmap_program();
        clock::tell(&mut self.out);
        let port = self.doors.port;
        self.feed(&mut stage, Input::Note(Note::Listening { port }));
        self.feed(&mut stage, Input::Note(Note::Room { conns: self.conns_max }));
        loop {
            self.wait(&stage, &mut events)?;
            for event in &events {
                self.mark(event);
            }
            self.take_notes(&mut stage);
            self.take_mail(&mut stage);
            self.conn_turns(&mut stage);
            self.make_secrets(&mut stage);
            self.door_turns(&mut stage);
            let now = self.clock.now();
            if stage.machine.next_deadline().is_some_and(|due| due <= now) {
                self.feed(&mut stage, Input::Deadline);
            }
            self.say_starving(&mut stage);
            self.workers.push_backlog();
            self.flush_dirty(&mut stage);
            if let Some(ended) = self.ending(&mut stage) {
                let Reactor { workers, mailbox, handle, .. } = self;
                handle.is_over.store(true, Ordering::Release);
                // Without a mailbox no worker can wait for room in it.
                drop(mailbox);
                workers.end(ended == Ended::Saved);
                return Ok(ended);
            }
        }
    }

    /// Polls until something happens or is due.
    fn wait(&mut self, stage: &Stage<'_>, events: &mut Events) -> io::Result<()> {
        let has_mail = self.mailbox.before_poll(!self.braked.is_empty());
        let patience = if has_mail || self.has_turns() { Some(Span::ZERO) } else { self.patience(stage) };
        if self.settles.is_some_and(|at| at <= self.clock.now()) {
            self.settles = None;
            settle::unmap_program();
        }
        match self.poll.poll(events, patience.map(duration)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => events.clear(),
            other => other?,
        }
        self.mailbox.after_poll();
        clock::tell(&mut self.out);
        Ok(())
    }

    /// Something is left to do without waiting for the kernel.
    fn has_turns(&self) -> bool {
        let accepting = self.accept_after.is_none() && self.tcp_ready.contains(&true);
        !self.ready.is_empty() || !self.dirty.is_empty() || accepting || self.udp_ready.contains(&true)
    }

    /// How long the poll may wait.
    fn patience(&self, stage: &Stage<'_>) -> Option<Span> {
        let now = self.clock.now();
        let deadline = stage.machine.next_deadline();
        let accept = self.accept_after.filter(|_| self.tcp_ready.contains(&true));
        let stop = self.stop_said.map(|at| at + limits::STOP_TIMEOUT + STOP_GRACE);
        let busy = (self.workers.is_busy() || !self.braked.is_empty()).then(|| now + PATIENCE);
        let secret = self.allowance.next().filter(|_| !self.waiting_for_secrets.is_empty());
        let due = [deadline, accept, stop, busy, secret, self.settles].into_iter().flatten().min()?;
        Some(due.since(now))
    }

    fn take_notes(&mut self, stage: &mut Stage<'_>) {
        // A bounded turn: what is said meanwhile waits for the next one.
        for _ in 0..self.notes.len() {
            match self.notes.try_recv() {
                Ok(note @ Note::Own(_)) => self.stop_wanted |= (stage.listener)(note) == Next::Stop,
                Ok(note) => self.feed(stage, Input::Note(note)),
                Err(_) => break,
            }
        }
        if self.handle.stop.load(Ordering::Acquire) {
            self.stop_wanted = true;
        }
        if self.stop_wanted && self.stop_said.is_none() {
            self.stop_said = Some(self.clock.now());
            self.feed(stage, Input::Stop);
        }
    }

    /// Completions become inputs; when buffers may have come home, the brake is tried again.
    fn take_mail(&mut self, stage: &mut Stage<'_>) {
        for _ in 0..MAIL_SLOTS {
            let Some(Letter { completion, lent }) = self.mailbox.take() else { break };
            if let Some(lent) = lent {
                self.resident.lend(lent);
            }
            self.workers.note_completion(&completion);
            self.feed(stage, Input::Completed(completion));
        }
        for key in std::mem::take(&mut self.braked) {
            if let Some(conn) = self.conns.get_mut(key)
                && conn.braked
            {
                conn.braked = false;
                self.list(key);
            }
        }
    }

    /// Says once per transition that the pool ran short, and again while nothing is on its way home.
    fn say_starving(&mut self, stage: &mut Stage<'_>) {
        if self.braked.is_empty() {
            self.starving_said = false;
        } else if !self.starving_said || !self.workers.is_busy() {
            self.starving_said = true;
            self.feed(stage, Input::Starving);
        }
    }

    /// Whether the loop is over.
    fn ending(&mut self, stage: &mut Stage<'_>) -> Option<Ended> {
        if self.stop_wanted && self.stop_said.is_none() {
            self.take_notes(stage);
        }
        if self.stopped {
            return Some(Ended::Saved);
        }
        let late = self.stop_said? + limits::STOP_TIMEOUT + STOP_GRACE;
        (self.clock.now() >= late).then_some(Ended::Late)
    }

    /// One input for the machine, and everything that follows from it.
    pub(super) fn feed(&mut self, stage: &mut Stage<'_>, input: Input<'_>) {
        stage.machine.handle(self.clock.now(), input, &mut self.out);
        self.carry_out(stage);
    }

    /// The connection gets a turn, if it has a use for one.
    pub(super) fn list(&mut self, key: usize) {
        if let Some(conn) = self.conns.get_mut(key)
            && !conn.listed
            && conn.is_ready()
        {
            conn.listed = true;
            self.ready.push_back(key);
        }
    }
}

impl std::fmt::Debug for Reactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reactor").field("port", &self.doors.port).field("conns", &self.conns.len()).finish()
    }
}

/// Whether a completion ends a `Write`.
pub(super) fn ends_write(completion: &Completion) -> bool {
    matches!(completion, Completion::Home { .. } | Completion::WriteFailed { .. })
}
