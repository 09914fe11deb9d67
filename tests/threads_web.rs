//! The web threads over real sockets: framing, limits, redirects, time-outs, certificates, queues.

mod web_server;

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use peerlink::base::address::{self, Reach};
use peerlink::base::{InfoHash, JobId, PeerId, Span, Time};
use peerlink::io::web::Options;
use peerlink::machine::{Command, Completion, Job, Outbox, Purpose};
use peerlink::swarm::announcer::{Announcer, Facts};
use web_server::{Client, PATIENCE, Server, ok, redirect, request};

#[test]
fn a_request_says_what_it_should_and_nothing_more() {
    let server = Server::new(vec![ok(b"hello"), ok(b"hello")]);
    let client = Client::new(Options::default());
    let fetched = client.fetch(request(&server.url("/a/%2f%7E?x=%00%ff&y#z"))).unwrap();
    assert_eq!((fetched.status, fetched.body.as_slice()), (200, &b"hello"[..]));
    assert_eq!(fetched.from, Some(server.address));
    let with_user = format!("http://me:p%40w@{}/", server.address);
    assert!(client.fetch(request(&with_user)).is_ok());

    let address = server.address;
    let heads = server.heads();
    let mut lines: Vec<String> = heads[0].trim_end().lines().map(str::to_lowercase).collect();
    assert_eq!(heads[0].lines().next(), Some("GET /a/%2f%7E?x=%00%ff&y HTTP/1.1"));
    lines[1..].sort();
    let host = format!("host: {address}");
    assert_eq!(lines[1..], ["accept-encoding: identity", "accept: */*", host.as_str(), "user-agent: peerlink/0.1.0"]);
    assert!(heads[1].to_lowercase().contains("authorization: basic bwu6ceb3\r\n"), "{}", heads[1]);
}

#[test]
fn replies_read_the_same_however_they_are_split() {
    let body = b"d8:intervali1800e5:peers6:\x7f\x00\x00\x01\x1a\xe1e";
    let chunked =
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ntest\r\n4\r\n1234\r\n0\r\n\r\n".to_vec();
    let closed = b"HTTP/1.0 200 OK\n\nuntil the end".to_vec();
    for (reply, expected) in [(ok(body), &body[..]), (chunked, b"test1234"), (closed, b"until the end")] {
        for read_max in 1..=69 {
            let server = Server::new(vec![reply.clone()]);
            let client = Client::new(Options { read_max, ..Options::default() });
            assert_eq!(client.fetch(request(&server.url("/"))).unwrap().body, expected, "pieces of {read_max}");
        }
    }
}

