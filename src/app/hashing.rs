//! Hashing from the command line: on all cores, with a live line that tells how far it is, ended by Ctrl-C.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::exit::{Exit, Failure};
use super::progress;
use crate::base::text::size;
use crate::io::console::Console;
use crate::io::pieces::Watch;
use crate::io::signals;

/// Between progress lines on a terminal.
const SHOW_EVERY: Duration = Duration::from_millis(200);
/// More threads only wait for the disk.
const THREADS_MAX: usize = 8;

/// Does `work` with so many threads. `doing` goes on with `42.1% of 3 GiB`; `total_len` in bytes.
///
/// # Errors
/// When signals cannot be watched.
pub fn run<T>(
    doing: &str,
    total_len: u64,
    console: &Console,
    work: impl FnOnce(&Watch, usize) -> T,
) -> Result<T, Failure> {
    let watch = Arc::new(Watch::default());
    let seen = watch.clone();
    let stop = move |_| seen.stop.store(true, Ordering::Relaxed);
    signals::watch(stop).map_err(|why| Failure::new(Exit::Other, why))?;
    let thread_count = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
    let is_over = AtomicBool::new(false);
    let result = std::thread::scope(|scope| {
        let show = || {
            while !is_over.load(Ordering::Relaxed) {
                let share = progress::percent(watch.done_len.load(Ordering::Relaxed), total_len);
                console.live(Some(format!("{doing} {share} of {}", size(total_len))));
                std::thread::park_timeout(SHOW_EVERY);
            }
        };
        let shower = console.is_live().then(|| scope.spawn(show));
        let result = work(&watch, thread_count);
        is_over.store(true, Ordering::Relaxed);
        if let Some(shower) = shower {
            shower.thread().unpark();
        }
        result
    });
    console.live(None);
    Ok(result)
}
