//! Name look-ups on threads of their own: a resolver that hangs must hold nothing else up. A look-up cannot be
//! broken off (the C library has no way to), so whoever waits for one waits with a time-out of its own.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::on_demand::{Bounds, More, OnDemand};

/// Turns a name into addresses. Tests put their own here.
pub type Lookup = Arc<dyn Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync>;

/// Addresses kept of one name.
const ADDRESSES_MAX: usize = 16;

/// The C library's resolver: /etc/hosts, DNS and whatever else the system is set up for.
pub fn system_lookup() -> Lookup {
    Arc::new(|host| Ok((host, 0).to_socket_addrs()?.map(|address| address.ip()).collect()))
}

type Answer = Box<dyn FnOnce(Result<Vec<IpAddr>, String>) + Send>;

/// Somebody waits for a name. Answers even when dropped.
struct Question {
    host: String,
    answer: Option<Answer>,
}

impl Question {
    fn answer(mut self, result: Result<Vec<IpAddr>, String>) {
        if let Some(answer) = self.answer.take() {
            answer(result);
        }
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        if let Some(answer) = self.answer.take() {
            answer(Err(format!("{}: too many look-ups are waiting", self.host)));
        }
    }
}

/// The threads that look names up.
pub struct Names {
    threads: OnDemand<Question>,
}

impl Names {
    /// Threads end after `idle` without work.
    pub fn new(lookup: Lookup, idle: Duration) -> Names {
        let bounds = Bounds { name: "name", threads_max: 4, jobs_max: 512, idle, stack_len: 256 * 1024 };
        let run = move |question: Question, more: More<'_, Question>| {
            let result = look_up(&lookup, &question.host);
            while let Some(other) = more() {
                other.answer(result.clone());
            }
            question.answer(result);
        };
        Names { threads: OnDemand::new(bounds, run) }
    }

    /// Calls `answer` exactly once, with at least one address or an error for people: at once if the host is an
    /// address or nothing more can wait, otherwise from another thread.
    pub fn ask(&self, host: &str, port: u16, answer: impl FnOnce(Result<Vec<SocketAddr>, String>) + Send + 'static) {
        if let Ok(ip) = host.parse() {
            return answer(Ok(vec![SocketAddr::new(ip, port)]));
        }
        self.ask_elsewhere(host, port, answer);
    }

    /// [`Names::ask`], where the answer takes time: never from this thread, but where nothing more can wait.
    pub fn ask_elsewhere(
        &self,
        host: &str,
        port: u16,
        answer: impl FnOnce(Result<Vec<SocketAddr>, String>) + Send + 'static,
    ) {
        let answer: Answer = Box::new(move |result: Result<Vec<IpAddr>, String>| {
            answer(result.map(|ips| ips.into_iter().map(|ip| SocketAddr::new(ip, port)).collect()));
        });
        let question = Question { host: host.to_string(), answer: Some(answer) };
        // A refused question answers itself when it is dropped.
        drop(self.threads.submit(host.to_ascii_lowercase(), question));
    }

    /// [`Names::ask`], waiting until `deadline`.
    pub fn wait(&self, host: &str, port: u16, deadline: Instant) -> Result<Vec<SocketAddr>, String> {
        let (sender, receiver) = crossbeam_channel::bounded(1);
        self.ask(host, port, move |result| {
            // Nobody waits any longer: fine.
            let _ = sender.send(result);
        });
        receiver.recv_deadline(deadline).unwrap_or_else(|_| Err(format!("{host}: the name was not found in time")))
    }

    /// Threads alive now.
    pub fn thread_count(&self) -> usize {
        self.threads.thread_count()
    }
}

fn look_up(lookup: &Lookup, host: &str) -> Result<Vec<IpAddr>, String> {
    if let Ok(ip) = host.parse() {
        return Ok(vec![ip]);
    }
    let mut found = lookup(host).map_err(|error| format!("{host}: {error}"))?;
    let mut seen = Vec::new();
    found.retain(|ip| !seen.contains(ip) && (seen.push(*ip), seen.len() <= ADDRESSES_MAX).1);
    if found.is_empty() { Err(format!("{host}: the name has no address")) } else { Ok(found) }
}
