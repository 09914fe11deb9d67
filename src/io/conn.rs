//! One TCP connection: its socket, its readiness bits and what waits to be sent.

pub mod cipher;

use std::collections::VecDeque;
use std::io::{self, IoSlice, Write};
use std::sync::Arc;

use mio::net::TcpStream;
use socket2::SockRef;

use self::cipher::Cipher;
use super::tls::Tls;
use crate::base::{ConnId, limits};
use crate::machine::{Outgoing, Run};
use crate::wire::socks::Handshake;

/// Slices handed to one `writev`.
const SLICES: usize = 64;
/// Bytes handed to one `writev`: a bounded turn.
const TURN_LEN: usize = 256 * 1024;
/// Messages up to this length are copied behind each other instead of being slices of their own.
const COPY_LEN: usize = 1024;
/// Length up to which such copies grow.
const COPIES_LEN: usize = 16 * 1024;
/// Reads of a connection that we dialled: handshakes, metadata, the first blocks.
const QUICK_ACKS: u8 = 32;
/// Bytes of a `piece` message before its payload.
const HEAD_LEN: usize = 13;

/// A socket and everything the loop keeps about it.
pub struct Conn {
    pub id: ConnId,
    pub stream: TcpStream,
    /// The dial has not succeeded yet.
    pub dialling: bool,
    /// The kernel may have bytes for us (edge-triggered: stays until a short read).
    pub readable: bool,
    /// The kernel may take bytes (stays until a short write).
    pub writable: bool,
    /// The other side closed or reset: short reads prove nothing, the end must be read.
    pub hung_up: bool,
    /// Writing failed; what was received before is still read.
    pub mute: bool,
    /// Its machine wants no bytes for now.
    pub braked: bool,
    /// Its machine wants no bytes until it says so.
    pub paused: bool,
    /// Its machine is told when nothing is queued any more.
    pub tells: bool,
    /// Its machine was told that much waits, and not yet that all of it has left.
    pub piled: bool,
    /// Its part of the unsent bytes of all connections, as last counted.
    pub counted: usize,
    /// It is in the list of connections with something new to send.
    pub dirty: bool,
    /// It is in the list of connections that get a turn.
    pub listed: bool,
    /// The kernel was asked to say when it is ready.
    pub is_watched: bool,
    /// Reads left after which the kernel is asked to acknowledge at once.
    quick_acks: u8,
    /// Spoken over the socket, for web servers.
    pub tls: Option<Box<Tls>>,
    /// What a proxy still has to say before its machine hears of it.
    pub socks: Option<Box<Handshake>>,
    /// MSE over the socket, for peers.
    pub cipher: Cipher,
    pub queue: SendQueue,
}

impl Conn {
    /// A connection over this socket.
    pub fn new(id: ConnId, stream: TcpStream, dialling: bool) -> Conn {
        Conn {
            id,
            stream,
            dialling,
            readable: false,
            writable: !dialling,
            hung_up: false,
            mute: false,
            braked: false,
            paused: false,
            tells: false,
            piled: false,
            counted: 0,
            dirty: false,
            listed: false,
            is_watched: false,
            quick_acks: if dialling { QUICK_ACKS } else { 0 },
            tls: None,
            socks: None,
            cipher: Cipher::Plain,
            queue: SendQueue::default(),
        }
    }

    /// Queues what TLS has to say.
    pub fn send_sealed(&mut self) {
        if let Some(tls) = &mut self.tls {
            self.queue.push(tls.to_send());
        }
    }

    /// Queues what the machine says.
    pub fn say(&mut self, mut bytes: Vec<u8>) {
        match &mut self.tls {
            Some(tls) => self.queue.push(tls.seal(&bytes)),
            None if self.cipher.seal(&mut bytes) => self.queue.push(bytes),
            None => {}
        }
    }

    /// Whether a turn could move something.
    pub fn is_ready(&self) -> bool {
        let can_read = self.readable && !self.braked && !self.paused && !self.cipher.waits();
        let can_write = self.writable && !self.queue.is_empty();
        if self.dialling { self.writable || self.readable } else { can_read || can_write }
    }

