//! Keys and nicks: owners, strangers, ghosts, and what waits while its owner is away.

use super::hall::{Hall, options};
use crate::base::Span;
use crate::machine::{Completion, Input, Job};
use crate::seal::Identity;
use crate::wire::base64url;

/// A server's state folder: two files.
#[derive(Default, Clone, Debug)]
struct Disk {
    nicks: Option<Vec<u8>>,
    waiting: Option<Vec<u8>>,
}

impl Disk {
    fn file(&mut self, name: &str) -> &mut Option<Vec<u8>> {
        match name {
            "nicks" => &mut self.nicks,
            "waiting" => &mut self.waiting,
            other => panic!("no file of keys: {other}"),
        }
    }

    /// Carries out the jobs of a hall.
    fn work(&mut self, hall: &mut Hall) {
        while let Some(job) = hall.jobs.pop() {
            let completion = match job {
                Job::SaveFile { id, name, bytes } => {
                    *self.file(&name) = Some(bytes);
                    Completion::FileSaved { id, result: Ok(()) }
                }
                Job::LoadFile { id, name, .. } => {
                    let found = self.file(&name).clone().map(|bytes| (bytes, Span::ZERO));
                    Completion::FileLoaded { id, result: Ok(found) }
                }
                other => panic!("no job for keys: {other:?}"),
            };
            hall.input(Input::Completed(completion));
        }
    }

    fn start(&mut self) -> Hall {
        let mut hall = Hall::new(options());
        hall.start();
        self.work(&mut hall);
        hall
    }
}

fn key(number: u8) -> Identity {
    Identity::new([number; 32])
}

/// Connects and asks for the capability; the nonce.
fn begin(hall: &mut Hall, name: &str) -> [u8; 32] {
    hall.connect(name);
    let lines = hall
        .ask(name, "CAP REQ :peerlink/id echo-message message-tags server-time labeled-response standard-replies");
    assert!(lines[0].contains(" CAP * ACK "), "{lines:?}");
    let nonce = lines[1].strip_prefix(":peerlink.server PEERLINK NONCE ").expect("a nonce");
    base64url::decode_array(nonce).expect("32 bytes")
}

fn shown(who: &Identity, nonce: &[u8; 32], nick: &str) -> String {
    format!("PEERLINK ID {} {}", who.public(), base64url::encode(&who.log_in(nonce, nick)))
}

/// Logs in with a key; all that is said.
fn login(hall: &mut Hall, name: &str, nick: &str, who: &Identity) -> Vec<String> {
    let nonce = begin(hall, name);
    let id = shown(who, &nonce, nick);
    hall.ask(name, &format!("{id}\r\nNICK {nick}\r\nUSER u 0 * :r\r\nCAP END"))
}

fn has(lines: &[String], part: &str) -> bool {
    lines.iter().any(|line| line.contains(part))
}

#[test]
fn a_nick_stays_its_keys_over_restarts_and_for_nobody_else() {
    let mut disk = Disk::default();
    let mut hall = disk.start();
    let lines = login(&mut hall, "anna", "Anna", &key(1));
    assert!(has(&lines, &format!("PEERLINK ID {}", key(1).public())) && has(&lines, " 001 Anna "), "{lines:?}");
    hall.hang_up("anna");
    for round in 0..2 {
        // Without a key, with another, with the right key's answer to another nonce or for another nick.
        hall.connect("eve");
        let taken = ":peerlink.server 433 * anna :Nickname belongs to somebody else's key";
        assert_eq!(hall.ask("eve", "NICK anna"), [taken], "{round}");
        hall.hang_up("eve");
        assert!(has(&login(&mut hall, "eve", "ANNA", &key(2)), " 433 * ANNA "));
        hall.hang_up("eve");
        let nonce = begin(&mut hall, "eve");
        let stolen = shown(&key(1), &[7; 32], "anna");
        let lines = hall.ask("eve", &format!("{stolen}\r\nNICK anna"));
        assert!(has(&lines, "FAIL PEERLINK BAD_SIGNATURE ID") && has(&lines, " 433 "), "{lines:?}");
        let other = shown(&key(1), &nonce, "eve");
        assert!(has(&hall.ask("eve", &format!("{other}\r\nNICK anna")), " 433 "));
        hall.hang_up("eve");
        hall.login("bob", "");
        assert!(has(&hall.ask("bob", "NICK anna"), " 433 bob anna "), "nor later");
        // The server starts again.
        hall.pass(Span::secs(2));
        disk.work(&mut hall);
        hall = disk.start();
    }
    assert!(has(&login(&mut hall, "anna", "anna", &key(1)), " 001 anna "));
    hall.hang_up("anna");
    // 31 days on it is anybody's, and the next key's then.
    hall.out.wall_ms += 31 * 86_400_000;
    assert!(has(&login(&mut hall, "eve", "anna", &key(2)), " 001 anna "));
}

