//! What only the terminal knows: how wide it is.

use std::os::fd::{AsRawFd, BorrowedFd};

use nix::libc::{TIOCGWINSZ, winsize};

nix::ioctl_read_bad!(
    /// Asks a terminal for its size.
    window_size,
    TIOCGWINSZ,
    winsize
);

/// Columns of the terminal behind `fd`; None where it is none or does not know.
pub fn width(fd: BorrowedFd<'_>) -> Option<usize> {
    let mut size = winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: TIOCGWINSZ writes one winsize to the pointer, which is a live, exclusive borrow of one.
    let asked = unsafe { window_size(fd.as_raw_fd(), &raw mut size) };
    asked.ok().filter(|_| size.ws_col > 0).map(|_| usize::from(size.ws_col))
}
