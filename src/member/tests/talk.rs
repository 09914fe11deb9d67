//! What is said and heard, over connections that break.

use super::*;

#[test]
fn what_is_said_is_acknowledged_by_its_echo() {
    let mut rig = Rig::in_group();
    rig.say(1, "#g", "hi there");
    let line = rig.sent.last().unwrap().clone();
    let (tags, rest) = line.split_once(' ').unwrap();
    assert_eq!(rest, "PRIVMSG #g :hi there");
    let id = tags.split_once("+peerlink/id=").unwrap().1;
    assert!(tags.starts_with("@label=1;") && id.len() == 22, "{tags}");
    assert_eq!(rig.told(), [] as [&str; 0]);
    let echo = rig.echo("hi there", "m1");
    rig.hear(&[&echo]);
    let told = message(&mut rig);
    assert!(told.is_own && !told.is_history && !told.is_private);
    assert_eq!((told.msgid.as_deref(), told.time_ms), (Some("m1"), Some(1_795_176_000_000)));
    // Everything that leaves is one line, whatever it is told.
    rig.say(2, "#g", "a\r\nQUIT :b\0c");
    assert_eq!(rig.sent().iter().filter(|line| line.contains("QUIT")).count(), 1);
    rig.say(3, "#g", "");
    assert_eq!(rig.told(), ["-3"]);
}

#[test]
fn actions_tags_and_private_messages() {
    let mut rig = Rig::in_group();
    let tags = vec![("+peerlink/size".to_string(), "5;6".to_string())];
    let say = Say { number: 1, to: "bob".into(), text: "waves".into(), manner: Manner::Action, tags };
    rig.ask(ChatAsk::Say(Box::new(say)));
    let line = rig.sent().pop().unwrap();
    assert!(line.ends_with(";+peerlink/size=5\\:6 PRIVMSG bob :\u{1}ACTION waves\u{1}"), "{line}");
    rig.hear(&["@+peerlink/size=5\\:6;msgid=p1 :bob!b@h PRIVMSG ann :\u{1}ACTION nods\u{1}"]);
    let told = message(&mut rig);
    assert!(told.is_private && told.is_action && !told.is_own);
    assert_eq!((&*told.group, &*told.text, told.tag("+peerlink/size")), ("bob", "nods", Some("5;6")));
    rig.hear(&[
        "@msgid=p1 :bob!b@h PRIVMSG ann :again",
        ":box NOTICE ann :not a person",
        ":bob!b@h PRIVMSG ann :\u{1}VERSION\u{1}",
        "@msgid=x :bob!b@h PRIVMSG @#g :to operators",
    ]);
    assert_eq!(rig.told(), ["to operators"]);
}

#[test]
fn what_is_not_acknowledged_is_said_again_with_the_same_id_and_in_order() {
    let mut rig = Rig::in_group();
    for (number, text) in [(1, "one"), (2, "two"), (3, "three")] {
        rig.say(number, "#g", text);
    }
    let first = rig.sent.clone();
    let echo = rig.echo("one", "m1");
    rig.hear(&[&echo]);
    assert_eq!(rig.told(), ["one", "+1"]);
    rig.reconnect();
    rig.say(4, "#g", "four");
    assert!(!rig.sent().iter().any(|line| line.contains("PRIVMSG")), "not before we are in the group");
    rig.hear(&[":ann!a@h JOIN #g"]);
    assert_eq!(rig.sent(), ["CHATHISTORY AFTER #g msgid=m1 3"]);
    // The second one had arrived; meanwhile somebody speaks.
    let id = |line: &str| line.split_once(' ').unwrap().0.split_once("+peerlink/id=").unwrap().1.to_string();
    rig.hear(&["@msgid=m4 :bob!b@h PRIVMSG #g :now"]);
    let two = format!("@msgid=m2;+peerlink/id={} :ann!a@h PRIVMSG #g :two", id(&first[1]));
    rig.history(&[&two, "@msgid=m3 :bob!b@h PRIVMSG #g :meanwhile"]);
    assert_eq!(rig.told(), ["two", "+2", "meanwhile", "now"]);
    let again = rig.sent.clone();
    assert_eq!(again.iter().map(|line| line.rsplit(':').next().unwrap()).collect::<Vec<_>>(), ["three", "four"]);
    assert_eq!(id(&again[0]), id(&first[2]));
    let (three, four) = (rig.echo("three", "m5"), rig.echo("four", "m6"));
    rig.hear(&[&three, &four]);
    assert_eq!(rig.told(), ["three", "+3", "four", "+4"]);
}

