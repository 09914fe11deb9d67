//! Few descriptors and many callers: the download goes on, and the processor has little to do.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ::peerlink::base::{InfoHash, PeerId};
use ::peerlink::wire::handshake::Handshake;
use sha1::{Digest, Sha1};

use crate::kit::child::Child;
use crate::kit::payload::Payload;
use crate::kit::peerlink::{self, Event, binary};
use crate::kit::seed::Seed;

const DESCRIPTORS: u32 = 64;
const CALLERS: usize = 200;
const LEN: u64 = 10 << 20;
/// So the download takes ten seconds.
const RATE: u64 = 1 << 20;
/// Of one core.
const CPU_PERCENT_MAX: f64 = 10.0;

/// Peers that want everything and have nothing: they dial, greet, stay as long as they may, and dial again at once.
/// Every other one does not even greet.
struct Crowd {
    is_over: Arc<AtomicBool>,
    calls: Arc<AtomicU64>,
    threads: Vec<std::thread::JoinHandle<()>>,
}

impl Crowd {
    fn new(count: usize, to: SocketAddr, info_hash: InfoHash) -> Crowd {
        let (is_over, calls) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let caller = |number: usize| {
            let (is_over, calls) = (is_over.clone(), calls.clone());
            let mut peer_id = [0; 20];
            peer_id[..8].copy_from_slice(&(number as u64 + 1).to_be_bytes());
            // No extensions, and interested.
            let ours = Handshake { reserved: [0; 8], info_hash, peer_id: PeerId(peer_id) };
            let hello = [&ours.to_bytes()[..], &[0, 0, 0, 1, 2]].concat();
            let call = move || {
                while !is_over.load(Ordering::Acquire) {
                    let Ok(mut stream) = TcpStream::connect(to) else { return };
                    calls.fetch_add(1, Ordering::AcqRel);
                    let greeting: &[u8] = if number.is_multiple_of(2) { &hello } else { &[] };
                    let greeted = stream.write_all(greeting);
                    let mut rest = [0; 4096];
                    while greeted.is_ok() && matches!(stream.read(&mut rest), Ok(len) if len > 0) {}
                }
            };
            std::thread::Builder::new().stack_size(128 * 1024).spawn(call).expect("a thread")
        };
        let threads = (0..count).map(caller).collect();
        Crowd { is_over, calls, threads }
    }

    /// How often they dialled.
    fn end(self) -> u64 {
        self.is_over.store(true, Ordering::Release);
        self.threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
        self.calls.load(Ordering::Acquire)
    }
}

/// Processor time that a process of ours has used.
fn cpu_time(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("it was not waited for");
    let fields: Vec<&str> = stat.rsplit_once(") ").expect("a name in brackets").1.split(' ').collect();
    let ticks: u64 = fields[11..13].iter().map(|field| field.parse::<u64>().expect("a number")).sum();
    // The kernel tells hundredths of a second to everybody.
    Duration::from_millis(ticks * 10)
}

/// The same command in a shell that allows it few descriptors.
fn with_few_descriptors(command: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(format!("ulimit -n {DESCRIPTORS}; exec \"$@\"")).arg("sh").arg(binary());
    shell.args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell
}

#[test]
fn two_hundred_callers_and_64_descriptors() {
    let folder = peerlink::folder();
    let (dir, state) = (folder.path().join("data"), folder.path().join("state"));
    let payload = Payload::single("few.bin", LEN, 256 << 10);
    let torrent = payload.write_torrent(folder.path(), "few", None);
    let seed = Seed::with(std::slice::from_ref(&payload), Some(RATE), || {});
    let mut child =
        Child::start("peerlink get", with_few_descriptors(&peerlink::get(&[torrent], &dir, &state, &[seed.address])));
    let begin = Instant::now();
    let port = child.expect("port", |line| Event::of(line, "listening").map(|event| event.number("port")));
    let address = SocketAddr::from(([127, 0, 0, 1], port as u16));
    let crowd = Crowd::new(CALLERS, address, InfoHash(Sha1::digest(payload.info()).into()));
    child.expect("completion", |line| Event::of(line, "complete").map(drop));
    let (used, took) = (cpu_time(child.pid()), begin.elapsed());
    child.succeed();
    let calls = crowd.end();
    payload.check_files(&dir);
    let percent = 100.0 * used.as_secs_f64() / took.as_secs_f64();
    println!("{calls} calls, {took:.1?}, {percent:.1} % of a core");
    assert!(percent <= CPU_PERCENT_MAX, "{percent:.1} % of a core");
}
