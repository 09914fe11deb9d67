//! Too few descriptors: the process that has them is this test binary once more, with a limit of its own.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command as Process;
use std::sync::mpsc;
use std::time::Instant;

use nix::sys::resource::{Resource, UsageWho, getrusage, setrlimit};
use nix::sys::time::TimeValLike;
use peerlink::base::Span;
use peerlink::machine::{Closed, Command, Input, Note};

use super::connections::{heard, said};
use super::script::{LONG, Script, local, start};

const CHILD: &str = "PEERLINK_TEST_FEW_DESCRIPTORS";

/// The parent calls, more often than the child has descriptors; all but a few wait, none is dropped, and the child
/// neither spins nor dies. When the first callers leave, the others are served.
#[test]
fn callers_wait_when_descriptors_run_out() {
    if std::env::var_os(CHILD).is_some() {
        return child();
    }
    let exe = std::env::current_exe().unwrap();
    let mut child = Process::new(exe)
        .args(["--exact", "exhaustion::callers_wait_when_descriptors_run_out", "--nocapture"])
        .env(CHILD, "1")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = child.stdout.take().unwrap();
    let port = read_port(&mut output);
    let mut streams: Vec<TcpStream> =
        (0..60).map(|_| TcpStream::connect(("127.0.0.1", port)).expect("a backlog with room")).collect();
    for stream in &mut streams {
        stream.set_read_timeout(Some(LONG)).unwrap();
        stream.write_all(b"x").unwrap();
    }
    // Served in the order of their calls; each leaves room for another.
    for mut stream in streams {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        assert_eq!(byte, *b"x");
    }
    child.stdin.take().unwrap().write_all(b"q").unwrap();
    let mut rest = String::new();
    output.read_to_string(&mut rest).unwrap();
    assert!(child.wait().unwrap().success(), "{rest}");
    assert!(rest.contains("dial NoDescriptor"), "{rest}");
}

/// The number behind `port ` in a line of the child's output.
fn read_port(output: &mut impl Read) -> u16 {
    let mut text = String::new();
    loop {
        let mut byte = [0];
        output.read_exact(&mut byte).expect("a port");
        text.push(char::from(byte[0]));
        if let Some(port) = text.split("port ").nth(1).and_then(|rest| rest.strip_suffix('\n')) {
            return port.parse().unwrap();
        }
    }
}

fn child() {
    let state = tempfile::tempdir().unwrap();
    let (sender, notes) = mpsc::channel();
    // Its kernel queue takes dials, so that each keeps its descriptor.
    let patient = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = patient.local_addr().unwrap();
    let machine = Script::new(move |now, input, out, wishes| match input {
        Input::Note(Note::Listening { port }) => println!("port {port}"),
        Input::Accepted { .. } => wishes.deadline = Some(now + Span::millis(200)),
        Input::Received { conn, bytes } => out.send(conn, bytes.to_vec()),
        // More dials than descriptors: those beyond fail cleanly.
        Input::Deadline => {
            wishes.deadline = None;
            for _ in 0..40 {
                let conn = out.new_conn();
                out.push(Command::Connect { conn, to });
            }
        }
        Input::Closed { reason: Closed::NoDescriptor, .. } => {
            out.tell(said("NoDescriptor"));
        }
        _ => {}
    });
    let mut options = local(state.path());
    options.conns_max = Some(1000);
    options.bind.truncate(1);
    let running = start(options, machine, sender);
    // Room for twenty more.
    let taken = std::fs::read_dir("/proc/self/fd").unwrap().count() as u64;
    setrlimit(Resource::RLIMIT_NOFILE, taken + 20, taken + 20).unwrap();
    let begin = Instant::now();
    println!("dial {}", heard(&notes));
    std::io::stdin().read_exact(&mut [0]).unwrap();
    let usage = getrusage(UsageWho::RUSAGE_SELF).unwrap();
    let micros = |time: nix::sys::time::TimeVal| time.num_microseconds();
    let busy_us = micros(usage.user_time()) + micros(usage.system_time());
    let wall_us = begin.elapsed().as_micros() as i64;
    assert!(busy_us < 300_000 + wall_us / 3, "spun: {busy_us} of {wall_us} us");
    running.stop();
}
