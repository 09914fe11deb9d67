//! History: what was said is written before it is heard, found again, bounded, and survives the process.

use super::hall::{BEGAN_MS, Hall, options};
use crate::base::Span;
use crate::groups::{Kept, Options};
use crate::machine::{Input, Job};

const CAPS: &str = "batch message-tags server-time echo-message draft/chathistory standard-replies";

fn keeping() -> Options {
    Options { history: Some(Kept::default()), ..options() }
}

/// Two people in `#g`.
fn hall() -> Hall {
    let mut hall = Hall::new(keeping());
    for name in ["anna", "bert"] {
        hall.login(name, CAPS);
        hall.say(name, "JOIN #g");
    }
    hall.clear();
    hall
}

/// The texts of a history's batch.
fn texts(lines: &[String]) -> String {
    let (first, last) = (lines.first().unwrap(), lines.last().unwrap());
    assert!(first.contains(" BATCH +") && last.contains(" BATCH -"), "{lines:?}");
    let said = lines[1..lines.len() - 1].iter();
    said.map(|line| line.rsplit(':').next().unwrap()).collect::<Vec<_>>().join(" ")
}

/// The id of a message.
fn id(line: &str) -> &str {
    line.split("msgid=").nth(1).unwrap().split([';', ' ']).next().unwrap()
}

#[test]
fn nothing_is_heard_before_it_is_written() {
    let mut hall = hall();
    hall.is_stuck = true;
    hall.say("anna", "PRIVMSG #g :one");
    hall.say("bert", "PRIVMSG #g :two");
    hall.say("bert", "PING x");
    hall.say("bert", "QUIT");
    assert_eq!((hall.got("anna"), hall.got("bert")), (vec![], vec![]));
    assert_eq!(hall.jobs.len(), 1, "what is said while the disk is busy waits for the next job");
    hall.work();
    hall.is_stuck = false;
    hall.pass(Span::millis(2));
    let heard = hall.got("anna");
    let ends: Vec<&str> = heard.iter().map(|line| line.rsplit(" :").next().unwrap()).collect();
    assert_eq!(ends, ["one", "two", "Quit"]);
    assert!(hall.got("bert").iter().any(|line| line.ends_with("PONG peerlink.server :x")));
    assert!(hall.jobs.is_empty());
    assert_eq!(String::from_utf8(hall.file.clone()).unwrap().lines().count(), 3, "the group and two messages");
}

#[test]
fn a_full_disk_stops_nobody_from_talking() {
    let mut hall = hall();
    hall.is_full = true;
    hall.say("anna", "PRIVMSG #g :one");
    assert_eq!(hall.got("bert").len(), 1);
    hall.is_full = false;
    hall.say("anna", "PRIVMSG #g :two");
    assert_eq!(hall.got("bert").len(), 1);
}

#[test]
fn history_is_found_by_id_and_by_time() {
    let mut hall = hall();
    let mut ids = Vec::new();
    for number in 0..10 {
        hall.pass(Span::secs(1));
        ids.push(id(&hall.ask("anna", &format!("PRIVMSG #g :{number}"))[0]).to_string());
    }
    let at = |number: u64| format!("timestamp=2026-11-20T12:00:{:02}.000Z", number + 1);
    let by_id = |number: usize| format!("msgid={}", ids[number]);
    for (question, answer) in [
        ("LATEST #g * 3".to_string(), "7 8 9"),
        (format!("LATEST #g {} 5", by_id(6)), "7 8 9"),
        (format!("LATEST #g {} 2", by_id(3)), "8 9"),
        (format!("LATEST #G {} 500", at(8)), "9"),
        (format!("BEFORE #g {} 2", by_id(5)), "3 4"),
        (format!("BEFORE #g {} 100", at(2)), "0 1"),
        (format!("AFTER #g {} 2", by_id(5)), "6 7"),
        (format!("AFTER #g {} 2", at(9)), ""),
        (format!("AROUND #g {} 3", by_id(5)), "4 5 6"),
        (format!("AROUND #g {} 2", at(0)), "0 1"),
        (format!("BETWEEN #g {} {} 10", by_id(2), by_id(5)), "3 4"),
        (format!("BETWEEN #g {} {} 2", at(2), by_id(8)), "3 4"),
        (format!("BETWEEN #g {} {} 2", by_id(8), at(2)), "6 7"),
    ] {
        let lines = hall.ask("bert", &format!("CHATHISTORY {question}"));
        assert_eq!(texts(&lines), answer, "{question}: {lines:?}");
    }
    let lines = hall.ask("bert", "CHATHISTORY LATEST #g * 1");
    let batch = lines[0].split('+').nth(1).unwrap().split(' ').next().unwrap();
    assert_eq!(lines[0], format!(":peerlink.server BATCH +{batch} chathistory #g"));
    let time = "2026-11-20T12:00:10.000Z";
    assert_eq!(lines[1], format!("@batch={batch};time={time};msgid={} :anna!anna@192.0.2.1 PRIVMSG #g :9", ids[9]));
}

