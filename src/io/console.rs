//! The console thread: owns stdout and stderr of every command. Lines, results, log records and one live line go
//! in through a bounded queue and out as fast as the other side reads; nobody else ever waits for a terminal or pipe.
//!
//! **Invariants.** The thread writes only where `poll` says there is room, so a stalled stdout does not stall
//! stderr. Lines that find a full queue or buffer are dropped and counted; results are never dropped. A closed pipe
//! ends output quietly.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{ErrorKind, IsTerminal, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

mod bottom;

pub use self::bottom::Prompt;

use self::bottom::Bottom;
use super::terminal;
use crate::base::text::harmless;

/// Lines that may wait for the console thread.
const QUEUE_LINES: usize = 512;
/// Bytes that may wait for one stream that is not read; results do not count against it.
const BACKLOG_LEN: usize = 256 * 1024;
/// The same for what people and bots talk: a history comes all at once, and is worth more than a log.
const TALK_LEN: usize = 4 * 1024 * 1024;
/// A pipe that polls writable takes this much at once (PIPE_BUF).
const WRITE_LEN: usize = 4096;
/// How often the queue is looked at while a stream is stalled.
const STALLED_POLL_MS: u16 = 50;
/// Its stack needs no more.
const STACK_LEN: usize = 128 * 1024;

/// Where a line goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stream {
    /// Results.
    Out,
    /// Logs and errors.
    Err,
}

enum Item {
    Line(Stream, String),
    Result(Vec<u8>),
    Talk(String),
    Live(Option<String>),
    Prompt(Option<Prompt>),
    Redraw,
    Clear,
    End,
}

/// A handle for any thread. Cheap to clone; never waits for a terminal or pipe.
#[derive(Clone)]
pub struct Console {
    queue: Sender<Item>,
    dropped: Arc<AtomicU64>,
    /// stderr is a terminal: a live line can be shown.
    is_live: bool,
    /// stdout is one, too.
    is_joined: bool,
}

/// The running thread; [`ConsoleThread::finish`] ends it.
pub struct ConsoleThread {
    console: Console,
    thread: Option<JoinHandle<()>>,
    /// Answers once everything is written: the first write error other than a closed pipe, if there was one.
    done: Receiver<Option<String>>,
}

impl Console {
    /// One line, dropped and counted where the other side does not read. Its end of line is added here.
    pub fn line(&self, stream: Stream, text: impl Into<String>) {
        if self.queue.try_send(Item::Line(stream, text.into())).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What a command was asked for, in whole lines: never dropped. Foreign text in it was made harmless before.
    pub fn result(&self, text: impl Into<String>) {
        // The thread always empties its queue, so this waits for it at most a moment.
        let mut text: String = text.into();
        if !text.ends_with('\n') {
            text.push('\n');
        }
        self.result_bytes(text.into_bytes());
    }

    /// As [`Console::result`], for what is no text.
    pub fn result_bytes(&self, bytes: Vec<u8>) {
        let _ = self.queue.send(Item::Result(bytes));
    }

    /// A line on stdout whose foreign text was made harmless before; it may hold colours. A great many of them may
    /// come at once; where nobody reads they are dropped and counted.
    pub fn talk(&self, text: impl Into<String>) {
        let _ = self.queue.send(Item::Talk(text.into()));
    }

    /// Shows where a person writes, below everything else, or takes it away.
    pub fn prompt(&self, prompt: Option<Prompt>) {
        if self.is_joined {
            let _ = self.queue.send(Item::Prompt(prompt));
        }
    }

    /// The terminal has another size, or somebody else wrote on it.
    pub fn redraw(&self) {
        let _ = self.queue.try_send(Item::Redraw);
    }

    /// Wipes the screen, but for what is written.
    pub fn clear(&self) {
        if self.is_joined {
            let _ = self.queue.try_send(Item::Clear);
        }
    }

    /// Whether stdout and stderr are terminals: a person may write below what is shown.
    pub fn has_prompt(&self) -> bool {
        self.is_joined
    }

    /// Replaces the live line; None takes it away. Nothing happens where there is no terminal.
    pub fn live(&self, text: Option<String>) {
        if self.is_live {
            let _ = self.queue.try_send(Item::Live(text));
        }
    }

    /// Whether stderr is a terminal that shows the live line.
    pub fn is_live(&self) -> bool {
        self.is_live
    }

    /// A target for `env_logger`: whole lines go to stderr.
    pub fn log_pipe(&self) -> Box<dyn Write + Send> {
        Box::new(LogPipe { console: self.clone(), text: Vec::new() })
    }
}

impl ConsoleThread {
    /// Starts the thread on this process's stdout and stderr.
    ///
    /// # Errors
    /// When the process has no thread or descriptor left.
    pub fn start() -> std::io::Result<ConsoleThread> {
        let out = std::io::stdout().as_fd().try_clone_to_owned();
        let err = std::io::stderr().as_fd().try_clone_to_owned();
        ConsoleThread::start_on(out.ok(), err.ok())
    }

