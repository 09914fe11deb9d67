//! The daemon as commands use it: calls of its remote control, and its torrents by the names people say.

use super::exit::{Exit, Failure};
use super::settings::Settings;
use super::values;
use crate::base::text::harmless;
use crate::base::{InfoHash, Span};
use crate::io::server_call::{self, Answer, Ask, Method, SESSION};
use crate::io::way_out::WayOut;
use crate::wire::authorization::Authorization;
use crate::wire::json::{self, Object, Value, Writer};

/// From look-up to last byte.
const TIMEOUT: Span = Span::secs(60);
/// Bytes of an answer: ten thousand torrents with long names.
const ANSWER_LEN: usize = 32 * 1024 * 1024;
const TARGET: &str = "/transmission/rpc";

/// Where the daemon is, and who asks.
#[derive(Debug)]
pub struct Daemon {
    host: String,
    port: u16,
    authorization: String,
    session: String,
}

/// A torrent as the daemon tells of it.
#[derive(Clone, Debug)]
pub struct Told {
    pub object: Object,
}

impl Told {
    pub fn text(&self, key: &str) -> &str {
        self.object.get(key).and_then(json::text).unwrap_or_default()
    }

    pub fn int(&self, key: &str) -> i64 {
        self.object.get(key).and_then(json::int).unwrap_or(0)
    }

    /// A count of bytes or the like.
    pub fn count(&self, key: &str) -> u64 {
        u64::try_from(self.int(key)).unwrap_or(0)
    }

    pub fn float(&self, key: &str) -> f64 {
        self.object.get(key).and_then(json::float).unwrap_or(0.0)
    }

    pub fn is(&self, key: &str) -> bool {
        self.object.get(key).and_then(json::switch).unwrap_or(false)
    }

    pub fn texts(&self, key: &str) -> Vec<String> {
        let list = self.object.get(key).and_then(json::list).unwrap_or_default();
        list.iter().filter_map(json::text).map(str::to_string).collect()
    }

    /// The objects of a list.
    pub fn list(&self, key: &str) -> Vec<Told> {
        let list = self.object.get(key).and_then(json::list).unwrap_or_default();
        list.iter().filter_map(told).collect()
    }

    /// An object within.
    pub fn inner(&self, key: &str) -> Told {
        self.object.get(key).and_then(told).unwrap_or(Told { object: Object::new() })
    }
}

fn told(value: &Value) -> Option<Told> {
    match value {
        Value::Object(object) => Some(Told { object: object.clone() }),
        _ => None,
    }
}

impl Daemon {
    /// The one that the settings name.
    ///
    /// # Errors
    /// `--rpc` names no place.
    pub fn of(settings: &Settings) -> Result<Daemon, Failure> {
        let text = settings.text("rpc").unwrap_or_default();
        let place = values::peer(text).map_err(|why| Failure::usage(format!("--rpc: {why}")))?;
        let host = match place.0.as_str() {
            // What listens everywhere is here, too.
            "0.0.0.0" => "127.0.0.1".to_string(),
            "::" => "::1".to_string(),
            host => host.to_string(),
        };
        let (name, password) = (settings.text("rpc-user"), settings.text("rpc-password"));
        let who = password.map(|password| Authorization::Basic {
            name: name.unwrap_or_default().into(),
            password: password.into(),
        });
        let authorization = who.map(|who| who.value()).unwrap_or_default();
        Ok(Daemon { host, port: place.1, authorization, session: String::new() })
    }

