//! A peer that asks for blocks for as long as it is let, keeps none, and counts their bytes.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use ::peerlink::base::{InfoHash, PeerId};
use ::peerlink::wire::handshake::{self, Handshake};

const BLOCK: u32 = 16_384;
/// Requests on their way.
const PIPELINE: u32 = 16;

/// Several of them. They end when they are dropped.
pub struct Leeches {
    received: Arc<AtomicU64>,
    is_over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Leeches {
    /// `count` peers of one torrent of `piece_count` whole pieces of `piece_len`.
    pub fn new(count: usize, to: SocketAddr, info_hash: InfoHash, piece_count: u32, piece_len: u32) -> Leeches {
        let (received, is_over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let leech = |number: usize| {
            let (received, is_over) = (received.clone(), is_over.clone());
            let mut peer_id = *b"-TL0001-............";
            peer_id[8..16].copy_from_slice(&(number as u64).to_be_bytes());
            let blocks = piece_count * (piece_len / BLOCK);
            let leech = Leech { next: number as u32 * 37 % blocks, blocks, per_piece: piece_len / BLOCK };
            let run = move || {
                let ended =
                    leech.run(to, Handshake { reserved: [0; 8], info_hash, peer_id: PeerId(peer_id) }, &received);
                assert!(is_over.load(Ordering::Acquire), "a peer was hung up on: {ended:?}");
            };
            std::thread::Builder::new().stack_size(256 * 1024).spawn(run).expect("a thread")
        };
        let threads = (0..count).map(leech).collect();
        Leeches { received, is_over, threads }
    }

    /// Payload bytes so far.
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Acquire)
    }

    /// The other side is about to go away. What is said afterwards, when it has: [`Self::join`].
    pub fn expect_end(&self) {
        self.is_over.store(true, Ordering::Release);
    }

    /// All were content until then.
    pub fn join(self) {
        self.threads.into_iter().for_each(|thread| thread.join().expect("nobody was hung up on"));
    }
}

struct Leech {
    next: u32,
    blocks: u32,
    per_piece: u32,
}

impl Leech {
    fn run(mut self, to: SocketAddr, ours: Handshake, received: &AtomicU64) -> io::Result<()> {
        let mut stream = TcpStream::connect(to)?;
        stream.write_all(&ours.to_bytes())?;
        let mut theirs = [0; handshake::LEN];
        stream.read_exact(&mut theirs)?;
        stream.write_all(&[0, 0, 0, 1, 2])?;
        let mut message = Vec::new();
        loop {
            let mut len = [0; 4];
            stream.read_exact(&mut len)?;
            message.resize(u32::from_be_bytes(len) as usize, 0);
            stream.read_exact(&mut message)?;
            match message.first() {
                // unchoke
                Some(1) => stream.write_all(&self.requests(PIPELINE))?,
                Some(7) => {
                    received.fetch_add(message.len() as u64 - 9, Ordering::AcqRel);
                    stream.write_all(&self.requests(1))?;
                }
                _ => {}
            }
        }
    }

    fn requests(&mut self, count: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        for _ in 0..count {
            let (piece, begin) = (self.next / self.per_piece, self.next % self.per_piece * BLOCK);
            bytes.extend_from_slice(&[0, 0, 0, 13, 6]);
            [piece, begin, BLOCK].iter().for_each(|number| bytes.extend_from_slice(&number.to_be_bytes()));
            self.next = (self.next + 1) % self.blocks;
        }
        bytes
    }
}