    /// Starts the thread on these streams; a missing one swallows its lines.
    ///
    /// # Errors
    /// When the process has no thread left.
    pub fn start_on(out: Option<OwnedFd>, err: Option<OwnedFd>) -> std::io::Result<ConsoleThread> {
        let (queue, items) = bounded(QUEUE_LINES);
        let (tell_done, done) = bounded(1);
        let dropped = Arc::new(AtomicU64::new(0));
        let mut writer = Writer::new(out, err, dropped.clone());
        let (is_live, is_joined) = (writer.bottom.is_on, writer.is_joined);
        let console = Console { queue, dropped, is_live, is_joined };
        let thread = std::thread::Builder::new().name("console".into()).stack_size(STACK_LEN).spawn(move || {
            writer.run(&items);
            let _ = tell_done.send(writer.error.take());
        })?;
        Ok(ConsoleThread { console, thread: Some(thread), done })
    }

    /// A handle to write with.
    pub fn console(&self) -> Console {
        self.console.clone()
    }

    /// Waits until everything is written, for at most `patience`; None waits as long as the reader takes.
    ///
    /// # Errors
    /// The first write error other than a closed pipe, for people.
    pub fn finish(mut self, patience: Option<Duration>) -> Result<(), String> {
        let patience = patience.unwrap_or(Duration::MAX);
        if self.console.queue.send_timeout(Item::End, patience).is_err() {
            return Ok(());
        }
        let Ok(error) = self.done.recv_timeout(patience) else { return Ok(()) };
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        error.map_or(Ok(()), Err)
    }
}

/// Cuts what `env_logger` writes into lines.
struct LogPipe {
    console: Console,
    text: Vec<u8>,
}

impl Write for LogPipe {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.text.extend_from_slice(bytes);
        while let Some(end) = self.text.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.text.drain(..=end).collect();
            self.console.line(Stream::Err, String::from_utf8_lossy(&line[..end]));
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// One stream and what waits for it.
struct Port {
    file: Option<File>,
    waiting: VecDeque<u8>,
}

/// The thread's state.
struct Writer {
    /// stdout and stderr.
    ports: [Port; 2],
    /// Both are terminals, so order between them matters: all goes through the second port.
    is_joined: bool,
    bottom: Bottom,
    dropped: Arc<AtomicU64>,
    error: Option<String>,
}

impl Writer {
    fn new(out: Option<OwnedFd>, err: Option<OwnedFd>, dropped: Arc<AtomicU64>) -> Writer {
        let is_terminal = |fd: &Option<OwnedFd>| fd.as_ref().is_some_and(OwnedFd::is_terminal);
        let (out_is_terminal, err_is_terminal) = (is_terminal(&out), is_terminal(&err));
        let port = |fd: Option<OwnedFd>| Port { file: fd.map(File::from), waiting: VecDeque::new() };
        Writer {
            ports: [port(out), port(err)],
            is_joined: out_is_terminal && err_is_terminal,
            bottom: Bottom::new(err_is_terminal),
            dropped,
            error: None,
        }
    }

    fn run(&mut self, items: &Receiver<Item>) {
        let mut is_ending = false;
        while !is_ending || self.is_waiting() {
            if !self.is_waiting() {
                let Ok(item) = items.recv() else { return };
                is_ending |= self.apply(item);
            }
            while let Ok(item) = items.try_recv() {
                is_ending |= self.apply(item);
            }
            self.own_up();
            self.draw();
            self.flush();
        }
    }

    fn is_waiting(&self) -> bool {
        self.ports.iter().any(|port| !port.waiting.is_empty())
    }

