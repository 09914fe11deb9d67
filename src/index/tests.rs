//! The machine as the hallway drives it, with a shelf in memory.

use super::*;
use crate::base::Span;
use crate::machine::{DiskError, DiskErrorKind};
use crate::wire::authorization::Authorization;
use crate::wire::http;

const CONN: ConnId = ConnId(1);

struct Bench {
    index: Index,
    out: Outbox,
    now: Time,
    shelf: BTreeMap<String, Vec<u8>>,
    /// What the disk says to everything.
    trouble: Option<DiskErrorKind>,
    /// Jobs that were started and not done.
    jobs: Vec<Job>,
}

impl Bench {
    fn new(options: Options) -> Bench {
        let index = Index::new(Options { began_s: 1_700_000_000, ..options });
        let out = Outbox::new(1, 1, 1, 1);
        Bench { index, out, now: Time::ZERO, shelf: BTreeMap::new(), trouble: None, jobs: Vec::new() }
    }

    /// The same shelf in a new process.
    fn restarted(&self, options: Options) -> Bench {
        let mut bench = Bench::new(options);
        bench.shelf = self.shelf.clone();
        for (name, file) in &bench.shelf {
            bench.index.restore(name, file.len() as u64, &file[..file.len().min(HEAD_LEN)]);
        }
        bench.index.check();
        bench
    }

    /// Asks; None where the answer waits for a job.
    fn begin(&mut self, head: &str, body: &[u8]) -> Option<Reply> {
        let text = format!("{head}\r\n\r\n");
        let mut room = http::room();
        let head = Head::parse(text.as_bytes(), &mut room).unwrap();
        let request = Request { head, body, remote: "192.0.2.9:5".parse().unwrap() };
        self.index.ask(CONN, &request, &(), self.now, &mut self.out);
        self.take()
    }

    fn take(&mut self) -> Option<Reply> {
        self.index.check();
        let mut answer = None;
        for command in self.out.commands.drain(..) {
            match command {
                Command::Answer { conn: CONN, reply } => assert!(answer.replace(reply).is_none(), "answered twice"),
                Command::Job(job) => self.jobs.push(job),
                other => panic!("{other:?}"),
            }
        }
        answer
    }

    /// Does the first job.
    fn work(&mut self) -> Option<Reply> {
        let job = self.jobs.remove(0);
        let trouble = self.trouble.map(|kind| DiskError { kind, text: "trouble".into() });
        let completion = match job {
            Job::Shelve { id, file, bytes } => {
                if trouble.is_none() {
                    self.shelf.insert(file.name, bytes);
                }
                Completion::Shelved { id, result: trouble.map_or(Ok(()), Err) }
            }
            Job::Unshelve { id, file } => {
                if trouble.is_none() {
                    self.shelf.remove(&file.name);
                }
                Completion::Shelved { id, result: trouble.map_or(Ok(()), Err) }
            }
            Job::Recall { id, file, .. } => {
                Completion::Recalled { id, result: trouble.map_or_else(|| Ok(self.shelf[&file.name].clone()), Err) }
            }
            other => panic!("{other:?}"),
        };
        assert!(self.index.completed(completion, &mut self.out));
        self.take()
    }

    fn ask(&mut self, head: &str, body: &[u8]) -> Reply {
        let reply = self.begin(&format!("{head}\r\nHost: box:9000"), body);
        reply.or_else(|| self.work()).expect("an answer after at most one job")
    }

    fn publish(&mut self, name: &str) -> Reply {
        self.ask("POST /torrents HTTP/1.1", &torrent(name, ""))
    }

    fn names(&mut self, query: &str) -> Vec<String> {
        let text = text(&self.ask(&format!("GET /torrents{query} HTTP/1.1"), b""));
        text.split("\"name\":\"").skip(1).map(|rest| rest.split('"').next().unwrap().to_string()).collect()
    }
}

fn torrent(name: &str, more: &str) -> Vec<u8> {
    let tracker = "8:announce10:http://a/a";
    let pieces = "6:pieces20:aaaaaaaaaaaaaaaaaaaa";
    format!("d{tracker}4:infod6:lengthi9e4:name{}:{name}12:piece lengthi16384e{pieces}{more}ee", name.len())
        .into_bytes()
}

fn text(reply: &Reply) -> String {
    String::from_utf8_lossy(&reply.body).into_owned()
}