#[test]
fn bad_questions_are_answered() {
    let mut hall = hall();
    hall.login("plain", "");
    for (question, answer) in [
        ("NEXT #g * 5", "UNKNOWN_COMMAND NEXT :"),
        ("LATEST #g", "NEED_MORE_PARAMS LATEST :"),
        ("LATEST #none * 5", "INVALID_TARGET LATEST #none :"),
        ("LATEST anna * 5", "INVALID_TARGET LATEST anna :"),
        ("BEFORE #g * 5", "INVALID_MSGREFTYPE BEFORE :"),
        ("BEFORE #g msgid=x 5", "INVALID_PARAMS BEFORE :"),
        ("BEFORE #g timestamp=now 5", "INVALID_PARAMS BEFORE :"),
        ("LATEST #g * 0", "INVALID_PARAMS LATEST :"),
        ("TARGETS * * 5", "INVALID_PARAMS TARGETS :"),
    ] {
        let lines = hall.ask("anna", &format!("CHATHISTORY {question}"));
        assert!(
            lines[0].starts_with(&format!(":peerlink.server FAIL CHATHISTORY {answer}")),
            "{question}: {lines:?}"
        );
    }
    assert!(hall.ask("plain", "CHATHISTORY LATEST #g * 5")[0].contains(" NOTICE plain :"), "it does not sit there");
}

#[test]
fn targets_are_groups_in_which_something_was_said() {
    let mut hall = hall();
    hall.say("anna", "JOIN #h,#quiet");
    hall.say("anna", "PRIVMSG #h :x");
    hall.pass(Span::secs(5));
    hall.say("anna", "PRIVMSG #g :y");
    let question = "CHATHISTORY TARGETS timestamp=2026-11-20T11:00:00.000Z timestamp=2026-11-20T13:00:00.000Z 5";
    let lines = hall.ask("anna", question);
    assert!(lines[0].ends_with(" draft/chathistory-targets"), "{lines:?}");
    let rows: Vec<&str> = lines[1..3].iter().map(|line| line.split_once(' ').unwrap().1).collect();
    assert_eq!(
        rows,
        [
            ":peerlink.server CHATHISTORY TARGETS #h 2026-11-20T12:00:00.000Z",
            ":peerlink.server CHATHISTORY TARGETS #g 2026-11-20T12:00:05.000Z",
        ]
    );
    assert_eq!(lines.len(), 4);
}

#[test]
fn a_resend_is_answered_and_not_doubled() {
    let mut hall = hall();
    let line = "@+peerlink/id=abcdefghijklmnopqrstuv PRIVMSG #g :once";
    let first = hall.ask("anna", line);
    assert_eq!(hall.got("bert").len(), 1);
    assert_eq!(hall.ask("anna", line), first);
    assert_eq!(hall.got("bert"), [""; 0]);
    let mut hall = hall.restart(keeping());
    hall.login("anna", CAPS);
    hall.login("bert", CAPS);
    hall.say("anna", "JOIN #g");
    hall.say("bert", "JOIN #g");
    hall.clear();
    assert_eq!(hall.ask("anna", line), first, "also after the server was killed");
    assert_eq!(hall.got("bert"), [""; 0]);
    let private = "@+peerlink/id=1 PRIVMSG bert :x";
    let first = hall.ask("anna", private);
    assert_eq!((hall.ask("anna", private), hall.got("bert").len()), (first, 1));
}

#[test]
fn a_group_outlasts_the_process_with_its_key_and_topic() {
    let mut hall = hall();
    hall.say("anna", "TOPIC #g :ours");
    hall.say("anna", "MODE #g +kbl key *!*@198.51.100.1 9");
    let first = hall.ask("anna", "PRIVMSG #g :hello");
    let mut hall = hall.restart(keeping());
    hall.login("carl", CAPS);
    assert!(hall.ask("carl", "JOIN #g")[0].contains(" 475 carl #g "));
    let lines = hall.ask("carl", "JOIN #G key");
    assert!(lines.contains(&":peerlink.server 332 carl #g :ours".to_string()), "{lines:?}");
    assert!(hall.ask("carl", "MODE #g")[0].ends_with(" 324 carl #g +ntkl key 9"));
    assert!(hall.ask("carl", "MODE #g b")[0].contains(" 367 carl #g *!*@198.51.100.1 anna!anna@192.0.2.1 "));
    let lines = hall.ask("carl", "CHATHISTORY LATEST #g * 5");
    assert_eq!(texts(&lines), "hello");
    assert_eq!(id(&lines[1]), id(&first[0]));
    let next = hall.ask("carl", "PRIVMSG #g :later");
    assert!(id(&next[0]) > id(&first[0]), "ids grow over a restart");
}

