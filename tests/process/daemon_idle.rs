//! A daemon with a thousand torrents that nobody wants anything of: what they cost, and how soon it answers.

use std::time::{Duration, Instant};

use super::daemon::{Daemon, number};
use super::rig::Home;

/// A complete torrent as an earlier run left it.
fn record(n: usize) -> String {
    format!(
        "{{\"name\":\"Torrent number {n} of many\",\"dir\":\"/srv/films\",\"tiers\":[[\"http://127.0.0.1:1/announce\"]],\
         \"len\":734003200,\"piece_len\":1048576,\"piece_count\":700,\"file_count\":3,\"wanted_len\":734003200,\
         \"have_len\":734003200,\"added\":1700000000,\"done\":1700000001,\"position\":{n},\"started\":true}}"
    )
}

fn home(count: usize) -> Home {
    let home = Home::new();
    for n in 0..count {
        home.write(&format!("state/daemon/{n:040x}.json"), record(n).as_bytes());
    }
    home
}

/// What it takes for itself, in KiB: the program's own pages are more in a build for tests than in one for people.
fn memory(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("a line");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// CPU time so far.
fn cpu(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
    let fields: Vec<&str> = stat.rsplit_once(") ").expect("a name").1.split(' ').collect();
    let ticks: u64 = fields[11..13].iter().map(|ticks| ticks.parse::<u64>().expect("a number")).sum();
    Duration::from_millis(ticks * 10)
}

/// The daemon with so many of them, and how long it worked until it told of all: on a busy machine, a clock would say
/// how busy it is.
fn start(home: &Home, count: usize) -> (Daemon, Duration) {
    let mut daemon = Daemon::start(home, &["--state-dir", &home.text("state")]);
    let torrents = daemon.wait_for("all there", "\"id\",\"status\"", |torrents| torrents.len() == count);
    let took = cpu(daemon.running.pid());
    assert!(torrents.iter().all(|torrent| number(torrent, "status") == 6.0), "not all of them are shared");
    (daemon, took)
}

#[test]
fn a_thousand_torrents_at_rest_cost_little() {
    let few = home(1000);
    let (daemon, ready) = start(&few, 1000);
    // Their announces are spread over 20 s, and fail at once: nobody is there.
    std::thread::sleep(Duration::from_secs(5));
    let (pid, before) = (daemon.running.pid(), Instant::now());
    let (rss, spent) = (memory(pid), cpu(pid));
    std::thread::sleep(Duration::from_secs(3));
    let share = (cpu(pid) - spent).as_secs_f64() / before.elapsed().as_secs_f64();
    daemon.end();
    let many = home(3000);
    let (daemon, _) = start(&many, 3000);
    std::thread::sleep(Duration::from_secs(5));
    let more = memory(daemon.running.pid());
    daemon.end();
    println!(
        "1000 torrents: ready after {ready:?} of work, {rss} KiB, {:.1} % of a processor; 3000: {more} KiB",
        share * 100.0
    );
    assert!(ready < Duration::from_secs(2), "ready after {ready:?} of work");
    assert!(rss <= 12 * 1024, "{rss} KiB");
    assert!(more.saturating_sub(rss) <= 2000 * 4, "{} KiB for 2000 more", more.saturating_sub(rss));
}