fn value(reply: &Reply, key: &str) -> String {
    let text = text(reply);
    text.split(&format!("\"{key}\":\""))
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .unwrap_or_default()
        .to_string()
}

fn bearer(token: &str) -> String {
    format!("Authorization: {}", Authorization::Bearer(token.into()).value())
}

#[test]
fn a_torrent_is_published_listed_fetched_and_taken_away() {
    let mut bench = Bench::new(Options::default());
    assert!(
        bench
            .begin("POST /torrents?name=Fine+%3Cname%3E&description=why HTTP/1.1\r\nHost: a", &torrent("a", ""))
            .is_none()
    );
    assert_eq!(bench.names(""), [""; 0], "listed before it is durable");
    let busy = bench.begin("POST /torrents HTTP/1.1\r\nHost: a", &torrent("a", "")).unwrap();
    assert_eq!(busy.status, 409);
    let receipt = bench.work().unwrap();
    assert_eq!((receipt.status, value(&receipt, "name").as_str()), (201, "Fine <name>"));
    let (hash, token) = (value(&receipt, "info_hash"), value(&receipt, "token"));
    assert_eq!(bench.names("?q=why"), ["Fine <name>"]);
    let again = bench.publish("a");
    assert_eq!((again.status, value(&again, "token").as_str()), (200, ""));

    let fetched = bench.ask(&format!("GET /torrents/{hash}.torrent HTTP/1.1"), b"");
    assert_eq!((fetched.kind, fetched.body.as_ref()), ("application/x-bittorrent", torrent("a", "").as_slice()));

    let mut later = bench.restarted(Options::default());
    assert_eq!(later.names(""), ["Fine <name>"]);
    let delete = format!("DELETE /torrents/{hash} HTTP/1.1");
    assert_eq!(later.ask(&delete, b"").status, 401);
    assert_eq!(later.ask(&format!("{delete}\r\n{}", bearer("x")), b"").status, 401);
    assert_eq!(later.ask(&format!("{delete}\r\n{}", bearer(&token)), b"").status, 200);
    assert_eq!((later.names("").len(), later.shelf.len()), (0, 0));
    assert_eq!(later.ask(&delete, b"").status, 404);
    assert_eq!(later.ask(&format!("GET /torrents/{hash} HTTP/1.1"), b"").status, 404);
}

