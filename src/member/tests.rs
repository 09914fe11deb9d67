//! The member against scripted servers.

mod hostile;
mod talk;

use super::*;
use crate::base::Span;
use crate::machine::{ChatAsk, Command, Job, Manner, Message, Say};

/// A member, what it sent and what it told.
struct Rig {
    member: Member,
    out: Outbox,
    now: Time,
    conn: Option<ConnId>,
    sent: Vec<String>,
    news: Vec<ChatNews>,
}

const CAPS: &str =
    "message-tags server-time batch echo-message labeled-response multi-prefix draft/chathistory unknown=1,2";

fn options() -> MemberOptions {
    MemberOptions {
        host: "192.0.2.1".into(),
        port: 9000,
        nick: "ann".into(),
        real_name: "Ann".into(),
        password: None,
        history: 10,
    }
}

impl Rig {
    fn new(options: MemberOptions) -> Rig {
        let member = Member::new(options);
        let out = Outbox::new(7, 0, 0, 0);
        let mut rig = Rig { member, out, now: Time(1), conn: None, sent: Vec::new(), news: Vec::new() };
        rig.input(Input::Note(Note::Listening { port: 6881 }));
        rig
    }

    fn input(&mut self, input: Input<'_>) {
        self.member.handle(self.now, input, &mut self.out);
        self.member.check();
        for command in std::mem::take(&mut self.out.commands) {
            match command {
                Command::Connect { conn, .. } => {
                    assert!(self.conn.is_none(), "dials twice");
                    self.conn = Some(conn);
                }
                Command::Send { conn, bytes } => {
                    assert_eq!(Some(conn), self.conn);
                    let text = String::from_utf8(bytes).unwrap();
                    self.sent.extend(text.lines().map(str::to_string));
                }
                Command::Close { conn } => assert_eq!(self.conn.take(), Some(conn)),
                Command::Tell(Note::News(news)) => self.news.push(*news),
                Command::Job(Job::Resolve { .. }) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// Lines of the server.
    fn hear(&mut self, lines: &[&str]) {
        let text: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
        let conn = self.conn.expect("a connection");
        self.input(Input::Received { conn, bytes: text.as_bytes() });
    }

    fn ask(&mut self, ask: ChatAsk) {
        self.input(Input::Note(Note::Ask(Box::new(ask))));
    }

    fn join(&mut self, group: &str) {
        self.ask(ChatAsk::Join { group: group.into(), key: None });
    }

    fn say(&mut self, number: u64, to: &str, text: &str) {
        let say = Say { number, to: to.into(), text: text.into(), manner: Manner::Plain, tags: Vec::new() };
        self.ask(ChatAsk::Say(Box::new(say)));
    }

    /// What was sent since the last time.
    fn sent(&mut self) -> Vec<String> {
        std::mem::take(&mut self.sent)
    }

    fn news(&mut self) -> Vec<ChatNews> {
        std::mem::take(&mut self.news)
    }

    /// Texts of the messages told since the last time, with the numbers of texts acknowledged as `+1`.
    fn told(&mut self) -> Vec<String> {
        let told = self.news().into_iter().filter_map(|news| match news {
            ChatNews::Message(message) => Some(message.text),
            ChatNews::Acknowledged { number, .. } => Some(format!("+{number}")),
            ChatNews::Refused { number, .. } => Some(format!("-{number}")),
            _ => None,
        });
        told.collect()
    }

    /// Lets time pass, with every deadline on the way.
    fn pass(&mut self, span: Span) {
        let end = self.now + span;
        while let Some(due) = self.member.next_deadline().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.input(Input::Deadline);
        }
        self.now = end;
    }

    /// From the dial to the end of the message of the day.
    fn register(&mut self, caps: &str) {
        let conn = self.conn.expect("a dial");
        self.input(Input::Connected { conn });
        self.hear(&[&format!(":box CAP * LS :{caps}")]);
        let asked = self.sent.iter().find_map(|line| line.strip_prefix("CAP REQ :")).map(str::to_string);
        if let Some(asked) = asked {
            self.hear(&[&format!(":box CAP * ACK :{asked}")]);
        }
        self.hear(&[
            ":box 001 ann :Welcome",
            ":box 005 ann CASEMAPPING=ascii CHANTYPES=# PREFIX=(ov)@+ CHATHISTORY=3 :are supported",
            ":box 422 ann :no message of the day",
        ]);
    }

    /// In `#g`, with nothing said before.
    fn in_group() -> Rig {
        let mut rig = Rig::new(options());
        rig.join("#g");
        rig.register(CAPS);
        rig.enter(&[]);
        rig.sent();
        rig.news();
        rig
    }

    /// The server lets us into `#g` and tells what was said.
    fn enter(&mut self, history: &[&str]) {
        self.hear(&[":ann!a@h JOIN #g", ":box 353 ann = #g :@ann +bob", ":box 366 ann #g :end"]);
        self.history(history);
    }

    fn history(&mut self, history: &[&str]) {
        self.hear(&[":box BATCH +7 chathistory #g"]);
        for line in history {
            let (tags, rest) = line.split_once(' ').unwrap();
            self.hear(&[&format!("@batch=7;{} {rest}", &tags[1..])]);
        }
        self.hear(&[":box BATCH -7"]);
    }

    /// The connection breaks; the next dial succeeds.
    fn reconnect(&mut self) {
        let conn = self.conn.take().expect("a connection");
        self.input(Input::Closed { conn, reason: crate::machine::Closed::Error });
        let due = self.member.next_deadline().expect("another try");
        self.pass(due.since(self.now));
        self.sent();
        self.register(CAPS);
    }

    /// The line that we sent with this text, as the server sends it back.
    fn echo(&self, text: &str, msgid: &str) -> String {
        let end = format!(" :{text}");
        let line = self.sent.iter().rev().find(|line| line.ends_with(&end)).expect("it was sent");
        let (tags, rest) = line.split_once(' ').unwrap();
        format!("{tags};msgid={msgid};time=2026-11-20T12:00:00.000Z :ann!a@h {rest}")
    }
}

fn message(rig: &mut Rig) -> Message {
    let found = rig.news().into_iter().find_map(|news| match news {
        ChatNews::Message(message) => Some(*message),
        _ => None,
    });
    found.expect("a message")
}

#[test]
fn it_registers_with_what_the_server_offers_and_joins() {
    let mut rig = Rig::new(MemberOptions { password: Some("sesame street".into()), ..options() });
    rig.join("#g");
    rig.ask(ChatAsk::Join { group: "#locked".into(), key: Some("key".into()) });
    rig.register(CAPS);
    assert_eq!(
        rig.sent(),
        [
            "CAP LS 302",
            "PASS :sesame street",
            "NICK ann",
            "USER peerlink 0 * :Ann",
            "CAP REQ :message-tags server-time batch echo-message labeled-response multi-prefix draft/chathistory",
            "CAP END",
            "JOIN #locked,#g key",
        ]
    );
    assert_eq!(rig.news(), [ChatNews::Registered { nick: "ann".into(), server: "box".into() }]);
    rig.hear(&["PING :x y", ":ann!a@h JOIN #g", ":box 332 ann #g :topic", ":box 353 ann = #g :@ann +bob"]);
    rig.hear(&[":box 353 ann = #g :cat", ":box 366 ann #g :end", ":box 475 ann #locked :wrong key"]);
    assert_eq!(rig.sent(), ["PONG :x y", "CHATHISTORY LATEST #g * 3"]);
    let group = || "#g".to_string();
    assert_eq!(
        rig.news(),
        [
            ChatNews::Joined { group: group(), nick: "ann".into(), is_own: true },
            ChatNews::Topic { group: group(), text: "topic".into(), by: None },
            ChatNews::Roster { group: group(), nicks: vec!["@ann".into(), "+bob".into(), "cat".into()] },
            ChatNews::Shut { group: "#locked".into(), why: "wrong key".into() },
        ]
    );
}

#[test]
fn capabilities_come_in_several_lines_or_are_refused_or_unknown() {
    let mut rig = Rig::new(options());
    let conn = rig.conn.unwrap();
    rig.input(Input::Connected { conn });
    rig.hear(&[":box CAP * LS * :batch a", ":box CAP * LS :server-time b=1"]);
    assert_eq!(rig.sent().last().unwrap(), "CAP REQ :server-time batch");
    rig.hear(&[":box CAP * NAK :server-time batch"]);
    assert_eq!(rig.sent(), ["CAP END"]);
    let mut rig = Rig::new(options());
    rig.join("#g");
    let conn = rig.conn.unwrap();
    rig.input(Input::Connected { conn });
    // No capabilities, no message of the day.
    rig.hear(&[":box 421 ann CAP :unknown", ":box 001 ann :hi"]);
    rig.pass(Span::secs(4));
    assert_eq!(rig.sent().last().unwrap(), "JOIN #g");
}

#[test]
fn a_taken_nick_is_had_back() {
    let mut rig = Rig::new(options());
    let conn = rig.conn.unwrap();
    rig.input(Input::Connected { conn });
    rig.sent();
    rig.hear(&[":box 433 * ann :in use", ":box 433 * ann_ :in use"]);
    assert_eq!(rig.sent(), ["NICK ann_", "NICK ann__"]);
    rig.hear(&[":box 001 ann__ :hi", ":box 376 ann__ :end"]);
    assert_eq!(rig.news(), [ChatNews::Registered { nick: "ann__".into(), server: "box".into() }]);
    rig.pass(Span::secs(10));
    rig.hear(&[":box 433 ann__ ann :in use"]);
    assert_eq!(rig.sent(), ["NICK ann", "NICK ann"], "after 3 and 9 seconds");
    assert_eq!(rig.news(), []);
    rig.hear(&[":ann!x@y QUIT :bye"]);
    assert_eq!(rig.sent(), ["NICK ann"]);
    rig.hear(&[":ann__!a@h NICK ann"]);
    assert_eq!(rig.news(), [ChatNews::Nick { old: "ann__".into(), new: "ann".into(), is_own: true }]);
    rig.pass(Span::secs(50));
    assert_eq!(rig.sent(), [] as [&str; 0]);
    // A person's own wish is answered, and forgotten when it cannot be had.
    rig.ask(ChatAsk::Nick("bob".into()));
    rig.hear(&[":box 433 ann bob :in use"]);
    assert_eq!(rig.news(), [ChatNews::NickTaken { nick: "bob".into(), why: "in use".into() }]);
    assert_eq!(rig.member.nick.next_deadline(), None);
}

#[test]
fn who_comes_and_goes_is_told_per_group() {
    let mut rig = Rig::in_group();
    rig.hear(&[":cat!c@h JOIN #G", ":cat!c@h NICK kit", ":bob!b@h PART #g :off", ":kit!c@h QUIT :gone"]);
    let left = |nick: &str, how, reason: &str| ChatNews::Left {
        group: "#g".into(),
        nick: nick.into(),
        is_own: nick == "ann",
        how,
        reason: reason.into(),
    };
    use crate::machine::Leave;
    assert_eq!(
        rig.news(),
        [
            ChatNews::Joined { group: "#g".into(), nick: "cat".into(), is_own: false },
            ChatNews::Nick { old: "cat".into(), new: "kit".into(), is_own: false },
            left("bob", Leave::Part, "off"),
            left("kit", Leave::Quit, "gone"),
        ]
    );
    rig.say(1, "#g", "hello?");
    rig.hear(&[":dan!d@h KICK #g ann :out"]);
    assert_eq!(rig.told(), ["-1"], "what was on its way is lost");
    rig.reconnect();
    assert!(!rig.sent().iter().any(|line| line.starts_with("JOIN")), "it stays out");
}

#[test]
fn lost_connections_come_back_soon_and_spread() {
    let mut firsts = Vec::new();
    for seed in 0..50 {
        let mut rig = Rig::new(options());
        rig.out.rng = fastrand::Rng::with_seed(seed);
        rig.register("");
        rig.pass(Span::secs(20));
        let conn = rig.conn.take().unwrap();
        rig.input(Input::Closed { conn, reason: crate::machine::Closed::Error });
        firsts.push(rig.member.next_deadline().unwrap().since(rig.now));
        // The server stays away for five minutes: it is asked every six seconds at least, every two at most.
        for _ in 0..60 {
            let due = rig.member.next_deadline().unwrap();
            rig.pass(due.since(rig.now));
            let conn = rig.conn.take().expect("a dial");
            rig.input(Input::Closed { conn, reason: crate::machine::Closed::Unreachable });
            let wait = rig.member.next_deadline().unwrap().since(rig.now);
            assert!((Span::secs(2)..=Span::secs(6)).contains(&wait), "{wait:?}");
        }
    }
    firsts.sort();
    assert!(firsts[49] < Span::millis(3_200));
    for window in firsts.windows(11) {
        assert!(window[10].0 - window[0].0 > 100_000, "more than 20 % within 100 ms: {window:?}");
    }
}

#[test]
fn silence_is_noticed() {
    let mut rig = Rig::in_group();
    rig.pass(Span::secs(61));
    assert_eq!(rig.sent(), ["PING are-you-there"]);
    rig.hear(&[":box PONG box are-you-there"]);
    rig.pass(Span::secs(79));
    assert!(rig.conn.is_some());
    rig.pass(Span::secs(2));
    assert!(matches!(&rig.news()[..], [ChatNews::Lost { was_registered: true, .. }]));
    // Sooner where it owes us something.
    let mut rig = Rig::in_group();
    rig.say(1, "#g", "hello?");
    rig.pass(Span::secs(31));
    assert!(matches!(&rig.news()[..], [ChatNews::Lost { .. }]));
}

#[test]
fn names_are_looked_up_and_addresses_tried_in_turn() {
    let mut rig = Rig::new(MemberOptions { host: "box.lan".into(), ..options() });
    let addresses = vec!["[2001:db8::1]:9000".parse().unwrap(), "192.0.2.1:9000".parse().unwrap()];
    let Phase::Resolving { job } = rig.member.link.phase else { panic!("it should look up") };
    rig.input(Input::Completed(Completion::Resolved { id: job, result: Ok(addresses) }));
    assert!(rig.member.server_address().unwrap().is_ipv6());
    let conn = rig.conn.take().unwrap();
    rig.input(Input::Closed { conn, reason: crate::machine::Closed::Unreachable });
    assert!(rig.member.server_address().unwrap().is_ipv4());
    rig.register("");
    assert!(rig.member.is_ready());
}

#[test]
fn goodbye_is_said_at_the_end() {
    let mut rig = Rig::in_group();
    rig.input(Input::Stop);
    assert_eq!((rig.sent(), rig.conn), (vec!["QUIT".to_string()], None));
    assert!(rig.member.is_stopped() && rig.member.next_deadline().is_none());
}
