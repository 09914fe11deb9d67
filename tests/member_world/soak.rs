//! Many members in groups of one server that is killed again and again: nothing that was acknowledged is lost, doubled
//! or out of order, everybody is back soon, and not all at one moment.
//!
//! The members are the real machine on the real loop, all in this process; the server is the binary.
//! `PEERLINK_SOAK_S` (default 24) says how long they talk, `PEERLINK_SOAK_KILL_S` (default 8) how often the server dies;
//! `scripts/soak` runs five minutes with a kill every 20 seconds.

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use peerlink::base::{ConnId, JobId, Pool, Span, Time};
use peerlink::io::reactor::{Ended, Next, Options, Reactor};
use peerlink::machine::{ChatAsk, ChatNews, Command as Order, Input, Machine, Note, Outbox};
use peerlink::member::Member;

use crate::judge::{self, Log, MEMBERS, group_of};
use crate::kit::peerlink as binary;

/// Everybody is back by then.
const BACK: Duration = Duration::from_secs(10);
/// After the last word, all that was said is to be acknowledged and heard within this time.
const SETTLE: Span = Span::secs(40);

/// All members as one machine.
struct Crowd {
    members: Vec<Member>,
    logs: Vec<Log>,
    owners: BTreeMap<ConnId, usize>,
    jobs: BTreeMap<JobId, usize>,
    rng: fastrand::Rng,
    next_word: Time,
    /// Nobody says anything after that.
    last_word: Time,
    /// When each dialled last, as it had planned: a machine under load is late, and then many are at once.
    dialled: Vec<Time>,
    /// Who was back when, and after which dial.
    back: Vec<(usize, Instant, Time)>,
    is_stopped: bool,
}

impl Crowd {
    fn new(port: u16, talk: Span) -> Crowd {
        Crowd {
            members: (0..MEMBERS).map(|at| judge::member(at, port)).collect(),
            logs: (0..MEMBERS).map(|_| Log::default()).collect(),
            owners: BTreeMap::new(),
            jobs: BTreeMap::new(),
            rng: fastrand::Rng::with_seed(5),
            next_word: Time(1_000_000),
            last_word: Time::ZERO + talk,
            dialled: vec![Time::ZERO; MEMBERS],
            back: Vec::new(),
            is_stopped: false,
        }
    }

    /// Lets one member do something, and takes note of what came out.
    fn hand(&mut self, at: usize, now: Time, input: Input<'_>, out: &mut Outbox) {
        let before = out.commands.len();
        let planned = self.members[at].next_deadline().filter(|_| matches!(input, Input::Deadline));
        self.members[at].handle(now, input, out);
        self.members[at].check();
        let mut kept = Vec::new();
        for order in out.commands.drain(before..) {
            match order {
                Order::Connect { conn, to } => {
                    self.owners.insert(conn, at);
                    self.dialled[at] = planned.unwrap_or(now);
                    kept.push(Order::Connect { conn, to });
                }
                Order::Close { conn } => {
                    self.owners.remove(&conn);
                    kept.push(Order::Close { conn });
                }
                Order::Tell(Note::News(news)) => self.news(at, *news),
                other => {
                    if let Order::Job(job) = &other {
                        job.id().into_iter().for_each(|id| _ = self.jobs.insert(id, at));
                    }
                    kept.push(other);
                }
            }
        }
        out.commands.extend(kept);
    }

    fn news(&mut self, at: usize, news: ChatNews) {
        if self.logs[at].hear(at, news) {
            self.back.push((at, Instant::now(), self.dialled[at]));
        }
    }

    fn speak(&mut self, now: Time, out: &mut Outbox) {
        let at = self.rng.usize(..MEMBERS);
        let ask = self.logs[at].speak(at);
        self.hand(at, now, Input::Note(Note::Ask(Box::new(ask))), out);
        self.next_word = now + Span::millis(self.rng.u64(5..30));
    }
}

impl Machine for Crowd {
    fn handle(&mut self, now: Time, input: Input<'_>, out: &mut Outbox) {
        let owner = |conn: &ConnId| self.owners.get(conn).copied();
        match &input {
            Input::Note(Note::Listening { port }) => {
                for at in 0..MEMBERS {
                    let join = ChatAsk::Join { group: group_of(at), key: None };
                    self.hand(at, now, Input::Note(Note::Ask(Box::new(join))), out);
                    self.hand(at, now, Input::Note(Note::Listening { port: *port }), out);
                }
            }
            Input::Connected { conn } | Input::Received { conn, .. } => {
                if let Some(at) = owner(conn) {
                    self.hand(at, now, input, out);
                }
            }
            Input::Closed { conn, .. } => {
                if let Some(at) = self.owners.remove(conn) {
                    self.hand(at, now, input, out);
                }
            }
            Input::Completed(completion) => {
                if let Some(at) = completion.id().and_then(|id| self.jobs.remove(&id)) {
                    self.hand(at, now, input, out);
                }
            }
            Input::Deadline => {
                for at in 0..MEMBERS {
                    if self.members[at].next_deadline().is_some_and(|due| due <= now) {
                        self.hand(at, now, Input::Deadline, out);
                    }
                }
                let all_came = self.logs.iter().all(|log| log.is_there);
                if now >= self.next_word && now < self.last_word && (all_came || self.logs[0].said > 0) {
                    self.speak(now, out);
                } else if now >= self.next_word {
                    self.next_word = now + Span::millis(50);
                }
                if now >= self.last_word && (judge::is_settled(&self.logs) || now >= self.last_word + SETTLE) {
                    out.tell(Note::Banned); // Any note: the listener ends the run.
                }
            }
            Input::Stop => {
                (0..MEMBERS).for_each(|at| self.hand(at, now, Input::Stop, out));
                self.is_stopped = true;
                out.tell(Note::Stopped);
            }
            _ => {}
        }
    }

