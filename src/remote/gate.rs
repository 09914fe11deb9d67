//! Who is let in by the remote control, and where to: the checks of a request before anything of it is read, in
//! Transmission's order, so that its clients find what they expect.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use crate::base::address::unmapped;
use crate::base::{Span, Time};
use crate::wire::authorization::Authorization;
use crate::wire::http::{Head, Method, Reply};

/// Wrong passwords of one address in a row, after which it is locked out for [`LOCK`].
const WRONG_MAX: u32 = 10;
const LOCK: Span = Span::secs(600);
/// Addresses whose wrong passwords are remembered; the one that was heard of longest ago is forgotten first.
const WATCHED_MAX: usize = 1000;

/// The path of the remote control, and of its page.
const RPC: &str = "/transmission/rpc";
const WEB: &str = "/transmission/web/";

/// Where a request that was let in goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way<'a> {
    /// A call; its body says which.
    Rpc,
    /// A file of the page: what stands behind the page's folder.
    Page(&'a str),
}

/// Wrong passwords of an address.
#[derive(Clone, Copy, Debug)]
struct Wrong {
    count: u32,
    last: Time,
}

/// The gate.
#[derive(Debug)]
pub struct Gate {
    pub user: String,
    /// None: everybody who reaches the port is let in.
    pub password: Option<String>,
    /// Names of this machine besides its addresses and `localhost`, in lower case; `*.lan` stands for all that end so.
    pub hosts: Vec<String>,
    /// What a page of another site cannot know.
    session_id: String,
    wrong: BTreeMap<IpAddr, Wrong>,
}

impl Gate {
    pub fn new(user: String, password: Option<String>, hosts: &[String], session_id: String) -> Gate {
        let hosts = hosts.iter().map(|host| host.to_ascii_lowercase()).collect();
        Gate { user, password, hosts, session_id, wrong: BTreeMap::new() }
    }

    /// Whether the body of this request will be read: only what would be let in may send one.
    pub fn admits_body(&self, head: &Head<'_>, from: SocketAddr, now: Time) -> bool {
        self.look(head, from, now) == Ok(Way::Rpc)
    }

