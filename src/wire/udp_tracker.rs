//! Announces and scrapes over UDP (BEP 15, BEP 41): datagrams to values and back, as a client and as a tracker sees them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::announce::{self, Event, Reply, Request, Scraped};
use crate::base::{InfoHash, PeerId, limits};

/// What a connect question carries in place of a connection id.
pub const PROTOCOL_ID: u64 = 0x417_2710_1980;
/// Bytes of a connect question, and of its answer.
pub const CONNECT_LEN: usize = 16;
/// Bytes of an announce without options, and of its answer without peers.
pub const ANNOUNCE_LEN: usize = 98;
pub const ANNOUNCED_LEN: usize = 20;
/// Torrents of one scrape.
pub const SCRAPE_MAX: usize = 74;
/// Longest path and query that an announce may carry, so that its datagram is not cut into fragments.
pub const TARGET_LEN: usize = 1000;

/// First byte of every connection id that our tracker gives. What else comes to a UDP socket never begins so: DHT
/// packets with `d`, uTP with a low half byte of 1, answers of trackers with 0.
pub const ID_MARK: u8 = 0xc3;

/// Whether a datagram is a question to our tracker: a connect, or anything with an id that may be ours.
pub fn is_question(bytes: &[u8]) -> bool {
    bytes.first() == Some(&ID_MARK) || bytes.starts_with(&PROTOCOL_ID.to_be_bytes())
}

pub const CONNECT: u32 = 0;
pub const ANNOUNCE: u32 = 1;
pub const SCRAPE: u32 = 2;
pub const ERROR: u32 = 3;

/// Options of an announce (BEP 41).
const END: u8 = 0;
const NOTHING: u8 = 1;
const URL_DATA: u8 = 2;

/// Why a datagram is not understood.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Error {
    /// It ends before what it must hold.
    Short,
    /// An action that is none, or no answer to anything.
    Action,
    /// An event that is none, or a connect without the protocol's number.
    Value,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Error::Short => "the datagram is too short",
            Error::Action => "the datagram's action is unknown",
            Error::Value => "the datagram has an impossible value",
        })
    }
}

impl std::error::Error for Error {}

/// Takes from the front of a datagram.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let (taken, rest) = self.0.split_first_chunk::<N>().ok_or(Error::Short)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn bytes(&mut self, len: usize) -> Result<&'a [u8], Error> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(Error::Short)?;
        self.0 = rest;
        Ok(taken)
    }

    fn u16(&mut self) -> Result<u16, Error> {
        self.take().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Result<u32, Error> {
        self.take().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Result<u64, Error> {
        self.take().map(u64::from_be_bytes)
    }
}

// ---- questions -------------------------------------------------------------------------------------------------

/// Asks for a connection id.
pub fn connect(transaction: u32) -> Vec<u8> {
    question(PROTOCOL_ID, CONNECT, transaction)
}

/// An announce. `target` is path and query of the tracker's URL, at most [`TARGET_LEN`] bytes; the root says nothing
/// and is left out. The IP address stays 0: the tracker takes the one it sees.
pub fn announce(connection: u64, transaction: u32, request: &Request<'_>, target: &str) -> Vec<u8> {
    let mut bytes = question(connection, ANNOUNCE, transaction);
    bytes.extend_from_slice(&request.info_hash.0);
    bytes.extend_from_slice(&request.peer_id.0);
    for count in [request.downloaded, request.left, request.uploaded] {
        bytes.extend_from_slice(&count.to_be_bytes());
    }
    let event: u32 = match request.event {
        Event::None => 0,
        Event::Completed => 1,
        Event::Started => 2,
        Event::Stopped => 3,
    };
    for number in [event, 0, request.key, request.numwant] {
        bytes.extend_from_slice(&number.to_be_bytes());
    }
    bytes.extend_from_slice(&request.port.to_be_bytes());
    if target != "/" {
        for part in target.as_bytes().chunks(255) {
            bytes.extend_from_slice(&[URL_DATA, part.len() as u8]);
            bytes.extend_from_slice(part);
        }
    }
    bytes
}

/// Asks for the numbers of at most [`SCRAPE_MAX`] torrents.
pub fn scrape(connection: u64, transaction: u32, torrents: &[InfoHash]) -> Vec<u8> {
    let mut bytes = question(connection, SCRAPE, transaction);
    torrents.iter().take(SCRAPE_MAX).for_each(|torrent| bytes.extend_from_slice(&torrent.0));
    bytes
}

fn question(connection: u64, action: u32, transaction: u32) -> Vec<u8> {
    let mut bytes = connection.to_be_bytes().to_vec();
    bytes.extend_from_slice(&action.to_be_bytes());
    bytes.extend_from_slice(&transaction.to_be_bytes());
    bytes
}

/// The transaction id of a question of ours.
pub fn transaction_asked(question: &[u8]) -> Option<u32> {
    question.get(12..16).and_then(|bytes| bytes.try_into().ok()).map(u32::from_be_bytes)
}

/// A question as a tracker reads it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Question {
    /// [`PROTOCOL_ID`] in a connect.
    pub connection: u64,
    pub transaction: u32,
    pub asked: Asked,
}

