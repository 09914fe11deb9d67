//! Goes through the pieces of what is on disk with several threads.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use crate::base::{Geometry, Piece};

/// What other threads see of the work, and how they end it.
#[derive(Debug, Default)]
pub struct Watch {
    /// Bytes looked at.
    pub done_len: AtomicU64,
    /// Set from outside: give up.
    pub stop: AtomicBool,
}

impl Watch {
    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// So many bytes more were looked at.
    pub fn add(&self, len: u64) {
        self.done_len.fetch_add(len, Ordering::Relaxed);
    }
}

/// Calls `work` for all pieces, two neighbours at a time (the last may be alone), on `thread_count` threads that each
/// hold what `start` gave them. Ends early when it is stopped from outside or one `work` breaks.
pub fn each<T>(
    geometry: &Geometry,
    thread_count: usize,
    watch: &Watch,
    start: impl Fn() -> T + Sync,
    work: impl Fn(&mut T, Piece, Option<Piece>) -> ControlFlow<()> + Sync,
) {
    let next = AtomicU32::new(0);
    let thread = || {
        let mut held = start();
        while !watch.is_stopped() {
            let index = next.fetch_add(2, Ordering::Relaxed);
            let Some(piece) = geometry.piece(index) else { return };
            if work(&mut held, piece, geometry.piece(index + 1)).is_break() {
                // The others need not go on.
                return next.store(geometry.piece_count(), Ordering::Relaxed);
            }
        }
    };
    std::thread::scope(|scope| {
        for number in 1..thread_count {
            let name = format!("hash-{number}");
            // Where there is no thread to be had, the others do its work.
            let _ = std::thread::Builder::new().name(name).stack_size(128 * 1024).spawn_scoped(scope, thread);
        }
        thread();
    });
}