    /// Lets a request in, or says no.
    ///
    /// # Errors
    /// The answer.
    pub fn enter<'a>(&mut self, head: &Head<'a>, from: SocketAddr, now: Time) -> Result<Way<'a>, Reply> {
        let looked = self.look(head, from, now);
        self.count(head, from, now);
        looked.map_err(|no| self.reply(no))
    }

    fn look<'a>(&self, head: &Head<'a>, from: SocketAddr, now: Time) -> Result<Way<'a>, No> {
        if self.is_locked(from, now) {
            return Err(No::LockedOut);
        }
        if head.method == Method::Options {
            return Err(No::Options);
        }
        if !self.is_known(head) {
            return Err(No::Password);
        }
        if !head.path.starts_with("/transmission/") || head.path == WEB.trim_end_matches('/') {
            return Err(No::Elsewhere);
        }
        if let Some(name) = head.path.strip_prefix(WEB) {
            let is_read = matches!(head.method, Method::Get | Method::Head);
            return if is_read { Ok(Way::Page(name)) } else { Err(No::Method("GET, HEAD")) };
        }
        let host = head.field("host").unwrap_or_default();
        if !self.is_our_name(host) {
            return Err(No::Host);
        }
        if !matches!(head.path.strip_prefix(RPC), Some("" | "/")) {
            return Err(No::Path);
        }
        if !is_same_origin(head.field("origin"), host) {
            return Err(No::Origin);
        }
        if !is_same(head.field("x-transmission-session-id").unwrap_or_default(), &self.session_id) {
            return Err(No::Session);
        }
        if head.method == Method::Post { Ok(Way::Rpc) } else { Err(No::Method("POST")) }
    }

    /// Whether the user and the password are right, or none are wanted.
    fn is_known(&self, head: &Head<'_>) -> bool {
        let Some(wanted) = &self.password else { return true };
        match head.field("authorization").and_then(Authorization::parse) {
            Some(Authorization::Basic { name, password }) => {
                // Both are looked at in any case: how long it takes says nothing.
                let (is_user, is_password) = (is_same(&name, &self.user), is_same(&password, wanted));
                is_user & is_password
            }
            _ => false,
        }
    }

    /// A host that can only mean this machine: an address, `localhost`, or a name that somebody said. A stranger's
    /// name that leads here is how pages elsewhere get past browsers (DNS rebinding); a password stops that too.
    fn is_our_name(&self, host: &str) -> bool {
        if self.password.is_some() {
            return true;
        }
        let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((v6, _)) => v6,
            None => host.rsplit_once(':').map_or(host, |(name, _)| name),
        };
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        let is_listed = |known: &String| match known.strip_prefix('*') {
            Some(end) => name.ends_with(end) && name.len() > end.len(),
            None => *known == name,
        };
        name == "localhost" || name.parse::<IpAddr>().is_ok() || self.hosts.iter().any(is_listed)
    }

    fn is_locked(&self, from: SocketAddr, now: Time) -> bool {
        let wrong = self.wrong.get(&network(from));
        wrong.is_some_and(|wrong| wrong.count >= WRONG_MAX && now.since(wrong.last) < LOCK)
    }

    /// Takes note of a password, right or wrong.
    fn count(&mut self, head: &Head<'_>, from: SocketAddr, now: Time) {
        let gave_one = head.field("authorization").is_some();
        if self.password.is_none() || !gave_one || head.method == Method::Options || self.is_locked(from, now) {
            return;
        }
        let network = network(from);
        if self.is_known(head) {
            self.wrong.remove(&network);
            return;
        }
        if self.wrong.len() >= WATCHED_MAX && !self.wrong.contains_key(&network) {
            let oldest = self.wrong.iter().min_by_key(|(_, wrong)| wrong.last).map(|(network, _)| *network);
            oldest.map(|oldest| self.wrong.remove(&oldest));
        }
        let wrong = self.wrong.entry(network).or_insert(Wrong { count: 0, last: now });
        if now.since(wrong.last) >= LOCK {
            wrong.count = 0;
        }
        (wrong.count, wrong.last) = (wrong.count + 1, now);
        if wrong.count == WRONG_MAX {
            log::warn!("remote control: {} is locked out for {LOCK} after {WRONG_MAX} wrong passwords", from.ip());
        }
    }

    fn reply(&self, no: No) -> Reply {
        let reply = match no {
            No::LockedOut => Reply::text(403, "Too many wrong passwords; try again in ten minutes."),
            No::Options => Reply::new(200, "", Vec::new()).with("Allow", "GET, POST, OPTIONS"),
            No::Password => Reply::text(401, "A user name and a password are wanted here.")
                .with("WWW-Authenticate", "Basic realm=\"Transmission\", charset=\"UTF-8\""),
            No::Elsewhere => Reply::text(301, "The page is at /transmission/web/.").with("Location", WEB),
            No::Host => Reply::text(421, "This name is not known here; use the address, or name it with --rpc-host."),
            No::Path => Reply::text(404, "There is nothing here."),
            No::Origin => Reply::text(403, "A page of another site may not use this."),
            No::Session => Reply::text(409, "The header X-Transmission-Session-Id is missing or wrong.")
                .with("X-Transmission-Session-Id", self.session_id.as_str()),
            No::Method(allowed) => Reply::text(405, "This method does not work here.").with("Allow", allowed),
        };
        armoured(reply)
    }
}

/// Why not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum No {
    LockedOut,
    Options,
    Password,
    Elsewhere,
    Host,
    Path,
    Origin,
    Session,
    Method(&'static str),
}

/// With the fields that keep browsers from doing what nobody asked them to.
pub fn armoured(reply: Reply) -> Reply {
    reply
        .with("Server", "Transmission")
        .with("X-Content-Type-Options", "nosniff")
        .with("X-Frame-Options", "DENY")
        .with("Referrer-Policy", "no-referrer")
        .with("Cache-Control", "no-store")
}

/// No origin is no browser; a browser's page must be ours. Extensions are programs that somebody installed.
fn is_same_origin(origin: Option<&str>, host: &str) -> bool {
    let Some(origin) = origin else { return true };
    match origin.split_once("://") {
        Some(("http" | "https", theirs)) => theirs.eq_ignore_ascii_case(host),
        Some((scheme, _)) => scheme.ends_with("-extension"),
        None => false,
    }
}

