//! Logins, joining, talking, topics, modes: the right lines to the right people.

use super::hall::{Hall, options};
use crate::base::Span;
use crate::groups::Options;
use crate::machine::{Input, Machine};

#[test]
fn a_login_is_welcomed_with_all_that_clients_wait_for() {
    let mut hall = Hall::new(options());
    hall.login("anna", "");
    let lines = hall.got("anna");
    let codes: Vec<&str> = lines.iter().map(|line| line.split(' ').nth(1).unwrap()).collect();
    let expected = ["001", "002", "003", "004", "005", "005", "005", "251", "255", "265", "266", "422"];
    assert_eq!(codes, expected);
    assert_eq!(lines[0], ":peerlink.server 001 anna :Welcome to peerlink, anna!anna@192.0.2.1");
    assert!(lines[4].contains(" CASEMAPPING=ascii ") && lines[4].ends_with(" :are supported by this server"));
    assert!(lines.iter().all(|line| line.len() <= 510));
}

#[test]
fn logins_that_are_not_right_are_told_why() {
    let mut hall = Hall::with(&["anna"]);
    for (line, reply) in [
        ("JOIN #g", "451 * :You have not registered"),
        ("XYZ", "451 * :You have not registered"),
        ("NICK", "431 * :No nickname given"),
        ("NICK 1a", "432 * 1a :Erroneous nickname"),
        ("NICK ANNA", "433 * ANNA :Nickname is already in use"),
        ("USER a", "461 * USER :Not enough parameters"),
        ("PING x", "PONG peerlink.server :x"),
        ("PING", "461 * PING :Not enough parameters"),
        ("CAP XYZ", "410 * XYZ :Invalid CAP command"),
    ] {
        hall.connect("new");
        assert_eq!(hall.ask("new", line), [format!(":peerlink.server {reply}")], "{line}");
        hall.hang_up("new");
    }
    hall.login("bert", "");
    assert_eq!(hall.ask("bert", "USER a b c d"), [":peerlink.server 462 bert :You may not reregister"]);
    assert_eq!(hall.ask("bert", "XYZ a"), [":peerlink.server 421 bert XYZ :Unknown command"]);
}

#[test]
fn nicks_change_for_those_who_see_them() {
    let mut hall = Hall::with(&["anna", "bert"]);
    hall.login("carl", "");
    hall.table(&[
        (
            "anna",
            "NICK Anna",
            &[("anna", ":anna!anna@192.0.2.1 NICK Anna"), ("bert", ":anna!anna@192.0.2.1 NICK Anna")],
        ),
        ("anna", "NICK Anna", &[]),
        ("carl", "NICK anna", &[("carl", "| 433 carl anna :Nickname is already in use")]),
        (
            "anna",
            "NICK dora",
            &[("anna", ":Anna!anna@192.0.2.1 NICK dora"), ("bert", ":Anna!anna@192.0.2.1 NICK dora")],
        ),
        ("carl", "NICK anna", &[("carl", ":carl!carl@192.0.2.3 NICK anna")]),
        ("carl", "PRIVMSG dora :hi", &[("anna", ":anna!carl@192.0.2.3 PRIVMSG dora :hi")]),
    ]);
}

#[test]
fn capabilities_are_negotiated() {
    let mut hall = Hall::new(options());
    hall.connect("anna");
    let offered = hall.ask("anna", "CAP LS 302");
    assert!(offered[0].starts_with(":peerlink.server CAP * LS :away-notify batch cap-notify "), "{offered:?}");
    assert!(!offered[0].contains("chathistory"), "there is none without history");
    assert_eq!(hall.ask("anna", "NICK anna\r\nUSER a 0 * :a"), [""; 0]);
    assert_eq!(
        hall.ask("anna", "CAP REQ :server-time nonsense"),
        [":peerlink.server CAP anna NAK :server-time nonsense"]
    );
    assert_eq!(
        hall.ask("anna", "CAP REQ :server-time echo-message"),
        [":peerlink.server CAP anna ACK :server-time echo-message"]
    );
    assert_eq!(hall.ask("anna", "CAP REQ -echo-message"), [":peerlink.server CAP anna ACK :-echo-message"]);
    assert_eq!(hall.ask("anna", "CAP LIST"), [":peerlink.server CAP anna LIST :cap-notify server-time"]);
    assert_eq!(hall.ask("anna", "CAP REQ -cap-notify"), [":peerlink.server CAP anna NAK :-cap-notify"]);
    assert!(hall.ask("anna", "CAP END")[0].contains(" 001 anna "));
}

