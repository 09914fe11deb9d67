//! Peers that misbehave, many of them in one thread: each listens at an address of its own on loopback, and some dial.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use sha1::{Digest, Sha1};
use socket2::{Domain, Socket, Type};

use super::payload::Payload;

/// What a rogue does once it was dialled or has dialled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Habit {
    /// Has everything, unchokes, never answers.
    Mute,
    /// One byte a second, of its handshake or of the first block it was asked for.
    Trickle { from_start: bool },
    /// Every block it sends is wrong.
    Corrupt,
    /// Has everything, unchokes, rejects every request (BEP 6).
    Reject,
    /// Has everything and never unchokes.
    Choke,
    /// Messages as fast as it can.
    Flood,
}

/// Runs until it is dropped.
pub struct Rogues {
    pub addresses: Vec<SocketAddr>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    is_over: AtomicBool,
    connected: AtomicU32,
    hung_up: AtomicU32,
    dial: OnceLock<SocketAddr>,
}

impl Rogues {
    /// One rogue per habit, at `127.0.B.1`, `127.0.B.2` and so on.
    pub fn new(payload: &Payload, habits: &[Habit], base: u8) -> Rogues {
        let shared = Arc::new(Shared::default());
        let listen = |number: usize| {
            let address = SocketAddr::from(([127, 0, base + (number / 250) as u8, 1 + (number % 250) as u8], 0));
            TcpListener::bind(address).expect("all of 127.0.0.0/8 is this machine")
        };
        let listeners: Vec<TcpListener> = (0..habits.len()).map(listen).collect();
        let addresses = listeners.iter().map(|listener| listener.local_addr().expect("it is bound")).collect();
        let piece_count = payload.total_len.div_ceil(payload.piece_len.into()) as usize;
        let mut gang = Gang {
            poll: Poll::new().expect("a poll"),
            shared: shared.clone(),
            info_hash: Sha1::digest(payload.info()).into(),
            payload: payload.clone(),
            piece_count,
            habits: habits.to_vec(),
            is_dialling: false,
            listeners,
            conns: Vec::new(),
            redial: VecDeque::new(),
            noise: noise(piece_count as u32),
        };
        let thread = std::thread::spawn(move || gang.run());
        Rogues { addresses, shared, thread: Some(thread) }
    }

    /// Connections so far, and how many of them the other side ended.
    pub fn met(&self) -> (u32, u32) {
        (self.shared.connected.load(Ordering::Relaxed), self.shared.hung_up.load(Ordering::Relaxed))
    }

    /// From now on each dials too, and again a second after it was hung up on.
    pub fn dial(&self, address: SocketAddr) {
        self.shared.dial.set(address).expect("said once");
    }
}

impl Drop for Rogues {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Connections come after the listeners.
struct Gang {
    poll: Poll,
    shared: Arc<Shared>,
    info_hash: [u8; 20],
    payload: Payload,
    piece_count: usize,
    habits: Vec<Habit>,
    is_dialling: bool,
    listeners: Vec<TcpListener>,
    conns: Vec<Option<Conn>>,
    redial: VecDeque<(Instant, usize)>,
    noise: Vec<u8>,
}

struct Conn {
    stream: TcpStream,
    rogue: usize,
    dialled: bool,
    is_up: bool,
    is_shaken: bool,
    fast: bool,
    rx: Vec<u8>,
    tx: VecDeque<u8>,
    next_drip: Instant,
}

/// Between two looks at the clock.
const TICK: Duration = Duration::from_millis(50);
/// What Linux says to a dial that goes on.
const IN_PROGRESS: i32 = 115;
/// Unsent bytes at which a rogue asks for no more.
const TX_MAX: usize = 1 << 20;

impl Gang {
    fn run(&mut self) {
        for (at, listener) in self.listeners.iter_mut().enumerate() {
            self.poll.registry().register(listener, Token(at), Interest::READABLE).expect("it is open");
        }
        let mut events = Events::with_capacity(256);
        while !self.shared.is_over.load(Ordering::Acquire) {
            self.poll.poll(&mut events, Some(TICK)).expect("it polls");
            for token in events.iter().map(|event| event.token().0).collect::<Vec<_>>() {
                match token.checked_sub(self.listeners.len()) {
                    None => self.accept(token),
                    Some(at) => self.turn(at),
                }
            }
            self.tick();
        }
    }

    fn accept(&mut self, rogue: usize) {
        while let Ok((stream, _)) = self.listeners[rogue].accept() {
            self.adopt(stream, rogue, false);
        }
    }

