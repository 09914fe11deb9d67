//! Signals: each only calls a function on a thread of its own, which sets a flag and wakes the loop.

use std::io::Read;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};

use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGTERM, SIGTSTP, SIGWINCH};
use signal_hook::low_level::{self, pipe};

use super::terminal;

/// Stack of a thread that waits for one signal.
const STACK_LEN: usize = 64 * 1024;

/// What somebody wants of this process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Signal {
    /// Ctrl-C.
    Interrupt,
    /// SIGTERM.
    Terminate,
    /// The terminal went away, or: read the configuration again.
    HangUp,
}

type Handler = Arc<dyn Fn(Signal) + Send + Sync>;

/// Who is called now. None until the first watcher comes.
static HANDLER: Mutex<Option<Handler>> = Mutex::new(None);

/// Calls `on_signal` for each signal from now on, instead of what was called before. A signal that was ignored when
/// the process started (`nohup`) stays so.
///
/// # Errors
/// When the process has no thread or descriptor left; text for people.
pub fn watch(on_signal: impl Fn(Signal) + Send + Sync + 'static) -> Result<(), String> {
    let before = HANDLER.lock().expect("no holder of this lock panics").replace(Arc::new(on_signal));
    if before.is_some() {
        return Ok(());
    }
    let ignored = ignored();
    if ignored & bit(SIGINT) == 0 {
        ctrlc::set_handler(|| call(Signal::Interrupt)).map_err(|e| format!("cannot watch for Ctrl-C: {e}"))?;
    }
    for (number, signal) in [(SIGTERM, Signal::Terminate), (SIGHUP, Signal::HangUp)] {
        if ignored & bit(number) == 0 {
            watch_one(number, move || call(signal)).map_err(|e| format!("cannot watch for signals: {e}"))?;
        }
    }
    Ok(())
}

/// While a person types in raw mode: gives the terminal back before the process is stopped, takes it again when it goes
/// on, and calls `on_change` then and when the terminal has another size.
///
/// # Errors
/// When the process has no thread or descriptor left.
pub fn watch_terminal(on_change: impl Fn() + Clone + Send + 'static) -> std::io::Result<()> {
    let (resized, resumed) = (on_change.clone(), on_change);
    watch_one(SIGWINCH, resized)?;
    watch_one(SIGCONT, move || {
        terminal::resume();
        resumed();
    })?;
    watch_one(SIGTSTP, || {
        terminal::restore();
        // What would have happened without us.
        if let Err(e) = low_level::emulate_default_handler(SIGTSTP) {
            log::debug!("cannot stop for a while: {e}");
        }
    })
}

/// Ctrl-Z, which is no signal in raw mode.
pub fn suspend() {
    let _ = low_level::raise(SIGTSTP);
}

fn call(signal: Signal) {
    let handler = HANDLER.lock().expect("no holder of this lock panics").clone();
    if let Some(handler) = handler {
        handler(signal);
    }
}

/// The handler writes a byte into a socket pair; a thread reads it.
fn watch_one(number: i32, on_signal: impl Fn() + Send + 'static) -> std::io::Result<()> {
    let (mut ours, theirs) = UnixStream::pair()?;
    pipe::register(number, theirs)?;
    let wait = move || {
        let mut byte = [0];
        while ours.read_exact(&mut byte).is_ok() {
            on_signal();
        }
    };
    std::thread::Builder::new().name(format!("signal-{number}")).stack_size(STACK_LEN).spawn(wait)?;
    Ok(())
}

fn bit(number: i32) -> u64 {
    1 << (number - 1)
}

/// The mask of ignored signals; nothing where /proc is not there.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|digits| u64::from_str_radix(digits.trim(), 16).ok()).unwrap_or(0)
}