    /// Something was read. At the beginning, when both sides say little, those who wait for an acknowledgement before
    /// they go on (Nagle's way, as libtorrent has it) would wait 40 ms each time.
    pub fn acknowledge(&mut self) {
        if let Some(left) = self.quick_acks.checked_sub(1) {
            self.quick_acks = left;
            // Without it all takes a little longer.
            let _ = SockRef::from(&self.stream).set_tcp_quickack(true);
        }
    }

    /// Queues what other connections are sent too.
    pub fn push_shared(&mut self, bytes: &Arc<[u8]>) {
        if self.cipher.seals() {
            self.say(bytes.to_vec());
        } else {
            self.queue.push_shared(bytes);
        }
    }

    /// Queues blocks of one run.
    pub fn push_blocks(&mut self, mut run: Run, mut blocks: Vec<Outgoing>, runs: &mut Vec<Vec<u8>>) {
        if self.cipher.seal_blocks(&mut run, &mut blocks) {
            self.queue.push_blocks(run, blocks, runs);
        } else {
            log::error!("{:?}: blocks for somebody who has not said a word", self.id);
            recycle(run, runs);
        }
    }

    /// More waits than a peer that reads would leave.
    pub fn overflows(&self) -> bool {
        self.queue.overflows() || self.cipher.overflows()
    }

    /// One `writev` of what waits.
    ///
    /// # Errors
    /// When the socket is broken.
    pub fn flush(&mut self, runs: &mut Vec<Vec<u8>>) -> io::Result<Left> {
        if self.dialling || self.mute || self.queue.is_empty() {
            return Ok(Left::default());
        }
        let (result, offered) = self.queue.write_to(&mut self.stream);
        match result {
            Ok(len) => {
                self.writable = len == offered;
                Ok(self.queue.advance(len, runs))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.writable = false;
                Ok(Left::default())
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(Left::default()),
            Err(error) => Err(error),
        }
    }
}

/// What one write took off a queue.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Left {
    /// Whole blocks that left, and their payload bytes.
    pub blocks: u32,
    pub bytes: u64,
}

/// Bytes and block slices waiting for the kernel, in order.
#[derive(Default, Debug)]
pub struct SendQueue {
    items: VecDeque<Item>,
    queued_len: usize,
    control_len: usize,
}

#[derive(Debug)]
enum Item {
    Bytes {
        bytes: Vec<u8>,
        sent: usize,
    },
    Shared {
        bytes: Arc<[u8]>,
        sent: usize,
    },
    /// `next` blocks have left; of the next one `sent` bytes, head included.
    Blocks {
        run: Run,
        blocks: Vec<Outgoing>,
        next: usize,
        sent: usize,
    },
}

impl SendQueue {
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Unsent bytes of any kind.
    pub fn queued_len(&self) -> usize {
        self.queued_len
    }

    /// More control bytes wait than a peer that reads would leave.
    pub fn overflows(&self) -> bool {
        self.control_len > limits::CONTROL_QUEUE_LEN
    }

    /// Unsent bytes other than payload.
    pub fn control_len(&self) -> usize {
        self.control_len
    }

    /// Queues bytes.
    pub fn push(&mut self, bytes: Vec<u8>) {
        self.count(bytes.len());
        if !self.copy(&bytes) && !bytes.is_empty() {
            self.items.push_back(Item::Bytes { bytes, sent: 0 });
        }
    }

    /// Queues bytes that other connections send too.
    pub fn push_shared(&mut self, bytes: &Arc<[u8]>) {
        self.count(bytes.len());
        if bytes.len() <= COPY_LEN {
            if !self.copy(bytes) {
                self.items.push_back(Item::Bytes { bytes: bytes.to_vec(), sent: 0 });
            }
        } else {
            self.items.push_back(Item::Shared { bytes: Arc::clone(bytes), sent: 0 });
        }
    }

