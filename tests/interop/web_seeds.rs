//! nginx as a web seed (BEP 19): alone, beside peers, and when its bytes are wrong. libtorrent with a torrent of ours.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child as Process, Command, Stdio};
use std::time::{Duration, Instant};

use crate::kit::child::Child;
use crate::kit::payload::Payload;
use crate::kit::peerlink::{self, Event};
use crate::others::{self, skip};
use crate::payloads::{Scene, shapes};

/// A web server with the files of one folder, on a port of the system. Dropped, it is killed.
struct Nginx {
    process: Process,
    port: u16,
    log: PathBuf,
}

/// A request that it answered.
#[derive(Debug)]
struct Answered {
    connection: String,
    status: u32,
    path: String,
    range: String,
    sent: u64,
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there are free ports");
    listener.local_addr().expect("it is bound").port()
}

fn nginx_is_here() -> Result<PathBuf, String> {
    let places = ["/usr/sbin/nginx", "/usr/local/sbin/nginx", "/usr/bin/nginx"];
    let found = places.iter().map(PathBuf::from).find(|path| path.exists());
    found.ok_or_else(|| "nginx is not installed".into())
}

impl Nginx {
    /// Serves `root`; `more` goes into its server block, where PORT stands for the port.
    fn start(program: &Path, state: &Path, root: &Path, more: &str) -> Nginx {
        std::fs::create_dir_all(state).expect("the test's own folder");
        // It knows no "any port": one that was free a moment ago, and another where somebody else was faster.
        let mut tries = (0..10).map(|_| Nginx::start_at(free_port(), program, state, root, more, ""));
        tries.find_map(|started| started).expect("a port stays free for a moment")
    }

    /// The same over TLS.
    fn start_tls(program: &Path, state: &Path, root: &Path, more: &str) -> Nginx {
        std::fs::create_dir_all(state).expect("the test's own folder");
        let mut tries = (0..10).map(|_| Nginx::start_at(free_port(), program, state, root, more, " ssl"));
        tries.find_map(|started| started).expect("a port stays free for a moment")
    }

    fn start_at(port: u16, program: &Path, state: &Path, root: &Path, more: &str, kind: &str) -> Option<Nginx> {
        let (root, folder) = (root.display(), state.display());
        let more = more.replace("PORT", &port.to_string());
        let config = format!(
            "daemon off; master_process off; pid {folder}/pid; error_log {folder}/errors;\n\
             events {{ worker_connections 64; }}\n\
             http {{ log_format seen '$connection|$status|$request_uri|$http_range|$body_bytes_sent';\n\
             access_log {folder}/seen seen; client_body_temp_path {folder}/1; proxy_temp_path {folder}/2;\n\
             fastcgi_temp_path {folder}/3; uwsgi_temp_path {folder}/4; scgi_temp_path {folder}/5;\n\
             server {{ listen 127.0.0.1:{port}{kind}; root '{root}'; {more} }} }}\n"
        );
        let path = state.join("conf");
        std::fs::write(&path, config).expect("the test's own folder");
        let mut command = Command::new(program);
        command.arg("-p").arg(state).arg("-e").arg(state.join("errors")).arg("-c").arg(&path);
        let process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let mut nginx = Nginx { process: process.expect("it is installed"), port, log: state.join("seen") };
        let end = Instant::now() + Duration::from_secs(20);
        // It writes its number when it listens.
        while std::fs::read(state.join("pid")).unwrap_or_default().is_empty() {
            if nginx.process.try_wait().expect("it is our child").is_some() {
                return None;
            }
            assert!(Instant::now() < end, "nginx does not start");
            std::thread::sleep(Duration::from_millis(5));
        }
        Some(nginx)
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/{path}", self.port)
    }

    fn answered(&self) -> Vec<Answered> {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let answered = text.lines().map(|line| {
            let mut fields = line.split('|').map(str::to_owned);
            let mut next = || fields.next().expect("a line of our format");
            Answered {
                connection: next(),
                status: next().parse().expect("a status"),
                path: next(),
                range: next(),
                sent: next().parse().expect("bytes"),
            }
        });
        answered.collect()
    }