#[test]
fn a_ghost_ends_for_its_owner_only() {
    let mut disk = Disk::default();
    let mut hall = disk.start();
    login(&mut hall, "ghost", "anna", &key(1));
    hall.login("bob", "");
    hall.say("ghost", "JOIN #g");
    hall.say("bob", "JOIN #g");
    hall.clear();
    assert!(has(&login(&mut hall, "eve", "anna", &key(2)), " 433 "));
    assert_eq!(hall.got("ghost"), [""; 0]);
    let lines = login(&mut hall, "anna", "anna", &key(1));
    assert!(has(&lines, " 001 anna "), "{lines:?}");
    assert!(has(&hall.got("ghost"), "ERROR :Closing link: (192.0.2.1) [Its owner has come back]"));
    assert!(has(&hall.got("bob"), " QUIT :Its owner has come back"));
    // A nick that nobody owns is nobody's to take from who has it.
    assert!(has(&login(&mut hall, "carl", "bob", &key(3)), " 433 * bob :Nickname is already in use"));
    assert!(!has(&hall.got("bob"), "ERROR"));
}

#[test]
fn messages_wait_for_the_owner_over_a_restart_and_strangers_do_not_read_them() {
    let mut disk = Disk::default();
    let mut hall = disk.start();
    login(&mut hall, "anna", "anna", &key(1));
    hall.hang_up("anna");
    hall.pass(Span::secs(2));
    disk.work(&mut hall);
    login(&mut hall, "bob", "bob", &key(2));
    let told = hall.ask("bob", "@+peerlink/id=AAAA;label=x PRIVMSG anna :first");
    assert_eq!(told, [""; 0], "nothing before it is on disk");
    disk.work(&mut hall);
    let echo = hall.got("bob");
    assert!(
        echo.len() == 1 && echo[0].starts_with("@label=x;time=") && echo[0].ends_with("PRIVMSG anna :first"),
        "{echo:?}"
    );
    // Said again because the echo was lost: it waits once, and the echo names the first.
    hall.say("bob", "@+peerlink/id=AAAA PRIVMSG anna :first");
    disk.work(&mut hall);
    let again = hall.got("bob");
    assert_eq!(
        again[0].split_once(";").unwrap().1,
        echo[0].split_once("time=").unwrap().1.split_once(';').unwrap().1
    );
    hall.login("irssi", "");
    hall.say("irssi", "PRIVMSG anna :second");
    disk.work(&mut hall);
    assert_eq!(hall.got("irssi").last().unwrap(), ":peerlink.server 301 irssi anna :Is not here; the message waits");
    assert!(has(&hall.ask("irssi", "PRIVMSG nobody :x"), " 401 irssi nobody "));

    let mut hall = disk.start();
    assert!(has(&login(&mut hall, "eve", "anna", &key(2)), " 433 "));
    let lines = login(&mut hall, "mallory", "mallory", &key(3));
    assert!(!has(&lines, "first") && !has(&hall.ask("mallory", "PONG waiting-9"), "first"));
    let lines = login(&mut hall, "anna", "anna", &key(1));
    let waited: Vec<&str> =
        lines.iter().filter(|line| line.contains(" PRIVMSG ")).map(|line| line.rsplit_once(':').unwrap().1).collect();
    assert_eq!(waited, ["first", "second"]);
    let ping = lines.last().unwrap().clone();
    assert!(ping.contains("PING :waiting-"), "{ping}");
    // It had not read them when the connection broke: they wait on.
    hall.hang_up("anna");
    let lines = login(&mut hall, "anna", "anna", &key(1));
    assert!(has(&lines, "first") && has(&lines, "second"));
    let token = lines.last().unwrap().rsplit_once(':').unwrap().1.to_string();
    hall.say("anna", &format!("PONG {token}"));
    hall.hang_up("anna");
    assert!(!has(&login(&mut hall, "anna", "anna", &key(1)), " PRIVMSG "));
    hall.pass(Span::secs(2));
    disk.work(&mut hall);
    let mut hall = disk.start();
    assert!(!has(&login(&mut hall, "anna", "anna", &key(1)), " PRIVMSG "));
}

