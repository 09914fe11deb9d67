//! Bytes from sockets through pool, disk and hashers, with the smallest channels there can be: the brake, starving,
//! lazy letters and full channels together.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};

use peerlink::base::{Block, Buffer, ConnId, Filled, InfoHash, Pool, Time};
use peerlink::machine::{Command, Completion, Input, Job, Machine, Note, Outbox, StoreSpec};
use peerlink::metainfo::Metainfo;

use super::connections::{heard, said};
use super::rig::{ID, Sample};
use super::script::{LONG, local, start};

/// What a connection is doing: it sends a block's number, then its payload.
#[derive(Default)]
struct Incoming {
    head: Vec<u8>,
    block: Option<(Block, Buffer, usize)>,
}

/// Takes blocks from any number of connections, gathers them per piece and has them written and hashed.
struct Sink {
    metainfo: Metainfo,
    dir: PathBuf,
    gather_max: usize,
    conns: BTreeMap<ConnId, Incoming>,
    gathers: BTreeMap<u32, Vec<Filled>>,
    arrived: BTreeMap<u32, u32>,
    verified: BTreeSet<u32>,
    starved: u32,
}

impl Sink {
    fn flush(&mut self, index: u32, out: &mut Outbox) {
        let piece = self.metainfo.geometry.piece(index).unwrap();
        let last = self.arrived.get(&index) == Some(&self.metainfo.geometry.block_count(piece));
        if let Some(mut blocks) = self.gathers.remove(&index) {
            blocks.sort_by_key(|filled| filled.block.begin());
            out.job(Job::Write { store: ID, piece, blocks, last });
        }
    }

    fn receive(&mut self, conn: ConnId, mut bytes: &[u8], out: &mut Outbox) {
        while !bytes.is_empty() {
            let incoming = self.conns.entry(conn).or_default();
            let Some((block, buffer, len)) = &mut incoming.block else {
                let need = 8 - incoming.head.len();
                let (head, rest) = bytes.split_at(need.min(bytes.len()));
                incoming.head.extend_from_slice(head);
                bytes = rest;
                if incoming.head.len() == 8 {
                    let number = |at: usize| u32::from_be_bytes(incoming.head[at..at + 4].try_into().unwrap());
                    let geometry = self.metainfo.geometry;
                    let block = geometry.block_number(geometry.piece(number(0)).unwrap(), number(4)).unwrap();
                    incoming.head.clear();
                    incoming.block = Some((block, out.pool.take().expect("the brake keeps one"), 0));
                }
                continue;
            };
            let step = bytes.len().min(block.len() as usize - *len);
            buffer.bytes_mut()[*len..*len + step].copy_from_slice(&bytes[..step]);
            *len += step;
            bytes = &bytes[step..];
            if *len < block.len() as usize {
                continue;
            }
            let (block, buffer, _) = incoming.block.take().unwrap();
            let index = block.piece().index();
            *self.arrived.entry(index).or_default() += 1;
            let gather = self.gathers.entry(index).or_default();
            gather.push(Filled { block, buffer });
            let full = gather.len() >= self.gather_max;
            let whole = self.arrived[&index] == self.metainfo.geometry.block_count(block.piece());
            if full || whole {
                self.flush(index, out);
            }
        }
    }
}