#[test]
fn a_password_keeps_strangers_out() {
    let mut hall = Hall::new(Options { password: Some("door".into()), ..options() });
    for (pass, is_in) in [("PASS door", true), ("PASS :Door", false), ("PING x", false)] {
        let conn = hall.connect("anna");
        hall.say("anna", pass);
        let lines = hall.ask("anna", "NICK anna\r\nUSER a 0 * :a");
        assert_eq!(lines[0].contains(" 001 "), is_in, "{lines:?}");
        if is_in {
            hall.hang_up("anna");
            continue;
        }
        assert_eq!(lines[0], ":peerlink.server 464 anna :Password incorrect");
        assert_eq!(
            lines[1],
            "ERROR :Closing link: (192.0.2.1) [Bad password]".replace("192.0.2.1", &lines[1][22..31])
        );
        hall.input(Input::Sent { conn, blocks: 0, bytes: 0, queued: 0 });
        hall.pass(Span::secs(3));
        assert!(hall.closed.contains(&conn));
        hall.hang_up("anna");
    }
}

#[test]
fn groups_are_joined_and_left() {
    let mut hall = Hall::new(options());
    hall.login("anna", "");
    hall.login("bert", "extended-join multi-prefix");
    let (a, b) = (":anna!anna@192.0.2.1", ":bert!bert@192.0.2.2");
    hall.table(&[
        (
            "anna",
            "JOIN #g",
            &[
                ("anna", &format!("{a} JOIN #g")),
                ("anna", "| 353 anna = #g :@anna"),
                ("anna", "| 366 anna #g :End of /NAMES list"),
            ],
        ),
        (
            "bert",
            "JOIN #G",
            &[
                ("anna", &format!("{b} JOIN #g")),
                ("bert", &format!("{b} JOIN #g * :Real bert")),
                ("bert", "| 353 bert = #g :@anna bert"),
                ("bert", "| 366 bert #g :End of /NAMES list"),
            ],
        ),
        ("bert", "JOIN #g", &[]),
        ("bert", "JOIN g", &[("bert", "| 403 bert g :No such channel")]),
        ("bert", "PART #x", &[("bert", "| 403 bert #x :No such channel")]),
        (
            "bert",
            "PART #g :so long",
            &[("anna", &format!("{b} PART #g :so long")), ("bert", &format!("{b} PART #g :so long"))],
        ),
        ("bert", "PART #g", &[("bert", "| 442 bert #g :You're not on that channel")]),
        ("anna", "JOIN 0", &[("anna", &format!("{a} PART #g"))]),
        ("anna", "NAMES #g", &[("anna", "| 366 anna #g :End of /NAMES list")]),
    ]);
    assert_eq!(hall.groups.numbers(), (2, 0, 0));
}

#[test]
fn messages_reach_everybody_else_as_they_take_them() {
    let mut hall = Hall::with(&["anna", "bert"]);
    hall.login("tags", "message-tags server-time echo-message");
    hall.say("tags", "JOIN #g");
    let t = ":tags!tags@192.0.2.3";
    let head = "@time=2026-11-20T12:00:00.000Z;msgid=";
    hall.clear();
    hall.say("tags", "@+x=1;y=2;label=3 PRIVMSG #g :hello all");
    assert_eq!(hall.got("anna"), [format!("{t} PRIVMSG #g :hello all")]);
    let echo = hall.got("tags");
    assert!(echo[0].starts_with(head) && echo[0].ends_with(&format!(";+x=1 {t} PRIVMSG #g :hello all")), "{echo:?}");
    hall.clear();
    hall.say("tags", "@+typing=active TAGMSG #g");
    assert_eq!((hall.got("anna"), hall.got("bert")), (vec![], vec![]));
    assert!(hall.got("tags")[0].ends_with(&format!(";+typing=active {t} TAGMSG #g")));
    hall.table(&[
        ("anna", "PRIVMSG", &[("anna", "| 411 anna :No recipient given (PRIVMSG)")]),
        ("anna", "PRIVMSG #g", &[("anna", "| 412 anna :No text to send")]),
        ("anna", "PRIVMSG #g :", &[("anna", "| 412 anna :No text to send")]),
        ("anna", "PRIVMSG nobody :hi", &[("anna", "| 401 anna nobody :No such nick/channel")]),
        ("anna", "PRIVMSG #none :hi", &[("anna", "| 403 anna #none :No such channel")]),
        ("anna", "NOTICE #none :hi", &[]),
        ("anna", "TAGMSG #g", &[("anna", "| 421 anna TAGMSG :Unknown command")]),
        (
            "anna",
            "PRIVMSG bert,bert,bert,bert,carl :x",
            &[
                ("bert", ":anna!anna@192.0.2.1 PRIVMSG bert :x"),
                ("bert", ":anna!anna@192.0.2.1 PRIVMSG bert :x"),
                ("bert", ":anna!anna@192.0.2.1 PRIVMSG bert :x"),
                ("bert", ":anna!anna@192.0.2.1 PRIVMSG bert :x"),
                ("anna", "| 407 anna carl :Too many targets"),
            ],
        ),
    ]);
}

