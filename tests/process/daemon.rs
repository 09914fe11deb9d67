//! `peerlink daemon` and the commands that drive it: torrents come, are downloaded, outlive restarts and kills, and go.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use miniserde::json::{self, Object, Value};

use super::index::torrent;
use super::rig::{Home, Running, payload};
use super::serve::serve;

/// Longest that anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// A daemon under test.
pub struct Daemon {
    pub running: Running,
    pub rpc: u16,
    session: String,
}

impl Daemon {
    /// Starts one with its downloads in `dl`.
    pub fn start(home: &Home, more: &[&str]) -> Daemon {
        Daemon::start_with(home, more, |command| command)
    }

    /// The same, with something of its command changed.
    pub fn start_with(home: &Home, more: &[&str], change: impl Fn(&mut Command) -> &mut Command) -> Daemon {
        let dir = home.text("dl");
        let words = ["daemon", "--rpc", "127.0.0.1:0", "-p", "0", "--bind", "127.0.0.1", "--dir", &dir];
        let mut command = home.command(&[&words, more].concat());
        change(&mut command);
        let mut running = Running::start(command);
        running.port();
        let rest = running.line_after("remote control at port ");
        let rpc = rest.split(',').next().and_then(|port| port.parse().ok()).expect("a port");
        Daemon { running, rpc, session: String::new() }
    }

    /// What names it to commands.
    pub fn at(&self) -> String {
        format!("127.0.0.1:{}", self.rpc)
    }

    /// What calls must say; known after the first one.
    pub fn session(&self) -> &str {
        &self.session
    }

    /// Calls a method; the whole answer. Panics unless it is HTTP 200.
    pub fn call(&mut self, method: &str, arguments: &str) -> Object {
        let (status, body) = self.try_call(method, arguments).expect("an answer");
        assert_eq!(status, 200, "{body}");
        match json::from_str(&body) {
            Ok(Value::Object(object)) => object,
            other => panic!("{other:?}: {body}"),
        }
    }

    /// The same where the daemon may be gone.
    pub fn try_call(&mut self, method: &str, arguments: &str) -> std::io::Result<(u16, String)> {
        let body = format!("{{\"method\":\"{method}\",\"arguments\":{arguments},\"tag\":7}}");
        for _ in 0..2 {
            let (status, head, text) = post(self.rpc, &self.session, &body)?;
            if status != 409 {
                return Ok((status, text));
            }
            let id = head.lines().find_map(|line| line.strip_prefix("X-Transmission-Session-Id: "));
            self.session = id.expect("a session id").to_string();
        }
        panic!("the session id changes with every call");
    }

    /// Torrents with these fields.
    pub fn torrents(&mut self, fields: &str) -> Vec<Object> {
        let answer = self.call("torrent-get", &format!("{{\"fields\":[{fields}]}}"));
        assert_eq!(text(&answer, "result"), "success");
        let Some(Value::Object(arguments)) = answer.get("arguments") else { panic!("{answer:?}") };
        match arguments.get("torrents") {
            Some(Value::Array(list)) => list.iter().map(object).collect(),
            other => panic!("{other:?}"),
        }
    }

