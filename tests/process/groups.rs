//! Groups over real sockets: what was acknowledged survives kills, and mischief of some does not hurt others.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::crowd::connections;
use super::rig::Home;
use super::serve::{get, serve};

/// No answer takes nearly as long.
const PATIENCE: Duration = Duration::from_secs(30);

/// A member with a real socket.
pub struct Talker {
    stream: TcpStream,
    unread: Vec<u8>,
}

impl Talker {
    /// A connection that has said nothing yet.
    pub fn connect(port: u16) -> Talker {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("a listening peerlink");
        stream.set_nodelay(true).expect("a socket");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
        Talker { stream, unread: Vec::new() }
    }

    /// A member that sits in `#g`.
    pub fn join(port: u16, nick: &str) -> Talker {
        let mut talker = Talker::connect(port);
        talker.say("CAP REQ :message-tags server-time batch echo-message");
        talker.enter(nick)
    }

    /// One that knows nothing of capabilities.
    fn plain(port: u16, nick: &str) -> Talker {
        Talker::connect(port).enter(nick)
    }

    fn enter(mut self, nick: &str) -> Talker {
        self.say(&format!("NICK {nick}\r\nUSER {nick} 0 * :{nick}\r\nCAP END\r\nJOIN #g"));
        self.until(" 366 ");
        self
    }

    pub fn say(&mut self, line: &str) {
        self.stream.write_all(format!("{line}\r\n").as_bytes()).expect("a server that reads");
    }

    /// The next line; None at the end.
    pub fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=end).collect();
                return Some(String::from_utf8_lossy(&line).trim_end().to_string());
            }
            let mut bytes = [0; 16 * 1024];
            match self.stream.read(&mut bytes) {
                Ok(0) => return None,
                Ok(len) => self.unread.extend_from_slice(&bytes[..len]),
                Err(e) if e.kind() == ErrorKind::ConnectionReset => return None,
                Err(e) => panic!("nothing came: {e}"),
            }
        }
    }

    /// Reads until a line has this in it.
    pub fn until(&mut self, part: &str) -> String {
        loop {
            let line = self.line().unwrap_or_else(|| panic!("the end came before {part:?}"));
            if line.contains(part) {
                return line;
            }
        }
    }
}

#[test]
fn acknowledged_messages_survive_kills() {
    let home = Home::new();
    let mut acked = Vec::new();
    for round in 0..4 {
        let (running, port) = serve(&home, &["--flood", "0"]);
        let (mut anna, mut bert) = (Talker::join(port, "anna"), Talker::join(port, "bert"));
        for number in 0..50 {
            let text = format!("{round}.{number}");
            anna.say(&format!("@+peerlink/id={text} PRIVMSG #g :{text}"));
            if number < 40 {
                anna.until(&format!(" PRIVMSG #g :{text}"));
                bert.until(&format!(" PRIVMSG #g :{text}"));
                acked.push(text);
            }
        }
        // The last ones are on their way.
        running.signal("KILL");
        running.wait();
    }
    let (running, port) = serve(&home, &[]);
    let mut reader = Talker::join(port, "reader");
    reader.say("CHATHISTORY LATEST #g * 200\r\nPING done");
    let mut kept = Vec::new();
    loop {
        let line = reader.line().expect("an answer");
        match line.split_once(" PRIVMSG #g :") {
            Some((_, text)) => kept.push(text.to_string()),
            None if line.contains(" PONG ") => break,
            None => {}
        }
    }
    // Some that were not acknowledged may be there too, in their order.
    let order = |text: &String| {
        let (round, number) = text.split_once('.').expect("a round and a number");
        (round.parse::<u32>().expect("a number"), number.parse::<u32>().expect("a number"))
    };
    assert!(kept.is_sorted_by_key(order), "{kept:?}");
    kept.dedup();
    let lost: Vec<&String> = acked.iter().filter(|text| !kept.contains(text)).collect();
    assert!(lost.is_empty(), "lost: {lost:?} of {}", acked.len());
    // One that was acknowledged is not said again.
    reader.say("@+peerlink/id=3.39 PRIVMSG #g :3.39\r\nCHATHISTORY LATEST #g * 1");
    assert!(!reader.until(" chathistory #g").is_empty());
    assert!(!reader.until(" PRIVMSG ").ends_with(":3.39") || kept.last().is_some_and(|last| last == "3.39"));
    assert!(get(port, "/stats").contains("\"members\":1,\"logins\":0,\"groups\":1"));
    running.signal("TERM");
    running.wait().expect(0);
}

/// 99 of 100 messages from one to the other are there within this time; of the best of some rounds.
fn p99(one: &mut Talker, other: &mut Talker) -> Duration {
    let round = |number: u32, one: &mut Talker, other: &mut Talker| {
        let mut times = Vec::new();
        for message in 0..100 {
            let begin = Instant::now();
            one.say(&format!("PRIVMSG other :{number}.{message}"));
            other.until(&format!(" PRIVMSG other :{number}.{message}"));
            times.push(begin.elapsed());
            one.until(&format!(" PRIVMSG other :{number}.{message}"));
        }
        times.sort_unstable();
        times[98]
    };
    (0..5).map(|number| round(number, one, other)).min().expect("some rounds")
}

