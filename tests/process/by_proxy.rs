//! Everything by a SOCKS5 proxy: the .torrent, the tracker, the peers, the server, each by its name, which nobody here
//! looks up; and nothing without it.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};

use super::kit::socks::Socks;
use super::kit::tracker::Tracker;
use super::rig::{Home, payload};
use super::transfer::{LOCAL, seed};

const LOGIN: (&str, &str) = ("ann", "p@ss word");
/// As it is written in a URL.
const WRITTEN: &str = "ann:p%40ss%20word@";

/// A web server with one file.
fn web(bytes: Vec<u8>) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let port = listener.local_addr().expect("it is bound").port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let bytes = bytes.clone();
            std::thread::spawn(move || answer(stream, &bytes));
        }
    });
    port
}

/// Answers one request after the other, in ranges where they are asked for.
fn answer(mut stream: TcpStream, bytes: &[u8]) -> Option<()> {
    let mut heard = Vec::new();
    loop {
        while !heard.windows(4).any(|end| end == b"\r\n\r\n") {
            let mut piece = [0; 4096];
            let len = stream.read(&mut piece).ok().filter(|len| *len > 0)?;
            heard.extend_from_slice(&piece[..len]);
        }
        let end = heard.windows(4).position(|end| end == b"\r\n\r\n")? + 4;
        let head = String::from_utf8_lossy(&heard[..end]).to_ascii_lowercase();
        heard.drain(..end);
        let range = head.lines().find_map(|line| line.strip_prefix("range: bytes=")?.split_once('-'));
        let numbers = range.and_then(|(from, to)| Some((from.parse::<usize>().ok()?, to.parse::<usize>().ok()?)));
        let (first, body) = match numbers {
            Some((from, to)) => {
                let range =
                    format!("HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {from}-{to}/{}", bytes.len());
                (range, bytes.get(from..=to)?)
            }
            None => ("HTTP/1.1 200 OK".to_string(), bytes),
        };
        let head = format!("{first}\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.write_all(&[head.as_bytes(), body].concat()).ok()?;
    }
}

#[test]
fn a_web_seed_is_asked_by_the_proxy() {
    let home = Home::new();
    let data = payload(400_001, 7);
    home.write("data.bin", &data);
    let port = web(data.clone());
    let at = format!("files.example:{port}");
    let url = format!("http://{at}/data.bin");
    home.run(&["create", "data.bin", "-o", "made.torrent", "--web-seed", &url]).expect(0);
    let socks = Socks::start(Some(LOGIN));
    let proxy = socks.url(WRITTEN);
    let args = ["get", "made.torrent", "--dir", "down", "--state-dir", "get-state", "--timeout", "60s"];
    home.run(&[&args, &LOCAL[..], &["--proxy", &proxy]].concat()).expect(0);
    assert_eq!((home.read("down/data.bin"), socks.asked()), (data, vec![at]));
}

#[test]
fn a_download_by_a_proxy_names_everybody_to_it() {
    let home = Home::new();
    let data = payload(700_001, 7);
    home.write("data.bin", &data);
    let nobody: SocketAddr = "203.0.113.9:6881".parse().expect("an address");
    let tracker = Tracker::naming(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port"), nobody);
    let port_of = |url: &str| url.trim_end_matches("/announce").rsplit(':').next().expect("a port").to_string();
    let tracker_port = port_of(&tracker.url);
    let (seeding, seed_port, torrent) = seed(&home, "data.bin", &["--encryption", "prefer"]);
    let web_port = web(home.read(&torrent));
    let socks = Socks::start(Some(LOGIN));
    let url = format!("http://files.example:{web_port}/data.torrent");
    let (announce, peer) =
        (format!("http://tracker.example:{tracker_port}/announce"), format!("seed.example:{seed_port}"));
    let args = ["get", &url, "--dir", "down", "--state-dir", "get-state", "--timeout", "60s", "--peer", &peer];
    // What a proxy cannot carry is not used, whatever else is said; the second tracker can only be asked over UDP.
    let ways =
        ["--no-dht=false", "--no-lsd=false", "--no-port-map=false", "-t", &announce, "-t", "udp://127.0.0.1:9/"];
    let proxy = socks.url(WRITTEN);
    let args = [&args, &ways[..], &LOCAL, &["--proxy", &proxy, "--encryption", "require"]].concat();
    home.run(&args).expect(0);
    assert_eq!(home.read("down/data.bin"), data);
    let mut expected = vec![
        format!("files.example:{web_port}"),
        format!("seed.example:{seed_port}"),
        format!("tracker.example:{tracker_port}"),
    ];
    expected.sort();
    let asked: Vec<String> = socks.asked().into_iter().filter(|asked| *asked != nobody.to_string()).collect();
    assert_eq!(asked, expected);
    seeding.signal("TERM");
    seeding.wait().expect(0);
}

#[test]
fn a_server_is_asked_by_the_proxy() {
    let home = Home::new();
    let mut serve = home.start(&["serve", "--bind", "127.0.0.1:0", "--state-dir", "server"]);
    let port = serve.port();
    let socks = Socks::start(None);
    let at = format!("box.example:{port}");
    let mut command = home.command(&["index", "--server", &at]);
    command.env("PEERLINK_PROXY", socks.url(""));
    super::rig::finish(command, b"").expect(0);
    assert_eq!(socks.asked(), [at]);
    // And as a member of its groups; nobody else is there, and nothing is awaited.
    let (at, proxy) = (format!("box.example:{port}"), socks.url(""));
    let args = ["chat", "--server", &at, "--group", "g", "--send", "hello", "--timeout", "30s", "--state-dir", "me"];
    let args = [&args, &LOCAL[..], &["--proxy", &proxy]].concat();
    home.run(&args).expect(0);
    serve.signal("TERM");
    serve.wait().expect(0);
}

/// What comes from the web besides torrents.
#[test]
fn a_daemon_fetches_by_the_proxy() {
    let home = Home::new();
    let port = web(b"a:192.0.2.1-192.0.2.9\n".to_vec());
    let socks = Socks::start(None);
    let (at, proxy) = (format!("lists.example:{port}"), socks.url(""));
    let list = format!("http://{at}/list");
    let mut command =
        home.command(&["daemon", "--rpc", "127.0.0.1:0", "-v", "--blocklist", &list, "--proxy", &proxy]);
    command.args(["-p", "0"]);
    let mut daemon = super::rig::Running::start(command);
    daemon.port();
    let end = std::time::Instant::now() + super::kit::PATIENCE;
    while socks.asked() != [at.clone()] {
        assert!(std::time::Instant::now() < end, "{:?}", socks.asked());
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    daemon.signal("TERM");
    daemon.wait().expect(0);
}

#[test]
fn without_the_proxy_nobody_is_dialled() {
    let home = Home::new();
    home.write("data.bin", &payload(100_000, 7));
    let (seeding, port, torrent) = seed(&home, "data.bin", &[]);
    let socks = Socks::start(Some(LOGIN));
    let peer = format!("127.0.0.1:{port}");
    let get = |proxy: &str, code: i32| {
        let args = ["get", &torrent, "--dir", "down", "--state-dir", "get-state", "--timeout", "1s", "--peer", &peer];
        home.run(&[&args, &LOCAL[..], &["--proxy", proxy]].concat()).expect(code)
    };
    // Nobody listens there.
    let ended = get("socks5://127.0.0.1:9", 4);
    assert!(
        ended.err.contains("nothing can be connected: the proxy cannot be reached (127.0.0.1:9)"),
        "{}",
        ended.err
    );
    let ended = get(&socks.url("ann:wrong@"), 4);
    assert!(ended.err.contains("the proxy refuses the name or the password"), "{}", ended.err);
    assert_eq!(socks.asked(), [""; 0]);
    let ended = get("socks5://[::1]:9", 1);
    assert!(ended.err.contains("the proxy [::1]:9 is of another family"), "{}", ended.err);
    let ended = home.run(&["get", "http://files.example/x.torrent", "--proxy", &socks.url("ann:wrong@")]).expect(6);
    assert!(ended.err.contains("the proxy refuses the name or the password"), "{}", ended.err);
    seeding.signal("TERM");
    seeding.wait().expect(0);
}

#[test]
fn its_password_is_shown_to_nobody() {
    let home = Home::new();
    let mut command = home.command(&["config"]);
    command.env("PEERLINK_PROXY", "socks5://ann:secret@box:1");
    let ended = super::rig::finish(command, b"").expect(0);
    assert!(ended.out.contains("# proxy = socks5://ann:…@box:1 (not shown)"), "{}", ended.out);
    for bad in ["socks4://ann:secret@box:1", "socks5://ann:secret@box:x", "socks5://secret@box"] {
        let ended = home.run(&["get", "x", "--proxy", bad]).expect(2);
        assert!(!(ended.err + &ended.out).contains("secret"), "{bad}");
    }
}