    /// Calls a method; `arguments` fills an object.
    ///
    /// # Errors
    /// Code 6 where no daemon answers, 1 where it refuses.
    pub fn call(&mut self, method: &str, arguments: impl FnOnce(&mut Writer<'_>)) -> Result<Told, Failure> {
        let mut body = String::new();
        let mut call = Writer::begin(&mut body);
        call.text("method", method);
        let mut inner = Writer::begin(call.key("arguments"));
        arguments(&mut inner);
        inner.end();
        call.end();
        let mut answer = self.post(&body)?;
        if answer.status == 409 && !answer.session.is_empty() {
            self.session = answer.session;
            answer = self.post(&body)?;
        }
        self.understood(&answer)
    }

    fn post(&self, body: &str) -> Result<Answer, Failure> {
        let ask = Ask {
            method: Method::POST,
            authorization: &self.authorization,
            field: Some((SESSION, &self.session)),
            body: Some(("application/json", body.as_bytes())),
        };
        // It is on this machine, or near: no proxy leads there.
        let way = WayOut::default();
        server_call::ask((&self.host, self.port), TARGET, ask, ANSWER_LEN, TIMEOUT, &way).map_err(|why| {
            let hint = "is `peerlink daemon` running there? (--rpc HOST:PORT)";
            let text = format!("no daemon answers at {}: {}; {hint}", self.place(), harmless(&why));
            Failure::new(Exit::Unreachable, text)
        })
    }

    fn place(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    fn understood(&self, answer: &Answer) -> Result<Told, Failure> {
        let place = self.place();
        let first_line = || {
            let text = String::from_utf8_lossy(&answer.body).into_owned();
            let line: String = harmless(text.lines().next().unwrap_or_default()).chars().take(200).collect();
            line.trim_end_matches('.').to_string()
        };
        match answer.status {
            200 => {}
            401 => {
                let text =
                    format!("{place}: it wants a --rpc-user and a --rpc-password, and not those that were given");
                return Err(Failure::new(Exit::Other, text));
            }
            403 | 421 => return Err(Failure::new(Exit::Other, format!("{place}: {}", first_line()))),
            status => {
                let text = format!("what answers at {place} is no daemon: it says {status}");
                return Err(Failure::new(Exit::Unreachable, text));
            }
        }
        let parsed = json::read_own(&answer.body).as_ref().and_then(told);
        let Some(parsed) = parsed else {
            let text = format!("what answers at {place} is no daemon: this is not its language");
            return Err(Failure::new(Exit::Unreachable, text));
        };
        match parsed.text("result") {
            "success" => Ok(parsed.inner("arguments")),
            why => Err(Failure::new(Exit::Other, format!("the daemon refuses: {}", harmless(why)))),
        }
    }

    /// Its torrents, with these fields.
    ///
    /// # Errors
    /// As [`Daemon::call`].
    pub fn torrents(&mut self, ids: Option<&[i64]>, fields: &[&str]) -> Result<Vec<Told>, Failure> {
        let answer = self.call("torrent-get", |object| {
            if let Some(ids) = ids {
                json::write_list(ids, object.key("ids"), json::number);
            }
            json::write_list(fields, object.key("fields"), |field, to| json::quote(field, to));
        })?;
        Ok(answer.list("torrents"))
    }

    /// The numbers of the torrents that people named; each name must mean something.
    ///
    /// # Errors
    /// Code 3 for a name that means nothing, or several; as [`Daemon::call`].
    pub fn find(&mut self, names: &[String]) -> Result<Vec<i64>, Failure> {
        let all = self.torrents(None, &["id", "name", "hashString"])?;
        let mut found = Vec::new();
        for name in names {
            let ids = one_of(name, &all)?;
            found.extend(ids.into_iter().filter(|id| !found.contains(id)).collect::<Vec<_>>());
        }
        Ok(found)
    }
}

/// What a name means: all of them, a number, a hash, a name, a part of just one.
fn one_of(name: &str, all: &[Told]) -> Result<Vec<i64>, Failure> {
    let bad = |why: &str| Err(Failure::new(Exit::BadTorrent, format!("{}: {why}", harmless(name))));
    if name == "all" {
        return Ok(all.iter().map(|torrent| torrent.int("id")).collect());
    }
    let number: Option<i64> = name.parse().ok();
    let hash = InfoHash::from_hex(name).map(|hash| hash.to_string());
    let lower = name.to_lowercase();
    let ways: [&dyn Fn(&Told) -> bool; 4] = [
        &|torrent| number == Some(torrent.int("id")),
        &|torrent| hash.as_deref() == Some(torrent.text("hashString")),
        &|torrent| torrent.text("name") == name,
        &|torrent| torrent.text("name").to_lowercase().contains(&lower),
    ];
    for is_it in ways {
        let ids: Vec<i64> = all.iter().filter(|torrent| is_it(torrent)).map(|torrent| torrent.int("id")).collect();
        match ids.len() {
            0 => {}
            1 => return Ok(ids),
            count => return bad(&format!("{count} torrents are called so; say a number of `peerlink list`")),
        }
    }
    bad("the daemon has no such torrent (`peerlink list` shows them)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_mean_one_torrent() {
        let all: Vec<Told> = [(1, "Some film", "aa"), (2, "Some song", "bb"), (3, "1", "cc")]
            .iter()
            .map(|(id, name, hash)| {
                let text = format!("{{\"id\":{id},\"name\":\"{name}\",\"hashString\":\"{}\"}}", hash.repeat(20));
                told(&json::read(text.as_bytes()).unwrap()).unwrap()
            })
            .collect();
        let found = |name: &str| one_of(name, &all).map_err(|failure| failure.exit);
        assert_eq!(found("all"), Ok(vec![1, 2, 3]));
        assert_eq!((found("2"), found("1")), (Ok(vec![2]), Ok(vec![1])), "numbers come first");
        assert_eq!((found(&"BB".repeat(20)), found("SONG")), (Ok(vec![2]), Ok(vec![2])));
        assert_eq!((found("some"), found("none")), (Err(Exit::BadTorrent), Err(Exit::BadTorrent)));
    }
}
