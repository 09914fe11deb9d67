//! The daemon's remote control as other programs use it: the calls that Sonarr, Radarr, Flood and Home Assistant make, in
//! the order in which they make them, and requests of people who mean harm.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use miniserde::json::{Object, Value};

use super::daemon::{Daemon, number, object, text};
use super::index::torrent;
use super::rig::Home;

fn inner<'a>(answer: &'a Object, key: &str) -> &'a Object {
    match answer.get(key) {
        Some(Value::Object(inner)) => inner,
        other => panic!("{key}: {other:?} in {answer:?}"),
    }
}

/// Status of a request that is sent as it is, and the head of the reply.
fn raw(port: u16, request: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a socket");
    // Who refuses early may have hung up.
    let _ = stream.write_all(request.as_bytes());
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let mut reply = Vec::new();
    let _ = stream.read_to_end(&mut reply);
    let reply = String::from_utf8_lossy(&reply).into_owned();
    let status = reply.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    (status, reply)
}

#[test]
fn sonarr_and_radarr() {
    let home = Home::new();
    let mut daemon = Daemon::start(&home, &["--paused"]);
    // A bare GET, of which only 409 counts as success.
    let (status, reply) =
        raw(daemon.rpc, "GET /transmission/rpc HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    assert!(status == 409 && reply.contains("\r\nX-Transmission-Session-Id: "), "{reply}");
    assert!(!reply.to_lowercase().contains("rpc-version"), "it would be spoken to in snake case");
    let session = daemon.call("session-get", "null");
    let arguments = inner(&session, "arguments");
    assert!(text(arguments, "version").starts_with("4.0.6 (peerlink "));
    for key in ["rpc-version", "seedRatioLimit", "idle-seeding-limit"] {
        assert!(number(arguments, key) >= 0.0);
    }
    assert!(text(arguments, "download-dir").ends_with("/dl"));

    let coded = peerlink::wire::authorization::base64(&torrent("An episode", 3));
    let dir = home.text("tv");
    let add = format!("{{\"metainfo\":\"{coded}\",\"download-dir\":\"{dir}\",\"labels\":[\"tv\"],\"paused\":true}}");
    let answer = daemon.call("torrent-add", &add);
    let added = inner(inner(&answer, "arguments"), "torrent-added").clone();
    assert_eq!((text(&added, "name"), number(&answer, "tag")), ("An episode", 7.0));
    let hash = text(&added, "hashString").to_string();
    let set = format!(
        "{{\"ids\":[\"{hash}\"],\"seedRatioLimit\":1.5,\"seedRatioMode\":1,\"seedIdleLimit\":60,\"seedIdleMode\":1}}"
    );
    assert_eq!(text(&daemon.call("torrent-set", &set), "result"), "success");
    assert_eq!(text(&daemon.call("queue-move-top", &format!("{{\"ids\":[\"{hash}\"]}}")), "result"), "success");
    let fields = "\"id\",\"hashString\",\"name\",\"downloadDir\",\"totalSize\",\"leftUntilDone\",\"isFinished\",\"eta\",\
        \"status\",\"secondsDownloading\",\"secondsSeeding\",\"errorString\",\"uploadedEver\",\"downloadedEver\",\
        \"seedRatioLimit\",\"seedRatioMode\",\"seedIdleLimit\",\"seedIdleMode\",\"fileCount\",\"file-count\",\"labels\"";
    let torrents = daemon.torrents(fields);
    let one = &torrents[0];
    assert_eq!(one.len(), 21, "every field that is asked for is there: {one:?}");
    assert_eq!((text(one, "downloadDir"), text(one, "errorString")), (dir.as_str(), ""));
    assert_eq!((number(one, "totalSize"), number(one, "status"), number(one, "file-count")), (49152.0, 0.0, 1.0));
    assert_eq!((number(one, "seedRatioLimit"), number(one, "seedIdleLimit")), (1.5, 60.0));
    let remove = format!("{{\"ids\":[\"{hash}\"],\"delete-local-data\":true}}");
    assert_eq!(text(&daemon.call("torrent-remove", &remove), "result"), "success");
    assert!(daemon.torrents("\"id\"").is_empty());
    daemon.end();
}

#[test]
fn flood_home_assistant_and_tremotesf() {
    let home = Home::new();
    let mut daemon = Daemon::start(&home, &["--paused"]);
    for (name, pieces) in [("one", 1), ("two", 2)] {
        let coded = peerlink::wire::authorization::base64(&torrent(name, pieces));
        daemon.call("torrent-add", &format!("{{\"metainfo\":\"{coded}\"}}"));
    }
    let stats = daemon.call("session-stats", "{}");
    let arguments = inner(&stats, "arguments");
    assert_eq!((number(arguments, "torrentCount"), number(arguments, "pausedTorrentCount")), (2.0, 2.0));
    assert_eq!(number(inner(arguments, "cumulative-stats"), "filesAdded"), 2.0);
    daemon.call(
        "session-set",
        "{\"alt-speed-enabled\":true,\"speed-limit-down\":77,\"speed-limit-down-enabled\":true}",
    );
    let session = daemon.call("session-get", "{\"fields\":[\"alt-speed-enabled\",\"speed-limit-down\",\"units\"]}");
    let arguments = inner(&session, "arguments");
    assert_eq!((arguments.len(), number(arguments, "speed-limit-down")), (3, 77.0));
    assert_eq!(number(inner(arguments, "units"), "memory-bytes"), 1024.0);
    // A table, of what changed lately.
    let table = daemon.call(
        "torrent-get",
        "{\"ids\":\"recently-active\",\"format\":\"table\",\"fields\":[\"id\",\"name\",\"nonsense\",\"wanted\",\"files\"]}",
    );
    let arguments = inner(&table, "arguments");
    let Some(Value::Array(rows)) = arguments.get("torrents") else { panic!("{table:?}") };
    assert_eq!(rows.len(), 3, "a head and two torrents");
    let shown = miniserde::json::to_string(rows);
    assert!(shown.starts_with("[[\"id\",\"name\",\"wanted\",\"files\"],[1,\"one\",[1],[{"), "{shown}");
    assert!(matches!(arguments.get("removed"), Some(Value::Array(removed)) if removed.is_empty()));
    daemon.call("torrent-remove", "{\"ids\":[1]}");
    let after = daemon.call("torrent-get", "{\"ids\":\"recently-active\",\"fields\":[\"id\"]}");
    assert!(miniserde::json::to_string(&Value::Object(after)).contains("\"removed\":[1]"));
    // All that a client of this version may ask for.
    let all = daemon.call(
        "torrent-get",
        "{\"ids\":2,\"fields\":[\"trackerStats\",\"peers\",\"pieces\",\"priorities\",\"fileStats\"]}",
    );
    let Some(Value::Array(list)) = inner(&all, "arguments").get("torrents") else { panic!("{all:?}") };
    let one = object(&list[0]);
    let Some(Value::Array(trackers)) = one.get("trackerStats") else { panic!("{one:?}") };
    assert_eq!(object(&trackers[0]).len(), 28, "{:?}", trackers[0]);
    for (method, arguments, result) in [
        ("torrent-set", "{\"ids\":[2],\"files-wanted\":[9]}", "file index out of range"),
        ("torrent-set", "{\"ids\":[2],\"trackerAdd\":[\"nothing\"]}", "invalid tracker list"),
        ("torrent-add", "{}", "no filename or metainfo specified"),
        ("torrent-add", "{\"metainfo\":\"AAAA\"}", "invalid or corrupt torrent file"),
        ("torrent-add", "{\"filename\":\"/etc/hostname\"}", "invalid or corrupt torrent file"),
        ("torrent-add", "{\"filename\":\"/not/there\"}", "unrecognized info"),
        ("torrent-set-location", "{\"ids\":[2],\"location\":\"relative\"}", "no location"),
        ("free-space", "{\"path\":\"relative\"}", "directory path is not absolute"),
        ("frob", "{}", "method name not recognized"),
        ("", "{}", "no method name"),
        ("free-space", "{\"path\":\"/\"}", "success"),
        ("port-test", "{}", "success"),
        ("torrent-reannounce", "{}", "success"),
        ("group-get", "{}", "success"),
        ("session-close", "{}", "success"),
    ] {
        assert_eq!(text(&daemon.call(method, arguments), "result"), result, "{method} {arguments}");
    }
    daemon.running.wait().expect(0);
}

#[test]
fn requests_that_mean_harm_are_refused() {
    let home = Home::new();
    let daemon = Daemon::start(&home, &["--rpc-host", "box.lan"]);
    let port = daemon.rpc;
    let (_, reply) = raw(port, "GET /transmission/rpc HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let id =
        reply.lines().find_map(|line| line.strip_prefix("X-Transmission-Session-Id: ")).expect("an id").to_string();
    let sid = format!("X-Transmission-Session-Id: {id}\r\n");
    let close = "Connection: close\r\n";
    let post = |host: &str, more: &str, body: &str| {
        let len = body.len();
        format!("POST /transmission/rpc HTTP/1.1\r\nHost: {host}\r\n{close}{more}Content-Length: {len}\r\n\r\n{body}")
    };
    let get = |path: &str, host: &str| format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{close}\r\n");
    let call = "{\"method\":\"session-stats\"}";
    let deep = format!("{{\"method\":\"x\",\"arguments\":{}1{}}}", "[".repeat(50_000), "]".repeat(50_000));
    let wide = format!("{{\"method\":\"torrent-get\",\"arguments\":{{\"ids\":[{}1]}}}}", "1,".repeat(300_000));
    let table: Vec<(&str, String, u16)> = vec![
        ("an honest call", post("localhost", &sid, call), 200),
        ("by address", post("127.0.0.1:9091", &sid, call), 200),
        ("by the name that was told", post("box.lan", &sid, call), 200),
        // DNS rebinding.
        ("a stranger's name", post("evil.example", &sid, call), 421),
        ("a stranger's name with a port", post("evil.example:9091", &sid, call), 421),
        ("a name that ends like ours", post("xbox.lan", &sid, call), 421),
        ("localhost as a part", post("localhost.evil.example", &sid, call), 421),
        ("an address as a part", post("127.0.0.1.evil.example", &sid, call), 421),
        ("an empty host", post("", &sid, call), 421),
        ("a broken address", post("[::1", &sid, call), 421),
        ("two hosts", post("localhost\r\nHost: evil.example", &sid, call), 400),
        ("no host", format!("POST /transmission/rpc HTTP/1.1\r\n{close}{sid}Content-Length: 0\r\n\r\n"), 400),
        // Cross-site requests.
        ("no session id", post("localhost", "", call), 409),
        ("a made-up session id", post("localhost", "X-Transmission-Session-Id: 0\r\n", call), 409),
        ("half a session id", post("localhost", &format!("X-Transmission-Session-Id: {}\r\n", &id[..24]), call), 409),
        ("the id in the query", post("localhost", "", call).replace("/rpc", &format!("/rpc?{id}")), 409),
        ("the id as a cookie", post("localhost", &format!("Cookie: X-Transmission-Session-Id={id}\r\n"), call), 409),
        ("a page of another site", post("localhost", &format!("{sid}Origin: http://evil.example\r\n"), call), 403),
        (
            "a page of another port",
            post("localhost:9091", &format!("{sid}Origin: http://localhost:80\r\n"), call),
            403,
        ),
        ("a page in a sandbox", post("localhost", &format!("{sid}Origin: null\r\n"), call), 403),
        ("an origin that is none", post("localhost", &format!("{sid}Origin: evil\r\n"), call), 403),
        ("our own page", post("localhost", &format!("{sid}Origin: http://localhost\r\n"), call), 200),
        ("a form", post("localhost", "Content-Type: application/x-www-form-urlencoded\r\n", "a=b"), 409),
        ("GET with an id", format!("GET /transmission/rpc HTTP/1.1\r\nHost: localhost\r\n{close}{sid}\r\n"), 405),
        ("PUT", post("localhost", &sid, call).replace("POST", "PUT"), 405),
        ("DELETE", post("localhost", &sid, "").replace("POST", "DELETE"), 405),
        ("TRACE", post("localhost", &sid, "").replace("POST", "TRACE"), 405),
        // Paths.
        ("nothing there", get("/transmission/nothing", "localhost"), 404),
        ("a path beside", get("/transmission/rpcx", "localhost"), 404),
        ("up and away", get("/transmission/web/../../etc/passwd", "localhost"), 404),
        ("up and away, coded", get("/transmission/web/%2e%2e/%2e%2e/etc/passwd", "localhost"), 404),
        ("an absolute path", get("/transmission/web//etc/passwd", "localhost"), 404),
        ("a null byte", get("/transmission/web/%00", "localhost"), 404),
        ("backslashes", get("/transmission/web/..\\..\\etc\\passwd", "localhost"), 404),
        ("the root", get("/", "localhost"), 301),
        ("the page", get("/transmission/web/", "localhost"), 200),
        ("a page that is posted to", post("localhost", "", "x").replace("/rpc", "/web/"), 405),
        // Framing and header injection.
        ("a line feed in the path", get("/transmission/web/%0d%0aSet-Cookie:%20a=b", "localhost"), 404),
        ("a folded header", post("localhost", &format!("{sid}A: b\r\n c\r\n"), call), 400),
        ("a header without a name", post("localhost", ": b\r\n", call), 400),
        ("two lengths", post("localhost", &format!("{sid}Content-Length: 3\r\n"), call), 400),
        ("a length and chunks", post("localhost", &format!("{sid}Transfer-Encoding: chunked\r\n"), call), 400),
        (
            "an unknown coding",
            post("localhost", &sid, "").replace("Content-Length: 0", "Transfer-Encoding: gzip"),
            501,
        ),
        ("a negative length", post("localhost", &sid, "").replace("Content-Length: 0", "Content-Length: -1"), 400),
        ("HTTP/2", get("/", "localhost").replace("1.1", "2.0"), 505),
        ("no HTTP at all", "\x13BitTorrent protocol\r\n\r\n".into(), 400),
        ("a chat", "NICK x\r\nUSER x\r\n\r\n".into(), 400),
        // Bodies.
        (
            "a body that is far too long",
            post("localhost", &sid, "").replace("Content-Length: 0", "Content-Length: 99999999"),
            413,
        ),
        (
            "a long body of a stranger",
            post("localhost", "", "").replace("Content-Length: 0", "Content-Length: 99999999"),
            409,
        ),
        ("a huge head", format!("GET / HTTP/1.1\r\nHost: localhost\r\nA: {}\r\n\r\n", "b".repeat(20_000)), 431),
        ("a hundred headers", format!("GET / HTTP/1.1\r\nHost: localhost\r\n{}\r\n", "A: b\r\n".repeat(100)), 431),
        ("no JSON", post("localhost", &sid, "method=session-stats"), 400),
        ("half of JSON", post("localhost", &sid, "{\"method\":\"x\""), 400),
        ("bytes", post("localhost", &sid, "\u{0}\u{1}"), 400),
        ("fifty thousand lists", post("localhost", &sid, &deep), 400),
        ("three hundred thousand numbers", post("localhost", &sid, &wide), 400),
    ];
    assert!(table.len() >= 50);
    for (what, request, wanted) in &table {
        let (status, reply) = raw(port, request);
        assert_eq!(status, *wanted, "{what}: {}", reply.lines().next().unwrap_or_default());
        assert!(!reply.contains("\r\nSet-Cookie"), "{what}: {reply}");
        if is_of_ours(*wanted) {
            assert!(reply.contains("\r\nX-Frame-Options: DENY\r\n"), "{what}: {reply}");
            assert!(reply.contains("\r\nX-Content-Type-Options: nosniff\r\n"), "{what}: {reply}");
            assert!(!reply.contains("Access-Control-Allow-Origin"), "{what}: {reply}");
        }
    }
    daemon.end();
}

/// Whether replies of this status come from the remote control, not from the door before it.
fn is_of_ours(status: u16) -> bool {
    matches!(status, 200 | 301 | 403 | 404 | 405 | 409 | 421)
}

#[test]
fn guessing_a_password_ends_in_a_lock_out() {
    let home = Home::new();
    let daemon = Daemon::start(&home, &["--rpc-user", "u", "--rpc-password", "secret"]);
    let with = |who: &str| {
        let coded = peerlink::wire::authorization::base64(who.as_bytes());
        let head = "GET /transmission/rpc HTTP/1.1\r\nHost: any.example\r\nConnection: close\r\n";
        raw(daemon.rpc, &format!("{head}Authorization: Basic {coded}\r\n\r\n"))
    };
    assert_eq!(raw(daemon.rpc, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").0, 401);
    let at = daemon.at();
    let words = ["list", "--rpc", &at, "--rpc-user", "u", "--rpc-password"];
    home.run(&[&words[..], &["secret"]].concat()).expect(0);
    assert!(home.run(&[&words[..], &["wrong"]].concat()).expect(1).one_line().contains("--rpc-password"));
    assert_eq!(with("u:secret").0, 409);
    for _ in 0..10 {
        assert_eq!(with("u:guess").0, 401);
    }
    assert_eq!(with("u:secret").0, 403, "the right one does not help any more");
    daemon.end();
}

/// Who sends a byte now and then, of a head or of a body, is let go within 30 s, and nobody waits for them.
#[test]
fn slow_senders_are_closed_and_hold_nobody_up() {
    const EACH: usize = 60;
    let home = Home::new();
    let mut daemon = Daemon::start(&home, &[]);
    daemon.call("session-get", "{}");
    let head = "GET /transmission/rpc HTTP/1.1\r\nA: ".to_string();
    let body = format!(
        "POST /transmission/rpc HTTP/1.1\r\nHost: localhost\r\nX-Transmission-Session-Id: {}\r\n\
         Content-Length: 100000\r\n\r\n{{",
        daemon.session()
    );
    let connect = |said: &String| {
        let mut stream = TcpStream::connect(("127.0.0.1", daemon.rpc)).expect("it listens");
        stream.write_all(said.as_bytes()).expect("it reads");
        stream.set_nonblocking(true).expect("a socket");
        stream
    };
    let mut slow: Vec<TcpStream> = (0..EACH).flat_map(|_| [connect(&head), connect(&body)]).collect();
    let (began, mut slowest) = (Instant::now(), Duration::ZERO);
    while !slow.is_empty() {
        assert!(began.elapsed() < Duration::from_secs(30), "{} are still there", slow.len());
        slow.retain_mut(|stream| {
            let sent = stream.write(b" ");
            let read = stream.read(&mut [0; 64]);
            sent.is_ok() && read.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
        });
        let asked = Instant::now();
        daemon.call("session-stats", "{}");
        slowest = slowest.max(asked.elapsed());
        std::thread::sleep(Duration::from_millis(200));
    }
    println!("{} slow senders were closed after {:?}; others waited {slowest:?} at most", 2 * EACH, began.elapsed());
    assert!(slowest < Duration::from_secs(1), "somebody waited {slowest:?}");
    daemon.end();
}