    /// Takes one item in; true for the end.
    fn apply(&mut self, item: Item) -> bool {
        match item {
            Item::Line(stream, text) => self.queue(stream, (harmless(&text) + "\n").as_bytes(), false),
            Item::Result(bytes) => self.queue(Stream::Out, &bytes, true),
            Item::Talk(text) => self.queue_up_to(TALK_LEN, Stream::Out, (text + "\n").as_bytes()),
            Item::Live(text) => {
                if text.is_none() {
                    self.erase();
                }
                self.bottom.show_live(text.as_deref().map(harmless));
            }
            Item::Prompt(prompt) => {
                if prompt.is_none() {
                    self.erase();
                }
                self.bottom.show_prompt(prompt);
            }
            Item::Redraw => self.erase(),
            Item::Clear => {
                self.erase();
                self.ports[1].waiting.extend(b"\x1b[H\x1b[2J");
            }
            Item::End => {
                self.erase();
                self.bottom.end();
                return true;
            }
        }
        false
    }

    fn queue(&mut self, stream: Stream, bytes: &[u8], must_keep: bool) {
        self.queue_up_to(if must_keep { usize::MAX } else { BACKLOG_LEN }, stream, bytes);
    }

    /// Queues unless more than `len_max` bytes would wait.
    fn queue_up_to(&mut self, len_max: usize, stream: Stream, bytes: &[u8]) {
        self.erase();
        let port = &mut self.ports[if self.is_joined || stream == Stream::Err { 1 } else { 0 }];
        if port.waiting.len() + bytes.len() > len_max {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        } else if port.file.is_some() {
            port.waiting.extend(bytes);
        }
    }

    /// Takes the live line and the prompt off the screen.
    fn erase(&mut self) {
        if self.bottom.is_drawn() {
            let width = self.width();
            self.ports[1].waiting.extend(self.bottom.erase(width));
        }
    }

    /// Puts them on the screen if there is room for them at once.
    fn draw(&mut self) {
        if self.bottom.wants_drawing() && self.ports[1].waiting.len() <= WRITE_LEN {
            let width = self.width();
            self.ports[1].waiting.extend(self.bottom.draw(width));
        }
    }

    fn width(&self) -> usize {
        self.ports[1].file.as_ref().and_then(|file| terminal::width(file.as_fd())).unwrap_or(80)
    }

    /// Says how many lines were lost, once there is room again.
    fn own_up(&mut self) {
        if self.ports[1].waiting.len() < WRITE_LEN {
            let count = self.dropped.swap(0, Ordering::Relaxed);
            if count > 0 {
                self.queue(
                    Stream::Err,
                    format!("({count} lines were dropped: nobody read them in time)\n").as_bytes(),
                    true,
                );
            }
        }
    }

    /// Writes what the streams take now; then waits a moment for room if one of them is stalled.
    fn flush(&mut self) {
        for port in &mut self.ports {
            while port.is_writable(0) {
                port.write(&mut self.error);
            }
        }
        // One stream is enough to wait on: the other is looked at again after 50 ms at the latest.
        if let Some(port) = self.ports.iter().find(|port| !port.waiting.is_empty()) {
            port.is_writable(STALLED_POLL_MS);
        }
    }
}

impl Port {
    fn is_writable(&self, wait_ms: u16) -> bool {
        let Some(file) = self.file.as_ref().filter(|_| !self.waiting.is_empty()) else { return false };
        let mut fds = [PollFd::new(file.as_fd(), PollFlags::POLLOUT)];
        // An error counts as room: the write that follows tells what it is.
        poll(&mut fds, PollTimeout::from(wait_ms)).is_ok_and(|count| count > 0)
    }

