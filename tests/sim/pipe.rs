//! One direction of a simulated connection.

use std::collections::VecDeque;

use peerlink::base::Time;
use peerlink::machine::Closed;

/// Bytes that may be on their way or unread at the other side.
const WINDOW: usize = 128 * 1024;

/// One direction.
#[derive(Default)]
pub struct Pipe {
    /// Not yet taken by the kernel.
    pub queue: VecDeque<Parcel>,
    pub queued: usize,
    pub control: usize,
    pub flying: VecDeque<Flight>,
    pub flying_len: usize,
    pub inbox: Vec<u8>,
    pub inbox_start: usize,
    pub pumping: bool,
    pub last_arrival: Time,
    /// How the other side ended it, once that is all there is left to read.
    pub fin: Option<Closed>,
}

/// Bytes queued at once.
pub struct Parcel {
    pub bytes: Vec<u8>,
    pub at: usize,
    /// Payload bytes, for whole blocks of `SendBlocks`.
    pub payload: Option<u32>,
}

pub enum Flight {
    Data(Vec<u8>),
    Fin(Closed),
}

impl Pipe {
    pub fn unread(&self) -> usize {
        self.inbox.len() - self.inbox_start
    }

    pub fn room(&self) -> usize {
        WINDOW.saturating_sub(self.flying_len + self.unread())
    }

    /// Takes up to `max` bytes from the queue; also whole blocks and their payload bytes that left with it.
    pub fn take(&mut self, max: usize) -> (Vec<u8>, u32, u64) {
        let mut chunk = Vec::with_capacity(max.min(self.queued));
        let (mut blocks, mut payload) = (0, 0);
        while chunk.len() < max {
            let Some(parcel) = self.queue.front_mut() else { break };
            let end = parcel.bytes.len().min(parcel.at + max - chunk.len());
            chunk.extend_from_slice(&parcel.bytes[parcel.at..end]);
            if parcel.payload.is_none() {
                self.control -= end - parcel.at;
            }
            parcel.at = end;
            if end < parcel.bytes.len() {
                break;
            }
            if let Some(len) = parcel.payload {
                blocks += 1;
                payload += u64::from(len);
            }
            self.queue.pop_front();
        }
        self.queued -= chunk.len();
        (chunk, blocks, payload)
    }
}
