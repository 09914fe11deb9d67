//! Chromium on the page of `peerlink serve`: names of torrents stay text, and the page's own script runs.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};

use peerlink::wire::bencode::Writer;

use crate::kit::child::Child;
use crate::kit::peerlink::{Event, binary, folder};
use crate::others::skip;

/// What it is called here and there.
const NAMES: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

pub fn browser() -> Option<&'static str> {
    let runs = |name: &&&str| {
        let mut command = Command::new(name);
        command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    NAMES.iter().find(runs).copied()
}

/// The page as the browser has it when its scripts have run.
fn dom(browser: &str, url: &str, profile: &Path) -> String {
    let mut command = Command::new(browser);
    command.args([
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
    ]);
    command.args(["--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--timeout=20000"]);
    command.arg(format!("--user-data-dir={}", profile.display())).args(["--dump-dom", url]);
    let ended = command.stdin(Stdio::null()).output().expect("it starts");
    String::from_utf8_lossy(&ended.stdout).into_owned()
}

fn publish(port: u16, torrent: &[u8]) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    let query = "description=%3Cimg%20src%3Dx%20onerror%3D%22document.title%3D'owned'%22%3E";
    let len = torrent.len();
    let head = format!(
        "POST /torrents?{query} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: {len}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).expect("it reads");
    stream.write_all(torrent).expect("it reads");
    let mut reply = String::new();
    stream.read_to_string(&mut reply).expect("it answers");
    assert!(reply.starts_with("HTTP/1.1 201 "), "{reply}");
}

#[test]
fn scripts_in_names_are_text_in_a_browser() {
    let Some(browser) = browser() else { return skip("browser", "chromium is not installed") };
    let dir = folder();
    let mut command = Command::new(binary());
    command.args(["serve", "--json", "--bind", "127.0.0.1:0", "--state-dir"]).arg(dir.path().join("state"));
    let mut server = Child::start("peerlink serve", command);
    let port = server.expect("port", |line| Event::of(line, "listening").map(|event| event.number("port"))) as u16;
    let name = "<script>document.title='owned'<script>";
    let torrent = Writer::dict_bytes(|root| {
        root.dict("info", |info| {
            info.int("length", 9);
            info.bytes("name", name);
            info.int("piece length", 16384);
            info.bytes("pieces", [7; 20]);
        });
    });
    publish(port, &torrent);
    let page = dom(browser, &format!("http://127.0.0.1:{port}/"), &dir.path().join("profile"));
    assert!(page.contains("<title>Shared here"), "the page came, and nobody changed its title: {page}");
    assert!(page.contains("&lt;script&gt;document.title='owned'&lt;script&gt;"), "the name is shown: {page}");
    assert!(!page.contains("<img src=\"x\"") && page.matches("<script").count() == 1, "{page}");
    assert!(page.contains(">Copy</button>"), "the page's own script ran: {page}");
}
