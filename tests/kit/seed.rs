//! A seed of our own: the least that BEP 3 asks for, at a set rate, counting every payload byte it puts on the wire.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use sha1::{Digest, Sha1};

use super::payload::Payload;

/// Serves payloads on loopback until it is dropped.
pub struct Seed {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

struct Shared {
    payloads: BTreeMap<[u8; 20], Payload>,
    /// Payload bytes of all connections together, and when the next may leave where there is a rate.
    sent: AtomicU64,
    rate: Option<u64>,
    next_at: Mutex<Instant>,
    /// Told once, when this many bytes were sent.
    mark: Mutex<Option<(u64, Sender<()>)>>,
    /// Called before the first request of each connection is answered.
    on_begin: Box<dyn Fn() + Send + Sync>,
    is_over: AtomicBool,
}

impl Seed {
    /// Serves at full speed.
    pub fn new(payloads: &[Payload]) -> Seed {
        Seed::with(payloads, None, || {})
    }

    /// Serves at `rate` bytes per second, for all connections together; calls `on_begin` when a connection's first
    /// request came.
    pub fn with(payloads: &[Payload], rate: Option<u64>, on_begin: impl Fn() + Send + Sync + 'static) -> Seed {
        Seed::at([127, 0, 0, 1], payloads, rate, on_begin)
    }

    /// The same at another address of this machine.
    pub fn at(
        ip: [u8; 4],
        payloads: &[Payload],
        rate: Option<u64>,
        on_begin: impl Fn() + Send + Sync + 'static,
    ) -> Seed {
        let listener = TcpListener::bind(SocketAddr::from((ip, 0))).expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let by_hash = payloads.iter().map(|payload| (Sha1::digest(payload.info()).into(), payload.clone()));
        let shared = Arc::new(Shared {
            payloads: by_hash.collect(),
            sent: AtomicU64::new(0),
            rate,
            next_at: Mutex::new(Instant::now()),
            mark: Mutex::new(None),
            on_begin: Box::new(on_begin),
            is_over: AtomicBool::new(false),
        });
        let of_thread = shared.clone();
        let accepting = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if of_thread.is_over.load(Ordering::Acquire) {
                    break;
                }
                let shared = of_thread.clone();
                if let Ok(stream) = stream {
                    std::thread::spawn(move || drop(serve(&shared, stream)));
                }
            }
        });
        Seed { address, shared, accepting: Some(accepting) }
    }

    /// Payload bytes put on the wire.
    pub fn sent(&self) -> u64 {
        self.shared.sent.load(Ordering::Acquire)
    }

    /// Something comes through the receiver as soon as this many bytes were sent.
    pub fn when_sent(&self, bytes: u64) -> Receiver<()> {
        let (sender, receiver) = channel();
        *self.shared.mark.lock().expect("nobody panics with it") = Some((bytes, sender));
        receiver
    }
}

impl Drop for Seed {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Release);
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.accepting.take() {
            let _ = thread.join();
        }
    }
}

/// Requests of one connection that wait for their blocks.
#[derive(Default)]
struct Queue {
    wanted: VecDeque<[u8; 12]>,
    is_over: bool,
}

fn serve(shared: &Arc<Shared>, mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut handshake = [0; 68];
    stream.read_exact(&mut handshake)?;
    let Some(payload) = shared.payloads.get(&handshake[28..48]) else { return Ok(()) };
    handshake[20..28].fill(0);
    // One peer id for each seed of a test, or they would count as the same peer.
    let port = stream.local_addr()?.port();
    handshake[48..].copy_from_slice(format!("-TS0001-seed-at{port:05}").as_bytes());
    let piece_count = payload.total_len.div_ceil(payload.piece_len.into()) as usize;
    let mut field = vec![0xff; piece_count.div_ceil(8)];
    let spare = field.len() * 8 - piece_count;
    if let Some(last) = field.last_mut() {
        *last <<= spare;
    }
    let mut hello = handshake.to_vec();
    hello.extend_from_slice(&(1 + field.len() as u32).to_be_bytes());
    hello.push(5);
    hello.extend_from_slice(&field);
    stream.write_all(&hello)?;

    let queue = Arc::new((Mutex::new(Queue::default()), Condvar::new()));
    let writer = {
        let (shared, payload, queue, stream) = (shared.clone(), payload.clone(), queue.clone(), stream.try_clone()?);
        std::thread::spawn(move || drop(send_blocks(&shared, &payload, &queue, stream)))
    };
    let result = read_messages(shared, &mut stream, &queue);
    queue.0.lock().expect("nobody panics with it").is_over = true;
    queue.1.notify_all();
    let _ = writer.join();
    result
}

