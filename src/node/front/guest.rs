//! One connection of a server: its phase, the bytes that are not a request yet, and the reply that is not out yet.

use std::borrow::Cow;
use std::net::SocketAddr;

use super::{
    ANSWER_TIMEOUT, BODY_RATE, BODY_TIMEOUT, BUFFERS_LEN, FrontOptions, HEAD_TIMEOUT, IDLE_TIMEOUT, LEAVE_TIMEOUT,
    SEND_TIMEOUT, Totals, UPLOADS_MAX,
};
use crate::base::address::{Reach, reach};
use crate::base::{ConnId, Span, Time};
use crate::machine::{Command, Outbox};
use crate::node::sites::Sites;
use crate::wire::http::{self, Chunked, Framing, HEAD_LEN, Head, Method, Refused, Reply, Request};
use crate::wire::sniff::{Spoken, sniff};

/// Replies up to this length leave in one piece; longer ones in slices, each when the one before has left.
const SLICE_LEN: usize = 64 * 1024;
/// A body of so many bytes is small: it comes within the time that its head has.
const SMALL_BODY_LEN: u64 = 4096;
/// Bytes handed over without asking when they have left.
const UNSENT_MAX: usize = 32 * 1024;

/// What is waited for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// The bytes that tell what it speaks.
    Sniffing,
    /// The rest of a head.
    Head,
    /// The next request.
    Idle,
    /// The rest of a body.
    Body,
    /// A machine's answer.
    Asked(Manner),
    /// The other side must read what was handed over.
    Sending(Manner),
    /// The other side's end: nothing of it counts any more.
    Leaving,
    /// Nothing: it was closed.
    Gone,
}

/// How a request wants to be answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Manner {
    keep_alive: bool,
    /// HEAD: no body.
    head_only: bool,
    /// A body was announced that is not read.
    leaves_body: bool,
}

/// A body on its way.
#[derive(Debug)]
struct Upload {
    head: Vec<u8>,
    body: Vec<u8>,
    len_max: usize,
    framing: Under,
}

#[derive(Debug)]
enum Under {
    Length(usize),
    Chunked(Chunked),
}

/// A connection.
#[derive(Debug)]
pub struct Guest {
    pub remote: SocketAddr,
    pub phase: Phase,
    since: Time,
    /// What came behind the last request.
    buffer: Vec<u8>,
    /// Bytes of the buffer in which no end of a head was found.
    searched: usize,
    upload: Option<Box<Upload>>,
    /// The reply that leaves in slices, and how much of it has.
    rest: Option<Box<(http::Body, usize)>>,
    /// Bytes of the reply under way, where it is a long one of its own.
    pub reply_len: usize,
    /// Bytes handed over since it was last known that all have left.
    unsent: usize,
    is_paused: bool,
}

impl Guest {
    pub fn new(remote: SocketAddr, http_only: bool, now: Time) -> Guest {
        Guest {
            remote,
            phase: if http_only { Phase::Head } else { Phase::Sniffing },
            since: now,
            buffer: Vec::new(),
            searched: 0,
            upload: None,
            rest: None,
            reply_len: 0,
            unsent: 0,
            is_paused: false,
        }
    }

    pub fn buffered(&self) -> usize {
        self.buffer.len()
    }

    pub fn is_uploading(&self) -> bool {
        self.upload.is_some()
    }

    pub fn is_late(&self, now: Time) -> bool {
        let patience = match self.phase {
            Phase::Sniffing | Phase::Head => HEAD_TIMEOUT,
            Phase::Idle => IDLE_TIMEOUT,
            Phase::Body => {
                let got = self.upload.as_ref().map_or(0, |upload| upload.body.len());
                Span(BODY_TIMEOUT.0 + Span::secs((got / BODY_RATE) as u64).0)
            }
            Phase::Asked(_) => ANSWER_TIMEOUT,
            Phase::Sending(_) => SEND_TIMEOUT,
            Phase::Leaving | Phase::Gone => LEAVE_TIMEOUT,
        };
        now.since(self.since) >= patience
    }
}

