//! A child process: its lines of output, its end within a bounded time, and its end with the test in any case.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child as Process, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use super::PATIENCE;

/// A running program. Dropped, it is killed.
pub struct Child {
    name: String,
    process: Process,
    stdin: Option<ChildStdin>,
    /// Lines of both streams; ends when the program does.
    lines: Receiver<String>,
    seen: Vec<String>,
    patience: Duration,
}

impl Child {
    /// Starts the program; `name` is for messages.
    pub fn start(name: &str, mut command: Command) -> Child {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().unwrap_or_else(|e| panic!("cannot start {name}: {e}"));
        let (sender, lines) = channel();
        read_lines(process.stdout.take().expect("stdout is a pipe"), sender.clone());
        read_lines(process.stderr.take().expect("stderr is a pipe"), sender);
        let stdin = process.stdin.take();
        Child { name: name.into(), process, stdin, lines, seen: Vec::new(), patience: PATIENCE }
    }

    /// The same, waited for so long at most.
    pub fn with_patience(mut self, patience: Duration) -> Child {
        self.patience = patience;
        self
    }

    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Everything that was printed and waited for so far.
    pub fn seen(&self) -> &[String] {
        &self.seen
    }

    /// Reads lines until one has what is looked for.
    pub fn expect<T>(&mut self, what: &str, find: impl Fn(&str) -> Option<T>) -> T {
        let end = Instant::now() + self.patience;
        loop {
            match self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    let found = find(&line);
                    self.seen.push(line);
                    if let Some(found) = found {
                        return found;
                    }
                }
                Err(RecvTimeoutError::Timeout) => panic!("no {what} from {}\n{}", self.name, self.seen.join("\n")),
                Err(RecvTimeoutError::Disconnected) => {
                    panic!("{} ended without {what}\n{}", self.name, self.seen.join("\n"))
                }
            }
        }
    }

    /// Writes to its standard input.
    pub fn tell(&mut self, text: &str) {
        let stdin = self.stdin.as_mut().expect("not closed yet");
        stdin.write_all(text.as_bytes()).unwrap_or_else(|e| panic!("{} does not listen: {e}", self.name));
    }

    /// SIGTERM.
    pub fn terminate(&self) {
        // The shell's own: the program of that name is not everywhere.
        let sent = Command::new("sh").arg("-c").arg(format!("kill -TERM {}", self.pid())).status();
        assert!(sent.expect("there is a shell").success(), "{} is gone", self.name);
    }

    /// SIGKILL. False when it had ended by itself before.
    pub fn kill(mut self) -> bool {
        let was_running = self.process.try_wait().expect("it is our child").is_none();
        self.process.kill().expect("it is our child");
        self.process.wait().expect("it is our child");
        was_running
    }

    /// Waits for its end; gives how it ended and all its lines.
    pub fn finish(mut self) -> (ExitStatus, Vec<String>) {
        self.stdin = None;
        let end = Instant::now() + self.patience;
        loop {
            match self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) => self.seen.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("{} goes on and on\n{}", self.name, self.seen.join("\n")),
            }
        }
        let status = self.process.wait().expect("it is our child");
        (status, std::mem::take(&mut self.seen))
    }

    /// Waits for its end, which must be a good one; gives all its lines.
    pub fn succeed(self) -> Vec<String> {
        let name = self.name.clone();
        let (status, lines) = self.finish();
        assert!(status.success(), "{name}: {status}\n{}", lines.join("\n"));
        lines
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn read_lines(stream: impl Read + Send + 'static, lines: Sender<String>) {
    std::thread::spawn(move || {
        for line in BufReader::new(stream).split(b'\n') {
            let Ok(line) = line else { break };
            if lines.send(String::from_utf8_lossy(&line).trim_end().to_string()).is_err() {
                break;
            }
        }
    });
}