#[test]
fn gaps_are_filled_page_by_page_and_nothing_is_told_twice() {
    let mut rig = Rig::in_group();
    rig.hear(&["@msgid=m1 :bob!b@h PRIVMSG #g :1"]);
    rig.reconnect();
    rig.sent();
    rig.news();
    rig.hear(&[":ann!a@h JOIN #g", "@msgid=m6 :bob!b@h PRIVMSG #g :6"]);
    let line = |number: u32| format!("@msgid=m{number} :bob!b@h PRIVMSG #g :{number}");
    rig.history(&[&line(2), &line(3), &line(4)]);
    assert_eq!(rig.sent(), ["CHATHISTORY AFTER #g msgid=m1 3", "CHATHISTORY AFTER #g msgid=m4 3"]);
    rig.history(&[&line(5), &line(6)]);
    assert_eq!(rig.told(), ["1", "2", "3", "4", "5", "6"][1..]);
    assert_eq!(rig.sent(), [] as [&str; 0]);
    rig.hear(&[&line(6), &line(7)]);
    assert_eq!(rig.told(), ["7"]);
}

#[test]
fn a_server_without_that_message_tells_the_latest_ones() {
    let mut rig = Rig::in_group();
    rig.hear(&["@msgid=old :bob!b@h PRIVMSG #g :old"]);
    rig.reconnect();
    rig.sent();
    rig.hear(&[":ann!a@h JOIN #g", "FAIL CHATHISTORY INVALID_MSGREFTYPE AFTER #g msgid=old :unknown"]);
    assert_eq!(rig.sent().last().unwrap(), "CHATHISTORY LATEST #g * 3");
    rig.news();
    rig.history(&["@msgid=new :bob!b@h PRIVMSG #g :new"]);
    assert_eq!(rig.told(), ["new"]);
    // And one that does not answer at all.
    rig.reconnect();
    rig.hear(&[":ann!a@h JOIN #g", "@msgid=m9 :bob!b@h PRIVMSG #g :9"]);
    assert_eq!(rig.told(), [] as [&str; 0]);
    rig.pass(Span::secs(11));
    assert_eq!(rig.told(), ["9"]);
}

#[test]
fn servers_without_echo_are_asked_whether_it_arrived() {
    let mut rig = Rig::new(options());
    rig.join("#g");
    rig.register("");
    rig.sent();
    rig.hear(&[":ann!a@h JOIN #g"]);
    rig.say(1, "#g", "hi");
    rig.say(2, "nobody", "you?");
    assert_eq!(rig.sent(), ["PRIVMSG #g :hi", "PING said-1", "PRIVMSG nobody :you?", "PING said-2"]);
    rig.hear(&[":box PONG box said-1", ":box 401 ann nobody :no such nick", ":box PONG box :said-2"]);
    assert_eq!(rig.told(), ["hi", "+1", "-2"]);
}

#[test]
fn echoes_without_tags_are_known_by_their_text() {
    let mut rig = Rig::new(options());
    rig.join("#g");
    rig.register("echo-message");
    rig.hear(&[":ann!a@h JOIN #g"]);
    rig.say(1, "#g", "hi");
    rig.hear(&[":ann!a@h PRIVMSG #g :something else", ":ann!a@h PRIVMSG #G :hi"]);
    assert_eq!(rig.told(), ["something else", "hi", "+1"]);
}

#[test]
fn refusals_name_what_is_refused() {
    let mut rig = Rig::in_group();
    rig.say(1, "#g", "a");
    rig.say(2, "#g", "b");
    rig.hear(&["@label=2 :box 404 ann #g :cannot send", ":box 481 ann :no permission"]);
    let news = rig.news();
    assert_eq!(
        news,
        [
            ChatNews::Refused { number: 2, why: "cannot send".into() },
            ChatNews::Server { text: "no permission".into() }
        ]
    );
    rig.hear(&["FAIL PRIVMSG MESSAGE_TOO_LONG #g :too long"]);
    assert_eq!(rig.told(), ["-1"]);
}

#[test]
fn long_texts_leave_as_several_lines_and_are_acknowledged_once() {
    let mut rig = Rig::in_group();
    let text = (0..110).map(|number| format!("word{number} ")).collect::<String>();
    rig.say(1, "#g", text.trim_end());
    let lines = rig.sent.clone();
    assert_eq!(lines.len(), 3);
    let bodies: Vec<&str> = lines.iter().map(|line| line.split_once(" :").unwrap().1).collect();
    assert_eq!(bodies.join(" "), text.trim_end());
    let echoes: Vec<String> = bodies.iter().enumerate().map(|(at, body)| rig.echo(body, &format!("m{at}"))).collect();
    let mut told = Vec::new();
    for echo in &echoes {
        rig.hear(&[echo]);
        told.push(rig.told().pop().unwrap());
    }
    assert_eq!((told[2].as_str(), told[1].starts_with('+')), ("+1", false));
}