/// Whether two texts are the same, in a time that depends on their lengths alone.
fn is_same(a: &str, b: &str) -> bool {
    let differing = a.bytes().zip(b.bytes()).fold(0, |differing, (a, b)| differing | (a ^ b));
    a.len() == b.len() && differing == 0
}

/// One subscriber: an address of IPv4, a /64 of IPv6.
fn network(from: SocketAddr) -> IpAddr {
    match unmapped(from.ip()) {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from(u128::from(v6) >> 64 << 64)),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::http;

    const FROM: &str = "192.0.2.1:5";

    fn gate(password: Option<&str>) -> Gate {
        Gate::new("u".into(), password.map(str::to_string), &["box.lan".into(), "*.home".into()], "SID".into())
    }

    fn status(gate: &mut Gate, request: &str, now: Time) -> u16 {
        let text = format!("{}\r\n\r\n", request.replace('\n', "\r\n"));
        let mut room = http::room();
        let head = Head::parse(text.as_bytes(), &mut room).unwrap();
        gate.enter(&head, FROM.parse().unwrap(), now).map_or_else(|reply| reply.status, |_| 200)
    }

    #[test]
    fn the_order_of_the_checks() {
        let sid = "X-Transmission-Session-Id: SID";
        for (request, expected) in [
            ("GET /transmission/rpc HTTP/1.1\nHost: localhost:9091", 409),
            ("POST /transmission/rpc HTTP/1.1\nHost: localhost:9091", 409),
            ("POST /transmission/rpc HTTP/1.1\nHost: a\nX-Transmission-Session-Id: SID", 421),
            ("POST /transmission/rpc/ HTTP/1.1\nHost: BOX.lan:1\nX-Transmission-Session-Id: SID", 200),
            ("POST /transmission/rpc HTTP/1.1\nHost: x.home\nX-Transmission-Session-Id: SID", 200),
            ("POST /transmission/rpc HTTP/1.1\nHost: .home\nX-Transmission-Session-Id: SID", 421),
            ("POST /transmission/rpc HTTP/1.1\nHost: [::1]:9091\nX-Transmission-Session-Id: SIDx", 409),
            ("GET /transmission/rpc HTTP/1.1\nHost: 10.1.2.3\nX-Transmission-Session-Id: SID", 405),
            ("GET /transmission/other HTTP/1.1\nHost: localhost", 404),
            ("GET /transmission/other HTTP/1.1\nHost: evil.example", 421),
            ("GET / HTTP/1.1\nHost: evil.example", 301),
            ("GET /transmission/web HTTP/1.1\nHost: a", 301),
            ("GET /transmission/web/ HTTP/1.1\nHost: a", 200),
            ("POST /transmission/web/ HTTP/1.1\nHost: a", 405),
            ("OPTIONS /transmission/rpc HTTP/1.1\nHost: a", 200),
        ] {
            assert_eq!(status(&mut gate(None), request, Time::ZERO), expected, "{request}");
        }
        let post = format!("POST /transmission/rpc HTTP/1.1\nHost: localhost:9091\n{sid}\nOrigin: ");
        for (origin, expected) in [
            ("http://localhost:9091", 200),
            ("http://localhost", 403),
            ("https://evil.example", 403),
            ("null", 403),
            ("moz-extension://1234", 200),
        ] {
            assert_eq!(status(&mut gate(None), &format!("{post}{origin}"), Time::ZERO), expected, "{origin}");
        }
    }

    #[test]
    fn passwords_are_checked_first_and_guessing_is_locked_out() {
        let mut gate = gate(Some("p"));
        let with = |who: &str| {
            let coded = crate::wire::authorization::base64(who.as_bytes());
            format!("GET /transmission/rpc HTTP/1.1\nHost: any\nAuthorization: Basic {coded}")
        };
        assert_eq!(status(&mut gate, "GET / HTTP/1.1\nHost: any", Time::ZERO), 401);
        for _ in 0..9 {
            assert_eq!(status(&mut gate, &with("u:x"), Time::ZERO), 401);
        }
        assert_eq!(status(&mut gate, &with("u:p"), Time::ZERO), 409, "a right one begins anew");
        for _ in 0..10 {
            assert_eq!(status(&mut gate, &with("x:p"), Time(1)), 401);
        }
        assert_eq!(status(&mut gate, &with("u:p"), Time(2)), 403);
        assert_eq!(status(&mut gate, &with("u:p"), Time(1) + LOCK), 409);
    }
}
