//! The keyboard thread: what comes from standard input goes into the loop, as it is typed or line by line.

use std::io::{ErrorKind, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use super::reactor::Handle;
use crate::machine::{Note, Own};

/// Bytes taken at once, and longest line of a script.
const READ_LEN: usize = 4096;
const LINE_LEN: usize = 64 * 1024;
/// A script is not read on while so many of its lines wait for something.
const LINES_AHEAD: usize = 256;
/// While the loop has no room for more.
const RETRY: Duration = Duration::from_millis(5);
const STACK_LEN: usize = 64 * 1024;

/// What comes from standard input; goes to the listener of the loop as [`Note::Own`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Typed {
    /// What a terminal sends.
    Bytes(Vec<u8>),
    /// A line, without its end; cut where it is too long.
    Line(String),
    /// Nothing more comes.
    End,
}

/// Reads standard input until its end. With `as_lines` it is a script, else a terminal in raw mode. `waiting` counts
/// the lines of a script that wait for something: at some point it is not read on.
///
/// # Errors
/// When there is no thread to be had.
pub fn start(handle: Handle, as_lines: bool, waiting: Arc<AtomicUsize>) -> std::io::Result<()> {
    let read = move || {
        let mut stdin = std::io::stdin().lock();
        if as_lines {
            read_lines(&mut stdin, &handle, &waiting)
        } else {
            read_bytes(&mut stdin, &handle)
        }
        tell(&handle, Typed::End);
    };
    thread::Builder::new().name("keyboard".into()).stack_size(STACK_LEN).spawn(read).map(drop)
}

/// Waits for room in the loop; false when that has ended.
fn tell(handle: &Handle, typed: Typed) -> bool {
    let mut note = Note::Own(Own::new(typed));
    while let Err(back) = handle.try_note(note) {
        if handle.is_over() {
            return false;
        }
        note = back;
        thread::sleep(RETRY);
    }
    true
}

fn read_bytes(stdin: &mut impl Read, handle: &Handle) {
    let mut bytes = [0; READ_LEN];
    loop {
        match stdin.read(&mut bytes) {
            Ok(0) => return,
            Ok(count) if !tell(handle, Typed::Bytes(bytes[..count].to_vec())) => return,
            Ok(_) => {}
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

fn read_lines(stdin: &mut impl Read, handle: &Handle, waiting: &AtomicUsize) {
    let mut bytes = [0; READ_LEN];
    let mut line = Vec::new();
    loop {
        let count = match stdin.read(&mut bytes) {
            Ok(0) => break,
            Ok(count) => count,
            Err(e) if e.kind() == ErrorKind::Interrupted => continue,
            Err(_) => break,
        };
        for &byte in &bytes[..count] {
            if byte != b'\n' {
                if line.len() < LINE_LEN {
                    line.push(byte);
                }
                continue;
            }
            while waiting.load(Ordering::Relaxed) >= LINES_AHEAD && !handle.is_over() {
                thread::sleep(RETRY);
            }
            if !tell(handle, text(&mut line)) {
                return;
            }
        }
    }
    if !line.is_empty() {
        tell(handle, text(&mut line));
    }
}

fn text(line: &mut Vec<u8>) -> Typed {
    let text = String::from_utf8_lossy(line).trim_end_matches('\r').to_string();
    line.clear();
    Typed::Line(text)
}