    fn write(&mut self, error: &mut Option<String>) {
        let Some(file) = &mut self.file else { return };
        let (head, _) = self.waiting.as_slices();
        match file.write(&head[..head.len().min(WRITE_LEN)]) {
            Ok(count) => drop(self.waiting.drain(..count)),
            Err(e) if matches!(e.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock) => {}
            Err(e) => {
                if e.kind() != ErrorKind::BrokenPipe {
                    error.get_or_insert_with(|| format!("cannot write output: {e}"));
                }
                self.file = None;
                self.waiting.clear();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn read_all(mut pipe: std::io::PipeReader) -> String {
        let mut text = String::new();
        pipe.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn lines_and_results_reach_their_streams_in_order() {
        let (out, out_end) = std::io::pipe().unwrap();
        let (err, err_end) = std::io::pipe().unwrap();
        let thread = ConsoleThread::start_on(Some(out_end.into()), Some(err_end.into())).unwrap();
        let console = thread.console();
        console.line(Stream::Out, "one");
        console.line(Stream::Err, "bad \x1b[2J name");
        console.live(Some("never seen".into()));
        console.result("two\nthree\n");
        thread.finish(None).unwrap();
        assert_eq!(read_all(out), "one\ntwo\nthree\n");
        assert_eq!(read_all(err), "bad \u{fffd}[2J name\n");
    }

    #[test]
    fn a_pipe_that_nobody_reads_stalls_neither_the_sender_nor_the_other_stream_nor_the_end() {
        let (_out, out_end) = std::io::pipe().unwrap();
        let (err, err_end) = std::io::pipe().unwrap();
        let thread = ConsoleThread::start_on(Some(out_end.into()), Some(err_end.into())).unwrap();
        let console = thread.console();
        for _ in 0..100 {
            console.result("x".repeat(10_000));
        }
        for _ in 0..10_000 {
            console.line(Stream::Out, "y".repeat(1_000));
        }
        console.result("");
        console.line(Stream::Err, "still here");
        thread.finish(Some(Duration::from_millis(300))).unwrap();
        let mut text = [0; 4096];
        let mut err = err;
        let len = err.read(&mut text).unwrap();
        assert!(String::from_utf8_lossy(&text[..len]).contains("dropped"));
    }

    #[test]
    fn a_closed_pipe_is_no_error_and_a_full_disk_is() {
        let (out, out_end) = std::io::pipe().unwrap();
        drop(out);
        let thread = ConsoleThread::start_on(Some(out_end.into()), None).unwrap();
        thread.console().result("x");
        thread.finish(None).unwrap();
        let full = File::options().write(true).open("/dev/full").unwrap();
        let thread = ConsoleThread::start_on(Some(full.into()), None).unwrap();
        thread.console().result("x");
        assert!(thread.finish(None).is_err());
    }

    #[test]
    fn log_lines_are_put_together() {
        let (err, err_end) = std::io::pipe().unwrap();
        let thread = ConsoleThread::start_on(None, Some(err_end.into())).unwrap();
        let mut pipe = thread.console().log_pipe();
        pipe.write_all(b"first ").unwrap();
        pipe.write_all(b"line\nsecond\n").unwrap();
        drop(pipe);
        thread.finish(None).unwrap();
        assert_eq!(read_all(err), "first line\nsecond\n");
    }

    #[test]
    fn on_a_terminal_the_live_line_stays_below_the_others() {
        let size = nix::pty::Winsize { ws_row: 24, ws_col: 10, ws_xpixel: 0, ws_ypixel: 0 };
        let pty = nix::pty::openpty(&size, None).unwrap();
        let screen = pty.slave.try_clone().unwrap();
        let thread = ConsoleThread::start_on(Some(pty.slave), Some(screen)).unwrap();
        let console = thread.console();
        assert!(console.is_live());
        let mut shown = File::from(pty.master);
        let mut text = String::new();
        let mut read_until = |end: &str| {
            while !text.ends_with(end) {
                let mut bytes = [0; 256];
                let count = shown.read(&mut bytes).unwrap();
                text += std::str::from_utf8(&bytes[..count]).unwrap();
            }
        };
        console.live(Some("12345678901234".into()));
        read_until("\r12345678…\x1b[K");
        console.line(Stream::Out, "result");
        read_until("\r\x1b[Kresult\r\n\r12345678…\x1b[K");
        console.line(Stream::Err, "log");
        read_until("\r\x1b[Klog\r\n\r12345678…\x1b[K");
        console.live(None);
        read_until("\r\x1b[K");
        thread.finish(None).unwrap();
    }

    #[test]
    fn a_line_that_comes_with_a_newer_live_line_erases_the_older_one() {
        let pty = nix::pty::openpty(None, None).unwrap();
        let screen = pty.slave.try_clone().unwrap();
        let mut writer = Writer::new(Some(pty.slave), Some(screen), Arc::default());
        writer.apply(Item::Live(Some("old".into())));
        writer.draw();
        writer.ports[1].waiting.clear();
        // Both wait in the queue: the newer live line is never drawn.
        writer.apply(Item::Live(Some("new".into())));
        writer.apply(Item::Line(Stream::Out, "result".into()));
        assert_eq!(Vec::from(writer.ports[1].waiting.clone()), b"\r\x1b[Kresult\n");
    }
}