    /// Queues blocks of one run.
    pub fn push_blocks(&mut self, run: Run, blocks: Vec<Outgoing>, runs: &mut Vec<Vec<u8>>) {
        if blocks.is_empty() {
            recycle(run, runs);
            return;
        }
        self.queued_len += blocks.iter().map(|block| HEAD_LEN + block.len as usize).sum::<usize>();
        self.items.push_back(Item::Blocks { run, blocks, next: 0, sent: 0 });
    }

    /// Throws everything away.
    pub fn clear(&mut self, runs: &mut Vec<Vec<u8>>) {
        for item in self.items.drain(..) {
            if let Item::Blocks { run, .. } = item {
                recycle(run, runs);
            }
        }
        self.queued_len = 0;
        self.control_len = 0;
    }

    fn count(&mut self, len: usize) {
        self.queued_len += len;
        self.control_len += len;
    }

    /// Appends a short message to the last item, where that is possible.
    fn copy(&mut self, bytes: &[u8]) -> bool {
        match self.items.back_mut() {
            Some(Item::Bytes { bytes: last, .. })
                if bytes.len() <= COPY_LEN && last.len() + bytes.len() <= COPIES_LEN =>
            {
                last.extend_from_slice(bytes);
                true
            }
            _ => false,
        }
    }

    /// One write of the front of the queue; also says how many bytes were offered.
    fn write_to(&self, stream: &mut impl Write) -> (io::Result<usize>, usize) {
        let mut slices = [IoSlice::new(&[]); SLICES];
        let mut count = 0;
        let mut offered = 0;
        self.for_each_slice(|slice| {
            slices[count] = IoSlice::new(slice);
            count += 1;
            offered += slice.len();
            count < SLICES && offered < TURN_LEN
        });
        (stream.write_vectored(&slices[..count]), offered)
    }

    /// Calls `take` with each unsent slice until it says stop.
    fn for_each_slice<'a>(&'a self, mut take: impl FnMut(&'a [u8]) -> bool) {
        for item in &self.items {
            let more = match item {
                Item::Bytes { bytes, sent } => take(&bytes[*sent..]),
                Item::Shared { bytes, sent } => take(&bytes[*sent..]),
                Item::Blocks { run, blocks, next, sent } => {
                    let mut skip = *sent;
                    blocks[*next..].iter().all(|block| {
                        let start = block.start as usize;
                        let payload = &run.0[start..start + block.len as usize];
                        let head = block.head.get(skip..).filter(|head| !head.is_empty());
                        let payload = payload.get(skip.saturating_sub(HEAD_LEN)..).filter(|p| !p.is_empty());
                        skip = 0;
                        head.is_none_or(&mut take) && payload.is_none_or(&mut take)
                    })
                }
            };
            if !more {
                return;
            }
        }
    }

    /// `len` bytes have left.
    fn advance(&mut self, mut len: usize, runs: &mut Vec<Vec<u8>>) -> Left {
        self.queued_len -= len;
        let mut left = Left::default();
        while len > 0 {
            let item = self.items.front_mut().expect("no more leaves than was queued");
            let (total, sent) = match item {
                Item::Bytes { bytes, sent } => (bytes.len(), sent),
                Item::Shared { bytes, sent } => (bytes.len(), sent),
                Item::Blocks { blocks, next, sent, .. } => {
                    len = advance_blocks(blocks, next, sent, len, &mut left);
                    if *next < blocks.len() {
                        break;
                    }
                    if let Some(Item::Blocks { run, .. }) = self.items.pop_front() {
                        recycle(run, runs);
                    }
                    continue;
                }
            };
            let step = len.min(total - *sent);
            *sent += step;
            let is_over = *sent == total;
            len -= step;
            self.control_len -= step;
            if is_over {
                self.items.pop_front();
            }
        }
        if self.items.is_empty() {
            // Thousands of connections are idle: none keeps memory for what it sent once.
            self.items = VecDeque::new();
        }
        left
    }
}