    /// Waits until the torrents are so.
    pub fn wait_for(&mut self, what: &str, fields: &str, is_so: impl Fn(&[Object]) -> bool) -> Vec<Object> {
        let until = Instant::now() + PATIENCE;
        loop {
            let torrents = self.torrents(fields);
            if is_so(&torrents) {
                return torrents;
            }
            assert!(Instant::now() < until, "never {what}: {torrents:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Ends it in good order, within the time it has.
    pub fn end(self) {
        let began = Instant::now();
        self.running.signal("TERM");
        self.running.wait().expect(0);
        assert!(began.elapsed() < Duration::from_secs(4), "it took {:?} to end", began.elapsed());
    }
}

fn post(port: u16, session: &str, body: &str) -> std::io::Result<(u16, String, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let len = body.len();
    let head = format!(
        "POST /transmission/rpc HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nX-Transmission-Session-Id: {session}\r\n\
         Connection: close\r\nContent-Length: {len}\r\n\r\n"
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())?;
    let mut reply = String::new();
    stream.read_to_string(&mut reply)?;
    let (head, body) = reply.split_once("\r\n\r\n").ok_or(std::io::ErrorKind::UnexpectedEof)?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Ok((status.ok_or(std::io::ErrorKind::InvalidData)?, head.to_string(), body.to_string()))
}

pub fn object(value: &Value) -> Object {
    match value {
        Value::Object(object) => object.clone(),
        other => panic!("{other:?}"),
    }
}

pub fn text<'a>(object: &'a Object, key: &str) -> &'a str {
    match object.get(key) {
        Some(Value::String(text)) => text,
        other => panic!("{key}: {other:?} in {object:?}"),
    }
}

pub fn number(object: &Object, key: &str) -> f64 {
    match object.get(key) {
        Some(Value::Number(json::Number::U64(number))) => *number as f64,
        Some(Value::Number(json::Number::I64(number))) => *number as f64,
        Some(Value::Number(json::Number::F64(number))) => *number,
        other => panic!("{key}: {other:?} in {object:?}"),
    }
}

#[test]
fn a_torrent_is_downloaded_kept_over_a_restart_and_removed_with_its_data() {
    let home = Home::new();
    let (server, port) = serve(&home, &["--state-dir", &home.text("server")]);
    let at = format!("127.0.0.1:{port}");
    let bytes = payload(3_000_000, 1);
    let source = home.write("src/film.bin", &bytes);
    let made = ["seed", &source, "-p", "0", "--bind", "127.0.0.1", "--server", &at, "-o", &home.text("film.torrent")];
    let mut seed = home.start(&[&made[..], &["--state-dir", &home.text("seed")]].concat());
    seed.line_after("sharing film.bin");

    let mut daemon = Daemon::start(&home, &[]);
    let rpc = daemon.at();
    let added = home.run(&["add", &home.text("film.torrent"), "--rpc", &rpc, "--label", "films"]).expect(0);
    assert_eq!(added.out, "1 added: film.bin\n");
    let is_done = |torrents: &[Object]| torrents.iter().all(|t| number(t, "percentDone") == 1.0);
    daemon.wait_for("complete", "\"percentDone\",\"status\"", is_done);
    assert!(home.read("dl/film.bin") == bytes, "it is not what was shared");
    let listed = home.run(&["list", "--rpc", &rpc]).expect(0).out;
    assert!(listed.contains("100.0%") && listed.contains("seeding") && listed.contains("film.bin"), "{listed}");
    assert_eq!(
        home.run(&["add", &home.text("film.torrent"), "--rpc", &rpc]).expect(0).out,
        "1 was there already: film.bin\n"
    );

    // Two of them would work on the same torrents.
    let second = home.run(&["daemon", "--rpc", "127.0.0.1:0", "-p", "0"]).expect(1);
    assert!(second.one_line().contains("a daemon runs already"), "{}", second.err);

    daemon.end();
    let mut daemon = Daemon::start(&home, &[]);
    let fields = "\"name\",\"percentDone\",\"status\",\"labels\",\"doneDate\",\"downloadedEver\",\"recheckProgress\"";
    let torrents = daemon.wait_for("seeding", fields, |torrents| number(&torrents[0], "status") == 6.0);
    assert_eq!((text(&torrents[0], "name"), number(&torrents[0], "percentDone")), ("film.bin", 1.0));
    assert!(number(&torrents[0], "doneDate") > 1e9 && number(&torrents[0], "downloadedEver") >= 3e6, "{torrents:?}");
    let rpc = daemon.at();
    assert!(home.run(&["status", "film", "--rpc", &rpc]).expect(0).out.contains("films"), "labels are kept");

    home.run(&["stop", "1", "--rpc", &rpc]).expect(0);
    assert!(home.run(&["list", "--rpc", &rpc]).expect(0).out.contains("stopped"));
    home.run(&["remove", "film.bin", "--delete-data", "--rpc", &rpc]).expect(0);
    assert_eq!(home.run(&["list", "--rpc", &rpc]).expect(0).out, "");
    let until = Instant::now() + PATIENCE;
    while home.path("dl/film.bin").exists() {
        assert!(Instant::now() < until, "the data stays");
        std::thread::sleep(Duration::from_millis(20));
    }
    daemon.end();
    for running in [seed, server] {
        running.signal("TERM");
        running.wait().expect(0);
    }
}

#[test]
fn without_a_daemon_commands_say_so() {
    let home = Home::new();
    for words in [&["list"][..], &["add", "x"], &["status"], &["stop", "all"], &["set", "--up-limit", "1K"]] {
        let ended = home.run(&[words, &["--rpc", "127.0.0.1:1"]].concat()).expect(6);
        assert!(ended.one_line().contains("is `peerlink daemon` running there?"), "{}", ended.err);
    }
    for rpc in ["0.0.0.0:0", "box.lan:0"] {
        home.run(&["daemon", "--rpc", rpc]).expect(2).one_line();
    }
}

/// A tracker that answers so many announces, and then takes calls and says nothing.
fn falls_silent(answers: usize) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    std::thread::spawn(move || {
        let mut held = Vec::new();
        for (count, stream) in listener.incoming().map_while(Result::ok).enumerate() {
            held.push(stream);
            if count >= answers {
                continue;
            }
            let mut stream = &held[count];
            let _ = stream.read(&mut [0; 4096]);
            let body = "d8:intervali1800e5:peers0:e";
            let len = body.len();
            let _ = write!(stream, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {len}\r\n\r\n{body}");
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
    });
    format!("http://{address}/announce")
}

/// Who does not hear goodbyes is not waited for longer than the end may take.
#[test]
fn it_ends_within_two_seconds_with_everything_saved() {
    let home = Home::new();
    let tracker = falls_silent(20);
    let mut daemon = Daemon::start(&home, &["--max-downloads", "0"]);
    for n in 0..20 {
        let coded = peerlink::wire::authorization::base64(&torrent(&format!("t{n}"), 2));
        daemon.call("torrent-add", &format!("{{\"metainfo\":\"{coded}\"}}"));
    }
    daemon.call("torrent-set", &format!("{{\"trackerList\":\"{tracker}\",\"labels\":[\"kept\"]}}"));
    daemon.call("session-set", "{\"seedRatioLimit\":1.25}");
    let has_answered = |torrent: &Object| json::to_string(torrent).contains("\"lastAnnounceSucceeded\":true");
    daemon.wait_for("announced", "\"trackerStats\"", |torrents| torrents.iter().all(has_answered));
    let began = Instant::now();
    daemon.running.signal("TERM");
    daemon.running.wait().expect(0);
    let took = began.elapsed();
    println!("20 torrents whose tracker fell silent ended within {took:?}");
    assert!(took <= Duration::from_secs(2), "it took {took:?}");
    let mut daemon = Daemon::start(&home, &["--paused"]);
    let torrents = daemon.torrents("\"labels\",\"trackerList\"");
    let is_kept = |torrent: &Object| {
        text(torrent, "trackerList") == tracker && json::to_string(torrent).contains("\"labels\":[\"kept\"]")
    };
    assert!(torrents.len() == 20 && torrents.iter().all(is_kept), "{torrents:?}");
    assert!(json::to_string(&daemon.call("session-get", "{}")).contains("\"seedRatioLimit\":1.25"));
    daemon.end();
}

#[test]
fn what_was_confirmed_outlives_twenty_kills() {
    let home = Home::new();
    let mut expected: Vec<String> = Vec::new();
    let mut maybe: Option<String> = None;
    let mut rng = fastrand::Rng::with_seed(7);
    for round in 0..20 {
        let mut daemon = Daemon::start(&home, &["--paused"]);
        let mut there: Vec<String> =
            daemon.torrents("\"hashString\"").iter().map(|torrent| text(torrent, "hashString").to_string()).collect();
        there.sort();
        // Of what was under way when it was killed nobody can know.
        if let Some(maybe) = maybe.take() {
            expected.retain(|hash| *hash != maybe);
            if there.contains(&maybe) {
                expected.push(maybe);
            }
        }
        expected.sort();
        assert_eq!(there, expected, "round {round}");
        let confirmed_count = rng.usize(1..6);
        let kill = rng.usize(0..6);
        for step in 0..confirmed_count {
            let is_last = step + 1 == confirmed_count;
            let remove = !expected.is_empty() && rng.u32(..3) == 0;
            let (method, arguments, hash) = if remove {
                let hash = expected[rng.usize(..expected.len())].clone();
                ("torrent-remove", format!("{{\"ids\":[\"{hash}\"],\"delete-local-data\":true}}"), hash)
            } else {
                let bytes = torrent(&format!("t{round}-{step}"), 2 + step);
                let hash = peerlink::metainfo::parse::parse(&bytes).expect("ours").info_hash.to_string();
                let coded = peerlink::wire::authorization::base64(&bytes);
                ("torrent-add", format!("{{\"metainfo\":\"{coded}\"}}"), hash)
            };
            if is_last && kill > 0 {
                // Killed while it is at it.
                let pid = daemon.running.pid();
                let delay = Duration::from_micros(rng.u64(0..4000));
                let killer = std::thread::spawn(move || {
                    std::thread::sleep(delay);
                    super::rig::signal(pid, "KILL");
                });
                let answered = daemon.try_call(method, &arguments).is_ok_and(|(status, _)| status == 200);
                killer.join().expect("the killer");
                maybe = (!answered).then(|| hash.clone());
                if !answered {
                    break;
                }
            } else {
                daemon.call(method, &arguments);
            }
            match remove {
                true => expected.retain(|known| *known != hash),
                false => expected.push(hash),
            }
        }
        if kill == 0 {
            daemon.running.signal("KILL");
        }
        daemon.running.wait();
    }
}
