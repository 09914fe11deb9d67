//! Servers that mean no good: whatever they say, the member stays small and calm.

use super::*;

#[test]
fn nothing_a_server_says_grows_without_bound() {
    let mut rig = Rig::in_group();
    for round in 0..30_000 {
        rig.hear(&[
            &format!(":box 353 ann = #g :x{round} y{round}"),
            &format!(":box BATCH +b{round} chathistory #g"),
            &format!(":n{round}!u@h JOIN #g"),
            &format!(":box 322 ann #c{round} 5 :t"),
            &format!(":box 352 ann #g u h s w{round} H :0 r"),
            &format!("@msgid=i{round} :a!b@c PRIVMSG #g :t"),
            &format!(":box CAP * NEW :cap{round}"),
            ":box 005 ann PREFIX=()",
        ]);
        rig.news.clear();
        rig.sent.clear();
    }
    rig.hear(&[":box 323 ann :end", ":box 315 ann #g :end", ":box 366 ann #g :end"]);
    for news in rig.news() {
        match news {
            ChatNews::Groups(groups) => assert_eq!(groups.len(), 1000),
            ChatNews::Who { people, .. } => assert_eq!(people.len(), 1000),
            ChatNews::Roster { nicks, .. } => assert_eq!(nicks.len(), 10_000),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn endless_lines_and_noise_are_borne() {
    let mut rig = Rig::in_group();
    let conn = rig.conn.unwrap();
    for _ in 0..100 {
        rig.input(Input::Received { conn, bytes: &[b'x'; 10_000] });
    }
    rig.input(Input::Received { conn, bytes: b"\r\n:b\xe9b!u@h PRIVMSG #g :caf\xe9\r\n\r\n: \r\n@ \r\n:\r\n" });
    assert_eq!(rig.told(), ["caf\u{fffd}"]);
    arbtest::arbtest(|u| {
        let words = [
            "PRIVMSG",
            "JOIN",
            "#g",
            "ann",
            ":ann!a@h",
            ":box",
            "BATCH",
            "+7",
            "-7",
            "chathistory",
            "433",
            "353",
            "=",
            "366",
            "001",
            "005",
            "422",
            "NICK",
            "KICK",
            "PART",
            "QUIT",
            "CAP",
            "*",
            "LS",
            "ACK",
            ":x y",
            "FAIL",
            "CHATHISTORY",
            "@batch=7",
            "PING",
            "PONG",
            "said-1",
            "\r\n",
            "\r\n",
            "TOPIC",
            "464",
            "404",
            "-",
        ];
        let mut rig = Rig::in_group();
        rig.say(1, "#g", "hello");
        for _ in 0..u.arbitrary_len::<u8>()? {
            let text = u.choose(&words)?.to_string() + if u.ratio(3, 4)? { " " } else { "" };
            if let Some(conn) = rig.conn {
                rig.input(Input::Received { conn, bytes: text.as_bytes() });
            }
        }
        rig.pass(Span::secs(5));
        Ok(())
    });
}

#[test]
fn a_server_that_throws_us_out_at_once_is_asked_ever_less() {
    let mut rig = Rig::new(options());
    let mut dials = 0;
    let end = Time(3600 * 1_000_000);
    while rig.now < end {
        rig.register("");
        rig.hear(&["ERROR :go away"]);
        let conn = rig.conn.take().unwrap();
        rig.input(Input::Closed { conn, reason: crate::machine::Closed::ByPeer });
        assert!(matches!(rig.news().last(), Some(ChatNews::Lost { why, .. }) if why == "go away"));
        let due = rig.member.next_deadline().unwrap();
        rig.pass(due.since(rig.now));
        dials += 1;
    }
    assert!(dials < 300, "{dials} in an hour");
}

#[test]
fn too_much_to_say_is_refused_and_not_kept() {
    let mut rig = Rig::in_group();
    for number in 1..=3000 {
        rig.say(number, "#g", "x");
    }
    assert_eq!(rig.told().len(), 1000);
    assert_eq!(rig.sent().len(), 32, "in flight");
    rig.say(9999, "#g", &"x".repeat(70_000));
    assert_eq!(rig.told(), ["-9999"]);
}
