//! Local service discovery (BEP 14): tells the local network which torrents are here, and hears who else has them.
//!
//! At most one announcement a minute leaves, with as many torrents as are due; each torrent is due every five
//! minutes. The first waits a moment, for torrents that begin together.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use crate::base::address::{Reach, reach, unmapped};
use crate::base::{ConnId, InfoHash, Pool, Span, Time};
use crate::machine::{Command, Input, Machine, Note, Outbox, Source};
use crate::wire::lsd::{Announcement, HASHES_MAX};

/// Between two announcements of one torrent (BEP 14).
const EVERY: Span = Span::secs(300);
/// Between two announcements of any.
const SPACE: Span = Span::secs(60);
/// The first waits for others that begin with it.
const MOMENT: Span = Span::millis(50);
/// Announcements of others listened to in a second; a network with more has other troubles.
const HEARD_MAX: u32 = 50;

/// The local network's ear and mouth of one process.
#[derive(Debug, Default)]
pub struct Lsd {
    port: u16,
    /// Tells our own announcements from those of others.
    cookie: String,
    /// When each torrent is due.
    torrents: BTreeMap<InfoHash, Time>,
    /// Nothing leaves before this.
    next: Time,
    /// The second that is counted, and what was heard in it.
    heard: (Time, u32),
}

impl Lsd {
    /// `secret` tells this process from all others.
    pub fn new(secret: u64) -> Lsd {
        Lsd { cookie: format!("pl-{secret:016x}"), ..Lsd::default() }
    }

    /// A torrent begins, or is not to be named any more. Never a private one.
    fn turn(&mut self, info_hash: InfoHash, is_on: bool, now: Time) {
        if !is_on {
            self.torrents.remove(&info_hash);
        } else {
            self.torrents.entry(info_hash).or_insert(now + MOMENT);
        }
    }

    fn announce(&mut self, now: Time, out: &mut Outbox) {
        let due = self.torrents.iter_mut().filter(|(_, due)| **due <= now).take(HASHES_MAX);
        let mut info_hashes = Vec::new();
        for (info_hash, due) in due {
            *due = now + EVERY;
            info_hashes.push(*info_hash);
        }
        self.next = now + SPACE;
        let announcement = Announcement { port: self.port, info_hashes, cookie: Some(self.cookie.clone()) };
        let [v4, v6] = [true, false].map(|is_v4| announcement.to_bytes(is_v4));
        out.push(Command::Multicast { v4, v6 });
    }

    /// Somebody on the local network announces. What it says is believed of its own address alone.
    fn hear(&mut self, from: SocketAddr, bytes: &[u8], now: Time, out: &mut Outbox) {
        if now.since(self.heard.0) >= Span::secs(1) {
            self.heard = (now, 0);
        }
        self.heard.1 += 1;
        if self.heard.1 > HEARD_MAX || !is_near(from.ip()) {
            return;
        }
        let Some(Announcement { port, info_hashes, cookie }) = Announcement::from_bytes(bytes) else { return };
        if cookie.as_ref() == Some(&self.cookie) {
            return;
        }
        let mut peer = from;
        peer.set_port(port);
        for info_hash in info_hashes.into_iter().filter(|info_hash| self.torrents.contains_key(info_hash)) {
            let reach = reach(from.ip());
            out.tell(Note::Peers { info_hash, source: Source::Local, reach, peers: vec![peer] });
        }
    }

    fn due(&self) -> Option<Time> {
        let due = self.torrents.values().min().copied().filter(|_| self.port != 0)?;
        Some(due.max(self.next))
    }
}

/// Whether an address can be one of the local network: in IPv6, global ones are.
fn is_near(ip: IpAddr) -> bool {
    match reach(ip) {
        Reach::Private | Reach::Loopback => true,
        Reach::Global => unmapped(ip).is_ipv6(),
        Reach::Nowhere => false,
    }
}

impl Machine for Lsd {
    fn handle(&mut self, now: Time, input: Input<'_>, out: &mut Outbox) {
        match input {
            Input::Local { from, bytes } => self.hear(from, bytes, now, out),
            Input::Note(Note::Listening { port }) => self.port = port,
            Input::Note(Note::Meet { info_hash, is_on }) => self.turn(info_hash, is_on, now),
            Input::Deadline if self.due().is_some_and(|due| due <= now) => self.announce(now, out),
            _ => {}
        }
    }

