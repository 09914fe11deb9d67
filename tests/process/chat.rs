//! `chat` against a real `serve`: scripts that talk, one message from a command line, a share from one to the other.

use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::rig::{Home, Running, payload};
use super::serve::serve;

/// A server and the words that name it.
pub fn group(home: &Home) -> (Running, String) {
    let (running, port) = serve(home, &["--state-dir", &home.text("server")]);
    (running, format!("127.0.0.1:{port}"))
}

pub fn end(running: Running) {
    running.signal("TERM");
    assert_eq!(running.wait().expect(0).err, "");
}

/// A script in group `g`, once it is there.
pub fn bot(home: &Home, at: &str, nick: &str, more: &[&str]) -> Running {
    let state = home.text(nick);
    let args = ["chat", "--server", at, "--group", "g", "--nick", nick, "--json", "--port", "0"];
    let args = [&args[..], &["--bind", "127.0.0.1", "--state-dir", &state], more].concat();
    let mut running = home.start_to_talk(&args);
    running.line_after("\"event\":\"joined\",\"group\":\"#g\"");
    running
}

#[test]
fn scripts_talk_and_know_what_arrived() {
    let home = Home::new();
    let (server, at) = group(&home);
    let mut ann = bot(&home, &at, "ann", &[]);
    let mut bob = bot(&home, &at, "bob", &[]);
    ann.line_after("\"event\":\"joined\",\"group\":\"#g\",\"nick\":\"bob\"");
    ann.says("hello \"bob\" \u{1b}[2J");
    let heard = bob.line_after("{\"event\":\"message\",\"group\":\"#g\",\"nick\":\"ann\",");
    assert!(
        heard.starts_with("\"text\":\"hello \\\"bob\\\" \\u001b[2J\",\"private\":false,\"own\":false"),
        "{heard}"
    );
    assert!(heard.contains("\"msgid\":\"") && heard.contains("\"time_ms\":1"), "{heard}");
    ann.line_after("{\"event\":\"acknowledged\",\"number\":1,\"msgid\":\"");
    bob.says("/msg ann psst");
    bob.says("/msg nobody psst");
    assert!(ann.line_after("\"text\":\"psst\"").contains("\"private\":true"));
    bob.line_after("{\"event\":\"refused\",\"number\":2,");
    bob.says("/me waves");
    assert!(ann.line_after("\"text\":\"waves\"").contains("\"action\":true"));
    // Who made the group says what it is about.
    ann.says("/topic of talk");
    bob.line_after("{\"event\":\"topic\",\"group\":\"#g\",\"text\":\"of talk\",\"by\":\"ann\"}");
    bob.says("/nick rob");
    ann.line_after("{\"event\":\"nick\",\"old\":\"bob\",\"new\":\"rob\",\"own\":false}");
    bob.says("/who");
    bob.line_after("{\"event\":\"who\",\"nicks\":[\"");
    bob.says("/groups");
    bob.line_after("{\"event\":\"groups\",\"groups\":[\"#g\"]}");
    // One message from a command line, and its exit code.
    let send = |to: &[&str]| home.run(&[&["chat", "--nick", "cat", "--port", "0", "--send", "hi all"], to].concat());
    let sent = send(&["--server", &at, "--group", "g"]).expect(0);
    assert_eq!((sent.out, sent.err), (String::new(), String::new()));
    assert!(ann.line_after("\"nick\":\"cat\",\"text\":\"hi all\"").contains("\"history\":false"));
    // What was said is acknowledged before the end of input ends it.
    bob.says("last words");
    bob.says_no_more();
    bob.wait().expect(0);
    ann.line_after("\"text\":\"last words\"");
    ann.line_after("{\"event\":\"left\",\"group\":\"#g\",\"nick\":\"rob\",\"own\":false,\"how\":\"quit\"");
    ann.says("/quit");
    ann.wait().expect(0);
    end(server);
}

#[test]
fn what_cannot_be_said_has_one_line_and_its_code() {
    let home = Home::new();
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = free.local_addr().expect("its address").to_string();
    let send = |more: &[&str]| {
        let args = ["chat", "--server", &at, "--port", "0", "--send", "hi"];
        home.run(&[&args[..], more].concat())
    };
    // Somebody listens there who never says anything.
    let mute = send(&["--group", "g", "--timeout", "1s"]).expect(6);
    assert!(mute.one_line().contains("within 1s"), "{}", mute.err);
    drop(free);
    let nobody = send(&["--group", "g"]).expect(6);
    assert!(nobody.one_line().contains("is `peerlink serve` running there?"), "{}", nobody.err);
    assert!(send(&[]).expect(2).one_line().contains("--group"));
    assert!(send(&["--group", "a b"]).expect(2).one_line().contains("cannot be a group"));
    assert!(send(&["--group", "g", "--nick", "1"]).expect(2).one_line().contains("--nick"));
}