    fn next_deadline(&self) -> Option<Time> {
        if self.is_stopped {
            return None;
        }
        self.members.iter().filter_map(Member::next_deadline).chain([self.next_word]).min()
    }

    fn appetite(&self, conn: ConnId, pool: &Pool) -> usize {
        self.owners.get(&conn).map_or(1 << 16, |at| self.members[*at].appetite(conn, pool))
    }
}

/// The server, on a port that stays.
fn start_server(port: u16, state: &std::path::Path) -> Child {
    let mut command = Command::new(binary::binary());
    command.args(["serve", "--bind", &format!("127.0.0.1:{port}"), "--flood", "0", "--quiet"]);
    command.arg("--state-dir").arg(state).env("HOME", state);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command.spawn().expect("the binary starts")
}

fn seconds(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
fn nothing_acknowledged_is_lost_doubled_or_out_of_order_though_the_server_dies() {
    let (talk, every) = (seconds("PEERLINK_SOAK_S", 24), seconds("PEERLINK_SOAK_KILL_S", 8));
    let folder = binary::folder();
    let state = folder.path().join("server");
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = free.local_addr().expect("its address").port();
    drop(free);
    let over = Arc::new(AtomicBool::new(false));
    let deaths: Arc<Mutex<Vec<Instant>>> = Arc::default();
    let killer = thread::spawn({
        let (over, deaths, state) = (over.clone(), deaths.clone(), state.clone());
        move || {
            let mut server = start_server(port, &state);
            let begun = Instant::now();
            let mut next = Duration::from_secs(every);
            while !over.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_millis(20));
                if begun.elapsed() >= next && next < Duration::from_secs(talk) {
                    next += Duration::from_secs(every);
                    server.kill().expect("our child");
                    server.wait().expect("our child");
                    deaths.lock().expect("no panic").push(Instant::now());
                    server = start_server(port, &state);
                }
                if let Some(status) = server.try_wait().expect("our child") {
                    over.store(true, Ordering::Relaxed);
                    panic!("the server ended by itself: {status}");
                }
            }
            let _ = server.kill();
            let _ = server.wait();
        }
    });
    let mut options = Options::new(folder.path().join("members"));
    options.bind = vec![[127, 0, 0, 1].into()];
    options.port = Some(0);
    options.seed = fastrand::u64(..);
    let reactor = Reactor::new(options).expect("a loop");
    let mut crowd = Crowd::new(port, Span::secs(talk));
    let stop = over.clone();
    let ended = reactor.run(&mut crowd, &mut |note| {
        let is_over = matches!(note, Note::Banned) || stop.load(Ordering::Relaxed);
        if is_over { Next::Stop } else { Next::Go }
    });
    over.store(true, Ordering::Relaxed);
    killer.join().expect("the server did not end by itself");
    assert_eq!(ended.expect("the loop"), Ended::Saved);
    let total = judge::judge(&crowd.logs);
    let deaths = deaths.lock().expect("no panic").clone();
    let (slowest, densest) = returns(&deaths, &crowd.back);
    println!(
        "{total} messages of {MEMBERS} members, {} kills: all back within {slowest:?}, at most {densest} dials within 100 ms",
        deaths.len()
    );
    assert!(total > 100 && !deaths.is_empty());
    assert!(slowest <= BACK, "somebody needed {slowest:?}");
    assert!(densest * 5 <= MEMBERS, "{densest} dialled within 100 ms");
}

/// The longest that anybody was away, and the most whose dials lay within 100 ms of each other.
fn returns(deaths: &[Instant], back: &[(usize, Instant, Time)]) -> (Duration, usize) {
    let (mut slowest, mut densest) = (Duration::ZERO, 0);
    for (number, death) in deaths.iter().enumerate() {
        let end = deaths.get(number + 1);
        let is_after = |at: &Instant| at > death && end.is_none_or(|end| at < end);
        let mut firsts: BTreeMap<usize, (Instant, Time)> = BTreeMap::new();
        for (at, moment, dialled) in back.iter().filter(|(_, moment, _)| is_after(moment)) {
            firsts.entry(*at).or_insert((*moment, *dialled));
        }
        assert_eq!(firsts.len(), MEMBERS, "everybody came back after kill {number}");
        let latest = firsts.values().map(|(moment, _)| moment.duration_since(*death)).max();
        slowest = slowest.max(latest.unwrap_or_default());
        densest = densest.max(judge::densest(firsts.values().map(|(_, dialled)| *dialled).collect()));
    }
    (slowest, densest)
}