#[test]
fn long_lines_are_answered_not_cut() {
    let mut hall = Hall::with(&["anna", "bert"]);
    assert_eq!(
        hall.ask("anna", &format!("PRIVMSG #g :{}", "x".repeat(600))),
        [":peerlink.server 417 anna :Input line was too long"]
    );
    assert_eq!(
        hall.ask("anna", &format!("PRIVMSG #g :{}", "x".repeat(9000))),
        [":peerlink.server 417 anna :Input line was too long"]
    );
    let refused = hall.ask("anna", &format!("PRIVMSG #g :{}", "x".repeat(490)));
    assert!(refused[0].starts_with(":peerlink.server 417 anna :The message is "), "{refused:?}");
    assert_eq!(hall.got("bert"), [""; 0]);
    hall.say("anna", &format!("PRIVMSG #g :{}", "x".repeat(510 - ":anna!anna@192.0.2.1 PRIVMSG #g :".len())));
    assert_eq!(hall.got("bert")[0].len(), 510);
    hall.bytes("anna", b"PRIVMSG #g :\xff\r\n");
    assert!(hall.got("anna")[0].starts_with(":peerlink.server NOTICE anna :*: Only UTF-8"));
}

#[test]
fn replies_get_the_label_they_were_asked_with() {
    let mut hall = Hall::new(options());
    hall.login("anna", "labeled-response batch message-tags echo-message standard-replies");
    assert_eq!(hall.ask("anna", "@label=a1 PING x"), ["@label=a1 :peerlink.server PONG peerlink.server :x"]);
    assert_eq!(hall.ask("anna", "@label=a\\s2 PONG x"), ["@label=a\\s2 :peerlink.server ACK"]);
    let lines = hall.ask("anna", "@label=z JOIN #g");
    assert!(lines[0].starts_with("@label=z :peerlink.server BATCH +b"), "{lines:?}");
    assert!(lines[0].ends_with(" labeled-response"));
    let batch = lines[0].split('+').nth(1).unwrap().split(' ').next().unwrap();
    assert_eq!(lines[1], format!("@batch={batch} :anna!anna@192.0.2.1 JOIN #g"));
    assert_eq!(lines.last().unwrap(), &format!(":peerlink.server BATCH -{batch}"));
    let echo = hall.ask("anna", "@label=m PRIVMSG #g :x");
    assert!(echo.len() == 1 && echo[0].starts_with("@label=m;msgid="), "{echo:?}");
    hall.bytes("anna", b"\xff\r\n");
    assert!(hall.got("anna")[0].starts_with(":peerlink.server FAIL * INVALID_UTF8 :"));
}