#[test]
fn nobody_comes_in_before_it_is_known_whose_the_nicks_are() {
    let mut disk = Disk::default();
    let mut hall = disk.start();
    login(&mut hall, "anna", "anna", &key(1));
    hall.pass(Span::secs(2));
    disk.work(&mut hall);
    let mut hall = Hall::new(options());
    hall.start();
    hall.login("eve", "");
    hall.connect("thief");
    assert!(!has(&hall.ask("thief", "NICK anna\r\nUSER u 0 * :r"), " 001 "));
    assert_eq!(hall.got("eve"), [""; 0]);
    disk.work(&mut hall);
    assert!(has(&hall.got("eve"), " 001 eve "));
    assert!(has(&hall.got("thief"), " 433 * anna :Nickname belongs to somebody else's key"));
}

#[test]
fn keys_are_told_to_who_wants_to_seal() {
    let mut hall = Disk::default().start();
    login(&mut hall, "anna", "anna", &key(1));
    login(&mut hall, "bob", "bob", &key(2));
    hall.login("irssi", "");
    let answer = format!(":peerlink.server PEERLINK KEY Anna {}", key(1).public());
    assert_eq!(hall.ask("bob", "PEERLINK KEY Anna"), std::slice::from_ref(&answer));
    hall.hang_up("anna");
    assert_eq!(hall.ask("bob", "PEERLINK KEY Anna"), [answer]);
    for (line, code) in [
        ("PEERLINK KEY irssi", "NO_KEY KEY irssi"),
        ("PEERLINK KEY", "NO_KEY KEY *"),
        ("PEERLINK XYZ", "UNKNOWN_COMMAND XYZ"),
        ("PEERLINK ID a b", "INVALID_PARAMS ID"),
    ] {
        assert!(has(&hall.ask("bob", line), &format!("FAIL PEERLINK {code} :")), "{line}");
    }
    let id = shown(&key(2), &[0; 32], "bob");
    assert!(has(&hall.ask("bob", &id), "FAIL PEERLINK ALREADY ID"));
    assert!(has(&hall.ask("irssi", "PEERLINK KEY anna"), " 421 irssi PEERLINK "));
}

#[test]
fn an_owned_nick_that_is_said_before_its_key_is_shown_waits_for_it() {
    let mut disk = Disk::default();
    let mut hall = disk.start();
    login(&mut hall, "ghost", "anna", &key(1));
    // As programs do that say all at once, whatever the server knows.
    let begin = |hall: &mut Hall, name: &str| {
        hall.connect(name);
        let lines = hall.ask(name, "CAP LS 302\r\nNICK anna\r\nUSER u 0 * :r");
        assert!(lines.len() == 1 && lines[0].contains(" CAP * LS "), "{lines:?}");
        let lines = hall.ask(name, "CAP REQ peerlink/id");
        base64url::decode_array(lines[1].rsplit_once(' ').unwrap().1).expect("a nonce")
    };
    begin(&mut hall, "eve");
    let lines = hall.ask("eve", "CAP END");
    assert_eq!(lines, [":peerlink.server 433 * anna :Nickname belongs to somebody else's key"]);
    assert!(has(&hall.ask("eve", "NICK eve"), " 001 eve "));
    let nonce = begin(&mut hall, "thief");
    let lines = hall.ask("thief", &format!("{}\r\nCAP END", shown(&key(2), &nonce, "anna")));
    assert!(has(&lines, " 433 * anna ") && !has(&lines, " 001 "), "{lines:?}");
    let nonce = begin(&mut hall, "anna");
    let lines = hall.ask("anna", &format!("{}\r\nCAP END", shown(&key(1), &nonce, "anna")));
    assert!(has(&lines, " 001 anna "), "{lines:?}");
    assert!(has(&hall.got("ghost"), "ERROR "));
}
