//! Which machine of a server answers which path of its web. A path nobody owns is 404.
//!
//! To add a path: a row in [`Sites::owner`], an arm in [`Sites::ask`] that hands the machine [`Input::Request`], and
//! in [`Sites::body_max`] how long a body it takes, if any. The machine answers with [`Command::Answer`], at once or
//! after a job; exactly once per request, within a minute. It sees neither sockets nor framing.

use crate::base::{ConnId, Span, Time};
use crate::index::Index;
use crate::machine::{Command, Completion, Outbox};
use crate::wire::http::{Head, Method, Reply, Request};

/// Who answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Owner {
    /// The hallway itself.
    House,
    Index,
    /// Says what it was told, for tests of the front.
    #[cfg(test)]
    Echo,
    /// The same, but not at once.
    #[cfg(test)]
    Later,
}

/// The machines of a server that answer requests.
#[derive(Debug, Default)]
pub struct Sites {
    started: Time,
    /// Connections and requests, as last told by the front.
    pub traffic: (usize, u64),
    pub index: Index,
}

impl Sites {
    fn owner(path: &str) -> Option<Owner> {
        match path {
            "/health" | "/stats" => Some(Owner::House),
            #[cfg(test)]
            "/echo" => Some(Owner::Echo),
            #[cfg(test)]
            "/later" => Some(Owner::Later),
            path if Index::owns(path) => Some(Owner::Index),
            _ => None,
        }
    }

    /// The longest body that may come with this request; None where none is wanted.
    pub fn body_max(&self, head: &Head<'_>) -> Option<usize> {
        match Sites::owner(head.path)? {
            Owner::House => None,
            Owner::Index => self.index.body_max(head),
            #[cfg(test)]
            Owner::Echo | Owner::Later => Some(200_000),
        }
    }

    /// Hands a request to whom it is for.
    pub fn ask(&mut self, conn: ConnId, request: &Request<'_>, now: Time, out: &mut Outbox) {
        let reply = match Sites::owner(request.head.path) {
            Some(Owner::House) => self.house(request, now),
            Some(Owner::Index) => return self.index.ask(conn, request, &(), now, out),
            #[cfg(test)]
            Some(Owner::Echo) => Reply::new(200, "", request.body.to_vec()),
            #[cfg(test)]
            Some(Owner::Later) => return,
            None => Reply::text(404, "There is nothing here."),
        };
        out.push(Command::Answer { conn, reply });
    }

    /// A job ended that a machine had started; who it was for is answered.
    pub fn completed(&mut self, completion: Completion, out: &mut Outbox) {
        self.index.completed(completion, out);
    }

    fn house(&self, request: &Request<'_>, now: Time) -> Reply {
        if !matches!(request.head.method, Method::Get | Method::Head) {
            return Reply::text(405, "Only GET works here.").with("Allow", "GET, HEAD");
        }
        match request.head.path {
            "/health" => Reply::text(200, "ok"),
            _ => Reply::json(200, self.stats(now)),
        }
    }

    fn stats(&self, now: Time) -> String {
        let uptime_s = now.since(self.started).0 / Span::secs(1).0;
        let (connections, requests) = self.traffic;
        format!("{{\"uptime_s\":{uptime_s},\"connections\":{connections},\"requests\":{requests}}}\n")
    }
}
