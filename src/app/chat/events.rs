//! Talk as JSON, one object per event, for scripts and bots.

use super::super::json::Object;
use crate::machine::{ChatNews, Leave, Message};

/// The event; None for what scripts have no use for.
pub fn event(news: &ChatNews) -> Option<String> {
    let line = match news {
        ChatNews::Registered { nick, server } => Object::event("connected").text("nick", nick).text("server", server),
        ChatNews::Lost { why, retry, was_registered } => {
            let object = Object::event("disconnected").text("reason", why).number("retry_ms", retry.0 / 1000);
            object.switch("was_connected", *was_registered)
        }
        ChatNews::Unwelcome { why } => Object::event("unwelcome").text("reason", why),
        ChatNews::Message(message) => said(message),
        ChatNews::Acknowledged { number, msgid } => {
            Object::event("acknowledged").number("number", *number).maybe_text("msgid", msgid.as_deref())
        }
        ChatNews::Refused { number, why } => Object::event("refused").number("number", *number).text("reason", why),
        ChatNews::Joined { group, nick, is_own } => {
            Object::event("joined").text("group", group).text("nick", nick).switch("own", *is_own)
        }
        ChatNews::Left { group, nick, is_own, how, reason } => {
            let object = Object::event("left").text("group", group).text("nick", nick).switch("own", *is_own);
            let (word, by) = match how {
                Leave::Part => ("part", None),
                Leave::Quit => ("quit", None),
                Leave::Kick(by) => ("kick", Some(by.as_str())),
            };
            object.text("how", word).maybe_text("by", by).text("reason", reason)
        }
        ChatNews::Shut { group, why } => Object::event("shut").text("group", group).text("reason", why),
        ChatNews::Roster { group, nicks } => Object::event("names").text("group", group).texts("nicks", nicks),
        ChatNews::CaughtUp { group, is_cut } => {
            Object::event("caught_up").text("group", group).switch("complete", !is_cut)
        }
        ChatNews::Topic { group, text, by } => {
            Object::event("topic").text("group", group).text("text", text).maybe_text("by", by.as_deref())
        }
        ChatNews::Nick { old, new, is_own } => {
            Object::event("nick").text("old", old).text("new", new).switch("own", *is_own)
        }
        ChatNews::NickTaken { nick, why } => Object::event("nick_taken").text("nick", nick).text("reason", why),
        ChatNews::Who { people, .. } => {
            let nicks: Vec<String> = people.iter().map(|present| present.nick.clone()).collect();
            Object::event("who").texts("nicks", &nicks)
        }
        ChatNews::Groups(groups) => {
            let names: Vec<String> = groups.iter().map(|listed| listed.group.clone()).collect();
            Object::event("groups").texts("groups", &names)
        }
        ChatNews::Key { .. } => return None,
        ChatNews::Server { text } => Object::event("server").text("text", text),
    };
    Some(line.line())
}

fn said(message: &Message) -> Object {
    let Message { group, nick, text, msgid, .. } = message;
    let object = Object::event("message").text("group", group).text("nick", nick).text("text", text);
    let object = object.switch("private", message.is_private).switch("own", message.is_own);
    let object = object.switch("history", message.is_history).switch("action", message.is_action);
    let object = object.switch("notice", message.is_notice).maybe_text("msgid", msgid.as_deref());
    let object = object.maybe_number("time_ms", message.time_ms);
    let object = match message.tag(super::sealed::STATE) {
        Some(state) => object.text("sealed", state),
        None => object,
    };
    match message.tag(super::shares::HASH_TAG) {
        Some(hash) => {
            let size = message.tag(super::shares::SIZE_TAG).and_then(|size| size.parse().ok());
            object.text("info_hash", hash).maybe_number("size", size)
        }
        None => object,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_objects() {
        let message = Message {
            group: "#g".into(),
            nick: "bob".into(),
            text: "a \"b\"".into(),
            msgid: Some("m".into()),
            time_ms: Some(5),
            tags: vec![("+peerlink/hash".into(), "ab".into()), ("+peerlink/size".into(), "7".into())],
            ..Message::default()
        };
        let line = event(&ChatNews::Message(Box::new(message))).unwrap();
        let expected = r##"{"event":"message","group":"#g","nick":"bob","text":"a \"b\"","private":false,"own":false,"history":false,"action":false,"notice":false,"msgid":"m","time_ms":5,"info_hash":"ab","size":7}"##;
        assert_eq!(line, expected);
    }
}