#[test]
fn too_long_and_broken_replies_are_errors() {
    let client = Client::new(Options::default());
    let long = vec![b'x'; 1001];
    let until_close = [&b"HTTP/1.1 200 OK\r\n\r\n"[..], &long].concat();
    let endless_head = [&b"HTTP/1.1 200 OK\r\nX: "[..], &vec![b'y'; 40_000]].concat();
    for (reply, expected) in [
        (ok(&long), "longer than 1000 bytes"),
        (until_close, "longer than 1000 bytes"),
        (endless_head, "head is longer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort".to_vec(), "ended before"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n".to_vec(), "not a proper HTTP reply"),
        (b"SSH-2.0-OpenSSH\r\n\r\n".to_vec(), "not a proper HTTP reply"),
        (b"".to_vec(), "ended before"),
    ] {
        let server = Server::new(vec![reply]);
        let error = client.error(request(&server.url("/")));
        assert!(error.contains(expected), "{error}");
    }
    let server = Server::new(vec![ok(&long[..1000])]);
    assert_eq!(client.fetch(request(&server.url("/"))).unwrap().body.len(), 1000);
}

#[test]
fn redirects_are_followed_up_to_a_limit() {
    let client = Client::new(Options::default());
    let hops = ["/b", "c?d=1", "../e", "//HOST/f", "/g"];
    let other = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let replies: Vec<_> = hops.iter().map(|to| redirect(&to.replace("HOST", &other.to_string()))).collect();
    let server = Server::at(&other.to_string(), [replies, vec![ok(b"there")]].concat());
    assert_eq!(client.fetch(request(&server.url("/a"))).unwrap().body, b"there");
    let paths: Vec<String> =
        server.heads().iter().map(|head| head.split(' ').nth(1).unwrap_or_default().to_string()).collect();
    assert_eq!(paths, ["/a", "/b", "/c?d=1", "/e", "/f", "/g"]);

    let server = Server::new(vec![redirect("/again"); 6]);
    assert!(client.error(request(&server.url("/"))).contains("more than 5 redirects"));
    assert_eq!(server.heads().len(), 6);

    for (location, expected) in [("file:///etc/passwd", "only http"), ("udp://127.0.0.1:1/", "cannot be fetched")] {
        let server = Server::new(vec![redirect(location)]);
        let error = client.error(request(&server.url("/")));
        assert!(error.starts_with("redirected") && error.contains(expected), "{error}");
    }
}

/// 127.0.0.2 plays a host of the internet, 127.0.0.3 one of the local network.
fn made_up_reach(ip: IpAddr) -> Reach {
    match ip {
        IpAddr::V4(v4) if v4 == Ipv4Addr::new(127, 0, 0, 2) => Reach::Global,
        IpAddr::V4(v4) if v4 == Ipv4Addr::new(127, 0, 0, 3) => Reach::Private,
        _ => address::reach(ip),
    }
}

#[test]
fn no_redirect_leads_from_outside_to_inside() {
    let lookup = |host: &str| match host {
        "global.example" => Ok(vec![IpAddr::from([127, 0, 0, 2])]),
        "rebound.example" => Ok(vec![IpAddr::from([127, 0, 0, 1])]),
        other => Err(std::io::Error::other(format!("no such name: {other}"))),
    };
    let options = Options { reach: made_up_reach, lookup: Arc::new(lookup), ..Options::default() };
    let client = Client::new(options);
    let target = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = target.local_addr().unwrap().port();
    for to in [
        format!("http://127.0.0.1:{port}/"),
        format!("http://127.0.0.3:{port}/"),
        format!("http://rebound.example:{port}/"),
        format!("http://[::ffff:127.0.0.1]:{port}/"),
    ] {
        let server = Server::at("127.0.0.2:0", vec![redirect(&to)]);
        let error = client.error(request(&format!("http://global.example:{}/", server.address.port())));
        assert!(error.contains("local network"), "{to}: {error}");
    }
    let server = Server::at("127.0.0.2:0", vec![redirect("http://0.0.0.0/")]);
    assert!(client.error(request(&server.url("/"))).contains("no address of a server"));
    target.set_nonblocking(true).unwrap();
    assert!(target.accept().is_err(), "somebody connected");

    let inside = Server::new(vec![ok(b"inside")]);
    let server = Server::at("127.0.0.3:0", vec![redirect(&inside.url("/"))]);
    assert!(client.error(request(&server.url("/"))).contains("local network"));
    let server = Server::new(vec![redirect(&inside.url("/"))]);
    assert_eq!(client.fetch(request(&server.url("/"))).unwrap().body, b"inside");
}

#[test]
fn announces_touch_only_announce_paths_on_this_machine() {
    let client = Client::new(Options { reach: made_up_reach, ..Options::default() });
    let announce = |url: String| {
        let mut request = request(&url);
        request.purpose = Purpose::Announce;
        client.fetch(request)
    };
    let server = Server::new(vec![ok(b"x"), redirect("/admin")]);
    let error = announce(server.url("/admin?info_hash=1")).unwrap_err();
    assert!(error.contains("may only be asked at /announce"), "{error}");
    assert!(announce(server.url("/announce?info_hash=1")).is_ok());
    let error = announce(server.url("/announce?info_hash=1")).unwrap_err();
    assert!(error.contains("not at /admin"), "{error}");
    let outside = Server::at("127.0.0.2:0", vec![ok(b"x")]);
    assert!(announce(outside.url("/php/track")).is_ok());
}

#[test]
fn a_slow_reply_ends_with_its_time() {
    let client = Client::new(Options::default());
    let (hung_up, heard) = channel();
    // One byte, and another, each well before any single read would time out.
    let server = Server::with("127.0.0.1:0", 1, move |_, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n").unwrap();
        let mut byte = [0];
        stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        while !matches!(stream.read(&mut byte), Ok(0)) && stream.write_all(b"x").is_ok() {}
        hung_up.send(()).unwrap();
    });
    let mut fetch = request(&server.url("/"));
    fetch.timeout = Span::millis(300);
    let started = Instant::now();
    assert_eq!(client.error(fetch), "no reply within 0s");
    assert!(started.elapsed() >= Duration::from_millis(250) && started.elapsed() < Duration::from_secs(5));
    heard.recv_timeout(PATIENCE).unwrap();
}

