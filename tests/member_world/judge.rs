//! What members say and hear, and what must hold of it: nothing acknowledged lost, doubled or out of order.

use std::collections::BTreeMap;

use peerlink::base::{Span, Time};
use peerlink::machine::{ChatAsk, ChatNews, Manner, Say};
use peerlink::member::{Member, MemberOptions};

pub const MEMBERS: usize = 50;
pub const GROUPS: usize = 5;

pub fn group_of(member: usize) -> String {
    format!("#g{}", member % GROUPS)
}

/// The member of this number, which knows the server by its address.
pub fn member(at: usize, port: u16) -> Member {
    Member::new(MemberOptions {
        host: "127.0.0.1".into(),
        port,
        nick: format!("m{at}"),
        real_name: String::new(),
        password: None,
        history: 10,
    })
}

/// What one member did and heard.
#[derive(Default)]
pub struct Log {
    pub said: u64,
    /// Texts by number until they are acknowledged.
    waiting: BTreeMap<u64, String>,
    acknowledged: Vec<String>,
    heard: Vec<String>,
    /// It is in its group, and knows all that was said there.
    pub is_there: bool,
}

impl Log {
    /// The next thing to say.
    pub fn speak(&mut self, at: usize) -> ChatAsk {
        self.said += 1;
        let (number, text) = (self.said, format!("m{at} {}", self.said));
        self.waiting.insert(number, text.clone());
        ChatAsk::Say(Box::new(Say { number, to: group_of(at), text, manner: Manner::Plain, tags: Vec::new() }))
    }

    /// Takes note of news; true when it is back.
    pub fn hear(&mut self, at: usize, news: ChatNews) -> bool {
        match news {
            ChatNews::CaughtUp { is_cut, .. } => {
                assert!(!is_cut, "m{at}: the server does not know all that was said meanwhile");
                self.is_there = true;
                return true;
            }
            ChatNews::Lost { .. } => self.is_there = false,
            ChatNews::Acknowledged { number, .. } => {
                let text = self.waiting.remove(&number).expect("acknowledged once");
                self.acknowledged.push(text);
            }
            ChatNews::Refused { why, .. } => panic!("m{at}: refused: {why}"),
            ChatNews::Message(message) => self.heard.push(message.text),
            _ => {}
        }
        false
    }
}

/// Everybody is there, all that was said is acknowledged, and heard.
pub fn is_settled(logs: &[Log]) -> bool {
    let acknowledged =
        |group: usize| -> usize { logs.iter().skip(group).step_by(GROUPS).map(|log| log.acknowledged.len()).sum() };
    let totals: Vec<usize> = (0..GROUPS).map(acknowledged).collect();
    let is_done =
        |(at, log): (usize, &Log)| log.is_there && log.waiting.is_empty() && log.heard.len() >= totals[at % GROUPS];
    logs.iter().enumerate().all(is_done)
}

/// Holds what everybody heard against what was acknowledged; how many messages there were.
pub fn judge(logs: &[Log]) -> usize {
    let mut total = 0;
    for group in 0..GROUPS {
        let there = || (group..logs.len()).step_by(GROUPS);
        let mut wanted: Vec<&String> = Vec::new();
        for at in there() {
            let log = &logs[at];
            assert!(log.waiting.is_empty(), "m{at}: not acknowledged: {:?}", log.waiting);
            let in_order: Vec<u64> = log.acknowledged.iter().map(|text| number_of(text)).collect();
            assert_eq!(in_order, (1..=log.said).collect::<Vec<u64>>(), "m{at}: acknowledged out of order");
            wanted.extend(&log.acknowledged);
        }
        wanted.sort();
        total += wanted.len();
        for at in there() {
            heard_rightly(at, &logs[at].heard, &wanted);
        }
        let orders: std::collections::BTreeSet<&Vec<String>> = there().map(|at| &logs[at].heard).collect();
        assert_eq!(orders.len(), 1, "group {group}: everybody hears everything in the same order");
    }
    total
}

/// The most of these moments within 100 ms.
pub fn densest(mut moments: Vec<Time>) -> usize {
    moments.sort();
    let from =
        |at: usize| moments[at..].iter().take_while(|moment| moment.since(moments[at]) < Span::millis(100)).count();
    (0..moments.len()).map(from).max().unwrap_or(0)
}

fn heard_rightly(at: usize, heard: &[String], wanted: &[&String]) {
    let mut sorted: Vec<&String> = heard.iter().collect();
    sorted.sort();
    for pair in sorted.windows(2) {
        assert_ne!(pair[0], pair[1], "m{at} heard it twice");
    }
    let missing: Vec<_> = wanted.iter().filter(|text| sorted.binary_search(text).is_err()).take(5).collect();
    assert!(sorted == wanted, "m{at} heard {} of {}, not {missing:?}", sorted.len(), wanted.len());
    let mut last: BTreeMap<&str, u64> = BTreeMap::new();
    for text in heard {
        let (who, number) = (text.split(' ').next().expect("a nick"), number_of(text));
        let before = last.insert(who, number).unwrap_or(0);
        assert!(number > before, "m{at} heard {text:?} after number {before}");
    }
}

fn number_of(text: &str) -> u64 {
    text.rsplit(' ').next().and_then(|number| number.parse().ok()).expect("a number")
}