fn read_messages(shared: &Shared, stream: &mut TcpStream, queue: &(Mutex<Queue>, Condvar)) -> io::Result<()> {
    let mut reader = io::BufReader::with_capacity(64 * 1024, stream.try_clone()?);
    let mut has_begun = false;
    loop {
        let mut len = [0; 4];
        reader.read_exact(&mut len)?;
        let mut message = vec![0; u32::from_be_bytes(len) as usize];
        reader.read_exact(&mut message)?;
        match message.split_first() {
            // interested: unchoke
            Some((2, _)) => stream.write_all(&[0, 0, 0, 1, 1])?,
            Some((6, block)) => {
                if !std::mem::replace(&mut has_begun, true) {
                    (shared.on_begin)();
                }
                let block = block.try_into().map_err(|_| io::ErrorKind::InvalidData)?;
                queue.0.lock().expect("nobody panics with it").wanted.push_back(block);
                queue.1.notify_one();
            }
            Some((8, block)) => {
                queue.0.lock().expect("nobody panics with it").wanted.retain(|wanted| wanted != block);
            }
            _ => {}
        }
    }
}

fn send_blocks(
    shared: &Shared,
    payload: &Payload,
    (queue, ready): &(Mutex<Queue>, Condvar),
    mut stream: TcpStream,
) -> io::Result<()> {
    let mut message = Vec::new();
    loop {
        let block = {
            let guard = queue.lock().expect("nobody panics with it");
            let mut guard = ready
                .wait_while(guard, |queue| queue.wanted.is_empty() && !queue.is_over)
                .expect("nobody panics with it");
            match guard.wanted.pop_front() {
                Some(block) if !guard.is_over => block,
                _ => return Ok(()),
            }
        };
        let field = |at: usize| u32::from_be_bytes([block[at], block[at + 1], block[at + 2], block[at + 3]]);
        let (index, begin, len) = (field(0), field(4), field(8));
        if !shared.wait_turn(len, queue, ready) {
            return Ok(());
        }
        message.clear();
        message.extend_from_slice(&(9 + len).to_be_bytes());
        message.push(7);
        message.extend_from_slice(&block[..8]);
        message.resize(13 + len as usize, 0);
        payload.fill(u64::from(index) * u64::from(payload.piece_len) + u64::from(begin), &mut message[13..]);
        // Counted before it leaves: a block that breaks off counts whole.
        shared.count(len.into());
        stream.write_all(&message)?;
    }
}

impl Shared {
    /// Waits until this block may leave. False when the connection ended meanwhile.
    fn wait_turn(&self, len: u32, queue: &Mutex<Queue>, ready: &Condvar) -> bool {
        let Some(rate) = self.rate else { return true };
        let turn = {
            let mut next_at = self.next_at.lock().expect("nobody panics with it");
            let turn = (*next_at).max(Instant::now());
            *next_at = turn + Duration::from_secs_f64(f64::from(len) / rate as f64);
            turn
        };
        let mut guard = queue.lock().expect("nobody panics with it");
        while let Some(left) = turn.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
            if guard.is_over {
                return false;
            }
            guard = ready.wait_timeout(guard, left).expect("nobody panics with it").0;
        }
        !guard.is_over
    }

    fn count(&self, len: u64) {
        let sent = self.sent.fetch_add(len, Ordering::AcqRel) + len;
        let mut mark = self.mark.lock().expect("nobody panics with it");
        if mark.as_ref().is_some_and(|(bytes, _)| sent >= *bytes)
            && let Some((_, sender)) = mark.take()
        {
            let _ = sender.send(());
        }
    }
}
