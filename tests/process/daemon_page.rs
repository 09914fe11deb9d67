//! The page of a daemon: what a browser is served, how large it is, and how it is opened.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::daemon::Daemon;
use super::groups::Talker;
use super::rig::Home;
use super::serve::serve;

/// No answer takes nearly as long.
const PATIENCE: Duration = Duration::from_secs(30);
/// The whole page, packed as it would be sent: what it may weigh on a small box.
const PACKED_MAX: usize = 60 * 1024;

/// A file of the page: head and body.
fn fetch(port: u16, path: &str) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    let request = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).expect("it answers");
    let end = reply.windows(4).position(|four| four == b"\r\n\r\n").expect("a head") + 4;
    let body = reply.split_off(end);
    (String::from_utf8(reply).expect("a head is text"), body)
}

/// What stands between these two in a text, each time.
fn between<'a>(text: &'a str, begin: &str, end: &str) -> Vec<&'a str> {
    text.split(begin).skip(1).filter_map(|rest| rest.split_once(end)).map(|(name, _)| name).collect()
}

fn packed(bytes: &[u8]) -> usize {
    let mut gzip = Command::new("gzip");
    let mut gzip =
        gzip.args(["-9", "-c"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("gzip is there");
    let mut pipe = gzip.stdin.take().expect("piped");
    let bytes = bytes.to_vec();
    let writing = std::thread::spawn(move || pipe.write_all(&bytes));
    let mut packed = Vec::new();
    gzip.stdout.take().expect("piped").read_to_end(&mut packed).expect("it packs");
    writing.join().expect("it reads").expect("it reads");
    assert!(gzip.wait().expect("it ends").success());
    packed.len()
}

#[test]
fn the_page_is_whole_small_and_guarded() {
    let home = Home::new();
    let daemon = Daemon::start(&home, &[]);
    let (head, _) = fetch(daemon.rpc, "/");
    assert!(head.starts_with("HTTP/1.1 301 ") && head.contains("Location: /transmission/web/\r\n"), "{head}");
    let mut wanted = vec![String::new()];
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    while let Some(name) = wanted.pop() {
        if files.iter().any(|(known, _)| *known == name) {
            continue;
        }
        let (head, body) = fetch(daemon.rpc, &format!("/transmission/web/{name}"));
        assert!(head.starts_with("HTTP/1.1 200 "), "{name}: {head}");
        for line in ["Content-Security-Policy: default-src 'none'; ", "X-Frame-Options: DENY", "ETag: \""] {
            assert!(head.contains(&format!("\r\n{line}")), "{name}: {head}");
        }
        assert!(!head.contains("unsafe-"), "{head}");
        let text = String::from_utf8(body.clone()).expect("text");
        for begin in ["href=\"", "src=\"", "from \"./"] {
            let names = between(&text, begin, "\"").into_iter().filter(|name| name.ends_with(['s', 'g']));
            wanted.extend(names.filter(|name| !name.starts_with('#')).map(str::to_string));
        }
        files.push((name, body));
    }
    assert!(files.len() > 10, "{} files", files.len());
    let all: Vec<u8> = files.iter().flat_map(|(_, body)| body.iter().copied()).collect();
    let len = packed(&all);
    println!("the page: {} files, {} bytes, {len} packed", files.len(), all.len());
    assert!(len <= PACKED_MAX, "{len} bytes packed");
    daemon.end();
}

#[test]
fn it_opens_in_the_desktops_browser() {
    let home = Home::new();
    let script = b"#!/bin/sh\nprintf '%s\\n' \"$#\" \"$@\" > \"$HOME/new\"\nmv \"$HOME/new\" \"$HOME/opened\"\n";
    let opener = home.write("bin/xdg-open", script);
    std::fs::set_permissions(opener, std::fs::Permissions::from_mode(0o755)).expect("its own file");
    let path = format!("{}:{}", home.text("bin"), std::env::var("PATH").unwrap_or_default());
    let daemon = Daemon::start_with(&home, &["--open"], |command| command.env("PATH", &path));
    super::daemon_features::wait_until("opened", || home.path("opened").exists());
    let expected = format!("1\nhttp://127.0.0.1:{}/transmission/web/\n", daemon.rpc);
    assert_eq!(String::from_utf8(home.read("opened")).expect("text"), expected);
    daemon.end();
}

/// What the page shows of the group, as soon as there is this in it.
fn group_with(daemon: &mut Daemon, part: &str) -> String {
    let until = Instant::now() + PATIENCE;
    loop {
        let (status, body) = daemon.try_call("peerlink-group-get", "{\"after\":0}").expect("an answer");
        assert_eq!(status, 200, "{body}");
        if body.contains(part) {
            return body;
        }
        assert!(Instant::now() < until, "never {part}: {body}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn the_group_is_heard_and_answered() {
    let home = Home::new();
    let (server, port) = serve(&home, &[]);
    let mut anna = Talker::join(port, "anna");
    anna.say("PRIVMSG #g :before");
    anna.until("before");
    let mut daemon = Daemon::start(&home, &["--server", &format!("127.0.0.1:{port}"), "--group", "g"]);
    anna.until(" JOIN ");
    let shown = group_with(&mut daemon, "\"text\":\"before\"");
    assert!(shown.contains("\"group\":\"#g\"") && shown.contains("\"anna\""), "{shown}");
    let (_, refused) = daemon.try_call("peerlink-group-say", "{\"text\":\"a\\r\\nQUIT\"}").expect("an answer");
    assert!(refused.contains("one line"), "{refused}");
    let (_, said) = daemon.try_call("peerlink-group-say", "{\"text\":\"hello, anna\"}").expect("an answer");
    assert!(said.contains("\"success\""), "{said}");
    anna.until(" PRIVMSG #g :hello, anna");
    group_with(&mut daemon, "\"text\":\"hello, anna\",\"kind\":\"text\",\"own\":true");
    anna.say("PRIVMSG #g :and back\r\nQUIT :bye");
    let shown = group_with(&mut daemon, "left");
    assert!(shown.contains("and back") && !shown.contains("\"nicks\":[\"anna\""), "{shown}");
    daemon.end();
    server.signal("TERM");
    server.wait().expect(0);
}