    fn next_deadline(&self) -> Option<Time> {
        self.due()
    }

    fn appetite(&self, _: ConnId, _: &Pool) -> usize {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: InfoHash = InfoHash([7; 20]);

    fn hash(number: u32) -> InfoHash {
        let mut hash = [0; 20];
        hash[..4].copy_from_slice(&number.to_be_bytes());
        InfoHash(hash)
    }

    fn started(count: u32) -> (Lsd, Outbox) {
        let (mut lsd, mut out) = (Lsd::new(1), Outbox::new(1, 0, 0, 0));
        lsd.handle(Time(1), Input::Note(Note::Listening { port: 6881 }), &mut out);
        for number in 0..count {
            lsd.handle(Time(1), Input::Note(Note::Meet { info_hash: hash(number), is_on: true }), &mut out);
        }
        (lsd, out)
    }

    /// Lets time pass; when announcements left, and what they named.
    fn run(lsd: &mut Lsd, out: &mut Outbox, until: Time) -> Vec<(u64, Vec<InfoHash>)> {
        let mut left = Vec::new();
        while let Some(due) = lsd.next_deadline().filter(|due| *due <= until) {
            lsd.handle(due, Input::Deadline, out);
            for command in out.commands.drain(..) {
                let Command::Multicast { v4, v6 } = command else { panic!("{command:?}") };
                assert_eq!(Announcement::from_bytes(&v4), Announcement::from_bytes(&v6));
                left.push((due.0 / 1_000_000, Announcement::from_bytes(&v4).unwrap().info_hashes));
            }
        }
        left
    }

    #[test]
    fn torrents_are_named_every_five_minutes_and_nothing_twice_a_minute() {
        let (mut lsd, mut out) = started(1);
        let times: Vec<u64> =
            run(&mut lsd, &mut out, Time::ZERO + Span::secs(1000)).iter().map(|(at, _)| *at).collect();
        assert_eq!(times, [0, 300, 600, 900]);
        // Those that begin together are named together; later ones wait.
        let (mut lsd, mut out) = started(50);
        let left = run(&mut lsd, &mut out, Time::ZERO + Span::secs(299));
        assert_eq!(
            left.iter().map(|(at, hashes)| (*at, hashes.len())).collect::<Vec<_>>(),
            [(0, 20), (60, 20), (120, 10)]
        );
        let mut named: Vec<InfoHash> = left.into_iter().flat_map(|(_, hashes)| hashes).collect();
        named.dedup();
        assert_eq!(named.len(), 50);
        (0..50).for_each(|number| lsd.turn(hash(number), false, Time::ZERO));
        assert_eq!(lsd.next_deadline(), None);
    }

    #[test]
    fn only_others_of_this_network_and_of_our_torrents_are_heard() {
        let (mut lsd, mut out) = started(0);
        lsd.turn(OURS, true, Time(1));
        let mut heard = |from: &str, info_hash, cookie: Option<&str>, at: u64| {
            let cookie = cookie.map(str::to_string);
            let bytes = Announcement { port: 5, info_hashes: vec![info_hash], cookie }.to_bytes(true);
            let input = Input::Local { from: from.parse().unwrap(), bytes: &bytes };
            lsd.handle(Time(at), input, &mut out);
            let told = out.commands.drain(..).map(|command| match command {
                Command::Tell(Note::Peers { peers, .. }) => peers[0].to_string(),
                other => panic!("{other:?}"),
            });
            told.collect::<Vec<String>>()
        };
        assert_eq!(heard("192.168.1.9:6771", OURS, None, 1), ["192.168.1.9:5"]);
        assert_eq!(heard("[fe80::1%3]:6771", OURS, Some("x"), 1), ["[fe80::1%3]:5"]);
        assert_eq!(heard("[2001:db8::1]:6771", OURS, None, 1), ["[2001:db8::1]:5"]);
        assert!(heard("8.8.8.8:6771", OURS, None, 1).is_empty(), "it is not of this network");
        assert!(heard("192.168.1.9:6771", hash(1), None, 1).is_empty(), "not our torrent");
        assert!(heard("192.168.1.9:6771", OURS, Some("pl-0000000000000001"), 1).is_empty(), "ourselves");
        let count = (0..1000).filter(|_| !heard("10.0.0.1:1", OURS, None, 2_000_000).is_empty()).count();
        assert_eq!(count, HEARD_MAX as usize);
    }
}