/// Moves over as many blocks as `len` bytes are; the bytes left over come back.
fn advance_blocks(blocks: &[Outgoing], next: &mut usize, sent: &mut usize, mut len: usize, left: &mut Left) -> usize {
    while len > 0
        && let Some(block) = blocks.get(*next)
    {
        let total = HEAD_LEN + block.len as usize;
        let step = len.min(total - *sent);
        *sent += step;
        len -= step;
        if *sent == total {
            *next += 1;
            *sent = 0;
            left.blocks += 1;
            left.bytes += u64::from(block.len);
        }
    }
    len
}

/// Run buffers kept for the next read.
const SPARE_RUNS: usize = 8;

/// A run's buffer goes back to the free list.
pub fn recycle(run: Run, runs: &mut Vec<Vec<u8>>) {
    if runs.len() < SPARE_RUNS {
        runs.push(run.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes at most `step` bytes per write.
    struct Slow {
        step: usize,
        taken: Vec<u8>,
    }

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.write_vectored(&[IoSlice::new(bytes)])
        }
        fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
            let all: Vec<u8> = slices.iter().flat_map(|s| s.iter().copied()).collect();
            let len = all.len().min(self.step);
            self.taken.extend_from_slice(&all[..len]);
            Ok(len)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn filled() -> (SendQueue, Vec<u8>) {
        let mut queue = SendQueue::default();
        let mut runs = Vec::new();
        queue.push(vec![1; 5]);
        queue.push(vec![2; 3000]);
        queue.push_shared(&Arc::from(vec![3; 9]));
        queue.push_shared(&Arc::from(vec![4; 2000]));
        let run = Run((0..=255).collect());
        let blocks =
            vec![Outgoing { head: [7; 13], start: 0, len: 100 }, Outgoing { head: [8; 13], start: 200, len: 56 }];
        queue.push_blocks(run, blocks, &mut runs);
        queue.push(vec![9; 4]);
        let mut expected = vec![1; 5];
        expected.extend([2; 3000]);
        expected.extend([3; 9]);
        expected.extend([4; 2000]);
        expected.extend([7; 13]);
        expected.extend(0..100);
        expected.extend([8; 13]);
        expected.extend(200..=255);
        expected.extend([9; 4]);
        (queue, expected)
    }

    #[test]
    fn whatever_the_kernel_takes_at_once_the_bytes_are_the_same() {
        for step in (1..200).chain([1000, 3008, 100_000]) {
            let (mut queue, expected) = filled();
            let mut runs = Vec::new();
            let mut slow = Slow { step, taken: Vec::new() };
            let mut blocks = Left::default();
            assert_eq!(queue.queued_len(), expected.len());
            while !queue.is_empty() {
                let (len, offered) = queue.write_to(&mut slow);
                let len = len.unwrap();
                assert!(len <= offered);
                let left = queue.advance(len, &mut runs);
                blocks.blocks += left.blocks;
                blocks.bytes += left.bytes;
                assert_eq!(queue.queued_len(), expected.len() - slow.taken.len());
            }
            assert_eq!(slow.taken, expected, "step {step}");
            assert_eq!(blocks, Left { blocks: 2, bytes: 156 });
            assert_eq!(runs.len(), 1);
            assert_eq!(queue.control_len, 0);
        }
    }

    #[test]
    fn payload_is_no_control() {
        let mut queue = SendQueue::default();
        let run = Run(vec![0; 2 * limits::CONTROL_QUEUE_LEN]);
        let len = run.0.len() as u32;
        queue.push_blocks(run, vec![Outgoing { head: [0; 13], start: 0, len }], &mut Vec::new());
        assert!(!queue.overflows());
        queue.push(vec![0; limits::CONTROL_QUEUE_LEN + 1]);
        assert!(queue.overflows());
        queue.clear(&mut Vec::new());
        assert!(!queue.overflows() && queue.is_empty() && queue.queued_len() == 0);
    }
}
