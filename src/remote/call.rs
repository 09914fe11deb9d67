//! A call of the remote control as it comes in, and how it is answered: Transmission's JSON of before 4.1.

use crate::base::{ConnId, InfoHash};
use crate::machine::{Command, Outbox};
use crate::wire::http::Reply;
use crate::wire::json::{self, Object, Value, Writer};

use super::gate::armoured;

/// Everything went well.
pub const SUCCESS: &str = "success";

/// A call.
#[derive(Debug)]
pub struct Call {
    pub method: String,
    pub arguments: Object,
    pub back: Back,
}

/// Where an answer goes, and what it repeats.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Back {
    pub conn: ConnId,
    pub tag: Option<i64>,
}

/// Which torrents are meant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Which {
    All,
    /// Those of which something changed lately.
    Recent,
    These(Vec<Name>),
}

/// A torrent as callers name it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Name {
    Id(u32),
    Hash(InfoHash),
}

impl Call {
    /// Reads a body. None where it is none.
    pub fn read(conn: ConnId, body: &[u8]) -> Option<Call> {
        let Value::Object(mut call) = json::read(body)? else { return None };
        let tag = call.get("tag").and_then(json::int);
        let method = call.get("method").and_then(json::text).unwrap_or_default().to_string();
        let arguments = match call.remove("arguments") {
            Some(Value::Object(arguments)) => arguments,
            _ => Object::new(),
        };
        Some(Call { method, arguments, back: Back { conn, tag } })
    }

    /// The torrents it is about; None where they are named in no way that is known.
    pub fn which(&self) -> Option<Which> {
        let Some(ids) = self.arguments.get("ids") else { return Some(Which::All) };
        if let Some(text) = json::text(ids)
            && text == "recently-active"
        {
            return Some(Which::Recent);
        }
        let names = match json::list(ids) {
            Some(list) => list.iter().filter_map(name).collect(),
            None => vec![name(ids)?],
        };
        Some(Which::These(names))
    }

    pub fn text(&self, key: &str) -> Option<&str> {
        self.arguments.get(key).and_then(json::text)
    }

    pub fn int(&self, key: &str) -> Option<i64> {
        self.arguments.get(key).and_then(json::int)
    }

    pub fn switch(&self, key: &str) -> Option<bool> {
        self.arguments.get(key).and_then(json::switch)
    }

    pub fn float(&self, key: &str) -> Option<f64> {
        self.arguments.get(key).and_then(json::float)
    }

    /// The texts of a list; what else is in it is left out.
    pub fn texts(&self, key: &str) -> Option<Vec<String>> {
        let list = self.arguments.get(key).and_then(json::list)?;
        Some(list.iter().filter_map(json::text).map(str::to_string).collect())
    }

    /// The whole numbers of a list, none of them negative. None where there is no list, or something else in it.
    pub fn indexes(&self, key: &str) -> Option<Vec<usize>> {
        let list = self.arguments.get(key).and_then(json::list)?;
        list.iter().map(|value| json::int(value).and_then(|index| usize::try_from(index).ok())).collect()
    }
}

fn name(value: &Value) -> Option<Name> {
    match json::text(value) {
        Some(text) => InfoHash::from_hex(text).map(Name::Hash).or_else(|| text.parse().ok().map(Name::Id)),
        None => json::int(value).and_then(|id| u32::try_from(id).ok()).map(Name::Id),
    }
}

impl Back {
    /// Nobody waits for the answer: no connection has this number.
    pub const NOBODY: Back = Back { conn: ConnId(0), tag: None };

    /// Answers; `arguments` is an object, or empty for one of nothing.
    pub fn answer(self, result: &str, arguments: &str, out: &mut Outbox) {
        let mut text = String::with_capacity(arguments.len() + 64);
        text.push_str("{\"arguments\":");
        text.push_str(if arguments.is_empty() { "{}" } else { arguments });
        text.push_str(",\"result\":");
        json::quote(result, &mut text);
        if let Some(tag) = self.tag {
            text.push_str(",\"tag\":");
            json::number(tag, &mut text);
        }
        text.push('}');
        self.send(text, out);
    }

    /// Answers with a text that is the whole document.
    pub fn send(self, text: String, out: &mut Outbox) {
        if self == Back::NOBODY {
            return;
        }
        let reply = armoured(Reply::new(200, "application/json; charset=UTF-8", text.into_bytes()));
        out.push(Command::Answer { conn: self.conn, reply });
    }

    pub fn succeed(self, out: &mut Outbox) {
        self.answer(SUCCESS, "", out);
    }

    /// Says why not.
    pub fn fail(self, why: &str, out: &mut Outbox) {
        self.answer(why, "", out);
    }

    /// Answers with an object.
    pub fn tell(self, out: &mut Outbox, fill: impl FnOnce(&mut Writer<'_>)) {
        let mut text = String::new();
        let mut object = Writer::begin(&mut text);
        fill(&mut object);
        object.end();
        self.answer(SUCCESS, &text, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(text: &str) -> Option<Call> {
        Call::read(ConnId(1), text.as_bytes())
    }

    #[test]
    fn calls_are_read_as_clients_send_them() {
        let get = call(r#"{"method":"torrent-get","arguments":{"ids":[1,"2","zz"],"a":true},"tag":7.0}"#).unwrap();
        assert_eq!((get.method.as_str(), get.back.tag, get.switch("a")), ("torrent-get", Some(7), Some(true)));
        assert_eq!(get.which(), Some(Which::These(vec![Name::Id(1), Name::Id(2)])));
        assert_eq!(call(r#"{"method":"session-get"}"#).unwrap().which(), Some(Which::All));
        let hash = "0123456789abcdef0123456789ABCDEF01234567";
        let one = call(&format!(r#"{{"method":"x","arguments":{{"ids":"{hash}"}}}}"#)).unwrap();
        assert_eq!(one.which(), Some(Which::These(vec![Name::Hash(InfoHash::from_hex(hash).unwrap())])));
        let recent = call(r#"{"method":"x","arguments":{"ids":"recently-active"}}"#).unwrap();
        assert_eq!(recent.which(), Some(Which::Recent));
        assert_eq!(call(r#"{"method":"x","arguments":{"ids":"nobody"}}"#).unwrap().which(), None);
        assert!(call("[]").is_none() && call("").is_none() && call("{\"method\":\"x\"").is_none());
        assert_eq!(call("{}").unwrap().method, "");
    }

    #[test]
    fn answers_repeat_the_tag_only_where_there_was_one() {
        let mut out = Outbox::new(1, 0, 0, 0);
        Back { conn: ConnId(1), tag: Some(5) }.succeed(&mut out);
        Back { conn: ConnId(1), tag: None }.fail("no \"x\"", &mut out);
        let texts: Vec<String> = out
            .commands
            .iter()
            .map(|command| match command {
                Command::Answer { reply, .. } => String::from_utf8_lossy(&reply.body).into_owned(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(texts[0], r#"{"arguments":{},"result":"success","tag":5}"#);
        assert_eq!(texts[1], r#"{"arguments":{},"result":"no \"x\""}"#);
    }
}