#[test]
fn topics_are_set_by_those_who_may() {
    let mut hall = Hall::with(&["anna", "bert"]);
    let a = ":anna!anna@192.0.2.1";
    hall.table(&[
        ("bert", "TOPIC #g", &[("bert", "| 331 bert #g :No topic is set")]),
        ("bert", "TOPIC #g :mine", &[("bert", "| 482 bert #g :You're not channel operator")]),
        (
            "anna",
            "TOPIC #g :ours",
            &[("anna", &format!("{a} TOPIC #g :ours")), ("bert", &format!("{a} TOPIC #g :ours"))],
        ),
        (
            "bert",
            "TOPIC #g",
            &[("bert", "| 332 bert #g :ours"), ("bert", "| 333 bert #g anna!anna@192.0.2.1 1795176000")],
        ),
        ("anna", "TOPIC #g :", &[("anna", &format!("{a} TOPIC #g :")), ("bert", &format!("{a} TOPIC #g :"))]),
        ("bert", "TOPIC #none", &[("bert", "| 403 bert #none :No such channel")]),
    ]);
}

#[test]
fn modes_are_changed_and_shown() {
    let mut hall = Hall::with(&["anna", "bert"]);
    let both = |line: &'static str| {
        let text: &'static str = Box::leak(format!(":anna!anna@192.0.2.1 MODE #g {line}").into_boxed_str());
        [("anna", text), ("bert", text)]
    };
    hall.table(&[
        ("anna", "MODE #g", &[("anna", "| 324 anna #g +nt"), ("anna", "| 329 anna #g 1795176000")]),
        ("bert", "MODE #g +m-n", &[("bert", "| 482 bert #g :You're not channel operator")]),
        ("anna", "MODE #g +m-n+k key", &both("+m-n+k key")),
        ("anna", "MODE #g +mk key2", &both("+k key2")),
        ("bert", "PRIVMSG #g :hi", &[("bert", "| 404 bert #g :Cannot send to channel (+m)")]),
        ("anna", "MODE #g +vl bert 5", &both("+vl bert 5")),
        ("bert", "PRIVMSG @#g :ops", &[("anna", ":bert!bert@192.0.2.2 PRIVMSG @#g :ops")]),
        ("anna", "PRIVMSG +#g :voices", &[("bert", ":anna!anna@192.0.2.1 PRIVMSG +#g :voices")]),
        ("anna", "MODE #g -kl x", &both("-kl key2")),
        ("anna", "MODE #g +z", &[("anna", "| 472 anna z :is unknown mode char to me")]),
        ("anna", "MODE #g +o carl", &[("anna", "| 401 anna carl :No such nick/channel")]),
        ("anna", "MODE #g +l x", &[("anna", "| 696 anna #g l x :It is no number of members")]),
        ("anna", "MODE #g +b carl", &both("+b carl!*@*")),
        ("anna", "MODE #g +b carl", &[]),
        (
            "bert",
            "MODE #g b",
            &[
                ("bert", "| 367 bert #g carl!*@* anna!anna@192.0.2.1 1795176000"),
                ("bert", "| 368 bert #g :End of channel ban list"),
            ],
        ),
        ("anna", "MODE #g -b carl", &both("-b carl!*@*")),
        ("anna", "MODE anna +iB", &[("anna", ":anna!anna@192.0.2.1 MODE anna :+iB")]),
        ("anna", "MODE anna", &[("anna", "| 221 anna +Bi")]),
        ("anna", "MODE anna +o", &[]),
        ("anna", "MODE anna +x", &[("anna", "| 501 anna :Unknown MODE flag")]),
        ("anna", "MODE bert", &[("anna", "| 502 anna :Cannot change mode for other users")]),
    ]);
}

#[test]
fn doors_are_kept() {
    let mut hall = Hall::with(&["anna"]);
    hall.login("carl", "");
    for (modes, join, reply) in [
        ("+k key", "JOIN #g wrong", "475 carl #g :Cannot join channel (+k)"),
        ("-k+b x *", "JOIN #g", "474 carl #g :Cannot join channel (+b)"),
        ("-b+i *", "JOIN #g", "473 carl #g :Cannot join channel (+i)"),
        ("-i+l 1", "JOIN #g", "471 carl #g :Cannot join channel (+l)"),
    ] {
        hall.say("anna", &format!("MODE #g {modes}"));
        assert_eq!(hall.ask("carl", join), [format!(":peerlink.server {reply}")], "{modes}");
    }
    hall.say("anna", "MODE #g -l+k key");
    assert!(hall.ask("carl", "JOIN #x,#g ,key").iter().any(|line| line.ends_with("JOIN #g")));
    hall.say("carl", "PART #g");
    hall.say("anna", "MODE #g -k+bie x * carl");
    assert_eq!(hall.ask("carl", "JOIN #g"), [":peerlink.server 473 carl #g :Cannot join channel (+i)"]);
    hall.say("anna", "MODE #g +I *!*@192.0.2.2");
    assert!(hall.ask("carl", "JOIN #g").iter().any(|line| line.ends_with("JOIN #g")));
}