    fn adopt(&mut self, mut stream: TcpStream, rogue: usize, dialled: bool) {
        let at = self.conns.iter().position(Option::is_none).unwrap_or(self.conns.len());
        let token = Token(self.listeners.len() + at);
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut stream, token, interest).expect("it is open");
        let mut conn = Conn {
            stream,
            rogue,
            dialled,
            is_up: !dialled,
            is_shaken: false,
            fast: false,
            rx: Vec::new(),
            tx: VecDeque::new(),
            next_drip: Instant::now(),
        };
        if dialled {
            conn.tx.extend(self.handshake(rogue));
        } else {
            self.shared.connected.fetch_add(1, Ordering::Relaxed);
        }
        if at == self.conns.len() {
            self.conns.push(None);
        }
        self.conns[at] = Some(conn);
    }

    fn handshake(&self, rogue: usize) -> Vec<u8> {
        let mut bytes = b"\x13BitTorrent protocol".to_vec();
        let fast = matches!(self.habits[rogue], Habit::Reject) || rogue.is_multiple_of(2);
        bytes.extend([0, 0, 0, 0, 0, 0x10, 0, if fast { 4 } else { 0 }]);
        bytes.extend(self.info_hash);
        bytes.extend(format!("-XX0001-rogue-{rogue:06}").bytes());
        bytes
    }

    fn tick(&mut self) {
        let now = Instant::now();
        let dial = self.shared.dial.get().copied();
        if dial.is_some() && !std::mem::replace(&mut self.is_dialling, true) {
            self.redial.extend((0..self.habits.len()).map(|rogue| (now, rogue)));
        }
        while let Some(&(at, rogue)) = self.redial.front()
            && at <= now
        {
            self.redial.pop_front();
            if let Some(to) = dial
                && let Ok(stream) = self.connect(rogue, to)
            {
                self.adopt(stream, rogue, true);
            }
        }
        for at in 0..self.conns.len() {
            let Some(conn) = &self.conns[at] else { continue };
            if matches!(self.habits[conn.rogue], Habit::Trickle { .. } | Habit::Flood) {
                self.turn(at);
            }
        }
    }

    /// Dials from the address it listens at.
    fn connect(&self, rogue: usize, to: SocketAddr) -> io::Result<TcpStream> {
        let ip = self.listeners[rogue].local_addr()?.ip();
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.bind(&SocketAddr::new(ip, 0).into())?;
        socket.set_nonblocking(true)?;
        match socket.connect(&to.into()) {
            Err(error) if error.raw_os_error() != Some(IN_PROGRESS) => Err(error),
            _ => Ok(TcpStream::from_std(socket.into())),
        }
    }

    /// Reads and writes as far as it goes.
    fn turn(&mut self, at: usize) {
        if !self.read(at) || !self.write(at) {
            let Some(mut conn) = self.conns[at].take() else { return };
            let _ = self.poll.registry().deregister(&mut conn.stream);
            self.shared.hung_up.fetch_add(u32::from(conn.is_up), Ordering::Relaxed);
            if conn.dialled {
                self.redial.push_back((Instant::now() + Duration::from_secs(1), conn.rogue));
            }
        }
    }

    fn read(&mut self, at: usize) -> bool {
        let mut scratch = [0; 65_536];
        loop {
            let Some(conn) = &mut self.conns[at] else { return true };
            if conn.tx.len() > TX_MAX && self.habits[conn.rogue] != Habit::Flood {
                return true;
            }
            match conn.stream.read(&mut scratch) {
                Ok(0) => return false,
                Ok(len) => conn.rx.extend_from_slice(&scratch[..len]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected) => return true,
                Err(_) => return false,
            }
            self.hear(at);
        }
    }

    fn hear(&mut self, at: usize) {
        let Some(mut conn) = self.conns[at].take() else { return };
        let mut rest = 0;
        if !conn.is_shaken && conn.rx.first().is_some_and(|first| *first != 19) {
            // It is called by what it does not understand, and hangs up.
            return;
        }
        if !conn.is_shaken && conn.rx.len() >= 68 {
            conn.is_shaken = true;
            conn.fast = conn.rx[27] & 4 != 0;
            rest = 68;
            self.introduce(&mut conn);
        }
        while conn.is_shaken
            && let Some(len) = conn.rx.get(rest..rest + 4)
        {
            let len = u32::from_be_bytes(len.try_into().expect("four bytes")) as usize;
            let Some(message) = conn.rx.get(rest + 4..rest + 4 + len).map(<[u8]>::to_vec) else { break };
            rest += 4 + len;
            self.heard(&mut conn, &message);
        }
        conn.rx.drain(..rest);
        self.conns[at] = Some(conn);
    }