impl Machine for Sink {
    fn handle(&mut self, _: Time, input: Input<'_>, out: &mut Outbox) {
        match input {
            Input::Note(Note::Listening { .. }) => {
                let spec = StoreSpec {
                    info_hash: InfoHash([7; 20]),
                    dir: self.dir.clone(),
                    layout: peerlink::storage::Layout::new(&self.metainfo, &[]),
                };
                out.job(Job::Open { store: ID, spec: Arc::new(spec) });
            }
            Input::Received { conn, bytes } => self.receive(conn, bytes, out),
            Input::Starving => {
                self.starved += 1;
                let pieces: Vec<u32> = self.gathers.keys().copied().collect();
                pieces.into_iter().for_each(|index| self.flush(index, out));
            }
            Input::Completed(Completion::Home { blocks, .. }) => {
                blocks.into_iter().for_each(|filled| out.pool.put(filled.buffer));
            }
            Input::Completed(Completion::Hashed { piece, digest, .. }) => {
                assert_eq!(digest.unwrap().as_slice(), self.metainfo.hash_of(piece));
                self.verified.insert(piece.index());
                if self.verified.len() as u32 == self.metainfo.geometry.piece_count() {
                    assert_eq!(out.pool.available(), out.pool.max(), "a buffer is lost");
                    out.tell(said(format!("starved {}", self.starved)));
                }
            }
            Input::Completed(Completion::WriteFailed { error, .. }) => panic!("{}", error.text),
            Input::Stop => out.push(Command::Tell(Note::Stopped)),
            _ => {}
        }
    }

    fn next_deadline(&self) -> Option<Time> {
        None
    }

    fn appetite(&self, conn: ConnId, pool: &Pool) -> usize {
        // A head and its block at a time, so that one buffer is enough.
        match self.conns.get(&conn) {
            Some(Incoming { block: Some((block, _, len)), .. }) => block.len() as usize - len,
            other if pool.available() > 0 => 8 - other.map_or(0, |incoming| incoming.head.len()),
            _ => 0,
        }
    }
}

/// Sends every block once, over several connections, in a scattered order.
fn transfer(state: &Path, dir: &Path, sample: &Sample, senders: usize, pool: usize, slots: usize, seed: u64) -> u32 {
    let (sender, notes) = mpsc::channel();
    let sink = Sink {
        metainfo: sample.metainfo.clone(),
        dir: dir.into(),
        gather_max: 4,
        conns: BTreeMap::new(),
        gathers: BTreeMap::new(),
        arrived: BTreeMap::new(),
        verified: BTreeSet::new(),
        starved: 0,
    };
    let mut options = local(state);
    (options.pool_blocks, options.job_slots, options.mail_slots) = (pool, slots, slots);
    let running = start(options, sink, sender);
    let geometry = *sample.geometry();
    let mut order: Vec<(u32, u32)> = geometry
        .pieces()
        .flat_map(|piece| (0..geometry.block_count(piece)).map(move |number| (piece.index(), number)))
        .collect();
    fastrand::Rng::with_seed(seed).shuffle(&mut order);
    std::thread::scope(|scope| {
        for part in order.chunks(order.len().div_ceil(senders)) {
            let port = running.port;
            scope.spawn(move || {
                let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
                stream.set_write_timeout(Some(LONG)).unwrap();
                for &(index, number) in part {
                    let filled = sample.filled(index, number);
                    let mut bytes = index.to_be_bytes().to_vec();
                    bytes.extend(number.to_be_bytes());
                    bytes.extend_from_slice(filled.payload());
                    stream.write_all(&bytes).unwrap();
                }
            });
        }
    });
    let starved = heard(&notes).strip_prefix("starved ").unwrap().parse().unwrap();
    running.stop();
    starved
}

/// 10 MB in scattered blocks from eight connections through a pool of four buffers and channels of one slot.
#[test]
fn the_smallest_pool_and_channels_still_get_everything_through() {
    let sample = Sample::new(&[("a", 3_000_000), ("b", 0), ("c", 7_000_001)], 256 * 1024);
    for (senders, pool, slots) in [(1, 1, 1), (8, 8, 1), (8, 16, 2), (3, 256, 64)] {
        let (state, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let starved = transfer(state.path(), dir.path(), &sample, senders, pool, slots, 5);
        assert!(pool > 16 || starved > 0, "the brake was never tried with {pool} buffers");
        assert!(std::fs::read(dir.path().join("t/a")).unwrap() == sample.file(0));
        assert!(std::fs::read(dir.path().join("t/c")).unwrap() == sample.file(2));
    }
}