/// A guest and everything it can reach, for the length of one input.
pub struct Talk<'a> {
    pub conn: ConnId,
    pub guest: &'a mut Guest,
    pub totals: &'a mut Totals,
    pub options: &'a FrontOptions,
    pub now: Time,
    pub sites: &'a mut Sites,
    pub out: &'a mut Outbox,
}

impl Talk<'_> {
    /// Takes bytes. What comes back are the first bytes of one that speaks something else than HTTP, and what.
    pub fn received(&mut self, bytes: &[u8]) -> Option<(Spoken, Vec<u8>)> {
        let mut gathered = std::mem::take(&mut self.guest.buffer);
        self.totals.buffered -= gathered.len();
        let mut left = bytes;
        if !gathered.is_empty() {
            gathered.extend_from_slice(bytes);
            left = &gathered;
        }
        while self.step(&mut left) {}
        if self.guest.phase == Phase::Sniffing {
            let spoken = sniff(left);
            if matches!(spoken, Spoken::BitTorrent | Spoken::Group) {
                return Some((spoken, left.to_vec()));
            }
        }
        if self.totals.buffered + left.len() > BUFFERS_LEN {
            left = &[];
            self.refuse(Refused { status: 503, why: "Too many requests are under way." });
        }
        self.totals.buffered += left.len();
        self.guest.buffer = if left.len() == gathered.len() { gathered } else { left.to_vec() };
        self.pause_or_resume();
        None
    }

    /// Takes what it can from the front of `left`; true when it may go on.
    fn step(&mut self, left: &mut &[u8]) -> bool {
        match self.guest.phase {
            Phase::Sniffing => self.sniffed(left),
            Phase::Idle => {
                // RFC 9112, 2.2: empty lines between requests mean nothing.
                let blank = left.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
                *left = &left[blank..];
                if !left.is_empty() {
                    self.enter(Phase::Head);
                }
                !left.is_empty()
            }
            Phase::Head => self.head(left),
            Phase::Body => self.body(left),
            Phase::Asked(_) | Phase::Sending(_) => false,
            Phase::Leaving | Phase::Gone => {
                *left = &[];
                false
            }
        }
    }

    fn enter(&mut self, phase: Phase) {
        self.guest.phase = phase;
        self.guest.since = self.now;
        self.guest.searched = 0;
    }

    fn sniffed(&mut self, left: &mut &[u8]) -> bool {
        match sniff(left) {
            Spoken::Http => self.guest.phase = Phase::Head,
            Spoken::Group | Spoken::BitTorrent | Spoken::More => {}
        }
        self.guest.phase == Phase::Head
    }

    fn head(&mut self, left: &mut &[u8]) -> bool {
        let len = match http::head_len(left, self.guest.searched) {
            Some(len) if len <= HEAD_LEN => len,
            None if left.len() <= HEAD_LEN => {
                self.guest.searched = left.len();
                return false;
            }
            _ => return self.refuse(Refused { status: 431, why: "The request's head is too long." }),
        };
        let (bytes, rest) = left.split_at(len);
        let mut room = http::room();
        match Head::parse(bytes, &mut room) {
            Ok(head) if self.waits_for_small_body(&head, rest) => false,
            Ok(head) => {
                *left = rest;
                self.begin(bytes, &head, left)
            }
            Err(refused) => self.refuse(refused),
        }
    }

    /// A small body on its way waits with its head: it needs no place among those that are under way for long.
    fn waits_for_small_body(&self, head: &Head<'_>, rest: &[u8]) -> bool {
        let Framing::Length(len) = head.framing else { return false };
        let is_coming = len <= SMALL_BODY_LEN && (rest.len() as u64) < len && !head.expects_continue;
        is_coming && self.sites.body_max(head, self.remote(head), self.now).is_some_and(|max| len <= max as u64)
    }

    /// A head is complete: asks at once where the body is here too, else waits for it.
    fn begin(&mut self, bytes: &[u8], head: &Head<'_>, left: &mut &[u8]) -> bool {
        let under = match head.framing {
            Framing::Length(0) => return self.ask(head, &[], head.keep_alive),
            Framing::Length(len) => Under::Length(usize::try_from(len).unwrap_or(usize::MAX)),
            Framing::Chunked => Under::Chunked(Chunked::default()),
        };
        let Some(len_max) = self.sites.body_max(head, self.remote(head), self.now) else {
            // Nobody wants a body there: who owns the path says so, and the body is not read.
            return self.ask(head, &[], false);
        };
        if let Under::Length(len) = under {
            if len > len_max {
                return self.refuse(Refused { status: 413, why: "The body is too large." });
            }
            if let Some((body, rest)) = left.split_at_checked(len) {
                *left = rest;
                return self.ask(head, body, head.keep_alive);
            }
        }
        if self.totals.uploads >= UPLOADS_MAX {
            return self.refuse(Refused { status: 503, why: "Others are sending; try again soon." });
        }
        self.totals.uploads += 1;
        let body = Vec::new();
        self.guest.upload = Some(Box::new(Upload { head: bytes.to_vec(), body, len_max, framing: under }));
        if head.expects_continue && left.is_empty() {
            self.out.send(self.conn, b"HTTP/1.1 100 Continue\r\n\r\n".to_vec());
        }
        self.enter(Phase::Body);
        true
    }

    fn body(&mut self, left: &mut &[u8]) -> bool {
        let Some(upload) = &mut self.guest.upload else { return false };
        let Upload { body, len_max, framing, .. } = &mut **upload;
        let fed = match framing {
            Under::Length(len) => {
                let (now, rest) = left.split_at((*len - body.len()).min(left.len()));
                body.extend_from_slice(now);
                *left = rest;
                Ok(body.len() == *len)
            }
            Under::Chunked(chunked) => chunked.feed(left, body, *len_max),
        };
        match fed {
            Ok(false) => false,
            Ok(true) => {
                let Some(upload) = self.end_upload() else { return false };
                let mut room = http::room();
                match Head::parse(&upload.head, &mut room) {
                    Ok(head) => self.ask(&head, &upload.body, head.keep_alive),
                    Err(refused) => self.refuse(refused),
                }
            }
            Err(refused) => self.refuse(refused),
        }
    }

    fn end_upload(&mut self) -> Option<Box<Upload>> {
        let upload = self.guest.upload.take();
        self.totals.uploads -= usize::from(upload.is_some());
        upload
    }

    /// Hands a request to the machine that owns its path; goes on at once where it answers at once.
    fn ask(&mut self, head: &Head<'_>, body: &[u8], keep_alive: bool) -> bool {
        self.totals.requests += 1;
        let leaves_body = !keep_alive && body.is_empty() && head.framing != Framing::Length(0);
        self.enter(Phase::Asked(Manner { keep_alive, head_only: head.method == Method::Head, leaves_body }));
        let request = Request { head: *head, body, remote: self.remote(head) };
        let before = self.out.commands.len();
        self.sites.ask(self.conn, &request, self.now, self.out);
        let is_answer = |command: &Command| matches!(command, Command::Answer { conn, .. } if *conn == self.conn);
        if let Some(at) = self.out.commands[before..].iter().rposition(is_answer)
            && let Command::Answer { reply, .. } = self.out.commands.remove(before + at)
        {
            self.reply(reply);
        }
        !matches!(self.guest.phase, Phase::Asked(_) | Phase::Gone)
    }

    /// Who asks. A proxy is believed only where it is on this machine or network.
    fn remote(&self, head: &Head<'_>) -> SocketAddr {
        let remote = self.guest.remote;
        let name = self.options.real_ip_header.as_str();
        if name.is_empty() || reach(remote.ip()) > Reach::Private {
            return remote;
        }
        // The last one was added by the proxy next to us; those before it anybody can make up.
        let last = head.all(name).last().and_then(|value| value.rsplit(',').next()).map(str::trim);
        let ip = last.and_then(|text| text.trim_start_matches('[').trim_end_matches(']').parse().ok());
        ip.map_or(remote, |ip| SocketAddr::new(ip, remote.port()))
    }

    /// The connection ends with this; what the other side still sends is not looked at.
    fn refuse(&mut self, refused: Refused) -> bool {
        self.end_upload();
        let reply = Reply::text(refused.status, refused.why);
        let reply = if refused.status == 503 { reply.with("Retry-After", "10") } else { reply };
        let mut bytes = Vec::with_capacity(256);
        reply.write_head(false, &mut bytes);
        bytes.extend_from_slice(&reply.body);
        self.out.send(self.conn, bytes);
        self.enter(Phase::Leaving);
        true
    }

    /// An answer that came later; what was pipelined behind its request goes on.
    pub fn answer(&mut self, reply: Reply) {
        self.reply(reply);
        self.received(&[]);
    }

    fn reply(&mut self, mut reply: Reply) {
        let Phase::Asked(manner) = self.guest.phase else { return };
        if let Cow::Owned(body) = &reply.body
            && body.len() > UNSENT_MAX
            && !manner.head_only
        {
            if self.totals.replies + body.len() > self.options.replies_len() {
                reply = Reply::text(503, "Too many are being answered; try again soon.").with("Retry-After", "2");
            } else {
                self.totals.replies += body.len();
                self.guest.reply_len = body.len();
            }
        }
        let manner = Manner { keep_alive: manner.keep_alive && !reply.is_last, ..manner };
        let body = if manner.head_only { &[][..] } else { &reply.body };
        let mut bytes = Vec::with_capacity(192 + body.len().min(SLICE_LEN));
        reply.write_head(manner.keep_alive, &mut bytes);
        let first = body.len().min(SLICE_LEN);
        bytes.extend_from_slice(&body[..first]);
        if first < body.len() {
            self.guest.rest = Some(Box::new((reply.body, first)));
        }
        self.guest.unsent += bytes.len();
        if self.guest.unsent > UNSENT_MAX || self.guest.rest.is_some() {
            self.out.push(Command::SendTold { conn: self.conn, bytes });
            self.enter(Phase::Sending(manner));
        } else {
            self.out.send(self.conn, bytes);
            self.end(manner);
        }
    }

    /// A reply is out: the next request, or the end.
    fn end(&mut self, manner: Manner) {
        if manner.keep_alive {
            self.enter(Phase::Idle);
        } else if manner.leaves_body {
            self.enter(Phase::Leaving);
        } else {
            self.out.close(self.conn);
            self.enter(Phase::Gone);
        }
    }

    /// All that was handed over has left.
    pub fn sent(&mut self) {
        let Phase::Sending(manner) = self.guest.phase else { return };
        self.guest.unsent = 0;
        if let Some(mut rest) = self.guest.rest.take() {
            let (body, at) = &mut *rest;
            let end = body.len().min(*at + SLICE_LEN);
            let bytes = body[*at..end].to_vec();
            *at = end;
            self.guest.unsent = bytes.len();
            self.out.push(Command::SendTold { conn: self.conn, bytes });
            if end < body.len() {
                self.guest.rest = Some(rest);
            }
            return self.enter(Phase::Sending(manner));
        }
        self.totals.replies -= std::mem::take(&mut self.guest.reply_len);
        self.end(manner);
        self.received(&[]);
    }

    /// While a request is under way, no more is read behind it than fits the longest head.
    fn pause_or_resume(&mut self) {
        let is_busy = matches!(self.guest.phase, Phase::Asked(_) | Phase::Sending(_));
        let wants = is_busy && self.guest.buffer.len() >= HEAD_LEN;
        if wants != self.guest.is_paused && self.guest.phase != Phase::Gone {
            self.guest.is_paused = wants;
            self.out.push(Command::Read { conn: self.conn, on: !wants });
        }
    }
}
