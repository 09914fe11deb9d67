//! Other people's IRC programs in our groups: PyPI's `irc` and WeeChat join, talk, and read what was said before.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::kit::PATIENCE;
use crate::kit::child::Child;
use crate::others::skip;

/// A server of groups, and somebody in `#g` who looks on.
struct Place {
    dir: tempfile::TempDir,
    port: u16,
    server: Child,
    reader: BufReader<TcpStream>,
}

impl Place {
    fn new() -> Place {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let mut command = Command::new(env!("CARGO_BIN_EXE_peerlink"));
        command.args(["serve", "--bind", "127.0.0.1:0", "--state-dir"]).arg(dir.path().join("state"));
        let mut server = Child::start("peerlink serve", command);
        let port = server.expect("a port", |line| line.strip_prefix("listening on port ")?.parse().ok());
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("a listening server");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
        let mut place = Place { dir, port, server, reader: BufReader::new(stream) };
        place.say("NICK looker\r\nUSER looker 0 * :looker\r\nJOIN #g");
        place.until(" 366 ");
        place
    }

    fn say(&mut self, line: &str) {
        self.reader.get_mut().write_all(format!("{line}\r\n").as_bytes()).expect("a server that reads");
    }

    /// Reads until a line has this in it.
    fn until(&mut self, part: &str) {
        let mut line = String::new();
        while !line.contains(part) {
            line.clear();
            let len = self.reader.read_line(&mut line).unwrap_or_else(|e| panic!("no {part:?}: {e}"));
            assert!(len > 0, "the end came before {part:?}");
        }
    }

    fn end(self) {
        self.server.terminate();
        self.server.succeed();
    }
}

/// A python that has PyPI's irc.
fn python() -> Result<PathBuf, String> {
    let venv = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/venv/bin/python");
    let has_irc = |python: &PathBuf| {
        let mut command = Command::new(python);
        command.args(["-c", "import irc.client"]).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    [venv, "python3".into()].into_iter().find(has_irc).ok_or_else(|| "irc of PyPI is not installed".into())
}

#[test]
fn a_python_library_joins_talks_and_reads_history() {
    let test = "a_python_library_joins_talks_and_reads_history";
    let python = match python() {
        Ok(python) => python,
        Err(why) => return skip(test, &why),
    };
    let mut place = Place::new();
    place.say("PRIVMSG #g :before");
    let mut command = Command::new(python);
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/irc_member.py"));
    command.args([&place.port.to_string(), "snake", "#g"]);
    let mut snake = Child::start("python irc", command);
    snake.expect("it joined", |line| (line == "joined").then_some(()));
    place.until(" PRIVMSG #g :hello from python");
    place.say("PRIVMSG #g :ask");
    snake.expect("what it is told", |line| (line == "looker: ask").then_some(()));
    for wanted in ["looker: before", "snake: hello from python", "looker: ask"] {
        snake.expect(wanted, |line| (line == wanted).then_some(()));
    }
    place.say("PRIVMSG #g :bye");
    place.until(" QUIT :Quit: so long");
    snake.succeed();
    place.end();
}

#[test]
fn weechat_joins_talks_and_reads_history() {
    let test = "weechat_joins_talks_and_reads_history";
    let mut version = Command::new("weechat-headless");
    version.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    if !version.status().is_ok_and(|status| status.success()) {
        return skip(test, "weechat-headless is not installed");
    }
    let mut place = Place::new();
    place.say("PRIVMSG #g :before");
    let home = place.dir.path().join("weechat");
    let mut command = Command::new("weechat-headless");
    command.env("HOME", place.dir.path()).arg("-d").arg(&home);
    for line in [
        "/set irc.server_default.capabilities \"*\"".to_string(),
        "/set logger.file.flush_delay 0".to_string(),
        format!("/server add box 127.0.0.1/{} -notls", place.port),
        "/set irc.server.box.nicks weechat".to_string(),
        "/set irc.server.box.command \"/join #g\\;/msg #g hello from weechat\\;/quote CHATHISTORY LATEST #g * 10\""
            .to_string(),
        "/connect box".to_string(),
    ] {
        command.args(["-r", &line]);
    }
    let weechat = Child::start("weechat-headless", command);
    place.until(" PRIVMSG #g :hello from weechat");
    place.say("PRIVMSG #g :hello weechat");
    let log = home.join("logs/irc.box.#g.weechatlog");
    let begin = Instant::now();
    loop {
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        let has =
            |text: &str, nick: &str, said: &str| text.lines().any(|line| line.ends_with(said) && line.contains(nick));
        if has(&text, "looker", "before") && has(&text, "looker", "hello weechat") {
            break;
        }
        assert!(begin.elapsed() < PATIENCE, "WeeChat's log:\n{text}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    weechat.terminate();
    place.until(":weechat!");
    place.end();
}