/// What is asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Asked {
    Connect,
    Announce(Announced),
    /// At most [`SCRAPE_MAX`] torrents.
    Scrape(Vec<InfoHash>),
}

/// An announce as a tracker reads it. Nothing in it is proven.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Announced {
    pub info_hash: InfoHash,
    pub peer_id: PeerId,
    pub downloaded: u64,
    pub left: u64,
    pub uploaded: u64,
    pub event: Event,
    /// Where the peer says it is; unspecified: where the datagram came from.
    pub ip: Ipv4Addr,
    pub key: u32,
    /// None: as many as the tracker thinks good.
    pub numwant: Option<u32>,
    pub port: u16,
    /// Path and query of the tracker's URL (BEP 41), raw; empty where not told.
    pub target: Vec<u8>,
}

impl Question {
    /// Reads a datagram that came to a tracker.
    ///
    /// # Errors
    /// It is not BEP 15. Nobody should be answered then.
    pub fn parse(bytes: &[u8]) -> Result<Question, Error> {
        let mut reader = Reader(bytes);
        let connection = reader.u64()?;
        let action = reader.u32()?;
        let transaction = reader.u32()?;
        let asked = match action {
            CONNECT if connection == PROTOCOL_ID => Asked::Connect,
            CONNECT => return Err(Error::Value),
            ANNOUNCE => Asked::Announce(announced(&mut reader)?),
            SCRAPE if reader.0.len() < 20 => return Err(Error::Short),
            SCRAPE => {
                let hashes = reader.0.as_chunks::<20>().0;
                Asked::Scrape(hashes.iter().take(SCRAPE_MAX).map(|hash| InfoHash(*hash)).collect())
            }
            _ => return Err(Error::Action),
        };
        Ok(Question { connection, transaction, asked })
    }
}

fn announced(reader: &mut Reader<'_>) -> Result<Announced, Error> {
    let announced = Announced {
        info_hash: InfoHash(reader.take()?),
        peer_id: PeerId(reader.take()?),
        downloaded: reader.u64()?,
        left: reader.u64()?,
        uploaded: reader.u64()?,
        event: match reader.u32()? {
            0 => Event::None,
            1 => Event::Completed,
            2 => Event::Started,
            3 => Event::Stopped,
            _ => return Err(Error::Value),
        },
        ip: Ipv4Addr::from(reader.take::<4>()?),
        key: reader.u32()?,
        numwant: Some(reader.u32()?).filter(|&wanted| wanted <= i32::MAX as u32),
        port: reader.u16()?,
        target: Vec::new(),
    };
    Ok(Announced { target: options(reader)?, ..announced })
}

/// The URL data among the options; others are passed over.
fn options(reader: &mut Reader<'_>) -> Result<Vec<u8>, Error> {
    let mut target = Vec::new();
    while !reader.0.is_empty() {
        match reader.take::<1>()? {
            [END] => break,
            [NOTHING] => {}
            [kind] => {
                let [len] = reader.take()?;
                let data = reader.bytes(len.into())?;
                if kind == URL_DATA {
                    target.extend_from_slice(data);
                }
            }
        }
    }
    Ok(target)
}

// ---- answers ---------------------------------------------------------------------------------------------------

/// A tracker's answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    Connected {
        connection: u64,
    },
    /// Interval, counts and at most [`limits::REPLY_PEERS`] peers, all of the family the tracker was asked in.
    Announced(Reply),
    /// In the order asked.
    Scraped(Vec<Scraped>),
    /// It refused, in words that are safe to show.
    Failed(String),
}