    /// Payload that it sent.
    fn sent(&self) -> u64 {
        self.answered().iter().map(|answered| answered.sent).sum()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// NAME.torrent of each payload, with these web seeds.
fn torrents(scene: &Scene, folder: &str, urls: &[String]) -> Vec<PathBuf> {
    let folder = scene.path(folder);
    std::fs::create_dir_all(&folder).expect("the test's own folder");
    let write = |payload: &Payload| {
        let mut bytes = b"d4:info".to_vec();
        bytes.extend(payload.info());
        bytes.extend(b"8:url-listl");
        urls.iter().for_each(|url| bytes.extend(format!("{}:{url}", url.len()).bytes()));
        bytes.extend(b"ee");
        let path = folder.join(format!("{}.torrent", String::from_utf8_lossy(&payload.name)));
        std::fs::write(&path, bytes).expect("the test's own folder");
        path
    };
    scene.payloads.iter().map(write).collect()
}

fn pieces(name: &str, len: u64) -> Scene {
    Scene::new(vec![Payload::single(name, len, 256 << 10)], None)
}

#[test]
fn nginx_alone_gives_every_shape() {
    let program = match nginx_is_here() {
        Ok(program) => program,
        Err(why) => return skip("nginx_alone_gives_every_shape", &why),
    };
    let mut payloads = shapes();
    payloads.push(Payload::files(
        "odd # names",
        &[("100%", 40_000), ("sm\u{f8}rbr\u{f8}d & more/?.bin", 70_000)],
        32 << 10,
    ));
    let scene = Scene::new(payloads, None);
    let nginx = Nginx::start(&program, &scene.path("nginx"), &scene.source(), "");
    let torrents = torrents(&scene, "web", &[nginx.url("")]);
    let (dir, state) = (scene.path("got"), scene.path("state"));
    let lines = Child::start("peerlink get", peerlink::get(&torrents, &dir, &state, &[])).succeed();
    scene.check(&dir);
    let wanted: u64 = scene.payloads.iter().map(|payload| payload.total_len).sum();
    assert!(Event::all(&lines, "progress").iter().any(|row| row.number("web_seeds") > 0));
    let answered = nginx.answered();
    assert!(answered.iter().all(|answered| answered.status == 206 && !answered.path.contains(".pad")));
    let mut asked: Vec<String> =
        answered.iter().map(|answered| format!("{} {}", answered.path, answered.range)).collect();
    asked.sort_unstable();
    assert!(nginx.sent() <= wanted, "{} bytes for {wanted}: {asked:#?}", nginx.sent());
}

#[test]
fn nginx_is_asked_for_whole_pieces_over_one_connection() {
    let program = match nginx_is_here() {
        Ok(program) => program,
        Err(why) => return skip("nginx_is_asked_for_whole_pieces_over_one_connection", &why),
    };
    let scene = pieces("whole.bin", 40 << 18);
    let nginx = Nginx::start(&program, &scene.path("nginx"), &scene.source(), "");
    let torrents = torrents(&scene, "web", &[nginx.url("whole.bin")]);
    let (dir, state) = (scene.path("got"), scene.path("state"));
    Child::start("peerlink get", peerlink::get(&torrents, &dir, &state, &[])).succeed();
    scene.check(&dir);
    let answered = nginx.answered();
    assert_eq!(nginx.sent(), 40 << 18);
    // Neighbours may be asked for together.
    let begin = |range: &str| range.strip_prefix("bytes=")?.split('-').next()?.parse::<u64>().ok();
    let is_whole = |one: &Answered| {
        one.sent.is_multiple_of(1 << 18) && begin(&one.range).is_some_and(|at| at.is_multiple_of(1 << 18))
    };
    assert!(answered.iter().all(is_whole), "{answered:#?}");
    assert!(answered.iter().all(|one| one.connection == answered[0].connection), "{answered:#?}");
}

#[test]
fn nginx_and_a_peer_give_a_part_each() {
    let (program, python) = match (nginx_is_here(), others::python()) {
        (Ok(program), Ok(python)) => (program, python),
        (Err(why), _) | (_, Err(why)) => return skip("nginx_and_a_peer_give_a_part_each", &why),
    };
    const RATE: u64 = 6 << 20;
    let scene = pieces("both.bin", (24 << 20) + 3);
    let nginx = Nginx::start(&program, &scene.path("nginx"), &scene.source(), "limit_rate 6m;");
    let seed = others::libtorrent_seed(&python, &scene.torrents, &scene.source(), RATE);
    // A link: what is in the torrent comes from the peer, then the web seed that the link names helps.
    let payload = &scene.payloads[0];
    let hash: String = payload.info_hash().iter().map(|byte| format!("{byte:02x}")).collect();
    let link = format!("magnet:?xt=urn:btih:{hash}&ws={}&x.pe={}", nginx.url("both.bin"), seed.address);
    let (dir, state) = (scene.path("got"), scene.path("state"));
    let mut command = peerlink::get(&[], &dir, &state, &[]);
    command.arg(link);
    Child::start("peerlink get", command).succeed();
    scene.check(&dir);
    let (total, from_peer) = (payload.total_len, others::libtorrent_end(seed).0);
    println!("nginx sent {}, libtorrent {from_peer} of {total} bytes", nginx.sent());
    assert!(nginx.sent() > total / 10 && from_peer > total / 10);
}

#[test]
fn wrong_bytes_of_a_web_server_are_found_and_it_is_dropped() {
    let program = match nginx_is_here() {
        Ok(program) => program,
        Err(why) => return skip("wrong_bytes_of_a_web_server_are_found_and_it_is_dropped", &why),
    };
    let scene = pieces("file.bin", (8 << 20) + 1);
    let wrong = scene.path("wrong");
    std::fs::create_dir_all(&wrong).expect("the test's own folder");
    let mut bytes = std::fs::read(scene.source().join("file.bin")).expect("it was written");
    bytes.iter_mut().skip(1000).step_by(16 << 10).for_each(|byte| *byte ^= 1);
    std::fs::write(wrong.join("file.bin"), bytes).expect("the test's own folder");
    let liar = Nginx::start(&program, &scene.path("liar"), &wrong, "");
    let honest = Nginx::start(&program, &scene.path("honest"), &scene.source(), "limit_rate 4m;");
    let torrents = torrents(&scene, "web", &[liar.url(""), honest.url("")]);
    let (dir, state) = (scene.path("got"), scene.path("state"));
    let lines = Child::start("peerlink get", peerlink::get(&torrents, &dir, &state, &[])).succeed();
    scene.check(&dir);
    let said = format!("web seed {}: it sent wrong data", liar.url("").trim_end_matches('/'));
    assert!(lines.iter().any(|line| line.contains(&said)), "{}", lines.join("\n"));
    // Nothing good was known of it: it had one piece to lose.
    assert!(liar.sent() <= 2 * (256 << 10), "{} bytes of the liar", liar.sent());
    assert_eq!(honest.answered().iter().filter(|answered| answered.status != 206).count(), 0);
}

#[test]
fn a_web_server_that_moved_is_followed_and_a_busy_one_is_asked_again() {
    let program = match nginx_is_here() {
        Ok(program) => program,
        Err(why) => return skip("a_web_server_that_moved_is_followed_and_a_busy_one_is_asked_again", &why),
    };
    let files: &[(&str, u64)] = &[("a", 300_000), ("b/c d", 500_000), ("e", 10)];
    let scene = Scene::new(vec![Payload::files("t", files, 64 << 10)], None);
    let more = "location /moved/ { if ($request_uri ~ ^/moved(/.*)$) { return 302 http://127.0.0.1:PORT$1; } }\n\
                location /busy/ { add_header Retry-After 1 always; return 503; }\n\
                location /gone/ { return 404; }";
    let nginx = Nginx::start(&program, &scene.path("nginx"), &scene.source(), more);
    let urls = ["busy/", "gone/", "moved/"].map(|path| nginx.url(path));
    let torrents = torrents(&scene, "web", &urls);
    let (dir, state) = (scene.path("got"), scene.path("state"));
    let lines = Child::start("peerlink get", peerlink::get(&torrents, &dir, &state, &[])).succeed();
    scene.check(&dir);
    let answered = nginx.answered();
    let count = |status: u32| answered.iter().filter(|answered| answered.status == status).count();
    assert_eq!((count(503), count(302)), (1, 1), "{answered:#?}");
    assert!((1..=3).contains(&count(404)), "{answered:#?}");
    assert!(lines.iter().any(|line| line.contains("busy")), "{}", lines.join("\n"));
}

#[test]
fn libtorrent_completes_from_the_web_seed_of_a_torrent_of_ours() {
    let (program, python) = match (nginx_is_here(), others::python()) {
        (Ok(program), Ok(python)) => (program, python),
        (Err(why), _) | (_, Err(why)) => {
            return skip("libtorrent_completes_from_the_web_seed_of_a_torrent_of_ours", &why);
        }
    };
    let files: &[(&str, u64)] = &[("a", 300_000), ("b/c d", 500_000), ("empty", 0)];
    let scene = Scene::new(vec![Payload::files("t", files, 64 << 10)], None);
    let nginx = Nginx::start(&program, &scene.path("nginx"), &scene.source(), "");
    let torrent = scene.path("made.torrent");
    let mut create = Command::new(peerlink::binary());
    create.arg("create").arg(scene.source().join("t")).args(["--web-seed", &nginx.url(""), "--output"]).arg(&torrent);
    Child::start("peerlink create", create).succeed();
    let dir = scene.path("got");
    std::fs::create_dir_all(&dir).expect("the test's own folder");
    let mut leech = others::libtorrent_leech(&python, &[torrent], &dir, None);
    leech.child.expect("the end", |line| (line == "complete").then_some(()));
    others::libtorrent_end(leech);
    scene.payloads[0].check_filled_files(&dir);
    assert!(nginx.sent() >= 800_000);
}

#[test]
fn nginx_gives_everything_over_tls_to_who_believes_it() {
    let program = match nginx_is_here() {
        Ok(program) => program,
        Err(why) => return skip("nginx_gives_everything_over_tls_to_who_believes_it", &why),
    };
    let scene = pieces("file.bin", (6 << 20) + 77);
    let keys = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tls");
    let (certificate, key) = (keys.join("server.pem"), keys.join("server.key"));
    let more = format!("ssl_certificate {}; ssl_certificate_key {};", certificate.display(), key.display());
    let nginx = Nginx::start_tls(&program, &scene.path("nginx"), &scene.source(), &more);
    let torrents = torrents(&scene, "web", &[format!("https://localhost:{}/file.bin", nginx.port)]);
    let (dir, state) = (scene.path("got"), scene.path("state"));
    // Nobody has heard of its authority.
    let mut stranger = peerlink::get(&torrents, &dir, &state, &[]);
    stranger.args(["--timeout", "3s"]);
    let (status, lines) = Child::start("peerlink get", stranger).finish();
    assert_eq!(status.code(), Some(4), "{}", lines.join("\n"));
    assert!(lines.iter().any(|line| line.contains("its certificate is not believed")), "{}", lines.join("\n"));
    // The system has, as SSL_CERT_FILE says; or a person.
    for by_flag in [false, true] {
        let (dir, state) = (scene.path(&format!("got {by_flag}")), scene.path(&format!("state {by_flag}")));
        let mut command = peerlink::get(&torrents, &dir, &state, &[]);
        match by_flag {
            true => command.arg("--ca-file").arg(keys.join("ca.pem")),
            false => command.env("SSL_CERT_FILE", keys.join("ca.pem")),
        };
        Child::start("peerlink get", command).succeed();
        scene.check(&dir);
    }
    assert!(nginx.answered().iter().all(|answered| answered.status == 206));
}