#[test]
fn forms_of_browsers_get_pages() {
    let options = Options { publish_by: PublishBy::Password, password: Some("pw".into()), ..Options::default() };
    let mut bench = Bench::new(options);
    let head = "POST /torrents HTTP/1.1\r\nAccept: text/html,*/*\r\nContent-Type: multipart/form-data; boundary=b";
    let field = |name: &str, content: &[u8]| {
        [format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n").as_bytes(), content, b"\r\n"]
            .concat()
    };
    let form = |password: &[u8]| {
        [field("file", &torrent("a", "")), field("password", password), field("name", b"<b>"), b"--b--\r\n".to_vec()]
            .concat()
    };
    let refused = bench.ask(head, &form(b"no"));
    assert_eq!((refused.status, refused.kind), (401, "text/html; charset=utf-8"));
    let page = bench.ask(head, &form(b"pw"));
    assert!(page.status == 201 && text(&page).contains("&lt;b&gt;") && text(&page).contains("token"));
    assert_eq!(bench.ask(head, b"--b--").status, 400);
    assert_eq!(bench.ask(head, b"--x").status, 400);
}

#[test]
fn pages_of_other_sites_may_not_publish_and_their_bodies_are_not_read() {
    let mut bench = Bench::new(Options::default());
    for (head, is_read, status) in [
        ("POST /torrents HTTP/1.1\r\nOrigin: http://evil\r\nHost: a", false, 403),
        ("POST /torrents HTTP/1.1\r\nSec-Fetch-Site: cross-site\r\nHost: a", false, 403),
        ("DELETE /torrents/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa HTTP/1.1\r\nOrigin: null\r\nHost: a", false, 403),
        ("GET /torrents HTTP/1.1\r\nOrigin: http://evil\r\nHost: a", false, 200),
        ("POST /torrents HTTP/1.1\r\nOrigin: http://a\r\nHost: a", true, 400),
        ("POST / HTTP/1.1\r\nHost: a", false, 405),
        ("PUT /torrents HTTP/1.1\r\nHost: a", false, 405),
        ("GET /torrents/x HTTP/1.1\r\nHost: a", false, 404),
    ] {
        let text = format!("{head}\r\n\r\n");
        let mut room = http::room();
        let parsed = Head::parse(text.as_bytes(), &mut room).unwrap();
        assert_eq!(bench.index.body_max(&parsed).is_some(), is_read, "{head}");
        assert_eq!(bench.begin(head, b"").unwrap().status, status, "{head}");
    }
}

#[test]
fn who_publishes_too_much_must_wait_unless_it_runs_the_place() {
    let opers = vec![("root".to_string(), "pw".to_string())];
    let mut bench = Bench::new(Options { opers, ..Options::default() });
    let published = (0..).take_while(|n| bench.publish(&n.to_string()).status == 201).count();
    assert_eq!(published, 120);
    let refused = bench.publish("one more");
    assert_eq!((refused.status, text(&refused).contains("go on in 30 s")), (429, true));
    assert_eq!(bench.publish("7").status, 200, "it is there");
    let claim = Authorization::Basic { name: "root".into(), password: "pw".into() }.value();
    let head = format!("POST /torrents HTTP/1.1\r\nAuthorization: {claim}");
    assert_eq!(bench.ask(&head, &torrent("one more", "")).status, 201);
    bench.now += Span::secs(30);
    assert_eq!((bench.publish("two more").status, bench.publish("three").status), (201, 429));
}

#[test]
fn private_torrents_are_kept_and_not_listed() {
    let mut bench = Bench::new(Options::default());
    let receipt = bench.ask("POST /torrents HTTP/1.1", &torrent("secret", "7:privatei1e"));
    assert_eq!((receipt.status, bench.names("").len()), (201, 0));
    assert_eq!(
        bench.names("?q=secret").len() + bench.names("?name=secret").len() + bench.names("?number=1").len(),
        0
    );
    let hash = value(&receipt, "info_hash");
    assert_eq!(bench.ask(&format!("GET /torrents/{hash} HTTP/1.1"), b"").status, 200);
    assert_eq!(bench.restarted(Options::default()).names("").len(), 0);
}

#[test]
fn what_is_no_torrent_is_refused_with_a_reason() {
    let mut bench = Bench::new(Options::default());
    for (body, reason) in [
        (&b""[..], "no .torrent"),
        (b"hello", "not a .torrent"),
        (b"d4:infod4:name1:aee", "cannot be published"),
        (&vec![b'd'; TORRENT_LEN + 1], "larger"),
    ] {
        let reply = bench.ask("POST /torrents HTTP/1.1", body);
        assert!(matches!(reply.status, 400 | 413) && text(&reply).contains(reason), "{}", text(&reply));
    }
    let trailing = [torrent("a", ""), b"<script>".to_vec()].concat();
    let hash = value(&bench.ask("POST /torrents HTTP/1.1", &trailing), "info_hash");
    assert_eq!(bench.ask(&format!("GET /torrents/{hash} HTTP/1.1"), b"").body, torrent("a", ""));
}

#[test]
fn caps_count_what_is_on_its_way() {
    let mut bench = Bench::new(Options { count_max: 2, ..Options::default() });
    assert!(bench.begin("POST /torrents HTTP/1.1\r\nHost: a", &torrent("a", "")).is_none());
    assert!(bench.begin("POST /torrents HTTP/1.1\r\nHost: a", &torrent("b", "")).is_none());
    assert_eq!(bench.begin("POST /torrents HTTP/1.1\r\nHost: a", &torrent("c", "")).unwrap().status, 507);
    assert!(bench.work().is_some() && bench.work().is_some());
    assert_eq!(bench.publish("c").status, 507);
    let mut small = Bench::new(Options { disk_max: 1000, ..Options::default() });
    assert_eq!((small.publish("a").status, small.publish("b").status, small.publish("c").status), (201, 201, 507));
}

#[test]
fn a_failing_disk_publishes_and_removes_nothing() {
    let mut bench = Bench::new(Options::default());
    let receipt = bench.publish("kept");
    bench.trouble = Some(DiskErrorKind::Full);
    assert_eq!(bench.publish("b").status, 507);
    let hash = value(&receipt, "info_hash");
    let delete = format!("DELETE /torrents/{hash} HTTP/1.1\r\n{}", bearer(&value(&receipt, "token")));
    assert_eq!(bench.ask(&delete, b"").status, 507);
    bench.trouble = Some(DiskErrorKind::Other);
    assert_eq!(bench.ask(&format!("GET /torrents/{hash} HTTP/1.1"), b"").status, 500);
    bench.trouble = None;
    assert_eq!(bench.names(""), ["kept"]);
    *bench.shelf.get_mut(&hash).unwrap().last_mut().unwrap() ^= 1;
    assert_eq!(bench.ask(&format!("GET /torrents/{hash} HTTP/1.1"), b"").status, 500, "damaged");
}

#[test]
fn torn_and_misplaced_files_are_left_out_at_the_start() {
    let mut bench = Bench::new(Options::default());
    let hash = value(&bench.publish("good"), "info_hash");
    bench.publish("torn");
    let good = bench.shelf[&hash].clone();
    for (name, file) in &mut bench.shelf {
        if *name != hash {
            file.truncate(100);
        }
    }
    bench.shelf.insert("0".repeat(40), good);
    bench.shelf.insert("README".into(), b"hello".to_vec());
    assert_eq!(bench.restarted(Options::default()).names(""), ["good"]);
}

#[test]
fn a_torrent_without_a_tracker_is_at_home_here() {
    let mut bench = Bench::new(Options::default());
    let bare = &torrent("a", "")[24..];
    let bare = [b"d", bare].concat();
    let hash = value(&bench.ask("POST /torrents HTTP/1.1", &bare), "info_hash");
    let fetched = bench.ask(&format!("GET /torrents/{hash} HTTP/1.1"), b"");
    let metainfo = crate::metainfo::parse::parse(&fetched.body).unwrap();
    assert_eq!(metainfo.trackers, [["http://box:9000/announce"]]);
    assert_eq!(metainfo.info_hash.to_string(), hash);
}

#[test]
fn operators_remove_anything_and_guessing_is_locked_out() {
    let opers = vec![("root".to_string(), "op".to_string())];
    let mut bench = Bench::new(Options { opers, ..Options::default() });
    let hash = value(&bench.publish("a"), "info_hash");
    let delete = |password: &str| {
        let who = Authorization::Basic { name: "root".into(), password: password.into() };
        format!("DELETE /torrents/{hash} HTTP/1.1\r\nAuthorization: {}", who.value())
    };
    for _ in 0..5 {
        assert_eq!(bench.ask(&delete("x"), b"").status, 401);
    }
    let locked = bench.ask(&delete("op"), b"");
    assert!(locked.status == 429 && locked.fields.contains(&("Retry-After", "60".into())));
    bench.now += Span::secs(61);
    assert_eq!(bench.ask(&delete("op"), b"").status, 200);
}

#[test]
fn a_slow_disk_is_not_flooded() {
    let mut bench = Bench::new(Options::default());
    let hash = value(&bench.publish("a"), "info_hash");
    let get = format!("GET /torrents/{hash} HTTP/1.1\r\nHost: a");
    for _ in 0..JOBS_MAX {
        assert!(bench.begin(&get, b"").is_none());
    }
    assert_eq!(bench.begin(&get, b"").unwrap().status, 503);
    for _ in 0..JOBS_MAX {
        assert_eq!(bench.work().unwrap().status, 200);
    }
}

#[test]
fn every_reply_forbids_guessing_its_type() {
    let mut bench = Bench::new(Options::default());
    bench.publish("a");
    for head in [
        "GET / HTTP/1.1",
        "GET /torrents HTTP/1.1",
        "GET /torrents HTTP/1.1\r\nAccept: text/html",
        "GET /torrents/x HTTP/1.1",
        "GET /page.css?v=1 HTTP/1.1",
        "GET /page.js HTTP/1.1",
        "POST /torrents HTTP/1.1",
        "POST /torrents HTTP/1.1\r\nAccept: text/html",
    ] {
        let reply = bench.ask(head, b"");
        assert!(reply.fields.contains(&("X-Content-Type-Options", "nosniff".into())), "{head}");
        let is_page = reply.kind.starts_with("text/html");
        let has_policy = reply.fields.iter().any(|(name, _)| *name == "Content-Security-Policy");
        assert_eq!(is_page, has_policy, "{head}");
    }
}