/// The transaction id of what may be an answer; None where it is too short or its action is none.
pub fn transaction_answered(bytes: &[u8]) -> Option<u32> {
    let mut reader = Reader(bytes);
    let is_answer = reader.u32().is_ok_and(|action| action <= ERROR);
    reader.u32().ok().filter(|_| is_answer)
}

impl Answer {
    /// Reads an answer and its transaction id. `from` is the tracker's address: peers are 18 bytes each if it is an
    /// IPv6 one and 6 if it is IPv4. A peer that is cut off at the end is left out.
    pub fn parse(bytes: &[u8], from: IpAddr) -> Result<(u32, Answer), Error> {
        let mut reader = Reader(bytes);
        let action = reader.u32()?;
        let transaction = reader.u32()?;
        let answer = match action {
            CONNECT => Answer::Connected { connection: reader.u64()? },
            ANNOUNCE => {
                let interval = reader.u32()?;
                let (incomplete, complete) = (reader.u32()?, reader.u32()?);
                Answer::Announced(Reply {
                    interval_s: Some(interval.into()),
                    complete: Some(complete),
                    incomplete: Some(incomplete),
                    peers: if from.is_ipv6() { peers_v6(reader.0) } else { peers_v4(reader.0) },
                    ..Reply::default()
                })
            }
            SCRAPE => {
                let rows = reader.0.as_chunks::<12>().0.iter().take(SCRAPE_MAX);
                Answer::Scraped(rows.map(scraped).collect::<Result<_, _>>()?)
            }
            ERROR => Answer::Failed(announce::shown(reader.0)),
            _ => return Err(Error::Action),
        };
        Ok((transaction, answer))
    }

    /// The datagram. Of an announce's reply the peers whose address is of `to`'s family.
    pub fn to_bytes(&self, transaction: u32, to: IpAddr) -> Vec<u8> {
        let head = |action: u32| [action.to_be_bytes(), transaction.to_be_bytes()].concat();
        match self {
            Answer::Connected { connection } => [head(CONNECT), connection.to_be_bytes().to_vec()].concat(),
            Answer::Announced(reply) => {
                let mut bytes = head(ANNOUNCE);
                let interval = u32::try_from(reply.interval_s.unwrap_or(0)).unwrap_or(u32::MAX);
                for number in [interval, reply.incomplete.unwrap_or(0), reply.complete.unwrap_or(0)] {
                    bytes.extend_from_slice(&number.to_be_bytes());
                }
                for peer in reply.peers.iter().filter(|peer| peer.is_ipv6() == to.is_ipv6()) {
                    match peer.ip() {
                        IpAddr::V4(ip) => bytes.extend_from_slice(&ip.octets()),
                        IpAddr::V6(ip) => bytes.extend_from_slice(&ip.octets()),
                    }
                    bytes.extend_from_slice(&peer.port().to_be_bytes());
                }
                bytes
            }
            Answer::Scraped(rows) => {
                let mut bytes = head(SCRAPE);
                for number in rows.iter().flat_map(|row| [row.complete, row.downloaded, row.incomplete]) {
                    bytes.extend_from_slice(&number.unwrap_or(0).to_be_bytes());
                }
                bytes
            }
            Answer::Failed(why) => [head(ERROR), why.as_bytes().to_vec()].concat(),
        }
    }
}

fn peers_v4(bytes: &[u8]) -> Vec<SocketAddr> {
    let peer = |&[a, b, c, d, high, low]: &[u8; 6]| {
        SocketAddr::new(Ipv4Addr::new(a, b, c, d).into(), u16::from_be_bytes([high, low]))
    };
    bounded(bytes.as_chunks::<6>().0.iter().map(peer))
}

fn peers_v6(bytes: &[u8]) -> Vec<SocketAddr> {
    let peer = |peer: &[u8; 18]| {
        let (ip, port) = peer.split_first_chunk::<16>()?;
        Some(SocketAddr::new(Ipv6Addr::from(*ip).into(), u16::from_be_bytes(port.try_into().ok()?)))
    };
    bounded(bytes.as_chunks::<18>().0.iter().filter_map(peer))
}

/// Without those that have no port.
fn bounded(peers: impl Iterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    peers.filter(|peer| peer.port() != 0).take(limits::REPLY_PEERS).collect()
}