#[test]
fn what_is_not_there_is_said_clearly() {
    let client = Client::new(Options::default());
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = client.error(request(&format!("http://{nobody}/")));
    assert_eq!(error, format!("cannot connect to {nobody}: connection refused"));
    assert!(client.error(request("http://bad host/")).contains("no valid host name"));
    assert!(client.error(request("ftp://a.example/")).contains("only http"));

    let lookup = |_: &str| Ok(Vec::new());
    let client = Client::new(Options { lookup: Arc::new(lookup), ..Options::default() });
    assert_eq!(client.error(request("http://a.example/")), "a.example: the name has no address");
}

#[test]
fn the_system_looks_names_up_on_a_small_stack() {
    let client = Client::new(Options::default());
    client.web.resolve(JobId(3), "localhost", 4, false);
    client.web.resolve(JobId(3), "::1", 4, false);
    for _ in 0..2 {
        match client.next() {
            Completion::Resolved { id: JobId(3), result } => {
                assert!(result.unwrap().iter().all(|found| found.ip().is_loopback() && found.port() == 4));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn the_next_address_of_a_name_is_tried() {
    let server = Server::new(vec![ok(b"second")]);
    let lookup = |_: &str| Ok(vec![IpAddr::from([127, 0, 0, 9]), IpAddr::from([127, 0, 0, 1])]);
    let client = Client::new(Options { lookup: Arc::new(lookup), ..Options::default() });
    let url = format!("http://two.example:{}/", server.address.port());
    assert_eq!(client.fetch(request(&url)).unwrap().from, Some(server.address));
}

#[test]
fn a_hanging_resolver_holds_up_neither_addresses_nor_other_names() {
    let (let_go, wait) = channel::<()>();
    let wait = Mutex::new(wait);
    let asked = Arc::new(Mutex::new(0));
    let count = Arc::clone(&asked);
    let lookup = move |host: &str| {
        if host == "hangs.example" {
            *count.lock().unwrap() += 1;
            let _ = wait.lock().unwrap().recv();
        }
        Ok(vec![IpAddr::from([127, 0, 0, 1])])
    };
    let client = Client::new(Options { lookup: Arc::new(lookup), ..Options::default() });
    for id in 0..20 {
        client.web.resolve(JobId(100 + id), "hangs.example", 1, false);
    }
    let mut slow = request("http://hangs.example/");
    slow.timeout = Span::millis(100);
    assert!(client.error(slow).contains("not found in time"));
    let server = Server::new(vec![ok(b"x"), ok(b"y")]);
    assert!(client.fetch(request(&server.url("/"))).is_ok());
    assert!(client.fetch(request(&format!("http://fine.example:{}/", server.address.port()))).is_ok());
    assert!(client.web.thread_counts().1 <= 2, "one dead name may hold one thread");
    drop(let_go);
    let mut ids = BTreeSet::new();
    for _ in 0..20 {
        match client.next() {
            Completion::Resolved { id, result } => assert!(ids.insert(id) && result.is_ok()),
            other => panic!("{other:?}"),
        }
    }
    assert!(*asked.lock().unwrap() <= 2, "one answer serves everybody who waits for the name");
}

#[test]
fn a_dead_host_holds_one_thread_and_fails_for_all_at_once() {
    // Takes connections in its backlog and never says a word.
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = Server::new(vec![ok(b"x")]);
    let client = Client::new(Options { threads_max: 2, ..Options::default() });
    let mut fetch = request(&format!("http://{}/", mute.local_addr().unwrap()));
    fetch.timeout = Span::secs(2);
    for id in 0..50 {
        client.web.fetch(JobId(id), fetch.clone());
    }
    client.web.fetch(JobId(99), request(&server.url("/")));
    match client.next() {
        Completion::Fetched { id: JobId(99), result: Ok(_) } => {}
        other => panic!("the living host had to wait for the dead one: {other:?}"),
    }
    let started = Instant::now();
    let mut ids = BTreeSet::new();
    for _ in 0..50 {
        match client.next() {
            Completion::Fetched { id, result: Err(_) } => assert!(ids.insert(id)),
            other => panic!("{other:?}"),
        }
    }
    assert!(started.elapsed() < Duration::from_secs(20), "they waited in turn: {:?}", started.elapsed());
}

#[test]
fn every_fetch_is_answered_once_and_threads_end() {
    const HOSTS: usize = 12;
    const EACH: usize = 10;
    let servers: Vec<Server> = (0..HOSTS).map(|_| Server::new(vec![ok(b"x"); EACH])).collect();
    let client = Client::new(Options { idle: Duration::from_millis(50), ..Options::default() });
    for round in 0..EACH {
        for (index, server) in servers.iter().enumerate() {
            client.web.fetch(JobId((round * HOSTS + index) as u64), request(&server.url("/")));
        }
    }
    let mut ids = BTreeSet::new();
    for _ in 0..HOSTS * EACH {
        match client.next() {
            Completion::Fetched { id, result } => assert!(result.is_ok() && ids.insert(id)),
            other => panic!("{other:?}"),
        }
        assert!(client.web.thread_counts().0 <= 8);
    }
    let started = Instant::now();
    while client.web.thread_counts() != (0, 0) {
        assert!(started.elapsed() < PATIENCE, "idle threads stay");
        std::thread::yield_now();
    }
    assert!(client.completions.try_recv().is_err());
    let server = Server::new(vec![ok(b"again")]);
    assert!(client.fetch(request(&server.url("/"))).is_ok(), "threads come back when there is work");
}

#[test]
fn an_announcer_and_a_tracker_understand_each_other() {
    let body = b"d8:intervali120e5:peers6:\x7f\x00\x00\x01\x1a\xe110:tracker id2:t1e";
    let server = Server::new(vec![redirect("/announce/here?moved=1"), ok(body), ok(b"d5:peers0:e")]);
    let client = Client::new(Options::default());
    let mut out = Outbox::new(1, 1, 1, 1);
    let mut rng = fastrand::Rng::with_seed(1);
    let mut announcer = Announcer::new(vec![vec![server.url("/announce?passkey=p")]], false, &mut rng);
    let facts = Facts {
        info_hash: InfoHash([0xff; 20]),
        peer_id: PeerId(*b"-PL0100-abcdefghijkl"),
        key: 1,
        port: 6881,
        uploaded: 0,
        downloaded: 0,
        left: 5,
        want_peers: true,
    };
    let mut turn = |announcer: &mut Announcer| {
        announcer.poll(Time(1), &facts, &mut out);
        match out.commands.pop() {
            Some(Command::Job(Job::Fetch { id, request })) => client.web.fetch(id, request),
            other => panic!("{other:?}"),
        }
        match client.next() {
            Completion::Fetched { id, result } => announcer.on_fetched(Time(2), id, result, &mut rng).unwrap(),
            other => panic!("{other:?}"),
        }
    };
    announcer.start(Time(1), 5);
    let news = turn(&mut announcer);
    assert_eq!((news.peers, news.said), (vec!["127.0.0.1:6881".parse().unwrap()], None));
    announcer.stop(Time(1));
    turn(&mut announcer);
    assert!(announcer.is_quiet());
    let heads = server.heads();
    let hash = "%FF".repeat(20);
    let start = format!("GET /announce?passkey=p&info_hash={hash}&peer_id=-PL0100-abcdefghijkl&port=6881&");
    assert!(heads[0].starts_with(&start) && heads[0].contains("&event=started HTTP/1.1"), "{}", heads[0]);
    assert!(heads[1].starts_with("GET /announce/here?moved=1 HTTP/1.1"));
    assert!(heads[2].contains("&event=stopped&trackerid=t1 HTTP/1.1"), "{}", heads[2]);
}

#[test]
fn a_full_queue_says_so_and_an_ended_one_too() {
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut fetch = request(&format!("http://{}/", mute.local_addr().unwrap()));
    fetch.timeout = Span::secs(1);
    let client = Client::new(Options { jobs_max: 3, threads_max: 1, ..Options::default() });
    for id in 0..10 {
        client.web.fetch(JobId(id), fetch.clone());
    }
    for _ in 0..6 {
        match client.next() {
            Completion::Fetched { result: Err(error), .. } => assert!(error.contains("too many"), "{error}"),
            other => panic!("{other:?}"),
        }
    }
    drop(client.web);
    let mut answered = 6;
    while client.completions.recv_timeout(Duration::from_secs(15)).is_ok() {
        answered += 1;
    }
    assert_eq!(answered, 10);
}

#[cfg(feature = "tls")]
mod tls {
    use super::web_server::read_head;
    use super::*;
    use std::path::Path;

    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};

    fn https_server(count: usize) -> Server {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tls");
        let cert = CertificateDer::from_pem_file(folder.join("server.pem")).unwrap();
        let key = PrivateKeyDer::from_pem_file(folder.join("server.key")).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert], key)
            .unwrap();
        let config = Arc::new(config);
        // The plain server would wait for a head in clear text, so this one accepts by itself.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        Server::around(address, move || {
            let mut heads = Vec::new();
            for _ in 0..count {
                let (socket, _) = listener.accept().unwrap();
                socket.set_read_timeout(Some(PATIENCE)).unwrap();
                let connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
                let mut stream = rustls::StreamOwned::new(connection, socket);
                heads.push(read_head(&mut stream));
                let _ = stream.write_all(&ok(b"secret"));
                stream.conn.send_close_notify();
                let _ = stream.flush();
            }
            heads
        })
    }

    #[test]
    fn certificates_are_checked() {
        let server = https_server(3);
        let port = server.address.port();
        let urls = [format!("https://127.0.0.1:{port}/announce"), format!("https://localhost:{port}/announce")];

        let stranger = Client::new(Options::default());
        let error = stranger.error(request(&urls[0]));
        assert!(error.contains("no secure connection") && error.contains("certificate"), "{error}");

        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tls/ca.pem");
        let lookup = |_: &str| Ok(vec![IpAddr::from([127, 0, 0, 1])]);
        let options = Options { lookup: Arc::new(lookup), ..Options::default() }.with_ca_file(&file).unwrap();
        let friend = Client::new(options);
        assert_eq!(friend.fetch(request(&urls[1])).unwrap().body, b"secret");
        let error = friend.error(request(&format!("https://other.example:{port}/")));
        assert!(error.contains("certificate"), "the name must match: {error}");
    }

    #[test]
    fn bad_ca_files_are_named() {
        let missing = Options::default().with_ca_file(Path::new("/nonexistent/ca.pem")).err().unwrap();
        assert!(missing.contains("/nonexistent/ca.pem"), "{missing}");
        let key = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tls/server.key");
        let useless = Options::default().with_ca_file(&key).err().unwrap();
        assert!(useless.ends_with("no certificate in it"), "{useless}");
    }
}