#[test]
fn where_only_the_invited_come_in_nothing_stays_for_others() {
    let mut hall = hall();
    hall.say("anna", "MODE #g +i");
    hall.say("anna", "PRIVMSG #g :secret");
    let mut later = hall.restart(keeping());
    later.login("carl", CAPS);
    later.say("carl", "JOIN #g");
    assert_eq!(texts(&later.ask("carl", "CHATHISTORY LATEST #g * 5")), "");
    later.say("carl", "PART #g");
    let mut again = later.restart(keeping());
    again.login("carl", CAPS);
    again.say("carl", "JOIN #g");
    assert_eq!(texts(&again.ask("carl", "CHATHISTORY LATEST #g * 5")), "");
}

#[test]
fn a_torn_line_costs_itself_alone() {
    let mut hall = hall();
    for text in ["one", "two", "three"] {
        hall.say("anna", &format!("PRIVMSG #g :{text}"));
    }
    for (cut, left) in [(1, "one two"), (40, "one two")] {
        let mut torn = hall.file.clone();
        torn.truncate(torn.len() - cut);
        let (mut again, bad) = Hall::begin(keeping(), torn, BEGAN_MS);
        assert_eq!(bad, 1);
        again.login("anna", CAPS);
        again.say("anna", "JOIN #g");
        assert_eq!(texts(&again.ask("anna", "CHATHISTORY LATEST #g * 5")), left);
        again.say("anna", "PRIVMSG #g :four");
        assert_eq!(Hall::new(keeping()).groups.restore(&again.file), 0, "the file was made anew");
    }
    let mut spoiled = hall.file.clone();
    let middle = spoiled.len() / 2;
    spoiled[middle] ^= 1;
    assert_eq!(Hall::new(keeping()).groups.restore(&spoiled), 1);
    arbtest::arbtest(|u| {
        let bytes: Vec<u8> = u.arbitrary()?;
        Hall::new(keeping()).groups.restore(&bytes);
        Ok(())
    });
}

#[test]
fn what_is_kept_is_bounded_in_bytes_and_age_and_so_is_the_file() {
    let kept = Kept { len: 20_000, age: Span::secs(3600) };
    let mut hall = Hall::new(Options { history: Some(kept), ..options() });
    hall.login("anna", CAPS);
    hall.say("anna", "JOIN #g");
    let text = "x".repeat(300);
    let mut longest = 0;
    for _ in 0..3000 {
        hall.say("anna", &format!("PRIVMSG #g :{text}"));
        longest = longest.max(hall.file.len());
    }
    assert!((300_000..400_000).contains(&longest), "{longest}");
    let lines = hall.ask("anna", "CHATHISTORY LATEST #g * 200").len();
    assert!((30..60).contains(&lines), "{lines}");
    hall.say("anna", "PART #g");
    assert_eq!(hall.groups.numbers().2, 1);
    hall.pass(Span::secs(100));
    hall.say("anna", "PING x");
    for _ in 0..50 {
        hall.pass(Span::secs(100));
        hall.say("anna", "PONG x");
    }
    assert_eq!(hall.groups.numbers().2, 0, "a group that nobody sits in ends with what was said there");
    let mut again = hall.restart(keeping());
    again.login("anna", CAPS);
    again.say("anna", "JOIN #g");
    assert_eq!(texts(&again.ask("anna", "CHATHISTORY LATEST #g * 5")), "");
}

#[test]
fn what_was_said_is_written_before_the_end() {
    let mut hall = hall();
    hall.is_stuck = true;
    hall.say("anna", "PRIVMSG #g :last");
    hall.input(Input::Stop);
    assert!(!hall.groups.is_stopped());
    assert!(matches!(hall.jobs[..], [Job::Append { .. }]));
    hall.work();
    assert!(hall.groups.is_stopped());
    assert_eq!(hall.closed.len(), 2);
    assert!(hall.got("bert").last().unwrap().starts_with("ERROR :"));
}