fn scraped(row: &[u8; 12]) -> Result<Scraped, Error> {
    let mut reader = Reader(row);
    let (complete, downloaded, incomplete) = (reader.u32()?, reader.u32()?, reader.u32()?);
    Ok(Scraped {
        complete: Some(complete),
        incomplete: Some(incomplete),
        downloaded: Some(downloaded),
        downloaders: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

    fn request() -> Request<'static> {
        Request {
            info_hash: InfoHash([0x11; 20]),
            peer_id: PeerId([0x22; 20]),
            port: 6881,
            uploaded: 3,
            downloaded: 1,
            left: 2,
            numwant: 100,
            key: 0xbeef,
            event: Event::Started,
            tracker_id: None,
        }
    }

    #[test]
    fn questions_are_exact() {
        assert_eq!(connect(0x01020304), *b"\x00\x00\x04\x17\x27\x10\x19\x80\x00\x00\x00\x00\x01\x02\x03\x04");
        let bytes = announce(0x0807060504030201, 9, &request(), "/");
        let expected = [
            &b"\x08\x07\x06\x05\x04\x03\x02\x01\x00\x00\x00\x01\x00\x00\x00\x09"[..],
            &[0x11; 20],
            &[0x22; 20],
            b"\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x03",
            b"\0\0\0\x02\0\0\0\0\0\0\xbe\xef\0\0\0\x64\x1a\xe1",
        ];
        assert_eq!(bytes, expected.concat());
        assert_eq!(bytes.len(), ANNOUNCE_LEN);
        let with_path = announce(0x0807060504030201, 9, &request(), "/announce?k=1");
        assert_eq!(with_path, [&bytes[..], b"\x02\x0d/announce?k=1"].concat());
        assert_eq!(transaction_asked(&with_path), Some(9));
        assert_eq!(transaction_asked(&with_path[..15]), None);
        assert_eq!(scrape(1, 2, &[InfoHash([7; 20]); 80]).len(), 16 + 20 * SCRAPE_MAX);
    }

    #[test]
    fn a_tracker_reads_what_clients_ask_and_nothing_cut_off() {
        for event in [Event::None, Event::Started, Event::Completed, Event::Stopped] {
            let target = format!("/{}", "x".repeat(600));
            let bytes = announce(5, 6, &Request { event, ..request() }, &target);
            assert_eq!(bytes.len(), ANNOUNCE_LEN + 3 * 2 + 601);
            let read = Question::parse(&bytes).unwrap();
            let Asked::Announce(announced) = read.asked else { panic!() };
            assert_eq!((read.connection, read.transaction, announced.event), (5, 6, event));
            assert_eq!((announced.downloaded, announced.left, announced.uploaded), (1, 2, 3));
            assert_eq!((announced.key, announced.numwant, announced.port), (0xbeef, Some(100), 6881));
            assert_eq!(announced.target, target.as_bytes());
            let whole = [98, 98 + 257, 98 + 2 * 257];
            for len in (0..bytes.len()).filter(|len| !whole.contains(len)) {
                assert_eq!(Question::parse(&bytes[..len]), Err(Error::Short), "{len}");
            }
        }
        let plain = announce(5, 6, &request(), "/");
        for (options, target) in [
            (&b"\x01\x01\x02\x02/a\x00\x02"[..], Ok(&b"/a"[..])),
            (b"\x07\x03abc\x02\x01/\x02\x01b", Ok(b"/b")),
            (b"\x02\x05/a", Err(Error::Short)),
        ] {
            let read = Question::parse(&[&plain, options].concat());
            let read =
                read.map(|read| if let Asked::Announce(announced) = read.asked { announced.target } else { vec![] });
            assert_eq!(read, target.map(<[u8]>::to_vec));
        }
        let mut odd = plain.clone();
        odd[83] = 4;
        assert_eq!(Question::parse(&odd), Err(Error::Value));
        let mut any = plain;
        any[92..96].fill(0xff);
        assert!(matches!(Question::parse(&any).unwrap().asked, Asked::Announce(Announced { numwant: None, .. })));

        assert_eq!(Question::parse(&connect(3)).unwrap().asked, Asked::Connect);
        assert_eq!(Question::parse(&question(7, CONNECT, 3)), Err(Error::Value));
        assert_eq!(Question::parse(&question(7, ERROR, 3)), Err(Error::Action));
        let two = [InfoHash([1; 20]), InfoHash([2; 20])];
        assert_eq!(Question::parse(&scrape(1, 2, &two)).unwrap().asked, Asked::Scrape(two.to_vec()));
        assert_eq!(Question::parse(&scrape(1, 2, &[])), Err(Error::Short));
    }

    #[test]
    fn answers_are_read_by_the_family_of_the_tracker() {
        let v4 =
            b"\0\0\0\x01\0\0\0\x09\0\0\x07\x08\0\0\0\x02\0\0\0\x03\x05\x06\x07\x08\x1a\xe1\x09\x09\x09\x09\x00\x00\
                   \x01\x02\x03\x04\x00\x01";
        let (transaction, answer) = Answer::parse(v4, V4).unwrap();
        let Answer::Announced(reply) = answer else { panic!() };
        assert_eq!(
            (transaction, reply.interval_s, reply.incomplete, reply.complete),
            (9, Some(1800), Some(2), Some(3))
        );
        assert_eq!(reply.peers, ["5.6.7.8:6881".parse().unwrap(), "1.2.3.4:1".parse().unwrap()]);
        let Answer::Announced(reply) = Answer::parse(v4, V6).unwrap().1 else { panic!() };
        assert_eq!(reply.peers, ["[506:708:1ae1:909:909:0:102:304]:1".parse().unwrap()]);
        assert_eq!(
            Answer::parse(b"\0\0\0\x03\0\0\0\x09no\x1b[2J", V4),
            Ok((9, Answer::Failed("no [2J".into()))),
            "safe to show"
        );
        assert_eq!(Answer::parse(b"\0\0\0\x04\0\0\0\x09", V4), Err(Error::Action));
        assert_eq!(transaction_answered(b"\0\0\0\x03\0\0\0\x09"), Some(9));
        assert_eq!(transaction_answered(b"\0\0\0\x03\0\0\0"), None);
        assert_eq!(transaction_answered(&connect(9)), None, "a question is no answer");
    }

    /// Written and read again; cut off anywhere it is an error, or (peers, rows, words) has less.
    #[test]
    fn answers_go_both_ways_at_every_truncation() {
        let peers: Vec<SocketAddr> =
            ["1.2.3.4:5", "[2001:db8::1]:6", "9.8.7.6:5", "[::1]:7"].map(|p| p.parse().unwrap()).into();
        let reply = Reply { interval_s: Some(60), complete: Some(1), incomplete: Some(2), peers, ..Reply::default() };
        let of = |v6| {
            let peers = reply.peers.iter().copied().filter(|peer| peer.is_ipv6() == v6).collect();
            Answer::Announced(Reply { peers, ..reply.clone() })
        };
        let row = Scraped { complete: Some(1), incomplete: Some(3), downloaded: Some(2), downloaders: None };
        for (answer, to, least) in [
            (Answer::Connected { connection: 77 }, V4, CONNECT_LEN),
            (of(false), V4, ANNOUNCED_LEN),
            (of(true), V6, ANNOUNCED_LEN),
            (Answer::Scraped(vec![row; 2]), V4, 8),
            (Answer::Failed("why".into()), V4, 8),
        ] {
            let bytes = answer.to_bytes(5, to);
            assert_eq!(Answer::parse(&bytes, to), Ok((5, answer)));
            for len in 0..bytes.len() {
                assert_eq!(Answer::parse(&bytes[..len], to).is_ok(), len >= least, "{len} of {bytes:?}");
            }
        }
        assert_eq!(Answer::Announced(reply.clone()).to_bytes(5, V4), of(false).to_bytes(5, V4));
    }

    #[test]
    fn answers_are_bounded() {
        let mut bytes = b"\0\0\0\x01\0\0\0\x09\0\0\x07\x08\0\0\0\x02\0\0\0\x03".to_vec();
        bytes.extend([1; 60_000]);
        for ip in [V4, V6] {
            let Answer::Announced(reply) = Answer::parse(&bytes, ip).unwrap().1 else { panic!() };
            assert_eq!(reply.peers.len(), limits::REPLY_PEERS);
        }
        let mut bytes = b"\0\0\0\x02\0\0\0\x09".to_vec();
        bytes.extend([1; 60_000]);
        let Answer::Scraped(rows) = Answer::parse(&bytes, V4).unwrap().1 else { panic!() };
        assert_eq!(rows.len(), SCRAPE_MAX);
        bytes[3] = 3;
        let Answer::Failed(why) = Answer::parse(&bytes, V4).unwrap().1 else { panic!() };
        assert!(why.len() <= 300);
    }
}
