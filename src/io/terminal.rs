//! What only the terminal knows and does: how wide it is, and keys one by one without an echo (raw mode), which is
//! given back at every end of the process that can be seen coming.

use std::io::{IsTerminal, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Mutex;

use nix::libc::{TIOCGWINSZ, winsize};
use nix::sys::termios::{self, InputFlags, LocalFlags, SetArg, SpecialCharacterIndices, Termios};

nix::ioctl_read_bad!(
    /// Asks a terminal for its size.
    window_size,
    TIOCGWINSZ,
    winsize
);

/// Pasted text comes between two marks, so that its ends of lines are no Enter. At the end the line that was written
/// goes, too.
const PASTE_ON: &[u8] = b"\x1b[?2004h";
const PASTE_OFF: &[u8] = b"\x1b[?2004l\r\x1b[J";

/// The terminal that is in raw mode, and how it was before.
static RAW: Mutex<Option<Kept>> = Mutex::new(None);

struct Kept {
    terminal: OwnedFd,
    before: Termios,
    is_raw: bool,
}

/// Columns of the terminal behind `fd`; None where it is none or does not know.
pub fn width(fd: BorrowedFd<'_>) -> Option<usize> {
    let mut size = winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: TIOCGWINSZ writes one winsize to the pointer, which is a live, exclusive borrow of one.
    let asked = unsafe { window_size(fd.as_raw_fd(), &raw mut size) };
    asked.ok().filter(|_| size.ws_col > 0).map(|_| usize::from(size.ws_col))
}

/// Columns of the terminal at stdout; 80 where there is none.
pub fn columns() -> usize {
    width(std::io::stdout().as_fd()).unwrap_or(80)
}

/// Whether a person types at stdin.
pub fn is_typed_at() -> bool {
    std::io::stdin().is_terminal()
}

/// Holds the terminal at stdin in raw mode; dropped, it is as it was before.
#[derive(Debug)]
pub struct Raw(());

impl Raw {
    /// Takes keys one by one from now on. A panic gives the terminal back before it is told.
    ///
    /// # Errors
    /// When stdin is no terminal that lets itself be set.
    pub fn start() -> std::io::Result<Raw> {
        let terminal = std::io::stdin().as_fd().try_clone_to_owned()?;
        let before = termios::tcgetattr(&terminal)?;
        *lock() = Some(Kept { terminal, before, is_raw: false });
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            restore();
            hook(info);
        }));
        resume();
        Ok(Raw(()))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        restore();
        *lock() = None;
    }
}

/// Gives the terminal back for now, or for good. Does nothing where it is not taken; may be said on any thread.
pub fn restore() {
    if let Some(kept) = lock().as_mut().filter(|kept| kept.is_raw) {
        kept.is_raw = false;
        kept.set(&kept.before, PASTE_OFF);
    }
}

/// Takes it again, unless another process is in the foreground: to set it then would stop this one.
pub fn resume() {
    let mut raw = lock();
    let Some(kept) = raw.as_mut() else { return };
    let is_ours = nix::unistd::tcgetpgrp(&kept.terminal).is_ok_and(|group| group == nix::unistd::getpgrp());
    if is_ours {
        kept.is_raw = true;
        kept.set(&one_by_one(&kept.before), PASTE_ON);
    }
}

impl Kept {
    fn set(&self, mode: &Termios, mark: &[u8]) {
        let set = termios::tcsetattr(&self.terminal, SetArg::TCSADRAIN, mode);
        let marked = self.terminal.try_clone().map(std::fs::File::from).and_then(|mut file| file.write_all(mark));
        if let (Err(e), _) = (set, marked) {
            log::debug!("cannot set the terminal: {e}");
        }
    }
}

/// Every key at once, none shown, none a signal. What is written stays as it is: `\n` begins a new line.
fn one_by_one(before: &Termios) -> Termios {
    let mut mode = before.clone();
    mode.local_flags.remove(LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::ISIG | LocalFlags::IEXTEN);
    mode.input_flags.remove(InputFlags::IXON | InputFlags::ICRNL | InputFlags::INLCR | InputFlags::ISTRIP);
    mode.control_chars[SpecialCharacterIndices::VMIN as usize] = 1;
    mode.control_chars[SpecialCharacterIndices::VTIME as usize] = 0;
    mode
}

fn lock() -> std::sync::MutexGuard<'static, Option<Kept>> {
    RAW.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