#[test]
fn lines_are_talk_for_people_who_have_no_terminal() {
    let home = Home::new();
    let (server, port) = serve(&home, &["--state-dir", &home.text("server"), "--flood", "0"]);
    let at = format!("127.0.0.1:{port}");
    let args = ["chat", "--server", &at, "--group", "g", "--nick", "ann", "--port", "0"];
    let said = home.run_with_stdin(&args, b"one\n//two\n/frob\n/me three").expect(0);
    for part in ["you are in #g", "<ann> one", "<ann> /two", "there is no /frob", "* ann three"] {
        assert!(said.out.contains(part), "{part}: {}", said.out);
    }
    assert!(!said.out.contains('\u{1b}'), "no colours: {}", said.out);
    // More than may wait at once, and a command that is answered; then what was said is there for others.
    let many: String = (0..3000).map(|number| format!("line {number}\n")).collect();
    let flooded = home.run_with_stdin(&args, format!("/topic of many lines\n{many}").as_bytes()).expect(0);
    assert_eq!(flooded.out.matches("<ann> line ").count(), 3000, "{}", flooded.err);
    assert!(flooded.out.contains("ann says #g is about: of many lines"));
    let after = home.run_with_stdin(&[&args[..], &["--backlog", "3"]].concat(), b"/groups\n").expect(0);
    assert!(after.out.contains("<ann> line 2999") && !after.out.contains("<ann> line 2990"), "{}", after.out);
    end(server);
}

/// Stands for a DHT: notes what it is asked, and knows nobody.
struct Node {
    address: String,
    heard: Arc<Mutex<Vec<Vec<u8>>>>,
    is_over: Arc<AtomicBool>,
}

impl Node {
    fn start() -> Node {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        socket.set_read_timeout(Some(Duration::from_millis(100))).expect("a time-out");
        let address = socket.local_addr().expect("its address").to_string();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let is_over = Arc::new(AtomicBool::new(false));
        let (note, stop) = (heard.clone(), is_over.clone());
        std::thread::spawn(move || {
            let mut bytes = [0; 2048];
            while !stop.load(Ordering::Relaxed) {
                let Ok((len, from)) = socket.recv_from(&mut bytes) else { continue };
                let packet = bytes[..len].to_vec();
                // The transaction id stands behind `1:t` as `len:bytes`.
                if let Some(at) = packet.windows(3).position(|part| part == b"1:t") {
                    let id = &packet[at + 3..(at + 12).min(len)];
                    let digit = usize::from(id[0].saturating_sub(b'0')) + 2;
                    let head = b"d1:rd2:id20:mnopqrstuvwxyz1234565:token4:abcd5:nodes0:e1:t";
                    let _ = socket.send_to(&[head, &id[..digit.min(id.len())], b"1:y1:re"].concat(), from);
                }
                note.lock().expect("no panic").push(packet);
            }
        });
        Node { address, heard, is_over }
    }

    fn has_heard(&self, part: &[u8]) -> bool {
        let heard = self.heard.lock().expect("no panic");
        heard.iter().any(|packet| packet.windows(part.len()).any(|window| window == part))
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

fn field(line: &str, name: &str) -> String {
    let (_, rest) = line.split_once(&format!("\"{name}\":\"")).unwrap_or_else(|| panic!("no {name}: {line}"));
    rest.split('"').next().expect("a value").to_string()
}

fn bytes_of(hash: &str) -> Vec<u8> {
    (0..20).map(|at| u8::from_str_radix(&hash[2 * at..2 * at + 2], 16).expect("a digit")).collect()
}

#[test]
fn what_is_shared_in_one_chat_is_got_in_another_and_private_by_nature() {
    let home = Home::new();
    let (server, at) = group(&home);
    let dht = Node::start();
    let on_dht = ["--no-dht=no", "--dht-bootstrap", &dht.address];
    let bytes = payload(700_000, 3);
    home.write("share/holidays in may.bin", &bytes);
    let secret = home.text("share/holidays in may.bin");
    home.write("share/open.bin", &payload(50_000, 4));
    let open = home.text("share/open.bin");
    std::fs::create_dir(home.path("got")).expect("a folder");
    let mut ann = bot(&home, &at, "ann", &on_dht);
    let mut bob = bot(&home, &at, "bob", &[&on_dht[..], &["--dir", &home.text("got")]].concat());
    ann.says(&format!("/share {secret}"));
    let shared = ann.line_after("{\"event\":\"shared\",");
    assert!(shared.contains("\"private\":true"), "{shared}");
    let told = bob.line_after("\"text\":\"shares holidays in may.bin (684 KiB): magnet:?xt=urn:btih:");
    assert!(told.contains("\"size\":700000") && told.contains("&tr=http%3A%2F%2F127.0.0.1%3A"), "{told}");
    bob.says("/get 1");
    bob.line_after("{\"event\":\"complete\",\"name\":\"holidays in may.bin\"");
    assert!(home.read("got/holidays in may.bin") == bytes, "it arrived as it was");
    // An open one is looked for in the DHT, the other one never was.
    ann.says(&format!("/share --public {open}"));
    let open = ann.line_after("{\"event\":\"shared\",");
    assert!(open.contains("\"private\":false"), "{open}");
    bob.line_after("shares open.bin");
    bob.says("/get 2");
    bob.line_after("{\"event\":\"complete\",\"name\":\"open.bin\"");
    let (secret, open) = (bytes_of(&field(&shared, "info_hash")), bytes_of(&field(&open, "info_hash")));
    let begun = std::time::Instant::now();
    while !dht.has_heard(&open) {
        assert!(begun.elapsed() < Duration::from_secs(30), "nobody asks the DHT for the open one");
        std::thread::yield_now();
    }
    assert!(!dht.has_heard(&secret), "the private one was named in the DHT");
    bob.says("/get 2");
    bob.line_after("that is here already");
    bob.says("/get 7");
    bob.line_after("there is no number 7");
    ann.says("/share /no/such/file");
    ann.line_after("{\"event\":\"error\",\"error\":\"/no/such/file: ");
    for mut running in [ann, bob] {
        running.says("/quit");
        running.wait().expect(0);
    }
    end(server);
}
