//! Sealed groups, keys and nicks: two who know the passphrase, some who do not, and somebody with ill will on the wire.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::chat::{bot, end, group};
use super::rig::Home;

/// Anybody with an IRC client.
struct Raw {
    stream: BufReader<TcpStream>,
}

impl Raw {
    fn join(at: &str, nick: &str) -> Raw {
        let stream = TcpStream::connect(at).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a time-out");
        let mut raw = Raw { stream: BufReader::new(stream) };
        raw.says(&format!("CAP REQ :message-tags\r\nNICK {nick}\r\nUSER x 0 * :x\r\nCAP END\r\nJOIN #g"));
        raw.line_with(" 366 ");
        raw
    }

    fn says(&mut self, line: &str) {
        self.stream.get_mut().write_all(format!("{line}\r\n").as_bytes()).expect("it reads");
    }

    fn line_with(&mut self, part: &str) -> String {
        loop {
            let mut line = String::new();
            assert!(self.stream.read_line(&mut line).expect("a line in time") > 0, "closed before {part}");
            if line.contains(part) {
                return line.trim_end().to_string();
            }
        }
    }
}

#[test]
fn a_sealed_group_is_read_by_who_knows_the_passphrase_and_nobody_forges_or_repeats_in_it() {
    let home = Home::new();
    let (server, at) = group(&home);
    let right = home.write("right", b"correct horse battery staple\nsecond line\n");
    let wrong = home.write("wrong", b"another passphrase\n");
    let mut eve = Raw::join(&at, "eve");
    let mut ann = bot(&home, &at, "ann", &["--passphrase-file", &right]);
    let mut bob = bot(&home, &at, "bob", &["--passphrase-file", &right]);
    let mut cat = bot(&home, &at, "cat", &["--passphrase-file", &wrong]);
    let mut dan = bot(&home, &at, "dan", &[]);
    ann.line_after("\"event\":\"joined\",\"group\":\"#g\",\"nick\":\"dan\"");
    ann.says("the treasure is under the tree");
    let heard = bob.line_after("\"nick\":\"ann\",\"text\":\"the treasure is under the tree\"");
    assert!(heard.contains("\"sealed\":\"opened\""), "{heard}");
    ann.line_after("{\"event\":\"acknowledged\",\"number\":1,");
    cat.line_after("\"nick\":\"ann\",\"text\":\"[sealed with another passphrase]\"");
    dan.line_after("\"nick\":\"ann\",\"text\":\"[sealed: needs the group's passphrase (--passphrase-file)]\"");
    // On the wire there is nothing of it. What is said again, changed, or moved is seen to be.
    let wire = eve.line_with(":[sealed message: needs the group's passphrase]");
    let sealed =
        wire.split([';', ' ', '@']).find(|tag| tag.starts_with("+peerlink/sealed=")).expect("its tag").to_string();
    assert!(!wire.contains("treasure") && sealed.len() > 200, "{wire}");
    eve.says(&format!("@{sealed} PRIVMSG #g :x"));
    bob.line_after("\"nick\":\"eve\",\"text\":\"[replayed: ");
    let last = sealed.len() - 40;
    let other = if sealed.as_bytes()[last] == b'A' { "B" } else { "A" };
    let changed = format!("{}{other}{}", &sealed[..last], &sealed[last + 1..]);
    eve.says(&format!("@{changed} PRIVMSG #g :x"));
    bob.line_after("\"nick\":\"eve\",\"text\":\"[forged: eve has not said this here]\"");
    eve.says("@+peerlink/hash=aa PRIVMSG #g :come to my house");
    let open = bob.line_after("\"nick\":\"eve\",\"text\":\"(not sealed) come to my house\"");
    assert!(open.contains("\"sealed\":\"no\""), "{open}");
    // Somebody who comes later reads the history; actions are sealed, too.
    ann.says("/me digs");
    assert!(bob.line_after("\"text\":\"digs\"").contains("\"action\":true"));
    let mut late = bot(&home, &at, "late", &["--passphrase-file", &right]);
    late.says("here I am");
    bob.line_after("\"nick\":\"late\",\"text\":\"here I am\"");
    drop((ann, bob, cat, dan, late));
    end(server);
}

#[test]
fn private_messages_are_sealed_and_wait_for_the_owner_of_the_nick_alone() {
    let home = Home::new();
    let (server, at) = group(&home);
    let mut eve = Raw::join(&at, "eve");
    let mut ann = bot(&home, &at, "ann", &[]);
    let mut bob = bot(&home, &at, "bob", &[]);
    ann.says("/msg bob for you");
    assert!(bob.line_after("\"text\":\"for you\"").contains("\"sealed\":\"opened\""));
    ann.line_after("{\"event\":\"acknowledged\",\"number\":1,");
    // Somebody without a key is talked to as ever.
    ann.says("/msg eve openly");
    eve.line_with("PRIVMSG eve :openly");
    ann.line_after("{\"event\":\"acknowledged\",\"number\":2,");
    bob.says("/quit");
    bob.wait().expect(0);
    ann.line_after("\"nick\":\"bob\",\"own\":false,\"how\":\"quit\"");
    ann.says("/msg bob when you are back");
    ann.line_after("{\"event\":\"acknowledged\",\"number\":3,");
    // The nick is its key's: neither a stranger nor another key has it, and neither hears what waits.
    eve.says("NICK bob");
    eve.line_with(" 433 eve bob ");
    let thief = home.text("thief");
    let args =
        ["chat", "--server", &at, "--group", "g", "--nick", "bob", "--json", "--port", "0", "--state-dir", &thief];
    let mut thief = home.start_to_talk(&args);
    let called = thief.line_after("{\"event\":\"connected\",\"nick\":\"");
    assert!(called.starts_with("bob_"), "{called}");
    thief.says("/quit");
    let heard = thief.wait().expect(0);
    assert!(!heard.out.contains("when you are back") && !heard.out.contains("sealed message"), "{}", heard.out);
    let state = home.text("bob");
    let args =
        ["chat", "--server", &at, "--group", "g", "--nick", "bob", "--json", "--port", "0", "--state-dir", &state];
    let mut bob = home.start_to_talk(&args);
    let heard = bob.line_after("\"text\":\"when you are back\"");
    assert!(heard.contains("\"sealed\":\"opened\"") && heard.contains("\"private\":true"), "{heard}");
    drop((ann, bob));
    end(server);
}

#[test]
fn passphrase_files_that_are_none_are_said_to_be() {
    let home = Home::new();
    let empty = home.write("empty", b"\nx");
    let missing = home.text("missing");
    for (file, why) in [(&empty, "its first line is empty"), (&missing, "no such file")] {
        let args = ["chat", "--group", "g", "--server", "127.0.0.1:1", "--send", "x", "--passphrase-file", file];
        let ended = home.run(&args).expect(2);
        assert!(ended.one_line().contains(why), "{}", ended.err);
    }
}