#[test]
fn who_goes_is_seen_to_go() {
    let mut hall = Hall::with(&["anna", "bert", "carl"]);
    hall.say("anna", "JOIN #h");
    hall.say("bert", "JOIN #h");
    hall.clear();
    let conn = hall.conn("anna");
    assert_eq!(hall.ask("anna", "QUIT :bye\r\nPRIVMSG #g :late"), ["ERROR :Closing link: (192.0.2.1) [Quit: bye]"]);
    assert_eq!(hall.closed, [conn]);
    assert_eq!(hall.got("bert"), [":anna!anna@192.0.2.1 QUIT :Quit: bye"]);
    assert_eq!(hall.got("carl"), [":anna!anna@192.0.2.1 QUIT :Quit: bye"]);
    hall.hang_up("bert");
    assert_eq!(hall.got("carl"), [":bert!bert@192.0.2.2 QUIT :Connection closed"]);
    assert_eq!(hall.groups.numbers(), (1, 0, 1));
}

#[test]
fn the_silent_are_asked_and_the_half_open_ended() {
    let mut hall = Hall::new(options());
    let anna = hall.login("anna", "");
    let half = hall.connect("half");
    hall.say("half", "NICK half");
    hall.clear();
    hall.pass(Span::secs(40));
    assert_eq!(hall.got("half"), ["ERROR :Closing link: (192.0.2.2) [Registration took too long]"]);
    assert!(hall.closed.contains(&half) && !hall.closed.contains(&anna));
    hall.pass(Span::secs(90));
    assert_eq!(hall.got("anna"), ["PING :peerlink.server"]);
    hall.say("anna", "PONG x");
    hall.pass(Span::secs(130));
    assert_eq!(hall.got("anna"), ["PING :peerlink.server"]);
    hall.pass(Span::secs(70));
    assert_eq!(hall.got("anna"), ["ERROR :Closing link: (192.0.2.1) [Ping timeout: 180 seconds]"]);
    assert_eq!(hall.groups.numbers(), (0, 0, 0));
    assert_eq!(hall.groups.next_deadline(), None);
}

#[test]
fn who_floods_is_read_slower_and_nothing_is_lost() {
    let mut hall = Hall::new(Options { flood_per_s: 10, ..options() });
    for name in ["anna", "bert"] {
        hall.login(name, "");
        hall.say(name, "JOIN #g");
    }
    hall.pass(Span::secs(10));
    hall.clear();
    let lines: Vec<String> = (0..100).map(|number| format!("PRIVMSG #g :{number}")).collect();
    hall.say("anna", &lines.join("\r\n"));
    let conn = hall.conn("anna");
    assert_eq!(hall.reads.get(&conn), Some(&false));
    let at_once = hall.got("bert").len();
    assert!((50..=52).contains(&at_once), "{at_once}");
    hall.pass(Span::secs(1));
    let later = hall.got("bert").len();
    assert!((9..=11).contains(&later), "{later}");
    hall.pass(Span::secs(10));
    assert_eq!(at_once + later + hall.got("bert").len(), 100);
    assert_eq!(hall.reads.get(&conn), Some(&true));
}

#[test]
fn who_does_not_read_is_told_why_it_ends() {
    let mut hall = Hall::with(&["anna", "bert"]);
    let conn = hall.conn("bert");
    hall.input(Input::Piled { conn, queued: 600 * 1024 });
    assert_eq!(hall.got("anna"), [":bert!bert@192.0.2.2 QUIT :600 KiB were sent and not read"]);
    assert_eq!(hall.got("bert"), ["ERROR :Closing link: (192.0.2.2) [600 KiB were sent and not read]"]);
    hall.pass(Span::secs(9));
    assert_eq!(hall.closed, []);
    hall.pass(Span::secs(1));
    assert_eq!(hall.closed, [conn]);
}
