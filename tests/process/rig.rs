//! Runs the binary in a folder of its own, with deadlines.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

/// No run of these tests takes nearly as long.
const DEADLINE: Duration = Duration::from_secs(60);

/// A folder that goes away, with a HOME inside.
pub struct Home {
    dir: tempfile::TempDir,
}

/// How a run ended.
#[derive(Debug)]
pub struct Ended {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ended {
    /// Exactly one line on stderr.
    pub fn one_line(&self) -> &str {
        let line = self.err.strip_suffix('\n').unwrap_or(&self.err);
        assert!(!line.contains('\n') && line.starts_with("peerlink: ") && line.len() > 20, "stderr: {:?}", self.err);
        line
    }

    /// The exit code is this one.
    pub fn expect(self, code: i32) -> Ended {
        assert_eq!(self.code, code, "stdout: {}\nstderr: {}", self.out, self.err);
        self
    }
}

impl Home {
    pub fn new() -> Home {
        Home { dir: tempfile::tempdir().expect("a temporary folder") }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The same for arguments.
    pub fn text(&self, name: &str) -> String {
        self.path(name).to_str().expect("UTF-8").to_string()
    }

    /// Writes a file and its folders.
    pub fn write(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("below the home")).expect("a folder");
        std::fs::write(&path, bytes).expect("a file");
        self.text(name)
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    /// The binary, with nothing of the caller's surroundings.
    pub fn command(&self, args: &[&str]) -> Command {
        let binary = env!("CARGO_BIN_EXE_peerlink");
        let mut command = if interrupts_are_ignored() {
            let mut command = Command::new("env");
            command.arg("--default-signal=INT").arg(binary);
            command
        } else {
            Command::new(binary)
        };
        command.env_clear().env("HOME", self.dir.path()).env("PATH", std::env::var_os("PATH").unwrap_or_default());
        // Nothing here may ask nodes of the real DHT.
        command.env("PEERLINK_NO_DHT", "true").env("PEERLINK_NO_LSD", "true");
        command.env("PEERLINK_NO_PORT_MAP", "true");
        command.current_dir(self.dir.path()).args(args).stdin(Stdio::null());
        command
    }

    /// Runs to the end.
    pub fn run(&self, args: &[&str]) -> Ended {
        finish(self.command(args), b"")
    }

    /// Runs to the end with these bytes on stdin.
    pub fn run_with_stdin(&self, args: &[&str], stdin: &[u8]) -> Ended {
        finish(self.command(args), stdin)
    }

    /// Starts; the lines of stdout are read as they come.
    pub fn start(&self, args: &[&str]) -> Running {
        Running::start(self.command(args))
    }

    /// The same, with a standard input for [`Running::says`].
    pub fn start_to_talk(&self, args: &[&str]) -> Running {
        let mut command = self.command(args);
        command.stdin(Stdio::piped());
        Running::start(command)
    }
}

/// A background job of a shell ignores SIGINT, and its children inherit that.
fn interrupts_are_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 2 != 0)
}

/// Runs any command to its end.
pub fn finish(mut command: Command, stdin: &[u8]) -> Ended {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary starts");
    let mut pipe = child.stdin.take().expect("piped");
    let stdin = stdin.to_vec();
    thread::spawn(move || drop(pipe.write_all(&stdin)));
    let out = collect(child.stdout.take().expect("piped"));
    let err = collect(child.stderr.take().expect("piped"));
    let code = wait(&mut child);
    Ended { code, out: out.recv().expect("read"), err: err.recv().expect("read") }
}

fn collect(mut pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (tell, told) = channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = pipe.read_to_end(&mut bytes);
        let _ = tell.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    told
}

/// Waits; a process that overstays is killed, and the test fails.
fn wait(child: &mut Child) -> i32 {
    let pid = child.id();
    let (tell_end, ended) = channel::<()>();
    let watch = thread::spawn(move || {
        if ended.recv_timeout(DEADLINE).is_err() {
            signal(pid, "KILL");
            return true;
        }
        false
    });
    let status = child.wait().expect("our child");
    let _ = tell_end.send(());
    assert!(!watch.join().expect("the watch"), "the process did not end within {DEADLINE:?}");
    use std::os::unix::process::ExitStatusExt;
    status.code().unwrap_or_else(|| 1000 + status.signal().unwrap_or(0))
}

/// Sends a signal to a process of ours.
pub fn signal(pid: u32, name: &str) {
    let sent = Command::new("kill").args(["-s", name, &pid.to_string()]).status();
    assert!(sent.expect("the kill program").success(), "cannot send {name} to {pid}");
}

/// A process whose stdout is read line by line.
pub struct Running {
    child: Child,
    lines: Receiver<String>,
    err: Receiver<String>,
    seen: Vec<String>,
}

impl Running {
    /// Starts a command; the lines of stdout are read as they come.
    pub fn start(mut command: Command) -> Running {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary starts");
        let out = child.stdout.take().expect("piped");
        let err = collect(child.stderr.take().expect("piped"));
        let (tell, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                let _ = tell.send(line);
            }
        });
        Running { child, lines, err, seen: Vec::new() }
    }

    /// Writes a line to its standard input.
    pub fn says(&mut self, line: &str) {
        let stdin = self.child.stdin.as_mut().expect("started to talk");
        stdin.write_all(format!("{line}\n").as_bytes()).expect("it reads");
    }

    /// Ends its standard input.
    pub fn says_no_more(&mut self) {
        self.child.stdin = None;
    }

    /// The next line that has this in it; what stands after it.
    pub fn line_after(&mut self, part: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(DEADLINE);
            let Ok(line) = line else {
                signal(self.child.id(), "KILL");
                let err = self.err.recv_timeout(DEADLINE).unwrap_or_default();
                panic!("no line with {part:?}; stdout: {:?}; stderr: {err}", self.seen);
            };
            self.seen.push(line.clone());
            if let Some((_, rest)) = line.split_once(part) {
                return rest.to_string();
            }
        }
    }

    /// The port it says it listens on; asked for with `-p 0`.
    pub fn port(&mut self) -> u16 {
        self.line_after("listening on port ").trim().parse().expect("a port")
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }

    pub fn wait(mut self) -> Ended {
        let code = wait(&mut self.child);
        let err = self.err.recv_timeout(DEADLINE).expect("read");
        self.seen.extend(self.lines.iter());
        Ended { code, out: self.seen.join("\n"), err }
    }
}

/// No process outlives its test.
impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Bytes that repeat nowhere soon.
pub fn payload(len: usize, seed: u64) -> Vec<u8> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut bytes = vec![0; len];
    rng.fill(&mut bytes);
    bytes
}

/// Files below a folder, with their bytes.
pub fn files_below(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![dir.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(dir).expect("below").to_string_lossy().into_owned();
                found.push((name, std::fs::read(&path).expect("a file")));
            }
        }
    }
    found.sort();
    found
}