/// Memory of a process, in bytes.
fn rss(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a process of ours");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
}

/// The last line that somebody who did nothing more is told.
fn end_of(mut talker: Talker) -> String {
    let mut last = String::new();
    while let Some(line) = talker.line() {
        last = line;
    }
    last
}

#[test]
fn a_stalled_reader_a_flooder_and_half_open_logins_hurt_nobody() {
    const HALF_OPEN: usize = 1000;
    /// What is noise on a busy machine.
    const NOISE: Duration = Duration::from_millis(20);
    let half_open_max = connections(HALF_OPEN);
    let home = Home::new();
    let (running, port) = serve(&home, &["--no-history", "--flood", "500"]);
    let (mut one, mut other) = (Talker::join(port, "one"), Talker::join(port, "other"));
    let quiet = p99(&mut one, &mut other);
    let before = rss(running.pid());
    let half_open: Vec<Talker> = (0..half_open_max)
        .map(|number| {
            let mut talker = Talker::connect(port);
            if number % 2 == 0 {
                talker.say(&format!("NICK half{number}"));
            }
            if number % 100 == 0 {
                // All of them have come in; the kernel's queue of callers is short.
                one.say(&format!("PING {number}"));
                one.until(&format!(" PONG peerlink.server :{number}"));
            }
            talker
        })
        .collect();
    let mut stalled = Talker::join(port, "stalled");
    let mut flooders: Vec<Talker> = (0..3).map(|number| Talker::join(port, &format!("flooder{number}"))).collect();
    let text = "x".repeat(400);
    for flooder in &mut flooders {
        // More than is taken at once; the rest is read at its pace, and blocks nobody but itself.
        flooder.stream.set_nonblocking(true).expect("a socket");
        let lines = format!("PRIVMSG stalled :{text}\r\n").repeat(2000);
        let _ = flooder.stream.write(lines.as_bytes());
    }
    let busy = p99(&mut one, &mut other);
    let grown = rss(running.pid()).saturating_sub(before);
    assert!(grown <= 4 << 20, "{grown} bytes more");
    assert!(busy <= 2 * quiet.max(NOISE), "{busy:?} instead of {quiet:?}");
    stalled.say("QUIT");
    assert!(end_of(stalled).starts_with("ERROR :"), "who leaves is told so behind all that it was sent");
    for talker in half_open {
        let last = end_of(talker);
        assert!(last.starts_with("ERROR :Closing link: "), "{last:?}");
    }
    running.signal("TERM");
    running.wait().expect(0);
}

#[test]
fn who_does_not_read_is_let_go() {
    let home = Home::new();
    let (running, port) = serve(&home, &["--flood", "0", "--no-history"]);
    let mut talker = Talker::plain(port, "talker");
    let stalled = Talker::plain(port, "stalled");
    talker.until(" JOIN #g");
    let lines = format!("PRIVMSG #g :{}\r\n", "x".repeat(400)).repeat(50);
    let mut writer = talker.stream.try_clone().expect("a socket");
    let writing = std::thread::spawn(move || while writer.write_all(lines.as_bytes()).is_ok() {});
    let quit = talker.until(" QUIT :");
    assert!(quit.contains(":stalled!") && quit.ends_with("KiB were sent and not read"), "{quit}");
    // All that was queued before, and then why.
    let last = end_of(stalled);
    assert!(last.starts_with("ERROR :Closing link: ") && last.ends_with("not read]"), "{last}");
    let _ = talker.stream.shutdown(std::net::Shutdown::Both);
    writing.join().expect("a thread of ours");
    running.signal("TERM");
    running.wait().expect(0);
}

#[test]
fn passwords_greetings_and_bad_settings() {
    let home = Home::new();
    home.write("motd", "be kind\n\u{1b}[31mred\n".as_bytes());
    let motd = home.text("motd");
    let (running, port) =
        serve(&home, &["--password", "door", "--oper", "anna:key", "--motd", &motd, "--network", "home"]);
    let mut stranger = Talker::connect(port);
    stranger.say("NICK a\r\nUSER a 0 * :a");
    stranger.until(" 464 a ");
    assert_eq!(end_of(stranger), "ERROR :Closing link: (127.0.0.1) [Bad password]");
    let mut anna = Talker::connect(port);
    anna.say("PASS door\r\nNICK anna\r\nUSER anna 0 * :a\r\nOPER anna key");
    assert!(anna.until(" 001 ").contains("Welcome to home, anna!anna@127.0.0.1"));
    assert_eq!(anna.until(" 372 "), ":peerlink.server 372 anna :- be kind");
    assert_eq!(anna.until(" 372 "), ":peerlink.server 372 anna :- \u{fffd}[31mred");
    anna.until(" 381 anna ");
    running.signal("TERM");
    running.wait().expect(0);
    assert_eq!(anna.until("ERROR"), "ERROR :Closing link: the server is going down");
    let missing = home.run(&["serve", "--bind", "127.0.0.1:0", "--motd", "nowhere"]).expect(2);
    assert!(missing.one_line().contains("--motd") && missing.one_line().contains("nowhere"));
    let spaced = home.run(&["serve", "--bind", "127.0.0.1:0", "--network", "my home"]).expect(2);
    assert!(spaced.one_line().contains("--network"));
}