    fn introduce(&self, conn: &mut Conn) {
        let habit = self.habits[conn.rogue];
        if !conn.dialled {
            conn.tx.extend(self.handshake(conn.rogue));
        }
        if habit == (Habit::Trickle { from_start: true }) {
            return;
        }
        let mut field = vec![0xff; self.piece_count.div_ceil(8)];
        let spare = field.len() * 8 - self.piece_count;
        if let Some(last) = field.last_mut() {
            *last <<= spare;
        }
        conn.tx.extend((1 + field.len() as u32).to_be_bytes());
        conn.tx.push_back(5);
        conn.tx.extend(field);
        if habit != Habit::Choke {
            conn.tx.extend([0, 0, 0, 1, 1]);
        }
    }

    fn heard(&self, conn: &mut Conn, message: &[u8]) {
        let Some((6, block)) = message.split_first() else { return };
        let field = |at: usize| u32::from_be_bytes(block[at..at + 4].try_into().expect("four bytes"));
        let (index, begin, len) = (field(0), field(4), field(8));
        match self.habits[conn.rogue] {
            Habit::Reject => {
                conn.tx.extend([0, 0, 0, 13, 16]);
                conn.tx.extend(block);
            }
            Habit::Corrupt | Habit::Trickle { .. } => {
                let mut payload = vec![0; len as usize];
                let start = u64::from(index) * u64::from(self.payload.piece_len) + u64::from(begin);
                self.payload.fill(start, &mut payload);
                if self.habits[conn.rogue] == Habit::Corrupt {
                    payload[len as usize / 2] ^= 0x55;
                }
                conn.tx.extend((9 + len).to_be_bytes());
                conn.tx.push_back(7);
                conn.tx.extend(&block[..8]);
                conn.tx.extend(payload);
            }
            _ => {}
        }
    }

    fn write(&mut self, at: usize) -> bool {
        let Some(conn) = &mut self.conns[at] else { return true };
        if !conn.is_up {
            if conn.stream.peer_addr().is_err() {
                return true;
            }
            conn.is_up = true;
            self.shared.connected.fetch_add(1, Ordering::Relaxed);
        }
        let habit = self.habits[conn.rogue];
        if let Habit::Trickle { from_start } = habit {
            // Everything before its first block goes out at once, unless it is slow from the start.
            let is_fast = !from_start && conn.tx.len() < 16_384;
            let is_due = Instant::now() >= conn.next_drip;
            if !is_fast && (!is_due || conn.tx.is_empty()) {
                return true;
            }
            let len = if is_fast { conn.tx.len() } else { 1 };
            conn.next_drip = Instant::now() + Duration::from_secs(1);
            return put(conn, len);
        }
        if !put(conn, usize::MAX) {
            return false;
        }
        // A few turns at once, so that others get theirs.
        for _ in 0..4 {
            if habit != Habit::Flood || !conn.is_shaken || !conn.tx.is_empty() {
                return true;
            }
            conn.tx.extend(&self.noise);
            if !put(conn, usize::MAX) {
                return false;
            }
        }
        true
    }
}

/// Writes up to `len` bytes; false when the connection is broken.
fn put(conn: &mut Conn, mut len: usize) -> bool {
    while len > 0 && !conn.tx.is_empty() {
        let (front, _) = conn.tx.as_slices();
        match conn.stream.write(&front[..front.len().min(len)]) {
            Ok(sent) => {
                conn.tx.drain(..sent);
                len -= sent;
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected) => return true,
            Err(_) => return false,
        }
    }
    true
}

/// Half a second's worth of every kind of small talk.
fn noise(piece_count: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut say = |number: u8, parts: &[u32]| {
        bytes.extend((1 + 4 * parts.len() as u32).to_be_bytes());
        bytes.push(number);
        parts.iter().for_each(|part| bytes.extend(part.to_be_bytes()));
    };
    for index in 0..2000 {
        say(4, &[index % piece_count]);
        say(6, &[index % piece_count, 0, 16_384]);
        say(1, &[]);
        say(0, &[]);
        say(2, &[]);
        say(3, &[]);
    }
    bytes
}
